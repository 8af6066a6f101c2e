//! Where the app runs beside a browser tab: machines in branches, phones that go on from them, the
//! insurer's own app or menu, WeChat.

pub mod handoffs;
pub mod kiosk;
pub mod launch;
pub mod wechat;

//! Where the app runs besides a browser tab: kiosks in branches, phones that continue from them,
//! the insurer's own app or menu, WeChat.

pub mod handoffs;
pub mod kiosk;
pub mod launch;
pub mod wechat;

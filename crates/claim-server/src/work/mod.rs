//! What is done with claims, whoever asks for it: by the app, by a plain page, by the clock. Built
//! on [`crate::store`]; knows no request and no page.

pub mod accounts;
pub mod attach;
pub mod attendant;
pub mod delivery;
pub mod demo;
pub mod fields;
pub mod letters;
pub mod log;
pub mod messages;
pub mod papers;
pub mod payees;
pub mod payments;
pub mod policies;
pub mod proofs;
pub mod report;
pub mod request;
pub mod sessions;
pub mod signals;
pub mod statistics;
pub mod steps;

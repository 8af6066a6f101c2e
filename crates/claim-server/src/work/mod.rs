//! What is done with claims, whether the app, a plain page or the clock asks for it. Built on
//! [`crate::store`]; knows nothing of requests and pages.

pub mod accounts;
pub mod attach;
pub mod attendant;
pub mod delivery;
pub mod demo;
pub mod feed;
pub mod fields;
pub mod hooks;
pub mod keys;
pub mod letters;
pub mod log;
pub mod messages;
pub mod operator;
pub mod papers;
pub mod payees;
pub mod payments;
pub mod policies;
pub mod proofs;
pub mod report;
pub mod request;
pub mod retention;
pub mod services;
pub mod sessions;
pub mod signals;
pub mod sso;
pub mod statistics;
pub mod steps;

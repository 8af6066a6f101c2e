//! The tools of the end-to-end tests: a real server process on its own data, a real Chromium,
//! photographs.

mod browser;
mod engines;
mod examine;
mod firefox;
pub mod papers;
mod phone;
mod photos;
mod proxy;
mod server;
mod tls;

pub use browser::{Browser, Look};
pub use engines::Engine;
pub use firefox::in_firefox;
pub use phone::{Phone, Raw};
pub use photos::{
    broken_files, located_photograph, odd_files, photographs, sha256_hex, some_photographs,
};
pub use proxy::{End, Fault, Link, Proxy};
pub use server::{Answer, Caller, Server, Setting, all_good, notice, program, unique_key};
pub use tls::Front;

use std::path::PathBuf;

/// The project's folder.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

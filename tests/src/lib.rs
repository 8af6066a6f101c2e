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
pub use server::{
    Answer, Caller, Process, Server, Setting, all_good, free_address, notice, on_database, program,
    unique_key,
};
pub use tls::Front;

use std::path::PathBuf;
use std::process::Command;

/// The interpreter that `cargo xtask test` sets up for foreign clients.
pub fn python() -> Command {
    let named = std::env::var_os("BAOAN_PYTHON");
    Command::new(named.unwrap_or_else(|| "python3".into()))
}

/// The project's folder.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

//! Tests of the server process over the wire, without a browser (`cargo xtask test --only api`). Such
//! tests in other files are in a `mod server`.

mod api;
mod clients;
pub mod core;
mod load;
mod operations;
mod rows;
pub mod sso;
mod streams;

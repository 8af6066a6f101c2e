//! Tests of the server process over the wire, without a browser and without the built app: they run
//! before either exists (`cargo xtask test --only api`). Such tests in other files are in a
//! `mod server`.

mod api;
mod clients;
mod load;
mod rows;
mod streams;

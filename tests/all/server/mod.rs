//! The server's process over the wire, without a browser and without the built app: run before both
//! are there (`cargo xtask test --only api`). Tests of this kind elsewhere stand in a `mod server`.

mod api;
mod clients;
mod load;
mod rows;
mod streams;

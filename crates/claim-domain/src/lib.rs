//! The insurance domain: what may be reported, which documents it needs, how a claim moves and by
//! when.
//!
//! Promise: everything here is a pure function of its arguments. The browser and the server link
//! the same code, so both always reach the same verdict. Architecture invariant: no clock, no I/O,
//! no random numbers, and no name of a web or server library.

pub mod calendar;
pub mod catalog;
pub mod claim_no;
mod clock;
pub mod condition;
pub mod deadlines;
pub mod documents;
pub mod draft;
pub mod invoice;
pub mod json;
pub mod lifecycle;
#[cfg(not(target_arch = "wasm32"))]
mod lint;
pub mod money;
pub mod notice;
pub mod payees;
pub mod payout;
pub mod policy;
pub mod promise;
pub mod safety;
pub mod validate;
pub mod wire;

pub use catalog::{Catalogue, Lob, Text};
pub use clock::{Day, Moment, due_after_days, local_day};
pub use documents::checks;
pub use notice::{FieldError, Notice};
pub use validate::{Code, Finding, Verdict};

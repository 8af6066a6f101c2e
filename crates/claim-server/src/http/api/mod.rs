//! The API: one module for each task of a client. Handlers begin with an access check
//! ([`super::access`]) and leave the work to [`crate::work`].

pub mod bank;
pub mod claims;
pub mod documents;
pub mod drafts;
pub mod letters;
pub mod meta;
pub mod payees;
pub mod policies;
pub mod preferences;
pub mod proofs;
pub mod records;
pub mod reports;
pub mod sessions;
pub mod shares;
pub mod stream;
pub mod systems;
pub mod uploads;

//! What the command line is told when it adds and removes accounts and systems.

use crate::failure::{Failure, Result};

/// Checks the name of a system: it stands in addresses and keys.
///
/// # Errors
/// A sentence.
pub fn is_name(name: &str) -> std::result::Result<(), String> {
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if !name.is_empty() && name.bytes().all(letters) {
        Ok(())
    } else {
        Err(format!("{name:?}: letters, digits and - are allowed"))
    }
}

/// What came of something done to the account or system `name`, if there was one.
///
/// # Errors
/// A sentence.
pub fn known(what: &str, name: &str, done: Result<bool>) -> std::result::Result<(), String> {
    if done.map_err(Failure::sentence)? {
        Ok(())
    } else {
        Err(format!("there is no {what} {name:?}"))
    }
}

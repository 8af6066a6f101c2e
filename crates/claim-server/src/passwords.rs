//! Passwords of staff: Argon2id with the crate's parameters (19 MiB, two passes), the OWASP
//! minimum.
//!
//! Promise: two are checked at a time, in memory allocated once. If allocated anew for each, the
//! allocator keeps 19 MiB for every thread that has ever checked one.

use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::failure::{Failure, Result};
use crate::limits::Gate;

const AT_ONCE: usize = 2;
const WAITING: usize = 32;
/// Matches no password, so that an unknown name is not answered sooner.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub struct Passwords {
    gate: Gate,
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords {
            gate: Gate::new(AT_ONCE, WAITING),
            memory: Arc::default(),
        }
    }
}

/// # Errors
/// A sentence for the command line.
pub fn hash(password: &str) -> std::result::Result<String, String> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|e| e.to_string())
}

impl Passwords {
    /// Whether this is the hashed password. Without a hash it never is, in the same time.
    ///
    /// # Errors
    /// `rate-limited` where too many wait.
    pub async fn is(&self, password: &str, hash: Option<String>) -> Result<bool> {
        let _place = self.gate.enter().await?;
        let (password, memory) = (password.to_owned(), self.memory.clone());
        let right = tokio::task::spawn_blocking(move || {
            let free = || memory.lock().unwrap_or_else(PoisonError::into_inner);
            let mut blocks = free().pop().unwrap_or_default();
            let right = check(&password, hash.as_deref().unwrap_or(NOBODY), &mut blocks);
            free().push(blocks);
            right.unwrap_or(false)
        });
        right.await.map_err(|e| Failure::internal("password", e))
    }
}

/// `None` for a malformed hash.
fn check(password: &str, hash: &str, memory: &mut Vec<Block>) -> Option<bool> {
    let hash = PasswordHash::new(hash).ok()?;
    let (salt, expected) = (hash.salt?, hash.hash?);
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash
        .version
        .map(Version::try_from)
        .transpose()
        .ok()?
        .unwrap_or_default();
    let params = Params::try_from(&hash).ok()?;
    memory.resize(params.block_count(), Block::default());
    let mut out = vec![0; expected.len()];
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password.as_bytes(), salt.as_ref(), &mut out, memory)
        .ok()?;
    // Compared in constant time.
    Some(Output::new(&out).ok()? == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_in_memory_that_was_used_before() {
        let (passwords, kept) = (Passwords::default(), hash("一个很长的密码 1").unwrap());
        for _ in 0..3 {
            assert!(
                passwords
                    .is("一个很长的密码 1", Some(kept.clone()))
                    .await
                    .unwrap()
            );
            assert!(
                !passwords
                    .is("一个很长的密码 2", Some(kept.clone()))
                    .await
                    .unwrap()
            );
            assert!(!passwords.is("", None).await.unwrap());
            assert!(!passwords.is("", Some("not a hash".into())).await.unwrap());
        }
        assert_eq!(passwords.memory.lock().unwrap().len(), 1);
    }
}

//! The audit log: who signed in, who was refused, who looked, searched and exported, and which
//! settings changed. One JSON object per line, in its own file, readable only by its owner (ASVS
//! 5.0 16.3).
//!
//! Promise: no line holds a customer's name, number, phone, text or token. Staff appear by their
//! login name, sessions by the start of a hash, claims by number.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::limits::Buckets;
use crate::now;
use crate::store::disk;

pub struct Audit {
    file: Mutex<disk::File>,
    /// Anybody can cause refusals: beyond this rate they are counted, not written.
    refusals: Buckets<()>,
    unwritten: Mutex<u64>,
}

/// Who did it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    Staff(String),
    /// An account of another system.
    Service(String),
    /// The beginning of the hash of a session's token.
    Session(String),
    /// Whoever works on the server machine itself.
    Operator,
    Nobody,
}

impl Who {
    pub fn session(hash: &str) -> Who {
        Who::Session(hash.chars().take(12).collect())
    }
}

impl Audit {
    pub fn open(path: &Path) -> io::Result<Audit> {
        let (file, refusals) = (
            Mutex::new(disk::appended(path)?),
            Buckets::new(200, Duration::from_millis(100)),
        );
        Ok(Audit {
            file,
            refusals,
            unwritten: Mutex::default(),
        })
    }

    /// Writes one event (`sign-in`, `refused`, `look`, `search`, `export`, `set` …) with its
    /// details.
    pub fn say(&self, event: &'static str, who: &Who, what: Value) {
        let line = serde_json::json!({ "at": now(), "event": event, "who": who, "what": what });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // One write, so that two processes do not mix their lines.
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            tracing::error!(%error, event, "the audit log cannot be written");
        }
    }

    /// The same, for what anybody can cause as often as they like.
    pub fn refused(&self, who: &Who, what: Value) {
        let mut unwritten = self
            .unwritten
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.refusals.take(()).is_err() {
            *unwritten += 1;
            return;
        }
        let others = std::mem::take(&mut *unwritten);
        if others > 0 {
            self.say(
                "refused",
                &Who::Nobody,
                serde_json::json!({ "others": others }),
            );
        }
        self.say("refused", who, what);
    }

    /// Something that somebody must look at now.
    pub fn alarm(&self, what: Value) {
        tracing::error!(%what, "alarm");
        self.say("alarm", &Who::Nobody, what);
    }
}

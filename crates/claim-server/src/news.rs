//! Wakes the streams of a claim when it has a new event, or when their session ends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Keyed by claim id for new events, and by session hash for ended sessions.
#[derive(Default)]
pub struct News(Mutex<HashMap<String, watch::Sender<()>>>);

impl News {
    pub fn listen(&self, about: &str) -> watch::Receiver<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(about.to_owned())
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe()
    }

    /// Wakes everybody who waits for this; if nobody does, the entry is removed.
    pub fn tell(&self, about: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(about).is_some_and(|waits| waits.send(()).is_err()) {
            all.remove(about);
        }
    }

    /// Removes the entry when its last listener leaves.
    pub fn forget(&self, about: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all
            .get(about)
            .is_some_and(|waits| waits.receiver_count() <= 1)
        {
            all.remove(about);
        }
    }
}

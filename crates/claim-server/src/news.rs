//! Who waits for what: streams of a claim wake when it has a new event, or when their session ends.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Claims with new events by their id, sessions that were ended by their hash.
#[derive(Default)]
pub struct News(Mutex<HashMap<String, watch::Sender<()>>>);

impl News {
    pub fn listen(&self, about: &str) -> watch::Receiver<()> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(about.to_owned())
            .or_insert_with(|| watch::Sender::new(()))
            .subscribe()
    }

    /// Wakes those who wait for this; where nobody does, nothing is kept.
    pub fn tell(&self, about: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(about).is_some_and(|waits| waits.send(()).is_err()) {
            all.remove(about);
        }
    }

    /// The last of those who waited goes.
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

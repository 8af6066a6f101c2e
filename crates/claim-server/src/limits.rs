//! What one caller, one network and everybody together may cost. A refusal comes at once, with the
//! time after which to retry: nobody waits in order to be refused.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::failure::{Result, busy};

/// Work that takes memory or time: a few at once, and a few more may wait their turn.
pub struct Gate {
    places: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// Counts callers until they are let in or go away.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Gate {
    pub fn new(at_once: usize, most_waiting: usize) -> Gate {
        Gate {
            places: Semaphore::new(at_once),
            waiting: AtomicUsize::new(0),
            most_waiting,
        }
    }

    /// A place, held until it is dropped.
    ///
    /// # Errors
    /// `rate-limited` where too many wait already.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= self.most_waiting {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(busy(1).into());
        }
        let _waits = Waits(&self.waiting);
        self.enter_patiently().await
    }

    /// The same for work that nobody would retry, however many wait.
    pub async fn enter_patiently(&self) -> Result<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.places.acquire().await.map_err(|_| busy(1).into())
    }
}

/// Token buckets by key: `burst` at once, then one per `every`.
pub struct Buckets<K> {
    burst: u32,
    every: Duration,
    full: Mutex<HashMap<K, (f64, Instant)>>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub fn new(burst: u32, every: Duration) -> Buckets<K> {
        Buckets {
            burst,
            every,
            full: Mutex::default(),
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// `rate-limited` with the seconds until the next token.
    pub fn take(&self, key: K) -> Result<()> {
        self.take_at(key, Instant::now())
    }

    fn take_at(&self, key: K, at: Instant) -> Result<()> {
        let mut all = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let (burst, every) = (f64::from(self.burst), self.every.as_secs_f64());
        let left = |(left, seen): &(f64, Instant)| {
            (left + at.saturating_duration_since(*seen).as_secs_f64() / every).min(burst)
        };
        // A full bucket is as good as none.
        if all.len() >= 50_000 {
            all.retain(|_, bucket| left(bucket) < burst);
        }
        let bucket = all.entry(key).or_insert((burst, at));
        let now = left(bucket);
        if now < 1.0 {
            return Err(busy(((1.0 - now) * every).ceil().max(1.0) as u32).into());
        }
        *bucket = (now - 1.0, at);
        Ok(())
    }
}

/// How many places each key has taken, up to a limit.
pub struct Places<K: Hash + Eq + Clone>(Arc<Mutex<HashMap<K, usize>>>);

impl<K: Hash + Eq + Clone> Default for Places<K> {
    fn default() -> Places<K> {
        Places(Arc::default())
    }
}

impl<K: Hash + Eq + Clone> Places<K> {
    /// A place, held until it is dropped; `None` where the key has `most` already.
    pub fn take(&self, key: K, most: usize) -> Option<Place<K>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(key.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place(self.0.clone(), key))
    }
}

pub struct Place<K: Hash + Eq>(Arc<Mutex<HashMap<K, usize>>>, K);

impl<K: Hash + Eq> Drop for Place<K> {
    fn drop(&mut self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.1);
            }
        }
    }
}

/// What one network, and everybody together, may cause before showing who they are. Many phones
/// share a mobile network's address, so these stop floods and nothing less.
pub struct Quotas {
    /// Sessions that are stored.
    pub sessions: Buckets<String>,
    pub reports: Buckets<String>,
    pub uploads: Buckets<String>,
    pub csp_reports: Buckets<String>,
    /// Messages to phones that nobody has signed in with.
    pub messages: Buckets<()>,
}

impl Default for Quotas {
    fn default() -> Quotas {
        Quotas {
            sessions: Buckets::new(600, Duration::from_millis(500)),
            reports: Buckets::new(600, Duration::from_secs(2)),
            csp_reports: Buckets::new(20, Duration::from_secs(10)),
            uploads: Buckets::new(3000, Duration::from_millis(500)),
            messages: Buckets::new(600, Duration::from_millis(250)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_at_a_time() {
        let buckets = Buckets::new(3, Duration::from_secs(10));
        let began = Instant::now();
        let taken = |key: &'static str, seconds: u64| {
            buckets.take_at(key, began + Duration::from_secs(seconds))
        };
        assert_eq!((0..5).filter(|_| taken("a", 0).is_ok()).count(), 3);
        assert!(taken("b", 0).is_ok(), "another key");
        assert_eq!(taken("a", 4).unwrap_err().problem().retry_after, Some(6));
        assert!(taken("a", 10).is_ok() && taken("a", 11).is_err());
        assert_eq!(
            (0..9).filter(|_| taken("a", 10_000).is_ok()).count(),
            3,
            "no more than full"
        );
    }

    #[tokio::test]
    async fn a_gate_refuses_whoever_comes_when_enough_wait() {
        let gate = Gate::new(1, 2);
        let inside = gate.enter().await.unwrap();
        let (first, second) = (gate.enter(), gate.enter());
        tokio::pin!(first, second);
        for waits in [first.as_mut(), second.as_mut()] {
            assert!(
                tokio::time::timeout(Duration::from_millis(1), waits)
                    .await
                    .is_err()
            );
        }
        assert_eq!(
            gate.enter().await.unwrap_err().problem().retry_after,
            Some(1)
        );
        drop(inside);
        let inside = first.await.unwrap();
        assert!(
            tokio::time::timeout(Duration::from_millis(1), gate.enter())
                .await
                .is_err(),
            "there is room to wait again"
        );
        drop(inside);
        drop(second.await.unwrap());
    }
}

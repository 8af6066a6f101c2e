//! Sends every event to the insurer's systems (Standard Webhooks).
//!
//! Promise: each system gets the events of a claim in order, each at least once and with the same
//! `webhook-id` every time, however long it was away. A system that fails is asked again later, at
//! growing intervals of up to an hour, without end. An event that it does not take, while it takes
//! others, holds back its claim alone; if it refuses it for three days, the event is given up,
//! recorded, and told to the operator. No system waits for another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use claim_domain::Moment;
use futures_util::future::join_all;

use super::{feed as told, keys, operator};
use crate::failure::{Failure, Result};
use crate::metrics::Outcome;
use crate::store::feed::{self, Entry};
use crate::store::hooks::{self, Held, Hook};
use crate::{App, egress, now};

const FIRST_WAIT: i64 = 5;
/// For an event that is refused.
const LONGEST_WAIT: i64 = 3600;
/// For a system that is away: once it is back, it is told within five minutes.
const AWAY_WAIT: i64 = 300;
/// After so many failures in a row it may be the event and not the system: its claim waits, and the
/// next claim is tried.
const TRIES: i64 = 8;
const GIVEN_UP_AFTER: i64 = 3 * 86_400;

/// What is sent to each system at the moment.
#[derive(Default)]
pub struct Lines(Mutex<HashMap<String, Arc<Line>>>);

/// One sender at a time, or two would send the same event.
#[derive(Default)]
struct Line {
    busy: tokio::sync::Mutex<()>,
    /// The note of whoever found it busy.
    unsent: AtomicBool,
}

impl Lines {
    fn of(&self, hook: &str) -> Arc<Line> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(hook.to_owned()).or_default().clone()
    }

    /// Until nothing is being sent.
    #[cfg(test)]
    pub async fn settled(&self) {
        let all: Vec<_> = self.0.lock().unwrap().values().cloned().collect();
        for line in all {
            drop(line.busy.lock().await);
        }
    }
}

/// Sends in the background, so that a slow system holds nothing up.
pub fn begin(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(failure) = deliver(&app).await {
            failure.problem();
        }
    });
}

/// Sends what is due to every system.
pub async fn deliver(app: &App) -> Result<()> {
    let all = hooks::all(&mut app.store.read().await?).await?;
    join_all(all.iter().map(|hook| tell(app, &hook.name))).await;
    Ok(())
}

async fn tell(app: &App, name: &str) {
    let line = app.lines.of(name);
    line.unsent.store(true, SeqCst);
    // Again, because a note may come after the last look and before the line is free.
    while line.unsent.load(SeqCst) {
        let Ok(_alone) = line.busy.try_lock() else {
            return;
        };
        while line.unsent.swap(false, SeqCst) {
            if let Err(failure) = send_due(app, name).await {
                failure.problem();
            }
        }
    }
}

async fn send_due(app: &App, name: &str) -> Result<()> {
    let hook = hooks::named(&mut app.store.read().await?, name).await?;
    if let Some(hook) = hook {
        retry_held(app, &hook).await?;
        go_on(app, hook).await?;
    }
    Ok(())
}

fn wait(tries: i64, failed: &egress::Failed) -> Moment {
    let longest = match is_of_system(failed) {
        true => AWAY_WAIT,
        false => LONGEST_WAIT,
    };
    let seconds = (FIRST_WAIT << tries.min(10)).min(longest);
    now().plus_seconds(seconds)
}

/// Whether a failure says nothing about the event: the system is away, broken or busy.
fn is_of_system(failed: &egress::Failed) -> bool {
    failed
        .status
        .is_none_or(|status| matches!(status, 408 | 425 | 429 | 500..))
}

/// Sends the events after those that a system has.
async fn go_on(app: &App, mut hook: Hook) -> Result<()> {
    while hook.next_at <= now().0 {
        let next = feed::after(&mut app.store.read().await?, hook.done, None, 1).await?;
        let Some(entry) = next.into_iter().next() else {
            break;
        };
        let (seq, claim_id) = (entry.seq, entry.claim_id.clone());
        let (mut done, mut tries, mut next_at) = (seq, 0, Moment(0));
        let mut held: Option<(Held, Moment)> = None;
        let waits = hooks::is_held(&mut app.store.read().await?, &hook.name, &claim_id).await?;
        if !waits && let Err(failed) = send(app, &hook, entry).await? {
            tracing::warn!(hook = hook.name, seq, %failed, "an event was not accepted");
            if is_of_system(&failed) && hook.tries + 1 < TRIES {
                (done, tries, next_at) = (hook.done, hook.tries + 1, wait(hook.tries, &failed));
            } else {
                let tries = hook.tries + 1;
                let mine = Held {
                    claim_id,
                    seq,
                    tries,
                    since: now().0,
                };
                held = Some((mine, wait(tries, &failed)));
                // The system may be away all the same: the next claim will not hammer it.
                if is_of_system(&failed) {
                    next_at = wait(hook.tries, &failed);
                }
            }
        }
        let mut tx = app.store.begin_patiently().await?;
        if !hooks::advance(&mut tx, &hook, done, tries, next_at).await? {
            break;
        }
        if let Some((held, again)) = held {
            hooks::hold(&mut tx, &hook.name, &held, again).await?;
        }
        tx.commit().await?;
        (hook.done, hook.tries, hook.next_at) = (done, tries, next_at.0);
    }
    Ok(())
}

/// Sends the events of claims that were held back, each claim until it has caught up or is refused
/// again.
async fn retry_held(app: &App, hook: &Hook) -> Result<()> {
    let due = hooks::held(&mut app.store.read().await?, &hook.name, now()).await?;
    for mut held in due {
        loop {
            let (from, claim) = (held.seq - 1, Some(held.claim_id.as_str()));
            let next = feed::after(&mut app.store.read().await?, from, claim, 1).await?;
            let Some(entry) = next.into_iter().next().filter(|e| e.seq <= hook.done) else {
                let mut tx = app.store.begin_patiently().await?;
                hooks::release(&mut tx, &hook.name, &held.claim_id).await?;
                tx.commit().await?;
                break;
            };
            held.seq = entry.seq;
            let sent = send(app, hook, entry).await?;
            let mut tx = app.store.begin_patiently().await?;
            let mut again = now();
            match &sent {
                Ok(()) => {
                    (held.seq, held.tries, held.since) = (held.seq + 1, 0, now().0);
                }
                Err(failed) if !is_of_system(failed) && now().0 - held.since > GIVEN_UP_AFTER => {
                    tracing::error!(hook = hook.name, seq = held.seq, %failed, "an event was given up");
                    let reason = failed.to_string();
                    hooks::give_up(&mut tx, &hook.name, held.seq, now(), &reason).await?;
                    (held.seq, held.tries, held.since) = (held.seq + 1, 0, now().0);
                }
                Err(failed) => {
                    // Days in which the system was away are none in which it refused.
                    if is_of_system(failed) {
                        held.since = now().0;
                    }
                    held.tries += 1;
                    again = wait(held.tries, failed);
                }
            }
            hooks::keep_held(&mut tx, &hook.name, &held, again).await?;
            tx.commit().await?;
            if sent.is_err() && again > now() {
                break;
            }
        }
    }
    Ok(())
}

async fn send(
    app: &App,
    hook: &Hook,
    entry: Entry,
) -> Result<std::result::Result<(), egress::Failed>> {
    let event = told::enveloped(app, &mut app.store.read().await?, entry).await?;
    let body = serde_json::to_string(&event).unwrap_or_default();
    let at = now().0;
    let signed = format!("{}.{at}.{body}", event.id);
    // With each key that is valid, so that a system can change to the next one when it likes.
    let signatures = app.vault.macs(&peer(&hook.name), signed.as_bytes());
    let signatures = signatures
        .iter()
        .map(|mac| format!("v1,{}", BASE64.encode(mac)));
    let signatures: Vec<String> = signatures.collect();
    let headers = vec![
        ("webhook-id", event.id),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ];
    let body = ("application/cloudevents+json", body);
    let sent = egress::call("hook", hook.url.clone(), headers, Some(body)).await;
    app.metrics.sent(&hook.name, Outcome::of(&sent));
    Ok(sent.map(drop))
}

/// Adds a system, which is told of every event from now on; or changes its address. Returns the
/// secret to verify signatures with, as Standard Webhooks write it.
///
/// # Errors
/// A sentence for the command line.
pub async fn add(app: &App, name: &str, url: &str) -> std::result::Result<String, String> {
    operator::is_name(name)?;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(format!(
            "{url:?} is not an address such as https://host/path"
        ));
    }
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        let newest = feed::newest(&mut tx).await?;
        hooks::keep(&mut tx, name, url, newest).await?;
        tx.commit().await
    };
    write.await.map_err(Failure::sentence)?;
    Ok(keys::shown(&peer(name), app.vault.peer_key(&peer(name))))
}

/// What its key is kept under.
fn peer(name: &str) -> String {
    format!("{}{name}", keys::HOOK)
}

/// Forgets a system.
///
/// # Errors
/// A sentence for the command line.
pub async fn remove(app: &App, name: &str) -> std::result::Result<(), String> {
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        let done = hooks::remove(&mut tx, name).await?;
        tx.commit().await?;
        Ok::<bool, Failure>(done)
    };
    operator::known("system", name, write.await)
}

/// Sends everything after a number again.
///
/// # Errors
/// A sentence for the command line.
pub async fn replay(app: &App, name: &str, after: i64) -> std::result::Result<(), String> {
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        let done = hooks::replay(&mut tx, name, after).await?;
        tx.commit().await?;
        Ok::<bool, Failure>(done)
    };
    operator::known("system", name, write.await)
}

/// Every system with the claims that wait and the events given up; and the newest event.
///
/// # Errors
/// A sentence for the command line.
pub async fn list(app: &App) -> std::result::Result<(Vec<(Hook, i64, i64)>, i64), String> {
    let read = async {
        let db = &mut app.store.read().await?;
        let mut all = Vec::new();
        for hook in hooks::all(db).await? {
            let (waiting, dead) = hooks::waiting(db, &hook.name).await?;
            all.push((hook, waiting, dead));
        }
        Ok::<_, Failure>((all, feed::newest(db).await?))
    };
    read.await.map_err(Failure::sentence)
}

/// The events that were given up: number, time, reason.
///
/// # Errors
/// A sentence for the command line.
pub async fn dead(
    app: &App,
    name: &str,
) -> std::result::Result<Vec<(i64, Moment, String)>, String> {
    let read = async { hooks::dead(&mut app.store.read().await?, name).await };
    read.await.map_err(Failure::sentence)
}

//! Sending reports and documents: the outbox carries them to the server, whatever happens to the
//! page.

use claim_api::Receipt;
use claim_api::outbox::{Body, Next, Outbox, Reply, Sending, next_of};
use claim_domain::Lob;
use claim_domain::draft::Draft;
use futures::future::{LocalBoxFuture, join};
use leptos::prelude::*;

use super::{Session, stored, text_of};
use crate::platform::storage::{Storage, photo, thumbnail};
use crate::platform::{http, luck, new_id, now_ms, sleep_ms, spawn};

/// Bytes of a file per request: what is lost when the network drops.
const CHUNK: u64 = 512 << 10;
pub(super) const SLOW_CHUNK: u64 = 64 << 10;
/// A link on which a whole chunk takes longer than this is slow.
const LONG_MS: u64 = 8_000;

const OUTBOX: &str = "outbox:";
/// Where version 1 kept all reports.
const OLD_OUTBOXES: &str = "outboxes";

pub(super) fn outbox_name(key: &str) -> String {
    format!("{OUTBOX}{key}")
}

/// All outgoing reports, newest last: their keys begin with the time. `None`: not all can be read
/// now.
pub(super) async fn stored_outboxes(storage: &Storage) -> Option<Vec<Outbox>> {
    let mut all = Vec::new();
    for name in storage.names(OUTBOX).await? {
        all.push(stored::<Outbox>(storage, &name).await?);
    }
    Some(all)
}

/// Version 1 kept all reports in one record.
pub(super) async fn from_version_1(storage: &Storage) {
    if let Some(old) = stored::<Vec<Outbox>>(storage, OLD_OUTBOXES).await {
        for outbox in old {
            storage
                .save_text(&outbox_name(&outbox.key), text_of(&outbox))
                .await;
        }
        storage.forget(OLD_OUTBOXES).await;
    }
}

impl Session {
    /// Takes over what another page did with the reports. Call it only while nothing is being sent
    /// here.
    pub(super) async fn catch_up_outboxes(&self) {
        let Some(mut there) = stored_outboxes(&self.storage()).await else {
            return;
        };
        // A report that is still being saved is not among them yet.
        if !self
            .outboxes
            .with_untracked(|all| all.iter().all(Outbox::is_written))
        {
            return;
        }
        let here: Vec<String> = self
            .outboxes
            .with_untracked(|all| all.iter().map(text_of).collect());
        let mut changed = here.len() != there.len();
        for outbox in there.iter_mut().filter(|o| !here.contains(&text_of(o))) {
            changed = true;
            // That page may have been killed midway.
            outbox.restarted();
        }
        if changed {
            self.outboxes.set(there);
        }
    }

    /// Saves an outgoing report.
    pub(super) async fn keep(&self, key: &str) {
        let text = self
            .outboxes
            .with_untracked(|all| all.iter().find(|o| o.key == key).map(text_of));
        if let Some(text) = text {
            self.storage().save_text(&outbox_name(key), text).await;
            self.look_at_storage();
        }
    }

    /// Freezes the report and begins to send it. The draft stays until the server has it.
    pub fn submit(&self) {
        let draft = self.draft.get_untracked();
        let health = self
            .catalogue
            .incident(&draft.answers.incident)
            .is_some_and(|i| i.lob == Lob::Health);
        let document = if health { "medical_record" } else { "scene" };
        self.send_this(Outbox::of_report(&draft, new_id() + &new_id(), document));
    }

    pub(super) fn drop_outboxes(&self, over: impl Fn(&Outbox) -> bool) {
        let over: Vec<Outbox> = self
            .outboxes
            .try_update(|all| all.extract_if(.., |o| over(o)).collect())
            .unwrap_or_default();
        let storage = self.storage();
        spawn(async move {
            for outbox in over {
                storage.forget(&outbox_name(&outbox.key)).await;
                // The photos of a report handed back belong to its draft.
                for sent in outbox.photos.iter().filter(|_| outbox.is_done()) {
                    storage.forget(&thumbnail(&sent.id)).await;
                }
            }
        });
    }

    /// Sends a report, or a claim's files and the message that follows them.
    pub fn send_this(&self, outbox: Outbox) {
        let session = *self;
        let (key, report) = (outbox.key.clone(), outbox.is_report());
        self.outboxes.update(|all| all.push(outbox));
        spawn(async move {
            // On disk before the first byte leaves. Earlier reports are dropped only after the
            // draft is saved: if killed in between, the app must not take their draft for a new
            // one.
            if report {
                session.saved().await;
            }
            session.keep(&key).await;
            session.drop_outboxes(|o| report && o.is_done() && o.key != key);
            session.outboxes.update(|all| {
                all.iter_mut()
                    .filter(|o| o.key == key)
                    .for_each(Outbox::written)
            });
            session.send();
        });
    }

    /// Reads from the newest report that was sent.
    pub fn newest<T>(&self, look: impl FnOnce(&Outbox) -> T) -> Option<T> {
        self.outboxes
            .with(|all| all.iter().rfind(|o| o.is_report()).map(look))
    }

    /// Whether a report was sent and the server has not answered: it must not be changed or sent
    /// again under another key.
    pub fn is_unanswered(&self) -> bool {
        self.newest(|o| o.claim_no().is_none()).unwrap_or_default()
    }

    /// Tries again at once.
    pub fn wake(&self) {
        self.outboxes
            .update(|all| all.iter_mut().for_each(Outbox::wake));
        self.send();
    }

    /// Returns a refused report for editing, under a new key: the frozen bytes were never accepted.
    pub fn unfreeze(&self) {
        self.drop_outboxes(|o| o.claim_no().is_none());
        self.draft.update(|d| d.id = new_id());
        self.save();
    }

    /// Sends until every report rests, two requests at a time. Safe to call at any time.
    pub fn send(&self) {
        let rests = self
            .outboxes
            .with_untracked(|all| matches!(next_of(all, now_ms(), CHUNK).1, Next::Rest));
        if rests || self.inner.with_value(|i| i.sending.replace(true)) {
            return;
        }
        let session = *self;
        spawn(async move {
            // Only one page of this browser sends; the server would cope with two as well.
            let _alone = session.storage().alone("sending").await;
            session.catch_up_outboxes().await;
            let (one, other): (LocalBoxFuture<()>, LocalBoxFuture<()>) =
                (Box::pin(session.carry()), Box::pin(session.carry()));
            join(one, other).await;
            session.inner.with_value(|i| i.sending.set(false));
        });
    }

    pub(super) async fn carry(&self) {
        let storage = self.storage();
        loop {
            let begun = self.outboxes.try_update_untracked(|all| {
                let (which, next) =
                    next_of(all, now_ms(), self.inner.with_value(|i| i.chunk.get()));
                let outbox = all.get_mut(which)?;
                if let Next::Do(request) = &next {
                    outbox.began(request);
                }
                Some((outbox.key.clone(), next))
            });
            let Some((key, next)) = begun.flatten() else {
                break;
            };
            match next {
                Next::Rest => break,
                // In short steps, so that a wake-up ends the wait.
                Next::Wait(until) => sleep_ms((until - now_ms()).clamp(10, 500) as u32).await,
                Next::Do(request) => {
                    let began = now_ms();
                    let reply = http::perform(&request, &storage).await;
                    if let (
                        Body::Photo {
                            length: length @ SLOW_CHUNK..,
                            ..
                        },
                        Reply::Answer { .. },
                    ) = (&request.body, &reply)
                    {
                        let would_take = (now_ms() - began).unsigned_abs() * CHUNK / length;
                        self.inner.with_value(|i| {
                            i.chunk.set(if would_take > LONG_MS {
                                SLOW_CHUNK
                            } else {
                                CHUNK
                            })
                        });
                    }
                    // Reports may have been added or removed meanwhile.
                    self.outboxes.update(|all| {
                        all.iter_mut()
                            .filter(|o| o.key == key)
                            .for_each(|o| o.on(&request, reply.clone(), now_ms(), luck()))
                    });
                    // The server has it: what was typed is no longer kept on the phone. Drop it at
                    // once, because the next report may be typed during this write.
                    let answered = self.outboxes.with_untracked(|all| {
                        all.iter().any(|o| o.key == key && o.claim_no().is_some())
                    });
                    if answered && self.draft.with_untracked(|d| d.id == key) {
                        self.draft.set(Draft::new(new_id()));
                        self.save();
                    }
                    let received = self.received(&key);
                    self.keep(&key).await;
                    for id in received {
                        storage.forget(&photo(&id)).await;
                    }
                }
            }
        }
    }

    /// Photos of a report that the server has acknowledged: their bytes leave the phone once that
    /// is saved; the thumbnails stay until the page closes. A claim's files are released by its
    /// `Papers`: another document may hold the same file.
    pub(super) fn received(&self, key: &str) -> Vec<String> {
        self.outboxes.with_untracked(|all| {
            let photos = all
                .iter()
                .filter(|o| o.key == key && o.is_report())
                .flat_map(|o| &o.photos);
            photos
                .filter(|p| p.state == Sending::Received)
                .map(|p| p.id.clone())
                .collect()
        })
    }

    pub fn receipt(&self) -> Option<Receipt> {
        self.newest(|o| o.receipt().cloned()).flatten()
    }
}

//! The only owner and writer of state. Pages issue [`Command`]s; this applies them, runs the
//! effects, saves after every change, and carries the outbox to the server.

mod drafts;
mod intake;
mod sending;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;

use claim_api::outbox::{Outbox, found};
use claim_domain::draft::{Answers, Command, Draft, Effect, apply};
use claim_domain::json;
use leptos::prelude::*;
use serde::de::DeserializeOwned;

use crate::platform::http::CallError;
use crate::platform::photos;
use crate::platform::storage::{PHOTO, State, Storage, photo, thumbnail};
use crate::platform::{address, new_id, page, spawn};
use crate::visit::Visit;

const DRAFT: &str = "draft";
#[derive(Clone, Copy)]
pub struct Session {
    pub visit: Visit,
    pub draft: RwSignal<Draft>,
    /// Reports that were sent, newest last; earlier ones stay until all their photos have arrived.
    pub outboxes: RwSignal<Vec<Outbox>>,
    /// Whether this browser keeps what is typed; if not, the person is told.
    pub kept: RwSignal<State>,
    /// Another page changed the same draft at the same time: the person chooses which one stays.
    pub conflict: RwSignal<bool>,
    /// URLs of the photo thumbnails.
    pub pictures: RwSignal<BTreeMap<String, String>>,
    inner: StoredValue<Inner, LocalStorage>,
}

struct Inner {
    storage: Storage,
    saving: Cell<bool>,
    dirty: Cell<bool>,
    sending: Cell<bool>,
    chunk: Cell<u64>,
    /// How many photos are worked on, or wait for it.
    preparing: Cell<u32>,
    /// Whether answers are being saved to the server as a draft; and the server's draft, if it
    /// differs.
    keeping: Cell<bool>,
    elsewhere: RefCell<Option<Draft>>,
}

/// Reads the record `key`; what cannot be parsed is set aside.
async fn stored<T: DeserializeOwned>(storage: &Storage, key: &str) -> Option<T> {
    let text = storage.text(key).await?;
    readable(storage, key, text).await
}

async fn readable<T: DeserializeOwned>(storage: &Storage, key: &str, text: String) -> Option<T> {
    let value = json::read(&text);
    if value.is_none() {
        storage.put_aside(key, text).await;
    }
    value
}

fn text_of(kept: &impl serde::Serialize) -> String {
    serde_json::to_string(kept).unwrap_or_default()
}

impl Session {
    /// Loads what was saved.
    pub async fn open(visit: Visit) -> Session {
        let storage = Storage::open().await;
        let kept: Option<Draft> = match storage.mine(DRAFT).await {
            Some(text) => readable(&storage, DRAFT, text).await,
            None => None,
        };
        sending::from_version_1(&storage).await;
        let mut outboxes = sending::stored_outboxes(&storage).await.unwrap_or_default();
        let mut draft = found(kept, &mut outboxes, || Draft::new(new_id()));
        let mut pictures = BTreeMap::new();
        let ids = draft.photos.iter().map(|p| p.id.clone()).chain(
            outboxes
                .iter()
                .flat_map(|o| o.photos.iter().map(|p| p.id.clone())),
        );
        for id in ids.collect::<Vec<_>>() {
            if let Some(url) = storage
                .bytes(&thumbnail(&id))
                .await
                .and_then(|bytes| page::picture(&bytes))
            {
                pictures.insert(id, url);
            }
        }
        let there = storage.names(PHOTO).await.unwrap_or_default();
        apply(
            &mut draft,
            Command::Restore {
                kept: there
                    .iter()
                    .filter_map(|n| n.strip_prefix(PHOTO))
                    .map(Into::into)
                    .collect(),
            },
        );
        let kept = RwSignal::new(storage.state());
        let inner = Inner {
            storage,
            saving: Cell::new(false),
            dirty: Cell::new(false),
            sending: Cell::new(false),
            // Until we know the link's speed.
            chunk: Cell::new(sending::SLOW_CHUNK),
            preparing: Cell::new(0),
            keeping: Cell::new(false),
            elsewhere: RefCell::default(),
        };
        let session = Session {
            visit,
            draft: RwSignal::new(draft),
            outboxes: RwSignal::new(outboxes),
            kept,
            conflict: RwSignal::new(false),
            pictures: RwSignal::new(pictures),
            inner: StoredValue::new_local(inner),
        };
        page::on_awake(move || {
            session.wake();
            spawn(async move {
                session.catch_up().await;
                // Hours may have passed: another app, another day, another person.
                if page::is_visible() && page::is_online() {
                    let _ = session.refresh().await;
                }
            });
        });
        session.send();
        spawn(async move {
            if session.refresh().await.is_ok() {
                session.sweep().await;
            }
        });
        session
    }

    /// Deletes what is too old. Only after asking the server, because only it knows what day it is.
    async fn sweep(&self) {
        let storage = self.storage();
        // A report that was never received stays for as long as it takes; so does an open draft.
        let mut keep: Vec<String> = self.outboxes.with_untracked(|all| {
            let unsent = all.iter().filter(|o| !o.is_done());
            unsent
                .flat_map(|o| {
                    o.photos
                        .iter()
                        .map(|p| photo(&p.id))
                        .chain([sending::outbox_name(&o.key)])
                })
                .collect()
        });
        let writing = address::path().get_untracked() != "/";
        if writing {
            keep.push(DRAFT.into());
            self.draft
                .with_untracked(|d| keep.extend(d.photos.iter().map(|p| photo(&p.id))));
        }
        storage.sweep(&keep).await;
        if !writing
            && self.kept.get_untracked() == State::Kept
            && storage.mine(DRAFT).await.is_none()
        {
            self.draft.set(Draft::new(new_id()));
        }
    }

    pub fn storage(&self) -> Storage {
        self.inner.with_value(|i| i.storage.clone())
    }

    /// Applies a command, saves, and runs its effects.
    pub fn say(&self, command: Command) {
        if let Command::Remove { id } = &command {
            photos::cancel(id);
        }
        let effects = self
            .draft
            .try_update(|draft| apply(draft, command))
            .unwrap_or_default();
        for effect in effects {
            match effect {
                Effect::Save => self.save(),
                Effect::Forget { id } => self.forget(id),
            }
        }
    }

    /// Changes the answers and saves them.
    pub fn answer(&self, change: impl FnOnce(&mut Answers)) {
        let mut answers = self.draft.with_untracked(|d| d.answers.clone());
        change(&mut answers);
        self.say(Command::Answer(Box::new(answers)));
    }

    fn is_signed_in(&self) -> bool {
        self.who
            .with_untracked(|w| w.as_ref().is_some_and(|w| w.signed_in))
    }

    fn look_at_storage(&self) {
        let state = self.storage().state();
        if self.kept.get_untracked() != state {
            self.kept.set(state);
        }
    }

    /// Asks the server who is signed in; after a sign-in, sending resumes where it stopped.
    async fn refresh(&self) -> Result<(), CallError> {
        self.visit.refresh().await?;
        if self.is_signed_in() {
            if self.draft.with_untracked(Draft::is_empty)
                && let Some(newest) = self.server_draft("latest").await
                && self.draft.with_untracked(Draft::is_empty)
            {
                self.take_over(newest);
            }
            self.keep_at_server();
            self.outboxes
                .update(|all| all.iter_mut().for_each(Outbox::signed_in));
            self.send();
        }
        Ok(())
    }

    /// Signs out. What this browser kept is deleted, its key first. If a report is being written or
    /// was not received yet, it stays, and only the claims' documents are deleted.
    ///
    /// # Errors
    /// Why the server still knows the session.
    pub async fn sign_out(&self) {
        self.visit.sign_out().await;
        let storage = self.storage();
        let unsent = self
            .outboxes
            .with_untracked(|all| all.iter().any(|o| !o.is_done()));
        if unsent || !self.draft.with_untracked(Draft::is_empty) {
            for name in storage.names("papers:").await.unwrap_or_default() {
                storage.forget(&name).await;
            }
        } else {
            storage.wipe().await;
            self.outboxes.set(Vec::new());
        }
    }
}

impl Deref for Session {
    type Target = Visit;
    fn deref(&self) -> &Visit {
        &self.visit
    }
}

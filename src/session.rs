//! The only owner and writer of state. Pages say [`Command`]s; this applies them, runs the effects, saves after every
//! change, and carries the outbox to the server.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;

use claim_api::Receipt;
use claim_api::outbox::{Next, OutPhoto, Outbox, Sending, next_of};
use claim_domain::Lob;
use claim_domain::documents::Format;
use claim_domain::draft::{Answers, Command, Draft, Effect, KnownPolicy, PhotoState, apply};
use claim_domain::json;
use leptos::prelude::*;
use serde::de::DeserializeOwned;

use crate::platform::http::{self, CallError};
use crate::platform::photos::{self, Picked};
use crate::platform::storage::Storage;
use crate::platform::{luck, new_id, now_ms, page, sleep_ms, spawn};
use crate::visit::Visit;

/// Photos of one notice.
pub const MOST_PHOTOS: usize = 30;
const CHUNK: u64 = 512 << 10;

const DRAFT: &str = "draft";
const OUTBOXES: &str = "outboxes";

#[derive(Clone, Copy)]
pub struct Session {
    pub visit: Visit,
    pub draft: RwSignal<Draft>,
    /// Reports that were sent, the newest last; earlier ones stay until all their photos have arrived.
    pub outboxes: RwSignal<Vec<Outbox>>,
    /// `false`: this browser keeps nothing, and the person is told.
    pub durable: RwSignal<bool>,
    /// Addresses of the photos' pictures.
    pub pictures: RwSignal<BTreeMap<String, String>>,
    inner: StoredValue<Inner, LocalStorage>,
}

struct Inner {
    storage: Storage,
    saving: Cell<bool>,
    dirty: Cell<bool>,
    sending: Cell<bool>,
    preparing: Cell<bool>,
    queue: RefCell<VecDeque<(String, Picked)>>,
}

/// Reads what was kept under `key`; what cannot be read is put aside.
async fn stored<T: DeserializeOwned>(storage: &Storage, key: &str) -> Option<T> {
    let text = storage.text(key).await?;
    let value = json::read(&text);
    if value.is_none() {
        storage.put_aside(key, text).await;
    }
    value
}

impl Session {
    /// Reads what was kept.
    pub async fn open(visit: Visit) -> Session {
        let storage = Storage::open().await;
        let mut draft = stored(&storage, DRAFT).await.unwrap_or_else(|| Draft::new(new_id()));
        let mut outboxes: Vec<Outbox> = stored(&storage, OUTBOXES).await.unwrap_or_default();
        // Killed between the two writes after an answer: what was received is no draft any more.
        if outboxes.iter().any(|o| o.key == draft.id && o.claim_no().is_some()) {
            draft = Draft::new(new_id());
        }
        let mut pictures = BTreeMap::new();
        let ids = draft.photos.iter().map(|p| p.id.clone()).chain(outboxes.iter().flat_map(|o| o.photos.iter().map(|p| p.id.clone())));
        for id in ids.collect::<Vec<_>>() {
            if let Some(url) = storage.photo(&id).await.and_then(|bytes| page::picture(&bytes)) {
                pictures.insert(id, url);
            }
        }
        apply(&mut draft, Command::Restore { kept: pictures.keys().cloned().collect() });
        outboxes.iter_mut().for_each(Outbox::restarted);
        let durable = RwSignal::new(storage.is_durable());
        let inner = Inner {
            storage,
            saving: Cell::new(false),
            dirty: Cell::new(false),
            sending: Cell::new(false),
            preparing: Cell::new(false),
            queue: RefCell::default(),
        };
        let session = Session {
            visit,
            draft: RwSignal::new(draft),
            outboxes: RwSignal::new(outboxes),
            durable,
            pictures: RwSignal::new(pictures),
            inner: StoredValue::new_local(inner),
        };
        page::on_awake(move || {
            session.wake();
        });
        session.send();
        spawn(async move {
            let _ = session.refresh().await;
        });
        session
    }

    pub fn storage(&self) -> Storage {
        self.inner.with_value(|i| i.storage.clone())
    }

    /// Applies a command, saves, and does what it asks for.
    pub fn say(&self, command: Command) {
        if let Command::Remove { id } = &command {
            // They are prepared in order: the first that is not ready is the one being worked on.
            let current = self.draft.with_untracked(|d| d.photos.iter().find(|p| p.state == PhotoState::Preparing).map(|p| p.id.clone()));
            if current.as_ref() == Some(id) {
                photos::cancel();
            }
        }
        let effects = self.draft.try_update(|draft| apply(draft, command)).unwrap_or_default();
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

    /// Writes the newest state; while one write runs, further ones become a single one after it.
    fn save(&self) {
        let session = *self;
        if self.inner.with_value(|i| i.saving.replace(true)) {
            self.inner.with_value(|i| i.dirty.set(true));
            return;
        }
        spawn(async move {
            session.write().await;
            while session.inner.with_value(|i| i.dirty.replace(false)) {
                session.write().await;
            }
            session.inner.with_value(|i| i.saving.set(false));
        });
    }

    async fn write(&self) {
        let storage = self.storage();
        // What is on its way first: a report that is in neither would be lost.
        storage.save_text(OUTBOXES, self.outboxes.with_untracked(|o| serde_json::to_string(o).unwrap_or_default())).await;
        storage.save_text(DRAFT, self.draft.with_untracked(|d| serde_json::to_string(d).unwrap_or_default())).await;
        if self.durable.get_untracked() != storage.is_durable() {
            self.durable.set(storage.is_durable());
        }
    }

    fn forget(&self, id: String) {
        if let Some(url) = self.pictures.try_update(|p| p.remove(&id)).flatten() {
            page::release(&url);
        }
        let storage = self.storage();
        spawn(async move { storage.forget_photo(&id).await });
    }

    /// Written down before the camera opens: a webview may kill the page while it is open.
    pub fn camera_opens(&self) {
        self.say(Command::OpenCamera);
    }

    /// Takes the chosen files, one after the other through the worker.
    pub fn add_photos(&self, files: Vec<Picked>) {
        if files.is_empty() {
            self.say(Command::CameraBack);
            return;
        }
        page::ask_to_persist();
        for file in files {
            let id = new_id();
            let full = self.draft.with_untracked(|d| d.photos.len() >= MOST_PHOTOS);
            self.say(Command::Pick { id: id.clone(), original_bytes: file.bytes() });
            if full {
                self.say(Command::Fail { id, code: "photo-limit".into() });
                continue;
            }
            self.inner.with_value(|i| i.queue.borrow_mut().push_back((id, file)));
        }
        let session = *self;
        spawn(async move { session.work_off().await });
    }

    /// Prepares what is queued, one photo after the other.
    async fn work_off(&self) {
        if self.inner.with_value(|i| i.preparing.replace(true)) {
            return;
        }
        while let Some((id, file)) = self.inner.with_value(|i| i.queue.borrow_mut().pop_front()) {
            self.prepare(id, file).await;
        }
        self.inner.with_value(|i| i.preparing.set(false));
    }

    async fn prepare(&self, id: String, file: Picked) {
        let (jpeg, result) = match photos::prepare(&file, self.visit.fit(true)).await {
            Ok(done) => done,
            Err(code) => return self.say(Command::Fail { id, code: code.into() }),
        };
        // Removed while it was being made.
        if self.draft.with_untracked(|d| d.photos.iter().all(|p| p.id != id)) {
            return;
        }
        let url = page::picture(&jpeg);
        if !self.storage().save_photo(&id, jpeg).await {
            return self.say(Command::Fail { id, code: "photo-read".into() });
        }
        if let Some(url) = url {
            self.pictures.update(|p| {
                p.insert(id.clone(), url);
            });
        }
        self.say(Command::Prepared { id, result });
    }

    pub fn is_preparing(&self) -> bool {
        self.draft.with(|d| d.photos.iter().any(|p| p.state == PhotoState::Preparing))
    }

    /// Freezes the report and begins to send it. The draft stays until the server has it.
    pub fn submit(&self) {
        let draft = self.draft.get_untracked();
        let health = self.catalogue.incident(&draft.answers.incident).is_some_and(|i| i.lob == Lob::Health);
        let document = if health { "medical_record" } else { "scene" };
        let photos = draft.photos.iter().filter(|p| p.state == PhotoState::Ready).filter_map(|p| {
            let result = p.result.as_ref()?;
            Some(OutPhoto {
                id: p.id.clone(),
                document: document.into(),
                format: Format::Jpeg,
                bytes: result.bytes,
                sha256: result.sha256.clone(),
                facts: None,
                state: Sending::Waiting,
            })
        });
        let outbox = Outbox::freeze(&draft.id, &draft.notice(), photos);
        self.outboxes.update(|all| {
            all.retain(|o| !o.is_done());
            all.push(outbox);
        });
        self.save();
        self.send();
    }

    /// Sends files of a claim, and what is to be said once they have arrived.
    pub fn send_for_claim(&self, outbox: Outbox) {
        self.outboxes.update(|all| all.push(outbox));
        self.save();
        self.send();
    }

    /// Looks at the newest report that was sent.
    pub fn newest<T>(&self, look: impl FnOnce(&Outbox) -> T) -> Option<T> {
        self.outboxes.with(|all| all.iter().rfind(|o| o.is_report()).map(look))
    }

    /// A report was sent and the server has not answered: it must not be changed or sent again under another key.
    pub fn is_unanswered(&self) -> bool {
        self.newest(|o| o.claim_no().is_none()).unwrap_or_default()
    }

    /// Tries again at once.
    pub fn wake(&self) {
        self.outboxes.update(|all| all.iter_mut().for_each(Outbox::wake));
        self.send();
    }

    /// Gives a refused report back to its pages. A new key: the frozen bytes were never accepted.
    pub fn unfreeze(&self) {
        self.outboxes.update(|all| all.retain(|o| o.claim_no().is_some()));
        self.draft.update(|d| d.id = new_id());
        self.save();
    }

    /// Carries the outbox on until it rests. Safe to call at any time.
    pub fn send(&self) {
        if self.inner.with_value(|i| i.sending.replace(true)) {
            return;
        }
        let session = *self;
        spawn(async move {
            session.carry().await;
            session.inner.with_value(|i| i.sending.set(false));
        });
    }

    async fn carry(&self) {
        let storage = self.storage();
        loop {
            let (key, next) = self.outboxes.with_untracked(|all| {
                let (which, next) = next_of(all, now_ms(), CHUNK);
                (all.get(which).map_or_else(String::new, |o| o.key.clone()), next)
            });
            match next {
                Next::Rest => break,
                // In short steps: being woken ends the wait.
                Next::Wait(until) => sleep_ms((until - now_ms()).clamp(10, 500) as u32).await,
                Next::Do(request) => {
                    // Frozen bytes are on disk before they are sent.
                    self.write().await;
                    let reply = http::perform(&request, &storage).await;
                    let before = self.is_unanswered();
                    // Others may have come and gone meanwhile.
                    self.outboxes.update(|all| {
                        all.iter_mut().filter(|o| o.key == key).for_each(|o| o.on(&request, reply.clone(), now_ms(), luck()))
                    });
                    if before && !self.is_unanswered() {
                        // The server has it: what was typed is not kept on the phone any longer.
                        self.draft.set(Draft::new(new_id()));
                    }
                    self.write().await;
                    self.release_received();
                }
            }
        }
    }

    /// Bytes that the server has acknowledged leave the phone; the pictures stay until the page closes.
    fn release_received(&self) {
        let storage = self.storage();
        // Files of a claim are released by its papers: another document may hold the same one.
        let received: Vec<String> = self.outboxes.with_untracked(|all| {
            let photos = all.iter().filter(|o| o.is_report()).flat_map(|o| &o.photos);
            photos.filter(|p| p.state == Sending::Received).map(|p| p.id.clone()).collect()
        });
        spawn(async move {
            for id in received {
                storage.forget_photo(&id).await;
            }
        });
    }

    pub fn receipt(&self) -> Option<Receipt> {
        self.newest(|o| o.receipt().cloned()).flatten()
    }

    /// Asks the server who is there; somebody who has signed in since goes on where sending stopped.
    async fn refresh(&self) -> Result<(), CallError> {
        self.visit.refresh().await?;
        if self.who.with_untracked(|w| w.as_ref().is_some_and(|w| w.signed_in)) {
            self.outboxes.update(|all| all.iter_mut().for_each(Outbox::signed_in));
            self.send();
        }
        Ok(())
    }

    /// Takes over what is already known, so that it is not asked again: the one policy of the signed-in person.
    pub fn prefill(&self) {
        let known = self.who.with_untracked(|w| match w.as_ref().map(|w| &w.policies[..]) {
            Some([only]) => Some(KnownPolicy { id: only.id.clone(), title: only.title.clone(), lob: only.lob }),
            _ => None,
        });
        if self.draft.with_untracked(Draft::is_empty) && self.draft.with_untracked(|d| d.answers.policy != known) {
            self.answer(|a| {
                a.role = if known.is_some() { "insured".into() } else { String::new() };
                a.policy = known;
            });
        }
    }

    /// Takes the known policy away again: 不是这张保单.
    pub fn other_policy(&self) {
        self.answer(|a| {
            a.policy = None;
            a.role.clear();
        });
    }
}

impl Deref for Session {
    type Target = Visit;
    fn deref(&self) -> &Visit {
        &self.visit
    }
}

//! The only owner and writer of state. Pages issue [`Command`]s; this applies them, runs the
//! effects, saves after every change, and carries the outbox to the server.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;

use claim_api::outbox::{Body, Method, Next, Outbox, Reply, Request, Sending, found, next_of};
use claim_api::{BASE, Receipt};
use claim_domain::Lob;
use claim_domain::draft::{Answers, Command, Draft, Effect, KnownPolicy, PhotoState, apply};
use claim_domain::json;
use futures::future::{LocalBoxFuture, join};
use leptos::prelude::*;
use serde::de::DeserializeOwned;

use crate::platform::http::{self, CallError};
use crate::platform::photos::{self, Picked};
use crate::platform::storage::{PHOTO, State, Storage, photo, thumbnail};
use crate::platform::{address, luck, new_id, now_ms, page, sleep_ms, spawn};
use crate::visit::Visit;

/// Bytes of a file per request: what is lost when the network drops.
const CHUNK: u64 = 512 << 10;
const SLOW_CHUNK: u64 = 64 << 10;
/// A link on which a whole chunk takes longer than this is slow.
const LONG_MS: u64 = 8_000;

/// From the last keystroke to the server's draft.
const KEPT_AFTER_MS: u32 = 2_000;

const DRAFT: &str = "draft";
const OUTBOX: &str = "outbox:";
/// Where version 1 kept all reports.
const OLD_OUTBOXES: &str = "outboxes";

#[derive(Clone, Copy)]
pub struct Session {
    pub visit: Visit,
    pub draft: RwSignal<Draft>,
    /// Reports that were sent, the newest last; earlier ones stay until all their photos have
    /// arrived.
    pub outboxes: RwSignal<Vec<Outbox>>,
    /// Whether this browser keeps what is typed; if not, the person is told.
    pub kept: RwSignal<State>,
    /// Another page changed the same draft at the same time: the person says which one stays.
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
    preparing: Cell<bool>,
    /// Answers are being saved to the server as a draft; and the server's draft where it differs.
    keeping: Cell<bool>,
    elsewhere: RefCell<Option<Draft>>,
    queue: RefCell<VecDeque<(String, Picked)>>,
}

/// Reads the record `key`; what cannot be parsed is put aside.
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

fn outbox_name(key: &str) -> String {
    format!("{OUTBOX}{key}")
}

fn text_of(kept: &impl serde::Serialize) -> String {
    serde_json::to_string(kept).unwrap_or_default()
}

/// All outgoing reports, newest last: their keys begin with the time. `None`: not all can be read
/// now.
async fn stored_outboxes(storage: &Storage) -> Option<Vec<Outbox>> {
    let mut all = Vec::new();
    for name in storage.names(OUTBOX).await? {
        all.push(stored::<Outbox>(storage, &name).await?);
    }
    Some(all)
}

impl Session {
    /// Reads what was kept.
    pub async fn open(visit: Visit) -> Session {
        let storage = Storage::open().await;
        let kept: Option<Draft> = match storage.mine(DRAFT).await {
            Some(text) => readable(&storage, DRAFT, text).await,
            None => None,
        };
        if let Some(old) = stored::<Vec<Outbox>>(&storage, OLD_OUTBOXES).await {
            for outbox in old {
                storage
                    .save_text(&outbox_name(&outbox.key), text_of(&outbox))
                    .await;
            }
            storage.forget(OLD_OUTBOXES).await;
        }
        let mut outboxes = stored_outboxes(&storage).await.unwrap_or_default();
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
            chunk: Cell::new(SLOW_CHUNK),
            preparing: Cell::new(false),
            keeping: Cell::new(false),
            elsewhere: RefCell::default(),
            queue: RefCell::default(),
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

    /// Forgets what is old. Only now, because only the server knows what day it is.
    async fn sweep(&self) {
        let storage = self.storage();
        // A report that was never received stays as long as it takes, and so does a draft that is
        // open.
        let mut keep: Vec<String> = self.outboxes.with_untracked(|all| {
            let unsent = all.iter().filter(|o| !o.is_done());
            unsent
                .flat_map(|o| {
                    o.photos
                        .iter()
                        .map(|p| photo(&p.id))
                        .chain([outbox_name(&o.key)])
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
            // Photos are prepared in order: the first that is not ready is the one in progress.
            let current = self.draft.with_untracked(|d| {
                d.photos
                    .iter()
                    .find(|p| p.state == PhotoState::Preparing)
                    .map(|p| p.id.clone())
            });
            if current.as_ref() == Some(id) {
                photos::cancel();
            }
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

    /// Writes the newest state; saves requested during a write are merged into one after it.
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

    /// Returns once everything is on disk. Never concurrent with another write: the second would
    /// find the first and take it for another page's.
    async fn saved(&self) {
        self.save();
        while self.inner.with_value(|i| i.saving.get()) {
            sleep_ms(5).await;
        }
    }

    async fn write(&self) {
        let storage = self.storage();
        if self.conflict.get_untracked() {
            return;
        }
        let text = self.draft.with_untracked(|d| text_of(&d.to_keep()));
        if storage.save_mine(DRAFT, text).await.is_err() {
            self.conflict.set(true);
        }
        self.look_at_storage();
        self.keep_at_server();
    }

    /// For somebody who has signed in the answers are kept at the server too: webviews lose what
    /// they store.
    fn keep_at_server(&self) {
        if !self.is_signed_in() || self.inner.with_value(|i| i.keeping.replace(true)) {
            return;
        }
        let session = *self;
        spawn(async move {
            let storage = session.storage();
            let mut kept = String::new();
            loop {
                // Include what is typed meanwhile.
                sleep_ms(KEPT_AFTER_MS).await;
                let mut draft = session.draft.with_untracked(Draft::to_keep);
                let seen = std::mem::take(&mut draft.server_rev);
                // Nothing of a picture leaves the phone before it is sent, and no other phone has
                // their bytes.
                draft.photos.clear();
                let body = text_of(&draft);
                if draft.is_empty() || body == kept || session.conflict.get_untracked() {
                    break;
                }
                let follows = match seen {
                    0 => ("If-None-Match", "*".to_owned()),
                    rev => ("If-Match", format!("\"{rev}\"")),
                };
                let headers = vec![follows, ("Content-Type", "application/json".to_owned())];
                let path = format!("{BASE}/drafts/{}", draft.id);
                kept.clone_from(&body);
                let request = Request {
                    photo: None,
                    method: Method::Put,
                    path,
                    headers,
                    body: Body::Json(body),
                };
                let rev = match http::perform(&request, &storage).await {
                    Reply::Answer { status: 204, .. } => seen + 1,
                    Reply::Answer { status: 412, .. } => {
                        match session.server_draft(&draft.id).await {
                            // An earlier response was lost: these are our own answers.
                            Some(theirs) if theirs.answers == draft.answers => theirs.server_rev,
                            Some(theirs) => {
                                session
                                    .inner
                                    .with_value(|i| i.elsewhere.replace(Some(theirs)));
                                session.conflict.set(true);
                                break;
                            }
                            None => {
                                kept.clear();
                                0
                            }
                        }
                    }
                    _ => break,
                };
                session.draft.update(|d| {
                    if d.id == draft.id {
                        d.server_rev = rev;
                    }
                });
                session.save();
            }
            session.inner.with_value(|i| i.keeping.set(false));
        });
    }

    fn is_signed_in(&self) -> bool {
        self.who
            .with_untracked(|w| w.as_ref().is_some_and(|w| w.signed_in))
    }

    /// What the server keeps; `latest` for the newest.
    async fn server_draft(&self, id: &str) -> Option<Draft> {
        json::read(std::str::from_utf8(&http::bytes(&format!("{BASE}/drafts/{id}")).await?).ok()?)
    }

    /// Continues with the server's draft.
    fn take_over(&self, mut theirs: Draft) {
        self.draft.update(|d| {
            // Kept at the server only with consent; do not lose what was typed here.
            if theirs.answers.id_no.is_empty() {
                theirs.answers.id_no = std::mem::take(&mut d.answers.id_no);
            }
            theirs.photos = std::mem::take(&mut d.photos);
            *d = theirs;
        });
        self.save();
    }

    /// Continues a report begun at a kiosk, photos and all; returns whether it was saved.
    pub async fn adopt(&self, mut theirs: Draft, photos: Vec<(String, Vec<u8>, Vec<u8>)>) -> bool {
        let storage = self.storage();
        for (id, jpeg, small) in photos {
            if !storage.save_photo(&id, jpeg).await {
                return false;
            }
            storage.save(&thumbnail(&id), small).await;
        }
        theirs.server_rev = 0;
        self.draft.set(theirs);
        self.saved().await;
        self.kept.get_untracked() == State::Kept && !self.conflict.get_untracked()
    }

    fn look_at_storage(&self) {
        let state = self.storage().state();
        if self.kept.get_untracked() != state {
            self.kept.set(state);
        }
    }

    /// What other pages of this browser did meanwhile, unless something is being written here.
    async fn catch_up(&self) {
        let busy = || {
            self.inner
                .with_value(|i| i.saving.get() || i.preparing.get())
        };
        if !page::is_visible() || busy() || self.conflict.get_untracked() {
            return;
        }
        let storage = self.storage();
        let here = self.draft.with_untracked(|d| text_of(&d.to_keep()));
        let there = storage.text(DRAFT).await.filter(|there| *there != here);
        if let Some(mut draft) = there.and_then(|there| json::read::<Draft>(&there)) {
            // Something was typed here while it was read.
            if busy() {
                return self.conflict.set(true);
            }
            let photos: Vec<String> = draft.photos.iter().map(|p| p.id.clone()).collect();
            self.draft.update(|here| {
                // Not written down without consent.
                if draft.id == here.id && draft.answers.id_no.is_empty() {
                    draft.answers.id_no = std::mem::take(&mut here.answers.id_no);
                }
                *here = draft;
            });
            for id in photos {
                self.show(&id).await;
            }
        }
        if !self.inner.with_value(|i| i.sending.get()) {
            self.catch_up_outboxes().await;
        }
    }

    /// Takes over what another page did with the reports. Nothing may be under way here.
    async fn catch_up_outboxes(&self) {
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

    /// Reads a stored picture that this page has not shown yet.
    async fn show(&self, id: &str) {
        if self.pictures.with_untracked(|p| p.contains_key(id)) {
            return;
        }
        if let Some(url) = self
            .storage()
            .bytes(&thumbnail(id))
            .await
            .and_then(|bytes| page::picture(&bytes))
        {
            self.pictures.update(|p| drop(p.insert(id.to_owned(), url)));
        }
    }

    /// Of two pages that changed the same draft, this one's version stays.
    pub fn keep_this(&self) {
        let session = *self;
        spawn(async move {
            // Reading it marks the other version as seen.
            let _ = session.storage().text(DRAFT).await;
            if let Some(theirs) = session.inner.with_value(|i| i.elsewhere.take()) {
                session.draft.update(|d| d.server_rev = theirs.server_rev);
            }
            session.conflict.set(false);
            session.save();
        });
    }

    /// The other page's version stays.
    pub fn keep_other(&self) {
        match self.inner.with_value(|i| i.elsewhere.take()) {
            Some(theirs) => {
                self.conflict.set(false);
                self.take_over(theirs);
            }
            None => page::reload(),
        }
    }

    /// Saves an outgoing report.
    async fn keep(&self, key: &str) {
        let text = self
            .outboxes
            .with_untracked(|all| all.iter().find(|o| o.key == key).map(text_of));
        if let Some(text) = text {
            self.storage().save_text(&outbox_name(key), text).await;
            self.look_at_storage();
        }
    }

    fn forget(&self, id: String) {
        if let Some(url) = self.pictures.try_update(|p| p.remove(&id)).flatten() {
            page::release(&url);
        }
        let storage = self.storage();
        spawn(async move {
            storage.forget(&photo(&id)).await;
            storage.forget(&thumbnail(&id)).await;
        });
    }

    /// Saved before the camera opens: a webview may kill the page meanwhile.
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
            let full = self
                .draft
                .with_untracked(|d| d.photos.len() >= claim_api::MOST_PHOTOS);
            self.say(Command::Pick {
                id: id.clone(),
                original_bytes: file.bytes(),
            });
            if full {
                self.say(Command::Fail {
                    id,
                    code: "photo-limit".into(),
                });
                continue;
            }
            self.inner
                .with_value(|i| i.queue.borrow_mut().push_back((id, file)));
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
        let fits = &self.config.photos;
        let (jpeg, small, result) =
            match photos::prepare(&file, fits.scene(), fits.thumbnail()).await {
                Ok(done) => done,
                Err(code) => {
                    return self.say(Command::Fail {
                        id,
                        code: code.into(),
                    });
                }
            };
        // Removed while it was being made.
        if self
            .draft
            .with_untracked(|d| d.photos.iter().all(|p| p.id != id))
        {
            return;
        }
        let url = page::picture(&small);
        if !self.storage().save_photo(&id, jpeg).await {
            return self.say(Command::Fail {
                id,
                code: "photo-read".into(),
            });
        }
        self.storage().save(&thumbnail(&id), small).await;
        if let Some(url) = url {
            self.pictures.update(|p| {
                p.insert(id.clone(), url);
            });
        }
        self.say(Command::Prepared { id, result });
    }

    pub fn is_preparing(&self) -> bool {
        self.draft
            .with(|d| d.photos.iter().any(|p| p.state == PhotoState::Preparing))
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

    fn drop_outboxes(&self, over: impl Fn(&Outbox) -> bool) {
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

    /// Looks at the newest report that was sent.
    pub fn newest<T>(&self, look: impl FnOnce(&Outbox) -> T) -> Option<T> {
        self.outboxes
            .with(|all| all.iter().rfind(|o| o.is_report()).map(look))
    }

    /// A report was sent and the server has not answered: it must not be changed or sent again
    /// under another key.
    pub fn is_unanswered(&self) -> bool {
        self.newest(|o| o.claim_no().is_none()).unwrap_or_default()
    }

    /// Tries again at once.
    pub fn wake(&self) {
        self.outboxes
            .update(|all| all.iter_mut().for_each(Outbox::wake));
        self.send();
    }

    /// Gives a refused report back to its pages. A new key: the frozen bytes were never accepted.
    pub fn unfreeze(&self) {
        self.drop_outboxes(|o| o.claim_no().is_none());
        self.draft.update(|d| d.id = new_id());
        self.save();
    }

    /// Carries the reports on until all rest, two requests at a time. Safe to call at any time.
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

    async fn carry(&self) {
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
                    // Others may have come and gone meanwhile.
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
    fn received(&self, key: &str) -> Vec<String> {
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

    /// Fills in what is already known, so that it is not asked again: the one policy of the
    /// signed-in person.
    pub fn prefill(&self) {
        let known = self
            .who
            .with_untracked(|w| match w.as_ref().map(|w| &w.policies[..]) {
                Some([only]) => Some(KnownPolicy {
                    id: only.id.clone(),
                    title: only.title.clone(),
                    lob: only.lob,
                }),
                _ => None,
            });
        if self.draft.with_untracked(Draft::is_empty)
            && self.draft.with_untracked(|d| d.answers.policy != known)
        {
            self.answer(|a| {
                a.role = if known.is_some() {
                    "insured".into()
                } else {
                    String::new()
                };
                a.policy = known;
            });
        }
    }

    /// Removes the known policy again: 不是这张保单.
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

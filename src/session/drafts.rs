//! The report being written: saved to disk after every change, and to the server for people who
//! have signed in; another page or phone never overwrites it unseen.

use claim_api::BASE;
use claim_api::outbox::{Body, Method, Reply, Request};
use claim_domain::draft::{Draft, KnownPolicy};
use claim_domain::json;
use leptos::prelude::*;

use super::{DRAFT, Session, text_of};
use crate::platform::http;
use crate::platform::storage::{State, thumbnail};
use crate::platform::{page, sleep_ms, spawn};

/// Delay from the last keystroke to saving on the server.
const KEPT_AFTER_MS: u32 = 2_000;

impl Session {
    /// Writes the newest state; saves requested during a write are merged into one after it.
    pub(super) fn save(&self) {
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

    /// Returns once everything is on disk. Never runs at the same time as another write: the second
    /// would take the first for another page's.
    pub(super) async fn saved(&self) {
        self.save();
        while self.inner.with_value(|i| i.saving.get()) {
            sleep_ms(5).await;
        }
    }

    pub(super) async fn write(&self) {
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

    /// Saves the answers on the server too, for people who have signed in: webviews lose what they
    /// store.
    pub(super) fn keep_at_server(&self) {
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
                // Pictures leave the phone only when they are sent, and no other phone has their
                // bytes.
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

    /// The server's draft; `latest` for the newest.
    pub(super) async fn server_draft(&self, id: &str) -> Option<Draft> {
        json::read(std::str::from_utf8(&http::bytes(&format!("{BASE}/drafts/{id}")).await?).ok()?)
    }

    /// Continues with the server's draft.
    pub(super) fn take_over(&self, mut theirs: Draft) {
        self.draft.update(|d| {
            // The ID number is on the server only with consent; do not lose the one typed here.
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

    /// Takes over what other pages of this browser changed, unless something is being written here.
    pub(super) async fn catch_up(&self) {
        let busy = || {
            self.inner
                .with_value(|i| i.saving.get() || i.preparing.get() > 0)
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
                // The ID number is not saved without consent; keep the one typed here.
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

    /// Resolves a conflict between two pages: this one's version stays.
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

    /// Resolves it the other way: the other page's version stays.
    pub fn keep_other(&self) {
        match self.inner.with_value(|i| i.elsewhere.take()) {
            Some(theirs) => {
                self.conflict.set(false);
                self.take_over(theirs);
            }
            None => page::reload(),
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

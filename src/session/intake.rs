//! Photos of the report: chosen, saved as pending, and prepared one after the other in the worker.

use claim_domain::Code;
use claim_domain::draft::{Command, Draft, PhotoState};
use leptos::prelude::*;

use super::{Inner, Session};
use crate::platform::photos::{self, Picked};
use crate::platform::storage::{photo, thumbnail};
use crate::platform::{new_id, page, spawn};

impl Session {
    /// Reads a stored picture that this page has not shown yet.
    pub(super) async fn show(&self, id: &str) {
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

    pub(super) fn forget(&self, id: String) {
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
                self.fail(id, Code::PhotoLimit);
                continue;
            }
            let session = *self;
            let count = move |by: i32| {
                let of = |i: &Inner| i.preparing.set(i.preparing.get().wrapping_add_signed(by));
                session.inner.with_value(of);
            };
            count(1);
            spawn(async move {
                session.prepare(id, file).await;
                count(-1);
            });
        }
    }

    fn fail(&self, id: String, code: Code) {
        let code = code.as_str().into();
        self.say(Command::Fail { id, code });
    }

    async fn prepare(&self, id: String, file: Picked) {
        let turn = photos::turn(&id).await;
        let is_removed = || {
            let others = |d: &Draft| d.photos.iter().all(|p| p.id != id);
            self.draft.with_untracked(others)
        };
        if is_removed() {
            return;
        }
        let fits = &self.config.photos;
        let prepared = photos::prepare(&turn, &file, fits.scene(), fits.thumbnail()).await;
        if is_removed() {
            return;
        }
        let (jpeg, small, result) = match prepared {
            Ok(done) => done,
            Err(code) => return self.fail(id, code),
        };
        let url = page::picture(&small);
        if !self.storage().save_photo(&id, jpeg).await {
            return self.fail(id, Code::PhotoRead);
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
}

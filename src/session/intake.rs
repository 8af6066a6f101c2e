//! Photos of the report: chosen, saved as pending, and prepared one after the other in the worker.

use claim_domain::draft::{Command, PhotoState};
use leptos::prelude::*;

use super::Session;
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
    pub(super) async fn work_off(&self) {
        if self.inner.with_value(|i| i.preparing.replace(true)) {
            return;
        }
        while let Some((id, file)) = self.inner.with_value(|i| i.queue.borrow_mut().pop_front()) {
            self.prepare(id, file).await;
        }
        self.inner.with_value(|i| i.preparing.set(false));
    }

    pub(super) async fn prepare(&self, id: String, file: Picked) {
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
}

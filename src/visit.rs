//! What every page knows: the catalogue, the deployment, who is signed in, whether there is a
//! network.

use claim_api::SessionView;
use claim_domain::{Catalogue, json};
use leptos::prelude::*;
use serde::Deserialize;

use crate::platform::http::{self, CallError};
use crate::platform::photos::Fit;
use crate::platform::{page, set_clock};

/// `config.json`, as far as the app needs it.
#[derive(Deserialize)]
pub struct Config {
    pub hotline: String,
    pub promises: Promises,
    pub photos: Photos,
}

#[derive(Deserialize)]
pub struct Promises {
    pub contact_hours: u16,
    pub determination_days: u16,
    pub payment_days: u16,
}

/// What photos must fit: documents, whose text must be legible; scenes, which are only looked at;
/// and thumbnails.
#[derive(Deserialize)]
pub struct Photos {
    long_edge: u32,
    document_bytes: u32,
    scene_bytes: u32,
    thumbnail_edge: u32,
    thumbnail_bytes: u32,
}

impl Photos {
    pub fn document(&self) -> Fit {
        Fit {
            edge: self.long_edge,
            bytes: self.document_bytes,
        }
    }

    pub fn scene(&self) -> Fit {
        Fit {
            edge: self.long_edge,
            bytes: self.scene_bytes,
        }
    }

    pub fn thumbnail(&self) -> Fit {
        Fit {
            edge: self.thumbnail_edge,
            bytes: self.thumbnail_bytes,
        }
    }
}

#[derive(Clone, Copy)]
pub struct Visit {
    pub catalogue: &'static Catalogue,
    pub config: &'static Config,
    /// `None` until the server has said who is signed in.
    pub who: RwSignal<Option<SessionView>>,
    pub online: RwSignal<bool>,
    /// The phone's clock is wrong; the server's is used.
    pub wrong_clock: RwSignal<bool>,
    /// The server has a different build from this page, which goes on working.
    pub outdated: RwSignal<bool>,
}

impl Visit {
    /// Reads what the server published; `read` takes the words and as much of the catalogue as the
    /// program needs.
    ///
    /// # Errors
    /// Why the app cannot begin.
    pub async fn open(
        program: &str,
        read: fn(Vec<u8>) -> Result<Catalogue, String>,
    ) -> Result<Visit, String> {
        let catalogue = format!("{program}-catalog-{}", page::language());
        // Both are already being fetched (boot.js).
        let (catalogue, config) = (
            http::linked(&catalogue).await,
            http::linked("app-config").await,
        );
        let catalogue = read(catalogue.ok_or("no catalogue")?)?;
        let config: Config = config
            .and_then(|c| json::read(std::str::from_utf8(&c).ok()?))
            .ok_or("config.json cannot be read")?;
        let online = RwSignal::new(page::is_online());
        page::on_awake(move || online.set(page::is_online()));
        let (catalogue, config) = (Box::leak(Box::new(catalogue)), Box::leak(Box::new(config)));
        Ok(Visit {
            catalogue,
            config,
            who: RwSignal::new(None),
            online,
            wrong_clock: RwSignal::new(false),
            outdated: RwSignal::new(false),
        })
    }

    /// The rules of this version: a claim keeps those it began with.
    pub async fn rules(&self, version: &str) -> Result<&'static Catalogue, CallError> {
        if self.catalogue.rules_version == version {
            return Ok(self.catalogue);
        }
        let compiled = http::bytes(&format!("/api/v1/rules/{version}")).await;
        let catalogue = compiled
            .and_then(|bytes| Catalogue::whole_from_compiled(&bytes).ok())
            .ok_or(CallError::Offline)?;
        Ok(Box::leak(Box::new(catalogue)))
    }

    /// Asks the server who is signed in, what time it is and whether this page is outdated.
    pub async fn refresh(&self) -> Result<(), CallError> {
        let mut view: SessionView = http::get("/api/v1/session").await?;
        if let Some(time) = view.server_time.take() {
            self.wrong_clock.set(set_clock(time));
        }
        if let Some(build) = view.build.take() {
            self.outdated.set(page::link_href("build") != Some(build));
        }
        // Setting the same value would only re-render.
        if self.who.with_untracked(|w| w.as_ref() != Some(&view)) {
            self.who.set(Some(view));
        }
        Ok(())
    }

    /// Takes effect here at once; if the server is unreachable, it is told before anything else
    /// (boot.js).
    pub async fn sign_out(&self) {
        let _ = http::delete("/api/v1/session").await;
        self.who.set(Some(SessionView::default()));
    }
}

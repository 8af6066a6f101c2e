//! The reference claims API.
//!
//! Promise: nothing is acknowledged before it is durable, no client is trusted, no request makes it
//! panic, and nobody sees a row that is not theirs: somebody else's row and an unknown one both
//! give 404.

mod audit;
mod config;
mod egress;
mod failure;
mod hosts;
mod http;
mod limits;
mod mask;
mod metrics;
mod news;
mod openapi;
mod pages;
mod passwords;
mod routes;
mod settings;
mod store;
mod telemetry;
#[cfg(test)]
mod tests;
mod totp;
mod traces;
mod vault;
mod words;
mod work;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use claim_api::ProblemCode;
use claim_domain::lifecycle::Desk;
use claim_domain::{Catalogue, Moment};
use ipnet::IpNet;

pub use http::access::Access;
pub use http::serve::serve;
pub use http::tls::Files as TlsFiles;
pub use openapi::document as openapi_document;
pub use routes::listed as routes;
pub use settings::{Address, Log, Settings};
pub use store::backup::{Made, restore};
pub use store::chain::Followed;
pub use telemetry::Telemetry;
pub use work::delivery::Driver;
pub use work::sso::Provider;
pub use work::{feed, hooks, keys, policies, retention, services};

use failure::{Failure, Result};
use store::assets::Assets;
use store::schema::{self, Stage};
use store::uploads::Uploads;
use store::{Store, chain, disk, migration};
use vault::Vault;
use work::{accounts, attendant, demo, papers, sessions};

/// How a server is set up; the command line fills it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub data: PathBuf,
    /// The built app; without it only the API and the plain pages are served.
    pub dist: Option<PathBuf>,
    pub demo: bool,
    /// Served over TLS: cookies are Secure and named `__Host-…`.
    pub secure: bool,
    /// Certificate and key, to serve TLS without a proxy.
    pub tls: Option<TlsFiles>,
    /// No staff pages: other systems are the desk.
    pub no_staff: bool,
    /// Where staff sign in, besides accounts of our own.
    pub sso: Option<Provider>,
    /// Staff without a second factor cannot sign in.
    pub second_factor: bool,
    /// Proxies whose X-Forwarded-For is believed.
    pub proxies: Vec<IpNet>,
    pub messages: Driver,
    /// Public address of this server, for links in messages and codes; empty: the listening
    /// address.
    pub address: String,
    /// The insurer's system, asked for policies that are not in our own table.
    pub policies: Option<String>,
    /// The installation key; by default `secret.key` in the data directory.
    pub key: Option<PathBuf>,
    /// Where the daily anchors are written; by default `anchors` in the data directory.
    pub anchors: Option<PathBuf>,
    /// Where the audit log is written; by default `audit.log` in the data directory.
    pub audit: Option<PathBuf>,
    /// A program that checks each file before it is accepted: reads it and exits with 0 (good) or 1
    /// (refused).
    pub scan: Option<PathBuf>,
    /// Where metrics are served, apart from what customers reach.
    pub metrics: Option<SocketAddr>,
    /// Years for which claims are kept after they ended; at least ten.
    pub keep_years: u32,
    /// Bytes to keep free on the disk; below that, uploads answer 507.
    pub keep_free: u64,
}

impl Options {
    fn key_file(&self) -> PathBuf {
        let own = || self.data.join("secret.key");
        self.key.clone().unwrap_or_else(own)
    }

    fn anchors_file(&self) -> PathBuf {
        let own = || self.data.join("anchors");
        self.anchors.clone().unwrap_or_else(own)
    }

    fn audit_file(&self) -> PathBuf {
        let own = || self.data.join("audit.log");
        self.audit.clone().unwrap_or_else(own)
    }

    fn vault(&self) -> std::result::Result<Vault, String> {
        let key = self.key_file();
        let told = format!("the key {} cannot be opened", key.display());
        Vault::open(move || disk::keys(&key)).map_err(|e| format!("{told}: {e}"))
    }

    /// What is there, of whatever version.
    async fn store_to_read(&self) -> std::result::Result<Store, String> {
        for path in [self.data.join("claims.sqlite"), self.key_file()] {
            if !path.is_file() {
                return Err(format!("{} is not there", path.display()));
            }
        }
        self.store(self.vault()?, true).await
    }

    /// For data that are there a key is never made: it would open nothing.
    fn has_its_key(&self) -> std::result::Result<(), String> {
        let key = self.key_file();
        match self.data.join("claims.sqlite").is_file() && !key.is_file() {
            true => Err(format!("{} is not there", key.display())),
            false => Ok(()),
        }
    }

    async fn store(&self, vault: Vault, only_read: bool) -> std::result::Result<Store, String> {
        let store = Store::open(&self.data, vault, only_read).await;
        store.map_err(|e| {
            format!(
                "the database in {} cannot be opened: {e}",
                self.data.display()
            )
        })
    }

    fn is_proxy(&self, ip: IpAddr) -> bool {
        self.proxies
            .iter()
            .any(|net| net.contains(&ip.to_canonical()))
    }
}

/// Everything the handlers share.
#[derive(Clone)]
pub struct App(Arc<Shared>);

pub struct Shared {
    options: Options,
    store: Store,
    vault: Vault,
    uploads: Uploads,
    assets: Assets,
    catalogue: Catalogue,
    catalogue_json: String,
    /// OpenAPI, for `GET /openapi.json`.
    description: &'static str,
    deployment: config::Deployment,
    rules: papers::Rules,
    news: news::News,
    metrics: metrics::Metrics,
    /// Per session.
    streams: limits::Places<String>,
    /// For reading, hashing and decoding images and PDFs.
    decoding: limits::Gate,
    delivering: tokio::sync::Mutex<()>,
    /// To the insurer's systems.
    lines: hooks::Lines,
    source: Option<Box<dyn policies::PolicySource>>,
    searching: tokio::sync::Mutex<()>,
    wechat: hosts::wechat::WeChat,
    audit: audit::Audit,
    quotas: limits::Quotas,
    passwords: passwords::Passwords,
    /// Where this server listens: its address if none was given.
    bound: OnceLock<String>,
    started: (SystemTime, Instant),
}

impl std::ops::Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The server's time, which governs every clock of a claim.
fn now() -> Moment {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Moment(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

impl App {
    /// Opens the data directory, migrates the database, recovers uploads.
    ///
    /// # Errors
    /// One sentence that says what cannot be opened and why.
    pub async fn open(options: Options) -> std::result::Result<App, String> {
        App::opened(options, false).await
    }

    /// Opens what exists, and writes nothing.
    ///
    /// # Errors
    /// One sentence that says what is missing or cannot be read.
    pub async fn open_to_read(options: Options) -> std::result::Result<App, String> {
        App::opened(options, true).await
    }

    /// Tries on a copy what the first start of this program would do to older data, and verifies the
    /// result; returns the version of the schema before and after, and what was verified.
    ///
    /// # Errors
    /// A sentence for the command line.
    pub async fn rehearse(options: Options) -> std::result::Result<(i64, i64, Followed), String> {
        let store = options.store_to_read().await?;
        let before = store.version().await.map_err(|e| e.to_string())?;
        let stage = Stage::set(&store, &options.data).await?;
        let app = App::open(Options {
            data: stage.folder().to_owned(),
            key: Some(options.key_file()),
            audit: None,
            anchors: Some(options.anchors_file()),
            demo: false,
            ..options
        })
        .await?;
        app.store.is_sound().await?;
        let followed = app.verify().await?;
        app.store.close().await;
        Ok((before, schema::ours(), followed))
    }

    async fn opened(options: Options, only_read: bool) -> std::result::Result<App, String> {
        if options.demo && options.secure {
            return Err("--demo creates accounts with publicly known passwords: it cannot be combined with --secure".into());
        }
        disk::folder(&options.data).map_err(|e| {
            format!(
                "the data directory {} cannot be created: {e}",
                options.data.display()
            )
        })?;
        if !only_read {
            if let Err(why) = schema::clear_stage(&options.data) {
                tracing::warn!(why, "a rehearsal is not removed");
            }
            disk::keep_private(&options.data)
                .map_err(|e| format!("{} cannot be made private: {e}", options.data.display()))?;
        }
        let audit = match only_read {
            true => PathBuf::from("/dev/null"),
            false => options.audit_file(),
        };
        let audit = audit::Audit::open(&audit)
            .map_err(|e| format!("the audit log {} cannot be written: {e}", audit.display()))?;
        let store = match only_read {
            true => options.store_to_read().await?,
            false => {
                options.has_its_key()?;
                options.store(options.vault()?, false).await?
            }
        };
        let vault = store.vault.clone();
        let uploads = Uploads::open(&options.data, options.keep_free)
            .map_err(|e| format!("the upload directory cannot be created: {e}"))?;
        let earlier = (!only_read).then(|| options.data.join("assets"));
        let assets = Assets::load(options.dist.as_deref(), earlier.as_deref())?;
        let catalogue_json = assets
            .text("/catalog.json")
            .unwrap_or_else(|| include_str!("../../../public/catalog.json").to_owned());
        let catalogue = Catalogue::load(&catalogue_json)?;
        let deployment = config::Deployment::load(
            assets.text("/config.json").as_deref(),
            assets.text("/terms.json").as_deref(),
        )?;
        let wechat = hosts::wechat::WeChat::open(&options.data, deployment.wechat.as_ref())?;
        let source = options.policies.clone().map(|url| {
            Box::new(policies::Insurer {
                url,
                vault: vault.clone(),
            }) as Box<dyn policies::PolicySource>
        });
        let app = App(Arc::new(Shared {
            options,
            store,
            vault,
            uploads,
            assets,
            catalogue,
            catalogue_json,
            description: openapi::document(),
            deployment,
            rules: papers::Rules::default(),
            news: news::News::default(),
            metrics: metrics::Metrics::default(),
            streams: limits::Places::default(),
            decoding: limits::Gate::new(2, 64),
            delivering: tokio::sync::Mutex::new(()),
            lines: hooks::Lines::default(),
            source,
            searching: tokio::sync::Mutex::new(()),
            wechat,
            audit,
            quotas: limits::Quotas::default(),
            passwords: passwords::Passwords::default(),
            bound: OnceLock::new(),
            started: (SystemTime::now(), Instant::now()),
        }));
        app.store
            .is_current()
            .await
            .map_err(|e| format!("the database in {}: {e}", app.options.data.display()))?;
        let unopened = |f: Failure| format!("the keys cannot be opened: {}", f.sentence());
        store::keys::refresh(&app.store).await.map_err(unopened)?;
        if only_read {
            return Ok(app);
        }
        store::keys::keep(&app.store).await.map_err(unopened)?;
        keys::reseal(&app).await.map_err(unopened)?;
        migration::seal_anew(&app.store, &app.uploads)
            .await
            .map_err(|e| format!("the migration of sealed data failed: {e}"))?;
        papers::keep_rules(&app)
            .await
            .map_err(|e| format!("the rules cannot be stored: {}", e.sentence()))?;
        if app.options.demo {
            demo::seed(&app)
                .await
                .map_err(|e| format!("the demo data cannot be written: {e}"))?;
        }
        let options = &app.options;
        let set = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "rules": app.catalogue.rules_version, "demo": options.demo, "secure": options.secure,
            "proxies": options.proxies.len(), "policies": options.policies.is_some(), "gateway": matches!(options.messages, Driver::Webhook(_)),
        });
        app.audit.say("set", &audit::Who::Operator, set);
        Ok(app)
    }

    /// The public address of this server, without a trailing slash.
    fn address(&self) -> &str {
        let said = self.options.address.trim_end_matches('/');
        if said.is_empty() {
            self.bound.get().map_or("", String::as_str)
        } else {
            said
        }
    }

    pub fn router(&self) -> Router {
        routes::all(self)
    }

    /// Whether it may be sent requests: the database answers and there is room on the disk.
    async fn is_ready(&self) -> Result<()> {
        self.store.ping().await?;
        let room = self.uploads.has_room(0).unwrap_or(false);
        room.then_some(()).ok_or(ProblemCode::StorageFull.into())
    }

    /// Does what is due by the clock: deadlines, reminders, messages.
    pub async fn tick(&self) {
        if let Err(failure) = attendant::tick(self).await {
            failure.problem();
        }
    }

    /// Verifies every chain, every file and every anchor.
    ///
    /// # Errors
    /// The first mismatch.
    pub async fn verify(&self) -> std::result::Result<Followed, String> {
        chain::verify(&self.store, &self.uploads, &self.options.anchors_file()).await
    }

    /// Adds a point to a backup folder, while a server runs on this data, which may be of an earlier
    /// version. Former points are removed after `keep` days.
    ///
    /// # Errors
    /// A sentence for the command line.
    pub async fn backup(
        options: &Options,
        folder: &Path,
        keep: Option<u32>,
    ) -> std::result::Result<Made, String> {
        let store = options.store_to_read().await?;
        let logs = [options.anchors_file(), options.audit_file()];
        store::backup::make(&store, &options.data, &logs, folder, now(), keep).await
    }

    async fn expire_drafts(&self) -> Result<()> {
        let mut tx = self.store.begin().await?;
        store::drafts::expire(&mut tx, now()).await?;
        tx.commit().await
    }

    /// Writes every stored file, decrypted, into a folder.
    ///
    /// # Errors
    /// A sentence for the command line.
    pub async fn export_files(&self, folder: &Path) -> std::result::Result<u64, String> {
        self.audit.say(
            "export",
            &audit::Who::Operator,
            serde_json::json!({ "list": "files" }),
        );
        self.uploads
            .export(&self.store, folder)
            .await
            .map_err(Failure::sentence)
    }

    /// Adds a member of staff, or changes desk and password of one.
    ///
    /// # Errors
    /// A sentence for the command line.
    pub async fn add_staff(
        &self,
        name: &str,
        shown_as: &str,
        desk: Desk,
        password: &str,
    ) -> std::result::Result<(), String> {
        accounts::add(self, name, shown_as, desk, password).await
    }

    /// Gives a member of staff a second factor, or takes it away; returns what an authenticator app
    /// scans.
    ///
    /// # Errors
    /// A sentence for the command line.
    pub async fn second_factor(
        &self,
        name: &str,
        remove: bool,
    ) -> std::result::Result<Option<String>, String> {
        accounts::second_factor(self, name, remove).await
    }

    /// Closes an account and ends its sessions; the record of its work stays.
    ///
    /// # Errors
    /// A sentence for the command line.
    pub async fn remove_staff(&self, name: &str) -> std::result::Result<(), String> {
        accounts::remove(self, name).await
    }

    /// Adds a kiosk in a branch; returns the code to type in there.
    ///
    /// # Errors
    /// A sentence for the command line.
    pub async fn add_kiosk(
        &self,
        name: &str,
        paper: &str,
        idle_seconds: u32,
    ) -> std::result::Result<String, String> {
        self.audit.say(
            "set",
            &audit::Who::Operator,
            serde_json::json!({ "kiosk": name }),
        );
        hosts::kiosk::add(self, name, paper, idle_seconds).await
    }

    /// The key with which another system signs its requests, as its operator needs it.
    pub fn peer_key(&self, peer: &str) -> String {
        keys::shown(peer, self.vault.peer_key(peer))
    }

    /// Periodic cleanup: removes abandoned uploads and drafts. Not after a clock jump, when
    /// everything would seem old.
    pub async fn housekeeping(&self) {
        let (wall, steady) = self.started;
        let differ = wall
            .elapsed()
            .map_or(Duration::MAX, |by_wall| by_wall.abs_diff(steady.elapsed()));
        if differ > Duration::from_secs(3600) {
            tracing::warn!(
                "the clock has jumped since the start; cleanup is off until the next start"
            );
            return;
        }
        // Another process may have erased claims, or forgotten keys.
        self.vault.forget_all();
        if let Err(error) = self.vault.reread() {
            tracing::error!(%error, "the keys cannot be read");
        }
        let done = [
            self.uploads.expire(&self.store, now()).await,
            sessions::expire(self).await,
            chain::anchor(&self.store, &self.options.anchors_file(), now()).await,
            self.expire_drafts().await,
            keys::reseal(self).await,
            hosts::handoffs::expire(self).await,
            hosts::launch::expire(self).await,
        ];
        for done in done {
            if let Err(failure) = done {
                failure.problem();
            }
        }
    }
}

//! The built app, held in memory with its brotli and gzip forms. Files whose name or `?v=` carries their hash are
//! immutable; `index.html` is asked for again each time. Programs of earlier builds stay for [`KEPT`]: a page that was
//! opened before a deployment finds its photo worker after it.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};
use std::{fs, io};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use bytes::Bytes;
use sha2::Digest;

use crate::vault::sha256_hex;
use crate::{App, guard, kiosk, pages, wechat};

#[derive(Default)]
pub struct Assets(HashMap<String, Asset>);

struct Asset {
    plain: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
    hash: String,
    media: &'static str,
}

/// How long the programs of an earlier build are served.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// What an operator serves who wants no service worker any more (`service_worker` of terms.json): it removes itself.
const NO_SERVICE_WORKER: &str = "self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) { await caches.delete(name); }
  await self.registration.unregister();
})()));
";

impl Assets {
    /// Reads the folder that `trunk build` made, and what `earlier` holds of builds before it.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn load(dist: Option<&Path>, earlier: &Path) -> Result<Assets, String> {
        let mut assets = Assets::default();
        if let Some(dist) = dist {
            if !dist.join("index.html").is_file() {
                return Err(format!("{} holds no built app: index.html is missing", dist.display()));
            }
            assets.walk(dist, dist)?;
            // Without them older pages are asked to open themselves again, no more.
            if let Err(error) = assets.remember(dist, earlier) {
                tracing::warn!(%error, "the programs of earlier builds cannot be kept");
            }
        }
        Ok(assets)
    }

    /// Names this build (`xtask`, build.rs).
    pub fn build(&self) -> Option<String> {
        let page = self.text("/index.html")?;
        let (_, rest) = page.split_once("id=\"build\"")?;
        Some(rest.split_once("href=\"")?.1.split_once('"')?.0.to_owned())
    }

    /// Keeps the programs of this build for the time after it, and finds those of the builds before.
    fn remember(&mut self, dist: &Path, earlier: &Path) -> io::Result<()> {
        let Some(build) = self.build() else { return Ok(()) };
        let folder = earlier.join(build.trim_start_matches('/'));
        fs::create_dir_all(&folder)?;
        for file in fs::read_dir(dist)? {
            let file = file?;
            let (name, to) = (file.file_name(), folder.join(file.file_name()));
            if hashed_name(&name.to_string_lossy()) && !to.exists() && fs::hard_link(file.path(), &to).is_err() {
                // Another file system.
                let part = folder.join("part");
                fs::copy(file.path(), &part)?;
                fs::rename(part, to)?;
            }
        }
        fs::File::open(&folder)?.set_modified(SystemTime::now())?;
        let now = std::mem::take(&mut self.0);
        for folder in fs::read_dir(earlier)? {
            let folder = folder?;
            match folder.metadata()?.modified()?.elapsed() {
                Ok(age) if age > KEPT => fs::remove_dir_all(folder.path())?,
                _ => self.walk(&folder.path(), &folder.path()).map_err(io::Error::other)?,
            }
        }
        self.0.extend(now);
        Ok(())
    }

    fn walk(&mut self, root: &Path, folder: &Path) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("{} cannot be read: {e}", folder.display());
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                self.walk(root, &path)?;
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if name.ends_with(".br") || name.ends_with(".gz") {
                continue;
            }
            let plain: Bytes = fs::read(&path).map_err(failed)?.into();
            let packed = |suffix: &str| fs::read(format!("{}{suffix}", path.display())).ok().map(Bytes::from);
            let asset =
                Asset { hash: sha256_hex(&plain)[..16].to_owned(), brotli: packed(".br"), gzip: packed(".gz"), media: media(&name), plain };
            self.0.insert(format!("/{name}"), asset);
        }
        Ok(())
    }

    /// The address of a file with its content's hash, and its integrity (Subresource Integrity, 3.1).
    pub fn named(&self, path: &str) -> Option<(String, String)> {
        let asset = self.0.get(path)?;
        let digest = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(&asset.plain));
        Some((format!("{path}?v={}", asset.hash), format!("sha256-{digest}")))
    }

    pub fn text(&self, path: &str) -> Option<String> {
        String::from_utf8(self.0.get(path)?.plain.to_vec()).ok()
    }
}

fn media(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Addresses that the app itself knows; it shows its own 404 page for others, with the right status.
fn is_app_route(path: &str) -> bool {
    matches!(
        path.trim_matches('/').split('/').collect::<Vec<_>>()[..],
        ["" | "report" | "claims" | "login" | "help" | "verify" | "handoff" | "launch"]
            | ["report" | "claims", _]
            | ["claims", _, "documents" | "questions" | "request" | "receipt" | "disagree" | "messages" | "payee" | "records"]
            | ["claims", _, "documents" | "letters", _]
    )
}

pub async fn serve(State(app): State<App>, request: Request) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return guard::method_not_allowed().await;
    }
    let path = uri.path();
    // The operator's: what one person may decide is nobody's business.
    if path == "/terms.json" {
        return pages::not_found(false);
    }
    // Adapters of hosts begin with what terms.json says of them.
    let told = match path {
        "/embed.js" => Some(format!("globalThis.baoanPartners={};", serde_json::json!(app.deployment.partners))),
        "/wechat.js" => {
            let library = app.deployment.wechat.as_ref().map(|_| wechat::LIBRARY);
            Some(format!("globalThis.baoanWechat={};", serde_json::json!(library)))
        }
        _ => None,
    };
    if let Some(told) = told {
        let script = told + &app.assets.text(path).unwrap_or_default();
        return ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], script).into_response();
    }
    if path == "/sw.js" && !app.deployment.service_worker {
        return ([(header::CONTENT_TYPE, "text/javascript"), (header::CACHE_CONTROL, "no-cache")], NO_SERVICE_WORKER).into_response();
    }
    if let Some(asset) = app.assets.0.get(path).filter(|_| path != "/index.html") {
        return send(asset, &uri, headers, StatusCode::OK);
    }
    let wants_page = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("text/html"));
    match app.assets.0.get("/index.html") {
        // What every component looks like; only builds for development hold it.
        Some(index) if is_app_route(path) || (app.options.demo && path == "/gallery") => match kiosk::of(&app, headers).await {
            Ok(None) => send(index, &uri, headers, StatusCode::OK),
            Ok(Some(machine)) => kiosk::served(&app, &machine, headers).unwrap_or_else(IntoResponse::into_response),
            Err(failure) => failure.into_response(),
        },
        Some(index) if wants_page => send(index, &uri, headers, StatusCode::NOT_FOUND),
        _ => pages::not_found(wants_page),
    }
}

fn send(asset: &Asset, uri: &Uri, headers: &HeaderMap, status: StatusCode) -> Response {
    let accepts = |coding: &str| {
        let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or_default();
        accepted.split(',').any(|part| {
            let (name, q) = part.split_once(';').unwrap_or((part, ""));
            name.trim().eq_ignore_ascii_case(coding) && !matches!(q.trim(), "q=0" | "q=0.0" | "q=0.000")
        })
    };
    let (body, coding) = match (&asset.brotli, &asset.gzip) {
        (Some(brotli), _) if accepts("br") => (brotli.clone(), Some("br")),
        (_, Some(gzip)) if accepts("gzip") => (gzip.clone(), Some("gzip")),
        _ => (asset.plain.clone(), None),
    };
    let versioned = uri.query().is_some_and(|q| q == format!("v={}", asset.hash)) || hashed_name(uri.path());
    let cache = if versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    let tag = format!("\"{}{}\"", asset.hash, coding.unwrap_or_default());
    let fresh = status == StatusCode::OK && headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut response = if fresh { StatusCode::NOT_MODIFIED.into_response() } else { (status, body).into_response() };
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    set.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        set.insert(header::ETAG, tag);
    }
    if let Some(coding) = coding.filter(|_| !fresh) {
        set.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// Trunk's names: `baoan-0123456789abcdef_bg.wasm`.
fn hashed_name(path: &str) -> bool {
    let Some((_, rest)) = path.rsplit('/').next().unwrap_or_default().split_once('-') else { return false };
    // A number in hexadecimal: trunk writes no zeros before it.
    let hash = rest.split(['_', '.']).next().unwrap_or_default();
    (8..=16).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_hexdigit())
}

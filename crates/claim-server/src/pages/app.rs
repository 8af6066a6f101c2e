//! The built app: its files, and its page at each address that it knows.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use claim_api::pages::is_page;

use super::not_found;
use crate::App;
use crate::config::WECHAT_LIBRARY;
use crate::hosts::kiosk;
use crate::http::access::{self, Open};
use crate::http::guard;
use crate::store::assets::{Asset, hashed_name};

/// The service worker served when the operator wants none (`service_worker` in terms.json): it
/// removes itself.
const NO_SERVICE_WORKER: &str = "self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) { await caches.delete(name); }
  await self.registration.unregister();
})()));
";

pub async fn serve(_: Open, State(app): State<App>, request: Request) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return guard::method_not_allowed().await;
    }
    let path = uri.path();
    // For the operator only: what one person may decide alone is not public.
    if path == "/terms.json" {
        return not_found(false);
    }
    // Scripts for host pages begin with what terms.json says about those hosts.
    let told = match path {
        "/embed.js" => Some(format!(
            "globalThis.baoanPartners={};",
            serde_json::json!(app.deployment.partners)
        )),
        "/wechat.js" => {
            let library = app.deployment.wechat.as_ref().map(|_| WECHAT_LIBRARY);
            Some(format!(
                "globalThis.baoanWechat={};",
                serde_json::json!(library)
            ))
        }
        _ => None,
    };
    if let Some(told) = told {
        let script = told + &app.assets.text(path).unwrap_or_default();
        return (
            [
                (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
                (header::CACHE_CONTROL, "no-cache"),
            ],
            script,
        )
            .into_response();
    }
    if path == "/sw.js" && !app.deployment.service_worker {
        return (
            [
                (header::CONTENT_TYPE, "text/javascript"),
                (header::CACHE_CONTROL, "no-cache"),
            ],
            NO_SERVICE_WORKER,
        )
            .into_response();
    }
    if let Some(asset) = app.assets.find(path).filter(|_| path != "/index.html") {
        return send(asset, &uri, headers, StatusCode::OK);
    }
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains("text/html"));
    match app.assets.find("/index.html") {
        // The gallery of all components; only development builds contain it.
        Some(index) if is_page(path) || (app.options.demo && path == "/gallery") => {
            match access::kiosk(&app, headers).await {
                Ok(None) => send(index, &uri, headers, StatusCode::OK),
                Ok(Some(machine)) => kiosk::served(&app, &machine, headers)
                    .unwrap_or_else(IntoResponse::into_response),
                Err(failure) => failure.into_response(),
            }
        }
        Some(index) if wants_page => send(index, &uri, headers, StatusCode::NOT_FOUND),
        _ => not_found(wants_page),
    }
}

fn send(asset: &Asset, uri: &Uri, headers: &HeaderMap, status: StatusCode) -> Response {
    let accepts = |coding: &str| {
        let accepted = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        accepted.split(',').any(|part| {
            let (name, q) = part.split_once(';').unwrap_or((part, ""));
            name.trim().eq_ignore_ascii_case(coding)
                && !matches!(q.trim(), "q=0" | "q=0.0" | "q=0.000")
        })
    };
    let (body, coding) = match (&asset.brotli, &asset.gzip) {
        (Some(brotli), _) if accepts("br") => (brotli.clone(), Some("br")),
        (_, Some(gzip)) if accepts("gzip") => (gzip.clone(), Some("gzip")),
        _ => (asset.plain.clone(), None),
    };
    let versioned = uri
        .query()
        .is_some_and(|q| q == format!("v={}", asset.hash))
        || hashed_name(uri.path());
    let cache = if versioned {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let tag = format!("\"{}{}\"", asset.hash, coding.unwrap_or_default());
    let fresh = status == StatusCode::OK
        && headers
            .get(header::IF_NONE_MATCH)
            .is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut response = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (status, body).into_response()
    };
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

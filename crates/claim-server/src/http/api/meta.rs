//! What every client may know before it begins: the catalogue, limits, promises; and the health
//! check.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use claim_api::{Problem, ProblemCode};

use crate::failure::Result;
use crate::http::access::Open;
use crate::work::papers;
use crate::{App, now};

/// Catalogue, limits, promises and versions.
#[utoipa::path(get, path = "/api/v1/config", responses((status = 200, content_type = "application/json")))]
pub async fn config(_: Open, State(app): State<App>) -> Response {
    let photo = claim_photo::Limits::default();
    let config = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "rules_version": app.catalogue.rules_version,
        "server_time": now(),
        "deployment": app.deployment.shown(),
        "limits": { "photo_bytes": photo.max_bytes, "photo_edge": photo.long_edge, "original_bytes": photo.max_file, "pixels": photo.max_pixels },
        "catalogue": serde_json::from_str::<serde_json::Value>(&app.catalogue_json).unwrap_or_default(),
    });
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        config.to_string(),
    )
        .into_response()
}

/// 200 while the database answers.
#[utoipa::path(get, path = "/healthz", responses((status = 200, content_type = "text/plain"), (status = 500)))]
pub async fn health(_: Open, State(app): State<App>) -> Result<&'static str> {
    app.store.ping().await?;
    Ok("ok")
}

/// 200 while requests can be served: the database answers, and there is room for files.
#[utoipa::path(get, path = "/readyz", responses((status = 200, content_type = "text/plain"), (status = 500, body = Problem), (status = 507, body = Problem)))]
pub async fn ready(_: Open, State(app): State<App>) -> Result<&'static str> {
    app.is_ready().await?;
    Ok("ready")
}

/// The description of this API (OpenAPI 3.1).
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, content_type = "application/json")))]
pub async fn described(_: Open, State(app): State<App>) -> Response {
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        app.description,
    )
        .into_response()
}

/// The rules of a former version, compiled for the app of this build.
#[utoipa::path(get, path = "/api/v1/rules/{version}", params(("version" = String, Path)), responses((status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
pub async fn rules(
    _: Open,
    State(app): State<App>,
    Path(version): Path<String>,
) -> Result<Response> {
    let rules = papers::known_rules(&app, &version)
        .await?
        .ok_or(ProblemCode::NotFound)?;
    Ok((
        [(header::CONTENT_TYPE, "application/octet-stream")],
        rules.compiled(),
    )
        .into_response())
}

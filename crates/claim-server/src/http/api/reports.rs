//! 报案 from the app.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use claim_api::{Problem, ProblemCode, Receipt};
use claim_domain::Notice;

use crate::App;
use crate::failure::Result;
use crate::http::access::{Guest, Visitor};
use crate::http::{body, network};
use crate::store::submissions::{self, Said};
use crate::vault::sha256_hex;
use crate::work::report;

const MOST_BYTES: usize = 32 << 10;

/// The Idempotency-Key header: a quoted string (draft-ietf-httpapi-idempotency-key-header-07) or a
/// bare token.
pub fn key(headers: &HeaderMap) -> Result<String> {
    let text = headers
        .get("idempotency-key")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'))
        .unwrap_or(text);
    well_formed(bare)?;
    Ok(bare.to_owned())
}

/// Checks what may be a key, and so the name of a draft.
///
/// # Errors
/// `idempotency-key-missing` for everything else.
pub fn well_formed(key: &str) -> Result<()> {
    let plain = (8..=64).contains(&key.len())
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if plain {
        Ok(())
    } else {
        Err(ProblemCode::IdempotencyKeyMissing.into())
    }
}

/// A secret that only the reporting phone knows, hashed. Too short counts as none.
fn secret_hash(headers: &HeaderMap) -> Option<String> {
    headers
        .get("submission-secret")
        .map(HeaderValue::as_bytes)
        .filter(|s| (32..=128).contains(&s.len()))
        .map(sha256_hex)
}

/// Reports a loss. The same key always gets the same answer.
#[utoipa::path(post, path = "/api/v1/notices", request_body = Notice, params(("Idempotency-Key" = String, Header, description = "UUID of the draft, quoted or bare"),
    ("Submission-Secret" = Option<String>, Header, description = "32 to 128 random characters that the phone keeps: with them and the same body another anonymous session takes the report over")),
    responses((status = 201, body = Receipt), (status = 200, description = "the same again", body = Receipt), (status = 400, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub async fn create(
    Visitor(session): Visitor,
    State(app): State<App>,
    request: Request,
) -> Result<Response> {
    let network = network::of(&app, &request);
    let (key, secret_hash) = (key(request.headers())?, secret_hash(request.headers()));
    body::require_json(request.headers())?;
    let body = body::bytes(request, MOST_BYTES).await?;
    let notice: Notice = serde_json::from_slice(&body).map_err(|_| ProblemCode::MalformedJson)?;
    if session.phone.is_none() {
        app.quotas.reports.take(network)?;
    }
    let said = Said {
        key: &key,
        body_hash: &sha256_hex(&body),
        secret_hash,
    };
    let (receipt, replayed) = report::submit(&app, &session, said, &notice, "app").await?;
    let status = if replayed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let mut response = (status, Json(receipt)).into_response();
    if replayed {
        response
            .headers_mut()
            .insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What became of a submission.
#[utoipa::path(get, path = "/api/v1/submissions/{key}", params(("key" = String, Path)), responses((status = 200, body = Receipt), (status = 404, body = Problem)))]
pub async fn submission(
    Guest(session): Guest,
    State(app): State<App>,
    Path(key): Path<String>,
) -> Result<Json<Receipt>> {
    let known = submissions::find(&mut app.store.read().await?, &key, &session.subject).await?;
    let known = known
        .filter(|known| known.mine)
        .ok_or(ProblemCode::NotFound)?;
    Ok(Json(report::receipt(&known.reply)?))
}

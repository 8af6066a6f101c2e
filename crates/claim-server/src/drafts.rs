//! Reports that are being written, kept for customers who have signed in: webviews lose what they store. Nothing is
//! written over unseen: every write names the revision it follows (RFC 9110, section 13.1).

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{Problem, ProblemCode};
use claim_domain::draft::Draft;
use sqlx::Row;

use crate::claims::signed_in;
use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::store::Tx;
use crate::{App, guard, kiosk, notices, now};

/// As on the phone.
const LIVES: i64 = 7 * 86_400;
/// Of one customer; the oldest goes.
const MOST: i64 = 5;

/// One of my drafts; `latest` is the newest. The ETag, and `server_rev`, name its revision.
#[utoipa::path(get, path = "/api/v1/drafts/{id}", params(("id" = String, Path)), responses((status = 200, body = Draft), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn show(State(app): State<App>, session: Option<Extension<Session>>, Path(id): Path<String>) -> Result<Response> {
    let session = signed_in(session)?;
    let row = sqlx::query(
        "SELECT id, rev, sealed FROM draft WHERE subject_id = ?1 AND (id = ?2 OR ?2 = 'latest') AND updated_at > ?3 ORDER BY updated_at DESC, id DESC",
    )
    .bind(&session.subject)
    .bind(id)
    .bind(now().0 - LIVES)
    .fetch_optional(&app.store.read)
    .await?;
    let row = row.ok_or(ProblemCode::NotFound)?;
    let text = app
        .vault
        .open_text(&place(&session.subject, row.try_get("id")?), row.try_get("sealed")?)
        .ok_or_else(|| Failure::internal("draft", "sealed with another key"))?;
    let mut draft: Draft = serde_json::from_str(&text).map_err(|e| Failure::internal("draft", e))?;
    draft.server_rev = row.try_get("rev")?;
    Ok(([(header::ETAG, tag(draft.server_rev))], Json(draft)).into_response())
}

pub fn place(subject: &str, id: &str) -> String {
    format!("draft.sealed/{subject}/{id}")
}

/// Keeps a draft without its photos: `If-None-Match: *` the first time, then `If-Match` with the ETag of the last answer.
#[utoipa::path(put, path = "/api/v1/drafts/{id}", request_body = Draft, params(("id" = String, Path), ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses((status = 204, description = "kept; ETag names the revision"), (status = 401, body = Problem), (status = 409, description = "sent already", body = Problem), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub async fn put(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response> {
    let session = signed_in(session)?;
    notices::well_formed(&id)?;
    // Of a machine that many use nothing is kept but what moves to a phone.
    if kiosk::of(&app, request.headers()).await?.is_some() {
        return Err(ProblemCode::NotAllowed.into());
    }
    let follows = follows(request.headers()).ok_or(ProblemCode::PreconditionRequired)?;
    let mut draft: Draft = guard::json(request).await?;
    draft.id.clone_from(&id);
    // They have not left the phone.
    draft.photos.clear();
    let sealed = app.vault.seal(&place(&session.subject, &id), &serde_json::to_string(&draft).unwrap_or_default());
    let (at, mut tx) = (now(), app.store.begin().await?);
    let sent: Option<i64> = sqlx::query_scalar("SELECT 1 FROM submission WHERE key = ?").bind(&id).fetch_optional(&mut *tx).await?;
    if sent.is_some() {
        return Err(ProblemCode::NotAllowed.into());
    }
    let there: i64 = sqlx::query_scalar("SELECT rev FROM draft WHERE subject_id = ? AND id = ?")
        .bind(&session.subject)
        .bind(&id)
        .fetch_optional(&mut *tx)
        .await?
        .unwrap_or(0);
    if there != follows {
        let mut response = Failure::from(ProblemCode::DraftChanged).into_response();
        response.headers_mut().insert(header::ETAG, tag(there));
        return Ok(response);
    }
    sqlx::query("INSERT OR REPLACE INTO draft (id, subject_id, rev, sealed, updated_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&id)
        .bind(&session.subject)
        .bind(there + 1)
        .bind(sealed)
        .bind(at.0)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "DELETE FROM draft WHERE subject_id = ?1 AND id NOT IN (SELECT id FROM draft WHERE subject_id = ?1 ORDER BY updated_at DESC, id DESC LIMIT ?2)",
    )
    .bind(&session.subject)
    .bind(MOST)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok((StatusCode::NO_CONTENT, [(header::ETAG, tag(there + 1))]).into_response())
}

/// Forgets a draft.
#[utoipa::path(delete, path = "/api/v1/drafts/{id}", params(("id" = String, Path)), responses((status = 204), (status = 401, body = Problem)))]
pub async fn delete(State(app): State<App>, session: Option<Extension<Session>>, Path(id): Path<String>) -> Result<StatusCode> {
    let session = signed_in(session)?;
    let mut tx = app.store.begin().await?;
    forget(&mut tx, &session.subject, &id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The report has come: what was kept of it goes in the same transaction.
pub async fn forget(tx: &mut Tx, subject: &str, id: &str) -> Result<()> {
    sqlx::query("DELETE FROM draft WHERE subject_id = ? AND id = ?").bind(subject).bind(id).execute(&mut **tx).await?;
    Ok(())
}

pub async fn expire(app: &App) -> Result<()> {
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM draft WHERE updated_at < ?").bind(now().0 - LIVES).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

/// The revision that a write follows; 0: there must be none yet.
fn follows(headers: &HeaderMap) -> Option<i64> {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok()).map(str::trim);
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (Some(tag), None) => tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok().filter(|rev| *rev > 0),
        (None, Some("*")) => Some(0),
        _ => None,
    }
}

fn tag(rev: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{rev}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

//! Reports being written, kept for customers who have signed in, since webviews lose what they
//! store. Nothing is overwritten unseen: every write names the revision it follows (RFC 9110,
//! section 13.1).

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claim_api::{Problem, ProblemCode};
use claim_domain::draft::Draft;

use super::reports;
use crate::failure::{Failure, Result};
use crate::http::access::{self, SignedIn};
use crate::http::body;
use crate::store::{drafts, submissions};
use crate::{App, now};

/// One of my drafts; `latest` is the newest. The ETag, and `server_rev`, name its revision.
#[utoipa::path(get, path = "/api/v1/drafts/{id}", params(("id" = String, Path)), responses((status = 200, body = Draft), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn show(
    who: SignedIn,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response> {
    let draft = drafts::find(
        &mut app.store.read().await?,
        &who.session.subject,
        &id,
        now(),
    )
    .await?;
    let draft = draft.ok_or(ProblemCode::NotFound)?;
    Ok(([(header::ETAG, tag(draft.server_rev))], Json(draft)).into_response())
}

/// Stores a draft without its photos: `If-None-Match: *` the first time, then `If-Match` with the
/// last answer's ETag.
#[utoipa::path(put, path = "/api/v1/drafts/{id}", request_body = Draft, params(("id" = String, Path), ("If-Match" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses((status = 204, description = "kept; ETag names the revision"), (status = 401, body = Problem), (status = 409, description = "sent already", body = Problem), (status = 412, body = Problem), (status = 428, body = Problem)))]
pub async fn put(
    who: SignedIn,
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response> {
    reports::well_formed(&id)?;
    // From a shared machine, nothing is kept except what moves to a phone.
    if access::kiosk(&app, request.headers()).await?.is_some() {
        return Err(ProblemCode::NotAllowed.into());
    }
    let follows = follows(request.headers()).ok_or(ProblemCode::PreconditionRequired)?;
    let mut draft: Draft = body::json(request).await?;
    draft.id.clone_from(&id);
    // Drafts are stored without photos, which have not left the phone.
    draft.photos.clear();
    let mut tx = app.store.begin().await?;
    if submissions::is_used(&mut tx, &id).await? {
        return Err(ProblemCode::NotAllowed.into());
    }
    let there = drafts::revision(&mut tx, &who.session.subject, &id).await?;
    if there != follows {
        let mut response = Failure::from(ProblemCode::DraftChanged).into_response();
        response.headers_mut().insert(header::ETAG, tag(there));
        return Ok(response);
    }
    drafts::keep(&mut tx, &who.session.subject, &draft, there + 1, now()).await?;
    tx.commit().await?;
    Ok((StatusCode::NO_CONTENT, [(header::ETAG, tag(there + 1))]).into_response())
}

/// Deletes a draft.
#[utoipa::path(delete, path = "/api/v1/drafts/{id}", params(("id" = String, Path)), responses((status = 204), (status = 401, body = Problem)))]
pub async fn delete(
    who: SignedIn,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let mut tx = app.store.begin().await?;
    drafts::forget(&mut tx, &who.session.subject, &id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The revision that a write follows; 0: none may exist yet.
fn follows(headers: &HeaderMap) -> Option<i64> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|v: &HeaderValue| v.to_str().ok())
            .map(str::trim)
    };
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (Some(tag), None) => tag
            .strip_prefix('"')?
            .strip_suffix('"')?
            .parse()
            .ok()
            .filter(|rev| *rev > 0),
        (None, Some("*")) => Some(0),
        _ => None,
    }
}

fn tag(rev: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{rev}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

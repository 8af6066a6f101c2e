//! Links for those who wait along: how far the claim is, nothing else; until a day, or until it is taken back.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use claim_api::{Problem, ProblemCode, Share};
use claim_domain::Moment;

use crate::claims::{Stored, mine, signed_in};
use crate::failure::Result;
use crate::session::Session;
use crate::vault::{sha256_hex, token};
use crate::{App, attendant, now};

/// Where a link leads; its secret stands behind #.
pub const PAGE: &str = "/shared";
const LIVES: i64 = 30 * 86_400;
const AT_MOST: i64 = 10;

async fn own(app: &App, session: Option<Extension<Session>>, no: &str) -> Result<Stored> {
    let session = signed_in(session)?;
    let claim = mine(app, &session.subject, no).await?;
    claim.part.whole()?;
    Ok(claim)
}

/// Makes a link. Its secret is shown this once.
#[utoipa::path(post, path = "/api/v1/claims/{no}/shares", params(("no" = String, Path)),
    responses((status = 201, body = Share), (status = 401, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub async fn create(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(no): Path<String>,
) -> Result<(StatusCode, Json<Share>)> {
    let claim = own(&app, session, &no).await?;
    let (fresh, at) = (token(), now().0);
    let mut tx = app.store.begin().await?;
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM share WHERE claim_id = ? AND revoked_at IS NULL AND expires_at > ?")
        .bind(&claim.id)
        .bind(at)
        .fetch_one(&mut *tx)
        .await?;
    if open >= AT_MOST {
        return Err(ProblemCode::Quota.into());
    }
    sqlx::query("INSERT INTO share (token_hash, claim_id, created_at, expires_at) VALUES (?, ?, ?, ?)")
        .bind(sha256_hex(fresh.as_bytes()))
        .bind(&claim.id)
        .bind(at)
        .bind(at + LIVES)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(Share { path: format!("{}#{fresh}", PAGE), expires_at: Moment(at + LIVES) })))
}

/// The links that still work, without their secrets.
#[utoipa::path(get, path = "/api/v1/claims/{no}/shares", params(("no" = String, Path)), responses((status = 200, body = Vec<Share>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn list(State(app): State<App>, session: Option<Extension<Session>>, Path(no): Path<String>) -> Result<Json<Vec<Share>>> {
    let claim = own(&app, session, &no).await?;
    let open: Vec<i64> =
        sqlx::query_scalar("SELECT expires_at FROM share WHERE claim_id = ? AND revoked_at IS NULL AND expires_at > ? ORDER BY expires_at")
            .bind(&claim.id)
            .bind(now().0)
            .fetch_all(&app.store.read)
            .await?;
    Ok(Json(open.into_iter().map(|at| Share { path: String::new(), expires_at: Moment(at) }).collect()))
}

/// Takes all links of a claim back.
#[utoipa::path(delete, path = "/api/v1/claims/{no}/shares", params(("no" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn revoke(State(app): State<App>, session: Option<Extension<Session>>, Path(no): Path<String>) -> Result<StatusCode> {
    let claim = own(&app, session, &no).await?;
    let mut tx = app.store.begin().await?;
    sqlx::query("UPDATE share SET revoked_at = ? WHERE claim_id = ? AND revoked_at IS NULL")
        .bind(now().0)
        .bind(&claim.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The claim behind a link; `None` once it was taken back or has run out.
///
/// # Errors
/// `not-found` for a link that never was.
pub async fn open(app: &App, token: &str) -> Result<Option<Stored>> {
    let row: Option<(String, i64, Option<i64>)> = sqlx::query_as("SELECT claim_id, expires_at, revoked_at FROM share WHERE token_hash = ?")
        .bind(sha256_hex(token.as_bytes()))
        .fetch_optional(&app.store.read)
        .await?;
    match row {
        None => Err(ProblemCode::NotFound.into()),
        Some((claim, expires, None)) if expires > now().0 => attendant::stored(app, &claim).await.map(Some),
        Some(_) => Ok(None),
    }
}

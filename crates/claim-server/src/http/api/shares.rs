//! Share links: the progress of the claim and nothing else, until a set day or until revoked.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use claim_api::{Problem, ProblemCode, Share};

use crate::failure::Result;
use crate::http::access::Insured;
use crate::pages::shared;
use crate::store::links;
use crate::vault::token;
use crate::{App, now};

const LIVES: i64 = 30 * 86_400;
const AT_MOST: usize = 10;

/// Makes a link. Its secret is shown only this once.
#[utoipa::path(post, path = "/api/v1/claims/{no}/shares", params(("no" = String, Path)),
    responses((status = 201, body = Share), (status = 401, body = Problem), (status = 404, body = Problem), (status = 429, body = Problem)))]
pub async fn create(
    Insured { claim, .. }: Insured,
    State(app): State<App>,
) -> Result<(StatusCode, Json<Share>)> {
    let (fresh, at) = (token(), now());
    let expires_at = at.plus_seconds(LIVES);
    let mut tx = app.store.begin().await?;
    if links::shares(&mut tx, &claim.id, at).await?.len() >= AT_MOST {
        return Err(ProblemCode::Quota.into());
    }
    links::share(&mut tx, &claim.id, &fresh, at, expires_at).await?;
    tx.commit().await?;
    Ok((
        StatusCode::CREATED,
        Json(Share {
            path: format!("{}#{fresh}", shared::PATH),
            expires_at,
        }),
    ))
}

/// The links that still work, without their secrets.
#[utoipa::path(get, path = "/api/v1/claims/{no}/shares", params(("no" = String, Path)), responses((status = 200, body = Vec<Share>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn list(
    Insured { claim, .. }: Insured,
    State(app): State<App>,
) -> Result<Json<Vec<Share>>> {
    let open = links::shares(&mut app.store.read().await?, &claim.id, now()).await?;
    Ok(Json(
        open.into_iter()
            .map(|expires_at| Share {
                path: String::new(),
                expires_at,
            })
            .collect(),
    ))
}

/// Revokes all links of a claim.
#[utoipa::path(delete, path = "/api/v1/claims/{no}/shares", params(("no" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn revoke(Insured { claim, .. }: Insured, State(app): State<App>) -> Result<StatusCode> {
    let mut tx = app.store.begin().await?;
    links::revoke_shares(&mut tx, &claim.id, now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

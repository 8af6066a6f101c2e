//! The signed receipt, and the keys to verify it.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use claim_api::Problem;
use claim_api::proof::Keys;

use crate::App;
use crate::failure::Result;
use crate::http::access::{Open, Party};
use crate::store::documents;
use crate::work::proofs;

/// The signed receipt of a claim, for its parties; whoever has just reported needs no code for it.
#[utoipa::path(get, path = "/api/v1/claims/{no}/receipt", params(("no" = String, Path)),
    responses((status = 200, content_type = "application/jose", description = "JWS in compact form over `Proof`", body = String), (status = 404, body = Problem)))]
pub async fn receipt(Party { session, claim }: Party, State(app): State<App>) -> Result<Response> {
    let db = &mut app.store.read().await?;
    let own = if claim.part.is_whole() {
        None
    } else {
        Some(documents::own(db, &claim.id, &session.subject).await?)
    };
    let signed = proofs::signed(&app, db, &claim, own.as_deref()).await?;
    Ok(([(header::CONTENT_TYPE, "application/jose")], signed).into_response())
}

/// The keys that receipts of this insurer are, or were, signed with.
#[utoipa::path(get, path = "/.well-known/jwks.json", responses((status = 200, body = Keys)))]
pub async fn keys(_: Open, State(app): State<App>) -> Response {
    (
        [(header::CACHE_CONTROL, "no-cache")],
        Json(app.vault.receipt_keys()),
    )
        .into_response()
}

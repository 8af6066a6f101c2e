//! 存证回执: what was received of a claim, signed with the key of this data directory.

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::proof::{Keys, Proof, ProvenFile};
use claim_api::{Problem, ProblemCode};
use claim_domain::Moment;
use sqlx::Row;

use crate::claims::{Stored, mine};
use crate::failure::Result;
use crate::session::Session;
use crate::{App, documents, now, store};

/// The signed receipt of a claim, for its parties; who has just reported needs no code for it.
#[utoipa::path(get, path = "/api/v1/claims/{no}/receipt", params(("no" = String, Path)),
    responses((status = 200, content_type = "application/jose", description = "JWS in compact form over `Proof`", body = String), (status = 404, body = Problem)))]
pub async fn receipt(State(app): State<App>, session: Option<Extension<Session>>, Path(no): Path<String>) -> Result<Response> {
    let Some(Extension(session)) = session else { return Err(ProblemCode::NotFound.into()) };
    let claim = mine(&app, &session.subject, &no).await?;
    let own = if claim.part.is_whole() { None } else { Some(documents::own(&app, &claim, &session.subject).await?) };
    Ok(([(header::CONTENT_TYPE, "application/jose")], signed(&app, &claim, own.as_deref()).await?).into_response())
}

/// What was received of a claim, as a JWS in compact form.
/// `of`: only these, where somebody may not see the others.
pub async fn signed(app: &App, claim: &Stored, of: Option<&[(String, String)]>) -> Result<String> {
    let db = &app.store.read;
    let notice_sha256: Option<String> =
        sqlx::query_scalar("SELECT body_hash FROM submission WHERE claim_id = ? ORDER BY created_at, key LIMIT 1")
            .bind(&claim.id)
            .fetch_optional(db)
            .await?;
    let (events, events_sha256): (u32, String) =
        sqlx::query_as("SELECT seq, hash FROM event WHERE claim_id = ? ORDER BY seq DESC LIMIT 1").bind(&claim.id).fetch_one(db).await?;
    let mut files = Vec::new();
    let key = store::key(app, &mut *db.acquire().await?, &claim.id).await?;
    for row in documents::rows(db, &claim.id).await? {
        let file = documents::file_of(&key, &row)?;
        // Who may not see a paper is not told that it came.
        if !of.is_none_or(|own| own.iter().any(|(_, sha256)| *sha256 == file.sha256)) {
            continue;
        }
        files.push(ProvenFile {
            document: file.document,
            bytes: file.bytes,
            sha256: file.sha256,
            original_sha256: file.original_sha256,
            received_at: Moment(row.try_get("received_at")?),
        });
    }
    let proof = Proof {
        insurer: app.deployment.insurer.zh.clone(),
        claim_no: claim.no.clone(),
        reported_at: claim.reported_at,
        issued_at: now(),
        notice_sha256: notice_sha256.unwrap_or_default(),
        events,
        events_sha256,
        files,
    };
    Ok(app.vault.signer().sign(&proof))
}

/// The keys that receipts of this insurer are signed with.
#[utoipa::path(get, path = "/.well-known/jwks.json", responses((status = 200, body = Keys)))]
pub async fn keys(State(app): State<App>) -> Response {
    ([(header::CACHE_CONTROL, "no-cache")], Json(Keys { keys: vec![app.vault.signer().key()] })).into_response()
}

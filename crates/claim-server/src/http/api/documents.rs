//! The documents of a claim: the task list, attaching and showing files, and the claim request
//! (索赔).

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use claim_api::{ClaimRequest, DocumentView, Problem, ProblemCode, RequestReceipt, Requirements};
use claim_domain::checks::Case;
use claim_domain::documents::{File, Folder};
use claim_domain::lifecycle::Role;
use claim_photo::{Kind, sniff};

use super::reports;
use crate::failure::Result;
use crate::http::access::{Claimant, Party};
use crate::http::{body, guard};
use crate::store::submissions::Said;
use crate::store::uploads::{self, StoredFile};
use crate::store::{Db, documents, events};
use crate::vault::sha256_hex;
use crate::work::{attach, papers, request};
use crate::{App, now};

const MOST_FACTS: usize = 64 << 10;
const MOST_REQUEST: usize = 512 << 10;

/// The task list: what is needed, what is there, what is missing, what is doubtful.
#[utoipa::path(get, path = "/api/v1/claims/{no}/requirements", params(("no" = String, Path)),
    responses((status = 200, body = Requirements), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn requirements(
    Claimant { session, claim, .. }: Claimant,
    State(app): State<App>,
) -> Result<Json<Requirements>> {
    let db = &mut app.store.read().await?;
    let catalogue = papers::rules(&app, db, &claim.rules_version).await?;
    let mut folder = papers::folder(db, &claim).await?;
    if !claim.part.is_whole() {
        // Only what a report like this requires, and what they submitted themselves.
        let own = documents::own(db, &claim.id, &session.subject).await?;
        folder
            .files
            .retain(|f| own.iter().any(|(_, sha256)| *sha256 == f.sha256));
        folder = Folder {
            files: folder.files,
            ..Folder::default()
        };
    }
    let amount = events::state(db, &claim.id, claim.lob)
        .await?
        .assessment
        .map(|a| a.total_fen);
    let facts = folder.facts(&claim.notice, amount.filter(|_| claim.part.is_whole()));
    let tasks = folder.tasks(&catalogue, &facts);
    let case = Case {
        catalogue: &catalogue,
        notice: &claim.notice,
        now: now(),
    };
    Ok(Json(Requirements {
        rules_version: catalogue.rules_version.clone(),
        questions: folder
            .questions(&catalogue, &facts)
            .into_iter()
            .filter(|q| !folder.answers.contains_key(&q.fact))
            .map(|q| q.fact.clone())
            .collect(),
        missing: u16::try_from(tasks.iter().filter(|t| t.is_missing()).count()).unwrap_or(u16::MAX),
        tasks,
        // Doubts concern names and numbers on documents.
        doubts: if claim.part.is_whole() {
            case.of_folder(&folder)
        } else {
            Vec::new()
        },
    }))
}

/// Attaches a finished upload to a document of the claim; a repeat gets the same answer. The body
/// may report what the phone found (`File`).
#[utoipa::path(put, path = "/api/v1/claims/{no}/documents/{document}/{upload}", params(("no" = String, Path), ("document" = String, Path), ("upload" = String, Path)), request_body = Option<File>,
    responses((status = 200, body = DocumentView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem)))]
pub async fn attach(
    Party { session, claim }: Party,
    State(app): State<App>,
    Path((_, document, upload)): Path<(String, String, String)>,
    request: Request,
) -> Result<Json<DocumentView>> {
    // Checked before any of the body is read.
    let document = attach::document(&app, &claim, &document).await?;
    let said = body::bytes(request, MOST_FACTS).await?;
    let said: Option<File> = if said.is_empty() {
        None
    } else {
        Some(serde_json::from_slice(&said).map_err(|_| ProblemCode::MalformedJson)?)
    };
    Ok(Json(
        attach::attach(&app, &claim, &session.subject, &document, &upload, said).await?,
    ))
}

/// 索赔. Blocked only by a missing signature, a missing consent, or a document with neither file nor
/// reason.
#[utoipa::path(post, path = "/api/v1/claims/{no}/claim-request", params(("no" = String, Path), ("Idempotency-Key" = String, Header)), request_body = ClaimRequest,
    responses((status = 201, body = RequestReceipt), (status = 200, description = "the same again", body = RequestReceipt), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn claim_request(
    Claimant {
        session,
        phone,
        claim,
    }: Claimant,
    State(app): State<App>,
    request: Request,
) -> Result<Response> {
    let key = reports::key(request.headers())?;
    body::require_json(request.headers())?;
    let body = body::bytes(request, MOST_REQUEST).await?;
    let asked: ClaimRequest =
        serde_json::from_slice(&body).map_err(|_| ProblemCode::MalformedJson)?;
    claim.part.whole()?;
    let said = Said {
        key: &key,
        body_hash: &sha256_hex(&body),
        secret_hash: None,
    };
    let (receipt, replayed) = request::take(&app, &session, &phone, &claim, &said, asked).await?;
    let status = if replayed {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(receipt)).into_response())
}

/// A file of one of my claims.
#[utoipa::path(get, path = "/api/v1/claims/{no}/photos/{id}", params(("no" = String, Path), ("id" = String, Path)),
    responses((status = 200, content_type = "image/jpeg"), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn photo(
    Claimant { session, claim, .. }: Claimant,
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response> {
    let mut db = app.store.read().await?;
    // Documents proving a payee: each payee sees only their own.
    let of_payee = documents::find(&mut db, &claim.id, &id)
        .await?
        .is_some_and(|(document, _)| document.contains('.'));
    let sees_all = claim.part.is_whole() && (!of_payee || claim.part.role == Role::Owner);
    if !sees_all
        && !documents::own(&mut db, &claim.id, &session.subject)
            .await?
            .iter()
            .any(|(own, _)| *own == id)
    {
        return Err(ProblemCode::NotFound.into());
    }
    let file = file(&mut db, &claim.id, &id).await?;
    drop(db);
    shown(&app, &file).await
}

/// A file of a claim.
///
/// # Errors
/// `not-found` if the claim has no file with this id.
pub async fn file(db: &mut Db, claim_id: &str, id: &str) -> Result<StoredFile> {
    let (_, upload) = documents::find(db, claim_id, id)
        .await?
        .ok_or(ProblemCode::NotFound)?;
    uploads::file(db, &upload).await
}

/// A stored file: shown as a picture or saved as a document, never opened as a page.
pub async fn shown(app: &App, file: &StoredFile) -> Result<Response> {
    let bytes = app.uploads.open_file(file).await?;
    let (media, name) = match sniff(&bytes) {
        Kind::Pdf => ("application/pdf", "attachment; filename=\"document.pdf\""),
        _ => ("image/jpeg", "attachment; filename=\"photo.jpg\""),
    };
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_SECURITY_POLICY, guard::CSP_SANDBOX),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    Ok((headers, bytes).into_response())
}

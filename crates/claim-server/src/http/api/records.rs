//! 我的理赔档案 and 我的信息: everything stored about a person, for export; what is erased, and
//! what is locked.

use std::io::{Cursor, Write};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use claim_api::{PayeeEntry, Problem, ProblemCode};
use claim_domain::lifecycle::{Actor, Event, EventKind};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::claims::view;
use crate::audit::Who;
use crate::failure::{Failure, Result};
use crate::http::access::{Insured, SignedIn};
use crate::pages;
use crate::store::{
    claims, documents, drafts, events, folders, messages, payees, policies, sessions, staff,
    uploads,
};
use crate::vault::sha256_hex;
use crate::words;
use crate::work::{attendant, letters, log, proofs};
use crate::{App, mask, now};

/// The whole claim as a ZIP: every file as it is stored, the letters, the events, the signed
/// receipt, and a manifest with the SHA-256 of each.
#[utoipa::path(get, path = "/api/v1/claims/{no}/file", params(("no" = String, Path)),
    responses((status = 200, content_type = "application/zip"), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn whole(
    Insured {
        session,
        phone,
        claim,
    }: Insured,
    State(app): State<App>,
) -> Result<Response> {
    let name = format!("attachment; filename=\"{}.zip\"", claim.no);
    app.audit.say(
        "export",
        &Who::session(&session.hash),
        json!({ "claim": claim.no }),
    );
    // Query the database first: files are read and packed without holding a connection.
    let mut connection = app.store.read().await?;
    let db = &mut connection;
    let mut stored = Vec::new();
    for handed in documents::of_claim(db, &claim.id).await? {
        stored.push((handed.document, uploads::file(db, &handed.upload).await?));
    }
    let events = events::after(db, &claim.id, 0).await?;
    let signed = folders::request(db, &claim.id).await?;
    let receipt = proofs::signed(&app, db, &claim, None).await?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for event in &events {
        if let Some(letter) = letters::of(&app, &claim, event, words::own()) {
            files.push((
                format!(
                    "letters/{:03}-{}.html",
                    event.seq,
                    event.what.kind().as_str()
                ),
                pages::letter(&letter, words::own())
                    .into_string()
                    .into_bytes(),
            ));
        }
    }
    if let Some(signed) = signed {
        let letter = letters::form(&app, &claim, &signed, words::own());
        files.push((
            "claim-request.html".into(),
            pages::signed_form(&letter, &signed.signature, words::own())
                .into_string()
                .into_bytes(),
        ));
        files.push((
            "claim-request.json".into(),
            serde_json::to_vec_pretty(&signed).unwrap_or_default(),
        ));
    }
    files.push(("receipt.jws".into(), receipt.into_bytes()));
    let whole = view(&app, db, claim, &session, &phone).await?;
    drop(connection);
    for (number, (document, file)) in (1..).zip(&stored) {
        let bytes = app.uploads.open_file(file).await?.to_vec();
        let ending = if bytes.starts_with(b"%PDF") {
            "pdf"
        } else {
            "jpg"
        };
        files.push((format!("files/{number:02}-{document}.{ending}"), bytes));
    }
    files.push((
        "claim.json".into(),
        serde_json::to_vec_pretty(&whole).unwrap_or_default(),
    ));
    let manifest: Vec<Value> =
        files.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes.len(), "sha256": sha256_hex(bytes) })).collect();
    let manifest = json!({ "made_at": now(), "files": manifest });
    files.push((
        "manifest.json".into(),
        serde_json::to_vec_pretty(&manifest).unwrap_or_default(),
    ));
    let packed = tokio::task::spawn_blocking(move || packed(files))
        .await
        .map_err(|e| Failure::internal("archive", e))?;
    let packed = packed.map_err(|e| Failure::internal("archive", e))?;
    Ok((
        [
            (header::CONTENT_TYPE, "application/zip".to_owned()),
            (header::CONTENT_DISPOSITION, name),
        ],
        packed,
    )
        .into_response())
}

/// A payee as exported: who, with which right, and the end of the account number.
fn shown(payee: &PayeeEntry) -> Value {
    let account = mask::account(&payee.account);
    json!({ "kind": payee.kind, "holder": payee.holder, "account": account, "bank": payee.bank, "relation": payee.relation, "share": payee.share })
}

/// The claim request as it was signed: a page to print, or JSON.
#[utoipa::path(get, path = "/api/v1/claims/{no}/form", params(("no" = String, Path)),
    responses((status = 200, content_type = "text/html"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn form(Insured { claim, .. }: Insured, State(app): State<App>) -> Result<Response> {
    let signed = folders::request(&mut app.store.read().await?, &claim.id)
        .await?
        .ok_or(ProblemCode::NotFound)?;
    Ok(pages::signed_form(
        &letters::form(&app, &claim, &signed, words::own()),
        &signed.signature,
        words::own(),
    )
    .into_response())
}

/// What becomes of stored data when somebody wants it erased.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Erasure {
    /// How many drafts, messages and preferences were erased.
    pub erased: u64,
    /// Claims that must be kept by law: from now on only stored, and nobody works on them.
    pub locked: Vec<Locked>,
    /// Claims still in progress: withdraw them first.
    pub open: Vec<String>,
}

#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Locked {
    pub claim_no: String,
    /// The last day on which it is kept.
    pub until: String,
    /// The article of law that requires it.
    pub law: String,
}

/// 反洗钱法第三十四条: ten years after the business has ended; longer than 保险法第八十七条
/// requires for any of our policies.
const KEPT_YEARS: i32 = 10;
const KEPT_BY: &str = "保险法第八十七条、反洗钱法第三十四条";

/// Erases what is stored about the signed-in person, except what must be kept by law; that is
/// locked (个人信息保护法第四十七条).
#[utoipa::path(delete, path = "/api/v1/me", responses((status = 200, body = Erasure), (status = 401, body = Problem)))]
pub async fn erase(
    SignedIn { session, phone }: SignedIn,
    State(app): State<App>,
) -> Result<Json<Erasure>> {
    let mut erasure = Erasure {
        erased: 0,
        locked: Vec::new(),
        open: Vec::new(),
    };
    let mut tx = app.store.begin().await?;
    for (id, claim_no) in claims::about(&mut tx, &session.subject).await? {
        let lob = claims::by_id(&mut tx, &id).await?.lob;
        let claim = events::state(&mut tx, &id, lob).await?;
        match claim.ended_at.filter(|_| claim.stage.is_over()) {
            Some(ended) => {
                claims::lock(&mut tx, &id, now()).await?;
                let until = claim_domain::local_day(ended)
                    .plus_years(KEPT_YEARS)
                    .to_string();
                erasure.locked.push(Locked {
                    claim_no,
                    until,
                    law: KEPT_BY.into(),
                });
            }
            None => erasure.open.push(claim_no),
        }
    }
    erasure.erased = drafts::forget_all(&mut tx, &session.subject).await?
        + messages::forget_wishes(&mut tx, &phone).await?
        + sessions::forget_codes(&mut tx, &phone).await?
        + messages::forget_sent(&mut tx, &phone).await?;
    tx.commit().await?;
    Ok(Json(erasure))
}

/// Withdraws a consent: nothing more is done that relied on it (个人信息保护法第十五条). What was
/// done before stays.
#[utoipa::path(delete, path = "/api/v1/claims/{no}/consents/{id}", params(("no" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = claim_domain::lifecycle::Event), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn withdraw_consent(
    Insured { claim, .. }: Insured,
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Event>> {
    let signed = folders::request(&mut app.store.read().await?, &claim.id).await?;
    let given = claim
        .notice
        .consents
        .iter()
        .chain(signed.iter().flat_map(|s| &s.consents))
        .any(|c| c.id == id);
    if !given {
        return Err(ProblemCode::NotFound.into());
    }
    let mut tx = app.store.begin().await?;
    let what = EventKind::ConsentWithdrawn {
        consent: id.clone(),
    };
    let event = log::append(
        &app,
        &mut tx,
        (&claim.id, claim.lob),
        &Actor::Customer,
        what,
        now(),
    )
    .await?;
    match id.as_str() {
        // The location: the typed text stays, the coordinates go.
        "location" => {
            let mut notice = claim.notice.clone();
            notice.place.point = None;
            claims::keep_notice(&mut tx, &claim.id, &notice).await?;
        }
        "photo-place" => documents::forget_places(&mut tx, &claim.id).await?,
        _ => {}
    }
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok(Json(event))
}

/// Builds the ZIP. Pictures do not compress further, so files are stored as they are.
fn packed(files: Vec<(String, Vec<u8>)>) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(
            name,
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored),
        )?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Everything stored about the signed-in person (个人信息保护法第四十五条).
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, content_type = "application/json"), (status = 401, body = Problem)))]
pub async fn me(
    SignedIn { session, phone }: SignedIn,
    State(app): State<App>,
) -> Result<Json<Value>> {
    app.audit.say(
        "export",
        &Who::session(&session.hash),
        json!({ "list": "everything of one person" }),
    );
    let db = &mut app.store.read().await?;
    let mut mine = Vec::new();
    for claim in claims::of_subject(db, &session.subject, now(), i64::MAX)
        .await?
        .into_iter()
        .rev()
    {
        let (id, whole) = (claim.id.clone(), claim.part.is_whole());
        let looks = if whole {
            staff::looks(db, &id).await?
        } else {
            Vec::new()
        };
        let payees = if whole {
            payees::whole(db, &id).await?
        } else {
            Vec::new()
        };
        let signed = if whole {
            folders::request(db, &id).await?
        } else {
            None
        };
        let view = view(&app, db, claim, &session, &phone).await?;
        mine.push(json!({
            "claim": view,
            "looked_at": looks.iter().map(|(document, by, at)| json!({ "document": document, "by": by, "at": at })).collect::<Vec<_>>(),
            "payees": payees.iter().map(shown).collect::<Vec<_>>(),
            "signed": signed.map(|s| json!({ "form": s.form, "signature": s.signature, "consents": s.consents, "at": s.at })),
        }));
    }
    let messages = messages::of_subject(db, &session.subject, &phone).await?;
    let messages: Vec<Value> = messages
        .into_iter()
        .map(|(kind, text, at)| json!({ "kind": kind, "text": text, "at": at }))
        .collect();
    let drafts = drafts::of_subject(db, &session.subject).await?;
    let drafts: Vec<Value> = drafts
        .into_iter()
        .map(|(id, draft)| json!({ "id": id, "draft": draft }))
        .collect();
    let policies = policies::of_phone(db, &phone, now()).await?;
    let policies: Vec<Value> = policies
        .into_iter()
        .map(|(_, policy, in_force)| json!({ "policy": policy, "in_force": in_force }))
        .collect();
    Ok(Json(
        json!({ "phone": phone, "policies": policies, "claims": mine, "messages": messages, "drafts": drafts, "made_at": now() }),
    ))
}

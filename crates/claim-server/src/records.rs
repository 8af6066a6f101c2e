//! 我的理赔档案 and 我的信息: everything that is kept about a person, to take along.

use std::io::{Cursor, Write};

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{PayeeEntry, Problem, ProblemCode};
use claim_domain::lifecycle::{Actor, What};
use serde_json::{Value, json};
use sqlx::Row;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::audit::Who;
use crate::claims::{Stored, mine, place_of_notice, signed_in, view};
use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::vault::sha256_hex;
use crate::{App, attendant, documents, drafts, letters, messages, now, pages, payees, people, policies, proofs, store};

/// The whole claim as a ZIP: every file as it is stored, the letters, the events, the signed receipt, and a manifest with
/// the SHA-256 of each.
#[utoipa::path(get, path = "/api/v1/claims/{no}/file", params(("no" = String, Path)),
    responses((status = 200, content_type = "application/zip"), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn whole(State(app): State<App>, session: Option<Extension<Session>>, Path(no): Path<String>) -> Result<Response> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    claim.part.whole()?;
    let name = format!("attachment; filename=\"{}.zip\"", claim.no);
    app.audit.say("export", &Who::session(&session.hash), json!({ "claim": claim.no }));
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (number, row) in documents::rows(&app.store.read, &claim.id).await?.iter().enumerate() {
        let (id, slot): (String, String) = (row.try_get("id")?, row.try_get("slot")?);
        let bytes = documents::bytes_of(&app, &claim.id, &id).await?.to_vec();
        let ending = if bytes.starts_with(b"%PDF") { "pdf" } else { "jpg" };
        files.push((format!("files/{:02}-{slot}.{ending}", number + 1), bytes));
    }
    let events = store::log(&app, &claim.id, 0).await?;
    for event in &events {
        if let Some(letter) = letters::of(&app, &claim, event) {
            files.push((
                format!("letters/{:03}-{}.html", event.seq, event.what.kind().as_str()),
                pages::letter(&letter).into_string().into_bytes(),
            ));
        }
    }
    if let Some(signed) = documents::request(&app, &claim.id).await? {
        let letter = letters::form(&app, &claim, &signed);
        files.push(("claim-request.html".into(), pages::signed_form(&letter, &signed.signature).into_string().into_bytes()));
        files.push(("claim-request.json".into(), serde_json::to_vec_pretty(&signed).unwrap_or_default()));
    }
    files.push(("receipt.jws".into(), proofs::signed(&app, &claim, None).await?.into_bytes()));
    let whole = view(&app, claim, &session).await?;
    files.push(("claim.json".into(), serde_json::to_vec_pretty(&whole).unwrap_or_default()));
    let manifest: Vec<Value> =
        files.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes.len(), "sha256": sha256_hex(bytes) })).collect();
    let manifest = json!({ "made_at": now(), "files": manifest });
    files.push(("manifest.json".into(), serde_json::to_vec_pretty(&manifest).unwrap_or_default()));
    let packed = tokio::task::spawn_blocking(move || packed(files)).await.map_err(|e| Failure::internal("archive", e))?;
    let packed = packed.map_err(|e| Failure::internal("archive", e))?;
    Ok(([(header::CONTENT_TYPE, "application/zip".to_owned()), (header::CONTENT_DISPOSITION, name)], packed).into_response())
}

/// A payee in what is given out: who, in which right, and the end of the account.
fn shown(payee: &PayeeEntry) -> Value {
    let tail: String = payee.account.chars().skip(payee.account.chars().count().saturating_sub(4)).collect();
    json!({ "kind": payee.kind, "holder": payee.holder, "account": format!("**** {tail}"), "bank": payee.bank, "relation": payee.relation, "share": payee.share })
}

/// The claim request as it was signed: a page to print, or JSON.
#[utoipa::path(get, path = "/api/v1/claims/{no}/form", params(("no" = String, Path)),
    responses((status = 200, content_type = "text/html"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn form(State(app): State<App>, session: Option<Extension<Session>>, Path(no): Path<String>) -> Result<Response> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    claim.part.whole()?;
    let signed = documents::request(&app, &claim.id).await?.ok_or(ProblemCode::NotFound)?;
    Ok(pages::signed_form(&letters::form(&app, &claim, &signed), &signed.signature).into_response())
}

/// What becomes of what is stored, when somebody wants it erased.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Erasure {
    /// How many drafts, messages and wishes are gone.
    pub erased: u64,
    /// Claims that the law orders to keep: they are only stored from now on, and nobody works with them.
    pub locked: Vec<Locked>,
    /// Claims that go on: withdraw them first.
    pub open: Vec<String>,
}

#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Locked {
    pub claim_no: String,
    /// The last day on which it is kept.
    pub until: String,
    /// The article that orders it.
    pub law: String,
}

/// 反洗钱法第三十四条: ten years after the business has ended; longer than 保险法第八十七条 wants for any policy of ours.
const KEPT_YEARS: i32 = 10;
const KEPT_BY: &str = "保险法第八十七条、反洗钱法第三十四条";

/// Erases what is stored on the signed-in person as far as no law orders to keep it; that is locked (个人信息保护法第四十七条).
#[utoipa::path(delete, path = "/api/v1/me", responses((status = 200, body = Erasure), (status = 401, body = Problem)))]
pub async fn erase(State(app): State<App>, session: Option<Extension<Session>>) -> Result<Json<Erasure>> {
    let session = signed_in(session)?;
    let phone = session.signed_in()?.to_owned();
    let (index, at) = (app.vault.index("phone", &phone), now());
    let mut erasure = Erasure { erased: 0, locked: Vec::new(), open: Vec::new() };
    let mut tx = app.store.begin().await?;
    let mine: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.id, c.no FROM claim c JOIN party p ON p.claim_id = c.id WHERE p.subject_id = ? AND p.role IN ('owner', 'beneficiary', 'reporter') ORDER BY c.no",
    )
    .bind(&session.subject)
    .fetch_all(&mut *tx)
    .await?;
    for (id, claim_no) in mine {
        let stored = attendant::stored_in(&app, &mut tx, &id).await?;
        let claim = store::state(&app, &mut tx, &id, stored.lob).await?;
        match claim.ended_at.filter(|_| claim.stage.is_over()) {
            Some(ended) => {
                sqlx::query("UPDATE claim SET locked_at = coalesce(locked_at, ?) WHERE id = ?")
                    .bind(at.0)
                    .bind(&id)
                    .execute(&mut *tx)
                    .await?;
                let until = claim_domain::local_day(ended).plus_years(KEPT_YEARS).to_string();
                erasure.locked.push(Locked { claim_no, until, law: KEPT_BY.into() });
            }
            None => erasure.open.push(claim_no),
        }
    }
    for (sql, key) in [
        ("DELETE FROM draft WHERE subject_id = ?", &session.subject),
        ("DELETE FROM preference WHERE phone_index = ?", &index),
        ("DELETE FROM otp WHERE phone_index = ?", &index),
        ("DELETE FROM message WHERE phone_index = ? AND state <> 'queued'", &index),
    ] {
        erasure.erased += sqlx::query(sql).bind(key).execute(&mut *tx).await?.rows_affected();
    }
    tx.commit().await?;
    Ok(Json(erasure))
}

/// Takes a consent back: nothing more is done that rested on it (个人信息保护法第十五条). What was done before stays.
#[utoipa::path(delete, path = "/api/v1/claims/{no}/consents/{id}", params(("no" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = claim_domain::lifecycle::Event), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn withdraw_consent(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path((no, id)): Path<(String, String)>,
) -> Result<Json<claim_domain::lifecycle::Event>> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    claim.part.whole()?;
    let signed = documents::request(&app, &claim.id).await?;
    let given = claim.notice.consents.iter().chain(signed.iter().flat_map(|s| &s.consents)).any(|c| c.id == id);
    if !given {
        return Err(ProblemCode::NotFound.into());
    }
    let mut tx = app.store.begin().await?;
    let what = What::ConsentWithdrawn { consent: id.clone() };
    let event = store::append(&app, &mut tx, &claim.id, claim.lob, &Actor::Customer, what, now()).await?;
    match id.as_str() {
        // Where it was: the text that was typed stays, the point goes.
        "location" => {
            let mut notice = claim.notice.clone();
            notice.place.point = None;
            sqlx::query("UPDATE claim SET notice_sealed = ? WHERE id = ?")
                .bind(store::key(&app, &mut tx, &claim.id).await?.seal(&place_of_notice(&claim.id), &store::json(&notice)))
                .bind(&claim.id)
                .execute(&mut *tx)
                .await?;
        }
        "photo-place" => documents::forget_places(&app, &mut tx, &claim.id).await?,
        _ => {}
    }
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok(Json(event))
}

/// Pictures do not get smaller: stored as they are.
fn packed(files: Vec<(String, Vec<u8>)>) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored))?;
        archive.write_all(&bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Everything that is stored on the signed-in person (个人信息保护法第四十五条).
#[utoipa::path(get, path = "/api/v1/me", responses((status = 200, content_type = "application/json"), (status = 401, body = Problem)))]
pub async fn me(State(app): State<App>, session: Option<Extension<Session>>) -> Result<Json<Value>> {
    let session = signed_in(session)?;
    let phone = session.signed_in()?.to_owned();
    app.audit.say("export", &Who::session(&session.hash), json!({ "list": "everything of one person" }));
    let db = &app.store.read;
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {} FROM claim c JOIN party p ON p.claim_id = c.id WHERE p.subject_id = ? ORDER BY c.reported_at",
        Stored::COLUMNS
    )))
    .bind(&session.subject)
    .fetch_all(db)
    .await?;
    let mut claims = Vec::new();
    for row in &rows {
        let stored = Stored::of(&app, row)?;
        let Ok(part) = people::part(&app, &stored.id, &session.subject, now()).await else { continue };
        let stored = Stored { part, ..stored };
        let looks: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT document_id, staff, at FROM look WHERE claim_id = ? ORDER BY id").bind(&stored.id).fetch_all(db).await?;
        let looks: Vec<Value> =
            looks.into_iter().map(|(document, by, at)| json!({ "document": document, "by": by, "at": claim_domain::Moment(at) })).collect();
        let whole = stored.part.is_whole();
        let payees = if whole { payees::whole(&app, &stored.id).await? } else { Vec::new() };
        let signed = documents::request(&app, &stored.id).await?.filter(|_| whole);
        let view = view(&app, stored, &session).await?;
        claims.push(json!({
            "claim": view, "looked_at": if whole { looks } else { Vec::new() },
            "payees": payees.iter().map(shown).collect::<Vec<_>>(),
            "signed": signed.map(|s| json!({ "form": s.form, "signature": s.signature, "consents": s.consents, "at": s.at })),
        }));
    }
    let index = app.vault.index("phone", &phone);
    let messages: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT m.text_sealed, m.created_at, m.kind FROM message m JOIN party p ON p.claim_id = m.claim_id WHERE p.subject_id = ? AND m.phone_index = ? ORDER BY m.id")
            .bind(&session.subject)
            .bind(&index)
            .fetch_all(db)
            .await?;
    let messages: Vec<Value> = messages
        .into_iter()
        .map(|(text, at, kind)| json!({ "kind": kind, "text": app.vault.open_text(&messages::place("text", &index), &text), "at": claim_domain::Moment(at) }))
        .collect();
    let drafts: Vec<(String, String)> =
        sqlx::query_as("SELECT id, sealed FROM draft WHERE subject_id = ?").bind(&session.subject).fetch_all(db).await?;
    let drafts: Vec<Value> = drafts
        .into_iter()
        .map(|(id, sealed)| {
            let text = app.vault.open_text(&drafts::place(&session.subject, &id), &sealed).unwrap_or_default();
            json!({ "id": id, "draft": serde_json::from_str::<Value>(&text).unwrap_or_default() })
        })
        .collect();
    let policies: Vec<Value> = policies::of_phone(&app, &phone, now())
        .await?
        .into_iter()
        .map(|(_, policy, in_force)| json!({ "policy": policy, "in_force": in_force }))
        .collect();
    Ok(Json(json!({ "phone": phone, "policies": policies, "claims": claims, "messages": messages, "drafts": drafts, "made_at": now() })))
}

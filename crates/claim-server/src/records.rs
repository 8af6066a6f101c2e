//! 我的理赔档案 and 我的信息: everything that is kept about a person, to take along.

use std::io::{Cursor, Write};

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{Problem, ProblemCode};
use serde_json::{Value, json};
use sqlx::Row;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::claims::{Sees, Stored, mine, signed_in, view};
use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::vault::sha256_hex;
use crate::{App, documents, letters, now, pages, proofs, store};

/// The whole claim as a ZIP: every file as it is stored, the letters, the events, the signed receipt, and a manifest with
/// the SHA-256 of each.
#[utoipa::path(get, path = "/api/v1/claims/{no}/file", params(("no" = String, Path)),
    responses((status = 200, content_type = "application/zip"), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn whole(State(app): State<App>, session: Option<Extension<Session>>, Path(no): Path<String>) -> Result<Response> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    if claim.sees == Sees::Stages {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let name = format!("attachment; filename=\"{}.zip\"", claim.no);
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (number, row) in documents::rows(&app.store.read, &claim.id).await?.iter().enumerate() {
        let (id, slot): (String, String) = (row.try_get("id")?, row.try_get("slot")?);
        let bytes = documents::bytes_of(&app, &claim.id, &id).await?.to_vec();
        let ending = if bytes.starts_with(b"%PDF") { "pdf" } else { "jpg" };
        files.push((format!("files/{:02}-{slot}.{ending}", number + 1), bytes));
    }
    let events = store::events(&app.vault, &app.store.read, &claim.id, 0).await?;
    for event in &events {
        if let Some(letter) = letters::of(&app, &claim, event) {
            files.push((
                format!("letters/{:03}-{}.html", event.seq, event.what.kind().as_str()),
                pages::letter(&letter).into_string().into_bytes(),
            ));
        }
    }
    files.push(("receipt.jws".into(), proofs::signed(&app, &claim).await?.into_bytes()));
    let whole = view(&app, claim, &session.subject).await?;
    files.push(("claim.json".into(), serde_json::to_vec_pretty(&whole).unwrap_or_default()));
    let manifest: Vec<Value> =
        files.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes.len(), "sha256": sha256_hex(bytes) })).collect();
    let manifest = json!({ "made_at": now(), "files": manifest });
    files.push(("manifest.json".into(), serde_json::to_vec_pretty(&manifest).unwrap_or_default()));
    let packed = tokio::task::spawn_blocking(move || packed(files)).await.map_err(|e| Failure::internal("archive", e))?;
    let packed = packed.map_err(|e| Failure::internal("archive", e))?;
    Ok(([(header::CONTENT_TYPE, "application/zip".to_owned()), (header::CONTENT_DISPOSITION, name)], packed).into_response())
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
    let db = &app.store.read;
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {}, p.sees FROM claim c JOIN party p ON p.claim_id = c.id WHERE p.subject_id = ? ORDER BY c.reported_at",
        Stored::COLUMNS
    )))
    .bind(&session.subject)
    .fetch_all(db)
    .await?;
    let mut claims = Vec::new();
    for row in &rows {
        let stored = Stored::of(&app, row)?;
        let looks: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT document_id, staff, at FROM look WHERE claim_id = ? ORDER BY id").bind(&stored.id).fetch_all(db).await?;
        let looks: Vec<Value> =
            looks.into_iter().map(|(document, by, at)| json!({ "document": document, "by": by, "at": claim_domain::Moment(at) })).collect();
        let limited = stored.sees == Sees::Stages;
        let view = view(&app, stored, &session.subject).await?;
        claims.push(json!({ "claim": view, "looked_at": if limited { Vec::new() } else { looks } }));
    }
    let open = |sealed: String| app.vault.open_text(&sealed).unwrap_or_default();
    // Numbers are random in each sealing: which messages went to this phone is found by opening them.
    let messages: Vec<(String, String, i64, String)> =
        sqlx::query_as("SELECT m.phone_sealed, m.text_sealed, m.created_at, m.kind FROM message m JOIN party p ON p.claim_id = m.claim_id WHERE p.subject_id = ? ORDER BY m.id")
            .bind(&session.subject)
            .fetch_all(db)
            .await?;
    let messages: Vec<Value> = messages
        .into_iter()
        .filter(|(to, ..)| app.vault.open_text(to).as_deref() == Some(&phone))
        .map(|(_, text, at, kind)| json!({ "kind": kind, "text": open(text), "at": claim_domain::Moment(at) }))
        .collect();
    let drafts: Vec<(String, String)> =
        sqlx::query_as("SELECT id, sealed FROM draft WHERE subject_id = ?").bind(&session.subject).fetch_all(db).await?;
    let drafts: Vec<Value> = drafts
        .into_iter()
        .map(|(id, sealed)| json!({ "id": id, "draft": serde_json::from_str::<Value>(&open(sealed)).unwrap_or_default() }))
        .collect();
    let policies: Vec<(String, String, Option<String>, String, i64, i64)> =
        sqlx::query_as("SELECT no, lob, plate, insured_sealed, starts_at, ends_at FROM policy WHERE phone_index = ?")
            .bind(app.vault.index("phone", &phone))
            .fetch_all(db)
            .await?;
    let policies: Vec<Value> = policies
        .into_iter()
        .map(|(no, lob, plate, insured, from, to)| {
            json!({ "no": no, "lob": lob, "plate": plate, "insured": open(insured), "from": claim_domain::Moment(from), "to": claim_domain::Moment(to) })
        })
        .collect();
    Ok(Json(json!({ "phone": phone, "policies": policies, "claims": claims, "messages": messages, "drafts": drafts, "made_at": now() })))
}

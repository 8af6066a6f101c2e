//! The documents of a claim: taken in, measured and judged by the code that the phone used, and the claim request
//! (索赔) that says: this is everything.
//!
//! Promise: a file is judged when it arrives, by the rules that its claim began with; the verdict is stored with rule
//! and version. Where phone and server differ, a defect is logged, without a word about the person.

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{ClaimRequest, DocumentView, Problem, ProblemCode, RequestReceipt, Requirements};
use claim_domain::catalog::{Document, Field};
use claim_domain::checks::{Case, Doubt, Severity};
pub use claim_domain::documents::Folder;
use claim_domain::documents::{File, FormLine, Format, PHOTO_PLACE, Signature, Task, claim_form, form_sha256};
use claim_domain::lifecycle::{Actor, Excuse, Role, What};
use claim_domain::notice::Agreed;
use claim_domain::payees::PayeeKind;
use claim_domain::{Catalogue, Code, FieldError, Moment, due_after_days, local_day};
use claim_photo::{Kind, Limits, PhotoError, inspect, measure, pdf, sniff};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection};
use tokio::io::AsyncWriteExt;

use crate::claims::{Stored, mine, signed_in};
use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::store::append;
use crate::vault::{DataKey, is_sha256, sha256_hex};
use crate::{App, attendant, guard, notices, now, payees, policies, signals, store, uploads};

const MOST_FACTS: usize = 64 << 10;
const MOST_REQUEST: usize = 512 << 10;

/// Catalogues of former versions, read once.
#[derive(Default)]
pub struct Rules(Mutex<HashMap<String, Arc<Catalogue>>>);

/// Remembers the rules of this start for the claims that begin with them.
pub async fn keep_rules(app: &App) -> Result<()> {
    let mut tx = app.store.begin().await?;
    sqlx::query("INSERT OR IGNORE INTO rules (version, json) VALUES (?, ?)")
        .bind(&app.catalogue.rules_version)
        .bind(&app.catalogue_json)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// The rules that a claim began with; the newest where they can no longer be read.
pub async fn rules(app: &App, version: &str) -> Result<Arc<Catalogue>> {
    let known = || app.rules.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(found) = known().get(version) {
        return Ok(found.clone());
    }
    let json: Option<String> =
        sqlx::query_scalar("SELECT json FROM rules WHERE version = ?").bind(version).fetch_optional(&app.store.read).await?;
    let found = match json.as_deref().map(Catalogue::load_earlier) {
        Some(Ok(catalogue)) => Arc::new(catalogue),
        other => {
            tracing::error!(version, error = other.and_then(std::result::Result::err), "the rules of a claim cannot be read");
            Arc::new(Catalogue::load(&app.catalogue_json).map_err(|e| Failure::internal("catalogue", e))?)
        }
    };
    known().insert(version.to_owned(), found.clone());
    Ok(found)
}

/// The rules of a former version, compiled for the app of this build.
#[utoipa::path(get, path = "/api/v1/rules/{version}", params(("version" = String, Path)), responses((status = 200, content_type = "application/octet-stream"), (status = 404, body = Problem)))]
pub async fn compiled_rules(State(app): State<App>, Path(version): Path<String>) -> Result<Response> {
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM rules WHERE version = ?").bind(&version).fetch_one(&app.store.read).await?;
    if known == 0 {
        return Err(ProblemCode::NotFound.into());
    }
    let bytes = rules(&app, &version).await?.compiled();
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

pub fn place(column: &str, claim_id: &str) -> String {
    format!("folder.{column}/{claim_id}")
}

pub fn place_of_facts(document_id: &str) -> String {
    format!("document.facts/{document_id}")
}

/// Everything that was handed in for a claim.
pub async fn folder(app: &App, claim: &Stored) -> Result<Folder> {
    folder_in(app, &mut *app.store.read.acquire().await?, claim).await
}

/// The same within a transaction.
pub async fn folder_in(app: &App, db: &mut SqliteConnection, claim: &Stored) -> Result<Folder> {
    let key = store::key(app, &mut *db, &claim.id).await?;
    let sealed: Option<String> =
        sqlx::query_scalar("SELECT sealed FROM folder WHERE claim_id = ?").bind(&claim.id).fetch_optional(&mut *db).await?;
    let mut folder: Folder = match sealed {
        None => Folder::default(),
        Some(sealed) => {
            let text =
                key.open(&place("sealed", &claim.id), &sealed).ok_or_else(|| Failure::internal("folder", "sealed with another key"))?;
            serde_json::from_str(&text).map_err(|e| Failure::internal("folder", e))?
        }
    };
    folder.files = rows(&mut *db, &claim.id).await?.iter().map(|row| file_of(&key, row)).collect::<Result<_>>()?;
    let state = store::state(app, &mut *db, &claim.id, claim.lob).await?;
    for file in &mut folder.files {
        file.returned = state.returned.iter().any(|(document, sha256)| *document == file.document && *sha256 == file.sha256);
    }
    if state.objected {
        folder.answers.insert("objection".into(), true);
    }
    folder.asked = state.asked;
    folder.unavailable.extend(state.excused);
    let policy = policies::of_claim(app, &mut *db, &claim.id).await?;
    if let Some(policy) = &policy {
        let known = policy.facts(local_day(claim.notice.loss_at)).into_iter();
        folder.known = known.map(|(fact, is)| (fact.to_owned(), is)).collect();
        folder.on_file.clone_from(&policy.on_file);
    }
    folder.known.extend(state.established.iter().map(|(matter, holds)| (matter.as_str().to_owned(), *holds)));
    if !state.payees.is_empty() {
        let own = state.payees.iter().all(|p| p.kind == PayeeKind::Insured);
        folder.known.insert("payee_is_insured".into(), own);
        folder.payees = state.payees.iter().map(|p| (p.no, p.kind)).collect();
    }
    Ok(folder)
}

/// Keeps what was answered, typed and explained.
pub async fn keep(app: &App, tx: &mut SqliteConnection, claim: &Stored, folder: Folder) -> Result<()> {
    let kept = Folder {
        files: Vec::new(),
        asked: BTreeMap::new(),
        on_file: Vec::new(),
        known: BTreeMap::new(),
        payees: BTreeMap::new(),
        ..folder
    };
    keep_of(app, tx, &claim.id, &kept).await
}

pub async fn keep_of(app: &App, tx: &mut SqliteConnection, claim_id: &str, kept: &Folder) -> Result<()> {
    sqlx::query("INSERT INTO folder (claim_id, sealed) VALUES (?, ?) ON CONFLICT (claim_id) DO UPDATE SET sealed = excluded.sealed")
        .bind(claim_id)
        .bind(store::key(app, &mut *tx, claim_id).await?.seal(&place("sealed", claim_id), &store::json(kept)))
        .execute(tx)
        .await?;
    Ok(())
}

/// The documents of a claim, in the order they came.
pub async fn rows(db: impl sqlx::Executor<'_, Database = Sqlite>, claim_id: &str) -> Result<Vec<SqliteRow>> {
    let query = "SELECT id, slot, upload_id, bytes, sha256, received_at, facts, doubts FROM document WHERE claim_id = ? ORDER BY rowid";
    Ok(sqlx::query(query).bind(claim_id).fetch_all(db).await?)
}

/// What was found on it, sealed: reasons, codes and places are the person's.
pub fn file_of(key: &DataKey, row: &SqliteRow) -> Result<File> {
    let id: &str = row.try_get("id")?;
    let (sha256, facts): (String, Option<String>) = (row.try_get("sha256")?, row.try_get("facts")?);
    let bytes: i64 = row.try_get("bytes")?;
    match facts {
        Some(facts) => {
            let facts = key.open(&place_of_facts(id), &facts).unwrap_or_default();
            serde_json::from_str(&facts).map_err(|e| Failure::internal("document", e))
        }
        // Handed in before files were judged.
        None => Ok(File {
            id: sha256[..16].to_owned(),
            document: row.try_get("slot")?,
            format: Format::Jpeg,
            bytes: bytes.unsigned_abs(),
            original_sha256: sha256.clone(),
            sha256,
            taken_at: None,
            place: None,
            look: None,
            pdf: None,
            kept_because: None,
            salvaged: false,
            returned: false,
        }),
    }
}

/// Where photos were taken is forgotten.
pub async fn forget_places(app: &App, tx: &mut SqliteConnection, claim_id: &str) -> Result<()> {
    let key = store::key(app, &mut *tx, claim_id).await?;
    for row in rows(&mut *tx, claim_id).await? {
        let (id, file): (String, File) = (row.try_get("id")?, file_of(&key, &row)?);
        if file.place.is_some() {
            let file = File { place: None, ..file };
            sqlx::query("UPDATE document SET facts = ? WHERE id = ?")
                .bind(key.seal(&place_of_facts(&id), &store::json(&file)))
                .bind(id)
                .execute(&mut *tx)
                .await?;
        }
    }
    Ok(())
}

/// What somebody who may only follow the stages has handed in himself: ids and hashes.
pub async fn own(app: &App, claim: &Stored, subject: &str) -> Result<Vec<(String, String)>> {
    Ok(sqlx::query_as(
        "SELECT d.id, d.sha256 FROM document d JOIN upload u ON u.id = d.upload_id WHERE d.claim_id = ? AND u.subject_id = ?",
    )
    .bind(&claim.id)
    .bind(subject)
    .fetch_all(&app.store.read)
    .await?)
}

pub async fn views(app: &App, claim_id: &str) -> Result<Vec<DocumentView>> {
    let mut db = app.store.read.acquire().await?;
    let key = store::key(app, &mut db, claim_id).await?;
    rows(&mut *db, claim_id).await?.iter().map(|row| view_of(&key, row)).collect()
}

fn view_of(key: &DataKey, row: &SqliteRow) -> Result<DocumentView> {
    let File { format, place, .. } = file_of(key, row)?;
    let (bytes, doubts): (i64, String) = (row.try_get("bytes")?, row.try_get("doubts")?);
    Ok(DocumentView {
        id: row.try_get("id")?,
        document: row.try_get("slot")?,
        format,
        bytes: bytes.unsigned_abs(),
        sha256: row.try_get("sha256")?,
        received_at: Moment(row.try_get("received_at")?),
        place,
        doubts: serde_json::from_str(&doubts).map_err(|e| Failure::internal("verdict", e))?,
    })
}

/// The name of whoever signs: the reporter's where he is it, else that in the policy by the phone. Empty where only staff
/// know it, who proved the right to sign.
pub async fn signer(app: &App, claim: &Stored, phone: &str) -> Result<String> {
    let reporter = &claim.notice.reporter;
    if reporter.phone == phone {
        return Ok(reporter.name.clone());
    }
    let policy = policies::of_claim(app, &mut *app.store.read.acquire().await?, &claim.id).await?;
    let named = policy.iter().flat_map(|p| p.beneficiaries.iter().map(|b| &b.party));
    let people = policy.iter().flat_map(|p| std::iter::once(&p.holder).chain(&p.insured)).chain(named);
    Ok(people.into_iter().find(|p| p.phone == phone).map(|p| p.name.clone()).unwrap_or_default())
}

/// What was signed: kept as it was shown (电子签名法第五条).
#[derive(Serialize, Deserialize)]
pub struct Signed {
    pub form: Vec<FormLine>,
    pub signature: Signature,
    pub consents: Vec<Agreed>,
    pub at: Moment,
}

pub async fn request(app: &App, claim_id: &str) -> Result<Option<Signed>> {
    let sealed: Option<Option<String>> =
        sqlx::query_scalar("SELECT request_sealed FROM folder WHERE claim_id = ?").bind(claim_id).fetch_optional(&app.store.read).await?;
    let Some(sealed) = sealed.flatten() else { return Ok(None) };
    let key = store::key(app, &mut *app.store.read.acquire().await?, claim_id).await?;
    let text = key.open(&place("request", claim_id), &sealed).ok_or_else(|| Failure::internal("request", "sealed with another key"))?;
    serde_json::from_str(&text).map(Some).map_err(|e| Failure::internal("request", e))
}

/// What the loss comes to, by the newest assessment.
pub async fn amount(app: &App, claim: &Stored) -> Result<Option<i64>> {
    Ok(store::state_now(app, claim).await?.assessment.map(|a| a.total_fen))
}

/// Account numbers leave the server only by their last four digits.
pub fn masked(mut folder: Folder) -> Folder {
    for fields in folder.typed.values_mut() {
        if let Some(card) = fields.get_mut(&Field::Card) {
            let tail: String = card.chars().skip(card.chars().count().saturating_sub(4)).collect();
            *card = format!("**** {tail}");
        }
    }
    folder
}

/// The task list: what is needed, what is there, what is missing, what is doubtful.
#[utoipa::path(get, path = "/api/v1/claims/{no}/requirements", params(("no" = String, Path)),
    responses((status = 200, body = Requirements), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn requirements(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(no): Path<String>,
) -> Result<Json<Requirements>> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    let catalogue = rules(&app, &claim.rules_version).await?;
    let mut folder = folder(&app, &claim).await?;
    if !claim.part.is_whole() {
        // What a report like this takes, and what he has handed in himself.
        let own = own(&app, &claim, &session.subject).await?;
        folder.files.retain(|f| own.iter().any(|(_, sha256)| *sha256 == f.sha256));
        folder = Folder { files: folder.files, ..Folder::default() };
    }
    let facts = folder.facts(&claim.notice, amount(&app, &claim).await?.filter(|_| claim.part.is_whole()));
    let tasks = folder.tasks(&catalogue, &facts);
    let case = Case { catalogue: &catalogue, notice: &claim.notice, now: now() };
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
        // Of names and numbers on papers.
        doubts: if claim.part.is_whole() { case.of_folder(&folder) } else { Vec::new() },
    }))
}

/// Measures what arrived; the phone's word counts only for what the server cannot see.
fn measured(document: &Document, bytes: &[u8], sha256: &str, said: Option<&File>, codes: bool) -> std::result::Result<File, Code> {
    let mut file = File {
        id: sha256[..16].to_owned(),
        document: document.id.clone(),
        format: Format::Jpeg,
        bytes: bytes.len() as u64,
        sha256: sha256.to_owned(),
        original_sha256: said.map_or(sha256, |s| &s.original_sha256).to_owned(),
        taken_at: said.and_then(|s| s.taken_at),
        place: said.and_then(|s| s.place),
        look: None,
        pdf: None,
        kept_because: said.and_then(|s| s.kept_because.clone()).map(|r| r.chars().take(200).collect()),
        salvaged: said.is_some_and(|s| s.salvaged),
        returned: false,
    };
    if sniff(bytes) == Kind::Pdf {
        file.format = Format::Pdf;
        file.pdf = Some(pdf::inspect(bytes).map_err(PhotoError::code)?);
    } else {
        inspect(bytes, &Limits::default()).map_err(PhotoError::code)?;
        file.look = Some(measure(bytes, codes).map_err(PhotoError::code)?);
    }
    Ok(file)
}

fn codes(doubts: &[Doubt]) -> Vec<&'static str> {
    doubts.iter().map(|d| d.finding.code.as_str()).collect()
}

/// Attaches a finished upload to a document of the claim; the same again is the same answer. The body may say what the
/// phone found (`File`).
#[utoipa::path(put, path = "/api/v1/claims/{no}/documents/{document}/{upload}", params(("no" = String, Path), ("document" = String, Path), ("upload" = String, Path)), request_body = Option<File>,
    responses((status = 200, body = DocumentView), (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem), (status = 422, body = Problem)))]
pub async fn attach(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Path((no, document, upload)): Path<(String, String, String)>,
    request: Request,
) -> Result<Json<DocumentView>> {
    // No login: whoever reported may add his photos.
    let claim = mine(&app, &session.subject, &no).await?;
    let catalogue = rules(&app, &claim.rules_version).await?;
    let known = catalogue.instance(&document).filter(|d| d.max > 0).ok_or(ProblemCode::NotFound)?;
    let said = guard::body(request, MOST_FACTS).await?;
    let said: Option<File> =
        if said.is_empty() { None } else { Some(serde_json::from_slice(&said).map_err(|_| ProblemCode::MalformedJson)?) };
    if said.as_ref().is_some_and(|s| !is_sha256(&s.original_sha256)) {
        return Err(ProblemCode::MalformedJson.into());
    }
    // Held to the end: nobody removes or writes the file meanwhile.
    let turn = app.uploads.turn(&upload).await?;
    // Reading, hashing and decoding take memory.
    let place = app.decoding.enter().await?;
    let (bytes, sha256) = uploads::finished(&app, &turn, &session.subject, &upload).await?;
    // The same again is the same answer, and costs no second look at the picture.
    let known_already: i64 = sqlx::query_scalar("SELECT count(*) FROM document WHERE claim_id = ? AND slot = ? AND sha256 = ?")
        .bind(&claim.id)
        .bind(&document)
        .bind(&sha256)
        .fetch_one(&app.store.read)
        .await?;
    if known_already > 0
        && let Some(known) = again(&app, &claim, &document, &sha256).await?
    {
        return Ok(Json(known));
    }
    scanned(&app, &bytes).await?;
    let attempt = async |codes: bool| {
        let (known, sha256, said, bytes) = (known.clone(), sha256.clone(), said.clone(), bytes.clone());
        tokio::task::spawn_blocking(move || measured(&known, &bytes, &sha256, said.as_ref(), codes)).await
    };
    // The reader of QR codes is not ours: should it fall, the file is judged without.
    let reads_codes = known.fields.contains(&Field::InvoiceNo);
    let file = match attempt(reads_codes).await {
        Err(error) if reads_codes => {
            tracing::error!(%error, "reading codes failed");
            attempt(false).await
        }
        other => other,
    };
    let file = file.map_err(|e| Failure::internal("measuring", e))?;
    let refused =
        |code: Code| Failure::from(Problem { errors: vec![FieldError::new("/file", code)], ..ProblemCode::UploadRejected.into() });
    let mut file = file.map_err(refused)?;
    if !claim.notice.consents.iter().any(|c| c.id == PHOTO_PLACE) {
        file.place = None;
    }
    let at = now();
    let case = Case { catalogue: &catalogue, notice: &claim.notice, now: at };
    let mut doubts = case.of_file(&known, &file);
    if let Some(said) = said.filter(|s| s.look.is_some() || s.pdf.is_some()) {
        let theirs = case.of_file(&known, &File { id: file.id.clone(), ..said });
        if theirs != doubts {
            tracing::warn!(document, ours = ?codes(&doubts), theirs = ?codes(&theirs), "verdicts of phone and server differ");
        }
    }
    drop((bytes, place));
    let mut tx = app.store.begin().await?;
    // The turn is of this upload; the same file may have come by another one meanwhile.
    if let Some(known) = handed_in(&app, &mut tx, &claim, &document, &sha256).await? {
        tx.commit().await?;
        attendant::attend(&app, &claim.id).await;
        return Ok(Json(known));
    }
    let before = folder_in(&app, &mut tx, &claim).await?;
    let what = What::DocumentReceived { document: document.clone(), sha256: sha256.clone(), bytes: file.bytes };
    doubts.extend(case.among_files(&before.files, &known, &file));
    if let Some(blocking) = doubts.iter().find(|d| d.severity == Severity::Block) {
        return Err(refused(blocking.finding.code));
    }
    if before.room(&known) == 0 {
        return Err(refused(Code::PhotoLimit));
    }
    append(&app, &mut tx, &claim.id, claim.lob, &Actor::Customer, what, at).await?;
    uploads::link(&app, &mut tx, &turn, &session.subject, &upload, &claim.id).await?;
    let id = crate::vault::token();
    let (width, height) = file.look.as_ref().map_or((0, 0), |l| (l.width, l.height));
    sqlx::query(
        "INSERT INTO document (id, claim_id, slot, upload_id, sha256, original_sha256, bytes, width, height, received_at, facts, doubts, rules_version) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(&claim.id)
    .bind(&document)
    .bind(&upload)
    .bind(&sha256)
    .bind(&file.original_sha256)
    .bind(i64::try_from(file.bytes).unwrap_or(i64::MAX))
    .bind(width)
    .bind(height)
    .bind(at.0)
    .bind(store::key(&app, &mut tx, &claim.id).await?.seal(&place_of_facts(&id), &store::json(&file)))
    .bind(serde_json::to_string(&doubts).unwrap_or_default())
    .bind(&catalogue.rules_version)
    .execute(&mut *tx)
    .await?;
    signals::of_file(&mut tx, &claim, &file, at).await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    let (format, bytes, place) = (file.format, file.bytes, file.place);
    Ok(Json(DocumentView { id, document, format, bytes, sha256, received_at: at, place, doubts }))
}

const SCANNED_WITHIN: Duration = Duration::from_secs(30);

/// What the operator's own program says of a file (ASVS 5.4.3). Where it fails, nothing is taken.
async fn scanned(app: &App, bytes: &[u8]) -> Result<()> {
    let Some(program) = &app.options.scan else { return Ok(()) };
    let run = async {
        let mut command = tokio::process::Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // One that has seen enough ends before it has read everything.
            let _ = input.write_all(bytes).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(SCANNED_WITHIN, run).await.map(|done| done.map(|status| status.code())) {
        Ok(Ok(Some(0))) => Ok(()),
        Ok(Ok(Some(1))) => {
            app.audit.alarm(serde_json::json!({ "scan": "a file was refused" }));
            Err(Problem { errors: vec![FieldError::new("/file", Code::UploadRejected)], ..ProblemCode::UploadRejected.into() }.into())
        }
        failed => {
            tracing::error!(?failed, "the program that looks at files fails");
            Err(Problem::after(ProblemCode::StorageFailing, 30).into())
        }
    }
}

/// The answer to a file that the claim has already.
async fn again(app: &App, claim: &Stored, document: &str, sha256: &str) -> Result<Option<DocumentView>> {
    let mut tx = app.store.begin().await?;
    let known = handed_in(app, &mut tx, claim, document, sha256).await?;
    tx.commit().await?;
    if known.is_some() {
        attendant::attend(app, &claim.id).await;
    }
    Ok(known)
}

/// A file that the claim has for this document. Sent back, and sent again as it is: whoever judges sees it once more.
async fn handed_in(app: &App, tx: &mut SqliteConnection, claim: &Stored, document: &str, sha256: &str) -> Result<Option<DocumentView>> {
    let rows = rows(&mut *tx, &claim.id).await?;
    let same = |row: &&SqliteRow| {
        row.try_get::<&str, _>("slot").is_ok_and(|s| s == document) && row.try_get::<&str, _>("sha256").is_ok_and(|s| s == sha256)
    };
    let Some(row) = rows.iter().find(same) else { return Ok(None) };
    let view = view_of(&*store::key(app, &mut *tx, &claim.id).await?, row)?;
    if folder_in(app, tx, claim).await?.files.iter().any(|f| f.returned && f.document == document && f.sha256 == sha256) {
        let what = What::DocumentReceived { document: document.into(), sha256: sha256.into(), bytes: view.bytes };
        append(app, tx, &claim.id, claim.lob, &Actor::Customer, what, now()).await?;
    }
    Ok(Some(view))
}

/// 索赔. Blocked only by a missing signature, a missing consent, or a document with neither file nor reason.
#[utoipa::path(post, path = "/api/v1/claims/{no}/claim-request", params(("no" = String, Path), ("Idempotency-Key" = String, Header)), request_body = ClaimRequest,
    responses((status = 201, body = RequestReceipt), (status = 200, description = "the same again", body = RequestReceipt), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn claim_request(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(no): Path<String>,
    request: Request,
) -> Result<Response> {
    let session = signed_in(session)?;
    let key = notices::key(request.headers())?;
    guard::require_json(request.headers())?;
    let body = guard::body(request, MOST_REQUEST).await?;
    let asked: ClaimRequest = serde_json::from_slice(&body).map_err(|_| ProblemCode::MalformedJson)?;
    let claim = mine(&app, &session.subject, &no).await?;
    claim.part.whole()?;
    let catalogue = rules(&app, &claim.rules_version).await?;
    let (at, amount) = (now(), amount(&app, &claim).await?);
    let signer = signer(&app, &claim, session.signed_in()?).await?;
    let mut tx = app.store.begin().await?;
    let before = folder_in(&app, &mut tx, &claim).await?;
    let said = notices::Said { key: &key, body_hash: &sha256_hex(&body), secret_hash: None };
    if let Some(known) = notices::answered(&mut tx, &session, &said).await? {
        return Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], known).into_response());
    }
    let mut folder =
        Folder { answers: asked.answers, unavailable: asked.unavailable, typed: asked.typed, ..before.clone() }.normalised(&catalogue, at);
    keep_masked(&mut folder, &before);
    let facts = folder.facts(&claim.notice, amount);
    let mut errors = folder.hinders(&catalogue, &facts, (&asked.signature, &signer), &asked.consents);
    let form = claim_form(&catalogue, &claim.no, &claim.notice, &folder);
    if errors.is_empty() && form_sha256(&form) != asked.form_sha256 {
        errors.push(FieldError::new("/form_sha256", Code::Malformed));
    }
    if !errors.is_empty() {
        return Err(Problem::validation(errors).into());
    }
    let tasks = folder.tasks(&catalogue, &facts);
    let doubts = Case { catalogue: &catalogue, notice: &claim.notice, now: at }.of_folder(&folder);
    let differences = differences(&catalogue, &asked.tasks, &tasks, &asked.doubts, &doubts);
    if !differences.is_empty() {
        tracing::warn!(?differences, "phone and server differ on a claim request");
    }
    let unavailable =
        folder.unavailable.iter().map(|(document, reason)| Excuse { document: document.clone(), reason: reason.clone() }).collect();
    let what = What::Requested { rules_version: catalogue.rules_version.clone(), unavailable, form_sha256: asked.form_sha256 };
    append(&app, &mut tx, &claim.id, claim.lob, &Actor::Customer, what, at).await?;
    let signed = Signed { form, signature: asked.signature, consents: asked.consents, at };
    signals::of_request(&app, &mut tx, &claim, &folder, at).await?;
    payees::from_request(&app, &mut tx, &claim, &folder, at).await?;
    keep(&app, &mut tx, &claim, folder).await?;
    sqlx::query("UPDATE folder SET request_sealed = ? WHERE claim_id = ?")
        .bind(store::key(&app, &mut tx, &claim.id).await?.seal(&place("request", &claim.id), &store::json(&signed)))
        .bind(&claim.id)
        .execute(&mut *tx)
        .await?;
    let receipt = RequestReceipt {
        claim_no: claim.no.clone(),
        received_at: at,
        decide_by: due_after_days(at, app.deployment.promises.determination_days).to_string(),
        differences,
    };
    let reply = serde_json::to_string(&receipt).unwrap_or_default();
    notices::remember(&mut tx, &session, &said, &claim.id, &reply, at).await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok((StatusCode::CREATED, Json(receipt)).into_response())
}

/// A number that was shown masked and comes back so was not changed.
fn keep_masked(folder: &mut Folder, before: &Folder) {
    for (key, fields) in &mut folder.typed {
        let known = before.typed.get(key).and_then(|f| f.get(&Field::Card));
        if fields.get(&Field::Card).is_some_and(|v| v.contains('*')) {
            match known {
                Some(known) => drop(fields.insert(Field::Card, known.clone())),
                None => drop(fields.remove(&Field::Card)),
            }
        }
    }
}

/// Documents and checks in which the phone's verdict is not ours. Of the phone's words only codes that we know are kept.
fn differences(catalogue: &Catalogue, their_tasks: &[Task], tasks: &[Task], their_doubts: &[Doubt], doubts: &[Doubt]) -> Vec<String> {
    let by_document = tasks.iter().filter(|t| !their_tasks.contains(t)).map(|t| format!("/documents/{}", t.document));
    let only_theirs = their_tasks.iter().filter(|t| !tasks.iter().any(|o| o.document == t.document));
    let only_theirs = only_theirs.filter_map(|t| Some(format!("/documents/{}", catalogue.document(&t.document)?.id)));
    let ours = doubts.iter().filter(|d| !their_doubts.contains(d));
    let theirs = their_doubts.iter().filter(|d| !doubts.contains(d));
    let by_check = ours.chain(theirs).map(|d| d.finding.code.as_str().to_owned());
    let mut all: Vec<String> = by_document.chain(only_theirs).chain(by_check).collect();
    all.sort();
    all.dedup();
    all
}

/// A file of one of my claims.
#[utoipa::path(get, path = "/api/v1/claims/{no}/photos/{id}", params(("no" = String, Path), ("id" = String, Path)),
    responses((status = 200, content_type = "image/jpeg"), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn photo(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path((no, id)): Path<(String, String)>,
) -> Result<Response> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    let document: Option<String> = sqlx::query_scalar("SELECT slot FROM document WHERE claim_id = ? AND id = ?")
        .bind(&claim.id)
        .bind(&id)
        .fetch_optional(&app.store.read)
        .await?;
    // Of papers that prove a payee, each their own.
    let of_payee = document.is_some_and(|d| d.contains('.')) && claim.part.role != Role::Owner;
    if (of_payee || !claim.part.is_whole()) && !own(&app, &claim, &session.subject).await?.iter().any(|(own, _)| *own == id) {
        return Err(ProblemCode::NotFound.into());
    }
    photo_of(&app, &claim.id, &id).await
}

/// A file as it is stored.
pub async fn bytes_of(app: &App, claim_id: &str, id: &str) -> Result<bytes::Bytes> {
    let upload: Option<String> = sqlx::query_scalar("SELECT upload_id FROM document WHERE claim_id = ? AND id = ?")
        .bind(claim_id)
        .bind(id)
        .fetch_optional(&app.store.read)
        .await?;
    uploads::bytes(app, &upload.ok_or(ProblemCode::NotFound)?).await
}

pub async fn photo_of(app: &App, claim_id: &str, id: &str) -> Result<Response> {
    let bytes = bytes_of(app, claim_id, id).await?;
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

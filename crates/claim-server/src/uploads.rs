//! tus 1.0.0 (tus.io/protocols/resumable-upload): core, creation, checksum, expiration, termination.
//!
//! Promise: an offset in an answer is durable. The order is always write, fdatasync, commit, answer. The database
//! is the one truth for the offset: a longer file is cut, a shorter one lowers the offset and is reported. A newer
//! request for the same upload ends the older one.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path as Route, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claim_api::{Problem, ProblemCode, tus};
use claim_domain::FieldError;
use claim_domain::validate::Code;
use futures_util::StreamExt;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use sqlx::{Row, SqliteConnection};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{OwnedMutexGuard, watch};

use crate::failure::{Failure, Result};
use crate::guard;
use crate::limits::Places;
use crate::session::Session;
use crate::store;
use crate::vault::{FileKey, hex, is_sha256, token};
use crate::{App, now};

pub const MOST_BYTES: u64 = 20 << 20;
/// Of one session or customer, not yet attached.
const MOST_OPEN: i64 = claim_api::MOST_PHOTOS as i64;
const MOST_OPEN_BYTES: i64 = 200 << 20;
/// Of everybody, not yet attached.
const MOST_LYING_ABOUT: i64 = 20 << 30;
const LIVES: i64 = 7 * 86_400;
const OLDER_REQUEST_ENDS_WITHIN: Duration = Duration::from_secs(5);
/// Requests of one subject that write at the same time; the app has two.
const MOST_WRITING: usize = 5;
const EXTENSIONS: &str = "creation,checksum,expiration,termination";

pub struct Uploads {
    folder: PathBuf,
    keep_free: u64,
    turns: Mutex<HashMap<String, Arc<Turns>>>,
    /// How many requests each subject is writing with.
    writing: Places<String>,
}

/// Whose turn it is to write one upload. Each request takes the next number; the one that holds the lock stops
/// when a higher number appears.
struct Turns {
    newest: watch::Sender<u64>,
    lock: Arc<tokio::sync::Mutex<()>>,
}

pub struct Turn {
    number: u64,
    newest: watch::Receiver<u64>,
    _lock: OwnedMutexGuard<()>,
}

impl Turn {
    /// Ends when a newer request wants this upload.
    async fn over(&mut self) {
        let mine = self.number;
        let _ = self.newest.wait_for(|newest| *newest > mine).await;
    }
}

impl Uploads {
    pub fn open(data: &Path, keep_free: u64) -> io::Result<Uploads> {
        let folder = data.join("uploads");
        std::fs::create_dir_all(&folder)?;
        Ok(Uploads { folder, keep_free, turns: Mutex::default(), writing: Places::default() })
    }

    fn path(&self, id: &str) -> Result<PathBuf> {
        // Ids are ours; nothing else may become a path.
        let ours = id.len() == 43 && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if ours { Ok(self.folder.join(id)) } else { Err(ProblemCode::NotFound.into()) }
    }

    /// A whole file, opened.
    async fn read(&self, id: &str, key: &FileKey) -> Result<Bytes> {
        let mut bytes = fs::read(self.path(id)?).await?;
        key.apply(0, &mut bytes);
        Ok(bytes.into())
    }

    /// The turn of whoever reads, writes, attaches or removes the upload `id`; everything that does takes it first. A request
    /// that was writing ends, with what it has written durable and acknowledged.
    pub async fn turn(&self, id: &str) -> Result<Turn> {
        let turns = self.turns(id);
        let mut number = 0;
        turns.newest.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        let lock = tokio::time::timeout(OLDER_REQUEST_ENDS_WITHIN, turns.lock.clone().lock_owned()).await;
        let lock = lock.map_err(|_| Problem::after(ProblemCode::UploadLocked, 2))?;
        Ok(Turn { number, newest: turns.newest.subscribe(), _lock: lock })
    }

    /// The turn, where nobody has it.
    fn idle(&self, id: &str) -> Option<Turn> {
        let turns = self.turns(id);
        let lock = turns.lock.clone().try_lock_owned().ok()?;
        Some(Turn { number: *turns.newest.borrow(), newest: turns.newest.subscribe(), _lock: lock })
    }

    fn turns(&self, id: &str) -> Arc<Turns> {
        // A panic while this is held is impossible: nothing in it can fail.
        let mut all = self.turns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.retain(|_, turns| Arc::strong_count(turns) > 1 || turns.lock.try_lock().is_err());
        all.entry(id.to_owned()).or_insert_with(|| Arc::new(Turns { newest: watch::Sender::new(0), lock: Arc::default() })).clone()
    }
}

/// A row of the upload table.
struct Stored {
    id: String,
    length: u64,
    offset: u64,
    sha256: Option<String>,
    touched_at: i64,
    key: FileKey,
}

/// The key of a file, from its row.
async fn key_of(app: &App, id: &str, sealed: Option<&str>, claim_id: Option<&str>) -> Result<FileKey> {
    let claim = match claim_id {
        Some(claim) => Some(store::key(app, &mut *app.store.read.acquire().await?, claim).await?),
        None => None,
    };
    let key = sealed.and_then(|sealed| app.vault.file_key(id, sealed, claim.as_deref()));
    key.ok_or_else(|| Failure::internal("key of a file", "sealed with another key, or forgotten"))
}

/// The bytes of a file, whoever asks.
pub async fn bytes(app: &App, id: &str) -> Result<Bytes> {
    let row: Option<(Option<String>, Option<String>)> =
        sqlx::query_as("SELECT key_sealed, claim_id FROM upload WHERE id = ?").bind(id).fetch_optional(&app.store.read).await?;
    let (sealed, claim) = row.ok_or(ProblemCode::NotFound)?;
    app.uploads.read(id, &key_of(app, id, sealed.as_deref(), claim.as_deref()).await?).await
}

/// The upload `id` of `subject`, with file and offset made to agree.
async fn load(app: &App, subject: &str, id: &str) -> Result<Stored> {
    let row = sqlx::query("SELECT length, at_offset, sha256, touched_at, claim_id, key_sealed FROM upload WHERE id = ? AND subject_id = ?")
        .bind(id)
        .bind(subject)
        .fetch_optional(&app.store.read)
        .await?;
    let row = row.ok_or(ProblemCode::NotFound)?;
    let unsigned = |n: i64| n.unsigned_abs();
    let (linked, sealed): (Option<String>, Option<String>) = (row.try_get("claim_id")?, row.try_get("key_sealed")?);
    let mut stored = Stored {
        id: id.to_owned(),
        length: unsigned(row.try_get("length")?),
        offset: unsigned(row.try_get("at_offset")?),
        sha256: row.try_get("sha256")?,
        touched_at: row.try_get("touched_at")?,
        key: key_of(app, id, sealed.as_deref(), linked.as_deref()).await?,
    };
    if linked.is_none() && now().0 - stored.touched_at > LIVES {
        return Err(ProblemCode::UploadExpired.into());
    }
    let path = app.uploads.path(id)?;
    let there = match fs::metadata(&path).await {
        Ok(meta) => meta.len(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(ProblemCode::UploadExpired.into()),
        Err(e) => return Err(e.into()),
    };
    if there > stored.offset {
        let file = OpenOptions::new().write(true).open(&path).await?;
        file.set_len(stored.offset).await?;
        file.sync_data().await?;
    } else if there < stored.offset {
        tracing::error!(there, recorded = stored.offset, "an acknowledged part of an upload is gone");
        stored.offset = there;
        save_offset(app, &stored).await?;
    }
    Ok(stored)
}

async fn save_offset(app: &App, stored: &Stored) -> Result<()> {
    let mut tx = app.store.begin().await?;
    sqlx::query("UPDATE upload SET at_offset = ?, touched_at = ? WHERE id = ?")
        .bind(i64::try_from(stored.offset).unwrap_or(i64::MAX))
        .bind(now().0)
        .bind(&stored.id)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Removes an upload that belongs to no claim, and that nobody has touched since `before`. The row decides, the file follows:
/// it stays where the row stays.
async fn remove(app: &App, _turn: &Turn, id: &str, before: i64) -> Result<bool> {
    let mut tx = app.store.begin().await?;
    let removed = sqlx::query("DELETE FROM upload WHERE id = ? AND claim_id IS NULL AND touched_at <= ?")
        .bind(id)
        .bind(before)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    tx.commit().await?;
    if removed == 0 {
        return Ok(false);
    }
    match fs::remove_file(app.uploads.path(id)?).await {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(true),
    }
}

/// Makes a whole upload of `subject` part of a claim, for ever.
///
/// # Errors
/// `upload-expired` when it is gone, or part of another claim.
pub async fn link(app: &App, tx: &mut SqliteConnection, _turn: &Turn, subject: &str, id: &str, claim_id: &str) -> Result<()> {
    let row: Option<(Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT key_sealed, claim_id FROM upload WHERE id = ?1 AND subject_id = ?2 AND at_offset = length AND (claim_id IS NULL OR claim_id = ?3)",
    )
    .bind(id)
    .bind(subject)
    .bind(claim_id)
    .fetch_optional(&mut *tx)
    .await?;
    let (sealed, linked) = row.ok_or(ProblemCode::UploadExpired)?;
    if linked.is_some() {
        return Ok(());
    }
    let (key, claim) = (key_of(app, id, sealed.as_deref(), None).await?, store::key(app, &mut *tx, claim_id).await?);
    let linked = sqlx::query("UPDATE upload SET claim_id = ?1, key_sealed = ?4 WHERE id = ?2 AND subject_id = ?3 AND claim_id IS NULL")
        .bind(claim_id)
        .bind(id)
        .bind(subject)
        .bind(app.vault.file_key_for(id, &key, &claim))
        .execute(tx)
        .await?;
    if linked.rows_affected() == 0 { Err(ProblemCode::UploadExpired.into()) } else { Ok(()) }
}

/// Bytes and SHA-256 of a whole upload of `subject`.
pub async fn finished(app: &App, _turn: &Turn, subject: &str, id: &str) -> Result<(Bytes, String)> {
    let stored = match load(app, subject, id).await {
        // To the sender an unknown upload is one that is gone: he sends it again.
        Err(Failure::Problem(p)) if p.code == ProblemCode::NotFound => return Err(ProblemCode::UploadExpired.into()),
        other => other?,
    };
    if stored.offset < stored.length {
        return Err(ProblemCode::NotAllowed.into());
    }
    let bytes = app.uploads.read(id, &stored.key).await?;
    let sha256 = hex(&Sha256::digest(&bytes));
    Ok((bytes, sha256))
}

/// Writes every file, opened, into a folder; how many.
pub async fn export(app: &App, folder: &Path) -> Result<u64> {
    let mut count = 0;
    for id in sqlx::query_scalar::<_, String>("SELECT id FROM upload").fetch_all(&app.store.read).await? {
        fs::write(folder.join(&id), bytes(app, &id).await?).await?;
        count += 1;
    }
    Ok(count)
}

/// Seals the files of before files had keys. The sealed one is made beside the other, which goes when the row has the key.
pub async fn seal_anew(app: &App) -> Result<()> {
    let old: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT id, claim_id FROM upload WHERE key_sealed IS NULL").fetch_all(&app.store.read).await?;
    for (id, claim_id) in old {
        let path = app.uploads.path(&id)?;
        let (plain, sealed) = (path.with_extension("plain"), path.with_extension("sealed"));
        // Stopped in between: the plain one is the one that counts as long as the row has no key.
        if fs::try_exists(&plain).await? {
            fs::rename(&plain, &path).await?;
        }
        let mut bytes = match fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(e.into()),
        };
        let (key, kept) = app.vault.new_file_key(&id);
        let kept = match &claim_id {
            Some(claim) => app.vault.file_key_for(&id, &key, &*store::key(app, &mut *app.store.read.acquire().await?, claim).await?),
            None => kept,
        };
        key.apply(0, &mut bytes);
        let mut file = File::create(&sealed).await?;
        file.write_all(&bytes).await?;
        file.sync_all().await?;
        fs::rename(&path, &plain).await.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
        fs::rename(&sealed, &path).await?;
        File::open(&app.uploads.folder).await?.sync_all().await?;
        let mut tx = app.store.begin_patiently().await?;
        sqlx::query("UPDATE upload SET key_sealed = ? WHERE id = ?").bind(kept).bind(&id).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    // Of those whose row has the key.
    let mut files = fs::read_dir(&app.uploads.folder).await?;
    while let Some(file) = files.next_entry().await? {
        if file.path().extension().is_some_and(|e| e == "plain" || e == "sealed") {
            fs::remove_file(file.path()).await?;
        }
    }
    Ok(())
}

/// Removes what somebody has sent and that belongs to no claim.
pub async fn abandon(app: &App, subject: &str) -> Result<()> {
    let open: Vec<String> = sqlx::query_scalar("SELECT id FROM upload WHERE claim_id IS NULL AND subject_id = ?")
        .bind(subject)
        .fetch_all(&app.store.read)
        .await?;
    for id in open {
        let turn = app.uploads.turn(&id).await?;
        remove(app, &turn, &id, i64::MAX).await?;
    }
    Ok(())
}

/// Removes what nobody went on with for seven days, and files that lost their row when the server fell.
pub async fn expire(app: &App) -> Result<()> {
    let before = now().0 - LIVES;
    let old: Vec<String> = sqlx::query_scalar("SELECT id FROM upload WHERE claim_id IS NULL AND touched_at <= ?")
        .bind(before)
        .fetch_all(&app.store.read)
        .await?;
    for id in old {
        // One that somebody writes is not old.
        let Some(turn) = app.uploads.idle(&id) else { continue };
        remove(app, &turn, &id, before).await?;
    }
    let mut files = fs::read_dir(&app.uploads.folder).await?;
    while let Some(file) = files.next_entry().await? {
        let Ok(id) = file.file_name().into_string() else { continue };
        // One that goes meanwhile needs nobody.
        let Ok(about) = file.metadata().await else { continue };
        if about.modified()?.elapsed().map_or(true, |age| age.as_secs() <= LIVES.unsigned_abs()) || app.uploads.path(&id).is_err() {
            continue;
        }
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM upload WHERE id = ?").bind(&id).fetch_one(&app.store.read).await?;
        if known == 0 {
            fs::remove_file(file.path()).await?;
        }
    }
    Ok(())
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    // `parse` alone would take "+1".
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Names the header that cannot be read.
fn header_wrong(name: &str) -> Failure {
    let errors = vec![FieldError::new(format!("/headers/{name}"), Code::Malformed)];
    Problem { title: format!("The header {name} cannot be read"), errors, ..ProblemCode::MalformedJson.into() }.into()
}

fn speaks_tus(headers: &HeaderMap) -> bool {
    headers.get("tus-resumable").is_some_and(|v| v == tus::VERSION)
}

/// Wraps an answer, good or bad, in what tus wants on every response.
fn answer(outcome: Result<Response>) -> Response {
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert("tus-resumable", HeaderValue::from_static(tus::VERSION));
    response
}

fn wrong_version() -> Response {
    answer(Ok((StatusCode::PRECONDITION_FAILED, [(HeaderName::from_static("tus-version"), tus::VERSION)]).into_response()))
}

fn offset_headers(stored: &Stored) -> [(HeaderName, String); 2] {
    let expires = time::OffsetDateTime::from_unix_timestamp(now().0 + LIVES).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let format = time::macros::format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    [
        (HeaderName::from_static("upload-offset"), stored.offset.to_string()),
        (HeaderName::from_static("upload-expires"), expires.format(&format).unwrap_or_default()),
    ]
}

/// What this server can do.
#[utoipa::path(options, path = "/api/v1/uploads", responses((status = 204)))]
pub async fn options() -> Response {
    let headers = [
        (HeaderName::from_static("tus-version"), tus::VERSION.to_owned()),
        (HeaderName::from_static("tus-extension"), EXTENSIONS.into()),
        (HeaderName::from_static("tus-max-size"), MOST_BYTES.to_string()),
        (HeaderName::from_static("tus-checksum-algorithm"), "sha256,sha1".into()),
    ];
    answer(Ok((StatusCode::NO_CONTENT, headers).into_response()))
}

/// Begins an upload of a known length; metadata `sha256` (hex) is compared at the end.
#[utoipa::path(post, path = "/api/v1/uploads", params(("Tus-Resumable" = String, Header), ("Upload-Length" = u64, Header), ("Upload-Metadata" = Option<String>, Header)),
    responses((status = 201), (status = 400, body = Problem), (status = 412), (status = 413, body = Problem), (status = 429, body = Problem), (status = 507, body = Problem)))]
pub async fn create(State(app): State<App>, Extension(session): Extension<Session>, request: Request) -> Response {
    let (network, headers) = (guard::network(&app, &request), request.headers());
    if !speaks_tus(headers) {
        return wrong_version();
    }
    answer(begin(&app, &session, headers, network).await)
}

async fn begin(app: &App, session: &Session, headers: &HeaderMap, network: String) -> Result<Response> {
    // Exactly one of the two (tus, creation); this server offers no deferred length, and no parts to be put together.
    let odd = headers.contains_key("upload-defer-length") || headers.contains_key("upload-concat");
    let length = number(headers, "upload-length").filter(|_| !odd).ok_or_else(|| header_wrong("Upload-Length"))?;
    if length > MOST_BYTES {
        return Err(ProblemCode::UploadTooLarge.into());
    }
    let metadata = headers
        .get("upload-metadata")
        .map_or(Some(Vec::new()), |v| tus::parse_metadata(v.to_str().ok()?))
        .ok_or_else(|| header_wrong("Upload-Metadata"))?;
    let sha256 = metadata.into_iter().find(|(k, _)| k == "sha256").map(|(_, v)| v.to_ascii_lowercase());
    if sha256.as_ref().is_some_and(|s| !is_sha256(s)) {
        return Err(header_wrong("Upload-Metadata"));
    }
    if fs4::available_space(&app.uploads.folder)? < app.uploads.keep_free + length {
        return Err(ProblemCode::StorageFull.into());
    }
    let (open, bytes): (i64, i64) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(length), 0) FROM upload WHERE subject_id = ? AND claim_id IS NULL AND touched_at > ?",
    )
    .bind(&session.subject)
    .bind(now().0 - LIVES)
    .fetch_one(&app.store.read)
    .await?;
    let wanted = i64::try_from(length).unwrap_or(i64::MAX);
    if open >= MOST_OPEN || bytes + wanted > MOST_OPEN_BYTES {
        return Err(ProblemCode::Quota.into());
    }
    // Subjects are free, so what they leave lying about is counted together as well.
    app.quotas.uploads.take(network)?;
    let all: i64 =
        sqlx::query_scalar("SELECT coalesce(sum(length), 0) FROM upload WHERE claim_id IS NULL").fetch_one(&app.store.read).await?;
    if all + wanted > MOST_LYING_ABOUT {
        app.audit.alarm(serde_json::json!({ "limit": "bytes of uploads that belong to no claim" }));
        return Err(Problem::after(ProblemCode::StorageFull, 600).into());
    }
    let id = token();
    let file = File::create_new(app.uploads.path(&id)?).await?;
    file.sync_all().await?;
    // The name must survive a power cut as well as the bytes.
    File::open(&app.uploads.folder).await?.sync_all().await?;
    let mut tx = app.store.begin().await?;
    let (key, sealed) = app.vault.new_file_key(&id);
    sqlx::query("INSERT INTO upload (id, subject_id, length, sha256, touched_at, key_sealed) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&id)
        .bind(&session.subject)
        .bind(wanted)
        .bind(&sha256)
        .bind(now().0)
        .bind(sealed)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    // Relative: a Host header is not to be believed.
    let location = format!("{}/uploads/{id}", claim_api::BASE);
    let stored = Stored { id, length, offset: 0, sha256, touched_at: now().0, key };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], offset_headers(&stored)).into_response())
}

/// How far an upload got.
#[utoipa::path(head, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header)), responses((status = 200), (status = 404), (status = 410), (status = 412), (status = 423)))]
pub async fn head(State(app): State<App>, session: Option<Extension<Session>>, Route(id): Route<String>, headers: HeaderMap) -> Response {
    if !speaks_tus(&headers) {
        return wrong_version();
    }
    answer(state(&app, session, &id).await)
}

async fn state(app: &App, session: Option<Extension<Session>>, id: &str) -> Result<Response> {
    let Some(Extension(session)) = session else { return Err(ProblemCode::NotFound.into()) };
    let _turn = app.uploads.turn(id).await?;
    let stored = load(app, &session.subject, id).await?;
    let length = (HeaderName::from_static("upload-length"), stored.length.to_string());
    Ok((StatusCode::OK, [length, (header::CACHE_CONTROL, "no-store".into())], offset_headers(&stored)).into_response())
}

/// Adds bytes at an offset.
#[utoipa::path(patch, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header), ("Upload-Offset" = u64, Header), ("Upload-Checksum" = Option<String>, Header)),
    request_body(content_type = "application/offset+octet-stream"),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem), (status = 412), (status = 415, body = Problem), (status = 423, body = Problem), (status = 460, body = Problem)))]
pub async fn append(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Route(id): Route<String>,
    request: Request,
) -> Response {
    if !speaks_tus(request.headers()) {
        return wrong_version();
    }
    answer(receive(&app, &session, &id, request).await)
}

/// POST with X-HTTP-Method-Override, for proxies that know no PATCH.
pub async fn overridden(app: State<App>, session: Extension<Session>, id: Route<String>, request: Request) -> Response {
    let wanted = request.headers().get("x-http-method-override").map(|v| v.as_bytes().to_ascii_uppercase());
    match wanted.as_deref() {
        Some(b"PATCH") => append(app, session, id, request).await,
        Some(b"DELETE") => terminate(app, session, id, request.headers().clone()).await,
        Some(b"HEAD") => head(app, Some(session), id, request.headers().clone()).await,
        Some(b"OPTIONS") => options().await,
        _ => not_offered("HEAD, PATCH, DELETE, OPTIONS"),
    }
}

/// RFC 9110 15.5.6: with what is.
fn not_offered(instead: &'static str) -> Response {
    let mut response = answer(Err(ProblemCode::MethodNotAllowed.into()));
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(instead));
    response
}

/// The same at the address where uploads are made.
pub async fn made_or_overridden(app: State<App>, session: Extension<Session>, request: Request) -> Response {
    let wanted = request.headers().get("x-http-method-override").map(|v| v.as_bytes().to_ascii_uppercase());
    match wanted.as_deref() {
        None | Some(b"POST") => create(app, session, request).await,
        Some(b"OPTIONS") => options().await,
        Some(_) => not_offered("POST, OPTIONS"),
    }
}

/// Ends an upload and frees its space.
#[utoipa::path(delete, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header)), responses((status = 204), (status = 404, body = Problem), (status = 412)))]
pub async fn terminate(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Route(id): Route<String>,
    headers: HeaderMap,
) -> Response {
    if !speaks_tus(&headers) {
        return wrong_version();
    }
    answer(end(&app, &session, &id).await)
}

async fn end(app: &App, session: &Session, id: &str) -> Result<Response> {
    let turn = app.uploads.turn(id).await?;
    let linked: Option<Option<String>> = sqlx::query_scalar("SELECT claim_id FROM upload WHERE id = ? AND subject_id = ?")
        .bind(id)
        .bind(&session.subject)
        .fetch_optional(&app.store.read)
        .await?;
    match linked {
        None => Err(ProblemCode::NotFound.into()),
        Some(Some(_)) => Err(ProblemCode::NotAllowed.into()),
        Some(None) => match remove(app, &turn, id, i64::MAX).await? {
            true => Ok(StatusCode::NO_CONTENT.into_response()),
            false => Err(ProblemCode::NotAllowed.into()),
        },
    }
}

/// A running checksum of one chunk, and what it must become.
enum Checksum {
    None,
    Sha256(Sha256, Vec<u8>),
    Sha1(Sha1, Vec<u8>),
}

impl Checksum {
    fn wanted(headers: &HeaderMap) -> Result<Checksum> {
        let Some(header) = headers.get("upload-checksum") else { return Ok(Checksum::None) };
        let (algorithm, digest) = header.to_str().ok().and_then(|v| v.split_once(' ')).ok_or_else(|| header_wrong("Upload-Checksum"))?;
        let digest = STANDARD.decode(digest.trim()).map_err(|_| header_wrong("Upload-Checksum"))?;
        match algorithm {
            "sha256" => Ok(Checksum::Sha256(Sha256::new(), digest)),
            "sha1" => Ok(Checksum::Sha1(Sha1::new(), digest)),
            // tus: "400 Bad Request if the checksum algorithm is not supported".
            _ => Err(header_wrong("Upload-Checksum")),
        }
    }
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Checksum::None => {}
            Checksum::Sha256(hash, _) => hash.update(bytes),
            Checksum::Sha1(hash, _) => hash.update(bytes),
        }
    }
    fn holds(self) -> bool {
        match self {
            Checksum::None => true,
            Checksum::Sha256(hash, digest) => hash.finalize()[..] == digest[..],
            Checksum::Sha1(hash, digest) => hash.finalize()[..] == digest[..],
        }
    }
}

enum Ended {
    Whole,
    /// The client went away, was too slow, or sent less than it announced.
    Cut,
    /// A newer request wants this upload.
    Replaced,
    TooMuch,
}

async fn receive(app: &App, session: &Session, id: &str, request: Request) -> Result<Response> {
    let headers = request.headers();
    if headers.get(header::CONTENT_TYPE).is_none_or(|v| v != tus::CHUNK_TYPE) {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    let at = number(headers, "upload-offset").ok_or_else(|| header_wrong("Upload-Offset"))?;
    let announced = number(headers, "content-length");
    let mut checksum = Checksum::wanted(headers)?;
    let place = app.uploads.writing.take(session.subject.clone(), MOST_WRITING);
    let _writing = place.ok_or_else(|| Problem::after(ProblemCode::Quota, 1))?;
    let mut turn = app.uploads.turn(id).await?;
    let mut stored = load(app, &session.subject, id).await?;
    if stored.offset != at {
        return Err(ProblemCode::UploadOffsetMismatch.into());
    }
    let left = stored.length - at;
    if announced.is_some_and(|n| n > left) {
        return Err(ProblemCode::UploadTooLarge.into());
    }
    let path = app.uploads.path(id)?;
    let mut file = OpenOptions::new().write(true).open(&path).await?;
    file.seek(io::SeekFrom::Start(at)).await?;
    let (ended, got) = copy(&mut file, &stored.key, at, request.into_body(), left, &mut checksum, &mut turn).await?;
    let all = matches!(ended, Ended::Whole) && announced.is_none_or(|n| n == got);
    // A part whose checksum cannot be known yet is thrown away (tus, checksum extension).
    let checked = matches!(checksum, Checksum::None);
    if matches!(ended, Ended::TooMuch) || (!all && !checked) || (all && !checksum.holds()) {
        file.set_len(at).await?;
        file.sync_data().await?;
        return Err(match ended {
            Ended::TooMuch => ProblemCode::UploadTooLarge.into(),
            Ended::Whole => ProblemCode::UploadChecksum.into(),
            Ended::Cut => ProblemCode::Timeout.into(),
            Ended::Replaced => Problem::after(ProblemCode::UploadLocked, 1).into(),
        });
    }
    file.sync_data().await?;
    stored.offset = at + got;
    save_offset(app, &stored).await?;
    if stored.offset == stored.length && stored.sha256.is_some() && all {
        drop(file);
        let bytes = app.uploads.read(id, &stored.key).await?;
        let sum = tokio::task::spawn_blocking(move || hex(&Sha256::digest(&bytes))).await.map_err(|e| Failure::internal("hash", e))?;
        if stored.sha256 != Some(sum) {
            // The file as a whole is not what was promised: it is gone, the client begins again.
            remove(app, &turn, id, i64::MAX).await?;
            return Err(ProblemCode::UploadChecksum.into());
        }
    }
    match ended {
        Ended::Whole if all => Ok((StatusCode::NO_CONTENT, offset_headers(&stored)).into_response()),
        Ended::Replaced => Err(Problem::after(ProblemCode::UploadLocked, 1).into()),
        _ => Err(ProblemCode::Timeout.into()),
    }
}

/// Copies the body until it ends; what was written stays to be synced by the caller.
async fn copy(
    file: &mut File,
    key: &FileKey,
    at: u64,
    body: Body,
    left: u64,
    checksum: &mut Checksum,
    turn: &mut Turn,
) -> Result<(Ended, u64)> {
    let mut stream: BodyDataStream = body.into_data_stream();
    let mut got = 0;
    loop {
        let part = tokio::select! {
            part = stream.next() => part,
            () = turn.over() => return Ok((Ended::Replaced, got)),
        };
        let bytes = match part {
            Some(Ok(bytes)) => bytes,
            None => break,
            // Gone, or too slow (`pace`).
            Some(Err(_)) => {
                file.flush().await?;
                return Ok((Ended::Cut, got));
            }
        };
        if got + bytes.len() as u64 > left {
            return Ok((Ended::TooMuch, got));
        }
        checksum.update(&bytes);
        let mut sealed = bytes.to_vec();
        key.apply(at + got, &mut sealed);
        file.write_all(&sealed).await?;
        got += bytes.len() as u64;
    }
    file.flush().await?;
    Ok((Ended::Whole, got))
}

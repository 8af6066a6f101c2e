//! tus 1.0.0 (tus.io/protocols/resumable-upload): core, creation, checksum, expiration,
//! termination.
//!
//! Promise: an offset in an answer is durable ([`crate::store::uploads`]). A newer request for the
//! same upload ends the older one.

use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use claim_api::{Problem, ProblemCode, tus};
use claim_domain::FieldError;
use claim_domain::validate::Code;
use futures_util::StreamExt;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::failure::{Failure, Result};
use crate::http::access::{Guest, Open, Visitor};
use crate::http::network;
use crate::store::uploads::{self, LIVES, Turn, Upload, Writer};
use crate::vault::is_sha256;
use crate::work::sessions::Session;
use crate::{App, now};

pub const MOST_BYTES: u64 = 20 << 20;
/// Per session or customer, not yet attached.
const MOST_OPEN: i64 = claim_api::MOST_PHOTOS as i64;
const MOST_OPEN_BYTES: i64 = 200 << 20;
/// In total, not yet attached.
const MOST_LYING_ABOUT: i64 = 20 << 30;
/// Concurrent writing requests of one subject; the app has two.
const MOST_WRITING: usize = 5;
/// For proxies that know no PATCH.
const METHOD: &str = "x-http-method-override";
const EXTENSIONS: &str = "creation,checksum,expiration,termination";

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    // `parse` alone would take "+1".
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// The problem for a header that cannot be read.
fn header_wrong(name: &str) -> Failure {
    let errors = vec![FieldError::new(format!("/headers/{name}"), Code::Malformed)];
    Problem {
        title: format!("The header {name} cannot be read"),
        errors,
        ..ProblemCode::MalformedJson.into()
    }
    .into()
}

fn speaks_tus(headers: &HeaderMap) -> bool {
    headers
        .get("tus-resumable")
        .is_some_and(|v| v == tus::VERSION)
}

/// Every request about an upload names the version, and so does every answer (tus, Tus-Resumable);
/// OPTIONS is how a client asks which.
pub async fn resumable(request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/uploads") {
        return next.run(request).await;
    }
    let wanted = request.headers().get(METHOD);
    let asks = wanted.is_some_and(|method| method.as_bytes().eq_ignore_ascii_case(b"OPTIONS"));
    let about_one = [Method::POST, Method::HEAD, Method::PATCH, Method::DELETE];
    let needs = about_one.contains(request.method()) && !asks;
    let mut response = if !needs || speaks_tus(request.headers()) {
        next.run(request).await
    } else {
        wrong_version()
    };
    response
        .headers_mut()
        .insert("tus-resumable", HeaderValue::from_static(tus::VERSION));
    response
}

fn wrong_version() -> Response {
    (
        StatusCode::PRECONDITION_FAILED,
        [(HeaderName::from_static("tus-version"), tus::VERSION)],
    )
        .into_response()
}

fn offset_headers(upload: &Upload) -> [(HeaderName, String); 2] {
    let expires = time::OffsetDateTime::from_unix_timestamp(now().0 + LIVES)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    [
        (
            HeaderName::from_static("upload-offset"),
            upload.offset.to_string(),
        ),
        (
            HeaderName::from_static("upload-expires"),
            expires.format(&format).unwrap_or_default(),
        ),
    ]
}

/// What this server can do.
#[utoipa::path(options, path = "/api/v1/uploads", responses((status = 204)))]
pub async fn options(_: Open) -> Response {
    offered()
}

fn offered() -> Response {
    let headers = [
        (
            HeaderName::from_static("tus-version"),
            tus::VERSION.to_owned(),
        ),
        (HeaderName::from_static("tus-extension"), EXTENSIONS.into()),
        (
            HeaderName::from_static("tus-max-size"),
            MOST_BYTES.to_string(),
        ),
        (
            HeaderName::from_static("tus-checksum-algorithm"),
            "sha256,sha1".into(),
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Begins an upload of a known length; metadata `sha256` (hex) is compared at the end.
#[utoipa::path(post, path = "/api/v1/uploads", params(("Tus-Resumable" = String, Header), ("Upload-Length" = u64, Header), ("Upload-Metadata" = Option<String>, Header)),
    responses((status = 201), (status = 400, body = Problem), (status = 412), (status = 413, body = Problem), (status = 429, body = Problem), (status = 507, body = Problem)))]
pub async fn create(
    Visitor(session): Visitor,
    State(app): State<App>,
    request: Request,
) -> Result<Response> {
    let (network, headers) = (network::of(&app, &request), request.headers());
    begin(&app, &session, headers, network).await
}

async fn begin(
    app: &App,
    session: &Session,
    headers: &HeaderMap,
    network: String,
) -> Result<Response> {
    // Exactly one of the two (tus, creation); this server offers neither deferred length nor
    // concatenation.
    let odd = headers.contains_key("upload-defer-length") || headers.contains_key("upload-concat");
    let length = number(headers, "upload-length")
        .filter(|_| !odd)
        .ok_or_else(|| header_wrong("Upload-Length"))?;
    if length > MOST_BYTES {
        return Err(ProblemCode::UploadTooLarge.into());
    }
    let metadata = headers
        .get("upload-metadata")
        .map_or(Some(Vec::new()), |v| tus::parse_metadata(v.to_str().ok()?))
        .ok_or_else(|| header_wrong("Upload-Metadata"))?;
    let sha256 = metadata
        .into_iter()
        .find(|(k, _)| k == "sha256")
        .map(|(_, v)| v.to_ascii_lowercase());
    if sha256.as_ref().is_some_and(|s| !is_sha256(s)) {
        return Err(header_wrong("Upload-Metadata"));
    }
    if !app.uploads.has_room(length)? {
        return Err(ProblemCode::StorageFull.into());
    }
    let at = now();
    let wanted = i64::try_from(length).unwrap_or(i64::MAX);
    let open = uploads::open_of(&mut app.store.read().await?, &session.subject, at).await?;
    if open.count >= MOST_OPEN || open.bytes + wanted > MOST_OPEN_BYTES {
        return Err(ProblemCode::Quota.into());
    }
    // Anybody can create subjects, so what they all leave unattached is limited together as well.
    app.quotas.uploads.take(network)?;
    let all = uploads::lying_about(&mut app.store.read().await?).await?;
    if all + wanted > MOST_LYING_ABOUT {
        app.audit
            .alarm(serde_json::json!({ "limit": "bytes of uploads that belong to no claim" }));
        return Err(Problem::after(ProblemCode::StorageFull, 600).into());
    }
    let upload = app
        .uploads
        .add(&app.store, &session.subject, length, sha256, at)
        .await?;
    // Relative: a Host header cannot be trusted.
    let location = format!("{}/uploads/{}", claim_api::BASE, upload.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        offset_headers(&upload),
    )
        .into_response())
}

/// How far an upload got.
#[utoipa::path(head, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header)), responses((status = 200), (status = 404), (status = 410), (status = 412), (status = 423)))]
pub async fn head(
    Guest(session): Guest,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response> {
    state(&app, &session, &id).await
}

async fn state(app: &App, session: &Session, id: &str) -> Result<Response> {
    let turn = app.uploads.turn(id).await?;
    let upload = app
        .uploads
        .find(&app.store, &turn, &session.subject, id, now())
        .await?;
    let length = (
        HeaderName::from_static("upload-length"),
        upload.length.to_string(),
    );
    Ok((
        StatusCode::OK,
        [length, (header::CACHE_CONTROL, "no-store".into())],
        offset_headers(&upload),
    )
        .into_response())
}

/// Adds bytes at an offset.
#[utoipa::path(patch, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header), ("Upload-Offset" = u64, Header), ("Upload-Checksum" = Option<String>, Header)),
    request_body(content_type = "application/offset+octet-stream"),
    responses((status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 410, body = Problem), (status = 412), (status = 415, body = Problem), (status = 423, body = Problem), (status = 460, body = Problem)))]
pub async fn append(
    guest: Guest,
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response> {
    receive(&app, &guest.0, &id, request).await
}

/// POST with X-HTTP-Method-Override, for proxies that do not know PATCH.
pub async fn overridden(
    guest: Guest,
    app: State<App>,
    id: Path<String>,
    request: Request,
) -> Result<Response> {
    let wanted = request
        .headers()
        .get(METHOD)
        .map(|v| v.as_bytes().to_ascii_uppercase());
    match wanted.as_deref() {
        Some(b"PATCH") => append(guest, app, id, request).await,
        Some(b"DELETE") => terminate(guest, app, id).await,
        Some(b"HEAD") => head(guest, app, id).await,
        Some(b"OPTIONS") => Ok(offered()),
        _ => Ok(not_offered("HEAD, PATCH, DELETE, OPTIONS")),
    }
}

/// RFC 9110 15.5.6: lists what is offered.
fn not_offered(instead: &'static str) -> Response {
    let mut response = Failure::from(ProblemCode::MethodNotAllowed).into_response();
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(instead));
    response
}

/// The same at the address where uploads are created.
pub async fn made_or_overridden(
    visitor: Visitor,
    app: State<App>,
    request: Request,
) -> Result<Response> {
    let wanted = request
        .headers()
        .get(METHOD)
        .map(|v| v.as_bytes().to_ascii_uppercase());
    match wanted.as_deref() {
        None | Some(b"POST") => create(visitor, app, request).await,
        Some(b"OPTIONS") => Ok(offered()),
        Some(_) => Ok(not_offered("POST, OPTIONS")),
    }
}

/// Ends an upload and frees its space.
#[utoipa::path(delete, path = "/api/v1/uploads/{id}", params(("id" = String, Path), ("Tus-Resumable" = String, Header)), responses((status = 204), (status = 404, body = Problem), (status = 412)))]
pub async fn terminate(
    Guest(session): Guest,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response> {
    end(&app, &session, &id).await
}

async fn end(app: &App, session: &Session, id: &str) -> Result<Response> {
    let turn = app.uploads.turn(id).await?;
    let linked = uploads::is_linked(&mut app.store.read().await?, &session.subject, id).await?;
    match linked {
        None => Err(ProblemCode::NotFound.into()),
        Some(true) => Err(ProblemCode::NotAllowed.into()),
        Some(false) => match app.uploads.remove(&app.store, &turn, id).await? {
            true => Ok(StatusCode::NO_CONTENT.into_response()),
            false => Err(ProblemCode::NotAllowed.into()),
        },
    }
}

/// A running checksum of one chunk, and its expected value.
enum Checksum {
    None,
    Sha256(Sha256, Vec<u8>),
    Sha1(Sha1, Vec<u8>),
}

impl Checksum {
    fn wanted(headers: &HeaderMap) -> Result<Checksum> {
        let Some(header) = headers.get("upload-checksum") else {
            return Ok(Checksum::None);
        };
        let (algorithm, digest) = header
            .to_str()
            .ok()
            .and_then(|v| v.split_once(' '))
            .ok_or_else(|| header_wrong("Upload-Checksum"))?;
        let digest = STANDARD
            .decode(digest.trim())
            .map_err(|_| header_wrong("Upload-Checksum"))?;
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
    if headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|v| v != tus::CHUNK_TYPE)
    {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    let at = number(headers, "upload-offset").ok_or_else(|| header_wrong("Upload-Offset"))?;
    let announced = number(headers, "content-length");
    let mut checksum = Checksum::wanted(headers)?;
    let place = app
        .uploads
        .writing
        .take(session.subject.clone(), MOST_WRITING);
    let _writing = place.ok_or_else(|| Problem::after(ProblemCode::Quota, 1))?;
    let mut turn = app.uploads.turn(id).await?;
    let mut upload = app
        .uploads
        .find(&app.store, &turn, &session.subject, id, now())
        .await?;
    if upload.offset != at {
        return Err(ProblemCode::UploadOffsetMismatch.into());
    }
    let left = upload.length - at;
    if announced.is_some_and(|n| n > left) {
        return Err(ProblemCode::UploadTooLarge.into());
    }
    let mut writer = app.uploads.writer(&turn, &upload).await?;
    let (ended, got) = copy(
        &mut writer,
        request.into_body(),
        left,
        &mut checksum,
        &mut turn,
    )
    .await?;
    let all = matches!(ended, Ended::Whole) && announced.is_none_or(|n| n == got);
    // A chunk that ends before its checksum can be verified is discarded (tus, checksum extension).
    let checked = matches!(checksum, Checksum::None);
    if matches!(ended, Ended::TooMuch) || (!all && !checked) || (all && !checksum.holds()) {
        writer.undo().await?;
        return Err(match ended {
            Ended::TooMuch => ProblemCode::UploadTooLarge.into(),
            Ended::Whole => ProblemCode::UploadChecksum.into(),
            Ended::Cut => ProblemCode::Timeout.into(),
            Ended::Replaced => Problem::after(ProblemCode::UploadLocked, 1).into(),
        });
    }
    writer.sync().await?;
    upload.offset = at + got;
    app.uploads.keep_offset(&app.store, &upload, now()).await?;
    if upload.offset == upload.length && all && !app.uploads.is_as_said(&turn, &upload).await? {
        // The file does not match its announced hash: it is removed, and the client begins again.
        app.uploads.remove(&app.store, &turn, id).await?;
        return Err(ProblemCode::UploadChecksum.into());
    }
    match ended {
        Ended::Whole if all => {
            Ok((StatusCode::NO_CONTENT, offset_headers(&upload)).into_response())
        }
        Ended::Replaced => Err(Problem::after(ProblemCode::UploadLocked, 1).into()),
        _ => Err(ProblemCode::Timeout.into()),
    }
}

/// Copies the body until it ends; syncing what was written is left to the caller.
async fn copy(
    writer: &mut Writer,
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
            None => return Ok((Ended::Whole, got)),
            // Gone, or too slow (`pace`).
            Some(Err(_)) => return Ok((Ended::Cut, got)),
        };
        if got + bytes.len() as u64 > left {
            return Ok((Ended::TooMuch, got));
        }
        checksum.update(&bytes);
        writer.write(&bytes).await?;
        got += bytes.len() as u64;
    }
}

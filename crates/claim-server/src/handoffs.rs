//! 在手机上继续, and back: a report that was begun at a machine moves to a phone with its photos; a phone has its number
//! printed at a machine.
//!
//! Promise: the secret of 256 bits is in the fragment of an address that the machine shows as a QR code; it lives two
//! minutes, one phone redeems it, after a code by SMS, and may ask again until it has everything; for everybody else it is
//! used up (410).

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use claim_api::{BeginHandoff, Handoff, HandoffState, Moved, Parcel, Problem, ProblemCode, QrCode, Redeem, Ticket};
use claim_domain::{Code, FieldError, Moment};
use qrcode::{Color, EcLevel};
use sqlx::Row;

use crate::claims::{mine, signed_in};
use crate::failure::{Failure, Result};
use crate::session::{Session, masked_phone};
use crate::vault::{sha256_hex, token};
use crate::{App, guard, kiosk, now};

const LIVES: i64 = 120;
/// How long the phone may fetch what it has redeemed, and the machine ask what became of it.
const KEPT: i64 = 30 * 60;
/// Thirty photos.
const MOST_BODY: usize = 24 << 20;

/// Begins one; the answer has the QR code.
#[utoipa::path(post, path = "/api/v1/handoffs", request_body = BeginHandoff, responses((status = 201, body = Handoff), (status = 404, description = "not an enrolled machine", body = Problem)))]
pub async fn begin(State(app): State<App>, headers: HeaderMap, request: Request) -> Result<(StatusCode, Json<Handoff>)> {
    let kiosk = kiosk::of(&app, &headers).await?.ok_or(ProblemCode::NotFound)?;
    guard::require_json(&headers)?;
    let body = guard::body(request, MOST_BODY).await?;
    let BeginHandoff { parcel } = serde_json::from_slice(&body).map_err(|_| ProblemCode::MalformedJson)?;
    if parcel.as_ref().is_some_and(|p| p.draft.as_ref().is_none_or(claim_domain::draft::Draft::is_empty)) {
        return Err(Problem::validation(vec![FieldError::new("/parcel/draft", Code::Required)]).into());
    }
    let (id, secret, at) = (token(), token(), now());
    // Of the installation: a Host header is not to be believed.
    let qr = qr_code(&format!("{}/handoff#{secret}", app.address()))?;
    let mut tx = app.store.begin().await?;
    // One at a time: the code on the screen is the one that works.
    sqlx::query("DELETE FROM handoff WHERE kiosk = ? AND taken_by IS NULL").bind(&kiosk.name).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO handoff (id, secret_hash, kiosk, parcel_sealed, expires_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&id)
        .bind(sha256_hex(secret.as_bytes()))
        .bind(&kiosk.name)
        .bind(parcel.map(|parcel| app.vault.seal(&place("parcel", &id), &serde_json::to_string(&parcel).unwrap_or_default())))
        .bind(at.0 + LIVES)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(Handoff { id, expires_at: Moment(at.0 + LIVES), qr })))
}

fn place(column: &str, id: &str) -> String {
    format!("handoff.{column}/{id}")
}

fn qr_code(text: &str) -> Result<QrCode> {
    let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M).map_err(|e| Failure::internal("QR code", e))?;
    let width = code.width();
    let dark = |(i, color): (usize, Color)| (color == Color::Dark).then(|| format!("M{} {}h1v1h-1z", i % width, i / width));
    Ok(QrCode { width: width as u32, path: code.into_colors().into_iter().enumerate().filter_map(dark).collect() })
}

/// What became of it, for the machine that shows it.
#[utoipa::path(get, path = "/api/v1/handoffs/{id}", params(("id" = String, Path)), responses((status = 200, body = Moved), (status = 404, body = Problem)))]
pub async fn show(State(app): State<App>, headers: HeaderMap, Path(id): Path<String>) -> Result<Json<Moved>> {
    let kiosk = kiosk::of(&app, &headers).await?.ok_or(ProblemCode::NotFound)?;
    let row: Option<(Option<String>, bool, i64, Option<String>)> =
        sqlx::query_as("SELECT taken_by, done, expires_at, ticket_sealed FROM handoff WHERE id = ? AND kiosk = ?")
            .bind(&id)
            .bind(&kiosk.name)
            .fetch_optional(&app.store.read)
            .await?;
    let (taken, done, expires, ticket) = row.ok_or(ProblemCode::NotFound)?;
    let state = match taken {
        _ if done => HandoffState::Done,
        Some(_) => HandoffState::Taken,
        None if expires <= now().0 => HandoffState::Expired,
        None => HandoffState::Open,
    };
    let ticket = ticket.and_then(|sealed| serde_json::from_str(&app.vault.open_text(&place("ticket", &id), &sealed)?).ok());
    Ok(Json(Moved { state, ticket }))
}

/// On the phone: takes what the machine has, or sends it what is to be printed. The same phone may ask again until it says
/// that it has everything (`done`).
#[utoipa::path(post, path = "/api/v1/handoffs/redeem", request_body = Redeem,
    responses((status = 200, description = "what the machine has; empty where it prints", body = Parcel), (status = 204, description = "done"), (status = 401, body = Problem), (status = 404, body = Problem), (status = 410, description = "used or too old", body = Problem)))]
pub async fn redeem(State(app): State<App>, session: Option<Extension<Session>>, request: Request) -> Result<Json<Parcel>> {
    let session = signed_in(session)?;
    let Redeem { secret, claim_no, done } = guard::json(request).await?;
    let at = now().0;
    let claim = match &claim_no {
        Some(no) => Some(mine(&app, &session.subject, no).await?),
        None => None,
    };
    let mut tx = app.store.begin().await?;
    let row = sqlx::query("SELECT id, parcel_sealed, taken_by, expires_at, done FROM handoff WHERE secret_hash = ?")
        .bind(sha256_hex(secret.as_bytes()))
        .fetch_optional(&mut *tx)
        .await?;
    let gone = || Failure::from(ProblemCode::HandoffGone);
    let row = row.ok_or_else(gone)?;
    let (id, sealed): (String, Option<String>) = (row.try_get("id")?, row.try_get("parcel_sealed")?);
    let (taken, expires, is_done): (Option<String>, i64, bool) =
        (row.try_get("taken_by")?, row.try_get("expires_at")?, row.try_get("done")?);
    let mine = taken.as_ref() == Some(&session.subject);
    if is_done && mine {
        // The answer was lost on its way.
        return Ok(Json(Parcel::default()));
    }
    if is_done || (taken.is_some() && !mine) || (!mine && expires <= at) || expires + KEPT <= at {
        return Err(gone());
    }
    let ticket = claim.map(|claim| Ticket {
        claim_no: claim.no,
        reported_at: claim.reported_at,
        phone: masked_phone(&claim.notice.reporter.phone),
        hotline: app.deployment.hotline.clone(),
    });
    let parcel: Parcel = match sealed {
        Some(sealed) => {
            let text = app
                .vault
                .open_text(&place("parcel", &id), &sealed)
                .ok_or_else(|| Failure::internal("parcel", "sealed with another key"))?;
            serde_json::from_str(&text).map_err(|e| Failure::internal("parcel", e))?
        }
        // Which claim is printed is said with the second call; the first changes nothing.
        None if ticket.is_none() => return Ok(Json(Parcel::default())),
        None => Parcel::default(),
    };
    let done = done || ticket.is_some();
    sqlx::query("UPDATE handoff SET taken_by = ?, done = ?, ticket_sealed = ?, parcel_sealed = CASE ? WHEN 1 THEN NULL ELSE parcel_sealed END WHERE id = ?")
        .bind(&session.subject)
        .bind(done)
        .bind(ticket.map(|ticket| app.vault.seal(&place("ticket", &id), &serde_json::to_string(&ticket).unwrap_or_default())))
        .bind(done)
        .bind(&id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Json(if done { Parcel::default() } else { parcel }))
}

/// Removes what is over.
pub async fn expire(app: &App) -> Result<()> {
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM handoff WHERE expires_at < ?").bind(now().0 - KEPT).execute(&mut *tx).await?;
    Ok(tx.commit().await?)
}

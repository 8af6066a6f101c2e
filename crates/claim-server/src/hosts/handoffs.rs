//! 在手机上继续, and back: a report begun at a kiosk moves to a phone with its photos; a phone has
//! its claim number printed at a kiosk.
//!
//! Promise: the 256-bit secret is in the fragment of an address that the kiosk shows as a QR code.
//! It lives two minutes. One phone redeems it, after an SMS code, and may ask again until it has
//! everything; for everybody else it is used up (410).

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use claim_api::{
    BeginHandoff, Handoff, HandoffState, Moved, Parcel, Problem, ProblemCode, QrCode, Redeem,
    Ticket,
};
use claim_domain::{Code, FieldError, Moment};
use qrcode::{Color, EcLevel};

use crate::failure::{Failure, Result};
use crate::http::access::{Kiosk, SignedIn};
use crate::http::body;
use crate::store::{claims, handoffs};
use crate::vault::token;
use crate::{App, mask, now};

const LIVES: i64 = 120;
/// How long the phone may fetch what it has redeemed, and the kiosk ask for the outcome.
const KEPT: i64 = 30 * 60;
/// Thirty photos.
const MOST_BODY: usize = 24 << 20;

/// Begins a handoff; the answer contains the QR code.
#[utoipa::path(post, path = "/api/v1/handoffs", request_body = BeginHandoff, responses((status = 201, body = Handoff), (status = 404, description = "not an enrolled machine", body = Problem)))]
pub async fn begin(
    Kiosk(kiosk): Kiosk,
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, Json<Handoff>)> {
    let BeginHandoff { parcel } = body::json_up_to(request, MOST_BODY).await?;
    if parcel.as_ref().is_some_and(|p| {
        p.draft
            .as_ref()
            .is_none_or(claim_domain::draft::Draft::is_empty)
    }) {
        return Err(
            Problem::validation(vec![FieldError::new("/parcel/draft", Code::Required)]).into(),
        );
    }
    let (id, secret, expires_at) = (token(), token(), now().plus_seconds(LIVES));
    // From our configuration: a Host header cannot be trusted.
    let qr = qr_code(&format!("{}/handoff#{secret}", app.address()))?;
    let mut tx = app.store.begin().await?;
    // One at a time: only the code on the screen works.
    handoffs::forget_open(&mut tx, &kiosk.name).await?;
    handoffs::add(
        &mut tx,
        &id,
        &secret,
        &kiosk.name,
        parcel.as_ref(),
        expires_at,
    )
    .await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(Handoff { id, expires_at, qr })))
}

fn qr_code(text: &str) -> Result<QrCode> {
    let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|e| Failure::internal("QR code", e))?;
    let width = code.width();
    let dark = |(i, color): (usize, Color)| {
        (color == Color::Dark).then(|| format!("M{} {}h1v1h-1z", i % width, i / width))
    };
    Ok(QrCode {
        width: width as u32,
        path: code
            .into_colors()
            .into_iter()
            .enumerate()
            .filter_map(dark)
            .collect(),
    })
}

/// The outcome, for the kiosk that shows it.
#[utoipa::path(get, path = "/api/v1/handoffs/{id}", params(("id" = String, Path)), responses((status = 200, body = Moved), (status = 404, body = Problem)))]
pub async fn show(
    Kiosk(kiosk): Kiosk,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Moved>> {
    let shown = handoffs::show(&mut app.store.read().await?, &id, &kiosk.name)
        .await?
        .ok_or(ProblemCode::NotFound)?;
    let state = match shown.taken {
        _ if shown.done => HandoffState::Done,
        true => HandoffState::Taken,
        false if shown.expires_at <= now() => HandoffState::Expired,
        false => HandoffState::Open,
    };
    Ok(Json(Moved {
        state,
        ticket: shown.ticket,
    }))
}

/// On the phone: takes what the kiosk has, or sends it what to print. The same phone may ask again
/// until it says that it has everything (`done`).
#[utoipa::path(post, path = "/api/v1/handoffs/redeem", request_body = Redeem,
    responses((status = 200, description = "what the machine has; empty where it prints", body = Parcel), (status = 204, description = "done"), (status = 401, body = Problem), (status = 404, body = Problem), (status = 410, description = "used or too old", body = Problem)))]
pub async fn redeem(
    SignedIn { session, .. }: SignedIn,
    State(app): State<App>,
    request: Request,
) -> Result<Json<Parcel>> {
    let Redeem {
        secret,
        claim_no,
        done,
    } = body::json(request).await?;
    let at = now();
    let mut tx = app.store.begin().await?;
    let claim = match &claim_no {
        Some(no) => Some(claims::mine(&mut tx, &session.subject, no, at).await?),
        None => None,
    };
    let gone = || Failure::from(ProblemCode::HandoffGone);
    let found = handoffs::by_secret(&mut tx, &secret)
        .await?
        .ok_or_else(gone)?;
    let mine = found.taken_by.as_ref() == Some(&session.subject);
    if found.done && mine {
        // An earlier answer was lost on its way.
        return Ok(Json(Parcel::default()));
    }
    let is_anothers = found.taken_by.is_some() && !mine;
    let is_over = (!mine && found.expires_at <= at) || found.expires_at.plus_seconds(KEPT) <= at;
    if found.done || is_anothers || is_over {
        return Err(gone());
    }
    let ticket = claim.map(|claim| Ticket {
        claim_no: claim.no,
        reported_at: claim.reported_at,
        phone: mask::phone(&claim.notice.reporter.phone),
        hotline: app.deployment.hotline.clone(),
    });
    // The second call names the claim to print; the first changes nothing.
    if found.parcel.is_none() && ticket.is_none() {
        return Ok(Json(Parcel::default()));
    }
    let done = done || ticket.is_some();
    handoffs::take(&mut tx, &found.id, &session.subject, ticket.as_ref(), done).await?;
    tx.commit().await?;
    Ok(Json(if done {
        Parcel::default()
    } else {
        found.parcel.unwrap_or_default()
    }))
}

/// Removes expired handoffs.
pub async fn expire(app: &App) -> Result<()> {
    let mut tx = app.store.begin().await?;
    handoffs::expire(&mut tx, Moment(now().0 - KEPT)).await?;
    tx.commit().await
}

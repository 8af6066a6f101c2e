//! Links from the insurer's own app or menu: people who tap one see whose report it would be, and
//! the tap that sends it signs them in as the person the insurer already knows.
//!
//! Promise: a link is made by somebody with the key (`claim-server key launch`), names a customer's
//! phone, lives at most ten minutes and works once. An altered, expired or used link opens nothing
//! and does not say which it was. The link alone signs nobody in: otherwise people could send
//! others their own link and would get their reports (login CSRF; OWASP ASVS 5.0, 7.2). A ticket
//! does sign in; it is valid for half an hour, in the session that opened the link.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claim_api::{Launch, LaunchTicket, Launched, Problem, ProblemCode, SessionView};
use claim_domain::Moment;
use claim_domain::validate::mobile;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::http::access::{SetToken, Visitor};
use crate::http::body;
use crate::store::{launches, policies};
use crate::work::sessions::{self, Session};
use crate::{App, now};

const LONGEST: i64 = 10 * 60;
/// Long enough to fill in a form in large print, with one hand.
const TICKET_LIVES: i64 = 30 * 60;

/// What the insurer's system signs: `BASE64URL(json)` + `.` + the hex HMAC-SHA-256 of that text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    phone: String,
    /// Policy number; without it the person chooses.
    #[serde(default)]
    policy: String,
    /// Seconds since 1970.
    expires_at: i64,
    /// Unique to this link.
    nonce: String,
}

/// Opens a link: whose report it would be, and what policies they have.
#[utoipa::path(post, path = "/api/v1/launch", request_body = Launch,
    responses((status = 200, body = Launched), (status = 410, description = "altered, used or too old", body = Problem)))]
pub async fn launch(
    Visitor(session): Visitor,
    State(app): State<App>,
    request: Request,
) -> Result<Json<Launched>> {
    let Launch { token } = body::json(request).await?;
    let gone = || Failure::from(ProblemCode::HandoffGone);
    let (text, signature) = token.split_once('.').ok_or_else(gone)?;
    if !app.vault.is_signed(
        "launch",
        text.as_bytes(),
        format!("hmac-sha256={signature}").as_bytes(),
    ) {
        return Err(gone());
    }
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| gone())?;
    let signed: Signed = serde_json::from_slice(&json).map_err(|_| gone())?;
    let at = now();
    let phone = mobile(&signed.phone)
        .value()
        .map(str::to_owned)
        .ok_or_else(gone)?;
    if signed.expires_at <= at.0 || signed.expires_at > at.0 + LONGEST || signed.nonce.is_empty() {
        return Err(gone());
    }
    let mut tx = app.store.begin().await?;
    if !launches::take(&mut tx, &signed.nonce, Moment(signed.expires_at)).await? {
        return Err(gone());
    }
    let policy = policies::numbered(&mut tx, &signed.policy, &phone).await?;
    tx.commit().await?;
    let who = SessionView {
        signed_in: false,
        ..sessions::view(&app, Some(&phone)).await?
    };
    Ok(Json(Launched {
        who,
        policy,
        ticket: ticket(&app, &session, &phone, at)?,
    }))
}

/// A phone that this session may sign in with, and until when; sealed, so that it names nobody.
#[derive(Serialize, Deserialize)]
struct Ticket {
    phone: String,
    until: i64,
}

fn place(session: &Session) -> String {
    format!("launch/{}", session.hash)
}

fn ticket(app: &App, session: &Session, phone: &str, at: Moment) -> Result<String> {
    let ticket = Ticket {
        phone: phone.to_owned(),
        until: at.0 + TICKET_LIVES,
    };
    let text = serde_json::to_string(&ticket).map_err(|e| Failure::internal("ticket", e))?;
    Ok(app.vault.seal(&place(session), &text))
}

/// Signs in with the ticket of a link.
#[utoipa::path(put, path = "/api/v1/launch", request_body = LaunchTicket,
    responses((status = 200, body = SessionView), (status = 410, description = "of another session, or too old", body = Problem)))]
pub async fn sign_in(
    Visitor(session): Visitor,
    State(app): State<App>,
    request: Request,
) -> Result<Response> {
    let LaunchTicket { ticket } = body::json(request).await?;
    let at = now();
    let ticket: Option<Ticket> = app
        .vault
        .open_text(&place(&session), &ticket)
        .and_then(|text| serde_json::from_str(&text).ok());
    let Ticket { phone, .. } = ticket
        .filter(|t| t.until > at.0)
        .ok_or(ProblemCode::HandoffGone)?;
    let mut tx = app.store.begin().await?;
    let token = sessions::become_person(&app, &mut tx, &session, &phone, false, at).await?;
    tx.commit().await?;
    let mut response = Json(sessions::view(&app, Some(&phone)).await?).into_response();
    response.extensions_mut().insert(SetToken(token));
    Ok(response)
}

/// Removes expired links; from then on their date alone refuses them.
pub async fn expire(app: &App) -> Result<()> {
    let mut tx = app.store.begin().await?;
    launches::expire(&mut tx, Moment(now().0 - LONGEST)).await?;
    tx.commit().await
}

//! A claim as its customer sees it. Every look-up takes the subject: a foreign claim and an unknown one are both 404.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{ClaimSummary, ClaimView, Problem, ProblemCode, Step, Timeline};
use claim_domain::lifecycle::{Actor, Claim, Event, Turn, What};
use claim_domain::{Lob, Moment, Notice, claim_no};
use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::store::{append, events, lob};
use crate::{App, documents, guard, now};

/// A row of the claim table.
pub struct Stored {
    pub id: String,
    pub no: String,
    pub lob: Lob,
    pub incident: String,
    pub reported_at: Moment,
    pub verified: bool,
    pub rules_version: String,
    pub channel: String,
    pub notice: Notice,
}

impl Stored {
    pub const COLUMNS: &'static str =
        "c.id, c.no, c.lob, c.incident, c.reported_at, c.policy_id, c.rules_version, c.channel, c.notice_sealed";

    pub fn of(app: &App, row: &SqliteRow) -> Result<Stored> {
        let notice =
            app.vault.open_text(row.try_get("notice_sealed")?).ok_or_else(|| Failure::internal("notice", "sealed with another key"))?;
        Ok(Stored {
            id: row.try_get("id")?,
            no: row.try_get("no")?,
            lob: lob(row.try_get("lob")?)?,
            incident: row.try_get("incident")?,
            reported_at: Moment(row.try_get("reported_at")?),
            verified: row.try_get::<Option<String>, _>("policy_id")?.is_some(),
            rules_version: row.try_get("rules_version")?,
            channel: row.try_get("channel")?,
            notice: serde_json::from_str(&notice).map_err(|e| Failure::internal("notice", e))?,
        })
    }

    fn summary(&self, events: &[Event]) -> ClaimSummary {
        let claim = Claim::replay(self.lob, events);
        ClaimSummary {
            claim_no: self.no.clone(),
            incident: self.incident.clone(),
            lob: self.lob,
            stage: claim.stage,
            turn: claim.turn(),
            reported_at: self.reported_at,
            place: self.notice.place.text.clone(),
        }
    }
}

/// The claim `no` if `subject` is a party to it.
pub async fn mine(app: &App, subject: &str, no: &str) -> Result<Stored> {
    let no = claim_no::parse(no).ok_or(ProblemCode::NotFound)?;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {} FROM claim c JOIN party p ON p.claim_id = c.id WHERE c.no = ? AND p.subject_id = ?",
        Stored::COLUMNS
    )))
    .bind(no)
    .bind(subject)
    .fetch_optional(&app.store.read)
    .await?;
    Stored::of(app, &row.ok_or(ProblemCode::NotFound)?)
}

/// My claims: what waits for me first, then the newest.
#[utoipa::path(get, path = "/api/v1/claims", responses((status = 200, body = Vec<ClaimSummary>), (status = 401, body = Problem)))]
pub async fn list(State(app): State<App>, session: Option<Extension<Session>>) -> Result<Json<Vec<ClaimSummary>>> {
    let session = signed_in(session)?;
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {} FROM claim c JOIN party p ON p.claim_id = c.id WHERE p.subject_id = ? ORDER BY c.reported_at DESC LIMIT 200",
        Stored::COLUMNS
    )))
    .bind(&session.subject)
    .fetch_all(&app.store.read)
    .await?;
    let mut claims = Vec::new();
    for row in &rows {
        let stored = Stored::of(&app, row)?;
        let events = events(&app.store.read, &stored.id, 0).await?;
        claims.push(stored.summary(&events));
    }
    claims.sort_by_key(|c| match c.turn {
        Turn::Customer => 0,
        Turn::Insurer => 1,
        Turn::Nobody => 2,
    });
    Ok(Json(claims))
}

pub fn signed_in(session: Option<Extension<Session>>) -> Result<Session> {
    let Some(Extension(session)) = session else { return Err(ProblemCode::SessionExpired.into()) };
    session.signed_in()?;
    Ok(session)
}

/// One claim with its documents and events.
#[utoipa::path(get, path = "/api/v1/claims/{no}", params(("no" = String, Path)), responses((status = 200, body = ClaimView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn show(State(app): State<App>, session: Option<Extension<Session>>, Path(no): Path<String>) -> Result<Json<ClaimView>> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    let events = events(&app.store.read, &claim.id, 0).await?;
    Ok(Json(ClaimView {
        summary: claim.summary(&events),
        loss_at: claim.notice.loss_at,
        verified: claim.verified,
        rules_version: claim.rules_version.clone(),
        folder: documents::masked(documents::folder(&app, &claim).await?),
        amount_fen: Claim::replay(claim.lob, &events).assessment.map(|(_, fen)| fen),
        documents: documents::views(&app, &claim.id).await?,
        notice: claim.notice,
        events,
    }))
}

#[derive(Deserialize)]
pub struct After {
    #[serde(default)]
    after: u32,
}

/// The events after a sequence number; the ETag is the newest number.
#[utoipa::path(get, path = "/api/v1/claims/{no}/timeline", params(("no" = String, Path), ("after" = Option<u32>, Query, description = "sequence number of the last event that is known")),
    responses((status = 200, body = Timeline), (status = 304), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn timeline(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(no): Path<String>,
    after: std::result::Result<Query<After>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    let Query(After { after }) = after.map_err(|_| ProblemCode::MalformedJson)?;
    let events = events(&app.store.read, &claim.id, after).await?;
    let tag = format!("\"{}\"", events.last().map_or(after, |e| e.seq));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut response = match known && events.is_empty() {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Json(Timeline { events, server_time: now() }).into_response(),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// What the customer does: accepts or objects to the assessment, withdraws.
#[utoipa::path(post, path = "/api/v1/claims/{no}/steps", params(("no" = String, Path)), request_body = Step,
    responses((status = 201, body = Event), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn step(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(no): Path<String>,
    request: Request,
) -> Result<Response> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    let Step { what } = guard::json(request).await?;
    // Only `by_phone` could pretend to be staff; a document and the claim request have routes with their own checks.
    let what = match what {
        What::AssessmentAccepted { version, .. } => What::AssessmentAccepted { version, by_phone: false },
        What::DocumentReceived { .. } | What::Requested { .. } => return Err(ProblemCode::NotAllowed.into()),
        other => other,
    };
    let mut tx = app.store.begin().await?;
    let event = append(&mut tx, &claim.id, claim.lob, &Actor::Customer, what, now()).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(event)).into_response())
}

//! A claim as its customer sees it. Every look-up takes the subject: a foreign claim and an unknown one are both 404.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{ClaimSummary, ClaimView, Correction, Problem, ProblemCode, Step, Timeline};
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Actor, Claim, Event, Turn, What};
use claim_domain::validate::{self, Verdict};
use claim_domain::{FieldError, Lob, Moment, Notice, claim_no, local_day};
use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::store::{append, events, lob};
use crate::vault::random;
use crate::{App, attendant, catastrophes, documents, guard, now, payments};

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
    pub sees: Sees,
}

/// How much somebody may see of a claim: all of it, or how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    All,
    Stages,
}

impl Sees {
    /// Whoever reports for somebody else, and does not own the policy, follows the stages only.
    pub fn of_role(role: &str) -> Sees {
        if matches!(role, "insured" | "beneficiary") { Sees::All } else { Sees::Stages }
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Sees::All => "all",
            Sees::Stages => "stages",
        }
    }
    pub fn shown(self, event: Event) -> Event {
        match self {
            Sees::All => event,
            Sees::Stages => Event { what: event.what.without_facts(), ..event },
        }
    }
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
            sees: if row.try_get("sees").is_ok_and(|sees: String| sees == "stages") { Sees::Stages } else { Sees::All },
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
        "SELECT {}, p.sees FROM claim c JOIN party p ON p.claim_id = c.id WHERE c.no = ? AND p.subject_id = ?",
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
        let events = events(&app.vault, &app.store.read, &stored.id, 0).await?;
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
    Ok(Json(view(&app, mine(&app, &session.subject, &no).await?, &session.subject).await?))
}

/// A claim as `subject` sees it.
pub async fn view(app: &App, claim: Stored, subject: &str) -> Result<ClaimView> {
    let events = events(&app.vault, &app.store.read, &claim.id, 0).await?;
    let state = Claim::replay(claim.lob, &events);
    let folder = documents::folder(app, &claim).await?;
    let deadlines = attendant::deadlines_of(app, &claim, &state, &folder, now());
    let fast = attendant::is_fast(app, &claim, &state, &folder);
    let catastrophe = catastrophes::words_for(app, &claim.id).await?;
    let own = if claim.sees == Sees::Stages { documents::own(app, &claim, subject).await? } else { Vec::new() };
    let insured = payments::insured(app, &mut *app.store.read.acquire().await?, &claim).await?;
    let mut view = ClaimView {
        summary: claim.summary(&events),
        loss_at: claim.notice.loss_at,
        verified: claim.verified,
        rules_version: claim.rules_version.clone(),
        folder: documents::masked(folder),
        amount_fen: state.assessment.map(|a| a.total_fen),
        documents: documents::views(app, &claim.id).await?,
        notice: claim.notice,
        events,
        deadlines,
        fast,
        limited: claim.sees == Sees::Stages,
        insured,
        catastrophe,
    };
    if view.limited {
        let reporter = view.notice.reporter.clone();
        view.notice = Notice { reporter, policy: Default::default(), narrative: String::new(), ..view.notice };
        // Of the papers, his own.
        view.documents.retain(|d| own.iter().any(|(id, _)| *id == d.id));
        view.folder.files.retain(|f| own.iter().any(|(_, sha256)| *sha256 == f.sha256));
        view.folder = Folder { files: view.folder.files, asked: view.folder.asked, ..Folder::default() };
        view.insured = None;
        view.amount_fen = None;
        view.events = view.events.into_iter().map(|e| Sees::Stages.shown(e)).collect();
    }
    Ok(view)
}

#[derive(Deserialize)]
pub struct After {
    #[serde(default)]
    pub after: u32,
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
    let events = events(&app.vault, &app.store.read, &claim.id, after).await?;
    let events: Vec<Event> = events.into_iter().map(|e| claim.sees.shown(e)).collect();
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
    let limited = claim.sees == Sees::Stages;
    let at = now();
    let what = match what {
        // Only `by_phone` could pretend to be staff.
        What::AssessmentAccepted { version, .. } => What::AssessmentAccepted { version, by_phone: false },
        What::ComplaintFiled { about, wish, .. } => {
            let (number, owner) = complaint(&app, at).await?;
            What::ComplaintFiled { number, about, wish, owner }
        }
        // These have routes with their own checks.
        What::DocumentReceived { .. } | What::Requested { .. } | What::PayeeNamed { .. } | What::Corrected { .. } => {
            return Err(ProblemCode::NotAllowed.into());
        }
        other => other,
    };
    let anybodys =
        matches!(what, What::Wrote { .. } | What::PersonAsked { .. } | What::ComplaintFiled { .. } | What::SupplementExcused { .. });
    if limited && !anybodys {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let mut tx = app.store.begin().await?;
    let event = append(&app.vault, &mut tx, &claim.id, claim.lob, &Actor::Customer, what, at).await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok((StatusCode::CREATED, Json(event)).into_response())
}

/// Of a new complaint: its number, and who answers it.
async fn complaint(app: &App, at: Moment) -> Result<(String, String)> {
    let number = format!("TS{}{:06}", local_day(at).compact(), u32::from_le_bytes(random::<4>()) % 1_000_000);
    let owner: Option<String> = sqlx::query_scalar("SELECT shown_as FROM staff WHERE desk = 'supervisor' ORDER BY name LIMIT 1")
        .fetch_optional(&app.store.read)
        .await?;
    Ok((number, owner.unwrap_or_else(|| app.deployment.insurer.zh.clone())))
}

/// Puts name or phone of the reporter right. What it was stays in nobody's log, that it was changed does. The new number is
/// called and written to; who signs in with it sees nothing, since nobody has shown that it is his.
#[utoipa::path(put, path = "/api/v1/claims/{no}/reporter", params(("no" = String, Path)), request_body = Correction,
    responses((status = 200, body = Event), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn correct(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(no): Path<String>,
    request: Request,
) -> Result<Json<Event>> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    let Correction { name, phone } = guard::json(request).await?;
    let mut notice = claim.notice.clone();
    let mut errors = Vec::new();
    let mut checked = |field: &str, verdict: Verdict| match verdict {
        Verdict::Ok(good) | Verdict::Warn(good, _) => Some(good),
        Verdict::Err(finding) => {
            errors.push(FieldError::new(format!("/{field}"), finding));
            None
        }
    };
    let (name, phone) = (checked("name", validate::name(&name)), checked("phone", validate::mobile(&phone)));
    let (Some(name), Some(phone)) = (name, phone) else { return Err(Problem::validation(errors).into()) };
    let mut fields = Vec::new();
    for (field, old, new) in [("name", &mut notice.reporter.name, name), ("phone", &mut notice.reporter.phone, phone)] {
        if *old != new {
            fields.push(field.to_owned());
            *old = new;
        }
    }
    let mut tx = app.store.begin().await?;
    let event = append(&app.vault, &mut tx, &claim.id, claim.lob, &Actor::Customer, What::Corrected { fields }, now()).await?;
    sqlx::query("UPDATE claim SET notice_sealed = ? WHERE id = ?")
        .bind(app.vault.seal(&serde_json::to_string(&notice).unwrap_or_default()))
        .bind(&claim.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok(Json(event))
}

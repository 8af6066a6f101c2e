//! A claim as its customer sees it. Every look-up takes the subject: a foreign claim and an unknown one are both 404.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{ClaimSummary, ClaimView, Correction, CoverView, Problem, ProblemCode, Step, Timeline};
use claim_domain::documents::{Folder, Task};
use claim_domain::lifecycle::{Actor, Claim, Event, Left, Role, Turn, What};
use claim_domain::policy::{Cover, Policy};
use claim_domain::validate::{self, Verdict};
use claim_domain::{FieldError, Lob, Moment, Notice, claim_no, local_day};
use serde::Deserialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::failure::{Failure, Result};
use crate::people::Part;
use crate::session::Session;
use crate::store::{append, lob};
use crate::vault::random;
use crate::{App, attendant, catastrophes, documents, guard, now, payees, people, policies, standing, store};

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
    /// Of whoever looks.
    pub part: Part,
}

impl Stored {
    pub const COLUMNS: &'static str =
        "c.id, c.no, c.lob, c.incident, c.reported_at, c.policy_id, c.rules_version, c.channel, c.notice_sealed, c.key_sealed";

    pub fn of(app: &App, row: &SqliteRow) -> Result<Stored> {
        let id: String = row.try_get("id")?;
        let key = app.vault.claim_key(&id, row.try_get::<Option<&str>, _>("key_sealed")?.unwrap_or_default());
        let notice = key.and_then(|key| key.open(&place_of_notice(&id), row.try_get("notice_sealed").ok()?));
        let notice = notice.ok_or_else(|| Failure::internal("notice", "sealed with another key"))?;
        Ok(Stored {
            id,
            no: row.try_get("no")?,
            lob: lob(row.try_get("lob")?)?,
            incident: row.try_get("incident")?,
            reported_at: Moment(row.try_get("reported_at")?),
            verified: row.try_get::<Option<String>, _>("policy_id")?.is_some(),
            rules_version: row.try_get("rules_version")?,
            channel: row.try_get("channel")?,
            notice: serde_json::from_str(&notice).map_err(|e| Failure::internal("notice", e))?,
            part: Part::STAFF,
        })
    }

    fn summary(&self, claim: &Claim, papers: &[Task]) -> ClaimSummary {
        ClaimSummary {
            claim_no: self.no.clone(),
            incident: self.incident.clone(),
            lob: self.lob,
            stage: claim.stage,
            // Whoever follows the stages has nothing to do.
            turn: if self.part.is_whole() { claim.turn(papers) } else { Turn::Insurer },
            reported_at: self.reported_at,
            place: self.notice.place.text.clone(),
        }
    }
}

pub fn place_of_notice(claim_id: &str) -> String {
    format!("claim.notice/{claim_id}")
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
    let stored = Stored::of(app, &row.ok_or(ProblemCode::NotFound)?)?;
    Ok(Stored { part: people::part(app, &stored.id, subject, now()).await?, ..stored })
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
        // One whose right has run out is not on the list.
        let Ok(part) = people::part(&app, &stored.id, &session.subject, now()).await else { continue };
        let stored = Stored { part, ..stored };
        let claim = store::state_now(&app, &stored).await?;
        let folder = documents::folder(&app, &stored).await?;
        claims.push(stored.summary(&claim, &standing::tasks(&app, &stored, &claim, &folder).await?));
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
    Ok(Json(view(&app, mine(&app, &session.subject, &no).await?, &session).await?))
}

/// A claim as somebody who has signed in sees it.
pub async fn view(app: &App, claim: Stored, session: &Session) -> Result<ClaimView> {
    let subject = session.subject.as_str();
    let events = store::log(app, &claim.id, 0).await?;
    let state = Claim::replay(claim.lob, &events);
    let folder = documents::folder(app, &claim).await?;
    let deadlines = attendant::deadlines_of(app, &claim, &state, &folder, now());
    let fast = attendant::is_fast(app, &claim, &state, &folder);
    let catastrophe = catastrophes::words_for(app, &claim.id).await?;
    let papers = standing::tasks(app, &claim, &state, &folder).await?;
    let (part, db) = (claim.part, &mut *app.store.read.acquire().await?);
    let policy = policies::of_claim(app, &mut *db, &claim.id).await?;
    let left = standing::left(app, &mut *db, &claim).await?;
    let own = documents::own(app, &claim, subject).await?;
    let mut documents = documents::views(app, &claim.id).await?;
    let mut folder = documents::masked(folder);
    // Of papers that prove a payee, each their own.
    let is_own = |sha256: &str| own.iter().any(|(_, own)| own == sha256);
    let may_see = |document: &str, sha256: &str| match (part.is_whole(), document.contains('.')) {
        (true, false) => true,
        (true, true) => part.role == Role::Owner || is_own(sha256),
        (false, _) => is_own(sha256),
    };
    documents.retain(|d| may_see(&d.document, &d.sha256));
    if !part.is_whole() {
        folder.files.retain(|f| may_see(&f.document, &f.sha256));
    }
    let summary = claim.summary(&state, &papers);
    let mut view = ClaimView {
        summary,
        loss_at: claim.notice.loss_at,
        verified: claim.verified && part.is_whole(),
        rules_version: claim.rules_version.clone(),
        folder,
        amount_fen: state.assessment.as_ref().map(|a| a.total_fen),
        documents,
        notice: claim.notice.clone(),
        events: events.into_iter().map(|e| part.shown(e)).collect(),
        deadlines,
        fast,
        limited: !part.is_whole(),
        role: part.role,
        insured: policy.as_ref().and_then(|p| standing::insured_of(p, &claim)).map(|p| p.name.clone()),
        signer: documents::signer(app, &claim, session.signed_in()?).await?,
        own_report: session.signed_in()? == claim.notice.reporter.phone,
        gaps: if part.is_whole() { state.gaps(&papers) } else { Vec::new() },
        covers: policy.as_ref().map(|p| covers_of(p, &left)).unwrap_or_default(),
        payable: policy.as_ref().map(|p| payees::hints(p, &claim, &state)).unwrap_or_default(),
        papers: if part.is_whole() { papers } else { Vec::new() },
        catastrophe,
    };
    if view.limited {
        // Who reported sees what he said; others who may follow, how far it is.
        if part.role != Role::Reporter {
            let none = Notice { narrative: String::new(), policy: Default::default(), reporter: Default::default(), ..view.notice };
            view.notice = none;
        }
        view.folder = Folder { files: view.folder.files, ..Folder::default() };
        view.insured = None;
        view.amount_fen = None;
        view.covers = Vec::new();
        view.payable = Vec::new();
    }
    Ok(view)
}

/// What the policy pays for, and what is left of it.
pub fn covers_of(policy: &Policy, left: &[Left]) -> Vec<CoverView> {
    let of = |cover: &Cover| {
        let left = left.iter().find(|l| l.cover == cover.code).map_or(cover.sum_fen, |l| l.fen);
        CoverView { cover: cover.clone(), left_fen: left }
    };
    policy.covers.iter().map(of).collect()
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
    let events = store::log(&app, &claim.id, after).await?;
    let events: Vec<Event> = events.into_iter().map(|e| claim.part.shown(e)).collect();
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
    let limited = !claim.part.is_whole();
    let at = now();
    let what = match what {
        // Only `by_phone` could pretend to be staff.
        What::AssessmentAccepted { version, .. } => What::AssessmentAccepted { version, by_phone: false },
        What::ComplaintFiled { about, wish, .. } => {
            let (number, owner) = complaint(&app, at).await?;
            What::ComplaintFiled { number, about, wish, owner }
        }
        // These have routes with their own checks.
        What::DocumentReceived { .. } | What::Requested { .. } | What::PayeesNamed { .. } | What::Corrected { .. } => {
            return Err(ProblemCode::NotAllowed.into());
        }
        other => other,
    };
    let anybodys = matches!(what, What::Wrote { .. } | What::PersonAsked { .. } | What::ComplaintFiled { .. });
    // 这不是我报的 is the holder's to say; whoever acts for her reported it himself.
    if what == What::Disowned && claim.part.role != Role::Owner {
        return Err(ProblemCode::NotThisPerson.into());
    }
    if limited && !anybodys {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let mut tx = app.store.begin().await?;
    let event = append(&app, &mut tx, &claim.id, claim.lob, &Actor::Customer, what, at).await?;
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
    // Only who reported knows what he is called.
    if session.signed_in()? != claim.notice.reporter.phone {
        return Err(ProblemCode::NotThisPerson.into());
    }
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
    let event = append(&app, &mut tx, &claim.id, claim.lob, &Actor::Customer, What::Corrected { fields }, now()).await?;
    sqlx::query("UPDATE claim SET notice_sealed = ? WHERE id = ?")
        .bind(store::key(&app, &mut tx, &claim.id).await?.seal(&place_of_notice(&claim.id), &store::json(&notice)))
        .bind(&claim.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok(Json(event))
}

//! A claim as its customer sees it, and what they do with it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claim_api::{
    ClaimSummary, ClaimView, Correction, CoverView, Problem, ProblemCode, Step, Timeline,
};
use claim_domain::documents::{Folder, Task};
use claim_domain::lifecycle::{Actor, Claim, Desk, Event, EventKind, Left, Role, Turn};
use claim_domain::policy::{Cover, Policy};
use claim_domain::validate::{self, Verdict};
use claim_domain::{FieldError, Moment, Notice, local_day};
use serde::Deserialize;

use crate::failure::Result;
use crate::http::access::{Claimant, SignedIn};
use crate::http::body;
use crate::store::claims::{self, ClaimRow};
use crate::store::{Db, catastrophes, documents, events, policies, staff};
use crate::vault::random;
use crate::work::sessions::Session;
use crate::work::{attendant, log, papers, payees};
use crate::{App, mask, now};

const LISTED: i64 = 200;

/// My claims: those waiting for me first, then the newest.
#[utoipa::path(get, path = "/api/v1/claims", responses((status = 200, body = Vec<ClaimSummary>), (status = 401, body = Problem)))]
pub async fn list(who: SignedIn, State(app): State<App>) -> Result<Json<Vec<ClaimSummary>>> {
    let db = &mut app.store.read().await?;
    let mut mine = Vec::new();
    for row in claims::of_subject(db, &who.session.subject, now(), LISTED).await? {
        let claim = events::state(db, &row.id, row.lob).await?;
        let folder = papers::folder(db, &row).await?;
        mine.push(summary(
            &row,
            &claim,
            &papers::tasks(&app, db, &row, &claim, &folder).await?,
        ));
    }
    mine.sort_by_key(|c| match c.turn {
        Turn::Customer => 0,
        Turn::Insurer => 1,
        Turn::Nobody => 2,
    });
    Ok(Json(mine))
}

fn summary(row: &ClaimRow, claim: &Claim, papers: &[Task]) -> ClaimSummary {
    ClaimSummary {
        claim_no: row.no.clone(),
        incident: row.incident.clone(),
        lob: row.lob,
        stage: claim.stage,
        // Somebody who only follows the stages has nothing to do.
        turn: if row.part.is_whole() {
            claim.turn(papers)
        } else {
            Turn::Insurer
        },
        reported_at: row.reported_at,
        place: row.notice.place.text.clone(),
    }
}

/// One claim with its documents and events.
#[utoipa::path(get, path = "/api/v1/claims/{no}", params(("no" = String, Path)), responses((status = 200, body = ClaimView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn show(
    Claimant {
        session,
        phone,
        claim,
    }: Claimant,
    State(app): State<App>,
) -> Result<Json<ClaimView>> {
    Ok(Json(
        view(&app, &mut app.store.read().await?, claim, &session, &phone).await?,
    ))
}

/// A claim as a signed-in party sees it.
pub async fn view(
    app: &App,
    db: &mut Db,
    claim: ClaimRow,
    session: &Session,
    phone: &str,
) -> Result<ClaimView> {
    let subject = session.subject.as_str();
    let events = events::after(db, &claim.id, 0).await?;
    let state = Claim::replay(claim.lob, &events);
    let folder = papers::folder(db, &claim).await?;
    let deadlines = attendant::deadlines_of(app, &claim, &state, &folder, now());
    let fast = attendant::is_fast(app, &claim, &state, &folder);
    let catastrophe = catastrophes::words_for(db, &claim.id).await?;
    let papers = papers::tasks(app, db, &claim, &state, &folder).await?;
    let part = claim.part;
    let policy = policies::of_claim(db, &claim.id).await?;
    let left = papers::left(db, &claim.id).await?;
    let own = documents::own(db, &claim.id, subject).await?;
    let mut documents: Vec<_> = documents::of_claim(db, &claim.id)
        .await?
        .iter()
        .map(documents::Handed::view)
        .collect::<Result<_>>()?;
    let mut folder = mask::folder(folder);
    // Documents proving a payee: each payee sees only their own.
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
    let summary = summary(&claim, &state, &papers);
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
        insured: policy
            .as_ref()
            .and_then(|p| papers::insured_of(p, &claim))
            .map(|p| p.name.clone()),
        signer: papers::signer(db, &claim, phone).await?,
        own_report: phone == claim.notice.reporter.phone,
        gaps: if part.is_whole() {
            state.gaps(&papers)
        } else {
            Vec::new()
        },
        covers: policy
            .as_ref()
            .map(|p| covers_of(p, &left))
            .unwrap_or_default(),
        payable: policy
            .as_ref()
            .map(|p| payees::hints(p, &claim, &state))
            .unwrap_or_default(),
        papers: if part.is_whole() { papers } else { Vec::new() },
        catastrophe,
    };
    if view.limited {
        // Reporters see what they said; others who may follow see only the progress.
        if part.role != Role::Reporter {
            let none = Notice {
                narrative: String::new(),
                policy: Default::default(),
                reporter: Default::default(),
                ..view.notice
            };
            view.notice = none;
        }
        view.folder = Folder {
            files: view.folder.files,
            ..Folder::default()
        };
        view.insured = None;
        view.amount_fen = None;
        view.covers = Vec::new();
        view.payable = Vec::new();
    }
    Ok(view)
}

/// What the policy covers, and how much of it is left.
pub fn covers_of(policy: &Policy, left: &[Left]) -> Vec<CoverView> {
    let of = |cover: &Cover| {
        let left = left
            .iter()
            .find(|l| l.cover == cover.code)
            .map_or(cover.sum_fen, |l| l.fen);
        CoverView {
            cover: cover.clone(),
            left_fen: left,
        }
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
    Claimant { claim, .. }: Claimant,
    State(app): State<App>,
    after: std::result::Result<Query<After>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response> {
    let Query(After { after }) = after.map_err(|_| ProblemCode::MalformedJson)?;
    let events = events::after(&mut app.store.read().await?, &claim.id, after).await?;
    let events: Vec<Event> = events.into_iter().map(|e| claim.part.shown(e)).collect();
    let tag = format!("\"{}\"", events.last().map_or(after, |e| e.seq));
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|v| v.as_bytes() == tag.as_bytes());
    let mut response = match known && events.is_empty() {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Json(Timeline {
            events,
            server_time: now(),
        })
        .into_response(),
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
    Claimant { claim, .. }: Claimant,
    State(app): State<App>,
    request: Request,
) -> Result<Response> {
    let Step { what } = body::json(request).await?;
    let limited = !claim.part.is_whole();
    let at = now();
    let what = match what {
        // `by_phone` is the only field that could pretend to be staff.
        EventKind::AssessmentAccepted { version, .. } => EventKind::AssessmentAccepted {
            version,
            by_phone: false,
        },
        EventKind::ComplaintFiled { about, wish, .. } => {
            let (number, owner) = complaint(&app, at).await?;
            EventKind::ComplaintFiled {
                number,
                about,
                wish,
                owner,
            }
        }
        // These have routes with their own checks.
        EventKind::DocumentReceived { .. }
        | EventKind::Requested { .. }
        | EventKind::PayeesNamed { .. }
        | EventKind::Corrected { .. } => {
            return Err(ProblemCode::NotAllowed.into());
        }
        other => other,
    };
    let anybodys = matches!(
        what,
        EventKind::Wrote { .. } | EventKind::PersonAsked { .. } | EventKind::ComplaintFiled { .. }
    );
    // Only the holder can say 这不是我报的; people who act for the holder reported it themselves.
    if what == EventKind::Disowned && claim.part.role != Role::Owner {
        return Err(ProblemCode::NotThisPerson.into());
    }
    if limited && !anybodys {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let mut tx = app.store.begin().await?;
    let event = log::append(
        &app,
        &mut tx,
        (&claim.id, claim.lob),
        &Actor::Customer,
        what,
        at,
    )
    .await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok((StatusCode::CREATED, Json(event)).into_response())
}

/// The number of a new complaint, and who answers it.
async fn complaint(app: &App, at: Moment) -> Result<(String, String)> {
    let number = format!(
        "TS{}{:06}",
        local_day(at).compact(),
        u32::from_le_bytes(random::<4>()) % 1_000_000
    );
    let owner = staff::at_desk(&mut app.store.read().await?, Desk::Supervisor)
        .await?
        .into_iter()
        .next();
    Ok((
        number,
        owner.unwrap_or_else(|| app.deployment.insurer.zh.clone()),
    ))
}

/// Corrects the reporter's name or phone. We log that the field changed, never its value. The new
/// number is called and written to; signing in with it shows nothing, since nobody has proved that
/// it is theirs.
#[utoipa::path(put, path = "/api/v1/claims/{no}/reporter", params(("no" = String, Path)), request_body = Correction,
    responses((status = 200, body = Event), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn correct(
    Claimant { phone, claim, .. }: Claimant,
    State(app): State<App>,
    request: Request,
) -> Result<Json<Event>> {
    // Only the reporter knows their own name.
    if phone != claim.notice.reporter.phone {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let Correction { name, phone } = body::json(request).await?;
    let mut notice = claim.notice.clone();
    let mut errors = Vec::new();
    let mut checked = |field: &str, verdict: Verdict| match verdict {
        Verdict::Ok(good) | Verdict::Warn(good, _) => Some(good),
        Verdict::Err(finding) => {
            errors.push(FieldError::new(format!("/{field}"), finding));
            None
        }
    };
    let (name, phone) = (
        checked("name", validate::name(&name)),
        checked("phone", validate::mobile(&phone)),
    );
    let (Some(name), Some(phone)) = (name, phone) else {
        return Err(Problem::validation(errors).into());
    };
    let mut fields = Vec::new();
    for (field, old, new) in [
        ("name", &mut notice.reporter.name, name),
        ("phone", &mut notice.reporter.phone, phone),
    ] {
        if *old != new {
            fields.push(field.to_owned());
            *old = new;
        }
    }
    let mut tx = app.store.begin().await?;
    let event = log::append(
        &app,
        &mut tx,
        (&claim.id, claim.lob),
        &Actor::Customer,
        EventKind::Corrected { fields },
        now(),
    )
    .await?;
    claims::keep_notice(&mut tx, &claim.id, &notice).await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok(Json(event))
}

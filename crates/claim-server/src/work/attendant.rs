//! What the server does on its own, after each event and as time passes: it writes messages,
//! reports each missed deadline once and names the person responsible, sends reminders, closes and
//! archives.
//!
//! Promise: everything here follows from the events and the clock, so a crash loses nothing:
//! unprocessed events are found again. It never rejects anything (个人信息保护法第二十四条).

use claim_api::ProblemCode;
use claim_domain::deadlines::{Clock, Deadline, Terms, deadlines};
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Actor, Claim, Desk, EventKind, Stage, Turn};
use claim_domain::{Moment, local_day};
use tracing::Instrument as _;

use super::{delivery, hooks, keys, log, messages, papers, policies};
use crate::failure::{Failure, Result};
use crate::store::claims::{self, ClaimRow};
use crate::store::snapshot::Snapshot;
use crate::store::{Db, Tx, events, policies as kept_policies, staff};
use crate::{App, now, traces};

const DAY: i64 = 86_400;
/// Days after which a customer who has to do something is reminded; then every fortnight.
const REMINDERS: [i64; 3] = [1, 3, 7];
const FORTNIGHT: i64 = 14;

/// Looks at a claim whose events were just committed. [`tick`] catches up on failures.
pub async fn attend(app: &App, claim_id: &str) {
    let looked = look(app, claim_id).instrument(traces::work("attend"));
    if let Err(failure) = looked.await {
        failure.problem();
    }
    app.news.tell(claim_id);
    delivery::begin(app);
    hooks::begin(app);
}

/// Looks for policies in the background: the insurer's system may be slow. One search at a time.
pub fn search(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        let Ok(_alone) = app.searching.try_lock() else {
            return;
        };
        if let Err(failure) = search_all(&app).await {
            failure.problem();
        }
    });
}

async fn search_all(app: &App) -> Result<()> {
    let due = kept_policies::looked_for(&mut app.store.read().await?, now()).await?;
    for (claim_id, tries) in due {
        if policies::search(app, &claim_id, tries).await? {
            attend(app, &claim_id).await;
        }
    }
    Ok(())
}

/// Runs periodically: does whatever is due, and whatever a crash left undone.
pub async fn tick(app: &App) -> Result<()> {
    if let Err(failure) = keys::refresh(app).await {
        failure.problem();
    }
    let due = claims::due(&mut app.store.read().await?, now()).await?;
    for claim_id in due {
        attend(app, &claim_id).await;
    }
    delivery::begin(app);
    hooks::begin(app);
    search(app);
    Ok(())
}

/// The deadlines of a claim as of now.
pub fn deadlines_of(
    app: &App,
    row: &ClaimRow,
    claim: &Claim,
    folder: &Folder,
    at: Moment,
) -> Vec<Deadline> {
    let facts = papers::facts(app, row, claim, folder);
    let (promises, calendar) = (&app.deployment.promises, &app.deployment.calendar);
    deadlines(
        claim,
        &Terms {
            promises,
            calendar,
            facts: &facts,
            loss_at: row.notice.loss_at,
        },
        at,
    )
}

/// Whether this is 小额快赔, as far as is known now.
pub fn is_fast(app: &App, row: &ClaimRow, claim: &Claim, folder: &Folder) -> bool {
    !claim.stage.is_over()
        && app
            .deployment
            .promises
            .fast_track(claim, &papers::facts(app, row, claim, folder))
            .is_ok()
}

async fn look(app: &App, claim_id: &str) -> Result<()> {
    let at = now();
    let mut tx = app.store.begin_patiently().await?;
    let row = claims::by_id(&mut tx, claim_id).await?;
    let of = (claim_id, row.lob);
    let mut attended = claims::attended(&mut tx, claim_id).await?;
    // Events that the server adds are processed as well; it adds each only once, so this loop ends.
    let (due, overdue) = loop {
        let Snapshot {
            claim, last_step, ..
        } = events::snapshot(&mut tx, claim_id, row.lob).await?;
        for event in events::after(&mut tx, claim_id, attended).await? {
            messages::tell(app, &mut tx, &row, &event, at).await?;
        }
        attended = claim.seq;
        let folder = papers::folder(&mut tx, &row).await?;
        let all = deadlines_of(app, &row, &claim, &folder, at);
        let Some(what) = by_itself(app, &mut tx, &claim, &all, at).await? else {
            let turn = claim.turn(&papers::tasks(app, &mut tx, &row, &claim, &folder).await?);
            let waits = last_step.filter(|_| turn == Turn::Customer);
            if let Some((since, seq)) = waits {
                remind(app, &mut tx, &row, since, seq, at).await?;
            }
            break (
                next_look(app, &claim, waits.map(|w| w.0), &all, at),
                all.iter().filter(|d| d.is_overdue(at)).count(),
            );
        };
        match log::append(app, &mut tx, of, &Actor::System, what, at).await {
            Ok(_) => {}
            Err(Failure::Problem(problem))
                if matches!(
                    problem.code,
                    ProblemCode::NotAllowed | ProblemCode::Validation
                ) =>
            {
                tracing::error!(
                    code = problem.code.as_str(),
                    "an automatic step was refused"
                );
                break (None, 0);
            }
            Err(failure) => return Err(failure),
        }
    };
    claims::keep_attended(&mut tx, claim_id, attended, due, overdue).await?;
    tx.commit().await
}

/// The next thing the server does to this claim by itself, if any.
async fn by_itself(
    app: &App,
    db: &mut Db,
    claim: &Claim,
    all: &[Deadline],
    at: Moment,
) -> Result<Option<EventKind>> {
    if let Some(missed) = all
        .iter()
        .find(|d| d.is_overdue(at) && !claim.escalated.contains(&d.id))
    {
        let to = staff::at_desk(db, Desk::Supervisor)
            .await?
            .into_iter()
            .next();
        let by = app
            .deployment
            .calendar
            .after_working_days(at, 1)
            .begins()
            .plus_seconds(18 * 3600);
        let to = to.unwrap_or_else(|| app.deployment.insurer.zh.clone());
        return Ok(Some(EventKind::Escalated {
            deadline: missed.id.clone(),
            to,
            by,
        }));
    }
    Ok(ending(app, claim)
        .filter(|(due, _)| *due <= at)
        .map(|(_, what)| what))
}

/// When and how a finished claim is closed or archived.
fn ending(app: &App, claim: &Claim) -> Option<(Moment, EventKind)> {
    let days = i64::from(app.deployment.promises.archive_days);
    if claim.review().is_some() || claim.complaint().is_some() {
        return None;
    }
    match claim.stage {
        Stage::Paid => Some((claim.paid_at?.plus_seconds(DAY), EventKind::Closed)),
        Stage::Rejected | Stage::NotAccepted | Stage::Withdrawn => {
            Some((claim.ended_at?.plus_seconds(days * DAY), EventKind::Closed))
        }
        Stage::Approved if claim.due_fen() == 0 => Some((
            claim.decided_at?.plus_seconds(days * DAY),
            EventKind::Closed,
        )),
        Stage::Closed => Some((
            claim.ended_at?.plus_seconds(2 * days * DAY),
            EventKind::Archived,
        )),
        _ => None,
    }
}

/// Days from the start of a wait to each reminder; the sequence never ends.
fn reminders() -> impl Iterator<Item = i64> {
    REMINDERS
        .into_iter()
        .chain((1..).map(|n| REMINDERS[2] + n * FORTNIGHT))
}

async fn remind(
    app: &App,
    tx: &mut Tx,
    row: &ClaimRow,
    since: Moment,
    seq: u32,
    at: Moment,
) -> Result<()> {
    // Only the latest one due: after a week of downtime, the server does not send three.
    let due = reminders()
        .take_while(|days| at.0 >= since.0 + days * DAY)
        .last();
    match due {
        Some(days) => messages::remind(app, tx, row, seq, days, at).await,
        None => Ok(()),
    }
}

fn next_look(
    app: &App,
    claim: &Claim,
    waits: Option<Moment>,
    all: &[Deadline],
    at: Moment,
) -> Option<Moment> {
    let running = all.iter().filter(|d| {
        d.met.is_none()
            && !d.paused
            && d.clock != Clock::Limitation
            && !claim.escalated.contains(&d.id)
    });
    let reminder = waits.and_then(|since| {
        reminders()
            .map(|days| since.plus_seconds(days * DAY))
            .find(|r| *r > at)
    });
    let times = running
        .map(|d| d.due)
        .chain(ending(app, claim).map(|(due, _)| due))
        .chain(reminder);
    // Paused deadlines are looked at when they resume; a daily look updates the queue's day count.
    let daily = (!claim.stage.is_over()).then(|| local_day(at).ends());
    times.chain(daily).min()
}

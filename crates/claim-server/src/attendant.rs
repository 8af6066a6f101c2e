//! What the insurer's machine does by itself: after each event, and when time has passed. It writes messages, notices
//! missed deadlines once and names who answers for them, reminds, closes and archives.
//!
//! Promise: everything here follows from the events and the clock, so a fall in between loses nothing: what was not
//! attended to is found again. It never rejects anything (个人信息保护法第二十四条).

use claim_api::ProblemCode;
use claim_domain::catalog::Facts;
use claim_domain::deadlines::{Clock, Deadline, Terms, deadlines};
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Actor, Claim, Desk, Kind, Stage, Standing, Turn, What};
use claim_domain::{Moment, local_day};
use sqlx::SqliteConnection;

use crate::claims::Stored;
use crate::failure::{Failure, Result};
use crate::snapshot::Snapshot;
use crate::{App, documents, messages, now, policies, standing, store};

const DAY: i64 = 86_400;
/// Days after which a customer who has to do something is reminded; then every fortnight.
const REMINDERS: [i64; 3] = [1, 3, 7];
const FORTNIGHT: i64 = 14;

pub async fn stored(app: &App, claim_id: &str) -> Result<Stored> {
    stored_in(app, &mut *app.store.read.acquire().await?, claim_id).await
}

/// The same within a transaction.
pub async fn stored_in(app: &App, db: &mut SqliteConnection, claim_id: &str) -> Result<Stored> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {} FROM claim c WHERE c.id = ?", Stored::COLUMNS)))
        .bind(claim_id)
        .fetch_one(db)
        .await?;
    Stored::of(app, &row)
}

/// Looks at a claim whose events were just committed. What fails is found again by [`tick`].
pub async fn attend(app: &App, claim_id: &str) {
    if let Err(failure) = look(app, claim_id).await {
        failure.problem();
    }
    announce(app, claim_id);
    deliver(app);
}

/// Sends messages beside everything else: a slow gateway holds nothing up.
fn deliver(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(failure) = messages::deliver(&app).await {
            failure.problem();
        }
    });
}

/// Looks for policies beside everything else: the insurer's system may be slow.
pub fn search(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(failure) = policies::search(&app).await {
            failure.problem();
        }
    });
}

/// Wakes the streams of a claim, and no others.
pub fn announce(app: &App, claim_id: &str) {
    app.news.tell(claim_id);
}

/// From time to time: whatever is due, whatever was left when the server fell.
pub async fn tick(app: &App) -> Result<()> {
    let due: Vec<String> =
        sqlx::query_scalar("SELECT id FROM claim WHERE attended_seq < seq UNION SELECT id FROM claim WHERE due_at <= ? LIMIT 500")
            .bind(now().0)
            .fetch_all(&app.store.read)
            .await?;
    for claim_id in due {
        attend(app, &claim_id).await;
    }
    deliver(app);
    search(app);
    Ok(())
}

/// The deadlines of a claim as of now.
pub fn deadlines_of(app: &App, stored: &Stored, claim: &Claim, folder: &Folder, at: Moment) -> Vec<Deadline> {
    let facts = facts_of(app, stored, claim, folder);
    let (promises, calendar) = (&app.deployment.promises, &app.deployment.calendar);
    deadlines(claim, &Terms { promises, calendar, facts: &facts, loss_at: stored.notice.loss_at }, at)
}

fn facts_of(app: &App, stored: &Stored, claim: &Claim, folder: &Folder) -> Facts {
    app.catalogue.with_implied(folder.facts(&stored.notice, claim.assessment.as_ref().map(|a| a.total_fen)))
}

/// 小额快赔, as far as it is known now.
pub fn is_fast(app: &App, stored: &Stored, claim: &Claim, folder: &Folder) -> bool {
    !claim.stage.is_over() && app.deployment.promises.fast_track(claim, &facts_of(app, stored, claim, folder)).is_ok()
}

/// The customer has read the letter of his refusal `seq`, or was told of it: the three days of article 24 end. Nothing
/// where it was delivered before, or decided anew meanwhile.
pub async fn letter_delivered(app: &App, tx: &mut SqliteConnection, stored: &Stored, seq: u32) -> Result<()> {
    let events = store::events(app, &mut *tx, &stored.id, 0).await?;
    let newest = events.iter().rfind(|e| e.what.kind() == Kind::Rejected).map(|e| e.seq);
    let claim = Claim::replay(stored.lob, &events);
    if newest == Some(seq) && claim.admit(&Actor::System, &What::LetterDelivered, &Standing::default()).is_ok() {
        store::append(app, tx, &stored.id, stored.lob, &Actor::System, What::LetterDelivered, now()).await?;
    }
    Ok(())
}

async fn look(app: &App, claim_id: &str) -> Result<()> {
    let stored = stored(app, claim_id).await?;
    let at = now();
    let mut tx = app.store.begin_patiently().await?;
    let mut attended: u32 = sqlx::query_scalar("SELECT attended_seq FROM claim WHERE id = ?").bind(claim_id).fetch_one(&mut *tx).await?;
    // What the machine adds is attended to as well; it adds each thing once, so this ends.
    let (due, overdue) = loop {
        let Snapshot { claim, last_step, .. } = Snapshot::of(app, &mut tx, claim_id, stored.lob).await?;
        for event in store::events(app, &mut tx, claim_id, attended).await? {
            messages::tell(app, &mut tx, &stored, &event, at).await?;
        }
        attended = claim.seq;
        let folder = documents::folder_in(app, &mut tx, &stored).await?;
        let all = deadlines_of(app, &stored, &claim, &folder, at);
        let Some(what) = by_itself(app, &mut tx, &claim, &all, at).await? else {
            let turn = claim.turn(&standing::tasks(app, &stored, &claim, &folder).await?);
            let waits = last_step.filter(|_| turn == Turn::Customer);
            if let Some((since, seq)) = waits {
                remind(app, &mut tx, &stored, since, seq, at).await?;
            }
            break (next_look(app, &claim, waits.map(|w| w.0), &all, at), all.iter().filter(|d| d.is_overdue(at)).count());
        };
        match store::append(app, &mut tx, claim_id, stored.lob, &Actor::System, what, at).await {
            Ok(_) => {}
            Err(Failure::Problem(problem)) if matches!(problem.code, ProblemCode::NotAllowed | ProblemCode::Validation) => {
                tracing::error!(code = problem.code.as_str(), "the attendant was refused");
                break (None, 0);
            }
            Err(failure) => return Err(failure),
        }
    };
    sqlx::query("UPDATE claim SET attended_seq = ?, due_at = ?, overdue = ? WHERE id = ?")
        .bind(attended)
        .bind(due.map(|d| d.0))
        .bind(i64::try_from(overdue).unwrap_or(i64::MAX))
        .bind(claim_id)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// The next thing that the machine does to this claim, if anything.
async fn by_itself(app: &App, tx: &mut SqliteConnection, claim: &Claim, all: &[Deadline], at: Moment) -> Result<Option<What>> {
    if let Some(missed) = all.iter().find(|d| d.is_overdue(at) && !claim.escalated.contains(&d.id)) {
        let to: Option<String> = sqlx::query_scalar("SELECT shown_as FROM staff WHERE desk = ? ORDER BY name LIMIT 1")
            .bind(Desk::Supervisor.as_str())
            .fetch_optional(&mut *tx)
            .await?;
        let by = app.deployment.calendar.after_working_days(at, 1).begins().plus_seconds(18 * 3600);
        let to = to.unwrap_or_else(|| app.deployment.insurer.zh.clone());
        return Ok(Some(What::Escalated { deadline: missed.id.clone(), to, by }));
    }
    Ok(ending(app, claim).filter(|(due, _)| *due <= at).map(|(_, what)| what))
}

/// When and how an ended claim is closed, and archived.
fn ending(app: &App, claim: &Claim) -> Option<(Moment, What)> {
    let days = i64::from(app.deployment.promises.archive_days);
    if claim.review().is_some() || claim.complaint().is_some() {
        return None;
    }
    match claim.stage {
        Stage::Paid => Some((claim.paid_at?.plus_seconds(DAY), What::Closed)),
        Stage::Rejected | Stage::NotAccepted | Stage::Withdrawn => Some((claim.ended_at?.plus_seconds(days * DAY), What::Closed)),
        Stage::Approved if claim.due_fen() == 0 => Some((claim.decided_at?.plus_seconds(days * DAY), What::Closed)),
        Stage::Closed => Some((claim.ended_at?.plus_seconds(2 * days * DAY), What::Archived)),
        _ => None,
    }
}

/// Days from the beginning of a wait to each reminder, without end.
fn reminders() -> impl Iterator<Item = i64> {
    REMINDERS.into_iter().chain((1..).map(|n| REMINDERS[2] + n * FORTNIGHT))
}

async fn remind(app: &App, tx: &mut SqliteConnection, stored: &Stored, since: Moment, seq: u32, at: Moment) -> Result<()> {
    // Only the newest of those that are due: a server that was down for a week does not send three.
    let due = reminders().take_while(|days| at.0 >= since.0 + days * DAY).last();
    match due {
        Some(days) => messages::remind(app, tx, stored, seq, days, at).await,
        None => Ok(()),
    }
}

fn next_look(app: &App, claim: &Claim, waits: Option<Moment>, all: &[Deadline], at: Moment) -> Option<Moment> {
    let running = all.iter().filter(|d| d.met.is_none() && !d.paused && d.clock != Clock::Limitation && !claim.escalated.contains(&d.id));
    let reminder = waits.and_then(|since| reminders().map(|days| since.plus_seconds(days * DAY)).find(|r| *r > at));
    let times = running.map(|d| d.due).chain(ending(app, claim).map(|(due, _)| due)).chain(reminder);
    // What stands still is looked at when it goes on; the days until then are counted once a day for the queue.
    let daily = (!claim.stage.is_over()).then(|| local_day(at).ends());
    times.chain(daily).min()
}

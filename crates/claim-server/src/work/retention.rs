//! Retention: what nobody has to keep any longer is erased, with a report.
//!
//! A claim is kept for as many years as `keep_years` says after it ended and after the cover of its
//! policy ended, whichever is later (保险法第八十七条: five years after the contract, ten if it runs
//! for more than one; 反洗钱法第三十四条: ten for identities and transactions); what is in dispute is
//! kept until it is not. Then purpose and duty have ended, and it has to go (个人信息保护法第十九条、
//! 第四十七条).

use claim_domain::lifecycle::{Claim, Overlay};
use claim_domain::{Day, Moment, local_day};
use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::store::events;
use crate::store::retention::{self, Ended};
use crate::{App, audit, now};

/// No law that applies asks for less.
pub const LEAST_YEARS: u32 = 10;

/// A line of the report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Claim {
        no: &'a str,
        /// Day of its last event.
        ended: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        policy_until: Option<String>,
        files: i64,
        /// Why it is kept all the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<&'static str>,
    },
    Total(Total),
}

/// What was erased, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    pub claims: u64,
    pub kept: u64,
    pub files: u64,
    /// Policies that no claim needs.
    pub policies: u64,
    pub dry_run: bool,
}

/// Why a claim that ended long ago is not erased.
fn reason(claim: &Claim, ended: &Ended) -> Option<&'static str> {
    if claim.seq != ended.seq {
        return Some("changed");
    }
    let holds = |overlay: &Overlay| !matches!(overlay, Overlay::AdvancePaid);
    claim
        .overlays()
        .into_iter()
        .find(holds)
        .map(Overlay::as_str)
}

/// How it is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Erases nothing.
    pub dry_run: bool,
    /// As it would be on another day; only for a dry run.
    pub on: Option<Day>,
    /// The operator has looked: the clock is right, although nothing has happened for a month.
    pub clock_is_right: bool,
}

/// A clock that is this far ahead of the newest event is not believed.
const QUIET_DAYS: i64 = 31;

/// Erases what is due, or only tells what would be; the report is one JSON object a line, written
/// before each claim is erased. It can be stopped at any time and run again.
///
/// # Errors
/// A sentence for the command line.
pub async fn run(
    app: &App,
    wish: Wish,
    out: &mut impl std::io::Write,
) -> std::result::Result<Total, String> {
    let today = wish.on.unwrap_or_else(|| local_day(now()));
    if !wish.dry_run {
        crate::store::schema::clear_stage(&app.options.data)?;
        let newest = async { retention::newest(&mut app.store.read().await?).await };
        let newest = newest.await.map_err(Failure::sentence)?;
        let (any, newest) = (newest > Moment(0), local_day(newest));
        if any && !wish.clock_is_right && newest.days_to(today) > QUIET_DAYS {
            return Err(format!(
                "today is {today}, and the newest event is of {newest}: if the clock is right, say --clock-is-right"
            ));
        }
    }
    let years = i32::try_from(app.options.keep_years.max(LEAST_YEARS)).unwrap_or(i32::MAX);
    let before = today.plus_years(-years).begins();
    let ended = async { retention::ended(&mut app.store.read().await?, before).await };
    let mut total = Total {
        dry_run: wish.dry_run,
        ..Total::default()
    };
    for ended in ended.await.map_err(Failure::sentence)? {
        let told = claim(app, &ended, wish.dry_run, out).await;
        match told.map_err(|f| format!("{}: {}", ended.no, f.sentence()))? {
            true => {
                total.claims += 1;
                total.files += ended.files.unsigned_abs();
            }
            false => total.kept += 1,
        }
    }
    let rest = rest(app, before, wish.dry_run).await;
    total.policies = rest.map_err(Failure::sentence)?;
    tell(out, &Line::Total(total)).map_err(|e| e.to_string())?;
    if !wish.dry_run && !app.store.settle().await.map_err(Failure::sentence)? {
        return Err("somebody reads an older state of the database, such as a backup: what was erased may still be in its log; run this again".into());
    }
    Ok(total)
}

fn tell(out: &mut impl std::io::Write, line: &Line) -> std::io::Result<()> {
    let text = serde_json::to_string(line).unwrap_or_default();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Erases one claim, unless something holds it; tells it first. Returns whether it is, or would be,
/// erased.
async fn claim(
    app: &App,
    ended: &Ended,
    dry_run: bool,
    out: &mut impl std::io::Write,
) -> Result<bool> {
    let line = |kept| Line::Claim {
        no: &ended.no,
        ended: local_day(ended.at).to_string(),
        policy_until: ended.policy_until.map(|until| local_day(until).to_string()),
        files: ended.files,
        kept,
    };
    let reason = |state: Result<Claim>| match state {
        Ok(state) => reason(&state, ended),
        // One that cannot be read keeps no other.
        Err(failure) => {
            failure.problem();
            Some("unreadable")
        }
    };
    if dry_run {
        let db = &mut app.store.read().await?;
        let kept = reason(events::state(db, &ended.id, ended.lob).await);
        tell(out, &line(kept))?;
        return Ok(kept.is_none());
    }
    let mut tx = app.store.begin_patiently().await?;
    let kept = reason(events::state(&mut tx, &ended.id, ended.lob).await);
    if kept.is_some() {
        tell(out, &line(kept))?;
        return Ok(false);
    }
    let files = retention::erase(&mut tx, &ended.id, now()).await?;
    // Told before: a claim that is erased is in the report whatever happens, if need be twice.
    tell(out, &line(None))?;
    let what = serde_json::json!({ "claim": ended.no });
    app.audit.say("erased", &audit::Who::Operator, what);
    tx.commit().await?;
    app.vault.forget(&ended.id);
    for file in files {
        if let Err(failure) = app.uploads.discard(&file).await {
            // Without its row it goes with the other strays (`Uploads::expire`), and without its key
            // nobody reads it.
            failure.problem();
        }
    }
    Ok(true)
}

/// Policies, and phones of which nothing is left.
async fn rest(app: &App, before: Moment, dry_run: bool) -> Result<u64> {
    let policies = retention::old_policies(&mut app.store.read().await?, before).await?;
    if dry_run {
        return Ok(policies.len() as u64);
    }
    for id in &policies {
        let mut tx = app.store.begin_patiently().await?;
        retention::erase_policy(&mut tx, id).await?;
        tx.commit().await?;
    }
    let mut tx = app.store.begin_patiently().await?;
    retention::forget_phones(&mut tx).await?;
    tx.commit().await?;
    Ok(policies.len() as u64)
}

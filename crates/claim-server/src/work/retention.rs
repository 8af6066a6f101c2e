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

/// Erases what is due today, or on another day, or only tells what would be; the report is one JSON
/// object a line. It can be stopped at any time and run again.
///
/// # Errors
/// A sentence for the command line.
pub async fn run(
    app: &App,
    on: Option<Day>,
    dry_run: bool,
    out: &mut impl std::io::Write,
) -> std::result::Result<Total, String> {
    let mut tell = |line: &Line| {
        let text = serde_json::to_string(line).unwrap_or_default();
        writeln!(out, "{text}").map_err(|e| e.to_string())
    };
    let years = i32::try_from(app.options.keep_years.max(LEAST_YEARS)).unwrap_or(i32::MAX);
    let today = on.unwrap_or_else(|| local_day(now()));
    let before = today.plus_years(-years).begins();
    let ended = async { retention::ended(&mut app.store.read().await?, before).await };
    let mut total = Total {
        dry_run,
        ..Total::default()
    };
    for ended in ended.await.map_err(Failure::sentence)? {
        let kept = claim(app, &ended, dry_run).await;
        let kept = kept.map_err(|f| format!("{}: {}", ended.no, f.sentence()))?;
        match kept {
            Some(_) => total.kept += 1,
            None => {
                total.claims += 1;
                total.files += ended.files.unsigned_abs();
            }
        }
        tell(&Line::Claim {
            no: &ended.no,
            ended: local_day(ended.at).to_string(),
            policy_until: ended.policy_until.map(|until| local_day(until).to_string()),
            files: ended.files,
            kept,
        })?;
    }
    total.policies = rest(app, before, dry_run)
        .await
        .map_err(Failure::sentence)?;
    tell(&Line::Total(total))?;
    Ok(total)
}

/// Erases one claim, unless something holds it; returns what.
async fn claim(app: &App, ended: &Ended, dry_run: bool) -> Result<Option<&'static str>> {
    if dry_run {
        let db = &mut app.store.read().await?;
        return Ok(reason(
            &events::state(db, &ended.id, ended.lob).await?,
            ended,
        ));
    }
    let mut tx = app.store.begin_patiently().await?;
    let reason = reason(&events::state(&mut tx, &ended.id, ended.lob).await?, ended);
    if reason.is_some() {
        return Ok(reason);
    }
    let files = retention::erase(&mut tx, &ended.id, now()).await?;
    tx.commit().await?;
    app.vault.forget(&ended.id);
    for file in files {
        app.uploads.discard(&file).await?;
    }
    let what = serde_json::json!({ "claim": ended.no });
    app.audit.say("erased", &audit::Who::Operator, what);
    Ok(None)
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
    app.store.settle().await?;
    Ok(policies.len() as u64)
}

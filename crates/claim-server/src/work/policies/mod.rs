//! Policies: our own table, filled from files; the insurer's own system, asked over HTTP; and how a
//! report finds its policy.
//!
//! Promise: a report never waits for the other system and never fails with it. A policy that could
//! not be found is looked for again in the background, and its holder is let in when it is.

mod import;
mod source;

use claim_domain::lifecycle::{Actor, Desk, EventKind, Stage};
use claim_domain::{Lob, Moment};

use super::log;
use crate::failure::{Failure, Result};
use crate::store::claims::{self, ClaimRow};
use crate::store::policies::{self, Source};
use crate::store::{Tx, events, parties, staff};
use crate::{App, mask, now};

pub use import::{Pages, export, import, read};
pub use source::{Ask, Insurer, PolicySource};

/// A failed look-up is retried after this many seconds, doubled each time up to an hour.
const FIRST_WAIT: i64 = 5;
const LONGEST_WAIT: i64 = 3600;
/// If there is no policy, we ask again once a day, for a fortnight: policies are entered late.
const DAY: i64 = 86_400;
const MOST_TRIES: i64 = 60;

/// Links a claim to its policy: its holder is let in, and the claim is registered if it waited for
/// that. The caller commits.
///
/// # Errors
/// `not-allowed` if a policy is already known.
pub async fn link(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    policy_id: &str,
    actor: &Actor,
    at: Moment,
) -> Result<()> {
    let number = policies::no(tx, policy_id).await?;
    claims::keep_policy(tx, &claim.id, policy_id).await?;
    let what = EventKind::PolicyFound {
        policy: mask::tail(&number),
    };
    log::append(app, tx, (&claim.id, claim.lob), actor, what, at).await?;
    parties::admit_owners(tx, &claim.id, policy_id).await?;
    register(app, tx, (&claim.id, claim.lob), at).await
}

/// A claim on a policy in force is registered at once, by whoever's turn it is at the intake desk;
/// not where nobody works there yet.
pub async fn register(app: &App, tx: &mut Tx, claim: (&str, Lob), at: Moment) -> Result<()> {
    if events::state(tx, claim.0, claim.1).await?.stage != Stage::Reported {
        return Ok(());
    }
    let desk = staff::at_desk(tx, Desk::Intake).await?;
    let turn = claims::about_how_many(tx).await? % desk.len().max(1);
    if let Some(handler) = desk.into_iter().nth(turn) {
        log::append(
            app,
            tx,
            claim,
            &Actor::System,
            EventKind::Registered { handler },
            at,
        )
        .await?;
    }
    Ok(())
}

/// Looks for the policy of a claim: first here, then in the insurer's system. Whether the claim has
/// changed.
pub async fn search(app: &App, claim_id: &str, tries: i64) -> Result<bool> {
    let at = now();
    let (claim, here) = {
        let mut db = app.store.read().await?;
        let claim = claims::by_id(&mut db, claim_id).await?;
        let here = policies::find(&mut db, None, &claim.notice, claim.lob).await?;
        (claim, here)
    };
    let answer = match &app.source {
        // No lock is held while the other system thinks. A claim that has its policy is here
        // because the policy is old.
        Some(source) if here.is_none() || claim.verified => source.find(&Ask::of(&claim)).await,
        _ => Ok(None),
    };
    let mut tx = app.store.begin().await?;
    if let Ok(Some(policy)) = &answer {
        policies::keep(&mut tx, policy, Source::Insurer, at).await?;
    }
    let found = policies::find(&mut tx, None, &claim.notice, claim.lob).await?;
    let linked = match found {
        Some(policy) if !claim.verified => {
            match link(app, &mut tx, &claim, &policy, &Actor::System, at).await {
                Ok(()) => true,
                // The claim has ended meanwhile, or was linked to its policy by hand.
                Err(Failure::Problem(_)) => {
                    drop(tx);
                    tx = app.store.begin().await?;
                    if let Ok(Some(policy)) = &answer {
                        policies::keep(&mut tx, policy, Source::Insurer, at).await?;
                    }
                    policies::look_later(&mut tx, claim_id, None).await?;
                    false
                }
                Err(failure) => return Err(failure),
            }
        }
        _ => {
            let wait = match &answer {
                Ok(_) if app.source.is_none() || claim.verified => None,
                Ok(_) => (tries < 14).then_some(DAY),
                Err(error) => {
                    tracing::warn!(%error, tries, "the policy look-up in the insurer's system failed");
                    (tries < MOST_TRIES).then_some((FIRST_WAIT << tries.min(10)).min(LONGEST_WAIT))
                }
            };
            policies::look_later(&mut tx, claim_id, wait.map(|wait| at.plus_seconds(wait))).await?;
            false
        }
    };
    tx.commit().await?;
    Ok(linked)
}

//! The state that a claim's log adds up to, stored beside it, so that adding an event, lists and
//! figures take the same time however long the log is. The log is the truth. A snapshot that is
//! missing, older than the log, or from another version of this program is rebuilt from it, and
//! `verify` compares the two.

use std::collections::BTreeMap;

use claim_domain::lifecycle::{Actor, Claim, Event, EventKind, StepKind};
use claim_domain::{Day, Lob, Moment, local_day};
use serde::{Deserialize, Serialize};

use super::{Db, claims, json};
use crate::failure::{Result, busy};
use crate::vault::DataKey;

/// Raised whenever the same log yields a different snapshot.
const VERSION: &str = "1";
/// How many unprompted events a customer may add in a day: no real person needs more.
const FREE_A_DAY: u16 = 200;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub claim: Claim,
    /// The time of the newest event.
    pub newest: Moment,
    /// The last step not taken by the customer: if it is their turn, it has been since then.
    pub last_step: Option<(Moment, u32)>,
    pub tally: Tally,
    /// The day of the customer's newest unprompted event, and how many there were that day.
    free: Option<(Day, u16)>,
}

/// Counts of events over all claims.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// By document: how often it was sent back.
    pub returned: BTreeMap<String, u32>,
    /// Why people disagreed, by cause.
    pub causes: BTreeMap<String, u32>,
    pub ratings: [u32; 5],
}

impl Snapshot {
    pub fn replay(lob: Lob, events: &[Event]) -> Snapshot {
        let claim = Claim::replay(lob, &[]);
        let mut snapshot = Snapshot {
            claim,
            newest: Moment(i64::MIN),
            last_step: None,
            tally: Tally::default(),
            free: None,
        };
        events.iter().for_each(|event| snapshot.apply(event));
        snapshot
    }

    pub fn apply(&mut self, event: &Event) {
        self.claim.apply(event);
        self.newest = event.at;
        if event.actor != Actor::Customer && event.what.kind() != StepKind::Escalated {
            self.last_step = Some((event.at, event.seq));
        }
        if event.actor == Actor::Customer && is_free(&event.what) {
            let day = local_day(event.at);
            let before = self
                .free
                .filter(|(free, _)| *free == day)
                .map_or(0, |(_, count)| count);
            self.free = Some((day, before.saturating_add(1)));
        }
        match &event.what {
            EventKind::DocumentJudged {
                document,
                accepted: false,
                ..
            } => *self.tally.returned.entry(document.clone()).or_default() += 1,
            EventKind::ReviewAnswered { cause, .. }
            | EventKind::ComplaintAnswered { cause, .. } => {
                *self.tally.causes.entry(cause.clone()).or_default() += 1;
            }
            EventKind::Rated { score, .. } => {
                if let Some(count) = self
                    .tally
                    .ratings
                    .get_mut(usize::from(*score).wrapping_sub(1))
                {
                    *count += 1;
                }
            }
            _ => {}
        }
    }

    /// # Errors
    /// `rate-limited` until the next day, if the customer has reached the limit for this one.
    pub fn allows(&self, actor: &Actor, what: &EventKind, at: Moment) -> Result<()> {
        let day = local_day(at);
        let full = self
            .free
            .is_some_and(|(free, count)| free == day && count >= FREE_A_DAY);
        if *actor == Actor::Customer && is_free(what) && full {
            return Err(busy(u32::try_from(day.ends().0 - at.0).unwrap_or(60)).into());
        }
        Ok(())
    }

    pub fn sealed(&self, key: &DataKey, claim_id: &str) -> String {
        key.seal(&place(claim_id), &json(self))
    }
}

/// The stored snapshot, if it includes the newest event.
pub(super) async fn kept(db: &mut Db, claim_id: &str) -> Result<Option<Snapshot>> {
    let row: Option<(u32, Option<String>)> =
        sqlx::query_as("SELECT seq, snapshot_sealed FROM claim WHERE id = ?")
            .bind(claim_id)
            .fetch_optional(db.sql())
            .await?;
    let Some((seq, Some(sealed))) = row else {
        return Ok(None);
    };
    let key = claims::key(db, claim_id).await?;
    let kept: Option<Snapshot> = key
        .open(&place(claim_id), &sealed)
        .and_then(|text| serde_json::from_str(&text).ok());
    Ok(kept.filter(|kept| kept.claim.seq == seq))
}

fn place(claim_id: &str) -> String {
    format!("claim.snapshot.{VERSION}/{claim_id}")
}

/// Whether an event counts towards the daily limit. Documents have limits of their own, and legal
/// deadlines run from a claim request.
fn is_free(what: &EventKind) -> bool {
    !matches!(
        what.kind(),
        StepKind::DocumentReceived | StepKind::Requested
    )
}

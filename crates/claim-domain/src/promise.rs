//! What the insurer promises beyond the law, by published rule: 小额快赔 and its times.

use serde::{Deserialize, Serialize};

use crate::calendar::Hours;
use crate::catalog::{Facts, Lob};
use crate::lifecycle::{Claim, Overlay};

/// Service promises of a deployment, from its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promises {
    /// Somebody calls within this many hours of the notice.
    pub contact_hours: u16,
    /// As the law says, unless the contract says otherwise (保险法第二十三条).
    pub determination_days: u16,
    pub payment_days: u16,
    pub reply_hours: u16,
    pub review_days: u16,
    pub decide_working_days: u16,
    /// An ended claim is archived after this many days.
    pub archive_days: u16,
    pub fast: Vec<FastTrack>,
}

/// One published rule of 小额快赔.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FastTrack {
    pub lob: Lob,
    pub incidents: Vec<String>,
    pub limit_fen: i64,
    /// Facts that must not hold.
    pub not: Vec<String>,
    pub hours: Hours,
    /// From the end of the survey to the assessment, while open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assess_minutes: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide_hours: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decide_working_days: Option<u16>,
    pub pay_hours: u16,
}

/// Why a claim has no fast track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// No rule covers such a loss.
    Kind,
    /// A fact that the rule excludes: somebody is hurt, property of others is damaged.
    Facts,
    Amount,
    /// Something has to be found out first.
    Unclear,
}

impl Promises {
    /// The rule that this claim falls under. Before it is assessed the amount does not count.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn fast_track(&self, claim: &Claim, facts: &Facts) -> Result<&FastTrack, Slow> {
        let fits =
            |rule: &&FastTrack| rule.lob == claim.lob && rule.incidents.contains(&facts.incident);
        let rule = self.fast.iter().find(fits).ok_or(Slow::Kind)?;
        if rule
            .not
            .iter()
            .any(|fact| facts.flags.get(fact) == Some(&true))
        {
            return Err(Slow::Facts);
        }
        if claim
            .assessment
            .as_ref()
            .is_some_and(|a| a.total_fen > rule.limit_fen)
        {
            return Err(Slow::Amount);
        }
        let unclear = [
            Overlay::Investigating,
            Overlay::Litigation,
            Overlay::AwaitingPolice,
        ]
        .iter()
        .any(|o| claim.marks.contains_key(o));
        if unclear || claim.objection.is_some() || !claim.reviews.is_empty() {
            Err(Slow::Unclear)
        } else {
            Ok(rule)
        }
    }
}

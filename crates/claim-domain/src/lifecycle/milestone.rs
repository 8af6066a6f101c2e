//! The timeline as people see it: one line for each stage.

use super::{Actor, Claim, Event, Stage};
use crate::Moment;
use crate::catalog::Lob;

/// One line of the timeline as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    pub stage: Stage,
    pub state: MilestoneState,
    /// When the stage was reached.
    pub at: Option<Moment>,
    pub actor: Option<Actor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MilestoneState {
    Done,
    Now,
    Next,
    /// Not needed for this claim: 无需.
    Skipped,
}

/// 报案 → 立案 → 查勘 → 定损 → 核赔 → 支付 → 结案, each done, now, next or skipped; a claim that ended otherwise
/// (未受理, 拒赔, 撤案) shows that end as its last line.
pub fn milestones(lob: Lob, events: &[Event]) -> Vec<Milestone> {
    use Stage as S;
    let path = [
        S::Reported,
        S::Registered,
        S::Surveying,
        S::Assessing,
        S::Adjudicating,
        S::Paying,
        S::Closed,
    ];
    let line_of = |stage: Stage| match stage {
        S::Assessed => S::Assessing,
        S::Approved | S::PaymentFailed => S::Paying,
        S::Paid | S::Archived => S::Closed,
        other => other,
    };
    let mut claim = Claim::new(lob);
    let mut reached: Vec<(Stage, Moment, Actor)> = Vec::new();
    for event in events {
        claim.apply(event);
        let line = line_of(claim.stage);
        if !reached.iter().any(|(s, ..)| *s == line) {
            reached.push((line, event.at, event.actor.clone()));
        }
    }
    let now = line_of(claim.stage);
    let ended = matches!(claim.stage, S::NotAccepted | S::Rejected | S::Withdrawn)
        || (line_of(claim.stage) == S::Closed
            && claim.paid_fen == 0
            && claim.approved_fen.is_none());
    let end = reached
        .iter()
        .map(|r| r.0)
        .find(|s| matches!(s, S::NotAccepted | S::Rejected | S::Withdrawn));
    let mut lines: Vec<Milestone> = Vec::new();
    for (place, stage) in path.into_iter().enumerate() {
        let hit = reached.iter().find(|(s, ..)| *s == stage);
        let passed = path
            .iter()
            .position(|s| *s == now)
            .is_some_and(|n| n > place);
        let state = match hit {
            Some(_) if stage == now && !matches!(claim.stage, S::Closed | S::Archived) => {
                MilestoneState::Now
            }
            Some(_) if passed || ended || matches!(claim.stage, S::Closed | S::Archived) => {
                MilestoneState::Done
            }
            _ if stage == S::Surveying && (!lob.is_surveyed() || passed) => MilestoneState::Skipped,
            _ if ended => continue,
            _ => MilestoneState::Next,
        };
        let (at, actor) = match hit {
            Some((_, at, actor)) if state != MilestoneState::Next => {
                (Some(*at), Some(actor.clone()))
            }
            _ => (None, None),
        };
        if !(ended && state == MilestoneState::Skipped) {
            lines.push(Milestone {
                stage,
                state,
                at,
                actor,
            });
        }
    }
    if let Some(end) = end.filter(|_| ended) {
        let (at, actor) = reached
            .iter()
            .find(|r| r.0 == end)
            .map(|r| (r.1, r.2.clone()))
            .unzip();
        let before = lines
            .iter()
            .position(|l| l.stage == S::Closed)
            .unwrap_or(lines.len());
        lines.insert(
            before,
            Milestone {
                stage: end,
                state: MilestoneState::Done,
                at,
                actor,
            },
        );
    }
    lines
}

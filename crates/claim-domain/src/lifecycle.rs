//! The claim after the report: an append-only log of events, replayed by one pure function.
//!
//! Promise: a stage changes only by an [`Event`]; replaying the same events gives the same
//! [`Claim`]. What an event carries ([`EventKind`]) is written for the customer's eyes: staff notes and
//! risk signals have no field here.

mod event;
mod gate;
#[cfg(test)]
mod gate_tests;
mod milestone;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::Lob;
use crate::documents::Task;
use crate::payees::{self, Due, Payee, PayeeKind};
pub use crate::payout::{Line, Work};

use crate::payout::Award;
use crate::validate::Code;
use crate::{Day, FieldError, Moment, money};

pub use event::{
    Actor, Check, Desk, Event, EventKind, Excuse, Eyes, Matter, Overlay, Point, Role, Stage,
    StepKind,
};
pub use gate::{Gap, Todo};
pub use milestone::{Milestone, MilestoneState, milestones};

/// Why a step may not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not from this stage; carries the stage.
    Stage(Stage),
    /// Not by this person.
    Actor,
    /// A fact that the step must carry is missing or wrong.
    Field(FieldError),
    /// Missing documents were asked for once already; only a supervisor may ask again, with a
    /// reason.
    SecondBatch,
    /// This step needs a second person.
    SamePerson,
    /// What still blocks payment.
    Gate(Vec<Gap>),
}

/// What a step depends on besides the log: the claim's documents, and what its policy still pays.
/// Without it nothing is decided and nothing paid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The whole task list.
    pub papers: Vec<Task>,
    /// The covers of the claim's policy, less what other claims were granted.
    pub covers: Vec<Left>,
}

/// What is left of one cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Left {
    pub cover: String,
    pub fen: i64,
    /// For an allowance: fen a day, and the most days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_fen: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_days: Option<u16>,
}

/// The state of one payee's account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The bank sent the money back and nobody has corrected it yet.
    pub wrong: bool,
    /// The instruction that is with the bank.
    pub ordered: Option<String>,
    /// The amount of this decision was paid.
    pub paid: bool,
}

/// Somebody whose role was proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlement {
    pub role: Role,
    pub who: String,
    pub until: Option<Day>,
}

/// Additional documents that were asked for and have not arrived yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplement {
    pub batch: u16,
    pub by: Actor,
    pub reason: String,
    pub until: Day,
    /// What has not come yet.
    pub wanted: Vec<String>,
}

/// Staff's verdict on a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub document: String,
    pub accepted: bool,
    pub reason: String,
}

/// The newest assessment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    pub version: u16,
    pub lines: Vec<Line>,
    pub total_fen: i64,
    pub at: Moment,
}

/// A review or a complaint that somebody has to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub at: Moment,
    /// The number of a complaint; empty for a review.
    pub number: String,
    /// A complaint: 15, 30 or 60 days.
    pub days: u16,
    pub answered: Option<Moment>,
}

/// A claim as its events left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub lob: Lob,
    pub stage: Stage,
    pub seq: u32,
    pub reported_at: Option<Moment>,
    /// When a member of staff first did something.
    pub contacted_at: Option<Moment>,
    pub registered_at: Option<Moment>,
    /// When the survey was done, or found unnecessary.
    pub surveyed_at: Option<Moment>,
    pub handler: Option<String>,
    pub assessment: Option<Assessment>,
    /// The customer's objection to the newest assessment: its reason and the lines.
    pub objection: Option<(String, Vec<u16>)>,
    /// The customer objected at least once: from then on their own quote or an appraiser's report
    /// is accepted.
    pub objected: bool,
    pub accepted: Option<u16>,
    pub accepted_at: Option<Moment>,
    /// Who asked for a second pair of eyes.
    pub asked_by: Option<String>,
    pub approved_fen: Option<i64>,
    /// The latest decision: by whom, when; since when another is awaited, after how many earlier
    /// ones.
    pub decided_by: Option<String>,
    pub decided_at: Option<Moment>,
    pub decides_from: Option<Moment>,
    pub cycle: u16,
    /// When customer and insurer agreed on the amount: payment is due within ten days.
    pub agreed_at: Option<Moment>,
    pub rejected_at: Option<Moment>,
    pub letter_at: Option<Moment>,
    /// The lines of the newest approval.
    pub awards: Vec<Award>,
    /// What was paid before it: advances, and what an earlier decision came to.
    pub paid_before_fen: i64,
    pub payees: Vec<Payee>,
    /// By the payee's number.
    pub accounts: BTreeMap<u16, Account>,
    /// Periods in which the amount was agreed but nobody could be paid: no account was named, or a
    /// wrong one.
    pub payee_waits: Vec<(Moment, Option<Moment>)>,
    pub instructions: Vec<String>,
    /// Everything that was paid, advances too.
    pub paid_fen: i64,
    pub paid_at: Option<Moment>,
    pub advance_asked: bool,
    pub advance_at: Option<Moment>,
    pub ended_at: Option<Moment>,
    /// When the claim request arrived.
    pub requested_at: Option<Moment>,
    /// Document and SHA-256 of every file that counts, and of those that were sent back (需要重传).
    pub received: Vec<(String, String)>,
    pub returned: Vec<(String, String)>,
    /// The latest for each document, until a new file arrives.
    pub verdicts: Vec<Verdict>,
    pub supplement: Option<Supplement>,
    /// Periods in which the insurer waited for the customer.
    pub waits: Vec<(Moment, Option<Moment>)>,
    /// Every additional document ever asked for, with the number of its files at the time; and why
    /// one cannot be provided.
    pub asked: BTreeMap<String, usize>,
    pub excused: BTreeMap<String, String>,
    /// Documents that staff waived, with the reason.
    pub waived: BTreeMap<String, String>,
    /// By whom.
    pub waived_by: BTreeSet<String>,
    /// How many batches were asked for; the law allows one.
    pub supplements: u16,
    /// What staff marked, with reason and expected end.
    pub marks: BTreeMap<Overlay, (String, Option<Day>)>,
    pub reviews: Vec<Asked>,
    pub complaints: Vec<Asked>,
    /// Since when the customer's message, or request to speak to a person, has been waiting.
    pub wrote_at: Option<Moment>,
    pub person_at: Option<Moment>,
    pub rated: bool,
    /// Missed deadlines already escalated.
    pub escalated: BTreeSet<String>,
    /// The insured person has died.
    pub deceased: bool,
    /// Since when the policyholder disowns the report, until that is settled.
    pub disowned_at: Option<Moment>,
    pub entitled: Vec<Entitlement>,
    /// What staff found out.
    pub established: BTreeMap<Matter, bool>,
    pub withdrawn_consents: BTreeSet<String>,
    /// Matched to one of our policies.
    pub verified: bool,
}

impl Claim {
    pub fn new(lob: Lob) -> Claim {
        Claim {
            lob,
            stage: Stage::Reported,
            seq: 0,
            reported_at: None,
            contacted_at: None,
            registered_at: None,
            surveyed_at: None,
            handler: None,
            assessment: None,
            objection: None,
            objected: false,
            accepted: None,
            accepted_at: None,
            asked_by: None,
            approved_fen: None,
            decided_by: None,
            decided_at: None,
            decides_from: None,
            cycle: 0,
            agreed_at: None,
            rejected_at: None,
            letter_at: None,
            awards: Vec::new(),
            paid_before_fen: 0,
            payees: Vec::new(),
            accounts: BTreeMap::new(),
            payee_waits: Vec::new(),
            instructions: Vec::new(),
            paid_fen: 0,
            paid_at: None,
            advance_asked: false,
            advance_at: None,
            ended_at: None,
            requested_at: None,
            received: Vec::new(),
            returned: Vec::new(),
            verdicts: Vec::new(),
            supplement: None,
            waits: Vec::new(),
            asked: BTreeMap::new(),
            excused: BTreeMap::new(),
            waived: BTreeMap::new(),
            waived_by: BTreeSet::new(),
            supplements: 0,
            marks: BTreeMap::new(),
            reviews: Vec::new(),
            complaints: Vec::new(),
            wrote_at: None,
            person_at: None,
            rated: false,
            escalated: BTreeSet::new(),
            deceased: false,
            disowned_at: None,
            entitled: Vec::new(),
            established: BTreeMap::new(),
            withdrawn_consents: BTreeSet::new(),
            verified: false,
        }
    }

    pub fn replay<'a>(lob: Lob, events: impl IntoIterator<Item = &'a Event>) -> Claim {
        let mut claim = Claim::new(lob);
        events.into_iter().for_each(|e| claim.apply(e));
        claim
    }

    /// The steps that `actor` may take now.
    pub fn allowed(&self, actor: &Actor) -> Vec<StepKind> {
        StepKind::ALL
            .iter()
            .copied()
            .filter(|k| k.is_for(actor) && self.leads_to(*k) && !self.is_same_person(*k, actor))
            .collect()
    }

    /// Whether `actor` may do `what` now, with all the facts it must carry.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn admit(
        &self,
        actor: &Actor,
        what: &EventKind,
        standing: &Standing,
    ) -> Result<(), Refusal> {
        if !what.kind().is_for(actor) {
            return Err(Refusal::Actor);
        }
        if !self.leads_to(what.kind()) {
            return Err(Refusal::Stage(self.stage));
        }
        if self.is_same_person(what.kind(), actor) {
            return Err(Refusal::SamePerson);
        }
        let supervisor = matches!(
            actor,
            Actor::Staff {
                desk: Desk::Supervisor,
                ..
            }
        );
        match what {
            EventKind::SupplementAsked { again_because, .. }
                if self.supplements > 0
                    && (!supervisor
                        || again_because.as_ref().is_none_or(|r| r.trim().is_empty())) =>
            {
                return Err(Refusal::SecondBatch);
            }
            EventKind::ComplaintExtended { special: true, .. } if !supervisor => {
                return Err(Refusal::Actor);
            }
            EventKind::PaymentOrdered { payee, .. } => {
                let gaps = self.gate(&standing.papers);
                if !gaps.is_empty() || self.account_of(*payee).is_none_or(|a| a.wrong) {
                    return Err(Refusal::Gate(gaps));
                }
            }
            EventKind::AdvancePaid { .. } => {
                let gaps = self.gate_of_advance();
                if !gaps.is_empty() {
                    return Err(Refusal::Gate(gaps));
                }
            }
            _ => {}
        }
        self.facts(what, &standing.covers)
    }

    fn is_same_person(&self, kind: StepKind, actor: &Actor) -> bool {
        let first = match kind {
            StepKind::Approved | StepKind::Rejected => &self.asked_by,
            // A 复核 by the person who decided would not be one.
            StepKind::ReviewAnswered => &self.decided_by,
            // Whoever decided, or waived a document, may not send the money as well.
            StepKind::PaymentOrdered if matches!(actor, Actor::Staff { name, .. } if self.waived_by.contains(name)) =>
            {
                return true;
            }
            StepKind::PaymentOrdered => &self.decided_by,
            _ => return false,
        };
        matches!(actor, Actor::Staff { name, .. } if first.as_ref() == Some(name))
    }

    fn account_of(&self, payee: u16) -> Option<&Account> {
        self.accounts.get(&payee)
    }

    /// What each payee is owed under the latest decision and has not been paid.
    pub fn dues(&self) -> Vec<Due> {
        let mut dues = payees::divide(&self.awards, self.paid_before_fen, &self.payees);
        dues.retain(|d| d.fen > 0 && self.account_of(d.payee).is_none_or(|a| !a.paid));
        dues
    }

    /// Of those, the ones that could be ordered now.
    pub fn payable(&self) -> Vec<Due> {
        let free = |d: &Due| {
            self.account_of(d.payee)
                .is_some_and(|a| !a.wrong && a.ordered.is_none())
        };
        self.dues().into_iter().filter(free).collect()
    }

    /// Instructions that are with the bank, and whose money it is.
    pub fn outstanding(&self) -> impl Iterator<Item = (u16, &str)> {
        self.accounts
            .iter()
            .filter_map(|(no, account)| Some((*no, account.ordered.as_deref()?)))
    }

    /// Money under this decision has gone out, or is on its way: nobody else may be named for it.
    fn is_being_paid(&self) -> bool {
        self.accounts
            .values()
            .any(|a| a.paid || a.ordered.is_some() || a.wrong)
    }

    /// The payee has died before being paid.
    fn is_dead(&self, payee: &Payee) -> bool {
        let settled = self
            .account_of(payee.no)
            .is_some_and(|a| a.paid || a.ordered.is_some());
        self.deceased && !settled && matches!(payee.kind, PayeeKind::Insured | PayeeKind::Agent)
    }

    fn has_wrong_account(&self) -> bool {
        self.accounts.values().any(|a| a.wrong)
    }

    /// How much of the approved amount is still to be paid.
    pub fn due_fen(&self) -> i64 {
        (self.approved_fen.unwrap_or(0) - self.paid_fen).max(0)
    }

    pub fn review(&self) -> Option<&Asked> {
        self.reviews.last().filter(|r| r.answered.is_none())
    }

    pub fn complaint(&self) -> Option<&Asked> {
        self.complaints.last().filter(|c| c.answered.is_none())
    }

    pub fn overlays(&self) -> Vec<Overlay> {
        let is = |overlay: &Overlay| match overlay {
            Overlay::Supplement => self.supplement.is_some(),
            Overlay::Objection => self.objection.is_some(),
            Overlay::Review => self.review().is_some(),
            Overlay::Complaint => self.complaint().is_some(),
            Overlay::AdvancePaid => self.advance_at.is_some(),
            Overlay::Disowned => self.disowned_at.is_some(),
            Overlay::Litigation if self.established.get(&Matter::CourtCase) == Some(&true) => true,
            marked => self.marks.contains_key(marked),
        };
        Overlay::ALL.into_iter().filter(is).collect()
    }

    fn leads_to(&self, kind: StepKind) -> bool {
        use Stage as S;
        let stage = self.stage;
        let open = !stage.is_over();
        match kind {
            StepKind::Reported => self.seq == 0,
            _ if self.seq == 0 => false,
            // No payment, decision or new participant until we know whose report this is.
            _ if self.disowned_at.is_some() && kind.moves_on() => false,
            StepKind::Registered | StepKind::NotAccepted => stage == S::Reported,
            StepKind::SurveyStarted | StepKind::SurveySkipped => {
                stage == S::Registered && self.lob.is_surveyed()
            }
            StepKind::SurveyReported => stage == S::Surveying,
            StepKind::SurveyRemarked => open && self.surveyed_at.is_some(),
            StepKind::Assessed => {
                stage == S::Assessing || (stage == S::Registered && !self.lob.is_surveyed())
            }
            StepKind::AssessmentAccepted => {
                stage == S::Assessed && self.accepted.is_none() && self.lob.is_surveyed()
            }
            StepKind::AssessmentObjected => stage == S::Assessed && self.lob.is_surveyed(),
            StepKind::ApprovalAsked => stage == S::Adjudicating && self.asked_by.is_none(),
            StepKind::Approved | StepKind::SentBack => stage == S::Adjudicating,
            // What was paid was certain, so no rejection after that.
            StepKind::Rejected => stage == S::Adjudicating && self.paid_fen == 0,
            StepKind::LetterDelivered => self.rejected_at.is_some() && self.letter_at.is_none(),
            StepKind::DecisionAgreed => stage == S::Approved && self.agreed_at.is_none(),
            // Once money goes out, only an account the bank sent it back from, or a dead payee, is
            // replaced.
            StepKind::PayeesNamed => {
                let replaceable =
                    self.has_wrong_account() || self.payees.iter().any(|p| self.is_dead(p));
                open && stage != S::Paid && (!self.is_being_paid() || replaceable)
            }
            StepKind::PaymentOrdered => {
                let agreed = stage == S::Approved && self.agreed_at.is_some();
                (agreed || matches!(stage, S::Paying | S::PaymentFailed))
                    && !self.payable().is_empty()
            }
            StepKind::Paid | StepKind::PaymentFailed => self.outstanding().next().is_some(),
            StepKind::AdvanceAsked => {
                self.may_advance() && !self.advance_asked && self.escalated.contains("advance")
            }
            // Nothing is certain before an assessment.
            StepKind::AdvancePaid => {
                self.may_advance() && self.payees.len() == 1 && self.assessment.is_some()
            }
            StepKind::Closed => match stage {
                S::Paid | S::NotAccepted | S::Rejected | S::Withdrawn => self.review().is_none(),
                S::Approved => self.due_fen() == 0,
                _ => false,
            },
            StepKind::Archived => {
                stage == S::Closed && self.review().is_none() && self.complaint().is_none()
            }
            StepKind::Reopened => {
                matches!(stage, S::Closed | S::Approved | S::PaymentFailed)
                    && self.outstanding().next().is_none()
            }
            StepKind::Withdrawn => open && !matches!(stage, S::Paying | S::PaymentFailed | S::Paid),
            StepKind::DocumentReceived => open || self.review().is_some(),
            StepKind::SupplementAsked => matches!(
                stage,
                S::Registered | S::Surveying | S::Assessing | S::Assessed | S::Adjudicating
            ),
            StepKind::SupplementExcused | StepKind::SupplementEnded => {
                open && self.supplement.is_some()
            }
            StepKind::DocumentJudged => {
                (open || self.review().is_some())
                    && !(self.received.is_empty() && self.returned.is_empty())
            }
            StepKind::PolicyFound => open && !self.verified,
            // Even after the end: whoever was refused may read why, and ask for a review.
            StepKind::Entitled => stage != S::Archived,
            StepKind::Established | StepKind::ConsentWithdrawn => open,
            StepKind::Disowned => {
                self.disowned_at.is_none()
                    && !matches!(stage, S::Archived | S::Paid)
                    && self.outstanding().next().is_none()
            }
            StepKind::DisownSettled => self.disowned_at.is_some(),
            StepKind::DocumentWaived => open || self.review().is_some(),
            // Once; what is added later comes as documents.
            StepKind::Requested => open && self.requested_at.is_none(),
            StepKind::Marked => open && self.marks.len() < Overlay::MARKED.len(),
            StepKind::Unmarked => open && !self.marks.is_empty(),
            StepKind::ReviewAsked => {
                self.review().is_none()
                    && (self.decided_at.is_some() || stage == S::NotAccepted)
                    && stage != S::Archived
            }
            // What is on its way to the bank is not called back.
            StepKind::ReviewAnswered => {
                self.review().is_some() && self.outstanding().next().is_none()
            }
            StepKind::ComplaintFiled => self.complaint().is_none() && stage != S::Archived,
            StepKind::ComplaintExtended => self.complaint().is_some_and(|c| c.days < 60),
            StepKind::ComplaintAnswered => self.complaint().is_some(),
            StepKind::Wrote => stage != S::Archived,
            StepKind::Answered => self.wrote_at.is_some(),
            StepKind::PersonAsked => self.person_at.is_none() && stage != S::Archived,
            StepKind::PersonCalled => self.person_at.is_some(),
            StepKind::Rated => {
                !self.rated
                    && self.review().is_none()
                    && (self.paid_at.is_some() || self.rejected_at.is_some())
            }
            StepKind::Corrected => stage != S::Archived,
            StepKind::Escalated => true,
        }
    }

    /// Requested, undecided, and no advance paid yet.
    fn may_advance(&self) -> bool {
        !self.stage.is_over()
            && self.requested_at.is_some()
            && self.decided_at.is_none()
            && self.advance_at.is_none()
    }

    fn facts(&self, what: &EventKind, covers: &[Left]) -> Result<(), Refusal> {
        let wrong = |field: &str, code: Code| {
            Err(Refusal::Field(FieldError::new(format!("/{field}"), code)))
        };
        let missing = |fields: &[(&str, &String)]| {
            let blank = fields.iter().find(|(_, value)| value.trim().is_empty());
            let long = fields
                .iter()
                .find(|(_, value)| value.chars().count() > 2000);
            match (blank, long) {
                (Some((field, _)), _) => wrong(field, Code::Required),
                (None, Some((field, _))) => wrong(field, Code::TooLong),
                (None, None) => Ok(()),
            }
        };
        let at_most = |field: &str, text: &String| {
            if text.chars().count() > 2000 {
                wrong(field, Code::TooLong)
            } else {
                Ok(())
            }
        };
        let all_checked = |checks: &[Check]| {
            if !Point::ALL
                .iter()
                .all(|p| checks.iter().filter(|c| c.point == *p).count() == 1)
                || checks.len() != 8
            {
                return wrong("checks", Code::Required);
            }
            if checks.iter().any(|c| !c.good && c.note.trim().is_empty()) {
                wrong("checks", Code::ReasonMissing)
            } else {
                Ok(())
            }
        };
        match what {
            EventKind::Registered { handler } => missing(&[("handler", handler)]),
            EventKind::NotAccepted {
                reason,
                text,
                next_step,
            } => missing(&[("reason", reason), ("text", text), ("next_step", next_step)]),
            EventKind::SurveyStarted { surveyor, .. } => missing(&[("surveyor", surveyor)]),
            EventKind::SurveyReported { report } => missing(&[("report", report)]),
            EventKind::SurveySkipped { reason } => missing(&[("reason", reason)]),
            EventKind::SurveyRemarked { text }
            | EventKind::Wrote { text }
            | EventKind::Answered { text } => missing(&[("text", text)]),
            EventKind::PersonCalled { text } => missing(&[("text", text)]),
            EventKind::PersonAsked { about } => at_most("about", about),
            EventKind::Assessed {
                version,
                lines,
                total_fen,
                answer,
            } => {
                if *version != self.assessment.as_ref().map_or(1, |a| a.version + 1) {
                    return wrong("version", Code::Malformed);
                }
                if lines.is_empty()
                    || lines.len() > 200
                    || lines.iter().any(|l| l.name.trim().is_empty())
                {
                    return wrong("lines", Code::Required);
                }
                let sum: i128 = lines.iter().map(|l| i128::from(l.fen)).sum();
                let payable = lines.iter().all(|l| (1..=money::MAX).contains(&l.fen))
                    && sum <= i128::from(money::MAX);
                if !payable || sum != i128::from(*total_fen) {
                    return wrong("total_fen", Code::AmountRange);
                }
                match (&self.objection, &self.assessment) {
                    (Some((_, objected)), Some(before)) => {
                        // Lines without an objection were accepted tacitly: each stays, as often as
                        // it was there.
                        let mut new: Vec<&Line> = lines.iter().collect();
                        let mut kept = |(i, line): (usize, &Line)| {
                            let free = objected.iter().any(|o| usize::from(*o) == i);
                            free || new
                                .iter()
                                .position(|l| *l == line)
                                .map(|same| new.swap_remove(same))
                                .is_some()
                        };
                        if !objected.is_empty() && !before.lines.iter().enumerate().all(&mut kept) {
                            return wrong("lines", Code::UnknownOption);
                        }
                        missing(&[("answer", answer)])
                    }
                    _ => at_most("answer", answer),
                }
            }
            EventKind::AssessmentAccepted { version, .. }
            | EventKind::AssessmentObjected { version, .. }
                if self.assessment.as_ref().map(|a| a.version) != Some(*version) =>
            {
                wrong("version", Code::Malformed)
            }
            EventKind::AssessmentObjected { reason, lines, .. } => {
                let there = self.assessment.as_ref().map_or(0, |a| a.lines.len());
                if lines.iter().any(|l| usize::from(*l) >= there) {
                    wrong("lines", Code::UnknownOption)
                } else {
                    missing(&[("reason", reason)])
                }
            }
            EventKind::Withdrawn { reason }
            | EventKind::SupplementEnded { reason }
            | EventKind::Reopened { reason } => missing(&[("reason", reason)]),
            EventKind::ApprovalAsked { to } => missing(&[("to", to)]),
            EventKind::Approved {
                amount_fen,
                basis,
                payout,
                awards,
                checks,
            } => {
                let Some(assessed) = &self.assessment else {
                    return wrong("amount_fen", Code::AmountRange);
                };
                if awards.is_empty() || awards.len() > 50 || payout.is_some() {
                    return wrong("awards", Code::Required);
                }
                for (i, award) in awards.iter().enumerate() {
                    let field = |name: &str| format!("awards/{i}/{name}");
                    let Some(left) = covers.iter().find(|l| l.cover == award.cover) else {
                        return wrong(&field("cover"), Code::UnknownOption);
                    };
                    if !award.payout.is_sound() || award.fen != award.payout.result_fen() {
                        return wrong(&field("fen"), Code::AmountRange);
                    }
                    let within = |days: &crate::payout::PerDay| {
                        left.daily_fen.is_some_and(|most| days.fen <= most)
                            && left.most_days.is_none_or(|most| days.days <= most)
                    };
                    if !award.payout.per_day.as_ref().is_none_or(within) {
                        return wrong(&field("days"), Code::AmountRange);
                    }
                    if let Some(unexplained) = award.unexplained() {
                        return wrong(&field(unexplained), Code::ReasonMissing);
                    }
                    missing(&[("name", &award.name), ("item", &award.item)])?;
                    // All lines of a cover together stay within what is left of it.
                    let of_cover: i128 = awards
                        .iter()
                        .filter(|a| a.cover == award.cover)
                        .map(|a| i128::from(a.fen))
                        .sum();
                    if of_cover > i128::from(left.fen) {
                        return wrong(&field("cap"), Code::AmountRange);
                    }
                }
                let losses: i128 = awards.iter().map(|a| i128::from(a.payout.loss_fen)).sum();
                if losses != i128::from(assessed.total_fen) {
                    return wrong("awards", Code::AmountRange);
                }
                let sum: i128 = awards.iter().map(|a| i128::from(a.fen)).sum();
                if i128::from(*amount_fen) != sum || *amount_fen > money::MAX {
                    return wrong("amount_fen", Code::AmountRange);
                }
                all_checked(checks)?;
                missing(&[("basis", basis)])
            }
            EventKind::Rejected {
                clause,
                facts,
                evidence,
                checks,
            } => {
                all_checked(checks)?;
                missing(&[("clause", clause), ("facts", facts), ("evidence", evidence)])
            }
            EventKind::SentBack { to, reason } => {
                let possible =
                    *to == Stage::Assessing || (*to == Stage::Surveying && self.lob.is_surveyed());
                if possible {
                    missing(&[("reason", reason)])
                } else {
                    wrong("to", Code::UnknownOption)
                }
            }
            EventKind::PayeesNamed { payees: named } => self
                .payees_are_good(named)
                .or_else(|(field, code)| wrong(field, code)),
            EventKind::PaymentOrdered { instruction, .. }
                if self.instructions.contains(instruction) =>
            {
                wrong("instruction", Code::Malformed)
            }
            EventKind::PaymentOrdered {
                instruction,
                payee,
                amount_fen,
            } => {
                let due = self.payable().into_iter().find(|d| d.payee == *payee);
                if due.is_none_or(|d| d.fen != *amount_fen) {
                    return wrong("payee", Code::UnknownOption);
                }
                missing(&[("instruction", instruction)])
            }
            EventKind::PaymentFailed { payee, .. } | EventKind::Paid { payee, .. }
                if self.outstanding().all(|(no, _)| no != *payee) =>
            {
                wrong("payee", Code::UnknownOption)
            }
            EventKind::PaymentFailed { reason, .. } => missing(&[("reason", reason)]),
            EventKind::Paid {
                amount_fen,
                reference,
                lines,
                payee,
                ..
            } => {
                let sum: i128 = lines.iter().map(|l| i128::from(l.fen)).sum();
                let due = self
                    .dues()
                    .into_iter()
                    .find(|d| d.payee == *payee)
                    .map(|d| d.fen);
                if due != Some(*amount_fen) || sum != i128::from(*amount_fen) {
                    return wrong("amount_fen", Code::AmountRange);
                }
                missing(&[("reference", reference)])
            }
            EventKind::AdvancePaid {
                amount_fen,
                reference,
            } => {
                let most = self
                    .assessment
                    .as_ref()
                    .map_or(0, |a| a.total_fen - self.paid_fen);
                if (1..=most).contains(amount_fen) {
                    missing(&[("reference", reference)])
                } else {
                    wrong("amount_fen", Code::AmountRange)
                }
            }
            EventKind::DocumentReceived {
                document, sha256, ..
            } => missing(&[("document", document), ("sha256", sha256)]),
            EventKind::SupplementAsked {
                batch,
                documents,
                reason,
                ..
            } => {
                if *batch != self.supplements + 1 {
                    return wrong("batch", Code::Malformed);
                }
                if documents.is_empty() {
                    wrong("documents", Code::Choose)
                } else {
                    missing(&[("reason", reason)])
                }
            }
            EventKind::SupplementExcused { document, reason } => {
                let wanted = self
                    .supplement
                    .as_ref()
                    .is_some_and(|s| s.wanted.contains(document));
                if wanted {
                    missing(&[("reason", reason)])
                } else {
                    wrong("document", Code::UnknownOption)
                }
            }
            EventKind::DocumentJudged {
                document,
                accepted,
                reason,
            } => {
                let of = |files: &[(String, String)]| files.iter().any(|(d, _)| d == document);
                // A document that was sent back may still be accepted.
                if !(of(&self.received) || (*accepted && of(&self.returned))) {
                    wrong("document", Code::UnknownOption)
                } else if *accepted {
                    Ok(())
                } else {
                    missing(&[("reason", reason)])
                }
            }
            EventKind::Requested { form_sha256, .. } => missing(&[("form_sha256", form_sha256)]),
            EventKind::Marked {
                overlay, reason, ..
            } => {
                let fresh = Overlay::MARKED.contains(overlay) && !self.marks.contains_key(overlay);
                if fresh {
                    missing(&[("reason", reason)])
                } else {
                    wrong("overlay", Code::UnknownOption)
                }
            }
            EventKind::Unmarked { overlay } if !self.marks.contains_key(overlay) => {
                wrong("overlay", Code::UnknownOption)
            }
            EventKind::ReviewAsked { reason, wish } => {
                missing(&[("reason", reason)]).and(at_most("wish", wish))
            }
            EventKind::ReviewAnswered { text, cause, .. }
            | EventKind::ComplaintAnswered { text, cause } => {
                missing(&[("text", text), ("cause", cause)])
            }
            EventKind::ComplaintFiled {
                number,
                about,
                wish,
                owner,
            } => missing(&[("about", about), ("number", number), ("owner", owner)])
                .and(at_most("wish", wish)),
            EventKind::ComplaintExtended { special, reason } => {
                // Complex first (to 30), special only after that (+30).
                let days = self.complaint().map_or(0, |c| c.days);
                if (days == 15) == *special {
                    wrong("special", Code::UnknownOption)
                } else {
                    missing(&[("reason", reason)])
                }
            }
            EventKind::Rated { score, text } => {
                if (1..=5).contains(score) {
                    at_most("text", text)
                } else {
                    wrong("score", Code::Choose)
                }
            }
            EventKind::Escalated { deadline, to, .. } => {
                if self.escalated.contains(deadline) {
                    wrong("deadline", Code::Malformed)
                } else {
                    missing(&[("to", to)])
                }
            }
            EventKind::Reported { .. }
            | EventKind::AssessmentAccepted { .. }
            | EventKind::LetterDelivered
            | EventKind::DecisionAgreed => Ok(()),
            EventKind::AdvanceAsked
            | EventKind::Closed
            | EventKind::Archived
            | EventKind::Unmarked { .. } => Ok(()),
            EventKind::PolicyFound { policy } => missing(&[("policy", policy)]),
            EventKind::Entitled {
                role,
                who,
                reason,
                proof,
                ..
            } => {
                if matches!(role, Role::Owner | Role::Reporter) {
                    return wrong("role", Code::UnknownOption);
                }
                // A paper proves something once somebody has accepted it.
                if !proof.is_empty()
                    && !self
                        .verdicts
                        .iter()
                        .any(|v| v.document == *proof && v.accepted)
                {
                    return wrong("proof", Code::DocumentMissing);
                }
                missing(&[("who", who), ("reason", reason)])
            }
            EventKind::Disowned => Ok(()),
            EventKind::DisownSettled { text, .. } => missing(&[("text", text)]),
            EventKind::DocumentWaived { document, reason } => {
                missing(&[("document", document), ("reason", reason)])
            }
            EventKind::Established {
                matter,
                holds,
                reason,
            } => {
                if self.established.get(matter).copied().unwrap_or(false) == *holds {
                    return wrong("holds", Code::UnknownOption);
                }
                missing(&[("reason", reason)])
            }
            EventKind::ConsentWithdrawn { consent }
                if self.withdrawn_consents.contains(consent) =>
            {
                wrong("consent", Code::UnknownOption)
            }
            EventKind::ConsentWithdrawn { consent } => missing(&[("consent", consent)]),
            EventKind::Corrected { fields } if fields.is_empty() => wrong("fields", Code::Required),
            EventKind::Corrected { .. } => Ok(()),
        }
    }

    /// The payees can share the payment, none is dead, and once money went out the list is
    /// unchanged.
    fn payees_are_good(&self, named: &[Payee]) -> Result<(), (&'static str, Code)> {
        payees::check(named).map_err(|fault| match fault {
            payees::Fault::Nobody => ("payees", Code::Required),
            payees::Fault::Shares => ("shares", Code::AmountRange),
            payees::Fault::Covers => ("covers", Code::UnknownOption),
        })?;
        for payee in named {
            let after_death = matches!(payee.kind, PayeeKind::Beneficiary | PayeeKind::Heir);
            let before_death = matches!(payee.kind, PayeeKind::Insured | PayeeKind::Agent);
            // Whoever was paid, or is being paid, stays in the list whatever has happened since.
            let unchanged =
                self.payees.contains(payee) && !self.is_dead(payee) && self.is_being_paid();
            if !unchanged && ((after_death && !self.deceased) || (before_death && self.deceased)) {
                return Err(("kind", Code::UnknownOption));
            }
            if payee.holder.trim().is_empty() || payee.holder.chars().count() > 200 {
                return Err(("holder", Code::Required));
            }
            if payee.last4.len() != 4 || !payee.last4.bytes().all(|b| b.is_ascii_digit()) {
                return Err(("card", Code::CardLength));
            }
        }
        if payees::unclaimed(&self.awards, named).is_some() {
            return Err(("covers", Code::Required));
        }
        if self.is_being_paid() {
            let same = |(old, new): (&Payee, &Payee)| {
                let free = self.account_of(old.no).is_some_and(|a| a.wrong);
                let same = old.kind == new.kind && old.share == new.share && (free || old == new);
                same || (self.is_dead(old) && old.share == new.share)
            };
            if named.len() != self.payees.len() || !self.payees.iter().zip(named).all(same) {
                return Err(("payees", Code::UnknownOption));
            }
        }
        Ok(())
    }

    /// Applies one event as it happened. [`Claim::admit`] does the checking: history is never
    /// questioned.
    pub fn apply(&mut self, event: &Event) {
        let at = event.at;
        self.seq = event.seq;
        if matches!(event.actor, Actor::Staff { .. }) {
            self.contacted_at.get_or_insert(at);
        }
        match &event.what {
            EventKind::Reported { verified, deceased } => {
                self.stage = Stage::Reported;
                self.reported_at = Some(at);
                self.verified = *verified;
                self.deceased = *deceased;
            }
            EventKind::Registered { handler } => {
                self.stage = Stage::Registered;
                self.handler = Some(handler.clone());
                self.registered_at.get_or_insert(at);
            }
            EventKind::NotAccepted { .. } => {
                self.ends(Stage::NotAccepted, at);
                self.decided_by = named(&event.actor);
            }
            EventKind::SurveyStarted { .. } => self.stage = Stage::Surveying,
            EventKind::SurveyReported { .. } | EventKind::SurveySkipped { .. } => {
                self.stage = Stage::Assessing;
                self.surveyed_at = Some(at);
            }
            EventKind::Assessed {
                version,
                total_fen,
                lines,
                ..
            } => {
                self.assessment = Some(Assessment {
                    version: *version,
                    lines: lines.clone(),
                    total_fen: *total_fen,
                    at,
                });
                // The objection is answered: whether any remains shows when the customer replies.
                self.objection = None;
                self.accepted = None;
                self.stage = Stage::Assessed;
                self.goes_to_adjudication();
            }
            EventKind::AssessmentAccepted { version, .. } => {
                self.accepted = Some(*version);
                self.accepted_at = Some(at);
                self.goes_to_adjudication();
            }
            EventKind::AssessmentObjected { reason, lines, .. } => {
                self.objection = Some((reason.clone(), lines.clone()));
                self.objected = true;
                self.stage = Stage::Assessing;
            }
            EventKind::ApprovalAsked { .. } => {
                self.asked_by = named(&event.actor);
            }
            EventKind::Approved {
                amount_fen,
                payout,
                awards,
                ..
            } => {
                self.stage = Stage::Approved;
                self.paid_before_fen = self.paid_fen;
                self.awards = awards.clone();
                for account in self.accounts.values_mut() {
                    account.paid = false;
                }
                self.approved_fen = Some(*amount_fen);
                self.decided_by = named(&event.actor);
                self.decided_at = Some(at);
                self.rejected_at = None;
                self.asked_by = None;
                // Decided without it: we no longer wait for documents.
                self.supplement = None;
                self.goes_on(at);
                let sums = payout.iter().chain(awards.iter().map(|a| &a.payout));
                if !sums.into_iter().any(crate::payout::Payout::is_partial) {
                    self.agrees(at);
                }
            }
            EventKind::Rejected { checks, .. } => {
                self.ends(Stage::Rejected, at);
                self.approved_fen = None;
                self.decided_by = named(&event.actor);
                self.decided_at = Some(at);
                self.rejected_at = Some(at);
                // Rejections without checks predate letters and were notified on paper.
                self.letter_at = checks.is_empty().then_some(at);
                self.asked_by = None;
            }
            EventKind::LetterDelivered => self.letter_at = Some(at),
            EventKind::SentBack { to, .. } => {
                self.stage = *to;
                self.asked_by = None;
                self.accepted = None;
            }
            EventKind::DecisionAgreed => self.agrees(at),
            EventKind::PayeesNamed { payees } => {
                for payee in payees {
                    let account = self.accounts.entry(payee.no).or_default();
                    if self.payees.iter().find(|p| p.no == payee.no) != Some(payee) {
                        account.wrong = false;
                    }
                }
                self.accounts
                    .retain(|no, _| payees.iter().any(|p| p.no == *no));
                self.payees.clone_from(payees);
                if !self.has_wrong_account() {
                    ended(&mut self.payee_waits, at);
                }
                self.moves_with_payments();
            }
            EventKind::PaymentOrdered {
                instruction, payee, ..
            } => {
                self.instructions.push(instruction.clone());
                self.accounts.entry(*payee).or_default().ordered = Some(instruction.clone());
                self.moves_with_payments();
            }
            EventKind::PaymentFailed { payee, .. } => {
                *self.accounts.entry(*payee).or_default() = Account {
                    wrong: true,
                    ..Account::default()
                };
                if self.payee_waits.last().is_none_or(|(_, to)| to.is_some()) {
                    self.payee_waits.push((at, None));
                }
                self.moves_with_payments();
            }
            EventKind::Paid {
                amount_fen, payee, ..
            } => {
                self.paid_fen += amount_fen;
                *self.accounts.entry(*payee).or_default() = Account {
                    paid: true,
                    ..Account::default()
                };
                self.moves_with_payments();
                if self.stage == Stage::Paid {
                    self.paid_at = Some(at);
                }
            }
            EventKind::AdvanceAsked => self.advance_asked = true,
            EventKind::AdvancePaid { amount_fen, .. } => {
                self.paid_fen += amount_fen;
                self.advance_at = Some(at);
            }
            EventKind::Closed => self.ends(Stage::Closed, at),
            EventKind::Archived => self.stage = Stage::Archived,
            EventKind::Reopened { .. } => self.decides_again(at),
            EventKind::Withdrawn { .. } => self.ends(Stage::Withdrawn, at),
            EventKind::DocumentReceived {
                document, sha256, ..
            } => {
                self.returned.retain(|(d, s)| d != document || s != sha256);
                self.received.push((document.clone(), sha256.clone()));
                self.verdicts.retain(|v| v.document != *document);
                self.supplied(document, at);
            }
            EventKind::SupplementAsked {
                batch,
                documents,
                reason,
                until,
                ..
            } => {
                for id in documents {
                    self.asked.insert(
                        id.clone(),
                        self.received.iter().filter(|(d, _)| d == id).count(),
                    );
                    self.excused.remove(id);
                }
                let (by, reason) = (event.actor.clone(), reason.clone());
                // What is missing from an earlier list stays wanted.
                let mut wanted = self.supplement.take().map(|s| s.wanted).unwrap_or_default();
                wanted.extend(
                    documents
                        .iter()
                        .filter(|d| !wanted.contains(d))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
                self.supplement = Some(Supplement {
                    batch: *batch,
                    by,
                    reason,
                    until: *until,
                    wanted,
                });
                self.supplements = *batch;
                if !self.waits.last().is_some_and(|(_, to)| to.is_none()) {
                    self.waits.push((at, None));
                }
            }
            EventKind::SupplementExcused { document, reason } => {
                self.excused.insert(document.clone(), reason.clone());
                self.supplied(document, at);
            }
            EventKind::SupplementEnded { .. } => {
                self.supplement = None;
                self.goes_on(at);
            }
            EventKind::DocumentJudged {
                document,
                accepted,
                reason,
            } => {
                self.verdicts.retain(|v| v.document != *document);
                self.verdicts.push(Verdict {
                    document: document.clone(),
                    accepted: *accepted,
                    reason: reason.clone(),
                });
                let of = |(d, _): &(String, String)| d == document;
                if !accepted {
                    self.returned
                        .extend(self.received.extract_if(.., |f| of(f)));
                } else if !self.received.iter().any(of) {
                    self.received
                        .extend(self.returned.extract_if(.., |f| of(f)));
                }
            }
            EventKind::Requested { .. } => {
                self.requested_at = Some(at);
                self.decides_from = Some(at);
                self.goes_to_adjudication();
            }
            EventKind::Marked {
                overlay,
                reason,
                until,
            } => drop(self.marks.insert(*overlay, (reason.clone(), *until))),
            EventKind::Unmarked { overlay } => drop(self.marks.remove(overlay)),
            EventKind::ReviewAsked { .. } => self.reviews.push(Asked {
                at,
                number: String::new(),
                days: 0,
                answered: None,
            }),
            EventKind::ReviewAnswered { overturned, .. } => {
                if let Some(review) = self.reviews.last_mut() {
                    review.answered = Some(at);
                }
                match (overturned, self.stage) {
                    (true, Stage::NotAccepted) => {
                        self.stage = Stage::Reported;
                        self.ended_at = None;
                    }
                    (true, _) => self.decides_again(at),
                    (false, _) => {}
                }
            }
            EventKind::ComplaintFiled { number, .. } => {
                self.complaints.push(Asked {
                    at,
                    number: number.clone(),
                    days: 15,
                    answered: None,
                });
            }
            EventKind::ComplaintExtended { special, .. } => {
                if let Some(complaint) = self.complaints.last_mut() {
                    complaint.days = if *special { 60 } else { 30 };
                }
            }
            EventKind::ComplaintAnswered { .. } => {
                if let Some(complaint) = self.complaints.last_mut() {
                    complaint.answered = Some(at);
                }
            }
            EventKind::Wrote { .. } => drop(self.wrote_at.get_or_insert(at)),
            EventKind::Answered { .. } => self.wrote_at = None,
            EventKind::PersonAsked { .. } => self.person_at = Some(at),
            EventKind::PersonCalled { .. } => self.person_at = None,
            EventKind::Rated { .. } => self.rated = true,
            EventKind::Escalated { deadline, .. } => drop(self.escalated.insert(deadline.clone())),
            EventKind::PolicyFound { .. } => self.verified = true,
            EventKind::Entitled {
                role, who, until, ..
            } => {
                self.entitled.push(Entitlement {
                    role: *role,
                    who: who.clone(),
                    until: *until,
                });
            }
            EventKind::Disowned => self.disowned_at = Some(at),
            EventKind::DisownSettled { genuine, .. } => {
                self.disowned_at = None;
                if !genuine && !self.stage.is_over() {
                    self.ends(Stage::NotAccepted, at);
                    self.decided_by = named(&event.actor);
                }
            }
            EventKind::DocumentWaived { document, reason } => {
                self.waived.insert(document.clone(), reason.clone());
                self.waived_by.extend(named(&event.actor));
                self.supplied(document, at);
            }
            EventKind::Established { matter, holds, .. } => {
                self.established.insert(*matter, *holds);
                if *matter == Matter::InsuredDeceased {
                    self.deceased = *holds;
                    // Payees named before the death no longer apply.
                    if *holds
                        && !self.is_being_paid()
                        && self.payees_are_good(&self.payees).is_err()
                    {
                        self.payees.clear();
                        self.accounts.clear();
                    }
                }
            }
            EventKind::ConsentWithdrawn { consent } => {
                self.withdrawn_consents.insert(consent.clone());
            }
            EventKind::SurveyRemarked { .. } | EventKind::Corrected { .. } => {}
        }
    }

    /// Once assessed, agreed on (if surveyed) and requested, a claim goes to adjudication.
    fn goes_to_adjudication(&mut self) {
        let agreed = !self.lob.is_surveyed() || self.accepted.is_some();
        if self.stage == Stage::Assessed && agreed && self.requested_at.is_some() {
            self.stage = Stage::Adjudicating;
        }
    }

    /// The stage while money is going out: paid when everybody is, failed when a payment came back
    /// and nothing else is on its way.
    fn moves_with_payments(&mut self) {
        if !self.is_being_paid()
            || !matches!(
                self.stage,
                Stage::Approved | Stage::Paying | Stage::PaymentFailed
            )
        {
            return;
        }
        let outstanding = self.outstanding().next().is_some();
        self.stage = if !outstanding && self.dues().is_empty() {
            Stage::Paid
        } else if !outstanding && self.has_wrong_account() {
            Stage::PaymentFailed
        } else {
            Stage::Paying
        };
    }

    /// From here on the money is owed.
    fn agrees(&mut self, at: Moment) {
        self.agreed_at = Some(at);
        if self.payees.is_empty() || self.has_wrong_account() {
            self.payee_waits.push((at, None));
        }
    }

    fn ends(&mut self, stage: Stage, at: Moment) {
        self.stage = stage;
        self.ended_at.get_or_insert(at);
        self.supplement = None;
        self.goes_on(at);
    }

    /// The decision is taken again; what was decided stays in the log.
    fn decides_again(&mut self, at: Moment) {
        self.stage = if self.assessment.is_some() {
            Stage::Adjudicating
        } else {
            Stage::Assessing
        };
        self.decided_at = None;
        self.decides_from = Some(at);
        self.cycle += 1;
        self.asked_by = None;
        self.agreed_at = None;
        // Nothing is owed: nobody waits for an account.
        ended(&mut self.payee_waits, at);
        self.awards.clear();
        self.accounts
            .values_mut()
            .for_each(|a| *a = Account::default());
        self.approved_fen = None;
        self.rejected_at = None;
        self.ended_at = None;
    }

    /// Nobody waits for the customer any longer.
    fn goes_on(&mut self, at: Moment) {
        ended(&mut self.waits, at);
    }

    /// Something came for a document of the supplement list; the list ends with its last.
    fn supplied(&mut self, document: &str, at: Moment) {
        let Some(supplement) = &mut self.supplement else {
            return;
        };
        supplement.wanted.retain(|d| d != document);
        if supplement.wanted.is_empty() {
            self.supplement = None;
            self.goes_on(at);
        }
    }
}

fn named(actor: &Actor) -> Option<String> {
    if let Actor::Staff { name, .. } = actor {
        Some(name.clone())
    } else {
        None
    }
}

fn ended(waits: &mut [(Moment, Option<Moment>)], at: Moment) {
    if let Some((_, to @ None)) = waits.last_mut() {
        *to = Some(at);
    }
}

/// Who has to do something next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    Customer,
    Insurer,
    Nobody,
}

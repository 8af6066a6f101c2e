//! The claim after the report: an append-only log of events, replayed by one pure function.
//!
//! Promise: a stage changes only by an [`Event`]; replaying the same events gives the same [`Claim`]. What an
//! event carries ([`What`]) is written for the customer's eyes: staff notes and risk signals have no field here.

mod event;
mod milestone;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::Lob;
use crate::validate::Code;
use crate::{Day, FieldError, Moment, money};

pub use event::{Actor, Check, Desk, Event, Excuse, Kind, Line, Overlay, Point, Stage, What, Work};
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
    /// What is missing was asked for once already; again only a supervisor may, with his reason.
    SecondBatch,
    /// Who asked for a second pair of eyes is not that pair.
    SamePerson,
}

/// What was asked for in addition and has not come yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supplement {
    pub batch: u16,
    pub by: Actor,
    pub reason: String,
    pub until: Day,
    /// What has not come yet.
    pub wanted: Vec<String>,
}

/// What staff found of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub document: String,
    pub accepted: bool,
    pub reason: String,
}

/// The newest assessment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    pub version: u16,
    pub lines: Vec<Line>,
    pub total_fen: i64,
    pub at: Moment,
}

/// Something asked that somebody has to answer: a review or a complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub at: Moment,
    /// The number of a complaint; empty for a review.
    pub number: String,
    /// A complaint: 15, 30 or 60 days.
    pub days: u16,
    pub answered: Option<Moment>,
}

/// A claim as its events left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub lob: Lob,
    pub stage: Stage,
    pub seq: u32,
    pub reported_at: Option<Moment>,
    /// When a person of the insurer first did something.
    pub contacted_at: Option<Moment>,
    pub registered_at: Option<Moment>,
    /// When the survey was done, or found unnecessary.
    pub surveyed_at: Option<Moment>,
    pub handler: Option<String>,
    pub assessment: Option<Assessment>,
    /// The customer's objection to the newest assessment: its reason and the lines.
    pub objection: Option<(String, Vec<u16>)>,
    /// He objected at least once: his own quote or an appraiser's report is taken from then on.
    pub objected: bool,
    pub accepted: Option<u16>,
    pub accepted_at: Option<Moment>,
    /// Who asked for a second pair of eyes.
    pub asked_by: Option<String>,
    pub approved_fen: Option<i64>,
    /// Of the newest decision: by whom, when; and since when one is awaited again, after how many earlier ones.
    pub decided_by: Option<String>,
    pub decided_at: Option<Moment>,
    pub decides_from: Option<Moment>,
    pub cycle: u16,
    /// When the customer's and the insurer's amount were the same: ten days until the money.
    pub agreed_at: Option<Moment>,
    pub rejected_at: Option<Moment>,
    pub letter_at: Option<Moment>,
    /// Masked holder and last four digits.
    pub payee: Option<(String, String)>,
    /// The bank sent the money back and nobody has corrected the account yet.
    pub payee_wrong: bool,
    /// When the money was agreed on and nobody could be paid: no account was named, or a wrong one.
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
    /// The newest of each document, until a new file of it comes.
    pub verdicts: Vec<Verdict>,
    pub supplement: Option<Supplement>,
    /// When the insurer began and ceased to wait for the customer.
    pub waits: Vec<(Moment, Option<Moment>)>,
    /// Every document that was ever asked for in addition, with the number of its files then; and why one cannot be had.
    pub asked: BTreeMap<String, usize>,
    pub excused: BTreeMap<String, String>,
    /// How many batches were asked for: one is the law's number.
    pub supplements: u16,
    /// What staff marked, with reason and expected end.
    pub marks: BTreeMap<Overlay, (String, Option<Day>)>,
    pub reviews: Vec<Asked>,
    pub complaints: Vec<Asked>,
    /// Since when the customer's message, or wish for a person, waits.
    pub wrote_at: Option<Moment>,
    pub person_at: Option<Moment>,
    pub rated: bool,
    /// Deadlines that were missed and said so.
    pub escalated: BTreeSet<String>,
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
            payee: None,
            payee_wrong: false,
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
            supplements: 0,
            marks: BTreeMap::new(),
            reviews: Vec::new(),
            complaints: Vec::new(),
            wrote_at: None,
            person_at: None,
            rated: false,
            escalated: BTreeSet::new(),
        }
    }

    pub fn replay<'a>(lob: Lob, events: impl IntoIterator<Item = &'a Event>) -> Claim {
        let mut claim = Claim::new(lob);
        events.into_iter().for_each(|e| claim.apply(e));
        claim
    }

    /// The steps that `actor` may take now.
    pub fn allowed(&self, actor: &Actor) -> Vec<Kind> {
        Kind::ALL.iter().copied().filter(|k| k.is_for(actor) && self.leads_to(*k) && !self.is_same_person(*k, actor)).collect()
    }

    /// Whether `actor` may do `what` now, with all the facts it must carry.
    ///
    /// # Errors
    /// The first [`Refusal`].
    pub fn admit(&self, actor: &Actor, what: &What) -> Result<(), Refusal> {
        if !what.kind().is_for(actor) {
            return Err(Refusal::Actor);
        }
        if !self.leads_to(what.kind()) {
            return Err(Refusal::Stage(self.stage));
        }
        if self.is_same_person(what.kind(), actor) {
            return Err(Refusal::SamePerson);
        }
        let supervisor = matches!(actor, Actor::Staff { desk: Desk::Supervisor, .. });
        match what {
            What::SupplementAsked { again_because, .. }
                if self.supplements > 0 && (!supervisor || again_because.as_ref().is_none_or(|r| r.trim().is_empty())) =>
            {
                return Err(Refusal::SecondBatch);
            }
            What::ComplaintExtended { special: true, .. } if !supervisor => return Err(Refusal::Actor),
            _ => {}
        }
        self.facts(what)
    }

    fn is_same_person(&self, kind: Kind, actor: &Actor) -> bool {
        let first = match kind {
            Kind::Approved | Kind::Rejected => &self.asked_by,
            // 复核 by who decided would be none.
            Kind::ReviewAnswered => &self.decided_by,
            _ => return false,
        };
        matches!(actor, Actor::Staff { name, .. } if first.as_ref() == Some(name))
    }

    /// What is still to be paid of what was approved.
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
            marked => self.marks.contains_key(marked),
        };
        Overlay::ALL.into_iter().filter(is).collect()
    }

    fn leads_to(&self, kind: Kind) -> bool {
        use Stage as S;
        let stage = self.stage;
        let open = !stage.is_over();
        match kind {
            Kind::Reported => self.seq == 0,
            _ if self.seq == 0 => false,
            Kind::Registered | Kind::NotAccepted => stage == S::Reported,
            Kind::SurveyStarted | Kind::SurveySkipped => stage == S::Registered && self.lob != Lob::Health,
            Kind::SurveyReported => stage == S::Surveying,
            Kind::SurveyRemarked => open && self.surveyed_at.is_some(),
            Kind::Assessed => stage == S::Assessing || (stage == S::Registered && self.lob == Lob::Health),
            Kind::AssessmentAccepted | Kind::AssessmentObjected => stage == S::Assessed,
            Kind::ApprovalAsked => stage == S::Adjudicating && self.asked_by.is_none(),
            Kind::Approved | Kind::SentBack => stage == S::Adjudicating,
            // What was paid was certain.
            Kind::Rejected => stage == S::Adjudicating && self.paid_fen == 0,
            Kind::LetterDelivered => self.rejected_at.is_some() && self.letter_at.is_none(),
            Kind::DecisionAgreed => stage == S::Approved && self.agreed_at.is_none(),
            Kind::PayeeNamed => open && !matches!(stage, S::Paying | S::Paid),
            Kind::PaymentOrdered => {
                let ready = self.payee.is_some() && !self.payee_wrong && self.due_fen() > 0;
                ready && (stage == S::PaymentFailed || (stage == S::Approved && self.agreed_at.is_some()))
            }
            Kind::Paid | Kind::PaymentFailed => stage == S::Paying,
            Kind::AdvanceAsked => self.may_advance() && !self.advance_asked && self.escalated.contains("advance"),
            // Nothing is certain before somebody has worked it out.
            Kind::AdvancePaid => self.may_advance() && self.payee.is_some() && self.assessment.is_some(),
            Kind::Closed => match stage {
                S::Paid | S::NotAccepted | S::Rejected | S::Withdrawn => self.review().is_none(),
                S::Approved => self.due_fen() == 0,
                _ => false,
            },
            Kind::Archived => stage == S::Closed && self.review().is_none() && self.complaint().is_none(),
            Kind::Reopened => matches!(stage, S::Closed | S::Approved | S::PaymentFailed),
            Kind::Withdrawn => open && !matches!(stage, S::Paying | S::PaymentFailed | S::Paid),
            Kind::DocumentReceived => open || self.review().is_some(),
            Kind::SupplementAsked => matches!(stage, S::Registered | S::Surveying | S::Assessing | S::Assessed | S::Adjudicating),
            Kind::SupplementExcused | Kind::SupplementEnded => open && self.supplement.is_some(),
            Kind::DocumentJudged => (open || self.review().is_some()) && !(self.received.is_empty() && self.returned.is_empty()),
            Kind::PolicyFound | Kind::Entitled => open,
            // Once; what is added later comes as documents.
            Kind::Requested => open && self.requested_at.is_none(),
            Kind::Marked => open && self.marks.len() < Overlay::MARKED.len(),
            Kind::Unmarked => open && !self.marks.is_empty(),
            Kind::ReviewAsked => self.review().is_none() && (self.decided_at.is_some() || stage == S::NotAccepted) && stage != S::Archived,
            // What is on its way to the bank is not called back.
            Kind::ReviewAnswered => self.review().is_some() && stage != S::Paying,
            Kind::ComplaintFiled => self.complaint().is_none() && stage != S::Archived,
            Kind::ComplaintExtended => self.complaint().is_some_and(|c| c.days < 60),
            Kind::ComplaintAnswered => self.complaint().is_some(),
            Kind::Wrote => stage != S::Archived,
            Kind::Answered => self.wrote_at.is_some(),
            Kind::PersonAsked => self.person_at.is_none() && stage != S::Archived,
            Kind::PersonCalled => self.person_at.is_some(),
            Kind::Rated => !self.rated && self.review().is_none() && (self.paid_at.is_some() || self.rejected_at.is_some()),
            Kind::Corrected => stage != S::Archived,
            Kind::Escalated => true,
        }
    }

    /// Undecided, asked for, and something is certain.
    fn may_advance(&self) -> bool {
        !self.stage.is_over() && self.requested_at.is_some() && self.decided_at.is_none() && self.advance_at.is_none()
    }

    fn facts(&self, what: &What) -> Result<(), Refusal> {
        let wrong = |field: &str, code: Code| Err(Refusal::Field(FieldError::new(format!("/{field}"), code)));
        let missing = |fields: &[(&str, &String)]| {
            let blank = fields.iter().find(|(_, value)| value.trim().is_empty());
            let long = fields.iter().find(|(_, value)| value.chars().count() > 2000);
            match (blank, long) {
                (Some((field, _)), _) => wrong(field, Code::Required),
                (None, Some((field, _))) => wrong(field, Code::TooLong),
                (None, None) => Ok(()),
            }
        };
        let at_most = |field: &str, text: &String| if text.chars().count() > 2000 { wrong(field, Code::TooLong) } else { Ok(()) };
        let all_checked = |checks: &[Check]| {
            if !Point::ALL.iter().all(|p| checks.iter().filter(|c| c.point == *p).count() == 1) || checks.len() != 8 {
                return wrong("checks", Code::Required);
            }
            if checks.iter().any(|c| !c.good && c.note.trim().is_empty()) { wrong("checks", Code::ReasonMissing) } else { Ok(()) }
        };
        match what {
            What::Registered { handler } => missing(&[("handler", handler)]),
            What::NotAccepted { reason, text, next_step } => missing(&[("reason", reason), ("text", text), ("next_step", next_step)]),
            What::SurveyStarted { surveyor, .. } => missing(&[("surveyor", surveyor)]),
            What::SurveyReported { report } => missing(&[("report", report)]),
            What::SurveySkipped { reason } => missing(&[("reason", reason)]),
            What::SurveyRemarked { text } | What::Wrote { text } | What::Answered { text } => missing(&[("text", text)]),
            What::PersonCalled { text } => missing(&[("text", text)]),
            What::PersonAsked { about } => at_most("about", about),
            What::Assessed { version, lines, total_fen, answer } => {
                if *version != self.assessment.as_ref().map_or(1, |a| a.version + 1) {
                    return wrong("version", Code::Malformed);
                }
                if lines.is_empty() || lines.len() > 200 || lines.iter().any(|l| l.name.trim().is_empty()) {
                    return wrong("lines", Code::Required);
                }
                let sum: i128 = lines.iter().map(|l| i128::from(l.fen)).sum();
                let payable = lines.iter().all(|l| (1..=money::MAX).contains(&l.fen)) && sum <= i128::from(money::MAX);
                if !payable || sum != i128::from(*total_fen) {
                    return wrong("total_fen", Code::AmountRange);
                }
                match (&self.objection, &self.assessment) {
                    (Some((_, objected)), Some(before)) => {
                        // What nobody objected to stays as it was accepted in silence, as often as it was there.
                        let mut new: Vec<&Line> = lines.iter().collect();
                        let mut kept = |(i, line): (usize, &Line)| {
                            let free = objected.iter().any(|o| usize::from(*o) == i);
                            free || new.iter().position(|l| *l == line).map(|same| new.swap_remove(same)).is_some()
                        };
                        if !objected.is_empty() && !before.lines.iter().enumerate().all(&mut kept) {
                            return wrong("lines", Code::UnknownOption);
                        }
                        missing(&[("answer", answer)])
                    }
                    _ => at_most("answer", answer),
                }
            }
            What::AssessmentAccepted { version, .. } | What::AssessmentObjected { version, .. }
                if self.assessment.as_ref().map(|a| a.version) != Some(*version) =>
            {
                wrong("version", Code::Malformed)
            }
            What::AssessmentObjected { reason, lines, .. } => {
                let there = self.assessment.as_ref().map_or(0, |a| a.lines.len());
                if lines.iter().any(|l| usize::from(*l) >= there) {
                    wrong("lines", Code::UnknownOption)
                } else {
                    missing(&[("reason", reason)])
                }
            }
            What::Withdrawn { reason } | What::SupplementEnded { reason } | What::Reopened { reason } => missing(&[("reason", reason)]),
            What::ApprovalAsked { to } => missing(&[("to", to)]),
            What::Approved { amount_fen, basis, payout, checks } => {
                let Some(assessed) = &self.assessment else { return wrong("amount_fen", Code::AmountRange) };
                let Some(payout) = payout else { return wrong("payout", Code::Required) };
                if !payout.is_sound() || payout.loss_fen != assessed.total_fen {
                    return wrong("payout", Code::AmountRange);
                }
                if *amount_fen != payout.result_fen() {
                    return wrong("amount_fen", Code::AmountRange);
                }
                all_checked(checks)?;
                missing(&[("basis", basis)])
            }
            What::Rejected { clause, facts, evidence, checks } => {
                all_checked(checks)?;
                missing(&[("clause", clause), ("facts", facts), ("evidence", evidence)])
            }
            What::SentBack { to, reason } => {
                let possible = matches!((to, self.lob), (Stage::Assessing, _) | (Stage::Surveying, Lob::Motor | Lob::Home));
                if possible { missing(&[("reason", reason)]) } else { wrong("to", Code::UnknownOption) }
            }
            What::PayeeNamed { holder, last4 } => {
                if last4.len() != 4 || !last4.bytes().all(|b| b.is_ascii_digit()) {
                    return wrong("card", Code::CardLength);
                }
                missing(&[("holder", holder)])
            }
            What::PaymentOrdered { instruction } if self.instructions.contains(instruction) => wrong("instruction", Code::Malformed),
            What::PaymentOrdered { instruction } => missing(&[("instruction", instruction)]),
            What::PaymentFailed { reason } => missing(&[("reason", reason)]),
            What::Paid { amount_fen, reference, lines, .. } => {
                let sum: i128 = lines.iter().map(|l| i128::from(l.fen)).sum();
                if *amount_fen != self.due_fen() || (!lines.is_empty() && sum != i128::from(*amount_fen)) {
                    return wrong("amount_fen", Code::AmountRange);
                }
                missing(&[("reference", reference)])
            }
            What::AdvancePaid { amount_fen, reference } => {
                let most = self.assessment.as_ref().map_or(0, |a| a.total_fen - self.paid_fen);
                if (1..=most).contains(amount_fen) { missing(&[("reference", reference)]) } else { wrong("amount_fen", Code::AmountRange) }
            }
            What::DocumentReceived { document, sha256, .. } => missing(&[("document", document), ("sha256", sha256)]),
            What::SupplementAsked { batch, documents, reason, .. } => {
                if *batch != self.supplements + 1 {
                    return wrong("batch", Code::Malformed);
                }
                if documents.is_empty() { wrong("documents", Code::Choose) } else { missing(&[("reason", reason)]) }
            }
            What::SupplementExcused { document, reason } => {
                let wanted = self.supplement.as_ref().is_some_and(|s| s.wanted.contains(document));
                if wanted { missing(&[("reason", reason)]) } else { wrong("document", Code::UnknownOption) }
            }
            What::DocumentJudged { document, accepted, reason } => {
                let of = |files: &[(String, String)]| files.iter().any(|(d, _)| d == document);
                // What was sent back may be taken after all.
                if !(of(&self.received) || (*accepted && of(&self.returned))) {
                    wrong("document", Code::UnknownOption)
                } else if *accepted {
                    Ok(())
                } else {
                    missing(&[("reason", reason)])
                }
            }
            What::Requested { form_sha256, .. } => missing(&[("form_sha256", form_sha256)]),
            What::Marked { overlay, reason, .. } => {
                let fresh = Overlay::MARKED.contains(overlay) && !self.marks.contains_key(overlay);
                if fresh { missing(&[("reason", reason)]) } else { wrong("overlay", Code::UnknownOption) }
            }
            What::Unmarked { overlay } if !self.marks.contains_key(overlay) => wrong("overlay", Code::UnknownOption),
            What::ReviewAsked { reason, wish } => missing(&[("reason", reason)]).and(at_most("wish", wish)),
            What::ReviewAnswered { text, cause, .. } | What::ComplaintAnswered { text, cause } => {
                missing(&[("text", text), ("cause", cause)])
            }
            What::ComplaintFiled { number, about, wish, owner } => {
                missing(&[("about", about), ("number", number), ("owner", owner)]).and(at_most("wish", wish))
            }
            What::ComplaintExtended { special, reason } => {
                // Complex first (to 30), special only after that (+30).
                let days = self.complaint().map_or(0, |c| c.days);
                if (days == 15) == *special { wrong("special", Code::UnknownOption) } else { missing(&[("reason", reason)]) }
            }
            What::Rated { score, text } => {
                if (1..=5).contains(score) {
                    at_most("text", text)
                } else {
                    wrong("score", Code::Choose)
                }
            }
            What::Escalated { deadline, to, .. } => {
                if self.escalated.contains(deadline) {
                    wrong("deadline", Code::Malformed)
                } else {
                    missing(&[("to", to)])
                }
            }
            What::Reported { .. } | What::AssessmentAccepted { .. } | What::LetterDelivered | What::DecisionAgreed => Ok(()),
            What::AdvanceAsked | What::Closed | What::Archived | What::Unmarked { .. } => Ok(()),
            What::PolicyFound { policy } => missing(&[("policy", policy)]),
            What::Entitled { reason } => missing(&[("reason", reason)]),
            What::Corrected { fields } if fields.is_empty() => wrong("fields", Code::Required),
            What::Corrected { .. } => Ok(()),
        }
    }

    /// Takes one event as it happened. Guards are [`Claim::admit`]'s: history is never argued with.
    pub fn apply(&mut self, event: &Event) {
        let at = event.at;
        self.seq = event.seq;
        if matches!(event.actor, Actor::Staff { .. }) {
            self.contacted_at.get_or_insert(at);
        }
        match &event.what {
            What::Reported { .. } => {
                self.stage = Stage::Reported;
                self.reported_at = Some(at);
            }
            What::Registered { handler } => {
                self.stage = Stage::Registered;
                self.handler = Some(handler.clone());
                self.registered_at.get_or_insert(at);
            }
            What::NotAccepted { .. } => {
                self.ends(Stage::NotAccepted, at);
                self.decided_by = named(&event.actor);
            }
            What::SurveyStarted { .. } => self.stage = Stage::Surveying,
            What::SurveyReported { .. } | What::SurveySkipped { .. } => {
                self.stage = Stage::Assessing;
                self.surveyed_at = Some(at);
            }
            What::Assessed { version, total_fen, lines, .. } => {
                self.assessment = Some(Assessment { version: *version, lines: lines.clone(), total_fen: *total_fen, at });
                // Answered: what is left of it shows when the customer answers in turn.
                self.objection = None;
                self.accepted = None;
                self.stage = if self.lob == Lob::Health { Stage::Adjudicating } else { Stage::Assessed };
            }
            What::AssessmentAccepted { version, .. } => {
                self.accepted = Some(*version);
                self.accepted_at = Some(at);
                self.stage = Stage::Adjudicating;
            }
            What::AssessmentObjected { reason, lines, .. } => {
                self.objection = Some((reason.clone(), lines.clone()));
                self.objected = true;
                self.stage = Stage::Assessing;
            }
            What::ApprovalAsked { .. } => {
                self.asked_by = named(&event.actor);
            }
            What::Approved { amount_fen, payout, .. } => {
                self.stage = Stage::Approved;
                self.approved_fen = Some(*amount_fen);
                self.decided_by = named(&event.actor);
                self.decided_at = Some(at);
                self.rejected_at = None;
                self.asked_by = None;
                // Decided without it: nobody waits for papers any longer.
                self.supplement = None;
                self.goes_on(at);
                if !payout.as_ref().is_some_and(crate::payout::Payout::is_partial) {
                    self.agrees(at);
                }
            }
            What::Rejected { checks, .. } => {
                self.ends(Stage::Rejected, at);
                self.approved_fen = None;
                self.decided_by = named(&event.actor);
                self.decided_at = Some(at);
                self.rejected_at = Some(at);
                // Those without checks are older than letters, and were told on paper.
                self.letter_at = checks.is_empty().then_some(at);
                self.asked_by = None;
            }
            What::LetterDelivered => self.letter_at = Some(at),
            What::SentBack { to, .. } => {
                self.stage = *to;
                self.asked_by = None;
                self.accepted = None;
            }
            What::DecisionAgreed => self.agrees(at),
            What::PayeeNamed { holder, last4 } => {
                self.payee = Some((holder.clone(), last4.clone()));
                self.payee_wrong = false;
                ended(&mut self.payee_waits, at);
            }
            What::PaymentOrdered { instruction } => {
                self.instructions.push(instruction.clone());
                self.stage = Stage::Paying;
            }
            What::PaymentFailed { .. } => {
                self.payee_wrong = true;
                self.payee_waits.push((at, None));
                self.stage = Stage::PaymentFailed;
            }
            What::Paid { amount_fen, .. } => {
                self.paid_fen += amount_fen;
                self.paid_at = Some(at);
                self.stage = Stage::Paid;
            }
            What::AdvanceAsked => self.advance_asked = true,
            What::AdvancePaid { amount_fen, .. } => {
                self.paid_fen += amount_fen;
                self.advance_at = Some(at);
            }
            What::Closed => self.ends(Stage::Closed, at),
            What::Archived => self.stage = Stage::Archived,
            What::Reopened { .. } => self.decides_again(at),
            What::Withdrawn { .. } => self.ends(Stage::Withdrawn, at),
            What::DocumentReceived { document, sha256, .. } => {
                self.returned.retain(|(d, s)| d != document || s != sha256);
                self.received.push((document.clone(), sha256.clone()));
                self.verdicts.retain(|v| v.document != *document);
                self.supplied(document, at);
            }
            What::SupplementAsked { batch, documents, reason, until, .. } => {
                for id in documents {
                    self.asked.insert(id.clone(), self.received.iter().filter(|(d, _)| d == id).count());
                    self.excused.remove(id);
                }
                let (by, reason) = (event.actor.clone(), reason.clone());
                // What an earlier list still waits for stays wanted.
                let mut wanted = self.supplement.take().map(|s| s.wanted).unwrap_or_default();
                wanted.extend(documents.iter().filter(|d| !wanted.contains(d)).cloned().collect::<Vec<_>>());
                self.supplement = Some(Supplement { batch: *batch, by, reason, until: *until, wanted });
                self.supplements = *batch;
                if !self.waits.last().is_some_and(|(_, to)| to.is_none()) {
                    self.waits.push((at, None));
                }
            }
            What::SupplementExcused { document, reason } => {
                self.excused.insert(document.clone(), reason.clone());
                self.supplied(document, at);
            }
            What::SupplementEnded { .. } => {
                self.supplement = None;
                self.goes_on(at);
            }
            What::DocumentJudged { document, accepted, reason } => {
                self.verdicts.retain(|v| v.document != *document);
                self.verdicts.push(Verdict { document: document.clone(), accepted: *accepted, reason: reason.clone() });
                let of = |(d, _): &(String, String)| d == document;
                if !accepted {
                    self.returned.extend(self.received.extract_if(.., |f| of(f)));
                } else if !self.received.iter().any(of) {
                    self.received.extend(self.returned.extract_if(.., |f| of(f)));
                }
            }
            What::Requested { .. } => {
                self.requested_at = Some(at);
                self.decides_from = Some(at);
            }
            What::Marked { overlay, reason, until } => drop(self.marks.insert(*overlay, (reason.clone(), *until))),
            What::Unmarked { overlay } => drop(self.marks.remove(overlay)),
            What::ReviewAsked { .. } => self.reviews.push(Asked { at, number: String::new(), days: 0, answered: None }),
            What::ReviewAnswered { overturned, .. } => {
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
            What::ComplaintFiled { number, .. } => {
                self.complaints.push(Asked { at, number: number.clone(), days: 15, answered: None });
            }
            What::ComplaintExtended { special, .. } => {
                if let Some(complaint) = self.complaints.last_mut() {
                    complaint.days = if *special { 60 } else { 30 };
                }
            }
            What::ComplaintAnswered { .. } => {
                if let Some(complaint) = self.complaints.last_mut() {
                    complaint.answered = Some(at);
                }
            }
            What::Wrote { .. } => drop(self.wrote_at.get_or_insert(at)),
            What::Answered { .. } => self.wrote_at = None,
            What::PersonAsked { .. } => self.person_at = Some(at),
            What::PersonCalled { .. } => self.person_at = None,
            What::Rated { .. } => self.rated = true,
            What::Escalated { deadline, .. } => drop(self.escalated.insert(deadline.clone())),
            What::SurveyRemarked { .. } | What::Corrected { .. } | What::PolicyFound { .. } | What::Entitled { .. } => {}
        }
    }

    /// From here on the money is owed.
    fn agrees(&mut self, at: Moment) {
        self.agreed_at = Some(at);
        if self.payee.is_none() || self.payee_wrong {
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
        self.stage = if self.assessment.is_some() { Stage::Adjudicating } else { Stage::Assessing };
        self.decided_at = None;
        self.decides_from = Some(at);
        self.cycle += 1;
        self.asked_by = None;
        self.agreed_at = None;
        // Nothing is owed: nobody waits for an account.
        ended(&mut self.payee_waits, at);
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
        let Some(supplement) = &mut self.supplement else { return };
        supplement.wanted.retain(|d| d != document);
        if supplement.wanted.is_empty() {
            self.supplement = None;
            self.goes_on(at);
        }
    }

    pub fn turn(&self) -> Turn {
        let open = !self.stage.is_over();
        match self.stage {
            Stage::Assessed => Turn::Customer,
            Stage::PaymentFailed if self.payee_wrong => Turn::Customer,
            Stage::Approved if self.agreed_at.is_none() || (self.payee.is_none() && self.due_fen() > 0) => Turn::Customer,
            _ if open && (self.supplement.is_some() || self.verdicts.iter().any(|v| !v.accepted)) => Turn::Customer,
            _ if self.review().is_some() || self.complaint().is_some() => Turn::Insurer,
            _ if !open || self.stage == Stage::Paid => Turn::Nobody,
            _ => Turn::Insurer,
        }
    }
}

fn named(actor: &Actor) -> Option<String> {
    if let Actor::Staff { name, .. } = actor { Some(name.clone()) } else { None }
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

//! The claim after the report: an append-only log of events, replayed by one pure function.
//!
//! Promise: a stage changes only by an [`Event`]; replaying the same events gives the same [`Claim`]. What an
//! event carries ([`What`]) is written for the customer's eyes: staff notes and risk signals have no field here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::Lob;
use crate::validate::Code;
use crate::{Day, FieldError, Moment, money};

/// The one main stage of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Reported,
    Registered,
    Surveying,
    Assessing,
    Assessed,
    Adjudicating,
    Approved,
    Paying,
    PaymentFailed,
    Paid,
    Closed,
    NotAccepted,
    Rejected,
    Withdrawn,
}

impl Stage {
    pub const ALL: [Stage; 14] = [
        Stage::Reported,
        Stage::Registered,
        Stage::Surveying,
        Stage::Assessing,
        Stage::Assessed,
        Stage::Adjudicating,
        Stage::Approved,
        Stage::Paying,
        Stage::PaymentFailed,
        Stage::Paid,
        Stage::Closed,
        Stage::NotAccepted,
        Stage::Rejected,
        Stage::Withdrawn,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Reported => "reported",
            Stage::Registered => "registered",
            Stage::Surveying => "surveying",
            Stage::Assessing => "assessing",
            Stage::Assessed => "assessed",
            Stage::Adjudicating => "adjudicating",
            Stage::Approved => "approved",
            Stage::Paying => "paying",
            Stage::PaymentFailed => "payment-failed",
            Stage::Paid => "paid",
            Stage::Closed => "closed",
            Stage::NotAccepted => "not-accepted",
            Stage::Rejected => "rejected",
            Stage::Withdrawn => "withdrawn",
        }
    }

    /// Nothing more will happen unless the claim is opened again.
    pub fn is_over(self) -> bool {
        matches!(self, Stage::Closed | Stage::NotAccepted | Stage::Rejected | Stage::Withdrawn)
    }
}

/// Desk of a member of the insurer's staff.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Desk {
    Intake,
    Surveyor,
    Assessor,
    Adjudicator,
    Finance,
    /// May do what every desk does.
    Supervisor,
}

impl Desk {
    pub const ALL: [Desk; 6] = [Desk::Intake, Desk::Surveyor, Desk::Assessor, Desk::Adjudicator, Desk::Finance, Desk::Supervisor];

    pub fn as_str(self) -> &'static str {
        match self {
            Desk::Intake => "intake",
            Desk::Surveyor => "surveyor",
            Desk::Assessor => "assessor",
            Desk::Adjudicator => "adjudicator",
            Desk::Finance => "finance",
            Desk::Supervisor => "supervisor",
        }
    }
    pub fn parse(text: &str) -> Option<Desk> {
        Desk::ALL.into_iter().find(|d| d.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    Customer,
    System,
    /// `name` is what the customer sees: family name and work number.
    Staff {
        name: String,
        desk: Desk,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Line {
    pub name: String,
    pub fen: i64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Reported {
        verified: bool,
    },
    Registered {
        handler: String,
    },
    NotAccepted {
        reason: String,
        text: String,
        next_step: String,
    },
    SurveyStarted {
        on_site: bool,
        surveyor: String,
    },
    SurveyReported {
        report: String,
    },
    Assessed {
        version: u16,
        lines: Vec<Line>,
        total_fen: i64,
    },
    /// `by_phone`: a member of staff wrote down what the customer said.
    AssessmentAccepted {
        version: u16,
        by_phone: bool,
    },
    AssessmentObjected {
        version: u16,
        reason: String,
    },
    Approved {
        amount_fen: i64,
        basis: String,
    },
    Rejected {
        clause: String,
        facts: String,
    },
    PaymentOrdered {
        instruction: String,
    },
    PaymentFailed {
        reason: String,
    },
    Paid {
        amount_fen: i64,
        reference: String,
    },
    Closed,
    Withdrawn {
        reason: String,
    },
    DocumentReceived {
        document: String,
        sha256: String,
        bytes: u64,
    },
    /// 补充材料: everything that is still needed, in one list (保险法第二十二条：及时一次性通知). A second batch is the
    /// supervisor's, with a reason.
    SupplementAsked {
        batch: u16,
        documents: Vec<String>,
        reason: String,
        /// To the end of this day.
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = Date))]
        until: Day,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again_because: Option<String>,
    },
    /// The customer cannot provide a document of the supplement list.
    SupplementExcused {
        document: String,
        reason: String,
    },
    /// 通过 or 需要重传, with the reason.
    DocumentJudged {
        document: String,
        accepted: bool,
        reason: String,
    },
    /// 索赔: the formal demand. The insurer's clock starts (保险法第二十三条，司法解释二第十五条).
    Requested {
        /// Version of the rules that were applied.
        rules_version: String,
        /// Documents that the customer cannot provide, with his reason.
        unavailable: Vec<Excuse>,
        /// SHA-256 of the form that was signed.
        form_sha256: String,
    },
}

/// Why a document cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Excuse {
    pub document: String,
    pub reason: String,
}

impl What {
    pub fn kind(&self) -> Kind {
        match self {
            What::Reported { .. } => Kind::Reported,
            What::Registered { .. } => Kind::Registered,
            What::NotAccepted { .. } => Kind::NotAccepted,
            What::SurveyStarted { .. } => Kind::SurveyStarted,
            What::SurveyReported { .. } => Kind::SurveyReported,
            What::Assessed { .. } => Kind::Assessed,
            What::AssessmentAccepted { .. } => Kind::AssessmentAccepted,
            What::AssessmentObjected { .. } => Kind::AssessmentObjected,
            What::Approved { .. } => Kind::Approved,
            What::Rejected { .. } => Kind::Rejected,
            What::PaymentOrdered { .. } => Kind::PaymentOrdered,
            What::PaymentFailed { .. } => Kind::PaymentFailed,
            What::Paid { .. } => Kind::Paid,
            What::Closed => Kind::Closed,
            What::Withdrawn { .. } => Kind::Withdrawn,
            What::DocumentReceived { .. } => Kind::DocumentReceived,
            What::SupplementAsked { .. } => Kind::SupplementAsked,
            What::SupplementExcused { .. } => Kind::SupplementExcused,
            What::DocumentJudged { .. } => Kind::DocumentJudged,
            What::Requested { .. } => Kind::Requested,
        }
    }
}

/// [`What`] without its facts: the step itself, as buttons and tables name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Reported,
    Registered,
    NotAccepted,
    SurveyStarted,
    SurveyReported,
    Assessed,
    AssessmentAccepted,
    AssessmentObjected,
    Approved,
    Rejected,
    PaymentOrdered,
    PaymentFailed,
    Paid,
    Closed,
    Withdrawn,
    DocumentReceived,
    SupplementAsked,
    SupplementExcused,
    DocumentJudged,
    Requested,
}

impl Kind {
    pub const ALL: [Kind; 20] = [
        Kind::Reported,
        Kind::Registered,
        Kind::NotAccepted,
        Kind::SurveyStarted,
        Kind::SurveyReported,
        Kind::Assessed,
        Kind::AssessmentAccepted,
        Kind::AssessmentObjected,
        Kind::Approved,
        Kind::Rejected,
        Kind::PaymentOrdered,
        Kind::PaymentFailed,
        Kind::Paid,
        Kind::Closed,
        Kind::Withdrawn,
        Kind::DocumentReceived,
        Kind::SupplementAsked,
        Kind::SupplementExcused,
        Kind::DocumentJudged,
        Kind::Requested,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Reported => "reported",
            Kind::Registered => "registered",
            Kind::NotAccepted => "not-accepted",
            Kind::SurveyStarted => "survey-started",
            Kind::SurveyReported => "survey-reported",
            Kind::Assessed => "assessed",
            Kind::AssessmentAccepted => "assessment-accepted",
            Kind::AssessmentObjected => "assessment-objected",
            Kind::Approved => "approved",
            Kind::Rejected => "rejected",
            Kind::PaymentOrdered => "payment-ordered",
            Kind::PaymentFailed => "payment-failed",
            Kind::Paid => "paid",
            Kind::Closed => "closed",
            Kind::Withdrawn => "withdrawn",
            Kind::DocumentReceived => "document-received",
            Kind::SupplementAsked => "supplement-asked",
            Kind::SupplementExcused => "supplement-excused",
            Kind::DocumentJudged => "document-judged",
            Kind::Requested => "requested",
        }
    }

    /// The desk that does this; `None` is not for staff.
    fn desk(self) -> Option<Desk> {
        Some(match self {
            Kind::Registered | Kind::NotAccepted | Kind::AssessmentAccepted | Kind::Closed => Desk::Intake,
            Kind::SupplementAsked | Kind::DocumentJudged => Desk::Intake,
            Kind::SurveyStarted | Kind::SurveyReported => Desk::Surveyor,
            Kind::Assessed => Desk::Assessor,
            Kind::Approved | Kind::Rejected => Desk::Adjudicator,
            Kind::PaymentOrdered | Kind::PaymentFailed | Kind::Paid => Desk::Finance,
            Kind::Reported | Kind::AssessmentObjected | Kind::Withdrawn => return None,
            Kind::DocumentReceived | Kind::SupplementExcused | Kind::Requested => return None,
        })
    }

    fn is_for(self, actor: &Actor) -> bool {
        match actor {
            Actor::System => matches!(self, Kind::Reported | Kind::Registered | Kind::Closed | Kind::DocumentReceived),
            Actor::Customer => {
                let answers = matches!(self, Kind::AssessmentAccepted | Kind::AssessmentObjected | Kind::Withdrawn);
                answers || matches!(self, Kind::DocumentReceived | Kind::SupplementExcused | Kind::Requested)
            }
            Actor::Staff { desk, .. } => self.desk().is_some_and(|needed| needed == *desk || *desk == Desk::Supervisor),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// 1, 2, 3 … within the claim.
    pub seq: u32,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Moment,
    pub actor: Actor,
    pub what: What,
}

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

/// A claim as its events left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub lob: Lob,
    pub stage: Stage,
    pub seq: u32,
    pub handler: Option<String>,
    /// Version and total of the newest assessment.
    pub assessment: Option<(u16, i64)>,
    pub accepted: Option<u16>,
    pub approved_fen: Option<i64>,
    pub paid_fen: Option<i64>,
    /// When the claim request arrived.
    pub requested_at: Option<Moment>,
    /// Document and SHA-256 of every file that counts, and of those that were sent back (需要重传).
    pub received: Vec<(String, String)>,
    pub returned: Vec<(String, String)>,
    /// The newest of each document, until a new file of it comes.
    pub verdicts: Vec<Verdict>,
    pub supplement: Option<Supplement>,
    /// Every document that was ever asked for in addition, with the number of its files then; and why one cannot be had.
    pub asked: BTreeMap<String, usize>,
    pub excused: BTreeMap<String, String>,
    /// How many batches were asked for: one is the law's number.
    pub supplements: u16,
}

impl Claim {
    pub fn new(lob: Lob) -> Claim {
        Claim {
            lob,
            stage: Stage::Reported,
            seq: 0,
            handler: None,
            assessment: None,
            accepted: None,
            approved_fen: None,
            paid_fen: None,
            requested_at: None,
            received: Vec::new(),
            returned: Vec::new(),
            verdicts: Vec::new(),
            supplement: None,
            asked: BTreeMap::new(),
            excused: BTreeMap::new(),
            supplements: 0,
        }
    }

    pub fn replay<'a>(lob: Lob, events: impl IntoIterator<Item = &'a Event>) -> Claim {
        let mut claim = Claim::new(lob);
        events.into_iter().for_each(|e| claim.apply(e));
        claim
    }

    /// The steps that `actor` may take now.
    pub fn allowed(&self, actor: &Actor) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|k| k.is_for(actor) && self.leads_to(*k)).collect()
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
        if let (What::SupplementAsked { again_because, .. }, true) = (what, self.supplements > 0) {
            let by_supervisor = matches!(actor, Actor::Staff { desk: Desk::Supervisor, .. });
            if !by_supervisor || again_because.as_ref().is_none_or(|r| r.trim().is_empty()) {
                return Err(Refusal::SecondBatch);
            }
        }
        self.facts(what)
    }

    fn leads_to(&self, kind: Kind) -> bool {
        use Stage as S;
        let stage = self.stage;
        match kind {
            Kind::Reported => self.seq == 0,
            _ if self.seq == 0 => false,
            Kind::Registered | Kind::NotAccepted => stage == S::Reported,
            Kind::SurveyStarted => stage == S::Registered && self.lob != Lob::Health,
            Kind::SurveyReported => stage == S::Surveying,
            Kind::Assessed => stage == S::Assessing || (stage == S::Registered && self.lob == Lob::Health),
            Kind::AssessmentAccepted | Kind::AssessmentObjected => stage == S::Assessed,
            Kind::Approved | Kind::Rejected => stage == S::Adjudicating,
            Kind::PaymentOrdered => matches!(stage, S::Approved | S::PaymentFailed),
            Kind::Paid | Kind::PaymentFailed => stage == S::Paying,
            Kind::Closed => matches!(stage, S::Paid | S::NotAccepted | S::Rejected | S::Withdrawn),
            Kind::Withdrawn => !stage.is_over() && !matches!(stage, S::Paying | S::PaymentFailed | S::Paid),
            Kind::DocumentReceived => !stage.is_over(),
            Kind::SupplementAsked => matches!(stage, S::Registered | S::Surveying | S::Assessing | S::Assessed | S::Adjudicating),
            Kind::SupplementExcused => !stage.is_over() && self.supplement.is_some(),
            Kind::DocumentJudged => !stage.is_over() && !self.received.is_empty(),
            // Once; what is added later comes as documents.
            Kind::Requested => !stage.is_over() && self.requested_at.is_none(),
        }
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
        match what {
            What::Registered { handler } => missing(&[("handler", handler)]),
            What::NotAccepted { reason, text, next_step } => missing(&[("reason", reason), ("text", text), ("next_step", next_step)]),
            What::SurveyStarted { surveyor, .. } => missing(&[("surveyor", surveyor)]),
            What::SurveyReported { report } => missing(&[("report", report)]),
            What::Assessed { version, lines, total_fen } => {
                if *version != self.assessment.map_or(1, |(v, _)| v + 1) {
                    return wrong("version", Code::Malformed);
                }
                if lines.is_empty() || lines.iter().any(|l| l.name.trim().is_empty()) {
                    return wrong("lines", Code::Required);
                }
                let sum: i128 = lines.iter().map(|l| i128::from(l.fen)).sum();
                let payable = lines.iter().all(|l| (1..=money::MAX).contains(&l.fen)) && sum <= i128::from(money::MAX);
                if payable && sum == i128::from(*total_fen) { Ok(()) } else { wrong("total_fen", Code::AmountRange) }
            }
            What::AssessmentAccepted { version, .. } | What::AssessmentObjected { version, .. }
                if self.assessment.map(|(v, _)| v) != Some(*version) =>
            {
                wrong("version", Code::Malformed)
            }
            What::AssessmentObjected { reason, .. } | What::Withdrawn { reason } => missing(&[("reason", reason)]),
            What::Approved { amount_fen, basis } => {
                let most = self.assessment.map_or(0, |(_, total)| total);
                if (1..=most).contains(amount_fen) { missing(&[("basis", basis)]) } else { wrong("amount_fen", Code::AmountRange) }
            }
            What::Rejected { clause, facts } => missing(&[("clause", clause), ("facts", facts)]),
            What::PaymentOrdered { instruction } => missing(&[("instruction", instruction)]),
            What::PaymentFailed { reason } => missing(&[("reason", reason)]),
            What::Paid { amount_fen, reference } => {
                if Some(*amount_fen) == self.approved_fen {
                    missing(&[("reference", reference)])
                } else {
                    wrong("amount_fen", Code::AmountRange)
                }
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
                if !self.received.iter().any(|(d, _)| d == document) {
                    wrong("document", Code::UnknownOption)
                } else if *accepted {
                    Ok(())
                } else {
                    missing(&[("reason", reason)])
                }
            }
            What::Requested { form_sha256, .. } => missing(&[("form_sha256", form_sha256)]),
            What::Reported { .. } | What::AssessmentAccepted { .. } | What::Closed => Ok(()),
        }
    }

    /// Takes one event as it happened. Guards are [`Claim::admit`]'s: history is never argued with.
    pub fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        self.stage = match &event.what {
            What::Reported { .. } => Stage::Reported,
            What::Registered { handler } => {
                self.handler = Some(handler.clone());
                Stage::Registered
            }
            What::NotAccepted { .. } => Stage::NotAccepted,
            What::SurveyStarted { .. } => Stage::Surveying,
            What::SurveyReported { .. } => Stage::Assessing,
            What::Assessed { version, total_fen, .. } => {
                self.assessment = Some((*version, *total_fen));
                if self.lob == Lob::Health { Stage::Adjudicating } else { Stage::Assessed }
            }
            What::AssessmentAccepted { version, .. } => {
                self.accepted = Some(*version);
                Stage::Adjudicating
            }
            What::AssessmentObjected { .. } => Stage::Assessing,
            What::Approved { amount_fen, .. } => {
                self.approved_fen = Some(*amount_fen);
                Stage::Approved
            }
            What::Rejected { .. } => Stage::Rejected,
            What::PaymentOrdered { .. } => Stage::Paying,
            What::PaymentFailed { .. } => Stage::PaymentFailed,
            What::Paid { amount_fen, .. } => {
                self.paid_fen = Some(*amount_fen);
                Stage::Paid
            }
            What::Closed => Stage::Closed,
            What::Withdrawn { .. } => Stage::Withdrawn,
            What::DocumentReceived { document, sha256, .. } => {
                self.received.push((document.clone(), sha256.clone()));
                self.verdicts.retain(|v| v.document != *document);
                self.supplied(document);
                self.stage
            }
            What::SupplementAsked { batch, documents, reason, until, .. } => {
                for id in documents {
                    self.asked.insert(id.clone(), self.received.iter().filter(|(d, _)| d == id).count());
                    self.excused.remove(id);
                }
                let (by, reason, wanted) = (event.actor.clone(), reason.clone(), documents.clone());
                self.supplement = Some(Supplement { batch: *batch, by, reason, until: *until, wanted });
                self.supplements = *batch;
                self.stage
            }
            What::SupplementExcused { document, reason } => {
                self.excused.insert(document.clone(), reason.clone());
                self.supplied(document);
                self.stage
            }
            What::DocumentJudged { document, accepted, reason } => {
                self.verdicts.retain(|v| v.document != *document);
                self.verdicts.push(Verdict { document: document.clone(), accepted: *accepted, reason: reason.clone() });
                if !accepted {
                    let (back, stay) = std::mem::take(&mut self.received).into_iter().partition(|(d, _)| d == document);
                    self.received = stay;
                    self.returned.extend::<Vec<_>>(back);
                }
                self.stage
            }
            What::Requested { .. } => {
                self.requested_at = Some(event.at);
                self.stage
            }
        };
    }
}

impl Claim {
    /// Something came for a document of the supplement list; the list ends with its last.
    fn supplied(&mut self, document: &str) {
        self.supplement = self.supplement.take().and_then(|mut s| {
            s.wanted.retain(|d| d != document);
            (!s.wanted.is_empty()).then_some(s)
        });
    }
}

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
    let path = [S::Reported, S::Registered, S::Surveying, S::Assessing, S::Adjudicating, S::Paying, S::Closed];
    let line_of = |stage: Stage| match stage {
        S::Assessed => S::Assessing,
        S::Approved | S::PaymentFailed => S::Paying,
        S::Paid => S::Closed,
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
    let ended =
        matches!(claim.stage, S::NotAccepted | S::Rejected | S::Withdrawn) || (claim.stage == S::Closed && claim.paid_fen.is_none());
    let end = reached.iter().map(|r| r.0).find(|s| matches!(s, S::NotAccepted | S::Rejected | S::Withdrawn));
    let mut lines: Vec<Milestone> = Vec::new();
    for (place, stage) in path.into_iter().enumerate() {
        let hit = reached.iter().find(|(s, ..)| *s == stage);
        let passed = path.iter().position(|s| *s == now).is_some_and(|n| n > place);
        let state = match hit {
            Some(_) if stage == now && claim.stage != S::Closed => MilestoneState::Now,
            Some(_) if passed || ended || claim.stage == S::Closed => MilestoneState::Done,
            _ if stage == S::Surveying && (lob == Lob::Health || passed) => MilestoneState::Skipped,
            _ if ended => continue,
            _ => MilestoneState::Next,
        };
        let (at, actor) = match hit {
            Some((_, at, actor)) if state != MilestoneState::Next => (Some(*at), Some(actor.clone())),
            _ => (None, None),
        };
        if !(ended && state == MilestoneState::Skipped) {
            lines.push(Milestone { stage, state, at, actor });
        }
    }
    if let Some(end) = end.filter(|_| ended) {
        let (at, actor) = reached.iter().find(|r| r.0 == end).map(|r| (r.1, r.2.clone())).unzip();
        let before = lines.iter().position(|l| l.stage == S::Closed).unwrap_or(lines.len());
        lines.insert(before, Milestone { stage: end, state: MilestoneState::Done, at, actor });
    }
    lines
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

impl Claim {
    pub fn turn(&self) -> Turn {
        match self.stage {
            Stage::Assessed | Stage::PaymentFailed => Turn::Customer,
            stage if !stage.is_over() && (self.supplement.is_some() || self.verdicts.iter().any(|v| !v.accepted)) => Turn::Customer,
            stage if stage.is_over() || stage == Stage::Paid => Turn::Nobody,
            _ => Turn::Insurer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn staff(desk: Desk) -> Actor {
        Actor::Staff { name: "李 工号 1001".into(), desk }
    }

    fn happy_motor() -> Vec<(Actor, What)> {
        vec![
            (Actor::System, What::Reported { verified: true }),
            (staff(Desk::Intake), What::Registered { handler: "李 工号 1001".into() }),
            (staff(Desk::Surveyor), What::SurveyStarted { on_site: false, surveyor: "赵 工号 2001".into() }),
            (staff(Desk::Surveyor), What::SurveyReported { report: "左前保险杠擦伤".into() }),
            (
                staff(Desk::Assessor),
                What::Assessed {
                    version: 1,
                    lines: vec![Line { name: "保险杠".into(), fen: 80_000 }, Line { name: "喷漆".into(), fen: 40_000 }],
                    total_fen: 120_000,
                },
            ),
            (Actor::Customer, What::AssessmentAccepted { version: 1, by_phone: false }),
            (staff(Desk::Adjudicator), What::Approved { amount_fen: 120_000, basis: "车损险第六条".into() }),
            (staff(Desk::Finance), What::PaymentOrdered { instruction: "P1".into() }),
            (staff(Desk::Finance), What::Paid { amount_fen: 120_000, reference: "R1".into() }),
            (staff(Desk::Intake), What::Closed),
        ]
    }

    fn walk(lob: Lob, steps: &[(Actor, What)]) -> Result<Vec<Event>, (usize, Refusal)> {
        let mut claim = Claim::new(lob);
        let mut events = Vec::new();
        for (i, (actor, what)) in steps.iter().enumerate() {
            claim.admit(actor, what).map_err(|r| (i, r))?;
            let event = Event { seq: claim.seq + 1, at: Moment(1_000 * i as i64), actor: actor.clone(), what: what.clone() };
            claim.apply(&event);
            events.push(event);
        }
        Ok(events)
    }

    #[test]
    fn from_notice_to_closed_with_the_money() {
        let events = walk(Lob::Motor, &happy_motor()).unwrap();
        let claim = Claim::replay(Lob::Motor, &events);
        assert_eq!((claim.stage, claim.paid_fen), (Stage::Closed, Some(120_000)));
        let lines = milestones(Lob::Motor, &events);
        assert!(lines.iter().all(|l| l.state == MilestoneState::Done && l.at.is_some()));
        assert_eq!(lines.len(), 7);
        let surveyed = milestones(Lob::Motor, &events[..3]);
        let states: Vec<_> = surveyed.iter().map(|l| l.state).collect();
        use MilestoneState::{Done, Next, Now};
        assert_eq!(states, [Done, Done, Now, Next, Next, Next, Next]);
    }

    #[test]
    fn health_skips_the_survey_and_the_customers_yes() {
        let steps: Vec<_> = happy_motor()
            .into_iter()
            .filter(|(_, w)| !matches!(w.kind(), Kind::SurveyStarted | Kind::SurveyReported | Kind::AssessmentAccepted))
            .collect();
        let events = walk(Lob::Health, &steps).unwrap();
        assert_eq!(Claim::replay(Lob::Health, &events).stage, Stage::Closed);
        assert_eq!(milestones(Lob::Health, &events[..2])[2].state, MilestoneState::Skipped);
    }

    #[test]
    fn other_ends_are_the_last_line() {
        let no = (
            staff(Desk::Intake),
            What::NotAccepted { reason: "not-covered".into(), text: "保单已到期".into(), next_step: "可联系…".into() },
        );
        let events = walk(Lob::Motor, &[happy_motor()[0].clone(), no]).unwrap();
        let stages: Vec<_> = milestones(Lob::Motor, &events).into_iter().map(|l| l.stage).collect();
        assert_eq!(stages, [Stage::Reported, Stage::NotAccepted]);

        let mut rejected = happy_motor()[..6].to_vec();
        rejected.push((staff(Desk::Adjudicator), What::Rejected { clause: "第八条".into(), facts: "无证驾驶".into() }));
        let events = walk(Lob::Motor, &rejected).unwrap();
        assert_eq!(milestones(Lob::Motor, &events).last().map(|l| l.stage), Some(Stage::Rejected));

        for before in 1..8 {
            let mut steps = happy_motor()[..before].to_vec();
            steps.push((Actor::Customer, What::Withdrawn { reason: "自己修".into() }));
            let events = walk(Lob::Motor, &steps);
            assert_eq!(events.is_ok(), before < 8, "withdrawn after {before}");
        }
    }

    #[test]
    fn a_step_without_its_facts_or_by_the_wrong_person_is_refused() {
        let reported = Claim::replay(Lob::Motor, &walk(Lob::Motor, &happy_motor()[..1]).unwrap());
        let blank = What::NotAccepted { reason: " ".into(), text: "x".into(), next_step: "y".into() };
        assert!(matches!(reported.admit(&staff(Desk::Intake), &blank), Err(Refusal::Field(f)) if f.field == "/reason"));
        assert_eq!(reported.admit(&staff(Desk::Finance), &What::Registered { handler: "x".into() }), Err(Refusal::Actor));
        assert_eq!(reported.admit(&Actor::Customer, &What::Registered { handler: "x".into() }), Err(Refusal::Actor));
        assert_eq!(reported.admit(&staff(Desk::Supervisor), &What::Closed), Err(Refusal::Stage(Stage::Reported)));
        let assessing = Claim::replay(Lob::Motor, &walk(Lob::Motor, &happy_motor()[..4]).unwrap());
        let unequal = What::Assessed { version: 1, lines: vec![Line { name: "x".into(), fen: 5 }], total_fen: 6 };
        assert!(matches!(assessing.admit(&staff(Desk::Assessor), &unequal), Err(Refusal::Field(f)) if f.field == "/total_fen"));
        let adjudicating = Claim::replay(Lob::Motor, &walk(Lob::Motor, &happy_motor()[..6]).unwrap());
        let too_much = What::Approved { amount_fen: 120_001, basis: "x".into() };
        assert!(matches!(adjudicating.admit(&staff(Desk::Adjudicator), &too_much), Err(Refusal::Field(_))));
    }

    fn asked(batch: u16, again_because: Option<&str>) -> What {
        What::SupplementAsked {
            batch,
            documents: vec!["diagnosis".into(), "repair_list".into()],
            reason: "缺少诊断证明".into(),
            until: Day::parse("2026-11-30").unwrap(),
            again_because: again_because.map(Into::into),
        }
    }

    fn received(document: &str, sha256: &str) -> (Actor, What) {
        (Actor::Customer, What::DocumentReceived { document: document.into(), sha256: sha256.into(), bytes: 1 })
    }

    #[test]
    fn c7_everything_missing_is_asked_for_once() {
        let intake = || staff(Desk::Intake);
        let mut steps = happy_motor()[..2].to_vec();
        steps.push((intake(), asked(1, None)));
        let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
        assert_eq!((claim.turn(), claim.supplements), (Turn::Customer, 1));
        // A second list is the supervisor's, and needs his reason.
        for (actor, because) in
            [(intake(), None), (intake(), Some("漏了")), (staff(Desk::Supervisor), None), (staff(Desk::Supervisor), Some(" "))]
        {
            assert_eq!(claim.admit(&actor, &asked(2, because)), Err(Refusal::SecondBatch));
        }
        assert_eq!(claim.admit(&staff(Desk::Supervisor), &asked(2, Some("医院补开了新材料"))), Ok(()));
        // A file answers one line, a reason the other; then it is the insurer's turn again.
        steps.push(received("diagnosis", "aa"));
        let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
        assert_eq!(claim.supplement.unwrap().wanted, ["repair_list"]);
        steps.push((Actor::Customer, What::SupplementExcused { document: "repair_list".into(), reason: "修理厂关门了".into() }));
        let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
        assert_eq!((claim.supplement.clone(), claim.turn()), (None, Turn::Insurer));
        let late = What::SupplementExcused { document: "repair_list".into(), reason: "x".into() };
        assert_eq!(claim.admit(&Actor::Customer, &late), Err(Refusal::Stage(Stage::Registered)));
    }

    #[test]
    fn c8_a_document_is_received_accepted_or_sent_back() {
        let judged = |accepted, reason: &str| {
            (staff(Desk::Intake), What::DocumentJudged { document: "diagnosis".into(), accepted, reason: reason.into() })
        };
        let mut steps = happy_motor()[..2].to_vec();
        steps.push(received("scene", "11"));
        let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
        assert!(matches!(claim.admit(&staff(Desk::Intake), &judged(true, "").1), Err(Refusal::Field(f)) if f.field == "/document"));
        steps.extend([received("diagnosis", "aa"), judged(false, "看不清日期")]);
        let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
        assert_eq!((claim.turn(), claim.returned.len(), claim.received.len()), (Turn::Customer, 1, 1));
        assert!(matches!(claim.admit(&staff(Desk::Intake), &judged(false, " ").1), Err(Refusal::Field(_))));
        steps.extend([received("diagnosis", "bb"), judged(true, "")]);
        let claim = Claim::replay(Lob::Motor, &walk(Lob::Motor, &steps).unwrap());
        assert_eq!((claim.turn(), claim.verdicts.len(), claim.verdicts[0].accepted), (Turn::Insurer, 1, true));
    }

    proptest! {
        /// Whatever is tried in whatever order: what was admitted replays to the same claim, nothing is paid twice
        /// or above the approval, and an ended claim moves only to closed.
        #[test]
        fn random_walks_keep_the_invariants(picks in proptest::collection::vec((0usize..20, 0usize..4), 0..60), lob in 0usize..3) {
            let lob = Lob::ALL[lob];
            let mut pool = happy_motor();
            pool.push((Actor::Customer, What::AssessmentObjected { version: 1, reason: "少了大灯".into() }));
            pool.push((Actor::Customer, What::Withdrawn { reason: "自己修".into() }));
            pool.push((staff(Desk::Finance), What::PaymentFailed { reason: "户名不符".into() }));
            pool.push((staff(Desk::Adjudicator), What::Rejected { clause: "x".into(), facts: "y".into() }));
            pool.push((staff(Desk::Intake), What::NotAccepted { reason: "x".into(), text: "y".into(), next_step: "z".into() }));
            pool.push((Actor::Customer, What::DocumentReceived { document: "scene".into(), sha256: "ab".into(), bytes: 1 }));
            pool.push((Actor::Customer, What::Requested { rules_version: "1".into(), unavailable: vec![], form_sha256: "ab".into() }));
            pool.push((staff(Desk::Intake), asked(1, None)));
            pool.push((Actor::Customer, What::SupplementExcused { document: "diagnosis".into(), reason: "x".into() }));
            pool.push((staff(Desk::Intake), What::DocumentJudged { document: "scene".into(), accepted: false, reason: "x".into() }));
            let mut claim = Claim::new(lob);
            let mut events: Vec<Event> = Vec::new();
            for (i, other_actor) in picks {
                let (actor, what) = pool[i].clone();
                let actor = if other_actor == 0 { Actor::Customer } else { actor };
                let before = claim.clone();
                if claim.admit(&actor, &what).is_ok() {
                    let event = Event { seq: claim.seq + 1, at: Moment(0), actor, what };
                    claim.apply(&event);
                    events.push(event);
                    if before.stage.is_over() {
                        prop_assert_eq!(claim.stage, Stage::Closed);
                    }
                }
            }
            prop_assert_eq!(&Claim::replay(lob, &events), &claim);
            let paid = events.iter().filter(|e| e.what.kind() == Kind::Paid).count();
            prop_assert!(paid <= 1);
            prop_assert!(claim.supplements <= 1, "a second batch without a supervisor");
            prop_assert!(claim.paid_fen.unwrap_or(0) <= claim.approved_fen.unwrap_or(0));
            let _ = milestones(lob, &events);
        }
    }
}

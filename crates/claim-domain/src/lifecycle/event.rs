//! What can happen to a claim, and who may do it.

use serde::{Deserialize, Serialize};

use crate::payees::Payee;
use crate::payout::{Award, Line, Payout};
use crate::{Day, Moment};

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
    Archived,
    NotAccepted,
    Rejected,
    Withdrawn,
}

impl Stage {
    pub const ALL: [Stage; 15] = [
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
        Stage::Archived,
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
            Stage::Archived => "archived",
            Stage::NotAccepted => "not-accepted",
            Stage::Rejected => "rejected",
            Stage::Withdrawn => "withdrawn",
        }
    }

    /// Nothing more will happen unless the claim is opened again.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Stage::Closed
                | Stage::Archived
                | Stage::NotAccepted
                | Stage::Rejected
                | Stage::Withdrawn
        )
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
    pub const ALL: [Desk; 6] = [
        Desk::Intake,
        Desk::Surveyor,
        Desk::Assessor,
        Desk::Adjudicator,
        Desk::Finance,
        Desk::Supervisor,
    ];

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

/// Why a document cannot be provided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Excuse {
    pub document: String,
    pub reason: String,
}

/// One of the eight things that a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Point {
    Contract,
    Event,
    Loss,
    Costs,
    Evidence,
    Conditions,
    Amount,
    Complete,
}

impl Point {
    pub const ALL: [Point; 8] = [
        Point::Contract,
        Point::Event,
        Point::Loss,
        Point::Costs,
        Point::Evidence,
        Point::Conditions,
        Point::Amount,
        Point::Complete,
    ];
    pub fn as_str(self) -> &'static str {
        match self {
            Point::Contract => "contract",
            Point::Event => "event",
            Point::Loss => "loss",
            Point::Costs => "costs",
            Point::Evidence => "evidence",
            Point::Conditions => "conditions",
            Point::Amount => "amount",
            Point::Complete => "complete",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    pub point: Point,
    pub good: bool,
    /// What is in question, where it is not good.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What is true of a claim besides its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Overlay {
    Supplement,
    Investigating,
    Objection,
    Review,
    Complaint,
    AwaitingPolice,
    AwaitingMedical,
    AdvancePaid,
    Litigation,
    /// The policyholder says that this report is not theirs (这不是我报的).
    Disowned,
}

impl Overlay {
    pub const ALL: [Overlay; 10] = [
        Overlay::Supplement,
        Overlay::Investigating,
        Overlay::Objection,
        Overlay::Review,
        Overlay::Complaint,
        Overlay::AwaitingPolice,
        Overlay::AwaitingMedical,
        Overlay::AdvancePaid,
        Overlay::Litigation,
        Overlay::Disowned,
    ];
    /// Those that staff mark by hand; the others follow from what happened.
    pub const MARKED: [Overlay; 4] = [
        Overlay::Investigating,
        Overlay::AwaitingPolice,
        Overlay::AwaitingMedical,
        Overlay::Litigation,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Overlay::Supplement => "supplement",
            Overlay::Investigating => "investigating",
            Overlay::Objection => "objection",
            Overlay::Review => "review",
            Overlay::Complaint => "complaint",
            Overlay::AwaitingPolice => "awaiting-police",
            Overlay::AwaitingMedical => "awaiting-medical",
            Overlay::AdvancePaid => "advance-paid",
            Overlay::Litigation => "litigation",
            Overlay::Disowned => "disowned",
        }
    }
    pub fn parse(text: &str) -> Option<Overlay> {
        Overlay::ALL.into_iter().find(|o| o.as_str() == text)
    }
}

/// In what capacity somebody takes part in a claim. A role is proven, never declared: by a code to
/// the policy's phone, by an accepted document, by staff who saw the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(rename_all = "kebab-case"))]
pub enum Role {
    /// Policyholder or insured person, by the policy's phone.
    Owner,
    /// Made the report, nothing proven: sees their own report and its stages.
    Reporter,
    /// May act for the insured person: 委托书.
    Agent,
    /// Takes the claim over after a death.
    Beneficiary,
    /// Acts for a child.
    Guardian,
    /// Is paid under 直赔.
    Shop,
    /// Was harmed, and is paid for it (保险法第六十五条).
    ThirdParty,
}

crate::wire_names!(Role);

impl Role {
    pub const ALL: &'static [Role] = &[
        Role::Owner,
        Role::Reporter,
        Role::Agent,
        Role::Beneficiary,
        Role::Guardian,
        Role::Shop,
        Role::ThirdParty,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Reporter => "reporter",
            Role::Agent => "agent",
            Role::Beneficiary => "beneficiary",
            Role::Guardian => "guardian",
            Role::Shop => "shop",
            Role::ThirdParty => "third-party",
        }
    }
    pub fn parse(text: &str) -> Option<Role> {
        Role::ALL.iter().copied().find(|r| r.as_str() == text)
    }
    /// Sees the whole claim, and acts in it.
    pub fn is_whole(self) -> bool {
        matches!(
            self,
            Role::Owner | Role::Agent | Role::Beneficiary | Role::Guardian
        )
    }
}

/// What staff establish about a loss. It affects documents, deadlines and who may be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(rename_all = "snake_case"))]
pub enum Matter {
    /// 全损: the bank's letter if the car is financed, 残值 in the calculation.
    TotalLoss,
    /// 代位求偿: 权益转让书 (保险法第六十条).
    SubrogationClaim,
    /// Before a court: judgement or settlement is needed.
    CourtCase,
    /// The insured person has died: heirs or beneficiaries are paid instead.
    InsuredDeceased,
}

crate::wire_names!(Matter);

impl Matter {
    pub const ALL: &'static [Matter] = &[
        Matter::TotalLoss,
        Matter::SubrogationClaim,
        Matter::CourtCase,
        Matter::InsuredDeceased,
    ];

    /// The fact of the document rules.
    pub fn as_str(self) -> &'static str {
        match self {
            Matter::TotalLoss => "total_loss",
            Matter::SubrogationClaim => "subrogation_claim",
            Matter::CourtCase => "court_case",
            Matter::InsuredDeceased => "insured_deceased",
        }
    }
    pub fn parse(text: &str) -> Option<Matter> {
        Matter::ALL.iter().copied().find(|m| m.as_str() == text)
    }
}

/// Who an event is shown to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eyes {
    /// Somebody with a proven role: everything.
    Whole,
    /// Only progress.
    Stages,
    /// Progress, and what concerns the payee of this number.
    Payee(u16),
}

fn is_zero(fen: &i64) -> bool {
    *fen == 0
}

fn first() -> u16 {
    1
}

/// What happened. Written for the customer's eyes: staff notes and risk signals have no field here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    Reported {
        verified: bool,
        /// The report is of the insured person's death.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deceased: bool,
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
    /// 无需查勘: the photos are enough.
    SurveySkipped {
        reason: String,
    },
    SurveyReported {
        report: String,
    },
    /// The customer's correction to the survey report.
    SurveyRemarked {
        text: String,
    },
    Assessed {
        version: u16,
        lines: Vec<Line>,
        total_fen: i64,
        /// The answer to the customer's objection, if there was one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        answer: String,
    },
    /// `by_phone`: a member of staff wrote down what the customer said.
    AssessmentAccepted {
        version: u16,
        by_phone: bool,
    },
    AssessmentObjected {
        version: u16,
        reason: String,
        /// Which lines, from 0; none means all of it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<u16>,
    },
    /// Above one person's limit: a second person decides.
    ApprovalAsked {
        to: String,
    },
    Approved {
        amount_fen: i64,
        /// The decision in a sentence; each line has its own clause.
        basis: String,
        /// For decisions made before covers had their own lines: the one sum.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payout: Option<Payout>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        awards: Vec<Award>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<Check>,
    },
    Rejected {
        clause: String,
        facts: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        evidence: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        checks: Vec<Check>,
    },
    /// The customer has the letter (保险法第二十四条：三日内发出).
    LetterDelivered,
    /// Back to the survey or the assessment.
    SentBack {
        to: Stage,
        reason: String,
    },
    /// The customer accepts less than they had agreed to.
    DecisionAgreed,
    /// Who gets the money, and which part. The whole list, each time it changes.
    PayeesNamed {
        payees: Vec<Payee>,
    },
    PaymentOrdered {
        instruction: String,
        #[serde(default = "first")]
        payee: u16,
        #[serde(default, skip_serializing_if = "is_zero")]
        amount_fen: i64,
    },
    PaymentFailed {
        reason: String,
        #[serde(default = "first")]
        payee: u16,
    },
    Paid {
        amount_fen: i64,
        reference: String,
        #[serde(default = "first")]
        payee: u16,
        /// How much from which cover.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lines: Vec<Line>,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        last4: String,
    },
    /// 先予支付（保险法第二十五条）.
    AdvanceAsked,
    AdvancePaid {
        amount_fen: i64,
        reference: String,
    },
    Closed,
    Archived,
    Reopened {
        reason: String,
    },
    Withdrawn {
        reason: String,
    },
    DocumentReceived {
        document: String,
        sha256: String,
        bytes: u64,
    },
    /// 补充材料: everything that is still needed, in one list (保险法第二十二条：及时一次性通知). A
    /// second batch needs a supervisor and a reason.
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
    /// Nothing on the list is needed any more.
    SupplementEnded {
        reason: String,
    },
    /// 通过 or 需要重传, with the reason.
    DocumentJudged {
        document: String,
        accepted: bool,
        reason: String,
    },
    /// 索赔: the formal claim request. Starts the insurer's clock
    /// (保险法第二十三条，司法解释二第十五条).
    Requested {
        /// Version of the rules that were applied.
        rules_version: String,
        /// Documents the customer cannot provide, with their reason.
        unavailable: Vec<Excuse>,
        /// SHA-256 of the form that was signed.
        form_sha256: String,
    },
    Marked {
        overlay: Overlay,
        /// For people; never an accusation.
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Date))]
        until: Option<Day>,
    },
    Unmarked {
        overlay: Overlay,
    },
    /// 复核: the customer disagrees; the decision stays visible.
    ReviewAsked {
        reason: String,
        wish: String,
    },
    ReviewAnswered {
        overturned: bool,
        text: String,
        /// 条款, 信息, 责任认定, 时效, 误导 or 态度: for statistics.
        cause: String,
    },
    ComplaintFiled {
        number: String,
        about: String,
        wish: String,
        /// Who answers.
        owner: String,
    },
    /// To 30 days if complex; to 60 if special, by a supervisor.
    ComplaintExtended {
        special: bool,
        reason: String,
    },
    ComplaintAnswered {
        text: String,
        cause: String,
    },
    Wrote {
        text: String,
    },
    Answered {
        text: String,
    },
    /// 转人工.
    PersonAsked {
        about: String,
    },
    PersonCalled {
        text: String,
    },
    /// 1 to 5.
    Rated {
        score: u8,
        text: String,
    },
    /// The report named none of our policies; this is the one, by its last digits. Its policyholder
    /// sees the claim from now on.
    PolicyFound {
        policy: String,
    },
    /// Somebody's role was proved: what it allows is shown to them from now on.
    Entitled {
        role: Role,
        /// `张*`
        who: String,
        /// What they may do, in words: the scope of the authorisation.
        reason: String,
        /// The paper that proves it; empty where staff saw the originals.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        proof: String,
        /// To the end of this day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Date))]
        until: Option<Day>,
    },
    /// 这不是我报的: nothing moves until a supervisor has settled it.
    Disowned,
    /// The finding: the report is the policyholder's after all, or the claim ends here.
    DisownSettled {
        genuine: bool,
        text: String,
    },
    /// A required document is not needed: staff accepted the customer's reason, or know why.
    DocumentWaived {
        document: String,
        reason: String,
    },
    /// What staff found out about the loss.
    Established {
        matter: Matter,
        holds: bool,
        reason: String,
    },
    /// From now on nothing more is done that rested on it (个人信息保护法第十五条).
    ConsentWithdrawn {
        consent: String,
    },
    /// The customer corrected their details: names of the fields.
    Corrected {
        fields: Vec<String>,
    },
    /// A deadline has passed; at most one for each.
    Escalated {
        deadline: String,
        to: String,
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
        by: Moment,
    },
}

macro_rules! desk {
    (-) => {
        None
    };
    ($desk:ident) => {
        Some(Desk::$desk)
    };
}

macro_rules! is {
    (-) => {
        false
    };
    ($mark:ident) => {
        true
    };
}

macro_rules! kinds {
    ($($name:ident $text:literal $desk:tt $customer:tt $machine:tt $moves:tt $message:tt $letter:tt)*) => {
        /// [`EventKind`] without its facts: the step itself, as buttons and tables name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum StepKind { $($name),* }

        impl StepKind {
            pub const ALL: &[StepKind] = &[$(StepKind::$name),*];
            /// As on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(StepKind::$name => $text),* }
            }

            /// The desk that does this; `None` is not for staff.
            pub fn desk(self) -> Option<Desk> {
                match self { $(StepKind::$name => desk!($desk)),* }
            }

            fn is_customers(self) -> bool {
                match self { $(StepKind::$name => is!($customer)),* }
            }

            fn is_machines(self) -> bool {
                match self { $(StepKind::$name => is!($machine)),* }
            }

            /// Whether people are told of it by message.
            pub fn has_message(self) -> bool {
                match self { $(StepKind::$name => is!($message)),* }
            }

            /// Whether there is a letter about it.
            pub fn has_letter(self) -> bool {
                match self { $(StepKind::$name => is!($letter)),* }
            }

            /// Leads towards a decision or payment, or lets somebody in: on hold while we do not
            /// know whose report it is.
            pub(super) fn moves_on(self) -> bool {
                match self { $(StepKind::$name => is!($moves)),* }
            }
        }

        impl EventKind {
            pub fn kind(&self) -> StepKind {
                match self { $(EventKind::$name { .. } => StepKind::$name),* }
            }
        }
    };
}

// Every step: its name on the wire, the desk that does it, whether the customer does, whether the
// system does by rule (it never rejects: 个人信息保护法第二十四条), whether it is on hold while we do
// not know whose report it is, and whether a message and a letter are written about it.
kinds! {
    Reported           "reported"            -           -        machine -     message -
    Registered         "registered"          Intake      -        machine moves -       letter
    NotAccepted        "not-accepted"        Intake      -        -       -     message letter
    SurveyStarted      "survey-started"      Surveyor    -        -       moves message -
    SurveySkipped      "survey-skipped"      Surveyor    -        machine moves -       -
    SurveyReported     "survey-reported"     Surveyor    -        -       moves -       -
    SurveyRemarked     "survey-remarked"     -           customer -       -     -       -
    Assessed           "assessed"            Assessor    -        -       moves message -
    AssessmentAccepted "assessment-accepted" Intake      customer -       moves -       -
    AssessmentObjected "assessment-objected" -           customer -       -     -       -
    ApprovalAsked      "approval-asked"      Adjudicator -        -       moves -       -
    Approved           "approved"            Adjudicator -        -       moves message letter
    Rejected           "rejected"            Adjudicator -        -       -     message letter
    LetterDelivered    "letter-delivered"    -           -        machine -     -       -
    SentBack           "sent-back"           Adjudicator -        -       -     -       -
    DecisionAgreed     "decision-agreed"     Intake      customer -       moves -       -
    PayeesNamed        "payees-named"        -           customer machine moves -       -
    PaymentOrdered     "payment-ordered"     Finance     -        -       moves -       -
    PaymentFailed      "payment-failed"      Finance     -        machine -     message -
    Paid               "paid"                Finance     -        machine -     message letter
    AdvanceAsked       "advance-asked"       -           customer -       moves -       -
    AdvancePaid        "advance-paid"        Finance     -        -       moves message -
    Closed             "closed"              Intake      -        machine moves message -
    Archived           "archived"            -           -        machine moves -       -
    Reopened           "reopened"            Supervisor  -        -       moves -       -
    Withdrawn          "withdrawn"           -           customer -       -     -       -
    DocumentReceived   "document-received"   -           customer machine -     -       -
    SupplementAsked    "supplement-asked"    Intake      -        -       moves message letter
    SupplementExcused  "supplement-excused"  -           customer -       -     -       -
    SupplementEnded    "supplement-ended"    Intake      -        -       -     -       -
    DocumentJudged     "document-judged"     Intake      -        -       -     message -
    Requested          "requested"           -           customer -       moves message -
    Marked             "marked"              Intake      -        -       -     -       -
    Unmarked           "unmarked"            Intake      -        -       -     -       -
    ReviewAsked        "review-asked"        -           customer -       -     -       -
    ReviewAnswered     "review-answered"     Supervisor  -        -       -     message -
    ComplaintFiled     "complaint-filed"     -           customer -       -     message -
    ComplaintExtended  "complaint-extended"  Intake      -        -       -     -       -
    ComplaintAnswered  "complaint-answered"  Intake      -        -       -     message -
    Wrote              "wrote"               -           customer -       -     -       -
    Answered           "answered"            Intake      -        -       -     message -
    PersonAsked        "person-asked"        -           customer -       -     -       -
    PersonCalled       "person-called"       Intake      -        -       -     -       -
    Rated              "rated"               -           customer -       -     -       -
    PolicyFound        "policy-found"        Intake      -        machine -     message -
    Entitled           "entitled"            Intake      -        -       moves message -
    Disowned           "disowned"            -           customer -       -     -       -
    DisownSettled      "disown-settled"      Supervisor  -        -       -     message -
    DocumentWaived     "document-waived"     Intake      -        -       -     -       -
    Established        "established"         Intake      -        -       -     -       -
    ConsentWithdrawn   "consent-withdrawn"   -           customer -       -     -       -
    Corrected          "corrected"           -           customer -       -     -       -
    Escalated          "escalated"           -           -        machine -     message -
}

impl StepKind {
    pub fn parse(text: &str) -> Option<StepKind> {
        StepKind::ALL.iter().copied().find(|k| k.as_str() == text)
    }

    pub(super) fn is_for(self, actor: &Actor) -> bool {
        match actor {
            Actor::System => self.is_machines(),
            Actor::Customer => self.is_customers(),
            Actor::Staff { desk, .. } => self
                .desk()
                .is_some_and(|needed| needed == *desk || *desk == Desk::Supervisor),
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
    pub what: EventKind,
}

impl EventKind {
    /// The event as this viewer may see it. Every kind has its line here: a new one does not
    /// compile without.
    pub fn seen_by(self, eyes: Eyes) -> EventKind {
        let none = String::new;
        let mine = |payee: u16| eyes == Eyes::Payee(payee);
        if eyes == Eyes::Whole {
            return self;
        }
        match self {
            EventKind::Reported { verified, .. } => EventKind::Reported {
                verified,
                deceased: false,
            },
            EventKind::Registered { handler } => EventKind::Registered { handler },
            EventKind::NotAccepted { .. } => EventKind::NotAccepted {
                reason: none(),
                text: none(),
                next_step: none(),
            },
            EventKind::SurveyStarted { on_site, surveyor } => {
                EventKind::SurveyStarted { on_site, surveyor }
            }
            EventKind::SurveySkipped { .. } => EventKind::SurveySkipped { reason: none() },
            EventKind::SurveyReported { .. } => EventKind::SurveyReported { report: none() },
            EventKind::SurveyRemarked { .. } => EventKind::SurveyRemarked { text: none() },
            EventKind::Assessed { version, .. } => EventKind::Assessed {
                version,
                lines: Vec::new(),
                total_fen: 0,
                answer: none(),
            },
            EventKind::AssessmentAccepted { version, by_phone } => {
                EventKind::AssessmentAccepted { version, by_phone }
            }
            EventKind::AssessmentObjected { version, .. } => EventKind::AssessmentObjected {
                version,
                reason: none(),
                lines: Vec::new(),
            },
            EventKind::ApprovalAsked { to } => EventKind::ApprovalAsked { to },
            EventKind::Approved { .. } => EventKind::Approved {
                amount_fen: 0,
                basis: none(),
                payout: None,
                awards: Vec::new(),
                checks: Vec::new(),
            },
            EventKind::Rejected { .. } => EventKind::Rejected {
                clause: none(),
                facts: none(),
                evidence: none(),
                checks: Vec::new(),
            },
            EventKind::LetterDelivered => EventKind::LetterDelivered,
            EventKind::SentBack { to, .. } => EventKind::SentBack { to, reason: none() },
            EventKind::DecisionAgreed => EventKind::DecisionAgreed,
            EventKind::PayeesNamed { mut payees } => {
                payees.retain(|p| mine(p.no));
                EventKind::PayeesNamed { payees }
            }
            EventKind::PaymentOrdered {
                payee, amount_fen, ..
            } if mine(payee) => EventKind::PaymentOrdered {
                instruction: none(),
                payee,
                amount_fen,
            },
            EventKind::PaymentOrdered { payee, .. } => EventKind::PaymentOrdered {
                instruction: none(),
                payee,
                amount_fen: 0,
            },
            EventKind::PaymentFailed { reason, payee } if mine(payee) => {
                EventKind::PaymentFailed { reason, payee }
            }
            EventKind::PaymentFailed { payee, .. } => EventKind::PaymentFailed {
                reason: none(),
                payee,
            },
            EventKind::Paid {
                amount_fen,
                reference,
                payee,
                lines,
                last4,
            } if mine(payee) => EventKind::Paid {
                amount_fen,
                reference,
                payee,
                lines,
                last4,
            },
            EventKind::Paid { payee, .. } => EventKind::Paid {
                amount_fen: 0,
                reference: none(),
                payee,
                lines: Vec::new(),
                last4: none(),
            },
            EventKind::AdvanceAsked => EventKind::AdvanceAsked,
            EventKind::AdvancePaid { .. } => EventKind::AdvancePaid {
                amount_fen: 0,
                reference: none(),
            },
            EventKind::Closed => EventKind::Closed,
            EventKind::Archived => EventKind::Archived,
            EventKind::Reopened { .. } => EventKind::Reopened { reason: none() },
            EventKind::Withdrawn { .. } => EventKind::Withdrawn { reason: none() },
            // Which documents exist is not for these viewers.
            EventKind::DocumentReceived { .. } => EventKind::DocumentReceived {
                document: none(),
                sha256: none(),
                bytes: 0,
            },
            EventKind::SupplementAsked { batch, until, .. } => EventKind::SupplementAsked {
                batch,
                documents: Vec::new(),
                until,
                reason: none(),
                again_because: None,
            },
            EventKind::SupplementExcused { .. } => EventKind::SupplementExcused {
                document: none(),
                reason: none(),
            },
            EventKind::SupplementEnded { .. } => EventKind::SupplementEnded { reason: none() },
            EventKind::DocumentJudged { accepted, .. } => EventKind::DocumentJudged {
                document: none(),
                accepted,
                reason: none(),
            },
            EventKind::Requested { rules_version, .. } => EventKind::Requested {
                rules_version,
                form_sha256: none(),
                unavailable: Vec::new(),
            },
            EventKind::Marked { overlay, until, .. } => EventKind::Marked {
                overlay,
                until,
                reason: none(),
            },
            EventKind::Unmarked { overlay } => EventKind::Unmarked { overlay },
            EventKind::ReviewAsked { .. } => EventKind::ReviewAsked {
                reason: none(),
                wish: none(),
            },
            EventKind::ReviewAnswered { overturned, .. } => EventKind::ReviewAnswered {
                overturned,
                text: none(),
                cause: none(),
            },
            EventKind::ComplaintFiled { number, owner, .. } => EventKind::ComplaintFiled {
                number,
                owner,
                about: none(),
                wish: none(),
            },
            EventKind::ComplaintExtended { special, .. } => EventKind::ComplaintExtended {
                special,
                reason: none(),
            },
            EventKind::ComplaintAnswered { .. } => EventKind::ComplaintAnswered {
                text: none(),
                cause: none(),
            },
            EventKind::Wrote { .. } => EventKind::Wrote { text: none() },
            EventKind::Answered { .. } => EventKind::Answered { text: none() },
            EventKind::PersonAsked { .. } => EventKind::PersonAsked { about: none() },
            EventKind::PersonCalled { .. } => EventKind::PersonCalled { text: none() },
            EventKind::Rated { .. } => EventKind::Rated {
                score: 0,
                text: none(),
            },
            EventKind::PolicyFound { .. } => EventKind::PolicyFound { policy: none() },
            EventKind::Entitled { role, .. } => EventKind::Entitled {
                role,
                who: none(),
                reason: none(),
                proof: none(),
                until: None,
            },
            EventKind::Disowned => EventKind::Disowned,
            EventKind::DisownSettled { genuine, .. } => EventKind::DisownSettled {
                genuine,
                text: none(),
            },
            EventKind::DocumentWaived { .. } => EventKind::DocumentWaived {
                document: none(),
                reason: none(),
            },
            EventKind::Established { matter, .. } => EventKind::Established {
                matter,
                holds: false,
                reason: none(),
            },
            EventKind::ConsentWithdrawn { .. } => EventKind::ConsentWithdrawn { consent: none() },
            EventKind::Corrected { .. } => EventKind::Corrected { fields: Vec::new() },
            EventKind::Escalated { deadline, to, by } => EventKind::Escalated { deadline, to, by },
        }
    }
}

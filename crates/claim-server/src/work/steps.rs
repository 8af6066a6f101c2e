//! The steps that staff take: the form that asks for its facts, the event that comes of it, and what
//! else a step does besides the log.

use claim_api::{Problem, ProblemCode};
use claim_domain::lifecycle::{
    Actor, Check, Claim, Desk, EventKind, Matter, Overlay, Point, Role, Stage, StepKind,
};
use claim_domain::payout::{Award, Payout, PerDay};
use claim_domain::policy::Policy;
use claim_domain::validate::{self, Code};
use claim_domain::{Day, FieldError};

use super::fields::Fields;
use super::{attendant, log, papers, payments, policies};
use crate::failure::{Failure, Result};
use crate::store::claims::{self, ClaimRow};
use crate::store::parties::{self, Grant};
use crate::store::staff::{self as kept_staff, Member};
use crate::store::{Db, Tx, events, policies as kept_policies, services};
use crate::{App, mask, now};

/// Maximum lines of one decision.
pub const MOST_AWARDS: usize = 12;

/// Name, label, whether it is long, whether it may be left out.
pub type Field = (&'static str, &'static str, bool, bool);

const LONG: bool = true;
const MAY_LACK: bool = true;

/// Title and fields of the form of a step; `None`: not for staff, or with a form of its own.
pub fn form(kind: StepKind) -> Option<(&'static str, &'static [Field])> {
    Some(match kind {
        StepKind::Registered => ("立案", &[("handler", "经办人（客户会看到）", false, false)]),
        StepKind::NotAccepted => (
            "不予受理",
            &[
                ("text", "原因说明（客户会看到）", LONG, false),
                ("next_step", "客户可以怎么办", LONG, false),
            ],
        ),
        StepKind::SurveyStarted => (
            "开始查勘",
            &[("surveyor", "查勘员（客户会看到）", false, false)],
        ),
        StepKind::SurveySkipped => (
            "无需查勘",
            &[("reason", "为什么不用（客户会看到）", false, false)],
        ),
        StepKind::SurveyReported => ("查勘结论", &[("report", "结论（客户会看到）", LONG, false)]),
        StepKind::Assessed => (
            "定损",
            &[
                (
                    "lines",
                    "逐项填写，一行一项，做法可写修复、更换、工时，金额在最后，例如：前保险杠 更换 800.00",
                    LONG,
                    false,
                ),
                (
                    "answer",
                    "对客户异议的答复（有异议时必填，客户会看到）",
                    LONG,
                    MAY_LACK,
                ),
            ],
        ),
        StepKind::AssessmentAccepted => ("客户电话同意定损", &[]),
        StepKind::Approved => (
            "核赔通过",
            &[("basis", "结论和总的依据（客户会看到）", LONG, false)],
        ),
        StepKind::Rejected => (
            "拒赔",
            &[
                ("clause", "条款（客户会看到）", LONG, false),
                ("facts", "依据的事实（客户会看到）", LONG, false),
                ("evidence", "证据（客户会看到）", LONG, false),
            ],
        ),
        StepKind::SentBack => ("退回", &[("reason", "原因（客户会看到）", LONG, false)]),
        StepKind::PaymentOrdered => ("发出付款指令", &[("instruction", "指令号", false, false)]),
        StepKind::PaymentFailed => (
            "付款被退回",
            &[("reason", "原因（客户会看到）", false, false)],
        ),
        StepKind::Paid => ("已支付", &[("reference", "银行流水号", false, false)]),
        StepKind::AdvancePaid => (
            "先予支付",
            &[
                ("amount_fen", "能够确定的金额（元）", false, false),
                ("reference", "银行流水号", false, false),
            ],
        ),
        StepKind::DecisionAgreed => ("客户电话同意核定结果", &[]),
        StepKind::PolicyFound => (
            "关联保单",
            &[("policy", "保单号（出险当天有效）", false, false)],
        ),
        StepKind::Entitled => (
            "身份已核实，可以办理",
            &[
                ("name", "姓名（不填为报案人）", false, MAY_LACK),
                ("phone", "手机号（不填为报案人的）", false, MAY_LACK),
                ("reason", "可以办什么、依据什么（客户会看到）", false, false),
                ("until", "有效到哪天，例如 2026-12-01", false, MAY_LACK),
            ],
        ),
        StepKind::DisownSettled => (
            "核实结果：是不是投保人同意的报案",
            &[("text", "怎样核实的（客户会看到）", LONG, false)],
        ),
        StepKind::DocumentWaived => (
            "这份材料不用交",
            &[("reason", "为什么（客户会看到）", false, false)],
        ),
        StepKind::Established => ("认定", &[("reason", "依据（客户会看到）", false, false)]),
        StepKind::Closed => ("结案", &[]),
        StepKind::Reopened => ("重新打开", &[("reason", "原因（客户会看到）", LONG, false)]),
        StepKind::SupplementEnded => (
            "不再需要补充材料",
            &[("reason", "原因（客户会看到）", false, false)],
        ),
        StepKind::Marked => (
            "标记",
            &[
                ("reason", "说明（客户会看到，不要写怀疑）", false, false),
                ("until", "预计到哪天，例如 2026-12-01", false, MAY_LACK),
            ],
        ),
        StepKind::Unmarked => ("取消标记", &[]),
        StepKind::ReviewAnswered => ("答复复核", &[("text", "答复（客户会看到）", LONG, false)]),
        StepKind::ComplaintExtended => (
            "延长投诉答复期限",
            &[("reason", "原因（客户会看到）", LONG, false)],
        ),
        StepKind::ComplaintAnswered => ("答复投诉", &[("text", "答复（客户会看到）", LONG, false)]),
        StepKind::Answered => ("答复留言", &[("text", "答复（客户会看到）", LONG, false)]),
        StepKind::PersonCalled => (
            "已给客户回电",
            &[("text", "说了什么（客户会看到）", LONG, false)],
        ),
        StepKind::Reported
        | StepKind::SurveyRemarked
        | StepKind::AssessmentObjected
        | StepKind::ApprovalAsked
        | StepKind::LetterDelivered
        | StepKind::PayeesNamed
        | StepKind::AdvanceAsked
        | StepKind::Archived
        | StepKind::Withdrawn
        | StepKind::DocumentReceived
        | StepKind::SupplementAsked
        | StepKind::SupplementExcused
        | StepKind::DocumentJudged
        | StepKind::Requested
        | StepKind::ReviewAsked
        | StepKind::ComplaintFiled
        | StepKind::Wrote
        | StepKind::PersonAsked
        | StepKind::Rated
        | StepKind::Disowned
        | StepKind::ConsentWithdrawn
        | StepKind::Corrected
        | StepKind::Escalated => return None,
    })
}

/// The outcome of a step.
pub enum Taken {
    Done,
    /// Above this person's limit: it waits for a second person, with the form as filled in.
    HandedOver,
}

/// Remembers a command in the transaction that carries it out.
pub struct Once<'a> {
    pub service: &'a str,
    pub key: &'a str,
    pub request: String,
}

impl Once<'_> {
    /// Whether this command was carried out before; if not, it is recorded now.
    ///
    /// # Errors
    /// `idempotency-key-reused` if something else was asked with this key.
    pub async fn is_done(&self, tx: &mut Tx) -> Result<bool> {
        match services::command(tx, self.service, self.key).await? {
            Some(before) if before == self.request => Ok(true),
            Some(_) => Err(ProblemCode::IdempotencyKeyReused.into()),
            None => {
                services::keep_command(tx, self.service, self.key, &self.request, now()).await?;
                Ok(false)
            }
        }
    }
}

/// Takes the step that a form describes.
///
/// # Errors
/// `validation` names the field, `not-allowed` when the claim has moved on, `not-this-person` if
/// somebody else must decide.
pub async fn step(app: &App, staff: &Member, no: &str, fields: &Fields) -> Result<Taken> {
    step_once(app, staff, no, fields, None).await
}

/// The same for a command that may be sent again.
///
/// # Errors
/// The same, and `idempotency-key-reused`.
pub async fn step_once(
    app: &App,
    staff: &Member,
    no: &str,
    fields: &Fields,
    once: Option<&Once<'_>>,
) -> Result<Taken> {
    let kind = StepKind::parse(&fields.get("kind")).ok_or(ProblemCode::NotAllowed)?;
    let (mut tx, at) = (app.store.begin().await?, now());
    let row = claims::by_no(&mut tx, no).await?;
    if let Some(once) = once
        && once.is_done(&mut tx).await?
    {
        return Ok(Taken::Done);
    }
    let of = (row.id.as_str(), row.lob);
    // Read inside the write transaction, so that an approval asked for a moment ago is seen.
    let claim = events::state(&mut tx, &row.id, row.lob).await?;
    let what = what(app, &mut tx, &row, &claim, kind, fields).await?;
    let actor = staff.actor();
    let limit = app.deployment.authority.adjudicator_fen;
    let supervises = staff.desk == Desk::Supervisor;
    if matches!(&what, EventKind::AdvancePaid { amount_fen, .. } if *amount_fen > limit)
        && !supervises
    {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let standing = papers::standing(app, &mut tx, &row.id, &claim, kind).await?;
    let above = matches!(&what, EventKind::Approved { amount_fen, .. } if *amount_fen > limit);
    if above && claim.asked_by.is_some() && !supervises {
        return Err(ProblemCode::NotThisPerson.into());
    }
    if above && claim.asked_by.is_none() && claim.admit(&actor, &what, &standing).is_ok() {
        // Handed over in one step, keeping what was filled in for the second person.
        let asked = EventKind::ApprovalAsked {
            to: "主管".into()
        };
        log::append(app, &mut tx, of, &actor, asked, at).await?;
        kept_staff::keep_proposal(&mut tx, &row.id, &fields.0).await?;
        tx.commit().await?;
        attendant::attend(app, &row.id).await;
        return Ok(Taken::HandedOver);
    }
    if kind == StepKind::PolicyFound {
        link_policy(app, &mut tx, &row, &fields.get("policy"), &actor).await?;
        tx.commit().await?;
        attendant::attend(app, &row.id).await;
        return Ok(Taken::Done);
    }
    // Several documents may be judged at once, each with its own event.
    for what in all_of(&claim, what, fields) {
        let event = log::append(app, &mut tx, of, &actor, what, at).await?;
        match &event.what {
            EventKind::PaymentOrdered {
                instruction,
                payee,
                amount_fen,
            } => {
                payments::order(&mut tx, &row.id, (instruction, *payee), *amount_fen, at).await?;
            }
            EventKind::Paid { .. } | EventKind::PaymentFailed { .. } => {
                payments::by_hand(&mut tx, &claim, &event.what).await?
            }
            EventKind::Entitled { role, until, .. } => {
                entitle(&mut tx, &row, *role, *until, &fields.get("phone")).await?
            }
            _ => {}
        }
    }
    if matches!(
        kind,
        StepKind::Approved | StepKind::Rejected | StepKind::SentBack
    ) {
        kept_staff::forget_proposal(&mut tx, &row.id).await?;
    }
    tx.commit().await?;
    attendant::attend(app, &row.id).await;
    Ok(Taken::Done)
}

/// `document=*` accepts everything received and not yet judged.
fn all_of(claim: &Claim, what: EventKind, fields: &Fields) -> Vec<EventKind> {
    match &what {
        EventKind::DocumentJudged { accepted: true, .. } if fields.get("document") == "*" => {
            let mut open: Vec<&String> = claim
                .received
                .iter()
                .map(|(document, _)| document)
                .collect();
            open.sort();
            open.dedup();
            open.retain(|d| claim.verdicts.iter().all(|v| v.document != **d));
            open.into_iter()
                .map(|d| EventKind::DocumentJudged {
                    document: d.clone(),
                    accepted: true,
                    reason: String::new(),
                })
                .collect()
        }
        _ => vec![what],
    }
}

/// Links a policy: from now on, the policyholder sees everything, at once or when they sign in.
async fn link_policy(
    app: &App,
    tx: &mut Tx,
    row: &ClaimRow,
    number: &str,
    actor: &Actor,
) -> Result<()> {
    if row.verified {
        return Err(ProblemCode::NotAllowed.into());
    }
    let found = kept_policies::in_force(tx, number, row.lob, row.notice.loss_at).await?;
    let unknown = || Problem::validation(vec![FieldError::new("/policy", Code::UnknownOption)]);
    policies::link(app, tx, row, &found.ok_or_else(unknown)?, actor, now()).await
}

/// Grants this right to the owner of this phone, or to the reporter if no phone is given.
async fn entitle(
    tx: &mut Tx,
    row: &ClaimRow,
    role: Role,
    until: Option<Day>,
    phone: &str,
) -> Result<()> {
    let phone = if phone.is_empty() {
        &row.notice.reporter.phone
    } else {
        phone
    };
    let verdict = validate::mobile(phone);
    let wrong = || Problem::validation(vec![FieldError::new("/phone", Code::PhoneFormat)]);
    let phone = verdict.value().ok_or_else(wrong)?;
    parties::grant(
        tx,
        &row.id,
        &Grant {
            role,
            payee: None,
            until,
            phone,
        },
    )
    .await
}

/// The payment being answered: the chosen one, or the only one that is with the bank.
fn outstanding(claim: &Claim, fields: &Fields) -> u16 {
    let chosen = fields.get("payee").parse().ok();
    chosen
        .or_else(|| claim.outstanding().next().map(|(no, _)| no))
        .unwrap_or(0)
}

async fn what(
    app: &App,
    db: &mut Db,
    row: &ClaimRow,
    claim: &Claim,
    kind: StepKind,
    fields: &Fields,
) -> Result<EventKind> {
    let text = |name: &str| fields.get(name);
    let version = claim.assessment.as_ref().map_or(0, |a| a.version);
    Ok(match kind {
        StepKind::Registered => EventKind::Registered {
            handler: text("handler"),
        },
        StepKind::NotAccepted => EventKind::NotAccepted {
            reason: text("reason"),
            text: text("text"),
            next_step: text("next_step"),
        },
        StepKind::SurveyStarted => EventKind::SurveyStarted {
            on_site: text("on_site") == "yes",
            surveyor: text("surveyor"),
        },
        StepKind::SurveySkipped => EventKind::SurveySkipped {
            reason: text("reason"),
        },
        StepKind::SurveyReported => EventKind::SurveyReported {
            report: text("report"),
        },
        StepKind::Assessed => {
            let lines = fields.lines()?;
            let total_fen = lines.iter().map(|l| l.fen).sum();
            EventKind::Assessed {
                version: version + 1,
                lines,
                total_fen,
                answer: text("answer"),
            }
        }
        StepKind::AssessmentAccepted => EventKind::AssessmentAccepted {
            version,
            by_phone: true,
        },
        StepKind::Approved => {
            // Without a policy there is no basis for a decision.
            let policy = kept_policies::of_claim(db, &row.id).await?;
            let awards = awards(fields, claim, &policy.ok_or(ProblemCode::NotAllowed)?)?;
            let amount_fen = awards.iter().map(|a| a.fen).sum();
            EventKind::Approved {
                amount_fen,
                basis: text("basis"),
                payout: None,
                awards,
                checks: checks(fields),
            }
        }
        StepKind::Rejected => EventKind::Rejected {
            clause: text("clause"),
            facts: text("facts"),
            evidence: text("evidence"),
            checks: checks(fields),
        },
        StepKind::SentBack => {
            let to = if text("to") == "surveying" {
                Stage::Surveying
            } else {
                Stage::Assessing
            };
            EventKind::SentBack {
                to,
                reason: text("reason"),
            }
        }
        StepKind::PaymentOrdered => {
            let due = claim
                .payable()
                .into_iter()
                .find(|d| text("payee").is_empty() || d.payee.to_string() == text("payee"));
            let (payee, amount_fen) = due.map_or((0, 0), |d| (d.payee, d.fen));
            EventKind::PaymentOrdered {
                instruction: text("instruction"),
                payee,
                amount_fen,
            }
        }
        StepKind::PaymentFailed => EventKind::PaymentFailed {
            reason: text("reason"),
            payee: outstanding(claim, fields),
        },
        StepKind::Paid => payments::paid(claim, outstanding(claim, fields), text("reference")),
        StepKind::AdvancePaid => EventKind::AdvancePaid {
            amount_fen: fields.amount("amount_fen")?,
            reference: text("reference"),
        },
        StepKind::DecisionAgreed => EventKind::DecisionAgreed,
        // The number itself stays in the policy's row.
        StepKind::PolicyFound => EventKind::PolicyFound {
            policy: mask::tail(&text("policy")),
        },
        StepKind::Entitled => {
            let unknown =
                || Problem::validation(vec![FieldError::new("/role", Code::UnknownOption)]);
            let role = if text("role").is_empty() {
                Role::Agent
            } else {
                Role::parse(&text("role")).ok_or_else(unknown)?
            };
            let until = if text("until").is_empty() {
                None
            } else {
                Some(fields.day("until")?)
            };
            let name = if text("name").is_empty() {
                row.notice.reporter.name.clone()
            } else {
                text("name")
            };
            EventKind::Entitled {
                role,
                who: mask::name(&name),
                reason: text("reason"),
                proof: text("proof"),
                until,
            }
        }
        StepKind::DisownSettled => EventKind::DisownSettled {
            genuine: text("genuine") == "yes",
            text: text("text"),
        },
        StepKind::DocumentWaived => EventKind::DocumentWaived {
            document: text("document"),
            reason: text("reason"),
        },
        StepKind::Established => {
            let unknown =
                || Problem::validation(vec![FieldError::new("/matter", Code::UnknownOption)]);
            let matter = Matter::parse(&text("matter")).ok_or_else(unknown)?;
            EventKind::Established {
                matter,
                holds: text("holds") != "no",
                reason: text("reason"),
            }
        }
        StepKind::Closed => EventKind::Closed,
        StepKind::Reopened => EventKind::Reopened {
            reason: text("reason"),
        },
        StepKind::SupplementAsked => {
            let catalogue = papers::rules(app, db, &row.rules_version).await?;
            let documents = fields
                .all("documents")
                .filter(|id| catalogue.document(id).is_some_and(|d| d.max > 0))
                .collect();
            let again_because = Some(text("again_because")).filter(|r| !r.is_empty());
            EventKind::SupplementAsked {
                batch: claim.supplements + 1,
                documents,
                reason: text("reason"),
                until: fields.day("until")?,
                again_because,
            }
        }
        StepKind::SupplementEnded => EventKind::SupplementEnded {
            reason: text("reason"),
        },
        StepKind::DocumentJudged => EventKind::DocumentJudged {
            document: text("document"),
            accepted: text("accepted") == "yes",
            reason: text("reason"),
        },
        StepKind::Marked | StepKind::Unmarked => {
            let unknown =
                || Problem::validation(vec![FieldError::new("/overlay", Code::UnknownOption)]);
            let overlay = Overlay::parse(&text("overlay")).ok_or_else(unknown)?;
            match kind {
                StepKind::Unmarked => EventKind::Unmarked { overlay },
                _ => {
                    let until = if text("until").is_empty() {
                        None
                    } else {
                        Some(fields.day("until")?)
                    };
                    EventKind::Marked {
                        overlay,
                        reason: text("reason"),
                        until,
                    }
                }
            }
        }
        StepKind::ReviewAnswered => EventKind::ReviewAnswered {
            overturned: text("overturned") == "yes",
            text: text("text"),
            cause: text("cause"),
        },
        StepKind::ComplaintExtended => EventKind::ComplaintExtended {
            special: claim.complaint().is_some_and(|c| c.days > 15),
            reason: text("reason"),
        },
        StepKind::ComplaintAnswered => EventKind::ComplaintAnswered {
            text: text("text"),
            cause: text("cause"),
        },
        StepKind::Answered => EventKind::Answered { text: text("text") },
        StepKind::PersonCalled => EventKind::PersonCalled { text: text("text") },
        // Steps of the customer and of the server.
        StepKind::Reported
        | StepKind::SurveyRemarked
        | StepKind::AssessmentObjected
        | StepKind::ApprovalAsked
        | StepKind::LetterDelivered
        | StepKind::PayeesNamed
        | StepKind::AdvanceAsked
        | StepKind::Archived
        | StepKind::Withdrawn
        | StepKind::DocumentReceived
        | StepKind::SupplementExcused
        | StepKind::Requested
        | StepKind::ReviewAsked
        | StepKind::ComplaintFiled
        | StepKind::Wrote
        | StepKind::PersonAsked
        | StepKind::Rated
        | StepKind::Disowned
        | StepKind::ConsentWithdrawn
        | StepKind::Corrected
        | StepKind::Escalated => return Err(ProblemCode::NotAllowed.into()),
    })
}

/// The lines of a decision: the first line's fields have plain names, later ones end in `-1`,
/// `-2` … A line without an item is ignored. If only one is filled in, it covers everything
/// assessed.
fn awards(fields: &Fields, claim: &Claim, policy: &Policy) -> Result<Vec<Award>> {
    let places = (0..MOST_AWARDS).map(|n| {
        if n == 0 {
            String::new()
        } else {
            format!("-{n}")
        }
    });
    let used: Vec<String> = places
        .filter(|end| !fields.get(&format!("item{end}")).is_empty())
        .collect();
    let alone = used.len() == 1;
    used.iter()
        .map(|end| award(fields, end, alone, claim, policy))
        .collect()
}

fn award(fields: &Fields, end: &str, alone: bool, claim: &Claim, policy: &Policy) -> Result<Award> {
    let named = |name: &str| format!("{name}{end}");
    let text = |name: &str| fields.get(&named(name));
    let code = text("cover");
    let known = if code.is_empty() {
        policy.covers.first()
    } else {
        policy.cover(&code)
    };
    let wrong = || {
        Problem::validation(vec![FieldError::new(
            format!("/{}", named("cover")),
            Code::UnknownOption,
        )])
    };
    let cover = known.ok_or_else(wrong)?;
    let days = text("days").parse::<u16>().ok().filter(|days| *days > 0);
    let per_day = days
        .map(|days| {
            Ok::<_, Failure>(PerDay {
                days,
                fen: fields.amount(&named("daily"))?,
            })
        })
        .transpose()?;
    let loss_fen = match (per_day, text("loss").is_empty() && alone) {
        (Some(per_day), _) => per_day.total_fen(),
        (None, true) => claim.assessment.as_ref().map_or(0, |a| a.total_fen),
        (None, false) => fields.amount(&named("loss"))?,
    };
    let payout = Payout {
        salvage_fen: fields.taken(&named("salvage"))?,
        first_payer_fen: fields.taken(&named("first_payer"))?,
        other_payer_fen: fields.taken(&named("other_payer"))?,
        excluded_fen: fields.taken(&named("excluded"))?,
        share_bp: fields.percent(&named("share"), 10_000)?,
        deductible_bp: fields.percent(&named("deductible_rate"), 0)?,
        deductible_fen: fields.taken(&named("deductible"))?,
        cap_fen: Some(fields.taken(&named("cap"))?).filter(|fen| *fen > 0),
        deductible_first: !claim.lob.is_surveyed(),
        per_day,
        ..Payout::of(loss_fen)
    };
    let own = text("clause");
    Ok(Award {
        cover: cover.code.clone(),
        name: cover.name.clone(),
        item: text("item"),
        fen: payout.result_fen(),
        payout,
        basis: if own.is_empty() && alone {
            fields.get("basis")
        } else {
            own
        },
        excluded_because: text("excluded_because"),
        share_because: text("share_because"),
        deductible_because: text("deductible_because"),
    })
}
/// `check-contract` is yes or no, `note-contract` says what is in question. Unanswered checks
/// are left out, and refused.
fn checks(fields: &Fields) -> Vec<Check> {
    let check = |point: Point| {
        let answer = fields.get(&format!("check-{}", point.as_str()));
        let good = match answer.as_str() {
            "yes" => true,
            "no" => false,
            _ => return None,
        };
        Some(Check {
            point,
            good,
            note: fields.get(&format!("note-{}", point.as_str())),
        })
    };
    Point::ALL.into_iter().filter_map(check).collect()
}

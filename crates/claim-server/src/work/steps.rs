//! The steps that staff take: from a form to an event, and what else each step does besides the
//! log.

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
use crate::store::{Db, Tx, events, policies as kept_policies};
use crate::{App, mask, now};

/// Maximum lines of one decision.
pub const MOST_AWARDS: usize = 12;

/// The outcome of a step.
pub enum Taken {
    Done,
    /// Above this person's limit: it waits for a second person, with the form as filled in.
    HandedOver,
}

/// Takes the step that a form describes.
///
/// # Errors
/// `validation` names the field, `not-allowed` when the claim has moved on, `not-this-person` if
/// somebody else must decide.
pub async fn step(app: &App, staff: &Member, no: &str, fields: &Fields) -> Result<Taken> {
    let kind = StepKind::parse(&fields.get("kind")).ok_or(ProblemCode::NotAllowed)?;
    let (mut tx, at) = (app.store.begin().await?, now());
    let row = claims::by_no(&mut tx, no).await?;
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

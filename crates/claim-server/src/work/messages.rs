//! What people are told by SMS: one message for each event that matters to them, written in the
//! transaction that made it true ([`super::delivery`] sends it).
//!
//! Promise: no message carries an amount, a name or an ID number; what it is about stands behind a
//! sign-in. At night only what was just asked for goes out, unless the person wants otherwise.

use claim_domain::lifecycle::{Event, What};
use claim_domain::{Lob, Moment, local_day};

use crate::App;
use crate::audit::Who;
use crate::failure::Result;
use crate::store::claims::ClaimRow;
use crate::store::{Db, Tx, links, messages, policies, sessions};
use crate::vault::token;

/// A message to be written.
struct Message {
    kind: String,
    text: String,
    /// Goes out at night too, and to those who want few messages.
    urgent: bool,
    optional: bool,
}

/// The text for an event, if it has one. `by` is a time or day where the event has one.
fn of(app: &App, claim: &ClaimRow, what: &What) -> Option<Message> {
    let promises = &app.deployment.promises;
    let said = match what {
        What::Reported { .. } => format!(
            "已收到您的报案，我们会在 {} 小时内联系您",
            promises.contact_hours
        ),
        What::NotAccepted { .. } => "这次不能立案，原因和可以怎么办请在理赔页面查看".into(),
        What::SurveyStarted { on_site: true, .. } => {
            "已安排查勘员到现场，姓名和电话请在理赔页面查看".into()
        }
        What::Assessed { .. } if claim.lob.is_surveyed() => {
            "定损结果出来了，请在理赔页面查看并答复".into()
        }
        What::Approved { .. } => "核定结果出来了，请在理赔页面查看".into(),
        What::Rejected { .. } => {
            "核定结果和通知书已在理赔页面，里面写明依据和不同意时可以怎么办".into()
        }
        What::PaymentFailed { .. } => "银行退回了付款，请在理赔页面更正收款账户".into(),
        What::Paid { .. } => "赔款已付出，明细请在理赔页面查看".into(),
        What::AdvancePaid { .. } => "已先行支付能够确定的部分，明细请在理赔页面查看".into(),
        What::Closed => "案件已结案，有疑问随时联系我们".into(),
        What::SupplementAsked {
            documents, until, ..
        } => {
            format!(
                "需要补充 {} 项材料，请在 {until} 前提交，原因见材料清单",
                documents.len()
            )
        }
        What::DocumentJudged {
            accepted: false, ..
        } => "有一项材料需要重传，原因见材料清单".into(),
        What::Requested { .. } => "已收到您的索赔申请，核定期限从今天开始计算".into(),
        What::ReviewAnswered { .. } => "复核有了结果，请在理赔页面查看".into(),
        What::ComplaintFiled { number, .. } => {
            format!("已收到您的投诉，编号 {number}，答复期限请在理赔页面查看")
        }
        What::ComplaintAnswered { .. } => "您的投诉有了答复，请在理赔页面查看".into(),
        What::PolicyFound { .. } => "已核对到您的保单，可以继续办理，请在理赔页面查看".into(),
        What::Entitled { .. } => "委托或身份材料已通过，可以继续办理，请在理赔页面查看".into(),
        What::DisownSettled { genuine: true, .. } => "报案已核实，继续办理".into(),
        What::Answered { .. } => "您的留言有了答复，请在理赔页面查看".into(),
        What::Escalated { deadline, .. } if deadline == "advance" => {
            "您的理赔已满六十日还没有定，可以先领能够确定的部分，请在理赔页面申请".into()
        }
        What::Escalated { by, .. } => {
            format!(
                "处理超过了期限，我们已交给主管，预计 {} 前有结果。您也可以在理赔页面投诉",
                by.to_local_text()
            )
        }
        What::Registered { .. }
        | What::SurveyStarted { .. }
        | What::SurveySkipped { .. }
        | What::SurveyReported { .. }
        | What::SurveyRemarked { .. }
        | What::Assessed { .. }
        | What::AssessmentAccepted { .. }
        | What::AssessmentObjected { .. }
        | What::ApprovalAsked { .. }
        | What::LetterDelivered
        | What::SentBack { .. }
        | What::DecisionAgreed
        | What::PayeesNamed { .. }
        | What::PaymentOrdered { .. }
        | What::AdvanceAsked
        | What::Archived
        | What::Reopened { .. }
        | What::Withdrawn { .. }
        | What::DocumentReceived { .. }
        | What::SupplementExcused { .. }
        | What::SupplementEnded { .. }
        | What::DocumentJudged { .. }
        | What::Marked { .. }
        | What::Unmarked { .. }
        | What::ReviewAsked { .. }
        | What::ComplaintExtended { .. }
        | What::Wrote { .. }
        | What::PersonAsked { .. }
        | What::PersonCalled { .. }
        | What::Rated { .. }
        | What::Disowned
        | What::DisownSettled { .. }
        | What::DocumentWaived { .. }
        | What::Established { .. }
        | What::ConsentWithdrawn { .. }
        | What::Corrected { .. } => return None,
    };
    let optional = matches!(what, What::Closed | What::Requested { .. });
    let urgent = matches!(what, What::Reported { .. });
    Some(Message {
        kind: what.kind().as_str().to_owned(),
        text: whole(app, claim, &said),
        urgent,
        optional,
    })
}

/// Tells everybody an event concerns, once: the reporter, and the people of the policy. Whoever
/// reported on somebody else's policy hears about the progress and nothing else.
pub async fn tell(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    event: &Event,
    at: Moment,
) -> Result<()> {
    let owners = owners(tx, claim).await?;
    let reporter = &claim.notice.reporter.phone;
    let is_owner = owners.contains(reporter) || owners.is_empty();
    if let Some(message) = of(app, claim, &event.what)
        && (is_owner || is_anybodys(&event.what))
    {
        write(app, tx, claim, event.seq, reporter, &message, at).await?;
    }
    for (n, owner) in owners.iter().filter(|o| *o != reporter).enumerate() {
        let theirs = match &event.what {
            What::Reported { .. } | What::PolicyFound { .. } => {
                let link = disown_link(app, tx, claim, at).await?;
                let said =
                    format!("有人用您的保单报案。如果不是您或您同意的人，请打开 {link} 停止办理");
                Some(Message {
                    kind: String::new(),
                    text: whole(app, claim, &said),
                    urgent: false,
                    optional: false,
                })
            }
            what => of(app, claim, what),
        };
        if let Some(message) = theirs {
            let kind = format!("{}:{}", event.what.kind().as_str(), n + 2);
            write(
                app,
                tx,
                claim,
                event.seq,
                owner,
                &Message { kind, ..message },
                at,
            )
            .await?;
        }
    }
    Ok(())
}

/// Progress: what any reporter is told, whoever they are.
fn is_anybodys(what: &What) -> bool {
    matches!(
        what,
        What::Reported { .. }
            | What::NotAccepted { .. }
            | What::SurveyStarted { .. }
            | What::Closed
            | What::Answered { .. }
            | What::ComplaintFiled { .. }
            | What::ComplaintAnswered { .. }
            | What::Entitled { .. }
    )
}

/// Phones of the policy: holder first, each once.
async fn owners(db: &mut Db, claim: &ClaimRow) -> Result<Vec<String>> {
    let policy = policies::of_claim(db, &claim.id).await?;
    let mut phones: Vec<String> = Vec::new();
    for party in policy
        .iter()
        .flat_map(|p| std::iter::once(&p.holder).chain(&p.insured))
    {
        // A company's phone is no mobile: nobody reads a message there.
        if claim_domain::validate::mobile(&party.phone)
            .value()
            .is_some()
            && !phones.contains(&party.phone)
        {
            phones.push(party.phone.clone());
        }
    }
    Ok(phones)
}

const DISOWN_LIVES: i64 = 30 * 86_400;

/// The link where a policyholder says 这不是我报的, without signing in.
async fn disown_link(app: &App, tx: &mut Tx, claim: &ClaimRow, at: Moment) -> Result<String> {
    let fresh = token();
    links::add_disown(tx, &claim.id, &fresh, at.plus_seconds(DISOWN_LIVES)).await?;
    Ok(format!("{}/not-mine#{fresh}", app.address()))
}

/// Silence is never consent: the customer is reminded, and nothing else happens. From the fortnight
/// on, the reminder names the day on which the claim becomes time-barred (保险法第二十六条).
pub async fn remind(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    seq: u32,
    days: i64,
    at: Moment,
) -> Result<()> {
    let years = if claim.lob == Lob::Life { 5 } else { 2 };
    let late = local_day(claim.notice.loss_at).plus_years(years);
    let said = match days {
        ..=7 => "还有需要您做的，请在理赔页面查看".to_owned(),
        _ => format!(
            "还有需要您做的，请在理赔页面查看。按保险法第二十六条，请求赔付的诉讼时效到 {late}"
        ),
    };
    let message = Message {
        kind: format!("reminder-{days}"),
        text: whole(app, claim, &said),
        urgent: false,
        optional: true,
    };
    let owners = owners(tx, claim).await?;
    let to = if owners.is_empty() || owners.contains(&claim.notice.reporter.phone) {
        &claim.notice.reporter.phone
    } else {
        &owners[0]
    };
    write(app, tx, claim, seq, to, &message, at).await
}

fn whole(app: &App, claim: &ClaimRow, said: &str) -> String {
    format!(
        "【{}】报案号 {}：{said}。电话 {}",
        app.deployment.insurer.zh, claim.no, app.deployment.hotline
    )
}

/// Messages an hour to a phone that nobody has signed in with: a reporter can type in any number.
/// One of them is reserved for a code.
const TO_STRANGERS: i64 = 3;
const A_DAY_TO_STRANGERS: i64 = 10;
const CODES_TO_KNOWN: i64 = 5;

pub fn codes_an_hour(has_answered: bool) -> i64 {
    if has_answered {
        CODES_TO_KNOWN
    } else {
        TO_STRANGERS
    }
}

/// Takes one from the quota that all such phones share. Asked last, just before sending: a message
/// refused for another reason uses none of it.
fn may_go_to_strangers(app: &App) -> bool {
    let may = app.quotas.messages.take(()).is_ok();
    if !may {
        app.audit.alarm(
            serde_json::json!({ "limit": "messages to phones that nobody has signed in with" }),
        );
    }
    may
}

/// Seconds until a code may go to a phone that nobody has signed in with; 0: now.
pub async fn wait_for_code(app: &App, db: &mut Db, phone: &str, at: Moment) -> Result<i64> {
    let (count, oldest) = messages::in_an_hour(db, phone, at).await?;
    if count >= TO_STRANGERS {
        return Ok((oldest + 3600 - at.0).max(1));
    }
    Ok(if may_go_to_strangers(app) { 0 } else { 60 })
}

/// When a message that nobody there has asked for may go to such a phone; `None`: not at all.
async fn when_to_stranger(
    app: &App,
    db: &mut Db,
    phone: &str,
    at: Moment,
) -> Result<Option<Moment>> {
    if messages::in_a_day(db, phone, at).await? >= A_DAY_TO_STRANGERS {
        return Ok(None);
    }
    if !may_go_to_strangers(app) {
        return Ok(Some(at.plus_seconds(600)));
    }
    // An hour after the last but one: of three, one is reserved for a code.
    let before_last = messages::nth_before(db, phone, TO_STRANGERS - 2, at).await?;
    let from = before_last.map_or(at.0, |before| at.0.max(before + 3600));
    Ok(Some(app.deployment.message_hours.next(Moment(from))))
}

/// Writes a message about an event, once. A phone that nobody has signed in with gets few, and only
/// by day.
async fn write(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    seq: u32,
    phone: &str,
    message: &Message,
    at: Moment,
) -> Result<()> {
    let (by_day, optional) = messages::wishes(tx, phone).await?;
    if message.optional && !optional {
        return Ok(());
    }
    let next = match sessions::has_answered(tx, phone).await? {
        true if message.urgent || !by_day => at,
        true => app.deployment.message_hours.next(at),
        false => match when_to_stranger(app, tx, phone, at).await? {
            Some(next) => next,
            None => {
                app.audit.refused(&Who::Nobody, serde_json::json!({ "limit": "messages a day", "claim": claim.no, "kind": message.kind }));
                return Ok(());
            }
        },
    };
    let new = messages::New {
        claim_id: &claim.id,
        seq,
        kind: &message.kind,
        phone,
        text: &message.text,
        next,
    };
    messages::add(tx, &new, at).await
}

//! Letters that the law or good practice requires in writing: 受理通知, 补充材料通知, 核定书,
//! 拒赔通知书, 付款通知. Each is made from one event of the log, so it always says the same.

use claim_api::{Letter, ProblemCode};
use claim_domain::documents::{FormLine, form_sha256};
use claim_domain::lifecycle::{Actor, Check, Event, What};
use claim_domain::payout::{Award, Payout, Step, percent};
use claim_domain::{local_day, money};

use crate::App;
use crate::failure::Result;
use crate::store::claims::ClaimRow;
use crate::store::folders::Signed;
use crate::store::{Db, events};

/// Once its reader has it, the three days of article 24 end.
pub const REFUSAL: &str = "拒赔通知书";

/// The letter for an event, if it is of a kind that gets one.
pub fn of(app: &App, claim: &ClaimRow, event: &Event) -> Option<Letter> {
    let after = &app.catalogue.papers.after;
    let hotline = &app.deployment.hotline;
    let text = |heading: &str, text: &str| (heading.to_owned(), text.to_owned());
    let checks = |checks: &[Check]| {
        let line = |c: &Check| {
            let name = after
                .points
                .get(c.point.as_str())
                .map_or("", |t| t.zh.as_str());
            if c.good {
                format!("✓ {name}")
            } else {
                format!("？ {name}：{}", c.note)
            }
        };
        (
            "我们核对了什么".to_owned(),
            checks.iter().map(line).collect::<Vec<_>>().join("\n"),
        )
    };
    let disagree = || {
        let rungs = after
            .ladder
            .iter()
            .map(|r| format!("{}：{}", r.name.zh, r.what.zh))
            .collect::<Vec<_>>();
        ("您不同意时可以怎么办".to_owned(), rungs.join("\n"))
    };
    let (title, mut parts) = match &event.what {
        What::Registered { handler } => (
            "受理通知",
            vec![
                text(
                    "",
                    &format!(
                        "您于 {} 报案的事故已受理。",
                        claim.reported_at.to_local_text()
                    ),
                ),
                text("经办人", handler),
                text(
                    "需要的材料",
                    "请按应用里的材料清单准备；已有的不用再交，拿不到的可以说明原因。",
                ),
            ],
        ),
        What::NotAccepted {
            text: why,
            next_step,
            ..
        } => (
            "不予受理通知",
            vec![text("原因", why), text("您还可以", next_step), disagree()],
        ),
        What::SupplementAsked {
            documents,
            reason,
            until,
            ..
        } => {
            let names: Vec<&str> = documents
                .iter()
                .filter_map(|id| Some(app.catalogue.document(id)?.name.zh.as_str()))
                .collect();
            (
                "补充材料通知（一次性清单）",
                vec![
                    text("需要补充", &names.join("\n")),
                    text("为什么", reason),
                    text("请在这天前提交", &until.to_string()),
                    text(
                        "期限",
                        "从本通知到达您起，到材料到达我们止，核定期限暂停计算（保险法司法解释二第十五条）。拿不到的材料请说明原因。",
                    ),
                ],
            )
        }
        What::Approved {
            amount_fen,
            basis,
            payout,
            awards,
            checks: points,
        } => {
            let lines = |payout: &Payout| {
                payout
                    .steps()
                    .into_iter()
                    .map(step)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            let of_award = |a: &Award| {
                let why = [
                    ("不在保障范围", &a.excluded_because),
                    ("比例", &a.share_because),
                    ("免赔", &a.deductible_because),
                ];
                let why: Vec<String> = why
                    .iter()
                    .filter(|(_, w)| !w.is_empty())
                    .map(|(part, w)| format!("{part}：{w}"))
                    .collect();
                let rest = std::iter::once(format!("依据：{}", a.basis))
                    .chain(why)
                    .collect::<Vec<_>>()
                    .join("\n");
                (
                    format!("{}　{}　{}", a.name, a.item, money::show(a.fen)),
                    format!("{}\n{rest}", lines(&a.payout)),
                )
            };
            let mut parts = vec![text("核定金额", &money::show(*amount_fen))];
            parts.extend(payout.iter().map(|p| text("怎样算出来的", &lines(p))));
            parts.extend(awards.iter().map(of_award));
            parts.push(text("依据", basis));
            parts.push(checks(points));
            parts.push(text(
                "付款",
                "与您达成协议后十日内付款（保险法第二十三条）。",
            ));
            parts.push(disagree());
            ("核定书", parts)
        }
        What::Rejected {
            clause,
            facts,
            evidence,
            checks: points,
        } => (
            REFUSAL,
            vec![
                text("依据的条款", clause),
                text("依据的事实", facts),
                text("证据", evidence),
                checks(points),
                text(
                    "诉讼时效",
                    "自您知道或应当知道保险事故之日起二年，人寿保险五年（保险法第二十六条）。",
                ),
                disagree(),
            ],
        ),
        What::Paid {
            amount_fen,
            reference,
            lines,
            last4,
            ..
        } => {
            let lines: Vec<String> = lines
                .iter()
                .map(|l| format!("{}　{}", l.name, money::show(l.fen)))
                .collect();
            (
                "付款通知",
                vec![
                    text("付款金额", &money::show(*amount_fen)),
                    text("其中", &lines.join("\n")),
                    text("收款账户", &format!("尾号 {last4}")),
                    text("银行流水号", reference),
                    text("付款时间", &event.at.to_local_text()),
                ],
            )
        }
        What::Reported { .. }
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
        | What::PaymentFailed { .. }
        | What::AdvanceAsked
        | What::AdvancePaid { .. }
        | What::Closed
        | What::Archived
        | What::Reopened { .. }
        | What::Withdrawn { .. }
        | What::DocumentReceived { .. }
        | What::SupplementExcused { .. }
        | What::SupplementEnded { .. }
        | What::DocumentJudged { .. }
        | What::Requested { .. }
        | What::Marked { .. }
        | What::Unmarked { .. }
        | What::ReviewAsked { .. }
        | What::ReviewAnswered { .. }
        | What::ComplaintFiled { .. }
        | What::ComplaintExtended { .. }
        | What::ComplaintAnswered { .. }
        | What::Wrote { .. }
        | What::Answered { .. }
        | What::PersonAsked { .. }
        | What::PersonCalled { .. }
        | What::Rated { .. }
        | What::PolicyFound { .. }
        | What::Entitled { .. }
        | What::Disowned
        | What::DisownSettled { .. }
        | What::DocumentWaived { .. }
        | What::Established { .. }
        | What::ConsentWithdrawn { .. }
        | What::Corrected { .. }
        | What::Escalated { .. } => return None,
    };
    parts.insert(0, text("报案号", &claim.no));
    parts.retain(|(_, text)| !text.is_empty());
    parts.push(text(
        "咨询",
        &format!("电话 {hotline}，或在应用里留言、转人工。"),
    ));
    let by = match &event.actor {
        Actor::Staff { name, .. } => format!("{}　{name}", app.deployment.insurer.zh),
        _ => app.deployment.insurer.zh.clone(),
    };
    Some(Letter {
        title: title.into(),
        to: claim.notice.reporter.name.clone(),
        parts,
        from: by,
        date: local_day(event.at).to_string(),
    })
}

/// 索赔申请书 as it was signed.
pub fn form(app: &App, claim: &ClaimRow, signed: &Signed) -> Letter {
    let value = |line: &FormLine| match line.key.as_str() {
        "incident" => app
            .catalogue
            .incident(&line.value)
            .map_or_else(|| line.value.clone(), |i| i.name.zh.clone()),
        "parts" => {
            let named = |id: &str| {
                app.catalogue
                    .parts(claim.lob)
                    .iter()
                    .find(|p| p.id == id)
                    .map(|p| p.name.zh.clone())
            };
            line.value
                .split(' ')
                .filter_map(named)
                .collect::<Vec<_>>()
                .join("、")
        }
        "unavailable" => {
            let named = |id: &str| app.catalogue.document(id).map(|d| d.name.zh.clone());
            line.value
                .split(' ')
                .filter_map(named)
                .collect::<Vec<_>>()
                .join("、")
        }
        _ => line.value.clone(),
    };
    let mut parts: Vec<(String, String)> = signed
        .form
        .iter()
        .map(|line| (form_label(&line.key).to_owned(), value(line)))
        .collect();
    let consents = signed
        .consents
        .iter()
        .filter_map(|c| app.catalogue.consents.iter().find(|k| k.id == c.id));
    parts.push((
        "同意".into(),
        consents
            .map(|c| c.label.zh.clone())
            .collect::<Vec<_>>()
            .join("\n"),
    ));
    parts.push((
        "电子签名".into(),
        format!(
            "签于 {}，申请书摘要 {}",
            signed.at.to_local_text(),
            form_sha256(&signed.form)
        ),
    ));
    Letter {
        title: "索赔申请书".into(),
        to: app.deployment.insurer.zh.clone(),
        parts,
        from: claim.notice.reporter.name.clone(),
        date: local_day(signed.at).to_string(),
    }
}

/// The name of a line of the claim form.
pub fn form_label(key: &str) -> &'static str {
    match key {
        "claim_no" => "报案号",
        "incident" => "事故",
        "loss_at" => "时间",
        "place" => "地点",
        "parts" => "受损部位",
        "narrative" => "经过",
        "name" => "报案人",
        "phone" => "电话",
        "plate" => "车牌",
        "policy_no" => "保单号",
        "items" => "损失清单",
        "shop" => "直赔修理厂",
        _ => "无法提供",
    }
}

/// One line of the calculation in Chinese.
pub fn step(step: Step) -> String {
    match step {
        Step::PerDay(days, fen) => format!("每天 {} × {days} 天", money::show(fen)),
        Step::Loss(fen) => format!("损失金额　{}", money::show(fen)),
        Step::Salvage(fen) => format!("减残值　{}", money::show(fen)),
        Step::FirstPayer(fen) => format!("减交强险或医保已付　{}", money::show(fen)),
        Step::OtherPayer(fen) => format!("减其他方已付　{}", money::show(fen)),
        Step::Excluded(fen) => format!("减不在保障范围　{}", money::show(fen)),
        Step::Deductible(fen) => format!("减免赔额　{}", money::show(fen)),
        Step::Share(bp) => format!("乘责任或给付比例　{}", percent(bp)),
        Step::DeductibleRate(bp) => format!("减免赔率　{}", percent(bp)),
        Step::Cap(fen) => format!("不超过保险金额　{}", money::show(fen)),
        Step::Result(fen) => format!("应付　{}", money::show(fen)),
    }
}

/// The letter of the event `seq`.
///
/// # Errors
/// `not-found` where that is no event that is written about.
pub async fn about(app: &App, db: &mut Db, claim: &ClaimRow, seq: u32) -> Result<Letter> {
    let events = events::after(db, &claim.id, 0).await?;
    let letter = events
        .iter()
        .find(|e| e.seq == seq)
        .and_then(|event| of(app, claim, event));
    letter.ok_or_else(|| ProblemCode::NotFound.into())
}

//! What happened to a claim, one sentence for each event, in the words of the insurer's people.

use claim_domain::lifecycle::{Actor, Event, EventKind, Stage};
use claim_domain::money;
use maud::{Markup, html};

use super::words;
use crate::App;
use crate::work::steps;

pub fn history(app: &App, events: &[Event]) -> Markup {
    html! { ol { @for event in events { li {
        (event.at.to_local_text()) " · "
        (match &event.actor { Actor::Customer => "客户", Actor::System => "系统", Actor::Staff { name, .. } => name.as_str() })
        " · " (sentence(app, &event.what))
    } } } }
}

pub fn sentence(app: &App, what: &EventKind) -> String {
    match what {
        EventKind::Reported { verified, .. } => format!(
            "报案{}",
            if *verified {
                ""
            } else {
                "（未验证保单）"
            }
        ),
        EventKind::Registered { handler } => format!("立案，经办 {handler}"),
        EventKind::NotAccepted {
            text, next_step, ..
        } => format!("未受理：{text}。{next_step}"),
        EventKind::SurveyStarted { on_site, surveyor } => format!(
            "查勘，{}，{surveyor}",
            if *on_site {
                "到现场"
            } else {
                "客户自助拍照"
            }
        ),
        EventKind::SurveyRemarked { text } => format!("客户对查勘的说明：{text}"),
        EventKind::Assessed {
            version,
            total_fen,
            answer,
            ..
        } => {
            let answer = if answer.is_empty() {
                String::new()
            } else {
                format!("；答复异议：{answer}")
            };
            format!(
                "定损第 {version} 版，合计 {}{answer}",
                money::show(*total_fen)
            )
        }
        EventKind::AssessmentAccepted { version, by_phone } => format!(
            "客户{}同意定损第 {version} 版",
            if *by_phone { "电话" } else { "" }
        ),
        EventKind::AssessmentObjected {
            version,
            reason,
            lines,
        } => {
            let lines: Vec<String> = lines.iter().map(|l| (l + 1).to_string()).collect();
            let which = if lines.is_empty() {
                String::new()
            } else {
                format!("第 {} 项", lines.join("、"))
            };
            format!("客户对定损第 {version} 版{which}有异议：{reason}")
        }
        EventKind::ApprovalAsked { to } => format!("超过权限，请{to}复核"),
        EventKind::Approved {
            amount_fen, basis, ..
        } => format!("核赔通过 {}，依据：{basis}", money::show(*amount_fen)),
        EventKind::Rejected {
            clause,
            facts,
            evidence,
            ..
        } => format!("拒赔，条款：{clause}；事实：{facts}；证据：{evidence}"),
        EventKind::LetterDelivered => "通知书已送达".into(),
        EventKind::SentBack { to, reason } => {
            format!(
                "退回{}：{reason}",
                if *to == Stage::Surveying {
                    "查勘"
                } else {
                    "定损"
                }
            )
        }
        EventKind::DecisionAgreed => "客户同意核定结果".into(),
        EventKind::PayeesNamed { payees } => {
            let all: Vec<String> = payees
                .iter()
                .map(|p| {
                    format!(
                        "{} {}，尾号 {}",
                        words::payee_kind(p.kind),
                        p.holder,
                        p.last4
                    )
                })
                .collect();
            format!("收款人：{}", all.join("；"))
        }
        EventKind::PaymentOrdered {
            instruction,
            payee,
            amount_fen,
        } => {
            format!(
                "付款指令 {instruction}，第 {payee} 位收款人 {}",
                money::show(*amount_fen)
            )
        }
        EventKind::PaymentFailed { reason, payee } => {
            format!("第 {payee} 位收款人付款退回：{reason}")
        }
        EventKind::Paid {
            amount_fen,
            reference,
            ..
        } => format!("已支付 {}，流水号 {reference}", money::show(*amount_fen)),
        EventKind::AdvanceAsked => "客户申请先予支付".into(),
        EventKind::AdvancePaid {
            amount_fen,
            reference,
        } => format!("先予支付 {}，流水号 {reference}", money::show(*amount_fen)),
        EventKind::Archived => "归档".into(),
        EventKind::Withdrawn { reason } => format!("客户撤案：{reason}"),
        EventKind::DocumentReceived {
            document, bytes, ..
        } => {
            format!("收到{}，{} KB", words::name_of(app, document), bytes / 1000)
        }
        EventKind::SupplementAsked {
            batch,
            documents,
            reason,
            until,
            again_because,
        } => {
            let names: Vec<&str> = documents
                .iter()
                .filter_map(|id| Some(app.catalogue.document(id)?.name.zh.as_str()))
                .collect();
            let again = again_because
                .as_ref()
                .map(|r| format!("；再次要求的原因：{r}"))
                .unwrap_or_default();
            format!(
                "要求补充第 {batch} 批材料，{until} 前：{}。{reason}{again}",
                names.join("、")
            )
        }
        EventKind::SupplementExcused { document, reason } => {
            format!("客户说明拿不到{}：{reason}", words::name_of(app, document))
        }
        EventKind::DocumentJudged {
            document,
            accepted,
            reason,
        } => {
            format!(
                "{}：{} {reason}",
                words::name_of(app, document),
                if *accepted { "通过" } else { "需要重传" }
            )
        }
        EventKind::Marked {
            overlay,
            reason,
            until,
        } => {
            let until = until
                .map(|day| format!("，预计 {day} 前"))
                .unwrap_or_default();
            format!(
                "{}：{reason}{until}",
                words::overlay_name(app, overlay.as_str())
            )
        }
        EventKind::Unmarked { overlay } => {
            format!("{}已结束", words::overlay_name(app, overlay.as_str()))
        }
        EventKind::ReviewAsked { reason, wish } => format!("客户申请复核：{reason}。希望：{wish}"),
        EventKind::ReviewAnswered {
            overturned,
            text,
            cause,
        } => {
            format!(
                "复核{}：{text}（{}）",
                if *overturned {
                    "改变原决定"
                } else {
                    "维持原决定"
                },
                words::cause_name(app, cause)
            )
        }
        EventKind::ComplaintFiled {
            number,
            about,
            wish,
            owner,
        } => format!("投诉 {number}（{owner}负责）：{about}。希望：{wish}"),
        EventKind::ComplaintExtended { special, reason } => {
            format!(
                "投诉答复延至 {} 日：{reason}",
                if *special { 60 } else { 30 }
            )
        }
        EventKind::ComplaintAnswered { text, cause } => {
            format!("答复投诉：{text}（{}）", words::cause_name(app, cause))
        }
        EventKind::Wrote { text } => format!("客户留言：{text}"),
        EventKind::PersonAsked { about } => format!("客户要求人工：{about}"),
        EventKind::Rated { score, text } => format!("客户评价 {score} 分 {text}"),
        EventKind::PolicyFound { policy } => format!("已关联保单，尾号 {policy}"),
        EventKind::Entitled {
            role,
            who,
            reason,
            until,
            ..
        } => {
            let until = until.map(|day| format!("，到 {day}")).unwrap_or_default();
            format!(
                "{who}（{}）身份已核实：{reason}{until}",
                words::role_name(*role)
            )
        }
        EventKind::Disowned => "投保人说这不是她报的，案件停止".into(),
        EventKind::DisownSettled { genuine, text } => {
            format!(
                "{}：{text}",
                if *genuine {
                    "投保人同意，继续办理"
                } else {
                    "不是投保人同意的报案"
                }
            )
        }
        EventKind::DocumentWaived { document, reason } => {
            format!("不用交{}：{reason}", words::name_of(app, document))
        }
        EventKind::Established {
            matter,
            holds,
            reason,
        } => {
            format!(
                "认定{}{}：{reason}",
                if *holds { "" } else { "不是" },
                words::matter(*matter)
            )
        }
        EventKind::ConsentWithdrawn { consent } => {
            let name = app
                .catalogue
                .consents
                .iter()
                .find(|c| c.id == *consent)
                .map_or(consent.as_str(), |c| c.label.zh.as_str());
            format!("客户撤回同意：{name}")
        }
        EventKind::Corrected { fields } => {
            format!(
                "客户更正了{}",
                fields
                    .iter()
                    .map(|f| if f == "phone" { "电话" } else { "姓名" })
                    .collect::<Vec<_>>()
                    .join("、")
            )
        }
        EventKind::Escalated { deadline, to, by } => {
            let clock = deadline.split(':').next().unwrap_or_default();
            let name = app
                .catalogue
                .papers
                .after
                .clocks
                .get(clock)
                .map_or(clock, |c| c.name.zh.as_str());
            format!(
                "「{name}」超时，已升级给 {to}，要求 {} 前处理",
                by.to_local_text()
            )
        }
        EventKind::Requested { unavailable, .. } => match unavailable.len() {
            0 => "客户提交索赔申请，材料齐".into(),
            n => format!("客户提交索赔申请，说明 {n} 项无法提供"),
        },
        plain => told(plain),
    }
}

/// A step whose form says it all: the form's title and what was filled in.
fn told(plain: &EventKind) -> String {
    let Some((title, fields)) = steps::form(plain.kind()) else {
        return String::new();
    };
    let whole = serde_json::to_value(plain).unwrap_or_default();
    let facts = &whole[plain.kind().as_str()];
    let facts: Vec<&str> = fields
        .iter()
        .filter_map(|(name, ..)| facts[name].as_str())
        .collect();
    match facts[..] {
        [] => title.into(),
        _ => format!("{title}：{}", facts.join("；")),
    }
}

//! Each step in the words of the insurer's people: the form that asks for its facts, and its line
//! in the history. What comes of a form is [`crate::work::steps`].

use claim_domain::lifecycle::{Actor, Event, EventKind, Stage, StepKind};
use claim_domain::money;
use maud::{Markup, html};

use super::words;
use crate::App;

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
        EventKind::SurveySkipped { reason } => format!("无需查勘：{reason}"),
        EventKind::SurveyReported { report } => format!("查勘结论：{report}"),
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
        EventKind::Closed => "结案".into(),
        EventKind::Archived => "归档".into(),
        EventKind::Reopened { reason } => format!("重新打开：{reason}"),
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
        EventKind::SupplementEnded { reason } => format!("不再需要补充：{reason}"),
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
        EventKind::Answered { text } => format!("答复留言：{text}"),
        EventKind::PersonAsked { about } => format!("客户要求人工：{about}"),
        EventKind::PersonCalled { text } => format!("已回电：{text}"),
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
    }
}

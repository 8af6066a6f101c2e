//! What happened, in the words of the insurer's people.

use claim_domain::lifecycle::{Actor, Event, Gap, Matter, Role, Stage, What, Work};
use claim_domain::money;
use claim_domain::payees::PayeeKind;
use maud::{Markup, html};

use crate::App;

pub fn history(app: &App, events: &[Event]) -> Markup {
    html! { ol { @for event in events { li {
        (event.at.to_local_text()) " · "
        (match &event.actor { Actor::Customer => "客户", Actor::System => "系统", Actor::Staff { name, .. } => name.as_str() })
        " · " (sentence(app, &event.what))
    } } } }
}

fn sentence(app: &App, what: &What) -> String {
    match what {
        What::Reported { verified, .. } => format!(
            "报案{}",
            if *verified {
                ""
            } else {
                "（未验证保单）"
            }
        ),
        What::Registered { handler } => format!("立案，经办 {handler}"),
        What::NotAccepted {
            text, next_step, ..
        } => format!("未受理：{text}。{next_step}"),
        What::SurveyStarted { on_site, surveyor } => format!(
            "查勘，{}，{surveyor}",
            if *on_site {
                "到现场"
            } else {
                "客户自助拍照"
            }
        ),
        What::SurveySkipped { reason } => format!("无需查勘：{reason}"),
        What::SurveyReported { report } => format!("查勘结论：{report}"),
        What::SurveyRemarked { text } => format!("客户对查勘的说明：{text}"),
        What::Assessed {
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
        What::AssessmentAccepted { version, by_phone } => format!(
            "客户{}同意定损第 {version} 版",
            if *by_phone { "电话" } else { "" }
        ),
        What::AssessmentObjected {
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
        What::ApprovalAsked { to } => format!("超过权限，请{to}复核"),
        What::Approved {
            amount_fen, basis, ..
        } => format!("核赔通过 {}，依据：{basis}", money::show(*amount_fen)),
        What::Rejected {
            clause,
            facts,
            evidence,
            ..
        } => format!("拒赔，条款：{clause}；事实：{facts}；证据：{evidence}"),
        What::LetterDelivered => "通知书已送达".into(),
        What::SentBack { to, reason } => {
            format!(
                "退回{}：{reason}",
                if *to == Stage::Surveying {
                    "查勘"
                } else {
                    "定损"
                }
            )
        }
        What::DecisionAgreed => "客户同意核定结果".into(),
        What::PayeesNamed { payees } => {
            let all: Vec<String> = payees
                .iter()
                .map(|p| format!("{} {}，尾号 {}", payee_kind(p.kind), p.holder, p.last4))
                .collect();
            format!("收款人：{}", all.join("；"))
        }
        What::PaymentOrdered {
            instruction,
            payee,
            amount_fen,
        } => {
            format!(
                "付款指令 {instruction}，第 {payee} 位收款人 {}",
                money::show(*amount_fen)
            )
        }
        What::PaymentFailed { reason, payee } => format!("第 {payee} 位收款人付款退回：{reason}"),
        What::Paid {
            amount_fen,
            reference,
            ..
        } => format!("已支付 {}，流水号 {reference}", money::show(*amount_fen)),
        What::AdvanceAsked => "客户申请先予支付".into(),
        What::AdvancePaid {
            amount_fen,
            reference,
        } => format!("先予支付 {}，流水号 {reference}", money::show(*amount_fen)),
        What::Closed => "结案".into(),
        What::Archived => "归档".into(),
        What::Reopened { reason } => format!("重新打开：{reason}"),
        What::Withdrawn { reason } => format!("客户撤案：{reason}"),
        What::DocumentReceived {
            document, bytes, ..
        } => {
            format!("收到{}，{} KB", name_of(app, document), bytes / 1000)
        }
        What::SupplementAsked {
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
        What::SupplementExcused { document, reason } => {
            format!("客户说明拿不到{}：{reason}", name_of(app, document))
        }
        What::SupplementEnded { reason } => format!("不再需要补充：{reason}"),
        What::DocumentJudged {
            document,
            accepted,
            reason,
        } => {
            format!(
                "{}：{} {reason}",
                name_of(app, document),
                if *accepted { "通过" } else { "需要重传" }
            )
        }
        What::Marked {
            overlay,
            reason,
            until,
        } => {
            let until = until
                .map(|day| format!("，预计 {day} 前"))
                .unwrap_or_default();
            format!("{}：{reason}{until}", overlay_name(app, overlay.as_str()))
        }
        What::Unmarked { overlay } => format!("{}已结束", overlay_name(app, overlay.as_str())),
        What::ReviewAsked { reason, wish } => format!("客户申请复核：{reason}。希望：{wish}"),
        What::ReviewAnswered {
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
                cause_name(app, cause)
            )
        }
        What::ComplaintFiled {
            number,
            about,
            wish,
            owner,
        } => format!("投诉 {number}（{owner}负责）：{about}。希望：{wish}"),
        What::ComplaintExtended { special, reason } => {
            format!(
                "投诉答复延至 {} 日：{reason}",
                if *special { 60 } else { 30 }
            )
        }
        What::ComplaintAnswered { text, cause } => {
            format!("答复投诉：{text}（{}）", cause_name(app, cause))
        }
        What::Wrote { text } => format!("客户留言：{text}"),
        What::Answered { text } => format!("答复留言：{text}"),
        What::PersonAsked { about } => format!("客户要求人工：{about}"),
        What::PersonCalled { text } => format!("已回电：{text}"),
        What::Rated { score, text } => format!("客户评价 {score} 分 {text}"),
        What::PolicyFound { policy } => format!("已关联保单，尾号 {policy}"),
        What::Entitled {
            role,
            who,
            reason,
            until,
            ..
        } => {
            let until = until.map(|day| format!("，到 {day}")).unwrap_or_default();
            format!("{who}（{}）身份已核实：{reason}{until}", role_name(*role))
        }
        What::Disowned => "投保人说这不是她报的，案件停止".into(),
        What::DisownSettled { genuine, text } => {
            format!(
                "{}：{text}",
                if *genuine {
                    "投保人同意，继续办理"
                } else {
                    "不是投保人同意的报案"
                }
            )
        }
        What::DocumentWaived { document, reason } => {
            format!("不用交{}：{reason}", name_of(app, document))
        }
        What::Established {
            matter,
            holds,
            reason,
        } => {
            format!(
                "认定{}{}：{reason}",
                if *holds { "" } else { "不是" },
                self::matter(*matter)
            )
        }
        What::ConsentWithdrawn { consent } => {
            let name = app
                .catalogue
                .consents
                .iter()
                .find(|c| c.id == *consent)
                .map_or(consent.as_str(), |c| c.label.zh.as_str());
            format!("客户撤回同意：{name}")
        }
        What::Corrected { fields } => {
            format!(
                "客户更正了{}",
                fields
                    .iter()
                    .map(|f| if f == "phone" { "电话" } else { "姓名" })
                    .collect::<Vec<_>>()
                    .join("、")
            )
        }
        What::Escalated { deadline, to, by } => {
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
        What::Requested { unavailable, .. } => match unavailable.len() {
            0 => "客户提交索赔申请，材料齐".into(),
            n => format!("客户提交索赔申请，说明 {n} 项无法提供"),
        },
    }
}

pub fn payee_kind(kind: PayeeKind) -> &'static str {
    match kind {
        PayeeKind::Insured => "被保险人",
        PayeeKind::Beneficiary => "受益人",
        PayeeKind::Heir => "继承人",
        PayeeKind::Minor => "未成年人",
        PayeeKind::Agent => "受托收款人",
        PayeeKind::Shop => "修理厂（直赔）",
        PayeeKind::ThirdParty => "受害方",
    }
}

pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "投保人或被保险人",
        Role::Reporter => "报案人",
        Role::Agent => "受托人",
        Role::Beneficiary => "受益人或继承人",
        Role::Guardian => "监护人",
        Role::Shop => "修理厂",
        Role::ThirdParty => "受害方",
    }
}

pub fn matter(matter: Matter) -> &'static str {
    match matter {
        Matter::TotalLoss => "全损",
        Matter::SubrogationClaim => "向责任方追偿（代位求偿）",
        Matter::CourtCase => "已诉讼或仲裁",
        Matter::InsuredDeceased => "被保险人已去世",
    }
}

/// What still blocks the payment, in the words of the staff.
pub fn gap(app: &App, gap: &Gap) -> String {
    match gap {
        Gap::Disowned => "投保人否认报案，待核实".into(),
        Gap::Policy => "没有关联保单".into(),
        Gap::Request => "客户还没有提交索赔申请".into(),
        Gap::Paper(id) => format!("缺{}", name_of(app, id)),
        Gap::Verdict(id) => format!("{}还没有审核", name_of(app, id)),
        Gap::Decision => "还没有核赔".into(),
        Gap::Agreement => "客户还没有同意金额".into(),
        Gap::Payees => "收款人不全".into(),
        Gap::Account(no) => format!("第 {no} 位收款人的账户被退回"),
    }
}

fn name_of<'a>(app: &'a App, document: &'a str) -> &'a str {
    app.catalogue
        .document(document)
        .map_or(document, |d| d.name.zh.as_str())
}

fn overlay_name<'a>(app: &'a App, id: &'a str) -> &'a str {
    app.catalogue
        .papers
        .after
        .overlays
        .get(id)
        .map_or(id, |t| t.zh.as_str())
}

fn cause_name<'a>(app: &'a App, id: &'a str) -> &'a str {
    app.catalogue
        .papers
        .after
        .causes
        .iter()
        .find(|c| c.id == id)
        .map_or(id, |c| c.name.zh.as_str())
}

/// `前保险杠　更换　¥800.00` as it was typed.
pub fn line(line: &claim_domain::lifecycle::Line) -> String {
    let work = match line.work {
        Some(Work::Repair) => "修复 ",
        Some(Work::Replace) => "更换 ",
        Some(Work::Labour) => "工时 ",
        None => "",
    };
    format!(
        "{} {work}{}",
        line.name,
        money::show(line.fen)
            .trim_start_matches('¥')
            .replace(',', "")
    )
}

//! A form for each step that a desk may take.

use claim_domain::catalog::Document;
use claim_domain::lifecycle::{Claim, Left, Matter, Overlay, Point, Role, StepKind};
use claim_domain::money;
use claim_domain::policy::{Cover, Policy};
use maud::{Markup, html};

use super::words;
use crate::App;
use crate::store::staff::Member;
use crate::work::fields::Fields;
use crate::work::steps::{self, MOST_AWARDS};

pub fn verdict_form(no: &str, id: &str, name: &str) -> Markup {
    html! {
        details {
            summary { "审核" (name) }
            form.step method="post" action={ "/staff/claims/" (no) "/steps" } {
                input type="hidden" name="kind" value=(StepKind::DocumentJudged.as_str());
                input type="hidden" name="document" value=(id);
                fieldset {
                    legend { "结论" }
                    label.tick { input type="radio" name="accepted" value="yes" required; "通过" }
                    label.tick { input type="radio" name="accepted" value="no" required; "需要重传" }
                }
                label for={ "judge-" (id) } { "原因（需要重传时必填，客户会看到）" }
                input type="text" id={ "judge-" (id) } name="reason" maxlength="200";
                button { "保存审核结论" }
            }
        }
    }
}

/// Accepts everything received and not yet judged, with one press.
pub fn accept_all(no: &str) -> Markup {
    html! {
        form.step method="post" action={ "/staff/claims/" (no) "/steps" } {
            input type="hidden" name="kind" value=(StepKind::DocumentJudged.as_str());
            input type="hidden" name="document" value="*";
            input type="hidden" name="accepted" value="yes";
            button { "未审核的材料全部通过" }
        }
    }
}

/// 补充材料: everything in one list; a second list needs the supervisor's reason.
pub fn supplement_form(wanted: &[&Document], no: &str, claim: &Claim, typed: &Fields) -> Markup {
    let mine = typed.get("kind") == StepKind::SupplementAsked.as_str();
    let chosen: Vec<String> = if mine {
        typed.all("documents").collect()
    } else {
        Vec::new()
    };
    let kept = |name: &str| if mine { typed.get(name) } else { String::new() };
    html! {
        form.step method="post" action={ "/staff/claims/" (no) "/steps" } {
            input type="hidden" name="kind" value=(StepKind::SupplementAsked.as_str());
            details open[mine] {
                summary { "要求补充材料（第 " (claim.supplements + 1) " 批）" }
                p.quiet { "缺的请一次列全（保险法第二十二条）。" }
                fieldset {
                    legend { "缺哪些" }
                    @for d in wanted { label.tick { input type="checkbox" name="documents" value=(d.id) checked[chosen.contains(&d.id)]; (d.name.zh) } }
                }
                label for="supplement-reason" { "为什么要（客户会看到）" }
                textarea id="supplement-reason" name="reason" rows="3" required { (kept("reason")) }
                label for="supplement-until" { "请客户在哪天前提交" }
                input type="date" id="supplement-until" name="until" value=(kept("until")) required;
                @if claim.supplements > 0 {
                    label for="supplement-again" { "为什么再次要求（主管填写，计入统计）" }
                    input type="text" id="supplement-again" name="again_because" value=(kept("again_because"));
                }
                button { "发给客户" }
            }
        }
    }
}

/// Everything that a form needs to know.
pub struct Form<'a> {
    pub app: &'a App,
    pub staff: &'a Member,
    pub no: &'a str,
    pub claim: &'a Claim,
    /// What was typed before, or what a colleague prepared.
    pub typed: &'a Fields,
    pub policy: Option<&'a Policy>,
    /// What is left of each cover.
    pub left: &'a [Left],
    /// Documents that a verdict or waiver may concern, by id and name.
    pub papers: &'a [(String, String)],
}

impl Form<'_> {
    pub fn show(&self, kind: StepKind) -> Markup {
        let Some((title, fields)) = steps::form(kind) else {
            return html! {};
        };
        let id = |name: &str| format!("{}-{name}", kind.as_str());
        let open = self.is_mine(kind);
        html! {
            form.step method="post" action={ "/staff/claims/" (self.no) "/steps" } {
                input type="hidden" name="kind" value=(kind.as_str());
                details open[open || fields.len() < 2] {
                    summary { (title) }
                    (self.choices(kind))
                    @for (name, label, long, optional) in fields {
                        label for=(id(name)) { (label) }
                        @if *long { textarea id=(id(name)) name=(name) rows="3" required[!optional] { (self.suggested(kind, name)) } }
                        @else { input type="text" id=(id(name)) name=(name) value=(self.suggested(kind, name)) required[!optional]; }
                    }
                    @if kind == StepKind::Approved { (self.awards()) }
                    @if matches!(kind, StepKind::Approved | StepKind::Rejected) { (self.checks(kind)) }
                    button { (title) }
                }
            }
        }
    }

    fn is_mine(&self, kind: StepKind) -> bool {
        self.typed.get("kind") == kind.as_str()
    }

    fn suggested(&self, kind: StepKind, name: &str) -> String {
        match name {
            _ if self.is_mine(kind) => self.typed.get(name),
            "handler" | "surveyor" => self.staff.shown_as.clone(),
            "lines" => {
                let lines = self.claim.assessment.iter().flat_map(|a| &a.lines);
                lines.map(words::line).collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        }
    }

    /// Fields chosen from a list.
    fn choices(&self, kind: StepKind) -> Markup {
        let papers = &self.app.catalogue.papers;
        let overlays = |all: &mut dyn Iterator<Item = Overlay>| {
            html! {
                label for={ (kind.as_str()) "-overlay" } { "标记" }
                select id={ (kind.as_str()) "-overlay" } name="overlay" {
                    @for o in all { option value=(o.as_str()) { (papers.after.overlays.get(o.as_str()).map_or("", |t| t.zh.as_str())) } }
                }
            }
        };
        match kind {
            StepKind::NotAccepted => html! {
                label for="not-accepted-reason" { "原因" }
                select id="not-accepted-reason" name="reason" { @for r in &papers.not_accepted_reasons { option value=(r.id) { (r.name.zh) } } }
            },
            StepKind::SurveyStarted => html! {
                label.tick { input type="checkbox" name="on_site" value="yes"; "到现场查勘（不勾选为客户自助拍照）" }
            },
            StepKind::SentBack => html! {
                label for="sent-back-to" { "退回到" }
                select id="sent-back-to" name="to" {
                    option value="assessing" { "定损" }
                    @if self.claim.lob.is_surveyed() { option value="surveying" { "查勘" } }
                }
            },
            StepKind::Marked => overlays(
                &mut Overlay::MARKED
                    .into_iter()
                    .filter(|o| !self.claim.marks.contains_key(o)),
            ),
            StepKind::Unmarked => overlays(&mut self.claim.marks.keys().copied()),
            StepKind::ReviewAnswered | StepKind::ComplaintAnswered => html! {
                @if kind == StepKind::ReviewAnswered {
                    fieldset {
                        legend { "结果" }
                        label.tick { input type="radio" name="overturned" value="yes" required; "改变原决定，重新核定" }
                        label.tick { input type="radio" name="overturned" value="no" required; "维持原决定" }
                    }
                }
                label for={ (kind.as_str()) "-cause" } { "原因归类（统计用）" }
                select id={ (kind.as_str()) "-cause" } name="cause" { @for c in &papers.after.causes { option value=(c.id) { (c.name.zh) } } }
            },
            StepKind::Assessed => html! {
                @if let Some((reason, lines)) = &self.claim.objection {
                    p.wrong { "客户的异议：" (reason) }
                    @if !lines.is_empty() { p.quiet { "只有第 " (lines.iter().map(|l| (l + 1).to_string()).collect::<Vec<_>>().join("、")) " 项可以改，其余照旧。" } }
                }
            },
            StepKind::Approved => html! {
                p { "定损金额 " (money::show(self.claim.assessment.as_ref().map_or(0, |a| a.total_fen))) }
                p.quiet { "每个险种一行，各行金额合计为赔付金额；各行损失金额合计须等于定损金额。超过 " (money::show(self.app.deployment.authority.adjudicator_fen)) " 由主管复核，经办人和复核人不能是同一人。" }
            },
            StepKind::Entitled => html! {
                label for="entitled-role" { "身份" }
                select id="entitled-role" name="role" {
                    option value=(Role::Agent.as_str()) { "受托代办（委托书）" }
                    option value=(Role::Guardian.as_str()) { "监护人" }
                    option value=(Role::Beneficiary.as_str()) { "受益人或继承人" }
                }
                label for="entitled-proof" { "证明材料（须已审核通过；不选为柜台看过原件）" }
                select id="entitled-proof" name="proof" {
                    option value="" { "柜台看过原件" }
                    @for (id, name) in self.papers.iter().filter(|(id, _)| self.claim.verdicts.iter().any(|v| v.document == *id && v.accepted)) { option value=(id) { (name) } }
                }
            },
            StepKind::DisownSettled => html! {
                fieldset {
                    legend { "结果" }
                    label.tick { input type="radio" name="genuine" value="yes" required; "投保人同意，继续办理" }
                    label.tick { input type="radio" name="genuine" value="no" required; "不是投保人同意的，不再办理" }
                }
            },
            StepKind::DocumentWaived => html! {
                label for="waived-document" { "材料" }
                select id="waived-document" name="document" {
                    @for (id, name) in self.papers.iter().filter(|(id, _)| !self.claim.waived.contains_key(id)) { option value=(id) { (name) } }
                }
            },
            StepKind::Established => html! {
                label for="established-matter" { "认定什么" }
                select id="established-matter" name="matter" { @for m in Matter::ALL { option value=(m.as_str()) { (words::matter(*m)) } } }
                label.tick { input type="radio" name="holds" value="yes" checked; "是" }
                label.tick { input type="radio" name="holds" value="no"; "不是（更正）" }
            },
            StepKind::PaymentOrdered => html! {
                label for="ordered-payee" { "付给" }
                select id="ordered-payee" name="payee" { @for due in self.claim.payable() { option value=(due.payee) { (self.holder(due.payee)) " " (money::show(due.fen)) } } }
            },
            StepKind::Paid | StepKind::PaymentFailed => html! {
                label for={ (kind.as_str()) "-payee" } { "哪一笔" }
                select id={ (kind.as_str()) "-payee" } name="payee" { @for (no, instruction) in self.claim.outstanding() { option value=(no) { (self.holder(no)) " · 指令 " (instruction) } } }
            },
            _ => html! {},
        }
    }

    fn holder(&self, no: u16) -> &str {
        self.claim
            .payees
            .iter()
            .find(|p| p.no == no)
            .map_or("", |p| p.holder.as_str())
    }

    /// A line for each cover that may pay, pre-filled from the policy; a line without an item is
    /// ignored.
    fn awards(&self) -> Markup {
        let Some(policy) = self.policy else {
            return html! { p.wrong { "还没有关联保单，不能核定。" } };
        };
        let lines = (policy.covers.len() + 2).min(MOST_AWARDS);
        html! { @for n in 0..lines { (self.award(n, policy)) } }
    }

    fn award(&self, n: usize, policy: &Policy) -> Markup {
        let end = if n == 0 {
            String::new()
        } else {
            format!("-{n}")
        };
        let cover = policy.covers.get(n);
        let mine = self.is_mine(StepKind::Approved);
        let total = self.claim.assessment.as_ref().map_or(0, |a| a.total_fen);
        let suggested = |name: &str, value: String| {
            if mine {
                self.typed.get(&format!("{name}{end}"))
            } else {
                value
            }
        };
        let yuan = |fen: i64| {
            if fen > 0 {
                money::show(fen).trim_start_matches('¥').replace(',', "")
            } else {
                String::new()
            }
        };
        let left = |cover: &Cover| {
            self.left
                .iter()
                .find(|l| l.cover == cover.code)
                .map_or(cover.sum_fen, |l| l.fen)
        };
        let percent = |bp: u32, usual: u32| {
            if bp == usual {
                String::new()
            } else {
                claim_domain::payout::percent(bp)
            }
        };
        let only = policy.covers.len() == 1;
        let fields = [
            (
                "item",
                "赔什么（不填则这一行不用）",
                if only {
                    "损失".to_owned()
                } else {
                    String::new()
                },
            ),
            (
                "loss",
                "损失金额（元）",
                if only { yuan(total) } else { String::new() },
            ),
            ("days", "津贴天数", String::new()),
            (
                "daily",
                "每天（元）",
                cover
                    .and_then(|c| c.daily_fen)
                    .map(yuan)
                    .unwrap_or_default(),
            ),
            ("salvage", "残值（元）", String::new()),
            ("first_payer", "交强险或医保已付（元）", String::new()),
            ("other_payer", "其他方已付（元）", String::new()),
            ("excluded", "不在保障范围（元）", String::new()),
            ("excluded_because", "为什么不保", String::new()),
            (
                "share",
                "责任或给付比例（%，不填为 100）",
                cover
                    .map(|c| percent(c.share_bp, 10_000))
                    .unwrap_or_default(),
            ),
            ("share_because", "比例的依据", String::new()),
            (
                "deductible_rate",
                "免赔率（%）",
                cover
                    .map(|c| percent(c.deductible_bp, 0))
                    .unwrap_or_default(),
            ),
            (
                "deductible",
                "免赔额（元）",
                cover.map(|c| yuan(c.deductible_fen)).unwrap_or_default(),
            ),
            ("deductible_because", "免赔的依据", String::new()),
            (
                "cap",
                "最多赔（元）",
                cover.map(|c| yuan(left(c))).unwrap_or_default(),
            ),
            ("clause", "条款依据", String::new()),
        ];
        let chosen = suggested("cover", cover.map(|c| c.code.clone()).unwrap_or_default());
        html! {
            details open[n == 0 || (mine && !suggested("item", String::new()).is_empty())] {
                summary { "第 " (n + 1) " 行" @if let Some(cover) = cover { "：" (cover.name) "，还可赔 " (money::show(left(cover))) } }
                label for={ "award-cover" (end) } { "险种" }
                select id={ "award-cover" (end) } name={ "cover" (end) } { @for c in &policy.covers { option value=(c.code) selected[c.code == chosen] { (c.name) } } }
                @for (name, label, value) in fields {
                    label for={ "award-" (name) (end) } { (label) }
                    input type="text" id={ "award-" (name) (end) } name={ (name) (end) } value=(suggested(name, value));
                }
            }
        }
    }

    /// 审核要点八项: each has to be answered.
    fn checks(&self, kind: StepKind) -> Markup {
        let kept = |name: &str| {
            if self.is_mine(kind) {
                self.typed.get(name)
            } else {
                String::new()
            }
        };
        let points = &self.app.catalogue.papers.after.points;
        html! {
            @for point in Point::ALL {
                @let (check, note) = (format!("check-{}", point.as_str()), format!("note-{}", point.as_str()));
                @let answer = kept(&check);
                fieldset {
                    legend { (points.get(point.as_str()).map_or("", |t| t.zh.as_str())) }
                    label.tick { input type="radio" name=(check) value="yes" required checked[answer == "yes"]; "是" }
                    label.tick { input type="radio" name=(check) value="no" required checked[answer == "no"]; "有问题" }
                    label for={ (kind.as_str()) "-" (note) } { "问题是什么（有问题时必填）" }
                    input type="text" id={ (kind.as_str()) "-" (note) } name=(note) value=(kept(&note)) maxlength="200";
                }
            }
        }
    }
}

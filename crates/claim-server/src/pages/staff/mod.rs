//! /staff: a queue, one claim with its photos, and a form for each step that this desk may take
//! now.

pub mod accounts;
mod catastrophes;
mod figures;
mod forms;
pub mod history;
pub mod sso;
mod words;

use axum::extract::{FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claim_api::{DocumentView, ProblemCode};
use claim_domain::Catalogue;
use claim_domain::catalog::{Document, Need};
use claim_domain::deadlines::Deadline;
use claim_domain::documents::{Folder, Format};
use claim_domain::lifecycle::{Claim, Desk, Gap, Left, Stage, StepKind};
use claim_domain::notice::Point;
use claim_domain::payout::percent;
use claim_domain::policy::Policy;
use claim_domain::{Notice, money};
use maud::{Markup, html};

use self::forms::Form;
use super::{failed, page, see_other};
use crate::failure::{Failure, Result};
use crate::http::access::{Access, Open, Right};
use crate::http::api::documents::{file, shown as shown_file};
use crate::http::{body, cookies};
use crate::store::claims::{self, ClaimRow};
use crate::store::documents::Handed;
use crate::store::folders::Signed;
use crate::store::staff::{self, Member};
use crate::store::{
    documents, events, folders, payees, payments, policies, signals as kept_signals,
};
use crate::words::own;
use crate::work::fields::Fields;
use crate::work::steps::Taken;
use crate::work::{accounts as signing, attendant, letters, papers, signals, steps as work};
use crate::{App, mask, now};

pub use catastrophes::{catastrophes, change};
pub use figures::{csv, figures};

/// One of the insurer's people; others are sent to their login.
pub struct Staff(pub Member);

impl Right for Staff {
    const ACCESS: Access = Access::Staff;
}

impl FromRequestParts<App> for Staff {
    type Rejection = Response;
    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> std::result::Result<Staff, Response> {
        let found = match cookies::find(&parts.headers, cookies::staff(app)) {
            Some(token) => signing::who(app, &token).await,
            None => Ok(None),
        };
        let found = found.map_err(|failure| failed(failure, "/staff"))?;
        found.map(Staff).ok_or_else(|| see_other("/staff/login"))
    }
}

/// A failure as a page, with a way back to the queue.
pub struct StaffFailure(Failure);

impl<F: Into<Failure>> From<F> for StaffFailure {
    fn from(failure: F) -> StaffFailure {
        StaffFailure(failure.into())
    }
}

impl IntoResponse for StaffFailure {
    fn into_response(self) -> Response {
        failed(self.0, "/staff")
    }
}

type Shown = std::result::Result<Response, StaffFailure>;

pub async fn login_page(_: Open, State(app): State<App>) -> Response {
    login_form(&app, None).into_response()
}

fn login_form(app: &App, wrong: Option<&str>) -> Markup {
    let content = html! {
        h1 { "员工登录" }
        @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
        @if app.options.sso.is_some() { p { a id="sso" href="/staff/sso" { "用公司账户登录" } } }
        form method="post" action="/staff/login" {
            label for="name" { "用户名" }
            input type="text" id="name" name="name" autocomplete="username" required;
            label for="password" { "密码" }
            input type="password" id="password" name="password" autocomplete="current-password" required;
            label for="code" { "动态验证码（开了第二验证的才填）" }
            input type="text" id="code" name="code" autocomplete="one-time-code" inputmode="numeric" maxlength="6";
            button { "登录" }
        }
    };
    page("zh-CN", "员工登录", content)
}

pub async fn login(_: Open, State(app): State<App>, request: Request) -> Response {
    let entered = async {
        let fields = Fields(body::form(request).await?);
        signing::sign_in(
            &app,
            &fields.get("name"),
            &fields.get("password"),
            &fields.get("code"),
        )
        .await
    };
    match entered.await {
        Ok(Some(token)) => {
            let mut response = see_other("/staff");
            response.headers_mut().append(
                header::SET_COOKIE,
                cookies::set(
                    cookies::staff(&app),
                    &token,
                    "/",
                    Some(signing::AT_MOST),
                    "Strict",
                ),
            );
            response
        }
        Ok(None) => (
            StatusCode::UNAUTHORIZED,
            login_form(&app, Some("用户名、密码或验证码不对")),
        )
            .into_response(),
        Err(Failure::Problem(problem)) if problem.code == ProblemCode::RateLimited => {
            let seconds = problem.retry_after.unwrap_or(60);
            let wrong = format!("输错次数太多，或同时登录的人太多，请在 {seconds} 秒后再试");
            let mut response = login_form(&app, Some(&wrong)).into_response();
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
            // For the audit log (`guard`).
            response.extensions_mut().insert(*problem);
            response
        }
        Err(failure) => failed(failure, "/staff/login"),
    }
}

pub async fn logout(_: Open, State(app): State<App>, headers: HeaderMap) -> Response {
    let ended = match cookies::find(&headers, cookies::staff(&app)) {
        Some(token) => signing::sign_out(&app, &token).await,
        None => Ok(()),
    };
    match ended {
        Ok(()) => {
            let mut response = see_other("/staff/login");
            response.headers_mut().append(
                header::SET_COOKIE,
                cookies::set(cookies::staff(&app), "", "/", Some(0), "Strict"),
            );
            response
        }
        Err(failure) => failed(failure, "/staff"),
    }
}

fn top(staff: &Member) -> Markup {
    html! {
        form method="post" action="/staff/logout" { p.quiet { (staff.shown_as) " · " (desk_name(staff)) " · " a href="/staff" { "案件列表" } " · " a href="/staff/figures" { "统计" } " · " a href="/staff/catastrophes" { "大灾" } @if staff.desk == Desk::Supervisor { " · " a href="/staff/accounts" { "员工账户" } } } button.plain { "退出登录" } }
    }
}

fn desk_name(staff: &Member) -> &'static str {
    name_of_desk(staff.desk)
}

fn name_of_desk(desk: Desk) -> &'static str {
    match desk {
        Desk::Intake => "受理",
        Desk::Surveyor => "查勘",
        Desk::Assessor => "定损",
        Desk::Adjudicator => "核赔",
        Desk::Finance => "财务",
        Desk::Supervisor => "主管",
    }
}

/// The search term for the queue.
#[derive(serde::Deserialize)]
pub struct Search {
    #[serde(default)]
    q: String,
}

pub async fn queue(
    Staff(staff): Staff,
    State(app): State<App>,
    Query(Search { q }): Query<Search>,
) -> Shown {
    let search = q.trim().to_owned();
    let db = &mut app.store.read().await?;
    let claims = claims::queue(db, &search).await?;
    if !search.is_empty() {
        app.audit.say(
            "search",
            &staff.who(),
            serde_json::json!({ "found": claims.len() }),
        );
    }
    let stray = if staff.sees_money() {
        payments::stray(db).await?
    } else {
        Vec::new()
    };
    let content = html! {
        h1 { "案件列表" }
        (top(&staff))
        @if !stray.is_empty() {
            section.notes aria-label="银行" {
                h2 { "银行答复了没有下达过的付款指令，请与银行核对" }
                ul { @for (instruction, paid, at) in &stray { li { (instruction) " · " (if *paid { "已付" } else { "退回" }) " · " (at.to_local_text()) } } }
            }
        }
        form method="get" action="/staff" role="search" {
            label for="q" { "报案号、车牌、保单号末几位或报案人手机" }
            input type="text" id="q" name="q" value=(search);
            button { "查找" }
        }
        @if claims.is_empty() { p { @if search.is_empty() { "还没有案件。" } @else { "没有找到。" } } }
        @else { div.scroll tabindex="0" role="region" aria-label="案件列表" { table {
            thead { tr { th { "报案号" } th { "事故" } th { "阶段" } th { "报案人" } th { "报案时间" } } }
            tbody { @for waiting in &claims { @let claim = &waiting.claim; tr data-overdue=(waiting.overdue) {
                td { a href={ "/staff/claims/" (claim.no) } { (claim.no) } }
                td { (incident(&app, claim)) @if !claim.verified { " · 未验证保单" } }
                td {
                    (app.catalogue.papers.stages.get(&waiting.stage).map_or(waiting.stage.as_str(), |s| s.name.zh.as_str()))
                    @if waiting.overdue > 0 { " " strong.wrong { "超时 " (waiting.overdue) " 项" } }
                }
                td { (mask::name(&claim.notice.reporter.name)) }
                td { (claim.reported_at.to_local_text()) }
            } } }
        } } }
    };
    Ok(page("zh-CN", "案件列表", content).into_response())
}

fn incident(app: &App, claim: &ClaimRow) -> String {
    app.catalogue
        .incident(&claim.incident)
        .map_or_else(|| claim.incident.clone(), |i| i.name.zh.clone())
}

pub async fn claim(Staff(staff): Staff, State(app): State<App>, Path(no): Path<String>) -> Shown {
    Ok(claim_page(&app, &staff, &no, None, &Fields(Vec::new()))
        .await?
        .into_response())
}

async fn claim_page(
    app: &App,
    staff: &Member,
    no: &str,
    wrong: Option<String>,
    typed: &Fields,
) -> Result<Markup> {
    let db = &mut app.store.read().await?;
    let stored = claims::by_no(db, no).await?;
    let events = events::after(db, &stored.id, 0).await?;
    let signals = kept_signals::of_claim(db, &stored.id).await?;
    let catalogue = papers::rules(app, db, &stored.rules_version).await?;
    let handed = documents::of_claim(db, &stored.id).await?;
    let documents: Vec<DocumentView> = handed
        .iter()
        .filter(|h| staff.sees(&catalogue, &h.document))
        .map(Handed::view)
        .collect::<Result<_>>()?;
    let (folder, request) = (
        papers::folder(db, &stored).await?,
        folders::request(db, &stored.id).await?,
    );
    let claim = Claim::replay(stored.lob, &events);
    let steps = claim.allowed(&staff.actor());
    let policy = policies::of_claim(db, &stored.id).await?;
    let left = papers::left(db, &stored.id).await?;
    let tasks = papers::tasks(app, db, &stored, &claim, &folder).await?;
    let gaps = claim.gaps(&tasks);
    let running = attendant::deadlines_of(app, &stored, &claim, &folder, now());
    // Whoever has typed something sees it again; otherwise what a colleague prepared.
    let proposal = Fields(staff::proposal(db, &stored.id).await?);
    let prepared = typed.0.is_empty() && !proposal.0.is_empty();
    let shown = if prepared { &proposal } else { typed };
    let named = |id: &String| {
        catalogue
            .document(id)
            .map_or_else(|| id.clone(), |d| d.name.zh.clone())
    };
    let papers: Vec<(String, String)> = tasks
        .iter()
        .map(|t| (t.document.clone(), named(&t.document)))
        .collect();
    let form = Form {
        app,
        staff,
        no: &stored.no,
        claim: &claim,
        typed: shown,
        policy: policy.as_ref(),
        left: &left,
        papers: &papers,
    };
    let facts_known = folder.facts(
        &stored.notice,
        claim.assessment.as_ref().map(|a| a.total_fen),
    );
    let wanted = |d: &&Document| d.max > 0 && catalogue.need(d, &facts_known) != Need::No;
    let wanted: Vec<&Document> = catalogue.papers.documents.iter().filter(wanted).collect();
    let stage = app
        .catalogue
        .papers
        .stages
        .get(claim.stage.as_str())
        .map_or("", |s| s.name.zh.as_str());
    let content = html! {
        h1 { (stored.no) }
        (top(staff))
        @if let Some(wrong) = &wrong { p.wrong role="alert" { (wrong) } }
        @if !claim.overlays().is_empty() { p { @for o in claim.overlays() { span.tag { (app.catalogue.papers.after.overlays.get(o.as_str()).map_or("", |t| t.zh.as_str())) } " " } } }
        @if !signals.is_empty() {
            section.notes aria-label="留意" {
                h2 { "留意（只有员工看得到，不能作为拒赔依据）" }
                ul { @for (kind, other) in &signals { li { (signal(kind)) @if !other.is_empty() { " " a href={ "/staff/claims/" (other) } { (other) } } } } }
            }
        }
        (facts(app, &stored, stage))
        (gate(app, &gaps, &claim))
        @if let Some(policy) = &policy { (covers(policy, &left)) }
        (clocks(app, &running))
        (payees_of(staff, &stored, &claim))
        h2 { "照片和材料（" (documents.len()) "）" }
        (photos(app, &stored, &documents, &claim, steps.contains(&StepKind::DocumentJudged)))
        @if steps.contains(&StepKind::DocumentJudged) && claim.received.iter().any(|(d, _)| claim.verdicts.iter().all(|v| v.document != *d)) { (forms::accept_all(&stored.no)) }
        (handed_in(&catalogue, &folder, request.as_ref()))
        h2 { "下一步" }
        @if steps.is_empty() { p { "现在没有您这个岗位要做的。" } }
        @if prepared && steps.contains(&StepKind::Approved) { p { "同事已填好，请复核后决定。" } }
        @for kind in &steps {
            @match kind {
                StepKind::SupplementAsked => (forms::supplement_form(&wanted, &stored.no, &claim, typed)),
                StepKind::DocumentJudged | StepKind::ApprovalAsked => {}
                StepKind::PolicyFound if stored.verified => {}
                // Not offered while anything blocks it.
                StepKind::PaymentOrdered if gaps.iter().any(|g| !matches!(g, Gap::Account(_))) => {}
                kind => (form.show(*kind)),
            }
        }
        @let letters: Vec<_> = events.iter().filter_map(|e| Some((e.seq, letters::of(app, &stored, e, own())?))).collect();
        @if !letters.is_empty() {
            h2 { "书面通知" }
            ul { @for (seq, letter) in &letters { li { a href={ "/staff/claims/" (stored.no) "/letters/" (seq) } { (letter.title) } " " (letter.date) } } }
        }
        h2 { "经过" }
        (history::history(app, &events))
    };
    Ok(page("zh-CN", &stored.no, content))
}

fn facts(app: &App, stored: &ClaimRow, stage: &str) -> Markup {
    let n = &stored.notice;
    let parts: Vec<&str> = app
        .catalogue
        .parts(stored.lob)
        .iter()
        .filter(|p| n.parts.contains(&p.id))
        .map(|p| p.name.zh.as_str())
        .collect();
    let role = app
        .catalogue
        .roles
        .iter()
        .find(|r| r.id == n.reporter.role)
        .map_or("", |r| r.name.zh.as_str());
    html! {
        dl {
            dt { "阶段" } dd { (stage) }
            dt { "事故" } dd { (incident(app, stored)) @if n.scene.injured == Some(true) { " · 有人受伤" } }
            dt { "时间" } dd { (n.loss_at.to_local_text()) @if n.about { "（大约）" } }
            dt { "地点" } dd { (n.place.text) @if let Some(point) = n.place.point { " · " (shown(point)) } }
            @if !parts.is_empty() { dt { "受损部位" } dd { (parts.join("、")) } }
            @if !n.narrative.is_empty() { dt { "经过" } dd { (n.narrative) } }
            dt { "现场" } dd { (scene(n)) }
            dt { "报案人" } dd {
                (n.reporter.name) " · 自称" (role) " · " (mask::phone(&n.reporter.phone)) " · "
                a href={ "/staff/claims/" (stored.no) "/reporter" } { "打电话（会记录）" }
            }
            dt { "保单" } dd { (if stored.verified { "已核对" } else { "未验证保单" }) }
            @if !n.policy.plate.is_empty() { dt { "填写的车牌" } dd { (n.policy.plate) } }
            @if !n.policy.no.is_empty() { dt { "填写的保单号" } dd { (n.policy.no) } }
            @if !n.policy.id_no.is_empty() { dt { "填写的证件号" } dd { (n.policy.id_no) } }
            dt { "报案时的同意" } dd { (consents(app, n)) }
            dt { "渠道" } dd { (stored.channel) }
        }
    }
}

/// The answers given before anything else.
fn scene(notice: &Notice) -> String {
    let said = |yes: Option<bool>| yes.map_or("未回答", |yes| if yes { "有" } else { "没有" });
    let road = notice
        .scene
        .road
        .map_or(String::new(), |r| format!("，道路：{}", r.as_str()));
    let special = notice
        .scene
        .special
        .map_or(String::new(), |s| format!("，特别情况：{}", s.as_str()));
    format!("人伤：{}{road}{special}", said(notice.scene.injured))
}

fn consents(app: &App, notice: &Notice) -> String {
    let named = |id: &str| {
        app.catalogue
            .consents
            .iter()
            .find(|c| c.id == id)
            .map_or_else(|| id.to_owned(), |c| c.label.zh.clone())
    };
    notice
        .consents
        .iter()
        .map(|c| named(&c.id))
        .collect::<Vec<_>>()
        .join("；")
}

/// What still blocks the payment.
fn gate(app: &App, gaps: &[Gap], claim: &Claim) -> Markup {
    html! {
        @if !claim.stage.is_over() && claim.stage != Stage::Paid {
            h2 { "付款前还差" }
            @if gaps.is_empty() { p { "没有，可以付款。" } }
            @else { ul data-gate { @for gap in gaps { li { (words::gap(app, gap)) } } } }
        }
    }
}

/// What the policy pays for, and what is left of it.
fn covers(policy: &Policy, left: &[Left]) -> Markup {
    let left_of = |code: &str| left.iter().find(|l| l.cover == code).map_or(0, |l| l.fen);
    html! {
        h2 { "保障" }
        p { "保单尾号 " (mask::tail(&policy.no)) "，" (policy.from) " 到 " (policy.to) }
        p { "被保险人 " (policy.insured.iter().map(|p| mask::name(&p.name)).collect::<Vec<_>>().join("、"))
            @if !policy.beneficiaries.is_empty() { "；受益人 " (policy.beneficiaries.iter().map(|b| mask::name(&b.party.name)).collect::<Vec<_>>().join("、")) }
            @if !policy.mortgagee.is_empty() { "；第一受益人 " (policy.mortgagee) }
        }
        div.scroll tabindex="0" role="region" aria-label="保障" { table {
            thead { tr { th { "险种" } th { "保险金额" } th { "还可赔" } th { "免赔、比例" } } }
            tbody { @for c in &policy.covers { tr data-cover=(c.code) {
                td { (c.name) } td { (money::show(c.sum_fen)) } td { (money::show(left_of(&c.code))) }
                td {
                    @if c.deductible_fen > 0 { "免赔 " (money::show(c.deductible_fen)) " " }
                    @if c.deductible_bp > 0 { "免赔率 " (percent(c.deductible_bp)) " " }
                    @if c.share_bp < 10_000 { "赔 " (percent(c.share_bp)) " " }
                    @if c.waiting_days > 0 { "等待期 " (c.waiting_days) " 天 " }
                    @if let Some(daily) = c.daily_fen { "每天 " (money::show(daily)) " " }
                    @if !c.hospital.is_empty() { (c.hospital) " " }
                    @if !c.exclusions.is_empty() { "除外 " (c.exclusions.join("、")) }
                }
            } } }
        } }
    }
}

/// Who is paid, which share, and the state of each payment.
fn payees_of(staff: &Member, stored: &ClaimRow, claim: &Claim) -> Markup {
    let dues = claim.dues();
    html! {
        @if !claim.payees.is_empty() {
            h2 { "收款人" }
            ul { @for p in &claim.payees {
                @let account = claim.accounts.get(&p.no);
                li data-payee=(p.no) {
                    (words::payee_kind(p.kind)) " " (p.holder) "，尾号 " (p.last4)
                    @if let Some(due) = dues.iter().find(|d| d.payee == p.no) { " · 应付 " (money::show(due.fen)) }
                    @if account.is_some_and(|a| a.paid) { " · 已付" }
                    @if account.is_some_and(|a| a.ordered.is_some()) { " · 付款中" }
                    @if account.is_some_and(|a| a.wrong) { " · " span.wrong { "账户被退回" } }
                }
            } }
            @if staff.sees_money() { p { a href={ "/staff/claims/" (stored.no) "/payees" } { "查看全部账户（会记录）" } } }
        }
    }
}

/// Degrees, to about ten metres.
fn shown(point: Point) -> String {
    format!(
        "{:.4}, {:.4}",
        f64::from(point.lat_e6) / 1e6,
        f64::from(point.lon_e6) / 1e6
    )
}

/// Every deadline: when due, met or missed, paused.
fn clocks(app: &App, running: &[Deadline]) -> Markup {
    let at = now();
    html! {
        @if !running.is_empty() {
            h2 { "期限" }
            ul { @for d in running {
                @let name = app.catalogue.papers.after.clocks.get(d.clock.as_str()).map_or("", |c| c.name.zh.as_str());
                li data-clock=(d.id) {
                    (name) "：" @if d.by_day { (d.last_day()) " 前" } @else { (d.due.to_local_text()) " 前" }
                    @if d.paused { " · 暂停（等客户）" }
                    @if let Some(met) = d.met { @if d.was_missed() { " · " span.wrong { "超时完成 " (met.to_local_text()) } } @else { " · 已完成" } }
                    @else if d.is_overdue(at) { " · " strong.wrong { "已超时" } }
                }
            } }
        }
    }
}

fn signal(kind: &str) -> &'static str {
    match kind {
        signals::SAME_PICTURE => "同一张照片也在另一案件：",
        signals::SAME_INVOICE => "同一张发票也在另一案件：",
        signals::BEFORE_POLICY => "出险时间早于保单起期",
        signals::BANK_DIFFERS => "银行的答复与登记的付款结果不一致，请与银行核对",
        _ => "现场照片拍摄时间早于出险时间",
    }
}

/// Every document with its files, what was doubted, and the verdict: 已收到, 通过 or 需要重传.
fn photos(
    app: &App,
    stored: &ClaimRow,
    files: &[DocumentView],
    claim: &Claim,
    judges: bool,
) -> Markup {
    let (no, reported) = (stored.no.as_str(), stored.notice.place.point);
    let mut documents: Vec<&str> = Vec::new();
    for file in files {
        if !documents.contains(&file.document.as_str()) {
            documents.push(&file.document);
        }
    }
    let is_back = |file: &DocumentView| {
        claim
            .returned
            .iter()
            .any(|(d, s)| *d == file.document && *s == file.sha256)
    };
    html! {
        @if files.is_empty() { p { "还没有。" } }
        @for id in &documents {
            @let name = app.catalogue.document(id).map_or(*id, |x| x.name.zh.as_str());
            @let verdict = claim.verdicts.iter().find(|v| v.document == *id);
            section data-document=(id) {
                h3 { (name) " · " (match verdict { None => "已收到", Some(v) if v.accepted => "通过", Some(_) => "需要重传" }) }
                @if let Some(v) = verdict.filter(|v| !v.reason.is_empty()) { p.quiet { (v.reason) } }
                ul.photos { @for d in files.iter().filter(|f| f.document == **id) { li {
                    a href={ "/staff/claims/" (no) "/photos/" (d.id) } {
                        @if d.format == Format::Pdf { "PDF" } @else {
                            img src={ "/staff/claims/" (no) "/photos/" (d.id) } alt={ (name) "，" (d.bytes / 1000) " KB" };
                        }
                    }
                    @if let Some(place) = d.place { p.quiet { "拍摄位置 " (shown(place)) @if let Some(point) = reported { "，距报案位置 " (place.metres_to(point)) " 米" } } }
                    @if is_back(d) { p.quiet { "已退回" } }
                    @for doubt in &d.doubts { p.wrong { (doubt.rule) " " (error_words(app, doubt.finding.code.as_str())) } }
                } } }
                @if judges && (claim.received.iter().chain(&claim.returned)).any(|(d, _)| d == id) { (forms::verdict_form(no, id, name)) }
            }
        }
    }
}

/// What was answered, typed and explained, and the signed request.
fn handed_in(catalogue: &Catalogue, folder: &Folder, request: Option<&Signed>) -> Markup {
    let name = |id: &str| {
        catalogue
            .document(id)
            .map_or_else(|| id.to_owned(), |d| d.name.zh.clone())
    };
    let of_key = |key: &str| {
        folder
            .files
            .iter()
            .find(|f| f.id == key)
            .map_or_else(|| name(key), |f| name(&f.document))
    };
    let answer = |fact: &str| {
        catalogue
            .papers
            .questions
            .iter()
            .find(|q| q.fact == fact)
            .map_or_else(|| fact.to_owned(), |q| q.ask.zh.clone())
    };
    let folder = mask::folder(folder.clone());
    html! {
        @if let Some(signed) = request {
            h2 { "索赔申请书" }
            dl { @for line in &signed.form { dt { (letters::form_label(&line.key, own())) } dd { (line.value) } } }
            p { "客户签名，" (signed.at.to_local_text()) }
            (super::strokes(&signed.signature, own()))
        }
        @if !folder.unavailable.is_empty() {
            h2 { "客户说明拿不到" }
            ul { @for (id, reason) in &folder.unavailable { li { (name(id)) "：" (reason) } } }
        }
        @if !folder.typed.is_empty() {
            h2 { "客户填写" }
            ul { @for (key, fields) in &folder.typed { li { (of_key(key)) "：" (fields.values().cloned().collect::<Vec<_>>().join("，")) } } }
        }
        @if !folder.answers.is_empty() {
            details { summary { "客户回答的问题" } ul { @for (fact, yes) in &folder.answers { li { (answer(fact)) " " (if *yes { "是" } else { "否" }) } } } }
        }
    }
}

fn error_words(app: &App, code: &str) -> String {
    app.catalogue
        .errors
        .get(code)
        .map_or_else(String::new, |t| {
            t.zh.replace("{field}", "这一项")
                .replace("第 {at} 位", "某一位")
        })
}

pub async fn step(
    Staff(staff): Staff,
    State(app): State<App>,
    Path(no): Path<String>,
    request: Request,
) -> Shown {
    let fields = Fields(body::form(request).await?);
    let problem = match work::step(&app, &staff, &no, &fields).await {
        Ok(Taken::Done) => return Ok(see_other(&format!("/staff/claims/{no}"))),
        Ok(Taken::HandedOver) => {
            let said = Some("超过您的权限，已转主管复核。".to_owned());
            return Ok((
                StatusCode::FORBIDDEN,
                claim_page(&app, &staff, &no, said, &Fields(Vec::new())).await?,
            )
                .into_response());
        }
        Err(failure) => failure.problem(),
    };
    if problem.code == ProblemCode::NotFound {
        return Err(problem.into());
    }
    let wrong = match problem.code {
        ProblemCode::NotThisPerson => {
            "经办人和复核人不能是同一人，或这一步要由主管来做。".to_owned()
        }
        code => error_words(
            &app,
            problem
                .errors
                .first()
                .map_or(code.as_str(), |e| e.code.as_str()),
        ),
    };
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    Ok((
        status,
        claim_page(&app, &staff, &no, Some(wrong), &fields).await?,
    )
        .into_response())
}

/// A look at a document, which is recorded.
pub async fn photo(
    Staff(staff): Staff,
    State(app): State<App>,
    Path((no, id)): Path<(String, String)>,
) -> Shown {
    let (stored, document, file) = {
        let db = &mut app.store.read().await?;
        let stored = claims::by_no(db, &no).await?;
        let (document, _) = documents::find(db, &stored.id, &id)
            .await?
            .ok_or(ProblemCode::NotFound)?;
        let file = file(db, &stored.id, &id).await?;
        (stored, document, file)
    };
    let catalogue =
        papers::rules(&app, &mut app.store.read().await?, &stored.rules_version).await?;
    if !staff.sees(&catalogue, &document) {
        app.audit.refused(
            &staff.who(),
            serde_json::json!({ "claim": stored.no, "document": document }),
        );
        return Err(ProblemCode::NotFound.into());
    }
    let photo = shown_file(&app, &file).await?;
    signing::looked(&app, &staff, &stored.id, &id).await?;
    Ok(photo)
}

pub async fn letter(
    _: Staff,
    State(app): State<App>,
    Path((no, seq)): Path<(String, u32)>,
) -> Shown {
    let db = &mut app.store.read().await?;
    let stored = claims::by_no(db, &no).await?;
    let (letter, _) = letters::about(&app, db, &stored, seq, own()).await?;
    Ok(super::letter(&letter, own()).into_response())
}

/// Full holders and accounts, for those who pay; recorded, too.
pub async fn payees(Staff(staff): Staff, State(app): State<App>, Path(no): Path<String>) -> Shown {
    if !staff.sees_money() {
        return Err(ProblemCode::NotFound.into());
    }
    let (stored, payees) = {
        let db = &mut app.store.read().await?;
        let stored = claims::by_no(db, &no).await?;
        let payees = payees::whole(db, &stored.id).await?;
        (stored, payees)
    };
    if payees.is_empty() {
        return Err(ProblemCode::NotFound.into());
    }
    signing::looked(&app, &staff, &stored.id, "payee").await?;
    let content = html! {
        h1 { "收款账户" }
        (top(&staff))
        p { "报案号 " (stored.no) }
        @for (i, payee) in payees.iter().enumerate() {
            h2 { "第 " (i + 1) " 位：" (words::payee_kind(payee.kind)) }
            dl {
                dt { "户名" } dd { (payee.holder) }
                dt { "账号" } dd { (payee.account) }
                @if !payee.bank.is_empty() { dt { "开户行" } dd { (payee.bank) " " (payee.bank_code) } }
                @if !payee.id_no.is_empty() { dt { "证件号" } dd { (payee.id_no) } }
                @if !payee.child.is_empty() { dt { "孩子" } dd { (payee.child) } }
                @if !payee.relation.is_empty() { dt { "与被保险人的关系" } dd { (payee.relation) } }
            }
        }
        p { a href={ "/staff/claims/" (stored.no) } { "返回案件" } }
    };
    Ok(page("zh-CN", "收款账户", content).into_response())
}

/// The reporter's phone, for a call; recorded, too.
pub async fn reporter(
    Staff(staff): Staff,
    State(app): State<App>,
    Path(no): Path<String>,
) -> Shown {
    let stored = claims::by_no(&mut app.store.read().await?, &no).await?;
    signing::looked(&app, &staff, &stored.id, "reporter").await?;
    let phone = &stored.notice.reporter.phone;
    let content = html! {
        h1 { "报案人电话" }
        (top(&staff))
        p { (stored.notice.reporter.name) }
        p { a.button href={ "tel:" (phone) } { "拨打 " (phone) } }
        p { a href={ "/staff/claims/" (stored.no) } { "返回案件" } }
    };
    Ok(page("zh-CN", "报案人电话", content).into_response())
}

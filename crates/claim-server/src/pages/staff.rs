//! /staff: a queue, one claim with its photos, and a form for each step that this desk may take now.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claim_api::{DocumentView, ProblemCode};
use claim_domain::catalog::{Document, Need};
use claim_domain::documents::{Folder, Format};
use claim_domain::lifecycle::{Actor, Claim, Event, Kind, What};
use claim_domain::notice::Point;
use claim_domain::{Catalogue, money};
use maud::{Markup, html};

use super::{failed, form, page, see_other};
use crate::claims::Stored;
use crate::documents;
use crate::session::{masked_name, masked_phone, set_cookie};
use crate::staff::{self, Fields, Staff};
use crate::store::events;
use crate::{App, Result};

/// Runs `show` for somebody who has signed in; others are sent to the login.
async fn signed_in(app: &App, headers: &HeaderMap, show: impl AsyncFnOnce(Staff) -> Result<Response>) -> Response {
    let outcome = match staff::who(app, headers).await {
        Ok(None) => return see_other("/staff/login"),
        Ok(Some(staff)) => show(staff).await,
        Err(failure) => Err(failure),
    };
    outcome.unwrap_or_else(|failure| failed(failure, "/staff"))
}

pub async fn login_page() -> Response {
    login_form(None).into_response()
}

fn login_form(wrong: Option<&str>) -> Markup {
    let content = html! {
        h1 { "员工登录" }
        @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
        form method="post" action="/staff/login" {
            label for="name" { "用户名" }
            input type="text" id="name" name="name" autocomplete="username" required;
            label for="password" { "密码" }
            input type="password" id="password" name="password" autocomplete="current-password" required;
            button { "登录" }
        }
    };
    page("zh-CN", "员工登录", content)
}

pub async fn login(State(app): State<App>, request: Request) -> Response {
    let entered = async {
        let fields = Fields(form(request).await?);
        staff::sign_in(&app, &fields.get("name"), &fields.get("password")).await
    };
    match entered.await {
        Ok(Some(token)) => {
            let mut response = see_other("/staff");
            response.headers_mut().append(header::SET_COOKIE, set_cookie(staff::cookie_name(&app), &token, "/staff", 12 * 3600));
            response
        }
        Ok(None) => (StatusCode::UNAUTHORIZED, login_form(Some("用户名或密码不对"))).into_response(),
        Err(failure) => failed(failure, "/staff/login"),
    }
}

pub async fn logout(State(app): State<App>, headers: HeaderMap) -> Response {
    match staff::sign_out(&app, &headers).await {
        Ok(()) => {
            let mut response = see_other("/staff/login");
            response.headers_mut().append(header::SET_COOKIE, set_cookie(staff::cookie_name(&app), "", "/staff", 0));
            response
        }
        Err(failure) => failed(failure, "/staff"),
    }
}

fn top(staff: &Staff) -> Markup {
    html! {
        form method="post" action="/staff/logout" { p.quiet { (staff.shown_as) " · " (desk_name(staff)) " · " a href="/staff" { "案件列表" } } button.plain { "退出登录" } }
    }
}

fn desk_name(staff: &Staff) -> &'static str {
    use claim_domain::lifecycle::Desk;
    match staff.desk {
        Desk::Intake => "受理",
        Desk::Surveyor => "查勘",
        Desk::Assessor => "定损",
        Desk::Adjudicator => "核赔",
        Desk::Finance => "财务",
        Desk::Supervisor => "主管",
    }
}

pub async fn queue(State(app): State<App>, headers: HeaderMap) -> Response {
    signed_in(&app, &headers, async |staff| {
        let claims = staff::queue(&app).await?;
        let content = html! {
            h1 { "案件列表" }
            (top(&staff))
            @if claims.is_empty() { p { "还没有案件。" } }
            @else { div.scroll tabindex="0" role="region" aria-label="案件列表" { table {
                thead { tr { th { "报案号" } th { "事故" } th { "阶段" } th { "报案人" } th { "报案时间" } } }
                tbody { @for (claim, stage) in &claims { tr {
                    td { a href={ "/staff/claims/" (claim.no) } { (claim.no) } }
                    td { (incident(&app, claim)) @if !claim.verified { " · 未验证保单" } }
                    td { (app.catalogue.papers.stages.get(stage.as_str()).map_or(stage.as_str(), |s| s.name.zh.as_str())) }
                    td { (masked_name(&claim.notice.reporter.name)) }
                    td { (claim.reported_at.to_local_text()) }
                } } }
            } } }
        };
        Ok(page("zh-CN", "案件列表", content).into_response())
    })
    .await
}

fn incident(app: &App, claim: &Stored) -> String {
    app.catalogue.incident(&claim.incident).map_or_else(|| claim.incident.clone(), |i| i.name.zh.clone())
}

pub async fn claim(State(app): State<App>, headers: HeaderMap, Path(no): Path<String>) -> Response {
    signed_in(&app, &headers, async |staff| Ok(claim_page(&app, &staff, &no, None, &Fields(Vec::new())).await?.into_response())).await
}

async fn claim_page(app: &App, staff: &Staff, no: &str, wrong: Option<String>, typed: &Fields) -> Result<Markup> {
    let stored = staff::find(app, no).await?;
    let events = events(&app.store.read, &stored.id, 0).await?;
    let documents = documents::views(app, &stored.id).await?;
    let catalogue = documents::rules(app, &stored.rules_version).await?;
    let (folder, request) = (documents::folder(app, &stored).await?, documents::request(app, &stored.id).await?);
    let claim = Claim::replay(stored.lob, &events);
    let steps = claim.allowed(&staff.actor());
    let facts_known = folder.facts(&stored.notice, claim.assessment.map(|(_, fen)| fen));
    let wanted = |d: &&Document| d.max > 0 && catalogue.need(d, &facts_known) != Need::No;
    let wanted: Vec<&Document> = catalogue.papers.documents.iter().filter(wanted).collect();
    let stage = app.catalogue.papers.stages.get(claim.stage.as_str()).map_or("", |s| s.name.zh.as_str());
    let content = html! {
        h1 { (stored.no) }
        (top(staff))
        @if let Some(wrong) = &wrong { p.wrong role="alert" { (wrong) } }
        (facts(app, &stored, stage))
        h2 { "照片和材料（" (documents.len()) "）" }
        (photos(app, &stored, &documents, &claim, steps.contains(&Kind::DocumentJudged)))
        (papers(&catalogue, &folder, request.as_ref()))
        h2 { "下一步" }
        @if steps.is_empty() { p { "现在没有您这个岗位要做的。" } }
        @for kind in &steps {
            @if *kind == Kind::SupplementAsked { (supplement_form(&wanted, &stored.no, &claim, typed)) }
            @else { (step_form(app, staff, &stored.no, *kind, &claim, typed)) }
        }
        h2 { "经过" }
        (history(app, &events))
    };
    Ok(page("zh-CN", &stored.no, content))
}

fn facts(app: &App, stored: &Stored, stage: &str) -> Markup {
    let n = &stored.notice;
    let parts: Vec<&str> = app.catalogue.parts(stored.lob).iter().filter(|p| n.parts.contains(&p.id)).map(|p| p.name.zh.as_str()).collect();
    let role = app.catalogue.roles.iter().find(|r| r.id == n.reporter.role).map_or("", |r| r.name.zh.as_str());
    html! {
        dl {
            dt { "阶段" } dd { (stage) }
            dt { "事故" } dd { (incident(app, stored)) @if n.scene.injured == Some(true) { " · 有人受伤" } }
            dt { "时间" } dd { (n.loss_at.to_local_text()) @if n.about { "（大约）" } }
            dt { "地点" } dd { (n.place.text) @if let Some(point) = n.place.point { " · " (shown(point)) } }
            @if !parts.is_empty() { dt { "受损部位" } dd { (parts.join("、")) } }
            @if !n.narrative.is_empty() { dt { "经过" } dd { (n.narrative) } }
            dt { "报案人" } dd { (n.reporter.name) " · " (role) " · " (masked_phone(&n.reporter.phone)) }
            dt { "保单" } dd { (if stored.verified { "已核对" } else { "未验证保单" }) @if !n.policy.plate.is_empty() { " · " (n.policy.plate) } }
            dt { "渠道" } dd { (stored.channel) }
        }
    }
}

/// Degrees, to about ten metres.
fn shown(point: Point) -> String {
    format!("{:.4}, {:.4}", f64::from(point.lat_e6) / 1e6, f64::from(point.lon_e6) / 1e6)
}

/// Every document with its files, what was doubted, and the verdict: 已收到, 通过 or 需要重传.
fn photos(app: &App, stored: &Stored, files: &[DocumentView], claim: &Claim, judges: bool) -> Markup {
    let (no, reported) = (stored.no.as_str(), stored.notice.place.point);
    let mut documents: Vec<&str> = Vec::new();
    for file in files {
        if !documents.contains(&file.document.as_str()) {
            documents.push(&file.document);
        }
    }
    let is_back = |file: &DocumentView| claim.returned.iter().any(|(d, s)| *d == file.document && *s == file.sha256);
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
                    @for doubt in &d.doubts { p.wrong { (doubt.rule) " " (words(app, doubt.finding.code.as_str())) } }
                } } }
                @if judges && claim.received.iter().any(|(d, _)| d == id) { (verdict_form(no, id, name)) }
            }
        }
    }
}

fn verdict_form(no: &str, id: &str, name: &str) -> Markup {
    html! {
        details {
            summary { "审核" (name) }
            form.step method="post" action={ "/staff/claims/" (no) "/steps" } {
                input type="hidden" name="kind" value=(Kind::DocumentJudged.as_str());
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

/// 补充材料: all of it in one list; a second list asks for the supervisor's reason.
fn supplement_form(wanted: &[&Document], no: &str, claim: &Claim, typed: &Fields) -> Markup {
    let mine = typed.get("kind") == Kind::SupplementAsked.as_str();
    let chosen: Vec<String> = if mine { typed.all("documents").collect() } else { Vec::new() };
    let kept = |name: &str| if mine { typed.get(name) } else { String::new() };
    html! {
        form.step method="post" action={ "/staff/claims/" (no) "/steps" } {
            input type="hidden" name="kind" value=(Kind::SupplementAsked.as_str());
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

/// What was answered, typed and explained, and the signed request.
fn papers(catalogue: &Catalogue, folder: &Folder, request: Option<&documents::Signed>) -> Markup {
    let name = |id: &str| catalogue.document(id).map_or_else(|| id.to_owned(), |d| d.name.zh.clone());
    let of_key = |key: &str| folder.files.iter().find(|f| f.id == key).map_or_else(|| name(key), |f| name(&f.document));
    let answer =
        |fact: &str| catalogue.papers.questions.iter().find(|q| q.fact == fact).map_or_else(|| fact.to_owned(), |q| q.ask.zh.clone());
    let folder = documents::masked(folder.clone());
    html! {
        @if let Some(signed) = request {
            h2 { "索赔申请书" }
            dl { @for line in &signed.form { dt { (form_label(&line.key)) } dd { (line.value) } } }
            p { "客户签名，" (signed.at.to_local_text()) @if !signed.signature.typed.is_empty() { " · 键入姓名：" (signed.signature.typed) } }
            @if !signed.signature.strokes.is_empty() { svg.signature viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label="签名" {
                @for stroke in &signed.signature.strokes {
                    polyline fill="none" stroke="black" stroke-width="8" points=(stroke.iter().map(|[x, y]| format!("{x},{y}")).collect::<Vec<_>>().join(" "));
                }
            } }
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

fn form_label(key: &str) -> &'static str {
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

fn words(app: &App, code: &str) -> String {
    app.catalogue.errors.get(code).map_or_else(String::new, |t| t.zh.replace("{field}", "这一项").replace("第 {at} 位", "某一位"))
}

fn history(app: &App, events: &[Event]) -> Markup {
    html! { ol { @for event in events { li {
        (event.at.to_local_text()) " · "
        (match &event.actor { Actor::Customer => "客户", Actor::System => "系统", Actor::Staff { name, .. } => name.as_str() })
        " · " (sentence(app, &event.what))
    } } } }
}

fn sentence(app: &App, what: &What) -> String {
    match what {
        What::Reported { verified } => format!("报案{}", if *verified { "" } else { "（未验证保单）" }),
        What::Registered { handler } => format!("立案，经办 {handler}"),
        What::NotAccepted { text, next_step, .. } => format!("未受理：{text}。{next_step}"),
        What::SurveyStarted { on_site, surveyor } => format!("查勘，{}，{surveyor}", if *on_site { "到现场" } else { "客户自助拍照" }),
        What::SurveyReported { report } => format!("查勘结论：{report}"),
        What::Assessed { version, total_fen, .. } => format!("定损第 {version} 版，合计 {}", money::show(*total_fen)),
        What::AssessmentAccepted { version, by_phone } => format!("客户{}同意定损第 {version} 版", if *by_phone { "电话" } else { "" }),
        What::AssessmentObjected { version, reason } => format!("客户对定损第 {version} 版有异议：{reason}"),
        What::Approved { amount_fen, basis } => format!("核赔通过 {}，依据：{basis}", money::show(*amount_fen)),
        What::Rejected { clause, facts } => format!("拒赔，条款：{clause}；事实：{facts}"),
        What::PaymentOrdered { instruction } => format!("付款指令 {instruction}"),
        What::PaymentFailed { reason } => format!("付款退回：{reason}"),
        What::Paid { amount_fen, reference } => format!("已支付 {}，流水号 {reference}", money::show(*amount_fen)),
        What::Closed => "结案".into(),
        What::Withdrawn { reason } => format!("客户撤案：{reason}"),
        What::DocumentReceived { document, bytes, .. } => {
            format!("收到{}，{} KB", name_of(app, document), bytes / 1000)
        }
        What::SupplementAsked { batch, documents, reason, until, again_because } => {
            let names: Vec<&str> = documents.iter().filter_map(|id| Some(app.catalogue.document(id)?.name.zh.as_str())).collect();
            let again = again_because.as_ref().map(|r| format!("；再次要求的原因：{r}")).unwrap_or_default();
            format!("要求补充第 {batch} 批材料，{until} 前：{}。{reason}{again}", names.join("、"))
        }
        What::SupplementExcused { document, reason } => format!("客户说明拿不到{}：{reason}", name_of(app, document)),
        What::DocumentJudged { document, accepted, reason } => {
            format!("{}：{} {reason}", name_of(app, document), if *accepted { "通过" } else { "需要重传" })
        }
        What::Requested { unavailable, .. } => match unavailable.len() {
            0 => "客户提交索赔申请，材料齐".into(),
            n => format!("客户提交索赔申请，说明 {n} 项无法提供"),
        },
    }
}

fn name_of<'a>(app: &'a App, document: &'a str) -> &'a str {
    app.catalogue.document(document).map_or(document, |d| d.name.zh.as_str())
}

/// Name, label and whether it is long.
type Field = (&'static str, &'static str, bool);

fn step_form(app: &App, staff: &Staff, no: &str, kind: Kind, claim: &Claim, typed: &Fields) -> Markup {
    let (title, fields): (&str, &[Field]) = match kind {
        Kind::Registered => ("立案", &[("handler", "经办人（客户会看到）", false)]),
        Kind::NotAccepted => ("不予受理", &[("text", "原因说明（客户会看到）", true), ("next_step", "客户可以怎么办", true)]),
        Kind::SurveyStarted => ("开始查勘", &[("surveyor", "查勘员（客户会看到）", false)]),
        Kind::SurveyReported => ("查勘结论", &[("report", "结论（客户会看到）", true)]),
        Kind::Assessed => ("定损", &[("lines", "逐项填写，一行一项，金额在最后，例如：前保险杠 800.00", true)]),
        Kind::AssessmentAccepted => ("客户电话同意定损", &[]),
        Kind::Approved => ("核赔通过", &[("amount_fen", "赔付金额（元）", false), ("basis", "依据（客户会看到）", true)]),
        Kind::Rejected => ("拒赔", &[("clause", "条款", true), ("facts", "依据的事实", true)]),
        Kind::PaymentOrdered => ("发出付款指令", &[("instruction", "指令号", false)]),
        Kind::PaymentFailed => ("付款被退回", &[("reason", "原因", false)]),
        Kind::Paid => ("已支付", &[("reference", "银行流水号", false)]),
        Kind::Closed => ("结案", &[]),
        _ => return html! {},
    };
    let mine = typed.get("kind") == kind.as_str();
    let suggested = |name: &str| match name {
        _ if mine => typed.get(name),
        "handler" | "surveyor" => staff.shown_as.clone(),
        "amount_fen" => claim.assessment.map(|(_, fen)| money::show(fen).trim_start_matches('¥').to_owned()).unwrap_or_default(),
        _ => String::new(),
    };
    let id = |name: &str| format!("{}-{name}", kind.as_str());
    html! {
        form.step method="post" action={ "/staff/claims/" (no) "/steps" } {
            input type="hidden" name="kind" value=(kind.as_str());
            @if kind == Kind::NotAccepted {
                label for=(id("reason")) { "原因" }
                select id=(id("reason")) name="reason" { @for r in &app.catalogue.papers.not_accepted_reasons { option value=(r.id) { (r.name.zh) } } }
            }
            @if kind == Kind::SurveyStarted {
                label.tick { input type="checkbox" name="on_site" value="yes"; "到现场查勘（不勾选为客户自助拍照）" }
            }
            @for (name, label, long) in fields {
                label for=(id(name)) { (label) }
                @if *long { textarea id=(id(name)) name=(name) rows="3" required { (suggested(name)) } }
                @else { input type="text" id=(id(name)) name=(name) value=(suggested(name)) required; }
            }
            button { (title) }
        }
    }
}

pub async fn step(State(app): State<App>, headers: HeaderMap, Path(no): Path<String>, request: Request) -> Response {
    signed_in(&app, &headers, async |staff| {
        let fields = Fields(form(request).await?);
        let problem = match staff::step(&app, &staff, &no, &fields).await {
            Ok(()) => return Ok(see_other(&format!("/staff/claims/{no}"))),
            Err(failure) => failure.problem(),
        };
        if problem.code == ProblemCode::NotFound {
            return Err(problem.into());
        }
        let wrong = words(&app, problem.errors.first().map_or(problem.code.as_str(), |e| e.code.as_str()));
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
        Ok((status, claim_page(&app, &staff, &no, Some(wrong), &fields).await?).into_response())
    })
    .await
}

pub async fn photo(State(app): State<App>, headers: HeaderMap, Path((no, id)): Path<(String, String)>) -> Response {
    signed_in(&app, &headers, async |_| {
        let stored = staff::find(&app, &no).await?;
        documents::photo_of(&app, &stored.id, &id).await
    })
    .await
}

//! /lite: the same report as plain HTML, for phones on which the app cannot run and for networks
//! that cannot carry it. Same validation, same claim numbers, 20 KB at most in all.

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use claim_api::{ProblemCode, Receipt};
use claim_domain::catalog::Asked;
use claim_domain::notice::{Agreed, Place, PolicyRef, Reporter};
use claim_domain::safety::Scene;
use claim_domain::validate::Code;
use claim_domain::{FieldError, Moment, Notice, Text};
use maud::{Markup, html};
use serde::Deserialize;

use super::{failed, page};
use crate::http::access::Visitor;
use crate::http::body;
use crate::store::submissions::Said;
use crate::vault::sha256_hex;
use crate::work::fields::Fields;
use crate::work::report;
use crate::{App, now};

struct Words {
    lang: &'static str,
    title: &'static str,
    first: &'static str,
    other: (&'static str, &'static str),
    fields: [(&'static str, &'static str); 10],
    yes: &'static str,
    no: &'static str,
    choose: &'static str,
    hint_policy: &'static str,
    send: &'static str,
    wrong: &'static str,
    done: &'static str,
    number: &'static str,
    next: &'static str,
    call: &'static str,
    app: &'static str,
}

const ZH: Words = Words {
    lang: "zh-CN",
    title: "极速报案",
    first: "先确保安全。有人受伤请先打 120，交通事故打 122。",
    other: ("en", "English"),
    fields: [
        ("/scene/injured", "有人受伤吗"),
        ("/incident", "发生了什么"),
        ("/loss_at", "什么时候"),
        ("/place/text", "在哪里"),
        ("/narrative", "简单说说经过（可不填）"),
        ("/reporter/role", "您是"),
        ("/reporter/name", "您的姓名"),
        ("/reporter/phone", "手机号"),
        ("/policy/plate", "车牌"),
        ("/policy/no", "保单号"),
    ],
    yes: "有",
    no: "没有",
    choose: "请选择",
    hint_policy: "车牌和保单号填一项即可；没有也可以填身份证号。查不到保单也能报案。",
    send: "提交报案",
    wrong: "有内容需要修改",
    done: "已收到您的报案",
    number: "报案号",
    next: "我们会在 {} 前给您打电话。需要的材料和进度，可以在应用的“我的案件”里看。",
    call: "打电话",
    app: "使用完整版（可以拍照）",
};

const EN: Words = Words {
    lang: "en",
    title: "Quick report",
    first: "Safety first. If anybody is hurt call 120; for a road accident call 122.",
    other: ("zh", "中文"),
    fields: [
        ("/scene/injured", "Is anybody hurt?"),
        ("/incident", "What happened"),
        ("/loss_at", "When"),
        ("/place/text", "Where"),
        ("/narrative", "In a few words (optional)"),
        ("/reporter/role", "You are"),
        ("/reporter/name", "Your name"),
        ("/reporter/phone", "Mobile number"),
        ("/policy/plate", "Number plate"),
        ("/policy/no", "Policy number"),
    ],
    yes: "Yes",
    no: "No",
    choose: "Please choose",
    hint_policy: "Plate or policy number, one is enough; or give the ID number. You can report even if no policy is found.",
    send: "Send the report",
    wrong: "Something needs to be changed",
    done: "We have your report",
    number: "Claim number",
    next: "We will call you before {}. Documents and progress are under My claims in the app.",
    call: "Call",
    app: "Use the full app (with photos)",
};

#[derive(Deserialize)]
pub struct Lang {
    #[serde(default)]
    lang: String,
}

fn words(lang: &str) -> &'static Words {
    if lang.starts_with("en") { &EN } else { &ZH }
}

fn text<'a>(w: &Words, text: &'a Text) -> &'a str {
    if w.lang == "en" { &text.en } else { &text.zh }
}

pub async fn form(_: Visitor, State(app): State<App>, Query(query): Query<Lang>) -> Response {
    let w = words(&query.lang);
    // The key is made here, so that pressing 提交 twice, or going back and sending again, is still
    // one report.
    let fields = Fields(vec![
        ("key".into(), uuid::Uuid::now_v7().to_string()),
        ("/loss_at".into(), now().to_local_input()),
    ]);
    sheet(&app, w, &fields, &[]).into_response()
}

fn label<'a>(w: &'a Words, field: &str) -> &'a str {
    w.fields
        .iter()
        .find(|(f, _)| *f == field)
        .map_or("", |(_, label)| label)
}

fn message(app: &App, w: &Words, error: &FieldError) -> String {
    let found = app
        .catalogue
        .errors
        .get(error.code.as_str())
        .map_or("", |t| text(w, t));
    let consent = error
        .field
        .strip_prefix("/consents/")
        .and_then(|id| app.catalogue.consents.iter().find(|c| c.id == id))
        .map(|c| text(w, &c.label));
    found
        .replace(
            "{at}",
            &error.at.map_or_else(String::new, |n| n.to_string()),
        )
        .replace("{field}", consent.unwrap_or_else(|| label(w, &error.field)))
}

/// The whole form on one page; `errors` first, each linked to its field.
fn sheet(app: &App, w: &Words, typed: &Fields, errors: &[FieldError]) -> Markup {
    let wrong = |field: &str| {
        errors
            .iter()
            .find(|e| e.field == field)
            .map(|e| message(app, w, e))
    };
    let line = |field: &str, kind: &str, complete: &str| {
        html! {
            label for=(field) { (label(w, field)) }
            @if let Some(wrong) = wrong(field) { p.wrong id={ (field) "-wrong" } { (wrong) } }
            input type=(kind) id=(field) name=(field) value=(typed.get(field)) autocomplete=(complete) aria-describedby=[wrong(field).map(|_| format!("{field}-wrong"))];
        }
    };
    let select = |field: &str, options: Vec<(&str, &str)>| {
        html! {
            label for=(field) { (label(w, field)) }
            @if let Some(wrong) = wrong(field) { p.wrong { (wrong) } }
            select id=(field) name=(field) {
                option value="" { (w.choose) }
                @for (id, name) in options { option value=(id) selected[typed.get(field) == id] { (name) } }
            }
        }
    };
    let incidents = app
        .catalogue
        .incidents
        .iter()
        .map(|i| (i.id.as_str(), text(w, &i.name)))
        .collect();
    let roles = app
        .catalogue
        .roles
        .iter()
        .map(|r| (r.id.as_str(), text(w, &r.name)))
        .collect();
    let content = html! {
        p { a href={ "/lite?lang=" (w.other.0) } lang=(w.other.0) { (w.other.1) } }
        h1 { (w.title) }
        p { b { (w.first) } } p { a href="tel:120" { "120" } " · " a href="tel:122" { "122" } " · " a href={ "tel:" (app.deployment.hotline) } { (w.call) " " (app.deployment.hotline) } }
        @if !errors.is_empty() {
            div.summary role="alert" { h2 { (w.wrong) } ul { @for e in errors { li { a href={ "#" (e.field) } { (message(app, w, e)) } } } } }
        }
        form method="post" action={ "/lite?lang=" (w.lang) } {
            input type="hidden" name="key" value=(typed.get("key"));
            fieldset id="/scene/injured" {
                legend { (label(w, "/scene/injured")) }
                @if let Some(wrong) = wrong("/scene/injured") { p.wrong { (wrong) } }
                @for (value, name) in [("no", w.no), ("yes", w.yes)] { label { input type="radio" name="/scene/injured" value=(value) checked[typed.get("/scene/injured") == value]; (name) } }
            }
            (select("/incident", incidents))
            (line("/loss_at", "datetime-local", "off"))
            (line("/place/text", "text", "off"))
            label for="/narrative" { (label(w, "/narrative")) }
            textarea id="/narrative" name="/narrative" rows="3" { (typed.get("/narrative")) }
            (select("/reporter/role", roles))
            (line("/reporter/name", "text", "name"))
            (line("/reporter/phone", "tel", "tel"))
            p.quiet { (w.hint_policy) }
            (line("/policy/plate", "text", "off"))
            (line("/policy/no", "text", "off"))
            label for="/policy/id_no" { @if w.lang == "en" { "ID number" } @else { "身份证号" } }
            @if let Some(wrong) = wrong("/policy/id_no") { p.wrong { (wrong) } }
            input type="text" id="/policy/id_no" name="/policy/id_no" value=(typed.get("/policy/id_no")) autocomplete="off";
            @for c in app.catalogue.consents.iter().filter(|c| c.at == Asked::Notice && c.id != "location") {
                @let field = format!("/consents/{}", c.id);
                p.quiet { (text(w, &c.text)) }
                label.tick for=(field) { input type="checkbox" id=(field) name=(field) value="yes" checked[typed.get(&field) == "yes"]; (text(w, &c.label)) }
            }
            button { (w.send) }
        }
    };
    page(w.lang, w.title, content)
}

pub async fn submit(
    Visitor(session): Visitor,
    State(app): State<App>,
    Query(query): Query<Lang>,
    request: Request,
) -> Response {
    let w = words(&query.lang);
    let fields = match body::form(request).await {
        Ok(fields) => Fields(fields),
        Err(failure) => return failed(failure, "/lite"),
    };
    let key = fields.get("key");
    if uuid::Uuid::parse_str(&key).is_err() {
        return failed(ProblemCode::IdempotencyKeyMissing.into(), "/lite");
    }
    let (notice, loss_missing) = notice(&app, &fields);
    // The consents' times differ between two presses, so the typed fields are compared.
    let hash = sha256_hex(format!("{:?}", fields.0).as_bytes());
    let said = Said {
        key: &key,
        body_hash: &hash,
        secret_hash: None,
    };
    match report::submit(&app, &session, said, &notice, "lite").await {
        Ok((receipt, _)) => receipt_page(&app, w, &receipt).into_response(),
        Err(failure) => {
            let mut problem = failure.problem();
            if problem.code != ProblemCode::Validation {
                return failed(problem.into(), "/lite");
            }
            if loss_missing {
                problem
                    .errors
                    .iter_mut()
                    .filter(|e| e.field == "/loss_at")
                    .for_each(|e| e.code = Code::TimeFormat);
            }
            (
                StatusCode::UNPROCESSABLE_ENTITY,
                sheet(&app, w, &fields, &problem.errors),
            )
                .into_response()
        }
    }
}

fn notice(app: &App, fields: &Fields) -> (Notice, bool) {
    let at = now();
    let loss_at = Moment::from_local_input(&fields.get("/loss_at"));
    let agreed = app
        .catalogue
        .consents
        .iter()
        .filter(|c| fields.get(&format!("/consents/{}", c.id)) == "yes");
    let notice = Notice {
        incident: fields.get("/incident"),
        scene: Scene {
            injured: match fields.get("/scene/injured").as_str() {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            },
            ..Scene::default()
        },
        loss_at: loss_at.unwrap_or(Moment(0)),
        about: false,
        place: Place {
            text: fields.get("/place/text"),
            point: None,
        },
        parts: Vec::new(),
        narrative: fields.get("/narrative"),
        reporter: Reporter {
            role: fields.get("/reporter/role"),
            name: fields.get("/reporter/name"),
            phone: fields.get("/reporter/phone"),
        },
        policy: PolicyRef {
            id: None,
            no: fields.get("/policy/no"),
            plate: fields.get("/policy/plate"),
            id_no: fields.get("/policy/id_no"),
        },
        consents: agreed
            .map(|c| Agreed {
                id: c.id.clone(),
                version: c.version,
                at,
            })
            .collect(),
    };
    (notice, loss_at.is_none())
}

fn receipt_page(app: &App, w: &Words, receipt: &Receipt) -> Markup {
    let content = html! {
        h1 { (w.done) }
        p { (w.number) }
        p.number { (receipt.claim_no) }
        p { (receipt.received_at.to_local_text()) }
        p { (w.next.replace("{}", &receipt.contact_by.to_local_text())) }
        p { a href={ "tel:" (app.deployment.hotline) } { (w.call) " " (app.deployment.hotline) } }
        p { a href="/" { (w.app) } }
    };
    page(w.lang, w.done, content)
}

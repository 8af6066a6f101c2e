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
use claim_domain::{FieldError, Moment, Notice};
use maud::{Markup, html};
use serde::Deserialize;

use super::{failed, page};
use crate::http::access::Visitor;
use crate::http::body;
use crate::store::submissions::Said;
use crate::vault::sha256_hex;
use crate::words::{self, Words, fill};
use crate::work::fields::Fields;
use crate::work::report;
use crate::{App, now};

#[derive(Deserialize)]
pub struct Lang {
    #[serde(default)]
    lang: String,
}

pub async fn form(_: Visitor, State(app): State<App>, Query(query): Query<Lang>) -> Response {
    let words = words::of(&query.lang);
    // The key is made here, so that pressing 提交 twice, or going back and sending again, is still
    // one report.
    let fields = Fields(vec![
        ("key".into(), uuid::Uuid::now_v7().to_string()),
        ("/loss_at".into(), now().to_local_input()),
    ]);
    sheet(&app, words, &fields, &[]).into_response()
}

fn label<'a>(words: &'a Words, field: &str) -> &'a str {
    words.lite.fields.get(field).map_or("", String::as_str)
}

fn message(app: &App, words: &Words, error: &FieldError) -> String {
    let found = app
        .catalogue
        .errors
        .get(error.code.as_str())
        .map_or("", |t| words.text(t));
    let consent = error
        .field
        .strip_prefix("/consents/")
        .and_then(|id| app.catalogue.consents.iter().find(|c| c.id == id))
        .map(|c| words.text(&c.label));
    found
        .replace(
            "{at}",
            &error.at.map_or_else(String::new, |n| n.to_string()),
        )
        .replace(
            "{field}",
            consent.unwrap_or_else(|| label(words, &error.field)),
        )
}

/// The whole form on one page; `errors` first, each linked to its field.
fn sheet(app: &App, words: &Words, typed: &Fields, errors: &[FieldError]) -> Markup {
    let w = &words.lite;
    let wrong = |field: &str| {
        errors
            .iter()
            .find(|e| e.field == field)
            .map(|e| message(app, words, e))
    };
    let line = |field: &str, kind: &str, complete: &str| {
        html! {
            label for=(field) { (label(words, field)) }
            @if let Some(wrong) = wrong(field) { p.wrong id={ (field) "-wrong" } { (wrong) } }
            input type=(kind) id=(field) name=(field) value=(typed.get(field)) autocomplete=(complete) aria-describedby=[wrong(field).map(|_| format!("{field}-wrong"))];
        }
    };
    let select = |field: &str, options: Vec<(&str, &str)>| {
        html! {
            label for=(field) { (label(words, field)) }
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
        .map(|i| (i.id.as_str(), words.text(&i.name)))
        .collect();
    let roles = app
        .catalogue
        .roles
        .iter()
        .map(|r| (r.id.as_str(), words.text(&r.name)))
        .collect();
    let content = html! {
        p { @for (tag, name) in words::languages().filter(|(tag, _)| *tag != words.lang) { a href={ "/lite?lang=" (tag) } lang=(tag) { (name) } " " } }
        h1 { (w.title) }
        p { b { (w.first) } } p { a href="tel:120" { "120" } " · " a href="tel:122" { "122" } " · " a href={ "tel:" (app.deployment.hotline) } { (w.call) " " (app.deployment.hotline) } }
        @if !errors.is_empty() {
            div.summary role="alert" { h2 { (w.wrong) } ul { @for e in errors { li { a href={ "#" (e.field) } { (message(app, words, e)) } } } } }
        }
        form method="post" action={ "/lite?lang=" (words.lang) } {
            input type="hidden" name="key" value=(typed.get("key"));
            fieldset id="/scene/injured" {
                legend { (label(words, "/scene/injured")) }
                @if let Some(wrong) = wrong("/scene/injured") { p.wrong { (wrong) } }
                @for (value, name) in [("no", &w.no), ("yes", &w.yes)] { label { input type="radio" name="/scene/injured" value=(value) checked[typed.get("/scene/injured") == value]; (name) } }
            }
            (select("/incident", incidents))
            (line("/loss_at", "datetime-local", "off"))
            (line("/place/text", "text", "off"))
            label for="/narrative" { (label(words, "/narrative")) }
            textarea id="/narrative" name="/narrative" rows="3" { (typed.get("/narrative")) }
            (select("/reporter/role", roles))
            (line("/reporter/name", "text", "name"))
            (line("/reporter/phone", "tel", "tel"))
            p.quiet { (w.hint_policy) }
            (line("/policy/plate", "text", "off"))
            (line("/policy/no", "text", "off"))
            label for="/policy/id_no" { (label(words, "/policy/id_no")) }
            @if let Some(wrong) = wrong("/policy/id_no") { p.wrong { (wrong) } }
            input type="text" id="/policy/id_no" name="/policy/id_no" value=(typed.get("/policy/id_no")) autocomplete="off";
            @for c in app.catalogue.consents.iter().filter(|c| c.at == Asked::Notice && c.id != "location") {
                @let field = format!("/consents/{}", c.id);
                p.quiet { (words.text(&c.text)) }
                label.tick for=(field) { input type="checkbox" id=(field) name=(field) value="yes" checked[typed.get(&field) == "yes"]; (words.text(&c.label)) }
            }
            button { (w.send) }
        }
    };
    page(words.lang, &w.title, content)
}

pub async fn submit(
    Visitor(session): Visitor,
    State(app): State<App>,
    Query(query): Query<Lang>,
    request: Request,
) -> Response {
    let words = words::of(&query.lang);
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
        Ok((receipt, _)) => receipt_page(&app, words, &receipt).into_response(),
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
                sheet(&app, words, &fields, &problem.errors),
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

fn receipt_page(app: &App, words: &Words, receipt: &Receipt) -> Markup {
    let w = &words.lite;
    let content = html! {
        h1 { (w.done) }
        p { (w.number) }
        p.number { (receipt.claim_no) }
        p { (receipt.received_at.to_local_text()) }
        p { (fill(&w.next, &[("time", &receipt.contact_by.to_local_text())])) }
        p { a href={ "tel:" (app.deployment.hotline) } { (w.call) " " (app.deployment.hotline) } }
        p { a href="/" { (w.app) } }
    };
    page(words.lang, &w.done, content)
}

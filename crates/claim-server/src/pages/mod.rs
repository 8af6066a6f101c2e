//! Plain server-rendered pages without script (except one line that reads the fragment): /lite for
//! every phone there is, /staff for the insurer's people, /demo for newcomers. Their texts are
//! beside them; texts shared with the app come from the catalogue.

pub mod app;
pub mod demo;
pub mod kiosk;
pub mod links;
pub mod lite;
pub mod not_mine;
pub mod shared;
pub mod staff;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use claim_api::{Letter, ProblemCode};
use claim_domain::documents::Signature;
use maud::{DOCTYPE, Markup, html};

use crate::failure::Failure;
use crate::http::access::Open;
use crate::words::{Words, fill};

pub async fn css(_: Open) -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/css; charset=utf-8"),
            (header::CACHE_CONTROL, "public, max-age=86400"),
        ],
        include_str!("pages.css"),
    )
        .into_response()
}

/// A whole page around `content`, which begins with its `h1`.
fn page(lang: &str, title: &str, content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(lang) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/pages.css";
                link rel="icon" href="data:,";
            }
            body { main { (content) } }
        }
    }
}

/// A letter, to be read and printed.
pub fn letter(letter: &Letter, words: &Words) -> Markup {
    let content = html! {
        h1 { (letter.title) }
        p { (letter.to) "：" }
        @for (heading, text) in &letter.parts {
            @if !heading.is_empty() { h2 { (heading) } }
            @for line in text.lines() { p { (line) } }
        }
        p.signed { (letter.from) br; (letter.date) }
    };
    page(words.lang, &letter.title, content)
}

/// The claim request with its signature, to be read and printed.
pub fn signed_form(form: &Letter, signature: &Signature, words: &Words) -> Markup {
    let content = html! {
        h1 { (form.title) }
        p { (form.to) "：" }
        @for (heading, text) in &form.parts {
            h2 { (heading) }
            @for line in text.lines() { p { (line) } }
        }
        (strokes(signature, words))
        p.signed { (form.from) br; (form.date) }
    };
    page(words.lang, &form.title, content)
}

/// The drawn signature, or the typed name.
pub fn strokes(signature: &Signature, words: &Words) -> Markup {
    html! {
        @if !signature.typed.is_empty() { p { (fill(&words.letters.typed_name, &[("name", &signature.typed)])) } }
        @if !signature.strokes.is_empty() { svg.signature viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label=(words.letters.signature) {
            @for stroke in &signature.strokes {
                polyline fill="none" stroke="black" stroke-width="8" points=(stroke.iter().map(|[x, y]| format!("{x},{y}")).collect::<Vec<_>>().join(" "));
            }
        } }
    }
}

/// 404 in the requested form.
pub fn not_found(wants_page: bool) -> Response {
    if !wants_page {
        return Failure::from(ProblemCode::NotFound).into_response();
    }
    let content = html! { h1 { "没有这个页面" } p { a href="/" { "回首页" } } };
    (
        StatusCode::NOT_FOUND,
        page("zh-CN", "没有这个页面", content),
    )
        .into_response()
}

/// A failure as a page for people.
fn failed(failure: Failure, back: &str) -> Response {
    let problem = failure.problem();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content = html! {
        h1 { "没有成功" }
        p { (problem.title) }
        @if let Some(seconds) = problem.retry_after { p { "请在 " (seconds) " 秒后再试。" } }
        p { a href=(back) { "返回" } }
    };
    let mut response = (status, page("zh-CN", "没有成功", content)).into_response();
    if let Some(seconds) = problem.retry_after {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    // For the audit log (`guard`).
    response.extensions_mut().insert(problem);
    response
}

fn see_other(to: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, to.to_owned())]).into_response()
}

//! Where a machine in a branch is enrolled, by whoever sets it up.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::{failed, page, see_other};
use crate::App;
use crate::hosts::kiosk;
use crate::http::access::{self, Open};
use crate::http::body;
use crate::work::fields::Fields;

pub async fn form(_: Open, State(app): State<App>, headers: HeaderMap) -> Response {
    match access::kiosk(&app, &headers).await {
        Ok(known) => shown(known.map(|k| k.name), false).into_response(),
        Err(failure) => failed(failure, "/"),
    }
}

pub async fn enrol(_: Open, State(app): State<App>, request: Request) -> Response {
    let typed = match body::form(request).await {
        Ok(fields) => Fields(fields).get("code"),
        Err(failure) => return failed(failure, "/kiosk/enrol"),
    };
    match kiosk::enrol(&app, &typed).await {
        Ok(Some(cookie)) => {
            let mut response = see_other("/");
            response.headers_mut().append(header::SET_COOKIE, cookie);
            // Whatever the ordinary page stored here before.
            response.headers_mut().insert(
                "clear-site-data",
                HeaderValue::from_static("\"cache\", \"storage\""),
            );
            response
        }
        Ok(None) => (StatusCode::UNPROCESSABLE_ENTITY, shown(None, true)).into_response(),
        Err(failure) => failed(failure, "/kiosk/enrol"),
    }
}

fn shown(known: Option<String>, wrong: bool) -> Markup {
    let content = html! {
        h1 { "登记自助终端" }
        @if let Some(name) = known { p { "这台机器已登记：" (name) "。" a href="/" { "打开" } } }
        @if wrong { p.wrong role="alert" { "代码不对、用过了，或已过一天。请重新生成。" } }
        form.step method="post" action="/kiosk/enrol" {
            label for="code" { "登记代码" }
            input type="text" id="code" name="code" inputmode="numeric" autocomplete="off" required;
            button { "登记这台机器" }
        }
    };
    page("zh-CN", "登记自助终端", content)
}

//! /staff/sso: to the insurer's sign-in and back.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::html;

use super::StaffFailure;
use crate::App;
use crate::failure::Result;
use crate::http::access::Open;
use crate::http::cookies;
use crate::pages::{page, see_other};
use crate::work::{accounts, sso};

const BEGUN: &str = "staff-sso";

pub async fn begin(_: Open, State(app): State<App>) -> std::result::Result<Response, StaffFailure> {
    let Some(provider) = &app.options.sso else {
        return Ok(see_other("/staff/login"));
    };
    let (address, kept) = sso::begin(&app, provider).await?;
    let mut response = see_other(&address);
    // Lax: the way back begins at the provider.
    let cookie = cookies::set(BEGUN, &kept, "/staff/sso", Some(sso::PATIENCE), "Lax");
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// What the provider adds to our address.
#[derive(serde::Deserialize)]
pub struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
}

pub async fn back(
    _: Open,
    State(app): State<App>,
    Query(back): Query<Back>,
    headers: HeaderMap,
) -> std::result::Result<Response, StaffFailure> {
    let Some(provider) = &app.options.sso else {
        return Ok(see_other("/staff/login"));
    };
    let kept = cookies::find(&headers, BEGUN).unwrap_or_default();
    let token: Result<_> = sso::end(&app, provider, &kept, &back.code, &back.state).await;
    let (status, title, cookie) = match token? {
        Some(token) => {
            let cookie = cookies::set(
                cookies::staff(&app),
                &token,
                "/",
                Some(accounts::AT_MOST),
                "Strict",
            );
            (StatusCode::OK, "已登录", Some(cookie))
        }
        None => (StatusCode::UNAUTHORIZED, "没有登录成功", None),
    };
    // A page, not a redirect: a cookie for this site alone is not sent on a way that began elsewhere.
    let content = html! {
        h1 { (title) }
        @if cookie.is_some() { p { a id="go-on" href="/staff" { "到案件列表" } } }
        @else { p role="alert" { "请重试；如果还是不行，请联系管理员：您的账户可能没有分配岗位。" } p { a href="/staff/login" { "返回登录" } } }
    };
    let mut response = (status, page("zh-CN", title, content)).into_response();
    let over = cookies::set(BEGUN, "", "/staff/sso", Some(0), "Lax");
    for cookie in cookie.into_iter().chain([over]) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

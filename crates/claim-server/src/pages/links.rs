//! Links whose secret is in the fragment, where no log of a server or proxy sees it (RFC 9110
//! section 4.2.4: a fragment is not sent). The page sends it in a body and gets a session cookie
//! for it, which opens that page alone.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::see_other;
use crate::App;
use crate::failure::Result;
use crate::http::access::Open;
use crate::http::{body, cookies};

/// What somebody opening such a page sees first: a form for the secret, unless it is in the
/// fragment.
pub fn entrance(action: &str) -> Markup {
    html! {
        p { "请点开收到的链接。打不开的话，把链接里 # 后面的字符粘贴到这里。" }
        form method="post" action=(action) {
            label for="secret" { "# 后面的字符" }
            input #secret type="text" name="secret" autocomplete="off" required;
            button { "打开" }
        }
        (script())
    }
}

/// Reads the fragment, also on a page that already shows something.
pub fn script() -> Markup {
    html! { script src="/link.js" defer {} }
}

pub async fn js(_: Open) -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        include_str!("link.js"),
    )
        .into_response()
}

fn cookie_name(app: &App, path: &str) -> String {
    format!(
        "{}{}",
        if app.options.secure { "__Secure-" } else { "" },
        path.trim_start_matches('/')
    )
}

/// Takes the secret of a link to `path`.
pub async fn enter(app: &App, path: &str, request: Request) -> Result<Response> {
    let fields = body::form(request).await?;
    let secret = fields
        .into_iter()
        .find(|(name, _)| name == "secret")
        .map(|(_, secret)| secret)
        .unwrap_or_default();
    // Our secrets use only these characters; others would end the cookie.
    let secret: String = secret
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(100)
        .collect();
    let mut response = see_other(path);
    response.headers_mut().append(
        header::SET_COOKIE,
        cookies::set(&cookie_name(app, path), &secret, path, None, "Strict"),
    );
    Ok(response)
}

/// The secret that this browser has shown for `path`.
pub fn secret(app: &App, path: &str, headers: &HeaderMap) -> Option<String> {
    cookies::find(headers, &cookie_name(app, path)).filter(|secret| !secret.is_empty())
}

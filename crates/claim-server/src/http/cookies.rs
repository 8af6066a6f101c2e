//! Cookie names and attributes (RFC 6265).

use axum::http::{HeaderMap, HeaderValue, header};

use crate::App;

/// The cookie with this name.
pub fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok());
    values
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v.to_owned())
}

/// `Set-Cookie`. `age`: seconds; `None`: until the browser closes.
pub fn set(name: &str, value: &str, path: &str, age: Option<i64>, same_site: &str) -> HeaderValue {
    let secure = if name.starts_with("__") {
        "; Secure"
    } else {
        ""
    };
    let age = age.map_or_else(String::new, |age| format!("; Max-Age={age}"));
    let text = format!("{name}={value}; Path={path}{age}; HttpOnly; SameSite={same_site}{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The name of a customer's session cookie. `__Host-` needs Secure, which browsers do not accept
/// over plain HTTP. A partitioned cookie has another name: a browser may hold both, and sends the
/// older one first.
pub fn session(app: &App) -> &'static str {
    match (app.options.secure, app.deployment.partners.is_empty()) {
        (false, _) => "sid",
        (true, true) => "__Host-sid",
        (true, false) => "__Host-psid",
    }
}

/// The name of a kiosk's cookie.
pub fn kiosk(app: &App) -> &'static str {
    if app.options.secure {
        "__Host-kiosk"
    } else {
        "kiosk"
    }
}

/// The name of the cookie for staff.
pub fn staff(app: &App) -> &'static str {
    if app.options.secure {
        "__Host-staff"
    } else {
        "staff"
    }
}

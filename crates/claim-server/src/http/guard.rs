//! What wraps every request: a request id, cross-site protection, the session, security headers.

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use claim_api::{Problem, ProblemCode};
use tracing::Instrument as _;

use super::access::{self, Open};
use super::{body, network};
use crate::audit::Who;
use crate::config::{Deployment, WECHAT_LIBRARY};
use crate::failure::Failure;
use crate::work::sessions::Session;
use crate::{App, traces, vault};

/// For reliability, no inline script or style anywhere; `default` is the only Trusted Types policy,
/// created by boot.js.
const CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; \
    img-src 'self' blob: data:; media-src 'self' blob:; style-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; \
    base-uri 'none'; object-src 'none'; frame-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default; report-uri /csp-reports";
/// For files that people sent us: shown as a picture, never as a page.
pub const CSP_SANDBOX: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

pub async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = vault::hex(&vault::random::<6>());
    let started = std::time::Instant::now();
    let method = request.method().clone();
    // The route's pattern, never the address itself: addresses contain claim numbers.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let path = request.uri().path();
    let area = if path.starts_with(claim_api::BASE) {
        "api"
    } else if path.starts_with("/staff") {
        "staff"
    } else {
        "page"
    };
    let api = area == "api";
    let personal = ["/staff", "/lite", "/demo", "/shared", "/not-mine"];
    let no_store = api || personal.iter().any(|begin| path.starts_with(begin));
    let mut who = Who::Nobody;
    let refused = if cross_site(&method, request.headers()) {
        Some(ProblemCode::CrossSite)
    } else if area == "staff" && app.options.no_staff {
        Some(ProblemCode::NotFound)
    } else {
        None
    };
    let pattern = route.as_ref().map_or("other", MatchedPath::as_str);
    let span = traces::request(pattern, &method, &id);
    let mut response = match refused {
        Some(code) => Failure::from(code).into_response(),
        None => match access::enter(&app, &mut request).await {
            Ok(fresh) => {
                if let Some(session) = request.extensions().get::<Session>() {
                    who = Who::session(&session.hash);
                }
                let mut response = next.run(request).instrument(span.clone()).await;
                access::leave(&app, fresh, &mut response);
                response
            }
            Err(failure) => failure.into_response(),
        },
    };
    // The router's own 400: a part of an address that cannot be parsed names nothing that we have.
    let unread = response.status() == StatusCode::BAD_REQUEST
        && response.extensions().get::<Problem>().is_none();
    if api && unread {
        response = Failure::from(ProblemCode::NotFound).into_response();
    }
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = id.clone();
        if response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|t| t == "application/problem+json")
        {
            response.headers_mut().remove(header::CONTENT_LENGTH);
            *response.body_mut() = Body::from(serde_json::to_string(&problem).unwrap_or_default());
        }
        if matches!(problem.status, 401 | 403 | 429) {
            let what = serde_json::json!({ "code": problem.code.as_str(), "area": area, "method": method.as_str(), "request": id });
            app.audit.refused(&who, what);
        }
        if problem.status >= 500 {
            tracing::error!(request = %id, code = problem.code.as_str(), "failed");
        }
    }
    let status = response.status().as_u16();
    traces::answered(&span, status);
    app.metrics
        .request(pattern, method.as_str(), status, started.elapsed());
    headers(&app, response.headers_mut(), &id, area, no_store);
    tracing::debug!(request = %id, %method, area, status = response.status().as_u16(), ms = started.elapsed().as_millis() as u64, "served");
    response
}

fn headers(app: &App, headers: &mut HeaderMap, id: &str, area: &str, no_store: bool) {
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| policy(&app.deployment, area));
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Nothing to other sites. Not `no-referrer`: our own forms would then send `Origin: null`
        // (Fetch, 3.3).
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), geolocation=(self), microphone=()",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if app.options.secure {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    if no_store {
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}

fn policy(deployment: &Deployment, area: &str) -> HeaderValue {
    let mut policy = CSP.to_owned();
    // These exact origins may frame our pages.
    if !deployment.partners.is_empty() && area == "page" {
        policy = policy.replace(
            "frame-ancestors 'none'",
            &format!("frame-ancestors {}", deployment.partners.join(" ")),
        );
    }
    // Allow this one script of WeChat's.
    if deployment.wechat.is_some() && area == "page" {
        policy = policy.replace(
            "script-src 'self'",
            &format!("script-src 'self' {}", WECHAT_LIBRARY),
        );
    }
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(CSP))
}

/// Changes may come only from our own pages, or from programs that send no origin at all.
fn cross_site(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return !matches!(site, "same-origin" | "none");
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => false,
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_none_or(|(_, from)| from != host),
        (Some(_), None) => true,
    }
}

/// What a browser refused because of our policy (CSP3, 5.5): which rule, and on which of our pages.
/// We keep nothing else: the rest is untrusted text.
pub async fn csp_report(_: Open, State(app): State<App>, request: Request) -> StatusCode {
    let network = network::of(&app, &request);
    if app.quotas.csp_reports.take(network).is_err() {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    let report = body::bytes(request, 16 << 10)
        .await
        .ok()
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    let Some(report) = report else {
        return StatusCode::BAD_REQUEST;
    };
    let plain = |name: &str, kept: fn(char) -> bool| -> String {
        report["csp-report"][name]
            .as_str()
            .unwrap_or_default()
            .chars()
            .filter(|c| kept(*c))
            .take(40)
            .collect()
    };
    let rule = plain("effective-directive", |c| {
        c.is_ascii_lowercase() || c == '-'
    });
    tracing::warn!(rule, "a browser blocked something on a page (CSP)");
    app.audit
        .say("csp", &Who::Nobody, serde_json::json!({ "rule": rule }));
    StatusCode::NO_CONTENT
}

pub async fn unknown_api() -> Failure {
    ProblemCode::NotFound.into()
}

pub async fn method_not_allowed() -> Response {
    let mut response = Failure::from(ProblemCode::MethodNotAllowed).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

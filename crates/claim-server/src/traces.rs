//! Spans of traces: what is known of a request, a call, or work in the background. `telemetry` sends
//! them, if anybody wants them.
//!
//! Promise: a span names a route, a method, a status, a kind of system; never an address, and nothing
//! of a person. Whoever is called learns of the trace (`traceparent`, W3C Trace Context); a trace of
//! those who call is not continued: anybody may call.

use http::{HeaderMap, Method};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Of all spans, which are for traces; the log does not show them.
pub const TARGET: &str = "baoan::trace";

/// A request of somebody else; its status is recorded by [`answered`].
pub fn request(route: &str, method: &Method, id: &str) -> Span {
    tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.route = route,
        http.request.method = method.as_str(),
        http.response.status_code = Empty,
        request.id = id,
    )
}

pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// A request of ours to a kind of system: `hook`, `messages`, `policies`, `wechat`.
pub fn outgoing(system: &'static str) -> Span {
    tracing::info_span!(target: TARGET, "call", otel.name = format!("call {system}"), otel.kind = "client", peer.service = system)
}

/// Work in the background.
pub fn work(what: &'static str) -> Span {
    tracing::info_span!(target: TARGET, "work", otel.name = what)
}

/// Tells whoever is called of the trace.
pub fn tell(headers: &mut HeaderMap) {
    let context = Span::current().context();
    TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
}

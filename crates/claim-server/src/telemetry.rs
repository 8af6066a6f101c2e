//! The log on standard error, and OpenTelemetry traces over OTLP (HTTP, protobuf) when the operator
//! asks for them.
//!
//! Promise: a collector that is away costs nothing but the traces.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::egress;
use crate::settings::Log;
use crate::traces::TARGET;

/// When it is dropped, at the end, what is left is sent.
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// # Errors
    /// A sentence for the command line.
    pub fn start(log: Log, collector: Option<&str>) -> Result<Telemetry, String> {
        let provider = collector.map(provider).transpose()?;
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false);
        let logged = Targets::new()
            .with_default(LevelFilter::INFO)
            .with_target(TARGET, LevelFilter::OFF);
        let lines = match log {
            Log::Json => lines.json().with_filter(logged).boxed(),
            Log::Text => lines.with_filter(logged).boxed(),
        };
        let traced = provider.as_ref().map(layer);
        tracing_subscriber::registry()
            .with(lines)
            .with(traced)
            .init();
        Ok(Telemetry(provider))
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0 {
            // There is nobody left to tell.
            let _ = provider.shutdown();
        }
    }
}

fn provider(collector: &str) -> Result<SdkTracerProvider, String> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Sender)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(collector)
        .build()
        .map_err(|e| format!("traces: {e}"))?;
    let resource = Resource::builder()
        .with_service_name("baoan")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}

fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("baoan"))
        .with_location(false)
        .with_threads(false)
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::INFO))
}

/// Sends by the same way as everything else that leaves this server.
#[derive(Debug)]
struct Sender;

impl HttpClient for Sender {
    fn send_bytes<'me, 'call>(
        &'me self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'call>>
    where
        'me: 'call,
        Self: 'call,
    {
        // The batch has a thread of its own, which may wait.
        let answer = egress::exchange_here(request.map(|body| body.to_vec()));
        Box::pin(async { Ok(answer?.map(Bytes::from)) })
    }
}

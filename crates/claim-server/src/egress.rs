//! Outgoing requests of this server: to the message gateway, the insurer's systems and WeChat.
//!
//! Promise: within ten seconds there is an answer or a reason; no reason contains an address or a
//! body, which may hold a secret or a number. The operating system's certificates are trusted; no
//! proxy is used.

use std::fmt::{self, Display, Formatter};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::Method;
use http::header::CONTENT_TYPE;
use tracing::Instrument as _;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::traces;

const MALFORMED: &str = "the request or its answer is malformed";
/// Longest answer that is read, in bytes.
const LONGEST: u64 = 64 << 10;

static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .max_redirects(0)
        .proxy(None)
        .tls_config(tls)
        .build()
        .into()
});

/// Why a request failed, for the log.
#[derive(Debug)]
pub struct Failed {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    reason: String,
}

impl Display for Failed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Failed {
    fn answered(status: u16) -> Failed {
        Failed {
            status: Some(status),
            reason: format!("answered {status}"),
        }
    }

    fn because(reason: impl Into<String>) -> Failed {
        Failed {
            status: None,
            reason: reason.into(),
        }
    }
}

/// JSON, for [`call`].
pub const JSON: &str = "application/json";

/// POSTs a body of a type to a kind of system, or GETs if there is none. Returns the body of a 2xx; a redirect is a
/// failure.
///
/// # Errors
/// What went wrong.
pub async fn call(
    system: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<(&'static str, String)>,
) -> Result<String, Failed> {
    let mut request = http::Request::builder().uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = match body {
        Some((kind, body)) => request
            .method(Method::POST)
            .header(CONTENT_TYPE, kind)
            .body(body.into_bytes()),
        None => request.body(Vec::new()),
    };
    let mut request = request.map_err(|_| Failed::because(MALFORMED))?;
    let span = traces::outgoing(system);
    span.in_scope(|| traces::tell(request.headers_mut()));
    in_background(move || {
        let mut answer = sent(request)?;
        if !answer.status().is_success() {
            return Err(Failed::answered(answer.status().as_u16()));
        }
        // Whatever a gateway writes beside its 2xx, in any encoding, does not make it a failure.
        let body = read(answer.body_mut()).unwrap_or_default();
        Ok(String::from_utf8_lossy(&body).into_owned())
    })
    .instrument(span)
    .await
}

/// Sends a request as it is, and returns the answer whatever its status.
///
/// # Errors
/// Why there is none.
pub async fn exchange(request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, Failed> {
    in_background(move || exchange_here(request)).await
}

/// The same on this thread, which waits.
///
/// # Errors
/// Why there is none.
pub fn exchange_here(request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, Failed> {
    let (head, mut body) = sent(request)?.into_parts();
    let bytes = read(&mut body).map_err(reason)?;
    Ok(http::Response::from_parts(head, bytes))
}

fn sent(request: http::Request<Vec<u8>>) -> Result<http::Response<Body>, Failed> {
    let request = AGENT.configure_request(request);
    let request = request.http_status_as_error(false).build();
    AGENT.run(request).map_err(reason)
}

fn read(body: &mut Body) -> Result<Vec<u8>, ureq::Error> {
    body.with_config().limit(LONGEST).read_to_vec()
}

async fn in_background<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, Failed> + Send + 'static,
) -> Result<T, Failed> {
    tokio::task::spawn_blocking(call)
        .await
        .unwrap_or_else(|error| Err(Failed::because(error.to_string())))
}

impl std::error::Error for Failed {}

fn reason(error: ureq::Error) -> Failed {
    match error {
        ureq::Error::Timeout(_) => Failed::because("no answer within ten seconds"),
        ureq::Error::Io(error) => Failed::because(error.kind().to_string()),
        ureq::Error::HostNotFound => Failed::because("unknown host"),
        ureq::Error::ConnectionFailed => Failed::because("no connection"),
        ureq::Error::Tls(why) => Failed::because(why),
        ureq::Error::Rustls(error) => Failed::because(error.to_string()),
        _ => Failed::because(MALFORMED),
    }
}

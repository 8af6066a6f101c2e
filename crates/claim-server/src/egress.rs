//! Outgoing requests of this server: to the message gateway, the insurer's systems and WeChat.
//!
//! Promise: within ten seconds there is an answer or a reason; no reason contains an address or a
//! body, which may hold a secret or a number. The operating system's certificates are trusted; no
//! proxy is used.

use std::fmt::{self, Display, Formatter};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

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

/// POSTs JSON, or GETs if there is no body. Returns the body of a 2xx; a redirect is a failure.
///
/// # Errors
/// What went wrong.
pub async fn call(
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
) -> Result<String, Failed> {
    let json = ("content-type", "application/json".to_owned());
    call_as(url, [headers, vec![json]].concat(), body).await
}

/// The same with the content type among the headers.
///
/// # Errors
/// What went wrong.
pub async fn call_as(
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
) -> Result<String, Failed> {
    let call = move || {
        let answer = match body {
            Some(body) => headers
                .iter()
                .fold(AGENT.post(&url), |request, (name, value)| {
                    request.header(*name, value)
                })
                .send(body),
            None => headers
                .iter()
                .fold(AGENT.get(&url), |request, (name, value)| {
                    request.header(*name, value)
                })
                .call(),
        };
        let mut answer = answer.map_err(reason)?;
        if !answer.status().is_success() {
            return Err(Failed::answered(answer.status().as_u16()));
        }
        // Whatever a gateway writes beside its 2xx, in any encoding, does not make it a failure.
        let body = answer
            .body_mut()
            .with_config()
            .limit(LONGEST)
            .read_to_vec()
            .unwrap_or_default();
        Ok(String::from_utf8_lossy(&body).into_owned())
    };
    tokio::task::spawn_blocking(call)
        .await
        .unwrap_or_else(|error| Err(Failed::because(error.to_string())))
}

impl std::error::Error for Failed {}

/// Sends a request as it is, and returns the answer whatever its status.
///
/// # Errors
/// Why there is none.
pub async fn exchange(request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, Failed> {
    let call = move || {
        let request = AGENT
            .configure_request(request)
            .http_status_as_error(false)
            .build();
        let (head, mut body) = AGENT.run(request).map_err(reason)?.into_parts();
        let bytes = body
            .with_config()
            .limit(LONGEST)
            .read_to_vec()
            .map_err(reason)?;
        Ok(http::Response::from_parts(head, bytes))
    };
    tokio::task::spawn_blocking(call)
        .await
        .unwrap_or_else(|error| Err(Failed::because(error.to_string())))
}

fn reason(error: ureq::Error) -> Failed {
    match error {
        ureq::Error::StatusCode(status) => Failed::answered(status),
        ureq::Error::Timeout(_) => Failed::because("no answer within ten seconds"),
        ureq::Error::Io(error) => Failed::because(error.kind().to_string()),
        ureq::Error::HostNotFound => Failed::because("unknown host"),
        ureq::Error::ConnectionFailed => Failed::because("no connection"),
        ureq::Error::Tls(why) => Failed::because(why),
        ureq::Error::Rustls(error) => Failed::because(error.to_string()),
        _ => Failed::because("the request or its answer is malformed"),
    }
}

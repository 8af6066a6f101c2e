//! Outgoing requests of this server: to the message gateway and to WeChat.
//!
//! Promise: within ten seconds there is an answer or a reason; no reason contains an address or a
//! body, which may hold a secret or a number. The operating system's certificates are trusted; no
//! proxy is used.

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

/// POSTs JSON, or GETs if there is no body. Returns the body of a 2xx; a redirect is a failure.
///
/// # Errors
/// What went wrong, for the log.
pub async fn call(
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
) -> Result<String, String> {
    let call = move || {
        let answer = match body {
            Some(body) => {
                let request = AGENT.post(&url).header("content-type", "application/json");
                headers
                    .iter()
                    .fold(request, |request, (name, value)| {
                        request.header(*name, value)
                    })
                    .send(body)
            }
            None => headers
                .iter()
                .fold(AGENT.get(&url), |request, (name, value)| {
                    request.header(*name, value)
                })
                .call(),
        };
        let mut answer = answer.map_err(reason)?;
        if !answer.status().is_success() {
            return Err(format!("answered {}", answer.status().as_u16()));
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
        .unwrap_or_else(|error| Err(error.to_string()))
}

fn reason(error: ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(status) => format!("answered {status}"),
        ureq::Error::Timeout(_) => "no answer within ten seconds".into(),
        ureq::Error::Io(error) => error.kind().to_string(),
        ureq::Error::HostNotFound => "unknown host".into(),
        ureq::Error::ConnectionFailed => "no connection".into(),
        ureq::Error::Tls(why) => why.into(),
        ureq::Error::Rustls(error) => error.to_string(),
        _ => "the request or its answer is malformed".into(),
    }
}

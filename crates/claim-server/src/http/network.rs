//! The network by which requests are counted.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::extract::connect_info::ConnectInfo;
use axum::http::HeaderMap;

use crate::{App, Options};

/// The caller's network (IPv4 /24, IPv6 /48), for rate limits. X-Forwarded-For is believed only
/// from the configured proxies: its last address that is not theirs (RFC 7239 section 8.1).
pub fn of(app: &App, request: &Request) -> String {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|c| c.0.ip());
    match client(&app.options, peer, request.headers()) {
        Some(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}")
        }
        Some(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}")
        }
        None => "unknown".into(),
    }
}

fn client(options: &Options, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    if !options.is_proxy(peer) {
        return Some(peer);
    }
    let said = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','));
    let said: Vec<Option<IpAddr>> = said.map(|entry| entry.trim().parse().ok()).collect();
    // An entry that cannot be parsed, and all before it, is not trusted.
    let known = said
        .into_iter()
        .rev()
        .map_while(|entry| entry.map(|ip| ip.to_canonical()));
    let mut farthest = peer;
    for ip in known {
        farthest = ip;
        if !options.is_proxy(ip) {
            break;
        }
    }
    Some(farthest)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    /// F16: a forwarded address, which anybody can write into a header, counts only from configured
    /// proxies.
    #[test]
    fn finding_16_a_forwarded_address_is_believed_from_named_proxies_only() {
        let with = |proxies: &str| Options {
            proxies: proxies.split(',').filter_map(|p| p.parse().ok()).collect(),
            ..Options::default()
        };
        let said = |lines: &[&str]| {
            lines
                .iter()
                .map(|l| {
                    (
                        HeaderName::from_static("x-forwarded-for"),
                        HeaderValue::from_str(l).unwrap(),
                    )
                })
                .collect::<HeaderMap>()
        };
        let seen = |proxies: &str, peer: &str, lines: &[&str]| {
            client(&with(proxies), Some(peer.parse().unwrap()), &said(lines))
                .unwrap()
                .to_string()
        };
        assert_eq!(seen("", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(
            seen("10.0.0.0/8", "192.0.2.1", &["198.51.100.7"]),
            "192.0.2.1",
            "not from there"
        );
        assert_eq!(
            seen("10.0.0.0/8", "10.1.2.3", &["198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(
            seen("10.0.0.0/8", "10.1.2.3", &["203.0.113.9, 198.51.100.7"]),
            "198.51.100.7",
            "the first one is the client's own word"
        );
        assert_eq!(
            seen(
                "10.0.0.0/8",
                "10.1.2.3",
                &["203.0.113.9", "198.51.100.7, 10.9.9.9"]
            ),
            "198.51.100.7",
            "two proxies"
        );
        assert_eq!(
            seen("10.0.0.0/8", "::ffff:10.1.2.3", &["2001:db8::1"]),
            "2001:db8::1"
        );
        for nothing in [
            &[][..],
            &[""],
            &["unknown"],
            &["198.51.100.7, x"],
            &["1.2.3.4:80"],
        ] {
            assert_eq!(
                seen("10.0.0.0/8", "10.1.2.3", nothing),
                "10.1.2.3",
                "{nothing:?}"
            );
        }
    }
}

//! A phone without a browser: the app's own outbox over plain sockets, with clocks that never wait.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use claim_api::outbox::{Body, Method, Next, Outbox, Reply, Request};
use claim_api::tus;

use crate::{Fault, Proxy};

/// A complete answer as it came over the wire.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Bytes of the request and of the answer.
    pub size: (u64, u64),
}

impl Raw {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub struct Phone<'a> {
    /// `http://address` of the server, and a proxy to it for planned faults.
    base: String,
    proxy: &'a Proxy,
    /// The address it claims to the server: limits count per network.
    peer: String,
    pub cookie: String,
    /// Planned faults, in order: how the request line begins, and what happens.
    pub plan: Vec<(&'static str, Fault)>,
    /// Bytes exchanged, by request line.
    pub sizes: Vec<(String, (u64, u64))>,
    /// The most the server has acknowledged, by upload.
    acknowledged: BTreeMap<String, u64>,
    /// Answers that were neither good nor the phone's fault.
    pub failures: Vec<Raw>,
    /// Called when no answer came.
    pub unanswered: Option<Box<dyn FnMut() + 'a>>,
    /// How long to wait for an answer.
    pub patience: Duration,
}

impl<'a> Phone<'a> {
    pub fn new(base: &str, proxy: &'a Proxy, number: u32) -> Phone<'a> {
        Phone {
            base: base.trim_start_matches("http://").to_owned(),
            proxy,
            // Of the same length for every number.
            peer: format!(
                "{}.{}.{}.100",
                100 + number / 10_000,
                100 + number / 100 % 100,
                100 + number % 100
            ),
            cookie: String::new(),
            plan: Vec::new(),
            sizes: Vec::new(),
            acknowledged: BTreeMap::new(),
            failures: Vec::new(),
            unanswered: None,
            patience: Duration::from_secs(20),
        }
    }

    /// Sends one request; `None` if no complete answer came back.
    pub fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Raw> {
        let line = format!("{method} {path}");
        let wrong = self
            .plan
            .first()
            .filter(|(word, _)| line.starts_with(word))
            .map(|(_, fault)| *fault);
        let address = match wrong {
            Some(fault) => {
                self.plan.remove(0);
                self.proxy.arm(fault);
                self.proxy.base.trim_start_matches("http://")
            }
            None => &self.base,
        };
        let mut said = format!(
            "{line} HTTP/1.1\r\nhost: baoan.test\r\nconnection: close\r\nx-forwarded-for: {}\r\n",
            self.peer
        );
        if !self.cookie.is_empty() {
            said += &format!("cookie: {}\r\n", self.cookie);
        }
        for (name, value) in headers {
            said += &format!("{name}: {value}\r\n");
        }
        if method != "GET" && method != "HEAD" {
            said += &format!("content-length: {}\r\n", body.len());
        }
        said += "\r\n";
        let said = [said.as_bytes(), body].concat();
        let raw = self.exchange(address, &said, method == "HEAD")?;
        self.sizes.push((line, raw.size));
        if let Some(cookie) = raw.header("set-cookie").and_then(|c| c.split(';').next()) {
            self.cookie = cookie.to_owned();
        }
        Some(raw)
    }

    /// Asks until a complete answer comes.
    pub fn ask(&mut self, path: &str) -> Raw {
        for _ in 0..50 {
            if let Some(answer) = self.call("GET", path, &[], b"") {
                return answer;
            }
            if let Some(unanswered) = &mut self.unanswered {
                unanswered();
            }
        }
        panic!("{path}: no answer");
    }

    fn exchange(&self, address: &str, said: &[u8], no_body: bool) -> Option<Raw> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(self.patience)).ok()?;
        // An answer may come before the whole request was sent.
        let _ = stream.write_all(said);
        let mut heard = Vec::new();
        let broke = stream.read_to_end(&mut heard).is_err();
        let end = heard.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&heard[..end]).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|l| l.split_once(": "))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
            .collect();
        let body = heard[end + 4..].to_vec();
        let length = headers
            .iter()
            .find(|(n, _)| n == "content-length")
            .map_or(0, |(_, v)| v.parse().unwrap_or(usize::MAX));
        let whole = no_body || body.len() >= length;
        (whole && !(broke && length == 0 && !body.is_empty())).then_some(Raw {
            status,
            headers,
            size: (said.len() as u64, heard.len() as u64),
            body,
        })
    }

    fn perform(&mut self, request: &Request, photos: &BTreeMap<String, Vec<u8>>) -> Reply {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Head => "HEAD",
            Method::Patch => "PATCH",
            Method::Put => "PUT",
        };
        let checksum;
        let mut headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .map(|(n, v)| (*n, v.as_str()))
            .collect();
        let body = match &request.body {
            Body::Empty => &[][..],
            Body::Json(json) => json.as_bytes(),
            Body::Photo { id, offset, length } => {
                let Some(bytes) = photos.get(id) else {
                    return Reply::NoBytes;
                };
                let piece = &bytes[*offset as usize..(offset + length) as usize];
                checksum = tus::checksum(piece);
                headers.push(("Upload-Checksum", &checksum));
                piece
            }
        };
        let Some(raw) = self.call(method, &request.path, &headers, body) else {
            if let Some(unanswered) = &mut self.unanswered {
                unanswered();
            }
            return Reply::Broken;
        };
        let offset = raw.header("upload-offset").and_then(|o| o.parse().ok());
        if let (200..300, Some(offset), Method::Head | Method::Patch) =
            (raw.status, offset, request.method)
        {
            let most = self.acknowledged.entry(request.path.clone()).or_default();
            assert!(
                offset >= *most,
                "{}: {offset} after {most} had been acknowledged",
                request.path
            );
            *most = offset;
        }
        let reply = Reply::Answer {
            status: raw.status,
            location: raw.header("location").map(str::to_owned),
            offset,
            retry_after: raw.header("retry-after").and_then(|s| s.parse().ok()),
            body: raw.text(),
        };
        if raw.status >= 500 {
            self.failures.push(raw);
        }
        reply
    }

    /// Carries an outbox to completion as the app would; returns the number of requests.
    pub fn carry(
        &mut self,
        outbox: &mut Outbox,
        photos: &BTreeMap<String, Vec<u8>>,
        chunk: u64,
    ) -> usize {
        let mut now = 0;
        for said in 0..80 {
            loop {
                match outbox.next(now, chunk) {
                    Next::Do(request) => {
                        outbox.began(&request);
                        let reply = self.perform(&request, photos);
                        outbox.on(&request, reply, now, said as u32);
                        break;
                    }
                    Next::Wait(until) => now = until,
                    Next::Rest => return said,
                }
            }
        }
        panic!("it does not come to rest: {outbox:?}");
    }
}

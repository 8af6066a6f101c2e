//! The stream of a claim's events: it ends with the session, and thousands of idle streams cost
//! little. That no event is missed however often it breaks is tested in the server itself.

use std::time::{Duration, Instant};

use baoan_tests::{Caller, Server};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::papers::claim_of;

const PHONE: &str = "13800138000";

/// One stream event: its name, id and data.
#[derive(Debug, Default)]
struct Sent {
    name: String,
    id: Option<u32>,
    data: String,
}

struct Stream(BufReader<TcpStream>);

impl Stream {
    /// `Err`: the status, when it is not 200.
    async fn open(
        server: &Server,
        number: &str,
        cookie: &str,
        last: Option<u32>,
    ) -> Result<Stream, u16> {
        let mut socket = TcpStream::connect(server.base.trim_start_matches("http://"))
            .await
            .unwrap();
        let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let request = format!(
            "GET /api/v1/claims/{number}/stream HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n{last}\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut reader = BufReader::new(socket);
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).await.unwrap();
        }
        if status == 200 {
            Ok(Stream(reader))
        } else {
            Err(status)
        }
    }

    /// `None`: the server has ended it.
    async fn next(&mut self) -> Option<Sent> {
        let mut sent = Sent::default();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim_end_matches(['\r', '\n']);
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some(("event", name)) => sent.name = name.to_owned(),
                Some(("id", id)) => sent.id = id.parse().ok(),
                Some(("data", data)) => sent.data = data.to_owned(),
                // Chunk sizes, blank lines between chunks, retry.
                _ if line.is_empty() && (sent.id.is_some() || !sent.name.is_empty()) => {
                    return Some(sent);
                }
                _ => {}
            }
        }
    }
}

fn claim(server: &Server) -> (String, Caller) {
    let mut caller = server.caller();
    let number = claim_of(&mut caller, server, |_| {});
    caller.sign_in(server, PHONE);
    (number, caller)
}

fn wrote(caller: &mut Caller, number: &str, text: &str) -> u16 {
    caller
        .post(
            &format!("/api/v1/claims/{number}/steps"),
            &json!({ "what": { "wrote": { "text": text } } }),
        )
        .status
}

#[tokio::test]
async fn three_streams_at_most_and_none_outlives_the_session() {
    let server = Server::start();
    let (number, mut caller) = claim(&server);
    let cookie = caller.cookie();
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = Stream::open(&server, &number, &cookie, None).await.unwrap();
        assert_eq!(stream.next().await.unwrap().id, Some(1));
        open.push(stream);
    }
    assert_eq!(
        Stream::open(&server, &number, &cookie, None).await.err(),
        Some(429)
    );
    drop(open.pop());
    // The abandoned stream's slot is free once the server has noticed: at the latest on its next
    // write.
    assert_eq!(wrote(&mut caller, &number, "在吗"), 201);
    let mut again = None;
    for _ in 0..100 {
        again = Stream::open(&server, &number, &cookie, Some(3)).await.ok();
        if again.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut again = again.expect("a place is free");
    assert_eq!(
        again.next().await.unwrap().name,
        "ping",
        "nothing new after 3"
    );
    // Live, in order, and within a second.
    let begin = Instant::now();
    assert_eq!(wrote(&mut caller, &number, "喂"), 201);
    assert_eq!(again.next().await.unwrap().id, Some(4));
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        caller.send("DELETE", "/api/v1/session", &[], b"").status,
        204
    );
    let ended = tokio::time::timeout(Duration::from_secs(60), async {
        while again.next().await.is_some() {}
    })
    .await;
    assert!(ended.is_ok(), "the stream outlived its session");
    assert_eq!(
        Stream::open(&server, &number, &cookie, None).await.err(),
        Some(401)
    );
}

/// `cargo xtask bench streams`: five thousand idle streams, and five events a second to one of
/// them.
#[tokio::test]
#[ignore = "a bench; run by `cargo xtask bench streams`"]
async fn bench_streams() {
    let count: usize = std::env::var("BAOAN_STREAMS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(5000);
    let server = Server::start();
    let (number, mut caller) = claim(&server);
    let (other, _) = {
        let mut caller = server.caller();
        (claim_of(&mut caller, &server, |_| {}), caller)
    };
    // The idle ones follow another claim of the same person.
    server.write("UPDATE party SET role = 'owner', rank = 9");
    server.write("INSERT OR IGNORE INTO party (claim_id, subject_id, role, rank) SELECT c.id, s.subject_id, 'owner', 9 FROM claim c, session s WHERE s.phone_sealed IS NOT NULL");
    let tokens: Vec<String> = (0..count.div_ceil(3))
        .map(|i| format!("bench-{i:06}"))
        .collect();
    server.more_sessions(tokens.clone());
    let before = server.resident();
    let mut idle = Vec::new();
    for i in 0..count {
        let cookie = format!("sid={}", tokens[i / 3]);
        let mut stream = Stream::open(&server, &other, &cookie, Some(2))
            .await
            .unwrap_or_else(|s| panic!("stream {i}: {s}"));
        assert_eq!(stream.next().await.unwrap().name, "ping");
        idle.push(stream);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let each = (server.resident() - before) / count as u64;
    let mut watched = Vec::new();
    for i in 0..3 {
        watched.push(
            Stream::open(&server, &number, &caller.cookie(), Some(2))
                .await
                .unwrap_or_else(|s| panic!("{i}: {s}")),
        );
        assert_eq!(watched[i].next().await.unwrap().name, "ping");
    }
    let mut times = Vec::new();
    for i in 0..50 {
        let begin = Instant::now();
        assert_eq!(wrote(&mut caller, &number, &format!("{i}")), 201);
        for stream in &mut watched {
            assert_eq!(stream.next().await.unwrap().id, Some(3 + i));
            times.push(begin.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(200).saturating_sub(begin.elapsed())).await;
    }
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    println!(
        "{count} idle streams: {:.1} KiB each; delivery median {:?}, p99 {p99:?}",
        each as f64 / 1024.0,
        times[times.len() / 2]
    );
    assert_eq!(idle.len(), count);
}

//! What attackers and crowds cost, measured: `cargo xtask faults load`. Each test prints one line
//! for docs/RELIABILITY.md and asserts what docs/SECURITY.md promises. They take minutes and a
//! dedicated machine, so `cargo xtask test` leaves them out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use baoan_tests::papers::{jpeg, page};
use baoan_tests::{Server, Setting, notice, unique_key};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::papers::{claim_of, now, uploaded};

/// How many seconds the crowd stays.
fn seconds() -> u64 {
    std::env::var("BAOAN_LOAD")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(10)
}

struct Told {
    status: u16,
    retry_after: bool,
    took: Duration,
}

/// One request on its own connection; `None` if the connection broke.
async fn ask(server: &str, method: &str, path: &str, headers: &str, body: &str) -> Option<Told> {
    let began = Instant::now();
    let mut socket = TcpStream::connect(server).await.ok()?;
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    socket.write_all(text.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.ok()?;
    let head = String::from_utf8_lossy(&answer[..answer.len().min(4000)]).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Told {
        status,
        retry_after: head.contains("\r\nretry-after:"),
        took: began.elapsed(),
    })
}

/// A network that no other call came from: what a trusted proxy would say.
fn from_elsewhere() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, b, c, d] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("X-Forwarded-For: 11.{b}.{c}.{d}\r\n")
}

fn address(server: &Server) -> String {
    server.base.trim_start_matches("http://").to_owned()
}

fn percentile(times: &mut [Duration], part: usize) -> Duration {
    times.sort();
    times
        .get((times.len() * part / 100).min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

fn megabytes(bytes: u64) -> u64 {
    bytes >> 20
}

/// F3: a hundred and twenty passwords at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run by `cargo xtask faults load`"]
async fn load_sign_ins_at_once() {
    let server = Server::start();
    let (base, before) = (address(&server), server.peak());
    let tries = (0..120).map(|i| {
        let base = base.clone();
        tokio::spawn(async move {
            let name = ["intake", "finance", "nobody"][i % 3];
            let body = format!("name={name}&password=wrong-{i}");
            ask(
                &base,
                "POST",
                "/staff/login",
                "Content-Type: application/x-www-form-urlencoded\r\n",
                &body,
            )
            .await
        })
    });
    let mut counts: BTreeMap<u16, u32> = BTreeMap::new();
    for tried in tries.collect::<Vec<_>>() {
        *counts
            .entry(tried.await.unwrap().map_or(0, |told| told.status))
            .or_default() += 1;
    }
    let grown = megabytes(server.peak().saturating_sub(before));
    let audit = std::fs::read_to_string(server.data().join("audit.log")).unwrap();
    let alarms = audit
        .lines()
        .filter(|line| line.contains("\"alarm\""))
        .count();
    println!(
        "F3: 120 passwords at once: {grown} MB more at most, statuses {counts:?}, {alarms} alarms, violations 0"
    );
    assert!(
        grown <= 100 && alarms > 0 && counts.keys().all(|s| matches!(s, 401 | 422 | 429 | 503))
    );
}

/// F4: a stranger reports while twenty people write as fast as they can.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run by `cargo xtask faults load`"]
async fn load_twenty_writers() {
    let server = Server::with(Setting {
        args: &["--behind-proxy"],
        ..Setting::default()
    });
    let (base, at) = (address(&server), now(&server));
    let done = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU32::new(0));
    let writers: Vec<_> = (0..20)
        .map(|i| {
            let phone = format!("139001390{i:02}");
            let mut caller = server.caller();
            let mut about = notice(&at);
            about["reporter"]["phone"] = json!(phone);
            let no = caller.report(&unique_key(), &about).json()["claim_no"]
                .as_str()
                .unwrap()
                .to_owned();
            caller.sign_in(&server, &phone);
            let (base, done, written) = (base.clone(), done.clone(), written.clone());
            tokio::spawn(async move {
                let headers = format!(
                    "Content-Type: application/json\r\nCookie: {}\r\n",
                    caller.cookie()
                );
                while !done.load(Ordering::Relaxed) {
                    let told = ask(
                        &base,
                        "POST",
                        &format!("/api/v1/claims/{no}/steps"),
                        &headers,
                        r#"{"what":{"wrote":{"text":"在吗"}}}"#,
                    )
                    .await;
                    written.fetch_add(
                        u32::from(told.is_some_and(|t| t.status == 201)),
                        Ordering::Relaxed,
                    );
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for _ in 0..200 {
        let headers = format!(
            "Content-Type: application/json\r\nIdempotency-Key: {}\r\n{}",
            unique_key(),
            from_elsewhere()
        );
        let told = ask(
            &base,
            "POST",
            "/api/v1/notices",
            &headers,
            &notice(&at).to_string(),
        )
        .await
        .unwrap();
        assert_eq!(told.status, 201);
        times.push(told.took);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    done.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let (half, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    let written = written.load(Ordering::Relaxed);
    println!(
        "F4: 200 reports of strangers beside 20 writers ({written} written): median {half:.1?}, p99 {p99:.1?}, violations 0"
    );
    assert!(p99 <= Duration::from_millis(50), "{p99:?}");
}

/// F1, item 37: response time of a report with a known plate and one with an unknown plate,
/// alternating.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run by `cargo xtask faults load`"]
async fn load_known_and_unknown_plates() {
    let server = Server::with(Setting {
        args: &["--behind-proxy"],
        ..Setting::default()
    });
    let (base, at) = (address(&server), now(&server));
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..600 {
        let mut about = notice(&at);
        about["policy"]["plate"] = json!(["浙A12345", "浙A54321"][n % 2]);
        about["reporter"]["phone"] = json!(format!("1390013{n:04}"));
        let headers = format!(
            "Content-Type: application/json\r\nIdempotency-Key: {}\r\n{}",
            unique_key(),
            from_elsewhere()
        );
        let told = ask(
            &base,
            "POST",
            "/api/v1/notices",
            &headers,
            &about.to_string(),
        )
        .await
        .unwrap();
        assert_eq!(told.status, 201);
        times[n % 2].push(told.took);
        // Let background work of this answer finish before the next.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let known = server.count("SELECT count(*) FROM claim WHERE policy_id IS NOT NULL");
    let [known_half, unknown_half] = [0, 1].map(|i| percentile(&mut times[i], 50));
    let apart = known_half.as_secs_f64() / unknown_half.as_secs_f64();
    println!(
        "F1: 300 reports with a known plate take {known_half:.2?} in the middle, 300 with an unknown {unknown_half:.2?}: {apart:.2} times, violations 0"
    );
    assert!(
        known == 300 && (0.9..=1.1).contains(&apart),
        "{known}, {apart:.2}"
    );
}

/// F11: one session attaches its photographs from forty connections, again and again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run by `cargo xtask faults load`"]
async fn load_attaching_again() {
    let server = Server::start();
    let mut caller = server.caller();
    let no = claim_of(&mut caller, &server, |_| {});
    let papers: Vec<String> = (0..24)
        .map(|seed| {
            format!(
                "/api/v1/claims/{no}/documents/scene/{}",
                uploaded(&mut caller, &jpeg(&page(2048, 1536, seed)))
            )
        })
        .collect();
    let (base, cookie, before) = (address(&server), caller.cookie(), server.peak());
    let clients = (0..40).map(|client| {
        let (base, papers, headers) = (
            base.clone(),
            papers.clone(),
            format!("Cookie: {cookie}\r\n"),
        );
        tokio::spawn(async move {
            let mut counts = BTreeMap::<u16, u32>::new();
            for turn in 0..20 {
                let told = ask(
                    &base,
                    "PUT",
                    &papers[(client * 7 + turn) % papers.len()],
                    &headers,
                    "",
                )
                .await;
                *counts
                    .entry(told.map_or(0, |told| told.status))
                    .or_default() += 1;
            }
            counts
        })
    });
    let mut counts = BTreeMap::<u16, u32>::new();
    for client in clients.collect::<Vec<_>>() {
        for (status, count) in client.await.unwrap() {
            *counts.entry(status).or_default() += count;
        }
    }
    let grown = megabytes(server.peak().saturating_sub(before));
    println!(
        "F11: 800 times 24 photographs attached from 40 connections: {grown} MB more at most, statuses {counts:?}, violations 0"
    );
    assert!(
        grown <= 200
            && counts.contains_key(&200)
            && counts.keys().all(|s| matches!(s, 200 | 422 | 429)),
        "{counts:?}"
    );
}

/// F6, B5: two thousand connections that send headers or bodies slowly, or read slowly.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run by `cargo xtask faults load`"]
async fn load_slow_connections() {
    let server = Server::start();
    let base = address(&server);
    let end = Instant::now() + Duration::from_secs(seconds());
    let longest = Arc::new(std::sync::Mutex::new((Duration::ZERO, 0u32)));
    let attackers: Vec<_> = (0..2000)
        .map(|i| {
            let (base, longest) = (base.clone(), longest.clone());
            tokio::spawn(async move {
                while Instant::now() < end {
                    let Ok(mut socket) = TcpStream::connect(&base).await else { continue };
                    let mut began = Instant::now();
                    let first: &[u8] = match i % 3 {
                        0 => b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
                        1 => {
                            b"POST /api/v1/notices HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{"
                        }
                        // Answers of 90 KB that are never read: more than the buffers on both sides
                        // hold, but not much more, or we would be testing the kernel's own memory.
                        _ => b"GET /catalog.json HTTP/1.1\r\nHost: x\r\n\r\n",
                    };
                    if i % 3 == 2 {
                        for _ in 0..80 {
                            if tokio::time::timeout(Duration::from_millis(200), socket.write_all(first)).await.is_err() {
                                break;
                            }
                        }
                        // From now on nothing moves: filling the buffers on both sides was slow.
                        began = Instant::now();
                    } else {
                        let _ = socket.write_all(first).await;
                    }
                    // One byte every two seconds, until the server cuts the connection.
                    let cut = loop {
                        tokio::time::sleep(Duration::from_secs(2)).await;
                        if socket.write_all(b"a").await.is_err() {
                            break true;
                        }
                        if Instant::now() > end + Duration::from_secs(40) {
                            break false;
                        }
                    };
                    let mut seen = longest.lock().unwrap();
                    seen.0 = seen.0.max(began.elapsed());
                    seen.1 += u32::from(cut);
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    while Instant::now() < end {
        let told = ask(&base, "GET", "/healthz", "", "").await;
        times.push(
            told.filter(|told| told.status == 200)
                .map_or(Duration::from_secs(60), |told| told.took),
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for attacker in attackers {
        attacker.await.unwrap();
    }
    let (longest, cut) = *longest.lock().unwrap();
    let (checks, p99) = (times.len(), percentile(&mut times, 99));
    println!(
        "F6: 2 000 slow connections for {} s: {cut} cut, the longest after {longest:.1?}; {checks} looks at the health, p99 {p99:.1?}, {} MB, violations 0",
        seconds(),
        megabytes(server.peak())
    );
    // Two seconds between two bytes, and two until the answer to one is known.
    assert!(
        longest <= Duration::from_secs(36) && p99 <= Duration::from_millis(500),
        "{longest:?} {p99:?}"
    );
}

/// Three times what the server can handle: refused at once, told when to retry, and healthy again
/// at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run by `cargo xtask faults load`"]
async fn load_three_times_too_much() {
    let server = Server::with(Setting {
        args: &["--behind-proxy"],
        ..Setting::default()
    });
    let (base, text) = (address(&server), notice(&now(&server)).to_string());
    let report = move || {
        let (base, text) = (base.clone(), text.clone());
        async move {
            let headers = format!(
                "Content-Type: application/json\r\nIdempotency-Key: {}\r\n{}",
                unique_key(),
                from_elsewhere()
            );
            ask(&base, "POST", "/api/v1/notices", &headers, &text).await
        }
    };
    // Its capacity: sixteen clients that wait for their answers.
    let began = Instant::now();
    let all: Vec<_> = (0..16)
        .map(|_| {
            let report = report.clone();
            tokio::spawn(async move {
                let mut made = 0u32;
                while began.elapsed() < Duration::from_secs(5) {
                    made += u32::from(report().await.is_some_and(|told| told.status == 201));
                }
                made
            })
        })
        .collect();
    let mut made = 0;
    for one in all {
        made += one.await.unwrap();
    }
    let rate = f64::from(made) / began.elapsed().as_secs_f64();
    let every = Duration::from_secs_f64(1.0 / (3.0 * rate));
    let (began, mut sent) = (Instant::now(), Vec::new());
    while began.elapsed() < Duration::from_secs(seconds().min(20)) {
        sent.push(tokio::spawn(report()));
        tokio::time::sleep_until((began + every * sent.len() as u32).into()).await;
    }
    let ended = Instant::now();
    let offered = sent.len();
    let (mut counts, mut refused, mut unsaid) = (BTreeMap::<u16, u32>::new(), Vec::new(), 0);
    for one in sent {
        let Some(told) = one.await.unwrap() else {
            *counts.entry(0).or_default() += 1;
            continue;
        };
        *counts.entry(told.status).or_default() += 1;
        if told.status != 201 {
            refused.push(told.took);
            unsaid += u32::from(!told.retry_after);
        }
    }
    while report()
        .await
        .is_none_or(|told| told.status != 201 || told.took > Duration::from_millis(100))
    {}
    let (well, p99) = (ended.elapsed(), percentile(&mut refused, 99));
    println!(
        "overload: {rate:.0} reports a second are done; {offered} offered at three times that: {counts:?}, refusals p99 {p99:.1?}, without Retry-After {unsaid}, well again after {well:.1?}, violations 0"
    );
    assert!(
        !counts.contains_key(&500) && unsaid == 0 && well <= Duration::from_secs(10),
        "{counts:?}"
    );
    assert!(p99 <= Duration::from_millis(100), "{p99:?}");
}

//! What can only be tested with a whole server and a whole browser: request smuggling, slow
//! senders, an open redirect, and signing out without a network.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use baoan_tests::{Browser, Front, Server, Setting, some_photographs};
use serde_json::json;

use crate::journeys::{all_arrived, claim_number, send, sign_in, walk};

const PHONE: &str = "13800138000";

fn connect(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(40)))
        .unwrap();
    socket
}

/// A sign-in link that names an address leads to one of ours, whatever it looks like.
#[tokio::test]
async fn finding_9_a_sign_in_leads_nowhere_else() {
    let server = Server::start();
    let browser = Browser::phone().await;
    browser
        .at(&server.url("/login?next=%2F%5Cevil.example%2F"))
        .await;
    sign_in(&browser, &server, PHONE).await;
    browser
        .until("somewhere of ours", "location.pathname === '/claims'")
        .await;
    assert!(
        browser
            .run("return location.origin")
            .await
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
}

/// Signed out without a network: what was kept is gone at once, and the server is told before any
/// other call.
#[tokio::test]
async fn finding_17_who_signs_out_without_a_network_leaves_nothing() {
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.at(&server.url("/login?next=/claims")).await;
    sign_in(&browser, &server, PHONE).await;
    browser
        .until(
            "the claims",
            "location.pathname === '/claims' && document.querySelector('button.chip')",
        )
        .await;
    let alive = || {
        server.count("SELECT count(*) FROM session WHERE phone_sealed IS NOT NULL AND ended = 0")
    };
    assert_eq!(alive(), 1);
    browser.offline(true).await;
    browser.run("[...document.querySelectorAll('button.chip')].find((b) => b.textContent.includes('退出')).click()").await;
    browser.until("nobody is there", "![...document.querySelectorAll('button.chip')].some((b) => b.textContent.includes('退出'))").await;
    let names = browser
        .run_async(
            "const done = arguments[arguments.length - 1]; baoanStore.names('').then((names) => done([...names].length), () => done(0));",
        )
        .await;
    assert_eq!(names, json!(0), "nothing is kept");
    assert_eq!(alive(), 1, "the server could not hear of it");
    browser.offline(false).await;
    browser.at(&server.url("/claims")).await;
    server.until("the session has ended", || alive() == 0);
    assert_eq!(
        browser
            .run("return localStorage.getItem('baoanLeft')")
            .await,
        json!(null)
    );
}

/// As deployed: behind TLS, with secure cookies. The app reports with a photograph. The cookie is
/// for this origin only and no script sees it; HSTS covers the whole site; under the cookie's plain
/// name nobody is signed in.
#[tokio::test]
async fn items_12_13_behind_tls_the_app_reports_and_its_cookies_are_secure() {
    let folder = tempfile::tempdir().unwrap();
    let photos = some_photographs(folder.path(), 1);
    let front = Front::new().await;
    let address = front.address.clone();
    let args = &["--secure", "--behind-proxy"];
    let server = Server::with(Setting {
        bare: true,
        args,
        address: Some(address.clone()),
        ..Setting::default()
    });
    front.pass_on_to(server.base.trim_start_matches("http://").to_owned());
    let browser = Browser::phone().await;
    browser.at(&address).await;
    browser.tap("#start").await;
    walk(&browser, &photos, async |_, _| {}).await;
    let number = send(&browser).await;
    assert!(claim_number(&number), "{number}");
    all_arrived(&browser).await;
    assert_eq!(server.stored_files().len(), 1);
    let cookies = browser.cdp("Network.getAllCookies", json!({})).await;
    let cookies = cookies["cookies"].as_array().unwrap();
    assert!(!cookies.is_empty());
    for cookie in cookies {
        let name = cookie["name"].as_str().unwrap();
        assert!(
            name.starts_with("__Host-") && cookie["path"] == "/",
            "{cookie}"
        );
        assert!(
            cookie["secure"] == true && cookie["httpOnly"] == true && cookie["sameSite"] == "Lax",
            "{cookie}"
        );
    }
    assert_eq!(browser.run("return document.cookie").await, json!(""));
    let answer = browser.awaited("const a = await fetch('/'); return [a.headers.get('strict-transport-security'), isSecureContext]").await;
    assert!(
        answer[0].as_str().unwrap().contains("max-age=") && answer[1] == true,
        "{answer}"
    );
    // Under the cookie name used without TLS, the same secret opens nothing.
    let secret = cookies.iter().find(|c| c["name"] == "__Host-sid").unwrap()["value"]
        .as_str()
        .unwrap()
        .to_owned();
    let ask = |cookie: String| {
        let path = format!("/api/v1/claims/{number}/receipt");
        server
            .caller()
            .send("GET", &path, &[("cookie", &cookie)], b"")
            .status
    };
    assert_eq!(
        (
            ask(format!("__Host-sid={secret}")),
            ask(format!("sid={secret}"))
        ),
        (200, 404)
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

mod server {
    use super::*;

    /// The end of a body is never in doubt: a request that states it in two ways is rejected, along
    /// with anything that follows it.
    #[test]
    fn item_28_no_request_hides_in_another() {
        let server = Server::start();
        let hidden = "GET /staff/login HTTP/1.1\r\nHost: x\r\n\r\n";
        let head =
            "POST /api/v1/session/code HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        for odd in [
            format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
            format!("Content-Length: 2\r\nContent-Length: 40\r\n\r\n{{}}{hidden}"),
            format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
            format!("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
            format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
            format!("Content-Length: +2\r\n\r\n{{}}{hidden}"),
            format!("Content-Length: 2\r\n X: y\r\n\r\n{{}}{hidden}"),
            format!("Transfer-Encoding: chunked\r\n\r\nffffffffffffffff0\r\nx\r\n{hidden}"),
        ] {
            let mut socket = connect(&server);
            socket.write_all(format!("{head}{odd}").as_bytes()).unwrap();
            let _ = socket.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.contains("员工登录"), "{odd:?}: {answer}");
            assert!(
                answer.matches("HTTP/1.1 ").count() <= 1,
                "{odd:?}: {answer}"
            );
        }
        assert_eq!(server.caller().get("/healthz").status, 200);
    }

    /// Every kind of body, a byte now and then: cut within thirty seconds, while others are served.
    #[test]
    fn finding_6_slow_bodies_are_cut_wherever_they_go() {
        let server = Server::start();
        let made = server.caller().send(
            "POST",
            "/api/v1/uploads",
            &[("tus-resumable", "1.0.0"), ("upload-length", "5000")],
            b"",
        );
        let upload = made.header("location").unwrap().to_owned();
        let targets = [
            (
                "POST",
                "/api/v1/notices",
                "content-type: application/json\r\nidempotency-key: slow-slow-slow\r\n",
            ),
            (
                "POST",
                "/api/v1/session/code",
                "content-type: application/json\r\n",
            ),
            (
                "POST",
                "/staff/login",
                "content-type: application/x-www-form-urlencoded\r\n",
            ),
            (
                "POST",
                "/lite",
                "content-type: application/x-www-form-urlencoded\r\n",
            ),
            ("POST", "/csp-reports", ""),
            (
                "PATCH",
                upload.as_str(),
                "tus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-type: application/offset+octet-stream\r\n",
            ),
        ];
        std::thread::scope(|all| {
            for (method, path, headers) in targets {
                let server = &server;
                all.spawn(move || {
                    let mut socket = connect(server);
                    let began = Instant::now();
                    socket
                        .write_all(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 4000\r\n\r\n").as_bytes())
                        .unwrap();
                    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                    let mut some = [0; 512];
                    // Until it is cut: an answer, or the end of the connection.
                    loop {
                        let sent = socket.write_all(b"x");
                        match socket.read(&mut some) {
                            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) && sent.is_ok() => {}
                            _ => break,
                        }
                        assert!(began.elapsed() < Duration::from_secs(30), "{method} {path}");
                    }
                });
            }
            all.spawn(|| {
                for _ in 0..50 {
                    let began = Instant::now();
                    assert_eq!(server.caller().get("/healthz").status, 200);
                    assert!(began.elapsed() < Duration::from_millis(500));
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        });
    }
}

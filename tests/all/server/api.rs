//! The API against wrong input, other people's sessions and impatience. Every refusal has its own
//! code; nothing is lost.

use std::collections::BTreeSet;

use baoan_tests::{Answer, Caller, Server, notice, unique_key};
use serde_json::{Value, json};

const NOW: &str = "2026-01-05T02:30:00Z";

fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{answer:?}"
    );
    let body = answer.json();
    assert_eq!(body["status"], json!(answer.status));
    assert!(!body["request_id"].as_str().unwrap_or_default().is_empty());
    (answer.status, answer.code())
}

/// A phone that was killed before it saved its cookie: the same report and secret, from a new
/// session.
#[test]
fn a_report_goes_over_to_who_knows_its_secret_until_somebody_signs_in() {
    let server = Server::start();
    let (key, secret) = (unique_key(), "0123456789abcdef0123456789abcdef");
    let say = |caller: &mut Caller, secret: &str, body: &Value| {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", &*key),
            ("submission-secret", secret),
        ];
        caller.send(
            "POST",
            "/api/v1/notices",
            &headers,
            body.to_string().as_bytes(),
        )
    };
    let mut first = server.caller();
    let answer = say(&mut first, secret, &notice(NOW));
    assert_eq!(answer.status, 201);
    let kept = format!("/api/v1/submissions/{key}");
    let tus = [("tus-resumable", "1.0.0"), ("upload-length", "4096")];
    let upload = first
        .send("POST", "/api/v1/uploads", &tus, b"")
        .header("location")
        .unwrap()
        .to_owned();

    let mut other = server.caller();
    let mut words = notice(NOW);
    words["narrative"] = json!("别的话");
    for (secret, body) in [
        ("", notice(NOW)),
        ("short", notice(NOW)),
        ("0123456789abcdef0123456789abcdeX", notice(NOW)),
        (secret, words),
    ] {
        assert_eq!(
            problem(&say(&mut other, secret, &body)),
            (404, "not-found".into()),
            "{secret}"
        );
    }
    assert_eq!(other.get(&kept).status, 404);
    let again = say(&mut other, secret, &notice(NOW));
    assert_eq!(
        (
            again.status,
            again.header("idempotency-replayed"),
            &again.text
        ),
        (200, Some("true"), &answer.text)
    );
    assert_eq!(
        (other.get(&kept).status, first.get(&kept).status),
        (200, 404)
    );
    assert_eq!(
        other
            .send("HEAD", &upload, &[("tus-resumable", "1.0.0")], b"")
            .status,
        200
    );

    // Once somebody has signed in, the secret is no longer enough: sign in again.
    other.sign_in(&server, "13800138000");
    assert_eq!(
        problem(&say(&mut first, secret, &notice(NOW))),
        (404, "not-found".into())
    );
    assert_eq!(
        (
            other.get(&kept).status,
            server.count("SELECT count(*) FROM claim")
        ),
        (200, 1)
    );
}

#[test]
fn the_same_notice_a_hundred_times_at_once_is_one_claim() {
    let server = Server::start();
    let mut first = server.caller();
    // One session, like one phone.
    assert_eq!(first.get("/api/v1/session").status, 200);
    let key = unique_key();
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let (mut caller, key) = (first.clone(), key.clone());
            std::thread::spawn(move || caller.report(&key, &notice(NOW)))
        })
        .collect();
    let answers: Vec<Answer> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(
        answers.iter().all(|a| matches!(a.status, 200 | 201)),
        "{:?}",
        answers.iter().map(|a| a.status).collect::<Vec<_>>()
    );
    assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
    let bodies: BTreeSet<&str> = answers.iter().map(|a| a.text.as_str()).collect();
    assert_eq!(bodies.len(), 1, "one answer");
    assert_eq!(
        Caller::staff(&server, "intake")
            .get("/staff")
            .text
            .matches("/staff/claims/BA")
            .count(),
        1
    );
    // Known afterwards, to this session only; another body under the same key is refused.
    assert_eq!(
        first.get(&format!("/api/v1/submissions/{key}")).text,
        answers[0].text
    );
    assert_eq!(
        problem(&server.caller().get(&format!("/api/v1/submissions/{key}"))),
        (404, "not-found".into())
    );
    let mut other = notice(NOW);
    other["narrative"] = json!("别的");
    assert_eq!(
        problem(&first.report(&key, &other)),
        (422, "idempotency-key-reused".into())
    );
    assert_eq!(
        problem(&server.caller().report(&key, &notice(NOW))),
        (404, "not-found".into())
    );
}

#[test]
fn every_wrong_field_is_named_by_its_pointer() {
    let server = Server::start();
    let mut caller = server.caller();
    let table: [(&str, Value, &str, &str); 18] = [
        (
            "/incident",
            json!("boat.sunk"),
            "/incident",
            "unknown-option",
        ),
        ("/incident", json!(""), "/incident", "choose"),
        ("/scene", json!({}), "/scene/injured", "choose"),
        (
            "/loss_at",
            json!("2099-01-01T00:00:00Z"),
            "/loss_at",
            "time-future",
        ),
        (
            "/loss_at",
            json!("2001-01-01T00:00:00Z"),
            "/loss_at",
            "time-too-old",
        ),
        ("/place/text", json!(""), "/place/text", "required"),
        ("/place/text", json!("路"), "/place/text", "place-short"),
        (
            "/place/text",
            json!("路".repeat(201)),
            "/place/text",
            "too-long",
        ),
        ("/parts", json!(["wing"]), "/parts", "unknown-option"),
        (
            "/narrative",
            json!("长".repeat(1001)),
            "/narrative",
            "too-long",
        ),
        (
            "/reporter/role",
            json!("king"),
            "/reporter/role",
            "unknown-option",
        ),
        ("/reporter/name", json!(""), "/reporter/name", "required"),
        (
            "/reporter/name",
            json!("<script>alert(1)</script>"),
            "/reporter/name",
            "name-character",
        ),
        (
            "/reporter/phone",
            json!("12800138000"),
            "/reporter/phone",
            "phone-format",
        ),
        (
            "/reporter/phone",
            json!("1380013800"),
            "/reporter/phone",
            "phone-length",
        ),
        ("/policy", json!({}), "/policy/plate", "policy-any-of"),
        (
            "/policy",
            json!({ "id_no": "110105194912310021" }),
            "/policy/id_no",
            "id-check",
        ),
        (
            "/consents",
            json!([]),
            "/consents/privacy",
            "consent-missing",
        ),
    ];
    for (pointer, value, field, code) in table {
        let mut wrong = notice(NOW);
        *wrong.pointer_mut(pointer).unwrap() = value.clone();
        let answer = caller.report(&unique_key(), &wrong);
        assert_eq!(
            problem(&answer),
            (422, "validation".into()),
            "{pointer} = {value}"
        );
        let errors = answer.json()["errors"].clone();
        assert_eq!(
            (errors[0]["field"].as_str(), errors[0]["code"].as_str()),
            (Some(field), Some(code)),
            "{pointer} = {value}"
        );
    }
    // Nothing of it was stored; the right one still goes through.
    assert_eq!(caller.report(&unique_key(), &notice(NOW)).status, 201);
    assert_eq!(
        Caller::staff(&server, "intake")
            .get("/staff")
            .text
            .matches("/staff/claims/BA")
            .count(),
        1
    );
}

#[test]
fn wrong_requests_have_their_own_codes() {
    let server = Server::start();
    let mut caller = server.caller();
    let body = notice(NOW).to_string();
    let key = unique_key();
    let with = |extra: &[(&'static str, &'static str)]| -> Vec<(&'static str, &'static str)> {
        extra.to_vec()
    };
    let json_type = ("content-type", "application/json");
    /// Method, path, headers, body; status and code of the answer.
    type Row<'a> = (
        &'a str,
        &'a str,
        Vec<(&'a str, &'a str)>,
        &'a [u8],
        u16,
        &'a str,
    );
    let table: [Row; 14] = [
        (
            "POST",
            "/api/v1/notices",
            with(&[json_type]),
            body.as_bytes(),
            400,
            "idempotency-key-missing",
        ),
        (
            "POST",
            "/api/v1/notices",
            with(&[json_type, ("idempotency-key", "a b")]),
            body.as_bytes(),
            400,
            "idempotency-key-missing",
        ),
        (
            "POST",
            "/api/v1/notices",
            with(&[
                ("idempotency-key", "test-key-1"),
                ("content-type", "text/plain"),
            ]),
            body.as_bytes(),
            415,
            "unsupported-media-type",
        ),
        (
            "POST",
            "/api/v1/notices",
            with(&[json_type, ("idempotency-key", "test-key-1")]),
            b"{\"incident\":",
            400,
            "malformed-json",
        ),
        (
            "POST",
            "/api/v1/notices",
            with(&[json_type, ("idempotency-key", "test-key-1")]),
            b"\xEF\xBB\xBF{}",
            400,
            "malformed-json",
        ),
        (
            "POST",
            "/api/v1/notices",
            with(&[json_type, ("idempotency-key", "test-key-1")]),
            b"{\"unknown\":1}",
            400,
            "malformed-json",
        ),
        (
            "POST",
            "/api/v1/notices",
            with(&[json_type, ("idempotency-key", "test-key-1")]),
            &[b' '; 40_000],
            413,
            "payload-too-large",
        ),
        (
            "POST",
            "/api/v1/session/code",
            with(&[json_type]),
            b"{\"phone\":\"123\"}",
            422,
            "validation",
        ),
        (
            "POST",
            "/api/v1/session",
            with(&[json_type]),
            b"{\"phone\":\"13800138000\",\"code\":\"000000\"}",
            401,
            "otp-invalid",
        ),
        ("GET", "/api/v1/claims", vec![], b"", 401, "session-expired"),
        ("GET", "/api/v1/nothing", vec![], b"", 404, "not-found"),
        (
            "DELETE",
            "/api/v1/notices",
            vec![],
            b"",
            405,
            "method-not-allowed",
        ),
        (
            "POST",
            "/api/v1/notices",
            with(&[json_type, ("origin", "https://evil.example")]),
            body.as_bytes(),
            403,
            "cross-site",
        ),
        (
            "POST",
            "/api/v1/notices",
            with(&[json_type, ("sec-fetch-site", "cross-site")]),
            body.as_bytes(),
            403,
            "cross-site",
        ),
    ];
    for (method, path, headers, body, status, code) in table {
        let answer = caller.send(method, path, &headers, body);
        assert_eq!(
            problem(&answer),
            (status, code.into()),
            "{method} {path} {headers:?}"
        );
    }
    assert_eq!(caller.report(&key, &notice(NOW)).status, 201);
    // An unknown address returns a page that says so.
    let page = caller.get("/nowhere");
    assert_eq!(
        (page.status, page.header("content-type")),
        (404, Some("text/html; charset=utf-8"))
    );
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/secret.key",
        "/catalog.json/../../secret.key",
    ] {
        assert!(matches!(caller.get(path).status, 400 | 404), "{path}");
    }
}

#[test]
fn a_foreign_claim_and_an_unknown_one_are_the_same_nothing() {
    let server = Server::start();
    let (mut mine, mut foreign) = (server.caller(), server.caller());
    let number = mine.report(&unique_key(), &notice(NOW)).json()["claim_no"]
        .as_str()
        .unwrap()
        .to_owned();
    // Reporting needs no login; seeing does.
    assert_eq!(
        problem(&mine.get(&format!("/api/v1/claims/{number}"))),
        (401, "session-expired".into())
    );
    mine.sign_in(&server, "13800138000");
    assert_eq!(mine.get(&format!("/api/v1/claims/{number}")).status, 200);
    foreign.sign_in(&server, "13900139000");
    let unknown = "BA20260105000000Y";
    for path in ["", "/timeline", "/photos/x"] {
        let (a, b) = (
            foreign.get(&format!("/api/v1/claims/{number}{path}")),
            foreign.get(&format!("/api/v1/claims/{unknown}{path}")),
        );
        assert_eq!(
            (problem(&a), a.status),
            ((404, "not-found".into()), b.status),
            "{path}"
        );
    }
    let step = json!({ "what": { "withdrawn": { "reason": "x" } } });
    assert_eq!(
        problem(&foreign.post(&format!("/api/v1/claims/{number}/steps"), &step)),
        (404, "not-found".into())
    );
    assert_eq!(
        problem(&foreign.send(
            "PUT",
            &format!("/api/v1/claims/{number}/documents/scene/x"),
            &[],
            b""
        )),
        (404, "not-found".into())
    );
    assert_eq!(foreign.get("/api/v1/claims").json(), json!([]));
    // A customer can neither take the insurer's steps nor claim to have been called.
    for what in [
        json!({ "approved": { "amount_fen": 1, "basis": "x" } }),
        json!({ "registered": { "handler": "x" } }),
        json!("closed"),
    ] {
        assert_eq!(
            problem(&mine.post(
                &format!("/api/v1/claims/{number}/steps"),
                &json!({ "what": what })
            )),
            (409, "not-allowed".into())
        );
    }
    // Withdrawn once; a second time the claim has moved on.
    assert_eq!(
        mine.post(&format!("/api/v1/claims/{number}/steps"), &step)
            .status,
        201
    );
    assert_eq!(
        problem(&mine.post(&format!("/api/v1/claims/{number}/steps"), &step)),
        (409, "not-allowed".into())
    );
    // After signing out the token is dead.
    let stolen = mine.clone();
    assert_eq!(mine.send("DELETE", "/api/v1/session", &[], b"").status, 204);
    assert_eq!(
        problem(&stolen.clone().get(&format!("/api/v1/claims/{number}"))),
        (401, "session-expired".into())
    );
}

#[test]
fn a7_the_ends_that_nobody_likes_carry_their_reasons() {
    let server = Server::start();
    let mut caller = server.caller();
    let mut lapsed = notice(NOW);
    lapsed["policy"] = json!({ "plate": "京A54321" });
    let receipt = caller.report(&unique_key(), &lapsed).json();
    assert_eq!(
        receipt["verified"],
        json!(false),
        "a lapsed policy is reported all the same"
    );
    let number = receipt["claim_no"].as_str().unwrap();
    let mut intake = Caller::staff(&server, "intake");
    let refused = intake.step(
        number,
        &[
            ("kind", "not-accepted"),
            ("reason", "expired"),
            ("text", " "),
            ("next_step", "x"),
        ],
    );
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("请填写"));
    assert_eq!(
        intake
            .step(
                number,
                &[("kind", "approved"), ("amount_fen", "1"), ("basis", "x")]
            )
            .status,
        409,
        "not this desk"
    );
    assert_eq!(
        intake
            .step(
                number,
                &[
                    ("kind", "not-accepted"),
                    ("reason", "expired"),
                    ("text", "保单已到期"),
                    ("next_step", "可查询其他保单")
                ]
            )
            .status,
        303
    );
    assert_eq!(intake.step(number, &[("kind", "closed")]).status, 303);
    caller.sign_in(&server, "13800138000");
    // A reporter does not learn whose policy has expired; once staff have verified that it is
    // theirs, they see the reason.
    let claim = caller.get(&format!("/api/v1/claims/{number}")).json();
    assert!(
        claim["summary"]["stage"] == json!("closed")
            && !claim["events"].to_string().contains("保单已到期")
    );
    assert_eq!(
        intake
            .step(
                number,
                &[
                    ("kind", "entitled"),
                    ("role", "agent"),
                    ("reason", "身份证和旧保单已核对")
                ]
            )
            .status,
        303
    );
    let claim = caller.get(&format!("/api/v1/claims/{number}")).json();
    assert_eq!(claim["summary"]["stage"], json!("closed"));
    assert!(claim["events"].to_string().contains("保单已到期"));
    let timeline = caller
        .get(&format!("/api/v1/claims/{number}/timeline?after=1"))
        .json();
    assert_eq!(timeline["events"].as_array().unwrap().len(), 3);
    assert_eq!(
        caller
            .get(&format!("/api/v1/claims/{number}/timeline?after=4"))
            .json()["events"],
        json!([])
    );
    assert_eq!(
        problem(&caller.get(&format!("/api/v1/claims/{number}/timeline?after=x"))),
        (400, "malformed-json".into())
    );
}

#[test]
fn a_code_is_good_once_for_five_tries_and_for_the_session_that_asked() {
    let server = Server::start();
    let (mut caller, mut other) = (server.caller(), server.caller());
    let phone = "13700137000";
    assert_eq!(
        caller
            .post("/api/v1/session/code", &json!({ "phone": phone }))
            .status,
        204
    );
    let again = caller.post("/api/v1/session/code", &json!({ "phone": phone }));
    assert_eq!(problem(&again), (429, "otp-rate".into()));
    assert!(again.header("retry-after").unwrap().parse::<u32>().unwrap() <= 60);
    let code = server.code_for(phone);
    let login = |caller: &mut Caller, code: &str| {
        caller
            .post("/api/v1/session", &json!({ "phone": phone, "code": code }))
            .status
    };
    assert_eq!(login(&mut other, &code), 401, "another session");
    for _ in 0..4 {
        assert_eq!(login(&mut caller, "abcdef"), 401);
    }
    let before = caller.cookie();
    assert_eq!(login(&mut caller, &code), 200);
    assert_ne!(caller.cookie(), before, "the token is rotated");
    assert_eq!(login(&mut caller, &code), 401, "once only");
    // Unknown numbers get the same answer as known ones.
    assert_eq!(
        server
            .caller()
            .post("/api/v1/session/code", &json!({ "phone": "19900000000" }))
            .status,
        204
    );
    // Five wrong tries burn a code.
    let mut third = server.caller();
    let phone = "13600136000";
    assert_eq!(
        third
            .post("/api/v1/session/code", &json!({ "phone": phone }))
            .status,
        204
    );
    let code = server.code_for(phone);
    for _ in 0..5 {
        assert_eq!(
            third
                .post(
                    "/api/v1/session",
                    &json!({ "phone": phone, "code": "000000x" })
                )
                .status,
            401
        );
    }
    assert_eq!(
        third
            .post("/api/v1/session", &json!({ "phone": phone, "code": code }))
            .status,
        401
    );
}

/// A client that sends its header byte by byte does not hold its socket for ever
/// (tokio-rs/axum#3478).
#[test]
fn a_header_that_never_ends_is_cut_off() {
    use std::io::{Read, Write};
    let server = Server::start();
    let mut socket =
        std::net::TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(30)))
        .unwrap();
    let mut rest = Vec::new();
    // Ends when the connection closes; our own read timeout would be an error.
    socket.read_to_end(&mut rest).unwrap();
    assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"));
    assert_eq!(server.caller().get("/healthz").status, 200);
}

#[test]
fn every_response_is_guarded_and_assets_are_packed_and_cached() {
    let server = Server::start();
    let mut caller = server.caller();
    for path in [
        "/",
        "/api/v1/config",
        "/api/v1/nothing",
        "/nowhere",
        "/lite",
        "/staff/login",
        "/healthz",
        "/catalog.json",
    ] {
        let answer = caller.get(path);
        let csp = answer
            .header("content-security-policy")
            .unwrap_or_else(|| panic!("{path}: no CSP"));
        assert!(
            csp.contains("default-src 'none'")
                && csp.contains("require-trusted-types-for 'script'")
                && !csp.contains("unsafe-inline")
                && !csp.contains("'unsafe-eval'"),
            "{path}: {csp}"
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
    assert_eq!(caller.get("/").header("cache-control"), Some("no-cache"));
    assert_eq!(
        caller.get("/api/v1/session").header("cache-control"),
        Some("no-store")
    );
    let page = caller.get("/").text;
    let wasm = page
        .split('"')
        .find(|a| a.ends_with("_bg.wasm"))
        .unwrap()
        .to_owned();
    let packed = caller.send("GET", &wasm, &[("accept-encoding", "br")], b"");
    assert_eq!(
        (
            packed.header("content-encoding"),
            packed.header("content-type")
        ),
        (Some("br"), Some("application/wasm"))
    );
    assert_eq!(
        packed.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    let tag = packed.header("etag").unwrap().to_owned();
    assert_eq!(
        caller
            .send(
                "GET",
                &wasm,
                &[("accept-encoding", "br"), ("if-none-match", &tag)],
                b""
            )
            .status,
        304
    );
    let config = caller.get("/api/v1/config").json();
    assert_eq!(
        config["catalogue"]["incidents"].as_array().unwrap().len(),
        35
    );
    // Cookies: not readable by scripts, not sent to other sites.
    let session = server.caller().get("/api/v1/session");
    let cookie = session.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("sid=")
            && cookie.contains("HttpOnly")
            && cookie.contains("SameSite=Lax")
            && cookie.contains("Path=/;"),
        "{cookie}"
    );
}

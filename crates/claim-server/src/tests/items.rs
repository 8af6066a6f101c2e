//! The 48 items of the security checklist (ASVS 5.0), as far as one process can test a server;
//! end-to-end tests cover the others. docs/SECURITY.md lists them all.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Caller, opened, pdf};
use crate::routes::listed;
use crate::work::accounts;
use crate::{App, Options, now};

/// A server as it runs behind TLS, with one account at each of two desks.
async fn secure() -> (tempfile::TempDir, App) {
    let data = tempfile::tempdir().unwrap();
    let options = Options {
        data: data.path().to_owned(),
        secure: true,
        address: "https://claims.example".into(),
        ..Options::default()
    };
    let app = App::open(options).await.unwrap();
    for (name, shown, desk) in [
        (
            "chief",
            "吴 工号 1",
            claim_domain::lifecycle::Desk::Supervisor,
        ),
        ("pay", "周 工号 2", claim_domain::lifecycle::Desk::Finance),
    ] {
        accounts::add(&app, name, shown, desk, "a password of its own")
            .await
            .unwrap();
    }
    (data, app)
}

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

fn sources() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push((
                    path.display().to_string(),
                    fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    all
}

/// Statements are constants: sqlx takes a text that was made at run time only where somebody
/// vouches for it, which is done three times: twice for constants that are put together, and for a
/// trigger that the database itself has told of.
#[test]
fn item_1_every_statement_is_parameterised() {
    let mut vouched = Vec::new();
    for (path, text) in sources()
        .into_iter()
        .filter(|(path, _)| !path.contains("/src/tests/"))
    {
        let text = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        let vouches = |line: &&str| line.contains("AssertSqlSafe(");
        let lines = text.lines().filter(vouches);
        vouched.extend(lines.map(|line| {
            (
                path.rsplit('/').next().unwrap_or_default().to_owned(),
                line.trim().to_owned(),
            )
        }));
        if path.ends_with("store/claims.rs") {
            assert!(
                text.contains("fn select(rest: &'static str)"),
                "what is put together is known when it is compiled"
            );
        }
    }
    vouched.sort();
    assert_eq!(vouched.len(), 3, "{vouched:?}");
    assert!(
        vouched[0].1.contains("{COLUMNS}{rest}")
            && vouched[1] == ("keys.rs".into(), "AssertSqlSafe(sql)".into())
            && vouched[2].1.contains("AssertSqlSafe(trigger)"),
        "{vouched:?}"
    );
}

#[tokio::test]
async fn item_3_numbers_in_headers_are_whole_small_and_plain() {
    let (_data, app) = opened().await;
    let mut caller = Caller::new(&app);
    let id = caller.upload(&pdf("item 3")).await;
    for number in [
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "1e3",
        "+1",
        "0x10",
        "1.0",
        " 1 ",
        "",
        "٣",
        "9999999999999999999999",
    ] {
        let headers = [("tus-resumable", "1.0.0"), ("upload-length", number)];
        if number.is_ascii() {
            let (status, ..) = caller.bytes("post", "/api/v1/uploads", &headers, b"").await;
            assert!((400..500).contains(&status), "length {number:?}: {status}");
            let headers = [
                ("tus-resumable", "1.0.0"),
                ("upload-offset", number),
                ("content-type", claim_api::tus::CHUNK_TYPE),
            ];
            let (status, ..) = caller
                .bytes("patch", &format!("/api/v1/uploads/{id}"), &headers, b"x")
                .await;
            assert!((400..500).contains(&status), "offset {number:?}: {status}");
        }
    }
}

#[tokio::test]
async fn item_4_odd_json_is_refused() {
    let (_data, app) = opened().await;
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "item-4-item-4"),
    ];
    let good = json!({
        "incident": "motor.single", "scene": { "injured": false, "road": "clear", "special": "none" }, "loss_at": now(),
        "place": { "text": "杭州" }, "parts": [], "narrative": "", "reporter": { "role": "insured", "name": "张伟", "phone": "13400134000" },
        "policy": { "plate": "浙A12345" }, "consents": [{ "id": "privacy", "version": 1, "at": now() }, { "id": "truth", "version": 1, "at": now() }]
    });
    let good = good.to_string();
    for body in [
        format!("\u{feff}{good}"),
        good.replacen('{', "{\"incident\":\"motor.theft\",", 1),
        good.replace("\"narrative\":\"\"", "\"narrative\":\"\\ud800\""),
        format!("{good}x"),
        good.replace("[],", "[,],"),
        good.replace("false", "NaN"),
        "[".repeat(10_000),
    ] {
        let (status, text) = Caller::new(&app)
            .call("post", "/api/v1/notices", &headers, &body)
            .await;
        assert_eq!(
            status,
            400,
            "{}: {text}",
            body.chars().take(60).collect::<String>()
        );
    }
    let (status, ..) = Caller::new(&app)
        .bytes(
            "post",
            "/api/v1/notices",
            &headers,
            b"{\"incident\":\"\xff\xfe\"}",
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        Caller::new(&app)
            .call("post", "/api/v1/notices", &headers, &good)
            .await
            .0,
        201,
        "the same without a fault is taken"
    );
}

/// An uploaded file is never served as a page, and we choose its name.
#[tokio::test]
async fn item_10_33_a_file_is_saved_and_never_opened() {
    let (_data, app) = opened().await;
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13800138000").await;
    let no = owner.report("insured", "13800138000").await;
    let id = owner.upload(&pdf("item 10")).await;
    let (status, text) = owner
        .call(
            "put",
            &format!("/api/v1/claims/{no}/documents/repair_list/{id}"),
            &[],
            "",
        )
        .await;
    assert_eq!(status, 200, "{text}");
    let document = serde_json::from_str::<Value>(&text).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (status, headers, _) = owner
        .bytes(
            "get",
            &format!("/api/v1/claims/{no}/photos/{document}"),
            &[],
            b"",
        )
        .await;
    assert_eq!(status, 200);
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"document.pdf\""
    );
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'; sandbox"
    );
    assert_eq!(
        (
            header("x-content-type-options"),
            header("cross-origin-resource-policy")
        ),
        ("nosniff".into(), "same-origin".into())
    );
    assert!(header("cache-control").contains("no-store"));
}

#[tokio::test]
async fn item_11_what_somebody_wrote_is_text_on_every_page_of_staff() {
    let (_data, app) = opened().await;
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13800138000").await;
    let no = owner.report("insured", "13800138000").await;
    let wrote = json!({ "what": { "wrote": { "text": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'" } } });
    assert_eq!(
        owner
            .json("post", &format!("/api/v1/claims/{no}/steps"), &wrote)
            .await
            .0,
        201
    );
    let mut staff = Caller::new(&app);
    staff
        .call(
            "post",
            "/staff/login",
            &FORM,
            "name=supervisor&password=demo-supervisor",
        )
        .await;
    for page in [
        format!("/staff/claims/{no}"),
        "/staff".into(),
        "/staff?q=%3Cscript%3Ealert(1)%3C%2Fscript%3E".into(),
    ] {
        let (status, text) = staff.call("get", &page, &[], "").await;
        assert_eq!(status, 200);
        assert!(
            !text.contains("<script>alert") && !text.contains("<img src=x"),
            "{page}"
        );
    }
}

#[tokio::test]
async fn item_12_cookies_are_for_us_alone() {
    let (_data, app) = secure().await;
    let mut caller = Caller::new(&app);
    let (_, headers, _) = caller.bytes("get", "/api/v1/session", &[], b"").await;
    let cookie = headers["set-cookie"].to_str().unwrap().to_owned();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-sid="), "{cookie}");
    assert_eq!(
        attributes,
        "Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"
    );
    let (status, headers, _) = caller
        .bytes(
            "post",
            "/staff/login",
            &FORM,
            b"name=chief&password=a+password+of+its+own",
        )
        .await;
    let all: Vec<_> = headers
        .get_all("set-cookie")
        .iter()
        .map(|v| v.to_str().unwrap().to_owned())
        .collect();
    let cookie = all
        .iter()
        .find(|c| c.starts_with("__Host-staff="))
        .unwrap_or_else(|| panic!("{status}: {all:?}"));
    assert_eq!(
        cookie.split_once("; ").unwrap().1,
        "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"
    );
}

/// On every answer of every route, errors too: HSTS, CSP, nosniff, referrer, frame-ancestors, COOP,
/// CORP, no CORS, a charset.
#[tokio::test]
async fn item_13_14_15_16_17_19_20_23_25_every_answer_is_guarded() {
    let (_data, app) = secure().await;
    let csp = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
        media-src 'self' blob:; style-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; \
        frame-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default; report-uri /csp-reports";
    let extra =
        ["/nothing-here", "/api/v1/nothing", "/staff/nothing"].map(|p| (p.to_owned(), "get"));
    for (path, method) in listed()
        .map(|(path, method, _)| (path, method))
        .chain(extra)
    {
        let path = path.replace(['{', '}'], "");
        let foreign = [
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ];
        for headers in [&[][..], &foreign[..1], &foreign[..]] {
            let (status, answered, _) = Caller::new(&app).bytes(method, &path, headers, b"").await;
            let said = |name: &str| {
                answered
                    .get(name)
                    .map(|v| v.to_str().unwrap().to_owned())
                    .unwrap_or_default()
            };
            let named = format!("{method} {path}: {status}");
            assert_eq!(
                said("strict-transport-security"),
                "max-age=31536000",
                "{named}"
            );
            assert_eq!(said("content-security-policy"), csp, "{named}");
            assert_eq!(said("x-content-type-options"), "nosniff", "{named}");
            assert_eq!(said("referrer-policy"), "same-origin", "{named}");
            assert_eq!(
                (
                    said("cross-origin-opener-policy"),
                    said("cross-origin-resource-policy")
                ),
                ("same-origin".into(), "same-origin".into()),
                "{named}"
            );
            assert!(
                answered
                    .keys()
                    .all(|k| !k.as_str().starts_with("access-control-")),
                "{named}"
            );
            let kind = said("content-type");
            assert!(
                !kind.starts_with("text/")
                    || kind.contains("charset=utf-8")
                    || kind == "text/event-stream",
                "{named}: {kind}"
            );
            assert!(status < 500, "{named}");
        }
    }
}

#[tokio::test]
async fn item_18_what_a_browser_refused_is_heard_of_and_no_more() {
    let (data, app) = opened().await;
    let report = json!({ "csp-report": { "effective-directive": "script-src", "blocked-uri": "https://evil.example/13800138000?张伟", "document-uri": "/claims" } });
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(
            Caller::new(&app)
                .call(
                    "post",
                    "/csp-reports",
                    &[("content-type", "application/csp-report")],
                    &report.to_string(),
                )
                .await
                .0,
        );
    }
    assert_eq!((statuses[0], statuses[39]), (204, 429));
    assert_eq!(
        Caller::new(&app)
            .call("post", "/csp-reports", &[], "x")
            .await
            .0,
        429
    );
    let log = fs::read_to_string(data.path().join("audit.log")).unwrap();
    assert!(log.contains("script-src") && !log.contains("evil") && !log.contains("13800138000"));
}

/// Another site can change nothing, however it disguises the request.
#[tokio::test]
async fn item_21_no_other_site_changes_anything() {
    let (_data, app) = opened().await;
    let mut tried = 0;
    for (path, method, _) in listed().filter(|(_, method, _)| !matches!(*method, "get" | "options"))
    {
        for kind in [
            "application/x-www-form-urlencoded",
            "text/plain",
            "multipart/form-data",
            "application/json",
        ] {
            for from in [
                &[("sec-fetch-site", "cross-site")][..],
                &[("sec-fetch-site", "same-site")],
                &[
                    ("origin", "https://evil.example"),
                    ("host", "claims.example"),
                ],
                &[("origin", "null"), ("host", "claims.example")],
            ] {
                let headers: Vec<_> = [("content-type", kind)]
                    .into_iter()
                    .chain(from.iter().copied())
                    .collect();
                let (status, _) = Caller::new(&app)
                    .call(method, &path.replace(['{', '}'], ""), &headers, "{}")
                    .await;
                assert_eq!(status, 403, "{method} {path} {headers:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried}");
}

#[tokio::test]
async fn item_27_no_method_but_those_that_are_offered() {
    let (_data, app) = opened().await;
    for path in listed()
        .map(|(path, ..)| path)
        .collect::<std::collections::BTreeSet<_>>()
    {
        for method in ["trace", "propfind", "lock", "connect", "purge"] {
            let (status, _) = Caller::new(&app)
                .call(method, &path.replace(['{', '}'], ""), &[], "")
                .await;
            assert!(matches!(status, 405 | 404), "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn item_32_no_name_leads_out_of_the_folder() {
    let (data, app) = opened().await;
    let mut caller = Caller::new(&app);
    let metadata = "filename Li4vLi4vLi4vZXRjL3Bhc3N3ZA==,name Li5cLi5ceA==";
    let headers = [
        ("tus-resumable", "1.0.0"),
        ("upload-length", "3"),
        ("upload-metadata", metadata),
    ];
    assert_eq!(
        caller
            .bytes("post", "/api/v1/uploads", &headers, b"")
            .await
            .0,
        201
    );
    for id in [
        "..%2f..%2fsecret.key",
        "%2e%2e%2fsecret.key",
        "..%5csecret.key",
        "secret.key%00",
        &"a".repeat(43),
        &format!("{}/", "a".repeat(43)),
    ] {
        for method in ["head", "patch", "delete"] {
            let headers = [
                ("tus-resumable", "1.0.0"),
                ("upload-offset", "0"),
                ("content-type", claim_api::tus::CHUNK_TYPE),
            ];
            let (status, ..) = caller
                .bytes(method, &format!("/api/v1/uploads/{id}"), &headers, b"x")
                .await;
            assert!(matches!(status, 404 | 405), "{method} {id}: {status}");
        }
    }
    assert_eq!(
        fs::read_dir(data.path().join("uploads")).unwrap().count(),
        1
    );
}

/// The operator's scanner is asked; if it fails, nothing is accepted.
#[tokio::test]
async fn item_34_a_scanner_is_asked_and_fails_closed() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    let scanner = data.path().join("scan.sh");
    fs::write(
        &scanner,
        "#!/bin/sh\nif grep -q EICAR; then exit 1; fi\nexit 0\n",
    )
    .unwrap();
    fs::set_permissions(&scanner, PermissionsExt::from_mode(0o700)).unwrap();
    let options = Options {
        data: data.path().join("data"),
        demo: true,
        scan: Some(scanner.clone()),
        ..Options::default()
    };
    let app = App::open(options).await.unwrap();
    let mut caller = Caller::new(&app);
    let no = caller.report("insured", "13400134000").await;
    let mut statuses = Vec::new();
    for (text, program) in [
        ("plain", "kept"),
        ("EICAR", "kept"),
        ("fails", "#!/bin/sh\nexit 7\n"),
    ] {
        if program != "kept" {
            fs::write(&scanner, program).unwrap();
        }
        let id = caller.upload(&pdf(text)).await;
        statuses.push(
            caller
                .call(
                    "put",
                    &format!("/api/v1/claims/{no}/documents/repair_list/{id}"),
                    &[],
                    "",
                )
                .await
                .0,
        );
    }
    assert_eq!(statuses, [200, 422, 503]);
}

/// Only its owner is told whether a number, a claim or a plate is known.
#[tokio::test]
async fn item_37_finding_1_nobody_learns_what_is_known() {
    let (_data, app) = opened().await;
    let code = async |phone: &str| {
        Caller::new(&app)
            .json("post", "/api/v1/session/code", &json!({ "phone": phone }))
            .await
    };
    assert_eq!(
        code("13800138000").await,
        code("13312340000").await,
        "a customer's number and anybody's"
    );
    let form = async |body: &'static str| {
        Caller::new(&app)
            .call("post", "/staff/login", &FORM, body)
            .await
    };
    assert_eq!(
        form("name=chief&password=wrong-password").await,
        form("name=nobody&password=wrong-password").await
    );
    // The plate of a demo policy, and an unknown one: the same receipt, except for number and time.
    let mut receipts = Vec::new();
    for (n, plate) in ["浙A12345", "浙A99991"].into_iter().enumerate() {
        let mut caller = Caller::new(&app);
        let notice = json!({
            "incident": "motor.single", "scene": { "injured": false, "road": "clear", "special": "none" }, "loss_at": now(),
            "place": { "text": "杭州" }, "parts": [], "narrative": "", "reporter": { "role": "insured", "name": "王五", "phone": "13400134000" },
            "policy": { "plate": plate }, "consents": [{ "id": "privacy", "version": 1, "at": now() }, { "id": "truth", "version": 1, "at": now() }]
        });
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", ["item-37-known", "item-37-other"][n]),
        ];
        let (status, text) = caller
            .call("post", "/api/v1/notices", &headers, &notice.to_string())
            .await;
        assert_eq!(status, 201);
        let mut receipt: Value = serde_json::from_str(&text).unwrap();
        for varies in ["claim_no", "received_at", "contact_by"] {
            receipt[varies] = Value::Null;
        }
        receipts.push(receipt);
        crate::work::attendant::tick(&app).await.unwrap();
    }
    assert_eq!(receipts[0], receipts[1]);
    // The message to the number typed in is the same, too.
    let sealed: Vec<(String, String)> = sqlx::query_as(
        "SELECT phone_index, text_sealed FROM message WHERE phone_index = ? AND kind = 'reported'",
    )
    .bind(app.vault.index("phone", "13400134000"))
    .fetch_all(app.store.pool())
    .await
    .unwrap();
    let texts: Vec<String> = sealed
        .iter()
        .map(|(index, text)| {
            app.vault
                .open_text(&crate::store::messages::place("text", index), text)
                .unwrap()
        })
        .map(|t| t.rsplit("：").next().unwrap().to_owned())
        .collect();
    assert_eq!(texts.len(), 2);
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn item_38_44_tokens_are_chance_and_change_hands_at_sign_in() {
    let tokens: std::collections::HashSet<String> =
        (0..10_000).map(|_| crate::vault::token()).collect();
    assert!(
        tokens.len() == 10_000 && tokens.iter().all(|t| t.len() == 43),
        "256 bits"
    );
    for (path, text) in sources()
        .into_iter()
        .filter(|(path, _)| !path.ends_with("items.rs"))
    {
        assert!(
            !text.contains("rand::") && !text.contains("fastrand"),
            "{path}: all chance is the system's"
        );
        assert!(
            path.ends_with("vault.rs") || !text.contains("getrandom::"),
            "{path}: in one place"
        );
    }
    let (_data, app) = opened().await;
    let mut caller = Caller::new(&app);
    caller.report("insured", "13800138000").await;
    let before = caller.cookie.clone();
    caller.sign_in(&app, "13800138000").await;
    assert_ne!(caller.cookie, before);
    let mut thief = Caller::new(&app);
    thief.cookie = before;
    assert_eq!(
        thief.call("get", "/api/v1/claims", &[], "").await.0,
        401,
        "the old token opens nothing"
    );
}

/// Sessions end after thirty minutes without a request and twelve hours in all; at a kiosk, two and
/// ten minutes.
#[tokio::test]
async fn item_39_sessions_end() {
    let (_data, app) = opened().await;
    for (kiosk, idle, most) in [(0, 30 * 60, 12 * 3600), (1, 2 * 60, 10 * 60)] {
        for (seen, created, alive) in [
            (0, 0, true),
            (idle - 20, idle - 20, true),
            (idle + 20, idle + 20, false),
            (0, most - 20, true),
            (0, most + 20, false),
        ] {
            let mut caller = Caller::new(&app);
            let mut tx = app.store.begin().await.unwrap();
            let (subject, token) = (crate::vault::token(), crate::vault::token());
            let hash = crate::vault::sha256_hex(token.as_bytes());
            sqlx::query("INSERT INTO subject (id, created_at) VALUES (?, 0)")
                .bind(&subject)
                .execute(tx.sql())
                .await
                .unwrap();
            sqlx::query("INSERT INTO session (token_hash, subject_id, created_at, seen_at, phone_sealed, kiosk) VALUES (?, ?, ?, ?, ?, ?)")
                .bind(&hash)
                .bind(&subject)
                .bind(now().0 - created)
                .bind(now().0 - seen)
                .bind(app.vault.seal(&format!("session.phone/{hash}"), "13800138000"))
                .bind(kiosk)
                .execute(tx.sql())
                .await
                .unwrap();
            tx.commit().await.unwrap();
            caller.cookie = format!("sid={token}");
            let status = caller.call("get", "/api/v1/claims", &[], "").await.0;
            assert_eq!(
                status,
                if alive { 200 } else { 401 },
                "kiosk {kiosk}, seen {seen} s ago, made {created} s ago"
            );
        }
    }
}

/// What a customer may not say is not accepted from them, under any name.
#[tokio::test]
async fn item_42_a_customer_sets_nothing_of_the_insurers() {
    let (_data, app) = opened().await;
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13800138000").await;
    let no = owner.report("insured", "13800138000").await;
    let path = format!("/api/v1/claims/{no}");
    let before: Value = serde_json::from_str(&owner.call("get", &path, &[], "").await.1).unwrap();
    let added = json!({ "name": "张伟", "phone": "13800138000", "stage": "paid", "handler": "me", "verified": true, "paid_fen": 1, "role": "owner" });
    owner.json("put", &format!("{path}/reporter"), &added).await;
    for what in [
        json!({ "paid": { "amount_fen": 1, "reference": "x", "payee": 1, "lines": [], "last4": "0000" } }),
        json!({ "registered": { "handler": "me" } }),
        json!("closed"),
    ] {
        assert!(
            matches!(
                owner
                    .json("post", &format!("{path}/steps"), &json!({ "what": what }))
                    .await
                    .0,
                400 | 409 | 422
            ),
            "{what}"
        );
    }
    let after: Value = serde_json::from_str(&owner.call("get", &path, &[], "").await.1).unwrap();
    for same in ["summary", "verified", "role", "amount_fen"] {
        assert_eq!(before[same], after[same], "{same}");
    }
}

/// The audit log says who signed in, was refused, looked, searched and exported, and nothing about
/// any customer; nobody can inject lines into it.
#[tokio::test]
async fn item_45_48_the_audit_log_tells_what_was_done_and_of_nobody() {
    let (data, app) = opened().await;
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13800138000").await;
    let no = owner.report("insured", "13800138000").await;
    owner
        .call("get", &format!("/api/v1/claims/{no}/file"), &[], "")
        .await;
    owner.call("get", "/api/v1/me", &[], "").await;
    let mut staff = Caller::new(&app);
    let forged = "name=x%0d%0a%7B%22event%22%3A%22sign-in%22%7D%1b%5B31m&password=13800138000";
    staff.call("post", "/staff/login", &FORM, forged).await;
    staff
        .call(
            "post",
            "/staff/login",
            &FORM,
            "name=supervisor&password=demo-supervisor",
        )
        .await;
    staff.call("get", "/staff?q=13800138000", &[], "").await;
    staff
        .call("get", &format!("/staff/claims/{no}/reporter"), &[], "")
        .await;
    staff.call("get", "/staff/claims.csv", &[], "").await;
    Caller::new(&app)
        .call("get", "/api/v1/claims", &[], "")
        .await;
    staff.call("post", "/staff/logout", &[], "").await;
    owner.call("delete", "/api/v1/session", &[], "").await;
    let text = fs::read_to_string(data.path().join("audit.log")).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect();
    for event in [
        "set", "sign-in", "sign-out", "refused", "look", "search", "export",
    ] {
        assert!(lines.iter().any(|l| l["event"] == event), "{event}: {text}");
    }
    for secret in [
        "13800138000",
        "张伟",
        "浙A12345",
        "文三路",
        "demo-supervisor",
        "\u{1b}",
        owner.cookie.trim_start_matches("sid="),
    ] {
        assert!(
            secret.is_empty() || !text.contains(secret),
            "{secret:?} in {text}"
        );
    }
    assert_eq!(
        lines.iter().filter(|l| l["event"] == "sign-in").count(),
        2,
        "none was forged: {text}"
    );
}

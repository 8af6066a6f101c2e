//! The insurer's systems: what they are told, and what they may do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Caller, opened};
use crate::work::{hooks, services};
use crate::{App, now};

/// A system that answers as it is told to, and books each event once.
#[derive(Clone)]
struct Core {
    secret: String,
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    /// Number of each claim's last event.
    claims: BTreeMap<String, u64>,
    seen: BTreeSet<String>,
    calls: u32,
    wrong: Vec<String>,
    /// Answers of this status: to every how manyth call, or to every call about this claim.
    every: Option<(u32, u16)>,
    never: Option<(String, u16)>,
}

async fn told(State(core): State<Core>, headers: HeaderMap, body: String) -> StatusCode {
    let mut books = core.books.lock().unwrap();
    books.calls += 1;
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
    let key = BASE64
        .decode(core.secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let right = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
    if header("webhook-signature") != right || (at.parse::<i64>().unwrap() - now().0).abs() > 60 {
        books.wrong.push(format!("{id}: not signed"));
    }
    if let Some((every, status)) = books.every
        && books.calls.is_multiple_of(every)
    {
        return StatusCode::from_u16(status).unwrap();
    }
    let event: Value = serde_json::from_str(&body).unwrap();
    let claim = event["subject"].as_str().unwrap().to_owned();
    if let Some((never, status)) = &books.never
        && *never == claim
    {
        return StatusCode::from_u16(*status).unwrap();
    }
    assert_eq!(event["id"], id);
    if books.seen.insert(id.clone()) {
        let seq = event["data"]["event"]["seq"].as_u64().unwrap();
        let before = books.claims.insert(claim, seq).unwrap_or_default();
        if seq != before + 1 {
            books.wrong.push(format!("{id} came after {before}"));
        }
    }
    StatusCode::OK
}

impl Core {
    async fn started(app: &App) -> Core {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let core = Core {
            secret: hooks::add(app, "core", &url).await.unwrap(),
            books: Arc::default(),
        };
        let router = axum::Router::new()
            .route("/events", post(told))
            .with_state(core.clone());
        tokio::spawn(async move { axum_serve(listener, router).await });
        core
    }

    fn answers(&self, every: Option<(u32, u16)>, never: Option<(&str, u16)>) {
        let mut books = self.books.lock().unwrap();
        books.every = every;
        books.never = never.map(|(claim, status)| (claim.to_owned(), status));
    }

    fn seen(&self) -> usize {
        self.books.lock().unwrap().seen.len()
    }
}

/// Serves without axum's own server, which this crate does not carry.
async fn axum_serve(listener: tokio::net::TcpListener, router: axum::Router) {
    while let Ok((socket, _)) = listener.accept().await {
        let router = router.clone();
        let service = hyper::service::service_fn(move |request| {
            tower::ServiceExt::oneshot(router.clone(), request)
        });
        tokio::spawn(async move {
            let io = hyper_util::rt::TokioIo::new(socket);
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(io, service)
                .await;
        });
    }
}

/// The waiting times are over.
async fn time_passes(app: &App) {
    let mut tx = app.store.begin().await.unwrap();
    for sql in [
        "UPDATE hook SET next_at = 0",
        "UPDATE hook_held SET next_at = 0",
    ] {
        sqlx::query(sql).execute(tx.sql()).await.unwrap();
    }
    tx.commit().await.unwrap();
    // What runs in the background is waited for.
    app.lines.settled().await;
    hooks::deliver(app).await.unwrap();
    app.lines.settled().await;
}

async fn count(app: &App, sql: &'static str) -> i64 {
    let db = &mut app.store.read().await.unwrap();
    sqlx::query_scalar(sql).fetch_one(db.sql()).await.unwrap()
}

/// R6: every event reaches a system once, in the order of its claim, whatever it answers and
/// however often; a claim that it refuses holds up no other.
#[tokio::test]
async fn r6_every_event_arrives_once_and_in_order() {
    let (_data, app) = opened().await;
    let core = Core::started(&app).await;
    let mut numbers = Vec::new();
    // The system answers 500 to every third call.
    core.answers(Some((3, 500)), None);
    for i in 0..12 {
        let key = format!("systems-{i:04}");
        let no = Caller::new(&app)
            .report_as("insured", "13400134000", &key)
            .await;
        numbers.push(no);
    }
    while count(
        &app,
        "SELECT count(*) FROM hook WHERE done < (SELECT max(seq) FROM feed)",
    )
    .await
        > 0
    {
        time_passes(&app).await;
    }
    let all = count(&app, "SELECT count(*) FROM feed").await as usize;
    assert_eq!((core.seen(), numbers.len()), (all, 12));
    // It refuses one claim: the others go on, and its events come once it is taken again.
    let refused = numbers[3].clone();
    core.answers(None, Some((&refused, 422)));
    let mut staff = Caller::new(&app);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let login = "name=supervisor&password=demo-supervisor";
    staff.call("post", "/staff/login", &form, login).await;
    for reason in ["a", "b"] {
        for no in &numbers {
            let path = format!("/staff/claims/{no}/steps");
            let body = format!("kind=marked&overlay=investigating&reason={reason}");
            let (status, _) = staff.call("post", &path, &form, &body).await;
            assert_eq!(status, 303);
            let body = "kind=unmarked&overlay=investigating";
            assert_eq!(staff.call("post", &path, &form, body).await.0, 303);
        }
    }
    time_passes(&app).await;
    let all = count(&app, "SELECT count(*) FROM feed").await as usize;
    assert_eq!(core.seen(), all - 4, "all but those of the refused claim");
    time_passes(&app).await;
    assert_eq!(core.seen(), all - 4);
    core.answers(None, None);
    time_passes(&app).await;
    assert_eq!(core.seen(), all);
    assert_eq!(count(&app, "SELECT count(*) FROM hook_held").await, 0);
    // Refused for days it is given up, and the next event of the claim goes out.
    core.answers(None, Some((&refused, 410)));
    let path = format!("/staff/claims/{refused}/steps");
    let body = "kind=marked&overlay=investigating&reason=c";
    assert_eq!(staff.call("post", &path, &form, body).await.0, 303);
    time_passes(&app).await;
    let mut tx = app.store.begin().await.unwrap();
    sqlx::query("UPDATE hook_held SET since = since - 4 * 86400")
        .execute(tx.sql())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    time_passes(&app).await;
    let dead = hooks::dead(&app, "core").await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].2.contains("410"), "{dead:?}");
    // Told to begin again, it gets everything, and books nothing twice.
    core.answers(None, None);
    hooks::replay(&app, "core", 0).await.unwrap();
    time_passes(&app).await;
    let all = count(&app, "SELECT count(*) FROM feed").await as usize;
    assert_eq!(core.seen(), all);
    let books = core.books.lock().unwrap();
    assert_eq!(books.wrong, Vec::<String>::new());
    assert!(books.calls as usize > 2 * all, "{} calls", books.calls);
}

/// R6: a system that takes connections and never answers does not keep others waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_no_system_waits_for_another() {
    let (_data, app) = opened().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    // Before and after the other in every order.
    for name in ["a-silent", "z-silent"] {
        hooks::add(&app, name, &url).await.unwrap();
    }
    let core = Core::started(&app).await;
    for i in 0..3 {
        let key = format!("waiting-{i:04}");
        let mut caller = Caller::new(&app);
        caller.report_as("insured", "13400134000", &key).await;
        let all = count(&app, "SELECT count(*) FROM feed").await as usize;
        let told = async {
            while core.seen() < all {
                tokio::task::yield_now().await;
            }
        };
        // A call that nobody answers ends after ten seconds.
        let told = tokio::time::timeout(std::time::Duration::from_secs(8), told).await;
        assert!(told.is_ok(), "{} of {all}", core.seen());
    }
    assert_eq!(core.books.lock().unwrap().wrong, Vec::<String>::new());
    let stuck = "SELECT count(*) FROM hook WHERE name LIKE '%silent' AND done < 3";
    assert_eq!(count(&app, stuck).await, 2);
}

/// R6: an account does what its scopes say, by the same rules as a person, and a command sent again
/// is carried out once.
#[tokio::test]
async fn r6_a_system_is_a_desk_with_scopes() {
    let (_data, app) = opened().await;
    let no = Caller::new(&app).report("insured", "13800138000").await;
    let scopes = ["read", "register", "survey"].map(str::to_owned);
    let secret = services::add(&app, "core", "理赔核心", &scopes)
        .await
        .unwrap();
    let mut caller = Caller::new(&app);
    let form = "application/x-www-form-urlencoded";
    let basic = |secret: &str| format!("Basic {}", BASE64.encode(format!("core:{secret}")));
    let mut token = async |secret: &str, body: &str| {
        let authorization = basic(secret);
        let headers = [
            ("content-type", form),
            ("authorization", authorization.as_str()),
        ];
        let path = "/api/v1/systems/token";
        let (status, text) = caller.call("post", path, &headers, body).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        (status, answer)
    };
    let grant = "grant_type=client_credentials";
    assert_eq!(token("wrong", grant).await.0, 401);
    assert_eq!(token(&secret, "grant_type=password").await.0, 400);
    let (status, answer) = token(&secret, grant).await;
    assert_eq!(
        (status, answer["token_type"].as_str()),
        (200, Some("Bearer"))
    );
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    let mut call = async |method: &str, path: &str, key: &str, body: &Value| {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", bearer.as_str()),
            ("idempotency-key", key),
        ];
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let path = format!("/api/v1/systems/{path}");
        let (status, text) = caller.call(method, &path, &headers, &text).await;
        (
            status,
            serde_json::from_str::<Value>(&text).unwrap_or_default(),
        )
    };
    let (status, feed) = call("get", "events?after=0", "-", &Value::Null).await;
    assert_eq!(status, 200);
    let first = &feed["events"][0];
    assert_eq!(first["type"], "baoan.claim.reported");
    assert_eq!(first["data"]["notice"]["reporter"]["phone"], "13800138000");
    let (status, view) = call("get", &format!("claims/{no}"), "-", &Value::Null).await;
    assert_eq!(
        (status, view["claim_no"].as_str()),
        (200, Some(no.as_str()))
    );
    let steps = format!("claims/{no}/steps");
    let skip = json!({ "kind": "survey-skipped", "fields": { "reason": "小额" }, "by": "李工" });
    for _ in 0..3 {
        let (status, answer) = call("post", &steps, "command-0001", &skip).await;
        assert_eq!((status, answer["outcome"].as_str()), (200, Some("done")));
    }
    let other = json!({ "kind": "survey-skipped", "fields": { "reason": "x" } });
    assert_eq!(call("post", &steps, "command-0001", &other).await.0, 422);
    let assess = json!({ "kind": "assessed", "fields": { "lines": "件 1.00" } });
    assert_eq!(call("post", &steps, "command-0002", &assess).await.0, 403);
    let unknown = json!({ "kind": "reported" });
    assert_eq!(call("post", &steps, "command-0003", &unknown).await.0, 422);
    let (_, view) = call("get", &format!("claims/{no}"), "-", &Value::Null).await;
    let done: Vec<&Value> = view["events"].as_array().unwrap().iter().collect();
    let skipped: Vec<_> = done
        .iter()
        .filter(|e| e["what"]["survey-skipped"].is_object())
        .collect();
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0]["actor"].to_string().contains("李工（理赔核心）"));
    // Whose desk may not see medical papers does not get them.
    let sees = |scopes: &str, document: &str| {
        let service = crate::store::services::Service {
            name: "x".into(),
            shown_as: "x".into(),
            scopes: scopes.into(),
        };
        service.sees(&app.catalogue, document)
    };
    assert!(sees("read survey", "scene") && sees("read pay", "scene"));
    assert!(!sees("read survey pay", "medical_record") && !sees("read", "scene"));
    assert!(sees("read survey decide", "medical_record"));
    // Ended, its token ends with it.
    services::remove(&app, "core").await.unwrap();
    let (status, _) = call("get", &format!("claims/{no}"), "-", &Value::Null).await;
    assert_eq!(status, 401);
    assert_eq!(count(&app, "SELECT count(*) FROM session").await, 1);
}

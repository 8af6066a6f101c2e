//! The insurer's core system as the desk: `examples/core-system` in its own process, the server
//! without demo data.

use std::path::PathBuf;

use baoan_tests::{
    Caller, Process, Server, Setting, free_address, on_database, python, root, unique_key,
};
use serde_json::{Value, json};

use crate::papers::{claim_of, name_payee, request};

pub const PHONE: &str = "13800138000";

/// The core system: its setting, and its process while it runs.
pub struct Core {
    folder: tempfile::TempDir,
    process: Option<Process>,
}

impl Core {
    pub fn books(&self) -> PathBuf {
        self.folder.path().join("books.sqlite")
    }

    pub fn start(&mut self) {
        let mut command = python();
        command
            .arg(root().join("examples/core-system/core.py"))
            .arg(self.folder.path().join("setting.json"));
        self.process = Some(Process::listening(&mut command));
    }

    pub fn stop(&mut self) {
        self.process = None;
    }

    /// The first column of an answer, as text.
    pub fn ask(&self, sql: &str) -> Vec<String> {
        on_database(&self.books(), async |db| {
            let sql = sqlx::AssertSqlSafe(sql.to_owned());
            sqlx::query_scalar(sql).fetch_all(db).await
        })
    }

    pub fn count(&self, sql: &str) -> i64 {
        self.ask(sql)[0].parse().unwrap()
    }
}

/// Where the core system listens.
pub struct Address(String);

impl Address {
    pub fn free() -> Address {
        Address(free_address())
    }

    pub fn of(&self, path: &str) -> String {
        format!("http://{}/{path}", self.0)
    }
}

impl Core {
    /// Connects a core system to a server: events, two accounts, keys. It fails one call in five.
    pub fn beside(server: &Server, address: &Address, policies: Value) -> Core {
        let scopes = ["read", "register", "survey", "assess", "decide"];
        let claims = [&["services", "add", "core-claims", "理赔核心"][..], &scopes].concat();
        let money = ["services", "add", "core-money", "财务核心", "read", "pay"];
        let core = Core {
            folder: tempfile::tempdir().unwrap(),
            process: None,
        };
        let setting = json!({
            "server": server.base,
            "listen": address.0,
            "books": core.books(),
            "seed": 20_261_130,
            "fail_percent": 20,
            "hook_secret": server.said(&["hooks", "add", "core", &address.of("events")]),
            "accounts": { "core-claims": server.said(&claims), "core-money": server.said(&money) },
            "people": { "core-claims": "李工", "core-money": "王工" },
            "keys": {
                "policies": server.said(&["key", "policies"]),
                "messages": server.said(&["key", "messages"]),
                "bank": server.said(&["key", "bank"]),
            },
            "policies": policies,
        });
        let path = core.folder.path().join("setting.json");
        std::fs::write(path, setting.to_string()).unwrap();
        core
    }

    /// The code that went to a phone.
    pub fn code(&self, server: &Server) -> String {
        let sql = "SELECT text FROM message WHERE kind = 'code' ORDER BY rowid DESC LIMIT 1";
        server.until("the code", || !self.ask(sql).is_empty());
        let text = self.ask(sql).remove(0);
        let code = text.split("验证码 ").nth(1).unwrap();
        code.chars().take(6).collect()
    }

    /// Signs in with the code that went to the gateway.
    pub fn signed_in(&self, server: &Server) -> Caller {
        let mut caller = server.caller();
        let body = json!({ "phone": PHONE });
        assert_eq!(caller.post("/api/v1/session/code", &body).status, 204);
        let body = json!({ "phone": PHONE, "code": self.code(server) });
        assert_eq!(caller.post("/api/v1/session", &body).status, 200);
        caller
    }

    /// Every event is in the books, once and in order, although calls failed. `retry` is called while
    /// some are missing.
    pub fn has_everything(&self, server: &Server, retry: &dyn Fn()) {
        let all = server.count("SELECT count(*) FROM event");
        server.until("every event", || {
            retry();
            self.count("SELECT CAST(count(*) AS TEXT) FROM event") == all
        });
        let calls = self.ask(
            "SELECT count(*) || ' calls, ' || sum(status = 500) || ' answered 500, ' || sum(repeated) || ' came again' FROM answer",
        );
        let claims = server.count("SELECT count(*) FROM claim");
        println!("{all} events of {claims} claims: {}", calls[0]);
        assert_eq!(self.ask("SELECT what FROM fault"), Vec::<String>::new());
    }
}

/// The waiting times of a long absence are over.
pub fn waiting_is_over(server: &Server) {
    server.write("UPDATE hook SET next_at = 0");
    server.write("UPDATE hook_held SET next_at = 0");
}

/// The customer's part in each claim, from the assessment to the money; `between` is called before
/// each is paid.
pub fn paid(
    server: &Server,
    customer: &mut Caller,
    numbers: &[String],
    retry: &dyn Fn(),
    mut between: impl FnMut(usize),
) {
    let mut caller = customer.clone();
    let mut view = |no: &str, what: &str, holds: &dyn Fn(&Value) -> bool| {
        let mut last = Value::Null;
        // Ten minutes: where nobody retries, each of its failures costs a waiting time.
        for _ in 0..6000 {
            retry();
            last = caller.get(&format!("/api/v1/claims/{no}")).json();
            if holds(&last) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{no}: waited in vain for {what}: {last}");
    };
    let happened = |kind: &'static str| {
        move |view: &Value| {
            let events = view["events"].as_array().map(Vec::as_slice);
            let is = |e: &Value| e["what"].get(kind).is_some() || e["what"] == kind;
            events.unwrap_or_default().iter().any(is)
        }
    };
    for (i, no) in numbers.iter().enumerate() {
        view(no, "the assessment", &happened("assessed"));
        let step =
            json!({ "what": { "assessment-accepted": { "version": 1, "by_phone": false } } });
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", &*unique_key()),
        ];
        let path = format!("/api/v1/claims/{no}/steps");
        let answer = customer.send("POST", &path, &headers, step.to_string().as_bytes());
        assert!(answer.status < 300, "{answer:?}");
        request(customer, server, no);
        view(no, "the decision", &happened("approved"));
        let agreed = json!({ "what": "decision-agreed" });
        customer.send("POST", &path, &headers, agreed.to_string().as_bytes());
        let named = name_payee(customer, no, "张伟", "6222020000000000000");
        assert_eq!(named.status, 200, "{named:?}");
        between(i);
        view(no, "the money", &happened("paid"));
    }
    assert_eq!(
        server.count("SELECT count(*) FROM payment WHERE answer LIKE '%\"paid\":true%'"),
        numbers.len() as i64
    );
}

/// R6: a server without demo data, whose policies, desk, bank and messages are one other system
/// that knows only the API: every report is decided and paid, and every event is in its books once
/// and in order although it fails one call in five, is killed, and is away while reports come in.
#[test]
fn r6_a_core_system_is_the_desk() {
    let address = Address::free();
    let server = Server::with(Setting {
        bare: true,
        args: &["--staff=false"],
        policies: Some(address.of("policies")),
        gateway: Some(address.of("messages")),
        ..Setting::default()
    });
    let policies = json!([{
        "no": "PDAA202633010000000001", "lob": "motor", "from": "2020-01-01", "to": "2099-12-31",
        "holder": { "name": "张伟", "id_no": "11010519491231002X", "phone": PHONE },
        "insured": [{ "name": "张伟", "id_no": "11010519491231002X", "phone": PHONE }],
        "vehicle": { "plate": "浙A12345" },
        "covers": [{ "code": "vehicle", "name": "车辆损失险", "sum_fen": 30_000_000, "per": "event", "deductible_fen": 0, "deductible_bp": 0, "share_bp": 10_000, "waiting_days": 0 }],
    }]);
    let mut core = Core::beside(&server, &address, policies);
    core.start();
    let reported = |n: usize| -> Vec<String> {
        (0..n)
            .map(|_| claim_of(&mut server.caller(), &server, |_| {}))
            .collect()
    };
    let mut numbers = reported(6);
    core.stop();
    // It is away while reports come in.
    numbers.extend(reported(4));
    core.start();
    let mut customer = core.signed_in(&server);
    let retry = || waiting_is_over(&server);
    paid(&server, &mut customer, &numbers, &retry, |i| {
        if i == 4 {
            core.stop();
            core.start();
        }
    });
    core.has_everything(&server, &retry);
    assert!(core.count("SELECT CAST(sum(status = 500) AS TEXT) FROM answer") > 20);
    assert!(core.count("SELECT CAST(sum(repeated) AS TEXT) FROM answer") > 5);
    // There was no other desk.
    for path in ["/staff", "/staff/login", "/staff/claims.csv"] {
        assert_eq!(server.caller().get(path).status, 404, "{path}");
    }
    // The same events for a warehouse.
    let lines = server.said(&["events"]);
    let all = server.count("SELECT count(*) FROM event");
    assert_eq!(lines.lines().count() as i64, all);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["specversion"], "1.0");
    assert!(
        server
            .said(&["hooks", "list"])
            .contains("0 events given up")
    );
}

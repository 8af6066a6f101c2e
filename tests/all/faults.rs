//! What must hold whatever breaks: an acknowledged report exists once, an acknowledged byte is
//! stored, a resumed file equals the phone's, nothing is half visible. Each test prints how much it
//! tried; `cargo xtask faults` runs them in full.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use baoan_tests::{
    Browser, Caller, End, Fault, Link, Phone, Proxy, Server, Setting, notice, photographs,
    sha256_hex, some_photographs,
};
use claim_api::outbox::{OutPhoto, Outbox, Sending};
use claim_domain::documents::{Folder, Format, claim_form, form_sha256};
use claim_domain::{Catalogue, Notice};
use serde_json::{Value, json};

use crate::journeys::{kept, send, walk};
use crate::papers::now;

/// This many, unless `cargo xtask faults` asks for more.
fn times(name: &str, in_short: u32) -> u32 {
    std::env::var(name)
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(in_short)
}

/// How thorough: every n-th byte or disk operation; 1 for all of them.
fn step(in_short: u32) -> usize {
    times("BAOAN_CUT_STEP", in_short) as usize
}

/// A JPEG of about 4 KiB that no other test uses.
fn picture(number: u32) -> Vec<u8> {
    let mut state = number.wrapping_mul(2_654_435_761).max(1);
    let noise = image::RgbImage::from_fn(72, 72, |_, _| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        image::Rgb([state as u8, (state >> 8) as u8, (state >> 16) as u8])
    });
    baoan_tests::papers::jpeg(&noise)
}

/// A server that trusts the address each phone states, and a connection to it that breaks.
struct Rig {
    server: Server,
    proxy: Proxy,
    at: String,
    phones: AtomicU32,
}

fn rig() -> Rig {
    let server = Server::with(Setting {
        args: &["--behind-proxy"],
        ..Setting::default()
    });
    let (proxy, at) = (Proxy::to(&server.base, None), now(&server));
    Rig {
        server,
        proxy,
        at,
        phones: AtomicU32::new(0),
    }
}

type Plan = Vec<(&'static str, Fault)>;

/// A report with one photo from this phone, to its end.
fn report(phone: &mut Phone, number: u32, at: &str) {
    let told = format!("{:?}", phone.plan);
    if told.contains("Silence") {
        phone.patience = Duration::from_millis(300);
    }
    let bytes = picture(number);
    let photo = OutPhoto {
        id: "photo".into(),
        document: "scene".into(),
        format: Format::Jpeg,
        bytes: bytes.len() as u64,
        sha256: sha256_hex(&bytes),
        facts: None,
        state: Sending::Waiting,
    };
    let mut words: Notice = serde_json::from_value(notice(at)).unwrap();
    // A phone number of its own, and no policy whose owner would be notified: few messages go to a
    // number that has never signed in.
    words.reporter.phone = format!("136{number:08}");
    words.policy = claim_domain::notice::PolicyRef {
        plate: "京Z99999".into(),
        ..Default::default()
    };
    let mut outbox = Outbox::freeze(
        &format!("cut-{number:08}"),
        format!("secret-{number:032}"),
        &words,
        [photo],
    );
    outbox.written();
    phone.carry(
        &mut outbox,
        &BTreeMap::from([("photo".to_owned(), bytes)]),
        512 << 10,
    );
    assert!(
        phone.plan.is_empty(),
        "{told}: not reached: {:?}",
        phone.plan
    );
    assert!(
        outbox.is_done() && outbox.photos[0].state == Sending::Received,
        "{told}: {outbox:?}"
    );
    let kept = phone
        .ask(&format!("/api/v1/submissions/{}", outbox.key))
        .text();
    assert_eq!(
        serde_json::from_str::<Value>(&kept).unwrap()["claim_no"],
        json!(outbox.claim_no()),
        "{told}"
    );
}

impl Rig {
    /// A phone with a session of its own, before anything goes wrong.
    fn phone(&self) -> (Phone<'_>, u32) {
        let number = self.phones.fetch_add(1, Ordering::Relaxed);
        let mut phone = Phone::new(&self.server.base, &self.proxy, number);
        assert_eq!(
            phone
                .call("GET", "/api/v1/session", &[], b"")
                .unwrap()
                .status,
            200
        );
        (phone, number)
    }

    /// One report with one photo, carried to its end whatever goes wrong on the way.
    fn report(&self, plan: Plan) -> Vec<(String, (u64, u64))> {
        let (mut phone, number) = self.phone();
        phone.plan = plan;
        report(&mut phone, number, &self.at);
        phone.sizes
    }

    /// An upload that the person cancels.
    fn delete(&self, plan: Plan) -> Vec<(String, (u64, u64))> {
        let (mut phone, _) = self.phone();
        let tus = ("Tus-Resumable", "1.0.0");
        let made = phone
            .call(
                "POST",
                "/api/v1/uploads",
                &[tus, ("Upload-Length", "10")],
                b"",
            )
            .unwrap();
        let path = made.header("location").unwrap().to_owned();
        phone.plan = plan;
        let gone = loop {
            let answer = phone.call("DELETE", &path, &[tus], b"");
            if let Some(answer) = answer {
                break answer.status;
            }
        };
        assert!(matches!(gone, 204 | 404), "{gone}");
        assert_eq!(phone.call("HEAD", &path, &[tus], b"").unwrap().status, 404);
        phone.sizes
    }

    /// A report without a login, then a code and a sign-in; afterwards the report must exist
    /// exactly once.
    fn sign_in(&self, code_plan: Plan, plan: Plan) -> Vec<(String, (u64, u64))> {
        let (mut phone, number) = self.phone();
        let told = format!("{code_plan:?} {plan:?}");
        let mine = format!("139{number:08}");
        let mut words = notice(&self.at);
        words["reporter"]["phone"] = json!("13712345678");
        let json = ("content-type", "application/json");
        let key = format!("otp-{number:08}");
        let reported = phone
            .call(
                "POST",
                "/api/v1/notices",
                &[json, ("idempotency-key", &key)],
                words.to_string().as_bytes(),
            )
            .unwrap();
        assert_eq!(reported.status, 201);
        let ask = json!({ "phone": mine }).to_string();
        phone.plan = code_plan;
        // No answer: the person asks again, and is told to wait if the first request had arrived.
        let asked = (0..2)
            .find_map(|_| phone.call("POST", "/api/v1/session/code", &[json], ask.as_bytes()))
            .unwrap();
        assert!(
            matches!(asked.status, 204 | 429),
            "{told}: {}",
            asked.text()
        );
        let code = self.server.code_for(&mine);
        let login = json!({ "phone": mine, "code": code }).to_string();
        phone.plan = plan;
        let before = phone.cookie.clone();
        let heard = phone.call("POST", "/api/v1/session", &[json], login.as_bytes());
        assert!(phone.plan.is_empty(), "{told}: not reached");
        if let Some(signed_in) =
            heard.or_else(|| phone.call("POST", "/api/v1/session", &[json], login.as_bytes()))
        {
            // Either this answer arrived, or the first request had succeeded, used up the code and
            // ended the old token.
            match signed_in.status {
                200 => {
                    let claims = phone.call("GET", "/api/v1/claims", &[], b"").unwrap();
                    assert_eq!(
                        serde_json::from_str::<Value>(&claims.text())
                            .unwrap()
                            .as_array()
                            .unwrap()
                            .len(),
                        1,
                        "{told}"
                    );
                }
                401 | 403 | 422 => assert_ne!(
                    phone.cookie, before,
                    "{told}: the old token is no longer good"
                ),
                other => panic!("{told}: {other} {}", signed_in.text()),
            }
        }
        phone.sizes
    }
}

/// Each byte of the request and the answer for `line`, cut in both ways, as often as [`step`] says.
fn cuts(sizes: &[(String, (u64, u64))], line: &'static str, before: &Plan) -> Vec<Plan> {
    let (up, down) = sizes
        .iter()
        .rfind(|(l, _)| l.starts_with(line))
        .unwrap_or_else(|| panic!("no {line} in {sizes:?}"))
        .1;
    let step = step(61);
    let all = (1..=up)
        .map(|n| (true, n))
        .chain((1..=down).map(|n| (false, n)));
    let chosen = all.step_by(step).enumerate();
    // Both ways of breaking at each byte when all are tried, alternating when not.
    let ends = |i: usize| {
        if step == 1 {
            vec![End::Fin, End::Rst]
        } else if i.is_multiple_of(2) {
            vec![End::Fin]
        } else {
            vec![End::Rst]
        }
    };
    chosen
        .flat_map(|(i, (is_up, n))| {
            ends(i).into_iter().map(move |end| {
                if is_up {
                    Fault::Up(n, end)
                } else {
                    Fault::Down(n, end)
                }
            })
        })
        .map(|fault| before.iter().copied().chain([(line, fault)]).collect())
        .collect()
}

const NOTICE: &str = "POST /api/v1/notices";
const CREATE: &str = "POST /api/v1/uploads";
const ASK: &str = "GET /api/v1/submissions";

#[test]
fn cut_at_every_byte_a_claim_request_is_taken_once() {
    let rig = rig();
    let server = &rig.server;
    let catalogue = Catalogue::load(include_str!("../../public/catalog.json")).unwrap();
    let words = notice(&rig.at);
    let (mut phone, _) = rig.phone();
    let json = ("content-type", "application/json");
    // Each from another phone: one alone may not report so often.
    let report = |i: usize| -> String {
        let (mut phone, _) = rig.phone();
        let key = format!("request-{i:08}");
        let answer = phone
            .call(
                "POST",
                "/api/v1/notices",
                &[json, ("idempotency-key", &key)],
                words.to_string().as_bytes(),
            )
            .unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        serde_json::from_str::<Value>(&answer.text()).unwrap()["claim_no"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = report(0);
    let person = json!({ "phone": "13800138000" }).to_string();
    assert_eq!(
        phone
            .call("POST", "/api/v1/session/code", &[json], person.as_bytes())
            .unwrap()
            .status,
        204
    );
    let login =
        json!({ "phone": "13800138000", "code": server.code_for("13800138000") }).to_string();
    assert_eq!(
        phone
            .call("POST", "/api/v1/session", &[json], login.as_bytes())
            .unwrap()
            .status,
        200
    );
    let mut request = json!({ "answers": {}, "unavailable": {}, "typed": {}, "consents": [], "signature": { "strokes": [] }, "form_sha256": "", "tasks": [], "doubts": [] });
    let path = |no: &str| format!("/api/v1/claims/{no}/claim-request");
    let refused = phone
        .call(
            "POST",
            &path(&first),
            &[json, ("idempotency-key", "request-refused")],
            request.to_string().as_bytes(),
        )
        .unwrap();
    let refused: Value = serde_json::from_str(&refused.text()).unwrap();
    for error in refused["errors"].as_array().unwrap() {
        if let Some(document) = error["field"].as_str().unwrap().strip_prefix("/documents/") {
            request["unavailable"][document] = json!("都没有了");
        }
    }
    request["consents"] = json!(
        ["account", "inquiry", "esign"].map(|id| json!({ "id": id, "version": 1, "at": rig.at }))
    );
    request["signature"]["strokes"] = json!([(0..40)
        .map(|i| json!([100 + i * 10, 200 + i % 7 * 60]))
        .collect::<Vec<_>>()]);
    let folder: Folder =
        serde_json::from_value(json!({ "unavailable": request["unavailable"] })).unwrap();
    let mut made = 0;
    let mut run = |plan: Plan| {
        made += 1;
        let number = report(made);
        let told = format!("{plan:?}");
        let view = phone
            .call("GET", &format!("/api/v1/claims/{number}"), &[], b"")
            .unwrap()
            .text();
        let notice: Notice =
            serde_json::from_value(serde_json::from_str::<Value>(&view).unwrap()["notice"].clone())
                .unwrap();
        let mut request = request.clone();
        request["form_sha256"] = json!(form_sha256(&claim_form(
            &catalogue, &number, &notice, &folder
        )));
        let closing = Some((path(&number), request.to_string()));
        let mut outbox = Outbox::for_claim(&format!("closing-{made:08}"), &number, [], closing);
        outbox.written();
        phone.plan = plan;
        phone.carry(&mut outbox, &BTreeMap::new(), 1);
        assert!(
            outbox.is_done() && phone.plan.is_empty(),
            "{told}: {outbox:?}"
        );
        phone.sizes.clone()
    };
    let plain = run(Vec::new());
    let line = "POST /api/v1/claims";
    let plans = cuts(&plain, line, &Vec::new());
    let count = plans.len();
    plans.into_iter().for_each(|plan| drop(run(plan)));
    drop(run(vec![(line, Fault::Twice)]));
    assert_eq!(
        server.count("SELECT count(*) FROM folder WHERE request_sealed IS NOT NULL"),
        made as i64
    );
    assert_eq!(
        server.count("SELECT count(*) FROM event WHERE what LIKE 'requested:%'"),
        made as i64
    );
    println!("claim requests cut: {count}, violations: 0");
}

#[test]
fn a_hundred_at_once_are_one_claim() {
    let rounds = times("BAOAN_ROUNDS", 5);
    let rig = rig();
    let words = notice(&rig.at).to_string();
    let mut other = notice(&rig.at);
    other["narrative"] = json!("别的话");
    let json = ("content-type", "application/json");
    for round in 0..rounds {
        let (phone, _) = rig.phone();
        let key = format!("round-{round:06}");
        let say = |cookie: &str, body: &str| {
            let mut one = Phone::new(&rig.server.base, &rig.proxy, round);
            one.cookie = cookie.to_owned();
            one.call(
                "POST",
                "/api/v1/notices",
                &[json, ("idempotency-key", &key)],
                body.as_bytes(),
            )
            .unwrap()
        };
        let statuses: Vec<(u16, String)> = std::thread::scope(|all| {
            let asked: Vec<_> = (0..100)
                .map(|_| all.spawn(|| say(&phone.cookie, &words)))
                .collect();
            asked
                .into_iter()
                .map(|a| a.join().unwrap())
                .map(|a| (a.status, a.text()))
                .collect()
        });
        assert_eq!(
            statuses.iter().filter(|(s, _)| *s == 201).count(),
            1,
            "round {round}"
        );
        assert_eq!(
            statuses.iter().filter(|(s, _)| *s == 200).count(),
            99,
            "round {round}"
        );
        assert!(
            statuses.iter().all(|(_, text)| *text == statuses[0].1),
            "one answer for all"
        );
        assert_eq!(say(&phone.cookie, &other.to_string()).status, 422);
        let (stranger, _) = rig.phone();
        assert_eq!(say(&stranger.cookie, &words).status, 404);
    }
    assert_eq!(
        rig.server.count("SELECT count(*) FROM claim"),
        i64::from(rounds)
    );
    println!("identical submissions: {rounds} x 100, claims: {rounds}");
}

/// What must be there after these reports, each with one photo, and nothing else.
fn whole(server: &Server, reports: i64, what: &str) {
    for sql in [
        "SELECT count(*) FROM submission",
        "SELECT count(*) FROM claim",
        "SELECT count(*) FROM document",
        "SELECT count(DISTINCT claim_id) FROM document",
        "SELECT count(*) FROM event WHERE what LIKE 'reported:%'",
        "SELECT count(*) FROM document d JOIN upload u ON u.id = d.upload_id AND u.sha256 = d.sha256 AND u.at_offset = u.length",
    ] {
        assert_eq!(server.count(sql), reports, "{what}: {sql}");
    }
    // Follow-ups of an event are caught up if the server crashed in between.
    server.until("each is told once", || {
        server.count("SELECT count(*) FROM message") == reports
    });
    assert_eq!(
        server.count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
        0,
        "{what}"
    );
    let stored: Vec<String> = server
        .stored_files()
        .iter()
        .map(|f| sha256_hex(&std::fs::read(f).unwrap()))
        .collect();
    for number in 0..reports {
        assert!(
            stored.contains(&sha256_hex(&picture(number as u32))),
            "{what}: the bytes of photo {number} are on the disk"
        );
    }
}

/// At each disk operation during reports, the disk fails in every way: the process is killed, the
/// power goes and takes whatever was not synced, the disk is full, the device returns errors.
#[test]
fn whatever_the_disk_does_what_was_acknowledged_is_there() {
    const REPORTS: u32 = 2;
    let template = Server::start();
    let (proxy, at) = (Proxy::to(&template.base, None), now(&template));
    let data = template.data().to_path_buf();
    // Nothing may be written during the copy.
    let mut template = template;
    template.kill();
    let run = |disk: Option<String>| -> (usize, Vec<u16>, bool) {
        let what = format!("{disk:?}");
        let server = RefCell::new(Server::on_copy(
            &data,
            Setting {
                args: &["--behind-proxy"],
                disk,
                ..Setting::default()
            },
        ));
        let base = server.borrow().base.clone();
        let fell = Cell::new(false);
        let mut failures = Vec::new();
        for number in 0..REPORTS {
            let mut phone = Phone::new(&base, &proxy, number);
            let revive = || fell.set(server.borrow_mut().revive() || fell.get());
            for _ in 0..20 {
                match phone.call("GET", "/api/v1/session", &[], b"") {
                    Some(answer) if answer.status == 200 => break,
                    Some(answer) => failures.push(answer.status),
                    None => revive(),
                }
            }
            phone.unanswered = Some(Box::new(revive));
            report(&mut phone, number, &at);
            for failure in &phone.failures {
                // HEAD has no body.
                let named = failure.body.is_empty()
                    || serde_json::from_slice::<Value>(&failure.body)
                        .is_ok_and(|p| p["code"].is_string());
                let typed = failure.header("content-type") == Some("application/problem+json");
                assert!(
                    matches!(failure.status, 503 | 507) && named && typed,
                    "{what}: {failure:?} {}",
                    failure.text()
                );
                failures.push(failure.status);
            }
        }
        let server = server.into_inner();
        whole(&server, i64::from(REPORTS), &what);
        let log = std::fs::read_to_string(server.data().join("disk.log")).unwrap_or_default();
        (log.lines().count(), failures, fell.get())
    };
    let things = run(Some("none 0 0".into())).0;
    assert!(things > 30, "{things} things were done to the disk");
    for kind in ["kill", "power", "full", "error"] {
        let (mut runs, mut falls, mut refusals) = (0, 0, 0);
        for n in (1..=things).step_by(step(9)) {
            let (_, failures, fell) = run(Some(format!("{kind} {n} 3")));
            runs += 1;
            falls += u32::from(fell);
            refusals += failures.len();
        }
        println!(
            "disk, {kind}: at {runs} of {things} things, fell {falls} times, refused {refusals} times, violations: 0"
        );
        assert!(
            if matches!(kind, "kill" | "power") {
                falls > 0
            } else {
                refusals > 0 && falls == 0
            },
            "{kind}: nothing was tried"
        );
    }
}

/// The next of a sequence of pseudo-random numbers that is the same in every run.
fn drawn(state: &mut u64, below: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[test]
fn killed_at_any_moment_the_server_loses_nothing() {
    let kills = times("BAOAN_KILLS", 12);
    let template = Server::start();
    let (proxy, at) = (Proxy::to(&template.base, None), now(&template));
    let server = RefCell::new(Server::on_copy(
        template.data(),
        Setting {
            args: &["--behind-proxy"],
            ..Setting::default()
        },
    ));
    let base = server.borrow().base.clone();
    let (mut luck, mut number, mut fell) = (7, 0, 0);
    while fell < kills {
        let killer = server.borrow().killer();
        let after = Duration::from_micros(drawn(&mut luck, 60_000));
        let moment = std::thread::spawn(move || {
            std::thread::sleep(after);
            killer();
        });
        let revived = Cell::new(0);
        let revive = || revived.set(revived.get() + u32::from(server.borrow_mut().revive()));
        while revived.get() == 0 {
            let mut phone = Phone::new(&base, &proxy, number);
            phone.unanswered = Some(Box::new(revive));
            assert_eq!(phone.ask("/api/v1/session").status, 200);
            report(&mut phone, number, &at);
            number += 1;
            if moment.is_finished() {
                // The server died between two requests.
                revive();
            }
        }
        moment.join().unwrap();
        fell += 1;
    }
    whole(&server.borrow(), i64::from(number), "killed");
    println!("server killed at {fell} moments during {number} reports, violations: 0");
}

/// The order of system calls: the upload's bytes and their sync, the offset and the database's
/// sync, then the answer.
#[test]
fn nothing_is_answered_before_it_is_on_the_disk() {
    let server = Server::with(Setting {
        args: &["--behind-proxy"],
        disk: Some("none 0 0".into()),
        ..Setting::default()
    });
    let (proxy, at) = (Proxy::to(&server.base, None), now(&server));
    let mut phone = Phone::new(&server.base, &proxy, 0);
    assert_eq!(
        phone
            .call("GET", "/api/v1/session", &[], b"")
            .unwrap()
            .status,
        200
    );
    let log = server.data().join("disk.log");
    let mut read = 0;
    // The operations since the last look.
    let mut since = || {
        let text = std::fs::read_to_string(&log).unwrap();
        let news: Vec<String> = text[read..].lines().map(str::to_owned).collect();
        read = text.len();
        news
    };
    let in_order = |calls: &[String], wanted: &[&str]| {
        let mut rest = calls.iter();
        for call in wanted {
            assert!(
                rest.any(|c| c.starts_with(call)),
                "{call} is missing, or not in its place {wanted:?}: {calls:#?}"
            );
        }
        assert!(
            !calls[..calls.len() - rest.len() - 1]
                .iter()
                .any(|c| c.starts_with("answer")),
            "answered too early: {calls:#?}"
        );
    };
    since();
    let tus = ("Tus-Resumable", "1.0.0");
    let made = phone
        .call(
            "POST",
            "/api/v1/uploads",
            &[tus, ("Upload-Length", "4096")],
            b"",
        )
        .unwrap();
    let path = made.header("location").unwrap().to_owned();
    let upload = format!("uploads/{}", path.rsplit('/').next().unwrap());
    in_order(
        &since(),
        &[
            &format!("create {upload}"),
            &format!("sync {upload}"),
            "write claims.sqlite-wal",
            "sync claims.sqlite-wal",
            "answer 201",
        ],
    );
    let headers = [
        tus,
        ("Upload-Offset", "0"),
        ("Content-Type", "application/offset+octet-stream"),
    ];
    assert_eq!(
        phone
            .call("PATCH", &path, &headers, &[7; 4096])
            .unwrap()
            .status,
        204
    );
    in_order(
        &since(),
        &[
            &format!("write {upload}"),
            &format!("sync {upload}"),
            "write claims.sqlite-wal",
            "sync claims.sqlite-wal",
            "answer 204",
        ],
    );
    let keyed = [
        ("content-type", "application/json"),
        ("idempotency-key", "order-00001"),
    ];
    assert_eq!(
        phone
            .call(
                "POST",
                "/api/v1/notices",
                &keyed,
                notice(&at).to_string().as_bytes()
            )
            .unwrap()
            .status,
        201
    );
    in_order(
        &since(),
        &[
            "write claims.sqlite-wal",
            "sync claims.sqlite-wal",
            "answer 201",
        ],
    );
    println!(
        "creation, bytes and notice: written, synced, committed, synced, then answered; violations: 0"
    );
}

/// Continues a report wherever it stands, as somebody would whose phone has discarded the page.
/// `typed` records what was entered in the fields and when; `last`, the page.
async fn go_on(
    browser: &Browser,
    photos: &[PathBuf],
    typed: &mut Vec<(&'static str, &'static str, Instant)>,
    last: &mut String,
) -> Option<()> {
    // Any step may be the last: the browser is killed in the middle of it.
    let driver = &browser.client;
    let run = async |script: &str| driver.execute(script, Vec::new()).await.ok();
    let tap = async |css: &str| -> Option<()> {
        run(&format!(
            "document.querySelector({css:?}).scrollIntoView({{block:'center'}})"
        ))
        .await?;
        driver
            .find(fantoccini::Locator::Css(css))
            .await
            .ok()?
            .click()
            .await
            .ok()
    };
    loop {
        let page =
            run("return [location.pathname, document.querySelectorAll('.shrunk').length, Boolean(document.querySelector('#claim-no'))]")
                .await?;
        let path = page[0].as_str()?.to_owned();
        last.clone_from(&path);
        let mut write = async |field: &'static str, words: &'static str| -> Option<()> {
            let element = driver.find(fantoccini::Locator::Css(field)).await.ok()?;
            if element.prop("value").await.ok()?.unwrap_or_default() != words {
                element.clear().await.ok()?;
                element.send_keys(words).await.ok()?;
                typed.push((field, words, Instant::now()));
            }
            Some(())
        };
        match path.as_str() {
            "/report/safety" => {
                for name in [
                    "injured'][value=no",
                    "road'][value=clear",
                    "special'][value=none",
                ] {
                    tap(&format!("input[name='/scene/{name}]")).await?;
                }
            }
            "/report/what" => tap("input[value='motor.single']").await?,
            "/report/where" => write("#place-text", "杭州市西湖区文三路 90 号").await?,
            "/report/damage" => {
                if run("return document.querySelector('#part-front-left').getAttribute('aria-pressed') !== 'true' && !document.querySelector('#part-front-left').checked").await? == true {
                    tap("#part-front-left").await?;
                }
                write("#narrative", "倒车时撞到柱子").await?;
            }
            "/report/who" => {
                tap("input[name='/reporter/role'][value=driver]").await?;
                write("#reporter-name", "张伟").await?;
                write("#reporter-phone", "13800138000").await?;
            }
            "/report/policy" => write("#policy-plate", "浙A12345").await?,
            "/report/photos" => {
                // Shown as lost, or never ready: remove it and choose it again.
                let missing = run("for (const b of document.querySelectorAll('.photos li:not(:has(.shrunk)) button')) { b.click(); } return document.querySelectorAll('.shrunk').length").await?;
                for photo in photos.iter().skip(missing.as_u64()? as usize) {
                    let album = driver.find(fantoccini::Locator::Css("#album")).await.ok()?;
                    album.send_keys(&photo.display().to_string()).await.ok()?;
                }
                let all = format!(
                    "return document.querySelectorAll('.shrunk').length === {}",
                    photos.len()
                );
                while run(&all).await? != true {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
            }
            "/report/check" => {
                for consent in ["#consents-privacy", "#consents-truth"] {
                    if run(&format!(
                        "return document.querySelector({consent:?}).checked"
                    ))
                    .await?
                        == false
                    {
                        tap(consent).await?;
                    }
                }
            }
            "/report/done" => {
                let over = "return Boolean(document.querySelector('#photo-status') && document.querySelector('#photo-status').innerText.includes('照片已全部收到'))";
                while run(over).await? != true {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
                return Some(());
            }
            _ => {}
        }
        if path.starts_with("/report/") && path != "/report/done" {
            tap("button[type=submit]").await?;
            let moved = format!("return location.pathname !== {path:?}");
            for _ in 0..200 {
                if run(&moved).await? == true {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        } else {
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }
}

/// A report, without a kill, takes seconds.
const LONGEST: Duration = Duration::from_secs(120);

/// The whole browser, not only its page, with SIGKILL, at moments spread over a journey with
/// photos.
#[tokio::test]
async fn killed_at_any_moment_the_phone_loses_nothing() {
    let kills = times("BAOAN_BROWSER_KILLS", 3);
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let server = Server::start();
    let (mut luck, mut fell, mut reports) = (11, 0, 0);
    while fell < kills {
        let mut browser = Browser::phone().await;
        browser.at(&server.url("/report")).await;
        let (mut typed, mut last) = (Vec::new(), String::new());
        loop {
            let killer = browser.killer();
            let after = Duration::from_millis(300 + drawn(&mut luck, 4_000));
            let kill = fell < kills;
            let moment = tokio::spawn(async move {
                tokio::time::sleep(after).await;
                // The driver may notice seconds later.
                let at = Instant::now();
                if kill {
                    tokio::task::spawn_blocking(killer).await.unwrap();
                }
                at
            });
            let Ok(over) =
                tokio::time::timeout(LONGEST, go_on(&browser, &photos, &mut typed, &mut last))
                    .await
            else {
                let shown = tokio::time::timeout(LONGEST, browser.text("body")).await;
                panic!("after {fell} kills nothing goes on at {last}: {shown:?}");
            };
            if over.is_some() {
                moment.abort();
                break;
            }
            let killed = moment.await.unwrap();
            fell += 1;
            browser = browser.again().await;
            // The page to which the phone returns the person.
            browser.at(&server.url(&last)).await;
            // What was typed more than a second before is there.
            let kept = kept(&browser, "draft").await;
            for (field, words, at) in &typed {
                let answer = match *field {
                    "#place-text" => "place",
                    "#narrative" => "narrative",
                    "#reporter-name" => "name",
                    "#reporter-phone" => "phone",
                    _ => "plate",
                };
                // A report that was received meanwhile is no longer a draft.
                let received =
                    browser.run("return location.pathname").await == json!("/report/done");
                if killed.saturating_duration_since(*at) > Duration::from_secs(1)
                    && kept["id"].is_string()
                    && !received
                {
                    let there = kept["answers"][answer].as_str().unwrap_or_default();
                    let sent = kept["answers"]["incident"] == json!("");
                    assert!(
                        there == *words || sent,
                        "{answer} is {there:?} after {fell} kills: {kept}"
                    );
                }
            }
        }
        reports += 1;
    }
    assert_eq!(
        server.count("SELECT count(*) FROM claim"),
        reports,
        "one claim each"
    );
    assert_eq!(
        server.count("SELECT count(*) FROM document"),
        reports * photos.len() as i64,
        "every photo once"
    );
    println!("browser killed at {fell} moments during {reports} reports, violations: 0");
}

/// 3G at the edge of a cell: 400 kbit/s, 300 ms, 5 % of the packets retransmitted, and an outage in
/// the middle.
#[tokio::test]
async fn five_photos_arrive_over_a_bad_link_without_a_hand() {
    // In the short run: a link four times as good.
    let outage = Duration::from_secs(u64::from(times("BAOAN_OUTAGE", 3)));
    let better = if outage.as_secs() < 60 { 4 } else { 1 };
    let folder = tempfile::tempdir().unwrap();
    let photos = some_photographs(folder.path(), 5);
    let server = Server::start();
    let link = Link {
        bytes_per_second: 50_000 * better,
        delay: Duration::from_millis(300 / better),
        lost_percent: 5,
    };
    let proxy = Proxy::to(&server.base, Some(link));
    let browser = Browser::phone().await;
    browser.at(&format!("{}/report", proxy.base)).await;
    walk(&browser, &photos, async |_, _| {}).await;
    let began = Instant::now();
    send(&browser).await;
    let numbered = began.elapsed();
    // The first pieces are on their way.
    browser
        .until("sending", "document.querySelector('progress').value > 0")
        .await;
    proxy.outage(outage);
    let end = Instant::now() + Duration::from_secs(200);
    let all = "return document.querySelector('#photo-status').innerText.includes('照片已全部收到')";
    while browser.run(all).await != true {
        assert!(Instant::now() < end, "{}", browser.text("main").await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let bytes: u64 = server
        .stored_files()
        .iter()
        .map(|f| f.metadata().unwrap().len())
        .sum();
    println!(
        "the number after {} ms; five photos, {} KB, through an outage of {} s: {} s",
        numbered.as_millis(),
        bytes / 1000,
        outage.as_secs(),
        began.elapsed().as_secs()
    );
    assert_eq!(server.count("SELECT count(*) FROM document"), 5);
}

mod server {
    use super::*;

    #[test]
    fn cut_at_every_byte_a_report_arrives_once_and_whole() {
        let rig = rig();
        let lost = |line| (line, Fault::Down(1, End::Rst));
        let plain = rig.report(Vec::new());
        let asked = rig.report(vec![lost(NOTICE)]);
        let resumed = rig.report(vec![lost("PATCH")]);
        let mut all = Vec::new();
        for line in [NOTICE, CREATE, "PATCH", "PUT"] {
            all.extend(cuts(&plain, line, &Vec::new()));
            all.push(vec![(line, Fault::Twice)]);
            all.push(vec![
                (line, Fault::Up(1, End::Rst)),
                (line, Fault::Up(9, End::Fin)),
                (line, Fault::Up(99, End::Rst)),
            ]);
        }
        all.extend(cuts(&asked, ASK, &vec![lost(NOTICE)]));
        all.extend(cuts(&resumed, "HEAD", &vec![lost("PATCH")]));
        let reports = all.len() as i64 + 3;
        for plan in all {
            rig.report(plan);
        }
        whole(&rig.server, reports, "cut");
        println!("reports cut: {}, violations: 0", reports - 3);
    }

    #[test]
    fn cut_at_every_byte_taking_back_and_signing_in_are_done_or_not_done() {
        let rig = rig();
        let deleted = rig.delete(Vec::new());
        let signed_in = rig.sign_in(Vec::new(), Vec::new());
        let mut count = 0;
        for plan in cuts(&deleted, "DELETE", &Vec::new()) {
            rig.delete(plan);
            count += 1;
        }
        for plan in cuts(&signed_in, "POST /api/v1/session/code", &Vec::new()) {
            rig.sign_in(plan, Vec::new());
            count += 1;
        }
        for plan in cuts(&signed_in, "POST /api/v1/session", &Vec::new()) {
            rig.sign_in(Vec::new(), plan);
            count += 1;
        }
        let server = &rig.server;
        assert_eq!(
            server.stored_files().len(),
            0,
            "what was taken back is gone"
        );
        assert_eq!(server.count("SELECT count(*) FROM upload"), 0);
        let claims = server.count("SELECT count(*) FROM claim");
        assert_eq!(
            server.count("SELECT count(DISTINCT claim_id) FROM party"),
            claims,
            "every report belongs to somebody"
        );
        let foreign = "SELECT count(*) FROM party p JOIN subject s ON s.id = p.subject_id WHERE s.phone_index IS NULL \
                       AND p.claim_id IN (SELECT p2.claim_id FROM party p2 JOIN subject s2 ON s2.id = p2.subject_id WHERE s2.phone_index IS NOT NULL)";
        assert_eq!(server.count(foreign), 0, "moved along whole or not at all");
        let twice = "SELECT count(*) FROM (SELECT phone_index FROM otp GROUP BY phone_index HAVING count(*) > 1)";
        assert_eq!(server.count(twice), 0, "one message a minute");
        println!("requests cut: {count}, violations: 0");
    }

    /// No answer arrives for a while: the client gives up and asks again.
    #[test]
    fn silence_ends_by_itself() {
        let rig = rig();
        for line in [NOTICE, CREATE, "PATCH", "PUT"] {
            rig.report(vec![(line, Fault::Up(100, End::Silence))]);
            rig.report(vec![(line, Fault::Down(10, End::Silence))]);
        }
        println!("silent requests and answers: 8, violations: 0");
    }

    #[test]
    fn with_ten_thousand_open_uploads_it_starts_in_three_seconds() {
        let mut server = Server::start();
        server.kill();
        let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
                    INSERT INTO upload (id, subject_id, length, at_offset, key_sealed, touched_at) \
                    SELECT substr('upload-' || i || '-------------------------------------------', 1, 43), (SELECT id FROM subject LIMIT 1), 1000, 500, 'x', \
                    unixepoch() FROM n";
        server.write("INSERT INTO subject (id, created_at) VALUES ('somebody', 0)");
        server.write(fill);
        for i in 1..=10_000 {
            let name: String = format!("upload-{i}-------------------------------------------")
                .chars()
                .take(43)
                .collect();
            std::fs::write(server.data().join("uploads").join(name), [0; 600]).unwrap();
        }
        assert_eq!(server.count("SELECT count(*) FROM upload"), 10_000);
        let began = Instant::now();
        server.start_again();
        assert_eq!(server.caller().get("/healthz").status, 200);
        println!(
            "10 000 open uploads: answers after {} ms",
            began.elapsed().as_millis()
        );
        assert!(began.elapsed() < Duration::from_secs(3));
    }

    /// One hour and ten years, forward and back, while the server runs: codes and sessions fail
    /// closed, nothing that was received is lost, and the timeline keeps its order.
    #[test]
    fn when_the_servers_clock_jumps_nothing_is_lost_and_nobody_is_let_in() {
        let (hour, years) = (3_600, 10 * 365 * 86_400);
        let (mut cases, mut refused) = (0, 0);
        for wrong in [hour, -hour, years, -years] {
            let server = Server::with(Setting {
                clock: true,
                ..Setting::default()
            });
            let at = now(&server);
            let mut reporter = server.caller();
            let answer = reporter.report("clock-0001", &notice(&at));
            assert_eq!(answer.status, 201, "{answer:?}");
            let no = answer.json()["claim_no"].as_str().unwrap().to_owned();
            let headers = [("tus-resumable", "1.0.0"), ("upload-length", "4096")];
            let upload = reporter
                .send("POST", "/api/v1/uploads", &headers, b"")
                .header("location")
                .unwrap()
                .to_owned();
            let part = [
                ("tus-resumable", "1.0.0"),
                ("upload-offset", "0"),
                ("content-type", "application/offset+octet-stream"),
            ];
            assert_eq!(
                reporter.send("PATCH", &upload, &part, &[7; 1000]).status,
                204
            );
            // One customer is signed in, another's code is on its way.
            let (mut there, mut coming) = (server.caller(), server.caller());
            there.sign_in(&server, "13800138000");
            let asked = json!({ "phone": "13900139000" });
            assert_eq!(coming.post("/api/v1/session/code", &asked).status, 204);
            let code = json!({ "phone": "13900139000", "code": server.code_for("13900139000") });
            let mut staff = Caller::staff(&server, "supervisor");

            server.set_clock(wrong);
            assert_eq!(
                coming.post("/api/v1/session", &code).code(),
                "otp-invalid",
                "{wrong}"
            );
            assert_eq!(
                there.get("/api/v1/session").json()["signed_in"],
                json!(false),
                "{wrong}"
            );
            assert_eq!(
                there.get(&format!("/api/v1/claims/{no}")).code(),
                "session-expired",
                "{wrong}"
            );
            assert_eq!(
                staff.get(&format!("/staff/claims/{no}")).status,
                303,
                "{wrong}"
            );
            refused += 4;
            // The other clock must not lock anybody out for long.
            assert_eq!(
                coming.post("/api/v1/session/code", &asked).status,
                204,
                "{wrong}"
            );
            let code = json!({ "phone": "13900139000", "code": server.code_for("13900139000") });
            assert_eq!(coming.post("/api/v1/session", &code).status, 200, "{wrong}");
            there.sign_in(&server, "13800138000");
            let mut staff = Caller::staff(&server, "supervisor");
            let step = staff.step(
                &no,
                &[("kind", "survey-started"), ("surveyor", "赵 工号 2001")],
            );
            assert_eq!(step.status, 303, "{wrong}: {step:?}");

            let events = there
                .get(&format!("/api/v1/claims/{no}/timeline?after=0"))
                .json();
            let order: Vec<i64> = events["events"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|e| e["seq"].as_i64())
                .collect();
            assert!(order.len() >= 3 && order.is_sorted(), "{wrong}: {events}");

            server.set_clock(0);
            assert_eq!(
                reporter
                    .send("HEAD", &upload, &[("tus-resumable", "1.0.0")], b"")
                    .header("upload-offset"),
                Some("1000"),
                "{wrong}"
            );
            assert_eq!(
                reporter.report("clock-0001", &notice(&at)).status,
                200,
                "{wrong}"
            );
            assert_eq!(
                (
                    server.count("SELECT count(*) FROM claim"),
                    server.count("SELECT count(*) FROM submission")
                ),
                (1, 1)
            );
            cases += 1;
        }
        println!(
            "the server's clock jumped {cases} times and back, {refused} codes and sessions refused, violations: 0"
        );
    }
}

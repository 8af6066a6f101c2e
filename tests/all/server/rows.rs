//! What is promised after the report, one test for each promise that no test in `life` is named
//! after. The letters are those of docs/COVERAGE.md.

use baoan_tests::{Answer, Caller, Server, all_good};
use serde_json::{Value, json};

use crate::papers::{claim_of, lift, name_payees, now, request};

const PHONE: &str = "13800138000";
const SURVEY: &[(&str, &str)] = &[("kind", "survey-skipped"), ("reason", "照片足够")];
const ASSESSED: &[(&str, &str)] = &[
    ("kind", "assessed"),
    ("lines", "前保险杠 更换 800.00\n喷漆 工时 400"),
];
const ACCEPTED: &[(&str, &str)] = &[("kind", "assessment-accepted")];

/// A claim that the supervisor took this far, with its insured person signed in. A decision follows
/// a claim request; an approval has no document in its way.
fn claim(server: &Server, steps: &[&[(&str, &str)]]) -> (String, Caller) {
    let mut caller = server.caller();
    let number = claim_of(&mut caller, server, |_| {});
    caller.sign_in(server, PHONE);
    taken(server, &mut caller, &number, steps);
    (number, caller)
}

fn taken(server: &Server, caller: &mut Caller, number: &str, steps: &[&[(&str, &str)]]) {
    let is = |kinds: &[&str]| {
        steps.iter().any(|s| {
            s.iter()
                .any(|(name, value)| *name == "kind" && kinds.contains(value))
        })
    };
    let mut staff = Caller::staff(server, "supervisor");
    if is(&["approved", "rejected", "sent-back", "assessment-accepted"]) {
        request(caller, server, number);
    }
    for fields in steps {
        let answer = staff.step(number, fields);
        assert_eq!(answer.status, 303, "{fields:?}: {answer:?}");
    }
    if is(&["approved"]) {
        lift(server, caller, number);
    }
}

fn take(caller: &mut Caller, number: &str, what: Value) -> Answer {
    caller.post(
        &format!("/api/v1/claims/{number}/steps"),
        &json!({ "what": what }),
    )
}

fn view(caller: &mut Caller, number: &str) -> Value {
    caller.get(&format!("/api/v1/claims/{number}")).json()
}

fn approved(extra: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut fields = vec![("kind", "approved"), ("basis", "车损险第六条")];
    fields.extend(extra);
    all_good(&fields)
}

fn rejected() -> Vec<(&'static str, &'static str)> {
    all_good(&[
        ("kind", "rejected"),
        ("clause", "第八条"),
        ("facts", "驾驶证过期"),
        ("evidence", "查询结果"),
    ])
}

fn name_payee(caller: &mut Caller, number: &str, card: &str) -> Answer {
    crate::papers::name_payee(caller, number, "张伟", card)
}

#[test]
fn d1_a_policy_in_force_is_registered_at_once_and_a_lapsed_one_waits_for_a_person() {
    let server = Server::start();
    let mut caller = server.caller();
    let good = claim_of(&mut caller, &server, |_| {});
    let lapsed = claim_of(&mut caller, &server, |n| {
        n["policy"] = json!({ "plate": "京A54321" })
    });
    caller.sign_in(&server, PHONE);
    assert_eq!(
        view(&mut caller, &good)["summary"]["stage"],
        json!("registered")
    );
    assert_eq!(
        view(&mut caller, &lapsed)["summary"]["stage"],
        json!("reported")
    );
    assert!(
        Caller::staff(&server, "intake")
            .get("/staff")
            .text
            .contains(&lapsed)
    );
}

#[test]
fn d3_photos_that_are_enough_make_the_survey_unnecessary_and_say_so() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY]);
    let events = view(&mut caller, &number)["events"].to_string();
    assert!(
        events.contains("照片足够") && !events.contains("survey-started"),
        "{events}"
    );
}

#[test]
fn d4_the_customers_word_stands_beside_the_survey_and_changes_nothing_of_it() {
    let server = Server::start();
    let survey: [&[(&str, &str)]; 2] = [
        &[("kind", "survey-started"), ("surveyor", "赵 工号 2001")],
        &[("kind", "survey-reported"), ("report", "右侧剐蹭")],
    ];
    let (number, mut caller) = claim(&server, &survey);
    assert_eq!(
        take(
            &mut caller,
            &number,
            json!({ "survey-remarked": { "text": "是左侧" } })
        )
        .status,
        201
    );
    let events = view(&mut caller, &number)["events"].to_string();
    assert!(events.contains("右侧剐蹭") && events.contains("是左侧"));
}

#[test]
fn d5_an_injury_is_seen_by_staff_at_once_and_asks_for_its_own_papers() {
    let server = Server::start();
    let mut caller = server.caller();
    let hurt = |n: &mut Value| {
        n["incident"] = json!("motor.multi");
        n["scene"] = json!({ "injured": true, "road": "clear", "special": "none" });
        let at = n["loss_at"].clone();
        n["consents"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "id": "medical", "version": 1, "at": at }));
    };
    let number = claim_of(&mut caller, &server, hurt);
    assert!(
        Caller::staff(&server, "intake")
            .get(&format!("/staff/claims/{number}"))
            .text
            .contains("有人受伤")
    );
    caller.sign_in(&server, PHONE);
    let tasks = caller
        .get(&format!("/api/v1/claims/{number}/requirements"))
        .text;
    assert!(tasks.contains("injured_id"), "{tasks}");
    assert_eq!(
        view(&mut caller, &number)["fast"],
        json!(false),
        "no fast track where somebody is hurt"
    );
}

#[test]
fn d6_an_investigation_has_a_reason_and_an_end_and_nobody_is_accused() {
    let server = Server::start();
    let until = claim_domain::local_day(
        claim_domain::Moment::from_rfc3339(&now(&server))
            .unwrap()
            .plus_seconds(10 * 86_400),
    )
    .to_string();
    let mark = [
        ("kind", "marked"),
        ("overlay", "investigating"),
        ("reason", "核实事故经过"),
        ("until", &*until),
    ];
    let (number, mut caller) = claim(&server, &[&mark]);
    let whole = view(&mut caller, &number);
    assert!(whole["events"].to_string().contains(&until) && whole["fast"] == json!(false));
    for word in ["欺诈", "可疑", "风险", "fraud", "score"] {
        assert!(!whole.to_string().contains(word), "{word}");
    }
}

#[test]
fn e1_lines_make_the_total_and_every_version_can_be_seen() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED]);
    assert_eq!(
        take(
            &mut caller,
            &number,
            json!({ "assessment-objected": { "version": 1, "reason": "少了大灯" } })
        )
        .status,
        201
    );
    let again = [
        ("kind", "assessed"),
        (
            "lines",
            "前保险杠 更换 800.00\n喷漆 工时 400\n大灯 更换 950.5",
        ),
        ("answer", "补上大灯"),
    ];
    assert_eq!(
        Caller::staff(&server, "assessor")
            .step(&number, &again)
            .status,
        303
    );
    let events = view(&mut caller, &number)["events"]
        .as_array()
        .unwrap()
        .clone();
    let totals: Vec<(i64, i64)> = events
        .iter()
        .filter_map(|e| {
            let lines = e["what"]["assessed"]["lines"].as_array()?;
            Some((
                lines.iter().map(|l| l["fen"].as_i64().unwrap()).sum(),
                e["what"]["assessed"]["total_fen"].as_i64()?,
            ))
        })
        .collect();
    assert_eq!(totals, [(120_000, 120_000), (215_050, 215_050)]);
}

#[test]
fn e4_after_an_objection_an_appraisers_report_is_taken() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED]);
    let has = |caller: &mut Caller| {
        let tasks = caller
            .get(&format!("/api/v1/claims/{number}/requirements"))
            .json()["tasks"]
            .clone();
        tasks
            .as_array()
            .unwrap()
            .iter()
            .any(|t| t["document"] == "adjuster_report")
    };
    assert!(!has(&mut caller));
    assert_eq!(
        take(
            &mut caller,
            &number,
            json!({ "assessment-objected": { "version": 1, "reason": "价格低" } })
        )
        .status,
        201
    );
    assert!(has(&mut caller));
    let report = baoan_tests::papers::jpeg(&baoan_tests::papers::page(1800, 1300, 3));
    assert_eq!(
        crate::papers::attached(&mut caller, &number, "adjuster_report", &report).status,
        200
    );
}

#[test]
fn f1_a_decision_comes_with_its_sum_and_its_date() {
    let server = Server::start();
    let (number, mut caller) = claim(
        &server,
        &[
            SURVEY,
            ASSESSED,
            ACCEPTED,
            &approved(&[("deductible_rate", "5"), ("deductible", "100")]),
        ],
    );
    let events = view(&mut caller, &number)["events"].clone();
    let decision = events
        .as_array()
        .unwrap()
        .iter()
        .find_map(|e| e["what"].get("approved"))
        .unwrap()
        .clone();
    let payout: claim_domain::payout::Payout =
        serde_json::from_value(decision["awards"][0]["payout"].clone()).unwrap();
    assert_eq!(
        (payout.result_fen(), decision["amount_fen"].as_i64()),
        (104_000, Some(104_000))
    );
}

#[test]
fn f3_an_approval_names_who_when_and_why_and_cannot_be_changed() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, &approved(&[])]);
    let events = view(&mut caller, &number)["events"].clone();
    let event = events
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["what"].get("approved").is_some())
        .unwrap()
        .clone();
    assert!(
        event["actor"]["staff"]["name"].is_string()
            && event["at"].is_string()
            && event["what"]["approved"]["basis"] == "车损险第六条"
    );
    for method in ["PUT", "PATCH", "DELETE"] {
        for path in ["timeline", "steps"] {
            assert_eq!(
                caller
                    .send(method, &format!("/api/v1/claims/{number}/{path}"), &[], b"")
                    .status,
                405,
                "{method} {path}"
            );
        }
    }
}

#[test]
fn f4_the_result_is_told_at_once_and_stands_in_a_letter() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, &approved(&[])]);
    assert_eq!(
        server
            .caller()
            .get("/demo/outbox")
            .text
            .matches("核定结果出来了")
            .count(),
        1
    );
    let events = view(&mut caller, &number)["events"].clone();
    let seq = events
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["what"].get("approved").is_some())
        .unwrap()["seq"]
        .clone();
    let path = format!("/api/v1/claims/{number}/letters/{seq}");
    let letter = caller
        .send("GET", &path, &[("accept", "application/json")], b"")
        .json();
    let text = letter.to_string();
    for part in [
        "核定书",
        "¥1,200.00",
        "车损险第六条",
        "十日内",
        "申请复核",
        "12378",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = caller.get(&path);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
            && page.text.contains("核定书")
    );
    assert_eq!(
        caller
            .get(&format!("/api/v1/claims/{number}/letters/1"))
            .status,
        404,
        "nothing is written about a report"
    );
}

#[test]
fn g1_an_account_is_checked_and_never_shown_whole() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[]);
    let wrong = name_payee(&mut caller, &number, "6222020000000000001");
    assert_eq!(
        (wrong.status, wrong.json()["errors"][0]["field"].clone()),
        (422, json!("/payees/0/account"))
    );
    assert_eq!(
        name_payee(&mut caller, &number, "6222 0200 0000 0000 000").status,
        200
    );
    for path in [
        format!("/api/v1/claims/{number}"),
        "/api/v1/me".into(),
        format!("/api/v1/claims/{number}/timeline"),
    ] {
        assert!(
            !caller.get(&path).text.contains("6222020000000000000"),
            "{path}"
        );
    }
    let (mut intake, mut finance) = (
        Caller::staff(&server, "intake"),
        Caller::staff(&server, "finance"),
    );
    assert_eq!(
        intake.get(&format!("/staff/claims/{number}/payees")).status,
        404
    );
    assert!(
        finance
            .get(&format!("/staff/claims/{number}/payees"))
            .text
            .contains("6222020000000000000")
    );
    assert_eq!(
        server.count("SELECT count(*) FROM look WHERE document_id = 'payee'"),
        1,
        "who looked is written down"
    );
}

#[test]
fn g2_an_account_of_somebody_else_says_whose_and_asks_for_three_papers() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[]);
    let agent = |relation: &str| json!([{ "kind": "agent", "holder": "李娜", "id_no": "310101199003071230", "account": "6222020000000000000", "relation": relation, "share": "equal" }]);
    let unsaid = name_payees(&mut caller, &number, agent(""));
    assert_eq!(
        (unsaid.status, unsaid.json()["errors"][0]["field"].clone()),
        (422, json!("/payees/0/relation"))
    );
    let tasks = |caller: &mut Caller| -> Vec<String> {
        let tasks = caller
            .get(&format!("/api/v1/claims/{number}/requirements"))
            .json()["tasks"]
            .clone();
        let wanted = tasks
            .as_array()
            .unwrap()
            .iter()
            .filter(|t| t["state"] == "todo" && t["need"] == "required");
        wanted
            .map(|t| t["document"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = tasks(&mut caller);
    assert_eq!(name_payees(&mut caller, &number, agent("妻子")).status, 200);
    let mut added = tasks(&mut caller);
    added.retain(|d| !before.contains(d));
    added.sort();
    assert_eq!(added, ["payee_auth.1", "payee_id.1", "relation_proof.1"]);
}

#[test]
fn g3_g4_a_payment_says_from_where_and_is_booked_once() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, &approved(&[])]);
    assert_eq!(
        name_payee(&mut caller, &number, "6222020000000000000").status,
        200
    );
    assert_eq!(
        Caller::staff(&server, "finance")
            .step(
                &number,
                &[("kind", "payment-ordered"), ("instruction", "G1")]
            )
            .status,
        303
    );
    let paid = json!({ "instruction": "G1", "paid": true, "reference": "R1" });
    for _ in 0..3 {
        assert_eq!(server.bank(&paid).status, 204);
    }
    assert_eq!(
        server
            .bank(&json!({ "instruction": "G9", "paid": true, "reference": "R1" }))
            .status,
        404
    );
    let events = view(&mut caller, &number)["events"].clone();
    let payments: Vec<&Value> = events
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["what"].get("paid"))
        .collect();
    assert_eq!(payments.len(), 1);
    let sum: i64 = payments[0]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["fen"].as_i64().unwrap())
        .sum();
    assert_eq!(
        (
            sum,
            payments[0]["last4"].clone(),
            payments[0]["reference"].clone()
        ),
        (120_000, json!("0000"), json!("R1"))
    );
}

#[test]
fn h1_h5_the_timeline_is_the_events_and_a_step_back_says_why() {
    let server = Server::start();
    let back: &[(&str, &str)] = &[
        ("kind", "sent-back"),
        ("to", "assessing"),
        ("reason", "大灯漏了"),
    ];
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, back]);
    let whole = view(&mut caller, &number);
    assert_eq!(
        (
            whole["summary"]["stage"].clone(),
            whole["events"].to_string().contains("大灯漏了")
        ),
        (json!("assessing"), true)
    );
    assert_eq!(
        caller
            .get(&format!("/api/v1/claims/{number}/timeline"))
            .json()["events"],
        whole["events"]
    );
}

#[test]
fn h2_each_event_has_one_message_and_none_says_too_much() {
    let server = Server::start();
    let (number, _) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, &approved(&[])]);
    let outbox = server.caller().get("/demo/outbox").text;
    let about: Vec<&str> = outbox
        .split("class=\"message\"")
        .filter(|m| m.contains(&number))
        .collect();
    assert_eq!(about.len(), 4, "reported, requested, assessed, approved");
    assert!(
        about
            .iter()
            .all(|m| !m.contains('¥') && !m.contains("张伟") && !m.contains("浙A12345"))
    );
    // Each is sent once or waits for the morning; the send log names nobody.
    server.until("sent or waiting for the day", || {
        server
            .count("SELECT count(*) FROM message WHERE state = 'queued' AND next_at <= unixepoch()")
            == 0
    });
    let log = std::fs::read_to_string(server.data().join("messages.log")).unwrap();
    assert!(
        log.contains("138****8000") && !log.contains("13800138000") && log.contains("（验证码）"),
        "{log}"
    );
}

#[test]
fn h3_who_wants_few_messages_gets_those_that_matter() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[]);
    let wants = json!({ "by_day": false, "optional": false }).to_string();
    assert_eq!(
        caller
            .send(
                "PUT",
                "/api/v1/preferences",
                &[("content-type", "application/json")],
                wants.as_bytes()
            )
            .status,
        200
    );
    let mut staff = Caller::staff(&server, "supervisor");
    request(&mut caller, &server, &number);
    for fields in [
        SURVEY,
        ASSESSED,
        ACCEPTED,
        &*rejected(),
        &[("kind", "closed")],
    ] {
        assert_eq!(staff.step(&number, fields).status, 303);
    }
    assert_eq!(
        server.count("SELECT count(*) FROM message WHERE kind = 'closed'"),
        0,
        "not needed"
    );
    assert_eq!(
        server.count("SELECT count(*) FROM message WHERE kind = 'rejected'"),
        1
    );
    server.until("sent at any hour", || {
        server.count("SELECT count(*) FROM message WHERE kind = 'rejected' AND state = 'sent'") == 1
    });
    assert!(
        view(&mut caller, &number)["events"]
            .to_string()
            .contains("letter-delivered")
    );
}

#[test]
fn h4_a_shared_link_shows_stages_only_and_ends_when_it_is_taken_back() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED]);
    let shares = format!("/api/v1/claims/{number}/shares");
    let path = caller.post(&shares, &Value::Null).json()["path"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = server.follow(&path);
    assert!(
        shown.status == 200
            && shown.text.contains("定损")
            && !shown.text.contains("1,200")
            && !shown.text.contains("张"),
        "{shown:?}"
    );
    assert_eq!(caller.send("DELETE", &shares, &[], b"").status, 204);
    assert_eq!(server.follow(&path).status, 410);
}

#[test]
fn h6_what_waits_for_me_comes_first() {
    let server = Server::start();
    let (waiting, mut caller) = claim(&server, &[SURVEY, ASSESSED]);
    let newer = claim_of(&mut caller, &server, |_| {});
    // Nothing is left to do for the newer one: the missing documents were explained, and staff have
    // to review that.
    request(&mut caller, &server, &newer);
    let list = caller.get("/api/v1/claims").json();
    let numbers: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["claim_no"].as_str().unwrap())
        .collect();
    assert_eq!(numbers, [&*waiting, &*newer]);
}

#[test]
fn i2_m1_m2_the_figures_are_those_of_the_events() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, &approved(&[])]);
    assert_eq!(
        name_payee(&mut caller, &number, "6222020000000000000").status,
        200
    );
    let mut finance = Caller::staff(&server, "finance");
    assert_eq!(
        finance
            .step(
                &number,
                &[("kind", "payment-ordered"), ("instruction", "I1")]
            )
            .status,
        303
    );
    assert_eq!(
        finance
            .step(&number, &[("kind", "paid"), ("reference", "R1")])
            .status,
        303
    );
    claim_of(&mut server.caller(), &server, |_| {});
    let page = finance.get("/staff/figures").text;
    let plain: String = page
        .split('<')
        .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
        .collect::<Vec<_>>()
        .join(" ");
    assert!(plain.contains("2  件") || plain.contains("2 件"), "{plain}");
    assert!(
        plain.contains("¥1,200.00") && page.contains("data-clock=\"pay\""),
        "{plain}"
    );
    // Counted by hand: paid once in time, first contact kept once (the second claim's deadline
    // still runs).
    let row = |clock: &str| {
        page.split(&format!("data-clock=\"{clock}\""))
            .nth(1)
            .unwrap()
            .split("</tr>")
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(
        row("pay").contains("<td>1</td><td>0</td>"),
        "{}",
        row("pay")
    );
    assert!(
        row("contact").contains("<td>1</td><td>0</td>"),
        "{}",
        row("contact")
    );
}

#[test]
fn i4_a_refused_claim_says_until_when_it_can_be_taken_to_court() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, &rejected()]);
    let deadlines = view(&mut caller, &number)["deadlines"].clone();
    let limitation = deadlines
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["clock"] == "limitation")
        .unwrap()
        .clone();
    let due = claim_domain::Moment::from_rfc3339(limitation["due"].as_str().unwrap()).unwrap();
    let loss = claim_domain::Moment::from_rfc3339(&now(&server)).unwrap();
    assert_eq!(
        claim_domain::local_day(loss).plus_years(2),
        claim_domain::local_day(due.plus_seconds(-1))
    );
}

#[test]
fn j5_the_cause_of_a_dispute_is_noted_when_it_ends() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED]);
    assert_eq!(
        Caller::staff(&server, "adjudicator")
            .step(&number, &rejected())
            .status,
        303
    );
    assert_eq!(
        take(
            &mut caller,
            &number,
            json!({ "review-asked": { "reason": "不服", "wish": "" } })
        )
        .status,
        201
    );
    let mut supervisor = Caller::staff(&server, "supervisor");
    let answer = [
        ("kind", "review-answered"),
        ("overturned", "no"),
        ("text", "条款明确"),
    ];
    assert_eq!(
        supervisor.step(&number, &answer).status,
        422,
        "without a cause"
    );
    assert_eq!(
        supervisor
            .step(&number, &[&answer[..], &[("cause", "terms")]].concat())
            .status,
        303
    );
    assert!(supervisor.get("/staff/figures").text.contains("条款 1"));
    assert_eq!(
        view(&mut caller, &number)["summary"]["stage"],
        json!("rejected"),
        "upheld"
    );
}

#[test]
fn j6_a_withdrawn_claim_has_no_clocks_and_takes_no_files() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY]);
    assert_eq!(
        take(
            &mut caller,
            &number,
            json!({ "withdrawn": { "reason": "自己修" } })
        )
        .status,
        201
    );
    let whole = view(&mut caller, &number);
    let running: Vec<&Value> = whole["deadlines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|d| d.get("met").is_none())
        .collect();
    assert!(
        running.iter().all(|d| d["clock"] == "limitation"),
        "{running:?}"
    );
    let picture = baoan_tests::papers::jpeg(&baoan_tests::papers::page(1800, 1300, 5));
    assert_eq!(
        crate::papers::attached(&mut caller, &number, "scene", &picture).code(),
        "not-allowed"
    );
    claim_of(&mut caller, &server, |n| {
        n["narrative"] = json!("同一次事故，重新报案")
    });
}

#[test]
fn k1_the_outcome_is_rated_once_and_not_before() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED]);
    let rate = json!({ "rated": { "score": 4, "text": "" } });
    assert_eq!(
        take(&mut caller, &number, rate.clone()).code(),
        "not-allowed"
    );
    assert_eq!(
        Caller::staff(&server, "adjudicator")
            .step(&number, &rejected())
            .status,
        303
    );
    assert_eq!(
        take(
            &mut caller,
            &number,
            json!({ "rated": { "score": 6, "text": "" } })
        )
        .status,
        422
    );
    assert_eq!(take(&mut caller, &number, rate.clone()).status, 201);
    assert_eq!(take(&mut caller, &number, rate).code(), "not-allowed");
}

#[test]
fn k6_what_is_stored_of_me_can_be_had_and_put_right() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY]);
    let me = caller.get("/api/v1/me").json();
    for part in ["phone", "policies", "claims", "messages", "drafts"] {
        assert!(!me[part].is_null(), "{part}");
    }
    assert_eq!(
        me["claims"][0]["claim"]["notice"]["reporter"]["name"],
        json!("张伟")
    );
    let put = |caller: &mut Caller, name: &str, phone: &str| {
        let body = json!({ "name": name, "phone": phone }).to_string();
        caller.send(
            "PUT",
            &format!("/api/v1/claims/{number}/reporter"),
            &[("content-type", "application/json")],
            body.as_bytes(),
        )
    };
    assert_eq!(
        put(&mut caller, "张伟", "1380013800").json()["errors"][0]["field"],
        json!("/phone")
    );
    assert_eq!(
        put(&mut caller, "张伟", PHONE).status,
        422,
        "nothing to put right"
    );
    assert_eq!(put(&mut caller, "张玮", "13800138001").status, 200);
    let whole = view(&mut caller, &number);
    assert_eq!(whole["notice"]["reporter"]["name"], json!("张玮"));
    assert!(
        whole["events"].to_string().contains("corrected")
            && !whole["events"].to_string().contains("张玮"),
        "what it was is in no log"
    );
    // A number that was merely typed in gives nobody access.
    let mut stranger = server.caller();
    stranger.sign_in(&server, "13800138001");
    assert_eq!(
        stranger.get(&format!("/api/v1/claims/{number}")).status,
        404
    );
}

/// A9: of the documents, only those they submitted themselves.
#[test]
fn a9_whoever_follows_the_stages_sees_his_own_papers_only() {
    let server = Server::start();
    let driver = "13400134000";
    let (mut his, mut owner) = (server.caller(), server.caller());
    let number = claim_of(&mut his, &server, |n| {
        n["reporter"] = json!({ "role": "driver", "name": "王五", "phone": driver })
    });
    let picture = |seed| baoan_tests::papers::jpeg(&baoan_tests::papers::page(1800, 1300, seed));
    assert_eq!(
        crate::papers::attached(&mut his, &number, "scene", &picture(21)).status,
        200
    );
    owner.sign_in(&server, PHONE);
    let owners = crate::papers::attached(&mut owner, &number, "driver_license", &picture(22));
    assert_eq!(owners.status, 200);
    let day = claim_domain::local_day(
        claim_domain::Moment::from_rfc3339(&now(&server))
            .unwrap()
            .plus_seconds(864_000),
    )
    .to_string();
    let ask = [
        ("kind", "supplement-asked"),
        ("reason", "张伟的驾驶证过期了"),
        ("until", &*day),
        ("documents", "vehicle_license"),
    ];
    assert_eq!(
        Caller::staff(&server, "intake").step(&number, &ask).status,
        303
    );
    his.sign_in(&server, driver);
    let seen = view(&mut his, &number);
    let documents = seen["documents"].as_array().unwrap();
    assert_eq!(
        (documents.len(), documents[0]["document"].clone()),
        (1, json!("scene")),
        "{seen}"
    );
    assert!(
        !seen.to_string().contains("过期")
            && seen["insured"].is_null()
            && seen["events"].to_string().contains("supplement-asked")
    );
    let photo = |caller: &mut Caller, id: &Value| {
        caller
            .get(&format!(
                "/api/v1/claims/{number}/photos/{}",
                id.as_str().unwrap()
            ))
            .status
    };
    assert_eq!(
        (
            photo(&mut his, &documents[0]["id"]),
            photo(&mut his, &owners.json()["id"])
        ),
        (200, 404)
    );
    assert_eq!(photo(&mut owner, &owners.json()["id"]), 200);
    assert_eq!(
        his.get(&format!("/api/v1/claims/{number}/requirements"))
            .json()["doubts"],
        json!([])
    );
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", &*baoan_tests::unique_key()),
    ];
    let body = json!({ "answers": {}, "unavailable": {}, "typed": {}, "consents": [], "signature": { "strokes": [] }, "form_sha256": "", "tasks": [], "doubts": [] });
    let asked = his.send(
        "POST",
        &format!("/api/v1/claims/{number}/claim-request"),
        &headers,
        body.to_string().as_bytes(),
    );
    assert_eq!(
        (asked.status, asked.code()),
        (403, "not-this-person".into())
    );
    // A power of attorney changes that.
    let mut intake = Caller::staff(&server, "intake");
    assert_eq!(
        intake
            .step(&number, &[("kind", "entitled"), ("reason", "授权书已核对")])
            .status,
        303
    );
    assert_eq!(
        view(&mut his, &number)["documents"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn d1_a_policy_that_is_found_later_lets_its_owner_in() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |n| {
        n["reporter"] = json!({ "role": "driver", "name": "王五", "phone": "13400134000" });
        n["policy"] = json!({ "plate": "京A99999" });
    });
    let mut owner = server.caller();
    owner.sign_in(&server, PHONE);
    assert_eq!(owner.get(&format!("/api/v1/claims/{number}")).status, 404);
    let mut intake = Caller::staff(&server, "intake");
    let found = |no: &'static str| [("kind", "policy-found"), ("policy", no)];
    assert_eq!(
        intake.step(&number, &found("PDAA20253301000005")).status,
        422,
        "not in force on that day"
    );
    assert_eq!(
        intake.step(&number, &found("PHOM20263301000004")).status,
        422,
        "of another line"
    );
    assert_eq!(
        intake.step(&number, &found("PDAA20263301000001")).status,
        303
    );
    let seen = view(&mut owner, &number);
    assert_eq!(
        (seen["verified"].clone(), seen["insured"].clone()),
        (json!(true), json!("张伟"))
    );
    assert!(
        seen["events"].to_string().contains("\"0001\"")
            && !seen["events"].to_string().contains("PDAA")
    );
    assert_eq!(
        intake.step(&number, &found("PDAA20263301000002")).status,
        409,
        "one is enough"
    );
    assert_eq!(
        name_payee(&mut owner, &number, "6222020000000000000").status,
        200,
        "the insured's own account"
    );
}

/// G4: manual postings are compared with what the bank says; an instruction belongs to one payment,
/// for good.
#[test]
fn g4_a_bank_that_contradicts_is_shown_to_staff_and_an_instruction_is_used_once() {
    let server = Server::start();
    let (first, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, &approved(&[])]);
    let second = claim_of(&mut caller, &server, |_| {});
    taken(
        &server,
        &mut caller,
        &second,
        &[SURVEY, ASSESSED, ACCEPTED, &approved(&[])],
    );
    for number in [&first, &second] {
        assert_eq!(
            name_payee(&mut caller, number, "6222020000000000000").status,
            200
        );
    }
    let mut finance = Caller::staff(&server, "finance");
    let order = [("kind", "payment-ordered"), ("instruction", "B1")];
    assert_eq!(finance.step(&first, &order).status, 303);
    assert_eq!(
        finance.step(&second, &order).status,
        422,
        "used in another claim"
    );
    assert_eq!(
        view(&mut caller, &second)["summary"]["stage"],
        json!("approved")
    );
    assert_eq!(
        finance
            .step(&first, &[("kind", "paid"), ("reference", "R1")])
            .status,
        303
    );
    assert_eq!(
        server
            .bank(&json!({ "instruction": "B1", "paid": true, "reference": "R1x" }))
            .status,
        204,
        "the same outcome"
    );
    assert!(
        !finance
            .get(&format!("/staff/claims/{first}"))
            .text
            .contains("不一致")
    );
    assert_eq!(
        server
            .bank(&json!({ "instruction": "B1", "paid": false, "reason": "户名不符" }))
            .status,
        409
    );
    assert!(
        finance
            .get(&format!("/staff/claims/{first}"))
            .text
            .contains("不一致")
    );
    let seen = view(&mut caller, &first);
    assert!(
        seen["summary"]["stage"] == json!("paid") && !seen.to_string().contains("bank-differs")
    );
}

/// H2: a failing gateway is retried with the same message number; one that hangs holds nobody up.
#[test]
fn h2_a_message_reaches_the_gateway_however_often_it_fails() {
    use std::io::{BufRead, BufReader, Read, Write};
    let gateway = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/sms", gateway.local_addr().unwrap());
    let (told, heard) = std::sync::mpsc::channel::<(String, Value)>();
    std::thread::spawn(move || {
        for (n, socket) in gateway.incoming().enumerate() {
            let mut reader = BufReader::new(socket.unwrap());
            let (mut length, mut signature) = (0, String::new());
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_lowercase();
                match line.split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().unwrap(),
                    Some(("signature", value)) => signature = value.to_owned(),
                    _ if line.is_empty() => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let answer = if n == 1 { "500 Failed" } else { "204 Taken" };
            write!(
                reader.get_mut(),
                "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
            if told
                .send((signature, serde_json::from_slice(&body).unwrap()))
                .is_err()
            {
                return;
            }
        }
    });
    let server = Server::with(baoan_tests::Setting {
        gateway: Some(address),
        ..Default::default()
    });
    let hear = || {
        heard
            .recv_timeout(std::time::Duration::from_secs(60))
            .unwrap()
    };
    // Anyone who has signed in once hears of their claim at any hour.
    server.caller().sign_in(&server, PHONE);
    assert_eq!(hear().1["kind"], json!("code"));
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let ((_, failed), (signature, again)) = (hear(), hear());
    assert_eq!(failed, again, "the same message with the same id");
    assert!(
        again["text"].as_str().unwrap().contains(&number)
            && again["phone"] == json!(PHONE)
            && again["kind"] == json!("reported")
    );
    assert_eq!(
        signature,
        server.signature("messages", again.to_string().as_bytes())
    );
    server.until("noted", || {
        server.count("SELECT count(*) FROM message WHERE state = 'sent' AND tries = 1") == 1
    });
}

#[test]
fn l4_the_app_reports_to_nobody_but_its_own_origin() {
    let server = Server::start();
    let policy = server
        .caller()
        .get("/")
        .header("content-security-policy")
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("connect-src 'self'")
            && policy.contains("script-src 'self'")
            && !policy.contains("http"),
        "{policy}"
    );
}

#[test]
fn m4_the_list_opens_in_a_spreadsheet_and_runs_nothing() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |n| {
        n["place"]["text"] = json!("=HYPERLINK(\"http://x\")")
    });
    let mut staff = Caller::staff(&server, "intake");
    let csv = staff.get("/staff/claims.csv");
    assert!(
        csv.text.starts_with('\u{feff}') && csv.text.contains(&number),
        "{csv:?}"
    );
    assert!(
        csv.text.contains("\"'=HYPERLINK(\"\"http://x\"\")\""),
        "{}",
        csv.text
    );
    assert!(
        csv.header("content-disposition")
            .unwrap()
            .contains("claims.csv")
    );
}

#[test]
fn n1_the_whole_file_adds_up_to_its_own_list() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED, ACCEPTED, &rejected()]);
    assert_eq!(
        take(
            &mut caller,
            &number,
            json!({ "review-asked": { "reason": "有新证据", "wish": "" } })
        )
        .status,
        201
    );
    let picture = baoan_tests::papers::jpeg(&baoan_tests::papers::page(1800, 1300, 9));
    assert_eq!(
        crate::papers::attached(&mut caller, &number, "scene", &picture).status,
        200,
        "evidence for the review"
    );
    let zip = caller.bytes(&format!("/api/v1/claims/{number}/file"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let mut read = |name: &str| {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut archive.by_name(name).unwrap(), &mut bytes).unwrap();
        bytes
    };
    let manifest: Value = serde_json::from_slice(&read("manifest.json")).unwrap();
    let files = manifest["files"].as_array().unwrap().clone();
    for file in &files {
        let bytes = read(file["name"].as_str().unwrap());
        assert_eq!(
            (json!(bytes.len()), json!(baoan_tests::sha256_hex(&bytes))),
            (file["bytes"].clone(), file["sha256"].clone())
        );
    }
    let names: Vec<&str> = files.iter().map(|f| f["name"].as_str().unwrap()).collect();
    for part in ["files/01-scene.jpg", "receipt.jws", "claim.json"] {
        assert!(names.contains(&part), "{names:?}");
    }
    assert!(
        names
            .iter()
            .any(|n| n.starts_with("letters/") && n.ends_with("rejected.html")),
        "{names:?}"
    );
}

#[test]
fn n2_a_claim_is_found_by_number_plate_and_phone() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let mut staff = Caller::staff(&server, "intake");
    for search in [&*number, &number[11..], "浙A12345", "000001", PHONE] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("q", search)
            .finish();
        assert!(
            staff
                .get(&format!("/staff?{query}"))
                .text
                .contains(&format!("/staff/claims/{number}")),
            "{search}"
        );
    }
    assert!(!staff.get("/staff?q=nobody").text.contains(&number));
}

#[test]
fn n4_what_is_personal_lies_sealed_in_the_database() {
    let server = Server::start();
    let (number, mut caller) = claim(&server, &[SURVEY, ASSESSED]);
    assert_eq!(
        take(
            &mut caller,
            &number,
            json!({ "wrote": { "text": "我住在文三路" } })
        )
        .status,
        201
    );
    assert_eq!(
        name_payee(&mut caller, &number, "6222020000000000000").status,
        200
    );
    let mut raw = Vec::new();
    for name in ["claims.sqlite", "claims.sqlite-wal"] {
        raw.extend(std::fs::read(server.data().join(name)).unwrap_or_default());
    }
    for secret in [
        "13800138000",
        "我住在文三路",
        "6222020000000000000",
        "文三路 90 号",
        "前保险杠",
        "倒车时撞到柱子",
    ] {
        let found = raw.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!found, "{secret} lies open in the database");
    }
}

/// No cheerful words where somebody has died or is ill.
#[test]
fn b5_no_word_of_joy_where_somebody_died() {
    let server = Server::start();
    let mut caller = server.caller();
    let number = claim_of(&mut caller, &server, |n| {
        n["incident"] = json!("health.death");
        n["parts"] = json!([]);
        n["reporter"]["role"] = json!("beneficiary");
        let at = n["loss_at"].clone();
        n["consents"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "id": "medical", "version": 1, "at": at }));
    });
    caller.sign_in(&server, PHONE);
    let mut staff = Caller::staff(&server, "supervisor");
    staff.step(
        &number,
        &[("kind", "registered"), ("handler", "李 工号 1001")],
    );
    let said = view(&mut caller, &number).to_string() + &server.caller().get("/demo/outbox").text;
    for word in ["恭喜", "成功", "🎉", "开心", "评价"] {
        assert!(!said.contains(word), "{word}");
    }
}

/// Marketing has no place in a claim: no word of it, and no consent that asks for it.
#[test]
fn k7_nothing_is_sold_in_a_claim() {
    let words = include_str!("../../../src/i18n/zh.json").to_owned()
        + include_str!("../../../public/catalog.json")
        + include_str!("../../../index.html");
    for word in [
        "优惠",
        "促销",
        "抽奖",
        "推荐购买",
        "立即购买",
        "续保享",
        "营销",
    ] {
        assert!(!words.contains(word), "{word}");
    }
    let server = Server::start();
    let (_, mut caller) = claim(&server, &[SURVEY]);
    let wishes = caller.get("/api/v1/preferences").json();
    assert_eq!(
        wishes.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["by_day", "hours", "optional"]
    );
}

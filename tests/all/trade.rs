//! Insurance practice (R1-R5): policies from files and from another system, verified people, payees
//! with shares, covers with lines, and a gate before payment.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use baoan_tests::papers::{jpeg, page};
use baoan_tests::{Browser, Caller, Server, Setting, all_good, root, unique_key};
use serde_json::{Value, json};

use crate::journeys::sign_in;
use crate::papers::{attached, claim_of, lift, name_payees, now, request};

/// The line of the demo import file for a policy number, split into columns.
fn demo(no: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("examples/policies/demo.csv")).unwrap();
    let line = text
        .lines()
        .find(|l| l.starts_with(no))
        .unwrap_or_else(|| panic!("{no}"));
    line.split(',').map(str::to_owned).collect()
}

fn listed(cell: &str) -> Vec<Vec<String>> {
    cell.split(';')
        .map(|entry| entry.trim().split('|').map(str::to_owned).collect())
        .collect()
}

fn good(answer: &baoan_tests::Answer) {
    assert_eq!(answer.status, 303, "{answer:?}");
}

fn view(caller: &mut Caller, number: &str) -> Value {
    caller.get(&format!("/api/v1/claims/{number}")).json()
}

fn gaps(caller: &mut Caller, number: &str) -> Vec<String> {
    view(caller, number)["gaps"]
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A claim on a demo policy, reported by its holder.
fn reported(server: &Server, no: &str, incident: &str) -> (String, Caller, String) {
    let policy = demo(no);
    let (name, phone) = (policy[4].clone(), policy[6].clone());
    let number = claim_of(&mut server.caller(), server, |n| {
        n["incident"] = json!(incident);
        n["parts"] = json!([]);
        n["reporter"] = json!({ "role": "beneficiary", "name": name, "phone": phone });
        n["policy"] = json!({ "no": no });
        let at = n["loss_at"].clone();
        n["consents"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "id": "medical", "version": 1, "at": at }));
    });
    let mut caller = server.caller();
    caller.sign_in(server, &phone);
    (number, caller, phone)
}

/// Decided by two people, as it exceeds one person's authority limit.
fn decided(server: &Server, number: &str, fields: &[(&str, &str)]) {
    let fields = all_good(fields);
    let first = Caller::staff(server, "adjudicator").step(number, &fields);
    if first.status == 403 {
        good(&Caller::staff(server, "supervisor").step(number, &fields));
    } else {
        good(&first);
    }
}

async fn picture_of(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("BAOAN_SCREENSHOTS") {
        browser
            .whole_page(&std::path::PathBuf::from(folder).join(format!("{name}.webp")))
            .await;
    }
}

/// R4 G1 G2: a death claim with two beneficiaries, one of them a child, is paid to the fen, one of
/// the payments twice because the bank returned it; neither the deceased nor a stranger can be a
/// payee.
#[tokio::test]
async fn r4_g1_g2_a_death_claim_is_paid_to_a_widower_and_his_child() {
    let server = Server::start();
    let no = "PLIF20263301000012";
    let (number, mut caller, _) = reported(&server, no, "life.death");
    let policy = demo(no);
    let people = listed(&policy[13]);
    let insured = listed(&policy[7]);
    request(&mut caller, &server, &number);
    good(&Caller::staff(&server, "assessor").step(
        &number,
        &[("kind", "assessed"), ("lines", "身故保险金 500000")],
    ));
    decided(
        &server,
        &number,
        &[
            ("kind", "approved"),
            ("basis", "寿险条款第二条"),
            ("item", "身故保险金"),
        ],
    );
    let entry = |kind: &str, name: &str, id: &str, account: &str| json!({ "kind": kind, "holder": name, "id_no": id, "account": account, "relation": "父女", "share": "equal" });
    let (adult, child) = (&people[0], &people[1]);
    for (wrong, field) in [
        (
            json!([entry(
                "beneficiary",
                &insured[0][0],
                &insured[0][1],
                "6222020000000000000"
            )]),
            "/payees/0/holder",
        ),
        (
            json!([entry("insured", &insured[0][0], "", "6222020000000000000")]),
            "/payees/0/holder",
        ),
        (
            json!([entry(
                "beneficiary",
                "李娜",
                "310101199003071230",
                "6222020000000000000"
            )]),
            "/payees/0/holder",
        ),
        (
            json!([entry(
                "beneficiary",
                &child[0],
                &child[1],
                "6222020000000000000"
            )]),
            "/payees/0/kind",
        ),
        // Half of it would be nobody's.
        (
            json!([entry(
                "beneficiary",
                &adult[0],
                &adult[1],
                "6222020000000000000"
            )]),
            "/shares",
        ),
    ] {
        let answer = name_payees(&mut caller, &number, wrong.clone());
        assert_eq!(
            (answer.status, answer.json()["errors"][0]["field"].as_str()),
            (422, Some(field)),
            "{wrong}"
        );
    }
    // In the browser: the policy's beneficiaries are already listed, with their shares.
    let browser = Browser::phone().await;
    browser
        .at(&server.url(&format!("/login?next=/claims/{number}")))
        .await;
    server.write("UPDATE otp SET sent_at = sent_at - 120");
    sign_in(&browser, &server, &policy[6]).await;
    browser.tap("#payee-wanted a").await;
    browser.find("#payees-1-account").await;
    for (place, person, account) in [
        (0, adult, "6222020000000000000"),
        (1, child, "6217000000000000004"),
    ] {
        assert_eq!(
            browser
                .run(&format!(
                    "return document.querySelector('#payees-{place}-holder').value"
                ))
                .await,
            json!(person[0])
        );
        browser
            .type_in(&format!("#payees-{place}-account"), account)
            .await;
        browser
            .type_in(&format!("#payees-{place}-id_no"), &person[1])
            .await;
    }
    browser.type_in("#payees-1-relation", "父女").await;
    assert!(
        browser.text("main").await.contains("中国工商银行"),
        "the bank is guessed from the number"
    );
    assert_eq!(browser.axe().await, Vec::<String>::new());
    picture_of(&browser, "payees").await;
    browser.tap("#save-payees").await;
    browser
        .until(
            "back at the claim",
            "document.querySelector('#history') && !document.querySelector('#payee-wanted')",
        )
        .await;
    // Each payee has their own documents; nothing is paid before they are accepted.
    let open = gaps(&mut caller, &number).join(" ");
    for document in [
        "beneficiary_id.1",
        "payee_id.2",
        "payee_guardian.2",
        "relation_proof.2",
    ] {
        assert!(open.contains(document), "{document}: {open}");
    }
    let mut finance = Caller::staff(&server, "finance");
    let order = |payee: &'static str, instruction: &'static str| {
        [
            ("kind", "payment-ordered"),
            ("payee", payee),
            ("instruction", instruction),
        ]
    };
    assert_eq!(finance.step(&number, &order("1", "D1")).status, 409);
    for (seed, document) in [
        (61, "beneficiary_id.1"),
        (62, "payee_id.2"),
        (63, "payee_guardian.2"),
    ] {
        let answer = attached(
            &mut caller,
            &number,
            document,
            &jpeg(&page(1800, 1300, seed)),
        );
        assert_eq!(answer.status, 200, "{document}: {answer:?}");
    }
    lift(&server, &mut caller, &number);
    assert_eq!(gaps(&mut caller, &number), Vec::<String>::new());
    good(&finance.step(&number, &order("1", "D1")));
    good(&finance.step(&number, &order("2", "D2")));
    assert_eq!(finance.step(&number, &order("1", "D3")).status, 409, "once");
    assert_eq!(
        server
            .bank(&json!({ "instruction": "D2", "paid": false, "reason": "户名不符" }))
            .status,
        204
    );
    assert_eq!(
        server
            .bank(&json!({ "instruction": "D1", "paid": true, "reference": "R1" }))
            .status,
        204
    );
    browser
        .until(
            "the child's account came back",
            "document.querySelector('#payee-wanted')",
        )
        .await;
    browser.tap("#payee-wanted a").await;
    browser.find("#payees-1-account").await;
    browser
        .client
        .find(fantoccini::Locator::Css("#payees-1-account"))
        .await
        .unwrap()
        .clear()
        .await
        .unwrap();
    browser
        .type_in("#payees-1-account", "6225880000000001")
        .await;
    for (place, person) in [(0, adult), (1, child)] {
        browser
            .type_in(&format!("#payees-{place}-id_no"), &person[1])
            .await;
    }
    browser.type_in("#payees-1-relation", "父女").await;
    browser.tap("#save-payees").await;
    browser
        .until(
            "corrected",
            "document.querySelector('#history') && !document.querySelector('#payee-wanted')",
        )
        .await;
    good(&finance.step(&number, &order("2", "D4")));
    assert_eq!(
        server
            .bank(&json!({ "instruction": "D4", "paid": true, "reference": "R4" }))
            .status,
        204
    );
    browser
        .until(
            "both are paid",
            "document.querySelectorAll('[data-paid=\"25000000\"]').length === 2",
        )
        .await;
    assert_eq!(
        server.count("SELECT count(*) FROM payment WHERE answer LIKE '%\"paid\":true%'"),
        2
    );
    assert_eq!(
        server
            .bank(&json!({ "instruction": "NOBODYS", "paid": true, "reference": "R9" }))
            .status,
        404
    );
    assert!(
        finance.get("/staff").text.contains("NOBODYS"),
        "reported to those who pay"
    );
    let whole = view(&mut caller, &number).to_string();
    assert!(!whole.contains("6225880000000001") && !whole.contains("6222020000000000000"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// E6 G1: 直赔: a company account under a signed authorisation, and the shop follows its own payment
/// and nothing else.
#[tokio::test]
async fn e6_g1_a_repair_shop_is_paid_directly() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let mut caller = server.caller();
    caller.sign_in(&server, "13800138000");
    request(&mut caller, &server, &number);
    let mut staff = Caller::staff(&server, "supervisor");
    good(&staff.step(
        &number,
        &[("kind", "survey-skipped"), ("reason", "照片足够")],
    ));
    good(&staff.step(
        &number,
        &[
            ("kind", "assessed"),
            ("lines", "前保险杠 更换 800\n喷漆 工时 400"),
        ],
    ));
    good(&staff.step(&number, &[("kind", "assessment-accepted")]));
    good(&staff.step(
        &number,
        &all_good(&[("kind", "approved"), ("basis", "第六条")]),
    ));
    let shop = |extra: Value| {
        let mut entry = json!({ "kind": "shop", "company": true, "holder": "杭州某某汽车修理厂（普通合伙）", "id_no": "91350100M000100Y43",
            "account": "1202026209900012345", "bank": "中国工商银行杭州分行", "bank_code": "102331000011", "phone": "13911110009", "share": { "covers": ["vehicle"] } });
        entry
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!([entry])
    };
    for (extra, field) in [
        (json!({ "id_no": "91350100M000100Y44" }), "/payees/0/id_no"),
        (json!({ "bank_code": "12" }), "/payees/0/bank_code"),
        (json!({ "bank": "" }), "/payees/0/bank"),
        (json!({ "account": "12" }), "/payees/0/account"),
        (json!({ "share": { "covers": [] } }), "/covers"),
        (json!({ "share": { "covers": ["passenger"] } }), "/covers"),
    ] {
        let answer = name_payees(&mut caller, &number, shop(extra));
        assert_eq!(
            (answer.status, answer.json()["errors"][0]["field"].as_str()),
            (422, Some(field)),
            "{answer:?}"
        );
    }
    // The same on the page.
    let browser = Browser::phone().await;
    browser
        .at(&server.url(&format!("/login?next=/claims/{number}/payees")))
        .await;
    server.write("UPDATE otp SET sent_at = sent_at - 120");
    sign_in(&browser, &server, "13800138000").await;
    browser.find("#payees-0-kind").await;
    browser
        .run(
            "const s = document.querySelector('#payees-0-kind'); s.value = 'shop'; s.dispatchEvent(new Event('change', { bubbles: true }))",
        )
        .await;
    browser.find("#payees-0-bank_code").await;
    browser
        .client
        .find(fantoccini::Locator::Css("#payees-0-holder"))
        .await
        .unwrap()
        .clear()
        .await
        .unwrap();
    for (field, value) in [
        ("holder", "杭州某某汽车修理厂（普通合伙）"),
        ("account", "1202026209900012345"),
        ("id_no", "91350100M000100Y43"),
        ("bank", "中国工商银行杭州分行"),
        ("bank_code", "102331000011"),
        ("phone", "13911110009"),
    ] {
        browser.type_in(&format!("#payees-0-{field}"), value).await;
    }
    browser.tap("#save-payees").await;
    browser
        .until(
            "saved",
            "document.querySelector('#history') && !document.querySelector('#payee-wanted')",
        )
        .await;
    let open = gaps(&mut caller, &number).join(" ");
    assert!(
        open.contains("direct_auth.1")
            && open.contains("payee_license.1")
            && !open.contains("repair_invoice"),
        "{open}"
    );
    assert_eq!(
        attached(
            &mut caller,
            &number,
            "direct_auth.1",
            &jpeg(&page(1800, 1300, 71))
        )
        .status,
        200
    );
    lift(&server, &mut caller, &number);
    let mut finance = Caller::staff(&server, "finance");
    good(&finance.step(
        &number,
        &[("kind", "payment-ordered"), ("instruction", "S1")],
    ));
    assert_eq!(
        server
            .bank(&json!({ "instruction": "S1", "paid": true, "reference": "R1" }))
            .status,
        204
    );
    browser
        .until("paid", "document.querySelector('[data-paid=\"120000\"]')")
        .await;
    let mut shop = server.caller();
    shop.sign_in(&server, "13911110009");
    let seen = view(&mut shop, &number);
    let text = seen.to_string();
    assert!(
        text.contains("2345")
            && text.contains("120000")
            && !text.contains("张")
            && !text.contains("浙A12345"),
        "{text}"
    );
    assert!(
        seen["documents"].as_array().unwrap().is_empty()
            && seen["covers"].as_array().unwrap().is_empty()
    );
}

/// A9 R3 H2: a stranger reports with somebody else's plate: neither their pages nor any answer
/// reveal anything about the owner, who is told and stops it.
#[tokio::test]
async fn a9_r3_h2_a_stranger_learns_nothing_and_the_owner_stops_it() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |n| {
        n["reporter"] = json!({ "role": "insured", "name": "贾某", "phone": "13400134000" });
    });
    let mut staff = Caller::staff(&server, "supervisor");
    good(&staff.step(
        &number,
        &[("kind", "survey-skipped"), ("reason", "照片足够")],
    ));
    let browser = Browser::phone().await;
    browser
        .at(&server.url(&format!("/login?next=/claims/{number}")))
        .await;
    sign_in(&browser, &server, "13400134000").await;
    browser.find("#limited").await;
    let mut stranger = browser.caller(&server).await;
    let shown = browser.text("body").await;
    let mut all = vec![shown];
    for path in [
        "",
        "/timeline",
        "/requirements",
        "/receipt",
        "/payees",
        "/letters/2",
        "/file",
        "/form",
        "/shares",
    ] {
        all.push(stranger.get(&format!("/api/v1/claims/{number}{path}")).text);
    }
    all.push(stranger.get("/api/v1/claims").text);
    all.push(stranger.get("/api/v1/me").text);
    all.push(stranger.get("/api/v1/policies").text);
    for secret in [
        "张伟",
        "张*",
        "13800138000",
        "11010519491231002X",
        "PDAA2026",
        "300000",
        "车辆损失险",
        "LFV2A21K",
    ] {
        for text in &all {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    for (method, path) in [
        ("PUT", "payees"),
        ("POST", "claim-request"),
        ("DELETE", "consents/privacy"),
        ("GET", "file"),
        ("GET", "form"),
    ] {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", &*unique_key()),
        ];
        let body = json!({ "answers": {}, "unavailable": {}, "typed": {}, "consents": [], "signature": {}, "form_sha256": "", "tasks": [], "doubts": [] });
        let answer = stranger.send(
            method,
            &format!("/api/v1/claims/{number}/{path}"),
            &headers,
            body.to_string().as_bytes(),
        );
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
    }
    let disown = json!({ "what": "disowned" });
    assert_eq!(
        stranger
            .post(&format!("/api/v1/claims/{number}/steps"), &disown)
            .status,
        403,
        "not his to say"
    );
    // The owner got a text message with a link that needs no sign-in.
    let outbox = server.caller().get("/demo/outbox").text;
    let told = outbox
        .split("class=\"step\"")
        .find(|m| m.contains("13800138000") && m.contains("有人用您的保单报案"))
        .unwrap();
    let link = told
        .split("/not-mine#")
        .nth(1)
        .unwrap()
        .split([' ', '<'])
        .next()
        .unwrap()
        .to_owned();
    let owner = Browser::phone().await;
    owner.open(&server.url(&format!("/not-mine#{link}"))).await;
    owner.find("form[action='/not-mine/stop']").await;
    assert_eq!(
        owner.path().await,
        "/not-mine",
        "what opens it is in no address"
    );
    // Another link, in a browser that has opened one.
    owner.open(&server.url("/not-mine#another")).await;
    owner
        .until(
            "it is not what the first one opened",
            "document.querySelector('h1').innerText.includes('过期')",
        )
        .await;
    owner.open(&server.url(&format!("/not-mine#{link}"))).await;
    owner.find("form[action='/not-mine/stop']").await;
    assert_eq!(owner.axe().await, Vec::<String>::new());
    picture_of(&owner, "not-mine").await;
    owner.tap("button").await;
    owner
        .until(
            "stopped",
            "document.querySelector('h1').innerText.includes('已停止办理')",
        )
        .await;
    browser
        .until(
            "the stranger sees that it rests",
            "document.querySelector('main').innerText.includes('核实')",
        )
        .await;
    let refused = staff.step(&number, &[("kind", "assessed"), ("lines", "前保险杠 800")]);
    assert_eq!(refused.status, 409, "{refused:?}");
    good(&staff.step(
        &number,
        &[
            ("kind", "disown-settled"),
            ("genuine", "no"),
            ("text", "投保人电话确认不知情"),
        ],
    ));
    browser
        .until(
            "it ended",
            "document.querySelector('[data-stage=not-accepted]')",
        )
        .await;
}

/// G3 F6 R2: medical costs with cap and deductible, and an allowance, as three lines with a basis
/// each, recalculated in the browser; what one claim has used of the annual limit is missing in the
/// next.
#[tokio::test]
async fn r2_g3_a_medical_claim_is_decided_in_three_lines() {
    let server = Server::start();
    let no = "PHEA20263301000017";
    let (number, mut caller, phone) = reported(&server, no, "health.inpatient");
    request(&mut caller, &server, &number);
    let lines = "住院费用 5000\n门诊费用 8000\n住院津贴 1500";
    good(
        &Caller::staff(&server, "assessor")
            .step(&number, &[("kind", "assessed"), ("lines", lines)]),
    );
    let fields = |cap: &'static str, basis: &'static str| {
        vec![
            ("kind", "approved"),
            ("basis", "核定如下"),
            ("cover", "medical"),
            ("item", "住院费用"),
            ("loss", "5000"),
            ("deductible", "500"),
            ("share", "90"),
            ("clause", "第五条"),
            ("cover-1", "medical"),
            ("item-1", "门诊费用"),
            ("loss-1", "8000"),
            ("share-1", "90"),
            ("share_because-1", "给付比例"),
            ("cap-1", cap),
            ("clause-1", "第五条第二款"),
            ("cover-2", "allowance"),
            ("item-2", "住院津贴"),
            ("days-2", "10"),
            ("daily-2", "150"),
            ("clause-2", basis),
        ]
    };
    let mut adjudicator = Caller::staff(&server, "adjudicator");
    let unexplained = all_good(&fields("5950", ""));
    assert_eq!(
        adjudicator.step(&number, &unexplained).status,
        422,
        "each line has its basis"
    );
    assert_eq!(
        adjudicator
            .step(&number, &all_good(&fields("5950.01", "第七条")))
            .status,
        422,
        "a fen above the cover"
    );
    decided(&server, &number, &fields("5950", "第七条"));
    let browser = Browser::phone().await;
    browser
        .at(&server.url(&format!("/login?next=/claims/{number}")))
        .await;
    server.write("UPDATE otp SET sent_at = sent_at - 120");
    sign_in(&browser, &server, &phone).await;
    browser
        .until(
            "three lines",
            "document.querySelectorAll('#decision [data-award]').length === 3",
        )
        .await;
    let shown = browser.run("return [...document.querySelectorAll('#decision [data-award]')].map(e => e.dataset.fen)").await;
    // (5 000 − 500) × 90 %; 8 000 × 90 %, at most 5 950; ten days at 150.
    assert_eq!(shown, json!(["405000", "595000", "150000"]));
    let text = browser.text("#decision").await;
    for part in [
        "¥11,500.00",
        "每天 ¥150.00 × 10 天",
        "给付比例",
        "第七条",
        "最多赔",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        !browser.has("#decision [role=alert]").await,
        "the browser comes to the same sum"
    );
    picture_of(&browser, "decision-lines").await;
    // The annual limit is used up; another claim in the year gets none of it.
    let second = claim_of(&mut server.caller(), &server, |n| {
        n["incident"] = json!("health.outpatient");
        n["parts"] = json!([]);
        n["reporter"] = json!({ "role": "insured", "name": "刘洋", "phone": phone });
        n["policy"] = json!({ "no": no });
        let at = n["loss_at"].clone();
        n["consents"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "id": "medical", "version": 1, "at": at }));
    });
    let left = view(&mut caller, &second)["covers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["cover"]["code"] == "medical")
        .unwrap()["left_fen"]
        .clone();
    assert_eq!(left, json!(0));
    request(&mut caller, &server, &second);
    good(
        &Caller::staff(&server, "assessor")
            .step(&second, &[("kind", "assessed"), ("lines", "门诊费用 100")]),
    );
    assert_eq!(
        adjudicator
            .step(
                &second,
                &all_good(&[
                    ("kind", "approved"),
                    ("basis", "第五条"),
                    ("cover", "medical")
                ])
            )
            .status,
        422
    );
}

/// R5: what holds up the payment is shown, and disappears document by document, without a reload.
#[tokio::test]
async fn r5_the_gate_is_shown_and_lifted_paper_by_paper() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let browser = Browser::phone().await;
    browser
        .at(&server.url(&format!("/login?next=/claims/{number}")))
        .await;
    sign_in(&browser, &server, "13800138000").await;
    browser.find("#request-wanted").await;
    assert!(
        !browser.has("#nothing").await,
        "the papers wait for the customer"
    );
    let mut caller = browser.caller(&server).await;
    for (seed, document) in [
        (81, "vehicle_license"),
        (82, "vehicle_license"),
        (83, "id_front"),
    ] {
        assert_eq!(
            attached(
                &mut caller,
                &number,
                document,
                &jpeg(&page(1800, 1300, seed))
            )
            .status,
            200
        );
    }
    request(&mut caller, &server, &number);
    let mut staff = Caller::staff(&server, "supervisor");
    good(&staff.step(
        &number,
        &[("kind", "survey-skipped"), ("reason", "照片足够")],
    ));
    good(&staff.step(
        &number,
        &[("kind", "assessed"), ("lines", "前保险杠 更换 800")],
    ));
    good(&staff.step(&number, &[("kind", "assessment-accepted")]));
    good(&staff.step(
        &number,
        &all_good(&[("kind", "approved"), ("basis", "第六条")]),
    ));
    assert_eq!(
        crate::papers::name_payee(&mut caller, &number, "张伟", "6222020000000000000").status,
        200
    );
    browser.run("window.notReloaded = true").await;
    let count = |n: usize| format!("document.querySelectorAll('#gate li').length === {n}");
    let open = gaps(&mut caller, &number);
    assert!(
        open.len() >= 5
            && open
                .iter()
                .all(|g| g.contains("paper") || g.contains("verdict")),
        "{open:?}"
    );
    browser.until("each is listed", &count(open.len())).await;
    picture_of(&browser, "gate").await;
    let mut finance = Caller::staff(&server, "finance");
    for (n, gap) in open.iter().enumerate() {
        let order = finance.step(
            &number,
            &[("kind", "payment-ordered"), ("instruction", "G1")],
        );
        assert_eq!(order.status, 409, "with {gap} open");
        assert!(
            finance
                .get(&format!("/staff/claims/{number}"))
                .text
                .contains("付款前还差")
        );
        let gap: Value = serde_json::from_str(gap).unwrap();
        let document = gap
            .get("verdict")
            .or(gap.get("paper"))
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned();
        let received = view(&mut caller, &number)["documents"]
            .to_string()
            .contains(&document);
        let step = if received {
            vec![
                ("kind", "document-judged"),
                ("document", &*document),
                ("accepted", "yes"),
            ]
        } else {
            vec![
                ("kind", "document-waived"),
                ("document", &*document),
                ("reason", "系统里已核对"),
            ]
        };
        good(&staff.step(&number, &step));
        browser.until("one less", &count(open.len() - n - 1)).await;
    }
    assert_eq!(browser.run("return window.notReloaded").await, json!(true));
    good(&finance.step(
        &number,
        &[("kind", "payment-ordered"), ("instruction", "G1")],
    ));
}

fn policy_line(i: usize) -> String {
    let plate = format!("浙A{:05}", i % 100_000);
    format!(
        "PBIG{i:010},motor,2026-01-01,2035-12-31,张伟,11010519491231002X,13800138000,,{plate},,vehicle sum=200000 deductible=500; third-party sum=1000000\n"
    )
}

const HEAD: &str = "no,line,from,to,holder,holder_id,holder_phone,insured,plate,vin,covers\n";

/// The insurer's system, behaving as each test wants.
struct Core {
    address: String,
    mood: Arc<AtomicU8>,
}

const DOWN: u8 = 0;
const SLOW: u8 = 1;
const WRONG: u8 = 2;
const OTHER: u8 = 3;
const GOOD: u8 = 4;

impl Core {
    fn start() -> Core {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/policies", listener.local_addr().unwrap());
        let mood = Arc::new(AtomicU8::new(DOWN));
        let shared = mood.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (mood, mut socket) = (shared.clone(), socket.unwrap());
                std::thread::spawn(move || {
                    let mut request = Vec::new();
                    let mut buffer = [0; 4096];
                    while !request.ends_with(b"}") {
                        match socket.read(&mut buffer) {
                            Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                            _ => return,
                        }
                    }
                    let text = String::from_utf8_lossy(&request).into_owned();
                    assert!(
                        text.to_lowercase().contains("signature: hmac-sha256="),
                        "{text}"
                    );
                    let asked: Value =
                        serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
                    let policy = json!({
                        "no": "PCORE000000001", "lob": "motor", "from": "2026-01-01", "to": "2035-12-31",
                        "holder": { "name": "张伟", "id_no": "11010519491231002X", "phone": "13800138000" },
                        "insured": [{ "name": "张伟", "id_no": "11010519491231002X", "phone": "13800138000" }],
                        "vehicle": { "plate": asked["plate"] },
                        "covers": [{ "code": "vehicle", "name": "车辆损失险", "sum_fen": 20000000, "per": "event" }],
                    });
                    let body = match mood.load(Ordering::SeqCst) {
                        // Closes the connection without an answer.
                        DOWN => return,
                        SLOW => {
                            std::thread::park_timeout(Duration::from_secs(30));
                            return;
                        }
                        WRONG => "<html>".to_owned(),
                        OTHER => {
                            let mut other = policy.clone();
                            other["vehicle"]["plate"] = json!("京A00000");
                            json!({ "policy": other }).to_string()
                        }
                        _ => json!({ "policy": policy }).to_string(),
                    };
                    let _ = write!(
                        socket,
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                        body.len()
                    );
                });
            }
        });
        Core { address, mood }
    }
}

/// R1 U1 C11: my policies with what they cover, by one's own phone only.
#[tokio::test]
async fn r1_my_policies_show_covers_and_people() {
    let server = Server::start();
    let browser = Browser::phone().await;
    browser
        .at(&server.url("/login?next=/claims/policies"))
        .await;
    sign_in(&browser, &server, "13111110006").await;
    browser
        .until(
            "both policies",
            "document.querySelectorAll('[data-policy]').length === 2",
        )
        .await;
    let text = browser.text("main").await;
    for part in [
        "浙B66666",
        "王芳",
        "车辆损失险",
        "¥300,000.00",
        "室内财产",
        "第八条",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("张伟"));
    assert_eq!(browser.axe().await, Vec::<String>::new());
    picture_of(&browser, "policies").await;
}

mod server {
    use super::*;

    /// R4 G3: three people share equally, two of them adults, in a sum that does not divide evenly.
    #[test]
    fn r4_three_share_alike_to_the_fen() {
        let server = Server::start();
        let no = "PLIF20263301000016";
        let (number, mut caller, _) = reported(&server, no, "life.death");
        let people = listed(&demo(no)[13]);
        request(&mut caller, &server, &number);
        good(&Caller::staff(&server, "assessor").step(
            &number,
            &[("kind", "assessed"), ("lines", "身故保险金 100000.01")],
        ));
        decided(
            &server,
            &number,
            &[("kind", "approved"), ("basis", "第二条")],
        );
        let kinds = ["beneficiary", "beneficiary", "minor"];
        let accounts = [
            "6222020000000000000",
            "6217000000000000004",
            "6225880000000001",
        ];
        let payees: Vec<Value> = people
            .iter()
            .zip(kinds)
            .zip(accounts)
            .map(|((p, kind), account)| json!({ "kind": kind, "holder": p[0], "id_no": p[1], "account": account, "relation": "父子", "share": "equal" }))
            .collect();
        assert_eq!(name_payees(&mut caller, &number, json!(payees)).status, 200);
        lift(&server, &mut caller, &number);
        let mut finance = Caller::staff(&server, "finance");
        for payee in ["1", "2", "3"] {
            let instruction = format!("T{payee}");
            good(&finance.step(
                &number,
                &[
                    ("kind", "payment-ordered"),
                    ("payee", payee),
                    ("instruction", &instruction),
                ],
            ));
            assert_eq!(
                server
                    .bank(&json!({ "instruction": instruction, "paid": true, "reference": "R" }))
                    .status,
                204
            );
        }
        let events = view(&mut caller, &number)["events"].clone();
        let paid: Vec<i64> = events
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|e| e["what"]["paid"]["amount_fen"].as_i64())
            .collect();
        assert_eq!(paid, [3_333_334, 3_333_334, 3_333_333]);
        assert_eq!(
            view(&mut caller, &number)["summary"]["stage"],
            json!("paid")
        );
    }

    /// R1: ten thousand policies from a file on a server without demo data; reports find theirs by
    /// number, plate and ID.
    #[test]
    fn r1_ten_thousand_policies_from_a_file_and_each_is_found() {
        let server = Server::with(Setting {
            bare: true,
            ..Setting::default()
        });
        let file = server.data().join("policies.csv");
        let mut text = String::from("\u{feff}") + HEAD;
        text.extend((0..10_000).map(policy_line));
        text.push_str("PONE0000000001,motor,2026-01-01,2035-12-31,王五,310101199003071230,13900139000,,沪B54321,,vehicle sum=100000\n");
        std::fs::write(&file, &text).unwrap();
        let path = file.to_str().unwrap();
        let dry = server.command(&["policies", "import", path, "--dry-run"]);
        assert!(
            dry.status.success() && server.count("SELECT count(*) FROM policy") == 0,
            "{dry:?}"
        );
        let began = Instant::now();
        let done = server.command(&["policies", "import", path]);
        let took = began.elapsed();
        assert!(
            done.status.success()
                && String::from_utf8_lossy(&done.stdout)
                    .contains("10001 policies: 10001 new, 0 known before"),
            "{done:?}"
        );
        println!("10 001 policies in {} ms", took.as_millis());
        assert!(took < Duration::from_secs(60));
        let again = server.command(&["policies", "import", path]);
        assert!(
            String::from_utf8_lossy(&again.stdout).contains("0 new, 10001 known before"),
            "{again:?}"
        );
        assert_eq!(server.count("SELECT count(*) FROM policy"), 10_001);
        // An export can be imported again.
        let out = server.command(&["policies", "export"]);
        let lines = String::from_utf8(out.stdout).unwrap();
        assert_eq!(lines.lines().count(), 10_001);
        std::fs::write(&file, &lines).unwrap();
        let back = server.command(&["policies", "import", path]);
        assert!(
            String::from_utf8_lossy(&back.stdout).contains("0 new, 10001 known before"),
            "{back:?}"
        );
        let mut found = 0;
        for (policy, known) in [
            (json!({ "no": "PBIG0000000042" }), true),
            (json!({ "plate": "浙A04711" }), true),
            (json!({ "id_no": "310101199003071230" }), true),
            (json!({ "plate": "京C00001" }), false),
        ] {
            let mut notice = baoan_tests::notice(&now(&server));
            notice["policy"] = policy.clone();
            let began = Instant::now();
            let answer = server.caller().report(&unique_key(), &notice);
            assert!(began.elapsed() < Duration::from_secs(1));
            // Found, but whoever has not signed in is not told (F1).
            assert_eq!(
                (answer.status, answer.json()["verified"].clone()),
                (201, json!(false)),
                "{policy}"
            );
            found += i64::from(known);
            assert_eq!(
                server.count("SELECT count(*) FROM claim WHERE policy_id IS NOT NULL"),
                found,
                "{policy}"
            );
        }
        // A later import finds the policy of a report that had none.
        std::fs::write(
            &file,
            format!("{HEAD}PLATE000000001,motor,2026-01-01,2035-12-31,王五,310101199003071230,13900139000,,京C00001,,vehicle sum=1\n"),
        )
        .unwrap();
        assert!(
            server
                .command(&["policies", "import", path])
                .status
                .success()
        );
        server.until("found by itself", || {
            server.count("SELECT count(*) FROM claim WHERE policy_id IS NULL") == 0
        });
    }

    /// R1: bad lines are listed with number and reason, nothing is imported, and memory does not
    /// grow with the file.
    #[test]
    fn r1_a_bad_file_is_named_line_by_line_and_nothing_is_taken() {
        let server = Server::with(Setting {
            bare: true,
            ..Setting::default()
        });
        let file = server.data().join("policies.csv");
        let path = file.to_str().unwrap();
        let good = policy_line(1);
        let gbk =
            [HEAD.as_bytes(), good.as_bytes(), b"PGBK00000001,motor,2026-01-01,2026-12-31,\xd5\xc5\xce\xb0,,,,\xd5\xe3A12345,,vehicle sum=1\n"]
                .concat();
        let swapped = good.replace(
            "张伟,11010519491231002X,13800138000",
            "13800138000,张伟,11010519491231002X",
        );
        let cases: [(Vec<u8>, &[&str]); 6] = [
            (gbk, &["line 3", "not UTF-8"]),
            (
                format!(
                    "{HEAD}{good}{}",
                    swapped.replace("PBIG0000000001", "PBIG0000000002")
                )
                .into_bytes(),
                &["line 3", "holder/name", "holder/phone"],
            ),
            (
                format!("{HEAD}{good}{good}").into_bytes(),
                &["line 3", "stands in line 2 already"],
            ),
            (
                format!(
                    "{HEAD}{}",
                    good.replace("2026-01-01,2035-12-31", "2035-12-31,2026-01-01")
                )
                .into_bytes(),
                &["line 2", "to: "],
            ),
            (
                format!("{HEAD}{good}\n{}", good.replace("sum=200000", "sum=-1")).into_bytes(),
                &["sum=-1"],
            ),
            (
                format!(
                    "{HEAD}{}",
                    good.replace("11010519491231002X", "110105194912310021")
                )
                .into_bytes(),
                &["line 2", "id_no: id-check"],
            ),
        ];
        for (bytes, parts) in cases {
            std::fs::write(&file, bytes).unwrap();
            let done = server.command(&["policies", "import", path]);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(
                !done.status.success() && parts.iter().all(|part| said.contains(part)),
                "{parts:?}: {said}"
            );
            assert!(
                !said.contains("13800138000") && !said.contains("11010519491231002"),
                "no value of a person: {said}"
            );
            assert_eq!(server.count("SELECT count(*) FROM policy"), 0, "{said}");
        }
        // 200 MB, the last line bad.
        let mut out = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
        out.write_all(HEAD.as_bytes()).unwrap();
        let (mut written, mut i) = (0, 0);
        while written < 200 << 20 {
            let line = policy_line(i).replacen(
                "vehicle",
                &format!("vehicle excludes={}", "第八条".repeat(200)),
                1,
            );
            written += out.write(line.as_bytes()).unwrap();
            i += 1;
        }
        out.write_all(b"bad\n").unwrap();
        drop(out);
        let mut command = std::process::Command::new(baoan_tests::program());
        command
            .arg("--data")
            .arg(server.data())
            .args(["policies", "import", path]);
        let mut child = command
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            let status =
                std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let peak = status
                .lines()
                .find(|l| l.starts_with("VmHWM:"))
                .and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
            most = most.max(peak.unwrap_or(0));
            std::thread::yield_now();
        }
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        println!("{i} lines of 200 MB with at most {} MB", most / 1024);
        assert!(
            said.contains("1 of") && said.contains(&format!("line {}", i + 2)),
            "{said}"
        );
        assert!(most > 0 && most < 150 << 10, "{most} KB");
        assert_eq!(server.count("SELECT count(*) FROM policy"), 0);
    }

    /// R1: the insurer's system is down, slow, wrong or answers with somebody else's policy: the
    /// report takes no longer and is 未验证. Once the system recovers, the policy is found
    /// automatically, and its owner gets access.
    #[test]
    fn r1_a_policy_system_that_fails_holds_no_report_up() {
        let core = Core::start();
        let server = Server::with(Setting {
            policies: Some(core.address.clone()),
            ..Setting::default()
        });
        let mut owner = server.caller();
        owner.sign_in(&server, "13800138000");
        for (mood, plate) in [
            (DOWN, "京D00001"),
            (SLOW, "京D00002"),
            (WRONG, "京D00003"),
            (OTHER, "京D00004"),
        ] {
            core.mood.store(mood, Ordering::SeqCst);
            let mut notice = baoan_tests::notice(&now(&server));
            notice["reporter"] =
                json!({ "role": "driver", "name": "王五", "phone": "13400134000" });
            notice["policy"] = json!({ "plate": plate });
            let began = Instant::now();
            let answer = server.caller().report(&unique_key(), &notice);
            assert!(
                began.elapsed() < Duration::from_secs(1),
                "{plate} took {:?}",
                began.elapsed()
            );
            assert_eq!(
                (answer.status, answer.json()["verified"].clone()),
                (201, json!(false))
            );
            let number = answer.json()["claim_no"].as_str().unwrap().to_owned();
            if mood != SLOW {
                server.until("tried and put off", || {
                    server.count("SELECT count(*) FROM lookup WHERE tries > 0") == 1
                });
            }
            assert_eq!(owner.get(&format!("/api/v1/claims/{number}")).status, 404);
            core.mood.store(GOOD, Ordering::SeqCst);
            server.until("found by itself", || {
                server.count("SELECT count(*) FROM claim WHERE policy_id IS NULL") == 0
            });
            let seen = view(&mut owner, &number);
            assert_eq!(
                (
                    seen["role"].clone(),
                    seen["verified"].clone(),
                    seen["summary"]["stage"].clone()
                ),
                (json!("owner"), json!(true), json!("registered"))
            );
        }
        assert_eq!(server.count("SELECT count(*) FROM lookup"), 0);
    }

    /// G6: what staff establish has consequences: documents, the insured's death, the court.
    #[test]
    fn g6_what_staff_establish_has_its_consequences() {
        let server = Server::start();
        let (number, mut caller, _) = reported(&server, "PDAA20263301000011", "motor.single");
        let mut staff = Caller::staff(&server, "supervisor");
        let documents = |caller: &mut Caller| view(caller, &number)["papers"].to_string();
        assert!(
            !documents(&mut caller).contains("loan_letter")
                && !documents(&mut caller).contains("subrogation")
        );
        let establish = |matter: &'static str, holds: &'static str| {
            [
                ("kind", "established"),
                ("matter", matter),
                ("holds", holds),
                ("reason", "查勘认定"),
            ]
        };
        good(&staff.step(&number, &establish("total_loss", "yes")));
        assert!(
            documents(&mut caller).contains("loan_letter"),
            "the bank's letter: the policy says that the car is mortgaged"
        );
        assert_eq!(
            staff.step(&number, &establish("total_loss", "yes")).status,
            422,
            "said already"
        );
        good(&staff.step(&number, &establish("total_loss", "no")));
        assert!(!documents(&mut caller).contains("loan_letter"));
        good(&staff.step(&number, &establish("subrogation_claim", "yes")));
        good(&staff.step(&number, &establish("court_case", "yes")));
        let papers = documents(&mut caller);
        assert!(
            papers.contains("subrogation") && papers.contains("settlement"),
            "{papers}"
        );
        assert!(
            staff
                .get(&format!("/staff/claims/{number}"))
                .text
                .contains("已起诉或仲裁")
        );
        // A named payee who has died is no longer paid.
        assert_eq!(
            crate::papers::name_payee(&mut caller, &number, "周涛", "6222020000000000000").status,
            200
        );
        good(&staff.step(&number, &establish("insured_deceased", "yes")));
        assert_eq!(
            crate::papers::name_payee(&mut caller, &number, "周涛", "6222020000000000000").status,
            422
        );
    }

    /// K6 N4: the signed form is returned and is in the file; consents are withdrawn one by one;
    /// what may be erased is erased, and what the law requires us to keep is locked and listed with
    /// its article.
    #[test]
    fn k6_n4_consents_are_taken_back_and_what_may_be_erased_is() {
        let server = Server::start();
        let number = claim_of(&mut server.caller(), &server, |n| {
            n["place"]["point"] = json!({ "lat_e6": 30_274_100, "lon_e6": 120_155_100 });
            let at = n["loss_at"].clone();
            n["consents"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "id": "location", "version": 1, "at": at }));
        });
        let mut caller = server.caller();
        caller.sign_in(&server, "13800138000");
        assert_eq!(
            caller.get(&format!("/api/v1/claims/{number}/form")).status,
            404,
            "nothing was signed"
        );
        request(&mut caller, &server, &number);
        let form = caller.get(&format!("/api/v1/claims/{number}/form")).text;
        assert!(
            form.contains("索赔申请书")
                && form.contains("<polyline")
                && form.contains("浙A12345")
                && form.contains("电子签名"),
            "{form}"
        );
        let zip = caller.bytes(&format!("/api/v1/claims/{number}/file"));
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
        assert!(
            ["claim-request.html", "claim-request.json"]
                .iter()
                .all(|name| archive.by_name(name).is_ok())
        );
        let me = caller.get("/api/v1/me").json();
        let signed = &me["claims"][0]["signed"];
        assert!(
            !signed["consents"].as_array().unwrap().is_empty()
                && !signed["signature"].is_null()
                && !me["policies"].as_array().unwrap().is_empty()
        );
        // The location goes with its consent; the typed text stays.
        let withdraw = |caller: &mut Caller, id: &str| {
            caller
                .send(
                    "DELETE",
                    &format!("/api/v1/claims/{number}/consents/{id}"),
                    &[],
                    b"",
                )
                .status
        };
        assert!(view(&mut caller, &number)["notice"]["place"]["point"].is_object());
        assert_eq!(
            (
                withdraw(&mut caller, "location"),
                withdraw(&mut caller, "location"),
                withdraw(&mut caller, "photo-place")
            ),
            (200, 422, 404)
        );
        let after = view(&mut caller, &number);
        assert!(
            after["notice"]["place"]["point"].is_null()
                && after["notice"]["place"]["text"].is_string()
        );
        assert!(after["events"].to_string().contains("consent-withdrawn"));
        // Open claims go on; ended ones are locked.
        let erased = caller.send("DELETE", "/api/v1/me", &[], b"").json();
        assert_eq!(
            (erased["open"].clone(), erased["locked"].clone()),
            (json!([number]), json!([]))
        );
        let leave = json!({ "what": { "withdrawn": { "reason": "自己修" } } });
        assert_eq!(
            caller
                .post(&format!("/api/v1/claims/{number}/steps"), &leave)
                .status,
            201
        );
        server.until("told", || {
            server.count(
                "SELECT count(*) FROM message WHERE state = 'queued' AND next_at <= unixepoch()",
            ) == 0
        });
        let erased = caller.send("DELETE", "/api/v1/me", &[], b"").json();
        assert_eq!(
            (
                erased["open"].clone(),
                erased["locked"][0]["claim_no"].clone()
            ),
            (json!([]), json!(number))
        );
        assert!(
            erased["locked"][0]["law"]
                .as_str()
                .unwrap()
                .contains("反洗钱法第三十四条"),
            "{erased}"
        );
        assert!(
            !Caller::staff(&server, "intake")
                .get("/staff")
                .text
                .contains(&number),
            "nobody works with it"
        );
    }

    /// H6: reminders after one, three and seven days, then every fortnight, with the legal time
    /// limit.
    #[test]
    fn h6_reminders_go_on_every_fortnight_with_the_laws_day() {
        let server = Server::with(Setting {
            clock: true,
            ..Setting::default()
        });
        claim_of(&mut server.caller(), &server, |_| {});
        let day = 86_400;
        let reminded = "SELECT count(*) FROM message WHERE kind LIKE 'reminder-%'";
        for (days, count) in [(2, 1), (4, 2), (8, 3), (22, 4), (36, 5)] {
            server.set_clock(days * day);
            server.until("reminded", || server.count(reminded) == count);
        }
        let outbox = server.caller().get("/demo/outbox").text;
        let loss = claim_domain::Moment::from_rfc3339(&now(&server))
            .unwrap()
            .plus_seconds(-36 * day);
        let late = claim_domain::local_day(loss).plus_years(2);
        assert!(
            outbox.contains(&format!("诉讼时效到 {late}")),
            "{late}: {outbox}"
        );
    }

    /// B4: a deduction without a reason is refused, and each line's basis is in the letter.
    #[test]
    fn b4_no_deduction_without_its_own_basis() {
        let server = Server::start();
        let number = claim_of(&mut server.caller(), &server, |_| {});
        let mut caller = server.caller();
        caller.sign_in(&server, "13800138000");
        request(&mut caller, &server, &number);
        let mut staff = Caller::staff(&server, "supervisor");
        good(&staff.step(
            &number,
            &[("kind", "survey-skipped"), ("reason", "照片足够")],
        ));
        good(&staff.step(
            &number,
            &[("kind", "assessed"), ("lines", "前保险杠 更换 800")],
        ));
        good(&staff.step(&number, &[("kind", "assessment-accepted")]));
        for (takes, amount, why) in [
            ("excluded", "100", "excluded_because"),
            ("share", "70", "share_because"),
            ("deductible", "50", "deductible_because"),
        ] {
            let mut fields =
                all_good(&[("kind", "approved"), ("basis", "第六条"), (takes, amount)]);
            fields.retain(|(name, _)| *name != why);
            assert_eq!(staff.step(&number, &fields).status, 422, "{takes}");
        }
        good(&staff.step(
            &number,
            &all_good(&[("kind", "approved"), ("basis", "第六条"), ("share", "70")]),
        ));
        let events = view(&mut caller, &number)["events"].clone();
        let seq = events
            .as_array()
            .unwrap()
            .iter()
            .find(|e| e["what"].get("approved").is_some())
            .unwrap()["seq"]
            .clone();
        let letter = caller
            .send(
                "GET",
                &format!("/api/v1/claims/{number}/letters/{seq}"),
                &[("accept", "application/json")],
                b"",
            )
            .text;
        assert!(
            letter.contains("车辆损失险") && letter.contains("按责任比例"),
            "{letter}"
        );
    }

    /// C8 of staff: staff can see the phone number to call it, and the view is logged; what was
    /// typed is shown in full.
    #[test]
    fn n3_staff_see_what_was_typed_and_a_look_at_the_phone_is_logged() {
        let server = Server::start();
        let number = claim_of(&mut server.caller(), &server, |n| {
            n["policy"] = json!({ "no": "PXXX20263301009999", "id_no": "11010519491231002X", "plate": "浙A12345" });
        });
        let mut staff = Caller::staff(&server, "intake");
        let page = staff.get(&format!("/staff/claims/{number}")).text;
        for part in [
            "PXXX20263301009999",
            "11010519491231002X",
            "138****8000",
            "车辆损失险",
            "付款前还差",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("13800138000"));
        assert!(
            staff
                .get(&format!("/staff/claims/{number}/reporter"))
                .text
                .contains("tel:13800138000")
        );
        assert_eq!(
            server.count("SELECT count(*) FROM look WHERE document_id = 'reporter'"),
            1
        );
    }
}

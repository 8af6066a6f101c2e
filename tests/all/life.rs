//! The whole life of a claim, from the report to payment and beyond: what the customer sees at
//! every event, within five seconds and without a reload; and what the passing of time does to it.

use std::time::Instant;

use baoan_tests::{Answer, Browser, Caller, Server, Setting, all_good};
use serde_json::{Value, json};

use crate::journeys::sign_in;
use crate::papers::{claim_of, lift, now, request, request_with};

const PHONE: &str = "13800138000";
const CARD: &str = "6222020000000000000";
const OTHER_CARD: &str = "6217000000000000004";

/// A phone that is signed in and has the claim open.
async fn open_claim(server: &Server, number: &str, phone: &str) -> Browser {
    let browser = Browser::phone().await;
    browser
        .at(&server.url(&format!("/login?next=/claims/{number}")))
        .await;
    sign_in(&browser, server, phone).await;
    browser.find("#claim-no").await;
    browser.run("window.notReloaded = true").await;
    browser
}

/// What the page shows within five seconds, without being loaded again.
async fn seen(browser: &Browser, what: &str, condition: &str) {
    let begin = Instant::now();
    browser.until(what, condition).await;
    println!("  {what}: after {} ms", begin.elapsed().as_millis());
    assert!(
        begin.elapsed().as_secs() < 5,
        "{what} took {:?}",
        begin.elapsed()
    );
    assert_eq!(browser.run("return window.notReloaded").await, json!(true));
}

async fn stage(browser: &Browser, stage: &str) {
    seen(
        browser,
        stage,
        &format!("document.querySelector('[data-stage={stage}][data-state=now]')"),
    )
    .await;
}

async fn says(browser: &Browser, css: &str, text: &str) {
    seen(browser, text, &format!("document.querySelector('{css}') && document.querySelector('{css}').innerText.includes('{text}')")).await;
}

/// Enters the account on its page and comes back.
async fn name_payee(browser: &Browser, card: &str) {
    browser.tap("#payee-wanted a").await;
    browser.find("#payees-0-account").await;
    browser
        .client
        .find(fantoccini::Locator::Css("#payees-0-account"))
        .await
        .unwrap()
        .clear()
        .await
        .unwrap();
    browser.type_in("#payees-0-account", card).await;
    browser.tap("#save-payees").await;
    browser
        .until(
            "back at the claim",
            "document.querySelector('#history') && !document.querySelector('#payee-wanted')",
        )
        .await;
}

fn good(answer: &Answer) {
    assert_eq!(answer.status, 303, "{answer:?}");
}

fn events(caller: &mut Caller, number: &str) -> Vec<Value> {
    caller
        .get(&format!("/api/v1/claims/{number}/timeline"))
        .json()["events"]
        .as_array()
        .unwrap()
        .clone()
}

/// D3 E1 E2 F1 F2 F3 F4 F6 G1 G3 G4 G5 H1 H2 H5 K1 N1: through supplement, objection, second
/// version, approval above an authority limit, a failed and a repeated payment, and the rating.
#[tokio::test]
async fn a_motor_claim_from_the_report_to_the_closed_file() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let browser = open_claim(&server, &number, PHONE).await;
    let desk = |name: &str| Caller::staff(&server, name);
    let (mut intake, mut surveyor, mut assessor) =
        (desk("intake"), desk("surveyor"), desk("assessor"));
    let (mut adjudicator, mut supervisor, mut finance) =
        (desk("adjudicator"), desk("supervisor"), desk("finance"));
    stage(&browser, "registered").await;
    assert!(browser.has("#fast").await, "小额快赔 is said");

    let until = claim_domain::local_day(
        claim_domain::Moment::from_rfc3339(&now(&server))
            .unwrap()
            .plus_seconds(7 * 86_400),
    )
    .to_string();
    let ask = [
        ("kind", "supplement-asked"),
        ("reason", "请补驾驶证"),
        ("until", &until),
        ("documents", "driver_license"),
    ];
    good(&intake.step(&number, &ask));
    says(&browser, "#supplement", "请补驾驶证").await;
    let excuse = "await fetch(location.pathname.replace('/claims', '/api/v1/claims') + '/steps', { method: 'POST', headers: { 'content-type': 'application/json' }, \
                  body: JSON.stringify({ what: { 'supplement-excused': { document: 'driver_license', reason: '证件在车里' } } }) })";
    browser.awaited(&format!("{excuse}; return 1")).await;
    seen(
        &browser,
        "nothing more is wanted",
        "!document.querySelector('#supplement') && document.querySelector('#request-wanted')",
    )
    .await;

    good(&surveyor.step(
        &number,
        &[("kind", "survey-skipped"), ("reason", "照片足够")],
    ));
    stage(&browser, "assessing").await;
    assert!(
        browser
            .text("[data-stage=surveying]")
            .await
            .contains("无需")
    );
    assert!(
        browser.has("[data-clock=fast-assess]").await,
        "the promise stands as a clock time"
    );
    let first = [
        ("kind", "assessed"),
        ("lines", "前保险杠 更换 8000\n喷漆 工时 4000"),
    ];
    good(&assessor.step(&number, &first));
    says(&browser, "#for-you", "更换").await;
    assert!(browser.text("#for-you").await.contains("¥12,000.00"));

    // An objection to one line, with the reason; an event that arrives meanwhile erases nothing
    // typed.
    browser.tap("#objecting").await;
    browser.tap("#line-1").await;
    browser.type_in("#reason", "少了大灯").await;
    good(&intake.step(
        &number,
        &[
            ("kind", "marked"),
            ("overlay", "awaiting-police"),
            ("reason", "等交警认定书"),
        ],
    ));
    says(&browser, "#history", "等交警认定书").await;
    assert_eq!(
        browser
            .run("return document.querySelector('#reason').value")
            .await,
        json!("少了大灯")
    );
    assert_eq!(
        browser
            .run("return document.querySelector('#line-1').checked")
            .await,
        json!(true)
    );
    good(&intake.step(
        &number,
        &[("kind", "unmarked"), ("overlay", "awaiting-police")],
    ));
    browser.tap("#object").await;
    says(&browser, "main", "您对定损有异议").await;
    let second = |lines: &'static str, answer: &'static str| {
        [("kind", "assessed"), ("lines", lines), ("answer", answer)]
    };
    assert_eq!(
        assessor
            .step(&number, &second("前保险杠 更换 8000\n喷漆 工时 5000", ""))
            .status,
        422,
        "an answer is owed"
    );
    assert_eq!(
        assessor
            .step(
                &number,
                &second("前保险杠 更换 7000\n喷漆 工时 5000", "补上")
            )
            .status,
        422,
        "nobody objected to it"
    );
    good(&assessor.step(
        &number,
        &second("前保险杠 更换 8000\n喷漆和大灯 工时 5000", "补上大灯"),
    ));
    says(&browser, "#for-you", "第 2 版").await;
    assert!(browser.text("#for-you").await.contains("补上大灯"));
    browser.tap("#accept").await;
    // Nothing is decided before the claim request.
    seen(&browser, "accepted", "!document.querySelector('#accept')").await;
    let decide = all_good(&[
        ("kind", "approved"),
        ("deductible", "500"),
        ("basis", "车损险第六条"),
    ]);
    assert_eq!(
        adjudicator.step(&number, &decide).status,
        409,
        "without a claim request"
    );
    let mut customer = browser.caller(&server).await;
    request(&mut customer, &server, &number);
    stage(&browser, "adjudicating").await;

    // Above one person's authority limit: passed on with what was filled in, and decided by
    // another.
    let above = adjudicator.step(&number, &decide);
    assert!(
        above.status == 403 && above.text.contains("已转主管"),
        "{above:?}"
    );
    says(&browser, "main", "需要上级复核").await;
    assert_eq!(
        adjudicator.step(&number, &decide).status,
        403,
        "not the same person again"
    );
    let page = supervisor.get(&format!("/staff/claims/{number}")).text;
    assert!(page.contains("同事已填好") && page.contains("车损险第六条"));
    good(&supervisor.step(&number, &decide));
    says(&browser, "#decision", "¥12,500.00").await;
    let sum = browser.text("#decision .sum").await;
    for line in ["¥13,000.00", "¥500.00", "免赔额"] {
        assert!(sum.contains(line), "{line}: {sum}");
    }
    assert_eq!(
        browser
            .run("return document.querySelectorAll('#decision .points li').length")
            .await,
        json!(8)
    );

    assert_eq!(
        finance
            .step(
                &number,
                &[("kind", "payment-ordered"), ("instruction", "P1")]
            )
            .status,
        409,
        "to whom?"
    );
    browser.tap("#payee-wanted a").await;
    browser.find("#payees-0-account").await;
    browser
        .type_in("#payees-0-account", "6222020000000000001")
        .await;
    browser.tap("#save-payees").await;
    browser
        .until(
            "a wrong digit is named",
            "document.activeElement.id === 'summary' && document.querySelector('#payees-0-account').value === '6222020000000000001'",
        )
        .await;
    browser
        .client
        .find(fantoccini::Locator::Css("#payees-0-account"))
        .await
        .unwrap()
        .clear()
        .await
        .unwrap();
    browser.type_in("#payees-0-account", CARD).await;
    browser.tap("#save-payees").await;
    browser
        .until(
            "back at the claim",
            "document.querySelector('#history') && !document.querySelector('#payee-wanted')",
        )
        .await;
    // Nobody has reviewed the documents yet: the gate tells both sides, and holds.
    assert_eq!(
        finance
            .step(
                &number,
                &[("kind", "payment-ordered"), ("instruction", "P1")]
            )
            .status,
        409,
        "past the gate"
    );
    assert!(browser.text("#gate").await.contains("审核"));
    lift(&server, &mut customer, &number);
    seen(
        &browser,
        "nothing stands in the way",
        "document.querySelector('#gate').innerText.includes('没有了')",
    )
    .await;
    good(&finance.step(
        &number,
        &[("kind", "payment-ordered"), ("instruction", "P1")],
    ));
    says(&browser, "#now-text", "银行").await;

    // The bank: an unsigned answer is refused; a payment is returned; the account is corrected;
    // paid once however often the bank says so.
    let failed = json!({ "instruction": "P1", "paid": false, "reason": "户名不符" });
    let body = failed.to_string();
    let forged = [
        ("content-type", "application/json"),
        ("signature", "hmac-sha256=00"),
    ];
    assert_eq!(
        server
            .caller()
            .send("POST", "/api/v1/bank/answers", &forged, body.as_bytes())
            .status,
        401
    );
    assert_eq!(server.bank(&failed).status, 204);
    says(&browser, "#payee-wanted", "退回").await;
    assert_eq!(
        finance
            .step(
                &number,
                &[("kind", "payment-ordered"), ("instruction", "P2")]
            )
            .status,
        409,
        "not to the same account"
    );
    name_payee(&browser, OTHER_CARD).await;
    good(&finance.step(
        &number,
        &[("kind", "payment-ordered"), ("instruction", "P2")],
    ));
    assert_eq!(
        server.bank(&failed).status,
        204,
        "an old answer again changes nothing"
    );
    let paid = json!({ "instruction": "P2", "paid": true, "reference": "R20261122" });
    assert_eq!(
        (server.bank(&paid).status, server.bank(&paid).status),
        (204, 204)
    );
    assert_eq!(
        server
            .bank(&json!({ "instruction": "P2", "paid": true, "reference": "R2" }))
            .status,
        204,
        "the same outcome"
    );
    assert_eq!(
        server
            .bank(&json!({ "instruction": "P2", "paid": false, "reason": "x" }))
            .status,
        409,
        "another one"
    );
    says(&browser, "[data-paid]", "0004").await;
    assert_eq!(
        browser
            .run("return [...document.querySelectorAll('[data-paid]')].map(e => e.dataset.paid)")
            .await,
        json!(["1250000"])
    );
    assert!(
        browser
            .text("[data-paid]")
            .await
            .contains("车辆损失险 ¥12,500.00"),
        "from which cover"
    );

    browser.tap("#rating input[value='4']").await;
    browser.tap("#rate").await;
    seen(&browser, "asked once", "!document.querySelector('#rating') && document.querySelector('#history').innerText.includes('您评价了')")
        .await;
    good(&intake.step(&number, &[("kind", "closed")]));
    seen(
        &browser,
        "closed",
        "document.querySelector('[data-stage=closed][data-state=done]')",
    )
    .await;
    assert!(browser.text("main").await.contains("案件已结束"));
    assert_eq!(browser.axe().await, Vec::<String>::new());

    // Each event has one message; none carries an amount, a name or an account.
    let outbox = server.caller().get("/demo/outbox").text;
    for (text, times) in [
        ("已收到您的索赔申请", 1),
        ("已收到您的报案", 1),
        ("需要补充 1 项材料", 1),
        ("定损结果出来了", 2),
        ("核定结果出来了", 1),
        ("银行退回了付款", 1),
        ("赔款已付出", 1),
        ("案件已结案", 1),
    ] {
        assert_eq!(outbox.matches(text).count(), times, "{text}");
    }
    let about: Vec<&str> = outbox
        .split("class=\"message\"")
        .filter(|m| m.contains(&number))
        .collect();
    assert!(
        about.len() >= 8
            && about
                .iter()
                .all(|m| !m.contains('¥') && !m.contains("张伟") && !m.contains("12,500")),
        "{outbox}"
    );

    // The letters, and the whole file, which matches its own manifest.
    browser.tap("#letters a").await;
    browser.find("#letter").await;
    browser.tap("#letter-draw").await;
    browser
        .until(
            "a picture to keep",
            "document.querySelector('#letter-picture') && document.querySelector('#letter-picture').naturalWidth === 750",
        )
        .await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let verified = server.command(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

/// F6 F7 K6 H4 N1: a medical claim with partial approval, which waits for the customer's yes.
#[tokio::test]
async fn a_medical_claim_that_is_approved_in_part() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |n| {
        n["incident"] = json!("health.inpatient");
        n["parts"] = json!([]);
        n["reporter"]["name"] = json!("阿卜杜拉·买买提");
        n["reporter"]["phone"] = json!("13700137000");
        n["policy"] = json!({ "no": "PHEA20263301000003" });
        let at = n["consents"][0]["at"].clone();
        n["consents"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "id": "medical", "version": 1, "at": at }));
    });
    let browser = open_claim(&server, &number, "13700137000").await;
    let (mut assessor, mut adjudicator, mut finance) = (
        Caller::staff(&server, "assessor"),
        Caller::staff(&server, "adjudicator"),
        Caller::staff(&server, "finance"),
    );
    stage(&browser, "registered").await;
    assert!(
        browser
            .text("[data-stage=surveying]")
            .await
            .contains("无需")
    );
    let mut customer = browser.caller(&server).await;
    request(&mut customer, &server, &number);
    good(&assessor.step(
        &number,
        &[("kind", "assessed"), ("lines", "住院费用 23567.80")],
    ));
    stage(&browser, "adjudicating").await;
    let partial = [
        ("kind", "approved"),
        ("first_payer", "15000"),
        ("deductible", "500"),
        ("share", "90"),
        ("basis", "医疗险第五条"),
    ];
    let mut doubtful = all_good(&partial);
    doubtful.retain(|(name, _)| *name != "check-costs");
    assert_eq!(
        adjudicator.step(&number, &doubtful).status,
        422,
        "C9: all eight"
    );
    doubtful.extend([("check-costs", "no"), ("note-costs", "一张发票没有清单")]);
    good(&adjudicator.step(&number, &doubtful));
    // 23 567.80 − 15 000 − 500, of which 90 %.
    says(&browser, "#decision", "¥7,261.02").await;
    assert!(browser.text("#agreement").await.contains("不回答不算同意"));
    browser.tap("#decision summary").await;
    assert!(
        browser
            .text("#decision .points")
            .await
            .contains("一张发票没有清单")
    );
    name_payee(&browser, CARD).await;
    assert_eq!(
        finance
            .step(
                &number,
                &[("kind", "payment-ordered"), ("instruction", "H1")]
            )
            .status,
        409,
        "silence is no agreement"
    );
    browser.tap("#agree").await;
    seen(
        &browser,
        "agreed",
        "!document.querySelector('#agreement') && document.querySelector('[data-clock=pay]')",
    )
    .await;
    assert!(browser.text("[data-clock=pay]").await.contains("法定期限"));
    lift(&server, &mut customer, &number);
    good(&finance.step(
        &number,
        &[("kind", "payment-ordered"), ("instruction", "H1")],
    ));
    assert_eq!(
        server
            .bank(&json!({ "instruction": "H1", "paid": true, "reference": "R9" }))
            .status,
        204
    );
    seen(
        &browser,
        "paid",
        "document.querySelector('[data-paid=\"726102\"]')",
    )
    .await;

    // A link for the family: it shows the progress and no more; once revoked it is gone.
    browser.tap("#more a[href$='/records']").await;
    browser.find("#share-make").await;
    browser.tap("#share-make").await;
    browser.find("#share-link").await;
    let link = browser.text("#share-link").await;
    let path = link.strip_prefix(&server.base).unwrap();
    let shared = server.follow(path);
    assert!(
        shared.status == 200 && shared.text.contains("理赔进度"),
        "{shared:?}"
    );
    for secret in ["买买提", "7,261", "13700137000", &number, "医疗险第五条"] {
        assert!(!shared.text.contains(secret), "{secret}");
    }
    browser.tap("#share-revoke").await;
    browser
        .until(
            "no link is open",
            "!document.querySelector('#share-revoke')",
        )
        .await;
    assert_eq!(server.follow(path).status, 410);
    assert_eq!(server.follow("/shared#nobody").status, 404);

    // The whole file matches its own manifest, and the data export is complete.
    let listed = browser
        .awaited(
            "const zip = new Uint8Array(await (await fetch(document.querySelector('#whole-file').href)).arrayBuffer()); \
             const text = new TextDecoder().decode(zip); return [zip.length, ['manifest.json', 'claim.json', 'receipt.jws', 'letters/'].every(n => text.includes(n))]",
        )
        .await;
    assert!(
        listed[0].as_u64().unwrap() > 1000 && listed[1] == json!(true),
        "{listed}"
    );
    let me = browser
        .awaited("return await (await fetch(document.querySelector('#about-me').href)).json()")
        .await;
    assert_eq!(
        (
            me["phone"].clone(),
            me["claims"][0]["claim"]["summary"]["claim_no"].clone()
        ),
        (json!("13700137000"), json!(number))
    );
    for part in ["policies", "messages"] {
        assert!(!me[part].as_array().unwrap().is_empty(), "{part}");
    }
    // Corrected, and recorded.
    browser
        .client
        .find(fantoccini::Locator::Css("#phone"))
        .await
        .unwrap()
        .clear()
        .await
        .unwrap();
    browser.type_in("#phone", "1370013700").await;
    browser.tap("#correct").await;
    browser
        .until(
            "a wrong number is named",
            "document.querySelector('#phone-wrong')",
        )
        .await;
    browser
        .client
        .find(fantoccini::Locator::Css("#phone"))
        .await
        .unwrap()
        .clear()
        .await
        .unwrap();
    browser.type_in("#phone", "13700137001").await;
    browser.tap("#correct").await;
    browser
        .until(
            "saved",
            "document.querySelector('main').innerText.includes('已保存')",
        )
        .await;
    browser.tap("#optional").await;
    browser
        .until("kept", "!document.querySelector('#optional').checked")
        .await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.tap("a.back").await;
    browser.find("#history").await;
    assert!(browser.text("#history").await.contains("更正了"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// F5 J1 J2 B2: a rejected home claim, through dispute and complaint to another decision.
#[tokio::test]
async fn j1_j4_b2_a_home_claim_that_was_rejected_and_is_decided_anew() {
    let server = Server::start();
    let phone = "13600136000";
    let number = claim_of(&mut server.caller(), &server, |n| {
        n["incident"] = json!("home.water");
        n["parts"] = json!([]);
        n["reporter"]["name"] = json!("陈静");
        n["reporter"]["phone"] = json!(phone);
        n["policy"] = json!({ "no": "PHOM20263301000004" });
    });
    let browser = open_claim(&server, &number, phone).await;
    let desk = |name: &str| Caller::staff(&server, name);
    let (mut surveyor, mut assessor, mut adjudicator, mut supervisor, mut intake) = (
        desk("surveyor"),
        desk("assessor"),
        desk("adjudicator"),
        desk("supervisor"),
        desk("intake"),
    );
    good(&surveyor.step(
        &number,
        &[
            ("kind", "survey-started"),
            ("surveyor", "赵 工号 2001"),
            ("on_site", "yes"),
        ],
    ));
    stage(&browser, "surveying").await;
    good(&surveyor.step(
        &number,
        &[("kind", "survey-reported"), ("report", "楼上水管爆裂")],
    ));
    good(&assessor.step(
        &number,
        &[("kind", "assessed"), ("lines", "地板 更换 3000")],
    ));
    seen(
        &browser,
        "the assessment",
        "document.querySelector('#accept')",
    )
    .await;
    browser.tap("#accept").await;
    request(&mut browser.caller(&server).await, &server, &number);
    stage(&browser, "adjudicating").await;
    assert_eq!(
        adjudicator
            .step(
                &number,
                &all_good(&[
                    ("kind", "rejected"),
                    ("clause", "第八条"),
                    ("facts", "长期渗漏")
                ])
            )
            .status,
        422,
        "no evidence"
    );
    let reject = all_good(&[
        ("kind", "rejected"),
        ("clause", "第八条"),
        ("facts", "长期渗漏"),
        ("evidence", "查勘照片"),
    ]);
    good(&adjudicator.step(&number, &reject));
    says(&browser, "#decision", "第八条").await;
    seen(
        &browser,
        "the limitation",
        "document.querySelector('[data-clock=limitation]')",
    )
    .await;
    // Whoever has read it counts as having received it; by day the message announces it, too.
    let refusal =
        "[...document.querySelectorAll('#letters a')].find(a => a.innerText === '拒赔通知书')";
    browser.run(&format!("{refusal}.click()")).await;
    browser
        .until("the letter", "document.querySelector('#letter') && document.querySelector('#letter').innerText.includes('长期渗漏')")
        .await;
    let letter = browser.text("#letter").await;
    for part in ["第八条", "查勘照片", "12378", "诉讼", "陈静"] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    browser.tap("a.back").await;
    says(&browser, "#history", "通知书已送达").await;

    // One tap to every way of disagreeing.
    browser.tap("#more a[href$='/disagree']").await;
    browser.find("#ask-review").await;
    assert_eq!(
        browser
            .run("return document.querySelectorAll('.way').length")
            .await,
        json!(5)
    );
    for number in ["12378", "12348"] {
        assert!(browser.has(&format!("a[href='tel:{number}']")).await);
    }
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.tap("#ask-review").await;
    browser
        .until(
            "a reason is needed",
            "document.querySelector('#review-reason-wrong')",
        )
        .await;
    browser
        .type_in("#review-reason", "是楼上突然爆管，有物业证明")
        .await;
    browser.tap("#ask-review").await;
    browser
        .until(
            "under review",
            "document.querySelector('#history') && document.querySelector('[data-clock=review]')",
        )
        .await;
    assert!(
        browser.text("#decision").await.contains("第八条"),
        "the first decision stays to be seen"
    );
    browser.run("window.notReloaded = true").await;
    assert_eq!(
        intake.step(&number, &[("kind", "closed")]).status,
        409,
        "not before the answer"
    );

    browser.tap("#more a[href$='/disagree']").await;
    browser.find("#file-complaint").await;
    browser
        .type_in("#complaint-about", "查勘员说话不耐烦")
        .await;
    browser.tap("#file-complaint").await;
    browser
        .until(
            "a complaint",
            "document.querySelector('[data-clock=complaint]')",
        )
        .await;
    let fifteen = claim_domain::due_after_days(
        claim_domain::Moment::from_rfc3339(&now(&server)).unwrap(),
        15,
    )
    .to_string();
    assert!(
        browser
            .text("[data-clock=complaint]")
            .await
            .contains(&fifteen)
    );
    good(&intake.step(
        &number,
        &[("kind", "complaint-extended"), ("reason", "要核实录音")],
    ));
    let thirty = claim_domain::due_after_days(
        claim_domain::Moment::from_rfc3339(&now(&server)).unwrap(),
        30,
    )
    .to_string();
    says(&browser, "[data-clock=complaint]", &thirty).await;
    good(&intake.step(
        &number,
        &[
            ("kind", "complaint-answered"),
            ("text", "已道歉并更换查勘员"),
            ("cause", "manner"),
        ],
    ));
    says(&browser, "#history", "已道歉").await;

    assert_eq!(
        adjudicator
            .step(
                &number,
                &[
                    ("kind", "review-answered"),
                    ("overturned", "yes"),
                    ("text", "x"),
                    ("cause", "liability")
                ]
            )
            .status,
        409
    );
    good(&supervisor.step(
        &number,
        &[
            ("kind", "review-answered"),
            ("overturned", "yes"),
            ("text", "物业证明属实"),
            ("cause", "liability"),
        ],
    ));
    stage(&browser, "adjudicating").await;
    good(&adjudicator.step(
        &number,
        &all_good(&[("kind", "approved"), ("basis", "第五条")]),
    ));
    says(&browser, "#decision", "¥3,000.00").await;
    assert!(
        browser.text("#so-far + *").await.len() > 10
            && browser.text("#history").await.contains("不予赔付"),
        "the old decision stays"
    );

    // A message and a request for a person, each with the time by which somebody answers.
    browser.tap("#more a[href$='/messages']").await;
    browser.find("#text").await;
    browser.type_in("#text", "什么时候付款？").await;
    browser.tap("#send-message").await;
    browser.find("#reply-by").await;
    browser.tap("#ask-person").await;
    browser.find("#call-by").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    good(&intake.step(
        &number,
        &[("kind", "answered"), ("text", "账户填好后十日内")],
    ));
    browser.tap("a.back").await;
    says(&browser, "#history", "账户填好后十日内").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let me = Caller::staff(&server, "intake").get("/staff/figures").text;
    assert!(me.contains("态度 1") && me.contains("责任认定 1"), "{me}");
}

/// A9: whoever reports for somebody else follows the stages and nothing more.
#[tokio::test]
async fn a9_a_driver_sees_how_far_it_is_and_no_amount() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |n| {
        n["reporter"] = json!({ "role": "driver", "name": "王五", "phone": "13400134000" });
    });
    let mut assessor = Caller::staff(&server, "supervisor");
    good(&assessor.step(
        &number,
        &[("kind", "survey-skipped"), ("reason", "照片足够")],
    ));
    good(&assessor.step(
        &number,
        &[("kind", "assessed"), ("lines", "前保险杠 1234.56")],
    ));
    let browser = open_claim(&server, &number, "13400134000").await;
    browser.find("#limited").await;
    let text = browser.text("main").await;
    assert!(
        text.contains("定损") && !text.contains("1,234.56") && !browser.has("#accept").await,
        "{text}"
    );
    let view = browser.awaited("return await (await fetch(location.pathname.replace('/claims', '/api/v1/claims'))).text()").await;
    let view = view.as_str().unwrap();
    assert!(
        !view.contains("123456") && !view.contains("前保险杠") && !view.contains("张伟"),
        "{view}"
    );
    let refused = browser
        .awaited(
            "return (await fetch(location.pathname.replace('/claims', '/api/v1/claims') + '/steps', { method: 'POST', headers: { 'content-type': 'application/json' }, \
             body: JSON.stringify({ what: { 'assessment-accepted': { version: 1, by_phone: false } } }) })).status",
        )
        .await;
    assert_eq!(refused, json!(403));
    // The policyholder sees everything.
    let mut owner = server.caller();
    owner.sign_in(&server, PHONE);
    assert!(
        owner
            .get(&format!("/api/v1/claims/{number}"))
            .text
            .contains("123456")
    );
    assert_eq!(browser.axe().await, Vec::<String>::new());
}

fn clocked() -> Server {
    Server::with(Setting {
        clock: true,
        ..Setting::default()
    })
}

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// I3: a missed deadline is reported once, with who has it now, and links to the complaint.
#[tokio::test]
async fn i3_a_missed_deadline_is_escalated_once() {
    let server = clocked();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let escalated = |server: &Server| {
        let mut caller = server.caller();
        caller.sign_in(server, PHONE);
        events(&mut caller, &number)
            .iter()
            .filter(|e| e["what"]["escalated"]["deadline"] == "contact")
            .count()
    };
    server.set_clock(HOUR);
    assert_eq!(escalated(&server), 0);
    server.set_clock(2 * HOUR + 60);
    server.until("the deadline is missed", || {
        server.count("SELECT count(*) FROM message WHERE kind = 'escalated'") == 1
    });
    for hours in [3, 30, 300] {
        server.set_clock(hours * HOUR);
        let looked = "SELECT count(*) FROM claim WHERE due_at > (SELECT max(at) FROM event) + 3600";
        server.until("looked at again", || {
            server.count(looked) == 1 || hours == 3
        });
        assert_eq!(escalated(&server), 1, "after {hours} hours");
    }
    let queue = Caller::staff(&server, "intake").get("/staff").text;
    assert!(queue.contains("超时 1 项"), "{queue}");
    server.set_clock(300 * HOUR + 120);
    let browser = open_claim(&server, &number, "13800138000").await;
    let said = browser.text("#escalated").await;
    assert!(said.contains("主管") && said.contains("投诉"), "{said}");
    assert!(browser.text("#history").await.contains("吴 工号 6001"));
    assert_eq!(browser.axe().await, Vec::<String>::new());
}

/// Days back to a loss before any demo policy began.
fn before_the_policy(server: &Server) -> i64 {
    let began = claim_domain::Day::parse("2025-12-20").unwrap();
    began.days_to(claim_domain::local_day(
        claim_domain::Moment::from_rfc3339(&now(server)).unwrap(),
    ))
}

mod server {
    use super::*;

    /// I1 F8 E8 and the end of it: thirty days, the list that stops the clock, sixty days,
    /// reminders, closing, archiving.
    #[test]
    fn f8_time_moves_a_claim_as_the_law_says() {
        let server = clocked();
        let number = claim_of(&mut server.caller(), &server, |_| {});
        let mut caller = server.caller();
        caller.sign_in(&server, PHONE);
        request(&mut caller, &server, &number);
        let deadline = |caller: &mut Caller, id: &str| -> Value {
            let view = caller.get(&format!("/api/v1/claims/{number}")).json();
            view["deadlines"]
                .as_array()
                .unwrap()
                .iter()
                .find(|d| d["id"] == id)
                .cloned()
                .unwrap_or_default()
        };
        let first = deadline(&mut caller, "decide")["due"].clone();
        let later = |server: &Server, days: i64| {
            server.set_clock(days * DAY);
            let mut caller = server.caller();
            caller.sign_in(server, PHONE);
            caller
        };
        // Asked for on day 5, submitted on day 12: seven days more.
        server.set_clock(5 * DAY);
        let until = claim_domain::local_day(
            claim_domain::Moment::from_rfc3339(&now(&server))
                .unwrap()
                .plus_seconds(60 * DAY),
        )
        .to_string();
        let ask = [
            ("kind", "supplement-asked"),
            ("reason", "请补驾驶证"),
            ("until", &until),
            ("documents", "driver_license"),
        ];
        good(&Caller::staff(&server, "intake").step(&number, &ask));
        let mut caller = later(&server, 12);
        let waiting = deadline(&mut caller, "decide");
        assert_eq!(
            (waiting["paused"].clone(), waiting["paused_days"].clone()),
            (json!(true), json!(7))
        );
        let reminders = "SELECT count(*) FROM message WHERE kind LIKE 'reminder-%'";
        server.until("reminded", || server.count(reminders) > 0);
        assert_eq!(
            server.count(reminders),
            1,
            "one reminder, not three, after a week away"
        );
        let excuse = json!({ "what": { "supplement-excused": { "document": "driver_license", "reason": "丢了" } } });
        assert_eq!(
            caller
                .post(&format!("/api/v1/claims/{number}/steps"), &excuse)
                .status,
            201
        );
        let on = deadline(&mut caller, "decide");
        let moment = |v: &Value| {
            claim_domain::Moment::from_rfc3339(v.as_str().unwrap())
                .unwrap()
                .0
        };
        assert_eq!(
            (moment(&on["due"]) - moment(&first), on["paused"].clone()),
            (7 * DAY, json!(false))
        );

        // Sixty days without a decision: the undisputed amount is available, for anyone who asks.
        let mut caller = later(&server, 59);
        let advance = json!({ "what": "advance-asked" });
        assert_eq!(
            caller
                .post(&format!("/api/v1/claims/{number}/steps"), &advance)
                .code(),
            "not-allowed"
        );
        let mut caller = later(&server, 61);
        let offered = "SELECT count(*) FROM message WHERE kind = 'escalated'";
        server.until("offered", || {
            events(&mut caller.clone(), &number)
                .iter()
                .any(|e| e["what"]["escalated"]["deadline"] == "advance")
                && server.count(offered) >= 2
        });
        let escalations = |caller: &mut Caller| -> Vec<String> {
            let all = events(caller, &number);
            all.iter()
                .filter_map(|e| Some(e["what"]["escalated"]["deadline"].as_str()?.to_owned()))
                .collect()
        };
        let mut known = escalations(&mut caller);
        let before = known.len();
        known.sort();
        known.dedup();
        assert_eq!(known.len(), before, "each once: {known:?}");
        assert!(known.contains(&"decide".to_owned()));
        assert_eq!(
            caller
                .post(&format!("/api/v1/claims/{number}/steps"), &advance)
                .status,
            201
        );
        assert_eq!(
            crate::papers::name_payee(&mut caller, &number, "张伟", CARD).status,
            200
        );
        let (mut supervisor, mut finance) = (
            Caller::staff(&server, "supervisor"),
            Caller::staff(&server, "finance"),
        );
        let advance = [
            ("kind", "advance-paid"),
            ("amount_fen", "1000"),
            ("reference", "A1"),
        ];
        good(&supervisor.step(
            &number,
            &[("kind", "survey-skipped"), ("reason", "照片足够")],
        ));
        assert_eq!(
            finance.step(&number, &advance).status,
            409,
            "nothing is certain before it was worked out"
        );
        good(&supervisor.step(&number, &[("kind", "assessed"), ("lines", "前保险杠 3000")]));
        let too_much = [
            ("kind", "advance-paid"),
            ("amount_fen", "3000.01"),
            ("reference", "A1"),
        ];
        assert_eq!(finance.step(&number, &too_much).status, 422);
        good(&finance.step(&number, &advance));

        // Decided and paid; from then on only the calendar acts.
        assert_eq!(
            caller
                .post(
                    &format!("/api/v1/claims/{number}/steps"),
                    &json!({ "what": { "assessment-accepted": { "version": 1, "by_phone": false } } })
                )
                .status,
            201
        );
        good(&supervisor.step(
            &number,
            &all_good(&[("kind", "approved"), ("basis", "第六条")]),
        ));
        lift(&server, &mut caller, &number);
        good(&finance.step(
            &number,
            &[("kind", "payment-ordered"), ("instruction", "T1")],
        ));
        assert_eq!(
            server
                .bank(&json!({ "instruction": "T1", "paid": true, "reference": "R1" }))
                .status,
            204
        );
        let paid = events(&mut caller, &number);
        let amount = paid
            .iter()
            .find_map(|e| e["what"]["paid"]["amount_fen"].as_i64());
        assert_eq!(
            amount,
            Some(200_000),
            "what was paid in advance is taken off"
        );
        let reached = |server: &Server, stage: &'static str| {
            server.until(stage, || {
                let sql = if stage == "closed" {
                    "SELECT count(*) FROM claim WHERE stage = 'closed'"
                } else {
                    "SELECT count(*) FROM claim WHERE stage = 'archived'"
                };
                server.count(sql) == 1
            });
        };
        server.set_clock(63 * DAY);
        reached(&server, "closed");
        let mut caller = later(&server, 64);
        let write = json!({ "what": { "wrote": { "text": "谢谢" } } });
        assert_eq!(
            caller
                .post(&format!("/api/v1/claims/{number}/steps"), &write)
                .status,
            201
        );
        server.set_clock(130 * DAY);
        reached(&server, "archived");
        let mut caller = later(&server, 131);
        assert_eq!(
            caller
                .post(&format!("/api/v1/claims/{number}/steps"), &write)
                .code(),
            "not-allowed",
            "an archived claim is read only"
        );
    }

    /// N1 C12: whoever changes the log behind the server's back is found out.
    #[test]
    fn c12_a_changed_removed_or_cut_log_does_not_verify() {
        let server = Server::start();
        let number = claim_of(&mut server.caller(), &server, |_| {});
        good(&Caller::staff(&server, "surveyor").step(
            &number,
            &[("kind", "survey-skipped"), ("reason", "照片足够")],
        ));
        let whole = server.command(&["verify"]);
        assert!(
            whole.status.success()
                && String::from_utf8_lossy(&whole.stdout).contains("1 claims (0 erased), 3 events"),
            "{whole:?}"
        );
        for sql in [
            "UPDATE event SET at = at - 1 WHERE seq = 2",
            "UPDATE event SET actor = '\"customer\"' WHERE seq = 2",
            "UPDATE event SET what = (SELECT what FROM event WHERE seq = 1) WHERE seq = 2",
            "DELETE FROM event WHERE seq = 2",
            "DELETE FROM event WHERE seq = 3",
            "DELETE FROM event",
        ] {
            let copy = Server::on_copy(server.data(), Setting::default());
            copy.write("DROP TRIGGER event_is_never_changed");
            copy.write("DROP TRIGGER event_is_never_deleted");
            copy.write(sql);
            let broken = copy.command(&["verify"]);
            assert!(
                !broken.status.success()
                    && String::from_utf8_lossy(&broken.stderr).contains(&number),
                "{sql}: {broken:?}"
            );
        }
    }

    /// L1: the same picture in two claims is noted for staff, and no customer is told.
    #[test]
    fn l1_n3_notes_of_risk_are_for_staff_only_and_every_look_is_written_down() {
        let server = Server::start();
        let (mut one, mut two) = (server.caller(), server.caller());
        let (a, b) = (
            claim_of(&mut one, &server, |_| {}),
            claim_of(&mut two, &server, |n| {
                n["reporter"]["phone"] = json!("13900139000");
                n["policy"]["plate"] = json!("沪AD12345");
            }),
        );
        let picture = baoan_tests::papers::jpeg(&baoan_tests::papers::page(1800, 1300, 7));
        assert_eq!(
            crate::papers::attached(&mut one, &a, "scene", &picture).status,
            200
        );
        assert_eq!(
            crate::papers::attached(&mut two, &b, "scene", &picture).status,
            200
        );
        let mut staff = Caller::staff(&server, "intake");
        for (no, other) in [(&a, &b), (&b, &a)] {
            let page = staff.get(&format!("/staff/claims/{no}")).text;
            assert!(
                page.contains("同一张照片也在另一案件") && page.contains(other.as_str()),
                "{page}"
            );
        }
        one.sign_in(&server, PHONE);
        let view = one.get(&format!("/api/v1/claims/{a}")).text;
        let me = one.get("/api/v1/me").text;
        for text in [view, me] {
            assert!(
                !text.contains("same-picture") && !text.contains("signal") && !text.contains(&b),
                "{text}"
            );
        }
        // N3: every view of a document is logged.
        let before = server.count("SELECT count(*) FROM look");
        let page = staff.get(&format!("/staff/claims/{a}")).text;
        let photo = page
            .split("href=\"")
            .find(|part| part.contains("/photos/"))
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(staff.get(&photo).status, 200);
        assert_eq!(server.count("SELECT count(*) FROM look"), before + 1);
        for sql in ["UPDATE look SET staff = 'x'", "DELETE FROM look"] {
            assert!(server.refuses(sql), "{sql}");
        }
    }

    /// L1: the same invoice in two claims, and a loss from before the policy.
    #[test]
    fn l1_an_invoice_that_stands_in_two_claims_and_a_loss_before_the_policy() {
        let server = Server::start();
        let typed = json!({ "repair_invoice": { "invoice_no": "24332000000012345678" } });
        let reported = |plate: &str, phone: &str, days_ago: i64| {
            let mut caller = server.caller();
            let number = claim_of(&mut caller, &server, |n| {
                let at =
                    claim_domain::Moment::from_rfc3339(n["loss_at"].as_str().unwrap()).unwrap();
                n["loss_at"] = json!(at.plus_seconds(-days_ago * DAY).to_string());
                n["reporter"]["phone"] = json!(phone);
                n["policy"]["plate"] = json!(plate);
            });
            caller.sign_in(&server, phone);
            (number, caller)
        };
        let (a, mut one) = reported("浙A12345", PHONE, 0);
        let (b, mut two) = reported("沪AD12345", "13900139000", 0);
        request_with(&mut one, &server, &a, &typed);
        request_with(&mut two, &server, &b, &typed);
        let mut staff = Caller::staff(&server, "intake");
        for (no, other) in [(&a, &b), (&b, &a)] {
            let page = staff.get(&format!("/staff/claims/{no}")).text;
            assert!(
                page.contains("同一张发票也在另一案件") && page.contains(other.as_str()),
                "{page}"
            );
        }
        let (early, mut caller) = reported("浙A12345", "13400134005", before_the_policy(&server));
        assert!(
            staff
                .get(&format!("/staff/claims/{early}"))
                .text
                .contains("出险时间早于保单起期")
        );
        assert!(
            !caller
                .get(&format!("/api/v1/claims/{early}"))
                .text
                .contains("before-policy")
        );
    }

    /// P1: a typhoon in Hangzhou waives the weather certificate there, and only there.
    #[test]
    fn p1_a_catastrophe_asks_for_fewer_papers_in_its_region() {
        let server = Server::start();
        let at = now(&server);
        let today =
            claim_domain::local_day(claim_domain::Moment::from_rfc3339(&at).unwrap()).to_string();
        let fields = [
            ("region", "杭州"),
            ("from", &*today),
            ("to", &*today),
            ("zh", "台风期间，我们优先处理"),
            ("en", "Storm: you come first"),
        ];
        assert_eq!(
            Caller::staff(&server, "intake")
                .form("/staff/catastrophes", &fields)
                .status,
            403,
            "the supervisor's switch"
        );
        assert_eq!(
            Caller::staff(&server, "supervisor")
                .form("/staff/catastrophes", &fields)
                .status,
            303
        );
        let view = |place: &str, phone: &str| {
            let mut caller = server.caller();
            let number = claim_of(&mut caller, &server, |n| {
                n["incident"] = json!("motor.nature");
                n["place"]["text"] = json!(place);
                n["reporter"]["phone"] = json!(phone);
            });
            caller.sign_in(&server, phone);
            let tasks = caller
                .get(&format!("/api/v1/claims/{number}/requirements"))
                .json()["tasks"]
                .clone();
            let weather = tasks
                .as_array()
                .unwrap()
                .iter()
                .any(|t| t["document"] == "weather" && t["state"] == "todo");
            (
                weather,
                caller.get(&format!("/api/v1/claims/{number}")).json()["catastrophe"]["zh"].clone(),
            )
        };
        assert_eq!(
            view("杭州市西湖区文三路 90 号", PHONE),
            (false, json!("台风期间，我们优先处理"))
        );
        assert_eq!(
            view("宁波市海曙区中山路 1 号", "13400134001").1,
            Value::Null
        );
    }
}

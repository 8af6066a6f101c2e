//! The documents of a claim, from the list to the signed request: on the phone without network, and
//! at the server.

use baoan_tests::papers::{card, dated, doubtful, invoice, jpeg, page, pdf, write};
use baoan_tests::{Browser, Caller, Server, notice, photographs, sha256_hex, unique_key};
use serde_json::{Value, json};

use crate::journeys::sign_in;

const PHONE: &str = "13800138000";

/// The server's time: what happened just now.
pub fn now(server: &Server) -> String {
    server.caller().get("/api/v1/config").json()["server_time"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A claim reported with this phone number; signing in with it shows the claim.
pub fn claim_of(caller: &mut Caller, server: &Server, change: impl FnOnce(&mut Value)) -> String {
    let mut notice = notice(&now(server));
    change(&mut notice);
    let answer = caller.report(&unique_key(), &notice);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["claim_no"].as_str().unwrap().to_owned()
}

pub fn uploaded(caller: &mut Caller, bytes: &[u8]) -> String {
    use base64::Engine;
    let metadata = format!(
        "sha256 {}",
        base64::engine::general_purpose::STANDARD.encode(sha256_hex(bytes))
    );
    let length = bytes.len().to_string();
    let begun = caller.send(
        "POST",
        "/api/v1/uploads",
        &[
            ("tus-resumable", "1.0.0"),
            ("upload-length", &length),
            ("upload-metadata", &metadata),
        ],
        b"",
    );
    assert_eq!(begun.status, 201, "{begun:?}");
    let path = begun.header("location").unwrap().to_owned();
    if !bytes.is_empty() {
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-offset", "0"),
            ("content-type", "application/offset+octet-stream"),
        ];
        assert_eq!(caller.send("PATCH", &path, &headers, bytes).status, 204);
    }
    path.rsplit('/').next().unwrap().to_owned()
}

pub fn attached(
    caller: &mut Caller,
    no: &str,
    document: &str,
    bytes: &[u8],
) -> baoan_tests::Answer {
    let upload = uploaded(caller, bytes);
    caller.send(
        "PUT",
        &format!("/api/v1/claims/{no}/documents/{document}/{upload}"),
        &[],
        b"",
    )
}

/// The claim request of somebody who has nothing and says why.
pub fn request(caller: &mut Caller, server: &Server, number: &str) -> Value {
    request_with(caller, server, number, &json!({}))
}

/// The same, with values typed from documents.
pub fn request_with(caller: &mut Caller, server: &Server, number: &str, typed: &Value) -> Value {
    let path = format!("/api/v1/claims/{number}/claim-request");
    let send = |caller: &mut Caller, body: &Value| {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", &*unique_key()),
        ];
        caller.send("POST", &path, &headers, body.to_string().as_bytes())
    };
    let mut body = json!({ "answers": {}, "unavailable": {}, "typed": typed, "consents": [], "signature": { "strokes": [] }, "form_sha256": "", "tasks": [], "doubts": [] });
    let at = now(server);
    for error in send(caller, &body).json()["errors"].as_array().unwrap() {
        let field = error["field"].as_str().unwrap();
        if let Some(document) = field.strip_prefix("/documents/") {
            body["unavailable"][document] = json!("都在车里烧掉了");
        } else if let Some(consent) = field.strip_prefix("/consents/") {
            let given = json!({ "id": consent, "version": 1, "at": at });
            body["consents"].as_array_mut().unwrap().push(given);
        }
    }
    body["signature"]["strokes"] = json!([(0..40)
        .map(|i| json!([100 + i * 10, 200 + i % 7 * 60]))
        .collect::<Vec<_>>()]);
    let view = caller.get(&format!("/api/v1/claims/{number}")).json();
    let catalogue =
        claim_domain::Catalogue::load(include_str!("../../public/catalog.json")).unwrap();
    let notice: claim_domain::Notice = serde_json::from_value(view["notice"].clone()).unwrap();
    let folder: claim_domain::documents::Folder =
        serde_json::from_value(json!({ "unavailable": body["unavailable"], "typed": typed }))
            .unwrap_or_default();
    let form = claim_domain::documents::claim_form(&catalogue, number, &notice, &folder);
    body["form_sha256"] = json!(claim_domain::documents::form_sha256(&form));
    let taken = send(caller, &body);
    assert_eq!(taken.status, 201, "{taken:?}");
    taken.json()
}

/// Clears what no test is about: submitted documents are accepted, unobtainable ones are waived.
pub fn lift(server: &Server, caller: &mut Caller, number: &str) {
    let mut staff = Caller::staff(server, "supervisor");
    staff.step(
        number,
        &[
            ("kind", "document-judged"),
            ("document", "*"),
            ("accepted", "yes"),
        ],
    );
    for gap in caller.get(&format!("/api/v1/claims/{number}")).json()["gaps"]
        .as_array()
        .unwrap()
    {
        if let Some(document) = gap
            .get("paper")
            .or(gap.get("verdict"))
            .and_then(Value::as_str)
        {
            let waived = staff.step(
                number,
                &[
                    ("kind", "document-waived"),
                    ("document", document),
                    ("reason", "已从别处核实"),
                ],
            );
            assert_eq!(waived.status, 303, "{waived:?}");
        }
    }
}

/// Names the insured person as the payee.
pub fn name_payee(
    caller: &mut Caller,
    number: &str,
    holder: &str,
    account: &str,
) -> baoan_tests::Answer {
    name_payees(
        caller,
        number,
        json!([{ "kind": "insured", "holder": holder, "account": account, "share": "equal" }]),
    )
}

pub fn name_payees(caller: &mut Caller, number: &str, payees: Value) -> baoan_tests::Answer {
    let body = json!({ "payees": payees }).to_string();
    caller.send(
        "PUT",
        &format!("/api/v1/claims/{number}/payees"),
        &[("content-type", "application/json")],
        body.as_bytes(),
    )
}

pub async fn open_documents(server: &Server, number: &str) -> Browser {
    let browser = Browser::phone().await;
    browser
        .at(&server.url(&format!("/login?next=/claims/{number}/documents")))
        .await;
    sign_in(&browser, server, PHONE).await;
    browser.find("#missing").await;
    browser
}

pub async fn open_document(browser: &Browser, document: &str) {
    browser.tap(&format!("[data-document={document}] a")).await;
    browser.until(document, &format!("location.pathname.endsWith('/documents/{document}') && document.querySelector('.why')")).await;
}

pub async fn back_to_list(browser: &Browser) {
    browser.tap("a.back").await;
    browser
        .until("the list", "document.querySelector('#missing')")
        .await;
}

/// Answers every question: these with yes, the others with no.
async fn answer_all(browser: &Browser, yes: &[&str]) {
    let questions = browser
        .run("return document.querySelectorAll('fieldset.pair').length")
        .await
        .as_u64()
        .unwrap();
    for i in 0..questions {
        let fact = browser
            .run(&format!(
                "return document.querySelectorAll('fieldset.pair')[{i}].querySelector('input').name"
            ))
            .await;
        let value = if yes.iter().any(|y| fact == json!(format!("q/{y}"))) {
            "yes"
        } else {
            "no"
        };
        browser.run(&format!("document.querySelectorAll('fieldset.pair')[{i}].querySelector('input[value={value}]').click()")).await;
    }
    let all = "document.querySelectorAll('fieldset.pair input:checked').length === document.querySelectorAll('fieldset.pair').length";
    browser.until("every question is answered", all).await;
}

/// Signs with a finger: a wave across the pad.
async fn sign(browser: &Browser) {
    browser
        .run("document.querySelector('#signature').scrollIntoView({block: 'center'})")
        .await;
    let frame = browser
        .run("const r = document.querySelector('#signature').getBoundingClientRect(); return [r.left, r.top, r.width, r.height]")
        .await;
    let number = |i: usize| frame[i].as_f64().unwrap();
    let (left, top, width, height) = (number(0), number(1), number(2), number(3));
    let point = |i: f64| {
        (
            left + width * (0.1 + i / 60.0),
            top + height * (0.5 + 0.3 * (i / 3.0).sin()),
        )
    };
    let mouse = async |kind: &str, (x, y): (f64, f64), down: u32| {
        browser
            .cdp("Input.dispatchMouseEvent", json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": down, "clickCount": 1 }))
            .await;
    };
    mouse("mousePressed", point(0.0), 1).await;
    for i in 1..48 {
        mouse("mouseMoved", point(f64::from(i)), 1).await;
    }
    mouse("mouseReleased", point(48.0), 0).await;
}

#[tokio::test]
async fn u1_in_airplane_mode_every_document_is_done_and_judged_and_nothing_leaves_before_the_signature()
 {
    let folder = tempfile::tempdir().unwrap();
    let (server, photos) = (Server::start(), photographs(folder.path()));
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let browser = open_documents(&server, &number).await;
    let file = |name: &str, bytes: &[u8]| write(folder.path(), name, bytes);
    let choose = async |browser: &Browser, files: &[std::path::PathBuf], total: usize| {
        browser.choose("#album", files).await;
        browser
            .until(
                "looked at",
                &format!("document.querySelectorAll('#files li').length === {total} && !document.querySelector('#chosen li progress')"),
            )
            .await;
    };
    // The photo worker and every drawing load once; from here on the phone is offline.
    browser.find("html[data-photos-ready]").await;
    browser
        .run("window.calls = 0; const real = window.fetch; window.fetch = (...args) => { window.calls += 1; return real(...args); }")
        .await;
    browser.offline(true).await;

    browser.tap("a[href$='/questions']").await;
    browser.find("fieldset.pair").await;
    answer_all(&browser, &["payee_is_insured"]).await;
    back_to_list(&browser).await;
    assert!(
        browser.text("#missing").await.contains("还差 8 项"),
        "{}",
        browser.text("#missing").await
    );
    let listed = browser.run("return [...document.querySelectorAll('[data-document]')].filter((l) => !l.closest('details')).map((l) => l.dataset.document).join(' ')").await;
    assert_eq!(
        listed,
        json!(
            "scene plate_photo vin_photo id_front id_back vehicle_license driver_license bank_card"
        )
    );

    open_document(&browser, "scene").await;
    let mut scenes = photos.clone();
    scenes.push(file(
        "scene4.jpg",
        &jpeg(&image::imageops::flip_horizontal(&page(1600, 1200, 9))),
    ));
    let begin = std::time::Instant::now();
    choose(&browser, &scenes, 4).await;
    println!(
        "four photographs chosen, shrunk and judged in {} ms",
        begin.elapsed().as_millis()
    );
    // The same photograph again is refused at once.
    browser.choose("#album", &scenes[..1]).await;
    browser.find("#chosen [data-code=photo-duplicate]").await;
    back_to_list(&browser).await;
    for (i, document) in ["plate_photo", "vin_photo", "id_front", "id_back"]
        .into_iter()
        .enumerate()
    {
        open_document(&browser, document).await;
        let picture = if i < 2 {
            page(1500, 1100, 20 + i as u32)
        } else {
            card(700, i as u32)
        };
        choose(
            &browser,
            &[file(&format!("{document}.jpg"), &jpeg(&picture))],
            1,
        )
        .await;
        if document == "id_front" {
            // One side of two.
            browser
                .type_in("#id_front-id_no", "110105194912310021")
                .await;
            browser.key("Tab", 9, "").await;
            browser.find("[data-code=id-check]").await;
            browser.tap("[data-code=id-check] + .chip").await;
            browser
                .until(
                    "mended",
                    "document.querySelector('#id_front-id_no').value === '11010519491231002X'",
                )
                .await;
        }
        back_to_list(&browser).await;
    }
    open_document(&browser, "vehicle_license").await;
    choose(
        &browser,
        &[file(
            "license1.jpg",
            &jpeg(&image::imageops::blur(&card(700, 7), 8.0)),
        )],
        1,
    )
    .await;
    browser
        .find("[data-rule=K05][data-code=photo-blurred]")
        .await;
    browser
        .find("[data-rule=K10][data-code=side-missing]")
        .await;
    browser.tap(".keep summary").await;
    browser.type_in(".keep .input", "证件已磨损").await;
    browser.tap(".keep .chip").await;
    browser
        .until(
            "kept",
            "document.body.innerText.includes('您说明：证件已磨损')",
        )
        .await;
    choose(&browser, &[file("license2.pdf", &pdf(1, ""))], 2).await;
    back_to_list(&browser).await;
    open_document(&browser, "driver_license").await;
    browser.tap("#excuse summary").await;
    browser.type_in("#reason", "证在外地，三天后补").await;
    browser.tap("#save-excuse").await;
    browser.find("#excused").await;
    back_to_list(&browser).await;
    open_document(&browser, "bank_card").await;
    browser
        .type_in("#bank_card-card", "6222 0200 0000 0000 000")
        .await;
    browser.tap("#bank_card-keep").await;
    browser.key("Tab", 9, "").await;
    back_to_list(&browser).await;
    assert!(
        browser.text("#missing").await.contains("都齐了"),
        "{}",
        browser.text("#missing").await
    );
    assert_eq!(
        browser.run("return window.calls").await,
        json!(0),
        "requests were made"
    );
    assert_eq!(server.stored_files().len(), 0);

    // The tab dies; everything is still there.
    browser.offline(false).await;
    browser.kill_tab().await;
    browser
        .until(
            "everything is back",
            "document.querySelector('#missing') && document.querySelector('#missing').innerText.includes('都齐了')",
        )
        .await;
    browser.tap("a[href$='/request']").await;
    browser.find("#form").await;
    browser.tap("#send-request").await;
    browser
        .until(
            "what is missing is said",
            "document.activeElement.id === 'summary'",
        )
        .await;
    let said = browser.text("#summary").await;
    assert!(
        said.contains("请先签名") && said.contains("调查授权"),
        "{said}"
    );
    assert_eq!(
        server.stored_files().len(),
        0,
        "before consent and signature nothing leaves"
    );
    for consent in ["account", "inquiry", "esign"] {
        browser.tap(&format!("#consents-{consent}")).await;
    }
    sign(&browser).await;
    browser.tap("#send-request").await;
    browser.find("#requested").await;
    let stored: Vec<Vec<u8>> = server
        .stored_files()
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert_eq!(stored.len(), 10);
    // A PDF's author is not disclosed (item 46): this file named Zhang Wei.
    let document = stored
        .iter()
        .find(|bytes| bytes.starts_with(b"%PDF"))
        .unwrap();
    assert!(
        String::from_utf8_lossy(document).contains("/Author ()          "),
        "{}",
        String::from_utf8_lossy(document)
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());

    let mut staff = Caller::staff(&server, "intake");
    let page = staff.get(&format!("/staff/claims/{number}")).text;
    for said in [
        "索赔申请书",
        "照片和材料（10）",
        "K05 有点模糊",
        "证在外地，三天后补",
        "客户说明拿不到",
        "<polyline",
        "**** 0000",
    ] {
        assert!(page.contains(said), "{said} is not on the staff page");
    }
    assert!(!page.contains("6222020000000000000"));
    let asked = format!(
        "fetch('/api/v1/claims/{number}/requirements').then((r) => r.json()).then(arguments[arguments.length - 1])"
    );
    let requirements = browser.run_async(&asked).await;
    assert_eq!(requirements["missing"], json!(0), "{requirements}");
}

#[tokio::test]
async fn c2_each_spoilt_file_gets_its_one_reason_on_the_phone_and_the_same_at_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let mut caller = server.caller();
    let at = now(&server);
    let number = claim_of(&mut caller, &server, |n| {
        n["scene"]["injured"] = json!(true);
        n["consents"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "id": "medical", "version": 1, "at": at }));
    });
    let browser = open_documents(&server, &number).await;
    // Two questions bring the documents of another payee and of towing.
    browser.tap("a[href$='/questions']").await;
    for (fact, value) in [("payee_is_insured", "no"), ("vehicle_towed", "yes")] {
        browser
            .tap(&format!("input[name='q/{fact}'][value={value}]"))
            .await;
    }
    back_to_list(&browser).await;
    for (name, bytes, document, expected) in doubtful() {
        let path = write(folder.path(), name, &bytes);
        let blocks = matches!(expected, Some(("K01" | "K02" | "K03" | "K13", _)));
        open_document(&browser, document).await;
        let field = if document == "scene" {
            "#album"
        } else {
            "#pdf"
        };
        let begin = std::time::Instant::now();
        browser.choose(field, std::slice::from_ref(&path)).await;
        let shown = match (blocks, expected) {
            (true, Some((_, code))) => {
                format!("document.querySelector('#chosen [data-code={code}]')")
            }
            _ => "document.querySelectorAll('#files .row').length === 1".into(),
        };
        browser.until(name, &shown).await;
        assert!(
            begin.elapsed().as_secs() < 10,
            "{name} took {:?}",
            begin.elapsed()
        );
        let said = browser.run("return [...document.querySelectorAll('#files li:has(.row) [data-rule]')].map((d) => d.dataset.rule + ' ' + d.dataset.code)").await;
        let own: Vec<&str> = said
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .filter(|s| !s.contains("side-missing") && !s.starts_with("undefined"))
            .collect();
        match expected {
            Some((rule, code)) if !blocks => assert_eq!(own, [format!("{rule} {code}")], "{name}"),
            _ => assert_eq!(own, Vec::<String>::new(), "{name}"),
        }
        // The server judges what the phone would send: the stored copy, or the file itself if it
        // was refused.
        let sent = if blocks {
            bytes.clone()
        } else {
            stored(&browser).await
        };
        let answer = attached(&mut caller, &number, document, &sent);
        let codes: Vec<Value> = match answer.status {
            200 => answer.json()["doubts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|d| json!([d["rule"], d["finding"]["code"]]))
                .collect(),
            422 => answer.json()["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|e| e["code"].clone())
                .collect(),
            _ => panic!("{name}: {answer:?}"),
        };
        let wanted: Vec<Value> = match expected {
            None => vec![],
            Some((_, code)) if blocks => vec![json!(code)],
            Some((rule, code)) => vec![json!([rule, code])],
        };
        assert_eq!(codes, wanted, "{name} at the server");
        if blocks {
            browser.tap("#chosen .link").await;
        } else {
            browser.tap("#files .row .link:last-child").await;
            browser
                .until(
                    "removed",
                    "document.querySelectorAll('#files .row').length === 0",
                )
                .await;
        }
        back_to_list(&browser).await;
    }
}

/// What this page doubts, as `K05 photo-blurred`.
async fn doubted(browser: &Browser) -> Vec<String> {
    let said = browser.run("return [...document.querySelectorAll('main [data-rule], main .doubt:not([data-rule])')].map((d) => (d.dataset.rule || '') + ' ' + d.dataset.code)").await;
    said.as_array()
        .unwrap()
        .iter()
        .map(|d| d.as_str().unwrap().trim().to_owned())
        .collect()
}

#[tokio::test]
async fn c2_doubts_among_files_and_of_what_was_typed_are_the_same_at_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let browser = open_documents(&server, &number).await;
    let file = |name: &str, bytes: Vec<u8>| write(folder.path(), name, &bytes);
    let choose = async |files: &[std::path::PathBuf], total: usize| {
        browser.choose("#album", files).await;
        let there = format!(
            "document.querySelectorAll('#files li').length === {total} && !document.querySelector('#chosen progress')"
        );
        browser.until("looked at", &there).await;
    };
    let typed = async |field: &str, text: &str| {
        browser.type_in(&format!("[id$='-{field}']"), text).await;
        browser.key("Tab", 9, "").await;
    };
    let mut codes: Vec<String> = Vec::new();
    let done = async |codes: &mut Vec<String>, wanted: &[&str]| {
        let wanted: Vec<String> = wanted.iter().map(|w| (*w).to_owned()).collect();
        let code = |w: &String| w.split(' ').next_back().unwrap_or_default().to_owned();
        for one in &wanted {
            browser
                .find(&format!("main [data-code={}]", code(one)))
                .await;
        }
        let said: Vec<String> = doubted(&browser).await;
        assert_eq!(
            said.iter().map(code).collect::<Vec<_>>(),
            wanted.iter().map(code).collect::<Vec<_>>()
        );
        codes.extend(wanted);
        back_to_list(&browser).await;
    };
    browser.tap("a[href$='/questions']").await;
    browser.find("fieldset.pair").await;
    answer_all(&browser, &["payee_is_insured", "vehicle_towed"]).await;
    back_to_list(&browser).await;

    // K08: the same thing taken twice. K12: taken long before the loss. K02: a truncated file is
    // used as far as it goes.
    let view = page(1600, 1200, 4);
    let again = image::imageops::brighten(&view, 3);
    let whole = jpeg(&page(1700, 1250, 8));
    let torn = whole[..whole.len() * 7 / 10].to_vec();
    let old = dated(&card(680, 2), "2020:01:01 08:00:00");
    open_document(&browser, "scene").await;
    let scenes = [
        ("view.jpg", jpeg(&view)),
        ("again.jpg", jpeg(&again)),
        ("old.jpg", old),
        ("torn.jpg", torn),
    ];
    choose(&scenes.map(|(name, bytes)| file(name, bytes)), 4).await;
    done(
        &mut codes,
        &["K08 photo-alike", "K12 photo-early", "K02 photo-salvaged"],
    )
    .await;
    // K07: one file for two documents raises a doubt, twice for one document is refused.
    let plate = file("plate.jpg", jpeg(&page(1500, 1100, 21)));
    for (document, wanted) in [
        ("plate_photo", &[][..]),
        ("vin_photo", &["K07 photo-elsewhere"]),
    ] {
        open_document(&browser, document).await;
        choose(std::slice::from_ref(&plate), 1).await;
        done(&mut codes, wanted).await;
    }
    // K14 and K15.
    open_document(&browser, "id_front").await;
    choose(&[file("id.jpg", jpeg(&card(700, 1)))], 1).await;
    typed("name", "王小五").await;
    typed("id_no", "110105194912310021").await;
    done(&mut codes, &["K14 name-differs", "K15 id-check"]).await;
    // K03: one file too many.
    open_document(&browser, "id_back").await;
    choose(&[file("back.jpg", jpeg(&card(700, 2)))], 1).await;
    browser
        .choose("#album", &[file("more.jpg", jpeg(&card(660, 3)))])
        .await;
    browser.find("#chosen [data-code=photo-limit]").await;
    browser.tap("#chosen .link").await;
    done(&mut codes, &[]).await;
    // K10 and K11.
    open_document(&browser, "vehicle_license").await;
    choose(&[file("licence.jpg", jpeg(&card(670, 5)))], 1).await;
    typed("valid_until", "2020-01-02").await;
    done(&mut codes, &["K10 side-missing", "K11 expired"]).await;
    open_document(&browser, "driver_license").await;
    browser.tap("#excuse summary").await;
    browser.type_in("#reason", "证在外地，三天后补").await;
    browser.tap("#save-excuse").await;
    browser.find("#excused").await;
    back_to_list(&browser).await;
    // K16: one invoice twice, and dated before the loss.
    open_document(&browser, "tow_invoice").await;
    choose(
        &[
            file("tow1.jpg", jpeg(&page(1800, 1300, 31))),
            file("tow2.jpg", jpeg(&page(1800, 1300, 37))),
        ],
        2,
    )
    .await;
    for (place, date) in [(1, "2020-01-02"), (2, "")] {
        browser
            .tap(&format!(
                "#files li:nth-child({place}) details:last-of-type summary"
            ))
            .await;
        for (field, text) in [
            ("invoice_no", "26332000000012345678"),
            ("invoice_date", date),
        ] {
            browser
                .type_in(
                    &format!("#files li:nth-child({place}) [id$='-{field}']"),
                    text,
                )
                .await;
            browser.key("Tab", 9, "").await;
        }
    }
    let early =
        browser.run("return [...document.querySelectorAll('#files [data-code]')].map((d) => d.dataset.code).sort().join(' ')").await;
    assert_eq!(early, json!("invoice-early invoice-twice"));
    codes.extend([
        "K16 invoice-early".to_owned(),
        "K16 invoice-twice".to_owned(),
    ]);
    back_to_list(&browser).await;
    open_document(&browser, "bank_card").await;
    typed("card", "6222 0200 0000 0000 000").await;
    back_to_list(&browser).await;

    browser.tap("a[href$='/request']").await;
    for consent in ["account", "inquiry", "esign"] {
        browser.tap(&format!("#consents-{consent}")).await;
    }
    sign(&browser).await;
    browser.tap("#send-request").await;
    browser.find("#requested").await;
    let asked = format!(
        "fetch('/api/v1/claims/{number}/requirements').then((r) => r.json()).then(arguments[arguments.length - 1])"
    );
    let answer = browser.run_async(&asked).await;
    let code = |d: &Value| {
        format!(
            "{} {}",
            d["rule"].as_str().unwrap(),
            d["finding"]["code"].as_str().unwrap()
        )
    };
    let mut held: Vec<String> = answer["doubts"]
        .as_array()
        .unwrap()
        .iter()
        .map(code)
        .collect();
    held.sort();
    codes.sort();
    assert_eq!(held, codes);
}

#[tokio::test]
async fn the_keyboard_alone_hands_in_documents_and_signs() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let browser = open_documents(&server, &number).await;
    let press = async |keys: &str| {
        browser
            .client
            .active_element()
            .await
            .unwrap()
            .send_keys(keys)
            .await
            .unwrap()
    };
    let enter = async || browser.key("Enter", 13, "\r").await;
    // Presses Tab until the wanted element has the focus: it must be reachable that way.
    let reach = async |css: &str| {
        for _ in 0..80 {
            if browser
                .run(&format!(
                    "return document.activeElement.matches({})",
                    json!(css)
                ))
                .await
                == json!(true)
            {
                return;
            }
            browser.key("Tab", 9, "").await;
        }
        panic!(
            "{css} cannot be reached with the keyboard at {}",
            browser.path().await
        );
    };
    reach("a[href$='/questions']").await;
    enter().await;
    browser.find("fieldset.pair").await;
    reach("input[name='q/payee_is_insured']").await;
    browser.key(" ", 32, " ").await;
    let list = format!("/claims/{number}/documents");
    let back = async || {
        reach("a.back").await;
        enter().await;
        browser.arrive(&list).await;
    };
    back().await;
    let missing = "return [...document.querySelectorAll('[data-state=Todo]')].filter((l) => !l.closest('details')).map((l) => l.dataset.document)";
    let documents = browser.run(missing).await;
    for document in documents
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
    {
        reach(&format!("[data-document={document}] a")).await;
        enter().await;
        browser.arrive(&format!("{list}/{document}")).await;
        match document {
            "plate_photo" => {
                reach("#album").await;
                press(
                    &write(folder.path(), "plate.jpg", &jpeg(&page(1500, 1100, 1)))
                        .display()
                        .to_string(),
                )
                .await;
                browser.find("#files [data-file]").await;
                reach("#files button").await;
            }
            "bank_card" => {
                reach("#bank_card-card").await;
                press("6222020000000000000").await;
            }
            _ => {
                reach("#excuse summary").await;
                enter().await;
                reach("#reason").await;
                press("都在事故里烧掉了").await;
                reach("#save-excuse").await;
                enter().await;
                browser.find("#excused").await;
            }
        }
        browser.run("document.querySelector('h1').focus()").await;
        reach_back(&browser).await;
        browser.arrive(&list).await;
    }
    reach("a[href$='/request']").await;
    enter().await;
    browser.find("#form").await;
    for consent in ["account", "inquiry", "esign"] {
        reach(&format!("#consents-{consent}")).await;
        browser.key(" ", 32, " ").await;
    }
    reach("#sign-typed summary").await;
    enter().await;
    reach("#signed-name").await;
    press("李四").await;
    reach("#send-request").await;
    enter().await;
    browser
        .until(
            "another name is refused",
            "document.querySelector('#summary [href], #summary a')",
        )
        .await;
    reach("#signed-name").await;
    browser
        .run("document.querySelector('#signed-name').select()")
        .await;
    press("张伟").await;
    reach("#send-request").await;
    enter().await;
    browser.find("#requested").await;
    let seen = Caller::staff(&server, "intake")
        .get(&format!("/staff/claims/{number}"))
        .text;
    assert!(seen.contains("键入姓名：张伟"), "{seen}");
}

/// Shift+Tab back to the back link, then Enter.
async fn reach_back(browser: &Browser) {
    for _ in 0..5 {
        if browser
            .run("return document.activeElement.matches('a.back')")
            .await
            == json!(true)
        {
            browser.key("Enter", 13, "\r").await;
            return;
        }
        let params = |kind: &str| json!({ "type": kind, "key": "Tab", "windowsVirtualKeyCode": 9, "modifiers": 8 });
        browser
            .cdp("Input.dispatchKeyEvent", params("keyDown"))
            .await;
        browser.cdp("Input.dispatchKeyEvent", params("keyUp")).await;
    }
    panic!("no way back with the keyboard");
}

#[tokio::test]
async fn the_live_camera_takes_the_guided_shots_and_files_do_without_it() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let browser = open_documents(&server, &number).await;
    let permission = async |setting: &str| {
        browser
            .cdp("Browser.setPermission", json!({ "permission": { "name": "camera" }, "setting": setting, "origin": server.base }))
            .await;
    };
    permission("denied").await;
    open_document(&browser, "scene").await;
    browser.tap("#live").await;
    browser.find("#no-camera").await;
    assert!(
        browser.has("#album").await && browser.has("#camera").await,
        "the other ways stay"
    );

    permission("granted").await;
    browser.tap("#live").await;
    browser.find(".view[data-ready] .outline").await;
    assert!(
        browser.text("#shot").await.contains("1 / 5"),
        "{}",
        browser.text("#shot").await
    );
    browser.tap("#shoot").await;
    browser
        .until(
            "the next shot",
            "document.querySelector('#shot').innerText.includes('2 / 5')",
        )
        .await;
    browser
        .until(
            "the first is kept",
            "document.querySelectorAll('#files [data-file]').length === 1",
        )
        .await;
    assert!(browser.has("#files [data-file] img").await);
    let tracks = "return document.querySelector('video').srcObject.getTracks().map((t) => t.readyState).join()";
    assert_eq!(browser.run(tracks).await, json!("live"));
    browser
        .run("window.seen = document.querySelector('video').srcObject")
        .await;
    browser.tap("#close-camera").await;
    browser.find("#live").await;
    let state = "return window.seen.getTracks().map((t) => t.readyState).join()";
    assert_eq!(
        browser.run(state).await,
        json!("ended"),
        "the camera is switched off"
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// The bytes of the only file of this page that is on the phone.
async fn stored(browser: &Browser) -> Vec<u8> {
    use base64::Engine;
    let text = browser
        .run_async(
            "const done = arguments[arguments.length - 1];
             const id = document.querySelector('#files [data-file] .row') ? document.querySelector('#files li:has(.row)').dataset.file : '';
             baoanStore.get('photo:' + id).then(({ bytes }) => { let s = ''; for (const b of bytes) { s += String.fromCharCode(b); } done(btoa(s)); });",
        )
        .await;
    base64::engine::general_purpose::STANDARD
        .decode(text.as_str().unwrap())
        .unwrap()
}

/// How long all checks of a photograph take in the worker, on top of shrinking it.
#[tokio::test]
#[ignore = "a measurement: cargo xtask bench checks"]
async fn bench_of_the_checks_in_the_worker() {
    let folder = std::path::PathBuf::from(
        std::env::var_os("BAOAN_PHOTOS").expect("BAOAN_PHOTOS names the folder"),
    )
    .canonicalize()
    .unwrap();
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.at(&server.base).await;
    browser
        .run(
            "const input = document.createElement('input'); input.type = 'file'; input.id = 'bench'; document.body.append(input);
             window.worker = new Worker(document.getElementById('photo-worker').getAttribute('href'));
             window.ready = new Promise((done) => { window.worker.onmessage = () => done(true); });",
        )
        .await;
    println!("| file | all | checks | checks with codes |\n|---|---|---|---|");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "jpg"))
        .collect();
    files.sort();
    for file in files {
        browser.choose("#bench", std::slice::from_ref(&file)).await;
        let script = "const done = arguments[arguments.length - 1];
            (async () => {
              await window.ready;
              const ask = (codes) => new Promise((ok) => {
                const begin = performance.now();
                window.worker.onmessage = (e) => ok([performance.now() - begin, e.data.measured_ms]);
                window.worker.postMessage({ file: document.getElementById('bench').files[0], pdf: false, codes, look: true, native: true });
              });
              await ask(false);
              const runs = [];
              for (let i = 0; i < 5; i++) { runs.push([...await ask(false), (await ask(true))[1]]); }
              done([0, 1, 2].map((k) => Math.round(runs.map((r) => r[k]).sort((a, b) => a - b)[2])));
            })();";
        let found = browser.run_async(script).await;
        println!(
            "| {} | {} | {} | {} |",
            file.file_stem().unwrap().to_string_lossy(),
            found[0],
            found[1],
            found[2]
        );
    }
}

mod server {
    use super::*;

    /// K03 and K07 at the server alone: bypassing the phone meets the same rules.
    #[test]
    fn c2_the_server_refuses_too_many_and_the_same_original_twice() {
        let server = Server::start();
        let mut caller = server.caller();
        let number = claim_of(&mut caller, &server, |_| {});
        let mut put = |document: &str, bytes: &[u8], original: Option<&str>| {
            let upload = uploaded(&mut caller, bytes);
            let said = original.map(|original| {
                json!({ "id": "x", "document": document, "format": "jpeg", "bytes": 1, "sha256": "x", "original_sha256": original }).to_string()
            });
            caller.send(
                "PUT",
                &format!("/api/v1/claims/{number}/documents/{document}/{upload}"),
                &[],
                said.unwrap_or_default().as_bytes(),
            )
        };
        let refusal = |answer: baoan_tests::Answer| {
            (answer.status, answer.json()["errors"][0]["code"].clone())
        };
        assert_eq!(
            put("plate_photo", &jpeg(&page(1500, 1100, 1)), None).status,
            200
        );
        assert_eq!(
            refusal(put("plate_photo", &jpeg(&page(1500, 1100, 2)), None)),
            (422, json!("photo-limit"))
        );
        let original = "ab".repeat(32);
        assert_eq!(
            put("diagnosis", &jpeg(&page(1500, 1100, 3)), Some(&original)).status,
            200
        );
        assert_eq!(
            refusal(put(
                "diagnosis",
                &jpeg(&page(1500, 1100, 5)),
                Some(&original)
            )),
            (422, json!("photo-duplicate"))
        );
    }

    #[test]
    fn u10_a_claim_request_is_refused_by_name_and_taken_once() {
        let server = Server::start();
        let mut caller = server.caller();
        let number = claim_of(&mut caller, &server, |_| {});
        caller.sign_in(&server, PHONE);
        let path = format!("/api/v1/claims/{number}/claim-request");
        let request = json!({ "answers": {}, "unavailable": {}, "typed": {}, "consents": [], "signature": { "strokes": [] }, "form_sha256": "", "tasks": [], "doubts": [] });
        let send = |caller: &mut Caller, key: &str, body: &Value| {
            caller.send(
                "POST",
                &path,
                &[
                    ("content-type", "application/json"),
                    ("idempotency-key", key),
                ],
                body.to_string().as_bytes(),
            )
        };
        let refused = send(&mut caller, &unique_key(), &request);
        assert_eq!(refused.status, 422);
        let fields: Vec<String> = refused.json()["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["field"].as_str().unwrap().to_owned())
            .collect();
        for field in [
            "/documents/vin_photo",
            "/documents/vehicle_license",
            "/consents/account",
            "/signature",
        ] {
            assert!(fields.iter().any(|f| f == field), "{field}: {fields:?}");
        }
        let at = now(&server);
        // No document is available, all of it explained: that is still a valid claim request.
        let mut right = request.clone();
        for field in fields.iter().filter_map(|f| f.strip_prefix("/documents/")) {
            right["unavailable"][field] = json!("房子烧了，什么都没有了");
        }
        right["consents"] = json!(
            ["account", "inquiry", "esign"].map(|id| json!({ "id": id, "version": 1, "at": at }))
        );
        right["signature"]["strokes"] = json!([(0..40)
            .map(|i| json!([100 + i * 10, 200 + i % 7 * 60]))
            .collect::<Vec<_>>()]);
        let unsigned = send(&mut caller, &unique_key(), &right);
        assert_eq!(
            (
                unsigned.status,
                unsigned.json()["errors"][0]["field"].clone()
            ),
            (422, json!("/form_sha256")),
            "what was signed is not this form"
        );
        let mut endless = right.clone();
        endless["typed"] = json!({ "bank_card": { "card": "6".repeat(200_000) } });
        let refused = send(&mut caller, &unique_key(), &endless).json();
        assert_eq!(
            (
                &refused["errors"][0]["field"],
                &refused["errors"][0]["code"]
            ),
            (&json!("/typed/bank_card/card"), &json!("too-long"))
        );
        let mut stranger = server.caller();
        assert_eq!(send(&mut stranger, &unique_key(), &right).status, 401);
        stranger.sign_in(&server, "13900139000");
        assert_eq!(send(&mut stranger, &unique_key(), &right).status, 404);
        assert_eq!(send(&mut caller, "x", &right).status, 400);
        assert_eq!(
            caller
                .send(
                    "POST",
                    &path,
                    &[
                        ("content-type", "application/json"),
                        ("idempotency-key", &unique_key())
                    ],
                    b"{"
                )
                .status,
            400
        );

        // Typed values are compared, never refused; a right-to-left name stays as it is.
        right["typed"] = json!({
            "id_front": { "name": "محمد عليّ", "id_no": "110105194912310021" },
            "id_back": { "valid_until": "2020.1.2" },
            "bank_card": { "card": "6222 0200 0000 0000 000" },
            "submarine": { "card": "1" }
        });
        let view = caller.get(&format!("/api/v1/claims/{number}")).json();
        let catalogue =
            claim_domain::Catalogue::load(include_str!("../../public/catalog.json")).unwrap();
        let notice: claim_domain::Notice = serde_json::from_value(view["notice"].clone()).unwrap();
        let folder: claim_domain::documents::Folder = serde_json::from_value(
            json!({ "unavailable": right["unavailable"], "typed": right["typed"] }),
        )
        .unwrap_or_default();
        let form = claim_domain::documents::claim_form(&catalogue, &number, &notice, &folder);
        right["form_sha256"] = json!(claim_domain::documents::form_sha256(&form));
        let key = unique_key();
        let taken = send(&mut caller, &key, &right);
        assert_eq!(taken.status, 201, "{taken:?}");
        let again = send(&mut caller, &key, &right);
        assert_eq!((again.status, again.text), (200, taken.text));
        let mut other = right.clone();
        other["answers"] = json!({ "mortgaged": true });
        assert_eq!(
            send(&mut caller, &key, &other).code(),
            "idempotency-key-reused"
        );
        assert_eq!(
            send(&mut caller, &unique_key(), &right).code(),
            "not-allowed",
            "once"
        );
        let doubts = caller
            .get(&format!("/api/v1/claims/{number}/requirements"))
            .json()["doubts"]
            .clone();
        let rules: Vec<String> = doubts
            .as_array()
            .unwrap()
            .iter()
            .map(|d| {
                format!(
                    "{} {}",
                    d["rule"].as_str().unwrap(),
                    d["finding"]["code"].as_str().unwrap()
                )
            })
            .collect();
        assert_eq!(rules, ["K11 expired", "K14 name-differs", "K15 id-check"]);
        let seen = Caller::staff(&server, "intake")
            .get(&format!("/staff/claims/{number}"))
            .text;
        assert!(
            seen.contains("محمد عليّ")
                && seen.contains("**** 0000")
                && !seen.contains("6222020000000000000")
        );
        assert!(
            caller
                .get(&format!("/api/v1/claims/{number}"))
                .text
                .contains("**** 0000")
        );
    }

    #[test]
    fn files_are_judged_by_what_they_are() {
        let server = Server::start();
        let mut caller = server.caller();
        let number = claim_of(&mut caller, &server, |_| {});
        caller.sign_in(&server, PHONE);
        let picture = jpeg(&page(1500, 1100, 1));
        let first = attached(&mut caller, &number, "diagnosis", &picture);
        assert_eq!(
            (first.status, first.json()["doubts"].clone()),
            (200, json!([]))
        );
        assert_eq!(
            attached(&mut caller, &number, "diagnosis", &picture).json()["id"],
            first.json()["id"],
            "the same again is the same file"
        );
        let elsewhere = attached(&mut caller, &number, "medical_record", &picture);
        assert_eq!(
            elsewhere.json()["doubts"][0]["finding"]["code"],
            json!("photo-elsewhere")
        );
        assert_eq!(
            attached(&mut caller, &number, "claim_form", &picture).status,
            404,
            "a form takes no file"
        );
        assert_eq!(
            attached(&mut caller, &number, "boat_papers", &picture).status,
            404
        );
        let read = attached(&mut caller, &number, "tow_invoice", &invoice());
        assert_eq!(read.json()["doubts"][0]["rule"], json!("K17"));
        let document = attached(&mut caller, &number, "diagnosis", &pdf(2, "")).json();
        let answer = caller.get(&format!(
            "/api/v1/claims/{number}/photos/{}",
            document["id"].as_str().unwrap()
        ));
        assert_eq!(answer.header("content-type"), Some("application/pdf"));
        assert!(
            answer
                .header("content-disposition")
                .unwrap()
                .starts_with("attachment")
        );
    }
}

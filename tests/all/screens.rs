//! Every screen, checked by axe in Chinese, English and large print; and screenshots for the
//! README.

use std::path::PathBuf;

use baoan_tests::{
    Browser, Caller, Look, Server, Setting, all_good, located_photograph, photographs, root,
};

use crate::journeys::{send, sign_in, walk};

#[tokio::test]
async fn o5_every_screen_of_the_report_in_every_look() {
    let folder = tempfile::tempdir().unwrap();
    let photos = [located_photograph(folder.path())];
    let server = Server::start();
    let mut found = Vec::new();
    let phones = [
        "13800138000",
        "13900139000",
        "13700137000",
        "13600136000",
        "13500135000",
    ];
    let mut told = Told::default();
    for (look, phone) in Look::ALL.into_iter().zip(phones) {
        let browser = Browser::phone().await;
        browser.look(&server.base, look).await;
        browser.at(&server.base).await;
        let mut seen = Vec::new();
        let mut examine = async |browser: &Browser, name: &str| -> Vec<String> {
            let mut found = browser.examine().await;
            if look == Look::Zh {
                told.add(name, browser).await;
                found.extend(browser.by_keyboard().await);
            }
            found
                .into_iter()
                .map(|v| format!("{look:?} {name}: {v}"))
                .collect()
        };
        found.extend(examine(&browser, "first").await);
        browser.tap("#start").await;
        browser.arrive("/report/safety").await;
        browser.tap("button[type=submit]").await;
        browser
            .until("summary", "document.activeElement.id === 'summary'")
            .await;
        found.extend(examine(&browser, "error summary").await);
        let mut on_the_way = Vec::new();
        browser.at(&server.url("/report/safety")).await;
        walk(&browser, &photos, async |browser, page| {
            seen.push(page);
            on_the_way.extend(examine(browser, page).await);
        })
        .await;
        found.extend(on_the_way);
        let number = send(&browser).await;
        browser.until("sent", "document.querySelector('#photo-status') && document.querySelector('progress').value === document.querySelector('progress').max").await;
        found.extend(examine(&browser, "done").await);
        for (page, wait) in [
            ("/help", "details"),
            ("/nowhere", "h1"),
            ("/login?next=/claims", "#phone"),
        ] {
            browser.at(&server.url(page)).await;
            browser.find(wait).await;
            found.extend(examine(&browser, page).await);
        }
        sign_in(&browser, &server, phone).await;
        browser
            .until("claims", "location.pathname === '/claims'")
            .await;
        found.extend(examine(&browser, "claims").await);
        browser.at(&server.url(&format!("/claims/{number}"))).await;
        browser
            .until(
                "claim or sign-in",
                "document.querySelector('.timeline') || document.querySelector('.note')",
            )
            .await;
        found.extend(examine(&browser, "claim").await);
        for page in ["/lite", "/demo", "/demo/outbox", "/staff/login"] {
            browser.open(&server.url(page)).await;
            found.extend(examine(&browser, page).await);
        }
        assert_eq!(seen.len(), 9);
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    told.compare("report");
}

/// What a screen reader announces on each screen, compared with what it announced before.
#[derive(Default)]
struct Told(String);

impl Told {
    async fn add(&mut self, screen: &str, browser: &Browser) {
        self.0
            .push_str(&format!("## {screen}\n\n{}\n", browser.told().await));
    }

    /// With BAOAN_BLESS=1 it is written anew, for somebody to read.
    fn compare(&self, name: &str) {
        let file = root().join(format!("tests/golden/told-{name}.txt"));
        if std::env::var_os("BAOAN_BLESS").is_some() {
            std::fs::write(&file, &self.0).unwrap();
        }
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        let unlike = self
            .0
            .lines()
            .zip(before.lines())
            .find(|(now, before)| now != before);
        assert!(
            self.0 == before,
            "{}: run with BAOAN_BLESS=1 and read what has changed; first {unlike:?}",
            file.display()
        );
    }
}

/// A language is one file: with it, no word of the first page or the report remains in the base
/// language.
#[tokio::test]
async fn the_report_in_a_third_language_holds_no_letter_of_the_first() {
    let words =
        |name: &str| std::fs::read_to_string(root().join(format!("src/i18n/{name}.json"))).unwrap();
    let (simplified, traditional) = (words("zh"), words("zh-Hant"));
    // Its catalogue has the Chinese sentences as names.
    let mut traditional: serde_json::Value = serde_json::from_str(&traditional).unwrap();
    traditional.as_object_mut().unwrap().remove("catalogue");
    let traditional = traditional.to_string();
    let only: std::collections::BTreeSet<char> = simplified
        .chars()
        .filter(|c| *c >= '\u{4e00}' && !traditional.contains(*c))
        .collect();
    assert!(only.len() > 150, "{}", only.len());
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.look(&server.base, Look::Hant).await;
    browser.at(&server.base).await;
    browser
        .until(
            "the words of the first page",
            "document.querySelector('h1').innerText.includes('出險')",
        )
        .await;
    let foreign = async |browser: &Browser, page: &str| {
        // What was typed stays as it is, and so do the server's names of documents.
        let text = browser
            .run("return document.querySelector('#app main, #first').innerText")
            .await;
        let text = text
            .as_str()
            .unwrap()
            .split("現在不用交")
            .next()
            .unwrap()
            .replace("杭州市西湖区文三路 90 号", "")
            .replace("倒车时撞到柱子", "")
            .replace("张伟", "");
        let found: String = text.chars().filter(|c| only.contains(c)).collect();
        assert_eq!(found, "", "{page}: {text}");
    };
    browser.tap("#start").await;
    walk(&browser, &[], async |browser, page| {
        foreign(browser, page).await
    })
    .await;
    send(&browser).await;
    foreign(&browser, "done").await;
    browser.tap("button[data-lang=en]").await;
    browser
        .until(
            "English",
            "document.documentElement.lang === 'en' && document.querySelector('#claim-no')",
        )
        .await;
    assert!(browser.text("main").await.contains("Claim number"));
}

/// `cargo xtask screenshots`
#[tokio::test]
#[ignore = "writes pictures; run by `cargo xtask screenshots`"]
async fn screenshots() {
    let Some(folder) = std::env::var_os("BAOAN_SCREENSHOTS").map(PathBuf::from) else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let photos = photographs(scratch.path());
    let server = Server::start();
    for (look, suffix) in [
        (Look::Zh, ""),
        (Look::Care, "-care"),
        (Look::En, "-en"),
        (Look::Dark, "-dark"),
    ] {
        let browser = Browser::phone().await;
        browser.look(&server.base, look).await;
        browser.at(&server.base).await;
        browser
            .screenshot(&folder.join(format!("first{suffix}.webp")))
            .await;
        browser.tap("#start").await;
        walk(&browser, &photos, async |browser, page| {
            if look == Look::Zh || page == "check" {
                browser.run("window.scrollTo(0, 0)").await;
                browser
                    .screenshot(&folder.join(format!("{page}{suffix}.webp")))
                    .await;
            }
        })
        .await;
        let number = send(&browser).await;
        browser.until("sent", "document.querySelector('progress').value === document.querySelector('progress').max").await;
        browser.run("window.scrollTo(0, 0)").await;
        browser
            .screenshot(&folder.join(format!("done{suffix}.webp")))
            .await;
        browser
            .tap(&format!("a[href='/claims/{number}/receipt']"))
            .await;
        browser.find("#receipt-true").await;
        browser
            .screenshot(&folder.join(format!("receipt{suffix}.webp")))
            .await;
        if look != Look::Zh {
            continue;
        }
        let mut staff = Caller::staff(&server, "supervisor");
        staff.step(
            &number,
            &[("kind", "survey-started"), ("surveyor", "赵 工号 2001")],
        );
        staff.step(
            &number,
            &[("kind", "survey-reported"), ("report", "左前保险杠擦伤")],
        );
        staff.step(
            &number,
            &[("kind", "assessed"), ("lines", "前保险杠 800.00\n喷漆 400")],
        );
        browser
            .at(&server.url(&format!("/login?next=/claims/{number}")))
            .await;
        browser.find("#phone").await;
        browser.screenshot(&folder.join("login.webp")).await;
        sign_in(&browser, &server, "13800138000").await;
        browser.find(".timeline").await;
        browser.screenshot(&folder.join("claim.webp")).await;
        browser
            .run("document.querySelector('.timeline').scrollIntoView()")
            .await;
        browser.screenshot(&folder.join("timeline.webp")).await;
        browser.at(&server.url("/help")).await;
        browser.find("details").await;
        browser.screenshot(&folder.join("help.webp")).await;
        browser.open(&server.url("/lite")).await;
        browser.screenshot(&folder.join("lite.webp")).await;
    }
}

#[tokio::test]
async fn o5_every_page_of_documents_in_every_look() {
    let server = Server::start();
    let number = crate::papers::claim_of(&mut server.caller(), &server, |_| {});
    let browser = Browser::phone().await;
    browser.at(&server.url("/login?next=/claims")).await;
    sign_in(&browser, &server, "13800138000").await;
    browser.find(".card").await;
    let (mut found, mut told) = (Vec::new(), Told::default());
    for look in Look::ALL {
        browser.look(&server.base, look).await;
        for (page, wait) in [
            ("documents", "#missing"),
            ("documents/vehicle_license", ".why"),
            ("documents/scene", ".shots"),
            ("documents/bank_card", "#bank_card-card"),
            ("questions", "fieldset.pair"),
            ("request", "#form"),
            ("receipt", "#receipt-true"),
            ("/verify", "#verify-text"),
        ] {
            let name = page;
            let page = if page.starts_with('/') {
                page.to_owned()
            } else {
                format!("/claims/{number}/{page}")
            };
            browser.at(&server.url(&page)).await;
            browser.find(wait).await;
            if page.ends_with("request") {
                browser.tap("#send-request").await;
                browser
                    .until("summary", "document.activeElement.id === 'summary'")
                    .await;
            }
            let mut wrong = browser.examine().await;
            if look == Look::Zh {
                told.add(name, &browser).await;
                wrong.extend(browser.by_keyboard().await);
            }
            found.extend(wrong.into_iter().map(|v| format!("{look:?} {name}: {v}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    told.compare("documents");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// The task lists of the three lines, for docs/screens.
#[tokio::test]
#[ignore = "makes pictures for the documentation: cargo xtask screenshots"]
async fn screenshots_of_task_lists() {
    let folder = PathBuf::from(std::env::var_os("BAOAN_SCREENSHOTS").unwrap()).join("../screens");
    std::fs::create_dir_all(&folder).unwrap();
    let server = Server::start();
    let browser = Browser::phone().await;
    let mut numbers = Vec::new();
    for (name, incident) in [
        ("motor", "motor.multi"),
        ("medical", "health.inpatient"),
        ("home", "home.water"),
    ] {
        let change = |n: &mut serde_json::Value| {
            n["incident"] = serde_json::json!(incident);
            n["parts"] = serde_json::json!([]);
            let at = n["loss_at"].clone();
            n["consents"]
                .as_array_mut()
                .unwrap()
                .push(serde_json::json!({ "id": "medical", "version": 1, "at": at }));
        };
        numbers.push((
            name,
            crate::papers::claim_of(&mut server.caller(), &server, change),
        ));
    }
    browser.at(&server.url("/login?next=/claims")).await;
    sign_in(&browser, &server, "13800138000").await;
    browser.find(".card").await;
    for look in [Look::Zh, Look::Care] {
        browser.look(&server.base, look).await;
        for (name, number) in &numbers {
            for (page, wait, id) in [
                ("documents", "#missing", "list"),
                ("questions", "fieldset.pair", "questions"),
                ("documents/id_front", ".why", "document"),
                ("request", "#form", "request"),
            ] {
                browser
                    .at(&server.url(&format!("/claims/{number}/{page}")))
                    .await;
                browser.find(wait).await;
                let care = if look == Look::Care { "-large" } else { "" };
                browser
                    .whole_page(&folder.join(format!("{name}-{id}{care}.webp")))
                    .await;
            }
        }
    }
}

/// Claims of one person, at the points of their lives that look different.
fn lives(server: &Server) -> Vec<(&'static str, String)> {
    let mut staff = Caller::staff(server, "supervisor");
    let signed_in = |server: &Server| {
        let mut caller = server.caller();
        caller.sign_in(server, "13800138000");
        caller
    };
    let mut customer: Option<Caller> = None;
    let mut claim = |steps: &[&[(&str, &str)]]| {
        let number = crate::papers::claim_of(&mut server.caller(), server, |_| {});
        let decided = steps
            .iter()
            .any(|s| s.iter().any(|f| matches!(f.1, "approved" | "rejected")));
        if decided {
            crate::papers::request(
                customer.get_or_insert_with(|| signed_in(server)),
                server,
                &number,
            );
        }
        for fields in steps {
            let answer = staff.step(&number, fields);
            assert_eq!(answer.status, 303, "{fields:?}: {answer:?}");
        }
        number
    };
    let survey: &[(&str, &str)] = &[("kind", "survey-skipped"), ("reason", "照片足够")];
    let assessed: &[(&str, &str)] = &[
        ("kind", "assessed"),
        (
            "lines",
            "前保险杠 更换 2400\n左前大灯 更换 1850.50\n喷漆 工时 900",
        ),
    ];
    let accepted: &[(&str, &str)] = &[("kind", "assessment-accepted")];
    let partial = all_good(&[
        ("kind", "approved"),
        ("share", "70"),
        ("deductible", "300"),
        ("basis", "车损险第六条、第十二条：次要责任按 70% 赔付"),
    ]);
    let rejected = all_good(&[
        ("kind", "rejected"),
        (
            "clause",
            "车损险第八条第二项：驾驶人无有效驾驶证期间发生的损失，保险人不负责赔偿。",
        ),
        ("facts", "事故发生时驾驶证已过有效期。"),
        ("evidence", "交警部门驾驶证查询结果"),
    ]);
    let until = claim_domain::local_day(
        claim_domain::Moment::from_rfc3339(&crate::papers::now(server))
            .unwrap()
            .plus_seconds(7 * 86_400),
    );
    let until = until.to_string();
    let ask: &[(&str, &str)] = &[
        ("kind", "supplement-asked"),
        ("reason", "行驶证照片看不清有效期"),
        ("until", &until),
        ("documents", "vehicle_license"),
        ("documents", "driver_license"),
    ];
    vec![
        ("supplement", claim(&[ask])),
        ("assessed", claim(&[survey, assessed])),
        ("approved", claim(&[survey, assessed, accepted, &partial])),
        ("rejected", claim(&[survey, assessed, accepted, &rejected])),
    ]
}

/// Every page of a claim's life in every look: axe, and nothing cut off at 320 pixels. With
/// BAOAN_SCREENSHOTS at a phone's size, with screenshots.
#[tokio::test]
async fn o5_every_page_of_a_claims_life_in_every_look() {
    // Independent of the time of day: a letter goes out with its message, which waits for the
    // morning.
    let dist = crate::embedding::told(|terms| terms["message_hours"] = "00:00-24:00".into());
    let server = Server::with(Setting {
        dist: Some(dist.path().to_owned()),
        ..Setting::default()
    });
    let lives = lives(&server);
    let number = |name: &str| lives.iter().find(|(n, _)| *n == name).unwrap().1.clone();
    let folder = std::env::var_os("BAOAN_SCREENSHOTS").map(|f| PathBuf::from(f).join("../screens"));
    let browser = Browser::phone().await;
    browser.at(&server.url("/login?next=/claims")).await;
    // Codes are rate-limited; pretend the one above was sent two minutes earlier.
    server.write("UPDATE otp SET sent_at = sent_at - 120");
    sign_in(&browser, &server, "13800138000").await;
    browser.find(".card").await;
    let post = |no: &str, what: &str| {
        format!(
            "await fetch('/api/v1/claims/{no}/steps', {{ method: 'POST', headers: {{ 'content-type': 'application/json' }}, body: JSON.stringify({{ what: {what} }}) }});"
        )
    };
    let rejected = number("rejected");
    let done = [
        post(
            &rejected,
            "{ 'review-asked': { reason: '我的驾驶证当天已换证', wish: '按保单赔付' } }",
        ),
        post(
            &rejected,
            "{ 'complaint-filed': { number: '', about: '电话一直没人接', wish: '', owner: '' } }",
        ),
        post(&rejected, "{ wrote: { text: '换证的回执可以用吗？' } }"),
        post(&rejected, "{ 'person-asked': { about: '' } }"),
    ];
    browser
        .awaited(&format!("{}; return 1", done.concat()))
        .await;
    let mut intake = Caller::staff(&server, "intake");
    assert_eq!(
        intake
            .step(
                &rejected,
                &[("kind", "answered"), ("text", "可以，请拍照上传。")]
            )
            .status,
        303
    );
    let page = intake.get(&format!("/staff/claims/{rejected}")).text;
    let letter = page
        .split("/letters/")
        .last()
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let (mut found, mut told) = (Vec::new(), Told::default());
    let pages = [
        ("supplement", "", "#supplement"),
        ("assessed", "", "#accept"),
        ("approved", "", "#agreement"),
        ("rejected", "", "#decision .points"),
        ("rejected", "/disagree", ".way"),
        ("rejected", "/messages", "#thread li"),
        ("rejected", &*format!("/letters/{letter}"), "#letter"),
        ("approved", "/payees", "#payees-0-account"),
        ("approved", "/records", "#share-make"),
    ];
    for look in Look::ALL {
        browser.look(&server.base, look).await;
        for (claim, page, wait) in &pages {
            let name = format!("{look:?} {claim}{page}");
            browser
                .at(&server.url(&format!("/claims/{}{page}", number(claim))))
                .await;
            browser.find(wait).await;
            // Check everything that can be opened in its open state.
            browser
                .run("document.querySelectorAll('details').forEach(d => d.open = true)")
                .await;
            let mut wrong = browser.examine().await;
            if look == Look::Zh {
                let screen = page.trim_end_matches(|c: char| c.is_ascii_digit());
                told.add(&format!("{claim}{screen}"), &browser).await;
                wrong.extend(browser.by_keyboard().await);
            }
            found.extend(wrong.into_iter().map(|v| format!("{name}: {v}")));
            if let (Some(folder), true) = (&folder, matches!(look, Look::Zh | Look::Care)) {
                let page = page
                    .trim_start_matches('/')
                    .split('/')
                    .next()
                    .unwrap_or_default();
                let name = if page.is_empty() { claim } else { &page };
                let large = if look == Look::Care { "-large" } else { "" };
                browser
                    .whole_page(&folder.join(format!("life-{name}{large}.webp")))
                    .await;
            }
        }
    }
    for page in [
        "/staff",
        "/staff/figures",
        "/staff/catastrophes",
        &*format!("/staff/claims/{rejected}"),
        &*format!("/staff/claims/{}", number("assessed")),
    ] {
        browser.open(&server.url("/staff/login")).await;
        if browser.has("#name").await {
            browser.type_in("#name", "supervisor").await;
            browser.type_in("#password", "demo-supervisor").await;
            browser.tap("button").await;
        }
        browser.open(&server.url(page)).await;
        browser.find("h1").await;
        browser
            .run("document.querySelectorAll('details').forEach(d => d.open = true)")
            .await;
        found.extend(
            browser
                .axe()
                .await
                .into_iter()
                .chain(browser.by_keyboard().await)
                .map(|v| format!("{page}: {v}")),
        );
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    told.compare("life");
}

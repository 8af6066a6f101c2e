//! Every screen, looked at by axe in Chinese, English and large print; and pictures of them for the README.

use std::path::PathBuf;

use baoan_tests::{Browser, Caller, Look, Server, photographs};

use crate::journeys::{send, sign_in, walk};

#[tokio::test]
async fn axe_finds_nothing_on_any_screen_in_any_look() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let server = Server::start();
    let mut found = Vec::new();
    for (look, phone) in [(Look::Zh, "13800138000"), (Look::En, "13900139000"), (Look::Care, "13700137000")] {
        let browser = Browser::phone().await;
        browser.look(&server.base, look).await;
        browser.at(&server.base).await;
        let mut seen = Vec::new();
        let examine = async |browser: &Browser, name: &str| -> Vec<String> {
            browser.axe().await.into_iter().map(|v| format!("{look:?} {name}: {v}")).collect()
        };
        found.extend(examine(&browser, "first").await);
        browser.tap("#start").await;
        browser.arrive("/report/safety").await;
        browser.tap("button[type=submit]").await;
        browser.until("summary", "document.activeElement.id === 'summary'").await;
        found.extend(examine(&browser, "error summary").await);
        let mut on_the_way = Vec::new();
        browser.at(&server.url("/report/safety")).await;
        walk(&browser, &photos[..1], async |browser, page| {
            seen.push(page);
            on_the_way.extend(examine(browser, page).await);
        })
        .await;
        found.extend(on_the_way);
        let number = send(&browser).await;
        browser.until("sent", "document.querySelector('#photo-status') && document.querySelector('progress').value === document.querySelector('progress').max").await;
        found.extend(examine(&browser, "done").await);
        for (page, wait) in [("/help", "details"), ("/nowhere", "h1"), ("/login?next=/claims", "#phone")] {
            browser.at(&server.url(page)).await;
            browser.find(wait).await;
            found.extend(examine(&browser, page).await);
        }
        sign_in(&browser, &server, phone).await;
        browser.until("claims", "location.pathname === '/claims'").await;
        found.extend(examine(&browser, "claims").await);
        browser.at(&server.url(&format!("/claims/{number}"))).await;
        browser.until("claim or sign-in", "document.querySelector('.timeline') || document.querySelector('.note')").await;
        found.extend(examine(&browser, "claim").await);
        for page in ["/lite", "/demo", "/demo/outbox", "/staff/login"] {
            browser.open(&server.url(page)).await;
            found.extend(examine(&browser, page).await);
        }
        assert_eq!(seen.len(), 9);
        assert_eq!(browser.complaints().await, Vec::<String>::new());
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// WCAG 1.4.10: no page needs sideways scrolling at 320 px.
#[tokio::test]
async fn nothing_is_cut_off_at_320_pixels() {
    let server = Server::start();
    let browser = Browser::start(320, 640).await;
    for look in [Look::Zh, Look::En, Look::Care] {
        browser.look(&server.base, look).await;
        for page in ["/", "/report/safety", "/help", "/login", "/verify", "/lite", "/demo", "/staff/login"] {
            browser.open(&server.url(page)).await;
            browser.find("h1").await;
            browser.until(page, "document.scripts.length === 0 || document.documentElement.dataset.ready").await;
            let wide = browser.run("return document.documentElement.scrollWidth").await;
            assert!(wide.as_u64().is_some_and(|w| w <= 320), "{look:?} {page}: {wide} px wide");
        }
    }
}

/// `cargo xtask screenshots`
#[tokio::test]
#[ignore = "writes pictures; run by `cargo xtask screenshots`"]
async fn screenshots() {
    let Some(folder) = std::env::var_os("BAOAN_SCREENSHOTS").map(PathBuf::from) else { return };
    let scratch = tempfile::tempdir().unwrap();
    let photos = photographs(scratch.path());
    let server = Server::start();
    for (look, suffix) in [(Look::Zh, ""), (Look::Care, "-care"), (Look::En, "-en")] {
        let browser = Browser::phone().await;
        browser.look(&server.base, look).await;
        browser.at(&server.base).await;
        browser.screenshot(&folder.join(format!("first{suffix}.png"))).await;
        browser.tap("#start").await;
        walk(&browser, &photos, async |browser, page| {
            if look == Look::Zh || page == "check" {
                browser.run("window.scrollTo(0, 0)").await;
                browser.screenshot(&folder.join(format!("{page}{suffix}.png"))).await;
            }
        })
        .await;
        let number = send(&browser).await;
        browser.until("sent", "document.querySelector('progress').value === document.querySelector('progress').max").await;
        browser.run("window.scrollTo(0, 0)").await;
        browser.screenshot(&folder.join(format!("done{suffix}.png"))).await;
        browser.tap(&format!("a[href='/claims/{number}/receipt']")).await;
        browser.find("#receipt-true").await;
        browser.screenshot(&folder.join(format!("receipt{suffix}.png"))).await;
        if look != Look::Zh {
            continue;
        }
        let mut staff = Caller::staff(&server, "supervisor");
        staff.step(&number, &[("kind", "survey-started"), ("surveyor", "赵 工号 2001")]);
        staff.step(&number, &[("kind", "survey-reported"), ("report", "左前保险杠擦伤")]);
        staff.step(&number, &[("kind", "assessed"), ("lines", "前保险杠 800.00\n喷漆 400")]);
        browser.at(&server.url(&format!("/login?next=/claims/{number}"))).await;
        browser.find("#phone").await;
        browser.screenshot(&folder.join("login.png")).await;
        sign_in(&browser, &server, "13800138000").await;
        browser.find(".timeline").await;
        browser.screenshot(&folder.join("claim.png")).await;
        browser.run("document.querySelector('.timeline').scrollIntoView()").await;
        browser.screenshot(&folder.join("timeline.png")).await;
        browser.at(&server.url("/help")).await;
        browser.find("details").await;
        browser.screenshot(&folder.join("help.png")).await;
        browser.open(&server.url("/lite")).await;
        browser.screenshot(&folder.join("lite.png")).await;
    }
}

#[tokio::test]
async fn axe_finds_nothing_on_the_pages_of_documents_in_any_look() {
    let server = Server::start();
    let number = crate::papers::claim_of(&mut server.caller(), &server, |_| {});
    let browser = Browser::phone().await;
    browser.at(&server.url("/login?next=/claims")).await;
    sign_in(&browser, &server, "13800138000").await;
    browser.find(".card").await;
    let mut found = Vec::new();
    for look in [Look::Zh, Look::En, Look::Care] {
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
            let page = if page.starts_with('/') { page.to_owned() } else { format!("/claims/{number}/{page}") };
            browser.at(&server.url(&page)).await;
            browser.find(wait).await;
            if page.ends_with("request") {
                browser.tap("#send-request").await;
                browser.until("summary", "document.activeElement.id === 'summary'").await;
            }
            found.extend(browser.axe().await.into_iter().map(|v| format!("{look:?} {page}: {v}")));
            let wide = browser.run("return document.documentElement.scrollWidth > innerWidth").await;
            assert_eq!(wide, serde_json::json!(false), "{look:?} {page} is wider than the screen");
        }
    }
    assert_eq!(found, Vec::<String>::new());
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
    for (name, incident) in [("motor", "motor.multi"), ("medical", "health.inpatient"), ("home", "home.water")] {
        let change = |n: &mut serde_json::Value| {
            n["incident"] = serde_json::json!(incident);
            n["parts"] = serde_json::json!([]);
            let at = n["loss_at"].clone();
            n["consents"].as_array_mut().unwrap().push(serde_json::json!({ "id": "medical", "version": 1, "at": at }));
        };
        numbers.push((name, crate::papers::claim_of(&mut server.caller(), &server, change)));
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
                browser.at(&server.url(&format!("/claims/{number}/{page}"))).await;
                browser.find(wait).await;
                let care = if look == Look::Care { "-large" } else { "" };
                browser.whole_page(&folder.join(format!("{name}-{id}{care}.png"))).await;
            }
        }
    }
}

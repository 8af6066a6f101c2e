//! A kiosk in a branch: one stranger after another, and nobody leaves a trace; and the way to the
//! phone and back.

use baoan_tests::{Browser, Caller, Server, photographs, some_photographs};
use base64::Engine;
use serde_json::{Value, json};

use crate::journeys::{all_arrived, claim_number, reported, send, sign_in, walk};
use crate::papers::claim_of;

/// What a person types at the kiosk, and what must not be found there afterwards.
const TYPED: [&str; 5] = [
    "张伟",
    "13800138000",
    "文三路 90 号",
    "倒车时撞到柱子",
    "probe-9f31",
];

/// An enrolled kiosk that asks after this many seconds without a touch.
async fn machine(server: &Server, (width, height): (u32, u32), idle: &str) -> Browser {
    let enrolled = server.command(&["kiosk", "hz-01", "--idle-seconds", idle]);
    let code = String::from_utf8(enrolled.stdout)
        .unwrap()
        .trim()
        .to_owned();
    assert_eq!(code.len(), 12, "{code}");
    let browser = Browser::start(width, height).await;
    browser.open(&server.url("/kiosk/enrol")).await;
    browser.type_in("#code", "000000000000").await;
    browser.tap("button").await;
    browser.find(".wrong").await;
    browser.type_in("#code", &code).await;
    browser.tap("button").await;
    browser.ready().await;
    // As set by the policy of a kiosk's browser (VideoCaptureAllowedUrls).
    let camera =
        json!({ "permission": { "name": "camera" }, "setting": "granted", "origin": server.base });
    browser.cdp("Browser.setPermission", camera).await;
    browser
}

/// The app's service worker is active, so the page loads without a server.
async fn shell_is_kept(browser: &Browser) {
    let body = "await navigator.serviceWorker.ready; return (await caches.match(document.querySelector('script[src*=kiosk]').src)) !== undefined && (await (await caches.match('/')).text()).includes('data-kiosk')";
    assert_eq!(browser.awaited(body).await, json!(true));
}

async fn end(browser: &Browser) {
    browser.run("window.before = true").await;
    browser.tap("#kiosk-end").await;
    browser.tap("#kiosk-end-yes").await;
    fresh(browser).await;
}

/// The first page again, freshly loaded.
async fn fresh(browser: &Browser) {
    browser
        .until(
            "a fresh page",
            "location.pathname === '/' && !window.before && document.querySelector('#kiosk-bar')",
        )
        .await;
}

/// Nothing of `typed` is in any browser storage, nor in the page's memory.
async fn nothing_of(browser: &Browser, typed: &[&str]) {
    let kept = "const all = [JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie];
        all.push(JSON.stringify((await indexedDB.databases()).map((d) => d.name)));
        for (const name of await caches.keys()) { const kept = await caches.open(name); for (const request of await kept.keys()) { all.push(request.url); const answer = await kept.match(request); if (/text|json|html/.test(answer.headers.get('content-type') || '')) { all.push(await answer.text()); } } }
        return all.join('\\n')";
    let kept = browser.awaited(kept).await;
    let kept = kept.as_str().unwrap().to_owned();
    assert!(
        !kept.starts_with("failed") && kept.contains("[]"),
        "databases: {}",
        &kept[..kept.len().min(300)]
    );
    let cookies = browser
        .cdp("Network.getAllCookies", json!({}))
        .await
        .to_string();
    let history = browser
        .cdp("Page.getNavigationHistory", json!({}))
        .await
        .to_string();
    let mut heap = browser.heap().await;
    // What the browser's other threads still hold of the earlier page goes with one of the next
    // garbage collections.
    for _ in 0..5 {
        if typed.iter().any(|value| heap.contains(value)) {
            heap = browser.heap().await;
        }
    }
    assert!(
        heap.len() > 100_000 && heap.contains("kiosk-bar"),
        "a snapshot of the page: {} bytes",
        heap.len()
    );
    for (place, text) in [
        ("storage", &kept),
        ("cookies", &cookies),
        ("history", &history),
        ("heap", &heap),
    ] {
        for value in typed {
            assert!(!text.contains(value), "{value} is in the {place}");
        }
    }
    assert!(
        !history.contains("/report") && !history.contains("/claims"),
        "{history}"
    );
}

/// O2: portrait and landscape, with and without the server; two customers in a row never see each
/// other's data.
#[tokio::test]
async fn o2_a_machine_keeps_nothing_of_anybody() {
    let server = &mut Server::start();
    for (size, gone) in [((1080, 1920), false), ((1920, 1080), true)] {
        let browser = machine(server, size, "60").await;
        assert_eq!(
            browser
                .run("return document.documentElement.dataset.kiosk")
                .await,
            json!("80")
        );
        for id in ["kiosk-person", "kiosk-phone", "kiosk-print", "kiosk-end"] {
            let height = browser
                .run(&format!(
                    "return document.getElementById('{id}').getBoundingClientRect().height"
                ))
                .await;
            assert!(height.as_f64().unwrap() >= 60.0, "{id}: {height}");
        }
        shell_is_kept(&browser).await;
        browser.tap("#start").await;
        walk(&browser, &[], async |browser, page| {
            if page == "policy" {
                // By our own keys: the province first, then letters and digits.
                browser.run("const f = document.querySelector('#policy-plate'); f.value = ''; f.dispatchEvent(new Event('input', { bubbles: true })); f.focus()").await;
                for sign in "浙A12345".chars() {
                    browser.run(&format!("[...document.querySelectorAll('#kiosk-keys button')].find((b) => b.textContent === '{sign}').click()")).await;
                }
                assert_eq!(browser.run("return document.querySelector('#policy-plate').value").await, json!("浙A12345"));
            }
            if page == "photos" {
                // No file chooser: the kiosk's own camera.
                browser.tap("label:has(#camera)").await;
                browser.find("#kiosk-camera").await;
                browser.until("a picture", "document.querySelector('.kiosk-video').videoWidth").await;
                browser.tap("#kiosk-shoot").await;
                browser.until("the photo is small", "document.querySelectorAll('.shrunk').length === 1").await;
            }
            if page == "who" {
                assert_eq!(
                    browser
                        .run("const f = document.querySelector('#reporter-phone'); return [f.autocomplete, f.inputMode, f.name === 'tel']")
                        .await,
                    json!(["off", "none", false])
                );
                // After blur it shows no digit.
                browser.tap("#reporter-name").await;
                assert!(browser.has("#reporter-phone.kiosk-masked").await);
            }
        })
        .await;
        assert_eq!(browser.axe().await, Vec::<String>::new());
        browser
            .run(
                "window.probe = ['probe', TAIL].join('-')"
                    .replace("TAIL", "'9f31'")
                    .as_str(),
            )
            .await;
        assert!(
            browser.heap().await.contains("probe-9f31"),
            "what lives in the page is in the snapshot"
        );
        if gone {
            server.kill();
            end(&browser).await;
            browser.find("#out-of-service").await;
            nothing_of(&browser, &TYPED).await;
            server.start_again();
            browser.until("in service again", "!document.querySelector('#out-of-service') && document.documentElement.dataset.ready").await;
        } else {
            end(&browser).await;
            browser.ready().await;
        }
        nothing_of(&browser, &TYPED).await;
        // The next person starts with an empty page and their own session.
        browser.tap("#start").await;
        browser.arrive("/report/safety").await;
        assert!(!browser.has("input:checked").await && !browser.has(".resume a").await);
        assert_eq!(
            browser
                .complaints()
                .await
                .iter()
                .filter(|c| !c.contains("ERR_CONNECTION_REFUSED"))
                .count(),
            0
        );
    }
}

/// O2: it asks whether somebody is still there; whoever is continues where they were, and nothing
/// is wiped.
#[tokio::test]
async fn o2_silence_is_asked_about_and_then_everything_goes() {
    let server = Server::start();
    let browser = machine(&server, (1080, 1920), "4").await;
    browser.tap("#start").await;
    browser.arrive("/report/safety").await;
    browser.tap("input[name='/scene/injured'][value=no]").await;
    browser.find("#kiosk-idle").await;
    assert!(browser.text(".kiosk-left").await.contains('秒'));
    browser.tap("#kiosk-stay").await;
    browser
        .until(
            "no question any more",
            "!document.querySelector('#kiosk-idle')",
        )
        .await;
    assert!(
        browser
            .has("input[name='/scene/injured'][value=no]:checked")
            .await,
        "as it was"
    );
    browser.run("window.before = true").await;
    fresh(&browser).await;
    browser.ready().await;
    nothing_of(&browser, &TYPED).await;
}

/// O2: a person who signs in, returns to the first page and walks away is wiped like everybody
/// else, even with a dialog open.
#[tokio::test]
async fn o2_nobody_is_forgotten_on_the_first_page_or_under_a_dialog() {
    let server = Server::start();
    let browser = machine(&server, (1080, 1920), "6").await;
    let signed_in = "SELECT count(*) FROM session WHERE phone_sealed IS NOT NULL";
    browser.tap(".tiles a[href='/claims']").await;
    browser.tap("a[href^='/login']").await;
    browser.find("#phone").await;
    sign_in(&browser, &server, "13800138000").await;
    browser
        .until("signed in", "location.pathname === '/claims'")
        .await;
    assert_eq!(server.count(signed_in), 1);
    browser.tap("a.back").await;
    browser
        .until(
            "the first page",
            "location.pathname === '/' && document.documentElement.dataset.ready",
        )
        .await;
    browser.run("window.before = true").await;
    browser.tap("#kiosk-person").await;
    browser.find("#kiosk-help").await;
    assert_eq!(
        browser.axe().await,
        Vec::<String>::new(),
        "with a dialog open"
    );
    fresh(&browser).await;
    browser.ready().await;
    assert_eq!(server.count(signed_in), 0, "the session is over");
    // Nobody has touched it since: it does not ask.
    assert_eq!(
        browser.run("return sessionStorage.getItem('used')").await,
        Value::Null
    );
}

/// O2: after signing in and sending at the kiosk, 结束 also ends the session at the server; the
/// receipt is printed without the phone.
#[tokio::test]
async fn o2_after_sending_the_session_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let photos = some_photographs(folder.path(), 1);
    let server = Server::start();
    let browser = machine(&server, (1080, 1920), "60").await;
    let number = reported(&browser, &photos).await;
    browser.run("window.print = () => { window.printed = document.querySelector('.kiosk-ticket').textContent }").await;
    browser.tap("#kiosk-print").await;
    let printed = browser.run("return window.printed").await;
    let printed = printed.as_str().unwrap();
    assert!(
        printed.contains(&number) && !printed.contains("13800138000") && !printed.contains("张伟"),
        "{printed}"
    );
    browser.tap(&format!("a[href='/claims/{number}']")).await;
    browser.tap("a[href^='/login']").await;
    browser.find("#phone").await;
    sign_in(&browser, &server, "13800138000").await;
    browser
        .find("[data-stage=registered][data-state=now]")
        .await;
    end(&browser).await;
    browser.ready().await;
    assert_eq!(
        server.count("SELECT count(*) FROM session WHERE phone_sealed IS NOT NULL"),
        0,
        "ended at the server"
    );
    nothing_of(&browser, &[&TYPED[..], &[number.as_str()]].concat()).await;
}

/// The address in the QR code on the screen, decoded from a screenshot.
async fn scanned(browser: &Browser) -> String {
    browser.find(".kiosk-qr path").await;
    let path = browser
        .run("return document.querySelector('.kiosk-qr path').getAttribute('d')")
        .await;
    let squares: Vec<(u32, u32)> = path
        .as_str()
        .unwrap()
        .split('M')
        .skip(1)
        .map(|square| {
            let (x, y) = square.split_once("h1").unwrap().0.split_once(' ').unwrap();
            (x.parse().unwrap(), y.parse().unwrap())
        })
        .collect();
    let width = squares.iter().map(|(x, y)| (*x).max(*y)).max().unwrap() + 9;
    let mut picture = image::RgbImage::from_pixel(width * 8, width * 8, image::Rgb([255; 3]));
    for (x, y) in squares {
        for (dx, dy) in (0..8).flat_map(|dx| (0..8).map(move |dy| (dx, dy))) {
            picture.put_pixel((x + 4) * 8 + dx, (y + 4) * 8 + dy, image::Rgb([0; 3]));
        }
    }
    let look = claim_photo::measure(&baoan_tests::papers::jpeg(&picture), true).unwrap();
    assert_eq!(look.codes.len(), 1, "one code");
    look.codes[0].clone()
}

/// O2: a report begun at the kiosk continues on a phone, with its three photos; the code works
/// once.
#[tokio::test]
async fn o2_u11_a_report_moves_to_the_phone_with_its_photos() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let server = Server::start();
    let machine = machine(&server, (1080, 1920), "60").await;
    machine.tap("#start").await;
    walk(&machine, &photos, async |_, _| {}).await;
    machine.run("window.before = true").await;
    machine.tap("#kiosk-phone").await;
    let address = scanned(&machine).await;
    assert!(address.starts_with(&server.url("/handoff#")), "{address}");

    let phone = Browser::phone().await;
    phone.at(&address).await;
    sign_in(&phone, &server, "13800138000").await;
    phone.find("#take-over").await;
    assert!(phone.text("main").await.contains("照片 3 张"));
    assert_eq!(phone.axe().await, Vec::<String>::new());
    phone.tap("#take-over").await;
    // The kiosk says so, and forgets.
    machine.find("#kiosk-moved").await;
    phone.arrive("/report/check").await;
    assert!(phone.text("main").await.contains("文三路"));
    let number = send(&phone).await;
    all_arrived(&phone).await;
    assert!(claim_number(&number));
    assert_eq!(server.stored_files().len(), 3);
    fresh(&machine).await;
    machine.ready().await;
    nothing_of(&machine, &TYPED).await;

    let mut other = server.caller();
    other.sign_in(&server, "13900139000");
    let secret = address.split('#').nth(1).unwrap();
    let again = other.post("/api/v1/handoffs/redeem", &json!({ "secret": secret }));
    assert_eq!((again.status, again.code()), (410, "handoff-gone".into()));
    assert_eq!(
        server.count("SELECT count(*) FROM handoff WHERE parcel_sealed IS NOT NULL"),
        0,
        "the server forgets, too"
    );
}

/// And back: a claim on the phone is printed at the kiosk.
#[tokio::test]
async fn o2_a_phone_has_its_number_printed_at_the_machine() {
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let machine = machine(&server, (1920, 1080), "60").await;
    machine.run("window.print = () => { window.printed = document.querySelector('.kiosk-ticket').textContent }").await;
    machine.tap("#kiosk-print").await;
    let address = scanned(&machine).await;
    let phone = Browser::phone().await;
    phone.at(&address).await;
    sign_in(&phone, &server, "13800138000").await;
    phone.tap("#to-print button").await;
    phone.find("#handoff-done").await;
    machine.until("printed", "window.printed").await;
    let printed = machine.run("return window.printed").await;
    let printed = printed.as_str().unwrap();
    assert!(
        printed.contains(&number) && printed.contains("138****8000") && printed.contains("95500"),
        "{printed}"
    );
}

/// BAOAN_SCREENSHOTS/kiosk-*.webp: portrait and landscape.
#[tokio::test]
#[ignore = "makes pictures for the documentation: cargo xtask screenshots"]
async fn screenshots_of_machines() {
    let folder =
        std::path::PathBuf::from(std::env::var_os("BAOAN_SCREENSHOTS").unwrap()).join("../screens");
    let server = Server::start();
    for (size, name) in [((1080, 1920), "upright"), ((1920, 1080), "across")] {
        let browser = machine(&server, size, "60").await;
        browser
            .screenshot(&folder.join(format!("kiosk-{name}-first.webp")))
            .await;
        browser.tap("#start").await;
        walk(&browser, &[], async |browser, page| {
            if page == "who" || page == "policy" {
                browser
                    .tap(if page == "who" {
                        "#reporter-phone"
                    } else {
                        "#policy-plate"
                    })
                    .await;
                browser.find("#kiosk-keys").await;
                browser
                    .screenshot(&folder.join(format!("kiosk-{name}-{page}.webp")))
                    .await;
            }
            if page == "photos" {
                browser.tap("label:has(#camera)").await;
                browser.find("#kiosk-camera").await;
                browser
                    .until(
                        "a picture",
                        "document.querySelector('.kiosk-video').videoWidth",
                    )
                    .await;
                browser
                    .screenshot(&folder.join(format!("kiosk-{name}-camera.webp")))
                    .await;
                browser.tap("#kiosk-shoot").await;
                browser
                    .until(
                        "the photo is small",
                        "document.querySelectorAll('.shrunk').length === 1",
                    )
                    .await;
            }
        })
        .await;
        browser.tap("#kiosk-phone").await;
        browser.find(".kiosk-qr path").await;
        browser
            .screenshot(&folder.join(format!("kiosk-{name}-qr.webp")))
            .await;
    }
}

mod server {
    use super::*;

    /// O2: what was uploaded for a report that was never sent is gone, and so is the session that
    /// did it.
    #[test]
    fn o2_a_wipe_ends_uploads_and_sessions_at_the_server() {
        let server = Server::start();
        let code = String::from_utf8(server.command(&["kiosk", "hz-03"]).stdout)
            .unwrap()
            .trim()
            .to_owned();
        let mut caller = server.caller();
        assert_eq!(caller.form("/kiosk/enrol", &[("code", &code)]).status, 303);
        let sha256 =
            base64::engine::general_purpose::STANDARD.encode(baoan_tests::sha256_hex(b"abc"));
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-length", "3"),
            ("upload-metadata", &*format!("sha256 {sha256}")),
        ];
        let begun = caller.send("POST", "/api/v1/uploads", &headers, b"");
        assert_eq!(begun.status, 201, "{begun:?}");
        let uploads = "SELECT count(*) FROM upload";
        assert_eq!(server.count(uploads), 1);
        let wiped = caller.post("/api/v1/kiosk/wipe", &json!({ "why": "end" }));
        assert_eq!(wiped.status, 204);
        assert_eq!(
            wiped.header("clear-site-data"),
            Some("\"cache\", \"storage\"")
        );
        assert_eq!(server.count(uploads), 0);
        assert_eq!(
            server.count("SELECT count(*) FROM session WHERE ended = 0"),
            0
        );
        assert_eq!(
            caller
                .post("/api/v1/kiosk/wipe", &json!({ "why": "start" }))
                .header("clear-site-data"),
            None
        );
        assert_eq!(
            server
                .caller()
                .post("/api/v1/kiosk/wipe", &json!({ "why": "end" }))
                .status,
            404
        );
    }

    /// Without enrolment no kiosk route is available, and re-enrolment revokes the old kiosk's
    /// access.
    #[test]
    fn o2_a_machine_is_one_by_its_enrolment_only() {
        let server = Server::start();
        let code = |server: &Server| {
            String::from_utf8(server.command(&["kiosk", "hz-02"]).stdout)
                .unwrap()
                .trim()
                .to_owned()
        };
        let mut stranger = server.caller();
        assert!(
            !stranger.get("/?kiosk=1").text.contains("data-kiosk"),
            "no address makes one"
        );
        let enrol =
            |caller: &mut Caller, code: &str| caller.form("/kiosk/enrol", &[("code", code)]).status;
        let first = code(&server);
        let (mut old, mut new) = (server.caller(), server.caller());
        assert_eq!(
            (enrol(&mut old, &first), enrol(&mut stranger, &first)),
            (303, 422),
            "a code is used once"
        );
        assert!(old.get("/").text.contains("data-kiosk=\"80\""));
        let empty = claim_domain::draft::Draft::new("01900000-0000-7000-8000-000000000002".into());
        assert_eq!(
            old.post("/api/v1/handoffs", &json!({ "parcel": { "draft": empty } }))
                .status,
            422,
            "nothing to move"
        );
        let begun = old.post("/api/v1/handoffs", &json!({}));
        assert_eq!(begun.status, 201);
        let id = begun.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(enrol(&mut new, &code(&server)), 303);
        assert!(
            !old.get("/").text.contains("data-kiosk"),
            "its old cookie says nothing any more"
        );
        assert_eq!(old.get(&format!("/api/v1/handoffs/{id}")).status, 404);
        // What is typed at a kiosk is not kept at the server.
        new.sign_in(&server, "13800138000");
        let headers = [("content-type", "application/json"), ("if-none-match", "*")];
        let draft: Value = serde_json::to_value(claim_domain::draft::Draft::new(
            "01900000-0000-7000-8000-000000000001".into(),
        ))
        .unwrap();
        let kept = new.send(
            "PUT",
            "/api/v1/drafts/01900000-0000-7000-8000-000000000001",
            &headers,
            draft.to_string().as_bytes(),
        );
        assert_eq!(kept.code(), "not-allowed");
    }
}

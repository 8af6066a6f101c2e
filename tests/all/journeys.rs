//! What people do, in Chromium at 390 x 844.

use std::path::Path;

use baoan_tests::{Browser, Caller, Server, all_good, broken_files, photographs, sha256_hex};
use serde_json::{Value, json};

/// Fields of a staff form.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// A server, and a phone on the first page of a report to it.
pub async fn reporting() -> (Server, Browser) {
    let (server, browser) = (Server::start(), Browser::phone().await);
    browser.at(&server.url("/report")).await;
    (server, browser)
}

/// Answers the pages of the common path; calls `visit` on each before leaving it.
pub async fn walk(
    browser: &Browser,
    photos: &[std::path::PathBuf],
    mut visit: impl AsyncFnMut(&Browser, &'static str),
) {
    browser.arrive("/report/safety").await;
    browser.tap("input[name='/scene/injured'][value=no]").await;
    browser.tap("input[name='/scene/road'][value=clear]").await;
    browser
        .tap("input[name='/scene/special'][value=none]")
        .await;
    browser.find("[data-advice=Photographs]").await;
    visit(browser, "safety").await;
    browser.tap("button[type=submit]").await;

    browser.arrive("/report/what").await;
    browser.tap("input[value='motor.single']").await;
    visit(browser, "what").await;
    browser.tap("button[type=submit]").await;

    browser.arrive("/report/when").await;
    visit(browser, "when").await;
    browser.tap("button[type=submit]").await;

    browser.arrive("/report/where").await;
    browser
        .type_in("#place-text", "杭州市西湖区文三路 90 号")
        .await;
    visit(browser, "where").await;
    browser.tap("button[type=submit]").await;

    browser.arrive("/report/damage").await;
    browser.tap("#part-front-left").await;
    browser.type_in("#narrative", "倒车时撞到柱子").await;
    visit(browser, "damage").await;
    browser.tap("button[type=submit]").await;

    browser.arrive("/report/who").await;
    browser
        .tap("input[name='/reporter/role'][value=driver]")
        .await;
    browser.type_in("#reporter-name", "张伟").await;
    browser.type_in("#reporter-phone", "13800138000").await;
    visit(browser, "who").await;
    browser.tap("button[type=submit]").await;

    browser.arrive("/report/policy").await;
    browser.type_in("#policy-plate", "浙a·12345").await;
    visit(browser, "policy").await;
    browser.tap("button[type=submit]").await;

    browser.arrive("/report/photos").await;
    if !photos.is_empty() {
        browser.choose("#album", photos).await;
        browser
            .until(
                "photos are small",
                &format!(
                    "document.querySelectorAll('.shrunk').length === {}",
                    photos.len()
                ),
            )
            .await;
    }
    visit(browser, "photos").await;
    browser.tap("button[type=submit]").await;

    browser.arrive("/report/check").await;
    browser.tap("#consents-privacy").await;
    browser.tap("#consents-truth").await;
    visit(browser, "check").await;
}

/// From the check page to the number.
pub async fn send(browser: &Browser) -> String {
    browser.tap("button[type=submit]").await;
    browser.find("#claim-no").await;
    assert!(!browser.has("#two-pages").await, "nobody else has written");
    browser.text("#claim-no").await
}

/// Waits until every photo of the report is at the server and the page says so.
pub async fn all_arrived(browser: &Browser) {
    browser
        .until(
            "all photos arrived",
            "document.querySelector('#photo-status').innerText.includes('照片已全部收到')",
        )
        .await;
}

/// From the first page to the number, with all photos at the server.
pub async fn reported(browser: &Browser, photos: &[std::path::PathBuf]) -> String {
    browser.tap("#start").await;
    walk(browser, photos, async |_, _| {}).await;
    let number = send(browser).await;
    assert!(claim_number(&number), "{number}");
    all_arrived(browser).await;
    number
}

pub async fn sign_in(browser: &Browser, server: &Server, phone: &str) {
    browser.type_in("#phone", phone).await;
    browser.tap("button[type=submit]").await;
    browser.find("#code").await;
    browser.type_in("#code", &server.code_for(phone)).await;
    browser.tap("button[type=submit]").await;
}

/// What the app keeps under `name`.
pub async fn kept(browser: &Browser, name: &str) -> Value {
    let text = browser
        .run_async(
            &"const done = arguments[arguments.length - 1];
              baoanStore.get('NAME').then((found) => done(found ? new TextDecoder().decode(found.bytes) : 'null'), () => done('null'));"
                .replace("NAME", name),
        )
        .await;
    serde_json::from_str(text.as_str().unwrap_or("null")).unwrap()
}

/// The outgoing reports that the app stores.
pub async fn outboxes(browser: &Browser) -> Vec<Value> {
    let names = browser
        .run_async("baoanStore.names('outbox:').then(arguments[arguments.length - 1])")
        .await;
    let mut all = Vec::new();
    for name in names.as_array().unwrap() {
        all.push(kept(browser, name.as_str().unwrap()).await);
    }
    all
}

/// Checks a stored picture and returns its hash.
fn examined(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap();
    let picture = image::load_from_memory(&bytes).unwrap();
    assert!(bytes.len() <= 400_000, "{} bytes", bytes.len());
    // Half of 4000: the size decoders can scale to for free.
    assert_eq!(picture.width().max(picture.height()), 2000);
    assert!(
        !bytes.windows(4).any(|w| w == b"Exif"),
        "EXIF is still there"
    );
    if std::env::var_os("BAOAN_PHOTOS").is_none() {
        let corner = *picture.to_rgb8().get_pixel(60, 60);
        assert!(
            picture.width() > picture.height() && corner[0] > 170 && corner[1] < 90,
            "not upright: {corner:?}"
        );
    }
    sha256_hex(&bytes)
}

#[tokio::test]
async fn c3_c4_u4_from_the_first_page_to_a_number_with_three_photographs_and_a_timeline_that_moves()
{
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.at(&server.base).await;
    let number = reported(&browser, &photos).await;

    // The files on the server's disk are those the phone computed.
    let outboxes = outboxes(&browser).await;
    let mut promised: Vec<String> = outboxes[0]["photos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["sha256"].as_str().unwrap().to_owned())
        .collect();
    let mut stored: Vec<String> = server.stored_files().iter().map(|f| examined(f)).collect();
    promised.sort();
    stored.sort();
    assert_eq!(stored, promised);
    assert_eq!(stored.len(), 3);

    // Signed in, the timeline is open while the insurer acts.
    browser.tap(&format!("a[href='/claims/{number}']")).await;
    browser.tap("a[href^='/login']").await;
    browser.find("#phone").await;
    sign_in(&browser, &server, "13800138000").await;
    browser
        .find("[data-stage=registered][data-state=now]")
        .await;
    assert_eq!(
        browser
            .run("return document.querySelectorAll('.photo img').length")
            .await,
        json!(3)
    );
    browser.run("window.notReloaded = true").await;

    let mut staff = Caller::staff(&server, "supervisor");
    let page = staff.get(&format!("/staff/claims/{number}"));
    assert!(
        page.text.contains("照片和材料（3）")
            && page.text.contains("138****8000")
            && !page.text.contains("13800138000")
    );
    let steps: [(&str, Fields); 3] = [
        (
            "surveying",
            &[("kind", "survey-started"), ("surveyor", "赵 工号 2001")],
        ),
        (
            "assessing",
            &[("kind", "survey-reported"), ("report", "左前保险杠擦伤")],
        ),
        (
            "assessing",
            &[("kind", "assessed"), ("lines", "前保险杠 800.00\n喷漆 400")],
        ),
    ];
    for (stage, fields) in steps {
        assert_eq!(staff.step(&number, fields).status, 303);
        browser
            .find(&format!("[data-stage={stage}][data-state=now]"))
            .await;
    }
    // The customer's turn: they see each line and accept.
    browser.find("#accept").await;
    assert!(browser.text("table").await.contains("¥1,200.00"));
    browser.tap("#accept").await;
    let mut customer = browser.caller(&server).await;
    crate::papers::request(&mut customer, &server, &number);
    browser
        .find("[data-stage=adjudicating][data-state=now]")
        .await;
    assert_eq!(
        staff
            .step(
                &number,
                &all_good(&[("kind", "approved"), ("basis", "车损险第六条")])
            )
            .status,
        303
    );
    browser.find("[data-stage=paying][data-state=now]").await;
    // The only thing missing is where the money goes.
    browser.tap("#payee-wanted a").await;
    browser.find("#payees-0-account").await;
    browser
        .type_in("#payees-0-account", "6222020000000000000")
        .await;
    browser.tap("#save-payees").await;
    browser
        .until(
            "the account is known",
            "document.querySelector('#history') && !document.querySelector('#payee-wanted')",
        )
        .await;
    crate::papers::lift(&server, &mut customer, &number);
    let steps: [(&str, &str, Fields); 3] = [
        (
            "paying",
            "now",
            &[("kind", "payment-ordered"), ("instruction", "P1")],
        ),
        (
            "closed",
            "now",
            &[("kind", "paid"), ("reference", "R20261121")],
        ),
        ("closed", "done", &[("kind", "closed")]),
    ];
    // Whoever decided may not pay.
    let mut finance = Caller::staff(&server, "finance");
    assert_eq!(staff.step(&number, steps[0].2).status, 403);
    for ((stage, state, fields), who) in steps.into_iter().zip([
        &mut finance,
        &mut Caller::staff(&server, "finance"),
        &mut staff,
    ]) {
        assert_eq!(who.step(&number, fields).status, 303, "{fields:?}");
        browser
            .find(&format!("[data-stage={stage}][data-state={state}]"))
            .await;
    }
    assert_eq!(browser.run("return window.notReloaded").await, json!(true));
    assert!(browser.text("#history").await.contains("已支付 ¥1,200.00"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

pub fn claim_number(text: &str) -> bool {
    text.len() == 17 && text.starts_with("BA20") && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[tokio::test]
async fn a1_signed_in_with_one_policy_it_takes_three_screens() {
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.at(&server.url("/login?next=/")).await;
    sign_in(&browser, &server, "13800138000").await;
    browser
        .until(
            "home",
            "location.pathname === '/' && document.documentElement.dataset.ready",
        )
        .await;
    browser.tap("#start").await;
    let mut screens = vec![];
    browser.arrive("/report/safety").await;
    screens.push(browser.path().await);
    browser.tap("input[name='/scene/injured'][value=no]").await;
    browser.tap("input[name='/scene/road'][value=clear]").await;
    browser.tap("button[type=submit]").await;
    browser.arrive("/report/event").await;
    screens.push(browser.path().await);
    browser.tap("input[value='motor.single']").await;
    browser.type_in("#place-text", "文三路 90 号").await;
    browser.tap("button[type=submit]").await;
    browser.arrive("/report/check").await;
    screens.push(browser.path().await);
    browser.tap("#consents-privacy").await;
    browser.tap("#consents-truth").await;
    let number = send(&browser).await;
    assert!(claim_number(&number));
    assert_eq!(screens.len(), 3);
    // Somebody else's car: the pages skipped before are now asked, and earlier answers are kept.
    browser.tap("a[href='/']").await;
    browser.tap("#start").await;
    browser.arrive("/report/safety").await;
    browser.tap("input[name='/scene/injured'][value=no]").await;
    browser.tap("input[name='/scene/road'][value=clear]").await;
    browser.tap("button[type=submit]").await;
    browser.arrive("/report/event").await;
    browser.tap("input[value='motor.single']").await;
    browser.type_in("#place-text", "文三路 90 号").await;
    browser.tap("button[type=submit]").await;
    browser.arrive("/report/check").await;
    browser.tap(".note .link").await;
    browser.arrive("/report/damage").await;
    assert_eq!(
        kept(&browser, "draft").await["answers"]["place"],
        "文三路 90 号"
    );
    let page = Caller::staff(&server, "intake")
        .get(&format!("/staff/claims/{number}"))
        .text;
    assert!(
        page.contains("已核对") && page.contains("张伟"),
        "the policy was not recognised"
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn o1_u3_a_killed_tab_comes_back_to_the_same_place_with_answers_and_photos() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let (server, browser) = reporting().await;
    walk(&browser, &photos[..2], async |browser, page| {
        let state = "return JSON.stringify([[...document.querySelectorAll('form input:checked')].map((i) => i.id), [...document.querySelectorAll('form .input')].map((i) => i.value), document.querySelectorAll('.shrunk').length])";
        let before = browser.run(state).await;
        let path = browser.path().await;
        // A change is on disk a moment after it was made; a person cannot be faster.
        saved(browser).await;
        browser.kill_tab().await;
        browser.ready().await;
        browser.arrive(&path).await;
        assert_eq!(browser.run(state).await, before, "{page}");
        if page == "photos" {
            assert_eq!(browser.run("return [...document.querySelectorAll('.photo img')].every((i) => i.complete && i.naturalWidth > 0) && document.querySelectorAll('.photo img').length").await, json!(2));
        }
    })
    .await;
    assert!(claim_number(&send(&browser).await));
    all_arrived(&browser).await;
    assert_eq!(server.stored_files().len(), 2);
}

/// Waits until IndexedDB holds what the page shows: every typed text is in the draft, and it has
/// stopped changing.
pub async fn saved(browser: &Browser) {
    let typed = "return JSON.stringify([...document.querySelectorAll('form .input:not([type=datetime-local])')].map((i) => i.value))";
    let mut before = Value::Null;
    for _ in 0..2000 {
        let now = json!([kept(browser, "draft").await, outboxes(browser).await]);
        let text = now.to_string();
        let shown: Vec<String> =
            serde_json::from_str(browser.run(typed).await.as_str().unwrap_or("[]")).unwrap();
        if now == before && now[0] != Value::Null && shown.iter().all(|v| text.contains(v.as_str()))
        {
            return;
        }
        before = now;
    }
    panic!("what is shown was never kept: {before}");
}

#[tokio::test]
async fn c4_u13_a_network_cut_while_sending_heals_by_itself_and_sends_once() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let (mut server, browser) = reporting().await;
    walk(&browser, &photos, async |_, _| {}).await;
    browser.offline(true).await;
    browser.tap("button[type=submit]").await;
    browser
        .until(
            "it says that there is no network",
            "document.body.innerText.includes('没有网络。报案已保存')",
        )
        .await;
    // A report that was sent but not answered cannot be changed: every way into it leads back here.
    for page in ["/report", "/report/what", "/report/check"] {
        browser.run(&format!("history.pushState(null, '', '{page}'); dispatchEvent(new PopStateEvent('popstate'))")).await;
        browser.arrive("/report/done").await;
    }
    assert!(browser.text(".banner").await.contains("现在没有网络"));
    // The tab dies too; what was to be sent is still there.
    saved(&browser).await;
    browser.offline(false).await;
    browser.find("#claim-no").await;
    let number = browser.text("#claim-no").await;
    // The server goes away in the middle of the photos.
    server.kill();
    server.start_again();
    all_arrived(&browser).await;
    let mut staff = Caller::staff(&server, "intake");
    let queue = staff.get("/staff").text;
    assert_eq!(queue.matches("/staff/claims/BA").count(), 1, "one claim");
    assert!(
        staff
            .get(&format!("/staff/claims/{number}"))
            .text
            .contains("照片和材料（3）")
    );
}

#[tokio::test]
async fn a_second_report_does_not_lose_the_photos_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let (server, browser) = reporting().await;
    walk(&browser, &photos, async |_, _| {}).await;
    // Two bars of signal: the photos of the first report are still on their way when the second is
    // written.
    browser.slow(40_000).await;
    let first = send(&browser).await;
    browser.tap("a[href='/']").await;
    browser.tap("#start").await;
    let undisturbed = async |browser: &Browser, page: &str| {
        if page == "where" {
            let pieces = "performance.getEntriesByType('resource').filter((r) => r.name.includes('/uploads/')).length";
            let before = browser.run(&format!("return {pieces}")).await;
            browser
                .until(
                    "two more pieces of photos arrive",
                    &format!("{pieces} >= {before} + 2"),
                )
                .await;
            assert_eq!(
                browser.run("return document.activeElement.id").await,
                "place-text",
                "who types keeps the focus"
            );
        }
    };
    walk(&browser, &photos[..1], undisturbed).await;
    let second = send(&browser).await;
    assert_ne!(first, second);
    assert!(
        browser.text("main").await.contains(&first),
        "the photos of the first report are shown under its number"
    );
    saved(&browser).await;
    browser.kill_tab().await;
    let mut staff = Caller::staff(&server, "intake");
    for (number, files) in [(&first, 3), (&second, 1)] {
        let whole = format!("照片和材料（{files}）");
        server.until("every photo is at its claim", || {
            staff
                .get(&format!("/staff/claims/{number}"))
                .text
                .contains(&whole)
        });
    }
    assert_eq!(
        staff.get("/staff").text.matches("/staff/claims/BA").count(),
        2
    );
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_put_aside_and_not_written_over() {
    let (_server, browser) = reporting().await;
    browser.arrive("/report/safety").await;
    browser
        .run_async(
            "const done = arguments[arguments.length - 1];
             baoanStore.put('draft', new TextEncoder().encode('{\"id\": 7}'), -1).then(() => done(1));",
        )
        .await;
    browser.client.refresh().await.unwrap();
    browser.ready().await;
    browser.arrive("/report/safety").await;
    browser.tap("input[name='/scene/injured'][value=no]").await;
    saved(&browser).await;
    let aside = kept(&browser, "aside:draft").await;
    assert_eq!(aside, json!({ "id": 7 }));
    assert_eq!(
        kept(&browser, "draft").await["answers"]["scene"]["injured"],
        json!(false)
    );
}

#[tokio::test]
async fn files_that_are_no_photo_get_their_own_sentence_and_break_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (photos, broken) = (photographs(folder.path()), broken_files(folder.path()));
    let (server, browser) = reporting().await;
    walk(&browser, &photos[..1], async |browser, page| {
        if page != "photos" {
            return;
        }
        for (file, said) in &broken {
            let before = browser.run("return document.querySelectorAll('.photo .wrong').length").await;
            browser.choose("#album", std::slice::from_ref(file)).await;
            browser
                .until(
                    said,
                    &format!("document.querySelectorAll('.photo .wrong').length > {before} && document.body.innerText.includes('{said}')"),
                )
                .await;
        }
        // The same photograph again is reported as a duplicate.
        browser.choose("#camera", &photos[..1]).await;
        browser.until("duplicate", "document.body.innerText.includes('这张已经传过了')").await;
        assert_eq!(browser.run("return document.querySelectorAll('.shrunk').length").await, json!(1));
    })
    .await;
    assert!(claim_number(&send(&browser).await));
    all_arrived(&browser).await;
    assert_eq!(server.stored_files().len(), 1);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// This browser reads AVIF, GIF and BMP, but we do not: we take its pixels and send a JPEG.
#[tokio::test]
async fn a_picture_that_only_the_browser_reads_is_taken() {
    let folder = baoan_tests::root()
        .join("fuzz/seeds")
        .canonicalize()
        .unwrap();
    let pictures: Vec<_> = ["avif", "gif", "bmp"]
        .iter()
        .map(|kind| folder.join(format!("small.{kind}")))
        .collect();
    let (server, browser) = reporting().await;
    walk(&browser, &[], async |browser, page| {
        if page == "photos" {
            for (i, picture) in pictures.iter().enumerate() {
                browser
                    .choose("#album", std::slice::from_ref(picture))
                    .await;
                browser
                    .until(
                        "it is made small",
                        &format!("document.querySelectorAll('.shrunk').length === {}", i + 1),
                    )
                    .await;
            }
        }
    })
    .await;
    assert!(claim_number(&send(&browser).await));
    all_arrived(&browser).await;
    let stored = server.stored_files();
    assert_eq!(stored.len(), 3);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn wrong_values_are_named_kept_and_mended_with_one_tap() {
    let (_server, browser) = reporting().await;
    walk(&browser, &[], async |browser, page| {
        let (fields, said): (&[(&str, &str)], &[&str]) = match page {
            "where" => (&[("#place-text", "路")], &["请写得再具体一点"]),
            "who" => (
                &[
                    ("#reporter-name", "张伟3"),
                    ("#reporter-phone", "1280013800"),
                ],
                &["姓名第 3 个字", "手机号第 2 位不对"],
            ),
            "policy" => (
                &[
                    ("#policy-plate", "京AO1234"),
                    ("#policy-no", "12"),
                    ("#policy-id_no", "110105194912310021"),
                ],
                &[
                    "车牌第 3 位不对",
                    "保单号应是 8 到 32 位",
                    "身份证号校验不符",
                ],
            ),
            _ => return,
        };
        let mut right = Vec::new();
        for (field, wrong) in fields {
            right.push(
                browser
                    .run(&format!("return document.querySelector('{field}').value"))
                    .await,
            );
            browser.type_in(field, wrong).await;
        }
        browser.tap("button[type=submit]").await;
        browser
            .until(
                "the summary has the focus",
                "document.activeElement.id === 'summary'",
            )
            .await;
        for said in said {
            assert!(
                browser.text("#summary").await.contains(said),
                "{page}: {}",
                browser.text("#summary").await
            );
        }
        assert!(
            browser
                .run("return document.title")
                .await
                .as_str()
                .unwrap()
                .starts_with("错误：")
        );
        for (field, wrong) in fields {
            assert_eq!(
                browser
                    .run(&format!("return document.querySelector('{field}').value"))
                    .await,
                json!(wrong)
            );
        }
        if page == "policy" {
            browser.tap("#policy-id_no-wrong + .chip").await;
            browser
                .until(
                    "mended",
                    "document.querySelector('#policy-id_no').value === '11010519491231002X'",
                )
                .await;
            browser.tap("#policy-plate-wrong + .chip").await;
            browser
                .until(
                    "mended",
                    "document.querySelector('#policy-plate').value === '京A01234'",
                )
                .await;
        }
        for ((field, _), value) in fields.iter().zip(right) {
            browser.type_in(field, value.as_str().unwrap()).await;
        }
    })
    .await;
    assert!(claim_number(&send(&browser).await));
}

#[tokio::test]
async fn the_keyboard_alone_completes_a_report() {
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.at(&server.base).await;
    let press = async |keys: &str| {
        let active = browser.client.active_element().await.unwrap();
        active.send_keys(keys).await.unwrap();
    };
    // Presses Tab until the wanted element has the focus: it must be reachable that way.
    let reach = async |css: &str| {
        for _ in 0..60 {
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
        panic!("{css} cannot be reached with the keyboard");
    };
    reach("#start").await;
    browser.key("Enter", 13, "\r").await;
    let pages: [(&str, &[(&str, &str)]); 9] = [
        (
            "safety",
            &[
                ("input[name='/scene/injured']", " "),
                ("input[name='/scene/road'][value=blocking]", " "),
            ],
        ),
        ("what", &[("input[value='motor.single']", " ")]),
        ("when", &[]),
        ("where", &[("#place-text", "文三路 90 号")]),
        ("damage", &[("#part-front-left", " ")]),
        (
            "who",
            &[
                ("input[name='/reporter/role']", " "),
                ("#reporter-name", "张伟"),
                ("#reporter-phone", "13800138000"),
            ],
        ),
        ("policy", &[("#policy-plate", "浙A12345")]),
        ("photos", &[]),
        (
            "check",
            &[("#consents-privacy", " "), ("#consents-truth", " ")],
        ),
    ];
    for (page, fields) in pages {
        browser.arrive(&format!("/report/{page}")).await;
        for (field, keys) in fields {
            reach(field).await;
            if *keys == " " {
                browser.key(" ", 32, " ").await;
            } else {
                press(keys).await;
            }
        }
        reach("button[type=submit]").await;
        browser.key("Enter", 13, "\r").await;
    }
    browser.find("#claim-no").await;
}

#[tokio::test]
async fn a5_without_script_the_quick_report_gives_a_number_in_twenty_kilobytes() {
    let server = Server::start();
    let browser = Browser::phone().await;
    // The driver itself needs script; the page contains none, which shows that it works without.
    assert!(
        server
            .caller()
            .get("/")
            .text
            .contains("<noscript><p>这个页面需要 JavaScript。<a href=\"/lite\">")
    );
    browser.open(&server.url("/lite")).await;
    assert_eq!(
        browser.run("return document.scripts.length").await,
        json!(0)
    );
    let field = |name: &str| format!("[name='{name}']");
    browser.tap("input[value=no]").await;
    browser
        .find(&field("/incident"))
        .await
        .select_by_value("motor.single")
        .await
        .unwrap();
    browser
        .find(&field("/reporter/role"))
        .await
        .select_by_value("insured")
        .await
        .unwrap();
    for (name, value) in [
        ("/place/text", "文三路 90 号"),
        ("/reporter/name", "张伟"),
        ("/reporter/phone", "1280013800"),
        ("/policy/plate", "浙A12345"),
    ] {
        browser.type_in(&field(name), value).await;
    }
    browser.tap("[name='/consents/privacy']").await;
    browser.tap("[name='/consents/truth']").await;
    browser.tap("button").await;
    assert!(browser.text(".summary").await.contains("手机号第 2 位不对"));
    browser
        .type_in(&field("/reporter/phone"), "13800138000")
        .await;
    browser.tap("button").await;
    assert!(claim_number(&browser.text(".number").await));

    // Every byte of it, without compression: the form, the style, the answer.
    let mut caller = server.caller();
    let sheet = caller.get("/lite");
    let key = sheet
        .text
        .split("name=\"key\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let now = sheet
        .text
        .split("name=\"/loss_at\" value=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let fields = [
        ("key", key.as_str()),
        ("/scene/injured", "no"),
        ("/incident", "motor.single"),
        ("/loss_at", &now),
        ("/place/text", "文三路"),
        ("/reporter/role", "insured"),
        ("/reporter/name", "张伟"),
        ("/reporter/phone", "13800138000"),
        ("/policy/plate", "浙A12345"),
        ("/consents/privacy", "yes"),
        ("/consents/truth", "yes"),
    ];
    let first = caller.form("/lite", &fields);
    let again = caller.form("/lite", &fields);
    let number = |text: &str| {
        text.split("class=\"number\">")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        number(&first.text),
        number(&again.text),
        "pressed twice, one claim"
    );
    let bytes = sheet.text.len() + caller.get("/pages.css").text.len() + first.text.len();
    assert!(bytes <= 20_000, "{bytes} bytes");
    assert!(!sheet.text.contains("<script"));
}

/// 存证回执: from the receipt of a report to an offline check by anybody.
#[tokio::test]
async fn c6_u12_the_signed_receipt_is_kept_as_a_picture_and_checked_offline() {
    let folder = tempfile::tempdir().unwrap();
    let photos = photographs(folder.path());
    let (_server, browser) = reporting().await;
    walk(&browser, &photos[..2], async |_, _| {}).await;
    let number = send(&browser).await;
    all_arrived(&browser).await;
    browser
        .tap(&format!("a[href='/claims/{number}/receipt']"))
        .await;
    browser.find("#receipt-true").await;
    browser.tap("#receipt summary").await;
    let said = browser.text("#receipt").await;
    assert!(
        said.contains(&number) && said.contains("示例保险确认已收到"),
        "{said}"
    );
    for photo in &photos[..2] {
        assert!(
            said.contains(&sha256_hex(&std::fs::read(photo).unwrap())),
            "the file as it was chosen"
        );
    }
    browser.tap("#receipt-draw").await;
    browser.find("#receipt-picture").await;
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    browser
        .cdp(
            "Browser.setDownloadBehavior",
            json!({ "behavior": "allow", "downloadPath": taken }),
        )
        .await;
    browser.tap("#receipt-picture").await;
    let picture = taken.join(format!("{number}.png"));
    for _ in 0..400 {
        if picture.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let png = std::fs::read(&picture).unwrap();
    let shown = image::load_from_memory(&png).unwrap().into_luma8();
    assert!(
        shown.width() == 750 && shown.pixels().filter(|p| p.0[0] < 64).count() > 5_000,
        "a picture that can be read"
    );

    // Anybody's phone, later, without a network.
    let elsewhere = Browser::phone().await;
    let verify = browser.run("return location.origin + '/verify'").await;
    elsewhere.at(verify.as_str().unwrap()).await;
    elsewhere.arrive("/verify").await;
    elsewhere
        .until(
            "the keys are here",
            "performance.getEntriesByType('resource').some((r) => r.name.includes('jwks'))",
        )
        .await;
    elsewhere.offline(true).await;
    elsewhere
        .choose("#verify-picture", std::slice::from_ref(&picture))
        .await;
    elsewhere.find("#receipt-true").await;
    assert!(elsewhere.text("#receipt").await.contains(&number));
    let changed = folder.path().join("changed.jpg");
    let mut bytes = std::fs::read(&photos[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&changed, bytes).unwrap();
    elsewhere
        .choose("#verify-files", &[photos[0].clone(), changed])
        .await;
    elsewhere
        .until(
            "both were compared",
            "document.querySelectorAll('#compared li').length === 2",
        )
        .await;
    let compared = elsewhere.text("#compared").await;
    assert!(
        compared.contains("与回执一致") && compared.contains("回执里没有，或被改动过"),
        "{compared}"
    );

    // One character of the signed words.
    let mut forged = png.clone();
    let at = forged
        .windows(13)
        .position(|w| w == b"baoan-receipt")
        .unwrap()
        + 200;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let forgery = folder.path().join("forged.png");
    std::fs::write(&forgery, forged).unwrap();
    elsewhere.choose("#verify-picture", &[forgery]).await;
    elsewhere
        .until(
            "the forgery is noticed",
            "document.querySelector('#receipt-untrue').innerText.includes('被改动过')",
        )
        .await;
    assert!(!elsewhere.has("#receipt-true").await);
    // A picture that a chat app has re-encoded.
    let plain = folder.path().join("plain.png");
    shown.save(&plain).unwrap();
    elsewhere.choose("#verify-picture", &[plain]).await;
    elsewhere
        .until(
            "no receipt in it",
            "document.querySelector('#receipt-untrue').innerText.includes('请用原图')",
        )
        .await;
    assert_eq!(elsewhere.complaints().await, Vec::<String>::new());
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// No stored picture contains the camera's position; it is sent only if the person agrees.
#[tokio::test]
async fn where_a_photo_was_taken_is_sent_only_with_consent() {
    let folder = tempfile::tempdir().unwrap();
    let photo = baoan_tests::located_photograph(folder.path());
    let (server, browser) = reporting().await;
    for consents in [false, true] {
        walk(
            &browser,
            std::slice::from_ref(&photo),
            async |browser, page| {
                if page == "check" && consents {
                    browser.tap("#consents-photo-place").await;
                }
            },
        )
        .await;
        browser.find("#consents-photo-place").await;
        let no = send(&browser).await;
        browser
            .until(
                "the photo arrived",
                "document.querySelector('#photo-status').innerText.includes('照片已全部收到')",
            )
            .await;
        let staff = Caller::staff(&server, "intake")
            .get(&format!("/staff/claims/{no}"))
            .text;
        assert_eq!(
            staff.contains("拍摄位置 30.2500, 120.5000"),
            consents,
            "{staff}"
        );
        browser.at(&server.url("/report")).await;
    }
    // A photo without a position raises no question.
    walk(&browser, &[], async |_, _| {}).await;
    assert!(!browser.has("#consents-photo-place").await);
}

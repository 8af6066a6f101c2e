//! What the phone keeps, and what happens when it cannot: sealed records, old and newer databases,
//! no room, no permission, a connection that dies, two pages at once, a clock that is wrong, an app
//! that is older than its server. In every case the person is told and the report goes out.

use baoan_tests::{Browser, Caller, Server, root};
use serde_json::{Value, json};

use crate::journeys::{all_arrived, kept, outboxes, reporting, saved, send, walk};

/// A page of this origin that is not the app.
async fn beside(browser: &Browser, server: &Server) {
    browser.open(&server.url("/healthz")).await;
}

/// Runs before every script of the next pages.
async fn before_all(browser: &Browser, script: &str) {
    browser
        .cdp(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": script }),
        )
        .await;
}

fn claims(server: &Server) -> usize {
    Caller::staff(server, "intake")
        .get("/staff")
        .text
        .matches("/staff/claims/BA")
        .count()
}

#[tokio::test]
async fn what_is_kept_cannot_be_read_without_its_key_and_one_changed_byte_is_noticed() {
    let (_server, browser) = reporting().await;
    walk(&browser, &[], async |_, _| {}).await;
    saved(&browser).await;
    let raw = browser.awaited("const database = await asked(indexedDB.open('baoan'));
         const get = (store, name) => asked(database.transaction(store).objectStore(store).get(name));
         const record = await get('kept', 'draft');
         const key = await get('keys', 'key');
         const exported = await crypto.subtle.exportKey('raw', key).then(() => 'exported', (e) => e.name);
         database.close();
         return { fields: Object.keys(record).sort().join(), text: new TextDecoder('latin1').decode(record.ct), key: key.algorithm.name, exported };",
    )
    .await;
    assert_eq!(raw["fields"], json!("at,ct,iv,rev,v"));
    assert_eq!(
        (raw["key"].clone(), raw["exported"].clone()),
        (json!("AES-GCM"), json!("InvalidAccessError"))
    );
    let plain: String = "文三路".bytes().map(char::from).collect();
    assert!(
        !raw["text"].as_str().unwrap().contains(&plain),
        "the address lies in the clear"
    );

    // Corrupt every byte of the record, its revision too; the rest stays readable.
    let found = browser
        .awaited(
            "const database = await asked(indexedDB.open('baoan'));
         const kept = (mode) => database.transaction('kept', mode).objectStore('kept');
         const record = await asked(kept('readonly').get('draft'));
         await baoanStore.put('other', new Uint8Array([5]), -1);
         const outcome = { flips: 0, noticed: 0, aside: 0 };
         const flip = async (changed) => {
           await asked(kept('readwrite').put(changed, 'draft'));
           outcome.flips += 1;
           await baoanStore.get('draft').catch((e) => { outcome.noticed += e.name === 'damaged'; });
           outcome.aside += Boolean(await asked(kept('readonly').get('aside:draft'))) && !await asked(kept('readonly').get('draft'));
         };
         for (const part of ['ct', 'iv']) {
           for (let i = 0; i < record[part].byteLength; i += 1) {
             const bytes = new Uint8Array(record[part].slice(0));
             bytes[i] ^= 1 << (i % 8);
             await flip({ ...record, [part]: part === 'ct' ? bytes.buffer : bytes });
           }
         }
         await flip({ ...record, rev: record.rev + 1 });
         await flip({ ...record, ct: record.ct.slice(0, 20) });
         await flip({ v: 2 });
         await flip('nonsense');
         outcome.other = (await baoanStore.get('other')).bytes[0];
         database.close();
         return outcome;",
        )
        .await;
    let flips = found["flips"].as_u64().unwrap_or_else(|| panic!("{found}"));
    println!("{flips} changed records, all noticed");
    assert!(flips > 500, "{found}");
    assert_eq!(
        (
            found["noticed"].as_u64(),
            found["aside"].as_u64(),
            found["other"].as_u64()
        ),
        (Some(flips), Some(flips), Some(5))
    );

    browser.client.refresh().await.unwrap();
    browser.ready().await;
    browser
        .until(
            "the person is told",
            "document.querySelector('.banner') === null",
        )
        .await;
}

/// Waits until an answer has been saved with this value.
async fn written(browser: &Browser, answer: &str, wanted: &str) {
    for _ in 0..2000 {
        if kept(browser, "draft").await["answers"][answer] == json!(wanted) {
            return;
        }
    }
    panic!(
        "{answer} was never kept as {wanted:?}: {}",
        kept(browser, "draft").await
    );
}

#[tokio::test]
async fn the_id_number_is_written_down_only_where_the_person_agreed() {
    let (_server, browser) = reporting().await;
    walk(&browser, &[], async |browser, page| {
        if page == "policy" {
            browser.type_in("#policy-id_no", "11010519491231002X").await;
            browser.type_in("#policy-no", "PDAA202633010000").await;
            written(browser, "policy_no", "PDAA202633010000").await;
            assert_eq!(kept(browser, "draft").await["answers"]["id_no"], json!(""));
            browser.tap("#keep-id-no").await;
            written(browser, "id_no", "11010519491231002X").await;
            browser.tap("#keep-id-no").await;
            written(browser, "id_no", "").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_damaged_draft_is_told_and_a_new_report_goes_out() {
    let (server, browser) = reporting().await;
    browser.arrive("/report/safety").await;
    browser.tap("input[name='/scene/injured'][value=no]").await;
    saved(&browser).await;
    browser
        .awaited(
            "const database = await asked(indexedDB.open('baoan'));
         await asked(database.transaction('keys', 'readwrite').objectStore('keys').put(
           await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']), 'key'));
         database.close();",
        )
        .await;
    browser.at(&server.url("/report")).await;
    browser
        .until(
            "the person is told",
            "document.body.innerText.includes('打不开了')",
        )
        .await;
    walk(&browser, &[], async |_, _| {}).await;
    send(&browser).await;
    assert_eq!(claims(&server), 1);
}

/// The database as version 1 wrote it: in the clear, all reports in one record.
#[tokio::test]
async fn a_database_of_version_1_is_taken_over_and_sealed() {
    let server = Server::start();
    let browser = Browser::phone().await;
    beside(&browser, &server).await;
    let golden = include_str!("../../crates/claim-domain/golden/draft-1.json");
    let wrote = browser
        .awaited(&format!(
            "const request = indexedDB.open('baoan', 1);
             request.onupgradeneeded = () => request.result.createObjectStore('kept');
             const database = await asked(request);
             await asked(database.transaction('kept', 'readwrite').objectStore('kept').put(new TextEncoder().encode({}), 'draft'));
             await asked(database.transaction('kept', 'readwrite').objectStore('kept').put(new TextEncoder().encode('[]'), 'outboxes'));
             database.close();
             return 'written';",
            json!(golden)
        ))
        .await;
    assert_eq!(wrote, json!("written"));
    browser.at(&server.url("/report")).await;
    let golden: Value = serde_json::from_str(golden).unwrap();
    browser
        .until(
            "the page of the draft is open",
            "location.pathname.startsWith('/report/')",
        )
        .await;
    let now = kept(&browser, "draft").await;
    assert_eq!(now["answers"]["place"], golden["answers"]["place"]);
    assert_eq!(now["id"], golden["id"]);
    let raw = browser
        .awaited(
            "const database = await asked(indexedDB.open('baoan'));
         const all = await asked(database.transaction('kept').objectStore('kept').getAll());
         database.close();
         return all.every((r) => r.v === 2 && !(r instanceof Uint8Array));",
        )
        .await;
    assert_eq!(raw, json!(true));
}

#[tokio::test]
async fn a_newer_database_is_left_alone_and_the_report_goes_out() {
    let server = Server::start();
    let browser = Browser::phone().await;
    beside(&browser, &server).await;
    browser
        .awaited(
            "const request = indexedDB.open('baoan', 99);
         request.onupgradeneeded = () => request.result.createObjectStore('kept').put('of the future', 'draft');
         (await asked(request)).close();",
        )
        .await;
    browser.at(&server.url("/report")).await;
    browser
        .until(
            "the person is told",
            "document.body.innerText.includes('更新版本')",
        )
        .await;
    walk(&browser, &[], async |_, _| {}).await;
    send(&browser).await;
    assert_eq!(claims(&server), 1);
    let there = browser
        .awaited(
            "const database = await asked(indexedDB.open('baoan'));
         const found = await asked(database.transaction('kept').objectStore('kept').get('draft'));
         const version = database.version;
         database.close();
         return [version, found];",
        )
        .await;
    assert_eq!(there, json!([99, "of the future"]));
}

/// Each way in which a browser keeps nothing, the message shown, and whether it is shown at once.
#[tokio::test]
async fn where_nothing_can_be_kept_the_person_is_told_and_the_report_goes_out() {
    let refused = "不能保存";
    let ways = [
        ("storage denied", "IDBFactory.prototype.open = () => { throw new DOMException('denied', 'SecurityError'); };", refused),
        ("no encryption", "Object.defineProperty(crypto, 'subtle', { value: undefined });", refused),
        ("a key that cannot be stored", "crypto.subtle.generateKey = async () => ({ not: () => 'a key' });", refused),
        (
            "a store that takes everything and gives nothing back",
            "const get = IDBObjectStore.prototype.get;
             IDBObjectStore.prototype.get = function (name) { return get.call(this, 'nothing' + name); };",
            refused,
        ),
        (
            "the connection dies for good",
            "let calls = 0;
             const transaction = IDBDatabase.prototype.transaction;
             IDBDatabase.prototype.transaction = function (...rest) {
               calls += 1;
               if (calls > 12) { throw new DOMException('Connection to Indexed Database server lost', 'UnknownError'); }
               return transaction.apply(this, rest);
             };",
            refused,
        ),
        ("a database that never answers", "IDBFactory.prototype.open = () => ({});", refused),
        ("no room", "IDBObjectStore.prototype.put = function () { throw new DOMException('full', 'QuotaExceededError'); };", "空间满了"),
    ];
    for (what, script, said) in ways {
        let server = Server::start();
        let browser = Browser::phone().await;
        before_all(&browser, script).await;
        browser.at(&server.url("/report")).await;
        walk(&browser, &[], async |_, _| {}).await;
        let shown = browser.text("body").await;
        assert!(shown.contains(said), "{what}: {shown}");
        send(&browser).await;
        assert_eq!(claims(&server), 1, "{what}");
    }
}

/// Chromium freezes such a page halfway (one in five of these), and without a message from the next
/// page both stall.
#[tokio::test]
async fn a_page_that_was_left_while_the_database_was_made_keeps_nobody_waiting() {
    let server = Server::start();
    let browser = Browser::phone().await;
    for ms in (0..30).map(|i| i % 15) {
        beside(&browser, &server).await;
        browser
            .cdp(
                "Storage.clearDataForOrigin",
                json!({ "origin": server.base, "storageTypes": "all" }),
            )
            .await;
        browser
            .run(&format!(
                "{};
                 navigator.locks.request('left', () => baoanStore.open());
                 setTimeout(() => {{ location.href = '/help'; }}, {ms});",
                include_str!("../../public/storage.js")
            ))
            .await;
        browser
            .until("the next page", "location.pathname === '/help'")
            .await;
        browser.ready().await;
        assert!(!browser.has("#kept").await, "left after {ms} ms");
    }
}

#[tokio::test]
async fn a_connection_that_dies_now_and_then_or_cleared_storage_loses_nothing() {
    let server = Server::start();
    let browser = Browser::phone().await;
    before_all(
        &browser,
        "let calls = 0;
         const transaction = IDBDatabase.prototype.transaction;
         IDBDatabase.prototype.transaction = function (...rest) {
           calls += 1;
           if (calls % 5 === 0) { this.close(); throw new DOMException('Connection to Indexed Database server lost', 'InvalidStateError'); }
           return transaction.apply(this, rest);
         };",
    )
    .await;
    browser.at(&server.url("/report")).await;
    walk(&browser, &[], async |browser, page| {
        if page == "where" {
            let gone = browser
                .awaited("await asked(indexedDB.deleteDatabase('baoan')); return 'gone';")
                .await;
            assert_eq!(gone, json!("gone"));
        }
    })
    .await;
    saved(&browser).await;
    assert_eq!(
        browser
            .run("return [...document.querySelectorAll('.banner')].map((b) => b.innerText)")
            .await,
        json!([])
    );
    // What was written since is there for the next page.
    browser.at(&server.url("/report")).await;
    browser.arrive("/report/check").await;
    browser.tap("button[type=submit]").await;
    browser
        .until(
            "the number is there",
            "document.querySelector('#claim-no') !== null",
        )
        .await;
    assert_eq!(claims(&server), 1);
}

/// Text still fits, photographs do not.
#[tokio::test]
async fn a_full_phone_is_told_and_the_photographs_are_sent_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let photos = baoan_tests::photographs(folder.path());
    let server = Server::start();
    let browser = Browser::phone().await;
    before_all(
        &browser,
        "const put = IDBObjectStore.prototype.put;
         IDBObjectStore.prototype.put = function (value, name) {
           if (value.ct && value.ct.byteLength > 100000) { throw new DOMException('full', 'QuotaExceededError'); }
           return put.call(this, value, name);
         };",
    )
    .await;
    browser.at(&server.url("/report")).await;
    walk(&browser, &photos[..2], async |_, _| {}).await;
    browser
        .until(
            "the person is told",
            "document.body.innerText.includes('空间满了')",
        )
        .await;
    send(&browser).await;
    all_arrived(&browser).await;
    assert_eq!(server.stored_files().len(), 2);
}

#[tokio::test]
async fn two_pages_never_overwrite_each_other_in_silence_and_send_one_claim() {
    let (server, browser) = reporting().await;
    walk(&browser, &[], async |_, _| {}).await;
    saved(&browser).await;
    let first = browser.client.window().await.unwrap();
    let second = browser.client.new_window(true).await.unwrap().handle;

    // One after the other: the second page begins with what the first wrote, and the first takes
    // over what came since.
    browser
        .client
        .switch_to_window(second.clone())
        .await
        .unwrap();
    browser.at(&server.url("/report/where")).await;
    browser.arrive("/report/where").await;
    browser.type_in("#place-text", "从第二页").await;
    saved(&browser).await;
    browser
        .client
        .switch_to_window(first.clone())
        .await
        .unwrap();
    browser
        .until(
            "the other page's words are here",
            "document.body.innerText.includes('从第二页')",
        )
        .await;

    // At the same time: nothing is written before the person has chosen.
    browser.run("Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })").await;
    browser
        .client
        .switch_to_window(second.clone())
        .await
        .unwrap();
    browser.type_in("#place-text", "又改").await;
    saved(&browser).await;
    browser
        .client
        .switch_to_window(first.clone())
        .await
        .unwrap();
    browser.run("delete document.visibilityState").await;
    browser.tap("#consents-privacy").await;
    browser.find("#two-pages").await;
    let there = kept(&browser, "draft").await;
    assert!(
        there["answers"]["place"].as_str().unwrap().contains("又改"),
        "the other page's words are still there"
    );
    browser.tap("#keep-this").await;
    browser
        .until(
            "the question is gone",
            "document.querySelector('#two-pages') === null",
        )
        .await;
    saved(&browser).await;
    assert!(
        !kept(&browser, "draft").await["answers"]["place"]
            .as_str()
            .unwrap()
            .contains("又改")
    );

    // Both send.
    browser.client.switch_to_window(second).await.unwrap();
    browser.at(&server.url("/report/check")).await;
    browser.arrive("/report/check").await;
    for id in ["#consents-privacy", "#consents-truth"] {
        let agreed = browser
            .run(&format!("return document.querySelector('{id}').checked"))
            .await;
        if agreed == json!(false) {
            browser.tap(id).await;
        }
    }
    saved(&browser).await;
    browser.tap("button[type=submit]").await;
    browser.client.switch_to_window(first).await.unwrap();
    browser
        .until(
            "this page is sent, or knows that the other was",
            "document.querySelector('button[type=submit]') !== null || location.pathname === '/report/done'",
        )
        .await;
    if browser.has("button[type=submit]").await {
        browser
            .run("document.querySelector('button[type=submit]').click()")
            .await;
    }
    server.until("a claim is there", || claims(&server) > 0);
    browser
        .until("nothing is on its way", "baoanStore && true")
        .await;
    assert!(!outboxes(&browser).await.is_empty());
    assert_eq!(claims(&server), 1);
}

/// Gives the browser the cookie of a caller who has signed in.
async fn signed_in_as(browser: &Browser, server: &Server, caller: &Caller) {
    let cookie = caller.cookie();
    let (name, value) = cookie.split_once('=').unwrap();
    browser
        .cdp(
            "Network.setCookie",
            json!({ "name": name, "value": value, "url": server.base }),
        )
        .await;
}

#[tokio::test]
async fn a_customers_draft_survives_its_phone_and_two_phones_do_not_overwrite_each_other() {
    let (server, browser) = (Server::start(), Browser::phone().await);
    let mut caller = server.caller();
    caller.sign_in(&server, "13912345678");
    signed_in_as(&browser, &server, &caller).await;
    browser.at(&server.url("/report")).await;
    browser.arrive("/report/safety").await;
    assert!(browser.text("#saved").await.contains("仅保存在本机"));
    for name in [
        "injured'][value=no",
        "road'][value=clear",
        "special'][value=none",
    ] {
        browser.tap(&format!("input[name='/scene/{name}]")).await;
    }
    browser.tap("button[type=submit]").await;
    browser.arrive("/report/what").await;
    browser
        .until(
            "it is kept in the account",
            "document.querySelector('#saved').innerText.includes('您的账户')",
        )
        .await;
    browser.tap("input[value='motor.single']").await;
    server.until("the server has the last answer", || {
        caller.get("/api/v1/drafts/latest").json()["answers"]["incident"] == json!("motor.single")
    });

    // The webview forgets everything.
    beside(&browser, &server).await;
    browser
        .awaited("await asked(indexedDB.deleteDatabase('baoan')); return 1;")
        .await;
    browser.at(&server.base).await;
    browser
        .until(
            "the report is offered",
            "document.querySelector('.resume') && document.querySelector('.resume').innerText.includes('接着填')",
        )
        .await;
    browser.tap("#start").await;
    browser.arrive("/report/when").await;

    // Another phone continues it meanwhile.
    let theirs = caller.get("/api/v1/drafts/latest");
    let path = format!("/api/v1/drafts/{}", theirs.json()["id"].as_str().unwrap());
    for (answer, said) in [("keep-other", "城西的路口"), ("keep-this", "再改一次")] {
        let now = caller.get(&path);
        let mut other = now.json();
        other["answers"]["place"] = json!(said);
        let headers = [
            ("content-type", "application/json"),
            ("if-match", now.header("etag").unwrap()),
        ];
        assert_eq!(
            caller
                .send("PUT", &path, &headers, other.to_string().as_bytes())
                .status,
            204
        );
        browser.at(&server.url("/report/what")).await;
        browser.arrive("/report/what").await;
        browser
            .tap(&format!(
                "input[value='{}']",
                if answer == "keep-this" {
                    "motor.single"
                } else {
                    "motor.multi"
                }
            ))
            .await;
        browser.tap(&format!("#{answer}")).await;
        browser
            .until("the banner goes", "!document.querySelector('#two-pages')")
            .await;
        server.until("one of both is kept", || {
            let kept = caller.get(&path).json()["answers"].clone();
            let (place, incident) = (
                kept["place"].as_str().unwrap(),
                kept["incident"].as_str().unwrap(),
            );
            if answer == "keep-other" {
                place == said
            } else {
                place != said && incident == "motor.single"
            }
        });
    }
}

/// Chromium writes its cookies to disk every 30 seconds: a page killed before that has lost its
/// session.
#[tokio::test]
async fn a_cookie_that_was_lost_loses_no_photo_and_nobody_must_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let photos = baoan_tests::photographs(folder.path());
    let (server, browser) = reporting().await;
    walk(&browser, &photos[..2], async |_, _| {}).await;
    browser.slow(20_000).await;
    send(&browser).await;
    browser.cdp("Network.clearBrowserCookies", json!({})).await;
    browser.at(&server.url("/report/done")).await;
    assert_ne!(
        server.count("SELECT count(*) FROM document"),
        2,
        "the link was too fast for this test"
    );
    browser.slow(10_000_000).await;
    all_arrived(&browser).await;
    assert_eq!(
        (
            claims(&server),
            server.count("SELECT count(*) FROM document")
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn a_wrong_clock_is_told_loses_nothing_and_reports_the_servers_time() {
    let (server, browser) = (Server::start(), Browser::phone().await);
    before_all(
        &browser,
        "const real = Date.now; Date.now = () => real() + Number(localStorage.getItem('clock'));",
    )
    .await;
    browser.at(&server.url("/")).await;
    let (hour, years) = (3_600_000_i64, 10 * 365 * 86_400_000_i64);
    let told = "document.body.innerText.includes('手机的时间不准')";
    for wrong in [hour, -hour, years, -years] {
        // Typed under a wrong clock, found again under a correct one, and then under a wrong one
        // again.
        for (visit, clock) in [wrong, 0, wrong].into_iter().enumerate() {
            browser
                .run(&format!("localStorage.setItem('clock', '{clock}')"))
                .await;
            browser.at(&server.url("/report/safety")).await;
            browser
                .until(
                    "the server has told its time",
                    &format!("({told}) === {}", clock != 0),
                )
                .await;
            if visit == 0 {
                browser.tap("input[name='/scene/injured'][value=no]").await;
                saved(&browser).await;
            }
            browser
                .find("input[name='/scene/injured'][value=no]:checked")
                .await;
        }
        // The clock jumps while the page is open.
        browser
            .run(&format!("localStorage.setItem('clock', '{}')", -wrong))
            .await;
        browser.at(&server.url("/report/safety")).await;
        walk(&browser, &[], async |_, _| {}).await;
        let no = send(&browser).await;
        assert!(no.starts_with("BA"), "{no}");
    }
    let late = "SELECT count(*) FROM claim WHERE abs(loss_at - reported_at) > 300";
    assert_eq!(
        (claims(&server), server.count(late)),
        (4, 0),
        "the time of the loss is the server's"
    );
    browser.run("localStorage.setItem('clock', '0')").await;
}

/// A deployment while a page is open: the page says so, goes on with its own programs, and reloads
/// when the person likes.
#[tokio::test]
async fn an_older_page_goes_on_after_a_deployment_and_offers_the_newer_app() {
    let folder = tempfile::tempdir().unwrap();
    let photos = baoan_tests::photographs(folder.path());
    let (mut server, browser) = reporting().await;
    browser.arrive("/report/safety").await;
    browser.tap("input[name='/scene/injured'][value=no]").await;
    saved(&browser).await;
    // The next build: another page, and none of the old workers.
    let next = folder.path().join("dist");
    let done = std::process::Command::new("cp")
        .arg("-a")
        .arg(root().join("dist"))
        .arg(&next)
        .status();
    assert!(done.is_ok_and(|s| s.success()));
    let page = std::fs::read_to_string(next.join("index.html")).unwrap();
    let build = page
        .split("id=\"build\"")
        .nth(1)
        .and_then(|rest| rest.split("href=\"/").nth(1))
        .and_then(|rest| rest.split('"').next());
    std::fs::write(
        next.join("index.html"),
        page.replace(build.unwrap(), "0123456789abcdef"),
    )
    .unwrap();
    for file in std::fs::read_dir(&next).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with("photo_") || name.starts_with("index.html.") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    server.kill();
    server.deploy(next);
    server.start_again();
    assert!(!browser.has("#outdated").await);
    // Back from another app.
    browser
        .run("document.dispatchEvent(new Event('visibilitychange'))")
        .await;
    browser.find("#outdated").await;
    browser.run("document.querySelector('h1').focus()").await;
    walk(&browser, &photos[..1], async |_, _| {}).await;
    browser
        .run("document.querySelector('#outdated button').click()")
        .await;
    browser
        .until(
            "opened anew",
            "document.documentElement.dataset.ready && !document.querySelector('#outdated')",
        )
        .await;
    browser.find("#consents-truth:checked").await;
    send(&browser).await;
    browser
        .until(
            "the photo arrived",
            "document.querySelector('#photo-status').innerText.includes('照片已全部收到')",
        )
        .await;
}

mod server {
    use super::*;

    #[test]
    fn a_draft_is_written_over_only_by_who_has_seen_it() {
        let server = Server::start();
        let (mut mine, mut foreign) = (server.caller(), server.caller());
        let path = "/api/v1/drafts/0190-draft-of-mine";
        let draft = |words: &str| {
            json!({ "schema": 1, "id": "x", "answers": { "narrative": words }, "photos": [] })
                .to_string()
        };
        let put = |caller: &mut Caller, condition: Option<(&str, &str)>, words: &str| {
            let headers: Vec<(&str, &str)> = [("content-type", "application/json")]
                .into_iter()
                .chain(condition)
                .collect();
            let answer = caller.send("PUT", path, &headers, draft(words).as_bytes());
            (answer.status, answer.header("etag").map(str::to_owned))
        };
        let first = Some(("if-none-match", "*"));
        assert_eq!(
            put(&mut mine, first, "a").0,
            401,
            "before a code was given nothing is kept"
        );
        mine.sign_in(&server, "13912345678");
        foreign.sign_in(&server, "13912345679");
        assert_eq!(put(&mut mine, None, "a").0, 428);
        assert_eq!(
            put(&mut mine, Some(("if-match", "*")), "a").0,
            428,
            "whatever is there is nothing that was seen"
        );
        assert_eq!(put(&mut mine, first, "a"), (204, Some("\"1\"".into())));
        assert_eq!(put(&mut mine, first, "b"), (412, Some("\"1\"".into())));
        assert_eq!(
            put(&mut mine, Some(("if-match", "\"1\"")), "b"),
            (204, Some("\"2\"".into()))
        );
        assert_eq!(put(&mut mine, Some(("if-match", "\"1\"")), "c").0, 412);
        let kept = mine.get(path).json();
        assert_eq!(
            (
                kept["answers"]["narrative"].clone(),
                kept["server_rev"].clone()
            ),
            (json!("b"), json!(2))
        );
        assert_eq!(foreign.get(path).status, 404);
        assert_eq!(
            put(&mut foreign, first, "his").0,
            204,
            "the same name is another draft"
        );
        assert_eq!(
            put(&mut mine, Some(("if-match", "\"2\"")), &"长".repeat(9_000)).0,
            413
        );
        // In the database it is unreadable.
        let raw = std::fs::read(server.data().join("claims.sqlite-wal")).unwrap();
        assert!(!raw.windows(11).any(|w| w == b"\"narrative\""), "sealed");
        // Once sent, the draft is deleted in the same moment, and does not come back.
        let at = mine.get("/api/v1/config").json()["server_time"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            mine.report("0190-draft-of-mine", &baoan_tests::notice(&at))
                .status,
            201
        );
        assert_eq!(mine.get(path).status, 404);
        assert_eq!(put(&mut mine, first, "late").0, 409);
        // With more than five, the oldest goes.
        for i in 0..7 {
            let path = format!("/api/v1/drafts/draft-number-{i}");
            let headers = [("content-type", "application/json"), ("if-none-match", "*")];
            assert_eq!(
                mine.send("PUT", &path, &headers, draft("d").as_bytes())
                    .status,
                204
            );
        }
        let left = (0..7)
            .filter(|i| mine.get(&format!("/api/v1/drafts/draft-number-{i}")).status == 200)
            .count();
        assert_eq!(left, 5);
        assert_eq!(
            mine.send("DELETE", "/api/v1/drafts/draft-number-6", &[], b"")
                .status,
            204
        );
        assert_eq!(mine.get("/api/v1/drafts/draft-number-6").status, 404);
    }
}

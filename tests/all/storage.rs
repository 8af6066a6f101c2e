//! What the phone keeps, and what happens when it cannot: sealed records, old and newer databases, no room, no
//! permission, a connection that dies, two pages at once. In every case the person is told and the report goes out.

use baoan_tests::{Browser, Caller, Server};
use serde_json::{Value, json};

use crate::journeys::{kept, outboxes, saved, send, walk};

async fn awaited(browser: &Browser, script: &str) -> Value {
    browser
        .run_async(&format!(
            "const done = arguments[arguments.length - 1];
             const asked = (request) => new Promise((ok, no) => {{ request.onsuccess = () => ok(request.result); request.onerror = () => no(request.error); }});
             (async () => {{ {script} }})().then(done, (e) => done('failed: ' + e));"
        ))
        .await
}

/// A page of this origin that is not the app.
async fn beside(browser: &Browser, server: &Server) {
    browser.open(&server.url("/healthz")).await;
}

/// Runs before every script of the next pages.
async fn before_all(browser: &Browser, script: &str) {
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
}

fn claims(server: &Server) -> usize {
    Caller::staff(server, "intake").get("/staff").text.matches("/staff/claims/BA").count()
}

#[tokio::test]
async fn what_is_kept_cannot_be_read_without_its_key_and_one_changed_byte_is_noticed() {
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    walk(&browser, &[], async |_, _| {}).await;
    saved(&browser).await;
    let raw = awaited(
        &browser,
        "const database = await asked(indexedDB.open('baoan'));
         const get = (store, name) => asked(database.transaction(store).objectStore(store).get(name));
         const record = await get('kept', 'draft');
         const key = await get('keys', 'key');
         const exported = await crypto.subtle.exportKey('raw', key).then(() => 'exported', (e) => e.name);
         database.close();
         return { fields: Object.keys(record).sort().join(), text: new TextDecoder('latin1').decode(record.ct), key: key.algorithm.name, exported };",
    )
    .await;
    assert_eq!(raw["fields"], json!("at,ct,iv,rev,v"));
    assert_eq!((raw["key"].clone(), raw["exported"].clone()), (json!("AES-GCM"), json!("InvalidAccessError")));
    let plain: String = "文三路".bytes().map(char::from).collect();
    assert!(!raw["text"].as_str().unwrap().contains(&plain), "the address lies in the clear");

    // Every byte of the record, its number too; the rest stays readable.
    let found = awaited(
        &browser,
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
    assert_eq!((found["noticed"].as_u64(), found["aside"].as_u64(), found["other"].as_u64()), (Some(flips), Some(flips), Some(5)));

    browser.client.refresh().await.unwrap();
    browser.ready().await;
    browser.until("the person is told", "document.querySelector('.banner') === null").await;
}

/// Waits until an answer is written down so.
async fn written(browser: &Browser, answer: &str, wanted: &str) {
    for _ in 0..2000 {
        if kept(browser, "draft").await["answers"][answer] == json!(wanted) {
            return;
        }
    }
    panic!("{answer} was never kept as {wanted:?}: {}", kept(browser, "draft").await);
}

#[tokio::test]
async fn the_id_number_is_written_down_only_where_the_person_agreed() {
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.open(&server.url("/report")).await;
    browser.ready().await;
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
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    browser.arrive("/report/safety").await;
    browser.tap("input[name='/scene/injured'][value=no]").await;
    saved(&browser).await;
    awaited(
        &browser,
        "const database = await asked(indexedDB.open('baoan'));
         await asked(database.transaction('keys', 'readwrite').objectStore('keys').put(
           await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']), 'key'));
         database.close();",
    )
    .await;
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    browser.until("the person is told", "document.body.innerText.includes('打不开了')").await;
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
    let wrote = awaited(
        &browser,
        &format!(
            "const request = indexedDB.open('baoan', 1);
             request.onupgradeneeded = () => request.result.createObjectStore('kept');
             const database = await asked(request);
             await asked(database.transaction('kept', 'readwrite').objectStore('kept').put(new TextEncoder().encode({}), 'draft'));
             await asked(database.transaction('kept', 'readwrite').objectStore('kept').put(new TextEncoder().encode('[]'), 'outboxes'));
             database.close();
             return 'written';",
            json!(golden)
        ),
    )
    .await;
    assert_eq!(wrote, json!("written"));
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    let golden: Value = serde_json::from_str(golden).unwrap();
    browser.until("the page of the draft is open", "location.pathname.startsWith('/report/')").await;
    let now = kept(&browser, "draft").await;
    assert_eq!(now["answers"]["place"], golden["answers"]["place"]);
    assert_eq!(now["id"], golden["id"]);
    let raw = awaited(
        &browser,
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
    awaited(
        &browser,
        "const request = indexedDB.open('baoan', 99);
         request.onupgradeneeded = () => request.result.createObjectStore('kept').put('of the future', 'draft');
         (await asked(request)).close();",
    )
    .await;
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    browser.until("the person is told", "document.body.innerText.includes('更新版本')").await;
    walk(&browser, &[], async |_, _| {}).await;
    send(&browser).await;
    assert_eq!(claims(&server), 1);
    let there = awaited(
        &browser,
        "const database = await asked(indexedDB.open('baoan'));
         const found = await asked(database.transaction('kept').objectStore('kept').get('draft'));
         const version = database.version;
         database.close();
         return [version, found];",
    )
    .await;
    assert_eq!(there, json!([99, "of the future"]));
}

/// Each way in which a browser keeps nothing, the sentence that is said, and whether it is said at once.
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
        ("no room", "IDBObjectStore.prototype.put = function () { throw new DOMException('full', 'QuotaExceededError'); };", "空间满了"),
    ];
    for (what, script, said) in ways {
        let server = Server::start();
        let browser = Browser::phone().await;
        before_all(&browser, script).await;
        browser.open(&server.url("/report")).await;
        browser.ready().await;
        walk(&browser, &[], async |_, _| {}).await;
        let shown = browser.text("body").await;
        assert!(shown.contains(said), "{what}: {shown}");
        send(&browser).await;
        assert_eq!(claims(&server), 1, "{what}");
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
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    walk(&browser, &[], async |browser, page| {
        if page == "where" {
            let gone = awaited(browser, "await asked(indexedDB.deleteDatabase('baoan')); return 'gone';").await;
            assert_eq!(gone, json!("gone"));
        }
    })
    .await;
    saved(&browser).await;
    assert_eq!(browser.run("return [...document.querySelectorAll('.banner')].map((b) => b.innerText)").await, json!([]));
    // What was written since is there for the next page.
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    browser.arrive("/report/check").await;
    browser.tap("button[type=submit]").await;
    browser.until("the number is there", "document.querySelector('#claim-no') !== null").await;
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
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    walk(&browser, &photos[..2], async |_, _| {}).await;
    browser.until("the person is told", "document.body.innerText.includes('空间满了')").await;
    send(&browser).await;
    browser.until("all photos arrived", "document.querySelector('#photo-status').innerText.includes('照片已全部收到')").await;
    assert_eq!(server.stored_files().len(), 2);
}

#[tokio::test]
async fn two_pages_never_overwrite_each_other_in_silence_and_send_one_claim() {
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.open(&server.url("/report")).await;
    browser.ready().await;
    walk(&browser, &[], async |_, _| {}).await;
    saved(&browser).await;
    let first = browser.client.window().await.unwrap();
    let second = browser.client.new_window(true).await.unwrap().handle;

    // One after the other: the second page begins with what the first wrote, and the first takes over what came since.
    browser.client.switch_to_window(second.clone()).await.unwrap();
    browser.open(&server.url("/report/where")).await;
    browser.ready().await;
    browser.arrive("/report/where").await;
    browser.type_in("#place-text", "从第二页").await;
    saved(&browser).await;
    browser.client.switch_to_window(first.clone()).await.unwrap();
    browser.until("the other page's words are here", "document.body.innerText.includes('从第二页')").await;

    // At the same time: nothing is written before the person has chosen.
    browser.run("Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })").await;
    browser.client.switch_to_window(second.clone()).await.unwrap();
    browser.type_in("#place-text", "又改").await;
    saved(&browser).await;
    browser.client.switch_to_window(first.clone()).await.unwrap();
    browser.run("delete document.visibilityState").await;
    browser.tap("#consents-privacy").await;
    browser.find("#two-pages").await;
    let there = kept(&browser, "draft").await;
    assert!(there["answers"]["place"].as_str().unwrap().contains("又改"), "the other page's words are still there");
    browser.tap("#keep-this").await;
    browser.until("the question is gone", "document.querySelector('#two-pages') === null").await;
    saved(&browser).await;
    assert!(!kept(&browser, "draft").await["answers"]["place"].as_str().unwrap().contains("又改"));

    // Both send.
    browser.client.switch_to_window(second).await.unwrap();
    browser.open(&server.url("/report/check")).await;
    browser.ready().await;
    browser.arrive("/report/check").await;
    for id in ["#consents-privacy", "#consents-truth"] {
        let agreed = browser.run(&format!("return document.querySelector('{id}').checked")).await;
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
        browser.run("document.querySelector('button[type=submit]').click()").await;
    }
    server.until("a claim is there", || claims(&server) > 0);
    browser.until("nothing is on its way", "baoanStore && true").await;
    assert!(!outboxes(&browser).await.is_empty());
    assert_eq!(claims(&server), 1);
}

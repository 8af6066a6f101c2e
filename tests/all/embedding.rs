//! Embedded in another page: the examples as shipped, from an allowed origin and from one that is
//! not.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use baoan_tests::{Browser, Server, Setting, root, unique_key};
use fantoccini::Locator;
use serde_json::{Value, json};

use crate::journeys::{send, walk};
use crate::launch::token;

/// A web server with one page, on the given listener.
fn page_at(listener: TcpListener, text: String) {
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut reader = BufReader::new(socket.unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap_or(0) > 2 {
                line.clear();
            }
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close";
            let _ = write!(
                reader.get_mut(),
                "{head}\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            );
        }
    });
}

/// The built app with other terms.
pub fn told(change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let dist = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(root().join("dist/."))
        .arg(dist.path())
        .status();
    assert!(copied.unwrap().success());
    let path = dist.path().join("terms.json");
    let mut terms: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut terms);
    std::fs::write(&path, terms.to_string()).unwrap();
    dist
}

/// A server whose terms name this partner.
fn server_with(partner: &str) -> (tempfile::TempDir, Server) {
    let dist = told(|terms| terms["partners"] = json!([partner]));
    let server = Server::with(Setting {
        dist: Some(dist.path().to_owned()),
        ..Setting::default()
    });
    (dist, server)
}

async fn in_frame(browser: &Browser) {
    let frame = browser.client.find(Locator::Css("iframe")).await.unwrap();
    frame.enter_frame().await.unwrap();
}

async fn heard(browser: &Browser, event: &str) {
    browser.client.enter_parent_frame().await.unwrap();
    browser
        .until(
            event,
            &format!("document.getElementById('events').textContent.includes('{event}')"),
        )
        .await;
}

#[tokio::test]
async fn a_partners_page_holds_the_app_and_hears_what_happens() {
    let (good, bad) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let (partner, stranger) = (
        format!("http://{}", good.local_addr().unwrap()),
        format!("http://{}", bad.local_addr().unwrap()),
    );
    let (_dist, server) = server_with(&partner);
    let example = std::fs::read_to_string(root().join("examples/partner.html"))
        .unwrap()
        .replace("{{insurer}}", &server.base);
    page_at(good, example.clone());
    page_at(bad, example);
    let browser = Browser::phone().await;

    // From an origin that is not named the browser shows nothing.
    browser.open(&stranger).await;
    browser
        .until("the frame was loaded", "document.getElementById('baoan')")
        .await;
    browser
        .until("refused", "(() => { try { return document.getElementById('baoan').contentDocument === null } catch { return true } })()")
        .await;
    in_frame(&browser).await;
    assert!(
        !browser
            .run("return document.documentElement.outerHTML")
            .await
            .to_string()
            .contains("baoan"),
        "nothing of the app"
    );
    browser.client.enter_parent_frame().await.unwrap();
    assert_eq!(browser.text("#events").await, "");

    browser.open(&partner).await;
    browser
        .until(
            "ready",
            "document.getElementById('events').textContent.includes('ready')",
        )
        .await;
    // A message of another shape, or from another window, does nothing.
    let wrong = [
        json!("text"),
        json!({ "type": "baoan", "version": 2, "context": { "launch": "x" } }),
        json!({ "type": "baoan", "version": 1, "context": { "launch": "javascript:alert(1)" } }),
        json!({ "type": "baoan", "version": 1, "context": { "launch": { "a": 1 } } }),
        json!({ "type": "other", "version": 1, "context": { "launch": token(&server, "13800138000", 300, &unique_key()) } }),
    ];
    for message in &wrong {
        browser
            .run(&format!(
                "document.getElementById('baoan').contentWindow.postMessage({message}, '{}')",
                server.base
            ))
            .await;
    }
    in_frame(&browser).await;
    let own = json!({ "type": "baoan", "version": 1, "context": { "launch": token(&server, "13800138000", 300, &unique_key()) } });
    browser
        .run(&format!("window.postMessage({own}, location.origin)"))
        .await;
    browser.arrive("/report/safety").await;
    walk(&browser, &[], async |_, _| {}).await;
    let number = send(&browser).await;
    heard(&browser, &format!("reported {number}")).await;

    // A signed link signs the person in, inside the frame.
    let link = token(&server, "13800138000", 300, &unique_key());
    browser.run(&format!("signIn('{link}')")).await;
    in_frame(&browser).await;
    browser.find("input[name='/scene/injured']").await;
    browser
        .until(
            "the policy",
            "document.querySelector('main').innerText.includes('浙A***45')",
        )
        .await;
    browser.client.enter_parent_frame().await.unwrap();
    assert!(!browser.text("#events").await.contains("undefined"));
}

/// A native app: the bridge of examples/native.html, before the page is loaded.
#[tokio::test]
async fn a_native_app_hears_the_same_and_brings_a_link() {
    let server = Server::start();
    let browser = Browser::phone().await;
    let bridge = "globalThis.told = []; globalThis.baoanNative = { postMessage: (json) => globalThis.told.push(json) };";
    browser
        .cdp(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": bridge }),
        )
        .await;
    browser.at(&server.url("/report")).await;
    browser
        .until(
            "ready",
            "globalThis.told.some((t) => JSON.parse(t).event === 'ready')",
        )
        .await;
    browser
        .run("baoanFromApp('no json'); baoanFromApp('{}')")
        .await;
    browser
        .until(
            "the title",
            "globalThis.told.some((t) => JSON.parse(t).title?.includes('先确保安全'))",
        )
        .await;
    // The app is asked for what it says it can do; an answer of another shape counts as none, and
    // the first one counts.
    let said = |context: Value| {
        format!(
            "baoanFromApp({})",
            json!(json!({ "type": "baoan", "version": 1, "context": context }).to_string())
        )
    };
    browser
        .run(&said(json!({ "can": ["locate", "constructor", 7] })))
        .await;
    assert_eq!(
        browser
            .run("return document.documentElement.dataset.host")
            .await,
        json!("locate")
    );
    walk(&browser, &[], async |browser, page| {
        if page == "where" {
            browser.tap("#locate").await;
            browser.until("asked", "globalThis.told.some((t) => JSON.parse(t).what === 'locate')").await;
            let id = browser.run("return globalThis.told.map((t) => JSON.parse(t)).find((m) => m.what === 'locate').id").await;
            for value in [json!([31.25, 121.5]), json!([1, 2])] {
                browser.run(&said(json!({ "answer": { "id": id, "value": value } }))).await;
            }
            browser.run(&said(json!({ "answer": { "id": 99, "value": [3, 4] } }))).await;
            browser.until("the first place", "document.querySelector('main').innerText.includes('31.25')").await;
        }
        if page == "check" {
            browser.tap("#consents-location").await;
        }
    })
    .await;
    let number = send(&browser).await;
    browser
        .until(
            "reported",
            &format!(
                "globalThis.told.some((t) => t.includes('reported') && t.includes('{number}'))"
            ),
        )
        .await;
    let message = json!({ "type": "baoan", "version": 1, "context": { "launch": token(&server, "13800138000", 300, &unique_key()) } });
    browser
        .run(&format!("baoanFromApp({})", json!(message.to_string())))
        .await;
    browser.find("input[name='/scene/injured']").await;
}

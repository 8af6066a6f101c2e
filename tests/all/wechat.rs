//! As a page of a WeChat account: the signature, and the report in webviews with all their quirks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use baoan_tests::{Browser, Caller, Server, some_photographs};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::embedding::told;
use crate::journeys::{all_arrived, claim_number, send, walk};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TICKET: &str = "ticket-of-the-test";

/// The stand-in for api.weixin.qq.com.
struct StandIn {
    address: String,
    asked: Arc<AtomicUsize>,
    /// Its answer to a token request.
    says: Arc<Mutex<Value>>,
}

impl StandIn {
    fn start() -> StandIn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (asked, says) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(Mutex::new(
                json!({ "access_token": "token-1", "expires_in": 7200 }),
            )),
        );
        let (count, token) = (asked.clone(), says.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut reader = BufReader::new(socket.unwrap());
                let (mut first, mut length) = (String::new(), 0);
                reader.read_line(&mut first).unwrap();
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                        break;
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let answer = if first.starts_with("POST /cgi-bin/stable_token ") {
                    let who: Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(
                        who,
                        json!({ "grant_type": "client_credential", "appid": "wx123", "secret": SECRET })
                    );
                    token.lock().unwrap().clone()
                } else if first
                    .starts_with("GET /cgi-bin/ticket/getticket?type=jsapi&access_token=token-1 ")
                {
                    json!({ "errcode": 0, "errmsg": "ok", "ticket": TICKET, "expires_in": 7200 })
                } else {
                    json!({ "errcode": 40001, "errmsg": "invalid credential" })
                };
                let text = answer.to_string();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                let _ = write!(
                    reader.get_mut(),
                    "{head}\r\ncontent-length: {}\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        StandIn {
            address,
            asked,
            says,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A server whose terms name an account, and the folder of its app.
fn with_account(api: &str) -> (tempfile::TempDir, Server) {
    let mut server = Server::start();
    std::fs::write(server.data().join("wechat.secret"), format!("{SECRET}\n")).unwrap();
    let account = json!({ "app_id": "wx123", "api": api, "origins": [server.base] });
    let dist = told(|terms| terms["wechat"] = account);
    server.kill();
    server.deploy(dist.path().to_owned());
    server.start_again();
    (dist, server)
}

fn sign(caller: &mut Caller, url: &str) -> baoan_tests::Answer {
    let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
    caller.get(&format!("/api/v1/wx/jssdk-signature?url={encoded}"))
}

/// What a webview, or WeChat's bridge, does to the report.
struct Mode {
    name: &'static str,
    /// Where the scripted bridge differs from a good one.
    bridge: &'static str,
    /// What happens on a page before it is left.
    happens: &'static str,
    /// Photos chosen in the album; the bridge may bring another.
    album: bool,
}

const fn mode(name: &'static str, bridge: &'static str, happens: &'static str) -> Mode {
    Mode {
        name,
        bridge,
        happens,
        album: true,
    }
}

const MODES: &[Mode] = &[
    mode("no library", "delete globalThis.wx", "typed place"),
    mode(
        "the account is refused",
        "wx.config = () => wx.heard.error({ errMsg: 'config:invalid signature' })",
        "typed place",
    ),
    mode(
        "no answer to the account",
        "wx.config = () => {}",
        "typed place",
    ),
    mode(
        "the bridge throws",
        "for (const name of Object.keys(wx)) { if (name !== 'heard') { wx[name] = () => { throw new Error(name); }; } }",
        "typed place",
    ),
    mode(
        "place comes late",
        "wx.getLocation = ({ success }) => { globalThis.late = () => success({ latitude: 1, longitude: 2 }); }",
        "late place",
    ),
    mode(
        "place comes twice",
        "wx.getLocation = ({ success }) => { success({ latitude: '31.1', longitude: '121.2' }); success({ latitude: 1, longitude: 2 }); }",
        "place twice",
    ),
    mode(
        "place is refused",
        "wx.getLocation = ({ fail }) => fail({ errMsg: 'getLocation:fail auth deny' })",
        "no place",
    ),
    mode(
        "place is nonsense",
        "wx.getLocation = ({ success }) => success({ latitude: 120.15, longitude: 'x' })",
        "the browser's place",
    ),
    Mode {
        album: false,
        ..mode("photos come twice", "wx.twice = true", "photo of the host")
    },
    mode(
        "photos without content",
        "wx.getLocalImgData = ({ fail }) => fail({ errMsg: 'getLocalImgData:fail' })",
        "empty photo of the host",
    ),
    mode(
        "photos never come",
        "wx.chooseImage = () => {}",
        "photos never come",
    ),
    mode(
        "the page is killed at the camera",
        "",
        "killed at the camera",
    ),
    mode("storage is cleared", "", "storage cleared"),
    mode("the cookie is lost", "", "cookie lost"),
    mode(
        "IndexedDB refuses",
        "IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); }",
        "typed place",
    ),
    mode(
        "no service worker, no locks",
        "for (const name of ['serviceWorker', 'locks']) { Object.defineProperty(Navigator.prototype, name, { value: undefined }); }",
        "typed place",
    ),
    mode("back by gesture", "", "back and forth"),
    mode("the keyboard covers half", "", "keyboard"),
    mode(
        "letters of the host's size",
        "addEventListener('DOMContentLoaded', () => { document.documentElement.style.fontSize = '28px'; })",
        "large letters",
    ),
    mode(
        "closing fails",
        "wx.closeWindow = () => { throw new Error('closed'); }",
        "closing",
    ),
];

/// A bridge that answers as WeChat's does; `more` changes it.
fn bridge(photo: &Path, more: &str) -> String {
    let photo = STANDARD.encode(std::fs::read(photo).unwrap());
    format!(
        "globalThis.wx = {{
           heard: {{}}, twice: false,
           config() {{ wx.heard.ready(); }},
           ready(then) {{ wx.heard.ready = then; }},
           error(then) {{ wx.heard.error = then; }},
           getLocation({{ success }}) {{ success({{ latitude: 30.2741, longitude: 120.1551 }}); }},
           chooseImage({{ success }}) {{ for (let i = 0; i <= +wx.twice; i += 1) {{ success({{ localIds: ['weixin://resourceid/1'] }}); }} }},
           getLocalImgData({{ success }}) {{ for (let i = 0; i <= +wx.twice; i += 1) {{ success({{ localData: 'data:image/jgp;base64,{photo}' }}); }} }},
           scanQRCode({{ success }}) {{ success({{ resultStr: 'https://elsewhere.example/' }}); }},
           updateAppMessageShareData({{ success }}) {{ success({{}}); }},
           closeWindow() {{}},
         }};
         {more};"
    )
}

async fn as_wechat(browser: &Browser, script: &str) {
    let agent = "Mozilla/5.0 (Linux; Android 14; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/146.0.0.0 XWEB/1460123 MMWEBSDK/20260301 Mobile Safari/537.36 MicroMessenger/8.0.70";
    browser
        .cdp(
            "Emulation.setUserAgentOverride",
            json!({ "userAgent": agent }),
        )
        .await;
    browser
        .cdp(
            "Page.addScriptToEvaluateOnNewDocument",
            json!({ "source": script }),
        )
        .await;
    let point = json!({ "latitude": 29.5, "longitude": 119.5, "accuracy": 20 });
    browser
        .cdp(
            "Browser.grantPermissions",
            json!({ "permissions": ["geolocation"] }),
        )
        .await;
    browser.cdp("Emulation.setGeolocationOverride", point).await;
}

async fn located(browser: &Browser, at: &str) {
    browser.tap("#locate").await;
    browser
        .until(
            at,
            &format!("document.querySelector('main').innerText.includes('{at}')"),
        )
        .await;
}

/// The host's chooser appears after the album returned nothing; tap it.
async fn by_the_host(browser: &Browser) {
    assert!(browser.run("return getComputedStyle(document.querySelector('[data-from=photos]')).display === 'none'").await == json!(true));
    browser.run("document.querySelector('#album').dispatchEvent(new Event('cancel', { bubbles: true }))").await;
    browser
        .until(
            "offered",
            "getComputedStyle(document.querySelector('[data-from=photos]')).display !== 'none'",
        )
        .await;
    browser.tap("[data-from=photos]").await;
}

async fn happens(browser: &Browser, what: &str, page: &str, script: &str) {
    match (what, page) {
        ("the browser's place", "where") => located(browser, "29.5").await,
        ("late place", "where") => {
            // The browser's own answer is used; whatever comes later changes nothing.
            located(browser, "29.5").await;
            browser.run("late()").await;
            assert!(browser.text("main").await.contains("29.5"));
        }
        ("place twice", "where") => {
            located(browser, "31.1").await;
        }
        ("no place", "where") => {
            browser.tap("#locate").await;
            browser
                .until(
                    "said so",
                    "document.querySelector('main').innerText.includes('没有拿到位置')",
                )
                .await;
        }
        ("photo of the host", "photos") => {
            by_the_host(browser).await;
            browser
                .until(
                    "one photo",
                    "document.querySelectorAll('.shrunk').length === 1",
                )
                .await;
        }
        ("empty photo of the host", "photos") => {
            by_the_host(browser).await;
            browser
                .until("a sentence", "document.querySelector('.photo .wrong')")
                .await;
            browser.tap(".photo:last-child button").await;
            browser
                .until(
                    "one photo",
                    "document.querySelectorAll('.photo').length === 1",
                )
                .await;
        }
        ("photos never come", "photos") => {
            by_the_host(browser).await;
            assert!(browser.has("#album:enabled").await);
        }
        ("killed at the camera", "photos") => {
            browser.run("document.querySelector('#camera').addEventListener('click', (e) => e.preventDefault()); document.querySelector('#camera').click()").await;
            browser
                .until("written down", "localStorage.getItem('camera-opened')")
                .await;
            browser.kill_tab().await;
            as_wechat(browser, script).await;
            browser.client.refresh().await.unwrap();
            browser.arrive("/report/photos").await;
            browser
                .until(
                    "the photo is there",
                    "document.querySelectorAll('.shrunk').length === 1",
                )
                .await;
            browser.until("offered", "getComputedStyle(document.querySelector('[data-from=photos]')).display !== 'none'").await;
            assert!(browser.text("main").await.contains("页面刚才被关闭过"));
        }
        ("storage cleared", "who") => {
            let origin = browser.run("return location.origin").await;
            browser
                .cdp(
                    "Storage.clearDataForOrigin",
                    json!({ "origin": origin, "storageTypes": "indexeddb,local_storage,cache_storage,service_workers" }),
                )
                .await;
        }
        ("late place" | "place twice" | "the browser's place", "check") => {
            browser.tap("#consents-location").await;
        }
        ("cookie lost", "check") => {
            browser.cdp("Network.clearBrowserCookies", json!({})).await;
        }
        ("back and forth", "damage") => {
            browser.run("history.back()").await;
            browser.arrive("/report/where").await;
            assert_eq!(
                browser
                    .run("return document.querySelector('#place-text').value")
                    .await,
                json!("杭州市西湖区文三路 90 号")
            );
            browser.run("history.forward()").await;
            browser.arrive("/report/damage").await;
            assert_eq!(
                browser
                    .run("return document.querySelector('#narrative').value")
                    .await,
                json!("倒车时撞到柱子")
            );
        }
        ("keyboard", "who") => {
            let size = |height: u32| json!({ "width": 390, "height": height, "deviceScaleFactor": 2, "mobile": true });
            browser
                .cdp("Emulation.setDeviceMetricsOverride", size(844))
                .await;
            browser
                .run("document.querySelector('#reporter-phone').focus()")
                .await;
            browser
                .cdp("Emulation.setDeviceMetricsOverride", size(420))
                .await;
            let seen = "(() => { const box = document.activeElement.getBoundingClientRect(); return document.activeElement.id === 'reporter-phone' && box.top >= 0 && box.bottom <= innerHeight; })()";
            browser
                .until("the field is seen over the keyboard", seen)
                .await;
            browser
                .cdp("Emulation.setDeviceMetricsOverride", size(844))
                .await;
        }
        ("large letters", _) => {
            let (wide, of) = (
                browser
                    .run("return document.documentElement.scrollWidth")
                    .await,
                browser.run("return innerWidth").await,
            );
            assert_eq!(wide, of, "{page}: sideways");
        }
        _ => {}
    }
}

/// Whatever the webview does, the report completes, once, with what the host did not destroy.
#[tokio::test]
async fn o1_in_a_webview_that_misbehaves_in_twenty_ways_the_report_completes() {
    let wechat = StandIn::start();
    let (_dist, server) = with_account(&wechat.address);
    let folder = tempfile::tempdir().unwrap();
    let photos = some_photographs(folder.path(), 1);
    let small = folder.path().join("of-the-host.jpg");
    image::RgbImage::from_fn(900, 700, |x, y| {
        image::Rgb([(x % 256) as u8, (y % 256) as u8, 90])
    })
    .save(&small)
    .unwrap();
    for mode in MODES {
        eprintln!("{}", mode.name);
        let (claims, files) = (
            server.count("SELECT count(*) FROM claim"),
            server.stored_files().len(),
        );
        let script = bridge(&small, mode.bridge);
        let browser = Browser::phone().await;
        as_wechat(&browser, &script).await;
        browser.at(&server.url("/report")).await;
        if mode.bridge.is_empty() {
            browser
                .until(
                    "the bridge is there",
                    "document.documentElement.dataset.host?.includes('locate')",
                )
                .await;
        }
        let album: Vec<PathBuf> = if mode.album {
            photos.clone()
        } else {
            Vec::new()
        };
        walk(&browser, &album, async |browser, page| {
            happens(browser, mode.happens, page, &script).await
        })
        .await;
        let number = send(&browser).await;
        assert!(claim_number(&number), "{}: {number}", mode.name);
        all_arrived(&browser).await;
        assert_eq!(
            server.count("SELECT count(*) FROM claim"),
            claims + 1,
            "{}",
            mode.name
        );
        assert_eq!(server.stored_files().len(), files + 1, "{}", mode.name);
        if mode.happens == "closing" {
            browser.tap("[data-from=close]").await;
            browser
                .until(
                    "said",
                    "document.querySelector('main').innerText.includes('可以关闭这一页了')",
                )
                .await;
        }
    }
}

mod server {
    use super::*;

    /// One ticket for everybody, our own addresses only, sixty a minute.
    #[test]
    fn the_signature_is_for_our_own_pages_and_costs_one_ticket() {
        let wechat = StandIn::start();
        let (_dist, server) = with_account(&wechat.address);
        let policy = server
            .caller()
            .get("/")
            .header("content-security-policy")
            .unwrap()
            .to_owned();
        assert!(
            policy.contains(
                "script-src 'self' https://res.wx.qq.com/open/js/jweixin-1.6.0.js 'wasm-unsafe-eval'"
            ),
            "{policy}"
        );
        let page = server.url("/report?from=menu");
        let signed: Vec<Value> = std::thread::scope(|all| {
            let each = || sign(&mut server.caller(), &format!("{page}#part")).json();
            let running: Vec<_> = (0..20).map(|_| all.spawn(each)).collect();
            running.into_iter().map(|r| r.join().unwrap()).collect()
        });
        assert_eq!(wechat.asked(), 2, "a token and a ticket, whoever asks");
        for answer in &signed {
            let text = format!(
                "jsapi_ticket={TICKET}&noncestr={}&timestamp={}&url={page}",
                answer["nonce"].as_str().unwrap(),
                answer["timestamp"]
            );
            let expected: String = Sha1::digest(text)
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            assert_eq!(answer["signature"], json!(expected));
            assert_eq!(answer["app_id"], json!("wx123"));
            assert!(!answer.to_string().contains(SECRET) && !answer.to_string().contains(TICKET));
        }
        let mut caller = server.caller();
        for foreign in [
            "https://evil.example/",
            &format!("{}.evil.example/", server.base),
            &format!("{}0/", server.base),
            "",
            "/report",
        ] {
            assert_eq!(sign(&mut caller, foreign).status, 404, "{foreign}");
        }
        assert_eq!(
            caller.get("/api/v1/wx/jssdk-signature").code(),
            "not-found",
            "no address at all"
        );
        let answers: Vec<u16> = (0..45).map(|_| sign(&mut caller, &page).status).collect();
        assert_eq!(
            answers.iter().filter(|s| **s == 200).count(),
            40,
            "twenty were used above"
        );
        let refused = sign(&mut caller, &page);
        assert_eq!(
            (refused.status, refused.header("retry-after")),
            (429, Some("60"))
        );
        assert_eq!(
            Server::start()
                .caller()
                .get("/api/v1/wx/jssdk-signature?url=x")
                .status,
            404,
            "no account"
        );
    }

    /// A refusing WeChat is not asked again at once, and its answer is not passed on.
    #[test]
    fn while_wechat_gives_no_ticket_the_page_is_told_and_wechat_left_alone() {
        let wechat = StandIn::start();
        *wechat.says.lock().unwrap() =
            json!({ "errcode": 40164, "errmsg": "invalid ip 203.0.113.9" });
        let (_dist, server) = with_account(&wechat.address);
        for _ in 0..3 {
            let answer = sign(&mut server.caller(), &server.url("/report"));
            assert_eq!(
                (
                    answer.status,
                    answer.code().as_str(),
                    answer.header("retry-after")
                ),
                (502, "upstream", Some("30"))
            );
            assert!(!answer.text.contains("203.0.113.9"));
        }
        assert_eq!(wechat.asked(), 1);
    }
}

//! Chromium, driven by WebDriver: a phone of 390 x 844, with its own profile.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::engines::Driver;

pub struct Browser {
    pub client: Client,
    /// For Chromium only.
    driver: Option<Child>,
    /// For another engine.
    _other: Option<Driver>,
    profile: Option<tempfile::TempDir>,
    /// Screen size in CSS pixels.
    pub(crate) size: (u32, u32),
}

/// The appearance of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Zh,
    En,
    Care,
    Dark,
    /// A third language.
    Hant,
}

impl Look {
    pub const ALL: [Look; 5] = [Look::Zh, Look::En, Look::Care, Look::Dark, Look::Hant];
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver leaves its browser behind, however it ends.
        (self.killer())();
        if let Some(driver) = &mut self.driver {
            let _ = driver.kill();
            let _ = driver.wait();
        }
    }
}

/// A driver command that fantoccini has no method for.
#[derive(Debug)]
struct Raw(&'static str, Value);

/// The same without a body.
#[derive(Debug)]
struct Asked(&'static str);

impl WebDriverCompatibleCommand for Asked {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.0
        ))
    }
    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::GET, None)
    }
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.0
        ))
    }
    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

/// A driver, its output, and its port.
fn driver() -> Option<(Child, BufReader<ChildStdout>, String)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("chromedriver: {e}"));
    let mut out = BufReader::new(driver.stdout.take().unwrap_or_else(|| panic!("no output")));
    let said = "ChromeDriver was started successfully on port ";
    let line = out
        .by_ref()
        .lines()
        .find_map(|line| line.ok().filter(|l| l.starts_with(said)));
    match line {
        Some(line) => Some((
            driver,
            out,
            line[said.len()..].trim_end_matches('.').to_owned(),
        )),
        None => driver.wait().map_or(None, |_| None),
    }
}

const PATIENCE: Duration = Duration::from_secs(40);

impl Browser {
    pub async fn phone() -> Browser {
        Browser::start(390, 844).await
    }

    pub async fn start(width: u32, height: u32) -> Browser {
        Browser::on(
            tempfile::tempdir().unwrap_or_else(|e| panic!("{e}")),
            width,
            height,
        )
        .await
    }

    /// With the profile an earlier browser left on disk.
    async fn on(profile: tempfile::TempDir, width: u32, height: u32) -> Browser {
        // Another process may take the port it picks at the same moment: then the driver exits.
        let (driver, out, port) = (0..3)
            .find_map(|_| driver())
            .unwrap_or_else(|| panic!("chromedriver did not start"));
        // Kept reading, so that the driver never blocks on a full pipe.
        std::thread::spawn(move || out.lines().for_each(drop));
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--disable-quic",
            "--hide-scrollbars",
            // A camera that shows a test picture, allowed unless a test denies it.
            "--use-fake-device-for-media-stream",
            // For test servers behind TLS, whose certificates are self-signed.
            "--ignore-certificate-errors",
            "--lang=zh-CN",
            &format!("--window-size={width},{height}"),
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let options = json!({
            "args": args,
            "mobileEmulation": { "deviceMetrics": { "width": width, "height": height, "pixelRatio": 2.0, "touch": true } }
        });
        let capabilities = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" }, "unhandledPromptBehavior": "accept" });
        let Value::Object(capabilities) = capabilities else {
            panic!("an object")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|e| panic!("chromium: {e}"));
        Browser {
            client,
            driver: Some(driver),
            _other: None,
            profile: Some(profile),
            size: (width, height),
        }
    }

    /// In another engine, without CDP.
    pub fn driven(client: Client, driver: Driver) -> Browser {
        Browser {
            client,
            driver: None,
            _other: Some(driver),
            profile: None,
            size: (390, 844),
        }
    }

    pub async fn open(&self, url: &str) {
        self.client
            .goto(url)
            .await
            .unwrap_or_else(|e| panic!("{url}: {e}"));
    }

    /// Opens a page and waits until its program is ready.
    pub async fn at(&self, url: &str) {
        self.open(url).await;
        self.ready().await;
    }

    /// Waits until this page's program is ready.
    pub async fn ready(&self) {
        let stands = self
            .client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css("html[data-ready]"))
            .await;
        if let Err(error) = stands {
            let seen = "return [location.href, document.readyState, document.body.innerText, performance.getEntriesByType('resource').map((r) => [r.name, r.responseEnd])]";
            panic!(
                "the program does not stand: {error}; {}; {:?}",
                self.run(seen).await,
                self.complaints().await
            );
        }
    }

    pub async fn look(&self, base: &str, look: Look) {
        self.open(base).await;
        let (lang, care) = match look {
            Look::Zh | Look::Dark => ("zh-CN", "off"),
            Look::En => ("en", "off"),
            Look::Care => ("zh-CN", "on"),
            Look::Hant => ("zh-Hant", "off"),
        };
        self.run(&format!(
            "localStorage.setItem('lang','{lang}');localStorage.setItem('care','{care}');"
        ))
        .await;
        let theme = if look == Look::Dark { "dark" } else { "light" };
        self.cdp(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] }),
        )
        .await;
    }

    pub async fn find(&self, css: &str) -> fantoccini::elements::Element {
        self.client
            .wait()
            .at_most(PATIENCE)
            .for_element(Locator::Css(css))
            .await
            .unwrap_or_else(|e| panic!("{css}: {e}"))
    }

    pub async fn has(&self, css: &str) -> bool {
        !self
            .client
            .find_all(Locator::Css(css))
            .await
            .unwrap_or_default()
            .is_empty()
    }

    /// Scrolls the element into view and clicks it; retries if the page was re-rendered in between.
    pub async fn tap(&self, css: &str) {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let element = self.find(css).await;
            let place = vec![serde_json::to_value(&element).unwrap_or_default()];
            let tapped = match self
                .client
                .execute("arguments[0].scrollIntoView({ block: 'center' })", place)
                .await
            {
                Ok(_) => element.click().await,
                Err(error) => Err(error),
            };
            match tapped {
                Err(error)
                    if error.is_stale_element_reference() && tokio::time::Instant::now() < end => {}
                tapped => return tapped.unwrap_or_else(|e| panic!("tap {css}: {e}")),
            }
        }
    }

    pub async fn type_in(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        element
            .clear()
            .await
            .unwrap_or_else(|e| panic!("{css}: {e}"));
        element
            .send_keys(text)
            .await
            .unwrap_or_else(|e| panic!("{css}: {e}"));
    }

    /// Chooses files as the file dialog would.
    pub async fn choose(&self, css: &str, files: &[PathBuf]) {
        let paths: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        self.find(css)
            .await
            .send_keys(&paths.join("\n"))
            .await
            .unwrap_or_else(|e| panic!("{css}: {e}"));
    }

    pub async fn text(&self, css: &str) -> String {
        self.find(css)
            .await
            .text()
            .await
            .unwrap_or_else(|e| panic!("{css}: {e}"))
    }

    pub async fn path(&self) -> String {
        self.client
            .current_url()
            .await
            .map(|u| u.path().to_owned())
            .unwrap_or_default()
    }

    pub async fn run(&self, script: &str) -> Value {
        self.client
            .execute(script, Vec::new())
            .await
            .unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    pub async fn run_async(&self, script: &str) -> Value {
        self.client
            .execute_async(script, Vec::new())
            .await
            .unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    /// The result of an async function with this body; `asked` awaits an IndexedDB request.
    pub async fn awaited(&self, body: &str) -> Value {
        self.run_async(&format!(
            "const done = arguments[arguments.length - 1];
             const asked = (request) => new Promise((ok, no) => {{ request.onsuccess = () => ok(request.result); request.onerror = () => no(request.error); }});
             (async () => {{ {body} }})().then(done, (e) => done('failed: ' + e));"
        ))
        .await
    }

    /// Waits until a script answers true.
    pub async fn until(&self, what: &str, condition: &str) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.run(&format!("return Boolean({condition})")).await != Value::Bool(true) {
            assert!(
                tokio::time::Instant::now() < end,
                "waited in vain: {what}; at {}: {}",
                self.path().await,
                self.run("return document.body.innerText").await
            );
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    /// Waits for a page of the app: its address, its heading drawn and focused.
    pub async fn arrive(&self, path: &str) {
        self.until(
            path,
            &format!("location.pathname === {} && document.activeElement && document.activeElement.tagName === 'H1'", json!(path)),
        )
        .await;
    }

    pub async fn cdp(&self, command: &str, params: Value) -> Value {
        let raw = Raw(
            "goog/cdp/execute",
            json!({ "cmd": command, "params": params }),
        );
        self.client
            .issue_cmd(raw)
            .await
            .unwrap_or_else(|e| panic!("{command}: {e}"))
    }

    /// Every object that lives in the page's JavaScript, as text.
    pub async fn heap(&self) -> String {
        let snapshot = self.client.issue_cmd(Asked("chromium/heap_snapshot")).await;
        snapshot
            .unwrap_or_else(|e| panic!("the heap: {e}"))
            .to_string()
    }

    /// Presses one key, wherever the focus is.
    pub async fn key(&self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.cdp(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text }),
            )
            .await;
        }
    }

    pub async fn offline(&self, offline: bool) {
        self.cdp("Network.enable", json!({})).await;
        self.cdp(
            "Network.emulateNetworkConditions",
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 }),
        )
        .await;
    }

    /// Limits upload to this many bytes a second, and download to ten times as many.
    pub async fn slow(&self, bytes: u32) {
        self.cdp("Network.enable", json!({})).await;
        self.cdp(
            "Network.emulateNetworkConditions",
            json!({ "offline": false, "latency": 100, "downloadThroughput": bytes * 10, "uploadThroughput": bytes }),
        )
        .await;
    }

    /// Sets the time limit for scripts.
    pub async fn patient(&self, time: Duration) {
        let timeouts = fantoccini::wd::TimeoutConfiguration::new(Some(time), None, None);
        self.client
            .update_timeouts(timeouts)
            .await
            .unwrap_or_else(|e| panic!("{e}"));
    }

    /// Kills every process of the browser at once, as a phone low on memory does:
    /// [`Browser::again`].
    pub fn killer(&self) -> impl FnOnce() + Send + 'static {
        // Without a profile: it was passed on to the next browser.
        let named = self
            .profile
            .as_ref()
            .map(|p| format!("user-data-dir={}", p.path().display()));
        move || {
            drop(named.map(|named| Command::new("pkill").args(["-KILL", "-f", &named]).status()))
        }
    }

    /// The same phone, started again after [`Browser::killer`].
    pub async fn again(mut self) -> Browser {
        (self.killer())();
        let profile = self.profile.take().unwrap_or_else(|| panic!("a profile"));
        // The files that tell a second Chromium that the first is still running.
        for name in ["SingletonLock", "SingletonCookie", "SingletonSocket"] {
            let _ = std::fs::remove_file(profile.path().join(name));
        }
        drop(self);
        Browser::on(profile, 390, 844).await
    }

    /// The page's process: the largest renderer below the driver.
    fn renderer(&self) -> Option<u32> {
        let status = |pid: u32, field: &str| -> Option<u64> {
            let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            text.lines()
                .find_map(|l| l.strip_prefix(field))?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        let all: Vec<u32> = std::fs::read_dir("/proc")
            .ok()?
            .filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        let is_below = |mut pid: u32| {
            for _ in 0..8 {
                match status(pid, "PPid:") {
                    Some(parent)
                        if Some(parent) == self.driver.as_ref().map(|d| u64::from(d.id())) =>
                    {
                        return true;
                    }
                    Some(parent) if parent > 1 => pid = parent as u32,
                    _ => return false,
                }
            }
            false
        };
        let draws = |pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|c| String::from_utf8_lossy(&c).contains("--type=renderer"))
        };
        all.into_iter()
            .filter(draws)
            .filter(|pid| is_below(*pid))
            .max_by_key(|pid| status(*pid, "VmRSS:").unwrap_or(0))
    }

    /// The memory the page's process holds now, and its peak since [`Browser::forget_peak`], in KB.
    pub fn renderer_kb(&self) -> (u64, u64) {
        let text = self
            .renderer()
            .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok())
            .unwrap_or_default();
        let field = |name: &str| {
            text.lines()
                .find_map(|l| {
                    l.strip_prefix(name)?
                        .split_whitespace()
                        .next()?
                        .parse()
                        .ok()
                })
                .unwrap_or(0)
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Restarts the peak measurement (proc(5), clear_refs).
    pub fn forget_peak(&self) {
        if let Some(pid) = self.renderer() {
            let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }

    /// Throws the tab away without asking it, and opens the same address in a new one.
    pub async fn kill_tab(&self) {
        let address = self
            .client
            .current_url()
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        let old = self.client.window().await.unwrap_or_else(|e| panic!("{e}"));
        let new = self
            .client
            .new_window(true)
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        self.cdp_on_old(&old).await;
        self.client
            .switch_to_window(new.handle)
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        self.open(address.as_str()).await;
    }

    async fn cdp_on_old(&self, old: &fantoccini::wd::WindowHandle) {
        self.client
            .switch_to_window(old.clone())
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        self.client
            .close_window()
            .await
            .unwrap_or_else(|e| panic!("{e}"));
    }

    /// A caller with this browser's sign-in, for requests alongside the page.
    pub async fn caller(&self, server: &crate::Server) -> crate::Caller {
        let cookies = self
            .client
            .get_all_cookies()
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        server.caller().with_cookies(
            cookies
                .iter()
                .map(|c| (c.name().to_owned(), c.value().to_owned()))
                .collect(),
        )
    }

    /// Console messages that must not occur: errors, refused scripts and styles.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self
            .client
            .issue_cmd(Raw("se/log", json!({ "type": "browser" })))
            .await
            .unwrap_or_else(|e| panic!("log: {e}"));
        let lines = log.as_array().cloned().unwrap_or_default();
        let bad = |line: &Value| {
            let text = line["message"].as_str().unwrap_or_default();
            text.contains("Content Security Policy")
                || text.contains("Trusted")
                || text.contains("integrity")
                || (line["level"] == "SEVERE" && line["source"] != "network")
        };
        lines
            .iter()
            .filter(|l| bad(l))
            .map(ToString::to_string)
            .collect()
    }

    /// The page from top to end.
    pub async fn whole_page(&self, to: &Path) {
        self.captured(to, true).await;
    }

    /// The visible part of it.
    pub async fn screenshot(&self, to: &Path) {
        self.captured(to, false).await;
    }

    /// PNG or WebP, by the file name.
    async fn captured(&self, to: &Path, whole: bool) {
        use base64::Engine;
        let format = if to.extension().is_some_and(|e| e == "png") {
            "png"
        } else {
            "webp"
        };
        let how = json!({ "format": format, "quality": 82, "captureBeyondViewport": whole });
        let shot = self.cdp("Page.captureScreenshot", how).await;
        let picture = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap_or_default())
            .unwrap_or_default();
        std::fs::write(to, picture).unwrap_or_else(|e| panic!("{}: {e}", to.display()));
    }
}

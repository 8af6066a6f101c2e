//! A server process with its own data directory, and callers with their own cookies.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::root;

/// Settings beyond the defaults.
#[derive(Default)]
pub struct Setting {
    pub args: &'static [&'static str],
    /// The address of the message gateway.
    pub gateway: Option<String>,
    /// The fault of its disk: `kind n few` of tests/faults/disk.c.
    pub disk: Option<String>,
    /// Its clock can be shifted with [`Server::set_clock`] (tests/faults/clock.c).
    pub clock: bool,
    /// Another build of the app.
    pub dist: Option<PathBuf>,
    /// Without demo data: no policies, no staff, no visible outbox.
    pub bare: bool,
    /// The insurer's system for policy lookups.
    pub policies: Option<String>,
    /// A configuration file.
    pub config: Option<PathBuf>,
    /// The file that its log is written to, instead of the tests' own standard error.
    pub log: Option<PathBuf>,
    /// Its public address, if different from where it listens.
    pub address: Option<String>,
}

pub struct Server {
    child: Child,
    pub base: String,
    data: tempfile::TempDir,
    setting: Setting,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(log) = log_of_the_suite() {
            let _ = std::fs::copy(self.data.path().join("audit.log"), log);
        }
    }
}

/// A process that ends with its test.
pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Process {
        Process(
            command
                .spawn()
                .unwrap_or_else(|e| panic!("{command:?}: {e}")),
        )
    }

    /// Starts a program that writes one line when it listens; what it writes later goes nowhere.
    pub fn listening(command: &mut Command) -> Process {
        let mut process = Process::start(command.stdout(Stdio::piped()));
        let out = process
            .0
            .stdout
            .take()
            .unwrap_or_else(|| panic!("no output"));
        let mut out = BufReader::new(out);
        let mut line = String::new();
        let read = out.read_line(&mut line);
        assert!(
            read.is_ok() && line.trim() == "listening",
            "{command:?}: {line:?}"
        );
        // Kept open, or it would be stopped by its next line.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address of this machine that nobody listens on.
///
/// Below the ephemeral range: a client connecting while the server is down could take its port.
pub fn free_address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let port =
            12_000 + (std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let addr = format!("127.0.0.1:{port}");
        if std::net::TcpListener::bind(&addr).is_ok() {
            return addr;
        }
    }
}

/// The program under test: that of the release, or the one that `BAOAN_SERVER` names.
pub fn program() -> PathBuf {
    let named = std::env::var_os("BAOAN_SERVER").map(PathBuf::from);
    named.unwrap_or_else(|| root().join("target/release/claim-server"))
}

/// A file in the folder that `BAOAN_LOGS` names: `cargo xtask test` searches all of them for
/// personal values.
fn log_of_the_suite() -> Option<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = PathBuf::from(std::env::var_os("BAOAN_LOGS")?);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Some(folder.join(format!("{number:04}")))
}

/// `None`: it ended before it listened.
fn launch(data: &Path, addr: &str, more: &Setting) -> Option<(Child, String)> {
    let program = program();
    let mut command = Command::new(&program);
    if !more.bare {
        command.arg("--demo");
    }
    if let Some(address) = &more.policies {
        command.args(["--policies", address]);
    }
    if let Some(file) = &more.config {
        command.arg("--config").arg(file);
    }
    command.args(["--addr", addr, "--data"]).arg(data);
    // Tests of the server alone run before there is an app.
    let dist = more.dist.clone().unwrap_or_else(|| root().join("dist"));
    // The program of the package has one with it.
    let has_its_own = std::env::var_os("BAOAN_PACKAGED").is_some();
    if !has_its_own && (more.dist.is_some() || dist.join("index.html").is_file()) {
        command.arg("--dist").arg(dist);
    }
    command.args(more.args);
    if let Some(gateway) = &more.gateway {
        command.args(["--messages", gateway]);
    }
    if let Some(address) = &more.address {
        command.args(["--address", address]);
    }
    if !more.args.contains(&"--keep-free-mb") {
        command.args(["--keep-free-mb", "1"]);
    }
    if let Some(disk) = &more.disk {
        command
            .env("LD_PRELOAD", preloaded("disk"))
            .env("BAOAN_DISK", disk)
            .env("BAOAN_DISK_FOLDER", data);
        command
            .env("BAOAN_DISK_LOG", data.join("disk.log"))
            .stderr(Stdio::null());
    }
    if more.clock {
        command
            .env("LD_PRELOAD", preloaded("clock"))
            .env("BAOAN_CLOCK", data.join("clock"));
    }
    if let Some(log) = more.log.clone().or_else(log_of_the_suite) {
        let file = std::fs::File::create(log).unwrap_or_else(|e| panic!("{e}"));
        command.stderr(file);
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask build` first", program.display()));
    let out = child.stdout.take().unwrap_or_else(|| panic!("no output"));
    let mut line = String::new();
    BufReader::new(out)
        .read_line(&mut line)
        .unwrap_or_else(|e| panic!("{e}"));
    match line.trim().strip_prefix("listening on ") {
        Some(base) => Some((child, base.to_owned())),
        None => child.wait().map_or(None, |_| None),
    }
}

/// Asks a database file.
pub fn on_database<T>(
    file: &Path,
    ask: impl AsyncFnOnce(&mut sqlx::SqliteConnection) -> sqlx::Result<T>,
) -> T {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap_or_else(|e| panic!("{e}"));
    let answer = runtime.block_on(async {
        let mut db = sqlx::ConnectOptions::connect(&options).await?;
        ask(&mut db).await
    });
    answer.unwrap_or_else(|e| panic!("{e}"))
}

/// A library of tests/faults, compiled once.
fn preloaded(name: &str) -> PathBuf {
    static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let made = root().join(format!("target/tmp/{name}.so"));
    let mut known = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.iter().any(|k| k == name) {
        let _ = std::fs::create_dir_all(root().join("target/tmp"));
        let source = root().join(format!("tests/faults/{name}.c"));
        let done = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&made)
            .arg(&source)
            .args(["-ldl", "-lpthread"])
            .status();
        assert!(
            done.is_ok_and(|s| s.success()),
            "cc could not compile {}",
            source.display()
        );
        known.push(name.to_owned());
    }
    made
}

impl Server {
    /// With demo data, on a free port.
    pub fn start() -> Server {
        Server::with(Setting::default())
    }

    pub fn with(setting: Setting) -> Server {
        let data = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let (child, base) = launch(data.path(), &free_address(), &setting)
            .unwrap_or_else(|| panic!("the server does not start"));
        Server {
            child,
            base,
            data,
            setting,
        }
    }

    /// On a copy of another server's data.
    pub fn on_copy(of: &Path, setting: Setting) -> Server {
        let data = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let done = Command::new("cp")
            .arg("-a")
            .arg(of.join("."))
            .arg(data.path())
            .status();
        assert!(
            done.is_ok_and(|s| s.success()),
            "the data could not be copied"
        );
        let started = launch(data.path(), &free_address(), &setting);
        // It crashed on startup: the operator starts it again, now on a working disk.
        let (setting, (child, base)) = match started {
            Some(started) => (setting, started),
            None => {
                let sound = Setting {
                    disk: None,
                    ..setting
                };
                let again = launch(data.path(), &free_address(), &sound)
                    .unwrap_or_else(|| panic!("it does not start again"));
                (sound, again)
            }
        };
        Server {
            child,
            base,
            data,
            setting,
        }
    }

    /// Restarts it on a working disk if it has exited, or does so within a second.
    pub fn revive(&mut self) -> bool {
        for _ in 0..500 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                self.setting.disk = None;
                self.start_again();
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// One number out of the database, by SQL.
    pub fn count(&self, sql: &'static str) -> i64 {
        let file = self.data().join("claims.sqlite");
        // On its own thread: async tests call it, too.
        let asked = std::thread::spawn(move || {
            on_database(&file, async |db| {
                sqlx::query_scalar(sql).fetch_one(db).await
            })
        });
        asked.join().unwrap_or_else(|_| panic!("{sql}"))
    }

    /// Whether the database itself rejects this.
    pub fn refuses(&self, sql: &'static str) -> bool {
        let file = self.data().join("claims.sqlite");
        let done = std::thread::spawn(move || {
            on_database(&file, async |db| {
                Ok(sqlx::query(sql).execute(db).await.is_err())
            })
        });
        done.join().unwrap_or_else(|_| panic!("{sql}"))
    }

    /// Changes the database behind the server's back.
    pub fn write(&self, sql: &'static str) {
        let file = self.data().join("claims.sqlite");
        let done = std::thread::spawn(move || {
            on_database(&file, async |db| sqlx::query(sql).execute(db).await)
        });
        done.join().unwrap_or_else(|_| panic!("{sql}"));
    }

    /// Adds sessions for the last person who signed in, one for each of these cookies: a bench
    /// needs more than a phone number allows.
    pub fn more_sessions(&self, tokens: Vec<String>) {
        let file = self.data().join("claims.sqlite");
        let insert = "INSERT INTO session (token_hash, subject_id, created_at, seen_at, phone_sealed) \
                      SELECT ?, subject_id, created_at, seen_at, phone_sealed FROM session WHERE phone_sealed IS NOT NULL LIMIT 1";
        let done = std::thread::spawn(move || {
            on_database(&file, async |db| {
                let mut all = sqlx::Connection::begin(db).await?;
                for token in &tokens {
                    sqlx::query(insert)
                        .bind(crate::sha256_hex(token.as_bytes()))
                        .execute(&mut *all)
                        .await?;
                }
                all.commit().await
            });
        });
        done.join().unwrap_or_else(|_| panic!("no more sessions"));
    }

    /// Memory of the process, in bytes.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Its peak memory.
    pub fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .unwrap_or_else(|e| panic!("{e}"));
        let line = status
            .lines()
            .find(|l| l.starts_with(line))
            .unwrap_or_else(|| panic!("{status}"));
        line.split_whitespace()
            .nth(1)
            .and_then(|kb| kb.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    }

    /// Shifts the clock of a server with [`Setting::clock`] forward or back, while it runs.
    pub fn set_clock(&self, seconds: i64) {
        // Replaced atomically: the server may read it at any moment.
        let fresh = self.data().join("clock.new");
        let done = std::fs::write(&fresh, seconds.to_string())
            .and_then(|()| std::fs::rename(&fresh, self.data().join("clock")));
        done.unwrap_or_else(|e| panic!("the clock cannot be set: {e}"));
    }

    /// Uses another build of the app from the next start.
    pub fn deploy(&mut self, dist: PathBuf) {
        self.setting.dist = Some(dist);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process from another thread.
    pub fn killer(&self) -> impl FnOnce() + Send + 'static {
        let pid = self.pid().to_string();
        move || drop(Command::new("kill").args(["-KILL", &pid]).status())
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Ends the process at once, as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same data and port.
    pub fn start_again(&mut self) {
        let addr = self.base.trim_start_matches("http://").to_owned();
        (self.child, self.base) = launch(self.data.path(), &addr, &self.setting)
            .unwrap_or_else(|| panic!("the server does not start again"));
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Uploads as stored on the server's disk: sealed.
    pub fn sealed_files(&self) -> Vec<PathBuf> {
        files_of(&self.data.path().join("uploads"))
    }

    /// The same, opened by the server's own command.
    pub fn stored_files(&self) -> Vec<PathBuf> {
        let folder = self.data.path().with_extension("opened");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{e}"));
        let done = self.command(&["files", &folder.to_string_lossy()]);
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        files_of(&folder)
    }

    /// The output of the command line on this data.
    pub fn command(&self, args: &[&str]) -> std::process::Output {
        let program = program();
        let output = Command::new(program)
            .arg("--data")
            .arg(self.data())
            .args(args)
            .output();
        output.unwrap_or_else(|e| panic!("{args:?}: {e}"))
    }

    /// What a command prints; it has to succeed.
    pub fn said(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// `Signature` of a body, with the key for `peer`.
    pub fn signature(&self, peer: &str, body: &[u8]) -> String {
        use hmac::{KeyInit, Mac};
        let key = String::from_utf8_lossy(&self.command(&["key", peer]).stdout)
            .trim()
            .to_owned();
        let bytes: Vec<u8> = (0..key.len())
            .step_by(2)
            .filter_map(|i| u8::from_str_radix(&key[i..i + 2], 16).ok())
            .collect();
        let mut mac =
            hmac::Hmac::<sha2::Sha256>::new_from_slice(&bytes).unwrap_or_else(|e| panic!("{e}"));
        mac.update(body);
        let hex: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        format!("hmac-sha256={hex}")
    }

    /// The bank's answer to an instruction.
    pub fn bank(&self, answer: &Value) -> Answer {
        let body = answer.to_string();
        let signature = self.signature("bank", body.as_bytes());
        let headers = [
            ("content-type", "application/json"),
            ("signature", signature.as_str()),
        ];
        self.caller()
            .send("POST", "/api/v1/bank/answers", &headers, body.as_bytes())
    }

    /// What somebody sees who opens a link with a secret after #, as the page's script does.
    pub fn follow(&self, link: &str) -> Answer {
        let (page, secret) = link.split_once('#').unwrap_or_else(|| panic!("{link}"));
        let mut caller = self.caller();
        assert_eq!(caller.form(page, &[("secret", secret)]).status, 303);
        caller.get(page)
    }

    pub fn caller(&self) -> Caller {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)));
        Caller {
            agent: config.build().into(),
            base: self.base.clone(),
            cookies: Vec::new(),
        }
    }

    /// The newest code that was "sent" to a phone.
    pub fn code_for(&self, phone: &str) -> String {
        let page = self.caller().get("/demo/outbox").text;
        let message = page
            .split("class=\"step\"")
            .find(|m| m.contains(phone) && m.contains("验证码 "))
            .unwrap_or_else(|| panic!("no code for {phone}"));
        message
            .split("验证码 ")
            .nth(1)
            .unwrap_or_default()
            .chars()
            .take(6)
            .collect()
    }

    /// Waits for a condition that the server reaches by itself.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A client with its own cookies.
#[derive(Clone)]
pub struct Caller {
    agent: ureq::Agent,
    base: String,
    cookies: Vec<(String, String)>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Caller {
    /// With the cookies of a browser that has signed in.
    pub fn with_cookies(self, cookies: Vec<(String, String)>) -> Caller {
        Caller { cookies, ..self }
    }

    pub fn cookie(&self) -> String {
        self.cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie());
        }
        let request = request
            .body(body.to_vec())
            .unwrap_or_else(|e| panic!("{e}"));
        let mut response = self
            .agent
            .run(request)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned()))
            .collect();
        for (_, set) in headers.iter().filter(|(n, _)| n == "set-cookie") {
            if let Some((name, value)) = set.split(';').next().and_then(|c| c.split_once('=')) {
                self.cookies.retain(|(n, _)| n != name);
                if !value.is_empty() {
                    self.cookies.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        let text = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .lossy_utf8(true)
            .read_to_string()
            .unwrap_or_default();
        Answer {
            status: response.status().as_u16(),
            headers,
            text,
        }
    }

    /// The raw bytes of a file.
    pub fn bytes(&mut self, path: &str) -> Vec<u8> {
        let request = http::Request::builder()
            .uri(format!("{}{path}", self.base))
            .header("cookie", self.cookie());
        let request = request.body(Vec::new()).unwrap_or_else(|e| panic!("{e}"));
        let mut response = self
            .agent
            .run(request)
            .unwrap_or_else(|e| panic!("{path}: {e}"));
        response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_vec()
            .unwrap_or_else(|e| panic!("{path}: {e}"))
    }
    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[("accept", "text/html")], b"")
    }
    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
    }
    pub fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.send(
            "POST",
            path,
            &[("content-type", "application/x-www-form-urlencoded")],
            form.finish().as_bytes(),
        )
    }
    pub fn report(&mut self, key: &str, notice: &Value) -> Answer {
        self.send(
            "POST",
            "/api/v1/notices",
            &[
                ("content-type", "application/json"),
                ("idempotency-key", key),
            ],
            notice.to_string().as_bytes(),
        )
    }
    pub fn sign_in(&mut self, server: &Server, phone: &str) {
        assert_eq!(
            self.post("/api/v1/session/code", &json!({ "phone": phone }))
                .status,
            204
        );
        let signed_in = self.post(
            "/api/v1/session",
            &json!({ "phone": phone, "code": server.code_for(phone) }),
        );
        assert_eq!(signed_in.status, 200, "{signed_in:?}");
    }
    pub fn staff(server: &Server, name: &str) -> Caller {
        let mut caller = server.caller();
        let answer = caller.form(
            "/staff/login",
            &[("name", name), ("password", &format!("demo-{name}"))],
        );
        assert_eq!(answer.status, 303, "{answer:?}");
        caller
    }
    /// One step of the staff pages.
    pub fn step(&mut self, no: &str, fields: &[(&str, &str)]) -> Answer {
        self.form(&format!("/staff/claims/{no}/steps"), fields)
    }
}

/// A decision with all eight points passed; for an approval also the content of its one line.
pub fn all_good<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    const POINTS: [&str; 8] = [
        "check-contract",
        "check-event",
        "check-loss",
        "check-costs",
        "check-evidence",
        "check-conditions",
        "check-amount",
        "check-complete",
    ];
    const LINE: [(&str, &str); 4] = [
        ("item", "损失"),
        ("excluded_because", "条款第八条"),
        ("share_because", "按责任比例"),
        ("deductible_because", "条款约定的免赔"),
    ];
    fields
        .iter()
        .copied()
        .chain(POINTS.map(|point| (point, "yes")))
        .chain(LINE)
        .collect()
}

/// A key that no other test uses.
pub fn unique_key() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "test-{}-{:06}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A good notice, for the caller to spoil.
pub fn notice(now: &str) -> Value {
    json!({
        "incident": "motor.single",
        "scene": { "injured": false, "road": "clear", "special": "none" },
        "loss_at": now,
        "place": { "text": "杭州市西湖区文三路 90 号" },
        "parts": ["front-left"],
        "narrative": "倒车时撞到柱子",
        "reporter": { "role": "insured", "name": "张伟", "phone": "13800138000" },
        "policy": { "plate": "浙A12345" },
        "consents": [{ "id": "privacy", "version": 1, "at": now }, { "id": "truth", "version": 1, "at": now }]
    })
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .unwrap_or_else(|e| panic!("{e}"))
        .filter_map(|e| Some(e.ok()?.path()))
        .collect()
}

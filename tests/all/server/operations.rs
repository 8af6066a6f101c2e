//! What an operator does with the server: settings, health, metrics, alerts.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use baoan_tests::{Process, Server, Setting, free_address, notice, python, root, unique_key};
use serde_json::Value;

use crate::papers::now;

fn on_server(args: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(baoan_tests::program())
        .args(args)
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

/// R7: a real Prometheus reads the metrics; they count what happened by route and code, and hold
/// nothing of a person. The alert rules are valid, and fire when they should.
#[test]
fn r7_prometheus_reads_the_metrics_and_the_alerts_fire() {
    let folder = tempfile::tempdir().unwrap();
    let (metrics, web) = (free_address(), free_address());
    let config = folder.path().join("baoan.toml");
    let text = format!("metrics = \"{metrics}\"\nlog = \"json\"\n");
    std::fs::write(&config, text).unwrap();
    let server = Server::with(Setting {
        config: Some(config),
        ..Setting::default()
    });
    let scrape = folder.path().join("prometheus.yml");
    let text = format!(
        "scrape_configs: [{{ job_name: baoan, scrape_interval: 1s, static_configs: [{{ targets: [\"{metrics}\"] }}] }}]"
    );
    std::fs::write(&scrape, text).unwrap();
    let mut prometheus = Command::new("prometheus");
    prometheus
        .arg(format!("--config.file={}", scrape.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.path().join("tsdb").display()
        ))
        .arg(format!("--web.listen-address={web}"))
        .arg("--log.level=error")
        .stdout(Stdio::null());
    let _prometheus = Process::start(&mut prometheus);
    // A system that nobody started.
    let nowhere = format!("http://{}/events", free_address());
    server.said(&["hooks", "add", "core", &nowhere]);
    let mut numbers = Vec::new();
    for _ in 0..7 {
        let mut caller = server.caller();
        let answer = caller.report(&unique_key(), &notice(&now(&server)));
        assert_eq!(answer.status, 201);
        numbers.push(answer.json()["claim_no"].as_str().unwrap().to_owned());
    }
    let agent = ureq::Agent::new_with_defaults();
    let get = |url: String| -> Option<String> {
        agent
            .get(&url)
            .call()
            .ok()?
            .body_mut()
            .read_to_string()
            .ok()
    };
    let ask = |query: &str| -> Option<String> {
        let text = get(format!("http://{web}/api/v1/query?query={query}"))?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        let value = &answer["data"]["result"][0]["value"][1];
        value.as_str().map(str::to_owned)
    };
    let wanted = [
        ("up", "1"),
        (
            "sum(baoan_requests_total%7Broute%3D%22/api/v1/notices%22,code%3D%22201%22%7D)",
            "7",
        ),
        ("sum(baoan_claims)", "7"),
        ("sum(baoan_events_total%7Bkind%3D%22reported%22%7D)", "7"),
        ("baoan_claims_overdue", "0"),
    ];
    for (query, value) in wanted {
        server.until(query, || ask(query).as_deref() == Some(value));
    }
    let behind = || ask("baoan_hook_behind").and_then(|n| n.parse::<i64>().ok());
    server.until("events wait", || behind().is_some_and(|n| n >= 7));
    let text = get(format!("http://{metrics}/metrics")).unwrap();
    for told in numbers
        .iter()
        .map(String::as_str)
        .chain(["13800138000", "张伟", "浙A12345"])
    {
        assert!(!text.contains(told), "the metrics tell {told}");
    }
    assert!(text.ends_with("# EOF\n"));
    // Metrics are not on the public address.
    assert!(!server.caller().get("/metrics").text.contains("baoan_"));
    assert_eq!(server.caller().get("/readyz").text, "ready");
    let rules = root().join("deploy/prometheus");
    for args in [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts.test.yml"],
        ["check", "config", "prometheus.yml"],
    ] {
        let output = Command::new("promtool")
            .args(args)
            .current_dir(&rules)
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
    assert_board(&rules.join("../grafana/baoan.json"), &text);
}

/// Every metric of the board and of the rules exists.
fn assert_board(board: &Path, metrics: &str) {
    let rules = std::fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap();
    let board = std::fs::read_to_string(board).unwrap();
    let mut seen = 0;
    for text in [rules, board] {
        for part in text.split("baoan_").skip(1) {
            let name: String = part
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            let family = name.trim_end_matches("_total").trim_end_matches("_bucket");
            seen += 1;
            assert!(
                metrics.contains(&format!("# TYPE baoan_{family} ")),
                "baoan_{name} is not a metric"
            );
        }
    }
    assert!(seen > 20, "{seen}");
}

/// A collector after the specification's own messages (opentelemetry-proto), and a system that takes
/// events: each writes what it got.
const COLLECTOR: &str = r#"
import http.server, json, sys
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
host, port = sys.argv[1].split(":")
out = open(sys.argv[2], "a", buffering=1)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                said = {a.key: a.value.string_value for a in resource.resource.attributes}
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        about = {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
                        print(json.dumps({"service": said["service.name"], "name": span.name, "kind": span.kind, "trace": span.trace_id.hex(),
                            "span": span.span_id.hex(), "parent": span.parent_span_id.hex(), "about": about}, ensure_ascii=False), file=out)
        else:
            print(json.dumps({"told": self.headers.get("traceparent")}), file=out)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
print("listening", flush=True)
server.serve_forever()
"#;

/// R7: traces arrive at a collector, one span for each request and call, with routes and codes and
/// nothing of a person; a system that is called learns of its trace.
#[test]
fn r7_traces_arrive_at_a_collector() {
    let folder = tempfile::tempdir().unwrap();
    let (address, file) = (free_address(), folder.path().join("spans"));
    std::fs::write(&file, "").unwrap();
    let _collector = Process::listening(python().args(["-c", COLLECTOR, &address]).arg(&file));
    let config = folder.path().join("baoan.toml");
    let text = format!("traces = \"http://{address}/v1/traces\"\n");
    std::fs::write(&config, text).unwrap();
    let server = Server::with(Setting {
        config: Some(config),
        ..Setting::default()
    });
    server.said(&["hooks", "add", "core", &format!("http://{address}/events")]);
    let mut caller = server.caller();
    let answer = caller.report(&unique_key(), &notice(&now(&server)));
    let no = answer.json()["claim_no"].as_str().unwrap().to_owned();
    assert_eq!(caller.get(&format!("/api/v1/claims/{no}")).status, 401);
    let text = || std::fs::read_to_string(&file).unwrap();
    let lines = || -> Vec<Value> {
        let whole = text();
        let lines = whole.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    let named = |name: &str| lines().into_iter().find(|span| span["name"] == name);
    let wanted = [
        "POST /api/v1/notices",
        "GET /api/v1/claims/{no}",
        "call hook",
        "attend",
    ];
    for name in wanted {
        server.until(name, || named(name).is_some());
    }
    let report = named("POST /api/v1/notices").unwrap();
    assert_eq!(
        (&report["service"], &report["kind"]),
        (&"baoan".into(), &2.into())
    );
    assert_eq!(report["about"]["http.response.status_code"], 201);
    assert_eq!(report["about"]["http.route"], "/api/v1/notices");
    let refused = named("GET /api/v1/claims/{no}").unwrap();
    assert_eq!(refused["about"]["http.response.status_code"], 401);
    // The event was sent within a trace that its receiver can continue.
    let told = lines()
        .into_iter()
        .filter_map(|l| l["told"].as_str().map(str::to_owned));
    let told: Vec<_> = told.collect();
    let calls: Vec<_> = lines()
        .into_iter()
        .filter(|span| span["name"] == "call hook")
        .collect();
    for call in &calls {
        let part = format!(
            "-{}-{}-",
            call["trace"].as_str().unwrap(),
            call["span"].as_str().unwrap()
        );
        assert!(told.iter().any(|t| t.contains(&part)), "{part} {told:?}");
    }
    let whole = text();
    for personal in [no.as_str(), "13800138000", "张伟", "浙A12345", "文三路"] {
        assert!(!whole.contains(personal), "the traces tell {personal}");
    }
}

/// R7: an option wins over the environment, and that over the file; a broken file stops the start in
/// one sentence.
#[test]
fn r7_settings_come_from_file_environment_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baoan.toml");
    let path = file.to_str().unwrap();
    let check = ["--config", path, "config", "check"];
    std::fs::write(&file, "addr = \"127.0.0.1:80\"\nlisten = 3\n").unwrap();
    let output = on_server(&check, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.starts_with(&format!("claim-server: {path}:2: unknown field `listen`")),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    std::fs::write(&file, "demo = true\n").unwrap();
    let output = on_server(&check, &[]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "fine\n");
    // What contradicts itself only together.
    let output = on_server(&check, &[("BAOAN_SECURE", "true")]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("publicly known passwords"));
    let secure = ["--config", path, "--demo=false", "config", "check"];
    assert!(
        on_server(&secure, &[("BAOAN_SECURE", "true")])
            .status
            .success()
    );
    let output = on_server(&check, &[("BAOAN_ADDR", "nowhere")]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--addr"));
    let output = on_server(&["--config", "/nowhere.toml", "config", "check"], &[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere.toml cannot be read"));
    let documented = root().join("deploy/baoan.toml");
    let check = ["--config", documented.to_str().unwrap(), "config", "check"];
    assert!(on_server(&check, &[]).status.success());
}

/// Reports pour in while something is done, which can ask for the claims acknowledged so far; each
/// report has to be accepted.
fn under_load<T>(server: &Server, deed: impl FnOnce(&dyn Fn() -> Vec<String>) -> T) -> T {
    let at = now(server);
    let (stop, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let began = Instant::now();
    let done = std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = server.caller().report(&unique_key(), &notice(&at));
                    assert_eq!(answer.status, 201, "{answer:?}");
                    let no = answer.json()["claim_no"].as_str().unwrap().to_owned();
                    acknowledged.lock().unwrap().push(no);
                }
            });
        }
        let so_far = || acknowledged.lock().unwrap().clone();
        server.until("load", || so_far().len() > 100);
        let done = deed(&so_far);
        stop.store(true, Ordering::Relaxed);
        done
    });
    let (count, seconds) = (
        acknowledged.lock().unwrap().len(),
        began.elapsed().as_secs_f64(),
    );
    println!("{count} reports, {:.0} a second", count as f64 / seconds);
    done
}

/// Every event, with what it carries, as a system would read it.
fn events(data: &Path, key: &Path) -> String {
    let (data, key) = (data.to_str().unwrap(), key.to_str().unwrap());
    let output = on_server(&["--data", data, "--key", key, "events"], &[]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// R7: keys are rotated while reports pour in: none is refused, everything opens afterwards with
/// the new key alone, and a backup made before with the keys as they were.
#[test]
fn r7_keys_are_rotated_under_load() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = server.data().join("secret.key");
    server.said(&["backup", path("backup").to_str().unwrap()]);
    std::fs::copy(&key, path("former.key")).unwrap();
    let (before, moved) = under_load(&server, |so_far| {
        let before = so_far();
        let moved: Vec<_> = (0..3).map(|_| server.said(&["rotate-key"])).collect();
        (before, moved)
    });
    println!("{moved:?}");
    let file = std::fs::File::options().append(true).open(&key).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 4 * 32);
    let early = on_server(
        &[
            "--data",
            server.data().to_str().unwrap(),
            "rotate-key",
            "--finish",
        ],
        &[],
    );
    assert!(
        String::from_utf8_lossy(&early.stderr).contains("less than a minute"),
        "{early:?}"
    );
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(300))
        .unwrap();
    server.said(&["rotate-key", "--finish"]);
    assert_eq!(std::fs::read(&key).unwrap().len(), 32);
    server.said(&["verify"]);
    let whole = events(server.data(), &key);
    let missing: Vec<_> = before
        .iter()
        .filter(|no| !whole.contains(no.as_str()))
        .collect();
    assert_eq!(missing, Vec::<&String>::new());
    let restore = |to: &str, key: &Path| {
        let (to, from) = (path(to), path("backup"));
        let (to, key) = (to.to_str().unwrap(), key.to_str().unwrap());
        on_server(
            &[
                "--data",
                to,
                "--key",
                key,
                "restore",
                from.to_str().unwrap(),
            ],
            &[],
        )
    };
    let output = restore("with-the-new", &key);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("key"), "{said}");
    let output = restore("with-the-former", &path("former.key"));
    assert!(output.status.success(), "{output:?}");
}

/// R7: a backup made while reports and photos pour in is one moment of the data; restored elsewhere
/// it is verified, and every claim that was acknowledged before it began is there, event for event.
/// Each is a point to which one can go back; a further one copies only what is new, old ones go. A
/// damaged one, or one over other data, is refused.
#[test]
fn r7_a_backup_under_load_is_restored_and_verified() {
    let server = Server::start();
    let base = crate::papers::claim_of(&mut server.caller(), &server, |_| {});
    let mut owner = server.caller();
    owner.sign_in(&server, "13800138000");
    let photo = baoan_tests::papers::jpeg(&baoan_tests::papers::page(1600, 1200, 7));
    let attached = crate::papers::attached(&mut owner, &base, "scene", &photo);
    assert_eq!(attached.status, 200, "{attached:?}");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("backup");
    let copy = copy.to_str().unwrap();
    let (before, backups) = under_load(&server, |so_far| {
        let (mut before, mut backups) = (Vec::new(), Vec::new());
        for _ in 0..12 {
            before.push(so_far());
            backups.push(server.said(&["backup", copy]));
        }
        (before, backups)
    });
    println!("{backups:?}");
    // Of the second one only the database and the logs are new.
    assert!(
        backups[1].contains("2 of them new") || backups[1].contains("3 of them new"),
        "{backups:?}"
    );
    let points: Vec<&str> = backups
        .iter()
        .map(|said| said.split_once(": ").unwrap().0)
        .collect();
    for point in &points {
        let place = Path::new(copy).join(point);
        let sums = Command::new("sha256sum")
            .args(["-c", "--quiet", "SHA256SUMS"])
            .current_dir(&place)
            .status();
        assert!(sums.is_ok_and(|status| status.success()), "{point}");
        assert!(!place.join("secret.key").exists());
    }
    let key = server.data().join("secret.key");
    let restore = |at: Option<&str>, to: &Path| {
        let (to, key) = (to.to_str().unwrap(), key.to_str().unwrap());
        let at = at.map(|at| ["--at", at]);
        let mut args = vec!["--data", to, "--key", key, "restore", copy];
        args.extend(at.iter().flatten());
        on_server(&args, &[])
    };
    let whole = events(server.data(), &key);
    let mut last = 0;
    // The first, one in the middle, the newest.
    for i in [0, 5, 11] {
        let restored = folder.path().join(format!("restored-{i}"));
        let output = restore((i < 11).then_some(points[i]), &restored);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("everything matches"),
            "{output:?}"
        );
        assert!(text.starts_with(points[i]), "{text}");
        let part = events(&restored, &key);
        assert!(whole.starts_with(&part), "one moment of the feed");
        let missing = before[i].iter().filter(|no| !part.contains(no.as_str()));
        assert_eq!(missing.count(), 0);
        let (then, all) = (part.lines().count(), whole.lines().count());
        println!(
            "{} claims acknowledged before, {then} events restored of {all}",
            before[i].len()
        );
        assert!(last < then && then <= all);
        last = then;
    }
    let none = restore(Some("2020-01-01"), &folder.path().join("none"));
    let said = String::from_utf8_lossy(&none.stderr);
    assert!(
        said.contains(&format!("the first point is {}", points[0])),
        "{said}"
    );
    // With --keep 0 former points go; what the newest names stays. (Points of the same second are
    // named after the next ones, so a few may still be ahead of the clock.)
    let said = server.said(&["backup", copy, "--keep", "0"]);
    assert!(!said.contains("; 0 former points removed"), "{said}");
    assert!(!Path::new(copy).join(points[0]).exists());
    let restored = folder.path().join("restored");
    assert!(restore(None, &restored).status.success());
    // Over other data, or damaged, it is refused.
    let output = restore(None, &restored);
    assert!(String::from_utf8_lossy(&output.stderr).contains("already holds data"));
    let mut files = std::fs::read_dir(Path::new(copy).join("uploads")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let output = restore(None, &folder.path().join("again"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not what SHA256SUMS says"));
    assert!(!folder.path().join("again/claims.sqlite").exists());
}

const TLS_CLIENT: &str = r#"
import os, shutil, signal, socket, ssl, sys, time
port, pid, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
path = lambda name: os.path.join(folder, name)
def connected(name):
    trust = ssl.create_default_context(cafile=path(name))
    return trust.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="127.0.0.1")
def asked(connection):
    connection.send(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    text = b""
    while b"\r\n\r\nok" not in text:
        more = connection.recv(4096)
        assert more, text
        text += more
    assert b"strict-transport-security" in text.lower(), text
def refused(name):
    try:
        connected(name)
        return False
    except ssl.SSLCertVerificationError:
        return True
first = connected("one.pem")
assert first.version() == "TLSv1.3" and first.selected_alpn_protocol() is None
asked(first)
assert refused("two.pem")
# A new certificate: who is connected stays, who comes gets the new one.
shutil.copy(path("two.pem"), path("cert.pem")); shutil.copy(path("two.key"), path("key.pem"))
os.kill(pid, signal.SIGHUP)
end = time.time() + 20
while refused("two.pem"):
    assert time.time() < end
asked(first)
asked(connected("two.pem"))
assert refused("one.pem")
# One that cannot be used changes nothing.
open(path("cert.pem"), "w").write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
os.kill(pid, signal.SIGHUP)
shutil.copy(path("one.pem"), path("cert.pem"))  # not of this key
os.kill(pid, signal.SIGHUP)
for _ in range(20):
    asked(connected("two.pem"))
# Who speaks no TLS is not answered, and holds nothing up.
plain = socket.create_connection(("127.0.0.1", port), 10)
plain.send(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
assert b"HTTP" not in plain.recv(100)
asked(first)
print("fine")
"#;

/// R7: TLS without a proxy; a new certificate is used without a restart and without a connection
/// ending, a broken one is not; cookies and HSTS are those of a secure server.
#[test]
fn r7_tls_is_served_and_its_certificate_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["one", "two"] {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        std::fs::write(path(&format!("{name}.pem")), made.cert.pem()).unwrap();
        std::fs::write(
            path(&format!("{name}.key")),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
    }
    std::fs::copy(path("one.pem"), path("cert.pem")).unwrap();
    std::fs::copy(path("one.key"), path("key.pem")).unwrap();
    let config = path("baoan.toml");
    let text = format!(
        "tls_cert = {:?}\ntls_key = {:?}\n",
        path("cert.pem"),
        path("key.pem")
    );
    std::fs::write(&config, text).unwrap();
    let server = Server::with(Setting {
        bare: true,
        config: Some(config),
        ..Setting::default()
    });
    let port = server.base.rsplit(':').next().unwrap().to_owned();
    assert!(server.base.starts_with("https://"));
    let output = python()
        .args(["-c", TLS_CLIENT, &port, &server.pid().to_string()])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

//! All layers of tests, cheapest first; each can be run alone.

use std::env;
use std::process::Command;

use crate::{Result, build, cargo, check, root, run, say, silence, tools};

const LAYERS: [&str; 8] = [
    "fmt", "unit", "clippy", "server", "check", "api", "wasm", "e2e",
];

/// Runs one layer or all.
pub fn test(only: Option<&str>) -> Result {
    if let Some(only) = only
        && !LAYERS.contains(&only)
    {
        return Err(format!(
            "no layer {only:?}; there are {}",
            LAYERS.join(", ")
        ));
    }
    for layer in LAYERS.into_iter().filter(|l| only.is_none_or(|o| o == *l)) {
        say(&format!("test layer: {layer}"));
        match layer {
            "fmt" => run(&mut cargo(&["fmt", "--all", "--check"]))?,
            "clippy" => clippy()?,
            "check" => check::check()?,
            "unit" => run(&mut cargo(&[
                "test",
                "--quiet",
                "-p",
                "claim-domain",
                "-p",
                "claim-api",
                "-p",
                "claim-photo",
                "-p",
                "xtask",
            ]))?,
            "wasm" => wasm()?,
            "server" => run(&mut cargo(&["test", "--quiet", "-p", "claim-server"]))?,
            "api" => silence::kept(tools::within(20 * 60, &api_command()?), layer)?,
            _ => {
                let threads = format!("--test-threads={}", at_once());
                let args = ["--skip", "server::", &threads];
                silence::kept(tools::within(40 * 60, &e2e_command(&args)?), layer)?;
            }
        }
    }
    Ok(())
}

fn clippy() -> Result {
    tools::for_building()?;
    // Scripts that run before or without WASM: type check and lint.
    run(tools::script("tsc").args(["-p", "tsconfig.json"]))?;
    let scripts = ["public", "crates/claim-server/src/pages"];
    run(tools::script("oxlint").arg("--deny-warnings").args(scripts))?;
    run(&mut cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--exclude",
        "baoan",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    run(&mut cargo(&[
        "clippy",
        "--quiet",
        "-p",
        "baoan",
        "--all-targets",
        "--target",
        "wasm32-unknown-unknown",
        "--",
        "-D",
        "warnings",
    ]))
}

/// The browser-facing parts, in a browser.
fn wasm() -> Result {
    tools::for_building()?;
    tools::for_browser_tests()?;
    for what in [
        ["-p", "baoan", "--lib"],
        ["-p", "claim-domain", "--test=same_lists"],
    ] {
        let mut command = cargo(&["test", "--target", "wasm32-unknown-unknown"]);
        command.args(what).env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
            root().join("target/tools/bin/wasm-bindgen-test-runner"),
        );
        run(command
            .env("CHROMEDRIVER", "/usr/bin/chromedriver")
            .env("PATH", tools::path()))?;
    }
    Ok(())
}

/// How many browsers run in parallel: each is several processes.
fn at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().clamp(1, 4))
}

/// Tests the server process over the wire, in a development build that serves the app: no browser.
fn api_command() -> Result<Command> {
    tools::for_building()?;
    build::app()?;
    run(&mut cargo(&["build", "--quiet", "-p", "claim-server"]))?;
    let mut command = tests_command()?;
    let program = root().join("target/debug/claim-server");
    command.args(["server::"]).env("BAOAN_SERVER", program);
    Ok(command)
}

/// The test program whose tests start a server.
fn tests_command() -> Result<Command> {
    let python = tools::python(&[
        "tuspy==1.1.0",
        "schemathesis==4.32.5",
        "opentelemetry-proto==1.45.2",
    ])?;
    tools::prometheus()?;
    let mut command = cargo(&["test", "-p", "baoan-tests", "--test", "all", "--"]);
    command.env("BAOAN_PYTHON", python);
    // A developer's checkout sometimes has real photographs next to it; without them the tests
    // generate their own.
    let photos = root().join("../shared/photos");
    if photos.is_dir() && env::var_os("BAOAN_PHOTOS").is_none() {
        command.env("BAOAN_PHOTOS", photos);
    }
    Ok(command)
}

/// Journeys in Chromium against the release build.
fn e2e_command(args: &[&str]) -> Result<Command> {
    tools::for_browser_tests()?;
    build::build()?;
    build::gallery()?;
    let mut command = tests_command()?;
    // Tests are named before they run: if one hangs, we know which. By default they run one at a
    // time, so that measurements are undisturbed.
    if !args.iter().any(|arg| arg.starts_with("--test-threads")) {
        command.arg("--test-threads=1");
    }
    command.args(args);
    Ok(command)
}

/// Repeats the measurements for a table in docs/.
pub fn bench(what: Option<&str>, folder: Option<&str>) -> Result {
    match what {
        Some("checks") => run(&mut cargo(&[
            "run",
            "--quiet",
            "-p",
            "claim-photo",
            "--example",
            "calibrate",
            "--",
            folder.unwrap_or("../shared/photos"),
        ])),
        Some("photo") => {
            let mut command =
                e2e_command(&["bench_of_the_photo_engine", "--ignored", "--nocapture"])?;
            if let Some(folder) = folder {
                command.env(
                    "BAOAN_PHOTOS",
                    std::path::absolute(folder).map_err(|e| e.to_string())?,
                );
            }
            run(&mut command)
        }
        Some("streams") => run(&mut e2e_command(&[
            "bench_streams",
            "--ignored",
            "--nocapture",
        ])?),
        _ => Err("bench what? There is: checks [FOLDER], photo [FOLDER], streams".into()),
    }
}

/// Other markers of test output that contains counts.
const FAULT_COUNTS: [&str; 6] = [
    "schedules with",
    "identical submissions",
    "open uploads",
    "five photos",
    "all noticed",
    "mutated pictures",
];

/// What `faults` runs: a name for people, the test, and the setting for a full run.
const FAULTS: [(&str, &str, &str); 18] = [
    (
        "schedules of the outbox",
        "whatever_is_lost",
        "BAOAN_SEEDS=1000000",
    ),
    (
        "whole journeys",
        "whatever_is_killed",
        "BAOAN_SEEDS=1000000",
    ),
    (
        "cut at every byte",
        "faults::server::cut_at_every_byte",
        "BAOAN_CUT_STEP=1",
    ),
    ("silence", "faults::server::silence", ""),
    (
        "identical submissions",
        "faults::a_hundred_at_once",
        "BAOAN_ROUNDS=1000",
    ),
    (
        "the disk, at each thing done to it",
        "faults::whatever_the_disk_does",
        "BAOAN_CUT_STEP=1",
    ),
    (
        "every two requests on one file",
        "races::",
        "BAOAN_RACES=10000",
    ),
    (
        "order on the disk",
        "faults::nothing_is_answered_before",
        "",
    ),
    (
        "the server killed",
        "faults::killed_at_any_moment_the_server",
        "BAOAN_KILLS=300",
    ),
    ("the clock", "faults::server::when_the_servers_clock", ""),
    (
        "open uploads at the start",
        "faults::server::with_ten_thousand",
        "",
    ),
    (
        "the browser killed",
        "faults::killed_at_any_moment_the_phone",
        "BAOAN_BROWSER_KILLS=200",
    ),
    ("a bad link", "faults::five_photos", "BAOAN_OUTAGE=60"),
    ("what the phone keeps", "storage::", ""),
    (
        "generated requests",
        "clients::generated",
        "BAOAN_EXAMPLES=100",
    ),
    ("attackers and crowds", "load::load", "BAOAN_LOAD=120"),
    (
        "pictures, natively",
        "mutated_files",
        "BAOAN_EXECUTIONS=1000000",
    ),
    (
        "pictures, in the workers",
        "mutated_pictures",
        "BAOAN_MUTATIONS=5000",
    ),
];

/// Runs in full what `test` runs in short, and writes the counts into the table of
/// docs/RELIABILITY.md. `only` names a part of it; a count already set in the environment stays.
pub fn faults(only: Option<&str>) -> Result {
    let path = root().join("docs/RELIABILITY.md");
    let read = || std::fs::read_to_string(&path).map_err(|e| format!("docs/RELIABILITY.md: {e}"));
    for (name, test, full) in FAULTS
        .into_iter()
        .filter(|(name, test, _)| only.is_none_or(|o| name.contains(o) || test.contains(o)))
    {
        say(&format!("{name}: {test}"));
        // Libraries without a browser, at full speed.
        let library = |name| {
            cargo(&[
                "test",
                "--release",
                "--quiet",
                "-p",
                name,
                test,
                "--",
                "--nocapture",
            ])
        };
        let mut command = match full.split('=').next() {
            Some("BAOAN_SEEDS") => library("claim-api"),
            Some("BAOAN_EXECUTIONS") => library("claim-photo"),
            // As it is deployed: the release profile optimises for bytes on the wire.
            Some("BAOAN_RACES") => cargo(&[
                "test",
                "--profile",
                "server",
                "--quiet",
                "-p",
                "claim-server",
                test,
                "--",
                "--nocapture",
            ]),
            Some("BAOAN_LOAD" | "BAOAN_EXAMPLES") => {
                e2e_command(&[test, "--nocapture", "--ignored"])?
            }
            _ => e2e_command(&[test, "--nocapture"])?,
        };
        let began = std::time::Instant::now();
        let output = command
            .envs(
                full.split_once('=')
                    .filter(|(name, _)| env::var_os(name).is_none()),
            )
            .stderr(std::process::Stdio::inherit())
            .output()
            .map_err(|e| format!("{test}: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}");
        if !output.status.success() {
            return Err(format!("{test} failed"));
        }
        // Lines with counts; the test harness's own lines have none.
        let told = text
            .lines()
            .map(|l| l.rsplit(" ... ").next().unwrap_or(l).trim());
        let told: Vec<&str> = told
            .filter(|l| l.contains("violations") || FAULT_COUNTS.iter().any(|c| l.contains(c)))
            .collect();
        let row = format!(
            "| {name} | {} | {} s |",
            told.join("; "),
            began.elapsed().as_secs()
        );
        let (start, marked) = (format!("| {name} |"), read()?);
        let rows: Vec<String> = marked
            .lines()
            .map(|l| {
                if l.starts_with(&start) {
                    row.clone()
                } else {
                    l.to_owned()
                }
            })
            .collect();
        std::fs::write(&path, rows.join("\n") + "\n")
            .map_err(|e| format!("docs/RELIABILITY.md: {e}"))?;
    }
    Ok(())
}

/// Pictures of the app for the README, made by a journey.
pub fn screenshots() -> Result {
    let folder = root().join("docs/screenshots");
    std::fs::create_dir_all(&folder)
        .map_err(|e| format!("docs/screenshots cannot be made: {e}"))?;
    let mut command = e2e_command(&["screenshots", "claims_life", "--include-ignored"])?;
    run(command.env("BAOAN_SCREENSHOTS", folder))
}

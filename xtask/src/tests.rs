//! All layers of tests, cheapest first; each can be run alone.

use std::env;
use std::process::Command;

use crate::{Result, build, cargo, check, root, run, say, tools};

const LAYERS: [&str; 7] = ["fmt", "clippy", "check", "unit", "wasm", "server", "e2e"];

/// Runs one layer or all.
pub fn test(only: Option<&str>) -> Result {
    if let Some(only) = only
        && !LAYERS.contains(&only)
    {
        return Err(format!("no layer {only:?}; there are {}", LAYERS.join(", ")));
    }
    for layer in LAYERS.into_iter().filter(|l| only.is_none_or(|o| o == *l)) {
        say(&format!("test layer: {layer}"));
        match layer {
            "fmt" => run(&mut cargo(&["fmt", "--all", "--check"]))?,
            "clippy" => clippy()?,
            "check" => check::check()?,
            "unit" => run(&mut cargo(&["test", "--quiet", "-p", "claim-domain", "-p", "claim-api", "-p", "claim-photo", "-p", "xtask"]))?,
            "wasm" => wasm()?,
            "server" => run(&mut cargo(&["test", "--quiet", "-p", "claim-server"]))?,
            _ => run(&mut e2e_command(&[])?)?,
        }
    }
    Ok(())
}

fn clippy() -> Result {
    tools::for_building()?;
    run(&mut cargo(&["clippy", "--quiet", "--workspace", "--exclude", "baoan", "--all-targets", "--", "-D", "warnings"]))?;
    run(&mut cargo(&["clippy", "--quiet", "-p", "baoan", "--all-targets", "--target", "wasm32-unknown-unknown", "--", "-D", "warnings"]))
}

/// The parts that touch the browser, in a browser.
fn wasm() -> Result {
    tools::for_building()?;
    tools::for_browser_tests()?;
    for what in [["-p", "baoan", "--lib"], ["-p", "claim-domain", "--test=same_lists"]] {
        let mut command = cargo(&["test", "--target", "wasm32-unknown-unknown"]);
        command.args(what).env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", root().join("target/tools/bin/wasm-bindgen-test-runner"));
        run(command.env("CHROMEDRIVER", "/usr/bin/chromedriver").env("PATH", tools::path()))?;
    }
    Ok(())
}

/// Journeys in Chromium against the release build.
fn e2e_command(args: &[&str]) -> Result<Command> {
    tools::for_browser_tests()?;
    build::build()?;
    let python = tools::python(&["tuspy==1.1.0"])?;
    let mut command: Command = cargo(&["test", "--quiet", "-p", "baoan-tests", "--"]);
    command.args(["--test-threads=1"]).args(args).env("BAOAN_PYTHON", python);
    // Real photographs lie beside a developer's checkout sometimes; the tests make their own without them.
    let photos = root().join("../shared/photos");
    if photos.is_dir() && env::var_os("BAOAN_PHOTOS").is_none() {
        command.env("BAOAN_PHOTOS", photos);
    }
    Ok(command)
}

/// A table of docs/, measured anew.
pub fn bench(what: Option<&str>, folder: Option<&str>) -> Result {
    match what {
        Some("checks") => {
            run(&mut cargo(&["run", "--quiet", "-p", "claim-photo", "--example", "calibrate", "--", folder.unwrap_or("../shared/photos")]))
        }
        Some("photo") => {
            let mut command = e2e_command(&["bench_of_the_photo_engine", "--ignored", "--nocapture"])?;
            if let Some(folder) = folder {
                command.env("BAOAN_PHOTOS", std::path::absolute(folder).map_err(|e| e.to_string())?);
            }
            run(&mut command)
        }
        _ => Err("bench what? There is: checks [FOLDER], photo [FOLDER]".into()),
    }
}

/// The full counts of what `test` runs in short: schedules of the outbox, mutated pictures through the workers, changed
/// records of the store. Each prints how many it ran (docs/RELIABILITY.md).
pub fn faults() -> Result {
    say("a million schedules of the outbox");
    let mut schedules = cargo(&["test", "--release", "--quiet", "-p", "claim-api", "whatever_is_lost", "--", "--nocapture"]);
    run(schedules.env("BAOAN_SEEDS", "1000000"))?;
    say("five thousand mutated pictures through the workers");
    let mut mutations = e2e_command(&["mutated_pictures", "--nocapture"])?;
    run(mutations.env("BAOAN_MUTATIONS", "5000"))?;
    say("what the phone keeps");
    run(&mut e2e_command(&["storage::", "--nocapture"])?)
}

/// Pictures of the app for the README, made by a journey.
pub fn screenshots() -> Result {
    let folder = root().join("docs/screenshots");
    std::fs::create_dir_all(&folder).map_err(|e| format!("docs/screenshots cannot be made: {e}"))?;
    let mut command = e2e_command(&["screenshots", "--ignored"])?;
    run(command.env("BAOAN_SCREENSHOTS", folder))
}

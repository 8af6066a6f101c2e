//! The single entry point: `cargo xtask run | dev | build | test | check | coverage | bench |
//! faults | fuzz | screenshots | package | release`.
//!
//! Promise: a command installs what it needs, pinned, with progress shown; what cannot be installed
//! is said in one sentence. The second start takes seconds.

mod build;
mod check;
mod clean;
mod coverage;
mod fuzz;
mod house;
mod package;
mod release;
mod silence;
mod slim;
mod tests;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A sentence for the person at the terminal.
pub type Result<T = ()> = std::result::Result<T, String>;

const USAGE: &str = "cargo xtask COMMAND
  run [--addr 127.0.0.1:8080] [--data DIR]  build everything and start it with demo data
  dev                                       live reload on 127.0.0.1:8081, the API behind it
  build                                     leaves dist/ and target/release/claim-server
  brand FOLDER DIR                          the built app under another name: FOLDER has tokens.css and config.json
  gallery [--addr 127.0.0.1:8082]           every component in every state, at /gallery
  test [--only LAYER]                       all layers, or one of: fmt unit clippy server check api wasm e2e
  check [--graph]                           layering, byte budgets, words, licences, links; who imports whom
  coverage                                  docs/COVERAGE.md: which promise is held by which test
  bench checks [FOLDER]                     what the checks of files measure on the photographs of a folder
  bench photo [FOLDER]                      our photo engine against the field, in the same browser
  bench streams                             memory and delay of five thousand idle streams
  faults [PART]                             the full counts of the fault tests, into docs/RELIABILITY.md
  fuzz [--seconds 60]                       every parser, one after the other
  screenshots                               docs/screenshots from the running app
  package [--twice]                         what is installed, in target/package, and installed once
  release VERSION [--dry-run]               number, changelog, tag, and packed files with SHA-256";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("xtask: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result {
    env::set_current_dir(root())
        .map_err(|e| format!("the project folder cannot be entered: {e}"))?;
    let option = |name: &str| {
        args.iter()
            .position(|a| a == name)
            .and_then(|i| args.get(i + 1))
            .cloned()
    };
    match args.first().map(String::as_str) {
        Some("run") => build::run_all(
            &option("--addr").unwrap_or("127.0.0.1:8080".into()),
            &option("--data").unwrap_or("data".into()),
        ),
        Some("dev") => build::dev(),
        Some("build") => build::build(),
        Some("finish") => build::finish(),
        Some("brand") => match (args.get(1), args.get(2)) {
            (Some(folder), Some(to)) => build::brand(Path::new(folder), Path::new(to)),
            _ => Err("brand FOLDER DIR".into()),
        },
        Some("gallery") => {
            build::show_gallery(&option("--addr").unwrap_or("127.0.0.1:8082".into()))
        }
        Some("test") => tests::test(option("--only").as_deref()),
        Some("check") if args.iter().any(|a| a == "--graph") => house::graph(),
        Some("check") => check::check(),
        Some("coverage") => coverage::write(),
        Some("bench") => tests::bench(
            args.get(1).map(String::as_str),
            args.get(2).map(String::as_str),
        ),
        Some("fuzz") => {
            let seconds = option("--seconds").unwrap_or("60".into());
            fuzz::fuzz(
                seconds
                    .parse()
                    .map_err(|_| format!("--seconds: {seconds:?} is no number"))?,
            )
        }
        Some("faults") => tests::faults(args.get(1).map(String::as_str)),
        Some("release") => match args.get(1) {
            Some(version) => release::release(version, args.iter().any(|a| a == "--dry-run")),
            None => Err("release VERSION [--dry-run]".into()),
        },
        Some("package") if args.iter().any(|a| a == "--twice") => package::twice(),
        Some("package") => package::package(),
        Some("screenshots") => tests::screenshots(),
        _ => Err(format!("no such command\n{USAGE}")),
    }
}

/// The project's folder: the one above this package.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// Says what is going on.
pub fn say(text: &str) {
    eprintln!("\x1b[1;32m==>\x1b[0m {text}");
}

/// Runs a program and waits for it.
pub fn run(command: &mut Command) -> Result {
    let shown = format!("{command:?}").replace('"', "");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown} ended with {status}")),
        Err(e) => Err(format!("{shown} could not be started: {e}")),
    }
}

pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(args);
    command
}

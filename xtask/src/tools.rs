//! What the project needs on a machine, installed at fixed versions into target/tools and
//! node_modules.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, cargo, root, run, say};

const TRUNK: &str = "0.21.14";
const GECKODRIVER: &str = "0.37.1";

fn tools() -> PathBuf {
    root().join("target/tools")
}

/// PATH with our own tools first.
pub fn path() -> OsString {
    let ours = [tools().join("bin"), root().join("node_modules/.bin")];
    let others = env::var_os("PATH").unwrap_or_default();
    env::join_paths(ours.into_iter().chain(env::split_paths(&others))).unwrap_or(others)
}

fn answers(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(args)
        .env("PATH", path())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The version of a crate in Cargo.lock.
fn locked(name: &str) -> Result<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))
        .map_err(|e| format!("Cargo.lock cannot be read: {e}"))?;
    let entry = lock
        .split("[[package]]")
        .find(|p| p.contains(&format!("name = \"{name}\"\n")));
    let version = entry
        .and_then(|p| p.split("version = \"").nth(1))
        .and_then(|v| v.split('"').next());
    version
        .map(str::to_owned)
        .ok_or_else(|| format!("Cargo.lock names no {name}"))
}

/// The command, killed with everything it started after so many seconds: a hanging browser must not
/// hold up a whole run. Without coreutils' `timeout` there is no limit.
pub fn within(seconds: u32, command: &Command) -> Command {
    if answers("timeout", &["--version"]).is_none_or(|v| !v.contains("coreutils")) {
        return again(Command::new(command.get_program()), command);
    }
    let mut bounded = Command::new("timeout");
    bounded
        .args(["--kill-after=20", &seconds.to_string()])
        .arg(command.get_program());
    again(bounded, command)
}

/// With the arguments and the environment of another command.
fn again(mut fresh: Command, command: &Command) -> Command {
    fresh.args(command.get_args()).envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    fresh
}

/// Everything needed to build the app.
pub fn for_building() -> Result {
    rust_target("wasm32-unknown-unknown")?;
    // Little optimised: they run for seconds, and compiling them fast saves minutes on a new
    // machine.
    cargo_tool(
        "trunk",
        TRUNK,
        &["trunk"],
        &["--locked", "--no-default-features"],
    )?;
    cargo_tool(
        "wasm-bindgen-cli",
        &locked("wasm-bindgen")?,
        &["wasm-bindgen", "wasm-bindgen-test-runner"],
        &["--no-default-features"],
    )?;
    npm()
}

/// For a static server: the standard library for musl, and its C compiler (SQLite, ring).
pub fn for_static(target: &str) -> Result {
    rust_target(target)?;
    if answers("sh", &["-c", "command -v musl-gcc"]).is_none() {
        debian(&["musl-tools"])?;
    }
    Ok(())
}

/// cargo-cyclonedx.
pub fn for_bom() -> Result {
    cargo_tool(
        "cargo-cyclonedx",
        "0.5.9",
        &["cargo-cyclonedx"],
        &["--locked"],
    )
}

/// A clean Debian to install packages in.
pub fn debootstrap() -> Result {
    match answers("sh", &["-c", "command -v debootstrap"]) {
        Some(_) => Ok(()),
        None => debian(&["debootstrap"]),
    }
}

fn rust_target(target: &str) -> Result {
    let installed = answers("rustup", &["target", "list", "--installed"])
        .ok_or("rustup is not on this machine: install it from rustup.rs, then try again")?;
    if installed.contains(target) {
        return Ok(());
    }
    say(&format!("adding the target {target}"));
    run(Command::new("rustup").args(["target", "add", target])).map_err(|_| {
        format!("the target could not be added: run `rustup target add {target}` where the network is reachable")
    })
}

fn cargo_tool(package: &str, version: &str, programs: &[&str], extra: &[&str]) -> Result {
    let stamp = tools().join(format!("{package}-{version}"));
    if stamp.exists()
        && programs
            .iter()
            .all(|p| tools().join("bin").join(p).exists())
    {
        return Ok(());
    }
    // Made elsewhere already (a developer's machine, an image): its version decides.
    say(&format!(
        "installing {package} {version} into target/tools (a few minutes, once)"
    ));
    let mut command = cargo(&[
        "install",
        package,
        "--version",
        version,
        "--force",
        "--root",
    ]);
    command
        .arg(tools())
        .arg("--target-dir")
        .arg(tools().join("build"))
        .args(extra);
    for (name, value) in [
        ("OPT_LEVEL", "1"),
        ("LTO", "off"),
        ("CODEGEN_UNITS", "16"),
        ("DEBUG", "0"),
        ("PANIC", "unwind"),
    ] {
        command.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
    }
    run(&mut command).map_err(|_| {
        format!(
            "{package} {version} could not be installed: crates.io must be reachable, or put {} on the PATH of target/tools/bin",
            programs.join(" and ")
        )
    })?;
    fs::write(stamp, "").map_err(|e| format!("target/tools cannot be written: {e}"))
}

/// The packages of package-lock.json.
pub fn npm() -> Result {
    let lock = fs::read(root().join("package-lock.json"))
        .map_err(|e| format!("package-lock.json cannot be read: {e}"))?;
    let stamp = root().join("node_modules/.installed");
    if fs::read(&stamp).is_ok_and(|known| known == lock) {
        return Ok(());
    }
    answers("npm", &["--version"]).ok_or("npm is not on this machine: install Node.js 20 or newer (Debian: apt-get install nodejs npm)")?;
    say("installing the npm packages of package-lock.json");
    run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))
        .map_err(|_| "npm ci failed: the npm registry must be reachable".to_owned())?;
    fs::write(stamp, lock).map_err(|e| format!("node_modules cannot be written: {e}"))
}

/// A program of an npm package.
pub fn script(name: &str) -> Command {
    Command::new(root().join("node_modules/.bin").join(name))
}

/// cargo-fuzz.
pub fn for_fuzzing() -> Result {
    cargo_tool("cargo-fuzz", "0.13.2", &["cargo-fuzz"], &[])
}

/// Chromium, Firefox and WebKit with their drivers, a font with Chinese characters, and the JPEG
/// decoder in common use.
pub fn for_browser_tests() -> Result {
    cargo_tool("geckodriver", GECKODRIVER, &["geckodriver"], &["--locked"])?;
    let font = || {
        Path::new("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc").exists()
            || answers("fc-list", &[":lang=zh"]).is_some_and(|l| !l.trim().is_empty())
    };
    if answers("chromium", &["--version"]).is_some()
        && answers("chromedriver", &["--version"]).is_some()
        && answers("firefox-esr", &["--version"]).is_some()
        && font()
        && answers(
            "sh",
            &[
                "-c",
                "command -v djpeg && command -v Xvfb && command -v WebKitWebDriver",
            ],
        )
        .is_some()
    {
        return Ok(());
    }
    let browsers = [
        "chromium",
        "chromium-driver",
        "firefox-esr",
        "webkit2gtk-driver",
        "xvfb",
        "xauth",
    ];
    debian(
        &[
            &browsers[..],
            &["fonts-noto-cjk", "fontconfig", "libjpeg-turbo-progs"],
        ]
        .concat(),
    )
}

/// Prometheus and promtool, which read our metrics and check our alert rules.
pub fn prometheus() -> Result {
    let there = |program| answers(program, &["--version"]).is_some();
    if there("prometheus") && there("promtool") {
        return Ok(());
    }
    debian(&["prometheus"])
}

/// A virtual environment with the PyPI packages that tests use as foreign clients.
pub fn python(packages: &[&str]) -> Result<PathBuf> {
    let home = tools().join("python");
    let python = home.join("bin/python");
    let stamp = home.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|known| known == packages.join(" ")) {
        return Ok(python);
    }
    say(&format!("installing {} from PyPI", packages.join(", ")));
    if run(Command::new("python3").args(["-m", "venv"]).arg(&home)).is_err() {
        debian(&["python3", "python3-venv"])?;
        run(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    }
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args(packages))
    .map_err(|_| "pip failed: PyPI must be reachable".to_owned())?;
    fs::write(stamp, packages.join(" "))
        .map_err(|e| format!("target/tools cannot be written: {e}"))?;
    Ok(python)
}

fn debian(packages: &[&str]) -> Result {
    let by_hand = format!(
        "these Debian packages are needed: apt-get install {}",
        packages.join(" ")
    );
    let root = answers("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    if !root || answers("apt-get", &["--version"]).is_none() {
        return Err(by_hand);
    }
    say(&format!("installing {}", packages.join(", ")));
    let apt = |args: &[&str]| {
        run(Command::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null()))
    };
    apt(&["update", "-qq"])
        .and_then(|()| {
            apt(&[
                &["install", "-y", "-qq", "--no-install-recommends"],
                packages,
            ]
            .concat())
        })
        .map_err(|_| by_hand)
}

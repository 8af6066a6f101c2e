//! A clean Debian, in which the package is installed and the commands of docs/OPERATIONS.md are typed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::package::{Started, told};
use crate::release::read;
use crate::{Result, root, run, say, tools};

/// What an operator writes into the settings, and what a test has to have: a certificate, which
/// somebody else issues otherwise.
const EDITED: &str = "cd /etc/baoan && sed -i \
 -e 's|^#addr = .*|addr = \"127.0.0.1:443\"|' \
 -e 's|^#key = |key = |' -e 's|^#tls_cert = |tls_cert = |' -e 's|^#tls_key = |tls_key = |' \
 -e 's|^#address = |address = |' baoan.toml";
const CERTIFICATE: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=claims.example.com \
 -addext subjectAltName=DNS:claims.example.com -keyout /etc/baoan/privkey.pem -out /etc/baoan/fullchain.pem 2>/dev/null \
 && chown baoan /etc/baoan/privkey.pem \
 && cp /etc/baoan/fullchain.pem /usr/local/share/ca-certificates/test.crt && update-ca-certificates >/dev/null 2>&1";

/// Installs the package on a clean Debian and types the first block of commands of
/// docs/OPERATIONS.md, from the installation to the server's answer over TLS.
///
/// # Errors
/// The command that failed.
pub fn installs(deb: &Path) -> Result {
    if !fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
        say("not tried on a clean Debian: that needs root");
        return Ok(());
    }
    let place = debian()?;
    let name = deb.file_name().unwrap_or_default();
    fs::copy(deb, place.join("srv").join(name)).map_err(told(deb))?;
    let policies = root().join("examples/policies/demo.csv");
    fs::copy(&policies, place.join("srv/policies.csv")).map_err(told(&policies))?;
    let mut server = None;
    let mut typed = 0;
    for line in commands()? {
        let line = line.as_str();
        if line.starts_with("cargo xtask package") {
            continue;
        }
        say(&format!("clean Debian: {line}"));
        typed += 1;
        if line.starts_with("$EDITOR ") {
            inside(&place, EDITED, None)?;
            inside(&place, CERTIFICATE, None)?;
        } else if line == "systemctl enable --now baoan" {
            server = Some(started(&place)?);
        } else if line.contains(" add-staff ") {
            inside(&place, line, Some("a password that is long enough\n"))?;
        } else {
            let file = format!("./{}", name.to_string_lossy());
            let line = match line.strip_prefix("apt-get install ") {
                Some(_) => format!("apt-get install -y --no-install-recommends {file}"),
                None => line.to_owned(),
            };
            inside(&place, &line, None)?;
        }
    }
    if typed < 9 || server.is_none() {
        return Err(format!(
            "docs/OPERATIONS.md has only {typed} commands from nothing to running"
        ));
    }
    // While it runs, it gets another key.
    let key = "runuser -u baoan -- claim-server --config /etc/baoan/baoan.toml rotate-key";
    say(&format!("clean Debian: {key}"));
    inside(&place, key, None)?;
    inside(&place, "curl -sSf https://claims.example.com/readyz", None)?;
    drop(server);
    // Removing the package leaves the data.
    inside(
        &place,
        "dpkg --purge baoan >/dev/null && test -f /var/lib/baoan/claims.sqlite",
        None,
    )?;
    fs::remove_dir_all(&place).map_err(told(&place))
}

/// The first block of commands, without their comments.
fn commands() -> Result<Vec<String>> {
    let text = read("docs/OPERATIONS.md")?;
    let block = text
        .split("```sh\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let block = block.ok_or("docs/OPERATIONS.md has no commands")?;
    let bare = |line: &str| line.split("  #").next().unwrap_or(line).trim().to_owned();
    Ok(block
        .lines()
        .map(bare)
        .filter(|line| !line.is_empty())
        .collect())
}

/// A fresh Debian; what debootstrap made is kept.
fn debian() -> Result<PathBuf> {
    tools::debootstrap()?;
    let place = root().join("target/clean-debian");
    let _ = fs::remove_dir_all(&place);
    let kept = root().join("target/tools/debian-bookworm.tar");
    if !kept.is_file() {
        say("making a clean Debian (a minute, once)");
        run(Command::new("debootstrap")
            .args([
                "--variant=minbase",
                "--include=ca-certificates,curl",
                "bookworm",
            ])
            .arg(&place)
            .stdout(Stdio::null()))?;
        run(Command::new("tar")
            .arg("-cf")
            .arg(&kept)
            .arg("-C")
            .arg(&place)
            .arg("."))?;
    } else {
        fs::create_dir_all(&place).map_err(told(&place))?;
        run(Command::new("tar")
            .arg("-xf")
            .arg(&kept)
            .arg("-C")
            .arg(&place))?;
    }
    let hosts = place.join("etc/hosts");
    fs::write(&hosts, "127.0.0.1 localhost claims.example.com\n").map_err(told(&hosts))?;
    for file in ["etc/resolv.conf", "etc/apt/sources.list.d/debian.sources"] {
        let _ = fs::copy(Path::new("/").join(file), place.join(file));
    }
    inside(&place, "apt-get update >/dev/null 2>&1", None)?;
    Ok(place)
}

fn chroot(place: &Path, script: &str) -> Command {
    let mut command = Command::new("chroot");
    command
        .arg(place)
        .args(["sh", "-ec", script])
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("HOME", "/root")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn inside(place: &Path, script: &str, input: Option<&str>) -> Result {
    let script = match input {
        Some(text) => format!("cd /srv; printf '%s' '{text}' | {script}"),
        None => format!("cd /srv; {script}"),
    };
    let output = chroot(place, &script)
        .output()
        .map_err(|e| format!("chroot: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!(
        "on a clean Debian: {script}\n{}{}",
        said(&output.stdout),
        said(&output.stderr)
    ))
}

/// Starts what the installed unit says, as whom it says, with the capability that it says: there is
/// no systemd here.
fn started(place: &Path) -> Result<Started> {
    let unit = place.join("lib/systemd/system/baoan.service");
    let text = fs::read_to_string(&unit).map_err(told(&unit))?;
    let set = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.ok_or_else(|| format!("the unit has no {name}"))
    };
    let (user, start) = (set("User")?, set("ExecStart")?);
    let may = set("AmbientCapabilities")?
        .to_ascii_lowercase()
        .replace("cap_", "+");
    inside(place, set("ExecStartPre")?, None)?;
    let script = format!(
        "install -d -o {user} -m 700 /var/lib/baoan /var/log/baoan; umask 077; \
         exec setpriv --reuid {user} --regid {user} --clear-groups --inh-caps {may} --ambient-caps {may} {start}"
    );
    let child = chroot(place, &script).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| format!("chroot: {e}"))?;
    let out = child.stdout.take().ok_or("no output")?;
    let started = Started(child);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line)
        .map_err(|e| e.to_string())?;
    match line.starts_with("listening on https://") {
        true => Ok(started),
        false => Err(format!("the installed server does not start: {line:?}")),
    }
}

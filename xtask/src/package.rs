//! A Debian package: server, app, unit, settings. The same bytes whoever packs them and whenever.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::release::{read, sha256, version_of};
use crate::{Result, build, root, run, say};

const SYSUSERS: &str = "u baoan - \"Baoan claims server\" /var/lib/baoan\n";

const POSTINST: &str = "#!/bin/sh
set -e
if [ \"$1\" = configure ]; then
  systemd-sysusers /usr/lib/sysusers.d/baoan.conf
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # An update goes on where the former version stopped; a first installation is started by hand.
    systemctl try-restart baoan.service
  fi
fi
";

const PRERM: &str = "#!/bin/sh
set -e
if [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then
  systemctl stop baoan.service
fi
";

/// Builds the package into `target/package`, packs it twice, and starts what is in it.
///
/// # Errors
/// What cannot be built, or does not start.
pub fn package() -> Result {
    build::build()?;
    let to = root().join("target/package");
    let _ = fs::remove_dir_all(&to);
    let tree = to.join("tree");
    let manifest = read("Cargo.toml")?;
    let version = version_of(&manifest)?;
    laid_out(&tree, version)?;
    let name = format!("baoan_{version}_{}.deb", architecture()?);
    let (one, two) = (to.join(&name), to.join("again.deb"));
    packed(&tree, &one)?;
    packed(&tree, &two)?;
    let (first, second) = (sha256(&one)?, sha256(&two)?);
    if first != second {
        return Err("packing twice gives two different packages".into());
    }
    let _ = fs::remove_file(two);
    starts(&one, &to.join("root"))?;
    fs::write(to.join("SHA256SUMS"), format!("{first}  {name}\n")).map_err(told(&to))?;
    say(&format!("{}: {first}", one.display()));
    Ok(())
}

fn told(path: &Path) -> impl Fn(std::io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}

fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => Err(format!("there is no package for {other}")),
    }
}

fn put(path: PathBuf, bytes: impl AsRef<[u8]>, mode: u32) -> Result {
    let folder = path.parent().ok_or("no folder")?;
    fs::create_dir_all(folder).map_err(told(folder))?;
    fs::write(&path, bytes).map_err(told(&path))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).map_err(told(&path))
}

fn laid_out(tree: &Path, version: &str) -> Result {
    let source = |name: &str| fs::read(root().join(name)).map_err(told(&root().join(name)));
    put(
        tree.join("usr/bin/claim-server"),
        source("target/release/claim-server")?,
        0o755,
    )?;
    copied(&root().join("dist"), &tree.join("usr/share/baoan/app"))?;
    let unit = source("deploy/systemd/baoan.service")?;
    put(tree.join("lib/systemd/system/baoan.service"), unit, 0o644)?;
    put(tree.join("usr/lib/sysusers.d/baoan.conf"), SYSUSERS, 0o644)?;
    let settings = read("deploy/baoan.toml")?
        .replace("#data = \"data\"", "data = \"/var/lib/baoan\"")
        .replace("#dist = \"dist\"", "dist = \"/usr/share/baoan/app\"")
        .replace("#audit = ", "audit = ")
        .replace("#anchors = ", "anchors = ");
    put(tree.join("etc/baoan/baoan.toml"), settings, 0o644)?;
    for name in [
        "docs/OPERATIONS.md",
        "docs/INTEGRATION.md",
        "docs/POLICIES.md",
        "docs/SECURITY.md",
        "deploy/prometheus/alerts.yml",
        "deploy/prometheus/prometheus.yml",
        "deploy/grafana/baoan.json",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
    ] {
        let file = name.rsplit('/').next().unwrap_or(name);
        put(
            tree.join("usr/share/doc/baoan").join(file),
            source(name)?,
            0o644,
        )?;
    }
    let control = format!(
        "Package: baoan\nVersion: {version}\nArchitecture: {}\nMaintainer: Baoan <baoan@example.invalid>\nDepends: libc6, libgcc-s1, ca-certificates, systemd | systemd-standalone-sysusers\nSection: web\nPriority: optional\nDescription: claims server with the app 报案\n Report an insurance loss in under a minute, and follow the claim to the money.\n",
        architecture()?
    );
    put(tree.join("DEBIAN/control"), control, 0o644)?;
    put(
        tree.join("DEBIAN/conffiles"),
        "/etc/baoan/baoan.toml\n",
        0o644,
    )?;
    put(tree.join("DEBIAN/postinst"), POSTINST, 0o755)?;
    put(tree.join("DEBIAN/prerm"), PRERM, 0o755)
}

fn copied(from: &Path, to: &Path) -> Result {
    for entry in fs::read_dir(from).map_err(told(from))? {
        let entry = entry.map_err(told(from))?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            copied(&path, &to.join(name))?;
        } else if !name.to_string_lossy().starts_with('.') {
            put(to.join(name), fs::read(&path).map_err(told(&path))?, 0o644)?;
        }
    }
    Ok(())
}

fn packed(tree: &Path, deb: &Path) -> Result {
    // The time of the last commit, so that the same source gives the same package.
    let time = Command::new("git")
        .args(["log", "-1", "--format=%ct"])
        .output()
        .map_err(|e| format!("git: {e}"))?;
    let time = String::from_utf8_lossy(&time.stdout).trim().to_owned();
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .args([tree, deb])
        .env("SOURCE_DATE_EPOCH", time)
        .stdout(Stdio::null()))
}

/// Ends with the check.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Unpacks the package, and runs the server that is in it with the settings that are in it.
fn starts(deb: &Path, place: &Path) -> Result {
    run(Command::new("dpkg-deb").arg("--extract").args([deb, place]))?;
    let program = place.join("usr/bin/claim-server");
    let settings = place.join("etc/baoan/baoan.toml");
    let server = || {
        let mut command = Command::new(&program);
        command.arg("--config").arg(&settings);
        // The folders of the machine are those of the unpacked package.
        for (name, path) in [
            ("BAOAN_DATA", "var/lib/baoan"),
            ("BAOAN_DIST", "usr/share/baoan/app"),
            ("BAOAN_AUDIT", "var/log/audit.log"),
            ("BAOAN_ANCHORS", "var/log/anchors"),
        ] {
            command.env(name, place.join(path));
        }
        command
    };
    run(server().args(["config", "check"]).stdout(Stdio::null()))?;
    fs::create_dir_all(place.join("var/log")).map_err(told(place))?;
    let mut child = server()
        .args(["--addr", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(told(&program))?;
    let out = child.stdout.take().ok_or("no output")?;
    let _started = Started(child);
    let mut line = String::new();
    BufReader::new(out)
        .read_line(&mut line)
        .map_err(told(&program))?;
    let address = line
        .trim()
        .strip_prefix("listening on http://")
        .ok_or_else(|| format!("the packaged server does not start: {line:?}"))?;
    for (path, wanted) in [("/readyz", "ready"), ("/", "id=\"start\"")] {
        let mut socket = TcpStream::connect(address).map_err(told(&program))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        let mut answer = String::new();
        socket
            .write_all(request.as_bytes())
            .and_then(|()| socket.read_to_string(&mut answer))
            .map_err(told(&program))?;
        if !answer.starts_with("HTTP/1.1 200") || !answer.contains(wanted) {
            return Err(format!(
                "the packaged server answers {path} with {answer:.200}"
            ));
        }
    }
    Ok(())
}

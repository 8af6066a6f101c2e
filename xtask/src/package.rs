//! What an insurer installs, in `target/package`: one program with the app in it that needs no library
//! of the machine; a Debian package; an image for containers; what they are made of (CycloneDX).
//!
//! Promise: the same source gives the same bytes whoever packs it, where and when
//! (`cargo xtask package --twice` shows it); and it was started, and the Debian package installed on a
//! clean Debian by the commands of docs/OPERATIONS.md, before this says that it is done.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::release::{read, sha256, version_of};
use crate::{Result, build, cargo, clean, root, run, say, tools};

const SYSUSERS: &str = "u baoan - \"Baoan claims server\" /var/lib/baoan\n";

const POSTINST: &str = "#!/bin/sh
set -e
if [ \"$1\" = configure ]; then
  systemd-sysusers /usr/lib/sysusers.d/baoan.conf
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # A restart brings the data up to date, for good: the operator tries that first.
    if [ -n \"$2\" ]; then
      echo 'baoan: the former version is still running. Next: claim-server backup, claim-server migrate --check, systemctl restart baoan'
    fi
  fi
fi
";

const PRERM: &str = "#!/bin/sh
set -e
if [ \"$1\" = remove ] && [ -d /run/systemd/system ]; then
  systemctl stop baoan.service
fi
";

/// Everything into `target/package`.
///
/// # Errors
/// What cannot be built, or does not start.
pub fn package() -> Result {
    tools::for_building()?;
    build::app()?;
    let server = build::static_server()?;
    let to = root().join("target/package");
    let _ = fs::remove_dir_all(&to);
    let manifest = read("Cargo.toml")?;
    let version = version_of(&manifest)?;
    let name = format!("baoan_{version}_{}", architecture()?);
    let program = to.join(&name);
    put(program.clone(), with_app(&server)?, 0o755)?;
    starts(&program)?;
    let tree = to.join("tree");
    laid_out(&tree, &server, version)?;
    let (one, two) = (to.join(format!("{name}.deb")), to.join("again.deb"));
    packed(&tree, &one)?;
    packed(&tree, &two)?;
    if sha256(&one)? != sha256(&two)? {
        return Err("packing twice gives two different packages".into());
    }
    fs::remove_file(&two).map_err(told(&two))?;
    fs::remove_dir_all(&tree).map_err(told(&tree))?;
    let mut made = vec![program.clone(), one.clone()];
    made.extend(materials(&to)?);
    image(&program, &to)?;
    clean::installs(&one)?;
    let mut sums = String::new();
    for file in &made {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        sums += &format!("{}  {name}\n", sha256(file)?);
    }
    put(to.join("SHA256SUMS"), &sums, 0o644)?;
    say(&format!("{}:\n{sums}", to.display()));
    Ok(())
}

/// Packs what is committed once more, in another folder and from nothing, and compares.
///
/// # Errors
/// A file that is not the same.
pub fn twice() -> Result {
    package()?;
    let elsewhere = std::env::temp_dir().join(format!("baoan-again-{}", std::process::id()));
    let status = Command::new("sh")
        .args(["-ec", "mkdir -p $0/target && git archive HEAD | tar -x -C $0 && ln -s $PWD/target/tools $0/target/tools && cd $0 && cargo xtask package"])
        .arg(&elsewhere)
        .env("SOURCE_DATE_EPOCH", time_of_commit()?)
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .map_err(|e| format!("sh: {e}"))?;
    let sums = |folder: &Path| fs::read_to_string(folder.join("target/package/SHA256SUMS"));
    let (here, there) = (sums(&root()), sums(&elsewhere));
    let _ = fs::remove_dir_all(&elsewhere);
    match (status.success(), here, there) {
        (true, Ok(here), Ok(there)) if here == there => {
            say("packed twice, in two folders: the same bytes");
            Ok(())
        }
        (_, here, there) => Err(format!("packed twice: {here:?} and {there:?}")),
    }
}

/// The time of the last commit: the only one that packed files know.
fn time_of_commit() -> Result<String> {
    if let Ok(time) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(time);
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]);
    let time = git.output().map_err(|e| format!("git: {e}"))?;
    Ok(String::from_utf8_lossy(&time.stdout).trim().to_owned())
}

/// The server with the app behind it, as a ZIP archive (`claim-server::store::assets` reads it).
fn with_app(server: &Path) -> Result<Vec<u8>> {
    let mut program = fs::read(server).map_err(told(server))?;
    let dist = root().join("dist");
    let failed = |e: zip::result::ZipError| format!("the app cannot be packed: {e}");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let as_it_is = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    let mut files = Vec::new();
    listed(&dist, &dist, &mut files)?;
    files.sort();
    for name in files {
        let bytes = fs::read(dist.join(&name)).map_err(told(&dist))?;
        archive.start_file(name, as_it_is).map_err(failed)?;
        archive.write_all(&bytes).map_err(told(&dist))?;
    }
    program.extend(archive.finish().map_err(failed)?.into_inner());
    Ok(program)
}

/// Files below a folder that belong to the app, by name.
fn listed(top: &Path, folder: &Path, files: &mut Vec<String>) -> Result {
    for entry in fs::read_dir(folder).map_err(told(folder))? {
        let path = entry.map_err(told(folder))?.path();
        let name = path.strip_prefix(top).unwrap_or(&path);
        if path.is_dir() {
            listed(top, &path, files)?;
        } else if !path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'))
        {
            files.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// The lists of materials of server and app (CycloneDX 1.5, JSON).
fn materials(to: &Path) -> Result<Vec<PathBuf>> {
    tools::for_bom()?;
    let mut made = Vec::new();
    let host = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    for (folder, package, target) in [
        ("crates/claim-server", "claim-server", host.as_str()),
        (".", "baoan", "wasm32-unknown-unknown"),
    ] {
        let manifest = root().join(folder).join("Cargo.toml");
        let mut command = cargo(&["cyclonedx", "--quiet", "--format", "json"]);
        command
            .args(["--spec-version", "1.5", "--describe", "crate"])
            .args(["--target", target, "--no-build-deps", "--manifest-path"])
            .arg(&manifest)
            .env("SOURCE_DATE_EPOCH", time_of_commit()?)
            .env("PATH", tools::path());
        run(&mut command)?;
        let name = format!("{package}.cdx.json");
        let written = root().join(folder).join(&name);
        let text = fs::read_to_string(&written).map_err(told(&written))?;
        // It writes one beside every manifest of the workspace.
        remove_named(&root(), ".cdx.json")?;
        let text = text.replace(&root().display().to_string(), "/baoan");
        let file = to.join(name);
        put(file.clone(), text, 0o644)?;
        made.push(file);
    }
    Ok(made)
}

/// Removes files of the source tree whose names end like this.
fn remove_named(folder: &Path, end: &str) -> Result {
    for entry in fs::read_dir(folder).map_err(told(folder))? {
        let path = entry.map_err(told(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            if !matches!(&*name, "target" | "node_modules" | "dist" | ".git") {
                remove_named(&path, end)?;
            }
        } else if name.ends_with(end) {
            fs::remove_file(&path).map_err(told(&path))?;
        }
    }
    Ok(())
}

/// An image by deploy/Containerfile, where buildah is.
fn image(program: &Path, to: &Path) -> Result {
    let there = Command::new("buildah").arg("--version").output();
    if !there.is_ok_and(|o| o.status.success()) {
        say("no image: buildah is not on this machine (Debian: apt-get install buildah)");
        return Ok(());
    }
    let context = to.join("image");
    let bytes = fs::read(program).map_err(told(program))?;
    put(context.join("claim-server"), bytes, 0o755)?;
    put(context.join("data/.keep"), "", 0o600)?;
    let bundle = Path::new("/etc/ssl/certs/ca-certificates.crt");
    let bytes = fs::read(bundle).map_err(told(bundle))?;
    put(context.join("ca-certificates.crt"), bytes, 0o644)?;
    let archive = format!("oci-archive:{}.oci.tar", program.display());
    let mut command = Command::new("buildah");
    command
        .args([
            "build",
            "--isolation",
            "chroot",
            "--timestamp",
            &time_of_commit()?,
            "--tag",
        ])
        .arg(&archive)
        .arg("--file")
        .arg(root().join("deploy/Containerfile"))
        .arg(&context)
        .stdout(Stdio::null());
    run(&mut command)?;
    // What is in it runs, on nothing else than what is in it, and may write where its data are.
    let tried = "c=$(buildah from --isolation chroot $0 | tail -1); i=$(buildah inspect --format '{{.FromImageID}}' $c); buildah run --isolation chroot $c -- /claim-server hooks list; buildah rm $c; buildah rmi $i";
    run(Command::new("sh")
        .args(["-ec", tried, &archive])
        .stdout(Stdio::null())
        .stderr(Stdio::null()))?;
    fs::remove_dir_all(&context).map_err(told(&context))
}

pub fn told(path: &Path) -> impl Fn(std::io::Error) -> String {
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

fn laid_out(tree: &Path, server: &Path, version: &str) -> Result {
    let source = |name: &str| fs::read(root().join(name)).map_err(told(&root().join(name)));
    put(
        tree.join("usr/bin/claim-server"),
        fs::read(server).map_err(told(server))?,
        0o755,
    )?;
    copied(&root().join("dist"), &tree.join("usr/share/baoan/app"))?;
    for unit in [
        "baoan.service",
        "baoan-retention.service",
        "baoan-retention.timer",
    ] {
        let text = source(&format!("deploy/systemd/{unit}"))?;
        put(tree.join("lib/systemd/system").join(unit), text, 0o644)?;
    }
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
        "Package: baoan\nVersion: {version}\nArchitecture: {}\nMaintainer: Baoan <baoan@example.invalid>\nDepends: ca-certificates, systemd | systemd-standalone-sysusers\nSection: web\nPriority: optional\nDescription: claims server with the app 报案\n Report an insurance loss in under a minute, and follow the claim to the money.\n",
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
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Zxz", "--build"])
        .args([tree, deb])
        .env("SOURCE_DATE_EPOCH", time_of_commit()?)
        .stdout(Stdio::null()))
}

/// Ends with the check.
pub struct Started(pub Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the program on an empty folder: it answers, and has the app.
fn starts(program: &Path) -> Result {
    let data = program.with_extension("data");
    let mut child = Command::new(program)
        .args(["--addr", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(told(program))?;
    let out = child.stdout.take().ok_or("no output")?;
    let started = Started(child);
    let mut line = String::new();
    BufReader::new(out)
        .read_line(&mut line)
        .map_err(told(program))?;
    let address = line
        .trim()
        .strip_prefix("listening on http://")
        .ok_or_else(|| format!("the program does not start: {line:?}"))?;
    for (path, wanted) in [("/readyz", "ready"), ("/", "id=\"start\"")] {
        let mut socket = TcpStream::connect(address).map_err(told(program))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        let mut answer = String::new();
        socket
            .write_all(request.as_bytes())
            .and_then(|()| socket.read_to_string(&mut answer))
            .map_err(told(program))?;
        if !answer.starts_with("HTTP/1.1 200") || !answer.contains(wanted) {
            return Err(format!("the program answers {path} with {answer:.200}"));
        }
    }
    drop(started);
    fs::remove_dir_all(&data).map_err(told(&data))
}

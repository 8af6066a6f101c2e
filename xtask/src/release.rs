//! A release: version, changelog, tag, and the published files with their SHA-256.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use claim_domain::{Moment, local_day};
use sha2::{Digest, Sha256};

use crate::{Result, build, cargo, root, run, say};

/// # Errors
/// A dirty tree, a version that is invalid or not greater, a changelog without anything new.
pub fn release(version: &str, dry_run: bool) -> Result {
    let manifest = read("Cargo.toml")?;
    let current = version_of(&manifest)?;
    if numbers(version)? < numbers(current)? {
        return Err(format!("{version} is not after {current}"));
    }
    let changes = read("CHANGELOG.md")?;
    let dated = dated(&changes, version, &today())?;
    if !dry_run {
        let status = Command::new("git")
            .args(["status", "--porcelain"])
            .output()
            .map_err(|e| format!("git: {e}"))?;
        if !status.stdout.is_empty() {
            return Err("the tree is not clean: commit first".into());
        }
        write(
            "Cargo.toml",
            &manifest.replacen(
                &format!("\nversion = \"{current}\""),
                &format!("\nversion = \"{version}\""),
                1,
            ),
        )?;
        write("CHANGELOG.md", &dated)?;
        // The lock file says the number as well.
        run(&mut cargo(&["update", "--workspace", "--offline"]))?;
    }
    build::build()?;
    pack(version)?;
    if dry_run {
        return Ok(());
    }
    run(Command::new("git").args([
        "commit",
        "--quiet",
        "--all",
        "--message",
        &format!("release {version}"),
    ]))?;
    run(Command::new("git").args([
        "tag",
        "--annotate",
        &format!("v{version}"),
        "--message",
        &format!("Baoan {version}"),
    ]))?;
    say(&format!(
        "tagged v{version}; push it with `git push --follow-tags`"
    ));
    Ok(())
}

/// The version that Cargo.toml names.
pub fn version_of(manifest: &str) -> Result<&str> {
    let rest = manifest.split("\nversion = \"").nth(1);
    rest.and_then(|rest| rest.split('"').next())
        .ok_or_else(|| "Cargo.toml has no version".into())
}

/// Of a file, in hex.
pub fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let hex = |byte: &u8| format!("{byte:02x}");
    Ok(Sha256::digest(bytes).iter().map(hex).collect())
}

fn numbers(version: &str) -> Result<Vec<u32>> {
    let parts: Vec<u32> = version
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect();
    if parts.len() == 3 && version.split('.').count() == 3 {
        Ok(parts)
    } else {
        Err(format!("{version:?} is no version like 1.2.3"))
    }
}

fn today() -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    local_day(Moment(i64::try_from(now).unwrap_or_default())).to_string()
}

/// The changelog with its newest part dated.
fn dated(changes: &str, version: &str, day: &str) -> Result<String> {
    let heading = changes
        .lines()
        .find(|line| line.starts_with("## "))
        .unwrap_or_default();
    if !heading.ends_with("(unreleased)") {
        return Err(format!(
            "CHANGELOG.md begins with {heading:?}: nothing is unreleased"
        ));
    }
    Ok(changes.replacen(heading, &format!("## {version} ({day})"), 1))
}

/// App and server, packed reproducibly, whoever packs them and whenever.
fn pack(version: &str) -> Result {
    let to = root().join("target/release-files");
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(&to).map_err(|e| format!("{}: {e}", to.display()))?;
    let mut sums = String::new();
    for (name, folder, what) in [
        ("app", ".", "dist"),
        ("server", "target/release", "claim-server"),
    ] {
        let file = format!("baoan-{name}-{version}.tar.gz");
        run(Command::new("tar")
            .args([
                "--sort=name",
                "--mtime=@0",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--create",
                "--gzip",
            ])
            .args([
                "--file",
                &to.join(&file).to_string_lossy(),
                "--directory",
                &root().join(folder).to_string_lossy(),
                what,
            ]))?;
        let sum = sha256(&to.join(&file))?;
        sums.push_str(&format!("{sum}  {file}\n"));
    }
    fs::write(to.join("SHA256SUMS"), &sums).map_err(|e| format!("SHA256SUMS: {e}"))?;
    say(&format!("{}:\n{sums}", to.display()));
    Ok(())
}

pub fn read(path: &str) -> Result<String> {
    fs::read_to_string(root().join(path)).map_err(|e| format!("{path} cannot be read: {e}"))
}

fn write(path: impl AsRef<Path>, text: &str) -> Result {
    let path = root().join(path);
    fs::write(&path, text).map_err(|e| format!("{} cannot be written: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_part_of_the_changelog_gets_number_and_day() {
        let changes = "# Changelog\n\n## 0.2.0 (unreleased)\n\n- new\n\n## 0.1.0 (2026-11-01)\n";
        let expected = "# Changelog\n\n## 0.2.1 (2026-12-01)\n\n- new\n\n## 0.1.0 (2026-11-01)\n";
        assert_eq!(dated(changes, "0.2.1", "2026-12-01").unwrap(), expected);
        assert!(
            dated(expected, "0.3.0", "2026-12-02").is_err(),
            "nothing is new"
        );
        for wrong in ["1", "1.2", "1.2.x", "v1.2.3", "1.2.3.4", ""] {
            assert!(numbers(wrong).is_err(), "{wrong}");
        }
        assert!(numbers("0.10.0").unwrap() > numbers("0.9.9").unwrap());
    }
}

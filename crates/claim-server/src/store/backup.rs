//! A copy of everything that is kept, made while the server runs, and its way back.
//!
//! Promise: a backup is one moment of the database with every file that it names, sealed as they
//! are; the installation key is not in it. What it holds is listed with SHA-256 (`SHA256SUMS`, which
//! `sha256sum -c` reads, too), and nothing is restored that differs from the list. Into the same
//! folder again only new files are copied.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::Store;
use crate::vault::hex;

const LIST: &str = "SHA256SUMS";
const DATABASE: &str = "claims.sqlite";

/// What a backup holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Made {
    pub files: u64,
    /// Of these, copied this time.
    pub fresh: u64,
    pub bytes: u64,
}

fn told(what: &Path) -> impl Fn(io::Error) -> String {
    let what = what.display().to_string();
    move |error| format!("{what}: {error}")
}

/// Copies a file and makes it durable; returns its length and SHA-256.
fn copied(from: &Path, to: &Path) -> io::Result<(u64, String)> {
    let beside = to.with_extension("part");
    let (mut source, mut target) = (File::open(from)?, File::create(&beside)?);
    let (mut hash, mut length, mut chunk) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let n = source.read(&mut chunk)?;
        if n == 0 {
            break;
        }
        target.write_all(&chunk[..n])?;
        hash.update(&chunk[..n]);
        length += n as u64;
    }
    target.sync_all()?;
    fs::rename(beside, to)?;
    Ok((length, hex(&hash.finalize())))
}

fn listed(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let text = match fs::read_to_string(folder.join(LIST)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let line = |line: &str| {
        let (sum, name) = line.split_once("  ")?;
        Some((name.to_owned(), sum.to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// Makes a backup in `folder`, or brings one up to date. `logs`: further files that only grow.
///
/// # Errors
/// A sentence for the command line.
pub async fn make(
    store: &Store,
    data: &Path,
    logs: &[PathBuf],
    folder: &Path,
) -> std::result::Result<Made, String> {
    super::disk::folder(folder).map_err(told(folder))?;
    super::disk::folder(&folder.join("uploads")).map_err(told(folder))?;
    super::disk::keep_private(folder).map_err(told(folder))?;
    let before = listed(folder).map_err(told(folder))?;
    let (mut sums, mut made) = (BTreeMap::new(), Made::default());
    let mut keep = |from: &Path, name: String, sums: &mut BTreeMap<String, String>| {
        let (length, sum) = copied(from, &folder.join(&name)).map_err(told(from))?;
        made.fresh += 1;
        made.bytes += length;
        sums.insert(name, sum);
        Ok::<(), String>(())
    };
    // Before the database: an anchor may not be ahead of it.
    for log in logs.iter().filter(|log| log.is_file()) {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        keep(log, name.into_owned(), &mut sums)?;
    }
    let snapshot = folder.join("claims.sqlite.new");
    match fs::remove_file(&snapshot) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(told(&snapshot)(error));
        }
        _ => {}
    }
    store.copy_to(&snapshot).await?;
    let options = SqliteConnectOptions::new()
        .filename(&snapshot)
        .read_only(true)
        .immutable(true);
    let uploads: Vec<(String, bool)> = async {
        let mut copy = options.connect().await?;
        sqlx::query_as("SELECT id, claim_id IS NOT NULL FROM upload ORDER BY id")
            .fetch_all(&mut copy)
            .await
    }
    .await
    .map_err(|e: sqlx::Error| format!("the copy of the database cannot be read: {e}"))?;
    for (id, linked) in uploads {
        let (name, from) = (format!("uploads/{id}"), data.join("uploads").join(&id));
        // What belongs to a claim never changes.
        match before.get(&name) {
            Some(sum) if linked && folder.join(&name).is_file() => {
                sums.insert(name, sum.clone());
            }
            // Begun and given up meanwhile: of no claim.
            _ if !linked && !from.is_file() => {}
            _ => keep(&from, name, &mut sums)?,
        }
    }
    keep(&snapshot, DATABASE.to_owned(), &mut sums)?;
    fs::remove_file(&snapshot).map_err(told(&snapshot))?;
    made.files = sums.len() as u64;
    let text: String = sums
        .iter()
        .map(|(name, sum)| format!("{sum}  {name}\n"))
        .collect();
    let list = folder.join("SHA256SUMS.new");
    fs::write(&list, text)
        .and_then(|()| File::open(&list)?.sync_all())
        .and_then(|()| fs::rename(&list, folder.join(LIST)))
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(told(&list))?;
    Ok(made)
}

/// Fills an empty data directory from a backup.
///
/// # Errors
/// A sentence for the command line: there is data already, or the backup is not what its list says.
pub fn restore(folder: &Path, data: &Path) -> std::result::Result<u64, String> {
    let sums = listed(folder).map_err(told(folder))?;
    if !sums.contains_key(DATABASE) {
        return Err(format!("{} is not a backup", folder.display()));
    }
    if data.join(DATABASE).exists() {
        return Err(format!("{} already holds data", data.display()));
    }
    super::disk::folder(data).map_err(told(data))?;
    super::disk::folder(&data.join("uploads")).map_err(told(data))?;
    super::disk::keep_private(data).map_err(told(data))?;
    // The database last: a restore that stops midway is no data directory.
    let order = sums.iter().filter(|(name, _)| *name != DATABASE);
    for (name, sum) in order.chain(sums.get_key_value(DATABASE)) {
        let plain = Path::new(name)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if !plain {
            return Err(format!("{name} is not a name of a backup"));
        }
        let (from, to) = (folder.join(name), data.join(name));
        let (_, found) = copied(&from, &to).map_err(told(&from))?;
        if found != *sum {
            let _ = fs::remove_file(&to);
            return Err(format!("{name} is not what {LIST} says"));
        }
    }
    Ok(sums.len() as u64)
}

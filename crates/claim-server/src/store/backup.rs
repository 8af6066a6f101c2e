//! Copies of everything that is kept, made while the server runs, and the way back.
//!
//! Promise: a backup folder has points: each is one moment of the database with every file that it
//! names, sealed as they are; the installation key is in none. Files, which never change once they
//! belong to a claim, are there once for all points. What a point holds is listed with SHA-256
//! (`SHA256SUMS`, which `sha256sum -c` reads, too), and nothing is restored that differs from its
//! list. A point that was not finished is none.
//!
//! ```text
//! uploads/…                      files
//! 2026-12-01T055300Z/            a point: claims.sqlite, logs, SHA256SUMS, and in begun/ files of
//!                                nobody yet
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use claim_domain::Moment;
use sha2::{Digest, Sha256};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::Store;
use super::disk;
use crate::vault::hex;

const LIST: &str = "SHA256SUMS";
const DATABASE: &str = "claims.sqlite";
/// Where the files of claims are, seen from a point.
const FILES: &str = "../uploads/";
/// Where those are that belong to nobody yet: they may still grow, so each point has its own.
const BEGUN: &str = "begun/";

/// What a point holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Made {
    pub point: String,
    pub files: u64,
    /// Of these, copied this time.
    pub fresh: u64,
    pub bytes: u64,
    /// Points that were too old.
    pub removed: u64,
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

/// The finished points of a backup folder, the oldest first.
fn points(folder: &Path) -> io::Result<Vec<String>> {
    let mut points = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with('Z') && entry.path().join(LIST).is_file() {
            points.push(name);
        }
    }
    points.sort();
    Ok(points)
}

/// The name of a point that does not exist yet.
fn name(folder: &Path, at: Moment) -> String {
    let name = |at: Moment| at.to_string().replace(':', "");
    let mut at = at;
    while folder.join(name(at)).exists() {
        at = at.plus_seconds(1);
    }
    name(at)
}

/// Adds a point to a backup folder. `logs`: further files that only grow. `keep`: days after which
/// former points are removed, with the files that no other point needs.
///
/// # Errors
/// A sentence for the command line.
pub async fn make(
    store: &Store,
    data: &Path,
    logs: &[PathBuf],
    folder: &Path,
    at: Moment,
    keep: Option<u32>,
) -> std::result::Result<Made, String> {
    for folder in [folder, &folder.join("uploads")] {
        disk::folder(folder).map_err(told(folder))?;
    }
    disk::keep_private(folder).map_err(told(folder))?;
    let _alone = disk::lock(&folder.join("lock"))?;
    let former = points(folder).map_err(told(folder))?;
    let before = match former.last() {
        Some(point) => listed(&folder.join(point)).map_err(told(folder))?,
        None => BTreeMap::new(),
    };
    let mut made = Made {
        point: name(folder, at),
        ..Made::default()
    };
    let place = folder.join("unfinished");
    let _ = fs::remove_dir_all(&place);
    disk::folder(&place.join("begun")).map_err(told(&place))?;
    disk::keep_private(&place).map_err(told(&place))?;
    let mut sums = BTreeMap::new();
    let mut keep_file = |from: &Path, name: String, sums: &mut BTreeMap<String, String>| {
        let (length, sum) = copied(from, &place.join(&name)).map_err(told(from))?;
        made.fresh += 1;
        made.bytes += length;
        sums.insert(name, sum);
        Ok::<(), String>(())
    };
    // Before the database: an anchor may not be ahead of it.
    for log in logs.iter().filter(|log| log.is_file()) {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        keep_file(log, name.into_owned(), &mut sums)?;
    }
    let snapshot = folder.join("claims.sqlite.new");
    match fs::remove_file(&snapshot) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(told(&snapshot)(error));
        }
        _ => {}
    }
    store.copy_to(&snapshot).await?;
    for (id, linked) in uploads_of(&snapshot).await? {
        let (name, from) = (format!("{FILES}{id}"), data.join("uploads").join(&id));
        // What belongs to a claim never changes.
        match before.get(&name) {
            Some(sum) if linked && place.join(&name).is_file() => {
                sums.insert(name, sum.clone());
            }
            // Begun and given up meanwhile: of no claim.
            _ if !linked && !from.is_file() => {}
            _ if !linked => keep_file(&from, format!("{BEGUN}{id}"), &mut sums)?,
            _ => keep_file(&from, name, &mut sums)?,
        }
    }
    keep_file(&snapshot, DATABASE.to_owned(), &mut sums)?;
    fs::remove_file(&snapshot).map_err(told(&snapshot))?;
    made.files = sums.len() as u64;
    let text: String = sums
        .iter()
        .map(|(name, sum)| format!("{sum}  {name}\n"))
        .collect();
    let list = place.join(LIST);
    fs::write(&list, text)
        .and_then(|()| File::open(&list)?.sync_all())
        .and_then(|()| File::open(&place)?.sync_all())
        .and_then(|()| fs::rename(&place, folder.join(&made.point)))
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(told(&list))?;
    if let Some(days) = keep {
        made.removed =
            pruned(folder, at.plus_seconds(-i64::from(days) * 86_400)).map_err(told(folder))?;
    }
    Ok(made)
}

/// The uploads that a copy of the database names, and whether they belong to a claim.
async fn uploads_of(copy: &Path) -> std::result::Result<Vec<(String, bool)>, String> {
    let options = SqliteConnectOptions::new()
        .filename(copy)
        .read_only(true)
        .immutable(true);
    async {
        let mut copy = options.connect().await?;
        sqlx::query_as("SELECT id, claim_id IS NOT NULL FROM upload ORDER BY id")
            .fetch_all(&mut copy)
            .await
    }
    .await
    .map_err(|e: sqlx::Error| format!("the copy of the database cannot be read: {e}"))
}

/// Removes points from before a moment, but never the newest, and files that no point names; returns
/// how many points.
fn pruned(folder: &Path, before: Moment) -> io::Result<u64> {
    let (all, before) = (points(folder)?, before.to_string().replace(':', ""));
    let (mut removed, mut named) = (0, BTreeSet::new());
    for (i, point) in all.iter().enumerate() {
        let place = folder.join(point);
        if *point < before && i + 1 < all.len() {
            // Without its list it is none, wherever this is stopped.
            fs::remove_file(place.join(LIST))?;
            fs::remove_dir_all(&place)?;
            removed += 1;
        } else {
            named.extend(listed(&place)?.into_keys());
        }
    }
    // What pruning was stopped at: a point without a list.
    for entry in fs::read_dir(folder)? {
        let place = entry?.path();
        let name = place.to_string_lossy();
        if name.ends_with('Z') && place.is_dir() && !place.join(LIST).is_file() {
            fs::remove_dir_all(&place)?;
        }
    }
    for file in fs::read_dir(folder.join("uploads"))? {
        let file = file?;
        let name = format!("{FILES}{}", file.file_name().to_string_lossy());
        if !named.contains(&name) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(removed)
}

/// Fills an empty data directory from the newest point of a backup, or from the newest until `at`,
/// such as `2026-12-01` or `2026-12-01T05:53:00Z`. Returns the point, and how many files.
///
/// # Errors
/// A sentence for the command line: there is data already, or the backup is not what its list says.
pub fn restore(
    folder: &Path,
    at: Option<&str>,
    data: &Path,
) -> std::result::Result<(String, u64), String> {
    let at = at.map(|at| at.replace(':', ""));
    let until = |point: &&String| {
        let at = at.as_deref().unwrap_or(point);
        point.get(..at.len()).is_some_and(|start| start <= at)
    };
    let points = points(folder).map_err(told(folder))?;
    let Some(point) = points.iter().rfind(until) else {
        return Err(match points.first() {
            None => format!("{} is not a backup", folder.display()),
            Some(first) => format!("{}: the first point is {first}", folder.display()),
        });
    };
    let place = folder.join(point);
    let sums = listed(&place).map_err(told(&place))?;
    if !sums.contains_key(DATABASE) {
        return Err(format!("{} is not a backup", place.display()));
    }
    if data.join(DATABASE).exists() {
        return Err(format!("{} already holds data", data.display()));
    }
    for folder in [data, &data.join("uploads")] {
        disk::folder(folder).map_err(told(folder))?;
    }
    disk::keep_private(data).map_err(told(data))?;
    // The database last: a restore that stops midway is no data directory.
    let order = sums.iter().filter(|(name, _)| *name != DATABASE);
    for (name, sum) in order.chain(sums.get_key_value(DATABASE)) {
        let upload = name.strip_prefix(FILES).or(name.strip_prefix(BEGUN));
        let plain = upload.unwrap_or(name);
        let to = match upload {
            Some(id) => data.join("uploads").join(id),
            None => data.join(name),
        };
        if plain.is_empty() || plain.contains(['/', '\\']) || plain.starts_with('.') {
            return Err(format!("{name} is not a name of a backup"));
        }
        let from = place.join(name);
        let (_, found) = copied(&from, &to).map_err(told(&from))?;
        if found != *sum {
            let _ = fs::remove_file(&to);
            return Err(format!("{name} is not what {LIST} says"));
        }
    }
    Ok((point.clone(), sums.len() as u64))
}

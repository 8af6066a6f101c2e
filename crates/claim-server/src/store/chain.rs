//! Checks that what is stored is what was written: the hash chains of events and of looks (who on
//! the staff viewed what), data kept beside an event, the files, and the anchors.
//!
//! An anchor is one line in a file outside the database, written once a day: how far each log has
//! got and its hash at that point, signed like a receipt. Anyone who alters the database and
//! recomputes its hashes must alter the anchors too, and those can be kept out of reach
//! (`--anchors`).

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use claim_api::proof::check_as;
use claim_domain::lifecycle::{Event, EventKind};
use claim_domain::{Moment, local_day};
use serde::{Deserialize, Serialize};

use super::events::{self, link};
use super::snapshot::Snapshot;
use super::uploads::Uploads;
use super::{Db, Store, claims, disk, documents, staff};
use crate::failure::{Failure, Result};
use crate::vault::{Vault, sha256_hex};

const KIND: &str = "baoan-anchor";

/// One line of the file.
#[derive(Serialize, Deserialize)]
struct Anchor {
    at: Moment,
    /// SHA-256 of the line before.
    before: String,
    /// Claims changed since, by id: sequence number and hash of their newest event.
    claims: BTreeMap<String, (u32, String)>,
    /// Id and hash of the newest look.
    look: (i64, String),
}

/// Writes today's anchor, unless it exists.
pub async fn anchor(store: &Store, path: &Path, at: Moment) -> Result<()> {
    let (anchors, before) =
        anchors_of(&store.vault, path).map_err(|wrong| Failure::internal("anchors", wrong))?;
    if anchors
        .last()
        .is_some_and(|last| local_day(last.at) == local_day(at))
    {
        return Ok(());
    }
    let known: BTreeMap<String, u32> = anchors
        .into_iter()
        .flat_map(|anchor| anchor.claims)
        .map(|(claim, (seq, _))| (claim, seq))
        .collect();
    let mut db = store.read().await?;
    let heads: Vec<(String, u32, String)> =
        sqlx::query_as("SELECT c.id, c.seq, e.hash FROM claim c JOIN event e ON e.claim_id = c.id AND e.seq = c.seq")
            .fetch_all(db.sql())
            .await?;
    let claims = heads
        .into_iter()
        .filter(|(id, seq, _)| known.get(id) != Some(seq))
        .map(|(id, seq, hash)| (id, (seq, hash)))
        .collect();
    let look: Option<(i64, String)> =
        sqlx::query_as("SELECT id, hash FROM look ORDER BY id DESC LIMIT 1")
            .fetch_optional(db.sql())
            .await?;
    let line = store.vault.signer().sign_as(
        KIND,
        &Anchor {
            at,
            before,
            claims,
            look: look.unwrap_or_default(),
        },
    );
    let mut file = disk::appended(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    Ok(file.sync_all()?)
}

fn opened(vault: &Vault, line: &str) -> Option<Anchor> {
    check_as(KIND, line, &vault.receipt_keys()).ok()
}

/// What was verified.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Followed {
    pub claims: u64,
    /// Of these, erased: only their chains can be followed.
    pub erased: u64,
    pub events: u64,
    pub files: u64,
    pub looks: u64,
    pub anchors: u64,
}

impl std::fmt::Display for Followed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Followed {
            claims,
            erased,
            events,
            files,
            looks,
            anchors,
        } = self;
        write!(
            f,
            "{claims} claims ({erased} erased), {events} events, {files} files, {looks} looks, {anchors} anchors: everything matches"
        )
    }
}

/// Verifies everything, in one view of the database, and writes nothing.
///
/// # Errors
/// The first mismatch.
pub async fn verify(
    store: &Store,
    uploads: &Uploads,
    path: &Path,
) -> std::result::Result<Followed, String> {
    let told = |e: sqlx::Error| format!("the database cannot be read: {e}");
    // One snapshot, so that we never see half of a concurrent write.
    let db = &mut store.read_at_once().await.map_err(Failure::sentence)?;
    let (anchors, _) = anchors_of(&store.vault, path)?;
    let claims: Vec<(String, String, String, u32, bool)> =
        sqlx::query_as("SELECT id, no, lob, seq, erased_at IS NOT NULL FROM claim ORDER BY no")
            .fetch_all(db.sql())
            .await
            .map_err(told)?;
    let mut followed = Followed {
        claims: claims.len() as u64,
        anchors: anchors.len() as u64,
        ..Followed::default()
    };
    let untold: Option<(String, u32)> = sqlx::query_as(
        "SELECT e.claim_id, e.seq FROM event e LEFT JOIN feed f ON f.claim_id = e.claim_id AND f.event_seq = e.seq WHERE f.seq IS NULL LIMIT 1",
    )
    .fetch_optional(db.sql())
    .await
    .map_err(told)?;
    if let Some((id, seq)) = untold {
        return Err(format!("{id}: event {seq} is not in the feed"));
    }
    let mut heads: BTreeMap<&str, &(u32, String)> = BTreeMap::new();
    for anchor in &anchors {
        heads.extend(anchor.claims.iter().map(|(id, head)| (id.as_str(), head)));
    }
    for (id, no, lob, last, erased) in &claims {
        let hashes = events_hold(db, id, no, *last).await?;
        followed.events += hashes.len() as u64;
        for (seq, hash) in anchors.iter().filter_map(|a| a.claims.get(id)) {
            if hashes.get((*seq as usize).wrapping_sub(1)) != Some(hash) {
                return Err(format!(
                    "{no}: the log is not the one that was anchored at event {seq}"
                ));
            }
        }
        heads.remove(id.as_str());
        if *erased {
            followed.erased += 1;
            continue;
        }
        let hold = async {
            let (lob, events) = (claims::lob(lob)?, events::after(db, id, 0).await?);
            let same = events::snapshot(db, id, lob).await? == Snapshot::replay(lob, &events);
            Ok::<_, Failure>((same, events))
        };
        let (same, events) = hold.await.map_err(|f| format!("{no}: {}", f.sentence()))?;
        if !same {
            return Err(format!("{no}: the stored snapshot does not match the log"));
        }
        followed.files += files_hold(uploads, db, id, no, &events).await?;
        beside_holds(db, id, no).await?;
    }
    if let Some((id, _)) = heads.first_key_value() {
        return Err(format!("an anchored claim is missing: {id}"));
    }
    let orphans: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM event WHERE claim_id NOT IN (SELECT id FROM claim)",
    )
    .fetch_one(db.sql())
    .await
    .map_err(told)?;
    if orphans > 0 {
        return Err(format!("{orphans} events belong to no claim"));
    }
    followed.looks = looks_hold(db, &anchors).await?;
    Ok(followed)
}

/// The anchors so far, and the SHA-256 of the last line.
fn anchors_of(vault: &Vault, path: &Path) -> std::result::Result<(Vec<Anchor>, String), String> {
    let text = match disk::text(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(e) => {
            return Err(format!(
                "the anchors {} cannot be read: {e}",
                path.display()
            ));
        }
    };
    let mut before = String::new();
    let mut anchors = Vec::new();
    for (line, n) in text.lines().zip(1..) {
        let anchor = opened(vault, line)
            .filter(|a| a.before == before)
            .ok_or_else(|| format!("anchors, line {n}: not written by this server"))?;
        before = sha256_hex(line.as_bytes());
        anchors.push(anchor);
    }
    Ok((anchors, before))
}

/// A changed, removed or inserted event breaks the chain; one cut off at the end is caught by the
/// sequence number in the claim's row.
async fn events_hold(
    db: &mut Db,
    id: &str,
    no: &str,
    last: u32,
) -> std::result::Result<Vec<String>, String> {
    let rows: Vec<(u32, i64, String, String, String, String)> = sqlx::query_as(
        "SELECT seq, at, actor, what, hash, beside FROM event WHERE claim_id = ? ORDER BY seq",
    )
    .bind(id)
    .fetch_all(db.sql())
    .await
    .map_err(|e| format!("{no}: the log cannot be read: {e}"))?;
    let mut hashes: Vec<String> = Vec::with_capacity(rows.len());
    for (place, (seq, at, actor, what, hash, beside)) in (1u32..).zip(rows) {
        let before = hashes.last().map_or("", String::as_str);
        if seq != place || hash != link(before, id, seq, Moment(at), &actor, &what, &beside) {
            return Err(format!(
                "{no}: the hash chain does not hold at event {place}"
            ));
        }
        hashes.push(hash);
    }
    if hashes.len() != last as usize {
        return Err(format!(
            "{no}: the log ends at event {} of {last}",
            hashes.len()
        ));
    }
    Ok(hashes)
}

/// Data kept elsewhere must match the newest event that recorded it.
async fn beside_holds(db: &mut Db, id: &str, no: &str) -> std::result::Result<(), String> {
    let told = |e: sqlx::Error| format!("{no}: {e}");
    let beside: Option<String> = sqlx::query_scalar(
        "SELECT beside FROM event WHERE claim_id = ? AND beside <> '' ORDER BY seq DESC LIMIT 1",
    )
    .bind(id)
    .fetch_optional(db.sql())
    .await
    .map_err(told)?;
    let payees: Option<String> = sqlx::query_scalar("SELECT sealed FROM payee WHERE claim_id = ?")
        .bind(id)
        .fetch_optional(db.sql())
        .await
        .map_err(told)?;
    match (beside, payees) {
        (Some(beside), payees)
            if payees.as_ref().map(|p| sha256_hex(p.as_bytes())) != Some(beside.clone()) =>
        {
            Err(format!(
                "{no}: the accounts are not those recorded in the log"
            ))
        }
        _ => Ok(()),
    }
}

/// Every file has the SHA-256 recorded in the log, and every file in the log exists.
async fn files_hold(
    uploads: &Uploads,
    db: &mut Db,
    id: &str,
    no: &str,
    events: &[Event],
) -> std::result::Result<u64, String> {
    let all = documents::of_claim(db, id)
        .await
        .map_err(|f| format!("{no}: {}", f.sentence()))?;
    let mut there = Vec::new();
    for documents::Handed {
        document,
        sha256,
        upload,
        ..
    } in &all
    {
        let bytes = uploads
            .bytes(db, upload)
            .await
            .map_err(|_| format!("{no}: a file of {document} cannot be read"))?;
        if sha256_hex(&bytes) != *sha256 {
            return Err(format!(
                "{no}: a file of {document} is not the one that was sent"
            ));
        }
        there.push((document.clone(), sha256.clone()));
    }
    for event in events {
        if let EventKind::DocumentReceived {
            document, sha256, ..
        } = &event.what
            && !there.contains(&(document.clone(), sha256.clone()))
        {
            return Err(format!("{no}: a file of {document} is gone"));
        }
    }
    Ok(all.len() as u64)
}

async fn looks_hold(db: &mut Db, anchors: &[Anchor]) -> std::result::Result<u64, String> {
    let rows: Vec<(i64, String, String, String, i64, String)> =
        sqlx::query_as("SELECT id, claim_id, document_id, staff, at, hash FROM look ORDER BY id")
            .fetch_all(db.sql())
            .await
            .map_err(|e| e.to_string())?;
    let (mut before, mut hashes) = (String::new(), BTreeMap::new());
    for (id, claim, document, by, at, hash) in &rows {
        // Looks recorded before the chain existed have no hash.
        if (!hash.is_empty() || !before.is_empty())
            && *hash != staff::link_of_look(&before, claim, document, by, *at)
        {
            return Err(format!(
                "the looks of staff do not hold: hash chain broken at number {id}"
            ));
        }
        before.clone_from(hash);
        hashes.insert(*id, hash);
    }
    for Anchor {
        look: (id, hash), ..
    } in anchors.iter().filter(|a| a.look.0 > 0)
    {
        if hashes.get(id) != Some(&hash) {
            return Err(format!(
                "the looks of staff are not those that were anchored at number {id}"
            ));
        }
    }
    Ok(rows.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::tests::{Caller, copy, opened as demo, pdf};
    use crate::{App, now};

    /// F14: `verify` names any change to the database, the files or the anchors, and itself changes
    /// nothing.
    #[tokio::test]
    async fn finding_14_what_is_changed_behind_our_back_is_named() {
        let (data, app) = demo().await;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let mut owner = Caller::new(&app);
        owner.sign_in(&app, "13800138000").await;
        let no = owner.report("insured", "13800138000").await;
        let upload = owner.upload(&pdf("verify")).await;
        assert_eq!(
            owner
                .call(
                    "put",
                    &format!("/api/v1/claims/{no}/documents/repair_list/{upload}"),
                    &[],
                    ""
                )
                .await
                .0,
            200
        );
        let payees = serde_json::json!({ "payees": [{ "kind": "insured", "holder": "张伟", "account": "6222020000000000000", "share": "equal" }] });
        assert_eq!(
            owner
                .json("put", &format!("/api/v1/claims/{no}/payees"), &payees)
                .await
                .0,
            200
        );
        let mut staff = Caller::new(&app);
        staff
            .call(
                "post",
                "/staff/login",
                &form,
                "name=supervisor&password=demo-supervisor",
            )
            .await;
        for _ in 0..2 {
            assert_eq!(
                staff
                    .call("get", &format!("/staff/claims/{no}/payees"), &[], "")
                    .await
                    .0,
                200
            );
        }
        anchor(&app.store, &app.options.anchors_file(), now())
            .await
            .unwrap();
        anchor(&app.store, &app.options.anchors_file(), now())
            .await
            .unwrap();
        let followed = app.verify().await.unwrap();
        assert_eq!(
            (
                followed.claims,
                followed.files,
                followed.looks,
                followed.anchors
            ),
            (1, 1, 2, 1)
        );
        let whole = snapshot_of(data.path());
        let only_read = App::open_to_read(app.options.clone()).await.unwrap();
        assert_eq!(only_read.verify().await.unwrap(), followed);
        only_read.store.close().await;
        let missing = crate::Options {
            data: data.path().join("nothing-here"),
            ..app.options.clone()
        };
        assert!(
            App::open_to_read(missing)
                .await
                .is_err_and(|e| e.contains("is not there"))
        );
        assert_eq!(
            snapshot_of(data.path()),
            whole,
            "verify has written something"
        );
        // An attacker with the database but without our key: rewrites events, recomputes all
        // hashes.
        let rehash = async |app: &App| {
            let rows: Vec<(String, u32, i64, String, String, String)> = sqlx::query_as(
                "SELECT claim_id, seq, at, actor, what, beside FROM event ORDER BY claim_id, seq",
            )
            .fetch_all(app.store.pool())
            .await
            .unwrap();
            let mut tx = app.store.begin().await.unwrap();
            let mut before = String::new();
            for (id, seq, at, actor, what, beside) in rows {
                before = link(&before, &id, seq, Moment(at), &actor, &what, &beside);
                sqlx::query("UPDATE event SET hash = ? WHERE claim_id = ? AND seq = ?")
                    .bind(&before)
                    .bind(id)
                    .bind(seq)
                    .execute(tx.sql())
                    .await
                    .unwrap();
            }
            tx.commit().await.unwrap();
        };
        let files = data.path().join("uploads").join(&upload);
        let broken: [(&str, bool, &str); 9] = [
            (
                "UPDATE event SET at = at + 1 WHERE seq = 2",
                false,
                "does not hold at event 2",
            ),
            (
                "UPDATE event SET at = at + 1 WHERE seq = 2",
                true,
                "not the one that was anchored",
            ),
            (
                "UPDATE event SET actor = '\"system\"' WHERE actor = '\"customer\"'",
                true,
                "anchored",
            ),
            (
                "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
                false,
                "the log ends",
            ),
            (
                // Another letter, whichever it is: one in sixty-four begins with an x.
                "UPDATE payee SET sealed = iif(sealed LIKE 'x%', 'y', 'x') || substr(sealed, 2)",
                false,
                "accounts are not those",
            ),
            ("DELETE FROM payee", false, "accounts are not those"),
            (
                "UPDATE document SET sha256 = replace(sha256, 'a', 'b')",
                false,
                "not the one that was sent",
            ),
            (
                "UPDATE look SET staff = 'somebody else' WHERE id = 1",
                false,
                "looks of staff do not hold",
            ),
            ("DELETE FROM document", false, "is gone"),
        ];
        let backup = tempfile::tempdir().unwrap();
        app.store.close().await;
        copy(data.path(), backup.path());
        for (sql, again, wanted) in broken {
            // In a folder of its own: nothing of the one before is still open there.
            let place = tempfile::tempdir().unwrap();
            copy(backup.path(), place.path());
            let options = crate::Options {
                data: place.path().to_owned(),
                ..app.options.clone()
            };
            let app = App::open(options).await.unwrap();
            let mut tx = app.store.begin().await.unwrap();
            for trigger in [
                "event_is_never_changed",
                "event_is_never_deleted",
                "look_is_never_changed",
                "look_is_never_deleted",
            ] {
                sqlx::query(sqlx::AssertSqlSafe(format!("DROP TRIGGER {trigger}")))
                    .execute(tx.sql())
                    .await
                    .unwrap();
            }
            sqlx::query(sql).execute(tx.sql()).await.unwrap();
            tx.commit().await.unwrap();
            if again {
                rehash(&app).await;
            }
            let wrong = app.verify().await.expect_err(sql);
            assert!(wrong.contains(wanted), "{sql}: {wrong}");
            app.store.close().await;
        }
        back(backup.path(), data.path());
        let app = App::open(app.options.clone()).await.unwrap();
        let mut bytes = std::fs::read(&files).unwrap();
        bytes[9] ^= 1;
        std::fs::write(&files, &bytes).unwrap();
        assert!(
            app.verify()
                .await
                .unwrap_err()
                .contains("not the one that was sent")
        );
        bytes[9] ^= 1;
        std::fs::write(&files, &bytes).unwrap();
        let text = std::fs::read_to_string(app.options.anchors_file()).unwrap();
        std::fs::write(app.options.anchors_file(), text.replacen('e', "f", 1)).unwrap();
        assert!(app.verify().await.unwrap_err().contains("anchors, line 1"));
    }

    /// F13: no other user of the machine can read anything, and even somebody who could would find
    /// no picture in any file.
    #[tokio::test]
    async fn finding_13_nobody_else_reads_what_is_stored() {
        use std::os::unix::fs::PermissionsExt;
        let (data, app) = demo().await;
        Caller::new(&app)
            .report_as("insured", "13400134000", "not-a-number")
            .await;
        app.store.close().await;
        std::fs::set_permissions(data.path(), PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::set_permissions(
            data.path().join("claims.sqlite"),
            PermissionsExt::from_mode(0o644),
        )
        .unwrap();
        let app = App::open(app.options.clone()).await.unwrap();
        let mut folders = vec![data.path().to_owned()];
        while let Some(folder) = folders.pop() {
            assert_eq!(
                folder.metadata().unwrap().permissions().mode() & 0o777,
                0o700,
                "{}",
                folder.display()
            );
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    assert_eq!(
                        path.metadata().unwrap().permissions().mode() & 0o077,
                        0,
                        "{}",
                        path.display()
                    );
                    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                    for secret in [
                        "张伟",
                        "13400134000",
                        "13800138000",
                        "11010519491231002X",
                        "文三路",
                    ] {
                        assert!(!text.contains(secret), "{} holds {secret}", path.display());
                    }
                }
            }
        }
        drop(app);
    }

    fn snapshot_of(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.is_file() && !p.to_string_lossy().contains("-shm"));
        let mut all: Vec<_> = files
            .map(|p| (p.clone(), std::fs::read(p).unwrap()))
            .collect();
        all.sort();
        all
    }

    /// Restores the folder from its copy.
    fn back(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(to).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::remove_file(path).unwrap()
            } else {
                std::fs::remove_dir_all(path).unwrap()
            }
        }
        copy(from, to);
    }
}

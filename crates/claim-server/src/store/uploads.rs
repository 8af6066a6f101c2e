//! Uploads: for each file, a row that says how far it got, and a file on disk with its sealed
//! bytes.
//!
//! Promise: an acknowledged offset is durable. The order is always write, fdatasync, commit,
//! answer. The database is the only source of truth for the offset: a longer file is truncated; a
//! shorter one lowers the offset and is reported. Whatever reads, writes, attaches or removes an
//! upload first takes its turn, and a newer request ends the older one.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use claim_api::{Problem, ProblemCode};
use claim_domain::Moment;
use sha2::{Digest, Sha256};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::sync::{OwnedMutexGuard, watch};

use super::{Db, Store, Tx, claims};
use crate::failure::{Failure, Result};
use crate::limits::Places;
use crate::vault::{FileKey, hex, token};

/// Seconds for which an upload can be resumed.
pub const LIVES: i64 = 7 * 86_400;
const OLDER_REQUEST_ENDS_WITHIN: Duration = Duration::from_secs(5);

pub struct Uploads {
    folder: PathBuf,
    keep_free: u64,
    turns: Mutex<HashMap<String, Arc<Turns>>>,
    /// How many requests each subject is currently writing with.
    pub writing: Places<String>,
}

/// Whose turn it is to write an upload. Each request takes the next number; the lock holder stops
/// when a higher number appears.
struct Turns {
    newest: watch::Sender<u64>,
    lock: Arc<tokio::sync::Mutex<()>>,
}

pub struct Turn {
    number: u64,
    newest: watch::Receiver<u64>,
    _lock: OwnedMutexGuard<()>,
}

impl Turn {
    /// Returns when a newer request wants this upload.
    pub async fn over(&mut self) {
        let mine = self.number;
        let _ = self.newest.wait_for(|newest| *newest > mine).await;
    }
}

/// An upload in progress.
pub struct Upload {
    pub id: String,
    pub length: u64,
    pub offset: u64,
    /// The announced hash of the whole file.
    pub sha256: Option<String>,
    key: FileKey,
}

/// Writes the file of an upload, from its offset on.
pub struct Writer {
    file: File,
    key: FileKey,
    began: u64,
    at: u64,
}

impl Writer {
    /// Adds bytes; durable with [`Writer::sync`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut sealed = bytes.to_vec();
        self.key.apply(self.at, &mut sealed);
        self.file.write_all(&sealed).await?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    pub async fn sync(&mut self) -> Result<()> {
        self.file.flush().await?;
        Ok(self.file.sync_data().await?)
    }

    /// Restores the file as it was before.
    pub async fn undo(mut self) -> Result<()> {
        self.file.flush().await?;
        self.file.set_len(self.began).await?;
        Ok(self.file.sync_data().await?)
    }
}

/// Uploads that belong to no claim yet: how many, and their total bytes.
#[derive(Default)]
pub struct Open {
    pub count: i64,
    pub bytes: i64,
}

impl Uploads {
    pub fn open(data: &Path, keep_free: u64) -> io::Result<Uploads> {
        let folder = data.join("uploads");
        std::fs::create_dir_all(&folder)?;
        Ok(Uploads {
            folder,
            keep_free,
            turns: Mutex::default(),
            writing: Places::default(),
        })
    }

    fn path(&self, id: &str) -> Result<PathBuf> {
        // We generate the ids; nothing else may become a path.
        let ours = id.len() == 43
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if ours {
            Ok(self.folder.join(id))
        } else {
            Err(ProblemCode::NotFound.into())
        }
    }

    /// A whole file, decrypted.
    async fn read(&self, id: &str, key: &FileKey) -> Result<Bytes> {
        let mut bytes = fs::read(self.path(id)?).await?;
        key.apply(0, &mut bytes);
        Ok(bytes.into())
    }

    /// Bytes that are free where files are kept.
    pub fn free(&self) -> io::Result<u64> {
        fs4::available_space(&self.folder)
    }

    /// Whether the disk keeps its reserve after this many more bytes.
    pub fn has_room(&self, bytes: u64) -> Result<bool> {
        Ok(self.free()? >= self.keep_free + bytes)
    }

    /// Takes the turn to read, write, attach or remove the upload `id`; everything that does so
    /// comes here first. A request still writing is ended; what it has written is durable and
    /// acknowledged.
    pub async fn turn(&self, id: &str) -> Result<Turn> {
        let turns = self.turns(id);
        let mut number = 0;
        turns.newest.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        let lock =
            tokio::time::timeout(OLDER_REQUEST_ENDS_WITHIN, turns.lock.clone().lock_owned()).await;
        let lock = lock.map_err(|_| Problem::after(ProblemCode::UploadLocked, 2))?;
        Ok(Turn {
            number,
            newest: turns.newest.subscribe(),
            _lock: lock,
        })
    }

    /// The turn, if nobody has it.
    fn idle(&self, id: &str) -> Option<Turn> {
        let turns = self.turns(id);
        let lock = turns.lock.clone().try_lock_owned().ok()?;
        Some(Turn {
            number: *turns.newest.borrow(),
            newest: turns.newest.subscribe(),
            _lock: lock,
        })
    }

    fn turns(&self, id: &str) -> Arc<Turns> {
        // A panic while this is held is impossible: nothing in it can fail.
        let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turns| Arc::strong_count(turns) > 1 || turns.lock.try_lock().is_err());
        all.entry(id.to_owned())
            .or_insert_with(|| {
                Arc::new(Turns {
                    newest: watch::Sender::new(0),
                    lock: Arc::default(),
                })
            })
            .clone()
    }

    /// Begins an upload.
    pub async fn add(
        &self,
        store: &Store,
        subject: &str,
        length: u64,
        sha256: Option<String>,
        at: Moment,
    ) -> Result<Upload> {
        let id = token();
        let file = File::create_new(self.path(&id)?).await?;
        file.sync_all().await?;
        // The directory entry must survive a power cut as well as the bytes.
        File::open(&self.folder).await?.sync_all().await?;
        let mut tx = store.begin().await?;
        let (key, sealed) = tx.vault.new_file_key(&id);
        sqlx::query("INSERT INTO upload (id, subject_id, length, sha256, touched_at, key_sealed) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(&id)
            .bind(subject)
            .bind(signed(length))
            .bind(&sha256)
            .bind(at.0)
            .bind(sealed)
            .execute(tx.sql())
            .await?;
        tx.commit().await?;
        Ok(Upload {
            id,
            length,
            offset: 0,
            sha256,
            key,
        })
    }

    /// The upload `id` of `subject`, after making file and offset agree.
    ///
    /// # Errors
    /// `not-found` if it is unknown or somebody else's, `upload-expired` if it is gone.
    pub async fn find(
        &self,
        store: &Store,
        _turn: &Turn,
        subject: &str,
        id: &str,
        at: Moment,
    ) -> Result<Upload> {
        type Row = (
            i64,
            i64,
            Option<String>,
            i64,
            Option<String>,
            Option<String>,
        );
        let mut db = store.read().await?;
        let row: Option<Row> = sqlx::query_as(
            "SELECT length, at_offset, sha256, touched_at, claim_id, key_sealed FROM upload WHERE id = ? AND subject_id = ?",
        )
        .bind(id)
        .bind(subject)
        .fetch_optional(db.sql())
        .await?;
        let (length, offset, sha256, touched_at, claim, sealed) =
            row.ok_or(ProblemCode::NotFound)?;
        let key = key_of(&mut db, id, sealed.as_deref(), claim.as_deref()).await?;
        drop(db);
        let mut upload = Upload {
            id: id.to_owned(),
            length: length.unsigned_abs(),
            offset: offset.unsigned_abs(),
            sha256,
            key,
        };
        if claim.is_none() && at.0 - touched_at > LIVES {
            return Err(ProblemCode::UploadExpired.into());
        }
        let path = self.path(id)?;
        let there = match fs::metadata(&path).await {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(ProblemCode::UploadExpired.into());
            }
            Err(e) => return Err(e.into()),
        };
        if there > upload.offset {
            let file = OpenOptions::new().write(true).open(&path).await?;
            file.set_len(upload.offset).await?;
            file.sync_data().await?;
        } else if there < upload.offset {
            tracing::error!(
                there,
                recorded = upload.offset,
                "an acknowledged part of an upload is gone"
            );
            upload.offset = there;
            self.keep_offset(store, &upload, at).await?;
        }
        Ok(upload)
    }

    /// Opens the file of an upload for writing from its offset.
    pub async fn writer(&self, _turn: &Turn, upload: &Upload) -> Result<Writer> {
        let mut file = OpenOptions::new()
            .write(true)
            .open(self.path(&upload.id)?)
            .await?;
        file.seek(io::SeekFrom::Start(upload.offset)).await?;
        Ok(Writer {
            file,
            key: upload.key.clone(),
            began: upload.offset,
            at: upload.offset,
        })
    }

    /// Stores the offset reached; the file must be synced first.
    pub async fn keep_offset(&self, store: &Store, upload: &Upload, at: Moment) -> Result<()> {
        let mut tx = store.begin().await?;
        sqlx::query("UPDATE upload SET at_offset = ?, touched_at = ? WHERE id = ?")
            .bind(signed(upload.offset))
            .bind(at.0)
            .bind(&upload.id)
            .execute(tx.sql())
            .await?;
        tx.commit().await
    }

    /// Whether the whole file matches its announced hash.
    pub async fn is_as_said(&self, _turn: &Turn, upload: &Upload) -> Result<bool> {
        let Some(said) = upload.sha256.clone() else {
            return Ok(true);
        };
        let bytes = self.read(&upload.id, &upload.key).await?;
        let sum = tokio::task::spawn_blocking(move || hex(&Sha256::digest(&bytes))).await;
        Ok(sum.map_err(|e| Failure::internal("hash", e))? == said)
    }

    /// Bytes and SHA-256 of a finished upload of `subject`.
    pub async fn finished(
        &self,
        store: &Store,
        turn: &Turn,
        subject: &str,
        id: &str,
        at: Moment,
    ) -> Result<(Bytes, String)> {
        let upload = match self.find(store, turn, subject, id, at).await {
            // To the sender, unknown means gone: they send it again.
            Err(Failure::Problem(p)) if p.code == ProblemCode::NotFound => {
                return Err(ProblemCode::UploadExpired.into());
            }
            other => other?,
        };
        if upload.offset < upload.length {
            return Err(ProblemCode::NotAllowed.into());
        }
        let bytes = self.read(id, &upload.key).await?;
        let sha256 = hex(&Sha256::digest(&bytes));
        Ok((bytes, sha256))
    }

    /// The bytes of a file found before. Holds no connection meanwhile, because disks are slow.
    pub async fn open_file(&self, file: &StoredFile) -> Result<Bytes> {
        self.read(&file.id, &file.key).await
    }

    /// Finds and reads a file, for callers that have the connection to themselves.
    pub async fn bytes(&self, db: &mut Db, id: &str) -> Result<Bytes> {
        self.open_file(&file(db, id).await?).await
    }

    /// Removes an upload that belongs to no claim and that nobody has touched since `before`. The
    /// row decides: the file goes only if the row went.
    async fn remove_before(
        &self,
        store: &Store,
        _turn: &Turn,
        id: &str,
        before: i64,
    ) -> Result<bool> {
        let mut tx = store.begin().await?;
        let removed =
            sqlx::query("DELETE FROM upload WHERE id = ? AND claim_id IS NULL AND touched_at <= ?")
                .bind(id)
                .bind(before)
                .execute(tx.sql())
                .await?
                .rows_affected();
        tx.commit().await?;
        if removed == 0 {
            return Ok(false);
        }
        self.discard(id).await?;
        Ok(true)
    }

    /// Removes the file of an upload whose row is gone.
    pub async fn discard(&self, id: &str) -> Result<()> {
        match fs::remove_file(self.path(id)?).await {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }

    /// Removes an upload unless it belongs to a claim; returns whether it was removed.
    pub async fn remove(&self, store: &Store, turn: &Turn, id: &str) -> Result<bool> {
        self.remove_before(store, turn, id, i64::MAX).await
    }

    /// Removes uploads of a subject that belong to no claim.
    pub async fn abandon(&self, store: &Store, subject: &str) -> Result<()> {
        let open: Vec<String> =
            sqlx::query_scalar("SELECT id FROM upload WHERE claim_id IS NULL AND subject_id = ?")
                .bind(subject)
                .fetch_all(&store.read)
                .await?;
        for id in open {
            let turn = self.turn(&id).await?;
            self.remove(store, &turn, &id).await?;
        }
        Ok(())
    }

    /// Removes uploads untouched for seven days, and files that lost their row in a crash.
    pub async fn expire(&self, store: &Store, at: Moment) -> Result<()> {
        let before = at.0 - LIVES;
        let old: Vec<String> =
            sqlx::query_scalar("SELECT id FROM upload WHERE claim_id IS NULL AND touched_at <= ?")
                .bind(before)
                .fetch_all(&store.read)
                .await?;
        for id in old {
            // An upload being written is not old.
            let Some(turn) = self.idle(&id) else { continue };
            self.remove_before(store, &turn, &id, before).await?;
        }
        let mut files = fs::read_dir(&self.folder).await?;
        while let Some(file) = files.next_entry().await? {
            let Ok(id) = file.file_name().into_string() else {
                continue;
            };
            // The file vanished meanwhile: nothing to do.
            let Ok(about) = file.metadata().await else {
                continue;
            };
            if about
                .modified()?
                .elapsed()
                .map_or(true, |age| age.as_secs() <= LIVES.unsigned_abs())
                || self.path(&id).is_err()
            {
                continue;
            }
            let known: i64 = sqlx::query_scalar("SELECT count(*) FROM upload WHERE id = ?")
                .bind(&id)
                .fetch_one(&store.read)
                .await?;
            if known == 0 {
                fs::remove_file(file.path()).await?;
            }
        }
        Ok(())
    }

    /// Writes every file, decrypted, into a folder; returns how many.
    pub async fn export(&self, store: &Store, folder: &Path) -> Result<u64> {
        let mut count = 0;
        let mut db = store.read().await?;
        for id in sqlx::query_scalar::<_, String>("SELECT id FROM upload")
            .fetch_all(db.sql())
            .await?
        {
            fs::write(folder.join(&id), self.bytes(&mut db, &id).await?).await?;
            count += 1;
        }
        Ok(count)
    }

    /// Seals files from before files had keys. The sealed copy is made beside the plain one, which
    /// is removed once the row has the key.
    pub async fn seal_anew(&self, store: &Store) -> Result<()> {
        let old: Vec<(String, Option<String>)> =
            sqlx::query_as("SELECT id, claim_id FROM upload WHERE key_sealed IS NULL")
                .fetch_all(&store.read)
                .await?;
        for (id, claim_id) in old {
            let path = self.path(&id)?;
            let (plain, sealed) = (path.with_extension("plain"), path.with_extension("sealed"));
            // An earlier run stopped midway: the plain file counts as long as the row has no key.
            if fs::try_exists(&plain).await? {
                fs::rename(&plain, &path).await?;
            }
            let mut bytes = match fs::read(&path).await {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(e) => return Err(e.into()),
            };
            let (key, kept) = store.vault.new_file_key(&id);
            let kept = match &claim_id {
                Some(claim) => store.vault.file_key_for(
                    &id,
                    &key,
                    &*claims::key(&mut store.read().await?, claim).await?,
                ),
                None => kept,
            };
            key.apply(0, &mut bytes);
            let mut file = File::create(&sealed).await?;
            file.write_all(&bytes).await?;
            file.sync_all().await?;
            fs::rename(&path, &plain).await.or_else(|e| {
                if e.kind() == io::ErrorKind::NotFound {
                    Ok(())
                } else {
                    Err(e)
                }
            })?;
            fs::rename(&sealed, &path).await?;
            File::open(&self.folder).await?.sync_all().await?;
            let mut tx = store.begin_patiently().await?;
            sqlx::query("UPDATE upload SET key_sealed = ? WHERE id = ?")
                .bind(kept)
                .bind(&id)
                .execute(tx.sql())
                .await?;
            tx.commit().await?;
        }
        // Leftovers of files whose row has the key.
        let mut files = fs::read_dir(&self.folder).await?;
        while let Some(file) = files.next_entry().await? {
            if file
                .path()
                .extension()
                .is_some_and(|e| e == "plain" || e == "sealed")
            {
                fs::remove_file(file.path()).await?;
            }
        }
        Ok(())
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The key of a file, from its row.
async fn key_of(
    db: &mut Db,
    id: &str,
    sealed: Option<&str>,
    claim_id: Option<&str>,
) -> Result<FileKey> {
    let claim = match claim_id {
        Some(claim) => Some(claims::key(db, claim).await?),
        None => None,
    };
    let key = sealed.and_then(|sealed| db.vault.file_key(id, sealed, claim.as_deref()));
    key.ok_or_else(|| Failure::internal("key of a file", "sealed with another key, or forgotten"))
}

/// A stored file and its key.
pub struct StoredFile {
    id: String,
    key: FileKey,
}

/// The file of an upload, without checking who asks.
pub async fn file(db: &mut Db, id: &str) -> Result<StoredFile> {
    let sql = "SELECT key_sealed, claim_id FROM upload WHERE id = ?";
    let row: Option<(Option<String>, Option<String>)> = sqlx::query_as(sql)
        .bind(id)
        .fetch_optional(db.sql())
        .await?;
    let (sealed, claim) = row.ok_or(ProblemCode::NotFound)?;
    let key = key_of(db, id, sealed.as_deref(), claim.as_deref()).await?;
    Ok(StoredFile {
        id: id.to_owned(),
        key,
    })
}

/// Whether an upload of `subject` belongs to a claim; `None` if there is no such upload.
pub async fn is_linked(db: &mut Db, subject: &str, id: &str) -> Result<Option<bool>> {
    let linked: Option<Option<String>> =
        sqlx::query_scalar("SELECT claim_id FROM upload WHERE id = ? AND subject_id = ?")
            .bind(id)
            .bind(subject)
            .fetch_optional(db.sql())
            .await?;
    Ok(linked.map(|claim| claim.is_some()))
}

/// Attaches a finished upload of `subject` to a claim, for ever.
///
/// # Errors
/// `upload-expired` when it is gone, or part of another claim.
pub async fn link(
    tx: &mut Tx,
    _turn: &Turn,
    subject: &str,
    id: &str,
    claim_id: &str,
) -> Result<()> {
    let row: Option<(Option<String>, Option<String>)> = sqlx::query_as(
        "SELECT key_sealed, claim_id FROM upload WHERE id = ?1 AND subject_id = ?2 AND at_offset = length AND (claim_id IS NULL OR claim_id = ?3)",
    )
    .bind(id)
    .bind(subject)
    .bind(claim_id)
    .fetch_optional(tx.sql())
    .await?;
    let (sealed, linked) = row.ok_or(ProblemCode::UploadExpired)?;
    if linked.is_some() {
        return Ok(());
    }
    let (key, claim) = (
        key_of(tx, id, sealed.as_deref(), None).await?,
        claims::key(tx, claim_id).await?,
    );
    let kept = tx.vault.file_key_for(id, &key, &claim);
    let linked = sqlx::query("UPDATE upload SET claim_id = ?1, key_sealed = ?4 WHERE id = ?2 AND subject_id = ?3 AND claim_id IS NULL")
        .bind(claim_id)
        .bind(id)
        .bind(subject)
        .bind(kept)
        .execute(tx.sql())
        .await?;
    if linked.rows_affected() == 0 {
        Err(ProblemCode::UploadExpired.into())
    } else {
        Ok(())
    }
}

/// Uploads that a subject has begun and not attached.
pub async fn open_of(db: &mut Db, subject: &str, at: Moment) -> Result<Open> {
    let (count, bytes) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(length), 0) FROM upload WHERE subject_id = ? AND claim_id IS NULL AND touched_at > ?",
    )
    .bind(subject)
    .bind(at.0 - LIVES)
    .fetch_one(db.sql())
    .await?;
    Ok(Open { count, bytes })
}

/// Total bytes of all uploads that belong to no claim.
pub async fn lying_about(db: &mut Db) -> Result<i64> {
    Ok(
        sqlx::query_scalar("SELECT coalesce(sum(length), 0) FROM upload WHERE claim_id IS NULL")
            .fetch_one(db.sql())
            .await?,
    )
}

//! Storage: the database, and the files beside it. One module for each kind of record, with
//! functions that take what they work on.
//!
//! Promise: SQL and file access exist nowhere else (enforced by `cargo xtask check`, and by the
//! compiler: a connection leaves this module only wrapped in [`Db`]). Lookups for a customer take
//! the subject, so they never find somebody else's row. Personal values are sealed here on the way
//! in and opened on the way out.
//!
//! SQLite in WAL mode with `synchronous=FULL`: an acknowledged commit survives a power cut. One
//! connection writes, several read; every write begins with `BEGIN IMMEDIATE`.

pub mod assets;
pub mod awards;
pub mod backup;
pub mod catastrophes;
pub mod chain;
pub mod claims;
pub mod depths;
pub mod disk;
pub mod documents;
pub mod drafts;
pub mod events;
pub mod feed;
pub mod folders;
pub mod handoffs;
pub mod hooks;
pub mod keys;
pub mod kiosks;
pub mod launches;
pub mod links;
pub mod messages;
pub mod migration;
pub mod parties;
pub mod payees;
pub mod payments;
pub mod policies;
pub mod retention;
pub mod rules;
pub mod schema;
pub mod services;
pub mod sessions;
pub mod signals;
pub mod snapshot;
pub mod staff;
pub mod submissions;
pub mod uploads;

use std::fmt::Display;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use claim_api::{Problem, ProblemCode};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};
use tokio::sync::Semaphore;

use crate::failure::{Failure, Result, busy};
use crate::limits::Gate;
use crate::vault::Vault;

pub struct Store {
    read: SqlitePool,
    write: SqlitePool,
    pub(crate) vault: Vault,
    /// What of the table of this name is in use, as it is kept.
    secrets: tokio::sync::Mutex<String>,
    /// Everything but reports queues here first and takes turns, so that at most one of these is
    /// ahead of a report.
    others: Gate,
    /// Limits how many reports wait.
    reports: Semaphore,
}

/// Beyond this many, we refuse at once instead of letting requests wait and fail: half a second of
/// work.
const OTHERS_WAITING: usize = 300;
const REPORTS_WAITING: usize = 120;

const IMMEDIATE: &str = "BEGIN IMMEDIATE";

/// A read connection, and the keys to what it finds.
pub struct Db {
    connection: Connection,
    vault: Vault,
}

enum Connection {
    Pooled(PoolConnection<Sqlite>),
    Transaction(Transaction<'static, Sqlite>),
}

impl Db {
    /// Only the submodules of this one (and tests) write SQL.
    #[cfg(not(test))]
    fn sql(&mut self) -> &mut SqliteConnection {
        self.connection()
    }

    #[cfg(test)]
    pub fn sql(&mut self) -> &mut SqliteConnection {
        self.connection()
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        match &mut self.connection {
            Connection::Pooled(connection) => connection,
            Connection::Transaction(transaction) => transaction,
        }
    }
}

/// A write transaction; unless committed, it has no effect.
pub struct Tx(Db);

impl Deref for Tx {
    type Target = Db;
    fn deref(&self) -> &Db {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Db {
        &mut self.0
    }
}

impl Tx {
    pub async fn commit(self) -> Result<()> {
        match self.0.connection {
            Connection::Transaction(transaction) => Ok(transaction.commit().await?),
            Connection::Pooled(_) => Ok(()),
        }
    }
}

impl Store {
    pub async fn open(
        data: &Path,
        vault: Vault,
        only_read: bool,
    ) -> std::result::Result<Store, String> {
        let told = |e: sqlx::Error| e.to_string();
        let options = SqliteConnectOptions::new()
            .filename(data.join("claims.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // What was erased is not left in freed pages.
            .pragma("secure_delete", "on")
            .busy_timeout(Duration::from_secs(10));
        if only_read {
            let options = SqliteConnectOptions::new()
                .filename(data.join("claims.sqlite"))
                .read_only(true)
                .busy_timeout(Duration::from_secs(10));
            let read = SqlitePoolOptions::new()
                .max_connections(2)
                .connect_with(options.clone())
                .await
                .map_err(told)?;
            let write = SqlitePoolOptions::new()
                .max_connections(1)
                .connect_lazy_with(options);
            return Ok(Store::of(read, write, vault));
        }
        // If a statement fails midway, SQLite and its driver may disagree on whether a transaction
        // is open (SQLite rolls back by itself on a full disk; an interrupted BEGIN may still have
        // begun one). Such a connection could never begin a transaction again, so it is discarded.
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .after_release(|connection, _| {
                Box::pin(async move {
                    let stray = sqlx::query("ROLLBACK").execute(&mut *connection).await;
                    let none_active = stray.is_err_and(|e| {
                        e.as_database_error()
                            .and_then(|e| e.code())
                            .is_some_and(|code| code == "1")
                    });
                    Ok(none_active && !connection.is_in_transaction())
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(told)?;
        let read = SqlitePoolOptions::new()
            .max_connections(8)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await
            .map_err(told)?;
        let store = Store::of(read, write, vault);
        store.migrate().await?;
        Ok(store)
    }

    fn of(read: SqlitePool, write: SqlitePool, vault: Vault) -> Store {
        Store {
            read,
            write,
            vault,
            secrets: tokio::sync::Mutex::default(),
            others: Gate::new(1, OTHERS_WAITING),
            reports: Semaphore::new(REPORTS_WAITING),
        }
    }

    /// A connection that sees committed data.
    pub async fn read(&self) -> Result<Db> {
        Ok(Db {
            connection: Connection::Pooled(self.read.acquire().await?),
            vault: self.vault.clone(),
        })
    }

    /// The same, for several queries on one state of the database.
    pub async fn read_at_once(&self) -> Result<Db> {
        Ok(Db {
            connection: Connection::Transaction(self.read.begin().await?),
            vault: self.vault.clone(),
        })
    }

    async fn immediate(&self) -> Result<Tx> {
        let connection = Connection::Transaction(self.write.begin_with(IMMEDIATE).await?);
        let mut tx = Tx(Db {
            connection,
            vault: self.vault.clone(),
        });
        keys::follow(&mut tx).await?;
        Ok(tx)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.read).await?;
        Ok(())
    }

    /// For tests that look at rows.
    #[cfg(test)]
    pub fn pool(&self) -> &SqlitePool {
        &self.read
    }

    /// Begins the write transaction of a request; others wait for it.
    ///
    /// # Errors
    /// `rate-limited` if too many are already waiting.
    pub async fn begin(&self) -> Result<Tx> {
        let _turn = self.others.enter().await?;
        self.immediate().await
    }

    /// The same for work that nobody would retry: never refused.
    pub async fn begin_patiently(&self) -> Result<Tx> {
        let _turn = self.others.enter_patiently().await?;
        self.immediate().await
    }

    /// Moves the write-ahead log into the database, so that it holds nothing that was erased. `false`:
    /// somebody has been reading an older state for a minute.
    pub async fn settle(&self) -> Result<bool> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        for _ in 0..60 {
            let _turn = self.others.enter_patiently().await?;
            let (busy, _, _): (i64, i64, i64) = sqlx::query_as(sql).fetch_one(&self.write).await?;
            if busy == 0 {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(false)
    }

    /// The same as [`Store::begin`] for somebody reporting at the roadside, who goes ahead of all these.
    ///
    /// # Errors
    /// `rate-limited` if too many reports are already waiting.
    pub async fn begin_report(&self) -> Result<Tx> {
        let _place = self.reports.try_acquire().map_err(|_| busy(1))?;
        self.immediate().await
    }

    /// Interrupts the write connection once, after `left` of its steps (tests). Never between a
    /// commit and its acknowledgement: SQLite would then deny the commit.
    #[cfg(test)]
    pub async fn interrupt_when(&self, left: std::sync::Arc<std::sync::atomic::AtomicI64>) {
        use std::sync::atomic::{AtomicBool, Ordering};
        let committed = std::sync::Arc::new(AtomicBool::new(false));
        let mut connection = self.write.acquire().await.unwrap();
        let mut handle = connection.lock_handle().await.unwrap();
        let hook = committed.clone();
        handle.set_commit_hook(move || {
            hook.store(true, Ordering::SeqCst);
            true
        });
        handle.set_progress_handler(1, move || {
            committed.swap(false, Ordering::SeqCst) || left.fetch_sub(1, Ordering::SeqCst) != 0
        });
    }

    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// For values whose JSON cannot fail: no maps with non-string keys, no floats.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The failure for a sealed value that cannot be opened: another key, another place, or altered.
fn unopened(what: &str) -> Failure {
    Failure::internal(what, "sealed with another key")
}

/// Parses an opened value.
fn read_json<T: serde::de::DeserializeOwned>(what: &str, text: Option<String>) -> Result<T> {
    let text = text.ok_or_else(|| unopened(what))?;
    serde_json::from_str(&text).map_err(|e| Failure::internal(what, e))
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return busy(2).into();
        }
        // The low byte of SQLite's extended codes: 13 is SQLITE_FULL, 10 SQLITE_IOERR.
        match error
            .as_database_error()
            .and_then(|e| e.code()?.parse().ok())
            .map(|code: u32| code & 0xff)
        {
            Some(13) => ProblemCode::StorageFull.into(),
            Some(10) => storage_failing(error),
            // Another process holds the database.
            Some(5 | 6) => busy(1).into(),
            _ => Failure::internal("database", error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return ProblemCode::StorageFull.into();
        }
        // EIO, which has no kind of its own.
        if error.raw_os_error() == Some(5) {
            return storage_failing(error);
        }
        Failure::internal("file", error)
    }
}

/// The disk reports errors: the operator must know, and the client retries later.
fn storage_failing(error: impl Display) -> Failure {
    tracing::error!(%error, "the disk is failing");
    Problem::after(ProblemCode::StorageFailing, 5).into()
}

//! The schema's version, and a rehearsal of bringing data up to date.

use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;

use super::{Store, disk};
use crate::failure::Failure;

const REHEARSAL: &str = "rehearsal";

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The version that this program works with.
pub fn ours() -> i64 {
    MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0)
}

impl Store {
    /// The version that the database has; 0: it is empty.
    pub async fn version(&self) -> Result<i64, sqlx::Error> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
        let tables: i64 = sqlx::query_scalar(sql).fetch_one(&self.read).await?;
        if tables == 0 {
            return Ok(0);
        }
        let sql = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success";
        sqlx::query_scalar(sql).fetch_one(&self.read).await
    }

    /// Brings the database up to date.
    ///
    /// # Errors
    /// A sentence; then the database is as it was before the first migration that failed.
    pub(super) async fn migrate(&self) -> Result<(), String> {
        let version = self.version().await.map_err(|e| e.to_string())?;
        if version > ours() {
            return Err(newer(version));
        }
        let done = MIGRATIONS.run(&self.write).await;
        done.map_err(|e| format!("it cannot be brought up to date: {e}"))
    }

    /// Whether the database has exactly the version that this program works with.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub async fn is_current(&self) -> Result<(), String> {
        let version = self.version().await.map_err(|e| e.to_string())?;
        match version {
            version if version > ours() => Err(newer(version)),
            version if version < ours() => Err(format!(
                "its schema has version {version}, this program needs {}: `claim-server migrate` brings it up to date, \
                 `claim-server migrate --check` tries that on a copy",
                ours()
            )),
            _ => Ok(()),
        }
    }

    /// A consistent copy of the database, made in one read transaction while writers go on
    /// (sqlite.org/lang_vacuum.html).
    pub async fn copy_to(&self, file: &Path) -> Result<(), String> {
        let db = &mut self.read().await.map_err(Failure::sentence)?;
        sqlx::query("VACUUM INTO ?")
            .bind(file.to_string_lossy().into_owned())
            .execute(db.sql())
            .await
            .map_err(|e| format!("the database cannot be copied: {e}"))?;
        Ok(())
    }

    /// Whether the file is sound, and nothing refers to what is not there.
    ///
    /// # Errors
    /// The first thing that SQLite finds.
    pub async fn is_sound(&self) -> Result<(), String> {
        let told = |e: sqlx::Error| e.to_string();
        let sql = "PRAGMA integrity_check(1)";
        let found: String = sqlx::query_scalar(sql)
            .fetch_one(&self.read)
            .await
            .map_err(told)?;
        if found != "ok" {
            return Err(found);
        }
        let sql = "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1";
        let broken: Option<String> = sqlx::query_scalar(sql)
            .fetch_optional(&self.read)
            .await
            .map_err(told)?;
        broken.map_or(Ok(()), |table| {
            Err(format!("a row of {table} refers to what is not there"))
        })
    }
}

fn newer(version: i64) -> String {
    format!(
        "its schema has version {version}, this program knows only {}: use the newer claim-server",
        ours()
    )
}

/// A data directory for a rehearsal: a copy of the database, and the same files under a second name.
/// Removed when dropped.
pub struct Stage {
    folder: PathBuf,
    _lock: disk::Lock,
}

impl Stage {
    /// # Errors
    /// A sentence for the command line.
    pub async fn set(store: &Store, data: &Path) -> Result<Stage, String> {
        let folder = data.join(REHEARSAL);
        let told = |e: std::io::Error| format!("{}: {e}", folder.display());
        clear_stage(data)?;
        disk::folder(&folder.join("uploads")).map_err(told)?;
        disk::keep_private(&folder).map_err(told)?;
        let stage = Stage {
            _lock: disk::lock(&folder.join("lock"))?,
            folder: folder.clone(),
        };
        let secret = data.join("wechat.secret");
        if secret.is_file() {
            std::fs::copy(secret, folder.join("wechat.secret")).map_err(told)?;
        }
        store.copy_to(&folder.join("claims.sqlite")).await?;
        let Ok(files) = std::fs::read_dir(data.join("uploads")) else {
            return Ok(stage);
        };
        for file in files {
            let file = file.map_err(told)?;
            let to = folder.join("uploads").join(file.file_name());
            match std::fs::hard_link(file.path(), to) {
                // Given up meanwhile.
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(told(e)),
                _ => {}
            }
        }
        Ok(stage)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Removes what a rehearsal left that was killed: it is a whole copy.
///
/// # Errors
/// One is going on, or somebody else made it and only they can remove it.
pub fn clear_stage(data: &Path) -> Result<(), String> {
    let folder = data.join(REHEARSAL);
    if !folder.exists() {
        return Ok(());
    }
    let _alone = disk::lock(&folder.join("lock"))?;
    std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))
}

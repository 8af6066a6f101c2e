//! Machines in branches, enrolled by a code that an operator made.

use claim_domain::Moment;

use super::{Db, Tx};
use crate::failure::Result;
use crate::vault::sha256_hex;

/// An enrolled machine.
pub struct Kiosk {
    pub name: String,
    /// Of its printer: 58, 80, a4.
    pub paper: String,
    /// Without a touch, until it asks.
    pub idle_seconds: u32,
}

/// A new machine, or a known one that is enrolled anew: its old cookie says nothing any more once
/// the code was used.
pub async fn add(tx: &mut Tx, kiosk: &Kiosk, code: &str, until: Moment) -> Result<()> {
    let index = tx.vault.index("kiosk code", code);
    sqlx::query(
        "INSERT INTO kiosk (name, code_hash, code_until, paper, idle_seconds) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (name) DO UPDATE SET code_hash = excluded.code_hash, code_until = excluded.code_until, paper = excluded.paper, idle_seconds = excluded.idle_seconds",
    )
    .bind(&kiosk.name)
    .bind(index)
    .bind(until.0)
    .bind(&kiosk.paper)
    .bind(kiosk.idle_seconds)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Whether there is such a code, used in time or not.
pub async fn is_code(db: &mut Db, code: &str) -> Result<bool> {
    let index = db.vault.index("kiosk code", code);
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM kiosk WHERE code_hash = ?")
        .bind(index)
        .fetch_one(db.sql())
        .await?;
    Ok(known > 0)
}

/// Uses a code up: the machine with this token is the one from now on. Whether the code was good.
pub async fn enrol(tx: &mut Tx, code: &str, token: &str, at: Moment) -> Result<bool> {
    let index = tx.vault.index("kiosk code", code);
    let done = sqlx::query(
        "UPDATE kiosk SET code_hash = NULL, token_hash = ? WHERE code_hash = ? AND code_until > ?",
    )
    .bind(sha256_hex(token.as_bytes()))
    .bind(index)
    .bind(at.0)
    .execute(tx.sql())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The machine with this token.
pub async fn find(db: &mut Db, token: &str) -> Result<Option<Kiosk>> {
    let sql = "SELECT name, paper, idle_seconds FROM kiosk WHERE token_hash = ?";
    let row: Option<(String, String, u32)> = sqlx::query_as(sql)
        .bind(sha256_hex(token.as_bytes()))
        .fetch_optional(db.sql())
        .await?;
    Ok(row.map(|(name, paper, idle_seconds)| Kiosk {
        name,
        paper,
        idle_seconds,
    }))
}

//! Kiosks: machines in branches, enrolled by a code that an operator created.

use claim_domain::Moment;

use super::{Db, Tx};
use crate::failure::Result;
use crate::vault::sha256_hex;

/// An enrolled machine.
pub struct Kiosk {
    pub name: String,
    /// Paper of its printer: 58, 80, a4.
    pub paper: String,
    /// Seconds without a touch before it asks whether anybody is still there.
    pub idle_seconds: u32,
}

/// Adds a kiosk, or enrols a known one again: its old cookie stops working once the code is used.
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

/// Whether such a code exists and is unused, expired or not.
pub async fn is_code(db: &mut Db, code: &str) -> Result<bool> {
    let index = db.vault.index("kiosk code", code);
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM kiosk WHERE code_hash = ?")
        .bind(index)
        .fetch_one(db.sql())
        .await?;
    Ok(known > 0)
}

/// Redeems a code: from now on, the kiosk is the machine with this token. Returns whether the code
/// was valid.
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

/// The kiosk with this token.
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

//! Used links from the insurer's own menu, kept until they would have expired.

use claim_domain::Moment;

use super::Tx;
use crate::failure::Result;
use crate::vault::sha256_hex;

/// Marks a link as used; returns whether it was unused.
pub async fn take(tx: &mut Tx, nonce: &str, expires: Moment) -> Result<bool> {
    let sql = "INSERT OR IGNORE INTO launch (nonce_hash, expires_at) VALUES (?, ?)";
    let fresh = sqlx::query(sql)
        .bind(sha256_hex(nonce.as_bytes()))
        .bind(expires.0)
        .execute(tx.sql())
        .await?;
    Ok(fresh.rows_affected() == 1)
}

/// Removes links that expired before this time: they are refused by their date anyway.
pub async fn expire(tx: &mut Tx, before: Moment) -> Result<()> {
    sqlx::query("DELETE FROM launch WHERE expires_at < ?")
        .bind(before.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

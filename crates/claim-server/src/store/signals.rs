//! Risk signals on claims, and the indexes they are found by. For staff only.

use claim_domain::Moment;
use claim_domain::documents::File;

use super::{Db, Tx};
use crate::failure::Result;

pub async fn add(tx: &mut Tx, claim_id: &str, kind: &str, other: &str, at: Moment) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO signal (claim_id, kind, other, at) VALUES (?, ?, ?, ?)")
        .bind(claim_id)
        .bind(kind)
        .bind(other)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Kind and the other claim's number.
pub async fn of_claim(db: &mut Db, claim_id: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT kind, other FROM signal WHERE claim_id = ? ORDER BY kind, other";
    Ok(sqlx::query_as(sql)
        .bind(claim_id)
        .fetch_all(db.sql())
        .await?)
}

/// Other claims with the same picture, by id and number.
pub async fn with_picture(
    db: &mut Db,
    claim_id: &str,
    file: &File,
) -> Result<Vec<(String, String)>> {
    let sql = "SELECT DISTINCT c.id, c.no FROM document d JOIN claim c ON c.id = d.claim_id WHERE (d.sha256 = ? OR d.original_sha256 = ?) AND c.id <> ? LIMIT 20";
    Ok(sqlx::query_as(sql)
        .bind(&file.sha256)
        .bind(&file.original_sha256)
        .bind(claim_id)
        .fetch_all(db.sql())
        .await?)
}

/// Other claims with the same invoice number, by id and number; records the number for this claim.
pub async fn with_invoice(
    tx: &mut Tx,
    claim_id: &str,
    number: &str,
) -> Result<Vec<(String, String)>> {
    let index = tx.vault.index("invoice", number);
    let sql = "SELECT c.id, c.no FROM invoice i JOIN claim c ON c.id = i.claim_id WHERE i.number_index = ? AND c.id <> ? LIMIT 20";
    let twins = sqlx::query_as(sql)
        .bind(&index)
        .bind(claim_id)
        .fetch_all(tx.sql())
        .await?;
    sqlx::query("INSERT OR IGNORE INTO invoice (number_index, claim_id) VALUES (?, ?)")
        .bind(&index)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(twins)
}

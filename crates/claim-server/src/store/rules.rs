//! The rules by version: a claim keeps the rules it began with to the end.

use super::{Db, Tx};
use crate::failure::Result;

pub async fn keep(tx: &mut Tx, version: &str, json: &str) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO rules (version, json) VALUES (?, ?)")
        .bind(version)
        .bind(json)
        .execute(tx.sql())
        .await?;
    Ok(())
}

pub async fn json(db: &mut Db, version: &str) -> Result<Option<String>> {
    Ok(
        sqlx::query_scalar("SELECT json FROM rules WHERE version = ?")
            .bind(version)
            .fetch_optional(db.sql())
            .await?,
    )
}

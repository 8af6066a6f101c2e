//! Drafts: unfinished reports of signed-in customers, each with its revision (how many times it was
//! saved).

use claim_domain::Moment;
use claim_domain::draft::Draft;
use serde_json::Value;

use super::{Db, Tx, json, read_json};
use crate::failure::Result;

/// The same as on the phone.
const LIVES: i64 = 7 * 86_400;
/// Per customer; beyond this, the oldest is dropped.
const MOST: i64 = 5;

pub(super) fn place(subject: &str, id: &str) -> String {
    format!("draft.sealed/{subject}/{id}")
}

/// One of a subject's drafts; `latest` means the newest.
pub async fn find(db: &mut Db, subject: &str, id: &str, at: Moment) -> Result<Option<Draft>> {
    let row: Option<(String, i64, String)> = sqlx::query_as(
        "SELECT id, rev, sealed FROM draft WHERE subject_id = ?1 AND (id = ?2 OR ?2 = 'latest') AND updated_at > ?3 ORDER BY updated_at DESC, id DESC",
    )
    .bind(subject)
    .bind(id)
    .bind(at.0 - LIVES)
    .fetch_optional(db.sql())
    .await?;
    let Some((id, rev, sealed)) = row else {
        return Ok(None);
    };
    let draft: Draft = read_json("draft", db.vault.open_text(&place(subject, &id), &sealed))?;
    Ok(Some(Draft {
        server_rev: rev,
        ..draft
    }))
}

/// All drafts of a subject, for export.
pub async fn of_subject(db: &mut Db, subject: &str) -> Result<Vec<(String, Value)>> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT id, sealed FROM draft WHERE subject_id = ?")
            .bind(subject)
            .fetch_all(db.sql())
            .await?;
    let opened = |(id, sealed): (String, String)| {
        let text = db
            .vault
            .open_text(&place(subject, &id), &sealed)
            .unwrap_or_default();
        let draft = serde_json::from_str(&text).unwrap_or_default();
        (id, draft)
    };
    Ok(rows.into_iter().map(opened).collect())
}

/// How many times a draft was saved; 0: never.
pub async fn revision(db: &mut Db, subject: &str, id: &str) -> Result<i64> {
    let sql = "SELECT rev FROM draft WHERE subject_id = ? AND id = ?";
    Ok(sqlx::query_scalar(sql)
        .bind(subject)
        .bind(id)
        .fetch_optional(db.sql())
        .await?
        .unwrap_or(0))
}

/// Saves a draft as revision `rev`.
pub async fn keep(tx: &mut Tx, subject: &str, draft: &Draft, rev: i64, at: Moment) -> Result<()> {
    let sealed = tx.vault.seal(&place(subject, &draft.id), &json(draft));
    sqlx::query("INSERT OR REPLACE INTO draft (id, subject_id, rev, sealed, updated_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&draft.id)
        .bind(subject)
        .bind(rev)
        .bind(sealed)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    sqlx::query(
        "DELETE FROM draft WHERE subject_id = ?1 AND id NOT IN (SELECT id FROM draft WHERE subject_id = ?1 ORDER BY updated_at DESC, id DESC LIMIT ?2)",
    )
    .bind(subject)
    .bind(MOST)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Deletes a draft; also called in the transaction that receives the report.
pub async fn forget(tx: &mut Tx, subject: &str, id: &str) -> Result<()> {
    sqlx::query("DELETE FROM draft WHERE subject_id = ? AND id = ?")
        .bind(subject)
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Deletes all drafts of a subject; returns how many.
pub async fn forget_all(tx: &mut Tx, subject: &str) -> Result<u64> {
    Ok(sqlx::query("DELETE FROM draft WHERE subject_id = ?")
        .bind(subject)
        .execute(tx.sql())
        .await?
        .rows_affected())
}

/// Removes abandoned drafts.
pub async fn expire(tx: &mut Tx, at: Moment) -> Result<()> {
    sqlx::query("DELETE FROM draft WHERE updated_at < ?")
        .bind(at.0 - LIVES)
        .execute(tx.sql())
        .await?;
    Ok(())
}

//! One row for each idempotency key, kept for ever with its answer: with no expiry, no report can
//! be filed twice.

use claim_domain::Moment;

use super::{Db, Tx};
use crate::failure::Result;

/// What makes a submission the same as an earlier one.
pub struct Said<'a> {
    pub key: &'a str,
    pub body_hash: &'a str,
    pub secret_hash: Option<String>,
}

/// What is stored for a key.
pub struct Known {
    pub body_hash: String,
    pub reply: String,
    /// The key is this subject's, or they are a party to its claim.
    pub mine: bool,
}

pub async fn find(db: &mut Db, key: &str, subject: &str) -> Result<Option<Known>> {
    let row: Option<(String, String, bool)> = sqlx::query_as(
        "SELECT body_hash, reply, subject_id = ?2 OR EXISTS (SELECT 1 FROM party p WHERE p.claim_id = s.claim_id AND p.subject_id = ?2) FROM submission s WHERE key = ?1",
    )
    .bind(key)
    .bind(subject)
    .fetch_optional(db.sql())
    .await?;
    Ok(row.map(|(body_hash, reply, mine)| Known {
        body_hash,
        reply,
        mine,
    }))
}

/// Whether anybody has used a key.
pub async fn is_used(db: &mut Db, key: &str) -> Result<bool> {
    let sent: Option<i64> = sqlx::query_scalar("SELECT 1 FROM submission WHERE key = ?")
        .bind(key)
        .fetch_optional(db.sql())
        .await?;
    Ok(sent.is_some())
}

/// Another anonymous subject that has submitted exactly this, with the same secret, since this
/// time.
pub async fn lost(
    db: &mut Db,
    said: &Said<'_>,
    subject: &str,
    since: Moment,
) -> Result<Option<String>> {
    Ok(sqlx::query_scalar(
        "SELECT s.subject_id FROM submission s JOIN subject o ON o.id = s.subject_id \
         WHERE s.key = ? AND s.body_hash = ? AND s.secret_hash = ? AND s.created_at > ? AND o.phone_index IS NULL AND o.id <> ?",
    )
    .bind(said.key)
    .bind(said.body_hash)
    .bind(&said.secret_hash)
    .bind(since.0)
    .bind(subject)
    .fetch_optional(db.sql())
    .await?)
}

/// How many submissions a subject has sent since this time.
pub async fn since(db: &mut Db, subject: &str, since: Moment) -> Result<i64> {
    let sql = "SELECT count(*) FROM submission WHERE subject_id = ? AND created_at > ?";
    Ok(sqlx::query_scalar(sql)
        .bind(subject)
        .bind(since.0)
        .fetch_one(db.sql())
        .await?)
}

/// Stores the answer to a key for ever, in the transaction that made it true.
pub async fn add(
    tx: &mut Tx,
    subject: &str,
    said: &Said<'_>,
    claim_id: &str,
    reply: &str,
    at: Moment,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO submission (key, subject_id, body_hash, secret_hash, claim_id, reply, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(said.key)
    .bind(subject)
    .bind(said.body_hash)
    .bind(&said.secret_hash)
    .bind(claim_id)
    .bind(reply)
    .bind(at.0)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// The SHA-256 of the notice that a claim began with.
pub async fn hash_of_notice(db: &mut Db, claim_id: &str) -> Result<String> {
    let sql =
        "SELECT body_hash FROM submission WHERE claim_id = ? ORDER BY created_at, key LIMIT 1";
    let hash: Option<String> = sqlx::query_scalar(sql)
        .bind(claim_id)
        .fetch_optional(db.sql())
        .await?;
    Ok(hash.unwrap_or_default())
}

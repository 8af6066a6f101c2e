//! Links that open one page of one claim without signing in: for people who follow its progress,
//! and for a policyholder to say 这不是我报的. Only the hashes of their secrets are stored.

use claim_api::ProblemCode;
use claim_domain::Moment;

use super::claims::{self, ClaimRow};
use super::{Db, Tx};
use crate::failure::Result;
use crate::vault::sha256_hex;

pub async fn share(
    tx: &mut Tx,
    claim_id: &str,
    secret: &str,
    at: Moment,
    expires: Moment,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO share (token_hash, claim_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
    )
    .bind(sha256_hex(secret.as_bytes()))
    .bind(claim_id)
    .bind(at.0)
    .bind(expires.0)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// The expiry times of a claim's share links that still work.
pub async fn shares(db: &mut Db, claim_id: &str, at: Moment) -> Result<Vec<Moment>> {
    let sql = "SELECT expires_at FROM share WHERE claim_id = ? AND revoked_at IS NULL AND expires_at > ? ORDER BY expires_at";
    let open: Vec<i64> = sqlx::query_scalar(sql)
        .bind(claim_id)
        .bind(at.0)
        .fetch_all(db.sql())
        .await?;
    Ok(open.into_iter().map(Moment).collect())
}

/// Revokes all share links of a claim.
pub async fn revoke_shares(tx: &mut Tx, claim_id: &str, at: Moment) -> Result<()> {
    let sql = "UPDATE share SET revoked_at = ? WHERE claim_id = ? AND revoked_at IS NULL";
    sqlx::query(sql)
        .bind(at.0)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The claim behind a link; `None` once it was revoked or has expired.
///
/// # Errors
/// `not-found` for a link that never existed.
pub async fn shared(db: &mut Db, secret: &str, at: Moment) -> Result<Option<ClaimRow>> {
    let row: Option<(String, i64, Option<i64>)> =
        sqlx::query_as("SELECT claim_id, expires_at, revoked_at FROM share WHERE token_hash = ?")
            .bind(sha256_hex(secret.as_bytes()))
            .fetch_optional(db.sql())
            .await?;
    match row {
        None => Err(ProblemCode::NotFound.into()),
        Some((claim, expires, None)) if expires > at.0 => claims::by_id(db, &claim).await.map(Some),
        Some(_) => Ok(None),
    }
}

/// Adds a link with which a policyholder can say 这不是我报的.
pub async fn add_disown(tx: &mut Tx, claim_id: &str, secret: &str, expires: Moment) -> Result<()> {
    sqlx::query("INSERT INTO disown (token_hash, claim_id, expires_at) VALUES (?, ?, ?)")
        .bind(sha256_hex(secret.as_bytes()))
        .bind(claim_id)
        .bind(expires.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The claim behind such a link.
///
/// # Errors
/// `not-found` if it never existed or has expired.
pub async fn disowned(db: &mut Db, secret: &str, at: Moment) -> Result<ClaimRow> {
    let claim: Option<String> =
        sqlx::query_scalar("SELECT claim_id FROM disown WHERE token_hash = ? AND expires_at > ?")
            .bind(sha256_hex(secret.as_bytes()))
            .bind(at.0)
            .fetch_optional(db.sql())
            .await?;
    claims::by_id(db, &claim.ok_or(ProblemCode::NotFound)?).await
}

//! Other systems that do the work of desks: accounts, tokens, and which commands were carried out.

use claim_domain::Moment;

use super::{Db, Tx};
use crate::failure::Result;
use crate::vault::sha256_hex;

/// An account of another system.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Service {
    pub name: String,
    pub shown_as: String,
    pub scopes: String,
}

/// Adds an account, or changes one: its former secret and tokens end. `false` if the displayed name
/// is somebody else's.
pub async fn keep(tx: &mut Tx, service: &Service, secret: &str) -> Result<bool> {
    let twin: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM service WHERE shown_as = ?1 AND name <> ?2) + (SELECT count(*) FROM staff WHERE shown_as = ?1)")
        .bind(&service.shown_as)
        .bind(&service.name)
        .fetch_one(tx.sql())
        .await?;
    if twin > 0 {
        return Ok(false);
    }
    sqlx::query("INSERT INTO service (name, shown_as, scopes, secret_hash) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET shown_as = excluded.shown_as, scopes = excluded.scopes, secret_hash = excluded.secret_hash, removed_at = NULL")
        .bind(&service.name)
        .bind(&service.shown_as)
        .bind(&service.scopes)
        .bind(sha256_hex(secret.as_bytes()))
        .execute(tx.sql())
        .await?;
    end_tokens(tx, &service.name).await?;
    Ok(true)
}

/// Closes an account and ends its tokens; returns whether there was one.
pub async fn remove(tx: &mut Tx, name: &str, at: Moment) -> Result<bool> {
    let done =
        sqlx::query("UPDATE service SET removed_at = ? WHERE name = ? AND removed_at IS NULL")
            .bind(at.0)
            .bind(name)
            .execute(tx.sql())
            .await?;
    end_tokens(tx, name).await?;
    Ok(done.rows_affected() > 0)
}

async fn end_tokens(tx: &mut Tx, name: &str) -> Result<()> {
    sqlx::query("DELETE FROM service_token WHERE service = ?")
        .bind(name)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The account with this name and secret. The secret has 256 random bits, so a fast hash serves.
pub async fn with_secret(db: &mut Db, name: &str, secret: &str) -> Result<Option<Service>> {
    let sql = "SELECT name, shown_as, scopes FROM service WHERE name = ? AND secret_hash = ? AND removed_at IS NULL";
    Ok(sqlx::query_as(sql)
        .bind(name)
        .bind(sha256_hex(secret.as_bytes()))
        .fetch_optional(db.sql())
        .await?)
}

/// The account that this token was given to, while it is valid.
pub async fn with_token(db: &mut Db, token: &str, at: Moment) -> Result<Option<Service>> {
    let sql = "SELECT s.name, s.shown_as, s.scopes FROM service s JOIN service_token t ON t.service = s.name WHERE t.hash = ? AND t.until > ? AND s.removed_at IS NULL";
    Ok(sqlx::query_as(sql)
        .bind(sha256_hex(token.as_bytes()))
        .bind(at.0)
        .fetch_optional(db.sql())
        .await?)
}

pub async fn keep_token(
    tx: &mut Tx,
    name: &str,
    token: &str,
    until: Moment,
    at: Moment,
) -> Result<()> {
    sqlx::query("DELETE FROM service_token WHERE until <= ?")
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    sqlx::query("INSERT INTO service_token (hash, service, until) VALUES (?, ?, ?)")
        .bind(sha256_hex(token.as_bytes()))
        .bind(name)
        .bind(until.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// What was asked with this key before, as a hash.
pub async fn command(db: &mut Db, service: &str, key: &str) -> Result<Option<String>> {
    let sql = "SELECT request FROM command WHERE service = ? AND key = ?";
    Ok(sqlx::query_scalar(sql)
        .bind(service)
        .bind(key)
        .fetch_optional(db.sql())
        .await?)
}

pub async fn keep_command(
    tx: &mut Tx,
    service: &str,
    key: &str,
    request: &str,
    at: Moment,
) -> Result<()> {
    sqlx::query("INSERT INTO command (service, key, request, at) VALUES (?, ?, ?, ?)")
        .bind(service)
        .bind(key)
        .bind(request)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

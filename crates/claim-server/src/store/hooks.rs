//! Systems that every event is sent to: how far each is, which claims wait, what was given up.

use claim_domain::Moment;

use super::{Db, Tx};
use crate::failure::Result;

/// A system that is told of every event.
#[derive(Debug, sqlx::FromRow)]
pub struct Hook {
    pub name: String,
    pub url: String,
    /// Every event of the feed up to this one was accepted, waits with its claim, or was given up.
    pub done: i64,
    /// How often the next one was sent in vain.
    pub tries: i64,
    pub next_at: i64,
}

/// A claim whose next event a system refuses.
#[derive(Debug, sqlx::FromRow)]
pub struct Held {
    pub claim_id: String,
    /// The refused event's number in the feed.
    pub seq: i64,
    pub tries: i64,
    pub since: i64,
}

/// Adds a system, which is told of everything after `done`; or changes its address.
pub async fn keep(tx: &mut Tx, name: &str, url: &str, done: i64) -> Result<()> {
    sqlx::query("INSERT INTO hook (name, url, done) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET url = excluded.url, tries = 0, next_at = 0")
        .bind(name)
        .bind(url)
        .bind(done)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Forgets a system; returns whether it was there.
pub async fn remove(tx: &mut Tx, name: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM hook WHERE name = ?")
        .bind(name)
        .execute(tx.sql())
        .await?;
    Ok(done.rows_affected() > 0)
}

pub async fn all(db: &mut Db) -> Result<Vec<Hook>> {
    let sql = "SELECT name, url, done, tries, next_at FROM hook ORDER BY name";
    Ok(sqlx::query_as(sql).fetch_all(db.sql()).await?)
}

pub async fn named(db: &mut Db, name: &str) -> Result<Option<Hook>> {
    let sql = "SELECT name, url, done, tries, next_at FROM hook WHERE name = ?";
    Ok(sqlx::query_as(sql)
        .bind(name)
        .fetch_optional(db.sql())
        .await?)
}

/// Sends everything after `seq` again, in order; what was held or given up among it, too. Returns
/// whether there is such a system.
pub async fn replay(tx: &mut Tx, name: &str, seq: i64) -> Result<bool> {
    let done =
        sqlx::query("UPDATE hook SET done = min(done, ?), tries = 0, next_at = 0 WHERE name = ?")
            .bind(seq)
            .bind(name)
            .execute(tx.sql())
            .await?;
    for sql in [
        "DELETE FROM hook_held WHERE hook = ? AND seq > ?",
        "DELETE FROM hook_dead WHERE hook = ? AND seq > ?",
    ] {
        sqlx::query(sql)
            .bind(name)
            .bind(seq)
            .execute(tx.sql())
            .await?;
    }
    Ok(done.rows_affected() > 0)
}

/// Records how far a system is, and when its next event is due. `false`, and nothing, if it was told
/// to begin again meanwhile.
pub async fn advance(
    tx: &mut Tx,
    hook: &Hook,
    done: i64,
    tries: i64,
    next: Moment,
) -> Result<bool> {
    let sql = "UPDATE hook SET done = ?, tries = ?, next_at = ? WHERE name = ? AND done = ?";
    let moved = sqlx::query(sql)
        .bind(done)
        .bind(tries)
        .bind(next.0)
        .bind(&hook.name)
        .bind(hook.done)
        .execute(tx.sql())
        .await?;
    Ok(moved.rows_affected() > 0)
}

/// Whether a claim's events wait.
pub async fn is_held(db: &mut Db, name: &str, claim_id: &str) -> Result<bool> {
    let sql = "SELECT count(*) FROM hook_held WHERE hook = ? AND claim_id = ?";
    let held: i64 = sqlx::query_scalar(sql)
        .bind(name)
        .bind(claim_id)
        .fetch_one(db.sql())
        .await?;
    Ok(held > 0)
}

/// Claims whose next event is due to be sent again.
pub async fn held(db: &mut Db, name: &str, at: Moment) -> Result<Vec<Held>> {
    let sql = "SELECT claim_id, seq, tries, since FROM hook_held WHERE hook = ? AND next_at <= ? ORDER BY next_at LIMIT 100";
    Ok(sqlx::query_as(sql)
        .bind(name)
        .bind(at.0)
        .fetch_all(db.sql())
        .await?)
}

/// Holds a claim back at this event.
pub async fn hold(tx: &mut Tx, name: &str, held: &Held, next: Moment) -> Result<()> {
    sqlx::query("INSERT INTO hook_held (hook, claim_id, seq, tries, next_at, since) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(name)
        .bind(&held.claim_id)
        .bind(held.seq)
        .bind(held.tries)
        .bind(next.0)
        .bind(held.since)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Records how far a held claim is, unless it was let go meanwhile.
pub async fn keep_held(tx: &mut Tx, name: &str, held: &Held, next: Moment) -> Result<()> {
    let sql = "UPDATE hook_held SET seq = ?, tries = ?, next_at = ?, since = ? WHERE hook = ? AND claim_id = ?";
    sqlx::query(sql)
        .bind(held.seq)
        .bind(held.tries)
        .bind(next.0)
        .bind(held.since)
        .bind(name)
        .bind(&held.claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The claim has caught up.
pub async fn release(tx: &mut Tx, name: &str, claim_id: &str) -> Result<()> {
    sqlx::query("DELETE FROM hook_held WHERE hook = ? AND claim_id = ?")
        .bind(name)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Gives an event up, until an operator sends it again.
pub async fn give_up(tx: &mut Tx, name: &str, seq: i64, at: Moment, reason: &str) -> Result<()> {
    sqlx::query("INSERT OR REPLACE INTO hook_dead (hook, seq, at, reason) VALUES (?, ?, ?, ?)")
        .bind(name)
        .bind(seq)
        .bind(at.0)
        .bind(reason)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Events that were given up: their number, when, why.
pub async fn dead(db: &mut Db, name: &str) -> Result<Vec<(i64, Moment, String)>> {
    let sql = "SELECT seq, at, reason FROM hook_dead WHERE hook = ? ORDER BY seq";
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(sql).bind(name).fetch_all(db.sql()).await?;
    Ok(rows
        .into_iter()
        .map(|(seq, at, reason)| (seq, Moment(at), reason))
        .collect())
}

/// How many claims wait, and how many events were given up.
pub async fn waiting(db: &mut Db, name: &str) -> Result<(i64, i64)> {
    let sql = "SELECT (SELECT count(*) FROM hook_held WHERE hook = ?1), (SELECT count(*) FROM hook_dead WHERE hook = ?1)";
    Ok(sqlx::query_as(sql).bind(name).fetch_one(db.sql()).await?)
}

//! How much waits where, for the operator's metrics.

use claim_domain::Moment;

use super::Db;
use crate::failure::Result;

/// One look at everything that waits.
pub struct Depths {
    /// Claims by stage.
    pub claims: Vec<(String, i64)>,
    /// Claims whose events or deadlines nobody has looked at, although they are due.
    pub overdue: i64,
    pub messages: i64,
    /// Seconds since the oldest message that is due was queued.
    pub oldest_message: i64,
    pub messages_failed: i64,
    pub uploads: i64,
    /// Bytes of the database.
    pub database: i64,
    /// Newest number of the feed.
    pub feed: i64,
}

/// Measures everything in one view of the database.
pub async fn measured(db: &mut Db, at: Moment) -> Result<Depths> {
    let claims =
        sqlx::query_as("SELECT stage, count(*) FROM claim WHERE erased_at IS NULL GROUP BY stage")
            .fetch_all(db.sql())
            .await?;
    // The attendant looks every two seconds.
    let overdue = "SELECT count(*) FROM claim WHERE due_at <= ?";
    let waiting = "SELECT count(*), coalesce(?1 - min(created_at), 0) FROM message WHERE state = 'queued' AND next_at <= ?1";
    let (messages, oldest_message) = sqlx::query_as(waiting)
        .bind(at.0)
        .fetch_one(db.sql())
        .await?;
    let overdue = sqlx::query_scalar(overdue)
        .bind(at.0 - 60)
        .fetch_one(db.sql())
        .await?;
    let mut one = async |sql: &'static str| -> Result<i64> {
        Ok(sqlx::query_scalar(sql).fetch_one(db.sql()).await?)
    };
    Ok(Depths {
        claims,
        overdue,
        messages,
        oldest_message,
        messages_failed: one("SELECT count(*) FROM message WHERE state = 'failed'").await?,
        uploads: one("SELECT count(*) FROM upload WHERE claim_id IS NULL").await?,
        database: one("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .await?,
        feed: one("SELECT coalesce(max(seq), 0) FROM feed").await?,
    })
}

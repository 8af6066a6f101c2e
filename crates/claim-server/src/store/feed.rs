//! Every event of every claim in one order, as other systems read them. `events` writes it.

use claim_domain::lifecycle::Event;

use super::{Db, events};
use crate::failure::Result;

/// One event in the feed.
pub struct Entry {
    /// Rises with every event; there may be gaps.
    pub seq: i64,
    pub claim_id: String,
    pub event: Event,
}

/// Up to `most` events after `seq`, in order; of one claim if it is given. Those of erased claims are
/// left out.
pub async fn after(db: &mut Db, seq: i64, claim_id: Option<&str>, most: u32) -> Result<Vec<Entry>> {
    let sql = match claim_id {
        Some(_) => {
            "SELECT seq, claim_id, event_seq FROM feed WHERE seq > ?1 AND claim_id = ?3 \
             AND claim_id NOT IN (SELECT id FROM claim WHERE erased_at IS NOT NULL) ORDER BY seq LIMIT ?2"
        }
        None => {
            "SELECT seq, claim_id, event_seq FROM feed WHERE seq > ?1 \
             AND claim_id NOT IN (SELECT id FROM claim WHERE erased_at IS NOT NULL) ORDER BY seq LIMIT ?2"
        }
    };
    let rows: Vec<(i64, String, u32)> = sqlx::query_as(sql)
        .bind(seq)
        .bind(most)
        .bind(claim_id)
        .fetch_all(db.sql())
        .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for (seq, claim_id, event_seq) in rows {
        let event = events::one(db, &claim_id, event_seq).await?;
        entries.push(Entry {
            seq,
            claim_id,
            event,
        });
    }
    Ok(entries)
}

/// The number of the newest event; 0 if there is none.
pub async fn newest(db: &mut Db) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM feed")
        .fetch_one(db.sql())
        .await?)
}

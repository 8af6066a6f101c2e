//! The log of each claim. Events are added and read, never changed; each carries the hash of the
//! one before.

use claim_domain::lifecycle::{Claim, Event, EventKind};
use claim_domain::{Lob, Moment};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::claims;
use super::snapshot::{self, Snapshot};
use super::{Db, Tx, json};
use crate::failure::{Failure, Result};
use crate::vault::{DataKey, sha256_hex};

fn event_of(key: &DataKey, claim_id: &str, row: &SqliteRow) -> Result<Event> {
    let read = |what: &str, e: serde_json::Error| Failure::internal(what, e);
    let seq: u32 = row.try_get("seq")?;
    // `kind:sealed`
    let sealed = row
        .try_get::<&str, _>("what")?
        .split_once(':')
        .map_or("", |(_, sealed)| sealed);
    let what = key
        .open(&place(claim_id, seq), sealed)
        .ok_or_else(|| super::unopened("event"))?;
    Ok(Event {
        seq,
        at: Moment(row.try_get("at")?),
        actor: serde_json::from_str(row.try_get("actor")?).map_err(|e| read("actor", e))?,
        what: serde_json::from_str(&what)
            .or_else(|e| former(&what).ok_or(e))
            .map_err(|e| read("event", e))?,
    })
}

pub(crate) fn place(claim_id: &str, seq: u32) -> String {
    format!("event.what/{claim_id}/{seq}")
}

/// Reads an event in the format from before claims had several payees and decisions several lines.
fn former(text: &str) -> Option<EventKind> {
    let mut what: serde_json::Value = serde_json::from_str(text).ok()?;
    let named = what.get("payee-named")?;
    let payee = serde_json::json!({ "no": 1, "kind": "insured", "holder": named["holder"], "last4": named["last4"], "share": "equal" });
    what = serde_json::json!({ "payees-named": { "payees": [payee] } });
    serde_json::from_value(what).ok()
}

/// One event of a claim.
pub(super) async fn one(db: &mut Db, claim_id: &str, seq: u32) -> Result<Event> {
    let key = claims::key(db, claim_id).await?;
    let row = sqlx::query("SELECT seq, at, actor, what FROM event WHERE claim_id = ? AND seq = ?")
        .bind(claim_id)
        .bind(seq)
        .fetch_one(db.sql())
        .await?;
    event_of(&key, claim_id, &row)
}

/// The events of one claim after `seq`, in order.
pub async fn after(db: &mut Db, claim_id: &str, seq: u32) -> Result<Vec<Event>> {
    let key = claims::key(db, claim_id).await?;
    let rows = sqlx::query(
        "SELECT seq, at, actor, what FROM event WHERE claim_id = ? AND seq > ? ORDER BY seq",
    )
    .bind(claim_id)
    .bind(seq)
    .fetch_all(db.sql())
    .await?;
    rows.iter()
        .map(|row| event_of(&key, claim_id, row))
        .collect()
}

/// The snapshot of a claim's log: the stored one if it is current, otherwise a rebuilt one.
pub async fn snapshot(db: &mut Db, claim_id: &str, lob: Lob) -> Result<Snapshot> {
    match snapshot::kept(db, claim_id).await? {
        Some(kept) => Ok(kept),
        None => Ok(Snapshot::replay(lob, &after(db, claim_id, 0).await?)),
    }
}

/// The current state of a claim.
pub async fn state(db: &mut Db, claim_id: &str, lob: Lob) -> Result<Claim> {
    Ok(snapshot(db, claim_id, lob).await?.claim)
}

/// Number and hash of the newest event.
pub async fn head(db: &mut Db, claim_id: &str) -> Result<(u32, String)> {
    let sql = "SELECT seq, hash FROM event WHERE claim_id = ? ORDER BY seq DESC LIMIT 1";
    Ok(sqlx::query_as(sql)
        .bind(claim_id)
        .fetch_optional(db.sql())
        .await?
        .unwrap_or_default())
}

/// Adds an event and stores the resulting `snapshot`. `beside`: the SHA-256 of data stored
/// elsewhere together with the event.
pub async fn add(
    tx: &mut Tx,
    claim_id: &str,
    event: &Event,
    snapshot: &Snapshot,
    beside: &str,
) -> Result<()> {
    let key = claims::key(tx, claim_id).await?;
    let sealed = key.seal(&place(claim_id, event.seq), &json(&event.what));
    let (actor, what) = (
        json(&event.actor),
        format!("{}:{sealed}", event.what.kind().as_str()),
    );
    let (_, before) = head(tx, claim_id).await?;
    sqlx::query("INSERT INTO event (claim_id, seq, at, actor, what, hash, beside) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(claim_id)
        .bind(event.seq)
        .bind(event.at.0)
        .bind(&actor)
        .bind(&what)
        .bind(link(&before, claim_id, event.seq, event.at, &actor, &what, beside))
        .bind(beside)
        .execute(tx.sql())
        .await?;
    // Its place in the feed. Writes take turns, so a lower number is never seen after a higher one.
    sqlx::query("INSERT INTO feed (claim_id, event_seq) VALUES (?, ?)")
        .bind(claim_id)
        .bind(event.seq)
        .execute(tx.sql())
        .await?;
    sqlx::query("UPDATE claim SET stage = ?, seq = ?, snapshot_sealed = ? WHERE id = ?")
        .bind(snapshot.claim.stage.as_str())
        .bind(event.seq)
        .bind(snapshot.sealed(&key, claim_id))
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The hash of an event: over the previous hash and its own row, as stored. Verifying needs no key.
pub(super) fn link(
    before: &str,
    claim_id: &str,
    seq: u32,
    at: Moment,
    actor: &str,
    what: &str,
    beside: &str,
) -> String {
    let beside = if beside.is_empty() {
        String::new()
    } else {
        format!("\n{beside}")
    };
    sha256_hex(
        format!(
            "{before}\n{claim_id}\n{seq}\n{}\n{actor}\n{what}{beside}",
            at.0
        )
        .as_bytes(),
    )
}

//! Queued and sent messages, at most one for each event and kind; and which messages people want.

use claim_domain::Moment;
use sqlx::Row;

use super::{Db, Tx};
use crate::failure::Result;

/// Binds a sealed value to its phone, so that no text can go to another one.
pub(crate) fn place(column: &str, phone_index: &str) -> String {
    format!("message.{column}/{phone_index}")
}

/// A message about an event of a claim.
pub struct New<'a> {
    pub claim_id: &'a str,
    pub seq: u32,
    pub kind: &'a str,
    pub phone: &'a str,
    pub text: &'a str,
    /// When it may go out.
    pub next: Moment,
}

/// Queues a message, unless it was queued before.
pub async fn add(tx: &mut Tx, new: &New<'_>, at: Moment) -> Result<()> {
    let index = tx.vault.index("phone", new.phone);
    let (phone, text) = (
        tx.vault.seal(&place("phone", &index), new.phone),
        tx.vault.seal(&place("text", &index), new.text),
    );
    sqlx::query(
        "INSERT OR IGNORE INTO message (phone_sealed, text_sealed, created_at, claim_id, seq, kind, next_at, phone_index) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(phone)
    .bind(text)
    .bind(at.0)
    .bind(new.claim_id)
    .bind(new.seq)
    .bind(new.kind)
    .bind(new.next.0)
    .bind(index)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Queues a sign-in code; it goes out at any hour.
pub async fn add_code(tx: &mut Tx, phone: &str, text: &str, at: Moment) -> Result<()> {
    let index = tx.vault.index("phone", phone);
    let (phone, text) = (
        tx.vault.seal(&place("phone", &index), phone),
        tx.vault.seal(&place("text", &index), text),
    );
    sqlx::query("INSERT INTO message (phone_sealed, text_sealed, created_at, next_at, phone_index) VALUES (?, ?, ?, ?, ?)")
        .bind(phone)
        .bind(text)
        .bind(at.0)
        .bind(at.0)
        .bind(&index)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Messages to a phone that were queued in the last hour and are due or sent: how many, and when
/// the oldest was queued.
pub async fn in_an_hour(db: &mut Db, phone: &str, at: Moment) -> Result<(i64, i64)> {
    let sql = "SELECT count(*), coalesce(min(created_at), 0) FROM message WHERE phone_index = ? AND state <> 'failed' AND created_at > ? AND next_at <= ?";
    let index = db.vault.index("phone", phone);
    Ok(sqlx::query_as(sql)
        .bind(index)
        .bind(at.0 - 3600)
        .bind(at.0)
        .fetch_one(db.sql())
        .await?)
}

/// Messages to a phone in the last day; a waiting one counts from the time it will go out.
pub async fn in_a_day(db: &mut Db, phone: &str, at: Moment) -> Result<i64> {
    let sql = "SELECT count(*) FROM message WHERE phone_index = ? AND state <> 'failed' AND max(created_at, next_at) > ?";
    let index = db.vault.index("phone", phone);
    Ok(sqlx::query_scalar(sql)
        .bind(index)
        .bind(at.0 - 86_400)
        .fetch_one(db.sql())
        .await?)
}

/// When the `nth` message before the newest goes out or went out, among those since an hour ago.
pub async fn nth_before(db: &mut Db, phone: &str, nth: i64, at: Moment) -> Result<Option<i64>> {
    let sql = "SELECT max(created_at, next_at) AS t FROM message WHERE phone_index = ? AND state <> 'failed' AND t > ? ORDER BY t DESC LIMIT 1 OFFSET ?";
    let index = db.vault.index("phone", phone);
    Ok(sqlx::query_scalar(sql)
        .bind(index)
        .bind(at.0 - 3600)
        .bind(nth)
        .fetch_optional(db.sql())
        .await?)
}

/// A message to be sent.
pub struct Queued {
    pub id: i64,
    pub phone: String,
    pub text: String,
    pub kind: String,
    pub tries: i64,
    pub claim_id: Option<String>,
    pub seq: Option<u32>,
}

/// Up to ten messages that are due, codes first: somebody is waiting for those.
pub async fn due(db: &mut Db, at: Moment) -> Result<Vec<Queued>> {
    let rows = sqlx::query("SELECT id, phone_index, phone_sealed, text_sealed, kind, tries, claim_id, seq FROM message WHERE state = 'queued' AND next_at <= ? ORDER BY kind <> 'code', next_at LIMIT 10")
        .bind(at.0)
        .fetch_all(db.sql())
        .await?;
    let queued = |row: &sqlx::sqlite::SqliteRow| {
        let index: &str = row.try_get("phone_index")?;
        let open = |column: &str, sealed: &str| {
            db.vault
                .open_text(&place(column, index), sealed)
                .unwrap_or_default()
        };
        Ok(Queued {
            id: row.try_get("id")?,
            phone: open("phone", row.try_get("phone_sealed")?),
            text: open("text", row.try_get("text_sealed")?),
            kind: row.try_get("kind")?,
            tries: row.try_get("tries")?,
            claim_id: row.try_get("claim_id")?,
            seq: row.try_get("seq")?,
        })
    };
    rows.iter().map(queued).collect()
}

/// Whether a code from before this time is still queued: it is of no use any more.
pub async fn has_late_codes(db: &mut Db, before: Moment) -> Result<bool> {
    let sql =
        "SELECT count(*) FROM message WHERE state = 'queued' AND kind = 'code' AND created_at < ?";
    let late: i64 = sqlx::query_scalar(sql)
        .bind(before.0)
        .fetch_one(db.sql())
        .await?;
    Ok(late > 0)
}

pub async fn give_up_late_codes(tx: &mut Tx, before: Moment) -> Result<()> {
    let sql = "UPDATE message SET state = 'failed' WHERE state = 'queued' AND kind = 'code' AND created_at < ?";
    sqlx::query(sql).bind(before.0).execute(tx.sql()).await?;
    Ok(())
}

pub async fn keep_sent(tx: &mut Tx, id: i64, at: Moment) -> Result<()> {
    sqlx::query("UPDATE message SET state = 'sent', sent_at = ? WHERE id = ?")
        .bind(at.0)
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Records a failed delivery: retried at `next`, or given up if that is `None`.
pub async fn keep_failed(tx: &mut Tx, id: i64, next: Option<Moment>) -> Result<()> {
    sqlx::query("UPDATE message SET tries = tries + 1, state = CASE WHEN ?1 IS NULL THEN 'failed' ELSE 'queued' END, next_at = coalesce(?1, next_at) WHERE id = ?2")
        .bind(next.map(|n| n.0))
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Messages to a phone about the claims of a subject: kind, text, time.
pub async fn of_subject(
    db: &mut Db,
    subject: &str,
    phone: &str,
) -> Result<Vec<(String, Option<String>, Moment)>> {
    let index = db.vault.index("phone", phone);
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT m.text_sealed, m.created_at, m.kind FROM message m JOIN party p ON p.claim_id = m.claim_id WHERE p.subject_id = ? AND m.phone_index = ? ORDER BY m.id")
            .bind(subject)
            .bind(&index)
            .fetch_all(db.sql())
            .await?;
    Ok(rows
        .into_iter()
        .map(|(text, at, kind)| {
            (
                kind,
                db.vault.open_text(&place("text", &index), &text),
                Moment(at),
            )
        })
        .collect())
}

/// The newest fifty messages, for the outbox of a demo: phone, text, time.
pub async fn newest(db: &mut Db) -> Result<Vec<(String, String, Moment)>> {
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as("SELECT phone_index, phone_sealed, text_sealed, created_at FROM message ORDER BY id DESC LIMIT 50")
            .fetch_all(db.sql())
            .await?;
    let open = |column: &str, index: &str, sealed: &str| {
        db.vault
            .open_text(&place(column, index), sealed)
            .unwrap_or_default()
    };
    Ok(rows
        .iter()
        .map(|(index, phone, text, at)| {
            (
                open("phone", index, phone),
                open("text", index, text),
                Moment(*at),
            )
        })
        .collect())
}

/// Deletes the messages sent to a phone; returns how many.
pub async fn forget_sent(tx: &mut Tx, phone: &str) -> Result<u64> {
    let index = tx.vault.index("phone", phone);
    let sql = "DELETE FROM message WHERE phone_index = ? AND state <> 'queued'";
    Ok(sqlx::query(sql)
        .bind(index)
        .execute(tx.sql())
        .await?
        .rows_affected())
}

/// Whether a phone wants messages by day only, and whether it wants optional ones.
pub async fn wishes(db: &mut Db, phone: &str) -> Result<(bool, bool)> {
    let index = db.vault.index("phone", phone);
    let row: Option<(bool, bool)> =
        sqlx::query_as("SELECT by_day, optional FROM preference WHERE phone_index = ?")
            .bind(index)
            .fetch_optional(db.sql())
            .await?;
    Ok(row.unwrap_or((true, true)))
}

pub async fn keep_wishes(tx: &mut Tx, phone: &str, by_day: bool, optional: bool) -> Result<()> {
    let index = tx.vault.index("phone", phone);
    sqlx::query("INSERT INTO preference (phone_index, by_day, optional) VALUES (?, ?, ?) ON CONFLICT (phone_index) DO UPDATE SET by_day = excluded.by_day, optional = excluded.optional")
        .bind(index)
        .bind(by_day)
        .bind(optional)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Deletes the preferences of a phone; returns how many.
pub async fn forget_wishes(tx: &mut Tx, phone: &str) -> Result<u64> {
    let index = tx.vault.index("phone", phone);
    Ok(sqlx::query("DELETE FROM preference WHERE phone_index = ?")
        .bind(index)
        .execute(tx.sql())
        .await?
        .rows_affected())
}

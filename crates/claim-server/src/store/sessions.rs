//! Sessions, the subjects they belong to, and the codes with which people prove that a phone is
//! theirs.

use claim_domain::Moment;

use super::{Db, Tx};
use crate::failure::Result;
use crate::vault::{sha256_hex, token};

/// A stored session; only the hash of its token is known.
pub struct SessionRow {
    pub subject: String,
    pub created_at: i64,
    pub seen_at: i64,
    pub phone: Option<String>,
    pub kiosk: bool,
}

pub(super) fn place(hash: &str) -> String {
    format!("session.phone/{hash}")
}

pub async fn find(db: &mut Db, hash: &str) -> Result<Option<SessionRow>> {
    type Row = (String, i64, i64, Option<String>, bool);
    let sql = "SELECT subject_id, created_at, seen_at, phone_sealed, kiosk FROM session WHERE token_hash = ? AND ended = 0";
    let row: Option<Row> = sqlx::query_as(sql)
        .bind(hash)
        .fetch_optional(db.sql())
        .await?;
    Ok(row.map(|(subject, created_at, seen_at, sealed, kiosk)| {
        let phone = sealed.and_then(|sealed| db.vault.open_text(&place(hash), &sealed));
        SessionRow {
            subject,
            created_at,
            seen_at,
            phone,
            kiosk,
        }
    }))
}

/// The subject of a session, and whether it has ended; `None` if it was never stored.
pub async fn fate(db: &mut Db, hash: &str) -> Result<Option<(String, bool)>> {
    let sql = "SELECT subject_id, ended FROM session WHERE token_hash = ?";
    Ok(sqlx::query_as(sql)
        .bind(hash)
        .fetch_optional(db.sql())
        .await?)
}

/// Adds a subject without a proved phone.
pub async fn add_subject(tx: &mut Tx, subject: &str, at: Moment) -> Result<()> {
    sqlx::query("INSERT INTO subject (id, created_at) VALUES (?, ?)")
        .bind(subject)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The subject of a phone, created the first time.
pub async fn subject_of_phone(tx: &mut Tx, phone: &str, at: Moment) -> Result<String> {
    let index = tx.vault.index("phone", phone);
    let known: Option<String> = sqlx::query_scalar("SELECT id FROM subject WHERE phone_index = ?")
        .bind(&index)
        .fetch_optional(tx.sql())
        .await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let subject = token();
    sqlx::query("INSERT INTO subject (id, phone_index, created_at) VALUES (?, ?, ?)")
        .bind(&subject)
        .bind(&index)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(subject)
}

/// Whether anybody has signed in with this phone: then its owner exists and wants our messages.
pub async fn has_answered(db: &mut Db, phone: &str) -> Result<bool> {
    let index = db.vault.index("phone", phone);
    let found: i64 = sqlx::query_scalar("SELECT count(*) FROM subject WHERE phone_index = ?")
        .bind(index)
        .fetch_one(db.sql())
        .await?;
    Ok(found > 0)
}

pub async fn add(
    tx: &mut Tx,
    hash: &str,
    subject: &str,
    phone: Option<&str>,
    kiosk: bool,
    at: Moment,
) -> Result<()> {
    let sealed = phone.map(|phone| tx.vault.seal(&place(hash), phone));
    sqlx::query("INSERT INTO session (token_hash, subject_id, created_at, seen_at, phone_sealed, kiosk) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(hash)
        .bind(subject)
        .bind(at.0)
        .bind(at.0)
        .bind(sealed)
        .bind(kiosk)
        .execute(tx.sql())
        .await?;
    Ok(())
}

pub async fn keep_seen(tx: &mut Tx, hash: &str, at: Moment) -> Result<()> {
    sqlx::query("UPDATE session SET seen_at = ? WHERE token_hash = ?")
        .bind(at.0)
        .bind(hash)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Ends a session for good: its row stays, so that its token is never used again. Returns whether
/// it was at a kiosk.
pub async fn end(tx: &mut Tx, hash: &str) -> Result<bool> {
    let kiosk: Option<bool> = sqlx::query_scalar(
        "UPDATE session SET ended = 1, phone_sealed = NULL WHERE token_hash = ? RETURNING kiosk",
    )
    .bind(hash)
    .fetch_optional(tx.sql())
    .await?;
    Ok(kiosk.unwrap_or(false))
}

/// Moves what one subject had to another.
pub async fn hand_over(tx: &mut Tx, from: &str, to: &str) -> Result<()> {
    for sql in [
        "UPDATE OR IGNORE party SET subject_id = ? WHERE subject_id = ?",
        "UPDATE upload SET subject_id = ? WHERE subject_id = ?",
        "UPDATE submission SET subject_id = ? WHERE subject_id = ?",
    ] {
        sqlx::query(sql)
            .bind(to)
            .bind(from)
            .execute(tx.sql())
            .await?;
    }
    Ok(())
}

/// What codes are counted by.
#[derive(Clone, Copy)]
pub enum CountedBy<'a> {
    Phone(&'a str),
    Session(&'a str),
    Network(&'a str),
}

/// How many codes were sent to a phone in a day. Codes from the future count too: the clock was set
/// back.
pub async fn codes_a_day(db: &mut Db, phone: &str, at: Moment) -> Result<i64> {
    let index = db.vault.index("phone", phone);
    let sql = "SELECT count(*) FROM otp WHERE phone_index = ? AND sent_at > ?";
    Ok(sqlx::query_scalar(sql)
        .bind(index)
        .bind(at.0 - 86_400)
        .fetch_one(db.sql())
        .await?)
}

/// How many codes were sent in the last `seconds`, and when the oldest of them was.
pub async fn codes(db: &mut Db, by: CountedBy<'_>, seconds: i64, at: Moment) -> Result<(i64, i64)> {
    let (sql, value) = match by {
        CountedBy::Phone(phone) => (
            "SELECT count(*), coalesce(min(sent_at), 0) FROM otp WHERE phone_index = ? AND sent_at > ? AND sent_at <= ?",
            db.vault.index("phone", phone),
        ),
        CountedBy::Session(hash) => (
            "SELECT count(*), coalesce(min(sent_at), 0) FROM otp WHERE session_hash = ? AND sent_at > ? AND sent_at <= ?",
            hash.to_owned(),
        ),
        CountedBy::Network(network) => (
            "SELECT count(*), coalesce(min(sent_at), 0) FROM otp WHERE network = ? AND sent_at > ? AND sent_at <= ?",
            network.to_owned(),
        ),
    };
    Ok(sqlx::query_as(sql)
        .bind(value)
        .bind(at.0 - seconds)
        .bind(at.0)
        .fetch_one(db.sql())
        .await?)
}

fn hmac_of_code(db: &Db, phone_index: &str, session: &str, code: &str) -> String {
    db.vault
        .index(&format!("code {phone_index} {session}"), code)
}

/// Adds a code for this phone, valid only in this session.
pub async fn add_code(
    tx: &mut Tx,
    phone: &str,
    session: &str,
    network: &str,
    code: &str,
    at: Moment,
) -> Result<()> {
    let index = tx.vault.index("phone", phone);
    let hmac = hmac_of_code(tx, &index, session, code);
    sqlx::query("INSERT INTO otp (phone_index, session_hash, network, code_hmac, sent_at) VALUES (?, ?, ?, ?, ?)")
        .bind(index)
        .bind(session)
        .bind(network)
        .bind(hmac)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The outcome of a code that somebody typed in.
pub enum Tried {
    /// No code is open for this phone and session.
    None,
    Wrong {
        tries: i64,
    },
    Right,
}

/// Counts a try of the newest open code. The right code works once, and not after `most` tries.
pub async fn try_code(
    tx: &mut Tx,
    phone: &str,
    session: &str,
    code: &str,
    lives: i64,
    most: i64,
    at: Moment,
) -> Result<Tried> {
    let index = tx.vault.index("phone", phone);
    let row: Option<(i64, String, i64)> = sqlx::query_as("SELECT id, code_hmac, tries FROM otp WHERE phone_index = ? AND session_hash = ? AND used = 0 AND sent_at > ? AND sent_at <= ? ORDER BY sent_at DESC, id DESC LIMIT 1")
        .bind(&index)
        .bind(session)
        .bind(at.0 - lives)
        .bind(at.0)
        .fetch_optional(tx.sql())
        .await?;
    let Some((id, right, tries)) = row else {
        return Ok(Tried::None);
    };
    // Both sides are HMACs, so the timing of the comparison reveals nothing about the code.
    let good = hmac_of_code(tx, &index, session, code) == right && tries < most;
    sqlx::query("UPDATE otp SET tries = tries + 1, used = ? WHERE id = ?")
        .bind(i64::from(good))
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(if good {
        Tried::Right
    } else {
        Tried::Wrong { tries: tries + 1 }
    })
}

/// Deletes the codes sent to a phone; returns how many.
pub async fn forget_codes(tx: &mut Tx, phone: &str) -> Result<u64> {
    let index = tx.vault.index("phone", phone);
    Ok(sqlx::query("DELETE FROM otp WHERE phone_index = ?")
        .bind(index)
        .execute(tx.sql())
        .await?
        .rows_affected())
}

/// How long sent messages, codes included, are kept: people may ask about them.
const KEPT: i64 = 180 * 86_400;

/// Removes sessions unused for `idle` seconds, subjects with nothing left, and old codes and
/// messages.
pub async fn expire(tx: &mut Tx, idle: i64, at: Moment) -> Result<()> {
    let at = at.0;
    for (sql, before) in [
        ("DELETE FROM session WHERE seen_at < ?1", at - idle),
        (
            "DELETE FROM session WHERE phone_sealed IS NOT NULL AND (seen_at < ?1 OR created_at < ?1 - 11 * 3600)",
            at - 3600,
        ),
        ("DELETE FROM otp WHERE sent_at < ?1", at - 2 * 86_400),
        ("DELETE FROM wrong_password WHERE at < ?1", at - 86_400),
        (
            "DELETE FROM message WHERE created_at < ?1 AND state <> 'queued' AND (claim_id IS NULL OR claim_id IN (SELECT id FROM claim WHERE stage = 'archived'))",
            at - KEPT,
        ),
        (
            "DELETE FROM subject WHERE created_at < ?1 AND phone_index IS NULL \
             AND NOT EXISTS (SELECT 1 FROM session x WHERE x.subject_id = subject.id) \
             AND NOT EXISTS (SELECT 1 FROM party x WHERE x.subject_id = subject.id) \
             AND NOT EXISTS (SELECT 1 FROM submission x WHERE x.subject_id = subject.id) \
             AND NOT EXISTS (SELECT 1 FROM upload x WHERE x.subject_id = subject.id)",
            at - 3600,
        ),
    ] {
        sqlx::query(sql).bind(before).execute(tx.sql()).await?;
    }
    Ok(())
}

/// The hash under which a token is stored.
pub fn hash(token: &str) -> String {
    sha256_hex(token.as_bytes())
}

//! Handoffs between a kiosk and a phone, by a one-time secret shown as a QR code.

use claim_api::{Parcel, Ticket};
use claim_domain::Moment;

use super::{Db, Tx, json, read_json};
use crate::failure::Result;
use crate::vault::sha256_hex;

pub(super) fn place(column: &str, id: &str) -> String {
    format!("handoff.{column}/{id}")
}

/// Deletes the handoffs of a kiosk that nobody has taken.
pub async fn forget_open(tx: &mut Tx, kiosk: &str) -> Result<()> {
    sqlx::query("DELETE FROM handoff WHERE kiosk = ? AND taken_by IS NULL")
        .bind(kiosk)
        .execute(tx.sql())
        .await?;
    Ok(())
}

pub async fn add(
    tx: &mut Tx,
    id: &str,
    secret: &str,
    kiosk: &str,
    parcel: Option<&Parcel>,
    expires: Moment,
) -> Result<()> {
    let sealed = parcel.map(|parcel| tx.vault.seal(&place("parcel", id), &json(parcel)));
    sqlx::query("INSERT INTO handoff (id, secret_hash, kiosk, parcel_sealed, expires_at) VALUES (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(sha256_hex(secret.as_bytes()))
        .bind(kiosk)
        .bind(sealed)
        .bind(expires.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The state of a handoff, for the kiosk that shows it.
pub struct Shown {
    pub taken: bool,
    pub done: bool,
    pub expires_at: Moment,
    pub ticket: Option<Ticket>,
}

pub async fn show(db: &mut Db, id: &str, kiosk: &str) -> Result<Option<Shown>> {
    let row: Option<(Option<String>, bool, i64, Option<String>)> = sqlx::query_as(
        "SELECT taken_by, done, expires_at, ticket_sealed FROM handoff WHERE id = ? AND kiosk = ?",
    )
    .bind(id)
    .bind(kiosk)
    .fetch_optional(db.sql())
    .await?;
    Ok(row.map(|(taken, done, expires, ticket)| {
        let ticket = ticket.and_then(|sealed| {
            serde_json::from_str(&db.vault.open_text(&place("ticket", id), &sealed)?).ok()
        });
        Shown {
            taken: taken.is_some(),
            done,
            expires_at: Moment(expires),
            ticket,
        }
    }))
}

/// A handoff found by its secret.
pub struct Found {
    pub id: String,
    pub parcel: Option<Parcel>,
    /// The subject that has redeemed it.
    pub taken_by: Option<String>,
    pub expires_at: Moment,
    pub done: bool,
}

pub async fn by_secret(db: &mut Db, secret: &str) -> Result<Option<Found>> {
    type Row = (String, Option<String>, Option<String>, i64, bool);
    let sql =
        "SELECT id, parcel_sealed, taken_by, expires_at, done FROM handoff WHERE secret_hash = ?";
    let row: Option<Row> = sqlx::query_as(sql)
        .bind(sha256_hex(secret.as_bytes()))
        .fetch_optional(db.sql())
        .await?;
    let Some((id, sealed, taken_by, expires, done)) = row else {
        return Ok(None);
    };
    let parcel = match sealed {
        Some(sealed) => Some(read_json(
            "parcel",
            db.vault.open_text(&place("parcel", &id), &sealed),
        )?),
        None => None,
    };
    Ok(Some(Found {
        id,
        parcel,
        taken_by,
        expires_at: Moment(expires),
        done,
    }))
}

/// Marks a handoff as taken by a subject. Its contents are deleted once they have everything
/// (`done`).
pub async fn take(
    tx: &mut Tx,
    id: &str,
    subject: &str,
    ticket: Option<&Ticket>,
    done: bool,
) -> Result<()> {
    let sealed = ticket.map(|ticket| tx.vault.seal(&place("ticket", id), &json(ticket)));
    sqlx::query("UPDATE handoff SET taken_by = ?, done = ?, ticket_sealed = ?, parcel_sealed = CASE ? WHEN 1 THEN NULL ELSE parcel_sealed END WHERE id = ?")
        .bind(subject)
        .bind(done)
        .bind(sealed)
        .bind(done)
        .bind(id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Removes handoffs that expired before this time.
pub async fn expire(tx: &mut Tx, before: Moment) -> Result<()> {
    sqlx::query("DELETE FROM handoff WHERE expires_at < ?")
        .bind(before.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

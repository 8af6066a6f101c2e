//! The payees of a claim with full account numbers: sealed, and bound by hash to the event that
//! named them.

use claim_api::PayeeEntry;

use super::{Db, Tx, claims, json};
use crate::failure::Result;
use crate::vault::sha256_hex;

pub(super) fn place(claim_id: &str) -> String {
    format!("payee.sealed/{claim_id}")
}

/// The payees with full names and account numbers.
pub async fn whole(db: &mut Db, claim_id: &str) -> Result<Vec<PayeeEntry>> {
    let sealed: Option<String> = sqlx::query_scalar("SELECT sealed FROM payee WHERE claim_id = ?")
        .bind(claim_id)
        .fetch_optional(db.sql())
        .await?;
    let Some(sealed) = sealed else {
        return Ok(Vec::new());
    };
    let text = claims::key(db, claim_id)
        .await?
        .open(&place(claim_id), &sealed)
        .ok_or_else(|| super::unopened("payee"))?;
    // The format from before there could be several (one payee, without a kind) counts as none.
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Names and accounts in the form they are stored.
pub struct Sealed(String);

impl Sealed {
    pub async fn of(db: &mut Db, claim_id: &str, entries: &[PayeeEntry]) -> Result<Sealed> {
        Ok(Sealed(
            claims::key(db, claim_id)
                .await?
                .seal(&place(claim_id), &json(&entries)),
        ))
    }

    /// For the event that names them.
    pub fn sha256(&self) -> String {
        sha256_hex(self.0.as_bytes())
    }
}

/// Stores them, once the event is admitted.
pub async fn keep(tx: &mut Tx, claim_id: &str, sealed: Sealed) -> Result<()> {
    sqlx::query("INSERT INTO payee (claim_id, sealed) VALUES (?, ?) ON CONFLICT (claim_id) DO UPDATE SET sealed = excluded.sealed")
        .bind(claim_id)
        .bind(sealed.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

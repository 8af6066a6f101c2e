//! Who gets the money of a claim, with whole accounts: sealed, and bound to the event that named
//! them by its hash.

use claim_api::PayeeEntry;

use super::{Db, Tx, claims, json};
use crate::failure::Result;
use crate::vault::sha256_hex;

pub(super) fn place(claim_id: &str) -> String {
    format!("payee.sealed/{claim_id}")
}

/// Whole holders and accounts.
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
    // From before there could be several: one, without a kind.
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Holders and accounts as they are written down.
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

/// Keeps them, once the event was admitted.
pub async fn keep(tx: &mut Tx, claim_id: &str, sealed: Sealed) -> Result<()> {
    sqlx::query("INSERT INTO payee (claim_id, sealed) VALUES (?, ?) ON CONFLICT (claim_id) DO UPDATE SET sealed = excluded.sealed")
        .bind(claim_id)
        .bind(sealed.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

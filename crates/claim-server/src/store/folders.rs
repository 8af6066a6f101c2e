//! What people answered, typed and explained besides the files of a claim, and the claim request as
//! it was signed.

use std::collections::BTreeMap;

use claim_domain::Moment;
use claim_domain::documents::{Folder, FormLine, Signature};
use claim_domain::notice::Agreed;
use serde::{Deserialize, Serialize};

use super::{Db, Tx, claims, json, read_json};
use crate::failure::Result;

pub(super) fn place(column: &str, claim_id: &str) -> String {
    format!("folder.{column}/{claim_id}")
}

/// The stored part of a folder, without its files and what we know from the policy.
pub async fn kept(db: &mut Db, claim_id: &str) -> Result<Folder> {
    let sealed: Option<String> = sqlx::query_scalar("SELECT sealed FROM folder WHERE claim_id = ?")
        .bind(claim_id)
        .fetch_optional(db.sql())
        .await?;
    let Some(sealed) = sealed else {
        return Ok(Folder::default());
    };
    let key = claims::key(db, claim_id).await?;
    read_json("folder", key.open(&place("sealed", claim_id), &sealed))
}

/// Stores what was answered, typed and explained.
pub async fn keep(tx: &mut Tx, claim_id: &str, folder: Folder) -> Result<()> {
    let kept = Folder {
        files: Vec::new(),
        asked: BTreeMap::new(),
        on_file: Vec::new(),
        known: BTreeMap::new(),
        payees: BTreeMap::new(),
        ..folder
    };
    let sealed = claims::key(tx, claim_id)
        .await?
        .seal(&place("sealed", claim_id), &json(&kept));
    sqlx::query("INSERT INTO folder (claim_id, sealed) VALUES (?, ?) ON CONFLICT (claim_id) DO UPDATE SET sealed = excluded.sealed")
        .bind(claim_id)
        .bind(sealed)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// What was signed, stored exactly as it was shown (电子签名法第五条).
#[derive(Serialize, Deserialize)]
pub struct Signed {
    pub form: Vec<FormLine>,
    pub signature: Signature,
    pub consents: Vec<Agreed>,
    pub at: Moment,
}

/// The claim request, once there is one.
pub async fn request(db: &mut Db, claim_id: &str) -> Result<Option<Signed>> {
    let sealed: Option<Option<String>> =
        sqlx::query_scalar("SELECT request_sealed FROM folder WHERE claim_id = ?")
            .bind(claim_id)
            .fetch_optional(db.sql())
            .await?;
    let Some(sealed) = sealed.flatten() else {
        return Ok(None);
    };
    let key = claims::key(db, claim_id).await?;
    read_json("request", key.open(&place("request", claim_id), &sealed)).map(Some)
}

/// Stores a claim request; the folder must exist.
pub async fn keep_request(tx: &mut Tx, claim_id: &str, signed: &Signed) -> Result<()> {
    let sealed = claims::key(tx, claim_id)
        .await?
        .seal(&place("request", claim_id), &json(signed));
    sqlx::query("UPDATE folder SET request_sealed = ? WHERE claim_id = ?")
        .bind(sealed)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

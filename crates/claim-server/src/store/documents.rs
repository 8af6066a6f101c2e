//! Files submitted for a claim: what was measured on each, and the verdict. Their bytes are in
//! [`super::uploads`].

use claim_api::DocumentView;
use claim_domain::Moment;
use claim_domain::checks::Doubt;
use claim_domain::documents::{File, Format};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Db, Tx, claims, json};
use crate::failure::{Failure, Result};
use crate::vault::{DataKey, token};

/// A file of a claim.
pub struct Handed {
    pub id: String,
    pub document: String,
    pub upload: String,
    pub sha256: String,
    pub received_at: Moment,
    /// What was measured on it.
    pub file: File,
    /// The verdict as stored, in JSON.
    doubts: String,
}

impl Handed {
    pub fn view(&self) -> Result<DocumentView> {
        Ok(DocumentView {
            id: self.id.clone(),
            document: self.document.clone(),
            format: self.file.format,
            bytes: self.file.bytes,
            sha256: self.sha256.clone(),
            received_at: self.received_at,
            place: self.file.place,
            doubts: serde_json::from_str(&self.doubts)
                .map_err(|e| Failure::internal("verdict", e))?,
        })
    }

    /// A file that has just arrived.
    pub fn new(
        document: &str,
        upload: &str,
        received_at: Moment,
        file: File,
        doubts: &[Doubt],
    ) -> Handed {
        Handed {
            id: token(),
            document: document.to_owned(),
            upload: upload.to_owned(),
            sha256: file.sha256.clone(),
            received_at,
            file,
            doubts: json(&doubts),
        }
    }
}

pub(super) fn place_of_facts(document_id: &str) -> String {
    format!("document.facts/{document_id}")
}

/// All submitted files, in order of arrival.
pub async fn of_claim(db: &mut Db, claim_id: &str) -> Result<Vec<Handed>> {
    let key = claims::key(db, claim_id).await?;
    let sql = "SELECT id, slot, upload_id, bytes, sha256, received_at, facts, doubts FROM document WHERE claim_id = ? ORDER BY rowid";
    let rows = sqlx::query(sql).bind(claim_id).fetch_all(db.sql()).await?;
    rows.iter().map(|row| handed(&key, row)).collect()
}

fn handed(key: &DataKey, row: &SqliteRow) -> Result<Handed> {
    Ok(Handed {
        id: row.try_get("id")?,
        document: row.try_get("slot")?,
        upload: row.try_get("upload_id")?,
        sha256: row.try_get("sha256")?,
        received_at: Moment(row.try_get("received_at")?),
        file: file_of(key, row)?,
        doubts: row.try_get("doubts")?,
    })
}

/// What was found in the file, sealed: reasons, codes and places are personal data.
fn file_of(key: &DataKey, row: &SqliteRow) -> Result<File> {
    let id: &str = row.try_get("id")?;
    let (sha256, facts): (String, Option<String>) = (row.try_get("sha256")?, row.try_get("facts")?);
    let bytes: i64 = row.try_get("bytes")?;
    match facts {
        Some(facts) => {
            let facts = key.open(&place_of_facts(id), &facts).unwrap_or_default();
            let file: File =
                serde_json::from_str(&facts).map_err(|e| Failure::internal("document", e))?;
            Ok(File {
                bytes: bytes.unsigned_abs(),
                ..file
            })
        }
        // Submitted before files were judged.
        None => Ok(File {
            id: sha256[..16].to_owned(),
            document: row.try_get("slot")?,
            format: Format::Jpeg,
            bytes: bytes.unsigned_abs(),
            original_sha256: sha256.clone(),
            sha256,
            taken_at: None,
            place: None,
            look: None,
            pdf: None,
            kept_because: None,
            salvaged: false,
            returned: false,
        }),
    }
}

/// Whether the claim has this file for this document.
pub async fn has(db: &mut Db, claim_id: &str, document: &str, sha256: &str) -> Result<bool> {
    let known: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM document WHERE claim_id = ? AND slot = ? AND sha256 = ?",
    )
    .bind(claim_id)
    .bind(document)
    .bind(sha256)
    .fetch_one(db.sql())
    .await?;
    Ok(known > 0)
}

/// The document a file belongs to, and the upload that holds its bytes.
pub async fn find(db: &mut Db, claim_id: &str, id: &str) -> Result<Option<(String, String)>> {
    let sql = "SELECT slot, upload_id FROM document WHERE claim_id = ? AND id = ?";
    Ok(sqlx::query_as(sql)
        .bind(claim_id)
        .bind(id)
        .fetch_optional(db.sql())
        .await?)
}

/// Adds a file, judged by this version of the rules.
pub async fn add(tx: &mut Tx, claim_id: &str, new: &Handed, rules_version: &str) -> Result<()> {
    let (width, height) = new
        .file
        .look
        .as_ref()
        .map_or((0, 0), |l| (l.width, l.height));
    let facts = claims::key(tx, claim_id)
        .await?
        .seal(&place_of_facts(&new.id), &json(&new.file));
    sqlx::query(
        "INSERT INTO document (id, claim_id, slot, upload_id, sha256, original_sha256, bytes, width, height, received_at, facts, doubts, rules_version) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&new.id)
    .bind(claim_id)
    .bind(&new.document)
    .bind(&new.upload)
    .bind(&new.sha256)
    .bind(&new.file.original_sha256)
    .bind(i64::try_from(new.file.bytes).unwrap_or(i64::MAX))
    .bind(width)
    .bind(height)
    .bind(new.received_at.0)
    .bind(facts)
    .bind(&new.doubts)
    .bind(rules_version)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Erases where photos were taken.
pub async fn forget_places(tx: &mut Tx, claim_id: &str) -> Result<()> {
    let key = claims::key(tx, claim_id).await?;
    for Handed { id, file, .. } in of_claim(tx, claim_id).await? {
        if file.place.is_some() {
            let sealed = key.seal(
                &place_of_facts(&id),
                &json(&File {
                    place: None,
                    ..file
                }),
            );
            sqlx::query("UPDATE document SET facts = ? WHERE id = ?")
                .bind(sealed)
                .bind(id)
                .execute(tx.sql())
                .await?;
        }
    }
    Ok(())
}

/// Files that a subject submitted themselves: ids and hashes.
pub async fn own(db: &mut Db, claim_id: &str, subject: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT d.id, d.sha256 FROM document d JOIN upload u ON u.id = d.upload_id WHERE d.claim_id = ? AND u.subject_id = ?";
    Ok(sqlx::query_as(sql)
        .bind(claim_id)
        .bind(subject)
        .fetch_all(db.sql())
        .await?)
}

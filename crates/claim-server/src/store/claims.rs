//! Claims: the notice that each began with, its data key, and what lists are sorted by.

use std::sync::Arc;

use claim_api::ProblemCode;
use claim_domain::lifecycle::Stage;
use claim_domain::{Day, Lob, Moment, Notice, claim_no};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::parties::{self, Part};
use super::{Db, Tx, json, read_json};
use crate::failure::{Failure, Result};
use crate::vault::DataKey;

/// A claim as it was reported.
pub struct ClaimRow {
    pub id: String,
    pub no: String,
    pub lob: Lob,
    pub incident: String,
    pub reported_at: Moment,
    /// Whether its policy is known.
    pub verified: bool,
    pub rules_version: String,
    pub channel: String,
    pub notice: Notice,
    /// What the caller may see and do.
    pub part: Part,
}

const COLUMNS: &str = "c.id, c.no, c.lob, c.incident, c.reported_at, c.policy_id, c.rules_version, c.channel, c.notice_sealed, c.key_sealed";

/// `SELECT` with the columns of a claim, followed by `rest`. All of it is our own text, fixed at
/// compile time.
fn select(rest: &'static str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("SELECT {COLUMNS}{rest}"))
}

impl ClaimRow {
    fn of(db: &Db, row: &SqliteRow) -> Result<ClaimRow> {
        let id: String = row.try_get("id")?;
        let key = db.vault.claim_key(
            &id,
            row.try_get::<Option<&str>, _>("key_sealed")?
                .unwrap_or_default(),
        );
        let notice =
            key.and_then(|key| key.open(&place_of_notice(&id), row.try_get("notice_sealed").ok()?));
        Ok(ClaimRow {
            id,
            no: row.try_get("no")?,
            lob: lob(row.try_get("lob")?)?,
            incident: row.try_get("incident")?,
            reported_at: Moment(row.try_get("reported_at")?),
            verified: row.try_get::<Option<String>, _>("policy_id")?.is_some(),
            rules_version: row.try_get("rules_version")?,
            channel: row.try_get("channel")?,
            notice: read_json("notice", notice)?,
            part: Part::STAFF,
        })
    }
}

pub(super) fn place_of_notice(claim_id: &str) -> String {
    format!("claim.notice/{claim_id}")
}

/// The line of business as stored; an unknown value means a corrupt database.
pub(super) fn lob(text: &str) -> Result<Lob> {
    Lob::ALL
        .iter()
        .copied()
        .find(|l| l.as_str() == text)
        .ok_or_else(|| Failure::internal("line of business", text))
}

/// The data key of a claim.
pub(crate) async fn key(db: &mut Db, claim_id: &str) -> Result<Arc<DataKey>> {
    if let Some(known) = db.vault.known_key(claim_id) {
        return Ok(known);
    }
    let sealed: Option<Option<String>> =
        sqlx::query_scalar("SELECT key_sealed FROM claim WHERE id = ?")
            .bind(claim_id)
            .fetch_optional(db.sql())
            .await?;
    let key = sealed
        .flatten()
        .and_then(|sealed| db.vault.claim_key(claim_id, &sealed));
    key.ok_or_else(|| Failure::internal("key of a claim", "sealed with another key, or forgotten"))
}

/// The claim `no`, if `subject` is a party to it. Somebody else's claim and an unknown number both
/// give 404.
pub async fn mine(db: &mut Db, subject: &str, no: &str, at: Moment) -> Result<ClaimRow> {
    let no = claim_no::parse(no).ok_or(ProblemCode::NotFound)?;
    let row = sqlx::query(select(
        " FROM claim c JOIN party p ON p.claim_id = c.id WHERE c.no = ? AND p.subject_id = ?",
    ))
    .bind(no)
    .bind(subject)
    .fetch_optional(db.sql())
    .await?;
    let claim = ClaimRow::of(db, &row.ok_or(ProblemCode::NotFound)?)?;
    Ok(ClaimRow {
        part: parties::part(db, &claim.id, subject, at).await?,
        ..claim
    })
}

/// The claims that a subject is a party to, newest first, without those where the right has
/// expired.
pub async fn of_subject(
    db: &mut Db,
    subject: &str,
    at: Moment,
    most: i64,
) -> Result<Vec<ClaimRow>> {
    let rows =
        sqlx::query(select(" FROM claim c JOIN party p ON p.claim_id = c.id WHERE p.subject_id = ? ORDER BY c.reported_at DESC LIMIT ?"))
            .bind(subject)
            .bind(most)
            .fetch_all(db.sql())
            .await?;
    let mut claims = Vec::new();
    for row in &rows {
        let claim = ClaimRow::of(db, row)?;
        let Ok(part) = parties::part(db, &claim.id, subject, at).await else {
            continue;
        };
        claims.push(ClaimRow { part, ..claim });
    }
    Ok(claims)
}

/// The claim with this id, for the insurer.
pub async fn by_id(db: &mut Db, claim_id: &str) -> Result<ClaimRow> {
    let row = sqlx::query(select(" FROM claim c WHERE c.id = ?"))
        .bind(claim_id)
        .fetch_one(db.sql())
        .await?;
    ClaimRow::of(db, &row)
}

/// The claim with this number, for the insurer.
pub async fn by_no(db: &mut Db, no: &str) -> Result<ClaimRow> {
    let no = claim_no::parse(no).ok_or(ProblemCode::NotFound)?;
    let row = sqlx::query(select(
        " FROM claim c WHERE c.no = ? AND c.erased_at IS NULL",
    ))
    .bind(no)
    .fetch_optional(db.sql())
    .await?;
    ClaimRow::of(db, &row.ok_or(ProblemCode::NotFound)?)
}

/// One line of the queue.
pub struct Waiting {
    pub claim: ClaimRow,
    pub stage: String,
    pub overdue: i64,
}

/// Overdue first, then open, then the newest. `search`: a claim number, a plate, or the end of an
/// ID number or policy number.
pub async fn queue(db: &mut Db, search: &str) -> Result<Vec<Waiting>> {
    let rows = sqlx::query(select(
        ", c.stage, c.overdue FROM claim c LEFT JOIN policy p ON p.id = c.policy_id \
         WHERE c.locked_at IS NULL AND c.erased_at IS NULL AND (?1 = '' OR c.no = ?2 OR c.no LIKE '%' || ?1 OR p.plate = ?1 OR p.no LIKE '%' || ?1 OR c.reporter_phone_index = ?3) \
         ORDER BY c.stage IN ('closed', 'archived', 'withdrawn'), c.overdue = 0, c.stage IN ('rejected', 'not-accepted'), c.reported_at DESC LIMIT 200",
    ))
    .bind(search)
    .bind(claim_no::parse(search))
    .bind(db.vault.index("phone", search))
    .fetch_all(db.sql())
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Waiting {
                claim: ClaimRow::of(db, row)?,
                stage: row.try_get("stage")?,
                overdue: row.try_get("overdue")?,
            })
        })
        .collect()
}

/// Claims reported on these days, each with its catastrophe (or an empty string).
pub async fn reported(db: &mut Db, from: Day, to: Day) -> Result<Vec<(ClaimRow, String)>> {
    let rows = sqlx::query(select(
        ", coalesce(c.catastrophe_id, '') AS catastrophe FROM claim c WHERE c.reported_at >= ? AND c.reported_at < ? AND c.erased_at IS NULL ORDER BY c.reported_at",
    ))
    .bind(from.begins().0)
    .bind(to.ends().0)
    .fetch_all(db.sql())
    .await?;
    rows.iter()
        .map(|row| Ok((ClaimRow::of(db, row)?, row.try_get("catastrophe")?)))
        .collect()
}

/// A new claim.
pub struct New<'a> {
    pub id: &'a str,
    pub no: &'a str,
    pub lob: Lob,
    pub notice: &'a Notice,
    pub reported_at: Moment,
    pub policy_id: Option<&'a str>,
    pub rules_version: &'a str,
    pub channel: &'a str,
}

/// Inserts a claim, with a data key of its own.
pub async fn add(tx: &mut Tx, new: &New<'_>) -> Result<()> {
    let phone_index = tx.vault.index("phone", &new.notice.reporter.phone);
    let key = tx.vault.new_claim_key(new.id);
    let sealed = tx
        .vault
        .claim_key(new.id, &key)
        .map(|key| key.seal(&place_of_notice(new.id), &json(new.notice)))
        .unwrap_or_default();
    sqlx::query(
        "INSERT INTO claim (id, no, lob, incident, stage, loss_at, reported_at, notice_sealed, reporter_phone_index, policy_id, rules_version, channel, key_sealed) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id)
    .bind(new.no)
    .bind(new.lob.as_str())
    .bind(&new.notice.incident)
    .bind(Stage::Reported.as_str())
    .bind(new.notice.loss_at.0)
    .bind(new.reported_at.0)
    .bind(sealed)
    .bind(&phone_index)
    .bind(new.policy_id)
    .bind(new.rules_version)
    .bind(new.channel)
    .bind(key)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Whether a claim has this number.
pub async fn is_taken(db: &mut Db, no: &str) -> Result<bool> {
    let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM claim WHERE no = ?")
        .bind(no)
        .fetch_one(db.sql())
        .await?;
    Ok(taken > 0)
}

/// Roughly how many claims there are: the highest row number is close enough, and saves counting.
pub async fn about_how_many(db: &mut Db) -> Result<usize> {
    let claims: i64 = sqlx::query_scalar("SELECT coalesce(max(rowid), 0) FROM claim")
        .fetch_one(db.sql())
        .await?;
    Ok(usize::try_from(claims).unwrap_or_default())
}

/// Stores the corrected notice.
pub async fn keep_notice(tx: &mut Tx, claim_id: &str, notice: &Notice) -> Result<()> {
    let sealed = key(tx, claim_id)
        .await?
        .seal(&place_of_notice(claim_id), &json(notice));
    sqlx::query("UPDATE claim SET notice_sealed = ? WHERE id = ?")
        .bind(sealed)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Records that the claim falls under a catastrophe.
pub async fn keep_catastrophe(tx: &mut Tx, claim_id: &str, catastrophe: &str) -> Result<()> {
    sqlx::query("UPDATE claim SET catastrophe_id = ? WHERE id = ?")
        .bind(catastrophe)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Records the policy that was found, and ends the search for it.
pub async fn keep_policy(tx: &mut Tx, claim_id: &str, policy_id: &str) -> Result<()> {
    sqlx::query("UPDATE claim SET policy_id = ? WHERE id = ?")
        .bind(policy_id)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    sqlx::query("DELETE FROM lookup WHERE claim_id = ?")
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Locks a claim: from now on it is only stored (个人信息保护法第四十七条).
pub async fn lock(tx: &mut Tx, claim_id: &str, at: Moment) -> Result<()> {
    sqlx::query("UPDATE claim SET locked_at = coalesce(locked_at, ?) WHERE id = ?")
        .bind(at.0)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Claims about a subject, by id and number: those they may ask to have erased.
pub async fn about(db: &mut Db, subject: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT c.id, c.no FROM claim c JOIN party p ON p.claim_id = c.id WHERE p.subject_id = ? AND p.role IN ('owner', 'beneficiary', 'reporter') ORDER BY c.no";
    Ok(sqlx::query_as(sql)
        .bind(subject)
        .fetch_all(db.sql())
        .await?)
}

/// Claims with work to do: events not yet processed, or a due time that has passed.
pub async fn due(db: &mut Db, at: Moment) -> Result<Vec<String>> {
    let sql = "SELECT id FROM claim WHERE attended_seq < seq UNION SELECT id FROM claim WHERE due_at <= ? LIMIT 500";
    Ok(sqlx::query_scalar(sql)
        .bind(at.0)
        .fetch_all(db.sql())
        .await?)
}

/// The sequence number up to which a claim's events have been processed.
pub async fn attended(db: &mut Db, claim_id: &str) -> Result<u32> {
    Ok(
        sqlx::query_scalar("SELECT attended_seq FROM claim WHERE id = ?")
            .bind(claim_id)
            .fetch_one(db.sql())
            .await?,
    )
}

/// Records that a claim was processed, when it must be looked at again, and how many of its
/// deadlines have passed.
pub async fn keep_attended(
    tx: &mut Tx,
    claim_id: &str,
    seq: u32,
    due: Option<Moment>,
    overdue: usize,
) -> Result<()> {
    sqlx::query("UPDATE claim SET attended_seq = ?, due_at = ?, overdue = ? WHERE id = ?")
        .bind(seq)
        .bind(due.map(|d| d.0))
        .bind(i64::try_from(overdue).unwrap_or(i64::MAX))
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

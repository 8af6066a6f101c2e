//! What nobody has to keep any longer, and its erasure.
//!
//! Promise: of an erased claim nothing can be read again and nobody is found by it; what remains is
//! its number, kind and stage, and the log sealed with a key that no longer exists, so that every
//! chain and anchor still holds. Freed pages of the database are overwritten (`secure_delete`).

use claim_domain::{Lob, Moment};

use super::{Db, Tx, claims};
use crate::failure::Result;

/// A claim that ended long ago.
pub struct Ended {
    pub id: String,
    pub no: String,
    pub lob: Lob,
    /// Its newest event.
    pub seq: u32,
    pub at: Moment,
    /// The end of its policy's cover.
    pub policy_until: Option<Moment>,
    pub files: i64,
}

/// When anything last happened in any claim.
pub async fn newest(db: &mut Db) -> Result<Moment> {
    let sql = "SELECT coalesce(max(e.at), 0) FROM feed f JOIN event e ON e.claim_id = f.claim_id AND e.seq = f.event_seq WHERE f.seq > (SELECT max(seq) - 100 FROM feed)";
    Ok(Moment(sqlx::query_scalar(sql).fetch_one(db.sql()).await?))
}

/// Claims that are over, whose newest event and whose policy's end are both before a moment.
pub async fn ended(db: &mut Db, before: Moment) -> Result<Vec<Ended>> {
    let sql = "SELECT c.id, c.no, c.lob, e.seq, e.at, p.ends_at, \
               (SELECT count(*) FROM upload u WHERE u.claim_id = c.id) \
               FROM claim c JOIN event e ON e.claim_id = c.id AND e.seq = c.seq \
               LEFT JOIN policy p ON p.id = c.policy_id \
               WHERE c.erased_at IS NULL AND e.at < ?1 AND coalesce(p.ends_at, 0) < ?1 \
               AND c.stage IN ('closed', 'archived', 'not-accepted', 'rejected', 'withdrawn') \
               ORDER BY c.no";
    type Row = (String, String, String, u32, i64, Option<i64>, i64);
    let rows: Vec<Row> = sqlx::query_as(sql)
        .bind(before.0)
        .fetch_all(db.sql())
        .await?;
    let ended = |(id, no, lob, seq, at, until, files): Row| {
        Ok(Ended {
            id,
            no,
            lob: claims::lob(&lob)?,
            seq,
            at: Moment(at),
            policy_until: until.map(Moment),
            files,
        })
    };
    rows.into_iter().map(ended).collect()
}

/// Erases a claim; returns its uploads, whose files can be removed after the commit.
pub async fn erase(tx: &mut Tx, claim_id: &str, at: Moment) -> Result<Vec<String>> {
    let files = sqlx::query_scalar("SELECT id FROM upload WHERE claim_id = ?")
        .bind(claim_id)
        .fetch_all(tx.sql())
        .await?;
    for sql in [
        "DELETE FROM document WHERE claim_id = ?",
        "DELETE FROM upload WHERE claim_id = ?",
        "DELETE FROM folder WHERE claim_id = ?",
        "DELETE FROM payee WHERE claim_id = ?",
        "DELETE FROM proposal WHERE claim_id = ?",
        "DELETE FROM payment WHERE claim_id = ?",
        "DELETE FROM award WHERE claim_id = ?",
        "DELETE FROM message WHERE claim_id = ?",
        "DELETE FROM party WHERE claim_id = ?",
        "DELETE FROM access WHERE claim_id = ?",
        "DELETE FROM share WHERE claim_id = ?",
        "DELETE FROM disown WHERE claim_id = ?",
        "DELETE FROM lookup WHERE claim_id = ?",
        "DELETE FROM signal WHERE claim_id = ?",
        "DELETE FROM invoice WHERE claim_id = ?",
        "DELETE FROM hook_held WHERE claim_id = ?",
        "DELETE FROM hook_dead WHERE seq IN (SELECT seq FROM feed WHERE claim_id = ?)",
        // The key of a report stays used, so that it can never be sent again; who sent it does not.
        "INSERT OR IGNORE INTO subject (id, created_at) SELECT 'erased', 0 WHERE ? IS NOT NULL",
        "UPDATE submission SET subject_id = 'erased', body_hash = '', secret_hash = NULL, reply = '' WHERE claim_id = ?",
    ] {
        sqlx::query(sql).bind(claim_id).execute(tx.sql()).await?;
    }
    let sql = "UPDATE claim SET erased_at = ?1, key_sealed = '', notice_sealed = '', snapshot_sealed = NULL, \
               reporter_phone_index = '', policy_id = NULL, loss_at = 0, attended_seq = seq, due_at = NULL, \
               overdue = 0 WHERE id = ?2";
    sqlx::query(sql)
        .bind(at.0)
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(files)
}

/// Policies that ended before a moment and that no claim needs.
pub async fn old_policies(db: &mut Db, before: Moment) -> Result<Vec<String>> {
    let sql = "SELECT p.id FROM policy p WHERE p.ends_at < ? AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.policy_id = p.id)";
    Ok(sqlx::query_scalar(sql)
        .bind(before.0)
        .fetch_all(db.sql())
        .await?)
}

pub async fn erase_policy(tx: &mut Tx, id: &str) -> Result<()> {
    for sql in [
        "DELETE FROM policy_person WHERE policy_id = ?",
        "DELETE FROM policy WHERE id = ?",
    ] {
        sqlx::query(sql).bind(id).execute(tx.sql()).await?;
    }
    Ok(())
}

/// Forgets phones that have signed in once and of which nothing is left; returns how many.
pub async fn forget_phones(tx: &mut Tx) -> Result<u64> {
    let sql = "DELETE FROM subject WHERE phone_index IS NOT NULL \
               AND NOT EXISTS (SELECT 1 FROM session x WHERE x.subject_id = subject.id) \
               AND NOT EXISTS (SELECT 1 FROM party x WHERE x.subject_id = subject.id) \
               AND NOT EXISTS (SELECT 1 FROM submission x WHERE x.subject_id = subject.id) \
               AND NOT EXISTS (SELECT 1 FROM upload x WHERE x.subject_id = subject.id) \
               AND NOT EXISTS (SELECT 1 FROM draft x WHERE x.subject_id = subject.id) \
               AND NOT EXISTS (SELECT 1 FROM access x WHERE x.phone_index = subject.phone_index)";
    let forgotten = sqlx::query(sql).execute(tx.sql()).await?.rows_affected();
    let sql = "DELETE FROM preference WHERE phone_index NOT IN (SELECT phone_index FROM subject WHERE phone_index IS NOT NULL)";
    sqlx::query(sql).execute(tx.sql()).await?;
    Ok(forgotten)
}

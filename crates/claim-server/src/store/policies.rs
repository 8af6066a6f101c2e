//! Policies, sealed as a whole, with the columns they are found by; and the claims whose policy we
//! are still looking for.

use claim_domain::policy::{Party, Policy};
use claim_domain::{Lob, Moment, Notice};
use sqlx::Row;

use super::{Db, Tx, json, read_json};
use crate::failure::Result;

/// For this many seconds a policy from the insurer's system is trusted without asking again.
const FRESH: i64 = 3600;

pub(super) fn place(id: &str) -> String {
    format!("policy.sealed/{id}")
}

fn opened(db: &Db, id: &str, sealed: &str) -> Result<Option<Policy>> {
    // A row from before policies were stored whole.
    if sealed.is_empty() {
        return Ok(None);
    }
    read_json("policy", db.vault.open_text(&place(id), sealed)).map(Some)
}

/// The policy of a claim.
pub async fn of_claim(db: &mut Db, claim_id: &str) -> Result<Option<Policy>> {
    let found: Option<(String, String)> = sqlx::query_as(
        "SELECT p.id, p.sealed FROM claim c JOIN policy p ON p.id = c.policy_id WHERE c.id = ?",
    )
    .bind(claim_id)
    .fetch_optional(db.sql())
    .await?;
    found.map_or(Ok(None), |(id, sealed)| opened(db, &id, &sealed))
}

/// Policies whose holder or an insured person has this phone: with their ids, and whether each is
/// in force.
pub async fn of_phone(db: &mut Db, phone: &str, at: Moment) -> Result<Vec<(String, Policy, bool)>> {
    let rows = sqlx::query(
        "SELECT DISTINCT p.id, p.no, p.sealed FROM policy_person x JOIN policy p ON p.id = x.policy_id WHERE x.phone_index = ? ORDER BY p.no",
    )
    .bind(db.vault.index("phone", phone))
    .fetch_all(db.sql())
    .await?;
    let mut found = Vec::new();
    for row in &rows {
        if let Some(policy) = opened(db, row.try_get("id")?, row.try_get("sealed")?)? {
            let in_force = policy.covers_moment(at);
            found.push((row.try_get("id")?, policy, in_force));
        }
    }
    Ok(found)
}

/// The policy with this id, if it is this phone's.
pub async fn belongs(db: &mut Db, id: &str, phone: &str) -> Result<Option<Policy>> {
    let sealed: Option<String> = sqlx::query_scalar(
        "SELECT p.sealed FROM policy p JOIN policy_person x ON x.policy_id = p.id WHERE p.id = ? AND x.phone_index = ? LIMIT 1",
    )
    .bind(id)
    .bind(db.vault.index("phone", phone))
    .fetch_optional(db.sql())
    .await?;
    sealed.map_or(Ok(None), |sealed| opened(db, id, &sealed))
}

/// The id of the policy with this number, if it is this phone's.
pub async fn numbered(db: &mut Db, no: &str, phone: &str) -> Result<Option<String>> {
    let sql = "SELECT p.id FROM policy p JOIN policy_person x ON x.policy_id = p.id WHERE p.no = ? AND x.phone_index = ? LIMIT 1";
    let index = db.vault.index("phone", phone);
    Ok(sqlx::query_scalar(sql)
        .bind(no)
        .bind(index)
        .fetch_optional(db.sql())
        .await?)
}

/// The id of the policy with this number that was in force at this time.
pub async fn in_force(db: &mut Db, no: &str, lob: Lob, at: Moment) -> Result<Option<String>> {
    let sql = "SELECT id FROM policy WHERE no = ?1 AND lob = ?2 AND starts_at <= ?3 AND ends_at > ?3 AND sealed <> ''";
    Ok(sqlx::query_scalar(sql)
        .bind(no)
        .bind(lob.as_str())
        .bind(at.0)
        .fetch_optional(db.sql())
        .await?)
}

/// The number of a policy.
pub async fn no(db: &mut Db, id: &str) -> Result<String> {
    Ok(sqlx::query_scalar("SELECT no FROM policy WHERE id = ?")
        .bind(id)
        .fetch_one(db.sql())
        .await?)
}

/// Where we learned of a policy.
#[derive(Clone, Copy)]
pub enum Source {
    File,
    /// The insurer's own system.
    Insurer,
}

/// Stores the current version of a policy, replacing any with the same number. Returns whether it
/// was new.
pub async fn keep(tx: &mut Tx, policy: &Policy, source: Source, at: Moment) -> Result<bool> {
    let id = format!("p-{}", &tx.vault.index("policy", &policy.no)[..32]);
    let known: Option<String> = sqlx::query_scalar("SELECT id FROM policy WHERE no = ?")
        .bind(&policy.no)
        .fetch_optional(tx.sql())
        .await?;
    let fresh = known.is_none();
    let id = known.unwrap_or(id);
    let sealed = tx.vault.seal(&place(&id), &json(policy));
    let vehicle = policy.vehicle.as_ref();
    let plate = vehicle.map(|v| v.plate.as_str()).filter(|p| !p.is_empty());
    let vin = vehicle
        .filter(|v| !v.vin.is_empty())
        .map(|v| tx.vault.index("vin", &v.vin));
    sqlx::query(
        "INSERT INTO policy (id, no, lob, plate, starts_at, ends_at, sealed, vin_index, source, fetched_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (no) DO UPDATE SET lob = excluded.lob, plate = excluded.plate, starts_at = excluded.starts_at, ends_at = excluded.ends_at, \
         sealed = excluded.sealed, vin_index = excluded.vin_index, source = excluded.source, fetched_at = excluded.fetched_at",
    )
    .bind(&id)
    .bind(&policy.no)
    .bind(policy.lob.as_str())
    .bind(plate)
    .bind(policy.from.begins().0)
    .bind(policy.to.ends().0)
    .bind(sealed)
    .bind(vin)
    .bind(match source {
        Source::File => "file",
        Source::Insurer => "insurer",
    })
    .bind(at.0)
    .execute(tx.sql())
    .await?;
    sqlx::query("DELETE FROM policy_person WHERE policy_id = ?")
        .bind(&id)
        .execute(tx.sql())
        .await?;
    let people = std::iter::once(("holder", &policy.holder))
        .chain(policy.insured.iter().map(|p| ("insured", p)));
    for (kind, Party { id_no, phone, .. }) in people {
        let index =
            |purpose: &str, text: &str| (!text.is_empty()).then(|| tx.vault.index(purpose, text));
        let (phone_index, id_no_index) = (index("phone", phone), index("id", id_no));
        sqlx::query("INSERT INTO policy_person (policy_id, kind, phone_index, id_no_index) VALUES (?, ?, ?, ?)")
            .bind(&id)
            .bind(kind)
            .bind(phone_index)
            .bind(id_no_index)
            .execute(tx.sql())
            .await?;
    }
    Ok(fresh)
}

/// The id of the policy that a notice refers to, if it was in force when the loss happened.
pub async fn find(
    db: &mut Db,
    signed_in: Option<&str>,
    notice: &Notice,
    lob: Lob,
) -> Result<Option<String>> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(sqlx::query_scalar(
        "SELECT p.id FROM policy p WHERE p.starts_at <= ?1 AND p.ends_at > ?1 AND p.lob = ?2 AND p.sealed <> '' AND ( \
           (p.id = ?3 AND EXISTS (SELECT 1 FROM policy_person x WHERE x.policy_id = p.id AND x.phone_index = ?4)) \
           OR p.no = ?5 OR p.plate = ?6 OR p.id IN (SELECT x.policy_id FROM policy_person x WHERE x.id_no_index = ?7)) \
         ORDER BY p.id = ?3 DESC, p.no = ?5 DESC, p.no LIMIT 1",
    )
    .bind(notice.loss_at.0)
    .bind(lob.as_str())
    .bind(&notice.policy.id)
    .bind(signed_in.map(|phone| db.vault.index("phone", phone)))
    .bind(given(&notice.policy.no))
    .bind(given(&notice.policy.plate))
    .bind(given(&notice.policy.id_no).map(|id_no| db.vault.index("id", &id_no)))
    .fetch_optional(db.sql())
    .await?)
}

/// Whether a policy with this number, plate or person begins only after the loss.
pub async fn begins_later(db: &mut Db, notice: &Notice, lob: Lob) -> Result<bool> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let later: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM policy p WHERE p.starts_at > ?1 AND p.lob = ?2 \
         AND (p.no = ?3 OR p.plate = ?4 OR p.id IN (SELECT x.policy_id FROM policy_person x WHERE x.id_no_index = ?5))",
    )
    .bind(notice.loss_at.0)
    .bind(lob.as_str())
    .bind(given(&notice.policy.no))
    .bind(given(&notice.policy.plate))
    .bind(given(&notice.policy.id_no).map(|id_no| db.vault.index("id", &id_no)))
    .fetch_one(db.sql())
    .await?;
    Ok(later > 0)
}

/// Whether a policy was fetched from the insurer's system so long ago that we ask again.
pub async fn is_old(db: &mut Db, policy_id: &str, at: Moment) -> Result<bool> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM policy WHERE id = ? AND source = 'insurer' AND fetched_at < ?",
    )
    .bind(policy_id)
    .bind(at.0 - FRESH)
    .fetch_optional(db.sql())
    .await?;
    Ok(found.is_some())
}

/// Up to 500 policies whose numbers come after `no`, in order.
pub async fn page(db: &mut Db, after: &str) -> Result<Vec<Policy>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, sealed FROM policy WHERE no > ? AND sealed <> '' ORDER BY no LIMIT 500",
    )
    .bind(after)
    .fetch_all(db.sql())
    .await?;
    rows.iter()
        .filter_map(|(id, sealed)| opened(db, id, sealed).transpose())
        .collect()
}

/// Starts looking for the policy of a claim.
pub async fn look_for(tx: &mut Tx, claim_id: &str, at: Moment) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO lookup (claim_id, next_at) VALUES (?, ?)")
        .bind(claim_id)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Looks again for the policies of open claims that still have none.
pub async fn look_again(tx: &mut Tx, at: Moment) -> Result<()> {
    sqlx::query(
        "INSERT INTO lookup (claim_id, next_at) SELECT id, ?1 FROM claim WHERE policy_id IS NULL AND stage NOT IN \
         ('closed', 'archived', 'withdrawn', 'rejected', 'not-accepted') ON CONFLICT (claim_id) DO UPDATE SET next_at = ?1",
    )
    .bind(at.0)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Claims whose policy is due to be looked for, and how many times we have tried.
pub async fn looked_for(db: &mut Db, at: Moment) -> Result<Vec<(String, i64)>> {
    let sql = "SELECT claim_id, tries FROM lookup WHERE next_at <= ? ORDER BY next_at LIMIT 100";
    Ok(sqlx::query_as(sql).bind(at.0).fetch_all(db.sql()).await?)
}

/// Records that no policy was found: retried at `next`, or given up if that is `None`.
pub async fn look_later(tx: &mut Tx, claim_id: &str, next: Option<Moment>) -> Result<()> {
    match next {
        Some(next) => {
            let sql = "UPDATE lookup SET next_at = ?, tries = tries + 1 WHERE claim_id = ?";
            sqlx::query(sql)
                .bind(next.0)
                .bind(claim_id)
                .execute(tx.sql())
                .await?
        }
        None => {
            sqlx::query("DELETE FROM lookup WHERE claim_id = ?")
                .bind(claim_id)
                .execute(tx.sql())
                .await?
        }
    };
    Ok(())
}

//! Policies: the own table, filled from files; the insurer's own system, asked over HTTP; and how a report finds its own.
//!
//! Promise: a report never waits for the other system and never fails with it. What could not be found is looked for again
//! in the background, and whoever holds the policy is let in when it is.

mod import;
mod source;

use claim_domain::lifecycle::{Actor, Stage, What};
use claim_domain::policy::{Party, Policy};
use claim_domain::{Moment, Notice};
use sqlx::{Row, SqliteConnection};

use crate::claims::Stored;
use crate::failure::{Failure, Result};
use crate::{App, attendant, notices, now, people, store};

pub use import::{Outcome, Pages, export, import, read};
pub use source::{Ask, Insurer, PolicySource};

/// What could not be had is asked for again after so many seconds, doubled each time up to an hour.
const FIRST_WAIT: i64 = 5;
const LONGEST_WAIT: i64 = 3600;
/// For so many seconds a policy of the insurer's system is believed without asking again.
const FRESH: i64 = 3600;
/// An answer that there is none is asked for once a day, for a fortnight: policies are entered late.
const DAY: i64 = 86_400;
const MOST_TRIES: i64 = 60;

pub fn place(id: &str) -> String {
    format!("policy.sealed/{id}")
}

fn opened(app: &App, id: &str, sealed: &str) -> Result<Option<Policy>> {
    // A row of before policies were kept whole.
    if sealed.is_empty() {
        return Ok(None);
    }
    let text = app.vault.open_text(&place(id), sealed).ok_or_else(|| Failure::internal("policy", "sealed with another key"))?;
    serde_json::from_str(&text).map(Some).map_err(|e| Failure::internal("policy", e))
}

/// The policy that a claim is on.
pub async fn of_claim(app: &App, db: &mut SqliteConnection, claim_id: &str) -> Result<Option<Policy>> {
    let found: Option<(String, String)> =
        sqlx::query_as("SELECT p.id, p.sealed FROM claim c JOIN policy p ON p.id = c.policy_id WHERE c.id = ?")
            .bind(claim_id)
            .fetch_optional(db)
            .await?;
    found.map_or(Ok(None), |(id, sealed)| opened(app, &id, &sealed))
}

/// Policies in which a phone is the holder's or an insured person's: their ids, and whether each is in force.
pub async fn of_phone(app: &App, phone: &str, at: Moment) -> Result<Vec<(String, Policy, bool)>> {
    let rows = sqlx::query(
        "SELECT DISTINCT p.id, p.no, p.sealed FROM policy_person x JOIN policy p ON p.id = x.policy_id WHERE x.phone_index = ? ORDER BY p.no",
    )
    .bind(app.vault.index("phone", phone))
    .fetch_all(&app.store.read)
    .await?;
    let mut found = Vec::new();
    for row in &rows {
        if let Some(policy) = opened(app, row.try_get("id")?, row.try_get("sealed")?)? {
            let in_force = policy.covers_moment(at);
            found.push((row.try_get("id")?, policy, in_force));
        }
    }
    Ok(found)
}

/// Whether a policy of this id is this phone's.
pub async fn belongs(app: &App, db: &mut SqliteConnection, id: &str, phone: &str) -> Result<Option<Policy>> {
    let sealed: Option<String> = sqlx::query_scalar(
        "SELECT p.sealed FROM policy p JOIN policy_person x ON x.policy_id = p.id WHERE p.id = ? AND x.phone_index = ? LIMIT 1",
    )
    .bind(id)
    .bind(app.vault.index("phone", phone))
    .fetch_optional(db)
    .await?;
    sealed.map_or(Ok(None), |sealed| opened(app, id, &sealed))
}

/// Writes a policy down as it is now; the same number again replaces it. Whether it was new.
pub async fn keep(app: &App, tx: &mut SqliteConnection, policy: &Policy, source: &str, at: Moment) -> Result<bool> {
    let id = format!("p-{}", &app.vault.index("policy", &policy.no)[..32]);
    let known: Option<String> = sqlx::query_scalar("SELECT id FROM policy WHERE no = ?").bind(&policy.no).fetch_optional(&mut *tx).await?;
    let fresh = known.is_none();
    let id = known.unwrap_or(id);
    let sealed = app.vault.seal(&place(&id), &serde_json::to_string(policy).unwrap_or_default());
    let vehicle = policy.vehicle.as_ref();
    let plate = vehicle.map(|v| v.plate.as_str()).filter(|p| !p.is_empty());
    let vin = vehicle.filter(|v| !v.vin.is_empty()).map(|v| app.vault.index("vin", &v.vin));
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
    .bind(source)
    .bind(at.0)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM policy_person WHERE policy_id = ?").bind(&id).execute(&mut *tx).await?;
    let index = |purpose: &str, text: &str| (!text.is_empty()).then(|| app.vault.index(purpose, text));
    let people = std::iter::once(("holder", &policy.holder)).chain(policy.insured.iter().map(|p| ("insured", p)));
    for (kind, Party { id_no, phone, .. }) in people {
        sqlx::query("INSERT INTO policy_person (policy_id, kind, phone_index, id_no_index) VALUES (?, ?, ?, ?)")
            .bind(&id)
            .bind(kind)
            .bind(index("phone", phone))
            .bind(index("id", id_no))
            .execute(&mut *tx)
            .await?;
    }
    Ok(fresh)
}

/// The policy that a notice means, if it was in force when the loss happened: its id.
pub async fn find(app: &App, tx: &mut SqliteConnection, signed_in: Option<&str>, notice: &Notice, lob: &str) -> Result<Option<String>> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(sqlx::query_scalar(
        "SELECT p.id FROM policy p WHERE p.starts_at <= ?1 AND p.ends_at > ?1 AND p.lob = ?2 AND p.sealed <> '' AND ( \
           (p.id = ?3 AND EXISTS (SELECT 1 FROM policy_person x WHERE x.policy_id = p.id AND x.phone_index = ?4)) \
           OR p.no = ?5 OR p.plate = ?6 OR p.id IN (SELECT x.policy_id FROM policy_person x WHERE x.id_no_index = ?7)) \
         ORDER BY p.id = ?3 DESC, p.no = ?5 DESC, p.no LIMIT 1",
    )
    .bind(notice.loss_at.0)
    .bind(lob)
    .bind(&notice.policy.id)
    .bind(signed_in.map(|phone| app.vault.index("phone", phone)))
    .bind(given(&notice.policy.no))
    .bind(given(&notice.policy.plate))
    .bind(given(&notice.policy.id_no).map(|id_no| app.vault.index("id", &id_no)))
    .fetch_optional(tx)
    .await?)
}

/// No policy covers the day, but one of this plate, number or person began after it.
pub async fn begins_later(app: &App, tx: &mut SqliteConnection, notice: &Notice, lob: &str) -> Result<bool> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let later: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM policy p WHERE p.starts_at > ?1 AND p.lob = ?2 \
         AND (p.no = ?3 OR p.plate = ?4 OR p.id IN (SELECT x.policy_id FROM policy_person x WHERE x.id_no_index = ?5))",
    )
    .bind(notice.loss_at.0)
    .bind(lob)
    .bind(given(&notice.policy.no))
    .bind(given(&notice.policy.plate))
    .bind(given(&notice.policy.id_no).map(|id_no| app.vault.index("id", &id_no)))
    .fetch_one(tx)
    .await?;
    Ok(later > 0)
}

/// Ties a claim to its policy: who holds it is let in, and it is registered if it waited for that. The caller commits.
///
/// # Errors
/// `not-allowed` where a policy is known already.
pub async fn link(app: &App, tx: &mut store::Tx, stored: &Stored, policy_id: &str, actor: &Actor, at: Moment) -> Result<()> {
    let number: String = sqlx::query_scalar("SELECT no FROM policy WHERE id = ?").bind(policy_id).fetch_one(&mut **tx).await?;
    sqlx::query("UPDATE claim SET policy_id = ? WHERE id = ?").bind(policy_id).bind(&stored.id).execute(&mut **tx).await?;
    sqlx::query("DELETE FROM lookup WHERE claim_id = ?").bind(&stored.id).execute(&mut **tx).await?;
    let tail = number.chars().skip(number.chars().count().saturating_sub(4)).collect();
    store::append(app, tx, &stored.id, stored.lob, actor, What::PolicyFound { policy: tail }, at).await?;
    people::admit_owners(tx, &stored.id, policy_id).await?;
    let stage: String = sqlx::query_scalar("SELECT stage FROM claim WHERE id = ?").bind(&stored.id).fetch_one(&mut **tx).await?;
    if stage == Stage::Reported.as_str()
        && let Some(handler) = notices::next_handler(tx).await?
    {
        store::append(app, tx, &stored.id, stored.lob, &Actor::System, What::Registered { handler }, at).await?;
    }
    Ok(())
}

/// Whether a policy came from the insurer's system so long ago that it is asked again.
pub async fn is_old(tx: &mut SqliteConnection, policy_id: &str, at: Moment) -> Result<bool> {
    let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM policy WHERE id = ? AND source = 'insurer' AND fetched_at < ?")
        .bind(policy_id)
        .bind(at.0 - FRESH)
        .fetch_optional(tx)
        .await?;
    Ok(found.is_some())
}

/// A report found no policy, or one that may have changed: it is looked for in the background.
pub async fn look_for(tx: &mut SqliteConnection, claim_id: &str, at: Moment) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO lookup (claim_id, next_at) VALUES (?, ?)").bind(claim_id).bind(at.0).execute(tx).await?;
    Ok(())
}

/// Looks for the policies of claims that are due: first here, then in the insurer's system. One at a time.
pub async fn search(app: &App) -> Result<()> {
    let Ok(_alone) = app.searching.try_lock() else { return Ok(()) };
    let due: Vec<(String, i64)> = sqlx::query_as("SELECT claim_id, tries FROM lookup WHERE next_at <= ? ORDER BY next_at LIMIT 100")
        .bind(now().0)
        .fetch_all(&app.store.read)
        .await?;
    for (claim_id, tries) in due {
        search_one(app, &claim_id, tries).await?;
    }
    Ok(())
}

async fn search_one(app: &App, claim_id: &str, tries: i64) -> Result<()> {
    let stored = attendant::stored(app, claim_id).await?;
    let (at, lob) = (now(), stored.lob.as_str());
    let here = find(app, &mut *app.store.read.acquire().await?, None, &stored.notice, lob).await?;
    let answer = match &app.source {
        // No lock is held while the other system thinks. A claim that has its policy is here because that is old.
        Some(source) if here.is_none() || stored.verified => source.find(&Ask::of(&stored)).await,
        _ => Ok(None),
    };
    let mut tx = app.store.begin().await?;
    if let Ok(Some(policy)) = &answer {
        keep(app, &mut tx, policy, "insurer", at).await?;
    }
    let found = find(app, &mut tx, None, &stored.notice, lob).await?;
    match found {
        Some(policy) if !stored.verified => match link(app, &mut tx, &stored, &policy, &Actor::System, at).await {
            Ok(()) => {}
            // Ended meanwhile, or tied to its policy by hand.
            Err(Failure::Problem(_)) => forget(&mut tx, claim_id).await?,
            Err(failure) => return Err(failure),
        },
        _ => {
            let wait = match &answer {
                Ok(_) if app.source.is_none() || stored.verified => None,
                Ok(_) => (tries < 14).then_some(DAY),
                Err(error) => {
                    tracing::warn!(%error, tries, "the insurer's system did not say whether there is a policy");
                    (tries < MOST_TRIES).then_some((FIRST_WAIT << tries.min(10)).min(LONGEST_WAIT))
                }
            };
            match wait {
                Some(wait) => {
                    sqlx::query("UPDATE lookup SET next_at = ?, tries = tries + 1 WHERE claim_id = ?")
                        .bind(at.0 + wait)
                        .bind(claim_id)
                        .execute(&mut *tx)
                        .await?;
                }
                None => forget(&mut tx, claim_id).await?,
            }
            tx.commit().await?;
            return Ok(());
        }
    }
    tx.commit().await?;
    attendant::attend(app, claim_id).await;
    Ok(())
}

async fn forget(tx: &mut SqliteConnection, claim_id: &str) -> Result<()> {
    sqlx::query("DELETE FROM lookup WHERE claim_id = ?").bind(claim_id).execute(tx).await?;
    Ok(())
}

/// After an import: claims that still have no policy are looked at again.
pub async fn look_again(tx: &mut SqliteConnection, at: Moment) -> Result<()> {
    sqlx::query(
        "INSERT INTO lookup (claim_id, next_at) SELECT id, ?1 FROM claim WHERE policy_id IS NULL AND stage NOT IN \
         ('closed', 'archived', 'withdrawn', 'rejected', 'not-accepted') ON CONFLICT (claim_id) DO UPDATE SET next_at = ?1",
    )
    .bind(at.0)
    .execute(tx)
    .await?;
    Ok(())
}

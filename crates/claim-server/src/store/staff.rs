//! Staff: accounts and sessions, what each person looked at, and decisions waiting for a second
//! person.

use claim_domain::Moment;
use claim_domain::lifecycle::Desk;

use data_encoding::BASE32_NOPAD;

use super::{Db, Tx, claims, json};
use crate::failure::{Failure, Result};
use crate::vault::sha256_hex;

/// A member of staff.
pub struct Member {
    /// The login name: it identifies the person, whatever name is displayed.
    pub name: String,
    pub shown_as: String,
    pub desk: Desk,
}

/// Adds an account, or changes the desk and password of one. `false` if the displayed name is
/// somebody else's, or the account already has another one: the four-eyes rule tells people apart
/// by the displayed name (claim_domain::lifecycle), for ever.
pub async fn keep(tx: &mut Tx, member: &Member, password_hash: &str) -> Result<bool> {
    if !is_own_name(tx, member).await? {
        return Ok(false);
    }
    sqlx::query("INSERT INTO staff (name, shown_as, desk, password_hash) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET desk = excluded.desk, password_hash = excluded.password_hash, removed_at = NULL")
        .bind(&member.name)
        .bind(&member.shown_as)
        .bind(member.desk.as_str())
        .bind(password_hash)
        .execute(tx.sql())
        .await?;
    // Ends sessions begun with the old password.
    end_sessions(tx, &member.name).await?;
    Ok(true)
}

/// Whether a displayed name is free, or this account's since ever; neither staff nor another system
/// has it.
async fn is_own_name(tx: &mut Tx, member: &Member) -> Result<bool> {
    let sql = "SELECT (SELECT count(*) FROM staff WHERE (name = ?1) <> (shown_as = ?2)) + (SELECT count(*) FROM service WHERE shown_as = ?2)";
    let others: i64 = sqlx::query_scalar(sql)
        .bind(&member.name)
        .bind(&member.shown_as)
        .fetch_one(tx.sql())
        .await?;
    Ok(others == 0)
}

/// Adds an account without a password, or moves one to another desk, as another system says. `false`
/// if it was closed here, or the displayed name is not this account's alone.
pub async fn keep_provided(tx: &mut Tx, member: &Member) -> Result<bool> {
    let sql = "SELECT count(*) FROM staff WHERE name = ? AND removed_at IS NOT NULL";
    let closed: i64 = sqlx::query_scalar(sql)
        .bind(&member.name)
        .fetch_one(tx.sql())
        .await?;
    if closed > 0 || !is_own_name(tx, member).await? {
        return Ok(false);
    }
    sqlx::query("INSERT INTO staff (name, shown_as, desk, password_hash) VALUES (?, ?, ?, '') ON CONFLICT (name) DO UPDATE SET desk = excluded.desk")
        .bind(&member.name)
        .bind(&member.shown_as)
        .bind(member.desk.as_str())
        .execute(tx.sql())
        .await?;
    Ok(true)
}

/// Closes an account and ends its sessions; returns whether there was one.
pub async fn remove(tx: &mut Tx, name: &str, at: Moment) -> Result<bool> {
    let sql = "UPDATE staff SET removed_at = ? WHERE name = ? AND removed_at IS NULL";
    let done = sqlx::query(sql)
        .bind(at.0)
        .bind(name)
        .execute(tx.sql())
        .await?;
    end_sessions(tx, name).await?;
    Ok(done.rows_affected() > 0)
}

/// Ends every session of an account.
pub async fn end_sessions(tx: &mut Tx, name: &str) -> Result<()> {
    sqlx::query("DELETE FROM staff_session WHERE staff_name = ?")
        .bind(name)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// An account as the list shows it.
pub struct Account {
    pub name: String,
    pub shown_as: String,
    pub desk: Desk,
    pub removed: bool,
    pub second_factor: bool,
    pub sessions: i64,
    /// When one of its sessions was last used.
    pub seen: Option<Moment>,
}

/// Every account, active ones first.
pub async fn all(db: &mut Db) -> Result<Vec<Account>> {
    type Row = (String, String, String, bool, bool, i64, Option<i64>);
    let sql = "SELECT s.name, s.shown_as, s.desk, s.removed_at IS NOT NULL, s.totp_sealed IS NOT NULL, count(x.token_hash), max(x.seen_at) FROM staff s LEFT JOIN staff_session x ON x.staff_name = s.name GROUP BY s.name ORDER BY s.removed_at IS NOT NULL, s.name";
    let rows: Vec<Row> = sqlx::query_as(sql).fetch_all(db.sql()).await?;
    rows.into_iter()
        .map(
            |(name, shown_as, desk, removed, second_factor, sessions, seen)| {
                Ok(Account {
                    desk: Desk::parse(&desk).ok_or_else(|| Failure::internal("desk", desk))?,
                    name,
                    shown_as,
                    removed,
                    second_factor,
                    sessions,
                    seen: seen.map(Moment),
                })
            },
        )
        .collect()
}

pub(super) fn place_of_totp(name: &str) -> String {
    format!("staff.totp/{name}")
}

/// The secret of an active account's second factor.
pub async fn totp(db: &mut Db, name: &str) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT totp_sealed FROM staff WHERE name = ? AND removed_at IS NULL";
    let sealed: Option<Option<String>> = sqlx::query_scalar(sql)
        .bind(name)
        .fetch_optional(db.sql())
        .await?;
    let Some(sealed) = sealed.flatten() else {
        return Ok(None);
    };
    let opened = db.vault.open_text(&place_of_totp(name), &sealed);
    let secret = opened.and_then(|text| BASE32_NOPAD.decode(text.as_bytes()).ok());
    secret
        .map(Some)
        .ok_or_else(|| super::unopened("second factor"))
}

/// Sets or removes a second factor, and ends the account's sessions; returns whether there is such
/// an account.
pub async fn keep_totp(tx: &mut Tx, name: &str, secret: Option<&[u8]>) -> Result<bool> {
    let sealed = secret.map(|secret| {
        let text = BASE32_NOPAD.encode(secret);
        tx.vault.seal(&place_of_totp(name), &text)
    });
    let sql =
        "UPDATE staff SET totp_sealed = ?, totp_step = 0 WHERE name = ? AND removed_at IS NULL";
    let done = sqlx::query(sql)
        .bind(sealed)
        .bind(name)
        .execute(tx.sql())
        .await?;
    end_sessions(tx, name).await?;
    Ok(done.rows_affected() > 0)
}

/// Uses the code of a time step; `false` if it, or a later one, was used before (RFC 6238, section
/// 5.2).
pub async fn use_step(tx: &mut Tx, name: &str, step: i64) -> Result<bool> {
    let sql = "UPDATE staff SET totp_step = ?1 WHERE name = ?2 AND totp_step < ?1";
    let done = sqlx::query(sql)
        .bind(step)
        .bind(name)
        .execute(tx.sql())
        .await?;
    Ok(done.rows_affected() > 0)
}

/// How many accounts are active.
pub async fn count(db: &mut Db) -> Result<i64> {
    Ok(
        sqlx::query_scalar("SELECT count(*) FROM staff WHERE removed_at IS NULL")
            .fetch_one(db.sql())
            .await?,
    )
}

/// Whether there is or was such an account.
pub async fn is_known(db: &mut Db, name: &str) -> Result<bool> {
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM staff WHERE name = ?")
        .bind(name)
        .fetch_one(db.sql())
        .await?;
    Ok(known > 0)
}

/// The password hash of an active account.
pub async fn password_hash(db: &mut Db, name: &str) -> Result<Option<String>> {
    let sql = "SELECT password_hash FROM staff WHERE name = ? AND removed_at IS NULL";
    Ok(sqlx::query_scalar(sql)
        .bind(name)
        .fetch_optional(db.sql())
        .await?)
}

/// The displayed names of the people at a desk, in order of their login names.
pub async fn at_desk(db: &mut Db, desk: Desk) -> Result<Vec<String>> {
    let sql = "SELECT shown_as FROM staff WHERE desk = ? ORDER BY name";
    Ok(sqlx::query_scalar(sql)
        .bind(desk.as_str())
        .fetch_all(db.sql())
        .await?)
}

/// How many wrong passwords were tried for a name since the last right one, whether or not the
/// account exists; and until when no password is checked.
pub async fn wrong_passwords(db: &mut Db, name: &str) -> Result<Option<(i64, i64)>> {
    let index = db.vault.index("staff", name);
    let sql = "SELECT tries, until FROM wrong_password WHERE name_index = ?";
    Ok(sqlx::query_as(sql)
        .bind(index)
        .fetch_optional(db.sql())
        .await?)
}

pub async fn keep_wrong_passwords(
    tx: &mut Tx,
    name: &str,
    tries: i64,
    until: i64,
    at: Moment,
) -> Result<()> {
    let index = tx.vault.index("staff", name);
    sqlx::query(
        "INSERT OR REPLACE INTO wrong_password (name_index, tries, at, until) VALUES (?, ?, ?, ?)",
    )
    .bind(index)
    .bind(tries)
    .bind(at.0)
    .bind(until)
    .execute(tx.sql())
    .await?;
    Ok(())
}

/// Begins a session; deletes sessions begun before `oldest`, and the count of wrong passwords for
/// this name.
pub async fn begin_session(
    tx: &mut Tx,
    name: &str,
    token: &str,
    oldest: Moment,
    at: Moment,
) -> Result<()> {
    let index = tx.vault.index("staff", name);
    sqlx::query("DELETE FROM wrong_password WHERE name_index = ?")
        .bind(index)
        .execute(tx.sql())
        .await?;
    sqlx::query("DELETE FROM staff_session WHERE created_at < ?")
        .bind(oldest.0)
        .execute(tx.sql())
        .await?;
    sqlx::query("INSERT INTO staff_session (token_hash, staff_name, created_at, seen_at) VALUES (?, ?, ?, ?)")
        .bind(sha256_hex(token.as_bytes()))
        .bind(name)
        .bind(at.0)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Who has this token, and when they were last seen: after `seen`, signed in after `began`, and
/// neither in the future.
pub async fn session(
    db: &mut Db,
    token: &str,
    seen: Moment,
    began: Moment,
    latest: Moment,
) -> Result<Option<(Member, Moment)>> {
    type Row = (String, String, String, i64);
    let row: Option<Row> = sqlx::query_as("SELECT s.name, s.shown_as, s.desk, x.seen_at FROM staff_session x JOIN staff s ON s.name = x.staff_name WHERE s.removed_at IS NULL AND x.token_hash = ? AND x.seen_at > ? AND x.created_at > ? AND x.seen_at <= ?")
        .bind(sha256_hex(token.as_bytes()))
        .bind(seen.0)
        .bind(began.0)
        .bind(latest.0)
        .fetch_optional(db.sql())
        .await?;
    let Some((name, shown_as, desk, seen)) = row else {
        return Ok(None);
    };
    let desk = Desk::parse(&desk).ok_or_else(|| Failure::internal("desk", desk))?;
    Ok(Some((
        Member {
            name,
            shown_as,
            desk,
        },
        Moment(seen),
    )))
}

pub async fn keep_seen(tx: &mut Tx, token: &str, at: Moment) -> Result<()> {
    let sql = "UPDATE staff_session SET seen_at = ? WHERE token_hash = ?";
    sqlx::query(sql)
        .bind(at.0)
        .bind(sha256_hex(token.as_bytes()))
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Ends a session; returns whose it was.
pub async fn end_session(tx: &mut Tx, token: &str) -> Result<Option<String>> {
    let sql = "DELETE FROM staff_session WHERE token_hash = ? RETURNING staff_name";
    Ok(sqlx::query_scalar(sql)
        .bind(sha256_hex(token.as_bytes()))
        .fetch_optional(tx.sql())
        .await?)
}

/// Records that somebody looks at a document or account; looks have a hash chain of their own.
pub async fn add_look(
    tx: &mut Tx,
    claim_id: &str,
    what: &str,
    shown_as: &str,
    at: Moment,
) -> Result<()> {
    let before: Option<String> =
        sqlx::query_scalar("SELECT hash FROM look ORDER BY id DESC LIMIT 1")
            .fetch_optional(tx.sql())
            .await?;
    sqlx::query("INSERT INTO look (claim_id, document_id, staff, at, hash) VALUES (?, ?, ?, ?, ?)")
        .bind(claim_id)
        .bind(what)
        .bind(shown_as)
        .bind(at.0)
        .bind(link_of_look(
            &before.unwrap_or_default(),
            claim_id,
            what,
            shown_as,
            at.0,
        ))
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// The hash of a look: over the previous hash and its own row.
pub(super) fn link_of_look(
    before: &str,
    claim_id: &str,
    document: &str,
    staff: &str,
    at: i64,
) -> String {
    sha256_hex(format!("{before}\n{claim_id}\n{document}\n{staff}\n{at}").as_bytes())
}

/// Who looked at what of a claim, and when.
pub async fn looks(db: &mut Db, claim_id: &str) -> Result<Vec<(String, String, Moment)>> {
    let sql = "SELECT document_id, staff, at FROM look WHERE claim_id = ? ORDER BY id";
    let rows: Vec<(String, String, i64)> = sqlx::query_as(sql)
        .bind(claim_id)
        .fetch_all(db.sql())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(what, by, at)| (what, by, Moment(at)))
        .collect())
}

pub(super) fn place(claim_id: &str) -> String {
    format!("proposal.sealed/{claim_id}")
}

/// A decision that one person prepared for another to take, as form fields.
pub async fn proposal(db: &mut Db, claim_id: &str) -> Result<Vec<(String, String)>> {
    let sealed: Option<String> =
        sqlx::query_scalar("SELECT sealed FROM proposal WHERE claim_id = ?")
            .bind(claim_id)
            .fetch_optional(db.sql())
            .await?;
    let Some(sealed) = sealed else {
        return Ok(Vec::new());
    };
    let text = claims::key(db, claim_id)
        .await?
        .open(&place(claim_id), &sealed)
        .unwrap_or_default();
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

pub async fn keep_proposal(tx: &mut Tx, claim_id: &str, fields: &[(String, String)]) -> Result<()> {
    let sealed = claims::key(tx, claim_id)
        .await?
        .seal(&place(claim_id), &json(&fields));
    sqlx::query("INSERT INTO proposal (claim_id, sealed) VALUES (?, ?) ON CONFLICT (claim_id) DO UPDATE SET sealed = excluded.sealed")
        .bind(claim_id)
        .bind(sealed)
        .execute(tx.sql())
        .await?;
    Ok(())
}

pub async fn forget_proposal(tx: &mut Tx, claim_id: &str) -> Result<()> {
    sqlx::query("DELETE FROM proposal WHERE claim_id = ?")
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    Ok(())
}

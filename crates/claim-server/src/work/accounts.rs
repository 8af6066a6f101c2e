//! Staff: accounts, sessions, and a record of everything they look at.

use claim_domain::lifecycle::Desk;
use claim_domain::{Catalogue, Moment};
use serde_json::json;

use super::operator;
use super::sessions::CLOCKS_DIFFER;
use crate::audit::Who;
use crate::failure::{Failure, Result, busy};
use crate::store::staff::{self, Member};
use crate::vault::token;
use crate::{App, now, passwords, totp};

const IDLE: i64 = 30 * 60;
pub const AT_MOST: i64 = 12 * 3600;
/// Wrong passwords for one name before it must wait: one minute, two, four … at most a quarter of
/// an hour.
const TRIES: i64 = 5;
const LONGEST_WAIT: i64 = 15 * 60;

impl Member {
    pub fn actor(&self) -> claim_domain::lifecycle::Actor {
        claim_domain::lifecycle::Actor::Staff {
            name: self.shown_as.clone(),
            desk: self.desk,
        }
    }

    /// Whether this desk may see a document: people who survey the loss or pay the money do not
    /// read medical records (个人信息保护法第二十八条).
    pub fn sees(&self, catalogue: &Catalogue, document: &str) -> bool {
        let medical = catalogue
            .instance(document)
            .is_some_and(|d| d.group == "medical");
        !(medical && matches!(self.desk, Desk::Surveyor | Desk::Finance))
    }

    /// Whether this desk may see full account numbers: only people who pay, and those who answer
    /// for it.
    pub fn sees_money(&self) -> bool {
        matches!(self.desk, Desk::Finance | Desk::Supervisor)
    }

    pub fn who(&self) -> Who {
        Who::Staff(self.name.clone())
    }
}

/// Adds an account, or changes the password of one.
///
/// # Errors
/// A sentence for the command line.
pub async fn add(
    app: &App,
    name: &str,
    shown_as: &str,
    desk: Desk,
    password: &str,
) -> std::result::Result<(), String> {
    if name.trim().is_empty() || password.chars().count() < 10 {
        return Err("a name and a password of at least 10 characters are needed".into());
    }
    let hash = passwords::hash(password)?;
    let member = Member {
        name: name.into(),
        shown_as: shown_as.into(),
        desk,
    };
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        let kept = staff::keep(&mut tx, &member, &hash).await?;
        tx.commit().await?;
        Result::Ok(kept)
    };
    if !write.await.map_err(Failure::sentence)? {
        return Err(format!(
            "{shown_as:?} belongs to somebody else, or {name:?} is shown under another name: displayed names never change hands"
        ));
    }
    app.audit.say(
        "set",
        &Who::Operator,
        json!({ "staff": name, "desk": desk.as_str() }),
    );
    Ok(())
}

/// Closes an account and ends its sessions; the record of its work stays.
///
/// # Errors
/// A sentence for the command line.
pub async fn remove(app: &App, name: &str) -> std::result::Result<(), String> {
    operator::known("account", name, close(app, name).await)?;
    app.audit.say(
        "set",
        &Who::Operator,
        json!({ "staff": name, "removed": true }),
    );
    Ok(())
}

/// Whether this is the password of an active account.
///
/// # Errors
/// `rate-limited` if too many are waiting.
pub async fn is_password(app: &App, name: &str, password: &str) -> Result<bool> {
    let stored = staff::password_hash(&mut app.store.read().await?, name).await?;
    app.passwords.is(password, stored).await
}

/// A new session token, or `None` for a wrong name, password or code (which take the same time: it
/// is not told which of them was wrong).
///
/// # Errors
/// `rate-limited` after too many wrong ones for this name, whether or not the account exists.
pub async fn sign_in(app: &App, name: &str, password: &str, code: &str) -> Result<Option<String>> {
    let at = now();
    // Counted before checking, so that a hundred parallel tries are a hundred tries.
    let mut tx = app.store.begin().await?;
    let before = staff::wrong_passwords(&mut tx, name).await?;
    let (tries, until) = before.map_or((1, 0), |(tries, until)| (tries + 1, until));
    if until > at.0 {
        return Err(busy(u32::try_from(until - at.0).unwrap_or(60)).into());
    }
    let until = if tries < TRIES {
        0
    } else {
        at.0 + (60 << (tries - TRIES).min(10)).min(LONGEST_WAIT)
    };
    staff::keep_wrong_passwords(&mut tx, name, tries, until, at).await?;
    tx.commit().await?;
    let right = is_password(app, name, password).await? && is_code(app, name, code, at).await?;
    let known = staff::is_known(&mut app.store.read().await?, name).await?;
    // A typed name may be anything, even a password: log it only if it is known.
    let who = if known {
        Who::Staff(name.to_owned())
    } else {
        Who::Nobody
    };
    if !right {
        app.audit
            .refused(&who, json!({ "sign-in": "staff", "tries": tries }));
        if tries >= TRIES {
            app.audit.alarm(json!({ "limit": "wrong passwords", "known": known, "staff": if known { name } else { "" } }));
        }
        return Ok(None);
    }
    let fresh = token();
    let mut tx = app.store.begin().await?;
    staff::begin_session(&mut tx, name, &fresh, Moment(at.0 - AT_MOST), at).await?;
    tx.commit().await?;
    app.audit.say("sign-in", &who, json!({ "as": "staff" }));
    Ok(Some(fresh))
}

/// Whether this is the code of the account's second factor now, used for the first time; without a
/// second factor, whether none is needed.
async fn is_code(app: &App, name: &str, typed: &str, at: Moment) -> Result<bool> {
    let Some(secret) = staff::totp(&mut app.store.read().await?, name).await? else {
        return Ok(!app.options.second_factor);
    };
    let Some(step) = totp::step_of(&secret, typed, at.0) else {
        return Ok(false);
    };
    let mut tx = app.store.begin().await?;
    let fresh = staff::use_step(&mut tx, name, step).await?;
    tx.commit().await?;
    Ok(fresh)
}

/// Gives an account a second factor, or takes it away, and ends its sessions. Returns what an
/// authenticator app scans.
///
/// # Errors
/// A sentence for the command line.
pub async fn second_factor(
    app: &App,
    name: &str,
    remove: bool,
) -> std::result::Result<Option<String>, String> {
    let secret = (!remove).then(totp::secret);
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        let known = staff::keep_totp(&mut tx, name, secret.as_ref().map(|s| &s[..])).await?;
        tx.commit().await?;
        Result::Ok(known)
    };
    operator::known("account", name, write.await)?;
    let set = json!({ "staff": name, "second-factor": !remove });
    app.audit.say("set", &Who::Operator, set);
    Ok(secret.map(|secret| totp::address(&secret, name)))
}

/// Ends every session of an account; returns whether there is one.
pub async fn end_sessions(app: &App, name: &str) -> Result<bool> {
    let mut tx = app.store.begin().await?;
    let known = staff::is_known(&mut tx, name).await?;
    staff::end_sessions(&mut tx, name).await?;
    tx.commit().await?;
    Ok(known)
}

/// Closes an account; returns whether there was one.
pub async fn close(app: &App, name: &str) -> Result<bool> {
    let mut tx = app.store.begin().await?;
    let known = staff::remove(&mut tx, name, now()).await?;
    tx.commit().await?;
    Ok(known)
}

/// The member of staff who has this token.
pub async fn who(app: &App, token: &str) -> Result<Option<Member>> {
    let at = now();
    let (seen, began, latest) = (
        Moment(at.0 - IDLE),
        Moment(at.0 - AT_MOST),
        Moment(at.0 + CLOCKS_DIFFER),
    );
    let found = staff::session(&mut app.store.read().await?, token, seen, began, latest).await?;
    let Some((member, seen)) = found else {
        return Ok(None);
    };
    if at.0 - seen.0 > 30 {
        let mut tx = app.store.begin().await?;
        staff::keep_seen(&mut tx, token, at).await?;
        tx.commit().await?;
    }
    Ok(Some(member))
}

pub async fn sign_out(app: &App, token: &str) -> Result<()> {
    let mut tx = app.store.begin().await?;
    let name = staff::end_session(&mut tx, token).await?;
    tx.commit().await?;
    if let Some(name) = name {
        app.audit
            .say("sign-out", &Who::Staff(name), json!({ "as": "staff" }));
    }
    Ok(())
}

/// Every look at a document or account is recorded before it is shown.
pub async fn looked(app: &App, member: &Member, claim_id: &str, what: &str) -> Result<()> {
    let mut tx = app.store.begin().await?;
    staff::add_look(&mut tx, claim_id, what, &member.shown_as, now()).await?;
    tx.commit().await?;
    app.audit.say(
        "look",
        &member.who(),
        json!({ "claim": claim_id, "what": what }),
    );
    Ok(())
}

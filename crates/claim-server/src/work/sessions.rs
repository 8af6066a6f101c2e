//! Customers' sessions. Reporting needs no login: a visitor gets a token for which nothing is
//! stored, and the first request that changes something turns it into an anonymous session. A code
//! by SMS upgrades it, with a new token, and everything the anonymous session owned moves along.
//!
//! Limits: a code has 6 digits, is valid for 5 minutes and 5 tries, works once, and only in the
//! session that asked for it. A phone number gets one code per 60 s, and per hour 5 if it has
//! signed in before or 3 otherwise (`messages`); after 10 in a day, one an hour, so that nobody can
//! lock anybody out. A session gets 10 an hour, a network 20.

use claim_api::{PolicyView, Problem, ProblemCode, SessionView};
use claim_domain::Moment;
use claim_domain::policy::Policy;

use super::delivery::CODE_LIVES;
use super::messages;
use crate::audit::Who;
use crate::failure::Result;
use crate::store::sessions::{self, CountedBy, Tried, hash};
use crate::store::{Tx, messages as outgoing, parties, policies};
use crate::vault::{random, token};
use crate::words::{self, fill};
use crate::{App, mask, now};

/// An anonymous session lives as long as an unfinished upload.
pub const ANONYMOUS_IDLE: i64 = 7 * 86_400;
const SIGNED_IN_IDLE: i64 = 30 * 60;
const SIGNED_IN_AT_MOST: i64 = 12 * 3600;
/// At a kiosk, where the next person is waiting.
const AT_KIOSK_IDLE: i64 = 2 * 60;
const AT_KIOSK_AT_MOST: i64 = 10 * 60;
/// Seconds by which a server's clock may be corrected in normal operation.
pub const CLOCKS_DIFFER: i64 = 60;
const TRIES: i64 = 5;
const CODES_A_DAY: i64 = 10;

/// The session of a request.
#[derive(Clone, Debug)]
pub struct Session {
    pub subject: String,
    pub hash: String,
    /// Set once the phone is proved.
    pub phone: Option<String>,
    /// At a kiosk.
    kiosk: bool,
    /// Whether it is stored. A report stores it with the claim: one commit, and nothing if refused.
    written: bool,
}

impl Session {
    #[cfg(test)]
    pub fn for_test(subject: &str) -> Session {
        Session {
            subject: subject.to_owned(),
            hash: String::new(),
            phone: None,
            kiosk: false,
            written: true,
        }
    }

    /// A session that is not stored yet.
    pub fn unwritten(token: &str) -> Session {
        Session {
            subject: String::new(),
            hash: hash(token),
            phone: None,
            kiosk: false,
            written: false,
        }
    }

    /// The same session, about to change something.
    pub fn beginning(self, kiosk: bool) -> Session {
        Session {
            kiosk,
            subject: token(),
            ..self
        }
    }
}

/// A token for somebody about whom nothing is stored yet: the time, random bytes, and our HMAC of
/// both.
pub fn promise(app: &App, at: Moment) -> String {
    let text = format!("{:x}.{}", at.0, token());
    format!("{text}.{}", app.vault.index("anonymous", &text))
}

/// Whether we issued this token, and its session has not ended.
pub async fn is_promised(app: &App, token: &str, at: Moment) -> Result<bool> {
    let Some((text, word)) = token.rsplit_once('.') else {
        return Ok(false);
    };
    let made = text
        .split_once('.')
        .and_then(|(made, _)| i64::from_str_radix(made, 16).ok());
    let in_time =
        made.is_some_and(|made| (made - CLOCKS_DIFFER..made + ANONYMOUS_IDLE).contains(&at.0));
    if !in_time || app.vault.index("anonymous", text) != word {
        return Ok(false);
    }
    let fate = sessions::fate(&mut app.store.read().await?, &hash(token)).await?;
    Ok(!fate.is_some_and(|(_, ended)| ended))
}

/// The session with this token, unless it has expired.
pub async fn find(app: &App, token: &str, at: Moment) -> Result<Option<Session>> {
    let hash = hash(token);
    let Some(row) = sessions::find(&mut app.store.read().await?, &hash).await? else {
        return Ok(None);
    };
    let (idle, longest) = match (row.phone.is_some(), row.kiosk) {
        (false, false) => (ANONYMOUS_IDLE, i64::MAX),
        (true, false) => (SIGNED_IN_IDLE, SIGNED_IN_AT_MOST),
        // Until somebody signs in, the kiosk itself ends it.
        (false, true) => (SIGNED_IN_IDLE, i64::MAX),
        (true, true) => (AT_KIOSK_IDLE, AT_KIOSK_AT_MOST),
    };
    // From the future: the server's clock was set back, so the session's age is unknown.
    let ageless = row.phone.is_some() && row.created_at.max(row.seen_at) > at.0 + CLOCKS_DIFFER;
    if at.0 - row.seen_at > idle || ageless || at.0 - row.created_at > longest {
        return Ok(None);
    }
    // Not on every request: writes are the slowest thing a database does.
    if at.0 - row.seen_at > (idle / 4).min(60) {
        let mut tx = app.store.begin().await?;
        sessions::keep_seen(&mut tx, &hash, at).await?;
        tx.commit().await?;
    }
    Ok(Some(Session {
        subject: row.subject,
        hash,
        phone: row.phone,
        kiosk: row.kiosk,
        written: true,
    }))
}

/// Stores a session that is not stored yet. Two simultaneous first requests count as one person.
///
/// # Errors
/// `session-expired` if it has ended meanwhile.
pub async fn write_down(tx: &mut Tx, mut session: Session, at: Moment) -> Result<Session> {
    if session.written {
        return Ok(session);
    }
    session.written = true;
    match sessions::fate(tx, &session.hash).await? {
        Some((_, true)) => return Err(ProblemCode::SessionExpired.into()),
        Some((subject, false)) => session.subject = subject,
        None => {
            sessions::add_subject(tx, &session.subject, at).await?;
            sessions::add(tx, &session.hash, &session.subject, None, session.kiosk, at).await?;
        }
    }
    Ok(session)
}

/// Sends a code to a phone.
///
/// # Errors
/// `otp-rate` with the seconds until another may be sent.
pub async fn send_code(app: &App, session: &Session, network: &str, phone: &str) -> Result<()> {
    let at = now();
    let mut tx = app.store.begin().await?;
    let known = sessions::has_answered(&mut tx, phone).await?;
    let today = sessions::codes_a_day(&mut tx, phone, at).await?;
    let an_hour = if today >= CODES_A_DAY {
        1
    } else {
        messages::codes_an_hour(known)
    };
    // Counted by what, in how many seconds, at most how many.
    let limits = [
        (CountedBy::Phone(phone), 60, 1),
        (CountedBy::Phone(phone), 3600, an_hour),
        (CountedBy::Session(&session.hash), 3600, 10),
        (CountedBy::Network(network), 3600, 20),
    ];
    let mut wait = 0;
    for (by, seconds, most) in limits {
        let (count, oldest) = sessions::codes(&mut tx, by, seconds, at).await?;
        if count >= most {
            wait = wait.max(oldest + seconds - at.0);
        }
    }
    if wait == 0 && !known {
        wait = messages::wait_for_code(app, &mut tx, phone, at).await?;
    }
    if wait > 0 {
        return Err(Problem::after(ProblemCode::OtpRate, u32::try_from(wait).unwrap_or(60)).into());
    }
    let code = format!("{:06}", u64::from_le_bytes(random::<8>()) % 1_000_000);
    sessions::add_code(&mut tx, phone, &session.hash, network, &code, at).await?;
    let words = words::own();
    let insurer = words.text(&app.deployment.insurer);
    let text = fill(
        &words.messages.code,
        &[("insurer", insurer), ("code", &code)],
    );
    outgoing::add_code(&mut tx, phone, &text, at).await?;
    tx.commit().await
}

/// Signs in with a code; returns the token of the new session.
///
/// # Errors
/// `otp-invalid` for a wrong, used or expired one.
pub async fn sign_in(app: &App, session: &Session, phone: &str, code: &str) -> Result<String> {
    let at = now();
    let mut tx = app.store.begin().await?;
    match sessions::try_code(
        &mut tx,
        phone,
        &session.hash,
        code.trim(),
        CODE_LIVES,
        TRIES,
        at,
    )
    .await?
    {
        Tried::None => Err(ProblemCode::OtpInvalid.into()),
        Tried::Wrong { tries } => {
            tx.commit().await?;
            app.audit.say(
                "sign-in-failed",
                &Who::session(&session.hash),
                serde_json::json!({ "as": "customer", "try": tries }),
            );
            Err(ProblemCode::OtpInvalid.into())
        }
        Tried::Right => {
            let fresh = become_person(app, &mut tx, session, phone, true, at).await?;
            tx.commit().await?;
            Ok(fresh)
        }
    }
}

/// Turns the session into one of the phone's owner: a new token, what the session did before, and
/// the owner's claims.
///
/// `takes`: whether what the session did before moves along; not if somebody else says who this is.
pub async fn become_person(
    app: &App,
    tx: &mut Tx,
    session: &Session,
    phone: &str,
    takes: bool,
    at: Moment,
) -> Result<String> {
    let subject = sessions::subject_of_phone(tx, phone, at).await?;
    // What this session did before, unless it belonged to another phone.
    if takes && session.phone.is_none() {
        sessions::hand_over(tx, &session.subject, &subject).await?;
    }
    // Claims in which this phone has a right, from whatever device they were reported.
    parties::arrive(tx, &subject, phone).await?;
    let kiosk = sessions::end(tx, &session.hash).await?;
    let fresh = token();
    let hash = hash(&fresh);
    sessions::add(tx, &hash, &subject, Some(phone), kiosk, at).await?;
    app.audit.say(
        "sign-in",
        &Who::session(&hash),
        serde_json::json!({ "as": "customer" }),
    );
    Ok(fresh)
}

/// Whether a session has not been ended since.
pub async fn is_alive(app: &App, hash: &str) -> Result<bool> {
    let fate = sessions::fate(&mut app.store.read().await?, hash).await?;
    Ok(fate.is_some_and(|(_, ended)| !ended))
}

/// Ends a session, and its streams.
pub async fn end(app: &App, session: &Session) -> Result<()> {
    let mut tx = app.store.begin().await?;
    sessions::end(&mut tx, &session.hash).await?;
    tx.commit().await?;
    app.news.tell(&session.hash);
    Ok(())
}

/// The current user, and the policies in force for their phone, masked.
pub async fn view(app: &App, phone: Option<&str>) -> Result<SessionView> {
    let at = now();
    let policies = match phone {
        Some(phone) => policies::of_phone(&mut app.store.read().await?, phone, at).await?,
        None => Vec::new(),
    };
    let policies = policies
        .into_iter()
        .filter(|(.., in_force)| *in_force)
        .map(shown)
        .collect();
    let (server_time, build) = (Some(at), app.assets.build());
    Ok(SessionView {
        signed_in: phone.is_some(),
        phone: phone.map(mask::phone),
        policies,
        server_time,
        build,
    })
}

fn shown((id, policy, _): (String, Policy, bool)) -> PolicyView {
    let plate = policy
        .vehicle
        .as_ref()
        .map(|v| v.plate.as_str())
        .filter(|p| !p.is_empty());
    let title = plate.map_or_else(|| format!("****{}", mask::tail(&policy.no)), mask::plate);
    let insured = policy
        .insured
        .first()
        .map(|p| mask::name(&p.name))
        .unwrap_or_default();
    PolicyView {
        id,
        lob: policy.lob,
        title,
        insured,
    }
}

/// Removes expired sessions, and old records that nobody asks about.
pub async fn expire(app: &App) -> Result<()> {
    let mut tx = app.store.begin().await?;
    sessions::expire(&mut tx, ANONYMOUS_IDLE, now()).await?;
    tx.commit().await
}

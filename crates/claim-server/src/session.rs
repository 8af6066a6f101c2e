//! Who is there. Reporting needs no login: whoever looks gets a token that nothing is stored for, and the first request
//! that changes something makes it an anonymous session. A code by SMS upgrades it, with a new token, and everything the
//! anonymous session owned moves along.
//!
//! Limits: code of 6 digits, 5 minutes, 5 tries, once, bound to the session that asked; resend after 60 s, 5 an hour for a
//! number that has answered once and 3 for others (`messages`), after 10 in a day one an hour, so that nobody locks anybody
//! out; 10 an hour for a session, 20 for a network.

use axum::Extension;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use claim_api::{CodeRequest, LoginRequest, PolicyDetail, PolicyView, Problem, ProblemCode, SessionView};
use claim_domain::policy::Policy;
use claim_domain::validate::{Code, mobile};
use claim_domain::{FieldError, Moment};
use sqlx::Row;

use crate::audit::Who;
use crate::claims::signed_in;
use crate::failure::{Failure, Result};
use crate::vault::{random, sha256_hex, token};
use crate::{App, guard, kiosk, messages, now, people, policies, store};

/// An anonymous session lives as long as an unfinished upload may.
const ANONYMOUS_IDLE: i64 = 7 * 86_400;
const SIGNED_IN_IDLE: i64 = 30 * 60;
const SIGNED_IN_AT_MOST: i64 = 12 * 3600;
/// At a machine in a branch, where the next person stands behind.
const AT_KIOSK_IDLE: i64 = 2 * 60;
const AT_KIOSK_AT_MOST: i64 = 10 * 60;
pub const CODE_LIVES: i64 = 5 * 60;
/// Seconds by which a server's clock is corrected in good order.
pub const CLOCKS_DIFFER: i64 = 60;
const TRIES: i64 = 5;

/// The session of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct Session {
    pub subject: String,
    pub hash: String,
    /// Set when the phone was proved.
    pub phone: Option<String>,
    /// At a machine in a branch.
    kiosk: bool,
    /// A report writes it down together with the claim: one commit, and nothing for whoever is refused.
    written: bool,
}

impl Session {
    #[cfg(test)]
    pub fn for_test(subject: &str) -> Session {
        Session { subject: subject.to_owned(), hash: String::new(), phone: None, kiosk: false, written: true }
    }

    /// # Errors
    /// `session-expired` for somebody who has not signed in.
    pub fn signed_in(&self) -> Result<&str> {
        self.phone.as_deref().ok_or_else(|| ProblemCode::SessionExpired.into())
    }
}

/// A token that the response must carry.
#[derive(Clone)]
pub struct SetToken(pub String);

pub struct Cookie(Option<String>, &'static str);

fn cookie_name(app: &App) -> &'static str {
    // `__Host-` needs Secure, which browsers do not accept over plain HTTP. Another name where it is partitioned: a browser
    // may hold both, and sends the older one first.
    match (app.options.secure, app.deployment.partners.is_empty()) {
        (false, _) => "sid",
        (true, true) => "__Host-sid",
        (true, false) => "__Host-psid",
    }
}

pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v.to_owned())
}

pub fn set_cookie(name: &str, value: &str, path: &str, age: i64, same_site: &str) -> HeaderValue {
    let secure = if name.starts_with("__") { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite={same_site}{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// Puts the [`Session`] into the request; makes an anonymous one where the request needs it.
pub async fn enter(app: &App, request: &mut Request) -> Result<Cookie> {
    let name = cookie_name(app);
    let path = request.uri().path();
    if !(path.starts_with(claim_api::BASE) || path.starts_with("/lite")) {
        return Ok(Cookie(None, name));
    }
    let at = now();
    let sent = cookie(request.headers(), name);
    if let Some(token) = &sent
        && let Some(session) = find(app, token, at).await?
    {
        request.extensions_mut().insert(session);
        return Ok(Cookie(None, name));
    }
    let promised = match sent.filter(|token| is_promised(app, token, at)) {
        Some(token) if !has_ended(app, &token).await? => Some(token),
        _ => None,
    };
    let (token, fresh) = match promised {
        Some(token) => (token, None),
        None => {
            let token = promise(app, at);
            (token.clone(), Some(token))
        }
    };
    let mut session = Session { hash: sha256_hex(token.as_bytes()), subject: String::new(), phone: None, kiosk: false, written: false };
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        if path != "/api/v1/session" && path != "/lite" {
            return Ok(Cookie(None, name));
        }
        // Nothing is written for somebody who only looks.
        request.extensions_mut().insert(session);
        return Ok(Cookie(fresh, name));
    }
    app.quotas.sessions.take(guard::network(app, request))?;
    session.kiosk = kiosk::of(app, request.headers()).await?.is_some();
    session.subject = crate::vault::token();
    if !REPORTS.contains(&path) {
        let mut tx = app.store.begin().await?;
        session = write_down(&mut tx, session, at).await?;
        tx.commit().await?;
    }
    request.extensions_mut().insert(session);
    Ok(Cookie(fresh, name))
}

/// Where a session is written down by the report itself.
const REPORTS: [&str; 2] = ["/api/v1/notices", "/lite"];

/// Keeps a session that is not kept yet. Two first requests at once are one person.
///
/// # Errors
/// `session-expired` for one that has ended meanwhile.
pub async fn write_down(tx: &mut store::Tx, mut session: Session, at: Moment) -> Result<Session> {
    if session.written {
        return Ok(session);
    }
    session.written = true;
    let known: Option<(String, bool)> =
        sqlx::query_as("SELECT subject_id, ended FROM session WHERE token_hash = ?").bind(&session.hash).fetch_optional(&mut **tx).await?;
    match known {
        Some((_, true)) => return Err(ProblemCode::SessionExpired.into()),
        Some((subject, false)) => session.subject = subject,
        None => {
            sqlx::query("INSERT INTO subject (id, created_at) VALUES (?, ?)").bind(&session.subject).bind(at.0).execute(&mut **tx).await?;
            insert(tx, &session, None, at).await?;
        }
    }
    Ok(session)
}

async fn has_ended(app: &App, token: &str) -> Result<bool> {
    let found: i64 = sqlx::query_scalar("SELECT count(*) FROM session WHERE token_hash = ? AND ended = 1")
        .bind(sha256_hex(token.as_bytes()))
        .fetch_one(&app.store.read)
        .await?;
    Ok(found > 0)
}

/// A token for somebody of whom nothing is stored yet: when it was made, chance, and our word for both.
fn promise(app: &App, at: Moment) -> String {
    let text = format!("{:x}.{}", at.0, token());
    format!("{text}.{}", app.vault.index("anonymous", &text))
}

fn is_promised(app: &App, token: &str, at: Moment) -> bool {
    let Some((text, word)) = token.rsplit_once('.') else { return false };
    let made = text.split_once('.').and_then(|(made, _)| i64::from_str_radix(made, 16).ok());
    made.is_some_and(|made| (made - CLOCKS_DIFFER..made + ANONYMOUS_IDLE).contains(&at.0)) && app.vault.index("anonymous", text) == word
}

/// Lets the response carry a token that was made on the way.
pub fn leave(app: &App, cookie: Cookie, response: &mut Response) {
    let Cookie(fresh, name) = cookie;
    let rotated = response.extensions_mut().remove::<SetToken>().map(|t| t.0);
    if let Some(token) = rotated.or(fresh) {
        let age = if token.is_empty() { 0 } else { ANONYMOUS_IDLE };
        // In a partner's frame the app is a third party: a cookie of its own for each partner (CHIPS), or none would be sent.
        let framed = app.options.secure && !app.deployment.partners.is_empty();
        let cookie = set_cookie(name, &token, "/", age, if framed { "None; Partitioned" } else { "Lax" });
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn place(hash: &str) -> String {
    format!("session.phone/{hash}")
}

async fn find(app: &App, token: &str, at: Moment) -> Result<Option<Session>> {
    let hash = sha256_hex(token.as_bytes());
    let row = sqlx::query("SELECT subject_id, created_at, seen_at, phone_sealed, kiosk FROM session WHERE token_hash = ? AND ended = 0")
        .bind(&hash)
        .fetch_optional(&app.store.read)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (created, seen): (i64, i64) = (row.try_get("created_at")?, row.try_get("seen_at")?);
    let phone: Option<String> =
        row.try_get::<Option<String>, _>("phone_sealed")?.and_then(|sealed| app.vault.open_text(&place(&hash), &sealed));
    let kiosk = row.try_get("kiosk")?;
    let (idle, longest) = match (phone.is_some(), kiosk) {
        (false, false) => (ANONYMOUS_IDLE, i64::MAX),
        (true, false) => (SIGNED_IN_IDLE, SIGNED_IN_AT_MOST),
        // Until it is signed in with, the machine itself ends it.
        (false, true) => (SIGNED_IN_IDLE, i64::MAX),
        (true, true) => (AT_KIOSK_IDLE, AT_KIOSK_AT_MOST),
    };
    // From the future: the server's clock was put back, so nobody knows how old it is.
    let ageless = phone.is_some() && created.max(seen) > at.0 + CLOCKS_DIFFER;
    if at.0 - seen > idle || ageless || at.0 - created > longest {
        return Ok(None);
    }
    // Not at every request: writing is what a database does slowest.
    if at.0 - seen > (idle / 4).min(60) {
        let mut tx = app.store.begin().await?;
        sqlx::query("UPDATE session SET seen_at = ? WHERE token_hash = ?").bind(at.0).bind(&hash).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    Ok(Some(Session { subject: row.try_get("subject_id")?, hash, phone, kiosk, written: true }))
}

async fn insert(tx: &mut store::Tx, session: &Session, phone_sealed: Option<String>, at: Moment) -> Result<()> {
    sqlx::query("INSERT INTO session (token_hash, subject_id, created_at, seen_at, phone_sealed, kiosk) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&session.hash)
        .bind(&session.subject)
        .bind(at.0)
        .bind(at.0)
        .bind(phone_sealed)
        .bind(session.kiosk)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub fn masked_phone(phone: &str) -> String {
    if phone.len() == 11 { format!("{}****{}", &phone[..3], &phone[7..]) } else { "****".into() }
}

/// First character, or the compound family name: `张*`, `欧阳**`.
pub fn masked_name(name: &str) -> String {
    const COMPOUND: [&str; 8] = ["欧阳", "司马", "上官", "诸葛", "夏侯", "尉迟", "公孙", "慕容"];
    let kept = COMPOUND.iter().find(|c| name.starts_with(**c)).map_or(1, |_| 2);
    let count = name.chars().count();
    name.chars().take(kept).chain(std::iter::repeat_n('*', count.saturating_sub(kept).clamp(1, 4))).collect()
}

/// `京A***45`
pub fn masked_plate(plate: &str) -> String {
    let c: Vec<char> = plate.chars().collect();
    if c.len() < 6 { "***".into() } else { c[..2].iter().collect::<String>() + "***" + &c[c.len() - 2..].iter().collect::<String>() }
}

/// Policies in force of a phone, masked.
async fn policies(app: &App, phone: &str, at: Moment) -> Result<Vec<PolicyView>> {
    let shown = |(id, policy, _): (String, Policy, bool)| {
        let tail: String = policy.no.chars().skip(policy.no.chars().count().saturating_sub(4)).collect();
        let plate = policy.vehicle.as_ref().map(|v| v.plate.as_str()).filter(|p| !p.is_empty());
        let title = plate.map_or(format!("****{tail}"), masked_plate);
        let insured = policy.insured.first().map(|p| masked_name(&p.name)).unwrap_or_default();
        PolicyView { id, lob: policy.lob, title, insured }
    };
    let all = policies::of_phone(app, phone, at).await?;
    Ok(all.into_iter().filter(|(.., in_force)| *in_force).map(shown).collect())
}

/// My policies: what they cover and up to how much, whom, and who gets the money after a death.
#[utoipa::path(get, path = "/api/v1/policies", responses((status = 200, body = Vec<PolicyDetail>), (status = 401, body = Problem)))]
pub async fn my_policies(State(app): State<App>, session: Option<Extension<Session>>) -> Result<Json<Vec<PolicyDetail>>> {
    let session = signed_in(session)?;
    let all = policies::of_phone(&app, session.signed_in()?, now()).await?;
    Ok(Json(all.into_iter().map(|(id, policy, in_force)| PolicyDetail { id, policy: masked(policy), in_force }).collect()))
}

/// Names stay, so that one knows whom they mean; numbers and phones by their ends.
fn masked(mut policy: Policy) -> Policy {
    let insured = policy.insured.iter_mut().chain(std::iter::once(&mut policy.holder));
    for party in insured.chain(policy.beneficiaries.iter_mut().map(|b| &mut b.party)) {
        let digits: Vec<char> = party.id_no.chars().collect();
        if digits.len() > 7 {
            party.id_no = digits[..3].iter().collect::<String>() + "***" + &digits[digits.len() - 4..].iter().collect::<String>();
        }
        party.phone = if party.phone.is_empty() { String::new() } else { masked_phone(&party.phone) };
    }
    policy
}

/// Who the server thinks is there, and the policies in force.
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = SessionView)))]
pub async fn view(State(app): State<App>, Extension(session): Extension<Session>) -> Result<Json<SessionView>> {
    Ok(Json(view_of(&app, session.phone.as_deref()).await?))
}

pub async fn view_of(app: &App, phone: Option<&str>) -> Result<SessionView> {
    let at = now();
    let policies = match phone {
        Some(phone) => policies(app, phone, at).await?,
        None => Vec::new(),
    };
    let (server_time, build) = (Some(at), app.assets.build());
    Ok(SessionView { signed_in: phone.is_some(), phone: phone.map(masked_phone), policies, server_time, build })
}

const CODES_A_DAY: i64 = 10;

async fn codes_since(tx: &mut store::Tx, phone_index: &str, since: i64) -> Result<i64> {
    let sql = "SELECT count(*) FROM otp WHERE phone_index = ? AND sent_at > ?";
    Ok(sqlx::query_scalar(sql).bind(phone_index).bind(since).fetch_one(&mut **tx).await?)
}

fn checked_phone(phone: &str) -> Result<String> {
    let verdict = mobile(phone);
    match (verdict.value(), verdict.finding()) {
        (Some(phone), _) => Ok(phone.to_owned()),
        (None, finding) => {
            let finding = finding.cloned().unwrap_or(Code::Required.into());
            Err(Problem::validation(vec![FieldError::new("/phone", finding)]).into())
        }
    }
}

/// Sends a code by SMS; the answer is the same for every number.
#[utoipa::path(post, path = "/api/v1/session/code", request_body = CodeRequest, responses((status = 204), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub async fn send_code(State(app): State<App>, Extension(session): Extension<Session>, request: Request) -> Result<StatusCode> {
    let network = guard::network(&app, &request);
    let asked: CodeRequest = guard::json(request).await?;
    let phone = checked_phone(&asked.phone)?;
    let (at, index) = (now(), app.vault.index("phone", &phone));
    let mut tx = app.store.begin().await?;
    let mut wait = 0;
    let (known, today) = (messages::has_answered(&mut tx, &index).await?, codes_since(&mut tx, &index, at.0 - 86_400).await?);
    let an_hour = messages::codes_an_hour(known);
    // Column, value, seconds, at most.
    let limits = [
        ("phone_index", &index, 60, 1),
        ("phone_index", &index, 3600, if today >= CODES_A_DAY { 1 } else { an_hour }),
        ("session_hash", &session.hash, 3600, 10),
        ("network", &network, 3600, 20),
    ];
    for (column, value, seconds, most) in limits {
        let sql = match column {
            "phone_index" => "SELECT count(*), coalesce(min(sent_at), 0) FROM otp WHERE phone_index = ? AND sent_at > ? AND sent_at <= ?",
            "session_hash" => "SELECT count(*), coalesce(min(sent_at), 0) FROM otp WHERE session_hash = ? AND sent_at > ? AND sent_at <= ?",
            _ => "SELECT count(*), coalesce(min(sent_at), 0) FROM otp WHERE network = ? AND sent_at > ? AND sent_at <= ?",
        };
        let since = at.0 - seconds;
        let (count, oldest): (i64, i64) = sqlx::query_as(sql).bind(value).bind(since).bind(at.0).fetch_one(&mut *tx).await?;
        if count >= most {
            wait = wait.max(oldest + seconds - at.0);
        }
    }
    if wait == 0 && !known {
        wait = messages::wait_for_code(&app, &mut tx, &index, at).await?;
    }
    if wait > 0 {
        return Err(Problem::after(ProblemCode::OtpRate, u32::try_from(wait).unwrap_or(60)).into());
    }
    let code = format!("{:06}", u64::from_le_bytes(random::<8>()) % 1_000_000);
    sqlx::query("INSERT INTO otp (phone_index, session_hash, network, code_hmac, sent_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&index)
        .bind(&session.hash)
        .bind(&network)
        .bind(app.vault.index(&format!("code {index} {}", session.hash), &code))
        .bind(at.0)
        .execute(&mut *tx)
        .await?;
    let text = format!("【{}】验证码 {code}，5 分钟内有效，请勿告诉他人。", app.deployment.insurer.zh);
    messages::write_code(&app, &mut tx, &phone, &text, at).await?;
    tx.commit().await?;
    tokio::spawn(async move {
        if let Err(failure) = messages::deliver(&app).await {
            failure.problem();
        }
    });
    Ok(StatusCode::NO_CONTENT)
}

/// Signs in with the code: a new token, and everything that the anonymous session owned.
#[utoipa::path(post, path = "/api/v1/session", request_body = LoginRequest, responses((status = 200, body = SessionView), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub async fn sign_in(State(app): State<App>, Extension(session): Extension<Session>, request: Request) -> Result<Response> {
    let asked: LoginRequest = guard::json(request).await?;
    let phone = checked_phone(&asked.phone)?;
    let (at, index) = (now(), app.vault.index("phone", &phone));
    let mut tx = app.store.begin().await?;
    let row = sqlx::query("SELECT id, code_hmac, tries FROM otp WHERE phone_index = ? AND session_hash = ? AND used = 0 AND sent_at > ? AND sent_at <= ? ORDER BY sent_at DESC, id DESC LIMIT 1")
        .bind(&index)
        .bind(&session.hash)
        .bind(at.0 - CODE_LIVES)
        .bind(at.0)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(row) = row else { return Err(ProblemCode::OtpInvalid.into()) };
    let (id, right, tries): (i64, String, i64) = (row.try_get("id")?, row.try_get("code_hmac")?, row.try_get("tries")?);
    // Both sides are HMACs: comparing them tells nothing of the code by its time.
    let matches = app.vault.index(&format!("code {index} {}", session.hash), asked.code.trim()) == right;
    let good = matches && tries < TRIES;
    sqlx::query("UPDATE otp SET tries = tries + 1, used = ? WHERE id = ?").bind(i64::from(good)).bind(id).execute(&mut *tx).await?;
    if !good {
        tx.commit().await?;
        app.audit.say("sign-in-failed", &Who::session(&session.hash), serde_json::json!({ "as": "customer", "try": tries + 1 }));
        return Err(ProblemCode::OtpInvalid.into());
    }
    let fresh = become_person(&app, &mut tx, &session, &phone, true, at).await?;
    tx.commit().await?;
    let mut response = Json(view_of(&app, Some(&phone)).await?).into_response();
    response.extensions_mut().insert(SetToken(fresh));
    Ok(response)
}

/// The session becomes that of whoever has this phone: a new token, what it did before, and his claims.
///
/// `takes`: what the session did before goes along; not where somebody else says who this is.
pub async fn become_person(app: &App, tx: &mut store::Tx, session: &Session, phone: &str, takes: bool, at: Moment) -> Result<String> {
    let index = app.vault.index("phone", phone);
    let subject: Option<String> =
        sqlx::query_scalar("SELECT id FROM subject WHERE phone_index = ?").bind(&index).fetch_optional(&mut **tx).await?;
    let subject = match subject {
        Some(subject) => subject,
        None => {
            let subject = token();
            sqlx::query("INSERT INTO subject (id, phone_index, created_at) VALUES (?, ?, ?)")
                .bind(&subject)
                .bind(&index)
                .bind(at.0)
                .execute(&mut **tx)
                .await?;
            subject
        }
    };
    // What this session did before, unless it belonged to another phone.
    if takes && session.phone.is_none() {
        hand_over(tx, &session.subject, &subject).await?;
    }
    // Claims in which this phone has a right, from whatever device they were reported.
    people::arrive(tx, &subject, &index).await?;
    let kiosk = end(tx, &session.hash).await?;
    let fresh = token();
    let session = Session { subject, hash: sha256_hex(fresh.as_bytes()), phone: Some(phone.to_owned()), kiosk, written: true };
    let sealed = app.vault.seal(&place(&session.hash), phone);
    insert(tx, &session, Some(sealed), at).await?;
    app.audit.say("sign-in", &Who::session(&session.hash), serde_json::json!({ "as": "customer" }));
    Ok(fresh)
}

/// Ends a session for good: its row stays, so that its token is never anybody's again. Whether it was at a machine in a
/// branch.
pub async fn end(tx: &mut store::Tx, hash: &str) -> Result<bool> {
    let kiosk: Option<bool> = sqlx::query_scalar("UPDATE session SET ended = 1, phone_sealed = NULL WHERE token_hash = ? RETURNING kiosk")
        .bind(hash)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(kiosk.unwrap_or(false))
}

/// Whether a session has not been ended since.
pub async fn is_alive(app: &App, hash: &str) -> Result<bool> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM session WHERE token_hash = ? AND ended = 0").bind(hash).fetch_optional(&app.store.read).await?;
    Ok(found.is_some())
}

/// What one subject had becomes another's.
pub async fn hand_over(tx: &mut store::Tx, from: &str, to: &str) -> Result<()> {
    for sql in [
        "UPDATE OR IGNORE party SET subject_id = ? WHERE subject_id = ?",
        "UPDATE upload SET subject_id = ? WHERE subject_id = ?",
        "UPDATE submission SET subject_id = ? WHERE subject_id = ?",
    ] {
        sqlx::query(sql).bind(to).bind(from).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Ends the session here and on the server.
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 204)))]
pub async fn sign_out(State(app): State<App>, Extension(session): Extension<Session>) -> std::result::Result<Response, Failure> {
    let mut tx = app.store.begin().await?;
    end(&mut tx, &session.hash).await?;
    tx.commit().await?;
    // Its streams end now.
    app.news.tell(&session.hash);
    app.audit.say("sign-out", &Who::session(&session.hash), serde_json::json!({ "as": "customer" }));
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.extensions_mut().insert(SetToken(String::new()));
    Ok(response)
}

/// How long messages that have been sent, and codes, are kept: what somebody may ask about.
const KEPT: i64 = 180 * 86_400;

/// Removes sessions that have ended, subjects of whom nothing is left, and old codes and messages.
pub async fn expire(app: &App) -> Result<()> {
    let at = now().0;
    let mut tx = app.store.begin().await?;
    for (sql, before) in [
        ("DELETE FROM session WHERE seen_at < ?1", at - ANONYMOUS_IDLE),
        ("DELETE FROM session WHERE phone_sealed IS NOT NULL AND (seen_at < ?1 OR created_at < ?1 - 11 * 3600)", at - 3600),
        ("DELETE FROM otp WHERE sent_at < ?1", at - 2 * 86_400),
        ("DELETE FROM wrong_password WHERE at < ?1", at - 86_400),
        (
            "DELETE FROM message WHERE created_at < ?1 AND state <> 'queued' AND (claim_id IS NULL OR claim_id IN (SELECT id FROM claim WHERE stage = 'archived'))",
            at - KEPT,
        ),
        (
            "DELETE FROM subject WHERE created_at < ?1 AND phone_index IS NULL \
             AND NOT EXISTS (SELECT 1 FROM session x WHERE x.subject_id = subject.id) \
             AND NOT EXISTS (SELECT 1 FROM party x WHERE x.subject_id = subject.id) \
             AND NOT EXISTS (SELECT 1 FROM submission x WHERE x.subject_id = subject.id) \
             AND NOT EXISTS (SELECT 1 FROM upload x WHERE x.subject_id = subject.id)",
            at - 3600,
        ),
    ] {
        sqlx::query(sql).bind(before).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_person() {
        assert_eq!(masked_phone("13800138000"), "138****8000");
        assert_eq!(masked_name("张伟"), "张*");
        assert_eq!(masked_name("欧阳娜娜"), "欧阳**");
        assert_eq!(masked_name("王"), "王*");
        assert_eq!(masked_plate("浙A12345"), "浙A***45");
    }
}

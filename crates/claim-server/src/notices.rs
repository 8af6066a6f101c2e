//! 报案: one notice, one claim, however often it is sent.

use std::time::{Duration, Instant};

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{Problem, ProblemCode, Receipt};
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Actor, Desk, Role, Stage, What};
use claim_domain::notice::Checked;
use claim_domain::{Moment, Notice, claim_no, local_day};
use sqlx::Row;

use crate::claims::place_of_notice;
use crate::failure::Result;
use crate::session::{self, Session};
use crate::vault::{random, sha256_hex, token};
use crate::{App, attendant, catastrophes, documents, drafts, guard, now, people, policies, signals, store};

/// New claims that one session may make in a day; a repeated key is not a new claim.
const CLAIMS_A_DAY: i64 = 20;
const MOST_BYTES: usize = 32 << 10;
/// No sooner is anybody answered whose own policy it is not: a claim of a policy takes a little longer to write down, and who
/// measures that would learn which plates are insured here (OWASP ASVS 5.0, 6.3.8).
const STRANGERS_WAIT: Duration = Duration::from_millis(30);

/// The Idempotency-Key header: a quoted string (draft-ietf-httpapi-idempotency-key-header-07) or a bare token.
pub fn key(headers: &HeaderMap) -> Result<String> {
    let text = headers.get("idempotency-key").and_then(|v| v.to_str().ok()).unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    well_formed(bare)?;
    Ok(bare.to_owned())
}

/// What may be a key, and so the name of a draft.
///
/// # Errors
/// `idempotency-key-missing` for everything else.
pub fn well_formed(key: &str) -> Result<()> {
    let plain = (8..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if plain { Ok(()) } else { Err(ProblemCode::IdempotencyKeyMissing.into()) }
}

/// What only the phone knows that reports, hashed. Too short is none.
fn secret_hash(headers: &HeaderMap) -> Option<String> {
    headers.get("submission-secret").map(HeaderValue::as_bytes).filter(|s| (32..=128).contains(&s.len())).map(sha256_hex)
}

/// Reports a loss. The same key gives the same answer for ever.
#[utoipa::path(post, path = "/api/v1/notices", request_body = Notice, params(("Idempotency-Key" = String, Header, description = "UUID of the draft, quoted or bare"),
    ("Submission-Secret" = Option<String>, Header, description = "32 to 128 random characters that the phone keeps: with them and the same body another anonymous session takes the report over")),
    responses((status = 201, body = Receipt), (status = 200, description = "the same again", body = Receipt), (status = 400, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)))]
pub async fn create(State(app): State<App>, Extension(session): Extension<Session>, request: Request) -> Result<Response> {
    let network = guard::network(&app, &request);
    let (key, secret) = (key(request.headers())?, secret_hash(request.headers()));
    guard::require_json(request.headers())?;
    let body = guard::body(request, MOST_BYTES).await?;
    let notice: Notice = serde_json::from_slice(&body).map_err(|_| ProblemCode::MalformedJson)?;
    if session.phone.is_none() {
        app.quotas.reports.take(network)?;
    }
    let (receipt, replayed) =
        submit(&app, &session, Said { key: &key, body_hash: &sha256_hex(&body), secret_hash: secret }, &notice, "app").await?;
    let status = if replayed { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = (status, Json(receipt)).into_response();
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What became of a submission.
#[utoipa::path(get, path = "/api/v1/submissions/{key}", params(("key" = String, Path)), responses((status = 200, body = Receipt), (status = 404, body = Problem)))]
pub async fn submission(State(app): State<App>, session: Option<Extension<Session>>, Path(key): Path<String>) -> Result<Json<Receipt>> {
    let Some(Extension(session)) = session else { return Err(ProblemCode::NotFound.into()) };
    let reply: Option<String> = sqlx::query_scalar(
        "SELECT reply FROM submission s WHERE key = ?1 AND (subject_id = ?2 OR EXISTS (SELECT 1 FROM party p WHERE p.claim_id = s.claim_id AND p.subject_id = ?2))",
    )
    .bind(&key)
    .bind(&session.subject)
    .fetch_optional(&app.store.read)
    .await?;
    let reply = reply.ok_or(ProblemCode::NotFound)?;
    Ok(Json(serde_json::from_str(&reply).map_err(|e| crate::failure::Failure::internal("stored reply", e))?))
}

/// What makes a notice the same as an earlier one.
pub struct Said<'a> {
    pub key: &'a str,
    pub body_hash: &'a str,
    pub secret_hash: Option<String>,
}

/// How long a phone may show that a report is its own.
const PROVABLE: i64 = 7 * 86_400;

/// A browser that is killed before it has written its cookie down says the same notice again: with its secret, what the
/// lost session had becomes this one's. Not where somebody has signed in with it since.
async fn prove(tx: &mut store::Tx, session: &Session, said: &Said<'_>, at: Moment) -> Result<()> {
    let lost: Option<String> = sqlx::query_scalar(
        "SELECT s.subject_id FROM submission s JOIN subject o ON o.id = s.subject_id \
         WHERE s.key = ? AND s.body_hash = ? AND s.secret_hash = ? AND s.created_at > ? AND o.phone_index IS NULL AND o.id <> ?",
    )
    .bind(said.key)
    .bind(said.body_hash)
    .bind(&said.secret_hash)
    .bind(at.0 - PROVABLE)
    .bind(&session.subject)
    .fetch_optional(&mut **tx)
    .await?;
    match lost {
        Some(lost) => session::hand_over(tx, &lost, &session.subject).await,
        None => Ok(()),
    }
}

/// The stored answer to this key, when the same body came before.
///
/// # Errors
/// `not-found` when the key is somebody else's, `idempotency-key-reused` for another body.
pub async fn answered(tx: &mut store::Tx, session: &Session, said: &Said<'_>) -> Result<Option<String>> {
    let known = sqlx::query(
        "SELECT body_hash, reply, subject_id = ?2 OR EXISTS (SELECT 1 FROM party p WHERE p.claim_id = s.claim_id AND p.subject_id = ?2) AS mine FROM submission s WHERE key = ?1",
    )
    .bind(said.key)
    .bind(&session.subject)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = known else { return Ok(None) };
    let (hash, reply, mine): (String, String, bool) = (row.try_get("body_hash")?, row.try_get("reply")?, row.try_get("mine")?);
    match (mine, hash == said.body_hash) {
        (false, _) => Err(ProblemCode::NotFound.into()),
        (true, false) => Err(ProblemCode::IdempotencyKeyReused.into()),
        (true, true) => Ok(Some(reply)),
    }
}

/// Keeps the answer to a key for ever, in the transaction that made it true.
pub async fn remember(tx: &mut store::Tx, session: &Session, said: &Said<'_>, claim_id: &str, reply: &str, at: Moment) -> Result<()> {
    sqlx::query(
        "INSERT INTO submission (key, subject_id, body_hash, secret_hash, claim_id, reply, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(said.key)
    .bind(&session.subject)
    .bind(said.body_hash)
    .bind(&said.secret_hash)
    .bind(claim_id)
    .bind(reply)
    .bind(at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Checks a notice and makes the claim: key, claim, events, message and stored answer in one transaction.
/// The flag says that this key was answered before.
pub async fn submit(app: &App, session: &Session, said: Said<'_>, notice: &Notice, channel: &str) -> Result<(Receipt, bool)> {
    let (at, began) = (now(), Instant::now());
    let mut tx = app.store.begin_report().await?;
    let session = &session::write_down(&mut tx, session.clone(), at).await?;
    prove(&mut tx, session, &said, at).await?;
    if let Some(reply) = answered(&mut tx, session, &said).await? {
        tx.commit().await?;
        return Ok((serde_json::from_str(&reply).map_err(|e| crate::failure::Failure::internal("stored reply", e))?, true));
    }
    let notice = completed(app, &mut tx, session, notice.clone()).await?;
    let Checked { notice, .. } = notice.check(&app.catalogue, at).map_err(Problem::validation)?;
    let today: i64 = sqlx::query_scalar("SELECT count(*) FROM submission WHERE subject_id = ? AND created_at > ?")
        .bind(&session.subject)
        .bind(at.0 - 86_400)
        .fetch_one(&mut *tx)
        .await?;
    if today >= CLAIMS_A_DAY {
        return Err(Problem::after(ProblemCode::RateLimited, 3600).into());
    }
    // `check` has found the incident in the catalogue.
    let lob = app.catalogue.incident(&notice.incident).ok_or(ProblemCode::MalformedJson)?.lob;
    let policy = policies::find(app, &mut tx, session.phone.as_deref(), &notice, lob.as_str()).await?;
    let number = unused_number(&mut tx, at).await?;
    let id = token();
    let phone_index = app.vault.index("phone", &notice.reporter.phone);
    let key = app.vault.new_claim_key(&id);
    let sealed = app.vault.claim_key(&id, &key).map(|key| key.seal(&place_of_notice(&id), &store::json(&notice))).unwrap_or_default();
    sqlx::query(
        "INSERT INTO claim (id, no, lob, incident, stage, loss_at, reported_at, notice_sealed, reporter_phone_index, policy_id, rules_version, channel, key_sealed) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(&number)
    .bind(lob.as_str())
    .bind(&notice.incident)
    .bind(Stage::Reported.as_str())
    .bind(notice.loss_at.0)
    .bind(at.0)
    .bind(sealed)
    .bind(&phone_index)
    .bind(policy.as_ref())
    .bind(&app.catalogue.rules_version)
    .bind(channel)
    .bind(key)
    .execute(&mut *tx)
    .await?;
    // Whoever reported follows it. What he says that he is opens nothing: a phone of the policy does, once a code was sent
    // to it, whoever typed it in.
    people::enter(&mut tx, &id, &session.subject, Role::Reporter, None, None).await?;
    let known: Option<String> =
        sqlx::query_scalar("SELECT id FROM subject WHERE phone_index = ?").bind(&phone_index).fetch_optional(&mut *tx).await?;
    if let Some(reporter) = known {
        people::enter(&mut tx, &id, &reporter, Role::Reporter, None, None).await?;
    }
    if let Some(policy) = &policy {
        people::admit_owners(&mut tx, &id, policy).await?;
    }
    let deceased = app.catalogue.with_implied(notice.facts()).flags.get("insured_deceased") == Some(&true);
    store::append(app, &mut tx, &id, lob, &Actor::System, What::Reported { verified: policy.is_some(), deceased }, at).await?;
    // A policy in force is registered at once; the rest waits for somebody at the intake desk.
    if policy.is_some()
        && let Some(handler) = next_handler(&mut tx).await?
    {
        store::append(app, &mut tx, &id, lob, &Actor::System, What::Registered { handler }, at).await?;
    }
    let is_own = match (&policy, session.phone.as_deref()) {
        (Some(policy), Some(phone)) => policies::belongs(app, &mut tx, policy, phone).await?.is_some(),
        _ => false,
    };
    let receipt = Receipt {
        claim_no: number.clone(),
        received_at: at,
        // Whether a plate or number is known is told to those only whose own policy it is: whoever signed in with a phone of it.
        verified: is_own,
        contact_by: at.plus_seconds(i64::from(app.deployment.promises.contact_hours) * 3600),
        requirements: app.catalogue.requirements(&notice.facts()),
    };
    remember(&mut tx, session, &said, &id, &serde_json::to_string(&receipt).unwrap_or_default(), at).await?;
    drafts::forget(&mut tx, &session.subject, said.key).await?;
    if let Some(catastrophe) = catastrophes::of_notice(&mut tx, &notice).await? {
        sqlx::query("UPDATE claim SET catastrophe_id = ? WHERE id = ?").bind(catastrophe).bind(&id).execute(&mut *tx).await?;
        // Fewer papers: the rules ask for none of the weather then.
        let answers = std::iter::once(("event_mode".to_owned(), true)).collect();
        documents::keep_of(app, &mut tx, &id, &Folder { answers, ..Folder::default() }).await?;
    }
    // What is not here is asked of the insurer's system beside everything else: nobody waits for that.
    let asks = match &policy {
        None => {
            let later = policies::begins_later(app, &mut tx, &notice, lob.as_str()).await?;
            signals::of_notice(&mut tx, &id, later, at).await?;
            true
        }
        Some(policy) => policies::is_old(&mut tx, policy, at).await?,
    };
    if asks && app.source.is_some() {
        policies::look_for(&mut tx, &id, at).await?;
    }
    tx.commit().await?;
    // Beside the answer, whoever else is told.
    let later = app.clone();
    tokio::spawn(async move {
        attendant::attend(&later, &id).await;
        attendant::search(&later);
    });
    if !is_own {
        tokio::time::sleep_until((began + STRANGERS_WAIT).into()).await;
    }
    Ok((receipt, false))
}

/// Fills in name and phone where the signed-in person chose a policy of his own; the id of anybody else's is dropped.
async fn completed(app: &App, tx: &mut store::Tx, session: &Session, mut notice: Notice) -> Result<Notice> {
    let (Some(id), phone) = (&notice.policy.id, session.phone.clone().unwrap_or_default()) else { return Ok(notice) };
    match policies::belongs(app, &mut *tx, id, &phone).await? {
        None => notice.policy.id = None,
        Some(policy) => {
            let me = std::iter::once(&policy.holder).chain(&policy.insured).find(|p| p.phone == phone);
            let reporter = &mut notice.reporter;
            let name = me.map(|p| p.name.clone()).unwrap_or_default();
            reporter.phone = if reporter.phone.is_empty() { phone } else { reporter.phone.clone() };
            reporter.name = if reporter.name.is_empty() { name } else { reporter.name.clone() };
        }
    }
    Ok(notice)
}

async fn unused_number(tx: &mut store::Tx, at: Moment) -> Result<String> {
    loop {
        let number = claim_no::claim_no(local_day(at), u32::from_le_bytes(random::<4>()));
        let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM claim WHERE no = ?").bind(&number).fetch_one(&mut **tx).await?;
        if taken == 0 {
            return Ok(number);
        }
    }
}

/// Round robin over the intake desk; `None` where nobody works there yet.
pub async fn next_handler(tx: &mut store::Tx) -> Result<Option<String>> {
    let desk: Vec<String> = sqlx::query_scalar("SELECT shown_as FROM staff WHERE desk = ? ORDER BY name")
        .bind(Desk::Intake.as_str())
        .fetch_all(&mut **tx)
        .await?;
    // The newest row's number is as good as counting them all.
    let claims: i64 = sqlx::query_scalar("SELECT coalesce(max(rowid), 0) FROM claim").fetch_one(&mut **tx).await?;
    Ok(usize::try_from(claims).ok().and_then(|n| desk.get(n % desk.len().max(1))).cloned())
}

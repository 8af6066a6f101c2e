//! Who gets the money, and what the bank says of it.
//!
//! Promise: an account leaves the server only by its last four digits; a bank that says the same twice is believed once;
//! a payment is booked only for the instruction that ordered it.

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{Payee, Problem, ProblemCode};
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Actor, Claim, Event, Line, What};
use claim_domain::validate::{self, Code};
use claim_domain::{FieldError, Moment};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::claims::{Sees, Stored, mine, signed_in};
use crate::failure::{Failure, Result};
use crate::session::{Session, masked_name};
use crate::{App, attendant, documents, guard, now, signals, store};

const PAYEE_IS_INSURED: &str = "payee_is_insured";
const MOST_BODY: usize = 16 << 10;

/// Names or corrects who gets the money; possible until the payment is ordered, and again when the bank returned it.
#[utoipa::path(put, path = "/api/v1/claims/{no}/payee", params(("no" = String, Path)), request_body = Payee,
    responses((status = 200, body = Event), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn name(
    State(app): State<App>,
    session: Option<Extension<Session>>,
    Path(no): Path<String>,
    request: Request,
) -> Result<Json<Event>> {
    let session = signed_in(session)?;
    let claim = mine(&app, &session.subject, &no).await?;
    if claim.sees == Sees::Stages {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let payee: Payee = guard::json(request).await?;
    let at = now();
    let mut tx = app.store.begin().await?;
    let mut folder = documents::folder_in(&app, &mut tx, &claim).await?;
    let insured = insured(&app, &mut tx, &claim).await?;
    let (payee, is_insured) = checked(insured.as_deref(), payee).map_err(Problem::validation)?;
    let event = record(&app, &mut tx, &claim, &Actor::Customer, &payee, at).await?;
    if folder.answers.get(PAYEE_IS_INSURED) != Some(&is_insured) {
        // Another person's account asks for three more documents, one's own for none.
        folder.answers.insert(PAYEE_IS_INSURED.into(), is_insured);
        documents::keep(&app, &mut tx, &claim, folder).await?;
    }
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok(Json(event))
}

/// The name of the insured person: the policy's, or the reporter's where he says that he is it.
pub async fn insured(app: &App, db: &mut SqliteConnection, claim: &Stored) -> Result<Option<String>> {
    let sealed: Option<String> =
        sqlx::query_scalar("SELECT p.insured_sealed FROM claim c JOIN policy p ON p.id = c.policy_id WHERE c.id = ?")
            .bind(&claim.id)
            .fetch_optional(db)
            .await?;
    let reporter = &claim.notice.reporter;
    Ok(match sealed {
        Some(sealed) => Some(app.vault.open_text(&sealed).ok_or_else(|| Failure::internal("policy", "sealed with another key"))?),
        None => (reporter.role == "insured").then(|| reporter.name.clone()),
    })
}

/// The payee as it is kept, and whether it is the insured person.
fn checked(insured: Option<&str>, payee: Payee) -> std::result::Result<(Payee, bool), Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut take = |field: &str, verdict: validate::Verdict| match verdict {
        validate::Verdict::Ok(value) | validate::Verdict::Warn(value, _) => value,
        validate::Verdict::Err(finding) => {
            errors.push(FieldError::new(format!("/{field}"), finding));
            String::new()
        }
    };
    let (holder, card) = (take("holder", validate::name(&payee.holder)), take("card", validate::bank_card(&payee.card)));
    let is_insured = payee.relation.trim().is_empty();
    if is_insured && !holder.is_empty() && insured.is_some_and(|name| name != holder) {
        errors.push(FieldError::new("/relation", Code::Required));
    }
    let relation: String = payee.relation.trim().chars().take(50).collect();
    if errors.is_empty() { Ok((Payee { holder, card, relation }, is_insured)) } else { Err(errors) }
}

async fn record(app: &App, tx: &mut SqliteConnection, claim: &Stored, actor: &Actor, payee: &Payee, at: Moment) -> Result<Event> {
    let tail = payee.card.chars().count().saturating_sub(4);
    let what = What::PayeeNamed { holder: masked_name(&payee.holder), last4: payee.card.chars().skip(tail).collect() };
    let event = store::append(&app.vault, &mut *tx, &claim.id, claim.lob, actor, what, at).await?;
    sqlx::query("INSERT INTO payee (claim_id, sealed) VALUES (?, ?) ON CONFLICT (claim_id) DO UPDATE SET sealed = excluded.sealed")
        .bind(&claim.id)
        .bind(app.vault.seal(&serde_json::to_string(payee).unwrap_or_default()))
        .execute(&mut *tx)
        .await?;
    Ok(event)
}

/// The account that came with the claim request: not asked for again.
pub async fn from_request(app: &App, tx: &mut SqliteConnection, claim: &Stored, folder: &Folder, at: Moment) -> Result<()> {
    use claim_domain::catalog::Field;
    let card = folder.typed.values().find_map(|fields| fields.get(&Field::Card)).filter(|card| !card.trim().is_empty());
    let (Some(card), true) = (card, folder.answers.get(PAYEE_IS_INSURED) != Some(&false)) else { return Ok(()) };
    let Some(insured) = insured(app, &mut *tx, claim).await? else { return Ok(()) };
    let payee = Payee { holder: insured.clone(), card: card.clone(), relation: String::new() };
    let Ok((payee, _)) = checked(Some(&insured), payee) else { return Ok(()) };
    match record(app, tx, claim, &Actor::System, &payee, at).await {
        // The money is on its way already, to the account that was named before.
        Err(Failure::Problem(problem)) if problem.code == ProblemCode::NotAllowed => Ok(()),
        other => other.map(drop),
    }
}

/// Notes an instruction, when the step that orders it is taken.
///
/// # Errors
/// `validation` for one that was used before, in whatever claim.
pub async fn order(tx: &mut SqliteConnection, claim: &Stored, instruction: &str, amount_fen: i64, at: Moment) -> Result<()> {
    let noted = sqlx::query("INSERT OR IGNORE INTO payment (instruction, claim_id, amount_fen, ordered_at) VALUES (?, ?, ?, ?)")
        .bind(instruction)
        .bind(&claim.id)
        .bind(amount_fen)
        .bind(at.0)
        .execute(tx)
        .await?;
    if noted.rows_affected() == 1 {
        Ok(())
    } else {
        Err(Problem::validation(vec![FieldError::new("/instruction", Code::Malformed)]).into())
    }
}

/// What the bank's connector tells: the payment went, or came back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BankAnswer {
    pub instruction: String,
    pub paid: bool,
    /// Of the bank, when it went.
    #[serde(default)]
    pub reference: String,
    /// For the customer, when it came back.
    #[serde(default)]
    pub reason: String,
}

/// The bank's answer to an instruction. `Signature`: `hmac-sha256=` and the HMAC of the body with the key in
/// `bank.key` of the data directory. The same outcome again changes nothing; another one is refused, and staff are told.
#[utoipa::path(post, path = "/api/v1/bank/answers", request_body = BankAnswer, params(("Signature" = String, Header)),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn answer(State(app): State<App>, headers: HeaderMap, request: Request) -> Result<Response> {
    guard::require_json(&headers)?;
    let body = guard::body(request, MOST_BODY).await?;
    let signed = headers.get("signature").map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
    if !app.vault.is_signed("bank", &body, signed) {
        return Err(ProblemCode::SessionExpired.into());
    }
    let answer: BankAnswer = serde_json::from_slice(&body).map_err(|_| ProblemCode::MalformedJson)?;
    let text = serde_json::to_string(&answer).unwrap_or_default();
    let at = now();
    let mut tx = app.store.begin().await?;
    let known: Option<(String, Option<String>)> = sqlx::query_as("SELECT claim_id, answer FROM payment WHERE instruction = ?")
        .bind(&answer.instruction)
        .fetch_optional(&mut *tx)
        .await?;
    let Some((claim_id, before)) = known else { return Err(ProblemCode::NotFound.into()) };
    if let Some(before) = before {
        if serde_json::from_str(&before).is_ok_and(|b: BankAnswer| b.paid == answer.paid) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        signals::of_bank(&mut tx, &claim_id, at).await?;
        tx.commit().await?;
        return Err(ProblemCode::NotAllowed.into());
    }
    let stored = attendant::stored(&app, &claim_id).await?;
    let claim = Claim::replay(stored.lob, &store::events(&app.vault, &mut *tx, &claim_id, 0).await?);
    // Answers to an older instruction come too late to mean this payment.
    if claim.instructions.last() != Some(&answer.instruction) {
        return Err(ProblemCode::NotAllowed.into());
    }
    let what = match answer.paid {
        true => paid(&app, &stored, &claim, answer.reference),
        false => What::PaymentFailed { reason: answer.reason },
    };
    store::append(&app.vault, &mut tx, &claim_id, stored.lob, &Actor::System, what, at).await?;
    settle(&mut tx, &answer.instruction, &text).await?;
    tx.commit().await?;
    attendant::attend(&app, &claim_id).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A payment with its lines: from which cover, to which account.
pub fn paid(app: &App, stored: &Stored, claim: &Claim, reference: String) -> What {
    let amount_fen = claim.due_fen();
    let cover = app.catalogue.papers.after.covers.iter().find(|c| c.id == stored.lob.as_str()).map_or("", |c| c.name.zh.as_str());
    let last4 = claim.payee.as_ref().map(|p| p.1.clone()).unwrap_or_default();
    What::Paid { amount_fen, reference, lines: vec![Line::new(cover, amount_fen)], last4 }
}

/// An instruction that staff answered by hand has its answer, too: what the bank says later must be the same.
pub async fn by_hand(tx: &mut SqliteConnection, claim: &Claim, what: &What) -> Result<()> {
    let Some(instruction) = claim.instructions.last().cloned() else { return Ok(()) };
    let answer = match what {
        What::Paid { reference, .. } => BankAnswer { instruction, paid: true, reference: reference.clone(), reason: String::new() },
        What::PaymentFailed { reason } => BankAnswer { instruction, paid: false, reference: String::new(), reason: reason.clone() },
        _ => return Ok(()),
    };
    settle(tx, &answer.instruction, &serde_json::to_string(&answer).unwrap_or_default()).await
}

async fn settle(tx: &mut SqliteConnection, instruction: &str, answer: &str) -> Result<()> {
    sqlx::query("UPDATE payment SET answer = ? WHERE instruction = ? AND answer IS NULL")
        .bind(answer)
        .bind(instruction)
        .execute(tx)
        .await?;
    Ok(())
}

/// For the finance desk: whole holder and account. A look at it is noted.
pub async fn whole(app: &App, claim_id: &str) -> Result<Option<Payee>> {
    let sealed: Option<String> =
        sqlx::query_scalar("SELECT sealed FROM payee WHERE claim_id = ?").bind(claim_id).fetch_optional(&app.store.read).await?;
    let Some(sealed) = sealed else { return Ok(None) };
    let text = app.vault.open_text(&sealed).ok_or_else(|| Failure::internal("payee", "sealed with another key"))?;
    serde_json::from_str(&text).map(Some).map_err(|e| Failure::internal("payee", e))
}

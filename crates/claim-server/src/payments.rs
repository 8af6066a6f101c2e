//! Money that goes out, and what the bank says of it.
//!
//! Promise: nothing is ordered past the gate (`claim_domain::lifecycle::Claim::gate`); a bank that says the same twice is
//! believed once; a payment is booked only for the instruction that ordered it, and an answer to one that was never
//! ordered is refused and reported.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use claim_api::{Problem, ProblemCode};
use claim_domain::lifecycle::{Actor, Claim, What};
use claim_domain::validate::Code;
use claim_domain::{FieldError, Moment};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::claims::Stored;
use crate::failure::Result;
use crate::{App, attendant, guard, now, signals, store};

const MOST_BODY: usize = 16 << 10;

/// Notes an instruction, when the step that orders it is taken.
///
/// # Errors
/// `validation` for one that was used before, in whatever claim.
pub async fn order(
    tx: &mut SqliteConnection,
    claim: &Stored,
    (instruction, payee): (&str, u16),
    amount_fen: i64,
    at: Moment,
) -> Result<()> {
    let noted = sqlx::query("INSERT OR IGNORE INTO payment (instruction, claim_id, payee, amount_fen, ordered_at) VALUES (?, ?, ?, ?, ?)")
        .bind(instruction)
        .bind(&claim.id)
        .bind(payee)
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
    let known: Option<(String, u16, Option<String>)> = sqlx::query_as("SELECT claim_id, payee, answer FROM payment WHERE instruction = ?")
        .bind(&answer.instruction)
        .fetch_optional(&mut *tx)
        .await?;
    let Some((claim_id, payee, before)) = known else {
        // Money may have moved that nobody here has ordered: somebody has to know.
        tracing::error!(paid = answer.paid, "the bank answers an instruction that was never ordered");
        signals::of_stray_answer(&mut tx, &answer.instruction, answer.paid, at).await?;
        tx.commit().await?;
        return Err(ProblemCode::NotFound.into());
    };
    if let Some(before) = before {
        if serde_json::from_str(&before).is_ok_and(|b: BankAnswer| b.paid == answer.paid) {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        signals::of_bank(&mut tx, &claim_id, at).await?;
        tx.commit().await?;
        return Err(ProblemCode::NotAllowed.into());
    }
    let stored = attendant::stored(&app, &claim_id).await?;
    let claim = store::state(&app, &mut tx, &claim_id, stored.lob).await?;
    // Answers to an older instruction come too late to mean this payment.
    if !claim.outstanding().any(|(no, instruction)| no == payee && instruction == answer.instruction) {
        return Err(ProblemCode::NotAllowed.into());
    }
    let what = match answer.paid {
        true => paid(&claim, payee, answer.reference),
        false => What::PaymentFailed { reason: answer.reason, payee },
    };
    store::append(&app, &mut tx, &claim_id, stored.lob, &Actor::System, what, at).await?;
    settle(&mut tx, &answer.instruction, &text).await?;
    tx.commit().await?;
    attendant::attend(&app, &claim_id).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A payment with its lines: from which cover, to which account.
pub fn paid(claim: &Claim, payee: u16, reference: String) -> What {
    let due = claim.dues().into_iter().find(|d| d.payee == payee);
    let (amount_fen, lines) = due.map_or((0, Vec::new()), |d| (d.fen, d.lines));
    let last4 = claim.payees.iter().find(|p| p.no == payee).map(|p| p.last4.clone()).unwrap_or_default();
    What::Paid { amount_fen, reference, payee, lines, last4 }
}

/// An instruction that staff answered by hand has its answer, too: what the bank says later must be the same.
pub async fn by_hand(tx: &mut SqliteConnection, claim: &Claim, what: &What) -> Result<()> {
    let of = |payee: u16| claim.outstanding().find(|(no, _)| *no == payee).map(|(_, instruction)| instruction.to_owned());
    let answer = match what {
        What::Paid { reference, payee, .. } => {
            of(*payee).map(|instruction| BankAnswer { instruction, paid: true, reference: reference.clone(), reason: String::new() })
        }
        What::PaymentFailed { reason, payee } => {
            of(*payee).map(|instruction| BankAnswer { instruction, paid: false, reference: String::new(), reason: reason.clone() })
        }
        _ => None,
    };
    match answer {
        Some(answer) => settle(tx, &answer.instruction, &serde_json::to_string(&answer).unwrap_or_default()).await,
        None => Ok(()),
    }
}

async fn settle(tx: &mut SqliteConnection, instruction: &str, answer: &str) -> Result<()> {
    sqlx::query("UPDATE payment SET answer = ? WHERE instruction = ? AND answer IS NULL")
        .bind(answer)
        .bind(instruction)
        .execute(tx)
        .await?;
    Ok(())
}

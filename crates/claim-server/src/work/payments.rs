//! Outgoing payments, and what the bank says about them.
//!
//! Promise: no payment is ordered unless the gate allows it
//! (`claim_domain::lifecycle::Claim::gate`); a repeated answer by the bank counts once; a payment
//! is booked only for the instruction that ordered it, and an answer to one that was never ordered
//! is refused and reported.

use claim_api::{Problem, ProblemCode};
use claim_domain::lifecycle::{Actor, Claim, EventKind};
use claim_domain::validate::Code;
use claim_domain::{FieldError, Moment};
use serde::{Deserialize, Serialize};

use super::{attendant, log, signals};
use crate::failure::Result;
use crate::store::{Tx, claims, events, payments};
use crate::{App, now};

/// Records an instruction when the step that orders it is taken.
///
/// # Errors
/// `validation` if it was used before, in any claim.
pub async fn order(
    tx: &mut Tx,
    claim_id: &str,
    (instruction, payee): (&str, u16),
    amount_fen: i64,
    at: Moment,
) -> Result<()> {
    if payments::order(tx, claim_id, instruction, payee, amount_fen, at).await? {
        Ok(())
    } else {
        Err(Problem::validation(vec![FieldError::new("/instruction", Code::Malformed)]).into())
    }
}

/// What the bank's connector reports: the payment went out, or came back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BankAnswer {
    pub instruction: String,
    pub paid: bool,
    /// From the bank, if the payment went out.
    #[serde(default)]
    pub reference: String,
    /// For the customer, if the payment came back.
    #[serde(default)]
    pub reason: String,
}

impl BankAnswer {
    fn kept(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Books what the bank says. The same outcome again changes nothing.
///
/// # Errors
/// `not-found` for an instruction that was never ordered, `not-allowed` for another outcome than
/// before: staff are told.
pub async fn book(app: &App, answer: BankAnswer) -> Result<()> {
    let (at, text) = (now(), answer.kept());
    let mut tx = app.store.begin().await?;
    let Some(payment) = payments::find(&mut tx, &answer.instruction).await? else {
        // Money may have moved that nobody here ordered: staff have to know.
        tracing::error!(
            paid = answer.paid,
            "the bank answered an instruction that was never ordered"
        );
        payments::add_stray(&mut tx, &answer.instruction, answer.paid, at).await?;
        tx.commit().await?;
        return Err(ProblemCode::NotFound.into());
    };
    let (claim_id, payee) = (payment.claim_id, payment.payee);
    if let Some(before) = payment.answer {
        if serde_json::from_str(&before).is_ok_and(|b: BankAnswer| b.paid == answer.paid) {
            return Ok(());
        }
        signals::of_bank(&mut tx, &claim_id, at).await?;
        tx.commit().await?;
        return Err(ProblemCode::NotAllowed.into());
    }
    let lob = claims::by_id(&mut tx, &claim_id).await?.lob;
    let claim = events::state(&mut tx, &claim_id, lob).await?;
    // Answers to an older instruction come too late to concern this payment.
    if !claim
        .outstanding()
        .any(|(no, instruction)| no == payee && instruction == answer.instruction)
    {
        return Err(ProblemCode::NotAllowed.into());
    }
    let what = match answer.paid {
        true => paid(&claim, payee, answer.reference),
        false => EventKind::PaymentFailed {
            reason: answer.reason,
            payee,
        },
    };
    log::append(app, &mut tx, (&claim_id, lob), &Actor::System, what, at).await?;
    payments::settle(&mut tx, &answer.instruction, &text).await?;
    tx.commit().await?;
    attendant::attend(app, &claim_id).await;
    Ok(())
}

/// A payment with its lines: from which cover, to which account.
pub fn paid(claim: &Claim, payee: u16, reference: String) -> EventKind {
    let due = claim.dues().into_iter().find(|d| d.payee == payee);
    let (amount_fen, lines) = due.map_or((0, Vec::new()), |d| (d.fen, d.lines));
    let last4 = claim
        .payees
        .iter()
        .find(|p| p.no == payee)
        .map(|p| p.last4.clone())
        .unwrap_or_default();
    EventKind::Paid {
        amount_fen,
        reference,
        payee,
        lines,
        last4,
    }
}

/// An instruction that staff answered by hand counts as answered: a later answer from the bank must
/// match.
pub async fn by_hand(tx: &mut Tx, claim: &Claim, what: &EventKind) -> Result<()> {
    let of = |payee: u16| {
        claim
            .outstanding()
            .find(|(no, _)| *no == payee)
            .map(|(_, instruction)| instruction.to_owned())
    };
    let answer = match what {
        EventKind::Paid {
            reference, payee, ..
        } => of(*payee).map(|instruction| BankAnswer {
            instruction,
            paid: true,
            reference: reference.clone(),
            reason: String::new(),
        }),
        EventKind::PaymentFailed { reason, payee } => of(*payee).map(|instruction| BankAnswer {
            instruction,
            paid: false,
            reference: String::new(),
            reason: reason.clone(),
        }),
        _ => None,
    };
    match answer {
        Some(answer) => payments::settle(tx, &answer.instruction, &answer.kept()).await,
        None => Ok(()),
    }
}

//! How a claim progresses: one event at a time, and only if the domain admits it.

use claim_api::{Problem, ProblemCode};
use claim_domain::lifecycle::{Actor, Claim, Event, EventKind, Refusal, Standing, StepKind};
use claim_domain::validate::Code;
use claim_domain::{FieldError, Lob, Moment};

use super::papers;
use crate::failure::{Failure, Result};
use crate::store::{Tx, awards, events};
use crate::{App, now};

/// Adds one event if the claim admits it, and in the same transaction updates the claim's stage,
/// which lists use. After the commit, the caller lets `attendant` look at the claim.
///
/// # Errors
/// `not-allowed` from the wrong stage or desk, `not-this-person` if somebody else must,
/// `validation` for a missing fact.
pub async fn append(
    app: &App,
    tx: &mut Tx,
    claim: (&str, Lob),
    actor: &Actor,
    what: EventKind,
    at: Moment,
) -> Result<Event> {
    append_beside(app, tx, claim, actor, what, at, "").await
}

/// The same for an event recorded with data kept elsewhere; `beside` is the SHA-256 of that data.
pub async fn append_beside(
    app: &App,
    tx: &mut Tx,
    (claim_id, lob): (&str, Lob),
    actor: &Actor,
    what: EventKind,
    at: Moment,
    beside: &str,
) -> Result<Event> {
    let mut snapshot = events::snapshot(tx, claim_id, lob).await?;
    snapshot.allows(actor, &what, at)?;
    let claim = &snapshot.claim;
    let standing = papers::standing(app, tx, claim_id, claim, what.kind()).await?;
    claim.admit(actor, &what, &standing).map_err(refused)?;
    // If the clock was set back, history still runs forward.
    let at = at.max(snapshot.newest);
    let event = Event {
        seq: claim.seq + 1,
        at,
        actor: actor.clone(),
        what,
    };
    snapshot.apply(&event);
    events::add(tx, claim_id, &event, &snapshot, beside).await?;
    app.metrics.event(event.what.kind().as_str());
    if matches!(
        event.what.kind(),
        StepKind::Approved
            | StepKind::Rejected
            | StepKind::Reopened
            | StepKind::ReviewAnswered
            | StepKind::PolicyFound
    ) {
        awards::keep(tx, claim_id, &snapshot.claim).await?;
    }
    Ok(event)
}

fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Stage(_) | Refusal::Actor => ProblemCode::NotAllowed.into(),
        Refusal::SamePerson => ProblemCode::NotThisPerson.into(),
        Refusal::Field(error) => Problem::validation(vec![error]).into(),
        Refusal::Gate(_) => ProblemCode::PaymentGated.into(),
        Refusal::SecondBatch => {
            let reason = FieldError::new("/again_because", Code::ReasonMissing);
            Problem {
                errors: vec![reason],
                ..ProblemCode::NotAllowed.into()
            }
            .into()
        }
    }
}

/// Records that the customer has read rejection letter `seq`, or was told of it: the three days of
/// article 24 end. Does nothing if it was delivered before, or the claim has been decided anew.
pub async fn letter_delivered(
    app: &App,
    tx: &mut Tx,
    (claim_id, lob): (&str, Lob),
    seq: u32,
) -> Result<()> {
    let events = events::after(tx, claim_id, 0).await?;
    let newest = events
        .iter()
        .rfind(|e| e.what.kind() == StepKind::Rejected)
        .map(|e| e.seq);
    let claim = Claim::replay(lob, &events);
    if newest == Some(seq)
        && claim
            .admit(
                &Actor::System,
                &EventKind::LetterDelivered,
                &Standing::default(),
            )
            .is_ok()
    {
        append(
            app,
            tx,
            (claim_id, lob),
            &Actor::System,
            EventKind::LetterDelivered,
            now(),
        )
        .await?;
    }
    Ok(())
}

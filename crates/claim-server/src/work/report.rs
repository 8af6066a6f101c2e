//! 报案: one notice, one claim, however often it is sent.

use std::time::{Duration, Instant};

use claim_api::{Problem, ProblemCode, Receipt};
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Actor, EventKind};
use claim_domain::notice::Checked;
use claim_domain::{Moment, Notice, claim_no, local_day};

use super::sessions::{self, Session};
use super::{attendant, log, policies as work, signals};
use crate::failure::{Failure, Result};
use crate::store::submissions::{self, Said};
use crate::store::{
    Tx, catastrophes, claims, drafts, folders, parties, policies, sessions as kept_sessions,
};
use crate::vault::{random, token};
use crate::{App, now};

/// New claims that one session may make in a day; a repeated key is not a new claim.
const CLAIMS_A_DAY: i64 = 20;
/// Minimum response time if the policy is not the reporter's own: a claim with a policy takes
/// slightly longer to store, and measuring that would reveal which plates are insured here (OWASP
/// ASVS 5.0, 6.3.8).
const STRANGERS_WAIT: Duration = Duration::from_millis(30);
/// How long a phone may prove that a report is its own.
const PROVABLE: i64 = 7 * 86_400;

/// A browser killed before it stored its cookie sends the same notice again. With its secret, this
/// session takes over what the lost one had, unless somebody has signed in with that one since.
async fn prove(tx: &mut Tx, session: &Session, said: &Said<'_>, at: Moment) -> Result<()> {
    match submissions::lost(tx, said, &session.subject, Moment(at.0 - PROVABLE)).await? {
        Some(lost) => kept_sessions::hand_over(tx, &lost, &session.subject).await,
        None => Ok(()),
    }
}

/// The stored answer to this key, if the same body came before.
///
/// # Errors
/// `not-found` when the key is somebody else's, `idempotency-key-reused` for another body.
pub async fn answered(tx: &mut Tx, session: &Session, said: &Said<'_>) -> Result<Option<String>> {
    let Some(known) = submissions::find(tx, said.key, &session.subject).await? else {
        return Ok(None);
    };
    match (known.mine, known.body_hash == said.body_hash) {
        (false, _) => Err(ProblemCode::NotFound.into()),
        (true, false) => Err(ProblemCode::IdempotencyKeyReused.into()),
        (true, true) => Ok(Some(known.reply)),
    }
}

/// Parses a stored receipt.
pub fn receipt(reply: &str) -> Result<Receipt> {
    serde_json::from_str(reply).map_err(|e| Failure::internal("stored reply", e))
}

/// Checks a notice and creates the claim: key, claim, events, message and stored answer in one
/// transaction. The flag says whether this key was answered before.
pub async fn submit(
    app: &App,
    session: &Session,
    said: Said<'_>,
    notice: &Notice,
    channel: &str,
) -> Result<(Receipt, bool)> {
    let (at, began) = (now(), Instant::now());
    let mut tx = app.store.begin_report().await?;
    let session = &sessions::write_down(&mut tx, session.clone(), at).await?;
    prove(&mut tx, session, &said, at).await?;
    if let Some(reply) = answered(&mut tx, session, &said).await? {
        tx.commit().await?;
        return Ok((receipt(&reply)?, true));
    }
    let notice = completed(&mut tx, session, notice.clone()).await?;
    let Checked { notice, .. } = notice
        .check(&app.catalogue, at)
        .map_err(Problem::validation)?;
    if submissions::since(&mut tx, &session.subject, Moment(at.0 - 86_400)).await? >= CLAIMS_A_DAY {
        return Err(Problem::after(ProblemCode::RateLimited, 3600).into());
    }
    // `check` has found the incident in the catalogue.
    let lob = app
        .catalogue
        .incident(&notice.incident)
        .ok_or(ProblemCode::MalformedJson)?
        .lob;
    let policy = policies::find(&mut tx, session.phone.as_deref(), &notice, lob).await?;
    let (id, number) = (token(), unused_number(&mut tx, at).await?);
    let new = claims::New {
        id: &id,
        no: &number,
        lob,
        notice: &notice,
        reported_at: at,
        policy_id: policy.as_deref(),
        rules_version: &app.catalogue.rules_version,
        channel,
    };
    claims::add(&mut tx, &new).await?;
    // The reporter may follow the claim. The role they state opens nothing; a phone of the policy
    // does, once a code was sent to it, whoever typed it in.
    parties::admit_reporter(&mut tx, &id, &session.subject, &notice.reporter.phone).await?;
    if let Some(policy) = &policy {
        parties::admit_owners(&mut tx, &id, policy).await?;
    }
    let deceased = app
        .catalogue
        .with_implied(notice.facts())
        .flags
        .get("insured_deceased")
        == Some(&true);
    let reported = EventKind::Reported {
        verified: policy.is_some(),
        deceased,
    };
    log::append(app, &mut tx, (&id, lob), &Actor::System, reported, at).await?;
    // Other reports wait for the intake desk.
    if policy.is_some() {
        work::register(app, &mut tx, (&id, lob), at).await?;
    }
    let is_own = match (&policy, session.phone.as_deref()) {
        (Some(policy), Some(phone)) => policies::belongs(&mut tx, policy, phone).await?.is_some(),
        _ => false,
    };
    let receipt = Receipt {
        claim_no: number.clone(),
        received_at: at,
        // Only somebody signed in with a phone of the policy is told whether the plate or number is
        // known.
        verified: is_own,
        contact_by: at.plus_seconds(i64::from(app.deployment.promises.contact_hours) * 3600),
        requirements: app.catalogue.requirements(&notice.facts()),
    };
    submissions::add(
        &mut tx,
        &session.subject,
        &said,
        &id,
        &serde_json::to_string(&receipt).unwrap_or_default(),
        at,
    )
    .await?;
    drafts::forget(&mut tx, &session.subject, said.key).await?;
    if let Some(catastrophe) = catastrophes::of_notice(&mut tx, &notice).await? {
        claims::keep_catastrophe(&mut tx, &id, &catastrophe).await?;
        // Fewer documents: the rules then ask for no proof of the weather.
        let answers = std::iter::once(("event_mode".to_owned(), true)).collect();
        folders::keep(
            &mut tx,
            &id,
            Folder {
                answers,
                ..Folder::default()
            },
        )
        .await?;
    }
    // If we do not have the policy, the insurer's system is asked in the background: nobody waits
    // for it.
    let asks = match &policy {
        None => {
            let later = policies::begins_later(&mut tx, &notice, lob).await?;
            signals::of_notice(&mut tx, &id, later, at).await?;
            true
        }
        Some(policy) => policies::is_old(&mut tx, policy, at).await?,
    };
    if asks && app.source.is_some() {
        policies::look_for(&mut tx, &id, at).await?;
    }
    tx.commit().await?;
    // Everybody else is told in the background.
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

/// Fills in name and phone if the signed-in person chose a policy of their own; the id of somebody
/// else's policy is dropped.
async fn completed(tx: &mut Tx, session: &Session, mut notice: Notice) -> Result<Notice> {
    let (Some(id), phone) = (&notice.policy.id, session.phone.clone().unwrap_or_default()) else {
        return Ok(notice);
    };
    match policies::belongs(tx, id, &phone).await? {
        None => notice.policy.id = None,
        Some(policy) => {
            let me = std::iter::once(&policy.holder)
                .chain(&policy.insured)
                .find(|p| p.phone == phone);
            let reporter = &mut notice.reporter;
            let name = me.map(|p| p.name.clone()).unwrap_or_default();
            reporter.phone = if reporter.phone.is_empty() {
                phone
            } else {
                reporter.phone.clone()
            };
            reporter.name = if reporter.name.is_empty() {
                name
            } else {
                reporter.name.clone()
            };
        }
    }
    Ok(notice)
}

async fn unused_number(tx: &mut Tx, at: Moment) -> Result<String> {
    loop {
        let number = claim_no::claim_no(local_day(at), u32::from_le_bytes(random::<4>()));
        if !claims::is_taken(tx, &number).await? {
            return Ok(number);
        }
    }
}

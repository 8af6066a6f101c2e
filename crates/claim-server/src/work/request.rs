//! 索赔: the claim request, with which the customer says that this is everything.

use claim_api::{ClaimRequest, Problem, RequestReceipt};
use claim_domain::catalog::Field;
use claim_domain::checks::{Case, Doubt};
use claim_domain::documents::{Folder, Task, claim_form, form_sha256};
use claim_domain::lifecycle::{Actor, EventKind, Excuse};
use claim_domain::{Catalogue, Code, FieldError, due_after_days};

use super::sessions::Session;
use super::{attendant, log, papers, payees, report, signals};
use crate::failure::{Failure, Result};
use crate::store::claims::{self, ClaimRow};
use crate::store::events;
use crate::store::folders::{self, Signed};
use crate::store::submissions::{self, Said};
use crate::{App, now};

/// Takes a request that `phone` has signed; returns `true` for a repeat. Blocked only by a missing
/// signature, a missing consent, or a document with neither file nor reason.
///
/// # Errors
/// `validation` names what is missing.
pub async fn take(
    app: &App,
    session: &Session,
    phone: &str,
    claim: &ClaimRow,
    said: &Said<'_>,
    asked: ClaimRequest,
) -> Result<(RequestReceipt, bool)> {
    let at = now();
    let mut tx = app.store.begin().await?;
    if let Some(known) = report::answered(&mut tx, session, said).await? {
        let receipt =
            serde_json::from_str(&known).map_err(|e| Failure::internal("stored reply", e))?;
        return Ok((receipt, true));
    }
    // Read it as it is now: the body may have taken minutes to arrive.
    let claim = &claims::mine(&mut tx, &session.subject, &claim.no, at).await?;
    claim.part.whole()?;
    let catalogue = papers::rules(app, &mut tx, &claim.rules_version).await?;
    let amount = events::state(&mut tx, &claim.id, claim.lob)
        .await?
        .assessment
        .map(|a| a.total_fen);
    let signer = papers::signer(&mut tx, claim, phone).await?;
    let before = papers::folder(&mut tx, claim).await?;
    let mut folder = Folder {
        answers: asked.answers,
        unavailable: asked.unavailable,
        typed: asked.typed,
        ..before.clone()
    }
    .normalised(&catalogue, at);
    keep_masked(&mut folder, &before);
    let facts = folder.facts(&claim.notice, amount);
    let mut errors = folder.hinders(
        &catalogue,
        &facts,
        (&asked.signature, &signer),
        &asked.consents,
    );
    let form = claim_form(&catalogue, &claim.no, &claim.notice, &folder);
    if errors.is_empty() && form_sha256(&form) != asked.form_sha256 {
        errors.push(FieldError::new("/form_sha256", Code::Malformed));
    }
    if !errors.is_empty() {
        return Err(Problem::validation(errors).into());
    }
    let tasks = folder.tasks(&catalogue, &facts);
    let doubts = Case {
        catalogue: &catalogue,
        notice: &claim.notice,
        now: at,
    }
    .of_folder(&folder);
    let differences = differences(&catalogue, &asked.tasks, &tasks, &asked.doubts, &doubts);
    if !differences.is_empty() {
        tracing::warn!(?differences, "phone and server differ on a claim request");
    }
    let unavailable = folder
        .unavailable
        .iter()
        .map(|(document, reason)| Excuse {
            document: document.clone(),
            reason: reason.clone(),
        })
        .collect();
    let what = EventKind::Requested {
        rules_version: catalogue.rules_version.clone(),
        unavailable,
        form_sha256: asked.form_sha256,
    };
    log::append(
        app,
        &mut tx,
        (&claim.id, claim.lob),
        &Actor::Customer,
        what,
        at,
    )
    .await?;
    signals::of_request(&mut tx, claim, &folder, at).await?;
    payees::from_request(app, &mut tx, claim, &folder, at).await?;
    folders::keep(&mut tx, &claim.id, folder).await?;
    let signed = Signed {
        form,
        signature: asked.signature,
        consents: asked.consents,
        at,
    };
    folders::keep_request(&mut tx, &claim.id, &signed).await?;
    let receipt = RequestReceipt {
        claim_no: claim.no.clone(),
        received_at: at,
        decide_by: due_after_days(at, app.deployment.promises.determination_days).to_string(),
        differences,
    };
    let reply = serde_json::to_string(&receipt).unwrap_or_default();
    submissions::add(&mut tx, &session.subject, said, &claim.id, &reply, at).await?;
    tx.commit().await?;
    attendant::attend(app, &claim.id).await;
    Ok((receipt, false))
}

/// A number that was shown masked and comes back masked was not changed.
fn keep_masked(folder: &mut Folder, before: &Folder) {
    for (key, fields) in &mut folder.typed {
        let known = before.typed.get(key).and_then(|f| f.get(&Field::Card));
        if fields.get(&Field::Card).is_some_and(|v| v.contains('*')) {
            match known {
                Some(known) => drop(fields.insert(Field::Card, known.clone())),
                None => drop(fields.remove(&Field::Card)),
            }
        }
    }
}

/// Documents and checks where the phone's verdict differs from ours. From the phone we keep only
/// codes that we know.
fn differences(
    catalogue: &Catalogue,
    their_tasks: &[Task],
    tasks: &[Task],
    their_doubts: &[Doubt],
    doubts: &[Doubt],
) -> Vec<String> {
    let by_document = tasks
        .iter()
        .filter(|t| !their_tasks.contains(t))
        .map(|t| format!("/documents/{}", t.document));
    let only_theirs = their_tasks
        .iter()
        .filter(|t| !tasks.iter().any(|o| o.document == t.document));
    let only_theirs = only_theirs.filter_map(|t| {
        Some(format!(
            "/documents/{}",
            catalogue.document(&t.document)?.id
        ))
    });
    let ours = doubts.iter().filter(|d| !their_doubts.contains(d));
    let theirs = their_doubts.iter().filter(|d| !doubts.contains(d));
    let by_check = ours
        .chain(theirs)
        .map(|d| d.finding.code.as_str().to_owned());
    let mut all: Vec<String> = by_document.chain(only_theirs).chain(by_check).collect();
    all.sort();
    all.dedup();
    all
}

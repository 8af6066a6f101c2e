//! What was submitted for a claim, and what follows from it under the claim's rules and policy:
//! tasks, facts, and what a step depends on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use claim_domain::catalog::Facts;
use claim_domain::documents::{Folder, Task};
use claim_domain::lifecycle::{Claim, Left, Standing, StepKind};
use claim_domain::payees::PayeeKind;
use claim_domain::policy::{Party, Policy};
use claim_domain::{Catalogue, local_day};

use crate::App;
use crate::failure::{Failure, Result};
use crate::store::claims::ClaimRow;
use crate::store::documents::Handed;
use crate::store::{Db, awards, claims, documents, events, folders, policies, rules as kept_rules};

/// Catalogues of earlier versions, each read once.
#[derive(Default)]
pub struct Rules(Mutex<HashMap<String, Arc<Catalogue>>>);

/// Stores the current rules, for the claims that begin with them.
pub async fn keep_rules(app: &App) -> Result<()> {
    let mut tx = app.store.begin().await?;
    kept_rules::keep(&mut tx, &app.catalogue.rules_version, &app.catalogue_json).await?;
    tx.commit().await
}

/// The rules of a version; `None` if no claim began with them.
pub async fn known_rules(app: &App, version: &str) -> Result<Option<Arc<Catalogue>>> {
    let mut db = app.store.read().await?;
    if kept_rules::json(&mut db, version).await?.is_none() {
        return Ok(None);
    }
    rules(app, &mut db, version).await.map(Some)
}

/// The rules that a claim began with, or the newest if those can no longer be read.
pub async fn rules(app: &App, db: &mut Db, version: &str) -> Result<Arc<Catalogue>> {
    let known = || app.rules.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known().get(version) {
        return Ok(found.clone());
    }
    let json = kept_rules::json(db, version).await?;
    let found = match json.as_deref().map(Catalogue::load_earlier) {
        Some(Ok(catalogue)) => Arc::new(catalogue),
        other => {
            tracing::error!(
                version,
                error = other.and_then(std::result::Result::err),
                "the rules of a claim cannot be read"
            );
            Arc::new(
                Catalogue::load(&app.catalogue_json)
                    .map_err(|e| Failure::internal("catalogue", e))?,
            )
        }
    };
    known().insert(version.to_owned(), found.clone());
    Ok(found)
}

/// Everything that was submitted for a claim.
pub async fn folder(db: &mut Db, claim: &ClaimRow) -> Result<Folder> {
    let mut folder = folders::kept(db, &claim.id).await?;
    folder.files = documents::of_claim(db, &claim.id)
        .await?
        .into_iter()
        .map(|Handed { file, .. }| file)
        .collect();
    let state = events::state(db, &claim.id, claim.lob).await?;
    for file in &mut folder.files {
        file.returned = state
            .returned
            .iter()
            .any(|(document, sha256)| *document == file.document && *sha256 == file.sha256);
    }
    if state.objected {
        folder.answers.insert("objection".into(), true);
    }
    folder.asked = state.asked;
    folder.unavailable.extend(state.excused);
    if let Some(policy) = policies::of_claim(db, &claim.id).await? {
        let known = policy.facts(local_day(claim.notice.loss_at)).into_iter();
        folder.known = known.map(|(fact, is)| (fact.to_owned(), is)).collect();
        folder.on_file = policy.on_file;
    }
    folder.known.extend(
        state
            .established
            .iter()
            .map(|(matter, holds)| (matter.as_str().to_owned(), *holds)),
    );
    if !state.payees.is_empty() {
        let own = state.payees.iter().all(|p| p.kind == PayeeKind::Insured);
        folder.known.insert("payee_is_insured".into(), own);
        folder.payees = state.payees.iter().map(|p| (p.no, p.kind)).collect();
    }
    Ok(folder)
}

/// The amount of the loss by the newest assessment, in fen.
fn assessed(claim: &Claim) -> Option<i64> {
    claim.assessment.as_ref().map(|a| a.total_fen)
}

/// What is known about a claim, including what follows from it.
pub fn facts(app: &App, row: &ClaimRow, claim: &Claim, folder: &Folder) -> Facts {
    app.catalogue
        .with_implied(folder.facts(&row.notice, assessed(claim)))
}

/// The task list by the rules that the claim began with.
pub async fn tasks(
    app: &App,
    db: &mut Db,
    row: &ClaimRow,
    claim: &Claim,
    folder: &Folder,
) -> Result<Vec<Task>> {
    let rules = rules(app, db, &row.rules_version).await?;
    let facts = folder.facts(&row.notice, assessed(claim));
    Ok(folder.tasks(&rules, &facts))
}

/// What a step of this kind depends on besides the log, read in its transaction; empty for kinds
/// that need none of it.
pub async fn standing(
    app: &App,
    db: &mut Db,
    claim_id: &str,
    claim: &Claim,
    kind: StepKind,
) -> Result<Standing> {
    if !matches!(kind, StepKind::PaymentOrdered | StepKind::Approved) {
        return Ok(Standing::default());
    }
    let row = claims::by_id(db, claim_id).await?;
    let folder = folder(db, &row).await?;
    Ok(Standing {
        papers: tasks(app, db, &row, claim, &folder).await?,
        covers: left(db, claim_id).await?,
    })
}

/// What the claim's policy can still pay, not counting this claim's own decision.
pub async fn left(db: &mut Db, claim_id: &str) -> Result<Vec<Left>> {
    let Some(policy) = policies::of_claim(db, claim_id).await? else {
        return Ok(Vec::new());
    };
    let granted = awards::of_other_claims(db, claim_id).await?;
    Ok(policy.left(|code| {
        granted
            .iter()
            .find(|(cover, _)| cover == code)
            .map_or(0, |(_, fen)| *fen)
    }))
}

/// The insured person whom a claim is about: the one whose number was typed, else the only one,
/// else the first.
pub fn insured_of<'a>(policy: &'a Policy, claim: &ClaimRow) -> Option<&'a Party> {
    let typed = &claim.notice.policy.id_no;
    policy
        .insured
        .iter()
        .find(|p| !typed.is_empty() && p.id_no == *typed)
        .or_else(|| policy.insured.first())
}

/// The name of the signer: the reporter's if the phone is theirs, otherwise the name in the policy
/// with this phone. Empty if only staff know the name, because the right to sign was proved to
/// them.
pub async fn signer(db: &mut Db, claim: &ClaimRow, phone: &str) -> Result<String> {
    let reporter = &claim.notice.reporter;
    if reporter.phone == phone {
        return Ok(reporter.name.clone());
    }
    let policy = policies::of_claim(db, &claim.id).await?;
    let named = policy
        .iter()
        .flat_map(|p| p.beneficiaries.iter().map(|b| &b.party));
    let people = policy
        .iter()
        .flat_map(|p| std::iter::once(&p.holder).chain(&p.insured))
        .chain(named);
    Ok(people
        .into_iter()
        .find(|p| p.phone == phone)
        .map(|p| p.name.clone())
        .unwrap_or_default())
}

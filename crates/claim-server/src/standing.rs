//! What a step depends on beside the log: the papers of the claim, and what its policy still pays.

use claim_domain::documents::Task;
use claim_domain::lifecycle::{Claim, Kind, Left, Standing};
use claim_domain::policy::Policy;
use sqlx::SqliteConnection;

use crate::claims::Stored;
use crate::failure::Result;
use crate::{App, attendant, documents, policies};

/// For a step of this kind, within its transaction; the others need none of it.
pub async fn of(app: &App, db: &mut SqliteConnection, claim_id: &str, claim: &Claim, kind: Kind) -> Result<Standing> {
    if !matches!(kind, Kind::PaymentOrdered | Kind::Approved) {
        return Ok(Standing::default());
    }
    let stored = attendant::stored_in(app, &mut *db, claim_id).await?;
    let folder = documents::folder_in(app, &mut *db, &stored).await?;
    Ok(Standing { papers: tasks(app, &stored, claim, &folder).await?, covers: left(app, db, &stored).await? })
}

/// The task list by the rules that the claim began with.
pub async fn tasks(app: &App, stored: &Stored, claim: &Claim, folder: &documents::Folder) -> Result<Vec<Task>> {
    let rules = documents::rules(app, &stored.rules_version).await?;
    let facts = folder.facts(&stored.notice, claim.assessment.as_ref().map(|a| a.total_fen));
    Ok(folder.tasks(&rules, &facts))
}

/// What the claim's policy still pays, this claim's own decision not counted.
pub async fn left(app: &App, db: &mut SqliteConnection, stored: &Stored) -> Result<Vec<Left>> {
    let Some(policy) = policies::of_claim(app, &mut *db, &stored.id).await? else { return Ok(Vec::new()) };
    let granted: Vec<(String, i64)> = sqlx::query_as(
        "SELECT a.cover, sum(a.fen) FROM award a JOIN claim c ON c.policy_id = a.policy_id WHERE c.id = ?1 AND a.claim_id <> ?1 GROUP BY a.cover",
    )
    .bind(&stored.id)
    .fetch_all(db)
    .await?;
    Ok(policy.left(|code| granted.iter().find(|(cover, _)| cover == code).map_or(0, |(_, fen)| *fen)))
}

/// Keeps what the newest decision takes of each cover.
pub async fn keep_awards(db: &mut SqliteConnection, claim_id: &str, claim: &Claim) -> Result<()> {
    sqlx::query("DELETE FROM award WHERE claim_id = ?").bind(claim_id).execute(&mut *db).await?;
    for (place, award) in (0i64..).zip(claim.awards.iter().filter(|_| claim.approved_fen.is_some())) {
        sqlx::query("INSERT INTO award (claim_id, policy_id, place, cover, fen) SELECT id, policy_id, ?, ?, ? FROM claim WHERE id = ? AND policy_id IS NOT NULL")
            .bind(place)
            .bind(&award.cover)
            .bind(award.fen)
            .bind(claim_id)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// The insured person whom a claim is about: the one whose number was typed, else the only one, else the first.
pub fn insured_of<'a>(policy: &'a Policy, stored: &Stored) -> Option<&'a claim_domain::policy::Party> {
    let typed = &stored.notice.policy.id_no;
    policy.insured.iter().find(|p| !typed.is_empty() && p.id_no == *typed).or_else(|| policy.insured.first())
}

//! How much of each cover of a policy the decisions have used up; what is left of the year's limit
//! is computed from this.

use claim_domain::lifecycle::Claim;

use super::{Db, Tx};
use crate::failure::Result;

/// What other claims on the same policy were granted, by cover, in fen.
pub async fn of_other_claims(db: &mut Db, claim_id: &str) -> Result<Vec<(String, i64)>> {
    let sql = "SELECT a.cover, sum(a.fen) FROM award a JOIN claim c ON c.policy_id = a.policy_id WHERE c.id = ?1 AND a.claim_id <> ?1 GROUP BY a.cover";
    Ok(sqlx::query_as(sql)
        .bind(claim_id)
        .fetch_all(db.sql())
        .await?)
}

/// Stores what the newest decision on a claim takes from each cover.
pub async fn keep(tx: &mut Tx, claim_id: &str, claim: &Claim) -> Result<()> {
    sqlx::query("DELETE FROM award WHERE claim_id = ?")
        .bind(claim_id)
        .execute(tx.sql())
        .await?;
    for (place, award) in (0i64..).zip(claim.awards.iter().filter(|_| claim.approved_fen.is_some()))
    {
        sqlx::query("INSERT INTO award (claim_id, policy_id, place, cover, fen) SELECT id, policy_id, ?, ?, ? FROM claim WHERE id = ? AND policy_id IS NOT NULL")
            .bind(place)
            .bind(&award.cover)
            .bind(award.fen)
            .bind(claim_id)
            .execute(tx.sql())
            .await?;
    }
    Ok(())
}

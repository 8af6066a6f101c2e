//! Payment instructions to the bank and its answers: one answer for each instruction.

use claim_domain::Moment;

use super::{Db, Tx};
use crate::failure::Result;

/// An instruction that went to the bank.
pub struct Payment {
    pub claim_id: String,
    pub payee: u16,
    /// The bank's answer as received, once there is one.
    pub answer: Option<String>,
}

/// Records an instruction; returns whether it was never used before, in any claim.
pub async fn order(
    tx: &mut Tx,
    claim_id: &str,
    instruction: &str,
    payee: u16,
    amount_fen: i64,
    at: Moment,
) -> Result<bool> {
    let noted = sqlx::query("INSERT OR IGNORE INTO payment (instruction, claim_id, payee, amount_fen, ordered_at) VALUES (?, ?, ?, ?, ?)")
        .bind(instruction)
        .bind(claim_id)
        .bind(payee)
        .bind(amount_fen)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(noted.rows_affected() == 1)
}

pub async fn find(db: &mut Db, instruction: &str) -> Result<Option<Payment>> {
    let sql = "SELECT claim_id, payee, answer FROM payment WHERE instruction = ?";
    let row: Option<(String, u16, Option<String>)> = sqlx::query_as(sql)
        .bind(instruction)
        .fetch_optional(db.sql())
        .await?;
    Ok(row.map(|(claim_id, payee, answer)| Payment {
        claim_id,
        payee,
        answer,
    }))
}

/// Stores the answer, if it is the first.
pub async fn settle(tx: &mut Tx, instruction: &str, answer: &str) -> Result<()> {
    let sql = "UPDATE payment SET answer = ? WHERE instruction = ? AND answer IS NULL";
    sqlx::query(sql)
        .bind(answer)
        .bind(instruction)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Records the bank's answer to an instruction that was never ordered.
pub async fn add_stray(tx: &mut Tx, instruction: &str, paid: bool, at: Moment) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO stray_answer (instruction, paid, at) VALUES (?, ?, ?)")
        .bind(instruction.chars().take(100).collect::<String>())
        .bind(paid)
        .bind(at.0)
        .execute(tx.sql())
        .await?;
    Ok(())
}

/// Those stray answers, newest first: instruction, whether it says that money was paid, time.
pub async fn stray(db: &mut Db) -> Result<Vec<(String, bool, Moment)>> {
    let rows: Vec<(String, bool, i64)> =
        sqlx::query_as("SELECT instruction, paid, at FROM stray_answer ORDER BY at DESC LIMIT 20")
            .fetch_all(db.sql())
            .await?;
    Ok(rows
        .into_iter()
        .map(|(instruction, paid, at)| (instruction, paid, Moment(at)))
        .collect())
}

//! Notes of risk, for staff only: what may be worth a look. Nothing is decided by them, and no answer to a customer
//! carries one.

use claim_domain::catalog::Field;
use claim_domain::documents::{File, Folder};
use sqlx::SqliteConnection;

use crate::App;
use crate::claims::Stored;
use crate::failure::Result;
use claim_domain::Moment;

pub const SAME_PICTURE: &str = "same-picture";
pub const SAME_INVOICE: &str = "same-invoice";
pub const BEFORE_POLICY: &str = "before-policy";
pub const BANK_DIFFERS: &str = "bank-differs";
pub const UNLIKE_TIME: &str = "taken-before-loss";

async fn note(tx: &mut SqliteConnection, claim_id: &str, kind: &str, other: &str, at: Moment) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO signal (claim_id, kind, other, at) VALUES (?, ?, ?, ?)")
        .bind(claim_id)
        .bind(kind)
        .bind(other)
        .bind(at.0)
        .execute(tx)
        .await?;
    Ok(())
}

/// The same picture in two claims: noted on both.
pub async fn of_file(tx: &mut SqliteConnection, claim: &Stored, file: &File, at: Moment) -> Result<()> {
    let twins: Vec<(String, String)> = sqlx::query_as(
        "SELECT DISTINCT c.id, c.no FROM document d JOIN claim c ON c.id = d.claim_id WHERE (d.sha256 = ? OR d.original_sha256 = ?) AND c.id <> ? LIMIT 20",
    )
    .bind(&file.sha256)
    .bind(&file.original_sha256)
    .bind(&claim.id)
    .fetch_all(&mut *tx)
    .await?;
    for (id, no) in twins {
        note(tx, &claim.id, SAME_PICTURE, &no, at).await?;
        note(tx, &id, SAME_PICTURE, &claim.no, at).await?;
    }
    // A day for a camera's clock that is wrong.
    if file.taken_at.is_some_and(|taken| taken.0 + 86_400 < claim.notice.loss_at.0) && file.document == "scene" {
        note(tx, &claim.id, UNLIKE_TIME, "", at).await?;
    }
    Ok(())
}

/// The same invoice number in two claims.
pub async fn of_request(app: &App, tx: &mut SqliteConnection, claim: &Stored, folder: &Folder, at: Moment) -> Result<()> {
    for number in folder.typed.values().filter_map(|fields| fields.get(&Field::InvoiceNo)).filter(|n| !n.trim().is_empty()) {
        let index = app.vault.index("invoice", number.trim());
        let twins: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.id, c.no FROM invoice i JOIN claim c ON c.id = i.claim_id WHERE i.number_index = ? AND c.id <> ? LIMIT 20",
        )
        .bind(&index)
        .bind(&claim.id)
        .fetch_all(&mut *tx)
        .await?;
        sqlx::query("INSERT OR IGNORE INTO invoice (number_index, claim_id) VALUES (?, ?)")
            .bind(&index)
            .bind(&claim.id)
            .execute(&mut *tx)
            .await?;
        for (id, no) in twins {
            note(tx, &claim.id, SAME_INVOICE, &no, at).await?;
            note(tx, &id, SAME_INVOICE, &claim.no, at).await?;
        }
    }
    Ok(())
}

/// The loss lies before every policy of this plate, number or person began.
pub async fn of_notice(tx: &mut SqliteConnection, claim_id: &str, begins_later: bool, at: Moment) -> Result<()> {
    if begins_later { note(tx, claim_id, BEFORE_POLICY, "", at).await } else { Ok(()) }
}

/// The bank says another thing than what was booked.
pub async fn of_bank(tx: &mut SqliteConnection, claim_id: &str, at: Moment) -> Result<()> {
    tracing::error!("the bank's answer differs from what was booked");
    note(tx, claim_id, BANK_DIFFERS, "", at).await
}

/// The bank answered an instruction that nobody has ordered.
pub async fn of_stray_answer(tx: &mut SqliteConnection, instruction: &str, paid: bool, at: Moment) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO stray_answer (instruction, paid, at) VALUES (?, ?, ?)")
        .bind(instruction.chars().take(100).collect::<String>())
        .bind(paid)
        .bind(at.0)
        .execute(tx)
        .await?;
    Ok(())
}

/// Those answers, the newest first: instruction, whether it says that money went, when.
pub async fn stray_answers(app: &App) -> Result<Vec<(String, bool, i64)>> {
    Ok(sqlx::query_as("SELECT instruction, paid, at FROM stray_answer ORDER BY at DESC LIMIT 20").fetch_all(&app.store.read).await?)
}

/// Kind and the other claim's number.
pub async fn of_claim(app: &App, claim_id: &str) -> Result<Vec<(String, String)>> {
    Ok(sqlx::query_as("SELECT kind, other FROM signal WHERE claim_id = ? ORDER BY kind, other")
        .bind(claim_id)
        .fetch_all(&app.store.read)
        .await?)
}

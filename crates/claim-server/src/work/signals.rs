//! Risk signals, for staff only: what may be worth a look. They decide nothing, and no answer to a
//! customer contains one.

use claim_domain::Moment;
use claim_domain::catalog::Field;
use claim_domain::documents::{File, Folder};

use crate::failure::Result;
use crate::store::claims::ClaimRow;
use crate::store::{Tx, signals};

pub const SAME_PICTURE: &str = "same-picture";
pub const SAME_INVOICE: &str = "same-invoice";
pub const BEFORE_POLICY: &str = "before-policy";
pub const BANK_DIFFERS: &str = "bank-differs";
pub const UNLIKE_TIME: &str = "taken-before-loss";

/// Records the signal on this claim and on each of the others.
async fn of_twins(
    tx: &mut Tx,
    claim: &ClaimRow,
    kind: &str,
    twins: Vec<(String, String)>,
    at: Moment,
) -> Result<()> {
    for (id, no) in twins {
        signals::add(tx, &claim.id, kind, &no, at).await?;
        signals::add(tx, &id, kind, &claim.no, at).await?;
    }
    Ok(())
}

/// The same picture in two claims, or a picture older than the loss.
pub async fn of_file(tx: &mut Tx, claim: &ClaimRow, file: &File, at: Moment) -> Result<()> {
    let twins = signals::with_picture(tx, &claim.id, file).await?;
    of_twins(tx, claim, SAME_PICTURE, twins, at).await?;
    // Allows a day for a wrong camera clock.
    if file
        .taken_at
        .is_some_and(|taken| taken.0 + 86_400 < claim.notice.loss_at.0)
        && file.document == "scene"
    {
        signals::add(tx, &claim.id, UNLIKE_TIME, "", at).await?;
    }
    Ok(())
}

/// The same invoice number in two claims.
pub async fn of_request(tx: &mut Tx, claim: &ClaimRow, folder: &Folder, at: Moment) -> Result<()> {
    for number in folder
        .typed
        .values()
        .filter_map(|fields| fields.get(&Field::InvoiceNo))
        .filter(|n| !n.trim().is_empty())
    {
        let twins = signals::with_invoice(tx, &claim.id, number.trim()).await?;
        of_twins(tx, claim, SAME_INVOICE, twins, at).await?;
    }
    Ok(())
}

/// The loss happened before every policy of this plate, number or person began.
pub async fn of_notice(tx: &mut Tx, claim_id: &str, begins_later: bool, at: Moment) -> Result<()> {
    if begins_later {
        signals::add(tx, claim_id, BEFORE_POLICY, "", at).await
    } else {
        Ok(())
    }
}

/// The bank reports something other than what was booked.
pub async fn of_bank(tx: &mut Tx, claim_id: &str, at: Moment) -> Result<()> {
    tracing::error!("the bank's answer differs from what was booked");
    signals::add(tx, claim_id, BANK_DIFFERS, "", at).await
}

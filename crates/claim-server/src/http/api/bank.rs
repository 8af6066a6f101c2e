//! Answers from the bank's connector.

use axum::http::StatusCode;
use claim_api::Problem;

use crate::failure::Result;
use crate::http::access::Peer;
use crate::work::payments::{self, BankAnswer};

/// The bank's answer to an instruction. `Signature`: `hmac-sha256=` and the HMAC of the body with
/// the key in `bank.key` of the data directory. The same outcome again changes nothing; another one
/// is refused, and staff are told.
#[utoipa::path(post, path = "/api/v1/bank/answers", request_body = BankAnswer, params(("Signature" = String, Header)),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn answer(bank: Peer) -> Result<StatusCode> {
    payments::book(&bank.app, bank.json::<BankAnswer>()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! Naming who gets the money.

use axum::Json;
use axum::extract::{Request, State};
use claim_api::{Payees, Problem};
use claim_domain::lifecycle::{Actor, Event};

use crate::failure::Result;
use crate::http::access::Insured;
use crate::http::body;
use crate::work::{attendant, payees};
use crate::{App, now};

/// Names who gets the money; possible until money goes out, and again for an account that the bank
/// returned.
#[utoipa::path(put, path = "/api/v1/claims/{no}/payees", params(("no" = String, Path)), request_body = Payees,
    responses((status = 200, body = Event), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn name(
    Insured { claim, .. }: Insured,
    State(app): State<App>,
    request: Request,
) -> Result<Json<Event>> {
    let Payees { payees: entries } = body::json(request).await?;
    let mut tx = app.store.begin().await?;
    let event = payees::record(&app, &mut tx, &claim, &Actor::Customer, entries, now()).await?;
    tx.commit().await?;
    attendant::attend(&app, &claim.id).await;
    Ok(Json(event))
}

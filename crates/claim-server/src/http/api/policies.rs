//! What a customer is insured for.

use axum::Json;
use axum::extract::State;
use claim_api::{PolicyDetail, Problem};

use crate::failure::Result;
use crate::http::access::SignedIn;
use crate::store::policies;
use crate::{App, mask, now};

/// My policies: what and whom they cover, up to how much, and who gets the money after a death.
#[utoipa::path(get, path = "/api/v1/policies", responses((status = 200, body = Vec<PolicyDetail>), (status = 401, body = Problem)))]
pub async fn mine(who: SignedIn, State(app): State<App>) -> Result<Json<Vec<PolicyDetail>>> {
    let all = policies::of_phone(&mut app.store.read().await?, &who.phone, now()).await?;
    Ok(Json(
        all.into_iter()
            .map(|(id, policy, in_force)| PolicyDetail {
                id,
                policy: mask::policy(policy),
                in_force,
            })
            .collect(),
    ))
}

//! Which messages somebody wants, and when.

use axum::Json;
use axum::extract::{Request, State};
use claim_api::{Preferences, Problem};
use claim_domain::calendar::Hours;
use claim_domain::{Code, FieldError};

use crate::App;
use crate::failure::Result;
use crate::http::access::SignedIn;
use crate::http::body;
use crate::store::{Db, messages};

async fn preferences_of(app: &App, db: &mut Db, phone: &str) -> Result<Preferences> {
    let (by_day, optional) = messages::wishes(db, phone).await?;
    Ok(Preferences {
        by_day,
        optional,
        hours: String::from(app.deployment.message_hours),
    })
}

/// Which messages the signed-in person wants.
#[utoipa::path(get, path = "/api/v1/preferences", responses((status = 200, body = Preferences), (status = 401, body = Problem)))]
pub async fn show(who: SignedIn, State(app): State<App>) -> Result<Json<Preferences>> {
    Ok(Json(
        preferences_of(&app, &mut app.store.read().await?, &who.phone).await?,
    ))
}

/// Changes these preferences.
#[utoipa::path(put, path = "/api/v1/preferences", request_body = Preferences, responses((status = 200, body = Preferences), (status = 401, body = Problem)))]
pub async fn change(
    who: SignedIn,
    State(app): State<App>,
    request: Request,
) -> Result<Json<Preferences>> {
    let wants: Preferences = body::json(request).await?;
    if Hours::try_from(wants.hours.clone()).is_err() {
        return Err(Problem::validation(vec![FieldError::new("/hours", Code::Malformed)]).into());
    }
    let mut tx = app.store.begin().await?;
    messages::keep_wishes(&mut tx, &who.phone, wants.by_day, wants.optional).await?;
    let kept = preferences_of(&app, &mut tx, &who.phone).await?;
    tx.commit().await?;
    Ok(Json(kept))
}

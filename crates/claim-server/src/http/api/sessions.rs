//! The current session, and how people sign in and out.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use claim_api::{CodeRequest, LoginRequest, Problem, SessionView};
use claim_domain::FieldError;
use claim_domain::validate::{Code, mobile};

use crate::App;
use crate::audit::Who;
use crate::failure::Result;
use crate::http::access::{SetToken, Visitor};
use crate::http::{body, network};
use crate::work::{delivery, sessions};

/// Who you are to the server, and the policies in force.
#[utoipa::path(get, path = "/api/v1/session", responses((status = 200, body = SessionView)))]
pub async fn view(Visitor(session): Visitor, State(app): State<App>) -> Result<Json<SessionView>> {
    Ok(Json(sessions::view(&app, session.phone.as_deref()).await?))
}

fn checked_phone(phone: &str) -> Result<String> {
    let verdict = mobile(phone);
    match (verdict.value(), verdict.finding()) {
        (Some(phone), _) => Ok(phone.to_owned()),
        (None, finding) => {
            let finding = finding.cloned().unwrap_or(Code::Required.into());
            Err(Problem::validation(vec![FieldError::new("/phone", finding)]).into())
        }
    }
}

/// Sends a code by SMS; the answer is the same for every number.
#[utoipa::path(post, path = "/api/v1/session/code", request_body = CodeRequest, responses((status = 204), (status = 422, body = Problem), (status = 429, body = Problem)))]
pub async fn send_code(
    Visitor(session): Visitor,
    State(app): State<App>,
    request: Request,
) -> Result<StatusCode> {
    let network = network::of(&app, &request);
    let asked: CodeRequest = body::json(request).await?;
    sessions::send_code(&app, &session, &network, &checked_phone(&asked.phone)?).await?;
    delivery::begin(&app);
    Ok(StatusCode::NO_CONTENT)
}

/// Signs in with the code: gives a new token, and takes over what the anonymous session owned.
#[utoipa::path(post, path = "/api/v1/session", request_body = LoginRequest, responses((status = 200, body = SessionView), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub async fn sign_in(
    Visitor(session): Visitor,
    State(app): State<App>,
    request: Request,
) -> Result<Response> {
    let asked: LoginRequest = body::json(request).await?;
    let phone = checked_phone(&asked.phone)?;
    let fresh = sessions::sign_in(&app, &session, &phone, &asked.code).await?;
    let mut response = Json(sessions::view(&app, Some(&phone)).await?).into_response();
    response.extensions_mut().insert(SetToken(fresh));
    Ok(response)
}

/// Ends the session here and on the server.
#[utoipa::path(delete, path = "/api/v1/session", responses((status = 204)))]
pub async fn sign_out(Visitor(session): Visitor, State(app): State<App>) -> Result<Response> {
    sessions::end(&app, &session).await?;
    app.audit.say(
        "sign-out",
        &Who::session(&session.hash),
        serde_json::json!({ "as": "customer" }),
    );
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.extensions_mut().insert(SetToken(String::new()));
    Ok(response)
}

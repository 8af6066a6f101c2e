//! The insurer's own systems: a token, the feed of events, claims, and commands.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use claim_api::{PayeeEntry, Problem, ProblemCode};
use claim_domain::documents::{File, Folder, Task};
use claim_domain::lifecycle::{Actor, Claim, Desk, Event, Gap, Stage, StepKind};
use claim_domain::policy::Policy;
use claim_domain::{Lob, Moment, Notice};
use serde::Serialize;
use serde_json::json;

use crate::App;
use crate::failure::Result;
use crate::http::access::{Open, System};
use crate::http::body;
use crate::store::{claims, documents, events, payees, policies};
use crate::work::feed::{self, After, Feed};
use crate::work::fields::Fields;
use crate::work::papers;
use crate::work::services::{self, Command, Outcome, SCOPES, Scope};

/// A token (RFC 6749, section 4.4). The account's name and secret are sent by HTTP Basic, or as
/// `client_id` and `client_secret`.
#[utoipa::path(post, path = "/api/v1/systems/token",
    request_body(content_type = "application/x-www-form-urlencoded", content = String),
    responses((status = 200, description = "access_token, token_type, expires_in, scope"), (status = 401, description = "error"), (status = 400, description = "error")))]
pub async fn token(_: Open, State(app): State<App>, request: Request) -> Result<Response> {
    let basic = basic(request.headers());
    let fields = Fields(body::form(request).await?);
    let (name, secret) =
        basic.unwrap_or_else(|| (fields.get("client_id"), fields.get("client_secret")));
    if fields.get("grant_type") != "client_credentials" {
        return Ok(refused(StatusCode::BAD_REQUEST, "unsupported_grant_type"));
    }
    let Some((token, service)) = services::sign_in(&app, &name, &secret).await? else {
        return Ok(refused(StatusCode::UNAUTHORIZED, "invalid_client"));
    };
    let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": services::TOKEN_LIVES, "scope": service.scopes });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

fn refused(status: StatusCode, error: &str) -> Response {
    let mut response = (status, Json(json!({ "error": error }))).into_response();
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"systems\""),
    );
    // For the audit log (`guard`); RFC 6749, section 5.2 says what the body is.
    let code = match status {
        StatusCode::UNAUTHORIZED => ProblemCode::SessionExpired,
        _ => ProblemCode::MalformedJson,
    };
    response.extensions_mut().insert(Problem::from(code));
    response
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let sent = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let text = BASE64.decode(sent.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(text).ok()?;
    let (name, secret) = text.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}

/// Every event of every claim after a number, in the order in which they happened, at most 200. The
/// same events are sent to the addresses that the operator names.
#[utoipa::path(get, path = "/api/v1/systems/events", params(After),
    responses((status = 200, body = Feed), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub async fn events(
    system: System,
    State(app): State<App>,
    after: std::result::Result<Query<After>, QueryRejection>,
) -> Result<Json<Feed>> {
    system.needs(Scope::Read)?;
    let Query(After { after }) = after.map_err(|_| ProblemCode::MalformedJson)?;
    let page = feed::page(&app, &mut app.store.read().await?, after).await?;
    Ok(Json(page))
}

/// A claim as the insurer sees it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SystemView {
    claim_no: String,
    #[schema(value_type = String)]
    lob: Lob,
    #[schema(value_type = String)]
    stage: Stage,
    #[schema(value_type = String, format = DateTime)]
    reported_at: Moment,
    notice: Notice,
    /// Once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy>,
    /// What the customer answered and handed in.
    folder: Folder,
    events: Vec<Event>,
    /// The papers of this claim, and which are missing.
    papers: Vec<Task>,
    /// What keeps the money back.
    gaps: Vec<Gap>,
    /// Steps that this account may take now.
    allowed: Vec<String>,
    /// Whole accounts of the payees, with the scope `pay`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    payees: Vec<PayeeEntry>,
}

/// A claim with everything that is known of it; the look is recorded.
#[utoipa::path(get, path = "/api/v1/systems/claims/{no}", params(("no" = String, Path)),
    responses((status = 200, body = SystemView), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn claim(
    system: System,
    State(app): State<App>,
    Path(no): Path<String>,
) -> Result<Json<SystemView>> {
    system.needs(Scope::Read)?;
    let (claim_id, view) = view(&app, &system, &no).await?;
    if !view.payees.is_empty() {
        system.0.looks(&app, &claim_id, "payee").await?;
    }
    Ok(Json(view))
}

async fn view(app: &App, system: &System, no: &str) -> Result<(String, SystemView)> {
    let pays = system.0.may(Scope::Desk(Desk::Finance));
    let db = &mut app.store.read().await?;
    let row = claims::by_no(db, no).await?;
    let events = events::after(db, &row.id, 0).await?;
    let claim = Claim::replay(row.lob, &events);
    let mut folder = papers::folder(db, &row).await?;
    let papers = papers::tasks(app, db, &row, &claim, &folder).await?;
    let catalogue = papers::rules(app, db, &row.rules_version).await?;
    let sees = |file: &File| system.0.sees(&catalogue, &file.document);
    folder.files.retain(sees);
    let payees = if pays {
        payees::whole(db, &row.id).await?
    } else {
        Vec::new()
    };
    let mut allowed: Vec<StepKind> = Vec::new();
    for (_, scope) in SCOPES.iter().filter(|(_, scope)| system.0.may(*scope)) {
        if let Scope::Desk(desk) = scope {
            let name = system.0.shown_as.clone();
            allowed.extend(claim.allowed(&Actor::Staff { name, desk: *desk }));
        }
    }
    allowed.sort();
    allowed.dedup();
    let view = SystemView {
        stage: claim.stage,
        gaps: claim.gaps(&papers),
        policy: policies::of_claim(db, &row.id).await?,
        payees,
        claim_no: row.no.clone(),
        lob: row.lob,
        reported_at: row.reported_at,
        notice: row.notice,
        folder,
        events,
        papers,
        allowed: allowed.iter().map(|k| k.as_str().to_owned()).collect(),
    };
    app.audit
        .say("look", &system.0.who(), json!({ "claim": view.claim_no }));
    Ok((row.id, view))
}

/// A file that was handed in.
#[utoipa::path(get, path = "/api/v1/systems/claims/{no}/files/{id}", params(("no" = String, Path), ("id" = String, Path)),
    responses((status = 200, description = "The photo or PDF", content_type = "application/octet-stream"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn file(
    system: System,
    State(app): State<App>,
    Path((no, id)): Path<(String, String)>,
) -> Result<Response> {
    system.needs(Scope::Read)?;
    let (row, document, file, catalogue) = {
        let db = &mut app.store.read().await?;
        let row = claims::by_no(db, &no).await?;
        let (document, _) = documents::find(db, &row.id, &id)
            .await?
            .ok_or(ProblemCode::NotFound)?;
        let file = super::documents::file(db, &row.id, &id).await?;
        let catalogue = papers::rules(&app, db, &row.rules_version).await?;
        (row, document, file, catalogue)
    };
    if !system.0.sees(&catalogue, &document) {
        let what = json!({ "claim": no, "document": document });
        app.audit.refused(&system.0.who(), what);
        return Err(ProblemCode::NotFound.into());
    }
    system.0.looks(&app, &row.id, &id).await?;
    super::documents::shown(&app, &file).await
}

/// Takes a step of a claim, as a desk of the insurer would. Sent again with the same key it is
/// carried out once.
#[utoipa::path(post, path = "/api/v1/systems/claims/{no}/steps", request_body = Command,
    params(("no" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, body = Outcome), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn step(
    system: System,
    State(app): State<App>,
    Path(no): Path<String>,
    request: Request,
) -> Result<Json<Outcome>> {
    let key = super::reports::key(request.headers())?;
    let command: Command = body::json_up_to(request, 64 << 10).await?;
    Ok(Json(
        services::command(&app, &system.0, &no, &key, &command).await?,
    ))
}

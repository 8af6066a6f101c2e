//! Kiosks: machines in branches. Enrolment, kept in a cookie, makes a machine a kiosk; never an
//! address, which anybody could type.
//!
//! Promise: a kiosk gets the page that stores nothing, and [`wipe`] ends whatever the previous
//! person began: session, uploads, handoffs. Nothing personal is recorded about it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{Problem, Wipe};

use crate::failure::{Failure, Result};
use crate::http::access::{self, SetToken};
use crate::http::{body, cookies};
use crate::store::kiosks::{self, Kiosk};
use crate::store::{handoffs, sessions};
use crate::vault::{random, token};
use crate::work::sessions::Session;
use crate::{App, now};

const CODE_LIVES: i64 = 86_400;
const COOKIE_LIVES: i64 = 400 * 86_400;

/// A new kiosk, or a known one enrolled anew (its old cookie stops working once the code is used).
/// The code is typed in at the machine, once, within a day.
///
/// # Errors
/// A sentence for the command line.
pub async fn add(
    app: &App,
    name: &str,
    paper: &str,
    idle_seconds: u32,
) -> std::result::Result<String, String> {
    if !["58", "80", "a4"].contains(&paper) {
        return Err(format!("{paper:?} is not a paper size: use 58, 80 or a4"));
    }
    let code: String = random::<12>()
        .iter()
        .map(|b| char::from(b'0' + b % 10))
        .collect();
    let kiosk = Kiosk {
        name: name.into(),
        paper: paper.into(),
        idle_seconds,
    };
    let write = async {
        let mut tx = app.store.begin().await?;
        kiosks::add(&mut tx, &kiosk, &code, now().plus_seconds(CODE_LIVES)).await?;
        tx.commit().await
    };
    write.await.map_err(Failure::sentence)?;
    Ok(code)
}

/// The cookie for a machine on which a valid code was typed in.
pub async fn enrol(app: &App, code: &str) -> Result<Option<HeaderValue>> {
    // Read first, without a write: people who guess codes must not hold up people who report.
    if !kiosks::is_code(&mut app.store.read().await?, code).await? {
        return Ok(None);
    }
    let fresh = token();
    let mut tx = app.store.begin().await?;
    let good = kiosks::enrol(&mut tx, code, &fresh, now()).await?;
    tx.commit().await?;
    Ok(good.then(|| kept(app, &fresh)))
}

/// The cookie that makes a machine a kiosk.
fn kept(app: &App, token: &str) -> HeaderValue {
    cookies::set(
        cookies::kiosk(app),
        token,
        "/",
        Some(COOKIE_LIVES),
        "Strict",
    )
}

/// The first page as a kiosk gets it: with storage in memory in place of the persistent one.
///
/// # Errors
/// If the page is not of this app: never serve the ordinary one, which would store what is typed.
fn page(app: &App, kiosk: &Kiosk) -> Result<String> {
    let page = app.assets.text("/index.html").unwrap_or_default();
    let (before, rest) = page
        .split_once("<script src=\"/storage.js")
        .ok_or_else(|| Failure::internal("kiosk", "index.html"))?;
    let after = rest.split_once("</script>").map_or("", |(_, after)| after);
    let named = |path: &str| {
        app.assets
            .named(path)
            .ok_or_else(|| Failure::internal("kiosk", path))
    };
    let script = |path: &str| {
        let (address, digest) = named(path)?;
        Ok::<_, Failure>(format!(
            "<script src=\"{address}\" integrity=\"{digest}\" defer></script>"
        ))
    };
    let (css, digest) = named("/kiosk/kiosk.css")?;
    let tags = format!(
        "<link rel=\"stylesheet\" href=\"{css}\" integrity=\"{digest}\">{}{}",
        script("/kiosk/words.js")?,
        script("/kiosk/kiosk.js")?
    );
    let marked = format!(
        "<html data-kiosk=\"{}\" data-idle=\"{}\" ",
        kiosk.paper, kiosk.idle_seconds
    );
    Ok(format!(
        "{}{tags}{after}",
        before.replacen("<html ", &marked, 1)
    ))
}

/// Ends what the person at this kiosk began. Before the next person begins, the kiosk asks again
/// (`start`): the server may have been unreachable.
#[utoipa::path(post, path = "/api/v1/kiosk/wipe", request_body = Wipe,
    responses((status = 204, description = "nothing is left; Clear-Site-Data, but for a `start`"), (status = 404, description = "not an enrolled machine", body = Problem)))]
pub async fn wipe(
    access::Kiosk(kiosk): access::Kiosk,
    State(app): State<App>,
    Extension(session): Extension<Session>,
    request: Request,
) -> Result<Response> {
    let Wipe { why } = body::json(request).await?;
    let mut tx = app.store.begin().await?;
    sessions::end(&mut tx, &session.hash).await?;
    handoffs::forget_open(&mut tx, &kiosk.name).await?;
    tx.commit().await?;
    // Somebody signed in may also be sending from their own phone.
    if session.phone.is_none() {
        app.uploads.abandon(&app.store, &session.subject).await?;
    }
    app.news.tell(&session.hash);
    tracing::info!(kiosk = kiosk.name, ?why, "wiped");
    let mut response = StatusCode::NO_CONTENT.into_response();
    if why != claim_api::Why::Start {
        // Not the cookies: the kiosk's enrolment is one. The session's own is cleared below.
        response.headers_mut().insert(
            "clear-site-data",
            HeaderValue::from_static("\"cache\", \"storage\""),
        );
    }
    response.extensions_mut().insert(SetToken(String::new()));
    Ok(response)
}

/// A kiosk's page is made for it and never cached; each use renews the enrolment.
///
/// # Errors
/// As [`page`].
pub fn served(app: &App, kiosk: &Kiosk, headers: &HeaderMap) -> Result<Response> {
    let mut response = page(app, kiosk)?.into_response();
    let set = response.headers_mut();
    set.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(token) = cookies::find(headers, cookies::kiosk(app)) {
        set.append(header::SET_COOKIE, kept(app, &token));
    }
    Ok(response)
}

/// For the route tests, and for checking whether a machine is enrolled.
#[utoipa::path(get, path = "/api/v1/kiosk", responses((status = 200, body = claim_api::KioskView), (status = 404, body = Problem)))]
pub async fn view(
    access::Kiosk(kiosk): access::Kiosk,
    State(app): State<App>,
) -> Result<Json<claim_api::KioskView>> {
    Ok(Json(claim_api::KioskView {
        name: kiosk.name,
        paper: kiosk.paper,
        hotline: app.deployment.hotline.clone(),
    }))
}

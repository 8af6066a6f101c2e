//! Machines in branches. What makes a machine one is its enrolment, kept in a cookie: never an address, which anybody
//! could type.
//!
//! Promise: at such a machine the app gets the page that keeps nothing, and [`wipe`] ends whatever the person before has
//! begun: session, uploads, hand-overs. Nothing personal is written down about it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use claim_api::{Problem, ProblemCode, Wipe};
use sqlx::Row;

use crate::failure::{Failure, Result};
use crate::session::{self, Session, SetToken};
use crate::vault::{random, sha256_hex, token};
use crate::{App, guard, now, uploads};

const CODE_LIVES: i64 = 86_400;
const COOKIE_LIVES: i64 = 400 * 86_400;

/// An enrolled machine.
pub struct Kiosk {
    pub name: String,
    pub paper: String,
    pub idle_seconds: u32,
}

fn cookie_name(app: &App) -> &'static str {
    if app.options.secure { "__Host-kiosk" } else { "kiosk" }
}

/// A new machine, or a known one that is enrolled anew (its old cookie says nothing any more once the code was used). The code is typed in at
/// the machine, once, within a day.
///
/// # Errors
/// A sentence for the command line.
pub async fn add(app: &App, name: &str, paper: &str, idle_seconds: u32) -> std::result::Result<String, String> {
    if !["58", "80", "a4"].contains(&paper) {
        return Err(format!("{paper:?} is no paper: there are 58, 80 and a4"));
    }
    let code: String = random::<12>().iter().map(|b| char::from(b'0' + b % 10)).collect();
    let write = async {
        let mut tx = app.store.begin().await?;
        sqlx::query(
            "INSERT INTO kiosk (name, code_hash, code_until, paper, idle_seconds) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET code_hash = excluded.code_hash, code_until = excluded.code_until, paper = excluded.paper, idle_seconds = excluded.idle_seconds",
        )
        .bind(name)
        .bind(app.vault.index("kiosk code", &code))
        .bind(now().0 + CODE_LIVES)
        .bind(paper)
        .bind(idle_seconds)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Result::Ok(())
    };
    write.await.map_err(|f| f.problem().title)?;
    Ok(code)
}

/// The cookie for whoever has typed a right code in.
pub async fn enrol(app: &App, code: &str) -> Result<Option<HeaderValue>> {
    let (fresh, index) = (token(), app.vault.index("kiosk code", code));
    // Read first: whoever tries codes does not hold up those who report.
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM kiosk WHERE code_hash = ?").bind(&index).fetch_one(&app.store.read).await?;
    if known == 0 {
        return Ok(None);
    }
    let mut tx = app.store.begin().await?;
    let done = sqlx::query("UPDATE kiosk SET code_hash = NULL, token_hash = ? WHERE code_hash = ? AND code_until > ?")
        .bind(sha256_hex(fresh.as_bytes()))
        .bind(&index)
        .bind(now().0)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((done.rows_affected() == 1).then(|| session::set_cookie(cookie_name(app), &fresh, "/", COOKIE_LIVES, "Strict")))
}

/// The machine that sent this request.
pub async fn of(app: &App, headers: &HeaderMap) -> Result<Option<Kiosk>> {
    let Some(token) = session::cookie(headers, cookie_name(app)) else { return Ok(None) };
    let row = sqlx::query("SELECT name, paper, idle_seconds FROM kiosk WHERE token_hash = ?")
        .bind(sha256_hex(token.as_bytes()))
        .fetch_optional(&app.store.read)
        .await?;
    row.map(|row| Ok(Kiosk { name: row.try_get("name")?, paper: row.try_get("paper")?, idle_seconds: row.try_get("idle_seconds")? }))
        .transpose()
}

/// The first page as a machine gets it: its own store, which is memory, in place of the one that keeps.
///
/// # Errors
/// A page that is not of this app: never the ordinary one, which would keep what is typed.
fn page(app: &App, kiosk: &Kiosk) -> Result<String> {
    let page = app.assets.text("/index.html").unwrap_or_default();
    let (before, rest) = page.split_once("<script src=\"/storage.js").ok_or_else(|| Failure::internal("kiosk", "index.html"))?;
    let after = rest.split_once("</script>").map_or("", |(_, after)| after);
    let named = |path: &str| app.assets.named(path).ok_or_else(|| Failure::internal("kiosk", path));
    let ((css, css_digest), (js, js_digest)) = (named("/kiosk/kiosk.css")?, named("/kiosk/kiosk.js")?);
    let tags = format!(
        "<link rel=\"stylesheet\" href=\"{css}\" integrity=\"{css_digest}\"><script src=\"{js}\" integrity=\"{js_digest}\" defer></script>"
    );
    let marked = format!("<html data-kiosk=\"{}\" data-idle=\"{}\" ", kiosk.paper, kiosk.idle_seconds);
    Ok(format!("{}{tags}{after}", before.replacen("<html ", &marked, 1)))
}

/// Ends what the person at this machine has begun. Before the next one begins the same is asked for again (`start`): the
/// server may have been away.
#[utoipa::path(post, path = "/api/v1/kiosk/wipe", request_body = Wipe,
    responses((status = 204, description = "nothing is left; Clear-Site-Data, but for a `start`"), (status = 404, description = "not an enrolled machine", body = Problem)))]
pub async fn wipe(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response> {
    let kiosk = of(&app, &headers).await?.ok_or(ProblemCode::NotFound)?;
    let Wipe { why } = guard::json(request).await?;
    let mut tx = app.store.begin().await?;
    session::end(&mut tx, &session.hash).await?;
    sqlx::query("DELETE FROM handoff WHERE kiosk = ? AND taken_by IS NULL").bind(&kiosk.name).execute(&mut *tx).await?;
    tx.commit().await?;
    // One who has signed in may be sending from his own phone as well.
    if session.phone.is_none() {
        uploads::abandon(&app, &session.subject).await?;
    }
    app.news.tell(&session.hash);
    tracing::info!(kiosk = kiosk.name, ?why, "wiped");
    let mut response = StatusCode::NO_CONTENT.into_response();
    if why != claim_api::Why::Start {
        // Not the cookies: the machine's enrolment is one. The session's own goes below.
        response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    }
    response.extensions_mut().insert(SetToken(String::new()));
    Ok(response)
}

/// The page of a machine is made for it and kept by nobody else; its enrolment lasts as long as it is used.
///
/// # Errors
/// As [`page`].
pub fn served(app: &App, kiosk: &Kiosk, headers: &HeaderMap) -> Result<Response> {
    let mut response = page(app, kiosk)?.into_response();
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(token) = session::cookie(headers, cookie_name(app)) {
        set.append(header::SET_COOKIE, session::set_cookie(cookie_name(app), &token, "/", COOKIE_LIVES, "Strict"));
    }
    Ok(response)
}

/// For the tests of routes, and for whoever wants to know whether a machine is enrolled.
#[utoipa::path(get, path = "/api/v1/kiosk", responses((status = 200, body = claim_api::KioskView), (status = 404, body = Problem)))]
pub async fn view(State(app): State<App>, headers: HeaderMap) -> Result<Json<claim_api::KioskView>> {
    let kiosk = of(&app, &headers).await?.ok_or(ProblemCode::NotFound)?;
    Ok(Json(claim_api::KioskView { name: kiosk.name, paper: kiosk.paper, hotline: app.deployment.hotline.clone() }))
}

//! Access control: who sent a request and whether they may, as the first parameter of every
//! handler.
//!
//! Promise: a handler is called only if the request satisfies its first parameter. The table of
//! routes names the same type, and the compiler keeps the two in step ([`begins_with`]). Both the
//! description of the API and the test that tries everybody at every route read from it who may use
//! which route.

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use claim_api::ProblemCode;

use super::{body, cookies, network};
use crate::failure::{Failure, Result};
use crate::store::claims::{self, ClaimRow};
use crate::store::kiosks;
use crate::store::services::{self, Service};
use crate::work::services::Scope;
use crate::work::sessions::{self, Session};
use crate::{App, now};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Open,
    Visitor,
    Guest,
    SignedIn,
    Party,
    Claimant,
    Insured,
    Kiosk,
    Staff,
    Peer,
    System,
}

/// A first parameter of handlers.
pub trait Right {
    const ACCESS: Access;
}

/// Handlers whose first parameter is `R`. `Rest` are the others.
pub trait BeginsWith<R, Rest> {}

impl<F, R, Fut> BeginsWith<R, ()> for F where F: Fn(R) -> Fut {}
impl<F, R, A, Fut> BeginsWith<R, (A,)> for F where F: Fn(R, A) -> Fut {}
impl<F, R, A, B, Fut> BeginsWith<R, (A, B)> for F where F: Fn(R, A, B) -> Fut {}
impl<F, R, A, B, C, Fut> BeginsWith<R, (A, B, C)> for F where F: Fn(R, A, B, C) -> Fut {}
impl<F, R, A, B, C, D, Fut> BeginsWith<R, (A, B, C, D)> for F where F: Fn(R, A, B, C, D) -> Fut {}

/// Returns the handler; does not compile if its first parameter is another right.
pub const fn begins_with<R: Right, Rest, F: BeginsWith<R, Rest>>(handler: F) -> F {
    handler
}

macro_rules! rights {
    ($($right:ident),*) => { $(impl Right for $right { const ACCESS: Access = Access::$right; })* };
}

rights!(
    Open, Visitor, Guest, SignedIn, Party, Claimant, Insured, Kiosk, Peer, System
);

/// Everybody, even without a session.
pub struct Open;

impl FromRequestParts<App> for Open {
    type Rejection = std::convert::Infallible;
    async fn from_request_parts(
        _: &mut Parts,
        _: &App,
    ) -> std::result::Result<Open, Self::Rejection> {
        Ok(Open)
    }
}

/// Everybody; what they create belongs to the session, which begins here if there is none.
pub struct Visitor(pub Session);

impl FromRequestParts<App> for Visitor {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Visitor> {
        session_of(parts)
            .map(Visitor)
            .ok_or_else(|| Failure::internal("session", "this address has none"))
    }
}

/// Anybody with a session, for what it has created; others get 404.
pub struct Guest(pub Session);

impl FromRequestParts<App> for Guest {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Guest> {
        Ok(Guest(session_of(parts).ok_or(ProblemCode::NotFound)?))
    }
}

/// Anybody who has signed in with a code, for what is theirs; others get 401.
pub struct SignedIn {
    pub session: Session,
    /// The phone that was proved.
    pub phone: String,
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<SignedIn> {
        let session = session_of(parts).ok_or(ProblemCode::SessionExpired)?;
        let phone = session.phone.clone().ok_or(ProblemCode::SessionExpired)?;
        Ok(SignedIn { session, phone })
    }
}

/// A party to the claim `{no}`, signed in or not: people who have just reported send photos. Others
/// get 404.
pub struct Party {
    pub session: Session,
    pub claim: ClaimRow,
}

impl FromRequestParts<App> for Party {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Party> {
        let Guest(session) = Guest::from_request_parts(parts, app).await?;
        let claim = claim_of(parts, app, &session).await?;
        Ok(Party { session, claim })
    }
}

/// A party to the claim `{no}` who has signed in (otherwise 401); others get 404.
pub struct Claimant {
    pub session: Session,
    pub phone: String,
    pub claim: ClaimRow,
}

impl FromRequestParts<App> for Claimant {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Claimant> {
        let SignedIn { session, phone } = SignedIn::from_request_parts(parts, app).await?;
        let claim = claim_of(parts, app, &session).await?;
        Ok(Claimant {
            session,
            phone,
            claim,
        })
    }
}

/// The same, with the right to see everything of the claim. People who reported for the insured
/// person only follow the stages (403).
pub struct Insured {
    pub session: Session,
    pub phone: String,
    pub claim: ClaimRow,
}

impl FromRequestParts<App> for Insured {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Insured> {
        let Claimant {
            session,
            phone,
            claim,
        } = Claimant::from_request_parts(parts, app).await?;
        claim.part.whole()?;
        Ok(Insured {
            session,
            phone,
            claim,
        })
    }
}

/// An enrolled kiosk; others get 404.
pub struct Kiosk(pub kiosks::Kiosk);

impl FromRequestParts<App> for Kiosk {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Kiosk> {
        Ok(Kiosk(
            kiosk(app, &parts.headers)
                .await?
                .ok_or(ProblemCode::NotFound)?,
        ))
    }
}

/// The kiosk that sent this request, if it was one.
pub async fn kiosk(app: &App, headers: &HeaderMap) -> Result<Option<kiosks::Kiosk>> {
    match cookies::find(headers, cookies::kiosk(app)) {
        Some(token) => kiosks::find(&mut app.store.read().await?, &token).await,
        None => Ok(None),
    }
}

/// The bank's connector, authenticated by the signature of its body (otherwise 401). It takes the
/// whole request.
pub struct Peer {
    pub app: App,
    body: bytes::Bytes,
}

const MOST_OF_PEER: usize = 16 << 10;

impl FromRequest<App> for Peer {
    type Rejection = Failure;
    async fn from_request(request: Request, app: &App) -> Result<Peer> {
        body::require_json(request.headers())?;
        let signature = request
            .headers()
            .get("signature")
            .map(|v| v.as_bytes().to_vec())
            .unwrap_or_default();
        let body = body::bytes(request, MOST_OF_PEER).await?;
        if app.vault.is_signed("bank", &body, &signature) {
            Ok(Peer {
                app: app.clone(),
                body,
            })
        } else {
            Err(ProblemCode::SessionExpired.into())
        }
    }
}

impl Peer {
    /// The signed body.
    ///
    /// # Errors
    /// `malformed-json` for another type.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|_| ProblemCode::MalformedJson.into())
    }
}

/// A system of the insurer, by its token (otherwise 401).
pub struct System(pub Service);

impl FromRequestParts<App> for System {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<System> {
        let sent = parts.headers.get(header::AUTHORIZATION);
        let token = sent
            .and_then(|sent| sent.to_str().ok()?.strip_prefix("Bearer "))
            .ok_or(ProblemCode::SessionExpired)?;
        let found = services::with_token(&mut app.store.read().await?, token, now()).await?;
        found.map(System).ok_or(ProblemCode::SessionExpired.into())
    }
}

impl System {
    /// # Errors
    /// `not-this-person` without the scope.
    pub fn needs(&self, scope: Scope) -> Result<()> {
        if self.0.may(scope) {
            Ok(())
        } else {
            Err(ProblemCode::NotThisPerson.into())
        }
    }
}

fn session_of(parts: &Parts) -> Option<Session> {
    parts.extensions.get::<Session>().cloned()
}

async fn claim_of(parts: &mut Parts, app: &App, session: &Session) -> Result<ClaimRow> {
    let params = RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|_| ProblemCode::NotFound)?;
    let no = params
        .iter()
        .find(|(name, _)| *name == "no")
        .map(|(_, no)| no.to_owned())
        .unwrap_or_default();
    claims::mine(&mut app.store.read().await?, &session.subject, &no, now()).await
}

/// A token that the response must carry.
#[derive(Clone)]
pub struct SetToken(pub String);

/// The token that a response must carry if its request began a session.
pub struct Fresh(Option<String>);

/// Where the report itself stores the session, together with the claim.
const REPORTS: [&str; 2] = ["/api/v1/notices", "/lite"];
/// Where a session begins although nothing is created.
const FIRST_LOOKS: [&str; 2] = ["/api/v1/session", "/lite"];

/// Other systems sign or bring a token: a session would be of no use to them.
const MACHINES: [&str; 2] = ["/api/v1/systems/", "/api/v1/bank/"];

/// Puts the [`Session`] into the request; makes an anonymous one where the request needs it.
pub async fn enter(app: &App, request: &mut Request) -> Result<Fresh> {
    let path = request.uri().path();
    let is_machine = MACHINES.iter().any(|machine| path.starts_with(machine));
    if is_machine || !(path.starts_with(claim_api::BASE) || path.starts_with("/lite")) {
        return Ok(Fresh(None));
    }
    let at = now();
    let sent = cookies::find(request.headers(), cookies::session(app));
    if let Some(token) = &sent
        && let Some(session) = sessions::find(app, token, at).await?
    {
        request.extensions_mut().insert(session);
        return Ok(Fresh(None));
    }
    let promised = match sent {
        Some(token) if sessions::is_promised(app, &token, at).await? => Some(token),
        _ => None,
    };
    let (token, fresh) = match promised {
        Some(token) => (token, None),
        None => {
            let token = sessions::promise(app, at);
            (token.clone(), Some(token))
        }
    };
    let mut session = Session::unwritten(&token);
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        if !FIRST_LOOKS.contains(&path) {
            return Ok(Fresh(None));
        }
        // Nothing is stored for somebody who only looks.
        request.extensions_mut().insert(session);
        return Ok(Fresh(fresh));
    }
    app.quotas.sessions.take(network::of(app, request))?;
    session = session.beginning(kiosk(app, request.headers()).await?.is_some());
    if !REPORTS.contains(&path) {
        let mut tx = app.store.begin().await?;
        session = sessions::write_down(&mut tx, session, at).await?;
        tx.commit().await?;
    }
    request.extensions_mut().insert(session);
    Ok(Fresh(fresh))
}

/// Lets the response carry a token created on the way.
pub fn leave(app: &App, Fresh(fresh): Fresh, response: &mut Response) {
    let rotated = response.extensions_mut().remove::<SetToken>().map(|t| t.0);
    if let Some(token) = rotated.or(fresh) {
        let age = if token.is_empty() {
            0
        } else {
            sessions::ANONYMOUS_IDLE
        };
        // In a partner's frame the app is a third party: without its own cookie per partner
        // (CHIPS), none would be sent.
        let framed = app.options.secure && !app.deployment.partners.is_empty();
        let same_site = if framed { "None; Partitioned" } else { "Lax" };
        let cookie = cookies::set(cookies::session(app), &token, "/", Some(age), same_site);
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

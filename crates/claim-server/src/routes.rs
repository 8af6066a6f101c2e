//! Every route and who may use it. The router and the table that the tests walk through are made
//! from the same lines, so a route without an access rule does not compile.

use axum::Router;
use axum::routing::{MethodRouter, any, head};

use crate::http::access::{Access, Right, begins_with};
use crate::http::api::{
    bank, claims, documents, drafts, letters, meta, payees, policies, preferences, proofs, records,
    reports, sessions, shares, stream, systems, uploads,
};
use crate::http::{access, guard};
use crate::{App, hosts, pages};

/// What handlers begin with. That of staff stands with their pages, to which it sends others.
mod rights {
    pub use crate::http::access::*;
    pub use crate::pages::staff::Staff;
}

/// Path, method and access.
type Row = (&'static str, &'static str, Access);

macro_rules! routes {
    ($table:ident $router:ident: $($path:literal $access:ident { $($method:ident $handler:path),+ })*) => {
        const $table: &[Row] = &[$($(($path, stringify!($method), <rights::$access as Right>::ACCESS)),+),*];

        fn $router() -> Router<App> {
            Router::new()$(.route($path, MethodRouter::new()$(.$method(begins_with::<rights::$access, _, _>($handler)))+))*
        }
    };
}

routes! { API api:
    "/config" Open { get meta::config }
    "/openapi.json" Open { get meta::described }
    "/rules/{version}" Open { get meta::rules }
    "/session" Visitor { get sessions::view, post sessions::sign_in, delete sessions::sign_out }
    "/launch" Visitor { post hosts::launch::launch, put hosts::launch::sign_in }
    "/wx/jssdk-signature" Open { get hosts::wechat::signature }
    "/session/code" Visitor { post sessions::send_code }
    "/notices" Visitor { post reports::create }
    "/submissions/{key}" Guest { get reports::submission }
    "/drafts/{id}" SignedIn { get drafts::show, put drafts::put, delete drafts::delete }
    "/uploads" Visitor { post uploads::made_or_overridden }
    "/uploads" Open { options uploads::options }
    "/uploads/{id}" Open { options uploads::options }
    "/uploads/{id}" Guest { patch uploads::append, delete uploads::terminate, post uploads::overridden }
    "/claims" SignedIn { get claims::list }
    "/me" SignedIn { get records::me, delete records::erase }
    "/policies" SignedIn { get policies::mine }
    "/preferences" SignedIn { get preferences::show, put preferences::change }
    "/claims/{no}" Claimant { get claims::show }
    "/claims/{no}/timeline" Claimant { get claims::timeline }
    "/claims/{no}/stream" Claimant { get stream::stream }
    "/claims/{no}/requirements" Claimant { get documents::requirements }
    "/claims/{no}/steps" Claimant { post claims::step }
    "/claims/{no}/photos/{id}" Claimant { get documents::photo }
    "/claims/{no}/claim-request" Claimant { post documents::claim_request }
    "/claims/{no}/receipt" Party { get proofs::receipt }
    "/claims/{no}/documents/{document}/{upload}" Party { put documents::attach }
    "/claims/{no}/reporter" Claimant { put claims::correct }
    "/claims/{no}/payees" Insured { put payees::name }
    "/claims/{no}/form" Insured { get records::form }
    "/claims/{no}/consents/{id}" Insured { delete records::withdraw_consent }
    "/claims/{no}/letters/{seq}" Insured { get letters::letter }
    "/claims/{no}/file" Insured { get records::whole }
    "/claims/{no}/shares" Insured { get shares::list, post shares::create, delete shares::revoke }
    "/bank/answers" Peer { post bank::answer }
    "/systems/token" Open { post systems::token }
    "/systems/events" System { get systems::events }
    "/systems/claims/{no}" System { get systems::claim }
    "/systems/claims/{no}/files/{id}" System { get systems::file }
    "/systems/claims/{no}/steps" System { post systems::step }
    "/kiosk" Kiosk { get hosts::kiosk::view }
    "/kiosk/wipe" Kiosk { post hosts::kiosk::wipe }
    "/handoffs" Kiosk { post hosts::handoffs::begin }
    "/handoffs/{id}" Kiosk { get hosts::handoffs::show }
    "/handoffs/redeem" SignedIn { post hosts::handoffs::redeem }
}

routes! { PAGES plain:
    "/healthz" Open { get meta::health }
    "/readyz" Open { get meta::ready }
    "/.well-known/jwks.json" Open { get proofs::keys }
    "/csp-reports" Open { post guard::csp_report }
    "/pages.css" Open { get pages::css }
    "/lite" Visitor { get pages::lite::form, post pages::lite::submit }
    "/link.js" Open { get pages::links::js }
    "/shared" Open { get pages::shared::show, post pages::shared::enter }
    "/not-mine" Open { get pages::not_mine::ask, post pages::not_mine::enter }
    "/not-mine/stop" Open { post pages::not_mine::say }
    "/kiosk/enrol" Open { get pages::kiosk::form, post pages::kiosk::enrol }
    "/staff/login" Open { get pages::staff::login_page, post pages::staff::login }
    "/staff/sso" Open { get pages::staff::sso::begin }
    "/staff/sso/back" Open { get pages::staff::sso::back }
    "/staff/logout" Open { post pages::staff::logout }
    "/staff" Staff { get pages::staff::queue }
    "/staff/claims/{no}" Staff { get pages::staff::claim }
    "/staff/claims/{no}/steps" Staff { post pages::staff::step }
    "/staff/claims/{no}/photos/{id}" Staff { get pages::staff::photo }
    "/staff/claims/{no}/letters/{seq}" Staff { get pages::staff::letter }
    "/staff/claims/{no}/payees" Staff { get pages::staff::payees }
    "/staff/claims/{no}/reporter" Staff { get pages::staff::reporter }
    "/staff/figures" Staff { get pages::staff::figures }
    "/staff/claims.csv" Staff { get pages::staff::csv }
    "/staff/accounts" Staff { get pages::staff::accounts::accounts, post pages::staff::accounts::change }
    "/staff/catastrophes" Staff { get pages::staff::catastrophes, post pages::staff::change }
}

routes! { DEMO demo:
    "/demo" Open { get pages::demo::who }
    "/demo/outbox" Open { get pages::demo::outbox }
}

/// Every route: its path, its method, who may use it.
pub fn listed() -> impl Iterator<Item = (String, &'static str, Access)> {
    let api = API
        .iter()
        .map(|(path, method, access)| (format!("{}{path}", claim_api::BASE), *method, *access));
    api.chain(
        PAGES
            .iter()
            .chain(DEMO)
            .map(|(path, method, access)| ((*path).to_owned(), *method, *access)),
    )
}

pub fn all(app: &App) -> Router {
    let api = api()
        // Not through the macro: otherwise axum answers HEAD through GET, and tus needs its own.
        .route(
            "/uploads/{id}",
            head(begins_with::<access::Guest, _, _>(uploads::head)),
        )
        // Some client libraries are set up this way.
        .route(
            "/uploads/",
            axum::routing::post(uploads::made_or_overridden).options(uploads::options),
        )
        .layer(axum::middleware::from_fn(uploads::resumable))
        .method_not_allowed_fallback(guard::method_not_allowed)
        .fallback(guard::unknown_api);
    let mut router = Router::new().nest(claim_api::BASE, api).merge(plain());
    if app.options.demo {
        router = router.merge(demo());
    }
    router
        .fallback(any(pages::app::serve))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            guard::guard,
        ))
        .with_state(app.clone())
}

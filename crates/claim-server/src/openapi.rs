//! The description of the API, made from the handlers themselves and locked by a snapshot test.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;

use crate::{
    claims, config, documents, drafts, handoffs, kiosk, launch, letters, messages, notices, payees, payments, proofs, records, session,
    shares, stream, uploads, wechat,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Baoan claims API",
        description = "Report a loss, send its photos, follow the claim. Errors are RFC 9457 problems; the codes never change their meaning.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        config::config,
        config::health,
        json,
        session::view,
        session::send_code,
        session::sign_in,
        session::sign_out,
        notices::create,
        notices::submission,
        proofs::receipt,
        proofs::keys,
        drafts::show,
        drafts::put,
        drafts::delete,
        uploads::options,
        uploads::create,
        uploads::head,
        uploads::append,
        uploads::terminate,
        claims::list,
        claims::show,
        claims::timeline,
        claims::step,
        claims::correct,
        stream::stream,
        payees::name,
        payments::answer,
        letters::letter,
        records::whole,
        records::me,
        records::erase,
        records::form,
        records::withdraw_consent,
        session::my_policies,
        shares::create,
        shares::list,
        shares::revoke,
        messages::preferences,
        messages::prefer,
        documents::requirements,
        documents::attach,
        documents::photo,
        documents::claim_request,
        documents::compiled_rules,
        launch::launch,
        wechat::signature,
        kiosk::view,
        kiosk::wipe,
        handoffs::begin,
        handoffs::show,
        handoffs::redeem,
    )
)]
struct Api;

/// The document as pretty JSON.
pub fn document() -> String {
    Api::openapi().to_pretty_json().unwrap_or_default()
}

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, content_type = "application/json")))]
pub async fn json() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], document()).into_response()
}

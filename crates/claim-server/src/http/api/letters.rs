//! Letters to read and print.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use claim_api::{Letter, Problem};

use crate::App;
use crate::failure::Result;
use crate::http::access::Insured;
use crate::pages;
use crate::work::{letters, log};

/// The letter of an event: JSON, or a page to print if HTML is asked for.
#[utoipa::path(get, path = "/api/v1/claims/{no}/letters/{seq}", params(("no" = String, Path), ("seq" = u32, Path, description = "the event that it is about")),
    responses((status = 200, body = Letter), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn letter(
    Insured { claim, .. }: Insured,
    State(app): State<App>,
    Path((_, seq)): Path<(String, u32)>,
    headers: HeaderMap,
) -> Result<Response> {
    let letter = letters::about(&app, &mut app.store.read().await?, &claim, seq).await?;
    if letter.title == letters::REFUSAL {
        let mut tx = app.store.begin().await?;
        log::letter_delivered(&app, &mut tx, (&claim.id, claim.lob), seq).await?;
        tx.commit().await?;
        app.news.tell(&claim.id);
    }
    let wants_page = headers
        .get(header::ACCEPT)
        .is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("text/html")));
    Ok(if wants_page {
        pages::letter(&letter).into_response()
    } else {
        Json(letter).into_response()
    })
}

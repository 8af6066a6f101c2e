//! Letters to read and print.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use claim_api::{Letter, Problem};
use claim_domain::lifecycle::StepKind;
use serde::Deserialize;

use crate::App;
use crate::failure::Result;
use crate::http::access::Insured;
use crate::pages;
use crate::words;
use crate::work::{letters, log};

/// The reader's language; Chinese if none is given.
#[derive(Deserialize)]
pub struct Read {
    #[serde(default)]
    lang: String,
}

/// The letter of an event: JSON, or a page to print if HTML is asked for.
#[utoipa::path(get, path = "/api/v1/claims/{no}/letters/{seq}", params(("no" = String, Path), ("seq" = u32, Path, description = "the event that it is about"), ("lang" = Option<String>, Query, description = "language of its frame, a tag such as en")),
    responses((status = 200, body = Letter), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn letter(
    Insured { claim, .. }: Insured,
    State(app): State<App>,
    Path((_, seq)): Path<(String, u32)>,
    Query(Read { lang }): Query<Read>,
    headers: HeaderMap,
) -> Result<Response> {
    let words = words::of(&lang);
    let (letter, kind) = {
        let mut db = app.store.read().await?;
        letters::about(&app, &mut db, &claim, seq, words).await?
    };
    // Once the customer has read a rejection, the three days of article 24 end.
    if kind == StepKind::Rejected {
        let mut tx = app.store.begin().await?;
        log::letter_delivered(&app, &mut tx, (&claim.id, claim.lob), seq).await?;
        tx.commit().await?;
        app.news.tell(&claim.id);
    }
    let wants_page = headers
        .get(header::ACCEPT)
        .is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("text/html")));
    Ok(if wants_page {
        pages::letter(&letter, words).into_response()
    } else {
        Json(letter).into_response()
    })
}

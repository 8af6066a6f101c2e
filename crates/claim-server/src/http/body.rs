//! Request bodies: bounded, of a declared type, and parsed as a known type.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use claim_api::ProblemCode;

use super::pace;
use crate::failure::{Failure, Result};

/// Whether a body is declared as JSON; a charset may follow.
pub fn require_json(headers: &HeaderMap) -> Result<()> {
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let media = declared.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(ProblemCode::UnsupportedMediaType.into())
    }
}

/// The whole body, or a problem if it is too large.
pub async fn bytes(request: Request, most: usize) -> Result<bytes::Bytes> {
    let too_large = || Failure::from(ProblemCode::PayloadTooLarge);
    // Refused by its declared length, before reading.
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse().ok());
    if announced.is_some_and(|n: usize| n > most) {
        return Err(too_large());
    }
    axum::body::to_bytes(request.into_body(), most)
        .await
        .map_err(|e| {
            if pace::was_slow(&e) {
                ProblemCode::Timeout.into()
            } else {
                too_large()
            }
        })
}

/// Reads a JSON body of a known type.
pub async fn json<T: serde::de::DeserializeOwned>(request: Request) -> Result<T> {
    json_up_to(request, 16 << 10).await
}

/// The same for a body of up to `most` bytes.
pub async fn json_up_to<T: serde::de::DeserializeOwned>(
    request: Request,
    most: usize,
) -> Result<T> {
    require_json(request.headers())?;
    serde_json::from_slice(&bytes(request, most).await?)
        .map_err(|_| ProblemCode::MalformedJson.into())
}

/// The fields of a posted form, at most 64 KB.
pub async fn form(request: Request) -> Result<Vec<(String, String)>> {
    let declared = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if !declared.starts_with("application/x-www-form-urlencoded") {
        return Err(ProblemCode::UnsupportedMediaType.into());
    }
    let (parts, body) = request.into_parts();
    let bytes = bytes(Request::from_parts(parts.clone(), body), 64 << 10).await?;
    let form = axum::Form::<Vec<(String, String)>>::from_request(
        Request::from_parts(parts, bytes.into()),
        &(),
    )
    .await;
    form.map(|axum::Form(fields)| fields)
        .map_err(|_| ProblemCode::MalformedJson.into())
}

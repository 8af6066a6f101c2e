//! Requests to our own server, with its cookie. No answer at all is [`Offline`]; every answer is handed on as it is.

use claim_api::outbox::{Body, Method, Reply, Request};
use claim_api::{Problem, tus};
use claim_domain::json;
use gloo::net::http::{self, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;

use super::storage::{self, Storage};

/// Why a call gave no value.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    Offline,
    Problem(Box<Problem>),
}

impl CallError {
    /// Names the sentence in the catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            CallError::Offline => "offline",
            CallError::Problem(problem) => problem.code.as_str(),
        }
    }
}

async fn value<T: DeserializeOwned>(response: Result<Response, gloo::net::Error>) -> Result<T, CallError> {
    let response = response.map_err(|_| CallError::Offline)?;
    let body = response.text().await.map_err(|_| CallError::Offline)?;
    if response.ok() {
        // An empty answer is `()`; anything else that is no JSON comes from somebody in between (a captive portal).
        let body = if body.is_empty() { "null" } else { &body };
        json::read(body).ok_or(CallError::Offline)
    } else {
        Err(json::read(&body).map_or(CallError::Offline, |problem| CallError::Problem(Box::new(problem))))
    }
}

pub async fn get<T: DeserializeOwned>(path: &str) -> Result<T, CallError> {
    value(http::Request::get(path).send().await).await
}

/// The same for values with maps in them, which the small reader cannot read; only the program after the report has
/// such.
pub async fn get_whole<T: DeserializeOwned>(path: &str) -> Result<T, CallError> {
    let response = http::Request::get(path).send().await.map_err(|_| CallError::Offline)?;
    let body = response.text().await.map_err(|_| CallError::Offline)?;
    if response.ok() {
        serde_json::from_str(&body).map_err(|_| CallError::Offline)
    } else {
        Err(json::read(&body).map_or(CallError::Offline, |problem| CallError::Problem(Box::new(problem))))
    }
}

/// Bytes of ours under a plain address.
pub async fn bytes(path: &str) -> Option<Vec<u8>> {
    let response = http::Request::get(path).send().await.ok()?;
    if response.ok() { response.binary().await.ok() } else { None }
}

pub async fn delete(path: &str) -> Result<(), CallError> {
    value(http::Request::delete(path).send().await).await
}

pub async fn post<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T, CallError> {
    send(http::Request::post(path), body).await
}

pub async fn put<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T, CallError> {
    send(http::Request::put(path), body).await
}

async fn send<T: DeserializeOwned>(request: RequestBuilder, body: &impl Serialize) -> Result<T, CallError> {
    let body = serde_json::to_string(body).unwrap_or_default();
    match request.header("content-type", "application/json").body(body) {
        Ok(request) => value(request.send().await).await,
        Err(_) => Err(CallError::Offline),
    }
}

/// A file of ours, by the address in its `<link id=…>`.
pub async fn linked(id: &str) -> Option<Vec<u8>> {
    bytes(&super::page::link_href(id)?).await
}

/// Carries out one request of the outbox.
pub async fn perform(request: &Request, storage: &Storage) -> Reply {
    let builder = match request.method {
        Method::Get => http::Request::get(&request.path),
        Method::Post => http::Request::post(&request.path),
        Method::Put => http::Request::put(&request.path),
        Method::Patch => http::Request::patch(&request.path),
        Method::Head => RequestBuilder::new(&request.path).method(gloo::net::http::Method::HEAD),
    };
    let builder = request.headers.iter().fold(builder, |b, (name, value)| b.header(name, value));
    let sent = match &request.body {
        Body::Empty => builder.send().await,
        Body::Json(body) => match builder.body(body.as_str()) {
            Ok(request) => request.send().await,
            Err(error) => Err(error),
        },
        Body::Photo { id, offset, length } => {
            let Some(bytes) = storage.bytes(&storage::photo(id)).await else { return Reply::NoBytes };
            let (from, to) = (*offset as usize, (*offset + *length) as usize);
            let Some(chunk) = bytes.get(from..to) else { return Reply::NoBytes };
            let body: JsValue = js_sys::Uint8Array::from(chunk).into();
            match builder.header("Upload-Checksum", &tus::checksum(chunk)).body(body) {
                Ok(request) => request.send().await,
                Err(error) => Err(error),
            }
        }
    };
    let Ok(response) = sent else { return Reply::Broken };
    let headers = response.headers();
    let number = |name: &str| headers.get(name).and_then(|v| v.parse().ok());
    Reply::Answer {
        status: response.status(),
        location: headers.get("location"),
        offset: number("upload-offset"),
        retry_after: headers.get("retry-after").and_then(|v| v.parse().ok()),
        body: response.text().await.unwrap_or_default(),
    }
}

//! Requests to our own server, with its cookie. No answer at all is [`CallError::Offline`]; every
//! other answer is passed on unchanged. boot.js makes the actual call: in WASM it would take four
//! times the bytes.

use claim_api::outbox::{Body, Method, Reply, Request};
use claim_api::{Problem, tus};
use claim_domain::json;
use js_sys::{Array, Object, Reflect, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::storage::{self, Storage};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = baoanCall)]
    async fn boot_call(
        method: &str,
        path: &str,
        headers: &Object,
        body: &JsValue,
        binary: bool,
    ) -> Result<JsValue, JsValue>;
}

/// Why a call gave no value.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    Offline,
    Problem(Box<Problem>),
}

impl CallError {
    /// Key of the sentence in the catalogue.
    pub fn code(&self) -> &'static str {
        match self {
            CallError::Offline => "offline",
            CallError::Problem(problem) => problem.code.as_str(),
        }
    }
}

/// Status, body, and the headers we use. `None`: no answer.
async fn call(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &JsValue,
    binary: bool,
) -> Option<Array> {
    let named = Object::new();
    for (name, value) in headers {
        let _ = Reflect::set(&named, &JsValue::from_str(name), &JsValue::from_str(value));
    }
    Some(Array::from(
        &boot_call(method, path, &named, body, binary).await.ok()?,
    ))
}

fn status(answer: &Array) -> u16 {
    answer.get(0).as_f64().unwrap_or_default() as u16
}

async fn value<T>(
    method: &str,
    path: &str,
    body: Option<String>,
    read: fn(&str) -> Option<T>,
) -> Result<T, CallError> {
    let json = [("content-type", "application/json")];
    let (headers, body) = body.map_or((&[][..], JsValue::UNDEFINED), |body| {
        (&json[..], JsValue::from(body))
    });
    let answer = call(method, path, headers, &body, false)
        .await
        .ok_or(CallError::Offline)?;
    // Cut off in transit: no answer.
    let body = answer.get(1).as_string().ok_or(CallError::Offline)?;
    if (200..300).contains(&status(&answer)) {
        // An empty answer is `()`; anything else that is not JSON comes from an intermediary (a
        // captive portal).
        read(if body.is_empty() { "null" } else { &body }).ok_or(CallError::Offline)
    } else {
        Err(json::read(&body).map_or(CallError::Offline, |problem| {
            CallError::Problem(Box::new(problem))
        }))
    }
}

pub async fn get<T: DeserializeOwned>(path: &str) -> Result<T, CallError> {
    value("GET", path, None, json::read).await
}

/// The same for values that contain maps, which the small reader cannot read; only the program
/// after the report has such values.
pub async fn get_whole<T: DeserializeOwned>(path: &str) -> Result<T, CallError> {
    value("GET", path, None, |body| serde_json::from_str(body).ok()).await
}

/// Bytes of ours under a plain address.
pub async fn bytes(path: &str) -> Option<Vec<u8>> {
    let answer = call("GET", path, &[], &JsValue::UNDEFINED, true).await?;
    (status(&answer) == 200)
        .then(|| {
            answer
                .get(1)
                .dyn_into::<Uint8Array>()
                .ok()
                .map(|b| b.to_vec())
        })
        .flatten()
}

pub async fn delete(path: &str) -> Result<(), CallError> {
    value("DELETE", path, None, json::read).await
}

/// The same where the answer has a body.
pub async fn delete_for<T: DeserializeOwned>(path: &str) -> Result<T, CallError> {
    value("DELETE", path, None, |body| serde_json::from_str(body).ok()).await
}

pub async fn post<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T, CallError> {
    value("POST", path, serde_json::to_string(body).ok(), json::read).await
}

pub async fn put<T: DeserializeOwned>(path: &str, body: &impl Serialize) -> Result<T, CallError> {
    value("PUT", path, serde_json::to_string(body).ok(), json::read).await
}

/// One of our files, by the address in its `<link id=…>`.
pub async fn linked(id: &str) -> Option<Vec<u8>> {
    bytes(&super::page::link_href(id)?).await
}

/// Carries out one request of the outbox.
pub async fn perform(request: &Request, storage: &Storage) -> Reply {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Head => "HEAD",
    };
    let mut headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (&name[..], &value[..]))
        .collect();
    let checksum;
    let body = match &request.body {
        Body::Empty => JsValue::UNDEFINED,
        Body::Json(body) => JsValue::from_str(body),
        Body::Photo { id, offset, length } => {
            let Some(bytes) = storage.bytes(&storage::photo(id)).await else {
                return Reply::NoBytes;
            };
            let (from, to) = (*offset as usize, (*offset + *length) as usize);
            let Some(chunk) = bytes.get(from..to) else {
                return Reply::NoBytes;
            };
            checksum = tus::checksum(chunk);
            headers.push(("Upload-Checksum", &checksum));
            Uint8Array::from(chunk).into()
        }
    };
    let Some(answer) = call(method, &request.path, &headers, &body, false).await else {
        return Reply::Broken;
    };
    let text = |i: u32| answer.get(i).as_string();
    Reply::Answer {
        status: status(&answer),
        location: text(2),
        offset: text(3).and_then(|v| v.parse().ok()),
        retry_after: text(4).and_then(|v| v.parse().ok()),
        body: text(1).unwrap_or_default(),
    }
}

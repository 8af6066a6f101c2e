//! The API description, generated from the handlers and locked by a snapshot test.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::http::StatusCode;
use claim_api::ProblemCode;
use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::hosts::{handoffs, kiosk, launch, wechat};
use crate::http::access::Access;
use crate::http::api::{
    bank, claims, documents, drafts, letters, meta, payees, policies, preferences, proofs, records,
    reports, sessions, shares, stream, systems, uploads,
};
use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Baoan claims API",
        description = "Report a loss, send its photos, follow the claim. Errors are RFC 9457 problems; the codes never change their meaning.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        meta::config,
        meta::health,
        meta::ready,
        meta::described,
        sessions::view,
        sessions::send_code,
        sessions::sign_in,
        sessions::sign_out,
        reports::create,
        reports::submission,
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
        bank::answer,
        systems::token,
        systems::events,
        systems::claim,
        systems::file,
        systems::step,
        letters::letter,
        records::whole,
        records::me,
        records::erase,
        records::form,
        records::withdraw_consent,
        policies::mine,
        shares::create,
        shares::list,
        shares::revoke,
        preferences::show,
        preferences::change,
        documents::requirements,
        documents::attach,
        documents::photo,
        documents::claim_request,
        meta::rules,
        launch::launch,
        launch::sign_in,
        wechat::signature,
        kiosk::view,
        kiosk::wipe,
        handoffs::begin,
        handoffs::show,
        handoffs::redeem,
    )
)]
struct Api;

/// The document as pretty JSON: what the handlers say, and what is true of all of them.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
        complete(&mut document);
        serde_json::to_string_pretty(&document).unwrap_or_default()
    })
}

const PROBLEM: &str = "#/components/schemas/Problem";

fn complete(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "session": { "type": "apiKey", "in": "cookie", "name": "sid", "description": "Begins with the first answer; `__Host-sid` behind TLS." },
        "kiosk": { "type": "apiKey", "in": "cookie", "name": "kiosk", "description": "A machine in a branch, by its enrolment." },
        "system": { "type": "oauth2", "flows": { "clientCredentials": { "tokenUrl": "/api/v1/systems/token", "scopes": {} } } },
        "peer": { "type": "apiKey", "in": "header", "name": "Signature", "description": "`hmac-sha256=` and the hex digest of the body." }
    });
    bounded(document);
    // Points of a signature stroke: x and y.
    let point = &mut document["components"]["schemas"]["Signature"]["properties"]["strokes"]["items"]
        ["items"];
    (point["minItems"], point["maxItems"]) = (2.into(), 2.into());
    let access: HashMap<_, _> = routes::listed()
        .map(|(path, method, access)| ((path, method), access))
        .collect();
    for (path, operations) in document["paths"].as_object_mut().into_iter().flatten() {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            // HEAD of an upload is not in the table: its address has no GET.
            let known = access
                .get(&(path.clone(), method.as_str()))
                .copied()
                .unwrap_or(Access::Guest);
            operation["operationId"] = name(path, method).into();
            operation["security"] = match known {
                Access::Open => json!([]),
                Access::Visitor | Access::Guest | Access::Party => json!([{}, { "session": [] }]),
                Access::SignedIn | Access::Claimant | Access::Insured => json!([{ "session": [] }]),
                Access::Kiosk => json!([{ "kiosk": [] }]),
                Access::Peer => json!([{ "peer": [] }]),
                Access::System => json!([{ "system": [] }]),
                Access::Staff => json!([]),
            };
            for parameter in operation
                .get_mut("parameters")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                // What the type cannot say.
                let schema = match parameter["name"].as_str() {
                    Some("Tus-Resumable") => ("enum", json!([claim_api::tus::VERSION])),
                    Some("Upload-Length") => ("maximum", uploads::MOST_BYTES.into()),
                    Some("Idempotency-Key" | "key") => ("pattern", "^[A-Za-z0-9_-]{8,64}$".into()),
                    Some("id") if path.contains("/drafts/") => {
                        ("pattern", "^[A-Za-z0-9_-]{8,64}$".into())
                    }
                    _ => continue,
                };
                parameter["schema"][schema.0] = schema.1;
                // A header is present or absent, never null.
                parameter["schema"]["type"] = if schema.0 == "maximum" {
                    "integer"
                } else {
                    "string"
                }
                .into();
            }
            if let Some(body) = operation.get_mut("requestBody") {
                body["required"] = true.into();
            }
            let has_body = operation.get("requestBody").is_some();
            let has_input = has_body || operation.get("parameters").is_some();
            let answers = &mut operation["responses"];
            for (status, answer) in answers.as_object_mut().into_iter().flatten() {
                // Error bodies are problems, even where the handler only names their type.
                if let Some(problem) = answer["content"]
                    .get_mut("application/json")
                    .filter(|c| c["schema"]["$ref"] == PROBLEM)
                {
                    let problem = problem.take();
                    answer["content"] = json!({ "application/problem+json": problem });
                } else if answer["content"].is_null() {
                    answer
                        .as_object_mut()
                        .map(|answer| answer.remove("content"));
                }
                if answer["description"].as_str().is_none_or(str::is_empty) {
                    answer["description"] = said(status).into();
                }
            }
            let mut add = |status: u16| {
                let answer = &mut answers[status.to_string()];
                if answer.is_null() {
                    *answer = problem(status);
                }
            };
            if has_input {
                add(400);
            }
            if has_body {
                [408, 413, 415].into_iter().for_each(&mut add);
            }
            if !matches!(method.as_str(), "get" | "head" | "options") && known != Access::Peer {
                add(403);
            }
            [429, 503].into_iter().for_each(&mut add);
            answers["default"] = problem(0);
        }
    }
}

/// Gives numbers the bounds of their types, for readers that do not know `format`.
fn bounded(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // By the names in the OpenAPI format registry, with the range of the type.
            let (name, least, most) = match fields.get("format").and_then(Value::as_str) {
                Some("u-int8") => ("uint8", json!(0), json!(u8::MAX)),
                Some("u-int16") => ("uint16", json!(0), json!(u16::MAX)),
                Some("u-int32") => ("uint32", json!(0), json!(u32::MAX)),
                Some("u-int64") => ("uint64", json!(0), json!(u64::MAX)),
                Some("int32") => ("int32", json!(i32::MIN), json!(i32::MAX)),
                Some("int64") => ("int64", json!(i64::MIN), json!(i64::MAX)),
                _ => ("", Value::Null, Value::Null),
            };
            if !name.is_empty() {
                fields.insert("format".into(), name.into());
                fields.entry("minimum").or_insert(least);
                fields.entry("maximum").or_insert(most);
            }
            fields.values_mut().for_each(bounded);
        }
        Value::Array(items) => items.iter_mut().for_each(bounded),
        _ => {}
    }
}

/// A unique name for each operation: `get_claims_by_no_timeline`.
fn name(path: &str, method: &str) -> String {
    let path = path.strip_prefix(claim_api::BASE).unwrap_or(path);
    let words = path
        .split(['/', '.'])
        .filter(|word| !word.is_empty())
        .map(|word| match word.strip_prefix('{') {
            Some(parameter) => format!("by_{}", parameter.trim_end_matches('}')),
            None => word.replace('-', "_"),
        });
    std::iter::once(method.to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

/// What this API uses a status for.
fn said(status: &str) -> String {
    let titles: Vec<&str> = ProblemCode::ALL
        .iter()
        .filter(|code| code.status().to_string() == status)
        .map(|code| code.title())
        .collect();
    if !titles.is_empty() {
        return titles.join("; ");
    }
    let known = status
        .parse()
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok()?.canonical_reason());
    known.unwrap_or("Done").to_owned()
}

/// A problem with this status; 0: with any other.
fn problem(status: u16) -> Value {
    let said = if status == 0 {
        "Any other failure".into()
    } else {
        said(&status.to_string())
    };
    let mut answer = json!({ "description": said, "content": { "application/problem+json": { "schema": { "$ref": PROBLEM } } } });
    if matches!(status, 429 | 503) {
        answer["headers"] =
            json!({ "Retry-After": { "description": "Seconds", "schema": { "type": "integer" } } });
    }
    answer
}

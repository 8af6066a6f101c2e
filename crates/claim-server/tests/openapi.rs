//! The API description is locked: a change to it shows in review as a change to this file's
//! neighbour.
//! `BAOAN_BLESS=1 cargo test -p claim-server` rewrites it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_description_is_the_one_that_was_agreed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = format!("{}\n", claim_server::openapi_document());
    if std::env::var_os("BAOAN_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let agreed = fs::read_to_string(&path).unwrap();
    assert!(
        agreed == now,
        "the API changed; look at the difference after BAOAN_BLESS=1 cargo test -p claim-server --test openapi"
    );
}

/// Every route of the API is described with each of its methods, and nothing else is.
#[test]
fn every_route_is_described() {
    let document: serde_json::Value =
        serde_json::from_str(claim_server::openapi_document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(move |method| format!("{method} {path}"))
        })
        .collect();
    let is_api = |path: &str| {
        path.starts_with(claim_api::BASE)
            || matches!(path, "/healthz" | "/readyz")
            || path == claim_api::proof::KEYS
    };
    // POST to an upload is PATCH for proxies without PATCH (tus); HEAD of it is not in the table.
    let mut offered: BTreeSet<String> = claim_server::routes()
        .filter(|(path, method, _)| {
            is_api(path) && !(*method == "post" && path.ends_with("/uploads/{id}"))
        })
        .filter(|(path, method, _)| !(*method == "options" && path.ends_with("/uploads/{id}")))
        .map(|(path, method, _)| format!("{method} {path}"))
        .collect();
    offered.insert("head /api/v1/uploads/{id}".into());
    assert_eq!(described, offered);
}

/// What client generators reject: two operations with one name, answers without a description, an
/// error body that is no problem.
#[test]
fn clients_can_be_made_of_it() {
    let document: serde_json::Value =
        serde_json::from_str(claim_server::openapi_document()).unwrap();
    let mut names = BTreeSet::new();
    for operation in document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
    {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} twice");
        for (status, answer) in operation["responses"].as_object().unwrap() {
            assert!(
                !answer["description"].as_str().unwrap().is_empty(),
                "{name} {status}"
            );
            let is_error =
                status.parse::<u16>().is_ok_and(|status| status >= 400) || status == "default";
            if let Some(content) = answer["content"].as_object().filter(|_| is_error) {
                assert!(
                    content
                        .keys()
                        .all(|kind| kind == "application/problem+json"),
                    "{name} {status}"
                );
            }
        }
        assert!(
            operation["responses"]["default"].is_object() && operation["security"].is_array(),
            "{name}"
        );
    }
}

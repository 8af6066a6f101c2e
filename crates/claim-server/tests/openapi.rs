//! The API's description is locked: a change of it shows in the review as a change of this file's neighbour.
//! `BAOAN_BLESS=1 cargo test -p claim-server` writes it anew.

use std::fs;
use std::path::Path;

#[test]
fn the_description_is_the_one_that_was_agreed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let now = claim_server::openapi_document() + "\n";
    if std::env::var_os("BAOAN_BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let agreed = fs::read_to_string(&path).unwrap();
    assert!(agreed == now, "the API changed; look at the difference after BAOAN_BLESS=1 cargo test -p claim-server --test openapi");
}

/// Every route that the router has is described, and the other way round.
#[test]
fn every_route_is_described() {
    let document: serde_json::Value = serde_json::from_str(&claim_server::openapi_document()).unwrap();
    let described: Vec<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    let source = include_str!("../src/lib.rs");
    let routes: Vec<String> = source
        .split(".route(")
        .skip(1)
        .filter_map(|r| if r.starts_with("claim_api::proof::KEYS") { Some(claim_api::proof::KEYS) } else { r.split('"').nth(1) })
        .map(|r| if r == "/healthz" || r == claim_api::proof::KEYS { r.to_owned() } else { format!("/api/v1{r}") })
        .collect();
    assert!(routes.len() > 10, "{routes:?}");
    // HEAD, PATCH and DELETE of an upload stand under one path, as in the router.
    for route in &routes {
        assert!(described.contains(route), "{route} is not described");
    }
    assert_eq!(described.len(), routes.len(), "{described:?}");
}

//! Data from the wire and from storage.
#![no_main]

use claim_api::outbox::{Outbox, next_of};
use claim_api::{Problem, Receipt, SessionView, tus};
use claim_domain::documents::Signature;
use claim_domain::draft::Draft;
use claim_domain::json;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = (json::read::<Problem>(text), json::read::<Receipt>(text), json::read::<SessionView>(text), json::read::<Draft>(text));
    if let Some(signature) = json::read::<Signature>(text) {
        let _ = signature.check(text);
    }
    if let Some(outboxes) = json::read::<Vec<Outbox>>(text) {
        let _ = next_of(&outboxes, 0, 512);
    }
    let _ = tus::parse_metadata(text);
});

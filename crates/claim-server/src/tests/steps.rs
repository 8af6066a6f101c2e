//! Every step must appear in every place it belongs: if a new step misses one, this test says so.

use std::collections::BTreeSet;

use claim_domain::lifecycle::{Event, EventKind, StepKind};
use serde_json::{Value, json};

use super::{Caller, opened};
use crate::now;
use crate::pages::staff::history;
use crate::store::claims;
use crate::words;
use crate::work::{letters, messages, steps};

/// One sample of each kind, with facts for the texts that show them.
fn samples() -> Vec<EventKind> {
    let text = |kind: &str, names: &[&str]| {
        let facts: serde_json::Map<String, Value> = names
            .iter()
            .map(|name| ((*name).to_owned(), json!(format!("x-{name}"))))
            .collect();
        json!({ kind: facts })
    };
    let all = [
        json!({ "reported": { "verified": true, "deceased": false } }),
        text("registered", &["handler"]),
        text("not-accepted", &["reason", "text", "next_step"]),
        json!({ "survey-started": { "on_site": true, "surveyor": "x" } }),
        text("survey-skipped", &["reason"]),
        text("survey-reported", &["report"]),
        text("survey-remarked", &["text"]),
        json!({ "assessed": { "version": 1, "lines": [], "total_fen": 1, "answer": "" } }),
        json!({ "assessment-accepted": { "version": 1, "by_phone": false } }),
        json!({ "assessment-objected": { "version": 1, "reason": "x", "lines": [] } }),
        text("approval-asked", &["to"]),
        json!({ "approved": { "amount_fen": 1, "basis": "x", "awards": [], "checks": [] } }),
        json!({ "rejected": { "clause": "x", "facts": "x", "evidence": "x", "checks": [] } }),
        json!("letter-delivered"),
        json!({ "sent-back": { "to": "assessing", "reason": "x" } }),
        json!("decision-agreed"),
        json!({ "payees-named": { "payees": [] } }),
        json!({ "payment-ordered": { "instruction": "x", "payee": 1, "amount_fen": 1 } }),
        json!({ "payment-failed": { "reason": "x", "payee": 1 } }),
        json!({ "paid": { "amount_fen": 1, "reference": "x", "payee": 1, "lines": [], "last4": "1" } }),
        json!("advance-asked"),
        json!({ "advance-paid": { "amount_fen": 1, "reference": "x" } }),
        json!("closed"),
        json!("archived"),
        text("reopened", &["reason"]),
        text("withdrawn", &["reason"]),
        json!({ "document-received": { "document": "scene", "sha256": "x", "bytes": 1 } }),
        json!({ "supplement-asked": { "batch": 1, "documents": ["scene"], "reason": "x",
            "until": "2026-12-01", "again_because": null } }),
        text("supplement-excused", &["document", "reason"]),
        text("supplement-ended", &["reason"]),
        json!({ "document-judged": { "document": "scene", "accepted": false, "reason": "x" } }),
        json!({ "requested": { "rules_version": "x", "unavailable": [], "form_sha256": "x" } }),
        json!({ "marked": { "overlay": "investigating", "reason": "x", "until": null } }),
        json!({ "unmarked": { "overlay": "investigating" } }),
        text("review-asked", &["reason", "wish"]),
        json!({ "review-answered": { "overturned": false, "text": "x", "cause": "x" } }),
        text("complaint-filed", &["number", "about", "wish", "owner"]),
        json!({ "complaint-extended": { "special": false, "reason": "x" } }),
        text("complaint-answered", &["text", "cause"]),
        text("wrote", &["text"]),
        text("answered", &["text"]),
        text("person-asked", &["about"]),
        text("person-called", &["text"]),
        json!({ "rated": { "score": 5, "text": "x" } }),
        text("policy-found", &["policy"]),
        json!({ "entitled": { "role": "agent", "who": "x", "reason": "x", "proof": "", "until": null } }),
        json!("disowned"),
        json!({ "disown-settled": { "genuine": true, "text": "x" } }),
        text("document-waived", &["document", "reason"]),
        json!({ "established": { "matter": "total_loss", "holds": true, "reason": "x" } }),
        text("consent-withdrawn", &["consent"]),
        json!({ "corrected": { "fields": ["phone"] } }),
        json!({ "escalated": { "deadline": "contact", "to": "x", "by": "2026-12-01T00:00:00Z" } }),
    ];
    all.into_iter()
        .map(|what| serde_json::from_value(what.clone()).unwrap_or_else(|e| panic!("{what}: {e}")))
        .collect()
}

/// A message and a letter for exactly the kinds that the table says have one; a line in the staff
/// history for every kind; a form for every step of a desk, the standard one or its own.
#[tokio::test]
async fn every_step_is_told_wherever_it_must_be() {
    let (_data, app) = opened().await;
    let mut owner = Caller::new(&app);
    let no = owner.report("insured", "13800138000").await;
    let claim = claims::by_no(&mut app.store.read().await.unwrap(), &no)
        .await
        .unwrap();
    let mut seen = BTreeSet::new();
    for what in samples() {
        let kind = what.kind();
        seen.insert(kind);
        let named = kind.as_str();
        assert_eq!(
            messages::of(&app, &claim, &what).is_some(),
            kind.has_message(),
            "{named}"
        );
        let told = history::sentence(&app, &what);
        assert!(!told.is_empty(), "{named}");
        let facts = serde_json::to_value(&what).unwrap()[named].clone();
        for (field, ..) in steps::form(kind).into_iter().flat_map(|(_, fields)| fields) {
            let fact = facts[field].as_str().unwrap_or_default();
            assert!(told.contains(fact), "{named}: {field} is not in {told}");
        }
        let actor = claim_domain::lifecycle::Actor::System;
        let event = Event {
            seq: 1,
            at: now(),
            actor,
            what,
        };
        for (lang, _) in words::languages() {
            let letter = letters::of(&app, &claim, &event, words::of(lang));
            assert_eq!(letter.is_some(), kind.has_letter(), "{named} in {lang}");
        }
    }
    let missing: Vec<&str> = StepKind::ALL
        .iter()
        .filter(|kind| !seen.contains(kind))
        .map(|kind| kind.as_str())
        .collect();
    assert!(missing.is_empty(), "no sample of {missing:?}");
    // These have forms of their own, or none: an approval is asked for by the amount of a decision.
    let own = [
        StepKind::SupplementAsked,
        StepKind::DocumentJudged,
        StepKind::ApprovalAsked,
    ];
    for kind in StepKind::ALL {
        let wanted = kind.desk().is_some() && !own.contains(kind);
        assert_eq!(steps::form(*kind).is_some(), wanted, "{}", kind.as_str());
    }
}

//! A stored draft with any content: every page of it, and how the app restarts with it.
#![no_main]

use claim_domain::draft::{Command, Draft, apply};
use claim_domain::{Catalogue, Moment, json};
use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|text: &str| {
    static CATALOGUE: OnceLock<Option<Catalogue>> = OnceLock::new();
    let catalogue = CATALOGUE.get_or_init(|| Catalogue::load(include_str!("../../public/catalog.json")).ok());
    let (Some(catalogue), Some(mut draft)) = (catalogue, json::read::<Draft>(text)) else { return };
    let now = Moment(1_795_000_000);
    for step in draft.steps() {
        let _ = draft.errors(*step, catalogue, now);
        apply(&mut draft, Command::Pass(*step));
    }
    let _ = (draft.current(catalogue, now), draft.facts(), draft.is_empty());
    let kept = draft.photos.iter().map(|p| p.id.clone()).collect();
    apply(&mut draft, Command::Restore { kept });
    let written = serde_json::to_string(&draft.to_keep()).expect("a draft is JSON");
    assert_eq!(json::read::<Draft>(&written), Some(draft.to_keep()), "what is written is read back");
});

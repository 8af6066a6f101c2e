//! The catalogue, its conditions and shapes, and their compiled form.
#![no_main]

use claim_domain::Catalogue;
use claim_domain::condition::Condition;
use claim_domain::validate::{Shape, policy_no};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Catalogue::whole_from_compiled(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(condition) = Condition::parse(text) {
        let _ = condition.eval(&|name: &str| if name.len() > 3 { Some(name.len() % 2 == 0) } else { None });
    }
    if let Ok(shape) = Shape::try_from(text.to_owned()) {
        let _ = policy_no("PDAA20263301000123", &[shape]);
    }
    let _ = Catalogue::load(text);
});

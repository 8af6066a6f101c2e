//! What we read from a file before decoding it (kind, size, profile), and what a phone sends to the
//! server.
#![no_main]

use claim_photo::{Limits, dimensions, has_profile, has_table, sniff};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let size = dimensions(bytes, &limits);
    if let Ok((width, height)) = size {
        assert!(u64::from(width) * u64::from(height) <= limits.max_pixels && width > 0 && height > 0);
    }
    let _ = (sniff(bytes), has_profile(bytes), has_table(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(pairs) = claim_api::tus::parse_metadata(text) {
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let again = claim_api::tus::parse_metadata(&claim_api::tus::metadata(&pairs));
            assert_eq!(again.map(|all| all.len()), Some(pairs.len()));
        }
    }
});

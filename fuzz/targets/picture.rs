//! Files that claim to be pictures.
#![no_main]

use claim_photo::{Limits, inspect, measure, prepare};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Small limits: we are looking for crashes, not large pictures.
    let limits = Limits { long_edge: 256, max_bytes: 40_000, max_file: 1 << 20, max_pixels: 1 << 20 };
    if let Ok(photo) = prepare(bytes, &limits) {
        assert!(photo.jpeg.len() <= limits.max_bytes && photo.width.max(photo.height) <= 256);
        assert!(inspect(&photo.jpeg, &limits).is_ok(), "what prepare makes, inspect takes");
        assert!(measure(&photo.jpeg, true).is_ok());
    }
    let _ = inspect(bytes, &limits);
});

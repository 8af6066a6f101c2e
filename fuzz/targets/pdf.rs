//! Files that claim to be PDFs.
#![no_main]

use claim_photo::pdf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let found = pdf::inspect(bytes);
    if let Some(plain) = pdf::without_metadata(bytes) {
        assert_eq!(plain.len(), bytes.len(), "every offset still holds");
        if found.is_ok() {
            let _ = pdf::inspect(&plain);
        }
    }
});

//! Files that claim to be PDFs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = claim_photo::pdf::inspect(bytes);
});

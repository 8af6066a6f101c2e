//! What people type.
#![no_main]

use claim_domain::catalog::Field;
use claim_domain::checks::judge;
use claim_domain::{Day, claim_no, invoice, validate};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Some(today) = Day::new(2026, 11, 21) else { return };
    let fields = [
        Field::Name, Field::IdNo, Field::Plate, Field::Vin, Field::Uscc, Field::Card, Field::ValidUntil, Field::InvoiceNo,
        Field::InvoiceDate, Field::Amount, Field::Shop, Field::ShopPhone, Field::Items,
    ];
    for field in fields {
        let once = judge(field, text, today);
        if let Some(value) = once.value() {
            assert_eq!(judge(field, value, today).value(), Some(value), "{field:?} changes what it has kept");
        }
    }
    let _ = (validate::mobile(text), validate::bank_account(text), validate::policy_no(text, &[]), claim_no::parse(text), invoice::read(text));
});

//! Judges what people type. Each validator normalises first, then returns the value to keep and, if
//! something looks wrong, *which character* and the likely fix. Vectors and their sources are next
//! to the rules.
//!
//! Promise: no validator panics on any text, and normalising twice changes nothing.

mod bank_card;
mod date;
mod id_no;
mod name;
mod phone;
mod plate;
mod policy_no;
mod uscc;
mod vin;

pub use bank_card::{bank_account, bank_card};
pub use date::date;
pub use id_no::{IdKind, id_kind, id_no};
pub use name::{name, same_name};
pub use phone::{mobile, shop_phone};
#[cfg(not(target_arch = "wasm32"))]
pub use plate::kept as kept_plate;
pub use plate::plate;
pub use policy_no::{Shape, policy_no};
pub use uscc::uscc;
pub use vin::vin;

use serde::{Deserialize, Serialize};

/// Lists every code once: its name in Rust and its name on the wire and in the catalogue.
macro_rules! codes {
    ($($name:ident $wire:literal,)*) => {
        /// Why a value or a file was doubted or refused. The catalogue has the message under the
        /// wire name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum Code { $(#[cfg_attr(feature = "openapi", schema(rename = $wire))] $name,)* }

        $crate::wire_names!(Code);

        impl Code {
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The name on the wire and in the catalogue: `id-check`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $wire,)* }
            }
        }
    };
}

codes! {
    Required "required",
    Choose "choose",
    UnknownOption "unknown-option",
    TooLong "too-long",
    IdLength "id-length",
    IdCharacter "id-character",
    IdCheck "id-check",
    IdDate "id-date",
    IdRegion "id-region",
    IdOld "id-old",
    IdUnverified "id-unverified",
    UsccLength "uscc-length",
    UsccCharacter "uscc-character",
    UsccCheck "uscc-check",
    UsccUnusual "uscc-unusual",
    CardLength "card-length",
    CardCharacter "card-character",
    CardCheck "card-check",
    CardUnusual "card-unusual",
    VinLength "vin-length",
    VinCharacter "vin-character",
    VinCheck "vin-check",
    PhoneFormat "phone-format",
    PhoneLength "phone-length",
    NameCharacter "name-character",
    NameLength "name-length",
    NameShort "name-short",
    PlateCharacter "plate-character",
    PlateLength "plate-length",
    PlateProvince "plate-province",
    PlateUnusual "plate-unusual",
    PolicyShape "policy-shape",
    PolicyAnyOf "policy-any-of",
    TimeFuture "time-future",
    TimeTooOld "time-too-old",
    TimeLongAgo "time-long-ago",
    TimeFormat "time-format",
    DateFormat "date-format",
    PlaceShort "place-short",
    ConsentMissing "consent-missing",
    AmountFormat "amount-format",
    AmountRange "amount-range",
    Malformed "malformed",
    ItemsFormat "items-format",
    PhotoNotImage "photo-not-image",
    PhotoHeic "photo-heic",
    PhotoFormat "photo-format",
    PhotoPdf "photo-pdf",
    PhotoEmpty "photo-empty",
    PhotoDamaged "photo-damaged",
    PhotoSalvaged "photo-salvaged",
    PhotoTooLarge "photo-too-large",
    PhotoTooManyPixels "photo-too-many-pixels",
    PhotoTimeout "photo-timeout",
    PhotoRead "photo-read",
    PhotoLimit "photo-limit",
    PhotoSmall "photo-small",
    PhotoBlurred "photo-blurred",
    PhotoDark "photo-dark",
    PhotoBright "photo-bright",
    PhotoGlare "photo-glare",
    PhotoDuplicate "photo-duplicate",
    PhotoElsewhere "photo-elsewhere",
    PhotoAlike "photo-alike",
    PhotoFar "photo-far",
    SideMissing "side-missing",
    Expired "expired",
    PhotoEarly "photo-early",
    PhotoLate "photo-late",
    PdfLocked "pdf-locked",
    PdfLong "pdf-long",
    PdfDamaged "pdf-damaged",
    NameDiffers "name-differs",
    NumberDiffers "number-differs",
    InvoiceTwice "invoice-twice",
    InvoiceEarly "invoice-early",
    InvoiceSum "invoice-sum",
    BetterFile "better-file",
    DocumentMissing "document-missing",
    ReasonMissing "reason-missing",
    SignatureMissing "signature-missing",
    SignatureShort "signature-short",
    PayeeDeceased "payee-deceased",
    PayeeMinor "payee-minor",
    UploadRejected "upload-rejected",
}

/// One doubt about one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    pub code: Code,
    /// 1-based position of the character in the normalised value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u8>,
    /// The whole value as it probably should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl From<Code> for Finding {
    fn from(code: Code) -> Finding {
        Finding {
            code,
            at: None,
            fix: None,
        }
    }
}

impl Finding {
    fn at(code: Code, zero_based: usize) -> Finding {
        Finding {
            code,
            at: u8::try_from(zero_based + 1).ok(),
            fix: None,
        }
    }
    fn fix(mut self, fix: String) -> Finding {
        self.fix = Some(fix);
        self
    }
}

/// `Ok` and `Warn` carry the normalised value to keep; only `Err` stops a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok(String),
    Warn(String, Finding),
    Err(Finding),
}

impl Verdict {
    pub fn value(&self) -> Option<&str> {
        match self {
            Verdict::Ok(v) | Verdict::Warn(v, _) => Some(v),
            Verdict::Err(_) => None,
        }
    }
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Verdict::Ok(_) => None,
            Verdict::Warn(_, f) | Verdict::Err(f) => Some(f),
        }
    }
}

/// Invisible marks: they come along with copied text, above all from contacts and chats, and mean
/// nothing in a number or name. Direction (UAX #9), zero width, soft hyphen, byte order.
#[inline(never)]
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Full-width forms to ASCII (U+FF01..U+FF5E and the ideographic space), without invisible marks;
/// everything else stays.
fn half_width(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !is_unseen(*c)).map(narrow)
}

#[inline(never)]
fn narrow(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

pub(crate) fn half_width_text(text: &str) -> String {
    half_width(text).collect()
}

/// For numbers and codes: half width, upper case, without the separators people type between
/// groups.
fn compact(text: &str) -> String {
    compact_without(text, "")
}

/// The same, also without `these`.
fn compact_without(text: &str, these: &str) -> String {
    let apart = |c: char| {
        c.is_whitespace() || c.is_control() || has("-‐‑‒–—―−·•.・‧∙･", c) || has(these, c)
    };
    // Everything compared is ASCII; full Unicode case tables would only add bytes.
    half_width(text)
        .filter(|c| !apart(*c))
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// Whether `c` is one of `these`. Kept small: the standard library's search is built for long
/// texts.
#[inline(never)]
fn has(these: &str, c: char) -> bool {
    these.chars().any(|one| one == c)
}

/// `text` with the character at `index` replaced.
fn replaced(text: &str, index: usize, with: char) -> String {
    text.chars()
        .enumerate()
        .map(|(i, c)| if i == index { with } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Day;
    use proptest::prelude::*;

    type Validator = fn(&str) -> Verdict;
    fn all() -> [(&'static str, Validator); 12] {
        [
            ("id", |s| id_no(s, Day::new(2026, 11, 21).unwrap())),
            ("name", name),
            ("mobile", mobile),
            ("shop", shop_phone),
            ("plate", plate),
            ("policy", |s| policy_no(s, &[])),
            ("uscc", uscc),
            ("card", bank_card),
            ("account", bank_account),
            ("vin", vin),
            ("date", date),
            ("amount", |s| {
                crate::money::parse(s)
                    .map_or_else(Verdict::Err, |fen| Verdict::Ok(crate::money::show(fen)))
            }),
        ]
    }

    #[test]
    fn every_code_is_listed_once_and_named_as_on_the_wire() {
        for &code in Code::ALL {
            assert_eq!(
                serde_json::to_string(&code).unwrap(),
                format!("\"{}\"", code.as_str())
            );
        }
        let distinct: std::collections::BTreeSet<_> = Code::ALL.iter().collect();
        assert_eq!(distinct.len(), Code::ALL.len());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_normalising_twice_changes_nothing(text in ".{0,40}", digits in "[0-9A-HJ-NP-Z京粤·Ｏ０ -]{0,24}") {
            for (what, validator) in all() {
                for input in [&text, &digits] {
                    let once = validator(input);
                    if let Some(once) = once.value() {
                        let twice = validator(once);
                        prop_assert_eq!(twice.value(), Some(once), "{} {:?}", what, input);
                    }
                }
            }
        }

        #[test]
        fn one_changed_character_is_always_noticed(which in 0usize..4, place in 0usize..19, by in 1usize..36) {
            // A VIN's check digit is position 9: a mismatch is a warning, because elsewhere in the
            // world it means nothing.
            let (good, alphabet, judge): (&str, &str, Validator) = [
                ("11010519491231002X", "0123456789", all()[0].1),
                ("91350100M000100Y43", "0123456789ABCDEFGHJKLMNPQRTUWXY", uscc as Validator),
                ("6222020000000000000", "0123456789", bank_card),
                ("LSJA24U62JG269225", "0123456789", vin),
            ][which];
            prop_assume!(place < good.len());
            let old = good.chars().nth(place).unwrap();
            let alphabet: Vec<char> = alphabet.chars().collect();
            let from = alphabet.iter().position(|c| *c == old).unwrap_or(0);
            let new = alphabet[(from + by) % alphabet.len()];
            // For a VIN only digits: letters share values (A and J), and the first one says whether
            // there is a check digit.
            prop_assume!(new != old && (which < 3 || old.is_ascii_digit() && place > 0));
            prop_assert!(judge(good) == Verdict::Ok(good.into()));
            let changed = judge(&replaced(good, place, new));
            prop_assert!(!matches!(changed, Verdict::Ok(_)), "{changed:?}");
        }
    }
}

//! What people type, judged. Each validator normalises first, then answers with the value to keep and, when
//! something looks wrong, *which character* and the likely fix. Vectors and their sources stand beside the rules.
//!
//! Promise: no validator panics on any text, and normalising twice changes nothing.

mod id_no;
mod name;
mod phone;
mod plate;
mod policy_no;

pub use id_no::{IdKind, id_kind, id_no};
pub use name::name;
pub use phone::mobile;
pub use plate::plate;
pub use policy_no::policy_no;

use serde::{Deserialize, Serialize};

/// Why a value was doubted or refused. The words for people stand in the catalogue under the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    Required,
    Choose,
    UnknownOption,
    TooLong,
    IdLength,
    IdCharacter,
    IdCheck,
    IdDate,
    IdRegion,
    IdOld,
    PhoneFormat,
    PhoneLength,
    NameCharacter,
    NameLength,
    NameShort,
    PlateCharacter,
    PlateLength,
    PlateProvince,
    PlateUnusual,
    PolicyShape,
    PolicyAnyOf,
    TimeFuture,
    TimeTooOld,
    TimeLongAgo,
    TimeFormat,
    PlaceShort,
    ConsentMissing,
    AmountFormat,
    AmountRange,
    Malformed,
}

impl Code {
    /// The name on the wire and in the catalogue: `id-check`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Required => "required",
            Code::Choose => "choose",
            Code::UnknownOption => "unknown-option",
            Code::TooLong => "too-long",
            Code::IdLength => "id-length",
            Code::IdCharacter => "id-character",
            Code::IdCheck => "id-check",
            Code::IdDate => "id-date",
            Code::IdRegion => "id-region",
            Code::IdOld => "id-old",
            Code::PhoneFormat => "phone-format",
            Code::PhoneLength => "phone-length",
            Code::NameCharacter => "name-character",
            Code::NameLength => "name-length",
            Code::NameShort => "name-short",
            Code::PlateCharacter => "plate-character",
            Code::PlateLength => "plate-length",
            Code::PlateProvince => "plate-province",
            Code::PlateUnusual => "plate-unusual",
            Code::PolicyShape => "policy-shape",
            Code::PolicyAnyOf => "policy-any-of",
            Code::TimeFuture => "time-future",
            Code::TimeTooOld => "time-too-old",
            Code::TimeLongAgo => "time-long-ago",
            Code::TimeFormat => "time-format",
            Code::PlaceShort => "place-short",
            Code::ConsentMissing => "consent-missing",
            Code::AmountFormat => "amount-format",
            Code::AmountRange => "amount-range",
            Code::Malformed => "malformed",
        }
    }

    pub const ALL: [Code; 30] = [
        Code::Required,
        Code::Choose,
        Code::UnknownOption,
        Code::TooLong,
        Code::IdLength,
        Code::IdCharacter,
        Code::IdCheck,
        Code::IdDate,
        Code::IdRegion,
        Code::IdOld,
        Code::PhoneFormat,
        Code::PhoneLength,
        Code::NameCharacter,
        Code::NameLength,
        Code::NameShort,
        Code::PlateCharacter,
        Code::PlateLength,
        Code::PlateProvince,
        Code::PlateUnusual,
        Code::PolicyShape,
        Code::PolicyAnyOf,
        Code::TimeFuture,
        Code::TimeTooOld,
        Code::TimeLongAgo,
        Code::TimeFormat,
        Code::PlaceShort,
        Code::ConsentMissing,
        Code::AmountFormat,
        Code::AmountRange,
        Code::Malformed,
    ];
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
        Finding { code, at: None, fix: None }
    }
}

impl Finding {
    fn at(code: Code, zero_based: usize) -> Finding {
        Finding { code, at: u8::try_from(zero_based + 1).ok(), fix: None }
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

/// Full-width forms to ASCII (U+FF01..U+FF5E and the ideographic space); everything else stays.
fn half_width(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().map(|c| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    })
}

pub(crate) fn half_width_text(text: &str) -> String {
    half_width(text).collect()
}

/// For numbers and codes: half width, upper case, without the separators people type between groups.
fn compact(text: &str) -> String {
    half_width(text)
        .filter(|c| {
            !c.is_whitespace() && !matches!(c, '-' | '·' | '•' | '．' | '.' | '・' | '‧' | '∙' | '\u{200B}'..='\u{200F}' | '\u{FEFF}')
        })
        // Everything that is compared is ASCII; full Unicode case tables would only weigh.
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// `text` with the character at `index` replaced.
fn replaced(text: &str, index: usize, with: char) -> String {
    text.chars().enumerate().map(|(i, c)| if i == index { with } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Day;
    use proptest::prelude::*;

    type Validator = fn(&str) -> Verdict;
    fn all() -> [(&'static str, Validator); 5] {
        [("id", |s| id_no(s, Day::new(2026, 11, 21).unwrap())), ("name", name), ("mobile", mobile), ("plate", plate), ("policy", policy_no)]
    }

    #[test]
    fn every_code_is_listed_once_and_named_as_on_the_wire() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.as_str()));
        }
        let distinct: std::collections::BTreeSet<_> = Code::ALL.into_iter().collect();
        assert_eq!(distinct.len(), Code::ALL.len());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_normalising_twice_changes_nothing(text in ".{0,40}", digits in "[0-9A-Za-z京粤·Ｏ０ -]{0,24}") {
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
        fn one_changed_digit_of_an_id_is_always_noticed(place in 0usize..18, by in 1u32..10) {
            let good = "11010519491231002X";
            let old = good.chars().nth(place).unwrap();
            let new = char::from_digit((old.to_digit(10).unwrap_or(10) + by) % 10, 10).unwrap();
            prop_assume!(new != old);
            let changed = replaced(good, place, new);
            prop_assert!(matches!(id_no(&changed, Day::new(2026, 11, 21).unwrap()), Verdict::Err(_)));
        }
    }
}

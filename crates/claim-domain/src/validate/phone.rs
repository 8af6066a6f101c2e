//! Mainland mobile numbers: 11 digits, `1[3-9]`. Lenient on purpose: number ranges are opened every
//! year.

use super::{Code, Finding, Verdict, compact_without};

/// Judges a mobile number; a leading `+86`, `0086` or `86` is removed.
///
/// ```
/// use claim_domain::validate::mobile;
///
/// assert_eq!(mobile("(+86) 138-0013-8000").value(), Some("13800138000"));
/// assert!(mobile("1380013800").finding().is_some(), "a digit is missing");
/// ```
pub fn mobile(text: &str) -> Verdict {
    let value = compact_without(text, "()");
    let bare = value.trim_start_matches('+');
    let bare = bare
        .strip_prefix("0086")
        .or_else(|| bare.strip_prefix("86").filter(|r| r.len() >= 11))
        .unwrap_or(bare);
    if bare.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    if let Some(i) = bare.chars().position(|c| !c.is_ascii_digit()) {
        return Verdict::Err(Finding::at(Code::PhoneFormat, i));
    }
    match bare.as_bytes() {
        [b'1', b'3'..=b'9', ..] if bare.len() == 11 => Verdict::Ok(bare.to_owned()),
        [b'1', b'3'..=b'9', ..] => Verdict::Err(Code::PhoneLength.into()),
        _ => Verdict::Err(Finding::at(
            Code::PhoneFormat,
            usize::from(bare.starts_with('1')),
        )),
    }
}

/// Judges the phone of a shop or hospital: mobile, landline with area code, 400 and 95xxx numbers.
pub fn shop_phone(text: &str) -> Verdict {
    let value = compact_without(text, "()");
    // An area code without its 0, as it is written for callers from abroad.
    let home = value
        .strip_prefix("+86")
        .or_else(|| value.strip_prefix("0086"));
    let value = match home {
        Some(rest) if !rest.starts_with(['0', '1', '4', '8', '9']) || rest.starts_with("10") => {
            format!("0{rest}")
        }
        Some(rest) => rest.to_owned(),
        None => value,
    };
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    let landline =
        value.starts_with('0') && (10..=18).contains(&value.len()) && !value.starts_with("00");
    let service = (value.starts_with("400") || value.starts_with("800")) && value.len() == 10
        || value.starts_with("95") && (5..=8).contains(&value.len());
    if digits && (landline || service) {
        Verdict::Ok(value)
    } else {
        mobile(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_people_type() {
        for typed in [
            "13800138000",
            "(+86)13800138000",
            "（＋８６）138 0013 8000",
            "\u{202d}13800138000\u{202c}",
            "\u{2066}138\u{2060}0013 8000\u{2069}",
            "138–0013—8000",
            "+86 138-0013-8000",
            "１３８００１３８０００",
            "0086 13800138000",
            "8613800138000",
        ] {
            assert_eq!(mobile(typed), Verdict::Ok("13800138000".into()), "{typed}");
        }
        for (typed, code) in [
            ("12800138000", Code::PhoneFormat),
            ("1380013800", Code::PhoneLength),
            ("138001380001", Code::PhoneLength),
            ("1380013800a", Code::PhoneFormat),
            ("010-62345678", Code::PhoneFormat),
            ("", Code::Required),
        ] {
            assert_eq!(
                mobile(typed).finding().map(|f| f.code),
                Some(code),
                "{typed}"
            );
        }
    }

    #[test]
    fn shops_have_other_numbers_too() {
        for typed in [
            "0571-87654321",
            "010-62345678-123",
            "400-820-8820",
            "95500",
            "13800138000",
            "(021)12345678",
            "+86 21 12345678",
            "+86 (0)21-12345678",
            "+86 10 62345678",
            "+86 400 820 8820",
            "（0571）87654321",
        ] {
            assert!(matches!(shop_phone(typed), Verdict::Ok(_)), "{typed}");
        }
        for typed in ["12345", "0571", "00571876543"] {
            assert!(matches!(shop_phone(typed), Verdict::Err(_)), "{typed}");
        }
    }
}

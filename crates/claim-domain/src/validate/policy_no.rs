//! Policy numbers differ by insurer. What is common: 8 to 32 letters and digits. A number we do not know is
//! reported all the same, as 未验证保单.

use super::{Code, Finding, Verdict, compact};

pub fn policy_no(text: &str) -> Verdict {
    let value = compact(text);
    if value.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    if let Some(i) = value.chars().position(|c| !c.is_ascii_alphanumeric()) {
        return Verdict::Err(Finding::at(Code::PolicyShape, i));
    }
    match value.len() {
        8..=32 => Verdict::Ok(value),
        _ => Verdict::Err(Code::PolicyShape.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_of_a_plausible_length() {
        assert_eq!(policy_no("pdaa 2026-3301-000123"), Verdict::Ok("PDAA20263301000123".into()));
        for typed in ["1234567", "保单12345678", &"A".repeat(33)] {
            assert!(matches!(policy_no(typed), Verdict::Err(_)), "{typed}");
        }
    }
}

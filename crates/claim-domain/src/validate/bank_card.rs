//! Numbers that money is paid to: bank cards (ISO/IEC 7812, check digit by Luhn), and accounts
//! without a check digit.

use super::{Code, Finding, Verdict, compact};

fn digits(text: &str) -> Result<String, Verdict> {
    let value = compact(text);
    if value.is_empty() {
        return Err(Verdict::Err(Code::Required.into()));
    }
    match value.chars().position(|c| !c.is_ascii_digit()) {
        Some(i) => Err(Verdict::Err(Finding::at(Code::CardCharacter, i))),
        None => Ok(value),
    }
}

/// Judges a card number of 13 to 19 digits. One that is not UnionPay's (62…) is doubted: claims are
/// paid to debit cards of mainland banks.
pub fn bank_card(text: &str) -> Verdict {
    let value = match digits(text) {
        Ok(value) => value,
        Err(verdict) => return verdict,
    };
    if !(13..=19).contains(&value.len()) {
        return Verdict::Err(Code::CardLength.into());
    }
    let doubled = |d: u32| if d > 4 { d * 2 - 9 } else { d * 2 };
    let sum: u32 = (value.bytes().rev().map(|b| u32::from(b - b'0')).enumerate())
        .map(|(i, d)| if i % 2 == 1 { doubled(d) } else { d })
        .sum();
    // A row of zeros passes Luhn and is no card.
    if !sum.is_multiple_of(10) || value.bytes().all(|b| b == b'0') {
        return Verdict::Err(Code::CardCheck.into());
    }
    if value.starts_with("62") {
        Verdict::Ok(value)
    } else {
        Verdict::Warn(value, Code::CardUnusual.into())
    }
}

/// Judges a passbook or company account: 6 to 32 digits; each bank has its own rules for the rest.
pub fn bank_account(text: &str) -> Verdict {
    match digits(text) {
        Ok(value) if (6..=32).contains(&value.len()) => Verdict::Ok(value),
        Ok(_) => Verdict::Err(Code::CardLength.into()),
        Err(verdict) => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_the_reference() {
        for good in [
            "6222020000000000000",
            "6217000000000000004",
            "6225880000000001",
            "6200000000000005",
        ] {
            assert_eq!(bank_card(good), Verdict::Ok(good.into()), "{good}");
        }
        assert_eq!(
            bank_card("6222 0200 0000 0000 000"),
            Verdict::Ok("6222020000000000000".into())
        );
        assert!(
            matches!(bank_card("4111111111111111"), Verdict::Warn(_, f) if f.code == Code::CardUnusual)
        );
        for (typed, code, at) in [
            ("6222021234567890123", Code::CardCheck, None),
            ("62220200000000000000", Code::CardLength, None),
            ("0000000000000000", Code::CardCheck, None),
            ("62220200000000O0000", Code::CardCharacter, Some(15)),
            ("", Code::Required, None),
        ] {
            assert_eq!(
                bank_card(typed),
                Verdict::Err(Finding {
                    code,
                    at,
                    fix: None
                }),
                "{typed}"
            );
        }
        assert_eq!(
            bank_account("3300 1234 5678"),
            Verdict::Ok("330012345678".into())
        );
        assert_eq!(bank_account("12345"), Verdict::Err(Code::CardLength.into()));
    }
}

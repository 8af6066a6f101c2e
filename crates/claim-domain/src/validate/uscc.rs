//! 统一社会信用代码, GB 32100-2015: registration authority, kind, region (6 digits), organisation code (9),
//! check (1).

use super::{Code, Finding, Verdict, compact, replaced};

/// Digits and letters without I, O, S, V and Z; a character's value is its place.
const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const WEIGHTS: [usize; 17] = [
    1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
];

/// Judges the code of an organisation. A region of zeros or an organisation code (GB 11714) with a
/// wrong check character is only doubted: both occur in codes actually issued.
pub fn uscc(text: &str) -> Verdict {
    let value = compact(text);
    let letter_place = |i: usize| !(2..8).contains(&i);
    let wrong = |(i, c): &(usize, char)| {
        !ALPHABET.contains(*c) || (!letter_place(*i) && !c.is_ascii_digit())
    };
    if let Some((i, c)) = value.chars().enumerate().find(wrong) {
        let doubt = Finding::at(Code::UsccCharacter, i);
        let meant = match c {
            'O' | 'Q' | 'D' => Some('0'),
            'I' | 'L' => Some('1'),
            'Z' => Some('2'),
            'S' => Some('5'),
            'B' => Some('8'),
            _ => None,
        };
        return Verdict::Err(match meant {
            Some(meant) => doubt.fix(replaced(&value, i, meant)),
            None => doubt,
        });
    }
    if value.len() != 18 {
        return Verdict::Err(
            if value.is_empty() {
                Code::Required
            } else {
                Code::UsccLength
            }
            .into(),
        );
    }
    let sum: usize = value
        .chars()
        .zip(WEIGHTS)
        .filter_map(|(c, w)| Some(ALPHABET.find(c)? * w))
        .sum();
    let right = char::from(ALPHABET.as_bytes()[(31 - sum % 31) % 31]);
    if !value.ends_with(right) {
        return Verdict::Err(Finding::at(Code::UsccCheck, 17).fix(replaced(&value, 17, right)));
    }
    if value[2..8] == *"000000" {
        return Verdict::Warn(value, Finding::at(Code::UsccUnusual, 2));
    }
    if !organisation_checks(&value[8..17]) {
        return Verdict::Warn(value, Finding::at(Code::UsccUnusual, 16));
    }
    Verdict::Ok(value)
}

/// GB 11714: eight characters, weights 3 7 9 10 5 8 4 2, check 11 - sum mod 11 (10 is X, 11 is 0).
fn organisation_checks(code: &str) -> bool {
    let sum: u32 = code
        .chars()
        .zip([3, 7, 9, 10, 5, 8, 4, 2])
        .filter_map(|(c, w)| Some(c.to_digit(36)? * w))
        .sum();
    let right = match 11 - sum % 11 {
        10 => 'X',
        11 => '0',
        n => char::from_digit(n, 10).unwrap_or('0'),
    };
    code.ends_with(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_reference() {
        for good in [
            "91350100M000100Y43",
            "9144030071526726XG",
            "914403001922038216",
            "91310000MA10000091",
            "52110000500000007X",
        ] {
            assert_eq!(uscc(good).value(), Some(good), "{good}");
            assert!(!matches!(uscc(good), Verdict::Err(_)));
        }
        assert_eq!(
            uscc("9144030071526726XG"),
            Verdict::Ok("9144030071526726XG".into())
        );
        assert_eq!(
            uscc(" 9135 0100 m000100y43"),
            Verdict::Ok("91350100M000100Y43".into())
        );
        assert!(
            matches!(uscc("91000000000000000K"), Verdict::Warn(_, f) if f.code == Code::UsccUnusual && f.at == Some(3))
        );
    }

    #[test]
    fn what_is_wrong_is_named_and_mended() {
        for (typed, code, at, fix) in [
            (
                "91350100M000100Y44",
                Code::UsccCheck,
                Some(18),
                Some("91350100M000100Y43"),
            ),
            (
                "9135O100M000100Y43",
                Code::UsccCharacter,
                Some(5),
                Some("91350100M000100Y43"),
            ),
            ("91350100M000100Y4", Code::UsccLength, None, None),
            ("9135A100M000100Y43", Code::UsccCharacter, Some(5), None),
            ("", Code::Required, None, None),
        ] {
            assert_eq!(
                uscc(typed),
                Verdict::Err(Finding {
                    code,
                    at,
                    fix: fix.map(Into::into)
                }),
                "{typed}"
            );
        }
    }
}

//! 车架号 / VIN, ISO 3779 and GB 16735: 17 characters without I, O and Q; position 9 is a check digit
//! in North America and China, and means nothing elsewhere.

use super::{Code, Finding, Verdict, compact, replaced};

const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

fn worth(c: char) -> Option<u32> {
    Some(match c {
        '0'..='9' => c as u32 - '0' as u32,
        'A'..='H' => c as u32 - 'A' as u32 + 1,
        'J'..='N' => c as u32 - 'J' as u32 + 1,
        'P' => 7,
        'R' => 9,
        'S'..='Z' => c as u32 - 'S' as u32 + 2,
        _ => return None,
    })
}

fn check(value: &str) -> Option<char> {
    let sum: u32 = value
        .chars()
        .zip(WEIGHTS)
        .map(|(c, w)| worth(c).map(|v| v * w))
        .sum::<Option<u32>>()?;
    Some(char::from_digit(sum % 11, 10).unwrap_or('X'))
}

/// Judges a VIN. A wrong check digit is a warning, never an error: in a real fleet of 1335 cars,
/// three were wrong. I, O and Q are corrected to 1, 0 and 0.
pub fn vin(text: &str) -> Verdict {
    let value = compact(text);
    if value.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    let mendable = |c: char| match c {
        'I' => Some('1'),
        'O' | 'Q' => Some('0'),
        _ => None,
    };
    if let Some((i, c)) = value.chars().enumerate().find(|(_, c)| worth(*c).is_none()) {
        let doubt = Finding::at(Code::VinCharacter, i);
        return Verdict::Err(match mendable(c) {
            Some(_) => doubt.fix(value.chars().map(|c| mendable(c).unwrap_or(c)).collect()),
            None => doubt,
        });
    }
    if value.len() != 17 {
        return Verdict::Err(Code::VinLength.into());
    }
    let checked_here = value.starts_with(['L', '1', '2', '3', '4', '5']);
    match check(&value) {
        // Typed just to fill the field; its check digit fits.
        Some(_) if value.bytes().all(|b| b == b'0') => Verdict::Warn(value, Code::VinCheck.into()),
        Some(right) if checked_here && value.chars().nth(8) != Some(right) => {
            Verdict::Warn(value.clone(), doubted(&value, right))
        }
        _ => Verdict::Ok(value),
    }
}

/// If one mistaken character would explain a wrong check digit, the likely value: first the pairs
/// that look alike on a windscreen, otherwise the check digit itself.
fn doubted(value: &str, right: char) -> Finding {
    let alike = [
        ('0', 'D'),
        ('1', 'L'),
        ('2', 'Z'),
        ('5', 'S'),
        ('6', 'G'),
        ('8', 'B'),
    ];
    let other = |c: char| {
        alike.iter().find_map(|(a, b)| {
            if c == *a {
                Some(*b)
            } else {
                (c == *b).then_some(*a)
            }
        })
    };
    let candidates: Vec<String> = (value.chars().enumerate())
        .filter_map(|(i, c)| Some(replaced(value, i, other(c)?)))
        .filter(|v| check(v).is_some_and(|c| v.chars().nth(8) == Some(c)))
        .collect();
    let doubt = Finding::at(Code::VinCheck, 8);
    match &candidates[..] {
        [only] => doubt.fix(only.clone()),
        _ => doubt.fix(replaced(value, 8, right)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_reference() {
        for good in [
            "1M8GDM9AXKP042788",
            "11111111111111111",
            "LDC613P23A1305189",
            "LSJA24U62JG269225",
            "LZZ1BLMJ4TJ465057",
            "LFV2A21K8A3000001",
            "WVWZZZ1KZAW000001",
            "9BWZZZ377VT004251",
        ] {
            assert_eq!(vin(good), Verdict::Ok(good.into()), "{good}");
        }
        let wrong = vin("LFV2A21K0A3000001");
        assert_eq!(wrong.value(), Some("LFV2A21K0A3000001"));
        assert!(
            matches!(&wrong, Verdict::Warn(_, f) if f.code == Code::VinCheck && f.at == Some(9) && f.fix.as_deref() == Some("LFV2A21K8A3000001")),
            "{wrong:?}"
        );
        for (typed, code, at, fix) in [
            ("LDC613P23A130518", Code::VinLength, None, None),
            (
                "LDC613P23AI305189",
                Code::VinCharacter,
                Some(11),
                Some("LDC613P23A1305189"),
            ),
            (
                "LDC613P23A13O5189",
                Code::VinCharacter,
                Some(13),
                Some("LDC613P23A1305189"),
            ),
            ("LDC613P23A13#5189", Code::VinCharacter, Some(13), None),
        ] {
            assert_eq!(
                vin(typed),
                Verdict::Err(Finding {
                    code,
                    at,
                    fix: fix.map(Into::into)
                }),
                "{typed}"
            );
        }
        // B read as 8: one look-alike explains it.
        assert_eq!(
            vin("LZZ18LMJ4TJ465057")
                .finding()
                .and_then(|f| f.fix.as_deref()),
            Some("LZZ1BLMJ4TJ465057")
        );
    }
}

//! 公民身份号码, GB 11643-1999: 6 region + 8 birth date + 3 sequence + 1 check (ISO 7064 MOD 11-2).

use super::{Code, Finding, Verdict, compact, replaced};
use crate::Day;

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECKS: &[u8; 11] = b"10X98765432";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    Citizen,
    /// 港澳台居民居住证: the region begins with 81, 82 or 83.
    ResidencePermit,
    /// 外国人永久居留身份证 of 2023: the first digit is 9.
    PermanentResident,
}

/// Which card a valid 18-character number belongs to.
pub fn id_kind(number: &str) -> IdKind {
    match number.as_bytes() {
        [b'9', ..] => IdKind::PermanentResident,
        [b'8', b'1'..=b'3', ..] => IdKind::ResidencePermit,
        _ => IdKind::Citizen,
    }
}

/// Judges an ID number. `today` is the day in Asia/Shanghai: nobody is born later. A 15-digit
/// number of the first generation is kept with a warning that carries its 18-character form.
pub fn id_no(text: &str, today: Day) -> Verdict {
    let value = compact(text);
    let length = value.chars().count();
    // 外国人永久居留证 before 2023: three letters and twelve digits, without a public check.
    if length == 15
        && value.bytes().take(3).all(|b| b.is_ascii_uppercase())
        && value.bytes().skip(3).all(|b| b.is_ascii_digit())
    {
        return Verdict::Warn(value, Code::IdUnverified.into());
    }
    if is_other_paper(&value) {
        return Verdict::Warn(value, Code::IdUnverified.into());
    }
    if let Some((i, c)) = value
        .chars()
        .enumerate()
        .find(|&(i, c)| !(c.is_ascii_digit() || (c == 'X' && i == 17)))
    {
        let doubt = Finding::at(Code::IdCharacter, i);
        return Verdict::Err(match c {
            'O' => doubt.fix(replaced(&value, i, '0')),
            'I' | 'L' => doubt.fix(replaced(&value, i, '1')),
            _ => doubt,
        });
    }
    match length {
        18 => match fault(&value, today) {
            None => Verdict::Ok(value),
            Some(finding) => Verdict::Err(finding),
        },
        15 => {
            let body = format!("{}19{}", &value[..6], &value[6..]);
            let long = format!("{body}{}", check(&body));
            match fault(&long, today) {
                None => Verdict::Warn(value, Finding::from(Code::IdOld).fix(long)),
                Some(mut finding) => {
                    finding.fix = None;
                    finding.at = None;
                    Verdict::Err(finding)
                }
            }
        }
        _ => Verdict::Err(Code::IdLength.into()),
    }
}

/// Papers without a public check, by their shape only: a passport (letters, then digits; or nine
/// digits), 港澳居民来往内地 通行证 (H or M with 8 or 10 digits), 台湾居民来往大陆通行证 (8 or 10 digits), 出生医学证明 (a
/// letter and nine digits).
fn is_other_paper(value: &str) -> bool {
    let letters = value.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = &value[letters..];
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match (letters, digits.len()) {
        (0, n) => plain && matches!(n, 8..=10),
        (1..=3, n) => plain && (6..=10).contains(&n),
        _ => false,
    }
}

fn check(body: &str) -> char {
    let sum: u32 = body
        .bytes()
        .zip(WEIGHTS)
        .map(|(b, w)| u32::from(b - b'0') * w)
        .sum();
    char::from(CHECKS[(sum % 11) as usize])
}

fn is_region(code: u32) -> bool {
    matches!(code, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
}

/// `value` is 17 digits and a digit or X.
fn fault(value: &str, today: Day) -> Option<Finding> {
    let region: u32 = value[..2].parse().unwrap_or(0);
    // 永久居留证: a 9 before the province.
    let (region, at) = if value.starts_with('9') {
        (value[1..3].parse().unwrap_or(0), 1)
    } else {
        (region, 0)
    };
    if !is_region(region) {
        return Some(Finding::at(Code::IdRegion, at));
    }
    let born = match (
        value[6..10].parse(),
        value[10..12].parse(),
        value[12..14].parse(),
    ) {
        (Ok(y), Ok(m), Ok(d)) if y >= 1900 => Day::new(y, m, d),
        _ => None,
    };
    if born.is_none_or(|day| day > today) {
        return Some(Finding::at(Code::IdDate, 6));
    }
    let right = check(&value[..17]);
    (!value.ends_with(right))
        .then(|| Finding::at(Code::IdCheck, 17).fix(replaced(value, 17, right)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Verdict {
        id_no(text, Day::new(2026, 11, 21).unwrap())
    }

    #[test]
    fn numbers_that_are_right() {
        for (typed, kept) in [
            ("11010519491231002X", "11010519491231002X"), // the example of the standard
            ("11010519491231002x", "11010519491231002X"),
            ("１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"),
            (" 110105 19491231 002X ", "11010519491231002X"),
            ("110101200002290018", "110101200002290018"),
            ("310101199003071230", "310101199003071230"),
            ("810000199001010019", "810000199001010019"),
            ("83000019851231112X", "83000019851231112X"),
            ("510101200808150035", "510101200808150035"),
            ("911032199001010014", "911032199001010014"),
        ] {
            assert_eq!(judged(typed), Verdict::Ok(kept.into()), "{typed}");
        }
        assert_eq!(id_kind("911032199001010014"), IdKind::PermanentResident);
        assert_eq!(id_kind("810000199001010019"), IdKind::ResidencePermit);
        assert_eq!(id_kind("11010519491231002X"), IdKind::Citizen);
    }

    #[test]
    fn numbers_that_are_wrong_say_where_and_how_to_mend() {
        for (typed, code, at, fix) in [
            ("440524188001010014", Code::IdDate, Some(7), None),
            ("110105199013010018", Code::IdDate, Some(7), None),
            ("110101202502290013", Code::IdDate, Some(7), None),
            (
                "110105194912310021",
                Code::IdCheck,
                Some(18),
                Some("11010519491231002X"),
            ),
            (
                "11010519491231002O",
                Code::IdCharacter,
                Some(18),
                Some("110105194912310020"),
            ),
            ("001010199001010011", Code::IdRegion, Some(1), None),
            ("999840198602140018", Code::IdRegion, Some(2), None),
            ("900840198602140013", Code::IdRegion, Some(2), None),
            ("1101051949123100", Code::IdLength, None, None),
            ("", Code::IdLength, None, None),
            ("1101051949123100X2", Code::IdCharacter, Some(17), None),
        ] {
            let expected = Finding {
                code,
                at,
                fix: fix.map(Into::into),
            };
            assert_eq!(judged(typed), Verdict::Err(expected), "{typed}");
        }
        // With the letter O corrected to 0, the check character is still wrong: the person is told
        // that next.
        assert!(matches!(judged("110105194912310020"), Verdict::Err(f) if f.code == Code::IdCheck));
    }

    #[test]
    fn first_generation_numbers_are_shown_in_their_long_form() {
        for (short, long) in [
            ("110105491231002", "11010519491231002X"),
            ("320311770706001", "320311197707060018"),
            ("130503670401001", "130503196704010016"),
        ] {
            assert_eq!(
                judged(short),
                Verdict::Warn(short.into(), Finding::from(Code::IdOld).fix(long.into()))
            );
        }
    }

    /// R3: foreigners, and people of Hong Kong, Macau and Taiwan, are insured, too.
    #[test]
    fn r3_passports_and_permits_are_kept_unverified() {
        for (typed, kept) in [
            ("E12345678", "E12345678"),  // passport of China
            ("ej 1234567", "EJ1234567"), // the newer ones
            ("TR1234567", "TR1234567"),  // Japan
            ("123456789", "123456789"),  // United States
            ("H12345678", "H12345678"),  // 港澳居民来往内地通行证
            ("M0123456789", "M0123456789"),
            ("01234567", "01234567"), // 台湾居民来往大陆通行证
            ("0123456789", "0123456789"),
            ("Ｔ330012345", "T330012345"), // 出生医学证明
        ] {
            assert_eq!(
                judged(typed),
                Verdict::Warn(kept.into(), Code::IdUnverified.into()),
                "{typed}"
            );
        }
        for wrong in [
            "E1",
            "ABCD123456",
            "1234567",
            "12345678901",
            "E1234A678",
            "EE",
        ] {
            assert!(matches!(judged(wrong), Verdict::Err(_)), "{wrong}");
        }
    }

    #[test]
    fn old_cards_of_permanent_residents_are_kept_unverified() {
        assert_eq!(
            judged("usa 110100 112233"),
            Verdict::Warn("USA110100112233".into(), Code::IdUnverified.into())
        );
    }
}

//! 号牌, GA 36. Letters I and O are never used. An unusual shape is kept with a warning: a plate never stops a notice.

use super::{Code, Finding, Verdict, compact, replaced};

const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";

fn letter(c: char) -> bool {
    c.is_ascii_uppercase() && !matches!(c, 'I' | 'O')
}
fn letter_or_digit(c: char) -> bool {
    letter(c) || c.is_ascii_digit()
}
fn digit(c: char) -> bool {
    c.is_ascii_digit()
}
/// New-energy letters: D A B C E electric, F G H J K other.
fn energy(c: char) -> bool {
    matches!(c, 'A'..='H' | 'J' | 'K')
}

/// Judges a number plate and keeps it without separators: `京A·12345` → `京A12345`.
pub fn plate(text: &str) -> Verdict {
    let value: String = compact(text).chars().map(simplified).collect();
    let c: Vec<char> = value.chars().collect();
    if c.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    if special(&c) {
        return Verdict::Warn(value, Code::PlateUnusual.into());
    }
    if !PROVINCES.contains(c[0]) {
        return Verdict::Err(Finding::at(Code::PlateProvince, 0));
    }
    if let Some(i) = c.iter().skip(1).position(|c| matches!(c, 'I' | 'O')) {
        let digit = if c[i + 1] == 'O' { '0' } else { '1' };
        let doubt = Finding::at(Code::PlateCharacter, i + 1);
        // The second place is always a letter, so a digit there would be no help.
        return Verdict::Err(if i == 0 { doubt } else { doubt.fix(replaced(&value, i + 1, digit)) });
    }
    if c.len() > 1 && !letter(c[1]) {
        return Verdict::Err(Finding::at(Code::PlateCharacter, 1));
    }
    let rest = c.get(2..).unwrap_or_default();
    let body = |n: usize, ok: fn(char) -> bool| rest.len() >= n && rest[..n].iter().all(|&c| ok(c));
    let good = match c.len() {
        7 => match rest[4] {
            '学' | '挂' | '警' => body(4, letter_or_digit),
            '港' | '澳' => c[0] == '粤' && c[1] == 'Z' && body(4, letter_or_digit),
            _ => body(5, letter_or_digit),
        },
        8 => {
            let small = energy(rest[0]) && letter_or_digit(rest[1]) && rest[2..].iter().all(|&c| digit(c));
            let large = body(5, digit) && energy(rest[5]);
            small || large
        }
        _ => return Verdict::Err(Code::PlateLength.into()),
    };
    if good {
        return Verdict::Ok(value);
    }
    if c.len() == 8 && matches!(rest[5], '港' | '澳' | '学' | '挂' | '警') {
        return Verdict::Err(Code::PlateLength.into());
    }
    if let Some(i) = rest.iter().position(|&c| !letter_or_digit(c)) {
        return Verdict::Err(Finding::at(Code::PlateCharacter, i + 2));
    }
    // Eight places, all of them possible: the new-energy pattern names the place that breaks it.
    let wrong = if energy(rest[0]) { rest[2..].iter().position(|c| !digit(*c)).map_or(2, |i| i + 4) } else { 2 };
    Verdict::Err(Finding::at(Code::PlateCharacter, wrong))
}

/// What a notice keeps of a plate, whatever was typed: a person looks at an unusual one. At most twenty characters.
pub fn kept(text: &str) -> String {
    let compact = compact(text).chars().filter(|c| !c.is_control()).map(simplified).take(20).collect::<String>();
    // Nothing of it can stand on a plate: still not nothing.
    if compact.is_empty() { "?".into() } else { compact }
}

/// Plates are in simplified characters, people's keyboards may not be.
fn simplified(c: char) -> char {
    const TRADITIONAL: &str = "滬遼魯蘇贛瓊貴陝晉閩寧雲粵領學掛應試";
    const SIMPLIFIED: &str = "沪辽鲁苏赣琼贵陕晋闽宁云粤领学挂应试";
    TRADITIONAL.chars().position(|t| t == c).and_then(|i| SIMPLIFIED.chars().nth(i)).unwrap_or(c)
}

/// Embassy, consulate, emergency, armed police, military, trial and oversize plates, those of civil aviation and of two
/// places: handled by a person.
fn special(c: &[char]) -> bool {
    let n = c.len();
    let digits = |part: &[char]| part.iter().all(|&c| digit(c));
    match c {
        ['使', rest @ ..] => rest.len() == 6 && digits(rest),
        [rest @ .., '使'] => rest.len() == 6 && digits(rest),
        [p, rest @ .., '领'] => PROVINCES.contains(*p) && (3..=6).contains(&rest.len()) && rest.iter().all(|&c| letter_or_digit(c)),
        [p, 'X' | 'S', rest @ .., '应', '急'] => PROVINCES.contains(*p) && rest.len() == 4 && rest.iter().all(|&c| letter_or_digit(c)),
        ['民', '航', rest @ ..] => rest.len() == 5 && rest.iter().all(|c| c.is_ascii_alphanumeric()),
        ['W', 'J', rest @ ..] => {
            (7..=10).contains(&n) && rest.iter().all(|c| PROVINCES.contains(*c) || "警消边通森金".contains(*c) || c.is_ascii_alphanumeric())
        }
        // 军车: 2012 and after two letters and five digits, before that a character of the arm.
        ['V' | 'Z' | 'H' | 'K' | 'B' | 'S' | 'L' | 'N' | 'J' | 'G' | 'C' | 'E', b, rest @ ..] if b.is_ascii_uppercase() => {
            (4..=5).contains(&rest.len()) && digits(rest)
        }
        ['军' | '海' | '空' | '北' | '沈' | '兰' | '济' | '南' | '广' | '成', rest @ ..] => {
            (5..=7).contains(&rest.len()) && rest.iter().all(|c| c.is_ascii_alphanumeric())
        }
        ['领', rest @ ..] => (5..=6).contains(&rest.len()) && digits(rest),
        [p, l, rest @ .., '试' | '超'] if PROVINCES.contains(*p) && letter(*l) => {
            (4..=5).contains(&rest.len()) && rest.iter().all(|&c| letter_or_digit(c))
        }
        ['粤', 'Z', rest @ .., '港' | '澳'] if rest.len() == 5 => rest.iter().all(|&c| letter_or_digit(c)),
        // Two provinces' plates for one car that drives over a border: 粤AP12345.
        [p, l, 'P', rest @ ..] if PROVINCES.contains(*p) && letter(*l) => rest.len() == 5 && digits(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_that_are_right() {
        for typed in ["京A12345", "京AD12345", "沪A12345D", "粤BFA1234", "鲁Q7253挂", "浙C2314学", "京A1234警", "粤Z1234港", "甘G23459F"]
        {
            assert_eq!(plate(typed), Verdict::Ok(typed.into()), "{typed}");
        }
        assert_eq!(plate("京a·d12345"), Verdict::Ok("京AD12345".into()));
        assert_eq!(plate("京Ａ－１２３４５"), Verdict::Ok("京A12345".into()));
    }

    #[test]
    fn plates_that_are_wrong_name_the_place() {
        for (typed, code, at, fix) in [
            ("京I12345", Code::PlateCharacter, Some(2), None),
            ("京AO1234", Code::PlateCharacter, Some(3), Some("京A01234")),
            ("浙苏H6F681", Code::PlateCharacter, Some(2), None),
            ("京A1234", Code::PlateLength, None, None),
            ("AB12345", Code::PlateProvince, Some(1), None),
            ("京AL12345", Code::PlateCharacter, Some(3), None),
            ("粤BF8A123", Code::PlateCharacter, Some(5), None),
            ("京", Code::PlateLength, None, None),
            ("", Code::Required, None, None),
        ] {
            assert_eq!(plate(typed), Verdict::Err(Finding { code, at, fix: fix.map(Into::into) }), "{typed}");
        }
    }

    #[test]
    fn special_plates_are_kept_for_a_person() {
        for typed in [
            "使123456",
            "123456使",
            "沪A1234领",
            "京X1234应急",
            "民航A1234",
            "WJ京12345",
            "VA12345",
            "苏A12345试",
            "沪A1234超",
            "WJ0112345",
            "ZB00221",
            "NB02151",
            "WJ警00081",
            "WJ01警1234",
            "粤E1234试",
            "粤E1234超",
            "领123456",
        ] {
            assert!(
                matches!(plate(typed), Verdict::Warn(v, f) if v == typed && f.code == Code::PlateUnusual),
                "{typed}: {:?}",
                plate(typed)
            );
        }
    }

    #[test]
    fn plates_in_traditional_characters() {
        for (typed, kept) in [("粵B12345", "粤B12345"), ("滬AD12345", "沪AD12345"), ("魯Q7253掛", "鲁Q7253挂"), ("浙C2314學", "浙C2314学")]
        {
            assert_eq!(plate(typed), Verdict::Ok(kept.into()), "{typed}");
        }
        assert!(plate("\u{202d}京A12345\u{202c}").value() == Some("京A12345"));
    }
}

//! 号牌, GA 36. Letters I and O are never used. An unusual shape is kept with a warning: a plate
//! never stops a notice.

use super::{Code, Finding, Verdict, compact, has, replaced};

#[cfg(not(target_arch = "wasm32"))]
const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";
#[cfg(target_arch = "wasm32")]
const PROVINCES: &str =
    "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼滬遼魯蘇贛瓊貴陝晉閩寧雲粵";

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
    let value = flat(text);
    let c: Vec<char> = value.chars().collect();
    if c.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    if civil(&c) {
        return Verdict::Ok(value);
    }
    if special(&c) {
        return Verdict::Warn(value, Code::PlateUnusual.into());
    }
    if !has(PROVINCES, c[0]) {
        return Verdict::Err(Finding::at(Code::PlateProvince, 0));
    }
    if let Some(i) = c.iter().skip(1).position(|c| matches!(c, 'I' | 'O')) {
        let digit = if c[i + 1] == 'O' { '0' } else { '1' };
        let doubt = Finding::at(Code::PlateCharacter, i + 1);
        // The second character is always a letter, so suggesting a digit would not help.
        return Verdict::Err(if i == 0 {
            doubt
        } else {
            doubt.fix(replaced(&value, i + 1, digit))
        });
    }
    if c.len() > 1 && !letter(c[1]) {
        return Verdict::Err(Finding::at(Code::PlateCharacter, 1));
    }
    let rest = c.get(2..).unwrap_or_default();
    if !(7..=8).contains(&c.len()) {
        return Verdict::Err(Code::PlateLength.into());
    }
    if c.len() == 8 && matches!(rest[5], '港' | '澳' | '学' | '挂' | '警') {
        return Verdict::Err(Code::PlateLength.into());
    }
    if let Some(i) = rest.iter().position(|&c| !letter_or_digit(c)) {
        return Verdict::Err(Finding::at(Code::PlateCharacter, i + 2));
    }
    // Eight characters, all of them possible: the new-energy pattern shows which one breaks it.
    let wrong = if energy(rest[0]) {
        rest[2..]
            .iter()
            .position(|c| !digit(*c))
            .map_or(2, |i| i + 4)
    } else {
        2
    };
    Verdict::Err(Finding::at(Code::PlateCharacter, wrong))
}

/// What a notice keeps of any typed plate: a person looks at an unusual one. At most twenty
/// characters.
#[cfg(not(target_arch = "wasm32"))]
pub fn kept(text: &str) -> String {
    let mut value = flat(text);
    if let Some((end, _)) = value.char_indices().nth(20) {
        value.truncate(end);
    }
    // No character fits a plate, but it must not be empty.
    if value.is_empty() { "?".into() } else { value }
}

/// Plates use simplified characters; people's keyboards may not. The server converts them; the
/// phone takes them as they are, because every table adds bytes.
#[cfg(not(target_arch = "wasm32"))]
fn flat(text: &str) -> String {
    let simplified = |c: char| {
        TRADITIONAL
            .chars()
            .position(|t| t == c)
            .and_then(|i| SIMPLIFIED.chars().nth(i))
            .unwrap_or(c)
    };
    compact(text).chars().map(simplified).collect()
}

#[cfg(target_arch = "wasm32")]
fn flat(text: &str) -> String {
    compact(text)
}

#[cfg(not(target_arch = "wasm32"))]
const TRADITIONAL: &str = "滬遼魯蘇贛瓊貴陝晉閩寧雲粵領學掛應試";
#[cfg(not(target_arch = "wasm32"))]
const SIMPLIFIED: &str = "沪辽鲁苏赣琼贵陕晋闽宁云粤领学挂应试";

/// Whether it belongs to an ordinary car, lorry, driving-school car or police car, or to Hong Kong
/// or Macau.
fn civil(c: &[char]) -> bool {
    let [province, office, rest @ ..] = c else {
        return false;
    };
    let body = |n: usize, ok: fn(char) -> bool| rest[..n].iter().all(|&c| ok(c));
    has(PROVINCES, *province)
        && letter(*office)
        && match (rest.len(), rest.get(4)) {
            (5, Some('学' | '挂' | '警' | '學' | '掛')) => body(4, letter_or_digit),
            (5, Some('港' | '澳')) => {
                (*province, *office) == ('粤', 'Z') && body(4, letter_or_digit)
            }
            (5, _) => body(5, letter_or_digit),
            (6, _) => {
                let small = energy(rest[0])
                    && letter_or_digit(rest[1])
                    && rest[2..].iter().all(|&c| digit(c));
                small || body(5, digit) && energy(rest[5])
            }
            _ => false,
        }
}

/// Embassy, consulate, emergency, armed police, military, trial and oversize plates, those of civil
/// aviation and of two places: handled by a person.
#[cfg(not(target_arch = "wasm32"))]
fn special(c: &[char]) -> bool {
    let plain = c
        .iter()
        .all(|&c| c.is_ascii_alphanumeric() || has(PROVINCES, c) || mark(c));
    let digits = |from: usize| c.len() > from && c[from..].iter().all(|&c| digit(c));
    (6..=10).contains(&c.len())
        && plain
        && (c.iter().any(|&c| mark(c))
            || c.starts_with(&['W', 'J'])
            // 军车: two letters and digits. 粤AP12345: a new segment.
            || c[0].is_ascii_uppercase() && c[1].is_ascii_uppercase() && digits(2) && "VZHKBSLNJGCE".contains(c[0]) && c.len() == 7
            || has(PROVINCES, c[0]) && c[2] == 'P' && c.len() == 8 && digits(3))
}

/// On the phone, without the tables to save bytes: more is let through, and the server decides.
#[cfg(target_arch = "wasm32")]
fn special(c: &[char]) -> bool {
    c.len() > 5 && (c[0].is_ascii_uppercase() || c[2] == 'P' || c.iter().any(|&c| mark(c)))
}

fn mark(c: char) -> bool {
    has("使领应急民航试超警消边通森金军海空港澳", c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_that_are_right() {
        for typed in [
            "京A12345",
            "京AD12345",
            "沪A12345D",
            "粤BFA1234",
            "鲁Q7253挂",
            "浙C2314学",
            "京A1234警",
            "粤Z1234港",
            "甘G23459F",
        ] {
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
            assert_eq!(
                plate(typed),
                Verdict::Err(Finding {
                    code,
                    at,
                    fix: fix.map(Into::into)
                }),
                "{typed}"
            );
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
        for (typed, kept) in [
            ("粵B12345", "粤B12345"),
            ("滬AD12345", "沪AD12345"),
            ("魯Q7253掛", "鲁Q7253挂"),
            ("浙C2314學", "浙C2314学"),
        ] {
            assert_eq!(plate(typed), Verdict::Ok(kept.into()), "{typed}");
        }
        assert!(plate("\u{202d}京A12345\u{202c}").value() == Some("京A12345"));
    }
}

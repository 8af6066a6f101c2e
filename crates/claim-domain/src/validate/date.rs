//! Days as people type them: `2026-01-02`, `2026年1月2日`, `2026.1.2`, `20260102`. ID cards that
//! never expire say 长期.

use super::{Code, Verdict, half_width_text};
use crate::Day;

/// What an ID card says if it never expires.
pub const FOR_EVER: &str = "长期";

/// Judges a day and keeps it as `2026-01-02`, or as 长期.
pub fn date(text: &str) -> Verdict {
    let text = half_width_text(text);
    let text = text.trim();
    if text.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    if text == FOR_EVER || text == "長期" {
        return Verdict::Ok(FOR_EVER.to_owned());
    }
    let parts: Vec<&str> = match text.len() {
        8 if text.bytes().all(|b| b.is_ascii_digit()) => vec![&text[..4], &text[4..6], &text[6..]],
        _ => text
            .trim_end_matches('日')
            .split(['-', '/', '.', '年', '月'])
            .map(str::trim)
            .collect(),
    };
    let number = |part: &str| {
        part.parse::<u16>()
            .ok()
            .filter(|_| part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let day = match parts[..] {
        [y, m, d] if y.len() == 4 => match (number(y), number(m), number(d)) {
            (Some(y), Some(m), Some(d)) => Day::new(
                i32::from(y),
                m.try_into().unwrap_or(0),
                d.try_into().unwrap_or(0),
            ),
            _ => None,
        },
        _ => None,
    };
    day.map_or(Verdict::Err(Code::DateFormat.into()), |day| {
        Verdict::Ok(day.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_as_people_type_them() {
        for typed in [
            "2026-01-02",
            "2026年1月2日",
            "2026.1.2",
            "20260102",
            "２０２６／１／２",
            " 2026-1-2 ",
        ] {
            assert_eq!(date(typed), Verdict::Ok("2026-01-02".into()), "{typed}");
        }
        assert_eq!(date("长期"), Verdict::Ok("长期".into()));
        for typed in [
            "2025-02-29",
            "26-1-2",
            "2026-13-01",
            "明天",
            "2026-1",
            "2026-1-2-3",
            "2026-0001-2x",
        ] {
            assert_eq!(
                date(typed),
                Verdict::Err(Code::DateFormat.into()),
                "{typed}"
            );
        }
    }
}

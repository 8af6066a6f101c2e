//! Money is a whole number of fen (1/100 元) in an `i64`. No floating point anywhere.

use crate::validate::{Code, Finding};

/// The most that one amount may be: 99 999 999.99 元.
pub const MAX: i64 = 9_999_999_999;

/// Reads an amount in 元 as people type it: `12.3`, `¥1,234.56`, `１２．３４`.
///
/// # Errors
/// [`Code::AmountFormat`] for anything but digits, groups of three and at most two decimals;
/// [`Code::AmountRange`] for zero and for more than [`MAX`].
///
/// ```
/// use claim_domain::{Code, money};
///
/// assert_eq!(money::parse("1,234.50").unwrap(), 123_450);
/// assert_eq!(money::parse("1.234").unwrap_err().code, Code::AmountFormat);
/// ```
pub fn parse(text: &str) -> Result<i64, Finding> {
    let text: String = super::validate::half_width_text(text).replace('，', ",");
    let text = text.trim().trim_start_matches(['¥', '￥']).trim_start();
    let (whole, cents) = match text.split_once('.') {
        None => (text, ""),
        Some((whole, cents)) if (1..=2).contains(&cents.len()) => (whole, cents),
        Some(_) => return Err(Code::AmountFormat.into()),
    };
    let groups: Vec<&str> = whole.split(',').collect();
    let grouped = groups.len() == 1
        || (!groups[0].is_empty()
            && groups[0].len() <= 3
            && groups[1..].iter().all(|g| g.len() == 3));
    let digits = groups.concat();
    if !grouped
        || digits.is_empty()
        || !(digits.bytes().chain(cents.bytes())).all(|b| b.is_ascii_digit())
    {
        return Err(Code::AmountFormat.into());
    }
    match format!("{digits}{cents:0<2}").parse::<i64>() {
        Ok(fen) if (1..=MAX).contains(&fen) => Ok(fen),
        _ => Err(Code::AmountRange.into()),
    }
}

/// For people.
///
/// ```
/// assert_eq!(claim_domain::money::show(123_456), "¥1,234.56");
/// ```
pub fn show(fen: i64) -> String {
    let sign = if fen < 0 { "-" } else { "" };
    let (yuan, cents) = (fen.unsigned_abs() / 100, fen.unsigned_abs() % 100);
    let digits = yuan.to_string();
    let mut grouped = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(d);
    }
    format!("{sign}¥{grouped}.{cents:02}")
}

const DIGITS: [&str; 10] = ["零", "壹", "贰", "叁", "肆", "伍", "陆", "柒", "捌", "玖"];

/// 大写金额 as on receipts (正确填写票据和结算凭证的基本规定): `壹仟零伍元整`.
pub fn in_words(fen: i64) -> String {
    let (yuan, cents) = (fen.unsigned_abs() / 100, fen.unsigned_abs() % 100);
    let (jiao, fen) = ((cents / 10) as usize, (cents % 10) as usize);
    let mut words = String::new();
    if yuan > 0 || cents == 0 {
        words = whole(yuan) + "元";
    }
    if cents == 0 {
        return words + "整";
    }
    match jiao {
        0 if yuan > 0 => words.push('零'),
        0 => {}
        _ => words = words + DIGITS[jiao] + "角",
    }
    match fen {
        0 => words + "整",
        _ => words + DIGITS[fen] + "分",
    }
}

/// A whole number: groups of four under 亿 and 万, one 零 for each run of zeros inside.
fn whole(number: u64) -> String {
    if number == 0 {
        return DIGITS[0].into();
    }
    let mut words = String::new();
    let mut zeros = false;
    for (power, unit) in [(8u32, "亿"), (4, "万"), (0, "")] {
        let group = number / 10u64.pow(power) % 10_000;
        for (place, small) in [(3u32, "仟"), (2, "佰"), (1, "拾"), (0, "")] {
            let digit = (group / 10u64.pow(place) % 10) as usize;
            if digit == 0 {
                zeros = !words.is_empty();
                continue;
            }
            if std::mem::take(&mut zeros) {
                words.push('零');
            }
            words = words + DIGITS[digit] + small;
        }
        if group > 0 {
            words.push_str(unit);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_typed() {
        for (typed, fen) in [
            ("12.3", 1230),
            ("1,234.56", 123_456),
            ("１２．３４", 1234),
            ("¥0.01", 1),
            ("￥5", 500),
            ("99999999.99", MAX),
            ("1，234", 123_400),
        ] {
            assert_eq!(parse(typed), Ok(fen), "{typed}");
        }
        for typed in [
            ".5", "0.005", "1,23", "1e3", "-1", "12.345", "", "1234,567", ",123", "12.", "一百",
        ] {
            assert_eq!(parse(typed), Err(Code::AmountFormat.into()), "{typed}");
        }
        for typed in ["100000000.00", "0", "0.00", "99999999999999999999"] {
            assert_eq!(parse(typed), Err(Code::AmountRange.into()), "{typed}");
        }
    }

    #[test]
    fn amounts_as_shown() {
        assert_eq!(show(123_456), "¥1,234.56");
        assert_eq!(show(MAX), "¥99,999,999.99");
        assert_eq!(show(5), "¥0.05");
        assert_eq!(show(-120_000), "-¥1,200.00");
    }

    #[test]
    fn amounts_in_words() {
        for (fen, words) in [
            (123_456, "壹仟贰佰叁拾肆元伍角陆分"),
            (1_234_567, "壹万贰仟叁佰肆拾伍元陆角柒分"),
            (100_500, "壹仟零伍元整"),
            (1_000_001, "壹万元零壹分"),
            (10_000_000, "壹拾万元整"),
            (0, "零元整"),
            (5, "伍分"),
            (50, "伍角整"),
            (150, "壹元伍角整"),
            (100_000_500, "壹佰万零伍元整"),
            (MAX, "玖仟玖佰玖拾玖万玖仟玖佰玖拾玖元玖角玖分"),
        ] {
            assert_eq!(in_words(fen), words, "{fen}");
        }
    }
}

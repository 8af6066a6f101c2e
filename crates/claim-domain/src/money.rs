//! Money is a whole number of fen (1/100 元) in an `i64`. No floating point anywhere.

use crate::validate::{Code, Finding};

/// The most that one amount may be: 99 999 999.99 元.
pub const MAX: i64 = 9_999_999_999;

/// Reads an amount in 元 as people type it: `12.3`, `¥1,234.56`, `１２．３４`.
///
/// # Errors
/// [`Code::AmountFormat`] for anything but digits, groups of three and at most two decimals;
/// [`Code::AmountRange`] for zero and for more than [`MAX`].
pub fn parse(text: &str) -> Result<i64, Finding> {
    let text: String = super::validate::half_width_text(text).replace('，', ",");
    let text = text.trim().trim_start_matches(['¥', '￥']).trim_start();
    let (whole, cents) = match text.split_once('.') {
        None => (text, ""),
        Some((whole, cents)) if (1..=2).contains(&cents.len()) => (whole, cents),
        Some(_) => return Err(Code::AmountFormat.into()),
    };
    let groups: Vec<&str> = whole.split(',').collect();
    let grouped = groups.len() == 1 || (!groups[0].is_empty() && groups[0].len() <= 3 && groups[1..].iter().all(|g| g.len() == 3));
    let digits = groups.concat();
    if !grouped || digits.is_empty() || !(digits.bytes().chain(cents.bytes())).all(|b| b.is_ascii_digit()) {
        return Err(Code::AmountFormat.into());
    }
    match format!("{digits}{cents:0<2}").parse::<i64>() {
        Ok(fen) if (1..=MAX).contains(&fen) => Ok(fen),
        _ => Err(Code::AmountRange.into()),
    }
}

/// `¥1,234.56`
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
        for typed in [".5", "0.005", "1,23", "1e3", "-1", "12.345", "", "1234,567", ",123", "12.", "一百"] {
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
}

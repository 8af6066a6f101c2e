//! The QR codes of Chinese invoices, read as hints: the person confirms every field. The
//! authorities publish no layouts; these are the ones seen on 增值税发票, 数电票 and 财政电子票据.

use crate::{Day, money};

/// What a code contains; not every code has every field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invoice {
    pub number: String,
    pub date: Option<Day>,
    pub amount_fen: Option<i64>,
}

/// Reads the text of a QR code; `None`: no invoice.
///
/// - `01,kind,code,number,amount,yyyymmdd,check,crc,`: VAT; a 数电票 has an empty code and a number of
///   20 digits.
/// - `01,code(8),number(10),check(6, digits and letters),yyyymmdd,amount` in any order after `01`:
///   财政电子票据.
///
/// ```
/// let invoice = claim_domain::invoice::read("01,32,,26332000000012345678,88.00,20261120,,1A2B").unwrap();
/// assert_eq!(invoice.amount_fen, Some(8_800));
/// assert!(claim_domain::invoice::read("https://example.com/a-menu").is_none());
/// ```
pub fn read(text: &str) -> Option<Invoice> {
    if text.len() > 300 {
        return None;
    }
    let parts: Vec<&str> = text
        .trim()
        .trim_end_matches(',')
        .split(',')
        .map(str::trim)
        .collect();
    let digits = |part: &str, n: usize| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    let day = |part: &str| {
        if !digits(part, 8) {
            return None;
        }
        Day::new(
            part[..4].parse().ok()?,
            part[4..6].parse().ok()?,
            part[6..].parse().ok()?,
        )
    };
    match parts[..] {
        ["01", kind, code, number, amount, date, ..]
            if digits(kind, 2) && (digits(number, 8) || digits(number, 20)) =>
        {
            (code.is_empty() || digits(code, 10) || digits(code, 12)).then(|| Invoice {
                number: number.to_owned(),
                date: day(date),
                amount_fen: money::parse(amount).ok(),
            })
        }
        ["01", ref rest @ ..] if rest.len() >= 3 => {
            let number = rest.iter().find(|p| digits(p, 10))?;
            rest.iter()
                .find(|p| p.len() == 6 && p.bytes().all(|b| b.is_ascii_alphanumeric()))?;
            // Its 8-digit code may look like a day of another century.
            let date = rest
                .iter()
                .filter(|p| p.starts_with("20"))
                .find_map(|p| day(p));
            let amount = rest
                .iter()
                .find(|p| p.contains('.'))
                .and_then(|p| money::parse(p).ok());
            Some(Invoice {
                number: (*number).to_owned(),
                date,
                amount_fen: amount,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layouts_that_are_known() {
        let day = Day::new(2026, 11, 20);
        for (text, number, date, amount) in [
            (
                "01,10,033001900104,12345678,1234.56,20261120,12345678901234567890,ABCD,",
                "12345678",
                day,
                Some(123_456),
            ),
            (
                "01,32,,26332000000012345678,88.00,20261120,,1A2B",
                "26332000000012345678",
                day,
                Some(8_800),
            ),
            (
                "01,33060126,0012345678,123456,20261120,345.60",
                "0012345678",
                day,
                Some(34_560),
            ),
            (
                "01,33060126,0012345678,a1b2c3,20261120,345.60",
                "0012345678",
                day,
                Some(34_560),
            ),
            (
                "01,33060126,0012345678,E0F9B2,20261120,1234.5,",
                "0012345678",
                day,
                Some(123_450),
            ),
        ] {
            assert_eq!(
                read(text),
                Some(Invoice {
                    number: number.into(),
                    date,
                    amount_fen: amount
                }),
                "{text}"
            );
        }
        for other in [
            "01,33060126,0012345678,a1-b2c,20261120,345.60",
            "",
            "https://weixin.qq.com/r/abc",
            "01,02",
            "01,10,,123,1,2",
            "WIFI:S:home;;",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in "(01,)?[0-9,.，京]{0,60}") {
            let _ = read(&text);
        }
    }
}

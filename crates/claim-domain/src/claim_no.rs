//! Claim numbers that can be read out on the phone: `BA` + day + 6 characters + a check character.
//! The alphabet leaves out I, L, O and U; the check is Luhn mod 32, so one wrong or swapped
//! character is noticed.

use crate::Day;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The number for `seed`, of which the low 30 bits are used.
pub fn claim_no(day: Day, seed: u32) -> String {
    let tail: String = (0..6)
        .rev()
        .map(|i| char::from(ALPHABET[(seed >> (5 * i)) as usize & 31]))
        .collect();
    let body = format!("{}{tail}", day.compact());
    let check = check(&body).unwrap_or('0');
    format!("BA{body}{check}")
}

/// What the person meant, as it is stored: upper case, `O` read as 0, `I` and `L` as 1. `None`: no
/// claim number.
pub fn parse(text: &str) -> Option<String> {
    let text: String = crate::validate::half_width_text(text)
        .trim()
        .to_uppercase()
        .replace([' ', '-'], "");
    let body: String = text
        .strip_prefix("BA")?
        .replace('O', "0")
        .replace(['I', 'L'], "1");
    if body.len() != 15 || !body.is_ascii() || !body[..8].bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    (check(&body[..14]) == body.chars().last()).then(|| format!("BA{body}"))
}

fn check(body: &str) -> Option<char> {
    let mut sum = 0;
    for (i, b) in body.bytes().rev().enumerate() {
        let value = ALPHABET.iter().position(|&a| a == b)?;
        let doubled = if i % 2 == 0 { value * 2 } else { value };
        sum += doubled / 32 + doubled % 32;
    }
    Some(char::from(ALPHABET[(32 - sum % 32) % 32]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_reads_back_and_one_wrong_character_is_noticed(seed in any::<u32>(), place in 2usize..17, other in 0usize..32) {
            let number = claim_no(Day::new(2026, 11, 21).unwrap(), seed);
            prop_assert_eq!(number.len(), 17);
            prop_assert_eq!(parse(&number.to_lowercase()), Some(number.clone()));
            let mut wrong = number.clone().into_bytes();
            prop_assume!(wrong[place] != ALPHABET[other]);
            wrong[place] = ALPHABET[other];
            prop_assert_eq!(parse(std::str::from_utf8(&wrong).unwrap()), None);
        }
    }

    #[test]
    fn odd_text_is_no_number() {
        for text in [
            "",
            "BA",
            "BA20261121",
            "XX20261121ABCDEFG",
            "BA２０２６1121ABCDE😀F",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

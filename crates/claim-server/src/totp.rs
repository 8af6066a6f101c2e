//! Time-based one-time passwords (RFC 6238 with SHA-1, six digits, thirty seconds: what every
//! authenticator app can do).

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::vault::random;

const STEP: i64 = 30;

/// A new secret, 160 bits (RFC 4226, section 4).
pub fn secret() -> [u8; 20] {
    random()
}

fn code(secret: &[u8], step: i64) -> u32 {
    // HMAC takes keys of every length.
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).unwrap_or_else(|e| panic!("{e}"));
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    // Dynamic truncation (RFC 4226, section 5.3).
    let at = usize::from(hash[19] & 15);
    let cut = [hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]];
    u32::from_be_bytes(cut) % 1_000_000
}

/// The time step of a code that is valid at this second: the current one, or its neighbours, as
/// clocks differ (RFC 6238, section 5.2).
pub fn step_of(secret: &[u8], typed: &str, at: i64) -> Option<i64> {
    let typed: u32 = typed.parse().ok().filter(|_| typed.len() == 6)?;
    let now = at / STEP;
    (now - 1..=now + 1).find(|step| code(secret, *step) == typed)
}

/// What an authenticator app scans.
pub fn address(secret: &[u8], name: &str) -> String {
    let name: String = name
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect();
    format!(
        "otpauth://totp/Baoan:{name}?secret={}&issuer=Baoan",
        BASE32_NOPAD.encode(secret)
    )
}

#[cfg(test)]
pub fn now_for_test(secret: &[u8], at: i64) -> String {
    format!("{:06}", code(secret, at / STEP))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B (its eight digits, of which these are the last six).
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890";
        for (at, eight) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000_i64, 65_353_130),
        ] {
            let six = format!("{:06}", eight % 1_000_000);
            assert_eq!(step_of(secret, &six, at), Some(at / 30), "{at}");
            assert_eq!(step_of(secret, &six, at + 29), Some(at / 30));
            assert_eq!(step_of(secret, &six, at + 90), None);
        }
        for typed in ["", "12345", "1234567", "+94287", "abcdef", "９４２８７０"] {
            assert_eq!(step_of(secret, typed, 59), None, "{typed}");
        }
        assert!(
            address(secret, "李 1").starts_with("otpauth://totp/Baoan:%E6%9D%8E%201?secret=GEZD")
        );
    }
}

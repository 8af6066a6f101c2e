//! The small part of tus 1.0.0 (tus.io/protocols/resumable-upload) that both sides must spell
//! alike.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

pub const VERSION: &str = "1.0.0";
pub const CHUNK_TYPE: &str = "application/offset+octet-stream";

/// The value of `Upload-Checksum` for one chunk.
pub fn checksum(chunk: &[u8]) -> String {
    format!("sha256 {}", STANDARD.encode(Sha256::digest(chunk)))
}

/// The value of `Upload-Metadata`: keys and base64 values.
pub fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)))
        .collect();
    pairs.join(",")
}

/// Reads `Upload-Metadata`. `None`: an empty or doubled key, or a value that is not base64 of UTF-8
/// text.
///
/// ```
/// use claim_api::tus;
///
/// let header = tus::metadata(&[("filename", "现场.jpg"), ("slot", "scene")]);
/// assert_eq!(header, "filename 546w5Zy6LmpwZw==,slot c2NlbmU=");
/// assert_eq!(tus::parse_metadata(&header).unwrap()[0].1, "现场.jpg");
/// ```
pub fn parse_metadata(header: &str) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in header.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let value = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        if key.is_empty() || !key.is_ascii() || pairs.iter().any(|(k, _)| k == key) {
            return None;
        }
        pairs.push((key.to_owned(), value));
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_round_trips_and_nonsense_is_refused() {
        let header = metadata(&[("sha256", "ab"), ("filename", "现场.jpg")]);
        assert_eq!(
            parse_metadata(&header),
            Some(vec![
                ("sha256".into(), "ab".into()),
                ("filename".into(), "现场.jpg".into())
            ])
        );
        assert_eq!(parse_metadata(""), Some(vec![]));
        assert_eq!(
            parse_metadata("is_confidential"),
            Some(vec![("is_confidential".into(), String::new())])
        );
        for odd in ["a !!!", "a YQ==,a YQ==", "ключ YQ=="] {
            assert_eq!(parse_metadata(odd), None, "{odd}");
        }
    }
}

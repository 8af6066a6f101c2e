//! 存证回执: what the insurer confirms it received, signed so that anybody can check it later
//! without the insurer.
//!
//! A JWS in compact form (RFC 7515) with EdDSA over Ed25519 (RFC 8037); its keys are a JWK set (RFC
//! 7517) under [`KEYS`], named by their thumbprint (RFC 7638). One changed byte and [`check`]
//! fails. It travels as text, or inside the picture that the person saves ([`in_picture`],
//! [`from_picture`]).

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use claim_domain::Moment;
use ed25519_compact::{KeyPair, PublicKey, Seed, Signature};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub const KEYS: &str = "/.well-known/jwks.json";
const KIND: &str = "baoan-receipt";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Proof {
    pub insurer: String,
    pub claim_no: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub reported_at: Moment,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub issued_at: Moment,
    /// SHA-256 (lower-case hex, as all here) of the notice as the phone sent it.
    pub notice_sha256: String,
    /// How many events the claim has, and the hash of their chain.
    pub events: u32,
    pub events_sha256: String,
    pub files: Vec<ProvenFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProvenFile {
    pub document: String,
    pub bytes: u64,
    /// Of the copy that the insurer stores.
    pub sha256: String,
    /// Of the file as chosen on the phone; the same if nothing was changed or the phone did not
    /// say.
    pub original_sha256: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub received_at: Moment,
}

/// A JWK set with the keys that may have signed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Keys {
    pub keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Key {
    /// `OKP`
    pub kty: String,
    /// `Ed25519`
    pub crv: String,
    pub x: String,
    pub kid: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrue {
    /// Not a receipt, or part of it is missing.
    Malformed,
    /// Signed by somebody whose key is not known here.
    UnknownKey,
    /// Not what was signed: something was changed.
    Changed,
}

/// What an insurer signs with.
pub struct Signer(KeyPair);

impl Signer {
    pub fn new(seed: [u8; 32]) -> Signer {
        Signer(KeyPair::from_seed(Seed::new(seed)))
    }

    pub fn key(&self) -> Key {
        let x = BASE64.encode(self.0.pk.as_ref());
        // RFC 7638, section 3: the required members in lexicographic order, without spaces.
        let kid = BASE64.encode(Sha256::digest(format!(
            r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#
        )));
        Key {
            kty: "OKP".into(),
            crv: "Ed25519".into(),
            x,
            kid,
        }
    }

    pub fn sign(&self, proof: &Proof) -> String {
        self.sign_as(KIND, proof)
    }

    /// Signs something else; `kind` keeps one from being taken for another.
    pub fn sign_as(&self, kind: &str, proof: &impl Serialize) -> String {
        let header = Header {
            alg: "EdDSA".into(),
            kid: self.key().kid,
            typ: kind.into(),
        };
        let part =
            |json: Result<String, serde_json::Error>| BASE64.encode(json.unwrap_or_default());
        let mut text = format!(
            "{}.{}",
            part(serde_json::to_string(&header)),
            part(serde_json::to_string(proof))
        );
        // Ed25519 needs no randomness (RFC 8032, section 5.1.6).
        let signature = self.0.sk.sign(text.as_bytes(), None);
        let _ = write!(text, ".{}", BASE64.encode(signature.as_ref()));
        text
    }
}

/// What a receipt says, if one of `keys` signed exactly this.
///
/// # Errors
/// Why it proves nothing.
pub fn check(receipt: &str, keys: &Keys) -> Result<Proof, Untrue> {
    check_as(KIND, receipt, keys)
}

/// The same for something else.
///
/// # Errors
/// Why it proves nothing.
pub fn check_as<T: serde::de::DeserializeOwned>(
    kind: &str,
    receipt: &str,
    keys: &Keys,
) -> Result<T, Untrue> {
    let receipt = receipt.trim();
    let mut parts = receipt.split('.');
    let mut part = || parts.next().and_then(|p| BASE64.decode(p).ok());
    let (Some(header), Some(body), Some(signature)) = (part(), part(), part()) else {
        return Err(Untrue::Malformed);
    };
    let header: Header = serde_json::from_slice(&header).map_err(|_| Untrue::Malformed)?;
    if header.alg != "EdDSA" || header.typ != kind || parts.next().is_some() {
        return Err(Untrue::Malformed);
    }
    let key = keys
        .keys
        .iter()
        .find(|k| k.kid == header.kid)
        .ok_or(Untrue::UnknownKey)?;
    let key = BASE64
        .decode(&key.x)
        .ok()
        .and_then(|x| PublicKey::from_slice(&x).ok())
        .ok_or(Untrue::UnknownKey)?;
    let signature = Signature::from_slice(&signature).map_err(|_| Untrue::Changed)?;
    let signed = receipt.rfind('.').map_or("", |end| &receipt[..end]);
    key.verify(signed, &signature)
        .map_err(|_| Untrue::Changed)?;
    serde_json::from_slice(&body).map_err(|_| Untrue::Malformed)
}

/// How the text of our `iTXt` chunk begins: keyword, no compression, no language, no translated
/// keyword (PNG third edition, section 11.3.3.4).
const LABEL: &[u8] = b"baoan-receipt\0\0\0\0\0";
/// Signature and IHDR, which comes first.
const AFTER_HEADER: usize = 8 + 25;

/// The PNG with the receipt inside.
pub fn in_picture(png: &[u8], receipt: &str) -> Vec<u8> {
    let Some((head, rest)) = png.split_at_checked(AFTER_HEADER) else {
        return png.to_vec();
    };
    let chunk = [b"iTXt", LABEL, receipt.as_bytes()].concat();
    let length = u32::try_from(chunk.len() - 4).unwrap_or(u32::MAX);
    [
        head,
        &length.to_be_bytes(),
        &chunk,
        &crc32(&chunk).to_be_bytes(),
        rest,
    ]
    .concat()
}

/// The receipt inside a PNG; `None` if there is none or a chat app recompressed the picture.
pub fn from_picture(png: &[u8]) -> Option<String> {
    let mut rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    loop {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let chunk = after.get(..length.checked_add(4)?)?;
        if let Some(text) = chunk
            .strip_prefix(b"iTXt")
            .and_then(|c| c.strip_prefix(LABEL))
        {
            return String::from_utf8(text.to_vec()).ok();
        }
        rest = after.get(length + 8..)?;
    }
}

/// PNG third edition, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| {
        if crc & 1 == 1 {
            0xEDB8_8320 ^ (crc >> 1)
        } else {
            crc >> 1
        }
    };
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof {
            insurer: "平安示例".into(),
            claim_no: "BA2026112200001".into(),
            reported_at: Moment(1_700_000_000),
            issued_at: Moment(1_700_000_100),
            notice_sha256: "a".repeat(64),
            events: 3,
            events_sha256: "b".repeat(64),
            files: vec![ProvenFile {
                document: "scene".into(),
                bytes: 280_000,
                sha256: "c".repeat(64),
                original_sha256: "d".repeat(64),
                received_at: Moment(1_700_000_050),
            }],
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let signer = Signer::new([7; 32]);
        let keys = Keys {
            keys: vec![Signer::new([8; 32]).key(), signer.key()],
        };
        let receipt = signer.sign(&proof());
        assert_eq!(check(&receipt, &keys), Ok(proof()));
        assert_eq!(check(&format!(" {receipt}\n"), &keys), Ok(proof()));
        for i in 0..receipt.len() {
            for bit in 0..7 {
                let mut bytes = receipt.clone().into_bytes();
                bytes[i] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else {
                    continue;
                };
                if changed.trim() != receipt {
                    assert!(check(&changed, &keys).is_err(), "byte {i}, bit {bit}");
                }
            }
        }
        assert_eq!(
            check(
                &receipt,
                &Keys {
                    keys: vec![Signer::new([8; 32]).key()]
                }
            ),
            Err(Untrue::UnknownKey)
        );
        assert!(check(&receipt[..receipt.len() - 4], &keys).is_err());
        for nonsense in [
            "",
            ".",
            "..",
            "a.b.c",
            "....",
            "{}",
            &receipt.replace('.', ""),
        ] {
            assert_eq!(
                check(nonsense, &keys),
                Err(Untrue::Malformed),
                "{nonsense:?}"
            );
        }
    }

    /// RFC 8037, appendix A.2: the thumbprint of the key of appendix A.1.
    #[test]
    fn keys_are_named_as_the_standard_says() {
        let seed = BASE64
            .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
            .unwrap();
        let key = Signer::new(seed.try_into().unwrap()).key();
        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_picture_carries_it() {
        let png = [
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
            &[0; 17],
            b"\0\0\0\0IEND\xaeB`\x82",
        ]
        .concat();
        let receipt = Signer::new([7; 32]).sign(&proof());
        let with = in_picture(&png, &receipt);
        assert_eq!(from_picture(&with).as_deref(), Some(receipt.as_str()));
        assert_eq!(from_picture(&png), None);
        assert_eq!(crc32(b"IEND"), 0xAE42_6082);
        for end in 0..with.len() {
            let _ = from_picture(&with[..end]);
        }
        assert_eq!(in_picture(b"GIF", &receipt), b"GIF");
    }
}

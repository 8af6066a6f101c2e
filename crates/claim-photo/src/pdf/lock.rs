//! The standard security handler (ISO 32000-2 7.6.4): many documents are encrypted with only an
//! owner password and open for everybody with the empty one.

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit, StreamCipher};
use md5::Md5;
use rc4::Rc4;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::syntax::{after, has_name, number_of, string};

/// Pads a password (7.6.4.3.2).
const PADDING: [u8; 32] =
    *b"\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A";

#[derive(Clone, Copy)]
enum Cipher {
    Identity,
    Rc4,
    /// AES-128 with a key for each object.
    Aes128,
    /// AES-256 with one key.
    Aes256,
}

/// Decrypts the streams of a document.
pub(super) struct Lock {
    key: Vec<u8>,
    cipher: Cipher,
}

impl Lock {
    /// From its encryption dictionary and the first part of its identifier. `None` if it needs a
    /// password or another handler.
    pub(super) fn opened(encrypt: &[u8], id: &[u8]) -> Option<Lock> {
        let number = |key: &[u8]| number_of(encrypt, key);
        let (version, revision) = (number(b"V").unwrap_or(0), number(b"R")?);
        let (owner, user) = (string(encrypt, b"O")?, string(encrypt, b"U")?);
        if !has_name(encrypt, b"Filter", b"Standard") {
            return None;
        }
        let named = |method: &[u8]| has_name(encrypt, b"CFM", method);
        let cipher = match version {
            1..=3 => Cipher::Rc4,
            _ if has_name(encrypt, b"StmF", b"Identity") || after(encrypt, b"StmF").is_none() => {
                Cipher::Identity
            }
            _ if named(b"AESV3") => Cipher::Aes256,
            _ if named(b"AESV2") => Cipher::Aes128,
            _ if named(b"V2") => Cipher::Rc4,
            _ => Cipher::Identity,
        };
        let key = match revision {
            2..=4 => {
                let length = match (revision, version) {
                    (2, _) => 5,
                    (_, 4) => 16,
                    _ => (number(b"Length").unwrap_or(40) / 8).clamp(5, 16) as usize,
                };
                former(encrypt, id, revision, length, owner.get(..32)?, &user)?
            }
            5 | 6 => {
                // The empty password is the user's, or else the owner's, whose hashes include the
                // user's entry (7.6.4.3.4).
                let user = user.get(..48)?;
                let opens = |entry: &[u8], more: &[u8]| {
                    Some(hash(revision, entry.get(32..40)?, more) == *entry.first_chunk()?)
                };
                let (entry, more, sealed) = if opens(user, b"")? {
                    (user, &b""[..], b"UE")
                } else {
                    (&owner[..], user, b"OE")
                };
                if !opens(entry, more)? {
                    return None;
                }
                let mut key = string(encrypt, sealed)?.get(..32)?.to_vec();
                let between = hash(revision, entry.get(40..48)?, more);
                let cipher = cbc::Decryptor::<aes::Aes256>::new(&between.into(), &[0; 16].into());
                cipher.decrypt_padded::<NoPadding>(&mut key).ok()?;
                key
            }
            _ => return None,
        };
        Some(Lock { key, cipher })
    }

    /// Decrypts an object's stream; `length` if the dictionary gives it, because what lies between
    /// the end and the word `endstream` is not part of it.
    pub(super) fn stream(
        &self,
        number: u64,
        generation: u64,
        bytes: &[u8],
        length: Option<u64>,
    ) -> Option<Vec<u8>> {
        let bytes = length
            .and_then(|n| bytes.get(..usize::try_from(n).ok()?))
            .filter(|b| !b.is_empty())
            .unwrap_or(bytes);
        match self.cipher {
            Cipher::Identity => Some(bytes.to_vec()),
            Cipher::Rc4 => {
                let mut opened = bytes.to_vec();
                Rc4::new_from_slice(&self.of_object(number, generation, b""))
                    .ok()?
                    .apply_keystream(&mut opened);
                Some(opened)
            }
            Cipher::Aes128 => {
                let key: [u8; 16] = self
                    .of_object(number, generation, b"sAlT")
                    .try_into()
                    .ok()?;
                let (vector, mut opened) = parted(bytes)?;
                cbc::Decryptor::<aes::Aes128>::new(&key.into(), &vector.into())
                    .decrypt_padded::<NoPadding>(&mut opened)
                    .ok()?;
                Some(opened)
            }
            Cipher::Aes256 => {
                let key: [u8; 32] = self.key.as_slice().try_into().ok()?;
                let (vector, mut opened) = parted(bytes)?;
                cbc::Decryptor::<aes::Aes256>::new(&key.into(), &vector.into())
                    .decrypt_padded::<NoPadding>(&mut opened)
                    .ok()?;
                Some(opened)
            }
        }
    }

    /// Algorithm 1 (7.6.3.2).
    fn of_object(&self, number: u64, generation: u64, salt: &[u8]) -> Vec<u8> {
        let (number, generation) = (number.to_le_bytes(), generation.to_le_bytes());
        let digest = Md5::digest([&self.key, &number[..3], &generation[..2], salt].concat());
        digest[..(self.key.len() + 5).min(16)].to_vec()
    }
}

/// The initialization vector and whole blocks; the padding stays at the end, where inflating
/// ignores it.
fn parted(bytes: &[u8]) -> Option<([u8; 16], Vec<u8>)> {
    let (vector, rest) = bytes.split_first_chunk::<16>()?;
    Some((*vector, rest[..rest.len() / 16 * 16].to_vec()))
}

/// Algorithms 2, 4, 5 and 6 (7.6.4.3, 7.6.4.4) for the empty password.
fn former(
    encrypt: &[u8],
    id: &[u8],
    revision: u64,
    length: usize,
    owner: &[u8],
    user: &[u8],
) -> Option<Vec<u8>> {
    let permissions = {
        let value = after(encrypt, b"P")?.trim_ascii_start();
        let text = &value[..value
            .iter()
            .take_while(|b| b.is_ascii_digit() || **b == b'-')
            .count()];
        // Some write it unsigned.
        std::str::from_utf8(text).ok()?.parse::<i64>().ok()? as u32
    };
    let clear_metadata = after(encrypt, b"EncryptMetadata")
        .is_some_and(|v| v.trim_ascii_start().starts_with(b"false"));
    let more: &[u8] = if revision >= 4 && clear_metadata {
        &[0xFF; 4]
    } else {
        &[]
    };
    let mut key = Md5::digest([&PADDING[..], owner, &permissions.to_le_bytes(), id, more].concat());
    if revision >= 3 {
        for _ in 0..50 {
            key = Md5::digest(&key[..length]);
        }
    }
    let key = key[..length].to_vec();
    let turned = |by: u8, bytes: &mut [u8]| {
        let key: Vec<u8> = key.iter().map(|b| b ^ by).collect();
        Rc4::new_from_slice(&key)
            .map(|mut cipher| cipher.apply_keystream(bytes))
            .ok()
    };
    let mut check = if revision == 2 {
        PADDING.to_vec()
    } else {
        Md5::digest([&PADDING[..], id].concat()).to_vec()
    };
    let rounds = if revision == 2 { 1 } else { 20 };
    for by in 0..rounds {
        turned(by, &mut check)?;
    }
    user.starts_with(&check).then_some(key)
}

/// Algorithm 2.B (7.6.4.3.4) for the empty password; `more` is the user's entry when hashing for
/// the owner's. Revision 5 has only its first step.
fn hash(revision: u64, salt: &[u8], more: &[u8]) -> [u8; 32] {
    let mut key = Sha256::digest([salt, more].concat()).to_vec();
    let (mut round, mut last) = (0usize, 0u8);
    while revision == 6 && (round < 64 || usize::from(last) + 32 > round) {
        let mut block = [&key, more].concat().repeat(64);
        let (secret, vector): ([u8; 16], [u8; 16]) = (
            std::array::from_fn(|i| key[i]),
            std::array::from_fn(|i| key[16 + i]),
        );
        let length = block.len();
        // Sixty-four times any length makes whole blocks.
        let _ = cbc::Encryptor::<aes::Aes128>::new(&secret.into(), &vector.into())
            .encrypt_padded::<NoPadding>(&mut block, length);
        key = match block[..16].iter().map(|b| u32::from(*b)).sum::<u32>() % 3 {
            0 => Sha256::digest(&block).to_vec(),
            1 => Sha384::digest(&block).to_vec(),
            _ => Sha512::digest(&block).to_vec(),
        };
        last = block[length - 1];
        round += 1;
    }
    std::array::from_fn(|i| key[i])
}

//! Personal values at rest: sealed with AES-256-GCM, looked up by HMAC. The key is a file of the data directory,
//! readable by its owner only; without it the database tells no name, number or phone.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use claim_api::proof::Signer;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

#[derive(Clone)]
pub struct Vault {
    cipher: Aes256Gcm,
    index_key: [u8; 32],
    receipt_seed: [u8; 32],
    peer_seed: [u8; 32],
}

/// `N` bytes of the operating system's randomness.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The kernel's generator does not fail once it has started; without randomness no token may be made.
    getrandom::fill(&mut bytes).unwrap_or_else(|e| panic!("no randomness: {e}"));
    bytes
}

/// An unguessable name of 256 bits.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Whether somebody's text can be a SHA-256: hex in lower case.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Vault {
    /// Opens the key of a data directory, and makes one the first time.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is not a key.
    pub fn open(data: &Path) -> io::Result<Vault> {
        let path = data.join("secret.key");
        let key = match fs::read(&path) {
            Ok(key) => key,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let key = random::<32>().to_vec();
                let mut options = fs::OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                let mut file = options.open(&path)?;
                file.write_all(&key)?;
                file.sync_all()?;
                key
            }
            Err(e) => return Err(e),
        };
        let key: [u8; 32] = key.try_into().map_err(|_| io::Error::other(format!("{} is not a key of 32 bytes", path.display())))?;
        let derived = |purpose: &str| -> [u8; 32] { mac(&key, purpose.as_bytes()) };
        Ok(Vault {
            cipher: Aes256Gcm::new(&derived("seal").into()),
            index_key: derived("index"),
            receipt_seed: derived("receipt"),
            peer_seed: derived("peer"),
        })
    }

    pub fn seal(&self, text: &str) -> String {
        let nonce = random::<12>();
        // Encrypting fails only above 64 GiB.
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), text.as_bytes()).unwrap_or_default();
        STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    /// `None`: sealed with another key, or changed since.
    pub fn open_text(&self, sealed: &str) -> Option<String> {
        let bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<12>()?;
        String::from_utf8(self.cipher.decrypt(&Nonce::from(*nonce), sealed).ok()?).ok()
    }

    /// What receipts are signed with.
    pub fn signer(&self) -> Signer {
        Signer::new(self.receipt_seed)
    }

    /// `hmac-sha256=` and the HMAC of a body, with the key for `peer`.
    pub fn signature(&self, peer: &str, body: &[u8]) -> String {
        format!("hmac-sha256={}", hex(&mac(&self.peer_key(peer), body)))
    }

    /// Compared without telling by time how much of it is right.
    pub fn is_signed(&self, peer: &str, body: &[u8], signature: &[u8]) -> bool {
        let right = self.signature(peer, body);
        mac(&self.index_key, right.as_bytes()) == mac(&self.index_key, signature)
    }

    /// The key that another system signs with, in hex, for its operator.
    pub fn peer_key(&self, peer: &str) -> [u8; 32] {
        mac(&self.peer_seed, peer.as_bytes())
    }

    /// The same text always gives the same index, and nothing else tells the text.
    pub fn index(&self, kind: &str, text: &str) -> String {
        hex(&mac(&self.index_key, format!("{kind}\0{text}").as_bytes()))
    }
}

fn mac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length.
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap_or_else(|e| panic!("{e}"));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_text_opens_only_with_its_own_key_and_unchanged() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let vault = Vault::open(one.path()).unwrap();
        let sealed = vault.seal("11010519491231002X");
        assert_ne!(sealed, vault.seal("11010519491231002X"));
        assert_eq!(Vault::open(one.path()).unwrap().open_text(&sealed).as_deref(), Some("11010519491231002X"));
        assert_eq!(Vault::open(two.path()).unwrap().open_text(&sealed), None);
        let mut broken = sealed.into_bytes();
        broken[20] ^= 1;
        assert_eq!(vault.open_text(std::str::from_utf8(&broken).unwrap()), None);
        assert_eq!(vault.index("phone", "1"), vault.index("phone", "1"));
        assert_ne!(vault.index("phone", "1"), vault.index("id", "1"));
    }
}

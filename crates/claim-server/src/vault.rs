//! Encryption of personal values at rest.
//!
//! Every claim has its own data key, and so has every file: what belongs to a claim is sealed with
//! them (AES-256-GCM; files AES-256-CTR, whose SHA-256 is in the log), and they are sealed with the
//! installation key (envelope keys, NIST SP 800-57 part 1, 5.3). So the installation key can be
//! changed without touching sealed data, and a claim is erased by forgetting its key. Each sealed
//! value is bound to its place and cannot be moved to another row. People are looked up by HMAC.
//!
//! The installation key is a file of 32 bytes, in the data directory or elsewhere; without it,
//! nothing in the database and the files opens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use claim_api::proof::Signer;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Clones share everything.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    /// The installation key, and its name in what it has sealed.
    key: DataKey,
    name: String,
    /// The key of values sealed by the first versions.
    former: DataKey,
    index_key: [u8; 32],
    receipt_seed: [u8; 32],
    peer_seed: [u8; 32],
    /// Data keys of recently opened claims, by claim.
    known: Mutex<HashMap<String, Arc<DataKey>>>,
}

/// The key that seals values of one claim, or of the installation.
pub struct DataKey(Aes256Gcm);

impl DataKey {
    fn new(key: [u8; 32]) -> DataKey {
        DataKey(Aes256Gcm::new(&key.into()))
    }

    /// Seals a value for one place: `table.column/row`.
    pub fn seal(&self, place: &str, text: &str) -> String {
        self.seal_bytes(place, text.as_bytes())
    }

    /// `None`: sealed with another key or for another place, or changed since.
    pub fn open(&self, place: &str, sealed: &str) -> Option<String> {
        String::from_utf8(self.open_bytes(place, sealed)?).ok()
    }

    fn seal_bytes(&self, place: &str, msg: &[u8]) -> String {
        let nonce = random::<12>();
        // Encrypting fails only above 64 GiB.
        let sealed = self
            .0
            .encrypt(
                &Nonce::from(nonce),
                Payload {
                    msg,
                    aad: place.as_bytes(),
                },
            )
            .unwrap_or_default();
        STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    fn open_bytes(&self, place: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, msg) = bytes.split_first_chunk::<12>()?;
        self.0
            .decrypt(
                &Nonce::from(*nonce),
                Payload {
                    msg,
                    aad: place.as_bytes(),
                },
            )
            .ok()
    }
}

/// The key of one file, usable from any byte on: a file arrives in pieces. A piece that failed its
/// checksum is rewritten over the same key stream; whoever saw both on the disk may compare them.
#[derive(Clone)]
pub struct FileKey([u8; 32]);

impl FileKey {
    /// Seals or opens, which is the same, the bytes at offset `at`.
    pub fn apply(&self, at: u64, bytes: &mut [u8]) {
        let mut cipher = ctr::Ctr128BE::<aes::Aes256>::new(&self.0.into(), &[0; 16].into());
        cipher.seek(at);
        cipher.apply_keystream(bytes);
    }
}

/// `N` bytes of the operating system's randomness.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The kernel's generator does not fail once it has started; without randomness no token may be
    // made.
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
    /// With the key of the installation.
    pub fn new(key: [u8; 32]) -> Vault {
        let derived = |purpose: &str| -> [u8; 32] { mac(&key, purpose.as_bytes()) };
        Vault(Arc::new(Inner {
            key: DataKey::new(derived("envelope")),
            name: hex(&derived("name")[..4]),
            former: DataKey::new(derived("seal")),
            index_key: derived("index"),
            receipt_seed: derived("receipt"),
            peer_seed: derived("peer"),
            known: Mutex::default(),
        }))
    }

    /// Seals what belongs to no claim, for one place: `table.column/row`. The key's name goes in
    /// front.
    pub fn seal(&self, place: &str, text: &str) -> String {
        format!("{}${}", self.0.name, self.0.key.seal(place, text))
    }

    /// `None`: sealed with another key or for another place, or changed since.
    pub fn open_text(&self, place: &str, sealed: &str) -> Option<String> {
        String::from_utf8(self.opened(place, sealed)?).ok()
    }

    fn opened(&self, place: &str, sealed: &str) -> Option<Vec<u8>> {
        let (name, sealed) = sealed.split_once('$')?;
        if name == self.0.name {
            self.0.key.open_bytes(place, sealed)
        } else {
            None
        }
    }

    /// What was sealed before claims had keys of their own.
    pub fn open_former(&self, sealed: &str) -> Option<String> {
        // Bound to no place.
        self.0.former.open("", sealed)
    }

    #[cfg(test)]
    pub fn seal_former(&self, text: &str) -> String {
        self.0.former.seal("", text)
    }

    /// A new data key for a claim, sealed as it is kept in its row.
    pub fn new_claim_key(&self, claim_id: &str) -> String {
        format!(
            "{}${}",
            self.0.name,
            self.0
                .key
                .seal_bytes(&format!("claim.key/{claim_id}"), &random::<32>())
        )
    }

    /// The data key of a claim; `None`: it was sealed with another key, or forgotten.
    pub fn claim_key(&self, claim_id: &str, sealed: &str) -> Option<Arc<DataKey>> {
        if let Some(known) = self.known_key(claim_id) {
            return Some(known);
        }
        let key: [u8; 32] = self
            .opened(&format!("claim.key/{claim_id}"), sealed)?
            .try_into()
            .ok()?;
        let key = Arc::new(DataKey::new(key));
        let mut all = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= 10_000 {
            all.clear();
        }
        all.insert(claim_id.to_owned(), key.clone());
        Some(key)
    }

    /// Forgets a key that was not stored after all, or no longer exists.
    pub fn forget(&self, claim_id: &str) {
        self.0
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(claim_id);
    }

    pub fn known_key(&self, claim_id: &str) -> Option<Arc<DataKey>> {
        self.0
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(claim_id)
            .cloned()
    }

    /// A new key for a file that belongs to nobody yet, and its stored form.
    pub fn new_file_key(&self, upload: &str) -> (FileKey, String) {
        let key = random::<32>();
        (
            FileKey(key),
            format!(
                "{}${}",
                self.0.name,
                self.0.key.seal_bytes(&format!("upload.key/{upload}"), &key)
            ),
        )
    }

    /// The key of a file; once the file belongs to a claim, it is sealed with the claim's key.
    pub fn file_key(&self, upload: &str, sealed: &str, claim: Option<&DataKey>) -> Option<FileKey> {
        let place = format!("upload.key/{upload}");
        let key = match claim {
            Some(claim) => claim.open_bytes(&place, sealed)?,
            None => self.opened(&place, sealed)?,
        };
        Some(FileKey(key.try_into().ok()?))
    }

    /// The stored form of a file's key once the file belongs to a claim.
    pub fn file_key_for(&self, upload: &str, key: &FileKey, claim: &DataKey) -> String {
        claim.seal_bytes(&format!("upload.key/{upload}"), &key.0)
    }

    /// What receipts are signed with.
    pub fn signer(&self) -> Signer {
        Signer::new(self.0.receipt_seed)
    }

    /// `hmac-sha256=` and the HMAC of a body, with the key for `peer`.
    pub fn signature(&self, peer: &str, body: &[u8]) -> String {
        format!("hmac-sha256={}", hex(&mac(&self.peer_key(peer), body)))
    }

    /// The HMAC-SHA256 of a text, with the key for `peer`.
    pub fn mac(&self, peer: &str, text: &[u8]) -> [u8; 32] {
        mac(&self.peer_key(peer), text)
    }

    /// Compares in constant time.
    pub fn is_signed(&self, peer: &str, body: &[u8], signature: &[u8]) -> bool {
        let right = self.signature(peer, body);
        mac(&self.0.index_key, right.as_bytes()) == mac(&self.0.index_key, signature)
    }

    /// The key that another system signs with, in hex, for its operator.
    pub fn peer_key(&self, peer: &str) -> [u8; 32] {
        mac(&self.0.peer_seed, peer.as_bytes())
    }

    /// The same text always gives the same index, which does not reveal the text.
    pub fn index(&self, kind: &str, text: &str) -> String {
        hex(&mac(
            &self.0.index_key,
            format!("{kind}\0{text}").as_bytes(),
        ))
    }
}

fn mac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length.
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).unwrap_or_else(|e| panic!("{e}"));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_text_opens_only_with_its_own_key_in_its_own_place_and_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let open =
            |name: &str| Vault::new(crate::store::disk::key(&folder.path().join(name)).unwrap());
        let vault = open("one");
        let sealed = vault.seal("t.c/1", "11010519491231002X");
        assert_ne!(sealed, vault.seal("t.c/1", "11010519491231002X"));
        assert_eq!(
            open("one").open_text("t.c/1", &sealed).as_deref(),
            Some("11010519491231002X")
        );
        assert_eq!(open("two").open_text("t.c/1", &sealed), None);
        assert_eq!(vault.open_text("t.c/2", &sealed), None, "another row");
        let mut broken = sealed.into_bytes();
        broken[20] ^= 1;
        assert_eq!(
            vault.open_text("t.c/1", std::str::from_utf8(&broken).unwrap()),
            None
        );
        assert_eq!(vault.index("phone", "1"), vault.index("phone", "1"));
        assert_ne!(vault.index("phone", "1"), vault.index("id", "1"));
        let kept = vault.new_claim_key("a");
        let sealed = vault
            .claim_key("a", &kept)
            .unwrap()
            .seal("claim.notice/a", "secret");
        assert_eq!(
            open("one")
                .claim_key("a", &kept)
                .unwrap()
                .open("claim.notice/a", &sealed)
                .as_deref(),
            Some("secret")
        );
        assert!(
            open("one").claim_key("b", &kept).is_none(),
            "the key of another claim"
        );
        let (key, kept) = vault.new_file_key("u");
        let mut bytes = *b"a photo that arrives in pieces, each of which is sealed where it stands";
        let plain = bytes;
        for at in [0, 1, 7, 40] {
            key.apply(at as u64, &mut bytes[at..at + 1]);
        }
        for at in 0..bytes.len() {
            if ![0, 1, 7, 40].contains(&at) {
                key.apply(at as u64, &mut bytes[at..at + 1]);
            }
        }
        assert_ne!(bytes, plain);
        open("one")
            .file_key("u", &kept, None)
            .unwrap()
            .apply(0, &mut bytes);
        assert_eq!(bytes, plain);
    }

    /// Item 43: no nonce repeats in a million.
    #[test]
    fn item_43_nonces_do_not_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::new(crate::store::disk::key(&folder.path().join("key")).unwrap());
        let mut seen = std::collections::HashSet::with_capacity(1_000_000);
        assert!(
            (0..1_000_000).all(|_| seen.insert(random::<12>())),
            "a nonce came twice"
        );
        let nonce = |sealed: String| {
            STANDARD_NO_PAD
                .decode(sealed.split_once('$').unwrap().1)
                .unwrap()[..12]
                .to_vec()
        };
        assert_ne!(nonce(vault.seal("a", "x")), nonce(vault.seal("a", "x")));
    }
}

//! Encryption of personal values at rest.
//!
//! Every claim has its own data key, and so has every file: what belongs to a claim is sealed with
//! them (AES-256-GCM; files AES-256-CTR, whose SHA-256 is in the log), and they are sealed with the
//! installation key (envelope keys, NIST SP 800-57 part 1, 5.3). So the installation key can be
//! changed without touching sealed data, and a claim is erased by forgetting its key. Each sealed
//! value is bound to its place and cannot be moved to another row. People are looked up by HMAC.
//!
//! The installation key is a file of 32 bytes, in the data directory or elsewhere; without it,
//! nothing in the database and the files opens. After a rotation the file has several, the newest
//! first: that one seals, all open. A key that another process has put there is found the moment
//! something is met that it has sealed.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use claim_api::proof::{Key, Keys, Signer};
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Clones share everything.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    source: Source,
    ring: RwLock<Ring>,
    /// Data keys of recently opened claims, by claim.
    known: Mutex<HashMap<String, Arc<DataKey>>>,
}

/// Reads the installation keys, the newest first.
type Source = Box<dyn Fn() -> io::Result<Vec<[u8; 32]>> + Send + Sync>;

struct Ring {
    /// The newest first; never empty.
    keys: Vec<InstallationKey>,
    secrets: Secrets,
}

struct InstallationKey {
    /// Its name in what it has sealed.
    name: String,
    envelope: DataKey,
    /// For values sealed by the first versions.
    former: DataKey,
}

impl InstallationKey {
    fn new(key: &[u8; 32]) -> InstallationKey {
        InstallationKey {
            name: hex(&derived(key, "name")[..4]),
            envelope: DataKey::new(derived(key, "envelope")),
            former: DataKey::new(derived(key, "seal")),
        }
    }
}

fn derived(key: &[u8; 32], purpose: &str) -> [u8; 32] {
    mac(key, purpose.as_bytes())
}

fn installation(keys: &[[u8; 32]]) -> io::Result<Vec<InstallationKey>> {
    if keys.is_empty() {
        return Err(io::Error::other("there is no key"));
    }
    Ok(keys.iter().map(InstallationKey::new).collect())
}

/// What outlives the installation key: kept in the database, sealed with it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    /// For indexes. It never changes: the same text has to have the same index for ever.
    index: [u8; 32],
    receipt: [u8; 32],
    /// The public keys of receipts signed before.
    former_receipts: Vec<Key>,
    peer: [u8; 32],
    /// The keys of systems that have been given a new one.
    peers: BTreeMap<String, PeerKey>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct PeerKey {
    key: [u8; 32],
    /// The one that it will have: valid already beside the other.
    next: Option<[u8; 32]>,
}

impl Secrets {
    /// As the first installation key has it.
    fn of(key: &[u8; 32]) -> Secrets {
        Secrets {
            index: derived(key, "index"),
            receipt: derived(key, "receipt"),
            former_receipts: Vec::new(),
            peer: derived(key, "peer"),
            peers: BTreeMap::new(),
        }
    }

    /// Another key for receipts; those signed before stay valid.
    pub fn renew_receipts(&mut self) {
        let former = Signer::new(self.receipt).key();
        self.former_receipts.insert(0, former);
        self.receipt = random();
    }

    fn peer(&self, peer: &str) -> PeerKey {
        let first = || PeerKey {
            key: mac(&self.peer, peer.as_bytes()),
            next: None,
        };
        self.peers.get(peer).cloned().unwrap_or_else(first)
    }

    /// Makes the next key of a system, unless there is one; both are valid from now on.
    pub fn prepare_peer(&mut self, peer: &str) -> [u8; 32] {
        let mut keys = self.peer(peer);
        let next = *keys.next.get_or_insert_with(random);
        self.peers.insert(peer.to_owned(), keys);
        next
    }

    /// From now on only the next key of a system is valid; `false` if there is none.
    pub fn switch_peer(&mut self, peer: &str) -> bool {
        let Some(key) = self.peer(peer).next else {
            return false;
        };
        self.peers
            .insert(peer.to_owned(), PeerKey { key, next: None });
        true
    }
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
    /// # Errors
    /// When the keys cannot be read.
    pub fn open(
        source: impl Fn() -> io::Result<Vec<[u8; 32]>> + Send + Sync + 'static,
    ) -> io::Result<Vault> {
        let keys = source()?;
        let ring = Ring {
            secrets: Secrets::of(keys.last().unwrap_or(&[0; 32])),
            keys: installation(&keys)?,
        };
        Ok(Vault(Arc::new(Inner {
            source: Box::new(source),
            ring: RwLock::new(ring),
            known: Mutex::default(),
        })))
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the installation keys again.
    ///
    /// # Errors
    /// When that fails; then nothing changes.
    pub fn reread(&self) -> io::Result<()> {
        let keys = installation(&(self.0.source)()?)?;
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.keys = keys;
        Ok(())
    }

    pub fn is_newest(&self, name: &str) -> bool {
        self.ring().keys.first().is_some_and(|key| key.name == name)
    }

    /// The names of the installation keys, the newest first.
    pub fn names(&self) -> Vec<String> {
        self.ring()
            .keys
            .iter()
            .map(|key| key.name.clone())
            .collect()
    }

    pub fn secrets(&self) -> Secrets {
        self.ring().secrets.clone()
    }

    pub fn use_secrets(&self, secrets: Secrets) {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.secrets = secrets;
    }

    /// Seals what belongs to no claim, for one place: `table.column/row`. The key's name goes in
    /// front.
    pub fn seal(&self, place: &str, text: &str) -> String {
        self.sealed(place, text.as_bytes())
    }

    fn sealed(&self, place: &str, bytes: &[u8]) -> String {
        let ring = self.ring();
        // Never empty.
        ring.keys.first().map_or_else(String::new, |key| {
            format!("{}${}", key.name, key.envelope.seal_bytes(place, bytes))
        })
    }

    /// `None`: sealed with another key or for another place, or changed since.
    pub fn open_text(&self, place: &str, sealed: &str) -> Option<String> {
        String::from_utf8(self.opened(place, sealed)?).ok()
    }

    /// The same value under the newest installation key; `None` as for [`Vault::open_text`].
    pub fn reseal(&self, place: &str, sealed: &str) -> Option<String> {
        Some(self.sealed(place, &self.opened(place, sealed)?))
    }

    fn opened(&self, place: &str, sealed: &str) -> Option<Vec<u8>> {
        let (name, sealed) = sealed.split_once('$')?;
        let open = || {
            let ring = self.ring();
            let key = ring.keys.iter().find(|key| key.name == name)?;
            Some(key.envelope.open_bytes(place, sealed))
        };
        if let Some(opened) = open() {
            return opened;
        }
        // Another process may have changed the key.
        self.reread().ok()?;
        open()?
    }

    /// What was sealed before claims had keys of their own.
    pub fn open_former(&self, sealed: &str) -> Option<String> {
        // Bound to no place.
        let ring = self.ring();
        ring.keys.iter().find_map(|key| key.former.open("", sealed))
    }

    #[cfg(test)]
    pub fn seal_former(&self, text: &str) -> String {
        self.ring().keys[0].former.seal("", text)
    }

    /// A new data key for a claim, sealed as it is kept in its row.
    pub fn new_claim_key(&self, claim_id: &str) -> String {
        self.sealed(&place_of_claim_key(claim_id), &random::<32>())
    }

    /// The data key of a claim; `None`: it was sealed with another key, or forgotten.
    pub fn claim_key(&self, claim_id: &str, sealed: &str) -> Option<Arc<DataKey>> {
        if let Some(known) = self.known_key(claim_id) {
            return Some(known);
        }
        let key: [u8; 32] = self
            .opened(&place_of_claim_key(claim_id), sealed)?
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

    /// Forgets the keys of all claims: they are read again, unless they no longer exist.
    pub fn forget_all(&self) {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
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
        let sealed = self.sealed(&place_of_file_key(upload), &key);
        (FileKey(key), sealed)
    }

    /// The key of a file; once the file belongs to a claim, it is sealed with the claim's key.
    pub fn file_key(&self, upload: &str, sealed: &str, claim: Option<&DataKey>) -> Option<FileKey> {
        let place = place_of_file_key(upload);
        let key = match claim {
            Some(claim) => claim.open_bytes(&place, sealed)?,
            None => self.opened(&place, sealed)?,
        };
        Some(FileKey(key.try_into().ok()?))
    }

    /// The stored form of a file's key once the file belongs to a claim.
    pub fn file_key_for(&self, upload: &str, key: &FileKey, claim: &DataKey) -> String {
        claim.seal_bytes(&place_of_file_key(upload), &key.0)
    }

    /// What receipts are signed with.
    pub fn signer(&self) -> Signer {
        Signer::new(self.ring().secrets.receipt)
    }

    /// What receipts may have been signed with.
    pub fn receipt_keys(&self) -> Keys {
        let secrets = &self.ring().secrets;
        let mut keys = vec![Signer::new(secrets.receipt).key()];
        keys.extend_from_slice(&secrets.former_receipts);
        Keys { keys }
    }

    /// `hmac-sha256=` and the HMAC of a body, with the key for `peer`.
    pub fn signature(&self, peer: &str, body: &[u8]) -> String {
        signature(&self.ring().secrets.peer(peer).key, body)
    }

    /// The HMACs (SHA-256) of a text with each valid key for `peer`, the present one first.
    pub fn macs(&self, peer: &str, text: &[u8]) -> Vec<[u8; 32]> {
        let keys = self.ring().secrets.peer(peer);
        let keys = std::iter::once(keys.key).chain(keys.next);
        keys.map(|key| mac(&key, text)).collect()
    }

    /// Compares in constant time.
    pub fn is_signed(&self, peer: &str, body: &[u8], said: &[u8]) -> bool {
        let ring = self.ring();
        let hidden = |text: &[u8]| mac(&ring.secrets.index, text);
        let keys = ring.secrets.peer(peer);
        let right = |key: [u8; 32]| hidden(signature(&key, body).as_bytes()) == hidden(said);
        // Both are always computed.
        let (now, next) = (right(keys.key), keys.next.is_some_and(right));
        now | next
    }

    /// The key that another system signs with, for its operator.
    pub fn peer_key(&self, peer: &str) -> [u8; 32] {
        self.ring().secrets.peer(peer).key
    }

    /// The same text always gives the same index, which does not reveal the text.
    pub fn index(&self, kind: &str, text: &str) -> String {
        let text = format!("{kind}\0{text}");
        hex(&mac(&self.ring().secrets.index, text.as_bytes()))
    }
}

pub(crate) fn place_of_claim_key(claim_id: &str) -> String {
    format!("claim.key/{claim_id}")
}

pub(crate) fn place_of_file_key(upload: &str) -> String {
    format!("upload.key/{upload}")
}

fn signature(key: &[u8; 32], body: &[u8]) -> String {
    format!("hmac-sha256={}", hex(&mac(key, body)))
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
        let open = |name: &str| {
            let path = folder.path().join(name);
            Vault::open(move || crate::store::disk::keys(&path)).unwrap()
        };
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
        let path = folder.path().join("key");
        let vault = Vault::open(move || crate::store::disk::keys(&path)).unwrap();
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

//! What the structure of a PDF says (ISO 32000-1): whether it is locked and how many pages it has.
//! Nothing is rendered.
//!
//! Trailers and cross-reference streams are never encrypted, so `/Encrypt` is found there (7.6.1);
//! whatever opens without a password is opened. The page tree may be packed into object streams
//! (7.5.7), which are unpacked within a limit.

mod lock;
mod metadata;
mod syntax;

use std::borrow::Cow;
use std::collections::BTreeMap;

use claim_domain::checks::Pdf;

use crate::PhotoError;
use lock::Lock;
pub use metadata::without_metadata;
use syntax::{
    after, closing, dictionaries, first_string, has_key, has_name, is_trailer, named, number_of,
    parts, reference,
};

/// Unpacked bytes of all object streams together; a larger document has more pages than anybody
/// reads.
const MOST_UNPACKED: usize = 32 << 20;

/// # Errors
/// [`PhotoError::DamagedPdf`] when no page is found.
pub fn inspect(file: &[u8]) -> Result<Pdf, PhotoError> {
    let Some(value) = encrypt(file) else {
        return pages(file, PLAIN);
    };
    // A dictionary of its own, or one in the trailer.
    let plain = Objects::of(file, &[]);
    let direct = value
        .trim_ascii_start()
        .starts_with(b"<<")
        .then(|| value.trim_ascii_start());
    let dictionary = direct
        .map(|d| &d[..closing(d, 0)])
        .or_else(|| plain.0.get(&reference(value)?).copied());
    let id = trailers(file)
        .filter_map(|d| first_string(after(d, b"ID")?))
        .last()
        .unwrap_or_default();
    let Some(lock) = dictionary.and_then(|d| Lock::opened(d, &id)) else {
        return Ok(Pdf {
            pages: 0,
            locked: true,
        });
    };
    let open = |dictionary: &[u8], stream: &[u8]| {
        let (number, generation) = named(file, dictionary)?;
        lock.stream(number, generation, stream, number_of(dictionary, b"Length"))
    };
    pages(file, Some(open))
}

/// What was found, and what to store unless it is the file itself.
pub type Stored = (Pdf, Option<Vec<u8>>);

/// The same for most documents, with what to store of them ([`without_metadata`]), in a fraction of
/// the code. `None` if it is encrypted, or packs who made it into an object stream.
///
/// # Errors
/// As [`inspect`].
pub fn inspect_plain(file: &[u8]) -> Result<Option<Stored>, PhotoError> {
    if encrypt(file).is_some() || metadata::is_packed(file) {
        return Ok(None);
    }
    Ok(Some((pages(file, PLAIN)?, metadata::blanked(file))))
}

fn trailers(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    dictionaries(file).filter(|d| is_trailer(d))
}

/// What the last trailer says of encryption.
fn encrypt(file: &[u8]) -> Option<&[u8]> {
    trailers(file).filter_map(|d| after(d, b"Encrypt")).last()
}

/// What opens no stream: a type of its own, so that programs which open none carry no ciphers.
const PLAIN: Option<Opener> = None;
type Opener = fn(&[u8], &[u8]) -> Option<Vec<u8>>;

/// `open` decrypts a stream, given its dictionary.
fn pages(
    file: &[u8],
    open: Option<impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>>,
) -> Result<Pdf, PhotoError> {
    let mut pages = Pages::default();
    pages.read(file);
    let unpacked: Vec<_> = object_streams(file, open)
        .map(|(_, object)| object)
        .collect();
    unpacked.iter().for_each(|(_, _, bytes)| pages.read(bytes));
    let objects = Objects::of(file, &unpacked);
    let root = trailers(file)
        .last()
        .and_then(|d| reference(after(d, b"Root")?));
    let tree = root
        .and_then(|root| reference(after(objects.0.get(&root)?, b"Pages")?))
        .map(|tree| objects.pages(tree, &mut 100_000, 0));
    // The tree of the last revision; if it cannot be followed, whatever looks like pages.
    let count = tree
        .filter(|count| *count > 0)
        .unwrap_or(pages.counted.max(pages.seen));
    if count == 0 {
        Err(PhotoError::DamagedPdf)
    } else {
        Ok(Pdf {
            pages: u16::try_from(count).unwrap_or(u16::MAX),
            locked: false,
        })
    }
}

/// Each object stream as it lies in the file, with how many objects are in it, where the first one
/// begins, and its content.
fn object_streams<'a>(
    file: &'a [u8],
    open: Option<impl Fn(&[u8], &[u8]) -> Option<Vec<u8>> + 'a>,
) -> impl Iterator<Item = (&'a [u8], (u64, u64, Vec<u8>))> {
    let mut left = MOST_UNPACKED;
    parts(file).filter_map(move |(dictionary, stream)| {
        let stream = stream.filter(|_| has_name(dictionary, b"Type", b"ObjStm") && left > 0)?;
        let opened = match &open {
            Some(open) => Cow::Owned(open(dictionary, stream)?),
            None => Cow::Borrowed(stream),
        };
        let is_deflated = [&b"FlateDecode"[..], b"Fl"]
            .iter()
            .any(|n| has_name(dictionary, b"Filter", n));
        let bytes = match (has_key(dictionary, b"Filter"), is_deflated) {
            (false, _) => opened[..opened.len().min(left)].to_vec(),
            // The output of a broken or endless stream counts too: many small bombs make a large
            // one.
            (true, true) => miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&opened, left)
                .unwrap_or_else(|e| e.output),
            (true, false) => return None,
        };
        left -= bytes.len().min(left);
        let numbered = |key| number_of(dictionary, key).unwrap_or(0);
        Some((stream, (numbered(b"N"), numbered(b"First"), bytes)))
    })
}

/// The dictionaries of numbered objects: of each number the last one in the file, which is the one
/// of the last revision (7.5.6).
struct Objects<'a>(BTreeMap<u64, &'a [u8]>);

impl<'a> Objects<'a> {
    fn of(file: &'a [u8], packed: &'a [(u64, u64, Vec<u8>)]) -> Objects<'a> {
        let mut all = BTreeMap::new();
        for (n, first, bytes) in packed {
            // Pairs of number and offset, then the objects (7.5.7).
            let head = bytes
                .get(..usize::try_from(*first).unwrap_or(0))
                .unwrap_or_default();
            let head: Vec<u64> = head
                .split(u8::is_ascii_whitespace)
                .filter_map(|t| std::str::from_utf8(t).ok()?.parse().ok())
                .collect();
            for pair in head.chunks_exact(2).take(usize::try_from(*n).unwrap_or(0)) {
                let at = first
                    .checked_add(pair[1])
                    .and_then(|at| usize::try_from(at).ok());
                let object = at
                    .and_then(|at| bytes.get(at..))
                    .unwrap_or_default()
                    .trim_ascii_start();
                if object.starts_with(b"<<") {
                    all.insert(pair[0], &object[..closing(object, 0)]);
                }
            }
        }
        for (dictionary, _) in parts(file) {
            all.extend(named(file, dictionary).map(|(number, _)| (number, dictionary)));
        }
        Objects(all)
    }

    /// Pages below a node of the tree.
    fn pages(&self, node: u64, left: &mut u32, depth: u32) -> u64 {
        if *left == 0 || depth > 50 {
            return 0;
        }
        *left -= 1;
        let Some(dictionary) = self.0.get(&node) else {
            return 0;
        };
        let Some(kids) =
            after(dictionary, b"Kids").and_then(|k| k.trim_ascii_start().strip_prefix(b"["))
        else {
            return 1;
        };
        let kids = &kids[..kids.iter().position(|b| *b == b']').unwrap_or(kids.len())];
        // Pages may be inline in the array.
        let direct = dictionaries(kids)
            .filter(|d| has_name(d, b"Type", b"Page"))
            .count() as u64;
        let words: Vec<&[u8]> = kids
            .split(u8::is_ascii_whitespace)
            .filter(|w| !w.is_empty())
            .collect();
        let numbered = words
            .windows(3)
            .filter(|w| w[2] == b"R")
            .filter_map(|w| std::str::from_utf8(w[0]).ok()?.parse().ok());
        direct
            + numbered
                .map(|kid| self.pages(kid, left, depth + 1))
                .sum::<u64>()
    }
}

/// Pages counted by the tree's nodes (`/Type /Pages … /Count n`), and page objects that were seen.
#[derive(Default)]
struct Pages {
    counted: u64,
    seen: u64,
}

impl Pages {
    fn read(&mut self, bytes: &[u8]) {
        for dictionary in dictionaries(bytes) {
            if has_name(dictionary, b"Type", b"Pages") {
                self.counted = self
                    .counted
                    .max(number_of(dictionary, b"Count").unwrap_or(0));
            } else if has_name(dictionary, b"Type", b"Page") {
                self.seen += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;

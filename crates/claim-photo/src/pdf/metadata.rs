//! What a PDF says about who made it: the information dictionary (ISO 32000-1 14.3.3) and XMP
//! (14.3.2). Each is overwritten in place, so every offset still holds.

use super::syntax::{
    after, closing, dictionaries, has_key, has_name, is_trailer, literal, named, number_of, parts,
    reference,
};
use super::{PLAIN, object_streams};

/// The same document without information dictionary and XMP; `None` if it is already clean or must
/// stay as it is: a signature covers every byte (12.8.1), and an invoice without its signature is
/// worthless.
pub fn without_metadata(file: &[u8]) -> Option<Vec<u8>> {
    let mut plain = blanked(file).unwrap_or_else(|| file.to_vec());
    if is_signed(file) || super::encrypt(file).is_some() {
        return (plain != file).then_some(plain);
    }
    let informs = informs(file);
    for (stream, (count, first, mut bytes)) in object_streams(file, PLAIN) {
        let mut changed = false;
        for (number, at) in inside(&bytes, count, first).unwrap_or_default() {
            let Some(rest) = bytes.get(at..).filter(|rest| {
                informs.contains(&number) && rest.trim_ascii_start().starts_with(b"<<")
            }) else {
                continue;
            };
            let start = at + rest.len() - rest.trim_ascii_start().len();
            let end = closing(&bytes, start);
            changed |= emptied(&mut bytes[start..end]);
        }
        if !changed {
            continue;
        }
        let at = place(file, stream);
        // It holds less, so it gets no longer; bytes after the end of deflated data are not read
        // (RFC 1950 2.3).
        let is_plain = stream.starts_with(&bytes[..bytes.len().min(16)]);
        let packed = if is_plain {
            bytes
        } else {
            miniz_oxide::deflate::compress_to_vec_zlib(&bytes, 9)
        };
        if packed.len() <= stream.len() {
            plain[at..at + packed.len()].copy_from_slice(&packed);
            plain[at + packed.len()..at + stream.len()].fill(b'\n');
        }
    }
    (plain != file).then_some(plain)
}

/// The same, except inside object streams.
pub(super) fn blanked(file: &[u8]) -> Option<Vec<u8>> {
    if is_signed(file) {
        return None;
    }
    let (mut plain, informs) = (file.to_vec(), informs(file));
    for (dictionary, stream) in parts(file) {
        if named(file, dictionary).is_some_and(|(number, _)| informs.contains(&number)) {
            let at = place(file, dictionary);
            emptied(&mut plain[at..at + dictionary.len()]);
        }
        if let Some(stream) = stream.filter(|_| has_name(dictionary, b"Type", b"Metadata")) {
            let length = number_of(dictionary, b"Length")
                .map_or(stream.len(), |n| n as usize)
                .min(stream.len());
            let at = place(file, stream);
            blank(&mut plain[at..at + length], has_key(dictionary, b"Filter"));
        }
    }
    (plain != file).then_some(plain)
}

/// Whether the information dictionary lies in an object stream.
pub(super) fn is_packed(file: &[u8]) -> bool {
    let informs = informs(file);
    let mut packed = object_streams(file, PLAIN)
        .filter_map(|(_, (count, first, bytes))| inside(&bytes, count, first));
    packed.any(|objects| objects.iter().any(|(number, _)| informs.contains(number)))
}

#[inline(never)]
fn is_signed(file: &[u8]) -> bool {
    dictionaries(file).any(|d| has_key(d, b"ByteRange"))
}

/// Numbers of the information dictionaries, of every revision.
#[inline(never)]
fn informs(file: &[u8]) -> Vec<u64> {
    dictionaries(file)
        .filter(|d| is_trailer(d))
        .filter_map(|d| reference(after(d, b"Info")?))
        .collect()
}

fn place(file: &[u8], part: &[u8]) -> usize {
    part.as_ptr() as usize - file.as_ptr() as usize
}

/// Numbers and places of the objects in an object stream.
fn inside(bytes: &[u8], count: u64, first: u64) -> Option<Vec<(u64, usize)>> {
    let head = std::str::from_utf8(bytes.get(..usize::try_from(first).ok()?)?).ok()?;
    let numbers: Vec<u64> = head
        .split_ascii_whitespace()
        .map_while(|n| n.parse().ok())
        .collect();
    let pairs = numbers.chunks_exact(2).take(usize::try_from(count).ok()?);
    Some(
        pairs
            .filter_map(|pair| Some((pair[0], usize::try_from(first.checked_add(pair[1])?).ok()?)))
            .collect(),
    )
}

/// Empties every string of a dictionary and pads it with spaces; returns whether there was one.
fn emptied(dictionary: &mut [u8]) -> bool {
    let (mut at, mut changed) = (0, false);
    // As when finding dictionaries: what does not end is not looked for again.
    let (mut literals, mut hex) = (true, true);
    while at < dictionary.len() {
        let length = match &dictionary[at..] {
            [b'(', ..] if literals => literal(&dictionary[at..]).map(|(_, length)| length),
            [b'<', b'<', ..] => {
                at += 2;
                continue;
            }
            [b'<', rest @ ..] if hex => rest.iter().position(|b| *b == b'>').map(|end| end + 2),
            _ => None,
        };
        let Some(length) = length else {
            match dictionary[at] {
                b'(' => literals = false,
                b'<' => hex = false,
                _ => {}
            }
            at += 1;
            continue;
        };
        changed |= length > 2;
        dictionary[at..at + length].fill(b' ');
        dictionary[at..at + 2].copy_from_slice(b"()");
        at += length;
    }
    changed
}

/// Fills the stream with spaces, deflated if it must be.
fn blank(stream: &mut [u8], deflated: bool) {
    // A stored block (RFC 1951 3.2.4) in zlib's frame: 2 bytes, 5 for each 65 535, 4 of checksum.
    let most = usize::from(u16::MAX);
    let blocks = stream.len().saturating_sub(6).div_ceil(most + 5).max(1);
    let Some(length) = stream
        .len()
        .checked_sub(6 + 5 * blocks)
        .filter(|_| deflated)
    else {
        stream.fill(b' ');
        return;
    };
    let mut packed = vec![0x78, 0x01];
    let mut left = length;
    for block in 0..blocks {
        let part = left.min(most);
        left -= part;
        packed.push(u8::from(block + 1 == blocks));
        packed.extend((part as u16).to_le_bytes());
        packed.extend((!(part as u16)).to_le_bytes());
        packed.extend(vec![b' '; part]);
    }
    // Adler-32 (RFC 1950 9).
    let (a, b) = (0..length).fold((1u32, 0u32), |(a, b), _| {
        let a = (a + u32::from(b' ')) % 65_521;
        (a, (b + a) % 65_521)
    });
    packed.extend((b << 16 | a).to_be_bytes());
    stream.copy_from_slice(&packed);
}

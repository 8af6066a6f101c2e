//! What the structure of a PDF says (ISO 32000-1): whether it is locked and how many pages it has. Nothing of it is
//! drawn.
//!
//! Trailers and cross-reference streams stand in the open, so `/Encrypt` is found there (7.6.1). The page tree may be
//! packed into object streams (7.5.7): those are unpacked within a limit.

use claim_domain::checks::Pdf;

use crate::PhotoError;

/// Unpacked bytes of all object streams together; a larger document has more pages than anybody reads.
const MOST_UNPACKED: usize = 32 << 20;

/// # Errors
/// [`PhotoError::DamagedPdf`] when no page is found.
pub fn inspect(file: &[u8]) -> Result<Pdf, PhotoError> {
    let locked = dictionaries(file).any(|d| is_trailer(d) && has_key(d, b"Encrypt"));
    if locked {
        return Ok(Pdf { pages: 0, locked });
    }
    let mut pages = Pages::default();
    pages.read(file);
    let mut left = MOST_UNPACKED;
    for (dictionary, stream) in parts(file) {
        let Some(stream) = stream else { continue };
        if has_name(dictionary, b"Type", b"ObjStm") && has_name(dictionary, b"Filter", b"FlateDecode") && left > 0 {
            // What a broken or endless stream gave before it ended counts too: many small bombs are a large one.
            let unpacked = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(stream, left).unwrap_or_else(|e| e.output);
            left -= unpacked.len().min(left);
            pages.read(&unpacked);
        }
    }
    let count = pages.counted.max(pages.seen);
    if count == 0 { Err(PhotoError::DamagedPdf) } else { Ok(Pdf { pages: u16::try_from(count).unwrap_or(u16::MAX), locked }) }
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
                self.counted = self.counted.max(number(dictionary, b"Count").unwrap_or(0));
            } else if has_name(dictionary, b"Type", b"Page") {
                self.seen += 1;
            }
        }
    }
}

/// The text between each `<<` and the `>>` that closes it, outermost ones only; not inside streams, whose bytes may
/// look like anything.
fn dictionaries(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    parts(bytes).map(|(dictionary, _)| dictionary)
}

/// Longer dictionaries are no dictionaries: without this a file of `<` would be read over and over.
const LONGEST: usize = 64 << 10;

fn closing(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    let stop = bytes.len().min(start + LONGEST);
    while at + 1 < stop {
        match &bytes[at..at + 2] {
            b"<<" => {
                depth += 1;
                at += 2;
            }
            b">>" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    stop
}

/// Each dictionary with the stream that follows it, if one does.
fn parts(bytes: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + find(&bytes[at..], b"<<")?;
        let end = closing(bytes, start);
        at = end;
        let rest = bytes[end..].trim_ascii_start();
        let Some(body) = rest.strip_prefix(b"stream") else { return Some((&bytes[start..end], None)) };
        let body = body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n")).unwrap_or(body);
        let length = find(body, b"endstream").unwrap_or(body.len());
        at = bytes.len() - body.len() + length;
        Some((&bytes[start..end], Some(&body[..length])))
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

fn is_trailer(dictionary: &[u8]) -> bool {
    has_key(dictionary, b"Root") && (has_key(dictionary, b"Size") || has_name(dictionary, b"Type", b"XRef"))
}

/// What stands after `/key`, when the name ends there.
fn after<'a>(dictionary: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut rest = dictionary;
    loop {
        let slash = rest.iter().position(|b| *b == b'/')?;
        rest = &rest[slash + 1..];
        if let Some(value) = rest.strip_prefix(key)
            && value.first().is_none_or(|b| !b.is_ascii_alphanumeric())
        {
            return Some(value);
        }
    }
}

fn has_key(dictionary: &[u8], key: &[u8]) -> bool {
    after(dictionary, key).is_some()
}

fn has_name(dictionary: &[u8], key: &[u8], name: &[u8]) -> bool {
    after(dictionary, key).is_some_and(|value| {
        let value = value.trim_ascii_start();
        let value = value.strip_prefix(b"[").unwrap_or(value).trim_ascii_start();
        value
            .strip_prefix(b"/")
            .and_then(|v| v.strip_prefix(name))
            .is_some_and(|rest| rest.first().is_none_or(|b| !b.is_ascii_alphanumeric()))
    })
}

fn number(dictionary: &[u8], key: &[u8]) -> Option<u64> {
    let digits = after(dictionary, key)?.trim_ascii_start();
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count().min(9);
    std::str::from_utf8(&digits[..length]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(pages: usize, trailer: &str) -> Vec<u8> {
        let mut file = format!(
            "%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n2 0 obj << /Type /Pages /Kids [] /Count {pages} >> endobj\n"
        );
        for i in 0..pages {
            file += &format!("{} 0 obj << /Type /Page /Parent 2 0 R /Resources << /Font << >> >> >> endobj\n", i + 3);
        }
        file += &format!("trailer << /Size 9 /Root 1 0 R {trailer} >>\nstartxref\n0\n%%EOF");
        file.into_bytes()
    }

    #[test]
    fn pages_are_counted_and_locks_are_seen() {
        assert_eq!(inspect(&plain(3, "")), Ok(Pdf { pages: 3, locked: false }));
        assert_eq!(inspect(&plain(60, "/Info 5 0 R")), Ok(Pdf { pages: 60, locked: false }));
        assert_eq!(inspect(&plain(3, "/Encrypt 7 0 R")).map(|p| p.locked), Ok(true));
        // The word in a page's text is no lock.
        assert_eq!(inspect(&[plain(1, ""), b"(/Encrypt)".to_vec()].concat()).map(|p| p.locked), Ok(false));
        assert_eq!(inspect(b"%PDF-1.7\n%%EOF"), Err(PhotoError::DamagedPdf));
    }

    #[test]
    fn a_page_tree_in_an_object_stream_is_unpacked() {
        let objects = b"1 0 2 30 << /Type /Catalog /Pages 2 0 R >> << /Type/Pages/Kids[3 0 R]/Count 7 >>";
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(objects, 6);
        let mut file =
            format!("%PDF-1.5\n4 0 obj << /Type /ObjStm /N 2 /First 9 /Filter /FlateDecode /Length {} >>\nstream\n", packed.len())
                .into_bytes();
        file.extend(&packed);
        file.extend(b"\nendstream endobj\n5 0 obj << /Type /XRef /Size 6 /Root 1 0 R >>\nstream\nx\nendstream endobj");
        assert_eq!(inspect(&file), Ok(Pdf { pages: 7, locked: false }));
        let locked = String::from_utf8_lossy(&file).replace("/Size 6", "/Size 6 /Encrypt 9 0 R");
        assert_eq!(inspect(locked.as_bytes()).map(|p| p.locked), Ok(true));
    }

    #[test]
    fn a_scan_may_hold_any_bytes() {
        let scan: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).chain(*b"<< /Type /Catalog <<").collect();
        let mut file = format!("%PDF-1.4\n9 0 obj << /Type /XObject /Length {} >>\nstream\n", scan.len()).into_bytes();
        file.extend(scan);
        file.extend(b"\nendstream endobj\n");
        file.extend(plain(3, ""));
        assert_eq!(inspect(&file), Ok(Pdf { pages: 3, locked: false }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in "(<<|>>|/Type|/Pages|/Count|stream|endstream| |[0-9a-z\\[])+{0,40}") {
            let _ = inspect(bytes.as_bytes());
        }
    }
}

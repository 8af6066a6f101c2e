//! What the structure of a PDF says (ISO 32000-1): whether it is locked and how many pages it has. Nothing of it is
//! drawn.
//!
//! Trailers and cross-reference streams stand in the open, so `/Encrypt` is found there (7.6.1). The page tree may be
//! packed into object streams (7.5.7): those are unpacked within a limit.

use std::collections::BTreeMap;

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
    let mut unpacked = Vec::new();
    for (dictionary, stream) in parts(file) {
        let Some(stream) = stream.filter(|_| has_name(dictionary, b"Type", b"ObjStm") && left > 0) else { continue };
        let bytes = match (has_key(dictionary, b"Filter"), [&b"FlateDecode"[..], b"Fl"].iter().any(|n| has_name(dictionary, b"Filter", n)))
        {
            (false, _) => stream[..stream.len().min(left)].to_vec(),
            // What a broken or endless stream gave before it ended counts too: many small bombs are a large one.
            (true, true) => miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(stream, left).unwrap_or_else(|e| e.output),
            (true, false) => continue,
        };
        left -= bytes.len().min(left);
        pages.read(&bytes);
        unpacked.push((number(dictionary, b"N").unwrap_or(0), number(dictionary, b"First").unwrap_or(0), bytes));
    }
    let objects = Objects::of(file, &unpacked);
    let root = dictionaries(file).filter(|d| is_trailer(d)).last().and_then(|d| reference(after(d, b"Root")?));
    let tree = root.and_then(|root| reference(after(objects.0.get(&root)?, b"Pages")?)).map(|tree| objects.pages(tree, &mut 100_000, 0));
    // The tree of the last revision; where it cannot be followed, what looks like pages.
    let count = tree.filter(|count| *count > 0).unwrap_or(pages.counted.max(pages.seen));
    if count == 0 { Err(PhotoError::DamagedPdf) } else { Ok(Pdf { pages: u16::try_from(count).unwrap_or(u16::MAX), locked }) }
}

/// The dictionaries of numbered objects: of each number the last one in the file, which is the one of the last revision
/// (7.5.6).
struct Objects<'a>(BTreeMap<u64, &'a [u8]>);

impl<'a> Objects<'a> {
    fn of(file: &'a [u8], packed: &'a [(u64, u64, Vec<u8>)]) -> Objects<'a> {
        let mut all = BTreeMap::new();
        for (n, first, bytes) in packed {
            // Pairs of number and offset, then the objects (7.5.7).
            let head = bytes.get(..usize::try_from(*first).unwrap_or(0)).unwrap_or_default();
            let head: Vec<u64> = head.split(u8::is_ascii_whitespace).filter_map(|t| std::str::from_utf8(t).ok()?.parse().ok()).collect();
            for pair in head.chunks_exact(2).take(usize::try_from(*n).unwrap_or(0)) {
                let at = first.checked_add(pair[1]).and_then(|at| usize::try_from(at).ok());
                let object = at.and_then(|at| bytes.get(at..)).unwrap_or_default().trim_ascii_start();
                if object.starts_with(b"<<") {
                    all.insert(pair[0], &object[..closing(object, 0)]);
                }
            }
        }
        for (dictionary, _) in parts(file) {
            let from = dictionary.as_ptr() as usize - file.as_ptr() as usize;
            let before = file[from.saturating_sub(40)..from].trim_ascii_end();
            let Some(before) = before.strip_suffix(b"obj").map(<[u8]>::trim_ascii_end) else { continue };
            let digits = |text: &[u8]| text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
            let generation = digits(before);
            let before = before[..before.len() - generation].trim_ascii_end();
            let number = std::str::from_utf8(&before[before.len() - digits(before)..]).ok().and_then(|n| n.parse().ok());
            all.extend(number.map(|number| (number, dictionary)));
        }
        Objects(all)
    }

    /// Pages below a node of the tree.
    fn pages(&self, node: u64, left: &mut u32, depth: u32) -> u64 {
        if *left == 0 || depth > 50 {
            return 0;
        }
        *left -= 1;
        let Some(dictionary) = self.0.get(&node) else { return 0 };
        let Some(kids) = after(dictionary, b"Kids").and_then(|k| k.trim_ascii_start().strip_prefix(b"[")) else { return 1 };
        let kids = &kids[..kids.iter().position(|b| *b == b']').unwrap_or(kids.len())];
        // Pages may stand in the array themselves.
        let direct = dictionaries(kids).filter(|d| has_name(d, b"Type", b"Page")).count() as u64;
        let words: Vec<&[u8]> = kids.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).collect();
        let numbered = words.windows(3).filter(|w| w[2] == b"R").filter_map(|w| std::str::from_utf8(w[0]).ok()?.parse().ok());
        direct + numbered.map(|kid| self.pages(kid, left, depth + 1)).sum::<u64>()
    }
}

/// `12 0 R`
fn reference(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii_start();
    let length = value.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&value[..length]).ok()?.parse().ok()
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

    /// Of a file that was changed by appending, only the last revision counts (7.5.6).
    #[test]
    fn pages_of_the_last_revision_are_counted() {
        let tree = |kids: &str, count: usize| format!("2 0 obj<</Type/Pages/Kids[{kids}]/Count {count}>>endobj\n");
        let page = |n: usize| format!("{n} 0 obj<</Type/Page/Parent 2 0 R>>endobj\n");
        let end = "trailer<</Size 9/Root 1 0 R>>\nstartxref\n0\n%%EOF\n";
        let first = format!("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n{}{}{}{end}", tree("3 0 R 4 0 R", 2), page(3), page(4));
        let pages = |file: &str| inspect(file.as_bytes()).unwrap().pages;
        assert_eq!(pages(&first), 2);
        assert_eq!(pages(&format!("{first}{}{}{}{end}", page(3), page(4), tree("3 0 R 4 0 R", 2))), 2, "rewritten");
        assert_eq!(pages(&format!("{first}{}{end}", tree("4 0 R", 1))), 1, "one page removed");
        assert_eq!(pages(&format!("{first}5 0 obj<</Type/Annot>>endobj\n{end}")), 2, "a note added");
        let direct =
            format!("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n{}{end}", tree("<</Type/Page/Parent 2 0 R>> <</Type/Page>>", 2));
        assert_eq!(pages(&direct), 2, "pages in the array itself");
        let turning = format!("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n{}{end}", tree("2 0 R 2 0 R", 2));
        let _ = inspect(turning.as_bytes());
    }

    #[test]
    fn object_streams_may_be_plain_or_named_short() {
        let objects = "1 0 2 32 ".to_owned() + "<</Type/Catalog/Pages 2 0 R>>   " + "<</Type/Pages/Kids[3 0 R]/Count 1>>";
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(objects.as_bytes(), 6);
        for (filter, body) in [("", objects.clone().into_bytes()), ("/Filter/Fl", packed.clone()), ("/Filter[/FlateDecode]", packed)] {
            let mut file = format!("%PDF-1.5\n4 0 obj<</Type/ObjStm/N 2/First 9{filter}/Length {}>>stream\n", body.len()).into_bytes();
            file.extend(body);
            file.extend(b"\nendstream endobj\n3 0 obj<</Type/Page/Parent 2 0 R>>endobj\n5 0 obj<</Type/XRef/Size 6/Root 1 0 R>>stream\nx\nendstream endobj");
            assert_eq!(inspect(&file), Ok(Pdf { pages: 1, locked: false }), "{filter}");
        }
    }

    #[test]
    fn an_object_stream_may_say_any_offset() {
        for offset in ["18446744073709551615", "99999999999999999999", "4294967296", "0"] {
            let objects = format!("1 {offset} 2 {offset} <</Type/Page>>");
            let file = format!(
                "%PDF-1.5\n4 0 obj<</Type/ObjStm/N 2/First 9/Length {}>>stream\n{objects}\nendstream endobj\n5 0 obj<</Type/XRef/Size 6/Root 1 0 R>>stream\nx\nendstream endobj",
                objects.len()
            );
            assert_eq!(inspect(file.as_bytes()), Ok(Pdf { pages: 1, locked: false }), "{offset}");
        }
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

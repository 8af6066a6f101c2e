//! Dictionaries, names, strings and streams, found by scanning bytes: files that readers accept
//! often differ from what their cross-reference tables say.

/// The text between each `<<` and the `>>` that closes it, outermost ones only; not inside streams,
/// whose bytes may look like anything.
pub(super) fn dictionaries(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    parts(bytes).map(|(dictionary, _)| dictionary)
}

/// Longer ones are not dictionaries: without this a file of `<` would be read over and over.
const LONGEST: usize = 64 << 10;

#[inline(never)]
pub(super) fn closing(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    // Once a string does not end, look for no more: a file of `(` would be read over and over.
    let mut strings = true;
    let stop = bytes.len().min(start + LONGEST);
    while at + 1 < stop {
        match &bytes[at..at + 2] {
            // A string may hold whatever it likes (7.3.4.2).
            [b'(', _] if strings => match literal(&bytes[at..stop]) {
                Some((_, length)) => at += length,
                None => strings = false,
            },
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
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || next(bytes, &mut at))
}

type Part<'a> = (&'a [u8], Option<&'a [u8]>);

// Not inlined into its many callers: every byte of the quick worker counts.
#[inline(never)]
fn next<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Part<'a>> {
    let start = *at + find(&bytes[*at..], b"<<")?;
    let end = closing(bytes, start);
    *at = end;
    let rest = bytes[end..].trim_ascii_start();
    let Some(body) = rest.strip_prefix(b"stream") else {
        return Some((&bytes[start..end], None));
    };
    let body = body
        .strip_prefix(b"\r\n")
        .or_else(|| body.strip_prefix(b"\n"))
        .unwrap_or(body);
    let length = find(body, b"endstream").unwrap_or(body.len());
    *at = bytes.len() - body.len() + length;
    Some((&bytes[start..end], Some(&body[..length])))
}

#[inline(never)]
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

#[inline(never)]
pub(super) fn is_trailer(dictionary: &[u8]) -> bool {
    has_key(dictionary, b"Root")
        && (has_key(dictionary, b"Size") || has_name(dictionary, b"Type", b"XRef"))
}

/// What follows `/key`, if the name ends there.
#[inline(never)]
pub(super) fn after<'a>(dictionary: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
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

pub(super) fn has_key(dictionary: &[u8], key: &[u8]) -> bool {
    after(dictionary, key).is_some()
}

#[inline(never)]
pub(super) fn has_name(dictionary: &[u8], key: &[u8], name: &[u8]) -> bool {
    after(dictionary, key).is_some_and(|value| {
        let value = value.trim_ascii_start();
        let value = value.strip_prefix(b"[").unwrap_or(value).trim_ascii_start();
        value
            .strip_prefix(b"/")
            .and_then(|v| v.strip_prefix(name))
            .is_some_and(|rest| rest.first().is_none_or(|b| !b.is_ascii_alphanumeric()))
    })
}

#[inline(never)]
pub(super) fn number_of(dictionary: &[u8], key: &[u8]) -> Option<u64> {
    let digits = after(dictionary, key)?.trim_ascii_start();
    let length = digits
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count()
        .min(9);
    std::str::from_utf8(&digits[..length]).ok()?.parse().ok()
}

/// `12 0 R`
#[inline(never)]
pub(super) fn reference(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii_start();
    let length = value.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&value[..length]).ok()?.parse().ok()
}

/// The literal string that begins here, unescaped, and how many bytes it takes (7.3.4.2); `None` if
/// it does not end.
#[inline(never)]
pub(super) fn literal(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut text, mut depth, mut at) = (Vec::new(), 0usize, 0);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        match byte {
            b'(' => {
                depth += 1;
                if depth > 1 {
                    text.push(byte);
                }
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some((text, at));
                }
                text.push(byte);
            }
            b'\\' => {
                let escaped = *bytes.get(at)?;
                at += 1;
                match escaped {
                    b'n' => text.push(b'\n'),
                    b'r' => text.push(b'\r'),
                    b't' => text.push(b'\t'),
                    b'b' => text.push(8),
                    b'f' => text.push(12),
                    b'\n' => {}
                    b'\r' => at += usize::from(bytes.get(at) == Some(&b'\n')),
                    b'0'..=b'7' => {
                        let more = bytes[at..]
                            .iter()
                            .take(2)
                            .take_while(|b| matches!(b, b'0'..=b'7'))
                            .count();
                        let digits = &bytes[at - 1..at + more];
                        text.push(
                            digits.iter().fold(0u32, |n, d| n * 8 + u32::from(d - b'0')) as u8
                        );
                        at += more;
                    }
                    other => text.push(other),
                }
            }
            other => text.push(other),
        }
    }
}

/// The string that is the value of a key, literal or in hex (7.3.4.3).
pub(super) fn string(dictionary: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    first_string(after(dictionary, key)?)
}

/// The first string here, also if it is the first in an array.
pub(super) fn first_string(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii_start();
    let value = value.strip_prefix(b"[").unwrap_or(value).trim_ascii_start();
    match value {
        [b'(', ..] => literal(value).map(|(text, _)| text),
        [b'<', hex @ ..] => {
            let hex = &hex[..hex.iter().position(|b| *b == b'>')?];
            let digits: Option<Vec<u8>> = hex
                .iter()
                .filter(|b| !b.is_ascii_whitespace())
                .map(|b| char::from(*b).to_digit(16).map(|d| d as u8))
                .collect();
            Some(
                digits?
                    .chunks(2)
                    .map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// Number and generation of the object whose dictionary this is.
#[inline(never)]
pub(super) fn named(file: &[u8], dictionary: &[u8]) -> Option<(u64, u64)> {
    let from = dictionary.as_ptr() as usize - file.as_ptr() as usize;
    let before = file[from.saturating_sub(40)..from]
        .trim_ascii_end()
        .strip_suffix(b"obj")?
        .trim_ascii_end();
    let last = |text: &[u8]| {
        let digits = text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let number = std::str::from_utf8(&text[text.len() - digits..])
            .ok()?
            .parse::<u64>()
            .ok()?;
        Some((number, text.len() - digits))
    };
    let (generation, rest) = last(before)?;
    let (number, _) = last(before[..rest].trim_ascii_end())?;
    Some((number, generation))
}

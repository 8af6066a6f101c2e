//! Removes what wasm-bindgen leaves unused in a program and its glue: a tenth of the first tap.

/// Exports of the classes that leptos includes for streamed server functions, which this app does
/// not use. Being exported, they keep kilobytes of code alive.
fn is_stream(export: &str) -> bool {
    export.starts_with("intounderlying") || export.starts_with("__wbg_intounderlying")
}

/// A number as WebAssembly writes it (LEB128), and how many bytes it took.
fn number(bytes: &[u8]) -> (usize, usize) {
    let mut value = 0;
    for (i, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return (value, i + 1);
        }
    }
    (value, bytes.len().min(5))
}

fn put_number(mut value: usize, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// The program without those exports; wasm-opt then removes the code that only they used.
pub fn without_streams(wasm: &[u8]) -> Vec<u8> {
    const HEADER: usize = 8;
    const EXPORTS: u8 = 7;
    let mut out = wasm[..HEADER].to_vec();
    let mut rest = &wasm[HEADER..];
    while let [id, sized @ ..] = rest {
        let (length, digits) = number(sized);
        let (section, after) = sized[digits..].split_at(length);
        let kept = if *id == EXPORTS {
            exports_without_streams(section)
        } else {
            section.to_vec()
        };
        out.push(*id);
        put_number(kept.len(), &mut out);
        out.extend(kept);
        rest = after;
    }
    out
}

/// Each export: its name, a byte for its kind, its index.
fn exports_without_streams(section: &[u8]) -> Vec<u8> {
    let (count, mut at) = number(section);
    let mut kept = Vec::new();
    for _ in 0..count {
        let begin = at;
        let (length, digits) = number(&section[at..]);
        let name = String::from_utf8_lossy(&section[at + digits..at + digits + length]);
        at += digits + length + 1;
        at += number(&section[at..]).1;
        if !is_stream(&name) {
            kept.push(&section[begin..at]);
        }
    }
    let mut out = Vec::new();
    put_number(kept.len(), &mut out);
    kept.iter().for_each(|export| out.extend(*export));
    out
}

/// The glue without those classes.
pub fn without_streams_glue(glue: &[u8]) -> Vec<u8> {
    let mut kept = String::new();
    // Inside one of them, until its last line.
    let mut until: Option<&str> = None;
    for line in String::from_utf8_lossy(glue).lines() {
        if let Some(end) = until {
            if line == end || (end == ";" && line.ends_with(';')) {
                until = None;
            }
        } else if line.starts_with("export class IntoUnderlying") {
            until = Some("}");
        } else if line.starts_with("const IntoUnderlying") {
            until = (!line.ends_with(';')).then_some(";");
        } else if !line.starts_with("if (Symbol.dispose) IntoUnderlying") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.into_bytes()
}

/// wasm-bindgen names each import with 16 random digits, in the glue and again in the program,
/// which do not compress. Numbered instead, they cost next to nothing. The length stays the same,
/// so no offset in the program moves.
pub fn plain_imports(glue: &[u8], wasm: &[u8]) -> (Vec<u8>, Vec<u8>) {
    const PREFIX: &[u8] = b"__wbg_";
    const DIGITS: usize = 16;
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$');
    let starts = |bytes: &[u8]| -> Vec<usize> {
        (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(PREFIX))
            .collect()
    };
    let name_at = |bytes: &[u8], at: usize| {
        let name: Vec<u8> = bytes[at..].iter().copied().take_while(is_part).collect();
        let digits = name.len().checked_sub(DIGITS)?;
        let random = name[digits..].iter().all(u8::is_ascii_hexdigit) && name[digits - 1] == b'_';
        random.then_some(name)
    };
    let mut names: Vec<Vec<u8>> = starts(wasm)
        .into_iter()
        .filter_map(|at| name_at(wasm, at))
        .collect();
    names.sort();
    names.dedup();
    let numbered = |bytes: &[u8]| {
        let mut out = bytes.to_vec();
        for at in starts(bytes) {
            if let Some(number) =
                name_at(bytes, at).and_then(|name| names.binary_search(&name).ok())
            {
                let end = at + names[number].len();
                out[end - DIGITS..end].copy_from_slice(format!("{number:016x}").as_bytes());
            }
        }
        out
    };
    (numbered(glue), numbered(wasm))
}

//! What a file is, by its first bytes; names and declared types are not asked.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
    WebP,
    Heic,
    Pdf,
    Other,
}

pub fn sniff(file: &[u8]) -> Kind {
    match file {
        [0xFF, 0xD8, 0xFF, ..] => Kind::Jpeg,
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Kind::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::WebP,
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] if brand.len() >= 4 => match &brand[..4] {
            b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1" | b"avif" => Kind::Heic,
            _ => Kind::Other,
        },
        _ if file[..file.len().min(1024)].windows(5).any(|w| w == b"%PDF-") => Kind::Pdf,
        _ => Kind::Other,
    }
}

/// Width and height that the header of a PNG (11.2.2 IHDR) or WebP (RFC 9649 section 2) claims.
pub(crate) fn claimed(file: &[u8]) -> Option<(u32, u32)> {
    let little = |at: usize, bytes: usize| Some(file.get(at..at + bytes)?.iter().rev().fold(0u32, |n, b| n << 8 | u32::from(*b)));
    let big = |at: usize| Some(u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?));
    match sniff(file) {
        Kind::Png => Some((big(16)?, big(20)?)),
        Kind::WebP => match file.get(12..16)? {
            b"VP8 " => Some((little(26, 2)? & 0x3FFF, little(28, 2)? & 0x3FFF)),
            b"VP8L" => {
                let bits = little(21, 4)?;
                Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
            }
            b"VP8X" => Some((little(24, 3)? + 1, little(27, 3)? + 1)),
            _ => None,
        },
        _ => None,
    }
}

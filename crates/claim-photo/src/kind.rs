//! What a file is, by its first bytes; names and declared types are ignored.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
    WebP,
    Heic,
    /// AVIF, JPEG XL, GIF, BMP, TIFF: a picture, which browsers may read and this crate does not.
    Foreign,
    Pdf,
    Other,
}

/// ```
/// use claim_photo::{Kind, sniff};
///
/// assert_eq!(sniff(b"%PDF-1.7"), Kind::Pdf);
/// // By its brands, not by its name: an AVIF says `mif1` as well.
/// assert_eq!(sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif"), Kind::Foreign);
/// ```
pub fn sniff(file: &[u8]) -> Kind {
    match file {
        [0xFF, 0xD8, 0xFF, ..] => Kind::Jpeg,
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Kind::Png,
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Kind::WebP,
        [a, b, c, d, b'f', b't', b'y', b'p', brands @ ..] => {
            // The major brand, its version, and the compatible brands (ISO/IEC 14496-12 4.3):
            // `mif1` alone does not tell how it is coded.
            let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let brands = &brands[..brands.len().min(size.clamp(16, 256) - 8)];
            let is = |names: &[&[u8; 4]]| {
                brands
                    .chunks_exact(4)
                    .any(|brand| names.iter().any(|name| brand == *name))
            };
            if is(&[b"avif", b"avis"]) {
                Kind::Foreign
            } else if is(&[
                b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1",
            ]) {
                Kind::Heic
            } else {
                Kind::Other
            }
        }
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Kind::Foreign,
        [b'G', b'I', b'F', b'8', ..]
        | [b'I', b'I', 42 | 43, 0, ..]
        | [b'M', b'M', 0, 42 | 43, ..] => Kind::Foreign,
        // Bytes 14 to 17: the size of the header that follows, of any version.
        [b'B', b'M', ..]
            if file
                .get(14)
                .is_some_and(|n| [12, 40, 52, 56, 64, 108, 124].contains(n))
                && file.get(15) == Some(&0) =>
        {
            Kind::Foreign
        }
        _ if file[..file.len().min(1024)]
            .windows(5)
            .any(|w| w == b"%PDF-") =>
        {
            Kind::Pdf
        }
        _ => Kind::Other,
    }
}

/// Width and height that the header of a PNG (11.2.2 IHDR) or WebP (RFC 9649 section 2) claims.
pub(crate) fn claimed(file: &[u8]) -> Option<(u32, u32)> {
    let little = |at: usize, bytes: usize| {
        Some(
            file.get(at..at + bytes)?
                .iter()
                .rev()
                .fold(0u32, |n, b| n << 8 | u32::from(*b)),
        )
    };
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

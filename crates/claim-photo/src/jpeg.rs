//! The markers of a JPEG: what its frame says, what it carries about people, and the same file
//! without that.

/// What the frame header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub width: u32,
    pub height: u32,
    pub components: u8,
    pub progressive: bool,
    /// Three components, luma and chroma, by libjpeg's rule: JFIF, or nothing from Adobe to the
    /// contrary.
    pub is_ycc: bool,
}

/// Marker and body of each segment before the first scan. Bytes between segments are skipped, as
/// decoders do: some phones write one too many.
pub(crate) fn segments(file: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = file.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.iter().position(|b| *b == 0xFF)?..];
            match rest {
                // Fill bytes; stuffing, restart and other markers without a body (B.1.1.3).
                [_, 0xFF, ..] => rest = &rest[1..],
                [_, 0x00 | 0x01 | 0xD0..=0xD8, ..] => rest = &rest[2..],
                [_, 0xD9 | 0xDA, ..] => return None,
                [_, marker, high, low, ..] => {
                    let end = 2 + usize::from(u16::from_be_bytes([*high, *low]));
                    let body = rest.get(4..end)?;
                    rest = &rest[end..];
                    return Some((*marker, body));
                }
                _ => return None,
            }
        }
    })
}

pub(crate) fn frame(file: &[u8]) -> Option<Frame> {
    let (mut jfif, mut adobe) = (false, None);
    for (marker, body) in segments(file) {
        match marker {
            0xE0 if body.starts_with(b"JFIF\0") => jfif = true,
            0xEE if body.starts_with(b"Adobe") => adobe = body.get(11).copied(),
            0xC0..=0xC2 => {
                let components = *body.get(5)?;
                let side = |at: usize| {
                    Some(u32::from(u16::from_be_bytes([
                        *body.get(at)?,
                        *body.get(at + 1)?,
                    ])))
                };
                let id = |i: usize| body.get(6 + 3 * i).copied();
                let named = (id(0)?, id(1).unwrap_or_default(), id(2).unwrap_or_default());
                let is_ycc = components == 3
                    && match named {
                        (1, 2, 3) => true,
                        (b'R', b'G', b'B') | (1, 34, 35) | (b'r', b'g', b'b') => false,
                        _ => jfif || adobe != Some(0),
                    };
                return Some(Frame {
                    height: side(1)?,
                    width: side(3)?,
                    components,
                    progressive: marker == 0xC2,
                    is_ycc,
                });
            }
            _ => {}
        }
    }
    None
}

/// What we keep of a segment, so that nothing is said about a person. Tables, frames, scans and
/// their like (B.1.1.3) are the picture. A plain JFIF header without thumbnail (T.871 10.1) and
/// Adobe's colour transform (T.872 6.5.3) are needed to show it right; whatever else an application
/// wrote is not.
fn kept(marker: u8, segment: &[u8], plain: &mut Vec<u8>) {
    match (marker, segment.get(4..)) {
        (0xC0..=0xCF | 0xDA..=0xDD, _) => plain.extend(segment),
        (0xE0, Some(body)) if body.len() >= 14 && body.starts_with(b"JFIF\0") => {
            plain.extend([0xFF, 0xE0, 0, 16]);
            plain.extend(&body[..12]);
            plain.extend([0, 0]);
        }
        (0xEE, Some(body)) if body.len() >= 12 && body.starts_with(b"Adobe") => {
            plain.extend([0xFF, 0xEE, 0, 14]);
            plain.extend(&body[..12]);
        }
        _ => {}
    }
}

/// Whether anything but the picture is in the file: metadata anywhere, or bytes after its end.
pub(crate) fn has_metadata(file: &[u8]) -> bool {
    stripped(file).is_none_or(|plain| plain != file)
}

/// The same picture, bit for bit, without metadata and without what follows its end (motion
/// photos). `None` if the structure is not that of a whole JPEG: then we can vouch for nothing.
pub(crate) fn stripped(file: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(file.len());
    plain.extend(file.get(..2)?);
    let mut at = 2;
    loop {
        while file.get(at..at + 2)? == [0xFF, 0xFF] {
            at += 1;
        }
        let [0xFF, marker] = *file.get(at..at + 2)? else {
            return None;
        };
        if marker == 0xD9 {
            plain.extend([0xFF, 0xD9]);
            return Some(plain);
        }
        let length = usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?]));
        let mut end = at + 2 + length;
        if length < 2 {
            return None;
        }
        if marker == 0xDA {
            // Coded data: up to the next marker that is neither a stuffed byte nor a restart
            // (B.1.1.5).
            loop {
                end += file.get(end..)?.iter().position(|b| *b == 0xFF)?;
                match file.get(end + 1)? {
                    0x00 | 0xD0..=0xD7 => end += 2,
                    0xFF => end += 1,
                    _ => break,
                }
            }
        }
        let segment = file.get(at..end)?;
        kept(marker, segment, &mut plain);
        at = end;
    }
}

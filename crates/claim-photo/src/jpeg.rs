//! Writing a JPEG of at most so many bytes, and looking at the markers of one.

use image::RgbImage;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::{PhotoError, fit};

/// Better than this is not visible on a screen.
const BEST: u8 = 85;
/// Below this letters fray; then fewer pixels are better than a lower quality.
const FLOOR: u8 = 25;

/// The best quality whose bytes fit; a picture that does not fit at [`FLOOR`] is made smaller.
pub(crate) fn encode_within(mut picture: RgbImage, max_bytes: usize) -> Result<(Vec<u8>, u32, u32), PhotoError> {
    loop {
        let (width, height) = picture.dimensions();
        if let Some(jpeg) = best_that_fits(&picture, max_bytes)? {
            return Ok((jpeg, width, height));
        }
        let shorter = width.max(height) * 4 / 5;
        if shorter < 64 {
            return Err(PhotoError::Damaged);
        }
        picture = fit(picture, shorter)?;
    }
}

fn best_that_fits(picture: &RgbImage, max_bytes: usize) -> Result<Option<Vec<u8>>, PhotoError> {
    let first = encode(picture, BEST)?;
    if first.len() <= max_bytes {
        return Ok(Some(first));
    }
    // Invariant: `low` fits (or is below the floor), `high` does not.
    let (mut low, mut high, mut best) = (FLOOR - 1, BEST, None);
    while high - low > 1 {
        let quality = low + (high - low) / 2;
        let jpeg = encode(picture, quality)?;
        let near = jpeg.len() * 20 >= max_bytes * 19;
        if jpeg.len() > max_bytes {
            high = quality;
        } else {
            low = quality;
            best = Some(jpeg);
            if near {
                break;
            }
        }
    }
    Ok(best)
}

fn encode(picture: &RgbImage, quality: u8) -> Result<Vec<u8>, PhotoError> {
    let (Ok(width), Ok(height)) = (u16::try_from(picture.width()), u16::try_from(picture.height())) else {
        return Err(PhotoError::TooManyPixels);
    };
    let mut jpeg = Vec::with_capacity(512 << 10);
    let mut encoder = Encoder::new(&mut jpeg, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    // Optimised tables would make this encoder write non-interleaved scans, which zune-jpeg 0.5 (and with it
    // `image` 0.25) decodes to garbage without an error.
    encoder.set_optimized_huffman_tables(false);
    encoder.encode(picture.as_raw(), width, height, ColorType::Rgb).map_err(|_| PhotoError::Damaged)?;
    Ok(jpeg)
}

/// Whether any segment before the first scan could carry data about a person: APP1 (EXIF, XMP) to APP13, COM.
/// APP0 (JFIF) and APP14 (Adobe's colour transform) are needed to show the picture right.
pub(crate) fn has_metadata(file: &[u8]) -> bool {
    let mut rest = &file[2.min(file.len())..];
    loop {
        match rest {
            [0xFF, 0xFF, ..] => rest = &rest[1..],
            [0xFF, 0xDA, ..] => return false,
            [0xFF, 0xE1..=0xED | 0xEF | 0xFE, ..] => return true,
            [0xFF, _, high, low, ..] => {
                let length = 2 + usize::from(u16::from_be_bytes([*high, *low]));
                match rest.get(length..) {
                    Some(after) if length >= 4 => rest = after,
                    _ => return true,
                }
            }
            // Not the structure of a JPEG: nothing here can be vouched for.
            _ => return true,
        }
    }
}

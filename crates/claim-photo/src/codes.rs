//! Reads the QR codes in a picture. The detector is ZXing's; we decide what to try and in which
//! order: small codes are read from an enlarged picture, and nothing is tried needlessly.

use rxing::common::{BitMatrix, HybridBinarizer};
use rxing::qrcode::cpp_port::{decoder, detector};
use rxing::{Binarizer, Luma8Source};

use crate::MEASURED;
use crate::plane::{Picture, Plane};

/// No document has more codes, or longer ones.
const MOST: usize = 4;
const LONGEST: usize = 500;
/// Most pixels of a picture that is enlarged to twice its size.
const MOST_ENLARGED: usize = 1 << 21;

/// Looks for codes in the small picture of a file of `size`; if it has none, in the whole one; and
/// if that is small and has none either, in one twice as large, because modules of two pixels are
/// hard to tell apart.
pub(crate) fn read(
    small: &Plane,
    size: (u32, u32),
    whole: &dyn Fn() -> Option<Picture>,
) -> Vec<String> {
    let found = of(small);
    if !found.is_empty() {
        return found;
    }
    let is_whole = size.0.max(size.1) as usize <= MEASURED;
    let larger = if is_whole { None } else { whole() };
    let luma = larger
        .as_ref()
        .and_then(|p| p.planes.first())
        .unwrap_or(small);
    let found = if is_whole { Vec::new() } else { of(luma) };
    if found.is_empty() && luma.pixels.len() <= MOST_ENLARGED {
        of(&enlarged(luma))
    } else {
        found
    }
}

fn of(plane: &Plane) -> Vec<String> {
    let (Ok(width), Ok(height)) = (u32::try_from(plane.width), u32::try_from(plane.height)) else {
        return Vec::new();
    };
    let Ok(source) = Luma8Source::new_with_slice(&plane.pixels, width, height) else {
        return Vec::new();
    };
    let binarizer = HybridBinarizer::new(source);
    let mut texts = binarizer.get_black_matrix().map(texts).unwrap_or_default();
    texts.sort();
    texts.dedup();
    texts.truncate(MOST);
    texts
}

fn texts(picture: &BitMatrix) -> Vec<String> {
    let mut patterns = detector::FindFinderPatterns(picture, true, 0);
    let mut used = Vec::new();
    let mut texts = Vec::new();
    for corners in detector::GenerateFinderPatternSets(&mut patterns) {
        let three = [corners.bl, corners.tl, corners.tr];
        if three.iter().any(|c| used.contains(c)) {
            continue;
        }
        let Ok(modules) = detector::SampleQR(picture, &corners) else {
            continue;
        };
        let Ok(read) = decoder::Decode(rxing::common::DetectorRXingResult::getBits(&modules))
        else {
            continue;
        };
        if read.isValid() {
            used.extend(three);
            // If not UTF-8, it is the standard's default encoding of bytes (ISO/IEC 18004 7.3.5).
            let bytes = read.content().bytes();
            let text = std::str::from_utf8(bytes).map_or_else(
                |_| bytes.iter().map(|b| char::from(*b)).collect(),
                str::to_owned,
            );
            texts.extend(Some(text).filter(|t| t.len() <= LONGEST));
        }
    }
    texts
}

/// Twice as wide and high; each new sample is the mean of its neighbours.
fn enlarged(plane: &Plane) -> Plane {
    let (width, height) = (plane.width * 2, plane.height * 2);
    let at = |x: usize, y: usize| {
        u32::from(plane.pixels[y.min(plane.height - 1) * plane.width + x.min(plane.width - 1)])
    };
    let sample = |i: usize| {
        let (x, y) = (i % width, i / width);
        let (left, top) = (x / 2, y / 2);
        let (right, below) = (left + x % 2, top + y % 2);
        ((at(left, top) + at(right, top) + at(left, below) + at(right, below) + 2) / 4) as u8
    };
    Plane {
        width,
        height,
        pixels: (0..width * height).map(sample).collect(),
    }
}

//! A photograph as a phone makes it goes in, a small upright JPEG without metadata comes out.
//!
//! Promise: [`prepare`] never panics on any bytes, refuses what it cannot handle with a
//! [`PhotoError`] whose code names its own message, checks size and pixels before decoding, and its
//! result never exceeds [`Limits::max_bytes`]. The server calls [`inspect`] on what arrives: it
//! trusts no client. We measure the stored bytes ([`measure`]), so phone and server measure the
//! same; a PDF is passed through as it is ([`pdf`]).

mod codes;
mod colour;
mod decode;
mod encode;
mod jpeg;
mod kind;
mod measures;
pub mod pdf;
mod plane;
mod resync;

use std::fmt;

use claim_domain::checks::Measures;
use claim_domain::notice::Point;
use claim_domain::{Code, Moment};
use sha2::{Digest, Sha256};

use decode::Decoded;
pub use encode::{Target, Tuning, encode};
pub use kind::{Kind, sniff};
pub use plane::{Picture, Plane, alike};

/// Long edge of the picture that is measured.
const MEASURED: usize = 1024;

/// What a stored photograph may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the longer side; pictures are never enlarged to it.
    pub long_edge: u32,
    /// Bytes of the result.
    pub max_bytes: usize,
    /// Bytes of the file that comes in.
    pub max_file: usize,
    /// Pixels of the picture that comes in: its decoded form must fit into a phone's memory.
    pub max_pixels: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            long_edge: 2048,
            max_bytes: 400_000,
            max_file: 100 << 20,
            max_pixels: 220_000_000,
        }
    }
}

/// The result: what is stored and sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Photo {
    pub jpeg: Vec<u8>,
    pub width: u32,
    pub height: u32,
    /// SHA-256 of `jpeg` and of the file as it came in, lower-case hex.
    pub sha256: String,
    pub original_sha256: String,
    /// When the camera says it was taken; we assume its clock and zone are Asia/Shanghai.
    pub taken_at: Option<Moment>,
    /// Where the camera says it was taken; kept apart, because only the person decides whether to
    /// share it.
    pub place: Option<Point>,
    /// Part of the file was unreadable.
    pub salvaged: bool,
}

impl fmt::Debug for Photo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Photo({}x{}, {} bytes)",
            self.width,
            self.height,
            self.jpeg.len()
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoError {
    Empty,
    NotImage,
    Heic,
    /// AVIF, JPEG XL, GIF, BMP, TIFF.
    Foreign,
    /// A PDF where a picture is wanted.
    Pdf,
    TooLarge,
    TooManyPixels,
    Damaged,
    DamagedPdf,
    /// Only from [`inspect`]: not a JPEG as [`prepare`] makes them.
    NotPrepared,
}

impl PhotoError {
    /// Names the rule and the message.
    pub fn code(self) -> Code {
        match self {
            PhotoError::Empty => Code::PhotoEmpty,
            PhotoError::NotImage => Code::PhotoNotImage,
            PhotoError::Heic => Code::PhotoHeic,
            PhotoError::Foreign => Code::PhotoFormat,
            PhotoError::Pdf => Code::PhotoPdf,
            PhotoError::TooLarge => Code::PhotoTooLarge,
            PhotoError::TooManyPixels => Code::PhotoTooManyPixels,
            PhotoError::Damaged => Code::PhotoDamaged,
            PhotoError::DamagedPdf => Code::PdfDamaged,
            PhotoError::NotPrepared => Code::UploadRejected,
        }
    }
}

impl fmt::Display for PhotoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code().as_str())
    }
}

impl std::error::Error for PhotoError {}

/// SHA-256 as lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// Makes the picture to store: upright, at most [`Limits::long_edge`], no metadata, as good as the
/// bytes allow. A picture that already meets all this is kept bit for bit.
///
/// # Errors
/// Why the file cannot be used.
pub fn prepare(file: &[u8], limits: &Limits) -> Result<Photo, PhotoError> {
    let photo = finish(file, decode::of_any(file, limits)?, limits)?;
    Ok(Photo {
        original_sha256: sha256_hex(file),
        ..photo
    })
}

/// The same for a whole JPEG only, in a fraction of the code: other formats and torn files are
/// [`PhotoError::Damaged`] here. [`Photo::original_sha256`] is left empty: a browser computes it in
/// parallel.
///
/// # Errors
/// Why the file cannot be used.
pub fn prepare_jpeg(file: &[u8], limits: &Limits) -> Result<Photo, PhotoError> {
    finish(file, decode::of_jpeg(file, limits)?, limits)
}

/// The same from planes that the browser decoded and may have scaled, but not below
/// [`Limits::long_edge`]. `raw`: as stored in the file, not rotated and in its own colours;
/// otherwise upright and sRGB, from any kind of file. [`Photo::original_sha256`] is left empty.
///
/// # Errors
/// Why the file cannot be used.
pub fn prepare_decoded(
    file: &[u8],
    picture: Picture,
    raw: bool,
    limits: &Limits,
) -> Result<Photo, PhotoError> {
    if raw {
        decode::header(file, limits)?;
    }
    let (orientation, profile) = if raw {
        (orientation(file), colour::of_jpeg(file))
    } else {
        (1, None)
    };
    finish(
        file,
        Decoded {
            picture,
            orientation,
            profile,
            own: raw,
            salvaged: false,
        },
        limits,
    )
}

/// At how many eighths of its size to decode a picture that need not be longer than `long_edge`,
/// and how large that is. Decoders can scale as they decode; one, two and four eighths are fastest.
///
/// ```
/// // Twelve megapixels for 2048: at four eighths, which is near enough.
/// assert_eq!(claim_photo::eighths(4000, 3000, 2048), (4, (2000, 1500)));
/// ```
pub fn eighths(width: u32, height: u32, long_edge: u32) -> (u32, (u32, u32)) {
    let long_edge = edge_of(long_edge, width, height);
    let scaled = |n: u32| (n, ((width * n).div_ceil(8), (height * n).div_ceil(8)));
    (1..8)
        .map(scaled)
        .find(|(_, (w, h))| *w.max(h) >= decode::nearly(long_edge))
        .unwrap_or((8, (width, height)))
}

/// Width and height that the header claims: known before anything is decoded.
///
/// # Errors
/// Not a picture, or too large.
pub fn dimensions(file: &[u8], limits: &Limits) -> Result<(u32, u32), PhotoError> {
    decode::header(file, limits)
}

/// The planes of a whole JPEG as our own decoder reads them, to compare another decoder with.
pub fn planes(jpeg: &[u8], long_edge: u32) -> Option<Picture> {
    decode::scaled(jpeg, long_edge)
}

/// Whether a JPEG defines its colours by a table, which only [`prepare`] reads.
pub fn has_table(file: &[u8]) -> bool {
    colour::has_table(file)
}

/// Whether a JPEG says that its colours are not sRGB.
pub fn has_profile(file: &[u8]) -> bool {
    colour::of_jpeg(file).is_some()
}

fn finish(file: &[u8], decoded: Decoded, limits: &Limits) -> Result<Photo, PhotoError> {
    let Decoded {
        picture,
        orientation,
        profile,
        own,
        salvaged,
    } = decoded;
    let original_sha256 = String::new();
    let (taken_at, place) = (taken_at(file), place(file));
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    let edge = edge_of(limits.long_edge, width, height);
    let whole = width.max(height) <= edge && own && orientation == 1 && profile.is_none();
    let plain = jpeg::frame(file)
        .is_some_and(|f| (f.is_ycc || f.components == 1) && (f.width, f.height) == (width, height));
    let kept = if whole && plain {
        jpeg::stripped(file)
    } else {
        None
    };
    if let Some(jpeg) = kept.filter(|j| j.len() <= limits.max_bytes) {
        return Ok(Photo {
            sha256: sha256_hex(&jpeg),
            original_sha256,
            jpeg,
            width,
            height,
            taken_at,
            place,
            salvaged,
        });
    }
    let mut picture = picture;
    let target = Target {
        max_bytes: limits.max_bytes,
        ..Target::default()
    };
    let mut edge = edge as usize;
    // Colours are converted after the first shrinking: there are fewer of them then.
    let (mut orientation, mut profile) = (Some(orientation), profile);
    loop {
        picture = fit(picture, edge);
        if let Some(profile) = profile.take() {
            profile.apply(&mut picture);
        }
        if let Some(orientation) = orientation.take() {
            picture = picture.upright(orientation);
        }
        if let Some((jpeg, _)) = encode(&picture, &target, &Tuning::default()) {
            let (width, height) = (picture.width() as u32, picture.height() as u32);
            return Ok(Photo {
                sha256: sha256_hex(&jpeg),
                original_sha256,
                jpeg,
                width,
                height,
                taken_at,
                place,
                salvaged,
            });
        }
        // Fewer pixels read better than coarser ones.
        edge = picture.width().max(picture.height()) * 4 / 5;
        if edge < 64 {
            return Err(PhotoError::Damaged);
        }
    }
}

/// How long a picture may be. A strip, such as the screenshot of a whole chat, may have as many
/// pixels as a square one; otherwise nothing in it could be read.
pub fn edge_of(long_edge: u32, width: u32, height: u32) -> u32 {
    let (longer, shorter) = (width.max(height), width.min(height).max(1));
    if longer <= shorter * 5 / 2 {
        return long_edge;
    }
    let strip = f64::from(long_edge) * (f64::from(longer) / f64::from(shorter)).sqrt();
    (strip as u32).min(4 * long_edge)
}

fn fit(picture: Picture, long_edge: usize) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let longer = width.max(height);
    if longer <= long_edge {
        return picture;
    }
    let scaled = |side: usize| ((side * long_edge + longer / 2) / longer).max(1);
    picture.resized(scaled(width), scaled(height))
}

/// The EXIF block of a file: after its name in APP1 of a JPEG, even behind stray bytes; in `eXIf`
/// of a PNG (third edition, 11.3.4.5); in `EXIF` of a WebP (RFC 9649 2.7.1.5), where some programs
/// leave the name in.
fn exif_block(file: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"Exif\0\0";
    let big = |at: usize| Some(u32::from_be_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize);
    let little =
        |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize);
    let chunk = |mut at: usize, kind: &[u8], png: bool| {
        loop {
            let length = if png { big(at)? } else { little(at + 4)? };
            let (name, body) = if png { (at + 4, at + 8) } else { (at, at + 8) };
            if file.get(name..name + 4)? == kind {
                return file.get(body..body.checked_add(length)?);
            }
            at = body
                .checked_add(length)?
                .checked_add(if png { 4 } else { length & 1 })?;
        }
    };
    match sniff(file) {
        Kind::Jpeg => jpeg::segments(file).find_map(|(_, body)| body.strip_prefix(NAME)),
        Kind::Png => chunk(8, b"eXIf", true),
        // An item somewhere in the file (ISO/IEC 23008-12 A.2.1): search for its name followed by
        // the start of a TIFF.
        Kind::Heic | Kind::Foreign => {
            let at = file
                .windows(10)
                .position(|w| w.starts_with(NAME) && matches!(&w[6..], b"II*\0" | b"MM\0*"))?;
            file.get(at + NAME.len()..)
        }
        _ => chunk(12, b"EXIF", false).map(|block| block.strip_prefix(NAME).unwrap_or(block)),
    }
}

/// Whatever can be read: a directory left half written must not leave the picture on its side.
fn exif(file: &[u8]) -> Option<exif::Exif> {
    read_exif(exif_block(file)?)
}

fn read_exif(block: &[u8]) -> Option<exif::Exif> {
    let read = exif::Reader::new()
        .continue_on_error(true)
        .read_raw(block.to_vec());
    read.or_else(|e| e.distill_partial_result(|_| ())).ok()
}

/// An integer of any type: programs do not keep to the one in the standard.
fn whole_number(value: &exif::Value) -> Option<i64> {
    Some(match value {
        exif::Value::SByte(v) => i64::from(*v.first()?),
        exif::Value::SShort(v) => i64::from(*v.first()?),
        exif::Value::SLong(v) => i64::from(*v.first()?),
        other => i64::from(other.get_uint(0)?),
    })
}

/// 1 to 8, as in EXIF; 1 if absent.
fn orientation(file: &[u8]) -> u8 {
    let value = exif(file).and_then(|e| {
        whole_number(
            &e.get_field(exif::Tag::Orientation, exif::In::PRIMARY)?
                .value,
        )
    });
    value.filter(|v| (1..=8).contains(v)).map_or(1, |v| v as u8)
}

/// DateTimeOriginal of the EXIF data, which has no zone: people photograph where they live.
fn taken_at(file: &[u8]) -> Option<Moment> {
    let exif = exif(file)?;
    let field = exif.get_field(exif::Tag::DateTimeOriginal, exif::In::PRIMARY)?;
    let exif::Value::Ascii(texts) = &field.value else {
        return None;
    };
    let text = std::str::from_utf8(texts.first()?).ok()?;
    let (day, time) = text.split_once(' ')?;
    Moment::from_local_input(&format!("{}T{}", day.replace(':', "-"), time.get(..5)?))
}

/// GPSLatitude and GPSLongitude of the EXIF data: degrees, minutes and seconds (Exif 3.0, 4.6.7).
fn place(file: &[u8]) -> Option<Point> {
    let exif = exif(file)?;
    let field = |tag| exif.get_field(tag, exif::In::PRIMARY).map(|f| &f.value);
    let degrees = |tag, reference, opposite: &[u8], most: f64| {
        let parts: Vec<f64> = match field(tag)? {
            exif::Value::Rational(parts) => parts.iter().map(exif::Rational::to_f64).collect(),
            exif::Value::SRational(parts) => parts.iter().map(exif::SRational::to_f64).collect(),
            _ => return None,
        };
        let sum: f64 = parts
            .iter()
            .zip([1.0, 60.0, 3600.0])
            .map(|(part, by)| part / by)
            .sum();
        let back = matches!(field(reference), Some(exif::Value::Ascii(texts)) if texts.first().is_some_and(|t| t == opposite));
        (sum.is_finite() && sum <= most && !parts.is_empty())
            .then_some((if back { -sum } else { sum } * 1e6).round() as i32)
    };
    let lat_e6 = degrees(
        exif::Tag::GPSLatitude,
        exif::Tag::GPSLatitudeRef,
        b"S",
        90.0,
    )?;
    let lon_e6 = degrees(
        exif::Tag::GPSLongitude,
        exif::Tag::GPSLongitudeRef,
        b"W",
        180.0,
    )?;
    // No camera is at (0, 0), but cameras without a fix write it.
    ((lat_e6, lon_e6) != (0, 0)).then_some(Point { lat_e6, lon_e6 })
}

/// Measures a stored picture; `codes`: also reads its QR codes.
///
/// # Errors
/// [`PhotoError::Damaged`] when it does not decode.
pub fn measure(jpeg: &[u8], codes: bool) -> Result<Measures, PhotoError> {
    let frame = jpeg::frame(jpeg).ok_or(PhotoError::Damaged)?;
    let small = decode::scaled(jpeg, MEASURED as u32).ok_or(PhotoError::Damaged)?;
    let whole = || decode::scaled(jpeg, u32::MAX);
    Ok(measures::measured(
        &small,
        (frame.width, frame.height),
        codes.then_some(&whole),
    ))
}

/// Checks a picture that claims to come from [`prepare`]; returns its width and height.
///
/// # Errors [`PhotoError::NotPrepared`] for other formats, larger pictures or metadata;
/// [`PhotoError::Damaged`] when it does not decode.
pub fn inspect(file: &[u8], limits: &Limits) -> Result<(u32, u32), PhotoError> {
    let (width, height) = decode::header(file, limits)?;
    if sniff(file) != Kind::Jpeg
        || file.len() > limits.max_bytes
        || width.max(height) > edge_of(limits.long_edge, width, height)
    {
        return Err(PhotoError::NotPrepared);
    }
    decode::scaled(file, u32::MAX).ok_or(PhotoError::Damaged)?;
    if jpeg::has_metadata(file) {
        return Err(PhotoError::NotPrepared);
    }
    Ok((width, height))
}

#[cfg(test)]
mod tests;

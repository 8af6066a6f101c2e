//! A photograph as a phone makes it goes in, a small upright JPEG without metadata comes out.
//!
//! Promise: [`prepare`] never panics on any bytes, refuses what it cannot do with a [`PhotoError`] whose code
//! names its own sentence, checks size and pixels before decoding, and its result is never above
//! [`Limits::max_bytes`]. The server calls [`inspect`] on what arrives: it trusts no client. What is to be seen on a
//! picture is measured on the stored bytes ([`measure`]), so phone and server measure the same; a PDF is passed by as
//! it is ([`pdf`]).

mod jpeg;
mod kind;
mod look;
pub mod pdf;

use std::fmt;
use std::io::Cursor;

use claim_domain::checks::Look;
use claim_domain::{Code, Moment};
use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use sha2::{Digest, Sha256};

pub use kind::{Kind, sniff};

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
        Limits { long_edge: 2048, max_bytes: 400_000, max_file: 25 << 20, max_pixels: 50_000_000 }
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
    /// When the camera says it was taken; its clock and zone are taken for Asia/Shanghai.
    pub taken_at: Option<Moment>,
}

impl fmt::Debug for Photo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Photo({}x{}, {} bytes)", self.width, self.height, self.jpeg.len())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhotoError {
    Empty,
    NotImage,
    Heic,
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
    /// Names the rule and the sentence for people.
    pub fn code(self) -> Code {
        match self {
            PhotoError::Empty => Code::PhotoEmpty,
            PhotoError::NotImage => Code::PhotoNotImage,
            PhotoError::Heic => Code::PhotoHeic,
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
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Makes the picture that is stored: upright, at most [`Limits::long_edge`], no metadata, a baseline JPEG.
///
/// # Errors
/// Why the file cannot be used.
pub fn prepare(file: &[u8], limits: &Limits) -> Result<Photo, PhotoError> {
    let upright = decode(file, limits)?;
    let small = fit(upright, limits.long_edge)?;
    let (jpeg, width, height) = jpeg::encode_within(small, limits.max_bytes)?;
    Ok(Photo { sha256: sha256_hex(&jpeg), original_sha256: sha256_hex(file), jpeg, width, height, taken_at: taken_at(file) })
}

/// DateTimeOriginal of the EXIF data, which has no zone: people photograph where they live.
fn taken_at(file: &[u8]) -> Option<Moment> {
    let exif = exif::Reader::new().read_from_container(&mut Cursor::new(file)).ok()?;
    let field = exif.get_field(exif::Tag::DateTimeOriginal, exif::In::PRIMARY)?;
    let exif::Value::Ascii(texts) = &field.value else { return None };
    let text = std::str::from_utf8(texts.first()?).ok()?;
    let (day, time) = text.split_once(' ')?;
    Moment::from_local_input(&format!("{}T{}", day.replace(':', "-"), time.get(..5)?))
}

/// What is to be seen on a stored picture; `codes`: also read its QR codes.
///
/// # Errors
/// [`PhotoError::Damaged`] when it does not decode.
pub fn measure(jpeg: &[u8], codes: bool) -> Result<Look, PhotoError> {
    let picture = decode(jpeg, &Limits::default())?;
    Ok(look::look(&picture, codes))
}

/// Judges a picture that claims to come from [`prepare`]; the answer is its width and height.
///
/// # Errors
/// [`PhotoError::NotPrepared`] for other formats, larger pictures or metadata; [`PhotoError::Damaged`] when it
/// does not decode.
pub fn inspect(file: &[u8], limits: &Limits) -> Result<(u32, u32), PhotoError> {
    match sniff(file) {
        _ if file.is_empty() => return Err(PhotoError::Empty),
        Kind::Other => return Err(PhotoError::NotImage),
        Kind::Heic => return Err(PhotoError::Heic),
        Kind::Jpeg if file.len() <= limits.max_bytes => {}
        _ => return Err(PhotoError::NotPrepared),
    }
    let mut decoder = reader(file).into_decoder().map_err(|_| PhotoError::Damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(PhotoError::TooManyPixels);
    }
    if width.max(height) > limits.long_edge {
        return Err(PhotoError::NotPrepared);
    }
    decoder.set_limits(decode_limits(limits)).map_err(|_| PhotoError::Damaged)?;
    DynamicImage::from_decoder(decoder).map_err(|_| PhotoError::Damaged)?;
    if jpeg::has_metadata(file) {
        return Err(PhotoError::NotPrepared);
    }
    Ok((width, height))
}

fn reader(file: &[u8]) -> ImageReader<Cursor<&[u8]>> {
    let format = match sniff(file) {
        Kind::Png => image::ImageFormat::Png,
        Kind::WebP => image::ImageFormat::WebP,
        _ => image::ImageFormat::Jpeg,
    };
    ImageReader::with_format(Cursor::new(file), format)
}

fn decode_limits(limits: &Limits) -> image::Limits {
    let mut decode = image::Limits::no_limits();
    // Eight bytes a pixel: RGBA with 16 bits a channel.
    decode.max_alloc = Some(limits.max_pixels * 8);
    decode
}

fn decode(file: &[u8], limits: &Limits) -> Result<RgbImage, PhotoError> {
    match sniff(file) {
        _ if file.is_empty() => return Err(PhotoError::Empty),
        Kind::Heic => return Err(PhotoError::Heic),
        Kind::Pdf => return Err(PhotoError::Pdf),
        Kind::Other => return Err(PhotoError::NotImage),
        Kind::Jpeg | Kind::Png | Kind::WebP => {}
    }
    if file.len() > limits.max_file {
        return Err(PhotoError::TooLarge);
    }
    let mut decoder = reader(file).into_decoder().map_err(|_| PhotoError::Damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(PhotoError::TooManyPixels);
    }
    if width == 0 || height == 0 {
        return Err(PhotoError::Damaged);
    }
    decoder.set_limits(decode_limits(limits)).map_err(|_| PhotoError::TooManyPixels)?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|_| PhotoError::Damaged)?;
    picture.apply_orientation(orientation);
    Ok(if picture.color().has_alpha() { on_white(&picture) } else { picture.into_rgb8() })
}

/// Transparent parts become white, as paper is.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let rgba = picture.to_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let alpha = u32::from(from[3]);
        for c in 0..3 {
            to[c] = ((u32::from(from[c]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
    rgb
}

/// Shrinks so that the longer side is at most `long_edge`.
fn fit(picture: RgbImage, long_edge: u32) -> Result<RgbImage, PhotoError> {
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    if longer <= long_edge {
        return Ok(picture);
    }
    let scaled = |side: u32| ((u64::from(side) * u64::from(long_edge) + u64::from(longer) / 2) / u64::from(longer)).max(1) as u32;
    let (to_width, to_height) = (scaled(width), scaled(height));
    let source = Image::from_vec_u8(width, height, picture.into_raw(), PixelType::U8x3).map_err(|_| PhotoError::Damaged)?;
    let mut target = Image::new(to_width, to_height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut target, &options).map_err(|_| PhotoError::Damaged)?;
    RgbImage::from_raw(to_width, to_height, target.into_vec()).ok_or(PhotoError::Damaged)
}

#[cfg(test)]
mod tests;

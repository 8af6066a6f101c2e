//! Files to pictures: a JPEG no larger than needed, scaled while it is decoded; PNG and WebP on
//! white.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageReader};
use jpeg_decoder::{ColorTransform, PixelFormat};

use crate::colour;
use crate::kind::claimed;
use crate::plane::{Picture, Plane};
use crate::{Kind, Limits, PhotoError, jpeg, resync, sniff};

/// A progressive JPEG is held as coefficients, six bytes a pixel, whatever size is asked for.
const MOST_PROGRESSIVE: u64 = 60_000_000;
/// Most pixels for a decoder that cannot scale.
const MOST_WHOLE: u64 = 60_000_000;

/// A picture as it lies in its file.
pub(crate) struct Decoded {
    pub picture: Picture,
    /// EXIF, 1 to 8.
    pub orientation: u8,
    pub profile: Option<colour::Profile>,
    /// Decoded here, so the file itself may be kept unchanged.
    pub own: bool,
    /// Part of the file was unreadable; what could be read is here.
    pub salvaged: bool,
}

/// Width and height that the header claims.
///
/// # Errors
/// What cannot be a picture, or claims to be too large: known before anything is decoded.
pub(crate) fn header(file: &[u8], limits: &Limits) -> Result<(u32, u32), PhotoError> {
    match sniff(file) {
        _ if file.is_empty() => return Err(PhotoError::Empty),
        Kind::Heic => return Err(PhotoError::Heic),
        Kind::Foreign => return Err(PhotoError::Foreign),
        Kind::Pdf => return Err(PhotoError::Pdf),
        Kind::Other => return Err(PhotoError::NotImage),
        Kind::Jpeg | Kind::Png | Kind::WebP => {}
    }
    if file.len() > limits.max_file {
        return Err(PhotoError::TooLarge);
    }
    let (width, height, most) = match sniff(file) {
        Kind::Jpeg => {
            let frame = jpeg::frame(file).ok_or(PhotoError::Damaged)?;
            (
                frame.width,
                frame.height,
                if frame.progressive {
                    limits.max_pixels.min(MOST_PROGRESSIVE)
                } else {
                    limits.max_pixels
                },
            )
        }
        _ => {
            let (width, height) = claimed(file).ok_or(PhotoError::Damaged)?;
            (width, height, limits.max_pixels.min(MOST_WHOLE))
        }
    };
    if width == 0 || height == 0 {
        return Err(PhotoError::Damaged);
    }
    if u64::from(width) * u64::from(height) > most {
        return Err(PhotoError::TooManyPixels);
    }
    Ok((width, height))
}

/// A whole JPEG, decoded no larger than `long_edge` needs.
pub(crate) fn of_jpeg(file: &[u8], limits: &Limits) -> Result<Decoded, PhotoError> {
    let (width, height) = header(file, limits)?;
    let picture =
        scaled(file, crate::edge_of(limits.long_edge, width, height)).ok_or(PhotoError::Damaged)?;
    Ok(Decoded {
        picture,
        orientation: crate::orientation(file),
        profile: colour::of_jpeg(file),
        own: true,
        salvaged: false,
    })
}

/// Any picture; from a truncated or torn JPEG, whatever can be read.
pub(crate) fn of_any(file: &[u8], limits: &Limits) -> Result<Decoded, PhotoError> {
    if sniff(file) == Kind::Jpeg
        && let Ok(decoded) = of_jpeg(file, limits)
    {
        return Ok(Decoded {
            profile: colour::of_jpeg_or_table(file),
            ..decoded
        });
    }
    let (width, height) = header(file, limits)?;
    if u64::from(width) * u64::from(height) > MOST_WHOLE {
        return Err(PhotoError::Damaged);
    }
    let is_jpeg = sniff(file) == Kind::Jpeg;
    let Whole { picture, icc, torn } = whole(file, limits)?;
    let profile = if is_jpeg {
        colour::of_jpeg_or_table(file)
    } else {
        icc.and_then(|icc| colour::Profile::read_or_table(&icc))
    };
    Ok(Decoded {
        picture,
        orientation: turned(file),
        profile,
        own: false,
        salvaged: is_jpeg || torn,
    })
}

/// The orientation, even if it is not in an ordinary EXIF block but in ImageMagick's PNG text chunk
/// or in XMP.
fn turned(file: &[u8]) -> u8 {
    let found = crate::orientation(file);
    if found != 1 {
        return found;
    }
    let head = &file[..file.len().min(1 << 18)];
    let after = |mark: &[u8]| {
        head.windows(mark.len())
            .position(|w| w == mark)
            .map(|at| &head[at + mark.len()..])
    };
    let tiff = |block: &[u8]| {
        let exif = crate::read_exif(block)?;
        crate::whole_number(
            &exif
                .get_field(exif::Tag::Orientation, exif::In::PRIMARY)?
                .value,
        )
    };
    let profile = || {
        let text = after(b"zTXtRaw profile type exif\0\0")?;
        let text = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(text, 1 << 17)
            .unwrap_or_else(|e| e.output);
        // A name, a length, and hex in lines.
        let hex: Vec<u8> = text
            .split(|b| *b == b'\n')
            .skip(3)
            .flatten()
            .copied()
            .filter(u8::is_ascii_hexdigit)
            .collect();
        let bytes: Vec<u8> = hex
            .chunks_exact(2)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        tiff(bytes.strip_prefix(b"Exif\0\0").unwrap_or(&bytes))
    };
    let xmp = || {
        let value = after(b"tiff:Orientation")?;
        value
            .iter()
            .take(3)
            .find(|b| b.is_ascii_digit())
            .map(|b| i64::from(b - b'0'))
    };
    let value = profile().or_else(xmp);
    value.filter(|v| (1..=8).contains(v)).map_or(1, |v| v as u8)
}

/// Near enough to this length not to decode twice as many pixels: 4000 pixels become 2000, not
/// 2048, in half the time, and look as good for the same bytes (docs/PHOTOS.md).
pub(crate) fn nearly(long_edge: u32) -> u32 {
    long_edge - long_edge / 40
}

/// A JPEG at the smallest half, quarter or eighth of its size that is [`nearly`] `long_edge`.
pub(crate) fn scaled(file: &[u8], long_edge: u32) -> Option<Picture> {
    let mut decoder = jpeg_decoder::Decoder::new(file);
    decoder.read_info().ok()?;
    let frame = jpeg::frame(file)?;
    let longer = frame.width.max(frame.height);
    let wanted = u64::from(nearly(long_edge));
    let edge = |side: u32| {
        u16::try_from((u64::from(side) * wanted).div_ceil(u64::from(longer))).unwrap_or(u16::MAX)
    };
    if longer > long_edge {
        decoder.scale(edge(frame.width), edge(frame.height)).ok()?;
    }
    let info = decoder.info()?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    // Keep luma and chroma as they are: asking for RGB here just passes them through.
    let plain = info.pixel_format == PixelFormat::RGB24 && frame.is_ycc;
    if plain {
        decoder.set_color_transform(ColorTransform::RGB);
    }
    let pixels = decoder.decode().ok()?;
    Some(match info.pixel_format {
        PixelFormat::L8 => Picture {
            planes: vec![Plane {
                width,
                height,
                pixels,
            }],
        },
        PixelFormat::RGB24 if plain => Picture::from_ycc(width, height, &pixels, true),
        PixelFormat::RGB24 => Picture::from_rgb(width, height, &pixels, true),
        PixelFormat::CMYK32 => {
            // The decoder has undone Adobe's inversion: 255 is all ink.
            let rgb = pixels.chunks_exact(4).flat_map(|p| {
                let ink = |c: u8| (u16::from(255 - c) * u16::from(255 - p[3]) / 255) as u8;
                [ink(p[0]), ink(p[1]), ink(p[2])]
            });
            Picture::from_rgb(width, height, &rgb.collect::<Vec<u8>>(), true)
        }
        PixelFormat::L16 => return None,
    })
}

fn reader(file: &[u8]) -> ImageReader<Cursor<&[u8]>> {
    let format = match sniff(file) {
        Kind::Png => image::ImageFormat::Png,
        Kind::WebP => image::ImageFormat::WebP,
        _ => image::ImageFormat::Jpeg,
    };
    ImageReader::with_format(Cursor::new(file), format)
}

/// What a decoder that cannot scale gives.
struct Whole {
    picture: Picture,
    icc: Option<Vec<u8>>,
    /// The file breaks off; below is white.
    torn: bool,
}

/// Decodes every pixel with `image`; for a torn JPEG with restart markers, also what follows the
/// damage.
fn whole(file: &[u8], limits: &Limits) -> Result<Whole, PhotoError> {
    if sniff(file) == Kind::Jpeg
        && let Some(rgb) = resync::picture(file)
    {
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        return Ok(Whole {
            picture: Picture::from_rgb(width, height, &rgb, true),
            icc: None,
            torn: true,
        });
    }
    let mut decoder = reader(file)
        .into_decoder()
        .map_err(|_| PhotoError::Damaged)?;
    let mut most = image::Limits::no_limits();
    // Eight bytes a pixel: RGBA with 16 bits a channel.
    most.max_alloc = Some(limits.max_pixels.min(MOST_WHOLE) * 8);
    decoder
        .set_limits(most)
        .map_err(|_| PhotoError::TooManyPixels)?;
    let icc = decoder.icc_profile().ok().flatten();
    let (picture, torn) = match DynamicImage::from_decoder(decoder) {
        Ok(picture) => (picture, false),
        Err(_) if sniff(file) == Kind::Png => {
            (as_far_as_it_goes(file).ok_or(PhotoError::Damaged)?, true)
        }
        Err(_) => return Err(PhotoError::Damaged),
    };
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if !picture.color().has_color() && !picture.color().has_alpha() {
        let picture = Picture {
            planes: vec![Plane {
                width,
                height,
                pixels: picture.into_luma8().into_raw(),
            }],
        };
        return Ok(Whole {
            picture,
            icc: None,
            torn,
        });
    }
    let rgb = if picture.color().has_alpha() {
        on_white(&picture.into_rgba8())
    } else {
        picture.into_rgb8().into_raw()
    };
    Ok(Whole {
        picture: Picture::from_rgb(width, height, &rgb, true),
        icc,
        torn,
    })
}

/// The rows of a PNG before it breaks off; `None` if there are hardly any.
fn as_far_as_it_goes(file: &[u8]) -> Option<DynamicImage> {
    let decoder = reader(file).into_decoder().ok()?;
    let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
    let mut bytes = vec![0; usize::try_from(decoder.total_bytes()).ok()?];
    // The error is expected; what was read before it is in `bytes`.
    let _ = decoder.read_image(&mut bytes);
    let row = usize::from(colour.bytes_per_pixel()) * width as usize;
    let read = bytes.iter().rposition(|b| *b != 0)? / row + 1;
    if read * 20 < height as usize {
        return None;
    }
    bytes[read * row..].fill(0xFF);
    Some(match colour {
        image::ColorType::L8 => image::GrayImage::from_raw(width, height, bytes)?.into(),
        image::ColorType::La8 => image::GrayAlphaImage::from_raw(width, height, bytes)?.into(),
        image::ColorType::Rgb8 => image::RgbImage::from_raw(width, height, bytes)?.into(),
        image::ColorType::Rgba8 => image::RgbaImage::from_raw(width, height, bytes)?.into(),
        _ => return None,
    })
}

/// Transparent parts become white, as paper is.
fn on_white(rgba: &[u8]) -> Vec<u8> {
    let pixel = |p: &[u8]| {
        let over = |c: u8| {
            ((u32::from(c) * u32::from(p[3]) + 255 * (255 - u32::from(p[3])) + 127) / 255) as u8
        };
        [over(p[0]), over(p[1]), over(p[2])]
    };
    rgba.chunks_exact(4).flat_map(pixel).collect()
}

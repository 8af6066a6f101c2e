use std::path::PathBuf;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use proptest::prelude::*;

use super::*;

/// Three quarters wide, a red corner at the top left, some texture.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        if x < width / 4 && y < height / 4 {
            Rgb([220, 20, 20])
        } else {
            Rgb([(x / 4 % 256) as u8, (y / 3 % 256) as u8, (((x / 16) ^ (y / 16)) % 64 * 4) as u8])
        }
    })
}

fn jpeg_with(picture: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 92);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    encoder.write_image(picture.as_raw(), picture.width(), picture.height(), ExtendedColorType::Rgb8).unwrap();
    file
}

/// A little-endian TIFF block with nothing but the orientation tag (0x0112).
fn orientation(value: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([value, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

fn decoded(jpeg: &[u8]) -> RgbImage {
    image::load_from_memory(jpeg).unwrap().into_rgb8()
}

#[test]
fn a_large_photo_becomes_small_and_keeps_its_shape() {
    let file = jpeg_with(&picture(3200, 2400), None);
    let photo = prepare(&file, &Limits::default()).unwrap();
    assert_eq!((photo.width, photo.height), (2048, 1536));
    assert!(photo.jpeg.len() <= 400_000, "{photo:?}");
    assert_eq!(inspect(&photo.jpeg, &Limits::default()), Ok((2048, 1536)));
    assert_eq!(photo.original_sha256, sha256_hex(&file));
    assert_eq!(photo.sha256, sha256_hex(&photo.jpeg));
}

#[test]
fn small_pictures_are_never_enlarged() {
    let photo = prepare(&jpeg_with(&picture(640, 480), None), &Limits::default()).unwrap();
    assert_eq!((photo.width, photo.height), (640, 480));
}

#[test]
fn all_eight_orientations_come_out_upright_and_without_metadata() {
    let upright = picture(400, 300);
    // The stored pixels for each EXIF value, so that showing them right gives `upright` again.
    let stored = |value: u8| {
        use image::imageops as op;
        match value {
            2 => op::flip_horizontal(&upright),
            3 => op::rotate180(&upright),
            4 => op::flip_vertical(&upright),
            5 => op::flip_horizontal(&op::rotate90(&upright)),
            6 => op::rotate270(&upright),
            7 => op::flip_vertical(&op::rotate90(&upright)),
            8 => op::rotate90(&upright),
            _ => upright.clone(),
        }
    };
    for value in 1..=8 {
        let file = jpeg_with(&stored(value), Some(orientation(value)));
        assert!(jpeg::has_metadata(&file));
        let photo = prepare(&file, &Limits::default()).unwrap();
        assert_eq!((photo.width, photo.height), (400, 300), "orientation {value}");
        let corner = *decoded(&photo.jpeg).get_pixel(30, 30);
        assert!(corner[0] > 180 && corner[1] < 70, "orientation {value}: {corner:?}");
        assert!(!jpeg::has_metadata(&photo.jpeg));
    }
}

#[test]
fn transparent_pixels_become_white() {
    let mut file = Vec::new();
    let clear = image::RgbaImage::from_pixel(64, 64, image::Rgba([0, 0, 0, 0]));
    clear.write_to(&mut Cursor::new(&mut file), image::ImageFormat::Png).unwrap();
    let photo = prepare(&file, &Limits::default()).unwrap();
    assert!(decoded(&photo.jpeg).pixels().all(|p| p.0.iter().all(|c| *c > 250)));
}

#[test]
fn what_is_no_usable_picture_gets_its_own_error() {
    let good = jpeg_with(&picture(320, 240), None);
    let mut bomb = good.clone();
    let sof = bomb.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    bomb[sof + 5..sof + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    let limits = Limits { max_file: 200_000, ..Limits::default() };
    for (file, error) in [
        (&b""[..], PhotoError::Empty),
        (b"Dear insurer, my car", PhotoError::NotImage),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", PhotoError::Heic),
        (b"%PDF-1.7\n%\xE2\xE3", PhotoError::Pdf),
        (b"\xFF\xD8\xFF\xE0garbage", PhotoError::Damaged),
        (&bomb, PhotoError::TooManyPixels),
    ] {
        assert_eq!(prepare(file, &limits).unwrap_err(), error, "{:?}", &file[..file.len().min(12)]);
    }
    let large = [&good[..], &vec![0; 200_000]].concat();
    assert_eq!(prepare(&large, &limits).unwrap_err(), PhotoError::TooLarge);
}

#[test]
fn the_server_accepts_only_what_prepare_makes() {
    let good = prepare(&jpeg_with(&picture(320, 240), None), &Limits::default()).unwrap().jpeg;
    assert_eq!(inspect(&good, &Limits::default()), Ok((320, 240)));
    assert_eq!(inspect(&jpeg_with(&picture(320, 240), Some(orientation(1))), &Limits::default()), Err(PhotoError::NotPrepared));
    assert_eq!(inspect(b"<html>", &Limits::default()), Err(PhotoError::NotImage));
    assert_eq!(inspect(&good, &Limits { long_edge: 300, ..Limits::default() }), Err(PhotoError::NotPrepared));
    assert_eq!(inspect(&good[..100], &Limits::default()), Err(PhotoError::Damaged));
}

proptest! {
    #[test]
    fn damaged_files_never_panic(cut in 0usize..4000, flips in proptest::collection::vec((0usize..4000, any::<u8>()), 0..8)) {
        let mut file = jpeg_with(&picture(96, 64), Some(orientation(6)));
        for (place, value) in flips {
            if let Some(byte) = file.get_mut(place) {
                *byte = value;
            }
        }
        file.truncate(cut.max(1));
        let limits = Limits { max_pixels: 1_000_000, ..Limits::default() };
        if let Ok(photo) = prepare(&file, &limits) {
            prop_assert!(photo.jpeg.len() <= limits.max_bytes);
        }
        let _ = inspect(&file, &limits);
    }
}

/// Real photographs, where the machine has them: `BAOAN_PHOTOS` names the folder.
#[test]
fn real_photographs_fit_and_odd_ones_are_named() {
    let Some(folder) = std::env::var_os("BAOAN_PHOTOS").map(PathBuf::from) else { return };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    for name in [
        "p07_doc_thesis.jpg",
        "p12_out_stream.jpg",
        "p15_out_panda.jpg",
        "odd/progressive.jpg",
        "odd/gray.jpg",
        "odd/cmyk.jpg",
        "odd/422.jpg",
        "odd/restart.jpg",
        "odd/trailing.jpg",
    ] {
        let photo = prepare(&read(name), &Limits::default()).unwrap();
        assert!(photo.jpeg.len() <= 400_000 && photo.width.max(photo.height) == 2048, "{name}: {photo:?}");
        assert!(inspect(&photo.jpeg, &Limits::default()).is_ok(), "{name}");
    }
    for (name, error) in [
        ("odd/bomb.jpg", PhotoError::TooManyPixels),
        ("odd/text.jpg", PhotoError::NotImage),
        ("odd/empty.jpg", PhotoError::Empty),
        ("odd/big108mp.jpg", PhotoError::TooManyPixels),
    ] {
        assert_eq!(prepare(&read(name), &Limits::default()).unwrap_err(), error, "{name}");
    }
}

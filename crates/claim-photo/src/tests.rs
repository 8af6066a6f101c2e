use std::io::Cursor;
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
            Rgb([
                (x / 4 % 256) as u8,
                (y / 3 % 256) as u8,
                (((x / 16) ^ (y / 16)) % 64 * 4) as u8,
            ])
        }
    })
}

fn jpeg_with(picture: &RgbImage, exif: Option<Vec<u8>>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 92);
    if let Some(exif) = exif {
        encoder.set_exif_metadata(exif).unwrap();
    }
    encoder
        .write_image(
            picture.as_raw(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .unwrap();
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
        assert_eq!(
            (photo.width, photo.height),
            (400, 300),
            "orientation {value}"
        );
        let corner = *decoded(&photo.jpeg).get_pixel(30, 30);
        assert!(
            corner[0] > 180 && corner[1] < 70,
            "orientation {value}: {corner:?}"
        );
        assert!(!jpeg::has_metadata(&photo.jpeg));
    }
}

#[test]
fn a_broken_directory_of_metadata_does_not_hide_how_to_turn() {
    // The directory of the place (0x8825) begins where the block ends.
    let mut exif = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
    exif.extend(b"\x25\x88\x04\0\x01\0\0\0\x26\0\0\0\0\0\0\0\0\0");
    let photo = prepare(
        &jpeg_with(&picture(400, 300), Some(exif)),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!((photo.width, photo.height), (300, 400));
}

/// GPS in EXIF: 30° 16' 12.5" and 120° 9' 6.25".
fn located(references: [u8; 2]) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x25\x88\x04\0\x01\0\0\0\x1A\0\0\0\0\0\0\0".to_vec();
    exif.extend(4u16.to_le_bytes());
    for (tag, kind, count, value) in [
        (1u16, 2u16, 2u32, u32::from(references[0])),
        (2, 5, 3, 80),
        (3, 2, 2, u32::from(references[1])),
        (4, 5, 3, 104),
    ] {
        exif.extend(tag.to_le_bytes());
        exif.extend(kind.to_le_bytes());
        exif.extend(count.to_le_bytes());
        exif.extend(value.to_le_bytes());
    }
    exif.extend(0u32.to_le_bytes());
    for (over, under) in [
        (30u32, 1u32),
        (16, 1),
        (125, 10),
        (120, 1),
        (9, 1),
        (625, 100),
    ] {
        exif.extend(over.to_le_bytes());
        exif.extend(under.to_le_bytes());
    }
    exif
}

#[test]
fn where_it_was_taken_is_kept_apart() {
    let place = |references| {
        let photo = prepare(
            &jpeg_with(&picture(400, 300), Some(located(references))),
            &Limits::default(),
        )
        .unwrap();
        assert!(
            !photo.jpeg.windows(4).any(|w| w == b"Exif"),
            "not in the stored copy"
        );
        photo.place.map(|p| (p.lat_e6, p.lon_e6))
    };
    assert_eq!(place(*b"NE"), Some((30_270_139, 120_151_736)));
    assert_eq!(place(*b"SW"), Some((-30_270_139, -120_151_736)));
    let none = prepare(
        &jpeg_with(&picture(400, 300), Some(orientation(1))),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(none.place, None);
}

#[test]
fn transparent_pixels_become_white() {
    let mut file = Vec::new();
    let clear = image::RgbaImage::from_pixel(64, 64, image::Rgba([0, 0, 0, 0]));
    clear
        .write_to(&mut Cursor::new(&mut file), image::ImageFormat::Png)
        .unwrap();
    let photo = prepare(&file, &Limits::default()).unwrap();
    assert!(
        decoded(&photo.jpeg)
            .pixels()
            .all(|p| p.0.iter().all(|c| *c > 250))
    );
}

#[test]
fn what_is_no_usable_picture_gets_its_own_error() {
    let good = jpeg_with(&picture(320, 240), None);
    let mut bomb = good.clone();
    let sof = bomb.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    bomb[sof + 5..sof + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    let limits = Limits {
        max_file: 200_000,
        ..Limits::default()
    };
    for (file, error) in [
        (&b""[..], PhotoError::Empty),
        (b"Dear insurer, my car", PhotoError::NotImage),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", PhotoError::Heic),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", PhotoError::Heic),
        (
            b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif",
            PhotoError::Foreign,
        ),
        (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", PhotoError::Foreign),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", PhotoError::NotImage),
        (b"\0\0\0\x0cJXL \r\n\x87\n", PhotoError::Foreign),
        (b"\xFF\x0A\xFA\x1F", PhotoError::Foreign),
        (b"II*\0\x08\0\0\0", PhotoError::Foreign),
        (
            include_bytes!("../../../fuzz/seeds/small.avif"),
            PhotoError::Foreign,
        ),
        (
            include_bytes!("../../../fuzz/seeds/small.gif"),
            PhotoError::Foreign,
        ),
        (
            include_bytes!("../../../fuzz/seeds/small.bmp"),
            PhotoError::Foreign,
        ),
        (b"BM is how this letter begins", PhotoError::NotImage),
        (b"%PDF-1.7\n%\xE2\xE3", PhotoError::Pdf),
        (b"\xFF\xD8\xFF\xE0garbage", PhotoError::Damaged),
        (&bomb, PhotoError::TooManyPixels),
    ] {
        assert_eq!(
            prepare(file, &limits).unwrap_err(),
            error,
            "{:?}",
            &file[..file.len().min(12)]
        );
    }
    let large = [&good[..], &vec![0; 200_000]].concat();
    assert_eq!(prepare(&large, &limits).unwrap_err(), PhotoError::TooLarge);
}

#[test]
fn the_server_accepts_only_what_prepare_makes() {
    let good = prepare(&jpeg_with(&picture(2400, 1800), None), &Limits::default())
        .unwrap()
        .jpeg;
    let size = Ok((2048, 1536));
    assert_eq!(inspect(&good, &Limits::default()), size);
    assert_eq!(
        inspect(
            &jpeg_with(&picture(320, 240), Some(orientation(1))),
            &Limits::default()
        ),
        Err(PhotoError::NotPrepared)
    );
    assert_eq!(
        inspect(b"<html>", &Limits::default()),
        Err(PhotoError::NotImage)
    );
    assert_eq!(
        inspect(
            &good,
            &Limits {
                long_edge: 300,
                ..Limits::default()
            }
        ),
        Err(PhotoError::NotPrepared)
    );
    assert_eq!(
        inspect(&good[..100], &Limits::default()),
        Err(PhotoError::Damaged)
    );
}

/// Small files of each kind, altered, cut and spliced by a fixed seed: a picture or an error, each
/// within five seconds. `BAOAN_EXECUTIONS` sets how many (a full run is a million).
#[test]
fn mutated_files_are_prepared_or_refused() {
    let count: u64 = std::env::var("BAOAN_EXECUTIONS").map_or(20_000, |n| n.parse().unwrap());
    let small = picture(24, 16);
    let seeds = [
        jpeg_with(&small, Some(orientation(6))),
        written(&small, image::ImageFormat::Png),
        written(&small, image::ImageFormat::WebP),
    ];
    // Small limits: what is looked for is a crash, not a large picture.
    let limits = Limits {
        long_edge: 256,
        max_bytes: 40_000,
        max_file: 1 << 20,
        max_pixels: 1 << 20,
    };
    let (mut prepared, mut slowest) = (0, Duration::ZERO);
    for seed in 0..count {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut luck = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % n.max(1)
        };
        let mut file = seeds[seed as usize % seeds.len()].clone();
        for _ in 0..=luck(8) {
            let (at, other) = (luck(file.len()), luck(file.len()));
            match luck(8) {
                0 => drop(file.drain(at..(at + luck(40)).min(file.len()))),
                1 => {
                    let part = file[other..(other + luck(60)).min(file.len())].to_vec();
                    drop(file.splice(at..at, part));
                }
                2 if luck(4) == 0 => file.truncate(at.max(1)),
                3 => file[at] ^= 1 << luck(8),
                _ => file[at] = luck(256) as u8,
            }
            if file.is_empty() {
                file.push(0xFF);
            }
        }
        let began = Instant::now();
        if let Ok(photo) = prepare(&file, &limits) {
            assert!(
                photo.jpeg.len() <= limits.max_bytes && photo.width.max(photo.height) <= 4 * 256,
                "seed {seed}: {photo:?}"
            );
            assert!(
                inspect(&photo.jpeg, &limits).is_ok(),
                "seed {seed}: what prepare makes, inspect takes"
            );
            prepared += 1;
        }
        let _ = inspect(&file, &limits);
        slowest = slowest.max(began.elapsed());
        assert!(
            slowest < Duration::from_secs(5),
            "seed {seed} took {slowest:?}"
        );
    }
    println!(
        "{count} mutated files: {prepared} prepared, {} refused, the slowest in {} ms; violations: 0",
        count - prepared,
        slowest.as_millis()
    );
    assert!(prepared > 0 && prepared < count);
}

fn written(picture: &RgbImage, format: image::ImageFormat) -> Vec<u8> {
    let mut file = Vec::new();
    picture
        .write_to(&mut Cursor::new(&mut file), format)
        .unwrap();
    file
}

/// A decoder that is not ours, for comparison: pixels of a finished file.
fn other_decoder(jpeg: &[u8]) -> Vec<u8> {
    let mut decoder = jpeg_decoder::Decoder::new(jpeg);
    let pixels = decoder.decode().unwrap();
    if decoder.info().unwrap().pixel_format == jpeg_decoder::PixelFormat::L8 {
        pixels.iter().flat_map(|v| [*v; 3]).collect()
    } else {
        pixels
    }
}

proptest! {
    /// Any size, any pixels, coarse or fine, grey, halved or whole chroma: two decoders read the
    /// output alike, and at the finest it matches the input.
    #[test]
    fn what_is_written_is_read_alike(width in 1usize..65, height in 1usize..65, seed: u64, calm: bool, planes in 0u8..3, scale in 0.05f32..8.0) {
        let mut state = seed | 1;
        let pixels: Vec<u8> = (0..width * height * 3)
            .map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if calm { (i / 3 % width * 255 / width) as u8 } else { (state >> 56) as u8 }
            })
            .collect();
        let mut picture = Picture::from_rgb(width, height, &pixels, planes == 1);
        if planes == 2 {
            picture.planes.truncate(1);
        }
        let target = Target { max_bytes: usize::MAX, finest: scale, coarsest: scale };
        let (file, _) = encode(&picture, &target, &Tuning::default()).unwrap();
        let (one, two) = (decoded(&file), other_decoder(&file));
        prop_assert_eq!((one.width() as usize, one.height() as usize), (width, height));
        // Inverse transforms round differently, and chroma is spread differently.
        let apart = one.as_raw().iter().zip(&two).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() as f64 / two.len() as f64;
        let allowed = if planes == 1 && !calm { 24.0 } else { 2.0 };
        prop_assert!(apart <= allowed, "{} apart", apart);
        if scale < 0.1 && planes == 0 {
            let off = one.as_raw().iter().zip(&pixels).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() as f64 / pixels.len() as f64;
            prop_assert!(off <= 3.0, "{} off", off);
        }
        prop_assert!(!jpeg::has_metadata(&file));
    }

    #[test]
    fn a_picture_is_shrunk_without_shift(width in 8usize..300, height in 8usize..300, to in 4usize..150) {
        // A ramp stays a ramp: every sample of the result is where it was.
        let ramp = Plane { width, height, pixels: (0..width * height).map(|i| (i % width * 255 / (width - 1)) as u8).collect() };
        let to = to.min(width);
        let small = Picture { planes: vec![ramp] }.resized(to, height.min(to).max(1));
        let line = &small.planes[0].pixels[..to];
        for (x, value) in line.iter().enumerate().filter(|(x, _)| *x > 3 && x + 4 < to) {
            let wanted = ((x as f64 + 0.5) * width as f64 / to as f64 - 0.5) * 255.0 / (width - 1) as f64;
            prop_assert!((f64::from(*value) - wanted).abs() < 2.5, "{} is {}, not {}", x, value, wanted);
        }
    }
}

#[test]
fn the_budget_is_used_and_never_passed() {
    // Noise takes all it can get.
    let mut state = 1u32;
    let noise = RgbImage::from_fn(2048, 1200, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (state >> 26) as u8;
        Rgb([grain + (x / 16) as u8, grain + (y / 8) as u8, grain * 2])
    });
    let file = jpeg_with(&noise, None);
    for max_bytes in [60_000, 150_000, 300_000, 400_000] {
        let photo = prepare(
            &file,
            &Limits {
                max_bytes,
                ..Limits::default()
            },
        )
        .unwrap();
        assert!(
            photo.jpeg.len() <= max_bytes && photo.jpeg.len() * 100 >= max_bytes * 97,
            "{} of {max_bytes}",
            photo.jpeg.len()
        );
    }
    // If not even the coarsest fits, we give up pixels, not letters.
    let photo = prepare(
        &file,
        &Limits {
            max_bytes: 20_000,
            ..Limits::default()
        },
    )
    .unwrap();
    assert!(
        photo.jpeg.len() <= 20_000 && photo.width < 2048,
        "{photo:?}"
    );
}

/// All blocks of a pattern change at once or not at all: its sizes have steps.
#[test]
fn of_a_pattern_a_size_near_the_budget_is_found() {
    type Grey = fn(usize, usize) -> u8;
    let patterns: [(Grey, usize, usize); 4] = [
        (
            |x, y| if (x + y) % 2 == 0 { 88 } else { 168 },
            300_000,
            250_000,
        ),
        (
            |x, y| if (x + y) % 2 == 0 { 0 } else { 255 },
            300_000,
            270_000,
        ),
        (
            |x, y| if (x + y) % 2 == 0 { 108 } else { 148 },
            240_000,
            205_000,
        ),
        (|x, _| (x / 8) as u8, 16_000, 14_000),
    ];
    for (i, (value, max_bytes, least)) in patterns.into_iter().enumerate() {
        let pixels = (0..2048 * 1536)
            .map(|at| value(at % 2048, at / 2048))
            .collect();
        let pattern = Picture {
            planes: vec![Plane {
                width: 2048,
                height: 1536,
                pixels,
            }],
        };
        let made = |max_bytes| {
            crate::encode(
                &pattern,
                &crate::Target {
                    max_bytes,
                    ..Default::default()
                },
                &crate::Tuning::default(),
            )
        };
        let size = made(max_bytes).map(|(file, _)| file.len());
        assert!(
            size.is_some_and(|size| (least..=max_bytes).contains(&size)),
            "pattern {i}: {size:?} of {max_bytes}"
        );
        assert!(made(0).is_none());
    }
}

#[test]
fn a_small_upright_file_is_kept_bit_for_bit_but_for_its_metadata() {
    let plain = jpeg_with(&picture(640, 480), None);
    assert_eq!(prepare(&plain, &Limits::default()).unwrap().jpeg, plain);
    let with = jpeg_with(&picture(640, 480), Some(orientation(1)));
    let followed = [&with[..], b"ftypmp42 a motion photo"].concat();
    let photo = prepare(&followed, &Limits::default()).unwrap();
    assert_eq!(photo.jpeg, plain);
    assert_eq!(photo.original_sha256, sha256_hex(&followed));
    let turned = prepare(
        &jpeg_with(&picture(640, 480), Some(orientation(6))),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!((turned.width, turned.height), (480, 640));
}

#[test]
fn a_file_that_breaks_off_is_salvaged_with_a_word_about_it() {
    let whole = jpeg_with(&picture(1600, 1200), None);
    let photo = prepare(&whole[..whole.len() * 6 / 10], &Limits::default()).unwrap();
    assert!(photo.salvaged && !prepare(&whole, &Limits::default()).unwrap().salvaged);
    let corner = *decoded(&photo.jpeg).get_pixel(30, 30);
    assert!(
        corner[0] > 180 && corner[1] < 70,
        "the top is there: {corner:?}"
    );
    assert_eq!(
        prepare_jpeg(&whole[..5_000], &Limits::default()),
        Err(PhotoError::Damaged)
    );
}

/// A file as cameras write them, with a restart marker every `interval` units.
fn with_restarts(picture: &RgbImage, interval: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder.set_restart_interval(interval);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    encoder
        .encode(
            picture.as_raw(),
            width,
            height,
            jpeg_encoder::ColorType::Rgb,
        )
        .unwrap();
    file
}

/// Bytes overwritten anywhere, with anything: what follows is shown in its place, and little more
/// is lost than they held.
#[test]
fn behind_the_damage_a_torn_file_goes_on_at_the_next_restart_marker() {
    let picture = picture(1600, 1200);
    for (interval, length, by) in [
        (100u16, 16_384, 0xFFu8),
        (4, 16_384, 0xFF),
        (1, 3_000, 0),
        (100, 700, 0x55),
        (37, 5_000, 0xAA),
        (300, 9_000, 0xFF),
    ] {
        let file = with_restarts(&picture, interval);
        let whole = decoded(&prepare(&file, &Limits::default()).unwrap().jpeg);
        let scan = file.windows(2).position(|w| w == [0xFF, 0xDA]).unwrap() + 14;
        for part in [0, 10, 35, 60, 90] {
            let mut torn = file.clone();
            let from = scan + (file.len() - scan - length - 2) * part / 100;
            torn[from..from + length].fill(by);
            let photo = prepare(&torn, &Limits::default()).unwrap();
            // Other bytes may happen to be codes: nobody can tell.
            assert!(photo.salvaged || by != 0xFF, "{interval} {part}");
            let shown = decoded(&photo.jpeg);
            assert_eq!(shown.dimensions(), whole.dimensions());
            let off = shown
                .pixels()
                .zip(whole.pixels())
                .filter(|(a, b)| (0..3).any(|c| a.0[c].abs_diff(b.0[c]) > 40))
                .count();
            let share = off as f64 / f64::from(whole.width() * whole.height());
            let damaged = (length as f64 + 4.0 * f64::from(interval) * file.len() as f64 / 7_500.0)
                / file.len() as f64;
            assert!(
                share <= 2.0 * damaged + 0.02,
                "interval {interval}, {length} bytes of {by:02x} at {part} %: {share:.3} of {damaged:.3}"
            );
        }
    }
}

/// A table profile that maps every colour to a grey of half the lightness (lut8Type, ICC.1:2022
/// 10.11).
fn grey_table() -> Vec<u8> {
    let ramp: Vec<u8> = (0..=255u8).collect();
    let mut table = b"mft1\0\0\0\0\x03\x03\x02\0".to_vec();
    for i in 0..9 {
        table.extend(if i % 4 == 0 { [0, 1, 0, 0] } else { [0; 4] });
    }
    table.extend([&ramp[..]; 3].concat());
    table.extend([[128u8, 128, 128]; 8].concat());
    table.extend([&ramp[..]; 3].concat());
    let mut profile = vec![0u8; 128];
    profile[8] = 2;
    profile[12..24].copy_from_slice(b"scnrRGB Lab ");
    profile[36..40].copy_from_slice(b"acsp");
    for (i, value) in [0xF6D6u32, 0x1_0000, 0xD32D].iter().enumerate() {
        profile[68 + 4 * i..72 + 4 * i].copy_from_slice(&value.to_be_bytes());
    }
    profile.extend(1u32.to_be_bytes());
    profile.extend(b"A2B0");
    profile.extend(144u32.to_be_bytes());
    profile.extend((table.len() as u32).to_be_bytes());
    profile.extend(table);
    let size = profile.len() as u32;
    profile[..4].copy_from_slice(&size.to_be_bytes());
    profile
}

#[test]
fn colours_that_a_scanner_gave_as_a_table_become_srgb() {
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 92);
    encoder.set_icc_profile(grey_table()).unwrap();
    let coloured = picture(640, 480);
    encoder
        .write_image(coloured.as_raw(), 640, 480, ExtendedColorType::Rgb8)
        .unwrap();
    assert!(has_table(&file) && !has_table(&jpeg_with(&coloured, None)));
    let photo = prepare(&file, &Limits::default()).unwrap();
    // L* 50 is 119 in sRGB.
    assert!(
        decoded(&photo.jpeg)
            .pixels()
            .all(|p| p.0.iter().all(|c| c.abs_diff(119) <= 3))
    );
    let mut png = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
    encoder.set_icc_profile(grey_table()).unwrap();
    encoder
        .write_image(coloured.as_raw(), 640, 480, ExtendedColorType::Rgb8)
        .unwrap();
    let photo = prepare(&png, &Limits::default()).unwrap();
    assert!(
        decoded(&photo.jpeg)
            .pixels()
            .all(|p| p.0.iter().all(|c| c.abs_diff(119) <= 3))
    );
}

/// A matrix profile with these primaries (XYZ, D50) and the tone curve of sRGB.
fn icc(primaries: [[f64; 3]; 3]) -> Vec<u8> {
    let fixed = |v: f64| ((v * 65_536.0).round() as i32).to_be_bytes();
    let mut tags: Vec<(&[u8; 4], Vec<u8>)> = Vec::new();
    for (name, xyz) in [b"rXYZ", b"gXYZ", b"bXYZ"].into_iter().zip(primaries) {
        tags.push((
            name,
            [
                b"XYZ \0\0\0\0".to_vec(),
                xyz.iter().flat_map(|v| fixed(*v)).collect(),
            ]
            .concat(),
        ));
    }
    let curve: Vec<u8> = [2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.040_45]
        .iter()
        .flat_map(|v| fixed(*v))
        .collect();
    for name in [b"rTRC", b"gTRC", b"bTRC"] {
        tags.push((
            name,
            [b"para\0\0\0\0\0\x03\0\0".to_vec(), curve.clone()].concat(),
        ));
    }
    let mut profile = vec![0u8; 128];
    profile.extend((tags.len() as u32).to_be_bytes());
    let mut at = 132 + 12 * tags.len();
    for (name, body) in &tags {
        profile.extend(*name);
        profile.extend((at as u32).to_be_bytes());
        profile.extend((body.len() as u32).to_be_bytes());
        at += body.len();
    }
    profile.extend(tags.into_iter().flat_map(|(_, body)| body));
    profile
}

/// Display P3 as every iPhone writes it: the same colours in sRGB, to one and a half levels in the
/// mean.
#[test]
fn display_p3_becomes_srgb() {
    const P3: [[f64; 3]; 3] = [
        [0.515_12, 0.241_2, -0.001_05],
        [0.291_98, 0.692_25, 0.041_89],
        [0.157_1, 0.066_57, 0.784_07],
    ];
    let light = |v: f64| {
        if v <= 0.040_45 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    };
    let value = |l: f64| {
        255.0
            * if l <= 0.003_130_8 {
                l * 12.92
            } else {
                1.055 * l.powf(1.0 / 2.4) - 0.055
            }
    };
    // P3 to sRGB in linear light, by the primaries of both in D65 (SMPTE EG 432-1, IEC 61966-2-1).
    const TO_SRGB: [[f64; 3]; 3] = [
        [1.224_94, -0.224_94, 0.0],
        [-0.042_06, 1.042_06, 0.0],
        [-0.019_64, -0.078_64, 1.098_27],
    ];
    // Patches of 32 pixels, so that coding blurs few of them.
    let patch = |i: u32| {
        let level = |n: u32| 60.0 + 45.0 * f64::from(n % 4);
        [level(i), level(i / 4), level(i / 16)]
    };
    let p3 = RgbImage::from_fn(256, 256, |x, y| {
        Rgb(patch(x / 32 + y / 32 * 8).map(|v| v as u8))
    });
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 98);
    encoder.set_icc_profile(icc(P3)).unwrap();
    encoder
        .write_image(p3.as_raw(), 256, 256, ExtendedColorType::Rgb8)
        .unwrap();
    let photo = prepare(&file, &Limits::default()).unwrap();
    assert!(!jpeg::has_metadata(&photo.jpeg), "the profile is gone");
    let shown = decoded(&photo.jpeg);
    let (mut off, mut count) = (0.0, 0.0);
    for i in 0..64u32 {
        let linear = patch(i).map(|v| light(v / 255.0));
        let wanted = TO_SRGB.map(|row| {
            value(
                (0..3)
                    .map(|c| row[c] * linear[c])
                    .sum::<f64>()
                    .clamp(0.0, 1.0),
            )
        });
        let found = shown.get_pixel(i % 8 * 32 + 16, i / 8 * 32 + 16);
        off += (0..3)
            .map(|c| (f64::from(found[c]) - wanted[c]).abs())
            .sum::<f64>();
        count += 3.0;
    }
    assert!(
        off / count <= 1.5,
        "mean error of {:.2} levels",
        off / count
    );
    // sRGB's own profile changes nothing.
    const SRGB: [[f64; 3]; 3] = [
        [0.436_07, 0.222_49, 0.013_92],
        [0.385_15, 0.716_87, 0.097_08],
        [0.143_07, 0.060_61, 0.714_1],
    ];
    assert!(
        colour::Profile::read(&icc(SRGB)).is_none() && colour::Profile::read(&icc(P3)).is_some()
    );
    assert!(colour::Profile::read(b"no profile").is_none());
}

/// Every cut of three small files, and a bomb, which must cost nothing.
#[test]
fn every_truncation_of_small_files_ends_well() {
    let small = picture(40, 30);
    let (png, webp) = (
        written(&small, image::ImageFormat::Png),
        written(&small, image::ImageFormat::WebP),
    );
    for file in [jpeg_with(&small, Some(orientation(6))), png, webp] {
        for cut in 0..file.len() {
            if let Ok(photo) = prepare(&file[..cut], &Limits::default()) {
                assert!(inspect(&photo.jpeg, &Limits::default()).is_ok());
            }
        }
    }
}

/// Pixels of four bytes become the planes that pixels of three become, at every size and edge,
/// whatever lies between rows.
#[test]
fn a_browsers_pixels_become_the_same_planes() {
    for (width, height) in [(1, 1), (2, 3), (3, 2), (5, 5), (64, 37), (127, 66)] {
        let value = |i: usize| ((i * 2_654_435_761) >> 7) as u8;
        let rgb: Vec<u8> = (0..width * height * 3).map(value).collect();
        let expected = Picture::from_rgb(width, height, &rgb, true);
        for between in [0, 20] {
            let row = |row: &[u8]| {
                row.chunks(3)
                    .flat_map(|p| [p[2], p[1], p[0], 255])
                    .chain(vec![77; between])
                    .collect::<Vec<u8>>()
            };
            let bgrx: Vec<u8> = rgb.chunks(3 * width).flat_map(row).collect();
            let found = Picture::from_bgrx(width, height, &bgrx, 4 * width + between);
            for (a, b) in expected.planes.iter().zip(&found.planes) {
                assert_eq!((a.width, a.height), (b.width, b.height));
                assert!(
                    a.pixels
                        .iter()
                        .zip(&b.pixels)
                        .all(|(a, b)| a.abs_diff(*b) <= 1),
                    "{width} x {height}"
                );
            }
        }
    }
}

/// Real photographs and odd files, where the machine has them: `BAOAN_PHOTOS` names the folder.
#[test]
fn real_photographs_fit_and_odd_ones_are_named() {
    let Some(folder) = std::env::var_os("BAOAN_PHOTOS").map(PathBuf::from) else {
        return;
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let limits = Limits::default();
    let small = |name: &str| {
        let photo = prepare(&read(name), &limits).unwrap();
        assert!(
            photo.jpeg.len() <= 400_000 && inspect(&photo.jpeg, &limits).is_ok(),
            "{name}: {photo:?}"
        );
        photo
    };
    for name in ["p07_doc_thesis", "p12_out_stream", "p15_out_panda"] {
        let photo = small(&format!("{name}.jpg"));
        assert!(
            photo.width.max(photo.height) == 2000 && photo.jpeg.len() >= 388_000,
            "{name}: {photo:?}"
        );
    }
    // The same street in other forms: the same picture comes out.
    let apart = |a: &RgbImage, b: &RgbImage| {
        assert_eq!(a.dimensions(), b.dimensions());
        a.as_raw()
            .iter()
            .zip(b.as_raw())
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum::<u64>() as f64
            / a.as_raw().len() as f64
    };
    let street = decoded(&small("p11_out_facade.jpg").jpeg);
    for (name, allowed) in [
        ("progressive", 2.0),
        ("restart", 2.0),
        ("422", 2.0),
        ("trailing", 0.01),
    ] {
        let found = apart(&street, &decoded(&small(&format!("odd/{name}.jpg")).jpeg));
        assert!(found <= allowed, "{name}: {found:.2} apart");
    }
    // Its size differs from the model's, so the model is resized to it.
    let cmyk = decoded(&small("odd/cmyk.jpg").jpeg);
    let model = decoded(&small("p15_out_panda.jpg").jpeg);
    let model = image::imageops::resize(
        &model,
        cmyk.width(),
        cmyk.height(),
        image::imageops::FilterType::Triangle,
    );
    let panda = apart(&model, &cmyk);
    assert!(panda <= 6.0, "cmyk: {panda:.2} apart");
    let upright = decoded(&small("odd/orient1.jpg").jpeg);
    for value in 2..=8 {
        let found = apart(
            &upright,
            &decoded(&small(&format!("odd/orient{value}.jpg")).jpeg),
        );
        assert!(found <= 2.5, "orientation {value}: {found:.2} apart");
    }
    assert!(small("odd/gps.jpg").taken_at.is_some());
    assert_eq!(
        (
            small("odd/small.jpg").width,
            small("odd/big48mp.jpg").width,
            small("odd/big108mp.jpg").width
        ),
        (800, 2016, 2048)
    );
    for name in ["gray.jpg", "alpha.png", "photo.png", "photo.webp"] {
        assert!(!small(&format!("odd/{name}")).salvaged, "{name}");
    }
    assert!(small("odd/truncated60.jpg").salvaged);
    // Flipped bits shift the brightness of what follows; only decoders that refuse such a file can
    // tell.
    small("odd/bitflips.jpg");
    for (name, error) in [
        ("odd/bomb.jpg", PhotoError::TooManyPixels),
        ("odd/text.jpg", PhotoError::NotImage),
        ("odd/empty.jpg", PhotoError::Empty),
    ] {
        assert_eq!(prepare(&read(name), &limits), Err(error), "{name}");
    }
}

/// A segment with this body.
fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length[..], body].concat()
}

/// Anything an application wrote into a file is removed, whichever segment it is in; in an upload
/// it is refused.
#[test]
fn nothing_that_an_application_wrote_is_kept() {
    let plain = prepare(&jpeg_with(&picture(400, 300), None), &Limits::default())
        .unwrap()
        .jpeg;
    assert!(inspect(&plain, &Limits::default()).is_ok());
    let jfif = |extra: &[u8], thumb: (u8, u8)| {
        [
            &b"JFIF\0\x01\x01\0\0\x01\0\x01"[..],
            &[thumb.0, thumb.1],
            extra,
        ]
        .concat()
    };
    let mut segments: Vec<(u8, Vec<u8>)> = (0xE1..=0xEF)
        .chain(0xF0..=0xFE)
        .chain([0x02, 0xBF])
        .map(|m| (m, b"secret of a person".to_vec()))
        .collect();
    segments.extend([
        (0xE0, b"AVI1secret of a person".to_vec()),
        (0xE0, [&b"JFXX\0\x10"[..], b"secret of a person"].concat()),
        (0xE0, [&b"CIFF"[..], b"secret of a person"].concat()),
        (0xE0, jfif(b"secret of a person", (0, 0))),
        (0xE0, jfif(&[b's'; 27], (3, 3))),
        (
            0xEE,
            [&b"Adobe\0\x64\0\0\0\0\x01"[..], b"secret of a person"].concat(),
        ),
        (0xEE, b"secret of a person".to_vec()),
    ]);
    for (marker, body) in segments {
        let with = [&plain[..2], &segment(marker, &body), &plain[2..]].concat();
        assert!(
            inspect(&with, &Limits::default()).is_err(),
            "{marker:x} {:?}",
            String::from_utf8_lossy(&body)
        );
        // A file with markers no decoder knows is not a picture.
        let Ok(photo) = prepare(&with, &Limits::default()) else {
            assert!(matches!(marker, 0x02 | 0xBF | 0xF0..=0xFD), "{marker:x}");
            continue;
        };
        assert!(!photo.jpeg.windows(6).any(|w| w == b"secret"), "{marker:x}");
        assert!(
            inspect(&photo.jpeg, &Limits::default()).is_ok(),
            "{marker:x}"
        );
    }
}

/// Bytes between segments, in front of the EXIF block or behind it, do not hide which way is up.
#[test]
fn what_stands_between_segments_is_passed_over() {
    let file = jpeg_with(&picture(400, 200), Some(orientation(6)));
    let app1 = file.windows(2).position(|w| w == [0xFF, 0xE1]).unwrap();
    for junk in [
        &b"\x00"[..],
        b"\x00\x00",
        b"ab",
        b"\xFF\xFF",
        b"\xFF\x00",
        b"\x00\xE1",
    ] {
        let with = [&file[..app1], junk, &file[app1..]].concat();
        let photo = prepare(&with, &Limits::default()).unwrap_or_else(|e| panic!("{junk:?}: {e}"));
        assert_eq!((photo.width, photo.height), (200, 400), "{junk:?}");
    }
}

/// The orientation as any integer type.
#[test]
fn orientation_is_read_from_every_whole_type() {
    for (kind, value) in [
        (1u8, vec![6]),
        (3, vec![6, 0]),
        (4, vec![6, 0, 0, 0]),
        (6, vec![6]),
        (8, vec![6, 0]),
        (9, vec![6, 0, 0, 0]),
    ] {
        let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
        exif.extend([kind, 0, 1, 0, 0, 0]);
        exif.extend(value.iter().copied().chain([0; 4]).take(4));
        exif.extend([0; 4]);
        let photo = prepare(
            &jpeg_with(&picture(400, 200), Some(exif)),
            &Limits::default(),
        )
        .unwrap();
        assert_eq!((photo.width, photo.height), (200, 400), "type {kind}");
    }
}

/// A PNG that breaks off is salvaged as a JPEG is, and says so.
#[test]
fn a_png_that_breaks_off_is_salvaged() {
    let mut file = Vec::new();
    image::codecs::png::PngEncoder::new(&mut file)
        .write_image(
            picture(600, 400).as_raw(),
            600,
            400,
            ExtendedColorType::Rgb8,
        )
        .unwrap();
    for part in [99, 90, 60] {
        let photo = prepare(&file[..file.len() * part / 100], &Limits::default())
            .unwrap_or_else(|e| panic!("{part} %: {e}"));
        assert!(
            photo.salvaged && (photo.width, photo.height) == (600, 400),
            "{part} %"
        );
        let read = decoded(&photo.jpeg);
        assert!(
            read.get_pixel(20, 20)[0] > 180 && read.get_pixel(20, 20)[1] < 80,
            "the top is there"
        );
    }
    assert!(prepare(&file[..60], &Limits::default()).is_err());
}

/// A strip keeps as many pixels as any other picture, so that its text can be read.
#[test]
fn a_long_screenshot_stays_readable() {
    for (width, height) in [(1080, 16_000), (16_000, 1080), (1080, 9000)] {
        let photo = prepare(
            &jpeg_with(&picture(width, height), None),
            &Limits::default(),
        )
        .unwrap();
        assert!(
            photo.width.min(photo.height) >= 500,
            "{width}x{height}: {}x{}",
            photo.width,
            photo.height
        );
        assert_eq!(
            inspect(&photo.jpeg, &Limits::default()),
            Ok((photo.width, photo.height))
        );
    }
    let photo = prepare(&jpeg_with(&picture(1080, 2400), None), &Limits::default()).unwrap();
    assert_eq!(photo.height, 2048, "an ordinary screenshot is no strip");
}

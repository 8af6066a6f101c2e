//! Photographs of 12 megapixels with EXIF as phones write it, generated here so that the tests need
//! no external files; real ones are used if `BAOAN_PHOTOS` names a folder of them.

use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};
use sha2::{Digest, Sha256};

pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// A street in the evening, roughly: sky, wall with windows, road, and a red corner at the top
/// left.
fn scene(width: u32, height: u32, seed: u32) -> RgbImage {
    let mut noise = seed;
    RgbImage::from_fn(width, height, |x, y| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (noise >> 28) as u8;
        if x < width / 5 && y < height / 5 {
            return Rgb([215, 25, 30]);
        }
        let window = (x / 180) % 2 == 0 && (y / 220) % 2 == 0;
        let base = match y * 3 / height {
            0 => [150 + (y * 60 / height) as u8, 170, 205],
            1 if window => [60, 66, 84],
            1 => [176, 150, 122],
            _ => [92 + (x * 30 / width) as u8, 92, 96],
        };
        Rgb(base.map(|c: u8| c.saturating_add(grain)))
    })
}

/// JPEG with orientation, capture time and a GPS tag.
fn as_phone_writes(upright: &RgbImage, orientation: u8) -> Vec<u8> {
    let stored = match orientation {
        2 => flip_horizontal(upright),
        3 => rotate180(upright),
        4 => flip_vertical(upright),
        5 => rotate270(&flip_horizontal(upright)),
        6 => rotate270(upright),
        7 => rotate90(&flip_horizontal(upright)),
        8 => rotate90(upright),
        _ => upright.clone(),
    };
    let mut exif = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0]);
    // 0x8825, GPS, pointing at an empty directory that ends this one.
    exif.extend(b"\x25\x88\x04\0\x01\0\0\0\x26\0\0\0\0\0\0\0\0\0");
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 92);
    encoder
        .set_exif_metadata(exif)
        .unwrap_or_else(|e| panic!("{e}"));
    encoder
        .write_image(
            stored.as_raw(),
            stored.width(),
            stored.height(),
            ExtendedColorType::Rgb8,
        )
        .unwrap_or_else(|e| panic!("{e}"));
    file
}

/// A small photograph with a recorded position: 30.25° north, 120.5° east.
pub fn located_photograph(folder: &Path) -> PathBuf {
    let mut exif =
        b"II*\0\x08\0\0\0\x01\0\x25\x88\x04\0\x01\0\0\0\x1A\0\0\0\0\0\0\0\x04\0".to_vec();
    exif.extend(b"\x01\0\x02\0\x02\0\0\0N\0\0\0\x02\0\x05\0\x03\0\0\0\x50\0\0\0");
    exif.extend(b"\x03\0\x02\0\x02\0\0\0E\0\0\0\x04\0\x05\0\x03\0\0\0\x68\0\0\0\0\0\0\0");
    for number in [30u32, 15, 0, 120, 30, 0] {
        exif.extend(number.to_le_bytes().into_iter().chain(1u32.to_le_bytes()));
    }
    let picture = scene(1200, 900, 9);
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 90);
    encoder
        .set_exif_metadata(exif)
        .unwrap_or_else(|e| panic!("{e}"));
    encoder
        .write_image(picture.as_raw(), 1200, 900, ExtendedColorType::Rgb8)
        .unwrap_or_else(|e| panic!("{e}"));
    let path = folder.join("here.jpg");
    fs::write(&path, file).unwrap_or_else(|e| panic!("{e}"));
    path
}

/// Three photographs of 12 megapixels, landscape when upright.
pub fn photographs(folder: &Path) -> Vec<PathBuf> {
    some_photographs(folder, 3)
}

/// This many different ones, five at most.
pub fn some_photographs(folder: &Path, count: u32) -> Vec<PathBuf> {
    let real = std::env::var_os("BAOAN_PHOTOS").map(PathBuf::from);
    if let Some(real) = real {
        let names = [
            "p11_out_facade.jpg",
            "p14_out_mountain.jpg",
            "p15_out_panda.jpg",
            "p12_out_stream.jpg",
            "p07_doc_thesis.jpg",
        ];
        let files: Vec<PathBuf> = names
            .iter()
            .take(count as usize)
            .filter_map(|n| real.join(n).canonicalize().ok())
            .collect();
        if files.len() == count as usize {
            return files;
        }
    }
    let make = |(seed, orientation): (u32, u8)| {
        let path = folder.join(format!("IMG_000{seed}.jpg"));
        fs::write(
            &path,
            as_phone_writes(&scene(4000, 3000, seed), orientation),
        )
        .unwrap_or_else(|e| panic!("{e}"));
        path
    };
    [(1, 6), (2, 1), (3, 3), (4, 1), (5, 8)]
        .into_iter()
        .take(count as usize)
        .map(make)
        .collect()
}

/// Other pictures that occur: in all eight orientations, grey, transparent, small, with trailing
/// data, truncated, impossibly large. Includes those of `BAOAN_PHOTOS/odd` and `odd2`, if present.
pub fn odd_files(folder: &Path) -> Vec<PathBuf> {
    let upright = scene(2400, 1800, 5);
    let mut files: Vec<(String, Vec<u8>)> = (1..=8)
        .map(|n| (format!("turned{n}.jpg"), as_phone_writes(&upright, n)))
        .collect();
    let png = |picture: image::DynamicImage| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut bytes, image::ImageFormat::Png)
            .unwrap_or_else(|e| panic!("{e}"));
        bytes.into_inner()
    };
    let small = image::imageops::thumbnail(&upright, 800, 600);
    let mut glass = image::DynamicImage::from(small.clone()).into_rgba8();
    glass
        .enumerate_pixels_mut()
        .for_each(|(x, _, p)| p[3] = (x % 256) as u8);
    let mut grey = Vec::new();
    let luma = image::DynamicImage::from(upright.clone()).into_luma8();
    let encoded = JpegEncoder::new_with_quality(&mut grey, 92).write_image(
        &luma,
        luma.width(),
        luma.height(),
        ExtendedColorType::L8,
    );
    encoded.unwrap_or_else(|e| panic!("{e}"));
    let whole = as_phone_writes(&upright, 1);
    let torn = whole[..whole.len() * 6 / 10].to_vec();
    let trailing = [&whole[..], b"ftypmp42 a film"].concat();
    files.extend([
        ("gray.jpg".into(), grey),
        ("plain.png".into(), png(small.clone().into())),
        ("glass.png".into(), png(glass.into())),
        (
            "deep.png".into(),
            png(image::DynamicImage::from(small.clone()).into_rgb16().into()),
        ),
        ("small.jpg".into(), as_phone_writes(&small, 1)),
        ("trailing.jpg".into(), trailing),
        ("torn.jpg".into(), torn),
    ]);
    let mut paths: Vec<PathBuf> = broken_files(folder)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    for (name, bytes) in files {
        paths.push(folder.join(name));
        fs::write(&paths[paths.len() - 1], bytes).unwrap_or_else(|e| panic!("{e}"));
    }
    let folders = ["odd", "odd2"].map(|odd| {
        std::env::var_os("BAOAN_PHOTOS")
            .and_then(|real| fs::read_dir(PathBuf::from(real).join(odd)).ok())
    });
    let is_picture = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| !matches!(e.to_str(), Some("tsv" | "pdf" | "md")))
    };
    let found = folders
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.ok()?.path().canonicalize().ok());
    paths.extend(found.filter(is_picture));
    paths.sort();
    paths
}

/// Files that are no usable picture, with the beginning of the sentence that must be said.
pub fn broken_files(folder: &Path) -> Vec<(PathBuf, &'static str)> {
    let good = as_phone_writes(&scene(640, 480, 9), 1);
    let mut bomb = good.clone();
    let frame = bomb
        .windows(2)
        .position(|w| w == [0xFF, 0xC0])
        .unwrap_or_else(|| panic!("no SOF0"));
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    let damaged = good[..200].to_vec();
    let files: [(&str, Vec<u8>, &str); 7] = [
        ("letter.jpg", b"Dear insurer".to_vec(), "这个文件不是照片"),
        ("empty.jpg", Vec::new(), "这个文件是空的"),
        ("damaged.jpg", damaged, "照片已损坏"),
        ("bomb.jpg", bomb, "照片尺寸太大"),
        (
            "phone.heic",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(),
            "这是 HEIC 格式",
        ),
        (
            "new.avif",
            b"\0\0\0\x18ftypavif\0\0\0\0avifmif1".to_vec(),
            "这种格式的图片这里打不开",
        ),
        (
            "bill.pdf",
            b"%PDF-1.7\n1 0 obj".to_vec(),
            "这里要照片，不收 PDF",
        ),
    ];
    let write = |(name, bytes, said): (&str, Vec<u8>, &'static str)| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap_or_else(|e| panic!("{e}"));
        (path, said)
    };
    files.into_iter().map(write).collect()
}

//! Document files: one that is correct, and one for each fault that the phone must notice.

use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

/// A page of print on light paper; `seed` makes another text.
pub fn page(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let margin = x < width / 10 || x > width * 9 / 10 || y < height / 10 || y > height * 9 / 10;
        let line = y / 12 % 3 == 0;
        let ink = (x / 4 * 7919 + y / 4 * 104_729 + seed * 31) % 5 < 2 && (x / 24 + seed) % 6 != 5;
        if !margin && line && ink {
            Rgb([40, 40, 48])
        } else {
            Rgb([205, 203, 196])
        }
    })
}

/// A card that fills most of the frame, on a table.
pub fn card(half_width: i64, seed: u32) -> RgbImage {
    let half_height = half_width * 540 / 856;
    RgbImage::from_fn(1600, 1200, |x, y| {
        let (dx, dy) = ((i64::from(x) - 800).abs(), (i64::from(y) - 600).abs());
        if dx < half_width && dy < half_height {
            if (x / 6 + y / 6 + seed).is_multiple_of(4) {
                Rgb([60, 70, 120])
            } else {
                Rgb([226, 232, 240])
            }
        } else {
            Rgb([120 + (x % 7) as u8, 92 + (y % 5) as u8, 66])
        }
    })
}

pub fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, 60);
    encoder
        .write_image(
            picture.as_raw(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .unwrap_or_else(|e| panic!("{e}"));
    file
}

/// The same, with the capture time in EXIF (`2026:11:21 10:30:00`).
pub fn dated(picture: &RgbImage, taken: &str) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0".to_vec();
    // The Exif directory at 26: one tag, DateTimeOriginal, 20 characters at 44.
    exif.extend(b"\x01\0\x03\x90\x02\0\x14\0\0\0\x2c\0\0\0\0\0\0\0");
    exif.extend(taken.as_bytes());
    exif.push(0);
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 60);
    encoder
        .set_exif_metadata(exif)
        .unwrap_or_else(|e| panic!("{e}"));
    encoder
        .write_image(
            picture.as_raw(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .unwrap_or_else(|e| panic!("{e}"));
    file
}

/// A header that claims an impossible number of pixels.
fn bomb() -> Vec<u8> {
    let mut file = jpeg(&page(64, 64, 0));
    let frame = file
        .windows(2)
        .position(|w| w == [0xFF, 0xC0])
        .unwrap_or_else(|| panic!("no SOF0"));
    file[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    file
}

fn changed(picture: &RgbImage, change: impl Fn(u8) -> u8) -> RgbImage {
    let mut picture = picture.clone();
    picture
        .pixels_mut()
        .for_each(|p| *p = Rgb(p.0.map(&change)));
    picture
}

/// A PDF with this many pages.
pub fn pdf(pages: usize, trailer: &str) -> Vec<u8> {
    let mut file = format!(
        "%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n2 0 obj << /Type /Pages /Kids [] /Count {pages} >> endobj\n"
    );
    for i in 0..pages {
        file += &format!("{} 0 obj << /Type /Page /Parent 2 0 R >> endobj\n", i + 3);
    }
    file += &format!(
        "90 0 obj << /Author (Zhang Wei) >> endobj\ntrailer << /Size 9 /Root 1 0 R /Info 90 0 R {trailer} >>\nstartxref\n0\n%%EOF"
    );
    file.into_bytes()
}

/// A page with the QR code of a fully digital invoice (数电票) of 2020.
pub fn invoice() -> Vec<u8> {
    let code = qrcode::QrCode::new("01,32,,26332000000012345678,88.00,20201120,,1A2B")
        .unwrap_or_else(|e| panic!("{e}"));
    let (side, modules) = (code.width() as i64, code.to_colors());
    let mut sheet = page(2000, 1400, 3);
    for (x, y, p) in sheet.enumerate_pixels_mut() {
        let (mx, my) = (
            (i64::from(x) - 140).div_euclid(7),
            (i64::from(y) - 120).div_euclid(7),
        );
        if (-4..side + 4).contains(&mx) && (-4..side + 4).contains(&my) {
            let inside = (0..side).contains(&mx) && (0..side).contains(&my);
            let dark = inside && modules[(my * side + mx) as usize] == qrcode::Color::Dark;
            *p = if dark { Rgb([20; 3]) } else { Rgb([250; 3]) };
        }
    }
    jpeg(&sheet)
}

/// Name, bytes, document, and the rule and code of the doubt; `None` for files without a fault.
pub type Doubtful = (
    &'static str,
    Vec<u8>,
    &'static str,
    Option<(&'static str, &'static str)>,
);

/// Files of documents that must be doubted or refused for one reason each.
pub fn doubtful() -> Vec<Doubtful> {
    let clean = page(1800, 1300, 0);
    let mut glare = clean.clone();
    for (x, y, p) in glare.enumerate_pixels_mut() {
        if (300..1000).contains(&x) && (300..1000).contains(&y) {
            *p = Rgb([255; 3]);
        }
    }
    vec![
        ("clean.jpg", jpeg(&clean), "diagnosis", None),
        ("card.jpg", jpeg(&card(700, 0)), "payee_id", None),
        ("three-pages.pdf", pdf(3, ""), "diagnosis", None),
        (
            "letter.txt",
            b"Dear insurer".to_vec(),
            "diagnosis",
            Some(("K01", "photo-not-image")),
        ),
        ("scene.pdf", pdf(1, ""), "scene", Some(("K01", "photo-pdf"))),
        (
            "empty.jpg",
            Vec::new(),
            "diagnosis",
            Some(("K02", "photo-empty")),
        ),
        (
            "torn.jpg",
            jpeg(&clean)[..300].to_vec(),
            "diagnosis",
            Some(("K02", "photo-damaged")),
        ),
        (
            "bomb.jpg",
            bomb(),
            "diagnosis",
            Some(("K03", "photo-too-many-pixels")),
        ),
        (
            "small.jpg",
            jpeg(&page(900, 600, 1)),
            "medical_record",
            Some(("K04", "photo-small")),
        ),
        (
            "blurred.jpg",
            jpeg(&image::imageops::blur(&clean, 6.0)),
            "medical_record",
            Some(("K05", "photo-blurred")),
        ),
        (
            "dark.jpg",
            jpeg(&changed(&clean, |v| v / 6)),
            "medical_record",
            Some(("K06", "photo-dark")),
        ),
        (
            "glare.jpg",
            jpeg(&glare),
            "medical_record",
            Some(("K06", "photo-glare")),
        ),
        (
            "far.jpg",
            jpeg(&card(250, 0)),
            "payee_id",
            Some(("K09", "photo-far")),
        ),
        (
            "locked.pdf",
            pdf(2, "/Encrypt 7 0 R"),
            "diagnosis",
            Some(("K13", "pdf-locked")),
        ),
        (
            "long.pdf",
            pdf(60, ""),
            "diagnosis",
            Some(("K13", "pdf-long")),
        ),
        (
            "invoice.jpg",
            invoice(),
            "tow_invoice",
            Some(("K17", "better-file")),
        ),
    ]
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap_or_else(|e| panic!("{e}"));
    path
}

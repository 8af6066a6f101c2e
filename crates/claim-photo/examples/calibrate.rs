//! Calibrates the thresholds of the checks: what real photographs measure as they are, and when
//! they are spoilt by a known amount. `cargo xtask bench checks FOLDER` prints this as the table of
//! docs/CHECKS.md.

use std::path::PathBuf;
use std::time::Instant;

use claim_domain::checks::Measures;
use claim_photo::{Limits, measure, prepare};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .filter_map(|e| Some(e.ok()?.path()))
        .collect();
    files.retain(|f| {
        f.extension().is_some_and(|e| {
            ["jpg", "jpeg", "png", "webp"]
                .iter()
                .any(|x| e.eq_ignore_ascii_case(x))
        })
    });
    files.sort();
    println!(
        "| file | as it is | blur 1 | blur 2 | blur 3 | blur 5 | grey | a third of the light | burnt ‰ | with a glare | fill ‰ | aspect ‰ | ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for file in files {
        let Ok(bytes) = std::fs::read(&file) else {
            continue;
        };
        let Ok(photo) = prepare(&bytes, &Limits::default()) else {
            continue;
        };
        let Ok(picture) = image::load_from_memory(&photo.jpeg).map(|p| p.into_rgb8()) else {
            continue;
        };
        let begin = Instant::now();
        let Ok(plain) = measure(&photo.jpeg, false) else {
            continue;
        };
        let ms = begin.elapsed().as_millis();
        let spoilt = |change: &dyn Fn(&RgbImage) -> RgbImage| -> Measures {
            measure(&jpeg(&change(&picture)), false).unwrap_or_default()
        };
        let blur = |sigma: f32| spoilt(&|p| image::imageops::blur(p, sigma)).sharp;
        let dim = spoilt(&|p| map(p, |v| v / 3)).grey;
        let glare = spoilt(&flash).burnt_permille;
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            file.file_stem().unwrap_or_default().to_string_lossy(),
            plain.sharp,
            blur(1.0),
            blur(2.0),
            blur(3.0),
            blur(5.0),
            plain.grey,
            dim,
            plain.burnt_permille,
            glare,
            plain.fill_permille,
            plain.aspect_permille,
            ms
        );
    }
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut file = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut file, 85).write_image(
        picture.as_raw(),
        picture.width(),
        picture.height(),
        ExtendedColorType::Rgb8,
    );
    if let Err(error) = encoded {
        eprintln!("{error}");
    }
    file
}

fn map(picture: &RgbImage, change: impl Fn(u8) -> u8) -> RgbImage {
    let mut picture = picture.clone();
    picture
        .pixels_mut()
        .for_each(|p| *p = Rgb(p.0.map(&change)));
    picture
}

/// A lamp mirrored in the middle: an ellipse of a fifth of the frame.
fn flash(picture: &RgbImage) -> RgbImage {
    let (w, h) = (picture.width() as f32, picture.height() as f32);
    let mut picture = picture.clone();
    for (x, y, p) in picture.enumerate_pixels_mut() {
        let (dx, dy) = ((x as f32 - w / 2.0) / w, (y as f32 - h / 2.0) / h);
        if dx * dx + dy * dy < 0.064 {
            *p = Rgb([255; 3]);
        }
    }
    picture
}

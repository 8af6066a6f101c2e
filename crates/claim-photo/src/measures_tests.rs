//! Pictures each spoilt in one way: the right measure notices, and a clean picture stays clean.

use claim_domain::catalog::Thresholds;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

use super::*;

fn thresholds() -> Thresholds {
    claim_domain::Catalogue::load(include_str!("../../../public/catalog.json"))
        .unwrap()
        .papers
        .checks
}

/// A page of print: dark marks in lines on light paper.
fn page(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let margin = x < width / 10 || x > width * 9 / 10 || y < height / 10 || y > height * 9 / 10;
        let line = y / 12 % 3 == 0;
        let ink = (x / 4 * 7919 + y / 4 * 104_729) % 5 < 2 && x / 24 % 6 != 5;
        if !margin && line && ink {
            Rgb([40, 40, 48])
        } else {
            Rgb([205, 203, 196])
        }
    })
}

fn measured(picture: &RgbImage) -> Measures {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 85)
        .write_image(
            picture.as_raw(),
            picture.width(),
            picture.height(),
            ExtendedColorType::Rgb8,
        )
        .unwrap();
    crate::measure(&file, true).unwrap()
}

fn changed(picture: &RgbImage, change: impl Fn(u8) -> u8) -> RgbImage {
    let mut picture = picture.clone();
    picture
        .pixels_mut()
        .for_each(|p| *p = Rgb(p.0.map(&change)));
    picture
}

#[test]
fn a_page_is_sharp_and_a_blurred_one_is_not() {
    let (page, limits) = (page(2048, 1536), thresholds());
    assert!(
        measured(&page).sharp > limits.sharp_document * 2,
        "{}",
        measured(&page).sharp
    );
    let blurred = measured(&image::imageops::blur(&page, 6.0)).sharp;
    assert!(blurred < limits.sharp_document, "{blurred}");
}

#[test]
fn light_is_measured() {
    let (page, limits) = (page(1200, 900), thresholds());
    let clean = measured(&page);
    assert!(
        (limits.dark..=limits.bright).contains(&clean.grey)
            && clean.burnt_permille <= limits.glare_permille,
        "{clean:?}"
    );
    assert!(measured(&changed(&page, |v| v / 6)).grey < limits.dark);
    assert!(measured(&changed(&page, |v| v.saturating_add(120))).grey > limits.bright);
    let mut glare = page.clone();
    for (x, y, p) in glare.enumerate_pixels_mut() {
        if (200..700).contains(&x) && (200..700).contains(&y) {
            *p = Rgb([255; 3]);
        }
    }
    let glare = measured(&glare);
    assert!(
        glare.burnt_permille > limits.glare_permille && glare.grey <= limits.bright,
        "{glare:?}"
    );
}

/// A card on a table, centred: half its width, and how far it is rotated (in quarters of a slope).
fn card(half_width: i64, slope: i64) -> RgbImage {
    let half_height = half_width * 540 / 856;
    RgbImage::from_fn(1600, 1200, |x, y| {
        let (dx, dy) = (i64::from(x) - 800, i64::from(y) - 600);
        let (along, across) = (dx * 8 + dy * slope, dy * 8 - dx * slope);
        let length = ((64 + slope * slope) as f64).sqrt() as i64;
        if along.abs() < half_width * length && across.abs() < half_height * length {
            let print = (x / 6 + y / 6) % 4 == 0;
            if print {
                Rgb([60, 70, 120])
            } else {
                Rgb([226, 232, 240])
            }
        } else {
            Rgb([120 + (x % 7) as u8, 92 + (y % 5) as u8, 66])
        }
    })
}

#[test]
fn a_card_fills_the_frame_or_does_not() {
    let limits = thresholds();
    for (half_width, slope) in [(700, 0), (620, 1)] {
        let look = measured(&card(half_width, slope));
        assert!(
            look.fill_permille >= limits.fill_permille,
            "{half_width} {slope}: {look:?}"
        );
        assert!(
            (1500..1680).contains(&look.aspect_permille),
            "{half_width} {slope}: {look:?}"
        );
    }
    let far = measured(&card(250, 0));
    assert!(far.fill_permille < limits.fill_permille, "{far:?}");
    // No calm background: nothing is said.
    let close = measured(&page(1600, 1200));
    assert!(
        close.fill_permille == 1000 || close.fill_permille > limits.fill_permille,
        "{close:?}"
    );
}

#[test]
fn alike_pictures_have_alike_hashes() {
    let picture = RgbImage::from_fn(1600, 1200, |x, y| {
        Rgb([((x * y / 3000) % 256) as u8, (x / 7) as u8, (y / 5) as u8])
    });
    let bits = |a: &Measures, b: &Measures| {
        (u64::from_str_radix(&a.dhash, 16).unwrap() ^ u64::from_str_radix(&b.dhash, 16).unwrap())
            .count_ones()
    };
    let (plain, brighter) = (
        measured(&picture),
        measured(&changed(&picture, |v| v.saturating_add(6))),
    );
    assert!(bits(&plain, &brighter) <= thresholds().alike_bits);
    let turned = measured(&image::imageops::flip_horizontal(&picture));
    assert!(bits(&plain, &turned) > thresholds().alike_bits);
}

#[test]
fn a_code_on_an_invoice_is_read_also_when_it_is_small() {
    let text = "01,32,,26332000000012345678,88.00,20261120,,1A2B";
    let code = qrcode::QrCode::new(text).unwrap();
    let side = code.width() as u32;
    for scale in [3u32, 8] {
        let modules = code.to_colors();
        let mut sheet = page(2000, 1400);
        for (x, y, p) in sheet.enumerate_pixels_mut() {
            let (cx, cy) = (i64::from(x) - 140, i64::from(y) - 120);
            let (mx, my) = (
                cx.div_euclid(i64::from(scale)),
                cy.div_euclid(i64::from(scale)),
            );
            if (-4..i64::from(side) + 4).contains(&mx) && (-4..i64::from(side) + 4).contains(&my) {
                let dark = (0..i64::from(side)).contains(&mx)
                    && (0..i64::from(side)).contains(&my)
                    && modules[(my * i64::from(side) + mx) as usize] == qrcode::Color::Dark;
                *p = if dark { Rgb([20; 3]) } else { Rgb([250; 3]) };
            }
        }
        assert_eq!(measured(&sheet).codes, [text], "{scale} pixels a module");
    }
}

#[test]
fn a_few_pixels_are_measured_too() {
    for (w, h) in [(1, 1), (1, 500), (500, 1), (9, 8), (17, 16)] {
        let look = measured(&RgbImage::from_pixel(w, h, Rgb([90, 90, 90])));
        assert_eq!((look.width, look.height, look.sharp), (w, h, 0));
    }
}

//! Converts colours of cameras with a wider gamut than sRGB (Display P3 of every iPhone, Adobe RGB)
//! to sRGB, which is what a JPEG without a profile is assumed to be.
//!
//! Matrix profiles (ICC.1:2022 8.3.3), which cameras write, are read here; tables (8.3.2), which
//! scanners and printers write, by `moxcms` in the larger program only. Profiles for grey and CMYK
//! are ignored.

use std::borrow::Cow;
use std::sync::Arc;

use moxcms::{ColorProfile, Layout, Transform8BitExecutor, TransformOptions};

use crate::plane::{Picture, to_rgb, to_ycc};

/// XYZ (D50) to linear sRGB: the inverse of the primaries in sRGB's own profile.
const TO_SRGB: [[f32; 3]; 3] = [
    [3.134_136, -1.617_386, -0.490_662],
    [-0.978_795, 1.916_254, 0.033_443],
    [0.071_955, -0.228_977, 1.405_386],
];

/// Closer to the identity than this counts as sRGB.
const SAME: f32 = 0.02;

pub(crate) enum Profile {
    Matrix(Box<Matrix>),
    /// A table lookup for each pixel, by the library that browsers use.
    Table(Arc<Transform8BitExecutor>),
}

pub(crate) struct Matrix {
    /// Linear light of the camera to linear light of sRGB.
    matrix: [[f32; 3]; 3],
    /// By channel: light of each sample value.
    curves: [[f32; 256]; 3],
}

impl Profile {
    /// `None` for sRGB itself and for anything but a matrix profile.
    pub(crate) fn read(icc: &[u8]) -> Option<Profile> {
        let column = |name: &[u8; 4]| {
            let body = tag(icc, name)?;
            let value = |i: usize| Some(s15(body.get(8 + 4 * i..12 + 4 * i)?));
            Some([value(0)?, value(1)?, value(2)?])
        };
        let (r, g, b) = (column(b"rXYZ")?, column(b"gXYZ")?, column(b"bXYZ")?);
        let matrix: [[f32; 3]; 3] = std::array::from_fn(|row| {
            let of = |xyz: &[f32; 3]| TO_SRGB[row].iter().zip(xyz).map(|(m, v)| m * v).sum();
            [of(&r), of(&g), of(&b)]
        });
        let identity = |row: usize, column: usize| f32::from(u8::from(row == column));
        let is_srgb = (0..9).all(|i| (matrix[i / 3][i % 3] - identity(i / 3, i % 3)).abs() < SAME);
        if is_srgb {
            return None;
        }
        let curves = [
            curve(tag(icc, b"rTRC")?)?,
            curve(tag(icc, b"gTRC")?)?,
            curve(tag(icc, b"bTRC")?)?,
        ];
        Some(Profile::Matrix(Box::new(Matrix { matrix, curves })))
    }

    /// The same, including tables.
    pub(crate) fn read_or_table(icc: &[u8]) -> Option<Profile> {
        if !is_table(icc) {
            return Profile::read(icc);
        }
        let profile = ColorProfile::new_from_slice(icc).ok()?;
        let (options, srgb) = (TransformOptions::default(), ColorProfile::new_srgb());
        profile
            .create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, options)
            .ok()
            .map(Profile::Table)
    }

    pub(crate) fn apply(&self, picture: &mut Picture) {
        match self {
            Profile::Matrix(matrix) => {
                let gamma = gamma();
                convert(picture, |rgb| matrix.pixel(rgb, &gamma));
            }
            Profile::Table(table) => convert(picture, |rgb| {
                let mut srgb = rgb;
                // Cannot fail: it checks only the lengths, and three bytes go in and out.
                let _ = table.transform(&rgb, &mut srgb);
                srgb
            }),
        }
    }
}

fn convert(picture: &mut Picture, pixel: impl Fn([u8; 3]) -> [u8; 3]) {
    let side = if picture.is_halved() { 2 } else { 1 };
    let [luma, cb, cr] = &mut picture.planes[..] else {
        return;
    };
    for y in 0..cb.height {
        for x in 0..cb.width {
            let at = y * cb.width + x;
            let (mut sums, mut count) = ([0u32; 2], 0);
            for ly in y * side..((y + 1) * side).min(luma.height) {
                for lx in x * side..((x + 1) * side).min(luma.width) {
                    let place = &mut luma.pixels[ly * luma.width + lx];
                    let [new, blue, red] =
                        to_ycc(pixel(to_rgb([*place, cb.pixels[at], cr.pixels[at]])));
                    *place = new;
                    sums[0] += u32::from(blue);
                    sums[1] += u32::from(red);
                    count += 1;
                }
            }
            let mean = |sum: u32| ((sum + count / 2) / count.max(1)) as u8;
            (cb.pixels[at], cr.pixels[at]) = (mean(sums[0]), mean(sums[1]));
        }
    }
}

impl Matrix {
    fn pixel(&self, rgb: [u8; 3], gamma: &[u8]) -> [u8; 3] {
        let light: [f32; 3] = std::array::from_fn(|c| self.curves[c][usize::from(rgb[c])]);
        self.matrix.map(|row| {
            let value = row[0] * light[0] + row[1] * light[1] + row[2] * light[2];
            gamma[(value * (gamma.len() - 1) as f32 + 0.5).clamp(0.0, (gamma.len() - 1) as f32)
                as usize]
        })
    }
}

/// The profile that a JPEG carries, if it is a matrix.
pub(crate) fn of_jpeg(file: &[u8]) -> Option<Profile> {
    Profile::read(&carried(file)?)
}

pub(crate) fn of_jpeg_or_table(file: &[u8]) -> Option<Profile> {
    Profile::read_or_table(&carried(file)?)
}

pub(crate) fn has_table(file: &[u8]) -> bool {
    carried(file).is_some_and(|icc| is_table(&icc))
}

/// An RGB profile with a table and no matrix.
fn is_table(icc: &[u8]) -> bool {
    icc.get(16..20) == Some(b"RGB ") && tag(icc, b"A2B0").is_some() && tag(icc, b"rXYZ").is_none()
}

/// The profile in its APP2 segments, joined (ICC.1:2022 annex B.4).
fn carried(file: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut chunks: Vec<(u8, &[u8])> = crate::jpeg::segments(file)
        .filter(|(marker, body)| *marker == 0xE2 && body.starts_with(b"ICC_PROFILE\0"))
        .filter_map(|(_, body)| Some((*body.get(12)?, body.get(14..)?)))
        .collect();
    chunks.sort_by_key(|(order, _)| *order);
    match &chunks[..] {
        [] => None,
        [(_, one)] => Some(Cow::Borrowed(one)),
        _ => Some(Cow::Owned(
            chunks.iter().flat_map(|(_, c)| c.iter().copied()).collect(),
        )),
    }
}

fn tag<'a>(icc: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let count = u32_at(icc, 128)?.min(100) as usize;
    let entry = (0..count).find_map(|i| {
        icc.get(132 + 12 * i..144 + 12 * i)
            .filter(|e| &e[..4] == name)
    })?;
    let (from, length) = (u32_at(entry, 4)? as usize, u32_at(entry, 8)? as usize);
    icc.get(from..from.checked_add(length)?)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// s15Fixed16Number.
fn s15(bytes: &[u8]) -> f32 {
    bytes
        .try_into()
        .map_or(0.0, |b| i32::from_be_bytes(b) as f32 / 65_536.0)
}

/// A tone curve (10.6 curveType, 10.18 parametricCurveType).
fn curve(body: &[u8]) -> Option<[f32; 256]> {
    let of = |f: &dyn Fn(f32) -> f32| std::array::from_fn(|v| f(v as f32 / 255.0).clamp(0.0, 1.0));
    match body.get(..4)? {
        b"curv" => {
            let count = u32_at(body, 8)? as usize;
            let sample = |i: usize| {
                body.get(12 + 2 * i..14 + 2 * i)
                    .map(|b| f32::from(u16::from_be_bytes([b[0], b[1]])))
            };
            match count {
                0 => Some(of(&|x| x)),
                1 => {
                    let power = sample(0)? / 256.0;
                    Some(of(&|x| x.powf(power)))
                }
                _ => {
                    sample(count - 1)?;
                    Some(of(&|x| {
                        let place = x * (count - 1) as f32;
                        let (low, part) = (place as usize, place.fract());
                        let (a, b) = (
                            sample(low).unwrap_or(0.0),
                            sample((low + 1).min(count - 1)).unwrap_or(0.0),
                        );
                        (a + (b - a) * part) / 65_535.0
                    }))
                }
            }
        }
        b"para" => {
            let kind = u16::from_be_bytes(body.get(8..10)?.try_into().ok()?);
            let p = |i: usize| body.get(12 + 4 * i..16 + 4 * i).map_or(0.0, s15);
            let (g, a, b, c, d, e, f) = (p(0), p(1), p(2), p(3), p(4), p(5), p(6));
            Some(match kind {
                0 => of(&|x| x.powf(g)),
                1 => of(&|x| {
                    if x >= -b / a {
                        (a * x + b).powf(g)
                    } else {
                        0.0
                    }
                }),
                2 => of(&|x| {
                    if x >= -b / a {
                        (a * x + b).powf(g) + c
                    } else {
                        c
                    }
                }),
                3 => of(&|x| if x >= d { (a * x + b).powf(g) } else { c * x }),
                4 => of(&|x| {
                    if x >= d {
                        (a * x + b).powf(g) + e
                    } else {
                        c * x + f
                    }
                }),
                _ => return None,
            })
        }
        _ => None,
    }
}

/// sRGB sample values by light, finely enough for the darkest steps (IEC 61966-2-1).
fn gamma() -> Vec<u8> {
    const STEPS: usize = 8192;
    let value = |i: usize| {
        let light = i as f32 / (STEPS - 1) as f32;
        let value = if light <= 0.003_130_8 {
            light * 12.92
        } else {
            1.055 * light.powf(1.0 / 2.4) - 0.055
        };
        (value * 255.0 + 0.5) as u8
    };
    (0..STEPS).map(value).collect()
}

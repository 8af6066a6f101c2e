//! Pictures as planes of luma and chroma, as camera files hold them: shrunk, turned upright,
//! converted from and to pixels.
//!
//! Sample values are JPEG's: full range, ITU-R BT.601 (JFIF 1.02). Chroma samples are centred in
//! the 2 x 2 luma samples they colour.

use bytemuck::cast;
use wide::{f32x4, i16x8, i32x4, u8x16};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    /// Row by row, without gaps.
    pub pixels: Vec<u8>,
}

/// One plane (grey) or three: Y, Cb, Cr. Chroma has the size of luma or half of it, rounded up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub planes: Vec<Plane>,
}

impl Picture {
    pub fn width(&self) -> usize {
        self.planes[0].width
    }

    pub fn height(&self) -> usize {
        self.planes[0].height
    }

    /// Whether chroma has half the size of luma. A picture of one pixel has both.
    pub fn is_halved(&self) -> bool {
        let luma = &self.planes[0];
        self.planes
            .get(1)
            .is_some_and(|c| c.width < luma.width || c.height < luma.height)
    }

    /// From interleaved RGB; chroma at half size where `halved`.
    pub fn from_rgb(width: usize, height: usize, rgb: &[u8], halved: bool) -> Picture {
        let mut ycc = rgb.to_vec();
        for pixel in ycc.chunks_exact_mut(3) {
            let [y, cb, cr] = to_ycc([pixel[0], pixel[1], pixel[2]]);
            pixel.copy_from_slice(&[y, cb, cr]);
        }
        Picture::from_ycc(width, height, &ycc, halved)
    }

    /// From pixels of four bytes (blue, green, red, unused), in `height` rows of `stride` bytes, at
    /// least four times `width`; chroma at half size. Like [`Picture::from_rgb`] except for the
    /// last bit, sixteen pixels at a time.
    pub fn from_bgrx(width: usize, height: usize, pixels: &[u8], stride: usize) -> Picture {
        debug_assert!(stride >= 4 * width && pixels.len().div_ceil(stride.max(1)) == height);
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let mut luma = vec![0u8; width * height];
        let mut chroma = [
            vec![0u8; half_width * half_height],
            vec![0u8; half_width * half_height],
        ];
        // Four times four pixels: blue and red, green and nothing. Beyond the edge the last one is
        // repeated.
        let sixteen = |row: &[u8], x: usize| -> [[i16x8; 2]; 4] {
            let bytes = match row.get(4 * x..4 * x + 64) {
                Some(whole) => whole.try_into().unwrap_or([0; 64]),
                None => std::array::from_fn(|i| row[4 * (x + i / 4).min(width - 1) + i % 4]),
            };
            cast::<[u8; 64], [i32x4; 4]>(bytes).map(|four| {
                let low = i32x4::splat(0x00FF_00FF);
                [cast(four & low), cast((four >> 8) & low)]
            })
        };
        // In 1/32768, which fits into sixteen bits.
        let weights = WEIGHTS.map(|weights| {
            let [r, g, b] = weights.map(|weight| ((weight + 1) >> 1) as i16);
            [
                i16x8::new([b, r, b, r, b, r, b, r]),
                i16x8::new([g, 0, g, 0, g, 0, g, 0]),
            ]
        });
        let weighed = |four: [i16x8; 2], of: [i16x8; 2]| four[0].dot(of[0]) + four[1].dot(of[1]);
        let packed = |a: i32x4, b: i32x4| i16x8::from_i32x8_saturate(cast([a, b]));
        for (y, rows) in pixels.chunks(2 * stride).enumerate() {
            let (upper, lower) = rows.split_at(stride.min(rows.len()));
            let [upper, lower] = [upper, lower].map(|row| &row[..row.len().min(4 * width)]);
            for x in (0..width).step_by(16) {
                let above = sixteen(upper, x);
                let below = if lower.is_empty() {
                    above
                } else {
                    sixteen(lower, x)
                };
                for (from, to) in [above, below]
                    .into_iter()
                    .zip(luma.chunks_mut(width).skip(2 * y))
                {
                    let [a, b, c, d] =
                        from.map(|four| (weighed(four, weights[0]) + i32x4::splat(1 << 14)) >> 15);
                    let values = u8x16::narrow_i16x8(packed(a, b), packed(c, d)).to_array();
                    let to = &mut to[x..(x + 16).min(width)];
                    to.copy_from_slice(&values[..to.len()]);
                }
                for (plane, weights) in chroma.iter_mut().zip(&weights[1..]) {
                    let sum = |i: usize| {
                        weighed(
                            [above[i][0] + below[i][0], above[i][1] + below[i][1]],
                            *weights,
                        ) >> 9
                    };
                    let pairs = [packed(sum(0), sum(1)), packed(sum(2), sum(3))]
                        .map(|eight| eight.dot(i16x8::ONE));
                    let [a, b] =
                        pairs.map(|pair| (pair + i32x4::splat((128 << 8) + (1 << 7))) >> 8);
                    let values = u8x16::narrow_i16x8(packed(a, b), i16x8::ZERO).to_array();
                    let to = &mut plane[y * half_width..][x / 2..(x / 2 + 8).min(half_width)];
                    to.copy_from_slice(&values[..to.len()]);
                }
            }
        }
        let half = |pixels| Plane {
            width: half_width,
            height: half_height,
            pixels,
        };
        let [cb, cr] = chroma;
        Picture {
            planes: vec![
                Plane {
                    width,
                    height,
                    pixels: luma,
                },
                half(cb),
                half(cr),
            ],
        }
    }

    /// From interleaved YCbCr.
    pub fn from_ycc(width: usize, height: usize, ycc: &[u8], halved: bool) -> Picture {
        if !halved {
            let plane = |c: usize| Plane {
                width,
                height,
                pixels: ycc.chunks_exact(3).map(|p| p[c]).collect(),
            };
            return Picture {
                planes: (0..3).map(plane).collect(),
            };
        }
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let mut luma = vec![0u8; width * height];
        let mut cb = vec![0u8; half_width * half_height];
        let mut cr = vec![0u8; half_width * half_height];
        let rows = luma
            .chunks_mut(2 * width)
            .zip(ycc.chunks(6 * width))
            .zip(cb.chunks_mut(half_width).zip(cr.chunks_mut(half_width)));
        for ((luma, pixels), (cb, cr)) in rows {
            for (to, pixel) in luma.iter_mut().zip(pixels.chunks_exact(3)) {
                *to = pixel[0];
            }
            let (upper, lower) = pixels.split_at(3 * width);
            let lower = if lower.is_empty() { upper } else { lower };
            let halves = cb
                .iter_mut()
                .zip(cr.iter_mut())
                .zip(upper.chunks(6).zip(lower.chunks(6)));
            for ((cb, cr), (up, low)) in halves {
                // At an odd edge the one pixel stands for both.
                let right = up.len() - 3;
                let mean = |c: usize| {
                    let sum = u16::from(up[c])
                        + u16::from(up[right + c])
                        + u16::from(low[c])
                        + u16::from(low[right + c]);
                    ((sum + 2) >> 2) as u8
                };
                (*cb, *cr) = (mean(1), mean(2));
            }
        }
        let luma = Plane {
            width,
            height,
            pixels: luma,
        };
        let half = |pixels| Plane {
            width: half_width,
            height: half_height,
            pixels,
        };
        Picture {
            planes: vec![luma, half(cb), half(cr)],
        }
    }

    /// Interleaved RGB; chroma of half size is repeated.
    pub fn to_rgb(&self) -> Vec<u8> {
        let luma = &self.planes[0];
        let mut rgb = Vec::with_capacity(luma.pixels.len() * 3);
        for (i, y) in luma.pixels.iter().enumerate() {
            match &self.planes[..] {
                [_, cb, cr] => {
                    let shift = usize::from(self.is_halved());
                    let at = ((i / luma.width) >> shift) * cb.width + ((i % luma.width) >> shift);
                    rgb.extend(to_rgb([*y, cb.pixels[at], cr.pixels[at]]));
                }
                _ => rgb.extend([*y; 3]),
            }
        }
        rgb
    }

    /// Shrinks to this size; a picture is never enlarged.
    pub fn resized(&self, width: usize, height: usize) -> Picture {
        let (across, down) = (
            self.width() as f64 / width as f64,
            self.height() as f64 / height as f64,
        );
        let chroma = if self.is_halved() {
            (width.div_ceil(2), height.div_ceil(2))
        } else {
            (width, height)
        };
        let of = |(i, plane): (usize, &Plane)| {
            let to = if i == 0 { (width, height) } else { chroma };
            plane.resized(to.0, to.1, across, down)
        };
        Picture {
            planes: self.planes.iter().enumerate().map(of).collect(),
        }
    }

    /// Rotated and flipped as EXIF's orientation (1 to 8) says.
    pub fn upright(self, orientation: u8) -> Picture {
        Picture {
            planes: self
                .planes
                .into_iter()
                .map(|p| p.upright(orientation))
                .collect(),
        }
    }
}

impl Plane {
    /// Lanczos with three lobes. `across` and `down` are source samples per result sample: passed
    /// in, not computed, because a chroma plane of an odd-sized picture extends half a sample
    /// beyond it.
    fn resized(&self, width: usize, height: usize, across: f64, down: f64) -> Plane {
        let columns = kernels(self.width, width, across);
        let rows = kernels(self.height, height, down);
        let lanes = 2 * self.width.div_ceil(16);
        let mut pixels = vec![0u8; width * height];
        // Samples go in pairs, which one instruction multiplies and adds. Eight rows of the result
        // at a time: first down the columns, then along the rows, which are lanes by then.
        let mut source: Vec<[i16x8; 2]> = Vec::new();
        let mut kept = 0..0;
        let mut strip = vec![i16x8::ZERO; lanes * 8];
        let mut turned = vec![[i16x8::ZERO; 2]; lanes * 4];
        for top in (0..height).step_by(8) {
            let strip_rows = &rows[top..(top + 8).min(height)];
            let first = strip_rows.iter().map(|k| k.first).min().unwrap_or(0);
            let last = strip_rows
                .iter()
                .map(|k| k.first + k.weights.len())
                .max()
                .unwrap_or(0);
            // Keep rows shared with the strip before.
            source.drain(..((first - kept.start) * lanes).min(source.len()));
            for pair in kept.end.max(first)..last {
                let row =
                    |y: usize| &self.pixels[y.min(self.height - 1) * self.width..][..self.width];
                paired(row(2 * pair), row(2 * pair + 1), &mut source);
            }
            kept = first..last;
            for (to, kernel) in strip.chunks_exact_mut(lanes).zip(strip_rows) {
                let from = &source[(kernel.first - first) * lanes..];
                for (x, to) in to.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    let mut sums = [i32x4::splat(1 << (BITS - FRACTION - 1)); 4];
                    for (weight, row) in kernel.weights.iter().zip(from.chunks_exact(lanes)) {
                        if let [a, b] = row[2 * x..2 * x + 2] {
                            for (sum, pairs) in sums.iter_mut().zip([a[0], a[1], b[0], b[1]]) {
                                *sum += pairs.dot(*weight);
                            }
                        }
                    }
                    let [a, b, c, d] = sums.map(|s| s >> (BITS - FRACTION));
                    *to = [
                        i16x8::from_i32x8_saturate(cast([a, b])),
                        i16x8::from_i32x8_saturate(cast([c, d])),
                    ];
                }
            }
            for x in 0..lanes {
                let square = |y: usize| {
                    f32x4::transpose(std::array::from_fn(|i| cast(strip[(y + i) * lanes + x])))
                };
                for (to, (upper, lower)) in turned[x * 4..][..4]
                    .iter_mut()
                    .zip(square(0).into_iter().zip(square(4)))
                {
                    *to = [cast(upper), cast(lower)];
                }
            }
            for (x, kernel) in columns.iter().enumerate() {
                let mut sums = [i32x4::splat(1 << (BITS + FRACTION - 1)); 2];
                for (weight, from) in kernel.weights.iter().zip(&turned[kernel.first..]) {
                    sums[0] += from[0].dot(*weight);
                    sums[1] += from[1].dot(*weight);
                }
                let eight = i16x8::from_i32x8_saturate(cast(sums.map(|s| s >> (BITS + FRACTION))));
                let eight = eight.max(i16x8::ZERO).min(i16x8::splat(255)).to_array();
                for (y, value) in eight.iter().enumerate().take(strip_rows.len()) {
                    pixels[(top + y) * width + x] = *value as u8;
                }
            }
        }
        Plane {
            width,
            height,
            pixels,
        }
    }

    fn upright(self, orientation: u8) -> Plane {
        let (w, h) = (self.width, self.height);
        let (width, height) = if orientation >= 5 { (h, w) } else { (w, h) };
        let from = |x: usize, y: usize| match orientation {
            2 => (w - 1 - x, y),
            3 => (w - 1 - x, h - 1 - y),
            4 => (x, h - 1 - y),
            5 => (y, x),
            6 => (y, h - 1 - x),
            7 => (w - 1 - y, h - 1 - x),
            8 => (w - 1 - y, x),
            _ => (x, y),
        };
        if !(2..=8).contains(&orientation) {
            return self;
        }
        let mut pixels = vec![0u8; w * h];
        // In tiles, so that a column of the source is not fetched anew for every pixel.
        for (top, left) in (0..height)
            .step_by(32)
            .flat_map(|y| (0..width).step_by(32).map(move |x| (y, x)))
        {
            for y in top..(top + 32).min(height) {
                for x in left..(left + 32).min(width) {
                    let (fx, fy) = from(x, y);
                    pixels[y * width + x] = self.pixels[fy * w + fx];
                }
            }
        }
        Plane {
            width,
            height,
            pixels,
        }
    }
}

/// Two rows as pairs of samples, one of each; the last lanes are filled up with zeros.
fn paired(upper: &[u8], lower: &[u8], to: &mut Vec<[i16x8; 2]>) {
    let mut push = |upper: [u8; 16], lower: [u8; 16]| {
        let (upper, lower) = (u8x16::new(upper), u8x16::new(lower));
        for eight in [
            u8x16::unpack_low(upper, lower),
            u8x16::unpack_high(upper, lower),
        ] {
            to.push([i16x8::from_u8x16_low(eight), i16x8::from_u8x16_high(eight)]);
        }
    };
    let ((whole, rest), (under, under_rest)) = (upper.as_chunks::<16>(), lower.as_chunks::<16>());
    for (upper, lower) in whole.iter().zip(under) {
        push(*upper, *lower);
    }
    if !rest.is_empty() {
        let filled = |rest: &[u8]| std::array::from_fn(|i| rest.get(i).copied().unwrap_or(0));
        push(filled(rest), filled(under_rest));
    }
}

/// Weights are in 1/16384.
const BITS: i32 = 14;
/// Fraction bits between the two passes: 255 with its overshoot still fits in sixteen.
const FRACTION: i32 = 6;

/// The pairs of samples that make one sample of the result, each pair of weights four times.
struct Kernel {
    first: usize,
    weights: Vec<i16x8>,
}

fn kernels(from: usize, to: usize, ratio: f64) -> Vec<Kernel> {
    let stretch = ratio.max(1.0);
    let lanczos = |x: f64| match x.abs() {
        x if x < 1e-9 => 1.0,
        x if x >= 3.0 => 0.0,
        x => {
            let pi = std::f64::consts::PI * x;
            3.0 * pi.sin() * (pi / 3.0).sin() / (pi * pi)
        }
    };
    let kernel = |i: usize| {
        let centre = (i as f64 + 0.5) * ratio;
        let first = (centre - 3.0 * stretch).floor().max(0.0) as usize;
        let last = ((centre + 3.0 * stretch).ceil() as usize).min(from);
        let first = first.min(last.saturating_sub(1));
        let raw: Vec<f64> = (first..last)
            .map(|s| lanczos((s as f64 + 0.5 - centre) / stretch))
            .collect();
        let (sum, one) = (raw.iter().sum::<f64>(), 1 << BITS);
        let mut weights: Vec<i16> = raw
            .iter()
            .map(|w| (w / sum * f64::from(one)).round() as i16)
            .collect();
        // White stays white: the rounding error goes to the heaviest weight.
        let missing = one - weights.iter().map(|w| i32::from(*w)).sum::<i32>();
        if let Some(heaviest) = weights.iter_mut().max_by_key(|w| **w) {
            *heaviest += missing as i16;
        }
        // Pairs run from an even sample to an odd one.
        if first % 2 == 1 {
            weights.insert(0, 0);
        }
        let pair = |pair: &[i16]| {
            i16x8::new(std::array::from_fn(|i| {
                pair.get(i % 2).copied().unwrap_or(0)
            }))
        };
        Kernel {
            first: first / 2,
            weights: weights.chunks(2).map(pair).collect(),
        }
    };
    (0..to).map(kernel).collect()
}

/// Weights of red, green and blue in Y, Cb and Cr (JFIF), in 1/65536.
const WEIGHTS: [[i32; 3]; 3] = [
    [19_595, 38_470, 7_471],
    [-11_059, -21_709, 32_768],
    [32_768, -27_439, -5_329],
];

pub(crate) fn to_ycc(rgb: [u8; 3]) -> [u8; 3] {
    std::array::from_fn(|i| {
        let sum: i32 = WEIGHTS[i]
            .iter()
            .zip(rgb)
            .map(|(weight, value)| weight * i32::from(value))
            .sum();
        let middle = if i == 0 { 0 } else { 128 << 16 };
        ((sum + middle + 32_768) >> 16).clamp(0, 255) as u8
    })
}

pub(crate) fn to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y) << 16, i32::from(cb) - 128, i32::from(cr) - 128);
    let shift = |sum: i32| ((sum + 32_768) >> 16).clamp(0, 255) as u8;
    [
        shift(y + 91_881 * cr),
        shift(y - 22_554 * cb - 46_802 * cr),
        shift(y + 116_130 * cb),
    ]
}

/// Whether two pictures show the same; another decoder's output must pass this before it is
/// trusted.
pub fn alike(a: &Picture, b: &Picture) -> bool {
    const MEAN: u64 = 6;
    let plane = |(a, b): (&Plane, &Plane)| {
        let sum: u64 = a
            .pixels
            .iter()
            .zip(&b.pixels)
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        (a.width, a.height) == (b.width, b.height) && sum <= MEAN * a.pixels.len() as u64
    };
    a.planes.len() == b.planes.len() && a.planes.iter().zip(&b.planes).all(plane)
}

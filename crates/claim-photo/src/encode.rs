//! Writes a JPEG of limited size, as good as one pass can make it.
//!
//! Each block is transformed once. The coarseness of the quantiser is then chosen by counting the
//! bits that a sample of the blocks would take; with it every block is quantised by rate and
//! distortion, and coded once with Huffman codes made for this picture (docs/PHOTOS.md explains it
//! with pictures).
//!
//! Progressive without successive approximation (ISO/IEC 10918-1 annex G): runs of blocks without
//! high frequencies cost next to nothing, and a receiver that has half of the file sees the whole
//! picture.

use bytemuck::cast;
use wide::{f32x4, i16x8, i32x4, i32x8, u8x16};

use crate::plane::{Picture, Plane};

/// Natural index of each coefficient in zigzag order (figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// The same for a transposed block.
const TURNED: [usize; 64] = {
    let mut turned = ZIGZAG;
    let mut k = 0;
    while k < 64 {
        turned[k] = ZIGZAG[k] % 8 * 8 + ZIGZAG[k] / 8;
        k += 1;
    }
    turned
};

/// Coefficients are kept in sixteenths.
const FRACTION: f32 = 16.0;

/// What the encoder aims at.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub max_bytes: usize,
    /// Fine enough: beyond this, more bytes make no visible difference. 1.0 is the unscaled table.
    pub finest: f32,
    /// Coarser than this frays letters; then fewer pixels are better.
    pub coarsest: f32,
}

impl Default for Target {
    fn default() -> Target {
        Target {
            max_bytes: 400_000,
            finest: 0.2,
            coarsest: 4.0,
        }
    }
}

/// How the tables grow with frequency, and how readily bits are traded for error. Tuned on
/// photographs (docs/PHOTOS.md).
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// For luma, Cb and Cr: the step for flat colour.
    pub base: [f32; 3],
    /// For luma and chroma: how much coarser a step is at frequency r, as `slope * r ^ power`.
    pub slope: [f32; 2],
    pub power: [f32; 2],
    /// Squared steps of error that one bit is worth in a block of middling contrast.
    pub lambda: f32,
    /// How much more it is worth where contrast hides errors: the power of the block's variance.
    pub masking: f32,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            base: [10.0, 6.1, 10.8],
            slope: [0.115, 0.3],
            power: [1.72, 1.25],
            lambda: 0.095,
            masking: 0.3,
        }
    }
}

/// One component: its blocks in rows, each 64 coefficients in zigzag order, in sixteenths.
struct Component {
    across: usize,
    down: usize,
    /// Blocks that hold pixels; a scan of this component alone codes only these (A.2.3).
    own: (usize, usize),
    sampling: u8,
    /// Quantisation table; DC has one code for luma and one for chroma.
    table: usize,
    coefficients: Vec<i16>,
}

/// The levels of all blocks of a component.
#[derive(Default)]
struct Levels {
    dc: Vec<i16>,
    /// The nonzero AC levels.
    ac: Vec<Level>,
    /// Where each block's levels begin in `ac`, and the end.
    starts: Vec<u32>,
}

/// A level of AC as it will be coded: its position, its size in bits, and these bits.
#[derive(Clone, Copy)]
struct Level(u32);

impl Level {
    fn new(at: u8, value: i16) -> Level {
        let size = magnitude(value);
        Level(u32::from(at) << 20 | size << 16 | u32::from(tail(value, size)))
    }

    fn at(self) -> usize {
        (self.0 >> 20) as usize
    }

    fn size(self) -> usize {
        (self.0 >> 16 & 15) as usize
    }

    fn tail(self) -> u16 {
        self.0 as u16
    }
}

/// The finished file and the coarseness that it took; `None` when even the coarsest does not fit.
pub fn encode(picture: &Picture, target: &Target, tuning: &Tuning) -> Option<(Vec<u8>, f32)> {
    if target.max_bytes == 0 {
        return None;
    }
    let components = components(picture);
    let mut costs: Vec<Costs> = components.iter().map(|_| Costs::typical()).collect();
    let wanted = target.max_bytes as f32 * AIM;
    let within = |scale: f32| scale.clamp(target.finest, target.coarsest);
    // Try a small sample first, then a larger one when close. Bytes fall with about the 0.8th power
    // of the coarseness, until two samples give a better exponent.
    let (mut scale, mut power, mut share, mut phase) = (within(0.8), 0.8, 32, 0);
    let mut before: Option<(f32, f32)> = None;
    for _ in 0..6 {
        let tables = tables(tuning, scale);
        let mut bits = 0.0;
        for (i, (c, costs)) in components.iter().zip(&mut costs).enumerate() {
            let blocks = sampled(c, share, phase);
            let levels = quantise(c, &tables[c.table], tuning, costs, blocks.iter().copied());
            bits +=
                scan::bits(i, &levels) * (c.own.0 * c.own.1) as f64 / blocks.len().max(1) as f64;
            *costs = Costs::of(&levels);
        }
        let ratio = (bits / 8.0 + HEADERS) as f32 / wanted;
        if let Some((old_scale, old_ratio)) = before.filter(|b| (b.0 / scale).ln().abs() > 0.02) {
            power = ((ratio / old_ratio).ln() / (old_scale / scale).ln()).clamp(0.5, 1.5);
        }
        let last = before.replace((scale, ratio)).map(|b| b.0);
        let next = within(scale * ratio.powf(1.0 / power));
        let off = (ratio - 1.0).abs();
        // The symbol costs come from the previous sample: far from there they do not apply.
        let known = last.is_some_and(|l| (l / scale).ln().abs() < 0.7);
        let settled = next == scale || (known && off < 0.04 && phase > 0);
        // Two large samples hold other blocks: the truth lies between them.
        scale = if phase > 0 && known {
            (scale * next).sqrt()
        } else {
            next
        };
        if settled {
            break;
        }
        (share, phase) = (8, phase + if share == 8 { 3 } else { 0 });
    }
    // The largest file that fits, with its coarseness; and the size and coarseness of the last that
    // did not.
    let mut best: Option<(Vec<u8>, f32)> = None;
    let mut over: Option<(f32, f32)> = None;
    // A photograph takes one or two turns. In a repeating pattern all blocks change at once or not
    // at all: its sizes have steps, and some cannot be reached.
    for turn in 1..=8 {
        let file = write(picture, &components, tuning, &costs, scale);
        let size = file.len() as f32;
        let full = file.len() * 100 >= target.max_bytes.saturating_mul(97)
            || scale <= target.finest * 1.001;
        if file.len() <= target.max_bytes {
            if best.as_ref().is_none_or(|(b, _)| b.len() <= file.len()) {
                best = Some((file, scale));
            }
            if full {
                break;
            }
        } else {
            if scale >= target.coarsest {
                break;
            }
            over = Some((size, scale));
        }
        let wanted = target.max_bytes as f32 * AGAIN;
        let told = scale * (size / wanted).powf(1.25);
        scale = within(match (&best, over) {
            (Some((_, fits)), Some((_, fine))) if *fits < fine * 1.01 => break,
            // Between two known sizes: interpolate, or bisect if that leads nowhere.
            (Some((file, fits)), Some((large, fine))) => {
                let share = (wanted.ln() - large.ln()) / ((file.len() as f32).ln() - large.ln());
                let share = if turn > 3 { 0.5 } else { share.clamp(0.1, 0.9) };
                (fine.ln() + (fits.ln() - fine.ln()) * share).exp()
            }
            (Some(_), None) => told,
            (None, _) if turn > 3 => target.coarsest,
            (None, _) => (told * 1.006).max(scale * [1.0, 1.1, 1.5][turn - 1]),
        });
    }
    best
}

/// Share of the budget to aim at. We count entropy: whole-bit codes and stuffed bytes take 1.2 to
/// 2 % more, and the sample's error must fit into the rest.
const AIM: f32 = 0.971;
/// The same for a second file, predicted from the size of the first.
const AGAIN: f32 = 0.99;
/// Bytes of markers, tables and codes.
const HEADERS: f64 = 900.0;

/// One in `share` blocks, in pieces long enough to contain runs; `phase` selects which. The places
/// shift from row to row: otherwise the lines of a printed page could all fall between sampled
/// rows, or all on them.
fn sampled(component: &Component, share: usize, phase: usize) -> Vec<usize> {
    const PIECE: usize = 32;
    let (across, down) = component.own;
    let all = across * down <= 4096;
    let is_taken = |x: usize, y: usize| all || (x / PIECE + 5 * y + phase).is_multiple_of(share);
    let row = |y: usize| {
        (0..across)
            .filter(move |x| is_taken(*x, y))
            .map(move |x| y * component.across + x)
    };
    (0..down).flat_map(row).collect()
}

fn tables(tuning: &Tuning, scale: f32) -> [[u16; 64]; 3] {
    std::array::from_fn(|i| {
        let shape = i.min(1);
        std::array::from_fn(|k| {
            let (u, v) = ((ZIGZAG[k] % 8) as f32, (ZIGZAG[k] / 8) as f32);
            let growth = tuning.slope[shape] * (u * u + v * v).sqrt().powf(tuning.power[shape]);
            (scale * tuning.base[i] * (1.0 + growth))
                .round()
                .clamp(1.0, 255.0) as u16
        })
    })
}

fn components(picture: &Picture) -> Vec<Component> {
    let subsampled = picture.is_halved();
    let mcu = if subsampled { 16 } else { 8 };
    let (mcus_across, mcus_down) = (
        picture.planes[0].width.div_ceil(mcu),
        picture.planes[0].height.div_ceil(mcu),
    );
    picture
        .planes
        .iter()
        .enumerate()
        .map(|(i, plane)| {
            let sampling = if subsampled && i == 0 { 2 } else { 1 };
            let (across, down) = (mcus_across * sampling, mcus_down * sampling);
            let own = (plane.width.div_ceil(8), plane.height.div_ceil(8));
            Component {
                across,
                down,
                own,
                sampling: sampling as u8,
                table: i,
                coefficients: transform(plane, across, down),
            }
        })
        .collect()
}

/// The discrete cosine transform of every block (A.3.3); pixels beyond the edge repeat it.
fn transform(plane: &Plane, across: usize, down: usize) -> Vec<i16> {
    let mut all = vec![0i16; across * down * 64];
    let mut padded = vec![0u8; across * 8 * 8];
    for by in 0..down {
        for (y, row) in padded.chunks_exact_mut(across * 8).enumerate() {
            let from = (by * 8 + y).min(plane.height - 1) * plane.width;
            let from = &plane.pixels[from..from + plane.width];
            let (inside, outside) = row.split_at_mut(plane.width.min(across * 8));
            inside.copy_from_slice(&from[..inside.len()]);
            outside.fill(from[plane.width - 1]);
        }
        for (bx, to) in all[by * across * 64..][..across * 64]
            .as_chunks_mut::<64>()
            .0
            .iter_mut()
            .enumerate()
        {
            let mut halves = [[f32x4::ZERO; 8]; 2];
            for y in 0..8 {
                let mut sixteen = [0u8; 16];
                sixteen[..8].copy_from_slice(&padded[y * across * 8 + bx * 8..][..8]);
                let eight: [i32x4; 2] = cast(i32x8::from_i16x8(i16x8::from_u8x16_low(u8x16::new(
                    sixteen,
                ))));
                (halves[0][y], halves[1][y]) = (eight[0].round_float(), eight[1].round_float());
            }
            let [left, right] =
                turned(halves.map(|half| dct(half, 1.0))).map(|half| dct(half, FRACTION));
            let rows: [i16x8; 8] = std::array::from_fn(|x| {
                i16x8::from_i32x8_saturate(cast([rounded(left[x]), rounded(right[x])]))
            });
            let turned: [i16; 64] = cast(rows);
            *to = std::array::from_fn(|k| turned[TURNED[k]]);
            // Samples are centred on zero, which changes only their mean.
            to[0] -= (128.0 * 8.0 * FRACTION) as i16;
        }
    }
    all
}

/// Rounds numbers of at most 22 bits: in the sum, the result is in the low bits.
fn rounded(values: f32x4) -> i32x4 {
    const WHOLE: f32 = 12_582_912.0;
    cast::<f32x4, i32x4>(values + f32x4::splat(WHOLE)) - i32x4::splat(WHOLE.to_bits() as i32)
}

/// Transposes a block, given as its left and right halves.
fn turned([left, right]: [[f32x4; 8]; 2]) -> [[f32x4; 8]; 2] {
    let quarter = |half: &[f32x4; 8], at: usize| {
        f32x4::transpose([half[at], half[at + 1], half[at + 2], half[at + 3]])
    };
    let joined = |upper: [f32x4; 4], lower: [f32x4; 4]| {
        [
            upper[0], upper[1], upper[2], upper[3], lower[0], lower[1], lower[2], lower[3],
        ]
    };
    [
        joined(quarter(&left, 0), quarter(&right, 0)),
        joined(quarter(&left, 4), quarter(&right, 4)),
    ]
}

/// One-dimensional, down the columns, scaled by `times`; four columns are four lanes.
#[inline(always)]
fn dct(v: [f32x4; 8], times: f32) -> [f32x4; 8] {
    // Half the cosine of i sixteenths of pi.
    const C: [f32; 8] = [
        0.353_553_4,
        0.490_392_64,
        0.461_939_76,
        0.415_734_8,
        0.353_553_4,
        0.277_785_1,
        0.191_341_71,
        0.097_545_16,
    ];
    let c = C.map(|c| c * times);
    let (s07, s16, s25, s34) = (v[0] + v[7], v[1] + v[6], v[2] + v[5], v[3] + v[4]);
    let (d07, d16, d25, d34) = (v[0] - v[7], v[1] - v[6], v[2] - v[5], v[3] - v[4]);
    let (outer, inner) = (s07 + s34, s16 + s25);
    let (across, along) = (s07 - s34, s16 - s25);
    let odd = |a: f32, b: f32, c: f32, d: f32| {
        d07 * f32x4::splat(a)
            + d16 * f32x4::splat(b)
            + d25 * f32x4::splat(c)
            + d34 * f32x4::splat(d)
    };
    [
        (outer + inner) * f32x4::splat(c[4]),
        odd(c[1], c[3], c[5], c[7]),
        across * f32x4::splat(c[2]) + along * f32x4::splat(c[6]),
        odd(c[3], -c[7], -c[1], -c[5]),
        (outer - inner) * f32x4::splat(c[4]),
        odd(c[5], -c[1], c[7], c[3]),
        across * f32x4::splat(c[6]) - along * f32x4::splat(c[2]),
        odd(c[7], -c[5], c[3], -c[1]),
    ]
}

/// Bits that each run and size costs, in units of the search.
struct Costs {
    /// By size and run, including runs that take several symbols, and with the sign and magnitude
    /// bits.
    run: [[f32; 64]; 16],
    end: f32,
}

impl Costs {
    /// Typical for photographs of this size: the first guess, before a picture's own costs are
    /// known.
    fn typical() -> Costs {
        let symbol = |rs: usize| {
            let (run, size) = (rs >> 4, rs & 15);
            2.0 + 0.55 * run as f32 + 1.6 * (size.max(1) as f32 - 1.0) + size as f32
        };
        Costs::with(std::array::from_fn(symbol), 2.5)
    }

    fn with(symbols: [f32; 256], end: f32) -> Costs {
        let of = |run: usize, size: usize| {
            symbols[(run & 15) << 4 | size] + (run >> 4) as f32 * symbols[0xF0]
        };
        Costs {
            run: std::array::from_fn(|size| std::array::from_fn(|run| of(run, size))),
            end,
        }
    }

    /// What this picture's symbols cost.
    fn of(levels: &Levels) -> Costs {
        let counts = histogram(levels);
        let total: f32 = counts.iter().map(|n| *n as f32).sum::<f32>().max(1.0);
        let bits = |rs: usize| (total / (counts[rs] as f32).max(0.5)).log2().min(16.0);
        Costs::with(
            std::array::from_fn(|rs| bits(rs) + (rs & 15) as f32),
            bits(0),
        )
    }
}

/// What the search needs of a table.
struct Steps {
    /// One over the step, for coefficients in sixteenths.
    inverse: [f32; 64],
    /// By energy of the block: what a bit is worth, and the largest coefficients not worth theirs.
    worth: [(f32, [i16x8; 8]); MASKS],
}

impl Steps {
    fn new(table: &[u16; 64], tuning: &Tuning) -> Steps {
        let inverse = table.map(|step| 1.0 / (f32::from(step) * FRACTION));
        let worth = |mask: usize| {
            let lambda = tuning.lambda * contrast(mask).powf(tuning.masking);
            let least = FRACTION * (0.5 + 0.5 * FEWEST * lambda);
            let zero = |eight: usize| {
                i16x8::new(std::array::from_fn(|k| {
                    (f32::from(table[8 * eight + k]) * least) as i16
                }))
            };
            (lambda, std::array::from_fn(zero))
        };
        Steps {
            inverse,
            worth: std::array::from_fn(worth),
        }
    }
}

/// Fewest bits we assume a coefficient costs: it must exceed half a step by half their worth, in
/// steps. One that splits a long run costs less, but searching those too takes 5 % longer and gains
/// next to nothing.
const FEWEST: f32 = 3.0;

fn lane_of(eight: &[i16]) -> i16x8 {
    i16x8::new(eight.try_into().unwrap_or([0; 8]))
}

/// Quantises blocks by rate and distortion, as a shortest path for each block: every coefficient
/// that may be worth its bits keeps its level, takes the one below, or is dropped. Dropping it
/// costs its square, keeping it its bits.
fn quantise(
    c: &Component,
    table: &[u16; 64],
    tuning: &Tuning,
    costs: &Costs,
    blocks: impl Iterator<Item = usize>,
) -> Levels {
    let steps = Steps::new(table, tuning);
    let mut levels = Levels::default();
    levels.starts.push(0);
    let mut search = Search::default();
    for block in blocks {
        let source: &[i16; 64] = c.coefficients[block * 64..][..64]
            .try_into()
            .unwrap_or(&[0; 64]);
        let dc = f32::from(source[0]) * steps.inverse[0];
        levels.dc.push((dc + f32::copysign(0.5, dc)) as i16);
        let eights: [i16x8; 8] = std::array::from_fn(|i| lane_of(&source[8 * i..8 * i + 8]));
        // Without the mean, which is no contrast.
        let first = eights[0] & i16x8::new([0, -1, -1, -1, -1, -1, -1, -1]);
        let squares = eights[1..]
            .iter()
            .fold(first.dot(first).round_float(), |sum, eight| {
                sum + eight.dot(*eight).round_float()
            });
        let (lambda, zero) = &steps.worth[mask_of(squares.reduce_add())];
        let mut wanted = 0u64;
        for (i, (eight, zero)) in eights.iter().zip(zero).enumerate() {
            wanted |= u64::from(eight.abs().simd_gt(*zero).to_bitmask() & 0xFF) << (8 * i);
        }
        wanted &= !1;
        if wanted != 0 {
            search.path(
                source,
                wanted,
                &steps.inverse,
                *lambda,
                costs,
                &mut levels.ac,
            );
        }
        levels.starts.push(levels.ac.len() as u32);
    }
    levels
}

/// Steps of half an octave of a block's energy.
const MASKS: usize = 64;

/// Twice the binary logarithm, from the exponent and the first bit of the fraction.
fn mask_of(energy: f32) -> usize {
    ((energy.to_bits() >> 22) as usize)
        .saturating_sub(254)
        .min(MASKS - 1)
}

/// Variance of a block of this energy over that of a middling one, within reason.
fn contrast(step: usize) -> f32 {
    let variance = (step as f32 / 2.0).exp2() / (FRACTION * FRACTION * 64.0);
    ((variance + 4.0) / 120.0).clamp(0.03, 16.0)
}

/// How far back a coefficient looks for the one coded before it. Looking further never gains even a
/// thousandth.
const REACH: usize = 5;
/// In steps: anything this large is assumed kept, so nothing before it needs a look.
const LARGE: f32 = 1.5;

/// A coefficient that may be worth its bits.
#[derive(Clone, Copy, Default)]
struct Candidate {
    at: u8,
    level: u16,
    /// In steps.
    size: f32,
    /// The least that coding up to it costs, minus the cost of dropping all of that.
    cost: f32,
    /// Place of the one coded before it, from 1; 0 is the start of the block.
    from: u8,
}

struct Search([Candidate; 64]);

impl Default for Search {
    fn default() -> Search {
        Search([Candidate::default(); 64])
    }
}

impl Search {
    fn path(
        &mut self,
        source: &[i16; 64],
        wanted: u64,
        inverse: &[f32; 64],
        lambda: f32,
        costs: &Costs,
        out: &mut Vec<Level>,
    ) {
        let all = &mut self.0;
        let (mut n, mut rest) = (0, wanted);
        while rest != 0 {
            let k = rest.trailing_zeros() as usize & 63;
            rest &= rest - 1;
            (all[n & 63].at, all[n & 63].size) =
                (k as u8, f32::from(source[k].unsigned_abs()) * inverse[k]);
            n += 1;
        }
        // Where the block ends.
        let end = lambda * costs.end;
        let (mut least, mut last) = (end, 0usize);
        for i in 0..n.min(64) {
            let Candidate { at, size, .. } = all[i];
            // From 2^23 on a float has no fraction, and its low bits are the integer.
            const WHOLE: f32 = 8_388_608.0;
            let near = size + WHOLE;
            let (mut level, mut whole) = (near.to_bits() & 0xFFFF, near - WHOLE);
            let (mut cost, mut from, mut chosen) = (f32::INFINITY, 0u8, level);
            loop {
                let rates = &costs.run[(32 - level.leading_zeros()) as usize & 15];
                // The loss is no longer its square, only what the level misses.
                let own = whole * (whole - 2.0 * size);
                // From one of those before it, back to one surely coded, or from the start.
                let mut j = i;
                loop {
                    let (before, behind) = if j == 0 || i - j == REACH {
                        (0.0, 0)
                    } else {
                        (all[j - 1].cost, all[j - 1].at)
                    };
                    let total = before + own + lambda * rates[usize::from(at - behind - 1) & 63];
                    if total < cost {
                        (cost, from, chosen) =
                            (total, if behind == 0 { 0 } else { j as u8 }, level);
                    }
                    if behind == 0 || all[j - 1].size >= LARGE {
                        break;
                    }
                    j -= 1;
                }
                // Going one lower pays only if rounding went up and the lower level has one bit
                // less.
                if whole > size && level > 1 && level.is_power_of_two() {
                    (level, whole) = (level - 1, whole - 1.0);
                } else {
                    break;
                }
            }
            (all[i].level, all[i].cost, all[i].from) = (chosen as u16, cost, from);
            let ended = if at == 63 { cost } else { cost + end };
            if ended < least {
                (least, last) = (ended, i + 1);
            }
        }
        let begin = out.len();
        while last > 0 {
            let Candidate {
                at, level, from, ..
            } = all[last - 1];
            let signed = if source[usize::from(at)] < 0 {
                -(level as i16)
            } else {
                level as i16
            };
            out.push(Level::new(at, signed));
            last = usize::from(from);
        }
        out[begin..].reverse();
    }
}

/// How often each symbol occurs as if coded in one scan.
fn histogram(levels: &Levels) -> [u32; 256] {
    let mut counts = [0u32; 256];
    for pair in levels.starts.windows(2) {
        let mut previous = 0;
        for level in &levels.ac[pair[0] as usize..pair[1] as usize] {
            let run = level.at() - previous - 1;
            counts[0xF0] += (run >> 4) as u32;
            counts[(run & 15) << 4 | level.size()] += 1;
            previous = level.at();
        }
        counts[0] += u32::from(previous < 63);
    }
    counts
}

fn magnitude(value: i16) -> u32 {
    16 - value.unsigned_abs().leading_zeros()
}

/// The bits after a size: the value, or its ones' complement where negative (F.1.2.1).
fn tail(value: i16, size: u32) -> u16 {
    let value = if value < 0 {
        value.wrapping_sub(1)
    } else {
        value
    };
    (value as u16) & ((1u32 << size) - 1) as u16
}

mod scan;
use scan::write;

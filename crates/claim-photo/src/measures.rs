//! Measures a stored picture: sharpness, brightness, likeness, how much of the frame a card fills,
//! what its QR codes say.
//!
//! After decoding, only integers and plain loops: the phone and the server must measure the same.

use crate::MEASURED;
use crate::plane::{Picture, Plane, to_rgb};
use claim_domain::checks::Measures;

/// Long edge of the picture in which the card is looked for.
const OUTLINED: usize = 160;

/// `small` is at least [`MEASURED`] long where the picture, of `size`, is; `whole` decodes all of
/// it, for QR codes.
pub(crate) fn measured(
    small: &Picture,
    size: (u32, u32),
    whole: Option<&dyn Fn() -> Option<Picture>>,
) -> Measures {
    let measured = shrink(&small.planes[0], size_within(small, MEASURED));
    let (grey, width, height) = (&measured.pixels, measured.width, measured.height);
    let sum: u64 = grey.iter().map(|v| u64::from(*v)).sum();
    let burnt = grey.iter().filter(|v| **v >= 250).count();
    let (fill_permille, aspect_permille) = outline(&Small::of(small));
    Measures {
        width: size.0,
        height: size.1,
        sharp: sharp(grey, width, height),
        grey: (sum / grey.len().max(1) as u64) as u8,
        burnt_permille: (burnt * 1000 / grey.len().max(1)) as u16,
        dhash: format!("{:016x}", dhash(grey, width, height)),
        fill_permille,
        aspect_permille,
        codes: whole.map_or_else(Vec::new, |whole| crate::codes::read(&measured, size, whole)),
    }
}

/// A small picture in colour.
struct Small {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Small {
    fn of(picture: &Picture) -> Small {
        let (width, height) = size_within(picture, OUTLINED);
        let planes: Vec<Plane> = picture
            .planes
            .iter()
            .map(|p| shrink(p, (width, height)))
            .collect();
        let colour = |i: usize| match &planes[..] {
            [y, cb, cr] => to_rgb([y.pixels[i], cb.pixels[i], cr.pixels[i]]),
            _ => [planes[0].pixels[i]; 3],
        };
        Small {
            width,
            height,
            pixels: (0..width * height).map(colour).collect(),
        }
    }
}

fn size_within(picture: &Picture, edge: usize) -> (usize, usize) {
    let longer = picture.width().max(picture.height()).max(1);
    let to = |side: usize| {
        if longer <= edge {
            side
        } else {
            (side * edge / longer).max(1)
        }
    };
    (to(picture.width()), to(picture.height()))
}

/// Shrinks a plane to this size: each sample is the mean of those under it.
fn shrink(plane: &Plane, (width, height): (usize, usize)) -> Plane {
    if (plane.width, plane.height) == (width, height) {
        return plane.clone();
    }
    let under = |i: usize, from: usize, to: usize| {
        i * from / to..((i + 1) * from / to).max(i * from / to + 1)
    };
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        let rows = under(y, plane.height, height);
        for x in 0..width {
            let columns = under(x, plane.width, width);
            let sum: u32 = rows
                .clone()
                .map(|r| {
                    plane.pixels[r * plane.width..][columns.clone()]
                        .iter()
                        .map(|v| u32::from(*v))
                        .sum::<u32>()
                })
                .sum();
            let count = (rows.len() * columns.len()) as u32;
            pixels.push(((sum + count / 2) / count) as u8);
        }
    }
    Plane {
        width,
        height,
        pixels,
    }
}

/// How sharp the sharpest parts are: of the variances of the Laplacian in 8 x 8 tiles, the seventh
/// highest. A blank margin says nothing about focus, so the mean of the whole picture would punish
/// white paper.
fn sharp(grey: &[u8], width: usize, height: usize) -> u32 {
    if width < 16 || height < 16 {
        return 0;
    }
    let mut tiles = Vec::with_capacity(64);
    for tile in 0..64 {
        let (tx, ty) = (tile % 8, tile / 8);
        let xs = (tx * width / 8).max(1)..((tx + 1) * width / 8).min(width - 1);
        let (mut sum, mut squares, mut count) = (0i64, 0i64, 0i64);
        for y in (ty * height / 8).max(1)..((ty + 1) * height / 8).min(height - 1) {
            for x in xs.clone() {
                let at = y * width + x;
                let around = i64::from(grey[at - 1])
                    + i64::from(grey[at + 1])
                    + i64::from(grey[at - width])
                    + i64::from(grey[at + width]);
                let edge = around - 4 * i64::from(grey[at]);
                sum += edge;
                squares += edge * edge;
                count += 1;
            }
        }
        let count = count.max(1);
        tiles.push((squares / count - (sum / count) * (sum / count)).max(0));
    }
    tiles.sort_unstable();
    u32::try_from(tiles[SHARP_TILE]).unwrap_or(u32::MAX)
}

/// Of 64 tiles in ascending order, the one reported: a tenth may be noise or glints.
const SHARP_TILE: usize = 57;

/// Mean grey of a 9 x 8 picture, neighbours compared (dHash).
fn dhash(grey: &[u8], width: usize, height: usize) -> u64 {
    let mean = |cx: usize, cy: usize| {
        let xs = cx * width / 9..((cx + 1) * width / 9).max(cx * width / 9 + 1).min(width);
        let mut sum = 0u64;
        let mut count = 0u64;
        for y in cy * height / 8..((cy + 1) * height / 8).max(cy * height / 8 + 1).min(height) {
            for x in xs.clone() {
                sum += u64::from(grey[y * width + x]);
                count += 1;
            }
        }
        sum / count.max(1)
    };
    let mut hash = 0;
    for y in 0..8 {
        for x in 0..8 {
            hash = hash << 1 | u64::from(mean(x, y) > mean(x + 1, y));
        }
    }
    hash
}

/// The largest step between neighbours of one background, and how far it may drift from its start.
const STEP: i32 = 30;
const DRIFT: i32 = 110;

/// Share of the frame filled by what is in front of the background, and its long side : short side,
/// in thousandths. (1000, 0) if the border is not a calm background: then nothing can be said.
fn outline(small: &Small) -> (u16, u16) {
    const NOTHING: (u16, u16) = (1000, 0);
    let (w, h) = (small.width, small.height);
    if w < 16 || h < 16 {
        return NOTHING;
    }
    let distance = |a: &[u8; 3], b: &[u8; 3]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs())
            .sum::<i32>()
    };
    // Background: whatever can be reached from the border in small steps.
    let mut seed_of = vec![None::<usize>; w * h];
    let mut queue: Vec<usize> = (0..w)
        .flat_map(|x| [x, (h - 1) * w + x])
        .chain((0..h).flat_map(|y| [y * w, y * w + w - 1]))
        .collect();
    for at in &queue {
        seed_of[*at] = Some(*at);
    }
    let border = queue.len();
    while let Some(at) = queue.pop() {
        let Some(seed) = seed_of[at] else { continue };
        let (x, y) = (at % w, at / w);
        let around = [
            (x > 0).then(|| at - 1),
            (x + 1 < w).then(|| at + 1),
            (y > 0).then(|| at - w),
            (y + 1 < h).then(|| at + w),
        ];
        for next in around.into_iter().flatten() {
            let calm = distance(&small.pixels[at], &small.pixels[next]) <= STEP
                && distance(&small.pixels[seed], &small.pixels[next]) <= DRIFT;
            if seed_of[next].is_none() && calm {
                seed_of[next] = Some(seed);
                queue.push(next);
            }
        }
    }
    // The largest connected piece that is not background.
    let mut seen: Vec<bool> = seed_of.iter().map(Option::is_some).collect();
    let mut largest: Vec<usize> = Vec::new();
    for start in 0..w * h {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let (mut piece, mut next) = (vec![start], 0);
        while next < piece.len() {
            let at = piece[next];
            next += 1;
            let (x, y) = (at % w, at / w);
            let around = [
                (x > 0).then(|| at - 1),
                (x + 1 < w).then(|| at + 1),
                (y > 0).then(|| at - w),
                (y + 1 < h).then(|| at + w),
            ];
            for neighbour in around.into_iter().flatten() {
                if !seen[neighbour] {
                    seen[neighbour] = true;
                    piece.push(neighbour);
                }
            }
        }
        if piece.len() > largest.len() {
            largest = piece;
        }
    }
    let background = seed_of.iter().filter(|s| s.is_some()).count();
    // Hardly more than the border itself, or hardly anything in front of it.
    if background < border * 3 / 2 || largest.len() * 100 < w * h * 2 {
        return NOTHING;
    }
    let hull = hull(
        largest
            .iter()
            .map(|at| ((at % w) as i64, (at / w) as i64))
            .collect(),
    );
    let area = doubled_area(&hull);
    let fill = (area * 500 / (w * h) as i64).clamp(0, 1000) as u16;
    (fill, aspect(&hull))
}

type Point = (i64, i64);

/// Twice the signed area of the triangle `a`, `b`, `c`.
fn turn(a: Point, b: Point, c: Point) -> i64 {
    (b.0 - a.0) * (c.1 - a.1) - (b.1 - a.1) * (c.0 - a.0)
}

/// The convex hull, by Andrew's monotone chain.
fn hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_unstable();
    let half = |points: &mut dyn Iterator<Item = Point>| {
        let mut chain: Vec<Point> = Vec::new();
        for point in points {
            while chain.len() > 1
                && turn(chain[chain.len() - 2], chain[chain.len() - 1], point) <= 0
            {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut all = half(&mut points.iter().copied());
    all.extend(half(&mut points.iter().rev().copied()));
    all
}

fn doubled_area(hull: &[Point]) -> i64 {
    (0..hull.len())
        .map(|i| (hull[i], hull[(i + 1) % hull.len()]))
        .map(|(a, b)| a.0 * b.1 - b.0 * a.1)
        .sum::<i64>()
        .abs()
}

/// Long side to short side of the smallest rectangle around a hull, in thousandths; one of its
/// sides lies on an edge of the hull.
fn aspect(hull: &[Point]) -> u16 {
    let mut best = (i128::MAX, 0u16);
    for i in 0..hull.len() {
        let (a, b) = (hull[i], hull[(i + 1) % hull.len()]);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let span = |of: &dyn Fn(&Point) -> i64| {
            let (least, most) = hull
                .iter()
                .map(of)
                .fold((i64::MAX, i64::MIN), |(l, m), v| (l.min(v), m.max(v)));
            i128::from(most - least)
        };
        // Both spans carry the length of the edge as a factor, so their ratio is right without a
        // root.
        let (along, across) = (
            span(&|p| p.0 * dx + p.1 * dy),
            span(&|p| p.1 * dx - p.0 * dy),
        );
        let length = i128::from(dx * dx + dy * dy);
        if length == 0 || across == 0 || along == 0 {
            continue;
        }
        let area = along * across * 1000 / length;
        if area < best.0 {
            let ratio = along.max(across) * 1000 / along.min(across);
            best = (area, u16::try_from(ratio).unwrap_or(u16::MAX));
        }
    }
    best.1
}

#[cfg(test)]
#[path = "measures_tests.rs"]
mod tests;

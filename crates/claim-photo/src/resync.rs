//! A damaged JPEG whose scan is cut into restart intervals (ITU-T T.81 B.2.4.4): each interval can
//! be decoded on its own, so whatever is intact after the damage is shown in its place. Most
//! cameras write such files.

use image::{Rgb, RgbImage};
use jpeg_decoder::PixelFormat;

use crate::jpeg;

/// A baseline picture in one scan with restart intervals.
struct Layout {
    width: usize,
    height: usize,
    /// Pixels of a minimum coded unit.
    unit: (usize, usize),
    /// Units between two restart markers.
    interval: usize,
    /// Everything that an interval needs to be a file of its own; the frame header is written at
    /// its end.
    tables: Vec<u8>,
    frame: Vec<u8>,
    scan: Vec<u8>,
}

/// The picture, white where data is lost; `None` for other files, and if nothing is left.
pub(crate) fn picture(file: &[u8]) -> Option<RgbImage> {
    let (layout, data) = layout(file)?;
    let columns = layout.width.div_ceil(layout.unit.0);
    let units = columns * layout.height.div_ceil(layout.unit.1);
    let mut picture =
        RgbImage::from_pixel(layout.width as u32, layout.height as u32, Rgb([255; 3]));
    let mut shown = false;
    for (index, bytes) in intervals(data, units.div_ceil(layout.interval)) {
        let first = index * layout.interval;
        let count = layout.interval.min(units.saturating_sub(first));
        let Some(strip) = (count > 0).then(|| layout.strip(count, bytes)).flatten() else {
            continue;
        };
        shown = true;
        for unit in first..first + count {
            let (x, y) = (
                unit % columns * layout.unit.0,
                unit / columns * layout.unit.1,
            );
            for (dx, dy) in
                (0..layout.unit.1).flat_map(|dy| (0..layout.unit.0).map(move |dx| (dx, dy)))
            {
                if x + dx < layout.width && y + dy < layout.height {
                    let from =
                        strip.get_pixel(((unit - first) * layout.unit.0 + dx) as u32, dy as u32);
                    picture.put_pixel((x + dx) as u32, (y + dy) as u32, *from);
                }
            }
        }
    }
    shown.then_some(picture)
}

fn layout(file: &[u8]) -> Option<(Layout, &[u8])> {
    let segment = |marker: u8, body: &[u8]| {
        [
            &[0xFF, marker],
            &(body.len() as u16 + 2).to_be_bytes()[..],
            body,
        ]
        .concat()
    };
    let (mut tables, mut frame, mut interval) = (vec![0xFF, 0xD8], None, 0);
    let mut end = 2;
    for (marker, body) in jpeg::segments(file) {
        end = body.as_ptr() as usize - file.as_ptr() as usize + body.len();
        match marker {
            0xC0 | 0xC1 => frame = Some(segment(marker, body)),
            0xC4 | 0xDB | 0xEE => tables.extend(segment(marker, body)),
            0xE0 if body.starts_with(b"JFIF\0") => tables.extend(segment(marker, body)),
            0xDD => interval = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?])),
            _ => {}
        }
    }
    let mut frame = frame?;
    let side = |at: usize| {
        Some(usize::from(u16::from_be_bytes([
            *frame.get(at)?,
            *frame.get(at + 1)?,
        ])))
    };
    let (height, width) = (side(5)?, side(7)?);
    let components = usize::from(*frame.get(9)?);
    if !matches!(components, 1 | 3)
        || frame.len() < 10 + 3 * components
        || width * height == 0
        || interval == 0
    {
        return None;
    }
    if components == 1 {
        // A scan of one component has no factors (A.2.2).
        frame[11] = 0x11;
    }
    let factors = (0..components).map(|i| frame[11 + 3 * i]);
    let unit = factors.fold((0, 0), |(x, y), f| {
        (
            x.max(8 * usize::from(f >> 4)),
            y.max(8 * usize::from(f & 15)),
        )
    });
    // The scan's header: it must name all components, or there is more than one scan.
    let at = end
        + file
            .get(end..)?
            .windows(2)
            .position(|w| w == [0xFF, 0xDA])?;
    let length = usize::from(u16::from_be_bytes([*file.get(at + 2)?, *file.get(at + 3)?]));
    let scan = file.get(at..at + 2 + length)?.to_vec();
    if usize::from(*scan.get(4)?) != components
        || unit.0 * interval > usize::from(u16::MAX)
        || unit.0 == 0
        || unit.1 == 0
    {
        return None;
    }
    Some((
        Layout {
            width,
            height,
            unit,
            interval,
            tables,
            frame,
            scan,
        },
        &file[at + 2 + length..],
    ))
}

impl Layout {
    /// `count` units side by side, decoded as a picture of their own.
    fn strip(&self, count: usize, bytes: &[u8]) -> Option<RgbImage> {
        let (width, height) = (count * self.unit.0, self.unit.1);
        let mut frame = self.frame.clone();
        frame[5..7].copy_from_slice(&(height as u16).to_be_bytes());
        frame[7..9].copy_from_slice(&u16::try_from(width).ok()?.to_be_bytes());
        let file = [&self.tables, &frame, &self.scan, bytes, &[0xFF, 0xD9]].concat();
        let mut decoder = jpeg_decoder::Decoder::new(&file[..]);
        let pixels = decoder.decode().ok()?;
        let rgb = match decoder.info()?.pixel_format {
            PixelFormat::RGB24 => pixels,
            PixelFormat::L8 => pixels.iter().flat_map(|p| [*p; 3]).collect(),
            _ => return None,
        };
        RgbImage::from_raw(width as u32, height as u32, rgb)
    }
}

/// Intervals between consecutively numbered markers: nothing is lost between them.
struct Run {
    /// Where each interval begins; the first one's marker has the number `number`.
    starts: Vec<usize>,
    number: usize,
    /// Index of the first interval in the picture.
    first: usize,
}

impl Run {
    fn bytes(&self) -> usize {
        self.starts.last().unwrap_or(&0) - self.starts.first().unwrap_or(&0)
    }
}

/// The data of each interval whose place among `count` is known. Markers are numbered modulo eight:
/// if some are lost, we count from the end, if it is there; otherwise the length of the gap says
/// how many times eight.
fn intervals(data: &[u8], count: usize) -> Vec<(usize, &[u8])> {
    let end = data.windows(2).rposition(|w| w == [0xFF, 0xD9]);
    let stop = end.unwrap_or(data.len());
    let marks: Vec<(usize, usize)> = data[..stop]
        .windows(2)
        .enumerate()
        .filter(|(_, w)| w[0] == 0xFF && matches!(w[1], 0xD0..=0xD7))
        .map(|(at, w)| (at + 2, usize::from(w[1] - 0xD0)))
        .collect();
    // A marker with the number seven would come before the first one.
    let mut runs = vec![Run {
        starts: vec![0],
        number: 7,
        first: 0,
    }];
    let mut last = 7;
    for (i, (start, number)) in marks.iter().enumerate() {
        let follows = *number == (last + 1) % 8;
        // Not by chance: the next marker must follow on.
        if !follows
            && marks
                .get(i + 1)
                .is_none_or(|next| next.1 != (number + 1) % 8)
        {
            continue;
        }
        if !follows {
            runs.push(Run {
                starts: vec![],
                number: *number,
                first: 0,
            });
        }
        last = *number;
        if let Some(run) = runs.last_mut() {
            run.starts.push(*start);
        }
    }
    // A lost multiple of eight leaves no trace in the numbers: assume the longest interval.
    if let [run] = &mut runs[..]
        && end.is_some()
        && run.starts.len() < count
        && let Some(longest) =
            (1..run.starts.len()).max_by_key(|i| run.starts[*i] - run.starts[i - 1])
    {
        let rest = run.starts.split_off(longest);
        runs.push(Run {
            starts: rest,
            number: (longest + 7) % 8,
            first: 0,
        });
    }
    for i in 1..runs.len() {
        let (before, run) = (&runs[i - 1], &runs[i]);
        let least = before.first + before.starts.len();
        let remainder = (run.number + 1) % 8;
        let from_the_end = count
            .checked_sub(run.starts.len())
            .filter(|first| i + 1 == runs.len() && first % 8 == remainder && *first >= least);
        let usual =
            (before.bytes() + run.bytes()) / (before.starts.len() + run.starts.len() - 1).max(1);
        let gap = run.starts[0] - before.starts.last().unwrap_or(&0);
        let likely = least - 1 + gap / usual.max(1);
        let nearest = || {
            (least..)
                .filter(|first| first % 8 == remainder)
                .take_while(|first| *first < likely + 5)
                .last()
        };
        let first = from_the_end
            .filter(|_| end.is_some())
            .or_else(nearest)
            .unwrap_or(least + (remainder + 8 - least % 8) % 8);
        runs[i].first = first;
    }
    let found = runs.iter().enumerate().flat_map(|(i, run)| {
        // The last interval of a run that another run follows holds the damage.
        let stop = (i + 1 == runs.len()).then_some(stop);
        let ends = run.starts.iter().skip(1).map(|start| start - 2).chain(stop);
        run.starts
            .iter()
            .zip(ends)
            .enumerate()
            .map(|(n, (start, end))| (run.first + n, data.get(*start..end).unwrap_or_default()))
    });
    found.filter(|(index, _)| *index < count).collect()
}

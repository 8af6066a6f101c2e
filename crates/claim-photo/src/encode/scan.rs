//! Markers, Huffman codes and scans (ISO/IEC 10918-1 annexes B, F, G, K.2).

use super::{Component, Costs, Levels, Picture, Tuning, magnitude, quantise, tables, tail};

/// Where the AC coefficients of luma are cut into two scans: low ones are in most blocks, high ones
/// in few.
const CUT: usize = 9;

pub(super) fn write(
    picture: &Picture,
    components: &[Component],
    tuning: &Tuning,
    costs: &[Costs],
    scale: f32,
) -> Vec<u8> {
    let tables = tables(tuning, scale);
    let each = components.iter().zip(costs);
    let levels: Vec<Levels> = each
        .map(|(c, costs)| quantise(c, &tables[c.table], tuning, costs, 0..c.across * c.down))
        .collect();
    let mut file = Vec::with_capacity(420_000);
    file.extend([0xFF, 0xD8]);
    // JFIF 1.01 without a density: with it, readers assume YCbCr.
    segment(&mut file, 0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    for (i, table) in tables.iter().enumerate().take(components.len()) {
        let mut body = vec![i as u8];
        body.extend(table.iter().map(|q| *q as u8));
        segment(&mut file, 0xDB, &body);
    }
    let (width, height) = (
        picture.planes[0].width as u16,
        picture.planes[0].height as u16,
    );
    let mut frame = vec![8];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.push(components.len() as u8);
    for (i, c) in components.iter().enumerate() {
        frame.extend([i as u8 + 1, c.sampling << 4 | c.sampling, c.table as u8]);
    }
    segment(&mut file, 0xC2, &frame);
    dc_scan(&mut file, components, &levels);
    for (i, (c, levels)) in components.iter().zip(&levels).enumerate() {
        for (first, last) in bands(i) {
            let own = (0..c.own.1).flat_map(|y| y * c.across..y * c.across + c.own.0);
            let tokens = ac_tokens(levels, own, *first, *last);
            let header = [1, i as u8 + 1, 0, *first as u8, *last as u8, 0];
            coded(
                &mut file,
                1,
                &[(0, &tokens)],
                &header,
                tokens.iter().map(|t| (0, *t)),
            );
        }
    }
    file.extend([0xFF, 0xD9]);
    file
}

/// The scans of a component's AC coefficients.
fn bands(component: usize) -> &'static [(usize, usize)] {
    if component == 0 {
        &[(1, CUT), (CUT + 1, 63)]
    } else {
        &[(1, 63)]
    }
}

/// Bits that these blocks of a component will take, but for the headers.
pub(super) fn bits(component: usize, levels: &Levels) -> f64 {
    let mut sum = 0.0;
    let mut count = |tokens: &mut dyn Iterator<Item = Token>| {
        let mut counts = [0u32; 256];
        let mut extra = 0u32;
        for (symbol, _, bits) in tokens {
            counts[usize::from(symbol)] += 1;
            extra += u32::from(bits);
        }
        let total: f64 = counts.iter().map(|n| f64::from(*n)).sum();
        let entropy: f64 = counts
            .iter()
            .filter(|n| **n > 0)
            .map(|n| f64::from(*n) * (total / f64::from(*n)).log2())
            .sum();
        sum += entropy + f64::from(extra);
    };
    let mut previous = 0i16;
    count(&mut levels.dc.iter().map(|value| {
        let size = magnitude(value.wrapping_sub(previous));
        previous = *value;
        (size as u8, 0, size as u8)
    }));
    for (first, last) in bands(component) {
        count(&mut ac_tokens(levels, 0..levels.dc.len(), *first, *last).into_iter());
    }
    sum
}

fn segment(file: &mut Vec<u8>, marker: u8, body: &[u8]) {
    file.extend([0xFF, marker]);
    file.extend((body.len() as u16 + 2).to_be_bytes());
    file.extend(body);
}

/// One symbol with the bits that follow it.
type Token = (u8, u16, u8);

/// A sequence of tokens, coded with a code of their own.
fn coded(
    file: &mut Vec<u8>,
    class: u8,
    slots: &[(u8, &[Token])],
    header: &[u8],
    order: impl Iterator<Item = (usize, Token)>,
) {
    let mut codes = Vec::with_capacity(slots.len());
    for (slot, tokens) in slots {
        let mut counts = [0u32; 257];
        tokens
            .iter()
            .for_each(|(symbol, ..)| counts[usize::from(*symbol)] += 1);
        let code = Code::of(&counts);
        let mut body = vec![class << 4 | slot];
        body.extend(code.lengths);
        body.extend(&code.symbols);
        segment(file, 0xC4, &body);
        codes.push(code.words());
    }
    segment(file, 0xDA, header);
    let mut bits = Bits {
        file,
        held: 0,
        count: 0,
    };
    for (which, (symbol, extra, count)) in order {
        let (word, length) = codes[which][usize::from(symbol)];
        bits.put(
            u64::from(word) << count | u64::from(extra),
            u32::from(length) + u32::from(count),
        );
    }
    bits.end();
}

fn dc_scan(file: &mut Vec<u8>, components: &[Component], levels: &[Levels]) {
    // In the order of the scan: by MCU, then by component, then by block of the MCU (A.2.3).
    let side = usize::from(components[0].sampling);
    let (mcus_across, mcus_down) = (components[0].across / side, components[0].down / side);
    let mut before = vec![0i16; components.len()];
    let mut tokens: [Vec<Token>; 2] = Default::default();
    let mut order: Vec<u8> = Vec::with_capacity(components.iter().map(|c| c.across * c.down).sum());
    for my in 0..mcus_down {
        for mx in 0..mcus_across {
            for (i, c) in components.iter().enumerate() {
                let side = usize::from(c.sampling);
                for block in 0..side * side {
                    let (x, y) = (mx * side + block % side, my * side + block / side);
                    let value = levels[i].dc[y * c.across + x];
                    let step = value - before[i];
                    before[i] = value;
                    let size = magnitude(step);
                    tokens[c.table.min(1)].push((size as u8, tail(step, size), size as u8));
                    order.push(c.table.min(1) as u8);
                }
            }
        }
    }
    let mut header = vec![components.len() as u8];
    for (i, c) in components.iter().enumerate() {
        header.extend([i as u8 + 1, (c.table.min(1) as u8) << 4]);
    }
    header.extend([0, 0, 0]);
    let slots: Vec<(u8, &[Token])> = (0..components.len().min(2))
        .map(|i| (i as u8, &tokens[i][..]))
        .collect();
    let mut next = [0usize; 2];
    let all = order.iter().map(|table| {
        let which = usize::from(*table);
        next[which] += 1;
        (which, tokens[which][next[which] - 1])
    });
    coded(file, 0, &slots, &header, all);
}

/// The symbols of one band of these blocks.
fn ac_tokens(
    levels: &Levels,
    blocks: impl Iterator<Item = usize>,
    first: usize,
    last: usize,
) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(levels.ac.len() + 1000);
    // Consecutive blocks that end here (G.1.2.2).
    let mut ended = 0u32;
    let flush = |tokens: &mut Vec<Token>, ended: &mut u32| {
        if *ended > 0 {
            let size = 31 - ended.leading_zeros();
            tokens.push(((size << 4) as u8, (*ended - (1 << size)) as u16, size as u8));
            *ended = 0;
        }
    };
    for block in blocks {
        let mut previous = first - 1;
        for level in &levels.ac[levels.starts[block] as usize..levels.starts[block + 1] as usize] {
            let k = level.at();
            if k < first {
                continue;
            }
            if k > last {
                break;
            }
            flush(&mut tokens, &mut ended);
            let mut run = k - previous - 1;
            while run > 15 {
                tokens.push((0xF0, 0, 0));
                run -= 16;
            }
            tokens.push((
                (run << 4 | level.size()) as u8,
                level.tail(),
                level.size() as u8,
            ));
            previous = k;
        }
        if previous < last {
            ended += 1;
            if ended == 0x7FFF {
                flush(&mut tokens, &mut ended);
            }
        }
    }
    flush(&mut tokens, &mut ended);
    tokens
}

struct Bits<'a> {
    file: &'a mut Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    /// At most 32 bits.
    fn put(&mut self, value: u64, count: u32) {
        self.held = self.held << count | value;
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            let four = (self.held >> self.count) as u32;
            // A byte of ones would be taken for a marker (B.1.1.5).
            if four & 0x8080_8080 & !four.wrapping_add(0x0101_0101) == 0 {
                self.file.extend_from_slice(&four.to_be_bytes());
            } else {
                four.to_be_bytes().into_iter().for_each(|b| self.byte(b));
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        self.file.push(byte);
        if byte == 0xFF {
            self.file.push(0);
        }
    }

    /// Fills the last byte with ones.
    fn end(&mut self) {
        let missing = (8 - self.count % 8) % 8;
        self.held = self.held << missing | ((1 << missing) - 1);
        self.count += missing;
        while self.count > 0 {
            self.count -= 8;
            self.byte((self.held >> self.count) as u8);
        }
    }
}

/// A Huffman code as DHT carries it: how many words of each length, and the symbols by length.
struct Code {
    lengths: [u8; 16],
    symbols: Vec<u8>,
}

impl Code {
    /// The best code for these counts with words of at most 16 bits, none all ones (K.2).
    fn of(counts: &[u32; 257]) -> Code {
        let mut counts = *counts;
        // Takes the all-ones word and is removed below.
        counts[256] = 1;
        let mut length = [0usize; 257];
        let mut next: [Option<usize>; 257] = [None; 257];
        // Of equal counts the last, as the standard says.
        let least = |counts: &[u32; 257], but: Option<usize>| {
            (0..257)
                .filter(|i| counts[*i] > 0 && Some(*i) != but)
                .min_by(|a, b| counts[*a].cmp(&counts[*b]).then(b.cmp(a)))
        };
        while let Some(a) = least(&counts, None) {
            let Some(b) = least(&counts, Some(a)) else {
                break;
            };
            counts[a] += counts[b];
            counts[b] = 0;
            let mut at = a;
            loop {
                length[at] += 1;
                match next[at] {
                    Some(further) => at = further,
                    None => break,
                }
            }
            next[at] = Some(b);
            let mut at = b;
            loop {
                length[at] += 1;
                match next[at] {
                    Some(further) => at = further,
                    None => break,
                }
            }
        }
        let mut of_length = [0i32; 258];
        length
            .iter()
            .filter(|l| **l > 0)
            .for_each(|l| of_length[*l] += 1);
        // Words that are too long move up in pairs (figure K.3).
        for long in (17..258).rev() {
            while of_length[long] > 0 {
                let mut shorter = long - 2;
                while of_length[shorter] == 0 {
                    shorter -= 1;
                }
                of_length[long] -= 2;
                of_length[long - 1] += 1;
                of_length[shorter + 1] += 2;
                of_length[shorter] -= 1;
            }
        }
        // The reserved word is the longest.
        if let Some(longest) = (1..17).rev().find(|l| of_length[*l] > 0) {
            of_length[longest] -= 1;
        }
        let mut symbols: Vec<usize> = (0..256).filter(|s| length[*s] > 0).collect();
        symbols.sort_by_key(|s| length[*s]);
        Code {
            lengths: std::array::from_fn(|i| of_length[i + 1] as u8),
            symbols: symbols.iter().map(|s| *s as u8).collect(),
        }
    }

    /// Word and length of each symbol (annex C).
    fn words(&self) -> [(u16, u8); 256] {
        let mut words = [(0, 0); 256];
        let (mut word, mut next) = (0u32, 0);
        for (i, count) in self.lengths.iter().enumerate() {
            for symbol in &self.symbols[next..next + usize::from(*count)] {
                words[usize::from(*symbol)] = (word as u16, i as u8 + 1);
                word += 1;
            }
            next += usize::from(*count);
            word <<= 1;
        }
        words
    }
}

//! Our photo engine against the field, on the same photographs in the same browser: `cargo xtask
//! bench photo [FOLDER]`. Its tables go into docs/PHOTOS.md, between the two marks.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::journeys::walk;
use baoan_tests::{Browser, Server, root};
use base64::Engine;
use image::RgbImage;
use serde_json::{Value, json};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

const JSQUASH: &str = "@jsquash/jpeg";
/// What a result may weigh.
const MOST: f64 = 400_000.0;

struct Made {
    ms: f64,
    longest: f64,
    bytes: Result<Vec<u8>, String>,
}

fn made(answer: &Value) -> Made {
    let bytes = match answer["bytes"].as_str() {
        Some(text) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|e| e.to_string()),
        None => Err(answer["error"].as_str().unwrap_or("?").to_owned()),
    };
    Made {
        ms: answer["ms"].as_f64().unwrap_or(0.0),
        longest: answer["longest"].as_f64().unwrap_or(0.0),
        bytes,
    }
}

fn rgb(picture: &RgbImage) -> Rgb {
    let pixels: Vec<[f32; 3]> = picture
        .pixels()
        .map(|p| p.0.map(|c| f32::from(c) / 255.0))
        .collect();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Rgb::new(
        pixels,
        width,
        height,
        TransferCharacteristic::SRGB,
        ColorPrimaries::BT709,
    )
    .unwrap()
}

/// Mean structural similarity of luma, in windows of 8 x 8.
fn ssim(a: &RgbImage, b: &RgbImage) -> f64 {
    let luma = |p: &RgbImage| -> Vec<f64> {
        p.pixels()
            .map(|p| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]))
            .collect()
    };
    let (width, height) = (a.width() as usize, a.height() as usize);
    let (a, b) = (luma(a), luma(b));
    let (mut sum, mut count) = (0.0, 0.0);
    for top in (0..height.saturating_sub(7)).step_by(4) {
        for left in (0..width.saturating_sub(7)).step_by(4) {
            let mut m = [0.0; 5];
            for (y, x) in (0..8).flat_map(|y| (0..8).map(move |x| (y, x))) {
                let (p, q) = (
                    a[(top + y) * width + left + x],
                    b[(top + y) * width + left + x],
                );
                for (to, value) in m.iter_mut().zip([p, q, p * p, q * q, p * q]) {
                    *to += value / 64.0;
                }
            }
            let (va, vb, c) = (m[2] - m[0] * m[0], m[3] - m[1] * m[1], m[4] - m[0] * m[1]);
            sum += (2.0 * m[0] * m[1] + 6.5025) * (2.0 * c + 58.5225)
                / ((m[0] * m[0] + m[1] * m[1] + 6.5025) * (va + vb + 58.5225));
            count += 1.0;
        }
    }
    sum / count
}

/// SSIMULACRA2 and SSIM against a Lanczos-3 reference of the result's size.
fn quality(
    original: &RgbImage,
    references: &mut BTreeMap<(u32, u32), RgbImage>,
    result: &[u8],
) -> (f64, f64, (u32, u32)) {
    let result = image::load_from_memory(result).unwrap().into_rgb8();
    let size = result.dimensions();
    let reference = references.entry(size).or_insert_with(|| {
        image::imageops::resize(
            original,
            size.0,
            size.1,
            image::imageops::FilterType::Lanczos3,
        )
    });
    (
        compute_frame_ssimulacra2(rgb(reference), rgb(&result)).unwrap(),
        ssim(reference, &result),
        size,
    )
}

/// Runs tesseract (Debian: tesseract-ocr) with these arguments; `None` where it is not installed.
fn tesseract(picture: &Path, mode: &str, more: &[&str]) -> Option<String> {
    let said = Command::new("tesseract")
        .args([picture, Path::new("-")])
        .args(["--psm", mode])
        .args(more)
        .stderr(Stdio::null())
        .output();
    said.ok()
        .map(|said| String::from_utf8_lossy(&said.stdout).into_owned())
}

/// The words on an upright picture, with tesseract's confidence in each (0 to 100). It looks for
/// them one by one (mode 11): on a photograph of a curved page its line finder matters more than
/// the letters.
fn words(picture: &RgbImage) -> Option<Vec<(String, f64)>> {
    let file = tempfile::NamedTempFile::with_suffix(".png").ok()?;
    picture.save(file.path()).ok()?;
    let table = tesseract(file.path(), "11", &["tsv"])?;
    let mut all = Vec::new();
    for line in table.lines().skip(1) {
        let mut columns = line.split('\t').skip(10);
        let (Some(sure), Some(text)) =
            (columns.next().and_then(|c| c.parse().ok()), columns.next())
        else {
            continue;
        };
        let text = text.to_lowercase();
        all.extend(
            text.split(|c: char| !c.is_alphanumeric())
                .filter(|w| w.len() > 2)
                .map(|w| (w.to_owned(), sure)),
        );
    }
    Some(all)
}

/// A page: the rotation that brings it upright, the words on a lossless copy, and those of them the
/// reader is sure of: confidence of at least 50, and also found on another lossless copy. From one
/// such copy it reads only 97 to 98 % of what it reads from another, reduced with a different
/// filter.
struct Page {
    turn: String,
    words: Vec<String>,
    sure: Vec<String>,
}

impl Page {
    fn read(original: &RgbImage, reference: &RgbImage) -> Option<Page> {
        let file = tempfile::NamedTempFile::with_suffix(".png").ok()?;
        reference.save(file.path()).ok()?;
        let turn = tesseract(file.path(), "0", &[])?
            .lines()
            .find_map(|l| l.strip_prefix("Rotate: ").map(ToOwned::to_owned));
        let mut page = Page {
            turn: turn.unwrap_or_default(),
            words: Vec::new(),
            sure: Vec::new(),
        };
        let (width, height) = reference.dimensions();
        let other = image::imageops::resize(
            original,
            width,
            height,
            image::imageops::FilterType::CatmullRom,
        );
        let [words, others] = [reference, &other].map(|copy| words(&page.upright(copy)));
        let (words, others) = (words?, others?.into_iter().map(|(word, _)| word).collect());
        let sure: Vec<String> = words
            .iter()
            .filter(|(_, sure)| *sure >= 50.0)
            .map(|(word, _)| word.clone())
            .collect();
        page.sure = of_both(&sure, others);
        page.words = words.into_iter().map(|(word, _)| word).collect();
        Some(page)
    }

    fn upright(&self, picture: &RgbImage) -> RgbImage {
        match &*self.turn {
            "90" => image::imageops::rotate90(picture),
            "180" => image::imageops::rotate180(picture),
            "270" => image::imageops::rotate270(picture),
            _ => picture.clone(),
        }
    }

    /// How many of the sure words, and of all words, the reader also finds on the result.
    fn found(&self, result: &[u8]) -> Option<(usize, usize)> {
        let found = words(&self.upright(&image::load_from_memory(result).ok()?.into_rgb8()))?;
        let found: Vec<String> = found.into_iter().map(|(word, _)| word).collect();
        Some((
            of_both(&self.sure, found.clone()).len(),
            of_both(&self.words, found).len(),
        ))
    }
}

/// Words of the first list that are also in the second, each as often as it occurs there.
fn of_both(words: &[String], mut others: Vec<String>) -> Vec<String> {
    words
        .iter()
        .filter(|word| {
            others
                .iter()
                .position(|other| other == *word)
                .map(|at| others.swap_remove(at))
                .is_some()
        })
        .cloned()
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

struct Field {
    port: String,
    server: std::process::Child,
}

impl Drop for Field {
    fn drop(&mut self) {
        let _ = self.server.kill();
    }
}

impl Field {
    fn open(photos: &Path) -> Field {
        let mut server = Command::new("node")
            .args([
                root().join("tests/bench/serve.mjs"),
                root().join("dist"),
                root().join("node_modules"),
                photos.to_owned(),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        Field {
            port: port.trim().to_owned(),
            server,
        }
    }

    async fn browser(&self, warm: bool) -> Browser {
        let browser = Browser::start(800, 600).await;
        browser
            .at(&format!("http://127.0.0.1:{}/bench/photo.html", self.port))
            .await;
        browser.patient(std::time::Duration::from_secs(180)).await;
        if warm {
            browser
                .run_async("window.warm().then(() => arguments[arguments.length - 1](true))")
                .await;
        }
        browser
    }
}

async fn once(browser: &Browser, name: &str, photo: &str) -> Made {
    let script = format!(
        "window.once({}, '/photos/{photo}').then(arguments[arguments.length - 1])",
        json!(name)
    );
    made(&browser.run_async(&script).await)
}

#[tokio::test]
#[ignore = "a measurement: cargo xtask bench photo"]
async fn bench_of_the_photo_engine() {
    let folder =
        PathBuf::from(std::env::var_os("BAOAN_PHOTOS").expect("BAOAN_PHOTOS names the folder"))
            .canonicalize()
            .unwrap();
    let field = Field::open(&folder);
    let mut photos: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter(|n| n.ends_with(".jpg"))
        .collect();
    photos.sort();
    assert!(!photos.is_empty(), "no photographs in {}", folder.display());
    let first = field.browser(false).await;
    let names: Vec<String> =
        serde_json::from_value(first.run("return window.names").await).unwrap();
    drop(first);

    // Cold: the first photograph of three fresh browsers, the engines in turn; ours has warmed up,
    // as it does while the person reads.
    let mut cold: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    let mut open: Vec<(String, Browser)> = Vec::new();
    for name in (0..3).flat_map(|_| &names) {
        let browser = field.browser(name.starts_with("ours")).await;
        browser.forget_peak();
        let before = browser.renderer_kb().0;
        let made = once(&browser, name, &photos[0]).await;
        let rise = browser.renderer_kb().1.saturating_sub(before) as f64 / 1024.0;
        let (times, rises) = cold.entry(name.clone()).or_default();
        times.push(made.ms);
        rises.push(rise);
        // The last is kept for what follows.
        open.retain(|(other, _)| other != name);
        open.push((name.clone(), browser));
    }
    // Warm: every photograph three times, the engines in turn.
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut blocked: BTreeMap<String, f64> = BTreeMap::new();
    let mut peaks: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut results: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    for round in 0..3 {
        for photo in &photos {
            for (name, browser) in &open {
                if name == JSQUASH && round > 0 {
                    continue;
                }
                browser.forget_peak();
                let before = browser.renderer_kb().0;
                let made = once(browser, name, photo).await;
                peaks
                    .entry(name.clone())
                    .or_default()
                    .push(browser.renderer_kb().1.saturating_sub(before) as f64 / 1024.0);
                times.entry(name.clone()).or_default().push(made.ms);
                let worst = blocked.entry(name.clone()).or_default();
                *worst = worst.max(made.longest);
                if let Ok(bytes) = made.bytes {
                    results.insert((name.clone(), photo.clone()), bytes);
                }
            }
        }
    }
    let mut scores: BTreeMap<String, Vec<(f64, f64, f64)>> = BTreeMap::new();
    let mut lines = Vec::new();
    let mut letters = Vec::new();
    // Ours minus the @jsquash encoder, at exactly its bytes; the sure words, and how many of them
    // were read.
    let (mut at_its_bytes, mut words_read) = (Vec::new(), (0, 0));
    for photo in &photos {
        let original = image::open(folder.join(photo)).unwrap().into_rgb8();
        let mut references = BTreeMap::new();
        let mut pages = BTreeMap::new();
        for name in &names {
            let Some(bytes) = results.get(&(name.clone(), photo.clone())) else {
                continue;
            };
            let (s2, ssim, size) = quality(&original, &mut references, bytes);
            if photo.contains("_doc_")
                && name != "ours, all WASM"
                && let Some(page) = pages
                    .entry(size)
                    .or_insert_with(|| Page::read(&original, &references[&size]))
                    .as_ref()
                && let Some((sure, all)) = page.found(bytes)
            {
                if name == "ours" {
                    words_read = (words_read.0 + page.sure.len(), words_read.1 + sure);
                }
                let share =
                    |found: usize, of: &[String]| 100.0 * found as f64 / of.len().max(1) as f64;
                letters.push(format!(
                    "| {} | {name} | {} | {:.1} % | {:.1} % |",
                    photo.trim_end_matches(".jpg"),
                    page.sure.len(),
                    share(sure, &page.sure),
                    share(all, &page.words)
                ));
            }
            scores
                .entry(name.clone())
                .or_default()
                .push((bytes.len() as f64, s2, ssim));
            if name == JSQUASH {
                let limits = claim_photo::Limits {
                    max_bytes: bytes.len(),
                    ..Default::default()
                };
                let same =
                    claim_photo::prepare(&std::fs::read(folder.join(photo)).unwrap(), &limits)
                        .unwrap();
                let (our_s2, our_ssim, _) = quality(&original, &mut references, &same.jpeg);
                at_its_bytes.push((our_s2 - s2, our_ssim - ssim));
            }
            lines.push(format!(
                "| {} | {name} | {}x{} | {} | {s2:.1} | {ssim:.4} |",
                photo.trim_end_matches(".jpg"),
                size.0,
                size.1,
                bytes.len()
            ));
        }
    }
    let mut told = String::from(
        "| engine | warm ms | first ms | bytes | over 400 000 | SSIMULACRA2 | SSIM | peak MB, warm | peak MB, first | page blocked ms |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for name in &names {
        let score = &scores[name];
        let of =
            |f: &dyn Fn(&(f64, f64, f64)) -> f64| mean(&score.iter().map(f).collect::<Vec<_>>());
        told += &format!(
            "| {name} | {:.0} | {:.0} | {:.0} | {} of {} | {:.1} | {:.4} | {:.0} | {:.0} | {:.0} |\n",
            median(times[name].clone()),
            median(cold[name].0.clone()),
            of(&|s| s.0),
            score.iter().filter(|s| s.0 > MOST).count(),
            photos.len(),
            of(&|s| s.1),
            of(&|s| s.2),
            median(peaks[name].clone()),
            median(cold[name].1.clone()),
            blocked[name],
        );
    }
    told += "\n| photograph | engine | size | bytes | SSIMULACRA2 | SSIM |\n|---|---|---|---|---|---|\n";
    lines.iter().for_each(|l| told += &format!("{l}\n"));
    told += "\n| document | engine | words that the reader is sure of | of them read | of all words of one lossless copy |\n\
             |---|---|---|---|---|\n";
    letters.iter().for_each(|l| told += &format!("{l}\n"));

    // Very large and odd files, one by one.
    let mut odd: Vec<String> = std::fs::read_dir(folder.join("odd"))
        .map(|all| {
            all.filter_map(|e| e.ok()?.file_name().into_string().ok())
                .map(|n| format!("odd/{n}"))
                .collect()
        })
        .unwrap_or_default();
    odd.sort();
    told += "\nVery large and odd files (time, size, rise of the process' memory; or what was said):\n\n";
    told += &format!(
        "| file | {} |\n|---|{}\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    // On the largest photograph: ours, and the fastest other engine that stays within the byte
    // limit.
    let mut largest = (f64::NAN, f64::INFINITY);
    for file in &odd {
        let mut row = Vec::new();
        for (name, browser) in &open {
            if name == JSQUASH {
                row.push("-".to_owned());
                continue;
            }
            browser.forget_peak();
            let before = browser.renderer_kb().0;
            let made = once(browser, name, file).await;
            let rise = browser.renderer_kb().1.saturating_sub(before) / 1024;
            if file.ends_with("big108mp.jpg")
                && made.bytes.as_ref().is_ok_and(|b| b.len() as f64 <= MOST)
            {
                match &**name {
                    "ours" => largest.0 = made.ms,
                    "ours, all WASM" => {}
                    _ => largest.1 = largest.1.min(made.ms),
                }
            }
            row.push(match made.bytes {
                Ok(bytes) => format!("{:.0} ms, {} KB, {rise} MB", made.ms, bytes.len() / 1000),
                Err(why) => format!(
                    "{:.0} ms: {}",
                    made.ms,
                    why.chars().take(40).collect::<String>()
                ),
            });
        }
        told += &format!(
            "| {} | {} |\n",
            file.trim_start_matches("odd/"),
            row.join(" | ")
        );
    }
    drop(open);

    let ratio =
        |a: &str, b: &str| format!("{:.2}", median(times[a].clone()) / median(times[b].clone()));
    let first = |a: &str, b: &str| {
        format!(
            "{:.2}",
            median(cold[a].0.clone()) / median(cold[b].0.clone())
        )
    };
    let (ours, wasm, canvas, compression) = (
        "ours",
        "ours, all WASM",
        "canvas",
        "browser-image-compression",
    );
    let share = |s: &(f64, f64, f64)| 100.0 * s.0 / MOST;
    let shares = scores[ours].iter().chain(&scores[wasm]).map(share);
    let within = scores[ours]
        .iter()
        .zip(&scores[compression])
        .filter(|(_, other)| other.0 <= MOST)
        .map(|(own, other)| own.1 - other.1);
    let rivals = || names.iter().filter(|n| !n.starts_with(ours));
    let best = |i: usize| {
        rivals()
            .map(|n| scores[n][i])
            .filter(|s| s.0 <= MOST)
            .map(|s| s.1)
            .fold(0.0, f64::max)
    };
    let ahead = scores[ours]
        .iter()
        .enumerate()
        .map(|(i, own)| own.1 - best(i));
    let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
    let rows = [
        (
            "warm, of the time of browser-image-compression",
            ratio(ours, compression),
        ),
        ("warm, of the time of the canvas", ratio(ours, canvas)),
        (
            "all WASM, of browser-image-compression and of the canvas",
            format!("{}, {}", ratio(wasm, compression), ratio(wasm, canvas)),
        ),
        (
            "first photograph, of the same two",
            format!("{}, {}", first(ours, compression), first(ours, canvas)),
        ),
        (
            "times as fast as @jsquash/jpeg",
            format!(
                "{:.1}",
                median(times[JSQUASH].clone()) / median(times[ours].clone())
            ),
        ),
        (
            "108 megapixels, of the quickest that keeps the bytes",
            format!("{:.2}", largest.0 / largest.1),
        ),
        ("share of the bytes used, least to most", {
            let all: Vec<f64> = shares.collect();
            format!(
                "{:.1} % to {:.1} %",
                least(&mut all.iter().copied()),
                all.iter().copied().fold(0.0, f64::max)
            )
        }),
        (
            "SSIMULACRA2 above browser-image-compression, where that keeps the bytes",
            format!("{:.1}", mean(&within.collect::<Vec<_>>())),
        ),
        (
            "the same above the best that keeps them, of the photograph where it is least",
            format!("{:.1}", least(&mut ahead.into_iter())),
        ),
        (
            "SSIMULACRA2 and SSIM above @jsquash/jpeg with exactly its bytes",
            format!(
                "{:.1}, {:.4}",
                mean(&at_its_bytes.iter().map(|d| d.0).collect::<Vec<_>>()),
                mean(&at_its_bytes.iter().map(|d| d.1).collect::<Vec<_>>())
            ),
        ),
        (
            "words read, of those that the reader is sure of",
            format!("{:.1} %", 100.0 * words_read.1 as f64 / words_read.0 as f64),
        ),
    ];
    told += "\n| ours | in this run |\n|---|---|\n";
    rows.iter()
        .for_each(|(what, value)| told += &format!("| {what} | {value} |\n"));
    told += &typing(&folder, &photos).await;
    told += &side_by_side(&folder, &photos);
    println!("{told}");

    let (begin, end) = ("<!-- measured -->\n", "<!-- measured: end -->");
    let page = root().join("docs/PHOTOS.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text
        .split_once(begin)
        .expect("the mark where the tables begin");
    let (_, after) = rest.split_once(end).expect("the mark where they end");
    std::fs::write(&page, format!("{before}{begin}\n{told}\n{end}{after}")).unwrap();
}

/// What rate-distortion optimisation buys, to look at: a piece of every photograph in the original,
/// with every coefficient rounded, and in our version; the last two at so few bytes that it shows.
/// Written to docs/photos/.
fn side_by_side(folder: &Path, photos: &[String]) -> String {
    const FEW: usize = 120_000;
    let (width, height) = (200, 150);
    let mut told = format!(
        "\nThe middle of each photograph, from left to right: a lossless reduction; every coefficient rounded; ours. Both have {FEW} \
         bytes at most; their SSIMULACRA2 is below.\n"
    );
    std::fs::create_dir_all(root().join("docs/photos")).unwrap();
    for photo in photos {
        let file = std::fs::read(folder.join(photo)).unwrap();
        let Some(planes) = claim_photo::planes(&file, 2048) else {
            continue;
        };
        let original = image::load_from_memory(&file).unwrap().into_rgb8();
        let made = |lambda: Option<f32>| {
            let tuning = claim_photo::Tuning::default();
            let tuning = claim_photo::Tuning {
                lambda: lambda.unwrap_or(tuning.lambda),
                ..tuning
            };
            let target = claim_photo::Target {
                max_bytes: FEW,
                coarsest: 20.0,
                ..Default::default()
            };
            claim_photo::encode(&planes, &target, &tuning).unwrap().0
        };
        let (rounded, ours) = (made(Some(0.0)), made(None));
        let mut references = BTreeMap::new();
        let [(plain, ..), (searched, _, size)] =
            [&rounded, &ours].map(|bytes| quality(&original, &mut references, bytes));
        let read = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().into_rgb8();
        let mut row = RgbImage::from_pixel(6 * width + 2 * 8, 2 * height, image::Rgb([255; 3]));
        for (i, whole) in [&references[&size], &read(&rounded), &read(&ours)]
            .into_iter()
            .enumerate()
        {
            let piece = image::imageops::crop_imm(
                whole,
                (size.0 - width) / 2,
                (size.1 - height) / 2,
                width,
                height,
            )
            .to_image();
            let piece = image::imageops::resize(
                &piece,
                2 * width,
                2 * height,
                image::imageops::FilterType::Nearest,
            );
            image::imageops::replace(&mut row, &piece, i as i64 * i64::from(2 * width + 8), 0);
        }
        let name = photo.trim_end_matches(".jpg");
        row.save(root().join(format!("docs/photos/{name}.png")))
            .unwrap();
        told += &format!("\n![{name}](photos/{name}.png)\n\n{name}: {plain:.1}, {searched:.1}\n");
    }
    told
}

/// Ten photographs are processed while somebody types: the page's longest task, and the longest
/// wait for a key.
async fn typing(folder: &Path, photos: &[String]) -> String {
    let mut told = String::new();
    let server = Server::start();
    let browser = Browser::phone().await;
    browser.at(&server.base).await;
    browser.tap("#start").await;
    // The same picture twice is refused, so some of the odd files fill up the ten.
    let more = ["gray", "cmyk", "orient1", "progressive"]
        .map(|name| folder.join(format!("odd/{name}.jpg")));
    let ten: Vec<PathBuf> = photos
        .iter()
        .map(|name| folder.join(name))
        .chain(more)
        .filter(|p| p.exists())
        .take(10)
        .collect();
    walk(&browser, &[], async |browser, page| {
        if page != "photos" {
            return;
        }
        browser
            .run(
                "window.seen = { longtask: [], event: [] };
                 for (const type of ['longtask', 'event']) {
                   new PerformanceObserver((list) => list.getEntries().forEach((e) => window.seen[type].push(e.duration)))
                     .observe({ type, durationThreshold: 16 });
                 }",
            )
            .await;
        browser.choose("#album", &ten).await;
        browser.run("history.go(-3)").await;
        browser.arrive("/report/damage").await;
        browser.run("document.getElementById('narrative').focus()").await;
        for letter in "the rear bumper is scratched and the left lamp is broken ".chars().cycle().take(100) {
            browser.key(&letter.to_string(), u32::from(letter.to_ascii_uppercase()), &letter.to_string()).await;
        }
        let during = browser.run("return window.seen").await;
        browser.run("history.go(3)").await;
        browser.arrive("/report/photos").await;
        let left = browser.run("return document.querySelectorAll('.shrunk').length").await;
        browser.until("photos are small", &format!("document.querySelectorAll('.shrunk').length === {}", ten.len())).await;
        let longest = |kind: &str| during[kind].as_array().into_iter().flatten().filter_map(Value::as_f64).fold(0.0, f64::max);
        told = format!(
            "\nA hundred keys were typed while {} photographs were made small ({left} of them done by then): longest task of the page \
             {:.0} ms (tasks under 50 ms are not counted), longest wait for a key {:.0} ms.\n",
            ten.len(),
            longest("longtask"),
            longest("event")
        );
    })
    .await;
    told
}

//! The photo engine in a browser: odd, torn and mutated files, and whether other decoders read its
//! output alike.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use baoan_tests::{Browser, Server, in_firefox, odd_files};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use claim_photo::{Limits, Picture, Target, Tuning};
use image::RgbImage;
use serde_json::{Value, json};

/// Talks to the app's workers as its page does; a worker silent for five seconds counts as hung.
const HARNESS: &str = "
    const running = {};
    const start = (id) => new Promise((done, failed) => {
      const worker = new Worker(document.getElementById(id).getAttribute('href'));
      worker.onmessage = () => done(worker);
      worker.onerror = (e) => failed(new Error(e.message));
    });
    const ask = async (id, order) => {
      running[id] ??= await start(id);
      return new Promise((done) => {
        const ended = (error) => { running[id].terminate(); delete running[id]; done({ error }); };
        const timer = setTimeout(() => ended('it hangs'), 5000);
        running[id].onmessage = (e) => { clearTimeout(timer); done(e.data); };
        running[id].onerror = (e) => { clearTimeout(timer); ended('it fell: ' + e.message); };
        running[id].postMessage(order);
      });
    };
    window.prepare = async (file, native) => {
      const order = { file, native, look: true, pdf: false, codes: false };
      const quick = await ask('photo-worker', order);
      return quick.other ? { ...await ask('photo-rest', order), quick: quick.held } : quick;
    };
    window.base64 = (bytes) => new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result.split(',')[1]);
      reader.readAsDataURL(new Blob([bytes]));
    });
    const input = document.createElement('input');
    Object.assign(input, { type: 'file', id: 'odd' });
    document.body.append(input);";

async fn engine(server: &Server) -> Browser {
    let browser = Browser::phone().await;
    browser.at(&server.base).await;
    browser.run(HARNESS).await;
    browser
}

fn decoded(jpeg: &[u8]) -> RgbImage {
    image::load_from_memory(jpeg).unwrap().into_rgb8()
}

/// Mean difference of all samples, in levels.
fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a
        .as_raw()
        .iter()
        .zip(b.as_raw())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.as_raw().len() as f64
}

/// The browser's output, by its decoders and by ours, equals the native output: the same picture,
/// or the same refusal.
#[tokio::test]
async fn odd_files_come_out_in_the_browser_as_they_do_natively() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let browser = engine(&server).await;
    let mut upright: Option<RgbImage> = None;
    for path in odd_files(folder.path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = std::fs::read(&path).unwrap();
        let ours = claim_photo::prepare(&file, &Limits::default());
        browser.choose("#odd", std::slice::from_ref(&path)).await;
        for native in [true, false] {
            let answer = browser
                .awaited(&format!(
                    "return await prepare(document.getElementById('odd').files[0], {native}).then(async (a) =>
                       a.error ? a : {{ jpeg: await base64(a.bytes), salvaged: a.salvaged }})"
                ))
                .await;
            let what = format!("{name}, native decoders: {native}: {}", answer["error"]);
            match &ours {
                Err(error) => assert_eq!(answer["error"], json!(error.code().as_str()), "{what}"),
                Ok(photo) => {
                    let jpeg = STANDARD
                        .decode(answer["jpeg"].as_str().expect(&what))
                        .unwrap();
                    assert_eq!(answer["salvaged"], json!(photo.salvaged), "{what}");
                    // The server's own look: size, orientation, no metadata.
                    assert!(
                        claim_photo::inspect(&jpeg, &Limits::default()).is_ok(),
                        "{what}"
                    );
                    let (theirs, ours) = (decoded(&jpeg), decoded(&photo.jpeg));
                    // A torn file's lower part is each decoder's own guess.
                    assert!(
                        photo.salvaged || difference(&theirs, &ours) < 3.0,
                        "{what}: {}",
                        difference(&theirs, &ours)
                    );
                    if name.starts_with("turned") {
                        let first = upright.get_or_insert_with(|| theirs.clone());
                        assert!(
                            difference(&theirs, first) < 3.0,
                            "{what}: {} from the first",
                            difference(&theirs, first)
                        );
                    }
                }
            }
        }
    }
}

/// Bytes changed, cut, duplicated and inserted, from a fixed seed: no worker crashes, hangs or
/// grows without bound. `BAOAN_MUTATIONS` sets how many (the full count is 5 000).
#[tokio::test]
async fn mutated_pictures_end_with_a_picture_or_a_sentence() {
    let count: u32 = std::env::var("BAOAN_MUTATIONS").map_or(300, |n| n.parse().unwrap());
    let server = Server::start();
    let browser = engine(&server).await;
    let seeds: Vec<String> = ["small.jpg", "small.png", "small.webp"]
        .iter()
        .map(|name| {
            STANDARD
                .encode(std::fs::read(baoan_tests::root().join("fuzz/seeds").join(name)).unwrap())
        })
        .collect();
    browser.patient(Duration::from_secs(300)).await;
    let mut done = 0;
    let (mut pictures, mut refused) = (0, 0);
    while done < count {
        let batch = (count - done).min(250);
        let script = format!(
            "return await (async () => {{
               const seeds = {seeds}.map((s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0)));
               const found = {{ pictures: 0, refused: 0, wrong: [] }};
               for (let seed = {done}; seed < {done} + {batch}; seed += 1) {{
                 let state = seed * 2654435761 + 1;
                 const luck = (n) => {{ state ^= state << 13; state ^= state >>> 17; state ^= state << 5; return (state >>> 0) % n; }};
                 let bytes = [...seeds[seed % seeds.length]];
                 for (let change = luck(8); change >= 0; change -= 1) {{
                   const at = luck(bytes.length);
                   if (luck(4) === 0) bytes.splice(at, luck(40));
                   else if (luck(4) === 0) bytes.splice(at, 0, ...bytes.slice(luck(bytes.length), luck(bytes.length)));
                   else if (luck(8) === 0) bytes.length = Math.max(at, 1);
                   else bytes[at] = luck(256);
                   if (bytes.length === 0) bytes = [255];
                 }}
                 const answer = await prepare(new Blob([Uint8Array.from(bytes)]), seed % 2 === 0);
                 if (answer.held > 256e6 || answer.quick > 256e6) found.wrong.push([seed, 'memory']);
                 if (answer.bytes) found.pictures += 1;
                 else if (/^photo-/.test(answer.error)) found.refused += 1;
                 else found.wrong.push([seed, answer.error]);
               }}
               return found;
             }})()",
            seeds = json!(seeds)
        );
        let found = browser.awaited(&script).await;
        assert_eq!(found["wrong"], json!([]), "seed and what happened: {found}");
        pictures += found["pictures"].as_u64().unwrap();
        refused += found["refused"].as_u64().unwrap();
        done += batch;
    }
    println!(
        "{count} mutated pictures: {pictures} prepared, {refused} refused with their sentence"
    );
    assert!(pictures > 0 && refused > 0);
}

/// Pictures of all small sizes and wild contents, as our encoder writes them: Chromium, Firefox,
/// djpeg and a decoder in Rust show the same.
#[tokio::test]
async fn what_we_write_is_read_alike_by_other_decoders() {
    let server = Server::start();
    let browser = engine(&server).await;
    let mut state = 7_u64;
    let mut luck = move |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let files: Vec<Vec<u8>> = (0..120)
        .map(|i| {
            let (width, height) = (1 + luck(64) as usize, 1 + luck(64) as usize);
            let smooth = i % 2 == 0;
            let rgb: Vec<u8> = (0..width * height * 3)
                .map(|at| {
                    if smooth {
                        (at * 255 / (width * height * 3)) as u8
                    } else {
                        luck(256) as u8
                    }
                })
                .collect();
            let picture = Picture::from_rgb(width, height, &rgb, i % 3 != 0);
            claim_photo::encode(&picture, &Target::default(), &Tuning::default())
                .unwrap()
                .0
        })
        .collect();
    let script = format!(
        "const base64 = (bytes) => new Promise((done) => {{
           const reader = new FileReader();
           reader.onload = () => done(reader.result.split(',')[1]);
           reader.readAsDataURL(new Blob([bytes]));
         }});
         return await Promise.all({}.map(async (text) => {{
           const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
           const bitmap = await createImageBitmap(new Blob([bytes], {{ type: 'image/jpeg' }}));
           const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
           const context = canvas.getContext('2d');
           context.drawImage(bitmap, 0, 0);
           return [bitmap.width, bitmap.height, await base64(context.getImageData(0, 0, bitmap.width, bitmap.height).data)];
         }}))",
        json!(files.iter().map(|f| STANDARD.encode(f)).collect::<Vec<_>>())
    );
    let pictures = |shown: Value| -> Vec<RgbImage> {
        let all = shown.as_array().unwrap_or_else(|| panic!("{shown}"));
        let side = |of: &Value| of.as_u64().unwrap() as u32;
        let picture = |shown: &Value| {
            let rgba = STANDARD.decode(shown[2].as_str().unwrap()).unwrap();
            let rgb: Vec<u8> = rgba
                .chunks_exact(4)
                .flat_map(|p| [p[0], p[1], p[2]])
                .collect();
            RgbImage::from_raw(side(&shown[0]), side(&shown[1]), rgb).unwrap()
        };
        all.iter().map(picture).collect()
    };
    let (chromium, firefox) = (
        pictures(browser.awaited(&script).await),
        pictures(in_firefox(&script)),
    );
    assert_eq!((chromium.len(), firefox.len()), (files.len(), files.len()));
    for ((file, chromium), firefox) in files.iter().zip(chromium).zip(firefox) {
        let ours = decoded(file);
        let (width, height) = ours.dimensions();
        assert_eq!(
            (width, height, width, height),
            (
                chromium.width(),
                chromium.height(),
                firefox.width(),
                firefox.height()
            )
        );
        let fox = difference(&firefox, &chromium);
        assert!(
            fox < 0.001,
            "{width} x {height}: Firefox shows something else than Chromium by {fox} levels"
        );
        // libjpeg does not smooth chroma of one or two samples in a row; the other decoder does.
        assert!(
            difference(&ours, &chromium) < if width < 6 { 16.0 } else { 1.0 },
            "{width} x {height}"
        );
        let turbo = difference(&djpeg(file), &chromium);
        assert!(
            turbo < 0.001,
            "{width} x {height}: djpeg shows something else than Chromium by {turbo} levels"
        );
    }
}

/// The picture by libjpeg-turbo's own program.
fn djpeg(file: &[u8]) -> RgbImage {
    let mut program = Command::new("djpeg")
        .arg("-ppm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(file).unwrap();
    let ppm = program.wait_with_output().unwrap().stdout;
    image::load_from_memory_with_format(&ppm, image::ImageFormat::Pnm)
        .unwrap()
        .into_rgb8()
}

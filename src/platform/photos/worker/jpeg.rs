//! JPEG, which is what cameras write, through the browser's decoder where that proved correct, else
//! through ours. The other worker does what this one lacks (other formats where the browser cannot,
//! torn files, lookup-table colour profiles, compressed PDFs, QR codes).

use std::cell::Cell;

use claim_photo::{
    Kind, Limits, Photo, PhotoError, Picture, dimensions, eighths, has_profile, has_table, pdf,
    prepare_decoded, prepare_jpeg, sha256_hex, sniff,
};
use js_sys::{Promise, Uint8Array};
use web_sys::Blob;

use super::decoder::Torn;
use super::{Answer, Order, decoder, limits, measured, read, serve, stored};

thread_local! {
    /// Whether this browser's decoder was seen to give the same picture as ours.
    static NATIVE: Cell<bool> = const { Cell::new(false) };
    /// A photo came.
    static ORDERED: Cell<bool> = const { Cell::new(false) };
}

const PIECES: u32 = 20;
/// Rows of a piece: it takes about as long as one frame of the page.
const PIECE: usize = 128;
/// What twelve megapixels need: WASM memory grows slowly, and never shrinks.
const HELD: usize = 40 << 20;

pub fn start() {
    wasm_bindgen_futures::spawn_local(async {
        warm_up().await;
        serve(answer);
        // Engines recompile hot code with better optimisation: warm up in pieces, as long as nobody
        // waits.
        let Some((file, picture)) = made(PIECE) else {
            return;
        };
        for _ in 0..PIECES {
            super::pause().await;
            if ORDERED.get() {
                return;
            }
            work(&file, picture.clone());
        }
    });
}

async fn answer(blob: Blob, order: Order) -> Answer {
    ORDERED.set(true);
    let begin = js_sys::Date::now();
    let buffer = match read(&blob).await {
        Ok(buffer) => buffer,
        Err(answer) => return answer,
    };
    let file = Uint8Array::new(&buffer).to_vec();
    if order.pdf && sniff(&file) == Kind::Pdf {
        return match pdf::inspect_plain(&file) {
            Ok(Some((found, plain))) => stored(file, found, plain),
            Ok(None) => Answer::Other,
            Err(error) => error.into(),
        };
    }
    let limits = limits(order.fit);
    let jpeg = sniff(&file) == Kind::Jpeg;
    let (width, height) = match dimensions(&file, &limits) {
        Ok(_) if jpeg && has_table(&file) => return Answer::Other,
        Ok(size) => size,
        // The browser may know what this crate does not.
        Err(PhotoError::Heic | PhotoError::Foreign | PhotoError::NotImage) if order.native => {
            (0, 0)
        }
        Err(error) => return error.into(),
    };
    let native = order.native && NATIVE.get();
    let (eighths, scaled) = eighths(width, height, limits.long_edge);
    // Other eighths take longer than decoding at full size, as long as that fits.
    let whole = !matches!(eighths, 1 | 2 | 4) && u64::from(width) * u64::from(height) <= MOST_WHOLE;
    let size = if whole { (width, height) } else { scaled };
    // When scaling, it returns pixels in a colour space of its own choice: not where a profile
    // matters.
    let decoding = if jpeg && native && (whole || !has_profile(&file)) {
        decoder::jpeg(buffer, size)
    } else {
        None
    };
    // While the decoder works.
    let digest = decoder::sha256(&file);
    let photo = if jpeg {
        let planes = match decoding {
            Some(decoding) => decoding.picture().await,
            None => Ok(None),
        };
        match planes {
            Ok(Some(picture)) => prepare_decoded(&file, picture, true, &limits),
            Ok(None) => prepare_jpeg(&file, &limits),
            Err(Torn) => prepare_jpeg(&file, &limits).map(|photo| Photo {
                salvaged: true,
                ..photo
            }),
        }
    } else {
        let picture = if order.native {
            decoder::pixels(&blob, &limits).await
        } else {
            None
        };
        match (picture, dimensions(&file, &limits)) {
            (Some(picture), _) => prepare_decoded(&file, picture, false, &limits),
            (None, Ok(_)) => return Answer::Other,
            (None, Err(error)) => return error.into(),
        }
    };
    let original_sha256 = sum(digest, &file).await;
    match photo {
        Ok(_) if order.codes => Answer::Other,
        // No await in between: the compiler then sees that no codes are read here, and leaves their
        // reader out.
        Ok(photo) => measured(
            Photo {
                original_sha256,
                ..photo
            },
            &order,
            begin,
        ),
        // Perhaps torn: the other program reads what can be read.
        Err(_) => Answer::Other,
    }
}

async fn sum(digest: Option<Promise>, file: &[u8]) -> String {
    let sum = match digest {
        Some(digest) => decoder::hex(digest).await,
        None => None,
    };
    sum.unwrap_or_else(|| sha256_hex(file))
}

/// Pixels up to which the browser may decode at full size: its planes still fit.
const MOST_WHOLE: u64 = 16_000_000;

/// Does the whole work once on a generated picture, so that the first real one finds the program
/// compiled, and checks that the browser's decoder produces the same as ours.
async fn warm_up() {
    std::hint::black_box(vec![1_u8; HELD]);
    let Some((file, picture)) = made(640) else {
        return;
    };
    work(&file, picture.clone());
    let (width, height) = (picture.width(), picture.height());
    let mut right = true;
    for scale in [1, 2] {
        let (width, height) = (width as u32 / scale, height as u32 / scale);
        let theirs = match decoder::jpeg(Uint8Array::from(&file[..]).buffer(), (width, height)) {
            Some(decoding) => decoding.picture().await.ok().flatten(),
            None => None,
        };
        right &= claim_photo::planes(&file, width)
            .zip(theirs)
            .is_some_and(|(ours, theirs)| claim_photo::alike(&ours, &theirs));
    }
    NATIVE.set(right);
}

/// A picture that must be shrunk, with a bit of everything in it, and its file.
fn made(height: usize) -> Option<(Vec<u8>, Picture)> {
    let width = 2600;
    let colour = |x: usize, y: usize| {
        let wave = ((x * y / 64) % 97 + (x / 3 + y / 5) % 61) as u8;
        [wave, wave + (x / 32) as u8, wave + (y / 8) as u8]
    };
    let rgb: Vec<u8> = (0..width * height)
        .flat_map(|i| colour(i % width, i / width))
        .collect();
    let picture = Picture::from_rgb(width, height, &rgb, true);
    let (file, _) = claim_photo::encode(
        &picture,
        &claim_photo::Target::default(),
        &claim_photo::Tuning::default(),
    )?;
    Some((file, picture))
}

/// The work on a photo, with our decoder and with the browser's.
fn work(file: &[u8], picture: Picture) {
    let limits = Limits::default();
    let _ = prepare_jpeg(file, &limits);
    let _ = prepare_decoded(file, picture, true, &limits);
}

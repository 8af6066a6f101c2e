//! The worker's side of [`super::protocol`]: orders come in, one at a time; out goes the file to
//! store with its measurements, or an error code.

mod decoder;
pub mod jpeg;
pub mod other;

use claim_domain::Code;
use claim_domain::checks::Pdf;
use claim_domain::documents::{File as Paper, Format};
use claim_photo::{Limits, Photo, PhotoError, measure, prepare_jpeg, sha256_hex};
use js_sys::ArrayBuffer;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

use super::protocol::{Answer, Done, Fit, Order};

impl From<PhotoError> for Answer {
    fn from(error: PhotoError) -> Answer {
        Answer::Wrong(error.code())
    }
}

/// Listens for ever.
fn serve<F: Future<Output = Answer> + 'static>(
    answer: impl Fn(Blob, Order) -> F + Clone + 'static,
) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let reply_to = scope.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let (scope, answer) = (reply_to.clone(), answer.clone());
        spawn_local(async move {
            let answer = match Order::from_message(&event.data()) {
                Some((file, order)) => answer(file, order).await,
                None => Answer::Wrong(Code::PhotoDamaged),
            };
            // WASM memory never shrinks: after a very large file the page starts a new worker.
            let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
            let held: ArrayBuffer = memory.buffer().unchecked_into();
            let (message, buffers) = answer.into_message(held.byte_length());
            let _ = scope.post_message_with_transfer(&message, &buffers);
        });
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    // Messages sent before this are lost: the page waits for it.
    let _ = scope.post_message(&JsValue::from_str("ready"));
}

/// Lets messages in.
async fn pause() {
    let next = js_sys::Promise::new(&mut |done, _| {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        let _ = scope.set_timeout_with_callback(&done);
    });
    let _ = JsFuture::from(next).await;
}

/// What the page asks for, capped at what the server accepts.
fn limits(fit: Option<Fit>) -> Limits {
    let most = Limits::default();
    fit.map_or(most, |fit| Limits {
        long_edge: fit.edge.min(most.long_edge),
        max_bytes: (fit.bytes as usize).min(most.max_bytes),
        ..most
    })
}

/// The bytes of a file, unless it is too large.
async fn read(file: &Blob) -> Result<ArrayBuffer, Answer> {
    if file.size() > Limits::default().max_file as f64 {
        return Err(Answer::Wrong(Code::PhotoTooLarge));
    }
    JsFuture::from(file.array_buffer())
        .await
        .map(JsCast::unchecked_into)
        .map_err(|_| Answer::Wrong(Code::PhotoDamaged))
}

/// What is stored of a PDF: `plain`, if given, instead of the file itself.
fn stored(file: Vec<u8>, found: Pdf, plain: Option<Vec<u8>>) -> Answer {
    let original_sha256 = sha256_hex(&file);
    let sha256 = plain
        .as_ref()
        .map_or_else(|| original_sha256.clone(), |plain| sha256_hex(plain));
    let bytes = plain.unwrap_or(file);
    let paper = Paper {
        pdf: Some(found),
        ..paper(Format::Pdf, &bytes, sha256, original_sha256)
    };
    Answer::Done(done(bytes, &paper))
}

/// Measures the stored file as the server does, if wanted. `begin`: when work on it began.
fn measured(photo: Photo, order: &Order, begin: f64) -> Answer {
    let Photo {
        jpeg,
        width,
        height,
        sha256,
        original_sha256,
        taken_at,
        place,
        salvaged,
    } = photo;
    let between = js_sys::Date::now();
    let look = if order.look {
        measure(&jpeg, order.codes).map(Some)
    } else {
        Ok(None)
    };
    let look = match look {
        Err(error) => return error.into(),
        Ok(look) => look,
    };
    let paper = Paper {
        taken_at,
        look,
        salvaged,
        ..paper(Format::Jpeg, &jpeg, sha256, original_sha256)
    };
    // From the stored copy: a scaling decoder reads a fraction of it.
    let thumbnail = order
        .thumbnail
        .and_then(|fit| prepare_jpeg(&jpeg, &limits(Some(fit))).ok())
        .map(|small| small.jpeg);
    let located = place.map(|_| {
        json(&Paper {
            place,
            ..paper.clone()
        })
    });
    Answer::Done(Done {
        thumbnail,
        located,
        size: (width, height),
        prepared_ms: between - begin,
        measured_ms: js_sys::Date::now() - between,
        ..done(jpeg, &paper)
    })
}

fn done(bytes: Vec<u8>, paper: &Paper) -> Done {
    Done {
        bytes,
        sha256: paper.sha256.clone(),
        original_sha256: paper.original_sha256.clone(),
        salvaged: paper.salvaged,
        paper: json(paper),
        ..Done::default()
    }
}

fn json(paper: &Paper) -> String {
    serde_json::to_string(paper).unwrap_or_default()
}

fn paper(format: Format, bytes: &[u8], sha256: String, original_sha256: String) -> Paper {
    // The page says which document it is for.
    let (id, document) = (String::new(), String::new());
    let bytes = bytes.len() as u64;
    Paper {
        id,
        document,
        format,
        bytes,
        sha256,
        original_sha256,
        taken_at: None,
        place: None,
        look: None,
        pdf: None,
        kept_because: None,
        salvaged: false,
        returned: false,
    }
}

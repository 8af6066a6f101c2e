//! The worker's side of [`super::photos`]: orders come in, one at a time; out goes the file to
//! store with its measurements, or an error code.

mod decoder;
pub mod quick;
pub mod rest;

use claim_domain::Code;
use claim_domain::checks::Pdf;
use claim_domain::documents::{File as Paper, Format};
use claim_domain::notice::Point;
use claim_photo::{Limits, Photo, PhotoError, measure, prepare_jpeg, sha256_hex};
use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, DedicatedWorkerGlobalScope, MessageEvent};

/// A file to shrink.
struct Order {
    file: Blob,
    limits: Limits,
    /// The size of the thumbnail, if one is wanted.
    thumbnail: Option<Limits>,
    /// A PDF is welcome, too.
    pdf: bool,
    /// Measure the stored file, for the checks.
    look: bool,
    /// Read QR codes.
    codes: bool,
    /// The browser's decoders may be used.
    native: bool,
}

enum Answer {
    Done(Box<Done>),
    Wrong(Code),
    /// This program lacks what the file needs: the other one has it.
    Other,
}

/// The file to store, and what was found on it.
struct Done {
    bytes: Vec<u8>,
    thumbnail: Option<Vec<u8>>,
    size: (u32, u32),
    paper: Paper,
    place: Option<Point>,
    /// Milliseconds spent on shrinking and on measuring, for the bench.
    prepared_ms: f64,
    measured_ms: f64,
}

impl From<PhotoError> for Answer {
    fn from(error: PhotoError) -> Answer {
        Answer::Wrong(error.code())
    }
}

/// Listens for ever.
fn serve<F: Future<Output = Answer> + 'static>(answer: impl Fn(Order) -> F + Clone + 'static) {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let reply_to = scope.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let (scope, answer) = (reply_to.clone(), answer.clone());
        spawn_local(async move {
            let data = event.data();
            let field = |name: &str| {
                Reflect::get(&data, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
            };
            let is = |name: &str| field(name).is_truthy();
            let answer = match field("file").dyn_into::<Blob>() {
                Ok(file) => {
                    answer(Order {
                        file,
                        limits: limits(&field, "edge", "bytes").unwrap_or_default(),
                        thumbnail: limits(&field, "small_edge", "small_bytes"),
                        pdf: is("pdf"),
                        look: is("look"),
                        codes: is("codes"),
                        native: is("native"),
                    })
                    .await
                }
                Err(_) => Answer::Wrong(Code::PhotoDamaged),
            };
            let (message, buffers) = told(answer);
            // The picture's buffer is handed over, not copied.
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
fn limits(field: &dyn Fn(&str) -> JsValue, edge: &str, bytes: &str) -> Option<Limits> {
    let most = Limits::default();
    let asked = |name: &str| field(name).as_f64().filter(|n| *n >= 1.0);
    Some(Limits {
        long_edge: (asked(edge)? as u32).min(most.long_edge),
        max_bytes: (asked(bytes)? as usize).min(most.max_bytes),
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
    Answer::Done(Box::new(Done {
        bytes,
        thumbnail: None,
        size: (0, 0),
        paper,
        place: None,
        prepared_ms: 0.0,
        measured_ms: 0.0,
    }))
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
    let size = (width, height);
    // From the stored copy: a scaling decoder reads a fraction of it.
    let thumbnail = order
        .thumbnail
        .and_then(|limits| prepare_jpeg(&jpeg, &limits).ok())
        .map(|small| small.jpeg);
    Answer::Done(Box::new(Done {
        bytes: jpeg,
        thumbnail,
        size,
        paper,
        place,
        prepared_ms: between - begin,
        measured_ms: js_sys::Date::now() - between,
    }))
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

fn told(answer: Answer) -> (JsValue, Array) {
    let message = Object::new();
    let set = |name: &str, value: JsValue| {
        let _ = Reflect::set(&message, &JsValue::from_str(name), &value);
    };
    let buffers = Array::new();
    match answer {
        Answer::Other => set("other", JsValue::TRUE),
        Answer::Wrong(code) => set("error", code.as_str().into()),
        Answer::Done(done) => {
            let Done {
                bytes,
                thumbnail,
                size,
                paper,
                place,
                prepared_ms,
                measured_ms,
            } = *done;
            let place = place
                .map(|p| {
                    format!(
                        r#""place":{{"lat_e6":{},"lon_e6":{}}},"#,
                        p.lat_e6, p.lon_e6
                    )
                })
                .unwrap_or_default();
            let handed = |bytes: &[u8]| {
                let buffer = Uint8Array::from(bytes).buffer();
                buffers.push(&buffer);
                JsValue::from(buffer)
            };
            for (name, value) in [
                ("prepared_ms", prepared_ms.into()),
                ("measured_ms", measured_ms.into()),
                ("bytes", handed(&bytes)),
                (
                    "thumbnail",
                    thumbnail.map_or(JsValue::UNDEFINED, |small| handed(&small)),
                ),
                ("width", size.0.into()),
                ("height", size.1.into()),
                ("sha256", paper.sha256.clone().into()),
                ("salvaged", paper.salvaged.into()),
                ("original_sha256", paper.original_sha256.clone().into()),
                ("place", place.into()),
                (
                    "paper",
                    serde_json::to_string(&paper).unwrap_or_default().into(),
                ),
            ] {
                set(name, value);
            }
        }
    }
    // WASM memory never shrinks: after a very large file the page starts a new worker.
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    let held = memory
        .buffer()
        .unchecked_into::<ArrayBuffer>()
        .byte_length();
    set("held", held.into());
    (message.into(), buffers)
}

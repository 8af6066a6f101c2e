//! Entry of the photo worker: `{file, pdf, codes}` comes in; what is stored and what was measured on it go out, or the
//! code of what is wrong with it.

use claim_domain::Code;
use claim_domain::documents::{File as Paper, Format};
use claim_photo::{Kind, Limits, Photo, PhotoError, measure, pdf, prepare, sha256_hex, sniff};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

fn main() {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let reply_to = scope.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let scope = reply_to.clone();
        spawn_local(async move {
            let (message, buffers) = answer(&event.data()).await;
            // The picture's buffer is handed over, not copied.
            let _ = scope.post_message_with_transfer(&message, &buffers);
        });
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    // Messages sent before this are lost: the page waits for it.
    let _ = scope.post_message(&JsValue::from_str("ready"));
}

/// What is stored, and what was found on it.
struct Done {
    bytes: Vec<u8>,
    paper: Paper,
    /// Milliseconds that measuring took, for the bench.
    measured_ms: f64,
}

async fn answer(data: &JsValue) -> (JsValue, Array) {
    let field = |name: &str| Reflect::get(data, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED);
    let limits = Limits::default();
    let outcome = match read(field("file"), &limits).await {
        Ok(file) if field("pdf").is_truthy() && sniff(&file) == Kind::Pdf => passed(file),
        Ok(file) => small(&file, &limits, field("codes").is_truthy()),
        Err(code) => Err(code),
    };
    let message = Object::new();
    let set = |name: &str, value: JsValue| {
        let _ = Reflect::set(&message, &JsValue::from_str(name), &value);
    };
    let buffers = Array::new();
    match outcome {
        Err(code) => set("error", code.as_str().into()),
        Ok(Done { bytes, paper, measured_ms }) => {
            set("measured_ms", measured_ms.into());
            let buffer = Uint8Array::from(&bytes[..]).buffer();
            buffers.push(&buffer);
            set("bytes", buffer.into());
            let look = paper.look.clone().unwrap_or_default();
            set("width", look.width.into());
            set("height", look.height.into());
            set("sha256", paper.sha256.clone().into());
            set("original_sha256", paper.original_sha256.clone().into());
            set("paper", serde_json::to_string(&paper).unwrap_or_default().into());
        }
    }
    (message.into(), buffers)
}

fn small(file: &[u8], limits: &Limits, codes: bool) -> Result<Done, Code> {
    let Photo { jpeg, sha256, original_sha256, taken_at, .. } = prepare(file, limits).map_err(PhotoError::code)?;
    // On what is stored, as the server does.
    let begin = js_sys::Date::now();
    let look = measure(&jpeg, codes).map_err(PhotoError::code)?;
    let measured_ms = js_sys::Date::now() - begin;
    let paper = paper(Format::Jpeg, &jpeg, sha256, original_sha256);
    Ok(Done { bytes: jpeg, paper: Paper { taken_at, look: Some(look), ..paper }, measured_ms })
}

fn passed(file: Vec<u8>) -> Result<Done, Code> {
    let pdf = pdf::inspect(&file).map_err(PhotoError::code)?;
    let sha256 = sha256_hex(&file);
    let paper = paper(Format::Pdf, &file, sha256.clone(), sha256);
    Ok(Done { bytes: file, paper: Paper { pdf: Some(pdf), ..paper }, measured_ms: 0.0 })
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
        look: None,
        pdf: None,
        kept_because: None,
        salvaged: false,
        returned: false,
    }
}

async fn read(data: JsValue, limits: &Limits) -> Result<Vec<u8>, Code> {
    let file: File = data.dyn_into().map_err(|_| Code::PhotoDamaged)?;
    if file.size() > limits.max_file as f64 {
        return Err(Code::PhotoTooLarge);
    }
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(|_| Code::PhotoDamaged)?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

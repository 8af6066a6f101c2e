//! Entry of the photo worker: a file comes in, a small upright JPEG goes out, or the code of what is wrong with it.

use claim_photo::{Limits, Photo, prepare};
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
            let (message, buffers) = answer(event.data()).await;
            // The picture's buffer is handed over, not copied.
            let _ = scope.post_message_with_transfer(&message, &buffers);
        });
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    // Messages sent before this are lost: the page waits for it.
    let _ = scope.post_message(&JsValue::from_str("ready"));
}

async fn answer(data: JsValue) -> (JsValue, Array) {
    let limits = Limits::default();
    let outcome = match read(data, &limits).await {
        Ok(bytes) => prepare(&bytes, &limits).map_err(claim_photo::PhotoError::code),
        Err(code) => Err(code),
    };
    let message = Object::new();
    let set = |name: &str, value: JsValue| {
        let _ = Reflect::set(&message, &JsValue::from_str(name), &value);
    };
    let buffers = Array::new();
    match outcome {
        Err(code) => set("error", code.into()),
        Ok(Photo { jpeg, width, height, sha256, original_sha256 }) => {
            let buffer = Uint8Array::from(&jpeg[..]).buffer();
            buffers.push(&buffer);
            set("jpeg", buffer.into());
            set("width", width.into());
            set("height", height.into());
            set("sha256", sha256.into());
            set("original_sha256", original_sha256.into());
        }
    }
    (message.into(), buffers)
}

async fn read(data: JsValue, limits: &Limits) -> Result<Vec<u8>, &'static str> {
    let file: File = data.dyn_into().map_err(|_| "photo-read")?;
    if file.size() > limits.max_file as f64 {
        return Err(claim_photo::PhotoError::TooLarge.code());
    }
    let buffer = JsFuture::from(file.array_buffer()).await.map_err(|_| "photo-read")?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

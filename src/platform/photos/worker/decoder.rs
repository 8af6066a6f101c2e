//! The browser's own decoders, in a worker: faster than ours where available, and checked against
//! ours before we trust them with evidence photos.

use claim_photo::{Limits, Picture, Plane, edge_of};
use js_sys::{Array, ArrayBuffer, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, ImageBitmap, OffscreenCanvas, OffscreenCanvasRenderingContext2d, WorkerGlobalScope,
};

// WebCodecs is not in the stable part of web-sys.
#[wasm_bindgen]
extern "C" {
    type ImageDecoder;
    #[wasm_bindgen(constructor, catch)]
    fn new(init: &Object) -> Result<ImageDecoder, JsValue>;
    #[wasm_bindgen(method)]
    fn decode(this: &ImageDecoder) -> Promise;
    #[wasm_bindgen(method)]
    fn close(this: &ImageDecoder);

    type VideoFrame;
    #[wasm_bindgen(method, getter)]
    fn format(this: &VideoFrame) -> Option<String>;
    #[wasm_bindgen(method, getter, js_name = visibleRect)]
    fn visible(this: &VideoFrame) -> JsValue;
    #[wasm_bindgen(method, getter, js_name = colorSpace)]
    fn colour(this: &VideoFrame) -> JsValue;
    #[wasm_bindgen(method, catch, js_name = allocationSize)]
    fn size(this: &VideoFrame) -> Result<u32, JsValue>;
    #[wasm_bindgen(method, js_name = copyTo)]
    fn copy_to(this: &VideoFrame, to: &mut [u8]) -> Promise;
    #[wasm_bindgen(method, js_name = close)]
    fn close_frame(this: &VideoFrame);
}

fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    let _ = Reflect::set(object, &name.into(), &value.into());
}

fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// The browser read the file and found it truncated or corrupt.
pub struct Torn;

/// A JPEG that the browser is decoding while other work goes on here.
pub struct Decoding {
    decoder: ImageDecoder,
    decoded: Promise,
    size: (u32, u32),
}

/// Starts decoding a JPEG in stored orientation, at this size: full, or a number of eighths of it.
/// Transfers the file. `None` where this browser has no decoder.
pub fn jpeg(file: ArrayBuffer, (width, height): (u32, u32)) -> Option<Decoding> {
    let init = Object::new();
    set(&init, "data", &file);
    set(&init, "transfer", Array::of1(&file));
    set(&init, "type", "image/jpeg");
    set(&init, "desiredWidth", width);
    set(&init, "desiredHeight", height);
    let decoder = ImageDecoder::new(&init).ok()?;
    Some(Decoding {
        decoded: decoder.decode(),
        decoder,
        size: (width, height),
    })
}

impl Decoding {
    /// `None` if the browser returns planes in a format we do not take.
    pub async fn picture(self) -> Result<Option<Picture>, Torn> {
        let decoded = JsFuture::from(self.decoded).await;
        self.decoder.close();
        let frame: VideoFrame = get(&decoded.map_err(|_| Torn)?, "image").unchecked_into();
        let picture = planes(&frame).await;
        frame.close_frame();
        Ok(picture
            .filter(|p| p.width() >= self.size.0 as usize && p.height() >= self.size.1 as usize))
    }
}

/// Chromium returns planes for a 4:2:0 file at full size, pixels otherwise.
async fn planes(frame: &VideoFrame) -> Option<Picture> {
    let full = get(&frame.colour(), "fullRange") == JsValue::TRUE;
    let format = frame.format().filter(|_| full)?;
    // In stored orientation: the frame's display size has width and height swapped where EXIF says
    // the photo is rotated.
    let visible = frame.visible();
    let side = |name: &str| get(&visible, name).as_f64().map(|n| n as usize);
    let (width, height) = (side("width")?, side("height")?);
    // Into our own memory, already touched: a new buffer's pages would have to be faulted in first,
    // which takes seven times as long as the copy.
    let mut samples = vec![0u8; frame.size().ok()? as usize];
    let memory = || get(&wasm_bindgen::memory(), "buffer");
    let before = memory();
    let layout: Array = JsFuture::from(frame.copy_to(&mut samples))
        .await
        .ok()?
        .dyn_into()
        .ok()?;
    // If memory has grown meanwhile it has a new buffer, and the copy went into the old one.
    if memory() != before {
        return None;
    }
    let plane = |i: u32, width: usize, height: usize| {
        let number = |name: &str| get(&layout.get(i), name).as_f64().map(|n| n as usize);
        let (offset, stride) = (number("offset")?, number("stride")?);
        let rows = samples.get(offset..offset.checked_add(stride.checked_mul(height)?)?)?;
        Some((rows, stride)).filter(|_| stride >= width && width > 0)
    };
    let cut = |i: u32, width: usize, height: usize| {
        let (rows, stride) = plane(i, width, height)?;
        let mut pixels = Vec::with_capacity(width * height);
        rows.chunks_exact(stride)
            .for_each(|row| pixels.extend_from_slice(&row[..width]));
        Some(Plane {
            width,
            height,
            pixels,
        })
    };
    match format.as_str() {
        "I420" => {
            let half = (width.div_ceil(2), height.div_ceil(2));
            Some(Picture {
                planes: vec![
                    cut(0, width, height)?,
                    cut(1, half.0, half.1)?,
                    cut(2, half.0, half.1)?,
                ],
            })
        }
        "BGRX" | "BGRA" => {
            let (rows, stride) = plane(0, width * 4, height)?;
            Some(Picture::from_bgrx(width, height, rows, stride))
        }
        _ => None,
    }
}

/// Any picture that this browser reads, upright, in sRGB, on white, its long edge no more than
/// needed.
pub async fn pixels(file: &Blob, limits: &Limits) -> Option<Picture> {
    let scope: WorkerGlobalScope = js_sys::global().dyn_into().ok()?;
    let bitmap = JsFuture::from(scope.create_image_bitmap_with_blob(file).ok()?)
        .await
        .ok()?;
    let bitmap: ImageBitmap = bitmap.dyn_into().ok()?;
    let (width, height) = (bitmap.width(), bitmap.height());
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > limits.max_pixels {
        return None;
    }
    let longer = width.max(height);
    let edge = edge_of(limits.long_edge, width, height).min(longer);
    let scaled = |side: u32| (u64::from(side) * u64::from(edge) / u64::from(longer)).max(1) as u32;
    let (width, height) = (scaled(width), scaled(height));
    let canvas = OffscreenCanvas::new(width, height).ok()?;
    let context: OffscreenCanvasRenderingContext2d =
        canvas.get_context("2d").ok()??.dyn_into().ok()?;
    context.set_fill_style_str("#fff");
    context.fill_rect(0.0, 0.0, f64::from(width), f64::from(height));
    set(context.as_ref(), "imageSmoothingQuality", "high");
    let (w, h) = (f64::from(width), f64::from(height));
    context
        .draw_image_with_image_bitmap_and_dw_and_dh(&bitmap, 0.0, 0.0, w, h)
        .ok()?;
    bitmap.close();
    let rgba = context
        .get_image_data(0.0, 0.0, f64::from(width), f64::from(height))
        .ok()?
        .data()
        .0;
    let rgb: Vec<u8> = rgba
        .chunks_exact(4)
        .flat_map(|p| [p[0], p[1], p[2]])
        .collect();
    Some(Picture::from_rgb(
        width as usize,
        height as usize,
        &rgb,
        true,
    ))
}

/// SHA-256 by the browser, where available (secure pages only). It is computed concurrently, from a
/// copy, which itself takes time.
pub fn sha256(bytes: &[u8]) -> Option<Promise> {
    let crypto = get(&js_sys::global(), "crypto");
    let subtle: web_sys::SubtleCrypto = get(&crypto, "subtle").dyn_into().ok()?;
    subtle.digest_with_str_and_u8_array("SHA-256", bytes).ok()
}

/// The result of [`sha256`] as lower-case hex.
pub async fn hex(digest: Promise) -> Option<String> {
    let digest = Uint8Array::new(&JsFuture::from(digest).await.ok()?).to_vec();
    Some(digest.iter().map(|b| format!("{b:02x}")).collect())
}

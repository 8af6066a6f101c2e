//! The camera inside the page, so that an outline can lie over what it sees. Where it is missing,
//! busy or refused the file inputs do the same work: nothing depends on it.

use gloo::timers::future::TimeoutFuture;
use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, CanvasRenderingContext2d, File, FilePropertyBag, HtmlCanvasElement, HtmlVideoElement,
    MediaStream, MediaStreamConstraints, MediaStreamTrack,
};

use super::now;
use super::photos::Picked;

/// Some cameras never answer (takePhoto on Android with a locked torch).
const SHOOT_MS: u32 = 3_000;

#[wasm_bindgen]
extern "C" {
    /// The whole sensor, not the preview; not every browser has it.
    type ImageCapture;
    #[wasm_bindgen(constructor, catch)]
    fn new(track: &MediaStreamTrack) -> Result<ImageCapture, JsValue>;
    #[wasm_bindgen(method, catch, js_name = takePhoto)]
    fn take_photo(this: &ImageCapture) -> Result<Promise, JsValue>;
}

/// An open camera; dropping it switches it off.
pub struct Camera {
    stream: MediaStream,
    video: HtmlVideoElement,
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.video.set_src_object(None);
        self.tracks().for_each(|t| t.stop());
    }
}

/// Whether a page may ask for a camera here at all.
pub fn is_there() -> bool {
    web_sys::window().is_some_and(|w| w.navigator().media_devices().is_ok())
}

impl Camera {
    /// Opens the rear camera and shows it in `video`; `None` where it is not available.
    pub async fn open(video: &HtmlVideoElement) -> Option<Camera> {
        let wishes = js_sys::Object::new();
        let ideal = |name: &str, value: JsValue| {
            let wish = js_sys::Object::new();
            Reflect::set(&wish, &"ideal".into(), &value)
                .and_then(|_| Reflect::set(&wishes, &name.into(), &wish))
                .is_ok()
        };
        ideal("facingMode", "environment".into());
        ideal("width", 4096.into());
        ideal("height", 3072.into());
        let asked = MediaStreamConstraints::new();
        asked.set_video(&wishes);
        let devices = web_sys::window()?.navigator().media_devices().ok()?;
        let stream = JsFuture::from(devices.get_user_media_with_constraints(&asked).ok()?)
            .await
            .ok()?;
        let camera = Camera {
            stream: stream.unchecked_into(),
            video: video.clone(),
        };
        video.set_src_object(Some(&camera.stream));
        JsFuture::from(video.play().ok()?).await.ok()?;
        Some(camera)
    }

    fn tracks(&self) -> impl Iterator<Item = MediaStreamTrack> {
        self.stream
            .get_tracks()
            .iter()
            .map(JsCast::unchecked_into)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// What the camera sees now.
    pub async fn shoot(&self) -> Option<Picked> {
        let blob = match self.whole().await {
            Some(blob) => blob,
            None => self.frame().await?,
        };
        let kind = FilePropertyBag::new();
        kind.set_type(&blob.type_());
        let file =
            File::new_with_blob_sequence_and_options(&Array::of1(&blob), "camera", &kind).ok()?;
        Some(Picked::taken(file, now()))
    }

    async fn whole(&self) -> Option<Blob> {
        let track = self.tracks().next()?;
        let shot = JsFuture::from(ImageCapture::new(&track).ok()?.take_photo().ok()?);
        let late = TimeoutFuture::new(SHOOT_MS);
        match futures::future::select(shot, late).await {
            futures::future::Either::Left((blob, _)) => blob.ok()?.dyn_into().ok(),
            futures::future::Either::Right(_) => None,
        }
    }

    async fn frame(&self) -> Option<Blob> {
        let canvas: HtmlCanvasElement = web_sys::window()?
            .document()?
            .create_element("canvas")
            .ok()?
            .unchecked_into();
        canvas.set_width(self.video.video_width());
        canvas.set_height(self.video.video_height());
        let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.unchecked_into();
        context
            .draw_image_with_html_video_element(&self.video, 0.0, 0.0)
            .ok()?;
        let blob = Promise::new(&mut |done, _| {
            drop(canvas.to_blob_with_type_and_encoder_options(&done, "image/jpeg", &0.95.into()))
        });
        JsFuture::from(blob).await.ok()?.dyn_into().ok()
    }
}

//! What the page's host offers beyond the browser: WeChat (public/wechat.js), a native app or a
//! partner's page (public/embed.js), a kiosk in a branch.
//!
//! Promise: the app is complete without any of it. A host that lacks a function, refuses, is late
//! or answers twice is like no host. What it can do is listed in the page's `data-host`; a control
//! marked `data-from` shows only with it (app.css).

use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::photos::Picked;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = baoanLocate)]
    async fn boot_locate() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = baoanPhotos)]
    async fn boot_photos() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = baoanAsk)]
    async fn boot_ask(what: &str, given: &JsValue) -> Result<JsValue, JsValue>;
}

/// Latitude and longitude in millionths of a degree, from the host within five seconds, else from
/// the browser within ten. `None`: refused or unknown.
pub async fn locate() -> Option<(i32, i32)> {
    let found = Array::from(&boot_locate().await.ok()?);
    let e6 = |i: u32| {
        found
            .get(i)
            .as_f64()
            .map(|degrees| (degrees * 1e6).round() as i32)
    };
    Some((e6(0)?, e6(1)?))
}

/// Photos from the host's own chooser; none where nothing was chosen.
pub async fn photos() -> Vec<Picked> {
    let files = boot_photos()
        .await
        .map(|files| Array::from(&files))
        .unwrap_or_default();
    files
        .iter()
        .filter_map(|file| file.dyn_into().ok())
        .map(Picked::new)
        .collect()
}

/// Closes the page; where this returns, the host did not.
pub async fn close() {
    let _ = boot_ask("close", &JsValue::UNDEFINED).await;
}

/// The text of a QR code.
pub async fn scan() -> Option<String> {
    boot_ask("scan", &JsValue::UNDEFINED)
        .await
        .ok()?
        .as_string()
}

/// How a link was shared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    Sent,
    /// Ready behind the host's own menu.
    InMenu,
    Not,
}

pub async fn share(title: &str, link: &str) -> Shared {
    let answer = boot_ask(
        "share",
        &given(&[("title", title.into()), ("link", link.into())]),
    )
    .await
    .unwrap_or_default();
    match answer.as_string().as_deref() {
        Some("menu") => Shared::InMenu,
        _ if answer.is_truthy() => Shared::Sent,
        _ => Shared::Not,
    }
}

/// Saves a PNG to the phone's photo library.
pub async fn save_image(name: &str, png: &[u8]) -> bool {
    let given = given(&[("name", name.into()), ("png", Uint8Array::from(png).into())]);
    boot_ask("save", &given)
        .await
        .is_ok_and(|answer| answer.is_truthy())
}

fn given(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.into()
}

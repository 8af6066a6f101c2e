//! The page itself: title and focus after navigation, browser events, and browser services.

use std::sync::Arc;

use gloo::events::EventListener;
use leptos::tachys::html::property::IntoProperty;
use wasm_bindgen::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlElement, HtmlInputElement, HtmlTextAreaElement, Window};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = baoanReady)]
    fn boot_ready();
    #[wasm_bindgen(js_name = baoanFailed)]
    fn boot_failed();
}

fn window() -> Window {
    // The app runs in a page, never in a worker.
    web_sys::window().unwrap_or_else(|| unreachable!("no window"))
}

fn document() -> Document {
    window()
        .document()
        .unwrap_or_else(|| unreachable!("no document"))
}

fn element(id: &str) -> Option<HtmlElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// Tells boot.js that the app is running.
pub fn ready() {
    boot_ready();
}

/// Tells boot.js that the app failed, and logs why to the console.
pub fn failed(why: &str) {
    web_sys::console::error_1(&JsValue::from_str(why));
    boot_failed();
}

/// The element that the app is mounted in.
pub fn root() -> HtmlElement {
    element("app").unwrap_or_else(|| unreachable!("index.html has #app"))
}

/// The name of its file in src/i18n: `zh`, `en`.
pub fn language() -> String {
    let tag = document()
        .document_element()
        .and_then(|e| e.get_attribute("lang"))
        .unwrap_or_default();
    tag.trim_end_matches("-CN").to_owned()
}

pub fn link_href(id: &str) -> Option<String> {
    document().get_element_by_id(id)?.get_attribute("href")
}

/// Shows or hides the static first page.
pub fn show_first(shown: bool) {
    if let Some(first) = element("first") {
        let _ = first.class_list().toggle_with_force("elsewhere", !shown);
    }
}

/// After navigation: the title, the top of the page, and the focus on its `h1`.
pub fn arrived(title: &str) {
    document().set_title(title);
    window().scroll_to_with_x_and_y(0.0, 0.0);
    let shown = document()
        .query_selector("#app h1")
        .ok()
        .flatten()
        .or_else(|| {
            document()
                .query_selector("#first:not(.elsewhere) h1")
                .ok()
                .flatten()
        });
    if let Some(heading) = shown.and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
        let _ = heading.focus();
    }
}

pub fn set_title(title: &str) {
    document().set_title(title);
}

pub fn focus(id: &str) {
    if let Some(e) = element(id) {
        let _ = e.focus();
        e.scroll_into_view();
    }
}

/// `https://claims.example.com`
pub fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

pub fn is_online() -> bool {
    window().navigator().on_line()
}

/// Calls `then` whenever sending may work again: the network is back, or the page becomes visible.
pub fn on_awake(then: impl Fn() + 'static) {
    let then = std::rc::Rc::new(then);
    for (target, event) in [
        (JsValue::from(window()), "online"),
        (window().into(), "offline"),
        (window().into(), "pageshow"),
        (document().into(), "visibilitychange"),
    ] {
        let then = then.clone();
        if let Ok(target) = target.dyn_into::<web_sys::EventTarget>() {
            EventListener::new(&target, event, move |_| then()).forget();
        }
    }
}

/// Calls `then` when the page becomes hidden, for as long as the calling view exists.
pub fn on_hidden(then: impl Fn() + 'static) {
    let listener = EventListener::new(&document(), "visibilitychange", move |_| {
        if !is_visible() {
            then();
        }
    });
    // The listener ends with the owner of this value.
    let _ = leptos::prelude::StoredValue::new_local(listener);
}

pub fn is_visible() -> bool {
    document().visibility_state() == web_sys::VisibilityState::Visible
}

pub async fn copy(text: &str) -> bool {
    let clipboard = window().navigator().clipboard();
    wasm_bindgen_futures::JsFuture::from(clipboard.write_text(text))
        .await
        .is_ok()
}

/// A URL under which the page can show a photo; release the photo's old URL with [`release`].
pub fn picture(jpeg: &[u8]) -> Option<String> {
    file(jpeg, "image/jpeg")
}

/// A URL under which the page can show or hand out bytes.
pub fn file(bytes: &[u8], kind: &str) -> Option<String> {
    let parts = js_sys::Array::of1(&js_sys::Uint8Array::from(bytes));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let blob = web_sys::Blob::new_with_u8_array_sequence_and_options(&parts, &options).ok()?;
    web_sys::Url::create_object_url_with_blob(&blob).ok()
}

pub fn release(url: &str) {
    let _ = web_sys::Url::revoke_object_url(url);
}

/// Asks the browser not to clear our storage when space is short. A refusal is normal.
pub fn ask_to_persist() {
    let _ = window().navigator().storage().persist();
}

/// Starts the app again with what is kept.
pub fn reload() {
    let _ = window().location().reload();
}

/// The value of the form field that an event comes from.
pub fn value_of(event: &web_sys::Event) -> String {
    use leptos::prelude::event_target_value;
    event_target_value(event)
}

/// A flag on the page, for whoever waits for it: the page of a branch machine, a test.
pub fn mark(what: &str) {
    tell(&format!("data-{what}"), "true");
}

/// Tells the page of a branch machine what is under way: "writing", "sending" or nothing.
pub fn busy(with: &str) {
    tell("data-busy", with);
}

fn tell(name: &str, value: &str) {
    if let Some(root) = document().document_element() {
        let _ = root.set_attribute(name, value);
    }
}

/// The value of a text field, for `prop:value`. It is set at once and only if it differs, so the
/// cursor stays. Leptos' own way (a queued write of a cloned JavaScript string) once left the word
/// "undefined" in a field when the machine was busy.
pub struct Typed(pub String);

impl IntoProperty for Typed {
    type State = Element;
    type Cloneable = Arc<str>;
    type CloneableOwned = Arc<str>;

    fn hydrate<const FROM_SERVER: bool>(self, el: &Element, key: &str) -> Element {
        self.build(el, key)
    }

    fn build(self, el: &Element, _: &str) -> Element {
        let mut state = el.clone();
        self.rebuild(&mut state, "");
        state
    }

    fn rebuild(self, el: &mut Element, _: &str) {
        match (
            el.dyn_ref::<HtmlInputElement>(),
            el.dyn_ref::<HtmlTextAreaElement>(),
        ) {
            (Some(input), _) if input.value() != self.0 => input.set_value(&self.0),
            (_, Some(area)) if area.value() != self.0 => area.set_value(&self.0),
            _ => {}
        }
    }

    fn into_cloneable(self) -> Arc<str> {
        self.0.into()
    }

    fn into_cloneable_owned(self) -> Arc<str> {
        self.0.into()
    }
}

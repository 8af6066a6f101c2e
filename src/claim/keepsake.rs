//! Text as a picture to keep: by a long press where nothing can be downloaded, by a tap where it
//! can, and through the host if it offers that.

use leptos::prelude::*;

use crate::i18n::c;
use crate::platform::{host, page, spawn};
use crate::ui::{click, live};

/// `png` under `name`; `id` is the picture's.
pub fn keepsake(png: Vec<u8>, name: String, alt: String, id: &'static str) -> AnyView {
    let saved = RwSignal::new(false);
    let url = page::file(&png, "image/png").unwrap_or_default();
    let save = {
        let (name, png) = (name.clone(), StoredValue::new(png));
        move |_| {
            let name = name.clone();
            spawn(async move {
                let done = host::save_image(&name, &png.get_value()).await;
                saved.try_set(done);
            });
        }
    };
    view! {
        <p class="quiet">{c().receipt_save}</p>
        <a href=url.clone() download=name rel="external"><img class="receipt" id=id src=url.clone() alt=alt /></a>
        <button class="weui-btn weui-btn_default" type="button" data-from="save" on:click=click(save)>{c().keep_picture}</button>
        <p role="status">{live(move || saved.get().then_some(c().saved))}</p>
    }
    .into_any()
}

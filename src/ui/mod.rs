//! The pieces every page is made of.

mod dynamic;
mod field;
mod photo_list;

pub use dynamic::{changed, click, effect, live};
pub use field::{ErrorSummary, Errors, TextField, choices, error_text, field_id, field_wrong};
pub use photo_list::{photo_list, photo_picker};

use leptos::prelude::*;

use crate::i18n::t;
use crate::platform::page;

/// A page: back link, `h1` (which gets the focus) and content. The title is set when it is shown.
pub fn sheet(title: impl Into<String>, back: Option<&str>, content: AnyView) -> AnyView {
    let title: String = title.into();
    let heading = title.clone();
    effect(move || page::arrived(&format!("{heading} · {}", t().product)));
    view! {
        <main>
            {back.map(|to| view! { <a class="back" href=to.to_owned()>"‹ "{t().back}</a> })}
            <h1 tabindex="-1">{title}</h1>
            {content}
        </main>
    }
    .into_any()
}

pub fn primary(text: &'static str) -> AnyView {
    view! { <button class="weui-btn weui-btn_primary" type="submit">{text}</button> }.into_any()
}

/// A link that looks like a button.
pub fn button_link(to: String, text: &'static str, primary: bool) -> AnyView {
    let class = if primary {
        "weui-btn weui-btn_primary"
    } else {
        "weui-btn weui-btn_default"
    };
    view! { <a class=class href=to>{text}</a> }.into_any()
}

pub fn call(number: &str, text: String) -> AnyView {
    view! { <a class="weui-btn weui-btn_warn" rel="external" href=format!("tel:{number}")>{text}</a> }.into_any()
}

/// `4.8 MB`, `380 KB`.
pub fn size(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    if tenths >= 10 {
        format!("{}.{} MB", tenths / 10, tenths % 10)
    } else {
        format!("{} KB", (bytes / 1000).max(1))
    }
}

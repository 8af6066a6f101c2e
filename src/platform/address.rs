//! The address bar as a signal. Links to our own pages, back and forward change it; nothing is
//! loaded.
//!
//! Written here and not taken from leptos_router: a flat list of eight pages needs no nesting, and
//! the crate costs 30 KB of the 200 KB that the first tap may take (docs/decisions/0005).

use std::cell::Cell;

use gloo::events::{EventListener, EventListenerOptions};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, MouseEvent, Window};

thread_local! {
    static PATH: RwSignal<String> = RwSignal::new(here());
    /// The addresses this program handles; all others load a page.
    static MINE: Cell<fn(&str) -> bool> = const { Cell::new(|_| false) };
}

fn window() -> Window {
    web_sys::window().unwrap_or_else(|| unreachable!("the app runs in a page"))
}

fn here() -> String {
    window().location().pathname().unwrap_or_default()
}

/// `/report/when`, without what follows a `?`.
pub fn path() -> RwSignal<String> {
    PATH.with(|p| *p)
}

/// One value of the query: `next` of `/login?next=/claims`.
pub fn query(name: &str) -> Option<String> {
    let search = window().location().search().ok()?;
    web_sys::UrlSearchParams::new_with_str(&search)
        .ok()?
        .get(name)
}

/// The fragment after `#`, which no server ever sees. It stays in the address, so a reload asks
/// again.
pub fn secret() -> Option<String> {
    let hash = window().location().hash().ok()?;
    hash.strip_prefix('#')
        .filter(|secret| !secret.is_empty())
        .map(str::to_owned)
}

/// Opens one of our pages, with a new entry in the history.
pub fn go(to: &str) {
    change(to, false);
}

/// The same, replacing the current history entry: back does not return here.
pub fn replace(to: &str) {
    change(to, true);
}

fn is_mine(to: &str) -> bool {
    MINE.get()(to.split('?').next().unwrap_or_default())
}

fn change(to: &str, replace: bool) {
    if !is_mine(to) {
        let location = window().location();
        let _ = if replace {
            location.replace(to)
        } else {
            location.assign(to)
        };
        return;
    }
    if let Ok(history) = window().history() {
        let _ = if replace {
            history.replace_state_with_url(&JsValue::NULL, "", Some(to))
        } else {
            history.push_state_with_url(&JsValue::NULL, "", Some(to))
        };
    }
    path().set(here());
}

/// Starts handling links and the back button, for the addresses `mine`.
pub fn follow(mine: fn(&str) -> bool) {
    MINE.set(mine);
    EventListener::new(&window(), "popstate", |_| path().set(here())).forget();
    let taken = EventListenerOptions::enable_prevent_default();
    EventListener::new_with_options(&window(), "click", taken, |event| {
        let Some(click) = event.dyn_ref::<MouseEvent>() else {
            return;
        };
        let with_key = click.meta_key()
            || click.ctrl_key()
            || click.shift_key()
            || click.alt_key()
            || click.button() != 0;
        let link = click
            .target()
            .and_then(|t| t.dyn_into::<Element>().ok())
            .and_then(|e| e.closest("a[href^='/']:not([rel=external])").ok().flatten());
        let Some(to) = link.and_then(|l| l.get_attribute("href")) else {
            return;
        };
        if !with_key && !click.default_prevented() && is_mine(&to) {
            click.prevent_default();
            go(&to);
        }
    })
    .forget();
}

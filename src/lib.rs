//! Baoan: report a loss, submit the documents, follow the claim to payment.
//!
//! This library builds four programs, each with its own WASM. [`report`] is what a driver at the
//! roadside waits for and must be small; [`claims`] is everything after the report. A link from one
//! to the other loads a page. [`photo_worker`] shrinks photos while the person reads on;
//! [`photo_rest`] handles what the quick worker does not include.

mod app;
mod claim;
#[cfg(any(debug_assertions, feature = "gallery"))]
mod gallery;
mod i18n;
mod journey;
mod papers;
mod platform;
mod session;
mod ui;
mod visit;

use claim_api::pages;
use claim_domain::Catalogue;
use leptos::prelude::*;
use platform::{address, page, spawn};
use session::Session;
use visit::Visit;

/// Shrinks camera photos, in a worker.
pub fn photo_worker() {
    platform::photos::worker::jpeg::start();
}

/// Shrinks every other picture, in a worker that is loaded on demand.
pub fn photo_rest() {
    platform::photos::worker::other::start();
}

/// The first page and the report.
pub fn report() {
    start(
        "app",
        |bytes| Catalogue::from_compiled(i18n::open_report(bytes)?.1),
        pages::is_of_report,
        async |visit| {
            let session = Session::open(visit).await;
            Ok(Box::new(move || app::report(session)) as Box<dyn FnOnce() -> AnyView>)
        },
    );
}

/// My claims, one claim, signing in, advice.
pub fn claims() {
    start(
        "claims",
        |bytes| {
            let (lines, catalogue) = i18n::open_report(bytes)?;
            i18n::open_claims(lines);
            Catalogue::whole_from_compiled(catalogue)
        },
        pages::is_of_claims,
        async |visit| {
            let session = Session::open(visit).await;
            Ok(Box::new(move || app::claims(session)) as Box<dyn FnOnce() -> AnyView>)
        },
    );
}

/// Starts the program `name`, which answers the addresses `mine`.
fn start(
    name: &'static str,
    read: fn(Vec<u8>) -> Result<Catalogue, String>,
    mine: fn(&str) -> bool,
    open: impl AsyncFnOnce(Visit) -> Result<Box<dyn FnOnce() -> AnyView>, String> + 'static,
) {
    std::panic::set_hook(Box::new(|info| {
        // The draft is safe: it was saved at the last keystroke.
        page::failed(&info.to_string());
    }));
    spawn(async move {
        let opened = match Visit::open(name, read).await {
            Ok(visit) => open(visit).await,
            Err(why) => Err(why),
        };
        match opened {
            Ok(view) => {
                address::follow(mine);
                leptos::mount::mount_to(page::root(), view).forget();
                page::ready();
            }
            Err(why) => page::failed(&why),
        }
    });
}

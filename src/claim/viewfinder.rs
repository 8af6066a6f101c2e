//! Guided photos: the live camera with the outline of what is wanted, one shot after the other.

use claim_domain::catalog::{Document, Kind};
use leptos::html::Video;
use leptos::prelude::*;

use crate::i18n::c;
use crate::papers::Papers;
use crate::platform::camera::{self, Camera};
use crate::platform::{page, spawn};
use crate::ui::{click, live};

/// The button that opens the in-page camera; absent where the browser has none, and for paper
/// documents, which lie flat anyway.
pub fn viewfinder(papers: Papers, document: &'static Document) -> Option<AnyView> {
    let (open, refused) = (RwSignal::new(false), RwSignal::new(false));
    let start = move |_| {
        refused.set(false);
        open.set(true);
    };
    let shown = move || {
        match open.get() {
        true => finder(papers, document, open, refused),
        false => view! {
            {live(move || refused.get().then(|| view! { <p class="note warn" role="status" id="no-camera">{c().camera_refused}</p> }))}
            <button class="weui-btn weui-btn_default" type="button" id="live" on:click=click(start)>{c().camera_live}</button>
        }
        .into_any(),
    }
    };
    let offered = camera::is_there() && matches!(document.kind, Kind::Scene | Kind::Card);
    offered.then(|| view! { <div class="live">{live(shown)}</div> }.into_any())
}

fn finder(
    papers: Papers,
    document: &'static Document,
    open: RwSignal<bool>,
    refused: RwSignal<bool>,
) -> AnyView {
    let node = NodeRef::<Video>::new();
    // Dropped with this view: leaving the page switches the camera off.
    let held = StoredValue::new_local(None::<Camera>);
    let (ready, busy, at) = (
        RwSignal::new(false),
        RwSignal::new(false),
        RwSignal::new(0usize),
    );
    let outlines = if document.shots.is_empty() {
        std::slice::from_ref(&document.drawing)
    } else {
        &document.shots[..]
    };
    crate::ui::effect(move || {
        let Some(video) = node.get() else { return };
        spawn(async move {
            let camera = Camera::open(&video).await;
            if camera.is_none() {
                refused.try_set(true);
                open.try_set(false);
            }
            // Left meanwhile: the camera is dropped along with the value.
            if held.try_update_value(|h| *h = camera).is_some() {
                ready.try_set(true);
            }
        });
    });
    page::on_hidden(move || {
        open.try_set(false);
    });
    let shoot = move |_| {
        if !ready.get_untracked() || busy.get_untracked() {
            return;
        }
        busy.set(true);
        spawn(async move {
            // Taken out while it works: no borrow may be held across the await.
            let Some(Some(camera)) = held.try_update_value(Option::take) else {
                return;
            };
            let picked = camera.shoot().await;
            if held.try_update_value(|h| *h = Some(camera)).is_none() {
                return;
            }
            busy.set(false);
            if let Some(picked) = picked {
                papers.choose(document, vec![picked]);
                at.update(|n| *n += 1);
            }
            if at.get_untracked() >= outlines.len() {
                open.set(false);
            }
        });
    };
    let outline = move || {
        outlines.get(at.get()).map(
            |shot| view! { <img class="outline" src=format!("/drawings/{shot}.svg") alt="" /> },
        )
    };
    let says = move || {
        let shot = outlines.get(at.get()).map_or("", |s| c().shots.get(s));
        let place =
            (outlines.len() > 1).then(|| format!("{} / {} · ", at.get() + 1, outlines.len()));
        view! { {place}{if shot.is_empty() { c().camera_fill } else { shot }} }
    };
    let skip = move |_| at.update(|n| *n += 1);
    let skips = move || {
        (at.get() + 1 < outlines.len())
            .then(|| view! { <button class="link" type="button" id="skip-shot" on:click=click(skip)>{c().camera_skip}</button> })
    };
    view! {
        <div class="finder" role="group" aria-label=c().camera_live>
            <div class="view" data-ready=move || ready.get().then_some("true")>
                <video node_ref=node autoplay muted playsinline aria-label=c().camera_sees></video>
                {live(outline)}
            </div>
            <p role="status" id="shot">{live(says)}</p>
            <button class="weui-btn weui-btn_primary" type="button" id="shoot" on:click=click(shoot)>{c().camera_shoot}</button>
            <div class="row">
                {live(skips)}
                <button class="link" type="button" id="close-camera" on:click=click(move |_| open.set(false))>{c().camera_close}</button>
            </div>
        </div>
    }
    .into_any()
}

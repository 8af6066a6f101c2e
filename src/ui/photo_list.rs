//! Choosing photos, and the status of each.

use claim_domain::draft::{Command, Photo, PhotoState};
use leptos::ev;
use leptos::prelude::*;

use super::{changed, click, live, size};
use crate::i18n::{self, t};
use crate::platform::{host, photos, spawn};
use crate::session::Session;

/// Two buttons, because hosts differ in what one `accept` opens: 拍照 with `capture`, 相册 without.
pub fn photo_picker(session: Session) -> AnyView {
    let opens = move |_: ev::MouseEvent| session.camera_opens();
    let picked = move |event: ev::Event| session.add_photos(photos::picked(&event));
    let by_host = move |_| {
        session.camera_opens();
        spawn(async move { session.add_photos(host::photos().await) });
    };
    view! {
        <div class="picker">
            <label>
                {t().take_photo}
                <input type="file" id="camera" accept="image/*" capture="environment" aria-label=t().take_photo on:click=click(opens) on:change=changed(picked) />
            </label>
            <label>
                {t().from_album}
                <input type="file" id="album" accept="image/*" multiple aria-label=t().from_album on:click=click(opens) on:change=changed(picked) />
            </label>
            <button class="weui-btn weui-btn_default" type="button" data-from="photos" on:click=click(by_host)>{t().from_host}</button>
        </div>
    }
    .into_any()
}

pub fn photo_list(session: Session) -> AnyView {
    let ids = Memo::new(move |_| {
        session
            .draft
            .with(|d| d.photos.iter().map(|p| p.id.clone()).collect::<Vec<_>>())
    });
    view! {
        <p class="quiet" role="status">{live(move || summary(session))}</p>
        <ul class="photos">
            {live(move || ids.get().into_iter().map(|id| card(session, id)).collect_view())}
        </ul>
    }
    .into_any()
}

fn summary(session: Session) -> String {
    session.draft.with(|d| {
        let ready = d
            .photos
            .iter()
            .filter(|p| p.state == PhotoState::Ready)
            .count();
        let waiting = d
            .photos
            .iter()
            .filter(|p| p.state == PhotoState::Preparing)
            .count();
        match (ready, waiting) {
            (0, 0) => String::new(),
            (n, 0) => t().photos_ready.replace("{n}", &n.to_string()),
            (n, w) => t()
                .photos_preparing
                .replace("{n}", &n.to_string())
                .replace("{w}", &w.to_string()),
        }
    })
}

fn card(session: Session, id: String) -> impl IntoView {
    let (find, shown, removed) = (id.clone(), id.clone(), id.clone());
    let photo = Memo::new(move |_| {
        session
            .draft
            .with(|d| d.photos.iter().find(|p| p.id == find).cloned())
    });
    let name = Memo::new(move |_| {
        let place = session.draft.with(|d| {
            d.photos
                .iter()
                .position(|p| p.id == id)
                .map_or(0, |i| i + 1)
        });
        t().photo_number.replace("{n}", &place.to_string())
    });
    let picture = move || match session.pictures.with(|p| p.get(&shown).cloned()) {
        Some(url) => view! { <img src=url alt=name /> }.into_any(),
        None => view! { <span class="blank" aria-hidden="true">"▢"</span> }.into_any(),
    };
    let remove = move |_| {
        session.say(Command::Remove {
            id: removed.clone(),
        })
    };
    view! {
        <li class="photo">
            {live(picture)}
            <div>
                <p><strong>{live(move || name.get())}</strong></p>
                {live(move || photo.get().map(|p| state(session, &p)))}
            </div>
            <button class="link" type="button" aria-label=Signal::derive(move || format!("{} {}", t().remove, name.get())) on:click=click(remove)>{t().remove}</button>
        </li>
    }
}

fn state(session: Session, photo: &Photo) -> AnyView {
    match (&photo.state, &photo.result) {
        (PhotoState::Ready, Some(result)) => {
            // Usable as it is, but better taken again.
            let torn = result.salvaged.then(|| view! { <p class="wrong">{i18n::error(session.catalogue, "photo-salvaged")}</p> });
            view! { <p class="shrunk">{format!("✓ {} → {}", size(photo.original_bytes), size(result.bytes))}</p>{torn} }.into_any()
        }
        (PhotoState::Failed { code }, _) => {
            view! { <p class="wrong">{i18n::error(session.catalogue, code)}</p> }.into_any()
        }
        (PhotoState::Lost, _) => view! { <p class="wrong">{t().photo_lost}</p> }.into_any(),
        _ => view! { <p>{t().photo_working}</p><progress aria-label=t().photo_working></progress> }
            .into_any(),
    }
}

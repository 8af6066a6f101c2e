//! Every `ui` component in every state: one list for people to look at (`/gallery` in development),
//! for axe, and for the pictures that tests/all/gallery.rs compares.

use claim_domain::draft::{Photo, PhotoState, Prepared};
use claim_domain::{Code, FieldError};
use leptos::prelude::*;

use crate::i18n::{self, c, t};
use crate::session::Session;
use crate::ui::{self, ErrorSummary, TextField, choices, photo_list, photo_picker};

/// A name and a function that renders the example.
type Example = (&'static str, fn(Session) -> AnyView);

const EXAMPLES: &[Example] = &[
    ("buttons", buttons),
    ("chips", chips),
    ("notes", notes),
    ("tags", tags),
    ("field", field),
    ("field-wrong", wrong_field),
    ("field-with-fix", field_with_fix),
    ("summary", summary),
    ("choices", radio),
    ("consent", tick),
    ("picker", photo_picker),
    ("photos", photos),
    ("progress", progress),
    ("details", details),
    ("number", number),
];

/// `/gallery`
pub fn gallery(session: Session) -> AnyView {
    let example = |(name, draw): &Example| {
        view! { <section data-example=*name aria-label=*name><h2>{*name}</h2>{draw(session)}</section> }
    };
    ui::sheet(
        "Gallery",
        Some("/"),
        EXAMPLES.iter().map(example).collect_view().into_any(),
    )
}

fn buttons(session: Session) -> AnyView {
    view! {
        {ui::primary(t().go_on_button)}
        <button class="weui-btn weui-btn_primary" type="button" aria-busy="true">{t().sending}</button>
        {ui::button_link("/gallery".into(), t().home, false)}
        {ui::call(&session.config.hotline, t().call_us.replace("{n}", &session.config.hotline))}
        <button class="link" type="button">{t().remove}</button>
    }
    .into_any()
}

fn chips(_: Session) -> AnyView {
    view! {
        <div class="row">
            <button class="chip" type="button">{t().copy}</button>
            <button class="chip" type="button" aria-pressed="true">{t().copied}</button>
        </div>
    }
    .into_any()
}

fn notes(_: Session) -> AnyView {
    view! {
        <p class="note">{t().kept_here}</p>
        <p class="note warn">{t().waits_for_network}</p>
        <p class="note bad">{t().not_kept}</p>
        <div class="banner"><p>{t().offline}</p></div>
    }
    .into_any()
}

fn tags(_: Session) -> AnyView {
    view! { <p><span class="tag">{t().photo_received}</span>" "<span class="tag you">{c().your_turn}</span>" "<span class="tag plain">{t().optional}</span></p> }
        .into_any()
}

fn field(session: Session) -> AnyView {
    let write = Callback::new(|_: String| {});
    view! { <TextField session errors=RwSignal::new(Vec::new()) field="/place/text" label=t().where_label hint=t().where_hint read=|_| String::new() write /> }
        .into_any()
}

fn wrong_field(session: Session) -> AnyView {
    let errors = RwSignal::new(vec![FieldError::new("/reporter/phone", Code::PhoneLength)]);
    let write = Callback::new(|_: String| {});
    view! { <TextField session errors field="/reporter/phone" label=t().phone hint=t().phone_hint kind="tel" read=|_| "1380013".into() write /> }.into_any()
}

/// With the likely value on a button.
fn field_with_fix(session: Session) -> AnyView {
    let wrong = FieldError {
        fix: Some("13800138000".into()),
        ..FieldError::new("/policy/no", Code::PhoneLength)
    };
    let write = Callback::new(|_: String| {});
    view! { <TextField session errors=RwSignal::new(vec![wrong]) field="/policy/no" label=t().phone read=|_| "138 0013 8000".into() write /> }.into_any()
}

fn summary(session: Session) -> AnyView {
    let errors = RwSignal::new(vec![FieldError::new("/reporter/phone", Code::Required)]);
    view! { <ErrorSummary visit=session.visit errors /> }.into_any()
}

fn radio(session: Session) -> AnyView {
    let options = session.catalogue.incidents.iter().take(4);
    let options = options
        .map(|i| {
            (
                i.id.clone(),
                i18n::text(&i.name).to_owned(),
                i18n::text(&i.hint).to_owned(),
            )
        })
        .collect();
    let chosen = RwSignal::new(
        session
            .catalogue
            .incidents
            .first()
            .map(|i| i.id.clone())
            .unwrap_or_default(),
    );
    let list = choices(
        "/incident",
        options,
        chosen.into(),
        Callback::new(move |id| chosen.set(id)),
    );
    view! { <fieldset><legend>{t().what_title}</legend>{list}</fieldset> }.into_any()
}

fn tick(_: Session) -> AnyView {
    view! {
        <div class="choices">
            <label class="choice"><input type="checkbox" /><span>{t().when_about}</span></label>
            <label class="choice"><input type="checkbox" checked /><span>{t().keep_id_no}</span></label>
        </div>
    }
    .into_any()
}

/// Preparing, ready, torn, refused, lost.
fn photos(session: Session) -> AnyView {
    let result = |salvaged: bool| {
        Some(Prepared {
            bytes: 298_000,
            salvaged,
            ..Prepared::default()
        })
    };
    let states = [
        (PhotoState::Preparing, None),
        (PhotoState::Ready, result(false)),
        (PhotoState::Ready, result(true)),
        (
            PhotoState::Failed {
                code: "photo-heic".into(),
            },
            None,
        ),
        (PhotoState::Lost, None),
    ];
    let photo = |(i, (state, result))| Photo {
        id: format!("gallery-{i}"),
        state,
        original_bytes: 4_812_000,
        result,
    };
    // Shown, never kept.
    session
        .draft
        .update_untracked(|d| d.photos = states.into_iter().enumerate().map(photo).collect());
    photo_list(session)
}

fn progress(_: Session) -> AnyView {
    view! {
        <progress aria-label=t().sending></progress>
        <progress max="100" value="40" aria-label=t().photos_sent_title></progress>
    }
    .into_any()
}

fn details(_: Session) -> AnyView {
    view! {
        <details><summary>{c().help_time}</summary><p>{c().help_intro}</p></details>
        <details open><summary>{c().help_rights}</summary><p>{c().help_intro}</p></details>
    }
    .into_any()
}

fn number(_: Session) -> AnyView {
    view! { <p>{t().claim_no}</p><p class="number">"BA202611230000017"</p><p class="exact">"9f86d081884c7d659a2feaa0c55ad015"</p> }
        .into_any()
}

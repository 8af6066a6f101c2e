//! Form fields. Values are checked when the person moves on, never while typing and never during
//! IME composition. A wrong value stays as typed; the summary takes the focus and links to each
//! field.

use claim_domain::FieldError;
use claim_domain::notice::Notice;
use leptos::ev;
use leptos::prelude::*;

use crate::i18n::{self, t};
use crate::platform::{page, sleep_ms, spawn};
use crate::session::Session;
use crate::ui::{changed, click, live};
use crate::visit::Visit;

/// What is wrong on this page.
pub type Errors = RwSignal<Vec<FieldError>>;

/// `/reporter/phone` → `reporter-phone`.
pub fn field_id(field: &str) -> String {
    field.trim_start_matches('/').replace('/', "-")
}

/// The sentence for one error, with the field's name and the place of the character.
pub fn error_text(visit: Visit, error: &FieldError) -> String {
    let consent = error
        .field
        .strip_prefix("/consents/")
        .and_then(|id| visit.catalogue.consents.iter().find(|c| c.id == id));
    let document = error
        .field
        .rsplit('/')
        .next()
        .and_then(|id| visit.catalogue.document(id));
    let name = (consent.map(|c| &c.label))
        .or(document.map(|d| &d.name))
        .map_or_else(
            || match t().fields.get(&error.field) {
                "" => i18n::claim_field(&error.field),
                name => name,
            },
            i18n::text,
        );
    let at = error.at.map_or_else(String::new, |n| n.to_string());
    i18n::error(visit.catalogue, error.code.as_str())
        .replace("{field}", name)
        .replace("{at}", &at)
}

/// "有 2 处需要修改", with a link to each field. Takes the focus when errors appear.
#[component]
pub fn ErrorSummary(visit: Visit, errors: Errors) -> impl IntoView {
    super::effect(move || {
        if errors.with(|e| !e.is_empty()) {
            spawn(async {
                sleep_ms(0).await;
                page::focus("summary");
            });
        }
    });
    let line = move |error: FieldError| {
        let id = field_id(&error.field);
        let target = id.clone();
        let jump = move |event: ev::MouseEvent| {
            event.prevent_default();
            page::focus(&target);
        };
        view! { <li><a href=format!("#{id}") rel="external" on:click=click(jump)>{error_text(visit, &error)}</a></li> }
    };
    live(move || {
        let errors = errors.get();
        (!errors.is_empty()).then(|| {
            page::set_title(&format!("{}{}", t().error_prefix, t().product));
            view! {
                <div class="summary" id="summary" tabindex="-1" role="alert">
                    <h2>{t().errors_found.replace("{n}", &errors.len().to_string())}</h2>
                    <ul>{errors.into_iter().map(line).collect_view()}</ul>
                </div>
            }
        })
    })
}

/// The error of one field, and a button for the likely fix.
pub fn field_wrong(
    visit: Visit,
    errors: Errors,
    field: &'static str,
    mend: Option<Callback<String>>,
) -> AnyView {
    live(move || {
        let error = errors.with(|e| e.iter().find(|e| e.field == field).cloned())?;
        let fix = error.fix.clone().zip(mend).map(|(fix, mend)| {
            let shown = t().use_fix.replace("{fix}", &fix);
            let take = move |_| {
                mend.run(fix.clone());
                errors.update(|e| e.retain(|e| e.field != field));
            };
            view! { <button class="chip" type="button" on:click=click(take)>{shown}</button> }
        });
        Some(view! { <p class="wrong" id=format!("{}-wrong", field_id(field))>{error_text(visit, &error)}</p>{fix} }.into_any())
    })
}

/// A labelled text input, bound to one answer.
#[component]
pub fn TextField(
    session: Session,
    errors: Errors,
    /// JSON pointer into the notice.
    field: &'static str,
    #[prop(into)] label: String,
    #[prop(optional)] hint: &'static str,
    #[prop(default = "text")] kind: &'static str,
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(default = "text")] inputmode: &'static str,
    read: fn(&Notice) -> String,
    #[prop(into)] write: Callback<String>,
) -> impl IntoView {
    let id = field_id(field);
    // Bound to the answer, so that a taken fix shows at once; typing sets the same value again.
    let value = Memo::new(move |_| session.draft.with(|d| read(&d.notice())));
    let is_wrong = move || errors.with(|e| e.iter().any(|e| e.field == field));
    let described = {
        let id = id.clone();
        Signal::derive(move || match (hint.is_empty(), is_wrong()) {
            (true, false) => None,
            (false, false) => Some(format!("{id}-hint")),
            (_, true) => Some(format!("{id}-wrong {id}-hint")),
        })
    };
    let typed = move |event: ev::Event| write.run(page::value_of(&event));
    view! {
        <label class="label" for=id.clone()>{label}</label>
        {(!hint.is_empty()).then(|| view! { <p class="hint" id=format!("{id}-hint")>{hint}</p> })}
        {field_wrong(session.visit, errors, field, Some(write))}
        <input
            class="input"
            id=id
            type=kind
            autocomplete=autocomplete
            inputmode=inputmode
            aria-invalid=Signal::derive(move || is_wrong().then_some("true"))
            aria-describedby=described
            prop:value=move || page::Typed(value.get())
            on:input=changed(typed)
            on:change=changed(typed)
        />
    }
}

/// A list of radio buttons: value, name, hint.
pub fn choices(
    name: &'static str,
    options: Vec<(String, String, String)>,
    chosen: Signal<String>,
    choose: Callback<String>,
) -> AnyView {
    let first = field_id(name);
    let option = |(place, (value, label, hint)): (usize, (String, String, String))| {
        let (mine, picked) = (value.clone(), value.clone());
        let id = if place == 0 {
            first.clone()
        } else {
            format!("{first}-{value}")
        };
        view! {
            <label class="choice">
                <input type="radio" id=id name=name value=value prop:checked=Signal::derive(move || chosen.with(|c| *c == mine)) on:change=changed(move |_| choose.run(picked.clone())) />
                <span>{label}{(!hint.is_empty()).then(|| view! { <small>{hint}</small> })}</span>
            </label>
        }
    };
    view! { <div class="choices">{options.into_iter().enumerate().map(option).collect_view()}</div> }.into_any()
}

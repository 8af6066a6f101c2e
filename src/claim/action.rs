//! What the customer does to a claim, and how the server answers. One per page: a page has one
//! place for errors.

use claim_api::{BASE, Step};
use claim_domain::lifecycle::{Event, EventKind};
use leptos::prelude::*;

use crate::i18n;
use crate::platform::http::{self, CallError};
use crate::platform::{page, sleep_ms, spawn};
use crate::ui::{ErrorSummary, Errors, changed, field_id, field_wrong, live};
use crate::visit::Visit;

/// A page's exchange with the server: errors, messages, whether a call is under way.
#[derive(Clone, Copy)]
pub struct ClaimAction {
    visit: Visit,
    /// Prefix for field names on a page with several forms.
    form: &'static str,
    no: StoredValue<String>,
    pub errors: Errors,
    said: RwSignal<Option<String>>,
    busy: RwSignal<bool>,
}

impl ClaimAction {
    pub fn new(visit: Visit, no: &str) -> ClaimAction {
        ClaimAction {
            visit,
            form: "",
            no: StoredValue::new(no.to_owned()),
            errors: RwSignal::new(Vec::new()),
            said: RwSignal::new(None),
            busy: RwSignal::new(false),
        }
    }

    /// The same for one of several forms: `/remark` and the server's `/text` make the field
    /// `/remark/text`.
    pub fn of(self, form: &'static str) -> ClaimAction {
        ClaimAction { form, ..self }
    }

    /// Takes a step; `then` runs when the server has it. What was typed stays until then.
    pub fn take(self, what: EventKind, then: impl FnOnce() + 'static) {
        let path = format!("{BASE}/claims/{}/steps", self.no.get_value());
        self.call(
            async move { http::post::<Event>(&path, &Step { what }).await.map(drop) },
            then,
        );
    }

    /// The same for any other call.
    pub fn call(
        self,
        call: impl Future<Output = Result<(), CallError>> + 'static,
        then: impl FnOnce() + 'static,
    ) {
        // A second tap while the first is under way means the same thing.
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.errors.set(Vec::new());
        self.said.set(None);
        spawn(async move {
            let outcome = call.await;
            self.busy.try_set(false);
            match outcome {
                Ok(()) => then(),
                Err(CallError::Problem(mut problem)) if !problem.errors.is_empty() => {
                    for error in &mut problem.errors {
                        error.field.insert_str(0, self.form);
                    }
                    self.errors.try_set(problem.errors);
                }
                Err(error) => {
                    self.said.try_set(Some(
                        i18n::error(self.visit.catalogue, error.code()).to_owned(),
                    ));
                    // The button may be far below.
                    sleep_ms(0).await;
                    page::focus("said");
                }
            }
        });
    }

    /// What is wrong, for the top of the form.
    pub fn trouble(self) -> AnyView {
        let said = live(move || {
            self.said.get().map(|text| view! { <p class="note warn" id="said" tabindex="-1" role="alert">{text}</p> })
        });
        view! { <ErrorSummary visit=self.visit errors=self.errors /> {said} }.into_any()
    }

    /// What is wrong with a field that is drawn elsewhere.
    pub fn wrong(self, field: &'static str) -> AnyView {
        field_wrong(self.visit, self.errors, field, None)
    }

    /// A labelled text area bound to `text`; `field` is the server's name for it.
    pub fn area(self, field: &'static str, label: &'static str, text: RwSignal<String>) -> AnyView {
        let id = field_id(field);
        view! {
            <label class="label" for=id.clone()>{label}</label>
            {self.wrong(field)}
            <textarea class="input" id=id maxlength="2000" prop:value=move || page::Typed(text.get()) on:input=changed(move |e| text.set(page::value_of(&e)))></textarea>
        }
        .into_any()
    }

    /// The same on one line. `kind` selects the keyboard, `complete` is the autocomplete hint.
    pub fn line(
        self,
        field: &'static str,
        label: &'static str,
        kind: &'static str,
        complete: &'static str,
        text: RwSignal<String>,
    ) -> AnyView {
        let id = field_id(field);
        view! {
            <label class="label" for=id.clone()>{label}</label>
            {field_wrong(self.visit, self.errors, field, Some(Callback::new(move |fix| text.set(fix))))}
            <input class="input" id=id type="text" inputmode=kind autocomplete=complete prop:value=move || page::Typed(text.get()) on:input=changed(move |e| text.set(page::value_of(&e))) />
        }
        .into_any()
    }
}

//! Signing in with an SMS code. No puzzle, pasting allowed, and the field offers the code the phone
//! received.

use claim_api::{CodeRequest, LoginRequest, SessionView};
use claim_domain::FieldError;
use claim_domain::validate::{Code, mobile};
use leptos::ev;
use leptos::prelude::*;

use crate::i18n::{self, c, t};
use crate::platform::http::{self, CallError};
use crate::platform::{address, page, sleep_ms, spawn};
use crate::ui::{ErrorSummary, Errors, changed, click, field_wrong, live, primary, sheet};
use crate::visit::Visit;

const RESEND_AFTER: u32 = 60;

/// `/login?next=`
pub fn login(visit: Visit) -> AnyView {
    // Only an address of this app, so signing in never redirects elsewhere.
    let next = address::query("next")
        .filter(|n| claim_api::is_inside(n))
        .unwrap_or_else(|| "/claims".into());
    sheet(t().sign_in, Some("/"), form(visit, Some(next)))
}

/// Phone and code; then on to `next`, or to whatever the page does once somebody is signed in.
pub fn form(visit: Visit, next: Option<String>) -> AnyView {
    let errors: Errors = RwSignal::new(Vec::new());
    let (phone, code) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let sent = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let wait = RwSignal::new(0u32);
    let trouble = RwSignal::new(None::<String>);
    let say = move |error: CallError| {
        if let CallError::Problem(problem) = &error
            && !problem.errors.is_empty()
        {
            errors.set(problem.errors.clone());
            return;
        }
        let seconds = match &error {
            CallError::Problem(problem) => problem.retry_after.unwrap_or(RESEND_AFTER),
            CallError::Offline => 0,
        };
        trouble.set(Some(
            i18n::error(visit.catalogue, error.code()).replace("{wait}", &seconds.to_string()),
        ));
    };
    let send = move || {
        errors.set(Vec::new());
        trouble.set(None);
        let typed = phone.get_untracked();
        let verdict = mobile(&typed);
        if let (None, Some(finding)) = (verdict.value(), verdict.finding()) {
            errors.set(vec![FieldError::new("/phone", finding.clone())]);
            return;
        }
        busy.set(true);
        spawn(async move {
            let outcome =
                http::post::<()>("/api/v1/session/code", &CodeRequest { phone: typed }).await;
            busy.set(false);
            match outcome {
                Err(error) => say(error),
                Ok(()) => {
                    sent.set(true);
                    wait.set(RESEND_AFTER);
                    spawn(async move {
                        sleep_ms(0).await;
                        page::focus("code");
                        // Ends by itself when the page is left and its signals are gone.
                        while wait.try_get_untracked().is_some_and(|w| w > 0) {
                            sleep_ms(1000).await;
                            wait.try_update(|w| *w = w.saturating_sub(1));
                        }
                    });
                }
            }
        });
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        if !sent.get_untracked() {
            return send();
        }
        errors.set(Vec::new());
        trouble.set(None);
        if code.with_untracked(|c| c.trim().is_empty()) {
            errors.set(vec![FieldError::new("/code", Code::Required)]);
            return;
        }
        busy.set(true);
        let next = next.clone();
        spawn(async move {
            let asked = LoginRequest {
                phone: phone.get_untracked(),
                code: code.get_untracked(),
            };
            let outcome = http::post::<SessionView>("/api/v1/session", &asked).await;
            busy.set(false);
            match outcome {
                Err(error) => say(error),
                Ok(who) => {
                    visit.who.set(Some(who));
                    if let Some(next) = next {
                        address::replace(&next);
                    }
                }
            }
        });
    };
    view! {
        <ErrorSummary visit errors />
        {live(move || trouble.get().map(|text| view! { <p class="note bad" role="alert">{text}</p> }))}
        <form novalidate on:submit=submit>
            <label class="label" for="phone">{t().phone}</label>
            <p class="hint" id="phone-hint">{c().login_hint}</p>
            {field_wrong(visit, errors, "/phone", None)}
            <input class="input" id="phone" type="tel" inputmode="tel" autocomplete="tel" aria-describedby="phone-hint" prop:value=move || page::Typed(phone.get()) on:input=changed(move |e| phone.set(page::value_of(&e))) />
            {live(move || sent.get().then(|| view! {
                <label class="label" for="code">{c().code}</label>
                <p class="hint" role="status">{c().code_sent}</p>
                {field_wrong(visit, errors, "/code", None)}
                <input class="input" id="code" type="text" inputmode="numeric" autocomplete="one-time-code" prop:value=move || page::Typed(code.get()) on:input=changed(move |e| code.set(page::value_of(&e))) />
                <button class="link" type="button" prop:disabled=Signal::derive(move || wait.get() > 0) on:click=click(move |_| send())>
                    {live(move || if wait.get() > 0 { c().resend_wait.replace("{n}", &wait.get().to_string()) } else { c().resend.to_owned() })}
                </button>
            }))}
            {live(move || primary(if sent.get() { t().sign_in } else { c().get_code }))}
        </form>
    }
    .into_any()
}

//! The report, one question per page. The answers decide which page comes next. Every page has an
//! address, so back always works and a killed tab returns to the same place.

mod check;
mod done;
mod questions;

use claim_domain::draft::{Command, Draft, Step};
use leptos::ev;
use leptos::prelude::*;

use crate::i18n::t;
use crate::platform::storage::State;
use crate::platform::{address, now, spawn};
use crate::session::Session;
use crate::ui::{ErrorSummary, Errors, live, primary, sheet};

pub use check::consents;
pub use done::done;
pub use questions::question;

fn page_of(step: Step) -> String {
    format!("/report/{}", step.as_str())
}

/// `/report`: redirects to the next open page.
pub fn start(session: Session) -> AnyView {
    if session.is_unanswered() {
        return redirect("/report/done".into());
    }
    session.prefill();
    // Somebody who has just reported and begins again reports something new.
    let step = session
        .draft
        .with_untracked(|d| d.current(session.catalogue, now()));
    redirect(page_of(step))
}

/// Deferred until the page is rendered: the address must not change while it is being read.
fn redirect(to: String) -> AnyView {
    spawn(async move { address::replace(&to) });
    ().into_any()
}

/// `/report/:step`
pub fn step(session: Session, name: &str) -> AnyView {
    match Step::parse(name) {
        Some(step) if !session.is_unanswered() && may_open(session, step) => page(session, step),
        // The page was killed just as the server received the report: show its number.
        Some(step)
            if step != Step::Safety
                && session.draft.with_untracked(Draft::is_empty)
                && session.newest(|_| ()).is_some() =>
        {
            redirect("/report/done".into())
        }
        Some(_) => start(session),
        None => sheet(
            t().not_found,
            Some("/"),
            view! { <p>{t().not_found_hint}</p> }.into_any(),
        ),
    }
}

/// Earlier pages and the next open one may be opened, but not a page beyond unanswered questions.
fn may_open(session: Session, step: Step) -> bool {
    session.draft.with_untracked(|d| {
        let due = d.current(session.catalogue, now());
        let place = |s: Step| d.steps().iter().position(|x| *x == s);
        match (place(step), place(due)) {
            (Some(asked), Some(due)) => asked <= due,
            // Off the short path, to change or add something.
            _ => due == Step::Check,
        }
    })
}

fn page(session: Session, step: Step) -> AnyView {
    let errors: Errors = RwSignal::new(Vec::new());
    let go_on = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let found = session
            .draft
            .with_untracked(|d| d.errors(step, session.catalogue, now()));
        errors.set(found);
        if errors.with_untracked(|e| !e.is_empty()) {
            return;
        }
        session.say(Command::Pass(step));
        if step == Step::Check {
            session.submit();
            return address::go("/report/done");
        }
        let next = session
            .draft
            .with_untracked(|d| d.next(step, session.catalogue, now()));
        address::go(&page_of(next));
    };
    let (title, fields) = questions::question(session, step, errors);
    let button = match step {
        Step::Check => t().send,
        Step::Safety => t().safe_go_on,
        _ => t().go_on_button,
    };
    let back = back_of(session, step);
    let content = view! {
        <ErrorSummary visit=session.visit errors />
        <form novalidate on:submit=go_on>
            {fields}
            {primary(button)}
        </form>
        {live(move || where_it_stands(session))}
    };
    sheet(title, Some(back), content.into_any())
}

/// 仅保存在本机 · 照片正在上传
fn where_it_stands(session: Session) -> AnyView {
    let saved = session.draft.with(|d| {
        if d.server_rev > 0 {
            t().saved_both
        } else {
            t().saved_here
        }
    });
    let saved = (session.kept.get() == State::Kept).then_some(saved);
    let sending = session
        .outboxes
        .with(|all| all.iter().any(|o| !o.is_done()))
        .then_some(t().photos_going);
    let line: Vec<&str> = saved.into_iter().chain(sending).collect();
    view! { <p class="quiet" id="saved">{line.join(" · ")}</p> }.into_any()
}

/// The previous page, or the check page if this one is off the path.
fn back_of(session: Session, step: Step) -> &'static str {
    let steps = session.draft.with_untracked(|d| d.steps());
    match steps.iter().position(|s| *s == step) {
        Some(0) => "/",
        None => "/report/check",
        Some(i) => match steps[i - 1] {
            Step::Safety => "/report/safety",
            Step::Event => "/report/event",
            Step::What => "/report/what",
            Step::When => "/report/when",
            Step::Where => "/report/where",
            Step::Damage => "/report/damage",
            Step::Who => "/report/who",
            Step::Policy => "/report/policy",
            Step::Photos => "/report/photos",
            Step::Check => "/report/check",
        },
    }
}

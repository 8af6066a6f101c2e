//! Routes, and what surrounds every page: the state of the network and of storage.

use claim_api::outbox::Outbox;
use leptos::prelude::*;

use crate::i18n::t;
use crate::platform::storage::State;
use crate::platform::{address, page};
use crate::session::Session;
use crate::{claim, journey, ui};

/// The first page and the report.
pub fn report(session: Session) -> AnyView {
    view! {
        {state(session)}
        <First session />
        {page_at(move |path| report_page(session, path))}
    }
    .into_any()
}

/// The pages of the report; the server knows the same addresses (claim-server, assets.rs).
fn report_page(session: Session, path: &str) -> AnyView {
    match parts(path)[..] {
        [""] => ().into_any(),
        ["report"] => journey::start(session),
        ["report", "done"] => journey::done(session),
        ["report", step] => journey::step(session, step),
        _ => not_found(),
    }
}

/// Everything after the report.
pub fn claims(session: Session) -> AnyView {
    let visit = session.visit;
    view! {
        {state(session)}
        {page_at(move |path| match parts(path)[..] {
            ["claims"] => claim::list(session),
            ["claims", "policies"] => claim::policies(visit),
            ["claims", no] => claim::overview(visit, no),
            ["claims", no, "documents"] => claim::tasks(session, no),
            ["claims", no, "documents", document] => claim::document(session, no, document),
            ["claims", no, "questions"] => claim::questions(session, no),
            ["claims", no, "receipt"] => claim::receipt(session, no),
            ["claims", no, "disagree"] => claim::disagree(visit, no),
            ["claims", no, "messages"] => claim::messages(visit, no),
            ["claims", no, "payees"] => claim::payees(visit, no),
            ["claims", no, "records"] => claim::records(visit, no),
            ["claims", no, "letters", seq] => claim::letter(visit, no, seq),
            ["verify"] => claim::verify(session),
            ["claims", no, "request"] => claim::request(session, no),
            ["login"] => claim::login(visit),
            ["help"] => claim::help(visit),
            ["launch"] => claim::launch(session),
            ["handoff"] => claim::handoff(session),
            #[cfg(any(debug_assertions, feature = "gallery"))]
            ["gallery"] => crate::gallery::gallery(session),
            _ => not_found(),
        })}
    }
    .into_any()
}

/// Rendered again only when the address changes: the person types while photos upload, and a
/// rebuilt page moves the focus to its heading.
fn page_at(page: impl Fn(&str) -> AnyView + Send + 'static) -> AnyView {
    let path = address::path();
    ui::live(move || {
        let path = path.get();
        untrack(|| page(&path))
    })
}

fn parts(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').collect()
}

/// What is wrong with the network, the clock, the app or storage: one sentence each, with a way
/// forward. Whether something is written or on its way is a flag on the page, for its host.
fn state(session: Session) -> AnyView {
    ui::effect(move || {
        let unsent = |all: &Vec<Outbox>| all.iter().any(|o| !o.is_done());
        page::busy(if session.outboxes.with(unsent) {
            "sending"
        } else if session.draft.with(|d| !d.is_empty()) {
            "writing"
        } else {
            ""
        });
    });
    ui::live(move || {
        let kept = match session.kept.get() {
            State::Kept => None,
            State::Refused => Some(t().not_kept),
            State::Full => Some(t().no_room),
            State::Newer => Some(t().newer_app),
            State::Damaged => Some(t().not_opened),
        };
        let offline = (!session.visit.online.get()).then_some(("offline", t().offline));
        let wrong_clock = session
            .visit
            .wrong_clock
            .get()
            .then_some(("wrong-clock", t().wrong_clock));
        let mut all: Vec<AnyView> = offline
            .into_iter()
            .chain(kept.map(|text| ("kept", text)))
            .chain(wrong_clock)
            .map(|(id, text)| banner(session, id, text, &[]))
            .collect();
        // Reopening a page that keeps nothing would lose what was typed; the old page goes on
        // working.
        if session.visit.outdated.get() && kept.is_none() {
            all.push(banner(
                session,
                "outdated",
                t().outdated,
                &[("open-anew", t().open_anew, |_| page::reload())],
            ));
        }
        // Two pages changed the same draft: nothing is overwritten before the person has chosen.
        if session.conflict.get() {
            let choices: [Choice; 2] = [
                ("keep-this", t().keep_this, Session::keep_this),
                ("keep-other", t().keep_other, Session::keep_other),
            ];
            all.push(banner(session, "two-pages", t().two_pages, &choices));
        }
        all.into_any()
    })
}

/// Id, label and action of a button.
type Choice = (&'static str, &'static str, fn(&Session));

fn banner(session: Session, id: &'static str, text: &'static str, choices: &[Choice]) -> AnyView {
    let button = |&(id, label, deed): &Choice| {
        view! { <button type="button" class="chip" id=id on:click=ui::click(move |_| deed(&session))>{label}</button> }.into_any()
    };
    view! { <div class="banner" role="status" id=id><p>{text}</p>{choices.iter().map(button).collect::<Vec<_>>()}</div> }.into_any()
}

/// The first page is part of index.html; here we show and hide it, and add what the app knows.
#[component]
fn First(session: Session) -> impl IntoView {
    let at_first = Memo::new(move |_| address::path().get() == "/");
    let mut started = false;
    ui::effect(move || {
        let shown = at_first.get();
        page::show_first(shown);
        // Not when the app has just started: the person may be in the middle of the page.
        if shown && started {
            page::arrived(t().product);
        }
        started = true;
    });
    ui::live(move || {
        at_first.get().then(|| {
            let going_on = session.draft.with(|d| !d.is_empty()) && !session.is_unanswered();
            let sending = session.newest(|_| ()).is_some();
            view! {
                <div class="resume" role="region" aria-label=t().your_report hidden=move || !(going_on || sending)>
                    {going_on.then(|| view! { <p class="note"><a href="/report">{t().go_on}</a></p> })}
                    {sending.then(|| view! { <p class="note"><a href="/report/done">{t().see_report}</a></p> })}
                </div>
            }
        })
    })
}

fn not_found() -> AnyView {
    let content =
        view! { <p>{t().not_found_hint}</p>{ui::button_link("/".into(), t().home, true)} };
    ui::sheet(t().not_found, None, content.into_any())
}

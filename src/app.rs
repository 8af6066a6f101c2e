//! Routes, and what stands around every page: the state of the network and of what was kept.

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
            ["claims", no] => claim::overview(visit, no),
            ["claims", no, "documents"] => claim::tasks(session, no),
            ["claims", no, "documents", document] => claim::document(session, no, document),
            ["claims", no, "questions"] => claim::questions(session, no),
            ["claims", no, "receipt"] => claim::receipt(session, no),
            ["verify"] => claim::verify(session),
            ["claims", no, "request"] => claim::request(session, no),
            ["login"] => claim::login(visit),
            ["help"] => claim::help(visit),
            _ => not_found(),
        })}
    }
    .into_any()
}

/// Drawn again when the address changes and for nothing else: while photos arrive at the server the person types, and a
/// page that is made anew takes the focus to its heading.
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

/// What is wrong with the network or with what is kept, one sentence each with its way on.
fn state(session: Session) -> AnyView {
    ui::live(move || {
        let kept = match session.kept.get() {
            State::Kept => None,
            State::Refused => Some(t().not_kept),
            State::Full => Some(t().no_room),
            State::Newer => Some(t().newer_app),
            State::Damaged => Some(t().not_opened),
        };
        let offline = (!session.visit.online.get()).then_some(t().offline);
        let sentences: Vec<AnyView> = offline.into_iter().chain(kept).map(banner).collect();
        (sentences, session.conflict.get().then(|| two_pages(session))).into_any()
    })
}

/// Two pages changed the same draft: nothing is overwritten before the person has chosen.
fn two_pages(session: Session) -> AnyView {
    view! {
        <div class="banner" role="alert" id="two-pages">
            <p>{t().two_pages}</p>
            <button type="button" class="chip" id="keep-this" on:click=ui::click(move |_| session.keep_this())>{t().keep_this}</button>
            <button type="button" class="chip" id="keep-other" on:click=ui::click(move |_| session.keep_other())>{t().keep_other}</button>
        </div>
    }
    .into_any()
}

fn banner(text: &'static str) -> AnyView {
    view! { <p class="banner" role="status">{text}</p> }.into_any()
}

/// The first page stands in index.html; here it is shown and hidden, and completed by what the app knows.
#[component]
fn First(session: Session) -> impl IntoView {
    let at_first = Memo::new(move |_| address::path().get() == "/");
    Effect::new(move |before: Option<bool>| {
        let shown = at_first.get();
        page::show_first(shown);
        // Not when the app has just started: the person may be in the middle of the page.
        if shown && before.is_some() {
            page::arrived(t().product);
        }
        shown
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
    let content = view! { <p>{t().not_found_hint}</p>{ui::button_link("/".into(), t().home, true)} };
    ui::sheet(t().not_found, None, content.into_any())
}

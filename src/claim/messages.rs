//! 留言: messages and answers, when to expect a reply, and a person in one tap.

use claim_api::{BASE, ClaimView};
use claim_domain::deadlines::Clock;
use claim_domain::lifecycle::{Actor, Claim, EventKind, StepKind};
use leptos::prelude::*;

use super::action::ClaimAction;
use super::history::actor;
use super::{Fetched, trouble};
use crate::i18n::{c, t};
use crate::platform::{address, http, spawn};
use crate::ui::{call, click, live, sheet};
use crate::visit::Visit;

/// `/claims/:no/messages`
pub fn messages(visit: Visit, no: &str) -> AnyView {
    let claim: Fetched<ClaimView> = RwSignal::new(None);
    let (path, here, back) = (
        format!("{BASE}/claims/{no}"),
        address::path().get_untracked(),
        format!("/claims/{no}"),
    );
    let again = Callback::new(move |()| {
        let path = path.clone();
        spawn(async move { drop(claim.try_set(Some(http::get_whole(&path).await))) });
    });
    again.run(());
    let (deed, text) = (ClaimAction::new(visit, no), RwSignal::new(String::new()));
    let content = move || match claim.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, &here),
        Some(Ok(view)) => thread(deed, again, &view),
    };
    let send = move |_| {
        deed.take(
            EventKind::Wrote {
                text: text.get_untracked(),
            },
            move || {
                text.set(String::new());
                again.run(());
            },
        );
    };
    let there = move || claim.with(|c| matches!(c, Some(Ok(_))));
    let form = move || {
        there().then(|| {
            view! {
                {deed.area("/text", c().message_text, text)}
                <button class="weui-btn weui-btn_primary" type="button" id="send-message" on:click=click(send)>{c().message_send}</button>
            }
        })
    };
    // Render the form once, so that news leaves the typed text alone.
    let shown = Memo::new(move |_| there());
    let content = view! {
        {deed.trouble()}
        <div>{live(content)}</div>
        <div>{live(move || { shown.get(); untrack(form) })}</div>
        {call(&visit.config.hotline, t().call_us.replace("{n}", &visit.config.hotline))}
    };
    sheet(c().messages, Some(&back), content.into_any())
}

fn thread(deed: ClaimAction, again: Callback<()>, view: &ClaimView) -> AnyView {
    let state = Claim::replay(view.summary.lob, &view.events);
    let said = view.events.iter().filter_map(|e| {
        let text = match &e.what {
            EventKind::Wrote { text } | EventKind::Answered { text } | EventKind::PersonCalled { text } => text.clone(),
            EventKind::PersonAsked { .. } => c().person_asked.to_owned(),
            _ => return None,
        };
        let class = if e.actor == Actor::Customer { "mine" } else { "theirs" };
        Some(view! { <li class=class><p class="quiet">{e.at.to_local_text()}" · "{actor(&e.actor)}</p><p>{text}</p></li> })
    });
    let said: Vec<_> = said.collect();
    let until = |clock: Clock| {
        view.deadlines
            .iter()
            .find(|d| d.clock == clock && d.met.is_none())
            .map(|d| d.due.to_local_text())
    };
    let reply = until(Clock::Reply)
        .map(|t| view! { <p class="note" id="reply-by">{c().reply_by.replace("{t}", &t)}</p> });
    let call_by = until(Clock::Person)
        .map(|t| view! { <p class="note" id="call-by">{c().call_by.replace("{t}", &t)}</p> });
    let ask = move |_| {
        deed.take(
            EventKind::PersonAsked {
                about: String::new(),
            },
            move || again.run(()),
        )
    };
    let person = state.allowed(&Actor::Customer).contains(&StepKind::PersonAsked).then(|| {
        view! { <button class="weui-btn weui-btn_default" type="button" id="ask-person" on:click=click(ask)>{c().person_ask}</button> }
    });
    view! {
        {person}
        {call_by}
        {said.is_empty().then(|| view! { <p class="quiet">{c().no_messages}</p> })}
        <ul class="thread" id="thread">{said}</ul>
        {reply}
    }
    .into_any()
}

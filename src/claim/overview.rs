//! One claim in three parts: what you have to do, what we are doing and until when, what is done.
//! New events appear without reload: a stream says that there is something, the timeline says what.

use claim_api::{BASE, ClaimView, Timeline};
use claim_domain::Lob;
use claim_domain::deadlines::{Clock, Deadline};
use claim_domain::documents::Format;
use claim_domain::lifecycle::{
    Actor, Claim, EventKind, Milestone, MilestoneState, Stage, StepKind, milestones,
};
use leptos::prelude::*;

use super::todo::{self, Typed};
use super::{Fetched, decision, history, policies, stage_name, trouble};
use crate::i18n::{self, c, t};
use crate::platform::stream::Stream;
use crate::platform::{http, now, now_ms, page, sleep_ms, spawn};
use crate::ui::{button_link, call, live, sheet, size};
use crate::visit::Visit;

/// A stream silent for this long is reopened; the server sends something every 15 seconds.
const SILENT_MS: i64 = 40_000;
/// After three stream failures within a minute we poll, less and less often, and retry the stream
/// later.
const FAILURES: usize = 3;
const WITHIN_MS: i64 = 60_000;
const ASK_MS: [i64; 3] = [4_000, 15_000, 60_000];
const AGAIN_MS: i64 = 300_000;

/// `/claims/:no`
pub fn overview(visit: Visit, no: &str) -> AnyView {
    let no = no.to_owned();
    let claim: Fetched<ClaimView> = RwSignal::new(None);
    let here = format!("/claims/{no}");
    let alive = StoredValue::new(());
    // Outside the part that is re-rendered on each event, so that typed text stays.
    let typed = Typed::new(visit, &no);
    let fetch = move || {
        let no = no.clone();
        async move {
            let fresh = http::get_whole::<ClaimView>(&format!("{BASE}/claims/{no}")).await;
            // Offline, what is shown stays.
            if fresh.is_ok()
                || claim.try_with_untracked(|c| !matches!(c, Some(Ok(_)))) == Some(true)
            {
                claim.try_set(Some(fresh));
            }
        }
    };
    let again = {
        let fetch = fetch.clone();
        Callback::new(move |()| spawn(fetch()))
    };
    spawn({
        let no = here.trim_start_matches("/claims/").to_owned();
        async move {
            fetch().await;
            follow(&no, claim, again, alive).await;
        }
    });
    let content = move || match claim.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, &here),
        Some(Ok(view)) => shown(visit, typed, again, view),
    };
    sheet(
        c().claim_title,
        Some("/claims"),
        view! { <div>{live(content)}</div> }.into_any(),
    )
}

/// Fetches news until the page is left. While the page is hidden nothing is open; on return we poll
/// at once and reopen the stream, whatever state the old one claims to be in.
async fn follow(no: &str, claim: Fetched<ClaimView>, again: Callback<()>, alive: StoredValue<()>) {
    let known = || {
        claim
            .try_with_untracked(|c| c.as_ref()?.as_ref().ok()?.events.last().map(|e| e.seq))
            .flatten()
    };
    let mut stream: Option<Stream> = None;
    let mut failures: Vec<i64> = Vec::new();
    let (mut asks, mut next_ask, mut streams_from) = (0, now_ms(), 0);
    let mut away = false;
    while !alive.is_disposed() {
        sleep_ms(250).await;
        if !page::is_visible() || !page::is_online() {
            (stream, away) = (None, true);
            continue;
        }
        let Some(seq) = known() else { continue };
        if std::mem::take(&mut away) {
            (asks, next_ask) = (0, 0);
            failures.clear();
        }
        if stream.as_ref().is_some_and(|s| s.is_dead(SILENT_MS)) {
            stream = None;
            failures.retain(|at| now_ms() - at < WITHIN_MS);
            failures.push(now_ms());
            if failures.len() >= FAILURES {
                streams_from = now_ms() + AGAIN_MS;
                failures.clear();
            }
            (asks, next_ask) = (0, 0);
        }
        if stream.is_none() && now_ms() >= streams_from {
            stream = Stream::open(&format!("{BASE}/claims/{no}/stream?after={seq}"));
            if stream.is_none() {
                streams_from = i64::MAX;
            }
        }
        // With a live stream, ask for the timeline only when the stream says so.
        let told = stream.as_ref().is_some_and(|s| s.newest() > seq);
        if told || (now_ms() >= next_ask && (stream.is_none() || next_ask == 0)) {
            next_ask = now_ms() + ASK_MS[asks.min(2)];
            asks += 1;
            let Ok(news) =
                http::get_whole::<Timeline>(&format!("{BASE}/claims/{no}/timeline?after={seq}"))
                    .await
            else {
                continue;
            };
            if !news.events.is_empty() && !alive.is_disposed() {
                // Documents, deadlines and requirements change with the events.
                again.run(());
                asks = 0;
                let end = now_ms() + ASK_MS[0];
                while known() == Some(seq) && now_ms() < end && !alive.is_disposed() {
                    sleep_ms(50).await;
                }
            }
        }
    }
}

fn shown(visit: Visit, typed: Typed, again: Callback<()>, view: ClaimView) -> AnyView {
    let lob = view.summary.lob;
    let state = Claim::replay(lob, &view.events);
    let papers = &visit.catalogue.papers;
    let name = visit
        .catalogue
        .incident(&view.summary.incident)
        .map_or("", |i| i18n::text(&i.name));
    let lines = milestones(lob, &view.events)
        .into_iter()
        .map(|m| milestone(visit, lob, m))
        .collect_view();
    let number = &visit.config.hotline;
    let path = format!("/claims/{}", view.summary.claim_no);
    let over = matches!(state.stage, Stage::Closed | Stage::Archived);
    let tags = state
        .overlays()
        .into_iter()
        .filter_map(|o| papers.after.overlays.get(o.as_str()));
    let tags = tags
        .map(|t| view! { <span class="tag">{i18n::text(t)}</span>" " })
        .collect_view();
    let asked = todo::asks(visit, typed, again, &state, &view);
    let link = |to: &str, text: &'static str| {
        let to = format!("{path}/{to}");
        view! { <li><a href=to>{text}</a></li> }
    };
    view! {
        {typed.trouble()}
        // Progress data for an embedding host (public/embed.js).
        <p class="number" id="claim-no" data-at=view.summary.reported_at.to_string() data-requested=state.requested_at.map(|_| "true") data-closed=over.then_some("true")>{view.summary.claim_no.clone()}</p>
        <p><strong>{name}</strong>" · "{view.loss_at.to_local_text()}" · "{view.summary.place.clone()}</p>
        <p>{view.fast.then(|| view! { <span class="tag you" id="fast">{c().fast}</span>" " })}{tags}</p>
        {view.catastrophe.as_ref().map(|text| view! { <p class="note" id="catastrophe">{i18n::text(text).to_owned()}</p> })}
        {(!view.verified).then(|| view! { <p class="note">{t().unverified}</p> })}
        {view.limited.then(|| view! { <p class="note" id="limited">{c().limited}</p> })}
        <section aria-labelledby="you-do" aria-live="polite" id="for-you">
            <h2 id="you-do">{c().you_do}</h2>
            {asked.unwrap_or_else(|| view! { <p class="quiet" id="nothing">{c().nothing_to_do}</p> }.into_any())}
        </section>
        <section aria-labelledby="we-do" aria-live="polite">
            <h2 id="we-do">{c().we_do}</h2>
            {doing(visit, &state, &view)}
            {todo::gate(visit, &state, &view)}
            {running(visit, &view.deadlines, &path, &state)}
        </section>
        <section aria-labelledby="so-far">
            <h2 id="so-far">{c().so_far}</h2>
            <ol class="timeline">{lines}</ol>
            {policies::covers(&view.covers)}
            {(!view.limited).then(|| decision::decision(visit, &state, &view))}
            {todo::survey(typed, again, &state, &view)}
            {todo::rating(typed, again, &state, &view)}
            {files(visit, &view)}
            <details open>
                <summary>{c().history}</summary>
                <ul id="history">{history::history(visit, &view)}</ul>
            </details>
            <p class="quiet">{c().by_server_time}</p>
        </section>
        <h2>{c().more}</h2>
        <ul class="tasks" id="more">
            {(!state.stage.is_over()).then(|| link("documents", c().tasks_title))}
            {link("messages", c().messages)}
            {(!view.limited).then(|| link("disagree", c().disagree))}
            {(!view.limited && may_name_payee(&state)).then(|| link("payees", c().payee))}
            {(!view.limited).then(|| link("records", c().records))}
            {link("receipt", c().receipt_title)}
        </ul>
        {todo::withdraw(typed, again, &state, &view)}
        {call(number, t().call_us.replace("{n}", number))}
    }
    .into_any()
}

fn may_name_payee(state: &Claim) -> bool {
    state
        .allowed(&Actor::Customer)
        .contains(&StepKind::PayeesNamed)
}

/// What happens now, who does it, and what may send it back.
fn doing(visit: Visit, state: &Claim, view: &ClaimView) -> AnyView {
    let stage = visit.catalogue.papers.stages.get(state.stage.as_str());
    let handler = state
        .handler
        .as_ref()
        .map(|who| view! { <p>{c().handler.replace("{who}", who)}</p> });
    let second = state
        .asked_by
        .is_some()
        .then(|| view! { <p>{c().second_look}</p> });
    let marks = state.marks.values().map(|(reason, until)| {
        let until = until.map(|day| c().expected.replace("{day}", &day.to_string()));
        view! { <p>{reason.clone()}" "{until}</p> }
    });
    let back = matches!(state.stage, Stage::Adjudicating | Stage::Assessed)
        .then(|| view! { <p class="quiet">{c().may_go_back}</p> });
    let sent_back = view.events.iter().rev().find_map(|e| match &e.what {
        EventKind::SentBack { reason, .. }
            if matches!(state.stage, Stage::Assessing | Stage::Surveying) =>
        {
            Some(reason.clone())
        }
        _ => None,
    });
    view! {
        <p class="note" id="now-text">{stage.map(|s| i18n::text(&s.now))}</p>
        {handler}
        {second}
        {marks.collect_view()}
        {sent_back.map(|reason| view! { <p>{c().sent_back.replace("{text}", &reason)}</p> })}
        {back}
    }
    .into_any()
}

/// Every running deadline and every missed one: by law or by promise, its basis, and the time left.
fn running(visit: Visit, deadlines: &[Deadline], path: &str, state: &Claim) -> Option<AnyView> {
    let words = &visit.catalogue.papers.after.clocks;
    let line = |d: &Deadline| {
        let text = words.get(d.clock.as_str())?;
        let until = if d.by_day {
            d.last_day().to_string()
        } else {
            d.due.to_local_text()
        };
        let days = claim_domain::local_day(now()).days_to(d.last_day());
        let (class, left) = if d.paused {
            ("paused", c().paused.to_owned())
        } else if d.is_overdue(now()) {
            ("overdue", c().overdue.to_owned())
        } else if d.clock == Clock::Limitation || days > 1 {
            ("", c().days_left.replace("{n}", &days.to_string()))
        } else {
            ("", String::new())
        };
        let law = if d.clock.is_law() {
            c().by_law
        } else {
            c().by_promise
        };
        let paused =
            (d.paused_days > 0).then(|| c().paused_days.replace("{n}", &d.paused_days.to_string()));
        Some(view! {
            <li class=class data-clock=d.id.clone()>
                <strong>{i18n::text(&text.name)}</strong>" "<span class="tag">{law}</span>
                <p>{c().until.replace("{t}", &until)}" "{(!left.is_empty()).then(|| view! { <strong>{left}</strong> })}</p>
                <p class="quiet">{i18n::text(&text.basis)}" "{paused}</p>
            </li>
        })
    };
    let open: Vec<_> = deadlines
        .iter()
        .filter(|d| d.met.is_none())
        .filter_map(line)
        .collect();
    let late = deadlines.iter().any(|d| d.is_overdue(now())) && !state.escalated.is_empty();
    let late = late.then(|| {
        let to = format!("{path}/disagree");
        view! { <p class="note warn" id="escalated">{c().escalated}" "<a href=to>{c().complain}</a></p> }
    });
    (!open.is_empty())
        .then(|| view! { {late}<ul class="clocks" id="clocks">{open}</ul> }.into_any())
}

fn files(visit: Visit, view: &ClaimView) -> Option<AnyView> {
    let line = |(i, d): (usize, &claim_api::DocumentView)| {
        let name = history::name_of(visit, &d.document);
        let alt = format!("{} {name}", i + 1);
        let address = format!("{BASE}/claims/{}/photos/{}", view.summary.claim_no, d.id);
        let picture = match d.format {
            Format::Jpeg => view! { <img src=address alt=alt.clone() loading="lazy" /> }.into_any(),
            Format::Pdf => {
                view! { <a class="blank" href=address rel="external">"PDF"</a> }.into_any()
            }
        };
        view! { <li class="photo">{picture}<div><p><strong>{alt}</strong></p><p>"✓ "{t().photo_received}" · "{size(d.bytes)}</p><p class="quiet">{d.received_at.to_local_text()}</p></div></li> }
    };
    let files = view.documents.iter().enumerate().map(line).collect_view();
    (!view.documents.is_empty())
        .then(|| view! { <h3>{c().your_photos}</h3><ul class="photos">{files}</ul> }.into_any())
}

fn milestone(visit: Visit, lob: Lob, m: Milestone) -> AnyView {
    let (class, mark, word) = match m.state {
        MilestoneState::Done => ("done", "✓", c().state_done),
        MilestoneState::Now => ("now", "●", c().state_now),
        MilestoneState::Next => ("next", "", c().state_next),
        MilestoneState::Skipped => ("skipped", "–", c().state_skipped),
    };
    let at = m.at.map(|at| at.to_local_text());
    let by = m.actor.map(|a| history::actor(&a));
    view! {
        <li class=class data-mark=mark data-stage=m.stage.as_str() data-state=class>
            <strong>{stage_name(visit.catalogue, lob, m.stage)}</strong>" "<span class="quiet">{word}</span>
            {at.map(|at| view! { <p class="quiet">{at}{by.map(|b| format!(" · {b}"))}</p> })}
        </li>
    }
    .into_any()
}

/// For a page that only leads back.
pub fn back_to(no: &str) -> AnyView {
    button_link(format!("/claims/{no}"), c().back_to_claim, false)
}

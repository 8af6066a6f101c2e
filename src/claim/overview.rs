//! One claim: what you have to do, where it stands, what happened. New events appear without reload: events are
//! fetched by sequence number while the page is looked at, and at once when it is looked at again.

use claim_api::{ClaimView, Step, Timeline};
use claim_domain::documents::Format;
use claim_domain::lifecycle::{Actor, Claim, Event, Kind, Milestone, MilestoneState, Stage, Turn, What, milestones};
use claim_domain::{Lob, money};
use leptos::prelude::*;

use super::{Fetched, stage_name, trouble};
use crate::i18n::{self, c, t};
use crate::platform::http;
use crate::platform::{page, sleep_ms, spawn};
use crate::ui::{ErrorSummary, Errors, button_link, call, changed, click, field_wrong, live, sheet, size};
use crate::visit::Visit;

/// While the page is looked at: a verdict of staff is seen within five seconds.
const POLL_MS: u32 = 4_000;

/// `/claims/:no`
pub fn overview(visit: Visit, no: &str) -> AnyView {
    let no = no.to_owned();
    let claim: Fetched<ClaimView> = RwSignal::new(None);
    let here = format!("/claims/{no}");
    let alive = StoredValue::new(());
    spawn({
        let no = no.clone();
        async move {
            let first = http::get_whole::<ClaimView>(&format!("/api/v1/claims/{no}")).await;
            if alive.is_disposed() {
                return;
            }
            claim.set(Some(first));
            follow(&no, claim, alive).await;
        }
    });
    let content = move || match claim.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, &here),
        Some(Ok(view)) => shown(visit, claim, view),
    };
    sheet(c().claim_title, Some("/claims"), view! { <div>{live(content)}</div> }.into_any())
}

/// Fetches what is new until the page is left.
async fn follow(no: &str, claim: Fetched<ClaimView>, alive: StoredValue<()>) {
    loop {
        // While the page is hidden nothing is asked; coming back asks at once.
        let mut asleep = 0;
        while asleep < POLL_MS || !page::is_visible() {
            sleep_ms(250).await;
            if alive.is_disposed() {
                return;
            }
            asleep = if page::is_visible() { asleep + 250 } else { POLL_MS };
        }
        let Some(Some(Ok(known))) = claim.try_get_untracked() else { return };
        let after = known.events.last().map_or(0, |e| e.seq);
        let Ok(news) = http::get::<Timeline>(&format!("/api/v1/claims/{no}/timeline?after={after}")).await else { continue };
        if alive.is_disposed() {
            return;
        }
        if news.events.is_empty() {
            continue;
        }
        // Documents and requirements may have changed with the events.
        if let Ok(fresh) = http::get_whole::<ClaimView>(&format!("/api/v1/claims/{no}")).await
            && !alive.is_disposed()
        {
            claim.set(Some(Ok(fresh)));
        }
    }
}

fn shown(visit: Visit, claim: Fetched<ClaimView>, view: ClaimView) -> AnyView {
    let lob = view.summary.lob;
    let state = Claim::replay(lob, &view.events);
    let catalogue = visit.catalogue;
    let name = catalogue.incident(&view.summary.incident).map_or("", |i| i18n::text(&i.name));
    let stage = catalogue.papers.stages.get(state.stage.as_str());
    let lines = milestones(lob, &view.events).into_iter().map(|m| milestone(visit, lob, m)).collect_view();
    let history = view.events.iter().rev().map(|e| happened(visit, lob, e)).collect_view();
    let received = !view.documents.is_empty();
    let documents = view
        .documents
        .iter()
        .enumerate()
        .map(|(i, d)| {
            let name = visit.catalogue.document(&d.document).map_or_else(String::new, |x| i18n::text(&x.name).to_owned());
            let alt = format!("{} {name}", i + 1);
            let address = format!("/api/v1/claims/{}/photos/{}", view.summary.claim_no, d.id);
            let picture = match d.format {
                Format::Jpeg => view! { <img src=address alt=alt.clone() loading="lazy" /> }.into_any(),
                Format::Pdf => view! { <a class="blank" href=address rel="external">"PDF"</a> }.into_any(),
            };
            view! { <li class="photo">{picture}<div><p><strong>{alt}</strong></p><p>"✓ "{t().photo_received}" · "{size(d.bytes)}</p><p class="quiet">{d.received_at.to_local_text()}</p></div></li> }
        })
        .collect_view();
    let number = &visit.config.hotline;
    view! {
        <p class="number" id="claim-no">{view.summary.claim_no.clone()}</p>
        <p><strong>{name}</strong>" · "{view.loss_at.to_local_text()}" · "{view.summary.place.clone()}</p>
        {(!view.verified).then(|| view! { <p class="note warn">{t().unverified}</p> })}
        <section aria-labelledby="now" aria-live="polite">
            <h2 id="now">{if state.turn() == Turn::Customer { c().you_do } else { c().we_do }}</h2>
            {wanted(visit, &state, &view)}
            <p class="note" id="now-text">{stage.map(|s| i18n::text(&s.now))}</p>
            {asks(visit, claim, &state, &view)}
        </section>
        <h2>{c().progress}</h2>
        <ol class="timeline">{lines}</ol>
        {(!state.stage.is_over()).then(|| button_link(format!("/claims/{}/documents", view.summary.claim_no), c().tasks_title, false))}
        {received.then(|| view! { <h2>{c().your_photos}</h2><ul class="photos">{documents}</ul> })}
        <details open>
            <summary>{c().history}</summary>
            <ul id="history">{history}</ul>
        </details>
        <p class="quiet">{c().by_server_time}</p>
        {button_link(format!("/claims/{}/receipt", view.summary.claim_no), c().receipt_title, false)}
        {call(number, t().call_us.replace("{n}", number))}
    }
    .into_any()
}

fn milestone(visit: Visit, lob: Lob, m: Milestone) -> AnyView {
    let (class, mark, word) = match m.state {
        MilestoneState::Done => ("done", "✓", c().state_done),
        MilestoneState::Now => ("now", "●", c().state_now),
        MilestoneState::Next => ("next", "", c().state_next),
        MilestoneState::Skipped => ("skipped", "–", c().state_skipped),
    };
    let at = m.at.map(|at| at.to_local_text());
    let by = m.actor.map(|a| actor(&a));
    view! {
        <li class=class data-mark=mark data-stage=m.stage.as_str() data-state=class>
            <strong>{stage_name(visit.catalogue, lob, m.stage)}</strong>" "<span class="quiet">{word}</span>
            {at.map(|at| view! { <p class="quiet">{at}{by.map(|b| format!(" · {b}"))}</p> })}
        </li>
    }
    .into_any()
}

fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Customer => c().actor_you.into(),
        Actor::System => c().actor_system.into(),
        Actor::Staff { name, .. } => name.clone(),
    }
}

fn happened(visit: Visit, lob: Lob, event: &Event) -> AnyView {
    let stage = |s: Stage| stage_name(visit.catalogue, lob, s).to_owned();
    let text = match &event.what {
        What::Reported { .. } => stage(Stage::Reported),
        What::Registered { handler } => c().ev_registered.replace("{who}", handler),
        What::NotAccepted { text, next_step, .. } => format!("{}：{text} {next_step}", stage(Stage::NotAccepted)),
        What::SurveyStarted { on_site, surveyor } => {
            (if *on_site { c().ev_survey_site } else { c().ev_survey_self }).replace("{who}", surveyor)
        }
        What::SurveyReported { report } => c().ev_survey_done.replace("{text}", report),
        What::Assessed { total_fen, .. } => c().ev_assessed.replace("{sum}", &money::show(*total_fen)),
        What::AssessmentAccepted { .. } => c().ev_accepted.into(),
        What::AssessmentObjected { reason, .. } => c().ev_objected.replace("{text}", reason),
        What::Approved { amount_fen, basis } => c().ev_approved.replace("{sum}", &money::show(*amount_fen)).replace("{text}", basis),
        What::Rejected { clause, facts } => c().ev_rejected.replace("{clause}", clause).replace("{text}", facts),
        What::PaymentOrdered { .. } => stage(Stage::Paying),
        What::PaymentFailed { reason } => format!("{}：{reason}", stage(Stage::PaymentFailed)),
        What::Paid { amount_fen, reference } => c().ev_paid.replace("{sum}", &money::show(*amount_fen)).replace("{text}", reference),
        What::Closed => stage(Stage::Closed),
        What::Withdrawn { reason } => format!("{}：{reason}", stage(Stage::Withdrawn)),
        What::DocumentReceived { document, bytes, .. } => {
            c().ev_document.replace("{name}", name_of(visit, document)).replace("{size}", &size(*bytes))
        }
        What::SupplementAsked { documents, reason, until, .. } => {
            let names: Vec<&str> = documents.iter().map(|d| name_of(visit, d)).collect();
            let text = c().ev_supplement.replace("{names}", &names.join(t().comma)).replace("{text}", reason);
            text.replace("{day}", &until.to_string())
        }
        What::SupplementExcused { document, reason } => format!("{}{}：{reason}", c().task_unavailable, name_of(visit, document)),
        What::DocumentJudged { document, accepted, reason } => {
            let word = if *accepted { c().task_accepted } else { c().task_resend };
            format!("{}：{word} {reason}", name_of(visit, document))
        }
        What::Requested { .. } => c().requested.into(),
    };
    view! { <li><span class="quiet">{event.at.to_local_text()}" · "{actor(&event.actor)}</span><br/>{text}</li> }.into_any()
}

pub(super) fn name_of(visit: Visit, document: &str) -> &'static str {
    visit.catalogue.document(document).map_or("", |d| i18n::text(&d.name))
}

/// What is missing by the insurer's word: one list, who asked, why, until when; and what was sent back.
fn wanted(visit: Visit, state: &Claim, view: &ClaimView) -> Option<AnyView> {
    let link = |document: &str| {
        let address = format!("/claims/{}/documents/{document}", view.summary.claim_no);
        view! { <a href=address>{name_of(visit, document)}</a> }
    };
    let supplement = state.supplement.as_ref().map(|s| {
        let list = s.wanted.iter().map(|d| view! { <li>{link(d)}</li> }).collect_view();
        view! {
            <h3>{c().supplement_title}</h3>
            <ul>{list}</ul>
            <p>{actor(&s.by)}"："{s.reason.clone()}</p>
            <p><strong>{c().supplement_until.replace("{day}", &s.until.to_string())}</strong></p>
            <p class="quiet">{c().supplement_pause}</p>
        }
    });
    let back = state.verdicts.iter().filter(|v| !v.accepted);
    let back =
        back.map(|v| view! { <p>{link(&v.document)}" · "<strong>{c().task_resend}</strong>"："{v.reason.clone()}</p> }).collect_view();
    (state.turn() == Turn::Customer && !(state.supplement.is_none() && state.verdicts.iter().all(|v| v.accepted)))
        .then(|| view! { <div class="note warn" id="supplement">{supplement}{back}</div> }.into_any())
}

/// What the customer can do now: answer the assessment, or withdraw.
fn asks(visit: Visit, claim: Fetched<ClaimView>, state: &Claim, view: &ClaimView) -> AnyView {
    let errors: Errors = RwSignal::new(Vec::new());
    let reason = RwSignal::new(String::new());
    let no = StoredValue::new(view.summary.claim_no.clone());
    let said = RwSignal::new(None::<String>);
    let take = move |what: What| {
        errors.set(Vec::new());
        said.set(None);
        spawn(async move {
            let no = no.get_value();
            match http::post::<Event>(&format!("/api/v1/claims/{no}/steps"), &Step { what }).await {
                Ok(_) => {
                    if let Ok(fresh) = http::get_whole::<ClaimView>(&format!("/api/v1/claims/{no}")).await {
                        claim.set(Some(Ok(fresh)));
                    }
                }
                Err(http::CallError::Problem(problem)) if !problem.errors.is_empty() => errors.set(problem.errors),
                Err(error) => said.set(Some(i18n::error(visit.catalogue, error.code()).to_owned())),
            }
        });
    };
    let allowed = state.allowed(&Actor::Customer);
    let assessment = view.events.iter().rev().find_map(|e| match &e.what {
        What::Assessed { version, lines, total_fen } if allowed.contains(&Kind::AssessmentAccepted) => {
            Some((*version, lines.clone(), *total_fen))
        }
        _ => None,
    });
    let reason_field = move |label: &'static str| {
        view! {
            <label class="label" for="reason">{label}</label>
            {field_wrong(visit, errors, "/reason", None)}
            <textarea class="input" id="reason" prop:value=move || page::Typed(reason.get()) on:input=changed(move |e| reason.set(page::value_of(&e)))></textarea>
        }
    };
    let has_assessment = assessment.is_some();
    let answer = assessment.map(|(version, lines, total)| {
        let rows = lines.into_iter().map(|l| view! { <tr><td>{l.name}</td><td>{money::show(l.fen)}</td></tr> }).collect_view();
        view! {
            <table>
                <thead><tr><th scope="col">{c().item}</th><th scope="col">{c().amount}</th></tr></thead>
                <tbody>{rows}<tr><td><strong>{c().total}</strong></td><td><strong>{money::show(total)}</strong></td></tr></tbody>
            </table>
            <button class="weui-btn weui-btn_primary" type="button" id="accept" on:click=click(move |_| take(What::AssessmentAccepted { version, by_phone: false }))>{c().accept}</button>
            <details>
                <summary>{c().object}</summary>
                {reason_field(c().object_reason)}
                <button class="weui-btn weui-btn_default" type="button" id="object" on:click=click(move |_| take(What::AssessmentObjected { version, reason: reason.get_untracked() }))>{c().object_send}</button>
            </details>
        }
    });
    // One reason field on the page at a time: while an assessment waits for an answer, withdrawing waits too.
    let withdraw = (allowed.contains(&Kind::Withdrawn) && !has_assessment).then(|| {
        view! {
            <details>
                <summary>{c().withdraw}</summary>
                <p>{c().withdraw_hint}</p>
                {reason_field(c().withdraw_reason)}
                <button class="weui-btn weui-btn_default" type="button" id="withdraw" on:click=click(move |_| take(What::Withdrawn { reason: reason.get_untracked() }))>{c().withdraw}</button>
            </details>
        }
    });
    view! {
        <ErrorSummary visit errors />
        {live(move || said.get().map(|text| view! { <p class="note warn" role="alert">{text}</p> }))}
        {answer}
        {withdraw}
    }
    .into_any()
}

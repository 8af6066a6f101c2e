//! Opened from the insurer's own menu: policy, time and place are filled in, and the page shows
//! whose report it is. One page, then the number; the tap that sends also signs in.

use claim_api::{Launch, LaunchTicket, Launched, SessionView};
use claim_domain::draft::{Command, Draft, KnownPolicy, Step};
use claim_domain::notice::Point;
use claim_domain::safety::{Road, Special};
use leptos::ev;
use leptos::prelude::*;

use super::{Fetched, trouble};
use crate::i18n::{c, t};
use crate::journey;
use crate::platform::http::{self, CallError};
use crate::platform::{address, host, new_id, now, sleep_ms, spawn};
use crate::session::Session;
use crate::ui::{ErrorSummary, Errors, button_link, click, live, primary, sheet};

/// What this page asks, in this order.
const ASKED: [Step; 3] = [Step::Safety, Step::Event, Step::Check];

/// `/launch#token`
pub fn launch(session: Session) -> AnyView {
    let Some(token) = address::secret() else {
        return sheet(
            c().launch,
            Some("/"),
            button_link("/report".into(), t().report, true),
        );
    };
    if session.is_unanswered() {
        let content = view! { <p class="note warn">{t().sending}</p>{button_link("/report/done".into(), t().see_report, true)} };
        return sheet(c().launch, None, content.into_any());
    }
    let launched: Fetched<Launched> = RwSignal::new(None);
    let open = move || {
        let token = token.clone();
        spawn(async move {
            let outcome = http::post::<Launched>("/api/v1/launch", &Launch { token }).await;
            launched.try_set(Some(outcome));
        });
    };
    // A draft begun here must not go to the person the link names.
    let fresh = RwSignal::new(session.draft.with_untracked(Draft::is_empty));
    if fresh.get_untracked() {
        open();
    }
    let begin = Callback::new(move |()| {
        session.draft.set(Draft::new(new_id()));
        fresh.set(true);
        open();
    });
    let content = move || {
        match (fresh.get(), launched.get()) {
        (false, _) => view! {
            <p class="note warn">{c().launch_unfinished}</p>
            {button_link("/report".into(), t().go_on, true)}
            <button class="weui-btn weui-btn_default" type="button" id="launch-new" on:click=click(move |_| begin.run(()))>{c().launch_new}</button>
        }
        .into_any(),
        (true, None) => view! { <p role="status">{c().loading}</p> }.into_any(),
        (true, Some(Err(error))) => {
            view! { {trouble(session.visit, &error, "/report")}{button_link("/report".into(), t().report, true)} }.into_any()
        }
        (true, Some(Ok(launched))) => untrack(|| confirm(session, &launched)),
    }
    };
    sheet(
        c().launch,
        None,
        view! { <div>{live(content)}</div> }.into_any(),
    )
}

/// Signs in before doing what the tap asked for.
async fn sign_in(session: Session, ticket: String, failed: RwSignal<Option<CallError>>) -> bool {
    match http::put::<SessionView>("/api/v1/launch", &LaunchTicket { ticket }).await {
        Ok(who) => {
            session.visit.who.set(Some(who));
            true
        }
        Err(error) => {
            failed.try_set(Some(error));
            false
        }
    }
}

fn confirm(session: Session, launched: &Launched) -> AnyView {
    let errors: Errors = RwSignal::new(Vec::new());
    let (ticket, failed) = (
        StoredValue::new(launched.ticket.clone()),
        RwSignal::new(None::<CallError>),
    );
    let said = live(move || {
        failed
            .get()
            .map(|error| trouble(session.visit, &error, "/report"))
    });
    let phone = launched.who.phone.clone().unwrap_or_default();
    // Nothing about the person the link names stays in the report.
    let other = move |_| {
        session.draft.set(Draft::new(new_id()));
        address::replace("/report");
    };
    let whose = move |title: Option<String>| {
        let policy =
            title.map(|title| view! { <p>{t().your_policy}" "<strong>{title}</strong></p> });
        view! {
            <div class="note">
                <p>{c().launch_as.replace("{n}", &phone)}</p>
                {policy}
                <button class="link" type="button" id="launch-other" on:click=click(other)>{c().launch_other}</button>
            </div>
        }
    };
    let policies = &launched.who.policies;
    let chosen = policies
        .iter()
        .find(|p| Some(&p.id) == launched.policy.as_ref())
        .or(policies.first().filter(|_| policies.len() == 1));
    let Some(chosen) = chosen else {
        // No policy in force, or several: the full questionnaire asks.
        let go_on = move |_| {
            spawn(async move {
                if sign_in(session, ticket.get_value(), failed).await {
                    address::replace("/report");
                }
            });
        };
        return view! {
            {whose(None)}
            {said}
            <button class="weui-btn weui-btn_primary" type="button" id="launch-in" on:click=click(go_on)>{c().launch_in}</button>
        }
        .into_any();
    };
    let (policy, title) = (
        KnownPolicy {
            id: chosen.id.clone(),
            title: chosen.title.clone(),
            lob: chosen.lob,
        },
        chosen.title.clone(),
    );
    session.answer(|a| {
        a.role = "insured".into();
        a.loss_at = Some(now());
        a.policy = Some(policy);
    });
    // The browser asks for permission itself; whoever declines types the place.
    spawn(async move {
        if let Some((lat_e6, lon_e6)) = host::locate().await {
            session.answer(|a| a.point = Some(Point { lat_e6, lon_e6 }));
        }
    });
    let send = move |event: ev::SubmitEvent| {
        event.prevent_default();
        // Nobody hurt: the roadside questions only lead to safety advice, which the menu it was
        // opened from has already given.
        session.answer(|a| {
            if a.scene.injured == Some(false) && a.scene.road.is_none() {
                (a.scene.road, a.scene.special) = (Some(Road::NoRoad), Some(Special::None));
            }
        });
        let found = |step| {
            session
                .draft
                .with_untracked(|d| d.errors(step, session.catalogue, now()))
        };
        errors.set(ASKED.into_iter().flat_map(found).collect());
        if errors.with_untracked(|e| !e.is_empty()) || session.is_unanswered() {
            return;
        }
        spawn(async move {
            if !sign_in(session, ticket.get_value(), failed).await || session.is_unanswered() {
                return;
            }
            ASKED
                .into_iter()
                .for_each(|step| session.say(Command::Pass(step)));
            session.submit();
            // Must be on disk before the report's page loads and continues sending.
            while !session
                .newest(claim_api::outbox::Outbox::is_written)
                .unwrap_or_default()
            {
                sleep_ms(20).await;
            }
            address::replace("/report/done");
        });
    };
    let located = Memo::new(move |_| session.draft.with(|d| d.answers.point.is_some()));
    view! {
        <ErrorSummary visit=session.visit errors />
        <form novalidate on:submit=send>
            {whose(Some(title))}
            {journey::question(session, Step::Safety, errors).1}
            {journey::question(session, Step::Event, errors).1}
            {live(move || {
                located.get();
                untrack(|| journey::consents(session, errors))
            })}
            <p class="quiet">{t().send_hint}</p>
            {said}
            {primary(t().send)}
        </form>
    }
    .into_any()
}

//! After the report: my claims, one claim with its timeline, signing in, advice.

mod action;
mod decision;
mod disagree;
mod documents;
mod handoff;
mod history;
mod keepsake;
mod launch;
mod letter;
mod login;
mod messages;
mod overview;
mod payees;
mod policies;
mod receipt;
mod records;
mod request;
mod todo;
mod viewfinder;

use claim_api::ClaimSummary;
use claim_domain::catalog::Phase;
use claim_domain::lifecycle::{Stage, Turn};
use claim_domain::{Catalogue, Lob};
use leptos::prelude::*;

use crate::i18n::{self, c, t};
use crate::platform::http::{self, CallError};
use crate::platform::spawn;
use crate::session::Session;
use crate::ui::{button_link, call, click, live, sheet};
use crate::visit::Visit;

pub use disagree::disagree;
pub use documents::{document, questions, tasks};
pub use handoff::handoff;
pub use launch::launch;
pub use letter::letter;
pub use login::login;
pub use messages::messages;
pub use overview::overview;
pub use payees::payees;
pub use policies::policies;
pub use receipt::{receipt, verify};
pub use records::records;
pub use request::request;

/// A server request: pending, answered or failed.
type Fetched<T> = RwSignal<Option<Result<T, CallError>>>;

/// The name of a stage for this line of business.
fn stage_name(catalogue: &'static Catalogue, lob: Lob, stage: Stage) -> &'static str {
    catalogue.papers.stages.get(stage.as_str()).map_or("", |s| {
        i18n::text(
            s.health
                .as_ref()
                .filter(|_| !lob.is_surveyed())
                .unwrap_or(&s.name),
        )
    })
}

/// A line of business.
fn lob_name(lob: Lob) -> &'static str {
    match lob {
        Lob::Motor => c().lob_motor,
        Lob::Health => c().lob_health,
        Lob::Home => c().lob_home,
        Lob::Life => c().lob_life,
        Lob::Travel => c().lob_travel,
        Lob::Ebike => c().lob_ebike,
        Lob::Liability => c().lob_liability,
        Lob::Business => c().lob_business,
    }
}

/// A failed call, with what to do about it.
fn trouble(visit: Visit, error: &CallError, here: &str) -> AnyView {
    let text = i18n::error(visit.catalogue, error.code());
    let sign_in = (error.code() == "session-expired")
        .then(|| button_link(format!("/login?next={here}"), t().sign_in, true));
    view! { <p class="note warn" role="alert">{text}</p>{sign_in} }.into_any()
}

/// `/claims`: claims that wait for me come first.
pub fn list(session: Session) -> AnyView {
    let visit = session.visit;
    let claims: Fetched<Vec<ClaimSummary>> = RwSignal::new(None);
    spawn(async move {
        claims.set(Some(http::get("/api/v1/claims").await));
        let _ = visit.refresh().await;
    });
    let card = move |claim: ClaimSummary| {
        let name = visit
            .catalogue
            .incident(&claim.incident)
            .map_or("", |i| i18n::text(&i.name));
        let address = format!("/claims/{}", claim.claim_no);
        let tag = (claim.turn == Turn::Customer)
            .then(|| view! { <span class="tag you">{c().your_turn}</span> });
        view! {
            <li><a class="card" href=address>
                <strong>{name}</strong>" "<span class="tag">{stage_name(visit.catalogue, claim.lob, claim.stage)}</span>" "{tag}
                <p>{claim.claim_no}</p>
                <p class="quiet">{claim.reported_at.to_local_text()}" · "{claim.place}</p>
            </a></li>
        }
    };
    let content = move || match claims.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, "/claims"),
        Some(Ok(claims)) if claims.is_empty() => {
            view! { <p>{c().no_claims}</p>{button_link("/report".into(), t().report, true)} }
                .into_any()
        }
        Some(Ok(claims)) => {
            view! { <ul class="cards">{claims.into_iter().map(card).collect_view()}</ul> }
                .into_any()
        }
    };
    let signed_in = move || visit.who.with(|w| w.as_ref().is_some_and(|w| w.signed_in));
    let leave = move |_| {
        spawn(async move {
            session.sign_out().await;
            documents::forget();
            claims.set(Some(http::get("/api/v1/claims").await));
        });
    };
    let out = move || {
        signed_in().then(|| view! { <button class="chip" type="button" on:click=click(leave)>{c().sign_out}</button> })
    };
    let policies =
        move || signed_in().then(|| button_link("/claims/policies".into(), c().my_policies, false));
    sheet(
        c().my_claims,
        Some("/"),
        view! { <div>{live(content)}</div>{live(policies)}{live(out)}{handoff::scanner()} }
            .into_any(),
    )
}

/// `/help`: what is covered, what is needed, how long it takes, your rights. Works without login
/// and offline.
pub fn help(visit: Visit) -> AnyView {
    let catalogue = visit.catalogue;
    let papers = |lob: Lob| {
        let incident = catalogue
            .incidents
            .iter()
            .find(|i| i.lob == lob)
            .map_or_else(String::new, |i| i.id.clone());
        let facts = claim_domain::catalog::Facts {
            incident,
            ..Default::default()
        };
        let needed = catalogue
            .requirements(&facts)
            .into_iter()
            .filter(|s| s.required && s.phase != Phase::Notice);
        needed
            .map(|s| view! { <li>{i18n::text(&s.name).to_owned()}<span class="quiet">" · "{i18n::text(&s.basis).to_owned()}</span></li> })
            .collect_view()
    };
    let covered = |lob: Lob| {
        catalogue
            .incidents
            .iter()
            .filter(|i| i.lob == lob)
            .map(|i| view! { <li>{i18n::text(&i.name)}<span class="quiet">" · "{i18n::text(&i.hint)}</span></li> })
            .collect_view()
    };
    let promises = &visit.config.promises;
    let times = [
        c().next_contact_help
            .replace("{n}", &promises.contact_hours.to_string()),
        t().next_decision
            .replace("{n}", &promises.determination_days.to_string()),
        t().next_payment
            .replace("{n}", &promises.payment_days.to_string()),
    ];
    let section = |lob: Lob| {
        view! {
            <details>
                <summary>{lob_name(lob)}</summary>
                <h2>{c().help_covered}</h2><ul>{covered(lob)}</ul>
                <h2>{c().help_papers}</h2><p>{t().papers_hint}</p><ul>{papers(lob)}</ul>
            </details>
        }
    };
    let number = &visit.config.hotline;
    let content = view! {
        <p>{c().help_intro}</p>
        {Lob::ALL.iter().copied().map(section).collect_view()}
        <h2>{c().help_time}</h2>
        <ul>{times.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
        <h2>{c().help_rights}</h2>
        <ul>{c().rights.split('\n').map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
        {button_link("/report".into(), t().report, true)}
        {call(number, t().call_us.replace("{n}", number))}
    };
    sheet(c().help_title, Some("/"), content.into_any())
}

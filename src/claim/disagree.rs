//! 不同意这个结果: the five ways to disagree, from asking us again to going to court, each with
//! what to prepare. A review and a complaint start here.

use claim_api::{BASE, ClaimView};
use claim_domain::catalog::Rung;
use claim_domain::lifecycle::{Actor, Claim, EventKind, StepKind};
use leptos::prelude::*;

use super::action::ClaimAction;
use super::overview::back_to;
use super::{Fetched, trouble};
use crate::i18n::{self, c};
use crate::platform::{address, http, spawn};
use crate::ui::{call, click, live, sheet};
use crate::visit::Visit;

/// `/claims/:no/disagree`
pub fn disagree(visit: Visit, no: &str) -> AnyView {
    let claim: Fetched<ClaimView> = RwSignal::new(None);
    let (path, here, back) = (
        format!("{BASE}/claims/{no}"),
        address::path().get_untracked(),
        format!("/claims/{no}"),
    );
    spawn(async move { drop(claim.try_set(Some(http::get_whole(&path).await))) });
    let content = move || match claim.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, &here),
        Some(Ok(view)) => untrack(|| ways(visit, &view)),
    };
    sheet(
        c().disagree,
        Some(&back),
        view! { <div>{live(content)}</div> }.into_any(),
    )
}

fn ways(visit: Visit, view: &ClaimView) -> AnyView {
    let state = Claim::replay(view.summary.lob, &view.events);
    let allowed = state.allowed(&Actor::Customer);
    let no = view.summary.claim_no.clone();
    let deed = ClaimAction::new(visit, &no);
    let rung = |rung: &'static Rung| {
        let form = match rung.id.as_str() {
            "review" if allowed.contains(&StepKind::ReviewAsked) => {
                Some(review(deed.of("/review"), &no))
            }
            "complain" if allowed.contains(&StepKind::ComplaintFiled) => {
                Some(complaint(deed.of("/complaint"), &no))
            }
            _ => None,
        };
        let open = match rung.id.as_str() {
            "review" => state.review().map(|_| c().review_open.to_owned()),
            "complain" => state
                .complaint()
                .map(|x| c().complaint_open.replace("{n}", &x.number)),
            _ => None,
        };
        let phone = (!rung.phone.is_empty())
            .then(|| call(&rung.phone, c().call_number.replace("{n}", &rung.phone)));
        let id = format!("way-{}", rung.id);
        view! {
            <section id=id class="way">
                <h2>{i18n::text(&rung.name)}</h2>
                <p>{i18n::text(&rung.what)}</p>
                <p class="quiet">{i18n::text(&rung.prepare)}</p>
                {open.map(|text| view! { <p class="note" role="status">{text}</p> })}
                {form}
                {phone}
            </section>
        }
    };
    let rungs = visit
        .catalogue
        .papers
        .after
        .ladder
        .iter()
        .map(rung)
        .collect_view();
    view! { {deed.trouble()}<p>{c().disagree_hint}</p>{rungs}{back_to(&no)} }.into_any()
}

fn review(deed: ClaimAction, no: &str) -> AnyView {
    let (reason, wish) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let back = StoredValue::new(format!("/claims/{no}"));
    let send = move |_| {
        let what = EventKind::ReviewAsked {
            reason: reason.get_untracked(),
            wish: wish.get_untracked(),
        };
        deed.take(what, move || address::go(&back.get_value()));
    };
    view! {
        {deed.area("/review/reason", c().review_reason, reason)}
        {deed.area("/review/wish", c().wish, wish)}
        <button class="weui-btn weui-btn_primary" type="button" id="ask-review" on:click=click(send)>{c().review_send}</button>
    }
    .into_any()
}

fn complaint(deed: ClaimAction, no: &str) -> AnyView {
    let (about, wish) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let back = StoredValue::new(format!("/claims/{no}"));
    let send = move |_| {
        // The server fills in number and owner.
        let what = EventKind::ComplaintFiled {
            number: String::new(),
            about: about.get_untracked(),
            wish: wish.get_untracked(),
            owner: String::new(),
        };
        deed.take(what, move || address::go(&back.get_value()));
    };
    view! {
        {deed.area("/complaint/about", c().complaint_about, about)}
        {deed.area("/complaint/wish", c().wish, wish)}
        <button class="weui-btn weui-btn_primary" type="button" id="file-complaint" on:click=click(send)>{c().complaint_send}</button>
    }
    .into_any()
}

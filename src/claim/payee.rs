//! 收款账户: who gets the money. Checked while it is typed in, shown afterwards by its last four digits only.

use claim_api::{BASE, ClaimView, Payee};
use claim_domain::lifecycle::Claim;
use claim_domain::lifecycle::Event;
use leptos::prelude::*;

use super::deed::Deed;
use super::{Fetched, trouble};
use crate::i18n::c;
use crate::platform::{address, http, spawn};
use crate::ui::{changed, click, live, sheet};
use crate::visit::Visit;

/// `/claims/:no/payee`
pub fn payee(visit: Visit, no: &str) -> AnyView {
    let claim: Fetched<ClaimView> = RwSignal::new(None);
    let (path, here, back) = (format!("{BASE}/claims/{no}"), address::path().get_untracked(), format!("/claims/{no}"));
    spawn(async move { drop(claim.try_set(Some(http::get_whole(&path).await))) });
    let content = move || match claim.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(Err(error)) => trouble(visit, &error, &here),
        Some(Ok(view)) => untrack(|| form(visit, &view)),
    };
    sheet(c().payee, Some(&back), view! { <div>{live(content)}</div> }.into_any())
}

fn form(visit: Visit, view: &ClaimView) -> AnyView {
    let no = view.summary.claim_no.clone();
    let deed = Deed::new(visit, &no);
    let state = Claim::replay(view.summary.lob, &view.events);
    let other = RwSignal::new(false);
    let (holder, card, relation) =
        (RwSignal::new(view.insured.clone().unwrap_or_default()), RwSignal::new(String::new()), RwSignal::new(String::new()));
    let known = state.payee.as_ref().map(|(holder, last4)| {
        view! { <p class="note">{c().payee_known.replace("{who}", holder).replace("{n}", last4)}</p> }
    });
    let send = move |_| {
        let relation = if other.get_untracked() { relation.get_untracked() } else { String::new() };
        let payee = Payee { holder: holder.get_untracked(), card: card.get_untracked(), relation };
        let (path, back) = (format!("{BASE}/claims/{no}/payee"), format!("/claims/{no}"));
        deed.call(async move { http::put::<Event>(&path, &payee).await.map(drop) }, move || address::go(&back));
    };
    let more = move || {
        other.get().then(
            || view! { {deed.line("/relation", c().payee_relation, "text", "off", relation)}<p class="quiet">{c().payee_other_hint}</p> },
        )
    };
    view! {
        {deed.trouble()}
        {known}
        <p>{c().payee_hint}</p>
        {deed.line("/holder", c().payee_holder, "text", "name", holder)}
        {deed.line("/card", c().payee_card, "numeric", "off", card)}
        <div class="choices"><label class="choice">
            <input type="checkbox" id="payee-other" prop:checked=other on:change=changed(move |_| other.update(|o| *o = !*o)) />
            <span>{c().payee_other}</span>
        </label></div>
        <div>{live(more)}</div>
        <button class="weui-btn weui-btn_primary" type="button" id="save-payee" on:click=click(send)>{c().payee_save}</button>
    }
    .into_any()
}

//! 我的资料: the whole file to take along, links for others who are waiting, corrections of name
//! and phone, message settings.

use claim_api::{BASE, ClaimView, Correction, Preferences, Share};
use claim_domain::lifecycle::{Claim, Event};
use leptos::prelude::*;
use serde::Deserialize;

use super::action::ClaimAction;
use super::{Fetched, trouble};
use crate::i18n::{self, c, t};
use crate::platform::host::{self, Shared};
use crate::platform::{address, http, page, spawn};
use crate::ui::{changed, click, live, sheet};
use crate::visit::Visit;

/// `/claims/:no/records`
pub fn records(visit: Visit, no: &str) -> AnyView {
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
        Some(Ok(view)) => untrack(|| {
            let no = view.summary.claim_no.clone();
            let file = format!("{BASE}/claims/{no}/file");
            let deed = ClaimAction::new(visit, &no);
            view! {
                {deed.trouble()}
                <h2>{c().whole_file}</h2>
                <p>{c().whole_file_hint}</p>
                <a class="weui-btn weui-btn_primary" id="whole-file" rel="external" download="" href=file>{c().whole_file_get}</a>
                {signed_form(&view)}
                {sharing(deed, &no)}
                {view.own_report.then(|| correction(deed, &view))}
                {consents(visit, deed, &view)}
                {preferences(deed)}
                <h2>{c().about_me}</h2>
                <p>{c().about_me_hint}</p>
                <a class="weui-btn weui-btn_default" id="about-me" rel="external" download="me.json" href=format!("{BASE}/me")>{c().about_me_get}</a>
                {erasure(deed)}
            }
            .into_any()
        }),
    };
    sheet(
        c().records,
        Some(&back),
        view! { <div>{live(content)}</div> }.into_any(),
    )
}

/// Returns the signed form.
fn signed_form(view: &ClaimView) -> Option<AnyView> {
    let signed = Claim::replay(view.summary.lob, &view.events)
        .requested_at
        .is_some();
    let to = format!("{BASE}/claims/{}/form", view.summary.claim_no);
    signed.then(|| {
        view! { <p><a id="signed-form" rel="external" href=to>{c().signed_form}</a></p> }.into_any()
    })
}

/// Every consent given with the report, and how to withdraw it (个人信息保护法第十五条).
fn consents(visit: Visit, deed: ClaimAction, view: &ClaimView) -> AnyView {
    let withdrawn = RwSignal::new(Claim::replay(view.summary.lob, &view.events).withdrawn_consents);
    let no = StoredValue::new(view.summary.claim_no.clone());
    let line = move |id: String| {
        let label = visit
            .catalogue
            .consents
            .iter()
            .find(|x| x.id == id)
            .map_or("", |x| i18n::text(&x.label));
        let button = move || {
            let mine = id.clone();
            if withdrawn.with(|w| w.contains(&id)) {
                return view! { <span class="tag">{c().consent_withdrawn}</span> }.into_any();
            }
            let take = move |_| {
                let path = format!("{BASE}/claims/{}/consents/{mine}", no.get_value());
                let done = mine.clone();
                deed.call(
                    async move { http::delete_for::<Event>(&path).await.map(drop) },
                    move || {
                        withdrawn.update(|w| {
                            w.insert(done);
                        })
                    },
                );
            };
            view! { <button class="chip" type="button" data-consent=id.clone() on:click=click(take)>{c().consent_withdraw}</button> }
                .into_any()
        };
        view! { <li><span>{label}</span>" "{live(button)}</li> }
    };
    let lines = view
        .notice
        .consents
        .iter()
        .map(|given| line(given.id.clone()))
        .collect_view();
    view! { <h2>{c().consents_title}</h2><p class="quiet">{c().consent_hint}</p><ul id="consents">{lines}</ul> }.into_any()
}

/// Erases what may be erased; what the law requires us to keep is locked.
fn erasure(deed: ClaimAction) -> AnyView {
    let done = RwSignal::new(None::<Erased>);
    let erase = move |_| {
        deed.call(
            async move {
                http::delete_for::<Erased>(&format!("{BASE}/me"))
                    .await
                    .map(|e| drop(done.try_set(Some(e))))
            },
            || {},
        );
    };
    let said = move || {
        done.get().map(|e| {
            let text = c()
                .erased
                .replace("{n}", &e.erased.to_string())
                .replace("{m}", &e.locked.len().to_string());
            let kept = e
                .locked
                .into_iter()
                .map(|l| view! { <li>{l.claim_no}" · "{l.law}" · "{l.until}</li> })
                .collect_view();
            view! { <p>{text.replace("{k}", &e.open.len().to_string())}</p><ul>{kept}</ul> }
        })
    };
    view! {
        <h2>{c().erase_title}</h2>
        <p>{c().erase_hint}</p>
        <button class="weui-btn weui-btn_default" type="button" id="erase" on:click=click(erase)>{c().erase}</button>
        <div role="status" id="erased">{live(said)}</div>
    }
    .into_any()
}

#[derive(Clone, Deserialize)]
struct Erased {
    erased: u64,
    locked: Vec<Kept>,
    open: Vec<String>,
}

#[derive(Clone, Deserialize)]
struct Kept {
    claim_no: String,
    until: String,
    law: String,
}

/// A link that shows the progress and nothing else.
fn sharing(deed: ClaimAction, no: &str) -> AnyView {
    let (link, open, copied) = (
        RwSignal::new(None::<Share>),
        RwSignal::new(0usize),
        RwSignal::new(false),
    );
    let in_menu = RwSignal::new(false);
    let path = StoredValue::new(format!("{BASE}/claims/{no}/shares"));
    let count = move || {
        spawn(async move {
            if let Ok(shares) = http::get_whole::<Vec<Share>>(&path.get_value()).await {
                open.try_set(shares.len());
            }
        });
    };
    count();
    let make = move |_| {
        deed.call(
            async move {
                http::post::<Share>(&path.get_value(), &())
                    .await
                    .map(|share| drop(link.try_set(Some(share))))
            },
            count,
        );
    };
    let revoke = move |_| {
        deed.call(
            async move { http::delete(&path.get_value()).await },
            move || {
                link.set(None);
                count();
            },
        );
    };
    let shown = move || {
        link.get().map(|share| {
            let address = format!("{}{}", page::origin(), share.path);
            let send = {
                let address = address.clone();
                move |_| {
                    let address = address.clone();
                    spawn(async move { in_menu.set(host::share(c().share, &address).await == Shared::InMenu) });
                }
            };
            let copy = {
                let address = address.clone();
                move |_| {
                    let address = address.clone();
                    spawn(async move { copied.set(page::copy(&address).await) });
                }
            };
            view! {
                <p class="exact" id="share-link">{address}</p>
                <p class="quiet">{c().share_until.replace("{t}", &share.expires_at.to_local_text())}</p>
                <div class="row"><button class="chip" type="button" id="share-send" data-from="share" on:click=click(send)>{c().share_send}</button><button class="chip" type="button" on:click=click(copy)>{c().share_copy}</button><span role="status">{live(move || copied.get().then_some(t().copied))}</span></div>
                <p role="status">{live(move || in_menu.get().then_some(c().share_menu))}</p>
            }
        })
    };
    let many = move || {
        let n = open.get();
        (n > 0).then(|| {
            view! {
                <p>{c().share_open.replace("{n}", &n.to_string())}</p>
                <button class="weui-btn weui-btn_default" type="button" id="share-revoke" on:click=click(revoke)>{c().share_revoke}</button>
            }
        })
    };
    view! {
        <h2>{c().share}</h2>
        <p>{c().share_hint}</p>
        <button class="weui-btn weui-btn_primary" type="button" id="share-make" on:click=click(make)>{c().share_make}</button>
        <div>{live(shown)}</div>
        <div>{live(many)}</div>
    }
    .into_any()
}

fn correction(deed: ClaimAction, view: &ClaimView) -> AnyView {
    let no = view.summary.claim_no.clone();
    let (name, phone) = (
        RwSignal::new(view.notice.reporter.name.clone()),
        RwSignal::new(view.notice.reporter.phone.clone()),
    );
    let saved = RwSignal::new(false);
    let send = move |_| {
        saved.set(false);
        let path = format!("{BASE}/claims/{no}/reporter");
        let correction = Correction {
            name: name.get_untracked(),
            phone: phone.get_untracked(),
        };
        deed.call(
            async move { http::put::<Event>(&path, &correction).await.map(drop) },
            move || saved.set(true),
        );
    };
    view! {
        <h2>{c().correct}</h2>
        {deed.line("/name", c().correct_name, "text", "name", name)}
        {deed.line("/phone", c().correct_phone, "tel", "tel", phone)}
        <button class="weui-btn weui-btn_default" type="button" id="correct" on:click=click(send)>{c().correct_save}</button>
        <p role="status">{live(move || saved.get().then_some(c().saved))}</p>
    }
    .into_any()
}

fn preferences(deed: ClaimAction) -> AnyView {
    let wants = RwSignal::new(None::<Preferences>);
    let path = format!("{BASE}/preferences");
    let fetch = path.clone();
    spawn(async move { drop(wants.try_set(http::get_whole(&fetch).await.ok())) });
    let path = StoredValue::new(path);
    let change = move |change: fn(&mut Preferences)| {
        let Some(mut fresh) = wants.get_untracked() else {
            return;
        };
        change(&mut fresh);
        let sent = fresh.clone();
        deed.call(
            async move {
                http::put::<Preferences>(&path.get_value(), &sent)
                    .await
                    .map(drop)
            },
            move || wants.set(Some(fresh)),
        );
    };
    let shown = move || {
        wants.get().map(|p| {
            view! {
                <h2>{c().preferences}</h2>
                <div class="choices">
                    <label class="choice"><input type="checkbox" id="by-day" prop:checked=p.by_day on:change=changed(move |_| change(|p| p.by_day = !p.by_day)) /><span>{c().by_day.replace("{t}", &p.hours)}</span></label>
                    <label class="choice"><input type="checkbox" id="optional" prop:checked=p.optional on:change=changed(move |_| change(|p| p.optional = !p.optional)) /><span>{c().optional_messages}</span></label>
                </div>
            }
        })
    };
    view! { <div>{live(shown)}</div> }.into_any()
}

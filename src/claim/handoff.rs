//! A kiosk in a branch shows a code and this phone has scanned it: either the report begun there
//! continues here, or the kiosk prints one of my claims.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use claim_api::{BASE, ClaimSummary, Parcel, Redeem};
use leptos::prelude::*;

use super::{login, stage_name, trouble};
use crate::i18n::{self, c, t};
use crate::platform::http::{self, CallError};
use crate::platform::storage::State;
use crate::platform::{address, host, page, sleep_ms, spawn};
use crate::session::Session;
use crate::ui::{button_link, click, live, sheet};

const REDEEM: &str = "/api/v1/handoffs/redeem";

/// What the kiosk has for this phone.
#[derive(Clone)]
enum Found {
    Report(Box<Parcel>),
    /// Nothing: the kiosk offers to print.
    Printer(Vec<ClaimSummary>),
}

/// `/handoff#secret`
pub fn handoff(session: Session) -> AnyView {
    let visit = session.visit;
    let Some(secret) = address::secret() else {
        return sheet(
            c().handoff,
            Some("/"),
            view! { <p>{c().handoff_none}</p>{scanner()} }.into_any(),
        );
    };
    let secret = StoredValue::new(secret);
    let found: RwSignal<Option<Result<Found, CallError>>> = RwSignal::new(None);
    let moved = RwSignal::new(None::<&'static str>);
    let asked = StoredValue::new(false);
    let redeem = move |claim_no: Option<String>, done: bool| async move {
        http::post::<Parcel>(
            REDEEM,
            &Redeem {
                secret: secret.get_value(),
                claim_no,
                done,
            },
        )
        .await
    };
    let fetch = move || {
        spawn(async move {
            let outcome = match redeem(None, false).await {
                Ok(parcel) if parcel.draft.is_some() => Ok(Found::Report(Box::new(parcel))),
                Ok(_) => http::get_whole::<Vec<ClaimSummary>>(&format!("{BASE}/claims"))
                    .await
                    .map(Found::Printer),
                Err(error) => Err(error),
            };
            found.try_set(Some(outcome));
        });
    };
    // Save first; then tell the kiosk, which forgets it.
    let take = Callback::new(move |parcel: Parcel| {
        spawn(async move {
            let bytes = |text: &str| STANDARD.decode(text).unwrap_or_default();
            let photos = parcel
                .photos
                .into_iter()
                .map(|p| (p.id, bytes(&p.jpeg), bytes(&p.thumbnail)))
                .collect();
            let Some(draft) = parcel.draft else { return };
            if !session.adopt(draft, photos).await {
                moved.try_set(Some(c().handoff_not_kept));
                return;
            }
            // Everything is here: if the kiosk never hears of it, it times out by itself.
            for _ in 0..3 {
                if redeem(None, true).await.is_ok() {
                    break;
                }
                sleep_ms(1000).await;
            }
            address::replace("/report");
        });
    });
    let print = Callback::new(move |no: String| {
        spawn(async move {
            match redeem(Some(no), true).await {
                Ok(_) => {
                    moved.try_set(Some(c().handoff_printed));
                }
                Err(error) => drop(found.try_set(Some(Err(error)))),
            }
        });
    });
    let content = move || {
        let Some(who) = visit.who.get() else {
            return view! { <p role="status">{c().loading}</p> }.into_any();
        };
        if !who.signed_in {
            return login::form(visit, None);
        }
        if let Some(text) = moved.get() {
            return view! { <p class="note" role="status" id="handoff-done">{text}</p>{button_link("/".into(), t().home, true)} }
                .into_any();
        }
        match found.get() {
            None => {
                if !asked
                    .try_update_value(|a| std::mem::replace(a, true))
                    .unwrap_or(true)
                {
                    fetch();
                }
                view! { <p role="status">{c().loading}</p> }.into_any()
            }
            Some(Err(error)) => trouble(visit, &error, "/handoff"),
            Some(Ok(Found::Report(parcel))) => report(session, *parcel, take),
            Some(Ok(Found::Printer(claims))) => printer(session, claims, print),
        }
    };
    sheet(
        c().handoff,
        None,
        view! { <div>{live(content)}</div> }.into_any(),
    )
}

/// Scans the kiosk's code with the page's host.
pub fn scanner() -> AnyView {
    let wrong = RwSignal::new(false);
    let scan = move |_| {
        spawn(async move {
            let Some(text) = host::scan().await else {
                return;
            };
            match text
                .strip_prefix(&page::origin())
                .filter(|path| path.starts_with("/handoff#"))
            {
                // The secret after # is read when the page begins.
                Some(path) => {
                    address::replace(path);
                    page::reload();
                }
                None => wrong.set(true),
            }
        });
    };
    view! {
        <button class="weui-btn weui-btn_primary" type="button" id="scan" data-from="scan" on:click=click(scan)>{c().handoff_scan}</button>
        <p role="alert">{live(move || wrong.get().then_some(c().handoff_other))}</p>
    }
    .into_any()
}

fn report(session: Session, parcel: Parcel, take: Callback<Parcel>) -> AnyView {
    let photos = c()
        .handoff_photos
        .replace("{n}", &parcel.photos.len().to_string());
    let own = session.draft.with_untracked(|d| !d.is_empty());
    let busy = RwSignal::new(false);
    let go = move |_| {
        if !busy.get_untracked() {
            busy.set(true);
            take.run(parcel.clone());
        }
    };
    // The answer to the earlier report must not be taken for this one's.
    if session.is_unanswered() {
        return view! { <p class="note warn">{t().sending}</p>{button_link("/report/done".into(), t().see_report, true)} }.into_any();
    }
    if session.kept.get_untracked() != State::Kept {
        return view! { <p class="note bad" role="alert">{c().handoff_not_kept}</p> }.into_any();
    }
    view! {
        <p>{c().handoff_hint}" "{photos}</p>
        {own.then(|| view! { <p class="note warn">{c().handoff_replaces}</p> })}
        <button class="weui-btn weui-btn_primary" type="button" id="take-over" on:click=click(go)>{c().handoff_take}</button>
    }
    .into_any()
}

fn printer(session: Session, claims: Vec<ClaimSummary>, print: Callback<String>) -> AnyView {
    let catalogue = session.visit.catalogue;
    let line = |claim: ClaimSummary| {
        let no = claim.claim_no.clone();
        let name = catalogue
            .incident(&claim.incident)
            .map_or("", |i| i18n::text(&i.name));
        let stage = stage_name(catalogue, claim.lob, claim.stage);
        view! {
            <li><button class="weui-btn weui-btn_default" type="button" on:click=click(move |_| print.run(no.clone()))>
                {claim.claim_no}" · "{name}" · "{stage}
            </button></li>
        }
    };
    view! { <p>{c().handoff_print}</p><ul class="tasks" id="to-print">{claims.into_iter().map(line).collect_view()}</ul> }.into_any()
}

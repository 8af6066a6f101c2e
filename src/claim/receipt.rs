//! 存证回执: what the insurer confirms it received. Anyone can check such a receipt, and their own
//! files against it, alone and offline.

use claim_api::BASE;
use claim_api::proof::{self, KEYS, Keys, Proof, ProvenFile, Untrue};
use leptos::ev;
use leptos::prelude::*;

use super::history::name_of;
use super::keepsake::keepsake;
use crate::i18n::{c, t};
use crate::platform::photos::{self, Picked};
use crate::platform::picture::{self, Line};
use crate::platform::{http, page, spawn};
use crate::session::Session;
use crate::ui::{button_link, changed, click, live, sheet, size};
use crate::visit::Visit;

/// Names under which the phone keeps them; never swept (storage.js).
const KEPT: &str = "receipt:";
const KEPT_KEYS: &str = "receipt-keys";

/// Asks the server and falls back on the local copy.
async fn fetched(session: Session, path: &str, name: &str) -> Option<String> {
    let storage = session.storage();
    match http::bytes(path)
        .await
        .and_then(|bytes| String::from_utf8(bytes).ok())
    {
        Some(text) => {
            storage.save_text(name, text.clone()).await;
            Some(text)
        }
        None => storage.text(name).await,
    }
}

async fn keys(session: Session) -> Keys {
    fetched(session, KEYS, KEPT_KEYS)
        .await
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// `/claims/:no/receipt`
pub fn receipt(session: Session, no: &str) -> AnyView {
    let found = RwSignal::new(None::<Option<(String, Result<Proof, Untrue>)>>);
    let (path, name) = (format!("{BASE}/claims/{no}/receipt"), format!("{KEPT}{no}"));
    spawn(async move {
        let text = fetched(session, &path, &name).await;
        let keys = keys(session).await;
        found.set(Some(text.map(|text| {
            let checked = proof::check(&text, &keys);
            (text, checked)
        })));
    });
    let content = move || match found.get() {
        None => view! { <p role="status">{c().loading}</p> }.into_any(),
        Some(None) => view! { <p class="note warn" role="alert">{c().receipt_none}</p> }.into_any(),
        Some(Some((text, checked))) => match checked {
            Err(why) => untrue(why),
            Ok(proof) => {
                view! { {shown(session.visit, &proof)}{keeping(session.visit, proof, text)} }
                    .into_any()
            }
        },
    };
    let back = format!("/claims/{no}");
    let rest = view! { <p>{c().receipt_hint}</p><div>{live(content)}</div>{button_link("/verify".into(), c().verify_title, false)} };
    sheet(c().receipt_title, Some(&back), rest.into_any())
}

fn untrue(why: Untrue) -> AnyView {
    let text = match why {
        Untrue::Malformed => c().receipt_malformed,
        Untrue::UnknownKey => c().receipt_unknown,
        Untrue::Changed => c().receipt_changed,
    };
    view! { <p class="note bad" role="alert" id="receipt-untrue">"✗ "{text}</p> }.into_any()
}

/// The human-readable part.
fn facts(visit: Visit, proof: &Proof) -> Vec<String> {
    let said = [
        c().receipt_by.replace("{insurer}", &proof.insurer),
        c().receipt_reported
            .replace("{t}", &proof.reported_at.to_local_text()),
        c().receipt_issued
            .replace("{t}", &proof.issued_at.to_local_text()),
    ];
    let file = |(i, f): (usize, &ProvenFile)| {
        format!(
            "{} {} · {}",
            i + 1,
            name_of(visit, &f.document),
            size(f.bytes)
        )
    };
    said.into_iter()
        .chain(proof.files.iter().enumerate().map(file))
        .collect()
}

/// The machine-comparable part: a name and a SHA-256 each.
fn fingerprints(visit: Visit, proof: &Proof) -> Vec<(String, String)> {
    let mut all = vec![
        (c().receipt_notice.to_owned(), proof.notice_sha256.clone()),
        (
            c().receipt_events.replace("{n}", &proof.events.to_string()),
            proof.events_sha256.clone(),
        ),
    ];
    for (i, file) in proof.files.iter().enumerate() {
        let name = format!(
            "{} {} · {}",
            i + 1,
            name_of(visit, &file.document),
            file.received_at.to_local_text()
        );
        all.push((
            format!("{name} · {}", c().receipt_stored),
            file.sha256.clone(),
        ));
        if file.original_sha256 != file.sha256 {
            all.push((c().receipt_original.into(), file.original_sha256.clone()));
        }
    }
    all
}

fn shown(visit: Visit, proof: &Proof) -> AnyView {
    let facts = facts(visit, proof)
        .into_iter()
        .map(|fact| view! { <p>{fact}</p> })
        .collect_view();
    let exact = |(name, sha256): (String, String)| view! { <p class="quiet">{name}</p><p class="exact">{sha256}</p> };
    view! {
        <p class="note" role="status" id="receipt-true">"✓ "{c().receipt_true}</p>
        <div id="receipt">
            <p class="number">{proof.claim_no.clone()}</p>
            {facts}
            <details>
                <summary>{c().receipt_exact}</summary>
                {fingerprints(visit, proof).into_iter().map(exact).collect_view()}
            </details>
        </div>
    }
    .into_any()
}

/// The ways to take it away: as a picture that carries its own proof, and as text.
fn keeping(visit: Visit, proof: Proof, text: String) -> AnyView {
    let (drawn, copied) = (RwSignal::new(None::<Vec<u8>>), RwSignal::new(false));
    let name = format!("{}.png", proof.claim_no);
    let title = proof.claim_no.clone();
    let draw = {
        let text = text.clone();
        move |_| {
            let mut lines = vec![
                (Line::Title, c().receipt_title.to_owned()),
                (Line::Title, proof.claim_no.clone()),
            ];
            lines.extend(
                facts(visit, &proof)
                    .into_iter()
                    .map(|fact| (Line::Plain, fact)),
            );
            for (name, sha256) in fingerprints(visit, &proof) {
                lines.extend([(Line::Plain, name), (Line::Exact, sha256)]);
            }
            drawn.set(picture::of_lines(&lines).map(|png| proof::in_picture(&png, &text)));
        }
    };
    let copy = move |_| {
        let text = text.clone();
        spawn(async move { copied.set(page::copy(&text).await) });
    };
    let shown = move || {
        drawn.get().map(|png| {
            keepsake(
                png,
                name.clone(),
                format!("{} {title}", c().receipt_title),
                "receipt-picture",
            )
        })
    };
    view! {
        <button class="weui-btn weui-btn_primary" type="button" id="receipt-draw" on:click=click(draw)>{c().receipt_picture}</button>
        {live(shown)}
        <div class="row">
            <button class="chip" type="button" on:click=click(copy)>{c().receipt_copy}</button>
            <span role="status">{live(move || copied.get().then_some(t().copied))}</span>
        </div>
    }
    .into_any()
}

/// `/verify`
pub fn verify(session: Session) -> AnyView {
    let known = RwSignal::new(Keys::default());
    let judged = RwSignal::new(None::<Result<Proof, Untrue>>);
    let files = RwSignal::new(Vec::<(String, Option<String>)>::new());
    spawn(async move { known.set(keys(session).await) });
    let judge = move |text: &str| {
        files.set(Vec::new());
        judged.set(Some(known.with_untracked(|keys| proof::check(text, keys))));
    };
    let chosen = move |event: ev::Event| {
        let Some(file) = photos::picked(&event).into_iter().next() else {
            return;
        };
        spawn(async move {
            let bytes = file.read().await.unwrap_or_default();
            judge(
                &proof::from_picture(&bytes)
                    .unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned()),
            );
        });
    };
    let typed = move |event: ev::Event| judge(&page::value_of(&event));
    let compared = move |event: ev::Event| {
        let chosen = photos::picked(&event);
        spawn(async move {
            for file in chosen {
                let line = compare(session.visit, &file, judged).await;
                files.update(|f| f.push((file.name(), line)));
            }
        });
    };
    let file_line = |(name, found): (String, Option<String>)| match found {
        Some(document) => {
            view! { <li class="note">"✓ "{name}" · "{c().verify_same}" "{document}</li> }.into_any()
        }
        None => view! { <li class="note bad">"✗ "{name}" · "{c().verify_differs}</li> }.into_any(),
    };
    let outcome = move || {
        match judged.get()? {
        Err(why) => Some(untrue(why)),
        Ok(proof) => Some(
            view! {
                {shown(session.visit, &proof)}
                <label class="label" for="verify-files">{c().verify_files}</label>
                <input class="input" id="verify-files" type="file" multiple on:change=changed(compared) />
                <ul id="compared" role="status">{live(move || files.get().into_iter().map(file_line).collect_view())}</ul>
            }
            .into_any(),
        ),
    }
    };
    let content = view! {
        <p>{c().verify_hint}</p>
        <label class="label" for="verify-picture">{c().verify_picture}</label>
        <input class="input" id="verify-picture" type="file" accept="image/png,text/plain" on:change=changed(chosen) />
        <label class="label" for="verify-text">{c().verify_text}</label>
        <textarea class="input" id="verify-text" spellcheck="false" on:change=changed(typed)></textarea>
        <div>{live(outcome)}</div>
    };
    sheet(c().verify_title, Some("/"), content.into_any())
}

/// The document on the receipt that has exactly these bytes.
async fn compare(
    visit: Visit,
    file: &Picked,
    judged: RwSignal<Option<Result<Proof, Untrue>>>,
) -> Option<String> {
    let sha256 = claim_photo::sha256_hex(&file.read().await?);
    judged.with_untracked(|judged| {
        let Some(Ok(proof)) = judged else { return None };
        let file = proof
            .files
            .iter()
            .find(|f| f.sha256 == sha256 || f.original_sha256 == sha256)?;
        Some(name_of(visit, &file.document).to_owned())
    })
}

//! 索赔: the form built from the answers, checked line by line, signed on the screen, sent once.

use claim_api::outbox::{Sending, Stuck};
use claim_domain::FieldError;
use claim_domain::catalog::Asked;
use claim_domain::documents::{FormLine, Signature};
use claim_domain::notice::Agreed;
use leptos::prelude::*;

use super::documents::with_papers;
use crate::i18n::{self, c, t};
use crate::papers::Papers;
use crate::platform::{address, now, pad, page};
use crate::session::Session;
use crate::ui::{
    ErrorSummary, Errors, button_link, changed, click, error_text, field_wrong, live, sheet,
};

/// `/claims/:no/request`
pub fn request(session: Session, no: &str) -> AnyView {
    with_papers(session, no, c().request_title, |papers| {
        let sent = Memo::new(move |_| papers.sending().is_some());
        let requested = Memo::new(move |_| papers.is_requested());
        // Outside the part that is re-rendered: a signature in progress stays.
        let errors: Errors = RwSignal::new(Vec::new());
        let strokes: RwSignal<Vec<Vec<[u16; 2]>>> = RwSignal::new(Vec::new());
        let typed = RwSignal::new(String::new());
        let agreed: RwSignal<Vec<Agreed>> = RwSignal::new(Vec::new());
        let content = move || match (requested.get(), sent.get()) {
            (true, _) => received(papers),
            (false, true) => progress(papers),
            (false, false) => untrack(|| form(papers, errors, (strokes, typed), agreed)),
        };
        sheet(
            c().request_title,
            Some(&papers.address("documents")),
            view! { <div>{live(content)}</div> }.into_any(),
        )
    })
}

/// Drawn, or typed by those who cannot draw.
type Signing = (RwSignal<Vec<Vec<[u16; 2]>>>, RwSignal<String>);

fn form(
    papers: Papers,
    errors: Errors,
    (strokes, typed): Signing,
    agreed: RwSignal<Vec<Agreed>>,
) -> AnyView {
    let session = papers.session;
    let asked: Vec<_> = papers
        .catalogue
        .consents_for(Asked::Request, &papers.facts())
        .collect();
    let consent = move |one: &'static claim_domain::catalog::Consent| {
        let field: &'static str = Box::leak(format!("/consents/{}", one.id).into_boxed_str());
        let given = move || agreed.with(|a| a.iter().any(|x| x.id == one.id));
        let flip = move |_| {
            agreed.update(|all| {
                let before = all.len();
                all.retain(|x| x.id != one.id);
                if all.len() == before {
                    all.push(Agreed {
                        id: one.id.clone(),
                        version: one.version,
                        at: now(),
                    });
                }
            });
        };
        view! {
            {field_wrong(session.visit, errors, field, None)}
            <div class="choices"><label class="choice">
                <input type="checkbox" id=crate::ui::field_id(field) prop:checked=Signal::derive(given) on:change=changed(flip) />
                <span>{i18n::text(&one.label)} {(!one.required).then_some(t().optional)} <small>{i18n::text(&one.text)}</small></span>
            </label></div>
        }
    };
    let send = move |_| {
        let signature = Signature {
            strokes: strokes.get_untracked(),
            typed: typed.get_untracked().trim().to_owned(),
        };
        let hindered: Vec<FieldError> = papers.hinders(&signature, &agreed.get_untracked());
        errors.set(hindered);
        if errors.with_untracked(Vec::is_empty) {
            papers.send(Some((signature, agreed.get_untracked())));
        }
    };
    let lines = papers
        .form()
        .into_iter()
        .map(|line| row(papers, line))
        .collect_view();
    let doubts = papers.doubts().len();
    let clear = move |_| strokes.set(Vec::new());
    let kept: Vec<_> = papers
        .tasks()
        .into_iter()
        .filter(|t| t.is_missing())
        .filter_map(|t| papers.catalogue.document(&t.document))
        .map(|d| view! { <li><a id=format!("documents-{}", d.id) href=papers.address(&format!("documents/{}", d.id))>{i18n::text(&d.name)}</a></li> })
        .collect();
    let missing = (!kept.is_empty()).then(|| view! { <div class="note warn"><p>{c().missing.replace("{n}", &kept.len().to_string())}</p><ul>{kept}</ul><p class="quiet">{c().missing_hint}</p></div> });
    view! {
        <ErrorSummary visit=session.visit errors />
        <p>{c().request_hint}</p>
        {missing}
        {(doubts > 0).then(|| view! { <p class="quiet">{c().doubts_left.replace("{n}", &doubts.to_string())}</p> })}
        <h2>{c().form_title}</h2>
        <dl class="answers" id="form">{lines}</dl>
        <fieldset><legend>{t().consents}</legend>{asked.into_iter().map(consent).collect_view()}</fieldset>
        <h2 id="sign-title">{c().sign_title}</h2>
        {field_wrong(session.visit, errors, "/signature", None)}
        <p class="quiet">{c().sign_hint}</p>
        {pad::pad("signature", c().sign_title, strokes)}
        <button class="chip" type="button" id="sign-again" on:click=click(clear)>{c().sign_again}</button>
        <details id="sign-typed"><summary>{c().sign_typed}</summary>
            <label class="label" for="signed-name">{c().sign_typed_hint}</label>
            <input class="input" id="signed-name" type="text" autocomplete="name" prop:value=move || page::Typed(typed.get()) on:input=changed(move |e| typed.set(page::value_of(&e))) />
        </details>
        <p class="note">{c().clock_starts}</p>
        <button class="weui-btn weui-btn_primary" type="button" id="send-request" on:click=click(send)>{c().send_request}</button>
    }
    .into_any()
}

fn row(papers: Papers, line: FormLine) -> AnyView {
    let catalogue = papers.catalogue;
    let name_of = |id: &str| {
        catalogue
            .document(id)
            .map_or_else(|| id.to_owned(), |d| i18n::text(&d.name).to_owned())
    };
    let listed = |words: &str| {
        words
            .split(' ')
            .map(name_of)
            .collect::<Vec<_>>()
            .join(t().comma)
    };
    let value = match line.key.as_str() {
        "incident" => catalogue
            .incident(&line.value)
            .map_or_else(|| line.value.clone(), |i| i18n::text(&i.name).to_owned()),
        "parts" => {
            let all = catalogue.car_parts.iter().chain(&catalogue.home_parts);
            all.filter(|p| line.value.split(' ').any(|id| id == p.id))
                .map(|p| i18n::text(&p.name))
                .collect::<Vec<_>>()
                .join(t().comma)
        }
        "unavailable" => listed(&line.value),
        _ => line.value.clone(),
    };
    view! { <div><dt>{c().form.get(&line.key)}</dt><dd>{value}</dd></div> }.into_any()
}

/// A signed request: on its way, or received.
pub fn state(papers: Papers) -> AnyView {
    if papers.is_requested() {
        received(papers)
    } else {
        progress(papers)
    }
}

/// Sending progress; a file is 已收到 only once the server's own hash matches.
pub fn progress(papers: Papers) -> AnyView {
    let shown = move || {
        let outbox = papers.sending()?;
        let (sent, all) = outbox.progress();
        let online = papers.session.visit.online.get();
        let state = match &outbox.stuck {
            Some(Stuck::Login) => view! { <p class="note warn">{t().needs_login}</p>{button_link(format!("/login?next={}", address::path().get_untracked()), t().sign_in, true)} }.into_any(),
            Some(Stuck::Fix { problem }) => {
                let lines = problem.errors.iter().map(|e| view! { <li>{error_text(papers.session.visit, e)}</li> }).collect_view();
                let again = move |_| papers.take_back();
                view! {
                    <div class="note bad" role="alert"><p>{i18n::error(papers.catalogue, problem.code.as_str())}</p><ul>{lines}</ul></div>
                    <button class="weui-btn weui-btn_primary" type="button" on:click=click(again)>{t().change_answers}</button>
                }
                .into_any()
            }
            None if !online => view! { <p class="note warn" role="status">{t().waits_for_network}</p> }.into_any(),
            None => view! { <p role="status">{t().sending}</p> }.into_any(),
        };
        let lost = outbox.photos.iter().filter_map(|p| match &p.state {
            Sending::Refused { code } => Some(i18n::error(papers.catalogue, code)),
            Sending::Lost => Some(t().photo_lost),
            _ => None,
        });
        let lost = lost
            .map(|text| view! { <p class="wrong">{text}</p> })
            .collect_view();
        Some(
            view! { <div id="sending">{state}{lost}<progress max=all.max(1).to_string() value=sent.to_string() aria-label=t().photos_sent_title></progress></div> },
        )
    };
    view! { <div>{live(shown)}</div> }.into_any()
}

fn received(papers: Papers) -> AnyView {
    let days = papers
        .session
        .visit
        .config
        .promises
        .determination_days
        .to_string();
    view! {
        <div class="note" id="requested"><p><strong>"✓ "{c().requested}</strong></p><p>{t().next_decision.replace("{n}", &days)}</p></div>
        <p>{c().requested_hint}</p>
        {button_link(format!("/claims/{}", papers.no()), t().follow, true)}
        {button_link(papers.address("documents"), c().to_tasks, false)}
    }
    .into_any()
}

//! After 发送: the claim number as soon as the server has it, the photos behind it, and what comes
//! next.

use claim_api::Receipt;
use claim_api::outbox::{OutPhoto, Outbox, Sending, Stuck};
use claim_domain::catalog::Phase;
use leptos::prelude::*;

use crate::i18n::{self, t};
use crate::platform::{host, page, spawn};
use crate::session::Session;
use crate::ui::{button_link, call, click, error_text, live, sheet, size};

pub fn done(session: Session) -> AnyView {
    let receipt = Memo::new(move |_| session.receipt());
    let there = Memo::new(move |_| session.newest(|_| ()).is_some());
    let shown = move || match (there.get(), receipt.get()) {
        (false, _) => sheet(
            t().nothing_sent,
            Some("/"),
            button_link("/report".into(), t().report, true),
        ),
        (true, None) => sheet(t().sending_title, None, sending(session)),
        (true, Some(receipt)) => sheet(t().received_title, None, received(session, receipt)),
    };
    live(shown)
}

/// The notice is being sent, or is stuck.
fn sending(session: Session) -> AnyView {
    let stuck = Memo::new(move |_| session.newest(|o| o.stuck.clone()).flatten());
    let state = move || {
        match stuck.get() {
        None if session.online.get() => view! { <p role="status">{t().sending}</p><progress aria-label=t().sending></progress> }.into_any(),
        None => view! { <p class="note warn" role="status">{t().waits_for_network}</p> }.into_any(),
        Some(Stuck::Login) => {
            view! { <p class="note warn">{t().needs_login}</p>{button_link("/login?next=/report/done".into(), t().sign_in, true)} }
                .into_any()
        }
        Some(Stuck::Fix { problem }) => {
            let lines = problem.errors.iter().map(|e| view! { <li>{error_text(session.visit, e)}</li> }).collect_view();
            view! {
                <div class="note bad" role="alert"><p>{i18n::error(session.catalogue, problem.code.as_str())}</p><ul>{lines}</ul></div>
                <a class="weui-btn weui-btn_primary" href="/report" on:click=click(move |_| session.unfreeze())>{t().change_answers}</a>
            }
            .into_any()
        }
    }
    };
    view! { {live(state)} <p id="kept-here">{t().kept_here}</p> {hotline(session)} }.into_any()
}

fn hotline(session: Session) -> AnyView {
    let number = &session.config.hotline;
    call(number, t().call_us.replace("{n}", number))
}

fn received(session: Session, receipt: Receipt) -> AnyView {
    let copied = RwSignal::new(false);
    let number = receipt.claim_no.clone();
    let copy = {
        let number = number.clone();
        move |_| {
            let number = number.clone();
            spawn(async move { copied.set(page::copy(&number).await) });
        }
    };
    let left_open = RwSignal::new(false);
    let close = move |_| {
        spawn(async move {
            host::close().await;
            left_open.set(true);
        });
    };
    let promises = &session.config.promises;
    let needed: Vec<_> = receipt.requirements.iter().filter(|r| r.required).collect();
    let later = |phase: Phase| {
        needed
            .iter()
            .filter(|r| r.phase == phase)
            .map(|r| view! { <li>{i18n::text(&r.name).to_owned()}<span class="quiet">" · "{i18n::text(&r.basis).to_owned()}</span></li> })
            .collect_view()
    };
    let next = [
        t().next_contact
            .replace("{t}", &receipt.contact_by.to_local_text()),
        t().next_papers.to_owned(),
        t().next_decision
            .replace("{n}", &promises.determination_days.to_string()),
        t().next_payment
            .replace("{n}", &promises.payment_days.to_string()),
    ];
    view! {
        <p>{t().claim_no}</p>
        <p class="number" id="claim-no" data-at=receipt.received_at.to_string()>{number.clone()}</p>
        <div class="row">
            <button class="chip" type="button" on:click=click(copy)>{t().copy}</button>
            <span role="status">{live(move || copied.get().then_some(t().copied))}</span>
            <span class="quiet">{t().server_time.replace("{t}", &receipt.received_at.to_local_text())}</span>
        </div>
        {(!receipt.verified).then(|| view! { <p class="note">{t().unverified}</p> })}
        {photos(session)}
        <h2>{t().next_title}</h2>
        <ol>{next.into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ol>
        <h2>{t().papers_title}</h2>
        <p>{t().papers_hint}</p>
        <ul>{later(Phase::Claim)}{later(Phase::Payment)}</ul>
        {button_link(format!("/claims/{number}"), t().follow, true)}
        {button_link(format!("/claims/{number}/receipt"), t().receipt, false)}
        {button_link("/".into(), t().home, false)}
        <button class="weui-btn weui-btn_default" type="button" data-from="close" on:click=click(close)>{t().close_page}</button>
        <p role="status">{live(move || left_open.get().then_some(t().may_close))}</p>
    }
    .into_any()
}

/// Each photo with its progress; 已收到 only after the server has compared the hash. Photos of
/// earlier reports that are still uploading are listed under their own claim number.
fn photos(session: Session) -> AnyView {
    let whole = move || {
        session.outboxes.with(|all| {
            let reports = all.iter().filter(|o| o.is_report()).rev().enumerate();
            let shown = reports.filter(|(i, o)| !o.photos.is_empty() && (*i == 0 || !o.is_done()));
            shown
                .map(|(i, outbox)| photos_of(session, outbox, i > 0))
                .collect_view()
        })
    };
    view! { <div>{live(whole)}</div> }.into_any()
}

fn photos_of(session: Session, outbox: &Outbox, earlier: bool) -> AnyView {
    let (sent, all) = outbox.progress();
    let number = outbox
        .receipt()
        .filter(|_| earlier)
        .map(|r| format!(" · {}", r.claim_no));
    view! {
        <h2>{t().photos_sent_title}{number}</h2>
        <p class="status" role="status" id=(!earlier).then_some("photo-status")>{overall(session, outbox)}</p>
        <progress max=all.to_string() value=sent.to_string() aria-label=t().photos_sent_title></progress>
        {(!outbox.is_done()).then(|| view! { <button class="chip" type="button" on:click=click(move |_| session.wake())>{t().send_again}</button> })}
        {(outbox.stuck == Some(Stuck::Login)).then(|| button_link("/login?next=/report/done".into(), t().sign_in, true))}
        <ul class="photos">{outbox.photos.iter().enumerate().map(|(i, p)| row(session, i, p)).collect_view()}</ul>
    }
    .into_any()
}

fn overall(session: Session, outbox: &Outbox) -> &'static str {
    match outbox {
        o if o.stuck == Some(Stuck::Login) => t().needs_login,
        o if o.is_done() && o.photos.iter().all(|p| p.state == Sending::Received) => {
            t().all_received
        }
        o if o.is_done() => t().some_refused,
        _ if !session.online.get() => t().waits_for_network,
        _ => t().photos_going,
    }
}

fn row(session: Session, place: usize, photo: &OutPhoto) -> AnyView {
    let name = t().photo_number.replace("{n}", &(place + 1).to_string());
    let picture = session
        .pictures
        .with(|p| p.get(&photo.id).cloned())
        .map(|url| view! { <img src=url alt=name.clone() /> });
    let state = match &photo.state {
        Sending::Waiting => view! { <p>{t().photo_waiting}</p> }.into_any(),
        Sending::Uploading { offset, .. } => {
            view! { <p>{format!("{} {} %", t().photo_sending, offset * 100 / photo.bytes.max(1))}</p> }.into_any()
        }
        Sending::Received => view! { <p>"✓ "{t().photo_received}" · "{size(photo.bytes)}</p> }.into_any(),
        Sending::Refused { code } => view! { <p class="wrong">{i18n::error(session.catalogue, code)}</p> }.into_any(),
        Sending::Lost => view! { <p class="wrong">{t().photo_lost}</p> }.into_any(),
    };
    view! { <li class="photo">{picture}<div><p><strong>{name}</strong></p>{state}</div></li> }
        .into_any()
}

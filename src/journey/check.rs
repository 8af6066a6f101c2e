//! 检查答案: every answer with a link to change it, the consents that apply, and one button.

use claim_domain::Moment;
use claim_domain::catalog::Asked;
use claim_domain::draft::{PhotoState, Step};
use claim_domain::notice::Agreed;
use leptos::prelude::*;

use crate::i18n::{self, t};
use crate::platform::{address, now};
use crate::session::Session;
use crate::ui::{Errors, changed, click, error_text, field_id, field_wrong, live};

pub fn answers(session: Session, errors: Errors) -> AnyView {
    let known = session.draft.with_untracked(|d| d.answers.policy.clone());
    // Person and policy are then asked for.
    let other = move |_| {
        session.other_policy();
        address::go("/report");
    };
    view! {
        {known.map(|policy| view! {
            <p class="note">
                {t().your_policy} " " <strong>{policy.title}</strong> " "
                <button class="link" type="button" on:click=click(other)>{t().not_this_policy}</button>
            </p>
        })}
        <dl class="answers">{live(move || rows(session))}</dl>
        {live(move || doubts(session))}
        {consents(session, errors)}
        {live(move || session.is_preparing().then(|| view! { <p class="note warn" role="status">{t().photos_not_ready}</p> }))}
        <p class="quiet" id="send-hint">{t().send_hint}</p>
    }
    .into_any()
}

fn rows(session: Session) -> impl IntoView {
    let draft = session.draft.get();
    let short = draft.answers.policy.is_some();
    let event = |step: Step| if short { Step::Event } else { step };
    let a = &draft.answers;
    let catalogue = session.catalogue;
    let incident = catalogue.incident(&a.incident);
    let place = match (a.place.trim(), a.point) {
        ("", Some(_)) => t().place_located.to_owned(),
        (text, _) => text.to_owned(),
    };
    let parts: Vec<&str> = incident
        .map_or(&[][..], |i| catalogue.parts(i.lob))
        .iter()
        .filter(|p| a.parts.contains(&p.id))
        .map(|p| i18n::text(&p.name))
        .collect();
    let when = a.loss_at.map_or_else(String::new, Moment::to_local_text)
        + if a.about { t().about } else { "" };
    let role = catalogue
        .roles
        .iter()
        .find(|r| r.id == a.role)
        .map_or("", |r| i18n::text(&r.name));
    let ready = draft
        .photos
        .iter()
        .filter(|p| p.state == PhotoState::Ready)
        .count();
    let policy = [&a.plate, &a.policy_no, &a.id_no]
        .into_iter()
        .filter(|v| !v.trim().is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join(" · ");
    let mut rows = vec![
        (
            t().row_injured,
            a.scene
                .injured
                .map_or("", |yes| if yes { t().injured_yes } else { t().injured_no })
                .to_owned(),
            Step::Safety,
        ),
        (
            t().row_what,
            incident.map_or("", |i| i18n::text(&i.name)).to_owned(),
            event(Step::What),
        ),
        (t().row_when, when, event(Step::When)),
        (t().row_where, place, event(Step::Where)),
        (t().row_damage, parts.join(t().comma), Step::Damage),
        (t().row_words, a.narrative.clone(), Step::Damage),
        (
            t().row_photos,
            if ready > 0 {
                t().photos_ready.replace("{n}", &ready.to_string())
            } else {
                String::new()
            },
            Step::Photos,
        ),
    ];
    if !short {
        rows.push((
            t().row_who,
            [role, &a.name, &a.phone]
                .into_iter()
                .filter(|v| !v.is_empty())
                .collect::<Vec<_>>()
                .join(" · "),
            Step::Who,
        ));
        rows.push((t().row_policy, policy, Step::Policy));
    }
    let row = |(name, value, step): (&'static str, String, Step)| {
        let shown = if value.trim().is_empty() {
            t().empty.to_owned()
        } else {
            value
        };
        let label = format!("{} {name}", t().change);
        view! { <div><dt>{name}</dt><dd>{shown}</dd><dd><a href=super::page_of(step) aria-label=label>{t().change}</a></dd></div> }
    };
    rows.into_iter().map(row).collect_view()
}

/// What is unusual but allowed.
fn doubts(session: Session) -> Option<AnyView> {
    let mut notice = session.draft.with(|d| d.notice());
    // Consents come last on this page and are no reason to hide a doubt.
    notice.consents = session
        .catalogue
        .consents
        .iter()
        .map(|c| Agreed {
            id: c.id.clone(),
            version: c.version,
            at: now(),
        })
        .collect();
    let warnings = notice.check(session.catalogue, now()).ok()?.warnings;
    let line = |w| {
        let fix = claim_domain::FieldError::clone(&w)
            .fix
            .map(|f| format!(" {f}"));
        view! { <p>{error_text(session.visit, &w)}{fix}</p> }
    };
    (!warnings.is_empty()).then(|| {
        view! { <div class="note warn"><h2>{t().please_check}</h2>{warnings.into_iter().map(line).collect_view()}</div> }.into_any()
    })
}

/// Each with its text; those that do not apply are not asked.
pub fn consents(session: Session, errors: Errors) -> AnyView {
    let asked: Vec<_> = session
        .catalogue
        .consents_for(Asked::Notice, &session.draft.with_untracked(|d| d.facts()))
        .collect();
    let consent = move |c: &'static claim_domain::catalog::Consent| {
        let field: &'static str = Box::leak(format!("/consents/{}", c.id).into_boxed_str());
        let given = move || {
            session
                .draft
                .with(|d| d.answers.consents.iter().any(|a| a.id == c.id))
        };
        let flip = move |_| {
            session.answer(|a| {
                let before = a.consents.len();
                a.consents.retain(|x| x.id != c.id);
                if a.consents.len() == before {
                    a.consents.push(Agreed {
                        id: c.id.clone(),
                        version: c.version,
                        at: now(),
                    });
                }
            });
        };
        view! {
            {field_wrong(session.visit, errors, field, None)}
            <div class="choices">
                <label class="choice">
                    <input type="checkbox" id=field_id(field) prop:checked=Signal::derive(given) on:change=changed(flip) />
                    <span>{i18n::text(&c.label)} {(!c.required).then_some(t().optional)} <small>{i18n::text(&c.text)}</small></span>
                </label>
            </div>
        }
    };
    view! { <fieldset><legend>{t().consents}</legend>{asked.into_iter().map(consent).collect_view()}</fieldset> }.into_any()
}

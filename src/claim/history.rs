//! What happened, one sentence for each event.

use claim_api::ClaimView;
use claim_domain::lifecycle::{Actor, Event, EventKind, Overlay, Stage};
use claim_domain::{Lob, money};
use leptos::prelude::*;
use serde_json::Value;

use super::stage_name;
use crate::i18n::{self, c, t};
use crate::ui::size;
use crate::visit::Visit;

/// Newest first. A viewer with limited access sees only the stages, without details.
pub fn history(visit: Visit, view: &ClaimView) -> AnyView {
    let told = |e: &&Event| !view.limited || is_step(&e.what);
    view.events
        .iter()
        .rev()
        .filter(told)
        .map(|e| happened(visit, view.summary.lob, e, view.limited))
        .collect_view()
        .into_any()
}

/// Whether an event moves the claim from one stage to another.
fn is_step(what: &EventKind) -> bool {
    use EventKind as W;
    matches!(
        what,
        W::Reported { .. }
            | W::Registered { .. }
            | W::SurveyStarted { .. }
            | W::Requested { .. }
            | W::Closed
            | W::Disowned
            | W::DisownSettled { .. }
    )
}

pub fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Customer => c().actor_you.into(),
        Actor::System => c().actor_system.into(),
        Actor::Staff { name, .. } => name.clone(),
    }
}

fn overlay_name(visit: Visit, overlay: Overlay) -> &'static str {
    visit
        .catalogue
        .papers
        .after
        .overlays
        .get(overlay.as_str())
        .map_or("", i18n::text)
}

fn happened(visit: Visit, lob: Lob, event: &Event, limited: bool) -> AnyView {
    let stage = |s: Stage| stage_name(visit.catalogue, lob, s).to_owned();
    let text = match &event.what {
        EventKind::Reported { .. } => stage(Stage::Reported),
        EventKind::NotAccepted { text, .. } if limited && text.is_empty() => {
            format!("{}：{}", stage(Stage::NotAccepted), c().why_by_phone)
        }
        EventKind::NotAccepted {
            text, next_step, ..
        } => format!("{}：{text} {next_step}", stage(Stage::NotAccepted)),
        EventKind::SurveyStarted { on_site, surveyor } => (if *on_site {
            c().ev_survey_site
        } else {
            c().ev_survey_self
        })
        .replace("{who}", surveyor),
        EventKind::Assessed { total_fen, .. } => {
            c().ev_assessed.replace("{sum}", &money::show(*total_fen))
        }
        EventKind::Approved {
            amount_fen, basis, ..
        } => c()
            .ev_approved
            .replace("{sum}", &money::show(*amount_fen))
            .replace("{text}", basis),
        EventKind::Rejected { clause, facts, .. } => c()
            .ev_rejected
            .replace("{clause}", clause)
            .replace("{text}", facts),
        EventKind::PayeesNamed { payees } => c()
            .ev_payees
            .replace("{text}", &super::payees::shown(payees)),
        EventKind::PaymentOrdered { .. } => stage(Stage::Paying),
        EventKind::PaymentFailed { reason, .. } => {
            format!("{}：{reason}", stage(Stage::PaymentFailed))
        }
        EventKind::AdvancePaid { amount_fen, .. } => c()
            .ev_advance_paid
            .replace("{sum}", &money::show(*amount_fen)),
        EventKind::Archived => stage(Stage::Archived),
        EventKind::Paid {
            amount_fen,
            reference,
            ..
        } => c()
            .ev_paid
            .replace("{sum}", &money::show(*amount_fen))
            .replace("{text}", reference),
        EventKind::Closed => stage(Stage::Closed),
        EventKind::Withdrawn { reason } => format!("{}：{reason}", stage(Stage::Withdrawn)),
        EventKind::DocumentReceived {
            document, bytes, ..
        } => c()
            .ev_document
            .replace("{name}", name_of(visit, document))
            .replace("{size}", &size(*bytes)),
        EventKind::SupplementAsked {
            documents,
            reason,
            until,
            ..
        } => {
            let names: Vec<&str> = documents.iter().map(|d| name_of(visit, d)).collect();
            let text = c()
                .ev_supplement
                .replace("{names}", &names.join(t().comma))
                .replace("{text}", reason);
            text.replace("{day}", &until.to_string())
        }
        EventKind::SupplementExcused { document, reason } => format!(
            "{}{}：{reason}",
            c().task_unavailable,
            name_of(visit, document)
        ),
        EventKind::DocumentJudged {
            document,
            accepted,
            reason,
        } => {
            let word = if *accepted {
                c().task_accepted
            } else {
                c().task_resend
            };
            format!("{}：{word} {reason}", name_of(visit, document))
        }
        EventKind::Marked {
            overlay, reason, ..
        } => format!("{}：{reason}", overlay_name(visit, *overlay)),
        EventKind::Unmarked { overlay } => c()
            .ev_unmarked
            .replace("{name}", overlay_name(visit, *overlay)),
        EventKind::ReviewAnswered {
            overturned, text, ..
        } => (if *overturned {
            c().ev_overturned
        } else {
            c().ev_upheld
        })
        .replace("{text}", text),
        EventKind::DisownSettled { genuine, text } => (if *genuine {
            c().ev_disown_kept
        } else {
            c().ev_disown_ended
        })
        .replace("{text}", text),
        EventKind::DocumentWaived { document, reason } => c()
            .ev_waived
            .replace("{name}", name_of(visit, document))
            .replace("{text}", reason),
        EventKind::Established {
            matter,
            holds,
            reason,
        } => {
            let text = if *holds {
                c().ev_established
            } else {
                c().ev_not_established
            };
            text.replace("{name}", c().matters.get(matter.as_str()))
                .replace("{text}", reason)
        }
        EventKind::ConsentWithdrawn { consent } => {
            let name = visit
                .catalogue
                .consents
                .iter()
                .find(|x| x.id == *consent)
                .map_or("", |x| i18n::text(&x.label));
            c().ev_consent.replace("{name}", name)
        }
        EventKind::Escalated { deadline, to, by } => {
            let clock = deadline.split(':').next().unwrap_or_default();
            let name = visit
                .catalogue
                .papers
                .after
                .clocks
                .get(clock)
                .map_or("", |x| i18n::text(&x.name));
            c().ev_escalated
                .replace("{name}", name)
                .replace("{who}", to)
                .replace("{t}", &by.to_local_text())
        }
        plain => told(plain),
    };
    let who = if limited && event.actor == Actor::Customer {
        c().actor_customer.into()
    } else {
        actor(&event.actor)
    };
    view! { <li><span class="quiet">{event.at.to_local_text()}" · "{who}</span><br/>{text}</li> }
        .into_any()
}

/// The text of a step whose facts are strings: the sentence for its kind, with the facts filled in.
fn told(what: &EventKind) -> String {
    let mut said = c().events.get(what.kind().as_str()).to_owned();
    let facts = serde_json::to_value(what).unwrap_or_default();
    let facts = facts
        .as_object()
        .and_then(|of_kind| of_kind.values().next());
    for (name, fact) in facts.and_then(Value::as_object).into_iter().flatten() {
        if let Some(fact) = fact.as_str() {
            said = said.replace(&format!("{{{name}}}"), fact);
        }
    }
    said
}

pub fn name_of(visit: Visit, document: &str) -> &'static str {
    visit
        .catalogue
        .document(document)
        .map_or("", |d| i18n::text(&d.name))
}

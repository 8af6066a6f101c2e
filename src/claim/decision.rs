//! What was decided and why, recalculated in the browser by the code that decided it; what was
//! paid; the letters.

use claim_api::ClaimView;
use claim_domain::lifecycle::{Check, Claim, EventKind, Line};
use claim_domain::money;
use claim_domain::payout::{Award, Payout, Step, percent};
use leptos::prelude::*;

use crate::i18n::{self, c};
use crate::visit::Visit;

/// The newest decision, the payments and every letter; earlier decisions stay below.
pub fn decision(visit: Visit, state: &Claim, view: &ClaimView) -> AnyView {
    let no = &view.summary.claim_no;
    let decided = view.events.iter().rev().filter_map(|e| match &e.what {
        EventKind::Approved {
            amount_fen,
            basis,
            payout,
            awards,
            checks,
        } => Some(approved(
            visit,
            *amount_fen,
            basis,
            (payout.as_ref(), awards),
            checks,
        )),
        EventKind::Rejected {
            clause,
            facts,
            evidence,
            checks,
        } => Some(rejected(visit, clause, facts, evidence, checks)),
        _ => None,
    });
    let mut decided: Vec<AnyView> = decided.collect();
    let earlier = if decided.len() > 1 {
        decided.split_off(1)
    } else {
        Vec::new()
    };
    let earlier = (!earlier.is_empty())
        .then(|| view! { <details><summary>{c().earlier_decisions}</summary>{earlier}</details> });
    let paid = view.events.iter().filter_map(|e| match &e.what {
        EventKind::Paid {
            amount_fen,
            reference,
            lines,
            last4,
            ..
        } => Some((e.at, *amount_fen, reference, lines.clone(), last4.clone())),
        EventKind::AdvancePaid {
            amount_fen,
            reference,
        } => {
            let last4 = state
                .payees
                .first()
                .map(|p| p.last4.clone())
                .unwrap_or_default();
            Some((
                e.at,
                *amount_fen,
                reference,
                vec![Line::new(c().advance, *amount_fen)],
                last4,
            ))
        }
        _ => None,
    });
    let paid = paid.map(|(at, fen, reference, lines, last4)| {
        let lines = lines
            .into_iter()
            .map(|l| view! { <p>{l.name}" "{money::show(l.fen)}</p> })
            .collect_view();
        view! {
            <div class="note" data-paid=fen.to_string()>
                <p><strong>{c().paid_title}" "{money::show(fen)}</strong></p>
                {lines}
                <p>{at.to_local_text()}" · "{c().to_account.replace("{n}", &last4)}</p>
                <p class="quiet">{c().reference.replace("{n}", reference)}</p>
            </div>
        }
    });
    let paid = paid.collect_view();
    let letters = view
        .events
        .iter()
        .filter_map(|e| Some((e.seq, title(&e.what)?)));
    let letters: Vec<_> = letters
        .map(|(seq, title)| {
            let to = format!("/claims/{no}/letters/{seq}");
            view! { <li><a href=to>{title}</a></li> }
        })
        .collect();
    let letters = (!letters.is_empty())
        .then(|| view! { <h3>{c().letters}</h3><ul class="tasks" id="letters">{letters}</ul> });
    view! { <div id="decision">{decided}</div>{earlier}{paid}{letters} }.into_any()
}

/// The title of an event's letter, if it has one.
fn title(what: &EventKind) -> Option<&'static str> {
    let kind = what.kind();
    kind.has_letter()
        .then(|| c().letter_titles.get(kind.as_str()))
}

fn approved(
    visit: Visit,
    fen: i64,
    basis: &str,
    (payout, awards): (Option<&Payout>, &[Award]),
    checks: &[Check],
) -> AnyView {
    // Show the sum we calculate, not the sum the server states.
    let mut ours = 0;
    let sum = |payout: &Payout| {
        let rows = payout.steps().into_iter().map(row).collect_view();
        view! { <table class="sum"><tbody>{rows}</tbody></table> }
    };
    let single = payout.map(|payout| {
        ours += payout.result_fen();
        sum(payout)
    });
    let line = |award: &Award| {
        ours += award.payout.result_fen();
        let why = [
            (c().because, &award.basis),
            (c().sum_excluded, &award.excluded_because),
            (c().sum_share, &award.share_because),
            (c().sum_deductible, &award.deductible_because),
        ];
        let why = why.into_iter().filter(|(_, text)| !text.is_empty());
        let why = why
            .map(|(part, text)| view! { <li>{part}"："{text.clone()}</li> })
            .collect_view();
        view! {
            <section data-award=award.cover.clone() data-fen=award.fen.to_string()>
                <h4>{award.name.clone()}" · "{award.item.clone()}" "{money::show(award.fen)}</h4>
                {sum(&award.payout)}
                <ul class="quiet">{why}</ul>
            </section>
        }
    };
    let lines = awards.iter().map(line).collect_view();
    let differs =
        (ours != fen).then(|| view! { <p class="note bad" role="alert">{c().sum_differs}</p> });
    view! {
        <h3>{c().decided.replace("{sum}", &money::show(fen))}</h3>
        {single}
        {lines}
        {differs}
        <p>{c().basis}" "{basis.to_owned()}</p>
        {points(visit, checks)}
    }
    .into_any()
}

fn rejected(visit: Visit, clause: &str, facts: &str, evidence: &str, checks: &[Check]) -> AnyView {
    view! {
        <h3>{c().not_covered}</h3>
        <dl class="why">
            <dt>{c().clause}</dt><dd>{clause.to_owned()}</dd>
            <dt>{c().facts}</dt><dd>{facts.to_owned()}</dd>
            <dt>{c().evidence}</dt><dd>{evidence.to_owned()}</dd>
        </dl>
        {points(visit, checks)}
        <p class="quiet">{c().not_the_end}</p>
    }
    .into_any()
}

/// 我们核对了什么: eight points, each passed or with what is in question.
fn points(visit: Visit, checks: &[Check]) -> Option<AnyView> {
    let words = &visit.catalogue.papers.after.points;
    let line = |check: &Check| {
        let name = words.get(check.point.as_str()).map_or("", i18n::text);
        if check.good {
            view! { <li>"✓ "{name}</li> }.into_any()
        } else {
            view! { <li class="doubt">"？ "{name}"："{check.note.clone()}</li> }.into_any()
        }
    };
    let lines = checks.iter().map(line).collect_view();
    (!checks.is_empty())
        .then(|| view! { <details><summary>{c().what_we_checked}</summary><ul class="points">{lines}</ul></details> }.into_any())
}

fn row(step: Step) -> AnyView {
    let minus = |fen: i64| format!("− {}", money::show(fen));
    let (name, value) = match step {
        Step::PerDay(days, fen) => (
            c().sum_allowance,
            c().sum_days
                .replace("{sum}", &money::show(fen))
                .replace("{n}", &days.to_string()),
        ),
        Step::Loss(fen) => (c().sum_loss, money::show(fen)),
        Step::Salvage(fen) => (c().sum_salvage, minus(fen)),
        Step::FirstPayer(fen) => (c().sum_first_payer, minus(fen)),
        Step::OtherPayer(fen) => (c().sum_other_payer, minus(fen)),
        Step::Excluded(fen) => (c().sum_excluded, minus(fen)),
        Step::Deductible(fen) => (c().sum_deductible, minus(fen)),
        Step::Share(bp) => (c().sum_share, format!("× {}", percent(bp))),
        Step::DeductibleRate(bp) => (c().sum_rate, format!("− {}", percent(bp))),
        Step::Cap(fen) => (c().sum_cap, money::show(fen)),
        Step::Result(fen) => (c().sum_result, money::show(fen)),
    };
    let strong = matches!(step, Step::Result(_));
    let value = if strong {
        view! { <strong>{value}</strong> }.into_any()
    } else {
        value.into_any()
    };
    view! { <tr><td>{name}</td><td>{value}</td></tr> }.into_any()
}

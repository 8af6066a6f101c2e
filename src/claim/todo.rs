//! 需要您做: everything that waits for the customer, each with the information needed to decide.

use claim_api::ClaimView;
use claim_domain::catalog::Phase;
use claim_domain::lifecycle::{
    Actor, Claim, EventKind, Gap, Line, Role, Stage, StepKind, Todo, Turn, Work,
};
use claim_domain::money;
use leptos::prelude::*;

use super::action::ClaimAction;
use super::history::{actor, name_of};
use crate::i18n::c;
use crate::ui::{button_link, changed, choices, click};
use crate::visit::Visit;

/// What is typed on the claim's page. It outlives a redraw, so an incoming event erases nothing.
#[derive(Clone, Copy)]
pub struct Typed {
    deed: ClaimAction,
    reason: RwSignal<String>,
    /// Assessment lines that the customer objects to.
    lines: RwSignal<Vec<u16>>,
    objecting: RwSignal<bool>,
    score: RwSignal<String>,
    words: RwSignal<String>,
    leaving: RwSignal<String>,
    withdrawing: RwSignal<bool>,
    remark: RwSignal<String>,
    remarking: RwSignal<bool>,
}

impl Typed {
    /// For the top of the page.
    pub fn trouble(self) -> AnyView {
        self.deed.trouble()
    }

    pub fn new(visit: Visit, no: &str) -> Typed {
        Typed {
            deed: ClaimAction::new(visit, no),
            reason: RwSignal::new(String::new()),
            lines: RwSignal::new(Vec::new()),
            objecting: RwSignal::new(false),
            score: RwSignal::new(String::new()),
            words: RwSignal::new(String::new()),
            leaving: RwSignal::new(String::new()),
            withdrawing: RwSignal::new(false),
            remark: RwSignal::new(String::new()),
            remarking: RwSignal::new(false),
        }
    }
}

/// `None`: nothing waits for the customer.
pub fn asks(
    visit: Visit,
    typed: Typed,
    again: Callback<()>,
    state: &Claim,
    view: &ClaimView,
) -> Option<AnyView> {
    let allowed = state.allowed(&Actor::Customer);
    let todos = state.todos(&view.papers);
    let mut all: Vec<AnyView> = Vec::new();
    all.extend(disowning(typed, again, state, view));
    if !view.limited {
        all.extend(wanted(visit, state, view));
        all.extend(todos.contains(&Todo::Request).then(|| request(view)));
        all.extend(missing(visit, &todos, &view.summary.claim_no));
        if allowed.contains(&StepKind::AssessmentAccepted) {
            all.extend(
                state
                    .assessment
                    .as_ref()
                    .map(|a| assessment(typed, again, a.version, &a.lines, a.total_fen, view)),
            );
        }
        if allowed.contains(&StepKind::DecisionAgreed) {
            all.push(agreement(typed, again, state, &view.summary.claim_no));
        }
        all.extend(payee(state, &todos, &view.summary.claim_no));
        if allowed.contains(&StepKind::AdvanceAsked) {
            let take = move |_| {
                typed
                    .deed
                    .take(EventKind::AdvanceAsked, move || again.run(()))
            };
            all.push(
                view! {
                    <div class="note" id="advance">
                        <p>{c().advance_offer}</p>
                        <button class="weui-btn weui-btn_primary" type="button" id="ask-advance" on:click=click(take)>{c().advance_ask}</button>
                    </div>
                }
                .into_any(),
            );
        }
    }
    (!all.is_empty()).then(|| view! { {all} }.into_any())
}

/// What the insurer says is missing: one list with who asked, why and until when; and what was sent
/// back.
fn wanted(visit: Visit, state: &Claim, view: &ClaimView) -> Option<AnyView> {
    let link = |document: &str| {
        let address = format!("/claims/{}/documents/{document}", view.summary.claim_no);
        view! { <a href=address>{name_of(visit, document)}</a> }
    };
    let supplement = state.supplement.as_ref().map(|s| {
        let list = s
            .wanted
            .iter()
            .map(|d| view! { <li>{link(d)}</li> })
            .collect_view();
        view! {
            <h3>{c().supplement_title}</h3>
            <ul>{list}</ul>
            <p>{actor(&s.by)}"："{s.reason.clone()}</p>
            <p><strong>{c().supplement_until.replace("{day}", &s.until.to_string())}</strong></p>
            <p class="quiet">{c().supplement_pause}</p>
        }
    });
    let back = state.verdicts.iter().filter(|v| !v.accepted);
    let back =
        back.map(|v| view! { <p>{link(&v.document)}" · "<strong>{c().task_resend}</strong>"："{v.reason.clone()}</p> }).collect_view();
    let wants = state.supplement.is_some() || state.verdicts.iter().any(|v| !v.accepted);
    (wants && !state.stage.is_over()).then(|| {
        view! { <div class="note warn" id="supplement">{supplement}{back}</div> }.into_any()
    })
}

pub fn work(line: &Line) -> &'static str {
    match line.work {
        Some(Work::Repair) => c().work_repair,
        Some(Work::Replace) => c().work_replace,
        Some(Work::Labour) => c().work_labour,
        None => "",
    }
}

/// 定损: every line, and two equal answers. An objection names lines and reasons; the other lines
/// stand.
fn assessment(
    typed: Typed,
    again: Callback<()>,
    version: u16,
    lines: &[Line],
    total: i64,
    view: &ClaimView,
) -> AnyView {
    let rows = lines
        .iter()
        .map(|l| view! { <tr><td>{l.name.clone()}" "<span class="quiet">{work(l)}</span></td><td>{money::show(l.fen)}</td></tr> })
        .collect_view();
    let tick = |(i, line): (usize, &Line)| {
        let i = u16::try_from(i).unwrap_or(u16::MAX);
        let flip = move |_| {
            typed.lines.update(|all| {
                let before = all.len();
                all.retain(|l| *l != i);
                if all.len() == before {
                    all.push(i);
                }
            });
        };
        let ticked = Signal::derive(move || typed.lines.with(|all| all.contains(&i)));
        let id = format!("line-{i}");
        view! {
            <label class="choice">
                <input type="checkbox" id=id prop:checked=ticked on:change=changed(flip) />
                <span>{line.name.clone()}<small>{money::show(line.fen)}</small></span>
            </label>
        }
    };
    let ticks = lines.iter().enumerate().map(tick).collect_view();
    let answer = view.events.iter().rev().find_map(|e| match &e.what {
        EventKind::Assessed { answer, .. } if !answer.is_empty() => Some(answer.clone()),
        EventKind::Assessed { .. } => Some(String::new()),
        _ => None,
    });
    let answer = answer
        .filter(|a| !a.is_empty())
        .map(|text| view! { <p class="note">{c().answered.replace("{text}", &text)}</p> });
    let accept = move |_| {
        typed.deed.take(
            EventKind::AssessmentAccepted {
                version,
                by_phone: false,
            },
            move || again.run(()),
        );
    };
    let object = move |_| {
        let mut lines = typed.lines.get_untracked();
        lines.sort_unstable();
        let what = EventKind::AssessmentObjected {
            version,
            reason: typed.reason.get_untracked(),
            lines,
        };
        typed.deed.take(what, move || {
            typed.reason.set(String::new());
            typed.lines.set(Vec::new());
            typed.objecting.set(false);
            again.run(());
        });
    };
    let documents = format!("/claims/{}/documents", view.summary.claim_no);
    view! {
        <h3>{c().assessment_title.replace("{n}", &version.to_string())}</h3>
        {answer}
        <table>
            <thead><tr><th scope="col">{c().item}</th><th scope="col">{c().amount}</th></tr></thead>
            <tbody>{rows}<tr><td><strong>{c().total}</strong></td><td><strong>{money::show(total)}</strong></td></tr></tbody>
        </table>
        <button class="weui-btn weui-btn_primary" type="button" id="accept" on:click=click(accept)>{c().accept}</button>
        <details open=typed.objecting.get_untracked()>
            <summary class="weui-btn weui-btn_default" id="objecting" on:click=click(move |_| typed.objecting.update(|o| *o = !*o))>{c().object}</summary>
            <fieldset><legend>{c().object_which}</legend><div class="choices">{ticks}</div></fieldset>
            {typed.deed.area("/reason", c().object_reason, typed.reason)}
            <p class="quiet">{c().object_quote}" "<a href=documents>{c().tasks_title}</a></p>
            <button class="weui-btn weui-btn_primary" type="button" id="object" on:click=click(object)>{c().object_send}</button>
        </details>
    }
    .into_any()
}

/// The decision is below the accepted amount: silence is never agreement.
fn agreement(typed: Typed, again: Callback<()>, state: &Claim, no: &str) -> AnyView {
    let agree = move |_| {
        typed
            .deed
            .take(EventKind::DecisionAgreed, move || again.run(()))
    };
    view! {
        <div class="note warn" id="agreement">
            <p>{c().agree_hint.replace("{sum}", &money::show(state.approved_fen.unwrap_or(0)))}</p>
            <button class="weui-btn weui-btn_primary" type="button" id="agree" on:click=click(agree)>{c().agree}</button>
            {button_link(format!("/claims/{no}/disagree"), c().disagree, false)}
        </div>
    }
    .into_any()
}

/// The formal claim request (索赔): the only next step until it is made.
fn request(view: &ClaimView) -> AnyView {
    let missing = view
        .papers
        .iter()
        .filter(|t| t.is_missing() && t.phase != Phase::Payment)
        .count();
    let to = format!("/claims/{}/documents", view.summary.claim_no);
    view! {
        <div class="note" id="request-wanted">
            <p><strong>{c().request_todo.replace("{n}", &missing.to_string())}</strong></p>
            <p class="quiet">{c().request_why}</p>
            {button_link(to, c().tasks_title, true)}
        </div>
    }
    .into_any()
}

/// Required documents that nobody has submitted.
fn missing(visit: Visit, todos: &[Todo], no: &str) -> Option<AnyView> {
    let line = |todo: &Todo| match todo {
        Todo::Paper(document) => {
            let to = format!("/claims/{no}/documents/{document}");
            Some(view! { <li><a href=to>{name_of(visit, document)}</a></li> })
        }
        _ => None,
    };
    let lines: Vec<_> = todos.iter().filter_map(line).collect();
    (!lines.is_empty())
        .then(|| view! { <div class="note warn" id="papers-wanted"><p>{c().papers_todo}</p><ul>{lines}</ul></div> }.into_any())
}

/// Somebody else reported on the customer's policy, and how to stop it.
fn disowning(
    typed: Typed,
    again: Callback<()>,
    state: &Claim,
    view: &ClaimView,
) -> Option<AnyView> {
    if state.disowned_at.is_some() {
        return Some(view! { <p class="note warn" id="disowned">{c().disowned}</p> }.into_any());
    }
    let may = state
        .allowed(&Actor::Customer)
        .contains(&StepKind::Disowned)
        && view.role == Role::Owner
        && !view.own_report;
    let say = move |_| typed.deed.take(EventKind::Disowned, move || again.run(()));
    may.then(|| {
        view! {
            <details id="not-mine"><summary>{c().disown_ask}</summary>
                <button class="weui-btn weui-btn_default" type="button" id="disown" on:click=click(say)>{c().disown}</button>
            </details>
        }
        .into_any()
    })
}

/// A bank account is needed, or the bank rejected the one we have.
fn payee(state: &Claim, todos: &[Todo], no: &str) -> Option<AnyView> {
    let failed = todos.iter().any(|t| matches!(t, Todo::Account(_)));
    let needed = todos.contains(&Todo::Payees)
        || (state.requested_at.is_some() && state.payees.is_empty() && !state.stage.is_over());
    let text = if failed {
        c().payee_returned
    } else {
        c().payee_needed
    };
    (failed || needed).then(|| {
        view! { <div class="note warn" id="payee-wanted"><p>{text}</p>{button_link(format!("/claims/{no}/payees"), c().payee, true)}</div> }.into_any()
    })
}

/// 离到账还差什么 (R5): everything that holds up the payment, and who has to act.
pub fn gate(visit: Visit, state: &Claim, view: &ClaimView) -> Option<AnyView> {
    if view.limited || state.stage.is_over() || state.stage == Stage::Paid {
        return None;
    }
    let no = &view.summary.claim_no;
    let line = |gap: &Gap| {
        let (text, to) = match gap {
            Gap::Disowned => (c().gap_disowned.to_owned(), None),
            Gap::Policy => (c().gap_policy.to_owned(), None),
            Gap::Request => (c().gap_request.to_owned(), Some("documents".to_owned())),
            Gap::Paper(id) => (
                c().gap_paper.replace("{name}", name_of(visit, id)),
                Some(format!("documents/{id}")),
            ),
            Gap::Verdict(id) => (c().gap_verdict.replace("{name}", name_of(visit, id)), None),
            Gap::Decision => (c().gap_decision.to_owned(), None),
            Gap::Agreement => (c().gap_agreement.to_owned(), None),
            Gap::Payees => (c().gap_payees.to_owned(), Some("payees".to_owned())),
            Gap::Account(n) => (
                c().gap_account.replace("{n}", &n.to_string()),
                Some("payees".to_owned()),
            ),
        };
        let (class, whose) = if gap.is_customers() {
            ("tag you", c().gate_yours)
        } else {
            ("tag", c().gate_ours)
        };
        let text = match to {
            Some(to) => view! { <a href=format!("/claims/{no}/{to}")>{text}</a> }.into_any(),
            None => text.into_any(),
        };
        view! { <li><span class=class>{whose}</span>" "{text}</li> }
    };
    let lines: Vec<_> = view.gaps.iter().map(line).collect();
    let content = if lines.is_empty() {
        view! { <p>{c().gate_none}</p> }.into_any()
    } else {
        view! { <ul>{lines}</ul> }.into_any()
    };
    Some(view! { <details id="gate" open=state.approved_fen.is_some()><summary>{c().gate_title}" · "{view.gaps.len()}</summary>{content}</details> }.into_any())
}

/// One question, once, after the outcome; it may be left unanswered. Never asked after a death.
pub fn rating(
    typed: Typed,
    again: Callback<()>,
    state: &Claim,
    view: &ClaimView,
) -> Option<AnyView> {
    let asked = state.allowed(&Actor::Customer).contains(&StepKind::Rated)
        && !view.limited
        && view.summary.incident != "health.death";
    asked.then(|| question(typed, again))
}

fn question(typed: Typed, again: Callback<()>) -> AnyView {
    let faces = c()
        .faces
        .split('\n')
        .enumerate()
        .map(|(i, word)| ((i + 1).to_string(), word.to_owned(), String::new()))
        .collect();
    let send = move |_| {
        let score = typed.score.get_untracked().parse().unwrap_or(0);
        typed.deed.of("/rate").take(
            EventKind::Rated {
                score,
                text: typed.words.get_untracked(),
            },
            move || again.run(()),
        );
    };
    view! {
        <div class="note" id="rating">
            <fieldset><legend>{c().rate}</legend>{typed.deed.wrong("/rate/score")}{choices("/rate/score", faces, typed.score.into(), Callback::new(move |v| typed.score.set(v)))}</fieldset>
            {typed.deed.area("/rate/text", c().rate_words, typed.words)}
            <button class="weui-btn weui-btn_default" type="button" id="rate" on:click=click(send)>{c().rate_send}</button>
        </div>
    }
    .into_any()
}

/// The survey report, with the customer's remarks beside it, never replacing it.
pub fn survey(
    typed: Typed,
    again: Callback<()>,
    state: &Claim,
    view: &ClaimView,
) -> Option<AnyView> {
    let report = view.events.iter().rev().find_map(|e| match &e.what {
        EventKind::SurveyReported { report } if !report.is_empty() => Some(report.clone()),
        _ => None,
    })?;
    let send = move |_| {
        typed.deed.of("/remark").take(
            EventKind::SurveyRemarked {
                text: typed.remark.get_untracked(),
            },
            move || {
                typed.remark.set(String::new());
                typed.remarking.set(false);
                again.run(());
            },
        );
    };
    let may = state
        .allowed(&Actor::Customer)
        .contains(&StepKind::SurveyRemarked)
        && !view.limited;
    let form = may.then(|| {
        view! {
            <details open=typed.remarking.get_untracked()>
                <summary on:click=click(move |_| typed.remarking.update(|o| *o = !*o))>{c().remark}</summary>
                {typed.deed.area("/remark/text", c().remark_text, typed.remark)}
                <button class="weui-btn weui-btn_default" type="button" id="send-remark" on:click=click(send)>{c().remark_send}</button>
            </details>
        }
    });
    Some(view! { <h3>{c().survey_report}</h3><p id="survey">{report}</p>{form} }.into_any())
}

/// What withdrawing means, before it is done.
pub fn withdraw(
    typed: Typed,
    again: Callback<()>,
    state: &Claim,
    view: &ClaimView,
) -> Option<AnyView> {
    let may = state
        .allowed(&Actor::Customer)
        .contains(&StepKind::Withdrawn)
        && !view.limited;
    let leave = move |_| {
        typed.deed.of("/withdraw").take(
            EventKind::Withdrawn {
                reason: typed.leaving.get_untracked(),
            },
            move || again.run(()),
        );
    };
    (may && state.turn(&view.papers) != Turn::Nobody).then(|| {
        view! {
            <details open=typed.withdrawing.get_untracked()>
                <summary on:click=click(move |_| typed.withdrawing.update(|o| *o = !*o))>{c().withdraw}</summary>
                <p>{c().withdraw_hint}</p>
                {typed.deed.area("/withdraw/reason", c().withdraw_reason, typed.leaving)}
                <button class="weui-btn weui-btn_default" type="button" id="withdraw" on:click=click(leave)>{c().withdraw}</button>
            </details>
        }
        .into_any()
    })
}

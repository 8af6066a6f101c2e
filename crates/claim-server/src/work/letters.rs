//! Letters that the law or good practice requires in writing: 受理通知, 补充材料通知, 核定书,
//! 拒赔通知书, 付款通知. Each is made from one event of the log, so it always says the same. The
//! standard text is in the reader's language; what staff wrote stays as they wrote it.

use claim_api::{Letter, ProblemCode};
use claim_domain::documents::{FormLine, form_sha256};
use claim_domain::lifecycle::{Actor, Check, Event, EventKind, StepKind};
use claim_domain::payout::{Award, Payout, Step, percent};
use claim_domain::{local_day, money};

use crate::App;
use crate::failure::Result;
use crate::store::claims::ClaimRow;
use crate::store::folders::Signed;
use crate::store::{Db, events};
use crate::words::{Words, fill};

/// Heading and text.
type Part = (String, String);

fn part(heading: &str, text: impl Into<String>) -> Part {
    (heading.to_owned(), text.into())
}

/// The letter for an event, if its kind has one.
pub fn of(app: &App, claim: &ClaimRow, event: &Event, words: &Words) -> Option<Letter> {
    let w = &words.letters;
    let time = |at: claim_domain::Moment| at.to_local_text();
    let (title, mut parts) = match &event.what {
        EventKind::Registered { handler } => (
            &w.accepted,
            vec![
                part(
                    "",
                    fill(&w.accepted_text, &[("time", &time(claim.reported_at))]),
                ),
                part(&w.handler, handler),
                part(&w.papers, &w.papers_text),
            ],
        ),
        EventKind::NotAccepted {
            text, next_step, ..
        } => (
            &w.not_accepted,
            vec![
                part(&w.reason, text),
                part(&w.you_can, next_step),
                disagree(app, words),
            ],
        ),
        EventKind::SupplementAsked {
            documents,
            reason,
            until,
            ..
        } => {
            let known = documents.iter().filter_map(|id| app.catalogue.document(id));
            let names: Vec<&str> = known.map(|d| words.text(&d.name)).collect();
            let parts = vec![
                part(&w.needed, names.join("\n")),
                part(&w.why, reason),
                part(&w.until, until.to_string()),
                part(&w.term, &w.term_text),
            ];
            (&w.supplement, parts)
        }
        EventKind::Approved {
            amount_fen,
            basis,
            payout,
            awards,
            checks,
        } => {
            let mut parts = vec![part(&w.amount, money::show(*amount_fen))];
            parts.extend(payout.iter().map(|p| part(&w.sum, sum(p, words))));
            parts.extend(awards.iter().map(|award| of_award(award, words)));
            parts.push(part(&w.basis, basis));
            parts.push(checked(app, checks, words));
            parts.push(part(&w.payment, &w.payment_text));
            parts.push(disagree(app, words));
            (&w.approved, parts)
        }
        EventKind::Rejected {
            clause,
            facts,
            evidence,
            checks,
        } => (
            &w.refused,
            vec![
                part(&w.clause, clause),
                part(&w.facts, facts),
                part(&w.evidence, evidence),
                checked(app, checks, words),
                part(&w.limitation, &w.limitation_text),
                disagree(app, words),
            ],
        ),
        EventKind::Paid {
            amount_fen,
            reference,
            lines,
            last4,
            ..
        } => {
            let lines = lines
                .iter()
                .map(|l| format!("{}　{}", l.name, money::show(l.fen)));
            let parts = vec![
                part(&w.paid_amount, money::show(*amount_fen)),
                part(&w.paid_lines, lines.collect::<Vec<_>>().join("\n")),
                part(&w.account, fill(&w.account_text, &[("last4", last4)])),
                part(&w.bank_reference, reference),
                part(&w.paid_at, time(event.at)),
            ];
            (&w.paid, parts)
        }
        _ => return None,
    };
    parts.insert(0, part(&w.no, &claim.no));
    parts.retain(|(_, text)| !text.is_empty());
    parts.push(part(
        &w.contact,
        fill(&w.contact_text, &[("hotline", &app.deployment.hotline)]),
    ));
    let insurer = words.text(&app.deployment.insurer);
    let from = match &event.actor {
        Actor::Staff { name, .. } => format!("{insurer}　{name}"),
        _ => insurer.to_owned(),
    };
    Some(Letter {
        title: title.clone(),
        to: claim.notice.reporter.name.clone(),
        parts,
        from,
        date: local_day(event.at).to_string(),
    })
}

fn checked(app: &App, checks: &[Check], words: &Words) -> Part {
    let line = |c: &Check| {
        let name = app.catalogue.papers.after.points.get(c.point.as_str());
        let name = name.map_or("", |text| words.text(text));
        if c.good {
            format!("✓ {name}")
        } else {
            format!("？ {name}：{}", c.note)
        }
    };
    part(
        &words.letters.checked,
        checks.iter().map(line).collect::<Vec<_>>().join("\n"),
    )
}

fn disagree(app: &App, words: &Words) -> Part {
    let rungs = app.catalogue.papers.after.ladder.iter();
    let rungs = rungs.map(|r| format!("{}：{}", words.text(&r.name), words.text(&r.what)));
    part(
        &words.letters.disagree,
        rungs.collect::<Vec<_>>().join("\n"),
    )
}

fn of_award(award: &Award, words: &Words) -> Part {
    let w = &words.letters;
    let heading = format!("{}　{}　{}", award.name, award.item, money::show(award.fen));
    let why = [
        (&w.excluded, &award.excluded_because),
        (&w.share, &award.share_because),
        (&w.deductible, &award.deductible_because),
    ];
    let why = why.iter().filter(|(_, said)| !said.is_empty());
    let basis = (&w.basis, &award.basis);
    let said = std::iter::once(&basis).chain(why);
    let said: Vec<String> = said
        .map(|(heading, said)| format!("{heading}：{said}"))
        .collect();
    (
        heading,
        format!("{}\n{}", sum(&award.payout, words), said.join("\n")),
    )
}

fn sum(payout: &Payout, words: &Words) -> String {
    let lines = payout
        .steps()
        .into_iter()
        .map(|step| line_of_sum(step, words));
    lines.collect::<Vec<_>>().join("\n")
}

/// One line of a calculation.
fn line_of_sum(step: Step, words: &Words) -> String {
    let (key, fen, more) = match step {
        Step::PerDay(days, fen) => ("per_day", fen, ("days", days.to_string())),
        Step::Loss(fen) => ("loss", fen, ("", String::new())),
        Step::Salvage(fen) => ("salvage", fen, ("", String::new())),
        Step::FirstPayer(fen) => ("first_payer", fen, ("", String::new())),
        Step::OtherPayer(fen) => ("other_payer", fen, ("", String::new())),
        Step::Excluded(fen) => ("excluded", fen, ("", String::new())),
        Step::Deductible(fen) => ("deductible", fen, ("", String::new())),
        Step::Share(bp) => ("share", 0, ("percent", percent(bp))),
        Step::DeductibleRate(bp) => ("deductible_rate", 0, ("percent", percent(bp))),
        Step::Cap(fen) => ("cap", fen, ("", String::new())),
        Step::Result(fen) => ("result", fen, ("", String::new())),
    };
    let sentence = words.letters.steps.get(key).map_or("", String::as_str);
    fill(sentence, &[("fen", &money::show(fen)), (more.0, &more.1)])
}

/// 索赔申请书 as it was signed.
pub fn form(app: &App, claim: &ClaimRow, signed: &Signed, words: &Words) -> Letter {
    let w = &words.letters;
    let value = |line: &FormLine| match line.key.as_str() {
        "incident" => {
            let known = app.catalogue.incident(&line.value);
            known.map_or_else(|| line.value.clone(), |i| words.text(&i.name).to_owned())
        }
        "parts" => {
            let all = app.catalogue.parts(claim.lob);
            let named = |id: &str| all.iter().find(|p| p.id == id).map(|p| words.text(&p.name));
            line.value
                .split(' ')
                .filter_map(named)
                .collect::<Vec<_>>()
                .join("、")
        }
        "unavailable" => {
            let named = |id: &str| app.catalogue.document(id).map(|d| words.text(&d.name));
            line.value
                .split(' ')
                .filter_map(named)
                .collect::<Vec<_>>()
                .join("、")
        }
        _ => line.value.clone(),
    };
    let mut parts: Vec<Part> = signed
        .form
        .iter()
        .map(|line| part(form_label(&line.key, words), value(line)))
        .collect();
    let known = |id: &str| app.catalogue.consents.iter().find(|known| known.id == id);
    let consents = signed.consents.iter().filter_map(|c| known(&c.id));
    let consents: Vec<&str> = consents.map(|c| words.text(&c.label)).collect();
    parts.push(part(&w.agreed, consents.join("\n")));
    let (time, hash) = (signed.at.to_local_text(), form_sha256(&signed.form));
    parts.push(part(
        &w.signature,
        fill(&w.signature_text, &[("time", &time), ("hash", &hash)]),
    ));
    Letter {
        title: w.form.clone(),
        to: words.text(&app.deployment.insurer).to_owned(),
        parts,
        from: claim.notice.reporter.name.clone(),
        date: local_day(signed.at).to_string(),
    }
}

/// The name of a line of the claim form.
pub fn form_label<'a>(key: &str, words: &'a Words) -> &'a str {
    words.letters.lines.get(key).map_or("", String::as_str)
}

/// The letter for the event `seq`, and the kind of that event.
///
/// # Errors
/// `not-found` if there is no letter for that event.
pub async fn about(
    app: &App,
    db: &mut Db,
    claim: &ClaimRow,
    seq: u32,
    words: &Words,
) -> Result<(Letter, StepKind)> {
    let events = events::after(db, &claim.id, 0).await?;
    let event = events.iter().find(|e| e.seq == seq);
    let found = event.and_then(|event| Some((of(app, claim, event, words)?, event.what.kind())));
    found.ok_or_else(|| ProblemCode::NotFound.into())
}

//! What people are told by SMS: one message for each event that matters to them, written in the
//! transaction that made it true ([`super::delivery`] sends it).
//!
//! Promise: no message carries an amount, a name or an ID number; details are only visible after
//! sign-in. At night we send only what was just asked for, unless the person wants otherwise.

use claim_domain::lifecycle::{Event, EventKind};
use claim_domain::{Lob, Moment, local_day};

use crate::App;
use crate::audit::Who;
use crate::failure::Result;
use crate::store::claims::ClaimRow;
use crate::store::{Db, Tx, links, messages, policies, sessions};
use crate::vault::token;
use crate::words::{self, fill};

/// A message to be written.
pub struct Message {
    kind: String,
    text: String,
    /// Sent at night too, and to people who want few messages.
    urgent: bool,
    optional: bool,
}

/// The text for an event, if it has one. `by` is a time or day where the event has one.
pub fn of(app: &App, claim: &ClaimRow, what: &EventKind) -> Option<Message> {
    if !what.kind().has_message() {
        return None;
    }
    let w = &words::own().messages;
    let said = match what {
        EventKind::Reported { .. } => fill(
            &w.reported,
            &[("hours", &app.deployment.promises.contact_hours.to_string())],
        ),
        EventKind::NotAccepted { .. } => w.not_accepted.clone(),
        EventKind::SurveyStarted { on_site: true, .. } => w.survey_started.clone(),
        EventKind::Assessed { .. } if claim.lob.is_surveyed() => w.assessed.clone(),
        EventKind::Approved { .. } => w.approved.clone(),
        EventKind::Rejected { .. } => w.rejected.clone(),
        EventKind::PaymentFailed { .. } => w.payment_failed.clone(),
        EventKind::Paid { .. } => w.paid.clone(),
        EventKind::AdvancePaid { .. } => w.advance_paid.clone(),
        EventKind::Closed => w.closed.clone(),
        EventKind::SupplementAsked {
            documents, until, ..
        } => {
            let (n, until) = (documents.len().to_string(), until.to_string());
            fill(&w.supplement_asked, &[("n", &n), ("until", &until)])
        }
        EventKind::DocumentJudged {
            accepted: false, ..
        } => w.document_returned.clone(),
        EventKind::Requested { .. } => w.requested.clone(),
        EventKind::ReviewAnswered { .. } => w.review_answered.clone(),
        EventKind::ComplaintFiled { number, .. } => fill(&w.complaint_filed, &[("number", number)]),
        EventKind::ComplaintAnswered { .. } => w.complaint_answered.clone(),
        EventKind::PolicyFound { .. } => w.policy_found.clone(),
        EventKind::Entitled { .. } => w.entitled.clone(),
        EventKind::DisownSettled { genuine: true, .. } => w.genuine.clone(),
        EventKind::Answered { .. } => w.answered.clone(),
        EventKind::Escalated { deadline, .. } if deadline == "advance" => w.advance_due.clone(),
        EventKind::Escalated { by, .. } => fill(&w.escalated, &[("by", &by.to_local_text())]),
        _ => return None,
    };
    let optional = matches!(what, EventKind::Closed | EventKind::Requested { .. });
    let urgent = matches!(what, EventKind::Reported { .. });
    Some(Message {
        kind: what.kind().as_str().to_owned(),
        text: whole(app, claim, &said),
        urgent,
        optional,
    })
}

/// Tells everybody concerned by an event, once: the reporter, and the people of the policy. People
/// who reported on somebody else's policy hear about the progress and nothing else.
pub async fn tell(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    event: &Event,
    at: Moment,
) -> Result<()> {
    let owners = owners(tx, claim).await?;
    let reporter = &claim.notice.reporter.phone;
    let is_owner = owners.contains(reporter) || owners.is_empty();
    if let Some(message) = of(app, claim, &event.what)
        && (is_owner || is_anybodys(&event.what))
    {
        write(app, tx, claim, event.seq, reporter, &message, at).await?;
    }
    for (n, owner) in owners.iter().filter(|o| *o != reporter).enumerate() {
        let theirs = match &event.what {
            EventKind::Reported { .. } | EventKind::PolicyFound { .. } => {
                let link = disown_link(app, tx, claim, at).await?;
                let said = fill(&words::own().messages.owner_told, &[("link", &link)]);
                Some(Message {
                    kind: String::new(),
                    text: whole(app, claim, &said),
                    urgent: false,
                    optional: false,
                })
            }
            what => of(app, claim, what),
        };
        if let Some(message) = theirs {
            let kind = format!("{}:{}", event.what.kind().as_str(), n + 2);
            write(
                app,
                tx,
                claim,
                event.seq,
                owner,
                &Message { kind, ..message },
                at,
            )
            .await?;
        }
    }
    Ok(())
}

/// Whether an event is progress, which every reporter is told about.
fn is_anybodys(what: &EventKind) -> bool {
    matches!(
        what,
        EventKind::Reported { .. }
            | EventKind::NotAccepted { .. }
            | EventKind::SurveyStarted { .. }
            | EventKind::Closed
            | EventKind::Answered { .. }
            | EventKind::ComplaintFiled { .. }
            | EventKind::ComplaintAnswered { .. }
            | EventKind::Entitled { .. }
    )
}

/// Phones of the policy: holder first, each once.
async fn owners(db: &mut Db, claim: &ClaimRow) -> Result<Vec<String>> {
    let policy = policies::of_claim(db, &claim.id).await?;
    let mut phones: Vec<String> = Vec::new();
    for party in policy
        .iter()
        .flat_map(|p| std::iter::once(&p.holder).chain(&p.insured))
    {
        // Skip landlines, as companies have: nobody reads messages there.
        if claim_domain::validate::mobile(&party.phone)
            .value()
            .is_some()
            && !phones.contains(&party.phone)
        {
            phones.push(party.phone.clone());
        }
    }
    Ok(phones)
}

const DISOWN_LIVES: i64 = 30 * 86_400;

/// The link with which a policyholder can say 这不是我报的, without signing in.
async fn disown_link(app: &App, tx: &mut Tx, claim: &ClaimRow, at: Moment) -> Result<String> {
    let fresh = token();
    links::add_disown(tx, &claim.id, &fresh, at.plus_seconds(DISOWN_LIVES)).await?;
    Ok(format!("{}/not-mine#{fresh}", app.address()))
}

/// Silence is never consent: the customer is reminded, and nothing else happens. From the first
/// fortnightly reminder on, it names the day on which the claim becomes time-barred
/// (保险法第二十六条).
pub async fn remind(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    seq: u32,
    days: i64,
    at: Moment,
) -> Result<()> {
    let years = if claim.lob == Lob::Life { 5 } else { 2 };
    let late = local_day(claim.notice.loss_at).plus_years(years);
    let w = &words::own().messages;
    let said = match days {
        ..=7 => w.reminder.clone(),
        _ => fill(&w.reminder_late, &[("day", &late.to_string())]),
    };
    let message = Message {
        kind: format!("reminder-{days}"),
        text: whole(app, claim, &said),
        urgent: false,
        optional: true,
    };
    let owners = owners(tx, claim).await?;
    let to = if owners.is_empty() || owners.contains(&claim.notice.reporter.phone) {
        &claim.notice.reporter.phone
    } else {
        &owners[0]
    };
    write(app, tx, claim, seq, to, &message, at).await
}

fn whole(app: &App, claim: &ClaimRow, said: &str) -> String {
    let words = words::own();
    let values = [
        ("insurer", words.text(&app.deployment.insurer)),
        ("no", &claim.no),
        ("hotline", &app.deployment.hotline),
        ("said", said),
    ];
    fill(&words.messages.frame, &values)
}

/// Messages per hour to a phone that nobody has signed in with: a reporter can type in any number.
/// One of them is reserved for a code.
const TO_STRANGERS: i64 = 3;
const A_DAY_TO_STRANGERS: i64 = 10;
const CODES_TO_KNOWN: i64 = 5;

pub fn codes_an_hour(has_answered: bool) -> i64 {
    if has_answered {
        CODES_TO_KNOWN
    } else {
        TO_STRANGERS
    }
}

/// Takes one from the quota that all such phones share. Checked last, just before sending, so that
/// a message refused for another reason uses none of it.
fn may_go_to_strangers(app: &App) -> bool {
    let may = app.quotas.messages.take(()).is_ok();
    if !may {
        app.audit.alarm(
            serde_json::json!({ "limit": "messages to phones that nobody has signed in with" }),
        );
    }
    may
}

/// Seconds until a code may go to a phone that nobody has signed in with; 0: now.
pub async fn wait_for_code(app: &App, db: &mut Db, phone: &str, at: Moment) -> Result<i64> {
    let (count, oldest) = messages::in_an_hour(db, phone, at).await?;
    if count >= TO_STRANGERS {
        return Ok((oldest + 3600 - at.0).max(1));
    }
    Ok(if may_go_to_strangers(app) { 0 } else { 60 })
}

/// When an unrequested message may go to such a phone; `None`: never.
async fn when_to_stranger(
    app: &App,
    db: &mut Db,
    phone: &str,
    at: Moment,
) -> Result<Option<Moment>> {
    if messages::in_a_day(db, phone, at).await? >= A_DAY_TO_STRANGERS {
        return Ok(None);
    }
    if !may_go_to_strangers(app) {
        return Ok(Some(at.plus_seconds(600)));
    }
    // An hour after the last but one: of three, one is reserved for a code.
    let before_last = messages::nth_before(db, phone, TO_STRANGERS - 2, at).await?;
    let from = before_last.map_or(at.0, |before| at.0.max(before + 3600));
    Ok(Some(app.deployment.message_hours.next(Moment(from))))
}

/// Queues a message about an event, once. A phone that nobody has signed in with gets few, and only
/// by day.
async fn write(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    seq: u32,
    phone: &str,
    message: &Message,
    at: Moment,
) -> Result<()> {
    let (by_day, optional) = messages::wishes(tx, phone).await?;
    if message.optional && !optional {
        return Ok(());
    }
    let next = match sessions::has_answered(tx, phone).await? {
        true if message.urgent || !by_day => at,
        true => app.deployment.message_hours.next(at),
        false => match when_to_stranger(app, tx, phone, at).await? {
            Some(next) => next,
            None => {
                app.audit.refused(&Who::Nobody, serde_json::json!({ "limit": "messages a day", "claim": claim.no, "kind": message.kind }));
                return Ok(());
            }
        },
    };
    let new = messages::New {
        claim_id: &claim.id,
        seq,
        kind: &message.kind,
        phone,
        text: &message.text,
        next,
    };
    messages::add(tx, &new, at).await
}

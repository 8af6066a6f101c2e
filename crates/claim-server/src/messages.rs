//! What people are told by SMS: one message for each event that matters to them, written in the transaction that made it
//! true, sent afterwards by a driver, tried again until it went.
//!
//! Promise: no message carries an amount, a name or an ID number; what it is about stands behind a sign-in. At night only
//! what was just asked for goes out, unless the person wants otherwise.

use std::io::Write;
use std::path::PathBuf;

use axum::Json;
use axum::extract::{Extension, Request, State};
use claim_api::{Preferences, Problem};
use claim_domain::calendar::Hours;
use claim_domain::lifecycle::{Event, What};
use claim_domain::{Code, FieldError, Lob, Moment, local_day};
use sqlx::{Row, SqliteConnection};

use crate::audit::Who;
use crate::claims::{Stored, signed_in};
use crate::failure::Result;
use crate::session::{CODE_LIVES, Session, masked_phone};
use crate::vault::{sha256_hex, token};
use crate::{App, appended, attendant, egress, guard, now, policies};

/// How messages leave. The default writes a line to `messages.log`, without number or code.
#[derive(Clone, Debug, Default)]
pub enum Driver {
    #[default]
    Log,
    /// POSTs `{id, phone, kind, text}` to a gateway, signed with the key of the data directory.
    Webhook(String),
}

const FIRST_WAIT: i64 = 5;
const LONGEST_WAIT: i64 = 3600;
const MOST_TRIES: i64 = 50;

/// A message to be written.
struct Message {
    pub kind: String,
    pub text: String,
    /// Goes out at night and to those who want few messages.
    pub urgent: bool,
    pub optional: bool,
}

/// The words for an event, if it has any. `by` is a time or day where the event has one.
fn of(app: &App, claim: &Stored, what: &What) -> Option<Message> {
    let promises = &app.deployment.promises;
    let said = match what {
        What::Reported { .. } => format!("已收到您的报案，我们会在 {} 小时内联系您", promises.contact_hours),
        What::NotAccepted { .. } => "这次不能立案，原因和可以怎么办请在理赔页面查看".into(),
        What::SurveyStarted { on_site: true, .. } => "已安排查勘员到现场，姓名和电话请在理赔页面查看".into(),
        What::Assessed { .. } if claim.lob.is_surveyed() => "定损结果出来了，请在理赔页面查看并答复".into(),
        What::Approved { .. } => "核定结果出来了，请在理赔页面查看".into(),
        What::Rejected { .. } => "核定结果和通知书已在理赔页面，里面写明依据和不同意时可以怎么办".into(),
        What::PaymentFailed { .. } => "银行退回了付款，请在理赔页面更正收款账户".into(),
        What::Paid { .. } => "赔款已付出，明细请在理赔页面查看".into(),
        What::AdvancePaid { .. } => "已先行支付能够确定的部分，明细请在理赔页面查看".into(),
        What::Closed => "案件已结案，有疑问随时联系我们".into(),
        What::SupplementAsked { documents, until, .. } => {
            format!("需要补充 {} 项材料，请在 {until} 前提交，原因见材料清单", documents.len())
        }
        What::DocumentJudged { accepted: false, .. } => "有一项材料需要重传，原因见材料清单".into(),
        What::Requested { .. } => "已收到您的索赔申请，核定期限从今天开始计算".into(),
        What::ReviewAnswered { .. } => "复核有了结果，请在理赔页面查看".into(),
        What::ComplaintFiled { number, .. } => format!("已收到您的投诉，编号 {number}，答复期限请在理赔页面查看"),
        What::ComplaintAnswered { .. } => "您的投诉有了答复，请在理赔页面查看".into(),
        What::PolicyFound { .. } => "已核对到您的保单，可以继续办理，请在理赔页面查看".into(),
        What::Entitled { .. } => "委托或身份材料已通过，可以继续办理，请在理赔页面查看".into(),
        What::DisownSettled { genuine: true, .. } => "报案已核实，继续办理".into(),
        What::Answered { .. } => "您的留言有了答复，请在理赔页面查看".into(),
        What::Escalated { deadline, .. } if deadline == "advance" => {
            "您的理赔已满六十日还没有定，可以先领能够确定的部分，请在理赔页面申请".into()
        }
        What::Escalated { by, .. } => {
            format!("处理超过了期限，我们已交给主管，预计 {} 前有结果。您也可以在理赔页面投诉", by.to_local_text())
        }
        What::Registered { .. }
        | What::SurveyStarted { .. }
        | What::SurveySkipped { .. }
        | What::SurveyReported { .. }
        | What::SurveyRemarked { .. }
        | What::Assessed { .. }
        | What::AssessmentAccepted { .. }
        | What::AssessmentObjected { .. }
        | What::ApprovalAsked { .. }
        | What::LetterDelivered
        | What::SentBack { .. }
        | What::DecisionAgreed
        | What::PayeesNamed { .. }
        | What::PaymentOrdered { .. }
        | What::AdvanceAsked
        | What::Archived
        | What::Reopened { .. }
        | What::Withdrawn { .. }
        | What::DocumentReceived { .. }
        | What::SupplementExcused { .. }
        | What::SupplementEnded { .. }
        | What::DocumentJudged { .. }
        | What::Marked { .. }
        | What::Unmarked { .. }
        | What::ReviewAsked { .. }
        | What::ComplaintExtended { .. }
        | What::Wrote { .. }
        | What::PersonAsked { .. }
        | What::PersonCalled { .. }
        | What::Rated { .. }
        | What::Disowned
        | What::DisownSettled { .. }
        | What::DocumentWaived { .. }
        | What::Established { .. }
        | What::ConsentWithdrawn { .. }
        | What::Corrected { .. } => return None,
    };
    let optional = matches!(what, What::Closed | What::Requested { .. });
    let urgent = matches!(what, What::Reported { .. });
    Some(Message { kind: what.kind().as_str().to_owned(), text: whole(app, claim, &said), urgent, optional })
}

/// Tells everybody whom an event concerns, once: whoever reported, and the people of the policy. Who reported on a policy
/// that is not his hears how far it is and nothing else.
pub async fn tell(app: &App, tx: &mut SqliteConnection, claim: &Stored, event: &Event, at: Moment) -> Result<()> {
    let owners = owners(app, &mut *tx, claim).await?;
    let reporter = &claim.notice.reporter.phone;
    let is_owner = owners.contains(reporter) || owners.is_empty();
    if let Some(message) = of(app, claim, &event.what)
        && (is_owner || is_anybodys(&event.what))
    {
        write(app, tx, claim, event.seq, reporter, &message, at).await?;
    }
    for (n, owner) in owners.iter().filter(|o| *o != reporter).enumerate() {
        let theirs = match &event.what {
            What::Reported { .. } | What::PolicyFound { .. } => {
                let link = disown_link(app, &mut *tx, claim, at).await?;
                let said = format!("有人用您的保单报案。如果不是您或您同意的人，请打开 {link} 停止办理");
                Some(Message { kind: String::new(), text: whole(app, claim, &said), urgent: false, optional: false })
            }
            what => of(app, claim, what),
        };
        if let Some(message) = theirs {
            let kind = format!("{}:{}", event.what.kind().as_str(), n + 2);
            write(app, tx, claim, event.seq, owner, &Message { kind, ..message }, at).await?;
        }
    }
    Ok(())
}

/// How far it is: what whoever reported is told, whoever he is.
fn is_anybodys(what: &What) -> bool {
    matches!(
        what,
        What::Reported { .. }
            | What::NotAccepted { .. }
            | What::SurveyStarted { .. }
            | What::Closed
            | What::Answered { .. }
            | What::ComplaintFiled { .. }
            | What::ComplaintAnswered { .. }
            | What::Entitled { .. }
    )
}

/// Phones of the policy: holder first, each once.
async fn owners(app: &App, db: &mut SqliteConnection, claim: &Stored) -> Result<Vec<String>> {
    let policy = policies::of_claim(app, db, &claim.id).await?;
    let mut phones: Vec<String> = Vec::new();
    for party in policy.iter().flat_map(|p| std::iter::once(&p.holder).chain(&p.insured)) {
        // A company's is no mobile: nobody reads a message there.
        if claim_domain::validate::mobile(&party.phone).value().is_some() && !phones.contains(&party.phone) {
            phones.push(party.phone.clone());
        }
    }
    Ok(phones)
}

const DISOWN_LIVES: i64 = 30 * 86_400;

/// Where a policyholder says 这不是我报的, without signing in.
async fn disown_link(app: &App, tx: &mut SqliteConnection, claim: &Stored, at: Moment) -> Result<String> {
    let fresh = token();
    sqlx::query("INSERT INTO disown (token_hash, claim_id, expires_at) VALUES (?, ?, ?)")
        .bind(sha256_hex(fresh.as_bytes()))
        .bind(&claim.id)
        .bind(at.0 + DISOWN_LIVES)
        .execute(tx)
        .await?;
    Ok(format!("{}/not-mine#{fresh}", app.address()))
}

/// Silence is never agreement: the customer is reminded, and nothing else happens. From the fortnight on with the day on
/// which the claim is too late by law (保险法第二十六条).
pub async fn remind(app: &App, tx: &mut SqliteConnection, claim: &Stored, seq: u32, days: i64, at: Moment) -> Result<()> {
    let years = if claim.lob == Lob::Life { 5 } else { 2 };
    let late = local_day(claim.notice.loss_at).plus_years(years);
    let said = match days {
        ..=7 => "还有需要您做的，请在理赔页面查看".to_owned(),
        _ => format!("还有需要您做的，请在理赔页面查看。按保险法第二十六条，请求赔付的诉讼时效到 {late}"),
    };
    let message = Message { kind: format!("reminder-{days}"), text: whole(app, claim, &said), urgent: false, optional: true };
    let owners = owners(app, &mut *tx, claim).await?;
    let to = if owners.is_empty() || owners.contains(&claim.notice.reporter.phone) { &claim.notice.reporter.phone } else { &owners[0] };
    write(app, tx, claim, seq, to, &message, at).await
}

/// Bound to the phone: no text goes to another.
pub fn place(column: &str, phone_index: &str) -> String {
    format!("message.{column}/{phone_index}")
}

fn whole(app: &App, claim: &Stored, said: &str) -> String {
    format!("【{}】报案号 {}：{said}。电话 {}", app.deployment.insurer.zh, claim.no, app.deployment.hotline)
}

/// Messages an hour to a phone that nobody has signed in with: whoever reports can type in any number. One of them is left
/// for a code.
const TO_STRANGERS: i64 = 3;
const A_DAY_TO_STRANGERS: i64 = 10;
const CODES_TO_KNOWN: i64 = 5;

/// Whether somebody has signed in with this phone: then its owner is there and wants to hear.
pub async fn has_answered(db: &mut SqliteConnection, phone_index: &str) -> Result<bool> {
    let found: i64 = sqlx::query_scalar("SELECT count(*) FROM subject WHERE phone_index = ?").bind(phone_index).fetch_one(db).await?;
    Ok(found > 0)
}

pub fn codes_an_hour(has_answered: bool) -> i64 {
    if has_answered { CODES_TO_KNOWN } else { TO_STRANGERS }
}

/// Takes one of the messages that all such phones together may get. Asked last, when one would be sent: whoever is refused
/// for another reason takes nothing from the others.
fn may_go_to_strangers(app: &App) -> bool {
    let may = app.quotas.messages.take(()).is_ok();
    if !may {
        app.audit.alarm(serde_json::json!({ "limit": "messages to phones that nobody has signed in with" }));
    }
    may
}

/// Seconds until a code may go to a phone that nobody has signed in with; 0: now.
pub async fn wait_for_code(app: &App, db: &mut SqliteConnection, phone_index: &str, at: Moment) -> Result<i64> {
    let sql = "SELECT count(*), coalesce(min(created_at), 0) FROM message WHERE phone_index = ? AND state <> 'failed' AND created_at > ? AND next_at <= ?";
    let (count, oldest): (i64, i64) = sqlx::query_as(sql).bind(phone_index).bind(at.0 - 3600).bind(at.0).fetch_one(db).await?;
    if count >= TO_STRANGERS {
        return Ok((oldest + 3600 - at.0).max(1));
    }
    Ok(if may_go_to_strangers(app) { 0 } else { 60 })
}

/// When a message that nobody at that phone has asked for may go to it; `None`: not at all.
async fn when_to_stranger(app: &App, db: &mut SqliteConnection, phone_index: &str, at: Moment) -> Result<Option<Moment>> {
    // What waits counts where it will go out.
    let today: i64 =
        sqlx::query_scalar("SELECT count(*) FROM message WHERE phone_index = ? AND state <> 'failed' AND max(created_at, next_at) > ?")
            .bind(phone_index)
            .bind(at.0 - 86_400)
            .fetch_one(&mut *db)
            .await?;
    if today >= A_DAY_TO_STRANGERS {
        return Ok(None);
    }
    if !may_go_to_strangers(app) {
        return Ok(Some(at.plus_seconds(600)));
    }
    // An hour after the one before the last: one of three is left for a code.
    let before_last: Option<i64> = sqlx::query_scalar(
        "SELECT max(created_at, next_at) AS t FROM message WHERE phone_index = ? AND state <> 'failed' AND t > ? ORDER BY t DESC LIMIT 1 OFFSET ?",
    )
    .bind(phone_index)
    .bind(at.0 - 3600)
    .bind(TO_STRANGERS - 2)
    .fetch_optional(db)
    .await?;
    let from = before_last.map_or(at.0, |before| at.0.max(before + 3600));
    Ok(Some(app.deployment.message_hours.next(Moment(from))))
}

/// Writes a message about an event down, once. To a phone that nobody has signed in with few of them go, and by day.
async fn write(app: &App, tx: &mut SqliteConnection, claim: &Stored, seq: u32, phone: &str, message: &Message, at: Moment) -> Result<()> {
    let wants = preferences_of(app, &mut *tx, phone).await?;
    if message.optional && !wants.optional {
        return Ok(());
    }
    let index = app.vault.index("phone", phone);
    let next = match has_answered(&mut *tx, &index).await? {
        true if message.urgent || !wants.by_day => at,
        true => app.deployment.message_hours.next(at),
        false => match when_to_stranger(app, &mut *tx, &index, at).await? {
            Some(next) => next,
            None => {
                app.audit.refused(&Who::Nobody, serde_json::json!({ "limit": "messages a day", "claim": claim.no, "kind": message.kind }));
                return Ok(());
            }
        },
    };
    sqlx::query(
        "INSERT OR IGNORE INTO message (phone_sealed, text_sealed, created_at, claim_id, seq, kind, next_at, phone_index) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(app.vault.seal(&place("phone", &index), phone))
    .bind(app.vault.seal(&place("text", &index), &message.text))
    .bind(at.0)
    .bind(&claim.id)
    .bind(seq)
    .bind(&message.kind)
    .bind(next.0)
    .bind(index)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Writes a sign-in code down; it goes out at any hour.
pub async fn write_code(app: &App, tx: &mut SqliteConnection, phone: &str, text: &str, at: Moment) -> Result<()> {
    let index = app.vault.index("phone", phone);
    sqlx::query("INSERT INTO message (phone_sealed, text_sealed, created_at, next_at, phone_index) VALUES (?, ?, ?, ?, ?)")
        .bind(app.vault.seal(&place("phone", &index), phone))
        .bind(app.vault.seal(&place("text", &index), text))
        .bind(at.0)
        .bind(at.0)
        .bind(&index)
        .execute(tx)
        .await?;
    Ok(())
}

struct Queued {
    id: i64,
    phone: String,
    text: String,
    kind: String,
    tries: i64,
    claim_id: Option<String>,
    seq: Option<u32>,
}

/// Sends what is due. At least once: a gateway sees the same `id` again when the server fell between sending and noting.
pub async fn deliver(app: &App) -> Result<()> {
    // One at a time, or two would send the same.
    let Ok(_alone) = app.delivering.try_lock() else { return Ok(()) };
    // A code that is over helps nobody.
    let late: i64 = sqlx::query_scalar("SELECT count(*) FROM message WHERE state = 'queued' AND kind = 'code' AND created_at < ?")
        .bind(now().0 - CODE_LIVES)
        .fetch_one(&app.store.read)
        .await?;
    if late > 0 {
        let mut tx = app.store.begin_patiently().await?;
        sqlx::query("UPDATE message SET state = 'failed' WHERE state = 'queued' AND kind = 'code' AND created_at < ?")
            .bind(now().0 - CODE_LIVES)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    loop {
        // Somebody waits for a code.
        let rows = sqlx::query("SELECT id, phone_index, phone_sealed, text_sealed, kind, tries, claim_id, seq FROM message WHERE state = 'queued' AND next_at <= ? ORDER BY kind <> 'code', next_at LIMIT 10")
            .bind(now().0)
            .fetch_all(&app.store.read)
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            let index: &str = row.try_get("phone_index")?;
            let open = |column: &str, sealed: &str| app.vault.open_text(&place(column, index), sealed).unwrap_or_default();
            let queued = Queued {
                id: row.try_get("id")?,
                phone: open("phone", row.try_get("phone_sealed")?),
                text: open("text", row.try_get("text_sealed")?),
                kind: row.try_get("kind")?,
                tries: row.try_get("tries")?,
                claim_id: row.try_get("claim_id")?,
                seq: row.try_get("seq")?,
            };
            send(app, queued).await?;
        }
    }
}

async fn send(app: &App, message: Queued) -> Result<()> {
    let sent = match &app.options.messages {
        Driver::Log => log(app.options.data.join("messages.log"), &message).await,
        Driver::Webhook(url) => post(app, url, &message).await,
    };
    let at = now();
    let mut tx = app.store.begin_patiently().await?;
    match &sent {
        Ok(()) => {
            sqlx::query("UPDATE message SET state = 'sent', sent_at = ? WHERE id = ?")
                .bind(at.0)
                .bind(message.id)
                .execute(&mut *tx)
                .await?;
            if let (Some("rejected"), Some(claim), Some(seq)) = (message.kind.split(':').next(), &message.claim_id, message.seq) {
                attendant::letter_delivered(app, &mut tx, &attendant::stored(app, claim).await?, seq).await?;
            }
        }
        Err(error) => {
            tracing::warn!(kind = message.kind, tries = message.tries + 1, %error, "a message was not taken");
            let wait = (FIRST_WAIT << message.tries.min(10)).min(LONGEST_WAIT);
            let state = if message.tries + 1 >= MOST_TRIES { "failed" } else { "queued" };
            sqlx::query("UPDATE message SET tries = tries + 1, state = ?, next_at = ? WHERE id = ?")
                .bind(state)
                .bind(at.0 + wait)
                .bind(message.id)
                .execute(&mut *tx)
                .await?;
        }
    }
    tx.commit().await?;
    if let (Ok(()), Some(claim)) = (sent, &message.claim_id) {
        attendant::announce(app, claim);
    }
    Ok(())
}

async fn log(path: PathBuf, message: &Queued) -> std::result::Result<(), String> {
    let text = if message.kind == "code" { "（验证码）" } else { &message.text };
    let line = format!("{} {} {} {}\n", now(), message.kind, masked_phone(&message.phone), text);
    let written = tokio::task::spawn_blocking(move || appended(&path)?.write_all(line.as_bytes()));
    written.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())
}

async fn post(app: &App, url: &str, message: &Queued) -> std::result::Result<(), String> {
    let body = serde_json::json!({ "id": message.id, "phone": message.phone, "kind": message.kind, "text": message.text }).to_string();
    let signature = app.vault.signature("messages", body.as_bytes());
    egress::call(url.to_owned(), vec![("signature", signature)], Some(body)).await.map(drop)
}

async fn preferences_of(app: &App, db: &mut SqliteConnection, phone: &str) -> Result<Preferences> {
    let row: Option<(bool, bool)> = sqlx::query_as("SELECT by_day, optional FROM preference WHERE phone_index = ?")
        .bind(app.vault.index("phone", phone))
        .fetch_optional(db)
        .await?;
    let (by_day, optional) = row.unwrap_or((true, true));
    Ok(Preferences { by_day, optional, hours: String::from(app.deployment.message_hours) })
}

/// Which messages the signed-in person wants.
#[utoipa::path(get, path = "/api/v1/preferences", responses((status = 200, body = Preferences), (status = 401, body = Problem)))]
pub async fn preferences(State(app): State<App>, session: Option<Extension<Session>>) -> Result<Json<Preferences>> {
    let session = signed_in(session)?;
    let phone = session.signed_in()?;
    Ok(Json(preferences_of(&app, &mut *app.store.read.acquire().await?, phone).await?))
}

/// Changes that.
#[utoipa::path(put, path = "/api/v1/preferences", request_body = Preferences, responses((status = 200, body = Preferences), (status = 401, body = Problem)))]
pub async fn prefer(State(app): State<App>, session: Option<Extension<Session>>, request: Request) -> Result<Json<Preferences>> {
    let session = signed_in(session)?;
    let phone = session.signed_in()?;
    let wants: Preferences = guard::json(request).await?;
    if Hours::try_from(wants.hours.clone()).is_err() {
        return Err(Problem::validation(vec![FieldError::new("/hours", Code::Malformed)]).into());
    }
    let mut tx = app.store.begin().await?;
    sqlx::query("INSERT INTO preference (phone_index, by_day, optional) VALUES (?, ?, ?) ON CONFLICT (phone_index) DO UPDATE SET by_day = excluded.by_day, optional = excluded.optional")
        .bind(app.vault.index("phone", phone))
        .bind(wants.by_day)
        .bind(wants.optional)
        .execute(&mut *tx)
        .await?;
    let kept = preferences_of(&app, &mut tx, phone).await?;
    tx.commit().await?;
    Ok(Json(kept))
}

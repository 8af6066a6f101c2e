//! The insurer's people: accounts, their sessions, and the steps they take. Just enough to make a claim move.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::http::HeaderMap;
use claim_api::{Problem, ProblemCode};
use claim_domain::lifecycle::{Actor, Claim, Desk, Kind, Line, What};
use claim_domain::validate::Code;
use claim_domain::{Day, FieldError, claim_no, local_day, money};
use sqlx::Row;

use crate::claims::Stored;
use crate::failure::{Failure, Result};
use crate::vault::{sha256_hex, token};
use crate::{App, documents, now, session, store};

const IDLE: i64 = 30 * 60;
const AT_MOST: i64 = 12 * 3600;

/// A member of staff who has signed in.
pub struct Staff {
    pub shown_as: String,
    pub desk: Desk,
}

impl Staff {
    pub fn actor(&self) -> Actor {
        Actor::Staff { name: self.shown_as.clone(), desk: self.desk }
    }
}

pub fn cookie_name(app: &App) -> &'static str {
    if app.options.secure { "__Secure-staff" } else { "staff" }
}

/// Adds an account, or changes the password of one.
///
/// # Errors
/// A sentence for the command line.
pub async fn add_staff(app: &App, name: &str, shown_as: &str, desk: Desk, password: &str) -> std::result::Result<(), String> {
    if name.trim().is_empty() || password.chars().count() < 10 {
        return Err("a name and a password of at least 10 characters are needed".into());
    }
    // Argon2id with the crate's parameters (19 MiB, two passes), the OWASP minimum.
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|e| e.to_string())?.to_string();
    let write = async {
        let mut tx = app.store.begin().await?;
        sqlx::query("INSERT INTO staff (name, shown_as, desk, password_hash) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET shown_as = excluded.shown_as, desk = excluded.desk, password_hash = excluded.password_hash")
            .bind(name)
            .bind(shown_as)
            .bind(desk.as_str())
            .bind(hash)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Result::Ok(())
    };
    write.await.map_err(|f| f.problem().title)
}

/// A new session token, or `None` for a wrong name or password (which take the same time).
pub async fn sign_in(app: &App, name: &str, password: &str) -> Result<Option<String>> {
    let stored: Option<String> =
        sqlx::query_scalar("SELECT password_hash FROM staff WHERE name = ?").bind(name).fetch_optional(&app.store.read).await?;
    // Of no password anybody has, so that an unknown name is not answered sooner.
    let nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (hash, password) = (stored.unwrap_or_else(|| nobody.into()), password.to_owned());
    let right = tokio::task::spawn_blocking(move || {
        PasswordHash::new(&hash).is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
    });
    if !right.await.map_err(|e| Failure::internal("password", e))? {
        return Ok(None);
    }
    let (fresh, at) = (token(), now().0);
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM staff_session WHERE created_at < ?").bind(at - AT_MOST).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO staff_session (token_hash, staff_name, created_at, seen_at) VALUES (?, ?, ?, ?)")
        .bind(sha256_hex(fresh.as_bytes()))
        .bind(name)
        .bind(at)
        .bind(at)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Some(fresh))
}

/// Who of the staff sent this request.
pub async fn who(app: &App, headers: &HeaderMap) -> Result<Option<Staff>> {
    let Some(token) = session::cookie(headers, cookie_name(app)) else { return Ok(None) };
    let (hash, at) = (sha256_hex(token.as_bytes()), now().0);
    let row = sqlx::query("SELECT s.shown_as, s.desk FROM staff_session x JOIN staff s ON s.name = x.staff_name WHERE x.token_hash = ? AND x.seen_at > ? AND x.created_at > ? AND x.seen_at <= ?")
        .bind(&hash)
        .bind(at - IDLE)
        .bind(at - AT_MOST)
        .bind(at + session::CLOCKS_DIFFER)
        .fetch_optional(&app.store.read)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut tx = app.store.begin().await?;
    sqlx::query("UPDATE staff_session SET seen_at = ? WHERE token_hash = ?").bind(at).bind(&hash).execute(&mut *tx).await?;
    tx.commit().await?;
    let desk: String = row.try_get("desk")?;
    Ok(Some(Staff { shown_as: row.try_get("shown_as")?, desk: Desk::parse(&desk).ok_or_else(|| Failure::internal("desk", desk))? }))
}

pub async fn sign_out(app: &App, headers: &HeaderMap) -> Result<()> {
    if let Some(token) = session::cookie(headers, cookie_name(app)) {
        let mut tx = app.store.begin().await?;
        sqlx::query("DELETE FROM staff_session WHERE token_hash = ?").bind(sha256_hex(token.as_bytes())).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// The newest claims, those still open first.
pub async fn queue(app: &App) -> Result<Vec<(Stored, String)>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {}, c.stage FROM claim c ORDER BY c.stage IN ('closed', 'rejected', 'not-accepted', 'withdrawn'), c.reported_at DESC LIMIT 200",
        Stored::COLUMNS
    )))
    .fetch_all(&app.store.read)
    .await?;
    rows.iter().map(|row| Ok((Stored::of(app, row)?, row.try_get("stage")?))).collect()
}

pub async fn find(app: &App, no: &str) -> Result<Stored> {
    let no = claim_no::parse(no).ok_or(ProblemCode::NotFound)?;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {} FROM claim c WHERE c.no = ?", Stored::COLUMNS)))
        .bind(no)
        .fetch_optional(&app.store.read)
        .await?;
    Stored::of(app, &row.ok_or(ProblemCode::NotFound)?)
}

/// What a form of the staff pages holds, by field name.
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    pub fn get(&self, name: &str) -> String {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim().to_owned()).unwrap_or_default()
    }
    /// Every value of a list of boxes.
    pub fn all(&self, name: &str) -> impl Iterator<Item = String> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.clone())
    }
    /// A day that is not over.
    fn day(&self, name: &str) -> Result<Day> {
        let text = self.get(name);
        let code = if text.is_empty() { Code::Required } else { Code::DateFormat };
        let day = Day::parse(&text).filter(|day| *day >= local_day(now()));
        day.ok_or_else(|| Problem::validation(vec![FieldError::new(format!("/{name}"), code)]).into())
    }
    fn amount(&self, name: &str) -> Result<i64> {
        money::parse(&self.get(name)).map_err(|finding| Problem::validation(vec![FieldError::new(format!("/{name}"), finding)]).into())
    }
    /// One line each, the amount last: `前保险杠 800.00`.
    fn lines(&self) -> Result<Vec<Line>> {
        let text = self.get("lines");
        let line = |text: &str| {
            let (name, amount) = text.trim().rsplit_once([' ', '\t', '　', '：', ':']).ok_or(Code::AmountFormat)?;
            Ok(Line { name: name.trim().into(), fen: money::parse(amount).map_err(|f| f.code)? })
        };
        let lines: std::result::Result<Vec<Line>, Code> = text.lines().filter(|l| !l.trim().is_empty()).map(line).collect();
        lines.map_err(|code| Problem::validation(vec![FieldError::new("/lines", code)]).into())
    }
}

/// Takes the step that a form describes.
///
/// # Errors
/// `validation` names the field, `not-allowed` when the claim has moved on.
pub async fn step(app: &App, staff: &Staff, no: &str, fields: &Fields) -> Result<()> {
    let stored = find(app, no).await?;
    let claim = Claim::replay(stored.lob, &store::events(&app.store.read, &stored.id, 0).await?);
    let kind = Kind::ALL.into_iter().find(|k| k.as_str() == fields.get("kind")).ok_or(ProblemCode::NotAllowed)?;
    let text = |name: &str| fields.get(name);
    let version = claim.assessment.map_or(0, |(v, _)| v);
    let what = match kind {
        Kind::Registered => What::Registered { handler: text("handler") },
        Kind::NotAccepted => What::NotAccepted { reason: text("reason"), text: text("text"), next_step: text("next_step") },
        Kind::SurveyStarted => What::SurveyStarted { on_site: text("on_site") == "yes", surveyor: text("surveyor") },
        Kind::SurveyReported => What::SurveyReported { report: text("report") },
        Kind::Assessed => {
            let lines = fields.lines()?;
            let total_fen = lines.iter().map(|l| l.fen).sum();
            What::Assessed { version: version + 1, lines, total_fen }
        }
        Kind::AssessmentAccepted => What::AssessmentAccepted { version, by_phone: true },
        Kind::Approved => What::Approved { amount_fen: fields.amount("amount_fen")?, basis: text("basis") },
        Kind::Rejected => What::Rejected { clause: text("clause"), facts: text("facts") },
        Kind::PaymentOrdered => What::PaymentOrdered { instruction: text("instruction") },
        Kind::PaymentFailed => What::PaymentFailed { reason: text("reason") },
        Kind::Paid => What::Paid { amount_fen: claim.approved_fen.unwrap_or(0), reference: text("reference") },
        Kind::Closed => What::Closed,
        Kind::SupplementAsked => {
            let catalogue = documents::rules(app, &stored.rules_version).await?;
            let documents = fields.all("documents").filter(|id| catalogue.document(id).is_some_and(|d| d.max > 0)).collect();
            let again_because = Some(text("again_because")).filter(|r| !r.is_empty());
            What::SupplementAsked {
                batch: claim.supplements + 1,
                documents,
                reason: text("reason"),
                until: fields.day("until")?,
                again_because,
            }
        }
        Kind::DocumentJudged => {
            What::DocumentJudged { document: text("document"), accepted: text("accepted") == "yes", reason: text("reason") }
        }
        Kind::Reported | Kind::AssessmentObjected | Kind::Withdrawn => return Err(ProblemCode::NotAllowed.into()),
        Kind::DocumentReceived | Kind::SupplementExcused | Kind::Requested => return Err(ProblemCode::NotAllowed.into()),
    };
    let message = notification(app, &stored, &what);
    let (mut tx, at) = (app.store.begin().await?, now());
    store::append(&mut tx, &stored.id, stored.lob, &staff.actor(), what, at).await?;
    if let Some(text) = message {
        store::send_message(&mut tx, &app.vault, &stored.notice.reporter.phone, &text, at).await?;
    }
    Ok(tx.commit().await?)
}

/// The one message that asks the customer for something.
fn notification(app: &App, stored: &Stored, what: &What) -> Option<String> {
    let asked = match what {
        What::SupplementAsked { documents, until, .. } => format!("需要补充 {} 项材料，请在 {until} 前提交", documents.len()),
        What::DocumentJudged { accepted: false, .. } => "有一项材料需要重传".into(),
        _ => return None,
    };
    Some(format!("【{}】报案号 {}：{asked}，原因见材料清单。电话 {}", app.deployment.insurer.zh, stored.no, app.deployment.hotline))
}

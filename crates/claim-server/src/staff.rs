//! The insurer's people: accounts, their sessions, and the steps they take. Just enough to make a claim move.

use axum::http::HeaderMap;
use claim_api::{Problem, ProblemCode};
use claim_domain::lifecycle::{Actor, Check, Claim, Desk, Kind, Line, Matter, Overlay, Point, Role, Stage, What, Work};
use claim_domain::payout::{Award, Payout, PerDay};
use claim_domain::policy::Policy;
use claim_domain::validate;
use claim_domain::validate::Code;
use claim_domain::{Catalogue, Day, FieldError, claim_no, local_day, money};
use serde_json::json;
use sqlx::Row;

use crate::audit::Who;
use crate::claims::Stored;
use crate::failure::{Failure, Result, busy};
use crate::people::{self, Grant};
use crate::vault::{sha256_hex, token};
use crate::{App, attendant, chain, documents, now, passwords, payments, policies, session, standing, store};

const IDLE: i64 = 30 * 60;
const AT_MOST: i64 = 12 * 3600;

/// A member of staff who has signed in.
pub struct Staff {
    /// What is typed at the login: the person, whatever is shown.
    pub name: String,
    pub shown_as: String,
    pub desk: Desk,
}

impl Staff {
    pub fn actor(&self) -> Actor {
        Actor::Staff { name: self.shown_as.clone(), desk: self.desk }
    }
    /// Whether a paper is any business of this desk: who surveys the loss or pays the money reads nobody's medical papers
    /// (个人信息保护法第二十八条).
    pub fn sees(&self, catalogue: &Catalogue, document: &str) -> bool {
        let medical = catalogue.instance(document).is_some_and(|d| d.group == "medical");
        !(medical && matches!(self.desk, Desk::Surveyor | Desk::Finance))
    }
    pub fn who(&self) -> Who {
        Who::Staff(self.name.clone())
    }
}

pub fn cookie_name(app: &App) -> &'static str {
    if app.options.secure { "__Host-staff" } else { "staff" }
}

/// Adds an account, or changes the password of one.
///
/// # Errors
/// A sentence for the command line.
pub async fn add_staff(app: &App, name: &str, shown_as: &str, desk: Desk, password: &str) -> std::result::Result<(), String> {
    if name.trim().is_empty() || password.chars().count() < 10 {
        return Err("a name and a password of at least 10 characters are needed".into());
    }
    let hash = passwords::hash(password)?;
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        // Four eyes are told apart by what is shown (claim_domain::lifecycle): no two people, and never another name for one.
        let known: Option<String> =
            sqlx::query_scalar("SELECT shown_as FROM staff WHERE name = ?").bind(name).fetch_optional(&mut *tx).await?;
        let twin: i64 = sqlx::query_scalar("SELECT count(*) FROM staff WHERE shown_as = ? AND name <> ?")
            .bind(shown_as)
            .bind(name)
            .fetch_one(&mut *tx)
            .await?;
        if twin > 0 || known.is_some_and(|known| known != shown_as) {
            return Ok(false);
        }
        sqlx::query("INSERT INTO staff (name, shown_as, desk, password_hash) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET desk = excluded.desk, password_hash = excluded.password_hash, removed_at = NULL")
            .bind(name)
            .bind(shown_as)
            .bind(desk.as_str())
            .bind(hash)
            .execute(&mut *tx)
            .await?;
        // Whoever was signed in with the old one is not any more.
        sqlx::query("DELETE FROM staff_session WHERE staff_name = ?").bind(name).execute(&mut *tx).await?;
        tx.commit().await?;
        Result::Ok(true)
    };
    if !write.await.map_err(|f| f.problem().title)? {
        return Err(format!("{shown_as:?} is somebody else, or {name:?} is shown as another: what is shown tells people apart for ever"));
    }
    app.audit.say("set", &Who::Operator, json!({ "staff": name, "desk": desk.as_str() }));
    Ok(())
}

/// Ends an account and its sessions; what was done with it stays.
///
/// # Errors
/// A sentence for the command line.
pub async fn remove_staff(app: &App, name: &str) -> std::result::Result<(), String> {
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        let done = sqlx::query("UPDATE staff SET removed_at = ? WHERE name = ? AND removed_at IS NULL")
            .bind(now().0)
            .bind(name)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM staff_session WHERE staff_name = ?").bind(name).execute(&mut *tx).await?;
        tx.commit().await?;
        Result::Ok(done.rows_affected())
    };
    if write.await.map_err(|f| f.problem().title)? == 0 {
        return Err(format!("there is no {name:?}"));
    }
    app.audit.say("set", &Who::Operator, json!({ "staff": name, "removed": true }));
    Ok(())
}

/// Whether this is the password of an account in use.
///
/// # Errors
/// `rate-limited` where too many wait.
pub async fn is_password(app: &App, name: &str, password: &str) -> Result<bool> {
    let stored: Option<String> = sqlx::query_scalar("SELECT password_hash FROM staff WHERE name = ? AND removed_at IS NULL")
        .bind(name)
        .fetch_optional(&app.store.read)
        .await?;
    app.passwords.is(password, stored).await
}

/// Wrong passwords of one name before it has to wait; then a minute, two, four … a quarter of an hour.
const TRIES: i64 = 5;
const LONGEST_WAIT: i64 = 15 * 60;

/// A new session token, or `None` for a wrong name or password (which take the same time).
///
/// # Errors
/// `rate-limited` after too many wrong ones of this name, whether or not there is such an account.
pub async fn sign_in(app: &App, name: &str, password: &str) -> Result<Option<String>> {
    let (index, at) = (app.vault.index("staff", name), now().0);
    // Counted before it is checked: a hundred at once are a hundred tries.
    let mut tx = app.store.begin().await?;
    let before: Option<(i64, i64)> =
        sqlx::query_as("SELECT tries, until FROM wrong_password WHERE name_index = ?").bind(&index).fetch_optional(&mut *tx).await?;
    let (tries, until) = before.map_or((1, 0), |(tries, until)| (tries + 1, until));
    if until > at {
        return Err(busy(u32::try_from(until - at).unwrap_or(60)).into());
    }
    let until = if tries < TRIES { 0 } else { at + (60 << (tries - TRIES).min(10)).min(LONGEST_WAIT) };
    sqlx::query("INSERT OR REPLACE INTO wrong_password (name_index, tries, at, until) VALUES (?, ?, ?, ?)")
        .bind(&index)
        .bind(tries)
        .bind(at)
        .bind(until)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    let right = is_password(app, name, password).await?;
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM staff WHERE name = ?").bind(name).fetch_one(&app.store.read).await?;
    // What somebody typed as a name may be anything, his password too.
    let who = if known > 0 { Who::Staff(name.to_owned()) } else { Who::Nobody };
    if !right {
        app.audit.refused(&who, json!({ "sign-in": "staff", "tries": tries }));
        if tries >= TRIES {
            app.audit.alarm(json!({ "limit": "wrong passwords", "known": known > 0, "staff": if known > 0 { name } else { "" } }));
        }
        return Ok(None);
    }
    let fresh = token();
    let mut tx = app.store.begin().await?;
    sqlx::query("DELETE FROM wrong_password WHERE name_index = ?").bind(&index).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM staff_session WHERE created_at < ?").bind(at - AT_MOST).execute(&mut *tx).await?;
    sqlx::query("INSERT INTO staff_session (token_hash, staff_name, created_at, seen_at) VALUES (?, ?, ?, ?)")
        .bind(sha256_hex(fresh.as_bytes()))
        .bind(name)
        .bind(at)
        .bind(at)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    app.audit.say("sign-in", &who, json!({ "as": "staff" }));
    Ok(Some(fresh))
}

/// Who of the staff sent this request.
pub async fn who(app: &App, headers: &HeaderMap) -> Result<Option<Staff>> {
    let Some(token) = session::cookie(headers, cookie_name(app)) else { return Ok(None) };
    let (hash, at) = (sha256_hex(token.as_bytes()), now().0);
    let row = sqlx::query("SELECT s.name, s.shown_as, s.desk, x.seen_at FROM staff_session x JOIN staff s ON s.name = x.staff_name WHERE s.removed_at IS NULL AND x.token_hash = ? AND x.seen_at > ? AND x.created_at > ? AND x.seen_at <= ?")
        .bind(&hash)
        .bind(at - IDLE)
        .bind(at - AT_MOST)
        .bind(at + session::CLOCKS_DIFFER)
        .fetch_optional(&app.store.read)
        .await?;
    let Some(row) = row else { return Ok(None) };
    if at - row.try_get::<i64, _>("seen_at")? > 30 {
        let mut tx = app.store.begin().await?;
        sqlx::query("UPDATE staff_session SET seen_at = ? WHERE token_hash = ?").bind(at).bind(&hash).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    let desk: String = row.try_get("desk")?;
    Ok(Some(Staff {
        name: row.try_get("name")?,
        shown_as: row.try_get("shown_as")?,
        desk: Desk::parse(&desk).ok_or_else(|| Failure::internal("desk", desk))?,
    }))
}

pub async fn sign_out(app: &App, headers: &HeaderMap) -> Result<()> {
    if let Some(token) = session::cookie(headers, cookie_name(app)) {
        let mut tx = app.store.begin().await?;
        let name: Option<String> = sqlx::query_scalar("DELETE FROM staff_session WHERE token_hash = ? RETURNING staff_name")
            .bind(sha256_hex(token.as_bytes()))
            .fetch_optional(&mut *tx)
            .await?;
        tx.commit().await?;
        if let Some(name) = name {
            app.audit.say("sign-out", &Who::Staff(name), json!({ "as": "staff" }));
        }
    }
    Ok(())
}

/// One line of the queue.
pub struct Waiting {
    pub claim: Stored,
    pub stage: String,
    pub overdue: i64,
}

/// What is overdue first, then what is open, then the newest. `search`: a claim number, a plate, or the end of an ID
/// number or policy number.
pub async fn queue(app: &App, staff: &Staff, search: &str) -> Result<Vec<Waiting>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {}, c.stage, c.overdue FROM claim c LEFT JOIN policy p ON p.id = c.policy_id \
         WHERE c.locked_at IS NULL AND (?1 = '' OR c.no = ?2 OR c.no LIKE '%' || ?1 OR p.plate = ?1 OR p.no LIKE '%' || ?1 OR c.reporter_phone_index = ?3) \
         ORDER BY c.stage IN ('closed', 'archived', 'withdrawn'), c.overdue = 0, c.stage IN ('rejected', 'not-accepted'), c.reported_at DESC LIMIT 200",
        Stored::COLUMNS
    )))
    .bind(search)
    .bind(claim_no::parse(search))
    .bind(app.vault.index("phone", search))
    .fetch_all(&app.store.read)
    .await?;
    if !search.is_empty() {
        app.audit.say("search", &staff.who(), json!({ "found": rows.len() }));
    }
    rows.iter()
        .map(|row| Ok(Waiting { claim: Stored::of(app, row)?, stage: row.try_get("stage")?, overdue: row.try_get("overdue")? }))
        .collect()
}

/// Every look at a document or account is written down before it is shown.
pub async fn looked(app: &App, staff: &Staff, claim_id: &str, what: &str) -> Result<()> {
    let mut tx = app.store.begin().await?;
    let before: Option<String> = sqlx::query_scalar("SELECT hash FROM look ORDER BY id DESC LIMIT 1").fetch_optional(&mut *tx).await?;
    let at = now().0;
    sqlx::query("INSERT INTO look (claim_id, document_id, staff, at, hash) VALUES (?, ?, ?, ?, ?)")
        .bind(claim_id)
        .bind(what)
        .bind(&staff.shown_as)
        .bind(at)
        .bind(chain::look(&before.unwrap_or_default(), claim_id, what, &staff.shown_as, at))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    app.audit.say("look", &staff.who(), json!({ "claim": claim_id, "what": what }));
    Ok(())
}

pub async fn find(app: &App, no: &str) -> Result<Stored> {
    let no = claim_no::parse(no).ok_or(ProblemCode::NotFound)?;
    let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {} FROM claim c WHERE c.no = ?", Stored::COLUMNS)))
        .bind(no)
        .fetch_optional(&app.store.read)
        .await?;
    Stored::of(app, &row.ok_or(ProblemCode::NotFound)?)
}

/// Lines of one decision, at most.
pub const MOST_AWARDS: usize = 12;

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
    /// One line each, the amount last; what is done may stand before it: `前保险杠 更换 800.00`.
    fn lines(&self) -> Result<Vec<Line>> {
        let text = self.get("lines");
        let apart = [' ', '\t', '　', '：', ':'];
        let line = |text: &str| {
            let (name, amount) = text.trim().rsplit_once(apart).ok_or(Code::AmountFormat)?;
            let fen = money::parse(amount).map_err(|f| f.code)?;
            let (name, work) = match name.trim().rsplit_once(apart).and_then(|(n, w)| Some((n, work_of(w)?))) {
                Some((name, work)) => (name, Some(work)),
                None => (name, None),
            };
            Ok(Line { name: name.trim().into(), work, fen })
        };
        let lines: std::result::Result<Vec<Line>, Code> = text.lines().filter(|l| !l.trim().is_empty()).map(line).collect();
        lines.map_err(|code| Problem::validation(vec![FieldError::new("/lines", code)]).into())
    }
    /// An amount that may be nothing.
    fn taken(&self, name: &str) -> Result<i64> {
        if matches!(self.get(name).as_str(), "" | "0" | "0.00") { Ok(0) } else { self.amount(name) }
    }
    /// `70` or `87.5`, as hundredths of a percent.
    fn percent(&self, name: &str, otherwise: u32) -> Result<u32> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(otherwise);
        }
        let bp = match text.trim_end_matches('%').trim() {
            "0" => Some(0),
            text => money::parse(text).ok().and_then(|bp| u32::try_from(bp).ok()).filter(|bp| *bp <= 10_000),
        };
        bp.ok_or_else(|| Problem::validation(vec![FieldError::new(format!("/{name}"), Code::AmountRange)]).into())
    }
    /// The lines of a decision: fields of the first as they are called, of the others with `-1`, `-2` … behind. A line
    /// without an item is none. Where only one is filled in, it is about everything that was assessed.
    fn awards(&self, claim: &Claim, policy: &Policy) -> Result<Vec<Award>> {
        let places = (0..MOST_AWARDS).map(|n| if n == 0 { String::new() } else { format!("-{n}") });
        let used: Vec<String> = places.filter(|end| !self.get(&format!("item{end}")).is_empty()).collect();
        let alone = used.len() == 1;
        used.iter().map(|end| self.award(end, alone, claim, policy)).collect()
    }

    fn award(&self, end: &str, alone: bool, claim: &Claim, policy: &Policy) -> Result<Award> {
        let named = |name: &str| format!("{name}{end}");
        let text = |name: &str| self.get(&named(name));
        let code = text("cover");
        let known = if code.is_empty() { policy.covers.first() } else { policy.cover(&code) };
        let wrong = || Problem::validation(vec![FieldError::new(format!("/{}", named("cover")), Code::UnknownOption)]);
        let cover = known.ok_or_else(wrong)?;
        let days = text("days").parse::<u16>().ok().filter(|days| *days > 0);
        let per_day = days.map(|days| Ok::<_, Failure>(PerDay { days, fen: self.amount(&named("daily"))? })).transpose()?;
        let loss_fen = match (per_day, text("loss").is_empty() && alone) {
            (Some(per_day), _) => per_day.total_fen(),
            (None, true) => claim.assessment.as_ref().map_or(0, |a| a.total_fen),
            (None, false) => self.amount(&named("loss"))?,
        };
        let payout = Payout {
            salvage_fen: self.taken(&named("salvage"))?,
            first_payer_fen: self.taken(&named("first_payer"))?,
            other_payer_fen: self.taken(&named("other_payer"))?,
            excluded_fen: self.taken(&named("excluded"))?,
            share_bp: self.percent(&named("share"), 10_000)?,
            deductible_bp: self.percent(&named("deductible_rate"), 0)?,
            deductible_fen: self.taken(&named("deductible"))?,
            cap_fen: Some(self.taken(&named("cap"))?).filter(|fen| *fen > 0),
            deductible_first: !claim.lob.is_surveyed(),
            per_day,
            ..Payout::of(loss_fen)
        };
        let own = text("clause");
        Ok(Award {
            cover: cover.code.clone(),
            name: cover.name.clone(),
            item: text("item"),
            fen: payout.result_fen(),
            payout,
            basis: if own.is_empty() && alone { self.get("basis") } else { own },
            excluded_because: text("excluded_because"),
            share_because: text("share_because"),
            deductible_because: text("deductible_because"),
        })
    }
    /// `check-contract` is yes or no, `note-contract` says what is in question. What is not answered is left out, and refused.
    fn checks(&self) -> Vec<Check> {
        let check = |point: Point| {
            let answer = self.get(&format!("check-{}", point.as_str()));
            let good = match answer.as_str() {
                "yes" => true,
                "no" => false,
                _ => return None,
            };
            Some(Check { point, good, note: self.get(&format!("note-{}", point.as_str())) })
        };
        Point::ALL.into_iter().filter_map(check).collect()
    }
}

/// 修复, 更换, 工时.
fn work_of(word: &str) -> Option<Work> {
    match word.trim() {
        "修复" | "修" => Some(Work::Repair),
        "更换" | "换" => Some(Work::Replace),
        "工时" => Some(Work::Labour),
        _ => None,
    }
}

pub fn place(claim_id: &str) -> String {
    format!("proposal.sealed/{claim_id}")
}

/// A decision that one person prepared and another has to take, as its form's fields.
pub async fn proposal(app: &App, claim_id: &str) -> Result<Fields> {
    let sealed: Option<String> =
        sqlx::query_scalar("SELECT sealed FROM proposal WHERE claim_id = ?").bind(claim_id).fetch_optional(&app.store.read).await?;
    let key = store::key(app, &mut *app.store.read.acquire().await?, claim_id).await?;
    let text = sealed.and_then(|sealed| key.open(&place(claim_id), &sealed)).unwrap_or_default();
    Ok(Fields(serde_json::from_str(&text).unwrap_or_default()))
}

/// What became of a step.
pub enum Taken {
    Done,
    /// Above this person's limit: it waits for a second one, with what was filled in.
    HandedOver,
}

/// Takes the step that a form describes.
///
/// # Errors
/// `validation` names the field, `not-allowed` when the claim has moved on, `not-this-person` where another one must decide.
pub async fn step(app: &App, staff: &Staff, no: &str, fields: &Fields) -> Result<Taken> {
    let stored = find(app, no).await?;
    let kind = Kind::parse(&fields.get("kind")).ok_or(ProblemCode::NotAllowed)?;
    let (mut tx, at) = (app.store.begin().await?, now());
    // Read where nobody else writes: who asked for a second pair of eyes a moment ago is known.
    let claim = store::state(app, &mut tx, &stored.id, stored.lob).await?;
    let what = what(app, &stored, &claim, kind, fields).await?;
    let actor = staff.actor();
    if let What::AdvancePaid { amount_fen, .. } = &what
        && *amount_fen > app.deployment.authority.adjudicator_fen
        && staff.desk != Desk::Supervisor
    {
        return Err(ProblemCode::NotThisPerson.into());
    }
    let standing = standing::of(app, &mut tx, &stored.id, &claim, kind).await?;
    let above = matches!(&what, What::Approved { amount_fen, .. } if *amount_fen > app.deployment.authority.adjudicator_fen);
    if above && claim.asked_by.is_some() && staff.desk != Desk::Supervisor {
        return Err(ProblemCode::NotThisPerson.into());
    }
    if above && claim.asked_by.is_none() && claim.admit(&actor, &what, &standing).is_ok() {
        let above = What::ApprovalAsked { to: "主管".into() };
        // Handed over in one step: what was filled in is kept for the second person.
        store::append(app, &mut tx, &stored.id, stored.lob, &actor, above, at).await?;
        sqlx::query("INSERT INTO proposal (claim_id, sealed) VALUES (?, ?) ON CONFLICT (claim_id) DO UPDATE SET sealed = excluded.sealed")
            .bind(&stored.id)
            .bind(store::key(app, &mut tx, &stored.id).await?.seal(&place(&stored.id), &store::json(&fields.0)))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        attendant::attend(app, &stored.id).await;
        return Ok(Taken::HandedOver);
    }
    if kind == Kind::PolicyFound {
        link_policy(app, &mut tx, &stored, &fields.get("policy"), &actor).await?;
        tx.commit().await?;
        attendant::attend(app, &stored.id).await;
        return Ok(Taken::Done);
    }
    // Several papers are judged at once, each with its own event.
    for what in all_of(&claim, what, fields) {
        let event = store::append(app, &mut tx, &stored.id, stored.lob, &actor, what, at).await?;
        match &event.what {
            What::PaymentOrdered { instruction, payee, amount_fen } => {
                payments::order(&mut tx, &stored, (instruction, *payee), *amount_fen, at).await?;
            }
            What::Paid { .. } | What::PaymentFailed { .. } => payments::by_hand(&mut tx, &claim, &event.what).await?,
            What::Entitled { role, until, .. } => entitle(app, &mut tx, &stored, *role, *until, &fields.get("phone")).await?,
            _ => {}
        }
    }
    if matches!(kind, Kind::Approved | Kind::Rejected | Kind::SentBack) {
        sqlx::query("DELETE FROM proposal WHERE claim_id = ?").bind(&stored.id).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    attendant::attend(app, &stored.id).await;
    Ok(Taken::Done)
}

/// `document=*` accepts everything that has come and was not judged.
fn all_of(claim: &Claim, what: What, fields: &Fields) -> Vec<What> {
    match &what {
        What::DocumentJudged { accepted: true, .. } if fields.get("document") == "*" => {
            let mut open: Vec<&String> = claim.received.iter().map(|(document, _)| document).collect();
            open.sort();
            open.dedup();
            open.retain(|d| claim.verdicts.iter().all(|v| v.document != **d));
            open.into_iter().map(|d| What::DocumentJudged { document: d.clone(), accepted: true, reason: String::new() }).collect()
        }
        _ => vec![what],
    }
}

/// Whoever holds the policy sees everything from now on, at once or when he signs in.
async fn link_policy(app: &App, tx: &mut store::Tx, stored: &Stored, number: &str, actor: &Actor) -> Result<()> {
    if stored.verified {
        return Err(ProblemCode::NotAllowed.into());
    }
    let found: Option<String> =
        sqlx::query_scalar("SELECT id FROM policy WHERE no = ?1 AND lob = ?2 AND starts_at <= ?3 AND ends_at > ?3 AND sealed <> ''")
            .bind(number)
            .bind(stored.lob.as_str())
            .bind(stored.notice.loss_at.0)
            .fetch_optional(&mut **tx)
            .await?;
    let unknown = || Problem::validation(vec![FieldError::new("/policy", Code::UnknownOption)]);
    policies::link(app, tx, stored, &found.ok_or_else(unknown)?, actor, now()).await
}

/// The person with this phone, or without one whoever reported, takes part in this right from now on.
async fn entitle(app: &App, tx: &mut store::Tx, stored: &Stored, role: Role, until: Option<Day>, phone: &str) -> Result<()> {
    let phone = if phone.is_empty() { stored.notice.reporter.phone.clone() } else { phone.to_owned() };
    let verdict = validate::mobile(&phone);
    let wrong = || Problem::validation(vec![FieldError::new("/phone", Code::PhoneFormat)]);
    let phone_index = app.vault.index("phone", verdict.value().ok_or_else(wrong)?);
    people::grant(tx, &stored.id, &Grant { role, payee: None, until, phone_index: &phone_index }).await
}

/// Whose payment is answered: the one that was chosen, or the only one that is with the bank.
fn outstanding(claim: &Claim, fields: &Fields) -> u16 {
    let chosen = fields.get("payee").parse().ok();
    chosen.or_else(|| claim.outstanding().next().map(|(no, _)| no)).unwrap_or(0)
}

async fn what(app: &App, stored: &Stored, claim: &Claim, kind: Kind, fields: &Fields) -> Result<What> {
    let text = |name: &str| fields.get(name);
    let version = claim.assessment.as_ref().map_or(0, |a| a.version);
    Ok(match kind {
        Kind::Registered => What::Registered { handler: text("handler") },
        Kind::NotAccepted => What::NotAccepted { reason: text("reason"), text: text("text"), next_step: text("next_step") },
        Kind::SurveyStarted => What::SurveyStarted { on_site: text("on_site") == "yes", surveyor: text("surveyor") },
        Kind::SurveySkipped => What::SurveySkipped { reason: text("reason") },
        Kind::SurveyReported => What::SurveyReported { report: text("report") },
        Kind::Assessed => {
            let lines = fields.lines()?;
            let total_fen = lines.iter().map(|l| l.fen).sum();
            What::Assessed { version: version + 1, lines, total_fen, answer: text("answer") }
        }
        Kind::AssessmentAccepted => What::AssessmentAccepted { version, by_phone: true },
        Kind::Approved => {
            // Without a policy there is nothing to decide by.
            let policy = policies::of_claim(app, &mut *app.store.read.acquire().await?, &stored.id).await?;
            let awards = fields.awards(claim, &policy.ok_or(ProblemCode::NotAllowed)?)?;
            let amount_fen = awards.iter().map(|a| a.fen).sum();
            What::Approved { amount_fen, basis: text("basis"), payout: None, awards, checks: fields.checks() }
        }
        Kind::Rejected => {
            What::Rejected { clause: text("clause"), facts: text("facts"), evidence: text("evidence"), checks: fields.checks() }
        }
        Kind::SentBack => {
            let to = if text("to") == "surveying" { Stage::Surveying } else { Stage::Assessing };
            What::SentBack { to, reason: text("reason") }
        }
        Kind::PaymentOrdered => {
            let due = claim.payable().into_iter().find(|d| text("payee").is_empty() || d.payee.to_string() == text("payee"));
            let (payee, amount_fen) = due.map_or((0, 0), |d| (d.payee, d.fen));
            What::PaymentOrdered { instruction: text("instruction"), payee, amount_fen }
        }
        Kind::PaymentFailed => What::PaymentFailed { reason: text("reason"), payee: outstanding(claim, fields) },
        Kind::Paid => payments::paid(claim, outstanding(claim, fields), text("reference")),
        Kind::AdvancePaid => What::AdvancePaid { amount_fen: fields.amount("amount_fen")?, reference: text("reference") },
        Kind::DecisionAgreed => What::DecisionAgreed,
        // The number itself stays in the policy's row.
        Kind::PolicyFound => {
            let number = text("policy");
            What::PolicyFound { policy: number.chars().skip(number.chars().count().saturating_sub(4)).collect() }
        }
        Kind::Entitled => {
            let unknown = || Problem::validation(vec![FieldError::new("/role", Code::UnknownOption)]);
            let role = if text("role").is_empty() { Role::Agent } else { Role::parse(&text("role")).ok_or_else(unknown)? };
            let until = if text("until").is_empty() { None } else { Some(fields.day("until")?) };
            let name = if text("name").is_empty() { stored.notice.reporter.name.clone() } else { text("name") };
            What::Entitled { role, who: session::masked_name(&name), reason: text("reason"), proof: text("proof"), until }
        }
        Kind::DisownSettled => What::DisownSettled { genuine: text("genuine") == "yes", text: text("text") },
        Kind::DocumentWaived => What::DocumentWaived { document: text("document"), reason: text("reason") },
        Kind::Established => {
            let unknown = || Problem::validation(vec![FieldError::new("/matter", Code::UnknownOption)]);
            let matter = Matter::parse(&text("matter")).ok_or_else(unknown)?;
            What::Established { matter, holds: text("holds") != "no", reason: text("reason") }
        }
        Kind::Closed => What::Closed,
        Kind::Reopened => What::Reopened { reason: text("reason") },
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
        Kind::SupplementEnded => What::SupplementEnded { reason: text("reason") },
        Kind::DocumentJudged => {
            What::DocumentJudged { document: text("document"), accepted: text("accepted") == "yes", reason: text("reason") }
        }
        Kind::Marked | Kind::Unmarked => {
            let unknown = || Problem::validation(vec![FieldError::new("/overlay", Code::UnknownOption)]);
            let overlay = Overlay::parse(&text("overlay")).ok_or_else(unknown)?;
            match kind {
                Kind::Unmarked => What::Unmarked { overlay },
                _ => {
                    let until = if text("until").is_empty() { None } else { Some(fields.day("until")?) };
                    What::Marked { overlay, reason: text("reason"), until }
                }
            }
        }
        Kind::ReviewAnswered => What::ReviewAnswered { overturned: text("overturned") == "yes", text: text("text"), cause: text("cause") },
        Kind::ComplaintExtended => {
            What::ComplaintExtended { special: claim.complaint().is_some_and(|c| c.days > 15), reason: text("reason") }
        }
        Kind::ComplaintAnswered => What::ComplaintAnswered { text: text("text"), cause: text("cause") },
        Kind::Answered => What::Answered { text: text("text") },
        Kind::PersonCalled => What::PersonCalled { text: text("text") },
        // The customer's and the machine's.
        Kind::Reported
        | Kind::SurveyRemarked
        | Kind::AssessmentObjected
        | Kind::ApprovalAsked
        | Kind::LetterDelivered
        | Kind::PayeesNamed
        | Kind::AdvanceAsked
        | Kind::Archived
        | Kind::Withdrawn
        | Kind::DocumentReceived
        | Kind::SupplementExcused
        | Kind::Requested
        | Kind::ReviewAsked
        | Kind::ComplaintFiled
        | Kind::Wrote
        | Kind::PersonAsked
        | Kind::Rated
        | Kind::Disowned
        | Kind::ConsentWithdrawn
        | Kind::Corrected
        | Kind::Escalated => return Err(ProblemCode::NotAllowed.into()),
    })
}

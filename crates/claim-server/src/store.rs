//! The database: SQLite in WAL with `synchronous=FULL`, so a commit that was answered survives a power cut.
//! One connection writes, several read; every write begins with `BEGIN IMMEDIATE`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claim_domain::lifecycle::{Actor, Claim, Event, Kind, Refusal, What};
use claim_domain::validate::Code;
use claim_domain::{FieldError, Lob, Moment};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Connection, Row, Sqlite, SqliteConnection, Transaction};
use tokio::sync::Semaphore;

use crate::claims::Stored;
use crate::failure::{Failure, Result, busy};
use crate::limits::Gate;
use crate::snapshot::Snapshot;
use crate::vault::{DataKey, sha256_hex};
use crate::{App, standing};
use claim_api::{Problem, ProblemCode};

pub struct Store {
    pub read: SqlitePool,
    write: SqlitePool,
    /// Whatever is no report waits here first, so that one of these at most stands before a report: the two take turns.
    others: Gate,
    /// Reports that wait.
    reports: Semaphore,
}

/// More are refused at once than wait and fail: as many as are done in half a second.
const OTHERS_WAITING: usize = 300;
const REPORTS_WAITING: usize = 120;

const IMMEDIATE: &str = "BEGIN IMMEDIATE";

pub type Tx = Transaction<'static, Sqlite>;

impl Store {
    pub async fn open(data: &Path, only_read: bool) -> std::result::Result<Store, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(data.join("claims.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        if only_read {
            let options =
                SqliteConnectOptions::new().filename(data.join("claims.sqlite")).read_only(true).busy_timeout(Duration::from_secs(10));
            let read = SqlitePoolOptions::new().max_connections(2).connect_with(options.clone()).await?;
            let write = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options);
            return Ok(Store::of(read, write));
        }
        // Where a statement fails in the middle, SQLite and its driver may each believe alone to be in a transaction (SQLite
        // rolls back by itself on a full disk, and has begun one whose BEGIN was stopped): no transaction could be begun with
        // such a connection any more, so it is not used again.
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .after_release(|connection, _| {
                Box::pin(async move {
                    let stray = sqlx::query("ROLLBACK").execute(&mut *connection).await;
                    let none_active = stray.is_err_and(|e| e.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "1"));
                    Ok(none_active && !connection.is_in_transaction())
                })
            })
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!().run(&write).await?;
        let read = SqlitePoolOptions::new().max_connections(8).connect_with(options.read_only(true).create_if_missing(false)).await?;
        Ok(Store::of(read, write))
    }

    fn of(read: SqlitePool, write: SqlitePool) -> Store {
        Store { read, write, others: Gate::new(1, OTHERS_WAITING), reports: Semaphore::new(REPORTS_WAITING) }
    }

    /// Starts the one writing transaction of a request; others wait for it.
    ///
    /// # Errors
    /// `rate-limited` where too many wait already.
    pub async fn begin(&self) -> Result<Tx> {
        let _turn = self.others.enter().await?;
        Ok(self.write.begin_with(IMMEDIATE).await?)
    }

    /// The same for what nobody asks again for.
    pub async fn begin_patiently(&self) -> Result<Tx> {
        let _turn = self.others.enter_patiently().await?;
        Ok(self.write.begin_with(IMMEDIATE).await?)
    }

    /// The same for somebody at the roadside, who goes before all of these.
    ///
    /// # Errors
    /// `rate-limited` where too many of them wait already.
    pub async fn begin_report(&self) -> Result<Tx> {
        let _place = self.reports.try_acquire().map_err(|_| busy(1))?;
        Ok(self.write.begin_with(IMMEDIATE).await?)
    }

    /// Stops the writing connection once, when `left` of its steps are over (tests). Not between a commit and the word that
    /// it is done, which SQLite's machine would deny then.
    #[cfg(test)]
    pub async fn interrupt_when(&self, left: std::sync::Arc<std::sync::atomic::AtomicI64>) {
        use std::sync::atomic::{AtomicBool, Ordering};
        let committed = std::sync::Arc::new(AtomicBool::new(false));
        let mut connection = self.write.acquire().await.unwrap();
        let mut handle = connection.lock_handle().await.unwrap();
        let hook = committed.clone();
        handle.set_commit_hook(move || {
            hook.store(true, Ordering::SeqCst);
            true
        });
        handle.set_progress_handler(1, move || committed.swap(false, Ordering::SeqCst) || left.fetch_sub(1, Ordering::SeqCst) != 0);
    }

    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// The line of business as stored; an unknown one is a defect of the database.
pub fn lob(text: &str) -> Result<Lob> {
    Lob::ALL.iter().copied().find(|l| l.as_str() == text).ok_or_else(|| Failure::internal("line of business", text))
}

/// The data key of a claim.
pub async fn key(app: &App, db: &mut SqliteConnection, claim_id: &str) -> Result<Arc<DataKey>> {
    if let Some(known) = app.vault.known_key(claim_id) {
        return Ok(known);
    }
    let sealed: Option<Option<String>> =
        sqlx::query_scalar("SELECT key_sealed FROM claim WHERE id = ?").bind(claim_id).fetch_optional(db).await?;
    let key = sealed.flatten().and_then(|sealed| app.vault.claim_key(claim_id, &sealed));
    key.ok_or_else(|| Failure::internal("key of a claim", "sealed with another key, or forgotten"))
}

fn event_of(key: &DataKey, claim_id: &str, row: &SqliteRow) -> Result<Event> {
    let read = |what: &str, e: serde_json::Error| Failure::internal(what, e);
    let seq: u32 = row.try_get("seq")?;
    // `kind:sealed`
    let sealed = row.try_get::<&str, _>("what")?.split_once(':').map_or("", |(_, sealed)| sealed);
    let what = key.open(&place(claim_id, seq), sealed).ok_or_else(|| Failure::internal("event", "sealed with another key"))?;
    Ok(Event {
        seq,
        at: Moment(row.try_get("at")?),
        actor: serde_json::from_str(row.try_get("actor")?).map_err(|e| read("actor", e))?,
        what: serde_json::from_str(&what).or_else(|e| former(&what).ok_or(e)).map_err(|e| read("event", e))?,
    })
}

pub fn place(claim_id: &str, seq: u32) -> String {
    format!("event.what/{claim_id}/{seq}")
}

/// An event as it was written before a claim had several payees and decisions several lines.
fn former(text: &str) -> Option<What> {
    let mut what: serde_json::Value = serde_json::from_str(text).ok()?;
    let named = what.get("payee-named")?;
    let payee = serde_json::json!({ "no": 1, "kind": "insured", "holder": named["holder"], "last4": named["last4"], "share": "equal" });
    what = serde_json::json!({ "payees-named": { "payees": [payee] } });
    serde_json::from_value(what).ok()
}

/// The events of one claim after `seq`, in order.
pub async fn events(app: &App, db: &mut SqliteConnection, claim_id: &str, after: u32) -> Result<Vec<Event>> {
    let key = key(app, &mut *db, claim_id).await?;
    let rows = sqlx::query("SELECT seq, at, actor, what FROM event WHERE claim_id = ? AND seq > ? ORDER BY seq")
        .bind(claim_id)
        .bind(after)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| event_of(&key, claim_id, row)).collect()
}

/// The same outside of a transaction.
pub async fn log(app: &App, claim_id: &str, after: u32) -> Result<Vec<Event>> {
    events(app, &mut *app.store.read.acquire().await?, claim_id, after).await
}

/// The claim as its events left it.
pub async fn state(app: &App, db: &mut SqliteConnection, claim_id: &str, lob: Lob) -> Result<Claim> {
    Ok(Snapshot::of(app, db, claim_id, lob).await?.claim)
}

/// The same outside of a transaction.
pub async fn state_now(app: &App, stored: &Stored) -> Result<Claim> {
    state(app, &mut *app.store.read.acquire().await?, &stored.id, stored.lob).await
}

/// Adds one event when the claim admits it. The claim's stage, for lists, moves in the same transaction. Whoever calls
/// this lets `attendant` look at the claim once it is committed.
///
/// # Errors
/// `not-allowed` from the wrong stage or desk, `not-this-person` where another one must, `validation` for a missing fact.
pub async fn append(
    app: &App,
    tx: &mut SqliteConnection,
    claim_id: &str,
    lob: Lob,
    actor: &Actor,
    what: What,
    at: Moment,
) -> Result<Event> {
    append_beside(app, tx, claim_id, lob, actor, what, at, "").await
}

/// The same for an event that is written down with something that stands elsewhere; its SHA-256 is `beside`.
#[expect(clippy::too_many_arguments, reason = "an event has so many parts")]
pub async fn append_beside(
    app: &App,
    tx: &mut SqliteConnection,
    claim_id: &str,
    lob: Lob,
    actor: &Actor,
    what: What,
    at: Moment,
    beside: &str,
) -> Result<Event> {
    let mut snapshot = Snapshot::of(app, &mut *tx, claim_id, lob).await?;
    snapshot.allows(actor, &what, at)?;
    let claim = &snapshot.claim;
    let standing = standing::of(app, &mut *tx, claim_id, claim, what.kind()).await?;
    claim.admit(actor, &what, &standing).map_err(|refusal| match refusal {
        Refusal::Stage(_) | Refusal::Actor => Failure::from(ProblemCode::NotAllowed),
        Refusal::SamePerson => ProblemCode::NotThisPerson.into(),
        Refusal::Field(error) => Problem::validation(vec![error]).into(),
        Refusal::Gate(_) => ProblemCode::PaymentGated.into(),
        Refusal::SecondBatch => {
            let reason = FieldError::new("/again_because", Code::ReasonMissing);
            Problem { errors: vec![reason], ..ProblemCode::NotAllowed.into() }.into()
        }
    })?;
    // A clock that was put back does not turn history round.
    let at = at.max(snapshot.newest);
    let event = Event { seq: claim.seq + 1, at, actor: actor.clone(), what };
    snapshot.apply(&event);
    let key = key(app, &mut *tx, claim_id).await?;
    let sealed = key.seal(&place(claim_id, event.seq), &json(&event.what));
    let (actor, what) = (json(&event.actor), format!("{}:{sealed}", event.what.kind().as_str()));
    let before: String = sqlx::query_scalar("SELECT hash FROM event WHERE claim_id = ? ORDER BY seq DESC LIMIT 1")
        .bind(claim_id)
        .fetch_optional(&mut *tx)
        .await?
        .unwrap_or_default();
    sqlx::query("INSERT INTO event (claim_id, seq, at, actor, what, hash, beside) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(claim_id)
        .bind(event.seq)
        .bind(at.0)
        .bind(&actor)
        .bind(&what)
        .bind(link(&before, claim_id, event.seq, at, &actor, &what, beside))
        .bind(beside)
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE claim SET stage = ?, seq = ?, snapshot_sealed = ? WHERE id = ?")
        .bind(snapshot.claim.stage.as_str())
        .bind(event.seq)
        .bind(snapshot.sealed(&key, claim_id))
        .bind(claim_id)
        .execute(&mut *tx)
        .await?;
    if matches!(event.what.kind(), Kind::Approved | Kind::Rejected | Kind::Reopened | Kind::ReviewAnswered | Kind::PolicyFound) {
        standing::keep_awards(&mut *tx, claim_id, &snapshot.claim).await?;
    }
    Ok(event)
}

/// The hash of an event: of the one before and of its own row, as stored. No key is needed to verify.
pub fn link(before: &str, claim_id: &str, seq: u32, at: Moment, actor: &str, what: &str, beside: &str) -> String {
    let beside = if beside.is_empty() { String::new() } else { format!("\n{beside}") };
    sha256_hex(format!("{before}\n{claim_id}\n{seq}\n{}\n{actor}\n{what}{beside}", at.0).as_bytes())
}

/// Values whose JSON cannot fail: no maps with odd keys, no floats.
pub fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

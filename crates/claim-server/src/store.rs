//! The database: SQLite in WAL with `synchronous=FULL`, so a commit that was answered survives a power cut.
//! One connection writes, several read; every write begins with `BEGIN IMMEDIATE`.

use std::path::Path;
use std::time::Duration;

use claim_domain::lifecycle::{Actor, Claim, Event, Kind, Refusal, What};
use claim_domain::validate::Code;
use claim_domain::{FieldError, Lob, Moment};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Connection, Row, Sqlite, SqliteConnection, Transaction};

use crate::failure::{Failure, Result};
use crate::limits::Gate;
use crate::vault::{Vault, sha256_hex};
use crate::{App, standing};
use claim_api::{Problem, ProblemCode};

pub struct Store {
    pub read: SqlitePool,
    write: SqlitePool,
    /// Requests that wait to write: more are refused at once than wait and fail.
    queue: Gate,
}

/// About as many as are done in a quarter of a second.
const MOST_WAITING: usize = 100;

pub type Tx = Transaction<'static, Sqlite>;

impl Store {
    pub async fn open(data: &Path) -> std::result::Result<Store, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(data.join("claims.sqlite"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        // On a full disk SQLite rolls back by itself, the driver's own ROLLBACK fails then, and it believes for ever to be in
        // a transaction: such a connection is not used again.
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!().run(&write).await?;
        let read = SqlitePoolOptions::new().max_connections(8).connect_with(options.read_only(true).create_if_missing(false)).await?;
        Ok(Store { read, write, queue: Gate::new(1, MOST_WAITING) })
    }

    /// Starts the one writing transaction of a request; others wait for it.
    ///
    /// # Errors
    /// `rate-limited` where too many wait already.
    pub async fn begin(&self) -> Result<Tx> {
        let _place = self.queue.enter().await?;
        self.begin_patiently().await
    }

    /// The same for what nobody asks again for.
    pub async fn begin_patiently(&self) -> Result<Tx> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
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

fn event_of(vault: &Vault, row: &SqliteRow) -> Result<Event> {
    let read = |what: &str, e: serde_json::Error| Failure::internal(what, e);
    let what: &str = row.try_get("what")?;
    // `kind:sealed`; those of the first versions were not sealed.
    let opened = match what.split_once(':') {
        Some((_, sealed)) if !what.starts_with(['{', '"']) => vault.open_text(sealed),
        _ => Some(what.to_owned()),
    };
    let what = opened.ok_or_else(|| Failure::internal("event", "sealed with another key"))?;
    Ok(Event {
        seq: row.try_get("seq")?,
        at: Moment(row.try_get("at")?),
        actor: serde_json::from_str(row.try_get("actor")?).map_err(|e| read("actor", e))?,
        what: serde_json::from_str(&what).or_else(|e| former(&what).ok_or(e)).map_err(|e| read("event", e))?,
    })
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
pub async fn events(vault: &Vault, db: impl sqlx::Executor<'_, Database = Sqlite>, claim_id: &str, after: u32) -> Result<Vec<Event>> {
    let rows = sqlx::query("SELECT seq, at, actor, what FROM event WHERE claim_id = ? AND seq > ? ORDER BY seq")
        .bind(claim_id)
        .bind(after)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| event_of(vault, row)).collect()
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
    let vault = &app.vault;
    let events = events(vault, &mut *tx, claim_id, 0).await?;
    let mut claim = Claim::replay(lob, &events);
    let standing = standing::of(app, &mut *tx, claim_id, &claim, what.kind()).await?;
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
    let at = at.max(events.last().map_or(at, |e| e.at));
    let event = Event { seq: claim.seq + 1, at, actor: actor.clone(), what };
    claim.apply(&event);
    let (actor, what) = (json(&event.actor), format!("{}:{}", event.what.kind().as_str(), vault.seal(&json(&event.what))));
    let before: String = sqlx::query_scalar("SELECT hash FROM event WHERE claim_id = ? ORDER BY seq DESC LIMIT 1")
        .bind(claim_id)
        .fetch_optional(&mut *tx)
        .await?
        .unwrap_or_default();
    sqlx::query("INSERT INTO event (claim_id, seq, at, actor, what, hash) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(claim_id)
        .bind(event.seq)
        .bind(at.0)
        .bind(&actor)
        .bind(&what)
        .bind(link(&before, claim_id, event.seq, at, &actor, &what))
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE claim SET stage = ?, seq = ? WHERE id = ?")
        .bind(claim.stage.as_str())
        .bind(event.seq)
        .bind(claim_id)
        .execute(&mut *tx)
        .await?;
    if matches!(event.what.kind(), Kind::Approved | Kind::Rejected | Kind::Reopened | Kind::ReviewAnswered | Kind::PolicyFound) {
        standing::keep_awards(&mut *tx, claim_id, &claim).await?;
    }
    Ok(event)
}

/// The hash of an event: of the one before and of its own row, as stored. No key is needed to verify.
fn link(before: &str, claim_id: &str, seq: u32, at: Moment, actor: &str, what: &str) -> String {
    sha256_hex(format!("{before}\n{claim_id}\n{seq}\n{}\n{actor}\n{what}", at.0).as_bytes())
}

/// Follows every chain of events. An event that was changed, removed or put in breaks its chain; one that was cut off at
/// the end is missed by the number in the claim's row.
///
/// # Errors
/// The first claim whose chain does not hold, and where.
pub async fn verify(store: &Store) -> std::result::Result<(u64, u64), String> {
    let told = |e: sqlx::Error| format!("the log cannot be read: {e}");
    let claims: Vec<(String, String, u32)> =
        sqlx::query_as("SELECT id, no, seq FROM claim ORDER BY no").fetch_all(&store.read).await.map_err(told)?;
    let mut events = 0;
    for (id, no, last) in &claims {
        let rows: Vec<(u32, i64, String, String, String)> =
            sqlx::query_as("SELECT seq, at, actor, what, hash FROM event WHERE claim_id = ? ORDER BY seq")
                .bind(id)
                .fetch_all(&store.read)
                .await
                .map_err(told)?;
        let mut before = String::new();
        for (place, (seq, at, actor, what, hash)) in (1u32..).zip(&rows) {
            if *seq != place || *hash != link(&before, id, *seq, Moment(*at), actor, what) {
                return Err(format!("{no}: the log does not hold at event {place}"));
            }
            before.clone_from(hash);
        }
        if rows.len() != *last as usize {
            return Err(format!("{no}: the log ends at event {} of {last}", rows.len()));
        }
        events += rows.len() as u64;
    }
    let orphans: i64 = sqlx::query_scalar("SELECT count(*) FROM event WHERE claim_id NOT IN (SELECT id FROM claim)")
        .fetch_one(&store.read)
        .await
        .map_err(told)?;
    if orphans > 0 { Err(format!("{orphans} events belong to no claim")) } else { Ok((claims.len() as u64, events)) }
}

/// Values whose JSON cannot fail: no maps with odd keys, no floats.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

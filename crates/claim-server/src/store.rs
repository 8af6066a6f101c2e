//! The database: SQLite in WAL with `synchronous=FULL`, so a commit that was answered survives a power cut.
//! One connection writes, several read; every write begins with `BEGIN IMMEDIATE`.

use std::path::Path;
use std::time::Duration;

use claim_domain::lifecycle::{Actor, Claim, Event, Refusal, What};
use claim_domain::validate::Code;
use claim_domain::{FieldError, Lob, Moment};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Row, Sqlite, SqliteConnection, Transaction};

use crate::failure::{Failure, Result};
use crate::vault::sha256_hex;
use claim_api::{Problem, ProblemCode};

pub struct Store {
    pub read: SqlitePool,
    write: SqlitePool,
}

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
            .acquire_timeout(Duration::from_secs(30))
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
        Ok(Store { read, write })
    }

    /// Starts the one writing transaction; others wait for it.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.write.begin_with("BEGIN IMMEDIATE").await?)
    }

    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// The line of business as stored; an unknown one is a defect of the database.
pub fn lob(text: &str) -> Result<Lob> {
    Lob::ALL.into_iter().find(|l| l.as_str() == text).ok_or_else(|| Failure::internal("line of business", text))
}

fn event_of(row: &sqlx::sqlite::SqliteRow) -> Result<Event> {
    let read = |what: &str, e: serde_json::Error| Failure::internal(what, e);
    Ok(Event {
        seq: row.try_get("seq")?,
        at: Moment(row.try_get("at")?),
        actor: serde_json::from_str(row.try_get("actor")?).map_err(|e| read("actor", e))?,
        what: serde_json::from_str(row.try_get("what")?).map_err(|e| read("event", e))?,
    })
}

/// The events of one claim after `seq`, in order.
pub async fn events(db: impl sqlx::Executor<'_, Database = Sqlite>, claim_id: &str, after: u32) -> Result<Vec<Event>> {
    let rows = sqlx::query("SELECT seq, at, actor, what FROM event WHERE claim_id = ? AND seq > ? ORDER BY seq")
        .bind(claim_id)
        .bind(after)
        .fetch_all(db)
        .await?;
    rows.iter().map(event_of).collect()
}

/// Adds one event when the claim admits it. The claim's stage, for lists, moves in the same transaction.
///
/// # Errors
/// `not-allowed` from the wrong stage or desk, `validation` for a missing fact.
pub async fn append(tx: &mut SqliteConnection, claim_id: &str, lob: Lob, actor: &Actor, what: What, at: Moment) -> Result<Event> {
    let events = events(&mut *tx, claim_id, 0).await?;
    let mut claim = Claim::replay(lob, &events);
    claim.admit(actor, &what).map_err(|refusal| match refusal {
        Refusal::Stage(_) | Refusal::Actor => Failure::from(ProblemCode::NotAllowed),
        Refusal::Field(error) => Problem::validation(vec![error]).into(),
        Refusal::SecondBatch => {
            let reason = FieldError::new("/again_because", Code::ReasonMissing);
            Problem { errors: vec![reason], ..ProblemCode::NotAllowed.into() }.into()
        }
    })?;
    let event = Event { seq: claim.seq + 1, at, actor: actor.clone(), what };
    claim.apply(&event);
    let text = |value: &dyn erased::Json| value.json();
    let (actor, what) = (text(&event.actor), text(&event.what));
    let before: String = sqlx::query_scalar("SELECT hash FROM event WHERE claim_id = ? ORDER BY seq DESC LIMIT 1")
        .bind(claim_id)
        .fetch_optional(&mut *tx)
        .await?
        .unwrap_or_default();
    let hash = sha256_hex(format!("{before}\n{claim_id}\n{}\n{}\n{actor}\n{what}", event.seq, at.0).as_bytes());
    sqlx::query("INSERT INTO event (claim_id, seq, at, actor, what, hash) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(claim_id)
        .bind(event.seq)
        .bind(at.0)
        .bind(actor)
        .bind(what)
        .bind(hash)
        .execute(&mut *tx)
        .await?;
    sqlx::query("UPDATE claim SET stage = ? WHERE id = ?").bind(claim.stage.as_str()).bind(claim_id).execute(&mut *tx).await?;
    Ok(event)
}

mod erased {
    /// Values whose JSON cannot fail: no maps with odd keys, no floats.
    pub trait Json {
        fn json(&self) -> String;
    }
    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap_or_default()
        }
    }
}

/// Writes down a message to be sent by SMS.
pub async fn send_message(tx: &mut SqliteConnection, vault: &crate::vault::Vault, phone: &str, text: &str, at: Moment) -> Result<()> {
    sqlx::query("INSERT INTO message (phone_sealed, text_sealed, created_at) VALUES (?, ?, ?)")
        .bind(vault.seal(phone))
        .bind(vault.seal(text))
        .bind(at.0)
        .execute(tx)
        .await?;
    Ok(())
}

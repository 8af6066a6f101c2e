//! What is sealed with the installation key itself, and how it moves to another one.
//!
//! Promise: stopped at any moment, everything opens, with the keys that the key file has; what was
//! not moved yet is moved the next time. Requests go on meanwhile: a turn is short, and a value that
//! somebody else has changed since is theirs.

use sqlx::{AssertSqlSafe, Row};

use super::{Db, Store, Tx, drafts, handoffs, json, messages, policies, sessions, staff, unopened};
use crate::failure::{Failure, Result};
use crate::vault::{Secrets, Vault, place_of_claim_key, place_of_file_key};

const PLACE: &str = "secrets.sealed/1";
/// Values that are moved in one transaction.
const A_TURN: i64 = 200;

/// A column with values that the installation key has sealed.
struct Column {
    table: &'static str,
    name: &'static str,
    /// The primary key.
    key: &'static [&'static str],
    /// What else the place is made of.
    beside: &'static [&'static str],
    place: fn(&[String]) -> String,
}

const COLUMNS: [Column; 10] = [
    Column {
        table: "claim",
        name: "key_sealed",
        key: &["id"],
        beside: &[],
        place: |row| place_of_claim_key(&row[0]),
    },
    Column {
        // Once it belongs to a claim, it is sealed with the claim's key.
        table: "upload",
        name: "key_sealed",
        key: &["id"],
        beside: &[],
        place: |row| place_of_file_key(&row[0]),
    },
    Column {
        table: "message",
        name: "phone_sealed",
        key: &["id"],
        beside: &["phone_index"],
        place: |row| messages::place("phone", &row[1]),
    },
    Column {
        table: "message",
        name: "text_sealed",
        key: &["id"],
        beside: &["phone_index"],
        place: |row| messages::place("text", &row[1]),
    },
    Column {
        table: "policy",
        name: "sealed",
        key: &["id"],
        beside: &[],
        place: |row| policies::place(&row[0]),
    },
    Column {
        table: "draft",
        name: "sealed",
        key: &["subject_id", "id"],
        beside: &[],
        place: |row| drafts::place(&row[0], &row[1]),
    },
    Column {
        table: "session",
        name: "phone_sealed",
        key: &["token_hash"],
        beside: &[],
        place: |row| sessions::place(&row[0]),
    },
    Column {
        table: "handoff",
        name: "parcel_sealed",
        key: &["id"],
        beside: &[],
        place: |row| handoffs::place("parcel", &row[0]),
    },
    Column {
        table: "handoff",
        name: "ticket_sealed",
        key: &["id"],
        beside: &[],
        place: |row| handoffs::place("ticket", &row[0]),
    },
    Column {
        table: "staff",
        name: "totp_sealed",
        key: &["name"],
        beside: &[],
        place: |row| staff::place_of_totp(&row[0]),
    },
];

/// Uses what is kept; if nothing is, what follows from the installation key. Returns whether there
/// was something new.
pub async fn refresh(store: &Store) -> Result<bool> {
    let mut last = store.secrets.lock().await;
    let db = &mut store.read().await?;
    let sql = "SELECT sealed FROM secrets";
    let kept: Option<String> = sqlx::query_scalar(sql).fetch_optional(db.sql()).await?;
    let Some(sealed) = kept.filter(|sealed| *sealed != *last) else {
        return Ok(false);
    };
    let text = store.vault.open_text(PLACE, &sealed);
    let secrets = super::read_json("secrets", text)?;
    store.vault.use_secrets(secrets);
    *last = sealed;
    Ok(true)
}

/// Before anything is sealed in a transaction: with the key that is the newest now, whichever process
/// has made it. So nothing is ever sealed with a key that is about to be forgotten.
pub(super) async fn follow(tx: &mut Tx) -> Result<()> {
    let sql = "SELECT substr(sealed, 1, instr(sealed, '$') - 1) FROM secrets";
    let newest: Option<String> = sqlx::query_scalar(sql).fetch_optional(tx.sql()).await?;
    if newest.is_some_and(|name| !tx.vault.is_newest(&name)) {
        tx.vault
            .reread()
            .map_err(|e| Failure::internal("the keys cannot be read", e))?;
    }
    Ok(())
}

/// Changes what is kept, under the newest installation key.
pub async fn change<T>(tx: &mut Tx, change: impl FnOnce(&mut Secrets) -> T) -> Result<T> {
    // What is in the database now, not what this process last saw.
    let sql = "SELECT sealed FROM secrets";
    let kept: Option<String> = sqlx::query_scalar(sql).fetch_optional(tx.sql()).await?;
    let mut secrets = match kept {
        Some(sealed) => super::read_json("secrets", tx.vault.open_text(PLACE, &sealed))?,
        None => tx.vault.secrets(),
    };
    let done = change(&mut secrets);
    let sealed = tx.vault.seal(PLACE, &json(&secrets));
    let sql = "INSERT INTO secrets (id, sealed) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed";
    sqlx::query(sql).bind(sealed).execute(tx.sql()).await?;
    Ok(done)
}

/// Keeps what follows from the installation key, unless something is kept already: from then on the
/// key can be replaced.
pub async fn keep(store: &Store) -> Result<()> {
    let mut tx = store.begin_patiently().await?;
    let sql = "SELECT count(*) FROM secrets";
    let kept: i64 = sqlx::query_scalar(sql).fetch_one(tx.sql()).await?;
    if kept == 0 {
        opens_something(&mut tx).await?;
        change(&mut tx, |_| ()).await?;
    }
    tx.commit().await
}

/// Secrets that follow from the wrong key would lock the data for ever.
async fn opens_something(db: &mut Db) -> Result<()> {
    let sql = "SELECT id, key_sealed FROM claim WHERE instr(key_sealed, '$') > 0 LIMIT 1";
    let one: Option<(String, String)> = sqlx::query_as(sql).fetch_optional(db.sql()).await?;
    if let Some((id, sealed)) = one
        && db.vault.claim_key(&id, &sealed).is_none()
    {
        return Err(unopened("claim"));
    }
    Ok(())
}

/// Whether a value of `column` has another name in front than the newest key's; the first parameter
/// of the statement is that name and `$`.
fn is_old(column: &Column) -> String {
    let Column { name, .. } = column;
    format!("instr({name}, '$') > 0 AND substr({name}, 1, length(?1)) <> ?1")
}

/// A statement made of [`COLUMNS`]: our own text, fixed at compile time.
fn ours(sql: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql)
}

fn mark(vault: &Vault) -> String {
    vault
        .names()
        .first()
        .map_or_else(String::new, |name| format!("{name}$"))
}

/// Moves everything to the newest installation key; returns how many values.
pub async fn reseal(store: &Store) -> Result<u64> {
    // Looking takes no turn from those who write.
    if left(&mut store.read().await?).await? == 0 {
        return Ok(0);
    }
    let mut moved = 0;
    for column in &COLUMNS {
        let mut after: Option<Vec<String>> = None;
        loop {
            let mut tx = store.begin_patiently().await?;
            let turn = turn(&mut tx, column, after.as_deref()).await?;
            tx.commit().await?;
            moved += turn.moved;
            match turn.last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
    }
    Ok(moved)
}

struct Turn {
    moved: u64,
    /// The row that it ended with; `None`: there are no more.
    last: Option<Vec<String>>,
}

async fn turn(tx: &mut Tx, column: &Column, after: Option<&[String]>) -> Result<Turn> {
    let Column {
        table, name, key, ..
    } = column;
    let row = [*key, column.beside].concat();
    let texts: Vec<String> = row.iter().map(|c| format!("CAST({c} AS TEXT)")).collect();
    let (texts, listed) = (texts.join(", "), key.join(", "));
    let old = is_old(column);
    // Numbered like the first one: the driver counts unnumbered ones from one.
    let marks: Vec<String> = (0..key.len()).map(|i| format!("?{}", i + 2)).collect();
    let marks = marks.join(", ");
    let beyond = after.map_or(String::new(), |_| format!("AND ({listed}) > ({marks})"));
    let sql = format!(
        "SELECT {texts}, {name} FROM {table} WHERE {old} {beyond} ORDER BY {listed} LIMIT {A_TURN}"
    );
    let mut query = sqlx::query(ours(sql)).bind(mark(&tx.vault));
    for value in after.unwrap_or_default() {
        query = query.bind(value);
    }
    let found = query.fetch_all(tx.sql()).await?;
    let (mut moved, mut last) = (0, None);
    for found in &found {
        let values: Vec<String> = (0..row.len())
            .map(|i| found.try_get(i))
            .collect::<sqlx::Result<_>>()?;
        let sealed: String = found.try_get(row.len())?;
        if let Some(fresh) = tx.vault.reseal(&(column.place)(&values), &sealed) {
            let same: Vec<String> = key.iter().map(|c| format!("{c} = ?")).collect();
            let sql = format!("UPDATE {table} SET {name} = ? WHERE {}", same.join(" AND "));
            let mut query = sqlx::query(ours(sql)).bind(fresh);
            for value in &values[..key.len()] {
                query = query.bind(value);
            }
            query.execute(tx.sql()).await?;
            moved += 1;
        } else {
            // One damaged value holds up no other.
            tracing::error!(table, name, "a value does not open with any key");
        }
        last = Some(values[..key.len()].to_vec());
    }
    Ok(Turn {
        moved,
        last: last.filter(|_| found.len() as i64 == A_TURN),
    })
}

/// How many values are not sealed with the newest installation key.
pub async fn left(db: &mut Db) -> Result<i64> {
    let mut left = 0;
    for column in &COLUMNS {
        let sql = format!(
            "SELECT count(*) FROM {} WHERE {}",
            column.table,
            is_old(column)
        );
        let count: i64 = sqlx::query_scalar(ours(sql))
            .bind(mark(&db.vault))
            .fetch_one(db.sql())
            .await?;
        left += count;
    }
    let sql = "SELECT count(*) FROM secrets WHERE substr(sealed, 1, length(?1)) <> ?1";
    let count: i64 = sqlx::query_scalar(sql)
        .bind(mark(&db.vault))
        .fetch_one(db.sql())
        .await?;
    Ok(left + count)
}

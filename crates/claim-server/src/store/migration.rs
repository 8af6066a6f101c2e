//! Reseals data stored by versions before data keys: with a key for each claim and each file, bound
//! to its place.
//!
//! Promise: if stopped at any moment, the migration continues at the next start, and until then
//! every value opens in its old or its new form. A claim and everything in it moves in one
//! transaction; a file exists twice until its row says which copy counts.

use claim_domain::Moment;
use sqlx::Row;

use super::events::{self, link};
use super::uploads::Uploads;
use super::{Store, Tx, claims, documents, drafts, folders, messages, payees, policies, staff};
use crate::failure::Failure;
use crate::vault::{DataKey, Vault};

type Outcome<T> = std::result::Result<T, String>;

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// # Errors
/// What cannot be opened or written.
pub async fn seal_anew(store: &Store, uploads: &Uploads) -> Outcome<()> {
    of_the_installation(store).await?;
    let claims: Vec<String> = sqlx::query_scalar("SELECT id FROM claim WHERE key_sealed IS NULL")
        .fetch_all(&store.read)
        .await
        .map_err(told)?;
    for (n, claim) in claims.iter().enumerate() {
        if n % 1000 == 0 {
            tracing::info!(
                done = n,
                of = claims.len(),
                "claims resealed with their own keys"
            );
        }
        of_a_claim(store, claim).await?;
    }
    uploads.seal_anew(store).await.map_err(Failure::sentence)
}

/// Opens an old value: plain text, or sealed with the installation key and bound to no place.
fn opened(vault: &Vault, stored: &str) -> Outcome<String> {
    if stored.starts_with(['{', '[', '"']) {
        return Ok(stored.to_owned());
    }
    vault
        .open_former(stored)
        .ok_or_else(|| "a value is sealed with another key".to_owned())
}

/// Reseals the columns of one claim, each bound to its place, and its log.
async fn of_a_claim(store: &Store, id: &str) -> Outcome<()> {
    let mut tx = store.begin_patiently().await.map_err(Failure::sentence)?;
    let kept = store.vault.new_claim_key(id);
    sqlx::query("UPDATE claim SET key_sealed = ? WHERE id = ?")
        .bind(&kept)
        .bind(id)
        .execute(tx.sql())
        .await
        .map_err(told)?;
    let key = store
        .vault
        .claim_key(id, &kept)
        .ok_or("a key that was just made does not open")?;
    let columns = [
        (
            "SELECT id, notice_sealed FROM claim WHERE id = ?",
            "UPDATE claim SET notice_sealed = ? WHERE id = ?",
            claims::place_of_notice as fn(&str) -> String,
        ),
        (
            "SELECT claim_id, sealed FROM folder WHERE claim_id = ?",
            "UPDATE folder SET sealed = ? WHERE claim_id = ?",
            |id| folders::place("sealed", id),
        ),
        (
            "SELECT claim_id, request_sealed FROM folder WHERE claim_id = ? AND request_sealed IS NOT NULL",
            "UPDATE folder SET request_sealed = ? WHERE claim_id = ?",
            |id| folders::place("request", id),
        ),
        (
            "SELECT id, facts FROM document WHERE claim_id = ? AND facts IS NOT NULL",
            "UPDATE document SET facts = ? WHERE id = ?",
            documents::place_of_facts,
        ),
        (
            "SELECT claim_id, sealed FROM payee WHERE claim_id = ?",
            "UPDATE payee SET sealed = ? WHERE claim_id = ?",
            payees::place,
        ),
        (
            "SELECT claim_id, sealed FROM proposal WHERE claim_id = ?",
            "UPDATE proposal SET sealed = ? WHERE claim_id = ?",
            staff::place,
        ),
    ];
    for (select, update, place) in columns {
        let rows: Vec<(String, String)> = sqlx::query_as(select)
            .bind(id)
            .fetch_all(tx.sql())
            .await
            .map_err(told)?;
        for (row, stored) in rows {
            let sealed = key.seal(&place(&row), &opened(&store.vault, &stored)?);
            sqlx::query(update)
                .bind(sealed)
                .bind(row)
                .execute(tx.sql())
                .await
                .map_err(told)?;
        }
    }
    log(&store.vault, &mut tx, id, &key).await?;
    let done = tx.commit().await.map_err(Failure::sentence);
    if done.is_err() {
        store.vault.forget(id);
    }
    done
}

/// Verifies the log and its old hashes, and writes both in the new form.
async fn log(vault: &Vault, tx: &mut Tx, id: &str, key: &DataKey) -> Outcome<()> {
    let rows =
        sqlx::query("SELECT seq, at, actor, what, hash FROM event WHERE claim_id = ? ORDER BY seq")
            .bind(id)
            .fetch_all(tx.sql())
            .await
            .map_err(told)?;
    // Dropped only here, and restored before anybody else sees the database.
    let trigger: String =
        sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE name = 'event_is_never_changed'")
            .fetch_one(tx.sql())
            .await
            .map_err(told)?;
    sqlx::query("DROP TRIGGER event_is_never_changed")
        .execute(tx.sql())
        .await
        .map_err(told)?;
    let (mut was, mut is) = (String::new(), String::new());
    for row in &rows {
        let get = |name: &str| row.try_get::<String, _>(name).map_err(told);
        let (seq, at): (u32, i64) = (
            row.try_get("seq").map_err(told)?,
            row.try_get("at").map_err(told)?,
        );
        let (actor, what, hash) = (get("actor")?, get("what")?, get("hash")?);
        if link(&was, id, seq, Moment(at), &actor, &what, "") != hash {
            return Err(format!("the hash chain of a log breaks at event {seq}"));
        }
        let (kind, text) = match what.split_once(':') {
            Some((kind, sealed)) if !what.starts_with(['{', '"']) => {
                (kind.to_owned(), opened(vault, sealed)?)
            }
            // The first versions stored events as plain text, under the name of their kind.
            _ => (
                serde_json::from_str::<serde_json::Value>(&what)
                    .ok()
                    .and_then(|v| kind_of(&v))
                    .unwrap_or_default(),
                what.clone(),
            ),
        };
        let what = format!("{kind}:{}", key.seal(&events::place(id, seq), &text));
        is = link(&is, id, seq, Moment(at), &actor, &what, "");
        sqlx::query("UPDATE event SET what = ?, hash = ? WHERE claim_id = ? AND seq = ?")
            .bind(what)
            .bind(&is)
            .bind(id)
            .bind(seq)
            .execute(tx.sql())
            .await
            .map_err(told)?;
        was = hash;
    }
    sqlx::query(sqlx::AssertSqlSafe(trigger))
        .execute(tx.sql())
        .await
        .map_err(told)?;
    Ok(())
}

fn kind_of(value: &serde_json::Value) -> Option<String> {
    value
        .as_str()
        .map(str::to_owned)
        .or_else(|| value.as_object()?.keys().next().cloned())
}

/// Reseals what belongs to no claim.
async fn of_the_installation(store: &Store) -> Outcome<()> {
    let mut tx = store.begin_patiently().await.map_err(Failure::sentence)?;
    let rows: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT id, phone_sealed, text_sealed FROM message WHERE phone_index IS NULL",
    )
    .fetch_all(tx.sql())
    .await
    .map_err(told)?;
    for (id, phone, text) in rows {
        let (phone, text) = (opened(&store.vault, &phone)?, opened(&store.vault, &text)?);
        let index = store.vault.index("phone", &phone);
        let sealed =
            |column: &str, value: &str| store.vault.seal(&messages::place(column, &index), value);
        sqlx::query(
            "UPDATE message SET phone_sealed = ?, text_sealed = ?, phone_index = ? WHERE id = ?",
        )
        .bind(sealed("phone", &phone))
        .bind(sealed("text", &text))
        .bind(&index)
        .bind(id)
        .execute(tx.sql())
        .await
        .map_err(told)?;
    }
    let policies: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, sealed FROM policy WHERE sealed <> '' AND instr(sealed, '$') = 0",
    )
    .fetch_all(tx.sql())
    .await
    .map_err(told)?;
    for (id, stored) in policies {
        let sealed = store
            .vault
            .seal(&policies::place(&id), &opened(&store.vault, &stored)?);
        sqlx::query("UPDATE policy SET sealed = ? WHERE id = ?")
            .bind(sealed)
            .bind(id)
            .execute(tx.sql())
            .await
            .map_err(told)?;
    }
    let drafts: Vec<(String, String, String)> =
        sqlx::query_as("SELECT subject_id, id, sealed FROM draft WHERE instr(sealed, '$') = 0")
            .fetch_all(tx.sql())
            .await
            .map_err(told)?;
    for (subject, id, stored) in drafts {
        let sealed = store.vault.seal(
            &drafts::place(&subject, &id),
            &opened(&store.vault, &stored)?,
        );
        sqlx::query("UPDATE draft SET sealed = ? WHERE subject_id = ? AND id = ?")
            .bind(sealed)
            .bind(subject)
            .bind(id)
            .execute(tx.sql())
            .await
            .map_err(told)?;
    }
    // Sessions last half an hour and handoffs two minutes, so we drop them: people sign in again.
    for sql in [
        "DELETE FROM session WHERE phone_sealed IS NOT NULL AND instr(phone_sealed, '$') = 0",
        "DELETE FROM handoff WHERE instr(coalesce(parcel_sealed, ticket_sealed, '$'), '$') = 0",
    ] {
        sqlx::query(sql).execute(tx.sql()).await.map_err(told)?;
    }
    tx.commit().await.map_err(Failure::sentence)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::Poll;

    use super::*;
    use crate::tests::{Caller, copy, opened as demo, pdf};
    use crate::{App, Options};

    /// Converts everything back to the format from before data keys.
    async fn make_old(app: &App) {
        let mut tx = app.store.begin().await.unwrap();
        let claims: Vec<String> = sqlx::query_scalar("SELECT id FROM claim")
            .fetch_all(tx.sql())
            .await
            .unwrap();
        sqlx::query("DROP TRIGGER event_is_never_changed")
            .execute(tx.sql())
            .await
            .unwrap();
        for id in &claims {
            let key = claims::key(&mut tx, id).await.unwrap();
            let mut before = String::new();
            for event in events::after(&mut tx, id, 0).await.unwrap() {
                let (actor, text) = (
                    crate::store::json(&event.actor),
                    crate::store::json(&event.what),
                );
                let what = format!(
                    "{}:{}",
                    event.what.kind().as_str(),
                    app.vault.seal_former(&text)
                );
                before = link(&before, id, event.seq, event.at, &actor, &what, "");
                let sql = "UPDATE event SET what = ?, hash = ?, beside = '' WHERE claim_id = ? AND seq = ?";
                sqlx::query(sql)
                    .bind(what)
                    .bind(&before)
                    .bind(id)
                    .bind(event.seq)
                    .execute(tx.sql())
                    .await
                    .unwrap();
            }
            for (select, update, place) in [
                (
                    "SELECT id, notice_sealed FROM claim WHERE id = ?",
                    "UPDATE claim SET notice_sealed = ? WHERE id = ?",
                    claims::place_of_notice as fn(&str) -> String,
                ),
                (
                    "SELECT id, facts FROM document WHERE claim_id = ?",
                    "UPDATE document SET facts = ? WHERE id = ?",
                    documents::place_of_facts,
                ),
            ] {
                let rows: Vec<(String, String)> = sqlx::query_as(select)
                    .bind(id)
                    .fetch_all(tx.sql())
                    .await
                    .unwrap();
                for (row, sealed) in rows {
                    let plain = key.open(&place(&row), &sealed).unwrap();
                    sqlx::query(update)
                        .bind(app.vault.seal_former(&plain))
                        .bind(row)
                        .execute(tx.sql())
                        .await
                        .unwrap();
                }
            }
        }
        sqlx::query(
            "CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are append only'); END",
        )
        .execute(tx.sql())
        .await
        .unwrap();
        let files: Vec<String> = sqlx::query_scalar("SELECT id FROM upload")
            .fetch_all(tx.sql())
            .await
            .unwrap();
        let messages: Vec<(i64, String, String, String)> =
            sqlx::query_as("SELECT id, phone_index, phone_sealed, text_sealed FROM message")
                .fetch_all(tx.sql())
                .await
                .unwrap();
        for (id, index, phone, text) in messages {
            let former = |column: &str, sealed: &str| {
                app.vault.seal_former(
                    &app.vault
                        .open_text(&messages::place(column, &index), sealed)
                        .unwrap(),
                )
            };
            sqlx::query("UPDATE message SET phone_index = NULL, phone_sealed = ?, text_sealed = ? WHERE id = ?")
                .bind(former("phone", &phone))
                .bind(former("text", &text))
                .bind(id)
                .execute(tx.sql())
                .await
                .unwrap();
        }
        let policies: Vec<(String, String)> = sqlx::query_as("SELECT id, sealed FROM policy")
            .fetch_all(tx.sql())
            .await
            .unwrap();
        for (id, sealed) in policies {
            let plain = app.vault.open_text(&policies::place(&id), &sealed).unwrap();
            sqlx::query("UPDATE policy SET sealed = ? WHERE id = ?")
                .bind(app.vault.seal_former(&plain))
                .bind(id)
                .execute(tx.sql())
                .await
                .unwrap();
        }
        sqlx::query("UPDATE claim SET key_sealed = NULL, snapshot_sealed = NULL")
            .execute(tx.sql())
            .await
            .unwrap();
        for id in files {
            let bytes = app
                .uploads
                .bytes(&mut app.store.read().await.unwrap(), &id)
                .await
                .unwrap();
            std::fs::write(app.options.data.join("uploads").join(&id), bytes).unwrap();
            sqlx::query("UPDATE upload SET key_sealed = NULL WHERE id = ?")
                .bind(id)
                .execute(tx.sql())
                .await
                .unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Every old picture, name and letter survives, wherever the machine stopped in between.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn finding_13_stopped_anywhere_the_sealing_goes_on_and_loses_nothing() {
        let (data, app) = demo().await;
        let mut caller = Caller::new(&app);
        for n in 0..2 {
            let no = caller
                .report_as("insured", "13400134000", &format!("migrate-{n}"))
                .await;
            let upload = caller.upload(&pdf(&format!("migrate {n}"))).await;
            assert_eq!(
                caller
                    .call(
                        "put",
                        &format!("/api/v1/claims/{no}/documents/repair_list/{upload}"),
                        &[],
                        ""
                    )
                    .await
                    .0,
                200
            );
        }
        make_old(&app).await;
        app.store.close().await;
        let old = tempfile::tempdir_in(data.path().parent().unwrap()).unwrap();
        copy(data.path(), &old.path().join("old"));
        let plain = std::fs::read_dir(old.path().join("old/uploads"))
            .unwrap()
            .filter(|e| {
                std::fs::read(e.as_ref().unwrap().path())
                    .unwrap()
                    .starts_with(b"%PDF")
            })
            .count();
        assert_eq!(plain, 2, "the old form has plain files");
        let (mut polls, mut stops) = (1_u32, 0);
        loop {
            let folder = old.path().join("try");
            let _ = std::fs::remove_dir_all(&folder);
            copy(&old.path().join("old"), &folder);
            let options = Options {
                data: folder.clone(),
                ..Options::default()
            };
            let mut opening = Box::pin(App::open(options.clone()));
            let mut left = polls;
            // Runs that many steps and then stops: what a power cut does to a program.
            let whole = std::future::poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                match opening.as_mut().poll(cx) {
                    Poll::Ready(app) => Poll::Ready(Some(app)),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await;
            drop(opening);
            let done = whole.is_some();
            if let Some(Ok(app)) = whole {
                app.store.close().await;
            }
            stops += u32::from(!done);
            let app = App::open(options).await.unwrap();
            let followed = app
                .verify()
                .await
                .unwrap_or_else(|wrong| panic!("stopped after {polls} steps: {wrong}"));
            assert_eq!(
                (followed.claims, followed.files),
                (2, 2),
                "stopped after {polls} steps"
            );
            let texts: Vec<(String, String)> =
                sqlx::query_as("SELECT phone_index, text_sealed FROM message")
                    .fetch_all(app.store.pool())
                    .await
                    .unwrap();
            assert!(texts.iter().all(|(index, text)| {
                app.vault
                    .open_text(&messages::place("text", index), text)
                    .is_some()
            }));
            assert_eq!(
                policies::of_phone(
                    &mut app.store.read().await.unwrap(),
                    "13800138000",
                    crate::now()
                )
                .await
                .unwrap()
                .first()
                .map(|p| p.1.holder.name.clone())
                .as_deref(),
                Some("张伟")
            );
            for entry in std::fs::read_dir(folder.join("uploads")).unwrap() {
                let bytes = std::fs::read(entry.unwrap().path()).unwrap();
                assert!(!bytes.starts_with(b"%PDF"), "a file in the clear");
            }
            app.store.close().await;
            if done {
                break;
            }
            polls += 1 + polls / 80;
        }
        // A busy machine has fewer: there the database answers more often before it is asked twice.
        assert!(stops >= 15, "{stops} places to stop at");
    }
}

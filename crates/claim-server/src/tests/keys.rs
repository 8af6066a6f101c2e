//! Rotation of keys, while servers run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use claim_api::Ticket;
use claim_api::proof::{Keys, check};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use sqlx::{AssertSqlSafe, Row};

use super::{Caller, opened, pdf};
use crate::store::{handoffs, staff};
use crate::work::hooks;
use crate::work::keys::{self, Step};
use crate::{App, Options, now};

/// The key file as it would be a while later.
fn long_ago(app: &App) {
    let file = std::fs::File::options()
        .append(true)
        .open(app.options.data.join("secret.key"))
        .unwrap();
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(300);
    file.set_modified(then).unwrap();
}

/// Every text of the database that holds what the key of this name has sealed: where, and how
/// many.
async fn sealed_by(app: &App, name: &str) -> Vec<(String, i64)> {
    let db = &mut app.store.read().await.unwrap();
    let sql = "SELECT m.name, p.name FROM sqlite_schema m, pragma_table_info(m.name) p \
               WHERE m.type = 'table' ORDER BY 1, 2";
    let columns = sqlx::query(sql).fetch_all(db.sql()).await.unwrap();
    let mut found = Vec::new();
    for column in columns {
        let (table, column): (String, String) = (column.get(0), column.get(1));
        let sql =
            format!("SELECT count(*) FROM \"{table}\" WHERE instr(\"{column}\", '{name}$') > 0");
        let count = sqlx::query_scalar(AssertSqlSafe(sql));
        let count: i64 = count.fetch_one(db.sql()).await.unwrap();
        if count > 0 {
            found.push((format!("{table}.{column}"), count));
        }
    }
    found
}

/// R7: with a new installation key nothing is left under the former one, wherever in the database,
/// and everything opens; only then is the former one forgotten.
#[tokio::test]
async fn r7_everything_moves_to_a_new_installation_key() {
    let (_data, app) = opened().await;
    let mut caller = Caller::new(&app);
    let no = caller.report("insured", "13400134000").await;
    // More than one turn of each kind.
    for i in 0..230 {
        let mut other = Caller::new(&app);
        let phone = format!("134{i:08}");
        other
            .report_as("insured", &phone, &format!("keys-{i:05}"))
            .await;
        app.tick().await;
    }
    caller.sign_in(&app, "13400134000").await;
    let papers: Vec<String> = vec![
        caller.upload(&pdf("a")).await,
        caller.upload(&pdf("b")).await,
    ];
    let path = format!("/api/v1/claims/{no}/documents/repair_list/{}", papers[0]);
    assert_eq!(caller.call("put", &path, &[], "").await.0, 200);
    let answers = json!({ "narrative": "后车追尾" });
    let draft = json!({ "schema": 1, "id": "x", "answers": answers, "photos": [] });
    let headers = [("content-type", "application/json"), ("if-none-match", "*")];
    let path = "/api/v1/drafts/keys-draft-00000001";
    let (status, text) = caller.call("put", path, &headers, &draft.to_string()).await;
    assert_eq!(status, 204, "{text}");
    // What else is sealed: a key for sign-in codes, and a handoff in both its states.
    app.add_kiosk("branch", "58", 60).await.unwrap();
    let ticket = Ticket {
        claim_no: no.clone(),
        reported_at: now(),
        phone: "134****4000".into(),
        hotline: "95500".into(),
    };
    let parcel = serde_json::from_value(json!({})).unwrap();
    let mut tx = app.store.begin().await.unwrap();
    assert!(
        staff::keep_totp(&mut tx, "intake", Some(&[7; 20]))
            .await
            .unwrap()
    );
    for id in ["h-1", "h-2"] {
        let until = now().plus_seconds(600);
        handoffs::add(&mut tx, id, id, "branch", Some(&parcel), until)
            .await
            .unwrap();
    }
    let subject = "whoever";
    handoffs::take(&mut tx, "h-2", subject, Some(&ticket), false)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let former = app.vault.names()[0].clone();
    let before = sealed_by(&app, &former).await;
    let places: Vec<&str> = before.iter().map(|(place, _)| place.as_str()).collect();
    // With one more, `COLUMNS` of the store has one more, too.
    assert_eq!(
        places,
        [
            "claim.key_sealed",
            "draft.sealed",
            "handoff.parcel_sealed",
            "handoff.ticket_sealed",
            "message.phone_sealed",
            "message.text_sealed",
            "policy.sealed",
            "secrets.sealed",
            "session.phone_sealed",
            "staff.totp_sealed",
            "upload.key_sealed",
        ]
    );
    let all: i64 = before.iter().map(|(_, count)| count).sum();
    // A damaged value, which no key opens, stops nothing and is not forgotten.
    let mut tx = app.store.begin().await.unwrap();
    let damage = "UPDATE message SET text_sealed = substr(text_sealed, 1, 30) WHERE id = 5";
    sqlx::query(damage).execute(tx.sql()).await.unwrap();
    tx.commit().await.unwrap();
    let moved = keys::rotate(&app).await.unwrap();
    assert_eq!(app.vault.names().len(), 2);
    let after = sealed_by(&app, &former).await;
    assert_eq!(after, [("message.text_sealed".to_owned(), 1)]);
    assert!(moved as i64 >= all - 2, "{moved} of {all}");
    let too_early = keys::finish(&app).await.unwrap_err();
    assert!(too_early.contains("less than a minute"), "{too_early}");
    long_ago(&app);
    let needed = keys::finish(&app).await.unwrap_err();
    assert!(needed.starts_with("1 values"), "{needed}");
    let mut tx = app.store.begin().await.unwrap();
    let gone = "DELETE FROM message WHERE id = 5";
    sqlx::query(gone).execute(tx.sql()).await.unwrap();
    tx.commit().await.unwrap();
    keys::finish(&app).await.unwrap();
    app.vault.reread().unwrap();
    assert_eq!(app.vault.names().len(), 1);
    // A server that knows only the new key opens all of it.
    let again = App::open(app.options.clone()).await.unwrap();
    assert_eq!(again.vault.names(), app.vault.names());
    assert_ne!(again.vault.names()[0], former);
    let mut same = Caller::new(&again);
    same.cookie = caller.cookie.clone();
    let (status, text) = same
        .call("get", &format!("/api/v1/claims/{no}"), &[], "")
        .await;
    assert!(status == 200 && text.contains("张伟"), "{status} {text}");
    let mut new = Caller::new(&again);
    new.sign_in(&again, "13400000229").await;
    // The file that belongs to nobody yet can still be attached.
    let path = format!("/api/v1/claims/{no}/documents/repair_list/{}", papers[1]);
    let (status, text) = same.call("put", &path, &[], "").await;
    assert_eq!(status, 200, "{text}");
    // Moved means opened: so everything is fine under the new one.
    let former = again.vault.names()[0].clone();
    keys::rotate(&again).await.unwrap();
    assert_eq!(sealed_by(&again, &former).await, []);
    again.verify().await.unwrap();
}

async fn receipt(caller: &mut Caller, no: &str) -> String {
    let path = format!("/api/v1/claims/{no}/receipt");
    let (status, text) = caller.call("get", &path, &[], "").await;
    assert_eq!(status, 200, "{text}");
    text
}

async fn published(app: &App) -> Keys {
    let path = "/.well-known/jwks.json";
    let (_, text) = Caller::new(app).call("get", path, &[], "").await;
    serde_json::from_str(&text).unwrap()
}

/// R7: of two processes on the same data one rotates. The other opens what the first has sealed
/// since at once, and seals with the new key from its next turn on. Receipts of every key verify.
#[tokio::test]
async fn r7_a_running_server_follows_a_rotation() {
    let (_data, server) = opened().await;
    let mut caller = Caller::new(&server);
    let no = caller.report("insured", "13400134000").await;
    caller.sign_in(&server, "13400134000").await;
    let mut receipts = vec![receipt(&mut caller, &no).await];
    let mut person = String::new();
    let command = App::open(server.options.clone()).await.unwrap();
    for turn in 1..=3 {
        let former = server.vault.names()[0].clone();
        keys::rotate(&command).await.unwrap();
        assert_eq!(server.vault.names()[0], former, "it does not know yet");
        // A value under a key that it has never seen, and one more under the former key.
        let mut other = Caller::new(&command);
        let phone = format!("1340013400{turn}");
        other
            .report_as("insured", &phone, &format!("follows-a-{turn}"))
            .await;
        let mut theirs = Caller::new(&server);
        theirs
            .report_as("insured", &phone, &format!("follows-b-{turn}"))
            .await;
        theirs.sign_in(&server, &phone).await;
        let (_, mine) = theirs.call("get", "/api/v1/claims", &[], "").await;
        assert_eq!(mine.matches("claim_no").count(), 2, "{mine}");
        server.tick().await;
        assert_eq!(server.vault.names(), command.vault.names());
        assert_eq!(sealed_by(&command, &former).await, []);
        receipts.push(receipt(&mut caller, &no).await);
        person = theirs.cookie;
        let keys = published(&server).await;
        assert_eq!(keys.keys.len(), turn + 1);
        for receipt in &receipts {
            assert!(check(receipt, &keys).is_ok());
        }
        let last = Keys {
            keys: keys.keys[..1].to_vec(),
        };
        assert!(
            check(&receipts[turn], &last).is_ok(),
            "signed with the newest"
        );
        assert!(check(&receipts[0], &last).is_err());
    }
    long_ago(&command);
    keys::finish(&command).await.unwrap();
    // The anchors of all four keys are valid, and the same person is found again.
    command.verify().await.unwrap();
    let again = App::open(server.options.clone()).await.unwrap();
    assert_eq!(again.vault.names().len(), 1);
    let mut caller = Caller::new(&again);
    caller.cookie = person;
    caller
        .report_as("insured", "13400134003", "follows-again")
        .await;
    let (_, mine) = caller.call("get", "/api/v1/claims", &[], "").await;
    assert_eq!(mine.matches("claim_no").count(), 3, "{mine}");
}

/// R7: another system changes its key when it likes: between the two steps both are valid, before
/// and after only one is.
#[tokio::test]
async fn r7_another_system_gets_a_new_key_without_a_gap() {
    let (_data, app) = opened().await;
    let running = App::open(app.options.clone()).await.unwrap();
    hooks::add(&app, "core", "http://127.0.0.1:1/")
        .await
        .unwrap();
    for peer in ["bank", "hook/core"] {
        let first = app.peer_key(peer);
        assert!(
            keys::of_peer(&app, peer, Step::Switch).await.is_err(),
            "no next key"
        );
        let next = keys::of_peer(&app, peer, Step::Prepare).await.unwrap();
        assert_ne!(next, first);
        // Asked again, it is the same one: the operator may have lost the first answer.
        assert_eq!(
            keys::of_peer(&app, peer, Step::Prepare).await.unwrap(),
            next
        );
        running.tick().await;
        let valid = || -> Vec<[u8; 32]> { running.vault.macs(peer, b"body") };
        assert_eq!(valid(), [mac(&first), mac(&next)]);
        let signed = |key: &str| {
            let text = format!("hmac-sha256={}", crate::vault::hex(&mac(key)));
            running.vault.is_signed(peer, b"body", text.as_bytes())
        };
        assert!(signed(&first) && signed(&next));
        assert_eq!(keys::of_peer(&app, peer, Step::Switch).await.unwrap(), next);
        running.tick().await;
        assert_eq!(valid(), [mac(&next)]);
        assert!(!signed(&first) && signed(&next));
        // It outlives a new installation key.
        keys::rotate(&app).await.unwrap();
        running.tick().await;
        assert_eq!(running.peer_key(peer), next);
    }
}

/// Of `body`, with a key as its operator has it.
fn mac(key: &str) -> [u8; 32] {
    let key = match key.strip_prefix("whsec_") {
        Some(key) => BASE64.decode(key).unwrap(),
        None => (0..key.len() / 2)
            .map(|i| u8::from_str_radix(&key[2 * i..2 * i + 2], 16).unwrap())
            .collect(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(b"body");
    mac.finalize().into_bytes().into()
}

/// R7: two operators at once, a wrong key, and a rehearsal that was killed do no harm.
#[tokio::test]
async fn r7_two_at_once_and_a_wrong_key_do_no_harm() {
    let golden =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/data/0013");
    let data = tempfile::tempdir().unwrap();
    super::copy(&golden, data.path());
    let right = Options {
        data: data.path().to_owned(),
        ..Options::default()
    };
    // Data from before secrets were kept: another key must not become theirs.
    let wrong = Options {
        key: Some(data.path().join("wrong.key")),
        ..right.clone()
    };
    let refused = App::open(wrong.clone()).await.err().unwrap();
    assert!(refused.contains("wrong.key is not there"), "{refused}");
    std::fs::write(data.path().join("wrong.key"), [7; 32]).unwrap();
    let refused = App::open(wrong).await.err().unwrap();
    assert!(refused.contains("the keys cannot be opened"), "{refused}");
    // A whole copy that a killed rehearsal has left does not stay.
    let left = data.path().join("rehearsal");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("claims.sqlite"), "a copy").unwrap();
    let app = App::open(right).await.unwrap();
    assert!(!left.exists());
    app.verify().await.unwrap();
    let lock = crate::store::disk::lock(&data.path().join("secret.lock")).unwrap();
    for refused in [keys::rotate(&app).await.map(drop), keys::finish(&app).await] {
        assert!(refused.unwrap_err().contains("another process"));
    }
    drop(lock);
    keys::rotate(&app).await.unwrap();
    app.verify().await.unwrap();
}

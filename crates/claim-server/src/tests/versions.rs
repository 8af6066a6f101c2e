//! Data of every earlier version: `tests/golden/data` has a folder for each version of the schema
//! that a server has ever run with, written by that server.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Caller, copy, opened, pdf};
use crate::store::schema;
use crate::store::{claims, documents};
use crate::vault::hex;
use crate::{App, Options};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/data")
}

/// What was reported to the server that wrote the data.
async fn assert_facts(app: &App, facts: &Value) {
    for told in facts["claims"].as_array().unwrap() {
        let no = told["no"].as_str().unwrap();
        let db = &mut app.store.read().await.unwrap();
        let claim = claims::by_no(db, no).await.unwrap();
        let notice = &claim.notice;
        let said = [&notice.reporter.name, &notice.reporter.phone];
        let expected = ["name", "phone"].map(|name| told[name].as_str().unwrap());
        assert_eq!(said, expected, "{no}");
        assert_eq!(notice.place.text, told["place"].as_str().unwrap(), "{no}");
        let files = documents::of_claim(db, &claim.id).await.unwrap();
        let mut sums = Vec::new();
        for file in &files {
            let bytes = app.uploads.bytes(db, &file.upload).await.unwrap();
            sums.push(hex(&Sha256::digest(&bytes)));
        }
        let told: Vec<&str> = told["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f.as_str().unwrap())
            .collect();
        assert_eq!(sums, told, "{no}");
    }
}

/// Writes the folder of this version, unless there is one: with `BAOAN_BLESS`, once, when a migration
/// has been added.
async fn bless() {
    let folder = golden().join(format!("{:04}", schema::ours()));
    if folder.exists() || std::env::var_os("BAOAN_BLESS").is_none() {
        return;
    }
    let (data, app) = opened().await;
    let mut caller = Caller::new(&app);
    let no = caller.report("insured", "13800138000").await;
    caller.sign_in(&app, "13800138000").await;
    let file = pdf("golden");
    let upload = caller.upload(&file).await;
    let path = format!("/api/v1/claims/{no}/documents/repair_list/{upload}");
    assert_eq!(caller.call("put", &path, &[], "").await.0, 200);
    caller.begin_upload(1000).await;
    app.tick().await;
    app.housekeeping().await;
    let followed = app.verify().await.unwrap();
    let sum = hex(&Sha256::digest(&file));
    let claim = json!({ "no": no, "name": "张伟", "phone": "13800138000", "place": "杭州市西湖区文三路 90 号", "files": [sum] });
    let facts = json!({ "claims": [claim], "schema": schema::ours(), "events": followed.events });
    std::fs::create_dir_all(&folder).unwrap();
    app.store
        .copy_to(&folder.join("claims.sqlite"))
        .await
        .unwrap();
    copy(&data.path().join("uploads"), &folder.join("uploads"));
    for name in ["secret.key", "anchors"] {
        std::fs::copy(data.path().join(name), folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("facts.json"), facts.to_string()).unwrap();
}

/// R7: the data of every version are rehearsed without a change, then brought up to date, and
/// everything in them is there.
#[tokio::test]
async fn r7_data_of_every_version_are_brought_up_to_date() {
    bless().await;
    let mut versions = Vec::new();
    let mut folders: Vec<_> = std::fs::read_dir(golden())
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    folders.sort();
    for folder in folders {
        let facts = std::fs::read_to_string(folder.join("facts.json")).unwrap();
        let facts: Value = serde_json::from_str(&facts).unwrap();
        let version = facts["schema"].as_i64().unwrap();
        let data = tempfile::tempdir().unwrap();
        copy(&folder, data.path());
        let before = std::fs::read(data.path().join("claims.sqlite")).unwrap();
        let options = Options {
            data: data.path().to_owned(),
            ..Options::default()
        };
        let (from, to, followed) = App::rehearse(options.clone()).await.unwrap();
        assert_eq!((from, to), (version, schema::ours()));
        assert_eq!(
            followed.events,
            facts["events"].as_u64().unwrap(),
            "{version}"
        );
        let after = std::fs::read(data.path().join("claims.sqlite")).unwrap();
        assert!(before == after && !data.path().join("rehearsal").exists());
        // What only reads says what to do, unless it is a backup.
        let refused = App::open_to_read(options.clone()).await.err();
        assert_eq!(
            refused.is_some_and(|e| e.contains("migrate --check")),
            version < to
        );
        let backup = data.path().join("backup");
        App::backup(&options, &backup, None).await.unwrap();
        let app = App::open(options).await.unwrap();
        assert_facts(&app, &facts).await;
        app.verify().await.unwrap();
        app.store.is_sound().await.unwrap();
        // And the backup of that version, too.
        let restored = data.path().join("restored");
        crate::restore(&backup, None, &restored).unwrap();
        let key = Some(data.path().join("secret.key"));
        let options = Options {
            data: restored,
            key,
            ..Options::default()
        };
        assert_facts(&App::open(options).await.unwrap(), &facts).await;
        versions.push(version);
    }
    println!("data of {versions:?}");
    // A new version of the schema needs data written by it: docs/howto/database.md. The eighth came
    // together with the ninth: no server ever ran with it.
    let all: Vec<i64> = (1..=schema::ours()).filter(|v| *v != 8).collect();
    assert_eq!(versions, all);
}

/// R7: data of a newer version are refused, and stay as they are.
#[tokio::test]
async fn r7_newer_data_are_refused() {
    let (data, app) = opened().await;
    let mut tx = app.store.begin().await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations SELECT 9999, 'newer', installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1";
    sqlx::query(newer).execute(tx.sql()).await.unwrap();
    tx.commit().await.unwrap();
    let options = Options {
        data: data.path().to_owned(),
        ..Options::default()
    };
    for refused in [
        App::open(options.clone()).await,
        App::open_to_read(options.clone()).await,
    ] {
        let sentence = refused.err().unwrap();
        assert!(
            sentence.contains("use the newer claim-server"),
            "{sentence}"
        );
    }
}

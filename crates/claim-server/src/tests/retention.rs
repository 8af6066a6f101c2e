//! What nobody has to keep any longer.

use claim_domain::{Day, Moment, local_day};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use super::{Caller, opened, pdf};
use crate::work::retention;
use crate::{App, now};

/// Every table and column.
async fn columns(app: &App) -> Vec<(String, String)> {
    let db = &mut app.store.read().await.unwrap();
    let sql = "SELECT m.name, p.name FROM sqlite_schema m, pragma_table_info(m.name) p \
               WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY 1, 2";
    let rows = sqlx::query(sql).fetch_all(db.sql()).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The tables in which a text occurs.
async fn found(app: &App, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (table, column) in columns(app).await {
        let sql = format!("SELECT count(*) FROM \"{table}\" WHERE instr(\"{column}\", ?) > 0");
        let db = &mut app.store.read().await.unwrap();
        let count = sqlx::query_scalar(AssertSqlSafe(sql)).bind(text);
        let count: i64 = count.fetch_one(db.sql()).await.unwrap();
        if count > 0 {
            found.push(format!("{table}.{column}"));
        }
    }
    found
}

async fn value(app: &App, sql: &'static str, no: &str) -> String {
    let db = &mut app.store.read().await.unwrap();
    let value = sqlx::query_scalar(sql).bind(no);
    value.fetch_one(db.sql()).await.unwrap()
}

async fn set(app: &App, sql: &'static str, no: &str) {
    let mut tx = app.store.begin().await.unwrap();
    sqlx::query(sql).bind(no).execute(tx.sql()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn reported(app: &App, caller: &mut Caller, key: &str) -> String {
    let no = caller.report_as("insured", "13800138000", key).await;
    app.tick().await;
    no
}

async fn step(caller: &mut Caller, no: &str, what: Value) {
    let path = format!("/api/v1/claims/{no}/steps");
    let (status, text) = caller.json("post", &path, &json!({ "what": what })).await;
    assert_eq!(status, 201, "{text}");
}

async fn report(app: &App, on: Day, dry_run: bool) -> (Vec<Value>, Value) {
    let mut out = Vec::new();
    let wish = retention::Wish {
        dry_run,
        on: Some(on),
        clock_is_right: true,
    };
    let done = retention::run(app, wish, &mut out).await;
    done.unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let total = lines.pop().unwrap()["total"].clone();
    (
        lines
            .into_iter()
            .map(|line| line["claim"].clone())
            .collect(),
        total,
    )
}

/// N1, R7: ten years after a claim and its policy ended it is erased: nothing of it can be read or
/// found, in no table, no file and no freed page, while every chain still holds. What is open, in
/// dispute, or of a policy that runs, is kept. A dry run tells the same and changes nothing.
#[tokio::test]
async fn n1_ended_claims_are_erased_when_nobody_has_to_keep_them() {
    let (data, app) = opened().await;
    let mut caller = Caller::new(&app);
    let gone = reported(&app, &mut caller, "retention-gone").await;
    caller.sign_in(&app, "13800138000").await;
    let open = reported(&app, &mut caller, "retention-open").await;
    let disputed = reported(&app, &mut caller, "retention-disputed").await;
    let insured = reported(&app, &mut caller, "retention-insured").await;
    let photo = caller.upload(&pdf("a photo of an accident")).await;
    let path = format!("/api/v1/claims/{gone}/documents/repair_list/{photo}");
    assert_eq!(caller.call("put", &path, &[], "").await.0, 200);
    step(
        &mut caller,
        &gone,
        json!({ "wrote": { "text": "请联系我" } }),
    )
    .await;
    let shares = format!("/api/v1/claims/{gone}/shares");
    assert_eq!(caller.json("post", &shares, &json!({})).await.0, 201);
    for no in [&gone, &disputed, &insured] {
        step(
            &mut caller,
            no,
            json!({ "withdrawn": { "reason": "自己修" } }),
        )
        .await;
    }
    let complaint =
        json!({ "complaint-filed": { "number": "", "about": "没人理", "wish": "", "owner": "" } });
    step(&mut caller, &disputed, complaint).await;
    app.tick().await;
    // One policy runs for longer.
    let other = "UPDATE claim SET policy_id = (SELECT max(id) FROM policy WHERE id <> claim.policy_id) WHERE no = ?";
    set(&app, other, &insured).await;
    let longer = "UPDATE policy SET ends_at = ends_at + 20 * 366 * 86400 WHERE id = (SELECT policy_id FROM claim WHERE no = ?)";
    set(&app, longer, &insured).await;
    app.housekeeping().await;
    let id = value(&app, "SELECT id FROM claim WHERE no = ?", &gone).await;
    let key = value(&app, "SELECT key_sealed FROM claim WHERE no = ?", &gone).await;
    let notice = value(&app, "SELECT notice_sealed FROM claim WHERE no = ?", &gone).await;
    let file = data.path().join("uploads").join(&photo);
    assert!(file.exists());
    let mut before = Vec::new();
    crate::feed::export(&app, 0, &mut before).await.unwrap();

    // A clock that has jumped erases nothing.
    let today = local_day(now());
    let wish = retention::Wish {
        on: Some(today.plus_years(30)),
        ..Default::default()
    };
    let refused = retention::run(&app, wish, &mut Vec::new()).await;
    assert!(refused.unwrap_err().contains("--clock-is-right"));
    // Until the day before nothing is due.
    let ends: Moment = {
        let db = &mut app.store.read().await.unwrap();
        let sql =
            "SELECT p.ends_at FROM policy p JOIN claim c ON c.policy_id = p.id WHERE c.no = ?";
        let ends = sqlx::query_scalar(sql).bind(&gone);
        Moment(ends.fetch_one(db.sql()).await.unwrap())
    };
    let due = local_day(ends).max(today).plus_years(10).plus_days(2);
    let (lines, total) = report(&app, today.plus_years(10), true).await;
    assert_eq!((lines.len(), &total["claims"]), (0, &json!(0)), "{lines:?}");
    let (told, foreseen) = report(&app, due, true).await;
    let (done, mut total) = report(&app, due, false).await;
    assert_eq!(told, done);
    assert_eq!(foreseen["dry_run"], json!(true));
    total["dry_run"] = json!(true);
    assert_eq!(foreseen, total);
    let of = |no: &str| done.iter().find(|line| line["no"] == *no).cloned();
    assert_eq!(of(&gone).unwrap()["files"], 1);
    assert_eq!(of(&gone).unwrap()["kept"], json!(null));
    assert_eq!(of(&disputed).unwrap()["kept"], "complaint");
    assert_eq!((of(&open), of(&insured)), (None, None));
    assert_eq!((&total["claims"], &total["kept"]), (&json!(1), &json!(1)));

    // Nothing is left but the proof.
    assert!(!file.exists());
    assert_eq!(found(&app, &photo).await, Vec::<String>::new());
    assert_eq!(found(&app, &key).await, Vec::<String>::new());
    let kept = [
        "claim.id",
        "event.claim_id",
        "feed.claim_id",
        "submission.claim_id",
    ];
    assert_eq!(found(&app, &id).await, kept);
    for name in ["claims.sqlite", "claims.sqlite-wal"] {
        let bytes = std::fs::read(data.path().join(name)).unwrap();
        for text in [&key, &notice] {
            let text = text.as_bytes();
            assert!(
                !bytes.windows(text.len()).any(|w| w == text),
                "{name} has it"
            );
        }
    }
    // Nobody is shown it, and its report cannot be sent again.
    let path = format!("/api/v1/claims/{gone}");
    assert_eq!(caller.call("get", &path, &[], "").await.0, 404);
    let (_, mine) = caller.call("get", "/api/v1/claims", &[], "").await;
    assert!(!mine.contains(&gone) && mine.contains(&open) && mine.contains(&disputed));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut staff = Caller::new(&app);
    let login = "name=supervisor&password=demo-supervisor";
    staff.call("post", "/staff/login", &form, login).await;
    let (_, queue) = staff.call("get", "/staff", &[], "").await;
    assert!(!queue.contains(&gone) && queue.contains(&open), "{queue}");
    let path = format!("/staff/claims/{gone}");
    assert_eq!(staff.call("get", &path, &[], "").await.0, 404);
    assert_eq!(
        staff
            .call("get", &format!("/staff?q={gone}"), &[], "")
            .await
            .0,
        200
    );
    let mut after = Vec::new();
    crate::feed::export(&app, 0, &mut after).await.unwrap();
    let without: String = String::from_utf8(before)
        .unwrap()
        .lines()
        .filter(|line| !line.contains(&gone))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(String::from_utf8(after).unwrap(), without);
    let followed = app.verify().await.unwrap();
    assert_eq!((followed.claims, followed.erased), (4, 1));
    app.tick().await;
    // Twice is once.
    let (again, total) = report(&app, due, false).await;
    assert_eq!((again.len(), &total["claims"]), (1, &json!(0)));
    // The server starts with it, and rotates its keys.
    let app = App::open(app.options.clone()).await.unwrap();
    crate::keys::rotate(&app).await.unwrap();
    app.verify().await.unwrap();
    // Years later the last policy has ended, too.
    let (lines, _) = report(&app, due.plus_years(21), false).await;
    assert!(lines.iter().any(|line| line["no"] == *insured), "{lines:?}");
    assert_eq!(app.verify().await.unwrap().erased, 2);
}

/// A table of what belongs to a claim is erased with it, or is named here with a reason.
#[tokio::test]
async fn r7_no_table_is_forgotten_by_erasure() {
    let (_data, app) = opened().await;
    // The proof; whose document was looked at by whom; that a report was sent.
    let kept = ["event", "feed", "look", "submission"];
    let code = include_str!("../store/retention.rs");
    let mut seen = 0;
    for (table, column) in columns(&app).await {
        if column == "claim_id" && !kept.contains(&table.as_str()) {
            seen += 1;
            let erased = format!("DELETE FROM {table} WHERE claim_id = ?");
            assert!(code.contains(&erased), "{table} is not erased");
        }
    }
    assert!(seen > 12, "{seen}");
}

//! Item 8: wherever in a request a statement fails, its writes are stored as a whole or not at all,
//! the answer says which, and a retry succeeds. SQLite is stopped between two steps of its virtual
//! machine, which is finer than between two statements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use sqlx::Row;

use super::{Caller, opened, pdf};
use crate::work::attendant;
use crate::{App, now};

/// Fault points per request.
const PLACES: i64 = 20;
const NEVER: i64 = i64::MAX / 2;

/// Every row there is, by table.
async fn everything(app: &App) -> BTreeMap<String, String> {
    let mut db = app.store.pool().acquire().await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
    )
    .fetch_all(&mut *db)
    .await
    .unwrap();
    let mut all = BTreeMap::new();
    for table in tables {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)")
            .bind(&table)
            .fetch_all(&mut *db)
            .await
            .unwrap();
        let row = columns
            .iter()
            .map(|c| format!("quote(\"{c}\")"))
            .collect::<Vec<_>>()
            .join(" || ',' || ");
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {row} AS row FROM \"{table}\" ORDER BY 1"
        )))
        .fetch_all(&mut *db)
        .await;
        let rows = rows
            .unwrap()
            .iter()
            .map(|row| row.get::<String, _>("row"))
            .collect::<Vec<_>>()
            .join("\n");
        all.insert(table, rows);
    }
    all
}

/// Waits until background work has finished, and does what it left due.
async fn settled(app: &App) {
    // Tasks that the connection pools always run.
    const POOLS: usize = 2;
    for _ in 0..2 {
        while tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
            > POOLS
        {
            tokio::task::yield_now().await;
        }
        attendant::tick(app).await.unwrap();
    }
    while tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
        > POOLS
    {
        tokio::task::yield_now().await;
    }
}

/// Runs `deed` with a fault at each of its places, with a new number each time; where it failed,
/// once more with the same number. Returns how often it failed.
async fn swept(
    app: &App,
    name: &str,
    mut prepare: impl AsyncFnMut(u32),
    mut deed: impl AsyncFnMut(u32) -> u16,
) -> u32 {
    let left = Arc::new(AtomicI64::new(NEVER));
    app.store.interrupt_when(left.clone()).await;
    prepare(0).await;
    settled(app).await;
    left.store(NEVER, Ordering::SeqCst);
    let status = deed(0).await;
    assert!(status < 300, "{name}: {status} without a fault");
    settled(app).await;
    let steps = NEVER - left.load(Ordering::SeqCst);
    let mut failed = 0;
    for place in 0..PLACES {
        let n = u32::try_from(place + 1).unwrap();
        prepare(n).await;
        settled(app).await;
        let before = everything(app).await;
        app.store.interrupt_when(left.clone()).await;
        left.store(steps * place / PLACES, Ordering::SeqCst);
        let status = deed(n).await;
        let fell = left.swap(NEVER, Ordering::SeqCst) < 0 && status >= 300;
        if fell {
            assert!(status >= 500, "{name} {n}: {status}");
            for (table, rows) in everything(app).await {
                let changed: Vec<&str> = rows
                    .lines()
                    .filter(|row| !before[&table].contains(*row))
                    .collect();
                assert!(
                    before[&table] == rows,
                    "{name} {n}: {table} has changed, and {status} was answered: {changed:?}"
                );
            }
            failed += 1;
            let again = deed(n).await;
            assert!(
                again < 300,
                "{name} {n}: {again} to the same again after {status}"
            );
        } else {
            assert!(status < 300, "{name} {n}: {status}");
        }
        settled(app).await;
        assert_ne!(
            before,
            everything(app).await,
            "{name} {n}: nothing was written, and {status} answered"
        );
    }
    app.verify()
        .await
        .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    failed
}

#[tokio::test]
async fn item_8_wherever_a_statement_fails_it_is_all_or_nothing() {
    let (_data, app) = opened().await;
    let stranger = Caller::new(&app);
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13800138000").await;
    let no = owner.report("insured", "13800138000").await;
    settled(&app).await;
    let mut failed = Vec::new();

    let at = now();
    let report = async |n: u32| {
        let notice = json!({
            "incident": "motor.single", "scene": { "injured": false, "road": "clear", "special": "none" }, "loss_at": at,
            "place": { "text": "文三路" }, "parts": [], "narrative": "",
            "reporter": { "role": "insured", "name": "张伟", "phone": format!("134001340{:02}", n % 100) }, "policy": { "plate": "浙A12345" },
            "consents": [{ "id": "privacy", "version": 1, "at": at }, { "id": "truth", "version": 1, "at": at }]
        });
        let key = format!("interrupted-{n}");
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", &*key),
        ];
        // Somebody new each time: the session is written by the same transaction.
        stranger
            .clone()
            .call("post", "/api/v1/notices", &headers, &notice.to_string())
            .await
            .0
    };
    failed.push(swept(&app, "report", async |_| {}, report).await);

    let mut writer = owner.clone();
    let path = format!("/api/v1/claims/{no}/steps");
    let write = async |n: u32| {
        writer
            .json(
                "post",
                &path,
                &json!({ "what": { "wrote": { "text": format!("{n}") } } }),
            )
            .await
            .0
    };
    failed.push(swept(&app, "message", async |_| {}, write).await);

    let (mut sender, uploads) = (owner.clone(), std::cell::RefCell::new(BTreeMap::new()));
    let mut attacher = owner.clone();
    let send = async |n: u32| {
        let id = sender.upload(&pdf(&format!("page {n}"))).await;
        uploads.borrow_mut().insert(n, id);
    };
    let attach = async |n: u32| {
        let id = uploads.borrow()[&n].clone();
        let slot = ["medical_record", "medical_invoice", "medical_list"][n as usize % 3];
        attacher
            .call(
                "put",
                &format!("/api/v1/claims/{no}/documents/{slot}/{id}"),
                &[],
                "",
            )
            .await
            .0
    };
    failed.push(swept(&app, "file", send, attach).await);

    let mut drafter = owner.clone();
    let prefer = async |n: u32| {
        let wants = json!({ "by_day": n.is_multiple_of(2), "optional": n.is_multiple_of(3), "hours": "08:00-20:00" });
        drafter.json("put", "/api/v1/preferences", &wants).await.0
    };
    failed.push(swept(&app, "preferences", async |_| {}, prefer).await);
    println!("statements that failed: {failed:?} of {PLACES} places each, violations: 0");
    assert!(failed.iter().all(|n| *n > 5), "{failed:?}");
}

//! Attacks found on the running server, tried again: each test fails on the server as it was then.

use serde_json::{Value, json};

use super::{Caller, opened};
use crate::store::claims;
use crate::work::{accounts, attendant, delivery, demo, log, sessions};
use crate::{App, now};

async fn count(app: &App, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(app.store.pool())
        .await
        .unwrap()
}

/// Messages to one phone that went out, or will, within an hour of `from`.
async fn within_an_hour(app: &App, phone: &str, from: i64) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM message WHERE phone_index = ? AND state <> 'failed' AND max(created_at, next_at) BETWEEN ? AND ? + 3600",
    )
    .bind(app.vault.index("phone", phone))
    .bind(from)
    .bind(from)
    .fetch_one(app.store.pool())
    .await
    .unwrap()
}

/// F2: a number that has never signed in gets three messages an hour, whichever sessions cause
/// them, and ten a day.
#[tokio::test]
async fn finding_2_nobody_is_bombed_with_messages() {
    let (_data, app) = opened().await;
    for n in 0..40 {
        Caller::new(&app)
            .report_as("insured", "13400134000", &format!("bombing-{n:04}"))
            .await;
    }
    attendant::tick(&app).await.unwrap();
    let mut codes = 0;
    for _ in 0..20 {
        codes += u32::from(
            Caller::new(&app)
                .json(
                    "post",
                    "/api/v1/session/code",
                    &json!({ "phone": "13400134000" }),
                )
                .await
                .0
                == 204,
        );
    }
    assert!(
        codes >= 1,
        "a code is not kept from anybody by what strangers did"
    );
    let began = now().0;
    for hour in 0..24 {
        let sent = within_an_hour(&app, "13400134000", began - 60 + hour * 3600).await;
        assert!(sent <= 3, "{sent} in hour {hour}");
    }
    assert!(
        count(&app, "SELECT count(*) FROM message").await <= 12 + 40,
        "the owner of the policy included"
    );
    // Once somebody has signed in with the number, its owner hears of their claims at once.
    let (_data, app) = opened().await;
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13400134000").await;
    for n in 0..5 {
        owner
            .report_as("insured", "13400134000", &format!("mine-{n:08}"))
            .await;
    }
    attendant::tick(&app).await.unwrap();
    let at_once: i64 =
        sqlx::query_scalar("SELECT count(*) FROM message WHERE kind = 'reported' AND next_at <= ?")
            .bind(now().0)
            .fetch_one(app.store.pool())
            .await
            .unwrap();
    assert_eq!(at_once, 5);
}

/// A flood of requests takes nothing from others: a refused request costs nobody else their code.
#[tokio::test]
async fn finding_2_who_is_refused_keeps_no_code_from_anybody() {
    let (_data, app) = opened().await;
    let mut flood = Caller::new(&app);
    for n in 0..700 {
        let status = flood
            .json(
                "post",
                "/api/v1/session/code",
                &json!({ "phone": "13400134000" }),
            )
            .await
            .0;
        assert_eq!(status, if n == 0 { 204 } else { 429 });
    }
    assert_eq!(
        Caller::new(&app)
            .json(
                "post",
                "/api/v1/session/code",
                &json!({ "phone": "13312340000" })
            )
            .await
            .0,
        204
    );
}

/// F16: repeated code requests lock nobody out of their own number.
#[tokio::test]
async fn finding_16_nobody_is_locked_out_of_his_number_for_a_day() {
    let (_data, app) = opened().await;
    let index = app.vault.index("phone", "13400134000");
    let mut tx = app.store.begin().await.unwrap();
    for n in 1..=30 {
        sqlx::query("INSERT INTO otp (phone_index, session_hash, network, code_hmac, sent_at) VALUES (?, 'x', 'x', 'x', ?)")
            .bind(&index)
            .bind(now().0 - n * 3700)
            .execute(tx.sql())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(
        Caller::new(&app)
            .json(
                "post",
                "/api/v1/session/code",
                &json!({ "phone": "13400134000" })
            )
            .await
            .0,
        204
    );
}

/// F3: after five wrong passwords a name must wait, whether it exists or not, and an alarm is
/// raised; afterwards the right one works again.
#[tokio::test]
async fn finding_3_passwords_cannot_be_tried_without_end() {
    let (data, app) = opened().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut attacker = Caller::new(&app);
    for (name, known) in [("supervisor", true), ("nobody-there", false)] {
        let mut statuses = Vec::new();
        for _ in 0..10 {
            statuses.push(
                attacker
                    .call(
                        "post",
                        "/staff/login",
                        &form,
                        &format!("name={name}&password=wrong-password"),
                    )
                    .await
                    .0,
            );
        }
        assert_eq!(
            statuses,
            [401, 401, 401, 401, 401, 429, 429, 429, 429, 429],
            "known: {known}"
        );
    }
    let (status, headers, _) = attacker
        .bytes(
            "post",
            "/staff/login",
            &form,
            b"name=supervisor&password=demo-supervisor",
        )
        .await;
    assert_eq!(
        (status, headers.contains_key("retry-after")),
        (429, true),
        "the right one as well"
    );
    let log = std::fs::read_to_string(data.path().join("audit.log")).unwrap();
    let alarms = log
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap())
        .filter(|l| l["event"] == "alarm")
        .count();
    assert_eq!(alarms, 2, "{log}");
    assert!(
        !log.contains("nobody-there") && !log.contains("wrong-password"),
        "what was typed may be a password: {log}"
    );
    let mut tx = app.store.begin().await.unwrap();
    sqlx::query("UPDATE wrong_password SET until = until - 3600")
        .execute(tx.sql())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        attacker
            .call(
                "post",
                "/staff/login",
                &form,
                "name=supervisor&password=demo-supervisor"
            )
            .await
            .0,
        303
    );
    assert_eq!(
        count(&app, "SELECT count(*) FROM wrong_password").await,
        1,
        "the other name still counts"
    );
}

/// F3: of 120 sign-ins at once, two are checked at a time, and the excess is refused at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finding_3_a_hundred_and_twenty_sign_ins_at_once() {
    let (_data, app) = opened().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let tries = (0..120).map(|n| {
        let mut caller = Caller::new(&app);
        async move {
            caller
                .call(
                    "post",
                    "/staff/login",
                    &form,
                    &format!("name=name{n}&password=wrong-password"),
                )
                .await
                .0
        }
    });
    let statuses = futures_util::future::join_all(tries).await;
    let (wrong, later) = (
        statuses.iter().filter(|s| **s == 401).count(),
        statuses.iter().filter(|s| **s == 429).count(),
    );
    assert_eq!(wrong + later, 120);
    assert!(
        later > 0 && wrong >= 2,
        "{wrong} checked, {later} told to come again"
    );
}

/// F7: the first start without `--demo` ends the accounts that a demo left. Removing an account
/// ends it too, and changing its password ends all its sessions.
#[tokio::test]
async fn finding_7_no_password_that_everybody_knows_opens_anything() {
    let (_data, app) = opened().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let signed_in = async |name: &str, password: &str| {
        let mut caller = Caller::new(&app);
        let status = caller
            .call(
                "post",
                "/staff/login",
                &form,
                &format!("name={name}&password={password}"),
            )
            .await
            .0;
        (caller, status == 303)
    };
    accounts::add(
        &app,
        "finance",
        "周 工号 5001",
        claim_domain::lifecycle::Desk::Finance,
        "a password of its own",
    )
    .await
    .unwrap();
    let (mut supervisor, is) = signed_in("supervisor", "demo-supervisor").await;
    assert!(is && supervisor.call("get", "/staff", &[], "").await.0 == 200);
    demo::end(&app).await.unwrap();
    assert_eq!(
        supervisor.call("get", "/staff", &[], "").await.0,
        303,
        "its session too"
    );
    for (name, ..) in demo::STAFF {
        assert!(!signed_in(name, &demo::password(name)).await.1, "{name}");
    }
    let (mut finance, is) = signed_in("finance", "a+password+of+its+own").await;
    assert!(is, "the one that was changed is nobody's demo");
    accounts::add(
        &app,
        "finance",
        "周 工号 5001",
        claim_domain::lifecycle::Desk::Finance,
        "another password",
    )
    .await
    .unwrap();
    assert_eq!(
        finance.call("get", "/staff", &[], "").await.0,
        303,
        "a changed password ends sessions"
    );
    let (mut finance, _) = signed_in("finance", "another+password").await;
    assert_eq!(finance.call("get", "/staff", &[], "").await.0, 200);
    accounts::remove(&app, "finance").await.unwrap();
    assert_eq!(finance.call("get", "/staff", &[], "").await.0, 303);
    assert!(accounts::remove(&app, "finance").await.is_err());
    let secure = crate::Options {
        secure: true,
        ..app.options.clone()
    };
    assert!(App::open(secure).await.is_err_and(|e| e.contains("--demo")));
}

/// F15: one displayed name is one person: nobody becomes a second pair of eyes under another name.
#[tokio::test]
async fn finding_15_what_is_shown_of_staff_is_one_person_for_ever() {
    let (_data, app) = opened().await;
    let desk = claim_domain::lifecycle::Desk::Finance;
    assert!(
        accounts::add(&app, "twin", "周 工号 5001", desk, "long enough password")
            .await
            .is_err(),
        "shown as somebody else"
    );
    assert!(
        accounts::add(
            &app,
            "finance",
            "吴 工号 7777",
            desk,
            "long enough password"
        )
        .await
        .is_err(),
        "shown as another"
    );
    accounts::remove(&app, "finance").await.unwrap();
    assert!(
        accounts::add(&app, "twin", "周 工号 5001", desk, "long enough password")
            .await
            .is_err(),
        "also after that"
    );
}

/// F10: merely looking writes nothing, and what nobody needs any more is removed.
#[tokio::test]
async fn finding_10_rows_are_neither_free_nor_for_ever() {
    let (_data, app) = opened().await;
    for _ in 0..50 {
        Caller::new(&app)
            .call("get", "/api/v1/session", &[], "")
            .await;
        Caller::new(&app).call("get", "/lite", &[], "").await;
    }
    assert_eq!(
        count(
            &app,
            "SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM subject)"
        )
        .await,
        0
    );
    // The token given then also serves for the first change, even for two at once.
    let mut caller = Caller::new(&app);
    caller.call("get", "/api/v1/session", &[], "").await;
    let cookie = caller.cookie.clone();
    let (mut one, mut two) = (caller.clone(), caller.clone());
    let headers = [("tus-resumable", "1.0.0"), ("upload-length", "5")];
    let (a, b) = tokio::join!(
        one.bytes("post", "/api/v1/uploads", &headers, b""),
        two.bytes("post", "/api/v1/uploads", &headers, b"")
    );
    assert_eq!(
        (a.0, b.0, one.cookie == cookie && two.cookie == cookie),
        (201, 201, true)
    );
    assert_eq!(
        count(&app, "SELECT count(DISTINCT subject_id) FROM upload").await,
        1
    );
    for wrong in [
        "sid=x.y.z",
        "sid=1.abc.def",
        &format!("{cookie}0"),
        &cookie.replacen("sid=", "sid=f", 1),
    ] {
        let mut forger = Caller::new(&app);
        forger.cookie = wrong.to_owned();
        forger.bytes("post", "/api/v1/uploads", &headers, b"").await;
        assert_ne!(forger.cookie, wrong, "a token that we did not give");
    }
    for _ in 0..20 {
        Caller::new(&app)
            .bytes("delete", "/api/v1/session", &[], b"")
            .await;
    }
    caller.report("insured", "13400134000").await;
    let mut tx = app.store.begin().await.unwrap();
    for sql in [
        "UPDATE session SET seen_at = 0",
        "UPDATE subject SET created_at = 0",
        "UPDATE otp SET sent_at = 0",
    ] {
        sqlx::query(sql).execute(tx.sql()).await.unwrap();
    }
    tx.commit().await.unwrap();
    sessions::expire(&app).await.unwrap();
    assert_eq!(count(&app, "SELECT count(*) FROM session").await, 0);
    assert_eq!(
        count(&app, "SELECT count(*) FROM subject").await,
        5,
        "whoever has reported or sent something stays"
    );
}

/// F12: a sign-out wakes nobody else.
#[tokio::test]
async fn finding_12_a_sign_out_wakes_its_own_streams_only() {
    let (_data, app) = opened().await;
    let (mut mine, mut other) = (app.news.listen("mine"), app.news.listen("other"));
    let mut caller = Caller::new(&app);
    caller
        .call(
            "post",
            "/api/v1/session/code",
            &[("content-type", "application/json")],
            "{}",
        )
        .await;
    caller.call("delete", "/api/v1/session", &[], "").await;
    assert!(!mine.has_changed().unwrap() && !other.has_changed().unwrap());
    app.news.tell("mine");
    assert!(mine.has_changed().unwrap() && !other.has_changed().unwrap());
    mine.borrow_and_update();
    other.borrow_and_update();
}

/// L2 and overload: whoever cannot be served soon is told when to retry, and nothing answers 500.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_server_says_so_at_once() {
    let (_data, app) = opened().await;
    let held = app.store.begin().await.unwrap();
    let asks = (0..600).map(|_| {
        let mut caller = Caller::new(&app);
        async move {
            let began = std::time::Instant::now();
            let (status, headers, _) = caller.bytes("delete", "/api/v1/session", &[], b"").await;
            (status, headers.contains_key("retry-after"), began.elapsed())
        }
    });
    let all = tokio::spawn(futures_util::future::join_all(asks));
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    drop(held);
    let all = all.await.unwrap();
    let refused = all.iter().filter(|(status, ..)| *status == 429).count();
    assert!(
        refused >= 100
            && all
                .iter()
                .all(|(status, after, _)| *status == 204 || (*status == 429 && *after)),
        "{refused}"
    );
    assert!(delivery::deliver(&app).await.is_ok());
    assert_eq!(
        Caller::new(&app)
            .call("delete", "/api/v1/session", &[], "")
            .await
            .0,
        204,
        "and is back"
    );
}

/// F4: adding an event costs the same after 1,500 events as after 15, and the snapshot equals the
/// replayed log. A customer cannot cause more than 200 a day.
#[tokio::test]
async fn finding_4_a_long_history_costs_no_more() {
    use claim_domain::lifecycle::{Actor, EventKind};
    let (_data, app) = opened().await;
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13800138000").await;
    let no = owner.report("insured", "13800138000").await;
    let stored = claims::by_no(&mut app.store.read().await.unwrap(), &no)
        .await
        .unwrap();
    let say = async |n: u32, at: claim_domain::Moment| {
        let mut tx = app.store.begin().await.unwrap();
        let what = EventKind::Wrote {
            text: format!("第 {n} 次"),
        };
        log::append(
            &app,
            &mut tx,
            (&stored.id, stored.lob),
            &Actor::Customer,
            what,
            at,
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
    };
    let mut fastest = [std::time::Duration::MAX; 2];
    let length = async || {
        sqlx::query_scalar::<_, i64>("SELECT length(snapshot_sealed) FROM claim")
            .fetch_one(app.store.pool())
            .await
            .unwrap()
    };
    let mut sizes = [0; 2];
    for n in 0..1500 {
        let (place, began) = (usize::from(n > 1400), std::time::Instant::now());
        // Ten minutes apart: some 140 events a day.
        say(n, now().plus_seconds(i64::from(n) * 600)).await;
        if !(100..=1400).contains(&n) {
            fastest[place] = fastest[place].min(began.elapsed());
            sizes[place] = length().await;
        }
    }
    // If cost grew with the history, it would be fourteen times as high; other tests may slow the
    // machine.
    assert!(fastest[1] < fastest[0] * 5, "{fastest:?}");
    assert!(sizes[1] <= sizes[0] + 16, "{sizes:?}");
    app.verify().await.unwrap();
    let mut other = Caller::new(&app);
    other.sign_in(&app, "13900139000").await;
    let no = other.report("insured", "13900139000").await;
    let mut statuses = Vec::new();
    for n in 0..205 {
        statuses.push(
            other
                .json(
                    "post",
                    &format!("/api/v1/claims/{no}/steps"),
                    &json!({ "what": { "wrote": { "text": format!("{n}") } } }),
                )
                .await
                .0,
        );
    }
    assert_eq!(
        statuses.iter().filter(|s| **s == 201).count(),
        200,
        "{statuses:?}"
    );
    assert!(statuses[200..].iter().all(|s| *s == 429));
}

//! Tries everybody at every route.

use serde_json::{Value, json};

use super::{Caller, opened};
use crate::http::access::Access;
use crate::now;
use crate::routes::listed;

/// Everybody at every route. Customers never see somebody else's row, bystanders never see an
/// amount, only staff see the staff pages; a proved right opens what it is for and nothing else.
#[tokio::test]
async fn who_may_use_which_route() {
    let (_data, app) = opened().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut reporter = Caller::new(&app);
    let no = reporter.report("insured", "13400134000").await;
    let mut supervisor = Caller::new(&app);
    supervisor
        .call(
            "post",
            "/staff/login",
            &form,
            "name=supervisor&password=demo-supervisor",
        )
        .await;
    let steps = format!("/staff/claims/{no}/steps");
    // The roles proved by staff, each for its own phone.
    let proved = [
        ("agent", "13211110001"),
        ("guardian", "13211110002"),
        ("beneficiary", "13211110003"),
    ];
    for (role, phone) in proved {
        let step =
            format!("kind=entitled&role={role}&name=%E6%9D%8E%E5%9B%9B&phone={phone}&reason=x");
        assert_eq!(
            supervisor.call("post", &steps, &form, &step).await.0,
            303,
            "{role}"
        );
    }
    // The owner names a shop and an injured party as payees: they may follow their payment.
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13800138000").await;
    let payees = json!({ "payees": [
        { "kind": "insured", "holder": "张伟", "account": "6222020000000000000", "share": "equal" },
        { "kind": "shop", "holder": "杭州某某汽车修理厂", "account": "330012345678", "company": true, "id_no": "91350100M000100Y43",
          "bank": "中国工商银行杭州分行", "bank_code": "102331000011", "phone": "13211110004", "share": { "covers": ["vehicle"] } },
        { "kind": "third-party", "holder": "李四", "account": "6217000000000000004", "id_no": "310101199003071230",
          "phone": "13211110005", "share": { "covers": ["third-party"] } },
    ] });
    let (status, text) = owner
        .json("put", &format!("/api/v1/claims/{no}/payees"), &payees)
        .await;
    assert_eq!(status, 200, "{text}");
    let mut foreign = Caller::new(&app);
    foreign.sign_in(&app, "13900139000").await;
    reporter.sign_in(&app, "13400134000").await;
    let (mut nobody, mut fresh, mut staff) =
        (Caller::new(&app), Caller::new(&app), Caller::new(&app));
    fresh.call("get", "/api/v1/session", &[], "").await;
    assert_eq!(
        staff
            .call(
                "post",
                "/staff/login",
                &form,
                "name=finance&password=demo-finance"
            )
            .await
            .0,
        303
    );
    let mut whole = vec![("owner", owner)];
    let mut limited = vec![("reporter", reporter)];
    for (role, phone) in proved
        .into_iter()
        .chain([("shop", "13211110004"), ("third-party", "13211110005")])
    {
        let mut caller = Caller::new(&app);
        caller.sign_in(&app, phone).await;
        if matches!(role, "shop" | "third-party") {
            limited.push((role, caller))
        } else {
            whole.push((role, caller))
        }
    }
    let address = |path: &str| {
        let path = path
            .replace("{no}", &no)
            .replace("{seq}", "2")
            .replace("{document}", "scene")
            .replace("{key}", "13400134000");
        path.replace("{id}", "unknown-id")
            .replace("{upload}", "unknown")
            .replace("{version}", "x")
            .replace("{token}", "x")
    };
    let mut asked = 0;
    for (path, method, access) in listed().filter(|(path, method, _)| {
        !(path.ends_with("/logout")
            || path.ends_with("/session") && *method == "delete"
            || path.ends_with("/me") && *method == "delete")
    }) {
        let (pattern, path) = (path.clone(), address(&path));
        let mut status = async |caller: &mut Caller| {
            asked += 1;
            caller.call(method, &path, &[], "").await.0
        };
        let (n, f, x, s) = (
            status(&mut nobody).await,
            status(&mut fresh).await,
            status(&mut foreign).await,
            status(&mut staff).await,
        );
        nobody.cookie.clear();
        let mut all = Vec::new();
        for (role, caller) in whole.iter_mut() {
            all.push((*role, true, status(caller).await));
        }
        for (role, caller) in limited.iter_mut() {
            all.push((*role, false, status(caller).await));
        }
        let named = format!(
            "{method} {path} {access:?}: nobody {n}, fresh {f}, foreign {x}, staff {s}, {all:?}"
        );
        let every = |fits: &dyn Fn(u16) -> bool| all.iter().all(|(.., status)| fits(*status));
        match access {
            Access::Open | Access::Visitor => {
                let refused = |s: u16| matches!(s, 401 | 403) && !pattern.ends_with("/login");
                assert!(
                    ![n, f, x].into_iter().any(refused) && every(&|s| !refused(s)),
                    "{named}"
                );
            }
            Access::SignedIn => {
                assert!(n == 401 && f == 401 && s == 401, "{named}");
                assert!(
                    !matches!(x, 401 | 403) && every(&|s| !matches!(s, 401 | 403)),
                    "{named}"
                );
            }
            Access::Party | Access::Guest => {
                assert!(
                    [n, f, x]
                        .iter()
                        .all(|s| matches!(s, 400 | 404 | 405 | 412 | 204)),
                    "{named}"
                );
                assert!(every(&|s| !matches!(s, 401 | 403)), "{named}");
            }
            Access::Claimant => {
                assert!(n == 401 && f == 401 && s == 401, "{named}");
                assert!(x == 404 || matches!(x, 400 | 415), "{named}");
                assert!(every(&|s| s != 401), "{named}");
            }
            Access::Insured => {
                assert!(n == 401 && f == 401 && s == 401 && x == 404, "{named}");
                for (role, is_whole, status) in &all {
                    // What does not exist yet is not found even with the right; others do not even
                    // learn that.
                    let fits = if *is_whole {
                        !matches!(status, 401 | 403)
                    } else {
                        *status == 403
                    };
                    assert!(fits, "{role}: {named}");
                }
            }
            Access::Kiosk => assert!(
                [n, f, x, s].iter().all(|s| *s == 404) && every(&|s| s == 404),
                "{named}"
            ),
            Access::Staff => {
                assert!(
                    [n, f, x].iter().all(|s| *s == 303) && every(&|s| s == 303),
                    "{named}"
                );
                assert_ne!(s, 303, "{named}");
            }
            Access::System => {
                assert!(
                    [n, f, x, s].iter().all(|s| *s == 401) && every(&|s| s == 401),
                    "{named}"
                )
            }
            Access::Peer => {
                assert!(
                    [n, f, x, s].iter().all(|s| matches!(s, 401 | 415))
                        && every(&|s| matches!(s, 401 | 415)),
                    "{named}"
                )
            }
        }
    }
    assert!(asked > 600, "{asked} requests");
    for step in [
        "kind=survey-skipped&reason=r",
        "kind=assessed&lines=%E4%BB%B6%20100.00",
    ] {
        assert_eq!(supervisor.call("post", &steps, &form, step).await.0, 303);
    }
    // A bystander sees nothing of the owner and the money; payees see their own account.
    let path = format!("/api/v1/claims/{no}");
    for (role, caller) in &mut limited {
        for path in [
            path.clone(),
            format!("{path}/timeline"),
            format!("{path}/requirements"),
            "/api/v1/me".into(),
            "/api/v1/claims".into(),
        ] {
            let text = caller.call("get", &path, &[], "").await.1;
            let secrets = [
                "10000",
                "\"0000\"",
                "\"5678\"",
                "\"0004\"",
                "张*",
                "李*",
                "汽车修理厂",
                "13800138000",
                "11010519491231002X",
                "PDAA2026",
            ];
            let own: &[&str] = match *role {
                "shop" => &["\"5678\"", "汽车修理厂"],
                "third-party" => &["\"0004\"", "李*"],
                _ => &[],
            };
            for secret in secrets.iter().filter(|secret| !own.contains(secret)) {
                assert!(
                    !text.contains(secret),
                    "{role} {path} tells {secret}: {text}"
                );
            }
        }
    }
    let own = |text: &str, last4: &str| text.contains(&format!("\"last4\":\"{last4}\""));
    let shop = limited
        .iter_mut()
        .find(|(role, _)| *role == "shop")
        .unwrap()
        .1
        .call("get", &path, &[], "")
        .await
        .1;
    assert!(
        own(&shop, "5678") && !own(&shop, "0000") && !own(&shop, "0004"),
        "{shop}"
    );
    let keys = [
        "signal",
        "score",
        "risk",
        "note",
        "secret",
        "phone_index",
        "proposal",
    ];
    for (role, caller) in &mut whole {
        let text = caller.call("get", &path, &[], "").await.1;
        assert!(
            text.contains("10000") && text.contains("张伟"),
            "{role}: {text}"
        );
        let value: Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        names(&value, &mut found);
        assert!(
            keys.iter().all(|key| !found.iter().any(|f| f == key)),
            "{found:?}"
        );
        assert!(found.len() > 50);
    }
}

/// A9, R3: the role people state opens nothing; a code to the policy's phone does, and an
/// accepted document does until it expires. The owner hears of every report and can stop it.
#[tokio::test]
async fn a9_a_role_is_proved_and_never_declared() {
    let (_data, app) = opened().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut stranger = Caller::new(&app);
    let no = stranger.report("insured", "13400134000").await;
    stranger.sign_in(&app, "13400134000").await;
    let path = format!("/api/v1/claims/{no}");
    let view: Value = serde_json::from_str(&stranger.call("get", &path, &[], "").await.1).unwrap();
    assert_eq!(
        (
            view["role"].as_str(),
            view["limited"].as_bool(),
            view.get("insured")
        ),
        (Some("reporter"), Some(true), None)
    );
    assert_eq!(
        view["notice"]["policy"]["plate"], "浙A12345",
        "what he typed himself"
    );
    // The owner is told, with a link that needs no sign-in.
    crate::work::attendant::tick(&app).await.unwrap();
    let sealed: Vec<(String, String)> =
        sqlx::query_as("SELECT phone_sealed, text_sealed FROM message WHERE kind = 'reported:2'")
            .fetch_all(app.store.pool())
            .await
            .unwrap();
    assert_eq!(sealed.len(), 1);
    let index = app.vault.index("phone", "13800138000");
    assert_eq!(
        app.vault
            .open_text(
                &crate::store::messages::place("phone", &index),
                &sealed[0].0
            )
            .unwrap(),
        "13800138000"
    );
    let text = app
        .vault
        .open_text(&crate::store::messages::place("text", &index), &sealed[0].1)
        .unwrap();
    let link = text
        .split("https://claims.example/not-mine#")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let mut anybody = Caller::new(&app);
    let mut shown = async |secret: &str| {
        assert_eq!(
            anybody
                .call("post", "/not-mine", &form, &format!("secret={secret}"))
                .await
                .0,
            303
        );
        anybody.call("get", "/not-mine", &[], "").await
    };
    assert_eq!(shown("unknown").await.0, 404);
    let (status, page) = shown(&link).await;
    assert!(
        status == 200
            && page.contains("这不是我报的")
            && !page.contains("张伟")
            && !page.contains("浙A12345"),
        "{page}"
    );
    // Proved by staff, but expired since: then it is as before.
    let mut staff = Caller::new(&app);
    staff
        .call(
            "post",
            "/staff/login",
            &form,
            "name=supervisor&password=demo-supervisor",
        )
        .await;
    let today = claim_domain::local_day(now());
    let step = format!("kind=entitled&reason=x&until={today}");
    assert_eq!(
        staff
            .call("post", &format!("/staff/claims/{no}/steps"), &form, &step)
            .await
            .0,
        303
    );
    let limited = async |caller: &mut Caller| {
        let view: Value =
            serde_json::from_str(&caller.call("get", &path, &[], "").await.1).unwrap();
        view["limited"].as_bool().unwrap()
    };
    assert!(!limited(&mut stranger).await);
    let mut tx = app.store.begin().await.unwrap();
    sqlx::query("UPDATE party SET until = 1 WHERE until IS NOT NULL")
        .execute(tx.sql())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(limited(&mut stranger).await, "a right that has run out");
    // 这不是我报的: nothing moves until a supervisor has settled it.
    assert_eq!(
        anybody.call("post", "/not-mine/stop", &form, "").await.0,
        200
    );
    assert_eq!(
        anybody.call("post", "/not-mine/stop", &form, "").await.0,
        200,
        "said twice"
    );
    let skip = staff
        .call(
            "post",
            &format!("/staff/claims/{no}/steps"),
            &form,
            "kind=survey-skipped&reason=r",
        )
        .await;
    assert_eq!(skip.0, 409, "{}", skip.1);
    let settle = staff
        .call(
            "post",
            &format!("/staff/claims/{no}/steps"),
            &form,
            "kind=disown-settled&genuine=no&text=x",
        )
        .await;
    assert_eq!(settle.0, 303);
    let mut owner = Caller::new(&app);
    owner.sign_in(&app, "13800138000").await;
    let view: Value = serde_json::from_str(&owner.call("get", &path, &[], "").await.1).unwrap();
    assert_eq!(
        (view["role"].as_str(), view["summary"]["stage"].as_str()),
        (Some("owner"), Some("not-accepted"))
    );
}

/// Every name in a JSON value.
fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push(name.clone());
                names(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|v| names(v, found)),
        _ => {}
    }
}

/// No API changes or deletes an event: the only statements on events read or insert.
#[tokio::test]
async fn the_log_cannot_be_changed_even_by_sql() {
    let (_data, app) = opened().await;
    Caller::new(&app).report("insured", "13800138000").await;
    for sql in ["UPDATE event SET at = 0", "DELETE FROM event"] {
        let mut tx = app.store.begin().await.unwrap();
        let done = sqlx::query(sql).execute(tx.sql()).await;
        assert!(done.is_err(), "{sql}");
    }
}

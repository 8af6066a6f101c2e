//! Staff accounts: the second factor, and who may list and end them.

use super::{Caller, opened};
use crate::{now, totp};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

async fn signed_in(app: &crate::App, fields: &str) -> (u16, Caller) {
    let mut caller = Caller::new(app);
    let (status, _) = caller.call("post", "/staff/login", &FORM, fields).await;
    (status, caller)
}

/// With a second factor a password alone opens nothing, a code serves once, and which of them
/// was wrong is not told.
#[tokio::test]
async fn a_second_factor_is_asked_and_its_code_serves_once() {
    let (_data, app) = opened().await;
    let password = "name=assessor&password=demo-assessor";
    let (status, mut before) = signed_in(&app, password).await;
    assert_eq!(status, 303);
    let address = app.second_factor("assessor", false).await.unwrap().unwrap();
    // Sessions begun without it end.
    assert_eq!(before.call("get", "/staff", &[], "").await.0, 303);
    let text = address.split("secret=").nth(1).unwrap();
    let text = text.split('&').next().unwrap();
    let secret = data_encoding::BASE32_NOPAD.decode(text.as_bytes()).unwrap();
    let code = totp::now_for_test(&secret, now().0);
    let wrong = signed_in(&app, "name=assessor&password=wrong-password").await;
    let alone = signed_in(&app, password).await;
    assert_eq!((wrong.0, alone.0), (401, 401));
    let with = format!("{password}&code={code}");
    let other = format!(
        "{password}&code={:06}",
        (code.parse::<u32>().unwrap() + 1) % 1_000_000
    );
    assert_eq!(signed_in(&app, &other).await.0, 401);
    let (status, mut caller) = signed_in(&app, &with).await;
    assert_eq!(status, 303);
    assert_eq!(caller.call("get", "/staff", &[], "").await.0, 200);
    assert_eq!(signed_in(&app, &with).await.0, 401, "the same code again");
    // Two at once with one code: one of them.
    let ahead = totp::now_for_test(&secret, now().0 + 30);
    let with = format!("{password}&code={ahead}");
    let (one, two) = tokio::join!(signed_in(&app, &with), signed_in(&app, &with));
    let mut both = [one.0, two.0];
    both.sort_unstable();
    assert_eq!(both, [303, 401]);
    // Taken away, the password is enough again.
    assert_eq!(app.second_factor("assessor", true).await.unwrap(), None);
    assert_eq!(signed_in(&app, password).await.0, 303);
    assert!(app.second_factor("nobody", false).await.is_err());
}

/// A supervisor sees every account and who is signed in, and ends both; nobody else does, and
/// nobody closes their own.
#[tokio::test]
async fn a_supervisor_lists_and_ends_accounts_and_sessions() {
    let (_data, app) = opened().await;
    let (_, mut finance) = signed_in(&app, "name=finance&password=demo-finance").await;
    let (_, mut boss) = signed_in(&app, "name=supervisor&password=demo-supervisor").await;
    let path = "/staff/accounts";
    assert_eq!(finance.call("get", path, &[], "").await.0, 404);
    let end = |name: &str, wish: &str| format!("name={name}&do={wish}");
    let act = async |who: &mut Caller, name: &str, wish: &str| {
        who.call("post", path, &FORM, &end(name, wish)).await.0
    };
    assert_eq!(act(&mut finance, "supervisor", "close").await, 403);
    let (status, page) = boss.call("get", path, &[], "").await;
    assert!(
        status == 200 && page.contains("finance") && page.contains("1 处"),
        "{page}"
    );
    assert_eq!(act(&mut boss, "finance", "end").await, 303);
    assert_eq!(
        finance.call("get", "/staff", &[], "").await.0,
        303,
        "signed out"
    );
    assert_eq!(act(&mut boss, "supervisor", "close").await, 404);
    assert_eq!(act(&mut boss, "nobody", "end").await, 404);
    assert_eq!(act(&mut boss, "finance", "close").await, 303);
    let (status, _) = signed_in(&app, "name=finance&password=demo-finance").await;
    assert_eq!(status, 401);
    let (_, page) = boss.call("get", path, &[], "").await;
    assert!(page.contains("已停用"));
}

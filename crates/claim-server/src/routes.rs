//! Every route with who may use it. The router and the table that the tests go through are made of the same lines, so a
//! route that nobody has thought about does not compile.

use axum::Router;
use axum::routing::{MethodRouter, any, head};

use crate::{
    App, assets, claims, config, documents, drafts, guard, handoffs, kiosk, launch, letters, messages, notices, pages, payees, payments,
    proofs, records, session, shares, stream, uploads, wechat,
};

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, also without a session.
    Open,
    /// Everybody; what is made belongs to the session, which begins here if there is none.
    Session,
    /// Whoever has signed in by a code, for what is his own.
    SignedIn,
    /// Whoever is a party to the claim, signed in or not: who has just reported sends his photos.
    Party,
    /// A party who has signed in; others are told that there is nothing (404).
    Claim,
    /// The same, and the insured person: whoever reported for him follows the stages only (403).
    Insured,
    /// A machine in a branch, by its enrolment; others are told that there is nothing (404).
    Kiosk,
    /// The insurer's people; others are sent to their login.
    Staff,
    /// Another system, by the signature of its body.
    Peer,
}

/// Path, method and who may.
type Row = (&'static str, &'static str, Access);

macro_rules! routes {
    ($table:ident $router:ident: $($path:literal $access:ident { $($method:ident $handler:path),+ })*) => {
        const $table: &[Row] = &[$($(($path, stringify!($method), Access::$access)),+),*];

        fn $router() -> Router<App> {
            Router::new()$(.route($path, MethodRouter::new()$(.$method($handler))+))*
        }
    };
}

routes! { API api:
    "/config" Open { get config::config }
    "/openapi.json" Open { get config::described }
    "/rules/{version}" Open { get documents::compiled_rules }
    "/session" Session { get session::view, post session::sign_in, delete session::sign_out }
    "/launch" Session { post launch::launch, put launch::sign_in }
    "/wx/jssdk-signature" Open { get wechat::signature }
    "/session/code" Session { post session::send_code }
    "/notices" Session { post notices::create }
    "/submissions/{key}" Party { get notices::submission }
    "/drafts/{id}" SignedIn { get drafts::show, put drafts::put, delete drafts::delete }
    "/uploads" Session { post uploads::made_or_overridden, options uploads::options }
    "/uploads/{id}" Party { patch uploads::append, delete uploads::terminate, options uploads::options, post uploads::overridden }
    "/claims" SignedIn { get claims::list }
    "/me" SignedIn { get records::me, delete records::erase }
    "/policies" SignedIn { get session::my_policies }
    "/preferences" SignedIn { get messages::preferences, put messages::prefer }
    "/claims/{no}" Claim { get claims::show }
    "/claims/{no}/timeline" Claim { get claims::timeline }
    "/claims/{no}/stream" Claim { get stream::stream }
    "/claims/{no}/requirements" Claim { get documents::requirements }
    "/claims/{no}/steps" Claim { post claims::step }
    "/claims/{no}/photos/{id}" Claim { get documents::photo }
    "/claims/{no}/claim-request" Claim { post documents::claim_request }
    "/claims/{no}/receipt" Party { get proofs::receipt }
    "/claims/{no}/documents/{document}/{upload}" Party { put documents::attach }
    "/claims/{no}/reporter" Claim { put claims::correct }
    "/claims/{no}/payees" Insured { put payees::name }
    "/claims/{no}/form" Insured { get records::form }
    "/claims/{no}/consents/{id}" Insured { delete records::withdraw_consent }
    "/claims/{no}/letters/{seq}" Insured { get letters::letter }
    "/claims/{no}/file" Insured { get records::whole }
    "/claims/{no}/shares" Insured { get shares::list, post shares::create, delete shares::revoke }
    "/bank/answers" Peer { post payments::answer }
    "/kiosk" Kiosk { get kiosk::view }
    "/kiosk/wipe" Kiosk { post kiosk::wipe }
    "/handoffs" Kiosk { post handoffs::begin }
    "/handoffs/{id}" Kiosk { get handoffs::show }
    "/handoffs/redeem" SignedIn { post handoffs::redeem }
}

routes! { PAGES plain:
    "/healthz" Open { get config::health }
    "/.well-known/jwks.json" Open { get proofs::keys }
    "/csp-reports" Open { post guard::csp_report }
    "/pages.css" Open { get pages::css }
    "/lite" Session { get pages::lite::form, post pages::lite::submit }
    "/link.js" Open { get pages::links::js }
    "/shared" Open { get pages::shared::show, post pages::shared::enter }
    "/not-mine" Open { get pages::not_mine::ask, post pages::not_mine::enter }
    "/not-mine/stop" Open { post pages::not_mine::say }
    "/kiosk/enrol" Open { get pages::kiosk::form, post pages::kiosk::enrol }
    "/staff/login" Open { get pages::staff::login_page, post pages::staff::login }
    "/staff/logout" Open { post pages::staff::logout }
    "/staff" Staff { get pages::staff::queue }
    "/staff/claims/{no}" Staff { get pages::staff::claim }
    "/staff/claims/{no}/steps" Staff { post pages::staff::step }
    "/staff/claims/{no}/photos/{id}" Staff { get pages::staff::photo }
    "/staff/claims/{no}/letters/{seq}" Staff { get pages::staff::letter }
    "/staff/claims/{no}/payees" Staff { get pages::staff::payees }
    "/staff/claims/{no}/reporter" Staff { get pages::staff::reporter }
    "/staff/figures" Staff { get pages::staff::figures }
    "/staff/claims.csv" Staff { get pages::staff::csv }
    "/staff/catastrophes" Staff { get pages::staff::catastrophes, post pages::staff::change }
}

routes! { DEMO demo:
    "/demo" Open { get pages::demo::who }
    "/demo/outbox" Open { get pages::demo::outbox }
}

/// Every route: its path, its method, who may use it.
pub fn listed() -> impl Iterator<Item = (String, &'static str, Access)> {
    let api = API.iter().map(|(path, method, access)| (format!("{}{path}", claim_api::BASE), *method, *access));
    api.chain(PAGES.iter().chain(DEMO).map(|(path, method, access)| ((*path).to_owned(), *method, *access)))
}

pub fn all(app: &App) -> Router {
    let api = api()
        // Not through the macro: axum answers HEAD by GET otherwise, and tus wants its own.
        .route("/uploads/{id}", head(uploads::head))
        // As the clients of some libraries are set up.
        .route("/uploads/", axum::routing::post(uploads::made_or_overridden).options(uploads::options))
        .method_not_allowed_fallback(guard::method_not_allowed)
        .fallback(guard::unknown_api);
    let mut router = Router::new().nest(claim_api::BASE, api).merge(plain());
    if app.options.demo {
        router = router.merge(demo());
    }
    router.fallback(any(assets::serve)).layer(axum::middleware::from_fn_with_state(app.clone(), guard::guard)).with_state(app.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::now;
    use crate::testing::{Caller, opened};

    /// Everybody at every route. A customer never sees another's row, a bystander no amount, nobody the staff's pages; a
    /// right that was proved opens what it is for and nothing else.
    #[tokio::test]
    async fn who_may_use_which_route() {
        let (_data, app) = opened().await;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let mut reporter = Caller::new(&app);
        let no = reporter.report("insured", "13400134000").await;
        let mut supervisor = Caller::new(&app);
        supervisor.call("post", "/staff/login", &form, "name=supervisor&password=demo-supervisor").await;
        let steps = format!("/staff/claims/{no}/steps");
        // The roles that are proved by staff, each to a phone of its own.
        let proved = [("agent", "13211110001"), ("guardian", "13211110002"), ("beneficiary", "13211110003")];
        for (role, phone) in proved {
            let step = format!("kind=entitled&role={role}&name=%E6%9D%8E%E5%9B%9B&phone={phone}&reason=x");
            assert_eq!(supervisor.call("post", &steps, &form, &step).await.0, 303, "{role}");
        }
        // The owner names a shop and an injured party to be paid: they may follow that.
        let mut owner = Caller::new(&app);
        owner.sign_in(&app, "13800138000").await;
        let payees = json!({ "payees": [
            { "kind": "insured", "holder": "张伟", "account": "6222020000000000000", "share": "equal" },
            { "kind": "shop", "holder": "杭州某某汽车修理厂", "account": "330012345678", "company": true, "id_no": "91350100M000100Y43",
              "bank": "中国工商银行杭州分行", "bank_code": "102331000011", "phone": "13211110004", "share": { "covers": ["vehicle"] } },
            { "kind": "third-party", "holder": "李四", "account": "6217000000000000004", "id_no": "310101199003071230",
              "phone": "13211110005", "share": { "covers": ["third-party"] } },
        ] });
        let (status, text) = owner.json("put", &format!("/api/v1/claims/{no}/payees"), &payees).await;
        assert_eq!(status, 200, "{text}");
        let mut foreign = Caller::new(&app);
        foreign.sign_in(&app, "13900139000").await;
        reporter.sign_in(&app, "13400134000").await;
        let (mut nobody, mut fresh, mut staff) = (Caller::new(&app), Caller::new(&app), Caller::new(&app));
        fresh.call("get", "/api/v1/session", &[], "").await;
        assert_eq!(staff.call("post", "/staff/login", &form, "name=finance&password=demo-finance").await.0, 303);
        let mut whole = vec![("owner", owner)];
        let mut limited = vec![("reporter", reporter)];
        for (role, phone) in proved.into_iter().chain([("shop", "13211110004"), ("third-party", "13211110005")]) {
            let mut caller = Caller::new(&app);
            caller.sign_in(&app, phone).await;
            if matches!(role, "shop" | "third-party") { limited.push((role, caller)) } else { whole.push((role, caller)) }
        }
        let address = |path: &str| {
            let path = path.replace("{no}", &no).replace("{seq}", "2").replace("{document}", "scene").replace("{key}", "13400134000");
            path.replace("{id}", "unknown-id").replace("{upload}", "unknown").replace("{version}", "x").replace("{token}", "x")
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
            let (n, f, x, s) = (status(&mut nobody).await, status(&mut fresh).await, status(&mut foreign).await, status(&mut staff).await);
            nobody.cookie.clear();
            let mut all = Vec::new();
            for (role, caller) in whole.iter_mut() {
                all.push((*role, true, status(caller).await));
            }
            for (role, caller) in limited.iter_mut() {
                all.push((*role, false, status(caller).await));
            }
            let named = format!("{method} {path} {access:?}: nobody {n}, fresh {f}, foreign {x}, staff {s}, {all:?}");
            let every = |fits: &dyn Fn(u16) -> bool| all.iter().all(|(.., status)| fits(*status));
            match access {
                Access::Open | Access::Session => {
                    let refused = |s: u16| matches!(s, 401 | 403) && !pattern.ends_with("/login");
                    assert!(![n, f, x].into_iter().any(refused) && every(&|s| !refused(s)), "{named}");
                }
                Access::SignedIn => {
                    assert!(n == 401 && f == 401 && s == 401, "{named}");
                    assert!(!matches!(x, 401 | 403) && every(&|s| !matches!(s, 401 | 403)), "{named}");
                }
                Access::Party => {
                    assert!([n, f, x].iter().all(|s| matches!(s, 400 | 404 | 405 | 412 | 204)), "{named}");
                    assert!(every(&|s| !matches!(s, 401 | 403)), "{named}");
                }
                Access::Claim => {
                    assert!(n == 401 && f == 401 && s == 401, "{named}");
                    assert!(x == 404 || matches!(x, 400 | 415), "{named}");
                    assert!(every(&|s| s != 401), "{named}");
                }
                Access::Insured => {
                    assert!(n == 401 && f == 401 && s == 401 && x == 404, "{named}");
                    for (role, is_whole, status) in &all {
                        // What is not there yet is not there for anybody; nobody else learns even that.
                        let fits = if *is_whole { !matches!(status, 401 | 403) } else { *status == 403 };
                        assert!(fits, "{role}: {named}");
                    }
                }
                Access::Kiosk => assert!([n, f, x, s].iter().all(|s| *s == 404) && every(&|s| s == 404), "{named}"),
                Access::Staff => {
                    assert!([n, f, x].iter().all(|s| *s == 303) && every(&|s| s == 303), "{named}");
                    assert_ne!(s, 303, "{named}");
                }
                Access::Peer => {
                    assert!([n, f, x, s].iter().all(|s| matches!(s, 401 | 415)) && every(&|s| matches!(s, 401 | 415)), "{named}")
                }
            }
        }
        assert!(asked > 600, "{asked} requests");
        for step in ["kind=survey-skipped&reason=r", "kind=assessed&lines=%E4%BB%B6%20100.00"] {
            assert_eq!(supervisor.call("post", &steps, &form, step).await.0, 303);
        }
        // Of the owner and the money a bystander is shown nothing; a payee's own account is his.
        let path = format!("/api/v1/claims/{no}");
        for (role, caller) in &mut limited {
            for path in
                [path.clone(), format!("{path}/timeline"), format!("{path}/requirements"), "/api/v1/me".into(), "/api/v1/claims".into()]
            {
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
                    assert!(!text.contains(secret), "{role} {path} tells {secret}: {text}");
                }
            }
        }
        let own = |text: &str, last4: &str| text.contains(&format!("\"last4\":\"{last4}\""));
        let shop = limited.iter_mut().find(|(role, _)| *role == "shop").unwrap().1.call("get", &path, &[], "").await.1;
        assert!(own(&shop, "5678") && !own(&shop, "0000") && !own(&shop, "0004"), "{shop}");
        let keys = ["signal", "score", "risk", "note", "secret", "phone_index", "proposal"];
        for (role, caller) in &mut whole {
            let text = caller.call("get", &path, &[], "").await.1;
            assert!(text.contains("10000") && text.contains("张伟"), "{role}: {text}");
            let value: Value = serde_json::from_str(&text).unwrap();
            let mut found = Vec::new();
            names(&value, &mut found);
            assert!(keys.iter().all(|key| !found.iter().any(|f| f == key)), "{found:?}");
            assert!(found.len() > 50);
        }
    }

    /// A9, R3: what somebody says that he is opens nothing; a code to the policy's phone does, a paper that was accepted
    /// does until its day, and the owner hears of every report and can stop it.
    #[tokio::test]
    async fn a9_a_role_is_proved_and_never_declared() {
        let (_data, app) = opened().await;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let mut stranger = Caller::new(&app);
        let no = stranger.report("insured", "13400134000").await;
        stranger.sign_in(&app, "13400134000").await;
        let path = format!("/api/v1/claims/{no}");
        let view: Value = serde_json::from_str(&stranger.call("get", &path, &[], "").await.1).unwrap();
        assert_eq!((view["role"].as_str(), view["limited"].as_bool(), view.get("insured")), (Some("reporter"), Some(true), None));
        assert_eq!(view["notice"]["policy"]["plate"], "浙A12345", "what he typed himself");
        // The owner is told, with a link that needs no sign-in.
        crate::attendant::tick(&app).await.unwrap();
        let sealed: Vec<(String, String)> = sqlx::query_as("SELECT phone_sealed, text_sealed FROM message WHERE kind = 'reported:2'")
            .fetch_all(&app.store.read)
            .await
            .unwrap();
        assert_eq!(sealed.len(), 1);
        let index = app.vault.index("phone", "13800138000");
        assert_eq!(app.vault.open_text(&crate::messages::place("phone", &index), &sealed[0].0).unwrap(), "13800138000");
        let text = app.vault.open_text(&crate::messages::place("text", &index), &sealed[0].1).unwrap();
        let link = text.split("https://claims.example/not-mine#").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        let mut anybody = Caller::new(&app);
        let mut shown = async |secret: &str| {
            assert_eq!(anybody.call("post", "/not-mine", &form, &format!("secret={secret}")).await.0, 303);
            anybody.call("get", "/not-mine", &[], "").await
        };
        assert_eq!(shown("unknown").await.0, 404);
        let (status, page) = shown(&link).await;
        assert!(status == 200 && page.contains("这不是我报的") && !page.contains("张伟") && !page.contains("浙A12345"), "{page}");
        // Proved by staff until yesterday's eve: then it is as before.
        let mut staff = Caller::new(&app);
        staff.call("post", "/staff/login", &form, "name=supervisor&password=demo-supervisor").await;
        let today = claim_domain::local_day(now());
        let step = format!("kind=entitled&reason=x&until={today}");
        assert_eq!(staff.call("post", &format!("/staff/claims/{no}/steps"), &form, &step).await.0, 303);
        let limited = async |caller: &mut Caller| {
            let view: Value = serde_json::from_str(&caller.call("get", &path, &[], "").await.1).unwrap();
            view["limited"].as_bool().unwrap()
        };
        assert!(!limited(&mut stranger).await);
        let mut tx = app.store.begin().await.unwrap();
        sqlx::query("UPDATE party SET until = 1 WHERE until IS NOT NULL").execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        assert!(limited(&mut stranger).await, "a right that has run out");
        // 这不是我报的: nothing moves until a supervisor has found out.
        assert_eq!(anybody.call("post", "/not-mine/stop", &form, "").await.0, 200);
        assert_eq!(anybody.call("post", "/not-mine/stop", &form, "").await.0, 200, "said twice");
        let skip = staff.call("post", &format!("/staff/claims/{no}/steps"), &form, "kind=survey-skipped&reason=r").await;
        assert_eq!(skip.0, 409, "{}", skip.1);
        let settle = staff.call("post", &format!("/staff/claims/{no}/steps"), &form, "kind=disown-settled&genuine=no&text=x").await;
        assert_eq!(settle.0, 303);
        let mut owner = Caller::new(&app);
        owner.sign_in(&app, "13800138000").await;
        let view: Value = serde_json::from_str(&owner.call("get", &path, &[], "").await.1).unwrap();
        assert_eq!((view["role"].as_str(), view["summary"]["stage"].as_str()), (Some("owner"), Some("not-accepted")));
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

    /// No API changes or deletes an event: the only statements about them are those that read and add.
    #[tokio::test]
    async fn the_log_cannot_be_changed_even_by_sql() {
        let (_data, app) = opened().await;
        Caller::new(&app).report("insured", "13800138000").await;
        for sql in ["UPDATE event SET at = 0", "DELETE FROM event"] {
            let mut tx = app.store.begin().await.unwrap();
            let done = sqlx::query(sql).execute(&mut *tx).await;
            assert!(done.is_err(), "{sql}");
        }
    }
}

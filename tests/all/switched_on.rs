//! What an insurer has on the first day: a server without demo data, its policies from a file, its
//! staff from its own sign-in, its core system as the desk and the bank, and a customer with a phone.
//!
//! `BAOAN_SERVER` may name the program of the package; with `BAOAN_AWAY=3600` the core system is away
//! for an hour of the clock, and nobody helps the server to notice that it is back.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use baoan_tests::{Browser, Process, Server, Setting, free_address, root, some_photographs};
use serde_json::json;

use crate::journeys::reported;
use crate::papers::claim_of;
use crate::server::core::{Address, Core, PHONE, paid, waiting_is_over};

/// Walks through the provider's two forms and back to the claims of the staff.
async fn staff_signed_in(server: &Server) -> Browser {
    let staff = Browser::start(1366, 768).await;
    staff.open(&server.url("/staff/login")).await;
    staff.tap("a[href='/staff/sso']").await;
    staff.type_in("input[name=login]", "li").await;
    staff.type_in("input[name=password]", "x").await;
    staff.tap("button[type=submit]").await;
    // Consent.
    staff
        .until("consent", "!document.querySelector('input[name=login]')")
        .await;
    staff.tap("button[type=submit]").await;
    staff.tap("a[href='/staff']").await;
    staff
        .until("the claims", "location.pathname === '/staff'")
        .await;
    staff
}

/// Waits until the core system, which has just come back, has every event, and prints how long.
fn told_at_last(server: &Server, core: &Core) {
    let (back, all) = (Instant::now(), server.count("SELECT count(*) FROM event"));
    while core.count("SELECT CAST(count(*) AS TEXT) FROM event") < all {
        let waited = back.elapsed();
        assert!(waited < Duration::from_secs(1200), "it is told nothing");
        std::thread::sleep(Duration::from_secs(1));
    }
    println!(
        "{all} events, told {:.0?} after it was back",
        back.elapsed()
    );
}

/// R1, R6, R7: from a file of policies to the money, with every event at the core system exactly once,
/// although it was away, was restarted and failed one call in five; and not a word about anybody in any
/// log.
#[tokio::test(flavor = "multi_thread")]
async fn r1_r6_r7_an_insurer_switches_it_on() {
    let away: Option<u64> = std::env::var("BAOAN_AWAY")
        .ok()
        .and_then(|text| text.parse().ok());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (address, provider) = (Address::free(), free_address());
    std::fs::write(path("secret"), "a-secret-of-the-test\n").unwrap();
    let text = format!(
        "log = \"json\"\nmessages = {:?}\nsso = {{ issuer = \"http://{provider}\", client_id = \"baoan\", secret = {:?}, claim = \"groups\", desks = {{ claims-lead = \"supervisor\" }} }}\n",
        address.of("messages"),
        path("secret")
    );
    std::fs::write(path("baoan.toml"), text).unwrap();
    let server = Server::with(Setting {
        bare: true,
        config: Some(path("baoan.toml")),
        log: Some(path("log")),
        ..Setting::default()
    });
    let mut sign_in = Command::new("node");
    sign_in
        .arg(root().join("tests/sso/provider.mjs"))
        .args([
            provider.rsplit(':').next().unwrap(),
            &server.url("/staff/sso/back"),
        ])
        .stderr(Stdio::null());
    let _provider = Process::listening(&mut sign_in);
    let policies = root().join("examples/policies/demo.csv");
    let said = server.said(&["policies", "import", policies.to_str().unwrap()]);
    println!("policies: {said}");
    let mut core = Core::beside(&server, &address, json!([]));
    core.start();

    let photos = some_photographs(folder.path(), 1);
    let browser = Browser::phone().await;
    browser.at(&server.url("/")).await;
    let mut numbers = vec![reported(&browser, &photos).await];
    core.stop();
    // It is away while reports come in.
    let (until, mut last) = (
        Instant::now() + Duration::from_secs(away.unwrap_or_default()),
        Instant::now(),
    );
    while Instant::now() < until || numbers.len() < 5 {
        if numbers.len() < 5 || last.elapsed() > Duration::from_secs(300) {
            last = Instant::now();
            numbers.push(claim_of(&mut server.caller(), &server, |_| {}));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    core.start();
    let claim = format!("/login?next=/claims/{}", numbers[0]);
    browser.at(&server.url(&claim)).await;
    browser.type_in("#phone", PHONE).await;
    browser.tap("button[type=submit]").await;
    browser.find("#code").await;
    let code = tokio::task::block_in_place(|| core.code(&server));
    browser.type_in("#code", &code).await;
    browser.tap("button[type=submit]").await;
    browser.find("#claim-no").await;
    let mut customer = browser.caller(&server).await;
    // What asks the database waits, and may not do that among tasks.
    tokio::task::block_in_place(|| {
        if away.is_some() {
            told_at_last(&server, &core);
        }
        let retry = || {
            if away.is_none() {
                waiting_is_over(&server);
            }
        };
        paid(&server, &mut customer, &numbers, &retry, |i| {
            if i == 2 {
                core.stop();
                core.start();
            }
        });
        core.has_everything(&server, &retry);
    });

    // Staff of the insurer's own sign-in see them all, paid.
    let staff = staff_signed_in(&server).await;
    let page = staff.text("body").await;
    assert!(page.contains("李 工号 2001"), "{page}");
    for no in &numbers {
        assert!(
            page.contains(no.as_str()),
            "{no} is not in the queue: {page}"
        );
    }
    // The customer's page has followed it to the money by itself.
    browser
        .until("the money", "document.body.innerText.includes('800.00')")
        .await;
    server.said(&["verify"]);

    let mut logs = std::fs::read_to_string(path("log")).unwrap();
    logs += &std::fs::read_to_string(server.data().join("audit.log")).unwrap();
    assert!(logs.lines().count() > 10, "{logs}");
    for personal in [
        "张伟",
        PHONE,
        "11010519491231002X",
        "浙A12345",
        "6222020000000000000",
        "文三路",
        "倒车",
    ] {
        assert!(!logs.contains(personal), "a log tells {personal}");
    }
}

//! The same journey in Chromium, Firefox and WebKit, by the same code.

use baoan_tests::{Caller, Engine, Server, some_photographs};

use crate::journeys::{reported, sign_in};

/// The report with a photo, the task list, and a timeline that moves without a reload.
async fn journey(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let photos = some_photographs(folder.path(), 1);
    let server = Server::start();
    let browser = engine.browser().await;
    browser.at(&server.base).await;
    let number = reported(&browser, &photos).await;
    assert_eq!(server.stored_files().len(), 1);

    browser.tap(&format!("a[href='/claims/{number}']")).await;
    browser.tap("a[href^='/login']").await;
    browser.find("#phone").await;
    sign_in(&browser, &server, "13800138000").await;
    browser
        .find("[data-stage=registered][data-state=now]")
        .await;
    let steps: [(&str, &[(&str, &str)]); 2] = [
        (
            "surveying",
            &[("kind", "survey-started"), ("surveyor", "赵 工号 2001")],
        ),
        (
            "assessing",
            &[("kind", "survey-reported"), ("report", "左前擦伤")],
        ),
    ];
    let mut staff = Caller::staff(&server, "supervisor");
    for (stage, fields) in steps {
        assert_eq!(staff.step(&number, fields).status, 303);
        browser
            .find(&format!("[data-stage={stage}][data-state=now]"))
            .await;
    }
    browser.tap("#more a[href$='/documents']").await;
    browser.find("#missing").await;
    assert!(browser.has("[data-document=driver_license]").await);
}

#[tokio::test]
async fn the_journey_in_chromium() {
    journey(Engine::Chromium).await;
}

#[tokio::test]
async fn the_journey_in_firefox() {
    journey(Engine::Firefox).await;
}

#[tokio::test]
async fn the_journey_in_webkit() {
    journey(Engine::WebKit).await;
}

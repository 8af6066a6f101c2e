//! From the insurer's own menu: one tap, one page, the number; and a link is good for nothing else.

use baoan_tests::{Browser, Server, unique_key};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::journeys::claim_number;
use crate::papers::now;

const PHONE: &str = "13800138000";
const POLICY: &str = "PDAA20263301000001";

/// What the insurer's system signs, expiring in `seconds`.
pub fn token(server: &Server, phone: &str, seconds: i64, nonce: &str) -> String {
    let at = claim_domain::Moment::from_rfc3339(&now(server))
        .unwrap()
        .plus_seconds(seconds);
    let text = URL_SAFE_NO_PAD.encode(
        json!({ "phone": phone, "policy": POLICY, "expires_at": at.0, "nonce": nonce }).to_string(),
    );
    let signature = server.signature("launch", text.as_bytes());
    format!("{text}.{}", signature.trim_start_matches("hmac-sha256="))
}

/// From the tap to the number in two screens; the phone supplies the place.
#[tokio::test]
async fn from_the_insurers_menu_to_the_number_in_two_screens() {
    let server = Server::start();
    let browser = Browser::phone().await;
    let point = json!({ "latitude": 30.2741, "longitude": 120.1551, "accuracy": 20 });
    browser
        .cdp(
            "Browser.grantPermissions",
            json!({ "permissions": ["geolocation"] }),
        )
        .await;
    browser.cdp("Emulation.setGeolocationOverride", point).await;
    browser
        .at(&server.url(&format!(
            "/launch#{}",
            token(&server, PHONE, 300, &unique_key())
        )))
        .await;
    browser.find("input[name='/scene/injured']").await;
    let text = browser.text("main").await;
    assert!(
        text.contains("浙A***45") && text.contains("138****8000") && !text.contains(PHONE),
        "{text}"
    );
    assert_eq!(
        server.count("SELECT count(*) FROM session WHERE phone_sealed IS NOT NULL"),
        0,
        "the tap that sends signs in"
    );
    browser
        .until(
            "the place is found",
            "document.querySelector('#app').innerText.includes('30.2741')",
        )
        .await;
    assert_ne!(
        browser
            .run("return document.querySelector('#loss_at').value")
            .await,
        json!("")
    );
    assert_eq!(browser.axe().await, Vec::<String>::new());
    // Missing answers are pointed out, and nothing is lost.
    browser.tap("button[type=submit]").await;
    browser.find("#summary").await;
    browser.tap("input[name='/scene/injured'][value=no]").await;
    browser.tap("input[value='motor.single']").await;
    for consent in ["privacy", "truth", "location"] {
        browser.tap(&format!("#consents-{consent}")).await;
    }
    browser.tap("button[type=submit]").await;
    browser
        .until("the number", "document.querySelector('#claim-no')")
        .await;
    assert_eq!(browser.path().await, "/report/done");
    assert!(!browser.has("#two-pages").await, "nobody else has written");
    let number = browser.text("#claim-no").await;
    assert!(claim_number(&number), "{number}");
    assert_eq!(
        server.count("SELECT count(*) FROM claim WHERE policy_id IS NOT NULL"),
        1
    );
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    // Already signed in: the claim opens at once.
    browser.tap(&format!("a[href='/claims/{number}']")).await;
    browser.find("[data-stage=registered]").await;
}

mod server {
    use super::*;

    /// Replayed, expired, altered, dated too far ahead, for an invalid phone number.
    #[test]
    fn a_link_that_is_not_right_signs_nobody_in() {
        let server = Server::start();
        let good = token(&server, PHONE, 300, "n1");
        let try_it = |token: &str| {
            let mut caller = server.caller();
            let answer = caller.post("/api/v1/launch", &json!({ "token": token }));
            if answer.status == 200 {
                assert_eq!(
                    caller.get("/api/v1/session").json()["signed_in"],
                    false,
                    "nobody is signed in without a word"
                );
                let ticket = json!({ "ticket": answer.json()["ticket"] }).to_string();
                let json = [("content-type", "application/json")];
                assert_eq!(
                    server
                        .caller()
                        .send("PUT", "/api/v1/launch", &json, ticket.as_bytes())
                        .status,
                    410,
                    "of another session"
                );
                assert_eq!(
                    caller
                        .send("PUT", "/api/v1/launch", &json, ticket.as_bytes())
                        .status,
                    200
                );
            }
            (
                answer.status,
                caller.get("/api/v1/session").json()["signed_in"].clone(),
            )
        };
        let (text, signature) = good.split_once('.').unwrap();
        let altered = format!("f{}", &text[1..]);
        for wrong in [
            format!("{altered}.{signature}"),
            format!(
                "{text}.{}",
                signature.replacen(|c: char| c.is_ascii_digit(), "x", 1)
            ),
            text.to_owned(),
            String::new(),
            token(&server, PHONE, -1, "n2"),
            token(&server, PHONE, 3600, "n3"),
            token(&server, "12345", 300, "n4"),
            token(&server, PHONE, 300, ""),
        ] {
            assert_eq!(try_it(&wrong), (410, json!(false)), "{wrong}");
        }
        assert_eq!(try_it(&good), (200, json!(true)));
        assert_eq!(try_it(&good), (410, json!(false)), "a link is used once");
    }
}

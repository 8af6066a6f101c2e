//! What the insurer asks for after the report: one list, verdicts on documents, and what it has
//! already.

use baoan_tests::papers::{jpeg, page, write};
use baoan_tests::{Caller, Server};
use serde_json::{Value, json};

use crate::papers::{back_to_list, claim_of, now, open_document, open_documents};

const ASK: &str = "supplement-asked";

fn day(server: &Server, after: i64) -> String {
    let at = claim_domain::Moment::from_rfc3339(&now(server)).unwrap();
    claim_domain::local_day(at.plus_seconds(after * 86_400)).to_string()
}

fn messages(server: &Server) -> usize {
    server
        .caller()
        .get("/demo/outbox")
        .text
        .matches("原因见材料清单")
        .count()
}

#[tokio::test]
async fn c8_each_verdict_is_seen_within_five_seconds_and_what_was_sent_back_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let number = claim_of(&mut server.caller(), &server, |_| {});
    let mut staff = Caller::staff(&server, "intake");
    let browser = open_documents(&server, &number).await;
    browser.tap("a.back").await;
    browser.find("#claim-no").await;
    let seen = async |what: &str, condition: &str| {
        let begin = std::time::Instant::now();
        browser.until(what, condition).await;
        println!("{what}: seen after {} ms", begin.elapsed().as_millis());
        assert!(
            begin.elapsed().as_secs() < 5,
            "{what} took {:?}",
            begin.elapsed()
        );
    };
    let until = day(&server, 7);
    assert_eq!(
        staff
            .step(
                &number,
                &[
                    ("kind", ASK),
                    ("reason", "请补交诊断证明"),
                    ("until", &until),
                    ("documents", "diagnosis")
                ]
            )
            .status,
        303
    );
    seen("the list", "document.querySelector('#supplement')").await;
    let said = browser.text("#supplement").await;
    for part in [
        "一次性清单",
        "诊断",
        "李 工号 1001",
        "请补交诊断证明",
        until.as_str(),
        "暂停",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The file is sent at once; it needs no claim request.
    let send = async |name: &str, seed: u32, files: usize| {
        let path = write(folder.path(), name, &jpeg(&page(1800, 1300, seed)));
        browser.choose("#album", &[path]).await;
        browser
            .until(
                "looked at",
                &format!("document.querySelectorAll('#files li').length === {files}"),
            )
            .await;
        back_to_list(&browser).await;
        browser.tap("#send-files").await;
        browser.until("received", "document.querySelector('[data-document=diagnosis] .tag').innerText.includes('已完成') && !document.querySelector('#sending')").await;
    };
    browser.tap("#supplement a").await;
    browser.find("#asked").await;
    send("first.jpg", 1, 1).await;
    assert_eq!(
        staff
            .step(
                &number,
                &[
                    ("kind", "document-judged"),
                    ("document", "diagnosis"),
                    ("accepted", "no")
                ]
            )
            .status,
        422,
        "a reason is needed"
    );
    let resend = [
        ("kind", "document-judged"),
        ("document", "diagnosis"),
        ("accepted", "no"),
        ("reason", "看不清日期"),
    ];
    browser.tap("a.back").await;
    browser.find("#claim-no").await;
    assert!(!browser.has("#supplement").await, "nothing is wanted now");
    assert_eq!(staff.step(&number, &resend).status, 303);
    seen("sent back", "document.querySelector('#supplement') && document.querySelector('#supplement').innerText.includes('看不清日期')")
        .await;
    browser.tap("#supplement a").await;
    browser.find("#sent-back").await;
    send("second.jpg", 4, 2).await;
    let accept = [
        ("kind", "document-judged"),
        ("document", "diagnosis"),
        ("accepted", "yes"),
    ];
    browser.tap("a.back").await;
    browser.find("#claim-no").await;
    assert_eq!(staff.step(&number, &accept).status, 303);
    seen(
        "accepted",
        "document.querySelector('#history').innerText.includes('已通过')",
    )
    .await;
    browser.tap("a[href$='/documents']").await;
    browser
        .until(
            "accepted in the list",
            "document.querySelector('[data-document=diagnosis] .tag').innerText.includes('已通过')",
        )
        .await;
    assert_eq!(server.stored_files().len(), 2);
    assert_eq!(browser.axe().await, Vec::<String>::new());
    open_document(&browser, "diagnosis").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

mod server {
    use super::*;

    #[test]
    fn c7_u6_a_second_list_needs_a_supervisor_and_a_reason() {
        let server = Server::start();
        let number = claim_of(&mut server.caller(), &server, |_| {});
        let (mut intake, mut supervisor) = (
            Caller::staff(&server, "intake"),
            Caller::staff(&server, "supervisor"),
        );
        let until = day(&server, 7);
        let ask = |staff: &mut Caller, until: &str, documents: &[&str], because: &str| {
            let mut fields = vec![
                ("kind", ASK),
                ("reason", "缺少诊断证明"),
                ("until", until),
                ("again_because", because),
            ];
            fields.extend(documents.iter().map(|d| ("documents", *d)));
            staff.step(&number, &fields).status
        };
        assert_eq!(ask(&mut intake, &until, &[], ""), 422, "an empty list");
        assert_eq!(
            ask(&mut intake, &until, &["submarine"], ""),
            422,
            "an unknown document"
        );
        assert_eq!(
            ask(&mut intake, &day(&server, -1), &["diagnosis"], ""),
            422,
            "a day that is over"
        );
        assert_eq!(messages(&server), 0);
        assert_eq!(
            ask(&mut intake, &until, &["diagnosis", "repair_list"], ""),
            303
        );
        assert_eq!(messages(&server), 1, "one message");
        for because in ["", "漏了一项"] {
            assert_eq!(ask(&mut intake, &until, &["weather"], because), 409);
        }
        assert_eq!(
            ask(&mut supervisor, &until, &["weather"], ""),
            409,
            "a supervisor says why, too"
        );
        assert_eq!(messages(&server), 1);
        assert_eq!(
            ask(&mut supervisor, &until, &["weather"], "客户补报了大雨"),
            303
        );
        let page = supervisor.get(&format!("/staff/claims/{number}")).text;
        assert!(
            page.contains("第 2 批材料")
                && page.contains("客户补报了大雨")
                && page.contains("（第 3 批）"),
            "{page}"
        );
    }

    /// 投诉办法第十三条: the insurer does not ask again for what it has.
    #[test]
    fn what_the_insurer_has_already_is_not_asked_for_again() {
        let server = Server::start();
        let mut caller = server.caller();
        let number = claim_of(&mut caller, &server, |n| {
            n["incident"] = json!("home.water");
            n["parts"] = json!([]);
            n["reporter"]["name"] = json!("陈静");
            n["reporter"]["phone"] = json!("13600136000");
            n["policy"] = json!({ "no": "PHOM20263301000004" });
        });
        caller.sign_in(&server, "13600136000");
        let tasks = caller
            .get(&format!("/api/v1/claims/{number}/requirements"))
            .json()["tasks"]
            .clone();
        let state = |id: &str| {
            tasks
                .as_array()
                .unwrap()
                .iter()
                .find(|t| t["document"] == id)
                .map(|t| t["state"].clone())
        };
        assert_eq!(
            (state("id_front"), state("id_back")),
            (Some(json!("on-file")), Some(json!("on-file"))),
            "{tasks}"
        );
        assert_eq!(state("house_right").unwrap_or(Value::Null), json!("todo"));
    }
}

//! The rules as a domain expert reads them: golden tables, and the product's promises by their rows
//! (A4, C1, C7, C10, C11, E6, E7, G2).

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::catalog::shipped;
use crate::notice::tests::{good, now};

fn notice(incident: &str) -> Notice {
    Notice {
        incident: incident.into(),
        ..good()
    }
}

/// A folder in which every relevant question is answered no, except that the money goes to the
/// insured.
fn plain(catalogue: &Catalogue, notice: &Notice) -> Folder {
    let mut folder = Folder::default();
    folder.answers.insert("payee_is_insured".into(), true);
    loop {
        let facts = folder.facts(notice, Some(100_000));
        let open: Vec<String> = catalogue
            .questions_for(&facts, &folder.answers)
            .iter()
            .map(|q| q.fact.clone())
            .collect();
        let before = folder.answers.len();
        for fact in open {
            folder.answers.entry(fact).or_insert(false);
        }
        if folder.answers.len() == before {
            return folder;
        }
    }
}

fn listed(catalogue: &Catalogue, notice: &Notice, folder: &Folder, amount: i64) -> Vec<String> {
    let tasks = folder.tasks(catalogue, &folder.facts(notice, Some(amount)));
    let mark = |t: &Task| match (t.need, t.phase) {
        (Need::Required, Phase::Payment) => "*",
        (Need::Required, _) => "",
        (Need::Possibly, _) => "??",
        _ => "?",
    };
    tasks
        .iter()
        .map(|t| format!("{}{}", t.document, mark(t)))
        .collect()
}

fn changed(before: &[String], after: &[String]) -> String {
    let added = after
        .iter()
        .filter(|d| !before.contains(d))
        .map(|d| format!("+{d}"));
    let gone = before
        .iter()
        .filter(|d| !after.contains(d))
        .map(|d| format!("−{d}"));
    added.chain(gone).collect::<Vec<_>>().join(" ")
}

#[test]
fn golden_lists_of_every_claim_type_and_condition() {
    let catalogue = shipped();
    let mut page = String::from(
        "# Documents of every claim type\n\nMade by the test `golden_lists_of_every_claim_type_and_condition`; read it as a domain expert and object to what is wrong. \
         `doc` is required with the claim request, `doc*` before payment, `doc?` is welcome. The first line answers every question no, the money goes to the insured, the loss is 1 000 元; \
         each further line changes one answer.\n",
    );
    for incident in &catalogue.incidents {
        let notice = notice(&incident.id);
        let folder = plain(&catalogue, &notice);
        let base = listed(&catalogue, &notice, &folder, 100_000);
        let _ = write!(
            page,
            "\n## {} {}\n\n{}\n\n| answer | change |\n|---|---|\n",
            incident.id,
            incident.name.zh,
            base.join(", ")
        );
        let hurt = Notice {
            scene: crate::safety::Scene {
                injured: Some(true),
                ..notice.scene.clone()
            },
            ..notice.clone()
        };
        let after = plain(&catalogue, &hurt);
        let line = changed(&base, &listed(&catalogue, &hurt, &after, 100_000));
        if !line.is_empty() {
            let _ = writeln!(page, "| has_injury | {line} |");
            for question in catalogue
                .questions_for(&after.facts(&hurt, None), &after.answers)
                .iter()
                .filter(|q| !folder.answers.contains_key(&q.fact))
            {
                let mut flipped = after.clone();
                flipped.answers.insert(question.fact.clone(), true);
                let with = changed(
                    &listed(&catalogue, &hurt, &after, 100_000),
                    &listed(&catalogue, &hurt, &flipped, 100_000),
                );
                let _ = writeln!(page, "| has_injury, {} | {with} |", question.fact);
            }
        }
        for question in catalogue.questions_for(&folder.facts(&notice, None), &folder.answers) {
            let mut flipped = folder.clone();
            let yes = flipped.answers.get_mut(&question.fact).unwrap();
            *yes = !*yes;
            let line = changed(&base, &listed(&catalogue, &notice, &flipped, 100_000));
            let answer = if flipped.answers[&question.fact] {
                question.fact.clone()
            } else {
                format!("not {}", question.fact)
            };
            let _ = writeln!(page, "| {answer} | {line} |");
        }
        let line = changed(&base, &listed(&catalogue, &notice, &folder, 200_001));
        let _ = writeln!(page, "| above 2 000 元 | {line} |");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/documents.md");
    if std::env::var_os("BAOAN_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == page,
        "golden/documents.md is not what the rules say; look at the change, then run with BAOAN_BLESS=1"
    );
}

fn difference(
    notice_a: &Notice,
    a: &Folder,
    notice_b: &Notice,
    b: &Folder,
) -> (Vec<String>, Vec<String>) {
    let catalogue = shipped();
    let ids = |notice: &Notice, folder: &Folder| -> Vec<String> {
        folder
            .tasks(&catalogue, &folder.facts(notice, Some(500_000)))
            .into_iter()
            .map(|t| t.document)
            .collect()
    };
    let (a, b) = (ids(notice_a, a), ids(notice_b, b));
    (
        b.iter().filter(|d| !a.contains(d)).cloned().collect(),
        a.iter().filter(|d| !b.contains(d)).cloned().collect(),
    )
}

#[test]
fn a4_injury_yes_adds_exactly_the_injury_documents() {
    let catalogue = shipped();
    let without = notice("motor.single");
    let mut with = without.clone();
    with.scene.injured = Some(true);
    let folder = plain(&catalogue, &without);
    let mut treated = plain(&catalogue, &with);
    treated.answers.insert("treated".into(), true);
    let (added, gone) = difference(&without, &folder, &with, &treated);
    assert_eq!(
        added,
        [
            "accident_report",
            "pay_proof_tp",
            "injured_id",
            "diagnosis",
            "medical_record",
            "medical_invoice",
            "medical_list"
        ]
    );
    assert_eq!(gone, Vec::<String>::new());
}

fn with(folder: &Folder, fact: &str, yes: bool) -> Folder {
    let mut folder = folder.clone();
    folder.answers.insert(fact.into(), yes);
    folder
}

#[test]
fn e6_direct_settlement_removes_invoice_and_list_and_adds_the_authorisation() {
    let notice = notice("motor.multi");
    let folder = plain(&shipped(), &notice);
    let (added, gone) = difference(
        &notice,
        &folder,
        &notice,
        &with(&folder, "direct_settlement", true),
    );
    assert_eq!(
        (added, gone),
        (
            vec!["direct_auth".to_owned()],
            vec!["repair_invoice".to_owned(), "repair_list".to_owned()]
        )
    );
}

#[test]
fn e7_up_to_two_thousand_yuan_no_invoice_is_asked() {
    let catalogue = shipped();
    let notice = notice("motor.single");
    let folder = plain(&catalogue, &notice);
    let asked = |fen: Option<i64>| {
        let facts = folder.facts(&notice, fen);
        catalogue.need(catalogue.document("repair_invoice").unwrap(), &facts)
    };
    assert_eq!(asked(Some(199_999)), Need::No);
    assert_eq!(asked(Some(200_000)), Need::No);
    assert_eq!(asked(Some(200_001)), Need::Required);
    assert_eq!(
        asked(None),
        Need::Possibly,
        "before the assessment nobody knows"
    );
}

#[test]
fn g2_another_payee_adds_exactly_three_documents() {
    let notice = notice("motor.single");
    let folder = plain(&shipped(), &notice);
    let (added, gone) = difference(
        &notice,
        &folder,
        &notice,
        &with(&folder, "payee_is_insured", false),
    );
    assert_eq!(added, ["relation_proof", "payee_id", "payee_auth"]);
    assert_eq!(gone, Vec::<String>::new());
}

fn file(id: &str, document: &str) -> File {
    File {
        id: id.into(),
        document: document.into(),
        format: Format::Jpeg,
        bytes: 1,
        sha256: id.into(),
        original_sha256: id.into(),
        taken_at: None,
        place: None,
        look: None,
        pdf: None,
        kept_because: None,
        salvaged: false,
        returned: false,
    }
}

fn signed() -> Signature {
    Signature {
        strokes: vec![
            (0..40)
                .map(|i| [100 + i * 10, 200 + (i % 7) * 60])
                .collect(),
        ],
        typed: String::new(),
    }
}

fn agreed(catalogue: &Catalogue, facts: &Facts) -> Vec<Agreed> {
    catalogue
        .consents_for(Asked::Request, facts)
        .map(|c| Agreed {
            id: c.id.clone(),
            version: c.version,
            at: now(),
        })
        .collect()
}

/// Files for everything that is asked with the claim request.
fn complete(catalogue: &Catalogue, notice: &Notice) -> Folder {
    let mut folder = plain(catalogue, notice);
    for task in folder.tasks(catalogue, &folder.facts(notice, Some(100_000))) {
        let document = catalogue.document(&task.document).unwrap();
        for i in 0..document.min {
            folder
                .files
                .push(file(&format!("{}-{i}", document.id), &document.id));
        }
    }
    folder.typed.insert(
        "bank_card".into(),
        [(Field::Card, "6222020000000000000".to_owned())].into(),
    );
    folder
}

#[test]
fn c1_the_count_is_the_number_of_unmet_documents_in_any_order() {
    let catalogue = shipped();
    let notice = notice("motor.single");
    let whole = complete(&catalogue, &notice);
    let facts = whole.facts(&notice, Some(100_000));
    let missing = |folder: &Folder| {
        folder
            .tasks(&catalogue, &facts)
            .iter()
            .filter(|t| t.is_missing())
            .count()
    };
    assert_eq!(missing(&whole), 0);
    let mut folder = Folder {
        files: Vec::new(),
        typed: BTreeMap::new(),
        ..whole.clone()
    };
    let all = missing(&folder);
    assert_eq!(
        all,
        folder
            .tasks(&catalogue, &facts)
            .iter()
            .filter(|t| t.need == Need::Required)
            .count()
    );
    // From the back, one document after the other.
    let mut left = all;
    for document in catalogue
        .papers
        .documents
        .iter()
        .rev()
        .map(|d| d.id.clone())
    {
        let before = folder.files.len() + folder.typed.len();
        folder.files.extend(
            whole
                .files
                .iter()
                .filter(|f| f.document == document)
                .cloned(),
        );
        folder.typed.extend(
            whole
                .typed
                .get(&document)
                .map(|t| (document.clone(), t.clone())),
        );
        let wanted = folder
            .tasks(&catalogue, &facts)
            .iter()
            .any(|t| t.document == document && t.need == Need::Required);
        if folder.files.len() + folder.typed.len() > before && wanted {
            left -= 1;
        }
        assert_eq!(missing(&folder), left, "{document}");
    }
    assert_eq!(left, 0);
}

#[test]
fn c10_a_document_that_cannot_be_had_does_not_stop_the_claim() {
    let catalogue = shipped();
    let notice = notice("motor.multi");
    let mut folder = complete(&catalogue, &notice);
    folder.files.retain(|f| f.document != "accident_report");
    let facts = folder.facts(&notice, Some(100_000));
    let consents = agreed(&catalogue, &facts);
    let hinders =
        |folder: &Folder| folder.hinders(&catalogue, &facts, (&signed(), "张伟"), &consents);
    assert_eq!(
        hinders(&folder),
        [FieldError::new(
            "/documents/accident_report",
            Code::DocumentMissing
        )]
    );
    folder
        .unavailable
        .insert("accident_report".into(), "".into());
    assert_eq!(
        hinders(&folder),
        [FieldError::new(
            "/unavailable/accident_report",
            Code::ReasonMissing
        )]
    );
    folder
        .unavailable
        .insert("accident_report".into(), "交警说还要等一周".into());
    assert_eq!(hinders(&folder), []);
    let task = folder
        .tasks(&catalogue, &facts)
        .into_iter()
        .find(|t| t.document == "accident_report")
        .unwrap();
    assert_eq!(task.state, State::Unavailable);
    assert!(!task.is_missing());
}

#[test]
fn c11_what_the_insurer_has_is_never_asked_again() {
    let catalogue = shipped();
    let notice = notice("motor.single");
    let mut folder = plain(&catalogue, &notice);
    folder.on_file = vec![
        "id_front".into(),
        "id_back".into(),
        "vehicle_license".into(),
    ];
    let tasks = folder.tasks(&catalogue, &folder.facts(&notice, None));
    for id in &folder.on_file {
        let task = tasks.iter().find(|t| t.document == *id).unwrap();
        assert!(task.state == State::OnFile && !task.is_missing(), "{id}");
    }
    assert!(
        catalogue
            .papers
            .documents
            .iter()
            .all(|d| !d.name.zh.contains("保险单")),
        "the policy itself is never asked for"
    );
}

#[test]
fn only_signature_consent_and_bare_documents_hinder_a_claim_request() {
    let catalogue = shipped();
    let notice = notice("health.outpatient");
    let mut folder = complete(&catalogue, &notice);
    let facts = folder.facts(&notice, None);
    let consents = agreed(&catalogue, &facts);
    assert_eq!(
        folder.hinders(&catalogue, &facts, (&signed(), "张伟"), &consents),
        []
    );
    let unsigned = folder.hinders(
        &catalogue,
        &facts,
        (&Signature::default(), "张伟"),
        &consents,
    );
    assert_eq!(
        unsigned,
        [FieldError::new("/signature", Code::SignatureMissing)]
    );
    let dot = Signature {
        strokes: vec![vec![[1, 1]; 40]],
        typed: String::new(),
    };
    assert_eq!(
        folder.hinders(&catalogue, &facts, (&dot, "张伟"), &consents)[0].code,
        Code::SignatureShort
    );
    // For those who cannot draw: the name, as it stands on the report.
    let typed = |name: &str| Signature {
        strokes: Vec::new(),
        typed: name.into(),
    };
    assert_eq!(
        folder.hinders(&catalogue, &facts, (&typed("张 伟"), "张伟"), &consents),
        []
    );
    assert_eq!(
        folder.hinders(&catalogue, &facts, (&typed("李四"), "张伟"), &consents)[0].code,
        Code::NameDiffers
    );
    assert!(
        folder
            .hinders(&catalogue, &facts, (&signed(), "张伟"), &[])
            .iter()
            .all(|e| e.code == Code::ConsentMissing && e.field.starts_with("/consents/"))
    );
    // One page of two only counts as started, and documents needed before payment can wait.
    folder.files.retain(|f| f.document != "medical_list");
    assert!(
        folder
            .hinders(&catalogue, &facts, (&signed(), "张伟"), &consents)
            .iter()
            .any(|e| e.field == "/documents/medical_list")
    );
}

#[test]
fn a_condition_that_falls_away_keeps_its_files() {
    let catalogue = shipped();
    let notice = notice("motor.single");
    let mut folder = with(&plain(&catalogue, &notice), "vehicle_towed", true);
    folder.files.push(file("t", "tow_invoice"));
    let state = |folder: &Folder| {
        folder
            .tasks(&catalogue, &folder.facts(&notice, None))
            .into_iter()
            .find(|t| t.document == "tow_invoice")
            .map(|t| t.state)
    };
    assert_eq!(state(&folder), Some(State::Done));
    folder.answers.insert("vehicle_towed".into(), false);
    assert_eq!(state(&folder), Some(State::NotNeeded));
    folder.files.clear();
    assert_eq!(state(&folder), None);
}

#[test]
fn deregistration_and_cremation_together_replace_the_death_certificate() {
    let catalogue = shipped();
    let notice = notice("health.death");
    let mut folder = plain(&catalogue, &notice);
    let missing = |folder: &Folder| {
        folder
            .tasks(&catalogue, &folder.facts(&notice, None))
            .iter()
            .any(|t| t.document == "death_cert" && t.is_missing())
    };
    assert!(missing(&folder));
    folder.files.push(file("h", "hukou_cancel"));
    assert!(missing(&folder));
    folder.files.push(file("c", "cremation"));
    assert!(!missing(&folder));
}

proptest! {
    #[test]
    fn unknown_answers_never_block_and_asking_ends(incident in 0usize..17, answers in proptest::collection::vec(proptest::option::of(any::<bool>()), 36), amount in proptest::option::of(0i64..1_000_000)) {
        let catalogue = shipped();
        let notice = notice(&catalogue.incidents[incident % catalogue.incidents.len()].id);
        let mut folder = Folder::default();
        for (question, answer) in catalogue.papers.questions.iter().zip(&answers) {
            folder.answers.extend(answer.map(|yes| (question.fact.clone(), yes)));
        }
        let facts = folder.facts(&notice, amount);
        let tasks = folder.tasks(&catalogue, &facts);
        for task in &tasks {
            let document = catalogue.document(&task.document).unwrap();
            let mut named = Vec::new();
            document.when.0.facts(&mut named);
            prop_assert!(task.need != Need::Possibly || named.iter().any(|f| !folder.answers.contains_key(*f)));
        }
        // What the app computes from its compiled catalogue is what the server computes.
        let compiled = Catalogue::whole_from_compiled(&catalogue.compiled()).unwrap();
        prop_assert_eq!(tasks, folder.tasks(&compiled, &facts));
    }
}

#[test]
fn what_is_asked_for_in_addition_is_required_until_a_file_comes() {
    let catalogue = shipped();
    let facts = Facts::default();
    let mut folder = Folder::default();
    let task = |folder: &Folder| {
        folder
            .tasks(&catalogue, &facts)
            .into_iter()
            .find(|t| t.document == "weather")
    };
    folder.asked.insert("weather".into(), 0);
    assert_eq!(
        task(&folder).map(|t| (t.need, t.state)),
        Some((Need::Required, State::Todo))
    );
    folder.files = vec![file("a", "weather"), file("b", "weather")];
    assert_eq!(task(&folder).map(|t| t.state), Some(State::Done));
    // Asked for again although the maximum of two is there: there is room for more, and one is
    // missing.
    let document = catalogue.document("weather").unwrap();
    assert_eq!((document.max, folder.room(document)), (2, 0));
    folder.asked.insert("weather".into(), 2);
    assert_eq!(
        (task(&folder).map(|t| t.state), folder.room(document)),
        (Some(State::Todo), 2)
    );
    // What was sent back does not count.
    folder.asked.clear();
    folder.files.iter_mut().for_each(|f| f.returned = true);
    assert_eq!(folder.room(document), 2);
}

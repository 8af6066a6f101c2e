//! Ten thousand random claims: the app (WASM, compiled catalogue) reaches the same lists and
//! verdicts as the server (native, `catalog.json`). Run on both; golden/lists.txt holds the
//! fingerprint of all of them.

use claim_domain::Catalogue;
use claim_domain::catalog::Need;
use claim_domain::documents::{File, Folder, Format};
use claim_domain::notice::{Notice, Place, PolicyRef, Reporter};
use claim_domain::safety::Scene;
use sha2::{Digest, Sha256};

const CLAIMS: u32 = 10_000;

/// Numbers that look random and are the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn fingerprint(catalogue: &Catalogue) -> String {
    let mut dice = Dice(7);
    let mut sum = Sha256::new();
    for _ in 0..CLAIMS {
        let incident = &catalogue.incidents[dice.roll(catalogue.incidents.len())];
        let notice = Notice {
            incident: incident.id.clone(),
            scene: Scene {
                injured: [None, Some(false), Some(true)][dice.roll(3)],
                ..Scene::default()
            },
            loss_at: claim_domain::Moment(1_790_000_000),
            about: false,
            place: Place::default(),
            parts: vec![],
            narrative: String::new(),
            reporter: Reporter {
                role: catalogue.roles[dice.roll(catalogue.roles.len())].id.clone(),
                ..Reporter::default()
            },
            policy: PolicyRef::default(),
            consents: vec![],
        };
        let mut folder = Folder::default();
        for question in &catalogue.papers.questions {
            match dice.roll(3) {
                0 => {}
                n => drop(folder.answers.insert(question.fact.clone(), n == 1)),
            }
        }
        for _ in 0..dice.roll(6) {
            let document =
                &catalogue.papers.documents[dice.roll(catalogue.papers.documents.len())].id;
            let id = dice.roll(1000).to_string();
            folder.files.push(File {
                id: id.clone(),
                document: document.clone(),
                format: Format::Jpeg,
                bytes: 1,
                sha256: id.clone(),
                original_sha256: id,
                taken_at: None,
                place: None,
                look: None,
                pdf: None,
                kept_because: None,
                salvaged: false,
                returned: false,
            });
        }
        let amount = [None, Some(199_999), Some(200_001)][dice.roll(3)];
        let facts = folder.facts(&notice, amount);
        for task in folder.tasks(catalogue, &facts) {
            assert!(task.need != Need::No || task.files > 0);
            sum.update(format!(
                "{} {:?} {:?} {:?} {}\n",
                task.document, task.need, task.phase, task.state, task.files
            ));
        }
        for question in catalogue.questions_for(&facts, &folder.answers) {
            sum.update(&question.fact);
        }
    }
    sum.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// The fingerprint and the compiled catalogue that it was made from.
const GOLDEN: &str = include_str!("../golden/lists.txt");

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn b3_u9_the_server_comes_to_the_golden_lists() {
    let catalogue = Catalogue::load(include_str!("../../../public/catalog.json")).unwrap();
    let found = fingerprint(&catalogue);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    if std::env::var_os("BAOAN_BLESS").is_some() {
        std::fs::write(format!("{folder}/lists.txt"), format!("{found}\n")).unwrap();
        std::fs::write(format!("{folder}/catalog.bin"), catalogue.compiled()).unwrap();
    }
    assert_eq!(
        GOLDEN.trim(),
        found,
        "the lists have changed: look at golden/documents.md, then run with BAOAN_BLESS=1"
    );
    assert!(
        std::fs::read(format!("{folder}/catalog.bin")).unwrap() == catalogue.compiled(),
        "golden/catalog.bin: run with BAOAN_BLESS=1"
    );
}

#[cfg(target_arch = "wasm32")]
mod in_the_browser {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

    #[wasm_bindgen_test]
    fn b3_u9_the_app_comes_to_the_golden_lists() {
        let catalogue =
            Catalogue::whole_from_compiled(include_bytes!("../golden/catalog.bin")).unwrap();
        assert_eq!(GOLDEN.trim(), fingerprint(&catalogue));
    }
}

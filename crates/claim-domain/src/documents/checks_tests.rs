//! Each rule, given measurements; the tests with real pictures are in claim-photo and in the
//! journeys.

use super::*;
use crate::catalog::shipped;
use crate::notice::tests::{good, now};

fn look() -> Measures {
    Measures {
        width: 2048,
        height: 1536,
        sharp: 900,
        grey: 140,
        burnt_permille: 10,
        dhash: "00ff00ff00ff00ff".into(),
        fill_permille: 800,
        aspect_permille: 1585,
        codes: vec![],
    }
}

fn file(id: &str, document: &str) -> File {
    File {
        id: id.into(),
        document: document.into(),
        format: Format::Jpeg,
        bytes: 300_000,
        sha256: format!("s{id}"),
        original_sha256: format!("o{id}"),
        taken_at: Some(good().loss_at.plus_seconds(300)),
        place: None,
        look: Some(look()),
        pdf: None,
        kept_because: None,
        salvaged: false,
        returned: false,
    }
}

fn codes(found: &[Doubt]) -> Vec<(&str, Severity, Code)> {
    found
        .iter()
        .map(|d| (d.rule.as_str(), d.severity, d.finding.code))
        .collect()
}

fn judged(files: Vec<File>, typed: &[(&str, Field, &str)]) -> Vec<Doubt> {
    let catalogue = shipped();
    let notice = good().check(&catalogue, now()).unwrap().notice;
    let mut folder = Folder {
        files,
        ..Folder::default()
    };
    for (key, field, text) in typed {
        folder
            .typed
            .entry((*key).to_owned())
            .or_default()
            .insert(*field, (*text).to_owned());
    }
    Case {
        catalogue: &catalogue,
        notice: &notice,
        now: now(),
    }
    .of_folder(&folder)
}

type Spoil = fn(&mut File);

#[test]
fn each_measure_has_its_one_reason_and_a_clean_file_has_none() {
    assert_eq!(
        judged(
            vec![
                file("a", "scene"),
                file("f", "id_front"),
                file("b", "id_back")
            ],
            &[]
        ),
        []
    );
    let day = 86_400;
    let _ = day;
    let table: [(&str, Spoil, &str, Severity, Code); 15] = [
        (
            "scene",
            |f| f.format = Format::Pdf,
            "K01",
            Severity::Block,
            Code::PhotoPdf,
        ),
        (
            "diagnosis",
            |f| f.look.as_mut().unwrap().height = 700,
            "K04",
            Severity::Warn,
            Code::PhotoSmall,
        ),
        (
            "scene",
            |f| f.look.as_mut().unwrap().width = 470,
            "K04",
            Severity::Info,
            Code::PhotoSmall,
        ),
        (
            "diagnosis",
            |f| f.look.as_mut().unwrap().sharp = 20,
            "K05",
            Severity::Warn,
            Code::PhotoBlurred,
        ),
        (
            "scene",
            |f| f.look.as_mut().unwrap().sharp = 5,
            "K05",
            Severity::Warn,
            Code::PhotoBlurred,
        ),
        (
            "scene",
            |f| f.look.as_mut().unwrap().grey = 30,
            "K06",
            Severity::Warn,
            Code::PhotoDark,
        ),
        (
            "scene",
            |f| f.look.as_mut().unwrap().grey = 240,
            "K06",
            Severity::Warn,
            Code::PhotoBright,
        ),
        (
            "diagnosis",
            |f| f.look.as_mut().unwrap().burnt_permille = 300,
            "K06",
            Severity::Warn,
            Code::PhotoGlare,
        ),
        (
            "payee_id",
            |f| f.look.as_mut().unwrap().fill_permille = 200,
            "K09",
            Severity::Warn,
            Code::PhotoFar,
        ),
        (
            "payee_id",
            |f| f.look.as_mut().unwrap().aspect_permille = 1100,
            "K09",
            Severity::Warn,
            Code::PhotoFar,
        ),
        (
            "scene",
            |f| f.taken_at = Some(good().loss_at.plus_seconds(-7200)),
            "K12",
            Severity::Warn,
            Code::PhotoEarly,
        ),
        (
            "scene",
            |f| f.taken_at = Some(good().loss_at.plus_seconds(31 * 86_400)),
            "K12",
            Severity::Warn,
            Code::PhotoLate,
        ),
        (
            "diagnosis",
            |f| {
                f.pdf = Some(Pdf {
                    pages: 2,
                    locked: true,
                })
            },
            "K13",
            Severity::Block,
            Code::PdfLocked,
        ),
        (
            "diagnosis",
            |f| {
                f.pdf = Some(Pdf {
                    pages: 51,
                    locked: false,
                })
            },
            "K13",
            Severity::Block,
            Code::PdfLong,
        ),
        (
            "medical_invoice",
            |f| {
                f.look.as_mut().unwrap().codes =
                    vec!["01,32,,26332000000012345678,88.00,20261120,,1A2B".into()]
            },
            "K17",
            Severity::Info,
            Code::BetterFile,
        ),
    ];
    for (document, spoil, rule, severity, code) in table {
        let mut spoilt = file("x", document);
        spoil(&mut spoilt);
        // The other side of the payee's card does not matter here.
        let found: Vec<Doubt> = judged(vec![spoilt], &[])
            .into_iter()
            .filter(|d| d.finding.code != Code::SideMissing)
            .collect();
        assert_eq!(codes(&found), [(rule, severity, code)]);
        assert_eq!(found[0].finding.field, "/files/x");
    }
}

#[test]
fn k07_and_k08_compare_with_the_files_before() {
    let mut same = file("b", "scene");
    same.original_sha256 = "oa".into();
    assert_eq!(
        codes(&judged(vec![file("a", "scene"), same.clone()], &[])),
        [("K07", Severity::Block, Code::PhotoDuplicate)]
    );
    same.document = "plate_photo".into();
    assert_eq!(
        codes(&judged(vec![file("a", "scene"), same], &[])),
        [("K07", Severity::Warn, Code::PhotoElsewhere)]
    );
    let mut alike = file("b", "scene");
    alike.look.as_mut().unwrap().dhash = "00ff00ff00ff00f0".into();
    assert_eq!(
        codes(&judged(vec![file("a", "scene"), alike.clone()], &[])),
        [("K08", Severity::Warn, Code::PhotoAlike)]
    );
    alike.look.as_mut().unwrap().dhash = "00ff00ff00ff0ff0".into();
    assert_eq!(judged(vec![file("a", "scene"), alike], &[]), []);
}

#[test]
fn k10_names_the_side_that_is_missing() {
    let found = judged(vec![file("f", "id_front")], &[]);
    assert_eq!(
        (codes(&found), found[0].finding.field.as_str()),
        (
            vec![("K10", Severity::Warn, Code::SideMissing)],
            "/documents/id_back"
        )
    );
    assert_eq!(
        judged(vec![file("l", "vehicle_license")], &[])[0]
            .finding
            .field,
        "/documents/vehicle_license"
    );
    let pdf = File {
        format: Format::Pdf,
        look: None,
        ..file("l", "vehicle_license")
    };
    assert_eq!(judged(vec![pdf], &[]), []);
}

#[test]
fn typed_values_are_compared_with_the_notice() {
    let table: [(&str, Field, &str, &str, Code); 9] = [
        (
            "id_back",
            Field::ValidUntil,
            "2026-01-01",
            "K11",
            Code::Expired,
        ),
        (
            "driver_license",
            Field::ValidUntil,
            "2020.1.1",
            "K11",
            Code::Expired,
        ),
        ("id_front", Field::Name, "张玮", "K14", Code::NameDiffers),
        (
            "vehicle_license",
            Field::Plate,
            "浙A12346",
            "K15",
            Code::NumberDiffers,
        ),
        (
            "id_front",
            Field::IdNo,
            "110105194912310021",
            "K15",
            Code::IdCheck,
        ),
        (
            "vin_photo",
            Field::Vin,
            "LFV2A21K0A3000001",
            "K15",
            Code::VinCheck,
        ),
        (
            "biz_license",
            Field::Uscc,
            "91350100M000100Y44",
            "K15",
            Code::UsccCheck,
        ),
        (
            "repair_invoice",
            Field::InvoiceDate,
            "2026-11-01",
            "K16",
            Code::InvoiceEarly,
        ),
        (
            "loss_list",
            Field::Items,
            "电视 3000\n沙发",
            "K15",
            Code::ItemsFormat,
        ),
    ];
    for (key, field, text, rule, code) in table {
        let found = judged(vec![], &[(key, field, text)]);
        assert_eq!(codes(&found), [(rule, Severity::Warn, code)], "{text}");
        assert_eq!(
            found[0].finding.field,
            format!("/typed/{key}/{}", field.as_str())
        );
    }
    let clean = [
        ("id_back", Field::ValidUntil, "长期"),
        ("id_front", Field::Name, " 张 伟"),
        ("vehicle_license", Field::Plate, "浙A·12345"),
        ("loss_list", Field::Items, "电视 2021 3000\n沙发 1,200.50"),
        ("bank_card", Field::Card, "6222020000000000000"),
    ];
    assert_eq!(judged(vec![], &clean), []);
    let vins = [
        ("vehicle_license", Field::Vin, "LSJA24U62JG269225"),
        ("vin_photo", Field::Vin, "LDC613P23A1305189"),
    ];
    assert_eq!(
        codes(&judged(vec![], &vins)),
        [("K15", Severity::Warn, Code::NumberDiffers)]
    );
}

#[test]
fn k16_invoices_are_there_once_and_add_up() {
    let files = || {
        vec![
            file("i1", "medical_invoice"),
            File {
                original_sha256: "other".into(),
                ..file("i2", "medical_invoice")
            },
        ]
    };
    let twice = [
        ("i1", Field::InvoiceNo, "1234 5678"),
        ("i2", Field::InvoiceNo, "12345678"),
    ];
    assert_eq!(
        codes(&judged(files(), &twice)),
        [("K16", Severity::Warn, Code::InvoiceTwice)]
    );
    let sums = |list: &'static str| {
        [
            ("i1", Field::Amount, "100.00"),
            ("i2", Field::Amount, "50"),
            ("medical_list", Field::Amount, list),
        ]
    };
    assert_eq!(judged(files(), &sums("150.50")), []);
    let found = judged(files(), &sums("180"));
    assert_eq!(
        (codes(&found), found[0].finding.field.as_str()),
        (
            vec![("K16", Severity::Warn, Code::InvoiceSum)],
            "/documents/medical_list"
        )
    );
}

#[test]
fn every_rule_has_words() {
    let catalogue = shipped();
    let rules: BTreeSet<u8> = Code::ALL.iter().map(|c| rule(*c)).collect();
    assert_eq!(rules, (1..=17).collect());
    assert!(
        Code::ALL
            .iter()
            .all(|c| catalogue.errors.contains_key(c.as_str()))
    );
}

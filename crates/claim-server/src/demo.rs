//! Invented people, valid in form: policies of all three lines, and one member of staff per desk.

use claim_domain::lifecycle::Desk;

use crate::failure::{Failure, Result};
use crate::{App, now, staff};

pub struct Person {
    pub name: &'static str,
    pub phone: &'static str,
    pub id_no: &'static str,
    pub lob: &'static str,
    pub policy_no: &'static str,
    pub plate: Option<&'static str>,
    /// The policy ended last year.
    pub lapsed: bool,
    /// What the insurer has of this person already: ids of documents.
    pub on_file: &'static [&'static str],
}

const fn person(
    name: &'static str,
    phone: &'static str,
    id_no: &'static str,
    lob: &'static str,
    policy_no: &'static str,
    plate: Option<&'static str>,
) -> Person {
    Person { name, phone, id_no, lob, policy_no, plate, lapsed: false, on_file: &[] }
}

/// ID numbers have the right check character and belong to nobody we know of: sequence 001, 002 … of round dates.
pub const PEOPLE: [Person; 5] = [
    person("张伟", "13800138000", "11010519491231002X", "motor", "PDAA20263301000001", Some("浙A12345")),
    person("欧阳娜娜", "13900139000", "310101199003071230", "motor", "PDAA20263301000002", Some("沪AD12345")),
    person("阿卜杜拉·买买提", "13700137000", "110101200002290018", "health", "PHEA20263301000003", None),
    Person {
        on_file: &["id_front", "id_back"], ..person("陈静", "13600136000", "320311197707060018", "home", "PHOM20263301000004", None)
    },
    Person { lapsed: true, ..person("李强", "13500135000", "130503196704010016", "motor", "PDAA20253301000005", Some("京A54321")) },
];

pub const STAFF: [(&str, &str, Desk); 6] = [
    ("intake", "李 工号 1001", Desk::Intake),
    ("surveyor", "赵 工号 2001", Desk::Surveyor),
    ("assessor", "钱 工号 3001", Desk::Assessor),
    ("adjudicator", "孙 工号 4001", Desk::Adjudicator),
    ("finance", "周 工号 5001", Desk::Finance),
    ("supervisor", "吴 工号 6001", Desk::Supervisor),
];

pub fn password(name: &str) -> String {
    format!("demo-{name}")
}

/// Writes what is not there yet.
pub async fn seed(app: &App) -> Result<()> {
    let at = now().0;
    let mut tx = app.store.begin().await?;
    for person in &PEOPLE {
        let (starts, ends) = if person.lapsed { (at - 700 * 86_400, at - 335 * 86_400) } else { (at - 120 * 86_400, at + 245 * 86_400) };
        sqlx::query(
            "INSERT INTO policy (id, no, lob, insured_sealed, phone_index, id_no_index, plate, starts_at, ends_at, on_file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (no) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at, on_file = excluded.on_file",
        )
        .bind(format!("demo-{}", person.policy_no))
        .bind(person.policy_no)
        .bind(person.lob)
        .bind(app.vault.seal(person.name))
        .bind(app.vault.index("phone", person.phone))
        .bind(app.vault.index("id", person.id_no))
        .bind(person.plate)
        .bind(starts)
        .bind(ends)
        .bind(serde_json::to_string(person.on_file).unwrap_or_default())
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    let there: i64 = sqlx::query_scalar("SELECT count(*) FROM staff").fetch_one(&app.store.read).await?;
    if there == 0 {
        for (name, shown_as, desk) in STAFF {
            staff::add_staff(app, name, shown_as, desk, &password(name)).await.map_err(|e| Failure::internal("demo staff", e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use claim_domain::validate::{Verdict, id_no, mobile, name, plate, policy_no};

    #[test]
    fn everybody_is_valid_in_form() {
        for p in &PEOPLE {
            let mut verdicts =
                vec![name(p.name), mobile(p.phone), id_no(p.id_no, claim_domain::local_day(now())), policy_no(p.policy_no, &[])];
            verdicts.extend(p.plate.map(plate));
            assert!(verdicts.iter().all(|v| matches!(v, Verdict::Ok(_))), "{}: {verdicts:?}", p.name);
        }
    }
}

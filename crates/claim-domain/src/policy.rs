//! A policy: who is insured against what, by which covers, and who gets the money after a death.
//!
//! Promise: [`Policy::check`] names every invalid field, and lets nothing through that would make a
//! claim impossible to decide: a cover without a sum, a share above the whole, a period that ends
//! before it begins.

use serde::{Deserialize, Serialize};

use crate::catalog::Lob;
use crate::lifecycle::Left;
use crate::notice::FieldError;
use crate::validate::{self, Code, Verdict};
use crate::{Day, Moment, local_day, money};

/// Somebody in a policy: a person, or a company by its credit code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Party {
    pub name: String,
    /// ID card, passport or permit of a person; 统一社会信用代码 of a company.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id_no: String,
    /// A code sent to it proves who somebody is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phone: String,
}

impl Party {
    /// A company: its number is a credit code.
    pub fn is_company(&self) -> bool {
        validate::uscc(&self.id_no).value().is_some() && !self.is_citizen()
    }

    fn is_citizen(&self) -> bool {
        // The day does not matter for the check character.
        Day::new(2100, 1, 1)
            .is_some_and(|late| matches!(validate::id_no(&self.id_no, late), Verdict::Ok(_)))
    }

    /// Date of birth, if the number contains it.
    pub fn born(&self) -> Option<Day> {
        let number = self.id_no.get(6..14).filter(|_| self.is_citizen())?;
        Day::parse(&format!(
            "{}-{}-{}",
            &number[..4],
            &number[4..6],
            &number[6..]
        ))
    }

    /// Younger than `years` on `day`; unknown if the number does not say.
    pub fn is_under(&self, years: i32, day: Day) -> Option<bool> {
        self.born().map(|born| born.plus_years(years) > day)
    }

    /// The same number, or if either has none, the same name.
    pub fn is_same(&self, other: &Party) -> bool {
        match (self.id_no.is_empty(), other.id_no.is_empty()) {
            (false, false) => self.id_no == other.id_no,
            _ => validate::same_name(&self.name, &other.name),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Vehicle {
    #[serde(default)]
    pub plate: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub vin: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine_no: String,
}

/// Who gets the money after a death. Without stated shares they share equally
/// (保险法第四十条、第十八条).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Beneficiary {
    #[serde(flatten)]
    pub party: Party,
    /// Hundredths of a percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_bp: Option<u32>,
}

/// What the sum insured applies to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Each loss anew.
    Event,
    /// All losses of the policy's year together.
    #[default]
    Year,
}

fn whole() -> u32 {
    10_000
}

/// One thing that a policy pays for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Cover {
    pub code: String,
    pub name: String,
    /// 保险金额, fen.
    pub sum_fen: i64,
    #[serde(default)]
    pub per: Per,
    /// 免赔额, fen, and 免赔率 in hundredths of a percent.
    #[serde(default)]
    pub deductible_fen: i64,
    #[serde(default)]
    pub deductible_bp: u32,
    /// 给付比例, hundredths of a percent.
    #[serde(default = "whole")]
    pub share_bp: u32,
    /// 等待期, days from the beginning.
    #[serde(default)]
    pub waiting_days: u16,
    /// 医院等级 that is asked for, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hospital: String,
    /// 津贴: fen a day, and the most days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_fen: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_days: Option<u16>,
    /// 责任免除, each by its clause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusions: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub no: String,
    pub lob: Lob,
    /// First and last day in force, Asia/Shanghai.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Date))]
    pub from: Day,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Date))]
    pub to: Day,
    /// 投保人.
    pub holder: Party,
    /// 被保险人.
    pub insured: Vec<Party>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<Vehicle>,
    /// Of the home or the business.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    pub covers: Vec<Cover>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beneficiaries: Vec<Beneficiary>,
    /// 第一受益人 of a financed car: the bank.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mortgagee: String,
    /// Ids of documents that the insurer has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_file: Vec<String>,
}

const MOST_COVERS: usize = 40;
const MOST_PEOPLE: usize = 200;
const LONGEST: usize = 200;

impl Policy {
    /// In force when something happened.
    pub fn covers_moment(&self, at: Moment) -> bool {
        self.from.begins() <= at && at < self.to.ends()
    }

    pub fn cover(&self, code: &str) -> Option<&Cover> {
        self.covers.iter().find(|c| c.code == code)
    }

    /// Facts the policy settles for a loss on this day, so the rules need not ask. They are settled
    /// only if all insured persons agree.
    pub fn facts(&self, day: Day) -> Vec<(&'static str, bool)> {
        let all = |holds: &dyn Fn(&Party) -> Option<bool>| {
            let mut answers = self.insured.iter().map(holds);
            let first = answers.next().flatten()?;
            answers.all(|a| a == Some(first)).then_some(first)
        };
        let mut facts = vec![
            ("mortgaged", !self.mortgagee.is_empty()),
            ("named_beneficiary", !self.beneficiaries.is_empty()),
        ];
        facts.extend(all(&|p| Some(p.is_company())).map(|is| ("org_insured", is)));
        facts.extend(all(&|p| p.is_under(18, day)).map(|is| ("insured_is_minor", is)));
        facts.extend(all(&|p| p.is_under(14, day)).map(|is| ("insured_under_14", is)));
        facts
    }

    /// What is left of each cover after what other claims were granted.
    pub fn left(&self, granted: impl Fn(&str) -> i64) -> Vec<Left> {
        let of = |cover: &Cover| {
            let gone = if cover.per == Per::Year {
                granted(&cover.code)
            } else {
                0
            };
            Left {
                cover: cover.code.clone(),
                fen: (cover.sum_fen - gone).max(0),
                daily_fen: cover.daily_fen,
                most_days: cover.most_days,
            }
        };
        self.covers.iter().map(of).collect()
    }

    /// Every invalid value, by JSON pointer; valid ones are normalised in place. `now` shows
    /// whether an ID number's date of birth is still to come.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn check(&mut self, now: Moment) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let today = local_day(now);
        let mut wrong = |field: String, code: Code| errors.push(FieldError::new(field, code));
        self.no = match validate::policy_no(&self.no, &[]) {
            Verdict::Ok(no) | Verdict::Warn(no, _) => no,
            Verdict::Err(_) => {
                wrong("/no".into(), Code::PolicyShape);
                String::new()
            }
        };
        if self.to < self.from {
            wrong("/to".into(), Code::DateFormat);
        }
        let people = self
            .insured
            .iter_mut()
            .enumerate()
            .map(|(i, p)| (format!("/insured/{i}"), p));
        let named = self
            .beneficiaries
            .iter_mut()
            .enumerate()
            .map(|(i, b)| (format!("/beneficiaries/{i}"), &mut b.party));
        for (place, party) in std::iter::once(("/holder".to_owned(), &mut self.holder))
            .chain(people)
            .chain(named)
        {
            for (field, code) in checked(party, today) {
                wrong(format!("{place}/{field}"), code);
            }
        }
        if self.insured.is_empty() || self.insured.len() > MOST_PEOPLE {
            wrong("/insured".into(), Code::Required);
        }
        match (&mut self.vehicle, self.lob) {
            (None, Lob::Motor) => wrong("/vehicle".into(), Code::Required),
            (Some(vehicle), Lob::Motor | Lob::Ebike) => {
                match validate::plate(&vehicle.plate) {
                    Verdict::Ok(plate) | Verdict::Warn(plate, _) => vehicle.plate = plate,
                    Verdict::Err(_) if vehicle.plate.is_empty() && !vehicle.vin.is_empty() => {}
                    Verdict::Err(finding) => wrong("/vehicle/plate".into(), finding.code),
                }
                match validate::vin(&vehicle.vin) {
                    Verdict::Ok(vin) | Verdict::Warn(vin, _) => vehicle.vin = vin,
                    Verdict::Err(_) if vehicle.vin.is_empty() => {}
                    Verdict::Err(finding) => wrong("/vehicle/vin".into(), finding.code),
                }
                if vehicle.engine_no.chars().count() > LONGEST {
                    wrong("/vehicle/engine_no".into(), Code::TooLong);
                }
            }
            _ => {}
        }
        if self.covers.is_empty() || self.covers.len() > MOST_COVERS {
            wrong("/covers".into(), Code::Required);
        }
        for (i, cover) in self.covers.iter().enumerate() {
            let known = self.covers[..i].iter().any(|c| c.code == cover.code);
            let code_is_good = !cover.code.is_empty()
                && cover.code.len() <= 40
                && cover
                    .code
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-');
            let amounts = [
                cover.sum_fen,
                cover.deductible_fen,
                cover.daily_fen.unwrap_or(0),
            ];
            let faults = [
                ("code", known || !code_is_good, Code::UnknownOption),
                (
                    "name",
                    cover.name.trim().is_empty() || cover.name.chars().count() > LONGEST,
                    Code::Required,
                ),
                (
                    "sum_fen",
                    !amounts.iter().all(|fen| (0..=money::MAX).contains(fen)) || cover.sum_fen == 0,
                    Code::AmountRange,
                ),
                (
                    "share_bp",
                    cover.share_bp > 10_000 || cover.deductible_bp > 10_000,
                    Code::AmountRange,
                ),
            ];
            for (field, _, code) in faults.into_iter().filter(|(_, is, _)| *is) {
                wrong(format!("/covers/{i}/{field}"), code);
            }
        }
        let shares: Vec<Option<u32>> = self.beneficiaries.iter().map(|b| b.share_bp).collect();
        let designated = shares.iter().flatten().count();
        if designated > 0
            && (designated != shares.len() || shares.iter().flatten().sum::<u32>() != 10_000)
        {
            wrong("/beneficiaries".into(), Code::AmountRange);
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

/// Normalises a party's name, number and phone; returns what is wrong with them.
fn checked(party: &mut Party, today: Day) -> Vec<(&'static str, Code)> {
    let mut errors = Vec::new();
    let mut take = |field, value: &mut String, verdict: Verdict| match verdict {
        Verdict::Ok(good) | Verdict::Warn(good, _) => *value = good,
        Verdict::Err(finding) => errors.push((field, finding.code)),
    };
    let company = party.is_company();
    if company {
        // A company's name may hold what a person's may not: brackets, digits.
        let name = party.name.trim().to_owned();
        let verdict = if (2..=100).contains(&name.chars().count()) {
            Verdict::Ok(name)
        } else {
            Verdict::Err(Code::NameLength.into())
        };
        take("name", &mut party.name, verdict);
        let id = validate::uscc(&party.id_no);
        take("id_no", &mut party.id_no, id);
    } else {
        let name = validate::name(&party.name);
        take("name", &mut party.name, name);
        if !party.id_no.trim().is_empty() {
            let id = validate::id_no(&party.id_no, today);
            take("id_no", &mut party.id_no, id);
        }
    }
    if !party.phone.trim().is_empty() {
        let phone = if company {
            validate::shop_phone(&party.phone)
        } else {
            validate::mobile(&party.phone)
        };
        take("phone", &mut party.phone, phone);
    }
    errors
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn now() -> Moment {
        Moment::from_local_input("2026-11-27T10:00").unwrap()
    }

    pub(crate) fn cover(code: &str, sum_fen: i64) -> Cover {
        Cover {
            code: code.into(),
            name: code.into(),
            sum_fen,
            per: Per::Year,
            deductible_fen: 0,
            deductible_bp: 0,
            share_bp: 10_000,
            waiting_days: 0,
            hospital: String::new(),
            daily_fen: None,
            most_days: None,
            exclusions: Vec::new(),
        }
    }

    pub(crate) fn policy(lob: Lob) -> Policy {
        let party = Party {
            name: "张伟".into(),
            id_no: "11010519491231002x".into(),
            phone: "13800138000".into(),
        };
        Policy {
            no: "PDAA20263301000001".into(),
            lob,
            from: Day::new(2026, 1, 1).unwrap(),
            to: Day::new(2026, 12, 31).unwrap(),
            holder: party.clone(),
            insured: vec![party],
            vehicle: (lob == Lob::Motor).then(|| Vehicle {
                plate: "浙a·12345".into(),
                ..Vehicle::default()
            }),
            address: String::new(),
            covers: vec![cover("vehicle", 20_000_000)],
            beneficiaries: Vec::new(),
            mortgagee: String::new(),
            on_file: Vec::new(),
        }
    }

    #[test]
    fn r1_a_policy_is_normalised_and_every_wrong_field_is_named() {
        let mut good = policy(Lob::Motor);
        good.check(now()).unwrap();
        assert_eq!(
            (
                good.vehicle.as_ref().unwrap().plate.as_str(),
                good.insured[0].id_no.as_str()
            ),
            ("浙A12345", "11010519491231002X")
        );
        type Spoil = fn(&mut Policy);
        let table: [(Spoil, &str); 12] = [
            (|p| p.no = "1".into(), "/no"),
            (|p| p.to = p.from.plus_days(-1), "/to"),
            (|p| p.holder.name.clear(), "/holder/name"),
            (
                |p| p.insured[0].id_no = "110105194912310021".into(),
                "/insured/0/id_no",
            ),
            (|p| p.insured.clear(), "/insured"),
            (|p| p.vehicle = None, "/vehicle"),
            (
                |p| p.vehicle.as_mut().unwrap().plate = "PDAA2026".into(),
                "/vehicle/plate",
            ),
            (
                |p| p.vehicle.as_mut().unwrap().vin = "浙A12345".into(),
                "/vehicle/vin",
            ),
            (|p| p.covers.clear(), "/covers"),
            (|p| p.covers[0].sum_fen = 0, "/covers/0/sum_fen"),
            (|p| p.covers.push(p.covers[0].clone()), "/covers/1/code"),
            (
                |p| {
                    p.beneficiaries.push(Beneficiary {
                        party: p.holder.clone(),
                        share_bp: Some(5_000),
                    })
                },
                "/beneficiaries",
            ),
        ];
        for (spoil, field) in table {
            let mut bad = policy(Lob::Motor);
            spoil(&mut bad);
            let errors = bad.check(now()).unwrap_err();
            assert_eq!(
                errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(),
                [field]
            );
        }
    }

    #[test]
    fn r1_what_the_policy_knows_is_not_asked() {
        let day = Day::new(2026, 11, 27).unwrap();
        let known = |p: &Policy, fact: &str| {
            p.facts(day)
                .into_iter()
                .find(|(f, _)| *f == fact)
                .map(|(_, is)| is)
        };
        let mut p = policy(Lob::Health);
        assert_eq!(
            (
                known(&p, "insured_is_minor"),
                known(&p, "org_insured"),
                known(&p, "mortgaged")
            ),
            (Some(false), Some(false), Some(false))
        );
        p.insured[0].id_no = "510101201508150031".into();
        p.insured[0].id_no = crate::validate::id_no(&p.insured[0].id_no, day)
            .finding()
            .and_then(|f| f.fix.clone())
            .unwrap_or(p.insured[0].id_no.clone());
        assert_eq!(
            (known(&p, "insured_is_minor"), known(&p, "insured_under_14")),
            (Some(true), Some(true))
        );
        // Two insured persons of different age: nobody knows whose loss it is.
        p.insured.push(p.holder.clone());
        p.check(now()).unwrap();
        assert_eq!(known(&p, "insured_is_minor"), None);
        p.insured = vec![Party {
            name: "杭州某某餐饮有限公司".into(),
            id_no: "91350100M000100Y43".into(),
            phone: "057187654321".into(),
        }];
        p.check(now()).unwrap();
        assert_eq!(known(&p, "org_insured"), Some(true));
    }

    #[test]
    fn r2_a_years_sum_is_used_up_and_an_events_is_not() {
        let mut p = policy(Lob::Health);
        p.covers = vec![
            cover("medical", 1_000),
            Cover {
                per: Per::Event,
                ..cover("injury", 1_000)
            },
        ];
        let left: Vec<i64> = p
            .left(|code| if code == "medical" { 1_200 } else { 900 })
            .into_iter()
            .map(|l| l.fen)
            .collect();
        assert_eq!(left, [0, 1_000]);
    }
}

//! 报案, the notice: the least that an insurer needs to start, checked with one function in the app,
//! on /lite and on the server. A notice is never refused for a document, an unknown policy or an
//! odd plate.

use serde::{Deserialize, Serialize};

use crate::catalog::{Asked, Catalogue, Facts};
use crate::safety::Scene;
#[cfg(not(target_arch = "wasm32"))]
use crate::validate::kept_plate;
use crate::validate::{Code, Finding, Verdict, id_no, mobile, name, plate, policy_no};
use crate::{Moment, local_day};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// An incident of the catalogue: `motor.single`.
    pub incident: String,
    #[serde(default)]
    pub scene: Scene,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub loss_at: Moment,
    /// The person is not sure of the time.
    #[serde(default)]
    pub about: bool,
    pub place: Place,
    /// Damaged parts, by the catalogue's ids.
    #[serde(default)]
    pub parts: Vec<String>,
    #[serde(default)]
    pub narrative: String,
    pub reporter: Reporter,
    #[serde(default)]
    pub policy: PolicyRef,
    pub consents: Vec<Agreed>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    #[serde(default)]
    pub text: String,
    /// Only with the consent `location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<Point>,
}

/// WGS 84, in millionths of a degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Point {
    pub lat_e6: i32,
    pub lon_e6: i32,
}

impl Point {
    /// Metres along the globe (haversine, mean radius 6 371 km).
    pub fn metres_to(self, other: Point) -> u32 {
        let radians = |e6: i32| (f64::from(e6) / 1e6).to_radians();
        let (here, there) = (radians(self.lat_e6), radians(other.lat_e6));
        let half = |a: f64, b: f64| ((a - b) / 2.0).sin().powi(2);
        let chord = half(here, there)
            + here.cos() * there.cos() * half(radians(self.lon_e6), radians(other.lon_e6));
        (2.0 * 6_371_000.0 * chord.sqrt().min(1.0).asin()).round() as u32
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Reporter {
    /// Who reports, by the catalogue's `roles`.
    pub role: String,
    #[serde(default)]
    pub name: String,
    pub phone: String,
}

/// How to find the policy: any one is enough; if none matches, 未验证保单.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// The id of a policy that the signed-in person confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub no: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plate: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id_no: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Agreed {
    pub id: String,
    pub version: u16,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: Moment,
}

/// What is wrong with one field; `field` is its JSON pointer in the [`Notice`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    pub field: String,
    pub code: Code,
    /// 1-based position of the character in the normalised value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u8>,
    /// The whole value as it probably should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl FieldError {
    pub fn new(field: impl Into<String>, finding: impl Into<Finding>) -> FieldError {
        let Finding { code, at, fix } = finding.into();
        FieldError {
            field: field.into(),
            code,
            at,
            fix,
        }
    }
}

/// A notice that may be sent, with its values normalised and any doubts found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub notice: Notice,
    pub warnings: Vec<FieldError>,
}

const FIVE_YEARS: i64 = 5 * 366 * 86_400;
const TWO_YEARS: i64 = 2 * 365 * 86_400;
/// A phone's clock may run ahead of the server's by this much and still say "now".
const CLOCK_SKEW: i64 = 5 * 60;
const MAX_NARRATIVE: usize = 1000;
const MAX_PLACE: usize = 200;

impl Notice {
    /// The facts that a notice gives the document rules.
    pub fn facts(&self) -> Facts {
        let mut facts = Facts {
            incident: self.incident.clone(),
            ..Facts::default()
        };
        facts
            .flags
            .extend(self.scene.injured.map(|v| ("has_injury".into(), v)));
        facts.flags.insert(
            "filed_by_agent".into(),
            matches!(self.reporter.role.as_str(), "agent" | "shop" | "other"),
        );
        facts
            .flags
            .insert("located".into(), self.place.point.is_some());
        facts
    }

    /// Checks and normalises every field; `now` is the server's time, or the phone's where it only
    /// advises.
    ///
    /// # Errors
    /// Every invalid field, in the order of the form.
    pub fn check(&self, catalogue: &Catalogue, now: Moment) -> Result<Checked, Vec<FieldError>> {
        let mut form = Form {
            notice: self.clone(),
            errors: Vec::new(),
            warnings: Vec::new(),
        };
        form.incident(catalogue);
        form.when(now);
        form.place();
        form.parts(catalogue);
        form.reporter(catalogue);
        form.policy(catalogue, now);
        form.consents(catalogue);
        if form.errors.is_empty() {
            Ok(Checked {
                notice: form.notice,
                warnings: form.warnings,
            })
        } else {
            Err(form.errors)
        }
    }
}

struct Form {
    notice: Notice,
    errors: Vec<FieldError>,
    warnings: Vec<FieldError>,
}

impl Form {
    fn refuse(&mut self, field: &str, finding: impl Into<Finding>) {
        self.errors.push(FieldError::new(field, finding));
    }
    fn warn(&mut self, field: &str, finding: impl Into<Finding>) {
        self.warnings.push(FieldError::new(field, finding));
    }

    fn judge(&mut self, field: &str, verdict: Verdict) -> Option<String> {
        match verdict {
            Verdict::Ok(value) => Some(value),
            Verdict::Warn(value, finding) => {
                self.warn(field, finding);
                Some(value)
            }
            Verdict::Err(finding) => {
                self.refuse(field, finding);
                None
            }
        }
    }

    fn incident(&mut self, catalogue: &Catalogue) {
        if self.notice.scene.injured.is_none() {
            self.refuse("/scene/injured", Code::Choose);
        }
        if self.notice.incident.is_empty() {
            self.refuse("/incident", Code::Choose);
        } else if catalogue.incident(&self.notice.incident).is_none() {
            self.refuse("/incident", Code::UnknownOption);
        }
    }

    fn when(&mut self, now: Moment) {
        let age = now.0 - self.notice.loss_at.0;
        if age < -CLOCK_SKEW {
            self.refuse("/loss_at", Code::TimeFuture);
        } else if age > FIVE_YEARS {
            self.refuse("/loss_at", Code::TimeTooOld);
        } else if age > TWO_YEARS {
            self.warn("/loss_at", Code::TimeLongAgo);
        }
    }

    fn place(&mut self) {
        let text = self.notice.place.text.trim().to_owned();
        let point = self.notice.place.point;
        if text.chars().count() > MAX_PLACE {
            self.refuse("/place/text", Code::TooLong);
        } else if text.is_empty() && point.is_none() {
            self.refuse("/place/text", Code::Required);
        } else if text.chars().count() < 2 && point.is_none() {
            self.refuse("/place/text", Code::PlaceShort);
        }
        if point.is_some_and(|p| {
            p.lat_e6.unsigned_abs() > 90_000_000 || p.lon_e6.unsigned_abs() > 180_000_000
        }) {
            self.refuse("/place/point", Code::Malformed);
        }
        self.notice.place.text = text;
    }

    fn parts(&mut self, catalogue: &Catalogue) {
        let known = catalogue
            .incident(&self.notice.incident)
            .map_or(&[][..], |i| catalogue.parts(i.lob));
        if self
            .notice
            .parts
            .iter()
            .any(|p| !known.iter().any(|k| k.id == *p))
            || self.notice.parts.len() > known.len()
        {
            self.refuse("/parts", Code::UnknownOption);
        }
        self.notice.narrative = self.notice.narrative.trim().to_owned();
        if self.notice.narrative.chars().count() > MAX_NARRATIVE {
            self.refuse("/narrative", Code::TooLong);
        }
    }

    fn reporter(&mut self, catalogue: &Catalogue) {
        let reporter = self.notice.reporter.clone();
        if !catalogue.roles.iter().any(|r| r.id == reporter.role) {
            self.refuse(
                "/reporter/role",
                if reporter.role.is_empty() {
                    Code::Choose
                } else {
                    Code::UnknownOption
                },
            );
        }
        // For a policy chosen while signed in, the server knows both.
        let known = self.notice.policy.id.is_some();
        if !(known && reporter.name.is_empty())
            && let Some(value) = self.judge("/reporter/name", name(&reporter.name))
        {
            self.notice.reporter.name = value;
        }
        if !(known && reporter.phone.is_empty())
            && let Some(value) = self.judge("/reporter/phone", mobile(&reporter.phone))
        {
            self.notice.reporter.phone = value;
        }
    }

    fn policy(&mut self, catalogue: &Catalogue, now: Moment) {
        let PolicyRef {
            id,
            no,
            plate: typed_plate,
            id_no: typed_id,
        } = self.notice.policy.clone();
        if id.is_none()
            && [&no, &typed_plate, &typed_id]
                .iter()
                .all(|v| v.trim().is_empty())
        {
            self.refuse("/policy/plate", Code::PolicyAnyOf);
        }
        if !typed_plate.trim().is_empty() {
            let verdict = plate(&typed_plate);
            // A plate never stops a notice. On the phone the page points out a slip while it can
            // still be fixed.
            #[cfg(not(target_arch = "wasm32"))]
            let verdict = match verdict {
                Verdict::Err(finding) => Verdict::Warn(kept_plate(&typed_plate), finding),
                other => other,
            };
            self.notice.policy.plate = self.judge("/policy/plate", verdict).unwrap_or_default();
        }
        if !typed_id.trim().is_empty() {
            self.notice.policy.id_no = self
                .judge("/policy/id_no", id_no(&typed_id, local_day(now)))
                .unwrap_or_default();
        }
        if !no.trim().is_empty() {
            self.notice.policy.no = self
                .judge("/policy/no", policy_no(&no, &catalogue.policy_numbers))
                .unwrap_or_default();
        }
    }

    fn consents(&mut self, catalogue: &Catalogue) {
        let facts = self.notice.facts();
        let asked: Vec<_> = catalogue
            .consents_for(Asked::Notice, &facts)
            .map(|c| (c.id.clone(), c.version, c.required))
            .collect();
        for (id, version, required) in asked {
            let given = self
                .notice
                .consents
                .iter()
                .any(|a| a.id == id && a.version == version);
            if required && !given {
                self.refuse(&format!("/consents/{id}"), Code::ConsentMissing);
            }
        }
        if self
            .notice
            .consents
            .iter()
            .any(|a| !catalogue.consents.iter().any(|c| c.id == a.id))
        {
            self.refuse("/consents", Code::UnknownOption);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::catalog::shipped;

    pub(crate) fn now() -> Moment {
        Moment::from_local_input("2026-11-21T10:30").unwrap()
    }

    pub(crate) fn good() -> Notice {
        let agreed = |id: &str| Agreed {
            id: id.into(),
            version: 1,
            at: now(),
        };
        Notice {
            incident: "motor.single".into(),
            scene: Scene {
                injured: Some(false),
                ..Scene::default()
            },
            loss_at: now().plus_seconds(-600),
            about: false,
            place: Place {
                text: "杭州市西湖区文三路 90 号".into(),
                point: None,
            },
            parts: vec!["front-left".into()],
            narrative: "倒车时撞到柱子".into(),
            reporter: Reporter {
                role: "insured".into(),
                name: "张伟".into(),
                phone: "+86 13800138000".into(),
            },
            policy: PolicyRef {
                plate: "浙a·12345".into(),
                ..PolicyRef::default()
            },
            consents: vec![agreed("privacy"), agreed("truth")],
        }
    }

    #[test]
    fn the_way_between_two_points() {
        let point = |lat_e6, lon_e6| Point { lat_e6, lon_e6 };
        let (hangzhou, shanghai) = (
            point(30_274_100, 120_155_100),
            point(31_230_400, 121_473_700),
        );
        assert_eq!(hangzhou.metres_to(hangzhou), 0);
        assert!(
            (163_000..166_000).contains(&hangzhou.metres_to(shanghai)),
            "{}",
            hangzhou.metres_to(shanghai)
        );
        assert_eq!(point(0, 0).metres_to(point(0, 180_000_000)), 20_015_087);
    }

    #[test]
    fn a_good_notice_is_normalised() {
        let checked = good().check(&shipped(), now()).unwrap();
        assert_eq!(checked.notice.reporter.phone, "13800138000");
        assert_eq!(checked.notice.policy.plate, "浙A12345");
        assert!(checked.warnings.is_empty());
    }

    type Spoil = fn(&mut Notice);

    #[test]
    fn every_field_has_its_own_error() {
        let table: [(Spoil, &str, Code); 19] = [
            (|n| n.incident.clear(), "/incident", Code::Choose),
            (
                |n| n.incident = "boat.sunk".into(),
                "/incident",
                Code::UnknownOption,
            ),
            (|n| n.scene.injured = None, "/scene/injured", Code::Choose),
            (
                |n| n.loss_at = now().plus_seconds(3600),
                "/loss_at",
                Code::TimeFuture,
            ),
            (
                |n| n.loss_at = now().plus_seconds(-6 * 366 * 86_400),
                "/loss_at",
                Code::TimeTooOld,
            ),
            (|n| n.place.text = " ".into(), "/place/text", Code::Required),
            (
                |n| n.place.text = "路".into(),
                "/place/text",
                Code::PlaceShort,
            ),
            (
                |n| n.place.text = "路".repeat(201),
                "/place/text",
                Code::TooLong,
            ),
            (
                |n| {
                    n.place.point = Some(Point {
                        lat_e6: 91_000_000,
                        lon_e6: 0,
                    })
                },
                "/place/point",
                Code::Malformed,
            ),
            (
                |n| n.parts = vec!["wing".into()],
                "/parts",
                Code::UnknownOption,
            ),
            (
                |n| n.narrative = "长".repeat(1001),
                "/narrative",
                Code::TooLong,
            ),
            (|n| n.reporter.role.clear(), "/reporter/role", Code::Choose),
            (
                |n| n.reporter.role = "king".into(),
                "/reporter/role",
                Code::UnknownOption,
            ),
            (
                |n| n.reporter.name.clear(),
                "/reporter/name",
                Code::Required,
            ),
            (
                |n| n.reporter.phone = "12345".into(),
                "/reporter/phone",
                Code::PhoneFormat,
            ),
            (
                |n| n.policy.plate.clear(),
                "/policy/plate",
                Code::PolicyAnyOf,
            ),
            (
                |n| n.policy.id_no = "110105194912310021".into(),
                "/policy/id_no",
                Code::IdCheck,
            ),
            (
                |n| n.policy.no = "12".into(),
                "/policy/no",
                Code::PolicyShape,
            ),
            (
                |n| n.consents.clear(),
                "/consents/privacy",
                Code::ConsentMissing,
            ),
        ];
        for (spoil, field, code) in table {
            let mut notice = good();
            spoil(&mut notice);
            let errors = notice.check(&shipped(), now()).unwrap_err();
            assert_eq!((errors[0].field.as_str(), errors[0].code), (field, code));
        }
    }

    /// A plate never stops a notice, whatever it is, and what was typed is kept as far as it can
    /// be.
    #[test]
    fn a_plate_never_stops_a_notice() {
        let catalogue = shipped();
        let taken = |plate: &str| {
            let mut notice = good();
            notice.policy = PolicyRef {
                plate: plate.into(),
                no: "PDAA20263301000001".into(),
                ..PolicyRef::default()
            };
            let checked = notice
                .check(&catalogue, now())
                .unwrap_or_else(|errors| panic!("{plate:?}: {errors:?}"));
            assert!(
                checked.notice.policy.plate.chars().count() <= 20,
                "{plate:?}"
            );
            assert!(
                plate.trim().is_empty() || !checked.notice.policy.plate.is_empty(),
                "{plate:?}"
            );
        };
        for c in (0..=0x10_FFFF).filter_map(char::from_u32) {
            if (c as u32).is_multiple_of(61) || (c as u32) < 0x400 {
                taken(&format!("京A{c}2345"));
            }
            if (c as u32).is_multiple_of(401) || (c as u32) < 0x100 {
                taken(&c.to_string());
                taken(&format!("{c}A12345"));
            }
        }
        proptest::proptest!(|(plate in "\\PC{0,40}|[京粤A-Z0-9警领使港澳 ·-]{0,12}|(?s).{0,30}")| taken(&plate));
        taken(&"京".repeat(100_000));
        let mut alone = good();
        alone.policy.plate = "京AO1234".into();
        let checked = alone.check(&shipped(), now()).unwrap();
        assert_eq!(
            (
                checked.notice.policy.plate.as_str(),
                checked.warnings[0].code
            ),
            ("京AO1234", Code::PlateCharacter)
        );
    }

    #[test]
    fn what_is_only_odd_is_kept_and_said() {
        let mut notice = good();
        notice.policy.plate = "民航A1234".into();
        notice.loss_at = now().plus_seconds(-800 * 86_400);
        let warnings = notice.check(&shipped(), now()).unwrap().warnings;
        assert_eq!(
            warnings.iter().map(|w| w.code).collect::<Vec<_>>(),
            [Code::TimeLongAgo, Code::PlateUnusual]
        );
    }

    #[test]
    fn medical_and_location_consents_apply_only_where_they_are_needed() {
        let asked = |n: &Notice| {
            shipped()
                .consents_for(Asked::Notice, &n.facts())
                .map(|c| c.id.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(asked(&good()), ["privacy", "truth"]);
        let mut hurt = good();
        hurt.scene.injured = Some(true);
        hurt.place.point = Some(Point {
            lat_e6: 30_270_000,
            lon_e6: 120_150_000,
        });
        assert_eq!(asked(&hurt), ["privacy", "medical", "location", "truth"]);
    }
}

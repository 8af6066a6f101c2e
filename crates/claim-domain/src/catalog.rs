//! The catalogue: claim types, documents, consents, stages and the words for every error, as data in
//! `catalog.json`. The hash of that file is the `rules_version` that every claim stores.
//!
//! The server reads the file as it is ([`Catalogue::load`]). The build checks it and compiles what a program needs
//! into a few kilobytes ([`Catalogue::compiled`]); the app reads those ([`Catalogue::from_compiled`]) without a parser
//! for JSON or conditions, which would cost more on the wire than the catalogue itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
#[cfg(not(target_arch = "wasm32"))]
use sha2::{Digest, Sha256};

use crate::condition::Condition;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Text {
    pub zh: String,
    pub en: String,
}

/// Line of business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Lob {
    Motor,
    Health,
    Home,
}

impl Lob {
    pub const ALL: [Lob; 3] = [Lob::Motor, Lob::Health, Lob::Home];

    pub fn as_str(self) -> &'static str {
        match self {
            Lob::Motor => "motor",
            Lob::Health => "health",
            Lob::Home => "home",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    pub id: String,
    pub lob: Lob,
    pub name: Text,
    pub hint: Text,
    /// Facts that choosing this settles.
    #[serde(default)]
    pub implies: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub id: String,
    pub name: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nice to have with the notice, never asked for.
    Notice,
    /// With the claim request.
    Claim,
    /// Before payment.
    Payment,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub id: String,
    pub name: Text,
    /// Why it is asked: clause or purpose, shown under 为什么要这个.
    pub basis: Text,
    pub phase: Phase,
    pub when: When,
    #[serde(default)]
    pub optional: bool,
    pub min: u8,
    pub max: u8,
}

/// A [`Condition`]: text where people read it, parsed where the app does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When(pub Condition);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<When, D::Error> {
        #[cfg(not(target_arch = "wasm32"))]
        if d.is_human_readable() {
            return Condition::parse(&String::deserialize(d)?).map(When).map_err(serde::de::Error::custom);
        }
        Condition::deserialize(d).map(When)
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    pub id: String,
    pub version: u16,
    pub label: Text,
    pub text: Text,
    pub required: bool,
    pub when: When,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageText {
    pub name: Text,
    /// Under this name for health claims.
    #[serde(default)]
    pub health: Option<Text>,
    /// What happens now, in plain words.
    pub now: Text,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    pub incidents: Vec<Incident>,
    pub roles: Vec<Part>,
    pub car_parts: Vec<Part>,
    pub home_parts: Vec<Part>,
    pub consents: Vec<Consent>,
    /// The report needs no documents, stages and reasons: the build leaves them out of its part.
    #[serde(default)]
    pub documents: Vec<Document>,
    #[serde(default)]
    pub stages: BTreeMap<String, StageText>,
    #[serde(default)]
    pub not_accepted_reasons: Vec<Part>,
    /// By [`Code`] and by problem code of the API.
    pub errors: BTreeMap<String, Text>,
    #[serde(default)]
    pub rules_version: String,
}

/// One document of one claim's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Slot {
    pub document: String,
    pub name: Text,
    pub basis: Text,
    pub phase: Phase,
    /// `false`: possibly needed, or welcome; it never blocks.
    pub required: bool,
    pub min: u8,
    pub max: u8,
}

/// The facts that conditions may name, next to `lob:X` and `incident:X.Y`.
#[cfg(not(target_arch = "wasm32"))]
const FACTS: [&str; 27] = [
    "has_injury",
    "has_death",
    "other_vehicle",
    "other_property",
    "other_fled",
    "police_called",
    "self_negotiated",
    "direct_settlement",
    "payee_is_insured",
    "insured_is_minor",
    "insured_under_14",
    "insured_deceased",
    "org_insured",
    "filed_by_agent",
    "is_accident",
    "si_settled",
    "e_invoice",
    "other_insurer_paid",
    "vehicle_towed",
    "commercial_use",
    "mortgaged",
    "no_beneficiary",
    "court_case",
    "event_mode",
    "water_damage",
    "located",
    "treated",
];

impl Catalogue {
    /// Reads and checks `catalog.json`.
    ///
    /// # Errors
    /// One sentence that names the place: line and column, or the id and the field.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn load(text: &str) -> Result<Catalogue, String> {
        let mut catalogue: Catalogue = serde_json::from_str(text).map_err(|e| format!("catalogue: {e}"))?;
        catalogue.rules_version = Sha256::digest(text.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect();
        catalogue.verify()?;
        Ok(catalogue)
    }

    /// What [`Catalogue::from_compiled`] of the same build reads.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compiled(&self) -> Vec<u8> {
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// # Errors
    /// The bytes come from another build.
    pub fn from_compiled(bytes: &[u8]) -> Result<Catalogue, String> {
        postcard::from_bytes(bytes).map_err(|e| e.to_string())
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn verify(&self) -> Result<(), String> {
        let mut seen = std::collections::BTreeSet::new();
        let lists =
            [("role", &self.roles), ("car part", &self.car_parts), ("home part", &self.home_parts), ("reason", &self.not_accepted_reasons)];
        let ids = (self.incidents.iter().map(|i| ("incident", &i.id)))
            .chain(self.documents.iter().map(|d| ("document", &d.id)))
            .chain(self.consents.iter().map(|c| ("consent", &c.id)))
            .chain(lists.into_iter().flat_map(|(kind, parts)| parts.iter().map(move |p| (kind, &p.id))));
        for (kind, id) in ids {
            if !seen.insert((kind, id.as_str())) {
                return Err(format!("catalogue: {kind} {id:?} stands twice"));
            }
        }
        for incident in &self.incidents {
            if !incident.id.starts_with(&format!("{}.", incident.lob.as_str())) {
                return Err(format!("catalogue: incident {:?} is not named after its line {:?}", incident.id, incident.lob.as_str()));
            }
            for fact in &incident.implies {
                self.known_fact(fact).map_err(|e| format!("catalogue: incident {:?}, implies: {e}", incident.id))?;
            }
        }
        let conditions =
            (self.documents.iter().map(|d| ("document", &d.id, &d.when))).chain(self.consents.iter().map(|c| ("consent", &c.id, &c.when)));
        for (kind, id, when) in conditions {
            let mut facts = Vec::new();
            when.0.facts(&mut facts);
            for fact in facts {
                self.known_fact(fact).map_err(|e| format!("catalogue: {kind} {id:?}, when: {e}"))?;
            }
        }
        if let Some(d) = self.documents.iter().find(|d| d.min > d.max || d.max == 0) {
            return Err(format!("catalogue: document {:?}: min {} and max {} do not fit", d.id, d.min, d.max));
        }
        if let Some(code) = crate::validate::Code::ALL.iter().find(|c| !self.errors.contains_key(c.as_str())) {
            return Err(format!("catalogue: errors: no words for {:?}", code.as_str()));
        }
        if let Some(stage) = crate::lifecycle::Stage::ALL.iter().find(|s| !self.stages.contains_key(s.as_str())) {
            return Err(format!("catalogue: stages: no words for {:?}", stage.as_str()));
        }
        Ok(())
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn known_fact(&self, fact: &str) -> Result<(), String> {
        let known = match fact.split_once(':') {
            Some(("lob", lob)) => Lob::ALL.iter().any(|l| l.as_str() == lob),
            Some(("incident", id)) => self.incidents.iter().any(|i| i.id == id),
            _ => FACTS.contains(&fact),
        };
        if known { Ok(()) } else { Err(format!("unknown fact {fact:?}")) }
    }

    pub fn incident(&self, id: &str) -> Option<&Incident> {
        self.incidents.iter().find(|i| i.id == id)
    }

    /// Parts that can be damaged in `lob`; none for health.
    pub fn parts(&self, lob: Lob) -> &[Part] {
        match lob {
            Lob::Motor => &self.car_parts,
            Lob::Home => &self.home_parts,
            Lob::Health => &[],
        }
    }

    /// The documents of a claim in the catalogue's order. An unknown fact makes a document "possibly needed".
    pub fn requirements(&self, facts: &Facts) -> Vec<Slot> {
        let fact = |name: &str| self.fact(facts, name);
        (self.documents.iter())
            .filter_map(|d| {
                let needed = d.when.0.eval(&fact);
                (needed != Some(false)).then(|| Slot {
                    document: d.id.clone(),
                    name: d.name.clone(),
                    basis: d.basis.clone(),
                    phase: d.phase,
                    required: needed == Some(true) && !d.optional && d.phase != Phase::Notice,
                    min: d.min,
                    max: d.max,
                })
            })
            .collect()
    }

    /// The consents that apply; an unknown fact asks nothing.
    pub fn consents_for(&self, facts: &Facts) -> impl Iterator<Item = &Consent> {
        self.consents.iter().filter(|c| c.when.0.eval(&|name: &str| self.fact(facts, name)) == Some(true))
    }

    fn fact(&self, facts: &Facts, name: &str) -> Option<bool> {
        let incident = self.incident(&facts.incident);
        match name.split_once(':') {
            Some(("lob", lob)) => incident.map(|i| i.lob.as_str() == lob),
            Some(("incident", id)) => incident.map(|i| i.id == id),
            _ => facts.flags.get(name).copied().or_else(|| incident?.implies.iter().any(|f| f == name).then_some(true)),
        }
    }
}

/// What is known of a claim, as the rules see it. A flag that is absent is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub incident: String,
    pub flags: BTreeMap<&'static str, bool>,
}

#[cfg(test)]
pub(crate) fn shipped() -> Catalogue {
    Catalogue::load(include_str!("../../../public/catalog.json")).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(incident: &str, flags: &[(&'static str, bool)]) -> Vec<(String, bool)> {
        let facts = Facts { incident: incident.into(), flags: flags.iter().copied().collect() };
        shipped().requirements(&facts).into_iter().map(|s| (s.document, s.required)).collect()
    }

    #[test]
    fn an_injury_adds_exactly_the_injury_documents() {
        let without = list("motor.single", &[("has_injury", false)]);
        let with = list("motor.single", &[("has_injury", true)]);
        let added: Vec<&str> = with.iter().filter(|s| !without.contains(s)).map(|s| s.0.as_str()).collect();
        assert_eq!(
            added,
            ["accident_report", "injured_id", "diagnosis", "medical_record", "medical_invoice", "medical_list", "settlement"]
        );
        assert!(without.iter().all(|s| with.iter().any(|w| w.0 == s.0)));
    }

    #[test]
    fn every_claim_type_has_its_own_list_and_what_is_unknown_never_blocks() {
        for incident in &shipped().incidents {
            let slots = list(&incident.id, &[]);
            assert!(slots.iter().any(|s| s.1), "{}: nothing required", incident.id);
        }
        assert!(list("motor.single", &[]).contains(&("tow_invoice".into(), false)));
        assert!(list("motor.theft", &[]).iter().any(|s| s.0 == "police_receipt" && s.1));
        assert!(!list("health.inpatient", &[]).iter().any(|s| s.0 == "vehicle_license"));
    }

    #[test]
    fn compiled_it_is_the_same() {
        let whole = shipped();
        let read = Catalogue::from_compiled(&whole.compiled()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{whole:?}"));
        assert!(Catalogue::from_compiled(&whole.compiled()[..1000]).is_err());
    }

    #[test]
    fn a_broken_catalogue_names_the_place() {
        let good = include_str!("../../../public/catalog.json");
        for (from, to, place) in [
            ("!other_fled", "!other_flew", "unknown fact \"other_flew\""),
            ("\"lob\": \"motor\"", "\"lob\": \"boat\"", "line"),
            ("\"id-check\"", "\"id-chekc\"", "no words for \"id-check\""),
            ("\"id\": \"motor.multi\"", "\"id\": \"motor.single\"", "incident \"motor.single\" stands twice"),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Catalogue::load(&good.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(place), "{error}");
        }
    }
}

//! The catalogue: claim types, documents, consents, stages and the words for every error, as data
//! in `catalog.json`. The hash of that file is the `rules_version` that every claim stores.
//!
//! The server reads the file as it is ([`Catalogue::load`]). The build checks it and compiles what
//! a program needs into a few kilobytes ([`Catalogue::compiled`]); the app reads those
//! ([`Catalogue::from_compiled`]) without a parser for JSON or conditions, which would cost more on
//! the wire than the catalogue itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::condition::Condition;
use crate::payees::PayeeKind;
use crate::validate::Shape;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Text {
    pub zh: String,
    pub en: String,
}

/// Line of business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(rename_all = "kebab-case"))]
pub enum Lob {
    Motor,
    /// Accident and health.
    Health,
    Home,
    /// 人寿保险: its limitation is five years (保险法第二十六条).
    Life,
    Travel,
    /// 电动自行车.
    Ebike,
    /// 雇主责任, 公众责任.
    Liability,
    /// Property of a small business.
    Business,
}

crate::wire_names!(Lob);

impl Lob {
    pub const ALL: &'static [Lob] = &[
        Lob::Motor,
        Lob::Health,
        Lob::Home,
        Lob::Life,
        Lob::Travel,
        Lob::Ebike,
        Lob::Liability,
        Lob::Business,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Lob::Motor => "motor",
            Lob::Health => "health",
            Lob::Home => "home",
            Lob::Life => "life",
            Lob::Travel => "travel",
            Lob::Ebike => "ebike",
            Lob::Liability => "liability",
            Lob::Business => "business",
        }
    }

    /// Property is inspected and the customer agrees to its cost; for claims about a person,
    /// documents are reviewed instead (资料审核, 理算).
    pub fn is_surveyed(self) -> bool {
        !matches!(self, Lob::Health | Lob::Life | Lob::Travel)
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
    /// The rules of another incident hold for this one as well.
    #[serde(default)]
    pub like: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
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

/// What kind of thing is submitted, and so how its files are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A card that fills the picture.
    Card,
    Paper,
    /// A place, a car, a thing: never a PDF.
    Scene,
    /// Made in the app; needs no file.
    Form,
}

/// What is typed, or read by the phone and confirmed, in addition to a document's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Name,
    IdNo,
    Plate,
    Vin,
    Uscc,
    Card,
    ValidUntil,
    InvoiceNo,
    InvoiceDate,
    Amount,
    Shop,
    ShopPhone,
    /// One line each: thing, year bought, amount.
    Items,
}

impl Field {
    /// Kept on the phone only where the person agreed.
    pub fn is_personal(self) -> bool {
        matches!(self, Field::IdNo | Field::Card)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Field::Name => "name",
            Field::IdNo => "id_no",
            Field::Plate => "plate",
            Field::Vin => "vin",
            Field::Uscc => "uscc",
            Field::Card => "card",
            Field::ValidUntil => "valid_until",
            Field::InvoiceNo => "invoice_no",
            Field::InvoiceDate => "invoice_date",
            Field::Amount => "amount",
            Field::Shop => "shop",
            Field::ShopPhone => "shop_phone",
            Field::Items => "items",
        }
    }
}

/// One document that a claim may need.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub id: String,
    /// What it is for: an id in `groups`.
    pub group: String,
    pub kind: Kind,
    /// What a good picture of it looks like: an id in `drawings`.
    pub drawing: String,
    pub phase: Phase,
    /// Only before payment, where this holds.
    #[serde(default)]
    pub later: Option<When>,
    pub when: When,
    /// Welcome but never asked for, where this holds.
    #[serde(default)]
    pub optional: Option<When>,
    /// All documents that name the same one here replace it together.
    #[serde(default)]
    pub instead_of: Option<String>,
    /// Asked of each payee of these kinds, once the payees are known: `payee_id.2` is the second
    /// payee's.
    #[serde(default)]
    pub payee: Vec<PayeeKind>,
    /// Fewest files; a form needs none.
    pub min: u8,
    pub max: u8,
    #[serde(default)]
    pub fields: Vec<Field>,
    /// The pictures of a guided tour, by the names of their outlines.
    #[serde(default)]
    pub shots: Vec<String>,
    /// How long it takes to get: an id in `takes`.
    pub takes: String,
    pub name: Text,
    /// Why it is asked: clause or purpose, shown under 为什么要这个.
    pub basis: Text,
    /// Where to get it.
    pub from: Text,
}

/// What makes a good and a bad picture of something.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawing {
    pub id: String,
    pub good: Text,
    pub bad: Text,
}

/// A question whose answer is a fact of the rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub fact: String,
    pub when: When,
    pub ask: Text,
}

/// Thresholds beyond which a file is doubted ([`crate::checks`]).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Pixels.
    pub short_edge_document: u32,
    pub short_edge_scene: u32,
    /// Sharpness: the 58th lowest of the 64 variances of the Laplacian in 8 × 8 tiles of the grey
    /// picture (long edge 1024).
    pub sharp_document: u32,
    pub sharp_scene: u32,
    /// Mean grey of 0 to 255.
    pub dark: u8,
    pub bright: u8,
    /// Share of burnt-out pixels.
    pub glare_permille: u16,
    /// Two pictures whose hashes differ in at most this many of 64 bits are the same view.
    pub alike_bits: u32,
    /// Smallest share of the frame a card must fill, and how far its aspect ratio may be from
    /// 85.6 x 54.
    pub fill_permille: u16,
    pub aspect_permille: u16,
    pub taken_before_s: i64,
    pub taken_after_days: i64,
    pub pdf_pages: u16,
}

/// A [`Condition`]: text in `catalog.json`, already parsed in what the app reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When(pub Condition);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<When, D::Error> {
        #[cfg(not(target_arch = "wasm32"))]
        if d.is_human_readable() {
            return Condition::parse(&String::deserialize(d)?)
                .map(When)
                .map_err(serde::de::Error::custom);
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
    pub at: Asked,
    pub label: Text,
    pub text: Text,
    pub required: bool,
    pub when: When,
}

/// When a consent is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// With the report (报案).
    Notice,
    /// With the claim request (索赔).
    Request,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageText {
    pub name: Text,
    /// Its name in health claims.
    #[serde(default)]
    pub health: Option<Text>,
    /// What happens now, in plain words.
    pub now: Text,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    pub incidents: Vec<Incident>,
    pub roles: Vec<Choice>,
    pub car_parts: Vec<Choice>,
    pub home_parts: Vec<Choice>,
    pub consents: Vec<Consent>,
    /// Shapes of the insurer's policy numbers; if none, 8 to 32 letters and digits.
    pub policy_numbers: Vec<Shape>,
    /// By [`Code`] and by problem code of the API.
    pub errors: BTreeMap<String, Text>,
    #[serde(default)]
    pub rules_version: String,
    /// Last, and not read by [`Catalogue::from_compiled`]: the report does not need it.
    #[serde(deserialize_with = "Papers::written", skip_serializing)]
    pub papers: Papers,
}

/// What comes after the report.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Papers {
    pub documents: Vec<Document>,
    pub groups: Vec<Choice>,
    pub takes: Vec<Choice>,
    pub drawings: Vec<Drawing>,
    pub questions: Vec<Question>,
    /// Facts that are not asked but follow from the notice, the policy and the events; with the
    /// value that holds until they do.
    pub derived_facts: BTreeMap<String, Option<bool>>,
    pub checks: Thresholds,
    /// Repairs up to this amount need no invoice.
    pub invoice_free_limit_fen: i64,
    /// A card's bank by its first six digits: a hint, never used as a check.
    #[serde(default)]
    pub banks: BTreeMap<String, String>,
    pub stages: BTreeMap<String, StageText>,
    pub not_accepted_reasons: Vec<Choice>,
    #[serde(default)]
    pub after: After,
}

/// The texts of a claim's life: deadlines, the basis of a decision, ways to disagree.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// By [`crate::deadlines::Clock`].
    pub clocks: BTreeMap<String, Based>,
    /// By [`crate::lifecycle::Point`].
    pub points: BTreeMap<String, Text>,
    /// By [`crate::lifecycle::Overlay`].
    pub overlays: BTreeMap<String, Text>,
    /// By line of business: what a payment comes from.
    pub covers: Vec<Choice>,
    /// 纠纷原因.
    pub causes: Vec<Choice>,
    /// 不同意时可以怎么办, in order.
    pub ladder: Vec<Rung>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Based {
    pub name: Text,
    /// The article or promise that it rests on.
    pub basis: Text,
}

/// One way to disagree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    pub id: String,
    pub name: Text,
    pub what: Text,
    /// What to have at hand, and until when.
    pub prepare: Text,
    /// The number to call, if any.
    #[serde(default)]
    pub phone: String,
}

impl Papers {
    fn written<'de, D: Deserializer<'de>>(_d: D) -> Result<Papers, D::Error> {
        #[cfg(not(target_arch = "wasm32"))]
        if _d.is_human_readable() {
            return Papers::deserialize(_d);
        }
        Ok(Papers::default())
    }
}

/// Whether a claim needs a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    Required,
    /// Welcome; it never blocks.
    Optional,
    /// Depends on an unanswered question; it never blocks.
    Possibly,
    No,
}

/// One document on a claim's list, for clients without a catalogue.
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

impl Catalogue {
    /// What [`Catalogue::from_compiled`] and [`Catalogue::whole_from_compiled`] of the same build
    /// read.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn compiled(&self) -> Vec<u8> {
        let parts = [
            postcard::to_allocvec(self),
            postcard::to_allocvec(&self.papers),
        ];
        parts
            .into_iter()
            .flat_map(Result::unwrap_or_default)
            .collect()
    }

    /// What the report needs.
    ///
    /// # Errors
    /// The bytes come from another build.
    pub fn from_compiled(bytes: &[u8]) -> Result<Catalogue, String> {
        postcard::from_bytes(bytes).map_err(|e| e.to_string())
    }

    /// Everything.
    ///
    /// # Errors
    /// The bytes come from another build.
    pub fn whole_from_compiled(bytes: &[u8]) -> Result<Catalogue, String> {
        let (mut catalogue, rest): (Catalogue, &[u8]) =
            postcard::take_from_bytes(bytes).map_err(|e| e.to_string())?;
        catalogue.papers = postcard::from_bytes(rest).map_err(|e| e.to_string())?;
        Ok(catalogue)
    }

    pub fn incident(&self, id: &str) -> Option<&Incident> {
        self.incidents.iter().find(|i| i.id == id)
    }

    /// Parts that can be damaged in `lob`; none for health.
    pub fn parts(&self, lob: Lob) -> &[Choice] {
        match lob {
            Lob::Motor => &self.car_parts,
            Lob::Home | Lob::Business => &self.home_parts,
            Lob::Health | Lob::Life | Lob::Travel | Lob::Ebike | Lob::Liability => &[],
        }
    }

    /// The bank that probably issued a card.
    pub fn bank_of(&self, card: &str) -> Option<&str> {
        let digits: String = card.chars().filter(char::is_ascii_digit).take(6).collect();
        self.papers.banks.get(&digits).map(String::as_str)
    }

    /// A document by its id, including a single payee's (`payee_id.2`).
    pub fn document(&self, id: &str) -> Option<&Document> {
        let (base, payee) = id
            .split_once('.')
            .map_or((id, None), |(base, no)| (base, no.parse::<u16>().ok()));
        let fits = |d: &&Document| {
            d.id == base && (base == id || (payee.is_some() && !d.payee.is_empty()))
        };
        self.papers.documents.iter().find(fits)
    }

    /// The same under the id that was asked for.
    pub fn instance(&self, id: &str) -> Option<Document> {
        self.document(id).map(|d| Document {
            id: id.to_owned(),
            ..d.clone()
        })
    }

    /// Whether a claim with these facts needs `document`. An unknown fact never blocks.
    pub fn need(&self, document: &Document, facts: &Facts) -> Need {
        let holds = |when: &When| self.holds(when, facts);
        match holds(&document.when) {
            Some(false) => Need::No,
            None => Need::Possibly,
            Some(true) => {
                let replaces = document
                    .instead_of
                    .as_ref()
                    .and_then(|id| self.document(id));
                let optional = document.phase == Phase::Notice
                    || document
                        .optional
                        .as_ref()
                        .is_some_and(|w| holds(w) == Some(true))
                    || replaces.is_some_and(|d| holds(&d.when) != Some(false));
                if optional {
                    Need::Optional
                } else {
                    Need::Required
                }
            }
        }
    }

    pub fn phase(&self, document: &Document, facts: &Facts) -> Phase {
        let later = document
            .later
            .as_ref()
            .is_some_and(|w| self.holds(w, facts) == Some(true));
        if later {
            Phase::Payment
        } else {
            document.phase
        }
    }

    /// The documents of a claim in the catalogue's order.
    pub fn requirements(&self, facts: &Facts) -> Vec<Slot> {
        (self.papers.documents.iter())
            .filter_map(|d| {
                let need = self.need(d, facts);
                (need != Need::No).then(|| Slot {
                    document: d.id.clone(),
                    name: d.name.clone(),
                    basis: d.basis.clone(),
                    phase: self.phase(d, facts),
                    required: need == Need::Required,
                    min: d.min,
                    max: d.max,
                })
            })
            .collect()
    }

    /// The questions that matter for this claim, answered or not; what is known without asking is
    /// not asked.
    pub fn questions_for(
        &self,
        facts: &Facts,
        answered: &BTreeMap<String, bool>,
    ) -> Vec<&Question> {
        let matters = |q: &&Question| {
            let open = answered.contains_key(&q.fact) || self.fact(facts, &q.fact).is_none();
            open && self.holds(&q.when, facts) == Some(true)
        };
        self.papers.questions.iter().filter(matters).collect()
    }

    /// The consents that apply; an unknown fact requires none.
    pub fn consents_for(&self, at: Asked, facts: &Facts) -> impl Iterator<Item = &Consent> {
        self.consents
            .iter()
            .filter(move |c| c.at == at && self.holds(&c.when, facts) == Some(true))
    }

    /// The facts, plus those the incident implies.
    pub fn with_implied(&self, mut facts: Facts) -> Facts {
        for incident in self.alike(&facts.incident) {
            for fact in &incident.implies {
                facts.flags.entry(fact.clone()).or_insert(true);
            }
        }
        facts
    }

    /// An incident, and the one whose rules hold for it as well.
    fn alike(&self, id: &str) -> impl Iterator<Item = &Incident> {
        let incident = self.incident(id);
        incident
            .into_iter()
            .chain(incident.and_then(|i| self.incident(i.like.as_ref()?)))
    }

    fn holds(&self, when: &When, facts: &Facts) -> Option<bool> {
        when.0.eval(&|name: &str| self.fact(facts, name))
    }

    fn fact(&self, facts: &Facts, name: &str) -> Option<bool> {
        let is = |holds: &dyn Fn(&Incident) -> bool| {
            let mut alike = self.alike(&facts.incident).peekable();
            alike.peek().is_some().then(|| alike.any(holds))
        };
        match name.split_once(':') {
            Some(("lob", lob)) => is(&|i| i.lob.as_str() == lob),
            Some(("incident", id)) => is(&|i| i.id == id),
            _ if name == "above_free_limit" => facts
                .amount_fen
                .map(|fen| fen > self.papers.invoice_free_limit_fen),
            _ => (facts.flags.get(name).copied())
                .or_else(|| is(&|i| i.implies.iter().any(|f| f == name)).filter(|implied| *implied))
                .or_else(|| *self.papers.derived_facts.get(name)?)
                // A question that does not arise counts as answered no.
                .or_else(|| {
                    let question = self.papers.questions.iter().find(|q| q.fact == name)?;
                    (self.holds(&question.when, facts) == Some(false)).then_some(false)
                }),
        }
    }
}

/// What is known of a claim, as the rules see it. A flag that is absent is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub incident: String,
    pub flags: BTreeMap<String, bool>,
    /// What the loss comes to, as far as it is known.
    pub amount_fen: Option<i64>,
}

#[cfg(test)]
pub(crate) fn shipped() -> Catalogue {
    Catalogue::load(include_str!("../../../public/catalog.json")).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_it_is_the_same() {
        let whole = shipped();
        let read = Catalogue::whole_from_compiled(&whole.compiled()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{whole:?}"));
        assert!(Catalogue::whole_from_compiled(&whole.compiled()[..1000]).is_err());
    }

    /// A claim keeps the rules it began with, whatever texts have been added since.
    #[test]
    fn rules_of_an_earlier_build_are_still_read() {
        let mut old: serde_json::Value =
            serde_json::from_str(include_str!("../../../public/catalog.json")).unwrap();
        for (list, word) in [
            ("/errors", "id-check"),
            ("/papers/after/clocks", "pay"),
            ("/papers/after/points", "event"),
        ] {
            let list = old
                .pointer_mut(list)
                .or(None)
                .and_then(|l| l.as_object_mut())
                .unwrap_or_else(|| panic!("{list}"));
            assert!(list.remove(word).is_some(), "{word}");
        }
        let text = old.to_string();
        assert!(Catalogue::load(&text).is_err());
        let earlier = Catalogue::load_earlier(&text).unwrap();
        assert_ne!(earlier.rules_version, shipped().rules_version);
        assert!(earlier.document("id_front").is_some());
    }

    #[test]
    fn a_broken_catalogue_names_the_place() {
        let good = include_str!("../../../public/catalog.json");
        for (from, to, place) in [
            ("!other_fled", "!other_flew", "unknown fact \"other_flew\""),
            (
                "\"drawing\": \"vin\"",
                "\"drawing\": \"vim\"",
                "document \"vin_photo\", drawing: \"vim\" is not known",
            ),
            ("[A-Z0-9]{8,32}", "[A-Z", "shape"),
            ("\"lob\": \"motor\"", "\"lob\": \"boat\"", "line"),
            ("\"id-check\"", "\"id-chekc\"", "no words for \"id-check\""),
            (
                "\"id\": \"motor.multi\"",
                "\"id\": \"motor.single\"",
                "incident \"motor.single\" stands twice",
            ),
        ] {
            assert!(good.contains(from), "{from}");
            let error = Catalogue::load(&good.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(place), "{error}");
        }
    }
}

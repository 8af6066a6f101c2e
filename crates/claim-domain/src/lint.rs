//! Checks a catalogue when it is read; an error is one sentence that names the place. Phones get it
//! compiled, by a build that has checked it.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::catalog::{Catalogue, Choice, Kind, Lob};
use crate::deadlines::Clock;
use crate::lifecycle::{Overlay, Point, Stage};
use crate::validate::Code;

impl Catalogue {
    /// Reads and checks `catalog.json`.
    ///
    /// # Errors
    /// One sentence that names the place: line and column, or the id and the field.
    pub fn load(text: &str) -> Result<Catalogue, String> {
        let catalogue = Catalogue::load_earlier(text)?;
        catalogue.verify_words()?;
        Ok(catalogue)
    }

    /// The rules of an earlier build, for claims that began under them: texts for later additions
    /// are not required.
    ///
    /// # Errors
    /// As [`Catalogue::load`].
    pub fn load_earlier(text: &str) -> Result<Catalogue, String> {
        let mut catalogue: Catalogue =
            serde_json::from_str(text).map_err(|e| format!("catalogue: {e}"))?;
        catalogue.rules_version = Sha256::digest(text.as_bytes())
            .iter()
            .take(8)
            .map(|b| format!("{b:02x}"))
            .collect();
        catalogue.verify()?;
        Ok(catalogue)
    }

    fn verify(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let lists = [
            ("role", &self.roles),
            ("car part", &self.car_parts),
            ("home part", &self.home_parts),
            ("reason", &self.papers.not_accepted_reasons),
        ];
        let ids = (self.incidents.iter().map(|i| ("incident", &i.id)))
            .chain(self.papers.documents.iter().map(|d| ("document", &d.id)))
            .chain(self.consents.iter().map(|c| ("consent", &c.id)))
            .chain(
                lists
                    .into_iter()
                    .flat_map(|(kind, parts)| parts.iter().map(move |p| (kind, &p.id))),
            );
        for (kind, id) in ids {
            if !seen.insert((kind, id.as_str())) {
                return Err(format!("catalogue: {kind} {id:?} stands twice"));
            }
        }
        for incident in &self.incidents {
            if !incident
                .id
                .starts_with(&format!("{}.", incident.lob.as_str()))
            {
                return Err(format!(
                    "catalogue: incident {:?} is not named after its line {:?}",
                    incident.id,
                    incident.lob.as_str()
                ));
            }
            if let Some(like) = incident
                .like
                .as_ref()
                .filter(|l| self.incident(l).is_none_or(|i| i.like.is_some()))
            {
                return Err(format!(
                    "catalogue: incident {:?}, like: {like:?} is not known",
                    incident.id
                ));
            }
            for fact in &incident.implies {
                self.known_fact(fact)
                    .map_err(|e| format!("catalogue: incident {:?}, implies: {e}", incident.id))?;
            }
        }
        let of_documents = self.papers.documents.iter().flat_map(|d| {
            let conditions = [
                ("when", Some(&d.when)),
                ("later", d.later.as_ref()),
                ("optional", d.optional.as_ref()),
            ];
            conditions
                .into_iter()
                .filter_map(move |(field, when)| Some(("document", &d.id, field, when?)))
        });
        let conditions = of_documents
            .chain(
                self.consents
                    .iter()
                    .map(|c| ("consent", &c.id, "when", &c.when)),
            )
            .chain(
                self.papers
                    .questions
                    .iter()
                    .map(|q| ("question", &q.fact, "when", &q.when)),
            );
        for (kind, id, field, when) in conditions {
            let mut facts = Vec::new();
            when.0.facts(&mut facts);
            for fact in facts {
                self.known_fact(fact)
                    .map_err(|e| format!("catalogue: {kind} {id:?}, {field}: {e}"))?;
            }
        }
        for (place, question) in self.papers.questions.iter().enumerate() {
            let mut facts = Vec::new();
            question.when.0.facts(&mut facts);
            // So that evaluation always ends.
            if let Some(later) = self.papers.questions[place..]
                .iter()
                .find(|q| facts.contains(&q.fact.as_str()))
            {
                return Err(format!(
                    "catalogue: question {:?}, when: {:?} must stand before it",
                    question.fact, later.fact
                ));
            }
        }
        for d in &self.papers.documents {
            if d.min > d.max || (d.max == 0 && d.kind != Kind::Form) {
                return Err(format!(
                    "catalogue: document {:?}: min {} and max {} do not fit",
                    d.id, d.min, d.max
                ));
            }
            let listed = |list: &[Choice], id: &str| list.iter().any(|p| p.id == id);
            let replaced = d.instead_of.as_ref().unwrap_or(&d.id);
            let places = [
                ("group", &d.group, listed(&self.papers.groups, &d.group)),
                ("takes", &d.takes, listed(&self.papers.takes, &d.takes)),
                (
                    "drawing",
                    &d.drawing,
                    self.papers.drawings.iter().any(|x| x.id == d.drawing),
                ),
                ("instead_of", replaced, self.document(replaced).is_some()),
            ];
            if let Some((field, value, _)) = places.into_iter().find(|(.., known)| !known) {
                return Err(format!(
                    "catalogue: document {:?}, {field}: {value:?} is not known",
                    d.id
                ));
            }
        }
        Ok(())
    }

    /// Everything the code can name has its text.
    fn verify_words(&self) -> Result<(), String> {
        if let Some(code) = Code::ALL
            .iter()
            .find(|c| !self.errors.contains_key(c.as_str()))
        {
            return Err(format!(
                "catalogue: errors: no words for {:?}",
                code.as_str()
            ));
        }
        let after = &self.papers.after;
        let words =
            Clock::ALL.map(|c| ("clock", c.as_str(), after.clocks.contains_key(c.as_str())));
        let words = words.into_iter().chain(
            Point::ALL.map(|p| ("point", p.as_str(), after.points.contains_key(p.as_str()))),
        );
        let words = words.chain(Overlay::ALL.map(|o| {
            (
                "overlay",
                o.as_str(),
                after.overlays.contains_key(o.as_str()),
            )
        }));
        let words = words.chain(Lob::ALL.iter().map(|l| {
            (
                "cover",
                l.as_str(),
                after.covers.iter().any(|c| c.id == l.as_str()),
            )
        }));
        if let Some((kind, id, _)) = words.into_iter().find(|(.., there)| !there) {
            return Err(format!("catalogue: after: no words for {kind} {id:?}"));
        }
        if let Some(stage) = Stage::ALL
            .iter()
            .find(|s| !self.papers.stages.contains_key(s.as_str()))
        {
            return Err(format!(
                "catalogue: stages: no words for {:?}",
                stage.as_str()
            ));
        }
        Ok(())
    }

    fn known_fact(&self, fact: &str) -> Result<(), String> {
        let known = match fact.split_once(':') {
            Some(("lob", lob)) => Lob::ALL.iter().any(|l| l.as_str() == lob),
            Some(("incident", id)) => self.incidents.iter().any(|i| i.id == id),
            _ => {
                self.papers.questions.iter().any(|q| q.fact == fact)
                    || self.papers.derived_facts.contains_key(fact)
            }
        };
        if known {
            Ok(())
        } else {
            Err(format!("unknown fact {fact:?}"))
        }
    }
}

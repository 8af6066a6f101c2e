//! The documents of one claim: which are needed, what is there, what is still missing.
//!
//! The phone keeps a [`Folder`] and evaluates it by itself, also offline; the server evaluates what
//! it has received with the same code. 报案 is never blocked by documents; 索赔 only by what
//! [`Folder::hinders`] names (保险法第二十二条: "其所能提供的").

pub mod checks;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::catalog::{Asked, Catalogue, Document, Facts, Field, Kind, Need, Phase, Question};
use crate::notice::{Agreed, FieldError, Notice, Point};
use crate::payees::PayeeKind;
use crate::validate::{self, Code};
use crate::{Moment, local_day};
use checks::{Measures, Pdf, judge};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    Jpeg,
    Pdf,
}

/// The consent to share where photos were taken.
pub const PHOTO_PLACE: &str = "photo-place";

/// One file of a document, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct File {
    pub id: String,
    pub document: String,
    pub format: Format,
    pub bytes: u64,
    /// Lower-case hex, of the stored copy and of the file as it was chosen.
    pub sha256: String,
    pub original_sha256: String,
    /// When the camera says it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub taken_at: Option<Moment>,
    /// Where the camera says it was taken; only with the person's consent ([`PHOTO_PLACE`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Point>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Measures>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pdf: Option<Pdf>,
    /// Why a doubted file is used all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_because: Option<String>,
    /// Part of the chosen file was unreadable; what could be read is what is stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub salvaged: bool,
    /// Staff sent it back (需要重传): it is shown, and does not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub returned: bool,
}

impl File {
    /// The same bytes for the same document, wherever they are.
    pub fn is_same(&self, other: &File) -> bool {
        self.sha256 == other.sha256 && self.document == other.document
    }
}

/// Everything a person has handed in, or is about to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Folder {
    /// Answers to the questions of the catalogue, by fact.
    pub answers: BTreeMap<String, bool>,
    pub files: Vec<File>,
    /// By document: why it cannot be provided.
    pub unavailable: BTreeMap<String, String>,
    /// By document, or by file where each has its own number: what was typed.
    pub typed: BTreeMap<String, BTreeMap<Field, String>>,
    /// What the insurer has already: never asked again (投诉办法第十三条).
    pub on_file: Vec<String>,
    /// What staff asked for in addition, with the number of its files at the time.
    pub asked: BTreeMap<String, usize>,
    /// Facts that the policy or staff have settled: never asked, and stronger than an answer.
    pub known: BTreeMap<String, bool>,
    /// Who is paid, by number: some papers are asked of each.
    pub payees: BTreeMap<u16, PayeeKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Todo,
    /// Some of it is there.
    Started,
    Done,
    OnFile,
    /// 已说明无法提供
    Unavailable,
    /// 不需要了: its files stay until the person removes them.
    NotNeeded,
}

/// One line of the task list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Task {
    pub document: String,
    pub need: Need,
    pub phase: Phase,
    pub state: State,
    pub files: u8,
}

impl Task {
    /// Counted in "还差 n 项".
    pub fn is_missing(&self) -> bool {
        self.need == Need::Required && matches!(self.state, State::Todo | State::Started)
    }
}

/// A signature: strokes of points in thousandths of the pad's width and height; or, for those who
/// cannot draw, the name typed as in the report (WCAG 2.2 SC 2.1.1). Either way, the code sent to
/// the signer's phone shows who signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Signature {
    #[serde(default)]
    pub strokes: Vec<Vec<[u16; 2]>>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub typed: String,
}

const LEAST_POINTS: usize = 30;
const MOST_POINTS: usize = 20_000;
/// A name takes at least this much of the pad, in thousandths.
const LEAST_WIDTH: u16 = 150;
const LEAST_HEIGHT: u16 = 100;

impl Signature {
    /// # Errors
    /// Why this is not a signature of `name`; any name will do if that is not known.
    pub fn check(&self, name: &str) -> Result<(), Code> {
        if !self.typed.trim().is_empty() {
            return if name.is_empty() || validate::same_name(&self.typed, name) {
                Ok(())
            } else {
                Err(Code::NameDiffers)
            };
        }
        let points: Vec<[u16; 2]> = self.strokes.iter().flatten().copied().collect();
        let span = |axis: usize| {
            let values = || points.iter().map(|p| p[axis]);
            values().max().unwrap_or(0) - values().min().unwrap_or(0)
        };
        match points.len() {
            0 => Err(Code::SignatureMissing),
            n if n < LEAST_POINTS || span(0) < LEAST_WIDTH || span(1) < LEAST_HEIGHT => {
                Err(Code::SignatureShort)
            }
            n if n > MOST_POINTS || points.iter().flatten().any(|v| *v > 1000) => {
                Err(Code::Malformed)
            }
            _ => Ok(()),
        }
    }
}

/// One line of the claim form (索赔申请书); the page supplies the label for `key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FormLine {
    pub key: String,
    pub value: String,
}

/// 索赔申请书: everything that was stated, to be checked line by line and signed. Nothing is typed
/// for it. The files are not on it: photos of the report may arrive between the signature and the
/// server's check; each has its own hash.
pub fn claim_form(
    catalogue: &Catalogue,
    claim_no: &str,
    notice: &Notice,
    folder: &Folder,
) -> Vec<FormLine> {
    let incident = catalogue.incident(&notice.incident);
    let parts = incident
        .map_or(&[][..], |i| catalogue.parts(i.lob))
        .iter()
        .filter(|p| notice.parts.contains(&p.id))
        .map(|p| p.id.as_str());
    let typed = |document: &str, field: Field| {
        folder
            .typed
            .get(document)
            .and_then(|t| t.get(&field))
            .cloned()
            .unwrap_or_default()
    };
    let lines = [
        ("claim_no", claim_no.to_owned()),
        ("incident", notice.incident.clone()),
        ("loss_at", notice.loss_at.to_local_text()),
        ("place", notice.place.text.clone()),
        ("parts", parts.collect::<Vec<_>>().join(" ")),
        ("narrative", notice.narrative.clone()),
        ("name", notice.reporter.name.clone()),
        ("phone", notice.reporter.phone.clone()),
        ("plate", notice.policy.plate.clone()),
        ("policy_no", notice.policy.no.clone()),
        ("items", typed("loss_list", Field::Items)),
        ("shop", typed("direct_auth", Field::Shop)),
        (
            "unavailable",
            folder
                .unavailable
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .join(" "),
        ),
    ];
    lines
        .into_iter()
        .filter(|(_, v)| !v.trim().is_empty())
        .map(|(key, value)| FormLine {
            key: key.into(),
            value,
        })
        .collect()
}

/// What signing the form commits to: SHA-256 of its lines, lower-case hex.
pub fn form_sha256(form: &[FormLine]) -> String {
    let text: String = form
        .iter()
        .map(|l| format!("{}\u{1f}{}\u{1e}", l.key, l.value))
        .collect();
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

const MOST_REASON: usize = 200;
const MOST_TYPED: usize = 20_000;

impl Folder {
    /// What the rules know: the notice, the answers, and what the loss comes to.
    pub fn facts(&self, notice: &Notice, amount_fen: Option<i64>) -> Facts {
        let mut facts = notice.facts();
        facts.amount_fen = amount_fen;
        for (fact, yes) in self.known.iter().chain(&self.answers) {
            facts.flags.entry(fact.clone()).or_insert(*yes);
        }
        facts
    }

    /// The questions that matter for this claim, answered or not; what is settled is not asked.
    pub fn questions<'c>(&self, catalogue: &'c Catalogue, facts: &Facts) -> Vec<&'c Question> {
        let mut asked = catalogue.questions_for(facts, &self.answers);
        asked.retain(|q| !self.known.contains_key(&q.fact));
        asked
    }

    fn has(&self, document: &Document) -> usize {
        self.files
            .iter()
            .filter(|f| f.document == document.id && !f.returned)
            .count()
    }

    /// How many more files a document takes.
    pub fn room(&self, document: &Document) -> usize {
        let most = usize::from(document.max) + self.asked.get(&document.id).unwrap_or(&0);
        most.saturating_sub(self.has(document))
    }

    /// Whether every field of a document is filled in; it may have none.
    fn is_filled(&self, document: &Document) -> bool {
        let typed = self.typed.get(&document.id);
        document.fields.iter().all(|f| {
            typed
                .and_then(|t| t.get(f))
                .is_some_and(|v| !v.trim().is_empty())
        })
    }

    fn state(&self, document: &Document) -> State {
        let files = self.has(document);
        let typed_only = document.min == 0 || document.kind == Kind::Form;
        let asked = self
            .asked
            .get(&document.id)
            .is_some_and(|before| files <= *before);
        if asked && !self.unavailable.contains_key(&document.id) {
            State::Todo
        } else if self.on_file.contains(&document.id) {
            State::OnFile
        } else if typed_only && !document.fields.is_empty() && self.is_filled(document)
            || document.min > 0 && files >= usize::from(document.min)
        {
            State::Done
        } else if self.unavailable.contains_key(&document.id) {
            State::Unavailable
        } else if files > 0 {
            State::Started
        } else {
            State::Todo
        }
    }

    /// A document as it is asked for: once, or of each payee whom it concerns once they are known.
    fn instances(&self, document: &Document) -> Vec<Document> {
        if document.payee.is_empty() || self.payees.is_empty() {
            return vec![document.clone()];
        }
        let of = self
            .payees
            .iter()
            .filter(|(_, kind)| document.payee.contains(kind));
        of.map(|(no, _)| Document {
            id: format!("{}.{no}", document.id),
            ..document.clone()
        })
        .collect()
    }

    /// The task list, in the catalogue's order. Documents that are not needed appear while they
    /// hold files.
    pub fn tasks(&self, catalogue: &Catalogue, facts: &Facts) -> Vec<Task> {
        let settled = |state: State| matches!(state, State::Done | State::OnFile);
        let instead_of = |document: &Document| {
            let id = document.id.clone();
            catalogue
                .papers
                .documents
                .iter()
                .filter(move |d| d.instead_of.as_ref() == Some(&id))
        };
        // Documents that replace another do so only together.
        let replaced = |document: &Document| {
            instead_of(document).next().is_some()
                && instead_of(document).all(|d| settled(self.state(d)))
        };
        // A replacement is needed whenever the original would be.
        let replaces = |document: &Document| {
            let other = document
                .instead_of
                .as_ref()
                .and_then(|id| catalogue.document(id));
            other.is_some_and(|d| {
                !settled(self.state(d)) && replaced(d) && catalogue.need(d, facts) == Need::Required
            })
        };
        let account_is_known =
            |d: &Document| d.fields.contains(&Field::Card) && !self.payees.is_empty();
        let one = |d: Document, of_payee: bool| {
            let must = self.asked.contains_key(&d.id) || of_payee || replaces(&d);
            let (need, files) = (
                if must {
                    Need::Required
                } else {
                    catalogue.need(&d, facts)
                },
                self.has(&d),
            );
            let state = match self.state(&d) {
                _ if need == Need::No && files > 0 => State::NotNeeded,
                _ if need == Need::No => return None,
                // Signed at the end; it is no task of its own.
                _ if d.kind == Kind::Form && d.fields.is_empty() && d.max == 0 => return None,
                State::Todo | State::Started if replaced(&d) || account_is_known(&d) => State::Done,
                state => state,
            };
            let files = u8::try_from(files).unwrap_or(u8::MAX);
            Some(Task {
                need,
                phase: catalogue.phase(&d, facts),
                document: d.id,
                state,
                files,
            })
        };
        let documents = catalogue.papers.documents.iter();
        let instances =
            documents.flat_map(|d| self.instances(d).into_iter().map(|i| (i.id != d.id, i)));
        instances
            .filter_map(|(of_payee, d)| one(d, of_payee))
            .collect()
    }

    /// What keeps the claim request (索赔) from being sent: a document of this phase with neither
    /// file nor reason, the signature (and whose it must be), a consent, an empty reason.
    pub fn hinders(
        &self,
        catalogue: &Catalogue,
        facts: &Facts,
        signature: (&Signature, &str),
        consents: &[Agreed],
    ) -> Vec<FieldError> {
        let bare = |t: &Task| t.is_missing() && t.state == State::Todo && t.phase == Phase::Claim;
        let tasks = self.tasks(catalogue, facts);
        let documents = tasks
            .iter()
            .filter(|t| bare(t))
            .map(|t| FieldError::new(format!("/documents/{}", t.document), Code::DocumentMissing));
        let reasons = self.unavailable.iter().filter_map(|(document, reason)| {
            let code = match reason.trim().chars().count() {
                0 | 1 => Code::ReasonMissing,
                n if n > MOST_REASON => Code::TooLong,
                _ => return None,
            };
            Some(FieldError::new(format!("/unavailable/{document}"), code))
        });
        let typed = self
            .typed
            .iter()
            .flat_map(|(key, fields)| fields.iter().map(move |(field, text)| (key, field, text)));
        let long = typed.filter(|(.., text)| text.chars().count() > MOST_TYPED);
        let long = long.map(|(key, field, _)| {
            FieldError::new(format!("/typed/{key}/{}", field.as_str()), Code::TooLong)
        });
        let asked = catalogue
            .consents_for(Asked::Request, facts)
            .filter(|c| c.required);
        let consents = asked
            .filter(|c| {
                !consents
                    .iter()
                    .any(|a| a.id == c.id && a.version == c.version)
            })
            .map(|c| FieldError::new(format!("/consents/{}", c.id), Code::ConsentMissing));
        let signature = signature
            .0
            .check(signature.1)
            .err()
            .map(|code| FieldError::new("/signature", code));
        documents
            .chain(reasons)
            .chain(long)
            .chain(consents)
            .chain(signature)
            .collect()
    }

    /// Normalises values for storage; wrong ones stay as typed. Drops what the rules do not know.
    pub fn normalised(mut self, catalogue: &Catalogue, now: Moment) -> Folder {
        let files: Vec<String> = self.files.iter().map(|f| f.id.clone()).collect();
        self.answers
            .retain(|fact, _| catalogue.papers.questions.iter().any(|q| q.fact == *fact));
        self.unavailable
            .retain(|document, _| catalogue.document(document).is_some());
        self.typed
            .retain(|key, _| catalogue.document(key).is_some() || files.contains(key));
        for fields in self.typed.values_mut() {
            fields.retain(|_, text| !text.trim().is_empty());
            for (field, text) in fields.iter_mut() {
                if let Some(value) = judge(*field, text, local_day(now)).value() {
                    *text = value.to_owned();
                }
            }
        }
        self.typed.retain(|_, fields| !fields.is_empty());
        self
    }
}

#[cfg(test)]
mod tests;

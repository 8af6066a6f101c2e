//! The checks K01 to K17: what is doubtful about the files of a claim, why, and how bad it is.
//!
//! `claim-photo` measures a file ([`Measures`], [`Pdf`]); this judges the measures by the thresholds of
//! the catalogue. The phone and the server measure the same stored bytes with the same code, so
//! both reach the same verdict. Only [`Severity::Block`] refuses a file; whatever is merely doubted
//! may be kept with a reason.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalogue, Document, Field, Kind};
use crate::documents::{File, Folder, Format};
use crate::notice::{FieldError, Notice};
use crate::validate::{self, Code, Finding, Verdict};
use crate::{Day, Moment, local_day, money};

/// What was measured on a stored picture. Whole numbers, so that every machine measures the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Measures {
    pub width: u32,
    pub height: u32,
    /// Sharpness: the 58th lowest of the 64 variances of the Laplacian in 8 × 8 tiles of the grey
    /// picture (long edge 1024).
    pub sharp: u32,
    /// Mean grey, 0 to 255.
    pub grey: u8,
    /// Share of pixels at 250 or above.
    pub burnt_permille: u16,
    /// Difference hash of 8 x 8: alike pictures differ in few bits. Hex, because JSON numbers end
    /// at 2^53.
    pub dhash: String,
    /// Share of the frame filled by the object in front of the background, and its long side :
    /// short side in thousandths; 1000 and 0 if no background was found.
    pub fill_permille: u16,
    pub aspect_permille: u16,
    /// What QR codes in it say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

/// What the structure of a PDF says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pdf {
    pub pages: u16,
    pub locked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The file cannot be used.
    Block,
    /// The person decides, and may say why.
    Warn,
    /// A tip.
    Info,
}

/// One doubt. Its finding points at `/files/{id}`, `/documents/{document}` or
/// `/typed/{key}/{field}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Doubt {
    /// `K05`
    pub rule: String,
    pub severity: Severity,
    pub finding: FieldError,
}

/// The number of the rule that a code belongs to.
pub fn rule(code: Code) -> u8 {
    use Code::*;
    match code {
        PhotoNotImage | PhotoHeic | PhotoFormat | PhotoPdf => 1,
        PhotoEmpty | PhotoDamaged | PhotoSalvaged | PdfDamaged => 2,
        PhotoTooLarge | PhotoTooManyPixels | PhotoLimit | UploadRejected => 3,
        PhotoSmall => 4,
        PhotoBlurred => 5,
        PhotoDark | PhotoBright | PhotoGlare => 6,
        PhotoDuplicate | PhotoElsewhere => 7,
        PhotoAlike => 8,
        PhotoFar => 9,
        SideMissing => 10,
        Expired => 11,
        PhotoEarly | PhotoLate => 12,
        PdfLocked | PdfLong => 13,
        NameDiffers => 14,
        InvoiceTwice | InvoiceEarly | InvoiceSum => 16,
        BetterFile => 17,
        // What the validators of typed numbers say.
        _ => 15,
    }
}

impl Doubt {
    pub fn new(severity: Severity, field: String, finding: impl Into<Finding>) -> Doubt {
        let finding = FieldError::new(field, finding);
        Doubt {
            rule: format!("K{:02}", rule(finding.code)),
            severity,
            finding,
        }
    }
}

/// What the files are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub catalogue: &'a Catalogue,
    pub notice: &'a Notice,
    pub now: Moment,
}

/// Width to height of a card, in thousandths (ISO/IEC 7810 ID-1).
const CARD: i32 = 1585;

impl Case<'_> {
    /// Judges one file by itself (K01, K04, K05, K06, K09, K12, K13, K17).
    pub fn of_file(&self, document: &Document, file: &File) -> Vec<Doubt> {
        let mut found = Vec::new();
        let mut say = |severity, code: Code| {
            found.push(Doubt::new(severity, format!("/files/{}", file.id), code))
        };
        let (checks, scene) = (&self.catalogue.papers.checks, document.kind == Kind::Scene);
        if file.format == Format::Pdf && scene {
            say(Severity::Block, Code::PhotoPdf);
        }
        if file.salvaged {
            say(Severity::Warn, Code::PhotoSalvaged);
        }
        if let Some(pdf) = file.pdf {
            if pdf.locked {
                say(Severity::Block, Code::PdfLocked);
            } else if pdf.pages > checks.pdf_pages {
                say(Severity::Block, Code::PdfLong);
            }
        }
        if let Some(look) = &file.look {
            let short = look.width.min(look.height);
            if scene && short < checks.short_edge_scene {
                say(Severity::Info, Code::PhotoSmall);
            } else if !scene && short < checks.short_edge_document {
                say(Severity::Warn, Code::PhotoSmall);
            }
            if look.grey < checks.dark {
                say(Severity::Warn, Code::PhotoDark);
            } else if look.grey > checks.bright {
                say(Severity::Warn, Code::PhotoBright);
            } else if !scene && look.burnt_permille > checks.glare_permille {
                say(Severity::Warn, Code::PhotoGlare);
            }
            // In the dark nothing is sharp: one reason is enough.
            if look.grey >= checks.dark
                && look.sharp
                    < if scene {
                        checks.sharp_scene
                    } else {
                        checks.sharp_document
                    }
            {
                say(Severity::Warn, Code::PhotoBlurred);
            }
            let crooked = look.aspect_permille > 0
                && (i32::from(look.aspect_permille) - CARD).abs() * 1000
                    > CARD * i32::from(checks.aspect_permille);
            if document.kind == Kind::Card && (look.fill_permille < checks.fill_permille || crooked)
            {
                say(Severity::Warn, Code::PhotoFar);
            }
            if document.fields.contains(&Field::InvoiceNo)
                && look.codes.iter().any(|c| crate::invoice::read(c).is_some())
            {
                say(Severity::Info, Code::BetterFile);
            }
        }
        if scene && let Some(taken) = file.taken_at {
            let after = taken.0 - self.notice.loss_at.0;
            if after < -checks.taken_before_s {
                say(Severity::Warn, Code::PhotoEarly);
            } else if after > checks.taken_after_days * 86_400 {
                say(Severity::Warn, Code::PhotoLate);
            }
        }
        found
    }

    /// Judges everything: each file by itself, files among each other, what was typed (all rules
    /// from K04 on).
    pub fn of_folder(&self, folder: &Folder) -> Vec<Doubt> {
        let mut found = Vec::new();
        for (place, file) in folder.files.iter().enumerate() {
            let Some(document) = self
                .catalogue
                .document(&file.document)
                .filter(|_| !file.returned)
            else {
                continue;
            };
            found.extend(self.of_file(document, file));
            found.extend(self.among_files(&folder.files[..place], document, file));
        }
        found.extend(self.sides(folder));
        found.extend(self.typed(folder));
        found.extend(self.invoices(folder));
        found
    }

    /// K07 and K08 of `file` against those before it.
    pub fn among_files(&self, before: &[File], document: &Document, file: &File) -> Vec<Doubt> {
        let at = format!("/files/{}", file.id);
        let mut alike = false;
        let twins = || {
            before
                .iter()
                .filter(|other| other.original_sha256 == file.original_sha256)
        };
        if twins().any(|other| other.document == file.document) {
            return vec![Doubt::new(Severity::Block, at, Code::PhotoDuplicate)];
        }
        if twins().next().is_some() {
            return vec![Doubt::new(Severity::Warn, at, Code::PhotoElsewhere)];
        }
        for other in before {
            let both = other
                .look
                .as_ref()
                .zip(file.look.as_ref())
                .and_then(|(a, b)| {
                    Some((
                        u64::from_str_radix(&a.dhash, 16).ok()?,
                        u64::from_str_radix(&b.dhash, 16).ok()?,
                    ))
                });
            alike |= document.kind == Kind::Scene
                && other.document == file.document
                && both.is_some_and(|(a, b)| {
                    (a ^ b).count_ones() <= self.catalogue.papers.checks.alike_bits
                });
        }
        if alike {
            vec![Doubt::new(Severity::Warn, at, Code::PhotoAlike)]
        } else {
            Vec::new()
        }
    }

    /// K10: a card with only one side there.
    fn sides(&self, folder: &Folder) -> Vec<Doubt> {
        let count = |id: &str| {
            folder
                .files
                .iter()
                .filter(|f| f.document == id && !f.returned)
                .count()
        };
        let missing = |document: &str| {
            Doubt::new(
                Severity::Warn,
                format!("/documents/{document}"),
                Code::SideMissing,
            )
        };
        // One PDF may hold both sides of a card.
        let paper = |id: &str| {
            folder
                .files
                .iter()
                .any(|f| f.document == id && f.format == Format::Pdf)
        };
        let settled = |id: &str| {
            folder.on_file.iter().any(|d| d == id) || folder.unavailable.contains_key(id)
        };
        let pair = match (count("id_front"), count("id_back")) {
            (0, 1..) if !paper("id_back") && !settled("id_front") => Some(missing("id_front")),
            (1.., 0) if !paper("id_front") && !settled("id_back") => Some(missing("id_back")),
            _ => None,
        };
        let half = self
            .catalogue
            .papers
            .documents
            .iter()
            .filter(|d| d.kind == Kind::Card && d.min == 2 && !settled(&d.id));
        pair.into_iter()
            .chain(
                half.filter(|d| count(&d.id) == 1 && !paper(&d.id))
                    .map(|d| missing(&d.id)),
            )
            .collect()
    }

    /// K11, K14 and K15: what was typed, by itself and against the notice.
    fn typed(&self, folder: &Folder) -> Vec<Doubt> {
        let mut found = Vec::new();
        let lost = local_day(self.notice.loss_at);
        let mut vins: BTreeSet<String> = BTreeSet::new();
        for (key, fields) in &folder.typed {
            for (field, text) in fields {
                let at = format!("/typed/{key}/{}", field.as_str());
                let verdict = judge(*field, text, local_day(self.now));
                if let Some(finding) = verdict.finding() {
                    found.push(Doubt::new(Severity::Warn, at, finding.clone()));
                    continue;
                }
                let value = verdict.value().unwrap_or_default();
                let notice = &self.notice;
                let known = |known: &str| !known.is_empty() && known != value;
                let code = match field {
                    Field::ValidUntil => Day::parse(value)
                        .is_some_and(|day| day < lost)
                        .then_some(Code::Expired),
                    Field::Name
                        if key.starts_with("id_") && notice.reporter.role == "insured"
                            || key == "driver_license" && notice.reporter.role == "driver" =>
                    {
                        (!notice.reporter.name.is_empty()
                            && !validate::same_name(value, &notice.reporter.name))
                        .then_some(Code::NameDiffers)
                    }
                    Field::IdNo => known(&notice.policy.id_no).then_some(Code::NumberDiffers),
                    Field::Plate => known(&notice.policy.plate).then_some(Code::NumberDiffers),
                    Field::Vin => {
                        let differs = !vins.is_empty() && !vins.contains(value);
                        vins.insert(value.to_owned());
                        differs.then_some(Code::NumberDiffers)
                    }
                    _ => None,
                };
                found.extend(code.map(|code| Doubt::new(Severity::Warn, at, code)));
            }
        }
        found
    }

    /// K16: no invoice appears twice or predates the loss, and they add up to the accompanying
    /// list.
    fn invoices(&self, folder: &Folder) -> Vec<Doubt> {
        let mut found = Vec::new();
        let mut numbers = BTreeSet::new();
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        let lost = local_day(self.notice.loss_at);
        for (key, fields) in &folder.typed {
            let file = folder.files.iter().find(|f| f.id == *key);
            let Some(document) = file
                .map(|f| f.document.as_str())
                .or(self.catalogue.document(key).map(|d| d.id.as_str()))
            else {
                continue;
            };
            let value = |field: Field| fields.get(&field).map(String::as_str);
            let at = |field: Field| format!("/typed/{key}/{}", field.as_str());
            if let Some(number) = value(Field::InvoiceNo)
                .map(compact)
                .filter(|n| !n.is_empty())
                && !numbers.insert(number)
            {
                found.push(Doubt::new(
                    Severity::Warn,
                    at(Field::InvoiceNo),
                    Code::InvoiceTwice,
                ));
            }
            let date = value(Field::InvoiceDate)
                .map(validate::date)
                .and_then(|v| Day::parse(v.value()?));
            if date.is_some_and(|day| day < lost) {
                found.push(Doubt::new(
                    Severity::Warn,
                    at(Field::InvoiceDate),
                    Code::InvoiceEarly,
                ));
            }
            if let Some(fen) = value(Field::Amount).and_then(|text| money::parse(text).ok()) {
                *sums.entry(document).or_default() += fen;
            }
        }
        for (invoices, list) in [
            ("medical_invoice", "medical_list"),
            ("repair_invoice", "repair_list"),
        ] {
            if let (Some(a), Some(b)) = (sums.get(invoices), sums.get(list))
                && (a - b).abs() > 100
            {
                found.push(Doubt::new(
                    Severity::Warn,
                    format!("/documents/{list}"),
                    Code::InvoiceSum,
                ));
            }
        }
        found
    }
}

fn compact(number: &str) -> String {
    number.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Judges one typed value.
pub fn judge(field: Field, text: &str, today: Day) -> Verdict {
    let text_of = |most: usize| match text.trim() {
        "" => Verdict::Err(Code::Required.into()),
        text if text.chars().count() > most => Verdict::Err(Code::TooLong.into()),
        text => Verdict::Ok(text.to_owned()),
    };
    match field {
        Field::Name => validate::name(text),
        Field::IdNo => validate::id_no(text, today),
        Field::Plate => validate::plate(text),
        Field::Vin => validate::vin(text),
        Field::Uscc => validate::uscc(text),
        Field::Card => validate::bank_card(text),
        Field::ValidUntil | Field::InvoiceDate => validate::date(text),
        Field::Amount => {
            money::parse(text).map_or_else(Verdict::Err, |fen| Verdict::Ok(money::show(fen)))
        }
        Field::InvoiceNo => text_of(30),
        Field::Shop => text_of(60),
        Field::ShopPhone => validate::shop_phone(text),
        Field::Items => items(text),
    }
}

/// One line each: the thing first, its price last.
fn items(text: &str) -> Verdict {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    if lines.is_empty() {
        return Verdict::Err(Code::Required.into());
    }
    if lines.len() > 200 || text.len() > 20_000 {
        return Verdict::Err(Code::TooLong.into());
    }
    for (i, line) in lines.iter().enumerate() {
        let priced = line
            .rsplit_once(char::is_whitespace)
            .is_some_and(|(thing, price)| !thing.trim().is_empty() && money::parse(price).is_ok());
        if !priced {
            return Verdict::Err(Finding {
                code: Code::ItemsFormat,
                at: u8::try_from(i + 1).ok(),
                fix: None,
            });
        }
    }
    Verdict::Ok(lines.join("\n"))
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;

//! The documents of one claim on this phone: what the server has and what is still here. The only
//! owner and writer of both; pages read signals and call methods.
//!
//! Promise: nothing of a file leaves the phone before [`Papers::send`]. Every answer and file is on
//! disk before it is shown as done. Without a network everything but sending works.

use std::collections::BTreeMap;

use claim_api::outbox::{OutPhoto, Outbox, Sending};
use claim_api::{BASE, ClaimRequest, ClaimView, Step};
use claim_domain::catalog::{Document, Facts, Field, Kind, Question};
use claim_domain::checks::{Case, Doubt, Severity};
use claim_domain::documents::{File, Folder, FormLine, Signature, Task, claim_form, form_sha256};
use claim_domain::lifecycle::{Claim, Event, EventKind};
use claim_domain::notice::Agreed;
use claim_domain::{Catalogue, Code, FieldError};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::platform::http::{self, CallError};
use crate::platform::photos::{self, Picked};
use crate::platform::storage::{Storage, photo};
use crate::platform::{new_id, now, page, spawn};
use crate::session::Session;

/// What the phone keeps of a claim: enough to go on offline.
#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    view: ClaimView,
    /// Not at the server yet.
    here: Folder,
    /// A file input was open for this document when the page was last seen.
    #[serde(default)]
    waiting: Option<String>,
    /// The person agreed that ID and card numbers are kept here, too.
    #[serde(default)]
    keep_numbers: bool,
}

impl Kept {
    /// What may be saved.
    fn agreed(mut self) -> Kept {
        if !self.keep_numbers {
            self.here
                .typed
                .values_mut()
                .for_each(|fields| fields.retain(|field, _| !field.is_personal()));
        }
        self
    }
}

/// A chosen file that is being looked at, or why it cannot be used.
#[derive(Clone, PartialEq)]
pub struct Chosen {
    pub id: String,
    pub document: String,
    pub bytes: u64,
    /// The code of the error, as the catalogue and the server write it.
    pub wrong: Option<String>,
}

#[derive(Clone, Copy)]
pub struct Papers {
    pub session: Session,
    pub catalogue: &'static Catalogue,
    view: RwSignal<ClaimView>,
    here: RwSignal<Folder>,
    pub chosen: RwSignal<Vec<Chosen>>,
    pub waiting: RwSignal<Option<String>>,
    pub pictures: RwSignal<BTreeMap<String, String>>,
    /// Files whose bytes were lost on this phone.
    pub lost: RwSignal<Vec<String>>,
    pub keep_numbers: RwSignal<bool>,
}

fn key(no: &str) -> String {
    format!("papers:{no}")
}

async fn kept(storage: &Storage, no: &str) -> Option<Kept> {
    let text = storage.text(&key(no)).await?;
    let kept = serde_json::from_str(&text).ok();
    if kept.is_none() {
        storage.put_aside(&key(no), text).await;
    }
    kept
}

impl Papers {
    /// The documents of claim `no`: from the server, or as last seen.
    ///
    /// # Errors
    /// Why neither is available.
    pub async fn open(session: Session, no: &str) -> Result<Papers, CallError> {
        let storage = session.storage();
        let fresh = http::get_whole::<ClaimView>(&format!("{BASE}/claims/{no}")).await;
        let kept = kept(&storage, no).await;
        let Kept {
            view,
            here,
            waiting,
            keep_numbers,
        } = match (fresh, kept) {
            (Ok(view), Some(kept)) => Kept { view, ..kept },
            (Ok(view), None) => Kept {
                view,
                here: Folder::default(),
                waiting: None,
                keep_numbers: false,
            },
            (Err(CallError::Offline), Some(kept)) => kept,
            (Err(error), _) => return Err(error),
        };
        let catalogue = session.visit.rules(&view.rules_version).await?;
        // A file without bytes stays in the list: it is shown as lost, to be taken again.
        let mut pictures = BTreeMap::new();
        let mut lost = Vec::new();
        for file in &here.files {
            match storage.bytes(&photo(&file.id)).await {
                None => lost.push(file.id.clone()),
                Some(bytes) => pictures.extend(
                    page::picture(&bytes)
                        .filter(|_| file.look.is_some())
                        .map(|url| (file.id.clone(), url)),
                ),
            }
        }
        Ok(Papers {
            session,
            catalogue,
            view: RwSignal::new(view),
            here: RwSignal::new(here),
            chosen: RwSignal::new(Vec::new()),
            waiting: RwSignal::new(waiting),
            pictures: RwSignal::new(pictures),
            lost: RwSignal::new(lost),
            keep_numbers: RwSignal::new(keep_numbers),
        })
    }

    pub fn no(&self) -> String {
        self.view.with(|v| v.summary.claim_no.clone())
    }

    pub fn address(&self, page: &str) -> String {
        format!("/claims/{}/{page}", self.no())
    }

    /// What the server has and what is here, together.
    pub fn folder(&self) -> Folder {
        let mut whole = self.view.with(|v| v.folder.clone());
        self.here.with(|here| {
            whole.answers.extend(here.answers.clone());
            whole.unavailable.extend(here.unavailable.clone());
            // An empty reason takes back one that the server has.
            whole.unavailable.retain(|_, reason| !reason.is_empty());
            for (key, fields) in &here.typed {
                whole
                    .typed
                    .entry(key.clone())
                    .or_default()
                    .extend(fields.clone());
            }
            let fresh = here
                .files
                .iter()
                .filter(|f| !whole.files.iter().any(|w| w.is_same(f)));
            let fresh: Vec<File> = fresh.cloned().collect();
            whole.files.extend(fresh);
        });
        whole
    }

    fn facts_of(&self, folder: &Folder) -> Facts {
        self.view.with(|v| folder.facts(&v.notice, v.amount_fen))
    }

    pub fn facts(&self) -> Facts {
        self.facts_of(&self.folder())
    }

    pub fn tasks(&self) -> Vec<Task> {
        let folder = self.folder();
        folder.tasks(self.catalogue, &self.facts_of(&folder))
    }

    /// The questions that matter for this claim, with the answers so far.
    pub fn questions(&self) -> Vec<(&'static Question, Option<bool>)> {
        let folder = self.folder();
        let asked = folder.questions(self.catalogue, &self.facts_of(&folder));
        asked
            .into_iter()
            .map(|q| (q, folder.answers.get(&q.fact).copied()))
            .collect()
    }

    pub fn missing(&self) -> usize {
        self.tasks().iter().filter(|t| t.is_missing()).count()
    }

    pub fn doubts(&self) -> Vec<Doubt> {
        let folder = self.folder();
        self.view.with(|v| {
            Case {
                catalogue: self.catalogue,
                notice: &v.notice,
                now: now(),
            }
            .of_folder(&folder)
        })
    }

    /// The claim as replayed from its events.
    pub fn claim(&self) -> Claim {
        self.view.with(|v| Claim::replay(v.summary.lob, &v.events))
    }

    /// Whether the claim request has arrived.
    pub fn is_requested(&self) -> bool {
        self.claim().requested_at.is_some()
    }

    /// Why a document on the supplement list cannot be provided. Unlike [`Papers::unavailable`]
    /// this is sent at once: the insurer is waiting for it.
    ///
    /// # Errors
    /// Why the server refused it.
    pub async fn excuse(&self, document: &str, reason: String) -> Result<(), CallError> {
        let what = EventKind::SupplementExcused {
            document: document.to_owned(),
            reason,
        };
        http::post::<Event>(
            &format!("{BASE}/claims/{}/steps", untrack(|| self.no())),
            &Step { what },
        )
        .await?;
        self.refresh().await
    }

    /// Files that only this phone has, and are not on their way.
    pub fn unsent(&self) -> Vec<File> {
        let held = self.view.with(|v| v.folder.files.clone());
        self.here.with(|h| {
            h.files
                .iter()
                .filter(|f| !held.iter().any(|x| x.is_same(f)) && !self.is_under_way(f))
                .cloned()
                .collect()
        })
    }

    /// Its bytes are being sent: too late to remove it.
    pub fn is_under_way(&self, file: &File) -> bool {
        let same = |p: &OutPhoto| {
            p.id == file.id
                && p.document == file.document
                && !matches!(p.state, Sending::Lost | Sending::Refused { .. })
        };
        self.session
            .outboxes
            .with(|all| all.iter().flat_map(|o| &o.photos).any(same))
    }

    /// A signed request is on its way: its content can no longer change.
    pub fn is_signed(&self) -> bool {
        self.is_requested()
            || self
                .sending()
                .is_some_and(|o| o.closing.is_some_and(|c| !c.answered))
    }

    pub fn is_here(&self, file: &File) -> bool {
        self.here.with(|h| {
            h.files
                .iter()
                .any(|f| f.id == file.id && f.document == file.document)
        })
    }

    fn save(&self) {
        let papers = *self;
        spawn(async move {
            let kept = Kept {
                view: papers.view.get_untracked(),
                here: papers.here.get_untracked(),
                waiting: papers.waiting.get_untracked(),
                keep_numbers: papers.keep_numbers.get_untracked(),
            };
            let kept = kept.agreed();
            papers
                .session
                .storage()
                .save_text(
                    &key(&papers.no()),
                    serde_json::to_string(&kept).unwrap_or_default(),
                )
                .await;
        });
    }

    pub fn answer(&self, fact: &str, yes: bool) {
        self.here.update(|h| {
            h.answers.insert(fact.to_owned(), yes);
        });
        self.save();
    }

    /// Why a document cannot be provided; an empty reason withdraws this.
    pub fn unavailable(&self, document: &str, reason: String) {
        self.here
            .update(|h| drop(h.unavailable.insert(document.to_owned(), reason)));
        self.save();
    }

    pub fn type_in(&self, key: &str, field: Field, value: String) {
        self.here.update(|h| {
            drop(
                h.typed
                    .entry(key.to_owned())
                    .or_default()
                    .insert(field, value),
            )
        });
        self.save();
    }

    pub fn agree_to_keep_numbers(&self, agreed: bool) {
        self.keep_numbers.set(agreed);
        self.save();
    }

    /// "仍要使用": why a doubted file is kept.
    pub fn keep(&self, id: &str, reason: String) {
        self.here.update(|h| {
            h.files
                .iter_mut()
                .filter(|f| f.id == id)
                .for_each(|f| f.kept_because = Some(reason.clone()))
        });
        self.save();
    }

    /// Saved before the camera opens: a webview may kill the page meanwhile.
    pub fn camera_opens(&self, document: &str) {
        self.waiting.set(Some(document.to_owned()));
        self.save();
    }

    pub fn remove(&self, document: &str, id: &str) {
        self.here.update(|h| {
            h.files.retain(|f| f.id != id || f.document != document);
            // Its invoice number goes too, otherwise the same invoice taken again would count
            // twice.
            if h.files.iter().all(|f| f.id != id) {
                h.typed.remove(id);
            }
        });
        self.lost.update(|l| l.retain(|x| x != id));
        if self
            .here
            .with_untracked(|h| h.files.iter().all(|f| f.id != id))
        {
            self.pictures
                .update(|p| drop(p.remove(id).inspect(|url| page::release(url))));
            let (storage, id) = (self.session.storage(), id.to_owned());
            spawn(async move { storage.forget(&photo(&id)).await });
        }
        self.save();
    }

    /// Moves a file one place forward among the local files of its document.
    pub fn forward(&self, document: &str, id: &str) {
        self.here.update(|h| {
            let places: Vec<usize> = (0..h.files.len())
                .filter(|i| h.files[*i].document == document)
                .collect();
            if let Some(at) = places
                .iter()
                .position(|i| h.files[*i].id == id)
                .filter(|at| *at > 0)
            {
                h.files.swap(places[at], places[at - 1]);
            }
        });
        self.save();
    }

    /// Looks at the chosen files, one after the other.
    pub fn choose(&self, document: &Document, files: Vec<Picked>) {
        self.waiting.set(None);
        page::ask_to_persist();
        for file in files {
            let id = new_id();
            self.chosen.update(|c| {
                c.push(Chosen {
                    id: id.clone(),
                    document: document.id.clone(),
                    bytes: file.bytes(),
                    wrong: None,
                })
            });
            let (papers, document) = (*self, document.clone());
            spawn(async move {
                let taken = papers.take(&id, &document, &file).await;
                papers.chosen.update(|all| match taken {
                    Ok(()) => all.retain(|c| c.id != id),
                    Err(code) => all
                        .iter_mut()
                        .filter(|c| c.id == id)
                        .for_each(|c| c.wrong = Some(code.as_str().into())),
                });
            });
        }
        self.save();
    }

    async fn take(&self, id: &str, document: &Document, file: &Picked) -> Result<(), Code> {
        let turn = photos::turn(id).await;
        if self.folder().room(document) == 0 {
            return Err(Code::PhotoLimit);
        }
        let (codes, scene) = (
            document.fields.contains(&Field::InvoiceNo),
            document.kind == Kind::Scene,
        );
        let fits = &self.session.config.photos;
        let (bytes, paper) = photos::prepare_paper(
            &turn,
            file,
            if scene { fits.scene() } else { fits.document() },
            !scene,
            codes,
        )
        .await?;
        // The server names files by their content too.
        let file = File {
            id: paper.sha256[..16].to_owned(),
            document: document.id.clone(),
            taken_at: paper.taken_at.or(file.taken_at()),
            ..paper
        };
        let before = self.folder().files;
        let blocked = self.view.with_untracked(|v| {
            let case = Case {
                catalogue: self.catalogue,
                notice: &v.notice,
                now: now(),
            };
            let doubts = case
                .of_file(document, &file)
                .into_iter()
                .chain(case.among_files(&before, document, &file));
            doubts.into_iter().find(|d| d.severity == Severity::Block)
        });
        if let Some(doubt) = blocked {
            return Err(doubt.finding.code);
        }
        let url = page::picture(&bytes).filter(|_| file.look.is_some());
        if !self.session.storage().save_photo(&file.id, bytes).await {
            return Err(Code::PhotoRead);
        }
        self.pictures
            .update(|p| p.extend(url.map(|url| (file.id.clone(), url))));
        // Pre-fill what its QR code says, to be confirmed.
        let invoice = file
            .look
            .iter()
            .flat_map(|l| &l.codes)
            .find_map(|c| claim_domain::invoice::read(c));
        self.here.update(|h| {
            if let Some(invoice) = invoice {
                let typed = h.typed.entry(file.id.clone()).or_default();
                typed.insert(Field::InvoiceNo, invoice.number);
                typed.extend(invoice.date.map(|d| (Field::InvoiceDate, d.to_string())));
                typed.extend(
                    invoice
                        .amount_fen
                        .map(|fen| (Field::Amount, claim_domain::money::show(fen))),
                );
            }
            h.unavailable.remove(&document.id);
            h.files.push(file);
        });
        self.save();
        Ok(())
    }

    /// The claim form, built from the answers.
    pub fn form(&self) -> Vec<FormLine> {
        let folder = self.folder().normalised(self.catalogue, now());
        self.view
            .with(|v| claim_form(self.catalogue, &v.summary.claim_no, &v.notice, &folder))
    }

    /// What keeps the claim request from being sent.
    pub fn hinders(&self, signature: &Signature, consents: &[Agreed]) -> Vec<FieldError> {
        let folder = self.folder();
        let name = self.view.with(|v| v.signer.clone());
        folder.hinders(
            self.catalogue,
            &self.facts_of(&folder),
            (signature, &name),
            consents,
        )
    }

    /// Sends the files that are here; with a signature, the claim request after them.
    pub fn send(&self, signed: Option<(Signature, Vec<Agreed>)>) {
        let no = self.no();
        let photos: Vec<OutPhoto> = self.unsent().iter().map(out_photo).collect();
        let closing = signed.map(|(signature, consents)| {
            let folder = self.folder().normalised(self.catalogue, now());
            let request = ClaimRequest {
                answers: folder.answers.clone(),
                unavailable: folder.unavailable.clone(),
                typed: folder.typed.clone(),
                consents,
                signature,
                form_sha256: form_sha256(&self.form()),
                tasks: self.tasks(),
                doubts: self.doubts(),
            };
            (
                format!("{BASE}/claims/{no}/claim-request"),
                serde_json::to_string(&request).unwrap_or_default(),
            )
        });
        self.session
            .send_this(Outbox::for_claim(&new_id(), &no, photos, closing));
    }

    /// The newest sending of this claim, if any.
    pub fn sending(&self) -> Option<Outbox> {
        let no = self.no();
        self.session.outboxes.with(|all| {
            all.iter()
                .rfind(|o| !o.is_report() && o.claim_no() == Some(no.as_str()))
                .cloned()
        })
    }

    /// A refused request returns to its pages: its files are at the server, its answers were never
    /// accepted.
    pub fn take_back(&self) {
        let no = self.no();
        self.session
            .outboxes
            .update(|all| all.retain(|o| o.is_report() || o.claim_no() != Some(no.as_str())));
        let papers = *self;
        spawn(async move { drop(papers.refresh().await) });
    }

    /// Asks the server: what it has replaces the local copy.
    pub async fn refresh(&self) -> Result<(), CallError> {
        let no = self.no();
        let view = http::get_whole::<ClaimView>(&format!("{BASE}/claims/{no}")).await?;
        let requested = Claim::replay(view.summary.lob, &view.events)
            .requested_at
            .is_some();
        let over = self.session.outboxes.with_untracked(|all| {
            let mine = all
                .iter()
                .filter(|o| !o.is_report() && o.is_done() && o.claim_no() == Some(no.as_str()));
            mine.flat_map(|o| o.photos.clone()).collect::<Vec<_>>()
        });
        // Show why a file was refused or lost, and remove it from what will be sent.
        for photo in &over {
            let wrong = match &photo.state {
                Sending::Refused { code } => code.clone(),
                Sending::Lost => Code::PhotoRead.as_str().into(),
                _ => continue,
            };
            let refused = Chosen {
                id: new_id(),
                document: photo.document.clone(),
                bytes: photo.bytes,
                wrong: Some(wrong),
            };
            self.chosen.update(|c| c.push(refused));
            self.remove(&photo.document, &photo.id);
        }
        let before: Vec<String> = self
            .here
            .with_untracked(|h| h.files.iter().map(|f| f.id.clone()).collect());
        self.here.update(|h| {
            h.files
                .retain(|f| !view.folder.files.iter().any(|x| x.is_same(f)));
            if requested {
                (h.answers, h.unavailable, h.typed) = Default::default();
            }
        });
        self.view.set(view);
        self.session.outboxes.update(|all| {
            all.retain(|o| o.is_report() || !o.is_done() || o.claim_no() != Some(no.as_str()))
        });
        self.save();
        let storage = self.session.storage();
        for id in before {
            if self
                .here
                .with_untracked(|h| h.files.iter().all(|f| f.id != id))
            {
                storage.forget(&photo(&id)).await;
            }
        }
        Ok(())
    }
}

fn out_photo(file: &File) -> OutPhoto {
    OutPhoto {
        id: file.id.clone(),
        document: file.document.clone(),
        format: file.format,
        bytes: file.bytes,
        sha256: file.sha256.clone(),
        facts: serde_json::to_string(file).ok(),
        state: Sending::Waiting,
    }
}

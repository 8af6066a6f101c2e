//! Attaches files to a claim: measured and judged by the same code that the phone used.
//!
//! Promise: a file is judged when it arrives, by the rules that its claim began with; the verdict
//! is stored with rule and version. If phone and server disagree, a defect is logged, without any
//! personal data.

use std::process::Stdio;
use std::time::Duration;

use claim_api::{DocumentView, Problem, ProblemCode};
use claim_domain::catalog::{Document, Field};
use claim_domain::checks::{Case, Doubt, Severity};
use claim_domain::documents::{File, Format, PHOTO_PLACE};
use claim_domain::lifecycle::{Actor, EventKind};
use claim_domain::{Code, FieldError};
use claim_photo::{Kind, Limits, PhotoError, inspect, measure, pdf, sniff};
use tokio::io::AsyncWriteExt;

use super::{attendant, log, papers, signals};
use crate::failure::{Failure, Result};
use crate::store::claims::ClaimRow;
use crate::store::documents::{self, Handed};
use crate::store::{Tx, uploads};
use crate::vault::is_sha256;
use crate::{App, now};

fn refused(code: Code) -> Failure {
    Problem {
        errors: vec![FieldError::new("/file", code)],
        ..ProblemCode::UploadRejected.into()
    }
    .into()
}

/// A document that files can be attached to, under the rules of the claim.
///
/// # Errors
/// `not-found` for an unknown document.
pub async fn document(app: &App, claim: &ClaimRow, id: &str) -> Result<Document> {
    let rules = papers::rules(app, &mut app.store.read().await?, &claim.rules_version).await?;
    let known = rules.instance(id).filter(|document| document.max > 0);
    Ok(known.ok_or(ProblemCode::NotFound)?)
}

/// Attaches the finished upload of `subject` to a document of the claim; a repeat gets the same
/// answer. `said`: what the phone found.
///
/// # Errors
/// `not-found` for an unknown document, `upload-expired` for a file that is gone, `upload-rejected`
/// for one that cannot be accepted.
pub async fn attach(
    app: &App,
    claim: &ClaimRow,
    subject: &str,
    known: &Document,
    upload: &str,
    said: Option<File>,
) -> Result<DocumentView> {
    let catalogue = papers::rules(app, &mut app.store.read().await?, &claim.rules_version).await?;
    let document = known.id.as_str();
    if said
        .as_ref()
        .is_some_and(|s| !is_sha256(&s.original_sha256))
    {
        return Err(ProblemCode::MalformedJson.into());
    }
    // Held to the end: nobody removes or writes the file meanwhile.
    let turn = app.uploads.turn(upload).await?;
    // Reading, hashing and decoding take memory.
    let place = app.decoding.enter().await?;
    let (bytes, sha256) = app
        .uploads
        .finished(&app.store, &turn, subject, upload, now())
        .await?;
    // A repeat gets the same answer, without measuring the picture again.
    let known_already =
        documents::has(&mut app.store.read().await?, &claim.id, document, &sha256).await?;
    if known_already && let Some(known) = again(app, claim, document, &sha256).await? {
        return Ok(known);
    }
    scanned(app, &bytes).await?;
    let mut file = judged(known, &bytes, &sha256, said.as_ref()).await?;
    if !claim.notice.consents.iter().any(|c| c.id == PHOTO_PLACE) {
        file.place = None;
    }
    let at = now();
    let case = Case {
        catalogue: &catalogue,
        notice: &claim.notice,
        now: at,
    };
    let mut doubts = case.of_file(known, &file);
    if let Some(said) = said.filter(|s| s.look.is_some() || s.pdf.is_some()) {
        let theirs = case.of_file(
            known,
            &File {
                id: file.id.clone(),
                ..said
            },
        );
        if theirs != doubts {
            tracing::warn!(document, ours = ?codes(&doubts), theirs = ?codes(&theirs), "verdicts of phone and server differ");
        }
    }
    drop((bytes, place));
    let mut tx = app.store.begin().await?;
    // The turn covers only this upload; the same file may have come by another one meanwhile.
    if let Some(known) = handed_in(app, &mut tx, claim, document, &sha256).await? {
        tx.commit().await?;
        attendant::attend(app, &claim.id).await;
        return Ok(known);
    }
    let before = papers::folder(&mut tx, claim).await?;
    doubts.extend(case.among_files(&before.files, known, &file));
    if let Some(blocking) = doubts.iter().find(|d| d.severity == Severity::Block) {
        return Err(refused(blocking.finding.code));
    }
    if before.room(known) == 0 {
        return Err(refused(Code::PhotoLimit));
    }
    let what = EventKind::DocumentReceived {
        document: document.into(),
        sha256: sha256.clone(),
        bytes: file.bytes,
    };
    log::append(
        app,
        &mut tx,
        (&claim.id, claim.lob),
        &Actor::Customer,
        what,
        at,
    )
    .await?;
    uploads::link(&mut tx, &turn, subject, upload, &claim.id).await?;
    let new = Handed::new(document, upload, at, file, &doubts);
    documents::add(&mut tx, &claim.id, &new, &catalogue.rules_version).await?;
    signals::of_file(&mut tx, claim, &new.file, at).await?;
    tx.commit().await?;
    attendant::attend(app, &claim.id).await;
    new.view()
}

/// Measures on a blocking thread, beside other requests. The QR code reader is not our code: if it
/// panics, the file is judged without it.
async fn judged(
    known: &Document,
    bytes: &bytes::Bytes,
    sha256: &str,
    said: Option<&File>,
) -> Result<File> {
    let attempt = async |codes: bool| {
        let (known, sha256, said, bytes) = (
            known.clone(),
            sha256.to_owned(),
            said.cloned(),
            bytes.clone(),
        );
        tokio::task::spawn_blocking(move || measured(&known, &bytes, &sha256, said.as_ref(), codes))
            .await
    };
    let reads_codes = known.fields.contains(&Field::InvoiceNo);
    let file = match attempt(reads_codes).await {
        Err(error) if reads_codes => {
            tracing::error!(%error, "reading QR codes failed");
            attempt(false).await
        }
        other => other,
    };
    file.map_err(|e| Failure::internal("measuring", e))?
        .map_err(refused)
}

/// Measures what arrived; the phone's word counts only for what the server cannot see.
fn measured(
    document: &Document,
    bytes: &[u8],
    sha256: &str,
    said: Option<&File>,
    codes: bool,
) -> std::result::Result<File, Code> {
    let mut file = File {
        id: sha256[..16].to_owned(),
        document: document.id.clone(),
        format: Format::Jpeg,
        bytes: bytes.len() as u64,
        sha256: sha256.to_owned(),
        original_sha256: said.map_or(sha256, |s| &s.original_sha256).to_owned(),
        taken_at: said.and_then(|s| s.taken_at),
        place: said.and_then(|s| s.place),
        look: None,
        pdf: None,
        kept_because: said
            .and_then(|s| s.kept_because.clone())
            .map(|r| r.chars().take(200).collect()),
        salvaged: said.is_some_and(|s| s.salvaged),
        returned: false,
    };
    if sniff(bytes) == Kind::Pdf {
        file.format = Format::Pdf;
        file.pdf = Some(pdf::inspect(bytes).map_err(PhotoError::code)?);
    } else {
        inspect(bytes, &Limits::default()).map_err(PhotoError::code)?;
        file.look = Some(measure(bytes, codes).map_err(PhotoError::code)?);
    }
    Ok(file)
}

fn codes(doubts: &[Doubt]) -> Vec<&'static str> {
    doubts.iter().map(|d| d.finding.code.as_str()).collect()
}

const SCANNED_WITHIN: Duration = Duration::from_secs(30);

/// Asks the operator's own scanner about a file (ASVS 5.4.3). If it fails, nothing is accepted.
async fn scanned(app: &App, bytes: &[u8]) -> Result<()> {
    let Some(program) = &app.options.scan else {
        return Ok(());
    };
    let run = async {
        let mut command = tokio::process::Command::new(program);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        if let Some(mut input) = child.stdin.take() {
            // A scanner may exit before it has read everything.
            let _ = input.write_all(bytes).await;
        }
        child.wait().await
    };
    match tokio::time::timeout(SCANNED_WITHIN, run)
        .await
        .map(|done| done.map(|status| status.code()))
    {
        Ok(Ok(Some(0))) => Ok(()),
        Ok(Ok(Some(1))) => {
            app.audit
                .alarm(serde_json::json!({ "scan": "a file was refused" }));
            Err(refused(Code::UploadRejected))
        }
        failed => {
            tracing::error!(?failed, "the file scanner failed");
            Err(Problem::after(ProblemCode::StorageFailing, 30).into())
        }
    }
}

/// The answer for a file that the claim already has.
async fn again(
    app: &App,
    claim: &ClaimRow,
    document: &str,
    sha256: &str,
) -> Result<Option<DocumentView>> {
    let mut tx = app.store.begin().await?;
    let known = handed_in(app, &mut tx, claim, document, sha256).await?;
    tx.commit().await?;
    if known.is_some() {
        attendant::attend(app, &claim.id).await;
    }
    Ok(known)
}

/// A file that the claim already has for this document. If it was sent back and comes again
/// unchanged, staff judge it again.
async fn handed_in(
    app: &App,
    tx: &mut Tx,
    claim: &ClaimRow,
    document: &str,
    sha256: &str,
) -> Result<Option<DocumentView>> {
    let all = documents::of_claim(tx, &claim.id).await?;
    let Some(known) = all
        .iter()
        .find(|h| h.document == document && h.sha256 == sha256)
    else {
        return Ok(None);
    };
    let view = known.view()?;
    if papers::folder(tx, claim)
        .await?
        .files
        .iter()
        .any(|f| f.returned && f.document == document && f.sha256 == sha256)
    {
        let what = EventKind::DocumentReceived {
            document: document.into(),
            sha256: sha256.into(),
            bytes: view.bytes,
        };
        log::append(
            app,
            tx,
            (&claim.id, claim.lob),
            &Actor::Customer,
            what,
            now(),
        )
        .await?;
    }
    Ok(Some(view))
}

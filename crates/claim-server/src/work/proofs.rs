//! 存证回执: a receipt for what was received for a claim, signed with the installation key.

use claim_api::proof::{Proof, ProvenFile};

use crate::failure::Result;
use crate::store::claims::ClaimRow;
use crate::store::{Db, documents, events, submissions};
use crate::{App, now};

/// The receipt as a compact JWS. `of`: only these files (id and SHA-256), for people who may not
/// see the others.
pub async fn signed(
    app: &App,
    db: &mut Db,
    claim: &ClaimRow,
    of: Option<&[(String, String)]>,
) -> Result<String> {
    let (events, events_sha256) = events::head(db, &claim.id).await?;
    // People who may not see a document are not told that it arrived.
    let may_see = |sha256: &str| of.is_none_or(|own| own.iter().any(|(_, own)| own == sha256));
    let files = documents::of_claim(db, &claim.id)
        .await?
        .into_iter()
        .filter(|h| may_see(&h.file.sha256));
    let proof = Proof {
        insurer: app.deployment.insurer.zh.clone(),
        claim_no: claim.no.clone(),
        reported_at: claim.reported_at,
        issued_at: now(),
        notice_sha256: submissions::hash_of_notice(db, &claim.id).await?,
        events,
        events_sha256,
        files: files
            .map(|h| ProvenFile {
                document: h.file.document,
                bytes: h.file.bytes,
                sha256: h.file.sha256,
                original_sha256: h.file.original_sha256,
                received_at: h.received_at,
            })
            .collect(),
    };
    Ok(app.vault.signer().sign(&proof))
}

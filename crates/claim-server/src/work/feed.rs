//! Events as other systems read them: CloudEvents 1.0 in JSON.
//!
//! Promise: what stands here stays readable. A field may be added; what cannot be told that way
//! gets a new `type`.

use claim_api::ProblemCode;
use claim_domain::documents::Folder;
use claim_domain::lifecycle::{Event, StepKind};
use claim_domain::{Lob, Notice};
use serde::{Deserialize, Serialize};

use super::papers;
use crate::App;
use crate::failure::{Failure, Result};
use crate::store::feed::{self, Entry};
use crate::store::{Db, claims, policies};

/// Events of one answer, and of one reading.
pub const PAGE: u32 = 200;

/// An event of a claim in its envelope (CloudEvents 1.0, structured mode).
#[derive(Serialize, utoipa::ToSchema)]
pub struct CloudEvent {
    #[schema(value_type = String, pattern = "^1\\.0$")]
    specversion: &'static str,
    /// Number of the claim and of the event in it: the same whenever it is sent.
    #[schema(examples("BA2026120100001-3"))]
    pub id: String,
    /// The public address of this server.
    source: String,
    /// `baoan.claim.` and the kind of the event.
    #[serde(rename = "type")]
    kind: String,
    /// Number of the claim.
    pub subject: String,
    /// When it happened, UTC.
    time: String,
    #[schema(value_type = String)]
    datacontenttype: &'static str,
    /// Place in the feed, to be sorted as text (CloudEvents extension "sequence").
    pub sequence: String,
    data: Data,
}

/// What an event carries, and of what claim.
#[derive(Serialize, utoipa::ToSchema)]
struct Data {
    #[schema(value_type = String)]
    lob: Lob,
    /// Number of the policy, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_no: Option<String>,
    event: Event,
    /// The report, with the event that begins a claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<Notice>,
    /// What the customer filled in and handed in, with the claim request.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<Folder>,
}

/// A page of the feed.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Feed {
    pub events: Vec<CloudEvent>,
    /// To be asked for next: `after`.
    pub next: i64,
}

/// Where to begin.
#[derive(Deserialize, utoipa::IntoParams)]
pub struct After {
    /// The last number read; 0 for everything.
    #[serde(default)]
    pub after: i64,
}

/// The events after a number.
pub async fn page(app: &App, db: &mut Db, after: i64) -> Result<Feed> {
    let mut events = Vec::new();
    let mut next = after;
    for entry in feed::after(db, after, None, PAGE).await? {
        next = entry.seq;
        events.push(enveloped(app, db, entry).await?);
    }
    Ok(Feed { events, next })
}

/// Puts an event into its envelope.
pub async fn enveloped(app: &App, db: &mut Db, entry: Entry) -> Result<CloudEvent> {
    let row = claims::by_id(db, &entry.claim_id).await?;
    let kind = entry.event.what.kind();
    let policy_no = match policies::of_claim(db, &row.id).await? {
        Some(policy) => Some(policy.no),
        None => None,
    };
    let folder = match kind {
        StepKind::Requested => Some(papers::folder(db, &row).await?),
        _ => None,
    };
    let seq = u64::try_from(entry.seq).map_err(|_| ProblemCode::Internal)?;
    Ok(CloudEvent {
        specversion: "1.0",
        id: format!("{}-{}", row.no, entry.event.seq),
        source: app.address().to_owned(),
        kind: format!("baoan.claim.{}", kind.as_str()),
        subject: row.no,
        time: entry.event.at.to_string(),
        datacontenttype: "application/json",
        sequence: format!("{seq:020}"),
        data: Data {
            lob: row.lob,
            policy_no,
            event: entry.event,
            notice: (kind == StepKind::Reported).then_some(row.notice),
            folder,
        },
    })
}

/// Writes every event after a number, one JSON object per line; returns how many.
///
/// # Errors
/// A sentence for the command line.
pub async fn export(
    app: &App,
    mut after: i64,
    out: &mut impl std::io::Write,
) -> std::result::Result<u64, String> {
    let mut count = 0;
    loop {
        let read = async { page(app, &mut app.store.read().await?, after).await };
        let page = read.await.map_err(Failure::sentence)?;
        if page.events.is_empty() {
            return out.flush().map(|()| count).map_err(|e| e.to_string());
        }
        for event in &page.events {
            let line = serde_json::to_string(event).unwrap_or_default();
            writeln!(out, "{line}").map_err(|e| e.to_string())?;
            count += 1;
        }
        after = page.next;
    }
}

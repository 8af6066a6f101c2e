//! What crosses the wire between the app and a claims system: routes, requests, answers and problem
//! codes; and the machine that sends a report exactly once over a bad network.
//!
//! Architecture invariant: no I/O and no names of web or server libraries. No user-facing text
//! either: the wire carries a code, the catalogue has the message.

mod handoff;
pub mod outbox;
pub mod pages;
mod problem;
pub mod proof;
pub mod tus;

use std::collections::BTreeMap;

use claim_domain::catalog::{Field, Slot};
use claim_domain::checks::Doubt;
use claim_domain::deadlines::Deadline;
use claim_domain::documents::{Folder, Format, Signature, Task};
use claim_domain::lifecycle::{Event, EventKind, Gap, Role, Stage, Turn};
use claim_domain::notice::{Agreed, Point};
use claim_domain::payees::{PayeeKind, Share as PartOfSum};
use claim_domain::policy::{Cover, Policy};
use claim_domain::{Lob, Moment, Notice, Text};
use serde::{Deserialize, Serialize};

pub use handoff::{
    BeginHandoff, Handoff, HandoffState, KioskView, Moved, Parcel, ParcelPhoto, QrCode, Redeem,
    Ticket, Why, Wipe,
};
pub use problem::{Problem, ProblemCode};

/// Whether an address from outside stays on this site: a path of plain characters. Browsers read
/// `\\` as `/` and drop tabs and line breaks (WHATWG URL, 4.4), so anything that is not plain leads
/// elsewhere sooner or later (CWE-601).
///
/// ```
/// use claim_api::is_inside;
///
/// assert!(is_inside("/claims/BA2026112200001"));
/// assert!(!is_inside("/\\evil.example") && !is_inside("//evil.example"));
/// ```
pub fn is_inside(address: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.?=&".contains(&b);
    address.starts_with('/') && !address.contains("//") && address.bytes().all(plain)
}

/// The base path of the API.
pub const BASE: &str = "/api/v1";

/// Most photos a phone takes for one report, and so most uploads the server keeps unattached.
pub const MOST_PHOTOS: usize = 30;

/// Answer to `POST /notices`: the claim exists from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipt {
    pub claim_no: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub received_at: Moment,
    /// `false`: no policy was found yet (未验证保单); the claim goes on all the same.
    pub verified: bool,
    /// By when somebody calls, under the service promise.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub contact_by: Moment,
    /// What will be needed, for this loss.
    pub requirements: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CodeRequest {
    /// Mainland mobile number.
    pub phone: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    pub phone: String,
    /// The six digits from the SMS.
    pub code: String,
}

/// Who the server thinks is signed in, what time it is, and which app build it serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    pub signed_in: bool,
    /// `138****8000`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Policies in force, masked: a code by SMS proves the phone, not the person.
    #[serde(default)]
    pub policies: Vec<PolicyView>,
    /// Phone clocks are often wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub server_time: Option<Moment>,
    /// The server's app build; `index.html` carries the same at `#build`. If they differ, the page
    /// is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyView {
    pub id: String,
    pub lob: Lob,
    /// `浙A***45`, or the last four characters of the policy number.
    pub title: String,
    /// `张*`
    pub insured: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimSummary {
    pub claim_no: String,
    pub incident: String,
    pub lob: Lob,
    pub stage: Stage,
    pub turn: Turn,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub reported_at: Moment,
    pub place: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimView {
    pub summary: ClaimSummary,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub loss_at: Moment,
    pub verified: bool,
    /// The rules the claim began with; they apply to the end.
    pub rules_version: String,
    /// What was reported, as the server keeps it.
    pub notice: Notice,
    /// What was handed in, and what the server found on it; account numbers are masked.
    pub folder: Folder,
    /// The amount of the loss, once assessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_fen: Option<i64>,
    pub documents: Vec<DocumentView>,
    pub events: Vec<Event>,
    /// Every deadline that has begun, by the server's clock.
    #[serde(default)]
    pub deadlines: Vec<Deadline>,
    /// 小额快赔.
    #[serde(default)]
    pub fast: bool,
    /// Shows only progress: amounts, texts and documents are for the insured person.
    #[serde(default)]
    pub limited: bool,
    /// The role of whoever is viewing.
    pub role: Role,
    /// The signer's name, as in the report or the policy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signer: String,
    /// The viewer made the report.
    #[serde(default)]
    pub own_report: bool,
    /// The task list, by the rules of the claim.
    #[serde(default)]
    pub papers: Vec<Task>,
    /// What still blocks payment.
    #[serde(default)]
    pub gaps: Vec<Gap>,
    /// What the policy pays for, and what is left of it.
    #[serde(default)]
    pub covers: Vec<CoverView>,
    /// Who can be paid under the policy.
    #[serde(default)]
    pub payable: Vec<Payable>,
    /// The insured person, if known: their own account needs no explanation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insured: Option<String>,
    /// Advice for an area hit by a typhoon or a flood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catastrophe: Option<Text>,
}

/// A link from the insurer's menu: the part after its `#`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Launch {
    pub token: String,
}

/// Who the link is for (not signed in yet), and the policy it concerns: the id of one in `who`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Launched {
    pub who: SessionView,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Signs in, but only in this session and within half an hour.
    pub ticket: String,
}

/// Signs in as the person the link was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LaunchTicket {
    pub ticket: String,
}

/// What `wx.config` of WeChat's JSSDK wants for one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JssdkSignature {
    pub app_id: String,
    /// Seconds since 1970.
    pub timestamp: i64,
    pub nonce: String,
    pub signature: String,
}

/// Everybody who gets paid, each with an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Payees {
    pub payees: Vec<PayeeEntry>,
}

/// One payee, as typed. Only the masked name and four digits leave the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PayeeEntry {
    pub kind: PayeeKind,
    /// Name on the account.
    pub holder: String,
    pub account: String,
    /// ID number of a person, credit code of a company; the insured person's is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id_no: String,
    /// A company's account: no card number. It needs the bank and its code (联行号).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub company: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bank: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub bank_code: String,
    /// Of a shop or an injured party: lets them follow the claim and their own payment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// Relation to the insured person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub relation: String,
    /// The child entitled to the money, if the account is a guardian's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub child: String,
    pub share: PartOfSum,
}

/// Somebody who can be paid under the policy, so that nothing is typed twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Payable {
    pub kind: PayeeKind,
    pub name: String,
    pub share: PartOfSum,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub company: bool,
}

/// A cover of the claim's policy, and what is left of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CoverView {
    pub cover: Cover,
    pub left_fen: i64,
}

/// A policy as shown to its policyholder and insured persons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyDetail {
    pub id: String,
    pub policy: Policy,
    pub in_force: bool,
}

/// Which messages somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Preferences {
    /// No messages at night, except what the person just asked for.
    pub by_day: bool,
    /// Also optional messages: claim closed, reminders.
    pub optional: bool,
    /// The hours that count as day: `08:00-21:00`.
    #[serde(default = "all_day")]
    #[cfg_attr(
        feature = "openapi",
        schema(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
    )]
    pub hours: String,
}

fn all_day() -> String {
    "00:00-24:00".into()
}

/// A link that shows a claim's progress and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Share {
    /// `/shared#…`; empty if made earlier, because the server keeps only its hash.
    pub path: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Moment,
}

/// A letter: the same for the screen, for the printer and as an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Letter {
    pub title: String,
    pub to: String,
    /// Heading (may be empty) and text.
    pub parts: Vec<(String, String)>,
    /// Who signs, and when.
    pub from: String,
    pub date: String,
}

/// Corrections the reporter makes to their own details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Correction {
    pub name: String,
    pub phone: String,
}

/// A claim's task list, for clients that do not evaluate it themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Requirements {
    pub rules_version: String,
    /// Facts still to be asked.
    pub questions: Vec<String>,
    pub tasks: Vec<Task>,
    /// How many documents are missing.
    pub missing: u16,
    pub doubts: Vec<Doubt>,
}

/// 索赔: the formal claim request, with everything answered, checked and signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    pub answers: BTreeMap<String, bool>,
    pub unavailable: BTreeMap<String, String>,
    pub typed: BTreeMap<String, BTreeMap<Field, String>>,
    pub consents: Vec<Agreed>,
    pub signature: Signature,
    /// SHA-256 of the form that was shown (`claim_domain::documents::form_sha256`).
    pub form_sha256: String,
    /// The phone's result, to compare with the server's.
    pub tasks: Vec<Task>,
    pub doubts: Vec<Doubt>,
}

/// Answer to a claim request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RequestReceipt {
    pub claim_no: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub received_at: Moment,
    /// The day by which the law requires the determination (保险法第二十三条).
    pub decide_by: String,
    /// Documents and checks in which phone and server differ.
    pub differences: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DocumentView {
    pub id: String,
    pub document: String,
    pub format: Format,
    pub bytes: u64,
    pub sha256: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub received_at: Moment,
    /// Where it was taken, if the person agreed to share that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Point>,
    /// What the server found doubtful in it on arrival.
    pub doubts: Vec<Doubt>,
}

/// Events after the `after` that was asked for, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Timeline {
    pub events: Vec<Event>,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub server_time: Moment,
}

/// What the customer does to a claim: answers an assessment, withdraws, disagrees, writes …
/// Documents, the claim request and the payee have routes of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Step {
    pub what: EventKind,
}

#[cfg(test)]
mod tests {
    use super::is_inside;

    #[test]
    fn finding_9_no_address_leads_elsewhere() {
        for good in [
            "/",
            "/claims",
            "/claims/BA2026112200001",
            "/claims/BA1/documents",
            "/report?lob=motor&x=1",
        ] {
            assert!(is_inside(good), "{good}");
        }
        for bad in [
            "",
            "claims",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\n//evil.example",
            "https://evil.example",
            "/a//b",
            "\\\\evil",
            "javascript:alert(1)",
            "/%2f%2fevil.example",
            "/@evil.example",
            "/ /evil",
            "/．evil",
            "/\u{0}",
            "/:evil",
        ] {
            assert!(!is_inside(bad), "{bad:?}");
        }
    }
}

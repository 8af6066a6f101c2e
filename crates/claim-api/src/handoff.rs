//! Handing a draft over from a branch kiosk to a phone: what moves, and what became of it.

use claim_domain::Moment;
use claim_domain::draft::Draft;
use serde::{Deserialize, Serialize};

/// An enrolled kiosk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KioskView {
    pub name: String,
    /// Printer paper: `58`, `80` (millimetres) or `a4`.
    pub paper: String,
    pub hotline: String,
}

/// Why a kiosk is wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// Before somebody starts, in case anything was left behind.
    Start,
    /// 结束.
    End,
    /// Left idle too long.
    Idle,
    /// Everything has been sent.
    Sent,
    /// Continued on a phone.
    Moved,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Wipe {
    pub why: Why,
}

/// What moves to a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Parcel {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft: Option<Draft>,
    #[serde(default)]
    pub photos: Vec<ParcelPhoto>,
}

/// A photo of the draft, as the kiosk prepared it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ParcelPhoto {
    pub id: String,
    /// Base64.
    pub jpeg: String,
    pub thumbnail: String,
}

/// Without a parcel, the handoff brings something to print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BeginHandoff {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parcel: Option<Parcel>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Handoff {
    pub id: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Moment,
    pub qr: QrCode,
}

/// The dark squares of a QR code, as the path of an SVG `width` units wide, without its quiet zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QrCode {
    pub width: u32,
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HandoffState {
    Open,
    /// A phone has redeemed it and is fetching.
    Taken,
    /// The phone has everything, or the ticket has arrived.
    Done,
    Expired,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Moved {
    pub state: HandoffState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
}

/// What a kiosk prints: no name, no ID number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ticket {
    pub claim_no: String,
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub reported_at: Moment,
    /// `138****8000`
    pub phone: String,
    pub hotline: String,
}

/// The phone redeems the handoff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Redeem {
    pub secret: String,
    /// The claim to print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_no: Option<String>,
    /// The phone has stored everything.
    #[serde(default)]
    pub done: bool,
}

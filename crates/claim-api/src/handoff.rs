//! Between a machine in a branch and a phone: what moves, and what became of it.

use claim_domain::Moment;
use claim_domain::draft::Draft;
use serde::{Deserialize, Serialize};

/// An enrolled machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KioskView {
    pub name: String,
    /// Of its printer: `58`, `80` (millimetres) or `a4`.
    pub paper: String,
    pub hotline: String,
}

/// Why a machine is wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// Before somebody begins: whatever may have been left.
    Start,
    /// 结束.
    End,
    /// Nobody touched it.
    Idle,
    /// Everything has been sent.
    Sent,
    /// It goes on on a phone.
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

/// A photo of the draft, as the machine made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ParcelPhoto {
    pub id: String,
    /// Base64.
    pub jpeg: String,
    pub thumbnail: String,
}

/// Without a parcel: something is to be printed.
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
    /// It has everything, or the ticket has come.
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

/// What a machine prints: no name, no ID number.
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

/// On the phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Redeem {
    pub secret: String,
    /// The claim that is to be printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_no: Option<String>,
    /// The phone has written everything down.
    #[serde(default)]
    pub done: bool,
}

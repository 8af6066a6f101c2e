//! RFC 9457 problem details with codes that never change their meaning.

use claim_domain::FieldError;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $title:literal),+ $(,)?) => {
        /// What went wrong; the catalogue has the message under the same name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ProblemCode { $(#[cfg_attr(feature = "openapi", schema(rename = $name))] $variant),+ }

        claim_domain::wire_names!(ProblemCode);

        impl ProblemCode {
            pub const ALL: &'static [ProblemCode] = &[$(ProblemCode::$variant),+];
            pub fn as_str(self) -> &'static str { match self { $(ProblemCode::$variant => $name),+ } }
            pub fn status(self) -> u16 { match self { $(ProblemCode::$variant => $status),+ } }
            pub fn title(self) -> &'static str { match self { $(ProblemCode::$variant => $title),+ } }
        }
    };
}

codes! {
    Validation "validation" 422 "Some fields are invalid",
    MalformedJson "malformed-json" 400 "The request body is not the expected JSON",
    UnsupportedMediaType "unsupported-media-type" 415 "This content type is not accepted here",
    PayloadTooLarge "payload-too-large" 413 "The request body is too large",
    IdempotencyKeyMissing "idempotency-key-missing" 400 "An Idempotency-Key header is required",
    IdempotencyKeyReused "idempotency-key-reused" 422 "This key was already used with a different body",
    UploadOffsetMismatch "upload-offset-mismatch" 409 "The offset does not match the upload's current offset",
    UploadLocked "upload-locked" 423 "Another request is writing to this upload",
    UploadExpired "upload-expired" 410 "The upload no longer exists",
    UploadChecksum "upload-checksum" 460 "The bytes do not match the checksum",
    UploadTooLarge "upload-too-large" 413 "The file is too large",
    UploadRejected "upload-rejected" 422 "This file cannot be accepted",
    Quota "quota" 429 "Too many files, or files too large",
    OtpInvalid "otp-invalid" 401 "The code is wrong or has expired",
    OtpRate "otp-rate" 429 "Too many codes were requested",
    RateLimited "rate-limited" 429 "Too many requests",
    SessionExpired "session-expired" 401 "Sign-in required",
    CrossSite "cross-site" 403 "Requests from other sites are refused",
    NotFound "not-found" 404 "Not found",
    MethodNotAllowed "method-not-allowed" 405 "This method is not allowed here",
    PreconditionRequired "precondition-required" 428 "An If-Match or If-None-Match header is required",
    DraftChanged "draft-changed" 412 "The draft was changed elsewhere",
    HandoffGone "handoff-gone" 410 "Already used or expired",
    NotThisPerson "not-this-person" 403 "This must be done by another person",
    PaymentGated "payment-gated" 409 "The conditions for payment are not met yet",
    NotAllowed "not-allowed" 409 "The claim is not at the right stage for this",
    StorageFull "storage-full" 507 "The server is out of space",
    StorageFailing "storage-failing" 503 "The server's disk is failing",
    Upstream "upstream" 502 "Another system is not responding",
    Timeout "timeout" 408 "The request body arrived too slowly",
    Internal "internal" 500 "Something went wrong on the server",
}

/// `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub code: ProblemCode,
    /// For `validation`: every invalid field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds, as in the Retry-After header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// To quote to the hotline; also in the server's log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Problem {
        Problem {
            kind: format!("/problems/{}", code.as_str()),
            title: code.title().into(),
            status: code.status(),
            code,
            errors: Vec::new(),
            retry_after: None,
            request_id: String::new(),
        }
    }
}

impl Problem {
    pub fn validation(errors: Vec<FieldError>) -> Problem {
        Problem {
            errors,
            ..ProblemCode::Validation.into()
        }
    }
    pub fn after(code: ProblemCode, seconds: u32) -> Problem {
        Problem {
            retry_after: Some(seconds),
            ..code.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_on_the_wire_as_in_the_catalogue() {
        let catalogue =
            claim_domain::Catalogue::load(include_str!("../../../public/catalog.json")).unwrap();
        for code in ProblemCode::ALL {
            assert_eq!(
                serde_json::to_string(code).unwrap(),
                format!("\"{}\"", code.as_str())
            );
            assert!(
                catalogue.errors.contains_key(code.as_str()),
                "no words for {}",
                code.as_str()
            );
        }
    }
}

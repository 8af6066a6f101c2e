//! RFC 9457 problem details with codes that never change their meaning.

use claim_domain::FieldError;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident $name:literal $status:literal $title:literal),+ $(,)?) => {
        /// What went wrong; the sentence for people stands in the catalogue under the same name.
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
    Validation "validation" 422 "Some fields cannot stand",
    MalformedJson "malformed-json" 400 "The body is not the JSON that was expected",
    UnsupportedMediaType "unsupported-media-type" 415 "The content type is not accepted here",
    PayloadTooLarge "payload-too-large" 413 "The body is too large",
    IdempotencyKeyMissing "idempotency-key-missing" 400 "An Idempotency-Key header is needed",
    IdempotencyKeyReused "idempotency-key-reused" 422 "The key was used with another body",
    UploadOffsetMismatch "upload-offset-mismatch" 409 "The offset is not where the upload stands",
    UploadLocked "upload-locked" 423 "Another request writes this upload",
    UploadExpired "upload-expired" 410 "The upload is gone",
    UploadChecksum "upload-checksum" 460 "The bytes do not have the checksum that was sent",
    UploadTooLarge "upload-too-large" 413 "The file is larger than accepted",
    UploadRejected "upload-rejected" 422 "The file is not a photo that can be stored",
    Quota "quota" 429 "Too many or too large files",
    OtpInvalid "otp-invalid" 401 "The code is wrong or has expired",
    OtpRate "otp-rate" 429 "Too many codes were asked for",
    RateLimited "rate-limited" 429 "Too many requests",
    SessionExpired "session-expired" 401 "Sign in",
    CrossSite "cross-site" 403 "Requests from other sites are refused",
    NotFound "not-found" 404 "There is nothing here for you",
    MethodNotAllowed "method-not-allowed" 405 "This method is not offered here",
    PreconditionRequired "precondition-required" 428 "If-Match or If-None-Match is needed",
    DraftChanged "draft-changed" 412 "The draft was changed from elsewhere",
    HandoffGone "handoff-gone" 410 "Used or too old",
    NotThisPerson "not-this-person" 403 "Another person must decide this",
    PaymentGated "payment-gated" 409 "Something stands before the payment",
    NotAllowed "not-allowed" 409 "The claim is not at this point",
    StorageFull "storage-full" 507 "No space is left",
    StorageFailing "storage-failing" 503 "The disk of the server fails",
    Upstream "upstream" 502 "Another system does not answer",
    Timeout "timeout" 408 "The body arrived too slowly",
    Internal "internal" 500 "Something failed on the server",
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
    /// For `validation`: every field that cannot stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds, as in the Retry-After header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// To be told to the hotline; found in the server's log.
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
        Problem { errors, ..ProblemCode::Validation.into() }
    }
    pub fn after(code: ProblemCode, seconds: u32) -> Problem {
        Problem { retry_after: Some(seconds), ..code.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_named_on_the_wire_as_in_the_catalogue() {
        let catalogue = claim_domain::Catalogue::load(include_str!("../../../public/catalog.json")).unwrap();
        for code in ProblemCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{}\"", code.as_str()));
            assert!(catalogue.errors.contains_key(code.as_str()), "no words for {}", code.as_str());
        }
    }
}

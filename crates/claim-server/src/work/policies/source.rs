//! The port to whoever knows the insurer's policies.

use std::pin::Pin;
use std::time::Duration;

use claim_domain::policy::Policy;
use claim_domain::{Lob, Moment};
use serde::{Deserialize, Serialize};

use crate::store::claims::ClaimRow;
use crate::vault::Vault;
use crate::{egress, now};

/// What is known of the policy that a report means: any of number, plate and ID number may be
/// missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ask {
    pub lob: Lob,
    /// It has to be in force then.
    pub at: Moment,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub no: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub plate: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id_no: String,
}

impl Ask {
    pub fn of(claim: &ClaimRow) -> Ask {
        let policy = claim.notice.policy.clone();
        Ask {
            lob: claim.lob,
            at: claim.notice.loss_at,
            no: policy.no,
            plate: policy.plate,
            id_no: policy.id_no,
        }
    }

    /// Whether a policy is the one asked for: another system's answer is checked like anybody's.
    fn is_met_by(&self, policy: &Policy) -> bool {
        let plate = policy.vehicle.as_ref().map_or("", |v| v.plate.as_str());
        let people = std::iter::once(&policy.holder).chain(&policy.insured);
        let named = policy.no == self.no || (!plate.is_empty() && plate == self.plate);
        let known = !self.id_no.is_empty() && people.into_iter().any(|p| p.id_no == self.id_no);
        policy.lob == self.lob && (named || known)
    }
}

pub type Found<'a> = Pin<Box<dyn Future<Output = Result<Option<Policy>, String>> + Send + 'a>>;

/// Where to look for policies that are not in our own table.
pub trait PolicySource: Send + Sync {
    /// The policy meant, or that there is none.
    ///
    /// # Errors
    /// Why this is not known, for the log: no answer in time, or an impossible one.
    fn find<'a>(&'a self, ask: &'a Ask) -> Found<'a>;
}

/// The insurer's own system: `POST`s the [`Ask`] with a `Signature` (`claim-server key policies`),
/// and takes `{"policy": …}` or `{"policy": null}`.
pub struct Insurer {
    pub url: String,
    pub vault: Vault,
}

const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Deserialize)]
struct Reply {
    policy: Option<Policy>,
}

impl PolicySource for Insurer {
    fn find<'a>(&'a self, ask: &'a Ask) -> Found<'a> {
        Box::pin(async move {
            let body = serde_json::to_string(ask).unwrap_or_default();
            let headers = vec![(
                "signature",
                self.vault.signature("policies", body.as_bytes()),
            )];
            let call = egress::call(
                "policies",
                self.url.clone(),
                headers,
                Some((egress::JSON, body)),
            );
            let text = tokio::time::timeout(PATIENCE, call)
                .await
                .map_err(|_| "no answer in time".to_owned())?
                .map_err(|failed| failed.to_string())?;
            // We say only that the answer is wrong, not how: it may contain anything.
            let Reply { policy } =
                serde_json::from_str(&text).map_err(|_| "the answer is not a policy".to_owned())?;
            let Some(mut policy) = policy else {
                return Ok(None);
            };
            policy
                .check(now())
                .map_err(|errors| format!("an invalid policy: {}", errors[0].field))?;
            if ask.is_met_by(&policy) {
                Ok(Some(policy))
            } else {
                Err("not the policy that was asked for".into())
            }
        })
    }
}

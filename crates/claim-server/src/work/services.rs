//! The insurer's systems as desks: accounts with scopes, tokens (OAuth 2 client credentials), and
//! commands.
//!
//! Promise: a system does what its scopes say and nothing else, by the same rules as a person at
//! that desk; a command sent again with the same key is carried out once.

use std::collections::BTreeMap;
use std::str::FromStr;

use claim_api::{Problem, ProblemCode};
use claim_domain::lifecycle::{Desk, StepKind};
use claim_domain::validate::Code;
use claim_domain::{Catalogue, FieldError, Moment};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fields::Fields;
use super::steps::{self, Once, Taken};
use super::{accounts, operator};
use crate::audit::Who;
use crate::failure::{Failure, Result};
use crate::store::services::{self, Service};
use crate::store::staff::Member;
use crate::vault::{sha256_hex, token};
use crate::{App, now};

/// Seconds for which a token is valid.
pub const TOKEN_LIVES: i64 = 3600;

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Read the feed and the claims.
    Read,
    /// Do what a desk does.
    Desk(Desk),
    /// Answer messages and calls.
    Message,
}

/// Every scope by its name.
pub const SCOPES: [(&str, Scope); 8] = [
    ("read", Scope::Read),
    ("register", Scope::Desk(Desk::Intake)),
    ("survey", Scope::Desk(Desk::Surveyor)),
    ("assess", Scope::Desk(Desk::Assessor)),
    ("decide", Scope::Desk(Desk::Adjudicator)),
    ("pay", Scope::Desk(Desk::Finance)),
    ("supervise", Scope::Desk(Desk::Supervisor)),
    ("message", Scope::Message),
];

impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Scope, String> {
        let names = || SCOPES.map(|(name, _)| name).join(", ");
        SCOPES
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, scope)| *scope)
            .ok_or_else(|| format!("{text:?} is not a scope: {}", names()))
    }
}

impl Service {
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes
            .split(' ')
            .any(|own| own.parse() == Ok::<_, String>(scope))
    }

    /// The desk at which this account may take a step.
    fn desk_for(&self, kind: StepKind) -> Option<Desk> {
        let desk = kind.desk()?;
        let answers = matches!(kind, StepKind::Answered | StepKind::PersonCalled);
        [desk, Desk::Supervisor]
            .into_iter()
            .find(|desk| self.may(Scope::Desk(*desk)))
            .or((answers && self.may(Scope::Message)).then_some(desk))
    }

    /// The account as a member of staff at a desk.
    pub fn member(&self, desk: Desk) -> Member {
        Member {
            name: format!("service:{}", self.name),
            shown_as: self.shown_as.clone(),
            desk,
        }
    }

    /// Whether one of its desks may see a document.
    pub fn sees(&self, catalogue: &Catalogue, document: &str) -> bool {
        Desk::ALL
            .into_iter()
            .filter(|desk| self.may(Scope::Desk(*desk)))
            .any(|desk| self.member(desk).sees(catalogue, document))
    }

    /// Records a look at a document or at accounts before it is shown.
    pub async fn looks(&self, app: &App, claim_id: &str, what: &str) -> Result<()> {
        accounts::looked(app, &self.member(Desk::Intake), claim_id, what).await
    }

    pub fn who(&self) -> Who {
        Who::Service(self.name.clone())
    }
}

/// Adds an account, or changes one. Returns its secret, which is not kept.
///
/// # Errors
/// A sentence for the command line.
pub async fn add(
    app: &App,
    name: &str,
    shown_as: &str,
    scopes: &[String],
) -> std::result::Result<String, String> {
    operator::is_name(name)?;
    if shown_as.trim().is_empty() {
        return Err("customers need a name to read".into());
    }
    scopes
        .iter()
        .try_for_each(|scope| scope.parse::<Scope>().map(drop))?;
    let secret = token();
    let service = Service {
        name: name.into(),
        shown_as: shown_as.into(),
        scopes: scopes.join(" "),
    };
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        let free = services::keep(&mut tx, &service, &secret).await?;
        tx.commit().await?;
        Ok::<bool, Failure>(free)
    };
    if !write.await.map_err(Failure::sentence)? {
        return Err(format!("somebody else is shown as {shown_as}"));
    }
    let set = json!({ "service": name, "scopes": scopes });
    app.audit.say("set", &Who::Operator, set);
    Ok(secret)
}

/// Closes an account.
///
/// # Errors
/// A sentence for the command line.
pub async fn remove(app: &App, name: &str) -> std::result::Result<(), String> {
    let write = async {
        let mut tx = app.store.begin_patiently().await?;
        let done = services::remove(&mut tx, name, now()).await?;
        tx.commit().await?;
        Ok::<bool, Failure>(done)
    };
    operator::known("account", name, write.await)?;
    let set = json!({ "service": name, "removed": true });
    app.audit.say("set", &Who::Operator, set);
    Ok(())
}

/// A token for an account; `None` if the secret is not its.
pub async fn sign_in(app: &App, name: &str, secret: &str) -> Result<Option<(String, Service)>> {
    let found = services::with_secret(&mut app.store.read().await?, name, secret).await?;
    let Some(service) = found else {
        return Ok(None);
    };
    let (token, at) = (token(), now());
    let mut tx = app.store.begin().await?;
    let until = Moment(at.0 + TOKEN_LIVES);
    services::keep_token(&mut tx, name, &token, until, at).await?;
    tx.commit().await?;
    app.audit.say("sign-in", &service.who(), json!({}));
    Ok(Some((token, service)))
}

/// One value of a field, or several.
#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum FieldValue {
    One(String),
    Several(Vec<String>),
}

/// A step to be taken, with the fields of its form.
#[derive(Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// As in events: `registered`, `approved`.
    pub kind: String,
    /// By the names in docs/INTEGRATION.md.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldValue>,
    /// Who decided in the other system, as customers read it.
    #[serde(default)]
    pub by: Option<String>,
}

/// What came of a command.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Outcome {
    /// `handed-over`: above the account's limit, a second person must decide.
    #[schema(value_type = String, pattern = "^(done|handed-over)$")]
    pub outcome: &'static str,
}

/// Carries a command out, once for each key.
///
/// # Errors
/// As for a step that staff take; `not-this-person` without the scope.
pub async fn command(
    app: &App,
    service: &Service,
    no: &str,
    key: &str,
    command: &Command,
) -> Result<Outcome> {
    let unknown = || Problem::validation(vec![FieldError::new("/kind", Code::UnknownOption)]);
    let kind = StepKind::parse(&command.kind)
        .filter(|kind| kind.desk().is_some())
        .ok_or_else(unknown)?;
    let desk = service.desk_for(kind).ok_or(ProblemCode::NotThisPerson)?;
    let mut fields = vec![("kind".to_owned(), command.kind.clone())];
    for (name, value) in &command.fields {
        match value {
            FieldValue::One(text) => fields.push((name.clone(), text.clone())),
            FieldValue::Several(all) => {
                fields.extend(all.iter().map(|text| (name.clone(), text.clone())))
            }
        }
    }
    let by = command.by.as_deref().map(str::trim).unwrap_or_default();
    if by.chars().count() > 50 {
        return Err(Problem::validation(vec![FieldError::new("/by", Code::TooLong)]).into());
    }
    let mut member = service.member(desk);
    if !by.is_empty() {
        member.shown_as = format!("{by}（{}）", service.shown_as);
    }
    let request = serde_json::to_string(command).unwrap_or_default();
    let once = Once {
        service: &service.name,
        key,
        request: sha256_hex(format!("{no}\n{request}").as_bytes()),
    };
    let taken = steps::step_once(app, &member, no, &Fields(fields), Some(&once)).await?;
    let details = json!({ "claim": no, "step": command.kind });
    app.audit.say("command", &service.who(), details);
    Ok(Outcome {
        outcome: match taken {
            Taken::Done => "done",
            Taken::HandedOver => "handed-over",
        },
    })
}

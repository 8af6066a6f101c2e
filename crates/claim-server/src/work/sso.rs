//! Staff by the insurer's own sign-in (OpenID Connect, authorization code with PKCE).
//!
//! Promise: an account made this way has no password, its desk is what the provider says now, and it
//! ends with its session: whoever is no longer there, or has no desk, does not get in.

use std::collections::BTreeMap;

use claim_api::ProblemCode;
use claim_domain::Moment;
use claim_domain::lifecycle::Desk;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields, IssuerUrl,
    Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse,
    StandardTokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts;
use crate::audit::Who;
use crate::failure::{Failure, Result};
use crate::store::staff::{self, Member};
use crate::{App, egress, now};

/// Seconds in which somebody has to sign in at the provider.
pub const PATIENCE: i64 = 600;

/// The provider, and who sits at which desk.
#[derive(Clone, Debug)]
pub struct Provider {
    pub issuer: String,
    pub client_id: String,
    pub secret: String,
    /// The claim that lists a person's groups.
    pub claim: String,
    /// Desk by group; the first that fits.
    pub desks: BTreeMap<String, Desk>,
}

/// Whatever else the provider says of somebody.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
struct More(BTreeMap<String, Value>);

impl AdditionalClaims for More {}

type Fields = IdTokenFields<
    More,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type Known = Client<
    More,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the browser keeps, sealed, while somebody is at the provider.
#[derive(Deserialize, Serialize)]
struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    until: i64,
}

const PLACE: &str = "sso.begun";

fn upstream(what: &str, error: impl std::fmt::Display) -> Failure {
    tracing::warn!(what, %error, "the staff's sign-in provider");
    ProblemCode::Upstream.into()
}

async fn client(app: &App, provider: &Provider) -> Result<Known> {
    let issuer = IssuerUrl::new(provider.issuer.clone()).map_err(|e| upstream("issuer", e))?;
    let metadata = CoreProviderMetadata::discover_async(issuer, &egress::exchange)
        .await
        .map_err(|e| upstream("discovery", e))?;
    let back = format!("{}/staff/sso/back", app.address());
    let client = Known::from_provider_metadata(
        metadata,
        ClientId::new(provider.client_id.clone()),
        Some(ClientSecret::new(provider.secret.clone())),
    );
    Ok(client.set_redirect_uri(RedirectUrl::new(back).map_err(|e| upstream("address", e))?))
}

/// Begins: the provider's address, and what the browser keeps meanwhile.
pub async fn begin(app: &App, provider: &Provider) -> Result<(String, String)> {
    let client = client(app, provider).await?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scope(Scope::new("profile".into()))
        .set_pkce_challenge(challenge)
        .url();
    let begun = Begun {
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
        until: now().0 + PATIENCE,
    };
    let text = serde_json::to_string(&begun).unwrap_or_default();
    Ok((url.to_string(), app.vault.seal(PLACE, &text)))
}

/// Ends: a session token, or `None` if the provider's word is not enough.
pub async fn end(
    app: &App,
    provider: &Provider,
    kept: &str,
    code: &str,
    state: &str,
) -> Result<Option<String>> {
    let begun = app.vault.open_text(PLACE, kept);
    let begun = begun.and_then(|text| serde_json::from_str::<Begun>(&text).ok());
    let Some(begun) = begun.filter(|b| b.state == state && b.until > now().0) else {
        return Ok(refused(app, "state"));
    };
    let client = client(app, provider).await?;
    let answer = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .map_err(|e| upstream("token", e))?
        .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier))
        .request_async(&egress::exchange)
        .await;
    let Ok(answer) = answer else {
        return Ok(refused(app, "code"));
    };
    let nonce = Nonce::new(begun.nonce);
    let claims = answer
        .id_token()
        .and_then(|token| token.claims(&client.id_token_verifier(), &nonce).ok());
    let Some(claims) = claims else {
        return Ok(refused(app, "token"));
    };
    let groups = match claims.additional_claims().0.get(&provider.claim) {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one.as_str()],
        _ => Vec::new(),
    };
    let desk = provider
        .desks
        .iter()
        .find(|(group, _)| groups.contains(&group.as_str()))
        .map(|(_, desk)| *desk);
    let shown_as = claims
        .name()
        .and_then(|name| name.get(None))
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    let (Some(desk), Some(shown_as)) = (desk, shown_as) else {
        return Ok(refused(app, "desk"));
    };
    let member = Member {
        name: format!("sso:{}", claims.subject().as_str()),
        shown_as,
        desk,
    };
    let (fresh, at) = (crate::vault::token(), now());
    let mut tx = app.store.begin().await?;
    if !staff::keep_provided(&mut tx, &member).await? {
        drop(tx);
        return Ok(refused(app, "name"));
    }
    let oldest = Moment(at.0 - accounts::AT_MOST);
    staff::begin_session(&mut tx, &member.name, &fresh, oldest, at).await?;
    tx.commit().await?;
    app.audit.say(
        "sign-in",
        &member.who(),
        json!({ "as": "staff", "by": "sso" }),
    );
    Ok(Some(fresh))
}

fn refused(app: &App, why: &str) -> Option<String> {
    let what = json!({ "sign-in": "staff", "by": "sso", "why": why });
    app.audit.refused(&Who::Nobody, what);
    None
}

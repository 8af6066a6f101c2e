//! WeChat's JSSDK: one of our pages in an official account may ask WeChat for location, photos and
//! closing, if it shows a signature that only the account's owner can make.
//!
//! Promise: only addresses of the deployment's own origins are signed; the account's secret
//! (`wechat.secret` in the data directory) goes to WeChat and nowhere else; one ticket serves
//! everybody until it expires, and while WeChat gives none, we ask once every half minute, however
//! many pages want it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use claim_api::{JssdkSignature, Problem, ProblemCode};
use serde::Deserialize;
use sha1::{Digest, Sha1};

use crate::config::Account;
use crate::failure::{Failure, Result};
use crate::http::access::Open;
use crate::http::network;
use crate::store::disk;
use crate::{App, egress, now, vault};

/// Signatures per network and minute: a page needs one.
const MOST: u32 = 60;
/// Seconds until WeChat is asked again after it gave nothing.
const PAUSE: i64 = 30;
/// A ticket is not used in its last minutes: a page may take a while.
const SPARE: i64 = 300;

#[derive(Default)]
pub struct WeChat {
    secret: String,
    /// Held while fetching, so that it is fetched once.
    ticket: Arc<tokio::sync::Mutex<Ticket>>,
    asked: Mutex<(i64, HashMap<String, u32>)>,
}

/// The ticket that WeChat gave, or that it gave none, and how long that holds.
#[derive(Default)]
struct Ticket {
    value: Option<String>,
    until: i64,
}

impl WeChat {
    /// # Errors
    /// A message, if the account's secret is missing.
    pub fn open(
        data: &std::path::Path,
        account: Option<&Account>,
    ) -> std::result::Result<WeChat, String> {
        if account.is_none() {
            return Ok(WeChat::default());
        }
        let path = data.join("wechat.secret");
        let secret = disk::text(&path).map_err(|e| {
            format!(
                "the secret of the WeChat account cannot be read from {}: {e}",
                path.display()
            )
        })?;
        Ok(WeChat {
            secret: secret.trim().into(),
            ..WeChat::default()
        })
    }

    async fn ticket(&self, account: &Account) -> Option<String> {
        let (kept, account, secret) = (self.ticket.clone(), account.clone(), self.secret.clone());
        // In its own task: a page that goes away must neither end what others wait for, nor restart
        // it.
        let fetched = tokio::spawn(async move {
            let mut ticket = kept.lock().await;
            let at = now().0;
            if at >= ticket.until {
                *ticket = match fetch(&account, &secret).await {
                    Ok((value, lives)) => Ticket {
                        value: Some(value),
                        until: at + (lives - SPARE).max(PAUSE),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "WeChat gave no ticket");
                        Ticket {
                            value: None,
                            until: at + PAUSE,
                        }
                    }
                };
            }
            ticket.value.clone()
        });
        fetched.await.ok().flatten()
    }

    /// Counts a request from this network; returns whether it is one too many.
    fn is_flooded(&self, network: String) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now().0 / 60;
        if asked.0 != minute {
            *asked = (minute, HashMap::new());
        }
        let count = asked.1.entry(network).or_default();
        *count += 1;
        *count > MOST
    }
}

/// Responses of WeChat's API; errors have status 200, too.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    errcode: i64,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    expires_in: i64,
}

async fn said(url: String, body: Option<String>) -> std::result::Result<Said, String> {
    let text = egress::call(
        "wechat",
        url,
        Vec::new(),
        body.map(|body| (egress::JSON, body)),
    )
    .await
    .map_err(|e| e.to_string())?;
    let said: Said = serde_json::from_str(&text).map_err(|_| "no JSON".to_owned())?;
    if said.errcode == 0 {
        Ok(said)
    } else {
        Err(format!("errcode {}", said.errcode))
    }
}

/// A ticket and its lifetime in seconds. We use the stable token, which leaves the tokens of the
/// account's other systems alone (developers.weixin.qq.com: getStableAccessToken; JSSDK, appendix
/// 1).
async fn fetch(account: &Account, secret: &str) -> std::result::Result<(String, i64), String> {
    let who = serde_json::json!({ "grant_type": "client_credential", "appid": account.app_id, "secret": secret });
    let token = said(
        format!("{}/cgi-bin/stable_token", account.api),
        Some(who.to_string()),
    )
    .await?
    .access_token;
    let said = said(
        format!(
            "{}/cgi-bin/ticket/getticket?type=jsapi&access_token={token}",
            account.api
        ),
        None,
    )
    .await?;
    if said.ticket.is_empty() {
        Err("no ticket".into())
    } else {
        Ok((said.ticket, said.expires_in))
    }
}

#[derive(Deserialize)]
pub struct Page {
    url: String,
}

/// Signs the address of a page for `wx.config`.
#[utoipa::path(get, path = "/api/v1/wx/jssdk-signature", params(("url" = String, Query, description = "address of the page, without #")),
    responses((status = 200, body = JssdkSignature), (status = 404, description = "no account, or not an address of ours", body = Problem),
        (status = 429, body = Problem), (status = 502, description = "WeChat gives no ticket", body = Problem)))]
pub async fn signature(
    _: Open,
    State(app): State<App>,
    page: std::result::Result<Query<Page>, QueryRejection>,
    request: Request,
) -> Result<Json<JssdkSignature>> {
    let account = app
        .deployment
        .wechat
        .as_ref()
        .ok_or(ProblemCode::NotFound)?;
    let Query(page) = page.map_err(|_| ProblemCode::NotFound)?;
    let url = page.url.split('#').next().unwrap_or_default();
    let ours = |origin: &String| {
        url.strip_prefix(origin.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
    };
    if url.len() > 2000 || !account.origins.iter().any(ours) {
        return Err(ProblemCode::NotFound.into());
    }
    if app.wechat.is_flooded(network::of(&app, &request)) {
        return Err(Problem::after(ProblemCode::RateLimited, 60).into());
    }
    let ticket = app.wechat.ticket(account).await;
    let ticket =
        ticket.ok_or_else(|| Failure::from(Problem::after(ProblemCode::Upstream, PAUSE as u32)))?;
    let (nonce, timestamp) = (vault::hex(&vault::random::<8>()), now().0);
    let signature = sign(&ticket, &nonce, timestamp, url);
    Ok(Json(JssdkSignature {
        app_id: account.app_id.clone(),
        timestamp,
        nonce,
        signature,
    }))
}

fn sign(ticket: &str, nonce: &str, timestamp: i64, url: &str) -> String {
    vault::hex(&Sha1::digest(format!(
        "jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"
    )))
}

#[cfg(test)]
mod tests {
    /// The vector of WeChat's own documentation (JSSDK, appendix 1).
    #[test]
    fn the_signature_of_the_documentation() {
        let ticket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg";
        let signature = super::sign(
            ticket,
            "Wm3WZYTPz0wzccnW",
            1_414_587_457,
            "http://mp.weixin.qq.com?params=value",
        );
        assert_eq!(signature, "0f9de62fce790f9a083d5c99e95740ceb90c27ed");
    }
}

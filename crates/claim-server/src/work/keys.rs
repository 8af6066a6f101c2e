//! Rotation of keys: the installation key, with it that of receipts; and those of other systems.
//!
//! Promise: everything opens, verifies and is accepted at every moment of a rotation, while servers
//! run. A key is never destroyed while something needs it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::failure::{Failure, Result};
use crate::store::{disk, keys};
use crate::vault::{Secrets, hex, random};
use crate::{App, audit};

/// Comes before the name of a system that events are sent to.
pub const HOOK: &str = "hook/";
/// Running servers have looked at the keys many times by then.
const SETTLED: Duration = Duration::from_secs(60);

type Outcome<T> = std::result::Result<T, String>;

/// What is to become of a system's key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make the next one, which is valid beside it.
    Prepare,
    /// Let only the next one be valid.
    Switch,
}

/// A system's key as its operator needs it: hex, or as Standard Webhooks write it.
pub fn shown(peer: &str, key: [u8; 32]) -> String {
    if peer.starts_with(HOOK) {
        format!("whsec_{}", BASE64.encode(key))
    } else {
        hex(&key)
    }
}

fn say(app: &App, what: serde_json::Value) {
    app.audit.say("set", &audit::Who::Operator, what);
}

async fn change<T>(app: &App, change: impl FnOnce(&mut Secrets) -> T) -> Result<T> {
    let mut tx = app.store.begin_patiently().await?;
    let done = keys::change(&mut tx, change).await?;
    tx.commit().await?;
    keys::refresh(&app.store).await?;
    Ok(done)
}

/// Another installation key, and another one for receipts. Returns how many values were moved to it.
///
/// # Errors
/// A sentence for the command line; then it can be done again.
pub async fn rotate(app: &App) -> Outcome<u64> {
    let path = app.options.key_file();
    let _alone = disk::lock(&path.with_extension("lock"))?;
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut all = disk::keys(&path).map_err(told)?;
    all.insert(0, random());
    disk::keep_keys(&path, &all).map_err(told)?;
    app.vault.reread().map_err(told)?;
    say(
        app,
        serde_json::json!({ "installation_key": app.vault.names().first() }),
    );
    let renewed = change(app, Secrets::renew_receipts).await;
    renewed.map_err(Failure::sentence)?;
    keys::reseal(&app.store).await.map_err(Failure::sentence)
}

/// Forgets former installation keys.
///
/// # Errors
/// A sentence for the command line: something still needs them.
pub async fn finish(app: &App) -> Outcome<()> {
    let path = app.options.key_file();
    // Nobody puts another key in front while values are counted against this one.
    let _alone = disk::lock(&path.with_extension("lock"))?;
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    let all = disk::keys(&path).map_err(told)?;
    if all.len() > 1 && disk::age(&path).map_err(told)? < SETTLED {
        return Err(
            "the key was changed less than a minute ago: a running server may not know it yet"
                .into(),
        );
    }
    let left = async {
        keys::reseal(&app.store).await?;
        keys::left(&mut app.store.read().await?).await
    };
    match left.await.map_err(Failure::sentence)? {
        0 => disk::keep_keys(&path, &all[..1]).map_err(told)?,
        left => return Err(format!("{left} values are sealed with a former key")),
    }
    say(app, serde_json::json!({ "former_keys": "forgotten" }));
    Ok(())
}

/// The key of another system, after a step of its rotation.
///
/// # Errors
/// A sentence for the command line.
pub async fn of_peer(app: &App, peer: &str, step: Step) -> Outcome<String> {
    let key = match step {
        Step::Prepare => change(app, |secrets| secrets.prepare_peer(peer)).await,
        Step::Switch => match change(app, |secrets| secrets.switch_peer(peer)).await {
            Ok(true) => Ok(app.vault.peer_key(peer)),
            Ok(false) => return Err(format!("{peer} has no next key: --next makes one")),
            Err(failure) => Err(failure),
        },
    };
    let key = key.map_err(Failure::sentence)?;
    say(
        app,
        serde_json::json!({ "key_of": peer, "step": if step == Step::Prepare { "next" } else { "switched" } }),
    );
    Ok(shown(peer, key))
}

/// Uses keys that another process has changed, and finishes what it has begun.
pub async fn refresh(app: &App) -> Result<()> {
    if keys::refresh(&app.store).await? {
        reseal(app).await?;
    }
    Ok(())
}

/// Moves what is still sealed with a former key.
pub async fn reseal(app: &App) -> Result<()> {
    if app.vault.names().len() > 1 {
        let moved = keys::reseal(&app.store).await?;
        if moved > 0 {
            tracing::info!(moved, "values moved to the new installation key");
        }
    }
    Ok(())
}

//! Sends queued messages through a driver, and retries those that fail.

use std::io::Write;
use std::path::PathBuf;

use claim_domain::Moment;

use super::log;
use crate::failure::Result;
use crate::metrics::Outcome;
use crate::store::messages::{self, Queued};
use crate::store::{claims, disk};
use crate::{App, egress, mask, now};

/// How messages leave. The default writes a line to `messages.log`, without number or code.
#[derive(Clone, Debug, Default)]
pub enum Driver {
    #[default]
    Log,
    /// POSTs `{id, phone, kind, text}` to a gateway, signed with the key of the data directory.
    Webhook(String),
}

const FIRST_WAIT: i64 = 5;
const LONGEST_WAIT: i64 = 3600;
const MOST_TRIES: i64 = 50;
/// Seconds for which a sign-in code is valid.
pub const CODE_LIVES: i64 = 5 * 60;

/// Sends in the background, so that a slow gateway holds nothing up.
pub fn begin(app: &App) {
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(failure) = deliver(&app).await {
            failure.problem();
        }
    });
}

/// Sends what is due, at least once: if the server crashes between sending and recording, the
/// gateway sees the same `id` again.
pub async fn deliver(app: &App) -> Result<()> {
    // One at a time, or two would send the same message.
    let Ok(_alone) = app.delivering.try_lock() else {
        return Ok(());
    };
    // An expired code helps nobody.
    let over = Moment(now().0 - CODE_LIVES);
    if messages::has_late_codes(&mut app.store.read().await?, over).await? {
        let mut tx = app.store.begin_patiently().await?;
        messages::give_up_late_codes(&mut tx, over).await?;
        tx.commit().await?;
    }
    loop {
        let due = messages::due(&mut app.store.read().await?, now()).await?;
        if due.is_empty() {
            return Ok(());
        }
        for queued in due {
            send(app, queued).await?;
        }
    }
}

async fn send(app: &App, message: Queued) -> Result<()> {
    let sent = match &app.options.messages {
        Driver::Log => note(app.options.data.join("messages.log"), &message).await,
        Driver::Webhook(url) => post(app, url, &message).await,
    };
    app.metrics.sent("messages", Outcome::of(&sent));
    let at = now();
    let mut tx = app.store.begin_patiently().await?;
    match &sent {
        Ok(()) => {
            messages::keep_sent(&mut tx, message.id, at).await?;
            if let (Some("rejected"), Some(claim), Some(seq)) = (
                message.kind.split(':').next(),
                &message.claim_id,
                message.seq,
            ) {
                let lob = claims::by_id(&mut tx, claim).await?.lob;
                log::letter_delivered(app, &mut tx, (claim, lob), seq).await?;
            }
        }
        Err(error) => {
            tracing::warn!(kind = message.kind, tries = message.tries + 1, %error, "a message was not accepted");
            let wait = (FIRST_WAIT << message.tries.min(10)).min(LONGEST_WAIT);
            let next = (message.tries + 1 < MOST_TRIES).then(|| at.plus_seconds(wait));
            messages::keep_failed(&mut tx, message.id, next).await?;
        }
    }
    tx.commit().await?;
    if let (Ok(()), Some(claim)) = (sent, &message.claim_id) {
        app.news.tell(claim);
    }
    Ok(())
}

async fn note(path: PathBuf, message: &Queued) -> std::result::Result<(), String> {
    let text = if message.kind == "code" {
        "（验证码）"
    } else {
        &message.text
    };
    let line = format!(
        "{} {} {} {}\n",
        now(),
        message.kind,
        mask::phone(&message.phone),
        text
    );
    let written =
        tokio::task::spawn_blocking(move || disk::appended(&path)?.write_all(line.as_bytes()));
    written
        .await
        .map_err(|e| e.to_string())?
        .map_err(|e| e.to_string())
}

async fn post(app: &App, url: &str, message: &Queued) -> std::result::Result<(), String> {
    let body = serde_json::json!({ "id": message.id, "phone": message.phone, "kind": message.kind, "text": message.text }).to_string();
    let signature = app.vault.signature("messages", body.as_bytes());
    let headers = vec![("signature", signature)];
    egress::call(
        "messages",
        url.to_owned(),
        headers,
        Some((egress::JSON, body)),
    )
    .await
    .map(drop)
    .map_err(|e| e.to_string())
}

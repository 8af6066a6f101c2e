//! New events as they happen (server-sent events). Only an accelerator: the truth is
//! `GET …/timeline`, read from the database by sequence number; a client that misses something here
//! gets it there.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event as Sent, Sse};
use axum::response::{IntoResponse, Response};
use claim_api::{Problem, ProblemCode};
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::claims::After;
use crate::App;
use crate::failure::Result;
use crate::http::access::Claimant;
use crate::limits::Place;
use crate::store::events;
use crate::store::parties::Part;
use crate::work::sessions;

/// A page hears at least this often that the stream is alive; it cannot see comments, so these are
/// named events.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// An ended session is noticed within this time.
const RECHECK: Duration = Duration::from_secs(30);
/// After this time the page opens a new stream, free of whatever was wrong with the old one.
const LONGEST: Duration = Duration::from_secs(15 * 60);
const AT_MOST: usize = 3;

impl Drop for Follow {
    fn drop(&mut self) {
        self.app.news.forget(&self.claim_id);
        self.app.news.forget(&self.session);
    }
}

struct Follow {
    app: App,
    session: String,
    _place: Place<String>,
    news: watch::Receiver<()>,
    /// Of the session: signals a sign-out.
    ended: watch::Receiver<()>,
    claim_id: String,
    after: u32,
    began: Instant,
    /// When the page must hear again that the stream is alive.
    beat: Instant,
    /// When the session was last known to be alive.
    checked: Instant,
    ready: std::vec::IntoIter<claim_domain::lifecycle::Event>,
    part: Part,
}

/// Events after `Last-Event-ID` (or `after`), then each new one: `id` is the sequence number,
/// `data` the event as in the timeline, with `event: ping` in between. Ends with the session, and
/// after fifteen minutes.
#[utoipa::path(get, path = "/api/v1/claims/{no}/stream", params(("no" = String, Path), ("after" = Option<u32>, Query), ("Last-Event-ID" = Option<u32>, Header)),
    responses((status = 200, content_type = "text/event-stream"), (status = 401, body = Problem), (status = 404, body = Problem), (status = 429, description = "three streams are open", body = Problem)))]
pub async fn stream(
    Claimant { session, claim, .. }: Claimant,
    State(app): State<App>,
    after: std::result::Result<Query<After>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response> {
    let Query(After { after }) = after.map_err(|_| ProblemCode::MalformedJson)?;
    let last = headers
        .get("last-event-id")
        .and_then(|v| v.to_str().ok()?.parse().ok());
    let Some(place) = app.streams.take(session.hash.clone(), AT_MOST) else {
        return Err(Problem::after(ProblemCode::RateLimited, 60).into());
    };
    // Listen before the first look, so that no event is missed in between.
    let (news, ended) = (app.news.listen(&claim.id), app.news.listen(&session.hash));
    let (began, checked) = (Instant::now(), Instant::now());
    let after = last.unwrap_or(after);
    let beat = began + HEARTBEAT;
    let follow = Follow {
        app,
        session: session.hash,
        _place: place,
        news,
        ended,
        claim_id: claim.id,
        after,
        began,
        beat,
        checked,
        ready: Vec::new().into_iter(),
        part: claim.part,
    };
    let events = stream::unfold(Some((follow, true)), |state| async move {
        let (mut follow, first) = state?;
        let sent = next(&mut follow, first).await?;
        follow.beat = Instant::now() + HEARTBEAT;
        Some((Ok::<_, Infallible>(sent), Some((follow, false))))
    });
    let headers = [
        (header::CACHE_CONTROL, "no-store, no-transform"),
        // Otherwise nginx buffers responses.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Sse::new(events)).into_response())
}

async fn newer(follow: &Follow) -> Result<Vec<claim_domain::lifecycle::Event>> {
    events::after(
        &mut follow.app.store.read().await?,
        &follow.claim_id,
        follow.after,
    )
    .await
}

/// The next thing to send; `None` ends the stream.
async fn next(follow: &mut Follow, first: bool) -> Option<Sent> {
    let app = follow.app.clone();
    let mut look = first;
    loop {
        if let Some(event) = follow.ready.next() {
            follow.after = event.seq;
            return Sent::default()
                .id(event.seq.to_string())
                .json_data(follow.part.shown(event))
                .ok();
        }
        if look {
            let found = newer(follow).await.ok()?;
            look = false;
            if !found.is_empty() {
                follow.ready = found.into_iter();
                continue;
            }
            if first {
                return Some(
                    Sent::default()
                        .event("ping")
                        .data("")
                        .retry(Duration::from_secs(3)),
                );
            }
        }
        if follow.began.elapsed() > LONGEST {
            return None;
        }
        if follow.checked.elapsed() > RECHECK {
            follow.checked = Instant::now();
            if !sessions::is_alive(&app, &follow.session)
                .await
                .unwrap_or(false)
            {
                return None;
            }
        }
        tokio::select! {
            // The sender lives as long as this receiver.
            _ = follow.news.changed() => look = true,
            _ = follow.ended.changed() => return None,
            () = tokio::time::sleep_until(follow.beat) => {
                // Look as well: events written by another process show up here.
                let found = newer(follow).await.ok()?;
                if found.is_empty() {
                    return Some(Sent::default().event("ping").data(""));
                }
                follow.ready = found.into_iter();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::StreamExt;
    use serde_json::Value;

    use crate::store::{claims, events};
    use crate::tests::{Caller, Dice, opened};

    /// Ten thousand events, a stream that breaks after any byte: the phone ends up with what the
    /// database has.
    #[tokio::test]
    async fn nothing_is_missed_however_often_the_stream_breaks() {
        let (_data, app) = opened().await;
        let mut owner = Caller::new(&app);
        owner.sign_in(&app, "13800138000").await;
        let no = owner.report("insured", "13800138000").await;
        let claim = claims::by_no(&mut app.store.read().await.unwrap(), &no)
            .await
            .unwrap();
        let key = claims::key(&mut app.store.read().await.unwrap(), &claim.id)
            .await
            .unwrap();
        let address = format!("/api/v1/claims/{no}/stream");
        let mut have: BTreeMap<u32, Value> = BTreeMap::new();
        let (mut breaks, mut doubled, mut luck) = (0u32, 0u32, Dice(7));
        let mut made: u32 = sqlx::query_scalar("SELECT max(seq) FROM event")
            .fetch_one(app.store.pool())
            .await
            .unwrap();
        while made < 10_000 {
            let mut tx = app.store.begin().await.unwrap();
            for _ in 0..100 {
                made += 1;
                let what = key.seal(
                    &events::place(&claim.id, made),
                    &format!(r#"{{"wrote":{{"text":"{made}"}}}}"#),
                );
                let row = "INSERT INTO event (claim_id, seq, at, actor, what, hash) VALUES (?, ?, unixepoch(), '\"customer\"', ?, 'x')";
                let row = sqlx::query(row)
                    .bind(&claim.id)
                    .bind(made)
                    .bind(format!("wrote:{what}"));
                row.execute(tx.sql()).await.unwrap();
            }
            tx.commit().await.unwrap();
            // Each batch is read over streams that break after any number of bytes, in the middle
            // of a line too.
            while have.len() < made as usize {
                let last = have
                    .keys()
                    .next_back()
                    .map_or_else(|| "0".to_owned(), u32::to_string);
                let response = owner.stream(&address, &[("last-event-id", &last)]).await;
                assert_eq!(response.status(), 200);
                let mut body = response.into_body().into_data_stream();
                let most = 1 + luck.below(9000) as usize;
                let mut bytes = Vec::new();
                while bytes.len() < most
                    && !String::from_utf8_lossy(&bytes).contains(&format!("id: {made}\n"))
                {
                    bytes.extend(body.next().await.expect("the stream has ended").unwrap());
                }
                bytes.truncate(most);
                breaks += 1;
                // As in an EventSource: only what ends with an empty line counts.
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
                for part in whole.split("\n\n") {
                    let field = |name: &str| {
                        part.lines()
                            .find_map(|l| l.strip_prefix(name))
                            .map(str::trim)
                    };
                    if let (Some(id), Some(data)) =
                        (field("id:").and_then(|id| id.parse().ok()), field("data:"))
                    {
                        doubled += u32::from(
                            have.insert(id, serde_json::from_str(data).unwrap())
                                .is_some(),
                        );
                    }
                }
            }
        }
        // The source of truth, over REST.
        let timeline = owner
            .stream(&format!("/api/v1/claims/{no}/timeline"), &[])
            .await;
        let truth = axum::body::to_bytes(timeline.into_body(), 1 << 24)
            .await
            .unwrap();
        let truth: Value = serde_json::from_slice(&truth).unwrap();
        assert!(
            have.into_values().collect::<Vec<_>>() == *truth["events"].as_array().unwrap(),
            "the list differs"
        );
        println!("{made} events, {breaks} broken streams, {doubled} sent twice");
        assert!(breaks > 200 && doubled == 0);
    }
}

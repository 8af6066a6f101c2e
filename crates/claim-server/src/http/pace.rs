//! Cuts off request bodies that arrive too slowly, on every route: a client that trickles bytes
//! only ties up a connection (CWE-400; Slowloris and its R.U.D.Y. variant).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep};

/// Credit that a sender starts with, and its maximum: the longest silence allowed.
const CREDIT: Duration = Duration::from_secs(20);
/// Bytes that earn one second of credit.
const SLOWEST: u32 = 1 << 10;

/// The sender was too slow.
#[derive(Debug)]
pub struct TooSlow;

impl std::fmt::Display for TooSlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body arrived too slowly")
    }
}

impl std::error::Error for TooSlow {}

/// A body whose sender earns time by sending bytes.
struct Paced<B> {
    inner: B,
    /// Fires when the credit is used up; created at the first wait.
    sleep: Option<Pin<Box<Sleep>>>,
}

/// The same body, cut off if it arrives too slowly.
pub fn paced<B>(inner: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError>,
{
    if inner.is_end_stream() {
        Body::empty()
    } else {
        Body::new(Paced { inner, sleep: None })
    }
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        let sleep = this
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(CREDIT)));
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some(Ok(frame)) = &frame
                    && let Some(bytes) = frame.data_ref()
                {
                    let earned = Duration::from_secs(1)
                        * u32::try_from(bytes.len())
                            .unwrap_or(u32::MAX)
                            .min(CREDIT.as_secs() as u32 * SLOWEST)
                        / SLOWEST;
                    let until = (sleep.deadline() + earned).min(Instant::now() + CREDIT);
                    sleep.as_mut().reset(until);
                }
                Poll::Ready(frame.map(|f| f.map_err(Into::into)))
            }
            Poll::Pending => {
                ready!(sleep.as_mut().poll(cx));
                Poll::Ready(Some(Err(TooSlow.into())))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

/// Whether a body failed because it was too slow.
pub fn was_slow(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |e| e.source()).any(<dyn std::error::Error>::is::<TooSlow>)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `bytes` every `seconds`, up to `most`, in paused time. Returns when the body was cut
    /// off, and how many bytes had arrived.
    async fn cut_after(bytes: usize, seconds: u64, most: usize) -> Option<(u64, usize)> {
        let drops = futures_util::stream::unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            (sent < most).then(|| {
                (
                    Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes])),
                    sent + bytes,
                )
            })
        });
        let (began, mut body, mut got) = (Instant::now(), paced(Body::from_stream(drops)), 0);
        loop {
            match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await? {
                Ok(frame) => got += frame.into_data().map_or(0, |d| d.len()),
                Err(error) => {
                    assert!(was_slow(&error));
                    return Some((began.elapsed().as_secs(), got));
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn finding_6_who_sends_a_drop_now_and_then_is_cut_off_within_thirty_seconds() {
        for (bytes, seconds) in [(1, 1), (4, 5), (1, 19), (1, 25), (1000, 10), (10, 1)] {
            let (after, _) = cut_after(bytes, seconds, usize::MAX).await.unwrap();
            assert!(
                (20..=30).contains(&after),
                "{bytes} bytes each {seconds} s: {after} s"
            );
        }
        // Even if much arrived at once before.
        let (after, got) = cut_after(64 << 10, 21, usize::MAX).await.unwrap();
        assert_eq!((after, got), (20, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn two_bars_of_signal_are_enough() {
        for (bytes, seconds) in [(2 << 10, 1), (1 << 10, 1), (16 << 10, 12), (1, 0)] {
            assert_eq!(
                cut_after(bytes, seconds, 64 << 10).await,
                None,
                "{bytes} bytes each {seconds} s"
            );
        }
    }
}

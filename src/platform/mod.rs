//! The browser, behind one interface. Architecture invariant: nothing outside this folder names
//! web-sys, js-sys, gloo or IndexedDB, so a page or a rule can be read without knowing the
//! browser's quirks; they are all here.

pub mod address;
pub mod camera;
pub mod host;
pub mod http;
pub mod pad;
pub mod page;
pub mod photos;
pub mod picture;
pub mod storage;
pub mod stream;

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use claim_domain::Moment;

/// How far the phone's clock is ahead of the server's, in milliseconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);

/// The server's time as far as known, else the phone's. Advisory only: every deadline is the
/// server's.
pub fn now() -> Moment {
    Moment(now_ms() / 1000)
}

pub fn now_ms() -> i64 {
    js_sys::Date::now() as i64 - AHEAD.load(Relaxed)
}

/// Stores the server's time; returns whether the phone's clock is wrong enough for a person to
/// notice.
pub fn set_clock(server: Moment) -> bool {
    let ahead = js_sys::Date::now() as i64 - server.0 * 1000;
    AHEAD.store(ahead, Relaxed);
    ahead.abs() > 300_000
}

/// A random number, for spreading retries.
pub fn luck() -> u32 {
    (js_sys::Math::random() * f64::from(u32::MAX)) as u32
}

pub fn new_id() -> String {
    // Without the crate's shared counter: two ids of one millisecond differ by 74 random bits.
    let (ms, context) = (now_ms().unsigned_abs(), uuid::NoContext);
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
        context,
        ms / 1000,
        (ms % 1000) as u32 * 1_000_000,
    ))
    .to_string()
}

pub async fn sleep_ms(ms: u32) {
    gloo::timers::future::TimeoutFuture::new(ms).await;
}

/// Runs in the background of the page; nothing waits for it.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    wasm_bindgen_futures::spawn_local(task);
}

//! What an operator watches, for Prometheus (OpenMetrics text).
//!
//! Promise: a label is a route's pattern, a code, a kind or a name that the operator gave; never a
//! value of a person. What happens is counted as it happens; what waits is measured when asked.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::failure::Result;
use crate::store::{depths, hooks};
use crate::{App, now};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    /// The route's pattern: addresses hold claim numbers.
    route: String,
    method: String,
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Sent {
    to: String,
    outcome: Outcome,
}

/// Whether somebody else's system took what was sent.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub enum Outcome {
    Accepted,
    Failed,
}

impl Outcome {
    pub fn of<T, E>(sent: &std::result::Result<T, E>) -> Outcome {
        match sent {
            Ok(_) => Outcome::Accepted,
            Err(_) => Outcome::Failed,
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Stage {
    stage: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Hook {
    hook: String,
}

type Gauges<L> = Family<L, Gauge>;

/// Every metric of this process.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    events: Family<Kind, Counter>,
    sent: Family<Sent, Counter>,
    claims: Gauges<Stage>,
    overdue: Gauge,
    messages: Gauge,
    oldest_message: Gauge,
    messages_failed: Gauge,
    uploads: Gauge,
    database: Gauge,
    disk_free: Gauge,
    resident: Gauge,
    hook_behind: Gauges<Hook>,
    hook_held: Gauges<Hook>,
    hook_dead: Gauges<Hook>,
    up: Gauge<f64, AtomicU64>,
}

fn histogram() -> Histogram {
    // 1 ms to 16 s.
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            events: Family::default(),
            sent: Family::default(),
            claims: Family::default(),
            overdue: Gauge::default(),
            messages: Gauge::default(),
            oldest_message: Gauge::default(),
            messages_failed: Gauge::default(),
            uploads: Gauge::default(),
            database: Gauge::default(),
            disk_free: Gauge::default(),
            resident: Gauge::default(),
            hook_behind: Family::default(),
            hook_held: Family::default(),
            hook_dead: Family::default(),
            up: Gauge::default(),
        };
        let m = &metrics;
        let mut made = Registry::with_prefix("baoan");
        made.register(
            "requests",
            "Requests by route, method and status",
            m.requests.clone(),
        );
        made.register_with_unit(
            "request",
            "Time to answer, by route",
            Unit::Seconds,
            m.seconds.clone(),
        );
        made.register(
            "events",
            "Events added to claims since the start, by kind; escalated: missed deadlines",
            m.events.clone(),
        );
        made.register(
            "sent",
            "Messages, events and look-ups sent to other systems",
            m.sent.clone(),
        );
        made.register("claims", "Claims by stage", m.claims.clone());
        made.register(
            "claims_overdue",
            "Claims whose due time passed more than a minute ago and that nobody looked at",
            m.overdue.clone(),
        );
        made.register(
            "messages_queued",
            "Messages that are due",
            m.messages.clone(),
        );
        made.register_with_unit(
            "messages_oldest",
            "Age of the oldest message that is due",
            Unit::Seconds,
            m.oldest_message.clone(),
        );
        made.register(
            "messages_failed",
            "Messages that were given up",
            m.messages_failed.clone(),
        );
        made.register(
            "uploads_open",
            "Files that belong to no claim yet",
            m.uploads.clone(),
        );
        made.register_with_unit(
            "database",
            "Size of the database",
            Unit::Bytes,
            m.database.clone(),
        );
        made.register_with_unit(
            "disk_free",
            "Free space for files",
            Unit::Bytes,
            m.disk_free.clone(),
        );
        made.register_with_unit(
            "resident",
            "Memory of this process",
            Unit::Bytes,
            m.resident.clone(),
        );
        made.register(
            "hook_behind",
            "Events that a system has not been sent",
            m.hook_behind.clone(),
        );
        made.register(
            "hook_held",
            "Claims whose next event a system refuses",
            m.hook_held.clone(),
        );
        made.register(
            "hook_dead",
            "Events that were given up for a system",
            m.hook_dead.clone(),
        );
        made.register_with_unit("uptime", "Since the start", Unit::Seconds, m.up.clone());
        made.register(
            "build",
            "Version of the program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        metrics.registry = made;
        metrics
    }
}

impl Metrics {
    pub fn request(&self, route: &str, method: &str, code: u16, took: Duration) {
        let route = route.to_owned();
        // Anybody can make up methods.
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
        let method = if known.contains(&method) {
            method
        } else {
            "other"
        }
        .to_owned();
        self.seconds
            .get_or_create(&Route {
                route: route.clone(),
            })
            .observe(took.as_secs_f64());
        self.requests
            .get_or_create(&Request {
                route,
                method,
                code,
            })
            .inc();
    }

    pub fn event(&self, kind: &'static str) {
        self.events.get_or_create(&Kind { kind }).inc();
    }

    /// Something was sent to another system: `messages`, `policies`, the name of a hook.
    pub fn sent(&self, to: &str, outcome: Outcome) {
        let to = to.to_owned();
        self.sent.get_or_create(&Sent { to, outcome }).inc();
    }

    /// The whole text.
    ///
    /// # Errors
    /// The database's.
    pub async fn text(&self, app: &App) -> Result<String> {
        let db = &mut app.store.read().await?;
        let depths = depths::measured(db, now()).await?;
        self.claims.clear();
        for (stage, n) in depths.claims {
            self.claims.get_or_create(&Stage { stage }).set(n);
        }
        self.overdue.set(depths.overdue);
        self.messages.set(depths.messages);
        self.oldest_message.set(depths.oldest_message);
        self.messages_failed.set(depths.messages_failed);
        self.uploads.set(depths.uploads);
        self.database.set(depths.database);
        for family in [&self.hook_behind, &self.hook_held, &self.hook_dead] {
            family.clear();
        }
        for hook in hooks::all(db).await? {
            let (held, dead) = hooks::waiting(db, &hook.name).await?;
            let label = Hook { hook: hook.name };
            self.hook_behind
                .get_or_create(&label)
                .set(depths.feed - hook.done);
            self.hook_held.get_or_create(&label).set(held);
            self.hook_dead.get_or_create(&label).set(dead);
        }
        let bytes = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.disk_free.set(bytes(app.uploads.free().unwrap_or(0)));
        self.resident.set(bytes(crate::store::disk::resident()));
        self.up.set(app.started.1.elapsed().as_secs_f64());
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            let _ = writeln!(text, "# EOF");
        }
        Ok(text)
    }
}

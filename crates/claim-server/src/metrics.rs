//! What an operator watches, for Prometheus (OpenMetrics text).
//!
//! Promise: a label is a route's pattern, a code, a kind or a name that the operator gave; never a
//! value of a person. What happens is counted as it happens; what waits is measured when asked.

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

use crate::failure::{Failure, Result};
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

fn histogram() -> Histogram {
    // 1 ms to 16 s.
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

/// One line a metric: what it is, how it is made, its name, its unit if it has one, what it means.
macro_rules! metrics {
    ($($field:ident: $type:ty = $made:expr, $name:literal $($unit:ident)?, $help:literal;)*) => {
        /// Every metric of this process.
        pub struct Metrics {
            registry: Registry,
            $($field: $type,)*
        }

        impl Default for Metrics {
            fn default() -> Metrics {
                let mut registry = Registry::with_prefix("baoan");
                let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
                registry.register("build", "Version of the program", version);
                $(
                    let $field: $type = $made;
                    metrics!(@register registry, $name, $help, $field $(, $unit)?);
                )*
                Metrics { registry, $($field,)* }
            }
        }
    };
    (@register $registry:ident, $name:literal, $help:literal, $field:ident) => {
        $registry.register($name, $help, $field.clone());
    };
    (@register $registry:ident, $name:literal, $help:literal, $field:ident, $unit:ident) => {
        $registry.register_with_unit($name, $help, Unit::$unit, $field.clone());
    };
}

type Times = Family<Route, Histogram, fn() -> Histogram>;

metrics! {
    requests: Family<Request, Counter> = Family::default(), "requests", "Requests by route, method and status";
    seconds: Times = Times::new_with_constructor(histogram), "request" Seconds, "Time to answer, by route";
    events: Family<Kind, Counter> = Family::default(), "events", "Events added to claims since the start, by kind; escalated: missed deadlines";
    sent: Family<Sent, Counter> = Family::default(), "sent", "Messages and events sent to other systems";
    claims: Gauges<Stage> = Family::default(), "claims", "Claims by stage";
    overdue: Gauge = Gauge::default(), "claims_overdue", "Claims whose due time passed more than a minute ago and that nobody looked at";
    messages: Gauge = Gauge::default(), "messages_queued", "Messages that are due";
    oldest_message: Gauge = Gauge::default(), "messages_oldest" Seconds, "Age of the oldest message that is due";
    messages_failed: Gauge = Gauge::default(), "messages_failed", "Messages that were given up";
    uploads: Gauge = Gauge::default(), "uploads_open", "Files that belong to no claim yet";
    database: Gauge = Gauge::default(), "database" Bytes, "Size of the database";
    disk_free: Gauge = Gauge::default(), "disk_free" Bytes, "Free space for files";
    resident: Gauge = Gauge::default(), "resident" Bytes, "Memory of this process";
    hook_behind: Gauges<Hook> = Family::default(), "hook_behind", "Events that a system has not been sent";
    hook_held: Gauges<Hook> = Family::default(), "hook_held", "Claims whose next event a system does not take";
    hook_dead: Gauges<Hook> = Family::default(), "hook_dead", "Events that were given up for a system";
    up: Gauge<f64, AtomicU64> = Gauge::default(), "uptime" Seconds, "Since the start";
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
        encode(&mut text, &self.registry).map_err(|e| Failure::internal("metrics", e))?;
        Ok(text)
    }
}

//! What is counted, for a Prometheus server: in OpenMetrics' text, by the `prometheus-client` crate.
//!
//! Labels are routes, methods, statuses and our own words, all from lists of ours: no name of anybody, no secret, and never more
//! of them than the lists are long. Counting costs an atomic addition; what the rules count themselves is read when asked for.

mod page;
mod process;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::access::Refused;
use crate::library::Tally;

pub use page::router;

/// Upper ends of the buckets of how long an answer took, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    class: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    part: &'static str,
}

/// All that is counted.
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Class, Histogram, fn() -> Histogram>,
    received_bytes: Counter,
    sent_bytes: Counter,
    connections: Gauge<i64, AtomicI64>,
    waiting: Gauge<i64, AtomicI64>,
    failures: Family<Part, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Counted up until it is dropped.
#[derive(Debug)]
pub(crate) struct Held(Gauge<i64, AtomicI64>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn held(gauge: &Gauge<i64, AtomicI64>) -> Held {
    gauge.inc();
    Held(gauge.clone())
}

impl Metrics {
    /// Nothing counted yet, beside what `tally` and `refused` count.
    pub(crate) fn new(tally: Arc<Tally>, refused: Arc<Refused>) -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            connections: Gauge::default(),
            waiting: Gauge::default(),
            failures: Family::default(),
        };
        for part in [CATALOG, BLOBS] {
            let _ = metrics.failures.get_or_create(&Part { part });
        }
        let registry = metrics.registry.sub_registry_with_prefix("retrosync");
        registry.register("requests", "Requests that were answered", metrics.requests.clone());
        registry.register(
            "request_duration_seconds",
            "Time until an answer began; a long poll's is as long as it waited",
            metrics.seconds.clone(),
        );
        registry.register("received_bytes", "Bytes of requests' bodies", metrics.received_bytes.clone());
        registry.register("sent_bytes", "Bytes of answers' bodies", metrics.sent_bytes.clone());
        registry.register("connections", "Connections that are open", metrics.connections.clone());
        registry.register(
            "waiting",
            "Requests that wait for news or for a person's answer",
            metrics.waiting.clone(),
        );
        let failures = "Requests that failed because records (catalog) or bytes (blobs) could not be used";
        registry.register("failures", failures, metrics.failures.clone());
        registry.register_collector(Box::new(Counted { tally, refused }));
        metrics.registry.register_collector(Box::new(process::Process));
        metrics
    }

    /// A request whose answer has begun.
    pub(crate) fn answered(&self, class: &'static str, method: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answered { class, method, status }).inc();
        self.seconds.get_or_create(&Class { class }).observe(took.as_secs_f64());
    }

    /// A request is over.
    pub(crate) fn moved(&self, received_bytes: u64, sent_bytes: u64) {
        self.received_bytes.inc_by(received_bytes);
        self.sent_bytes.inc_by(sent_bytes);
    }

    /// A part could not be used.
    pub(crate) fn failed(&self, part: &'static str) {
        self.failures.get_or_create(&Part { part }).inc();
    }

    /// A connection is open until this is dropped.
    pub(crate) fn connected(&self) -> Held {
        held(&self.connections)
    }

    /// A request waits until this is dropped.
    pub(crate) fn waits(&self) -> Held {
        held(&self.waiting)
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// The part that holds records.
pub(crate) const CATALOG: &str = "catalog";
/// The part that holds bytes.
pub(crate) const BLOBS: &str = "blobs";

/// What the rules count themselves.
#[derive(Debug)]
struct Counted {
    tally: Arc<Tally>,
    refused: Arc<Refused>,
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let told = self.tally.told();
        let (pairing, login) = self.refused.told();
        let rows = [
            ("stores", "Commits that recorded versions", told.stores),
            ("versions", "Versions that were recorded", told.versions),
            ("versions_bytes", "Bytes of the contents of versions that were recorded", told.bytes),
            ("branches", "Versions that became a question beside another", told.branches),
            ("suspects", "Versions that were kept as suspect", told.suspects),
            ("refused_pairings", "Tries to pair that were refused because there were too many", pairing),
            ("refused_logins", "Tries to log in that were refused because there were too many", login),
        ];
        for (name, help, value) in rows {
            let row = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(row)?;
        }
        Ok(())
    }
}

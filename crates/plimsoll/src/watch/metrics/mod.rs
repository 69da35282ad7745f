//! Metrics: what is measured of a pool and its statements, under names that monitoring systems know.
//!
//! There is one table of them, and everything is made of it. Nothing is measured twice: metrics are read from the pool's own
//! totals and from the [record](crate::record), all at one moment, when they are asked for. Totals never shrink, and begin
//! at zero when the pool is opened.
//!
//! | file | what it holds |
//! |---|---|
//! | [`definition`] | what a metric is |
//! | [`table`] | every metric |
//! | [`reading`] | the numbers that all of them are made of |
//! | [`prometheus`], [`otlp`], [`facade`] | the three ways out |
//! | [`alerts`], [`board`] | rules for Prometheus, and a board for Grafana |
//! | [`reference`] | `docs/metrics.md` |

pub(crate) mod alerts;
pub(crate) mod board;
pub(crate) mod definition;
#[cfg(feature = "metrics")]
mod facade;
#[cfg(feature = "otlp")]
mod otlp;
mod prometheus;
mod reading;
pub(crate) mod reference;
pub(crate) mod table;

use super::monitor::access::Monitoring;
use crate::call::database::Database;
use crate::call::postgres::Postgres;
use crate::pool::Pool;
use crate::pool::PoolStatus;
use crate::pool::snapshot;
use reading::Reading;
use table::metrics;

/// All metrics of these pools as Prometheus scrapes them, in its text format 0.0.4 (`text/plain; version=0.0.4`). Each pool
/// has a label `pool` with its name (the setting `pool_name`); if two have the same, the second gets `#2`.
///
/// It asks the server nothing.
pub fn prometheus<'a>(pools: impl IntoIterator<Item = &'a Database>) -> String {
    let pools: Vec<_> = pools.into_iter().collect();
    let names = names(&pools);
    let readings: Vec<_> = pools.iter().map(|pool| Reading::of(&pool.pool)).collect();
    let mut text = String::new();
    for metric in metrics() {
        let each = names.iter().zip(&readings);
        let points: Vec<_> = each.map(|(name, reading)| (name.as_str(), (metric.read)(reading))).collect();
        prometheus::family(&mut text, metric, &points);
    }
    text
}

/// All metrics of these pools as the bytes of an OTLP request (`ExportMetricsServiceRequest`, in protobuf), to be sent to a
/// collector: by HTTP to `/v1/metrics` with the content type `application/x-protobuf`. `service` becomes the attribute
/// `service.name`. Pools are told apart as in [`prometheus`].
#[cfg(feature = "otlp")]
pub fn otlp<'a>(service: &str, pools: impl IntoIterator<Item = &'a Database>) -> Vec<u8> {
    let pools: Vec<_> = pools.into_iter().collect();
    let names = names(&pools);
    let readings: Vec<_> = pools.iter().map(|pool| Reading::of(&pool.pool)).collect();
    let now = std::time::SystemTime::now();
    let metric = |metric: &definition::Metric| {
        let each = names.iter().zip(&pools).zip(&readings);
        let points: Vec<otlp::Pool<'_>> = each
            .map(|((name, pool), reading)| (name.as_str(), pool.server.opened_at, (metric.read)(reading)))
            .collect();
        otlp::metric(metric, &points, now)
    };
    otlp::request(service, metrics().filter_map(metric).collect())
}

/// The names of the pools, each another.
fn names(pools: &[&Database]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for pool in pools {
        let name = pool.server.plan.pool_name();
        let same = |number: usize| if number == 1 { name.clone() } else { format!("{name}#{number}") };
        let free = (1..=names.len() + 1).map(same).find(|name| !names.contains(name));
        names.push(free.unwrap_or(name));
    }
    names
}

impl Monitoring<'_> {
    /// All metrics of this pool as Prometheus scrapes them: see [`prometheus`](crate::monitor::prometheus), which takes
    /// several pools.
    #[must_use]
    pub fn prometheus(&self) -> String {
        prometheus([self.database()])
    }

    /// All metrics of this pool as the bytes of an OTLP request: see [`otlp`](crate::monitor::otlp).
    #[cfg(feature = "otlp")]
    #[must_use]
    pub fn otlp(&self) -> Vec<u8> {
        let db = self.database();
        otlp(db.server.plan.application_name(), [db])
    }

    /// Hands counters and gauges to the `metrics` facade now. This happens each second by itself; it is of use before the
    /// program ends. Histograms are not handed over: ask [`Monitoring::prometheus`] for them.
    #[cfg(feature = "metrics")]
    pub fn publish(&self) {
        publish(&self.database().pool);
    }
}

/// Hands counters and gauges to the facade.
#[cfg(feature = "metrics")]
fn publish(pool: &Pool<Postgres>) {
    let server = &pool.inner.manager.server;
    // Under the lock, so that of two that publish at once neither tells of a count that the other told of.
    let mut told = server.monitor.published.lock();
    facade::publish(&server.plan.pool_name(), &Reading::of(pool), &mut told);
}

/// What the sampler does each second, with the pool's numbers.
pub(super) fn tick(pool: &Pool<Postgres>, numbers: &PoolStatus) {
    reading::look_for_exhaustion(pool, numbers, &snapshot::given_up(&pool.inner));
    #[cfg(feature = "metrics")]
    publish(pool);
}

#[cfg(test)]
mod tests;

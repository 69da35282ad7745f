//! What the monitor tells, in the form in which it is given out as JSON.

use crate::pool::{LeaseStatus, PoolStatus};
use crate::record::histogram::HistogramSnapshot;
use crate::record::locks::LockEpisode;
use crate::record::pool::ConnectionMetrics;
use crate::record::queries::Kind;
use crate::record::time::Timestamp;
use crate::watch::budget::status::BudgetStatus;
use serde::Serialize;
use std::time::Duration;

/// Everything that is known of a pool at one moment: [`Database::snapshot`](crate::Database::snapshot).
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Snapshot {
    /// Whether acquisitions and statements are recorded now. While they are not, the gauges are true all the same.
    pub monitoring_enabled: bool,
    /// How the pool is, in a word, with what is wrong.
    pub health_status: HealthStatus,
    /// The ten slowest kinds of statements of which an execution was slow.
    pub slow_queries: Vec<QueryMetrics>,
    /// The ten slowest kinds of statements.
    pub query_performance: Vec<QueryMetrics>,
    /// How many connections there may be.
    pub pool_config: PoolConfig,
    /// Leases that are held for more than 5 minutes.
    pub leak_warnings: Vec<LeakWarning>,
    /// Who waited for locks in the last 15 minutes, in this database, and who let them wait; oldest first.
    pub lock_episodes: Vec<LockEpisode>,
    /// The gauges of the pool, by the names that users of SQLAlchemy know.
    pub pool_status: PoolGauges,
    /// The pool now.
    pub pool_metrics: ConnectionMetrics,
    /// The pool in the last minute, a snapshot a second, oldest first.
    pub pool_history: Vec<ConnectionMetrics>,
    /// Statements, whether they went well or not.
    pub statements: StatementTotals,
    /// The circuit breaker.
    pub breaker: BreakerTotals,
    /// How many connections the pool may have now, and why.
    pub connection_budget: BudgetStatus,
    /// Where the time went.
    pub durations: Durations,
}

/// One kind of statement: all texts that differ only in their constants.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct QueryMetrics {
    /// Its fingerprint: sixteen hexadecimal digits, the same in every process.
    pub query_hash: String,
    /// Its text, without any constant.
    pub query_template: String,
    /// How often it was run.
    pub execution_count: u64,
    /// The sum of the times that it took.
    pub total_duration_ms: f64,
    /// Their mean.
    pub avg_duration_ms: f64,
    /// The longest of them.
    pub max_duration_ms: f64,
    /// How often it failed, was stopped or was given up.
    pub error_count: u64,
    /// How often it was slow.
    pub slow_count: u64,
    /// The rows that it gave or touched.
    pub rows: u64,
    /// When it last ended.
    pub last_execution: Timestamp,
}

/// How the pool is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct HealthStatus {
    /// `healthy`; `degraded` with warnings; `down` while calls are refused by the breaker or the pool is closed.
    pub status: &'static str,
    /// Lent connections, in per cent of all that there may be.
    pub utilization_pct: f64,
    /// What is wrong, a sentence each.
    pub warnings: Vec<String>,
    /// As in [`ConnectionMetrics`].
    pub active_connections: usize,
    /// As in [`ConnectionMetrics`].
    pub available_connections: usize,
    /// As in [`ConnectionMetrics`].
    pub total_acquisitions: u64,
    /// As in [`ConnectionMetrics`].
    pub acquisition_failures: u64,
    /// As in [`ConnectionMetrics`].
    pub slow_queries: usize,
    /// As in [`ConnectionMetrics`].
    pub avg_acquisition_ms: f64,
}

/// How many connections there may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PoolConfig {
    /// Those that are kept open even when nothing is asked for.
    pub min_connections: usize,
    /// The most, overflow included.
    pub max_connections: usize,
}

/// The gauges of a pool: see [`PoolStatus`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PoolGauges {
    /// Connections kept at the most.
    pub size: usize,
    /// Idle connections.
    pub checked_in: usize,
    /// Lent connections, and those that are being made clean.
    pub checked_out: usize,
    /// Connections above `size`.
    pub overflow: usize,
    /// Connections that exist.
    pub total_connections: usize,
}

/// A lease that is held for longer than it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LeakWarning {
    /// For which work, with the place in the source.
    pub work: String,
    /// The id of the request for which it works, if it has one.
    pub request_id: Option<String>,
    /// The process id of the backend; none behind a pooler.
    pub pid: Option<i32>,
    /// What it looks like: `leak`, `idle in transaction`, `slow query` or `in use`.
    pub hold: &'static str,
    /// What goes on on the connection, in the server's words: `idle`, `active`, `idle in transaction`.
    pub state: String,
    /// For how long nothing was received on it.
    pub silent_seconds: f64,
    /// The fingerprint of the statement that began last on it.
    pub query_hash: Option<String>,
    /// The text of that statement, without any constant.
    pub last_statement: Option<String>,
    /// For how long.
    pub held_seconds: f64,
}

/// Statements since the start.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct StatementTotals {
    /// All that ended.
    pub executed: u64,
    /// Those that failed, were stopped or were given up.
    pub failed: u64,
    /// Those that a limit on time stopped: `statement_timeout`, the program's own limit, or a deadline.
    pub timeouts: u64,
    /// Those that were slow.
    pub slow: u64,
    /// Leases and requests that have written more than once outside a transaction, as far as `write_audit` looks for them.
    pub unwrapped_multi_writes: u64,
    /// Kinds of statements that made room for others in the table.
    pub kinds_forgotten: u64,
    /// The mean of the latest.
    pub avg_duration_ms: f64,
    /// The time that half of the latest did not exceed.
    pub p50_duration_ms: f64,
    /// The time that 95 per cent of the latest did not exceed.
    pub p95_duration_ms: f64,
    /// The time that 99 per cent of the latest did not exceed.
    pub p99_duration_ms: f64,
}

/// The circuit breaker since the start.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct BreakerTotals {
    /// `closed`, `open` or another of its states.
    pub state: String,
    /// How often it opened.
    pub trips: u64,
    /// Calls that it refused at once.
    pub refused: u64,
}

/// Where the time went: histograms since the start.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Durations {
    /// Getting a connection, with the check of it.
    pub wait: HistogramSnapshot,
    /// Opening a connection.
    pub connect: HistogramSnapshot,
    /// Checking a connection that was idle for long.
    pub check: HistogramSnapshot,
    /// A statement, from its sending to the end of its answer.
    pub server: HistogramSnapshot,
    /// Holding a connection.
    pub held: HistogramSnapshot,
}

/// A time in milliseconds, with three decimals.
pub(super) fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl QueryMetrics {
    pub(super) fn new(fingerprint: u64, kind: &Kind) -> Self {
        QueryMetrics {
            query_hash: format!("{fingerprint:016x}"),
            query_template: kind.text.to_string(),
            execution_count: kind.executions,
            total_duration_ms: ms(kind.total),
            avg_duration_ms: ms(kind.mean()),
            max_duration_ms: ms(kind.max),
            error_count: kind.errors,
            slow_count: kind.slow,
            rows: kind.rows,
            last_execution: Timestamp(kind.last),
        }
    }
}

impl HealthStatus {
    /// Judges the pool; `failing` is the share of acquisitions that failed, of the latest.
    pub(super) fn judge(now: &ConnectionMetrics, failing: f64, down: Option<&str>) -> Self {
        let utilization = 100.0 * now.active_connections as f64 / now.maximum.max(1) as f64;
        let failing = 100.0 * failing;
        let mut warnings: Vec<String> = down.map(str::to_owned).into_iter().collect();
        if utilization > 90.0 {
            warnings.push(format!(
                "high utilisation: {} of {} connections are lent ({utilization:.1} %)",
                now.active_connections, now.maximum
            ));
        }
        if failing > 5.0 {
            warnings.push(format!("{failing:.1} % of the latest acquisitions failed"));
        }
        if now.slow_queries > 10 {
            warnings.push(format!("{} of the latest statements were slow", now.slow_queries));
        }
        if now.waiting_threads > 0 {
            warnings.push(format!("{} callers wait for a connection", now.waiting_threads));
        }
        HealthStatus {
            status: match (down, warnings.is_empty()) {
                (Some(_), _) => "down",
                (None, false) => "degraded",
                (None, true) => "healthy",
            },
            utilization_pct: (utilization * 10.0).round() / 10.0,
            warnings,
            active_connections: now.active_connections,
            available_connections: now.available_connections,
            total_acquisitions: now.total_acquisitions,
            acquisition_failures: now.acquisition_failures,
            slow_queries: now.slow_queries,
            avg_acquisition_ms: now.avg_acquisition_time_ms,
        }
    }
}

impl From<&LeaseStatus> for LeakWarning {
    fn from(lease: &LeaseStatus) -> Self {
        LeakWarning {
            work: lease.work.clone(),
            request_id: lease.request_id.clone(),
            pid: lease.pid,
            hold: lease.hold().as_str(),
            state: lease.state.to_string(),
            silent_seconds: ms(lease.silent) / 1e3,
            query_hash: lease.fingerprint.map(|fingerprint| format!("{fingerprint:016x}")),
            last_statement: lease.last_statement.clone(),
            held_seconds: ms(lease.held) / 1e3,
        }
    }
}

impl From<&PoolStatus> for PoolGauges {
    fn from(status: &PoolStatus) -> Self {
        PoolGauges {
            size: status.size,
            checked_in: status.checked_in,
            checked_out: status.checked_out,
            overflow: status.overflow,
            total_connections: status.total_connections,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of ten of which nothing is wrong.
    fn calm() -> ConnectionMetrics {
        ConnectionMetrics {
            pool_size: 9,
            active_connections: 9,
            maximum: 10,
            slow_queries: 10,
            ..ConnectionMetrics::default()
        }
    }

    #[test]
    fn each_warning_comes_above_its_bound_and_not_at_it() {
        let healthy = HealthStatus::judge(&calm(), 0.05, None);
        assert_eq!((healthy.status, healthy.warnings.len()), ("healthy", 0), "{healthy:?}");
        for (now, failing, down, status, word) in [
            (ConnectionMetrics { active_connections: 10, ..calm() }, 0.0, None, "degraded", "10 of 10"),
            (calm(), 0.051, None, "degraded", "5.1 %"),
            (ConnectionMetrics { slow_queries: 11, ..calm() }, 0.0, None, "degraded", "11 of the latest"),
            (ConnectionMetrics { waiting_threads: 1, ..calm() }, 0.0, None, "degraded", "wait"),
            (calm(), 0.0, Some("the pool is closed"), "down", "closed"),
        ] {
            let judged = HealthStatus::judge(&now, failing, down);
            assert_eq!((judged.status, judged.warnings.len()), (status, 1), "{judged:?}");
            assert!(judged.warnings[0].contains(word), "{judged:?}");
        }
    }
}

//! What somebody who looks each second wants to know of a pool: numbers only, and nothing that is made anew for it.

use super::access::Monitoring;
use super::report::{QueryMetrics, ms};
use crate::call::breaker::BreakerStatus;
use crate::call::retry::RetryStatus;
use crate::pool::PoolStatus;
use crate::record::histogram::HistogramSnapshot;
use crate::record::time::Timestamp;
use crate::record::window::Window;
use plimsoll_inspect::blocking::WaitEvent;
use serde::Serialize;
use std::time::SystemTime;

/// A pool at one moment, without its leases: [`Monitoring::pulse`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pulse {
    /// When.
    pub at: SystemTime,
    /// The pool; its leases are left out.
    pub pool: PoolStatus,
    /// The circuit breaker.
    pub breaker: BreakerStatus,
    /// The budget of retries.
    pub retries: RetryStatus,
    /// Statements that ended since the start, those that failed included.
    pub executed: u64,
    /// Those of them that failed, were stopped or were given up.
    pub failed: u64,
    /// The share of the latest statements that failed, between 0 and 1.
    pub failing: f64,
    /// How many of the latest statements were slow (`monitor_slow_after`).
    pub slow: usize,
    /// How long the latest acquisitions took.
    pub wait: Percentiles,
    /// How long the latest statements took, from their sending to the end of their answer.
    pub server: Percentiles,
    /// How long opening a connection took, since the start.
    pub connect: HistogramSnapshot,
}

/// Percentiles of the latest times (`monitor_window` of them), in milliseconds; zero if there are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Percentiles {
    /// The time that half of them did not exceed.
    pub p50: f64,
    /// The time that 95 per cent of them did not exceed.
    pub p95: f64,
    /// The time that 99 per cent of them did not exceed.
    pub p99: f64,
}

/// What the active sessions of the database waited for at the last look: [`Monitoring::wait_events`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WaitEvents {
    /// When the server was asked.
    pub at: Timestamp,
    /// The most frequent first, at most sixteen. A role without `pg_read_all_stats` sees only its own sessions.
    pub events: Vec<WaitEvent>,
}

impl Percentiles {
    fn of(window: Window) -> Self {
        let summary = window.summary();
        Percentiles { p50: ms(summary.p50), p95: ms(summary.p95), p99: ms(summary.p99) }
    }
}

impl Monitoring<'_> {
    /// The numbers of the pool now, for one who looks each second. It asks the server nothing, and costs less than a
    /// millisecond.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        let (db, monitor) = (self.database(), self.record());
        // Copied under their locks, sorted outside.
        let (counts, failing, server) = {
            let statements = monitor.statements.lock();
            (statements.counts, statements.failing.get(), statements.latest.clone())
        };
        let wait = monitor.pool.lock().latest.clone();
        Pulse {
            at: SystemTime::now(),
            pool: db.pool.numbers(),
            breaker: db.breaker(),
            retries: db.retry_status(),
            executed: counts.executed,
            failed: counts.failed,
            failing: failing.unwrap_or_default(),
            slow: server.marked(),
            wait: Percentiles::of(wait),
            server: Percentiles::of(server),
            connect: monitor.connect.snapshot(),
        }
    }

    /// So many kinds of statements by each of three measures: the time of all executions together, their mean, and how many
    /// failed. A kind that is among the first by several is there once; the one with the most time in all comes first.
    #[must_use]
    pub fn top_statements(&self, limit: usize) -> Vec<QueryMetrics> {
        let kinds = self.record().statements.lock().table.top(limit);
        kinds.iter().map(|(fingerprint, kind)| QueryMetrics::new(*fingerprint, kind)).collect()
    }

    /// What the active sessions of the database waited for when the heartbeat last asked, which it does each second; `None`
    /// before it has, and where there is none. This asks the server nothing.
    #[must_use]
    pub fn wait_events(&self) -> Option<WaitEvents> {
        let kept = self.record().wait_events.lock().clone();
        kept.map(|(at, events)| WaitEvents { at: Timestamp(at), events })
    }
}

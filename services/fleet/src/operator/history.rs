//! What the service's pools have been doing for the last two hours: a sample every ten seconds, kept in memory. It asks the
//! database nothing, so it goes on while that is away, which is when it is wanted.

use crate::service::Service;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How often a sample is taken.
pub const EVERY: Duration = Duration::from_secs(10);

/// The samples that are kept: two hours of them.
pub const MOST: usize = 720;

/// The service at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// When.
    pub at: String,
    /// Readings that wait to be written.
    pub readings_waiting: usize,
    /// Each pool.
    pub pools: Vec<PoolSample>,
}

/// A pool at one moment. Totals are since the start of the service.
#[derive(Clone, Debug, Serialize)]
pub struct PoolSample {
    /// Its name.
    pub pool: &'static str,
    /// Connections that exist.
    pub connections: usize,
    /// The most there may be.
    pub maximum: usize,
    /// Lent connections.
    pub lent: usize,
    /// Callers that wait.
    pub waiting: usize,
    /// How often a connection was lent.
    pub acquired_total: u64,
    /// How often a caller was refused.
    pub refused_total: u64,
    /// Statements that ended.
    pub statements_total: u64,
    /// Those of them that failed.
    pub failed_total: u64,
    /// Of the latest waits for a connection, the time that 95 per cent did not exceed, in milliseconds.
    pub wait_p95_ms: f64,
    /// Of the latest statements, the time that 95 per cent did not exceed, in milliseconds.
    pub statement_p95_ms: f64,
    /// The state of the circuit breaker.
    pub breaker: String,
}

impl Sample {
    /// The service now; none before its database has been there.
    #[must_use]
    pub fn of(service: &Service, now: Timestamp) -> Option<Sample> {
        let ready = service.is_ready()?;
        let pool = |(pool, db): (&'static str, &plimsoll::Database)| {
            let pulse = db.monitor().pulse();
            PoolSample {
                pool,
                connections: pulse.pool.total_connections,
                maximum: pulse.pool.maximum,
                lent: pulse.pool.checked_out,
                waiting: pulse.pool.waiting,
                acquired_total: pulse.pool.acquired,
                refused_total: pulse.pool.failed,
                statements_total: pulse.executed,
                failed_total: pulse.failed,
                wait_p95_ms: pulse.wait.p95,
                statement_p95_ms: pulse.server.p95,
                breaker: pulse.breaker.state.to_string(),
            }
        };
        Some(Sample {
            at: now.to_string(),
            readings_waiting: ready.writer.waiting(),
            pools: ready.pools.all().into_iter().map(pool).collect(),
        })
    }
}

/// The samples of this instance, the oldest first.
#[derive(Debug, Default)]
pub struct History(Mutex<VecDeque<Sample>>);

impl History {
    /// Adds one, and forgets what is too old.
    pub fn add(&self, sample: Sample) {
        let mut kept = self.kept();
        while kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back(sample);
    }

    /// The latest so many, the oldest first.
    #[must_use]
    pub fn latest(&self, count: usize) -> Vec<Sample> {
        let kept = self.kept();
        kept.iter().skip(kept.len().saturating_sub(count)).cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a sample every ten seconds until `stop` is raised; a background task of the service.
pub(crate) async fn run(service: Service, mut stop: watch::Receiver<bool>) {
    loop {
        if let Some(sample) = Sample::of(&service, Timestamp::now()) {
            service.history().add(sample);
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_latest() {
        let history = History::default();
        for n in 0..2_000 {
            history.add(Sample { at: n.to_string(), readings_waiting: 0, pools: Vec::new() });
        }
        let all = history.latest(usize::MAX);
        assert_eq!((all.len(), all[0].at.as_str(), all[MOST - 1].at.as_str()), (MOST, "1280", "1999"));
        let two: Vec<String> = history.latest(2).into_iter().map(|sample| sample.at).collect();
        assert_eq!(two, ["1998", "1999"]);
        assert!(History::default().latest(5).is_empty());
    }
}

//! What is known of the pool: how getting a connection went, and what the pool looked like of late.

use super::time::Timestamp;
use super::window::Window;
use serde::Serialize;
use std::collections::VecDeque;
use std::time::Duration;

/// Snapshots of the pool that are kept.
pub(crate) const SNAPSHOTS: usize = 60;

/// The pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ConnectionMetrics {
    /// When.
    pub timestamp: Timestamp,
    /// Connections that exist.
    pub pool_size: usize,
    /// Those of them that are idle. More may be opened: see `maximum`.
    pub available_connections: usize,
    /// Those of them that are lent or are being made clean.
    pub active_connections: usize,
    /// The most that there may be.
    pub maximum: usize,
    /// Callers that wait for a connection.
    pub waiting_threads: usize,
    /// Acquisitions since the start, those that failed included.
    pub total_acquisitions: u64,
    /// Acquisitions that failed or were given up, since the start.
    pub acquisition_failures: u64,
    /// The mean of the latest acquisitions.
    pub avg_acquisition_time_ms: f64,
    /// The longest of the latest acquisitions.
    pub max_acquisition_time_ms: f64,
    /// Statements that were slow among the latest.
    pub slow_queries: usize,
}

/// Acquisitions and snapshots.
#[derive(Debug)]
pub(crate) struct PoolRecord {
    /// Acquisitions since the start, failed ones included.
    pub(crate) acquisitions: u64,
    pub(crate) failures: u64,
    /// Those of earlier runs among the failures.
    pub(crate) earlier_failures: u64,
    /// The latest acquisitions; those that failed are marked.
    pub(crate) latest: Window,
    snapshots: VecDeque<ConnectionMetrics>,
}

impl PoolRecord {
    pub(crate) fn new(window: usize) -> Self {
        PoolRecord {
            acquisitions: 0,
            failures: 0,
            earlier_failures: 0,
            latest: Window::new(window),
            snapshots: VecDeque::new(),
        }
    }

    pub(crate) fn acquired(&mut self, took: Duration, is_success: bool) {
        self.acquisitions += 1;
        self.failures += u64::from(!is_success);
        self.latest.push(took, !is_success);
    }

    pub(crate) fn keep(&mut self, snapshot: ConnectionMetrics) {
        if self.snapshots.len() >= SNAPSHOTS {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(snapshot);
    }

    /// The snapshots, oldest first.
    pub(crate) fn snapshots(&self) -> Vec<ConnectionMetrics> {
        self.snapshots.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_acquisitions_and_leave_the_window_while_they_stay_counted() {
        let mut record = PoolRecord::new(4);
        record.acquired(Duration::from_secs(3), false);
        (0..4).for_each(|_| record.acquired(Duration::from_millis(2), true));
        assert_eq!((record.acquisitions, record.failures), (5, 1));
        assert!(record.latest.share_marked() < f64::EPSILON, "what failed was five acquisitions ago");
        assert_eq!(record.latest.summary().max, Duration::from_millis(2));
    }

    #[test]
    fn the_latest_snapshots_are_kept() {
        let mut record = PoolRecord::new(4);
        (0..100).for_each(|size| {
            record.keep(ConnectionMetrics { pool_size: size, ..ConnectionMetrics::default() })
        });
        let sizes: Vec<_> = record.snapshots().iter().map(|snapshot| snapshot.pool_size).collect();
        assert_eq!(sizes, (40..100).collect::<Vec<_>>());
    }
}

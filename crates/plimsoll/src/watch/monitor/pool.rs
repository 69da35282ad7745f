//! What is known of the pool: how getting a connection went, and what the pool looked like of late.

use super::report::ConnectionMetrics;
use super::window::Window;
use std::collections::VecDeque;
use std::time::Duration;

/// Snapshots of the pool that are kept.
pub(super) const SNAPSHOTS: usize = 60;

/// Acquisitions and snapshots.
#[derive(Debug)]
pub(super) struct PoolRecord {
    /// Acquisitions since the start, failed ones included.
    pub(super) acquisitions: u64,
    pub(super) failures: u64,
    /// The latest acquisitions; those that failed are marked.
    pub(super) latest: Window,
    snapshots: VecDeque<ConnectionMetrics>,
}

impl PoolRecord {
    pub(super) fn new(window: usize) -> Self {
        PoolRecord { acquisitions: 0, failures: 0, latest: Window::new(window), snapshots: VecDeque::new() }
    }

    pub(super) fn acquired(&mut self, took: Duration, is_success: bool) {
        self.acquisitions += 1;
        self.failures += u64::from(!is_success);
        self.latest.push(took, !is_success);
    }

    pub(super) fn keep(&mut self, snapshot: ConnectionMetrics) {
        if self.snapshots.len() >= SNAPSHOTS {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(snapshot);
    }

    /// The snapshots, oldest first.
    pub(super) fn snapshots(&self) -> Vec<ConnectionMetrics> {
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

//! The part of the report on the runtime: are its workers blocked?
//!
//! A worker that has nothing to do pauses. One that is seen at work twice and has not paused in between has been at it all the
//! time: with one task that computes or blocks, or with more tasks than it can serve. Everything here is read from atomics.

use super::text::line;
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeMetrics};

/// The runtime of the caller, if there is one.
pub(super) fn here() -> Option<Handle> {
    Handle::try_current().ok()
}

/// Workers that are being watched.
pub(super) struct Watched {
    metrics: RuntimeMetrics,
    /// How often each has paused and gone on.
    before: Vec<u64>,
    since: Instant,
}

impl Watched {
    pub(super) fn begin(handle: &Handle) -> Self {
        let metrics = handle.metrics();
        let before = pauses(&metrics);
        Watched { metrics, before, since: Instant::now() }
    }

    pub(super) fn end(self) -> Workers {
        let now = pauses(&self.metrics);
        let without_pause =
            self.before.iter().zip(&now).filter(|(before, now)| without_pause(**before, **now));
        Workers {
            all: now.len(),
            without_pause: without_pause.count(),
            tasks: self.metrics.num_alive_tasks(),
            queued: self.metrics.global_queue_depth(),
            watched: self.since.elapsed(),
        }
    }
}

fn pauses(metrics: &RuntimeMetrics) -> Vec<u64> {
    (0..metrics.num_workers()).map(|worker| metrics.worker_park_unpark_count(worker)).collect()
}

/// A worker counts when it pauses and when it goes on, so an even count means that it is at work.
fn without_pause(before: u64, now: u64) -> bool {
    before == now && now.is_multiple_of(2)
}

/// What was seen of them.
pub(super) struct Workers {
    pub(super) all: usize,
    pub(super) without_pause: usize,
    tasks: usize,
    queued: usize,
    watched: Duration,
}

pub(super) fn tell(text: &mut String, workers: Option<&Workers>) {
    let Some(workers) = workers else {
        return line(text, format_args!("runtime: not known, the report was switched on outside of one"));
    };
    let Workers { all, without_pause, tasks, queued, watched } = workers;
    let verdict = match *without_pause {
        0 => "none is blocked".to_owned(),
        count => format!(
            "{count} of them without a pause for {} ms: blocked or busy, see threads",
            watched.as_millis()
        ),
    };
    line(
        text,
        format_args!("runtime: workers {all}, {verdict}; tasks alive {tasks}, in the global queue {queued}"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_that_was_at_work_all_the_time_had_no_pause() {
        assert!(without_pause(4, 4) && without_pause(0, 0));
        assert!(!without_pause(4, 6), "it paused in between");
        assert!(!without_pause(5, 5), "it pauses");
        assert!(!without_pause(5, 6) && !without_pause(4, 5));
    }
}

//! The part of the report on the runtime: are its workers blocked?
//!
//! A worker that has nothing to do pauses. One that is seen at work twice and has not paused in between has been at it all the
//! time: with one task that computes or blocks, or with more tasks than it can serve. Everything here is read from atomics.

use super::text::{line, ms};
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

/// What workers do that had no pause.
fn blocked_or_busy(watched: Duration, cpu: Option<Duration>) -> (&'static str, String) {
    let Some(cpu) = cpu else { return ("blocked or busy", String::new()) };
    let is_blocked = cpu < watched / IDLE_SHARE;
    let is =
        if is_blocked { "blocked, by a lock, a sleep or I/O that is not async" } else { "busy, or blocked" };
    (is, format!(", while the program used {} of CPU time", ms(cpu)))
}

/// What was seen of them.
pub(super) struct Workers {
    pub(super) all: usize,
    pub(super) without_pause: usize,
    tasks: usize,
    queued: usize,
    watched: Duration,
}

/// The share of the time in which CPU time was used, up to which workers without a pause are called blocked.
const IDLE_SHARE: u32 = 10;

/// So much CPU time the whole program used meanwhile, if that is known.
pub(super) fn tell(text: &mut String, workers: Option<&Workers>, cpu: Option<Duration>) {
    let Some(workers) = workers else {
        return line(text, format_args!("runtime: not known, the report was switched on outside of one"));
    };
    let Workers { all, without_pause, tasks, queued, watched } = workers;
    let verdict = match *without_pause {
        0 => "none is blocked".to_owned(),
        count => {
            let (is, used) = blocked_or_busy(*watched, cpu);
            let stands =
                if count == *all { "; limits, heartbeats and breakers stand still meanwhile" } else { "" };
            format!("{count} of them without a pause for {}{used}: {is}{stands}", ms(*watched))
        }
    };
    line(
        text,
        format_args!("runtime: workers {all}, {verdict}; tasks alive {tasks}, in the global queue {queued}"),
    );
    if *without_pause > 0 {
        let pid = std::process::id();
        line(text, format_args!("  where each thread is: gdb -p {pid} --batch -ex 'thread apply all bt'"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_use_no_cpu_time_are_blocked() {
        let said = |cpu| blocked_or_busy(Duration::from_millis(100), cpu).0;
        assert!(said(Some(Duration::from_millis(9))).starts_with("blocked, by"));
        assert_eq!(said(Some(Duration::from_millis(10))), "busy, or blocked");
        assert_eq!(said(None), "blocked or busy");
    }

    #[test]
    fn only_a_worker_that_was_at_work_all_the_time_had_no_pause() {
        assert!(without_pause(4, 4) && without_pause(0, 0));
        assert!(!without_pause(4, 6), "it paused in between");
        assert!(!without_pause(5, 5), "it pauses");
        assert!(!without_pause(5, 6) && !without_pause(4, 5));
    }
}

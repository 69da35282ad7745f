//! What is logged of requests: each of them, or in development, where a person reads the log in a terminal, only what went
//! wrong.
//!
//! The made-up devices send all the time, so a line for each request would push away within seconds what the service says at
//! its start: where to look, and the tokens to do it with. So where nobody asked for a log (`RUST_LOG` is not set) and the
//! database is the service's own, a line is written for a request that failed or was slow; and for one of those in 10 s, with
//! how many more there were, since a database that is frozen from the page fails hundreds of them.

use parking_lot::Mutex;
use plimsoll_http::{AccessLog, AccessRecord, Ended, Options};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request that took so long is told of.
pub(crate) const SLOW: Duration = Duration::from_secs(1);
/// The code of a request that came before the service had its database: no failure, and told by the start itself.
const COMING_UP: &str = "PL-HTTP-05";
/// Between two lines.
pub(crate) const BETWEEN: Duration = Duration::from_secs(10);

/// Which requests are logged.
#[derive(Clone)]
pub(crate) enum AccessTo {
    /// Each one.
    Every,
    /// Those that failed or were slow, not all of them.
    Failed(Arc<Mutex<Sparse>>),
}

impl AccessTo {
    /// As it was configured.
    pub(crate) fn of(every_request: bool) -> Self {
        if every_request { AccessTo::Every } else { AccessTo::Failed(Arc::default()) }
    }

    /// What the layers around some routes go by.
    pub(crate) fn options(&self, deadline: Duration) -> Options {
        let options = Options::default().deadline(deadline);
        match self {
            AccessTo::Every => options,
            AccessTo::Failed(sparse) => options.access_log(Failed(Arc::clone(sparse))),
        }
    }
}

struct Failed(Arc<Mutex<Sparse>>);

impl AccessLog for Failed {
    fn log(&self, record: &AccessRecord<'_>) {
        let is_coming_up = record.code == Some(COMING_UP);
        if is_coming_up || !is_told(record.status, record.ended, record.ms) {
            return;
        }
        match self.0.lock().take(Instant::now()) {
            None => {}
            Some(0) => tracing::warn!(target: "plimsoll::access", "{record}"),
            Some(more) => {
                tracing::warn!(target: "plimsoll::access", "{record} (and {more} others since the last line)");
            }
        }
    }
}

/// Whether it failed by the service's doing, or was slow. A client that left, or that was refused for what it asked, is no failure.
fn is_told(status: u16, ended: Ended, ms: f64) -> bool {
    let is_broken = matches!(ended, Ended::DeadlinePassed | Ended::Failed | Ended::Panicked);
    status >= 500 || is_broken || ms >= SLOW.as_secs_f64() * 1e3
}

/// One in so long, and how many were left out meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    last: Option<Instant>,
    left_out: u64,
}

impl Sparse {
    /// Whether this one is written; if so, how many were not since the last.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < BETWEEN) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_or_was_slow_is_told_and_nothing_else() {
        for (status, ended, ms) in [
            (503, Ended::Answered, 1.0),
            (200, Ended::Failed, 1.0),
            (500, Ended::Panicked, 1.0),
            (504, Ended::DeadlinePassed, 1.0),
            (200, Ended::Answered, 1000.0),
        ] {
            assert!(is_told(status, ended, ms), "{status} {ended:?} {ms}");
        }
        for (status, ended, ms) in
            [(202, Ended::Answered, 999.0), (404, Ended::Answered, 1.0), (499, Ended::ClientLeft, 1.0)]
        {
            assert!(!is_told(status, ended, ms), "{status} {ended:?} {ms}");
        }
    }

    #[test]
    fn one_in_ten_seconds_and_how_many_more() {
        let (mut sparse, began) = (Sparse::default(), Instant::now());
        let mut at = |ms| sparse.take(began + Duration::from_millis(ms));
        assert_eq!([at(0), at(1), at(9_999)], [Some(0), None, None]);
        assert_eq!([at(10_000), at(10_001)], [Some(2), None]);
        assert_eq!(at(30_000), Some(1));
    }
}

//! What the work for one request took, as far as this library did it: for an access log, which has one line for each request.
//!
//! The counters lie beside the request's id in its [scope](crate::request_id), so they are found wherever the id is, and
//! work outside a scope pays for one look at the task's locals. They are fed where an acquisition ends, where a statement
//! begins and ends, and where work is tried again. What is dropped is counted too, if it is dropped inside the scope.

use crate::moment::Moment;
use crate::name::WorkName;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the work for one request took so far.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RequestTotals {
    /// Statements that have ended, whatever way: answered, failed or dropped.
    pub statements: u64,
    /// Of these, the statements that were dropped before they had ended: by a caller that left, or with a stream.
    pub dropped: u64,
    /// Rows that they gave or changed.
    pub rows: u64,
    /// The time that statements, BEGIN and COMMIT took. Of statements that ran side by side each counts.
    pub sql: Duration,
    /// The time that was spent on getting connections, in vain or not.
    pub waited: Duration,
    /// How often work was tried again.
    pub retries: u64,
    /// The work whose statement began last.
    pub last: Option<WorkName>,
    /// How long ago that statement began.
    pub last_ago: Option<Duration>,
    /// Statements that have begun and not ended. One that was begun in the request's scope and is dropped outside it stays
    /// among them.
    pub running: u64,
}

/// The counters behind [`RequestTotals`].
#[derive(Debug, Default)]
pub(crate) struct RequestCounters {
    statements: AtomicU64,
    dropped: AtomicU64,
    rows: AtomicU64,
    sql_nanos: AtomicU64,
    wait_nanos: AtomicU64,
    retries: AtomicU64,
    begun: AtomicU64,
    last: Mutex<Option<(WorkName, Moment)>>,
}

impl RequestCounters {
    /// A statement begins for this work.
    pub(crate) fn begun(&self, work: &WorkName, at: Moment) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        *self.last.lock() = Some((work.clone(), at));
    }

    /// A statement has ended. It gave so many rows, or was dropped.
    pub(crate) fn ended(&self, took: Duration, rows: u64, is_dropped: bool) {
        self.statements.fetch_add(1, Ordering::Relaxed);
        self.dropped.fetch_add(u64::from(is_dropped), Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.took(took);
    }

    /// The server has worked for the request for so long, on no statement of the caller's.
    pub(crate) fn took(&self, took: Duration) {
        self.sql_nanos.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// An acquisition has ended.
    pub(crate) fn waited(&self, took: Duration) {
        self.wait_nanos.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// Work is tried again.
    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// The totals now.
    pub(crate) fn totals(&self) -> RequestTotals {
        self.with_last(self.last.lock().clone())
    }

    /// The same, unless the name of the last statement is locked for longer than this.
    pub(crate) fn totals_within(&self, limit: Duration) -> Option<RequestTotals> {
        let last = self.last.try_lock_for(limit)?.clone();
        Some(self.with_last(last))
    }

    fn with_last(&self, last: Option<(WorkName, Moment)>) -> RequestTotals {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (last, at) = last.unzip();
        // Read before the beginnings, so that none seems to have ended before it began.
        let statements = count(&self.statements);
        RequestTotals {
            statements,
            running: count(&self.begun).saturating_sub(statements),
            dropped: count(&self.dropped),
            rows: count(&self.rows),
            sql: Duration::from_nanos(count(&self.sql_nanos)),
            waited: Duration::from_nanos(count(&self.wait_nanos)),
            retries: count(&self.retries),
            last,
            last_ago: at.map(Moment::elapsed),
        }
    }
}

fn nanos(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

/// Time that the server works for the present request on no statement of the caller's, such as a COMMIT; it ends when this is
/// dropped. Outside a request nothing is measured.
pub(crate) struct Timed(Option<Moment>);

impl Timed {
    /// It begins.
    pub(crate) fn begin() -> Self {
        Timed(crate::request_id::is_within().then(Moment::now))
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if let Some(began) = self.0 {
            crate::request_id::count(|counters| counters.took(began.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_adds_up() {
        let counters = RequestCounters::default();
        assert_eq!(counters.totals(), RequestTotals::default());
        let ms = Duration::from_millis;
        counters.begun(&WorkName::given("first"), Moment::now());
        counters.ended(ms(3), 2, false);
        assert_eq!(counters.totals().running, 0);
        counters.begun(&WorkName::given("second"), Moment::now());
        assert_eq!((counters.totals().running, counters.totals().statements), (1, 1));
        counters.ended(ms(4), 0, true);
        counters.took(ms(5));
        counters.waited(ms(6));
        counters.retried();
        let totals = counters.totals();
        assert_eq!((totals.statements, totals.dropped, totals.rows, totals.retries), (2, 1, 2, 1));
        assert_eq!((totals.sql, totals.waited), (ms(12), ms(6)));
        assert_eq!(totals.last.as_ref().and_then(WorkName::name), Some("second"));
        assert!(totals.running == 0 && totals.last_ago.is_some());
    }

    #[test]
    fn a_name_that_is_locked_is_not_waited_for() {
        let counters = RequestCounters::default();
        let limit = Duration::from_millis(1);
        assert!(counters.totals_within(limit).is_some());
        let locked = counters.last.lock();
        assert_eq!(
            std::thread::scope(|scope| scope.spawn(|| counters.totals_within(limit)).join().unwrap()),
            None
        );
        drop(locked);
    }
}

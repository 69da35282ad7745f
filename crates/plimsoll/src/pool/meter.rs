//! What is measured of acquisitions and leases, and who is told.
//!
//! The pool does not know who measures. An acquisition is measured from its request to its end, whatever that is: a
//! connection, a refusal, or a caller that stops waiting. A lease is measured where it ends.

use crate::moment::Moment;
use crate::record::Monitor;
use crate::request_id;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Takes what was measured. It must not wait.
pub(crate) trait Meter: Send + Sync {
    /// Whether anything is wanted. While it is not, nothing is measured.
    fn is_on(&self) -> bool;

    /// An acquisition has ended, with a connection or without.
    fn acquired(&self, took: Duration, is_success: bool);

    /// A connection that was idle for long was asked whether it is alive.
    fn checked(&self, took: Duration);

    /// A connection was opened.
    fn connected(&self, took: Duration);

    /// A lease has ended.
    fn released(&self, held: Duration);

    /// The pile-up behind a lock in which leases of this pool wait now, in a sentence.
    fn pile_up(&self) -> Option<String>;
}

impl Meter for Monitor {
    fn is_on(&self) -> bool {
        Monitor::is_on(self)
    }

    fn acquired(&self, took: Duration, is_success: bool) {
        self.add_acquisition(took, is_success);
    }

    fn checked(&self, took: Duration) {
        self.check.record(took);
    }

    fn connected(&self, took: Duration) {
        self.connect.record(took);
    }

    fn released(&self, held: Duration) {
        self.held.record(held);
    }

    fn pile_up(&self) -> Option<String> {
        self.locks.lock().own_pile_up(Moment::now())
    }
}

/// The meter of a pool, if it has one; and what is counted without one.
#[derive(Default)]
pub(crate) struct Metering {
    meter: Option<Arc<dyn Meter>>,
    /// Callers that left before they had an answer.
    left: AtomicU64,
}

impl Metering {
    pub(crate) fn by(meter: Arc<dyn Meter>) -> Self {
        Metering { meter: Some(meter), left: AtomicU64::new(0) }
    }

    /// The meter, if anything is wanted.
    #[inline]
    pub(super) fn meter(&self) -> Option<&dyn Meter> {
        self.meter.as_deref().filter(|meter| meter.is_on())
    }

    /// How many callers left before they had an answer.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// An acquisition begins that was asked for at this moment.
    #[inline]
    pub(super) fn acquisition(&self, since: Moment) -> Acquisition<'_> {
        Acquisition { meter: self.meter(), left: &self.left, since, is_over: false }
    }
}

/// An acquisition under way. Dropped before it has ended, it has failed, since its caller has left.
pub(super) struct Acquisition<'a> {
    meter: Option<&'a dyn Meter>,
    left: &'a AtomicU64,
    since: Moment,
    is_over: bool,
}

impl Acquisition<'_> {
    /// It ends with a connection. Gives the moment at which the lease begins, if anything is wanted.
    #[inline]
    pub(super) fn succeeded(mut self) -> Option<Moment> {
        self.end(true)
    }

    /// It ends: the meter is told, and the request that it was for.
    #[inline]
    fn end(&mut self, is_success: bool) -> Option<Moment> {
        self.is_over = true;
        let is_for_request = request_id::is_within();
        if self.meter.is_none() && !is_for_request {
            return None;
        }
        let now = Moment::now();
        let took = now.since(self.since);
        if is_for_request {
            request_id::count(|counters| counters.waited(took));
        }
        let meter = self.meter?;
        meter.acquired(took, is_success);
        Some(now)
    }

    /// It ends without a connection, and that is no failure.
    pub(super) fn withdrawn(mut self) {
        self.is_over = true;
    }

    /// It ends with a refusal.
    pub(super) fn failed(mut self) {
        self.end(false);
    }
}

impl Drop for Acquisition<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.left.fetch_add(1, Ordering::Relaxed);
            self.end(false);
        }
    }
}

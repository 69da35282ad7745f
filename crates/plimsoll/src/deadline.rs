//! A deadline is a point in time that travels with a request.
//!
//! A duration starts anew at each function that it is passed to, so three nested waits of two seconds are six. A point
//! in time is shared: all steps of a request end by it. It travels by a task-local scope, so that the code in between
//! needs no argument for it; every wait in this crate ends by the deadline or by its own limit, whichever is earlier.

use crate::moment::Moment;
use crate::nested;
use crate::request_id;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

tokio::task_local! {
    static CURRENT: Deadline;
}

/// The longest wait; tokio's timer wheel ends after a little more than two years.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// A point in time by which work must have ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Moment);

impl Deadline {
    /// The deadline at this instant.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Deadline(instant.into())
    }

    /// The deadline this far from now. More than a year means a year.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        Deadline(Moment::now() + span.min(YEAR))
    }

    /// The instant itself.
    #[must_use]
    pub fn instant(self) -> Instant {
        self.0.instant()
    }

    /// The deadline as a number that is cheap to compare.
    pub(crate) fn moment(self) -> Moment {
        self.0
    }

    /// The time that is left, zero if it has passed.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Duration {
        self.0.since(now.into())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self, now: Instant) -> bool {
        self.0 <= now.into()
    }

    /// The earliest of several deadlines, none if there is none: each wait has its own limit beside its caller's.
    pub(crate) fn earliest<const N: usize>(deadlines: [Option<Deadline>; N]) -> Option<Deadline> {
        deadlines.into_iter().flatten().min()
    }

    /// The earlier of the two.
    #[must_use]
    pub fn or_earlier(self, other: Option<Deadline>) -> Deadline {
        other.map_or(self, |other| self.min(other))
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deadline").field(&self.instant()).finish()
    }
}

/// The deadline that the surrounding scope set, if any.
#[must_use]
pub fn current() -> Option<Deadline> {
    CURRENT.try_with(|deadline| *deadline).ok()
}

/// Runs `work` with a deadline of `span` from now; inside an earlier deadline the earlier one holds.
///
/// All waits of this crate inside share the time that remains. Other futures are not stopped by it.
///
/// A statement is stopped a little before the deadline, so that its answer is there in time: by the setting
/// `deadline_margin` (100 ms unless set), and by no more than a quarter of the time that was left when it began. None is
/// begun with less than `deadline_floor` left.
///
/// # Cancel safety
/// Dropping the returned future drops `work`; the scope ends with it.
pub fn within<F: Future>(span: Duration, work: F) -> impl Future<Output = F::Output> {
    until(Deadline::after(span), work)
}

/// Runs `work` with this deadline; inside an earlier deadline the earlier one holds.
///
/// # Cancel safety
/// Dropping the returned future drops `work`; the scope ends with it.
pub fn until<F: Future>(deadline: Deadline, work: F) -> impl Future<Output = F::Output> {
    Scoped { span: None, deadline: Some(deadline), work }
}

/// Runs `work` with this deadline, if there is one, inside the surrounding scope.
pub(crate) fn scoped<F: Future>(deadline: Option<Deadline>, work: F) -> impl Future<Output = F::Output> {
    Scoped { span: None, deadline, work }
}

/// As [`within`], but counted from the first poll; without a span, in the surrounding scope alone.
pub(crate) fn from_start<F: Future>(span: Option<Duration>, work: F) -> impl Future<Output = F::Output> {
    Scoped { span, deadline: None, work }
}

/// Carries the present deadline into a future that will run on another task, and also the mark of work that is already
/// retried (see [`Call::retrying`](crate::Call::retrying)), so that a retry does not contain retries, and the id of the
/// [request](crate::request_id).
///
/// A spawned task starts without its parent's scope: `tokio::spawn(deadline::inherit(work))` hands it over.
///
/// # Cancel safety
/// Dropping the returned future drops `work`.
pub fn inherit<F: Future>(work: F) -> impl Future<Output = F::Output> {
    nested::carried(request_id::carried(Scoped { span: None, deadline: current(), work }))
}

pin_project! {
    /// Each poll reads the deadline of the surrounding scope: a future that was made outside a scope and is awaited
    /// inside it belongs to the scope.
    struct Scoped<F> {
        span: Option<Duration>,
        deadline: Option<Deadline>,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(span) = this.span.take() {
            *this.deadline = Some(Deadline::after(span));
        }
        match this.deadline.map(|own| own.or_earlier(current())) {
            Some(deadline) => CURRENT.sync_scope(deadline, || this.work.poll(cx)),
            None => this.work.poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_back_the_instant_that_it_was_made_of() {
        let now = Instant::now();
        for instant in [now, now + Duration::from_nanos(1), now + YEAR] {
            assert_eq!(Deadline::at(instant).instant(), instant);
        }
    }

    #[test]
    fn the_earliest_of_several_is_the_one_that_holds() {
        let now = Instant::now();
        let [soon, late] = [1, 2].map(|seconds| Some(Deadline::at(now + Duration::from_secs(seconds))));
        assert_eq!(Deadline::earliest([late, None, soon]), soon);
        assert_eq!(Deadline::earliest([None, late]), late);
        assert_eq!(Deadline::earliest([None, None]), None);
    }

    #[test]
    fn more_than_a_year_is_a_year() {
        let left = Deadline::after(Duration::MAX).remaining(Instant::now());
        assert!(left <= YEAR && left > YEAR - Duration::from_secs(60), "{left:?}");
    }
}

//! Whether a wait in the queue is worth beginning.
//!
//! A queue that lets every caller in serves none under overload: a caller that comes to its end has used up its time by
//! waiting, and the connection does work whose caller has left. So a caller that cannot be served in time is told so at
//! once, while it still has time to do something else; and a caller that is let in is served with time left for its
//! work.
//!
//! The forecast is made of two means, taken while callers wait and the clock is read anyway: the *gap* between one
//! hand-over and the next, and how long a lease is held. It refuses too little rather than too much:
//!
//! - a pace belongs to one unbroken queue. A queue that has run empty was no overload, and the next one begins with
//!   nothing known; so a burst causes no refusal in the lull that follows;
//! - nothing is forecast from few hand-overs, nor from old ones: a pool in which nothing moves is a question for the
//!   limits, not for a mean;
//! - a lease far longer than usual counts as twice the usual, for one long report among a thousand short statements
//!   says nothing of the next;
//! - a gap far longer than usual is a stall (a checkpoint, a server that stood still for a moment) and no pace. While
//!   callers wait, each connection goes from hand to hand, so no gap should be longer than a lease, nor than all
//!   connections together usually need; it counts at most as twice the longer of the two. And of the first gaps of a
//!   queue the longest is left out, because at first nothing is known to be usual.

use super::refusal::Refusal;
use super::request::Request;
use crate::moment::{Moment, nanos};
use std::time::Duration;

/// Gaps between hand-overs that must be known before a forecast is made.
const ENOUGH: u32 = 16;

/// Hand-overs that a mean remembers, as a power of two.
const MEMORY: u32 = 5;

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// The age, in nanoseconds, from which the last hand-over says nothing any more.
const STALE: u64 = 3_000 * MILLISECOND;

/// An exponential mean of spans; of the first few the plain one.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    nanos: i64,
    count: u32,
}

impl Mean {
    fn add(&mut self, nanos: u64) {
        let step = i64::try_from(nanos).unwrap_or(i64::MAX) - self.nanos;
        if !self.is_warm() {
            self.count += 1;
            self.nanos += step / i64::from(self.count);
        } else {
            self.nanos += step >> MEMORY;
        }
    }

    /// So many are known that it is an exponential mean now.
    fn is_warm(self) -> bool {
        self.count >= 1 << MEMORY
    }

    /// In nanoseconds.
    fn span(self) -> u64 {
        u64::try_from(self.nanos).unwrap_or(0)
    }
}

/// The mean of the gaps between hand-overs.
#[derive(Clone, Copy, Debug, Default)]
struct Gaps {
    mean: Mean,
    /// The longest of the first gaps, which is not part of the mean; 0 before the first.
    longest: u64,
}

impl Gaps {
    /// Adds a gap between hand-overs of so many connections; `lease` is the longest that counts as one lease.
    fn add(&mut self, nanos: u64, lent: usize, lease: u64) {
        let round = self.mean.span().saturating_mul(u64::try_from(lent).unwrap_or(u64::MAX));
        let most = if self.mean.count == 0 { u64::MAX } else { twice(round).max(lease) };
        let counted = |nanos: u64| nanos.min(most);
        if self.mean.is_warm() {
            return self.mean.add(counted(nanos));
        }
        let (longest, nanos) = (self.longest, nanos.max(1));
        self.longest = longest.max(nanos);
        if longest > 0 {
            self.mean.add(counted(longest.min(nanos)));
        }
    }

    /// How many are known, as far as that matters.
    fn count(self) -> u32 {
        self.mean.count + u32::from(self.longest > 0)
    }
}

/// What is longer than this is no usual span.
fn twice(usual: u64) -> u64 {
    usual.saturating_mul(2).saturating_add(MILLISECOND)
}

/// How fast a queue moves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    gaps: Gaps,
    held: Mean,
    last: Option<Moment>,
}

impl Pace {
    /// The first of a queue has joined: what was known belongs to another queue.
    pub(crate) fn begin(&mut self) {
        *self = Pace::default();
    }

    /// A connection was handed to a waiter, one of so many that are lent. It had been lent before since `held_since`, if it
    /// was lent at all.
    #[inline]
    pub(crate) fn handed_over(&mut self, held_since: Option<Moment>, lent: usize, now: Moment) {
        if let Some(since) = held_since {
            let held = now.nanos_since(since);
            self.held.add(self.longest_counted().map_or(held, |most| held.min(most)));
        }
        if let Some(last) = self.last {
            self.gaps.add(now.nanos_since(last), lent, self.longest_counted().unwrap_or(u64::MAX));
        }
        self.last = Some(now);
    }

    /// What is longer than this is no usual lease, once one is known.
    fn longest_counted(&self) -> Option<u64> {
        (self.held.count > 0).then(|| twice(self.held.span()))
    }

    /// What is to be expected with so many ahead; none while too little is known, or nothing moves.
    pub(crate) fn forecast(&self, ahead: usize, now: Moment) -> Option<Forecast> {
        let age = now.nanos_since(self.last?);
        if self.gaps.count() < ENOUGH || self.held.count == 0 || age > STALE {
            return None;
        }
        let place = ahead.saturating_add(1);
        let wait = self.gaps.mean.span().saturating_mul(u64::try_from(place).unwrap_or(u64::MAX));
        Some(Forecast { place, wait, service: self.held.span() })
    }
}

/// What a request has to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// Its place in the queue. The first place is 1; 0 means that its turn has come.
    pub(crate) place: usize,
    /// In nanoseconds, as is the other.
    wait: u64,
    service: u64,
}

impl Forecast {
    pub(crate) fn wait(self) -> Duration {
        Duration::from_nanos(self.wait)
    }

    /// How long a lease is usually held.
    pub(crate) fn service(self) -> Duration {
        Duration::from_nanos(self.service)
    }

    /// The same for a request whose turn has come.
    pub(crate) fn at_once(self) -> Forecast {
        Forecast { place: 0, wait: 0, ..self }
    }

    /// When to come back: the callers that wait now have then been served.
    pub(crate) fn retry_after(self) -> Duration {
        self.wait().max(self.service()).max(Duration::from_millis(1))
    }

    /// Refuses a request whose wait does not fit into its limit, or whose wait and work do not fit before its deadline.
    /// `margin` is how much earlier than its deadline a statement is stopped, at the most.
    pub(crate) fn refuse(self, request: &Request, margin: Duration, now: Moment) -> Option<Refusal> {
        let before_deadline = request.deadline.map_or(u64::MAX, |deadline| deadline.nanos_since(now));
        // Once the turn has come the limit on the wait means nothing any more.
        let patience = if self.place == 0 { u64::MAX } else { request.until.nanos_since(now) };
        // A short deadline is not eaten up by its margin, here as where the statement is stopped.
        let work = self.service.saturating_add(nanos(margin).min(self.service / 3));
        let fits = self.wait <= patience && self.wait.saturating_add(work) <= before_deadline;
        let remaining = Duration::from_nanos(before_deadline.min(patience));
        (!fits).then_some(Refusal::Overloaded { forecast: self, remaining })
    }
}

#[cfg(test)]
mod tests;

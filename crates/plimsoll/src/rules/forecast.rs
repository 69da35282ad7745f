//! Whether to let somebody join the queue. Pure: `now` is an argument.
//!
//! A queue that lets everybody in serves nobody under overload: whoever comes to its end has used up its time by
//! waiting, and the connection does work whose caller has left. So whoever cannot be served in time is told so at
//! once, while it still has time to do something else; and whoever is let in is served with time left for its work.
//!
//! The forecast is made of two means, taken while somebody waits and the clock is read anyway: the *gap* between one
//! hand-over and the next, and how long a lease is held. It refuses too little rather than too much:
//!
//! - a pace belongs to one unbroken queue. A queue that has run empty was no overload, and the next one begins with
//!   nothing known; so a burst refuses nobody in the lull that follows;
//! - nothing is forecast from few hand-overs, nor from old ones: a pool in which nothing moves is a question for the
//!   limits, not for a mean;
//! - a lease far longer than usual counts as twice the usual, for one long report among a thousand short statements
//!   says nothing of the next.

use crate::fault::Fault;
use crate::moment::{Moment, nanos};
use std::time::Duration;

/// Hand-overs before a forecast is made.
const ENOUGH: u32 = 16;

/// Hand-overs that a mean remembers, as a power of two.
const MEMORY: u32 = 5;

/// In nanoseconds.
const MILLISECOND: u64 = 1_000_000;

/// The age at which the last hand-over says nothing any more.
const STALE: u64 = 3_000 * MILLISECOND;

/// Who is served first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// After all others: exports, upkeep.
    Low,
    /// As most.
    #[default]
    Normal,
    /// Before all others, with places in the queue (and connections, by `priority_reserve`) that nobody else gets.
    High,
}

/// An exponential mean of spans; of the first few the plain one.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    nanos: i64,
    count: u32,
}

impl Mean {
    fn add(&mut self, nanos: u64) {
        let step = i64::try_from(nanos).unwrap_or(i64::MAX) - self.nanos;
        if self.count < 1 << MEMORY {
            self.count += 1;
            self.nanos += step / i64::from(self.count);
        } else {
            self.nanos += step >> MEMORY;
        }
    }

    /// In nanoseconds.
    fn span(self) -> u64 {
        u64::try_from(self.nanos).unwrap_or(0)
    }
}

/// How fast a queue moves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    gap: Mean,
    held: Mean,
    last: Option<Moment>,
}

impl Pace {
    /// The first of a queue has joined: what was known belongs to another queue.
    pub(crate) fn begin(&mut self) {
        *self = Pace::default();
    }

    /// Something was handed to a waiter; since this moment the one before had held it, if anybody did.
    #[inline]
    pub(crate) fn handed_over(&mut self, held_since: Option<Moment>, now: Moment) {
        if let Some(last) = self.last {
            self.gap.add(now.nanos_since(last));
        }
        self.last = Some(now);
        if let Some(since) = held_since {
            let held = now.nanos_since(since);
            let usual = self.held.span();
            let most = if self.held.count == 0 { held } else { usual.saturating_mul(2) + MILLISECOND };
            self.held.add(held.min(most));
        }
    }

    /// What is to be expected with so many ahead; nothing while too little is known, or nothing moves.
    pub(crate) fn forecast(&self, ahead: usize, now: Moment) -> Option<Forecast> {
        let age = now.nanos_since(self.last?);
        if self.gap.count < ENOUGH || self.held.count == 0 || age > STALE {
            return None;
        }
        let place = ahead.saturating_add(1);
        let wait = self.gap.span().saturating_mul(u64::try_from(place).unwrap_or(u64::MAX));
        Some(Forecast { place, wait, service: self.held.span() })
    }
}

/// What a newcomer has to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// Its place in the queue; the first is 1.
    pub(crate) place: usize,
    /// In nanoseconds, as is the other.
    wait: u64,
    service: u64,
}

/// The time that somebody has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// When it gives up waiting.
    pub(crate) until: Moment,
    /// When its work must have ended.
    pub(crate) deadline: Option<Moment>,
    /// How much earlier than its deadline a statement is stopped, at the most.
    pub(crate) margin: Duration,
}

/// There is not time enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overload {
    pub(crate) forecast: Forecast,
    /// What was left.
    pub(crate) remaining: Duration,
}

impl Forecast {
    pub(crate) fn wait(self) -> Duration {
        Duration::from_nanos(self.wait)
    }

    /// How long a lease is usually held.
    pub(crate) fn service(self) -> Duration {
        Duration::from_nanos(self.service)
    }

    /// The same for one whose turn has come.
    pub(crate) fn at_once(self) -> Forecast {
        Forecast { place: 0, wait: 0, ..self }
    }

    /// Whether it does not fit: the wait into the patience, wait and work into the deadline.
    pub(crate) fn overruns(self, budget: Budget, now: Moment) -> Option<Overload> {
        let patience = budget.until.nanos_since(now);
        let remaining = budget.deadline.map_or(u64::MAX, |deadline| deadline.nanos_since(now));
        // As the guard does: a short deadline is not eaten up by its margin.
        let work = self.service.saturating_add(nanos(budget.margin).min(self.service / 3));
        let fits = self.wait <= patience && self.wait.saturating_add(work) <= remaining;
        (!fits).then(|| Overload { forecast: self, remaining: Duration::from_nanos(remaining.min(patience)) })
    }
}

impl Overload {
    /// When to come back: those who wait now have then been served.
    pub(crate) fn retry_after(self) -> Duration {
        self.forecast.wait().max(self.forecast.service()).max(Duration::from_millis(1))
    }
}

/// Why a caller was refused, or would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverloadReason {
    QueueFull,
    Overloaded,
    /// Only counted, since admission is dark.
    WouldBe,
}

impl OverloadReason {
    pub(crate) fn fault(self) -> Fault {
        match self {
            OverloadReason::QueueFull => Fault::QueueFull,
            OverloadReason::Overloaded | OverloadReason::WouldBe => Fault::Overloaded,
        }
    }
}

/// Refusals for one reason, told of once a second and not one by one: a flood of refusals must not become one of events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) total: u64,
    untold: u64,
    told: Option<Moment>,
}

impl Tally {
    /// One more; says how many are to be told of now, if any.
    pub(crate) fn add(&mut self, now: Moment) -> Option<u64> {
        self.total += 1;
        self.untold += 1;
        self.due(now)
    }

    /// How many are to be told of now, if any.
    pub(crate) fn due(&mut self, now: Moment) -> Option<u64> {
        let is_due = self.told.is_none_or(|told| now.since(told) >= Duration::from_secs(1));
        if self.untold == 0 || !is_due {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// The refusals of a pool, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refusals {
    pub(crate) full: Tally,
    pub(crate) overloaded: Tally,
    pub(crate) would_be: Tally,
}

impl Refusals {
    pub(crate) fn of(&mut self, reason: OverloadReason) -> &mut Tally {
        match reason {
            OverloadReason::QueueFull => &mut self.full,
            OverloadReason::Overloaded => &mut self.overloaded,
            OverloadReason::WouldBe => &mut self.would_be,
        }
    }

    /// What has not been told of yet and is due.
    pub(crate) fn due(&mut self, now: Moment) -> Vec<(OverloadReason, u64)> {
        [OverloadReason::QueueFull, OverloadReason::Overloaded, OverloadReason::WouldBe]
            .into_iter()
            .filter_map(|reason| Some((reason, self.of(reason).due(now)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn ago(span: Duration, now: Moment) -> Moment {
        Moment::from(now.instant() - span)
    }

    /// A pool of ten whose leases last 10 ms, after so many hand-overs.
    fn paced(count: u32) -> (Pace, Moment) {
        let (mut pace, mut now) = (Pace::default(), Moment::now());
        for _ in 0..count {
            now = now + MS;
            pace.handed_over(Some(ago(10 * MS, now)), now);
        }
        (pace, now)
    }

    fn budget(now: Moment, wait: Duration, deadline: Option<Duration>) -> Budget {
        Budget { until: now + wait, deadline: deadline.map(|span| now + span), margin: 100 * MS }
    }

    #[test]
    fn a_newcomer_is_told_its_wait_by_its_place() {
        let (pace, now) = paced(100);
        let forecast = pace.forecast(49, now).expect("enough is known");
        assert_eq!((forecast.place, forecast.wait(), forecast.service()), (50, 50 * MS, 10 * MS));
    }

    #[test]
    fn nothing_is_forecast_from_too_little_or_from_old() {
        let (pace, now) = paced(ENOUGH);
        assert_eq!(pace.forecast(1000, now), None, "sixteen hand-overs are fifteen gaps");
        let (mut pace, now) = paced(100);
        assert!(pace.forecast(0, now + Duration::from_nanos(STALE)).is_some());
        assert_eq!(pace.forecast(1000, now + Duration::from_nanos(STALE) + MS), None);
        pace.begin();
        assert_eq!(pace.forecast(1000, now), None, "another queue");
    }

    #[test]
    fn wait_and_work_must_fit_before_the_deadline_but_only_the_wait_into_the_patience() {
        let (pace, now) = paced(100);
        let forecast = pace.forecast(49, now).expect("enough is known");
        assert_eq!(forecast.overruns(budget(now, 50 * MS, None), now), None);
        let overload = forecast.overruns(budget(now, 49 * MS, None), now).expect("50 ms do not fit into 49");
        assert_eq!((overload.remaining, overload.retry_after()), (49 * MS, 50 * MS));
        // 10 ms of work, and a third more because a statement is stopped a little before its deadline.
        assert!(forecast.overruns(budget(now, 90 * MS, Some(63 * MS)), now).is_some());
        assert!(forecast.overruns(budget(now, 90 * MS, Some(64 * MS)), now).is_none());
    }

    #[test]
    fn one_long_lease_among_short_ones_says_nothing_of_the_next() {
        let (mut pace, mut now) = paced(100);
        now = now + MS;
        pace.handed_over(Some(ago(Duration::from_secs(60), now)), now);
        let forecast = pace.forecast(0, now).expect("enough is known");
        assert!(forecast.service() < 11 * MS, "{forecast:?}");
        // When all are long, it is soon believed.
        for _ in 0..300 {
            now = now + MS;
            pace.handed_over(Some(ago(Duration::from_secs(60), now)), now);
        }
        assert!(pace.forecast(0, now).expect("known").service() > Duration::from_secs(20));
    }

    #[test]
    fn a_flood_is_told_of_once_a_second_with_its_count() {
        let mut tally = Tally::default();
        let start = Moment::now();
        let told: Vec<u64> =
            (0..3000).filter_map(|ms| tally.add(start + Duration::from_millis(ms))).collect();
        assert_eq!(told, [1, 1000, 1000]);
        assert_eq!(tally.due(start + 2999 * MS), None);
        assert_eq!(tally.due(start + 3000 * MS), Some(999));
        assert_eq!(tally.total, 3000);
    }
}

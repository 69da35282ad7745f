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
//!   says nothing of the next.

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

    /// A connection was handed to a waiter. It had been lent before since `held_since`, if it was lent at all.
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

    /// What is to be expected with so many ahead; none while too little is known, or nothing moves.
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
mod tests {
    use super::*;
    use crate::rules::request::tests::request;

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

    fn limited(now: Moment, wait: Duration, deadline: Option<Duration>) -> Request {
        Request { until: now + wait, deadline: deadline.map(|span| now + span), ..request(now) }
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
        let (pace, now) = paced(ENOUGH + 1);
        assert!(pace.forecast(1000, now).is_some(), "sixteen gaps are enough");
        let (mut pace, now) = paced(100);
        assert!(pace.forecast(0, now + Duration::from_nanos(STALE)).is_some());
        assert_eq!(pace.forecast(1000, now + Duration::from_nanos(STALE + 1)), None);
        pace.begin();
        assert_eq!(pace.forecast(1000, now), None, "another queue");
    }

    #[test]
    fn gaps_without_a_lease_say_nothing_of_how_long_one_is_held() {
        let (mut pace, mut now) = (Pace::default(), Moment::now());
        for _ in 0..100 {
            now = now + MS;
            pace.handed_over(None, now);
        }
        assert_eq!(pace.forecast(0, now), None);
        pace.handed_over(Some(ago(7 * MS, now)), now);
        assert_eq!(pace.forecast(0, now).expect("a lease has ended").service(), 7 * MS);
    }

    #[test]
    fn the_first_spans_make_a_plain_mean_and_later_ones_count_a_thirty_second_each() {
        let mut mean = Mean::default();
        for nanos in 1..=32 {
            mean.add(nanos * 64);
        }
        // The mean of 1 to 32 is 16.5; each step is rounded towards zero.
        assert!((1_040..=1_056).contains(&mean.span()), "{mean:?}");
        assert_eq!(mean.count, 32);
        let before = mean.span();
        mean.add(before + 3_200);
        assert_eq!((mean.span(), mean.count), (before + 100, 32));
        mean.add(before + 100 - 320);
        assert_eq!(mean.span(), before + 90);
    }

    #[test]
    fn wait_and_work_must_fit_before_the_deadline_but_only_the_wait_into_the_patience() {
        let (pace, now) = paced(100);
        let margin = 100 * MS;
        let forecast = pace.forecast(49, now).expect("enough is known");
        let refuse = |wait, deadline| forecast.refuse(&limited(now, wait, deadline), margin, now);
        assert_eq!(refuse(50 * MS, None), None);
        let refusal = refuse(49 * MS, None).expect("50 ms do not fit into 49");
        assert_eq!(refusal, Refusal::Overloaded { forecast, remaining: 49 * MS });
        assert_eq!(forecast.retry_after(), 50 * MS);
        // 10 ms of work, and a third more because a statement is stopped a little before its deadline.
        assert_eq!(
            refuse(90 * MS, Some(63 * MS)),
            Some(Refusal::Overloaded { forecast, remaining: 63 * MS })
        );
        assert_eq!(refuse(90 * MS, Some(64 * MS)), None);
        assert_eq!(forecast.refuse(&limited(now, 90 * MS, Some(60 * MS)), Duration::ZERO, now), None);
    }

    #[test]
    fn when_the_turn_has_come_only_the_deadline_counts() {
        let (pace, now) = paced(100);
        let forecast = pace.forecast(49, now).expect("enough is known").at_once();
        assert_eq!((forecast.place, forecast.wait(), forecast.service()), (0, Duration::ZERO, 10 * MS));
        assert_eq!(forecast.retry_after(), 10 * MS);
        let refuse = |deadline| forecast.refuse(&limited(now, MS, Some(deadline)), Duration::ZERO, now);
        assert_eq!(refuse(10 * MS), None);
        assert_eq!(refuse(9 * MS), Some(Refusal::Overloaded { forecast, remaining: 9 * MS }));
    }

    #[test]
    fn a_caller_comes_back_after_a_millisecond_at_the_earliest() {
        assert_eq!(Forecast { place: 0, wait: 0, service: 10 }.retry_after(), MS);
    }

    #[test]
    fn one_long_lease_among_short_ones_says_nothing_of_the_next() {
        let (mut pace, mut now) = paced(100);
        now = now + MS;
        pace.handed_over(Some(ago(Duration::from_secs(60), now)), now);
        let forecast = pace.forecast(0, now).expect("enough is known");
        // It counts as 21 ms: an eleventh more than 10 ms, divided by 32.
        assert_eq!(forecast.service(), 10 * MS + 11 * MS / 32);
        // When all are long, it is soon believed.
        for _ in 0..300 {
            now = now + MS;
            pace.handed_over(Some(ago(Duration::from_secs(60), now)), now);
        }
        assert!(pace.forecast(0, now).expect("known").service() > Duration::from_secs(20));
    }
}

//! Why a request gets no connection, and how many were refused at once.
//!
//! A [`Refusal`] carries the numbers that were known where it was decided.
//! `pool/refusal.rs` makes the error of it, and nothing else does.

use super::forecast::Forecast;
use crate::event::Event;
use crate::fault::Fault;
use crate::moment::Moment;
use std::num::NonZeroU32;
use std::time::Duration;

/// The time in which refusals of one kind are gathered for one event.
const EVENT_PERIOD: Duration = Duration::from_secs(1);

/// Why a request gets no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The queue is full; how long the wait would have been, where there is a forecast.
    QueueFull { wait: Option<Duration> },
    /// The wait and the work do not fit into the remaining time.
    Overloaded { forecast: Forecast, remaining: Duration },
    /// The wait reached its limit.
    TimedOut {
        /// The leases, where each is held by a task that itself waits for a connection.
        entangled: Option<String>,
        /// The cap of its name, where the request waited because that cap was reached.
        cap: Option<NonZeroU32>,
    },
    /// The pool is closed.
    Closed,
    /// It waits in a deadlock among these leases.
    Deadlock { leases: String },
    /// No connection can be opened, and waiting does not change that.
    Hopeless,
    /// No connection has ever been opened, and calls are refused now, for this reason.
    NeverReached { reason: String },
}

impl Refusal {
    /// The wait reached its limit, and nothing else is known.
    pub(crate) const TIMED_OUT: Refusal = Refusal::TimedOut { entangled: None, cap: None };

    /// The same for a request that waited because its name had reached this cap.
    pub(crate) fn at_cap(mut self, reached: Option<NonZeroU32>) -> Self {
        if let Refusal::TimedOut { cap, .. } = &mut self {
            *cap = reached;
        }
        self
    }
}

/// The refusals of one kind. A flood of refusals must not become a flood of events, so there is one event a second at the
/// most, with their number.
#[derive(Clone, Debug)]
pub(crate) struct RefusalCount {
    fault: Fault,
    is_dark: bool,
    pub(crate) total: u64,
    /// Refusals since the last event.
    pending: u64,
    last_event: Option<Moment>,
}

impl RefusalCount {
    fn of(fault: Fault, is_dark: bool) -> Self {
        RefusalCount { fault, is_dark, total: 0, pending: 0, last_event: None }
    }

    /// Counts one; gives the event, if one is due.
    pub(crate) fn add(&mut self, now: Moment) -> Option<Event> {
        self.total += 1;
        self.pending += 1;
        self.due(now)
    }

    fn due(&mut self, now: Moment) -> Option<Event> {
        let is_due = self.last_event.is_none_or(|last| now.since(last) >= EVENT_PERIOD);
        if self.pending == 0 || !is_due {
            return None;
        }
        self.last_event = Some(now);
        let count = std::mem::take(&mut self.pending);
        Some(Event::Refused { fault: self.fault, count, is_dark: self.is_dark })
    }
}

/// How many requests a pool refused at once, by kind.
#[derive(Clone, Debug)]
pub(crate) struct RefusalCounts {
    pub(crate) full: RefusalCount,
    pub(crate) overloaded: RefusalCount,
    /// Requests that would have been refused as overloaded if the setting `admission` were `on`.
    pub(crate) would_be: RefusalCount,
}

impl Default for RefusalCounts {
    fn default() -> Self {
        RefusalCounts {
            full: RefusalCount::of(Fault::QueueFull, false),
            overloaded: RefusalCount::of(Fault::Overloaded, false),
            would_be: RefusalCount::of(Fault::Overloaded, true),
        }
    }
}

impl RefusalCounts {
    /// The events that are due.
    pub(crate) fn due(&mut self, now: Moment) -> impl Iterator<Item = Event> {
        [&mut self.full, &mut self.overloaded, &mut self.would_be]
            .into_iter()
            .filter_map(move |count| count.due(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_flood_is_told_of_once_a_second_with_its_count() {
        let refused = |count| Event::Refused { fault: Fault::QueueFull, count, is_dark: false };
        let mut counts = RefusalCounts::default();
        let start = Moment::now();
        let told: Vec<Event> =
            (0..3000).filter_map(|ms| counts.full.add(start + Duration::from_millis(ms))).collect();
        assert_eq!(told, [refused(1), refused(1000), refused(1000)]);
        assert_eq!(counts.due(start + 2999 * MS).count(), 0);
        assert_eq!(counts.due(start + 3000 * MS).collect::<Vec<_>>(), [refused(999)]);
        assert_eq!(counts.due(start + 9000 * MS).count(), 0, "each is told of once");
        assert_eq!(counts.full.total, 3000);
    }

    #[test]
    fn each_kind_is_told_of_as_what_it_is() {
        let mut counts = RefusalCounts::default();
        let now = Moment::now();
        let told = [counts.full.add(now), counts.overloaded.add(now), counts.would_be.add(now)];
        let expected = [(Fault::QueueFull, false), (Fault::Overloaded, false), (Fault::Overloaded, true)];
        for (event, (fault, is_dark)) in told.into_iter().zip(expected) {
            assert_eq!(event, Some(Event::Refused { fault, count: 1, is_dark }));
        }
        counts.overloaded.add(now);
        counts.would_be.add(now);
        let due = counts.due(now + EVENT_PERIOD).collect::<Vec<_>>();
        let event = |is_dark| Event::Refused { fault: Fault::Overloaded, count: 1, is_dark };
        assert_eq!(due, [event(false), event(true)]);
    }

    #[test]
    fn only_a_wait_that_reached_its_limit_tells_of_a_cap() {
        let cap = NonZeroU32::new(3);
        assert_eq!(Refusal::TIMED_OUT.at_cap(cap), Refusal::TimedOut { entangled: None, cap });
        assert_eq!(Refusal::Closed.at_cap(cap), Refusal::Closed);
    }
}

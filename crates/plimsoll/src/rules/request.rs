//! A request for a connection, as it goes through the pool.
//!
//! One value from the first try to the end of the lease: the [gate](super::gate) judges it, the [queue](super::queue)
//! keeps it while the caller waits, and the [slot](super::slots) of a lent connection keeps what is still of use then, the
//! [`Holder`]. It is made in one place, from what the caller said and the settings: [`Ask`](crate::pool::Ask).

use crate::moment::Moment;
use crate::name::WorkName;
use crate::request_id::RequestId;
use crate::runner::Runner;
use std::num::NonZeroU32;
use std::time::Duration;

/// Who is served first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// After all others: exports, upkeep.
    Low,
    /// Most work.
    #[default]
    Normal,
    /// Before all others. Some places in the queue, and connections by `priority_reserve`, are for this priority only.
    High,
}

/// A request for a connection.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) name: WorkName,
    /// The task that asks.
    pub(crate) runner: Runner,
    pub(crate) priority: Priority,
    /// How many connections its name may hold.
    pub(crate) cap: Option<NonZeroU32>,
    /// When it was made.
    pub(crate) since: Moment,
    /// When it stops waiting: by the limit on the wait or by the deadline, whichever is earlier.
    pub(crate) until: Moment,
    /// When its work must have ended, if it has a deadline; the lease ends by then.
    pub(crate) deadline: Option<Moment>,
    /// The request of a client for which it works.
    pub(crate) id: Option<RequestId>,
}

/// Who holds a connection: what is kept of a [`Request`] when its wait is over.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) name: WorkName,
    pub(crate) runner: Runner,
    pub(crate) priority: Priority,
    pub(crate) cap: Option<NonZeroU32>,
    pub(crate) id: Option<RequestId>,
}

impl From<Request> for Holder {
    #[inline]
    fn from(request: Request) -> Self {
        let Request { name, runner, priority, cap, id, .. } = request;
        Holder { name, runner, priority, cap, id }
    }
}

/// How long a request that does not wait may take to find an idle connection that is alive.
const CHECKS: Duration = Duration::from_secs(1);

impl Request {
    /// Whether it joins the queue if nothing is idle. One whose limit is zero does not.
    pub(crate) fn may_wait(&self) -> bool {
        self.until > self.since
    }

    /// When it must have its connection. One that does not wait gets time for the check of a connection that was idle for
    /// long, but not beyond its deadline.
    #[inline]
    pub(crate) fn end(&self) -> Moment {
        if self.may_wait() {
            return self.until;
        }
        let end = self.since + CHECKS;
        self.deadline.map_or(end, |deadline| deadline.min(end))
    }

    /// Whether the wait ends by its own limit, and not by the deadline.
    pub(crate) fn has_own_limit(&self) -> bool {
        self.deadline.is_none_or(|deadline| self.until < deadline)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request that is made now, waits until now and has no deadline: tests change what matters to them.
    pub(crate) fn request(now: Moment) -> Request {
        Request {
            name: WorkName::here(),
            runner: Runner::current(),
            priority: Priority::Normal,
            cap: None,
            since: now,
            until: now,
            deadline: None,
            id: None,
        }
    }

    #[test]
    fn a_request_that_does_not_wait_has_time_for_checks_unless_its_deadline_has_passed() {
        let now = Moment::now();
        let (nano, second) = (Duration::from_nanos(1), Duration::from_secs(1));
        let waits = Request { until: now + nano, ..request(now) };
        assert_eq!((waits.may_wait(), waits.end()), (true, now + nano));
        let at_once = |deadline| Request { deadline, ..request(now) };
        for (deadline, end) in [
            (None, now + second),
            (Some(now + 2 * second), now + second),
            (Some(now + nano), now + nano),
            (Some(now), now),
        ] {
            assert_eq!((at_once(deadline).may_wait(), at_once(deadline).end()), (false, end), "{deadline:?}");
        }
    }

    #[test]
    fn a_limit_that_ends_with_the_deadline_is_not_its_own() {
        let now = Moment::now();
        let later = now + std::time::Duration::from_nanos(1);
        assert!(request(now).has_own_limit(), "no deadline");
        assert!(Request { deadline: Some(later), ..request(now) }.has_own_limit());
        assert!(!Request { deadline: Some(now), ..request(now) }.has_own_limit());
    }
}

//! How long a connection may go on as it is.
//!
//! One rule serves both versions of HTTP. hyper's own limit on heads covers neither the first bytes, by which the version
//! is told, nor idle HTTP/2 connections, and it runs while the last answer is still being read by a slow client.

use std::time::Duration;

/// The limits, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) idle: u64,
    pub(super) head: u64,
    pub(super) write: u64,
}

/// A connection as it is now. Times are milliseconds since the server started.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View {
    /// A request is under way, from its whole head to the end of its answer.
    pub(super) is_busy: bool,
    /// When it was last accepted, ended a request or took bytes of an answer.
    pub(super) since: u64,
    /// When the first byte came since it was idle.
    pub(super) head_since: Option<u64>,
    /// Since when the client has taken nothing of what waits for it.
    pub(super) unread_since: Option<u64>,
}

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Look again then.
    Again(u64),
    /// It was idle for too long.
    Idle,
    /// It began a request and did not bring its head in time.
    SlowHead,
    /// It takes nothing of its answer.
    Unread,
}

/// How soon a busy connection is looked at again: an idle time is overrun by no more than this.
const BUSY_STEP: u64 = 1_000;

impl Patience {
    pub(super) fn new(idle: Duration, head: Duration, write: Duration) -> Self {
        Patience { idle: millis(idle), head: millis(head), write: millis(write) }
    }

    fn step(&self) -> u64 {
        BUSY_STEP.min(self.idle).min(self.write).max(1)
    }

    /// What becomes of a connection that looks like this at `now`.
    pub(super) fn look(&self, view: View, now: u64) -> Look {
        if let Some(since) = view.unread_since {
            let end = since.saturating_add(self.write);
            return if now >= end {
                Look::Unread
            } else {
                Look::Again(end.min(now.saturating_add(self.step())))
            };
        }
        if view.is_busy {
            return Look::Again(now.saturating_add(self.step()));
        }
        let (end, verdict) = match view.head_since {
            Some(since) => (since.saturating_add(self.head), Look::SlowHead),
            None => (view.since.saturating_add(self.idle), Look::Idle),
        };
        if now >= end { verdict } else { Look::Again(end) }
    }
}

/// Whole milliseconds, of which 500 million years are enough.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATIENCE: Patience = Patience { idle: 5_000, head: 4_000, write: 30_000 };

    #[test]
    fn an_idle_connection_ends_after_its_time_and_a_head_has_a_time_of_its_own() {
        let idle = View { since: 100, ..View::default() };
        assert_eq!(PATIENCE.look(idle, 5_099), Look::Again(5_100));
        assert_eq!(PATIENCE.look(idle, 5_100), Look::Idle);
        let begun = View { head_since: Some(5_000), ..idle };
        assert_eq!(PATIENCE.look(begun, 5_100), Look::Again(9_000));
        assert_eq!(PATIENCE.look(begun, 9_000), Look::SlowHead);
    }

    #[test]
    fn a_busy_connection_goes_on_unless_its_answer_is_not_taken() {
        let busy = View { is_busy: true, ..View::default() };
        assert_eq!(PATIENCE.look(busy, 1_000_000), Look::Again(1_001_000));
        let unread = View { unread_since: Some(1_000), ..busy };
        assert_eq!(PATIENCE.look(unread, 30_999), Look::Again(31_000));
        assert_eq!(PATIENCE.look(unread, 31_000), Look::Unread);
    }

    #[test]
    fn an_answer_that_is_still_being_taken_is_not_idle() {
        let ended = View { since: 0, unread_since: Some(9_000), ..View::default() };
        assert!(matches!(PATIENCE.look(ended, 10_000), Look::Again(_)));
    }

    proptest! {
        #[test]
        fn each_connection_is_looked_at_again_later_and_none_that_brings_nothing_lives_on(
            is_busy in any::<bool>(), since in 0_u64..100_000, head in prop::option::of(0_u64..100_000),
            unread in prop::option::of(0_u64..100_000), now in 100_000_u64..300_000,
        ) {
            let view = View { is_busy, since, head_since: head, unread_since: unread };
            match PATIENCE.look(view, now) {
                Look::Again(at) => prop_assert!(at > now),
                _ => prop_assert!(!is_busy || unread.is_some()),
            }
            if !is_busy && unread.is_none() && now >= since.max(head.unwrap_or(0)) + 5_000 {
                prop_assert!(!matches!(PATIENCE.look(view, now), Look::Again(_)));
            }
        }
    }
}

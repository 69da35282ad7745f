//! Leases that are held for long: each is told of once, with what it looks like, and where `leak_reclaim_after` asks for
//! it, a connection that its holder does not use is taken back.
//!
//! A guard that was forgotten (`std::mem::forget`, a reference cycle, a task that never ends) would otherwise cost the pool a
//! connection for good. What is taken back is ended and not lent again, since its holder may still come back to it: its
//! next statement fails with a lost connection, and its guard frees an empty slot. A lease that runs a statement, or has run
//! one not long ago, is never taken back, however long it is held.

use super::snapshot::{Observed, Seen};
use super::{Inner, LeaseState, Manage};
use crate::event::Event;
use crate::moment::Moment;
use crate::rules::slots::{Slot, Slots};
use std::time::Duration;

/// A lease is not looked at more often than this.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What one look at all leases has found.
pub(super) struct Leaks<H> {
    reports: Vec<Seen>,
    taken: Vec<(usize, H, Seen)>,
}

impl<H> Default for Leaks<H> {
    fn default() -> Self {
        Leaks { reports: Vec::new(), taken: Vec::new() }
    }
}

impl<H: Clone> Leaks<H> {
    /// Looks at a lent slot, under the pool's lock.
    pub(super) fn look<M: Manage<Handle = H>>(
        &mut self,
        index: usize,
        slot: &mut Slot<M::Connection, H>,
        handle: &H,
        inner: &Inner<M>,
        now: Moment,
    ) {
        let held = now.since(slot.since);
        let Some(holder) = &slot.holder else { return };
        let seen = || Seen {
            holder: holder.clone(),
            slot: index,
            since: slot.since,
            observed: inner.manager.observed(handle),
        };
        let is_reported = slot.is_reported;
        if !is_reported && inner.plan.leak_after().is_some_and(|after| held >= after) {
            self.reports.push(seen());
        }
        let reclaim = inner.plan.leak_reclaim_after().filter(|after| held >= *after);
        if reclaim.is_some_and(|after| is_unused(&inner.manager.observed(handle), after)) {
            self.taken.push((index, handle.clone(), seen()));
        }
        slot.is_reported |= inner.plan.leak_after().is_some_and(|after| held >= after);
    }

    /// Takes back what is not used, still under the lock under which that was seen.
    pub(super) fn take_back<C>(&self, slots: &mut Slots<C, H>) {
        self.taken.iter().for_each(|(index, _, _)| slots.forsake(*index));
    }

    /// Ends what was taken back, and tells of everything; the lock is free again.
    pub(super) fn finish<M: Manage<Handle = H>>(
        self,
        inner: &Inner<M>,
        now: Moment,
        events: &mut Vec<Event>,
    ) {
        for seen in self.reports {
            let lease = seen.told(inner, now);
            events.push(Event::HeldLong {
                hold: lease.hold(),
                work: lease.work,
                request: lease.request_id,
                pid: lease.pid,
                held: lease.held,
                silent: lease.silent,
                statement: lease.last_statement,
            });
        }
        for (_, handle, seen) in self.taken {
            inner.manager.take_back(&handle);
            let lease = seen.told(inner, now);
            let (held, silent) = (lease.held, lease.silent);
            events.push(Event::LeaseReclaimed { work: lease.work, pid: lease.pid, held, silent });
        }
    }
}

fn is_unused(observed: &Observed, after: Duration) -> bool {
    observed.state != LeaseState::Active && observed.silent >= after
}

/// When a lent slot is to be looked at next.
pub(super) fn next_look<M: Manage>(
    inner: &Inner<M>,
    slot: &Slot<M::Connection, M::Handle>,
    now: Moment,
) -> Option<Moment> {
    let report = inner.plan.leak_after().filter(|_| !slot.is_reported).map(|after| slot.since + after);
    let reclaim = inner.plan.leak_reclaim_after().and_then(|after| {
        let observed = inner.manager.observed(slot.handle.as_ref()?);
        let idle = observed.silent.min(now.since(slot.since));
        let idle = if observed.state == LeaseState::Active { Duration::ZERO } else { idle };
        Some(now + after.saturating_sub(idle).max(LOOK_AGAIN))
    });
    report.into_iter().chain(reclaim).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Hold;
    use crate::pool::snapshot::hold;

    #[test]
    fn what_is_held_long_is_told_apart() {
        let minute = Duration::from_secs(60);
        for (state, silent, looks) in [
            (LeaseState::Idle, 60, Hold::Leak),
            (LeaseState::Idle, 30, Hold::Leak),
            (LeaseState::Idle, 29, Hold::InUse),
            (LeaseState::Active, 45, Hold::SlowQuery),
            (LeaseState::Active, 1, Hold::InUse),
            (LeaseState::IdleInTransaction, 60, Hold::IdleInTransaction),
            (LeaseState::IdleInFailedTransaction, 60, Hold::IdleInTransaction),
            // It was silent before it was lent, too.
            (LeaseState::Idle, 3_600, Hold::Leak),
        ] {
            assert_eq!(hold(state, minute, Duration::from_secs(silent)), looks, "{state}, silent {silent} s");
        }
        assert!(Hold::Leak.is_idle() && Hold::IdleInTransaction.is_idle());
        assert!(!Hold::SlowQuery.is_idle() && !Hold::InUse.is_idle());
    }

    #[test]
    fn only_what_does_nothing_is_unused() {
        let second = Duration::from_secs(1);
        let seen = |state, silent| Observed { state, silent, ..Observed::default() };
        assert!(is_unused(&seen(LeaseState::Idle, second), second));
        assert!(is_unused(&seen(LeaseState::IdleInTransaction, second), second));
        assert!(!is_unused(&seen(LeaseState::Idle, second / 2), second));
        assert!(!is_unused(&seen(LeaseState::Active, 9 * second), second));
    }
}

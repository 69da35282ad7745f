//! The idle connections.
//!
//! They are a stack: the connection that was used last is lent first, so the connections in use stay warm, and those that
//! are not needed grow old at the bottom and are closed.

use super::{Closing, SlotState, Slots};
use crate::moment::Moment;
use crate::rules::queue::handover::{Effects, Grant};
use crate::rules::request::Request;
use std::time::Duration;

impl<C, H> Slots<C, H> {
    /// Lends the connection that was used last, if any is idle, and does not count the lease.
    #[inline]
    pub(crate) fn take(&mut self, request: &Request, now: Moment) -> Option<Grant<C>> {
        let slot = self.hot.idle.pop()?;
        let place = self.slots.get_mut(slot)?;
        let connection = place.connection.take()?;
        let is_expired = place.expires.is_some_and(|expires| expires <= now);
        let unused_for = now.since(place.lend(request.clone(), now));
        self.hot.lent += 1;
        Some(Grant { slot, connection, unused_for, is_expired })
    }

    /// Makes a connection idle, or closes it if it is one too many.
    pub(crate) fn rest(&mut self, slot: usize, connection: C) -> Effects<C> {
        if self.total() > self.kept() {
            self.vacate(slot, Closing::Surplus);
            return Effects::Close(connection);
        }
        self.leave(slot);
        let Some(place) = self.slots.get_mut(slot) else { return Effects::Close(connection) };
        place.state = SlotState::Idle;
        place.holder = None;
        place.connection = Some(connection);
        self.hot.idle.push(slot);
        Effects::None
    }

    /// Takes out the idle connections that are too old, idle for too long, or not alive.
    pub(crate) fn reap(
        &mut self,
        now: Moment,
        idle_limit: Option<Duration>,
        is_dead: impl Fn(&H) -> bool,
        silent_for: impl Fn(&H) -> Option<Duration>,
    ) -> Vec<C> {
        let mut surplus = self.total().saturating_sub(self.limits.min);
        // A clock that jumped makes all of them old at once. A pool that is emptied in one moment helps no caller.
        let mut may_age_out = self.total().div_ceil(4);
        let mut reaped = Vec::new();
        // From the bottom of the stack, where the oldest are.
        for slot in self.hot.idle.clone() {
            let Some(place) = self.slots.get(slot) else { continue };
            let dead = place.handle.as_ref().is_some_and(&is_dead);
            let expired = place.expires.is_some_and(|expires| expires <= now);
            let idled = idle_limit.is_some_and(|limit| {
                now.since(place.since) >= limit
                    && place.handle.as_ref().and_then(&silent_for).is_none_or(|silent| silent >= limit)
            });
            let above = self.total() > self.kept();
            let aged_out = (expired || (idled && surplus > 0)) && may_age_out > 0;
            if dead || above || aged_out {
                may_age_out = may_age_out.saturating_sub(usize::from(!dead && !above));
                surplus = surplus.saturating_sub(1);
                let connection = self.slots.get_mut(slot).and_then(|place| place.connection.take());
                let why = match (dead, above, expired) {
                    (true, ..) => Closing::Dead,
                    (false, true, _) => Closing::Surplus,
                    (false, false, true) => Closing::Expired,
                    (false, false, false) => Closing::Idle,
                };
                self.vacate(slot, why);
                reaped.extend(connection);
            }
        }
        reaped
    }

    /// Takes out one idle connection whose buffers have swollen for nothing. One at a time, since each is likely to be
    /// opened anew.
    pub(crate) fn take_swollen(&mut self, is_swollen: impl Fn(&H) -> bool) -> Option<C> {
        let is_swollen = |slot: &usize| {
            self.slots.get(*slot).and_then(|place| place.handle.as_ref()).is_some_and(&is_swollen)
        };
        let slot = self.hot.idle.iter().copied().find(is_swollen)?;
        let connection = self.slots.get_mut(slot).and_then(|place| place.connection.take());
        self.vacate(slot, Closing::Swollen);
        connection
    }
}

#[cfg(test)]
mod tests {
    use super::super::PoolLimits;
    use super::super::tests::{SECOND, opened, up_to};
    use super::*;
    use crate::rules::request::tests::request;

    #[test]
    fn a_dead_one_is_closed_whatever_the_minimum_and_what_is_above_the_maximum_too() {
        let (mut slots, now) = opened(up_to(3, 3));
        assert!(slots.reap(now, None, |_| false, |_| None).is_empty());
        assert_eq!(slots.reap(now, None, |handle| *handle == 1, |_| None), [1]);
        slots.limits.max = 1;
        assert_eq!(slots.reap(now, None, |_| false, |_| None), [0], "the one at the bottom");
        assert_eq!((slots.total(), slots.idle(), slots.totals.closed.total()), (1, 1, 2));
    }

    #[test]
    fn what_idles_for_too_long_is_closed_down_to_the_minimum() {
        let idle_since = |limit| {
            let (mut slots, now) = opened(up_to(2, 4));
            // Opened 4, 3, 2 and 1 seconds ago; one of four a round ages out.
            let rounds = [(); 3].map(|()| slots.reap(now + SECOND, Some(limit), |_| false, |_| None));
            rounds.concat()
        };
        assert_eq!(idle_since(4 * SECOND), [0]);
        assert_eq!(idle_since(SECOND), [0, 1], "two are the minimum");
        assert!(idle_since(4 * SECOND + Duration::from_nanos(1)).is_empty());
        // Used a moment ago, although it was lent long ago.
        let heard = |silent| {
            let (mut slots, now) = opened(up_to(0, 1));
            slots.reap(now + SECOND, Some(SECOND), |_| false, |_| Some(silent)).len()
        };
        assert_eq!((heard(SECOND), heard(SECOND / 2)), (1, 0));
    }

    #[test]
    fn one_that_has_reached_its_age_is_closed_although_it_is_of_the_minimum() {
        let now = Moment::now();
        let mut slots: Slots<u32, ()> = Slots::new(up_to(1, 1), 9);
        let slot = slots.begin_connects(1, now).pop().expect("there is room");
        let _ = slots.connected(slot, 7, (), Some(now + SECOND), now);
        let just_before = Moment::numbered((now + SECOND).number() - 1);
        assert!(slots.reap(just_before, None, |()| false, |()| None).is_empty());
        assert_eq!(slots.reap(now + SECOND, None, |()| false, |()| None), [7]);
        assert_eq!((slots.total(), slots.idle(), slots.wanted()), (0, 0, 1));
    }

    #[test]
    fn what_has_swollen_is_closed_one_at_a_time_and_only_while_it_is_idle() {
        let (mut slots, now) = opened(up_to(3, 3));
        let has_swollen = |handle: &u32| *handle != 1;
        let total = |slots: &Slots<_, _>| (slots.total(), slots.idle(), slots.totals.closed.total());
        assert_eq!((slots.take_swollen(has_swollen), total(&slots)), (Some(0), (2, 2, 1)));
        // The one that was used last is lent.
        let request = request(now);
        assert!(slots.lend(&request, now).is_some_and(|grant| grant.connection == 2));
        assert_eq!((slots.take_swollen(has_swollen), total(&slots)), (None, (2, 1, 1)));
        assert_eq!(slots.wanted(), 1, "the minimum is opened anew");
    }

    #[test]
    fn a_clock_that_jumps_does_not_empty_the_pool_at_once() {
        let start = Moment::now();
        let hour = Duration::from_secs(3600);
        let limits = PoolLimits { min: 2, max: 20, overflow: 0, connects: 20 };
        let mut slots: Slots<u32, ()> = Slots::new(limits, 9);
        for (number, slot) in (0..).zip(slots.begin_connects(20, start)) {
            let effects = slots.connected(slot, number, (), Some(start + hour / 2), start);
            assert!(matches!(effects, Effects::None));
        }
        let mut left = 20_usize;
        while left > 0 {
            let reaped = slots.reap(start + hour, Some(hour / 6), |()| false, |()| None).len();
            assert!((1..=left.div_ceil(4)).contains(&reaped), "{reaped} of {left} at once");
            left -= reaped;
        }
        assert_eq!(slots.total(), 0);
    }
}

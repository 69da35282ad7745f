//! How many connects are begun, and where their connections come and go.

use super::{Closing, Slot, SlotState, Slots};
use crate::moment::Moment;
use crate::rules::queue::handover::Effects;

impl<C, H> Slots<C, H> {
    /// Takes slots for so many connects, as far as the limits allow.
    pub(crate) fn begin_connects(&mut self, wanted: usize, now: Moment) -> Vec<usize> {
        if self.hot.is_closed || self.back_off.is_some_and(|until| now < until) {
            return Vec::new();
        }
        let room = self.ceiling().saturating_sub(self.total());
        let may = self.limits.connects.saturating_sub(self.opening);
        let count = wanted.saturating_sub(self.opening).min(room).min(may);
        if count == 0 {
            return Vec::new();
        }
        (0..count).map(|_| self.open_slot(now)).collect()
    }

    /// Takes slots for as many connects as would serve those that wait and keep the minimum. Nearly always all
    /// connections are there, and nothing more is asked.
    #[inline]
    pub(crate) fn begin_wanted(&mut self, now: Moment) -> Vec<usize> {
        if self.total() >= self.ceiling() {
            return Vec::new();
        }
        let wanted = self.wanted();
        self.begin_connects(wanted, now)
    }

    /// How many connects would serve those that wait and keep the minimum.
    pub(crate) fn wanted(&self) -> usize {
        let for_minimum = self.limits.min.min(self.ceiling()).saturating_sub(self.total() - self.opening);
        self.servable().max(for_minimum)
    }

    fn open_slot(&mut self, now: Moment) -> usize {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot::vacant(now));
            self.slots.len() - 1
        });
        if let Some(place) = self.slots.get_mut(slot) {
            place.state = SlotState::Opening;
            place.since = now;
        }
        self.opening += 1;
        self.hot.total += 1;
        slot
    }

    /// A connect succeeded.
    pub(crate) fn connected(
        &mut self,
        slot: usize,
        connection: C,
        handle: H,
        expires: Option<Moment>,
        now: Moment,
    ) -> Effects<C> {
        if let Some(place) = self.slots.get_mut(slot) {
            place.handle = Some(handle);
            place.expires = expires;
            place.since = now;
        }
        self.totals.opened += 1;
        self.back_off = None;
        self.pause = None;
        self.offer(slot, connection, || now)
    }

    /// The connection of this slot is gone, for this reason; the slot is free again.
    pub(crate) fn vacate(&mut self, slot: usize, why: Closing) {
        let Some(place) = self.slots.get(slot) else { return };
        if place.state == SlotState::Vacant {
            return;
        }
        let was_forsaken = place.state == SlotState::Forsaken;
        if was_forsaken {
            // It was counted out when it was taken back.
        } else if place.state != SlotState::Opening || place.handle.is_some() {
            self.totals.closed.add(why);
        }
        self.end_lease(slot);
        self.leave(slot);
        if let Some(place) = self.slots.get_mut(slot) {
            place.state = SlotState::Vacant;
            place.connection = None;
            place.handle = None;
            place.holder = None;
            place.expires = None;
            place.is_condemned = false;
            self.vacant.push(slot);
            self.hot.total -= usize::from(!was_forsaken);
        }
    }

    /// Takes a lent slot back from its holder: its connection is ended by the caller of this, another one may be opened in
    /// its stead, and whatever the holder does with its guard later frees the slot and nothing else.
    pub(crate) fn forsake(&mut self, slot: usize) {
        if self.slots.get(slot).is_none_or(|place| place.state != SlotState::Lent) {
            return;
        }
        self.end_lease(slot);
        self.leave(slot);
        if let Some(place) = self.slots.get_mut(slot) {
            place.state = SlotState::Forsaken;
            place.is_condemned = true;
            place.holder = None;
            place.handle = None;
            self.hot.total -= 1;
            self.totals.closed.add(Closing::TakenBack);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::PoolLimits;
    use super::super::tests::{SECOND, up_to};
    use super::*;
    use crate::rules::queue::seat::Seat;
    use crate::rules::request::tests::request;

    #[test]
    fn connects_are_begun_as_far_as_the_limits_and_the_pause_allow() {
        let now = Moment::now();
        let limits = PoolLimits { min: 2, max: 4, overflow: 1, connects: 3 };
        let mut slots: Slots<u32, ()> = Slots::new(limits, 9);
        assert_eq!((slots.ceiling(), slots.wanted()), (5, 2));
        slots.back_off = Some(now + SECOND);
        assert!(slots.begin_wanted(now).is_empty(), "the pause is not over");
        assert_eq!(slots.begin_wanted(now + SECOND), [0, 1]);
        assert!(slots.begin_wanted(now + SECOND).is_empty(), "they are under way");
        assert_eq!((slots.opening(), slots.total(), slots.wanted()), (2, 2, 2));
        assert_eq!(slots.begin_connects(9, now + SECOND), [2], "three at a time");
        slots.pause = Some(SECOND);
        assert!(matches!(slots.connected(0, 0, (), None, now), Effects::None));
        assert_eq!((slots.back_off, slots.pause, slots.totals.opened), (None, None, 1));
        assert_eq!(slots.wanted(), 1, "one of the minimum is there");
        assert!(matches!(slots.connected(1, 1, (), None, now), Effects::None));
        assert!(matches!(slots.connected(2, 2, (), None, now), Effects::None));
        assert_eq!(slots.begin_connects(9, now), [3, 4], "up to the ceiling");
        assert_eq!((slots.opening(), slots.total()), (2, 5));
        slots.waiters.push(request(now), Seat::new());
        assert!(slots.begin_wanted(now).is_empty());
        let mut closed: Slots<u32, ()> = Slots::new(limits, 9);
        let _ = closed.close();
        assert!(closed.is_closed() && closed.begin_connects(1, now).is_empty());
    }

    #[test]
    fn a_connect_is_wanted_for_each_that_waits() {
        let now = Moment::now();
        let mut slots: Slots<u32, ()> = Slots::new(up_to(1, 4), 9);
        let _tickets = [(); 3].map(|()| slots.waiters.push(request(now), Seat::new()));
        assert_eq!(slots.wanted(), 3);
        assert_eq!(slots.begin_wanted(now).len(), 3);
        slots.vacate(1, Closing::Broken);
        assert_eq!(
            (slots.opening(), slots.total(), slots.totals.closed.total()),
            (2, 2, 0),
            "it had never opened"
        );
        slots.vacate(1, Closing::Broken);
        assert_eq!((slots.opening(), slots.total()), (2, 2), "it is gone already");
        assert_eq!(slots.begin_connects(3, now), [1], "its slot is used again");
    }

    #[test]
    fn a_connect_that_ends_too_late_is_closed_and_counted() {
        let now = Moment::now();
        let mut slots: Slots<u32, ()> = Slots::new(up_to(0, 2), 9);
        assert_eq!(slots.begin_connects(2, now), [0, 1]);
        slots.limits.max = 1;
        assert!(matches!(slots.connected(0, 7, (), None, now), Effects::Close(7)));
        assert_eq!((slots.totals.opened, slots.totals.closed.total(), slots.total()), (1, 1, 1));
        let _ = slots.close();
        assert!(matches!(slots.connected(1, 8, (), None, now), Effects::Close(8)));
        assert_eq!((slots.totals.opened, slots.totals.closed.total(), slots.total()), (2, 2, 0));
    }
}

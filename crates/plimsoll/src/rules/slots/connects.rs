//! How many connects are begun, and where their connections come and go.

use super::{Slot, SlotState, Slots};
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
        let for_minimum = self.limits.min.saturating_sub(self.total() - self.opening);
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

    /// The connection of this slot is gone; the slot is free again.
    pub(crate) fn vacate(&mut self, slot: usize) {
        let Some(place) = self.slots.get(slot) else { return };
        if place.state == SlotState::Vacant {
            return;
        }
        if place.state != SlotState::Opening || place.handle.is_some() {
            self.totals.closed += 1;
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
            self.hot.total -= 1;
        }
    }
}

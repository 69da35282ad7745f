//! The connections that lie idle.
//!
//! They are a stack: the one that was used last is lent first, so hot ones stay hot, and what is not needed grows old at
//! the bottom and is closed.

use super::{Slot, SlotState, Slots};
use crate::moment::Moment;
use crate::rules::queue::handover::{Effects, Grant};
use crate::rules::request::Request;
use std::time::Duration;

/// Slots that lie on one another, each saying who lies below it: the lines of the cache that a place has are fetched
/// anyway when it is lent or laid down, and those of a list beside them would be more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// [`BOTTOM`] if there is none.
    top: u32,
    pub(crate) count: usize,
}

/// The number of a place; there are never that many.
fn number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(BOTTOM)
}

/// What lies below the lowest.
pub(crate) const BOTTOM: u32 = u32::MAX;

impl Stack {
    pub(crate) const EMPTY: Stack = Stack { top: BOTTOM, count: 0 };
}

impl<C, H> Slots<C, H> {
    /// Lends the connection that was used last, if any is idle, and counts no lease.
    #[inline]
    pub(crate) fn take(&mut self, request: &Request, now: Moment) -> Option<Grant<C>> {
        let slot = usize::try_from(self.idle.top).ok()?;
        let place = self.slots.get_mut(slot)?;
        let connection = place.connection.take()?;
        self.idle.top = place.below;
        self.idle.count -= 1;
        let is_expired = place.expires.is_some_and(|expires| expires <= now);
        let unused_for = now.since(place.lend(request.clone(), now));
        self.lent += 1;
        Some(Grant { slot, connection, unused_for, is_expired })
    }

    /// Lays it down, or closes it if it is one too many.
    pub(crate) fn rest(&mut self, slot: usize, connection: C) -> Effects<C> {
        if self.total() > self.limits.max {
            self.vacate(slot);
            return Effects::Close(connection);
        }
        self.leave(slot);
        let Some(place) = self.slots.get_mut(slot) else { return Effects::Close(connection) };
        place.state = SlotState::Idle;
        place.holder = None;
        place.connection = Some(connection);
        place.below = std::mem::replace(&mut self.idle.top, number(slot));
        self.idle.count += 1;
        Effects::None
    }

    /// The idle ones, from the top of the stack down.
    pub(crate) fn stacked(&self) -> Vec<usize> {
        let place = |slot: u32| usize::try_from(slot).ok().filter(|slot| *slot < self.slots.len());
        let below = |slot: &usize| place(self.slots.get(*slot)?.below);
        std::iter::successors(place(self.idle.top), below).collect()
    }

    /// From the middle of the stack; whoever lies above it lies on what was below it.
    pub(crate) fn take_out(&mut self, slot: usize) {
        let below = self.slots.get(slot).map_or(BOTTOM, |place| place.below);
        let slot = number(slot);
        if self.idle.top == slot {
            self.idle.top = below;
        } else {
            let is_above = |place: &&mut Slot<C, H>| place.state == SlotState::Idle && place.below == slot;
            self.slots.iter_mut().filter(is_above).for_each(|above| above.below = below);
        }
        self.idle.count -= 1;
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
        // A clock that jumped makes all of them old at once. Nobody is helped by a pool that is emptied in one moment.
        let mut may_age_out = self.total().div_ceil(4);
        let mut reaped = Vec::new();
        // The oldest idle lie at the bottom of the stack.
        for slot in self.stacked().into_iter().rev() {
            let Some(place) = self.slots.get(slot) else { continue };
            let dead = place.handle.as_ref().is_some_and(&is_dead);
            let expired = place.expires.is_some_and(|expires| expires <= now);
            let idled = idle_limit.is_some_and(|limit| {
                now.since(place.since) >= limit
                    && place.handle.as_ref().and_then(&silent_for).is_none_or(|silent| silent >= limit)
            });
            let above = self.total() > self.limits.max;
            let aged_out = (expired || (idled && surplus > 0)) && may_age_out > 0;
            if dead || above || aged_out {
                may_age_out = may_age_out.saturating_sub(usize::from(!dead && !above));
                surplus = surplus.saturating_sub(1);
                let connection = self.slots.get_mut(slot).and_then(|place| place.connection.take());
                self.vacate(slot);
                reaped.extend(connection);
            }
        }
        reaped
    }
}

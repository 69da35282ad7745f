//! The idle connections.
//!
//! They are a stack: the connection that was used last is lent first, so the connections in use stay warm, and those that
//! are not needed grow old at the bottom and are closed.

use super::{SlotState, Slots};
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
        if self.total() > self.limits.max {
            self.vacate(slot);
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

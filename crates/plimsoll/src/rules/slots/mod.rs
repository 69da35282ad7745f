//! Where every connection is, at any moment. Pure: `now` is an argument.
//!
//! A slot is a permission to have a connection. It is in exactly one state, and only the methods here move it:
//!
//! ```text
//!            connect begins          connected               lent
//!   Vacant ────────────────► Opening ─────────► Idle ◄──────────────► Lent
//!     ▲                         │ failed          │ too old, too idle   │ not clean
//!     └─────────────────────────┴─────────────────┴──────── Returning ◄─┘
//! ```
//!
//! Counts are kept where the state changes and nowhere else, so they cannot drift. What lies idle is in [`idle`].

mod idle;

use super::forecast::{OverloadReason, Pace, Refusals};
use super::gate::Rules;
use super::queue::handover::{Effects, Grant, HandOver};
use super::queue::waiters::{Next, Refusal, Waiters, Who};
use crate::moment::Moment;
use crate::name::WorkName;
use idle::{BOTTOM, Stack};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// How many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolLimits {
    /// Kept open even when nothing happens.
    pub(crate) min: usize,
    /// Kept.
    pub(crate) max: usize,
    /// Opened above `max` under load, and closed when given back.
    pub(crate) overflow: usize,
    /// Connects under way at a time.
    pub(crate) connects: usize,
}

/// Who has it, and since when.
#[derive(Clone, Debug)]
pub(crate) struct LeaseRecord {
    pub(crate) who: Who,
    pub(crate) since: Moment,
    /// When to look whether something runs past the deadline: first at the deadline, then again and again.
    pub(crate) due: Option<Moment>,
    /// Whether it was reported as held for long.
    pub(crate) is_reported: bool,
}

impl LeaseRecord {
    fn new(who: Who, now: Moment) -> Self {
        LeaseRecord { due: who.deadline, who, since: now, is_reported: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    Vacant,
    Opening,
    Idle,
    Lent,
    Returning,
}

/// A place for a connection `C`; `H` is a handle on it that stays here while it is lent. It shares no line of the cache
/// with the next.
#[repr(align(64))]
pub(crate) struct Slot<C, H> {
    pub(crate) state: SlotState,
    connection: Option<C>,
    pub(crate) handle: Option<H>,
    pub(crate) expires: Option<Moment>,
    /// Since when it is in this state; idle ones keep the time at which they were lent last, because the clock costs as
    /// much as all the rest of a return.
    pub(crate) since: Moment,
    pub(crate) lease: Option<LeaseRecord>,
    /// While it is idle: who was laid down before it.
    below: u32,
    /// The clock is about to stop what runs on it, or to end it: whoever brings it home just then is too late, for the
    /// next to borrow it would be hit.
    pub(crate) is_condemned: bool,
}

/// The waits that ended with a connection, since the pool began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    pub(crate) count: u64,
    /// In nanoseconds, as is the longest.
    total: u64,
    longest: u64,
}

impl Waits {
    pub(crate) fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.total = self.total.saturating_add(nanos);
        self.longest = self.longest.max(nanos);
    }

    pub(crate) fn total(self) -> Duration {
        Duration::from_nanos(self.total)
    }

    pub(crate) fn longest(self) -> Duration {
        Duration::from_nanos(self.longest)
    }
}

/// What else happened since the pool began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// What was lent and never came to its borrower, or was turned down by it.
    pub(crate) turned_down: u64,
    pub(crate) failed: u64,
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    pub(crate) connect_failures: u64,
    pub(crate) capped: u64,
    pub(crate) held_back: u64,
}

/// Everything that the pool's one lock protects.
///
/// Where processors take the lock in turn, what each has to fetch from the other's cache is most of what the lock is
/// held for. So the order of the fields matters. What lending at once and laying down write, and what both ask, is one
/// line of the cache, the lock's own byte included, which lies before it; what a hand-over from lease to lease writes is
/// two more, and it writes nothing else.
#[repr(C)]
pub(crate) struct Slots<C, H> {
    idle: Stack,
    opening: usize,
    lent: usize,
    returning: usize,
    /// Leases that began without a wait. Those after one are counted among the waits.
    lent_at_once: u64,
    pub(crate) is_closed: bool,
    pub(crate) is_paused: bool,
    /// The fast path is barred: see [`gate`](super::gate).
    pub(crate) is_gated: bool,
    pub(crate) waits: Waits,
    pub(crate) pace: Pace,
    pub(crate) waiters: Waiters<Grant<C>>,
    pub(crate) slots: Vec<Slot<C, H>>,
    pub(crate) limits: PoolLimits,
    pub(crate) rules: Rules,
    vacant: Vec<usize>,
    pub(crate) totals: Totals,
    pub(crate) refusals: Refusals,
    /// Refusals of which an event is due.
    pub(crate) untold: Vec<(OverloadReason, u64)>,
    /// Leases of others than the highest priority, counted where some are kept for that.
    pub(crate) lent_to_others: usize,
    /// No connect is begun before this.
    pub(crate) back_off: Option<Moment>,
    /// How long the last pause after a failed connect was; none since one succeeded.
    pub(crate) pause: Option<Duration>,
    /// It was closed because the runtime that it needs has ended.
    pub(crate) has_lost_its_runtime: bool,
}

/// The lock's byte and what lies behind it are one line; a place is two.
const _: () = {
    assert!(std::mem::offset_of!(Slots<(), ()>, waits) <= 64 - 8);
    assert!(size_of::<Slot<Box<()>, Arc<()>>>() <= 128);
};

impl<C, H> Slots<C, H> {
    pub(crate) fn new(limits: PoolLimits, max_waiting: usize) -> Self {
        Slots {
            slots: Vec::with_capacity(limits.max + limits.overflow),
            idle: Stack::EMPTY,
            vacant: Vec::new(),
            waiters: Waiters::new(max_waiting),
            limits,
            is_closed: false,
            is_paused: false,
            is_gated: false,
            rules: Rules::default(),
            pace: Pace::default(),
            refusals: Refusals::default(),
            untold: Vec::new(),
            lent_to_others: 0,
            lent_at_once: 0,
            waits: Waits::default(),
            totals: Totals::default(),
            opening: 0,
            lent: 0,
            returning: 0,
            back_off: None,
            pause: None,
            has_lost_its_runtime: false,
        }
    }

    pub(crate) fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self.update_gate();
        self
    }

    /// Connections that exist or are being opened.
    pub(crate) fn total(&self) -> usize {
        self.idle() + self.opening + self.lent + self.returning
    }

    pub(crate) fn idle(&self) -> usize {
        self.idle.count
    }

    pub(crate) fn opening(&self) -> usize {
        self.opening
    }

    pub(crate) fn lent(&self) -> usize {
        self.lent
    }

    pub(crate) fn returning(&self) -> usize {
        self.returning
    }

    /// How many leases there were, since the pool began.
    pub(crate) fn acquired(&self) -> u64 {
        (self.lent_at_once + self.waits.count).saturating_sub(self.totals.turned_down)
    }

    /// The most there may be.
    pub(crate) fn ceiling(&self) -> usize {
        self.limits.max + self.limits.overflow
    }

    /// Lends the connection that was used last, if any is idle.
    #[inline]
    pub(crate) fn lend(&mut self, who: impl FnOnce() -> Who, now: Moment) -> Option<Grant<C>> {
        let grant = self.take(who, now)?;
        self.lent_at_once += 1;
        Some(grant)
    }

    /// Lends to the longest waiting, or lays the connection down, or gives it back to be closed.
    ///
    /// The slot is [`State::Lent`], [`State::Opening`] or [`State::Returning`]. The time is asked for only when somebody
    /// waits; where it is not, a connection that is too old is closed by the next round of upkeep, or turned down by the next
    /// who gets it.
    pub(crate) fn offer(&mut self, slot: usize, connection: C, now: impl FnOnce() -> Moment) -> Effects<C> {
        let is_condemned = self.slots.get(slot).is_none_or(|place| place.is_condemned);
        if is_condemned || self.is_closed || self.total() > self.ceiling() {
            self.vacate(slot);
            return Effects::Close(connection);
        }
        if self.waiters.len() == 0 {
            self.end_lease(slot);
            return self.rest(slot, connection);
        }
        let now = now();
        if self.slots.get(slot).is_none_or(|place| place.expires.is_some_and(|expires| expires <= now)) {
            self.vacate(slot);
            return Effects::Close(connection);
        }
        let was_held = self.slots.get(slot).is_some_and(|place| place.state == SlotState::Lent);
        self.end_lease(slot);
        self.hand_over(slot, connection, was_held, now)
    }

    /// To whoever's turn it is; somebody waits, but perhaps not for this.
    fn hand_over(&mut self, slot: usize, connection: C, was_held: bool, now: Moment) -> Effects<C> {
        let mut late = Vec::new();
        let Some(Next { who, since, seat }) = self.next_in_time(now, &mut late) else {
            return self.rest(slot, connection).after(late);
        };
        // From hand to hand nothing is to be counted.
        if !was_held {
            self.leave(slot);
            self.lent += 1;
        }
        let Some(place) = self.slots.get_mut(slot) else { return Effects::Close(connection).after(late) };
        let before = std::mem::replace(&mut place.since, now);
        let unused_for = now.since(before);
        let priority = who.priority;
        place.state = SlotState::Lent;
        place.lease = Some(LeaseRecord::new(who, now));
        self.count_lent(priority);
        self.waits.add(now.nanos_since(since));
        self.pace.handed_over(was_held.then_some(before), now);
        let given =
            Effects::HandOver(HandOver::new(Grant { slot, connection, unused_for, is_expired: false }, seat));
        // Nearly always nobody was late, and moving it once more is not for nothing.
        if late.is_empty() { given } else { given.after(late) }
    }

    /// A lent connection is on its way back and not clean yet; says whose it was.
    pub(crate) fn begin_return(&mut self, slot: usize, now: Moment) -> Option<WorkName> {
        self.leave(slot);
        let place = self.slots.get_mut(slot)?;
        place.state = SlotState::Returning;
        place.since = now;
        // It is stopped and proven before it comes home.
        place.is_condemned = false;
        self.returning += 1;
        // The lease is kept: until the connection is home its name is not rid of it.
        place.lease.as_ref().map(|lease| lease.who.name.clone())
    }

    /// Takes permissions for as many connects as are wanted now.
    pub(crate) fn begin_connects(&mut self, wanted: usize, now: Moment) -> Vec<usize> {
        if self.is_closed || self.back_off.is_some_and(|until| now < until) {
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

    /// The same for as many as would serve those who wait and keep the minimum. Nearly always all connections are there,
    /// and nothing more is asked.
    #[inline]
    pub(crate) fn begin_wanted(&mut self, now: Moment) -> Vec<usize> {
        if self.total() >= self.ceiling() {
            return Vec::new();
        }
        let wanted = self.wanted();
        self.begin_connects(wanted, now)
    }

    /// How many connects would serve those who wait and keep the minimum.
    pub(crate) fn wanted(&self) -> usize {
        let for_minimum = self.limits.min.saturating_sub(self.total() - self.opening);
        self.servable().max(for_minimum)
    }

    fn open_slot(&mut self, now: Moment) -> usize {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                state: SlotState::Vacant,
                connection: None,
                handle: None,
                expires: None,
                since: now,
                lease: None,
                below: BOTTOM,
                is_condemned: false,
            });
            self.slots.len() - 1
        });
        if let Some(place) = self.slots.get_mut(slot) {
            place.state = SlotState::Opening;
            place.since = now;
        }
        self.opening += 1;
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

    /// The connection of this slot is gone; the permission is free again.
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
            place.lease = None;
            place.expires = None;
            place.is_condemned = false;
            self.vacant.push(slot);
        }
    }

    /// Uncounts the state that a slot is about to leave.
    fn leave(&mut self, slot: usize) {
        match self.slots.get(slot).map(|place| place.state) {
            Some(SlotState::Opening) => self.opening -= 1,
            Some(SlotState::Lent) => self.lent -= 1,
            Some(SlotState::Returning) => self.returning -= 1,
            Some(SlotState::Idle) => self.take_out(slot),
            Some(SlotState::Vacant) | None => {}
        }
    }

    /// What had been granted to a waiter that has left goes to the next.
    pub(crate) fn give_up(&mut self, grant: Grant<C>, now: Moment) -> Effects<C> {
        self.totals.turned_down += 1;
        if self.is_closed || self.waiters.len() == 0 || self.total() > self.ceiling() {
            return self.offer(grant.slot, grant.connection, || now);
        }
        // It was held by nobody, which says nothing of how long a lease lasts.
        self.end_lease(grant.slot);
        self.hand_over(grant.slot, grant.connection, false, now)
    }

    /// Closes: nobody waits any more, nothing idles any more.
    pub(crate) fn close(&mut self) -> (Vec<Waker>, Vec<C>) {
        self.is_closed = true;
        self.update_gate();
        let wakers = self.waiters.refuse_all(&Refusal::Closed);
        let mut closed = Vec::new();
        for slot in self.stacked() {
            if let Some(place) = self.slots.get_mut(slot) {
                closed.extend(place.connection.take());
            }
            self.vacate(slot);
        }
        (wakers, closed)
    }

    /// The leases, oldest first.
    pub(crate) fn leases(&self) -> Vec<&LeaseRecord> {
        let mut leases: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| slot.state == SlotState::Lent)
            .filter_map(|slot| slot.lease.as_ref())
            .collect();
        leases.sort_by_key(|lease| lease.since);
        leases
    }
}

#[cfg(test)]
mod tests;

//! Where every connection is, at any moment.
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
//! Counts are kept where the state changes and nowhere else, so they cannot drift.
//!
//! | file | what is in it |
//! |---|---|
//! | here | all that the pool's lock protects; lending, taking back, closing |
//! | [`slot`] | one slot |
//! | [`idle`] | the idle connections: the stack of them, and their upkeep |
//! | [`connects`] | how many connects are begun, and where their connections come |
//! | [`allowance`] | what the connection budget allows |
//! | [`closing`] | why connections are closed |
//! | [`totals`] | what happened since the pool began |

pub(crate) mod allowance;
mod closing;
mod connects;
mod idle;
mod slot;
mod totals;

pub(crate) use closing::Closing;
pub(crate) use slot::{Slot, SlotState};
pub(crate) use totals::Totals;

use super::forecast::Pace;
use super::gate::GateRules;
use super::queue::handover::{Effects, Grant, HandOver};
use super::queue::lane::Waiter;
use super::queue::waiters::Waiters;
use super::refusal::{Refusal, RefusalCounts};
use super::request::{Holder, Request};
use crate::event::Event;
use crate::moment::Moment;
use crate::name::WorkName;
use allowance::Allowance;
use std::task::Waker;
use std::time::Duration;
use totals::Waits;

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

/// What the fast path reads and writes: lending an idle connection, and making one idle.
pub(super) struct Hot {
    /// Idle slots, the one that was used last at the end.
    idle: Vec<usize>,
    lent: usize,
    /// Slots that are not vacant.
    total: usize,
    /// Leases that began without a wait. Those that began after one are counted among the waits.
    lent_at_once: u64,
    pub(super) is_closed: bool,
    pub(super) is_paused: bool,
    /// The fast path is barred: see [`gate`](super::gate).
    pub(super) is_gated: bool,
}

/// One cache line, together with the lock's own byte, which lies before it.
const _: () = assert!(align_of::<Hot>() + size_of::<Hot>() <= 64);

/// Everything that the pool's one lock protects.
///
/// Where several CPUs take the lock in turn, fetching what the other has written is most of what the lock is held for.
/// So the order of the fields matters: first what the fast path writes, then what a hand-over from lease to lease
/// writes, which is two more cache lines.
#[repr(C)]
pub(crate) struct Slots<C, H> {
    pub(super) hot: Hot,
    pub(crate) waits: Waits,
    pub(crate) pace: Pace,
    pub(crate) waiters: Waiters<Grant<C>>,
    pub(crate) slots: Vec<Slot<C, H>>,
    pub(crate) limits: PoolLimits,
    pub(crate) allowance: Allowance,
    pub(crate) rules: GateRules,
    opening: usize,
    returning: usize,
    vacant: Vec<usize>,
    pub(crate) totals: Totals,
    pub(crate) refusals: RefusalCounts,
    /// Events that are due, to be told once the lock is released.
    pub(crate) events: Vec<Event>,
    /// Leases of lower priorities than the highest, counted where connections are kept for that.
    pub(crate) lent_to_others: usize,
    /// No connect is begun before this.
    pub(crate) back_off: Option<Moment>,
    /// How long the last pause after a failed connect was; none since one succeeded.
    pub(crate) pause: Option<Duration>,
    /// It was closed because the runtime that it needs has ended.
    pub(crate) has_lost_its_runtime: bool,
}

impl<C, H> Slots<C, H> {
    pub(crate) fn new(limits: PoolLimits, max_waiting: usize) -> Self {
        let most = limits.max + limits.overflow;
        Slots {
            hot: Hot {
                idle: Vec::with_capacity(most),
                lent: 0,
                total: 0,
                lent_at_once: 0,
                is_closed: false,
                is_paused: false,
                is_gated: false,
            },
            waits: Waits::default(),
            pace: Pace::default(),
            waiters: Waiters::new(max_waiting),
            slots: Vec::with_capacity(most),
            limits,
            allowance: Allowance::new(false),
            rules: GateRules::default(),
            opening: 0,
            returning: 0,
            vacant: Vec::new(),
            totals: Totals::default(),
            refusals: RefusalCounts::default(),
            events: Vec::new(),
            lent_to_others: 0,
            back_off: None,
            pause: None,
            has_lost_its_runtime: false,
        }
    }

    pub(crate) fn with_rules(mut self, rules: GateRules) -> Self {
        self.rules = rules;
        self.update_gate();
        self
    }

    /// Connections that exist or are being opened.
    pub(crate) fn total(&self) -> usize {
        self.hot.total
    }

    pub(crate) fn idle(&self) -> usize {
        self.hot.idle.len()
    }

    pub(crate) fn opening(&self) -> usize {
        self.opening
    }

    pub(crate) fn lent(&self) -> usize {
        self.hot.lent
    }

    pub(crate) fn returning(&self) -> usize {
        self.returning
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.hot.is_closed
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.hot.is_paused
    }

    /// Whether a request is judged by the [`gate`](super::gate), and not just lent what is idle.
    #[inline]
    pub(crate) fn is_gated(&self) -> bool {
        self.hot.is_gated
    }

    /// How many leases there were, since the pool began.
    pub(crate) fn acquired(&self) -> u64 {
        (self.hot.lent_at_once + self.waits.count).saturating_sub(self.totals.turned_down)
    }

    /// The most there may be.
    pub(crate) fn ceiling(&self) -> usize {
        self.configured().min(self.allowance.most())
    }

    /// The most that are kept when they are not in use.
    pub(crate) fn kept(&self) -> usize {
        self.limits.max.min(self.allowance.most())
    }

    /// Lends the connection that was used last, if any is idle.
    #[inline]
    pub(crate) fn lend(&mut self, request: &Request, now: Moment) -> Option<Grant<C>> {
        let grant = self.take(request, now)?;
        self.hot.lent_at_once += 1;
        Some(grant)
    }

    /// Lends to the waiter whose turn it is, or makes the connection idle, or gives it back to be closed.
    ///
    /// The slot is [`SlotState::Lent`], [`SlotState::Opening`] or [`SlotState::Returning`]. The time is asked for only
    /// when a caller waits; where none does, a connection that is too old is closed by the next round of upkeep, or
    /// turned down by the next caller that gets it.
    pub(crate) fn offer(&mut self, slot: usize, connection: C, now: impl FnOnce() -> Moment) -> Effects<C> {
        let is_condemned = self.slots.get(slot).is_none_or(|place| place.is_condemned);
        if is_condemned || self.hot.is_closed || self.total() > self.ceiling() {
            let why = match (is_condemned, self.hot.is_closed) {
                (true, _) => Closing::Overdue,
                (false, true) => Closing::PoolClosed,
                (false, false) => Closing::Surplus,
            };
            self.vacate(slot, why);
            return Effects::Close(connection);
        }
        if self.waiters.len() == 0 {
            self.end_lease(slot);
            return self.rest(slot, connection);
        }
        let now = now();
        if self.slots.get(slot).is_none_or(|place| place.expires.is_some_and(|expires| expires <= now)) {
            self.vacate(slot, Closing::Expired);
            return Effects::Close(connection);
        }
        let was_held = self.slots.get(slot).is_some_and(|place| place.state == SlotState::Lent);
        self.end_lease(slot);
        self.hand_over(slot, connection, was_held, now)
    }

    /// Lends to the waiter whose turn it is; there are waiters, but perhaps none may have this connection.
    fn hand_over(&mut self, slot: usize, connection: C, was_held: bool, now: Moment) -> Effects<C> {
        let mut late = Vec::new();
        let Some(Waiter { request, seat }) = self.next_in_time(now, &mut late) else {
            return self.rest(slot, connection).after(late);
        };
        // From lease to lease nothing is to be counted.
        if !was_held {
            self.leave(slot);
            self.hot.lent += 1;
        }
        let Some(place) = self.slots.get_mut(slot) else { return Effects::Close(connection).after(late) };
        let (priority, asked_at) = (request.priority, request.since);
        let before = place.lend(request, now);
        let unused_for = now.since(before);
        self.count_lent(priority);
        self.waits.add(now.nanos_since(asked_at));
        self.pace.handed_over(was_held.then_some(before), self.hot.lent, now);
        let given =
            Effects::HandOver(HandOver::new(Grant { slot, connection, unused_for, is_expired: false }, seat));
        // Nearly always none was late, and moving the connection once more costs time.
        if late.is_empty() { given } else { given.after(late) }
    }

    /// A lent connection is on its way back and not clean yet; gives the name of the work that held it.
    pub(crate) fn begin_return(&mut self, slot: usize, now: Moment) -> Option<WorkName> {
        if self.slots.get(slot).is_some_and(|place| place.state == SlotState::Forsaken) {
            return None;
        }
        self.leave(slot);
        let place = self.slots.get_mut(slot)?;
        place.state = SlotState::Returning;
        place.since = now;
        // It is stopped and proven clean before it is lent again.
        place.is_condemned = false;
        self.returning += 1;
        // The holder is kept: until the connection is clean it counts for the cap of its name.
        place.holder.as_ref().map(|holder| holder.name.clone())
    }

    /// Counts a slot out of its state.
    fn leave(&mut self, slot: usize) {
        match self.slots.get(slot).map(|place| place.state) {
            Some(SlotState::Opening) => self.opening -= 1,
            Some(SlotState::Lent) => self.hot.lent -= 1,
            Some(SlotState::Returning) => self.returning -= 1,
            Some(SlotState::Idle) => self.hot.idle.retain(|idle| *idle != slot),
            Some(SlotState::Vacant | SlotState::Forsaken) | None => {}
        }
    }

    /// What had been granted to a waiter that has left goes to the next.
    pub(crate) fn give_up(&mut self, grant: Grant<C>, now: Moment) -> Effects<C> {
        self.totals.turned_down += 1;
        if self.hot.is_closed || self.waiters.len() == 0 || self.total() > self.ceiling() {
            return self.offer(grant.slot, grant.connection, || now);
        }
        // No caller had it, which says nothing of how long a lease lasts.
        self.end_lease(grant.slot);
        self.hand_over(grant.slot, grant.connection, false, now)
    }

    /// Closes: gives the wakers of all that wait, and all that is idle.
    pub(crate) fn close(&mut self) -> (Vec<Waker>, Vec<C>) {
        self.hot.is_closed = true;
        self.update_gate();
        let wakers = self.waiters.refuse_all(&Refusal::Closed);
        let mut closed = Vec::new();
        for slot in self.hot.idle.clone() {
            if let Some(place) = self.slots.get_mut(slot) {
                closed.extend(place.connection.take());
            }
            self.vacate(slot, Closing::PoolClosed);
        }
        (wakers, closed)
    }

    /// The leases, each with the time since which it is held; oldest first.
    pub(crate) fn leases(&self) -> Vec<(&Holder, Moment)> {
        let mut leases: Vec<_> = self
            .slots
            .iter()
            .filter(|slot| slot.state == SlotState::Lent)
            .filter_map(|slot| Some((slot.holder.as_ref()?, slot.since)))
            .collect();
        leases.sort_by_key(|(_, since)| *since);
        leases
    }
}

#[cfg(test)]
mod tests;

//! Which requests are lent an idle connection, which join the queue, and which are refused at once.
//!
//! Nearly always any request may have an idle connection, and the fast path finds that out from one flag. What may
//! stand in the way is here: a pause, the connections that are kept for the highest priority, the cap on a name, and a
//! forecast that does not fit. No connection may idle while a waiter may have it, so every change that lets a waiter pass
//! (a resume, a larger pool, a name below its cap) ends in [`Slots::serve_idle`].

use super::forecast::Forecast;
use super::queue::handover::{Effects, Grant, HandOver};
use super::queue::lane::Waiter;
use super::queue::seat::Seat;
use super::queue::ticket::Ticket;
use super::refusal::{Refusal, RefusalCount, RefusalCounts};
use super::request::{Priority, Request};
use super::slots::Slots;
use crate::moment::Moment;
use crate::settings::Enforcement;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// What the gate goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GateRules {
    /// Connections that are lent to the highest priority only.
    pub(crate) reserve: usize,
    pub(crate) mode: Enforcement,
    /// How much earlier than its deadline a statement is stopped, at the most.
    pub(crate) margin: Duration,
}

impl Default for GateRules {
    fn default() -> Self {
        GateRules { reserve: 0, mode: Enforcement::On, margin: Duration::ZERO }
    }
}

/// What becomes of a request that is let in.
pub(crate) enum Entrance<C> {
    Granted(Grant<C>),
    Waiting(Ticket<Grant<C>>),
}

impl<C, H> Slots<C, H> {
    /// Bars the fast path, or opens it: behind a barred one each request is judged here.
    pub(crate) fn update_gate(&mut self) {
        self.hot.is_gated = self.is_closed() || self.is_paused() || self.rules.reserve > 0;
    }

    /// Lends nothing any more until [`Slots::resume`].
    pub(crate) fn pause(&mut self) {
        self.hot.is_paused = true;
        self.update_gate();
    }

    /// Lends again; [`Slots::serve_idle`] gives idle connections to those that wait.
    pub(crate) fn resume(&mut self) {
        self.hot.is_paused = false;
        // Nothing moved meanwhile, which says nothing of the pace.
        self.pace.begin();
        self.update_gate();
    }

    /// How many more connections may be lent to lower priorities than the highest; in dark mode all there are.
    fn left_for_others(&self) -> usize {
        if self.rules.mode == Enforcement::Dark { usize::MAX } else { self.left_beside_reserve() }
    }

    /// How many more they get if the reserve is kept. A reserve of all connections leaves one.
    fn left_beside_reserve(&self) -> usize {
        if self.rules.reserve == 0 {
            return usize::MAX;
        }
        self.ceiling().saturating_sub(self.rules.reserve).max(1).saturating_sub(self.lent_to_others)
    }

    /// How many of those in line could be served if there were connections enough.
    pub(crate) fn servable(&self) -> usize {
        if self.is_paused() {
            return 0;
        }
        let urgent = self.waiters.urgent();
        let others = self.waiters.in_line() - urgent;
        urgent + others.min(self.left_for_others())
    }

    /// The waiter whose turn it is. Refuses those whose turn comes too late for their work, and puts their wakers into
    /// `late`.
    pub(crate) fn next_in_time(&mut self, now: Moment, late: &mut Vec<Waker>) -> Option<Waiter<Grant<C>>> {
        loop {
            // Where nothing bars the way, the next in line may have it.
            let must_be_high = self.is_gated() && self.left_for_others() == 0;
            if self.is_gated() && self.servable() == 0 {
                return None;
            }
            let waiter = self.waiters.next(must_be_high)?;
            let Some(refusal) = self.too_late(&waiter.request, now) else { return Some(waiter) };
            self.waiters.done(&waiter.request.name, waiter.request.cap);
            self.count_refusal(|counts| &mut counts.overloaded, now);
            late.extend(waiter.seat.answer(Err(refusal)).ok());
        }
    }

    /// Refuses a waiter that has less time left before its deadline than the work usually takes.
    fn too_late(&self, request: &Request, now: Moment) -> Option<Refusal> {
        request.deadline?;
        if self.rules.mode != Enforcement::On {
            return None;
        }
        self.pace.forecast(0, now)?.at_once().refuse(request, self.rules.margin, now)
    }

    /// A lease of this priority begins.
    #[inline]
    pub(crate) fn count_lent(&mut self, priority: Priority) {
        if self.rules.reserve > 0 && priority != Priority::High {
            self.lent_to_others += 1;
        }
    }

    /// A lease has ended, if this slot had one; a name below its cap lets its next request into the line.
    #[inline]
    pub(crate) fn end_lease(&mut self, slot: usize) {
        let Some(Some(holder)) = self.slots.get_mut(slot).map(|slot| &mut slot.holder) else { return };
        if holder.cap.is_some() || self.rules.reserve > 0 {
            self.end_counted(slot);
        }
    }

    #[inline(never)]
    fn end_counted(&mut self, slot: usize) {
        let Some(holder) = self.slots.get_mut(slot).and_then(|slot| slot.holder.take()) else { return };
        if self.rules.reserve > 0 && holder.priority != Priority::High {
            self.lent_to_others -= 1;
        }
        self.waiters.done(&holder.name, holder.cap);
    }

    /// Lends to a request that the fast path had nothing for, queues it, or refuses it. The pool is open and there is
    /// time.
    pub(crate) fn enter(
        &mut self,
        request: &Request,
        now: Moment,
        seat: Arc<Seat<Grant<C>>>,
    ) -> Result<Entrance<C>, Refusal> {
        // For all others the fast path has just found that nothing is idle.
        if request.cap.is_some() || self.is_gated() {
            if !self.waiters.enter(request) {
                self.totals.capped += 1;
                if self.rules.mode != Enforcement::Dark {
                    return self.stand_aside(request, now, seat);
                }
                self.waiters.enter_anyway(request);
            }
            if let Some(grant) = self.lend_idle(request, now) {
                return Ok(Entrance::Granted(grant));
            }
        }
        match self.refuse_at_once(request, now) {
            None => Ok(Entrance::Waiting(self.waiters.push(request.clone(), seat))),
            Some(refusal) => {
                self.waiters.done(&request.name, request.cap);
                Err(refusal)
            }
        }
    }

    /// Lends what is idle to a request that does not wait, if no waiter could have it and this request may.
    pub(crate) fn lend_at_once(&mut self, request: &Request, now: Moment) -> Result<Grant<C>, Refusal> {
        if !self.waiters.enter(request) {
            if self.rules.mode != Enforcement::Dark {
                return Err(Refusal::TIMED_OUT.at_cap(request.cap));
            }
            self.waiters.enter_anyway(request);
        }
        self.lend_idle(request, now).ok_or_else(|| {
            self.waiters.done(&request.name, request.cap);
            Refusal::TIMED_OUT
        })
    }

    /// Refuses a request for which the queue is too long, or the time too short.
    fn refuse_at_once(&mut self, request: &Request, now: Moment) -> Option<Refusal> {
        if self.waiters.in_line() == 0 {
            self.pace.begin();
        }
        let forecast = self.forecast(request.priority, now);
        if self.waiters.is_full(request.priority, self.obtainable(request.priority)) {
            self.count_refusal(|counts| &mut counts.full, now);
            return Some(Refusal::QueueFull { wait: forecast.map(Forecast::wait) });
        }
        let refusal = forecast?.refuse(request, self.rules.margin, now)?;
        if self.rules.mode == Enforcement::On {
            self.count_refusal(|counts| &mut counts.overloaded, now);
            return Some(refusal);
        }
        self.events.extend(self.refusals.would_be.add(now));
        None
    }

    /// Why a request of this priority would be refused at once for a full queue, if it came now. Nothing is counted.
    pub(crate) fn full_for(&self, priority: Priority, now: Moment) -> Option<Refusal> {
        let is_full = self.waiters.is_full(priority, self.obtainable(priority));
        is_full.then(|| Refusal::QueueFull { wait: self.forecast(priority, now).map(Forecast::wait) })
    }

    /// How many connections there may be that are not lent and that this priority may have: so many of those that wait
    /// are no waiters too many.
    fn obtainable(&self, priority: Priority) -> usize {
        let not_lent = self.ceiling().saturating_sub(self.lent());
        if priority == Priority::High { not_lent } else { not_lent.min(self.left_for_others()) }
    }

    /// For a request whose name has reached its cap.
    fn stand_aside(
        &mut self,
        request: &Request,
        now: Moment,
        seat: Arc<Seat<Grant<C>>>,
    ) -> Result<Entrance<C>, Refusal> {
        let is_full = self.waiters.is_full(request.priority, self.obtainable(request.priority));
        if is_full || self.waiters.is_full_aside() {
            self.count_refusal(|counts| &mut counts.full, now);
            return Err(Refusal::QueueFull { wait: None });
        }
        Ok(Entrance::Waiting(self.waiters.stand_aside(request.clone(), seat)))
    }

    /// Lends an idle connection, if no waiter could have it and this request may.
    fn lend_idle(&mut self, request: &Request, now: Moment) -> Option<Grant<C>> {
        if self.is_paused() || self.servable() > 0 {
            return None;
        }
        if self.idle() > 0 && request.priority != Priority::High && self.left_beside_reserve() == 0 {
            self.totals.held_back += 1;
            if self.rules.mode != Enforcement::Dark {
                return None;
            }
        }
        let grant = self.lend(request, now)?;
        self.count_lent(request.priority);
        Some(grant)
    }

    /// What a newcomer has to expect. There is no forecast while the pool still grows: its pace is not yet its own.
    fn forecast(&self, priority: Priority, now: Moment) -> Option<Forecast> {
        if self.rules.mode == Enforcement::Off || self.is_paused() || self.opening() > 0 {
            return None;
        }
        self.pace.forecast(self.waiters.ahead_of(priority), now)
    }

    fn count_refusal(&mut self, kind: impl Fn(&mut RefusalCounts) -> &mut RefusalCount, now: Moment) {
        self.totals.failed += 1;
        self.events.extend(kind(&mut self.refusals).add(now));
    }

    /// A waiter has left its seat: takes it out of the queue. If it made way for another of its name, that is served.
    pub(crate) fn quit(&mut self, ticket: &Ticket<Grant<C>>, now: Moment) -> Effects<C> {
        self.waiters.remove(ticket);
        self.serve_idle(now)
    }

    /// Gives one idle connection to a waiter that may have it, if there are both. To be called until nothing comes of
    /// it.
    pub(crate) fn serve_idle(&mut self, now: Moment) -> Effects<C> {
        if self.is_closed() || self.idle() == 0 || self.servable() == 0 {
            return Effects::None;
        }
        let mut late = Vec::new();
        let Some(Waiter { request, seat }) = self.next_in_time(now, &mut late) else {
            return Effects::None.after(late);
        };
        let Some(grant) = self.take(&request, now) else { return Effects::None.after(late) };
        self.count_lent(request.priority);
        self.waits.add(now.nanos_since(request.since));
        Effects::HandOver(HandOver::new(grant, seat)).after(late)
    }
}

#[cfg(test)]
mod tests;

//! Who waits for a connection, and whose turn it is.
//!
//! There is a line for each priority, first in first out, and the highest is served first; but every eighth turn goes
//! to the waiter that has waited longest of all, so that no waiter starves behind a stream of more urgent ones. A tenth
//! of the places is kept for the highest priority: a queue that is full of exports still has room for urgent work.
//! Requests whose name has reached its cap stand aside (see [`bulkhead`](super::bulkhead)), so that a line need not
//! step over them.
//!
//! A waiter gets a *ticket*: a number in the queue, and a [`Seat`] on which its answer will lie. There is no timer per
//! waiter; one clock for the whole pool refuses those whose time has come.

use super::bulkhead::Bulkhead;
use super::lane::{Entry, Lane, Waiter};
use super::seat::Seat;
use super::ticket::Ticket;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::refusal::Refusal;
use crate::rules::request::{Priority, Request};
use crate::runner::Runner;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// Every so many turns the waiter that has waited longest of all is served, whatever its priority.
const FAIR_TURN: u32 = 8;

/// The limit of a wait that has none.
pub(crate) const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(365 * 24 * 3600);

/// The queue: a line for each priority, and those that stand aside.
///
/// The fields that every hand-over writes come first, as in [`Slots`](crate::rules::slots::Slots).
#[repr(C)]
pub(crate) struct Waiters<G> {
    next_serial: u64,
    turns: u32,
    normal: Lane<G>,
    high: Lane<G>,
    low: Lane<G>,
    bulkhead: Bulkhead<G>,
    limit: usize,
}

impl<G> Waiters<G> {
    pub(crate) fn new(limit: usize) -> Self {
        Waiters {
            high: Lane::default(),
            normal: Lane::default(),
            low: Lane::default(),
            bulkhead: Bulkhead::default(),
            limit,
            next_serial: 0,
            turns: 0,
        }
    }

    /// How many wait, those that stand aside included.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.in_line() + self.bulkhead.len()
    }

    /// How many wait for the next connection.
    #[inline]
    pub(crate) fn in_line(&self) -> usize {
        self.high.len() + self.normal.len() + self.low.len()
    }

    /// How many of them have the highest priority.
    pub(crate) fn urgent(&self) -> usize {
        self.high.len()
    }

    /// How many are served before a waiter of this priority that joins now.
    pub(crate) fn ahead_of(&self, priority: Priority) -> usize {
        match priority {
            Priority::High => self.high.len(),
            Priority::Normal => self.high.len() + self.normal.len(),
            Priority::Low => self.in_line(),
        }
    }

    /// Whether there is no place for this priority. So many of those that wait are about to be served, because they
    /// wait for a connection that is being opened, may be opened, or is being returned. The last tenth of the places is
    /// kept for the highest priority.
    pub(crate) fn is_full(&self, priority: Priority, about_to_be_served: usize) -> bool {
        let kept = if priority == Priority::High { 0 } else { self.limit / 10 };
        self.len() >= (self.limit - kept).saturating_add(about_to_be_served)
    }

    /// Whether there is no place aside: requests whose name has reached its cap may not fill the queue of all others.
    pub(crate) fn is_full_aside(&self) -> bool {
        self.bulkhead.len() >= self.limit.div_ceil(2)
    }

    /// Lets a request in, if the cap of its name allows. One that was let in ends with [`Waiters::done`] or
    /// [`Waiters::remove`], or is refused.
    pub(crate) fn enter(&mut self, request: &Request) -> bool {
        self.bulkhead.enter(request)
    }

    /// Lets a request in although its name has reached its cap, for a mode in which that is only counted.
    pub(crate) fn enter_anyway(&mut self, request: &Request) {
        self.bulkhead.enter_anyway(request);
    }

    /// A request that was let in, and is in no line any more, has ended: one of its name takes its old place in line.
    pub(crate) fn done(&mut self, name: &WorkName, cap: Option<NonZeroU32>) {
        if let Some(entry) = self.bulkhead.leave(name, cap) {
            let priority = entry.request().map(|request| request.priority).unwrap_or_default();
            self.lane(priority).join(entry);
        }
    }

    /// Joins the line. The caller has asked [`Waiters::is_full`], and [`Waiters::enter`].
    pub(crate) fn push(&mut self, request: Request, seat: Arc<Seat<G>>) -> Ticket<G> {
        let (ticket, entry) = self.draw(request, seat);
        self.lane(ticket.priority).join(entry);
        ticket
    }

    /// Stands aside: the request was not let in.
    pub(crate) fn stand_aside(&mut self, request: Request, seat: Arc<Seat<G>>) -> Ticket<G> {
        let name = request.name.clone();
        let (ticket, entry) = self.draw(request, seat);
        self.bulkhead.stand_aside(&name, entry);
        ticket
    }

    fn draw(&mut self, request: Request, seat: Arc<Seat<G>>) -> (Ticket<G>, Entry<G>) {
        let serial = self.next_serial;
        self.next_serial += 1;
        let capped = request.cap.map(|_| Box::new(request.name.clone()));
        let ticket = Ticket { serial, priority: request.priority, capped, seat: Arc::clone(&seat) };
        (ticket, Entry::new(serial, Waiter { request, seat }))
    }

    fn lane(&mut self, priority: Priority) -> &mut Lane<G> {
        match priority {
            Priority::High => &mut self.high,
            Priority::Normal => &mut self.normal,
            Priority::Low => &mut self.low,
        }
    }

    /// Takes out a waiter that has left its seat, if it is still in the queue.
    pub(crate) fn remove(&mut self, ticket: &Ticket<G>) {
        if let Some(waiter) = self.lane(ticket.priority).remove(ticket.serial) {
            self.done(&waiter.request.name, waiter.request.cap);
        } else if let Some(name) = &ticket.capped {
            self.bulkhead.remove(name, ticket.serial);
        }
    }

    /// Takes the waiter whose turn it is out of the queue; only one of the highest priority, if it must be.
    pub(crate) fn next(&mut self, must_be_high: bool) -> Option<Waiter<G>> {
        self.turns = self.turns.wrapping_add(1);
        if must_be_high {
            self.high.next()
        } else if self.turns.is_multiple_of(FAIR_TURN) {
            self.longest_waiting()
        } else {
            self.high.next().or_else(|| self.normal.next()).or_else(|| self.low.next())
        }
    }

    fn longest_waiting(&mut self) -> Option<Waiter<G>> {
        let firsts = [
            (self.high.first(), Priority::High),
            (self.normal.first(), Priority::Normal),
            (self.low.first(), Priority::Low),
        ];
        let (_, whose) = firsts.into_iter().filter_map(|(first, whose)| Some((first?, whose))).min()?;
        self.lane(whose).next()
    }

    fn lanes(&self) -> [&Lane<G>; 3] {
        [&self.high, &self.normal, &self.low]
    }

    /// When the first of them stops waiting.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        self.lanes().into_iter().filter_map(Lane::earliest).chain(self.bulkhead.earliest()).min()
    }

    /// The tasks that wait.
    pub(crate) fn runners(&self) -> impl Iterator<Item = Runner> + '_ {
        self.lanes().into_iter().flat_map(Lane::runners).chain(self.bulkhead.runners())
    }

    /// The requests that wait for the next connection, and after them those that stand aside.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> + '_ {
        self.lanes().into_iter().flat_map(Lane::requests).chain(self.bulkhead.requests())
    }

    /// Refuses those whose time has come; gives the wakers to call once no lock is held.
    pub(crate) fn expire(&mut self, now: Moment, entangled: Option<String>) -> Vec<Waker> {
        self.refuse_where(|until| until <= now, &Refusal::TimedOut { entangled, cap: None })
    }

    /// Refuses those that wait by a limit; a caller that waits for as long as it takes has said so.
    pub(crate) fn refuse_limited(&mut self, now: Moment, why: &Refusal) -> Vec<Waker> {
        let as_long_as_it_takes = now + AS_LONG_AS_IT_TAKES / 2;
        self.refuse_where(|until| until < as_long_as_it_takes, why)
    }

    /// Refuses all.
    pub(crate) fn refuse_all(&mut self, why: &Refusal) -> Vec<Waker> {
        self.refuse_where(|_| true, why)
    }

    /// Refuses the last in line.
    pub(crate) fn refuse_youngest(&mut self, why: Refusal) -> Option<Waker> {
        let lasts = [
            (self.high.last(), Priority::High),
            (self.normal.last(), Priority::Normal),
            (self.low.last(), Priority::Low),
        ];
        let (serial, whose) = lasts.into_iter().filter_map(|(last, whose)| Some((last?, whose))).max()?;
        let waiter = self.lane(whose).remove(serial)?;
        self.done(&waiter.request.name, waiter.request.cap);
        // A waiter that has just left by itself needs no answer.
        waiter.seat.answer(Err(why)).ok()
    }

    fn refuse_where(&mut self, due: impl Fn(Moment) -> bool, why: &Refusal) -> Vec<Waker> {
        let mut gone = Vec::new();
        // Those aside first, so that none is let in that is to be refused.
        self.bulkhead.remove_where(&due, &mut gone);
        let aside = gone.len();
        for lane in [&mut self.high, &mut self.normal, &mut self.low] {
            lane.remove_where(&due, &mut gone);
        }
        gone.iter().skip(aside).for_each(|Waiter { request, .. }| self.done(&request.name, request.cap));
        let answer = |(at, waiter): (usize, Waiter<G>)| {
            let why = if at < aside { why.clone().at_cap(waiter.request.cap) } else { why.clone() };
            waiter.seat.answer(Err(why)).ok()
        };
        gone.into_iter().enumerate().filter_map(answer).collect()
    }
}

#[cfg(test)]
mod tests;

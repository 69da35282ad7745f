//! Who waits for a connection, and whose turn it is. Pure: no clock, no lock, no runtime.
//!
//! There is a line for each priority, first in first out, and the highest is served first; but every eighth turn goes
//! to the one that has waited longest of all, so that nobody starves behind a stream of those who are more urgent. A
//! tenth of the places is kept for the highest: a queue that is full of exports still has room for the urgent. Those
//! whose name is at its cap stand aside (see [`bulkhead`](super::bulkhead)), and a line need not step over them.
//!
//! A waiter gets a *ticket*: a number in the queue, and a [`Seat`] on which its answer will lie. There is no timer per
//! waiter; one clock for the whole pool expires those whose time has come.

use super::bulkhead::Bulkhead;
use super::lane::{Entry, Lane};
use super::seat::Seat;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::forecast::{Overload, Priority};
use crate::runner::Runner;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// Every so many turns the longest waiting of all is served, whatever its priority.
const FAIR_TURN: u32 = 8;

/// The limit of a wait that has none.
pub(crate) const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(365 * 24 * 3600);

/// Who asks, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: WorkName,
    pub(crate) runner: Runner,
    /// When the request's deadline is, if it has one: the lease ends by then.
    pub(crate) deadline: Option<Moment>,
    pub(crate) priority: Priority,
    /// How many connections its name may hold.
    pub(crate) cap: Option<NonZeroU32>,
}

/// Why a waiter is sent away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its limit passed; with the leases, where each was held by a task that was itself waiting, and with the cap at
    /// which its name was, if it stood aside.
    TimedOut { entangled: Option<String>, cap: Option<NonZeroU32> },
    /// The pool was closed.
    Closed,
    /// It is part of a deadlock: this text names the leases.
    Deadlock(String),
    /// Its turn has come, but too late for its work.
    Overloaded(Box<Overload>),
    /// No connection can be opened, and waiting does not heal that.
    Hopeless,
    /// No connection has ever been opened, and calls are refused now; this says why.
    NeverReached(String),
}

impl Refusal {
    /// The same for one that stood aside.
    fn aside(mut self, its: Option<NonZeroU32>) -> Self {
        if let Refusal::TimedOut { cap, .. } = &mut self {
            *cap = its;
        }
        self
    }
}

/// The answer to a waiter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<G> {
    Granted(G),
    Refused(Refusal),
}

/// A place in the queue, and the seat on which the answer will lie.
pub(crate) struct Ticket<G> {
    serial: u64,
    priority: Priority,
    /// Its name, if that is capped: it may stand aside. In a box, because it is rare and the ticket lies in every wait.
    capped: Option<Box<WorkName>>,
    seat: Arc<Seat<G>>,
}

impl<G> Ticket<G> {
    /// Asks whether the turn has come.
    pub(crate) fn poll(&self, waker: &Waker) -> Option<Turn<G>> {
        self.seat.poll(waker)
    }

    /// Leaves the seat. What had been granted must go to somebody else.
    pub(crate) fn leave(&self) -> Option<G> {
        self.seat.leave()
    }
}

/// Whoever is next in line, taken out of the queue. Its seat must be given an answer at once.
pub(crate) struct Next<G> {
    pub(crate) who: Who,
    pub(crate) since: Moment,
    pub(crate) seat: Arc<Seat<G>>,
}

/// The queue: a line for each priority, and those who stand aside.
///
/// What every hand-over writes comes first, in the order of [`Slots`](crate::rules::slots::Slots).
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

    /// How many wait, those who stand aside included.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.in_line() + self.bulkhead.len()
    }

    /// How many wait for the next connection.
    #[inline]
    pub(crate) fn in_line(&self) -> usize {
        self.high.len() + self.normal.len() + self.low.len()
    }

    /// How many wait for it with the highest priority.
    pub(crate) fn urgent(&self) -> usize {
        self.high.len()
    }

    /// How many are served before one of this priority that joins now.
    pub(crate) fn ahead_of(&self, priority: Priority) -> usize {
        match priority {
            Priority::High => self.high.len(),
            Priority::Normal => self.high.len() + self.normal.len(),
            Priority::Low => self.in_line(),
        }
    }

    /// Whether there is no place for one of this priority, where so many of those who wait are about to be served: they
    /// wait for what is being opened, may be opened, or is coming home. The last tenth is kept for the highest.
    pub(crate) fn is_full(&self, priority: Priority, about_to_be_served: usize) -> bool {
        let kept = if priority == Priority::High { 0 } else { self.limit / 10 };
        self.len() >= (self.limit - kept).saturating_add(about_to_be_served)
    }

    /// Whether there is no place aside: those whose name is at its cap may not fill the queue of all the others.
    pub(crate) fn is_full_aside(&self) -> bool {
        self.bulkhead.len() >= self.limit.div_ceil(2)
    }

    /// Lets one in, if its name's cap allows. Whoever was let in leaves by [`Waiters::done`], [`Waiters::remove`] or by
    /// being refused.
    pub(crate) fn enter(&mut self, who: &Who) -> bool {
        self.bulkhead.enter(who)
    }

    /// Lets one in past its name's cap, for a mode in which that is only counted.
    pub(crate) fn enter_anyway(&mut self, who: &Who) {
        self.bulkhead.enter_anyway(who);
    }

    /// One that was let in, and is in no line any more, has ended: one of its name takes its old place in line.
    pub(crate) fn done(&mut self, who: &Who) {
        if let Some(entry) = self.bulkhead.leave(who) {
            let priority = entry.next().map(|next| next.who.priority).unwrap_or_default();
            self.lane(priority).join(entry);
        }
    }

    /// Joins the line. The caller has asked [`Waiters::is_full`], and [`Waiters::enter`].
    pub(crate) fn push(&mut self, who: Who, since: Moment, until: Moment, seat: Arc<Seat<G>>) -> Ticket<G> {
        let (ticket, entry) = self.draw(who, since, until, seat);
        self.lane(ticket.priority).join(entry);
        ticket
    }

    /// Stands aside, having not been let in.
    pub(crate) fn stand_aside(
        &mut self,
        who: Who,
        since: Moment,
        until: Moment,
        seat: Arc<Seat<G>>,
    ) -> Ticket<G> {
        let name = who.name.clone();
        let (ticket, entry) = self.draw(who, since, until, seat);
        self.bulkhead.stand_aside(&name, entry);
        ticket
    }

    fn draw(&mut self, who: Who, since: Moment, until: Moment, seat: Arc<Seat<G>>) -> (Ticket<G>, Entry<G>) {
        let serial = self.next_serial;
        self.next_serial += 1;
        let capped = who.cap.map(|_| Box::new(who.name.clone()));
        let ticket = Ticket { serial, priority: who.priority, capped, seat: Arc::clone(&seat) };
        (ticket, Entry::new(serial, until, Next { who, since, seat }))
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
        if let Some(next) = self.lane(ticket.priority).remove(ticket.serial) {
            self.done(&next.who);
        } else if let Some(name) = &ticket.capped {
            self.bulkhead.remove(name, ticket.serial);
        }
    }

    /// Takes whoever's turn it is out of the queue; only one of the highest, if it must be one.
    pub(crate) fn next(&mut self, must_be_high: bool) -> Option<Next<G>> {
        self.turns = self.turns.wrapping_add(1);
        if must_be_high {
            self.high.next()
        } else if self.turns.is_multiple_of(FAIR_TURN) {
            self.longest_waiting()
        } else {
            self.high.next().or_else(|| self.normal.next()).or_else(|| self.low.next())
        }
    }

    fn longest_waiting(&mut self) -> Option<Next<G>> {
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

    /// When the next of them gives up.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        self.lanes().into_iter().filter_map(Lane::earliest).chain(self.bulkhead.earliest()).min()
    }

    /// Which tasks wait.
    pub(crate) fn runners(&self) -> impl Iterator<Item = Runner> + '_ {
        self.lanes().into_iter().flat_map(Lane::runners).chain(self.bulkhead.runners())
    }

    /// Sends away those whose time has come; returns whom to wake once no lock is held.
    pub(crate) fn expire(&mut self, now: Moment, entangled: Option<String>) -> Vec<Waker> {
        self.refuse_where(|until| until <= now, &Refusal::TimedOut { entangled, cap: None })
    }

    /// Sends away whoever waits by a limit of his own; one that waits for as long as it takes has said so.
    pub(crate) fn refuse_limited(&mut self, now: Moment, why: &Refusal) -> Vec<Waker> {
        let as_long_as_it_takes = now + AS_LONG_AS_IT_TAKES / 2;
        self.refuse_where(|until| until < as_long_as_it_takes, why)
    }

    /// Sends everybody away.
    pub(crate) fn refuse_all(&mut self, why: &Refusal) -> Vec<Waker> {
        self.refuse_where(|_| true, why)
    }

    /// Sends the last one in line away.
    pub(crate) fn refuse_youngest(&mut self, why: Refusal) -> Option<Waker> {
        let lasts = [
            (self.high.last(), Priority::High),
            (self.normal.last(), Priority::Normal),
            (self.low.last(), Priority::Low),
        ];
        let (serial, whose) = lasts.into_iter().filter_map(|(last, whose)| Some((last?, whose))).max()?;
        let next = self.lane(whose).remove(serial)?;
        self.done(&next.who);
        // One that has just left by itself needs no answer.
        next.seat.answer(Turn::Refused(why)).ok()
    }

    fn refuse_where(&mut self, due: impl Fn(Moment) -> bool, why: &Refusal) -> Vec<Waker> {
        let mut gone = Vec::new();
        // Those aside first, so that none is let in that is to be sent away.
        self.bulkhead.remove_where(&due, &mut gone);
        let aside = gone.len();
        for lane in [&mut self.high, &mut self.normal, &mut self.low] {
            lane.remove_where(&due, &mut gone);
        }
        gone.iter().skip(aside).for_each(|next| self.done(&next.who));
        let answer = |(at, next): (usize, Next<G>)| {
            let why = if at < aside { why.clone().aside(next.who.cap) } else { why.clone() };
            next.seat.answer(Turn::Refused(why)).ok()
        };
        gone.into_iter().enumerate().filter_map(answer).collect()
    }
}

#[cfg(test)]
mod tests;

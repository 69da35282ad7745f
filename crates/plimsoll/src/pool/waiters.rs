//! Who waits for a connection, in the order in which they came. Pure: no clock, no lock, no runtime.
//!
//! A waiter gets a *ticket*: a number in the queue, and a [`Seat`] on which its answer will lie. There is no timer per
//! waiter; one clock for the whole pool expires those whose time has come.

use super::seat::Seat;
use crate::name::WorkName;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::thread::ThreadId;
use tokio::time::Instant;

/// Which task does something; a thread stands for what runs outside any task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Runner {
    Task(tokio::task::Id),
    Thread(ThreadId),
}

impl Runner {
    /// Whoever runs this.
    pub(crate) fn current() -> Self {
        tokio::task::try_id().map_or_else(|| Runner::Thread(std::thread::current().id()), Runner::Task)
    }
}

/// Who asks, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: WorkName,
    pub(crate) runner: Runner,
    /// When the request's deadline is, if it has one: the lease ends by then.
    pub(crate) deadline: Option<Instant>,
}

/// Why a waiter is sent away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its limit passed; with the leases, where each was held by a task that was itself waiting.
    TimedOut { entangled: Option<String> },
    /// The pool was closed.
    Closed,
    /// It is part of a deadlock: this text names the leases.
    Deadlock(String),
    /// No connection can be opened, and waiting does not heal that.
    Hopeless,
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
    pub(crate) since: Instant,
    pub(crate) seat: Arc<Seat<G>>,
}

struct Entry<G> {
    serial: u64,
    until: Instant,
    /// None when it has left from the middle of the queue.
    next: Option<Next<G>>,
}

/// The queue, in the order of serial numbers.
pub(crate) struct Waiters<G> {
    queue: VecDeque<Entry<G>>,
    waiting: usize,
    limit: usize,
    next_serial: u64,
}

impl<G> Waiters<G> {
    pub(crate) fn new(limit: usize) -> Self {
        Waiters { queue: VecDeque::new(), waiting: 0, limit, next_serial: 0 }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= self.limit
    }

    /// Joins the queue. The caller has asked [`Waiters::is_full`].
    pub(crate) fn push(&mut self, who: Who, since: Instant, until: Instant, waker: Waker) -> Ticket<G> {
        let serial = self.next_serial;
        self.next_serial += 1;
        let seat = Seat::new(waker);
        let next = Next { who, since, seat: Arc::clone(&seat) };
        self.queue.push_back(Entry { serial, until, next: Some(next) });
        self.waiting += 1;
        Ticket { serial, seat }
    }

    /// Takes out a waiter that has left its seat, if it is still in the queue.
    pub(crate) fn remove(&mut self, ticket: &Ticket<G>) {
        let Ok(at) = self.queue.binary_search_by_key(&ticket.serial, |entry| entry.serial) else { return };
        if self.queue.get_mut(at).and_then(|entry| entry.next.take()).is_some() {
            self.waiting -= 1;
            self.sweep();
        }
    }

    /// Entries that were emptied are skipped when their turn comes; this keeps them from piling up.
    fn sweep(&mut self) {
        if self.queue.len() > 2 * self.waiting + 16 {
            self.queue.retain(|entry| entry.next.is_some());
        }
    }

    /// Takes the longest waiting out of the queue.
    pub(crate) fn next(&mut self) -> Option<Next<G>> {
        while let Some(entry) = self.queue.pop_front() {
            if entry.next.is_some() {
                self.waiting -= 1;
                return entry.next;
            }
        }
        None
    }

    /// When the next of them gives up.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.queue.iter().filter(|entry| entry.next.is_some()).map(|entry| entry.until).min()
    }

    /// Which tasks wait.
    pub(crate) fn runners(&self) -> impl Iterator<Item = Runner> + '_ {
        self.queue.iter().filter_map(|entry| entry.next.as_ref()).map(|next| next.who.runner)
    }

    /// Sends away those whose time has come; returns whom to wake once no lock is held.
    pub(crate) fn expire(&mut self, now: Instant, entangled: Option<String>) -> Vec<Waker> {
        self.refuse_where(|until| until <= now, &Refusal::TimedOut { entangled })
    }

    /// Sends everybody away.
    pub(crate) fn refuse_all(&mut self, why: &Refusal) -> Vec<Waker> {
        self.refuse_where(|_| true, why)
    }

    /// Sends the last one away.
    pub(crate) fn refuse_youngest(&mut self, why: Refusal) -> Option<Waker> {
        let next = self.queue.iter_mut().rev().find_map(|entry| entry.next.take())?;
        self.waiting -= 1;
        // One that has just left by itself needs no answer.
        next.seat.answer(Turn::Refused(why)).ok()
    }

    fn refuse_where(&mut self, due: impl Fn(Instant) -> bool, why: &Refusal) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for entry in self.queue.iter_mut().filter(|entry| due(entry.until)) {
            if let Some(next) = entry.next.take() {
                self.waiting -= 1;
                wakers.extend(next.seat.answer(Turn::Refused(why.clone())).ok());
            }
        }
        self.sweep();
        wakers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn who() -> Who {
        Who { name: WorkName::here(), runner: Runner::current(), deadline: None }
    }

    fn queue(limit: usize) -> Waiters<u32> {
        Waiters::new(limit)
    }

    #[test]
    fn first_come_is_first_served() {
        let now = Instant::now();
        let mut waiters = queue(9);
        let tickets: Vec<_> = (0..3).map(|_| waiters.push(who(), now, now, Waker::noop().clone())).collect();
        for (number, ticket) in tickets.iter().enumerate() {
            let next = waiters.next().expect("one waits");
            assert!(next.seat.answer(Turn::Granted(number as u32)).is_ok());
            assert_eq!(ticket.poll(Waker::noop()), Some(Turn::Granted(number as u32)));
        }
        assert!(waiters.next().is_none());
    }

    #[test]
    fn a_grant_that_was_not_fetched_comes_back() {
        let now = Instant::now();
        let mut waiters = queue(9);
        let ticket = waiters.push(who(), now, now, Waker::noop().clone());
        let next = waiters.next().expect("one waits");
        assert!(next.seat.answer(Turn::Granted(7)).is_ok());
        assert_eq!(ticket.leave(), Some(7));
        assert_eq!(ticket.leave(), None, "a ticket is good once");
    }

    #[test]
    fn a_grant_for_one_that_has_left_comes_back_to_the_giver() {
        let now = Instant::now();
        let mut waiters = queue(9);
        let ticket = waiters.push(who(), now, now, Waker::noop().clone());
        let next = waiters.next().expect("one waits");
        assert_eq!(ticket.leave(), None);
        assert_eq!(next.seat.answer(Turn::Granted(7)).err(), Some(Turn::Granted(7)));
    }

    #[test]
    fn those_whose_time_has_come_are_sent_away_and_the_others_stay() {
        let now = Instant::now();
        let mut waiters = queue(9);
        let early = waiters.push(who(), now, now + Duration::from_secs(1), Waker::noop().clone());
        let late = waiters.push(who(), now, now + Duration::from_secs(2), Waker::noop().clone());
        assert_eq!(waiters.earliest(), Some(now + Duration::from_secs(1)));
        assert_eq!(waiters.expire(now + Duration::from_secs(1), None).len(), 1);
        assert_eq!(early.poll(Waker::noop()), Some(Turn::Refused(Refusal::TimedOut { entangled: None })));
        assert_eq!(late.poll(Waker::noop()), None);
        assert_eq!(waiters.len(), 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push,
        Grant,
        Poll(usize),
        Cancel(usize),
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Push),
            3 => Just(Step::Grant),
            2 => (0usize..20).prop_map(Step::Poll),
            2 => (0usize..20).prop_map(Step::Cancel),
            1 => (0u64..50).prop_map(Step::Expire),
        ]
    }

    proptest! {
        /// Every grant is fetched, given back or still there; none is lost and none is doubled.
        #[test]
        fn no_grant_is_lost(steps in prop::collection::vec(step(), 0..120)) {
            let start = Instant::now();
            let mut waiters = queue(usize::MAX);
            let mut tickets: Vec<Ticket<u32>> = Vec::new();
            let (mut granted, mut seen) = (0u32, Vec::new());
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push => {
                        let until = start + Duration::from_millis(at as u64);
                        tickets.push(waiters.push(who(), start, until, Waker::noop().clone()));
                    }
                    Step::Grant => if let Some(next) = waiters.next() {
                        match next.seat.answer(Turn::Granted(granted)) {
                            Ok(_) => granted += 1,
                            Err(turn) => prop_assert!(false, "{turn:?} came back from one in the queue"),
                        }
                    },
                    Step::Poll(which) => {
                        let turn = tickets.get(which).and_then(|ticket| ticket.poll(Waker::noop()));
                        if let Some(Turn::Granted(grant)) = turn { seen.push(grant); }
                    }
                    Step::Cancel(which) => if let Some(ticket) = tickets.get(which) {
                        seen.extend(ticket.leave());
                        waiters.remove(ticket);
                    },
                    Step::Expire(ms) => { waiters.expire(start + Duration::from_millis(ms), None); }
                }
            }
            for ticket in tickets {
                seen.extend(ticket.leave());
                waiters.remove(&ticket);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..granted).collect::<Vec<_>>());
            prop_assert_eq!(waiters.len(), 0);
        }
    }
}

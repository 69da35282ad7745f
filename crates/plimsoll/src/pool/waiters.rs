//! Who waits for a connection, in the order in which they came. Pure: no clock, no lock, no runtime.
//!
//! A waiter gets a *ticket* and asks with it whether its turn has come. What it is granted is kept here, under its
//! ticket, until it is fetched: a waiter that is dropped between the grant and the fetch gives its ticket back, and
//! the grant with it, so nothing that was handed over can be lost. There is no timer per waiter; one clock for the
//! whole pool expires those whose time has come.

use crate::name::WorkName;
use std::collections::VecDeque;
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

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    index: usize,
    serial: u64,
}

/// The answer to a ticket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn<G> {
    Granted(G),
    Refused(Refusal),
}

struct Entry<G> {
    serial: u64,
    turn: Option<Turn<G>>,
    waker: Option<Waker>,
    who: Option<Who>,
    runner: Option<Runner>,
    until: Instant,
    since: Instant,
}

/// The queue.
pub(crate) struct Waiters<G> {
    entries: Vec<Entry<G>>,
    free: Vec<usize>,
    queue: VecDeque<Ticket>,
    waiting: usize,
    limit: usize,
    next_serial: u64,
}

impl<G> Waiters<G> {
    pub(crate) fn new(limit: usize) -> Self {
        Waiters {
            entries: Vec::new(),
            free: Vec::new(),
            queue: VecDeque::new(),
            waiting: 0,
            limit,
            next_serial: 0,
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= self.limit
    }

    /// Joins the queue. The caller has asked [`Waiters::is_full`].
    pub(crate) fn push(&mut self, who: Who, since: Instant, until: Instant, waker: Waker) -> Ticket {
        let serial = self.next_serial;
        self.next_serial += 1;
        let entry = Entry {
            serial,
            turn: None,
            waker: Some(waker),
            runner: Some(who.runner),
            who: Some(who),
            until,
            since,
        };
        let index = match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.entries.get_mut(index) {
                    *place = entry;
                }
                index
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        let ticket = Ticket { index, serial };
        self.queue.push_back(ticket);
        self.waiting += 1;
        ticket
    }

    fn entry(&mut self, ticket: Ticket) -> Option<&mut Entry<G>> {
        self.entries.get_mut(ticket.index).filter(|entry| entry.serial == ticket.serial)
    }

    /// Asks whether the turn has come; if so the ticket is spent.
    pub(crate) fn poll(&mut self, ticket: Ticket, waker: &Waker) -> Option<Turn<G>> {
        let entry = self.entry(ticket)?;
        let Some(turn) = entry.turn.take() else {
            match &mut entry.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
            return None;
        };
        self.retire(ticket);
        Some(turn)
    }

    /// Gives a ticket back unspent. What had been granted to it must go to somebody else.
    pub(crate) fn cancel(&mut self, ticket: Ticket) -> Option<G> {
        let entry = self.entry(ticket)?;
        let turn = entry.turn.take();
        let was_waiting = turn.is_none();
        self.retire(ticket);
        if was_waiting {
            self.waiting -= 1;
            self.sweep();
        }
        match turn {
            Some(Turn::Granted(grant)) => Some(grant),
            Some(Turn::Refused(_)) | None => None,
        }
    }

    fn retire(&mut self, ticket: Ticket) {
        if let Some(entry) = self.entry(ticket) {
            entry.serial = u64::MAX;
            entry.waker = None;
            entry.who = None;
            entry.runner = None;
            self.free.push(ticket.index);
        }
    }

    /// Tickets that were given back are skipped when their turn comes; this keeps them from piling up.
    fn sweep(&mut self) {
        if self.queue.len() > 2 * self.waiting + 16 {
            let entries = &self.entries;
            self.queue.retain(|ticket| {
                entries.get(ticket.index).is_some_and(|e| e.serial == ticket.serial && e.turn.is_none())
            });
        }
    }

    /// Takes the longest waiting, with who it is and since when. It must be given a turn by [`Waiters::settle`] at once.
    pub(crate) fn next(&mut self) -> Option<(Ticket, Who, Instant)> {
        while let Some(ticket) = self.queue.pop_front() {
            if let Some(entry) = self.entry(ticket)
                && entry.turn.is_none()
                && let Some(who) = entry.who.take()
            {
                let since = entry.since;
                self.waiting -= 1;
                return Some((ticket, who, since));
            }
        }
        None
    }

    /// Gives a waiter its turn; returns whom to wake once no lock is held.
    pub(crate) fn settle(&mut self, ticket: Ticket, turn: Turn<G>) -> Option<Waker> {
        let entry = self.entry(ticket)?;
        entry.turn = Some(turn);
        entry.waker.take()
    }

    /// When the next of them gives up.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.live().map(|entry| entry.until).min()
    }

    /// Which tasks wait.
    pub(crate) fn runners(&self) -> impl Iterator<Item = Runner> + '_ {
        self.live().filter_map(|entry| entry.runner)
    }

    fn live(&self) -> impl Iterator<Item = &Entry<G>> {
        self.entries
            .iter()
            .filter(|entry| entry.serial != u64::MAX && entry.turn.is_none() && entry.who.is_some())
    }

    /// Sends away those whose time has come.
    pub(crate) fn expire(&mut self, now: Instant, entangled: Option<String>) -> Vec<Waker> {
        self.refuse_where(|until| until <= now, &Refusal::TimedOut { entangled })
    }

    /// Sends everybody away.
    pub(crate) fn refuse_all(&mut self, why: &Refusal) -> Vec<Waker> {
        self.refuse_where(|_| true, why)
    }

    /// Sends the last one away.
    pub(crate) fn refuse_youngest(&mut self, why: Refusal) -> Option<Waker> {
        let youngest = self.queue.iter().rev().copied().find(|ticket| {
            self.entries.get(ticket.index).is_some_and(|e| e.serial == ticket.serial && e.turn.is_none())
        })?;
        self.waiting -= 1;
        self.settle(youngest, Turn::Refused(why))
    }

    fn refuse_where(&mut self, due: impl Fn(Instant) -> bool, why: &Refusal) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for entry in &mut self.entries {
            if entry.serial != u64::MAX && entry.turn.is_none() && entry.who.is_some() && due(entry.until) {
                entry.turn = Some(Turn::Refused(why.clone()));
                self.waiting -= 1;
                wakers.extend(entry.waker.take());
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
            let (next, _, _) = waiters.next().expect("one waits");
            assert_eq!(next, *ticket);
            waiters.settle(next, Turn::Granted(number as u32));
            assert_eq!(waiters.poll(next, Waker::noop()), Some(Turn::Granted(number as u32)));
        }
        assert!(waiters.next().is_none());
    }

    #[test]
    fn a_grant_that_was_not_fetched_comes_back() {
        let now = Instant::now();
        let mut waiters = queue(9);
        let ticket = waiters.push(who(), now, now, Waker::noop().clone());
        let (next, _, _) = waiters.next().expect("one waits");
        waiters.settle(next, Turn::Granted(7));
        assert_eq!(waiters.cancel(ticket), Some(7));
        assert_eq!(waiters.cancel(ticket), None, "a ticket is good once");
    }

    #[test]
    fn those_whose_time_has_come_are_sent_away_and_the_others_stay() {
        let now = Instant::now();
        let mut waiters = queue(9);
        let early = waiters.push(who(), now, now + Duration::from_secs(1), Waker::noop().clone());
        let late = waiters.push(who(), now, now + Duration::from_secs(2), Waker::noop().clone());
        assert_eq!(waiters.earliest(), Some(now + Duration::from_secs(1)));
        assert_eq!(waiters.expire(now + Duration::from_secs(1), None).len(), 1);
        assert_eq!(
            waiters.poll(early, Waker::noop()),
            Some(Turn::Refused(Refusal::TimedOut { entangled: None }))
        );
        assert_eq!(waiters.poll(late, Waker::noop()), None);
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
            let mut tickets = Vec::new();
            let (mut granted, mut seen) = (0u32, Vec::new());
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push => {
                        let until = start + Duration::from_millis(at as u64);
                        tickets.push(waiters.push(who(), start, until, Waker::noop().clone()));
                    }
                    Step::Grant => if let Some((ticket, _, _)) = waiters.next() {
                        waiters.settle(ticket, Turn::Granted(granted));
                        granted += 1;
                    },
                    Step::Poll(which) => {
                        let turn = tickets.get(which).and_then(|ticket| waiters.poll(*ticket, Waker::noop()));
                        if let Some(Turn::Granted(grant)) = turn { seen.push(grant); }
                    }
                    Step::Cancel(which) => if let Some(ticket) = tickets.get(which) {
                        seen.extend(waiters.cancel(*ticket));
                    },
                    Step::Expire(ms) => { waiters.expire(start + Duration::from_millis(ms), None); }
                }
            }
            for ticket in tickets {
                seen.extend(waiters.cancel(ticket));
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..granted).collect::<Vec<_>>());
            prop_assert_eq!(waiters.len(), 0);
        }
    }
}

//! One line of waiters, first in first out.
//!
//! Every waiter in a pool's queue has a serial number, drawn from one counter, and every line is in the order of these
//! numbers: so a waiter that leaves from the middle is found by binary search, and of two lines it is known whose first
//! has waited longer. A waiter that leaves only empties its entry, which is skipped when its turn comes; no entry is
//! moved for it.

use super::seat::Seat;
use crate::moment::Moment;
use crate::rules::request::Request;
use crate::runner::Runner;
use std::collections::VecDeque;
use std::sync::Arc;

/// A request that waits, and the seat on which its answer will lie. Taken out of the queue, it must be answered at once.
pub(crate) struct Waiter<G> {
    pub(crate) request: Request,
    pub(crate) seat: Arc<Seat<G>>,
}

/// A place in a line.
pub(crate) struct Entry<G> {
    pub(crate) serial: u64,
    /// None once the waiter has left from the middle of the line.
    waiter: Option<Waiter<G>>,
}

impl<G> Entry<G> {
    pub(crate) fn new(serial: u64, waiter: Waiter<G>) -> Self {
        Entry { serial, waiter: Some(waiter) }
    }

    /// The request that waits here.
    pub(crate) fn request(&self) -> Option<&Request> {
        self.waiter.as_ref().map(|waiter| &waiter.request)
    }
}

/// The line, in the order of serial numbers.
pub(crate) struct Lane<G> {
    line: VecDeque<Entry<G>>,
    /// Entries that were emptied. Counted instead of those that are not, because this number hardly ever changes, while
    /// the line's own length is written anyway.
    emptied: usize,
}

impl<G> Default for Lane<G> {
    fn default() -> Self {
        Lane { line: VecDeque::new(), emptied: 0 }
    }
}

impl<G> Lane<G> {
    /// How many wait in it.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.line.len() - self.emptied
    }

    /// Joins the line at the place of its number: nearly always the end.
    pub(crate) fn join(&mut self, entry: Entry<G>) {
        match self.line.back() {
            Some(last) if last.serial > entry.serial => {
                let at = self.line.partition_point(|known| known.serial < entry.serial);
                self.line.insert(at, entry);
            }
            _ => self.line.push_back(entry),
        }
    }

    /// Takes the first entry out of the line.
    pub(crate) fn pop(&mut self) -> Option<Entry<G>> {
        while let Some(entry) = self.line.pop_front() {
            if entry.waiter.is_some() {
                return Some(entry);
            }
            self.emptied -= 1;
        }
        None
    }

    /// Takes the first waiter out of the line.
    pub(crate) fn next(&mut self) -> Option<Waiter<G>> {
        self.pop().and_then(|entry| entry.waiter)
    }

    /// The number of the first.
    pub(crate) fn first(&mut self) -> Option<u64> {
        while self.line.front().is_some_and(|entry| entry.waiter.is_none()) {
            self.line.pop_front();
            self.emptied -= 1;
        }
        self.line.front().map(|entry| entry.serial)
    }

    /// The number of the last.
    pub(crate) fn last(&self) -> Option<u64> {
        self.line.iter().rev().find(|entry| entry.waiter.is_some()).map(|entry| entry.serial)
    }

    /// The waiter with this number leaves, if it is still here.
    pub(crate) fn remove(&mut self, serial: u64) -> Option<Waiter<G>> {
        let at = self.line.binary_search_by_key(&serial, |entry| entry.serial).ok()?;
        let waiter = self.line.get_mut(at)?.waiter.take()?;
        self.emptied += 1;
        self.sweep();
        Some(waiter)
    }

    /// All waiters leave whose time has come, as `due` says of the end of their wait.
    pub(crate) fn remove_where(&mut self, due: impl Fn(Moment) -> bool, into: &mut Vec<Waiter<G>>) {
        let before = into.len();
        let take = |entry: &mut Entry<G>| entry.waiter.take_if(|waiter| due(waiter.request.until));
        into.extend(self.line.iter_mut().filter_map(take));
        self.emptied += into.len() - before;
        self.sweep();
    }

    /// When the first of them stops waiting.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        self.line.iter().filter_map(Entry::request).map(|request| request.until).min()
    }

    /// The tasks that wait here.
    pub(crate) fn runners(&self) -> impl Iterator<Item = Runner> + '_ {
        self.requests().map(|request| request.runner)
    }

    /// The requests that wait here, in their order.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> + '_ {
        self.line.iter().filter_map(Entry::request)
    }

    /// Entries that were emptied are skipped when their turn comes; this keeps them from piling up.
    fn sweep(&mut self) {
        if self.emptied > self.len() + 16 {
            self.line.retain(|entry| entry.waiter.is_some());
            self.emptied = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::request::tests::request;
    use std::time::Duration;

    fn entry(serial: u64, now: Moment) -> Entry<u32> {
        let until = now + Duration::from_secs(serial);
        let request = Request { until, ..request(now) };
        Entry::new(serial, Waiter { request, seat: Seat::new() })
    }

    fn line(serials: &[u64]) -> (Lane<u32>, Moment) {
        let (mut lane, now) = (Lane::default(), Moment::now());
        serials.iter().for_each(|serial| lane.join(entry(*serial, now)));
        (lane, now)
    }

    #[test]
    fn the_order_is_that_of_the_numbers_whoever_joins_last() {
        let (mut lane, _) = line(&[1, 4, 9, 5, 2]);
        assert_eq!((lane.len(), lane.first(), lane.last()), (5, Some(1), Some(9)));
        let order: Vec<u64> = std::iter::from_fn(|| lane.pop()).map(|entry| entry.serial).collect();
        assert_eq!(order, [1, 2, 4, 5, 9]);
        assert_eq!((lane.len(), lane.first(), lane.last()), (0, None, None));
    }

    #[test]
    fn one_that_left_is_skipped_and_counted_no_more() {
        let (mut lane, now) = line(&[1, 2, 3, 4]);
        assert!(lane.remove(1).is_some() && lane.remove(3).is_some());
        assert!(lane.remove(3).is_none() && lane.remove(7).is_none(), "it leaves once");
        assert_eq!((lane.len(), lane.runners().count()), (2, 2));
        assert_eq!(lane.earliest(), Some(now + Duration::from_secs(2)));
        assert_eq!((lane.first(), lane.len()), (Some(2), 2));
        assert!(lane.remove(4).is_some());
        assert_eq!(lane.last(), Some(2));
        assert!(lane.next().is_some() && lane.next().is_none());
        assert_eq!((lane.len(), lane.emptied), (0, 0));
    }

    #[test]
    fn those_leave_whose_time_has_come() {
        let (mut lane, now) = line(&[1, 2, 3, 4]);
        let (due, mut gone) = (now + Duration::from_secs(2), Vec::new());
        lane.remove_where(|until| until <= due, &mut gone);
        lane.remove_where(|until| until <= due, &mut gone);
        assert_eq!((gone.len(), lane.len(), lane.first()), (2, 2, Some(3)));
    }

    #[test]
    fn emptied_entries_do_not_pile_up() {
        let (mut lane, _) = line(&(0..100).collect::<Vec<_>>());
        for serial in 0..58 {
            assert!(lane.remove(serial).is_some());
        }
        assert_eq!((lane.len(), lane.line.len()), (42, 100), "58 are 16 more than 42");
        assert!(lane.remove(58).is_some());
        assert_eq!((lane.len(), lane.line.len(), lane.emptied), (41, 41, 0));
    }
}

//! One line of waiters, first in first out. Pure: no clock, no lock, no runtime.
//!
//! Everybody in a pool's queue has a serial number, drawn from one counter, and every line is in the order of these
//! numbers: so whoever leaves from the middle is found by halving, and of two lines it is known whose first has waited
//! longer. One that leaves only empties its entry, which is skipped when its turn comes; that costs no moving about.

use super::waiters::Next;
use crate::moment::Moment;
use crate::runner::Runner;
use std::collections::VecDeque;

/// A place in a line.
pub(crate) struct Entry<G> {
    pub(crate) serial: u64,
    pub(crate) until: Moment,
    /// None when it has left from the middle of the line.
    next: Option<Next<G>>,
}

impl<G> Entry<G> {
    pub(crate) fn new(serial: u64, until: Moment, next: Next<G>) -> Self {
        Entry { serial, until, next: Some(next) }
    }

    /// Whoever stands here.
    pub(crate) fn next(&self) -> Option<&Next<G>> {
        self.next.as_ref()
    }
}

/// The line, in the order of serial numbers.
pub(crate) struct Lane<G> {
    line: VecDeque<Entry<G>>,
    /// Entries that were emptied. Counted instead of those who stand here, because this hardly ever changes: the line's
    /// own length is written anyway.
    emptied: usize,
}

impl<G> Default for Lane<G> {
    fn default() -> Self {
        Lane { line: VecDeque::new(), emptied: 0 }
    }
}

impl<G> Lane<G> {
    /// How many stand in it.
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

    /// Takes the first out of the line.
    pub(crate) fn pop(&mut self) -> Option<Entry<G>> {
        while let Some(entry) = self.line.pop_front() {
            if entry.next.is_some() {
                return Some(entry);
            }
            self.emptied -= 1;
        }
        None
    }

    /// Takes the first out of the line, without its entry.
    pub(crate) fn next(&mut self) -> Option<Next<G>> {
        self.pop().and_then(|entry| entry.next)
    }

    /// The number of the first.
    pub(crate) fn first(&mut self) -> Option<u64> {
        while self.line.front().is_some_and(|entry| entry.next.is_none()) {
            self.line.pop_front();
            self.emptied -= 1;
        }
        self.line.front().map(|entry| entry.serial)
    }

    /// The number of the last.
    pub(crate) fn last(&self) -> Option<u64> {
        self.line.iter().rev().find(|entry| entry.next.is_some()).map(|entry| entry.serial)
    }

    /// Whoever has this number leaves, if it is still here.
    pub(crate) fn remove(&mut self, serial: u64) -> Option<Next<G>> {
        let at = self.line.binary_search_by_key(&serial, |entry| entry.serial).ok()?;
        let next = self.line.get_mut(at)?.next.take()?;
        self.emptied += 1;
        self.sweep();
        Some(next)
    }

    /// Everybody whose time this says has come leaves.
    pub(crate) fn remove_where(&mut self, due: impl Fn(Moment) -> bool, into: &mut Vec<Next<G>>) {
        let before = into.len();
        into.extend(
            self.line.iter_mut().filter(|entry| due(entry.until)).filter_map(|entry| entry.next.take()),
        );
        self.emptied += into.len() - before;
        self.sweep();
    }

    /// When the next of them gives up.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        self.line.iter().filter(|entry| entry.next.is_some()).map(|entry| entry.until).min()
    }

    /// Which tasks wait here.
    pub(crate) fn runners(&self) -> impl Iterator<Item = Runner> + '_ {
        self.line.iter().filter_map(Entry::next).map(|next| next.who.runner)
    }

    /// Entries that were emptied are skipped when their turn comes; this keeps them from piling up.
    fn sweep(&mut self) {
        if self.emptied > self.len() + 16 {
            self.line.retain(|entry| entry.next.is_some());
            self.emptied = 0;
        }
    }
}

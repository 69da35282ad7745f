//! Who waits, and who is next: places that are shared fairly. Pure: no clock, no lock, no task.
//!
//! Each key (a tenant) has its own row of waiters, first come, first served. The keys take turns: a batch holds waiters of one
//! key, and then it is the next key's turn. So a key whose rows are many waits for itself and not the others for it.
//!
//! The room is shared as well. Where it is full, a key that holds less than the one that holds most gets a place all the
//! same: the newest of that one has to go, and is told.

use std::collections::{BTreeMap, VecDeque};

/// What a waiter is found again by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Waiters by key.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    room: usize,
    held: usize,
    next: u64,
    rows: BTreeMap<K, BTreeMap<Ticket, T>>,
    /// The keys that have waiters, the one whose turn it is first.
    turns: VecDeque<K>,
}

/// What became of one who came.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry<T> {
    /// It waits.
    Waits(Ticket),
    /// It waits, and this one had to go for it.
    InsteadOf(Ticket, T),
    /// There is no room.
    Full(T),
}

impl<K: Ord + Clone, T> FairQueue<K, T> {
    /// An empty one with so many places.
    #[must_use]
    pub fn new(room: usize) -> Self {
        FairQueue { room, held: 0, next: 0, rows: BTreeMap::new(), turns: VecDeque::new() }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Lets one more wait.
    pub fn enter(&mut self, key: &K, waiter: T) -> Entry<T> {
        let gone = if self.held < self.room {
            None
        } else {
            match self.make_room(key) {
                Some(gone) => Some(gone),
                None => return Entry::Full(waiter),
            }
        };
        let ticket = Ticket(self.next);
        self.next += 1;
        self.held += 1;
        let row = self.rows.entry(key.clone()).or_default();
        if row.is_empty() {
            self.turns.push_back(key.clone());
        }
        row.insert(ticket, waiter);
        match gone {
            Some(gone) => Entry::InsteadOf(ticket, gone),
            None => Entry::Waits(ticket),
        }
    }

    /// Takes the newest of the key that holds most, if this one holds less by more than one.
    fn make_room(&mut self, key: &K) -> Option<T> {
        let own = self.rows.get(key).map_or(0, BTreeMap::len);
        let (most, row) = self.rows.iter().max_by_key(|(_, row)| row.len())?;
        let newest = row.last_key_value().map(|(ticket, _)| *ticket)?;
        let most = if row.len() > own + 1 { most.clone() } else { return None };
        self.leave(&most, newest)
    }

    /// Takes one out that does not wait any more; none if it was taken already.
    pub fn leave(&mut self, key: &K, ticket: Ticket) -> Option<T> {
        let row = self.rows.get_mut(key)?;
        let waiter = row.remove(&ticket)?;
        self.held -= 1;
        if row.is_empty() {
            self.rows.remove(key);
            self.turns.retain(|other| other != key);
        }
        Some(waiter)
    }

    /// The next batch: up to so many of the key whose turn it is, the oldest first.
    pub fn take(&mut self, most: usize) -> Option<(K, Vec<T>)> {
        self.take_where(most, |_, _| true)
    }

    /// The same of the first key, by turns, that may have its batch now: asked for each key, with how many of it wait. One that
    /// may not keeps its turn.
    pub fn take_where(&mut self, most: usize, mut may: impl FnMut(&K, usize) -> bool) -> Option<(K, Vec<T>)> {
        let waiting = |key| self.rows.get(key).map_or(0, BTreeMap::len);
        let place = self.turns.iter().position(|key| may(key, waiting(key)))?;
        let key = self.turns.remove(place)?;
        let row = self.rows.get_mut(&key)?;
        let mut batch = Vec::with_capacity(row.len().min(most));
        while batch.len() < most.max(1) {
            match row.pop_first() {
                Some((_, waiter)) => batch.push(waiter),
                None => break,
            }
        }
        self.held -= batch.len();
        if row.is_empty() {
            self.rows.remove(&key);
        } else {
            self.turns.push_back(key.clone());
        }
        Some((key, batch))
    }

    /// The keys that have waiters, in the order of their turns.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.turns.iter()
    }

    /// How many are written before one of this key that comes now, if a turn has so many.
    #[must_use]
    pub fn ahead_of(&self, key: &K, turn: usize) -> usize {
        let own = self.rows.get(key).map_or(0, BTreeMap::len);
        let of_each = (own / turn.max(1) + 1).saturating_mul(turn.max(1));
        let others = self.rows.iter().filter(|(other, _)| *other != key);
        own + others.map(|(_, row)| row.len().min(of_each)).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(room: usize, keys: &[(&'static str, usize)]) -> FairQueue<&'static str, usize> {
        let mut queue = FairQueue::new(room);
        for (key, count) in keys {
            for n in 0..*count {
                assert!(matches!(queue.enter(key, n), Entry::Waits(_)));
            }
        }
        queue
    }

    #[test]
    fn the_keys_take_turns_and_each_is_first_come_first_served() {
        let mut queue = filled(100, &[("loud", 7), ("quiet", 1)]);
        assert_eq!(queue.take(3), Some(("loud", vec![0, 1, 2])));
        assert_eq!(queue.take(3), Some(("quiet", vec![0])));
        assert_eq!(queue.take(3), Some(("loud", vec![3, 4, 5])));
        assert_eq!(queue.take(3), Some(("loud", vec![6])));
        assert_eq!((queue.take(3), queue.len()), (None, 0));
    }

    #[test]
    fn a_key_that_may_not_yet_is_passed_over_and_keeps_its_turn() {
        let mut queue = filled(100, &[("busy", 3), ("free", 1), ("other", 2)]);
        assert_eq!(
            queue.take_where(2, |key, waiting| *key != "busy" || waiting > 3),
            Some(("free", vec![0]))
        );
        assert_eq!(queue.take_where(2, |_, _| false), None);
        assert_eq!(queue.keys().collect::<Vec<_>>(), [&"busy", &"other"]);
        assert_eq!(queue.take(2), Some(("busy", vec![0, 1])), "it is still the first");
        assert_eq!(queue.take(2), Some(("other", vec![0, 1])));
    }

    #[test]
    fn one_waits_for_its_own_and_for_a_turn_of_each_other() {
        let queue = filled(1000, &[("loud", 500), ("quiet", 1)]);
        assert_eq!(queue.ahead_of(&"new", 10), 11);
        assert_eq!(queue.ahead_of(&"quiet", 10), 11);
        assert_eq!(queue.ahead_of(&"loud", 10), 501);
    }

    #[test]
    fn a_full_room_has_a_place_for_who_holds_less() {
        let mut queue = filled(4, &[("loud", 4)]);
        assert_eq!(queue.enter(&"loud", 9), Entry::Full(9));
        assert!(matches!(queue.enter(&"quiet", 0), Entry::InsteadOf(_, 3)));
        assert!(matches!(queue.enter(&"quiet", 1), Entry::InsteadOf(_, 2)));
        assert_eq!(queue.enter(&"quiet", 2), Entry::Full(2), "now both hold as much");
        assert_eq!(queue.len(), 4);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is done, each that came is given back exactly once, and never more wait than there is room for.
        #[test]
        fn none_is_lost_and_none_comes_twice(
            room in 1usize..12, steps in prop::collection::vec((0u8..4, 0usize..4, 1usize..5), 0..200),
        ) {
            let (mut queue, mut entered, mut back) = (FairQueue::new(room), Vec::new(), Vec::new());
            let mut tickets = Vec::new();
            for (n, (what, key, most)) in steps.into_iter().enumerate() {
                match what {
                    0 | 1 => match queue.enter(&key, n) {
                        Entry::Waits(ticket) => { entered.push(n); tickets.push((key, ticket)); }
                        Entry::InsteadOf(ticket, gone) => { entered.push(n); back.push(gone); tickets.push((key, ticket)); }
                        Entry::Full(own) => prop_assert_eq!(own, n),
                    },
                    2 => if let Some((key, ticket)) = tickets.pop() { back.extend(queue.leave(&key, ticket)) },
                    _ => if let Some((_, batch)) = queue.take(most) {
                        prop_assert!((1..=most).contains(&batch.len()));
                        back.extend(batch);
                    },
                }
                prop_assert!(queue.len() <= room);
                prop_assert_eq!(queue.len(), entered.len() - back.len());
            }
            while let Some((_, batch)) = queue.take(3) { back.extend(batch) }
            back.sort_unstable();
            prop_assert_eq!(back, entered);
        }

        /// A key that waits is served after at most one batch of each other key.
        #[test]
        fn no_key_waits_for_more_than_a_turn_of_each_other(counts in prop::collection::vec(1usize..40, 2..6), most in 1usize..8) {
            let mut queue = FairQueue::new(1000);
            for (key, count) in counts.iter().enumerate() {
                for n in 0..*count { queue.enter(&key, n); }
            }
            let first: Vec<_> = (0..counts.len()).filter_map(|_| queue.take(most)).map(|(key, _)| key).collect();
            prop_assert_eq!(first, (0..counts.len()).collect::<Vec<_>>());
        }
    }
}

//! A map that forgets what was used least recently, bounded by how many entries it has and by what they weigh together.
//!
//! A count alone bounds nothing: 256 statements may be 20 KB of text or 200 MB.

use lru::LruCache;
use std::borrow::Borrow;
use std::hash::Hash;

/// Bounds of a [`WeightedLru`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Most entries; with 0 nothing is kept.
    pub(super) entries: usize,
    /// Most bytes of all entries together.
    pub(super) bytes: usize,
}

/// Entries with a weight each, the least recently used of which go first.
pub(super) struct WeightedLru<K: Hash + Eq, V> {
    entries: LruCache<K, (V, usize)>,
    bounds: Bounds,
    bytes: usize,
}

impl<K: Hash + Eq, V> WeightedLru<K, V> {
    pub(super) fn new(bounds: Bounds) -> Self {
        WeightedLru { entries: LruCache::unbounded(), bounds, bytes: 0 }
    }

    /// Looks an entry up, which makes it the most recent.
    pub(super) fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// The most recent entry.
    pub(super) fn peek_mru(&self) -> Option<(&K, &V)> {
        self.entries.peek_mru().map(|(key, (value, _))| (key, value))
    }

    /// Keeps an entry and gives back what had to go for it: what had the same key, the least recent ones, or the entry
    /// itself if it weighs more than half of what there may be, because it would push out nearly all the others.
    ///
    /// What is given back is to be dropped outside any lock.
    pub(super) fn put(&mut self, key: K, value: V, weight: usize) -> Vec<V> {
        let mut gone = Vec::new();
        // Also if the new one is not kept: the old one is out of date.
        gone.extend(self.pop(&key));
        if self.bounds.entries == 0 || weight > self.bounds.bytes / 2 {
            gone.push(value);
            return gone;
        }
        while self.entries.len() >= self.bounds.entries || self.bytes + weight > self.bounds.bytes {
            let Some((_, (value, weight))) = self.entries.pop_lru() else { break };
            self.bytes -= weight;
            gone.push(value);
        }
        self.bytes += weight;
        self.entries.put(key, (value, weight));
        gone
    }

    pub(super) fn pop<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (value, weight) = self.entries.pop(key)?;
        self.bytes -= weight;
        Some(value)
    }

    /// Takes everything out, to be dropped outside any lock.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, WeightedLru::new(self.bounds))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn neither_bound_is_ever_passed_and_nothing_is_lost_uncounted(
            entries in 0_usize..6,
            bytes in 0_usize..100,
            puts in prop::collection::vec((0_u8..8, 0_usize..80, any::<bool>()), 0..60),
        ) {
            let mut lru = WeightedLru::new(Bounds { entries, bytes });
            let (mut put, mut gone) = (0, 0);
            for (key, weight, is_pop) in puts {
                if is_pop {
                    gone += usize::from(lru.pop(&key).is_some());
                } else {
                    put += 1;
                    gone += lru.put(key, weight, weight).len();
                    let is_kept = entries > 0 && weight <= bytes / 2;
                    prop_assert_eq!(lru.peek_mru().is_some_and(|(_, kept)| *kept == weight) || !is_kept, true);
                    prop_assert_eq!(lru.get(&key).copied(), is_kept.then_some(weight));
                }
                prop_assert!(lru.len() <= entries && lru.bytes <= bytes);
                prop_assert_eq!(lru.entries.iter().map(|(_, (_, weight))| weight).sum::<usize>(), lru.bytes);
                prop_assert_eq!(put - gone, lru.len());
            }
            let all = lru.len();
            prop_assert_eq!((lru.take().len(), lru.len(), lru.bytes), (all, 0, 0));
        }
    }

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let mut lru = WeightedLru::new(Bounds { entries: 9, bytes: 10 });
        for key in ["a", "b", "c"] {
            assert!(lru.put(key, key, 3).is_empty());
        }
        assert_eq!(lru.get(&"a"), Some(&"a"));
        assert_eq!(lru.put("d", "d", 4), ["b"]);
        assert_eq!(lru.put("e", "e", 5), ["c", "a"]);
        assert_eq!((lru.len(), lru.bytes), (2, 9));
    }
}

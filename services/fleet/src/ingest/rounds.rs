//! When the next group of a key may begin. Pure: the times are arguments.
//!
//! Work that is done for many at a time costs the less for each, the more of them go together. So those of a key (a tenant) that
//! come while a group of it is under way wait for the next one, which begins
//! - when the one under way has ended,
//! - or when so many wait that the next one is full,
//! - or when the newest one began a lull ago: it is slow, it may be stuck, and those who wait for it are not to be stuck as well.
//!
//! Where none of the key is under way, a group begins at once, however small it is: nothing waits for company. Of all keys
//! together, no more groups are under way than there are lanes.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The groups that are under way, by key.
#[derive(Debug)]
pub struct Rounds<K> {
    lanes: usize,
    lull: Duration,
    groups: usize,
    under_way: BTreeMap<K, UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    groups: usize,
    newest: Instant,
}

impl<K: Ord + Clone> Rounds<K> {
    /// None is under way. There are so many lanes, and the next group of a key waits for its last one no longer than the lull.
    #[must_use]
    pub fn new(lanes: usize, lull: Duration) -> Self {
        Rounds { lanes, lull, groups: 0, under_way: BTreeMap::new() }
    }

    /// Whether a lane is free.
    #[must_use]
    pub fn has_a_free_lane(&self) -> bool {
        self.groups < self.lanes
    }

    /// Whether the next group of this key may begin, if a lane is free.
    #[must_use]
    pub fn may_begin(&self, key: &K, is_full: bool, now: Instant) -> bool {
        is_full || self.due(key).is_none_or(|due| due <= now)
    }

    /// When a group of this key that is not full may begin, if one of it is under way.
    #[must_use]
    pub fn due(&self, key: &K) -> Option<Instant> {
        self.under_way.get(key).map(|under_way| under_way.newest + self.lull)
    }

    /// A group of this key begins.
    pub fn begin(&mut self, key: &K, now: Instant) {
        let under_way = self.under_way.entry(key.clone()).or_insert(UnderWay { groups: 0, newest: now });
        under_way.groups += 1;
        under_way.newest = now;
        self.groups += 1;
    }

    /// A group of this key, which had begun, has ended.
    pub fn end(&mut self, key: &K) {
        let Some(under_way) = self.under_way.get_mut(key) else { return };
        under_way.groups -= 1;
        self.groups -= 1;
        if under_way.groups == 0 {
            self.under_way.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LULL: Duration = Duration::from_millis(20);

    #[test]
    fn the_next_waits_for_the_last_unless_it_is_full_or_the_last_is_slow() {
        let (mut rounds, start) = (Rounds::new(4, LULL), Instant::now());
        assert!(rounds.may_begin(&"a", false, start), "an idle one begins at once");
        assert_eq!(rounds.due(&"a"), None);
        rounds.begin(&"a", start);
        assert!(!rounds.may_begin(&"a", false, start));
        assert!(rounds.may_begin(&"a", true, start), "a full one waits for none");
        assert!(rounds.may_begin(&"b", false, start), "each key for itself");
        assert_eq!(rounds.due(&"a"), Some(start + LULL));
        assert!(!rounds.may_begin(&"a", false, start + LULL - Duration::from_nanos(1)));
        assert!(rounds.may_begin(&"a", false, start + LULL), "the last is slow");
        rounds.end(&"a");
        assert!(rounds.may_begin(&"a", false, start));
    }

    #[test]
    fn the_newest_is_the_one_that_is_waited_for() {
        let (mut rounds, start) = (Rounds::new(4, LULL), Instant::now());
        rounds.begin(&"a", start);
        rounds.begin(&"a", start + LULL);
        assert!(!rounds.may_begin(&"a", false, start + LULL));
        assert_eq!(rounds.due(&"a"), Some(start + LULL * 2));
        // One of two has ended: which one is not asked, and the other is still under way.
        rounds.end(&"a");
        assert!(!rounds.may_begin(&"a", false, start + LULL));
        rounds.end(&"a");
        assert_eq!(rounds.due(&"a"), None);
        // What ends twice changes nothing.
        rounds.end(&"a");
        assert!(rounds.has_a_free_lane() && rounds.may_begin(&"a", false, start));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever begins and ends: the lanes are counted, and only a key that has a group under way ever waits.
        #[test]
        fn lanes_are_counted_over_all_keys(steps in prop::collection::vec((0u8..3, any::<bool>()), 0..100)) {
            let (mut rounds, now, mut under_way) = (Rounds::new(4, LULL), Instant::now(), Vec::new());
            for (key, begins) in steps {
                if begins && rounds.has_a_free_lane() {
                    rounds.begin(&key, now);
                    under_way.push(key);
                } else if let Some(at) = under_way.iter().position(|other| *other == key) {
                    under_way.swap_remove(at);
                    rounds.end(&key);
                }
                prop_assert_eq!(rounds.has_a_free_lane(), under_way.len() < 4);
                for key in 0..3 {
                    prop_assert_eq!(rounds.may_begin(&key, false, now), !under_way.contains(&key));
                    prop_assert!(rounds.may_begin(&key, true, now));
                }
            }
        }
    }
}

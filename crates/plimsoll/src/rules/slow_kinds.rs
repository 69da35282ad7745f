//! Which slow executions are told of in full: the first of each kind in a minute.
//!
//! A database that is in trouble makes everything slow at once. A line for each slow execution would then be thousands of
//! lines that say the same, at a time when the disk and the reader can bear them least. So the first execution of a kind is
//! told with all that is known of it; those of the next minute are counted, and their number is told when it is over.
//!
//! The number of kinds is bounded too. While so many kinds are slow in the same minute, those of further kinds are counted
//! together.

use crate::moment::Moment;
use std::collections::HashMap;
use std::time::Duration;

/// Kinds of statements that are told apart within a minute.
pub(crate) const KINDS: usize = 128;

/// How long the executions that follow a first one are only counted.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// What is to be done with a slow execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// Tell all that is known of it; before that, those of its kind that were counted and not told of yet.
    Whole(Option<More>),
    /// It was counted.
    Counted,
}

/// Slow executions that were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct More {
    /// Their kind; `None` for those of the kinds beyond the bound.
    pub(crate) fingerprint: Option<u64>,
    pub(crate) count: u64,
    pub(crate) longest: Duration,
}

/// The executions of one kind since one of it was told of in full.
#[derive(Clone, Copy, Debug)]
struct Minute {
    since: Moment,
    count: u64,
    longest: Duration,
}

impl Minute {
    fn begin(since: Moment) -> Self {
        Minute { since, count: 0, longest: Duration::ZERO }
    }

    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.longest = self.longest.max(took);
    }

    fn is_over(&self, now: Moment) -> bool {
        now.since(self.since) >= MINUTE
    }

    fn more(&self, fingerprint: Option<u64>) -> Option<More> {
        let Minute { count, longest, .. } = *self;
        (count > 0).then_some(More { fingerprint, count, longest })
    }
}

/// The kinds of statements that were slow within the last minute.
#[derive(Debug, Default)]
pub(crate) struct SlowKinds {
    kinds: HashMap<u64, Minute>,
    /// Those of further kinds.
    others: Option<Minute>,
}

impl SlowKinds {
    /// An execution of this kind was slow.
    pub(crate) fn add(&mut self, fingerprint: u64, took: Duration, now: Moment) -> Told {
        let is_full = self.kinds.len() >= KINDS;
        match self.kinds.get_mut(&fingerprint) {
            Some(minute) if !minute.is_over(now) => {
                minute.add(took);
                Told::Counted
            }
            Some(minute) => {
                let more = minute.more(Some(fingerprint));
                *minute = Minute::begin(now);
                Told::Whole(more)
            }
            None if is_full => {
                self.others.get_or_insert_with(|| Minute::begin(now)).add(took);
                Told::Counted
            }
            None => {
                self.kinds.insert(fingerprint, Minute::begin(now));
                Told::Whole(None)
            }
        }
    }

    /// What is to be told now: of each minute that is over, how many were counted. Those kinds are forgotten, so that the
    /// next slow execution of each is told of in full.
    pub(crate) fn due(&mut self, now: Moment) -> Vec<More> {
        self.take(|minute| minute.is_over(now))
    }

    /// What was counted and not told of yet, because nothing is told from now on.
    pub(crate) fn rest(&mut self) -> Vec<More> {
        self.take(|_| true)
    }

    fn take(&mut self, is_over: impl Fn(&Minute) -> bool) -> Vec<More> {
        let mut due: Vec<More> = self
            .kinds
            .extract_if(|_, minute| is_over(minute))
            .filter_map(|(fingerprint, minute)| minute.more(Some(fingerprint)))
            .collect();
        due.sort_by_key(|more| (std::cmp::Reverse(more.count), more.fingerprint));
        let others = self.others.take_if(|minute| is_over(minute));
        due.extend(others.and_then(|minute| minute.more(None)));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Moment {
        Moment::numbered(1 + seconds * 1_000_000_000)
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn more(fingerprint: Option<u64>, count: u64, seconds: u64) -> More {
        More { fingerprint, count, longest: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_first_of_a_kind_is_told_in_full_and_the_others_are_counted() {
        let mut slow = SlowKinds::default();
        assert_eq!(slow.add(7, SECOND, at(0)), Told::Whole(None));
        assert_eq!(slow.add(8, SECOND, at(0)), Told::Whole(None), "another kind");
        for second in 1..=37 {
            assert_eq!(slow.add(7, Duration::from_secs(second), at(second)), Told::Counted);
        }
        assert_eq!(slow.due(at(59)), vec![]);
        assert_eq!(slow.due(at(60)), vec![more(Some(7), 37, 37)]);
        assert_eq!(slow.due(at(61)), vec![], "it is told once");
        assert_eq!(slow.add(7, SECOND, at(61)), Told::Whole(None), "a new minute");
        assert!(slow.rest().is_empty() && slow.kinds.is_empty());
    }

    #[test]
    fn what_was_counted_comes_before_the_next_in_full() {
        let mut slow = SlowKinds::default();
        slow.add(7, SECOND, at(0));
        slow.add(7, SECOND * 3, at(5));
        assert_eq!(slow.add(7, SECOND, at(60)), Told::Whole(Some(more(Some(7), 1, 3))));
        assert_eq!(slow.add(7, SECOND, at(119)), Told::Counted, "its minute begins anew");
        assert_eq!(slow.rest(), vec![more(Some(7), 1, 1)]);
    }

    #[test]
    fn kinds_beyond_the_bound_are_counted_together() {
        let mut slow = SlowKinds::default();
        for kind in 0..u64::try_from(KINDS).unwrap() {
            assert_eq!(slow.add(kind, SECOND, at(0)), Told::Whole(None));
        }
        for kind in 1_000..1_010 {
            assert_eq!(slow.add(kind, SECOND, at(1)), Told::Counted);
        }
        assert_eq!(slow.add(0, SECOND, at(1)), Told::Counted, "a known kind is still known");
        assert_eq!(slow.due(at(60)), vec![more(Some(0), 1, 1)]);
        assert_eq!(slow.due(at(61)), vec![more(None, 10, 1)]);
        assert_eq!(slow.add(1_000, SECOND, at(61)), Told::Whole(None));
    }

    proptest! {
        #[test]
        fn each_execution_is_told_of_exactly_once_and_the_table_is_bounded(
            steps in prop::collection::vec((0_u64..200, 0_u64..20, any::<bool>()), 0..600),
        ) {
            let mut slow = SlowKinds::default();
            let (mut now, mut told, mut whole) = (0, 0, HashMap::new());
            for &(kind, later, is_tick) in &steps {
                now += later;
                if is_tick {
                    told += slow.due(at(now)).iter().map(|more| more.count).sum::<u64>();
                }
                match slow.add(kind, SECOND, at(now)) {
                    Told::Counted => {}
                    Told::Whole(before) => {
                        told += 1 + before.map_or(0, |more| more.count);
                        let last = whole.insert(kind, now);
                        prop_assert!(last.is_none_or(|last| now - last >= 60), "{kind} at {last:?} and {now}");
                    }
                }
                prop_assert!(slow.kinds.len() <= KINDS);
            }
            told += slow.rest().iter().map(|more| more.count).sum::<u64>();
            prop_assert_eq!(told, steps.len() as u64);
        }
    }
}

//! How far a replica is behind, as a time that can be proven.
//!
//! A replica's own clock does not tell: `now() - pg_last_xact_replay_timestamp()` grows on an idle primary although nothing
//! is missing, and stays small on a replica that has received nothing for an hour and replays what it has. So the places
//! in the log are compared. The primary is asked again and again how far its log was written, and each answer is kept with
//! the moment at which the question was sent: all that was committed before that moment lies before that place. A replica
//! that has replayed up to the place therefore shows everything that was committed up to the moment. The age of the latest
//! such moment is the most by which the replica can be behind.
//!
//! The bound is never better than the interval between two questions. A primary that does not answer gives no new moments,
//! so the bound grows: from then on nothing is known of what it commits.
//!
//! What counts is the log as it was flushed. A commit with `synchronous_commit = off` is visible on the primary for a
//! moment before that (up to three times `wal_writer_delay`, 0.6 s by default), and is not counted in that time.

use crate::lsn::Lsn;
use crate::moment::Moment;
use std::collections::VecDeque;

/// Answers that are kept. Where there are more, every second one of the older half is dropped: the bound of a replica
/// that is far behind then grows coarser, and is never too small.
const KEPT: usize = 512;

/// All that was committed before `at` lies before `lsn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    lsn: Lsn,
    at: Moment,
}

/// How far the primary's log was written, and when.
#[derive(Debug, Default)]
pub(crate) struct LogHistory {
    /// From the oldest to the latest; places and moments both grow.
    marks: VecDeque<Mark>,
}

impl LogHistory {
    /// The primary answered a question that was sent at that moment.
    pub(crate) fn note(&mut self, lsn: Lsn, at: Moment) {
        let Some(last) = self.marks.back_mut() else {
            self.marks.push_back(Mark { lsn, at });
            return;
        };
        if lsn < last.lsn || at < last.at {
            // Another server, or a question that was overtaken: nothing follows from it.
            return;
        }
        if lsn == last.lsn {
            // Nothing was written meanwhile.
            last.at = at;
            return;
        }
        self.marks.push_back(Mark { lsn, at });
        if self.marks.len() > KEPT {
            self.thin();
        }
    }

    /// Another server has taken over, whose log is another one from some place on.
    pub(crate) fn forget(&mut self) {
        self.marks.clear();
    }

    /// The moment up to which a replica that has replayed so much shows every commit; `None` if that is not known.
    pub(crate) fn as_of(&self, replayed: Lsn) -> Option<Moment> {
        let behind = self.marks.partition_point(|mark| mark.lsn <= replayed);
        self.marks.get(behind.checked_sub(1)?).map(|mark| mark.at)
    }

    /// When the primary was last asked with success.
    pub(crate) fn latest(&self) -> Option<Moment> {
        self.marks.back().map(|mark| mark.at)
    }

    fn thin(&mut self) {
        let half = self.marks.len() / 2;
        let mut place = 0;
        self.marks.retain(|_| {
            place += 1;
            place > half || place % 2 == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(base: Moment, millis: u64) -> Moment {
        base + Duration::from_millis(millis)
    }

    #[test]
    fn an_idle_primary_makes_no_replica_late() {
        let base = Moment::numbered(1_000_000);
        let mut history = LogHistory::default();
        for second in 0..3_600 {
            history.note(Lsn::numbered(100), at(base, second * 1_000));
        }
        assert_eq!(history.as_of(Lsn::numbered(100)), Some(at(base, 3_599_000)));
        assert_eq!(history.as_of(Lsn::numbered(99)), None, "nothing is known of one that lacks something");
    }

    #[test]
    fn a_replica_that_stands_still_falls_behind_by_the_clock() {
        let base = Moment::numbered(1_000_000);
        let mut history = LogHistory::default();
        for tick in 0..10 {
            history.note(Lsn::numbered(100 + tick), at(base, tick * 250));
        }
        assert_eq!(history.as_of(Lsn::numbered(103)), Some(at(base, 750)));
        assert_eq!(history.latest(), Some(at(base, 2_250)));
        history.forget();
        assert_eq!(history.as_of(Lsn::numbered(1_000)), None);
    }

    proptest! {
        /// The truth: `commits[i]` is the place of the log at tick `i`. A replica that has replayed `r` misses the first
        /// commit behind `r`; the bound must not be younger than that.
        #[test]
        fn the_bound_is_never_too_small_and_memory_is_bounded(
            steps in prop::collection::vec(0_u64..3, 1..3_000),
            replayed in 0_u64..6_000,
        ) {
            let base = Moment::numbered(1_000_000);
            let mut history = LogHistory::default();
            let mut lsn = 0;
            let mut first_missing = None;
            for (tick, step) in steps.iter().enumerate() {
                lsn += step;
                let now = at(base, tick as u64);
                // The commit of this tick comes before the question.
                if lsn > replayed && first_missing.is_none() {
                    first_missing = Some(now);
                }
                history.note(Lsn::numbered(lsn), now);
                prop_assert!(history.marks.len() <= KEPT);
            }
            if let Some(as_of) = history.as_of(Lsn::numbered(replayed)) {
                prop_assert!(first_missing.is_none_or(|missing| as_of < missing));
            }
            if first_missing.is_none() {
                prop_assert_eq!(history.as_of(Lsn::numbered(replayed)), history.latest());
            }
        }
    }
}

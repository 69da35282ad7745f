//! What is known of each kind of statement, in a table of bounded size.
//!
//! A statement is found by its text through a number that stands for the text, so that its fingerprint is made once and
//! not at each execution. Both tables forget first what was used longest ago.

use super::endings::Ending;
use super::spread::Spread;
use crate::sql::fingerprint::Normalised;
use lru::LruCache;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// Kinds of statements that are kept, each with at most 2 kB of text.
pub(crate) const KINDS: usize = 512;

/// Texts whose fingerprint is remembered, 16 bytes each.
const TEXTS: usize = 4_096;

/// One execution, ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Execution {
    pub(crate) took: Duration,
    pub(crate) rows: u64,
    pub(crate) ending: Ending,
    pub(crate) is_slow: bool,
    pub(crate) ended: SystemTime,
}

/// All statements of one fingerprint.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) text: Box<str>,
    pub(crate) executions: u64,
    pub(crate) total: Duration,
    pub(crate) max: Duration,
    pub(crate) errors: u64,
    pub(crate) rows: u64,
    pub(crate) slow: u64,
    pub(crate) last: SystemTime,
    /// The times of those that were answered, or stopped before they were.
    pub(crate) spread: Spread,
}

impl Kind {
    pub(crate) fn mean(&self) -> Duration {
        let nanos = self.total.as_nanos() / u128::from(self.executions.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn add(&mut self, execution: &Execution) {
        self.executions += 1;
        self.total = self.total.saturating_add(execution.took);
        self.max = self.max.max(execution.took);
        self.errors += u64::from(execution.ending.is_failed());
        self.rows += execution.rows;
        self.slow += u64::from(execution.is_slow);
        self.last = execution.ended;
        // One that failed by itself says nothing of how long an answer takes.
        match execution.ending {
            Ending::Answered => self.spread.answered(execution.took),
            ending if ending.is_timeout() || ending == Ending::Dropped => self.spread.cut_off(),
            _ => {}
        }
    }
}

/// The bounded table.
#[derive(Debug)]
pub(crate) struct Queries {
    /// From the number of a text to its fingerprint.
    texts: LruCache<u64, u64>,
    kinds: LruCache<u64, Kind>,
    /// Kinds that had to make room.
    left: u64,
}

impl Queries {
    pub(crate) fn new() -> Self {
        // Bounded from the start, the two would take all their memory at once; so what is too much is taken out here.
        Queries { texts: LruCache::unbounded(), kinds: LruCache::unbounded(), left: 0 }
    }

    /// Adds an execution of a known text; says whether it was known.
    pub(crate) fn add_known(&mut self, text: u64, execution: &Execution) -> bool {
        let kind = self.texts.get(&text).copied().and_then(|fingerprint| self.kinds.get_mut(&fingerprint));
        kind.map(|kind| kind.add(execution)).is_some()
    }

    /// Adds an execution of a text that was not known.
    pub(crate) fn add(&mut self, text: u64, normalised: Normalised, execution: &Execution) {
        self.texts.put(text, normalised.fingerprint);
        if self.texts.len() > TEXTS {
            self.texts.pop_lru();
        }
        let kind = self.kinds.get_or_insert_mut(normalised.fingerprint, || Kind {
            text: normalised.text.into(),
            executions: 0,
            total: Duration::ZERO,
            max: Duration::ZERO,
            errors: 0,
            rows: 0,
            slow: 0,
            last: execution.ended,
            spread: Spread::default(),
        });
        kind.add(execution);
        if self.kinds.len() > KINDS {
            self.kinds.pop_lru();
            self.left += 1;
        }
    }

    /// Adds those of earlier runs.
    pub(crate) fn add_left(&mut self, earlier: u64) {
        self.left = self.left.saturating_add(earlier);
    }

    /// The kind of a text.
    pub(crate) fn known(&self, text: u64) -> Option<&Kind> {
        self.kinds.peek(self.texts.peek(&text)?)
    }

    /// The fingerprint of a known text, and the text of its kind.
    pub(crate) fn kind_of(&self, text: u64) -> Option<(u64, String)> {
        let fingerprint = *self.texts.peek(&text)?;
        Some((fingerprint, self.kinds.peek(&fingerprint)?.text.to_string()))
    }

    /// Kinds that had to make room for others.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// So many kinds by each of three measures: the time of all executions together, their mean, and how many failed. A kind
    /// that is among the first by several is there once; the one with the most time in all comes first.
    pub(crate) fn top(&self, limit: usize) -> Vec<(u64, Kind)> {
        let mut chosen: HashMap<u64, &Kind> = HashMap::new();
        let mut all: Vec<(&u64, &Kind)> = self.kinds.iter().collect();
        let measures: [fn(&Kind) -> u128; 3] =
            [|kind| kind.total.as_nanos(), |kind| kind.mean().as_nanos(), |kind| u128::from(kind.errors)];
        for measure in measures {
            all.sort_by_key(|(fingerprint, kind)| (std::cmp::Reverse(measure(kind)), **fingerprint));
            let first = all.iter().take(limit).filter(|(_, kind)| measure(kind) > 0);
            chosen.extend(first.map(|(fingerprint, kind)| (**fingerprint, *kind)));
        }
        let mut chosen: Vec<_> =
            chosen.into_iter().map(|(fingerprint, kind)| (fingerprint, kind.clone())).collect();
        chosen.sort_by_key(|(fingerprint, kind)| (std::cmp::Reverse(kind.total), *fingerprint));
        chosen
    }

    /// So many kinds that pass, the slowest on average first.
    pub(crate) fn slowest(&self, limit: usize, passes: impl Fn(&Kind) -> bool) -> Vec<(u64, Kind)> {
        let mut kinds: Vec<_> = self.kinds.iter().filter(|(_, kind)| passes(kind)).collect();
        kinds.sort_by_key(|(fingerprint, kind)| (std::cmp::Reverse(kind.mean()), **fingerprint));
        kinds.into_iter().take(limit).map(|(fingerprint, kind)| (*fingerprint, kind.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execution(ms: u64, is_failed: bool) -> Execution {
        let took = Duration::from_millis(ms);
        Execution {
            took,
            rows: 2,
            ending: if is_failed { Ending::FailedElsewhere } else { Ending::Answered },
            is_slow: ms > 1_000,
            ended: SystemTime::now(),
        }
    }

    fn kind(fingerprint: u64) -> Normalised {
        Normalised { fingerprint, text: format!("select {fingerprint}") }
    }

    #[test]
    fn executions_of_one_fingerprint_are_added_up_whatever_their_text() {
        let mut queries = Queries::new();
        assert!(!queries.add_known(1, &execution(10, false)), "nothing is known yet, and nothing was added");
        queries.add(1, kind(7), &execution(10, false));
        queries.add(2, kind(7), &execution(40, true));
        assert!(queries.add_known(1, &execution(1_150, false)));
        queries.add(3, kind(8), &execution(30, false));
        let slowest = queries.slowest(10, |_| true);
        let (fingerprint, first) = &slowest[0];
        assert_eq!((slowest.len(), *fingerprint, &*first.text), (2, 7, "select 7"));
        assert_eq!((first.executions, first.errors, first.rows, first.slow), (3, 1, 6, 1));
        assert_eq!(
            (first.total.as_millis(), first.mean().as_millis(), first.max.as_millis()),
            (1_200, 400, 1_150)
        );
        assert_eq!(queries.slowest(1, |kind| kind.slow == 0)[0].0, 8);
        assert_eq!(queries.kind_of(2), Some((7, "select 7".to_owned())));
        assert_eq!(queries.kind_of(7), None, "that is a fingerprint and no text");
    }

    #[test]
    fn the_top_holds_the_first_by_each_measure_once() {
        let mut queries = Queries::new();
        // By total: 1, 2, 3; by mean: 3, 2, 1; only 4 has failed.
        (0..100).for_each(|_| queries.add(1, kind(1), &execution(10, false)));
        (0..4).for_each(|_| queries.add(2, kind(2), &execution(100, false)));
        queries.add(3, kind(3), &execution(200, false));
        queries.add(4, kind(4), &execution(1, true));
        let top = |limit| queries.top(limit).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
        assert_eq!((top(1), top(10)), (vec![1, 3, 4], vec![1, 2, 3, 4]));
        assert!(top(0).is_empty());
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let mut queries = Queries::new();
        queries.add(0, kind(0), &execution(1, false));
        let more = u64::try_from(KINDS).unwrap() + 100;
        for number in 1..more {
            queries.add(number, kind(number), &execution(1, false));
            assert!(queries.add_known(0, &execution(1, false)), "it is used all the time");
        }
        assert_eq!((queries.kinds.len(), queries.left()), (KINDS, 100));
        assert!(!queries.add_known(1, &execution(1, false)), "it had to make room");
        for number in 0..100_000 {
            queries.add(number, kind(number % 3), &execution(1, false));
        }
        assert_eq!(queries.texts.len(), TEXTS);
    }
}

//! Puts settings that differ from transaction to transaction into BEGIN's message: the limits that a deadline has
//! tightened, and the name of the session.
//!
//! `pg_stat_statements` keeps one entry for each text, and statements that only differ in constants are one text to it. For
//! `SET` that is so from PostgreSQL 18 on. Before, each value is an entry of its own, so that two hundred transactions with
//! two settings each leave four hundred entries and push others out. There `SELECT set_config(..)` is what counts as one.
//!
//! A SELECT takes a snapshot, and `SET` takes none. In READ COMMITTED that is of no matter, since each statement takes its
//! own. Where one snapshot serves the whole transaction, it would be taken at BEGIN: what commits while the first
//! statement waits in `LOCK TABLE` would not be seen, though the lock was taken to see it. So there the limits go by `SET`
//! before PostgreSQL 18 too, and the name is left out. Limits that are stamped for a deadline are [rounded], so they have
//! at most ninety values in each power of ten.
//!
//! A `SET` costs the server some 2 µs of CPU time, a SELECT of `set_config` some 6 µs, and each further `set_config` in it
//! some 5 µs; the whole of a transaction with one read by its key costs 40 µs.

use super::stated::quoted;
use std::fmt::Write;
use std::time::Duration;

/// From this version on, `SET` counts as one text whatever the value is.
const COUNTS_SET_ONCE: u32 = 180_000;

/// How settings that vary are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By `SET LOCAL`, of which the server counts each value.
    SetOfFew,
    /// By `SET LOCAL`, of which the server counts all values as one text.
    Set,
    /// By one SELECT of `set_config`.
    Select,
}

impl Way {
    /// On a server of this version; `keeps_its_snapshot` where the first snapshot serves the whole transaction.
    pub(crate) fn of(version: u32, keeps_its_snapshot: bool) -> Self {
        match (version >= COUNTS_SET_ONCE, keeps_its_snapshot) {
            (true, _) => Way::Set,
            (false, true) => Way::SetOfFew,
            (false, false) => Way::Select,
        }
    }

    /// Whether a setting may have any number of values.
    pub(crate) fn takes_any(self) -> bool {
        self != Way::SetOfFew
    }

    /// Adds statements that set these for the open transaction.
    pub(crate) fn put<'a>(self, sql: &mut String, settings: impl Iterator<Item = (&'static str, &'a str)>) {
        let mut separator = " SELECT";
        for (name, value) in settings {
            let value = quoted(value);
            let _ = match self {
                Way::Set | Way::SetOfFew => write!(sql, " SET LOCAL {name} = {value};"),
                Way::Select => write!(sql, "{separator} pg_catalog.set_config('{name}', {value}, true)"),
            };
            separator = ",";
        }
        if self == Way::Select && separator == "," {
            sql.push(';');
        }
    }
}

/// The limit, rounded down to two significant digits of its milliseconds and never to 0, which would mean no limit.
pub(crate) fn rounded(limit: Duration) -> Duration {
    let mut digits = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1);
    let mut power = 1;
    while digits >= 100 {
        digits /= 10;
        power *= 10;
    }
    Duration::from_millis(digits * power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_rounded_is_no_longer_and_hardly_shorter(nanos in 1_000_000..u64::MAX) {
            let limit = Duration::from_nanos(nanos);
            let rounded = rounded(limit);
            prop_assert!(rounded <= limit && !rounded.is_zero());
            prop_assert!(rounded + rounded / 10 + Duration::from_millis(1) > limit, "{limit:?} -> {rounded:?}");
            let text = rounded.as_millis().to_string();
            prop_assert!(text.trim_end_matches('0').len() <= 2, "{}", text);
        }
    }

    #[test]
    fn a_limit_that_has_passed_is_the_shortest_and_not_none() {
        assert_eq!(rounded(Duration::ZERO), Duration::from_millis(1));
        assert_eq!(rounded(Duration::from_micros(900)), Duration::from_millis(1));
        assert_eq!(rounded(Duration::from_millis(99)), Duration::from_millis(99));
        assert_eq!(rounded(Duration::from_millis(4_999)), Duration::from_millis(4_900));
        assert!(rounded(Duration::MAX) > Duration::from_secs(1_000_000_000));
    }

    #[test]
    fn each_server_is_told_in_the_way_that_fills_no_statistics() {
        let settings = [("statement_timeout", "4900"), ("application_name", "a #'1 b\\")];
        let put = |way: Way, count| {
            let mut sql = String::from("BEGIN;");
            way.put(&mut sql, settings.into_iter().take(count));
            sql
        };
        let by_set =
            "BEGIN; SET LOCAL statement_timeout = '4900'; SET LOCAL application_name = E'a #''1 b\\\\';";
        assert_eq!(put(Way::of(180_000, false), 2), by_set);
        assert_eq!(put(Way::of(180_000, true), 2), by_set);
        assert_eq!(
            put(Way::of(170_010, false), 2),
            "BEGIN; SELECT pg_catalog.set_config('statement_timeout', '4900', true), \
             pg_catalog.set_config('application_name', E'a #''1 b\\\\', true);"
        );
        assert_eq!(put(Way::of(170_010, true), 1), "BEGIN; SET LOCAL statement_timeout = '4900';");
        assert!(!Way::of(170_010, true).takes_any());
        for way in [Way::Set, Way::SetOfFew, Way::Select] {
            assert_eq!(put(way, 0), "BEGIN;");
        }
    }
}

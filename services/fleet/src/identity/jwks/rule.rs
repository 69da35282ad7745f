//! When the keys of an identity provider are fetched, and until when those that are known are good. `now` is an argument.

use std::time::{Duration, Instant};

/// Keys are good for so long without a look at the provider.
pub(crate) const FRESH: Duration = Duration::from_secs(300);

/// While the provider is away, they are good for so long.
pub(crate) const STALE: Duration = Duration::from_secs(3600);

/// From the beginning of one fetch to that of the next, whatever tokens come.
pub(crate) const COOLDOWN: Duration = Duration::from_secs(10);

/// What is known of the fetches.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fetches {
    /// When the keys were asked for that are known.
    pub(crate) read_at: Option<Instant>,
    /// When the last fetch began.
    pub(crate) tried_at: Option<Instant>,
    /// Whether it failed.
    pub(crate) failed: bool,
}

/// What to do with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The keys that are known decide.
    Use,
    /// They decide, and are fetched anew meanwhile.
    UseAndFetch,
    /// They are fetched first.
    FetchFirst,
    /// The provider has no such key.
    Unknown,
    /// It cannot be known at the moment; it is worth asking again after this long.
    Away(Duration),
}

impl Fetches {
    /// Whether the keys that are known may still be used.
    pub(crate) fn are_good(&self, now: Instant) -> bool {
        self.read_at.is_some_and(|read| now.saturating_duration_since(read) <= STALE)
    }

    /// What to do with a token whose key is known or not.
    pub(crate) fn step(&self, is_known: bool, now: Instant) -> Step {
        let since = |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then));
        let wait = since(self.tried_at).map_or(Duration::ZERO, |since| COOLDOWN.saturating_sub(since));
        let may_fetch = wait.is_zero();
        match since(self.read_at) {
            Some(age) if age <= STALE => match (is_known, may_fetch) {
                (true, _) if age <= FRESH => Step::Use,
                // The last fetch failed, and this one may as well: no caller waits for it.
                (true, true) if self.failed => Step::UseAndFetch,
                (_, true) => Step::FetchFirst,
                (true, false) => Step::Use,
                (false, false) if self.failed => Step::Away(wait),
                (false, false) => Step::Unknown,
            },
            _ if may_fetch => Step::FetchFirst,
            _ => Step::Away(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Read and tried so long ago.
    fn fetches(now: Instant, read: Option<u64>, tried: Option<u64>, failed: bool) -> Fetches {
        let ago = |seconds: Option<u64>| seconds.map(|seconds| now - Duration::from_secs(seconds));
        Fetches { read_at: ago(read), tried_at: ago(tried), failed }
    }

    #[test]
    fn each_case() {
        let now = Instant::now() + Duration::from_secs(100_000);
        let rest = |seconds| Step::Away(Duration::from_secs(seconds));
        for (read, tried, failed, is_known, step) in [
            (None, None, false, false, Step::FetchFirst),
            (None, Some(4), true, false, rest(6)),
            (None, Some(10), true, false, Step::FetchFirst),
            (Some(300), Some(300), false, true, Step::Use),
            (Some(301), Some(301), false, true, Step::FetchFirst),
            (Some(301), Some(5), true, true, Step::Use),
            (Some(301), Some(10), true, true, Step::UseAndFetch),
            (Some(3601), Some(10), true, true, Step::FetchFirst),
            (Some(3601), Some(3), true, true, rest(7)),
            (Some(20), Some(20), false, false, Step::FetchFirst),
            (Some(9), Some(9), false, false, Step::Unknown),
            (Some(60), Some(9), true, false, rest(1)),
        ] {
            assert_eq!(
                fetches(now, read, tried, failed).step(is_known, now),
                step,
                "{read:?} {tried:?} {failed}"
            );
        }
    }

    proptest! {
        /// No token of any kind begins a fetch within the cooldown, and no key is used beyond its time.
        #[test]
        fn no_storm_and_no_key_for_ever(
            read in proptest::option::of(0u64..10_000), tried in proptest::option::of(0u64..10_000),
            failed: bool, is_known: bool,
        ) {
            let now = Instant::now() + Duration::from_secs(100_000);
            let step = fetches(now, read, tried, failed).step(is_known, now);
            if tried.is_some_and(|tried| tried < COOLDOWN.as_secs()) {
                prop_assert!(!matches!(step, Step::FetchFirst | Step::UseAndFetch));
            }
            if !is_known || read.is_none_or(|read| read > STALE.as_secs()) {
                prop_assert!(!matches!(step, Step::Use | Step::UseAndFetch));
            }
        }
    }
}

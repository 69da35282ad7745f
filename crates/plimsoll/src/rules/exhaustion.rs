//! When a pool is exhausted, as an event with a beginning and an end.
//!
//! A hundred refused callers in one minute are one exhaustion and not a hundred. It begins with the first caller that is
//! refused because there are too few connections, and ends once no such caller was refused for a second and a connection
//! can be had at once.

use crate::moment::Moment;
use std::time::Duration;

/// So long nothing may be refused before it is over.
const CALM: Duration = Duration::from_secs(1);

/// Whether a pool is exhausted, and how often it was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Exhaustion {
    /// Callers that were refused for lack of connections, at the last look.
    refused: u64,
    /// The last look that found more of them, while the exhaustion lasts.
    last: Option<Moment>,
    count: u64,
}

impl Exhaustion {
    /// Looks at the pool: how many callers it has refused for lack of connections since it began, and whether a caller
    /// would get a connection at once now.
    pub(crate) fn look(&mut self, refused: u64, is_free: bool, now: Moment) {
        if refused > self.refused {
            self.refused = refused;
            self.count += u64::from(self.last.is_none());
            self.last = Some(now);
        } else if is_free && self.last.is_some_and(|last| now.since(last) >= CALM) {
            self.last = None;
        }
    }

    /// Whether it lasts.
    pub(crate) fn lasts(&self) -> bool {
        self.last.is_some()
    }

    /// How often it has begun.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_refusals_are_one_exhaustion_until_the_pool_was_free_for_a_second() {
        let start = Moment::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pool = Exhaustion::default();
        pool.look(0, true, at(0));
        pool.look(0, false, at(10));
        assert_eq!((pool.lasts(), pool.count()), (false, 0), "a full pool that refuses no caller is none");
        for (refused, is_free, ms, lasts, count) in [
            (1, false, 100, true, 1),
            (7, true, 900, true, 1),
            (7, true, 1_899, true, 1),
            (7, false, 2_500, true, 1),
            (7, true, 2_501, false, 1),
            (8, true, 2_502, true, 2),
            (8, true, 3_502, false, 2),
            (8, true, 9_000, false, 2),
        ] {
            pool.look(refused, is_free, at(ms));
            assert_eq!((pool.lasts(), pool.count()), (lasts, count), "at {ms} ms");
        }
    }
}

//! A point in time as one number.
//!
//! While the pool's lock is held, times are stored, compared and subtracted many times for each hand-over, and other
//! tasks wait for the lock. tokio's `Instant` is two numbers with a carry between them; a `Moment` is one, so each of
//! these operations is a single instruction, and it fits in an atomic.

use std::num::NonZeroU64;
use std::ops::Add;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

/// The zero of the count: a day before its first use, so that earlier instants can be expressed as well.
static EPOCH: LazyLock<Instant> = LazyLock::new(|| {
    let now = std::time::Instant::now();
    Instant::from_std(now.checked_sub(Duration::from_secs(24 * 3600)).unwrap_or(now))
});

/// Nanoseconds since the process's epoch; enough for five centuries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

impl Moment {
    /// Later than every other moment.
    pub(crate) const NEVER: Moment = Moment(NonZeroU64::MAX);

    pub(crate) fn now() -> Self {
        Instant::now().into()
    }

    /// The instant of tokio's clock, for its timers.
    pub(crate) fn instant(self) -> Instant {
        let far = Duration::from_secs(365 * 24 * 3600);
        EPOCH.checked_add(Duration::from_nanos(self.0.get())).unwrap_or_else(|| Instant::now() + far)
    }

    /// The number, for an atomic.
    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }

    /// The moment behind a number.
    pub(crate) fn numbered(number: u64) -> Self {
        Moment(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }

    /// Earlier by so many nanoseconds, at the earliest the zero of the count.
    #[inline]
    pub(crate) fn earlier_by(self, nanos: u64) -> Self {
        Moment::numbered(self.number().saturating_sub(nanos))
    }

    /// The time since this moment.
    pub(crate) fn elapsed(self) -> Duration {
        Moment::now().since(self)
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[inline]
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// The same, in nanoseconds.
    #[inline]
    pub(crate) fn nanos_since(self, earlier: Moment) -> u64 {
        self.number().saturating_sub(earlier.number())
    }
}

impl From<Instant> for Moment {
    #[inline]
    fn from(at: Instant) -> Self {
        Moment::numbered(nanos(at.saturating_duration_since(*EPOCH)))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    /// At the latest [`Moment::NEVER`].
    #[inline]
    fn add(self, span: Duration) -> Moment {
        Moment(self.0.saturating_add(nanos(span)))
    }
}

/// A span in nanoseconds.
#[inline]
pub(crate) fn nanos(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(span.subsec_nanos()))
}

/// A span in seconds with at most one decimal, as log texts that operators search for print it: `3`, `0.5`.
pub(crate) fn in_seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_says_what_the_clock_says(first in 0_u64..1 << 60, span in 0_u64..1 << 60) {
            let begin = *EPOCH + Duration::from_nanos(1 + first);
            let end = begin + Duration::from_nanos(span);
            let (one, other) = (Moment::from(begin), Moment::from(end));
            prop_assert_eq!(other.since(one), Duration::from_nanos(span));
            prop_assert_eq!(one.since(other), Duration::ZERO);
            prop_assert_eq!(one + Duration::from_nanos(span), other);
            prop_assert_eq!(one.instant(), begin);
            prop_assert_eq!(one < other, span > 0);
        }
    }

    #[test]
    fn a_span_without_end_ends_at_the_last_moment() {
        assert_eq!(Moment::now() + Duration::MAX, Moment::NEVER);
    }
}

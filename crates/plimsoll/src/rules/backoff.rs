//! How long to wait before another try or another connect, and whether a try still fits.
//!
//! Two callers that collided once collide again if they wait equally long, so the pause is drawn at random between zero
//! and a ceiling (full jitter: of the usual kinds the one that spreads best). The ceiling doubles from 10 ms, about one
//! small transaction, to half a second: what has not passed by then is not a collision any more.

use std::time::Duration;

/// The most tries there are, the first included.
pub(crate) const TRIES: u32 = 5;
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

/// The pause after this many tries; `draw` is a random number between 0 and 1.
pub(crate) fn pause(tried: u32, draw: f64) -> Duration {
    let ceiling = FIRST.saturating_mul(1 << tried.min(10).saturating_sub(1)).min(LONGEST);
    ceiling.mul_f64(draw.clamp(0.0, 1.0))
}

/// How long to wait before the next attempt to connect: between half of `full` and all of it.
///
/// All programs lose their server in the same moment, and a server that comes back must not be overrun by all of them at
/// once. So every pause between connects is drawn here, the longest included: a draw that is cut at a ceiling would have
/// half of the programs come in the same moment.
pub(crate) fn before_connect(full: Duration, draw: f64) -> Duration {
    full.mul_f64(0.5 + 0.5 * draw.clamp(0.0, 1.0))
}

/// Whether another try could begin after the pause. A statement ends by this margin before its deadline, so one that
/// begins within the margin could only say that it had no time, instead of what went wrong.
pub(crate) fn fits(remaining: Option<Duration>, pause: Duration, margin: Duration) -> bool {
    remaining.is_none_or(|remaining| remaining > pause.saturating_add(margin.min(remaining / 4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn pauses_double_up_to_a_ceiling_and_the_jitter_is_full() {
        assert_eq!(pause(1, 1.0), ms(10));
        assert_eq!(pause(2, 1.0), ms(20));
        assert_eq!(pause(6, 1.0), ms(320));
        assert_eq!(pause(7, 1.0), LONGEST);
        assert_eq!(pause(4, 0.5), ms(40));
        assert_eq!(pause(3, 0.0), Duration::ZERO);
        assert_eq!(pause(u32::MAX, 7.0), LONGEST);
    }

    #[test]
    fn a_try_fits_if_it_can_begin_before_the_margin() {
        assert!(fits(None, ms(500), ms(100)));
        assert!(fits(Some(ms(121)), ms(20), ms(30)));
        assert!(!fits(Some(ms(50)), ms(40), ms(100)));
        assert!(fits(Some(ms(50)), ms(30), ms(100)), "a short deadline is not eaten up by its margin");
        assert!(!fits(Some(Duration::ZERO), Duration::ZERO, ms(100)));
        assert!(!fits(Some(ms(40)), ms(30), ms(100)), "it would begin at the margin");
    }

    #[test]
    fn no_two_programs_connect_again_in_the_same_moment() {
        assert_eq!(before_connect(ms(1_000), 0.0), ms(500));
        assert_eq!(before_connect(ms(1_000), 0.5), ms(750));
        assert_eq!(before_connect(ms(1_000), 1.0), ms(1_000));
        let drawn: std::collections::BTreeSet<Duration> =
            (0..100).map(|draw| before_connect(ms(1_000), f64::from(draw) / 100.0)).collect();
        assert_eq!(drawn.len(), 100, "no ceiling makes two draws alike");
        assert_eq!(before_connect(ms(10), 7.0), ms(10));
    }

    proptest::proptest! {
        #[test]
        fn no_pause_is_longer_than_the_ceiling(tried in 0u32.., draw in proptest::num::f64::ANY) {
            // A draw that is no number is a defect of its caller, and no reason to panic.
            let draw = if draw.is_nan() { 0.0 } else { draw };
            proptest::prop_assert!(pause(tried, draw) <= LONGEST);
        }
    }
}

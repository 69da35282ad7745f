//! What a rule makes of one reading after the other: pure, so that it can be compared with a plain account of the same readings.
//!
//! A rule looks at the readings of a device in the order of their times. It fires at a reading that is beyond the limit, once that
//! has been so for its duration: from the first reading beyond it to this one, with none between that was not. It ends at the
//! first reading that is within the limit again.
//!
//! A reading may come late, after one that is newer. It cannot say how things are now, so it ends nothing and begins no time.
//! But where a rule has no duration each reading beyond the limit counts by itself, and a late one fires like any other: the alert
//! it opens is closed by the next reading that is in time.

use jiff::{SignedDuration, Timestamp};

/// What a rule has seen of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The time of the newest reading.
    pub newest: Timestamp,
    /// Since when it has been beyond, if it is.
    pub beyond_since: Option<Timestamp>,
}

/// What follows from a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is something wrong.
    Fires,
    /// Nothing is wrong any more, or never was.
    Ends,
    /// Nothing follows.
    Nothing,
}

/// Looks at one reading of a device: its time, and whether it is beyond the limit.
#[must_use]
pub fn look(seen: Option<Seen>, duration_seconds: i32, time: Timestamp, is_beyond: bool) -> (Seen, Verdict) {
    if let Some(seen) = seen.filter(|seen| time <= seen.newest) {
        let fires = is_beyond && duration_seconds == 0;
        return (seen, if fires { Verdict::Fires } else { Verdict::Nothing });
    }
    if !is_beyond {
        return (Seen { newest: time, beyond_since: None }, Verdict::Ends);
    }
    let since = seen.and_then(|seen| seen.beyond_since).unwrap_or(time);
    let lasted = time.duration_since(since) >= SignedDuration::from_secs(duration_seconds.into());
    let seen = Seen { newest: time, beyond_since: Some(since) };
    (seen, if lasted { Verdict::Fires } else { Verdict::Nothing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn verdicts(duration: i32, readings: &[(i64, bool)]) -> Vec<Verdict> {
        let mut seen = None;
        let mut all = Vec::new();
        for (second, is_beyond) in readings {
            let (next, verdict) = look(seen, duration, at(*second), *is_beyond);
            seen = Some(next);
            all.push(verdict);
        }
        all
    }

    #[test]
    fn it_fires_once_it_has_lasted_and_ends_when_it_is_over() {
        use Verdict::{Ends, Fires, Nothing};
        assert_eq!(verdicts(0, &[(1, false), (2, true), (3, false)]), [Ends, Fires, Ends]);
        let long = [(0, true), (30, true), (59, true), (60, true), (61, true), (62, false), (63, true)];
        assert_eq!(verdicts(60, &long), [Nothing, Nothing, Nothing, Fires, Fires, Ends, Nothing]);
        // The time begins anew after each that is within.
        let broken = [(0, true), (30, false), (31, true), (90, true), (91, true)];
        assert_eq!(verdicts(60, &broken), [Nothing, Ends, Nothing, Nothing, Fires]);
    }

    #[test]
    fn a_late_reading_ends_nothing_and_is_not_lost() {
        use Verdict::{Ends, Fires, Nothing};
        assert_eq!(verdicts(0, &[(10, true), (5, false), (11, false)]), [Fires, Nothing, Ends]);
        assert_eq!(verdicts(0, &[(10, false), (5, true), (11, false)]), [Ends, Fires, Ends]);
        assert_eq!(verdicts(60, &[(100, true), (20, true), (150, true)]), [Nothing; 3]);
    }

    proptest! {
        /// Readings in time, against a plain account: the reading and the run of those before it.
        #[test]
        fn as_a_plain_account_has_it(
            duration in 0..20_i32,
            steps in prop::collection::vec((1..10_i64, any::<bool>()), 0..60),
        ) {
            let mut second = 0;
            let readings: Vec<(i64, bool)> = steps.iter().map(|(step, beyond)| { second += step; (second, *beyond) }).collect();
            for (place, verdict) in verdicts(duration, &readings).into_iter().enumerate() {
                let (now, is_beyond) = readings[place];
                let run = readings[..=place].iter().rev().take_while(|(_, beyond)| *beyond).last();
                let expected = match (is_beyond, run) {
                    (false, _) => Verdict::Ends,
                    (true, Some((first, _))) if now - first >= i64::from(duration) => Verdict::Fires,
                    (true, _) => Verdict::Nothing,
                };
                prop_assert_eq!(verdict, expected, "reading {} of {:?}", place, readings);
            }
        }

        /// In whatever order they come, a rule without a duration fires at each that is beyond.
        #[test]
        fn no_reading_is_lost_in_any_order(readings in prop::collection::vec((0..50_i64, any::<bool>()), 0..60)) {
            for (reading, verdict) in readings.iter().zip(verdicts(0, &readings)) {
                prop_assert_eq!(verdict == Verdict::Fires, reading.1);
            }
        }
    }
}

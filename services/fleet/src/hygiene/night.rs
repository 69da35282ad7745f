//! When the work of the night is due.

use jiff::Timestamp;
use jiff::ToSpan;
use jiff::tz::TimeZone;

/// Whether work that was done last at `done` is due at `now`, where a night begins at this hour of UTC: an hour that is none is
/// midnight's. Work that was never done is due at once.
#[must_use]
pub fn is_due(done: Option<Timestamp>, now: Timestamp, hour: i8) -> bool {
    done.is_none_or(|done| done < last_night(now, hour))
}

/// The beginning of the night that began last.
fn last_night(now: Timestamp, hour: i8) -> Timestamp {
    let today = now.to_zoned(TimeZone::UTC).date();
    let begins = |day: jiff::civil::Date| day.at(hour.clamp(0, 23), 0, 0, 0).to_zoned(TimeZone::UTC);
    let tonight = begins(today).map(|begin| begin.timestamp()).unwrap_or(now);
    if tonight <= now { tonight } else { tonight.checked_sub(24.hours()).unwrap_or(tonight) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn once_a_night_and_at_once_where_it_was_never_done() {
        let now = at("2026-03-10T02:30:00Z");
        assert!(is_due(None, now, 2));
        assert!(is_due(Some(at("2026-03-10T01:59:59Z")), now, 2));
        assert!(!is_due(Some(at("2026-03-10T02:00:00Z")), now, 2));
        // Before the hour it is still the night before.
        assert!(!is_due(Some(at("2026-03-09T02:00:01Z")), at("2026-03-10T01:59:59Z"), 2));
        assert!(is_due(Some(at("2026-03-08T23:00:00Z")), at("2026-03-10T01:59:59Z"), 2));
        assert!(!is_due(Some(at("2026-03-10T00:00:00Z")), at("2026-03-10T23:59:59Z"), 0));
    }

    proptest! {
        /// Looked at every hour or more often, it is done once in each 24 hours.
        #[test]
        fn it_is_done_once_a_day(start in 0i64..4_000_000_000, hour in 0i8..24, step in 60i64..3600) {
            let mut now = Timestamp::from_second(start).unwrap();
            let (mut done, mut times) = (Some(now), Vec::new());
            let end = now.checked_add(240.hours()).unwrap();
            while now < end {
                if is_due(done, now, hour) {
                    done = Some(now);
                    times.push(now);
                }
                now = now.checked_add(step.seconds()).unwrap();
            }
            prop_assert!((9..=11).contains(&times.len()), "{times:?}");
            for pair in times.windows(2) {
                let apart = pair[1].duration_since(pair[0]).as_secs();
                prop_assert!((86_400 - step..=86_400 + step).contains(&apart), "{apart} s");
            }
        }
    }
}

//! Spans of time on the command line: a whole number with its unit, everywhere.
//!
//! A number alone is refused, since libpq counts seconds where PostgreSQL's settings count milliseconds. The units are those of the
//! library's settings (`ms`, `s`, `min`, `h`), and `m` and `d` as people write them at a prompt.

use plimsoll::settings::Limit;
use std::time::Duration;

/// The longest time that can be said: a point in time that far away still exists.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// A time: `250ms`, `5s`, `10m`, `1h`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    match limit(text) {
        Some(Limit::After(time)) if time <= LONGEST => Ok(time),
        Some(Limit::After(_)) => Err(format!("at most {}", Limit::After(LONGEST))),
        _ => Err("write it with its unit: 250ms, 5s, 10m, 1h, 7d".to_owned()),
    }
}

/// A time within these bounds, both of them included; what is outside is refused with the bounds.
pub(crate) fn between(
    least: Duration,
    most: Duration,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let time = time(text)?;
        let is_within = (least..=most).contains(&time);
        is_within
            .then_some(time)
            .ok_or_else(|| format!("from {} to {}", Limit::After(least), Limit::After(most)))
    }
}

/// A pause between two looks. Not more often than ten times a second: each look costs the server something.
pub(crate) fn pause(text: &str) -> Result<Duration, String> {
    between(Duration::from_millis(100), Duration::from_secs(3_600))(text)
}

/// A time, or `off`.
pub(crate) fn limit(text: &str) -> Option<Limit> {
    let text = text.trim();
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    match text.get(digits.len()..).map(str::trim_start) {
        Some("m") => Limit::parse(&format!("{digits}min")),
        Some("d") => {
            let days: u64 = digits.parse().ok()?;
            Limit::parse(&format!("{}h", days.checked_mul(24)?))
        }
        _ => Limit::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_has_its_unit() {
        let read = |text| time(text).map(|time| time.as_millis()).ok();
        let written = ["250ms", "5s", "10m", "10min", "10 m", "1h", "7d"].map(read);
        let expected = [250, 5_000, 600_000, 600_000, 600_000, 3_600_000, 604_800_000].map(Some);
        assert_eq!(written, expected);
        for refused in ["", "5", "s", "-5s", "1.5s", "5 parsecs", "off", "m", "d", "99999999999999999999d"] {
            assert!(time(refused).unwrap_err().contains("with its unit"), "{refused:?}");
        }
        assert_eq!(time("366d"), Err("at most 8760h".to_owned()));
        assert_eq!(limit("off"), Some(Limit::Off));
    }

    #[test]
    fn bounds_are_named() {
        let bounded = between(Duration::from_secs(1), Duration::from_secs(3_600));
        assert_eq!(
            (bounded("1s"), bounded("60m")),
            (Ok(Duration::from_secs(1)), Ok(Duration::from_secs(3_600)))
        );
        for outside in ["0s", "999ms", "61m"] {
            assert_eq!(bounded(outside), Err("from 1s to 1h".to_owned()));
        }
        assert_eq!(pause("99ms"), Err("from 100ms to 1h".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,12}", number in any::<u64>(), unit in "(ms|s|m|min|h|d|)") {
            let _ = time(&text);
            let read = time(&format!("{number}{unit}"));
            prop_assert!(read.is_err() || (!unit.is_empty() && read <= Ok(LONGEST)));
        }
    }
}

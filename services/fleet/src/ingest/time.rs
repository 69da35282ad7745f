//! When a reading was measured: what of `ts` is taken, and what is refused because it would be stored as another time.
//!
//! A time is kept in microseconds of UTC. A finer one would be rounded, and two readings of a fast sensor would become
//! one; so it is refused, unless what is finer is all zeros. A leap second (`:60`) has no place in such a count. A text
//! without a zone is UTC; a date without a time is no time.

use super::refusal::TimeRefusal;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Readings are kept for thirty days: an older one would be thrown away as it came in.
const OLDEST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A clock that is ahead by more than this is wrong, and its readings would hide the right ones for days.
const NEWEST: SignedDuration = SignedDuration::from_hours(24);

/// Digits behind the point of a second that are kept.
const KEPT: usize = 6;

/// Reads the time of a message that arrived at `now`.
pub(super) fn read(text: &str, now: Timestamp) -> Result<Timestamp, TimeRefusal> {
    let text = kept(text)?;
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        // Without a zone it is UTC. What has one and could not be read is not read without it.
        Err(_) if text.get(10..).is_none_or(|time| time.contains(['+', '-', 'Z', 'z', '['])) => {
            return Err(TimeRefusal::Unreadable);
        }
        Err(_) => {
            let civil: DateTime = text.parse().map_err(|_| TimeRefusal::Unreadable)?;
            civil.to_zoned(TimeZone::UTC).map_err(|_| TimeRefusal::Unreadable)?.timestamp()
        }
    };
    let age = now.duration_since(time);
    if age > OLDEST || age < -NEWEST { Err(TimeRefusal::OutOfRange) } else { Ok(time) }
}

/// The text without the zeros that are finer than what is kept; refused where it is more than zeros.
fn kept(text: &str) -> Result<String, TimeRefusal> {
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else {
        let is_date = text.parse::<jiff::civil::Date>().is_ok();
        return Err(if is_date { TimeRefusal::DateOnly } else { TimeRefusal::Unreadable });
    };
    let clock_end = time.find(['.', ',', 'Z', 'z', '+', '-', '[']).unwrap_or(time.len());
    let (clock, rest) = time.split_at_checked(clock_end).ok_or(TimeRefusal::Unreadable)?;
    let clock_digits: String = clock.chars().filter(|c| *c != ':').collect();
    if clock_digits.len() == 6 && clock_digits.ends_with("60") {
        return Err(TimeRefusal::LeapSecond);
    }
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Ok(text.to_owned()) };
    let fraction_end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    let (digits, zone) = fraction.split_at_checked(fraction_end).ok_or(TimeRefusal::Unreadable)?;
    let (shown, finer) = digits.split_at_checked(KEPT).unwrap_or((digits, ""));
    if finer.contains(|digit| digit != '0') {
        return Err(TimeRefusal::TooFine);
    }
    // The letter between is one byte long.
    let between = text.get(date.len()..=date.len()).unwrap_or("T");
    Ok(format!("{date}{between}{clock}.{shown}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2025-06-15T12:00:00Z".parse().unwrap()
    }

    fn at(text: &str) -> Result<String, TimeRefusal> {
        read(text, now()).map(|time| time.to_string())
    }

    #[test]
    fn a_time_is_kept_as_it_was_meant() {
        for (text, meant) in [
            ("2025-06-15T11:00:00Z", "2025-06-15T11:00:00Z"),
            ("2025-06-15t11:00:00.5z", "2025-06-15T11:00:00.5Z"),
            ("2025-06-15 11:00:00,123456+02:00", "2025-06-15T09:00:00.123456Z"),
            ("2025-06-15T11:00:00.123456000Z", "2025-06-15T11:00:00.123456Z"),
            ("2025-06-15T11:00:00.1234560000000000", "2025-06-15T11:00:00.123456Z"),
            ("2025-06-15T16:45:00.000001+05:45", "2025-06-15T11:00:00.000001Z"),
            ("20250615T110000Z", "2025-06-15T11:00:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(meant), "{text}");
        }
    }

    #[test]
    fn what_would_be_stored_as_another_time_is_refused() {
        for (text, why) in [
            ("2025-06-15T11:00:00.1234567Z", TimeRefusal::TooFine),
            ("2025-06-15T11:00:00.000000001+02:00", TimeRefusal::TooFine),
            ("2025-06-15 11:00:00,1234560001", TimeRefusal::TooFine),
            ("2025-06-15T11:00:00.99999999999999999999Z", TimeRefusal::TooFine),
            ("2025-06-15T11:59:60Z", TimeRefusal::LeapSecond),
            ("20250615T115960Z", TimeRefusal::LeapSecond),
            ("2025-06-15T11:59:60.5+02:00", TimeRefusal::LeapSecond),
            ("2025-06-15T11:59:60", TimeRefusal::LeapSecond),
            ("2025-06-15", TimeRefusal::DateOnly),
            ("2025-06-15T24:00:00Z", TimeRefusal::Unreadable),
            ("2025-06-15T11:60:00Z", TimeRefusal::Unreadable),
            ("2025-06-15T11:00:00.Z", TimeRefusal::Unreadable),
            ("2025-02-29T00:00:00Z", TimeRefusal::Unreadable),
            ("10000-01-01T00:00:00Z", TimeRefusal::Unreadable),
            ("294277-01-01T00:00:00Z", TimeRefusal::Unreadable),
            ("infinity", TimeRefusal::Unreadable),
            ("now", TimeRefusal::Unreadable),
            ("1750000000", TimeRefusal::Unreadable),
            ("", TimeRefusal::Unreadable),
            ("2025-06-15Tä", TimeRefusal::Unreadable),
            ("0000-01-01T00:00:00Z", TimeRefusal::OutOfRange),
            ("-004713-11-24T00:00:00Z", TimeRefusal::OutOfRange),
            ("9999-12-30T00:00:00Z", TimeRefusal::OutOfRange),
        ] {
            assert_eq!(at(text), Err(why), "{text}");
        }
    }

    #[test]
    fn the_window_of_times_is_thirty_days_back_and_one_ahead() {
        assert!(at("2025-05-16T12:00:00Z").is_ok());
        assert_eq!(at("2025-05-16T11:59:59Z"), Err(TimeRefusal::OutOfRange));
        assert!(at("2025-06-16T12:00:00Z").is_ok());
        assert_eq!(at("2025-06-16T12:00:00.000001Z"), Err(TimeRefusal::OutOfRange));
    }
}

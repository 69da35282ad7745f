//! A stored time as it is shown.
//!
//! A `timestamptz` can hold more than a clock can show: `infinity`, `-infinity`, and years far beyond those that the
//! calendar library knows. Somebody who writes one of them into a row by hand must not turn a whole list into an error.
//! So every time that the server can hold has a text here: ISO 8601 in UTC, with a sign and six digits where a year needs
//! them, and PostgreSQL's own words for the two that are no times.

use jiff::{SignedDuration, Timestamp};
use plimsoll::tokio_postgres::types::{FromSql, Type};
use std::error::Error;
use std::fmt;

/// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in seconds of Unix.
const EPOCH: i64 = 946_684_800;

const DAY: i64 = 86_400_000_000;

/// A `timestamptz`, whatever it holds: microseconds since 2000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredInstant(i64);

impl<'a> FromSql<'a> for StoredInstant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        postgres_protocol::types::timestamp_from_sql(raw).map(StoredInstant)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

impl StoredInstant {
    /// The same as a time, where it is one that the calendar library knows.
    fn timestamp(self) -> Option<Timestamp> {
        let since = SignedDuration::from_micros(self.0);
        Timestamp::from_second(EPOCH).ok()?.checked_add(since).ok()
    }
}

impl fmt::Display for StoredInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            i64::MAX => f.write_str("infinity"),
            i64::MIN => f.write_str("-infinity"),
            micros => match self.timestamp() {
                Some(time) => write!(f, "{time}"),
                None => far(micros, f),
            },
        }
    }
}

/// A time beyond the years -9999 to 9999.
fn far(micros: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (days, within) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, day) = date(days + EPOCH / 86_400);
    let (seconds, fraction) = (within / 1_000_000, within % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let sign = if year < 0 { '-' } else { '+' };
    write!(f, "{sign}{:06}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", year.abs())?;
    if fraction != 0 {
        write!(f, ".{fraction:06}")?;
    }
    f.write_str("Z")
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar carried on in both directions.
///
/// Years are counted from March, so that the day of a leap year is the last one, and in eras of 400 years, each of which
/// has as many days as any other.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_that_the_server_holds_has_a_text() {
        let shown = |micros: i64| StoredInstant(micros).to_string();
        assert_eq!(shown(i64::MAX), "infinity");
        assert_eq!(shown(i64::MIN), "-infinity");
        assert_eq!(shown(0), "2000-01-01T00:00:00Z");
        assert_eq!(shown(-1), "1999-12-31T23:59:59.999999Z");
        // The last and the first that PostgreSQL takes.
        assert_eq!(shown(9_223_371_331_199_999_999), "+294276-12-31T23:59:59.999999Z");
        assert_eq!(shown(-211_813_488_000_000_000), "-004713-11-24T00:00:00Z");
    }

    #[test]
    fn the_far_years_follow_on_the_near_ones() {
        for days in [-3_000_000_i64, -719_468, -1, 0, 59, 60, 11_016, 2_932_895] {
            let near = Timestamp::from_second(days * 86_400).unwrap();
            let near = near.to_zoned(jiff::tz::TimeZone::UTC).date();
            let expected = (i64::from(near.year()), i64::from(near.month()), i64::from(near.day()));
            assert_eq!(date(days), expected);
        }
        assert_eq!(date(2_932_897), (10_000, 1, 1));
    }
}

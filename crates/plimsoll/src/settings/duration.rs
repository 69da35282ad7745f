//! Durations with their unit, and "no limit" as a value of its own.
//!
//! A number without a unit turns a timeout of thirty seconds into one of thirty milliseconds: libpq's
//! `connect_timeout` counts seconds, PostgreSQL's `statement_timeout` milliseconds, and both are written `30`. So a
//! duration is a whole number followed by `ms`, `s`, `min` or `h`, and a number without a unit is refused, with the
//! remedy in the message. The exceptions are the places where such a number has meant one thing for years: the
//! `DATABASE_*` variables and most parameters of a connection URL mean seconds, `tcp_user_timeout` in a URL means
//! milliseconds.
//!
//! "No limit" is [`Limit::Off`], not a huge number: tokio's timer wheel ends after a little more than two years, and a
//! huge limit would still take part in comparisons from which it should be left out. For the same reason zero is not
//! "no limit" here, although PostgreSQL reads it so.

use super::value::Value;
use std::fmt;
use std::time::Duration;

/// A limit in time, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// No limit.
    Off,
    /// The limit.
    After(Duration),
}

impl Limit {
    /// Reads a limit as settings write it: a whole number and `ms`, `s`, `min` or `h`, or `off`. For a program whose own settings
    /// are written like those of the library.
    ///
    /// ```
    /// # use plimsoll::settings::Limit;
    /// # use std::time::Duration;
    /// assert_eq!(Limit::parse("15s"), Some(Limit::After(Duration::from_secs(15))));
    /// assert_eq!((Limit::parse("off"), Limit::parse("15")), (Some(Limit::Off), None));
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Value::read(text.trim(), Unitless::Refused)
    }

    /// The limit, or `None` if there is none.
    pub fn duration(self) -> Option<Duration> {
        match self {
            Self::Off => None,
            Self::After(duration) => Some(duration),
        }
    }

    /// The lesser of two; `Off` is greater than every limit.
    pub(super) fn least(self, other: Self) -> Self {
        match (self, other) {
            (Self::After(a), Self::After(b)) => Self::After(a.min(b)),
            (Self::After(a), Self::Off) | (Self::Off, Self::After(a)) => Self::After(a),
            (Self::Off, Self::Off) => Self::Off,
        }
    }
}

impl From<Duration> for Limit {
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}

impl From<Option<Duration>> for Limit {
    fn from(duration: Option<Duration>) -> Self {
        duration.map_or(Self::Off, Self::After)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::After(duration) => f.write_str(&show(*duration)),
        }
    }
}

/// What a number without a unit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unitless {
    /// Nothing: it is refused.
    Refused,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// Reads `250ms`, `30s`, `5min`, `1h`; one blank before the unit is allowed.
pub(super) fn read(text: &str, unitless: Unitless) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let scale = match (unit.strip_prefix(' ').unwrap_or(unit), unitless) {
        ("ms", _) | ("", Unitless::Milliseconds) => 1,
        ("s", _) | ("", Unitless::Seconds) => 1_000,
        ("min", _) => 60_000,
        ("h", _) => 3_600_000,
        _ => return None,
    };
    number.checked_mul(scale).map(Duration::from_millis)
}

/// Writes a duration in the greatest unit that divides it evenly; [`read`] reads it back unchanged.
pub(super) fn show(duration: Duration) -> String {
    const SECOND: u128 = 1_000;
    const MINUTE: u128 = 60 * SECOND;
    const HOUR: u128 = 60 * MINUTE;
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        return format!("{duration:?}");
    }
    match duration.as_millis() {
        0 => "0ms".to_owned(),
        ms if ms % HOUR == 0 => format!("{}h", ms / HOUR),
        ms if ms % MINUTE == 0 && ms > MINUTE => format!("{}min", ms / MINUTE),
        ms if ms % SECOND == 0 => format!("{}s", ms / SECOND),
        ms => format!("{ms}ms"),
    }
}

//! Why readings are not shown.

use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why readings are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelemetryRefusal {
    /// There is no such device, or it was deleted.
    DeviceNotFound,
    /// The query says what it cannot.
    BadQuery(Cow<'static, str>),
    /// This part of the query is no time.
    BadInstant(&'static str),
    /// The range ends before it begins.
    FromAfterTo,
    /// The range is wider than what is read at once, in days.
    TooWide {
        /// What may be asked for.
        most: i64,
    },
    /// The range has more buckets of this width than a chart may have.
    TooManyBuckets {
        /// How many it has.
        asked: i64,
        /// What may be asked for.
        most: i64,
    },
    /// The buckets have more metrics than a chart may have points.
    TooManyPoints {
        /// What may be asked for.
        most: i64,
    },
}

impl Refusal for TelemetryRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            TelemetryRefusal::DeviceNotFound => RefusalKind::NotFound,
            _ => RefusalKind::Malformed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            TelemetryRefusal::DeviceNotFound => "DEVICE_NOT_FOUND",
            TelemetryRefusal::BadQuery(_) => "BAD_QUERY",
            TelemetryRefusal::BadInstant(_) => "BAD_INSTANT",
            TelemetryRefusal::FromAfterTo => "FROM_AFTER_TO",
            TelemetryRefusal::TooWide { .. } => "RANGE_TOO_WIDE",
            TelemetryRefusal::TooManyBuckets { .. } => "TOO_MANY_BUCKETS",
            TelemetryRefusal::TooManyPoints { .. } => "TOO_MANY_POINTS",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            TelemetryRefusal::DeviceNotFound => "Device not found".into(),
            TelemetryRefusal::BadQuery(why) => why.clone(),
            TelemetryRefusal::BadInstant(name) => format!(
                "{name} is a time from 1970 on such as 2025-06-15T12:00:00Z; in a URL a + is written %2B"
            )
            .into(),
            TelemetryRefusal::FromAfterTo => "from is later than to".into(),
            TelemetryRefusal::TooWide { most } => {
                format!("from and to are at most {most} days apart: ask for the range in parts").into()
            }
            TelemetryRefusal::TooManyBuckets { asked, most } => format!(
                "the range has {asked} buckets, and may have {most}: ask for a shorter range, or for wider buckets"
            )
            .into(),
            TelemetryRefusal::TooManyPoints { most } => format!(
                "the range has more than {most} points: ask for one metric, a shorter range, or wider buckets"
            )
            .into(),
        }
    }
}

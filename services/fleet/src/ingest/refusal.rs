//! Why a reading is not taken: what is wrong with its message, and why it could not be stored.

use super::fields::NotRead;
use crate::refusal::{Refusal, RefusalKind};
use plimsoll::{Error, Fault, Outcome};
use std::borrow::Cow;
use std::time::Duration;

/// How much of a field's name is repeated in a refusal.
const SHOWN: usize = 40;

/// What is wrong with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageRefusal {
    /// It is larger than what is read.
    TooLarge,
    /// It is no JSON.
    NotJson,
    /// It is no JSON, because this field holds a word such as NaN.
    NotANumber(String),
    /// It is JSON, and no object.
    NotAnObject,
    /// Two fields have this name.
    FieldTwice(String),
    /// The envelope is of a version that is not known here.
    UnsupportedVersion,
    /// The time cannot be taken.
    Time(TimeRefusal),
    /// The device's count is none.
    InvalidSeq,
    /// The name of the site is none.
    InvalidSite,
    /// The envelope holds no object of metrics.
    NoMetricsObject,
    /// There is no metric in it.
    NoMetrics,
    /// A heartbeat holds what would not be stored.
    HeartbeatWithMore,
    /// There are more metrics than one message may have.
    TooManyMetrics,
    /// The name of a metric is too long.
    MetricNameTooLong,
    /// The name of a metric is empty or has control characters.
    InvalidMetricName,
    /// The value of this metric is neither a number nor a truth value.
    NoMetricValue(String),
    /// The number of this metric would come back changed.
    NumberMisfit(String, Misfit),
}

impl Refusal for MessageRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            MessageRefusal::TooLarge => RefusalKind::TooLarge,
            _ => RefusalKind::Malformed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            MessageRefusal::TooLarge => "PAYLOAD_TOO_LARGE",
            MessageRefusal::NotJson | MessageRefusal::NotANumber(_) => "INVALID_JSON",
            MessageRefusal::NotAnObject | MessageRefusal::FieldTwice(_) => "INVALID_MESSAGE",
            MessageRefusal::UnsupportedVersion => "UNSUPPORTED_ENVELOPE_VERSION",
            MessageRefusal::Time(why) => why.told().0,
            MessageRefusal::InvalidSeq => "INVALID_SEQ",
            MessageRefusal::InvalidSite => "INVALID_SITE_ID",
            MessageRefusal::NoMetricsObject | MessageRefusal::NoMetrics => "INVALID_METRICS",
            MessageRefusal::HeartbeatWithMore => "HEARTBEAT_WITH_MORE",
            MessageRefusal::TooManyMetrics => "TOO_MANY_METRICS",
            MessageRefusal::MetricNameTooLong => "METRIC_KEY_TOO_LONG",
            MessageRefusal::InvalidMetricName => "METRIC_KEY_INVALID",
            MessageRefusal::NoMetricValue(_) | MessageRefusal::NumberMisfit(..) => "METRIC_VALUE_INVALID",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            MessageRefusal::TooLarge => "the body is larger than 8192 bytes".into(),
            MessageRefusal::NotJson => "the body is not JSON".into(),
            MessageRefusal::NotANumber(name) => format!(
                "the body is not JSON: {} holds what is no number; leave it out where nothing was measured",
                named(name)
            )
            .into(),
            MessageRefusal::NotAnObject => "the body is not a JSON object".into(),
            MessageRefusal::FieldTwice(name) => {
                format!("{} is there twice: which one counts?", named(name)).into()
            }
            MessageRefusal::UnsupportedVersion => "version is \"1\"".into(),
            MessageRefusal::Time(why) => why.told().1.into(),
            MessageRefusal::InvalidSeq => "seq is a whole number from 0 to 9223372036854775807".into(),
            MessageRefusal::InvalidSite => "site_id is a text of 1 to 128 characters".into(),
            MessageRefusal::NoMetricsObject => "an envelope holds an object named metrics".into(),
            MessageRefusal::NoMetrics => "the message holds no metric".into(),
            MessageRefusal::HeartbeatWithMore => {
                "a heartbeat holds version, ts, seq and site_id at most; send what was measured as a reading"
                    .into()
            }
            MessageRefusal::TooManyMetrics => "a message holds 50 metrics at most".into(),
            MessageRefusal::MetricNameTooLong => "a metric's name has 128 characters at most".into(),
            MessageRefusal::InvalidMetricName => {
                "a metric's name is not empty and has no control characters".into()
            }
            MessageRefusal::NoMetricValue(name) => {
                format!("the metric {} is not a number, true or false", named(name)).into()
            }
            MessageRefusal::NumberMisfit(name, why) => {
                format!("the metric {} {}", named(name), why.sentence()).into()
            }
        }
    }
}

impl From<NotRead> for MessageRefusal {
    fn from(why: NotRead) -> Self {
        match why {
            NotRead::NoJson(None) => MessageRefusal::NotJson,
            NotRead::NoJson(Some(name)) => MessageRefusal::NotANumber(name),
            NotRead::NoObject => MessageRefusal::NotAnObject,
            NotRead::Twice(name) => MessageRefusal::FieldTwice(name),
        }
    }
}

/// A field's name as it is told: not longer than what helps to find it.
fn named(name: &str) -> String {
    let (shown, more): (String, &str) = match name.char_indices().nth(SHOWN) {
        Some((end, _)) => (name.chars().take(SHOWN).collect(), if end < name.len() { ".." } else { "" }),
        None => (name.to_owned(), ""),
    };
    format!("\"{}{more}\"", shown.escape_debug())
}

/// Why a time is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeRefusal {
    /// It is none.
    Unreadable,
    /// It has a date only.
    DateOnly,
    /// It would be rounded.
    TooFine,
    /// It is a leap second.
    LeapSecond,
    /// It is too long ago or too far ahead.
    OutOfRange,
}

impl TimeRefusal {
    /// The code and the sentence that it is told with.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            TimeRefusal::Unreadable => {
                ("INVALID_TS", "ts is a time in ISO 8601 as text, such as \"2025-01-01T12:00:00Z\"")
            }
            TimeRefusal::DateOnly => {
                ("INVALID_TS", "ts is a date without a time; send both, such as \"2025-01-01T12:00:00Z\"")
            }
            TimeRefusal::TooFine => (
                "INVALID_TS",
                "ts is finer than a microsecond and would be stored rounded; send six digits behind the point at most",
            ),
            TimeRefusal::LeapSecond => (
                "INVALID_TS",
                "ts is a leap second, which cannot be told from the next one here; seconds go from 00 to 59",
            ),
            TimeRefusal::OutOfRange => (
                "TS_OUT_OF_RANGE",
                "ts is more than 30 days past or more than 24 hours ahead: is the device's clock right?",
            ),
        }
    }
}

/// Why a number does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A whole number beyond 64 bits.
    Whole,
    /// Beyond the largest float.
    Large,
    /// Not zero, and nearer to zero than any float.
    Small,
    /// More digits than a float holds.
    Digits,
}

impl Misfit {
    /// What it is told as, after the number's name.
    fn sentence(self) -> &'static str {
        match self {
            Misfit::Whole => {
                "is a whole number beyond 64 bits: it has to lie from -9223372036854775808 to 18446744073709551615"
            }
            Misfit::Large => {
                "is too large for a 64-bit float: it has to lie within 1.7976931348623157e308 of zero"
            }
            Misfit::Small => "is too small for a 64-bit float and would become 0: send 0, or at least 5e-324",
            Misfit::Digits => {
                "has more digits than a 64-bit float holds, and would be stored rounded: send 17 at most"
            }
        }
    }
}

/// Why a reading that was taken could not be stored, where that is not the database's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreRefusal {
    /// More readings arrive than can be written.
    QueueFull,
    /// The time of the request was over while it still waited; it was taken out of the queue.
    NotInTime,
    /// The service is stopping.
    Stopping,
    /// A reading of the same device, time and number is stored, and says something else.
    Conflict,
    /// The database was lost before it said whether the reading is stored. Sent again, it is the same reading.
    OutcomeUnknown,
    /// The same of a reading that has no time of its own, and would be another one if it were sent again.
    OutcomeUnknownOnce,
    /// The day has no partition, which is not the reading's fault.
    NoPlaceForTheDay,
    /// The operating system gives no random bytes, and so a message without a number got none.
    NotNumbered,
}

impl StoreRefusal {
    /// The same as it is told of a reading that is, or is not, the same when it is sent again.
    #[must_use]
    pub fn told_of(self, is_repeatable: bool) -> Self {
        match self {
            StoreRefusal::OutcomeUnknown if !is_repeatable => StoreRefusal::OutcomeUnknownOnce,
            refusal => refusal,
        }
    }
}

impl Refusal for StoreRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            StoreRefusal::QueueFull => RefusalKind::NotNow(Duration::from_secs(2)),
            StoreRefusal::Stopping | StoreRefusal::OutcomeUnknown => {
                RefusalKind::NotNow(Duration::from_secs(1))
            }
            StoreRefusal::NotInTime => RefusalKind::Late,
            StoreRefusal::Conflict => RefusalKind::Conflict,
            StoreRefusal::OutcomeUnknownOnce => RefusalKind::Unsure,
            StoreRefusal::NoPlaceForTheDay | StoreRefusal::NotNumbered => RefusalKind::OwnMistake,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            StoreRefusal::QueueFull => "QUEUE_FULL",
            StoreRefusal::NotInTime => "NOT_IN_TIME",
            StoreRefusal::Stopping => "STOPPING",
            StoreRefusal::Conflict => "READING_CONFLICT",
            StoreRefusal::OutcomeUnknown | StoreRefusal::OutcomeUnknownOnce => "OUTCOME_UNKNOWN",
            StoreRefusal::NoPlaceForTheDay | StoreRefusal::NotNumbered => "INTERNAL",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        let sentence = match self {
            StoreRefusal::QueueFull => {
                "more readings arrive than can be written now; it is not stored: send again later"
            }
            StoreRefusal::NotInTime => {
                "the time of this request was over before the reading was written; it is not stored: send it again"
            }
            StoreRefusal::Stopping => "the service is stopping; it is not stored: send again",
            StoreRefusal::Conflict => {
                "another reading of this device with the same ts and seq is stored, and its metrics differ: it stays as it is, \
                 and this one was put into quarantine; give each reading a ts or a seq of its own"
            }
            StoreRefusal::OutcomeUnknown => {
                "the database was lost before it said whether this was stored: send it again, what was stored already is \
                 not stored twice"
            }
            StoreRefusal::OutcomeUnknownOnce => {
                "the database was lost before it said whether this was stored. The message has no ts of its own: sent \
                 again, it may be stored twice. A reading with a ts is stored once, however often it is sent"
            }
            StoreRefusal::NoPlaceForTheDay => {
                "the service has no place for readings of this day; its log has the rest"
            }
            StoreRefusal::NotNumbered => "the service could not number the message",
        };
        sentence.into()
    }
}

/// Other work of the database was in the way: a lock was not granted in time, or the transaction was given up for another one.
/// Nothing is stored, and the message is not at fault. For a request that changes what people see, that is a conflict; a device
/// has nothing that could conflict, and would take that word to mean that its reading is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contended(Fault);

impl Contended {
    /// Whether that is what this failure was.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        let is_contention =
            matches!(error.fault(), Fault::LockTimeout | Fault::SerializationFailure | Fault::Deadlock);
        (is_contention && error.outcome() != Outcome::Unknown).then(|| Contended(error.fault()))
    }
}

impl Refusal for Contended {
    fn kind(&self) -> RefusalKind {
        RefusalKind::NotNow(Duration::from_secs(1))
    }

    fn code(&self) -> &'static str {
        self.0.code()
    }

    fn detail(&self) -> Cow<'static, str> {
        "other work of the database was in the way; it is not stored: send again".into()
    }
}

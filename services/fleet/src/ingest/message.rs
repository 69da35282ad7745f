//! What a device may send. Pure: bytes and the time go in, a message or a refusal comes out.
//!
//! Two forms are taken. The envelope says when and in which order a value was measured:
//! `{"version":"1","ts":"2025-01-01T12:00:00Z","site_id":"hall-2","seq":17,"metrics":{"temperature":21.5}}`. A flat
//! object of numbers, `{"temperature":25}`, is the least that a device can send; then the service says when.
//!
//! # What makes a reading the same reading
//! (tenant, device, time, seq). A device that sends again after a lost answer repeats its `ts` and `seq`, and is stored
//! once. A message without `ts` gets the time of its arrival, and so is never the same as another; to keep two of the
//! same microsecond apart, one without `ts` and `seq` also gets a `seq` of the service's own. That one is negative, where no device
//! can collide with it (a device's own starts at 0), and is told in the answer.

use crate::devices::SiteId;
use crate::reply::Problem;
use axum::http::StatusCode;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

/// The biggest body that is read.
pub const LARGEST: usize = 8192;
const MOST_METRICS: usize = 50;
const LONGEST_KEY: usize = 128;

/// Readings are kept for thirty days: an older one would be thrown away as it came in.
const OLDEST: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A clock that is ahead by more than this is wrong, and its readings would hide the right ones for days.
const NEWEST: SignedDuration = SignedDuration::from_hours(24);

/// Keys that only an envelope has.
const ENVELOPE: [&str; 5] = ["version", "ts", "site_id", "seq", "metrics"];

/// A message that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// When it was measured, if the device said so.
    pub time: Option<Timestamp>,
    /// The device's count, if it said one.
    pub seq: Option<i64>,
    /// Where it was measured, if the device said so.
    pub site: Option<SiteId>,
    /// Numbers and truth values by name: a JSON object.
    pub metrics: String,
}

/// Reads a message that arrived at `now`.
///
/// # Errors
/// What is wrong with it, as it is told to the device.
pub fn parse(body: &[u8], now: Timestamp) -> Result<Message, Problem> {
    if body.len() > LARGEST {
        return Err(too_large());
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| Problem::bad_request("INVALID_JSON", "the body is not JSON"))?;
    let Value::Object(mut fields) = value else {
        return Err(Problem::bad_request("INVALID_MESSAGE", "the body is not a JSON object"));
    };
    if !ENVELOPE.iter().any(|key| fields.contains_key(*key)) {
        return Ok(Message { time: None, seq: None, site: None, metrics: metrics(fields)? });
    }
    version(fields.get("version"))?;
    let time = fields.get("ts").map(|ts| time(ts, now)).transpose()?;
    let seq = fields.get("seq").map(seq).transpose()?;
    let site = fields.get("site_id").map(site).transpose()?;
    match fields.remove("metrics") {
        Some(Value::Object(map)) => Ok(Message { time, seq, site, metrics: metrics(map)? }),
        _ => Err(Problem::bad_request("INVALID_METRICS", "an envelope holds an object named metrics")),
    }
}

/// The refusal of a body that is too large to be read.
#[must_use]
pub fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "the body is larger than 8192 bytes")
}

fn version(version: Option<&Value>) -> Result<(), Problem> {
    match version {
        None => Ok(()),
        Some(Value::String(text)) if text == "1" => Ok(()),
        Some(_) => Err(Problem::bad_request("UNSUPPORTED_ENVELOPE_VERSION", "version is \"1\"")),
    }
}

fn time(ts: &Value, now: Timestamp) -> Result<Timestamp, Problem> {
    let unreadable =
        || Problem::bad_request("INVALID_TS", "ts is a time in ISO 8601, such as 2025-01-01T12:00:00Z");
    let text = ts.as_str().ok_or_else(unreadable)?;
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        // Without a zone it is UTC. What has one and could not be read is not read without it.
        Err(_) if text.get(10..).is_none_or(|time| time.contains(['+', '-', 'Z', 'z', '['])) => {
            return Err(unreadable());
        }
        Err(_) => {
            let civil: DateTime = text.parse().map_err(|_| unreadable())?;
            civil.to_zoned(TimeZone::UTC).map_err(|_| unreadable())?.timestamp()
        }
    };
    let age = now.duration_since(time);
    if age > OLDEST || age < -NEWEST {
        let detail = "ts is more than 30 days past or more than 24 hours ahead: is the device's clock right?";
        return Err(Problem::bad_request("TS_OUT_OF_RANGE", detail));
    }
    Ok(time)
}

fn seq(seq: &Value) -> Result<i64, Problem> {
    let number = seq.as_i64().filter(|seq| *seq >= 0);
    number.ok_or_else(|| {
        Problem::bad_request("INVALID_SEQ", "seq is a whole number from 0 to 9223372036854775807")
    })
}

fn site(site: &Value) -> Result<SiteId, Problem> {
    let refused = || Problem::bad_request("INVALID_SITE_ID", "site_id is a text of 1 to 128 characters");
    site.as_str().and_then(SiteId::parse).ok_or_else(refused)
}

fn metrics(map: Map<String, Value>) -> Result<String, Problem> {
    if map.is_empty() {
        return Err(Problem::bad_request("INVALID_METRICS", "the message holds no metric"));
    }
    if map.len() > MOST_METRICS {
        return Err(Problem::bad_request("TOO_MANY_METRICS", "a message holds 50 metrics at most"));
    }
    for (key, value) in &map {
        if key.chars().nth(LONGEST_KEY).is_some() {
            return Err(Problem::bad_request(
                "METRIC_KEY_TOO_LONG",
                "a metric's name has 128 characters at most",
            ));
        }
        if key.is_empty() || key.chars().any(char::is_control) {
            let detail = "a metric's name is not empty and has no control characters";
            return Err(Problem::bad_request("METRIC_KEY_INVALID", detail));
        }
        if !matches!(value, Value::Number(_) | Value::Bool(_)) {
            return Err(Problem::bad_request("METRIC_VALUE_INVALID", "a metric is a number, true or false"));
        }
    }
    Ok(Value::Object(map).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2025-06-15T12:00:00Z".parse().unwrap()
    }

    fn read(text: &str) -> Result<Message, &'static str> {
        parse(text.as_bytes(), now()).map_err(|problem| problem.code())
    }

    #[test]
    fn a_flat_object_is_a_message() {
        let message = read(r#"{"temperature":25,"door":true}"#).unwrap();
        assert_eq!((message.time, message.seq, message.site), (None, None, None));
        assert_eq!(message.metrics, r#"{"door":true,"temperature":25}"#);
    }

    #[test]
    fn an_envelope_says_when_where_and_in_which_order() {
        let text =
            r#"{"version":"1","ts":"2025-06-15T13:00:00+02:00","site_id":"a","seq":7,"metrics":{"t":1.5}}"#;
        let message = read(text).unwrap();
        assert_eq!(message.time, Some("2025-06-15T11:00:00Z".parse().unwrap()));
        assert_eq!((message.seq, message.site), (Some(7), SiteId::parse("a")));
        let unzoned = read(r#"{"ts":"2025-06-15T11:00:00.25","metrics":{"t":1}}"#).unwrap();
        assert_eq!(
            unzoned.time,
            Some("2025-06-15T11:00:00.25Z".parse().unwrap()),
            "UTC where no zone is said"
        );
    }

    #[test]
    fn the_window_of_times_is_thirty_days_back_and_one_ahead() {
        let at = |ts: &str| read(&format!(r#"{{"ts":"{ts}","metrics":{{"t":1}}}}"#)).err();
        assert_eq!(at("2025-05-16T12:00:00Z"), None);
        assert_eq!(at("2025-05-16T11:59:59Z"), Some("TS_OUT_OF_RANGE"));
        assert_eq!(at("2025-06-16T12:00:00Z"), None);
        assert_eq!(at("2025-06-16T12:00:01Z"), Some("TS_OUT_OF_RANGE"));
        assert_eq!(at("9999-12-30T00:00:00Z"), Some("TS_OUT_OF_RANGE"));
        assert_eq!(at("-000999-01-02T00:00:00Z"), Some("TS_OUT_OF_RANGE"));
    }
}

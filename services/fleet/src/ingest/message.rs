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

use super::fields::Fields;
use super::refusal::{MessageRefusal, TimeRefusal};
use super::{number, time};
use crate::devices::SiteId;
use jiff::Timestamp;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The biggest body that is read.
pub const LARGEST: usize = 8192;
const MOST_METRICS: usize = 50;
const LONGEST_KEY: usize = 128;

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
/// What is wrong with it.
pub fn parse(body: &[u8], now: Timestamp) -> Result<Message, MessageRefusal> {
    if body.len() > LARGEST {
        return Err(MessageRefusal::TooLarge);
    }
    let Fields(fields) = Fields::read(body)?;
    if !ENVELOPE.iter().any(|key| fields.contains_key(*key)) {
        return Ok(Message { time: None, seq: None, site: None, metrics: metrics(&fields)? });
    }
    let field = |name: &str| fields.get(name).copied();
    version(field("version"))?;
    let time = field("ts").map(|ts| time(ts, now)).transpose()?;
    let seq = field("seq").map(seq).transpose()?;
    let site = field("site_id").map(site).transpose()?;
    let Some(held) = field("metrics").filter(|held| held.get().starts_with('{')) else {
        return Err(MessageRefusal::NoMetricsObject);
    };
    let Fields(held) = Fields::read(held.get().as_bytes())?;
    Ok(Message { time, seq, site, metrics: metrics(&held)? })
}

/// Reads a heartbeat that arrived at `now`: nothing at all, or an envelope without metrics.
///
/// # Errors
/// What is wrong with it. Metrics are: they would not be stored.
pub fn parse_heartbeat(body: &[u8], now: Timestamp) -> Result<Message, MessageRefusal> {
    if body.len() > LARGEST {
        return Err(MessageRefusal::TooLarge);
    }
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    let Fields(fields) = Fields::read(body)?;
    let field = |name: &str| fields.get(name).copied();
    version(field("version"))?;
    let is_empty = |metrics: &RawValue| {
        Fields::read(metrics.get().as_bytes()).is_ok_and(|Fields(metrics)| metrics.is_empty())
    };
    if field("metrics").is_some_and(|metrics| !is_empty(metrics))
        || fields.keys().any(|name| !ENVELOPE.contains(&name.as_str()))
    {
        return Err(MessageRefusal::HeartbeatWithMore);
    }
    Ok(Message {
        time: field("ts").map(|ts| time(ts, now)).transpose()?,
        seq: field("seq").map(seq).transpose()?,
        site: field("site_id").map(site).transpose()?,
        metrics: "{}".to_owned(),
    })
}

fn version(version: Option<&RawValue>) -> Result<(), MessageRefusal> {
    match version.map(text) {
        None => Ok(()),
        Some(Some(text)) if text == "1" => Ok(()),
        Some(_) => Err(MessageRefusal::UnsupportedVersion),
    }
}

/// The value of a JSON string.
fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn time(ts: &RawValue, now: Timestamp) -> Result<Timestamp, MessageRefusal> {
    let read = text(ts).ok_or(TimeRefusal::Unreadable).and_then(|text| time::read(&text, now));
    read.map_err(MessageRefusal::Time)
}

fn seq(seq: &RawValue) -> Result<i64, MessageRefusal> {
    let digits = Some(seq.get()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or(MessageRefusal::InvalidSeq)
}

fn site(site: &RawValue) -> Result<SiteId, MessageRefusal> {
    text(site).and_then(|site| SiteId::parse(&site)).ok_or(MessageRefusal::InvalidSite)
}

fn metrics(fields: &BTreeMap<String, &RawValue>) -> Result<String, MessageRefusal> {
    if fields.is_empty() {
        return Err(MessageRefusal::NoMetrics);
    }
    if fields.len() > MOST_METRICS {
        return Err(MessageRefusal::TooManyMetrics);
    }
    let mut object = String::from("{");
    for (name, value) in fields {
        check_name(name)?;
        let separator = if object.len() > 1 { "," } else { "" };
        // Neither writing to a String nor making JSON of a text can fail.
        let _ =
            write!(object, "{separator}{}:{}", serde_json::Value::from(name.as_str()), metric(name, value)?);
    }
    object.push('}');
    Ok(object)
}

fn check_name(name: &str) -> Result<(), MessageRefusal> {
    if name.chars().nth(LONGEST_KEY).is_some() {
        return Err(MessageRefusal::MetricNameTooLong);
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(MessageRefusal::InvalidMetricName);
    }
    Ok(())
}

/// The text under which a metric's value is stored.
fn metric<'a>(name: &str, value: &'a RawValue) -> Result<&'a str, MessageRefusal> {
    match value.get() {
        text @ ("true" | "false") => Ok(text),
        text if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            number::storable(text).map_err(|why| MessageRefusal::NumberMisfit(name.to_owned(), why))
        }
        _ => Err(MessageRefusal::NoMetricValue(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    fn now() -> Timestamp {
        "2025-06-15T12:00:00Z".parse().unwrap()
    }

    fn read(text: &str) -> Result<Message, &'static str> {
        parse(text.as_bytes(), now()).map_err(|refusal| refusal.code())
    }

    #[test]
    fn a_flat_object_is_a_message() {
        let message = read(r#"{"temperature":25,"door":true}"#).unwrap();
        assert_eq!((message.time, message.seq, message.site), (None, None, None));
        assert_eq!(message.metrics, r#"{"door":true,"temperature":25}"#);
    }

    #[test]
    fn a_heartbeat_holds_nothing_that_would_be_stored() {
        let heartbeat =
            |text: &str| parse_heartbeat(text.as_bytes(), now()).map_err(|refusal| refusal.code());
        for empty in ["", " \n", "{}", r#"{"version":"1","metrics":{}}"#] {
            assert_eq!(
                heartbeat(empty).map(|message| (message.time, message.seq)),
                Ok((None, None)),
                "{empty}"
            );
        }
        let said = heartbeat(r#"{"ts":"2025-06-15T11:00:00Z","seq":7,"site_id":"a"}"#).unwrap();
        assert_eq!((said.time.is_some(), said.seq, said.site), (true, Some(7), SiteId::parse("a")));
        for (wrong, code) in [
            (r#"{"battery":3}"#, "HEARTBEAT_WITH_MORE"),
            (r#"{"metrics":{"t":1}}"#, "HEARTBEAT_WITH_MORE"),
            (r#"{"metrics":1}"#, "HEARTBEAT_WITH_MORE"),
            (r#"{"version":"2"}"#, "UNSUPPORTED_ENVELOPE_VERSION"),
            (r#"{"seq":-1}"#, "INVALID_SEQ"),
            ("[]", "INVALID_MESSAGE"),
            ("beat", "INVALID_JSON"),
        ] {
            assert_eq!(heartbeat(wrong).unwrap_err(), code, "{wrong}");
        }
        assert_eq!(heartbeat(&" ".repeat(LARGEST + 1)).unwrap_err(), "PAYLOAD_TOO_LARGE");
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
}

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

use super::fields::{Fields, NotRead};
use super::{number, time};
use crate::devices::SiteId;
use crate::http::problem::Problem;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The biggest body that is read.
pub const LARGEST: usize = 8192;
const MOST_METRICS: usize = 50;
const LONGEST_KEY: usize = 128;

/// How much of a field's name is repeated in a refusal.
const SHOWN: usize = 40;

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
    let Fields(fields) = Fields::read(body).map_err(not_read)?;
    if !ENVELOPE.iter().any(|key| fields.contains_key(*key)) {
        return Ok(Message { time: None, seq: None, site: None, metrics: metrics(&fields)? });
    }
    let field = |name: &str| fields.get(name).copied();
    version(field("version"))?;
    let time = field("ts").map(|ts| time(ts, now)).transpose()?;
    let seq = field("seq").map(seq).transpose()?;
    let site = field("site_id").map(site).transpose()?;
    let Some(held) = field("metrics").filter(|held| held.get().starts_with('{')) else {
        return Err(Problem::bad_request("INVALID_METRICS", "an envelope holds an object named metrics"));
    };
    let Fields(held) = Fields::read(held.get().as_bytes()).map_err(not_read)?;
    Ok(Message { time, seq, site, metrics: metrics(&held)? })
}

fn not_read(why: NotRead) -> Problem {
    match why {
        NotRead::NoJson(None) => Problem::bad_request("INVALID_JSON", "the body is not JSON"),
        NotRead::NoJson(Some(name)) => {
            let detail = format!(
                "the body is not JSON: {} holds what is no number; leave it out where nothing was measured",
                named(&name)
            );
            Problem::bad_request("INVALID_JSON", detail)
        }
        NotRead::NoObject => Problem::bad_request("INVALID_MESSAGE", "the body is not a JSON object"),
        NotRead::Twice(name) => Problem::bad_request(
            "INVALID_MESSAGE",
            format!("{} is there twice: which one counts?", named(&name)),
        ),
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

/// The refusal of a body that is too large to be read.
#[must_use]
pub fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "the body is larger than 8192 bytes")
}

fn version(version: Option<&RawValue>) -> Result<(), Problem> {
    match version.map(text) {
        None => Ok(()),
        Some(Some(text)) if text == "1" => Ok(()),
        Some(_) => Err(Problem::bad_request("UNSUPPORTED_ENVELOPE_VERSION", "version is \"1\"")),
    }
}

/// The value of a JSON string.
fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn time(ts: &RawValue, now: Timestamp) -> Result<Timestamp, Problem> {
    let read = text(ts).ok_or(time::Refused::Unreadable).and_then(|text| time::read(&text, now));
    read.map_err(|why| {
        let (code, detail) = why.told();
        Problem::bad_request(code, detail)
    })
}

fn seq(seq: &RawValue) -> Result<i64, Problem> {
    let digits = Some(seq.get()).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
        Problem::bad_request("INVALID_SEQ", "seq is a whole number from 0 to 9223372036854775807")
    })
}

fn site(site: &RawValue) -> Result<SiteId, Problem> {
    let refused = || Problem::bad_request("INVALID_SITE_ID", "site_id is a text of 1 to 128 characters");
    text(site).and_then(|site| SiteId::parse(&site)).ok_or_else(refused)
}

fn metrics(fields: &BTreeMap<String, &RawValue>) -> Result<String, Problem> {
    if fields.is_empty() {
        return Err(Problem::bad_request("INVALID_METRICS", "the message holds no metric"));
    }
    if fields.len() > MOST_METRICS {
        return Err(Problem::bad_request("TOO_MANY_METRICS", "a message holds 50 metrics at most"));
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

fn check_name(name: &str) -> Result<(), Problem> {
    if name.chars().nth(LONGEST_KEY).is_some() {
        return Err(Problem::bad_request(
            "METRIC_KEY_TOO_LONG",
            "a metric's name has 128 characters at most",
        ));
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        let detail = "a metric's name is not empty and has no control characters";
        return Err(Problem::bad_request("METRIC_KEY_INVALID", detail));
    }
    Ok(())
}

/// The text under which a metric's value is stored.
fn metric<'a>(name: &str, value: &'a RawValue) -> Result<&'a str, Problem> {
    let refused =
        |why: &str| Problem::bad_request("METRIC_VALUE_INVALID", format!("the metric {} {why}", named(name)));
    match value.get() {
        text @ ("true" | "false") => Ok(text),
        text if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            number::storable(text).map_err(|why| refused(why.sentence()))
        }
        _ => Err(refused("is not a number, true or false")),
    }
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
}

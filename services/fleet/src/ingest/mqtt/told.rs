//! What a device is told on its topic `ack`. Pure.
//!
//! `{"status": "stored", "seq": 17, "ts": ".."}`, `"duplicate"` where it was stored before, and
//! `{"status": "refused", "code": "..", "detail": "..", "send_again": false, ..}` where it never will be as it is. `seq` and
//! `ts` are those of the message; a reading that has no `seq` is told under the one that it was given.

use super::payload::Called;
use crate::refusal::{Refusal, RefusalKind};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::time::Duration;

/// What became of a message for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is stored.
    Stored {
        /// Under this number.
        seq: i64,
        /// Since an earlier time.
        is_duplicate: bool,
    },
    /// It is not taken.
    Refused {
        /// The stable code.
        code: &'static str,
        /// The sentence for people.
        detail: Cow<'static, str>,
        /// After which time it may be taken, where that is so.
        again: Option<Duration>,
    },
}

impl Told {
    /// A refusal, whatever it is about.
    pub(super) fn refused(why: &impl Refusal) -> Self {
        let again = match why.kind() {
            RefusalKind::TooOften(after) | RefusalKind::NotNow(after) => Some(after),
            _ => None,
        };
        Told::Refused { code: why.code(), detail: why.detail(), again }
    }

    /// As JSON, about the reading that its device calls so.
    pub(super) fn json(&self, called: &Called) -> String {
        let mut fields = Map::new();
        let mut say = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        let seq = match self {
            Told::Stored { seq, is_duplicate } => {
                say("status", if *is_duplicate { "duplicate" } else { "stored" }.into());
                Some(*seq)
            }
            Told::Refused { code, detail, again } => {
                say("status", "refused".into());
                say("code", (*code).into());
                say("detail", detail.as_ref().into());
                say("send_again", again.is_some().into());
                if let Some(after) = again {
                    say("retry_after_ms", u64::try_from(after.as_millis()).unwrap_or(u64::MAX).into());
                }
                called.seq
            }
        };
        if let Some(seq) = seq {
            say("seq", seq.into());
        }
        if let Some(ts) = &called.ts {
            say("ts", ts.as_str().into());
        }
        Value::Object(fields).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::rate::RateLimited;
    use crate::ingest::refusal::MessageRefusal;
    use serde_json::json;

    fn read(told: &Told, called: &Called) -> Value {
        serde_json::from_str(&told.json(called)).unwrap()
    }

    #[test]
    fn it_says_which_reading_is_meant() {
        let called = Called { seq: None, ts: Some("2025-06-15T12:00:00Z".to_owned()) };
        let stored = Told::Stored { seq: 0, is_duplicate: false };
        assert_eq!(
            read(&stored, &called),
            json!({"seq": 0, "status": "stored", "ts": "2025-06-15T12:00:00Z"})
        );
        let before = Told::Stored { seq: -5, is_duplicate: true };
        assert_eq!(read(&before, &Called::default()), json!({"seq": -5, "status": "duplicate"}));
    }

    #[test]
    fn a_refusal_says_whether_to_send_again() {
        let called = Called { seq: Some(4), ts: None };
        let told = read(&Told::refused(&MessageRefusal::NoMetrics), &called);
        let code = json!({
            "status": "refused", "code": "INVALID_METRICS", "detail": "the message holds no metric", "send_again": false,
            "seq": 4
        });
        assert_eq!(told, code);
        let told = read(&Told::refused(&RateLimited(Duration::from_millis(200))), &called);
        assert_eq!((&told["send_again"], &told["retry_after_ms"]), (&json!(true), &json!(200)));
    }
}

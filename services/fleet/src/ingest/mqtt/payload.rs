//! What a message holds: the token that its sender shows, and what the device says beside it. Pure.
//!
//! Over MQTT a message has no headers that every broker and device knows of, so the token is a field of it. It is taken out
//! here, so that it is neither kept nor taken for a metric.

use super::refusal::EntryRefusal;
use crate::credentials::TokenHash;
use crate::devices::DeviceId;
use crate::ingest::batch::NAMES;
use crate::ingest::fields::Fields;
use crate::ingest::message::LARGEST;
use crate::ingest::reading::Kind;
use crate::ingest::refusal::MessageRefusal;
use crate::tenants::TenantId;
use serde::de::IgnoredAny;

/// What a message may be larger by than over HTTP, where its token and who it is from are not part of it.
const NAMES_AND_TOKEN: usize = 512;

/// The longest `ts` that is repeated to its device.
const LONGEST_TS: usize = 64;

/// A message that was taken apart.
#[derive(Debug)]
pub(super) struct Payload {
    /// What was shown.
    pub(super) shown: TokenHash,
    /// The rest, as JSON.
    pub(super) body: String,
}

/// What the device called its reading, so that it knows which one is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Called {
    pub(super) seq: Option<i64>,
    pub(super) ts: Option<String>,
}

/// Why a message cannot be taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotRead {
    /// It is no UTF-8. Where and why, without anything of it.
    Encoding(String),
    /// It is no JSON. Where and why, without anything of it.
    Json(String),
    /// It is refused.
    Refused(EntryRefusal, Called),
}

impl From<MessageRefusal> for NotRead {
    fn from(why: MessageRefusal) -> Self {
        NotRead::Refused(why.into(), Called::default())
    }
}

/// Takes a message apart that was published on a topic of this device.
pub(super) fn read(
    bytes: &[u8],
    tenant: &TenantId,
    device: &DeviceId,
    kind: Kind,
) -> Result<(Payload, Called), NotRead> {
    if bytes.len() > LARGEST + NAMES_AND_TOKEN {
        return Err(MessageRefusal::TooLarge.into());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| NotRead::Encoding(error.to_string()))?;
    // What is wrong is told by its place: an error about a value would repeat the value.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| NotRead::Json(error.to_string()))?;
    let fields = Fields::read(bytes).map_err(MessageRefusal::from)?;
    let called = called(&fields);
    let refused = |why| NotRead::Refused(why, called.clone());
    let names =
        |field: &str, own: &str| !fields.0.contains_key(field) || fields.text(field).as_deref() == Some(own);
    if !names("tenant_id", tenant.as_str()) {
        return Err(refused(EntryRefusal::OtherTenant));
    }
    if !names("device_id", device.as_str()) {
        return Err(refused(EntryRefusal::OtherDevice));
    }
    if !names("msg_type", kind.as_str()) {
        return Err(refused(EntryRefusal::UnknownType));
    }
    let token = fields.text("provision_token").filter(|token| !token.is_empty());
    let Some(token) = token else { return Err(refused(EntryRefusal::TokenMissing)) };
    let payload = Payload { shown: TokenHash::of(&token), body: fields.without(&NAMES) };
    Ok((payload, called))
}

fn called(fields: &Fields<'_>) -> Called {
    let seq = fields.0.get("seq").and_then(|seq| seq.get().parse().ok());
    Called { seq, ts: fields.text("ts").filter(|ts| ts.len() <= LONGEST_TS) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;
    use proptest::prelude::*;

    fn of(bytes: &[u8]) -> Result<(Payload, Called), NotRead> {
        read(bytes, &TenantId::parse("t").unwrap(), &DeviceId::parse("d").unwrap(), Kind::Telemetry)
    }

    #[test]
    fn the_token_is_taken_out_and_the_rest_stays_as_it_was_written() {
        let text =
            br#"{"provision_token": "secret", "device_id": "d", "tenant_id": "t", "msg_type": "telemetry",
                        "ts": "2025-06-15T12:00:00Z", "seq": 7, "metrics": {"t": 2.50}}"#;
        let (payload, called) = of(text).unwrap();
        assert_eq!(payload.body, r#"{"metrics":{"t": 2.50},"seq":7,"ts":"2025-06-15T12:00:00Z"}"#);
        assert_eq!(payload.shown.hex(), TokenHash::of("secret").hex());
        assert_eq!(called, Called { seq: Some(7), ts: Some("2025-06-15T12:00:00Z".to_owned()) });
    }

    #[test]
    fn what_is_no_text_and_what_is_no_json_are_told_apart_by_their_places_alone() {
        assert_eq!(
            of(b"{\"t\": \xff}").unwrap_err(),
            NotRead::Encoding("invalid utf-8 sequence of 1 bytes from index 6".to_owned())
        );
        assert_eq!(
            of(br#"{"provision_token": secret}"#).unwrap_err(),
            NotRead::Json("expected value at line 1 column 21".to_owned())
        );
        for text in ["", "{", "NaN", "{\"t\": 1} secret", "{\"t\": \"\u{1}secret\"}"] {
            let NotRead::Json(why) = of(text.as_bytes()).unwrap_err() else { panic!("{text}") };
            assert!(why.contains(" at line ") && !why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn what_is_refused_says_which_reading_is_meant() {
        let cases = [
            (r#"{"seq":3,"tenant_id":"other"}"#, "TENANT_MISMATCH_TOPIC_VS_PAYLOAD"),
            (r#"{"seq":3,"tenant_id":7}"#, "TENANT_MISMATCH_TOPIC_VS_PAYLOAD"),
            (r#"{"seq":3,"device_id":"other"}"#, "DEVICE_MISMATCH_TOPIC_VS_PAYLOAD"),
            (r#"{"seq":3,"msg_type":"other"}"#, "INVALID_MSG_TYPE"),
            (r#"{"seq":3}"#, "TOKEN_MISSING"),
            (r#"{"seq":3,"provision_token":""}"#, "TOKEN_MISSING"),
            (r#"{"seq":3,"provision_token":7}"#, "TOKEN_MISSING"),
        ];
        for (text, code) in cases {
            let NotRead::Refused(why, called) = of(text.as_bytes()).unwrap_err() else { panic!("{text}") };
            assert_eq!((why.code(), called.seq), (code, Some(3)), "{text}");
        }
        let NotRead::Refused(why, _) = of(&vec![b'{'; 9_000]).unwrap_err() else { panic!("it is too large") };
        assert_eq!(why.code(), "PAYLOAD_TOO_LARGE");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = of(&bytes);
        }
    }
}

//! Whatever is wrong with a message is told as problem+json with the right 4xx, and nothing of it is stored.

use crate::service;
use fleet::http::failure::Failure;
use fleet::ingest::message::{self, Message};
use fleet::refusal::Refusal;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

const TELEMETRY: &str = "/ingest/tenant/test/device/d1/telemetry";

fn envelope(change: impl FnOnce(&mut Value)) -> String {
    let mut body = json!({ "version": "1", "ts": service::now().to_string(), "site_id": "default", "seq": 1,
                           "metrics": { "t": 25 } });
    change(&mut body);
    body.to_string()
}

/// Now, with these digits behind the point of the second.
fn finer(fraction: &str) -> String {
    format!("{}.{fraction}Z", service::now().strftime("%Y-%m-%dT%H:%M:%S"))
}

pub(crate) fn bad_bodies() -> Vec<(&'static str, u16, &'static str, Vec<u8>)> {
    let many: serde_json::Map<_, _> = (0..51).map(|n| (format!("m{n}"), json!(n))).collect();
    let large = format!(r#"{{"t": {}}}"#, " ".repeat(9_000));
    let with = |name: &str, value: Value| envelope(|body| body[name] = value).into_bytes();
    let metric = |name: &str, value: Value| json!({ name: value }).to_string().into_bytes();
    vec![
        ("empty", 400, "INVALID_JSON", b"".to_vec()),
        ("no JSON", 400, "INVALID_JSON", b"temperature=25".to_vec()),
        ("broken off", 400, "INVALID_JSON", br#"{"temperature": 25"#.to_vec()),
        ("not UTF-8", 400, "INVALID_JSON", vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}']),
        ("deep", 400, "INVALID_JSON", "[".repeat(8_000).into_bytes()),
        ("a number too big for any type", 400, "METRIC_VALUE_INVALID", br#"{"t": 1e999}"#.to_vec()),
        ("one too small for any", 400, "METRIC_VALUE_INVALID", br#"{"t": 1e-999}"#.to_vec()),
        (
            "a whole number above 64 bits",
            400,
            "METRIC_VALUE_INVALID",
            br#"{"t": 18446744073709551616}"#.to_vec(),
        ),
        ("one below", 400, "METRIC_VALUE_INVALID", br#"{"metrics": {"t": -9223372036854775809}}"#.to_vec()),
        (
            "more digits than a float has",
            400,
            "METRIC_VALUE_INVALID",
            br#"{"t": 0.1234567890123456789}"#.to_vec(),
        ),
        ("NaN", 400, "INVALID_JSON", br#"{"t": NaN}"#.to_vec()),
        ("Infinity", 400, "INVALID_JSON", br#"{"metrics": {"t": -Infinity}}"#.to_vec()),
        ("two values of one name", 400, "INVALID_MESSAGE", br#"{"t": 1, "t": 2}"#.to_vec()),
        ("two in an envelope", 400, "INVALID_MESSAGE", br#"{"metrics": {"t": 1, "t": 1}}"#.to_vec()),
        ("two times", 400, "INVALID_MESSAGE", br#"{"ts": null, "ts": null, "metrics": {"t": 1}}"#.to_vec()),
        ("an array", 400, "INVALID_MESSAGE", b"[1]".to_vec()),
        ("null", 400, "INVALID_MESSAGE", b"null".to_vec()),
        ("nothing in it", 400, "INVALID_METRICS", b"{}".to_vec()),
        ("9 kB", 413, "PL-HTTP-02", large.into_bytes()),
        ("3 MB", 413, "PL-HTTP-02", vec![b' '; 3_000_000]),
        ("a text", 400, "METRIC_VALUE_INVALID", metric("t", json!("25"))),
        ("null as value", 400, "METRIC_VALUE_INVALID", metric("t", json!(null))),
        ("nested", 400, "METRIC_VALUE_INVALID", metric("t", json!({ "value": 25 }))),
        ("a list", 400, "METRIC_VALUE_INVALID", metric("t", json!([25]))),
        ("51 metrics", 400, "TOO_MANY_METRICS", Value::Object(many).to_string().into_bytes()),
        ("a key of 129", 400, "METRIC_KEY_TOO_LONG", metric(&"k".repeat(129), json!(1))),
        ("an empty key", 400, "METRIC_KEY_INVALID", metric("", json!(1))),
        ("NUL in a key", 400, "METRIC_KEY_INVALID", br#"{"a\u0000b": 1}"#.to_vec()),
        ("a new line in a key", 400, "METRIC_KEY_INVALID", metric("a\nb", json!(1))),
        (
            "no metrics",
            400,
            "INVALID_METRICS",
            envelope(|b| drop(b.as_object_mut().unwrap().remove("metrics"))).into_bytes(),
        ),
        ("metrics as list", 400, "INVALID_METRICS", with("metrics", json!([1]))),
        ("version 2", 400, "UNSUPPORTED_ENVELOPE_VERSION", with("version", json!("2"))),
        ("a negative seq", 400, "INVALID_SEQ", with("seq", json!(-1))),
        ("half a seq", 400, "INVALID_SEQ", with("seq", json!(1.5))),
        ("a seq as text", 400, "INVALID_SEQ", with("seq", json!("1"))),
        ("a seq above 64 bits", 400, "INVALID_SEQ", with("seq", json!(u64::MAX))),
        ("a time that is none", 400, "INVALID_TS", with("ts", json!("yesterday"))),
        ("a time as number", 400, "INVALID_TS", with("ts", json!(1_700_000_000))),
        ("a time of nanoseconds", 400, "INVALID_TS", with("ts", json!(finer("123456789")))),
        ("a tenth of a microsecond", 400, "INVALID_TS", with("ts", json!(finer("0000001")))),
        ("a leap second", 400, "INVALID_TS", with("ts", json!("2025-06-30T23:59:60Z"))),
        ("a date", 400, "INVALID_TS", with("ts", json!(service::now().strftime("%Y-%m-%d").to_string()))),
        ("infinity", 400, "INVALID_TS", with("ts", json!("infinity"))),
        ("no time", 400, "INVALID_TS", with("ts", json!(null))),
        ("the year 10000", 400, "INVALID_TS", with("ts", json!("10000-01-01T00:00:00Z"))),
        ("the year 0", 400, "TS_OUT_OF_RANGE", with("ts", json!("0000-01-01T00:00:00Z"))),
        ("the 31st of February", 400, "INVALID_TS", with("ts", json!("2025-02-31T00:00:00Z"))),
        ("1970", 400, "TS_OUT_OF_RANGE", with("ts", json!("1970-01-01T00:00:00Z"))),
        ("far ahead", 400, "TS_OUT_OF_RANGE", with("ts", json!("2999-01-01T00:00:00Z"))),
        ("an empty site", 400, "INVALID_SITE_ID", with("site_id", json!(""))),
        ("NUL in a site", 400, "INVALID_SITE_ID", with("site_id", json!("a\0b"))),
        ("a site nobody has", 400, "UNKNOWN_SITE", with("site_id", json!("elsewhere"))),
    ]
}

#[tokio::test]
async fn each_in_its_own_way() {
    let fleet = service::start().await;
    let device = &fleet.device;
    let key = Some(device.key.as_str());
    for (what, status, code, body) in bad_bodies() {
        println!("{what}");
        device.send_to(TELEMETRY, key, body).await.refused(status, code);
    }
    let good = r#"{"temperature": 25}"#;
    device.send_to(TELEMETRY, None, good).await.refused(401, "TOKEN_MISSING");
    device.send_to(TELEMETRY, Some(""), good).await.refused(401, "TOKEN_MISSING");
    device.send_to(TELEMETRY, Some("wrong"), good).await.refused(401, "TOKEN_INVALID");
    let of_nobody = "/ingest/tenant/nobody/device/d1/telemetry";
    device.send_to(of_nobody, key, good).await.refused(401, "TOKEN_INVALID");
    let long = "x".repeat(129);
    for id in ["-d1", "d%201", "d%00", "%C3%A4", "d%2F1", "d'--", &long] {
        let path = format!("/ingest/tenant/test/device/{id}/telemetry");
        device.send_to(&path, key, good).await.refused(400, "INVALID_DEVICE_ID");
    }
    for id in ["te.st", "%20", &long] {
        let path = format!("/ingest/v1/tenant/{id}/device/d1/telemetry");
        device.send_to(&path, key, good).await.refused(400, "INVALID_TENANT_ID");
    }
    device.send_to("/ingest/tenant/test/device/%FF/telemetry", key, good).await.refused(400, "INVALID_PATH");
    device.send_to("/ingest/tenant/test/device/d1/nonsense", key, good).await.refused(404, "NOT_FOUND");
    device.get(TELEMETRY).await.refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(fleet.readings().await, 0);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_registry").await, 0);

    // And the device at another site than it was registered at.
    fleet
        .database
        .execute("INSERT INTO sites (tenant_id, site_id, name) VALUES ('test', 'b', 'b')")
        .await
        .unwrap();
    device.send("d1", good).await.accepted();
    device.send("d1", envelope(|body| body["site_id"] = json!("b"))).await.refused(400, "SITE_MISMATCH");
    for status in ["INACTIVE", "SUSPENDED", "REVOKED", "DELETED"] {
        fleet.database.execute(&format!("UPDATE device_registry SET status = '{status}'")).await.unwrap();
        device.send("d1", good).await.refused(403, "DEVICE_REVOKED");
    }
    fleet.database.execute("UPDATE device_registry SET status = 'ACTIVE'").await.unwrap();
    for (state, code) in [("SUSPENDED", "SUBSCRIPTION_SUSPENDED"), ("EXPIRED", "SUBSCRIPTION_EXPIRED")] {
        fleet.database.execute(&format!("UPDATE subscriptions SET status = '{state}'")).await.unwrap();
        device.send("d1", good).await.refused(403, code);
    }
    fleet.database.execute("UPDATE subscriptions SET status = 'GRACE'").await.unwrap();
    device.send("d1", good).await.accepted();
    assert_eq!(fleet.readings().await, 2);
}

/// What does not fit is named, so that whoever wrote the device's program finds it.
#[test]
fn the_field_is_named() {
    for (body, words) in [
        (r#"{"temp": 1e400}"#, ["\"temp\"", "too large"]),
        (r#"{"metrics": {"temp": 123456789012345678901}}"#, ["\"temp\"", "beyond 64 bits"]),
        (r#"{"temp": 0.1234567890123456789}"#, ["\"temp\"", "digits"]),
        (r#"{"temp": NaN}"#, ["\"temp\"", "no number"]),
        (r#"{"temp": "25"}"#, ["\"temp\"", "not a number"]),
        (r#"{"temp": 1, "temp": 2}"#, ["\"temp\"", "twice"]),
        (r#"{"ts": "2025-06-15T11:00:00.0000001Z", "metrics": {"t": 1}}"#, ["ts ", "microsecond"]),
        (r#"{"ts": "2025-06-15T11:59:60Z", "metrics": {"t": 1}}"#, ["ts ", "leap second"]),
        (r#"{"seq": 9223372036854775808, "metrics": {"t": 1}}"#, ["seq ", "9223372036854775807"]),
    ] {
        let detail = message::parse(body.as_bytes(), now()).unwrap_err().detail().into_owned();
        assert!(words.iter().all(|word| detail.contains(word)), "{body}: {detail}");
    }
}

/// What is taken is stored digit for digit.
#[tokio::test]
async fn and_what_fits_is_stored_as_it_was_sent() {
    let fleet = service::start().await;
    let sent = [
        "18446744073709551615",
        "-9223372036854775808",
        "21.30000000000000071054",
        "0.1",
        "5e-324",
        "-0.0",
        "1e22",
    ];
    for (n, number) in sent.iter().enumerate() {
        fleet.device.send("d1", format!(r#"{{"seq": {n}, "metrics": {{"t": {number}}}}}"#)).await.accepted();
        let sql = format!(
            "SELECT count(*) AS n FROM telemetry WHERE seq = {n} AND (metrics->>'t')::numeric = {number}::numeric"
        );
        assert_eq!(fleet.number(&sql).await, 1, "{number}");
    }
}

fn now() -> Timestamp {
    "2025-06-15T12:00:00Z".parse().unwrap()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[0-9TZ:+.\\-]{1,30}".prop_map(Value::from),
    ];
    let key = prop_oneof!["version", "ts", "seq", "site_id", "metrics", "[a-z]{1,3}", ".{0,4}"];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// What was understood fits the tables, whatever it was made of.
fn fits(message: &Message) {
    let metrics: Value = serde_json::from_str(&message.metrics).unwrap();
    let metrics = metrics.as_object().unwrap();
    assert!((1..=50).contains(&metrics.len()));
    for (key, value) in metrics {
        assert!((1..=128).contains(&key.chars().count()) && !key.chars().any(char::is_control));
        assert!(value.is_number() || value.is_boolean());
    }
    assert!(message.seq.is_none_or(|seq| seq >= 0));
    assert!(message.time.is_none_or(|time| (now() - time).get_seconds().abs() <= 30 * 24 * 3600));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = message::parse(&body, now()) { fits(&message) }
    }

    #[test]
    fn no_json_makes_it_panic_and_what_it_takes_fits(body in any_json()) {
        match message::parse(body.to_string().as_bytes(), now()) {
            Ok(message) => fits(&message),
            Err(refusal) => prop_assert!(Failure::from(refusal).problem().status().is_client_error()),
        }
    }

    #[test]
    fn what_a_device_means_is_what_is_read(
        minutes in 0i64..40_000, seq in 0i64..=i64::MAX, t in -1e9f64..1e9, on in any::<bool>(), key in "[a-zA-Z_ .-]{1,20}",
    ) {
        let time = now() - jiff::SignedDuration::from_mins(minutes);
        let body = json!({ "version": "1", "ts": time.to_string(), "site_id": "a", "seq": seq,
                           "metrics": { key.as_str(): t, "~": on } });
        let message = message::parse(body.to_string().as_bytes(), now()).unwrap();
        prop_assert_eq!((message.time, message.seq), (Some(time), Some(seq)));
        let metrics: Value = serde_json::from_str(&message.metrics).unwrap();
        prop_assert_eq!(metrics, json!({ key.as_str(): t, "~": on }));
    }
}

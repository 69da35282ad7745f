//! A request of 1 to 100 messages: each has its own fate, in order, by the rules of a message that comes alone. One bad message
//! takes no other along; 202 says that at least one is stored.

use crate::service::{self, Answer, Device, Fleet};
use serde_json::{Value, json};

const PATH: &str = "/ingest/v1/batch";

async fn send(device: &Device, messages: Value) -> Answer {
    send_text(device, json!({ "messages": messages }).to_string()).await
}

async fn send_text(device: &Device, body: impl Into<String>) -> Answer {
    device.send_to(PATH, Some(&device.key), body.into()).await
}

fn message(device: &str, value: i64) -> Value {
    json!({ "tenant_id": "test", "device_id": device, "metrics": { "t": value } })
}

fn fates(answer: &Answer) -> Vec<(u64, &str, &str)> {
    let results = answer.body["results"].as_array().unwrap();
    let text = |one: &'_ Value, name: &str| one[name].as_str().unwrap_or_default().to_owned().leak() as &str;
    results
        .iter()
        .map(|one| {
            let word = if one["status"] == "accepted" { "accepted" } else { text(one, "reason") };
            (one["index"].as_u64().unwrap(), text(one, "device_id"), word)
        })
        .collect()
}

async fn counted(fleet: &Fleet, reason: &str) -> i64 {
    let sql = format!(
        "SELECT coalesce(sum(cnt), 0)::bigint AS n FROM quarantine_counters_minute WHERE reason = '{reason}'"
    );
    fleet.number(&sql).await
}

#[tokio::test]
async fn in_its_order_and_by_the_rules_of_one_alone() {
    let fleet = service::start().await;
    let ts = service::now();
    let with = |name: &str, value: Value| {
        let mut one = message("d1", 1);
        one[name] = value;
        one
    };
    let at = |value: i64| json!({ "tenant_id": "test", "device_id": "d1", "ts": ts.to_string(), "metrics": { "t": value } });
    let messages = json!([
        message("d1", 1),
        with("device_id", json!("no id")),
        message("d2", 2),
        with("tenant_id", json!(7)),
        with("metrics", json!({ "t": "warm" })),
        with("msg_type", json!("alarm")),
        with("provision_token", json!("x".repeat(43))),
        with("site_id", json!("elsewhere")),
        "no object",
        { "tenant_id": "test", "device_id": "d3", "temperature": 21.5 },
        with("metrics", json!({ "t": "x".repeat(8192) })),
        at(1),
    ]);
    let answer = send(&fleet.device, messages).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!((&answer.body["accepted"], &answer.body["rejected"]), (&json!(4), &json!(8)));
    let expected = [
        (0, "d1", "accepted"),
        (1, "", "INVALID_DEVICE_ID"),
        (2, "d2", "accepted"),
        (3, "d1", "INVALID_TENANT_ID"),
        (4, "d1", "METRIC_VALUE_INVALID"),
        (5, "d1", "INVALID_MSG_TYPE"),
        (6, "d1", "TOKEN_INVALID"),
        (7, "d1", "SITE_MISMATCH"),
        (8, "", "INVALID_MESSAGE"),
        (9, "d3", "accepted"),
        (10, "d1", "PAYLOAD_TOO_LARGE"),
        (11, "d1", "accepted"),
    ];
    assert_eq!(fates(&answer), expected);
    assert_eq!(fleet.readings().await, 4);
    // Again, with one that says something else.
    let answer = send(&fleet.device, json!([at(1), at(2)])).await;
    assert_eq!(fates(&answer), [(0, "d1", "accepted"), (1, "d1", "READING_CONFLICT")]);
    assert_eq!((&answer.body["results"][0]["duplicate"], fleet.readings().await), (&json!(true), 4));
    service::until("they are counted", async || counted(&fleet, "READING_CONFLICT").await == 1).await;
}

#[tokio::test]
async fn where_none_is_stored_it_is_refused() {
    let fleet = service::start().await;
    let answer = send(&fleet.device, json!([{ "tenant_id": "test", "device_id": "d1" }, 1])).await;
    answer.refused(400, "NONE_ACCEPTED");
    assert_eq!(fates(&answer), [(0, "d1", "INVALID_METRICS"), (1, "", "INVALID_MESSAGE")]);
    // One that is worth sending again is not told to be thrown away.
    let hold = fleet.hold_writes().await;
    let body = json!({ "messages": [message("d1", 1), 1] }).to_string();
    let request = fleet.device.http.post(format!("{}{PATH}", fleet.device.url)).body(body);
    let request =
        request.header("X-Provision-Token", &fleet.device.key).header("X-Request-Timeout-Ms", "700");
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!((answer.status, &answer.body["outcome"]), (504, &json!("unknown")), "{answer:?}");
    hold.rollback().await;
}

#[tokio::test]
async fn one_that_is_worth_sending_again_says_so() {
    let fleet =
        service::start_with(|config| (config.ingest.rate.rate, config.ingest.rate.burst) = (0.01, 2.0)).await;
    let answer = send(&fleet.device, json!([message("d1", 1), message("d1", 2), message("d1", 3)])).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(2)), "{answer:?}");
    let again = |answer: &Answer| {
        let results = answer.body["results"].as_array().unwrap();
        results.iter().filter(|one| one["send_again"] == true && one["reason"] == "RATE_LIMITED").count()
    };
    assert_eq!(again(&answer), 1);
    let answer = send(&fleet.device, json!([message("d1", 4)])).await;
    answer.refused(503, "NONE_ACCEPTED");
    assert!(answer.retry_after.is_some() && again(&answer) == 1);
}

#[tokio::test]
async fn it_has_one_to_a_hundred_messages() {
    let fleet = service::start().await;
    let many =
        |count: i64| Value::from((0..count).map(|n| message(&format!("d{}", n % 3), n)).collect::<Vec<_>>());
    let answer = send(&fleet.device, many(100)).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (202, &json!(100)), "{answer:?}");
    assert_eq!(fleet.readings().await, 100);
    for wrong in [json!([]), many(101), json!({}), json!(7), Value::Null] {
        send(&fleet.device, wrong).await.refused(400, "INVALID_BATCH");
    }
    for wrong in ["", "{", "[]", "{}", r#"{"messages":[1],"messages":[1]}"#, "NaN"] {
        send_text(&fleet.device, wrong).await.refused(400, "INVALID_BATCH");
    }
    assert_eq!(fleet.device.get(PATH).await.status, 405);
    let too_large = "x".repeat((1 << 20) + 1);
    assert_eq!(send_text(&fleet.device, too_large).await.status, 413);
    assert_eq!(fleet.readings().await, 100);
}

#[tokio::test]
async fn each_may_have_a_token_of_its_own_and_none_is_kept() {
    let fleet = service::start().await;
    let mut own = message("d1", 1);
    own["provision_token"] = json!(fleet.device.key);
    let mut wrong = own.clone();
    wrong["metrics"] = json!({});
    let body = json!({ "messages": [own, message("d2", 1), wrong] }).to_string();
    let answer = fleet.device.send_to(PATH, None, body).await;
    assert_eq!(
        fates(&answer),
        [(0, "d1", "accepted"), (1, "d2", "TOKEN_MISSING"), (2, "d1", "INVALID_METRICS")]
    );
    // Alone it may be named too, in the wrong place.
    let alone = format!(r#"{{"provision_token":"{}","metrics":{{}}}}"#, fleet.device.key);
    fleet.device.send("d1", alone).await.refused(400, "INVALID_METRICS");
    service::until("they are kept", async || counted(&fleet, "INVALID_METRICS").await == 2).await;
    let key = &fleet.device.key;
    let secret = format!("SELECT count(*) AS n FROM quarantine_events WHERE payload LIKE '%{key}%'");
    assert_eq!(
        (fleet.number(&secret).await, fleet.number("SELECT count(*) AS n FROM quarantine_events").await),
        (0, 2)
    );
}

/// A hundred messages of three devices ask about three, and are written in a few batches.
#[tokio::test]
async fn the_database_is_asked_once_about_a_device() {
    let fleet = service::start().await;
    let many: Vec<Value> = (0..100).map(|n| message(&format!("d{}", n % 3), n)).collect();
    send(&fleet.device, many.clone().into()).await.accepted();
    let ingest = &fleet.running.service().unwrap().pools.ingest;
    let before = ingest.pool_status().acquired;
    send(&fleet.device, many.into()).await.accepted();
    let used = ingest.pool_status().acquired - before;
    assert!(used <= 10, "{used} leases for a hundred messages of three devices");
    let commits = "SELECT count(DISTINCT xmin::text) AS n FROM telemetry";
    assert!(fleet.number(commits).await <= 10, "written together");
}

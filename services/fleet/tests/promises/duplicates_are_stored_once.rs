//! The same reading (tenant, device, time, seq) is stored once, and two different ones are never taken for the same.

use crate::service;
use tokio::task::JoinSet;

fn envelope(seq: i64, value: i64) -> String {
    // A minute of its own for each seq, so that the time tells readings apart as well.
    let time = service::now() - jiff::SignedDuration::from_mins(seq + 1);
    format!(r#"{{"ts":"{time}","seq":{seq},"metrics":{{"t":{value}}}}}"#)
}

#[tokio::test]
async fn sent_again_it_is_accepted_and_stored_once() {
    let fleet = service::start().await;
    let first = envelope(7, 1);
    for _ in 0..3 {
        assert_eq!(fleet.device.send("d1", &first).await.accepted()["seq"], 7);
    }
    assert_eq!(fleet.readings().await, 1);
    // The first that came stays, also against one that claims to be the same and says something else.
    fleet.device.send("d1", first.replace(r#""t":1"#, r#""t":2"#)).await.refused(409, "READING_CONFLICT");
    assert_eq!(fleet.number("SELECT count(*) AS n FROM telemetry WHERE metrics = '{\"t\":1}'").await, 1);
    // Another device, another number, another time: other readings.
    fleet.device.send("d2", &first).await.accepted();
    fleet.device.send("d1", first.replace(r#""seq":7"#, r#""seq":8"#)).await.accepted();
    assert_eq!(fleet.readings().await, 3);
}

#[tokio::test]
async fn sent_many_times_at_once_it_is_stored_once() {
    let fleet = service::start().await;
    let bodies: Vec<String> = (0..10).map(|seq| envelope(seq, 1)).collect();
    let mut sending = JoinSet::new();
    for n in 0..200 {
        let (device, body) = (fleet.device.clone(), bodies[n % 10].clone());
        sending.spawn(async move { device.send("d1", body).await });
    }
    for answer in sending.join_all().await {
        answer.accepted();
    }
    assert_eq!(fleet.readings().await, 10);
}

#[tokio::test]
async fn flat_messages_are_never_the_same() {
    let fleet = service::start().await;
    let mut sending = JoinSet::new();
    for _ in 0..200 {
        let device = fleet.device.clone();
        sending.spawn(async move { device.send("d1", r#"{"t": 1}"#).await });
    }
    for answer in sending.join_all().await {
        assert!(answer.accepted()["seq"].as_i64().unwrap() < 0, "a number that no device can have");
    }
    assert_eq!(fleet.readings().await, 200);
}

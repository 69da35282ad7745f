//! A device hears 202 after the transaction that holds its reading has committed, and not before.

use crate::service;
use std::sync::Arc;
use tokio::task::JoinSet;

#[tokio::test]
async fn what_was_acknowledged_is_there() {
    let fleet = service::start().await;
    for n in 1..=3 {
        let told = fleet.device.send("d1", r#"{"temperature": 25}"#).await.accepted();
        assert_eq!((&told["status"], &told["device_id"]), (&"accepted".into(), &"d1".into()));
        assert_eq!(fleet.readings().await, n, "seen by another session as soon as the answer was heard");
    }
    let path = "/ingest/v1/tenant/test/device/d1/telemetry";
    let body = format!(
        r#"{{"version":"1","ts":"{}","site_id":"default","seq":17,"metrics":{{"on":true}}}}"#,
        service::now()
    );
    let told = fleet.device.send_to(path, Some(&fleet.device.key), body).await.accepted();
    assert_eq!(told["seq"], 17);
    assert_eq!(
        fleet
            .number("SELECT count(*) AS n FROM telemetry WHERE seq = 17 AND metrics = '{\"on\":true}'")
            .await,
        1
    );
    fleet.running.stop().await;
}

#[tokio::test]
async fn while_nothing_is_committed_nothing_is_acknowledged() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let hold = fleet.hold_writes().await;
    let device = fleet.device.clone();
    let sending = tokio::spawn(async move { device.send("d1", r#"{"t": 2}"#).await });
    fleet.until_writes_wait(1).await;
    assert!(!sending.is_finished(), "acknowledged before it was written");
    assert_eq!(fleet.readings().await, 1);
    hold.rollback().await;
    sending.await.unwrap().accepted();
    assert_eq!(fleet.readings().await, 2);
}

#[tokio::test]
async fn a_row_that_cannot_be_stored_does_not_take_its_neighbours_along() {
    let fleet = service::start().await;
    fleet.database.execute("ALTER TABLE telemetry ADD CHECK (metrics <> '{\"t\":13}')").await.unwrap();
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    // What comes while writes are held goes into few batches, the bad row among the others.
    let hold = fleet.hold_writes().await;
    let mut sending = JoinSet::new();
    for n in 1..=40 {
        let device = fleet.device.clone();
        sending.spawn(async move { (n, device.send("d1", format!(r#"{{"t":{n}}}"#)).await) });
    }
    let writer = &fleet.running.service().unwrap().writer;
    service::until("all of them wait", async || writer.waiting() >= 40).await;
    hold.rollback().await;
    while let Some(sent) = sending.join_next().await {
        let (n, answer) = sent.unwrap();
        if n == 13 { answer.refused(422, "PL-SQL-01") } else { drop(answer.accepted()) }
    }
    assert_eq!(fleet.readings().await, 40);
}

#[tokio::test]
async fn what_was_taken_before_the_end_is_still_written() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    let hold = fleet.hold_writes().await;
    let mut sending = JoinSet::new();
    for _ in 0..20 {
        let device = fleet.device.clone();
        sending.spawn(async move { device.send("d1", r#"{"t": 1}"#).await });
    }
    fleet.until_writes_wait(1).await;
    let taken = Arc::new(fleet.running);
    let writer = &taken.service().unwrap().writer;
    // All twenty are in the writer's hands, in a batch or in the queue, before the end is told.
    let held = async || writer.waiting() >= 20;
    service::until("twenty readings wait", held).await;
    let stopping = tokio::spawn(async move { Arc::into_inner(taken).unwrap().stop().await });
    hold.rollback().await;
    while let Some(sent) = sending.join_next().await {
        sent.unwrap().accepted();
    }
    stopping.await.unwrap();
    assert_eq!(service::number(&fleet.database, "SELECT count(*) AS n FROM telemetry").await, 21);
}

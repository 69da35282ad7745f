//! Where other work keeps the database from taking a message, its device hears 503 and when to come again, and nothing is put into
//! quarantine: by a 4xx it would throw the message away, of which nothing is wrong.

use crate::service::{self, Answer};
use plimsoll::{Database, Settings};
use serde_json::json;

/// What registering a device waits for, and what storing a reading waits for; the service's wait for a lock ends after 5 s.
const HELD: &str = "SELECT FROM subscriptions FOR UPDATE; LOCK TABLE telemetry IN SHARE MODE";

#[track_caller]
fn is_to_be_sent_again(answer: &Answer) {
    answer.refused(503, "PL-STM-02");
    assert!(answer.retry_after.is_some(), "{answer:?}");
}

#[tokio::test]
async fn a_lock_that_is_not_granted_in_time() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute(HELD).await.unwrap();
    let message = json!({ "tenant_id": "test", "device_id": "other", "metrics": { "t": 2 } });
    let batch = json!({ "messages": [message] }).to_string();
    let (first, known, several) = tokio::join!(
        fleet.device.send("new", r#"{"t": 1}"#),
        fleet.device.send("d1", r#"{"t": 2}"#),
        fleet.device.send_to("/ingest/v1/batch", Some(&fleet.device.key), batch),
    );
    hold.rollback().await;
    is_to_be_sent_again(&first);
    is_to_be_sent_again(&known);
    several.refused(503, "NONE_ACCEPTED");
    let result = &several.body["results"][0];
    assert_eq!((&result["reason"], &result["send_again"]), (&json!("PL-STM-02"), &json!(true)));
    fleet.device.send("new", r#"{"t": 1}"#).await.accepted();
    assert_eq!(fleet.readings().await, 2);
    assert_eq!(fleet.number("SELECT count(*) AS n FROM quarantine_events").await, 0);
}

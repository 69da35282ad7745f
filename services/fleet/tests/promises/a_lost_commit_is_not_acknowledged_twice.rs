//! When the answer to a COMMIT is lost, a device is told "stored" only if that was found out; if not, it sends again, and
//! the reading is there once.

use crate::service::{self, Answer, Device, Fleet};
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server;
use plimsoll_faults::{Direction, Fault, Proxy, When};
use tokio::task::JoinHandle;

/// A service whose connections pass a wire that can be broken.
async fn behind_a_wire() -> (Fleet, Proxy) {
    let server = test_server::server().await.unwrap();
    let wire = Proxy::in_front_of((server.host(), server.port())).await.unwrap();
    let port = wire.port().to_string();
    let fleet = service::start_with(|config| {
        let fleet::Source::Given(settings) = &config.database else { panic!("a database was given") };
        let host = format!("127.0.0.1:{port}");
        config.database = fleet::Source::Given(Box::new(Settings::clone(settings).hosts(host)));
    });
    (fleet.await, wire)
}

fn reading() -> String {
    format!(r#"{{"ts":"{}","seq":5,"metrics":{{"t":1}}}}"#, service::now())
}

/// Sends a reading whose INSERT is held, so that the next COMMIT is the one that stores it.
async fn send_held(fleet: &Fleet, body: &str, break_wire: impl FnOnce()) -> JoinHandle<Answer> {
    let hold = fleet.hold_writes().await;
    let (device, body): (Device, String) = (fleet.device.clone(), body.to_owned());
    let sending = tokio::spawn(async move { device.send("d1", body).await });
    fleet.until_writes_wait(1).await;
    break_wire();
    hold.rollback().await;
    sending
}

#[tokio::test]
async fn found_out_it_is_acknowledged() {
    let (fleet, wire) = behind_a_wire().await;
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    let commit = Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped);
    let sending = send_held(&fleet, &reading(), || wire.set_once(commit)).await;
    sending.await.unwrap().accepted();
    assert_eq!(wire.struck(), 1, "the answer was lost");
    assert_eq!(fleet.readings().await, 2);
}

#[tokio::test]
async fn not_found_out_it_is_refused_and_stored_once_when_sent_again() {
    let (fleet, wire) = behind_a_wire().await;
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    let body = reading();
    let break_wire = || {
        wire.set(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
        // And whoever asks what became of it gets no answer either.
        wire.add(Fault::on_message(Direction::ToServer, b'P', "pg_xact_status", When::Before));
    };
    let sending = send_held(&fleet, &body, break_wire).await;
    let answer = sending.await.unwrap();
    answer.refused(503, "OUTCOME_UNKNOWN");
    assert!(answer.retry_after.is_some());
    assert!(answer.body["title"].as_str().unwrap().contains("send it again"), "{answer:?}");
    assert_eq!(fleet.readings().await, 2, "it had been stored, and nobody could know");
    wire.clear();
    let again = async || fleet.device.send("d1", body.as_str()).await.status == 202;
    service::until("the device's next try is accepted", again).await;
    assert_eq!(fleet.readings().await, 2);
}

/// Sent again, it would be another reading; so it is not told to come again, and why is said.
#[tokio::test]
async fn a_reading_without_a_time_is_not_told_to_come_again() {
    let (fleet, wire) = behind_a_wire().await;
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    let break_wire = || {
        wire.set(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
        wire.add(Fault::on_message(Direction::ToServer, b'P', "pg_xact_status", When::Before));
    };
    let answer = send_held(&fleet, r#"{"t": 1}"#, break_wire).await.await.unwrap();
    answer.refused(503, "OUTCOME_UNKNOWN");
    assert_eq!((answer.retry_after, &answer.body["outcome"]), (None, &"unknown".into()), "{answer:?}");
    assert!(answer.body["title"].as_str().unwrap().contains("may be stored twice"), "{answer:?}");
    wire.clear();
}

#[tokio::test]
async fn what_did_not_happen_is_done_again_by_the_service() {
    let (fleet, wire) = behind_a_wire().await;
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    let commit = Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::Before);
    let sending = send_held(&fleet, &reading(), || wire.set_once(commit)).await;
    sending.await.unwrap().accepted();
    assert_eq!(wire.struck(), 1);
    assert_eq!(fleet.readings().await, 2);
}

/// The first message of a device registers it; whether that was done is not known either.
#[tokio::test]
async fn nor_is_a_device_registered_twice() {
    let (fleet, wire) = behind_a_wire().await;
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE device_registry IN SHARE MODE").await.unwrap();
    let (device, body) = (fleet.device.clone(), reading());
    let sending = tokio::spawn({
        let body = body.clone();
        async move { device.send("d1", body).await }
    });
    let waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO public.device_registry%'";
    service::until("the registration waits", async || fleet.number(waits).await == 1).await;
    wire.set(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
    wire.add(Fault::on_message(Direction::ToServer, b'P', "pg_xact_status", When::Before));
    hold.rollback().await;
    let answer = sending.await.unwrap();
    answer.refused(503, "OUTCOME_UNKNOWN");
    assert!(answer.retry_after.is_some() && fleet.readings().await == 0);
    wire.clear();
    let again = async || fleet.device.send("d1", body.as_str()).await.status == 202;
    service::until("the device's next try is accepted", again).await;
    let counted = "SELECT sum(active_device_count) AS n FROM subscriptions";
    assert_eq!((fleet.readings().await, fleet.number(counted).await), (1, 1));
    assert_eq!(fleet.number("SELECT count(*) AS n FROM device_registry").await, 1);
}

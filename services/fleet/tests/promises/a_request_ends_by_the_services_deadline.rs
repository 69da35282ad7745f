//! A request of the service has 15 s, or what `FLEET_REQUEST_DEADLINE` says; then its client hears 504, and what ran for it on
//! the database is stopped. A limit that contradicts another is told at the start.

use crate::service;
use fleet::Config;
use std::time::{Duration, Instant};

const READING: &str = r#"{"version": "1", "ts": "NOW", "seq": 7, "metrics": {"t": 1}}"#;

fn reading() -> String {
    READING.replace("NOW", &service::now().to_string())
}

#[tokio::test]
async fn then_it_is_a_504_and_nothing_runs_on() {
    let fleet = service::start_with(|config| config.request_deadline = Duration::from_secs(2)).await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let hold = fleet.hold_writes().await;
    let (began, body) = (Instant::now(), reading());
    let answer = fleet.device.send("d1", body.as_str()).await;
    let took = began.elapsed();
    answer.refused(504, "PL-DEA-01");
    assert!(took > Duration::from_secs(1) && took < Duration::from_secs(4), "{took:?}");
    let waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock'";
    service::until("no write waits any more", async || fleet.number(waiting).await == 0).await;
    hold.rollback().await;
    assert_eq!(fleet.readings().await, 1);
    fleet.device.send("d1", body).await.accepted();
    assert_eq!(fleet.readings().await, 2);
}

/// The batch goes on, so what the client is told is that it may have been done.
#[tokio::test]
async fn a_client_may_give_it_less_and_sends_again_what_is_stored_once() {
    let fleet = service::start().await;
    fleet.device.send("d1", r#"{"t": 1}"#).await.accepted();
    let hold = fleet.hold_writes().await;
    let body = reading();
    let answer = fleet.device.send_as(&[("X-Request-Timeout-Ms", "500")], body.clone()).await;
    answer.refused(504, "PL-DEA-01");
    assert_eq!(answer.body["outcome"], "unknown", "{answer:?}");
    hold.rollback().await;
    fleet.device.send("d1", body).await.accepted();
    assert_eq!(fleet.readings().await, 2);
    fleet.device.send_as(&[("X-Request-Timeout-Ms", "soon")], READING).await.refused(400, "PL-HTTP-01");
}

#[test]
fn it_is_a_setting() {
    let read = |said: &[(&str, &str)]| {
        let variable = |name: &str| {
            let found = said.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::from_env_with(variable)
    };
    let of = |said: &[(&str, &str)]| {
        let config = read(said).unwrap();
        (config.request_deadline, config.proxy_limit)
    };
    assert_eq!(of(&[]), (Duration::from_secs(15), None));
    let said = [("FLEET_REQUEST_DEADLINE", "2500ms"), ("FLEET_PROXY_LIMIT", "1min")];
    assert_eq!(of(&said), (Duration::from_millis(2_500), Some(Duration::from_secs(60))));
    for value in ["soon", "15", "off", "999ms", "11min", "-1s", "1.5s"] {
        let error = read(&[("FLEET_REQUEST_DEADLINE", value)]).unwrap_err().to_string();
        assert!(error.contains("FLEET_REQUEST_DEADLINE") && error.contains(value), "{error}");
    }
}

#[tokio::test]
async fn limits_that_contradict_each_other_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config("postgresql://a:b@127.0.0.1:1/c", folder.path());
    config.proxy_limit = Some(Duration::from_secs(10));
    let error = fleet::start(config.clone()).await.err().expect("the proxy gives up first").to_string();
    assert!(error.contains("10s") && error.contains("15s") && error.contains("FLEET_PROXY_LIMIT"), "{error}");
    config.proxy_limit = Some(Duration::from_secs(30));
    assert!(fleet::start(config).await.is_ok(), "these fit");
}

/// The wait for a connection and the batch have parts of it.
#[tokio::test]
async fn the_shortest_and_the_longest_work() {
    for seconds in [1, 600] {
        let fleet = service::start_with(|config| {
            config.request_deadline = Duration::from_secs(seconds);
            config.pool_timeout_is_said = false;
        })
        .await;
        service::until("a reading is taken", async || {
            fleet.device.send("d1", r#"{"t": 1}"#).await.status == 202
        })
        .await;
    }
}

//! `fleet simulate` makes its readings when they are due, over HTTP and MQTT, whether or not the service answers; how long one took is
//! counted from then; and what it says was acknowledged is in the table, once.

use crate::mqtt;
use crate::service::{self, Fleet};
use crate::simulating::{Ended, Simulation};
use std::time::Duration;

async fn is_in_the_table(fleet: &Fleet, ended: &Ended) {
    let readings = fleet.number("SELECT count(*) AS n FROM telemetry WHERE tenant_id = 'test'").await;
    let distinct = "SELECT count(DISTINCT (device_id, seq)) AS n FROM telemetry WHERE tenant_id = 'test'";
    assert_eq!(
        (readings, fleet.number(distinct).await),
        (ended.number("made"), ended.number("made")),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_no_row_can_be_written() {
    let (fleet, broker) = mqtt::start().await;
    // They are registered before the table is held, so that all of them wait for the same.
    let options = format!("--url {} --mqtt {} --devices 20 --rate 40", fleet.device.url, broker.url());
    Simulation::of_test(&fleet.device.key, &format!("{options} --for 2s")).ended().await.is_clean();
    let before = fleet.readings().await;

    let hold = fleet.hold_writes().await;
    let simulation = Simulation::of_test(&fleet.device.key, &format!("{options} --for 11s"));
    tokio::time::sleep(Duration::from_secs(8)).await;
    hold.rollback().await;
    let ended = simulation.ended().await;
    ended.is_clean();
    // 40 a second in 11 s, and the first at once.
    let made = ended.number("made");
    assert!((436..=444).contains(&made), "{made}: {ended:?}");
    assert_eq!(fleet.readings().await, before + made, "{ended:?}");
    let distinct = "SELECT count(DISTINCT (device_id, time, seq)) AS n FROM telemetry";
    assert_eq!(fleet.number(distinct).await, before + made);
    // Most were due while the table was held. A fleet that waited for answers would have made few of those, and call half of
    // its readings fast.
    assert!(
        ended.summary.contains("acknowledged after p50 ")
            && ended.summary.contains("10 over HTTP and 10 over MQTT")
    );
    let half = ended.summary.split("p50 ").nth(1).unwrap();
    assert!(half.split(',').next().unwrap().ends_with(" s"), "in seconds, not milliseconds: {ended:?}");
    // Not a terminal: a line each ten seconds, which is one here.
    let lines: Vec<_> = ended.progress.lines().filter(|line| line.contains("  made ")).collect();
    assert!(matches!(lines[..], [line] if line.starts_with("  10 s  made 4")), "{ended:?}");
    fleet.running.stop().await;
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_while_the_broker_is_killed() {
    let (fleet, broker) = mqtt::start().await;
    let options = format!("--mqtt {} --devices 10 --rate 20 --for 6s", broker.url());
    let simulation = Simulation::of_test(&fleet.device.key, &options);
    service::until("readings come", async || fleet.readings().await >= 20).await;
    broker.kill().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    broker.start_again().await.unwrap();
    let ended = simulation.ended().await;
    ended.is_clean();
    assert!(ended.summary.contains("0 over HTTP and 10 over MQTT"), "{ended:?}");
    is_in_the_table(&fleet, &ended).await;
    fleet.running.stop().await;
    broker.stop().await.unwrap();
}

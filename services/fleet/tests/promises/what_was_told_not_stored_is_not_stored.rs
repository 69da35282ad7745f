//! A reading that still waits when its request's time is over, or when its client leaves, is taken out of the queue: the device
//! is told that it is not stored, and it never will be. One that is being written by then is told as one that may be stored.

use crate::service::{self, Answer, Device, Fleet};
use plimsoll::TransactionGuard;
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use tokio::task::JoinSet;

fn reading(seq: i64) -> String {
    let hour = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:00:00Z");
    format!(r#"{{"ts":"{hour}","seq":{seq},"metrics":{{"t":1}}}}"#)
}

/// A device that gives up after this long, each time.
async fn send(device: &Device, seq: i64, within: &str) -> (i64, Answer) {
    (seq, device.send_as(&[("X-Request-Timeout-Ms", within)], reading(seq)).await)
}

/// Every lane is held by a reading; what comes after waits in the queue.
async fn with_all_lanes_held(fleet: &Fleet) -> (TransactionGuard, JoinSet<(i64, Answer)>) {
    fleet.device.send("d1", r#"{"t": 0}"#).await.accepted();
    let hold = fleet.hold_writes().await;
    let mut sending = JoinSet::new();
    for n in 1..=4 {
        let device = fleet.device.clone();
        sending.spawn(async move { send(&device, n, "1500").await });
        fleet.until_writes_wait(n).await;
    }
    (hold, sending)
}

async fn stored(fleet: &Fleet, seq: i64) -> bool {
    fleet.number(&format!("SELECT count(*) AS n FROM telemetry WHERE seq = {seq}")).await > 0
}

#[tokio::test]
async fn when_its_time_is_over_in_the_queue() {
    let fleet = service::start().await;
    let (hold, mut held) = with_all_lanes_held(&fleet).await;
    let mut sending = JoinSet::new();
    for seq in 100..130 {
        let device = fleet.device.clone();
        sending.spawn(async move { send(&device, seq, "600").await });
    }
    let mut told = Vec::new();
    while let Some(sent) = sending.join_next().await {
        let (seq, answer) = sent.unwrap();
        answer.refused(504, "NOT_IN_TIME");
        assert_eq!(answer.body["outcome"], "not started", "{answer:?}");
        assert!(answer.retry_after.is_some());
        told.push(seq);
    }
    assert_eq!(told.len(), 30);
    // Those in a batch are not known.
    while let Some(sent) = held.join_next().await {
        let (_, answer) = sent.unwrap();
        answer.refused(504, "PL-DEA-01");
        assert_eq!(answer.body["outcome"], "unknown", "{answer:?}");
    }
    hold.rollback().await;
    service::until("the lanes are free", async || fleet.device.send("d1", reading(999)).await.status == 202)
        .await;
    service::until("nothing waits", async || fleet.running.service().unwrap().writer.waiting() == 0).await;
    for seq in told {
        assert!(!stored(&fleet, seq).await, "reading {seq} was told not stored, and is");
    }
}

#[tokio::test]
async fn when_its_client_leaves_the_queue() {
    let fleet = service::start().await;
    let (hold, _held) = with_all_lanes_held(&fleet).await;
    let writer = &fleet.running.service().unwrap().writer;
    let mut sending = JoinSet::new();
    for seq in 100..110 {
        let device = fleet.device.clone();
        sending.spawn(async move { device.send("d1", reading(seq)).await });
    }
    service::until("all of them wait", async || writer.waiting() >= 10 + 4).await;
    sending.abort_all();
    service::until("they have left", async || writer.waiting() <= 4).await;
    hold.rollback().await;
    service::until("the lanes are free", async || fleet.device.send("d1", reading(999)).await.status == 202)
        .await;
    for seq in 100..110 {
        assert!(!stored(&fleet, seq).await, "reading {seq} was stored for a client that had left");
    }
}

/// The server itself stands still; whichever way each request ends, what it says holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_frozen_database() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let running = fleet::start(service::config(&cluster.url("fleet"), folder.path())).await.unwrap();
    let reached = running.ready().await.unwrap();
    let device = Device::of(running.url(), reached.demo.unwrap());
    send(&device, 1, "10000").await.1.accepted();

    // Admitted before the freeze or held by it, in a batch or in the queue.
    let mut sending = JoinSet::new();
    for seq in 100..300 {
        let device = device.clone();
        sending.spawn(async move { send(&device, seq, "900").await });
    }
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    let first = sending.join_next().await.unwrap().unwrap();
    server.freeze().await.unwrap();
    let mut answers = vec![first];
    answers.extend(sending.join_all().await);
    server.thaw().unwrap();
    let again = async || send(&device, 999, "10000").await.1.status == 202;
    service::until("a reading is taken again", again).await;
    service::until("nothing waits", async || running.service().unwrap().writer.waiting() == 0).await;
    let rows = cluster.execute("fleet", "SELECT seq::text AS n FROM telemetry").await.unwrap();
    let stored: Vec<i64> = rows.iter().map(|row| row["n"].parse().unwrap()).collect();
    let mut unsure = 0;
    for (seq, answer) in answers {
        let is_stored = stored.contains(&seq);
        match (answer.status, answer.body["outcome"].as_str()) {
            (202, _) => assert!(is_stored, "{seq} was acknowledged and is not stored"),
            (_, Some("unknown")) => unsure += 1,
            _ => assert!(!is_stored, "{seq} was told not stored, and is: {answer:?}"),
        }
    }
    assert!(unsure < 200, "something can be said of most");
    running.stop().await;
}

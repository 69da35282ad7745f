//! The database stands still under a steady load: within a second devices are told 503 and when to come again, at once
//! and not after a request's fifteen seconds; the service lives on; and when the database goes on, so does everything.
//! What was acknowledged is stored, once, and nothing is stored twice.

use crate::service::{self, Answer, Device};
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The longest time in which the freeze is not noticed yet, on a machine that is busy with other tests.
const NOTICED: Duration = Duration::from_millis(1_500);
const FROZEN: Duration = Duration::from_secs(4);

/// All of this hour, so that the number is what tells them apart.
fn reading(seq: i64) -> String {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:00:00Z");
    format!(r#"{{"version": "1", "ts": "{now}", "seq": {seq}, "metrics": {{"t": 1}}}}"#)
}

struct Sent {
    seq: i64,
    at: Instant,
    took: Duration,
    answer: Answer,
}

/// Sends readings, one every ten milliseconds, until the time is over.
async fn send(device: &Device, from: i64, span: Duration) -> Vec<Sent> {
    let began = Instant::now();
    let mut sending = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for seq in from.. {
        ticks.tick().await;
        if began.elapsed() > span {
            break;
        }
        let device = device.clone();
        sending.spawn(async move {
            let at = Instant::now();
            let answer = device.send("d1", reading(seq)).await;
            Sent { seq, at, took: at.elapsed(), answer }
        });
    }
    sending.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_is_served_again_at_once() {
    let cluster = Cluster::start().await.unwrap();
    cluster.create_database("fleet").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = service::config(&cluster.url("fleet"), folder.path());
    config.pool_timeout_is_said = false;
    let running = fleet::start(config).await.unwrap();
    let reached = running.ready().await.unwrap();
    let device = Device::of(running.url(), reached.demo.unwrap());
    for sent in send(&device, 1, Duration::from_millis(300)).await {
        sent.answer.accepted();
    }

    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    let frozen = Instant::now();
    let load = tokio::spawn({
        let device = device.clone();
        async move { send(&device, 1_000, FROZEN).await }
    });
    // The promise is about this very time.
    tokio::time::sleep(FROZEN).await;
    assert_eq!(device.get_as("/healthz", None).await.status, 200, "it lives");
    server.thaw().unwrap();
    let thawed = Instant::now();
    service::until("a reading is taken again", async || device.send("d1", reading(999)).await.status == 202)
        .await;
    assert!(thawed.elapsed() < Duration::from_secs(2), "{:?} after the thaw", thawed.elapsed());

    let mut acknowledged = vec![999];
    for Sent { seq, at, took, answer } in load.await.unwrap() {
        match answer.status {
            202 => acknowledged.push(seq),
            503 => assert!(answer.retry_after.is_some(), "{answer:?}"),
            _ => panic!("neither stored nor to be sent again: {answer:?}"),
        }
        let is_during = at > frozen + NOTICED && at < thawed - Duration::from_millis(100);
        if is_during {
            // Before its handler runs.
            answer.refused(503, "PL-BRK-01");
            assert!(took < Duration::from_millis(500), "{took:?} to an answer");
        }
    }
    let stored = "SELECT seq::text AS n FROM telemetry WHERE seq >= 999 ORDER BY seq";
    let stored: Vec<i64> =
        cluster.execute("fleet", stored).await.unwrap().iter().map(|row| row["n"].parse().unwrap()).collect();
    let missing: Vec<_> = acknowledged.iter().filter(|seq| !stored.contains(seq)).collect();
    assert!(missing.is_empty(), "acknowledged and not stored: {missing:?}");
    assert!(stored.windows(2).all(|two| two[0] != two[1]), "stored twice: {stored:?}");
    running.stop().await;
}

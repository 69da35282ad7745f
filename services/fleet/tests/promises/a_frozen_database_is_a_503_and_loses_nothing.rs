//! The database stands still for ten seconds while five hundred devices send: within a second they are told 503 and when to come
//! again, in milliseconds and not after a request's fifteen seconds; the service lives on; and when the database goes on, so does everything.
//! What was acknowledged is stored, once, and nothing is stored twice.

use crate::service::{self, Answer, Device};
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The longest time in which the freeze is not noticed yet, on a machine that is busy with other tests.
const NOTICED: Duration = Duration::from_millis(1_500);
const FROZEN: Duration = Duration::from_secs(10);
/// Each sends every two seconds.
const DEVICES: i64 = 500;

/// Each with the tenant's key, as their first messages would have registered them.
const REGISTERED: &str = "
    INSERT INTO device_registry (tenant_id, device_id, site_id, status, provision_token_hash)
    SELECT 'test', 'd' || n, 'default', 'ACTIVE', t.provision_key_hash
    FROM generate_series(0, 499) n, tenants t WHERE t.tenant_id = 'test'";

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

/// Sends readings, of one device after the other, one every four milliseconds, until the time is over.
async fn send(device: &Device, from: i64, span: Duration) -> Vec<Sent> {
    let began = Instant::now();
    let mut sending = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_millis(4));
    for seq in from.. {
        ticks.tick().await;
        if began.elapsed() > span {
            break;
        }
        let device = device.clone();
        sending.spawn(async move {
            let at = Instant::now();
            let answer = device.send(&format!("d{}", seq % DEVICES), reading(seq)).await;
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
    cluster.execute("fleet", REGISTERED).await.unwrap();
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
    assert!(thawed.elapsed() < Duration::from_secs(1), "{:?} after the thaw", thawed.elapsed());

    let (mut acknowledged, mut refused, mut waits) = (vec![999], Vec::new(), Vec::new());
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
            refused.push(seq);
            waits.push(took);
            assert!(took < Duration::from_millis(500), "{took:?} to an answer");
        }
    }
    let stored = "SELECT seq::text AS n FROM telemetry WHERE seq >= 999 ORDER BY seq";
    let stored: Vec<i64> =
        cluster.execute("fleet", stored).await.unwrap().iter().map(|row| row["n"].parse().unwrap()).collect();
    waits.sort_unstable();
    let median = waits[waits.len() / 2];
    assert!(
        waits.len() > 1_000 && median < Duration::from_millis(20),
        "{median:?} to one of {}",
        waits.len()
    );
    let in_spite: Vec<_> = refused.iter().filter(|seq| stored.contains(seq)).collect();
    assert!(in_spite.is_empty(), "refused and stored: {in_spite:?}");
    let missing: Vec<_> = acknowledged.iter().filter(|seq| !stored.contains(seq)).collect();
    assert!(missing.is_empty(), "acknowledged and not stored: {missing:?}");
    assert!(stored.windows(2).all(|two| two[0] != two[1]), "stored twice: {stored:?}");
    running.stop().await;
}

//! Two instances, one of which is killed under load: every reading that either has acknowledged is stored, once, since a device
//! sends again what was not; and what the killed one was at in the background, the other does within ten seconds, once.

use crate::process::Process;
use crate::service::{self, Device, number};
use jiff::Timestamp;
use plimsoll::{Database, Settings, TransactionGuard};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const ALERTS: i64 = 50;
const DEVICES: i64 = 16;
/// How soon the other instance has taken over.
const TAKEN_OVER: Duration = Duration::from_secs(10);

const VARIABLES: [(&str, &str); 3] = [
    ("FLEET_RATE_LIMIT_RPS", "1000000"),
    ("FLEET_RATE_LIMIT_BURST", "1000000"),
    // The first one waits where it was stopped until it is killed.
    ("PLIMSOLL_LOCK_TIMEOUT", "25s"),
];

const DUE: &str = "
    INSERT INTO escalation_policies (tenant_id, name, is_default) VALUES ('test', 'p', true);
    INSERT INTO escalation_levels (tenant_id, policy_id, level_number, delay_minutes, notify_email)
    SELECT 'test', policy_id, level, 15, 'team@example.com' FROM escalation_policies, generate_series(1, 2) level;
    INSERT INTO fleet_alert (tenant_id, alert_type, fingerprint, summary, escalation_policy_id, next_escalation_at)
    SELECT 'test', 'SYSTEM_HEALTH', 'f' || n, 's', policy_id, now() FROM escalation_policies, generate_series(1, 50) n";

/// What the devices of a fleet share.
struct Fleet {
    url: [String; 2],
    device: Device,
    ts: Timestamp,
    next: AtomicI64,
    /// Acknowledged by the one, and by the other.
    acknowledged: [AtomicI64; 2],
    is_over: AtomicBool,
}

/// Keeps every page from being written, until it is rolled back.
async fn hold_pages(database: &TestDatabase) -> TransactionGuard {
    let owner = Database::connect(Settings::from_url(database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE escalation_outbox IN SHARE MODE").await.unwrap();
    hold
}

/// Sends readings until it is over, each until it is acknowledged, by turns to the two instances; gives their numbers.
async fn send(fleet: Arc<Fleet>) -> Vec<i64> {
    let mut acknowledged = Vec::new();
    while !fleet.is_over.load(Ordering::Relaxed) {
        let seq = fleet.next.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"ts": "{}", "seq": {seq}, "metrics": {{"t": {seq}}}}}"#, fleet.ts);
        for attempt in seq.. {
            let at = usize::try_from(attempt % 2).unwrap();
            let path = format!("{}/ingest/v1/tenant/test/device/d{}/telemetry", fleet.url[at], seq % DEVICES);
            let request = fleet.device.http.post(path).header("X-Provision-Token", &fleet.device.key);
            match request.body(body.clone()).send().await {
                Ok(answer) if answer.status() == 202 => {
                    acknowledged.push(seq);
                    fleet.acknowledged[at].fetch_add(1, Ordering::Relaxed);
                    break;
                }
                Ok(answer) if answer.status() == 503 => {}
                Ok(answer) => panic!("{seq}: {}", answer.text().await.unwrap()),
                // It is killed. A device that has no answer sends again.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_the_other_goes_on_with_its_work() {
    let database = test_server::database().await.unwrap();
    let mut first = Process::start(&database.url(), &VARIABLES).await;
    // The first is in the midst of a step: it has claimed the alerts and is about to write whom to tell.
    let hold = hold_pages(&database).await;
    database.execute(DUE).await.unwrap();
    let held = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()
                AND wait_event_type = 'Lock' AND query LIKE '%escalation_outbox%'";
    service::until("the first has claimed them", async || number(&database, held).await == 1).await;
    let second = first.start_beside(&database.url(), &VARIABLES).await;
    let silent =
        "INSERT INTO device_state (tenant_id, device_id, last_seen_at) VALUES ('test', 'silent', now())";
    database.execute(silent).await.unwrap();

    let fleet = Arc::new(Fleet {
        url: [first.device.url.clone(), second.device.url.clone()],
        device: second.device.clone(),
        ts: service::now(),
        next: AtomicI64::new(1),
        acknowledged: Default::default(),
        is_over: AtomicBool::new(false),
    });
    let mut sending = JoinSet::new();
    for _ in 0..DEVICES * 2 {
        sending.spawn(send(Arc::clone(&fleet)));
    }
    let by = |at: usize| fleet.acknowledged[at].load(Ordering::Relaxed);
    service::until("both are busy", async || by(0) > 200 && by(1) > 200).await;
    assert_eq!(number(&database, "SELECT count(*) AS n FROM escalation_outbox").await, 0);

    assert_eq!(number(&database, held).await, 1, "the first is still at it");
    first.child.start_kill().unwrap();
    first.child.wait().await.unwrap();
    let killed = Instant::now();
    hold.rollback().await;
    // What one instance alone has to notice from here on.
    let long_silent =
        "UPDATE device_state SET last_seen_at = now() - interval '1 day' WHERE device_id = 'silent'";
    database.execute(long_silent).await.unwrap();
    let told = "SELECT count(*) AS n FROM escalation_outbox";
    service::until("every alert is told", async || number(&database, told).await == ALERTS).await;
    let noted =
        "SELECT count(*) AS n FROM device_state WHERE device_id = 'silent' AND noted_state = 'OFFLINE'";
    service::until("the silent device is noted", async || number(&database, noted).await == 1).await;
    assert!(killed.elapsed() < TAKEN_OVER, "{:?} until the other had taken over", killed.elapsed());
    let before = by(1);
    service::until("the other takes all of them", async || by(1) > before + 200).await;
    fleet.is_over.store(true, Ordering::Relaxed);

    let acknowledged: BTreeSet<i64> = sending.join_all().await.into_iter().flatten().collect();
    let rows = database.execute("SELECT seq::text AS n, metrics->>'t' AS t FROM telemetry").await.unwrap();
    let stored: BTreeSet<i64> = rows.iter().map(|row| row["n"].parse().unwrap()).collect();
    assert_eq!(stored.len(), rows.len(), "stored twice");
    assert!(rows.iter().all(|row| row["n"] == row["t"]), "each says what its device said");
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and not stored: {lost:?}");
    assert!(acknowledged.len() > 600, "{} were acknowledged", acknowledged.len());
    // Each step once: of the second level nothing is due yet.
    let steps =
        "SELECT count(DISTINCT (alert_id, level_number)) AS n FROM escalation_outbox WHERE level_number = 1";
    assert_eq!((number(&database, steps).await, number(&database, told).await), (ALERTS, ALERTS));
    // Nothing of the killed one is left to stand in the way.
    let locks = "SELECT count(*) AS n FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE l.locktype = 'advisory' AND a.datname = current_database() AND a.xact_start < now() - interval '10 s'";
    assert_eq!(number(&database, locks).await, 0);
}

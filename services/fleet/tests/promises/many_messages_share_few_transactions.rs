//! Messages of a tenant that come at the same time are asked about together, and stored together. What is known of a device is
//! still read anew for each message: what was revoked before it came counts.

use crate::service::{self, Fleet};
use plimsoll::{Database, Settings};
use tokio::task::JoinSet;

const DEVICES: i64 = 100;

/// Each with the tenant's key, as their first messages would have registered them.
const REGISTERED: &str = "
    INSERT INTO device_registry (tenant_id, device_id, site_id, status, provision_token_hash)
    SELECT 'test', 'd' || n, 'default', 'ACTIVE', t.provision_key_hash
    FROM generate_series(0, 99) n, tenants t WHERE t.tenant_id = 'test'";

async fn start() -> Fleet {
    let fleet = service::start().await;
    fleet.database.execute(REGISTERED).await.unwrap();
    fleet
}

fn all_at_once(fleet: &Fleet) -> JoinSet<service::Answer> {
    let mut sending = JoinSet::new();
    for n in 0..DEVICES {
        let device = fleet.device.clone();
        sending.spawn(async move { device.send(&format!("d{n}"), r#"{"t": 1}"#).await });
    }
    sending
}

#[tokio::test]
async fn of_many_devices() {
    let fleet = start().await;
    let ingest = &fleet.running.service().unwrap().pools.ingest;
    let before = ingest.pool_status().acquired;
    for answer in all_at_once(&fleet).join_all().await {
        answer.accepted();
    }
    let used = ingest.pool_status().acquired - before;
    let commits = fleet.number("SELECT count(DISTINCT xmin::text) AS n FROM telemetry").await;
    assert_eq!(fleet.readings().await, DEVICES);
    // Alone, they were a hundred questions and a hundred commits.
    assert!(commits <= 40 && used <= 80, "{used} leases and {commits} commits for a hundred messages");
}

#[tokio::test]
async fn and_each_is_told_of_its_own_device() {
    let fleet = start().await;
    let different = "
        UPDATE device_registry SET status = 'REVOKED' WHERE device_id = 'd1';
        UPDATE device_registry SET provision_token_hash = encode(sha256('own'), 'hex') WHERE device_id = 'd2'";
    fleet.database.execute(different).await.unwrap();
    let send = async |device: &str| fleet.device.send(device, r#"{"t": 1}"#).await;
    let told = tokio::join!(send("d0"), send("d1"), send("d2"), send("new"), send("d3"));
    told.0.accepted();
    told.1.refused(403, "DEVICE_REVOKED");
    told.2.refused(401, "TOKEN_INVALID");
    told.3.accepted();
    told.4.accepted();
}

/// However many are asked about at the same time.
#[tokio::test]
async fn and_what_was_revoked_counts_with_the_next_message() {
    let fleet = start().await;
    for _ in 0..10 {
        let mut others = all_at_once(&fleet);
        others.join_next().await.unwrap().unwrap();
        let revoke = "UPDATE device_registry SET status = 'REVOKED' WHERE device_id = 'd7'";
        fleet.database.execute(revoke).await.unwrap();
        fleet.device.send("d7", r#"{"t": 2}"#).await.refused(403, "DEVICE_REVOKED");
        others.join_all().await;
        fleet.database.execute("UPDATE device_registry SET status = 'ACTIVE'").await.unwrap();
    }
}

/// Of a message whose device could not be looked up in time, it is certain that it is not stored.
#[tokio::test]
async fn and_one_that_waits_too_long_is_told_so() {
    let fleet = start().await;
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let hold = owner.begin().await.unwrap();
    hold.batch_execute("LOCK TABLE device_registry IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let late = async || fleet.device.send_as(&[("X-Request-Timeout-Ms", "500")], r#"{"t": 1}"#).await;
    let (late, patient) = tokio::join!(late(), fleet.device.send("d2", r#"{"t": 1}"#));
    hold.rollback().await;
    assert_eq!((late.status, &late.body["outcome"]), (504, &"not started".into()), "{late:?}");
    // The wait for a lock has a limit of its own, and it is not the device's fault.
    patient.refused(503, "PL-STM-02");
    fleet.device.send("d1", r#"{"t": 2}"#).await.accepted();
    assert_eq!(fleet.readings().await, 1);
}

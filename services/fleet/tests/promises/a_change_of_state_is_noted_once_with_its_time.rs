//! A background task notes since when devices are in their states, whatever the number of instances; it never waits for a batch of
//! readings, and no tenant's transaction sees more by it.

use crate::asking::{other_tenant, text};
use crate::service::{self, Fleet};
use fleet::devices::state::StateLimits;
use fleet::devices::state::noting;
use plimsoll::{Database, Settings};
use std::time::Duration;

const LIMITS: StateLimits = StateLimits { online: Duration::from_secs(60), stale: Duration::from_secs(3600) };

async fn start() -> Fleet {
    service::start_with(|config| config.device_state.poll = Duration::from_secs(3600)).await
}

/// A device of a tenant with what was noted of it, heard of so long ago.
async fn device(fleet: &Fleet, tenant: &str, device: &str, noted: &str, ago: &str) {
    let sql = format!(
        "INSERT INTO device_state (tenant_id, device_id, last_seen_at, noted_state, last_state_change_at)
         VALUES ('{tenant}', '{device}', now() - interval '{ago}', '{noted}', now() - interval '1 year')"
    );
    fleet.database.execute(&sql).await.unwrap();
}

fn worker(fleet: &Fleet) -> &Database {
    &fleet.running.service().unwrap().pools.ops_worker
}

/// What is noted of a device, and how long after it was heard of it is said to have changed.
async fn noted(fleet: &Fleet, device: &str) -> String {
    let sql = format!(
        "SELECT noted_state || ' ' || extract(epoch FROM last_state_change_at - last_seen_at)::bigint AS s
         FROM device_state WHERE device_id = '{device}'"
    );
    text(fleet, &sql).await
}

#[tokio::test]
async fn of_all_tenants_and_of_nothing_that_has_not_changed() {
    let fleet = start().await;
    other_tenant(&fleet).await;
    device(&fleet, "test", "silent", "ONLINE", "90 s").await;
    device(&fleet, "test", "longer", "STALE", "2 h").await;
    device(&fleet, "other", "at-once", "ONLINE", "2 h").await;
    device(&fleet, "other", "back", "OFFLINE", "1 s").await;
    device(&fleet, "test", "here", "ONLINE", "1 s").await;
    device(&fleet, "test", "away", "OFFLINE", "2 h").await;
    assert_eq!(noting::once(worker(&fleet), LIMITS).await.unwrap(), 4);
    assert_eq!(noted(&fleet, "silent").await, "STALE 60");
    for offline in ["longer", "at-once"] {
        assert_eq!(noted(&fleet, offline).await, "OFFLINE 3600", "{offline}");
    }
    assert_eq!(noted(&fleet, "back").await, "ONLINE 0");
    let untouched =
        "SELECT count(*) AS n FROM device_state WHERE last_state_change_at < now() - interval '300 days'";
    assert_eq!(fleet.number(untouched).await, 2);
    assert_eq!(noting::once(worker(&fleet), LIMITS).await.unwrap(), 0);
    // Without the work's name, and in a tenant's transaction, nothing of others is there.
    let seen = worker(&fleet).query_one("SELECT count(*) FROM device_state", &[]).await.unwrap();
    assert_eq!(seen.get::<_, i64>(0), 0);
}

#[tokio::test]
async fn of_more_than_a_transaction_holds_by_several_instances_at_once() {
    let fleet = start().await;
    let many = "INSERT INTO device_state (tenant_id, device_id, last_seen_at)
                SELECT 'test', 'd' || n, now() - interval '90 s' FROM generate_series(1, 2500) n";
    fleet.database.execute(many).await.unwrap();
    let looks = (0..4).map(|_| noting::once(worker(&fleet), LIMITS));
    let mut sum = 0;
    for look in futures_util::future::join_all(looks).await {
        sum += look.unwrap();
    }
    // Each that lost the lock has left the rest to the others, of which the last one found nothing more.
    sum += noting::once(worker(&fleet), LIMITS).await.unwrap();
    assert_eq!(sum, 2500, "each was noted once");
    assert_eq!(
        fleet.number("SELECT count(*) AS n FROM device_state WHERE noted_state = 'STALE'").await,
        2500
    );
}

#[tokio::test]
async fn and_neither_waits_for_readings_nor_for_another_instance() {
    let fleet = start().await;
    device(&fleet, "test", "d1", "ONLINE", "90 s").await;
    device(&fleet, "test", "d2", "ONLINE", "90 s").await;
    let owner = Database::connect(Settings::from_url(fleet.database.url()).unwrap()).await.unwrap();
    let batch = owner.begin().await.unwrap();
    batch.batch_execute("SELECT FROM device_state WHERE device_id = 'd1' FOR UPDATE").await.unwrap();
    assert_eq!(noting::once(worker(&fleet), LIMITS).await.unwrap(), 1, "the other one");
    batch.rollback().await;

    let other = owner.begin().await.unwrap();
    assert!(other.try_advisory_lock(("device state", "all tenants")).await.unwrap());
    assert_eq!(noting::once(worker(&fleet), LIMITS).await.unwrap(), 0, "another instance is at it");
    other.rollback().await;
    assert_eq!(noting::once(worker(&fleet), LIMITS).await.unwrap(), 1);
}

/// It looks by itself, and stops with the service.
#[tokio::test]
async fn and_the_service_looks_by_itself() {
    let fleet = service::start_with(|config| {
        config.device_state.limits = LIMITS;
        config.device_state.poll = Duration::from_secs(1);
    })
    .await;
    device(&fleet, "test", "d1", "ONLINE", "90 s").await;
    service::until("it is noted", async || noted(&fleet, "d1").await == "STALE 60").await;
    fleet.running.stop().await;
}

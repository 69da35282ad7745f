//! The service has four pools, each with its size, its limit and its name, and each part uses its own.

use crate::service::{self, Fleet};
use fleet::pools::Pools;
use std::collections::BTreeMap;

const SIZES: [(&str, usize, usize); 4] =
    [("ui", 2, 10), ("ingest", 2, 10), ("ops_worker", 2, 10), ("system", 1, 5)];

fn pools(fleet: &Fleet) -> &Pools {
    &fleet.running.service().unwrap().pools
}

#[tokio::test]
async fn with_its_size_and_its_limit() {
    let fleet = service::start().await;
    for ((name, pool), (expected, min, max)) in pools(&fleet).all().into_iter().zip(SIZES) {
        assert_eq!(name, expected);
        let plan = pool.plan();
        assert_eq!((plan.pool_min(), plan.pool_max(), plan.max_overflow()), (min, max, 0), "{name}");
        for checkout in [1, 2, 3] {
            let row = pool.query_one("SHOW statement_timeout", &[]).await.unwrap();
            assert_eq!(row.get::<_, String>(0), "30s", "{name} at checkout {checkout}");
        }
        let row = pool
            .query_one("SELECT current_user::text, current_setting('application_name')", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, String>(0), "fleet_app");
        assert_eq!(row.get::<_, String>(1), format!("fleet-{name}"));
        let sql = format!(
            "SELECT count(*) AS n FROM pg_stat_activity
                           WHERE datname = current_database() AND application_name = 'fleet-{name}'"
        );
        assert!(fleet.number(&sql).await >= 1, "the server tells whose a session is: {name}");
    }
}

fn lent(fleet: &Fleet) -> BTreeMap<&'static str, u64> {
    pools(fleet).all().into_iter().map(|(name, pool)| (name, pool.pool_status().acquired)).collect()
}

/// The pools that lent connections since.
fn used_since(fleet: &Fleet, before: &BTreeMap<&'static str, u64>) -> Vec<&'static str> {
    let now = lent(fleet);
    SIZES.iter().map(|(name, ..)| *name).filter(|name| now[name] > before[name]).collect()
}

/// Asks until the pools that were lent from meanwhile are these: the background takes from its own every second.
async fn uses(fleet: &Fleet, expected: &[&str], what: &str, ask: impl AsyncFn()) {
    service::until(what, async || {
        let before = lent(fleet);
        ask().await;
        used_since(fleet, &before) == expected
    })
    .await;
}

#[tokio::test]
async fn and_each_part_uses_its_own() {
    let fleet = service::start().await;
    let device = &fleet.device;
    let reading = async || drop(device.send("d1", r#"{"t": 1}"#).await.accepted());
    uses(&fleet, &["ingest"], "a reading takes from ingest alone", reading).await;
    let registry = async || assert_eq!(device.get("/api/v1/customer/devices").await.status, 200);
    uses(&fleet, &["ui"], "the registry takes from ui alone", registry).await;

    let before = lent(&fleet);
    let late = service::now() - jiff::SignedDuration::from_hours(24 * 20);
    device.send("d1", format!(r#"{{"ts": "{late}", "metrics": {{"t": 1}}}}"#)).await.accepted();
    assert_eq!(
        used_since(&fleet, &before),
        ["ingest", "ops_worker"],
        "a reading whose day has no partition yet"
    );

    let operator = Some(device.operator.as_str());
    let capacity = async || {
        let capacity = device.get_as("/operator/system/capacity", operator).await;
        assert!(capacity.body["db_size_bytes"].as_u64().is_some_and(|size| size > 0), "{capacity:?}");
    };
    uses(&fleet, &["system"], "how full it is takes from system alone", capacity).await;
}

/// Every connection of `ui`, `ingest` and `ops_worker` is lent to somebody who does not give it back.
#[tokio::test]
async fn so_that_health_is_answered_when_the_others_have_nothing_left() {
    let fleet = service::start().await;
    let Pools { ui, ingest, ops_worker, .. } = pools(&fleet);
    let mut held = Vec::new();
    for pool in [ui, ingest, ops_worker] {
        for _ in 0..10 {
            held.push(pool.acquire().await.unwrap());
        }
    }
    let operator = Some(fleet.device.operator.as_str());
    for path in ["/operator/system/health", "/api/v1/operator/system/health"] {
        let health = fleet.device.get_as(path, operator).await;
        assert_eq!(health.status, 200, "{health:?}");
        let postgres = &health.body["components"]["postgres"];
        assert!(
            postgres["latency_ms"].is_u64() && postgres["connections"].as_u64() >= Some(30),
            "{health:?}"
        );
        assert_eq!(health.body["pools"]["ui"]["checked_out"], 10, "{health:?}");
        assert_eq!(health.body["pools"]["system"]["max"], 5, "{health:?}");
    }
    let health = fleet.device.get_as("/api/health/database", None).await;
    assert_eq!((health.status, &health.body["status"]), (200, &"healthy".into()), "{health:?}");
    drop(held);
    assert_eq!(fleet.device.get("/api/v1/customer/devices").await.status, 200);
}

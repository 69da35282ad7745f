//! Monitoring can be switched off, at the start and while the program runs: everything else works, and nothing is
//! recorded.

use crate::server::settings_for;
use plimsoll::{Database, Settings};
use plimsoll_embedded::test_server;
use std::time::Duration;

async fn work(db: &Database) {
    db.query("SELECT 1", &[]).await.unwrap();
    assert!(db.query("SELECT 1 / 0", &[]).await.is_err());
    db.transaction(async |tx| tx.execute("SELECT 2", &[]).await).await.unwrap();
}

/// Acquisitions, statements, kinds of statements and snapshots.
fn recorded(db: &Database) -> (u64, u64, usize, usize) {
    let now = db.snapshot();
    let kinds = db.monitor().query_performance(usize::MAX).len();
    (now.pool_metrics.total_acquisitions, now.statements.executed, kinds, now.pool_history.len())
}

#[tokio::test]
async fn switched_off_everything_works_and_nothing_is_recorded() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&fresh).await.monitoring(false)).await.unwrap();
    work(&db).await;
    db.monitor().record_acquisition(Duration::from_secs(1), false);
    db.monitor().record_query_execution("SELECT 1", Duration::from_secs(9), true);
    db.monitor().capture_pool_snapshot();
    let now = db.snapshot();
    assert!(!now.monitoring_enabled);
    assert_eq!(recorded(&db), (0, 0, 0, 0), "{now:?}");
    let durations = &now.durations;
    let counts = [&durations.wait, &durations.connect, &durations.check, &durations.server, &durations.held];
    assert_eq!(counts.map(|histogram| histogram.count), [0; 5]);
    assert_eq!(now.health_status.status, "healthy");
    assert!(now.pool_status.total_connections >= 1, "the gauges are true all the same: {now:?}");
    assert_eq!(db.pool_status().acquired, 3, "the pool's own counters go on");
}

#[tokio::test]
async fn it_is_switched_while_the_program_runs() {
    let fresh = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&fresh).await).await.unwrap();
    work(&db).await;
    let before = db.snapshot();
    assert_eq!((before.pool_metrics.total_acquisitions, before.statements.executed), (3, 3));

    // A lease that began while it was on, and ends while it is off.
    let lease = db.acquire().await.unwrap();
    db.monitor().set_enabled(false);
    drop(lease);
    work(&db).await;
    let off = db.snapshot();
    assert_eq!((off.pool_metrics.total_acquisitions, off.statements.executed), (4, 3));
    assert_eq!(off.durations.held.count, 3);

    let lease = db.acquire().await.unwrap();
    db.monitor().set_enabled(true);
    drop(lease);
    work(&db).await;
    let on = db.snapshot();
    assert_eq!(
        (on.pool_metrics.total_acquisitions, on.statements.executed, on.durations.held.count),
        (7, 6, 6)
    );
}

#[test]
fn the_variable_that_operators_know_switches_it_off() {
    let read = |value: &str| {
        let vars = [("DATABASE_URL", "postgres://app@localhost/app"), ("MONITORING_ENABLED", value)];
        let settings = Settings::from_vars(vars.map(|(key, value)| (key.to_owned(), value.to_owned())));
        settings.and_then(Settings::check).map(|plan| plan.monitoring())
    };
    assert_eq!([read("false").unwrap(), read("False").unwrap(), read("0").unwrap()], [false; 3]);
    assert!(read("true").unwrap() && read("").unwrap());
    assert!(read("perhaps").unwrap_err().to_string().contains("MONITORING_ENABLED"));
}

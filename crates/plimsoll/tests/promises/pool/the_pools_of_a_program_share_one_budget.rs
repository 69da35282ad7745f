//! A program's pools, one for each use, share one number of connections: it is never exceeded, what is guaranteed to a pool
//! is there at once, and what one does not use another may have.

use crate::server;
use plimsoll::{Budget, Database, PooledConnection};
use plimsoll_embedded::test_server::{self, TestDatabase};
use std::time::Duration;

/// The connections of the program, as the server counts them.
async fn sessions(server: &TestDatabase) -> usize {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'parts%'";
    server::text(server, sql).await.parse().unwrap()
}

async fn pool(server: &TestDatabase, budget: &Budget, name: &str, min: usize, max: usize) -> Database {
    let settings = server::settings(&server.url()).pool_min(min).pool_max(max);
    Database::connect_with(settings.application_name(format!("parts-{name}")), budget).await.unwrap()
}

/// Takes connections until it has so many; each wait is bounded.
async fn take(db: &Database, count: usize) -> Vec<PooledConnection> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(db.named("hold").acquire_within(server::PATIENCE).acquire().await.unwrap());
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_never_exceeded_and_goes_to_the_pool_that_needs_it() {
    let server = test_server::database().await.unwrap();
    // Three heartbeats, and thirteen to lend.
    let budget = Budget::of(16);
    let web = pool(&server, &budget, "web", 2, 20).await;
    let jobs = pool(&server, &budget, "jobs", 2, 10).await;
    let health = pool(&server, &budget, "health", 1, 2).await;
    assert_eq!(budget.total(), Some(16));

    let held = take(&web, 10).await;
    let error = web.named("one more").acquire_within(Duration::from_millis(400)).acquire().await.unwrap_err();
    assert!(error.to_string().contains("this program's"), "{error}");
    assert!(sessions(&server).await <= 16);

    // What is guaranteed to the others was not lent to it.
    let soon = Duration::from_millis(500);
    let mut of_jobs = Vec::new();
    for _ in 0..2 {
        of_jobs.push(jobs.named("job").acquire_within(soon).acquire().await.expect("its minimum"));
    }
    health.named("health").acquire_within(soon).acquire().await.expect("its minimum");
    assert_eq!(web.pool_status().total_connections + jobs.pool_status().total_connections, 12);

    // The jobs need more. They get each connection that the other has closed, and no earlier.
    let waiting = tokio::spawn({
        let jobs = jobs.clone();
        async move { take(&jobs, 6).await }
    });
    server::until("they wait", server::PATIENCE, async || jobs.pool_status().waiting > 0).await;
    for lease in held {
        assert!(sessions(&server).await <= 16);
        drop(lease);
    }
    of_jobs.extend(tokio::time::timeout(server::PATIENCE, waiting).await.expect("served").unwrap());
    assert_eq!(of_jobs.len(), 8);
    assert!(sessions(&server).await <= 16);
    drop(of_jobs);

    // A pool that closes leaves its part to the others.
    jobs.close().await;
    health.close().await;
    server::until("it may have all but its heartbeat", server::PATIENCE, async || {
        web.connection_budget().allowed == 15
    })
    .await;
    drop(take(&web, 15).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_total_that_is_too_small_leaves_each_pool_one() {
    let server = test_server::database().await.unwrap();
    let budget = Budget::of(1);
    let pools = [pool(&server, &budget, "a", 3, 9).await, pool(&server, &budget, "b", 3, 9).await];
    for db in &pools {
        assert_eq!(db.connection_budget().allowed, 1);
        db.query_one("SELECT 1", &[]).await.unwrap();
    }
    assert!(format!("{budget:?}").contains("pools: 2"), "{budget:?}");
}

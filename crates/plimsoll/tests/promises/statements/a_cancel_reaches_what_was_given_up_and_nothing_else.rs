//! Several statements may be under way on one lease, and one of them be given up: its cancel reaches that one and not what
//! stands behind it, be it sent through the lease or through the driver's own client.

use crate::server;
use futures_util::StreamExt;
use plimsoll::tokio_postgres::Client;
use plimsoll::{Database, Fault, Outcome, PooledConnection};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode};
use plimsoll_faults::Process;
use std::time::Duration;
use tokio::time::{Instant, timeout};

const SLOW: &str = "SELECT pg_sleep(30)";

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

async fn pool_of_one() -> (TestDatabase, Database) {
    let fresh = test_server::database().await.unwrap();
    let pool = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    (fresh, pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_what_was_pipelined_behind_it() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    for round in 0..20 {
        let began = Instant::now();
        let (given_up, wanted) = tokio::join!(
            timeout(ms(30), lease.query(SLOW, &[])),
            lease.query_one("SELECT pg_sleep(0.1), 7", &[]),
        );
        assert!(given_up.is_err());
        let row = wanted.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(row.get::<_, i32>(1), 7);
        assert!(began.elapsed() < ms(1_500), "round {round}: {:?}", began.elapsed());
    }
    drop(lease);
    pool.query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(pool.pool_status().opened, 1, "the connection goes on");
}

/// What was prepared is prepared anew in between, so that the marks of those who shared the lease before lie behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_where_it_was_prepared_anew() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    for round in 0..10 {
        let began = Instant::now();
        let slow = format!("SELECT pg_sleep(60), {round}");
        let (given_up, wanted) = tokio::join!(timeout(ms(60), lease.query(&slow, &[])), async {
            tokio::time::sleep(ms(20)).await;
            lease.query_one("SELECT pg_sleep(0.05), 7", &[]).await
        },);
        assert!(given_up.is_err());
        assert_eq!(wanted.unwrap_or_else(|error| panic!("round {round}: {error}")).get::<_, i32>(1), 7);
        assert!(began.elapsed() < ms(1_500), "round {round}: {:?}", began.elapsed());
    }
}

/// The second of three; its limit instead of its drop; more than one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_what_was_before_it_nor_between_two_of_them() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    for round in 0..6 {
        let wanted = "SELECT pg_sleep(0.15), 7";
        let (first, given_up, second, given_up_too, third) = tokio::join!(
            lease.query_one(wanted, &[]),
            timeout(ms(40), lease.query(SLOW, &[])),
            lease.query_one(wanted, &[]),
            plimsoll::deadline::within(ms(200), lease.query(SLOW, &[])),
            lease.query_one(wanted, &[]),
        );
        assert!(given_up.is_err());
        assert_eq!(given_up_too.unwrap_err().fault(), Fault::DeadlinePassed);
        for wanted in [first, second, third] {
            let row = wanted.unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert_eq!(row.get::<_, i32>(1), 7);
        }
    }
}

/// The one that is given up ends by itself at just that moment, so that its cancel comes late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_struck_all_the_same_runs_again_or_is_told_why() {
    let (fresh, pool) = pool_of_one().await;
    fresh
        .execute("CREATE TABLE n (i int); CREATE PROCEDURE p() LANGUAGE sql AS 'INSERT INTO n VALUES (1)'")
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let mut given_up = 0_i64;
    for round in 0..200_u64 {
        let patience = Duration::from_micros(1_000 + 53 * (round % 40));
        let (dropped, stored) = tokio::join!(
            timeout(patience, lease.query("SELECT pg_sleep(0.0015)", &[])),
            lease.execute("INSERT INTO n SELECT 1 FROM pg_sleep(0.003)", &[]),
        );
        given_up += i64::from(dropped.is_err());
        assert_eq!(stored.unwrap_or_else(|error| panic!("round {round}: {error}")), 1);
    }
    assert!(given_up > 10, "only {given_up} of 200 were given up: the test did not test");
    assert_eq!(server::text(&fresh, "SELECT count(*)::text FROM n").await, "200", "each once");
    for round in 0..100_u64 {
        let patience = Duration::from_micros(1_000 + 53 * (round % 40));
        let (_, called) = tokio::join!(
            timeout(patience, lease.query("SELECT pg_sleep(0.0015)", &[])),
            lease.batch_execute("SELECT pg_sleep(0.003)"),
        );
        if let Err(error) = called {
            assert_eq!(error.fault(), Fault::CancelStrayed, "{error}");
            assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_what_stands_behind_a_stream_that_was_dropped() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    for round in 0..5 {
        let rows = lease.query_stream("SELECT n, pg_sleep(0.001) FROM generate_series(1, 100000) AS n", &[]);
        let mut rows = rows.await.unwrap();
        rows.next().await.unwrap().unwrap();
        let (wanted, ()) = tokio::join!(lease.query_one("SELECT pg_sleep(0.1), 7", &[]), async move {
            tokio::task::yield_now().await;
            drop(rows);
        });
        let row = wanted.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(row.get::<_, i32>(1), 7);
    }
}

async fn give_up(lease: &PooledConnection, sql: &str, patience: Duration) {
    let _ = timeout(patience, lease.query(sql, &[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_what_the_drivers_own_client_sends_right_after() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    for round in 0..60_u64 {
        // It runs on, and it ends just then.
        let (sql, patience) = match round % 2 {
            0 => (SLOW, ms(10)),
            _ => ("SELECT pg_sleep(0.0015)", Duration::from_micros(1_000 + 37 * round)),
        };
        give_up(&lease, sql, patience).await;
        let began = Instant::now();
        let client: &Client = lease.as_ref();
        let told = client.simple_query("SELECT pg_sleep(0.02)").await;
        told.unwrap_or_else(|error| panic!("round {round}: {error}: {:?}", error.as_db_error()));
        assert!(began.elapsed() < ms(1_500), "round {round}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_that_is_waited_for_is_settled() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    for round in 0..60_u64 {
        let (sql, patience) = match round % 2 {
            0 => (SLOW, ms(5)),
            _ => ("SELECT pg_sleep(0.0015)", Duration::from_micros(1_000 + 37 * round)),
        };
        give_up(&lease, sql, patience).await;
        let began = Instant::now();
        let client = lease.driver().await.unwrap();
        assert_eq!(lease.wire().replies_owed, 0, "nothing is under way");
        client
            .simple_query("SELECT pg_sleep(0.005)")
            .await
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert!(began.elapsed() < ms(1_500), "round {round}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_client_sent_beside_one_that_is_given_up_goes_on() {
    let (_fresh, pool) = pool_of_one().await;
    let lease = pool.acquire().await.unwrap();
    let client: &Client = lease.as_ref();
    for round in 0..10 {
        let (given_up, raw) =
            tokio::join!(timeout(ms(30), lease.query("SELECT pg_sleep(0.3)", &[])), async {
                lease.as_ref().simple_query("SELECT pg_sleep(0.1)").await
            },);
        assert!(given_up.is_err());
        raw.unwrap_or_else(|error| {
            panic!(
                "behind, round {round}: {:?} {:?}",
                error.code(),
                error.as_db_error().map(|e| e.message().to_owned())
            )
        });
        lease.driver().await.unwrap();
        let (raw, given_up) = tokio::join!(
            client.simple_query("SELECT pg_sleep(0.1)"),
            timeout(ms(30), lease.query("SELECT pg_sleep(0.3)", &[])),
        );
        assert!(given_up.is_err());
        raw.unwrap_or_else(|error| panic!("before, round {round}: {error}"));
        lease.driver().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand_it_cancels_what_runs_on_the_lease_and_nothing_afterwards() {
    let (fresh, direct) = pool_of_one().await;
    let bouncer = PgBouncer::in_front_of(&fresh).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let pooled = Database::connect(server::settings(&bouncer.url(fresh.name())).pool_max(1)).await.unwrap();
    for pool in [direct, pooled] {
        let lease = pool.acquire().await.unwrap();
        let handle = lease.cancel_handle();
        handle.cancel().await.expect("nothing runs, which is no error");
        lease.query_one("SELECT 1", &[]).await.unwrap();
        for _ in 0..5 {
            let began = Instant::now();
            let by_hand = async {
                server::until("it runs", server::PATIENCE, async || lease.wire().replies_owed > 0).await;
                tokio::time::sleep(ms(30)).await;
                handle.cancel().await
            };
            let (told, cancelled) = tokio::join!(lease.query(SLOW, &[]), by_hand);
            cancelled.unwrap();
            assert_eq!(told.unwrap_err().fault(), Fault::CancelledByOther);
            assert!(began.elapsed() < ms(2_000), "{:?}", began.elapsed());
            lease.query_one("SELECT pg_sleep(0.005)", &[]).await.expect("the next is not hit");
        }
        drop(lease);
        let next = pool.acquire().await.unwrap();
        let (told, late) = tokio::join!(next.query("SELECT pg_sleep(0.1)", &[]), handle.cancel());
        late.unwrap();
        told.expect("another's lease");
    }
    assert!(bouncer.is_alive().await, "PgBouncer died:\n{}", bouncer.log_tail());
}

/// PgBouncer before 1.21 dies when the client of a cancel that it has passed on goes before the server has acted on it,
/// and all its other clients lose their connections.
async fn not_even_the_pooler_when_the_server_stands_still_for_longer_than_is_waited(
    version: PgBouncerVersion,
) {
    let cluster = Cluster::start().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&cluster).version(version).pool_mode(PoolMode::Transaction);
    let bouncer = bouncer.start().await.unwrap();
    let pool = Database::connect(server::settings(&bouncer.url("postgres")).pool_max(1)).await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let handle = lease.cancel_handle();
    let process = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    let by_hand = async {
        let running =
            "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%' AND state = 'active'";
        server::until("it runs", server::PATIENCE, async || {
            !cluster.execute("postgres", running).await.unwrap().is_empty()
        })
        .await;
        process.freeze().await.unwrap();
        let late = handle.cancel().await.expect_err("the server stands still");
        assert_eq!(late.fault(), Fault::Unreachable);
        process.thaw().unwrap();
    };
    let (_given_up, ()) = tokio::join!(timeout(Duration::from_secs(20), lease.query(SLOW, &[])), by_hand);
    server::until("the server acts on the cancel", server::PATIENCE, async || {
        let log = bouncer.log_tail();
        log.contains("successfully sent cancel request") || log.contains("FATAL")
    })
    .await;
    assert!(bouncer.is_alive().await, "PgBouncer died:\n{}", bouncer.log_tail());
}

plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    not_even_the_pooler_when_the_server_stands_still_for_longer_than_is_waited
);

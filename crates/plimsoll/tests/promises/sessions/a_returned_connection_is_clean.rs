//! Whatever a borrower leaves behind in a session, the next one does not find it.

use crate::server;
use futures_util::FutureExt;
use plimsoll::Database;
use plimsoll::event::Event;
use plimsoll::tokio_postgres::Client;
use plimsoll_embedded::test_server;

async fn pool_of_one(fresh: &test_server::TestDatabase) -> Database {
    Database::connect(server::settings_for(fresh).await.pool_max(1)).await.unwrap()
}

/// Everything a session can carry over, in one row of text.
const LEFTOVERS: &str = "select concat_ws(' ',
    (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
    (select count(*) from pg_listening_channels()),
    (select count(*) from pg_class where relpersistence = 't' and relnamespace = pg_my_temp_schema()),
    (select count(*) from pg_cursors where is_holdable),
    current_setting('statement_timeout'), current_setting('search_path'), current_user, now() = statement_timestamp())";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_left() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("create table t (a int)").await.unwrap();
    let db = pool_of_one(&fresh).await;
    let lease = db.acquire().await.unwrap();
    let before: String = lease.query_one(LEFTOVERS, &[]).await.unwrap().get(0);
    drop(lease);
    for left in [
        "begin",
        "begin; insert into t values (1)",
        "begin; select 1/0",
        "set statement_timeout = 0",
        "set search_path = pg_catalog",
        "select set_config('search_path', 'pg_catalog', false)",
        "set session authorization default; set role none; set work_mem = '1MB'",
        "listen news",
        "create temp table left_behind (a int)",
        "select pg_advisory_lock(42)",
        "select \"set_config\"('search_path', 'pg_catalog', false)",
        "select pg_catalog.U&\"set\\005Fconfig\"('search_path', 'pg_catalog', false)",
        "select \"pg_advisory_lock\"(42)",
        "create table \"pg_temp\".\"left_behind\" (a int)",
        "select 1 into local temp left_behind",
        "create or replace local temp view left_behind as select 1",
        "explain analyze create temp table left_behind as select 1",
        "-- a comment that ends here\rset search_path = pg_catalog",
        "update pg_settings set setting = 'pg_catalog' where name = 'search_path'",
        "declare c cursor with hold for select generate_series(1, 10)",
        "do $$ begin perform set_config('statement_timeout', '0', false); end $$",
        "prepare mine as select 1",
        "discard all",
        "deallocate all",
    ] {
        for by_simple in [true, false] {
            let lease = db.acquire().await.unwrap();
            let client: &Client = lease.as_ref();
            if by_simple {
                let _ = client.batch_execute(left).await;
            } else if !left.starts_with("begin;") {
                // The extended protocol, as a prepared statement would be run.
                for statement in left
                    .split("; ")
                    .filter(|_| !left.starts_with("do"))
                    .chain(Some(left).filter(|_| left.starts_with("do")))
                {
                    let _ = client.execute(statement, &[]).await;
                }
            }
            drop(lease);
            let lease = db.acquire().await.unwrap();
            let after: String = lease.query_one(LEFTOVERS, &[]).await.unwrap().get(0);
            assert_eq!(after, before, "left behind by: {left} (simple: {by_simple})");
            let rows: i64 = lease.query_one("select count(*) from t", &[]).await.unwrap().get(0);
            assert_eq!(rows, 0, "an open transaction was not rolled back");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_it_is_told_who_left_what() {
    let fresh = test_server::database().await.unwrap();
    let db = pool_of_one(&fresh).await;
    let mut events = db.events();
    for named in [true, false] {
        let lease = match named {
            true => db.named("nightly report").acquire().await.unwrap(),
            false => db.acquire().await.unwrap(),
        };
        let client: &Client = lease.as_ref();
        client.batch_execute("BEGIN; SET work_mem = '1MB'").await.unwrap();
        drop(lease);
        let (work, found) = server::event("it was made clean", &mut events, |event| match event {
            Event::Reclaimed { work, found, .. } => Some((work.clone(), *found)),
            _ => None,
        })
        .await;
        assert!(found.transaction && found.session_state && !found.running, "{found:?}");
        assert!(work.contains("a_returned_connection_is_clean.rs"), "the place is named: {work}");
        assert_eq!(work.contains("\"nightly report\""), named, "{work}");
    }
}

/// A prepared SET is bound again and again: each time it leaves something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_set_is_noticed_each_time() {
    let fresh = test_server::database().await.unwrap();
    let db = pool_of_one(&fresh).await;
    for _ in 0..3 {
        let lease = db.acquire().await.unwrap();
        lease.execute("set statement_timeout = '77s'", &[]).await.unwrap();
        drop(lease);
        let now: String = db.query_one("show statement_timeout", &[]).await.unwrap().get(0);
        assert_eq!(now, "30s");
    }
}

/// An ordinary statement leaves nothing, so nothing is reset for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ordinary_work_is_not_reset() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("create table t (a int)").await.unwrap();
    let db = pool_of_one(&fresh).await;
    let mut events = db.events();
    for n in 0..50i32 {
        db.execute("insert into t values ($1)", &[&n]).await.unwrap();
        db.transaction(async |tx| tx.execute("update t set a = a + 1", &[]).await).await.unwrap();
    }
    drop(db);
    let mut reclaimed = 0;
    while let Ok(event) = events.try_recv() {
        reclaimed += usize::from(matches!(event, Event::Reclaimed { .. } | Event::Discarded { .. }));
    }
    assert_eq!(reclaimed, 0);
}

/// The tap alone would call a connection clean on which a request still waits in the client's queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_polled_once_and_dropped_is_seen() {
    let fresh = test_server::database().await.unwrap();
    fresh.execute("create table t (a int)").await.unwrap();
    let db = pool_of_one(&fresh).await;
    let mut unanswered = 0;
    for round in 0..2000i32 {
        let lease = db.acquire().await.unwrap();
        let client: &Client = lease.as_ref();
        // Raw use, so that only the return can notice.
        let once = client.batch_execute("begin; insert into t values (1)").now_or_never();
        unanswered += usize::from(once.is_none());
        drop(lease);
        let lease = db.acquire().await.unwrap();
        assert_eq!(lease.wire().transaction_status, 'I', "round {round}");
        assert_eq!(lease.wire().replies_owed, 0, "round {round}");
    }
    assert_eq!(server::text(&fresh, "select count(*)::text from t").await, "0");
    assert!(unanswered > 1000, "only {unanswered} were dropped before their answer: the test did not test");
}

//! What is kept of statements has a bound in bytes, here and in the server's backend. A long text and one with many
//! parameters get no name; only their types are remembered, so that they need one round trip when they come again. With
//! `statement_cache = 0` nothing is kept on a connection.

use super::counted_behind_a_pooler::CountedBehindAPooler;
use crate::server::{resident, settings_for};
use futures_util::TryStreamExt;
use plimsoll::settings::Limit;
use plimsoll::{Database, PooledConnection};
use plimsoll_embedded::PgBouncerVersion;
use plimsoll_embedded::test_server;
use plimsoll_faults::Proxy;
use std::pin::pin;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::ToSql;

/// A number that the server knows, asked for in a way that names nothing.
async fn ask(lease: &PooledConnection, sql: &str) -> u64 {
    let messages = lease.simple_query(sql).await.unwrap();
    let number = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(|text| text.parse().unwrap()),
        _ => None,
    });
    number.unwrap()
}

const NAMED: &str = "SELECT count(*) FROM pg_prepared_statements";
const NAMED_BYTES: &str = "SELECT coalesce(sum(length(statement)), 0) FROM pg_prepared_statements";
const BACKEND_BYTES: &str = "SELECT sum(total_bytes) FROM pg_backend_memory_contexts";

/// A statement of this many bytes, which no other number gives.
fn text(number: i32, bytes: usize) -> String {
    format!("SELECT {number} + $1::int4 /* {} */", "x".repeat(bytes))
}

async fn run(lease: &PooledConnection, sql: &str, number: i32) {
    assert_eq!(lease.query_one(sql, &[&1]).await.unwrap().get::<_, i32>(0), number + 1);
}

#[tokio::test]
async fn many_texts_of_middling_length_stay_within_the_bytes() {
    let server = test_server::database().await.unwrap();
    let settings = settings_for(&server).await.pool_max(1).heartbeat(Limit::Off);
    let db = Database::connect(settings).await.unwrap();
    let lease = db.acquire().await.unwrap();
    for number in 0..300 {
        let sql = text(number, 6_000);
        for _ in 0..3 {
            run(&lease, &sql, number).await;
        }
    }
    let bytes = ask(&lease, NAMED_BYTES).await;
    // Most of the bound is used, and it holds.
    assert!((700_000..=1_048_576).contains(&bytes), "{bytes} bytes of text are named");
    assert!(lease.statements_kept() < 180, "{} are kept", lease.statements_kept());
    // One that had to go works again.
    run(&lease, &text(0, 6_000), 0).await;
}

#[tokio::test]
async fn texts_of_a_megabyte_leave_no_trace() {
    let server = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&server).await.pool_max(1)).await.unwrap();
    let lease = db.acquire().await.unwrap();
    let all = async |from: i32, to: i32| {
        for number in from..to {
            let sql = text(number, 1_000_000);
            run(&lease, &sql, number).await;
            run(&lease, &sql, number).await;
            assert_eq!(ask(&lease, NAMED).await, 0, "after text {number}");
        }
    };
    all(0, 4).await;
    let before = resident();
    all(4, 64).await;
    let after = resident();
    assert!(after < before + 20_000, "{before} kB grew to {after} kB over 60 texts of 1 MB");
}

#[tokio::test]
async fn inserts_of_many_rows_leave_nothing_in_the_backend() {
    let server = test_server::database().await.unwrap();
    let db = Database::connect(settings_for(&server).await.pool_max(1)).await.unwrap();
    let lease = db.acquire().await.unwrap();
    lease.batch_execute("CREATE TABLE reading (device int4, value int8)").await.unwrap();
    let insert = async |rows: usize| {
        let values: Vec<String> =
            (0..rows).map(|row| format!("(${}, ${})", 2 * row + 1, 2 * row + 2)).collect();
        let sql = format!("INSERT INTO reading VALUES {}", values.join(", "));
        let params: Vec<&(dyn ToSql + Sync)> =
            (0..rows).flat_map(|_| [&1_i32 as &(dyn ToSql + Sync), &2_i64]).collect();
        for _ in 0..2 {
            assert_eq!(lease.execute(&sql, &params).await.unwrap(), rows as u64);
        }
    };
    insert(900).await;
    let before = ask(&lease, BACKEND_BYTES).await;
    for batch in 0..80 {
        // From 60 rows, whose text is short and whose parameters are many, to 850.
        insert(60 + 10 * batch).await;
    }
    let after = ask(&lease, BACKEND_BYTES).await;
    assert!(after < before + 2_000_000, "the backend's {before} bytes grew to {after}");
}

#[tokio::test]
async fn a_long_text_that_comes_again_needs_one_round_trip() {
    let server =
        test_server::database_from("long", "CREATE TABLE item (id int); INSERT INTO item VALUES (1)")
            .await
            .unwrap();
    let proxy = Proxy::in_front_of((server.server().host(), server.server().port())).await.unwrap();
    let settings = settings_for(&server)
        .await
        .hosts(format!("127.0.0.1:{}", proxy.port()))
        .pool_max(1)
        .heartbeat(Limit::Off);
    let db = Database::connect(settings).await.unwrap();
    let lease = db.acquire().await.unwrap();
    let sent = || proxy.wires().iter().map(|wire| wire.to_server.messages).sum::<u64>();
    let before = sent();
    for _ in 0..3 {
        run(&lease, &text(7, 20_000), 7).await;
    }
    // Prepared, run, closed; then parse, bind, describe, execute, sync in one flight.
    assert_eq!(sent() - before, 3 + 3 + 2 + 5 + 5);

    // It follows the schema as a short one does.
    let find = format!("SELECT id FROM item WHERE id = $1 /* {} */", "x".repeat(20_000));
    for _ in 0..3 {
        assert_eq!(lease.query_one(&find, &[&1_i32]).await.unwrap().get::<_, i32>(0), 1);
    }
    server.execute("ALTER TABLE item ALTER COLUMN id TYPE text").await.unwrap();
    assert_eq!(lease.query_one(&find, &[&"1"]).await.unwrap().get::<_, String>(0), "1");
    // And one that its caller prepared is the caller's.
    let prepared = lease.prepare(&find).await.unwrap();
    for _ in 0..3 {
        assert_eq!(lease.query_one(&prepared, &[&"1"]).await.unwrap().get::<_, String>(0), "1");
        assert_eq!(ask(&lease, NAMED).await, 1);
    }
    drop(prepared);
    assert_eq!(ask(&lease, NAMED).await, 0);
}

#[tokio::test]
async fn without_a_cache_nothing_is_kept() {
    let server = test_server::database_from("uncached", "CREATE TYPE mood AS ENUM ('fine')").await.unwrap();
    for types in [4_096, 0] {
        let settings = settings_for(&server).await.pool_max(1).statement_cache(0).type_cache(types);
        let db = Database::connect(settings).await.unwrap();
        let lease = db.acquire().await.unwrap();
        let nothing = async |after: &str| {
            assert_eq!(ask(&lease, NAMED).await, 0, "after {after}");
            assert_eq!(lease.statements_kept(), 0, "after {after}");
        };
        for _ in 0..5 {
            run(&lease, "SELECT 1 + $1::int4", 1).await;
            nothing("a query").await;
            let rows = lease.query_stream("SELECT generate_series(1, $1::int4)", &[&5]).await.unwrap();
            assert_eq!(pin!(rows).try_collect::<Vec<_>>().await.unwrap().len(), 5);
            nothing("a stream").await;
        }
        drop(lease);
        for _ in 0..3 {
            let sum =
                db.transaction(async |tx| tx.query_one("SELECT 2 + $1::int4", &[&1]).await).await.unwrap();
            assert_eq!(sum.get::<_, i32>(0), 3);
            db.named("read").read_only().query_one("SELECT 3 + $1::int4", &[&1]).await.unwrap();
        }
        let lease = db.acquire().await.unwrap();
        assert_eq!((ask(&lease, NAMED).await, lease.statements_kept()), (0, 0));
        // The driver's own lookup of a type that it does not know is all that has a name.
        for _ in 0..3 {
            lease.query_one("SELECT 'fine'::mood", &[]).await.unwrap();
        }
        let others =
            "SELECT count(*) FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_catalog.pg_%'";
        assert_eq!((ask(&lease, others).await, lease.statements_kept()), (0, 0));
    }
}

async fn behind_a_transaction_pooler_the_types_of_a_long_text_are_known(version: PgBouncerVersion) {
    let scene = CountedBehindAPooler::start(version).await;
    let (db, sent) = (&scene.db, || scene.sent());
    let sql = text(4, 20_000);
    db.query_one(&sql, &[&1]).await.unwrap();
    let before = sent();
    for _ in 0..5 {
        assert_eq!(db.query_one(&sql, &[&1]).await.unwrap().get::<_, i32>(0), 5);
    }
    assert_eq!(sent() - before, 5 * 7, "BEGIN; parse, bind, describe, execute, sync; COMMIT");
    let rows = db
        .transaction(async |tx| {
            tx.query_stream(&sql, &[&1], async |rows| rows.try_collect::<Vec<_>>().await).await
        })
        .await
        .unwrap();
    assert_eq!(rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>(), [5]);
}

plimsoll_embedded::on_each_pgbouncer!(behind_a_transaction_pooler_the_types_of_a_long_text_are_known);

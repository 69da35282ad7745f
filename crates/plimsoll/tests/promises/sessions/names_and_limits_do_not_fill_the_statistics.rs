//! Two hundred transactions of two hundred names and deadlines are as many entries of `pg_stat_statements` as two: the
//! extension has room for some thousands of texts, and forgets others for each new one.

use crate::server::{self, bare, first};
use plimsoll::request_id::{self, RequestId};
use plimsoll::settings::Enforcement;
use plimsoll::{Database, Isolation, Settings};
use plimsoll_embedded::{Cluster, PgBouncer, PgBouncerVersion, PoolMode};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_postgres::Client;

const SETUP: &str = "CREATE EXTENSION pg_stat_statements; CREATE TABLE item (id int)";

async fn collecting() -> (Cluster, Client) {
    let cluster =
        Cluster::builder().setting("shared_preload_libraries", "pg_stat_statements").start().await.unwrap();
    let watcher = bare(&cluster.url("postgres")).await;
    watcher.batch_execute(SETUP).await.unwrap();
    (cluster, watcher)
}

/// Without the question about other instances, which speaks of names too.
fn settings(url: &str) -> Settings {
    server::settings(url).pool_max(1).connection_budget(Enforcement::Off)
}

/// The kinds of transactions of which a program has many.
async fn run(db: &Database, number: u64) {
    let left = Duration::from_millis(2_000 + 61 * number);
    let call = || db.named(format!("work {number}")).within(left);
    let id = || RequestId::random();
    let insert = "INSERT INTO item VALUES (1)";
    let write = call().transaction(async |tx| tx.execute(insert, &[]).await);
    request_id::within(id(), write).await.unwrap();
    let read = call().read_only().transaction(async |tx| tx.query("SELECT id FROM item LIMIT 1", &[]).await);
    request_id::within(id(), read).await.unwrap();
    request_id::within(id(), db.named(format!("open {number}")).transaction(async |_| Ok(()))).await.unwrap();
    call().read_only().query("SELECT id FROM item LIMIT 1", &[]).await.unwrap();
    let own = call().lock_timeout(Duration::from_millis(300 + number));
    own.transaction(async |tx| tx.execute(insert, &[]).await).await.unwrap();
}

async fn entries(watcher: &Client) -> BTreeSet<String> {
    let rows = watcher.query("SELECT query FROM pg_stat_statements", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn assert_constant(db: &Database, watcher: &Client) {
    // Everything that is learned at first: the second use of a statement prepares it.
    for number in 0..10 {
        run(db, number).await;
    }
    first(watcher, "SELECT pg_stat_statements_reset()").await.unwrap();
    for number in 10..12 {
        run(db, number).await;
    }
    let few = entries(watcher).await;
    for number in 12..212 {
        run(db, number).await;
    }
    let many = entries(watcher).await;
    // The heartbeat asks its questions now and then, some for the first time, and through the pooler it opens a session.
    let new: Vec<_> = many.difference(&few).collect();
    assert!(new.len() <= 12, "{} entries after 2 rounds, and these more after 202: {new:#?}", few.len());
    let is_stated = |text: &&&String| {
        text.contains("/* plimsoll */") || text.contains(" LOCAL ") || text.contains("set_config")
    };
    let stated: Vec<_> = new.iter().filter(is_stated).collect();
    assert!(stated.is_empty(), "{stated:#?}");
    let is_told =
        |text: &String| text.contains("set_config($1") || text.contains("LOCAL application_name = $1");
    assert!(few.iter().any(is_told), "no name was ever told: {few:#?}");
    let shown = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%work %' OR query LIKE '%open %'";
    // One of each kind may be shown with the constants of its first call, where the server counts by another number.
    let named: u64 = first(watcher, shown).await.unwrap().parse().unwrap();
    assert!(named <= 2, "{named} entries with a name in them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_direct_connection() {
    let (cluster, watcher) = collecting().await;
    let db = Database::connect(settings(&cluster.url("postgres"))).await.unwrap();
    assert_constant(&db, &watcher).await;
}

async fn behind_a_transaction_pooler(version: PgBouncerVersion) {
    let (cluster, watcher) = collecting().await;
    let bouncer = PgBouncer::in_front_of(&cluster)
        .version(version)
        .pool_mode(PoolMode::Transaction)
        .start()
        .await
        .unwrap();
    let db = Database::connect(settings(&bouncer.url("postgres"))).await.unwrap();
    assert_constant(&db, &watcher).await;
}

/// Where the limits must go by SET on an old server, there are at most ninety of them in each power of ten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_where_the_snapshot_must_wait_there_are_few() {
    let (cluster, watcher) = collecting().await;
    let db = Database::connect(settings(&cluster.url("postgres"))).await.unwrap();
    first(&watcher, "SELECT pg_stat_statements_reset()").await.unwrap();
    for number in 0..400_u64 {
        let left = Duration::from_millis(2_000 + number);
        let call = db.named(format!("work {number}")).within(left).isolation(Isolation::Serializable);
        call.transaction(async |_| Ok(())).await.unwrap();
    }
    let texts = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%statement_timeout%'";
    let texts: u64 = first(&watcher, texts).await.unwrap().parse().unwrap();
    assert!((1..=9).contains(&texts), "{texts} texts for limits between 2 and 2.4 s");
    let named = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%application_name%'";
    let named: u64 = first(&watcher, named).await.unwrap().parse().unwrap();
    let version: u32 = first(&watcher, "SHOW server_version_num").await.unwrap().parse().unwrap();
    assert_eq!(named, u64::from(version >= 180_000));
}

plimsoll_embedded::on_each_pgbouncer!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    behind_a_transaction_pooler
);

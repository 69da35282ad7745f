//! A server that stands still, one that only reads, a table that bloats, and a disk that a slot fills.

use super::guide::{Scene, folder, steps};
use crate::server_sessions::session;
use plimsoll_embedded::Cluster;
use plimsoll_faults::Process;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_is_open() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let server = Process::attach_tree(cluster.pid().unwrap()).unwrap();
    server.freeze().await.unwrap();
    let folder = folder();
    let scene = Scene { url: &url, places: &[], folder: folder.path().to_owned() };
    let runs = scene.plays("503s that come and go", 1).await;
    assert_eq!(runs[0].status, 3, "{runs:?}");
    server.thaw().unwrap();
    // It is over: the same command reports.
    let over = scene.runs_alone(&steps("503s that come and go")[0]).await;
    assert!(over.status < 3 && over.out.contains("plimsoll doctor: database postgres"), "{over:?}");
}

#[tokio::test]
async fn tables_and_indexes_bloat() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let client = session(&url, "setup").await;
    for step in [
        "CREATE TABLE orders WITH (autovacuum_enabled = off) AS \
         SELECT i AS id, repeat(md5(i::text), 3) AS body FROM generate_series(1, 40000) AS i",
        "DELETE FROM orders WHERE id % 10 <> 0",
        "VACUUM (ANALYZE) orders",
    ] {
        client.batch_execute(step).await.unwrap();
    }
    let folder = folder();
    let scene =
        Scene { url: &url, places: &[("--warn-mb 500", "--warn-mb 1")], folder: folder.path().to_owned() };
    let runs = scene.plays("Tables and indexes bloat", 2).await;
    assert_eq!(runs[0].status, 1, "{runs:?}");
    client.batch_execute("VACUUM (FULL, ANALYZE) orders").await.unwrap();
    let over = scene.runs_alone(&steps("Tables and indexes bloat")[0]).await;
    assert!(!over.out.contains("VACUUM (FULL"), "{over:?}");
}

#[tokio::test]
async fn the_disk_fills() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    cluster.execute("postgres", "CREATE TABLE orders (id bigint)").await.unwrap();
    cluster
        .execute("postgres", "SELECT pg_create_physical_replication_slot('old_standby', true)")
        .await
        .unwrap();
    // PostgreSQL 17 and later give a consumer a minute to come back.
    let places = [("--only R01,R02", "--only R01,R02 --threshold inactive_slot_warn=0")];
    let folder = folder();
    let scene = Scene { url: &url, places: &places, folder: folder.path().to_owned() };
    let runs = scene.plays("The disk fills", 2).await;
    assert_eq!(runs[0].status, 1, "{runs:?}");
    cluster.execute("postgres", "SELECT pg_catalog.pg_drop_replication_slot('old_standby')").await.unwrap();
    let over = scene.runs_alone(&steps("The disk fills")[0]).await;
    assert!(!over.out.contains("old_standby"), "{over:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_fail_after_a_switchover() {
    let primary = Cluster::start().await.unwrap();
    let standby = Cluster::builder().standby_of(&primary).start().await.unwrap();
    let url = standby.url("postgres");
    let all = format!("{url}?target_session_attrs=read-write");
    let places = [("postgres://app@db1,db2/orders?target_session_attrs=read-write", all.as_str())];
    let folder = folder();
    let scene = Scene { url: &url, places: &places, folder: folder.path().to_owned() };
    let runs = scene.plays("Writes fail after a switchover", 2).await;
    assert_eq!((runs[0].status, runs[1].status), (0, 3), "{runs:?}");
    standby.promote().await.unwrap();
    let over = scene.runs_alone(&steps("Writes fail after a switchover")[1]).await;
    assert!(over.status == 0 && !over.out.contains("a standby"), "{over:?}");
}

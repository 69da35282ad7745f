//! A pile-up behind a lock, and a transaction that its program has forgotten.

use super::guide::{Scene, folder};
use crate::server_sessions::{begin, session};
use plimsoll_embedded::Cluster;

#[tokio::test]
async fn everything_hangs() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let holder = session(&url, "orders@web-3:4711 #3fa9c0d2 nightly report").await;
    holder.batch_execute("CREATE TABLE orders (id bigint PRIMARY KEY)").await.unwrap();
    holder.batch_execute("BEGIN; INSERT INTO orders VALUES (1)").await.unwrap();
    let migration = begin(&url, "migration", "ALTER TABLE orders ADD note text").await;
    let reader = begin(&url, "orders@web-4:4711", "SELECT * FROM orders").await;
    let folder = folder();
    let scene = Scene { url: &url, places: &[("10s", "1s")], folder: folder.path().to_owned() };
    let runs = scene.plays("Everything hangs", 4).await;
    assert_eq!(runs.iter().map(|run| run.status).collect::<Vec<_>>(), [1, 0, 0, 0], "{runs:?}");
    migration.await.unwrap().unwrap();
    reader.await.unwrap().unwrap();
    assert!(holder.batch_execute("COMMIT").await.is_err(), "it was the holder that was ended");
}

#[tokio::test]
async fn a_transaction_does_not_end() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let holder = session(&url, "orders@web-3:4711").await;
    holder.batch_execute("CREATE TABLE orders (id bigint PRIMARY KEY)").await.unwrap();
    holder.batch_execute("BEGIN; INSERT INTO orders VALUES (1)").await.unwrap();
    let folder = folder();
    let scene = Scene { url: &url, places: &[("1m", "1ms")], folder: folder.path().to_owned() };
    let runs = scene.plays("A transaction does not end", 4).await;
    assert!(runs.iter().all(|run| run.status <= 1), "{runs:?}");
    assert!(holder.batch_execute("COMMIT").await.is_err(), "its session was ended");
}

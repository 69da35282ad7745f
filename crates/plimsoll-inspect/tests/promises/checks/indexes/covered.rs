//! I02: an index whose work another one does is found, dropped, and brought back. What a constraint or replication goes by stays, and so
//! does an index that differs in anything.

use crate::checks::scene::Scene;
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test]
async fn it_is_found_dropped_and_brought_back() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, code int NOT NULL, name text); \
         CREATE UNIQUE INDEX \"Again\" ON orders (id); \
         CREATE UNIQUE INDEX replicated ON orders (code); CREATE UNIQUE INDEX older_twin ON orders (code); \
         ALTER TABLE orders REPLICA IDENTITY USING INDEX replicated; \
         CREATE INDEX short ON orders (name); CREATE INDEX long ON orders (name, id)",
    )
    .await
    .unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    for (name, says) in [
        ("\"Again\"", "public.orders_pkey has the same columns as this index of public.orders (8 kB)"),
        ("older_twin", "public.replicated has the same columns"),
        ("short", "public.long begins with the same columns"),
    ] {
        let finding = scene.finds("I02", &format!("index public.{name}"), State::Info).await;
        assert!(finding.value.starts_with(says), "{}", finding.value);
        scene.is_remedied("I02", &finding).await;
    }
    assert_eq!(scene.found("I02").await.findings.len(), 3);
}

#[tokio::test]
async fn what_differs_in_anything_stays() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, code int UNIQUE, name text, body text); \
         CREATE INDEX ascending ON orders (name, body); CREATE INDEX descending ON orders (name DESC); \
         CREATE INDEX partly ON orders (name) WHERE id > 5; CREATE INDEX hashed ON orders USING hash (name); \
         CREATE INDEX collated ON orders (name COLLATE \"C\"); CREATE INDEX lowered ON orders (lower(name)); \
         CREATE INDEX patterns ON orders (name text_pattern_ops); CREATE UNIQUE INDEX once ON orders (name)",
    )
    .await
    .unwrap();
    Scene::at(&db.url(), "postgres").await.finds_nothing("I02").await;
}

#[tokio::test]
async fn of_a_partitioned_table_it_is_told_and_not_dropped_by_itself() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE readings (at int, kind int) PARTITION BY RANGE (at); \
         CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (10); \
         CREATE INDEX by_time ON readings (at); CREATE INDEX by_time_and_kind ON readings (at, kind)",
    )
    .await
    .unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    let finding = scene.finds("I02", "index public.by_time", State::Info).await;
    assert!(matches!(finding.remedy, Some(Remedy::Advice { .. })), "{finding:#?}");
    assert_eq!(scene.found("I02").await.findings.len(), 1, "the indexes of partitions go with it");
}

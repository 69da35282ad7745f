//! I03: an index that no scan has used is found once the statistics are old enough, can be dropped, and its definition brings it
//! back. What something else needs is none.

use crate::checks::scene::Scene;
use crate::session::session;
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test]
async fn an_index_that_nothing_uses_is_found_dropped_and_brought_back() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE \"Orders\" (id int PRIMARY KEY, parent int REFERENCES \"Orders\", code int, name text, email text UNIQUE); \
         INSERT INTO \"Orders\" SELECT n, n, n, 'x', n FROM generate_series(1, 2000) AS n; \
         CREATE INDEX by_parent ON \"Orders\" (parent); \
         CREATE INDEX by_code ON \"Orders\" (code DESC) INCLUDE (name) WITH (fillfactor = 70) WHERE code > 5; \
         CREATE INDEX by_name ON \"Orders\" (lower(name)); \
         CREATE UNIQUE INDEX once ON \"Orders\" (id, code); \
         CREATE TABLE readings (at int) PARTITION BY RANGE (at); \
         CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (10); \
         CREATE INDEX readings_at ON readings (at)",
    )
    .await
    .unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    // Smaller than what is worth a word.
    scene.finds_nothing("I03").await;
    scene.thresholds = vec![("unused_index_info", 0.001)];
    // Statistics that were begun just now tell nothing.
    let young = scene.finds("I03", &format!("database {}", db.name()), State::Skipped).await;
    assert!(young.value.contains("only 30 days would tell that the 3 indexes"), "{}", young.value);

    scene.thresholds.push(("unused_index_statistics", 0.0));
    let finding = scene.finds("I03", "index public.by_code", State::Info).await;
    assert!(finding.value.contains("a standby's own use of it does not show here"), "{}", finding.value);
    let Some(Remedy::Sql { undo, .. }) = &finding.remedy else { panic!("{finding:#?}") };
    assert_eq!(
        undo[0],
        "CREATE INDEX CONCURRENTLY by_code ON public.\"Orders\" USING btree (code DESC) INCLUDE (name) WITH \
         (fillfactor='70') WHERE (code > 5)"
    );
    scene.is_remedied("I03", &finding).await;
    let of_expression = scene.finds("I03", "index public.by_name", State::Info).await;
    assert!(of_expression.value.contains("statistics of its expression"), "{}", of_expression.value);
    let partitioned = scene.finds("I03", "index public.readings_at", State::Info).await;
    assert!(matches!(partitioned.remedy, Some(Remedy::Advice { .. })), "{partitioned:#?}");
    assert_eq!(
        scene.found("I03").await.findings.len(),
        3,
        "keys, unique ones and what foreign keys need are none"
    );

    scene.thresholds.push(("unused_index_warn", 0.001));
    scene.finds("I03", "index public.by_code", State::Warn).await;

    // One scan, and it is used. What a session counted shows when it has ended.
    let user = session(&db, None, "user").await;
    user.batch_execute("SET enable_seqscan = off; SELECT count(*) FROM \"Orders\" WHERE code > 1000")
        .await
        .unwrap();
    drop(user);
    scene.comes_to_be_silent("I03", "index public.by_code").await;
}

#[tokio::test]
async fn where_every_index_is_needed_all_is_well() {
    let db = test_server::database().await.unwrap();
    db.execute("CREATE TABLE orders (id int PRIMARY KEY)").await.unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.thresholds = vec![("unused_index_statistics", 0.0), ("unused_index_info", 0.0)];
    scene.finds_nothing("I03").await;
}

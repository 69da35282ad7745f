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

/// All advice of the checks on indexes is carried out at once: no work is left without an index, and all of it can be taken back.
#[tokio::test]
async fn of_indexes_that_do_the_same_work_one_stays() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, code int, name text); \
         INSERT INTO orders SELECT n, n, 'x' FROM generate_series(1, 2000) AS n; \
         CREATE UNIQUE INDEX id_again ON orders (id); \
         CREATE INDEX code ON orders (code); CREATE INDEX code_again ON orders (code); \
         CREATE INDEX code_name ON orders (code, name); CREATE INDEX code_name_again ON orders (code, name); \
         CREATE INDEX alone ON orders (name)",
    )
    .await
    .unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.thresholds = vec![("unused_index_info", 0.001), ("unused_index_statistics", 0.0)];
    let definitions = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname";
    let before = db.execute(definitions).await.unwrap();
    let mut undo_all = Vec::new();
    let mut dropped = Vec::new();
    for id in ["I01", "I02", "I03"] {
        for finding in scene.found(id).await.findings {
            if let Some(Remedy::Sql { run, undo, .. }) = finding.remedy {
                assert!(!undo.is_empty(), "{run:?}");
                dropped.extend(run);
                undo_all.extend(undo);
            }
        }
    }
    dropped.sort();
    let names = ["alone", "code", "code_again", "code_name_again", "id_again"];
    let expected: Vec<String> =
        names.iter().map(|name| format!("DROP INDEX CONCURRENTLY public.{name}")).collect();
    assert_eq!(dropped, expected, "each once, and code_name stays");
    for statement in &dropped {
        scene.owner.batch_execute(statement).await.unwrap();
    }
    scene.finds_nothing("I02").await;
    // It does the work of no other one now.
    let last = scene.finds("I03", "index public.code_name", State::Info).await;
    assert!(matches!(last.remedy, Some(Remedy::Sql { .. })), "{last:#?}");
    for statement in &undo_all {
        scene.owner.batch_execute(statement).await.unwrap();
    }
    assert_eq!(db.execute(definitions).await.unwrap(), before);
}

/// Reading a definition waits for whoever has locked the table.
#[tokio::test]
async fn a_table_that_is_locked_does_not_hide_the_others() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE locked (id int, code int); CREATE TABLE free (id int); \
         INSERT INTO locked SELECT n, n FROM generate_series(1, 2000) AS n; \
         INSERT INTO free SELECT generate_series(1, 2000); \
         CREATE INDEX of_locked ON locked (code) WHERE id > 1; CREATE INDEX of_free ON free (id)",
    )
    .await
    .unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.thresholds = vec![("unused_index_info", 0.001), ("unused_index_statistics", 0.0)];
    let locker = session(&db, None, "locker").await;
    locker.batch_execute("BEGIN; LOCK locked").await.unwrap();
    let finding = scene.finds("I03", "index public.of_locked", State::Info).await;
    assert!(matches!(finding.remedy, Some(Remedy::Advice { .. })), "without an undo no drop: {finding:#?}");
    let finding = scene.finds("I03", "index public.of_free", State::Info).await;
    scene.is_remedied("I03", &finding).await;
    locker.batch_execute("COMMIT").await.unwrap();
    let finding = scene.finds("I03", "index public.of_locked", State::Info).await;
    scene.is_remedied("I03", &finding).await;
}

//! I04: a large table that refers to another without an index is found, and the index that the remedy makes is the right one.

use crate::checks::scene::Scene;
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::{Remedy, State};

const TABLES: &str = "CREATE TABLE regions (a int, b int, PRIMARY KEY (a, b)); \
    INSERT INTO regions SELECT n, n FROM generate_series(0, 9) AS n; \
    CREATE TABLE \"Orders\" (id int PRIMARY KEY, \"Region\" int, b int, CONSTRAINT of_region FOREIGN KEY (\"Region\", b) REFERENCES regions); \
    INSERT INTO \"Orders\" SELECT n, n % 10, n % 10 FROM generate_series(1, 100) AS n; \
    ANALYZE";

fn of(key: &str, table: &str) -> String {
    format!("foreign key {key} of public.{table}")
}

#[tokio::test]
async fn a_large_table_without_one_is_found_and_gets_it() {
    let db = test_server::database().await.unwrap();
    db.execute(TABLES).await.unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.finds_nothing("I04").await;
    scene.thresholds = vec![("foreign_key_rows_warn", 50.0)];
    let about = of("of_region", "\"Orders\"");
    let finding = scene.finds("I04", &about, State::Warn).await;
    assert!(finding.value.contains("about 100 rows"), "{}", finding.value);
    assert!(finding.value.contains("(\"Region\", b) that refer to public.regions"), "{}", finding.value);
    scene.is_remedied("I04", &finding).await;

    // Neither an index that begins with another column, nor one of some rows.
    db.execute(
        "CREATE INDEX of_region_idx ON \"Orders\" (id, b, \"Region\"); CREATE INDEX partial ON \"Orders\" \
         (b, \"Region\") WHERE id > 5",
    )
    .await
    .unwrap();
    // The name that the remedy takes is another one now.
    let finding = scene.finds("I04", &about, State::Warn).await;
    scene.is_remedied("I04", &finding).await;
    for index in [
        "CREATE INDEX good ON \"Orders\" (b, \"Region\", id)",
        "CREATE INDEX good ON \"Orders\" (\"Region\", b) WHERE b IS NOT NULL",
    ] {
        db.execute(index).await.unwrap();
        scene.finds_nothing("I04").await;
        db.execute("DROP INDEX good").await.unwrap();
    }
    scene.finds("I04", &about, State::Warn).await;
}

#[tokio::test]
async fn a_partitioned_table_is_one_table_and_what_was_never_counted_is_skipped() {
    let db = test_server::database().await.unwrap();
    db.execute(TABLES).await.unwrap();
    db.execute(
        "CREATE TABLE readings (a int, b int, FOREIGN KEY (a, b) REFERENCES regions) PARTITION BY RANGE (a); \
         CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (5); \
         CREATE TABLE readings_2 PARTITION OF readings FOR VALUES FROM (5) TO (10); \
         INSERT INTO readings SELECT n % 10, n % 10 FROM generate_series(1, 100) AS n; \
         ANALYZE readings; \
         CREATE TABLE empty (a int, b int, FOREIGN KEY (a, b) REFERENCES regions)",
    )
    .await
    .unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.thresholds = vec![("foreign_key_rows_warn", 60.0)];
    let finding = scene.finds("I04", &of("readings_a_b_fkey", "readings"), State::Warn).await;
    assert!(finding.value.contains("about 100 rows"), "{}", finding.value);
    assert!(matches!(finding.remedy, Some(Remedy::Advice { .. })), "{finding:#?}");
    scene.is_silent("I04", &of("empty_a_b_fkey", "empty")).await;
    assert_eq!(scene.found("I04").await.findings.len(), 2, "partitions are no tables of their own");
    db.execute("CREATE INDEX ON readings (a, b)").await.unwrap();
    scene.is_silent("I04", &of("readings_a_b_fkey", "readings")).await;

    // Rows that nothing has counted, neither ANALYZE nor the statistics.
    db.execute(
        "CREATE TABLE restored (a int, b int, FOREIGN KEY (a, b) REFERENCES regions); INSERT INTO restored \
         SELECT a, b FROM regions",
    )
    .await
    .unwrap();
    let about = of("restored_a_b_fkey", "restored");
    // What a session counted may come a moment after it has ended, so the statistics are begun anew until nothing comes.
    let mut tries = 0..400;
    let unknown = loop {
        assert!(tries.next().is_some(), "it is skipped in the end");
        db.execute("SELECT pg_stat_reset()").await.unwrap();
        let mut findings = scene.found("I04").await.findings;
        findings.retain(|finding| finding.subject == about && finding.state == State::Skipped);
        if let Some(unknown) = findings.pop() {
            break unknown;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(unknown.value.ends_with("ANALYZE public.restored"), "{}", unknown.value);
}

#[tokio::test]
async fn keys_that_one_index_can_serve_get_one() {
    let db = test_server::database().await.unwrap();
    db.execute(TABLES).await.unwrap();
    db.execute(
        "CREATE TABLE stores (id int PRIMARY KEY); INSERT INTO stores SELECT generate_series(0, 9); \
         ALTER TABLE \"Orders\" ADD CONSTRAINT of_store FOREIGN KEY (b) REFERENCES stores, \
             ADD CONSTRAINT of_shop FOREIGN KEY (b) REFERENCES stores",
    )
    .await
    .unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.thresholds = vec![("foreign_key_rows_warn", 50.0)];
    let keys = ["of_region", "of_shop", "of_store"];
    let first = scene.finds("I04", &of("of_region", "\"Orders\""), State::Warn).await;
    assert!(first.value.ends_with("; one index serves of_shop, of_store too"), "{}", first.value);
    let Some(Remedy::Sql { run, .. }) = &first.remedy else { panic!("{first:#?}") };
    assert!(run[0].ends_with("ON public.\"Orders\" (b, \"Region\")"), "{run:?}");
    for key in &keys[1..] {
        let other = scene.finds("I04", &of(key, "\"Orders\""), State::Warn).await;
        let Some(Remedy::Advice { text }) = &other.remedy else { panic!("{other:#?}") };
        assert_eq!(text, "the index for foreign key of_region serves this one too");
    }
    db.execute(&run[0]).await.unwrap();
    scene.finds_nothing("I04").await;
    scene.finds_nothing("I02").await;
}

/// What puts an index right that is there already makes no second one.
#[tokio::test]
async fn an_index_that_is_not_valid_is_put_right_and_not_made_again() {
    let db = test_server::database().await.unwrap();
    db.execute(TABLES).await.unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.thresholds = vec![("foreign_key_rows_warn", 50.0)];
    let build = "CREATE INDEX CONCURRENTLY failed ON \"Orders\" (b, \"Region\", (1 / (id - 1)))";
    scene.owner.batch_execute(build).await.unwrap_err();
    let finding = scene.finds("I04", &of("of_region", "\"Orders\""), State::Warn).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:#?}") };
    assert!(text.starts_with("public.failed would do if it were valid: check I01"), "{text}");
}

/// Reading the condition of an index waits for whoever has locked its table.
#[tokio::test]
async fn a_table_that_is_locked_is_skipped_and_the_others_are_not() {
    let db = test_server::database().await.unwrap();
    db.execute(TABLES).await.unwrap();
    db.execute(
        "CREATE TABLE locked (id int, a int, b int, CONSTRAINT of_locked FOREIGN KEY (a, b) REFERENCES regions); \
         INSERT INTO locked SELECT n, 1, 1 FROM generate_series(1, 100) AS n; ANALYZE locked; \
         CREATE INDEX partly ON locked (a, b) WHERE id > 5",
    )
    .await
    .unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    scene.thresholds = vec![("foreign_key_rows_warn", 50.0)];
    scene.finds("I04", &of("of_locked", "locked"), State::Warn).await;
    let locker = crate::session::session(&db, None, "locker").await;
    locker.batch_execute("BEGIN; LOCK locked").await.unwrap();
    let skipped = scene.finds("I04", &of("of_locked", "locked"), State::Skipped).await;
    assert!(skipped.value.contains("has locked public.locked"), "{}", skipped.value);
    scene.finds("I04", &of("of_region", "\"Orders\""), State::Warn).await;
}

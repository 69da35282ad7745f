//! I01: an index whose build failed is found and rebuilt, or dropped if it is a leftover. One that is built at this moment is not
//! taken for one.

use crate::checks::scene::Scene;
use crate::session::{begin, session, session_at};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_inspect::checks::{Remedy, State};
use std::time::Duration;
use tokio_postgres::Client;

/// A table with an index that could not be built: its rows are equal.
async fn with_failed_index(db: &TestDatabase) -> Scene {
    db.execute("CREATE TABLE orders (id int); INSERT INTO orders VALUES (1), (1)").await.unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    scene.finds_nothing("I01").await;
    let build = "CREATE UNIQUE INDEX CONCURRENTLY once ON orders (id)";
    scene.owner.batch_execute(build).await.unwrap_err();
    scene
}

#[tokio::test]
async fn an_index_whose_build_failed_is_found_and_rebuilt() {
    let db = test_server::database().await.unwrap();
    db.execute("CREATE TABLE orders (id int); INSERT INTO orders VALUES (0), (1)").await.unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    scene.finds_nothing("I01").await;
    let build = "CREATE INDEX CONCURRENTLY shares ON orders ((100 / id))";
    scene.owner.batch_execute(build).await.unwrap_err();
    let finding = scene.finds("I01", "index public.shares", State::Warn).await;
    assert!(finding.value.contains("the index of public.orders is not valid"), "{}", finding.value);
    db.execute("DELETE FROM orders WHERE id = 0").await.unwrap();
    scene.is_remedied("I01", &finding).await;
    scene.finds_nothing("I01").await;
    assert_eq!(
        db.execute("SELECT FROM pg_class WHERE relname = 'shares'").await.unwrap().len(),
        1,
        "it is kept"
    );
}

/// A rebuild fails as the build did, so none is offered without a look at the rows.
#[tokio::test]
async fn rows_that_are_equal_are_asked_for_before_a_unique_index_is_rebuilt() {
    let db = test_server::database().await.unwrap();
    let scene = with_failed_index(&db).await;
    let rebuild = "REINDEX INDEX CONCURRENTLY public.once";
    scene.owner.batch_execute(rebuild).await.expect_err("the rows are equal still");
    scene.owner.batch_execute("DROP INDEX public.once_ccnew").await.unwrap();
    let finding = scene.finds("I01", "index public.once", State::Warn).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:#?}") };
    assert!(text.contains(rebuild) && text.contains("DROP INDEX CONCURRENTLY public.once"), "{text}");
    let query = question_in(text);
    assert_eq!(
        query,
        "SELECT id, pg_catalog.count(*) FROM public.orders WHERE id IS NOT NULL GROUP BY id HAVING pg_catalog.count(*) > 1"
    );
    let equal = scene.owner.query(query, &[]).await.unwrap();
    assert_eq!((equal.len(), equal[0].get::<_, i64>(1)), (1, 2));
    db.execute("DELETE FROM orders").await.unwrap();
    assert!(scene.owner.query(query, &[]).await.unwrap().is_empty());
    scene.owner.batch_execute(rebuild).await.unwrap();
    scene.finds_nothing("I01").await;
}

/// Expressions, conditions, odd names; and what is locked is not waited for.
#[tokio::test]
async fn the_question_for_equal_rows_is_that_of_the_index() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE \"Odd one\" (\"A b\" text, n int); \
         INSERT INTO \"Odd one\" VALUES ('x', 1), ('X', 2), (NULL, 1), (NULL, 1), ('y', -1), ('Y', -1)",
    )
    .await
    .unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    let build =
        "CREATE UNIQUE INDEX CONCURRENTLY once ON \"Odd one\" (lower(\"A b\")) INCLUDE (n) WHERE n > 0";
    scene.owner.batch_execute(build).await.unwrap_err();
    let finding = scene.finds("I01", "index public.once", State::Warn).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:#?}") };
    let equal = scene.owner.query(question_in(text), &[]).await.unwrap();
    let found: Vec<(Option<String>, i64)> = equal.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(found, [(Some("x".to_owned()), 2)], "neither nulls nor what the index leaves out: {text}");
    let locker = session(&db, None, "locker").await;
    locker.batch_execute("BEGIN; LOCK \"Odd one\"").await.unwrap();
    let finding = scene.finds("I01", "index public.once", State::Warn).await;
    let Some(Remedy::Advice { text }) = &finding.remedy else { panic!("{finding:#?}") };
    assert!(text.contains("its table is locked now"), "{text}");
}

/// The query that an advice names.
fn question_in(text: &str) -> &str {
    let begin = text.find("SELECT ").expect("there is a query");
    let end = text[begin..].find(". When").expect("it ends") + begin;
    &text[begin..end]
}

#[tokio::test]
async fn where_another_index_does_its_work_it_is_dropped() {
    let db = test_server::database().await.unwrap();
    let scene = with_failed_index(&db).await;
    db.execute("DELETE FROM orders; CREATE UNIQUE INDEX again ON orders (id)").await.unwrap();
    let finding = scene.finds("I01", "index public.once", State::Warn).await;
    assert!(finding.value.ends_with("; public.again does all that it would do"), "{}", finding.value);
    scene.is_remedied("I01", &finding).await;
    scene.finds_nothing("I02").await;
}

#[tokio::test]
async fn what_a_rebuild_left_behind_is_dropped() {
    let db = test_server::database().await.unwrap();
    let scene = with_failed_index(&db).await;
    db.execute("ALTER INDEX once RENAME TO \"Once_ccnew1\"").await.unwrap();
    let finding = scene.finds("I01", "index public.\"Once_ccnew1\"", State::Warn).await;
    let drop = "DROP INDEX CONCURRENTLY public.\"Once_ccnew1\"".to_owned();
    assert!(matches!(&finding.remedy, Some(Remedy::Sql { run, .. }) if *run == [drop]), "{finding:#?}");
    scene.is_remedied("I01", &finding).await;
    scene.finds_nothing("I01").await;
}

/// Waits until there are so many invalid indexes.
async fn until_invalid(client: &Client, number: i64) {
    let count = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    let wait = async {
        while client.query_one(count, &[]).await.unwrap().get::<_, i64>(0) != number {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the build begins");
}

#[tokio::test]
async fn an_index_that_is_built_or_dropped_at_this_moment_is_none() {
    let db = test_server::database().await.unwrap();
    let mut scene = with_failed_index(&db).await;
    // A transaction that has written to the table holds up each build until it ends.
    let writer = session(&db, None, "writer").await;
    writer.batch_execute("BEGIN; INSERT INTO orders VALUES (2)").await.unwrap();
    let build = "CREATE INDEX CONCURRENTLY slow ON orders (id)";
    let building = begin(session(&db, None, "builder").await, build);
    until_invalid(&scene.owner, 2).await;
    scene.is_silent("I01", "index public.slow").await;
    scene.finds("I01", "index public.once", State::Warn).await;

    // Who may not see what is built cannot tell the two apart.
    let role = format!("{}_guest", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let superuser = std::mem::replace(&mut scene.asker, session_at(&db.url(), Some(&role), "guest").await);
    scene.finds("I01", "index public.slow", State::Skipped).await;
    scene.finds("I01", "index public.once", State::Skipped).await;
    scene.asker = superuser;
    writer.batch_execute("COMMIT").await.unwrap();
    building.await.unwrap();
    scene.is_silent("I01", "index public.slow").await;

    // The same for a drop, which makes the index invalid before it waits.
    writer.batch_execute("BEGIN; INSERT INTO orders VALUES (3)").await.unwrap();
    let dropping = begin(session(&db, None, "dropper").await, "DROP INDEX CONCURRENTLY slow");
    until_invalid(&scene.owner, 2).await;
    scene.is_silent("I01", "index public.slow").await;
    writer.batch_execute("COMMIT").await.unwrap();
    dropping.await.unwrap();
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_partitioned_index_without_its_parts_is_none() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE readings (at int) PARTITION BY RANGE (at); \
         CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (10); \
         CREATE INDEX readings_at ON ONLY readings (at)",
    )
    .await
    .unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    until_invalid(&scene.owner, 1).await;
    scene.finds_nothing("I01").await;
}

//! `plimsoll sizes` lists the largest tables as the server measures them, and a table that is locked holds nothing up: its size is
//! then what the catalog knows, and marked.

use super::session;
use crate::command::plimsoll_of;
use plimsoll_embedded::test_server;
use serde_json::Value;
use std::time::{Duration, Instant};

const TABLES: &str = "\
    CREATE TABLE small (a int PRIMARY KEY);
    CREATE TABLE large (a int PRIMARY KEY, b text);
    ALTER TABLE large ALTER b SET STORAGE EXTERNAL;
    INSERT INTO large SELECT g, repeat('x', CASE WHEN g % 10 = 0 THEN 4000 ELSE 200 END) FROM generate_series(1, 8000) AS g;
    CREATE TABLE log (day int, what text) PARTITION BY RANGE (day);
    CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (1) TO (5000);
    CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (5000) TO (90000);
    INSERT INTO log SELECT g, 'something' FROM generate_series(1, 15000) AS g;";

fn tables(out: &str) -> Vec<Value> {
    let found: Value = serde_json::from_str(out).unwrap();
    assert_eq!(found["schema_version"], 1);
    found["tables"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_largest_come_first_as_the_server_measures_them() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    let empty = plimsoll_of(&["sizes", "-d", &url]).await;
    assert_eq!((empty.status, empty.out.as_str()), (0, "This database has no tables.\n"), "{empty:?}");
    // Nothing was vacuumed or analyzed: the catalog takes each of them for empty.
    db.execute(&format!("{TABLES} SELECT 1")).await.unwrap();
    let run = plimsoll_of(&["sizes", "-d", &url, "--json"]).await;
    assert_eq!(run.status, 0, "{run:?}");
    let found = tables(&run.out);
    let names: Vec<&str> = found.iter().map(|table| table["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["public.large", "public.log", "public.small"]);
    assert_eq!((&found[1]["partitions"], &found[0]["partitions"]), (&Value::from(2), &Value::Null));
    let measured = db
        .execute(
            "SELECT round(pg_total_relation_size('large') / 1048576.0, 2)::text AS total, \
             round((pg_table_size('large') - pg_total_relation_size(reltoastrelid)) / 1048576.0, 2)::text AS data, \
             round(pg_indexes_size('large') / 1048576.0, 2)::text AS index, \
             round(pg_total_relation_size(reltoastrelid) / 1048576.0, 2)::text AS toast \
             FROM pg_class WHERE oid = 'large'::regclass",
        )
        .await
        .unwrap();
    for (column, name) in
        [("total", "total_mb"), ("data", "data_mb"), ("index", "index_mb"), ("toast", "toast_mb")]
    {
        let number: f64 = measured[0][column].parse().unwrap();
        assert_eq!(found[0][name], number, "{name} of {}", run.out);
        assert!(number > 0.0, "{name}");
    }
    let apart = plimsoll_of(&["sizes", "-d", &url, "--partitions", "--limit", "2", "--json"]).await;
    let names: Vec<Value> = tables(&apart.out).iter().map(|table| table["name"].clone()).collect();
    assert_eq!(names, ["public.large", "public.log_2"]);
    let text = plimsoll_of(&["sizes", "-d", &url]).await;
    assert!(text.out.starts_with("The 3 largest of 4 tables, in MB\n"), "{}", text.out);
    assert!(text.out.contains("public.log (2 parts)\n") && !text.out.contains('~'), "{}", text.out);
}

#[tokio::test]
async fn a_locked_table_is_estimated_and_named() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute(TABLES).await.unwrap();
    db.execute("VACUUM ANALYZE large").await.unwrap();
    let locker = session(&url).await;
    locker.batch_execute("BEGIN; LOCK large IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let began = Instant::now();
    let run = plimsoll_of(&["sizes", "-d", &url, "--json"]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(run.status, 3, "not all of it was measured: {run:?}");
    let found = tables(&run.out);
    assert_eq!((&found[0]["name"], &found[0]["is_locked"]), (&"public.large".into(), &true.into()));
    assert!(found[0]["total_mb"].as_f64().unwrap() > 1.0 && found[0]["rows"] == 8000, "{}", run.out);
    assert!(found.iter().skip(1).all(|table| table["is_estimated"] == false), "{}", run.out);
    let text = plimsoll_of(&["sizes", "-d", &url]).await;
    assert!(text.out.contains("Locked, so that every other session waits: public.large."), "{}", text.out);
    assert!(text.out.contains("  ~8,000  public.large\n"), "{}", text.out);
    locker.batch_execute("ROLLBACK").await.unwrap();
    let after = plimsoll_of(&["sizes", "-d", &url]).await;
    assert_eq!((after.status, after.out.contains("Locked")), (0, false), "{after:?}");
    // An index or a TOAST table that is locked is waited for like its table.
    locker.batch_execute("BEGIN; DROP INDEX IF EXISTS no_such; REINDEX INDEX large_pkey").await.unwrap();
    let run = plimsoll_of(&["sizes", "-d", &url]).await;
    assert_eq!((run.status, run.out.contains("public.large. plimsoll blocking")), (3, true), "{run:?}");
    locker.batch_execute("ROLLBACK").await.unwrap();
}

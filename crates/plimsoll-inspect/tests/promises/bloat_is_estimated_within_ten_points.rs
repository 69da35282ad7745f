//! The estimates of bloat are within ten points of what the extension pgstattuple counts, and of what a rewrite gives back; or
//! they say that it cannot be known.

use crate::session::session;
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_inspect::bloat::indexes::{INDEX_BLOAT, Index};
use plimsoll_inspect::bloat::tables::{TABLE_BLOAT, Table};
use plimsoll_inspect::bloat::{Estimate, Unknown};
use tokio_postgres::Client;

/// How far apart they may be, in points of a hundred.
const POINTS: f64 = 10.0;

/// Tables, each with how it is made. All begin with 40,000 rows, and no autovacuum takes them.
const TABLES: [(&str, &str, &str); 11] = [
    ("fresh", USUAL, "VACUUM (ANALYZE) {}"),
    ("leaves_30", USUAL, "ALTER TABLE {} SET (fillfactor = 70); VACUUM (FULL, ANALYZE) {}"),
    (
        "leaves_50_and_lost_half",
        USUAL,
        "ALTER TABLE {} SET (fillfactor = 50); VACUUM (FULL) {}; DELETE FROM {} WHERE id % 2 = 0; VACUUM (ANALYZE) {}",
    ),
    ("dead_90", USUAL, "DELETE FROM {} WHERE id % 10 <> 0; ANALYZE {}"),
    ("empty_90", USUAL, "DELETE FROM {} WHERE id % 10 <> 0; VACUUM (ANALYZE) {}"),
    (
        "updated_twice",
        USUAL,
        "UPDATE {} SET kind = kind + 1 WHERE id % 2 = 0; VACUUM {}; UPDATE {} SET kind = kind + 1 WHERE id % 3 = 0; VACUUM (ANALYZE) {}",
    ),
    (
        "narrow",
        "SELECT i AS id FROM generate_series(1, 40000) AS i",
        "DELETE FROM {} WHERE id % 2 = 0; VACUUM (ANALYZE) {}",
    ),
    ("nulls", NULLS, "DELETE FROM {} WHERE id % 3 = 0; VACUUM (ANALYZE) {}"),
    (
        "wide",
        "SELECT i AS id, repeat(md5(i::text), 50) AS body FROM generate_series(1, 4000) AS i",
        "DELETE FROM {} WHERE id % 4 = 0; VACUUM (ANALYZE) {}",
    ),
    (
        "toasted",
        "SELECT i AS id, i % 10 AS kind, md5(i::text) AS key, string_agg(md5((i * n)::text), '') AS body FROM generate_series(1, 2000) AS i, generate_series(1, 400) AS n GROUP BY i",
        "DELETE FROM {} WHERE id % 2 = 0; VACUUM (ANALYZE) {}",
    ),
    (
        "keyed",
        "SELECT gen_random_uuid() AS id, md5(i::text) AS key, (i % 1000) AS device, random() AS value FROM generate_series(1, 40000) AS i",
        "DELETE FROM {} WHERE device % 5 < 3; VACUUM (ANALYZE) {}",
    ),
];

const USUAL: &str =
    "SELECT i::bigint AS id, (i % 10) AS kind, repeat('x', 5 + (i * 7919) % 60) || i AS name, now() AS made,
    (i % 500)::numeric AS price, i % 3 = 0 AS is_open FROM generate_series(1, 40000) AS i";

const NULLS: &str = "SELECT i AS id, CASE WHEN i % 2 = 0 THEN i::bigint END AS a, CASE WHEN i % 4 < 3 THEN i::text END AS b,
    CASE WHEN i % 10 = 0 THEN now() END AS c, NULL::int AS d, CASE WHEN i % 5 = 0 THEN 1::smallint END AS e, true AS f, NULL::text AS g,
    NULL::uuid AS h, i::float AS j FROM generate_series(1, 40000) AS i";

async fn made(client: &Client, indexed: bool) {
    client.batch_execute("CREATE EXTENSION pgstattuple").await.unwrap();
    for (name, rows, then) in TABLES {
        client.batch_execute(&format!("CREATE TABLE {name} WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off) AS {rows}")).await.unwrap();
        for (index, columns) in indexes(name).into_iter().filter(|_| indexed) {
            client
                .batch_execute(&format!("CREATE INDEX {name}_{index} ON {name} ({columns})"))
                .await
                .unwrap();
        }
        for step in then.split("; ") {
            // So that what was counted before is not added to what the next step counts.
            client.batch_execute(FLUSH).await.unwrap();
            client.batch_execute(&step.replace("{}", name)).await.unwrap();
        }
    }
    client.batch_execute(FLUSH).await.unwrap();
}

/// What no live row takes, by pgstattuple: all but those rows, each rounded up to 8 bytes, with its line pointer and the headers of
/// the pages. Its own `free_percent` leaves out the line pointers of removed rows (10 % of a page of narrow rows) and, since
/// PostgreSQL 16, the pages that were added in advance.
const FREE: &str = "SELECT 100 * (1 - (tuple_count * (ceil(tuple_len / greatest(tuple_count, 1)::float8 / 8) * 8 + 4) \
    + table_len / 8192 * 24) / table_len)";

const FLUSH: &str = "SELECT pg_stat_force_next_flush()";

fn indexes(table: &str) -> Vec<(&'static str, &'static str)> {
    match table {
        "narrow" | "wide" => vec![("id", "id")],
        "nulls" => vec![("id", "id"), ("a", "a"), ("b", "b"), ("g", "g")],
        "toasted" => vec![("id", "id"), ("kind", "kind"), ("key", "key")],
        "keyed" => vec![("id", "id"), ("key", "key"), ("device", "device")],
        _ => vec![
            ("id", "id"),
            ("kind", "kind"),
            ("name", "name"),
            ("price", "price"),
            ("expression", "lower(name)"),
            ("two", "kind, is_open"),
            ("unclear", "kind, name"),
        ],
    }
}

async fn tables(client: &Client) -> Vec<Table> {
    Table::read(&client.simple_query(TABLE_BLOAT).await.unwrap()).unwrap()
}

async fn number(client: &Client, sql: &str) -> f64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}")).get(0)
}

/// An estimate of free space and of waste beside what was counted, all in percent.
fn is_near(name: &str, guess: Estimate, free: f64, given_back: f64) -> bool {
    let (guessed_free, guessed_waste) = (guess.free * 100.0, guess.waste * 100.0);
    println!(
        "{name}: free {guessed_free:.1}, counted {free:.1}; waste {guessed_waste:.1}, given back {given_back:.1}"
    );
    (guessed_free - free).abs() <= POINTS && (guessed_waste - given_back).abs() <= POINTS
}

#[tokio::test]
async fn of_tables() {
    let db: TestDatabase = test_server::database().await.unwrap();
    let client = session(&db, None, "asker").await;
    made(&client, false).await;
    let all = tables(&client).await;
    let mut apart = Vec::new();
    let mut looked_at = 0;
    for table in all.iter().filter(|table| table.owner.is_none()) {
        let name = &table.name;
        let guess = table.estimate().unwrap_or_else(|why| panic!("{name}: {why}"));
        let free = number(&client, &format!("{FREE} FROM pgstattuple('{name}')")).await;
        let size = format!("SELECT pg_relation_size('{name}')::float8");
        let before = number(&client, &size).await;
        client.batch_execute(&format!("VACUUM (FULL) {name}")).await.unwrap();
        let given_back = 100.0 * (1.0 - number(&client, &size).await / before);
        looked_at += 1;
        if !is_near(name, guess, free, given_back) {
            apart.push(name);
        }
    }
    assert_eq!((looked_at, apart), (TABLES.len(), Vec::<&String>::new()));
}

/// Of a TOAST table only the number of chunks is known, so the estimate is the least.
#[tokio::test]
async fn of_toast_it_is_the_least() {
    let db: TestDatabase = test_server::database().await.unwrap();
    let client = session(&db, None, "asker").await;
    client.batch_execute("CREATE EXTENSION pgstattuple").await.unwrap();
    for (name, width) in [("long", 20_000), ("short", 2_100)] {
        let table = format!(
            "CREATE TABLE {name} (id int, body text) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)"
        );
        client.batch_execute(&table).await.unwrap();
        client.batch_execute(&format!("ALTER TABLE {name} ALTER body SET STORAGE EXTERNAL")).await.unwrap();
        let rows =
            format!("INSERT INTO {name} SELECT i, repeat('x', {width}) FROM generate_series(1, 2000) AS i");
        client.batch_execute(&rows).await.unwrap();
        client.batch_execute(&format!("DELETE FROM {name} WHERE id % 3 <> 0")).await.unwrap();
        client.batch_execute(FLUSH).await.unwrap();
        client.batch_execute(&format!("VACUUM (ANALYZE) {name}")).await.unwrap();
    }
    let all = tables(&client).await;
    for (owner, is_close) in [("public.long", true), ("public.short", false)] {
        let toast = all.iter().find(|table| table.owner.as_deref() == Some(owner)).unwrap();
        let guess = toast.estimate().unwrap();
        let sql = format!("SELECT dead_tuple_percent + free_percent FROM pgstattuple('{}')", toast.name);
        let free = number(&client, &sql).await;
        println!("{owner}: at least {:.1}, counted {free:.1}", guess.waste * 100.0);
        assert!(guess.at_least && guess.waste * 100.0 <= free + POINTS, "{guess:?}");
        assert_eq!(guess.waste * 100.0 >= free - POINTS, is_close, "{owner}: {guess:?}, {free}");
    }
}

#[tokio::test]
async fn of_indexes() {
    let db: TestDatabase = test_server::database().await.unwrap();
    let client = session(&db, None, "asker").await;
    made(&client, true).await;
    let all = Index::read(&client.simple_query(INDEX_BLOAT).await.unwrap()).unwrap();
    let (mut apart, mut unknown) = (Vec::new(), Vec::new());
    for index in &all {
        let name = index.name.trim_start_matches("public.");
        let guess = match index.estimate() {
            Ok(guess) => guess,
            Err(why) => {
                unknown.push((name, why));
                continue;
            }
        };
        let sql =
            "SELECT 100 * (1 - leaf_pages * avg_leaf_density / 100 * 8192 / index_size) FROM pgstatindex";
        let free = number(&client, &format!("{sql}('{name}')")).await;
        let size = format!("SELECT pg_relation_size('{name}')::float8");
        let before = number(&client, &size).await;
        client.batch_execute(&format!("REINDEX INDEX {name}")).await.unwrap();
        let given_back = 100.0 * (1.0 - number(&client, &size).await / before);
        if !is_near(name, guess, free, given_back) {
            apart.push(name);
        }
    }
    assert!(apart.is_empty(), "{apart:?}");
    // Nothing else is given up: rows that are dead and still in the index, and a pair of columns where only one repeats.
    for (name, why) in &unknown {
        match why {
            Unknown::Dead(_) => assert!(name.starts_with("dead_90"), "{name}: {why}"),
            Unknown::Repeats(..) => assert!(name.ends_with("unclear"), "{name}: {why}"),
            other => panic!("{name}: {other}"),
        }
    }
    assert!(all.len() > 40 && unknown.len() <= 12, "{unknown:#?}");
}

#[tokio::test]
async fn what_cannot_be_known_is_said_with_its_reason() {
    let db: TestDatabase = test_server::database().await.unwrap();
    let client = session(&db, None, "asker").await;
    let tables_of = "CREATE TABLE never (id int) WITH (autovacuum_enabled = off); CREATE TABLE changed (id int) WITH (autovacuum_enabled = off);
        CREATE TABLE reset (id int, name name) WITH (autovacuum_enabled = off); CREATE TABLE secret (id int, body text) WITH (autovacuum_enabled = off);";
    client.batch_execute(tables_of).await.unwrap();
    client
        .batch_execute("CREATE INDEX reset_name ON reset (name); CREATE INDEX changed_id ON changed (id)")
        .await
        .unwrap();
    for table in ["never", "changed", "reset", "secret"] {
        client.batch_execute(&format!("INSERT INTO {table} SELECT generate_series(1, 5000)")).await.unwrap();
    }
    client.batch_execute(FLUSH).await.unwrap();
    for table in ["changed", "reset", "secret"] {
        client.batch_execute(&format!("ANALYZE {table}")).await.unwrap();
    }
    client.batch_execute(FLUSH).await.unwrap();
    client.batch_execute("UPDATE changed SET id = id WHERE id % 4 = 0").await.unwrap();
    client.batch_execute(FLUSH).await.unwrap();
    let role = format!("{}_monitor", db.name());
    client
        .batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT pg_monitor TO {role}"))
        .await
        .unwrap();
    let monitor = session(&db, Some(&role), "monitor").await;
    let why = |all: &[Table], name: &str| {
        let name = format!("public.{name}");
        all.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("{name} in {all:#?}")).estimate()
    };
    let all = tables(&client).await;
    assert_eq!(why(&all, "never"), Err(Unknown::NeverAnalyzed));
    assert_eq!(why(&all, "changed"), Err(Unknown::Changed(0.25)));
    assert!(why(&all, "secret").is_ok());
    let indexes = Index::read(&client.simple_query(INDEX_BLOAT).await.unwrap()).unwrap();
    let of_index = |name: &str| indexes.iter().find(|index| index.name == name).unwrap().estimate();
    assert_eq!(of_index("public.changed_id"), Err(Unknown::Changed(0.25)));
    assert_eq!(of_index("public.reset_name"), Err(Unknown::Stored));
    let all = tables(&monitor).await;
    assert_eq!(why(&all, "secret"), Err(Unknown::NoStatistics), "it may not see them");
    client.batch_execute(&format!("GRANT SELECT ON secret TO {role}")).await.unwrap();
    assert!(why(&tables(&monitor).await, "secret").is_ok());
    client.batch_execute("SELECT pg_stat_reset()").await.unwrap();
    let all = tables(&client).await;
    assert_eq!(why(&all, "reset"), Err(Unknown::NotCounted), "nothing tells what has changed since");
    drop(monitor);
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

//! `plimsoll indexes` finds the indexes that are not valid, that another one covers, and that are never used, and says how each is
//! dropped; it leaves alone what is needed, though no scan may have used it.

use super::session;
use crate::command::{Run, plimsoll_of};
use plimsoll_embedded::test_server::{self, TestDatabase};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const TABLES: &str = "\
    CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, state text, amount int, note text);
    CREATE INDEX short ON orders (state);
    CREATE INDEX long ON orders (state, amount);
    CREATE INDEX long_again ON orders (state, amount);
    CREATE UNIQUE INDEX id_again ON orders (id);
    CREATE INDEX lowered ON orders (lower(note));
    CREATE INDEX lowered_again ON orders (  lower( note ) );
    CREATE INDEX backwards ON orders (state DESC NULLS LAST);
    CREATE INDEX partly ON orders (amount) WHERE state = 'open';
    CREATE INDEX hashed ON orders USING hash (state);
    CREATE INDEX \"Of Key\" ON orders (customer_id);
    INSERT INTO customers SELECT g, g::text FROM generate_series(1, 500) AS g;
    INSERT INTO orders SELECT g, g, 'open', g % 7, g::text FROM generate_series(1, 500) AS g;";

fn json(run: &Run) -> Value {
    let found: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!(found["schema_version"], 1);
    found
}

fn by_name(found: &Value) -> BTreeMap<String, Value> {
    let indexes = found["indexes"].as_array().unwrap();
    indexes.iter().map(|index| (index["name"].as_str().unwrap().to_owned(), index.clone())).collect()
}

/// Runs all that is advised, and says of which.
async fn carried_out(db: &TestDatabase, all: &BTreeMap<String, Value>) -> Vec<String> {
    let mut done = Vec::new();
    for (name, index) in all {
        if let Some(run) = index["run"].as_str() {
            db.execute(run).await.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!index["undo"].as_array().unwrap().is_empty(), "{index}");
            done.push(name.clone());
        }
    }
    done
}

async fn taken_back(db: &TestDatabase, all: &BTreeMap<String, Value>) {
    for undo in all.values().flat_map(|index| index["undo"].as_array().unwrap()) {
        db.execute(undo.as_str().unwrap()).await.unwrap_or_else(|error| panic!("{undo}: {error}"));
    }
}

#[tokio::test]
async fn what_is_covered_and_what_is_unused_stand_out() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    let run = plimsoll_of(&["indexes", "-d", &url]).await;
    assert_eq!((run.status, run.out.contains("No index is invalid")), (0, true), "{run:?}");
    db.execute(TABLES).await.unwrap();
    let run = plimsoll_of(&["indexes", "-d", &url, "--json"]).await;
    assert_eq!(run.status, 1, "{run:?}");
    let found = json(&run);
    let all = by_name(&found);
    let covered: Vec<(&str, &str, bool)> = all
        .iter()
        .filter_map(|(name, it)| Some((name.as_str(), it["covered_by"].as_str()?, it["is_same"].as_bool()?)))
        .collect();
    assert_eq!(
        covered,
        [
            ("public.id_again", "public.orders_pkey", true),
            ("public.long_again", "public.long", true),
            ("public.lowered_again", "public.lowered", true),
            ("public.short", "public.long", false),
        ]
    );
    // The key of each table, what a constraint has, and what a foreign key of the table is looked up by are needed.
    let unused: Vec<&str> =
        all.iter().filter(|(_, it)| it["is_unused"] == true).map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        unused,
        [
            "public.backwards",
            "public.hashed",
            "public.long",
            "public.long_again",
            "public.lowered",
            "public.lowered_again",
            "public.partly",
            "public.short",
        ]
    );
    assert_eq!(found["unused_is_known"], false, "the counters are young");
    // What is unused is not said to be droppable while the counters are young; what is covered is, whatever they say.
    let dropped = carried_out(&db, &all).await;
    assert_eq!(dropped, ["public.id_again", "public.long_again", "public.lowered_again", "public.short"]);
    assert_eq!(all["public.partly"]["advice"], "skipped: scans have not been counted for long enough");
    let left = json(&plimsoll_of(&["indexes", "-d", &url, "--json"]).await);
    assert!(by_name(&left).values().all(|it| it["covered_by"].is_null() && it["run"].is_null()), "{left}");
    taken_back(&db, &all).await;
    let again = json(&plimsoll_of(&["indexes", "-d", &url, "--json"]).await);
    assert_eq!(by_name(&again).keys().collect::<Vec<_>>(), all.keys().collect::<Vec<_>>());

    // With counters that are old enough: of those that do the same work one stays all the same.
    let run = plimsoll_of(&["indexes", "-d", &url, "--unused-after", "0s", "--json"]).await;
    let all = by_name(&json(&run));
    let dropped = carried_out(&db, &all).await;
    assert_eq!(dropped.len(), 7, "{dropped:?}");
    for stays in ["public.long", "public.lowered"] {
        assert!(all[stays]["advice"].as_str().unwrap().starts_with("it does the work of those"), "{all:?}");
    }
    taken_back(&db, &all).await;
}

#[tokio::test]
async fn what_is_used_does_not_stand_out_and_a_table_shows_all() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute(TABLES).await.unwrap();
    db.execute("DROP INDEX lowered_again").await.unwrap();
    let user = session(&url).await;
    user.batch_execute("SET enable_seqscan = off; SELECT count(*) FROM orders WHERE lower(note) = '7'")
        .await
        .unwrap();
    // A backend tells its counters when it has been idle, or at its end.
    drop(user);
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let run = plimsoll_of(&["indexes", "-d", &url, "--table", "orders", "--json"]).await;
        let all = by_name(&json(&run));
        assert_eq!(all.len(), 10, "{run:?}");
        assert_eq!(all["public.\"Of Key\""]["serves_foreign_key"], true);
        assert_eq!(all["public.orders_pkey"]["is_primary"], true);
        assert!(all["public.orders_pkey"]["bytes"].as_u64().unwrap() >= 8_192);
        if all["public.lowered"]["scans"] != 0 {
            assert_eq!(all["public.lowered"]["is_unused"], false);
            break;
        }
        assert!(Instant::now() < until, "{run:?}");
    }
    let by_schema =
        plimsoll_of(&["indexes", "-d", &url, "--table", "public.orders", "--unused-after", "0s"]).await;
    assert_eq!(by_schema.status, 1, "{by_schema:?}");
    assert!(by_schema.out.starts_with("Table public.orders: 10 indexes on 1 table; scans counted for"));
    let lines = "public.orders_pkey\n      primary key, btree (id)\n";
    assert!(by_schema.out.contains(lines), "{}", by_schema.out);
    assert!(!by_schema.out.contains("says little"), "{}", by_schema.out);
    assert!(by_schema.out.lines().all(|line| line.chars().count() <= 80), "{}", by_schema.out);
    let run = plimsoll_of(&["indexes", "-d", &url, "--table", "\"it's not there\""]).await;
    assert_eq!(
        (run.status, run.error.contains("there is no table \"it's not there\"")),
        (3, true),
        "{run:?}"
    );
    let run = plimsoll_of(&["indexes", "-d", &url, "--table", "customers"]).await;
    assert_eq!(run.status, 0, "needed, both of them: {run:?}");
}

#[tokio::test]
async fn what_a_failed_build_leaves_is_found_and_a_lock_holds_nothing_up() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute("CREATE TABLE twice (a int, b int); INSERT INTO twice VALUES (1, 1), (1, 2)").await.unwrap();
    let failed = db.execute("CREATE UNIQUE INDEX CONCURRENTLY not_unique ON twice (a)").await;
    assert!(failed.is_err());
    let run = plimsoll_of(&["indexes", "-d", &url]).await;
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.out.contains("not valid: no query uses it"), "{}", run.out);
    // As check I01 has it: a rebuild would fail again.
    let words: String = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for says in [
        "rows with equal keys make a rebuild fail; this finds them: SELECT a, pg_catalog.count(*) FROM public.twice WHERE a IS NOT NULL",
        "When there are none left: REINDEX INDEX CONCURRENTLY public.not_unique. To do without it: DROP INDEX CONCURRENTLY",
    ] {
        assert!(words.contains(says), "{says:?} in {}", run.out);
    }

    // One that a session is building is not called invalid; it waits for a transaction that is older.
    let old = session(&url).await;
    old.batch_execute("BEGIN; SELECT * FROM twice; INSERT INTO twice VALUES (3, 3)").await.unwrap();
    let builder = session(&url).await;
    let building = tokio::spawn(async move {
        builder.batch_execute("CREATE INDEX CONCURRENTLY under_way ON twice (b)").await
    });
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let all = by_name(&json(&plimsoll_of(&["indexes", "-d", &url, "--table", "twice", "--json"]).await));
        if let Some(index) = all.get("public.under_way") {
            assert_eq!(
                (&index["is_worked_on"], &index["is_invalid"]),
                (&true.into(), &false.into()),
                "{index}"
            );
            assert_eq!(all["public.not_unique"]["is_invalid"], true);
            break;
        }
        assert!(Instant::now() < until, "{all:?}");
    }
    old.batch_execute("COMMIT").await.unwrap();
    building.await.unwrap().unwrap();

    let locker = session(&url).await;
    locker.batch_execute("BEGIN; LOCK twice IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let run = plimsoll_of(&["indexes", "-d", &url, "--table", "twice"]).await;
    assert_eq!((run.status, run.out.contains("locked by a session")), (1, true), "{run:?}");
    locker.batch_execute("ROLLBACK").await.unwrap();
}

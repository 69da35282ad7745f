//! `plimsoll integrity` lists what the tables promise, tells what was never validated and which foreign keys seem to be missing, and
//! counts, where it is asked to, the rows that break a promise; what could not be counted is told, and is never taken for kept.

use super::session;
use crate::command::{Run, plimsoll_of};
use plimsoll_embedded::test_server;
use serde_json::Value;

const SHOP: &str = "\
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL);
    CREATE TABLE regions (id bigint PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, region_id int, planet_id int, amount int);
    INSERT INTO customers VALUES (1, 'a');
    INSERT INTO orders VALUES (1, 1, 7, 3, 5), (2, NULL, NULL, NULL, -1);";

fn json(run: &Run) -> Value {
    let found: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    assert_eq!(found["schema_version"], 1);
    found
}

fn promise<'a>(found: &'a Value, name: &str) -> &'a Value {
    found["promises"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap()
}

#[tokio::test]
async fn promises_are_listed_and_what_is_broken_is_counted() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute(SHOP).await.unwrap();
    let run = plimsoll_of(&["integrity", "-d", &url]).await;
    assert_eq!(run.status, 0, "a hint is no finding: {run:?}");
    let promises = "promises: 1 foreign key, 3 unique keys, 4 required columns, 0 checks";
    assert!(run.out.replace('\n', " ").contains(promises), "{}", run.out);
    assert!(run.out.contains("No row was read."), "{}", run.out);
    assert!(
        run.out.contains("  public.orders, foreign key orders_customer_id_fkey: FOREIGN KEY"),
        "{}",
        run.out
    );
    let run = plimsoll_of(&["integrity", "-d", &url, "--count"]).await;
    assert_eq!(
        (run.status, run.out.contains("8 promises were held against the rows; 0 broken.")),
        (0, true),
        "{run:?}"
    );

    // A check that was never validated; then rows that refer to nothing, as a replica writes them.
    db.execute("ALTER TABLE orders ADD CONSTRAINT \"is Positive\" CHECK (amount > 0) NOT VALID")
        .await
        .unwrap();
    let run = plimsoll_of(&["integrity", "-d", &url, "--table", "orders"]).await;
    assert_eq!(run.status, 1, "{run:?}");
    let text = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let order = "first mend the rows that break it, if this finds any: SELECT ctid, * FROM ONLY public.orders WHERE NOT \
                 ((amount > 0)); then ALTER TABLE public.orders VALIDATE CONSTRAINT \"is Positive\";";
    assert!(text.contains(order) && !text.contains("public.customers,"), "{}", run.out);
    db.execute(
        "SET session_replication_role = replica; INSERT INTO orders VALUES (3, 99, NULL, NULL, 1), (4, 98, NULL, NULL, 1); \
         RESET session_replication_role",
    )
    .await
    .unwrap();
    let run = plimsoll_of(&["integrity", "-d", &url, "--count", "--json"]).await;
    let found = json(&run);
    assert_eq!(run.status, 2, "{run:?}");
    assert_eq!(promise(&found, "orders_customer_id_fkey")["broken"]["rows"], 2);
    assert_eq!(promise(&found, "is Positive")["broken"]["rows"], 1);
    assert_eq!(promise(&found, "orders_pkey")["broken"]["rows"], 0);
    let run = plimsoll_of(&["integrity", "-d", &url, "--count"]).await;
    assert!(run.out.contains("2 rows refer to ones that do not exist"), "{}", run.out);
    assert!(run.out.contains("1 row does not meet the condition"), "{}", run.out);
    assert!(!run.out.contains("Not validated"), "what is broken is told once, with its order: {}", run.out);
    assert!(run.out.contains("held against the rows; 2 broken."), "{}", run.out);
}

/// What is told leads from the rows that break a promise to one that is kept: the rows are found, mended, and then it is validated.
#[tokio::test]
async fn what_is_told_mends_it() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute(SHOP).await.unwrap();
    db.execute(
        "CREATE TABLE items (id int, number int, sold_at date); INSERT INTO items VALUES (1, 7, NULL), (2, 7, NULL), (3, 8, NULL);
         ALTER TABLE items ADD CONSTRAINT small CHECK (id < 3) NOT VALID; CREATE SCHEMA \"Other\";
         CREATE TABLE \"Other\".\"Refers\" (\"To\" int); INSERT INTO \"Other\".\"Refers\" VALUES (1), (99);
         ALTER TABLE \"Other\".\"Refers\" ADD CONSTRAINT \"A key\" FOREIGN KEY (\"To\") REFERENCES customers NOT VALID",
    )
    .await
    .unwrap();
    // An index that could not be built, since a key is there twice.
    let builder = session(&url).await;
    builder.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY by_number ON items (number)").await.unwrap_err();
    let run = plimsoll_of(&["integrity", "-d", &url, "--count"]).await;
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.out.contains("1 key is there more than once"), "{}", run.out);
    let found = json(&plimsoll_of(&["integrity", "-d", &url, "--count", "--json"]).await);
    for (name, counted, mends) in [
        ("by_number", "keys", "UPDATE items SET number = 9 WHERE id = 2"),
        ("small", "rows", "DELETE FROM items WHERE id = 3"),
        ("A key", "rows", "DELETE FROM \"Other\".\"Refers\" WHERE \"To\" = 99"),
    ] {
        let it = promise(&found, name);
        assert_eq!((&it["counted"], &it["broken"]["rows"]), (&counted.into(), &1.into()), "{it:#}");
        let statements: Vec<&str> =
            it["find"].as_array().unwrap().iter().map(|sql| sql.as_str().unwrap()).collect();
        let validate = it["validate"].as_str().unwrap();
        // As long as they are there it cannot be validated; an index that cannot be built leaves another behind, which goes.
        builder.batch_execute(validate).await.unwrap_err();
        if counted == "keys" {
            let found = json(&plimsoll_of(&["integrity", "-d", &url, "--table", "items", "--json"]).await);
            let drop = promise(&found, "by_number_ccnew")["validate"].as_str().unwrap().to_owned();
            assert_eq!(drop, "DROP INDEX CONCURRENTLY public.by_number_ccnew");
            builder.batch_execute(&drop).await.unwrap();
        }
        for (rows, mends) in [(1, mends), (0, "SELECT 1")] {
            for setting in statements.iter().filter(|sql| sql.starts_with("SET ")) {
                builder.batch_execute(setting).await.unwrap();
            }
            let seen = builder.query(*statements.last().unwrap(), &[]).await.unwrap();
            assert_eq!(seen.len(), rows, "{statements:?}");
            builder.batch_execute(mends).await.unwrap();
        }
        builder.batch_execute(validate).await.unwrap();
    }
    let run = plimsoll_of(&["integrity", "-d", &url, "--count"]).await;
    assert_eq!(run.status, 0, "{run:?}");
}

#[tokio::test]
async fn a_key_that_seems_to_be_missing_is_a_hint_that_can_be_run() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute(SHOP).await.unwrap();
    let found = json(&plimsoll_of(&["integrity", "-d", &url, "--json"]).await);
    let hints = found["missing_keys"].as_array().unwrap();
    // The customer has its key, and there is no table of planets.
    assert_eq!(hints.len(), 1, "{hints:#?}");
    assert_eq!(
        (&hints[0]["column"], &hints[0]["refers_to"]),
        (&"region_id".into(), &"public.regions (id)".into())
    );
    assert_eq!(hints[0]["is_indexed"], false);
    // The row that it would refuse is shown, and then it is mended.
    let orphans = session(&url).await.query(hints[0]["find"].as_str().unwrap(), &[]).await.unwrap();
    assert_eq!(orphans.len(), 1);
    db.execute("INSERT INTO regions VALUES (7)").await.unwrap();
    for statement in hints[0]["add"].as_array().unwrap() {
        db.execute(statement.as_str().unwrap()).await.unwrap();
    }
    let found = json(&plimsoll_of(&["integrity", "-d", &url, "--json"]).await);
    assert_eq!(found["missing_keys"], Value::Array(Vec::new()));
    assert_eq!(promise(&found, "orders_region_id_fkey")["is_validated"], true);
}

#[tokio::test]
async fn what_could_not_be_counted_is_told_and_not_taken_for_kept() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    db.execute(SHOP).await.unwrap();
    let locker = session(&url).await;
    locker.batch_execute("BEGIN; LOCK customers IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let run = plimsoll_of(&["integrity", "-d", &url, "--count", "--json"]).await;
    assert_eq!(run.status, 3, "{run:?}");
    let found = json(&run);
    let locked = "another session holds a lock that it would have waited for";
    assert_eq!(promise(&found, "orders_customer_id_fkey")["not_counted"], locked);
    assert_eq!(promise(&found, "orders_pkey")["broken"]["rows"], 0, "the others are counted");
    locker.batch_execute("ROLLBACK").await.unwrap();

    db.execute("INSERT INTO customers SELECT g, 'x' FROM generate_series(2, 400000) AS g").await.unwrap();
    let run =
        plimsoll_of(&["integrity", "-d", &url, "--count", "--each", "1ms", "--table", "customers"]).await;
    assert_eq!((run.status, run.out.contains("it took more than 1 ms")), (3, true), "{run:?}");
    let run = plimsoll_of(&["integrity", "-d", &url, "--count", "--within", "0s"]).await;
    assert_eq!((run.status, run.out.contains("the time for all was over")), (3, true), "{run:?}");
    assert!(run.out.contains("0 promises were held against the rows"), "{}", run.out);

    let role = format!("{}_reader", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let reader = format!("postgres://{role}:pw@{}:{}/{}", db.server().host(), db.server().port(), db.name());
    let run = plimsoll_of(&["integrity", "-d", &reader, "--count"]).await;
    assert_eq!((run.status, run.out.contains("this role may not: permission denied")), (3, true), "{run:?}");
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
    let run = plimsoll_of(&["integrity", "-d", &url, "--table", "no_such"]).await;
    assert_eq!(
        (run.status, run.error.contains("there is no table no_such in this database")),
        (3, true),
        "{run:?}"
    );
}

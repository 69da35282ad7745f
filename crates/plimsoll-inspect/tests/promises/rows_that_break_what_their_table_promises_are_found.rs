//! Rows that break a foreign key, a unique key, NOT NULL or a check are found, although the server takes them for kept; and
//! nothing is found where all is well.

use crate::session::session;
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_inspect::integrity::{Broken, Kind, RULES, Rule, rules_of};
use std::time::Duration;
use tokio_postgres::Client;

const LIMIT: Duration = Duration::from_secs(20);

async fn with(schema: &str) -> (TestDatabase, Client) {
    let db = test_server::database().await.unwrap();
    let client = session(&db, None, "checker").await;
    client.batch_execute(schema).await.unwrap();
    (db, client)
}

async fn rules(client: &Client) -> Vec<Rule> {
    Rule::read(&client.simple_query(RULES).await.unwrap()).unwrap()
}

async fn broken(client: &Client, rule: &Rule) -> Broken {
    let answer = client.simple_query(&rule.question(LIMIT)).await;
    Broken::read(&answer.unwrap_or_else(|error| panic!("{rule}: {error:?}"))).unwrap()
}

/// Every promise that is broken: table, name and how often.
async fn found(client: &Client) -> Vec<(Kind, String, String, u64)> {
    let mut found = Vec::new();
    for rule in rules(client).await {
        let count = broken(client, &rule).await;
        if count.rows > 0 {
            found.push((rule.kind, rule.table.clone(), rule.name.clone(), count.rows));
        }
    }
    found
}

/// Writes what the server would refuse: as a replica does, which trusts its origin.
async fn smuggle(client: &Client, sql: &str) {
    let text = format!("SET session_replication_role = replica; {sql}; RESET session_replication_role");
    client.batch_execute(&text).await.unwrap();
}

const SHOP: &str = "CREATE TABLE customer (id int PRIMARY KEY, email text UNIQUE); \
    CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customer, parent int REFERENCES orders, \
        amount int NOT NULL CHECK (amount > 0)); \
    INSERT INTO customer VALUES (1, 'a'), (2, NULL), (3, NULL); \
    INSERT INTO orders VALUES (1, 1, NULL, 5), (2, NULL, 1, 6)";

#[tokio::test]
async fn nothing_is_found_where_all_is_well() {
    let (_db, client) = with(SHOP).await;
    assert_eq!(found(&client).await, []);
    let rules = rules(&client).await;
    let count = |kind| rules.iter().filter(|rule| rule.kind == kind).count();
    assert_eq!((count(Kind::ForeignKey), count(Kind::Unique), count(Kind::Check)), (2, 3, 1), "{rules:#?}");
    assert_eq!(count(Kind::Required), 3, "two primary keys and the amount");
    let key = rules.iter().find(|rule| rule.name == "orders_customer_fkey").unwrap();
    let said = key.to_string();
    assert!(said.starts_with("public.orders, foreign key orders_customer_fkey: FOREIGN KEY"), "{said}");
    assert!(rules.iter().all(|rule| rule.is_validated));
}

#[tokio::test]
async fn the_tables_that_are_meant_are_asked_about_and_no_others() {
    let (_db, client) = with(SHOP).await;
    client
        .batch_execute("CREATE TABLE \"a%b_c\\d\" (x int NOT NULL); CREATE TABLE abcd (x int NOT NULL)")
        .await
        .unwrap();
    for (schema, table, meant) in [
        (None, "orders", vec!["public.orders"]),
        (Some("public"), "orders", vec!["public.orders"]),
        (Some("other"), "orders", vec![]),
        (None, "a%b_c\\d", vec!["public.\"a%b_c\\d\""]),
        (None, "it's", vec![]),
    ] {
        let rules = Rule::read(&client.simple_query(&rules_of(schema, table)).await.unwrap()).unwrap();
        let mut tables: Vec<&str> = rules.iter().map(|rule| rule.table.as_str()).collect();
        tables.dedup();
        assert_eq!(tables, meant, "{table}");
    }
    // A key to a table that is not meant is asked about as any other.
    let rules = Rule::read(&client.simple_query(&rules_of(None, "orders")).await.unwrap()).unwrap();
    let key = rules.iter().find(|rule| rule.name == "orders_customer_fkey").unwrap();
    assert_eq!(broken(&client, key).await.rows, 0);
}

#[tokio::test]
async fn orphans_are_found() {
    let (_db, client) = with(SHOP).await;
    smuggle(&client, "INSERT INTO orders VALUES (3, 9, NULL, 1), (4, 8, 7, 1)").await;
    let key = |name: &str, rows| (Kind::ForeignKey, "public.orders".to_owned(), name.to_owned(), rows);
    assert_eq!(found(&client).await, [key("orders_customer_fkey", 2), key("orders_parent_fkey", 1)]);
}

#[tokio::test]
async fn keys_of_several_columns_follow_their_match() {
    let (_db, client) = with(
        "CREATE TABLE place (a int, b text, PRIMARY KEY (b, a)); INSERT INTO place VALUES (1, 'x'); \
         CREATE TABLE simple (p text, q int, CONSTRAINT s FOREIGN KEY (q, p) REFERENCES place (a, b)); \
         CREATE TABLE entire (p text, q int, CONSTRAINT f FOREIGN KEY (q, p) REFERENCES place (a, b) MATCH FULL)",
    )
    .await;
    let rows = "VALUES ('x', 1), (NULL, 1), ('x', NULL), (NULL, NULL), ('y', 1)";
    smuggle(&client, &format!("INSERT INTO simple {rows}; INSERT INTO entire {rows}")).await;
    let found = found(&client).await;
    let count = |name: &str| found.iter().find(|(_, _, found, _)| found == name).map(|(.., rows)| *rows);
    assert_eq!((count("s"), count("f")), (Some(1), Some(3)), "{found:?}");
}

#[tokio::test]
async fn values_that_are_there_twice_are_found_past_their_index() {
    let (_db, client) = with(
        "CREATE TABLE account (id int, name text, gone boolean DEFAULT false); \
         CREATE UNIQUE INDEX by_name ON account (lower(name)) WHERE NOT gone; \
         INSERT INTO account VALUES (1, 'ada'), (2, NULL), (3, NULL)",
    )
    .await;
    // The index does not get to know of the next rows, as one that is out of order does not.
    let index =
        |state| format!("UPDATE pg_index SET indisready = {state} WHERE indexrelid = 'by_name'::regclass");
    client.batch_execute(&index("false")).await.unwrap();
    let rows = "INSERT INTO account VALUES (4, 'Ada', false), (5, 'ADA', false), (6, 'eve', true), (7, 'eve', false)";
    client.batch_execute(rows).await.unwrap();
    client.batch_execute(&index("true")).await.unwrap();
    let unique = (Kind::Unique, "public.account".to_owned(), "by_name".to_owned(), 1);
    assert_eq!(found(&client).await, [unique], "one name, three times");
}

#[tokio::test]
async fn a_missing_value_is_found_where_the_planner_would_not_look() {
    let (_db, client) = with("CREATE TABLE reading (id int, taken date NOT NULL)").await;
    let declared = |state| {
        format!(
            "UPDATE pg_attribute SET attnotnull = {state} WHERE attrelid = 'reading'::regclass AND attname = 'taken'"
        )
    };
    client.batch_execute(&declared("false")).await.unwrap();
    client.batch_execute("INSERT INTO reading VALUES (1, NULL), (2, 'today'), (3, NULL)").await.unwrap();
    client.batch_execute(&declared("true")).await.unwrap();
    let required = (Kind::Required, "public.reading".to_owned(), "taken".to_owned(), 2);
    assert_eq!(found(&client).await, [required]);
}

#[tokio::test]
async fn a_promise_that_was_never_validated_says_so_and_is_looked_into() {
    let (_db, client) = with(
        "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (-1), (NULL); \
         ALTER TABLE t ADD CONSTRAINT positive CHECK (a > 0) NOT VALID",
    )
    .await;
    let rules = rules(&client).await;
    assert_eq!((rules.len(), rules[0].is_validated), (1, false));
    assert!(rules[0].to_string().ends_with("(not validated)"), "{}", rules[0]);
    assert_eq!(broken(&client, &rules[0]).await.rows, 1, "NULL keeps a check");
}

#[tokio::test]
async fn names_of_any_kind_and_partitions_are_understood() {
    let (_db, client) = with(
        "CREATE SCHEMA \"My \"\"S\"; CREATE TABLE \"My \"\"S\".\"a'b;--\" (\"ID %s\" int PRIMARY KEY); \
         CREATE TABLE log (day int NOT NULL, ref int, CONSTRAINT \"k'\" FOREIGN KEY (ref) \
             REFERENCES \"My \"\"S\".\"a'b;--\") PARTITION BY RANGE (day); \
         CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (1) TO (2); \
         CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (2) TO (3)",
    )
    .await;
    smuggle(&client, "INSERT INTO log VALUES (1, 7), (2, 8), (2, NULL)").await;
    let orphans = (Kind::ForeignKey, "public.log".to_owned(), "k'".to_owned(), 2);
    assert_eq!(found(&client).await, [orphans], "asked once, of the partitioned table");
}

#[tokio::test]
async fn many_are_counted_up_to_a_bound_and_the_limit_on_time_holds() {
    let (_db, client) =
        with("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (r int REFERENCES p)").await;
    smuggle(&client, "INSERT INTO c SELECT generate_series(1, 3000)").await;
    let rules = rules(&client).await;
    let key = rules.iter().find(|rule| rule.kind == Kind::ForeignKey).unwrap();
    let many = broken(&client, key).await;
    assert_eq!((many.rows, many.has_more, many.to_string().as_str()), (1_000, true, "more than 1000 broken"));

    smuggle(&client, "INSERT INTO c SELECT generate_series(1, 300000)").await;
    client.batch_execute("INSERT INTO p SELECT generate_series(1, 300000)").await.unwrap();
    let error = client.simple_query(&key.question(Duration::ZERO)).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014", "{error}");
    let left = client.query_one("SELECT current_setting('enable_indexscan')", &[]).await.unwrap();
    assert_eq!(left.get::<_, &str>(0), "on", "no setting and no transaction is left");
}

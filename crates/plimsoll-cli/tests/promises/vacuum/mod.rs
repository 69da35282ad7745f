//! `plimsoll vacuum` tells what autovacuum would do with each table, what holds it back, and what puts it right.

use crate::command::{is_the_screen, plimsoll_of};
use crate::server_sessions::session;
use plimsoll_embedded::{Cluster, test_server};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What it finds at this server.
async fn found(url: &str, more: &[&str]) -> Value {
    let run = plimsoll_of(&[&["vacuum", "-d", url, "--json"], more].concat()).await;
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
}

/// Asks until it is as wanted: the server's counters come a moment after what they count.
async fn until(url: &str, more: &[&str], what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let found = found(url, more).await;
        if is_wanted(&found) {
            return found;
        }
        assert!(Instant::now() < end, "{what}: {found:#}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn table<'a>(found: &'a Value, name: &str) -> Option<&'a Value> {
    found["tables"].as_array().unwrap().iter().find(|it| it["table"] == name && it["is_toast"] == false)
}

fn of<'a>(found: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    found[list].as_array().unwrap().iter().find(|it| it["table"] == name)
}

/// A table of a thousand rows that has been vacuumed and analyzed, on which no autovacuum comes before the limits are passed.
async fn orders(url: &str, then: &str) {
    let client = session(url, "orders").await;
    for step in [
        "CREATE TABLE orders (id int, v int)",
        "INSERT INTO orders SELECT i, 0 FROM generate_series(1, 1000) AS i",
        "SELECT pg_stat_force_next_flush()",
        "VACUUM (ANALYZE) orders",
        then,
        "SELECT pg_stat_force_next_flush()",
    ] {
        client.batch_execute(step).await.unwrap();
    }
}

/// A server of its own, on which autovacuum never comes by itself though it is on.
async fn quiet() -> Cluster {
    let cluster =
        Cluster::builder().setting("autovacuum_naptime", "24d").setting("max_prepared_transactions", "2");
    cluster.start().await.unwrap()
}

#[tokio::test]
async fn what_is_due_is_told_with_the_limits_and_what_came_last() {
    let cluster = quiet().await;
    let url = cluster.url("postgres");
    orders(&url, "UPDATE orders SET v = 1 WHERE id <= 150").await;
    let well = until(&url, &[], "150 changes", |it| {
        table(it, "public.orders").is_some_and(|it| it["dead"] == 150.0)
    })
    .await;
    let state = table(&well, "public.orders").unwrap();
    assert_eq!((&state["due_vacuum"], &state["due_analyze"]), (&false.into(), &false.into()), "{well:#}");
    assert_eq!((&state["dead_limit"], &state["inserted_limit"]), (&250.0.into(), &1200.0.into()));
    assert_eq!((&state["autovacuumed_seconds"], state["vacuumed_seconds"].is_u64()), (&Value::Null, true));
    assert_eq!(well["schema_version"], 1);
    assert_eq!(plimsoll_of(&["vacuum", "-d", &url]).await.status, 0, "nothing is due");

    cluster.execute("postgres", "UPDATE orders SET v = 2 WHERE id <= 150").await.unwrap();
    let due = until(&url, &[], "300 changes", |it| {
        table(it, "public.orders").is_some_and(|it| it["dead"] == 300.0)
    })
    .await;
    let state = table(&due, "public.orders").unwrap();
    assert_eq!((&state["due_vacuum"], &state["due_analyze"]), (&true.into(), &true.into()), "{due:#}");
    let renewal = of(&due, "analyze", "public.orders").unwrap();
    assert_eq!(renewal["run"], "ANALYZE public.orders");
    assert_eq!(plimsoll_of(&["vacuum", "-d", &url]).await.status, 1, "statistics want renewing");
    cluster.execute("postgres", renewal["run"].as_str().unwrap()).await.unwrap();
    let after = until(&url, &[], "an analyze", |it| {
        table(it, "public.orders").is_some_and(|it| it["modified"] == 0.0)
    })
    .await;
    assert_eq!(of(&after, "analyze", "public.orders"), None);
}

#[tokio::test]
async fn each_advice_makes_itself_go_away_and_its_undo_brings_it_back() {
    let cluster = quiet().await;
    let url = cluster.url("postgres");
    orders(&url, "UPDATE orders SET v = 1; UPDATE orders SET v = 2").await;
    let options =
        "SELECT coalesce(array_to_string(reloptions, ', '), '') FROM pg_class WHERE relname = 'orders'";
    for (before, asked, wanted) in [
        ("", vec!["--hot", "1000"], "autovacuum_vacuum_scale_factor = 0.02"),
        (
            "autovacuum_vacuum_scale_factor=0.3",
            vec!["--hot", "1000"],
            "autovacuum_vacuum_scale_factor = 0.02",
        ),
        ("", vec!["--dead", "150"], "autovacuum_vacuum_scale_factor = 0.02"),
        ("autovacuum_vacuum_threshold=900", vec!["--dead", "500"], "autovacuum_vacuum_threshold = 50"),
        ("autovacuum_enabled=off", vec![], "RESET (autovacuum_enabled)"),
        ("autovacuum_vacuum_insert_threshold=-1", vec![], "RESET (autovacuum_vacuum_insert_threshold)"),
    ] {
        let client = session(&url, "operator").await;
        if !before.is_empty() {
            client.batch_execute(&format!("ALTER TABLE orders SET ({before})")).await.unwrap();
        }
        let first = until(&url, &asked, "changes", |it| of(it, "advice", "public.orders").is_some()).await;
        let advice = of(&first, "advice", "public.orders").unwrap();
        let (run, undo) = (advice["run"].as_str().unwrap(), advice["undo"].as_str().unwrap());
        assert!(run.contains(wanted), "{run}");
        client.batch_execute(run).await.unwrap();
        let second = found(&url, &asked).await;
        assert_eq!(of(&second, "advice", "public.orders"), None, "{run}");
        client.batch_execute(undo).await.unwrap();
        let set: String = client.query_one(options, &[]).await.unwrap().get(0);
        assert_eq!(set, before, "{undo}");
        assert_eq!(of(&found(&url, &asked).await, "advice", "public.orders"), Some(advice), "{undo}");
        client.batch_execute("ALTER TABLE orders RESET (autovacuum_enabled, autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor, autovacuum_vacuum_insert_threshold)").await.unwrap();
    }
    let none = found(&url, &[]).await;
    assert_eq!(none["advice"], Value::Array(Vec::new()), "a small table is left alone");
}

#[tokio::test]
async fn what_holds_dead_rows_back_is_named_with_what_ends_it() {
    let cluster = quiet().await;
    let url = cluster.url("postgres");
    cluster.execute("postgres", "CREATE TABLE t (a int)").await.unwrap();
    let holder = session(&url, "report").await;
    holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t").await.unwrap();
    for _ in 0..3 {
        cluster.execute("postgres", "INSERT INTO t VALUES (1)").await.unwrap();
    }
    let args = ["vacuum", "-d", &url, "--held", "2"];
    let held = plimsoll_of(&args).await;
    assert_eq!(held.status, 1, "{held:?}");
    assert!(held.out.contains("! session ") && held.out.contains("report, user"), "{}", held.out);
    let json = found(&url, &["--held", "2"]).await;
    let sql = json["holders"][0]["remedy"]["run"][0].as_str().unwrap();
    cluster.execute("postgres", sql).await.unwrap();
    until(&url, &[], "no holder", |it| it["holders"] == Value::Array(Vec::new())).await;
}

#[tokio::test]
async fn a_vacuum_under_way_is_shown_with_how_far_it_has_come() {
    let cluster = quiet().await;
    let url = cluster.url("postgres");
    cluster
        .execute(
            "postgres",
            "CREATE TABLE big AS SELECT i, repeat('x', 400) AS v FROM generate_series(1, 20000) AS i",
        )
        .await
        .unwrap();
    assert_eq!(found(&url, &[]).await["under_way"], Value::Array(Vec::new()));
    let (vacuum, operator) = (session(&url, "slow").await, session(&url, "operator").await);
    vacuum.batch_execute("SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1").await.unwrap();
    let running = tokio::spawn(async move { vacuum.batch_execute("VACUUM big").await });
    let seen = until(&url, &[], "a vacuum", |it| it["under_way"][0]["total"].as_u64() > Some(0)).await;
    let work = &seen["under_way"][0];
    assert_eq!((&work["work"], &work["table"]), (&"vacuum".into(), &"public.big".into()), "{seen:#}");
    assert_eq!((&work["phase"], &work["is_automatic"]), (&"scanning heap".into(), &false.into()));
    let text = plimsoll_of(&["vacuum", "-d", &url]).await.out;
    assert!(text.contains("vacuum of public.big, pid") && text.contains("by hand"), "{text}");
    assert_eq!(table(&seen, "public.big").map(|it| &it["is_under_way"]), Some(&true.into()));
    operator.batch_execute("SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum").await.unwrap();
    assert!(running.await.unwrap().is_err());
}

#[tokio::test]
async fn a_role_without_rights_is_told_what_it_does_not_see() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_asker", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let url = format!("postgres://{role}:pw@{}:{}/{}", db.server().host(), db.server().port(), db.name());
    let blind = plimsoll_of(&["vacuum", "-d", &url]).await;
    assert_eq!(blind.status, 3, "{blind:?}");
    assert!(blind.out.contains("pg_monitor"), "{}", blind.out);
    db.execute(&format!("GRANT pg_monitor TO {role}")).await.unwrap();
    let seeing = plimsoll_of(&["vacuum", "-d", &url]).await;
    assert_eq!(seeing.status, 0, "{seeing:?}");
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_locked_table_holds_nothing_up() {
    let cluster = quiet().await;
    let url = cluster.url("postgres");
    orders(&url, "UPDATE orders SET v = 1").await;
    let locker = session(&url, "locker").await;
    locker
        .batch_execute(
            "CREATE TABLE fresh AS SELECT 1 AS a; BEGIN; LOCK TABLE orders, fresh IN ACCESS EXCLUSIVE MODE",
        )
        .await
        .unwrap();
    let began = Instant::now();
    let seen = found(&url, &["--table", "orders"]).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(
        (table(&seen, "public.orders").is_some(), &seen["unknown"]),
        (true, &Value::Array(Vec::new())),
        "{seen:#}"
    );
}

#[tokio::test]
async fn a_locked_catalog_takes_away_one_part_and_leaves_the_others() {
    let cluster = quiet().await;
    let url = cluster.url("postgres");
    let locker = session(&url, "locker").await;
    locker
        .batch_execute(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE pg_inherits IN ACCESS EXCLUSIVE MODE",
        )
        .await
        .unwrap();
    locker.batch_execute("CREATE TEMPORARY TABLE t (a int)").await.unwrap();
    let began = Instant::now();
    let seen = found(&url, &[]).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(
        seen["unknown"],
        serde_json::json!(["the tables: another session holds a lock that it needs"]),
        "{seen:#}"
    );
    assert_eq!(seen["holders"].as_array().unwrap().len(), 1, "{seen:#}");
    assert_eq!(plimsoll_of(&["vacuum", "-d", &url]).await.status, 3);
}

#[tokio::test]
async fn what_cannot_be_asked_is_one_clear_line() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    for (arguments, says) in [
        (["--table", "no_such"], "there is no table no_such in this database"),
        (["--table", "it's"], "write it as in SQL"),
        (["--table", "\"it's\""], "there is no table \"it's\""),
        (["--dead", "0"], "--dead and --hot are numbers of rows above 0"),
    ] {
        let run = plimsoll_of(&[&["vacuum", "-d", &url], &arguments[..]].concat()).await;
        assert_eq!((run.status, run.out.as_str()), (3, ""), "{run:?}");
        assert!(run.error.contains(says) && run.error.lines().count() == 1, "{says:?} in {}", run.error);
    }
}

/// The screen of a made server is what it was, but for its version and what is different each time. `PLIMSOLL_BLESS=1` writes it
/// anew.
#[tokio::test]
async fn the_screen_is_what_it_was() {
    let cluster = quiet().await;
    let url = cluster.url("postgres");
    orders(&url, "UPDATE orders SET v = 1; UPDATE orders SET v = 2").await;
    let client = session(&url, "setup").await;
    for step in [
        "CREATE TABLE \"Invoices of the year before last\" (a int) WITH (autovacuum_enabled = off)",
        "INSERT INTO \"Invoices of the year before last\" SELECT generate_series(1, 40)",
        "CREATE TABLE days (day date) PARTITION BY RANGE (day)",
        "CREATE TABLE day_1 PARTITION OF days FOR VALUES FROM ('2026-01-01') TO ('2026-01-02')",
        "INSERT INTO days SELECT '2026-01-01' FROM generate_series(1, 500)",
        "SELECT pg_stat_force_next_flush()",
        "VACUUM (ANALYZE) day_1",
        "BEGIN; INSERT INTO orders VALUES (0, 0); PREPARE TRANSACTION 'payment of 7'",
    ] {
        client.batch_execute(step).await.unwrap();
    }
    let ask = ["--hot", "1000", "--held", "0"];
    let is_there = |it: &Value| {
        table(it, "public.orders").is_some_and(|it| it["dead"] == 2000.0)
            && it["tables"].as_array().unwrap().len() == 2
    };
    let json = until(&url, &ask, "what was made", is_there).await;
    let text = plimsoll_of(&[&["vacuum", "-d", &url], &ask[..]].concat()).await.out;
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line:?}");
    }
    let prepared = client
        .query_one("SELECT date_trunc('second', prepared)::text FROM pg_prepared_xacts", &[])
        .await
        .unwrap();
    let user = client.query_one("SELECT current_user::text", &[]).await.unwrap();
    let (when, user): (String, String) = (prepared.get(0), user.get(0));
    let (day, hour) = when.split_once(' ').unwrap();
    assert!(text.contains(day) && text.contains(hour) && text.contains(&format!("owner {user}")), "{text}");
    let text = text.replace(day, "YYYY-MM-DD").replace(hour, "HH:MM:SS+00");
    let text = text.replace(json["version"].as_str().unwrap(), "<version>");
    let text = text.replace(&format!("{} transactions", json["holders"][0]["xids"]), "<xids> transactions");
    is_the_screen("vacuum.txt", &text);
}

//! `plimsoll statements` lists what the server is busy with, says what is missing where nothing is collected, and tells what was done
//! between two looks, also where the counters began anew in between: never a negative number, and never silence about what was lost.

use super::session;
use crate::command::plimsoll_of;
use plimsoll_embedded::Cluster;
use serde_json::Value;
use tokio_postgres::Client;

async fn collecting(room: &str) -> (Cluster, String, Client) {
    let cluster = Cluster::builder()
        .setting("shared_preload_libraries", "pg_stat_statements")
        .setting("pg_stat_statements.max", room)
        .start()
        .await
        .unwrap();
    let url = cluster.url("postgres");
    let client = session(&url).await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    (cluster, url, client)
}

fn json(text: &str) -> Value {
    let found: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(found["schema_version"], 1);
    found
}

fn of<'a>(statements: &'a Value, part: &str) -> Option<&'a Value> {
    let mut all = statements.as_array().unwrap().iter();
    all.find(|it| it["query"].as_str().is_some_and(|query| query.contains(part)))
}

async fn call(client: &Client, sql: &str, times: usize) {
    for _ in 0..times {
        client.simple_query(sql).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_time_by_mean_by_io_and_by_temporary_files() {
    let (_cluster, url, client) = collecting("5000").await;
    client
        .batch_execute(
            "CREATE TABLE wide AS SELECT g, repeat('x', 900) AS x FROM generate_series(1, 40000) AS g",
        )
        .await
        .unwrap();
    client.simple_query("SELECT pg_stat_statements_reset()").await.unwrap();
    call(&client, "SELECT pg_sleep(0.001) AS often WHERE true", 300).await;
    call(&client, "SELECT pg_sleep(0.1) AS seldom", 11).await;
    call(&client, "SELECT pg_sleep(0.15) AS once, 1", 1).await;
    // More than there is room for in the server's memory, and than a sort may have.
    let sorted = "SELECT count(*) FROM (SELECT x || g FROM wide ORDER BY 1) AS sorted";
    client.batch_execute("SET work_mem = '64kB'; SET max_parallel_workers_per_gather = 0").await.unwrap();
    call(&client, sorted, 1).await;
    for (by, first, temp) in [("total", "", false), ("mean", "seldom", false), ("temp", "sorted", true)] {
        let run = plimsoll_of(&["statements", "-d", &url, "--by", by, "--json"]).await;
        assert_eq!(run.status, 0, "{run:?}");
        let found = json(&run.out);
        let statements = &found["since_reset"]["statements"];
        let query = statements[0]["query"].as_str().unwrap();
        assert!(query.contains(first), "{by}: {query}");
        assert_eq!(
            statements[0]["temp_bytes"].as_u64().unwrap() > 1_000_000,
            temp || query.contains("sorted")
        );
    }
    let run = plimsoll_of(&["statements", "-d", &url, "--by", "io", "--limit", "1", "--json"]).await;
    let found = json(&run.out);
    let statements = found["since_reset"]["statements"].as_array().unwrap();
    assert_eq!(
        (statements.len(), statements[0]["read_bytes"].as_u64().unwrap() > 0),
        (1, true),
        "{}",
        run.out
    );

    let by_mean = plimsoll_of(&["statements", "-d", &url, "--by", "mean"]).await;
    assert!(
        by_mean.out.starts_with("The top statements by the mean time of a call, called more than 10 times,")
    );
    assert!(by_mean.out.contains("AS seldom\n") && !by_mean.out.contains("AS once"), "{}", by_mean.out);
    assert!(by_mean.out.contains("of plimsoll's own, which ask questions"), "{}", by_mean.out);
    let by_mean = plimsoll_of(&["statements", "-d", &url, "--by", "mean", "--more-than-calls", "0"]).await;
    assert!(!by_mean.out.contains("pg_catalog."), "{}", by_mean.out);
    assert!(by_mean.out.contains("AS once"), "{}", by_mean.out);
    assert!(by_mean.out.lines().all(|line| line.chars().count() <= 80), "{}", by_mean.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_since_a_look_is_told_across_a_reset() {
    let (cluster, url, client) = collecting("5000").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("looks.jsonl");
    let since = ["statements", "-d", url.as_str(), "--keep", file.to_str().unwrap(), "--last", "--json"];
    let first = plimsoll_of(&since).await;
    assert_eq!((first.status, json(&first.out)["first_look"].is_object()), (3, true), "{first:?}");

    call(&client, "SELECT 1 AS worked", 7).await;
    let second = plimsoll_of(&since).await;
    let found = json(&second.out);
    let look = &found["since_look"];
    assert_eq!((second.status, &of(&look["statements"], "worked").unwrap()["calls"]), (0, &7.into()));
    assert_eq!((&look["growth"]["resets"], &look["growth"]["begun_anew"]), (&0.into(), &0.into()), "{look}");

    call(&client, "SELECT 1 AS worked", 2).await;
    let third = plimsoll_of(&since).await;
    assert_eq!(of(&json(&third.out)["since_look"]["statements"], "worked").unwrap()["calls"], 2);

    // Fewer calls than before, since the counters began anew.
    client.simple_query("SELECT pg_stat_statements_reset()").await.unwrap();
    call(&client, "SELECT 1 AS worked", 3).await;
    let fourth = plimsoll_of(&since).await;
    let found = json(&fourth.out);
    let look = &found["since_look"];
    assert_eq!(of(&look["statements"], "worked").unwrap()["calls"], 3, "{look}");
    assert_eq!(look["growth"]["resets"], 1, "{look}");

    // One statement by itself.
    let reset = "SELECT pg_stat_statements_reset(userid, dbid, queryid) FROM pg_stat_statements WHERE query LIKE '%worked'";
    client.simple_query(reset).await.unwrap();
    call(&client, "SELECT 1 AS worked", 1).await;
    let fifth = plimsoll_of(&since).await;
    let found = json(&fifth.out);
    let look = &found["since_look"];
    assert_eq!(of(&look["statements"], "worked").unwrap()["calls"], 1, "{look}");
    assert_eq!((&look["growth"]["resets"], &look["growth"]["begun_anew"]), (&0.into(), &1.into()), "{look}");

    // A line that was not written to its end, and another database in the same file; then all looks from the first on.
    let mut text = std::fs::read_to_string(&file).unwrap();
    text.push_str("{\"schema_version\": 1, \"at\":");
    std::fs::write(&file, text).unwrap();
    cluster.create_database("other").await.unwrap();
    cluster.execute("other", "CREATE EXTENSION pg_stat_statements").await.unwrap();
    let other = cluster.url("other");
    let kept = plimsoll_of(&["statements", "-d", &other, "--keep", file.to_str().unwrap()]).await;
    assert_eq!(kept.status, 0, "{kept:?}");
    let all = ["statements", "-d", &url, "--keep", file.to_str().unwrap(), "--last", "1h"];
    let text = plimsoll_of(&all).await;
    assert_eq!(text.status, 0, "{text:?}");
    assert!(text.out.contains("(6 looks)") && text.out.contains("1 line of the file"), "{}", text.out);
    assert!(text.out.contains("At least so much was done: all counters began anew 1 time"), "{}", text.out);
    let found = json(&plimsoll_of(&[&all[..], &["--json"]].concat()).await.out);
    assert_eq!(of(&found["since_look"]["statements"], "worked").unwrap()["calls"], 7 + 2 + 3 + 1);
    assert_eq!(found["since_look"]["unreadable_lines"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_had_no_room_are_told() {
    let (_cluster, url, client) = collecting("100").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("looks.jsonl");
    let since = ["statements", "-d", url.as_str(), "--keep", file.to_str().unwrap(), "--last"];
    plimsoll_of(&since).await;
    for columns in 1..=300 {
        client.simple_query(&format!("SELECT {}", vec!["1"; columns].join(", "))).await.unwrap();
    }
    let run = plimsoll_of(&since).await;
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.out.contains("for want of room"), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_said_with_the_step_to_it() {
    let cluster = Cluster::builder().start().await.unwrap();
    let run = plimsoll_of(&["statements", "-d", &cluster.url("postgres")]).await;
    assert_eq!(run.status, 3, "{run:?}");
    assert!(run.out.contains("pg_stat_statements is not loaded: add it to"), "{}", run.out);
    let run = plimsoll_of(&["statements", "-d", &cluster.url("postgres"), "--json"]).await;
    assert_eq!((run.status, &json(&run.out)["gap"]["what"]), (3, &"not_loaded".into()), "{run:?}");

    let (cluster, url, client) = collecting("5000").await;
    client.batch_execute("CREATE ROLE small LOGIN PASSWORD 'pw'").await.unwrap();
    client.simple_query("SELECT 1 AS secret_of_the_owner").await.unwrap();
    let small = format!("postgres://small:pw@{}:{}/postgres", cluster.host(), cluster.port());
    let run = plimsoll_of(&["statements", "-d", &small]).await;
    assert_eq!((run.status, run.out.contains("GRANT pg_read_all_stats")), (3, true), "{run:?}");
    assert!(!run.out.contains("secret_of_the_owner"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("looks.jsonl");
    let since = ["statements", "-d", small.as_str(), "--keep", file.to_str().unwrap(), "--last"];
    plimsoll_of(&since).await;
    let run = plimsoll_of(&since).await;
    assert_eq!((run.status, run.out.contains("cannot be followed")), (3, true), "{run:?}");
    for (arguments, says) in [
        (vec!["statements", "-d", &url, "--last"], "--keep"),
        (vec!["statements", "-d", &url, "--keep", "/no/such/file"], "/no/such/file cannot be written"),
        (vec!["statements", "-d", &url, "--by", "luck"], "total, mean, io, temp"),
        (vec!["statements", "-d", &url, "--keep", "x", "--last", "5"], "write it with its unit"),
    ] {
        let run = plimsoll_of(&arguments).await;
        assert_eq!((run.status, run.error.contains(says)), (3, true), "{says:?} in {run:?}");
    } // Another program's file stays as it is.
    std::fs::write(&file, "root:x:0:0\n").unwrap();
    let run = plimsoll_of(&["statements", "-d", &url, "--keep", file.to_str().unwrap()]).await;
    assert_eq!((run.status, run.error.contains("another program's")), (3, true), "{run:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "root:x:0:0\n");
}

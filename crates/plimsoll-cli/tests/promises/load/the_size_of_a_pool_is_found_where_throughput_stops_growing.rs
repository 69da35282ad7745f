//! The knee finder measures sizes of a pool on a real server and recommends the smallest that carries about the most.

use super::service::{number, report};
use crate::command::plimsoll_of;
use plimsoll_embedded::{PgBouncer, PoolMode, test_server};
use serde_json::Value;

async fn size(arguments: &[&str]) -> (i32, Value, String) {
    let shape = ["--yes", "--json", "--for", "1s"];
    let arguments: Vec<&str> =
        ["load", "pool-size"].into_iter().chain(arguments.iter().copied()).chain(shape).collect();
    let run = plimsoll_of(&arguments).await;
    assert!(!run.out.is_empty(), "{run:?}");
    (run.status, report(&run.out), run.error)
}

/// The step of this size.
fn step(report: &Value, size: u64) -> &Value {
    report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["size"] == size)
        .unwrap_or_else(|| panic!("{size}: {report}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_with_four_connections_it_is_four() {
    let db = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(&db)
        .pool_mode(PoolMode::Transaction)
        .setting("default_pool_size", "4")
        .start()
        .await
        .unwrap();
    let url = bouncer.url(db.name());
    let (status, report, error) =
        size(&["-c", "SELECT pg_sleep(0.05)", "-d", &url, "--most", "12", "--rounds", "3", "--near", "10"])
            .await;
    assert_eq!(status, 0, "{error} {report}");
    let recommended = report["recommended"].as_u64().unwrap();
    // One of four may be taken by the tool's own session for a moment.
    assert!((3..=6).contains(&recommended), "{report}");
    let of = |size| number(&step(&report, size)["throughput"]["middle"]);
    assert!(of(4) > of(1) * 2.0 && of(12) < of(4) * 1.5, "{report}");
    assert_eq!(report["through"], "transaction");
    // Callers wait in the pool where it is small, and in the pooler where it is large.
    let wait = |size: u64| number(&step(&report, size)["waits_ms"]["mean"]);
    assert!(wait(1) > wait(12), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_want_one_lock_it_is_one() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE FUNCTION one_at_a_time() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock(4711); PERFORM pg_sleep(0.02); END $$",
    )
    .await
    .unwrap();
    let url = db.url();
    let (status, report, error) =
        size(&["-c", "SELECT one_at_a_time()", "-d", &url, "--most", "6", "--rounds", "2", "--near", "20"])
            .await;
    assert_eq!(status, 0, "{error} {report}");
    assert!(report["recommended"].as_u64().unwrap() <= 2, "{report}");
    // More connections wait for each other on the server.
    let work = |size| number(&step(&report, size)["works_ms"]["mean"]);
    assert!(work(6) > work(1) * 2.0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_the_role_ends_the_search_and_a_rate_is_tried_beside_littles_law() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_app", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2' CONNECTION LIMIT 6")).await.unwrap();
    let url = format!("postgres://{role}:hunter2@127.0.0.1:{}/{}", db.server().port(), db.name());
    let (status, report, error) = size(&[
        "-c",
        "SELECT pg_sleep(0.05)",
        "-d",
        &url,
        "--most",
        "64",
        "--rounds",
        "1",
        "--rate",
        "30",
        "--instances",
        "2",
    ])
    .await;
    let sizes: Vec<u64> =
        report["steps"].as_array().unwrap().iter().map(|step| step["size"].as_u64().unwrap()).collect();
    assert_eq!(sizes, [1, 2, 3, 4, 5], "one of six is the tool's own: {report}");
    // Each connection more helps, up to the last one that the role may have.
    assert!(report["recommended"].as_u64().unwrap() >= 4, "{report}");
    let little = &report["little"];
    let busy = number(&little["rate"]) * number(&little["service_ms"]) / 1_000.0;
    assert!(
        (number(&little["busy"]) - busy).abs() < 1e-6 && busy > 1.4 && number(&little["service_ms"]) >= 50.0,
        "{little}"
    );
    assert!(number(&report["tried"]["throughput"]["middle"]) > 15.0, "{report}");
    assert_eq!((&report["room"]["role_limit"], &report["instances"]), (&6.into(), &2.into()));
    // Two instances with half of it and a heartbeat each are more than six.
    assert_eq!(number(&report["left"]), 6.0 - 2.0 * (number(&report["of_each"]) + 1.0), "{report}");
    assert_eq!(status, i32::from(number(&report["left"]) < 0.0), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_built_in_transaction_writes_and_leaves_no_table_behind() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    for more in [["--scale", "1"].as_slice(), &["--scale", "1", "--read-only"]] {
        let (status, report, error) =
            size(&[&["-d", &url, "--most", "2", "--rounds", "1"], more].concat()).await;
        assert_eq!((status, error.as_str()), (0, ""), "{report}");
        assert!(report["work"].as_str().unwrap().starts_with("the built-in "), "{report}");
        assert!(number(&step(&report, 2)["answered"]) > 0.0, "{report}");
        assert_eq!(number(&step(&report, 1)["not_well"]), 0.0, "{report}");
    }
    let left = "SELECT count(*) AS n FROM pg_namespace WHERE nspname LIKE 'plimsoll_load%'";
    assert_eq!(db.execute(left).await.unwrap()[0]["n"], "0");
    // What a run that was killed has left is told with its remedy, and not touched: it may be that of a run which goes on.
    db.execute("CREATE SCHEMA plimsoll_load_0123abcd").await.unwrap();
    let (status, _, error) = size(&["-d", &url, "--most", "1", "--rounds", "1", "--scale", "1"]).await;
    assert!(status == 0 && error.contains("DROP SCHEMA plimsoll_load_0123abcd CASCADE"), "{error}");
    assert_eq!(db.execute(left).await.unwrap()[0]["n"], "1");
}

//! A run that is held against a baseline fails where p99 or the throughput is worse beyond the spread of both, and only there.

use super::service::{Service, number, report};
use crate::command::{Run, plimsoll_of};
use plimsoll_embedded::test_server;
use std::sync::atomic::Ordering;

/// Again where this machine was too busy to make the load, which the command says by itself.
async fn load(arguments: &[&str]) -> Run {
    let mut run = once(arguments).await;
    for _ in 0..9 {
        if !(run.out.contains("began its calls late") || run.error.contains("began its calls late")) {
            break;
        }
        run = once(arguments).await;
    }
    run
}

async fn once(arguments: &[&str]) -> Run {
    let shape = ["--for", "1s", "--rounds", "3", "--warm-up", "500ms", "--rate", "50"];
    let arguments: Vec<&str> = ["load"].into_iter().chain(arguments.iter().copied()).chain(shape).collect();
    plimsoll_of(&arguments).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_service_became_slower_and_not_where_it_is_as_it_was() {
    let service = Service::start().await;
    let (url, folder) = (service.at("/"), tempfile::tempdir().unwrap());
    let file = folder.path().join("baseline.json");
    let file = file.to_str().unwrap();
    // Slow enough that what else this machine does is small beside it.
    service.shared.slow.store(300, Ordering::Relaxed);
    let saved = load(&["http", &url, "--save", file, "--json"]).await;
    assert_eq!(saved.status, 0, "{saved:?}");
    let spread = &report(&saved.out)["spread"]["p99_ms"];
    assert!(
        number(&spread["least"]) <= number(&spread["middle"])
            && number(&spread["middle"]) <= number(&spread["most"])
    );

    let same = load(&["http", &url, "--against", file, "--tolerance", "100"]).await;
    assert_eq!((same.status, same.error.as_str()), (0, ""), "{same:?}");
    assert!(same.out.contains("p99: the same, within the spread"), "{}", same.out);

    service.shared.slow.store(900, Ordering::Relaxed);
    let slower = load(&["http", &url, "--against", file, "--tolerance", "100"]).await;
    assert_eq!(slower.status, 1, "{slower:?}");
    assert!(slower.error.contains("plimsoll: regression: p99 is worse: "), "{slower:?}");
    assert!(slower.error.contains(", it was ") && slower.out.contains("p99: worse: "), "{slower:?}");

    let other = load(&["http", &url, "--against", file, "--in-flight", "7"]).await;
    assert_eq!(other.status, 3, "{other:?}");
    assert!(other.error.contains("is of another load: calls in flight 1000 there, 7 here"), "{other:?}");
    let none = load(&["http", &url, "--against", "/nonexistent/file"]).await;
    assert_eq!((none.status, none.error.lines().count()), (3, 1), "{none:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_database_carries_less_than_it_did() {
    let db = test_server::database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baseline.json");
    let file = file.to_str().unwrap();
    db.execute("CREATE FUNCTION work() RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(0.02)'").await.unwrap();
    let url = db.url();
    let sql = [
        "sql",
        "-c",
        "SELECT work()",
        "-d",
        &url,
        "--connections",
        "2",
        "--yes",
        "--allow",
        "100",
        "--timeout",
        "1s",
    ];
    let saved = load(&[sql.as_slice(), &["--save", file, "--json"]].concat()).await;
    assert_eq!(saved.status, 0, "{saved:?}");
    let report = report(&saved.out);
    assert!(number(&report["works_ms"]["p50"]) >= 20.0 && report["load"]["connections"] == 2, "{report}");
    // Two connections carry five calls of 400 ms a second where fifty are wanted.
    db.execute("CREATE OR REPLACE FUNCTION work() RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(0.4)'")
        .await
        .unwrap();
    let worse = load(&[sql.as_slice(), &["--against", file]].concat()).await;
    assert_eq!(worse.status, 1, "{worse:?}");
    assert!(worse.error.contains("regression: throughput is worse: "), "{worse:?}");
    assert!(worse.error.contains("regression: p99 is worse: "), "{worse:?}");
}

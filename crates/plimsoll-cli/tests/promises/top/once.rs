//! One screen for scripts: as text, and as JSON.

use crate::command::{plimsoll, plimsoll_of as run, runs};
use crate::server_sessions::{begin, session};
use plimsoll::secret::Secret;
use plimsoll::{Database, Settings};
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_http::{EndpointOptions, Operators, endpoints};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpListener;

const TOKEN: &str = "a-token-of-an-operator-that-is-long-enough";

/// A service on Plimsoll with two connections, which answers operators.
async fn service(url: &str) -> (SocketAddr, Database) {
    let settings = Settings::from_url(url).unwrap().pool_min(0).pool_max(2).max_overflow(0);
    let db = Database::connect(settings).await.unwrap();
    let operators = Operators::default().token("anna", &Secret::from(TOKEN)).unwrap();
    let router = axum::Router::new().merge(endpoints(&db, &operators, EndpointOptions::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (at, db)
}

#[tokio::test]
async fn a_pile_and_a_service_are_in_it() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let holder = session(&url, "orders@web-3:4711 #3fa9c0d2 nightly report").await;
    holder.batch_execute("CREATE TABLE t (a integer); INSERT INTO t VALUES (1)").await.unwrap();
    holder.batch_execute("BEGIN; UPDATE t SET a = 2").await.unwrap();
    let waiter = begin(&url, "waiter", "UPDATE t SET a = 3").await;
    let (at, db) = service(&url).await;
    let lent = db.acquire().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let asked = format!("http://{at}");
    let all = ["top", "-d", &url, "--service", &asked, "--service-token-file", file.to_str().unwrap()];

    let json = run(&[&all[..], &["--json"]].concat()).await;
    assert_eq!(json.status, 0, "{json:?}");
    let seen: Value = serde_json::from_str(&json.out).unwrap();
    let of = |name: &str| {
        let all = seen["sessions"].as_array().unwrap();
        all.iter().find(|it| it["application_name"].as_str().unwrap().contains(name)).unwrap()
    };
    let root = of("nightly");
    assert_eq!((&root["instance"], &root["work"]), (&"orders@web-3:4711".into(), &"nightly report".into()));
    assert_eq!((&root["request"], &of("waiter")["work"]), (&"3fa9c0d2".into(), &Value::Null));
    let blocking = seen["blocking"].as_array().unwrap();
    assert_eq!((&blocking[0]["pid"], &blocking[0]["waiters"]), (&root["pid"], &1.into()));
    assert_eq!((&blocking[1]["pid"], &blocking[1]["depth"]), (&of("waiter")["pid"], &1.into()));
    assert!(seen["waits"].as_array().unwrap().iter().any(|it| it["event"] == "Lock/transactionid"), "{seen}");
    assert!(seen["transactions_per_second"].as_f64().is_some(), "{seen}");
    assert!(seen["server"]["connections_used"].as_u64().unwrap() >= 4, "{seen}");
    assert!(seen["oldest_transaction_seconds"].as_f64().unwrap() > 0.0, "{seen}");
    let pool = &seen["services"][0]["answer"]["pool_metrics"];
    assert_eq!((&pool["active_connections"], &pool["maximum"]), (&1.into(), &2.into()), "{seen}");
    assert_eq!(seen["services"][0]["answer"]["breaker"]["state"], "closed");

    // In a pipe it is as wide as the smallest of terminals, unless COLUMNS says more.
    let once = [&all[..], &["--once"]].concat();
    let narrow = run(&once).await;
    assert_eq!(narrow.status, 0, "{narrow:?}");
    assert!(narrow.out.lines().all(|line| line.chars().count() <= 80), "{}", narrow.out);
    assert!(
        narrow.out.contains("orders nightly report holds up 1: idle in its transaction"),
        "{}",
        narrow.out
    );
    let mut command = plimsoll(&once);
    command.env("COLUMNS", "200");
    let text = runs(command).await;
    assert_eq!(text.status, 0, "{text:?}");
    assert!(text.out.lines().any(|line| line.chars().count() > 120), "{}", text.out);
    for part in [
        "1 session waits for another:",
        "orders@web-3:4711 nightly report holds up 1: idle in its transaction",
        "pool 1 of 2 lent, 0 wait; breaker closed",
        "Lock/transactionid of ",
    ] {
        assert!(text.out.contains(part), "{part:?} in {}", text.out);
    }
    assert!(!text.out.contains('\u{1b}'), "no colours in a pipe");
    drop((lent, holder));
    waiter.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_cannot_be_known_is_said() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let (at, _db) = service(&url).await;
    let asked = format!("http://{at}");
    // A service that asks for a token, one that is not there, and one that is none.
    for (service, part) in [
        (asked.as_str(), "--service-token-file"),
        ("http://127.0.0.1:1", "no connection"),
        (&format!("{asked}/livez"), "not that of a service on Plimsoll"),
    ] {
        let told = run(&["top", "-d", &url, "--once", "--service", service]).await;
        assert_eq!(told.status, 3, "{told:?}");
        let words = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("NO ANSWER") && words.contains(part), "{part:?} in {}", told.out);
        assert!(told.out.lines().all(|line| line.chars().count() <= 80), "no line is too long: {}", told.out);
    }
    // A role that sees only its own sessions.
    cluster.execute("postgres", "CREATE ROLE small LOGIN PASSWORD 'pw'").await.unwrap();
    let _other = session(&url, "other").await;
    let small = format!("postgres://small:pw@{}:{}/postgres", cluster.host(), cluster.port());
    let told = run(&["top", "-d", &small, "--once"]).await;
    assert_eq!(told.status, 3, "{told:?}");
    assert!(told.out.contains("GRANT pg_read_all_stats") && told.out.contains("hidden"), "{}", told.out);
}

#[tokio::test]
async fn bad_input_is_one_line() {
    let db = test_server::database().await.unwrap();
    let url = db.url();
    for (arguments, part) in [
        (vec!["-d", "postgres://u:pw@127.0.0.1:1/x"], "PL-CON-01"),
        (vec!["-d", &url, "--service", "https://web-1"], "--service takes http://"),
        (vec!["-d", &url, "--service", "http://u:secret@web-1"], "takes no user and password"),
        (vec!["-d", &url, "--audit", "/no/such/folder/file"], "cannot be written"),
        (vec!["-d", &url, "--service-token-file", "/no/such/file"], "cannot be read"),
        (vec!["-d", &url], "the terminal cannot be drawn on"),
    ] {
        let told = run(&[&["top"], &arguments[..]].concat()).await;
        assert_eq!(told.status, 3, "{told:?}");
        assert!(told.error.contains(part) && !told.error.contains("secret@"), "{part:?} in {}", told.error);
    }
    let told = run(&["top", "-d", &url, "--every", "1ms"]).await;
    assert_eq!((told.status, told.error.contains("from 100ms to 1h")), (3, true), "{told:?}");
}

//! What readers see is made once for all of them, stays small whatever the database knows, and asks the server nothing.

use super::{Lines, Scene};
use crate::service::first;
use plimsoll_http::DashboardOptions;

#[tokio::test]
async fn all_readers_get_the_same_view() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let mut readers = Vec::new();
    for _ in 0..8 {
        readers.push(Lines::of(scene.at, "/plimsoll/stream").await);
    }
    let views = futures_util::future::join_all(readers.iter_mut().map(async |lines| {
        lines.until("the lists come", |view| !view["point"].is_null() && !view["lists"].is_null()).await
    }))
    .await;
    // A reader may have come between two of them.
    let latest = views.iter().map(|view| view["point"]["at"].as_u64().unwrap()).max().unwrap();
    let same: Vec<_> = views.iter().filter(|view| view["point"]["at"] == latest).collect();
    assert!(same.len() > 1 && same.windows(2).all(|two| two[0] == two[1]), "{views:?}");
    scene.end().await;
}

#[tokio::test]
async fn a_view_is_small_however_many_statements_are_known() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let monitor = scene.db.monitor();
    for number in 0..10_000_u64 {
        let columns = format!("column_{number}, ").repeat(40);
        let took = std::time::Duration::from_micros(100 + number * 300 % 7_919);
        monitor.record_query_execution(&format!("SELECT {columns} n FROM device"), took, number % 7 == 0);
    }
    let mut lines = Lines::of(scene.at, "/plimsoll/stream").await;
    let greeting = lines.next().await.unwrap().to_string().len();
    let whole = lines.until("the lists come", |view| !view["lists"].is_null()).await;
    let kinds = whole["lists"]["statements"].as_array().unwrap().len();
    assert!((50..=150).contains(&kinds), "{kinds}");
    let whole = whole.to_string().len();
    let usual = lines.until("a usual one comes", |view| view["lists"].is_null()).await.to_string().len();
    println!("a greeting has {greeting} bytes, a view with lists {whole}, another {usual}");
    assert!(greeting < 200_000 && whole < 120_000 && usual < 8_000, "{greeting} {whole} {usual}");
    scene.end().await;
}

#[tokio::test]
async fn to_look_asks_the_server_nothing_and_lends_no_connection() {
    let scene = Scene::start(DashboardOptions::default()).await;
    let before = scene.db.pool_status();
    let mut lines = Lines::of(scene.at, "/plimsoll/stream").await;
    for _ in 0..4 {
        lines.next().await.unwrap();
    }
    let after = scene.db.pool_status();
    assert_eq!((after.acquired, after.opened), (before.acquired, before.opened));
    let sessions = first(
        &scene.fresh,
        "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .await;
    assert_eq!(sessions, "2", "the connection that was used, and the heartbeat");
    scene.end().await;
}

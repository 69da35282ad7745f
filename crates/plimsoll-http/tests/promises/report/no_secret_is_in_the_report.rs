//! No SQL, no parameter, no path, no query string, no header and no password is in the report: names that the program gave,
//! templates of routes, ids, fingerprints. Texts of statements are there if they are asked for, without their constants.

use super::child::Start;
use plimsoll_embedded::test_server;

async fn report(report: &str) -> (String, String) {
    let database = test_server::database().await.unwrap();
    let service = Start { report, ..Start::default() }.on(&database.url()).await;
    let _held = service.ask("/hold?token=planted-in-a-query", "holds-1").await;
    service.report_with(&["idle in transaction"]).await;
    // What a statement is, is known once one like it has ended.
    let runs = service.ask("/sleep/planted-in-a-path?token=planted-in-a-query", "runs-1").await;
    service.report_with(&["\"sleeps long\""]).await;
    drop(runs);
    service.report_with(&["1 of 2 lent", "1 idle"]).await;
    let _runs = service.ask("/sleep/planted-in-a-path?token=planted-in-a-query", "runs-2").await;
    let _waits = service.ask("/sleep/planted-in-a-path", "waits-1").await;
    (service.report_with(&["2 of 2 lent", "waiting: 1"]).await, service.text())
}

#[tokio::test]
async fn names_and_fingerprints_are_there() {
    let (report, all) = report("on").await;
    assert!(report.contains(", last statement ") && report.contains("runs-2"), "{report}");
    for secret in
        ["planted", "pg_sleep", "SELECT", "select", "Bearer", "password", "PASSWORD", "neverprinted"]
    {
        assert!(!report.contains(secret), "{secret}: {report}");
    }
    assert!(!all.contains("planted"), "{all}");
}

#[tokio::test]
async fn texts_are_there_if_they_are_asked_for_without_their_constants() {
    let (report, all) = report("texts").await;
    assert!(report.contains("pg_sleep") && !all.contains("planted"), "{all}");
}

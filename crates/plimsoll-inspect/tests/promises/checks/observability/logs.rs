//! O02 and O03: what the log would not tell is found, and the remedy has it logged.

use crate::checks::scene::Scene;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn waits_for_locks_that_are_not_logged() {
    let cluster = Cluster::builder().setting("log_lock_waits", "off").start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE app").await.unwrap();
    let scene = Scene::at(&cluster.url("postgres"), "app").await;
    let finding = scene.finds("O02", "setting log_lock_waits", State::Warn).await;
    scene.is_remedied("O02", &finding).await;
    cluster.execute("postgres", "ALTER ROLE app SET log_lock_waits = on").await.unwrap();
    scene.finds_nothing("O02").await;

    // What gives up before it is logged.
    cluster.execute("postgres", "ALTER ROLE app SET lock_timeout = '800ms'").await.unwrap();
    let finding = scene.finds("O02", "setting deadlock_timeout", State::Warn).await;
    assert!(finding.value.contains("after 1000 ms (deadlock_timeout), and role app gives up after 800 ms"));
    scene.is_remedied("O02", &finding).await;
    cluster.execute("postgres", "ALTER ROLE app SET lock_timeout = '5s'").await.unwrap();
    scene.finds_nothing("O02").await;
}

#[tokio::test]
async fn slow_statements_and_long_vacuums_that_are_not_logged() {
    let cluster = Cluster::builder().setting("log_autovacuum_min_duration", "-1").start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE app").await.unwrap();
    let mut scene = Scene::at(&cluster.url("postgres"), "app").await;
    for name in ["log_min_duration_statement", "log_autovacuum_min_duration"] {
        let finding = scene.finds("O03", &format!("setting {name}"), State::Info).await;
        assert!(finding.value.starts_with(&format!("{name} is -1: no ")), "{}", finding.value);
        scene.is_remedied("O03", &finding).await;
    }
    cluster.execute("postgres", "ALTER ROLE app SET log_min_duration_statement = '2s'").await.unwrap();
    scene.is_silent("O03", "setting log_min_duration_statement").await;
    scene.thresholds = vec![("slow_statement_log_info", 1.0)];
    let finding = scene.finds("O03", "setting log_min_duration_statement", State::Info).await;
    assert_eq!(finding.source, "role");
    scene.is_remedied("O03", &finding).await;
}

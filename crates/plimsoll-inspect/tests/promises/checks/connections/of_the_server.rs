//! C01 and C03: connections that run out, and sessions that come and go, are found.

use crate::checks::scene::Scene;
use crate::session::session_at;
use plimsoll_embedded::{Cluster, test_server};
use plimsoll_inspect::checks::State;
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn connections_that_run_out_are_found_with_who_has_them() {
    // Of 20, 3 are reserved; the one that asks is not counted, and one more is the test's own.
    let server = Cluster::builder().setting("max_connections", "20").start().await.unwrap();
    let mut scene = Scene::at(&server.url("postgres"), "postgres").await;
    scene.finds_nothing("C01").await;
    let mut sessions = Vec::new();
    for (count, state) in [(13, State::Ok), (14, State::Warn), (16, State::Crit)] {
        while sessions.len() + 1 < count {
            sessions.push(session_at(&server.url("postgres"), None, "shop").await);
        }
        let finding = scene.finds("C01", "server", state).await;
        let shop = count - 1;
        assert!(finding.value.starts_with(&format!("{count} of 17 connections are used")), "{finding:#?}");
        assert!(
            finding.value.ends_with(&format!("besides the one that asks; most by shop {shop}, owner 1")),
            "{finding:#?}"
        );
    }

    // All of these clients are young, and so is the server.
    let finding = scene.finds("C03", "server", State::Skipped).await;
    assert!(finding.value.contains("so all sessions are young"), "{finding:#?}");
    scene.thresholds.push(("churn_uptime_least", 0.0));
    scene.finds("C03", "server", State::Warn).await;
    scene.thresholds.push(("churn_age_warn", 0.0));
    scene.finds("C03", "server", State::Ok).await;
}

#[tokio::test]
async fn a_role_that_does_not_see_the_clients_says_nothing() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_app", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let mut scene = Scene::at(&db.url(), &role).await;
    scene.asker = session_at(&db.url(), Some(&role), "asker").await;
    for id in ["C01", "C03"] {
        let finding = scene.finds(id, "server", State::Skipped).await;
        assert!(finding.value.contains("sees too little: GRANT pg_monitor TO"), "{finding:#?}");
    }
    scene.owner.batch_execute(&format!("GRANT pg_monitor TO {role}")).await.unwrap();
    scene.finds_nothing("C01").await;
    drop(scene.asker);
    scene.owner.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn sessions_that_come_and_go_are_found() {
    let db = test_server::database().await.unwrap();
    let mut scene = Scene::at(&db.url(), "postgres").await;
    let about = format!("database {}", db.name());
    let finding = scene.finds("C03", &about, State::Skipped).await;
    assert!(finding.value.contains("at least 100 are wanted"), "{finding:#?}");

    // The server counts a session when it ends, or some time after.
    scene.owner.batch_execute("SELECT pg_stat_reset()").await.unwrap();
    scene.thresholds.push(("churn_sessions_least", 30.0));
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let session = session_at(&db.url(), None, "short").await;
        session.simple_query("SELECT 1").await.unwrap();
        drop(session);
        let found = scene.found("C03").await;
        if let Some(finding) =
            found.findings.iter().find(|finding| finding.subject == about && finding.state == State::Warn)
        {
            assert!(finding.value.contains("sessions in"), "{finding:#?}");
            break;
        }
        assert!(Instant::now() < end, "{found:#?}");
        sleep(Duration::from_millis(5)).await;
    }
    scene.thresholds.push(("churn_rate_warn", 100_000.0));
    scene.finds("C03", &about, State::Ok).await;
}

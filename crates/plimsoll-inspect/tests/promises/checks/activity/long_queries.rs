//! A01: a statement that runs for long is found and can be cancelled; the role's own limit counts; maintenance is not accused.

use super::runs;
use crate::checks::scene::Scene;
use crate::session::{pid, session};
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn it_fires_and_is_put_right() {
    let db = test_server::database().await.unwrap();
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    let slow = session(&db, None, "nightly report").await;
    let subject = format!("session {}", pid(&slow).await);
    let slow = runs(slow, "SELECT pg_sleep(100)");
    scene.is_silent("A01", &subject).await;
    scene.thresholds = vec![("long_query_warn", 0.05)];
    let finding = scene.comes_to_find("A01", &subject, State::Warn).await;
    assert!(finding.value.contains("(nightly report, user "), "{}", finding.value);
    assert!(finding.value.ends_with("has run a statement for 0 s"), "{}", finding.value);
    scene.thresholds.push(("long_query_crit", 0.06));
    let finding = scene.comes_to_find("A01", &subject, State::Crit).await;
    scene.is_remedied("A01", &finding).await;
    let (slow, ended) = slow.await.unwrap();
    assert_eq!(ended.unwrap_err().code().unwrap().code(), "57014");

    // The remedy was for that statement, and does nothing to the next one of this session.
    let slow = runs(slow, "SELECT pg_sleep(100)");
    let other = scene.comes_to_find("A01", &subject, State::Crit).await;
    assert_ne!(other.remedy, finding.remedy);
    scene.is_remedied("A01", &other).await;
    assert!(slow.await.unwrap().1.is_err());
}

#[tokio::test]
async fn what_the_role_allows_itself_is_not_long() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_app", db.name());
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'pw'; ALTER ROLE {role} SET statement_timeout = '1h'"
    ))
    .await
    .unwrap();
    let mut scene = Scene::at(&db.url(), &role).await;
    scene.thresholds = vec![("long_query_warn", 0.0), ("long_query_crit", 0.0)];
    let slow = session(&db, Some(&role), "app").await;
    let subject = format!("session {}", pid(&slow).await);
    let slow = runs(slow, "SELECT pg_sleep(100)");
    // The same session is long when another role is asked about.
    let mut of_other = Scene::at(&db.url(), db.server().superuser()).await;
    of_other.thresholds = scene.thresholds.clone();
    let finding = of_other.comes_to_find("A01", &subject, State::Crit).await;
    scene.is_silent("A01", &subject).await;
    db.execute(&format!("ALTER ROLE {role} SET statement_timeout = '1ms'")).await.unwrap();
    let over_budget = scene.comes_to_find("A01", &subject, State::Crit).await;
    assert!(over_budget.threshold.contains("0.001 s, which is the role's statement_timeout"));
    scene.is_remedied("A01", &finding).await;
    drop(slow.await.unwrap());
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn maintenance_is_told_but_not_accused() {
    let db = test_server::database().await.unwrap();
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    scene.thresholds = vec![("long_query_warn", 0.0), ("long_query_crit", 0.0)];
    db.execute("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 20000)").await.unwrap();
    let vacuum = session(&db, None, "vacuum").await;
    let subject = format!("session {}", pid(&vacuum).await);
    // Slow enough to be seen: a page, then a pause of 100 ms.
    vacuum.batch_execute("SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1").await.unwrap();
    let vacuum = runs(vacuum, "VACUUM t");
    let finding = scene.comes_to_find("A01", &subject, State::Info).await;
    assert!(finding.value.contains("has run VACUUM for"), "{}", finding.value);
    assert_eq!(finding.remedy, None);
    scene.owner.batch_execute(&format!("SELECT pg_cancel_backend({})", &subject[8..])).await.unwrap();
    vacuum.await.unwrap().1.unwrap_err();
}

#[tokio::test]
async fn who_sees_no_sessions_of_others_says_nothing_of_them() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_blind", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let mut scene = Scene::at(&db.url(), &role).await;
    scene.asker = session(&db, Some(&role), "blind").await;
    for id in ["A01", "A02", "A03", "A04", "A06", "A08"] {
        let finding = scene.finds(id, "server", State::Skipped).await;
        assert_eq!(finding.value, format!("role {role} sees too little: GRANT pg_monitor TO {role}"), "{id}");
    }
    drop(scene);
    db.execute(&format!("DROP ROLE {role}")).await.unwrap();
}

//! A05: deadlocks are counted over the time that the counter stands for, and a young counter proves nothing.

use super::runs;
use crate::checks::scene::Scene;
use crate::session::session;
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn a_deadlock_is_found_and_a_young_counter_is_not_believed() {
    let db = test_server::database().await.unwrap();
    db.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)").await.unwrap();
    db.execute("SELECT pg_stat_reset()").await.unwrap();
    let subject = format!("database {}", db.name());
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    let young = scene.comes_to_find("A05", &subject, State::Skipped).await;
    assert!(young.value.starts_with("no deadlock so far, but they are counted for "), "{}", young.value);
    scene.thresholds = vec![("deadlocks_counted_for", 0.0)];
    scene.finds_nothing("A05").await;

    let [one, other] = [session(&db, None, "one").await, session(&db, None, "other").await];
    one.batch_execute("BEGIN; SET deadlock_timeout = '10ms'; UPDATE t SET id = id WHERE id = 1")
        .await
        .unwrap();
    other
        .batch_execute("BEGIN; SET deadlock_timeout = '10ms'; UPDATE t SET id = id WHERE id = 2")
        .await
        .unwrap();
    let tasks = [
        runs(one, "UPDATE t SET id = id WHERE id = 2; COMMIT"),
        runs(other, "UPDATE t SET id = id WHERE id = 1; COMMIT"),
    ];
    let mut lost = 0;
    for task in tasks {
        lost +=
            usize::from(task.await.unwrap().1.is_err_and(|error| error.code().unwrap().code() == "40P01"));
    }
    assert_eq!(lost, 1);
    let finding = scene.comes_to_find("A05", &subject, State::Warn).await;
    assert!(finding.value.starts_with("deadlocks since 20"), "{}", finding.value);
    scene.thresholds.push(("deadlocks_warn", 1e9));
    scene.finds("A05", &subject, State::Info).await;
}

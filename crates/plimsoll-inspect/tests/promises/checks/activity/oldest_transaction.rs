//! A03: an old transaction is found, also one that is busy all the time with short statements.

use super::runs;
use crate::checks::scene::Scene;
use crate::session::{pid, session};
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test]
async fn it_fires_and_is_put_right() {
    let db = test_server::database().await.unwrap();
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;
    let old = session(&db, None, "import").await;
    let subject = format!("session {}", pid(&old).await);
    old.batch_execute("BEGIN; SELECT 1").await.unwrap();
    scene.is_silent("A03", &subject).await;
    scene.thresholds = vec![("transaction_age_warn", 0.05)];
    let finding = scene.comes_to_find("A03", &subject, State::Warn).await;
    assert!(finding.value.contains("(import, user "), "{}", finding.value);
    scene.thresholds.push(("transaction_age_crit", 0.06));
    let idle = scene.comes_to_find("A03", &subject, State::Crit).await;
    let Some(Remedy::Sql { run, undo, .. }) = &idle.remedy else { panic!("{idle:?}") };
    assert!(run[0].contains("pg_terminate_backend") && undo.is_empty(), "only that ends it: {run:?}");
    let old = runs(old, "SELECT pg_sleep(100)");
    let finding = loop {
        let finding = scene.comes_to_find("A03", &subject, State::Crit).await;
        if finding.value.contains("the session is active") {
            break finding;
        }
    };
    let Some(Remedy::Sql { run, .. }) = &finding.remedy else { panic!("{finding:?}") };
    assert!(run[0].contains("pg_cancel_backend"), "a cancel does it: {run:?}");
    scene.is_remedied("A03", &finding).await;
    let (old, ended) = old.await.unwrap();
    ended.unwrap_err();
    // The transaction has failed: it keeps nothing from vacuum any more.
    scene.is_silent("A03", &subject).await;
    drop(old);
}

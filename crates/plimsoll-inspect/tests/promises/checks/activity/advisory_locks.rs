//! A08: an advisory lock that a pooler's connection keeps is found; one of a connection of its own is right.

use crate::checks::scene::Scene;
use crate::session::{pid, session, session_at};
use plimsoll_embedded::{PgBouncer, PoolMode, test_server};
use plimsoll_inspect::checks::{Remedy, State};

const KEEPS: &str = "SELECT pg_advisory_lock(77)";

#[tokio::test]
async fn behind_a_transaction_pooler_it_fires_and_on_a_connection_of_its_own_it_does_not() {
    let db = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(db.server()).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let console = session_at(&bouncer.url("pgbouncer"), None, "console").await;
    let mut scene = Scene::at(&db.url(), db.server().superuser()).await;

    let own = session(&db, None, "leader").await;
    own.simple_query(KEEPS).await.unwrap();
    let own_subject = format!("session {}", pid(&own).await);
    let finding = scene.comes_to_find("A08", &own_subject, State::Skipped).await;
    assert!(finding.value.contains("name the pooler's console to tell"), "{}", finding.value);
    let checked = scene.examined("A08", Some(&console)).await;
    assert!(checked.findings.iter().all(|one| one.subject != own_subject), "{checked:#?}");

    let pooled = session_at(&bouncer.url(db.name()), None, "worker").await;
    own.simple_query("SELECT pg_advisory_unlock_all()").await.unwrap();
    pooled.simple_query("SELECT pg_advisory_lock(-77), pg_advisory_lock(1, 2)").await.unwrap();
    drop(pooled);
    let holder = scene.owner.query_one("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1", &[]).await.unwrap().get::<_, i32>(0);
    let subject = format!("session {holder}");
    scene.comes_to_find("A08", &subject, State::Skipped).await;
    let checked = scene.examined("A08", Some(&console)).await;
    let finding = checked.findings.iter().find(|one| one.subject == subject).expect("it is found");
    assert_eq!(finding.state, State::Warn);
    assert!(finding.value.contains("holds 2 advisory locks"), "{}", finding.value);
    let Some(Remedy::Sql { run, .. }) = &finding.remedy else { panic!("{finding:?}") };
    scene.owner.batch_execute(&run[0]).await.unwrap();
    scene.thresholds.clear();
    while scene.examined("A08", Some(&console)).await.findings.iter().any(|one| one.subject == subject) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn behind_a_session_pooler_it_is_right() {
    let db = test_server::database().await.unwrap();
    let bouncer = PgBouncer::in_front_of(db.server()).pool_mode(PoolMode::Session).start().await.unwrap();
    let console = session_at(&bouncer.url("pgbouncer"), None, "console").await;
    let scene = Scene::at(&db.url(), db.server().superuser()).await;
    let pooled = session_at(&bouncer.url(db.name()), None, "worker").await;
    let row = pooled.simple_query("SELECT pg_backend_pid() FROM pg_advisory_lock(78)").await.unwrap();
    let subject = match &row[..] {
        [_, tokio_postgres::SimpleQueryMessage::Row(row), ..]
        | [tokio_postgres::SimpleQueryMessage::Row(row), ..] => {
            format!("session {}", row.get(0).unwrap())
        }
        other => panic!("{other:?}"),
    };
    scene.comes_to_find("A08", &subject, State::Skipped).await;
    let checked = scene.examined("A08", Some(&console)).await;
    assert!(checked.findings.iter().all(|one| one.subject != subject), "{checked:#?}");
}

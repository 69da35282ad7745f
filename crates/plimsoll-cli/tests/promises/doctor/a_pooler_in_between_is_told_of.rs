//! Through a PgBouncer the report says so, with its version where its console lets the role in, and tells why not otherwise.

use crate::command::{Run, plimsoll, runs};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode, on_each_pgbouncer, test_server};
use serde_json::Value;

fn report(ran: &Run) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

async fn its_version_is_in_the_report(version: PgBouncerVersion) {
    let db = test_server::database().await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&db).version(version).pool_mode(PoolMode::Transaction).start().await.unwrap();
    let through = runs(plimsoll(&["doctor", &bouncer.url(db.name()), "--json", "--only", "G*"])).await;
    let told = report(&through)["through"].as_str().unwrap_or_default().to_owned();
    assert!(told.starts_with("PgBouncer 1."), "{through:?}");
    let direct = runs(plimsoll(&["doctor", &db.url(), "--json", "--only", "G*"])).await;
    assert_eq!(report(&direct)["through"], Value::Null);
    let named = runs(plimsoll(&[
        "doctor",
        &db.url(),
        "--pooler",
        &bouncer.url("pgbouncer"),
        "--json",
        "--only",
        "G*",
    ]))
    .await;
    assert_eq!(
        report(&named)["through"],
        Value::Null,
        "it was named, and nothing goes through it: {named:?}"
    );
    assert_ne!(named.status, 3, "its console answers: {named:?}");
    let console = runs(plimsoll(&["doctor", &bouncer.url("pgbouncer")])).await;
    assert_eq!(console.status, 3, "{console:?}");
    assert!(
        console.error.contains("the console of a PgBouncer") && console.error.lines().count() == 1,
        "{console:?}"
    );
}

on_each_pgbouncer!(its_version_is_in_the_report);

#[tokio::test]
async fn and_a_console_that_is_not_to_be_had_is_told_of_too() {
    let db = test_server::database().await.unwrap();
    let role = format!("{}_app", db.name());
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'")).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&db)
        .pool_mode(PoolMode::Transaction)
        .user(&role, "hunter2")
        .start()
        .await
        .unwrap();
    let url = format!("postgres://{role}:hunter2@127.0.0.1:{}/{}", bouncer.port(), db.name());
    let through = runs(plimsoll(&["doctor", &url, "--json", "--only", "G01"])).await;
    assert_eq!(report(&through)["through"].as_str(), Some("a pooler"), "{through:?}");
    assert!(!through.out.contains("hunter2"));
    let fixed = format!("ALTER ROLE {role} SET client_connection_check_interval = '2s'");
    db.execute(&fixed).await.unwrap();
    let nowhere =
        ["doctor", &db.url(), "--role", &role, "--only", "G01", "--pooler", "postgres://a@127.0.0.1:1"];
    let ran = runs(plimsoll(&nowhere)).await;
    assert_eq!(ran.status, 3, "what was named could not be asked: {ran:?}");
}

//! I06: a constraint that was added NOT VALID is found and validated, of a table and of a domain.

use crate::checks::scene::Scene;
use plimsoll_embedded::test_server;
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test]
async fn it_is_found_and_validated() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE parents (id int PRIMARY KEY); CREATE TABLE \"Orders\" (id int, parent int, CHECK (id > 0)); \
         CREATE DOMAIN code AS text; CREATE TABLE coded (c code)",
    )
    .await
    .unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    scene.finds_nothing("I06").await;
    db.execute(
        "ALTER TABLE \"Orders\" ADD CONSTRAINT \"Of parent\" FOREIGN KEY (parent) REFERENCES parents NOT VALID, \
             ADD CONSTRAINT positive CHECK (id > 1) NOT VALID; \
         ALTER DOMAIN code ADD CONSTRAINT short CHECK (length(VALUE) < 5) NOT VALID",
    )
    .await
    .unwrap();
    for (about, kind) in [
        ("constraint Of parent of table public.\"Orders\"", "foreign key"),
        ("constraint positive of table public.\"Orders\"", "check"),
        ("constraint short of domain public.code", "check"),
    ] {
        let finding = scene.finds("I06", about, State::Info).await;
        assert!(
            finding.value.starts_with(&format!("the {kind} constraint is NOT VALID")),
            "{}",
            finding.value
        );
        scene.is_remedied("I06", &finding).await;
    }
    scene.finds_nothing("I06").await;
}

/// The parent's statement validates what its children have from it.
#[tokio::test]
async fn what_a_child_has_from_its_parent_is_told_once() {
    let db = test_server::database().await.unwrap();
    db.execute(
        "CREATE TABLE readings (at int) PARTITION BY RANGE (at); \
         CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (10); \
         INSERT INTO readings VALUES (1); \
         ALTER TABLE readings ADD CONSTRAINT even CHECK (at % 2 = 0) NOT VALID",
    )
    .await
    .unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    let finding = scene.finds("I06", "constraint even of table public.readings", State::Info).await;
    assert_eq!(scene.found("I06").await.findings.len(), 1);
    let Some(Remedy::Sql { run, undo, .. }) = &finding.remedy else { panic!("{finding:#?}") };
    assert!(undo.is_empty());
    db.execute(&run[0]).await.expect_err("a row breaks it");
    scene.finds("I06", "constraint even of table public.readings", State::Info).await;
    db.execute("DELETE FROM readings").await.unwrap();
    db.execute(&run[0]).await.unwrap();
    scene.finds_nothing("I06").await;
}

/// Since 18 a constraint may be declared and not enforced: no statement validates it.
#[tokio::test]
async fn what_is_not_enforced_is_no_finding() {
    let db = test_server::database().await.unwrap();
    let version =
        db.execute("SELECT FROM pg_settings WHERE name = 'server_version_num' AND setting::int >= 180000");
    if version.await.unwrap().is_empty() {
        return;
    }
    db.execute("CREATE TABLE t (id int, CONSTRAINT loose CHECK (id > 0) NOT ENFORCED)").await.unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    scene.finds_nothing("I06").await;
    db.execute("ALTER TABLE t ADD CONSTRAINT needed NOT NULL id NOT VALID").await.unwrap();
    let finding = scene.finds("I06", "constraint needed of table public.t", State::Info).await;
    scene.is_remedied("I06", &finding).await;
}

//! O01: where statements are not counted, each remedy is the next step, and the last leads to a server that counts. One that has
//! to forget statements for want of room is found.

use crate::checks::scene::Scene;
use plimsoll_embedded::{Cluster, StopMode};
use plimsoll_inspect::checks::State;
use plimsoll_inspect::checks::finding::{Effect, Finding, Remedy};

const SUBJECT: &str = "pg_stat_statements";

async fn scene(cluster: &Cluster) -> Scene {
    Scene::at(&cluster.url("postgres"), "postgres").await
}

fn sql(finding: &Finding) -> (&[String], &[String], Effect) {
    match &finding.remedy {
        Some(Remedy::Sql { run, undo, effect }) => (run, undo, *effect),
        _ => panic!("it has SQL: {finding:#?}"),
    }
}

#[tokio::test]
async fn each_step_leads_to_the_next_and_the_last_to_a_server_that_counts() {
    let cluster =
        Cluster::builder().setting("shared_preload_libraries", "auto_explain").start().await.unwrap();
    let asking = scene(&cluster).await;
    let finding = asking.finds("O01", SUBJECT, State::Warn).await;
    assert_eq!(finding.value, "pg_stat_statements is not loaded");
    let (run, undo, effect) = sql(&finding);
    assert_eq!(effect, Effect::Restart);
    assert_eq!(run[0], "ALTER SYSTEM SET shared_preload_libraries = 'auto_explain', 'pg_stat_statements'");
    for statement in run {
        cluster.execute("postgres", statement).await.unwrap();
    }
    cluster.restart(StopMode::Fast).await.unwrap();
    let loaded = cluster.execute("postgres", "SHOW shared_preload_libraries").await.unwrap();
    assert_eq!(loaded[0]["shared_preload_libraries"], "auto_explain, pg_stat_statements");

    let asking = scene(&cluster).await;
    let next = asking.finds("O01", SUBJECT, State::Warn).await;
    assert!(next.value.contains("this database does not show it"), "{}", next.value);
    asking.is_remedied("O01", &next).await;
    cluster.execute("postgres", "CREATE SCHEMA \"odd Schema\"").await.unwrap();
    let old = "CREATE EXTENSION pg_stat_statements SCHEMA \"odd Schema\" VERSION '1.8'";
    cluster.execute("postgres", old).await.unwrap();
    let next = asking.finds("O01", SUBJECT, State::Warn).await;
    assert_eq!(next.value, "pg_stat_statements 1.8 is older than the server");
    asking.is_remedied("O01", &next).await;
    asking.finds_nothing("O01").await;

    cluster.execute("postgres", "ALTER SYSTEM SET pg_stat_statements.track = 'none'").await.unwrap();
    cluster.reload().await.unwrap();
    let off = asking.comes_to_find("O01", SUBJECT, State::Warn).await;
    assert_eq!(off.value, "pg_stat_statements.track is none, so nothing is collected");
    asking.is_remedied("O01", &off).await;

    // The first remedy taken back.
    for statement in undo {
        cluster.execute("postgres", statement).await.unwrap();
    }
    cluster.restart(StopMode::Fast).await.unwrap();
    let back = scene(&cluster).await.finds("O01", SUBJECT, State::Warn).await;
    assert_eq!(back, finding);
}

#[tokio::test]
async fn a_role_that_may_not_see_the_libraries_is_given_no_statement_that_drops_them() {
    let cluster =
        Cluster::builder().setting("shared_preload_libraries", "auto_explain").start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE guest LOGIN PASSWORD 'pw'").await.unwrap();
    let mut scene = scene(&cluster).await;
    scene.asker = crate::session::session_at(&cluster.url("postgres"), Some("guest"), "asker").await;
    let finding = scene.finds("O01", SUBJECT, State::Warn).await;
    assert!(matches!(finding.remedy, Some(Remedy::Advice { .. })), "{finding:#?}");
}

#[tokio::test]
async fn a_room_that_is_too_small_is_found() {
    let cluster = Cluster::builder()
        .setting("shared_preload_libraries", "pg_stat_statements")
        .setting("pg_stat_statements.max", "100")
        .start()
        .await
        .unwrap();
    cluster.execute("postgres", "CREATE EXTENSION pg_stat_statements").await.unwrap();
    let mut scene = scene(&cluster).await;
    for columns in 1..=300 {
        scene.owner.simple_query(&format!("SELECT {}", vec!["1"; columns].join(", "))).await.unwrap();
    }
    let finding = scene.finds("O01", SUBJECT, State::Warn).await;
    assert!(
        finding.value.contains("it has room for 100 statements and forgot the rarest"),
        "{}",
        finding.value
    );
    assert_eq!(sql(&finding).0[0], "ALTER SYSTEM SET pg_stat_statements.max = 200");
    scene.thresholds = vec![("statements_forgotten_warn", 1e9)];
    scene.finds("O01", SUBJECT, State::Info).await;
}

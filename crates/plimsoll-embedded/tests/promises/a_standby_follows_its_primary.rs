//! A standby holds what its primary has committed, refuses writes until it is promoted, and takes them afterwards.

use plimsoll_embedded::{Cluster, StopMode};

/// A commit that waits for the standby, so that what it stored is there without any waiting of ours.
const WAITS: &str = "ALTER SYSTEM SET synchronous_standby_names = '*'; ";

async fn primary() -> Cluster {
    let primary = Cluster::builder().setting("synchronous_commit", "remote_apply").start().await.unwrap();
    primary.execute("postgres", "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await.unwrap();
    primary
}

async fn ids(cluster: &Cluster) -> Vec<String> {
    let rows = cluster.execute("postgres", "SELECT id FROM kept ORDER BY id").await.unwrap();
    rows.into_iter().map(|row| row["id"].clone()).collect()
}

#[tokio::test]
async fn and_takes_its_place_when_it_is_promoted() {
    let primary = primary().await;
    let standby = Cluster::builder().standby_of(&primary).start().await.unwrap();
    assert_eq!((standby.superuser(), standby.password()), (primary.superuser(), primary.password()));
    assert_ne!(standby.port(), primary.port());
    primary.execute("postgres", WAITS).await.unwrap();
    primary.reload().await.unwrap();
    primary.execute("postgres", "INSERT INTO kept VALUES (2)").await.unwrap();
    assert_eq!(ids(&standby).await, ["1", "2"]);
    let refused = standby.execute("postgres", "INSERT INTO kept VALUES (3)").await.unwrap_err().to_string();
    assert!(refused.contains("read-only"), "{refused}");

    primary.stop_mode(StopMode::Immediate).await.unwrap();
    standby.promote().await.unwrap();
    standby.execute("postgres", "INSERT INTO kept VALUES (4)").await.unwrap();
    assert_eq!(ids(&standby).await, ["1", "2", "4"]);
}

#[tokio::test]
async fn and_a_promoted_one_has_standbys_too() {
    let first = primary().await;
    let second = Cluster::builder().standby_of(&first).start().await.unwrap();
    first.stop().await.unwrap();
    second.promote().await.unwrap();
    let third = Cluster::builder().standby_of(&second).start().await.unwrap();
    assert_eq!(ids(&third).await, ["1"]);
}

#[tokio::test]
async fn and_says_so_when_there_is_no_primary_to_copy() {
    let primary = primary().await;
    let wanted = Cluster::builder().standby_of(&primary);
    primary.stop().await.unwrap();
    let error = wanted.start().await.unwrap_err().to_string();
    assert!(error.starts_with("could not copy a running server"), "{error}");
}

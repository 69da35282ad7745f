//! R01: a standby that falls behind is found on its primary and on itself, and an idle primary is no lag.

use crate::checks::scene::Scene;
use plimsoll_embedded::{Cluster, StopMode};
use plimsoll_inspect::checks::State;
use plimsoll_inspect::checks::finding::Remedy;

const FOLLOWER: &str = "standby standby at 127.0.0.1";
const SELF: &str = "this standby";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_falls_behind_is_found_on_both_sides_and_an_idle_primary_is_none() {
    let primary = Cluster::start().await.unwrap();
    let mut of_primary = Scene::at(&primary.url("postgres"), "postgres").await;
    // Any lag at all is one too much.
    of_primary.thresholds = vec![("replication_lag_warn", 0.0), ("replication_bytes_warn", 0.0)];
    of_primary.finds_nothing("R01").await;
    let standby = Cluster::builder().standby_of(&primary).start().await.unwrap();
    let mut of_standby = Scene::at(&standby.url("postgres"), "postgres").await;
    of_standby.thresholds.clone_from(&of_primary.thresholds);
    primary.execute("postgres", "CREATE TABLE readings (n int)").await.unwrap();
    // The last transaction is over for a while, and nothing is missing.
    let idle = "SELECT now() - pg_last_xact_replay_timestamp() > interval '1 s' AS idle";
    while standby.execute("postgres", idle).await.unwrap()[0].get("idle").map(String::as_str) != Some("t") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    of_standby.comes_to_find_nothing("R01").await;
    of_primary.comes_to_find_nothing("R01").await;

    standby.execute("postgres", "SELECT pg_wal_replay_pause()").await.unwrap();
    let rows = "INSERT INTO readings SELECT generate_series(1, 1000)";
    primary.execute("postgres", rows).await.unwrap();
    of_primary.comes_to_find("R01", FOLLOWER, State::Warn).await;
    let finding = of_standby.comes_to_find("R01", SELF, State::Warn).await;
    assert!(finding.value.contains("its replay is paused"), "{}", finding.value);
    of_standby.thresholds.push(("replication_lag_crit", 0.0));
    of_standby.comes_to_find("R01", SELF, State::Crit).await;
    // Far from the limits, it is none.
    let strict = std::mem::take(&mut of_standby.thresholds);
    of_standby.thresholds.push(("replication_lag_warn", 1e6));
    of_standby.finds_nothing("R01").await;
    of_standby.thresholds = strict;

    let Some(Remedy::Sql { run, undo, .. }) = &finding.remedy else { panic!("{finding:#?}") };
    assert_eq!(undo, &["SELECT pg_catalog.pg_wal_replay_pause()"]);
    of_standby.owner.batch_execute(&run[0]).await.unwrap();
    of_standby.comes_to_find_nothing("R01").await;
    of_primary.comes_to_find_nothing("R01").await;

    primary.stop_mode(StopMode::Fast).await.unwrap();
    let cut_off = of_standby.comes_to_find("R01", SELF, State::Crit).await;
    assert!(cut_off.value.starts_with("no log comes from its primary"), "{}", cut_off.value);
}

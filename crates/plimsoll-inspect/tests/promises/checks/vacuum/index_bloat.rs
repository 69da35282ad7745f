//! B08: a B-tree that is mostly waste is found and built anew.

use super::{database, does};
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn it_fires_and_is_put_right() {
    let (_db, mut scene) = database().await;
    does(
        &scene,
        &[
            "CREATE TABLE t (id bigint, kind int) WITH (autovacuum_enabled = off)",
            "INSERT INTO t SELECT i, i % 5 FROM generate_series(1, 60000) AS i",
            "CREATE INDEX t_id ON t (id)",
            "VACUUM (ANALYZE) t",
        ],
    )
    .await;
    scene.thresholds = vec![("index_bloat_warn_mb", 0.5)];
    scene.is_silent("B08", "index public.t_id").await;
    does(&scene, &["DELETE FROM t WHERE id % 10 <> 0", "ANALYZE t"]).await;
    // What is dead and still in the index is no waste yet that a new index would not have to hold, or would: a vacuum comes first.
    let skipped = scene.comes_to_find("B08", "index public.t_id", State::Skipped).await;
    assert!(
        skipped.value.contains("90 % of the table's rows are dead and wait for a vacuum"),
        "{}",
        skipped.value
    );
    does(&scene, &["VACUUM (ANALYZE) t"]).await;
    let finding = scene.comes_to_find("B08", "index public.t_id", State::Warn).await;
    assert!(finding.value.starts_with("1 MB of 1 MB are waste, 8"), "{}", finding.value);
    for (name, beyond) in [("index_bloat_warn", 95.0), ("index_bloat_warn_mb", 2.0)] {
        scene.thresholds.push((name, beyond));
        scene.is_silent("B08", "index public.t_id").await;
        scene.thresholds.pop();
    }
    scene.thresholds.push(("index_bloat_crit_mb", 0.5));
    let finding = scene.finds("B08", "index public.t_id", State::Crit).await;
    scene.is_remedied("B08", &finding).await;
}

//! B07: a table that is mostly dead rows is found, with the method of the estimate; what cannot be known is skipped.

use super::{database, does};
use plimsoll_inspect::checks::State;

#[tokio::test]
async fn it_fires_with_its_method_and_is_put_right() {
    let (_db, mut scene) = database().await;
    for table in ["mostly_dead", "healthy"] {
        does(&scene, &[
            &format!("CREATE TABLE {table} (id int, body text) WITH (autovacuum_enabled = off, fillfactor = 80)"),
            &format!("INSERT INTO {table} SELECT i, repeat('x', 100) FROM generate_series(1, 20000) AS i"),
        ])
        .await;
    }
    does(&scene, &["DELETE FROM mostly_dead WHERE id % 10 <> 0", "ANALYZE mostly_dead", "ANALYZE healthy"])
        .await;
    let subject = "table public.mostly_dead";
    scene.is_silent("B07", subject).await;
    let small = scene.found("B07").await;
    assert_eq!(small.state(), State::Ok);
    let said = "the largest table has 3 MB, and none is looked at that has less than 500 MB";
    assert_eq!(small.findings[0].value, said);
    scene.thresholds = vec![("table_bloat_warn_mb", 1.0)];
    let finding = scene.comes_to_find("B07", subject, State::Warn).await;
    assert!(
        finding.value.starts_with("3 MB of 3 MB are waste, 90 %, estimated from column statistics"),
        "{}",
        finding.value
    );
    scene.is_silent("B07", "table public.healthy").await;
    // Shares are percent, and amounts are megabytes: just beyond what is there, nothing fires.
    for (name, beyond) in [("table_bloat_warn", 91.0), ("table_bloat_warn_mb", 4.0)] {
        scene.thresholds.push((name, beyond));
        scene.is_silent("B07", subject).await;
        scene.thresholds.pop();
    }
    scene.thresholds.push(("table_bloat_crit_mb", 1.0));
    let finding = scene.finds("B07", subject, State::Crit).await;
    scene.is_remedied("B07", &finding).await;
}

#[tokio::test]
async fn without_statistics_it_is_skipped_and_never_ok() {
    let (_db, mut scene) = database().await;
    scene.thresholds = vec![("table_bloat_warn_mb", 0.1)];
    let make = "CREATE TABLE never (id int, body text) WITH (autovacuum_enabled = off)";
    does(&scene, &[make, "INSERT INTO never SELECT i, 'x' FROM generate_series(1, 20000) AS i"]).await;
    let subject = "table public.never";
    let finding = scene.comes_to_find("B07", subject, State::Skipped).await;
    assert!(finding.value.ends_with("in size, but it was never analyzed"), "{}", finding.value);
    scene.is_remedied("B07", &finding).await;
    does(&scene, &["SELECT pg_stat_reset()"]).await;
    let finding = scene.comes_to_find("B07", subject, State::Skipped).await;
    assert!(
        finding.value.contains(
            "no analyze of it is on record (there was none, or the counters were begun anew since)"
        ),
        "{}",
        finding.value
    );
    does(&scene, &["ANALYZE never", "UPDATE never SET id = 0 WHERE id % 3 = 0"]).await;
    let finding = scene.comes_to_find("B07", subject, State::Skipped).await;
    assert!(
        finding.value.ends_with("33 % of its rows have changed since the last analyze"),
        "{}",
        finding.value
    );
}

#[tokio::test]
async fn of_a_toast_table_the_least_is_told_or_nothing() {
    let (_db, mut scene) = database().await;
    scene.thresholds = vec![("table_bloat_warn_mb", 1.0)];
    for (table, width) in [("emptied", 8000), ("whole", 2100)] {
        does(&scene, &[
            &format!("CREATE TABLE {table} (id int, body text) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)"),
            &format!("ALTER TABLE {table} ALTER body SET STORAGE EXTERNAL"),
            &format!("INSERT INTO {table} SELECT i, repeat('x', {width}) FROM generate_series(1, 1000) AS i"),
        ])
        .await;
    }
    does(
        &scene,
        &["DELETE FROM emptied WHERE id % 5 <> 0", "VACUUM (ANALYZE) emptied", "VACUUM (ANALYZE) whole"],
    )
    .await;
    let subject = "TOAST of table public.emptied";
    let finding = scene.comes_to_find("B07", subject, State::Warn).await;
    assert!(finding.value.contains("at least 7"), "{}", finding.value);
    let skipped = scene.finds("B07", "TOAST of table public.whole", State::Skipped).await;
    assert!(
        skipped.value.contains("what it is exactly tells pgstattuple('pg_toast.pg_toast_"),
        "{}",
        skipped.value
    );
    // Rewritten, it is full: that it is at least 0 % waste is no answer either, and no worse than before.
    scene.is_remedied("B07", &finding).await;
}

/// A vacuum counts rows and knows nothing of the columns: that is no reset of the counters.
#[tokio::test]
async fn what_is_missing_is_told_as_it_is() {
    let (_db, mut scene) = database().await;
    scene.thresholds = vec![("table_bloat_warn_mb", 0.1)];
    let make = "CREATE TABLE vacuumed (id int, body text) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off)";
    let external = "ALTER TABLE vacuumed ALTER body SET STORAGE EXTERNAL";
    let fill = "INSERT INTO vacuumed SELECT i, repeat('x', 4000) FROM generate_series(1, 8000) AS i";
    does(&scene, &[make, external, fill]).await;
    // An analyze tells nothing of long values; a vacuum does.
    let about = "TOAST of table public.vacuumed";
    let finding = scene.comes_to_find("B07", about, State::Skipped).await;
    assert!(finding.value.contains("no vacuum of it is on record"), "{}", finding.value);
    does(&scene, &["ANALYZE vacuumed"]).await;
    scene.finds("B07", about, State::Skipped).await;
    let Some(plimsoll_inspect::checks::Remedy::Sql { run, .. }) = &finding.remedy else {
        panic!("{finding:#?}")
    };
    assert_eq!(*run, ["VACUUM public.vacuumed"]);
    does(&scene, &[run[0].as_str()]).await;
    let after = scene.found("B07").await;
    let same = after.findings.iter().find(|other| other.subject == about);
    assert!(same.is_none_or(|same| !same.value.contains("on record")), "{after:#?}");
}

//! A role without any rights is told what all can see, and that the rest was skipped: never that all is well.

use super::{database, does};
use crate::session::session;
use plimsoll_inspect::checks::{Finding, State};

#[tokio::test]
async fn hears_the_same_or_that_it_was_skipped() {
    let (db, mut scene) = database().await;
    does(
        &scene,
        &[
            "CREATE TABLE bad (id serial, body text) WITH (autovacuum_enabled = off)",
            "INSERT INTO bad (body) SELECT repeat('x', 100) FROM generate_series(1, 20000)",
            "CREATE INDEX bad_body ON bad (body, id)",
            "VACUUM (ANALYZE) bad",
            "DELETE FROM bad WHERE id % 10 <> 0",
            "VACUUM (ANALYZE) bad",
            "DELETE FROM bad WHERE id % 20 <> 0",
            "INSERT INTO bad (body) SELECT 'y' FROM generate_series(1, 90)",
            "SELECT setval('bad_id_seq', 2000000000)",
        ],
    )
    .await;
    let role = format!("{}_blind", db.name());
    does(&scene, &[&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")]).await;
    scene.thresholds = vec![
        ("xid_age_warn", 0.0),
        ("vacuum_lag_warn", 0.0),
        ("analyze_lag_warn", 0.0),
        ("table_bloat_warn_mb", 0.1),
        ("index_bloat_warn_mb", 0.1),
        ("hot_table_counted_for", 0.0),
    ];
    // What the superuser hears of this database and its table.
    let ours = |findings: Vec<Finding>| -> Vec<(String, State)> {
        let all =
            findings.into_iter().filter(|one| one.subject.contains("bad") || one.subject.contains(db.name()));
        all.map(|one| (one.subject, one.state)).collect()
    };
    let checks = ["B01", "B03", "B04", "B05", "B07", "B08", "B10", "B11"];
    let mut seen = Vec::new();
    for id in checks {
        let all = ours(scene.found(id).await.findings);
        assert!(all.iter().any(|(_, state)| *state != State::Ok), "{id} has something to find: {all:?}");
        seen.push(all);
    }
    scene.asker = session(&db, Some(&role), "blind").await;
    for (id, seen) in checks.iter().zip(seen) {
        let found = scene.found(id).await.findings;
        let skipped = found.iter().any(|one| one.state == State::Skipped);
        assert!(
            skipped || ours(found.clone()) == seen,
            "{id}: {found:#?} where the superuser heard {seen:?}"
        );
    }
    scene.asker = session(&db, None, "asker").await;
    does(&scene, &[&format!("DROP ROLE {role}")]).await;
}

//! B01: a database whose transaction numbers are old is found, with its oldest tables, and a freeze makes it young.

use super::does;
use crate::checks::scene::Scene;
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::{Remedy, State};

#[tokio::test]
async fn it_fires_and_is_put_right() {
    let server = Cluster::start().await.unwrap();
    let mut scene = Scene::at(&server.url("postgres"), server.superuser()).await;
    let subject = "database postgres";
    scene.is_silent("B01", subject).await;
    does(&scene, &["CREATE TABLE old (id int, body text)", "CREATE TABLE young (id int)", "VACUUM (FREEZE)"])
        .await;
    let uses_up = "DO $$ BEGIN FOR i IN 1..300 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$";
    does(&scene, &[uses_up]).await;
    scene.thresholds = vec![("xid_age_warn", 250.0)];
    let finding = scene.finds("B01", subject, State::Warn).await;
    let Some(Remedy::Sql { run, .. }) = &finding.remedy else { panic!("{finding:?}") };
    assert_eq!(run, &["VACUUM (FREEZE)"], "all tables are old");
    let other = scene.finds("B01", "database template1", State::Warn).await;
    assert!(
        matches!(other.remedy, Some(Remedy::Advice { .. })),
        "a table of another database cannot be named: {other:?}"
    );
    scene.thresholds.push(("xid_age_crit", 290.0));
    let finding = scene.finds("B01", subject, State::Crit).await;
    scene.is_remedied("B01", &finding).await;

    // All tables but one are frozen again: that one is named, and it is enough to take that one.
    does(&scene, &[uses_up]).await;
    let sql =
        "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relkind = 'r' AND relname <> 'old'";
    let others: String = scene.owner.query_one(sql, &[]).await.unwrap().get(0);
    does(&scene, &[&format!("VACUUM (FREEZE) {others}")]).await;
    let finding = scene.finds("B01", subject, State::Crit).await;
    let Some(Remedy::Sql { run, .. }) = &finding.remedy else { panic!("{finding:?}") };
    assert_eq!(run, &["VACUUM (FREEZE) public.old"]);
    assert!(finding.value.contains("the oldest tables: public.old "), "{}", finding.value);
    scene.is_remedied("B01", &finding).await;
}

//! Checks B.

mod a_blind_role;
mod analyze_lag;
mod autovacuum_off;
mod index_bloat;
mod sequences;
mod table_bloat;
mod truncation;
mod vacuum_lag;
mod wraparound;

use crate::checks::scene::Scene;
use plimsoll_embedded::test_server::{self, TestDatabase};

/// A fresh database, and the superuser who looks at it.
async fn database() -> (TestDatabase, Scene) {
    let db = test_server::database().await.unwrap();
    let scene = Scene::at(&db.url(), db.server().superuser()).await;
    (db, scene)
}

/// Each statement by itself, with what it counts seen before the next, so that nothing is added to what a vacuum has set to
/// nothing.
async fn does(scene: &Scene, statements: &[&str]) {
    for statement in statements {
        for one in [statement, "SELECT pg_stat_force_next_flush()"] {
            scene.owner.batch_execute(one).await.unwrap_or_else(|error| panic!("{one}: {error:?}"));
        }
    }
}

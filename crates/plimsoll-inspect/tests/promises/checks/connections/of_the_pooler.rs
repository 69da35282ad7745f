//! C06 to C09: what a PgBouncer's console tells of its version, its mode, its peers, its waits and what it throws away.

use crate::checks::scene::Scene;
use crate::session::session_at;
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerBuilder, PgBouncerVersion, PoolMode};
use plimsoll_inspect::checks::{Checked, Finding, State};
use tokio_postgres::Client;

/// A pooler, its console, and the scene that asks it.
struct Pooled {
    bouncer: PgBouncer,
    console: Client,
    scene: Scene,
}

impl Pooled {
    async fn new(db: &TestDatabase, wanted: PgBouncerBuilder) -> Self {
        let bouncer = wanted.start().await.unwrap();
        let console = session_at(&bouncer.url("pgbouncer"), None, "console").await;
        Pooled { bouncer, console, scene: Scene::at(&db.url(), "postgres").await }
    }

    async fn found(&self, id: &str) -> Checked {
        self.scene.examined(id, Some(&self.console)).await
    }

    async fn finds(&self, id: &str, about: &str, state: State) -> Finding {
        let checked = self.found(id).await;
        let finding = checked.findings.iter().find(|finding| finding.subject == about);
        let finding = finding.unwrap_or_else(|| panic!("nothing about {about}: {checked:#?}"));
        assert_eq!(finding.state, state, "{checked:#?}");
        finding.clone()
    }

    /// Until it is started again.
    async fn set(&self, setting: &str) {
        self.bouncer.admin(&format!("SET {setting}")).await.unwrap();
    }
}

fn pooler(db: &TestDatabase, version: PgBouncerVersion) -> PgBouncerBuilder {
    PgBouncer::in_front_of(db).version(version).pool_mode(PoolMode::Transaction)
}

async fn its_version_and_mode_are_told(version: PgBouncerVersion) {
    let db = test_server::database().await.unwrap();
    let pooled = Pooled::new(&db, pooler(&db, version)).await;
    let finding = pooled.finds("C06", "pooler", State::Warn).await;
    assert!(finding.value.starts_with(&format!("PgBouncer {version}.")), "{finding:#?}");
    assert!(finding.value.contains("CVE-2026-6664 to CVE-2026-6667"), "{finding:#?}");
    let loses_names = version == PgBouncerVersion::V1_18;
    assert_eq!(
        finding.value.contains("prepared statements of drivers get lost"),
        loses_names,
        "{finding:#?}"
    );
    pooled.finds("C06", "pooler mode", State::Ok).await;
    // The console is a database of its own, always in statement mode, and none of the application's.
    let listed = pooled.console.simple_query("SHOW DATABASES").await.unwrap();
    assert!(format!("{listed:?}").contains("statement"), "{listed:?}");
    assert_eq!(pooled.found("C06").await.findings.len(), 2, "its version and its mode");

    if !loses_names {
        pooled.set("max_prepared_statements = 0").await;
        pooled.finds("C06", "pooler mode", State::Warn).await;
    }
    for (mode, state) in [(PoolMode::Session, State::Info), (PoolMode::Statement, State::Warn)] {
        let pooled = Pooled::new(&db, pooler(&db, version).pool_mode(mode)).await;
        pooled.finds("C06", "pooler mode", state).await;
    }
    // What is said for one database counts for it alone.
    let entry = format!("host={} port={} pool_mode=session", db.server().host(), db.server().port());
    let pooled = Pooled::new(&db, pooler(&db, version).entry("databases", "reports", entry)).await;
    pooled.finds("C06", "pooler mode", State::Ok).await;
    pooled.finds("C06", "pooler mode of reports", State::Info).await;
}

async fn poolers_side_by_side_have_to_be_peers(version: PgBouncerVersion) {
    let db = test_server::database().await.unwrap();
    let alone = Pooled::new(&db, pooler(&db, version)).await;
    let finding = alone.finds("C07", "pooler", State::Skipped).await;
    assert!(finding.value.contains("one console does not tell"), "{finding:#?}");
    let shared = Pooled::new(&db, pooler(&db, version).setting("so_reuseport", "1")).await;
    let finding = shared.finds("C07", "pooler", State::Crit).await;
    assert!(finding.value.contains("it has no peer_id"), "{finding:#?}");
    if version == PgBouncerVersion::V1_18 {
        return;
    }
    let without = pooler(&db, version).setting("so_reuseport", "1").setting("peer_id", "1");
    let finding = Pooled::new(&db, without).await.finds("C07", "pooler", State::Crit).await;
    assert!(finding.value.contains("knows no peer"), "{finding:#?}");
    let alone = Pooled::new(&db, pooler(&db, version).setting("peer_id", "1")).await;
    alone.finds("C07", "pooler", State::Warn).await;
    let wanted = pooler(&db, version).setting("so_reuseport", "1").setting("peer_id", "1");
    let wanted = wanted.entry("peers", "1", "host=/tmp/1").entry("peers", "2", "host=/tmp/2");
    let finding = Pooled::new(&db, wanted).await.finds("C07", "pooler", State::Ok).await;
    assert!(finding.value.contains("its peer_id is 1, and it knows 1 more"), "{finding:#?}");
}

async fn waits_of_minutes_are_found(version: PgBouncerVersion) {
    let db = test_server::database().await.unwrap();
    let mut pooled = Pooled::new(&db, pooler(&db, version)).await;
    let wait = "pooler query_wait_timeout";
    let finding = pooled.finds("C08", wait, State::Warn).await;
    assert_eq!(finding.value, "query_wait_timeout is 120 s");
    pooled.finds("C08", "pooler server_login_retry", State::Warn).await;
    pooled.set("query_wait_timeout = 10").await;
    pooled.set("server_login_retry = 1").await;
    assert_eq!(pooled.found("C08").await.state(), State::Ok);
    pooled.scene.thresholds.push(("query_wait_timeout_warn", 5.0));
    pooled.finds("C08", wait, State::Warn).await;
    pooled.set("query_wait_timeout = 0").await;
    pooled.finds("C08", wait, State::Crit).await;
}

/// And it is true: the limit that the client sends is not there.
async fn limits_that_are_thrown_away_are_found(version: PgBouncerVersion) {
    let db = test_server::database().await.unwrap();
    let wanted = pooler(&db, version).setting("ignore_startup_parameters", "extra_float_digits, options");
    let pooled = Pooled::new(&db, wanted).await;
    let url = format!("{}?options=-c%20statement_timeout%3D30s", pooled.bouncer.url(db.name()));
    let app = session_at(&url, None, "app").await;
    let shown: String =
        app.query_one("SELECT current_setting('statement_timeout')", &[]).await.unwrap().get(0);
    assert_eq!(shown, "0");
    let finding = pooled.finds("C09", "pooler", State::Crit).await;
    assert!(finding.value.contains("has options:"), "{finding:#?}");
    pooled.set("ignore_startup_parameters = 'lock_timeout'").await;
    pooled.finds("C09", "pooler", State::Crit).await;
    pooled.set("ignore_startup_parameters = 'extra_float_digits'").await;
    assert_eq!(pooled.found("C09").await.state(), State::Ok);
}

#[tokio::test]
async fn without_a_console_nothing_is_said() {
    let db = test_server::database().await.unwrap();
    let scene = Scene::at(&db.url(), "postgres").await;
    for id in ["C06", "C07", "C08", "C09"] {
        let finding = scene.finds(id, "pooler", State::Skipped).await;
        assert_eq!(finding.value, "no console of a PgBouncer was given");
    }
}

plimsoll_embedded::on_each_pgbouncer!(
    its_version_and_mode_are_told,
    poolers_side_by_side_have_to_be_peers,
    waits_of_minutes_are_found,
    limits_that_are_thrown_away_are_found,
);

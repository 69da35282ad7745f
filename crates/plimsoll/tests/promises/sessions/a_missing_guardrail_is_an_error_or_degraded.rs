//! A limit that got lost on the way to the server is found when the limits are read back: an error by default, and
//! loudly degraded where that was allowed.

use crate::server::{self, event};
use plimsoll::event::Event;
use plimsoll::settings::{OnMissingGuardrail, PoolerMode};
use plimsoll::{Database, Fault, HealthState, Pooler, Settings};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{PgBouncer, PgBouncerVersion, PoolMode};
use std::time::Duration;

/// A pooler that lends for a session, and drops start-up options without a word.
async fn quiet_pooler(version: PgBouncerVersion, server: &TestDatabase) -> PgBouncer {
    PgBouncer::in_front_of(server)
        .version(version)
        .pool_mode(PoolMode::Session)
        .setting("ignore_startup_parameters", "options")
        .start()
        .await
        .unwrap()
}

fn settings(bouncer: &PgBouncer, server: &TestDatabase) -> Settings {
    server::settings(&bouncer.url(server.name()))
}

async fn a_lost_limit_is_an_error_that_names_it(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = quiet_pooler(version, &server).await;
    let error = Database::connect(settings(&bouncer, &server).pooler(PoolerMode::None)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::GuardrailMissing, "{error}");
    for part in ["statement_timeout is off instead of 30000 ms", "lock_timeout", "on_missing_guardrail"] {
        assert!(error.to_string().contains(part), "{part:?} is missing: {error}");
    }
}

async fn a_lost_limit_is_degraded_where_that_was_allowed(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = quiet_pooler(version, &server).await;
    let settings = settings(&bouncer, &server)
        .pooler(PoolerMode::None)
        .on_missing_guardrail(OnMissingGuardrail::Degraded)
        .lock_timeout(Duration::from_millis(100))
        .client_connection_check_interval(Duration::from_millis(100))
        .statement_timeout(Duration::from_millis(200))
        .client_statement_timeout(Duration::from_millis(400));
    let db = Database::connect(settings).await.unwrap();
    let lease = db.acquire().await.unwrap();
    assert!(
        lease.missing_guardrails().iter().any(|missing| missing.starts_with("statement_timeout")),
        "{:?}",
        lease.missing_guardrails()
    );
    let health = db.health(false).await;
    assert_eq!(health.state, HealthState::Degraded, "{health:?}");
    assert!(health.reasons[0].contains("statement_timeout is off instead of 200 ms"), "{health:?}");
    let mut events = db.events();
    let second = db.acquire().await.unwrap();
    let missing = event("degraded", &mut events, |event| match event {
        Event::Degraded { missing } => Some(missing.clone()),
        _ => None,
    })
    .await;
    assert!(missing.contains("statement_timeout is off instead of 200 ms"), "{missing}");
    drop(second);
    // This program's own limit holds all the same.
    let error = lease.query("SELECT pg_sleep(20)", &[]).await.unwrap_err();
    assert_eq!(error.fault(), Fault::StatementTimeout, "{error}");
}

async fn a_pooler_that_refuses_the_limits_is_named_where_none_was_said(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&server).version(version).pool_mode(PoolMode::Session).start().await.unwrap();
    let error = Database::connect(settings(&bouncer, &server).pooler(PoolerMode::None)).await.unwrap_err();
    assert_eq!(error.fault(), Fault::GuardrailMissing, "{error}");
    assert!(error.to_string().contains("say pooler=transaction or pooler=session"), "{error}");
}

async fn a_session_pooler_carries_every_limit_and_keeps_it(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    for bouncer in [
        quiet_pooler(version, &server).await,
        PgBouncer::in_front_of(&server).version(version).pool_mode(PoolMode::Session).start().await.unwrap(),
    ] {
        let settings = settings(&bouncer, &server).pooler(PoolerMode::Session).pool_max(1);
        let db = Database::connect(settings).await.unwrap();
        assert_eq!(db.pooler(), Some(Pooler::Session));
        for _ in 0..3 {
            let lease = db.acquire().await.unwrap();
            assert!(lease.missing_guardrails().is_empty());
            let row = lease
                .query_one(
                    "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')",
                    &[],
                )
                .await
                .unwrap();
            assert_eq!((row.get::<_, String>(0), row.get::<_, String>(1)), ("30s".into(), "5s".into()));
            // A session is ours there, and what is done to it is undone.
            lease.batch_execute("RESET ALL; CREATE TEMP TABLE mine (id int)").await.unwrap();
        }
        assert_eq!(db.pool_status().opened, 1);
    }
}

async fn a_session_pooler_that_nobody_described_is_safe(version: PgBouncerVersion) {
    let server = test_server::database().await.unwrap();
    let bouncer = quiet_pooler(version, &server).await;
    let db = Database::connect(settings(&bouncer, &server)).await.unwrap();
    assert_eq!(db.pooler(), Some(Pooler::Transaction), "which is safe with either kind");
    let row = db.query_one("SELECT current_setting('statement_timeout')", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "30s");
}

#[tokio::test]
async fn a_limit_that_the_role_overrides_at_login_is_found() {
    let server = test_server::database().await.unwrap();
    // What start-up says is stronger than what the role says; a database that sets it after login is not.
    let role = server.name();
    server
        .execute(&format!(
            "CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'; ALTER ROLE \"{role}\" SET statement_timeout = '99s'"
        ))
        .await
        .unwrap();
    let settings = server::settings_for(&server).await.user(role).password("x");
    let db = Database::connect(settings).await.unwrap();
    let row = db.query_one("SELECT current_setting('statement_timeout')", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "30s");
    db.close().await;
    server.execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await.unwrap();
}

plimsoll_embedded::on_each_pgbouncer!(
    a_lost_limit_is_an_error_that_names_it,
    a_lost_limit_is_degraded_where_that_was_allowed,
    a_pooler_that_refuses_the_limits_is_named_where_none_was_said,
    a_session_pooler_carries_every_limit_and_keeps_it,
    a_session_pooler_that_nobody_described_is_safe,
);

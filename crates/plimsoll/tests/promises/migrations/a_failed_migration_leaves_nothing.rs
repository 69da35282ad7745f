//! A migration that fails, is dropped or cannot have its lock leaves nothing behind, says where, and can run again.

use super::schema::{fresh, one, until};
use plimsoll::migrate::{MigrateOptions, Migrations};
use plimsoll::{Database, Outcome, Phase, Settings, deadline};
use plimsoll_embedded::test_server::{self};
use plimsoll_faults::{Direction, Fault, Proxy, When};
use std::time::{Duration, Instant};

const SLEEPERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND state = 'active' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_failing_statement_is_named_and_its_file_is_rolled_back() {
    let (database, db) = fresh().await;
    let broken = Migrations::embedded(&[
        ("001_a.sql", "CREATE TABLE a (id int)"),
        (
            "002_b.sql",
            "CREATE TABLE b (id int);\n\n-- Now the mistake:\nINSERT INTO b\n  SELECT nothing FROM b;\n",
        ),
        ("003_c.sql", "CREATE TABLE c (id int)"),
    ]);
    let error = db.migrate(&broken).await.unwrap_err();
    assert_eq!((error.fault(), error.phase()), (plimsoll::Fault::Migration, Phase::Migrate));
    assert_eq!(error.outcome(), Outcome::RolledBack);
    assert_eq!(error.sqlstate().unwrap().code(), "42703");
    let said = error.to_string();
    for part in [
        "002_b.sql failed in statement 2 (line 5)",
        "column \"nothing\" does not exist",
        "nothing of this file was kept",
        "1 before it were applied and stay",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    assert_eq!(one(&database, "SELECT to_regclass('b') IS NULL AND to_regclass('c') IS NULL").await, "true");
    assert_eq!(
        one(&database, "SELECT string_agg(version || state, ',') FROM plimsoll_migrations").await,
        "1done"
    );

    // Corrected, it goes on where it stopped; it was never applied, so its text may change.
    let corrected = Migrations::embedded(&[
        ("001_a.sql", "CREATE TABLE a (id int)"),
        ("002_b.sql", "CREATE TABLE b (id int)"),
    ]);
    let report = db.migrate(&corrected).await.unwrap();
    assert_eq!((report.already, report.applied.len()), (1, 1));
}

#[tokio::test]
async fn a_dropped_migration_is_rolled_back_and_its_lock_is_free() {
    let (database, db) = fresh().await;
    let files = Migrations::embedded(&[("001_a.sql", "CREATE TABLE a (id int); SELECT pg_sleep(60)")]);
    let task = tokio::spawn({
        let db = db.clone();
        async move { db.migrate(&files).await }
    });
    until(&database, SLEEPERS, "1").await;
    task.abort();
    until(&database, SLEEPERS, "0").await;
    let again = Migrations::embedded(&[("001_a.sql", "CREATE TABLE a (id int)")]);
    let report = deadline::within(Duration::from_secs(20), db.migrate(&again)).await.unwrap();
    assert_eq!(report.applied.len(), 1);
}

#[tokio::test]
async fn a_deadline_stops_a_migration_and_the_statement_limits_do_not() {
    let (database, db) = {
        let database = test_server::database().await.unwrap();
        let settings =
            Settings::from_url(database.url()).unwrap().statement_timeout(Duration::from_millis(300));
        let settings =
            settings.lock_timeout(Duration::from_millis(100)).deadline_margin(Duration::from_millis(50));
        let settings = settings.client_connection_check_interval(Duration::from_millis(100));
        let db = Database::connect(
            settings
                .transaction_timeout(Duration::from_millis(900))
                .client_statement_timeout(Duration::from_millis(500))
                .idle_in_transaction_session_timeout(Duration::from_millis(400)),
        )
        .await
        .unwrap();
        (database, db)
    };
    let slow = Migrations::embedded(&[("001_a.sql", "CREATE TABLE a (id int); SELECT pg_sleep(1.2)")]);
    assert_eq!(db.migrate(&slow).await.unwrap().applied.len(), 1);

    let slower = Migrations::embedded(&[
        ("001_a.sql", "CREATE TABLE a (id int); SELECT pg_sleep(1.2)"),
        ("002_b.sql", "CREATE TABLE b (id int); SELECT pg_sleep(60)"),
    ]);
    let error = deadline::within(Duration::from_secs(1), db.migrate(&slower)).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    until(&database, SLEEPERS, "0").await;
    assert_eq!(one(&database, "SELECT to_regclass('b') IS NULL").await, "true");
}

#[tokio::test]
async fn a_lock_that_is_not_to_be_had_holds_nobody_up_and_is_tried_for_again() {
    let (database, db) = fresh().await;
    database.execute("CREATE TABLE busy (id int)").await.unwrap();
    let holder = Database::connect(Settings::from_url(database.url()).unwrap()).await.unwrap();
    let reader = holder.begin().await.unwrap();
    reader.query("SELECT * FROM busy", &[]).await.unwrap();

    let files: &'static [(&str, &str)] =
        &[("001_a.sql", "CREATE TABLE a (id int); ALTER TABLE busy ADD n int")];
    let options = MigrateOptions::default()
        .lock_timeout(Duration::from_millis(100))
        .retry_pause(Duration::from_millis(10));

    let error = db.migrate_with(&Migrations::embedded(files), options.clone().retries(2)).await.unwrap_err();
    let said = error.to_string();
    assert_eq!(error.sqlstate().unwrap().code(), "55P03", "{said}");
    assert!(
        said.contains("statement 2 (line 1) after 3 tries") && said.contains("pg_blocking_pids"),
        "{said}"
    );
    assert_eq!(one(&database, "SELECT to_regclass('a') IS NULL").await, "true");

    let task = tokio::spawn({
        let (db, options) = (db.clone(), options.retries(10_000));
        async move { db.migrate_with(&Migrations::embedded(files), options).await }
    });
    let waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'busy'::regclass";
    until(&database, waiting, "true").await;
    // Behind a waiting ALTER TABLE everybody waits, but not for longer than its short patience.
    let others = Instant::now();
    holder.query("SELECT count(*) FROM busy", &[]).await.unwrap();
    assert!(others.elapsed() < Duration::from_secs(2), "{:?}", others.elapsed());
    reader.rollback().await;
    assert_eq!(task.await.unwrap().unwrap().applied.len(), 1);
}

static ONE: Migrations = Migrations::embedded(&[("001_a.sql", "CREATE TABLE a (id int)")]);
/// None of these bears to be run twice.
static TWO: Migrations = Migrations::embedded(&[
    ("001_a.sql", "CREATE TABLE a (id int)"),
    ("002_b.sql", "CREATE TABLE b (id int); INSERT INTO a VALUES (1)"),
]);

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_looked_up_in_the_history() {
    for which in ["the history's own", "the second file's"] {
        let database = test_server::database().await.unwrap();
        let wire = Proxy::in_front_of(format!("127.0.0.1:{}", database.server().port())).await.unwrap();
        let settings =
            Settings::from_url(database.url()).unwrap().hosts(format!("127.0.0.1:{}", wire.port()));
        let db = Database::connect(settings).await.unwrap();
        if which == "the second file's" {
            db.migrate(&ONE).await.unwrap();
        }
        // With its end, since BEGIN says READ COMMITTED.
        wire.set_once(Fault::on_message(Direction::ToServer, b'Q', "COMMIT\0", When::AnswerDropped));
        let options = MigrateOptions::default().retry_pause(Duration::from_millis(10));
        let report = db.migrate_with(&TWO, options).await.unwrap();
        assert_eq!(wire.struck(), 1, "{which}");
        assert_eq!(report.applied.len() + report.skipped.len() + report.already, 2, "{which}: {report:?}");
        assert_eq!(report.skipped.len(), usize::from(which != "the history's own"), "{which}: {report:?}");
        assert_eq!(one(&database, "SELECT count(*) FROM a").await, "1", "{which}");
        assert!(db.schema_is_current(&TWO).await.unwrap());
    }
}

#[tokio::test]
async fn a_connection_that_is_killed_in_a_file_costs_a_second_try() {
    let (database, db) = fresh().await;
    // A sequence remembers across a rollback.
    database.execute("CREATE SEQUENCE tries").await.unwrap();
    let files = Migrations::embedded(&[(
        "001_a.sql",
        "CREATE TABLE a (id int);
         SELECT CASE WHEN nextval('tries') < 3 THEN pg_terminate_backend(pg_backend_pid()) END;
         INSERT INTO a VALUES (1)",
    )]);
    let options = MigrateOptions::default().retry_pause(Duration::from_millis(10));
    let report = db.migrate_with(&files, options).await.unwrap();
    assert_eq!(report.applied.len(), 1);
    assert_eq!(one(&database, "SELECT last_value FROM tries").await, "3");
    assert_eq!(one(&database, "SELECT count(*) FROM a").await, "1");
}

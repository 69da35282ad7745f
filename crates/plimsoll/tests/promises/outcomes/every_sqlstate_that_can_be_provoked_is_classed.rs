//! Whatever the server says has a class, and the class decides: each SQLSTATE that can be provoked on a real server
//! comes out as the fault, the outcome and the permission to run again that the table promises, and one that nobody
//! has heard of is never run again.

use crate::server;
use plimsoll::{Again, Database, Error, Fault, Isolation, Outcome, Result, Transaction};
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_embedded::{Cluster, StopMode};
use std::collections::HashSet;
use std::time::Duration;

const SCHEMA: &str = "
    CREATE TABLE item (id int PRIMARY KEY, name varchar(3) NOT NULL, price int CHECK (price > 0),
                       parent int REFERENCES item);
    CREATE TABLE slot (during int4range, EXCLUDE USING gist (during WITH &&));
    CREATE FUNCTION deep(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN deep($1 + 1); END $$;
    CREATE FUNCTION say(code text) RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = code; END $$;
    INSERT INTO item VALUES (1, 'one', 1, NULL), (2, 'two', 2, NULL);
    INSERT INTO slot VALUES ('[1, 5)');";

async fn shop() -> (TestDatabase, Database) {
    let db = test_server::database_from("sqlstates", SCHEMA).await.unwrap();
    let pool = server::database(&db).await;
    (db, pool)
}

/// What must be so of an error of the server's.
fn is(error: &Error, code: &str, fault: Fault, outcome: Outcome) {
    assert_eq!(error.sqlstate().map(|state| state.code()), Some(code), "{error}");
    assert_eq!((error.fault(), error.outcome()), (fault, outcome), "{error}");
    assert_eq!(error.code(), fault.code());
    assert!(error.to_string().starts_with(fault.code()), "{error}");
    let gone = matches!(outcome, Outcome::NotStarted | Outcome::RolledBack);
    assert_eq!(error.may_run_again(), gone && fault.again() == Again::IfRolledBack, "{error}");
}

#[tokio::test]
async fn single_statements_are_classed_and_leave_nothing() {
    let (_db, pool) = shop().await;
    let cases: &[(&str, &str, Fault)] = &[
        ("SELECT 1 / 0", "22012", Fault::Data),
        ("SELECT 'x'::int", "22P02", Fault::Data),
        ("INSERT INTO item VALUES (3, 'three', 1)", "22001", Fault::Data),
        ("SELECT 2147483647 + 1", "22003", Fault::Data),
        ("SELECT 'soon'::date", "22007", Fault::Data),
        ("SELECT '2020-13-45'::date", "22008", Fault::Data),
        ("SELECT (SELECT id FROM item)", "21000", Fault::Data),
        ("INSERT INTO item VALUES (3, NULL, 1)", "23502", Fault::Constraint),
        ("INSERT INTO item VALUES (3, 'a', 1, 99)", "23503", Fault::Constraint),
        ("INSERT INTO item VALUES (1, 'a', 1)", "23505", Fault::Constraint),
        ("INSERT INTO item VALUES (3, 'a', 0)", "23514", Fault::Constraint),
        ("INSERT INTO slot VALUES ('[2, 3)')", "23P01", Fault::Constraint),
        ("SAVEPOINT a", "25P01", Fault::TransactionState),
        ("EXECUTE nobody", "26000", Fault::StalePlan),
        ("CLOSE nobody", "34000", Fault::TransactionState),
        ("SELEKT 1", "42601", Fault::BadStatement),
        ("SELECT * FROM nowhere", "42P01", Fault::BadStatement),
        ("SELECT nothing FROM item", "42703", Fault::BadStatement),
        ("SELECT unheard_of(1)", "42883", Fault::BadStatement),
        ("CREATE TABLE item (id int)", "42P07", Fault::BadStatement),
        ("SELECT 1 UNION SELECT 2 FOR UPDATE", "0A000", Fault::BadStatement),
        ("SELECT deep(1)", "54001", Fault::ServerResources),
        ("SELECT say('P0001')", "P0001", Fault::Raised),
        ("SELECT say('08006')", "08006", Fault::ForeignServer),
        ("SELECT say('57P01')", "57P01", Fault::ForeignServer),
        ("SELECT say('HV00N')", "HV00N", Fault::ForeignServer),
        ("SELECT say('28000')", "28000", Fault::Privilege),
        ("SELECT say('XX000')", "XX000", Fault::Server),
        ("SELECT say('XX001')", "XX001", Fault::Server),
        ("SELECT say('58030')", "58030", Fault::Server),
        ("SELECT say('53100')", "53100", Fault::ServerResources),
        ("SELECT say('53200')", "53200", Fault::ServerResources),
        ("SELECT say('QQ123')", "QQ123", Fault::Server),
    ];
    for (sql, code, fault) in cases {
        let error = pool.query(sql, &[]).await.unwrap_err();
        // A mistake that shows when the statement is prepared has not run; one that shows later was undone.
        assert!(matches!(error.outcome(), Outcome::NotStarted | Outcome::RolledBack), "{sql}: {error}");
        is(&error, code, *fault, error.outcome());
    }
    let left = pool.query_one("SELECT (SELECT count(*) FROM item) + (SELECT count(*) FROM slot)", &[]).await;
    assert_eq!(left.unwrap().get::<_, i64>(0), 3);
}

#[tokio::test]
async fn what_only_a_transaction_can_say_is_classed() {
    let (_db, pool) = shop().await;
    let error = pool.transaction(async |tx| tx.execute("VACUUM item", &[]).await).await.unwrap_err();
    is(&error, "25001", Fault::TransactionState, Outcome::RolledBack);

    let write = async |tx: Transaction| tx.execute("DELETE FROM item", &[]).await;
    let error = pool.named("look").read_only().transaction(write).await.unwrap_err();
    is(&error, "25006", Fault::Usage, Outcome::RolledBack);
    assert!(error.sentence().contains("declared read_only"), "{error}");
    let error = pool.named("look").read_only().execute("DELETE FROM item", &[]).await.unwrap_err();
    is(&error, "25006", Fault::Usage, Outcome::RolledBack);

    let after_a_failure = async |tx: Transaction| {
        let _passed_over = tx.query("SELECT 1 / 0", &[]).await;
        tx.query("SELECT 1", &[]).await
    };
    let error = pool.transaction(after_a_failure).await.unwrap_err();
    is(&error, "25P02", Fault::TransactionState, Outcome::RolledBack);

    let as_another = async |tx: Transaction| {
        tx.batch_execute("SET LOCAL ROLE pg_monitor").await?;
        tx.query("SELECT * FROM item", &[]).await
    };
    let error = pool.transaction(as_another).await.unwrap_err();
    is(&error, "42501", Fault::Privilege, Outcome::RolledBack);
}

#[tokio::test]
async fn a_server_that_only_reads_is_told_from_work_that_only_reads_and_its_connection_is_given_up() {
    let (db, pool) = shop().await;
    pool.execute("UPDATE item SET price = 3", &[]).await.unwrap();
    // As a server that was demoted: the sessions after this can only read.
    db.execute(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", db.name()))
        .await
        .unwrap();
    let there = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    db.execute(there).await.unwrap();
    until_all_have_gone(&db).await;
    let delete = "DELETE FROM item";
    for _ in 0..2 {
        let lease = pool.acquire().await.unwrap();
        let error = lease.execute(delete, &[]).await.unwrap_err();
        is(&error, "25006", Fault::ReadOnlyServer, Outcome::RolledBack);
        drop(lease);
        until_all_have_gone(&db).await;
    }
    let error = pool.transaction(async |tx| tx.execute(delete, &[]).await).await.unwrap_err();
    is(&error, "25006", Fault::ReadOnlyServer, Outcome::RolledBack);
    until_all_have_gone(&db).await;
}

#[tokio::test]
async fn a_plan_that_the_schema_left_behind_heals_alone_and_is_told_in_a_transaction() {
    let (db, _) = shop().await;
    let pool = Database::connect(server::settings_for(&db).await.pool_max(1)).await.unwrap();
    let sql = "SELECT * FROM slot";
    for _ in 0..3 {
        pool.query(sql, &[]).await.unwrap();
    }
    db.execute("ALTER TABLE slot ADD COLUMN note text").await.unwrap();
    let rows = pool.query(sql, &[]).await.unwrap();
    assert_eq!(rows[0].len(), 2, "alone it is prepared anew");

    db.execute("ALTER TABLE slot ADD COLUMN more text").await.unwrap();
    let error = pool.transaction(async |tx| tx.query(sql, &[]).await).await.unwrap_err();
    is(&error, "0A000", Fault::StalePlan, Outcome::RolledBack);
    let rows = pool.retrying(async |tx| tx.query(sql, &[]).await).await.unwrap();
    assert_eq!(rows[0].len(), 3);
}

#[tokio::test]
async fn locks_and_collisions_are_classed() {
    let (db, pool) = shop().await;
    let holder = pool.begin().await.unwrap();
    holder.execute("UPDATE item SET price = 9 WHERE id = 1", &[]).await.unwrap();
    let at_once = "SELECT * FROM item WHERE id = 1 FOR UPDATE NOWAIT";
    let error = pool.query(at_once, &[]).await.unwrap_err();
    is(&error, "55P03", Fault::LockTimeout, Outcome::RolledBack);
    let impatient = pool.named("price").lock_timeout(Duration::from_millis(50));
    let error = impatient.execute("UPDATE item SET price = 8 WHERE id = 1", &[]).await.unwrap_err();
    is(&error, "55P03", Fault::LockTimeout, Outcome::RolledBack);
    holder.rollback().await;

    let serial = || pool.named("serial").isolation(Isolation::Serializable).begin();
    let (one, two) = (serial().await.unwrap(), serial().await.unwrap());
    for tx in [&one, &two] {
        tx.query("SELECT sum(price) FROM item", &[]).await.unwrap();
        tx.execute("UPDATE item SET price = price + 1 WHERE id = 2", &[]).await.ok();
        if std::ptr::eq(tx, &one) {
            one.execute("INSERT INTO item VALUES (5, 'a', 1)", &[]).await.unwrap();
            break;
        }
    }
    two.query("SELECT sum(price) FROM item", &[]).await.unwrap();
    one.commit().await.unwrap();
    let error = two.execute("UPDATE item SET price = price + 1 WHERE id = 2", &[]).await.unwrap_err();
    is(&error, "40001", Fault::SerializationFailure, Outcome::RolledBack);
    drop(two);

    let update = "UPDATE item SET price = price + 1 WHERE id = $1";
    let (one, two) = (pool.begin().await.unwrap(), pool.begin().await.unwrap());
    for (tx, id) in [(&one, 1), (&two, 2)] {
        tx.batch_execute("SET LOCAL deadlock_timeout = '50ms'").await.unwrap();
        tx.execute(update, &[&id]).await.unwrap();
    }
    let (first, second) = tokio::join!(one.execute(update, &[&2]), async {
        let waits = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND pid IN \
                     (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        server::until("the first waits", server::PATIENCE, async || server::text(&db, waits).await != "0")
            .await;
        let answer = two.execute(update, &[&1]).await;
        two.rollback().await;
        answer
    });
    let error = first.err().or(second.err()).expect("one of them is the victim");
    is(&error, "40P01", Fault::Deadlock, Outcome::RolledBack);
}

#[tokio::test]
async fn who_stopped_a_statement_is_told_apart() {
    let (db, pool) = shop().await;
    let sleep = "SELECT pg_sleep(60)";
    let error =
        pool.named("nap").statement_timeout(Duration::from_millis(100)).query(sleep, &[]).await.unwrap_err();
    is(&error, "57014", Fault::StatementTimeout, Outcome::RolledBack);
    let strict = server::settings_for(&db).await.statement_timeout(Duration::from_millis(150));
    let strict = Database::connect(strict).await.unwrap();
    let error = strict.query(sleep, &[]).await.unwrap_err();
    is(&error, "57014", Fault::StatementTimeout, Outcome::RolledBack);
    let error = strict.transaction(async |tx| tx.query(sleep, &[]).await).await.unwrap_err();
    is(&error, "57014", Fault::StatementTimeout, Outcome::RolledBack);

    let interrupted = async |by: &str, transaction: bool| {
        let there = format!(
            "SELECT {by}(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' \
             AND wait_event = 'PgSleep'"
        );
        let strike = server::until("the sleeper is struck", server::PATIENCE, async || {
            !db.execute(&there).await.unwrap().is_empty()
        });
        let sleeper = async {
            match transaction {
                true => pool.transaction(async |tx| tx.query(sleep, &[]).await).await,
                false => pool.query(sleep, &[]).await,
            }
        };
        let (answer, ()) = tokio::join!(sleeper, strike);
        answer.unwrap_err()
    };
    let error = interrupted("pg_cancel_backend", false).await;
    is(&error, "57014", Fault::CancelledByOther, Outcome::RolledBack);
    let error = interrupted("pg_cancel_backend", true).await;
    is(&error, "57014", Fault::CancelledByOther, Outcome::RolledBack);
    let error = interrupted("pg_terminate_backend", false).await;
    is(&error, "57P01", Fault::ServerShutdown, Outcome::Unknown);
    let error = interrupted("pg_terminate_backend", true).await;
    is(&error, "57P01", Fault::ServerShutdown, Outcome::RolledBack);
}

/// Waits until no backend but the asking one and the heartbeat's is left in the database.
async fn until_all_have_gone(db: &TestDatabase) {
    let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() \
               AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
               AND application_name NOT LIKE '%(heartbeat)'";
    server::until("the server ended them", server::PATIENCE, async || server::text(db, sql).await == "0")
        .await;
}

#[tokio::test]
async fn sessions_that_the_server_ended_for_idleness_are_told_as_such() {
    let db = test_server::database_from("sqlstates", SCHEMA).await.unwrap();
    let settings = server::settings_for(&db).await.pool_max(1);
    let pool = Database::connect(settings.idle_in_transaction_session_timeout(Duration::from_millis(100)))
        .await
        .unwrap();
    let work = async |tx: Transaction| {
        tx.execute("DELETE FROM slot", &[]).await?;
        until_all_have_gone(&db).await;
        tx.query("SELECT 1", &[]).await
    };
    // Not by `transaction`, whose future must be able to go to another thread.
    let tx = pool.begin().await.unwrap();
    tx.execute("DELETE FROM slot", &[]).await.unwrap();
    until_all_have_gone(&db).await;
    let error = tx.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::IdleSessionEnded, Outcome::RolledBack), "{error}");
    let error = tx.commit().await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::IdleSessionEnded, Outcome::RolledBack), "{error}");
    let _ = work;

    let lease = pool.acquire().await.unwrap();
    lease.batch_execute("SET idle_session_timeout = '50ms'").await.unwrap();
    until_all_have_gone(&db).await;
    let error = lease.query("SELECT 1", &[]).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::IdleSessionEnded, Outcome::NotStarted), "{error}");
    drop(lease);
    assert_eq!(server::text(&db, "SELECT count(*) AS n FROM slot").await, "1");
    pool.query_one("SELECT 1", &[]).await.expect("the next one gets another connection");
}

#[tokio::test]
async fn what_keeps_a_connection_from_being_made_is_told_apart() {
    let cluster = Cluster::start().await.unwrap();
    let setup = "CREATE ROLE crowded LOGIN PASSWORD 'secret-7' CONNECTION LIMIT 0";
    cluster.execute("postgres", setup).await.unwrap();
    let url = |user: &str, password: &str, database: &str| {
        format!("postgres://{user}:{password}@{}:{}/{database}", cluster.host(), cluster.port())
    };
    let connect = async |url: String| Database::connect(server::settings(&url)).await;

    let error = connect(url("crowded", "wrong-9", "postgres")).await.unwrap_err();
    is(&error, "28P01", Fault::Authentication, Outcome::NotStarted);
    assert!(!format!("{error} {error:?}").contains("wrong-9"), "{error:?}");
    let error = connect(cluster.url("nowhere")).await.unwrap_err();
    is(&error, "3D000", Fault::Authentication, Outcome::NotStarted);

    let crowded = connect(url("crowded", "secret-7", "postgres")).await.expect("waiting may heal it");
    let short = Duration::from_millis(400);
    let error = crowded.named("enter").acquire_within(short).acquire().await.unwrap_err();
    is(&error, "53300", Fault::TooManyConnections, Outcome::NotStarted);
    cluster.execute("postgres", "ALTER ROLE crowded CONNECTION LIMIT 5").await.unwrap();
    crowded.query_one("SELECT 1", &[]).await.expect("and now it has");
    crowded.close().await;

    let stays = server::bare(&cluster.url("postgres")).await;
    let stopping = async { cluster.stop_mode(StopMode::Smart).await };
    let asking = async {
        let url = cluster.url("postgres");
        server::until("the server turns newcomers away", server::PATIENCE, async || {
            let pool = Database::connect(server::settings(&url)).await.expect("waiting may heal it");
            let asked = pool.named("enter").acquire_within(Duration::from_millis(300)).acquire().await;
            let told = asked.err().filter(|error| error.fault() == Fault::NotAccepting);
            if let Some(error) = &told {
                is(error, "57P03", Fault::NotAccepting, Outcome::NotStarted);
            }
            told.is_some()
        })
        .await;
        drop(stays);
    };
    let (stopped, ()) = tokio::join!(stopping, asking);
    stopped.unwrap();

    let away = connect(cluster.url("postgres")).await.expect("waiting may heal it");
    let error = away.named("enter").acquire_within(short).acquire().await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::Unreachable, Outcome::NotStarted), "{error}");
}

#[test]
fn every_fault_has_a_code_of_its_own_a_cause_and_a_remedy() {
    let mut codes = HashSet::new();
    for fault in Fault::ALL {
        let advice = fault.advice();
        assert!(codes.insert(advice.code), "{} is used twice", advice.code);
        let parts: Vec<_> = advice.code.split('-').collect();
        assert!(
            matches!(parts[..], ["PL", room, number] if room.len() == 3 && number.len() == 2),
            "{}",
            advice.code
        );
        assert!(advice.cause.len() > 10 && advice.remedy.len() > 3, "{fault:?}: {advice:?}");
        assert!(!advice.cause.ends_with('.') && !advice.remedy.ends_with('.'), "{fault:?}: {advice:?}");
    }
    assert_eq!(codes.len(), Fault::ALL.len());
}

#[test]
fn only_these_codes_may_ever_run_again() {
    let codes = "00000 01000 02000 03000 08000 08001 08003 08004 08006 08007 08P01 09000 0A000 0B000 0F000 0L000 0P000 \
        0Z000 20000 21000 22000 22001 22003 22012 22P02 23000 23502 23503 23505 23514 23P01 24000 25000 25001 25006 \
        25P01 25P02 25P03 25P04 26000 27000 28000 28P01 2B000 2D000 2F000 34000 38000 39000 3B000 3D000 3F000 40000 \
        40001 40002 40003 40P01 42000 42501 42601 42703 42P01 44000 53000 53100 53200 53300 53400 54000 54001 55000 \
        55006 55P02 55P03 55P04 57000 57014 57P01 57P02 57P03 57P04 57P05 58000 58030 58P01 72000 F0000 HV000 P0000 \
        P0001 P0002 P0004 XX000 XX001 XX002 ZZ999";
    let again: Vec<&str> = codes
        .split_whitespace()
        .filter(|code| Fault::of_sqlstate(code).again() == Again::IfRolledBack)
        .collect();
    let allowed = "08000 08001 08003 08004 08006 08007 08P01 25006 25P03 26000 40000 40001 40003 40P01 53300 55P03 57P01 57P02 \
        57P03 57P04 57P05";
    assert_eq!(again, allowed.split_whitespace().collect::<Vec<_>>());
}

proptest::proptest! {
    #[test]
    fn a_code_that_nobody_has_heard_of_is_never_run_again(code in "[5-9A-Z][Q-Z0-9][0-9A-Z]{3}") {
        let known = ["53", "54", "55", "57", "HV", "P0", "F0"].iter().any(|class| code.starts_with(class));
        proptest::prop_assume!(!known);
        proptest::prop_assert_eq!(Fault::of_sqlstate(&code), Fault::Server);
        proptest::prop_assert_eq!(Fault::of_sqlstate(&code).again(), Again::Never);
    }

    #[test]
    fn no_text_makes_it_panic(code: String) {
        let _ = Fault::of_sqlstate(&code);
    }
}

#[expect(dead_code, reason = "it is enough that it compiles: an error goes where errors go")]
async fn an_error_travels(pool: &Database) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    pool.query("SELECT 1", &[]).await?;
    Ok(())
}

//! When the server answers with an error, a query has left nothing; a procedure that commits half-way has. So only what is
//! known to be done whole or not at all is called rolled back, and only that runs again; everything else is unknown.

use crate::ledger::{entries, ledger};
use crate::server;
use plimsoll::{Database, Error, Fault, Outcome, Transaction};
use plimsoll_embedded::test_server::TestDatabase;

/// Puts a row down, commits it, and raises this SQLSTATE.
const PROCEDURE: &str = "CREATE PROCEDURE half(code text) LANGUAGE plpgsql AS $$ \
     BEGIN INSERT INTO entry SELECT coalesce(max(id), 0) + 1 FROM entry; COMMIT; \
           RAISE EXCEPTION 'half-way' USING ERRCODE = code; END $$;
     CREATE FUNCTION whole(code text) RETURNS int LANGUAGE plpgsql AS $$ \
     BEGIN INSERT INTO entry SELECT coalesce(max(id), 0) + 1 FROM entry; \
           RAISE EXCEPTION 'as asked' USING ERRCODE = code; END $$;";

/// Codes that would be run again, or be taken for something else, if they came from the server itself.
const CODES: [&str; 12] = [
    "P0001", "40001", "40P01", "26000", "0A000", "42P01", "42883", "42704", "XX000", "08006", "57P01",
    "55P03",
];

async fn shop() -> (TestDatabase, Database) {
    let db = ledger().await;
    db.execute(PROCEDURE).await.unwrap();
    let pool = server::database(&db).await;
    (db, pool)
}

fn is_unknown(error: &Error) {
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert!(!error.may_run_again(), "{error}");
}

#[tokio::test]
async fn a_procedure_that_commits_is_run_once_and_is_unknown() {
    let (db, pool) = shop().await;
    for (count, code) in (1..).zip(CODES) {
        let call = format!("CALL half('{code}')");
        let error = match count % 4 {
            0 => pool.execute(&call, &[]).await.unwrap_err(),
            1 => pool.execute("CALL half($1)", &[&code]).await.unwrap_err(),
            2 => pool.acquire().await.unwrap().batch_execute(&call).await.unwrap_err(),
            _ => pool.named("half").idempotent().execute(&call, &[]).await.unwrap_err(),
        };
        is_unknown(&error);
        assert_eq!(error.sqlstate().map(|state| state.code()), Some(code));
        assert_eq!(entries(&db).await.len(), count, "{code}: it ran once");
    }
}

#[tokio::test]
async fn also_when_it_was_prepared_and_used_before() {
    let (db, pool) = shop().await;
    let lease = pool.acquire().await.unwrap();
    let statement = lease.prepare("CALL half($1)").await.unwrap();
    for (count, code) in (1..).zip(["42P01", "40001", "26000"]) {
        is_unknown(&lease.execute(&statement, &[&code]).await.unwrap_err());
        assert_eq!(entries(&db).await.len(), count);
    }
    for (count, code) in (4..).zip(["42P01", "40001", "26000"]) {
        is_unknown(&pool.execute("CALL half($1)", &[&code]).await.unwrap_err());
        assert_eq!(entries(&db).await.len(), count);
    }
}

#[tokio::test]
async fn so_is_a_block_of_code() {
    let (db, pool) = shop().await;
    for (count, code) in (1..).zip(CODES) {
        let block = format!(
            "DO $$ BEGIN INSERT INTO entry VALUES ({count}); COMMIT; RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$"
        );
        let error = match count % 2 {
            0 => pool.execute(&block, &[]).await.unwrap_err(),
            _ => {
                pool.acquire().await.unwrap().batch_execute(&format!("/* c */ ; {block}")).await.unwrap_err()
            }
        };
        is_unknown(&error);
        assert_eq!(entries(&db).await.len(), count, "{code}: it ran once");
    }
    // Within a name that SQL gave it, too.
    let lease = pool.acquire().await.unwrap();
    is_unknown(&lease.batch_execute("SELECT 1; EXECUTE nobody").await.unwrap_err());
}

#[tokio::test]
async fn what_works_in_transactions_of_its_own_is_unknown() {
    let (db, pool) = shop().await;
    db.execute("INSERT INTO entry VALUES (1); CREATE TABLE twice (n int); INSERT INTO twice VALUES (1), (1)")
        .await
        .unwrap();
    let lease = pool.acquire().await.unwrap();
    let error = lease.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY once ON twice (n)").await.unwrap_err();
    is_unknown(&error);
    let left = server::text(&db, "SELECT count(*) FROM pg_class WHERE relname = 'once'").await;
    assert_eq!(left, "1", "an invalid index is left");
    let error = lease.batch_execute("CREATE UNIQUE INDEX one ON twice (n)").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
}

#[tokio::test]
async fn a_query_that_fails_is_rolled_back_and_what_its_functions_say_does_not_run_it_again() {
    let (db, pool) = shop().await;
    db.execute(
        "CREATE SEQUENCE runs; CREATE FUNCTION counted(code text) RETURNS int LANGUAGE plpgsql AS $$ \
                BEGIN PERFORM nextval('runs'); RETURN whole(code); END $$",
    )
    .await
    .unwrap();
    for (count, code) in (1..).zip(CODES) {
        for sql in ["SELECT counted($1)", "WITH a AS (SELECT counted($1) AS n) SELECT n FROM a"] {
            let error = pool.query(sql, &[&code]).await.unwrap_err();
            assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
        }
        let runs = server::text(&db, "SELECT last_value FROM runs").await;
        assert_eq!(runs, (2 * count).to_string(), "{code}: once each");
    }
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn what_never_ran_is_told_as_such_whatever_it_was_to_do() {
    let (_db, pool) = shop().await;
    let lease = pool.acquire().await.unwrap();
    let never =
        ["CALL nowhere()", "CALL half(1, 2, 3)", "SELEKT 1", "CALL half('x'", "DO LANGUAGE nothing 'x'"];
    for sql in never {
        let error = pool.execute(sql, &[]).await.unwrap_err();
        assert!(
            matches!(error.outcome(), Outcome::NotStarted | Outcome::RolledBack | Outcome::Unknown),
            "{error}"
        );
        if !sql.starts_with("DO") {
            assert!(matches!(error.outcome(), Outcome::NotStarted | Outcome::RolledBack), "{error}");
        }
    }
    let error = lease.batch_execute("CALL nowhere()").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    // Behind a COMMIT the same words prove nothing.
    is_unknown(&lease.batch_execute("BEGIN; COMMIT; CALL nowhere()").await.unwrap_err());
}

#[tokio::test]
async fn inside_a_transaction_nothing_commits_half_way() {
    let (db, pool) = shop().await;
    let work = async |tx: Transaction| tx.execute("CALL half('P0001')", &[]).await;
    let error = pool.transaction(work).await.unwrap_err();
    assert_eq!((error.fault(), error.outcome()), (Fault::TransactionState, Outcome::RolledBack), "{error}");
    assert!(entries(&db).await.is_empty());
}

#[tokio::test]
async fn an_error_of_the_bare_driver_claims_nothing() {
    let (db, _pool) = shop().await;
    let bare = server::bare(&db.url()).await;
    for sql in ["CALL half('P0001')", "SELECT whole('40003')", "SELECT whole('08007')", "SELECT 1 / 0"] {
        let error = Error::from(bare.batch_execute(sql).await.unwrap_err());
        is_unknown(&error);
    }
    assert_eq!(
        Error::from(bare.batch_execute("SELECT whole('08006')").await.unwrap_err()).fault(),
        Fault::ForeignServer
    );
    let error =
        Error::from(bare.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err());
    is_unknown(&error);
}

#[tokio::test]
async fn a_code_that_a_function_borrows_says_nothing_about_the_connection() {
    let (db, _) = shop().await;
    let pool = Database::connect(server::settings_for(&db).await.pool_max(1)).await.unwrap();
    for code in
        ["08000", "08001", "08003", "08006", "57P01", "57P02", "57P03", "57P05", "25P03", "53300", "HV00N"]
    {
        let error = pool.query("SELECT whole($1)", &[&code]).await.unwrap_err();
        assert_eq!((error.fault(), error.outcome()), (Fault::ForeignServer, Outcome::RolledBack), "{error}");
    }
    for code in ["08007", "40003"] {
        let error = pool.query("SELECT whole($1)", &[&code]).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    }
    assert_eq!(pool.pool_status().opened, 1, "the connection is as good as before");
}

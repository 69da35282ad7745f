//! `copy_in` and `copy_out` take their own COPY and nothing else: another statement is refused before it is sent, with the
//! name of the method that takes it, and the connection goes on.

use crate::ledger::{entries, ledger};
use crate::server;
use bytes::Bytes;
use futures_util::TryStreamExt;
use plimsoll::{Database, Fault, Outcome, Result};

const INSERT: &str = "INSERT INTO entry VALUES (1)";

#[track_caller]
fn is_refused<T>(told: Result<T>, sql: &str, part: &str) {
    let Err(error) = told else { panic!("{sql}: it is no success") };
    assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{sql}: {error}");
    assert!(error.sentence().contains(part), "{sql}: {part:?} is missing: {error}");
}

#[tokio::test]
async fn and_names_the_one_that_does() {
    let fresh = ledger().await;
    let pool = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let before: i32 = lease.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let cases = [
        ("SELECT 1", "use query, execute or batch_execute"),
        (INSERT, "use query, execute or batch_execute"),
        ("", "no COPY"),
        ("COPY entry TO '/tmp/never'", "use execute"),
        ("COPY entry FROM PROGRAM 'false'", "use execute"),
    ];
    for (sql, part) in cases {
        is_refused(lease.copy_out(sql).await, sql, part);
        is_refused(lease.copy_in::<Bytes>(sql).await, sql, part);
    }
    is_refused(lease.copy_out("/* TO STDOUT */ COPY entry FROM STDIN").await, "out", "use copy_in");
    is_refused(lease.copy_in::<Bytes>("COPY (SELECT 'FROM STDIN') TO STDOUT").await, "in", "use copy_out");
    let bytes: Vec<Bytes> =
        lease.copy_out("-- x\nCOPY (SELECT 'STDIN') TO STDOUT").await.unwrap().try_collect().await.unwrap();
    assert_eq!(bytes.concat(), b"STDIN\n");
    let after: i32 = lease.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    assert_eq!(before, after, "no connection was lost");
    drop(lease);

    let told = pool
        .transaction(async |tx| {
            tx.execute("INSERT INTO entry VALUES (7)", &[]).await?;
            is_refused(tx.copy_out(INSERT, async |_| Ok(())).await, INSERT, "use query");
            is_refused(tx.copy_in::<Bytes, _>(INSERT, async |_| Ok(())).await, INSERT, "use query");
            tx.execute("INSERT INTO entry VALUES (8)", &[]).await
        })
        .await;
    assert_eq!(told.unwrap(), 1);
    assert_eq!(entries(&fresh).await, [7, 8]);
}

/// A COPY that the server refuses says why; the driver cannot go on with that connection, and the next statement on it says
/// so.
#[tokio::test]
async fn a_copy_that_the_server_refuses_says_why_and_so_does_what_comes_after() {
    let fresh = ledger().await;
    let pool = Database::connect(server::settings_for(&fresh).await.pool_max(1)).await.unwrap();
    let lease = pool.acquire().await.unwrap();
    let error = lease.copy_in::<Bytes>("COPY nowhere FROM STDIN").await.map(drop).unwrap_err();
    assert!(error.sentence().contains("does not exist"), "{error}");
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    let next = lease.query("SELECT 1", &[]).await.unwrap_err();
    assert!(next.sentence().contains("refused the start of a COPY"), "{next}");
    drop(lease);
    pool.query_one("SELECT 1", &[]).await.unwrap();
}

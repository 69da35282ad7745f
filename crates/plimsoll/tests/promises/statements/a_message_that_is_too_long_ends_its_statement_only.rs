//! A row, or another message, that is longer than `max_message` is not read into memory. Its statement fails with both
//! lengths in the error and is not run again; the server is not called away, and other calls go on.

use crate::server::settings_for;
use futures_util::TryStreamExt;
use plimsoll::{Database, Fault, Outcome};
use plimsoll_embedded::test_server;
use plimsoll_embedded::test_server::TestDatabase;
use std::pin::pin;

const MIB: usize = 1024 * 1024;

/// A pool that reads messages of 1 MiB.
async fn pool(server: &TestDatabase) -> Database {
    Database::connect(settings_for(server).await.max_message(1)).await.unwrap()
}

#[track_caller]
fn is_told(error: &plimsoll::Error, what: &str, bytes: usize) {
    let text = error.to_string();
    assert_eq!((error.fault(), error.may_run_again()), (Fault::Usage, false), "{text}");
    assert!(text.contains(&format!("{what} of {bytes} bytes")), "{text}");
    assert!(text.contains("max_message allows 1048576"), "{text}");
}

#[tokio::test]
async fn a_row() {
    let server = test_server::database_from("long_row", "CREATE SEQUENCE runs").await.unwrap();
    let db = pool(&server).await;
    // The number of columns, the length of the value, the value.
    let longest = (MIB - 2 - 4) as i32;
    let row = db.query_one("SELECT repeat('x', $1::int4)", &[&longest]).await.unwrap();
    assert_eq!(row.get::<_, String>(0).len(), MIB - 6);
    let error = db.query_one("SELECT repeat('x', $1::int4)", &[&(longest + 1)]).await.unwrap_err();
    is_told(&error, "a row", MIB + 1);

    // It would be as long the next time.
    let sql = "SELECT nextval('runs'), repeat('x', 3000000)";
    let error = db.named("long").idempotent().query_one(sql, &[]).await.unwrap_err();
    is_told(&error, "a row", 2 + 4 + 8 + 4 + 3_000_000);
    assert_eq!(db.query_one("SELECT nextval('runs')", &[]).await.unwrap().get::<_, i64>(0), 2);

    // A transaction has ended with its connection.
    let error = db
        .transaction(async |tx| {
            tx.execute("CREATE TABLE undone ()", &[]).await?;
            tx.query_one(sql, &[]).await
        })
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::RolledBack, "{error}");
    is_told(&error, "a row", 2 + 4 + 8 + 4 + 3_000_000);
    assert!(db.query_one("SELECT to_regclass('undone') IS NULL", &[]).await.unwrap().get::<_, bool>(0));
    // The server is well all the while.
    assert_eq!(db.breaker().trips, 0);
}

#[tokio::test]
async fn a_row_of_a_stream_or_a_copy() {
    let server = test_server::database().await.unwrap();
    let db = pool(&server).await;
    let lease = db.acquire().await.unwrap();
    // What is long as a whole is no long message.
    let sql = "SELECT repeat('x', 1000) FROM generate_series(1, 10000)";
    let rows = pin!(lease.query_stream(sql, &[]).await.unwrap());
    assert_eq!(rows.try_fold(0, async |count, _| Ok(count + 1)).await.unwrap(), 10_000);
    let copied = pin!(lease.copy_out(&format!("COPY ({sql}) TO STDOUT")).await.unwrap());
    assert_eq!(copied.try_fold(0, async |bytes, piece| Ok(bytes + piece.len())).await.unwrap(), 10_010_000);
    // A short row first, and then one that is too long.
    let sql = "SELECT repeat('x', n) FROM (VALUES (10), (2000000)) AS t(n)";
    let rows = lease.query_stream(sql, &[]).await;
    let error = match rows {
        Ok(rows) => pin!(rows).try_fold((), async |(), _| Ok(())).await.unwrap_err(),
        Err(error) => error,
    };
    is_told(&error, "a row", 2_000_006);
    let lease = db.acquire().await.unwrap();
    let copied = lease.copy_out(&format!("COPY ({sql}) TO STDOUT")).await;
    let error = match copied {
        Ok(copied) => pin!(copied).try_fold((), async |(), _| Ok(())).await.unwrap_err(),
        Err(error) => error,
    };
    is_told(&error, "a row of a COPY", 2_000_001);
    db.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn an_error_and_a_notice() {
    let server = test_server::database().await.unwrap();
    let db = pool(&server).await;
    for (level, what) in [("EXCEPTION", "an error"), ("NOTICE", "a notice")] {
        let lease = db.acquire().await.unwrap();
        let raise = format!("DO $$ BEGIN RAISE {level} '%', repeat('x', 2000000); END $$");
        let error = lease.batch_execute(&raise).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.fault(), Fault::Usage, "{text}");
        assert!(text.contains(&format!("{what} of 2000")), "{text}");
        // What comes next on this lease is told why.
        let error = lease.query_one("SELECT 1", &[]).await.unwrap_err();
        assert_eq!((error.fault(), error.outcome()), (Fault::Usage, Outcome::NotStarted), "{error}");
        assert!(error.to_string().contains("max_message"), "{error}");
    }
    db.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn what_is_no_server_of_postgresql_is_left_at_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 512]).await;
            // Read as a message, its length is 1.4 GB: "TTP/".
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = stream.read(&mut [0; 512]).await;
        }
    });
    let url = format!("postgres://app@127.0.0.1:{port}/app?sslmode=disable");
    let settings = crate::server::settings(&url).pool_min(1).pool_timeout(std::time::Duration::from_secs(3));
    let error = match Database::connect(settings).await {
        Ok(db) => db.ready().await.unwrap_err(),
        Err(error) => error,
    };
    let text = error.to_string();
    assert!(text.contains("is it PostgreSQL?") && text.contains("1414811691 bytes"), "{text}");
    served.abort();
}

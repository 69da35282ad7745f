//! Memory is flat over calls of every kind and size, here and in the server's backends: known texts and new ones, long
//! texts, parameters and rows of a kilobyte to eight megabytes, errors, streams that are dropped half-way, copies.
//! `PLIMSOLL_CALLS` says how many: 30,000, and ten million in `make soak`.

use crate::server::{number, resident, settings_for};
use bytes::Bytes;
use futures_util::StreamExt;
use plimsoll::{Database, Result};
use plimsoll_embedded::test_server;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::SimpleQueryMessage;

const CONNECTIONS: usize = 4;

/// Sends a parameter of so many bytes and reads a row as long.
async fn echo(db: &Database, bytes: usize) -> Result<()> {
    let text = "x".repeat(bytes);
    let row = db.query_one("SELECT $1::text", &[&text]).await?;
    assert_eq!(row.get::<_, &str>(0).len(), bytes);
    Ok(())
}

/// A stream of which a few rows are read, and a copy in and out.
async fn stream_and_copy(db: &Database) -> Result<()> {
    let lease = db.acquire().await?;
    {
        let rows = lease.query_stream("SELECT repeat('x', 1000) FROM generate_series(1, 5000)", &[]).await?;
        assert_eq!(pin!(rows).take(10).count().await, 10);
    }
    let mut copy = lease.copy_in::<Bytes>("COPY copied FROM STDIN").await?;
    for _ in 0..10 {
        copy.send(Bytes::from("a line\n".repeat(1_000))).await?;
    }
    assert_eq!(copy.finish().await?, 10_000);
    {
        let copied = pin!(lease.copy_out("COPY copied TO STDOUT").await?);
        assert_eq!(copied.count().await, 10_000);
    }
    lease.batch_execute("TRUNCATE copied").await
}

/// One call, of the kind that its number says.
async fn call(db: &Database, number: u64) -> Result<()> {
    let new = |bytes: usize| format!("SELECT {number} /* {} */", "x".repeat(bytes));
    match number {
        _ if number % 5_000 == 1 => db.query_one(&new(1_000_000), &[]).await.map(drop),
        _ if number % 2_000 == 2 => echo(db, fastrand::usize(1_000_000..8_000_000)).await,
        _ if number % 2_000 == 3 => stream_and_copy(db).await,
        _ if number % 200 == 4 => echo(db, fastrand::usize(1_000..64_000)).await,
        _ if number % 100 == 5 => db.query_one(&new(20_000), &[]).await.map(drop),
        _ if number % 100 == 6 => {
            assert!(db.query_one("SELECT 1 / $1::int4", &[&0]).await.is_err());
            Ok(())
        }
        _ if number % 10 == 7 => db.query_one(&new(200), &[]).await.map(drop),
        _ => db.query_one("SELECT $1::int8", &[&(number as i64)]).await.map(drop),
    }
}

async fn calls(db: &Database, from: u64, to: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..CONNECTIONS as u64 {
        let db = db.clone();
        tasks.spawn(async move {
            for number in (from..to).filter(|number| number % CONNECTIONS as u64 == task) {
                call(&db, number).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

/// The memory of this process at rest, in kB: the least within the time in which what has swollen is closed.
async fn at_rest() -> u64 {
    let end = Instant::now() + Duration::from_secs(3 + CONNECTIONS as u64 + 1);
    let mut least = resident();
    while Instant::now() < end {
        sleep(Duration::from_millis(50)).await;
        least = least.min(resident());
    }
    least
}

/// The memory of the largest backend, in kB.
async fn largest_backend(db: &Database) -> u64 {
    let mut leases = Vec::new();
    let mut largest = 0;
    for _ in 0..CONNECTIONS {
        let lease = db.acquire().await.unwrap();
        let asked = "SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts";
        let answer = lease.simple_query(asked).await.unwrap();
        let kilobytes = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0)?.split('.').next()?.parse().ok(),
            _ => None,
        });
        largest = largest.max(kilobytes.unwrap());
        leases.push(lease);
    }
    largest
}

/// By default the C library gives less and less of what is freed back to the system, the larger the blocks are that a
/// program frees, and keeps tens of megabytes. With a fixed limit it keeps little, and what is measured is what is held.
const FIXED: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");

/// The library reads that when a program starts, so the test runs once more, as a program of its own.
async fn in_a_program_with_a_fixed_limit() {
    let test = concat!(module_path!(), "::and_the_last_nine_tenths_of_them_add_nothing");
    let test = test.split_once("::").unwrap().1;
    let mut program = tokio::process::Command::new(std::env::current_exe().unwrap());
    program.args([test, "--exact", "--nocapture"]).env(FIXED.0, FIXED.1).kill_on_drop(true);
    let output = program.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "the test failed in its own program");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_the_last_nine_tenths_of_them_add_nothing() {
    if std::env::var(FIXED.0).ok().as_deref() != Some(FIXED.1) {
        return in_a_program_with_a_fixed_limit().await;
    }
    let server = test_server::database_from("mixed", "CREATE TABLE copied (line text)").await.unwrap();
    let db = Database::connect(settings_for(&server).await.pool_max(CONNECTIONS)).await.unwrap();
    let all = number("PLIMSOLL_CALLS", 30_000);
    calls(&db, 0, all / 10).await;
    let (before, backend_before) = (at_rest().await, largest_backend(&db).await);
    calls(&db, all / 10, all).await;
    let (after, backend_after) = (at_rest().await, largest_backend(&db).await);
    println!("{before} kB after {} calls, {after} kB after {all}", all / 10);
    println!("the largest backend: {backend_before} kB, then {backend_after} kB");
    // The caches of texts and types fill up to their bounds meanwhile.
    assert!(after < before + 20_000, "{before} kB grew to {after} kB");
    assert!(backend_after < backend_before + 10_000, "{backend_before} kB grew to {backend_after} kB");
}

//! What a call costs this process: the part of `make bench-ab` that is built twice, once with the library of an earlier
//! commit and once with the one that lies here.
//!
//! Both are built of this one file, so what differs between them is the library and nothing else. It therefore uses
//! only what the library has had for long, and it starts no server: both are given the same one.
//!
//! ```text
//! probe PORT USER PASSWORD
//! ```
//!
//! For each case one line of JSON: the processor's time of this process (all threads, none of the server's) and the time
//! on the clock, each of one call, in microseconds. Before each case runs a quarter of it that does not count.

use anyhow::{Context, Result, bail};
use plimsoll::{Database, Settings, deadline};
use rustix::time::{ClockId, clock_gettime};
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const SELECT: &str = "select $1::int8";
const READ: &str = "select n from bench_row where id = $1";
const WRITE: &str = "update bench_row set n = n + 1 where id = $1";
const NUMBER: i64 = 7;
const DEADLINE: Duration = Duration::from_secs(10);

/// What one call is.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// A statement as most callers write it.
    Query,
    /// A statement with a name and a deadline.
    Guarded,
    /// A connection, and nothing done with it.
    Acquire,
    /// BEGIN, an UPDATE, COMMIT.
    Write,
    /// The same with a SELECT, read only.
    ReadOnly,
    /// A read-only transaction of one statement.
    OneStatement,
}

/// A name, what is called, by how many tasks on how many connections, and how often by each.
const CASES: [(&str, Work, usize, usize, usize); 7] = [
    ("query", Work::Query, 64, 16, 1_000),
    ("overhead", Work::Guarded, 16, 16, 4_000),
    ("acquire, 1 task", Work::Acquire, 1, 16, 1_000_000),
    ("acquire, 64 tasks", Work::Acquire, 64, 16, 10_000),
    ("transaction, write", Work::Write, 8, 8, 1_500),
    ("transaction, read only", Work::ReadOnly, 8, 8, 2_000),
    ("transaction, one statement", Work::OneStatement, 8, 8, 4_000),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, user, password] = arguments.as_slice() else { bail!("usage: probe PORT USER PASSWORD") };
    let settings = Settings::default()
        .hosts(format!("127.0.0.1:{port}"))
        .user(user)
        .password(password.as_str())
        .dbname("postgres")
        .max_overflow(0);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(settings))
}

async fn measure(settings: Settings) -> Result<()> {
    for (case, work, tasks, connections, each) in CASES {
        let settings = settings.clone().pool_min(connections).pool_max(connections);
        let db = Database::connect(settings).await.context("the server of the comparison")?;
        crowd(&db, work, tasks, each.div_ceil(4)).await?;
        let (spent, began) = (cpu(), Instant::now());
        crowd(&db, work, tasks, each).await?;
        let a_call = |time: Duration| time.as_secs_f64() * 1e6 / (tasks * each) as f64;
        let (cpu, wall) = (a_call(cpu().saturating_sub(spent)), a_call(began.elapsed()));
        println!("{}", serde_json::json!({ "case": case, "cpu": cpu, "wall": wall }));
        db.close().await;
    }
    Ok(())
}

/// So many tasks that begin together, each with so many calls one after another.
async fn crowd(db: &Database, work: Work, tasks: usize, each: usize) -> Result<()> {
    let start = Arc::new(Barrier::new(tasks));
    let mut crowd = JoinSet::new();
    for task in 0..tasks {
        let (db, start) = (db.clone(), Arc::clone(&start));
        // Far apart, so that no two tasks meet in a page.
        let row = i64::try_from(task * 100 + 1)?;
        crowd.spawn(async move {
            start.wait().await;
            match work {
                Work::Query => times(each, || query(&db)).await,
                Work::Guarded => times(each, || guarded(&db)).await,
                Work::Acquire => times(each, || acquire(&db)).await,
                Work::Write => times(each, || write(&db, row)).await,
                Work::ReadOnly => times(each, || read_only(&db, row)).await,
                Work::OneStatement => times(each, || one_statement(&db, row)).await,
            }
        });
    }
    while let Some(ended) = crowd.join_next().await {
        ended??;
    }
    Ok(())
}

async fn times<F, Fut>(count: usize, call: F) -> Result<()>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<()>>,
{
    for _ in 0..count {
        call().await?;
    }
    Ok(())
}

async fn query(db: &Database) -> Result<()> {
    let row = db.query_one(SELECT, &[&NUMBER]).await?;
    black_box(row.try_get::<_, i64>(0)?);
    Ok(())
}

async fn guarded(db: &Database) -> Result<()> {
    let row = db.named("overhead").within(DEADLINE).query_one(SELECT, &[&NUMBER]).await?;
    black_box(row.try_get::<_, i64>(0)?);
    Ok(())
}

async fn acquire(db: &Database) -> Result<()> {
    drop(black_box(deadline::within(DEADLINE, db.acquire()).await?));
    Ok(())
}

async fn write(db: &Database, row: i64) -> Result<()> {
    let work = async |tx: plimsoll::Transaction| tx.execute(WRITE, &[&row]).await;
    black_box(db.named("write").within(DEADLINE).transaction(work).await?);
    Ok(())
}

async fn read_only(db: &Database, row: i64) -> Result<()> {
    let work = async |tx: plimsoll::Transaction| tx.query_one(READ, &[&row]).await;
    black_box(db.named("read only").read_only().transaction(work).await?);
    Ok(())
}

async fn one_statement(db: &Database, row: i64) -> Result<()> {
    black_box(db.named("one statement").read_only().query_one(READ, &[&row]).await?);
    Ok(())
}

/// What all threads of this process have spent of the processor, user and system.
fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

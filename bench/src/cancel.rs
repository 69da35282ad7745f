//! What a dropped statement costs the one who comes next.
//!
//! In a pool of one connection `select pg_sleep(3)` is given up after 100 ms; the figure is the time from then until
//! the next borrower's `select 1` is answered. Nobody but ours tells the server, so peers take what is left of the
//! three seconds; in each round ours runs several times and its median counts. Peers send simple queries, which work
//! behind PgBouncer in transaction mode too.
//!
//! To be quick is the smaller half. The statement must have ended on the server, which is looked up there each time;
//! and a cancel that comes late must not hit a stranger. For that, statements are given up at every moment of their
//! life, also just when they end by themselves, and an innocent one follows at once: none may be killed. (With the
//! usual sender of cancels, nearly all are.) And PgBouncer, which some ways of cancelling bring down, must be the same
//! process as before.

use crate::options::Options;
use crate::peers::{self, Place, Preparing};
use crate::race::{Better, quantile};
use crate::report::Report;
use anyhow::{Result, ensure};
use plimsoll::Database;
use plimsoll_embedded::{Cluster, PgBouncer, PoolMode};
use sqlx::postgres::PgPool;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::time::timeout;

const ABOUT: &str =
    "a statement is dropped after 100 ms of 3 s; time until the next borrower has its answer; pool of 1";
const LONG: &str = "select pg_sleep(3)";
const SHORT: &str = "select 1";
const BRIEF: &str = "select pg_sleep(0.004)";
const INNOCENT: &str = "select pg_sleep(0.002)";
const GIVEN_UP_AFTER: Duration = Duration::from_millis(100);
/// How often ours runs in one round.
const OURS_IN_A_ROUND: usize = 5;

/// A pool of one connection that runs a text.
trait Borrower: Sync {
    fn send(&self, sql: &'static str) -> impl Future<Output = Result<()>> + Send;
}

impl Borrower for Database {
    async fn send(&self, sql: &'static str) -> Result<()> {
        Ok(self.query_one(sql, &[]).await.map(drop)?)
    }
}

impl Borrower for deadpool_postgres::Pool {
    async fn send(&self, sql: &'static str) -> Result<()> {
        Ok(self.get().await?.simple_query(sql).await.map(drop)?)
    }
}

impl Borrower for bb8::Pool<Preparing> {
    async fn send(&self, sql: &'static str) -> Result<()> {
        Ok(self.get().await?.client.simple_query(sql).await.map(drop)?)
    }
}

impl Borrower for PgPool {
    async fn send(&self, sql: &'static str) -> Result<()> {
        Ok(sqlx::raw_sql(sql).execute(self).await.map(drop)?)
    }
}

/// Milliseconds from the drop to the next borrower's answer.
async fn once(pool: &impl Borrower) -> Result<f64> {
    let dropped = timeout(GIVEN_UP_AFTER, pool.send(LONG)).await;
    let began = Instant::now();
    ensure!(dropped.is_err(), "{LONG} ended within {GIVEN_UP_AFTER:?}: {dropped:?}");
    pool.send(SHORT).await?;
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

/// What ours did to the server, over all rounds.
#[derive(Default)]
struct Tally {
    dropped: AtomicUsize,
    still_running: AtomicUsize,
}

impl Tally {
    async fn round(&self, cluster: &Cluster, ours: &Database, times: usize) -> Result<f64> {
        let mut waits = Vec::with_capacity(times);
        for _ in 0..times {
            waits.push(once(ours).await?);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.still_running.fetch_add(running(cluster).await?, Ordering::Relaxed);
        }
        Ok(quantile(&waits, 0.5))
    }
}

/// How many of the long statements run on the server now.
async fn running(cluster: &Cluster) -> Result<usize> {
    let sql = "select count(*) as n from pg_stat_activity
        where state = 'active' and query like '%pg_sleep(3)%' and pid <> pg_backend_pid()";
    let rows = cluster.execute("postgres", sql).await?;
    Ok(rows.first().and_then(|row| row.get("n")).map_or(Ok(0), |count| count.parse())?)
}

/// Statements that followed a dropped one.
struct Innocents {
    sent: usize,
    killed: usize,
    failed_otherwise: usize,
}

/// Gives statements up at every moment of their life, and sends an innocent one behind each.
async fn innocents(ours: &Database, rounds: usize) -> Innocents {
    let mut innocents = Innocents { sent: rounds, killed: 0, failed_otherwise: 0 };
    for round in 0..rounds {
        let victim = if round % 2 == 0 { LONG } else { BRIEF };
        // 0 to 7 ms, so that the brief one is met before, at and after its end.
        let patience = Duration::from_millis((round / 2 % 8) as u64);
        let _ = timeout(patience, ours.send(victim)).await;
        let Err(error) = ours.query_one(INNOCENT, &[]).await else { continue };
        eprintln!("bench cancel: an innocent statement failed: {error}");
        if error.sqlstate().is_some_and(|code| code.code() == "57014") {
            innocents.killed += 1;
        } else {
            innocents.failed_otherwise += 1;
        }
    }
    innocents
}

pub async fn run(options: &Options) -> Result<Report> {
    let cluster = peers::server().await?;
    let mut report = Report::new("cancel", ABOUT);
    case(&mut report, "direct", &cluster, &Place::direct(&cluster), options, 1000, 50.0).await?;

    let bouncer = PgBouncer::in_front_of(&cluster).pool_mode(PoolMode::Transaction).start().await?;
    let process = bouncer.pid();
    let place = Place::behind(&cluster, &bouncer);
    case(&mut report, "pgbouncer", &cluster, &place, options, 200, 100.0).await?;
    let is_same = bouncer.is_alive().await && bouncer.pid() == process;
    report.at_least("pgbouncer", "the same process, alive (1) or not (0)", f64::from(u8::from(is_same)), 1.0);
    Ok(report)
}

async fn case(
    report: &mut Report,
    case: &str,
    cluster: &Cluster,
    place: &Place,
    options: &Options,
    follow: usize,
    bound: f64,
) -> Result<()> {
    let ours = place.plimsoll(1).await?;
    let deadpool = place.deadpool(1)?;
    let bb8 = place.bb8(1, &[]).await?;
    let sqlx = place.sqlx(1, false).await?;
    let tally = Tally::default();
    let times = options.times(OURS_IN_A_ROUND);
    let figures = options
        .race(Better::Less)
        .with("plimsoll", || tally.round(cluster, &ours, times))
        .with("deadpool", || once(&deadpool))
        .with("bb8", || once(&bb8))
        .with("sqlx", || once(&sqlx))
        .run()
        .await?;
    let Innocents { sent, killed, failed_otherwise } = innocents(&ours, options.times(follow)).await;

    report.row(case, "ms", &figures);
    let dropped = tally.dropped.into_inner() as f64;
    let still_running = tally.still_running.into_inner() as f64;
    let stopped = 100.0 * (dropped - still_running) / dropped;
    report.further(case, "statements dropped after 100 ms", dropped, "");
    report.further(case, "innocent statements behind a dropped one", sent as f64, "");
    report.at_most(case, "ms until the next answer", figures.median("plimsoll").unwrap_or(f64::NAN), bound);
    report.at_least(case, "% stopped on the server", stopped, 100.0);
    report.at_most(case, "innocent statements killed", killed as f64, 0.0);
    report.at_most(case, "innocent statements failed otherwise", failed_otherwise as f64, 0.0);
    Ok(())
}

//! More arrives than can be carried: five times the capacity, for a minute, and then the ordinary again.
//!
//! A pool of ten runs statements of ten milliseconds. What ten tasks in a closed loop get done is the *capacity*, taken
//! of the same pool just before; then five times as many calls a second are made, whatever became of those before them,
//! each with a second and a half. *Goodput* is what was answered well and in time, in parts of the capacity: over the
//! whole flood and in its worst second. A queue without an end does the work of those who have already left, and
//! goodput falls to nothing although the server is as busy as ever. After the flood a fifth of the capacity goes on
//! being asked for, and *back to normal* is the time until the last of those calls that failed or took longer than
//! fifty milliseconds was answered.
//!
//! What decides it is mostly this: a call that is given up while its statement stands in line on a connection leaves the
//! statement there. Where the connection is lent on at once, it collects work that nobody waits for, faster than the
//! server can do it, and goes on doing it long after the flood.
//!
//! Then another kind of too much: two hundred workers wait for one locked row, and others ask for something else. What
//! is measured is the time of these others, before and beside the pile-up. Ours says that this kind of work may hold
//! half of the pool (`at_most`); peers have nothing of the kind.
//!
//! Ours runs as it comes, apart from its size.

use crate::caller::{Ask, Caller, STUCK};
use crate::crowd::{crowd, per_second};
use crate::options::Options;
use crate::peers::{self, Place};
use crate::race::{Better, Laps, OURS, quantile};
use crate::report::{PEERS, Report};
use anyhow::{Context, Result, bail, ensure};
use plimsoll_embedded::Cluster;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_postgres::NoTls;

const ABOUT: &str = "`pg_sleep(0.01)`, pool of 10; five times the capacity, open loop, 1.5 s for each call";
const SIZE: usize = 10;
const TIMES: f64 = 5.0;
/// What goes on being asked for after the flood.
const AFTER: f64 = 0.2;
const BUSY: Ask = ask("select pg_sleep(0.01)", Duration::from_millis(1_500), None);
const LOOK: Ask = ask("select 1", Duration::from_millis(1_500), None);
/// The time that a worker waits for the locked row covers all that is watched.
const ORDER: Ask =
    ask("update plimsoll_stock set n = n + 1 where id = 1", Duration::from_secs(20), Some(SIZE / 2));
const SQL: &[&str] = &[BUSY.sql, LOOK.sql, ORDER.sql];
const WORKERS: usize = 200;
/// Longer than an undisturbed call ever takes.
const SLOW: Duration = Duration::from_millis(50);
/// How long is watched after the flood; whoever is not back by then is later than that.
const WATCHED: Duration = Duration::from_secs(5);
/// The calls of one moment are made together.
const TICK: Duration = Duration::from_millis(1);

const fn ask(sql: &'static str, limit: Duration, at_most: Option<usize>) -> Ask {
    Ask { sql, limit, at_most }
}

/// What one library went through in one round.
struct Lap {
    capacity: f64,
    /// In percent of the capacity.
    goodput: f64,
    worst_second: f64,
    /// In milliseconds.
    back_after: f64,
    /// The median time to an answer that was no.
    refused_after: f64,
    failures: BTreeMap<&'static str, usize>,
    calls: usize,
    /// Milliseconds of the 99th percentile of the others.
    alone: f64,
    beside: f64,
}

pub async fn run(options: &Options) -> Result<Report> {
    let cluster = &peers::server().await?;
    let place = &Place::direct(cluster);
    let sql =
        "create table plimsoll_stock (id int primary key, n int); insert into plimsoll_stock values (1, 0)";
    cluster.execute("postgres", sql).await?;
    let flood = if options.quick { Duration::from_secs(10) } else { Duration::from_secs(60) };
    let mut report = Report::new("overload", ABOUT);
    let laps = options
        .short_race(Better::More)
        .unrehearsed()
        .with(OURS, || lap(cluster, flood, || place.plimsoll(SIZE)))
        .with("deadpool", || lap(cluster, flood, || async { place.deadpool(SIZE) }))
        .with("bb8", || lap(cluster, flood, || place.bb8(SIZE, SQL)))
        .with("sqlx", || lap(cluster, flood, || place.sqlx(SIZE, false)))
        .laps()
        .await?;
    tell(&mut report, &laps);
    Ok(report)
}

/// A flood, and then a pile-up for a fresh pool: what a flood leaves behind would decide that as well.
async fn lap<C: Caller, F, Fut>(cluster: &Cluster, flood: Duration, pool: F) -> Result<Lap>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<C>>,
{
    let caller = pool().await?;
    let capacity = capacity(&caller).await?;
    let flooded =
        open_loop(&caller, BUSY, vec![(flood, capacity * TIMES), (WATCHED, capacity * AFTER)]).await?;
    caller.close().await;
    empty(cluster).await?;
    let caller = pool().await?;
    let alone = watch(&caller).await?;
    let beside = beside_a_pile_up(cluster, &caller).await?;
    caller.close().await;
    empty(cluster).await?;
    let ending = flood.as_secs_f64();
    let good: Vec<f64> = flooded.iter().filter(|s| s.is_good()).map(|s| s.answered).collect();
    let between = |from: f64, to: f64| good.iter().filter(|at| (from..to).contains(*at)).count() as f64;
    let whole_seconds = flood.as_secs() as usize;
    // The first second holds what the empty pool still took in.
    let worst = (1..whole_seconds).map(|at| between(at as f64, at as f64 + 1.0)).min_by(f64::total_cmp);
    let bad_later =
        flooded.iter().filter(|s| s.called >= ending && (!s.is_good() || s.took() > SLOW.as_secs_f64()));
    let back = bad_later.map(|s| s.answered - ending).max_by(f64::total_cmp).unwrap_or(0.0);
    let no: Vec<f64> = flooded.iter().filter(|s| !s.is_good()).map(|s| s.took() * 1000.0).collect();
    let mut failures = BTreeMap::new();
    for failure in flooded.iter().filter_map(|sample| sample.failure) {
        *failures.entry(failure).or_default() += 1;
    }
    Ok(Lap {
        capacity,
        goodput: between(0.0, ending) / ending / capacity * 100.0,
        worst_second: worst.unwrap_or(f64::NAN) / capacity * 100.0,
        back_after: back * 1000.0,
        refused_after: if no.is_empty() { 0.0 } else { quantile(&no, 0.5) },
        failures,
        calls: flooded.len(),
        alone,
        beside,
    })
}

/// Ends what is left of a pool. Statements that nobody waits for any more may stand in line on its connections for
/// minutes, and a server does them all before it notices that it is alone.
async fn empty(cluster: &Cluster) -> Result<()> {
    let sql = "select count(pg_terminate_backend(pid)) as n from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid()";
    let until = Instant::now() + STUCK;
    loop {
        let rows = cluster.execute("postgres", sql).await?;
        let left = rows.first().and_then(|row| row.get("n")).context("the server counted nothing")?;
        if left == "0" {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{left} connections of a closed pool do not end");
        sleep(Duration::from_millis(20)).await;
    }
}

/// What as many tasks as connections get done in a second, each with the next call when the last was answered.
async fn capacity<C: Caller>(caller: &C) -> Result<f64> {
    let closed_loop = |span: Duration| {
        crowd(SIZE, move |_| {
            let caller = caller.clone();
            async move {
                let (began, mut done) = (Instant::now(), 0);
                while began.elapsed() < span {
                    caller.call(BUSY).await.map_err(anyhow::Error::msg)?;
                    done += 1;
                }
                Ok(done)
            }
        })
    };
    // Opens the connections.
    closed_loop(Duration::from_millis(300)).await?;
    let (took, done) = closed_loop(Duration::from_secs(3)).await?;
    Ok(per_second(done.into_iter().sum::<usize>(), took))
}

/// One call; times in seconds since the beginning.
struct Sample {
    called: f64,
    answered: f64,
    failure: Option<&'static str>,
}

impl Sample {
    fn is_good(&self) -> bool {
        self.failure.is_none()
    }

    fn took(&self) -> f64 {
        self.answered - self.called
    }
}

/// So many calls a second in each phase, whatever becomes of them.
async fn open_loop<C: Caller>(caller: &C, ask: Ask, phases: Vec<(Duration, f64)>) -> Result<Vec<Sample>> {
    let caller = caller.clone();
    // In a task of its own: what is spawned from inside the runtime need not wake another thread first.
    tokio::spawn(async move {
        let began = Instant::now();
        let mut calls = JoinSet::new();
        let mut samples = Vec::new();
        let mut start = began;
        for (span, rate) in phases {
            let mut made = 0;
            let mut tick = start;
            while tick < start + span {
                sleep_until(tick.into()).await;
                let due = (start.elapsed().min(span).as_secs_f64() * rate) as usize;
                while made < due {
                    made += 1;
                    let (caller, called) = (caller.clone(), began.elapsed().as_secs_f64());
                    calls.spawn(async move {
                        let answer = caller.call(ask).await;
                        Sample { called, answered: began.elapsed().as_secs_f64(), failure: answer.err() }
                    });
                }
                while let Some(sample) = calls.try_join_next() {
                    samples.push(sample?);
                }
                tick += TICK;
            }
            start += span;
        }
        let rest = async {
            while let Some(sample) = calls.join_next().await {
                samples.push(sample?);
            }
            Ok::<_, anyhow::Error>(())
        };
        timeout(STUCK, rest).await.context("calls had no answer long after the last was made")??;
        Ok(samples)
    })
    .await?
}

/// The 99th percentile of a light load's calls, in milliseconds.
async fn watch<C: Caller>(caller: &C) -> Result<f64> {
    let samples = open_loop(caller, LOOK, vec![(Duration::from_secs(4), 100.0)]).await?;
    let times: Vec<f64> = samples.iter().map(|sample| sample.took() * 1000.0).collect();
    Ok(quantile(&times, 0.99))
}

/// The same while two hundred wait for one row.
#[expect(clippy::disallowed_methods, reason = "whoever holds the lock takes no part")]
async fn beside_a_pile_up<C: Caller>(cluster: &Cluster, caller: &C) -> Result<f64> {
    let (blocker, connection) = tokio_postgres::connect(&cluster.url("postgres"), NoTls).await?;
    let driver = tokio::spawn(connection);
    blocker.batch_execute("begin; update plimsoll_stock set n = n where id = 1").await?;
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let caller = caller.clone();
        workers.spawn(async move { caller.call(ORDER).await });
    }
    let queued = "select count(*) as n from pg_stat_activity where wait_event_type = 'Lock'";
    loop {
        let rows = cluster.execute("postgres", queued).await?;
        let count: usize =
            rows.first().and_then(|row| row.get("n")).context("nothing was counted")?.parse()?;
        // Whether half of the pool or all of it waits there differs; that somebody does is enough.
        if count >= SIZE / 2 {
            break;
        }
        if let Some(ended) = workers.try_join_next() {
            bail!("a worker did not wait for the locked row: {:?}", ended?);
        }
    }
    let beside = watch(caller).await;
    blocker.batch_execute("rollback").await?;
    workers.join_all().await;
    drop(blocker);
    driver.await??;
    beside
}

type Figure = fn(&Lap) -> f64;

fn tell(report: &mut Report, laps: &Laps<Lap>) {
    let rows: [(&str, &str, Better, Figure); 4] = [
        ("goodput under overload", "%", Better::More, |lap| lap.goodput),
        ("worst second of it", "%", Better::More, |lap| lap.worst_second),
        ("back to normal", "ms", Better::Less, |lap| lap.back_after),
        ("p99 beside a pile-up", "ms", Better::Less, |lap| lap.beside),
    ];
    for (case, unit, better, of) in rows {
        let figures = laps.figures(better, of);
        report.row(case, unit, &figures);
        let Some(value) = figures.median(OURS) else { continue };
        match better {
            Better::More => report.at_least(case, "of the capacity, %", value, 90.0),
            Better::Less if unit == "ms" && case.starts_with("back") => {
                report.at_most(case, "after the flood, ms", value, 2_000.0);
            }
            Better::Less => {
                let alone = laps.figures(better, |lap| lap.alone).median(OURS).unwrap_or(f64::NAN);
                report.at_most(case, "twice the p99 without it, ms", value, 2.0 * alone);
            }
        }
    }
    let further: [(&str, &str, &'static str, Figure); 3] = [
        ("goodput under overload", "capacity", "per s", |lap| lap.capacity),
        ("goodput under overload", "median time to a no", "ms", |lap| lap.refused_after),
        ("p99 beside a pile-up", "p99 without it", "ms", |lap| lap.alone),
    ];
    for (case, what, unit, of) in further {
        let figures = laps.figures(Better::Less, of);
        for name in [OURS].into_iter().chain(PEERS) {
            if let Some(value) = figures.median(name) {
                report.further(case, format!("{what}, {name}"), value, unit);
            }
        }
    }
    for (name, rounds) in laps.each() {
        let mut kinds = BTreeMap::<_, usize>::new();
        for (kind, count) in rounds.iter().flat_map(|lap| &lap.failures) {
            *kinds.entry(*kind).or_default() += count;
        }
        let calls: usize = rounds.iter().map(|lap| lap.calls).sum();
        for (kind, count) in kinds {
            let share = count as f64 / calls as f64 * 100.0;
            report.further("goodput under overload", format!("of all calls, {name}, {kind}"), share, "%");
        }
    }
}

//! An outage drill: 200 calls a second go on while the server stands still, and after it is woken.
//!
//! Each library has a pool of ten and two seconds for a request. After a warm-up every process of the server is
//! stopped for ten seconds, then woken. What a caller wants from such a time is to be told no at once rather than in
//! two seconds (the percentiles, over calls made from the second second of the outage on); a number of waiting calls
//! that memory can hold (the most in flight); and, when the server is back, service at once and for good (first
//! success and last failure, of calls made after the thaw). A short freeze is another matter: whoever gives up within
//! 0.8 s gives up too early, so errors are counted in freezes of 0.8 and 1.5 s too.
//!
//! Libraries take their turns on one server, each with fresh pools, and the next begins when the last connection of
//! the one before has gone. All at once would be four times shorter and the machine would bear it, but after the thaw
//! all would queue for the same postmaster, and whoever sends it a storm of connects would spoil the figures of others.
//! Rounds are few and long; the one before the first, that does not count, is left out, since each drill warms up.
//!
//! Ours runs as it comes apart from its size and `max_waiting`: as many as come in 1.6 s. Who is further back than that
//! would be served after their deadline, and the longest of the short freezes is still waited out. Nobody can both answer
//! at once from the first second of a freeze on and wait out one of a second and a half, since at that second the two look
//! alike: which of them it is to be is a setting, so the longer of the short freezes is played with `breaker_after` at two
//! seconds as well. Peers get the same limit around the whole call (`tokio::time::timeout`), which is all that there is
//! for them.

mod load;
mod samples;

use crate::caller::Caller;
use crate::options::Options;
use crate::peers::{self, Place};
use crate::race::{Better, Figures, Laps, OURS, quantile};
use crate::report::{PEERS, Report};
use anyhow::{Context, Result, ensure};
use load::{Plan, drill};
use plimsoll::Database;
use plimsoll_embedded::Cluster;
use samples::Findings;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const ABOUT: &str = "200 calls a second, pool of 10, 2 s for each; the server frozen for 10 s";
const SIZE: usize = 10;
const MAX_WAITING: usize = 320;
const PATIENT: Duration = Duration::from_secs(2);

const OUTAGE: Plan = plan(2_000, 10_000, 8_000);
/// Watched until the last call from the freeze has had its two seconds.
const BLIPS: [(&str, Plan); 2] =
    [("freeze of 0.8 s", plan(1_000, 800, 3_000)), ("freeze of 1.5 s", plan(1_000, 1_500, 3_000))];

const fn plan(warm_up: u64, freeze: u64, after: u64) -> Plan {
    Plan {
        warm_up: Duration::from_millis(warm_up),
        freeze: Duration::from_millis(freeze),
        after: Duration::from_millis(after),
    }
}

/// What one library went through in one round.
struct Lap {
    outage: Findings,
    /// In the order of [`BLIPS`].
    blips: Vec<Findings>,
}

pub async fn run(options: &Options) -> Result<Report> {
    let cluster = &peers::server().await?;
    let place = &Place::direct(cluster);
    let mut report = Report::new("outage", ABOUT);
    let laps = options
        .short_race(Better::Less)
        .unrehearsed()
        .with("plimsoll", || lap(cluster, || ours(place)))
        .with("deadpool", || lap(cluster, || async { place.deadpool(SIZE) }))
        .with("bb8", || lap(cluster, || place.bb8(SIZE, &[load::SQL])))
        .with("sqlx", || lap(cluster, || place.sqlx(SIZE, false)))
        .laps()
        .await?;
    outage(&mut report, &laps);
    for (at, (case, _)) in BLIPS.iter().enumerate() {
        blip(&mut report, &laps, case, at);
    }
    patient(&mut report, options, cluster, place).await?;
    Ok(report)
}

/// Ours, told to wait out what is shorter than a request's time.
async fn patient(report: &mut Report, options: &Options, cluster: &Cluster, place: &Place) -> Result<()> {
    let [_, (case, plan)] = BLIPS;
    let mut errors = Vec::new();
    for _ in 0..options.few_rounds() {
        let postmaster = cluster.pid().context("the server of the bench is gone")?;
        // A part of the queue is kept for the highest priority.
        let settings = place.settings(SIZE).max_waiting(MAX_WAITING * 5 / 4).breaker_after(PATIENT);
        let ours = Database::connect(settings).await?;
        let findings = drill(&ours, postmaster, plan).await;
        ours.close().await;
        let findings = findings?;
        for (kind, count) in &findings.failures {
            let what = format!("failed in a round, breaker_after = 2 s, {kind}");
            report.further(case, what, *count as f64, "calls");
        }
        errors.push(findings.failed());
        empty(cluster).await?;
    }
    report.at_most(case, "errors, with breaker_after = 2 s", quantile(&errors, 0.5), 0.0);
    Ok(())
}

async fn ours(place: &Place) -> Result<Database> {
    Ok(Database::connect(place.settings(SIZE).max_waiting(MAX_WAITING)).await?)
}

/// A long outage and the short ones, each with a fresh pool.
async fn lap<C: Caller, F, Fut>(cluster: &Cluster, pool: F) -> Result<Lap>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<C>>,
{
    let mut all = Vec::new();
    for plan in [OUTAGE].into_iter().chain(BLIPS.map(|(_, plan)| plan)) {
        let postmaster = cluster.pid().context("the server of the bench is gone")?;
        let caller = pool().await?;
        let findings = drill(&caller, postmaster, plan).await;
        caller.close().await;
        all.push(findings?);
        empty(cluster).await?;
    }
    let outage = all.remove(0);
    Ok(Lap { outage, blips: all })
}

/// Waits until the server has seen the last of a pool.
async fn empty(cluster: &Cluster) -> Result<()> {
    let sql = "select count(*) as n from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid()";
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let rows = cluster.execute("postgres", sql).await?;
        let left = rows.first().and_then(|row| row.get("n")).context("the server counted nothing")?;
        if left == "0" {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{left} connections of a closed pool are still there after 20 s");
        sleep(Duration::from_millis(50)).await;
    }
}

type Figure = fn(&Findings) -> f64;

fn outage(report: &mut Report, laps: &Laps<Lap>) {
    let rows: [(&str, &str, Figure, f64); 5] = [
        ("p50 during outage", "ms", |found| found.p50, 0.1),
        ("p99 during outage", "ms", |found| found.p99, 2.0),
        ("first success after thaw", "ms", |found| found.first_success, 250.0),
        ("last failure after thaw", "ms", |found| found.last_failure, 500.0),
        ("most in flight", "calls", |found| found.most_in_flight, (SIZE + MAX_WAITING) as f64),
    ];
    for (case, unit, of, bound) in rows {
        let figures = laps.figures(Better::Less, |lap| of(&lap.outage));
        report.row(case, unit, &figures);
        if let Some(value) = figures.median(OURS) {
            report.at_most(case, &format!("median, {unit}"), value, bound);
        }
    }
    let further: [(&str, &str, Figure); 3] = [
        ("first success after thaw", "of any call", |found| found.first_success_of_any),
        ("last failure after thaw", "of any call", |found| found.last_failure_of_any),
        ("schedule", "p99 of a call's lateness", |found| found.late),
    ];
    for (case, what, of) in further {
        everybody(report, case, what, "ms", &laps.figures(Better::Less, |lap| of(&lap.outage)));
    }
    failures(report, "outage of 10 s", laps, |lap| Some(&lap.outage));
}

fn blip(report: &mut Report, laps: &Laps<Lap>, case: &str, at: usize) {
    let failed = |lap: &Lap| lap.blips.get(at).map_or(f64::NAN, Findings::failed);
    let figures = laps.figures(Better::Less, failed);
    everybody(report, case, "errors", "calls", &figures);
    failures(report, case, laps, |lap| lap.blips.get(at));
    let Some(ours) = figures.median(OURS) else { return };
    let best = PEERS.iter().filter_map(|peer| figures.median(peer)).min_by(f64::total_cmp);
    // Only the shorter one is well within anybody's patience.
    match (at, best) {
        (0, _) => report.at_most(case, "errors", ours, 0.0),
        (_, Some(best)) => report.at_most(case, "errors, no more than the best peer", ours, best),
        (_, None) => {}
    }
}

/// A median for each who took part.
fn everybody(report: &mut Report, case: &str, what: &str, unit: &'static str, figures: &Figures) {
    for name in [OURS].into_iter().chain(PEERS) {
        if let Some(value) = figures.median(name) {
            report.further(case, format!("{what}, {name}"), value, unit);
        }
    }
}

/// Failures by kind, a round.
fn failures<'a>(
    report: &mut Report,
    case: &str,
    laps: &'a Laps<Lap>,
    of: impl Fn(&'a Lap) -> Option<&'a Findings>,
) {
    for (name, rounds) in laps.each() {
        let (mut calls, mut kinds) = (0, BTreeMap::<_, usize>::new());
        for findings in rounds.iter().filter_map(&of) {
            calls += findings.calls;
            for (kind, count) in &findings.failures {
                *kinds.entry(*kind).or_default() += count;
            }
        }
        let a_round = |count: usize| count as f64 / rounds.len() as f64;
        report.further(case, format!("calls a round, {name}"), a_round(calls), "calls");
        for (kind, count) in kinds {
            report.further(case, format!("failed a round, {name}, {kind}"), a_round(count), "calls");
        }
    }
}

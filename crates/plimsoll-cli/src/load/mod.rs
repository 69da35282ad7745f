//! `plimsoll load`: a load on a service or a database, and how large a pool should be.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | what can be asked for |
//! | `targets` | what is called, from the command line and from a file |
//! | `consent` | whether to ask before it begins |
//! | `schedule` | when each call is due, and whose turn it is: pure |
//! | `drive` | the open loop |
//! | `http`, `database` | the two kinds of calls |
//! | `work` | what a call does with its connection |
//! | `tally` | what became of the calls of a round |
//! | `spread`, `figures` | one figure of several rounds; all figures |
//! | `baseline` | a run held against an earlier one |
//! | `live` | what is shown while it runs, and how it is stopped |
//! | `screen`, `page`, `openmetrics` | how the figures are written |
//! | `pool_size/` | how large a pool should be |

mod baseline;
mod consent;
mod database;
mod drive;
#[cfg(test)]
mod example;
mod figures;
mod http;
mod live;
mod openmetrics;
mod options;
mod page;
mod pool_size;
mod schedule;
mod screen;
mod spread;
mod tally;
mod targets;
mod work;

pub use options::Options;

use crate::page::PageFile;
use crate::{Ended, show};
use anyhow::{Context, Result};
use baseline::Against;
use database::SqlCaller;
use drive::{Caller, Pace};
use figures::{Kind, Load, Report, Share};
use http::HttpCaller;
use live::Stop;
use options::{Http, Shape, Sql, What};
use parking_lot::Mutex;
use schedule::{Schedule, Turns};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tally::Tally;

/// Makes the load and tells what came of it.
///
/// # Errors
/// An option or a file is wrong, what is to be called cannot be reached, or there is no terminal to ask at.
pub async fn run(options: &Options) -> Result<Ended> {
    match &options.what {
        What::Http(http) => on_service(http).await,
        What::Sql(sql) => on_database(sql).await,
        What::PoolSize(size) => pool_size::run(size).await,
    }
}

async fn on_service(options: &Http) -> Result<Ended> {
    let shape = &options.shape;
    let (caller, shares) = HttpCaller::new(&options.targets()?, &options.headers()?)?;
    let load = shape.load(Kind::Http, shares.clone(), None);
    let before = shape.before(&load)?;
    let far = caller.far_hosts().into_iter().map(|host| format!("{host} is not this machine"));
    if !consent::given(&far.collect::<Vec<_>>(), &wanted(shape), shape.yes).await? {
        return Ok(Ended::Interrupted);
    }
    let mut stop = Stop::listen()?;
    tokio::select! {
        met = caller.meet(&shares, shape.timeout) => met?,
        () = stop.said() => return Ok(Ended::Interrupted),
    }
    let report = rounds(&caller, shape, load, &mut stop).await?;
    told(report, shape, before)
}

async fn on_database(options: &Sql) -> Result<Ended> {
    let shape = &options.shape;
    let (statements, shares) = database::statements(&options.targets()?)?;
    let load = shape.load(Kind::Sql, shares.clone(), Some(options.connections));
    let before = shape.before(&load)?;
    let connection = options.target.connect("load").await?;
    let reasons = consent::reasons_of(&connection).await?;
    drop(connection);
    if !consent::given(&reasons, &wanted(shape), shape.yes).await? {
        return Ok(Ended::Interrupted);
    }
    let mut stop = Stop::listen()?;
    let within = shape.timeout.max(Duration::from_secs(10));
    let db = database::pool(&options.target, options.connections, within, false).await?;
    let ran = async {
        let mut works = Vec::with_capacity(statements.len());
        for sql in &statements {
            works.push(database::work(&db, sql, shape.timeout).await?);
        }
        rounds(&SqlCaller::new(db.clone(), works), shape, load, &mut stop).await
    };
    let report = ran.await;
    db.shutdown_within(Duration::from_secs(5)).await;
    told(report?, shape, before)
}

/// What is about to be begun.
fn wanted(shape: &Shape) -> String {
    let seconds = shape.length.as_secs_f64() * f64::from(shape.rounds);
    format!("A load of {} calls a second for {seconds} s", shape.rate)
}

/// Warms up and makes the rounds, until the last one is over or the run is interrupted.
async fn rounds<C: Caller>(caller: &C, shape: &Shape, load: Load, stop: &mut Stop) -> Result<Report> {
    let weights = || load.targets.iter().map(|target: &Share| target.weight);
    let pace = |length| Pace { in_flight: load.in_flight, timeout: shape.timeout, length };
    let schedule = |number: u64, length| {
        Schedule::new(shape.rate, shape.arrivals, shape.seed.wrapping_add(number), length)
    };
    let live = live::Screen::begin(shape.rounds);
    if !shape.warm_up.is_zero() {
        let (tally, length) = (Arc::new(Mutex::new(Tally::new(load.targets.len())?)), shape.warm_up);
        live.is_at(0, &tally);
        // Its arrivals are none of a round's.
        let times = schedule(u64::from(shape.rounds) + 1, length);
        drive::round(caller.clone(), pace(length), times, Turns::new(weights()), tally, stop.receiver())
            .await?;
    }
    let (mut tallies, mut lengths) = (Vec::new(), Vec::new());
    for number in 1..=shape.rounds {
        if stop.is_said() {
            break;
        }
        let (tally, length) = (Arc::new(Mutex::new(Tally::new(load.targets.len())?)), shape.length);
        live.is_at(number, &tally);
        let (began, times) = (Instant::now(), schedule(u64::from(number), length));
        let turns = Turns::new(weights());
        drive::round(caller.clone(), pace(length), times, turns, Arc::clone(&tally), stop.receiver()).await?;
        tallies.push(tally.lock().clone());
        // A round is as long as it was meant to be, unless it was cut short.
        lengths.push(if stop.is_said() { began.elapsed().min(length) } else { length });
    }
    live.end().await;
    Report::of(load, &tallies, &lengths, stop.is_said())
}

/// Writes the report in every form that was asked for, and decides how the run ended.
fn told(mut report: Report, shape: &Shape, before: Before) -> Result<Ended> {
    let Before { then, page: file } = before;
    if let (Some(then), Some(file)) = (then, &shape.against) {
        report.against =
            Some(Against::compare(&report, &then, &file.display().to_string(), shape.tolerance / 100.0));
    }
    shape.output.print(&report, |_| screen::table(&report), || screen::plain(&report))?;
    if let Some(file) = file {
        file.write(&page::of(&report))?;
    }
    if let Some(file) = &shape.openmetrics {
        openmetrics::of(&report).write(file)?;
    }
    let regressions = report.against.as_ref().map(Against::regressions).unwrap_or_default();
    if report.is_partial {
        if shape.save.is_some() {
            show::tell("the run was interrupted, so it is not kept as a baseline");
        }
        return Ok(Ended::Interrupted);
    }
    if let Some(file) = &shape.save {
        if report.is_begun_late() {
            show::tell(
                "warning: this program began its calls late, so this baseline is partly one of the machine that makes the load",
            );
        }
        let text = serde_json::to_string_pretty(&report).context("the report cannot be written as JSON")?;
        std::fs::write(file, text + "\n").with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if report.is_begun_late() && !regressions.is_empty() {
        show::tell(&format!(
            "this run was worse, and tells nothing: this program began its calls late (p99 {}), so the machine that makes the load is at its limit",
            baseline::ms(report.begun_late_ms.p99)
        ));
        return Ok(Ended::Unknown);
    }
    for regression in &regressions {
        show::tell(&format!("regression: {regression}"));
    }
    if report.counts.answered == 0 {
        show::tell("no call was answered well");
        return Ok(Ended::Badly);
    }
    let not_well = report.not_well();
    if not_well > shape.allow {
        show::tell(&format!(
            "{not_well:.2} % of the calls were skipped or did not end well (--allow {})",
            shape.allow
        ));
        return Ok(Ended::Warned);
    }
    Ok(if regressions.is_empty() { Ended::Well } else { Ended::Warned })
}

impl Shape {
    fn load(&self, kind: Kind, targets: Vec<Share>, connections: Option<u32>) -> Load {
        Load {
            kind,
            targets,
            rate: self.rate,
            arrivals: self.arrivals,
            seed: self.seed,
            seconds: self.length.as_secs_f64(),
            in_flight: usize::try_from(self.in_flight).unwrap_or(usize::MAX),
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            connections,
        }
    }

    /// What is made sure of before anything is called.
    fn before(&self, load: &Load) -> Result<Before> {
        Ok(Before {
            then: self.against.as_deref().map(|file| baseline::read(file, load)).transpose()?,
            page: self.html.as_deref().map(PageFile::at).transpose()?,
        })
    }
}

/// The earlier run, and where the page will be.
#[derive(Debug)]
struct Before {
    then: Option<Report>,
    page: Option<PageFile>,
}

//! `plimsoll load pool-size`: how large a pool should be, measured on the database itself.
//!
//! Each size has its turn in each round, once upwards and once downwards, so that what changes on the server in the meantime falls on
//! all of them. The smallest size that comes within the spread of the best is recommended: a connection more costs the server memory
//! and brings nothing.
//!
//! | file | what it holds |
//! |---|---|
//! | `knee` | where more connections stop helping, and Little's law: pure |
//! | `measure` | one size |
//! | `found` | all sizes, and what is concluded |
//! | `screen`, `page` | how it is written |

mod found;
mod knee;
mod measure;
mod page;
mod screen;

use super::consent;
use super::database::{self, SqlCaller};
use super::drive::{self, Pace};
use super::figures::{Kind, Load, Report, Share};
use super::live::Stop;
use super::options::PoolSize;
use super::schedule::{Arrivals, Schedule, Turns};
use super::tally::Tally;
use super::work::{Schema, Work};
use crate::ask::ask;
use crate::page::PageFile;
use crate::show::progress::Progress;
use crate::{Ended, show};
use anyhow::{Context, Result, bail};
use found::{Found, Step, Tried};
use knee::sizes;
use measure::{Measured, Way};
use parking_lot::Mutex;
use plimsoll::{Database, DirectConnection, Pooler};
use plimsoll_inspect::room::{ROOM, Room};
use std::sync::Arc;
use std::time::Duration;

/// Finds the size.
///
/// # Errors
/// The server cannot be reached, has no connection free, or does not take what is to be run.
pub(super) async fn run(options: &PoolSize) -> Result<Ended> {
    let said = options.statement();
    let statement = said.as_ref().map(|said| database::statements(std::slice::from_ref(said))).transpose()?;
    let statement = statement.and_then(|(mut statements, _)| statements.pop());
    let html = options.html.as_deref().map(PageFile::at).transpose()?;
    let connection = options.target.connect("load").await?;
    let room = room(&connection).await?;
    let reasons = consent::reasons_of(&connection).await?;
    drop(connection);
    // One is that of the tables, or of the look at the statement.
    let free = u32::try_from(room.free().saturating_sub(1)).unwrap_or(u32::MAX);
    let sizes = sizes(options.most.min(free));
    if sizes.is_empty() {
        bail!(
            "the server has no connection free for a load: {} of {} are used (plimsoll top shows by whom)",
            room.used,
            room.most
        );
    }
    let seconds = options.length.as_secs_f64() * f64::from(options.rounds) * sizes.len() as f64;
    let most = sizes.last().copied().unwrap_or_default();
    let what = format!("A load of up to {most} connections that are always busy, for about {seconds:.0} s");
    if !consent::given(&reasons, &what, options.yes).await? {
        return Ok(Ended::Interrupted);
    }
    let mut stop = Stop::listen()?;
    let db = database::tool(&options.target).await?;
    let (found, removed) = match prepare(options, statement.as_deref(), &db).await {
        Ok((work, schema)) => {
            let found = find(options, &work, &sizes, room, &db, &mut stop).await;
            let removed = match schema {
                Some(schema) => schema.remove(&db).await,
                None => Ok(()),
            };
            (found, removed)
        }
        Err(error) => (Err(error), Ok(())),
    };
    db.shutdown_within(Duration::from_secs(1)).await;
    let ended = told(&found?, options, html)?;
    removed.map(|()| ended)
}

async fn room(connection: &DirectConnection) -> Result<Room> {
    let answer = ask(connection, ROOM, None).await?;
    let answer = answer
        .map_err(|refused| anyhow::anyhow!("how many connections are free cannot be seen: {refused}"))?;
    Room::read(&answer)?.context("the server did not say how many connections are free")
}

/// What each call runs, with the tables for it.
async fn prepare(
    options: &PoolSize,
    statement: Option<&str>,
    db: &Database,
) -> Result<(Work, Option<Arc<Schema>>)> {
    if let Some(sql) = statement {
        return Ok((database::work(db, sql, options.timeout).await?, None));
    }
    for schema in Schema::left_behind(db).await? {
        let drop = format!("DROP SCHEMA {schema} CASCADE");
        show::tell(&format!(
            "warning: tables of a run that was killed, or that goes on, are still there: {drop}"
        ));
    }
    let schema = Schema::make(db, options.scale).await?;
    let work = if options.read_only { Work::Lookup } else { Work::Transfer };
    Ok((work(Arc::clone(&schema)), Some(schema)))
}

/// Measures and concludes.
async fn find(
    options: &PoolSize,
    work: &Work,
    sizes: &[u32],
    room: Room,
    db: &Database,
    stop: &mut Stop,
) -> Result<Found> {
    let callers = sizes.last().copied().unwrap_or(1);
    let way = Way {
        target: &options.target,
        work: work.clone(),
        callers,
        length: options.length,
        timeout: options.timeout,
    };
    let (steps, refused) = climb(&way, sizes, options.rounds, stop).await?;
    let mut found = Found {
        schema_version: 1,
        work: work.name(),
        is_partial: stop.is_said(),
        callers,
        rounds: options.rounds,
        seconds: options.length.as_secs_f64(),
        within_percent: options.near,
        steps,
        refused,
        knee: None,
        little: None,
        tried: None,
        recommended: None,
        instances: options.instances,
        of_each: None,
        room,
        left: None,
        through: db.pooler().and_then(mode),
    };
    found.conclude();
    if let (Some(rate), Some(size), false) = (options.rate, found.recommended, stop.is_said()) {
        try_rate(options, &mut found, work, rate, size, stop).await?;
    }
    Ok(found)
}

/// The mode of the pooler in between, if there is one.
fn mode(pooler: Pooler) -> Option<String> {
    match pooler {
        Pooler::None => None,
        Pooler::Session => Some("session".to_owned()),
        Pooler::Transaction => Some("transaction".to_owned()),
        _ => Some("some".to_owned()),
    }
}

/// Every size in every round.
async fn climb(
    way: &Way<'_>,
    sizes: &[u32],
    rounds: u32,
    stop: &mut Stop,
) -> Result<(Vec<Step>, Option<(u32, String)>)> {
    let progress = Progress::begin();
    let mut measured: Vec<(u32, Vec<Measured>)> = sizes.iter().map(|size| (*size, Vec::new())).collect();
    let mut refused: Option<(u32, String)> = None;
    for round in 1..=rounds {
        let mut order: Vec<&mut (u32, Vec<Measured>)> = measured.iter_mut().collect();
        if round % 2 == 0 {
            order.reverse();
        }
        for (size, rounds_of_size) in order {
            if stop.is_said() || refused.as_ref().is_some_and(|(at, _)| *size >= *at) {
                continue;
            }
            progress.is_at(format!("round {round} of {rounds}: a pool of {size}"));
            match way.measure(*size, stop.receiver()).await {
                // What was cut short is none.
                Ok(_) if stop.is_said() => {}
                Ok(of_size) => rounds_of_size.push(of_size),
                Err(error) if *size == 1 => return Err(error),
                Err(error) => refused = Some((*size, crate::in_one_line(&error))),
            }
        }
    }
    let steps = measured.iter().filter(|(_, rounds)| !rounds.is_empty());
    let steps = steps.map(|(size, rounds)| Step::of(*size, rounds)).collect::<Result<Vec<Step>>>()?;
    Ok((steps, refused))
}

/// The wanted load as it comes, on a pool of the recommended size.
async fn try_rate(
    options: &PoolSize,
    found: &mut Found,
    work: &Work,
    rate: f64,
    size: u32,
    stop: &mut Stop,
) -> Result<()> {
    let progress = Progress::begin();
    progress.is_at(format!("{rate} calls a second on a pool of {size}"));
    let db =
        database::pool(&options.target, size, options.timeout.max(Duration::from_secs(10)), false).await?;
    let caller = SqlCaller::new(db, vec![work.clone()]);
    let (mut tallies, mut lengths) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        if stop.is_said() {
            break;
        }
        let tally = Arc::new(Mutex::new(Tally::new(1)?));
        let schedule = Schedule::new(rate, Arrivals::Poisson, round.into(), options.length);
        let pace = Pace { in_flight: 1_000, timeout: options.timeout, length: options.length };
        let counted = Arc::clone(&tally);
        drive::round(caller.clone(), pace, schedule, Turns::new([1]), counted, stop.receiver()).await?;
        tallies.push(tally.lock().clone());
        lengths.push(options.length);
    }
    caller.close().await;
    found.is_partial |= stop.is_said();
    let load = Load {
        kind: Kind::Sql,
        targets: vec![Share { name: found.work.clone(), weight: 1 }],
        rate,
        arrivals: Arrivals::Poisson,
        seed: 0,
        seconds: found.seconds,
        in_flight: 1_000,
        timeout_ms: 0,
        connections: Some(size),
    };
    let report = Report::of(load, &tallies, &lengths, found.is_partial)?;
    let works = report.works_ms.unwrap_or_default();
    if works.mean > 0.0 {
        found.little = Some(knee::little(rate, works.mean));
    }
    found.tried = Some(Tried {
        size,
        throughput: report.spread.throughput,
        times_ms: report.times_ms,
        waits_ms: report.waits_ms.unwrap_or_default(),
        not_well: report.not_well(),
    });
    Ok(())
}

fn told(found: &Found, options: &PoolSize, html: Option<PageFile>) -> Result<Ended> {
    options.output.print(found, |_| screen::table(found), || screen::plain(found))?;
    if let Some(file) = html {
        file.write(&page::of(found))?;
    }
    if let Some(file) = &options.openmetrics {
        screen::metrics(found).write(file)?;
    }
    if found.is_partial {
        return Ok(Ended::Interrupted);
    }
    if found.knee.is_none() {
        show::tell(&format!(
            "no call was answered within {} s of any size: a longer --for may tell more",
            found.seconds
        ));
        return Ok(Ended::Badly);
    }
    let is_short = found.left.is_some_and(|left| left < 0);
    let is_not_carried = found.tried.as_ref().is_some_and(|tried| tried.not_well > 1.0);
    Ok(if is_short || is_not_carried { Ended::Warned } else { Ended::Well })
}

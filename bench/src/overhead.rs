//! What guarding and watching cost: ours with everything on, beside the driver with nothing around it.
//!
//! 16 tasks run one prepared statement, one at a time, each with a connection of its own. Ours takes that connection
//! from a pool of 16 for each statement, inside a deadline, and gives it back: lease record, call site, clock, tap on
//! the wire, limits. Since there are as many connections as tasks, nobody ever waits for one, and what is compared is
//! work and not queueing. The bare driver's tasks each keep a client and a prepared statement. No peer takes part; the
//! driver has a column of its own, and the ratio is to it.
//!
//! Ours runs twice. *All* has everything on that there is: monitor, slow log, write audit, the id of a request, the questions
//! about locks and about other instances. *Guards* has only what keeps the promises, and nothing that watches: the
//! difference is what watching costs.
//!
//! The server takes most of the time of such a statement, also on this machine, so throughput alone would flatter us.
//! What this process spends of the processor is therefore measured as well: its own clock (all threads, none of the
//! server's), over the statements of a round, ours less the driver's of the same round.
//!
//! What the guards cost beside work of an ordinary length is [`budget`]'s table.

use crate::budget;
use crate::crowd::{per_second, time, warmed};
use crate::options::Options;
use crate::peers::{self, DEADLINE, Place, Prepared};
use crate::race::{Better, Laps, OURS};
use crate::report::{DRIVER, Report};
use anyhow::{Context, Result};
use plimsoll::request_id::{self, RequestId};
use plimsoll::settings::Enforcement;
use plimsoll::{Database, Settings};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const ABOUT: &str = "`select $1::int8`, prepared; 16 tasks, each with a connection of its own, TCP";
const TASKS: usize = 16;
/// Statements of one task in one round.
const EACH: usize = 400;

/// Ours without anything that watches.
const GUARDS: &str = "guards only";

const SQL: &str = "select $1::int8";
const NUMBER: i64 = 7;

/// One round.
struct Lap {
    rate: f64,
    /// Of one statement, in microseconds.
    cpu: f64,
}

impl Lap {
    /// From one statement to the next of the same task, in microseconds.
    fn query(&self) -> f64 {
        TASKS as f64 * 1e6 / self.rate
    }
}

pub async fn run(options: &Options) -> Result<Report> {
    let server = peers::server().await?;
    let place = Place::direct(&server);
    let mut laps = draw(options, &place).await?;
    for _ in 1..options.draws() {
        laps.join(draw(options, &place).await?);
    }
    let mut report = Report::new("overhead", ABOUT);
    let rates = laps.figures(Better::More, |lap| lap.rate);
    report.row("all", "per s", &rates);
    if let Some(paired) = rates.against(DRIVER) {
        report.at_least("all", "over the bare driver", paired.ratio, 0.94);
    }
    if let (Some(guards), Some(driver)) = (rates.median(GUARDS), rates.median(DRIVER)) {
        report.further("guards", "only, over the bare driver".to_owned(), guards / driver, "");
    }

    let cpu = laps.figures(Better::Less, |lap| lap.cpu);
    for name in [OURS, GUARDS, DRIVER] {
        if let Some(value) = cpu.median(name) {
            report.further("client CPU", format!("of one call, {name}"), value, "us");
        }
    }
    if let Some(more) = cpu.beyond(DRIVER) {
        report.row("client CPU", "us", &more);
        let more = more.median(OURS).unwrap_or(f64::NAN);
        report.at_most("client CPU", "more than the driver, a call", more, 1.5);
    }

    let query = laps.figures(Better::Less, Lap::query);
    for (entrant, name) in [(OURS, "plimsoll"), (DRIVER, "bare driver")] {
        report.mean("query", name, query.median(entrant));
        report.more("query", name, &query, entrant);
    }
    budget::measure(&mut report, options, &place).await?;
    Ok(report)
}

/// A race on new connections.
async fn draw(options: &Options, place: &Place) -> Result<Laps<Lap>> {
    let ours = Database::connect(place.settings(TASKS).write_audit(Enforcement::On)).await?;
    let guards = Database::connect(unwatched(place.settings(TASKS))).await?;
    let bare: Vec<_> = place.bare(TASKS, &[SQL]).await?.into_iter().map(Arc::new).collect();
    let each = options.times(EACH);
    let (ours, guards, bare) = (&ours, &guards, &bare);
    let laps = options
        .long_race(Better::More)
        .with(OURS, || warmed(each, |each| by_plimsoll(ours, each)))
        .with(GUARDS, || warmed(each, |each| by_plimsoll(guards, each)))
        .with(DRIVER, || warmed(each, |each| by_driver(bare, each)))
        .laps()
        .await;
    ours.close().await;
    guards.close().await;
    laps
}

/// Without anything that watches.
fn unwatched(settings: Settings) -> Settings {
    settings
        .monitoring(false)
        .slow_log_after(None)
        .write_audit(Enforcement::Off)
        .connection_budget(Enforcement::Off)
}

async fn by_plimsoll(db: &Database, each: usize) -> Result<Lap> {
    let spent = cpu();
    let took = time(TASKS, |_| {
        let db = db.clone();
        request_id::within(RequestId::random(), async move {
            for _ in 0..each {
                let row = db.named("overhead").within(DEADLINE).query_one(SQL, &[&NUMBER]).await?;
                black_box(row.try_get::<_, i64>(0)?);
            }
            Ok(())
        })
    });
    lap(took.await?, cpu().saturating_sub(spent), each)
}

async fn by_driver(clients: &[Arc<Prepared>], each: usize) -> Result<Lap> {
    let spent = cpu();
    let took = time(TASKS, |task| {
        let client = clients.get(task).cloned();
        async move {
            let client = client.context("a task without its client")?;
            let statement = client.statements.first().context("a client without its statement")?;
            for _ in 0..each {
                let row = client.client.query_one(statement, &[&NUMBER]).await?;
                black_box(row.try_get::<_, i64>(0)?);
            }
            Ok(())
        }
    });
    lap(took.await?, cpu().saturating_sub(spent), each)
}

fn lap(took: Duration, spent: Duration, each: usize) -> Result<Lap> {
    let calls = TASKS * each;
    Ok(Lap { rate: per_second(calls, took), cpu: spent.as_secs_f64() * 1e6 / calls as f64 })
}

/// What all threads of this process have spent of the processor, user and system.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_query_is_that_between_two_of_one_task() {
        let lap = lap(Duration::from_secs(2), Duration::from_secs(1), 1_000).unwrap();
        assert_eq!((lap.rate, lap.query()), (8_000.0, 2_000.0));
        assert_eq!(lap.cpu, 62.5);
    }

    #[test]
    fn this_process_has_spent_something() {
        let before = cpu();
        assert!(!before.is_zero());
        let sum: u64 = (0..2_000_000u64).map(black_box).sum();
        black_box(sum);
        assert!(cpu() > before);
    }
}

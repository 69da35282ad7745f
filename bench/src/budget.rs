//! What the guards cost beside work of an ordinary length, in the table of those who set a budget for it.
//!
//! A service in Python measured its own guards on an acquisition of 12.5 ms and on a query of 45.2 ms, and set a budget for
//! each of their parts. Both are measured here on the same lengths: the query really takes 45.2 ms, on the driver with
//! nothing around it and through a guarded call, in turn; what a deadline adds to an acquisition is measured over many
//! acquisitions, since it is shorter than a clock can tell of one. So is what the monitor takes to record a query, and to
//! give out all that it has recorded, as a collector asks for it once a second. At saturation, where nothing hides what the guards
//! cost, `overhead` shows them beside the bare driver.

use crate::options::Options;
use crate::peers::{DEADLINE, Place, Prepared};
use crate::race::{Better, Figures, OURS};
use crate::report::{DRIVER, Report, percent};
use anyhow::{Context, Result};
use plimsoll::migrate::{Initialisation, Migrations};
use plimsoll::{Database, deadline};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The acquisition and the query that the budget was set for, in milliseconds.
const ACQUISITION: f64 = 12.5;
const QUERY: f64 = 45.2;
const SQL: &str = "select pg_sleep(0.0452)";
/// Acquisitions of one round.
const ACQUIRES: usize = 50_000;
const RECORDS: usize = 200_000;
const COLLECTIONS: usize = 500;
const NO_DEADLINE: &str = "without a deadline";

/// What was found.
struct Cost {
    schema_check_ms: f64,
    deadline_us: f64,
    query_us: f64,
    /// The records of one acquisition and one statement.
    recording_us: f64,
    /// The snapshot as JSON, once a second, in per cent of one processor.
    collecting_pct: f64,
}

/// Measures, and adds the table and its targets to the report.
pub async fn measure(report: &mut Report, options: &Options, place: &Place) -> Result<()> {
    let ours = place.plimsoll(1).await?;
    let acquires = acquisitions(report, options, &ours, &place.deadpool(1)?).await?;
    let queries = queries(options, &ours, place).await?;
    let between = |figures: &Figures, with, without| {
        figures.median(with).unwrap_or(f64::NAN) - figures.median(without).unwrap_or(f64::NAN)
    };
    let cost = Cost {
        schema_check_ms: schema_check(&ours, options.times(20)).await?,
        deadline_us: between(&acquires, OURS, NO_DEADLINE),
        query_us: between(&queries, OURS, DRIVER),
        recording_us: recording(&ours, options.times(RECORDS)),
        collecting_pct: collecting(&ours, options.times(COLLECTIONS))?,
    };
    for line in table(&cost) {
        report.line(line);
    }
    report.at_most("budget", "schema check at the start, ms", cost.schema_check_ms, 50.0);
    report.at_most("budget", "time limit of an acquire, us (1 ms is allowed)", cost.deadline_us, 1_000.0);
    report.at_most("budget", "recording of a query, us (0.5 ms is allowed)", cost.recording_us, 500.0);
    report.at_most("budget", "collecting once a second, % of a CPU", cost.collecting_pct, 5.0);
    report.at_most("budget", "a query of 45.2 ms, % more than the driver", query_share(&cost), 2.0);
    ours.close().await;
    Ok(())
}

fn query_share(cost: &Cost) -> f64 {
    percent(1.0 + cost.query_us / 1e3 / QUERY)
}

fn table(cost: &Cost) -> Vec<String> {
    let part = |name: &str, allowed: &str, measured: String| format!("{name:<40}{allowed:>12}{measured:>16}");
    let case = |name: &str, before: f64, more_us: f64| {
        let after = before + more_us / 1e3;
        let share = percent(after / before);
        format!("{name:<40}{before:>9.1} ms{after:>13.4} ms{share:>12.4} %")
    };
    vec![
        part("Overhead analysis", "allowed", "measured".to_owned()),
        part("Schema check (first connection)", "50 ms", format!("{:.2} ms", cost.schema_check_ms)),
        part("Timeout logic (per connection)", "1 ms", format!("{:.3} us", cost.deadline_us)),
        part("Metric recording (per query)", "0.5 ms", format!("{:.3} us", cost.recording_us)),
        part("Metric collection (each second)", "5 % CPU", format!("{:.4} % CPU", cost.collecting_pct)),
        String::new(),
        format!("{:<40}{:>12}{:>16}{:>14}", "Benchmarks", "before", "after", "overhead"),
        case("Connection acquisition (with timeout)", ACQUISITION, cost.deadline_us),
        case("Query execution (guarded)", QUERY, cost.query_us),
    ]
}

/// Microseconds of one acquisition, outside any deadline and in one, and of a pool that keeps no time at all.
async fn acquisitions(
    report: &mut Report,
    options: &Options,
    ours: &Database,
    deadpool: &deadpool_postgres::Pool,
) -> Result<Figures> {
    let times = options.times(ACQUIRES);
    let figures = options
        .race(Better::Less)
        .with(OURS, || acquire_by_deadline(ours, times))
        .with(NO_DEADLINE, || acquire(ours, times))
        .with("deadpool", || acquire_of_deadpool(deadpool, times))
        .run()
        .await?;
    let names = [
        (OURS, "plimsoll in a deadline"),
        (NO_DEADLINE, "plimsoll without a deadline"),
        ("deadpool", "deadpool without time limits"),
    ];
    for (entrant, name) in names {
        report.mean("acquire", name, figures.median(entrant));
        report.more("acquire", name, &figures, entrant);
    }
    Ok(figures)
}

/// Microseconds of one query of the length that the budget was set for.
async fn queries(options: &Options, ours: &Database, place: &Place) -> Result<Figures> {
    let bare: Vec<_> = place.bare(1, &[SQL]).await?.into_iter().map(Arc::new).collect();
    let bare = bare.first().context("the bare driver has a client")?;
    options
        .long_race(Better::Less)
        .with(OURS, || query_of_ours(ours))
        .with(DRIVER, || query_of_driver(bare))
        .run()
        .await
}

async fn query_of_ours(db: &Database) -> Result<f64> {
    let began = Instant::now();
    black_box(db.named("budget").within(DEADLINE).query_one(SQL, &[]).await?);
    Ok(a_time(began, 1))
}

async fn query_of_driver(client: &Prepared) -> Result<f64> {
    let statement = client.of(SQL).context("a client without its statement")?;
    let began = Instant::now();
    black_box(client.client.query_one(statement, &[]).await?);
    Ok(a_time(began, 1))
}

/// Milliseconds that a service takes at its start to find that its schema is there.
async fn schema_check(db: &Database, times: usize) -> Result<f64> {
    static SCHEMA: Migrations = Migrations::embedded(&[("001_there.sql", "CREATE TABLE there (id int)")]);
    let made = db.auto_initialize(&SCHEMA, "there").await;
    anyhow::ensure!(made.is_ready(), "the schema could not be made: {made:?}");
    let mut took = Vec::new();
    for _ in 0..times {
        let began = Instant::now();
        anyhow::ensure!(matches!(db.auto_initialize(&SCHEMA, "there").await, Initialisation::AlreadyThere));
        took.push(a_time(began, 1) / 1e3);
    }
    took.sort_by(f64::total_cmp);
    Ok(took.get(took.len() / 2).copied().unwrap_or(f64::NAN))
}

/// Microseconds of one acquire with its release.
async fn acquire_by_deadline(db: &Database, times: usize) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..times {
        drop(black_box(deadline::within(DEADLINE, db.acquire()).await?));
    }
    Ok(a_time(began, times))
}

async fn acquire(db: &Database, times: usize) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..times {
        drop(black_box(db.acquire().await?));
    }
    Ok(a_time(began, times))
}

async fn acquire_of_deadpool(pool: &deadpool_postgres::Pool, times: usize) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..times {
        drop(black_box(pool.get().await?));
    }
    Ok(a_time(began, times))
}

/// Microseconds of the records of one query.
fn recording(db: &Database, times: usize) -> f64 {
    let monitor = db.monitor();
    let began = Instant::now();
    for _ in 0..times {
        monitor.record_acquisition(black_box(Duration::from_micros(10)), true);
        monitor.record_query_execution(black_box(SQL), Duration::from_micros(45_200), false);
    }
    a_time(began, times)
}

/// Per cent of one processor that goes to a collector who asks once a second, while the table of statements is full.
fn collecting(db: &Database, times: usize) -> Result<f64> {
    for number in 0..1_000 {
        let text = format!("select column_{number} from a_table where id = $1");
        db.monitor().record_query_execution(&text, Duration::from_micros(number), false);
    }
    let began = Instant::now();
    for _ in 0..times {
        black_box(db.monitor().capture_pool_snapshot());
        black_box(serde_json::to_string(&db.snapshot())?);
    }
    Ok(a_time(began, times) / 1e6 * 100.0)
}

fn a_time(began: Instant, times: usize) -> f64 {
    began.elapsed().as_secs_f64() * 1e6 / times as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_a_share_of_the_work_that_it_comes_on_top_of() {
        let lines = table(&Cost {
            schema_check_ms: 1.0,
            deadline_us: 0.3,
            query_us: 5.0,
            recording_us: 0.4,
            collecting_pct: 0.05,
        })
        .join("\n");
        assert!(lines.contains("12.5003 ms"), "{lines}");
        assert!(lines.contains("45.2050 ms"), "{lines}");
        assert!(lines.contains("0.400 us") && lines.contains("0.0500 % CPU"), "{lines}");
        assert!(lines.contains("0.0024 %") && lines.contains("0.0111 %"), "{lines}");
    }
}

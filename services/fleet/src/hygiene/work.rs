//! The work of the night. Each piece of it may run in any number of instances at the same time: one does it, the others see that
//! it is done or being done.

use super::finished;
use super::night::is_due;
use jiff::Timestamp;
use jiff::civil::Date;
use plimsoll::{Database, Fault, Result, Transaction};
use std::time::Duration;

const DONE_AT: &str = "SELECT done_at FROM public.maintenance_log WHERE work = $1";

const DONE: &str = "
    INSERT INTO public.maintenance_log (work, done_at) VALUES ($1, $2)
    ON CONFLICT (work) DO UPDATE SET done_at = excluded.done_at";

/// More days than these are left for the next night: each of them stops readings for a moment.
const MOST_DAYS: usize = 40;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Days of readings that are past are dropped.
    Partitions,
    /// Alerts that were closed long ago go, with what was told of them.
    Finished,
    /// The planner's statistics of the readings as a whole, which autovacuum does not renew, and of what has changed.
    Statistics,
    /// The overview of the sites is worked out anew, while it is being read.
    Overview,
}

impl Work {
    /// Each of them, in the order in which they are done.
    pub const ALL: [Work; 4] = [Work::Partitions, Work::Finished, Work::Statistics, Work::Overview];

    /// As it is called in `maintenance_log`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Work::Partitions => "telemetry partitions",
            Work::Finished => "finished alerts",
            Work::Statistics => "statistics",
            Work::Overview => "site overview",
        }
    }
}

/// When the work is done, and what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nightly {
    /// The hour of UTC from which on it is done.
    pub hour: i8,
    /// For how many days what was done with is kept: see [`finished`].
    pub keep_days: i32,
}

/// Does it if it is due and no other instance is at it; whether it was done here.
///
/// # Errors
/// As any transaction's.
///
/// # Cancel safety
/// Dropped, it is done again the next time; days that were dropped stay dropped.
pub async fn if_due(db: &Database, work: Work, now: Timestamp, nightly: Nightly) -> Result<bool> {
    let Nightly { hour, keep_days } = nightly;
    let is_in_parts = matches!(work, Work::Partitions | Work::Finished);
    if is_in_parts && is_due(done_at(db, work).await?, now, hour) {
        // A transaction for each part of it: no lock is held from one to the next.
        match work {
            Work::Finished => drop(finished::forget(db, keep_days).await?),
            _ => drop(drop_past_days(db).await?),
        }
    }
    let step = async |tx: Transaction| {
        if !tx.try_advisory_lock(("maintenance", work.name())).await? {
            return Ok(false);
        }
        let row = tx.query_opt(DONE_AT, &[&work.name()]).await?;
        let done = row.map(|row| row.try_get(0)).transpose()?;
        if !is_due(done, now, hour) {
            return Ok(false);
        }
        match work {
            Work::Partitions | Work::Finished => {}
            Work::Statistics => {
                tx.query("SELECT public.renew_telemetry_statistics()", &[]).await?;
                tx.query("SELECT public.renew_statistics()", &[]).await?;
            }
            Work::Overview => {
                tx.query("SELECT public.refresh_site_overview()", &[]).await?;
            }
        }
        tx.execute(DONE, &[&work.name(), &now]).await?;
        Ok(true)
    };
    db.named("maintenance").retrying(step).await
}

async fn done_at(db: &Database, work: Work) -> Result<Option<Timestamp>> {
    let row = db.named("maintenance").query_opt(DONE_AT, &[&work.name()]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Drops each day of readings that is past; gives them.
///
/// # Errors
/// As any transaction's. A table that others are reading for more than a second is no error: its day is left for the next time.
///
/// # Cancel safety
/// Dropped, some of the days are dropped.
pub async fn drop_past_days(db: &Database) -> Result<Vec<Date>> {
    let mut days = Vec::new();
    while days.len() < MOST_DAYS {
        let step = async |tx: Transaction| {
            tx.advisory_lock("telemetry partitions past").await?;
            Ok(tx.query_one("SELECT public.drop_past_telemetry_partition()", &[]).await?.try_get(0)?)
        };
        let call = db.named("drop past partition").within(Duration::from_secs(60));
        match call.retrying(step).await {
            Ok(Some(day)) => {
                tracing::info!("dropped the readings of {day}: they are older than 31 days");
                days.push(day);
            }
            Ok(None) => break,
            Err(error) if error.fault() == Fault::LockTimeout => {
                tracing::info!("a day of readings that is past is being read, and is dropped the next time");
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(days)
}

/// Renews the statistics of tables of which much has changed; gives their names.
///
/// # Errors
/// As any transaction's.
///
/// # Cancel safety
/// All or nothing.
pub async fn renew_statistics(db: &Database) -> Result<Vec<String>> {
    let step = async |tx: Transaction| {
        if !tx.try_advisory_lock(("maintenance", Work::Statistics.name())).await? {
            return Ok(Vec::new());
        }
        Ok(tx.query_one("SELECT public.renew_statistics()", &[]).await?.try_get(0)?)
    };
    db.named("renew statistics").retrying(step).await
}

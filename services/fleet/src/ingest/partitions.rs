//! The table of readings has a partition for each day; this sees to it that the day is there before its readings are.
//!
//! Days are made at start, a few ahead, and every hour after that. What no clock foresees, a reading of three weeks ago
//! after a long outage of a device, makes its day as it comes: nobody is told that it was stored before it has a place.
//! The days that were seen are remembered, so that a batch asks the database about a day once.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use plimsoll::{Database, Result, Transaction};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

const ENSURE: &str = "SELECT public.ensure_telemetry_partition($1)";
const AHEAD: i64 = 3;
const EVERY: Duration = Duration::from_secs(3600);

/// The days that are known to have a partition, and the pool on which others are made.
#[derive(Clone)]
pub struct Partitions {
    known: Arc<Mutex<BTreeSet<Date>>>,
    db: Database,
}

/// The day to which a reading belongs.
#[must_use]
pub fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

impl Partitions {
    /// No day is known yet.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Partitions { known: Arc::default(), db }
    }

    /// Makes the days that are not known yet.
    ///
    /// # Errors
    /// As any transaction's.
    ///
    /// # Cancel safety
    /// Dropped, some of the days may have been made.
    pub async fn ensure(&self, days: BTreeSet<Date>) -> Result<()> {
        for day in days {
            if self.known().contains(&day) {
                continue;
            }
            let make = async |tx: Transaction| ensure_day(&tx, day).await;
            if self.db.named("ensure partition").retrying(make).await? {
                tracing::info!("made the partition of readings for {day}");
            }
            self.known().insert(day);
        }
        Ok(())
    }

    /// Forgets what is known: somebody dropped a partition.
    pub fn forget(&self) {
        self.known().clear();
    }

    /// Makes yesterday, today and the days to come.
    ///
    /// # Errors
    /// As [`Partitions::ensure`].
    ///
    /// # Cancel safety
    /// As [`Partitions::ensure`].
    pub async fn ensure_ahead(&self) -> Result<()> {
        let today = day_of(Timestamp::now());
        let days = (-1..=AHEAD).filter_map(|days| today.checked_add(days.days()).ok());
        self.ensure(days.collect()).await
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<Date>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ensure_day(tx: &Transaction, day: Date) -> Result<bool> {
    tx.advisory_lock(("telemetry partition", day.to_string())).await?;
    Ok(tx.query_one(ENSURE, &[&day]).await?.try_get(0)?)
}

/// Keeps days ahead until `stop` is raised; a background task of the service.
pub(crate) async fn keep_ahead(partitions: Partitions, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = partitions.ensure_ahead().await {
            tracing::error!("partitions ahead could not be made, it is tried again in an hour: {error}");
        }
    }
}

/// The partitions of a batch; named here so that the writer need not know of days.
pub(crate) fn days(times: impl IntoIterator<Item = Timestamp>) -> BTreeSet<Date> {
    times.into_iter().map(day_of).collect()
}

//! The four pools of the service, one for each of its parts, so that none of them can take the others' connections.
//!
//! | pool | connections | who uses it |
//! |---|---|---|
//! | `ui` | 2 to 10 | what people ask for over HTTP: their token, the registry of devices, subscriptions |
//! | `ingest` | 2 to 10 | readings: who sends, registering a new device, the batches |
//! | `ops_worker` | 2 to 10 | the background: partitions of the days to come, and of the days that a late reading needs; subscriptions whose end has come; escalation; changes of devices' states; rules; what is sent of alerts |
//! | `system` | 1 to 5 | health: it is asked when the others have nothing left |
//!
//! The sizes are wishes: `PLIMSOLL_POOL_MIN` and `PLIMSOLL_POOL_MAX` are stronger, and then hold for each of them. All
//! of them carry the same limits, `statement_timeout` first (30 s). `application_name` is `fleet-` and the pool's name,
//! so that `pg_stat_activity` tells whose a session is.

use plimsoll::settings::{Profile, Settings};
use plimsoll::{Database, Result};
use std::future::Future;
use std::time::Duration;

/// The pools, by name.
#[derive(Clone)]
pub struct Pools {
    /// What people ask for.
    pub ui: Database,
    /// Readings.
    pub ingest: Database,
    /// The background.
    pub ops_worker: Database,
    /// Health.
    pub system: Database,
}

impl Pools {
    /// Opens all of them, by a function that opens one.
    ///
    /// # Errors
    /// As [`Database::connect`]; those that were opened are closed again.
    ///
    /// # Cancel safety
    /// Dropped, none of them stays.
    pub async fn open<F, Fut>(settings: &Settings, mut connect: F) -> Result<Self>
    where
        F: FnMut(Settings) -> Fut,
        Fut: Future<Output = Result<Database>>,
    {
        let [ui, ingest, ops_worker, system] = Pools::settings(settings);
        Ok(Pools {
            ui: connect(ui).await?,
            ingest: connect(ingest).await?,
            ops_worker: connect(ops_worker).await?,
            system: connect(system).await?,
        })
    }

    /// What each of them has, of what all have in common; in the order of [`Pools::all`].
    #[must_use]
    pub fn settings(common: &Settings) -> [Settings; 4] {
        [
            ("ui", Profile::Service),
            ("ingest", Profile::Service),
            ("ops_worker", Profile::Service),
            ("system", Profile::Probe),
        ]
        .map(|(name, profile)| common.clone().application_name(format!("fleet-{name}")).profile(profile))
    }

    /// Each with its name.
    #[must_use]
    pub fn all(&self) -> [(&'static str, &Database); 4] {
        [
            ("ui", &self.ui),
            ("ingest", &self.ingest),
            ("ops_worker", &self.ops_worker),
            ("system", &self.system),
        ]
    }

    /// Closes all of them at once, within this time.
    ///
    /// # Cancel safety
    /// Dropped, the waiting stops; the pools stay closed.
    pub async fn close_within(&self, within: Duration) {
        futures_util::future::join_all(self.all().map(|(_, pool)| pool.shutdown_within(within))).await;
    }
}

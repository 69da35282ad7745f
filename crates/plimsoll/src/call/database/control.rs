//! What is asked of the handle by whoever looks after it: numbers, limits, pauses, the end.

use super::Database;
use crate::call::breaker::BreakerStatus;
use crate::call::retry::RetryStatus;
use crate::event::Event;
use crate::pool::{PoolStatus, Shutdown};
use crate::settings::Plan;
use crate::wire::connect::Pooler;
use tokio::sync::broadcast;

impl Database {
    /// The numbers of the pool now.
    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        self.pool.status()
    }

    /// How often work ran again, how often that was refused, and how many retries there may be now.
    #[must_use]
    pub fn retry_status(&self) -> RetryStatus {
        self.retries.status()
    }

    /// Changes how many connections there may be.
    pub fn resize(&self, min: usize, max: usize) {
        self.pool.resize(min, max);
    }

    /// Lends no connection from now on, for a time in which the database must be left alone. Callers wait, by their own
    /// limits, and whose limit comes meanwhile is told of the pause; what is lent goes on and comes home.
    pub fn pause(&self) {
        self.pool.pause();
    }

    /// Lends again, first to those who wait; ends [`Database::pause`] and [`Database::isolate`] alike.
    pub fn resume(&self) {
        self.server.breaker.resume();
        self.pool.resume();
    }

    /// Whether [`Database::pause`] holds.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pool.is_paused()
    }

    /// Events from now on. A subscriber that is slow misses some, and is told how many.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.server.events.subscribe()
    }

    /// The settings as they were checked.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.server.plan
    }

    /// What stands between this program and the server, once a connection has shown it.
    #[must_use]
    pub fn pooler(&self) -> Option<Pooler> {
        self.pool.inner.manager.connector.pooler()
    }

    /// What the circuit breaker does with calls now, and why.
    #[must_use]
    pub fn breaker(&self) -> BreakerStatus {
        self.server.breaker.status()
    }

    /// Refuses every call from now on, as if the server were away, until [`Database::resume`]. What is lent is left
    /// alone.
    pub fn isolate(&self) {
        self.server.breaker.isolate();
    }

    /// Closes the pool: waiters are sent away, idle connections closed, lent ones waited for and then ended. Always
    /// returns: see [`Database::shutdown`].
    ///
    /// # Cancel safety
    /// Dropped, the waiting stops; the pool stays closed.
    pub async fn close(&self) {
        self.shutdown().await;
    }

    /// [`Database::close`] that tells how it went. In three steps: nothing is lent any more and what is out may finish,
    /// up to `close_timeout`; what runs on then is stopped on the server, confirmed (a COMMIT is let finish); what does
    /// not come back even then is ended. Always returns, within `close_timeout` and `reclaim_timeout` together.
    ///
    /// ```no_run
    /// # async fn example(db: plimsoll::Database) -> Result<(), Box<dyn std::error::Error>> {
    /// tokio::signal::ctrl_c().await?;
    /// tokio::select! {
    ///     report = db.shutdown() => println!("{} statements had to be stopped", report.cancelled),
    ///     _ = tokio::signal::ctrl_c() => println!("asked twice: leaving at once"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropped, the waiting stops; the pool stays closed.
    pub async fn shutdown(&self) -> Shutdown {
        self.pool.close().await
    }

    /// Whether [`Database::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }
}

//! Operates the handle: numbers, limits, pauses, shutdown.

use super::Database;
use crate::call::breaker::{BreakerStatus, CircuitBreaker};
use crate::call::cancel_handle::unconfirmed;
use crate::call::postgres::Postgres;
use crate::call::retry::RetryStatus;
use crate::error::Result;
use crate::event::Event;
use crate::pool::{Pool, PoolSize, PoolStatus, RunningId, Shutdown};
use crate::record::keeper;
use crate::settings::Plan;
use crate::wire::connect::Pooler;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::timeout;

impl Database {
    /// The numbers of the pool now; of the primary's where there are replicas ([`Database::routing`] has theirs).
    #[must_use]
    #[doc(alias = "get_pool_status")]
    pub fn pool_status(&self) -> PoolStatus {
        self.pool.status()
    }

    /// How often work was tried again, how often a retry was refused, and how many retries are allowed now.
    #[must_use]
    pub fn retry_status(&self) -> RetryStatus {
        self.retries.status()
    }

    /// Changes the smallest and the largest number of connections, of each pool where there are replicas, and says what holds
    /// for each now. A maximum of 0 is 1, and a minimum above the maximum is the maximum. The overflow (`max_overflow`) stays
    /// as it was set: see [`Pool::resize`].
    pub fn resize(&self, min: usize, max: usize) -> PoolSize {
        for replica in self.replicas.iter().flat_map(|replicas| &replicas.all) {
            replica.pool.resize(min, max);
        }
        self.pool.resize(min, max)
    }

    /// The primary's pool and those of the replicas.
    fn pools(&self) -> impl Iterator<Item = &Pool<Postgres>> {
        let replicas = self.replicas.iter().flat_map(|replicas| &replicas.all);
        std::iter::once(&self.pool).chain(replicas.map(|replica| &replica.pool))
    }

    /// The breakers of all servers.
    fn breakers(&self) -> impl Iterator<Item = &CircuitBreaker> {
        let replicas = self.replicas.iter().flat_map(|replicas| &replicas.all);
        let servers = std::iter::once(&self.server).chain(replicas.map(|replica| &replica.server));
        servers.map(|server| &*server.breaker)
    }

    /// Lends no connection from now on, for a time in which the database must be left alone. Callers wait within their
    /// limits, and the error of a caller whose limit passes mentions the pause. Leases that are out go on and are returned.
    pub fn pause(&self) {
        self.pools().for_each(Pool::pause);
    }

    /// Lends again, first to the waiters; ends [`Database::pause`] as well as [`Database::isolate`].
    pub fn resume(&self) {
        self.breakers().for_each(CircuitBreaker::resume);
        self.pools().for_each(Pool::resume);
    }

    /// Whether [`Database::pause`] holds.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.pool.is_paused()
    }

    /// Events from now on. A slow subscriber misses some and is told how many.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.server.events.subscribe()
    }

    /// The settings as they were checked.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.server.plan
    }

    /// The pooler between this program and the server, known once a connection has been opened.
    #[must_use]
    pub fn pooler(&self) -> Option<Pooler> {
        self.pool.inner.manager.connector.pooler()
    }

    /// What the circuit breaker does with calls now, and why.
    #[must_use]
    pub fn breaker(&self) -> BreakerStatus {
        self.server.breaker.status()
    }

    /// Refuses every call from now on, as if the server were away, until [`Database::resume`]. Leases that are out are not
    /// touched.
    pub fn isolate(&self) {
        self.breakers().for_each(CircuitBreaker::isolate);
    }

    /// Cancels what runs on a lease, if that is still what was seen there ([`LeaseStatus::running`]); returns when the server
    /// has acted on it. The statement then fails with [`Fault::CancelledByOther`](crate::Fault::CancelledByOther), and the next one on the lease waits for
    /// that. Says whether there was anything to cancel: a statement that has ended meanwhile is not confused with the one
    /// after it. A COMMIT or ROLLBACK is not cancelled, and nothing on the connections of replicas.
    ///
    /// ```no_run
    /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
    /// if let Some(oldest) = db.pool_status().leases.first() {
    ///     let was_running = db.cancel_running(oldest.running).await?;
    ///     println!("{} was {}cancelled", oldest.work, if was_running { "" } else { "not " });
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Fault::Unreachable`](crate::Fault::Unreachable) if the request did not reach the server, or it did not say so within 5 s; the connection is
    /// then not lent again.
    ///
    /// # Cancel safety
    /// Dropped, a cancel that was sent is still carried out.
    ///
    /// [`LeaseStatus::running`]: crate::pool::LeaseStatus::running
    pub async fn cancel_running(&self, running: RunningId) -> Result<bool> {
        let Some(link) = self.pool.lent(running) else { return Ok(false) };
        let pid = link.state.pid();
        link.cancel_behind(running.answered).await.ok_or_else(|| unconfirmed(pid))
    }

    /// Closes the pool: waiters are refused, idle connections closed, lent ones awaited and then ended. Always returns: see
    /// [`Database::shutdown`].
    ///
    /// # Cancel safety
    /// Dropped, the waiting stops; the pool stays closed.
    pub async fn close(&self) {
        self.shutdown().await;
    }

    /// [`Database::close`] with a report, in three steps. First listeners end, nothing is lent any more, and leases that
    /// are out may finish, up to `close_timeout`. Then what still runs is stopped on the server, with confirmation (a COMMIT is let
    /// finish). Then connections that are still not returned are ended. Always returns, within `close_timeout` and
    /// `reclaim_timeout` together.
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
        self.shutdown_within(Duration::MAX).await
    }

    /// [`Database::shutdown`] that takes no longer than `within`, for a program whose stop has one limit as a whole.
    /// Where that is shorter than `close_timeout` and `reclaim_timeout` together, leases get less time to finish by
    /// themselves: of `within`, `reclaim_timeout` is kept for stopping what still runs.
    ///
    /// # Cancel safety
    /// Dropped, the waiting stops; the pool stays closed.
    pub async fn shutdown_within(&self, within: Duration) -> Shutdown {
        self.server.closing.send_replace(true);
        let limit = self.server.plan.reclaim_timeout().min(within);
        let listeners = timeout(limit, self.server.closing.closed());
        let pools = futures_util::future::join_all(self.pools().map(|pool| pool.close_within(within)));
        let (ends, _) = tokio::join!(pools, listeners);
        keeper::end(&self.server.monitor).await;
        ends.into_iter().fold(Shutdown::default(), Shutdown::and)
    }

    /// Whether [`Database::close`] was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }
}

//! How a [`Call`] gets its connection, and how long it waits for one.

use super::breaker::Permit;
use super::builder::Call;
use super::connection::PooledConnection;
use super::postgres::Postgres;
use super::span::WorkSpan;
use crate::deadline::{self, Deadline};
use crate::error::Result;
use crate::fault::Fault;
use crate::pool::{Ask, Lease};
use std::time::Duration;

impl Call<'_> {
    /// How long to wait for a connection, instead of the pool's own limit. With zero it is lent what is idle and does not
    /// wait; see also [`Call::try_acquire`].
    pub fn acquire_within(mut self, span: Duration) -> Self {
        self.acquire_within = Some(span);
        self
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// As [`Database::acquire`](crate::Database::acquire).
    ///
    /// # Cancel safety
    /// As [`Database::acquire`](crate::Database::acquire).
    pub async fn acquire(self) -> Result<PooledConnection> {
        let span = WorkSpan::acquire(&self.name, &self.db.server);
        let lent = span.lent(deadline::from_start(self.within, self.lend()).await);
        span.told(&lent, "lent");
        lent
    }

    /// Lends a connection that is idle, and does not wait: `None` if none is, or a caller that waits comes first. It opens no
    /// connection, so where `pool_min` is 0 the first ones must come from calls that wait. For work that has something else
    /// to do meanwhile: nothing of it is counted or logged as a failure.
    ///
    /// ```no_run
    /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
    /// if let Some(connection) = db.named("refresh the cache").try_acquire().await? {
    ///     connection.query("SELECT id, name FROM device", &[]).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The breaker refuses calls ([`Fault::CircuitOpen`]), the pool is closed ([`Fault::PoolClosed`]), or the deadline has
    /// passed ([`Fault::DeadlinePassed`]).
    ///
    /// # Cancel safety
    /// As [`Database::acquire`](crate::Database::acquire)(crate::Database::acquire). It waits only for the check of a connection that was idle for
    /// longer than `check_after_idle`, a second at the most; and a read, for what a replica must prove first.
    pub async fn try_acquire(self) -> Result<Option<PooledConnection>> {
        let call = Call { is_trial: true, acquire_within: Some(Duration::ZERO), ..self };
        let span = WorkSpan::acquire(&call.name, &call.db.server);
        let lent = match deadline::from_start(call.within, call.lend()).await {
            Err(error) if matches!(error.fault(), Fault::PoolExhausted | Fault::NoReplica) => {
                span.ended("none_idle");
                return Ok(None);
            }
            lent => span.lent(lent),
        };
        span.told(&lent, "lent");
        lent.map(Some)
    }

    pub(super) fn ask(&self) -> Ask {
        Ask {
            name: self.name.clone(),
            limit: self.acquire_within,
            priority: self.priority,
            cap: self.at_most,
            is_trial: self.is_trial,
        }
    }

    /// The same, in the surrounding scope.
    pub(super) async fn lend(&self) -> Result<PooledConnection> {
        let deadline = deadline::current();
        match self.replicas() {
            Some(replicas) => Box::pin(self.lend_read(replicas, deadline)).await,
            None => self.lend_primary(deadline).await,
        }
    }

    pub(super) fn keep(
        &self,
        lease: Lease<Postgres>,
        permit: Permit,
        deadline: Option<Deadline>,
    ) -> PooledConnection {
        PooledConnection::new(lease, self.name.clone(), deadline, permit)
    }
}

//! Reads that may run on a replica: what they may ask for, and how they get a connection.
//!
//! A read goes to a replica that suits it, and where there is none, to the primary, within the part of it that such reads
//! may have. It moves on to the next server only as long as nothing of it has run: when no connection can be had, when the
//! replica is lost while it waits for one, or when the replica does not come to the commit that must be visible.
//!
//! *What was asked of a server speaks for the connections that were open then.* A standby that was restarted replays
//! anew from its last restart point, and may for a while show less than before. So a read that gets a connection which is
//! younger than what is known of its server asks for itself, on that connection, before it runs. That costs one round trip
//! for each new connection.

use super::breaker::Permit;
use super::builder::Call;
use super::connection::PooledConnection;
use super::options::Isolation;
use super::postgres::{Postgres, report_to_breaker};
use super::replicas::{Replica, Replicas};
use super::span::WorkSpan;
use super::statement::fetch::Fetch;
use super::statement::query::{CheckedQuery, Params, Query};
use crate::deadline::Deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::pool::Lease;
use crate::pool::fairness::refused;
use crate::rules::route;
use crate::rules::route::{Demand, Fitness, LagLimit, Unfit};
use crate::token::CommitToken;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};

/// The pauses between two looks at how far a replica is.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// A server that does not tell within this time how far it is gets no read that waits for that.
const PROOF_LIMIT: Duration = Duration::from_secs(1);
/// A refused read may find a replica again when all of them have been asked a few times.
const COME_BACK: Duration = Duration::from_secs(1);

/// What a call asks of the server that its reads run on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadOptions {
    max_lag: Option<Duration>,
    after: Option<CommitToken>,
    on_primary: bool,
}

/// The place of a read among those of its server, given back when it is dropped.
pub(crate) enum ReadSlot {
    Replica(Arc<Replica>),
    Fallback { _place: OwnedSemaphorePermit },
}

impl ReadSlot {
    fn on(replica: &Arc<Replica>) -> Self {
        replica.reads.fetch_add(1, Ordering::Relaxed);
        ReadSlot::Replica(Arc::clone(replica))
    }
}

impl Drop for ReadSlot {
    fn drop(&mut self) {
        if let ReadSlot::Replica(replica) = self {
            replica.reads.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Where a read goes. These have an effect on calls that are [`read_only`](Call::read_only), where replicas are set.
impl<'a> Call<'a> {
    /// The read may run on a replica only if that is at most this far behind the primary; without it the setting
    /// `max_replica_lag` holds. It must be proven now: while the primary does not answer, no replica can prove it. A limit
    /// below about twice the setting `replica_check` (250 ms by default) sends every read to the primary.
    ///
    /// ```no_run
    /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
    /// use std::time::Duration;
    /// let count = db.named("count").read_only().max_lag(Duration::from_secs(1)).query_one("SELECT count(*) FROM t", &[]);
    /// # count.await?; Ok(()) }
    /// ```
    pub fn max_lag(mut self, limit: Duration) -> Self {
        self.reads.max_lag = Some(limit);
        self
    }

    /// The read sees this commit. It runs on a replica that has replayed it, waits for one for up to the setting
    /// `replica_wait`, and goes to the primary otherwise. After a failover a token of the time before goes to the primary.
    ///
    /// ```no_run
    /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
    /// let add = async |tx: plimsoll::Transaction| tx.execute("INSERT INTO device VALUES ('d7')", &[]).await;
    /// let (_, token) = db.named("add").transaction_with_token(add).await?;
    /// let seen = db.named("list").read_only().after(token).query("SELECT id FROM device", &[]).await?;
    /// # let _ = seen; Ok(()) }
    /// ```
    pub fn after(mut self, token: CommitToken) -> Self {
        self.reads.after = Some(token);
        self
    }

    /// The read runs on the primary, like work that writes, and without the cap for reads that no replica could serve.
    pub fn on_primary(mut self) -> Self {
        self.reads.on_primary = true;
        self
    }

    /// The replicas, if this call may go to one. A standby takes no serializable transaction and gives no transaction ids.
    #[inline]
    pub(super) fn replicas(&self) -> Option<&'a Arc<Replicas>> {
        let replicas = self.db.replicas.as_ref()?;
        let may_go = self.begin.read_only
            && !self.reads.on_primary
            && !self.begin.with_id
            && self.begin.isolation != Some(Isolation::Serializable);
        may_go.then_some(replicas)
    }

    /// Runs a statement as a read-only transaction on a replica.
    pub(super) async fn fetch_read<F: Fetch>(
        &self,
        replicas: &Arc<Replicas>,
        query: Query<'_>,
        params: Params<'_>,
        deadline: Option<Deadline>,
        span: &WorkSpan,
    ) -> Result<F::Answer> {
        let lent = self.lend_read(replicas, deadline).await;
        span.waited();
        let connection = lent?;
        let query = match CheckedQuery::on(connection.inner(), query, params) {
            Ok(query) => query,
            Err(error) => return refused(error).await,
        };
        self.as_transaction(connection, query, params, span).await
    }

    /// Lends a connection to a server that may serve this read.
    pub(super) async fn lend_read(
        &self,
        replicas: &Arc<Replicas>,
        deadline: Option<Deadline>,
    ) -> Result<PooledConnection> {
        let ReadOptions { max_lag, after, .. } = self.reads;
        let demand = Demand { lag: max_lag.map(LagLimit::Demanded).or(replicas.usual()), after };
        let mut tried: Vec<(usize, Unfit)> = Vec::new();
        while let Some((index, replica)) = replicas.choose(&demand, &tried, Moment::now()) {
            match self.lend_from(replicas, replica, &demand, deadline).await {
                Ok(connection) => return Ok(connection),
                Err(Passed::Next(why)) => tried.push((index, why)),
                Err(Passed::Failed(error)) => return Err(error),
            }
        }
        self.fall_back(replicas, &demand, &tried, deadline).await
    }

    async fn lend_from(
        &self,
        replicas: &Arc<Replicas>,
        replica: &Arc<Replica>,
        demand: &Demand,
        deadline: Option<Deadline>,
    ) -> Result<PooledConnection, Passed> {
        let slot = ReadSlot::on(replica);
        let permit = replica.server.breaker.permit(&self.name);
        let mut permit = permit.map_err(|_| Passed::Next(Unfit::Refusing))?;
        let acquired = tokio::select! {
            biased;
            acquired = replica.pool.acquire_until(self.ask(), deadline) => acquired,
            why = replica.lost() => return Err(Passed::Next(why)),
        };
        let lease = match report_to_breaker(&mut permit, acquired) {
            Ok(lease) => lease,
            // A trial finds none idle here, and perhaps one on the next server.
            Err(error)
                if error.fault().is_connectivity()
                    || (self.is_trial && error.fault() == Fault::PoolExhausted) =>
            {
                return Err(Passed::Next(Unfit::Tried));
            }
            Err(error) => return Err(Passed::Failed(error.at(replica.server.place.as_ref()))),
        };
        let connection = self.keep(lease, permit, deadline).counted(slot);
        if !is_known(replicas, replica, &connection, demand) {
            prove(replicas, &connection, demand).await.map_err(Passed::Next)?;
        }
        replica.served.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }

    /// Lends a connection to the primary, if the part of it is free that reads may have which no replica could serve.
    async fn fall_back(
        &self,
        replicas: &Replicas,
        demand: &Demand,
        tried: &[(usize, Unfit)],
        deadline: Option<Deadline>,
    ) -> Result<PooledConnection> {
        match replicas.fallback.enter(deadline, self.acquire_within).await {
            Some(slot) => match self.lend_primary(deadline).await {
                Ok(connection) => Ok(connection.counted(slot)),
                Err(error) => {
                    let reasons = replicas.reasons(demand, tried);
                    Err(error.and(format_args!("it went there because no replica may serve it: {reasons}")))
                }
            },
            None => Err(self.capped(replicas, &replicas.reasons(demand, tried), deadline)),
        }
    }

    #[cold]
    fn capped(&self, replicas: &Replicas, reasons: &str, deadline: Option<Deadline>) -> Error {
        if let Some(closed) = self.db.closed_refusal(&self.name) {
            return closed.at(self.db.server.place.as_ref());
        }
        let plan = self.db.plan();
        let why = match replicas.fallback.cap {
            0 => "the settings let no such read go to the primary".to_owned(),
            cap => format!(
                "reads like it hold all {cap} of the primary's {} connections that they may",
                plan.pool_total()
            ),
        };
        let has_passed = deadline.is_some_and(|deadline| deadline.has_passed(Instant::now()));
        let fault = if has_passed { Fault::DeadlinePassed } else { Fault::NoReplica };
        let sentence =
            format!("read of {} was refused: no replica may serve it ({reasons}), and {why}", self.name);
        let error = Error::new(fault, Phase::Acquire, Outcome::NotStarted, sentence);
        error.with_retry_after(COME_BACK).at(self.db.server.place.as_ref())
    }

    /// Lends a connection to the primary.
    pub(super) async fn lend_primary(&self, deadline: Option<Deadline>) -> Result<PooledConnection> {
        let mut permit = match self.db.permit(&self.name) {
            Ok(permit) => permit,
            Err(error) => return refused(error.at(self.db.server.place.as_ref())).await,
        };
        let acquired = self.db.pool().acquire_until(self.ask(), deadline).await;
        let lease = self.judged_by(&mut permit, acquired)?;
        Ok(self.keep(lease, permit, deadline))
    }

    /// Tells the breaker whether the primary lent a connection.
    #[inline]
    pub(super) fn judged_by(
        &self,
        permit: &mut Permit,
        acquired: Result<Lease<Postgres>>,
    ) -> Result<Lease<Postgres>> {
        report_to_breaker(permit, acquired).map_err(|error| error.at(self.db.server.place.as_ref()))
    }
}

/// Why a read has no connection to a replica.
enum Passed {
    /// It goes on to the next server.
    Next(Unfit),
    /// It has failed.
    Failed(Error),
}

/// Whether it is known already that the read may run on this connection. What is known of the replica speaks for it only if
/// the connection was open before; behind a transaction pooler it says nothing about the age of the server's session.
fn is_known(replicas: &Replicas, replica: &Replica, connection: &PooledConnection, demand: &Demand) -> bool {
    let connection = connection.inner();
    // Read once: the replica may have been restarted and asked again since it was chosen.
    let seen = replica.seen();
    let is_older = connection.link.origin.get().is_some_and(|origin| origin.opened < seen.asked);
    let is_pooled = demand.after.is_some() && connection.is_pooled_by_transaction();
    let fitness = route::fitness(&seen.candidate, demand, &replicas.primary(), Moment::now());
    is_older && !is_pooled && fitness == Ok(Fitness::Ready)
}

/// Asks the server of this connection itself, and waits for the commit that must be visible.
async fn prove(replicas: &Replicas, connection: &PooledConnection, demand: &Demand) -> Result<(), Unfit> {
    let until = Instant::now() + replicas.wait;
    let mut pause = FIRST_PAUSE;
    loop {
        let told = timeout(PROOF_LIMIT, connection.executor().standing()).await;
        let told = told.map_err(|_| Unfit::Tried)?.map_err(|_| Unfit::Tried)?;
        let candidate = replicas.judge(&told.ok_or(Unfit::Standing(route::Standing::Untold))?);
        match route::fitness(&candidate, demand, &replicas.primary(), Moment::now())? {
            Fitness::Ready => return Ok(()),
            Fitness::Behind if Instant::now() >= until => return Err(Unfit::Missed),
            Fitness::Behind => sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

//! A piece of work with a name, and with what it asks for: [`Database::named`](crate::Database::named).

use super::breaker::Permit;
use super::connection::{PooledConnection, at_most_one, one, refuse_session_state, report_to_breaker};
use super::database::Database;
use super::idempotent::Idempotent;
use super::postgres::Postgres;
use super::retry::{Policy, Safe};
use super::statement::cache::{AsQuery, Query};
use super::statement::executor::{Executor, ScopeSource};
use super::statement::run::{Count, First, Params, Rows, Shape, run_statement};
use super::transaction;
use super::transaction::options::{Isolation, TransactionOptions};
use super::transaction::{Transaction, TransactionGuard};
use crate::deadline;
use crate::deadline::Deadline;
use crate::error::{Error, Outcome, Result};
use crate::fault::Fault;
use crate::name::WorkName;
use crate::pool::fairness::refused;
use crate::pool::{Ask, Lease, Priority, cap};
use crate::rules::outcome::Scope;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;
use tokio_postgres::Row;

/// Work that has a name and options. Made by [`Database::named`](crate::Database::named); ends in the same methods as
/// the [`Database`] itself.
///
/// ```no_run
/// # use plimsoll::{Database, Isolation, Result};
/// # async fn example(db: &Database, id: &str) -> Result<()> {
/// let device = db
///     .named("find device")
///     .read_only()
///     .query_opt("SELECT status FROM device WHERE id = $1", &[&id])
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens until one of query, execute, transaction and so on is called"]
pub struct Call<'a> {
    db: &'a Database,
    name: WorkName,
    begin: TransactionOptions,
    within: Option<Duration>,
    acquire_within: Option<Duration>,
    priority: Priority,
    at_most: Option<NonZeroU32>,
    retries_lock_timeouts: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(db: &'a Database, name: WorkName) -> Self {
        Call {
            db,
            name,
            begin: TransactionOptions::default(),
            within: None,
            acquire_within: None,
            priority: Priority::Normal,
            at_most: None,
            retries_lock_timeouts: false,
        }
    }

    /// Writes nothing: the server refuses a write, and a transaction needs one round trip less.
    pub fn read_only(mut self) -> Self {
        self.begin.read_only = true;
        self
    }

    /// How far it is kept apart from other transactions.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.begin.isolation = Some(isolation);
        self
    }

    /// With [`Isolation::Serializable`] and [`Call::read_only`]: waits for a moment at which nothing can collide.
    pub fn deferrable(mut self) -> Self {
        self.begin.deferrable = true;
        self
    }

    /// Fetches the transaction's id with BEGIN, so that a COMMIT whose answer is lost can be resolved. Costs 16 to
    /// 24 % of a small transaction, and makes three round trips of a single statement; for ingest and money.
    pub fn resolvable(mut self) -> Self {
        self.begin.with_id = true;
        self
    }

    /// The server's limit on each statement, if it is tighter than the session's.
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.begin.statement_timeout = Some(limit);
        self
    }

    /// The server's limit on each wait for a lock.
    pub fn lock_timeout(mut self, limit: Duration) -> Self {
        self.begin.lock_timeout = Some(limit);
        self
    }

    /// In a transaction, this program's own limits on each statement and on the whole do not hold. What the server
    /// limits must be lifted by SET LOCAL, and a deadline holds as ever. For the schema's own work, which is as long
    /// as the tables are large.
    pub(crate) fn without_limits(mut self) -> Self {
        self.begin.takes_its_time = true;
        self
    }

    /// A deadline for all of it, from the moment it starts, waiting for a connection included.
    pub fn within(mut self, span: Duration) -> Self {
        self.within = Some(span);
        self
    }

    /// How long to wait for a connection, instead of the pool's own limit.
    pub fn acquire_within(mut self, span: Duration) -> Self {
        self.acquire_within = Some(span);
        self
    }

    /// Before others in the queue for a connection, or after them.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// How many connections work of this name may hold at a time, at least one; one more waits until one of them comes
    /// back, while work of other names passes it by. Only calls that say a cap are counted. Without it the setting
    /// `max_per_name` holds.
    ///
    /// Within such work, do not ask for another connection by the same name: the cap may never let it in.
    pub fn at_most(mut self, count: usize) -> Self {
        self.at_most = Some(cap(count));
        self
    }

    /// With [`Call::retrying`] and [`Call::idempotent`]: a wait for a lock that was given up
    /// ([`Fault::LockTimeout`]) is tried again too. Not without being asked, since it has kept a connection for all of
    /// `lock_timeout` already; it suits a `NOWAIT`, and a limit that is short.
    pub fn retry_lock_timeouts(mut self) -> Self {
        self.retries_lock_timeouts = true;
        self
    }

    fn policy(&self, safe: Safe) -> Policy {
        Policy { safe, lock_timeouts: self.retries_lock_timeouts }
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// As [`Database::acquire`].
    ///
    /// # Cancel safety
    /// As [`Database::acquire`].
    pub async fn acquire(self) -> Result<PooledConnection> {
        deadline::from_start(self.within, self.lend()).await
    }

    fn ask(&self) -> Ask {
        Ask {
            name: self.name.clone(),
            limit: self.acquire_within,
            priority: self.priority,
            cap: self.at_most,
        }
    }

    /// The same, in whatever scope there is.
    async fn lend(&self) -> Result<PooledConnection> {
        let mut permit = match self.db.permit(&self.name) {
            Ok(permit) => permit,
            Err(error) => return refused(error).await,
        };
        let deadline = deadline::current();
        let acquired = self.db.pool().acquire_until(self.ask(), deadline).await;
        let lease = report_to_breaker(&mut permit, acquired)?;
        Ok(self.keep(lease, permit, deadline))
    }

    fn keep(&self, lease: Lease<Postgres>, permit: Permit, deadline: Option<Deadline>) -> PooledConnection {
        PooledConnection::new(lease, self.name.clone(), deadline, permit)
    }

    /// Runs a statement and gives its rows.
    ///
    /// # Errors
    /// With what became of the statement: see [`Error::outcome`](crate::Error::outcome).
    ///
    /// # Cancel safety
    /// Dropped, the statement is stopped on the server.
    pub fn query<'q, Q: AsQuery + ?Sized>(
        self,
        statement: &'q Q,
        params: Params<'q>,
    ) -> impl Future<Output = Result<Vec<Row>>> + Send + use<'a, 'q, Q> {
        self.run::<Rows, _, _>(statement.as_query(), params, |rows, _| Ok(rows))
    }

    /// Runs a statement that gives exactly one row. As [`Call::query`].
    ///
    /// # Errors
    /// [`Fault::RowCount`] for another number of rows.
    pub fn query_one<'q, Q: AsQuery + ?Sized>(
        self,
        statement: &'q Q,
        params: Params<'q>,
    ) -> impl Future<Output = Result<Row>> + Send + use<'a, 'q, Q> {
        self.run::<First, _, _>(statement.as_query(), params, |rows, name| {
            one(rows, name, Outcome::Committed)
        })
    }

    /// Runs a statement that gives one row or none. As [`Call::query`].
    ///
    /// # Errors
    /// [`Fault::RowCount`] for more rows than one.
    pub fn query_opt<'q, Q: AsQuery + ?Sized>(
        self,
        statement: &'q Q,
        params: Params<'q>,
    ) -> impl Future<Output = Result<Option<Row>>> + Send + use<'a, 'q, Q> {
        self.run::<First, _, _>(statement.as_query(), params, |rows, name| {
            at_most_one(rows, name, Outcome::Committed)
        })
    }

    /// Runs a statement and gives the number of rows that it touched. As [`Call::query`].
    ///
    /// # Errors
    /// As [`Call::query`].
    pub fn execute<'q, Q: AsQuery + ?Sized>(
        self,
        statement: &'q Q,
        params: Params<'q>,
    ) -> impl Future<Output = Result<u64>> + Send + use<'a, 'q, Q> {
        self.run::<Count, _, _>(statement.as_query(), params, |count, _| Ok(count))
    }

    /// A bare statement where nothing was asked for, else a transaction of one statement; `end` makes of its answer what
    /// is wanted. Behind a pooler the driver's names may lead nowhere: then it did not run, and does on another
    /// connection.
    ///
    /// Every statement passes here, so all of it is one block, whose state is one, and not an `async fn`, whose future
    /// would keep each argument twice.
    fn run<'q, S: Shape, T, E: FnOnce(S::Out, &WorkName) -> Result<T> + Send>(
        self,
        query: Query<'q>,
        params: Params<'q>,
        end: E,
    ) -> impl Future<Output = Result<T>> + Send + use<'a, 'q, S, T, E> {
        async move {
            let deadline = self.deadline();
            let answer = {
                // Declared first, so that it is dropped last: by then it is known whether the server said anything.
                let mut permit = match self.db.permit(&self.name) {
                    Ok(permit) => permit,
                    Err(error) => return refused(error).await,
                };
                let acquired = self.db.pool().acquire_until(self.ask(), deadline).await;
                let lease = report_to_breaker(&mut permit, acquired)?;
                if let Err(error) = refuse_session_state(&lease, query) {
                    return refused(error).await;
                }
                if self.begin.is_plain() {
                    let alone = ScopeSource::Known(Scope::Autocommit);
                    let executor = Executor::on(&lease, &self.name, deadline, alone).of(query);
                    run_statement!(S, &executor, None, query, params)
                } else {
                    let lease = self.keep(lease, permit, deadline);
                    Box::pin(self.whole::<S>(lease, query, params)).await
                }
            };
            let out = match answer {
                Ok(out) => out,
                Err(error) if error.fault() == Fault::StalePlan && error.may_run_again() => {
                    self.run_on_another::<S>(deadline, error, query, params).await?
                }
                Err(error) => return Err(error),
            };
            end(out, &self.name)
        }
    }

    /// The deadline of work that begins now.
    fn deadline(&self) -> Option<Deadline> {
        match (self.within, deadline::current()) {
            (Some(span), current) => Some(Deadline::after(span).or_earlier(current)),
            (None, current) => current,
        }
    }

    fn run_on_another<'q, S: Shape>(
        &'q self,
        deadline: Option<Deadline>,
        error: Error,
        query: Query<'q>,
        params: Params<'q>,
    ) -> BoxFuture<'q, Result<S::Out>> {
        let again = move || self.once::<S>(query, params);
        let retries = self.db.retries();
        Box::pin(deadline::scoped(deadline, async move { retries.renew(&self.name, error, again).await }))
    }

    /// The same, one try in whatever scope there is.
    fn once<'q, S: Shape>(
        &'q self,
        query: Query<'q>,
        params: Params<'q>,
    ) -> impl Future<Output = Result<S::Out>> + Send + use<'a, 'q, S> {
        self.clone().run::<S, _, _>(query, params, |out, _| Ok(out))
    }

    /// A transaction of one statement.
    async fn whole<S: Shape>(
        &self,
        lease: PooledConnection,
        query: Query<'_>,
        params: Params<'_>,
    ) -> Result<S::Out> {
        match query {
            Query::Text(sql) if !self.begin.with_id => {
                lease.executor().at(Scope::Autocommit).of(query).whole::<S>(sql, params, &self.begin).await
            }
            _ => transaction::of_one::<S>(lease, self.begin, query, params).await,
        }
    }

    /// The same for a statement that may run twice: one deadline covers all tries.
    pub(crate) async fn run_again<S: Shape>(self, query: Query<'_>, params: Params<'_>) -> Result<S::Out> {
        let once = || self.once::<S>(query, params);
        deadline::from_start(self.within, self.db.retries().run(&self.name, self.policy(Safe::Twice), once))
            .await
    }

    pub(crate) fn name(&self) -> &WorkName {
        &self.name
    }

    /// Runs a transaction: commit on `Ok`, roll back on `Err`, drop or panic. Runs once.
    ///
    /// # Errors
    /// The closure's own error, with everything rolled back; or that of acquire, BEGIN or COMMIT.
    ///
    /// # Cancel safety
    /// Dropped before COMMIT was sent it is rolled back. Dropped during COMMIT, that is let finish, and its outcome
    /// is told by an [`Event`](crate::event::Event::CommitSettled).
    pub fn transaction<T, F, Fut>(
        self,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<'a, T, F, Fut>
    where
        T: Send,
        F: FnOnce(Transaction) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
    {
        deadline::from_start(self.within, async move {
            let lease = self.lend().await?;
            transaction::run(lease, self.begin, work).await
        })
    }

    /// Declares that the statement may run twice, also long after one another, and leave the same as if it had run
    /// once. Then it runs again when its answer was lost.
    ///
    /// ```no_run
    /// # async fn example(db: &plimsoll::Database, id: &str) -> plimsoll::Result<()> {
    /// let seen = "INSERT INTO device VALUES ($1) ON CONFLICT DO NOTHING";
    /// db.named("device seen").idempotent().execute(seen, &[&id]).await?;
    /// # Ok(()) }
    /// ```
    pub fn idempotent(self) -> Idempotent<'a> {
        Idempotent::new(self)
    }

    /// Runs a transaction, and runs it again when it was rolled back for certain by something that may pass:
    /// a collision, a deadlock, a lost connection (a lock that was not to be had only with
    /// [`Call::retry_lock_timeouts`]). Up to five times, after pauses with full jitter, by the deadline,
    /// and as far as the retry budget of the [`Database`] allows.
    ///
    /// Inside other work that is tried again it runs once: whoever is around it tries again with everything.
    ///
    /// The closure must bear being run again: whatever it does outside the transaction happens each time. A closure
    /// that captures is written `async |tx| ..`, not `async move |tx| ..`.
    ///
    /// # Errors
    /// That of the last run, with the number of tries ([`Error::attempts`](crate::Error::attempts)), why there was no
    /// other, and what the first failed with if that was something else. [`Outcome::Unknown`] is never run again.
    ///
    /// # Cancel safety
    /// As [`Call::transaction`].
    pub fn retrying<T, F, Fut>(self, work: F) -> impl Future<Output = Result<T>> + Send + use<'a, T, F, Fut>
    where
        T: Send,
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        deadline::from_start(self.within, async move {
            let once = || async {
                let lease = self.lend().await?;
                transaction::run(lease, self.begin, &work).await
            };
            self.db.retries().run(&self.name, self.policy(Safe::RolledBack), once).await
        })
    }

    /// Begins a transaction that is ended by hand.
    ///
    /// # Errors
    /// That of acquire or BEGIN.
    ///
    /// # Cancel safety
    /// A transaction that was begun is rolled back.
    pub async fn begin(self) -> Result<TransactionGuard> {
        deadline::from_start(self.within, async {
            let lease = self.lend().await?;
            transaction::begin(lease, self.begin).await
        })
        .await
    }
}

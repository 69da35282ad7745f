//! One call with its name and its options: [`Database::named`](crate::Database::named).

use super::adaptive;
use super::connection::PooledConnection;
use super::database::Database;
use super::idempotent::Idempotent;
use super::options::{Isolation, TransactionOptions};
use super::reads::ReadOptions;
use super::retry::{Policy, RetryWhen};
use super::span::WorkSpan;
use super::statement::answer::Answer;
use super::statement::executor::{Executor, ScopeSource};
use super::statement::fetch::{Fetch, fetch_methods};
use super::statement::query::{AsQuery, CheckedQuery, Params, Query};
use super::transaction;
use super::transaction::{Transaction, TransactionGuard};
use crate::deadline;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::name::WorkName;
use crate::pool::fairness::refused;
use crate::pool::{Priority, cap};
use crate::rules::outcome::Scope;
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
    pub(super) db: &'a Database,
    pub(super) name: WorkName,
    pub(super) begin: TransactionOptions,
    pub(super) within: Option<Duration>,
    pub(super) acquire_within: Option<Duration>,
    pub(super) priority: Priority,
    pub(super) at_most: Option<NonZeroU32>,
    /// Takes it for an answer that no connection is idle.
    pub(super) is_trial: bool,
    pub(super) retries_lock_timeouts: bool,
    pub(super) reads: ReadOptions,
    pub(super) is_adaptive: bool,
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
            is_trial: false,
            retries_lock_timeouts: false,
            reads: ReadOptions::default(),
            is_adaptive: false,
        }
    }

    /// Declares that the work writes nothing: the server refuses a write, and a transaction needs one round trip less.
    ///
    /// Where replicas are set (`replica_hosts`), it runs on one of them that is fresh enough, else on the primary: see
    /// [`Call::max_lag`], [`Call::after`] and [`Call::on_primary`]. Work that is serializable or
    /// [resolvable](Call::resolvable) runs on the primary, because a standby can do neither.
    pub fn read_only(mut self) -> Self {
        self.begin.read_only = true;
        self
    }

    /// How far the transaction is isolated from others.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.begin.isolation = Some(isolation);
        self
    }

    /// With [`Isolation::Serializable`] and [`Call::read_only`]: waits for a snapshot with which no collision is possible.
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

    /// In a transaction, this program's own limits on each statement and on the whole do not hold. The server's limits must
    /// be lifted by SET LOCAL, and a deadline holds in any case. For migrations, which take as long as the tables are
    /// large.
    pub(crate) fn without_limits(mut self) -> Self {
        self.begin.is_without_limits = true;
        self
    }

    /// A deadline for the whole call, from its start, including the wait for a connection.
    pub fn within(mut self, span: Duration) -> Self {
        self.within = Some(span);
        self
    }

    /// The place in the queue for a connection: before other callers, or after them.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The most connections that work of this name may hold at a time, at least one. A further call waits until one of them
    /// is returned, while work of other names overtakes it. Only calls that set a cap are counted. Without it the setting
    /// `max_per_name` holds.
    ///
    /// Within such work, do not ask for another connection by the same name: it may wait for itself.
    pub fn at_most(mut self, count: usize) -> Self {
        self.at_most = Some(cap(count));
        self
    }

    /// With [`Call::retrying`] and [`Call::idempotent`]: work whose wait for a lock timed out ([`Fault::LockTimeout`](crate::Fault::LockTimeout)) is
    /// tried again too. It is not by default, since that work has held a connection for all of `lock_timeout` already. It
    /// suits a `NOWAIT`, and a short limit.
    pub fn retry_lock_timeouts(mut self) -> Self {
        self.retries_lock_timeouts = true;
        self
    }

    pub(super) fn policy(&self, when: RetryWhen) -> Policy {
        Policy { when, lock_timeouts: self.retries_lock_timeouts }
    }

    fetch_methods! {
        by value of 'a;
        /// Runs a statement and gives its rows.
        ///
        /// # Errors
        /// With what became of the statement: see [`Error::outcome`](crate::Error::outcome).
        ///
        /// # Cancel safety
        /// Dropped, the statement is stopped on the server.
        query;
        /// Runs a statement that gives exactly one row. As [`Call::query`].
        ///
        /// # Errors
        /// [`Fault::RowCount`](crate::Fault::RowCount) for another number of rows.
        query_one;
        /// Runs a statement that gives one row or none. As [`Call::query`].
        ///
        /// # Errors
        /// [`Fault::RowCount`](crate::Fault::RowCount) for more rows than one.
        query_opt;
        /// Runs a statement and gives the number of rows that it touched. As [`Call::query`].
        ///
        /// # Errors
        /// As [`Call::query`].
        execute;
    }

    /// Runs a bare statement where no option was set, else a transaction of one statement. Behind a pooler the driver's
    /// names may be gone: then the statement did not run, and runs on another connection.
    ///
    /// Not an `async fn`, because it may call itself (see [`again`](super::again)): such a future must declare that it is
    /// `Send`.
    pub(crate) fn fetch<'q, F: Fetch>(
        mut self,
        query: Query<'q>,
        params: Params<'q>,
    ) -> impl Future<Output = Result<F::Out>> + Send + use<'a, 'q, F> {
        async move {
            let deadline = self.deadline();
            let answer = {
                let span = WorkSpan::call(&self.name, &self.db.server, query.text());
                let answer = self.answer::<F>(query, params, deadline, &span).await;
                span.told(&answer, "answered");
                answer
            };
            self.concluded::<F>(answer, deadline, query, params).await
        }
    }

    /// The server's answer to the statement.
    async fn answer<F: Fetch>(
        &mut self,
        query: Query<'_>,
        params: Params<'_>,
        deadline: Option<Deadline>,
        span: &WorkSpan,
    ) -> Result<F::Answer> {
        if let Some(replicas) = self.replicas() {
            return Box::pin(self.fetch_read::<F>(replicas, query, params, deadline, span)).await;
        }
        // Declared first, so that it is dropped last: by then it is known whether the server has answered.
        let mut permit = match self.db.permit(&self.name) {
            Ok(permit) => permit,
            Err(error) => return refused(error.at(self.db.server.place.as_ref())).await,
        };
        let acquired = self.db.pool().acquire_until(self.ask(), deadline).await;
        span.waited();
        let lease = self.judged_by(&mut permit, acquired)?;
        let checked = match CheckedQuery::on(&lease, query, params) {
            Ok(checked) => checked,
            Err(error) => return refused(error).await,
        };
        let own = if self.is_adaptive { adaptive::limit(&lease, checked.text()) } else { None };
        if self.begin.is_plain() {
            let alone = ScopeSource::Known(Scope::Autocommit);
            let executor = Executor::on(&lease, &self.name, deadline, alone).of(checked).called(span);
            executor.limited(own).statement(checked, params).await
        } else {
            self.begin.statement_timeout = [self.begin.statement_timeout, own].into_iter().flatten().min();
            let lease = self.keep(lease, permit, deadline);
            Box::pin(self.as_transaction(lease, checked, params, span)).await
        }
    }

    /// The deadline of a call that begins now.
    fn deadline(&self) -> Option<Deadline> {
        let own = self.within.map(Deadline::after);
        Deadline::earliest([own, deadline::current()])
    }

    /// A transaction of one statement.
    pub(super) async fn as_transaction<A: Answer>(
        &self,
        lease: PooledConnection,
        query: CheckedQuery<'_>,
        params: Params<'_>,
        span: &WorkSpan,
    ) -> Result<A> {
        match query {
            CheckedQuery::Text(text) if !self.begin.with_id => {
                let executor = lease.executor().at(Scope::Autocommit).of(query).called(span);
                executor.transaction_of_one(text, params, &self.begin).await
            }
            _ => transaction::of_one(lease, self.begin, query, params, span).await,
        }
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
            let span = WorkSpan::transaction(&self.name, &self.db.server);
            let lease = span.lent(self.lend().await)?;
            transaction::run(lease, self.begin, span, work).await
        })
    }

    /// Declares that the statement may run twice, also at long intervals, with the same result as if it had run once. Then
    /// it runs again when its answer was lost.
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

    /// Runs a transaction, and runs it again when it was certainly rolled back by a temporary fault: a collision, a
    /// deadlock, a lost connection (a lock timeout only with [`Call::retry_lock_timeouts`]). Up to five times, after pauses
    /// with full jitter, by the deadline, and as far as the retry budget of the [`Database`] allows.
    ///
    /// Inside other work that is tried again it runs once: the outer work tries everything again.
    ///
    /// The closure must be safe to run again: what it does outside the transaction happens each time. A closure that
    /// captures is written `async |tx| ..`, not `async move |tx| ..`.
    ///
    /// # Errors
    /// That of the last run, with the number of tries ([`Error::attempts`](crate::Error::attempts)), why there was no
    /// further try, and the first try's error if it was another fault. [`Outcome::Unknown`](crate::Outcome::Unknown) is never run again.
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
                let span = WorkSpan::transaction(&self.name, &self.db.server);
                let lease = span.lent(self.lend().await)?;
                transaction::run(lease, self.begin, span, &work).await
            };
            self.db.retries().run(&self.name, self.policy(RetryWhen::RolledBack), once).await
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
            let span = WorkSpan::transaction(&self.name, &self.db.server);
            let lease = span.lent(self.lend().await)?;
            transaction::begin(lease, self.begin, span).await
        })
        .await
    }
}

//! A lent connection.
//!
//! Its own methods are guarded: they end by the deadline, are stopped on the server when nobody waits for them any
//! more, and their errors know what became of the work. It also *is* the driver's client, for libraries that want
//! one: what is done through that is not guarded while it runs, except that the lease's deadline stops it; but it is
//! seen on the wire, and undone on return.

use super::breaker::Permit;
use super::cancel_handle::CancelHandle;
use super::postgres::{Connection, Postgres};
use super::statement::executor::{Executor, ScopeSource};
use super::statement::fetch::{Fetch, fetch_methods};
use super::statement::query::{AsQuery, CheckedQuery, CheckedText, Params, Query, usage};
use super::statement::stream::{CopyIn, CopyOut, RowStream};
use super::transaction;
use super::transaction::options::TransactionOptions;
use super::transaction::{Transaction, TransactionGuard};
use crate::deadline;
use crate::deadline::Deadline;
use crate::error::{Outcome, Result};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::pool::fairness::refused;
use crate::pool::{Lease, Pool};
use crate::rules::outcome::Scope;
use crate::wire::given_up::SHIELD;
use crate::wire::link::Activity;
use bytes::Buf;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};

/// What the tap on a connection's wire has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireState {
    /// `I` idle, `T` in a transaction, `E` in a failed one.
    pub transaction_status: char,
    /// Requests that the server has not answered.
    pub replies_owed: u32,
    /// How long ago anything was read from the server.
    pub silent_for: Duration,
    /// The command tag of the last statement that was answered, `UPDATE 1`.
    pub last_tag: String,
    /// What the task that drives the connection is doing.
    pub driver: Activity,
}

/// A lent connection; dropping it gives it back.
///
/// Every method's future may be dropped at any point: what it had sent is then stopped on the server, confirmed, and
/// whatever is sent next on this lease waits for that.
pub struct PooledConnection {
    lease: Lease<Postgres>,
    work: WorkName,
    deadline: Option<Deadline>,
    /// Dropped with the lease: by then it is known whether the server said anything.
    _permit: Permit,
}

impl PooledConnection {
    pub(crate) fn new(
        lease: Lease<Postgres>,
        work: WorkName,
        deadline: Option<Deadline>,
        permit: Permit,
    ) -> Self {
        PooledConnection { lease, work, deadline, _permit: permit }
    }

    /// The pool that it came from.
    pub(crate) fn pool(&self) -> Pool<Postgres> {
        self.lease.pool()
    }

    pub(crate) fn inner(&self) -> &Connection {
        &self.lease
    }

    /// For which work it was lent.
    #[must_use]
    pub fn work(&self) -> &WorkName {
        &self.work
    }

    /// The lease's deadline, if it has one.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// The backend's process id, as in `pg_stat_activity` (behind a pooler: the pooler's own number).
    #[must_use]
    pub fn backend_pid(&self) -> i32 {
        self.lease.pid()
    }

    /// The server's version, as in `server_version_num`.
    #[must_use]
    pub fn server_version(&self) -> u32 {
        self.lease.session.version
    }

    /// What passes on the wire of this connection, now.
    #[must_use]
    pub fn wire(&self) -> WireState {
        let link = &self.lease.link;
        WireState {
            transaction_status: link.state.status().letter(),
            replies_owed: link.state.owed(),
            silent_for: link.state.silent_for(Moment::now()),
            last_tag: link.state.last_tag(),
            driver: link.activity(),
        }
    }

    /// The limits that this connection does not carry, where that was allowed by `on_missing_guardrail`.
    #[must_use]
    pub fn missing_guardrails(&self) -> &[String] {
        &self.lease.session.degraded
    }

    /// How many statements are prepared or known on this connection.
    #[must_use]
    pub fn statements_kept(&self) -> usize {
        self.lease.statements.len()
    }

    pub(crate) fn executor(&self) -> Executor<'_> {
        let deadline = Deadline::earliest([self.deadline, deadline::current()]);
        Executor::on(&self.lease, &self.work, deadline, ScopeSource::FromSession)
    }

    fetch_methods! {
        by reference;
        /// Runs a statement and gives its rows. Takes SQL text, or a statement prepared on this connection.
        ///
        /// # Errors
        /// With what became of the statement: see [`Error::outcome`](crate::Error::outcome).
        query;
        /// Runs a statement that gives exactly one row.
        ///
        /// # Errors
        /// As [`PooledConnection::query`], and [`Fault::RowCount`](crate::Fault::RowCount) for another number of rows.
        query_one;
        /// Runs a statement that gives one row or none.
        ///
        /// # Errors
        /// As [`PooledConnection::query`], and [`Fault::RowCount`](crate::Fault::RowCount) for more rows than one.
        query_opt;
        /// Runs a statement and gives the number of rows that it touched.
        ///
        /// # Errors
        /// As [`PooledConnection::query`].
        execute;
    }

    fn fetch<'a, F: Fetch>(
        &'a self,
        query: Query<'a>,
        params: Params<'a>,
    ) -> impl Future<Output = Result<F::Out>> + Send + use<'a, F> {
        async move {
            let query = match CheckedQuery::on(&self.lease, query) {
                Ok(query) => query,
                Err(error) => return refused(error).await,
            };
            let answer = self.executor().of(query).statement::<F>(query, params).await?;
            F::judge(answer, &self.work, Outcome::Committed)
        }
    }

    /// Prepares a statement, once per connection; later calls with the same text give the same statement.
    ///
    /// # Errors
    /// Behind a transaction pooler [`Fault::Usage`]: names do not hold there.
    pub async fn prepare(&self, sql: &str) -> Result<Statement> {
        if self.lease.is_pooled_by_transaction() {
            return refused(usage(
                "a statement cannot be named behind a transaction pooler; pass its text instead",
            ))
            .await;
        }
        match self.lease.prepared(sql) {
            Some(statement) => Ok(statement),
            None => self.executor().prepare(sql, &[]).await,
        }
    }

    /// [`PooledConnection::prepare`] by the name that users of deadpool-postgres know.
    ///
    /// # Errors
    /// As [`PooledConnection::prepare`].
    pub async fn prepare_cached(&self, sql: &str) -> Result<Statement> {
        self.prepare(sql).await
    }

    /// Runs several statements, separated by semicolons, as one unit.
    ///
    /// # Errors
    /// As [`PooledConnection::query`].
    pub async fn batch_execute(&self, sql: &str) -> Result<()> {
        self.simple_query(sql).await.map(drop)
    }

    /// Runs several statements, separated by semicolons, as one unit; values come back as text.
    ///
    /// # Errors
    /// As [`PooledConnection::query`].
    pub async fn simple_query(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>> {
        match CheckedText::on(&self.lease, sql) {
            Ok(text) => self.executor().script(text).await,
            Err(error) => refused(error).await,
        }
    }

    /// Runs a statement and gives its rows as they come, for results that do not fit in memory.
    ///
    /// Dropping the stream before its end stops the statement on the server.
    ///
    /// # Errors
    /// As [`PooledConnection::query`]; behind a transaction pooler [`Fault::Usage`] outside a transaction.
    pub async fn query_stream(
        &self,
        statement: &(impl AsQuery + ?Sized),
        params: Params<'_>,
    ) -> Result<RowStream<'_>> {
        let checked = self
            .needs_own_session("query_stream")
            .await
            .and_then(|()| CheckedQuery::on(&self.lease, statement.as_query()));
        match checked {
            Ok(query) => RowStream::open(self.executor(), query, params).await,
            Err(error) => refused(error).await,
        }
    }

    /// Begins a `COPY .. FROM STDIN`.
    ///
    /// Dropped before [`CopyIn::finish`] has answered, nothing of it is stored.
    ///
    /// # Errors
    /// As [`PooledConnection::query`]; behind a transaction pooler [`Fault::Usage`] outside a transaction.
    pub async fn copy_in<B: Buf + Send + 'static>(&self, sql: &str) -> Result<CopyIn<'_, B>> {
        let checked =
            self.needs_own_session("copy_in").await.and_then(|()| CheckedText::on(&self.lease, sql));
        match checked {
            Ok(text) => CopyIn::open(self.executor(), text).await,
            Err(error) => refused(error).await,
        }
    }

    /// Begins a `COPY .. TO STDOUT`.
    ///
    /// Dropping the stream before its end stops the statement on the server.
    ///
    /// # Errors
    /// As [`PooledConnection::query`]; behind a transaction pooler [`Fault::Usage`] outside a transaction.
    pub async fn copy_out(&self, sql: &str) -> Result<CopyOut<'_>> {
        let checked =
            self.needs_own_session("copy_out").await.and_then(|()| CheckedText::on(&self.lease, sql));
        match checked {
            Ok(text) => CopyOut::open(self.executor(), text).await,
            Err(error) => refused(error).await,
        }
    }

    /// Runs a transaction on this connection: commit on `Ok`, roll back on `Err`, drop or panic.
    ///
    /// # Errors
    /// The closure's own error, with everything rolled back; or that of BEGIN or COMMIT.
    ///
    /// # Cancel safety
    /// Dropped before COMMIT was sent it is rolled back. Dropped during COMMIT, that is let finish, and its outcome
    /// is told by an [`Event`](crate::event::Event::CommitSettled).
    pub fn transaction<T, F, Fut>(self, work: F) -> impl Future<Output = Result<T>> + Send + use<T, F, Fut>
    where
        T: Send,
        F: FnOnce(Transaction) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
    {
        transaction::run(self, TransactionOptions::default(), work)
    }

    /// Begins a transaction on this connection that is ended by hand.
    ///
    /// # Errors
    /// That of BEGIN.
    ///
    /// # Cancel safety
    /// As any other statement; a transaction that was begun is rolled back.
    pub async fn begin(self) -> Result<TransactionGuard> {
        transaction::begin(self, TransactionOptions::default()).await
    }

    /// The driver's client, once everything that was given up on this lease has come to its end: what is sent through it
    /// is then hit by none of our cancels.
    ///
    /// The same client is had at once by dereferencing; where a statement was given up just before, that one may still be
    /// running, and what is sent waits behind it and behind a short shield; whoever had the client already may wait for
    /// as long as that one takes.
    ///
    /// # Errors
    /// What was given up could not be stopped in time; the connection has ended; the deadline has passed.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn driver(&self) -> Result<&Client> {
        match self.executor().settled().await {
            Ok(()) => Ok(self),
            Err(error) => refused(error).await,
        }
    }

    /// What cancels, from any task, the statement that runs on this lease.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::new(&self.lease.link)
    }

    /// Somebody gets the driver's client. What he sends is shielded from the cancel of what was given up before.
    fn mark_raw_use(&self) {
        if self.lease.link.mark_raw_use() {
            for _ in 0..2 {
                let mut shield = pin!(self.lease.client.batch_execute(SHIELD));
                // Handed to the driver by its first poll; nobody waits for its answer.
                let _ = shield.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
        }
    }

    async fn needs_own_session(&self, what: &str) -> Result<()> {
        if !self.lease.is_pooled_by_transaction() {
            return Ok(());
        }
        let executor = self.executor();
        executor.settled().await?;
        match executor.scope() {
            Scope::InTransaction => Ok(()),
            _ => Err(usage(&format!("{what} needs a transaction behind a transaction pooler"))),
        }
    }
}

/// The driver's client, for libraries (refinery, clorinde, your own code that takes a `GenericClient`).
///
/// What is done through it is not stopped when its future is dropped, only when the lease's deadline passes or the
/// lease ends; and its errors are the driver's. Where a statement was given up on this lease just before,
/// [`PooledConnection::driver`] gives the same client once that has come to its end.
///
/// The client's own `cancel_token` does not work: it is not told the way to the server, and PgBouncer 1.18 dies of the
/// way in which it ends. Use [`PooledConnection::cancel_handle`].
impl Deref for PooledConnection {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.mark_raw_use();
        &self.lease.client
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Client {
        self.mark_raw_use();
        &mut self.lease.client
    }
}

impl AsRef<Client> for PooledConnection {
    fn as_ref(&self) -> &Client {
        self.mark_raw_use();
        &self.lease.client
    }
}

impl AsMut<Client> for PooledConnection {
    fn as_mut(&mut self) -> &mut Client {
        self.mark_raw_use();
        &mut self.lease.client
    }
}

impl std::fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PooledConnection")
            .field("work", &self.work)
            .field("pid", &self.backend_pid())
            .finish()
    }
}

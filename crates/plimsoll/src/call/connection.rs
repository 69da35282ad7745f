//! A lent connection.
//!
//! Its own methods are guarded: they end by the deadline, they are stopped on the server when their caller drops them, and
//! their errors say what has become of the work. Libraries that need the driver's client get it by [`AsRef`] or
//! [`PooledConnection::driver`]. A statement that is sent through that client is not guarded while it runs, except that
//! the lease's deadline stops it; but the tap on the wire sees it, and what it leaves behind is undone on return.

use super::breaker::Permit;
use super::cancel_handle::CancelHandle;
use super::postgres::{Connection, Postgres};
use super::reads::ReadSlot;
use super::statement::executor::{Executor, ScopeSource};
use super::statement::fetch::{Fetch, fetch_methods};
use super::statement::query::{AsQuery, CheckedQuery, CheckedText, Params, Query, usage};
use super::statement::stream::{CopyIn, CopyOut, RowStream};
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
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};

/// The state of a connection, as the tap on its wire has seen it.
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
/// Every method's future may be dropped at any point: what it had sent is then stopped on the server, with
/// confirmation, and the next statement on this lease waits for that.
pub struct PooledConnection {
    lease: Lease<Postgres>,
    work: WorkName,
    deadline: Option<Deadline>,
    /// Dropped after the lease: by then it is known whether the server has answered.
    _permit: Permit,
    /// Its place among the reads of its server, if it is one of those that are counted.
    _slot: Option<ReadSlot>,
}

impl PooledConnection {
    pub(crate) fn new(
        lease: Lease<Postgres>,
        work: WorkName,
        deadline: Option<Deadline>,
        permit: Permit,
    ) -> Self {
        PooledConnection { lease, work, deadline, _permit: permit, _slot: None }
    }

    /// The same, counted among the reads of its server until it is dropped.
    pub(crate) fn counted(self, slot: ReadSlot) -> Self {
        PooledConnection { _slot: Some(slot), ..self }
    }

    /// The pool that it came from.
    pub(crate) fn pool(&self) -> Pool<Postgres> {
        self.lease.pool()
    }

    pub(crate) fn inner(&self) -> &Connection {
        &self.lease
    }

    /// The work that it was lent for.
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

    /// The state of this connection now.
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

    /// The limits that this connection does not carry, if `on_missing_guardrail` allows that.
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
            let query = match CheckedQuery::on(&self.lease, query, params) {
                Ok(query) => query,
                Err(error) => return refused(error).await,
            };
            let answer = self.executor().of(query).statement(query, params).await?;
            F::judge(answer, &self.work, Outcome::Committed)
        }
    }

    /// Prepares a statement, once per connection; later calls with the same text give the same statement.
    ///
    /// # Errors
    /// [`Fault::Usage`](crate::Fault::Usage) behind a transaction pooler, where names do not hold, and for a LISTEN.
    pub async fn prepare(&self, sql: &str) -> Result<Statement> {
        if self.lease.is_pooled_by_transaction() {
            return refused(usage(
                "a statement cannot be named behind a transaction pooler; pass its text instead",
            ))
            .await;
        }
        if let Err(error) = CheckedText::single(&self.lease, sql) {
            return refused(error).await;
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
    /// As [`PooledConnection::query`]; behind a transaction pooler [`Fault::Usage`](crate::Fault::Usage) outside a transaction.
    pub async fn query_stream(
        &self,
        statement: &(impl AsQuery + ?Sized),
        params: Params<'_>,
    ) -> Result<RowStream<'_>> {
        let checked = self
            .needs_own_session("query_stream")
            .await
            .and_then(|()| CheckedQuery::on(&self.lease, statement.as_query(), params));
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
    /// As [`PooledConnection::query`]; behind a transaction pooler [`Fault::Usage`](crate::Fault::Usage) outside a transaction.
    pub async fn copy_in<B: Buf + Send + 'static>(&self, sql: &str) -> Result<CopyIn<'_, B>> {
        match self.needs_own_session("copy_in").await {
            Ok(()) => CopyIn::open(self.executor(), sql).await,
            Err(error) => refused(error).await,
        }
    }

    /// Begins a `COPY .. TO STDOUT`.
    ///
    /// Dropping the stream before its end stops the statement on the server.
    ///
    /// # Errors
    /// As [`PooledConnection::query`]; behind a transaction pooler [`Fault::Usage`](crate::Fault::Usage) outside a transaction.
    pub async fn copy_out(&self, sql: &str) -> Result<CopyOut<'_>> {
        match self.needs_own_session("copy_out").await {
            Ok(()) => CopyOut::open(self.executor(), sql).await,
            Err(error) => refused(error).await,
        }
    }

    /// The driver's client, once every abandoned statement of this lease has ended: what is sent through the client is
    /// then hit by none of our cancels.
    ///
    /// [`AsRef`] and [`AsMut`] give the same client at once. An abandoned statement may then still be running; what is sent
    /// waits behind it and behind a short shield, and for a caller that had the client before, the wait may be as long as
    /// that statement takes.
    ///
    /// # Errors
    /// An abandoned statement could not be stopped in time; the connection has ended; the deadline has passed.
    ///
    /// # Cancel safety
    /// Only waits.
    pub async fn driver(&self) -> Result<&Client> {
        match self.executor().settled().await {
            Ok(()) => Ok(self.as_ref()),
            Err(error) => refused(error).await,
        }
    }

    /// A handle that cancels, from any task, the statement that runs on this lease.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::new(&self.lease.link)
    }

    /// Notes that a caller takes the driver's client, and shields what that caller sends from the cancel of an abandoned
    /// statement.
    fn mark_raw_use(&self) {
        if self.lease.link.mark_raw_use() {
            for _ in 0..2 {
                let mut shield = pin!(self.lease.client.batch_execute(SHIELD));
                // Its first poll hands it to the driver; no caller waits for its answer.
                let _ = shield.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
        }
    }

    /// Streams and copies need the session for longer than one transaction of a pooler.
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
/// A LISTEN that is sent through it is undone when the connection is returned, and no caller hears what comes:
/// [`Database::listen`](crate::Database::listen) has a connection of its own.
///
/// Statements that are sent through it are not stopped when their future is dropped, only when the lease's deadline
/// passes or the lease ends; and their errors are the driver's. Where a statement of this lease was abandoned just before,
/// [`PooledConnection::driver`] gives the same client once that statement has ended.
///
/// The client's own `cancel_token` does not work: it does not know the way to the server, and PgBouncer 1.18 crashes at
/// the way in which it closes its connection. Use [`PooledConnection::cancel_handle`].
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

//! A lent connection.
//!
//! Its own methods are guarded: they end by the deadline, are stopped on the server when nobody waits for them any
//! more, and their errors know what became of the work. It also *is* the driver's client, for libraries that want
//! one: what is done through that is not guarded while it runs, except that the lease's deadline stops it; but it is
//! seen on the wire, and undone on return.

use super::breaker::Permit;
use super::cancel_handle::CancelHandle;
use super::postgres::{Connection, Postgres};
use super::statement::cache::{AsQuery, Query};
use super::statement::executor::{Executor, ScopeSource};
use super::statement::flight::Flight;
use super::statement::run::{Count, First, Params, Rows, Shape};
use super::statement::stream::{CopyIn, CopyOut, RowStream};
use super::transaction;
use super::transaction::options::TransactionOptions;
use super::transaction::{Transaction, TransactionGuard};
use crate::deadline;
use crate::deadline::Deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::pool::fairness::refused;
use crate::pool::{Lease, Pool};
use crate::rules::circuit::CallResult;
use crate::rules::outcome::Scope;
use crate::sql::nature;
use crate::sql::nature::Nature;
use crate::sql::residue;
use crate::sql::residue::Residue;
use crate::wire::given_up::SHIELD;
use crate::wire::link::Activity;
use bytes::Buf;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;
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
            transaction_status: char::from(link.state.status()),
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
        let deadline = match (self.deadline, deadline::current()) {
            (Some(lease), current) => Some(lease.or_earlier(current)),
            (None, current) => current,
        };
        Executor::on(&self.lease, &self.work, deadline, ScopeSource::FromSession)
    }

    /// The same, once everything that was given up before is settled: for what is done in one way in a transaction and in
    /// another outside.
    async fn settled_executor(&self) -> Result<Executor<'_>> {
        let executor = self.executor();
        executor.settled().await?;
        Ok(executor)
    }

    /// Runs a statement and gives its rows. Takes SQL text, or a statement prepared on this connection.
    ///
    /// # Errors
    /// With what became of the statement: see [`Error::outcome`].
    pub fn query<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Vec<Row>>> + Send + use<'a, Q> {
        self.run::<Rows>(statement.as_query(), params)
    }

    /// Runs a statement that gives exactly one row.
    ///
    /// # Errors
    /// As [`PooledConnection::query`], and [`Fault::RowCount`] for another number of rows.
    pub fn query_one<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Row>> + Send + use<'a, Q> {
        let query = statement.as_query();
        async move { one(self.run::<First>(query, params).await?, &self.work, Outcome::Committed) }
    }

    /// Runs a statement that gives one row or none.
    ///
    /// # Errors
    /// As [`PooledConnection::query`], and [`Fault::RowCount`] for more rows than one.
    pub fn query_opt<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Option<Row>>> + Send + use<'a, Q> {
        let query = statement.as_query();
        async move { at_most_one(self.run::<First>(query, params).await?, &self.work, Outcome::Committed) }
    }

    /// Runs a statement and gives the number of rows that it touched.
    ///
    /// # Errors
    /// As [`PooledConnection::query`].
    pub fn execute<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<u64>> + Send + use<'a, Q> {
        self.run::<Count>(statement.as_query(), params)
    }

    fn run<'a, S: Shape>(
        &'a self,
        query: Query<'a>,
        params: Params<'a>,
    ) -> impl Future<Output = Result<S::Out>> + Send + use<'a, S> {
        async move {
            if let Err(error) = refuse_session_state(&self.lease, query) {
                return refused(error).await;
            }
            self.executor().of(query).statement::<S>(query, params).await
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
        if let Err(error) = refuse_session_state(&self.lease, Query::Text(sql)) {
            return refused(error).await;
        }
        let _turn = match self.lease.is_pooled_by_transaction() {
            true => Some(self.executor().turn().await?),
            false => None,
        };
        let executor = self.settled_executor().await?.of(Query::Text(sql));
        let client: &Client = &self.lease.client;
        if self.lease.is_pooled_by_transaction() && executor.scope() != Scope::InTransaction {
            let begin = TransactionOptions::default();
            let flight = Flight::of(&self.lease, &begin);
            let begin = begin.sql(&self.lease, executor.deadline, executor.limit);
            return executor.at(Scope::Autocommit).flight(&begin, flight, client.simple_query(sql)).await;
        }
        executor.run(Phase::Statement, client.simple_query(sql)).await
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
        if let Err(error) = self.needs_own_session("query_stream").await {
            return refused(error).await;
        }
        if let Err(error) = refuse_session_state(&self.lease, statement.as_query()) {
            return refused(error).await;
        }
        RowStream::open(self.executor(), statement.as_query(), params).await
    }

    /// Begins a `COPY .. FROM STDIN`.
    ///
    /// Dropped before [`CopyIn::finish`] has answered, nothing of it is stored.
    ///
    /// # Errors
    /// As [`PooledConnection::query`]; behind a transaction pooler [`Fault::Usage`] outside a transaction.
    pub async fn copy_in<B: Buf + Send + 'static>(&self, sql: &str) -> Result<CopyIn<'_, B>> {
        if let Err(error) = self.needs_own_session("copy_in").await {
            return refused(error).await;
        }
        if let Err(error) = refuse_session_state(&self.lease, Query::Text(sql)) {
            return refused(error).await;
        }
        CopyIn::open(self.executor(), sql).await
    }

    /// Begins a `COPY .. TO STDOUT`.
    ///
    /// Dropping the stream before its end stops the statement on the server.
    ///
    /// # Errors
    /// As [`PooledConnection::query`]; behind a transaction pooler [`Fault::Usage`] outside a transaction.
    pub async fn copy_out(&self, sql: &str) -> Result<CopyOut<'_>> {
        if let Err(error) = self.needs_own_session("copy_out").await {
            return refused(error).await;
        }
        if let Err(error) = refuse_session_state(&self.lease, Query::Text(sql)) {
            return refused(error).await;
        }
        CopyOut::open(self.executor(), sql).await
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
        if self.lease.is_pooled_by_transaction()
            && self.settled_executor().await?.scope() != Scope::InTransaction
        {
            return Err(usage(&format!("{what} needs a transaction behind a transaction pooler")));
        }
        Ok(())
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

pub(crate) fn usage(sentence: &str) -> Error {
    Error::new(Fault::Usage, Phase::Statement, Outcome::NotStarted, sentence)
}

/// Behind a transaction pooler a session belongs to whoever comes next: what would be left in it is refused.
pub(crate) fn refuse_session_state(connection: &Connection, query: Query<'_>) -> Result<()> {
    let Query::Text(sql) = query else { return Ok(()) };
    if !connection.is_pooled_by_transaction() {
        return Ok(());
    }
    let state = &connection.link.state;
    let left = residue::of_sql(sql.as_bytes(), state.strings());
    if left.is_none() {
        if state.status() == b'I' && nature::of_sql(sql.as_bytes(), state.strings()).contains(Nature::OPENS) {
            return Err(usage(
                "behind a transaction pooler a transaction that is begun by hand would end with this very statement; \
                 open it with begin() or transaction(), which give it its limits too",
            ));
        }
        return Ok(());
    }
    let what = if left.contains(Residue::LOCK) {
        "a session-level advisory lock (pg_advisory_xact_lock holds until the end of the transaction)"
    } else if left.contains(Residue::LISTEN) {
        "LISTEN (it needs a direct connection)"
    } else if left.contains(Residue::TEMPORARY) {
        "a temporary object"
    } else {
        "a setting of the session, a named statement or the like (SET LOCAL holds until the end of the transaction)"
    };
    Err(usage(&format!("behind a transaction pooler {what} would be left to a stranger, so it is refused")))
}

/// What was lent, or why not; either is told to the breaker, if it wants to know. The permit is dropped after the lease.
pub(crate) fn report_to_breaker(
    permit: &mut Permit,
    acquired: Result<Lease<Postgres>>,
) -> Result<Lease<Postgres>> {
    match &acquired {
        Ok(lease) => permit.judged_by(|| {
            let link = Arc::clone(&lease.link);
            let before = link.state.answered();
            Box::new(move || match link.state.answered() {
                after if after > before => CallResult::Answered,
                _ if link.is_closed() => CallResult::Failed,
                _ => CallResult::Unknown,
            })
        }),
        Err(error) => permit.failed(error),
    }
    acquired
}

/// Exactly one row, of so many.
pub(crate) fn one((first, count): (Option<Row>, usize), work: &WorkName, outcome: Outcome) -> Result<Row> {
    match first {
        Some(row) if count == 1 => Ok(row),
        _ => Err(row_count(work, "one row", count, outcome)),
    }
}

/// One row or none, of so many.
pub(crate) fn at_most_one(
    (first, count): (Option<Row>, usize),
    work: &WorkName,
    outcome: Outcome,
) -> Result<Option<Row>> {
    if count > 1 {
        return Err(row_count(work, "at most one row", count, outcome));
    }
    Ok(first)
}

#[cold]
fn row_count(work: &WorkName, wanted: &str, got: usize, outcome: Outcome) -> Error {
    Error::new(Fault::RowCount, Phase::Statement, outcome, format!("{work} asked for {wanted} and got {got}"))
}

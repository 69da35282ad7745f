//! Transactions: commit on `Ok`, roll back on everything else.
//!
//! *Flights.* The driver ends every request with a Sync of its own, so a statement that is sent behind a BEGIN which
//! fails commits by itself. Therefore BEGIN and its limits travel as one message, and their answer is awaited before
//! the first write. Only a READ ONLY transaction carries its first statement along with BEGIN.
//!
//! *The handle.* A closure gets an owned [`Transaction`], because a borrowed one cannot be used from axum handlers
//! and spawned tasks. It becomes inert when the closure ends: the lease is taken out from under it, so a handle that
//! was carried away can neither hold the connection nor write into a stranger's transaction. A statement that another
//! task has under way at that moment is stopped, and the connection goes back with it.

mod commit;
mod levels;
mod open;
pub(crate) mod options;
pub(crate) mod resolve;
mod savepoint;

use super::connection::{PooledConnection, at_most_one, one, refuse_session_state};
use super::statement::cache::{AsQuery, Query};
use super::statement::executor::Executor;
use super::statement::flight::STRAYED;
use super::statement::request::Answered;
use super::statement::run::{Count, First, Params, Rows, Shape};
use super::statement::stream::{CopyIn, CopyOut, RowStream};
use crate::error::{Error, Outcome, Phase, Result};
use crate::lock_key;
use crate::lock_key::LockKey;
use crate::name::WorkName;
use crate::pool::fairness::refused;
use crate::rules::outcome::Scope;
use crate::wire::transaction_status::TransactionStatus;
use bytes::Buf;
use futures_util::future;
use levels::Level;
use open::{OpenTransaction, RollbackOnDrop, open};
use options::TransactionOptions;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_postgres::Row;

/// An open transaction. Owned, so that it goes wherever the closure goes; inert once the closure has ended.
pub struct Transaction {
    core: Arc<OpenTransaction>,
    /// The savepoint that it belongs to.
    level: Level,
}

/// Runs a closure in a transaction.
pub(crate) async fn run<T, F, Fut>(lease: PooledConnection, begin: TransactionOptions, work: F) -> Result<T>
where
    T: Send,
    F: FnOnce(Transaction) -> Fut + Send,
    Fut: Future<Output = Result<T>> + Send,
{
    let core = open(lease, begin).await?;
    let ending = RollbackOnDrop(Arc::clone(&core));
    let result = work(Transaction { core: Arc::clone(&core), level: 0 }).await;
    let ended = match result {
        Ok(value) => commit::commit(&core).await.map(|()| value),
        Err(error) => {
            // Whatever the error said of itself, this says what became of the transaction.
            let outcome = commit::roll_back(&core).await;
            Err(error.with_outcome(outcome))
        }
    };
    drop(ending);
    ended
}

/// Runs one statement as a transaction, step by step: one of which COMMIT can be resolved needs the answer to BEGIN.
pub(crate) async fn of_one<S: Shape>(
    lease: PooledConnection,
    begin: TransactionOptions,
    query: Query<'_>,
    params: Params<'_>,
) -> Result<S::Out> {
    run(lease, begin, async |tx| tx.run::<S>(query, params).await).await
}

/// Begins a transaction that is ended by hand.
pub(crate) async fn begin(lease: PooledConnection, begin: TransactionOptions) -> Result<TransactionGuard> {
    let core = open(lease, begin).await?;
    Ok(TransactionGuard {
        transaction: Transaction { core: Arc::clone(&core), level: 0 },
        ending: RollbackOnDrop(core),
    })
}

impl Transaction {
    /// Runs a statement and gives its rows.
    ///
    /// # Errors
    /// The transaction has then failed: end the closure with the error, or roll back to a savepoint.
    ///
    /// # Cancel safety
    /// Dropped, the statement is stopped on the server, and the next one waits for that.
    pub fn query<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Vec<Row>>> + Send + use<'a, Q> {
        self.run::<Rows>(statement.as_query(), params)
    }

    /// Runs a statement that gives exactly one row. As [`Transaction::query`].
    ///
    /// # Errors
    /// [`Fault::RowCount`](crate::Fault::RowCount) for another number of rows; the transaction has then not failed.
    pub fn query_one<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Row>> + Send + use<'a, Q> {
        let query = statement.as_query();
        async move { one(self.run::<First>(query, params).await?, &self.core.work, Outcome::Unknown) }
    }

    /// Runs a statement that gives one row or none. As [`Transaction::query`].
    ///
    /// # Errors
    /// [`Fault::RowCount`](crate::Fault::RowCount) for more rows than one; the transaction has then not failed.
    pub fn query_opt<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<Option<Row>>> + Send + use<'a, Q> {
        let query = statement.as_query();
        async move { at_most_one(self.run::<First>(query, params).await?, &self.core.work, Outcome::Unknown) }
    }

    /// Runs a statement and gives the number of rows that it touched. As [`Transaction::query`].
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub fn execute<'a, Q: AsQuery + ?Sized>(
        &'a self,
        statement: &'a Q,
        params: Params<'a>,
    ) -> impl Future<Output = Result<u64>> + Send + use<'a, Q> {
        self.run::<Count>(statement.as_query(), params)
    }

    /// Runs several statements, separated by semicolons. As [`Transaction::query`].
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub async fn batch_execute(&self, sql: &str) -> Result<()> {
        let may_run =
            self.core.lease().and_then(|lease| refuse_session_state(lease.inner(), Query::Text(sql)));
        match may_run {
            Ok(()) => self.script(sql).await,
            Err(error) => refused(error).await,
        }
    }

    /// As [`Transaction::batch_execute`], for a caller that has looked itself at what is left in the session.
    pub(crate) async fn script(&self, sql: &str) -> Result<()> {
        let lease = self.core.enter(self.level).await?;
        let executor = self.core.executor(&lease).of(Query::Text(sql));
        self.core.send_begin(&executor).await?;
        self.core.note_ending(sql);
        executor.run(Phase::Statement, lease.inner().client.batch_execute(sql)).await
    }

    /// The transaction status and the command tag of the server's last answer, for a caller that runs texts of others in it.
    pub(crate) fn last_answer(&self) -> (TransactionStatus, String) {
        self.core.last_answer()
    }

    fn run<'a, S: Shape>(
        &'a self,
        query: Query<'a>,
        params: Params<'a>,
    ) -> impl Future<Output = Result<S::Out>> + Send + use<'a, S> {
        async move {
            let lease = match self.core.enter(self.level).await {
                Ok(lease) => lease,
                Err(error) => return refused(error).await,
            };
            if let Err(error) = refuse_session_state(lease.inner(), query) {
                return refused(error).await;
            }
            let executor = self.core.executor(&lease).of(query);
            if let Query::Text(sql) = query {
                self.core.note_ending(sql);
            }
            let unsent = self.core.unsent.lock().take();
            if let Some(begin) = unsent {
                return first::<S>(&self.core, &executor, begin, query, params).await;
            }
            executor.statement::<S>(query, params).await
        }
    }

    /// Runs a nested transaction: what the closure did is undone if it fails, and the outer one goes on.
    ///
    /// # Errors
    /// The closure's own, after rolling back to where it began.
    ///
    /// While it is open, only the handle that the closure is given may be used. The outer one, and another savepoint
    /// beside it, are refused with [`Fault::Usage`](crate::Fault::Usage): what they did would be undone with it.
    ///
    /// A deadline around it bounds the closure. Undoing it has the transaction's own time; if it cannot be undone, the
    /// transaction cannot be committed.
    ///
    /// # Cancel safety
    /// Dropped, it is rolled back before anything else is done in the transaction.
    pub fn savepoint<'a, T, F, Fut>(
        &'a self,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<'a, T, F, Fut>
    where
        T: Send,
        F: FnOnce(Transaction) -> Fut + Send + 'a,
        Fut: Future<Output = Result<T>> + Send,
    {
        savepoint::run(self, work)
    }

    /// Waits for the advisory lock of this key, which is held until the transaction ends.
    ///
    /// The key is made of typed parts, `("device", tenant, id)`, and is the same in every process and in SQL: see
    /// [`LockKey`]. The wait is bounded by `lock_timeout`.
    ///
    /// # Errors
    /// [`Fault::LockTimeout`](crate::Fault::LockTimeout) when another holds it for too long.
    ///
    /// # Cancel safety
    /// Dropped, the lock may have been taken; it goes with the transaction.
    pub async fn advisory_lock(&self, key: impl Into<LockKey> + Send) -> Result<()> {
        let key: LockKey = key.into();
        self.query(lock_key::TAKE, &[&key.number()]).await.map(drop)
    }

    /// Takes the advisory lock of this key if nobody holds it; it is held until the transaction ends.
    ///
    /// # Errors
    /// As any statement's.
    ///
    /// # Cancel safety
    /// Dropped, the lock may have been taken; it goes with the transaction.
    pub async fn try_advisory_lock(&self, key: impl Into<LockKey> + Send) -> Result<bool> {
        let key: LockKey = key.into();
        let row = self.query_one(lock_key::TRY, &[&key.number()]).await?;
        row.try_get(0).map_err(Error::from)
    }

    /// Opens a stream of rows and hands it to `read`, since it cannot outlive the transaction.
    ///
    /// # Errors
    /// As [`Transaction::query`], or what `read` returns.
    ///
    /// # Cancel safety
    /// Dropped, the statement is stopped on the server.
    pub async fn query_stream<T>(
        &self,
        statement: &(impl AsQuery + ?Sized),
        params: Params<'_>,
        read: impl AsyncFnOnce(RowStream<'_>) -> Result<T>,
    ) -> Result<T> {
        let lease = self.core.enter(self.level).await?;
        refuse_session_state(lease.inner(), statement.as_query())?;
        let executor = self.core.executor(&lease);
        self.core.send_begin(&executor).await?;
        read(RowStream::open(executor, statement.as_query(), params).await?).await
    }

    /// Opens a `COPY .. FROM STDIN` and hands it to `write`, which ends it with [`CopyIn::finish`].
    ///
    /// # Errors
    /// As [`Transaction::query`], or what `write` returns.
    ///
    /// # Cancel safety
    /// Dropped, nothing of it is stored.
    pub async fn copy_in<B: Buf + Send + 'static, T>(
        &self,
        sql: &str,
        write: impl AsyncFnOnce(CopyIn<'_, B>) -> Result<T>,
    ) -> Result<T> {
        let lease = self.core.enter(self.level).await?;
        refuse_session_state(lease.inner(), Query::Text(sql))?;
        let executor = self.core.executor(&lease);
        self.core.send_begin(&executor).await?;
        write(CopyIn::open(executor, sql).await?).await
    }

    /// Opens a `COPY .. TO STDOUT` and hands it to `read`.
    ///
    /// # Errors
    /// As [`Transaction::query`], or what `read` returns.
    ///
    /// # Cancel safety
    /// Dropped, the statement is stopped on the server.
    pub async fn copy_out<T>(
        &self,
        sql: &str,
        read: impl AsyncFnOnce(CopyOut<'_>) -> Result<T>,
    ) -> Result<T> {
        let lease = self.core.enter(self.level).await?;
        refuse_session_state(lease.inner(), Query::Text(sql))?;
        let executor = self.core.executor(&lease);
        self.core.send_begin(&executor).await?;
        read(CopyOut::open(executor, sql).await?).await
    }

    /// For which work it runs.
    #[must_use]
    pub fn work(&self) -> &WorkName {
        &self.core.work
    }
}

/// The first statement of a READ ONLY transaction, along with its BEGIN.
async fn first<S: Shape>(
    core: &OpenTransaction,
    executor: &Executor<'_>,
    begin: String,
    query: Query<'_>,
    params: Params<'_>,
) -> Result<S::Out> {
    let client = &executor.connection.client;
    let statement = match query {
        Query::Prepared(statement) => Some(statement.clone()),
        Query::Text(sql) => executor.connection.prepared(sql),
    };
    let Some(statement) = statement else {
        core.send(executor, &begin).await?;
        return executor.statement::<S>(query, params).await;
    };
    let flight = future::join(client.batch_execute(&begin), S::prepared(client, &statement, params));
    let flight = std::pin::pin!(flight);
    let Answered { answer, stopped, sent } =
        executor.at(Scope::Opening).listen(Phase::Statement, flight).await?;
    let _ = core.begun.set(answer.0.is_ok().then_some(sent.mark));
    match answer {
        (Ok(()), Ok(out)) => Ok(out),
        (Err(error), Ok(_)) => {
            // It ran by itself, and only its author knows whether it wrote.
            core.has_strayed.store(true, Ordering::Release);
            Err(executor
                .failed(Phase::Begin, error, stopped, sent)
                .with_outcome(Outcome::Unknown)
                .and(STRAYED))
        }
        (Err(error), Err(_)) => Err(executor.failed(Phase::Begin, error, stopped, sent)),
        (Ok(()), Err(error)) => Err(executor.failed(Phase::Statement, error, stopped, sent)),
    }
}

/// A transaction that is ended by hand; dropped without [`TransactionGuard::commit`] it is rolled back.
pub struct TransactionGuard {
    transaction: Transaction,
    ending: RollbackOnDrop,
}

impl TransactionGuard {
    /// Commits.
    ///
    /// # Errors
    /// With what became of it. [`Outcome::Unknown`] means that COMMIT was sent and no answer came.
    ///
    /// # Cancel safety
    /// Dropped, the COMMIT is let finish; its outcome is told by an
    /// [`Event`](crate::event::Event::CommitSettled).
    pub async fn commit(self) -> Result<()> {
        commit::commit(&self.ending.0).await
    }

    /// Rolls back, and waits until that is done.
    ///
    /// # Cancel safety
    /// Dropped, it is rolled back on the side.
    pub async fn rollback(self) {
        let _rolled_back = commit::roll_back(&self.ending.0).await;
    }
}

impl Deref for TransactionGuard {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

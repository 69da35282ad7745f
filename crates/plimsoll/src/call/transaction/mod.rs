//! Transactions: commit on `Ok`, roll back on everything else.
//!
//! *Round trips.* The driver ends every request with a Sync of its own, so a statement that is sent behind a BEGIN which
//! fails commits by itself. Therefore BEGIN and its limits travel as one message, and their answer is awaited before the
//! first write. Only a READ ONLY transaction sends its first statement along with BEGIN.
//!
//! *The handle.* A closure gets an owned [`Transaction`], because a borrowed one cannot be used from axum handlers and
//! spawned tasks. The handle becomes inert when the closure ends: the lease is taken out of it. So a handle that was moved
//! elsewhere can neither hold the connection nor write into another caller's transaction. A statement that another task has
//! under way at that moment is stopped, and the connection is returned afterwards.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@open`] | what is behind the handle: the lease, the limits, and whether there is a transaction on the server |
//! | [`first`] | the first statement of a READ ONLY transaction |
//! | [`savepoint`], [`levels`] | savepoints, and which of them may be used |
//! | [`token`] | COMMIT together with its place in the log |
//! | [`commit`], [`resolve`] | the end, and the outcome of a COMMIT whose answer was lost |

mod commit;
mod first;
mod levels;
mod open;
pub(crate) mod resolve;
mod savepoint;
mod token;

use super::connection::PooledConnection;
use super::options::TransactionOptions;
use super::span::{SpanOf, WorkSpan};
use super::statement::answer::Answer;
use super::statement::end::Running;
use super::statement::executor::Executor;
use super::statement::fetch::{Fetch, fetch_methods};
use super::statement::query::{AsQuery, CheckedQuery, CheckedText, Params, Query};
use super::statement::stream::{CopyIn, CopyOut, RowStream};
use crate::error::{Error, Outcome, Phase, Result};
use crate::lock_key;
use crate::lock_key::LockKey;
use crate::name::WorkName;
use crate::pool::fairness::refused;
use crate::wire::transaction_status::TransactionStatus;
use bytes::Buf;
use levels::Level;
use open::{OpenTransaction, RollbackOnDrop, open};
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use tokio_postgres::Row;

/// An open transaction. Owned, so that it can be moved to any task; inert once the closure has ended.
pub struct Transaction {
    core: Arc<OpenTransaction>,
    /// The savepoint that this handle belongs to.
    level: Level,
}

/// Runs a closure in a transaction.
pub(crate) async fn run<T, F, Fut>(
    lease: PooledConnection,
    begin: TransactionOptions,
    span: WorkSpan,
    work: F,
) -> Result<T>
where
    T: Send,
    F: FnOnce(Transaction) -> Fut + Send,
    Fut: Future<Output = Result<T>> + Send,
{
    let core = open(lease, begin, span).await?;
    let ending = RollbackOnDrop(Arc::clone(&core));
    let result = core.span.around(work(Transaction { core: Arc::clone(&core), level: 0 })).await;
    let ended = match result {
        Ok(value) => commit::commit(&core).await.map(|()| value),
        Err(error) => Err(commit::undone_by(&core, error).await),
    };
    drop(ending);
    ended
}

/// Runs one statement as a transaction, step by step: a COMMIT that can be resolved needs the answer to BEGIN.
pub(crate) async fn of_one<A: Answer>(
    lease: PooledConnection,
    begin: TransactionOptions,
    query: CheckedQuery<'_>,
    params: Params<'_>,
    span: &WorkSpan,
) -> Result<A> {
    // The call has a span already, and the transaction none of its own.
    run(lease, begin, WorkSpan::NONE, async |tx| {
        let lease = tx.core.enter(tx.level).await?;
        tx.run::<A>(&lease, query, params, SpanOf::Call(span)).await
    })
    .await
}

/// Begins a transaction that is ended by hand.
pub(crate) async fn begin(
    lease: PooledConnection,
    begin: TransactionOptions,
    span: WorkSpan,
) -> Result<TransactionGuard> {
    let core = open(lease, begin, span).await?;
    Ok(TransactionGuard {
        transaction: Transaction { core: Arc::clone(&core), level: 0 },
        ending: RollbackOnDrop(core),
    })
}

impl PooledConnection {
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
        async move {
            let span = WorkSpan::transaction_on(&self);
            run(self, TransactionOptions::default(), span, work).await
        }
    }

    /// Begins a transaction on this connection that is ended by hand.
    ///
    /// # Errors
    /// That of BEGIN.
    ///
    /// # Cancel safety
    /// As any other statement; a transaction that was begun is rolled back.
    pub async fn begin(self) -> Result<TransactionGuard> {
        let span = WorkSpan::transaction_on(&self);
        begin(self, TransactionOptions::default(), span).await
    }
}

impl Transaction {
    fetch_methods! {
        by reference;
        /// Runs a statement and gives its rows.
        ///
        /// # Errors
        /// The transaction has then failed: end the closure with the error, or roll back to a savepoint.
        ///
        /// # Cancel safety
        /// Dropped, the statement is stopped on the server, and the next one waits for that.
        query;
        /// Runs a statement that gives exactly one row. As [`Transaction::query`].
        ///
        /// # Errors
        /// [`Fault::RowCount`](crate::Fault::RowCount) for another number of rows; the transaction has then not failed.
        query_one;
        /// Runs a statement that gives one row or none. As [`Transaction::query`].
        ///
        /// # Errors
        /// [`Fault::RowCount`](crate::Fault::RowCount) for more rows than one; the transaction has then not failed.
        query_opt;
        /// Runs a statement and gives the number of rows that it touched. As [`Transaction::query`].
        ///
        /// # Errors
        /// As [`Transaction::query`].
        execute;
    }

    fn fetch<'a, F: Fetch>(
        &'a self,
        query: Query<'a>,
        params: Params<'a>,
    ) -> impl Future<Output = Result<F::Out>> + Send + use<'a, F> {
        async move {
            let lease = match self.core.enter(self.level).await {
                Ok(lease) => lease,
                Err(error) => return refused(error).await,
            };
            let query = match CheckedQuery::on(lease.inner(), query, params) {
                Ok(query) => query,
                Err(error) => return refused(error).await,
            };
            let span = SpanOf::Transaction(&self.core.span);
            let answer = self.run::<F::Answer>(&lease, query, params, span).await?;
            F::judge(answer, &self.core.work, Outcome::Unknown)
        }
    }

    /// Runs a statement on the lease that [`OpenTransaction::enter`] gave.
    async fn run<A: Answer>(
        &self,
        lease: &PooledConnection,
        query: CheckedQuery<'_>,
        params: Params<'_>,
        span: SpanOf<'_>,
    ) -> Result<A> {
        let executor = Executor { span, ..self.core.executor(lease).of(query) };
        if let Some(sql) = query.text() {
            self.core.note_ending(sql);
        }
        let unsent = self.core.unsent.lock().take();
        match unsent {
            Some(begin) => first::run::<A>(&self.core, &executor, begin, query, params).await,
            None => executor.statement::<A>(query, params).await,
        }
    }

    /// Runs several statements, separated by semicolons. As [`Transaction::query`].
    ///
    /// # Errors
    /// As [`Transaction::query`].
    pub async fn batch_execute(&self, sql: &str) -> Result<()> {
        match self.core.lease().and_then(|lease| CheckedText::on(lease.inner(), sql)) {
            Ok(text) => self.run_script(text).await,
            Err(error) => refused(error).await,
        }
    }

    /// As [`Transaction::batch_execute`], for text of which the caller knows what it leaves in the session.
    pub(crate) async fn script(&self, sql: &str) -> Result<()> {
        self.run_script(CheckedText::inspected(sql)).await
    }

    async fn run_script(&self, text: CheckedText<'_>) -> Result<()> {
        let lease = self.core.enter(self.level).await?;
        let executor = self.core.executor(&lease).of(CheckedQuery::Text(text));
        self.core.send_begin(&executor).await?;
        self.core.note_ending(text.get());
        let running = Running::begin(&executor);
        let result = executor.run(Phase::Statement, lease.inner().client.batch_execute(text.get())).await;
        running.end(&result, |()| 0);
        result
    }

    /// The transaction status and the command tag of the server's last answer, for a caller that runs texts of others in it.
    pub(crate) fn last_answer(&self) -> (TransactionStatus, String) {
        self.core.last_answer()
    }

    /// Runs a nested transaction: if the closure fails, its work is undone, and the outer transaction goes on.
    ///
    /// # Errors
    /// The closure's own, after a rollback to the start of the savepoint.
    ///
    /// While the savepoint is open, only the handle that the closure is given may be used. The outer handle, and another
    /// savepoint beside this one, are refused with [`Fault::Usage`](crate::Fault::Usage): their work would be undone with it.
    ///
    /// A deadline around it bounds the closure. The rollback of the savepoint has the transaction's own time; if it fails,
    /// the transaction cannot be committed.
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
    /// [`Fault::LockTimeout`](crate::Fault::LockTimeout) if another session holds it for too long.
    ///
    /// # Cancel safety
    /// Dropped, the lock may have been taken; it is released with the transaction.
    pub async fn advisory_lock(&self, key: impl Into<LockKey> + Send) -> Result<()> {
        let key: LockKey = key.into();
        self.query(lock_key::TAKE, &[&key.number()]).await.map(drop)
    }

    /// Takes the advisory lock of this key if it is free; it is held until the transaction ends.
    ///
    /// # Errors
    /// As [`Transaction::query`].
    ///
    /// # Cancel safety
    /// Dropped, the lock may have been taken; it is released with the transaction.
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
        let query = CheckedQuery::on(lease.inner(), statement.as_query(), params)?;
        let executor = self.core.executor(&lease);
        self.core.send_begin(&executor).await?;
        read(RowStream::open(executor, query, params).await?).await
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
        let executor = self.core.executor(&lease);
        self.core.send_begin(&executor).await?;
        read(CopyOut::open(executor, sql).await?).await
    }

    /// The work that it runs for.
    #[must_use]
    pub fn work(&self) -> &WorkName {
        &self.core.work
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
    /// With its outcome. [`Outcome::Unknown`] means that COMMIT was sent and no answer came.
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
    /// Dropped, the return path rolls it back.
    pub async fn rollback(self) {
        let _rolled_back = commit::roll_back(&self.ending.0).await;
        self.ending.0.span.ended("rolled_back");
    }
}

impl Deref for TransactionGuard {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

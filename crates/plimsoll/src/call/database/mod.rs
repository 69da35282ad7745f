//! The handle that a program clones: the work that goes through it, and how it is operated ([`control`]). How it starts is
//! in `watch::start`.

mod control;

use super::breaker::Permit;
use super::builder::Call;
use super::connection::PooledConnection;
use super::postgres::Postgres;
use super::replicas::Replicas;
use super::retry::Retries;
use super::server::Server;
use super::statement::fetch::{Fetch, fetch_methods};
use super::statement::query::{AsQuery, Params, Query};
use super::transaction::{Transaction, TransactionGuard};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::name::WorkName;
use crate::pool::{Ask, Pool};
use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use tokio_postgres::Row;

/// A database: one guarded pool, one more for each replica that is set, and all work that goes through them. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pub(crate) pool: Pool<Postgres>,
    pub(crate) server: Arc<Server>,
    /// One budget of retries for all the work of this handle and its clones.
    pub(crate) retries: Arc<Retries>,
    /// The servers that reads may go to, where there are any.
    pub(crate) replicas: Option<Arc<Replicas>>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.server.plan.hosts().iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        f.debug_struct("Database").field("hosts", &hosts).field("dbname", &self.server.plan.dbname()).finish()
    }
}

impl Database {
    /// Names a piece of work; errors, events and the leak report print the name.
    ///
    /// ```no_run
    /// # async fn example(db: &plimsoll::Database) -> plimsoll::Result<()> {
    /// let count = db.named("count devices").read_only().query_one("SELECT count(*) FROM device", &[]).await?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn named(&self, name: impl Into<Cow<'static, str>>) -> Call<'_> {
        Call::new(self, WorkName::given(name))
    }

    #[track_caller]
    fn here(&self) -> Call<'_> {
        Call::new(self, WorkName::here())
    }

    /// Lends a connection; the work is named after the place of this call.
    ///
    /// # Errors
    /// Which limit passed, which work holds the oldest lease, and how the last connect ended.
    ///
    /// # Cancel safety
    /// Dropped, the caller leaves the queue, and a connection that it was given already goes to the next waiter.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<PooledConnection>> + Send + use<'_> {
        self.here().acquire()
    }

    /// Lends a connection that is idle, and does not wait: see [`Call::try_acquire`].
    ///
    /// # Errors
    /// As [`Call::try_acquire`].
    ///
    /// # Cancel safety
    /// As [`Call::try_acquire`].
    #[track_caller]
    pub fn try_acquire(&self) -> impl Future<Output = Result<Option<PooledConnection>>> + Send + use<'_> {
        self.here().try_acquire()
    }

    /// [`Database::acquire`] by the name that users of deadpool know.
    ///
    /// # Errors
    /// As [`Database::acquire`].
    #[track_caller]
    pub fn get(&self) -> impl Future<Output = Result<PooledConnection>> + Send + use<'_> {
        self.here().acquire()
    }

    fetch_methods! {
        by reference;
        /// Runs a statement on a connection of its own and gives its rows.
        ///
        /// # Errors
        /// With what became of the statement: see [`Error::outcome`](crate::Error::outcome).
        ///
        /// # Cancel safety
        /// Dropped, the statement is stopped on the server, and the connection is reclaimed on the side.
        query;
        /// Runs a statement that gives exactly one row. As [`Database::query`].
        ///
        /// # Errors
        /// [`Fault::RowCount`](crate::Fault::RowCount) for another number of rows.
        query_one;
        /// Runs a statement that gives one row or none. As [`Database::query`].
        ///
        /// # Errors
        /// [`Fault::RowCount`](crate::Fault::RowCount) for more rows than one.
        query_opt;
        /// Runs a statement and gives the number of rows that it touched. As [`Database::query`].
        ///
        /// # Errors
        /// As [`Database::query`].
        execute;
    }

    #[track_caller]
    fn fetch<'a, F: Fetch>(
        &'a self,
        query: Query<'a>,
        params: Params<'a>,
    ) -> impl Future<Output = Result<F::Out>> + Send + use<'a, F> {
        self.here().fetch::<F>(query, params)
    }

    /// Runs a transaction: commit on `Ok`, roll back on `Err`, drop or panic. Runs once.
    ///
    /// In an axum handler:
    ///
    /// ```no_run
    /// use axum::{Router, extract::{Path, State}, http::StatusCode, routing::post};
    /// use plimsoll::Database;
    ///
    /// async fn retire(State(db): State<Database>, Path(id): Path<String>) -> Result<String, StatusCode> {
    ///     db.transaction(async |tx| {
    ///         tx.advisory_lock(("device", &id)).await?;
    ///         tx.execute("UPDATE device SET status = 'DELETED' WHERE id = $1", &[&id]).await
    ///     })
    ///     .await
    ///     .map(|rows| format!("{rows} retired"))
    ///     .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
    /// }
    /// # let _: Router<Database> = Router::new().route("/retire/{id}", post(retire));
    /// ```
    ///
    /// In a spawned task:
    ///
    /// ```no_run
    /// # async fn example(db: plimsoll::Database) -> plimsoll::Result<()> {
    /// let task = tokio::spawn(async move {
    ///     let id = "d7".to_string();
    ///     db.transaction(async |tx| tx.execute("DELETE FROM device WHERE id = $1", &[&id]).await).await
    /// });
    /// let rows = task.await.expect("the task did not panic")?;
    /// # let _ = rows; Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The closure's own error, with everything rolled back; or that of acquire, BEGIN or COMMIT.
    ///
    /// # Cancel safety
    /// Dropped before COMMIT was sent it is rolled back. Dropped during COMMIT, that is let finish, and its outcome
    /// is told by an [`Event`](crate::event::Event::CommitSettled).
    #[track_caller]
    pub fn transaction<T, F, Fut>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<'_, T, F, Fut>
    where
        T: Send,
        F: FnOnce(Transaction) -> Fut + Send,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.here().transaction(work)
    }

    /// Runs a transaction, and runs it again when it was certainly rolled back: see [`Call::retrying`]. All calls of this
    /// handle and its clones share one budget of retries: [`Database::retry_status`].
    ///
    /// ```no_run
    /// use axum::{extract::State, http::StatusCode};
    /// use plimsoll::{Database, Isolation};
    ///
    /// async fn renew(State(db): State<Database>) -> Result<String, StatusCode> {
    ///     let rows = db
    ///         .named("renew")
    ///         .isolation(Isolation::Serializable)
    ///         .retrying(async |tx| tx.execute("UPDATE subscription SET term = term + 1", &[]).await)
    ///         .await;
    ///     rows.map(|rows| rows.to_string()).map_err(|_| StatusCode::CONFLICT)
    /// }
    /// # async fn task(db: Database) {
    /// tokio::spawn(async move { db.retrying(async |tx| tx.execute("SELECT 1", &[]).await).await });
    /// # }
    /// # let _: axum::Router<Database> = axum::Router::new().route("/", axum::routing::post(renew));
    /// ```
    ///
    /// # Errors
    /// That of the last run.
    ///
    /// # Cancel safety
    /// As [`Database::transaction`].
    #[track_caller]
    pub fn retrying<T, F, Fut>(&self, work: F) -> impl Future<Output = Result<T>> + Send + use<'_, T, F, Fut>
    where
        T: Send,
        F: Fn(Transaction) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        self.here().retrying(work)
    }

    /// Begins a transaction that is ended by hand; dropped without a commit it is rolled back.
    ///
    /// ```no_run
    /// # use axum::{extract::State, http::StatusCode};
    /// # use plimsoll::{Database, Result};
    /// async fn handler(State(db): State<Database>) -> Result<(), StatusCode> {
    ///     let work = async {
    ///         let tx = db.begin().await?;
    ///         tx.execute("UPDATE counter SET n = n + 1", &[]).await?;
    ///         tx.commit().await
    ///     };
    ///     work.await.map_err(|_: plimsoll::Error| StatusCode::SERVICE_UNAVAILABLE)
    /// }
    /// # let _: axum::Router<Database> = axum::Router::new().route("/", axum::routing::post(handler));
    /// # async fn task(db: Database) {
    /// tokio::spawn(async move { db.begin().await?.commit().await });
    /// # }
    /// ```
    ///
    /// # Errors
    /// That of acquire or BEGIN.
    ///
    /// # Cancel safety
    /// A transaction that was begun is rolled back.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<TransactionGuard>> + Send + use<'_> {
        self.here().begin()
    }

    pub(crate) fn pool(&self) -> &Pool<Postgres> {
        &self.pool
    }

    /// Asks the breaker to let a call through.
    ///
    /// # Errors
    /// [`Fault::CircuitOpen`](crate::Fault::CircuitOpen); and once the pool is closed, that, because the breaker of a pool
    /// that does not come back means nothing to its callers.
    #[inline]
    pub(crate) fn permit(&self, work: &WorkName) -> Result<Permit> {
        if !self.server.breaker.is_closed()
            && let Some(closed) = self.closed_refusal(work)
        {
            return Err(closed);
        }
        self.server.breaker.permit(work)
    }

    /// The error of a call after [`Database::close`].
    #[cold]
    pub(crate) fn closed_refusal(&self, work: &WorkName) -> Option<Error> {
        self.pool.closed_refusal(Ask::by(work.clone()))
    }

    pub(crate) fn retries(&self) -> &Retries {
        &self.retries
    }

    pub(crate) fn tell(&self, event: Event) {
        self.server.events.tell(event);
    }
}

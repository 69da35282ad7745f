//! Running one statement, by the cheapest way that is safe on this connection.
//!
//! | where | how | round trips |
//! |---|---|---|
//! | direct, used before | named and prepared | 1 |
//! | direct, types known to the pool | unnamed, with its types | 1 |
//! | direct, new | prepared, then run | 2 |
//! | transaction pooler, types known | BEGIN and SET LOCAL, then statement and COMMIT | 2 |
//! | transaction pooler, types known, `read_only` | all of that in one flight | 1 |
//! | transaction pooler, otherwise | inside BEGIN .. COMMIT, every type known before it runs | 3 or more |
//!
//! Behind a transaction pooler nothing is run by name: the next message may reach another server, or, where the pooler
//! tracks names, a plan that strangers share. And a type that the driver has to look up must be known before a statement
//! runs: looked up afterwards, a failure would leave the caller with an error for something that happened. See `names`.

use super::cache::{CachedStatement, Query, StatementTypes, typed};
use super::executor::{Executor, ScopeSource};
use super::stale::{is_stale, is_unsent};
use crate::call::transaction::options::TransactionOptions;
use crate::error::{Error, Phase, Result};
use crate::fault::Fault;
use crate::rules::outcome::Scope;
use futures_util::Stream;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::timeout_at;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, RowStream, Statement};

/// The parameters of a statement, as the driver takes them.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What is wanted of a statement: its rows, the first of them, or how many it touched.
pub(crate) trait Shape {
    type Out: Send;
    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self::Out, tokio_postgres::Error>> + Send;
    fn typed(
        client: &Client,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> impl Future<Output = Result<Self::Out, tokio_postgres::Error>> + Send;
}

/// The rows.
pub(crate) struct Rows;

impl Shape for Rows {
    type Out = Vec<Row>;

    async fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        client.query(statement, params).await
    }

    async fn typed(
        client: &Client,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        client.query_typed(sql, params).await
    }
}

/// The first row, and how many there were.
pub(crate) struct First;

impl Shape for First {
    type Out = (Option<Row>, usize);

    fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> impl Future<Output = Result<Self::Out, tokio_postgres::Error>> + Send {
        async move {
            let mut rows = pin!(client.query_raw(statement, params.iter().copied()).await?);
            let mut found = (None, 0);
            poll_fn(|cx| poll_first(rows.as_mut(), &mut found, cx)).await?;
            Ok(found)
        }
    }

    async fn typed(
        client: &Client,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Self::Out, tokio_postgres::Error> {
        let params = params.iter().map(|(value, ty)| (*value, ty.clone()));
        let mut rows = pin!(client.query_typed_raw(sql, params).await?);
        let mut found = (None, 0);
        poll_fn(|cx| poll_first(rows.as_mut(), &mut found, cx)).await?;
        Ok(found)
    }
}

/// Reads to the end, because a later row may still be an error; nothing is kept but the first and their number.
fn poll_first(
    mut rows: Pin<&mut RowStream>,
    found: &mut (Option<Row>, usize),
    cx: &mut Context<'_>,
) -> Poll<Result<(), tokio_postgres::Error>> {
    while let Some(row) = ready!(rows.as_mut().poll_next(cx)?) {
        found.0.get_or_insert(row);
        found.1 += 1;
    }
    Poll::Ready(Ok(()))
}

/// The number of rows.
pub(crate) struct Count;

impl Shape for Count {
    type Out = u64;

    async fn prepared(
        client: &Client,
        statement: &Statement,
        params: Params<'_>,
    ) -> Result<u64, tokio_postgres::Error> {
        client.execute(statement, params).await
    }

    async fn typed(
        client: &Client,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<u64, tokio_postgres::Error> {
        client.execute_typed(sql, params).await
    }
}

/// How a statement will be sent.
pub(crate) enum SendPlan {
    Prepared(Statement),
    Typed(Arc<StatementTypes>),
}

/// Runs a statement under a executor, at a moment that was read just now. What is prepared already, as nearly everything
/// is, takes no further step on its way.
///
/// A macro, so that it becomes part of the block that it stands in: as a future of its own it would have a state of its
/// own, on a line of the cache that must be fetched whenever the statement's task is woken.
macro_rules! run_statement {
    ($shape:ty, $executor:expr, $now:expr, $query:expr, $params:expr) => {{
        let executor: &$crate::call::statement::executor::Executor<'_> = $executor;
        match executor.prepared($query) {
            Ok(statement) => {
                // Pinned here, once: handed down by value it would lie in every future on the way, a kilobyte each.
                let request = ::std::pin::pin!(<$shape>::prepared(&executor.connection.client, &statement, $params));
                match executor.run_at($now, $crate::error::Phase::Statement, request).await {
                    Ok(out) => Ok(out),
                    Err(error) => Box::pin(executor.anew::<$shape>($query, $params, error)).await,
                }
            }
            Err(sql) => Box::pin(executor.text::<$shape>(sql, $params)).await,
        }
    }};
}
pub(crate) use run_statement;

impl Executor<'_> {
    /// Runs a statement.
    pub(crate) fn statement<S: Shape>(
        &self,
        query: Query<'_>,
        params: Params<'_>,
    ) -> impl Future<Output = Result<S::Out>> {
        async move { run_statement!(S, self, None, query, params) }
    }

    /// The statement, if it is prepared on this connection; else its text.
    #[inline]
    pub(crate) fn prepared<'q>(&self, query: Query<'q>) -> Result<Statement, &'q str> {
        match query {
            Query::Prepared(statement) => Ok(statement.clone()),
            Query::Text(sql) => self.connection.prepared(sql).ok_or(sql),
        }
    }

    /// Runs text that is not prepared here.
    pub(crate) async fn text<S: Shape>(&self, sql: &str, params: Params<'_>) -> Result<S::Out> {
        if self.connection.is_pooled_by_transaction() {
            let _turn = match self.scope {
                ScopeSource::FromSession => Some(Box::pin(self.turn()).await?),
                ScopeSource::Known(_) => None,
            };
            // What a statement that was given up has begun is undone before it is asked whether a transaction is open.
            Box::pin(self.settled()).await?;
            if self.scope() != Scope::InTransaction {
                return match self.whole::<S>(sql, params, &TransactionOptions::default()).await {
                    Err(error) if self.struck_by_mistake(Query::Text(sql), &error).is_some() => {
                        self.whole::<S>(sql, params, &TransactionOptions::default()).await
                    }
                    answer => answer,
                };
            }
        }
        match self.send_text::<S>(sql, params).await {
            Ok(out) => Ok(out),
            Err(error) => self.anew::<S>(Query::Text(sql), params, error).await,
        }
    }

    /// What was prepared for what is no more may fit again when it is prepared anew; but not in a transaction, which has
    /// failed by now.
    pub(crate) async fn anew<S: Shape>(
        &self,
        query: Query<'_>,
        params: Params<'_>,
        error: Error,
    ) -> Result<S::Out> {
        if let Some(sql) = self.struck_by_mistake(query, &error) {
            let mut again = self.send_text::<S>(sql, params).await;
            // One cancel is two signals, and the second may come as late as the first.
            for _ in 0..2 {
                match &again {
                    Err(error) if self.struck_by_mistake(query, error).is_some() => {}
                    _ => break,
                }
                again = self.send_text::<S>(sql, params).await;
            }
            return again;
        }
        let sql = match query {
            Query::Text(sql) if is_stale(sql, &error) => sql,
            _ => return Err(error),
        };
        let is_unsent = error.driver_error().is_some_and(is_unsent);
        self.forget(sql);
        if is_unsent {
            // Nothing has failed on the server, in a transaction neither.
            self.connection.client.clear_type_cache();
            return self.send_text::<S>(sql, params).await;
        }
        if error.sqlstate().is_some_and(|code| code.code() == "26000") {
            self.connection.has_lost_its_names();
        }
        // The driver hands an error out before the server has said in which state the session is.
        let _ = timeout_at(self.patience(), self.connection.link.answered()).await;
        match self.scope() {
            Scope::Autocommit => self.send_text::<S>(sql, params).await,
            // PostgreSQL has no code of its own for a type that is gone.
            _ if error.fault() == Fault::Server => Err(error.with_fault(Fault::StalePlan)),
            _ => Err(error),
        }
    }

    pub(crate) fn forget(&self, sql: &str) {
        self.connection.forget(sql);
    }

    pub(crate) async fn send_text<S: Shape>(&self, sql: &str, params: Params<'_>) -> Result<S::Out> {
        let client = &self.connection.client;
        match self.way(sql).await? {
            SendPlan::Prepared(statement) => {
                // Pinned here, once: handed down by value it would lie in every future on the way, a kilobyte each.
                let request = pin!(S::prepared(client, &statement, params));
                self.run(Phase::Statement, request).await
            }
            SendPlan::Typed(known) => {
                let params = typed(params, &known.params)?;
                let request = pin!(S::typed(client, sql, &params));
                self.run(Phase::Statement, request).await
            }
        }
    }

    /// Chooses how to send text, preparing or learning what is needed for it.
    pub(crate) async fn way(&self, sql: &str) -> Result<SendPlan> {
        let connection = self.connection;
        let kept = connection.kept(sql);
        if let Some(CachedStatement::Prepared(statement)) = kept {
            return Ok(SendPlan::Prepared(statement));
        }
        let known = connection.types(sql);
        if connection.is_pooled_by_transaction() {
            let is_resolved = |known: &Arc<StatementTypes>| matches!(&kept, Some(CachedStatement::Seen(here)) if here == known);
            return match known {
                Some(known) if known.is_plain || is_resolved(&known) => Ok(SendPlan::Typed(known)),
                _ => Box::pin(self.learn(sql)).await.map(SendPlan::Typed),
            };
        }
        match known {
            Some(known) if known.is_plain && kept.is_none() => {
                connection.keep(&known, CachedStatement::Seen(Arc::clone(&known)));
                Ok(SendPlan::Typed(known))
            }
            _ => Box::pin(self.prepare(sql, &[])).await.map(SendPlan::Prepared),
        }
    }

    /// Prepares and names a statement on a session that is ours.
    pub(crate) async fn prepare(&self, sql: &str, types: &[Type]) -> Result<Statement> {
        let connection = self.connection;
        let statement = self.run(Phase::Prepare, connection.client.prepare_typed(sql, types)).await?;
        let known = connection.learn(sql, &statement);
        connection.keep(&known, CachedStatement::Prepared(statement.clone()));
        Ok(statement)
    }
}

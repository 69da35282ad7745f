//! Rows and bytes as they come: streams that are stopped on the server when their reader drops them.
//!
//! The driver reads a dropped stream to its end, so the next caller on the connection would wait for rows that no task
//! wants. Here a stream that is dropped early is an abandoned statement like any other.

use super::bounded::{Bounded, BoundedStream};
use super::end::Running;
use super::executor::Executor;
use super::query::{CheckedQuery, CheckedText, Params};
use super::run::SendPlan;
use super::stale::is_stale;
use crate::error::{Error, Outcome, Result};
use crate::fault::Fault;
use crate::pool::fairness::refused;
use crate::sql::copying::CopyEnd;
use crate::wire::copying::CopyFeed;
use bytes::{Buf, Bytes};
use futures_util::{Sink, SinkExt, Stream};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_postgres::{CopyInSink, CopyOutStream, Row, Statement};

/// The statement of a COPY, which the driver runs by name only.
async fn prepared(executor: &Executor<'_>, text: CheckedText<'_>) -> Result<Statement> {
    let sql = text.get();
    match executor.connection.prepared(sql) {
        Some(statement) => Ok(statement),
        None if executor.connection.is_pooled_by_transaction() => executor.prepare_copy(sql).await,
        None => executor.prepare(sql, &[]).await,
    }
}

/// How the rows of a statement are asked for: by its name on a direct connection, else with its types.
async fn plan(executor: &Executor<'_>, query: CheckedQuery<'_>) -> Result<SendPlan> {
    match query {
        CheckedQuery::Prepared(statement) => Ok(SendPlan::Prepared(statement.clone())),
        CheckedQuery::Text(text) => match executor.connection.prepared(text.get()) {
            Some(statement) => Ok(SendPlan::Prepared(statement)),
            None if executor.connection.is_pooled_by_transaction() => executor.plan(text.get()).await,
            None => executor.prepare(text.get(), &[]).await.map(SendPlan::Prepared),
        },
    }
}

/// What was known of the statement may be out of date. Its transaction has failed; when it runs again its types are
/// learned anew.
fn stale(executor: &Executor<'_>, sql: &str, error: Error) -> Error {
    if !is_stale(sql, &error) {
        return error;
    }
    executor.connection.forget(sql);
    // PostgreSQL has no error code of its own for a type that is gone.
    if error.fault() == Fault::Server { error.with_fault(Fault::StalePlan) } else { error }
}

/// Rows as they come.
pub struct RowStream<'a>(BoundedStream<'a, tokio_postgres::RowStream>);

impl<'a> RowStream<'a> {
    pub(crate) async fn open(
        executor: Executor<'a>,
        query: CheckedQuery<'_>,
        params: Params<'_>,
    ) -> Result<Self> {
        let client = &executor.connection.client;
        let running = Running::begin_stream(&executor, query.text(), true);
        let (send, mut running) = running.unless_failed(plan(&executor, query).await)?;
        let opened = match send {
            SendPlan::Prepared(statement) => {
                running.note(params, statement.params());
                Bounded::open(executor, running, client.query_raw(&statement, params.iter().copied())).await?
            }
            SendPlan::Typed(known) => {
                running.note(params, &known.params);
                let (params, running) = running.unless_failed(executor.typed(params, &known.params))?;
                // What is sent with its types is text.
                let sql = query.text().unwrap_or_default();
                let opened = Bounded::open(executor, running, client.query_typed_raw(sql, params)).await;
                opened.map_err(|error| stale(&executor, sql, error))?
            }
        };
        Ok(RowStream(BoundedStream::new(opened)))
    }
}

impl Stream for RowStream<'_> {
    type Item = Result<Row>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Row>>> {
        self.0.poll_next(cx)
    }
}

/// The bytes of a `COPY .. TO STDOUT` as they come.
pub struct CopyOut<'a>(BoundedStream<'a, CopyOutStream>);

impl<'a> CopyOut<'a> {
    pub(crate) async fn open(executor: Executor<'a>, sql: &str) -> Result<Self> {
        let text = match CheckedText::copy(executor.connection, sql, CopyEnd::ToClient) {
            Ok(text) => text,
            Err(error) => return refused(error).await,
        };
        let running = Running::begin_stream(&executor, Some(text.get()), false);
        let (statement, running) = running.unless_failed(prepared(&executor, text).await)?;
        let request = executor.connection.client.copy_out(&statement);
        Ok(CopyOut(BoundedStream::new(Bounded::open(executor, running, request).await?)))
    }
}

impl Stream for CopyOut<'_> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.0.poll_next(cx)
    }
}

/// A `COPY .. FROM STDIN` under way. Nothing of it is stored unless [`CopyIn::finish`] says so.
pub struct CopyIn<'a, B: Buf + Send + 'static> {
    // Dropped in this order: the driver then knows that there are no more rows before the copy is stopped.
    sink: Pin<Box<CopyInSink<B>>>,
    _fed: CopyFeed<'a>,
    bounded: Bounded<'a>,
    /// Its end was sent; before that nothing of it can have been stored.
    is_ending: bool,
}

impl<'a, B: Buf + Send + 'static> CopyIn<'a, B> {
    pub(crate) async fn open(executor: Executor<'a>, sql: &str) -> Result<Self> {
        let text = match CheckedText::copy(executor.connection, sql, CopyEnd::FromClient) {
            Ok(text) => text,
            Err(error) => return refused(error).await,
        };
        let running = Running::begin_stream(&executor, Some(text.get()), false);
        let (statement, running) = running.unless_failed(prepared(&executor, text).await)?;
        let fed = executor.connection.link.feed();
        let request = executor.connection.client.copy_in(&statement);
        let opened = Bounded::open(executor, running, request).await;
        if opened.is_err() {
            // A copy that the server refused at its start (a view, a read-only transaction) is told by the driver to fail
            // once more, and the driver does not expect the answer to that. The connection is lost anyway, so it ends now.
            executor.connection.link.end_because(
                "the server had refused the start of a COPY, after which the driver cannot go on with a connection",
            );
        }
        let (sink, bounded) = opened?;
        Ok(CopyIn { sink: Box::pin(sink), _fed: fed, bounded, is_ending: false })
    }

    fn failed(&mut self, error: tokio_postgres::Error) -> Error {
        let error = self.bounded.failed(error);
        self.with_outcome(error)
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        self.bounded.poll_limit(cx).map(|error| self.with_outcome(error))
    }

    fn with_outcome(&self, error: Error) -> Error {
        if self.is_ending { error } else { error.with_outcome(Outcome::RolledBack) }
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        self.is_ending = true;
        match self.sink.as_mut().poll_finish(cx) {
            Poll::Ready(Ok(rows)) => Poll::Ready(self.bounded.finished(rows)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.failed(error))),
            Poll::Pending => self.poll_limit(cx).map(Err),
        }
    }

    /// Sends bytes, waiting while the server is behind.
    ///
    /// # Errors
    /// The connection was lost, or the limit came; nothing is stored.
    ///
    /// # Cancel safety
    /// Dropped, these bytes may or may not be part of the copy; drop the copy too.
    pub async fn send(&mut self, bytes: B) -> Result<()> {
        SinkExt::feed(self, bytes).await
    }

    /// Ends the copy and gives the number of rows that it stored.
    ///
    /// # Errors
    /// With what became of it: see [`Error::outcome`](crate::error::Error::outcome).
    ///
    /// # Cancel safety
    /// Dropped, the copy may have been stored.
    pub async fn finish(mut self) -> Result<u64> {
        std::future::poll_fn(|cx| self.poll_finish(cx)).await
    }
}

impl<B: Buf + Send + 'static> Sink<B> for CopyIn<'_, B> {
    type Error = crate::error::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if let Some(error) = this.bounded.limit_passed() {
            return Poll::Ready(Err(this.with_outcome(error)));
        }
        match this.sink.as_mut().poll_ready(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(|error| this.failed(error))),
            Poll::Pending => this.poll_limit(cx).map(Err),
        }
    }

    fn start_send(mut self: Pin<&mut Self>, item: B) -> Result<()> {
        let this = &mut *self;
        this.sink.as_mut().start_send(item).map_err(|error| this.failed(error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        match this.sink.as_mut().poll_flush(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(|error| this.failed(error))),
            Poll::Pending => this.poll_limit(cx).map(Err),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_finish(cx).map_ok(drop)
    }
}

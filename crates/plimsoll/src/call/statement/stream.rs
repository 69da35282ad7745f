//! Rows and bytes as they come: streams that are stopped on the server when nobody reads them any more.
//!
//! The driver drains a dropped stream to its end, so whoever comes next on the connection waits for rows that nobody
//! wants. Here a stream that is dropped early is a statement that was given up, like any other.

use super::cache::{Query, typed};
use super::executor::Executor;
use super::request::{Answered, Sent, StopOnDrop};
use super::run::{Params, SendPlan};
use super::stale::is_stale;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::StopReason;
use crate::fault::Fault;
use crate::wire::copying::CopyFeed;
use crate::wire::link::{Link, Streaming};
use bytes::{Buf, Bytes};
use futures_util::{Sink, SinkExt, Stream};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_postgres::{CopyInSink, CopyOutStream, Row, Statement};

/// What all of them share: whose they are, when they must end, and what happens if they do not.
struct Bounded<'a> {
    executor: Executor<'a>,
    watch: StopOnDrop<'a>,
    end: Pin<Box<Sleep>>,
    reason: StopReason,
    /// It was stopped before its first item came.
    stopped: Option<StopReason>,
    /// Its end or its error was handed out.
    is_done: bool,
    /// What is sent beside it knows that it is not alone.
    _streaming: Streaming<'a>,
}

impl<'a> Bounded<'a> {
    /// Opens a stream and goes on watching it.
    ///
    /// The server keeps the first of its answer back until there is more, so a slow statement may be stopped here
    /// already, and its error then comes as the stream's first item.
    async fn open<T: Send>(
        executor: Executor<'a>,
        request: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<(T, Self)> {
        // Of an open stream it is asked where its requests begin, which was before whatever is sent beside it.
        let link: &'a Link = &executor.connection.link;
        let (streaming, behind) = (link.stream(), link.state.sent());
        let Answered { answer, stopped, sent } = executor.listen(Phase::Statement, request).await?;
        match answer {
            Ok(stream) => Ok((stream, Bounded::new(executor, stopped, sent, behind, streaming))),
            Err(error) => Err(executor.failed(Phase::Statement, error, stopped, sent)),
        }
    }

    fn new(
        executor: Executor<'a>,
        stopped: Option<StopReason>,
        sent: Sent,
        behind: u64,
        streaming: Streaming<'a>,
    ) -> Self {
        let watch = StopOnDrop::new(&executor, Phase::Statement, sent, behind);
        let (end, reason) = executor.stop_at(sent.began);
        Bounded {
            executor,
            watch,
            end: Box::pin(sleep_until(end.instant())),
            reason,
            stopped,
            is_done: false,
            _streaming: streaming,
        }
    }

    /// The error once the limit has come, with nothing to be had at once.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        ready!(self.end.as_mut().poll(cx));
        Poll::Ready(self.stop())
    }

    /// The error if the limit has come: a stream that always has something at hand never waits for its end.
    fn end(&mut self) -> Option<Error> {
        (self.end.deadline() <= Instant::now()).then(|| self.stop())
    }

    /// Stops it on the server now, whenever the stream itself will be dropped.
    fn stop(&mut self) -> Error {
        self.is_done = true;
        self.watch.stop(self.reason);
        let outcome = self.executor.lost(Phase::Statement, self.watch.sent);
        if outcome == Outcome::RolledBack {
            // It may yet finish well: its COMMIT is refused from here on.
            self.executor.connection.link.doom();
        }
        let took = self.watch.sent.began.elapsed().as_secs_f64();
        let sentence = format!(
            "a stream of {} was stopped after {took:.3} s because {}",
            self.executor.work, self.reason
        );
        self.executor.error(self.executor.fault_of_stop(self.reason), Phase::Statement, outcome, sentence)
    }

    fn failed(&mut self, error: tokio_postgres::Error) -> Error {
        self.is_done = true;
        self.watch.is_over = self.executor.connection.link.is_quiet();
        self.executor.failed(Phase::Statement, error, self.stopped, self.watch.sent)
    }
}

/// A COPY, which the driver runs by name alone.
async fn prepared(executor: &Executor<'_>, sql: &str) -> Result<Statement> {
    match executor.connection.prepared(sql) {
        Some(statement) => Ok(statement),
        None if executor.connection.is_pooled_by_transaction() => executor.prepare_copy(sql).await,
        None => executor.prepare(sql, &[]).await,
    }
}

/// How the rows of a statement are asked for: by its name on a session that is ours, else with its types.
async fn way(executor: &Executor<'_>, query: Query<'_>) -> Result<SendPlan> {
    match query {
        Query::Prepared(statement) => Ok(SendPlan::Prepared(statement.clone())),
        Query::Text(sql) => match executor.connection.prepared(sql) {
            Some(statement) => Ok(SendPlan::Prepared(statement)),
            None if executor.connection.is_pooled_by_transaction() => executor.way(sql).await,
            None => executor.prepare(sql, &[]).await.map(SendPlan::Prepared),
        },
    }
}

/// What was known of the statement may be out of date. Its transaction has failed; run again it is learned anew.
fn stale(executor: &Executor<'_>, sql: &str, error: Error) -> Error {
    if !is_stale(sql, &error) {
        return error;
    }
    executor.forget(sql);
    // PostgreSQL has no code of its own for a type that is gone.
    if error.fault() == Fault::Server { error.with_fault(Fault::StalePlan) } else { error }
}

/// Rows as they come.
pub struct RowStream<'a> {
    rows: Pin<Box<tokio_postgres::RowStream>>,
    bounded: Bounded<'a>,
}

impl<'a> RowStream<'a> {
    pub(crate) async fn open(executor: Executor<'a>, query: Query<'_>, params: Params<'_>) -> Result<Self> {
        let client = &executor.connection.client;
        let (rows, bounded) = match way(&executor, query).await? {
            SendPlan::Prepared(statement) => {
                Bounded::open(executor, client.query_raw(&statement, params.iter().copied())).await?
            }
            SendPlan::Typed(known) => {
                let params = typed(params, &known.params)?;
                let opened = Bounded::open(executor, client.query_typed_raw(&known.sql, params)).await;
                opened.map_err(|error| stale(&executor, &known.sql, error))?
            }
        };
        Ok(RowStream { rows: Box::pin(rows), bounded })
    }
}

impl Stream for RowStream<'_> {
    type Item = Result<Row>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Row>>> {
        let this = &mut *self;
        if this.bounded.is_done {
            return Poll::Ready(None);
        }
        if let Some(error) = this.bounded.end() {
            return Poll::Ready(Some(Err(error)));
        }
        match this.rows.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(row))) => Poll::Ready(Some(Ok(row))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.bounded.failed(error)))),
            Poll::Ready(None) => {
                this.bounded.is_done = true;
                this.bounded.watch.is_over = true;
                Poll::Ready(None)
            }
            Poll::Pending => this.bounded.poll_end(cx).map(|error| Some(Err(error))),
        }
    }
}

/// The bytes of a `COPY .. TO STDOUT` as they come.
pub struct CopyOut<'a> {
    bytes: Pin<Box<CopyOutStream>>,
    bounded: Bounded<'a>,
}

impl<'a> CopyOut<'a> {
    pub(crate) async fn open(executor: Executor<'a>, sql: &str) -> Result<Self> {
        let statement = prepared(&executor, sql).await?;
        let request = executor.connection.client.copy_out(&statement);
        let (bytes, bounded) = Bounded::open(executor, request).await?;
        Ok(CopyOut { bytes: Box::pin(bytes), bounded })
    }
}

impl Stream for CopyOut<'_> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let this = &mut *self;
        if this.bounded.is_done {
            return Poll::Ready(None);
        }
        if let Some(error) = this.bounded.end() {
            return Poll::Ready(Some(Err(error)));
        }
        match this.bytes.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.bounded.failed(error)))),
            Poll::Ready(None) => {
                this.bounded.is_done = true;
                this.bounded.watch.is_over = true;
                Poll::Ready(None)
            }
            Poll::Pending => this.bounded.poll_end(cx).map(|error| Some(Err(error))),
        }
    }
}

/// A `COPY .. FROM STDIN` under way. Nothing of it is stored unless [`CopyIn::finish`] says so.
pub struct CopyIn<'a, B: Buf + Send + 'static> {
    // In this order they are dropped: the driver then knows that there are no more rows before the copy is stopped.
    sink: Pin<Box<CopyInSink<B>>>,
    _fed: CopyFeed<'a>,
    bounded: Bounded<'a>,
    /// Its end was sent; before that nothing of it can have been stored.
    is_ending: bool,
}

impl<'a, B: Buf + Send + 'static> CopyIn<'a, B> {
    pub(crate) async fn open(executor: Executor<'a>, sql: &str) -> Result<Self> {
        let statement = prepared(&executor, sql).await?;
        let fed = executor.connection.link.feed();
        let request = executor.connection.client.copy_in(&statement);
        let opened = Bounded::open(executor, request).await;
        if opened.is_err() {
            // Refused at its start (a view, a read-only transaction) it is told to fail once more by the driver, which
            // then meets an answer that it does not expect: this connection is over, and better now than later.
            executor.connection.link.abort();
        }
        let (sink, bounded) = opened?;
        Ok(CopyIn { sink: Box::pin(sink), _fed: fed, bounded, is_ending: false })
    }

    fn failed(&mut self, error: tokio_postgres::Error) -> Error {
        let error = self.bounded.failed(error);
        self.known(error)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        self.bounded.poll_end(cx).map(|error| self.known(error))
    }

    fn known(&self, error: Error) -> Error {
        if self.is_ending { error } else { error.with_outcome(Outcome::RolledBack) }
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
        let this = &mut self;
        this.is_ending = true;
        std::future::poll_fn(|cx| match this.sink.as_mut().poll_finish(cx) {
            Poll::Ready(Ok(rows)) => {
                this.bounded.watch.is_over = true;
                Poll::Ready(Ok(rows))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(this.failed(error))),
            Poll::Pending => this.poll_end(cx).map(Err),
        })
        .await
    }
}

impl<B: Buf + Send + 'static> Sink<B> for CopyIn<'_, B> {
    type Error = crate::error::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        if let Some(error) = this.bounded.end() {
            return Poll::Ready(Err(this.known(error)));
        }
        match this.sink.as_mut().poll_ready(cx) {
            Poll::Ready(result) => Poll::Ready(result.map_err(|error| this.failed(error))),
            Poll::Pending => this.poll_end(cx).map(Err),
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
            Poll::Pending => this.poll_end(cx).map(Err),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        this.is_ending = true;
        match this.sink.as_mut().poll_finish(cx) {
            Poll::Ready(result) => {
                this.bounded.watch.is_over = result.is_ok();
                Poll::Ready(result.map(drop).map_err(|error| this.failed(error)))
            }
            Poll::Pending => this.poll_end(cx).map(Err),
        }
    }
}

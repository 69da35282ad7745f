//! What all streams share: the limit by which they must end, and what stops them on the server.

use super::end::Running;
use super::executor::{Answered, Executor, Sent};
use super::stop::StopOnDrop;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::StopReason;
use crate::wire::link::{Link, Streaming};
use futures_util::Stream;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// A stream of the server's answers that ends by its limit, and is stopped on the server when it is dropped.
pub(super) struct BoundedStream<'a, S> {
    items: Pin<Box<S>>,
    bounded: Bounded<'a>,
    count: u64,
}

impl<'a, S> BoundedStream<'a, S> {
    pub(super) fn new((items, bounded): (S, Bounded<'a>)) -> Self {
        BoundedStream { items: Box::pin(items), bounded, count: 0 }
    }

    pub(super) fn poll_next<T>(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T>>>
    where
        S: Stream<Item = Result<T, tokio_postgres::Error>>,
    {
        if self.bounded.is_done {
            return Poll::Ready(None);
        }
        if let Some(error) = self.bounded.limit_passed() {
            return Poll::Ready(Some(Err(error)));
        }
        match self.items.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(item))) => {
                self.count += 1;
                Poll::Ready(Some(Ok(item)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(self.bounded.failed(error)))),
            Poll::Ready(None) => Poll::Ready(self.bounded.finished(self.count).err().map(Err)),
            Poll::Pending => self.bounded.poll_limit(cx).map(|error| Some(Err(error))),
        }
    }
}

/// The limit of a stream, and what happens when it comes.
pub(super) struct Bounded<'a> {
    executor: Executor<'a>,
    stop_on_drop: StopOnDrop<'a>,
    running: Running<'a>,
    limit: Pin<Box<Sleep>>,
    reason: StopReason,
    /// Why it was stopped before its first item came, if it was.
    stopped: Option<StopReason>,
    /// Its end or its error was returned.
    is_done: bool,
    /// Shows to what is sent beside it that it is not alone.
    _streaming: Streaming<'a>,
}

impl<'a> Bounded<'a> {
    /// Opens a stream, and watches it from then on.
    ///
    /// The server keeps the first part of its answer back until there is more, so a slow statement may be stopped here
    /// already. Its error is then the stream's first item.
    pub(super) async fn open<T: Send>(
        executor: Executor<'a>,
        running: Running<'a>,
        request: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<(T, Self)> {
        // Where the stream's messages begin: before whatever is sent beside it later.
        let link: &'a Link = &executor.connection.link;
        let (streaming, behind) = (link.stream(), link.state.sent());
        let opened = match executor.listen(Phase::Statement, request).await {
            Ok(Answered { answer: Ok(items), stopped, sent }) => Ok((items, stopped, sent)),
            Ok(Answered { answer: Err(error), stopped, sent }) => {
                Err(executor.failed(Phase::Statement, error, stopped, sent))
            }
            Err(error) => Err(error),
        };
        match opened {
            Ok((items, stopped, sent)) => {
                Ok((items, Bounded::new(executor, running, stopped, sent, behind, streaming)))
            }
            Err(error) => {
                let refused = Err(error);
                running.end(&refused, |_| 0);
                refused
            }
        }
    }

    fn new(
        executor: Executor<'a>,
        running: Running<'a>,
        stopped: Option<StopReason>,
        sent: Sent,
        behind: u64,
        streaming: Streaming<'a>,
    ) -> Self {
        let stop_on_drop = StopOnDrop::new(&executor, Phase::Statement, sent, behind);
        let (limit, reason) = executor.stop_at(sent.began);
        Bounded {
            executor,
            stop_on_drop,
            running,
            limit: Box::pin(sleep_until(limit.instant())),
            reason,
            stopped,
            is_done: false,
            _streaming: streaming,
        }
    }

    /// Waits for the limit, while the stream has nothing to give.
    pub(super) fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        ready!(self.limit.as_mut().poll(cx));
        Poll::Ready(self.stop())
    }

    /// The error if the limit has passed. A stream that always has an item ready never waits for its limit.
    pub(super) fn limit_passed(&mut self) -> Option<Error> {
        (self.limit.deadline() <= Instant::now()).then(|| self.stop())
    }

    /// Stops the statement on the server now; its owner may keep the stream for longer.
    fn stop(&mut self) -> Error {
        self.stop_on_drop.stop(self.reason);
        let sent = self.stop_on_drop.sent;
        let outcome = self.executor.lost(Phase::Statement, sent);
        if outcome == Outcome::RolledBack {
            // The caller is told that it was rolled back, and it may still finish well: its COMMIT is refused from here
            // on.
            self.executor.connection.link.doom();
        }
        let took = sent.began.elapsed().as_secs_f64();
        let sentence = format!(
            "a stream of {} was stopped after {took:.3} s because {}",
            self.executor.work, self.reason
        );
        let fault = self.executor.fault_of_stop(self.reason);
        let error = self.executor.error(fault, Phase::Statement, outcome, sentence);
        self.ended(Err(&error));
        error
    }

    pub(super) fn failed(&mut self, error: tokio_postgres::Error) -> Error {
        if self.executor.connection.link.is_quiet() {
            self.stop_on_drop.disarm();
        }
        let error = self.executor.failed(Phase::Statement, error, self.stopped, self.stop_on_drop.sent);
        self.ended(Err(&error));
        error
    }

    /// The server has sent its last message.
    pub(super) fn finished(&mut self, rows: u64) -> Result<u64> {
        self.stop_on_drop.disarm();
        let sent = self.stop_on_drop.sent;
        let result = self.executor.unless_unreplicated(Phase::Statement, sent, rows);
        self.ended(result.as_ref().copied());
        result
    }

    fn ended(&mut self, rows: Result<u64, &Error>) {
        self.is_done = true;
        self.running.set_end(rows);
    }
}

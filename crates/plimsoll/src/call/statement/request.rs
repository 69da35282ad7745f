//! One request on its way: sent with its first poll, listened for until its limit, stopped when it is dropped.
//!
//! Written by hand instead of as a block, because every statement passes here: the state of a future within a future
//! lies on a line of the cache of its own, to be fetched each time that its task is woken. Whatever is rare is in a box.

use super::executor::Executor;
use crate::call::postgres::Connection;
use crate::error::{Error, Phase, Result};
use crate::event::{Event, StopReason};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::pool::fairness::poll_turn;
use crate::pool::foreign_runtime;
use crate::rules::outcome::Scope;
use crate::wire::link::{Link, Streaming};
use crate::wire::session_state::Mark;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::mem::replace;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// A request and its limits; `then` makes of its answer what is wanted.
pub(crate) struct Request<'g, 'a, F: Future, Then> {
    executor: &'g Executor<'a>,
    phase: Phase,
    then: Then,
    stage: Stage<'g, 'a, F>,
}

enum Stage<'g, 'a, F: Future> {
    /// Nothing was sent, nor will be.
    Refused(Error),
    /// Something before this one is stopped first.
    Settling(Pin<&'g mut F>, BoxFuture<'g, Result<Moment>>),
    Listening(Pin<&'g mut F>, Listening<'a>),
    /// Its limit came: it is cancelled, and still listened for.
    Stopping(BoxFuture<'g, Result<Answered<F::Output>>>),
    Over,
}

/// The alarm is put away before the watch is given up.
struct Listening<'a> {
    link: &'a Link,
    alarm: Alarm<'a>,
    watch: StopOnDrop<'a>,
    stop_at: Moment,
    reason: StopReason,
}

/// What says that the limit has come. The pool's clock watches that, since a timer of its own would cost a statement
/// more than anything else here; only what is pipelined on one lease gets one, and what runs on another runtime than the
/// pool's.
enum Alarm<'a> {
    Bell(Bell<'a>),
    /// Whoever comes next learns from the bell, or from its company, that it is not alone.
    Timer {
        sleep: Pin<Box<Sleep>>,
        _bell: Option<Bell<'a>>,
        _company: Option<Streaming<'a>>,
    },
}

/// Somebody listens on this link.
struct Bell<'a>(&'a Link);

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.0.stop_listening();
    }
}

impl Alarm<'_> {
    #[inline]
    fn poll(&mut self, stop_at: Moment, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Alarm::Bell(Bell(link)) => {
                link.wake_when_due(cx.waker());
                if Moment::now() >= stop_at { Poll::Ready(()) } else { Poll::Pending }
            }
            Alarm::Timer { sleep, .. } => sleep.as_mut().poll(cx),
        }
    }
}

impl<'a> Listening<'a> {
    fn since(began: Moment, executor: &Executor<'a>, phase: Phase) -> Self {
        let sent = Sent::now(executor, began);
        let (stop_at, reason) = executor.stop_at(began);
        let link = &*executor.connection.link;
        let bell = link.listen(stop_at.number()).then(|| Bell(link));
        let watch = StopOnDrop::new(executor, phase, sent, link.begin_behind(bell.is_some()));
        let alarm = match bell {
            Some(bell) if !foreign_runtime::is_foreign(&executor.connection.shared.runtime) => {
                executor.connection.shared.alarm.arm(stop_at);
                Alarm::Bell(bell)
            }
            bell => {
                let company = bell.is_none().then(|| link.stream());
                Alarm::Timer {
                    sleep: Box::pin(sleep_until(stop_at.instant())),
                    _bell: bell,
                    _company: company,
                }
            }
        };
        Listening { link, alarm, watch, stop_at, reason }
    }
}

impl<'g, 'a, F, Then, U> Request<'g, 'a, F, Then>
where
    F: Future<Output: Send> + Send,
    Then: Fn(Answered<F::Output>) -> Result<U>,
{
    /// Begins at `now`, if that was read just before; to be awaited at once. It is sent with the first poll.
    pub(crate) fn begin(
        executor: &'g Executor<'a>,
        phase: Phase,
        now: Option<Moment>,
        request: Pin<&'g mut F>,
        then: Then,
    ) -> Self {
        let stage = match executor.may_begin(now.unwrap_or_else(Moment::now), phase) {
            Ok(Some(began)) => Stage::Listening(request, Listening::since(began, executor, phase)),
            Ok(None) => Stage::Settling(request, Box::pin(executor.settle(phase))),
            Err(error) => Stage::Refused(error),
        };
        Request { executor, phase, then, stage }
    }

    /// Whatever is not listening: what comes of it, or nothing if now it listens, or does something else that is rare.
    #[cold]
    fn poll_rare(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<U>>> {
        self.stage = match replace(&mut self.stage, Stage::Over) {
            Stage::Refused(error) => {
                if poll_turn(cx).is_pending() {
                    self.stage = Stage::Refused(error);
                    return Poll::Pending;
                }
                return Poll::Ready(Some(Err(error)));
            }
            Stage::Settling(request, mut settling) => match settling.as_mut().poll(cx) {
                Poll::Ready(Ok(began)) => {
                    Stage::Listening(request, Listening::since(began, self.executor, self.phase))
                }
                Poll::Ready(Err(error)) => Stage::Refused(error),
                Poll::Pending => {
                    self.stage = Stage::Settling(request, settling);
                    return Poll::Pending;
                }
            },
            // The alarm went.
            Stage::Listening(request, Listening { alarm, watch, reason, .. }) => {
                drop(alarm);
                Stage::Stopping(Box::pin(self.executor.stop(self.phase, request, reason, watch)))
            }
            Stage::Stopping(mut stopping) => match stopping.as_mut().poll(cx) {
                Poll::Ready(stopped) => return Poll::Ready(Some(stopped.and_then(&self.then))),
                Poll::Pending => {
                    self.stage = Stage::Stopping(stopping);
                    return Poll::Pending;
                }
            },
            // Whoever polls it once more waits for what has been.
            Stage::Over => return Poll::Pending,
        };
        Poll::Ready(None)
    }
}

// Nothing in it is pinned by it: the request is pinned elsewhere, the rest is in boxes.
impl<F: Future, Then> Unpin for Request<'_, '_, F, Then> {}

impl<F, Then, U> Future for Request<'_, '_, F, Then>
where
    F: Future<Output: Send> + Send,
    Then: Fn(Answered<F::Output>) -> Result<U>,
{
    type Output = Result<U>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<U>> {
        let this = self.get_mut();
        loop {
            if let Stage::Listening(request, listening) = &mut this.stage {
                if let Poll::Ready(answer) = listening.link.poll_sending(request.as_mut(), cx) {
                    listening.watch.is_over = true;
                    this.executor.told();
                    let sent = listening.watch.sent;
                    return Poll::Ready((this.then)(Answered { answer, stopped: None, sent }));
                }
                ready!(listening.alarm.poll(listening.stop_at, cx));
            }
            if let Some(answer) = ready!(this.poll_rare(cx)) {
                return Poll::Ready(answer);
            }
        }
    }
}

/// An answer, and whether it came only after a stop.
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    pub(crate) stopped: Option<StopReason>,
    pub(crate) sent: Sent,
}

/// How things stood when a request was sent.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) began: Moment,
    pub(crate) scope: Scope,
    pub(crate) mark: Mark,
}

impl Sent {
    fn now(executor: &Executor<'_>, began: Moment) -> Self {
        Sent { began, scope: executor.scope(), mark: executor.connection.link.state.mark() }
    }
}

/// Stops on the server what its caller dropped.
pub(crate) struct StopOnDrop<'a> {
    connection: &'a Connection,
    work: &'a WorkName,
    pub(crate) sent: Sent,
    pub(crate) is_over: bool,
    pub(crate) is_told: bool,
    phase: Phase,
    /// Its requests are those behind this number, up to where somebody else's begin.
    pub(crate) behind: u64,
}

impl<'a> StopOnDrop<'a> {
    pub(crate) fn new(executor: &Executor<'a>, phase: Phase, sent: Sent, behind: u64) -> Self {
        let Executor { connection, work, .. } = *executor;
        StopOnDrop { connection, work, sent, is_over: false, is_told: false, phase, behind }
    }

    /// Stops it now, whenever this is dropped.
    pub(crate) fn stop(&mut self, reason: StopReason) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        let pid = self.connection.pid();
        self.connection.shared.events.tell(Event::Stopped { work: self.work.to_string(), pid, reason });
        give_up(self.connection, self.work, self.phase, true, Some(self.behind));
    }
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        give_up(self.connection, self.work, self.phase, self.is_told, Some(self.behind));
    }
}

/// Nobody waits any more for what was sent on this connection, behind a number where others share the lease. A COMMIT is
/// let finish; anything else is stopped.
pub(crate) fn give_up(
    connection: &Connection,
    work: &WorkName,
    phase: Phase,
    is_told: bool,
    behind: Option<u64>,
) {
    let link = &connection.link;
    if phase == Phase::Commit {
        link.orphan_commit(work.to_string());
        return;
    }
    if link.is_quiet() || link.is_closed() {
        return;
    }
    match behind {
        Some(behind) => link.abandon_behind(behind),
        None => link.abandon(),
    }
    if !is_told {
        let reason = StopReason::Dropped;
        connection.shared.events.tell(Event::Stopped {
            work: work.to_string(),
            pid: connection.pid(),
            reason,
        });
    }
    let limit = connection.shared.plan.reclaim_timeout();
    let link = Arc::clone(link);
    connection.shared.runtime.spawn(async move { link.stop_aside(Instant::now() + limit).await });
}

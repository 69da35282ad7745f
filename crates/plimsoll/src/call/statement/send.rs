//! Sends one request, listens for its answer until its limit, and has it stopped when the limit comes or the caller drops
//! it.

use super::executor::{Answered, Executor, Sent};
use super::stop::StopOnDrop;
use crate::error::{Phase, Result};
use crate::moment::Moment;
use crate::pool::fairness::refused;
use crate::pool::foreign_runtime;
use crate::wire::link::{Link, Streaming};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::time::{Sleep, sleep_until};

impl Executor<'_> {
    /// Runs one request under its limits. A statement's request has a kilobyte, so its caller pins it and gives the pin.
    ///
    /// # Cancel safety
    /// Dropped before its first poll, nothing was sent. Dropped later, the statement is stopped on the server.
    pub(crate) async fn run<T: Send>(
        &self,
        phase: Phase,
        request: impl Future<Output = Result<T, tokio_postgres::Error>> + Send,
    ) -> Result<T> {
        let Answered { answer, stopped, sent } = self.listen(phase, request).await?;
        let out = answer.map_err(|error| self.failed(phase, error, stopped, sent))?;
        self.unless_unreplicated(phase, sent, out)
    }

    /// As [`Executor::run`], for a request whose answer has several parts.
    pub(crate) async fn listen<T: Send>(
        &self,
        phase: Phase,
        request: impl Future<Output = T> + Send,
    ) -> Result<Answered<T>> {
        let mut request = pin!(request);
        let now = Moment::now();
        let may_begin = match self.may_begin(now, phase) {
            Ok(true) => Ok(now),
            Ok(false) => Box::pin(self.settle(phase)).await,
            Err(error) => Err(error),
        };
        let began = match may_begin {
            Ok(began) => began,
            Err(error) => return refused(error).await,
        };
        let link = &*self.connection.link;
        let sent = Sent { began, scope: self.scope(), mark: link.state.mark() };
        let (stop_at, reason) = self.stop_at(began);
        let bell = Bell::on(link, stop_at);
        // Declared before the signal, so dropped after it: a cancel begins only when this request no longer listens.
        let mut stop_on_drop = StopOnDrop::new(self, phase, sent, link.begin_behind(bell.is_some()));
        let mut limit_signal = LimitSignal::new(self, stop_at, bell);
        let answer = poll_fn(|cx| match link.poll_sending(request.as_mut(), cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => limit_signal.poll(stop_at, cx).map(|()| None),
        })
        .await;
        match answer {
            Some(answer) => {
                stop_on_drop.disarm();
                self.told();
                Ok(Answered { answer, stopped: None, sent })
            }
            None => {
                drop(limit_signal);
                Box::pin(self.stop(request, reason, stop_on_drop)).await
            }
        }
    }
}

/// Tells a request that its limit has come. The pool's clock watches the limit, since a timer would cost a statement more
/// than everything else here. Two kinds of requests get a timer: those that are pipelined on one lease, and those of a
/// caller on another runtime than the pool's.
enum LimitSignal<'a> {
    Bell(Bell<'a>),
    Timer {
        sleep: Pin<Box<Sleep>>,
        /// One of the two is there. It shows the next caller on the lease that it is not alone.
        _bell: Option<Bell<'a>>,
        _company: Option<Streaming<'a>>,
    },
}

impl<'a> LimitSignal<'a> {
    fn new(executor: &Executor<'a>, stop_at: Moment, bell: Option<Bell<'a>>) -> Self {
        let server = &executor.connection.server;
        match bell {
            Some(bell) if !foreign_runtime::is_foreign(&server.runtime) => {
                server.alarm.arm(stop_at);
                LimitSignal::Bell(bell)
            }
            bell => {
                let company = bell.is_none().then(|| executor.connection.link.stream());
                let sleep = Box::pin(sleep_until(stop_at.instant()));
                LimitSignal::Timer { sleep, _bell: bell, _company: company }
            }
        }
    }

    #[inline]
    fn poll(&mut self, stop_at: Moment, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            LimitSignal::Bell(Bell(link)) => {
                link.wake_when_due(cx.waker());
                if Moment::now() >= stop_at { Poll::Ready(()) } else { Poll::Pending }
            }
            LimitSignal::Timer { sleep, .. } => sleep.as_mut().poll(cx),
        }
    }
}

/// The place on a link at which the pool's clock wakes a request. There is one; a second request at the same time gets
/// none.
struct Bell<'a>(&'a Link);

impl<'a> Bell<'a> {
    fn on(link: &'a Link, stop_at: Moment) -> Option<Self> {
        link.listen(stop_at.number()).then(|| Bell(link))
    }
}

impl Drop for Bell<'_> {
    fn drop(&mut self) {
        self.0.stop_listening();
    }
}

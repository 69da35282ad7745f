//! What stops a server, and what is left to do once its requests have ended.

use crate::ready_switch::ReadySwitch;
use crate::serve::budget::StopBudget;
use crate::serve::options::{ServeError, ServeOptions};
use futures_util::future::join_all;
use plimsoll::Database;
use plimsoll::pool::Shutdown;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// What stops a server.
#[derive(Clone, Debug, Default)]
pub enum StopBy {
    /// SIGINT and SIGTERM. The first begins the stop, the second leaves at once. From the start of the server these signals
    /// do not end the program by themselves any more, also not once the server has stopped.
    #[default]
    Signals,
    /// The program itself.
    Handle(StopHandle),
}

/// Stops a server from within the program. Clones stop the same server.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<watch::Sender<u32>>);

impl Default for StopHandle {
    fn default() -> Self {
        StopHandle(Arc::new(watch::Sender::new(0)))
    }
}

impl StopHandle {
    /// A handle that has stopped nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the stop; called again, leaves at once.
    pub fn stop(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }
}

/// What a program does when the last request has ended and before its databases are shut down, such as writing what it
/// has taken. It is told how long it may take; after that it is dropped.
pub struct LastWork(Box<dyn FnOnce(Duration) -> Work + Send>);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl LastWork {
    /// This work.
    pub fn new<F>(work: impl FnOnce(Duration) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        LastWork(Box::new(|left| Box::pin(work(left))))
    }
}

impl fmt::Debug for LastWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastWork")
    }
}

/// How a server came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Connections whose requests were still under way when the grace was over, and which were cut.
    pub cut: usize,
    /// What was under way when the second signal came was left as it was: neither was waited for, nor were the databases
    /// shut down in order.
    pub left_at_once: bool,
    /// The last work was not done in its time and was dropped.
    pub last_work_dropped: bool,
    /// What became of each of [`ServeOptions::databases`](crate::ServeOptions::databases), in their order; empty if they
    /// were not done by the hard stop.
    pub databases: Vec<Shutdown>,
    /// How long the stop took, from the first signal.
    pub took: Duration,
}

/// When the server was told to stop, and when that is done.
pub(super) struct Told {
    signals: Signals,
    ready: ReadySwitch,
    announce: Duration,
    first: Option<Instant>,
    is_announced: bool,
}

/// The signals, or their like, one after the other.
enum Signals {
    OfSystem(Signal, Signal),
    /// The handle keeps its channel open.
    Handle {
        _handle: StopHandle,
        seen: u32,
        times: watch::Receiver<u32>,
    },
}

impl Told {
    pub(super) fn new(options: &ServeOptions) -> Result<Self, ServeError> {
        let (signals, ready) = (Signals::new(&options.stop)?, options.ready.clone());
        Ok(Told { signals, ready, announce: options.announce, first: None, is_announced: false })
    }

    /// When the first signal came.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// Waits until the server has to do something: stop, once the first signal has been announced long enough or a second
    /// one came, and then leave at once. Dropped, it misses none.
    pub(super) async fn next(&mut self) {
        if self.is_announced {
            return self.signals.next().await;
        }
        let first = match self.first {
            Some(first) => first,
            None => {
                self.signals.next().await;
                self.ready.stopping();
                *self.first.insert(Instant::now())
            }
        };
        // The second signal is not to be missed where there is nothing to wait for.
        if !self.announce.is_zero() {
            let _ = timeout_at(first + self.announce, self.signals.next()).await;
        }
        self.is_announced = true;
    }
}

impl Signals {
    fn new(by: &StopBy) -> Result<Self, ServeError> {
        match by {
            StopBy::Signals => {
                let interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
                let terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
                Ok(Signals::OfSystem(interrupt, terminate))
            }
            StopBy::Handle(handle) => {
                Ok(Signals::Handle { _handle: handle.clone(), seen: 0, times: handle.0.subscribe() })
            }
        }
    }

    /// Waits for the next. Dropped, it misses none.
    async fn next(&mut self) {
        match self {
            Signals::OfSystem(interrupt, terminate) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            Signals::Handle { seen, times, .. } => {
                let due = *seen;
                let _ = times.wait_for(|times| *times > due).await;
                *seen = due.saturating_add(1);
            }
        }
    }
}

/// Does the last work and shuts the databases down, within what is left of the budget.
pub(super) async fn end(
    work: Option<LastWork>,
    databases: &[Database],
    budget: StopBudget,
    began: Instant,
    report: &mut Stopped,
) {
    if let Some(LastWork(work)) = work {
        let limit = budget.for_last_work(began.elapsed());
        if timeout(limit, work(limit)).await.is_err() {
            report.last_work_dropped = true;
            tracing::warn!(
                target: "plimsoll_http",
                "the program's last work was not done within {} ms and is given up; raise hard_stop or lower grace",
                limit.as_millis()
            );
        }
    }
    let left = budget.for_all(began.elapsed());
    let all = join_all(databases.iter().map(|db| db.shutdown_within(left)));
    match timeout(left, all).await {
        Ok(databases) => report.databases = databases,
        Err(_) => tracing::warn!(
            target: "plimsoll_http",
            "the databases were not shut down {} ms after the stop began, which is the hard stop",
            budget.hard.as_millis()
        ),
    }
}

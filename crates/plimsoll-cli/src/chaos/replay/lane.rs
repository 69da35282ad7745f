//! Calls at fixed times, whether or not earlier ones were answered, and what came of each.

use parking_lot::Mutex;
use serde::Serialize;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// A call that has no answer by then is given up, as the program's own caller would have long before.
pub(super) const GIVEN_UP: Duration = Duration::from_secs(10);

/// One call.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Call {
    pub(super) what: &'static str,
    /// When it was due, since the load began.
    pub(super) at: Duration,
    pub(super) took: Duration,
    /// Why it was not served.
    pub(super) error: Option<String>,
}

impl Call {
    pub(super) fn is_served(&self) -> bool {
        self.error.is_none()
    }

    pub(super) fn why(&self) -> &str {
        self.error.as_deref().unwrap_or_default()
    }
}

/// The calls of one client.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    epoch: Instant,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Lane {
    pub(super) fn from(epoch: Instant) -> Self {
        Lane { epoch, calls: Arc::default() }
    }

    /// In the order in which they were due.
    pub(super) fn calls(&self) -> Vec<Call> {
        let mut calls = self.calls.lock().clone();
        calls.sort_by_key(|call| call.at);
        calls
    }

    /// A call that ended at this moment.
    pub(super) fn note(&self, what: &'static str, due: Instant, ended: Result<(), String>) {
        let (at, took) = (due.duration_since(self.epoch), due.elapsed());
        self.calls.lock().push(Call { what, at, took, error: ended.err() });
    }
}

/// Load that goes on until it is stopped.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) epoch: Instant,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Load {
    pub(super) fn begin() -> Self {
        Load { epoch: Instant::now(), stop: watch::Sender::new(false), tasks: JoinSet::new() }
    }

    /// Makes a call so often.
    pub(super) fn add<F>(
        &mut self,
        lane: &Lane,
        what: &'static str,
        every: Duration,
        call: impl Fn(i64) -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let (lane, mut stopped) = (lane.clone(), self.stop.subscribe());
        let mut due = self.epoch;
        self.tasks.spawn(async move {
            let mut under_way = JoinSet::new();
            for number in 1.. {
                tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stopped| *stopped) => break,
                    () = sleep_until(due) => {}
                }
                let (lane, call, asked) = (lane.clone(), call(number), due);
                under_way.spawn(async move {
                    let ended = timeout(GIVEN_UP, call).await;
                    lane.note(what, asked, ended.unwrap_or_else(|_| Err("no answer".to_owned())));
                });
                due += every;
                while under_way.try_join_next().is_some() {}
            }
            while under_way.join_next().await.is_some() {}
        });
    }

    /// A task of its own kind beside the calls, until it is told to stop.
    pub(super) fn beside<F>(&mut self, task: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task(self.stop.subscribe()));
    }

    /// Since it began.
    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Makes no more calls, and waits for those under way.
    ///
    /// # Cancel safety
    /// Dropped, none is waited for.
    pub(super) async fn end(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

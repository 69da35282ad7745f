//! What can be done to the database: each for a few seconds, one at a time, and each ends by itself.

use super::Play;
use plimsoll_faults::{Direction, Fault, Process, ProcessError};
use plimsoll_http::MarkKind;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// One way of a wire that is slow: a round trip takes twice as long.
const LATENCY: Duration = Duration::from_millis(150);
/// A server that does not come up is started once more after this long.
const PAUSE: Duration = Duration::from_secs(1);
const STARTS: u32 = 5;

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Breakage {
    /// Every process of the server stands still; its sockets stay open.
    Freeze,
    /// Each message takes a while longer.
    Slow,
    /// Every process of the server is killed at once, and it is started again later.
    Kill,
    /// The wires are cut, and new ones too.
    Cut,
}

/// One that goes on.
pub(super) struct UnderWay {
    pub(super) breakage: Breakage,
    pub(super) ends: Instant,
    end_now: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotBroken {
    /// One goes on already.
    Another(Breakage),
    /// The service stops.
    Stopping,
    /// The system did not let it.
    Failed(String),
}

impl Breakage {
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "freeze" => Some(Breakage::Freeze),
            "slow" => Some(Breakage::Slow),
            "kill" => Some(Breakage::Kill),
            "cut" => Some(Breakage::Cut),
            _ => None,
        }
    }

    /// As a word for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Breakage::Freeze => "freeze",
            Breakage::Slow => "slow",
            Breakage::Kill => "kill",
            Breakage::Cut => "cut",
        }
    }

    /// How long it lasts, unless it is ended before.
    pub(super) fn span(self) -> Duration {
        Duration::from_secs(match self {
            Breakage::Freeze => 8,
            Breakage::Slow => 12,
            Breakage::Kill => 4,
            Breakage::Cut => 6,
        })
    }

    /// What was done, and what is over.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Breakage::Freeze => ("the database was frozen by hand", "the database goes on"),
            Breakage::Slow => ("the wire was slowed by hand", "the wire is fast again"),
            Breakage::Kill => ("the database was killed by hand", "the database was started again"),
            Breakage::Cut => ("the wires were cut by hand", "the wires are whole again"),
        }
    }
}

impl Play {
    /// Breaks the database, and comes back as soon as it is broken. It ends by itself.
    ///
    /// # Errors
    /// Nothing is broken then.
    ///
    /// # Cancel safety
    /// Dropped, it is broken all the same, and ends by itself.
    pub(super) async fn break_it(self: &Arc<Self>, breakage: Breakage) -> Result<(), NotBroken> {
        let begun = {
            let mut under_way = self.under_way.lock();
            if self.is_stopping.load(Ordering::Relaxed) {
                return Err(NotBroken::Stopping);
            }
            if let Some(other) = under_way.as_ref() {
                return Err(NotBroken::Another(other.breakage));
            }
            let (end_now, ended) = watch::channel(false);
            let (tell, begun) = oneshot::channel();
            let task = tokio::spawn(carry_out(Arc::clone(self), breakage, ended, tell));
            let ends = Instant::now() + breakage.span();
            *under_way = Some(UnderWay { breakage, ends, end_now, task: Some(task) });
            begun
        };
        match begun.await {
            Ok(begun) => begun.map_err(|error| NotBroken::Failed(error.to_string())),
            Err(_) => Err(NotBroken::Failed("the task that does it has ended".to_owned())),
        }
    }

    /// Ends what goes on; whether anything did.
    pub(super) fn end(&self) -> bool {
        let under_way = self.under_way.lock();
        under_way.as_ref().is_some_and(|under_way| !under_way.end_now.send_replace(true))
    }

    /// Whether the table cannot be asked at present.
    pub(super) fn is_server_away(&self) -> bool {
        let under_way = self.under_way.lock();
        under_way.as_ref().is_some_and(|of| matches!(of.breakage, Breakage::Freeze | Breakage::Kill))
    }

    /// Ends what goes on and begins nothing more, so that the server can be stopped. One that was killed is not started again.
    ///
    /// # Cancel safety
    /// Dropped, what goes on still ends, by itself.
    pub(crate) async fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.end();
        let task = self.under_way.lock().as_mut().and_then(|under_way| under_way.task.take());
        if let Some(task) = task {
            let _ = task.await;
        }
    }

    /// Starts the server, which may still be recovering from a kill.
    async fn start_again(&self) {
        for number in 1..=STARTS {
            if self.is_stopping.load(Ordering::Relaxed) {
                return;
            }
            match self.cluster.start_again().await {
                Ok(()) => return,
                Err(error) => tracing::warn!("start {number} of the service's own PostgreSQL: {error}"),
            }
            sleep(PAUSE).await;
        }
        tracing::error!("the service's own PostgreSQL could not be started again: start the service anew");
    }
}

/// What has to be undone at the end.
enum Broken {
    Frozen(Process),
    Wire,
    Killed,
}

async fn carry_out(
    play: Arc<Play>,
    breakage: Breakage,
    mut end_now: watch::Receiver<bool>,
    tell: oneshot::Sender<Result<(), ProcessError>>,
) {
    let (begun, over) = breakage.told();
    match do_it(&play, breakage).await {
        Ok(broken) => {
            play.marks.add(MarkKind::Fault, begun);
            // Nobody may be there any more to hear it; it goes on and ends all the same.
            let _ = tell.send(Ok(()));
            // Either its time is over or it was ended; a sender that is gone ends it too.
            let _ = timeout(breakage.span(), end_now.wait_for(|is_over| *is_over)).await;
            undo(&play, broken).await;
            play.marks.add(MarkKind::Healed, over);
            *play.under_way.lock() = None;
        }
        Err(error) => {
            *play.under_way.lock() = None;
            let _ = tell.send(Err(error));
        }
    }
}

async fn do_it(play: &Play, breakage: Breakage) -> Result<Broken, ProcessError> {
    // The id 0 is refused as one that nothing may be done to.
    let server = || Process::attach_tree(play.cluster.pid().unwrap_or_default());
    Ok(match breakage {
        Breakage::Freeze => {
            let server = server()?;
            server.freeze().await?;
            Broken::Frozen(server)
        }
        Breakage::Kill => {
            server()?.kill().await?;
            Broken::Killed
        }
        Breakage::Slow => {
            play.proxy.set(Fault::delay(Direction::Both, LATENCY));
            Broken::Wire
        }
        Breakage::Cut => {
            play.proxy.set(Fault::Refuse);
            play.proxy.cut_all();
            Broken::Wire
        }
    })
}

async fn undo(play: &Play, broken: Broken) {
    match broken {
        Broken::Frozen(server) => {
            if let Err(error) = server.thaw() {
                tracing::error!("the service's own PostgreSQL could not be thawed: {error}");
            }
        }
        Broken::Wire => play.proxy.heal(),
        Broken::Killed => play.start_again().await,
    }
}

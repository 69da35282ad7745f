//! The task of a listener: keeps one connection on which `LISTEN` holds for every channel.
//!
//! A listener is silent for hours, and a silent connection is forgotten by firewalls without a word to either end. So
//! when nothing was heard for `listen_keepalive`, the server is asked for an answer to nothing, and the connection counts
//! as lost when the answer does not come within the same time again. After a loss there is a pause with jitter, because
//! every listener of every program has lost its connection in the same moment; then each server is tried in turn.
//!
//! No other work uses the connection: it takes no slot of the pool, and it never waits in a transaction, which would keep
//! the server from delivering anything.

use super::shared::{End, Outstanding, Shared};
use crate::driver_fault::fault_of;
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Event;
use crate::events::Events;
use crate::fault::Fault;
use crate::rules::backoff::before_connect;
use crate::said::{said, text_of};
use crate::wire::connect::{Connector, Pooler, timed_out};
use crate::wire::handshake::Opened;
use crate::wire::link::Link;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A timer that is later than this means that this program stood still.
const STALL: Duration = Duration::from_millis(100);
/// How long the orderly end of a connection may take.
const GOODBYE: Duration = Duration::from_millis(500);

pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    /// One for each server, the next to be tried first.
    pub(super) connectors: Vec<Connector>,
    pub(super) events: Events,
    pub(super) keepalive: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) has_listen_url: bool,
    /// Told how the first round of connects ended.
    pub(super) started: Option<oneshot::Sender<Result<()>>>,
    /// Since when `LISTEN` does not hold.
    pub(super) silent_since: Instant,
    pub(super) link: Option<Arc<Link>>,
}

/// Ends the listener also if the task is dropped with its runtime, or panics.
struct EndsListener(Arc<Shared>);

impl Drop for EndsListener {
    fn drop(&mut self) {
        let sentence = "the listener has ended with the runtime on which its Database was opened".to_owned();
        self.0.end(End::Failed { fault: Fault::PoolClosed, sentence });
    }
}

impl Task {
    /// Runs until the listener is dropped, the pool is closed, or what it lacks cannot be healed by waiting.
    pub(super) async fn run(mut self, mut closing: watch::Receiver<bool>) {
        let shared = Arc::clone(&self.shared);
        let _ends = EndsListener(Arc::clone(&shared));
        let closed = async {
            if closing.wait_for(|is_closing| *is_closing).await.is_err() {
                // The last handle was dropped; a listener is a thing of its own.
                pending::<()>().await;
            }
        };
        let end = tokio::select! {
            biased;
            () = closed => End::Closed,
            () = shared.left.notified() => End::Closed,
            error = self.keep_listening() => {
                End::Failed { fault: error.fault(), sentence: error.sentence().to_owned() }
            }
        };
        shared.end(end);
        // The client was dropped with the future above, so the driver takes its leave of the server.
        if let Some(link) = self.link.take()
            && timeout(GOODBYE, link.until_closed()).await.is_err()
        {
            link.abort();
        }
        // Until here, closing the pool waits for this task.
        drop(closing);
    }

    /// Gives the error that ends the listener.
    async fn keep_listening(&mut self) -> Error {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect().await {
                Ok(opened) => {
                    self.start(Ok(()));
                    let began = Instant::now();
                    let (fault, reason) = self.serve(&opened).await;
                    self.give_up(&opened, fault, reason);
                    if began.elapsed() > LONGEST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) => {
                    let is_hopeless = error.fault() == Fault::Usage
                        || (self.started.is_some() && !error.fault().heals_by_waiting());
                    if is_hopeless {
                        let copy =
                            Error::new(error.fault(), error.phase(), error.outcome(), error.sentence());
                        self.start(Err(error));
                        return copy;
                    }
                    self.start(Ok(()));
                }
            }
            sleep(before_connect(pause, fastrand::f64())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tells the caller of `listen` how it began.
    fn start(&mut self, how: Result<()>) {
        if let Some(started) = self.started.take() {
            let _ = started.send(how);
        }
    }

    /// Tries each server once. The error is the first that waiting cannot heal, else that of the first server.
    async fn connect(&mut self) -> Result<Opened> {
        let mut telling: Option<Error> = None;
        for _ in 0..self.connectors.len() {
            match self.connect_to_first().await {
                Ok(opened) => return Ok(opened),
                Err(error) => {
                    let (fault, reason) = (error.fault(), error.sentence().to_owned());
                    self.events.tell(Event::ListenerConnectFailed { fault, reason });
                    self.connectors.rotate_left(1);
                    if telling.as_ref().is_none_or(|known| {
                        known.fault().heals_by_waiting() && !error.fault().heals_by_waiting()
                    }) {
                        telling = Some(error);
                    }
                }
            }
        }
        Err(telling.unwrap_or_else(|| {
            Error::new(Fault::Settings, Phase::Connect, Outcome::NotStarted, "no host was given")
        }))
    }

    async fn connect_to_first(&mut self) -> Result<Opened> {
        let servers = u32::try_from(self.connectors.len()).unwrap_or(u32::MAX).max(1);
        let limit = self.connect_timeout / servers;
        let until = Instant::now() + limit;
        let attempt = timeout_at(until, self.open(until)).await;
        let error = match attempt {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) => error,
            Err(_) => timed_out(limit),
        };
        if let Some(link) = self.link.take() {
            link.abort();
            self.shared.lost(link.state.heard_at().instant().into_std());
        }
        Err(error)
    }

    /// Opens a connection on which `LISTEN` holds.
    async fn open(&mut self, until: Instant) -> Result<Opened> {
        let Some(connector) = self.connectors.first() else { return pending().await };
        let opened = connector.connect(until).await?;
        self.link = Some(Arc::clone(&opened.link));
        if opened.session.pooler == Pooler::Transaction {
            return Err(super::behind_pooler(self.has_listen_url));
        }
        let pid = opened.link.state.pid();
        let epoch = self.shared.begin(pid);
        let shared = Arc::clone(&self.shared);
        opened.link.hear(Box::new(move |notification| shared.hear(epoch, &notification)));
        self.synchronise(&opened).await?;
        let channels = self.shared.channels().len();
        let after = self.silent_since.elapsed();
        self.events.tell(Event::ListenerEstablished { pid, channels, after });
        Ok(opened)
    }

    /// Begins and ends listening until the connection listens to exactly the channels that are wanted.
    async fn synchronise(&self, opened: &Opened) -> Result<()> {
        while let Some(what) = self.shared.outstanding() {
            let sql = super::channel::sql(&what.listen, &what.unlisten);
            match opened.link.sending(opened.client.simple_query(&sql)).await {
                Ok(_) => self.shared.done(what),
                Err(error) => self.refused(&opened.link, &what, error)?,
            }
        }
        Ok(())
    }

    /// An error that is about the name of a channel that was added concerns only the caller that added it.
    fn refused(&self, link: &Link, what: &Outstanding, error: tokio_postgres::Error) -> Result<()> {
        let fault = fault_of(&error);
        let sentence = format!("LISTEN failed: {}", text_of(&error, said));
        let is_about_name = matches!(fault, Fault::Data | Fault::BadStatement);
        if what.is_request && is_about_name && !link.is_closed() {
            self.shared.refuse(what, fault, &sentence);
            return Ok(());
        }
        Err(Error::new(fault, Phase::Connect, Outcome::NotStarted, sentence).caused_by(error))
    }

    /// Keeps the connection until it is lost; says why it was.
    async fn serve(&self, opened: &Opened) -> (Fault, String) {
        let link = &opened.link;
        loop {
            let due = link.state.heard_at().instant() + self.keepalive;
            let lost = tokio::select! {
                () = link.until_closed() => Some(ended(link)),
                () = self.shared.changed.notified() => self.within_keepalive(link, self.synchronise(opened)).await,
                () = sleep_until(due) => {
                    let question = link.sending(opened.client.simple_query(""));
                    self.within_keepalive(link, async { question.await.map(drop).map_err(Error::from) }).await
                }
            };
            if let Some(why) = lost {
                return why;
            }
        }
    }

    /// Waits for an answer of the server; says why the connection is lost if none comes.
    async fn within_keepalive(
        &self,
        link: &Link,
        work: impl Future<Output = Result<()>>,
    ) -> Option<(Fault, String)> {
        let mut work = pin!(work);
        loop {
            let asked = Instant::now();
            return match timeout(self.keepalive, &mut work).await {
                Ok(Ok(())) => None,
                Ok(Err(_)) if link.is_closed() => Some(ended(link)),
                Ok(Err(error)) => Some((error.fault(), error.sentence().to_owned())),
                // This program stood still, and the answer may lie in its socket: that time proves nothing.
                Err(_) if asked.elapsed() > self.keepalive + STALL => continue,
                Err(_) => Some((
                    Fault::ConnectionLost,
                    format!("the server did not answer within {:.1} s", self.keepalive.as_secs_f64()),
                )),
            };
        }
    }

    fn give_up(&mut self, opened: &Opened, fault: Fault, reason: String) {
        let heard_at = opened.link.state.heard_at().instant();
        // An answer that is owed may never come, and the driver would wait for it.
        opened.link.abort();
        self.link = None;
        self.shared.lost(heard_at.into_std());
        self.silent_since = heard_at;
        self.events.tell(Event::ListenerLost { fault, reason });
    }
}

fn ended(link: &Link) -> (Fault, String) {
    match link.ended() {
        Some(end) => (end.reason(), end.text),
        None => (Fault::ConnectionLost, "it ended".to_owned()),
    }
}

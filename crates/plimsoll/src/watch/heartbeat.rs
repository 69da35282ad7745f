//! One reserved connection, on which the server is asked for a sign of life.
//!
//! Whoever waits for a slow statement hears nothing, and whoever waits for a frozen server hears nothing either. The
//! difference is beside them: a server that works answers an empty question in no time. So when nothing was heard from
//! the server for a moment, on any connection, it is asked on one that nobody else uses; one question is out at a time.
//! What was heard, what is owed and since when the question is out go to the [breaker](crate::call::breaker), which decides.
//! While that connection is itself being opened, opening it is the question.
//!
//! While the breaker is open the question that is out goes on waiting, since a server that was frozen answers it the
//! moment it is thawed; and a fresh connect is tried beside it, after 250 ms, then less often, up to once a second, with
//! jitter: for a server that was restarted, or a wire that swallowed the question.
//!
//! Behind a transaction pooler an unanswered question proves nothing, because it may wait for the pooler's turn; there
//! silence does not open the breaker, only connects that fail do.

use super::session_watch::SessionWatch;
use crate::call::postgres::{Postgres, Shared};
use crate::error::Result;
use crate::event::Event;
use crate::pool::{Inner, connects};
use crate::rules::slots::SlotState;
use crate::wire::connect::{Connector, Pooler};
use crate::wire::handshake::Opened;
use futures_util::future::BoxFuture;
use std::future::{Future, pending};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::SimpleQueryMessage;

/// How often the connections are looked at, also where nothing goes on: a call that comes just then is to be told within a
/// second as well.
const TICK: Duration = Duration::from_millis(50);
/// Later than this, and it is this program that stood still.
const STALL: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A fresh connect to a server that gives no answer is given up after this, and another one begun.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// A question that is out, and since when.
struct Pending<T> {
    since: Instant,
    answer: BoxFuture<'static, T>,
}

impl<T> Pending<T> {
    fn new(answer: impl Future<Output = T> + Send + 'static) -> Self {
        Pending { since: Instant::now(), answer: Box::pin(answer) }
    }
}

/// The answer of whatever is out; never, if nothing is.
async fn answer_of<T>(out: &mut Option<Pending<T>>) -> T {
    match out {
        Some(out) => (&mut out.answer).await,
        None => pending().await,
    }
}

/// Runs until the pool is gone or closed.
pub(crate) async fn run(pool: Weak<Inner<Postgres>>, shared: Arc<Shared>, connector: Connector) {
    let mut heart = Heartbeat {
        every: shared.plan.heartbeat(),
        shared,
        connector: Arc::new(connector),
        question: None,
        connect: None,
        connect_at: Instant::now(),
        pause: FIRST_PAUSE,
        session: SessionWatch::new(Instant::now()),
    };
    loop {
        let began = Instant::now();
        tokio::select! {
            answer = answer_of(&mut heart.question) => heart.answered(answer),
            ready = answer_of(&mut heart.connect) => heart.connected(ready),
            () = sleep_until(began + TICK) => {}
        }
        heart.notice_stall(began + TICK);
        let Some(inner) = pool.upgrade() else { break };
        let Some(sight) = heart.look(&inner) else { break };
        if !sight.was_ever_connected
            && let Some(reason) = heart.shared.breaker.refuses()
        {
            connects::give_up_first(&inner, &reason);
        }
        drop(inner);
        heart.beat(&sight);
    }
    heart.shared.reserved.lock().take();
}

struct Heartbeat {
    every: Option<Duration>,
    shared: Arc<Shared>,
    connector: Arc<Connector>,
    question: Option<Pending<Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>>>,
    connect: Option<Pending<Result<Opened>>>,
    connect_at: Instant,
    pause: Duration,
    session: SessionWatch,
}

/// What can be seen of a server from the pool's connections.
struct Observation {
    now: Instant,
    /// Somebody waits for an answer.
    is_owed: bool,
    has_connections: bool,
    /// The pool has opened one, however long ago.
    was_ever_connected: bool,
    /// When anything was last heard.
    heard: Option<Instant>,
}

impl Heartbeat {
    fn answered(&mut self, answer: Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>) {
        self.question = None;
        match answer {
            Ok(told) => {
                self.shared.breaker.heard(Instant::now());
                self.session.answered(&told, &self.shared);
            }
            Err(_) => {
                self.shared.reserved.lock().take();
                self.connect_at = Instant::now();
            }
        }
    }

    fn connected(&mut self, ready: Result<Opened>) {
        self.connect = None;
        match ready {
            Ok(ready) => {
                self.pause = FIRST_PAUSE;
                // It takes the place of one that has not answered.
                self.question = None;
                *self.shared.reserved.lock() = self.every.map(|_| Arc::new(ready));
                self.shared.breaker.heard(Instant::now());
            }
            Err(error) => {
                self.shared.breaker.connect_failed(error.fault(), error.sentence());
                let jittered = self.pause.mul_f64(0.75 + 0.5 * fastrand::f64());
                self.connect_at = Instant::now() + jittered.min(LONGEST_PAUSE);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Time in which nothing ran here says nothing about the server.
    fn notice_stall(&mut self, due: Instant) {
        let by = Instant::now().saturating_duration_since(due);
        if by < STALL {
            return;
        }
        self.shared.breaker.forgive();
        if let Some(question) = &mut self.question {
            question.since = Instant::now();
        }
        self.shared.events.tell(Event::Stalled { by });
    }

    /// Looks at every connection; nothing when the pool is closed.
    fn look(&self, inner: &Inner<Postgres>) -> Option<Observation> {
        let now = Instant::now();
        let reserved =
            self.shared.reserved.lock().as_ref().map(|ready| ready.link.state.heard_at().instant());
        let slots = inner.slots.lock();
        if slots.is_closed() {
            return None;
        }
        let was_ever_connected = slots.totals.opened > 0;
        let mut sight =
            Observation { now, is_owed: false, has_connections: false, was_ever_connected, heard: reserved };
        for slot in &slots.slots {
            let Some(link) = &slot.handle else { continue };
            sight.heard = sight.heard.max(Some(link.state.heard_at().instant()));
            let is_out = matches!(slot.state, SlotState::Lent | SlotState::Returning);
            sight.is_owed |= is_out && link.state.owed() > 0;
            sight.has_connections |= !link.is_closed();
        }
        Some(sight)
    }

    /// Asks what is to be asked, and tells the breaker.
    fn beat(&mut self, sight: &Observation) {
        if let Some(heard) = sight.heard {
            self.shared.breaker.heard(heard);
        }
        self.session.expire(sight.now, &self.shared);
        self.ask(sight);
        let proves = self.connector.pooler() != Some(Pooler::Transaction);
        let asked = self.asked(sight).filter(|_| proves);
        self.shared.breaker.look(sight.now, sight.is_owed && proves, asked, sight.has_connections);
        self.try_connect(sight.now);
    }

    /// Since when the server is asked for a sign of life. A connect may take its time, so that alone is no silence: it
    /// counts beside calls that wait for their answers.
    fn asked(&self, sight: &Observation) -> Option<Instant> {
        let question = self.question.as_ref().map(|question| question.since);
        question.or_else(|| self.connect.as_ref().filter(|_| sight.is_owed).map(|connect| connect.since))
    }

    fn ask(&mut self, sight: &Observation) {
        let Some(mut every) = self.every else { return };
        if !self.shared.breaker.is_closed() {
            // The sooner it answers again, the sooner calls are let through.
            every = every.min(TICK);
        }
        let is_silent = sight
            .heard
            .is_none_or(|heard| sight.now.saturating_duration_since(heard) >= every.saturating_sub(TICK / 2));
        if self.question.is_some() {
            return;
        }
        let Some(ready) = self.shared.reserved.lock().clone() else { return };
        let is_pooled = ready.session.pooler == Pooler::Transaction;
        let question = match self.session.question(sight.now, ready.session.version, is_pooled) {
            Some(question) => question,
            None if is_silent => String::new(),
            None => return,
        };
        self.question = Some(Pending::new(async move { ready.client.simple_query(&question).await }));
    }

    fn try_connect(&mut self, now: Instant) {
        let is_open = !self.shared.breaker.is_closed();
        let is_missing = self.every.is_some() && self.shared.reserved.lock().is_none();
        if self.connect.is_some() || now < self.connect_at || !(is_missing || is_open) {
            return;
        }
        let connect_timeout = self.shared.plan.connect_timeout();
        let limit = if is_open { connect_timeout.min(PROBE_LIMIT) } else { connect_timeout };
        let connector = Arc::clone(&self.connector);
        let until = now + limit;
        self.connect = Some(Pending::new(async move {
            match timeout_at(until, connector.connect(until)).await {
                Ok(ready) => ready,
                Err(_) => Err(crate::wire::connect::late(limit)),
            }
        }));
    }
}

//! Asks the server for a sign of life, on one reserved connection.
//!
//! A caller that waits for a slow statement hears nothing, and a caller that waits for a frozen server hears nothing
//! either. The difference shows on another connection: a server that works answers an empty question at once. So when
//! nothing was heard from the server for a moment, on any connection, it is asked on one that no caller uses; one question
//! is out at a time. What was heard, what is owed, and since when the question is out go to the
//! [breaker](crate::call::breaker), which decides. While the reserved connection is being opened, that connect is the
//! question.
//!
//! One connection may stand still alone: its backend is stopped, or the network lost what was sent on it. So a question
//! that is overdue begins a new connect, and there is silence only if that is not answered either. If it is, the new
//! connection takes the place of the old one. Where a connect usually takes longer than `breaker_after` it cannot decide,
//! and the silence on what is open does.
//!
//! While the breaker is open the question stays out, since a server that was frozen answers it as soon as it runs again.
//! [New connects](super::probe_connects) are tried beside it, since the server may have been restarted, or the network may
//! have lost the question.
//!
//! The connection serves two watches beside that, [`session_watch`](super::session_watch) and
//! [`lock_watch`](super::lock_watch); the answer to any question is a sign of life.
//!
//! Behind a transaction pooler an unanswered question proves nothing, because it may wait in the pooler's queue. There
//! silence does not open the breaker; only connects that fail do.

use super::lock_watch::{LockQuestion, LockWatch};
use super::probe_connects::ProbeConnects;
use super::session_watch::SessionWatch;
use crate::call::postgres::Postgres;
use crate::call::server::Server;
use crate::error::Result;
use crate::event::Event;
use crate::fault::Fault;
use crate::pool::{Inner, connects};
use crate::rules::circuit::{BreakerState, Probe};
use crate::rules::slots::SlotState;
use crate::wire::connect::{Connector, Pooler};
use crate::wire::handshake::Opened;
use futures_util::future::BoxFuture;
use std::future::{Future, pending};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::Severity;

/// How often the connections are looked at, also while no call runs: a call that begins just then must be refused within a
/// second too.
const TICK: Duration = Duration::from_millis(50);
/// A tick that is later than this means that this program stood still.
const STALL: Duration = Duration::from_millis(500);
/// A question that is out for this part of `breaker_after` is overdue: early enough that the new connect beside it has time
/// to be answered before the breaker opens.
const OVERDUE: u32 = 4;

/// A question that waits for its answer, and since when.
struct Pending<T> {
    since: Instant,
    answer: BoxFuture<'static, T>,
}

impl<T> Pending<T> {
    fn new(answer: impl Future<Output = T> + Send + 'static) -> Self {
        Pending { since: Instant::now(), answer: Box::pin(answer) }
    }
}

/// Since when the answer to a question is overdue: what may take a while by itself is no silence for that long.
fn owed_since(asking: Asking, asked: Instant, now: Instant) -> Option<Instant> {
    let patience = match asking {
        Asking::Locks(question) => question.patience(),
        Asking::Anything | Asking::Session => Duration::ZERO,
    };
    Some(asked + patience).filter(|since| *since <= now)
}

/// Whether the server has refused the question alone, and the connection lives on.
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|told| told.parsed_severity() == Some(Severity::Error))
}

/// Whether it was the server that refused the connect, and not for being away: as for a wrong password.
fn is_refused(error: &crate::error::Error) -> bool {
    error.sqlstate().is_some() && !error.fault().is_connectivity()
}

/// Waits for the answer; for ever if no question is out.
async fn answer_of<T>(out: &mut Option<Pending<T>>) -> T {
    match out {
        Some(out) => (&mut out.answer).await,
        None => pending().await,
    }
}

/// Runs until the pool is gone or closed.
pub(crate) async fn run(pool: Weak<Inner<Postgres>>, server: Arc<Server>, connector: Connector) {
    let locks = LockWatch::new(Weak::clone(&pool), Instant::now());
    let connect_timeout = server.plan.connect_timeout();
    let mut heart = Heartbeat {
        every: server.plan.heartbeat(),
        server,
        connector: Arc::new(connector),
        question: None,
        asking: Asking::Anything,
        connects: ProbeConnects::new(connect_timeout, Instant::now()),
        session: SessionWatch::new(Instant::now()),
        locks,
    };
    loop {
        let began = Instant::now();
        tokio::select! {
            answer = answer_of(&mut heart.question) => heart.answered(answer),
            ready = heart.connects.first() => heart.connected(ready),
            () = sleep_until(began + TICK) => {}
        }
        heart.notice_stall(began + TICK);
        let Some(inner) = pool.upgrade() else { break };
        let Some(observation) = heart.look(&inner) else { break };
        if !observation.was_ever_connected
            && let Some(reason) = heart.server.breaker.refuses()
        {
            connects::give_up_first(&inner, &reason);
        }
        drop(inner);
        heart.beat(&observation);
    }
    heart.server.observed.reserved.lock().take();
}

struct Heartbeat {
    every: Option<Duration>,
    server: Arc<Server>,
    connector: Arc<Connector>,
    question: Option<Pending<Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>>>,
    /// What the question is about that is out.
    asking: Asking,
    connects: ProbeConnects<Result<Opened>>,
    session: SessionWatch,
    locks: LockWatch,
}

/// What a question is about.
#[derive(Clone, Copy, Debug)]
enum Asking {
    /// Any answer will do.
    Anything,
    Session,
    Locks(LockQuestion),
}

/// What the pool's connections show of the server.
struct Observation {
    now: Instant,
    /// A lent connection waits for an answer.
    is_owed: bool,
    has_connections: bool,
    /// The pool has opened a connection, however long ago.
    was_ever_connected: bool,
    /// When anything was last heard.
    heard: Option<Instant>,
}

impl Heartbeat {
    fn answered(&mut self, answer: Result<Vec<SimpleQueryMessage>, tokio_postgres::Error>) {
        self.question = None;
        match answer {
            Ok(told) => {
                self.server.breaker.heard(Instant::now());
                match self.asking {
                    Asking::Anything => {}
                    Asking::Session => self.session.answered(&told, &self.server),
                    Asking::Locks(question) => self.locks.answered(question, &told, &self.server),
                }
            }
            Err(error) if is_refusal(&error) && matches!(self.asking, Asking::Locks(_)) => {
                self.server.breaker.heard(Instant::now());
                if let Asking::Locks(question) = self.asking {
                    self.locks.refused(question, &error);
                }
            }
            Err(_) => {
                self.server.observed.reserved.lock().take();
                self.connects.next_at(Instant::now());
            }
        }
    }

    fn connected(&mut self, ready: Result<Opened>) {
        self.server.observed.cannot_reserve.store(ready.is_err(), Ordering::Release);
        match ready {
            Ok(ready) => {
                self.connects.end(Instant::now());
                // It replaces a connection that has not answered.
                self.question = None;
                *self.server.observed.reserved.lock() = self.every.map(|_| Arc::new(ready));
                self.server.breaker.heard(Instant::now());
            }
            Err(error) => {
                self.server.breaker.connect_failed(error.fault(), error.sentence());
                let is_crowded_out = error.fault() == Fault::TooManyConnections;
                self.server.observed.is_heartbeat_crowded_out.store(is_crowded_out, Ordering::Release);
                let now = Instant::now();
                // A pooler may refuse on its own account.
                let is_refused = self.connector.pooler().is_none() && is_refused(&error);
                if is_refused && self.question.is_some() {
                    self.server.breaker.heard(now);
                }
                self.connects.failed(is_crowded_out || is_refused, now, fastrand::f64());
            }
        }
    }

    /// Notices that this program stood still: that time proves nothing about the server.
    fn notice_stall(&mut self, due: Instant) {
        let by = Instant::now().saturating_duration_since(due);
        if by < STALL {
            return;
        }
        self.server.breaker.forgive();
        if let Some(question) = &mut self.question {
            question.since = Instant::now();
        }
        self.connects.forgive(Instant::now());
        self.server.events.tell(Event::Stalled { by });
    }

    /// Looks at every connection; `None` once the pool is closed.
    fn look(&self, inner: &Inner<Postgres>) -> Option<Observation> {
        let now = Instant::now();
        let reserved =
            self.server.observed.reserved.lock().as_ref().map(|ready| ready.link.state.heard_at().instant());
        let slots = inner.slots.lock();
        if slots.is_closed() {
            return None;
        }
        let was_ever_connected = slots.totals.opened > 0;
        let mut observation =
            Observation { now, is_owed: false, has_connections: false, was_ever_connected, heard: reserved };
        for slot in &slots.slots {
            let Some(link) = &slot.handle else { continue };
            observation.heard = observation.heard.max(Some(link.state.heard_at().instant()));
            let is_out = matches!(slot.state, SlotState::Lent | SlotState::Returning);
            observation.is_owed |= is_out && link.state.owed() > 0;
            observation.has_connections |= !link.is_closed();
        }
        Some(observation)
    }

    /// Asks the question that is due, and tells the breaker what was observed.
    fn beat(&mut self, observation: &Observation) {
        if let Some(heard) = observation.heard {
            self.server.breaker.heard(heard);
        }
        self.session.expire(observation.now, &self.server);
        self.ask(observation);
        let proves = self.connector.pooler() != Some(Pooler::Transaction);
        let asked = self.asked(observation).filter(|_| proves);
        let probe = asked.map(|asked| Probe { asked, beside: self.connects.unanswered() });
        let (is_owed, has_connections) = (observation.is_owed && proves, observation.has_connections);
        self.server.breaker.look(observation.now, is_owed, probe, has_connections);
        self.try_connect(observation.now, proves && self.is_overdue(observation.now));
    }

    /// Since when the server is asked for a sign of life. A connect may take long, so it alone is no silence: it counts only
    /// while calls wait for their answers.
    fn asked(&self, observation: &Observation) -> Option<Instant> {
        let question = self.question.as_ref();
        question
            .and_then(|question| owed_since(self.asking, question.since, observation.now))
            .or_else(|| self.connects.oldest().filter(|_| observation.is_owed))
    }

    /// The question is out for so long that another connection must show whether the server answers.
    fn is_overdue(&self, now: Instant) -> bool {
        let asked = self.question.as_ref().and_then(|question| owed_since(self.asking, question.since, now));
        asked.is_some_and(|asked| now >= asked + self.server.plan.breaker_after() / OVERDUE)
    }

    fn ask(&mut self, observation: &Observation) {
        let Some(mut every) = self.every else { return };
        if matches!(self.server.breaker.state(), BreakerState::Open | BreakerState::HalfOpen) {
            // The sooner the server answers again, the sooner calls are let through.
            every = every.min(TICK);
        }
        let is_silent = observation.heard.is_none_or(|heard| {
            observation.now.saturating_duration_since(heard) >= every.saturating_sub(TICK / 2)
        });
        if self.question.is_some() {
            return;
        }
        let Some(ready) = self.server.observed.reserved.lock().clone() else { return };
        let is_pooled = ready.session.pooler == Pooler::Transaction;
        let (asking, question) =
            match self.session.question(observation.now, ready.session.version, is_pooled) {
                Some(question) => (Asking::Session, question),
                None => match self.locks.question(observation.now, &self.server) {
                    Some(question) => (Asking::Locks(question), question.text().to_owned()),
                    None if is_silent => (Asking::Anything, String::new()),
                    None => return,
                },
            };
        self.asking = asking;
        self.question = Some(Pending::new(async move { ready.client.simple_query(&question).await }));
    }

    fn try_connect(&mut self, now: Instant, is_overdue: bool) {
        let is_missing = self.every.is_some() && self.server.observed.reserved.lock().is_none();
        let (is_open, is_sought) = match self.server.breaker.state() {
            BreakerState::Open => (true, true),
            // Without a reserved connection nothing else shows that the server still answers.
            BreakerState::HalfOpen => (true, self.every.is_none()),
            BreakerState::Closed | BreakerState::Isolated => (false, false),
        };
        if !is_missing && !is_overdue && !is_sought {
            self.connects.end(now);
            return;
        }
        if !self.connects.is_due(now, is_open) {
            return;
        }
        let limit = self.connects.limit();
        let connector = Arc::clone(&self.connector);
        let until = now + limit;
        self.connects.begin(now, async move {
            match timeout_at(until, connector.connect(until)).await {
                Ok(ready) => ready,
                Err(_) => Err(crate::wire::connect::timed_out(limit)),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_inspect::blocking::LIMIT;

    #[test]
    fn a_question_that_may_take_a_while_is_no_silence_before_its_limit() {
        let now = Instant::now();
        let who = Asking::Locks(LockQuestion::Who);
        let at = |millis| now + Duration::from_millis(millis);
        assert_eq!(owed_since(who, now, now + LIMIT - Duration::from_nanos(1)), None);
        assert_eq!(owed_since(who, now, now + LIMIT), Some(now + LIMIT));
        assert_eq!(owed_since(who, now, at(5_000)), Some(now + LIMIT), "a server that is frozen meanwhile");
        for asking in [Asking::Anything, Asking::Session, Asking::Locks(LockQuestion::HowMany)] {
            assert_eq!(owed_since(asking, now, at(1)), Some(now), "{asking:?} is answered at once");
        }
    }
}

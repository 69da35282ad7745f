//! Watches who waits for a lock, on the heartbeat's connection.
//!
//! Once a second the server is asked how many sessions of this database wait for a lock. That costs it as much as a look at
//! `pg_stat_activity`, 0.2 ms with a hundred sessions, and takes no lock that anything waits for. Only if there are some, it is asked which they are and who
//! blocks them; the answer is joined with the names of this pool's leases and kept as an
//! [episode](crate::record::locks).
//!
//! It is asked each second, and not only while a statement of this pool is slow: most pile-ups last for seconds, and a
//! watch that begins when this program is hit has missed how they began; those that only hit other programs would never be
//! seen.
//!
//! The second question may take a while on a server in trouble, and is ended by limits of its own. Until they have passed
//! its silence is no sign that the server is dead.

use crate::call::postgres::Postgres;
use crate::call::server::Server;
use crate::event::Event;
use crate::moment::Moment;
use crate::pool::Inner;
use crate::record::locks::{LeaseName, LockEpisode, Look};
use crate::rules::slots::SlotState;
use crate::wire::connect::Pooler;
use plimsoll_inspect::Unreadable;
use plimsoll_inspect::blocking::{self, Blocking};
use std::collections::HashMap;
use std::sync::Weak;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tokio_postgres::SimpleQueryMessage;

const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after questions that failed: it may be so for ever, as behind a pooler that answers by itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockQuestion {
    /// How many sessions wait.
    HowMany,
    /// Which sessions wait, and for whom.
    Who,
}

impl LockQuestion {
    pub(crate) fn text(self) -> &'static str {
        match self {
            LockQuestion::HowMany => blocking::LOCK_WAITS,
            LockQuestion::Who => blocking::BLOCKING,
        }
    }

    /// How long the answer may take before its absence says anything of the server.
    pub(crate) fn patience(self) -> Duration {
        match self {
            LockQuestion::HowMany => Duration::ZERO,
            LockQuestion::Who => blocking::LIMIT,
        }
    }
}

/// What is to be asked next, and when.
pub(crate) struct LockWatch {
    pool: Weak<Inner<Postgres>>,
    next_at: Instant,
    next: LockQuestion,
    /// The pause after a question that fails.
    pause: Duration,
    /// When the question that is out was asked.
    asked_at: Moment,
}

impl LockWatch {
    pub(crate) fn new(pool: Weak<Inner<Postgres>>, now: Instant) -> Self {
        LockWatch { pool, next_at: now, next: LockQuestion::HowMany, pause: PAUSE, asked_at: now.into() }
    }

    /// The question that is due now, if one is.
    pub(crate) fn question(&mut self, now: Instant, server: &Server) -> Option<LockQuestion> {
        if now < self.next_at || !server.monitor.is_on() || !server.breaker.is_closed() {
            return None;
        }
        self.asked_at = now.into();
        let question = std::mem::replace(&mut self.next, LockQuestion::HowMany);
        if question == LockQuestion::HowMany {
            self.next_at = now + PAUSE;
        }
        Some(question)
    }

    /// The server has refused the question: it took too long, or the role may not ask it.
    pub(crate) fn refused(&mut self, question: LockQuestion, error: &tokio_postgres::Error) {
        self.failed(question, error);
    }

    fn failed(&mut self, question: LockQuestion, why: &dyn std::fmt::Display) {
        tracing::debug!(target: "plimsoll", ?question, "who waits for locks could not be asked: {why}");
        self.next = LockQuestion::HowMany;
        self.next_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Reads the answer.
    pub(crate) fn answered(
        &mut self,
        question: LockQuestion,
        answer: &[SimpleQueryMessage],
        server: &Server,
    ) {
        match question {
            LockQuestion::HowMany => {
                match keep_wait_events(answer, server).and_then(|()| blocking::lock_waits(answer)) {
                    Ok(Some(0)) => {
                        self.pause = PAUSE;
                        server.monitor.locks.lock().observe_none(Moment::now());
                    }
                    Ok(Some(_)) => {
                        self.next = LockQuestion::Who;
                        self.next_at = Instant::now();
                    }
                    Ok(None) => self.failed(question, &"the answer is empty"),
                    Err(error) => self.failed(question, &error),
                }
            }
            LockQuestion::Who => match Blocking::read(answer) {
                Ok(seen) => {
                    self.pause = PAUSE;
                    self.next_at = Instant::now() + PAUSE;
                    self.saw(&seen, server);
                }
                Err(error) => self.failed(question, &error),
            },
        }
    }

    fn saw(&self, seen: &Blocking, server: &Server) {
        let names = self.names(seen);
        let look = Look { seen, names: &names, now: Moment::now(), at: SystemTime::now() };
        let report_after = server.plan.lock_report_after();
        let long = server.monitor.locks.lock().observe(&look, report_after);
        for episode in long {
            server.events.tell(told(&episode));
        }
    }

    /// The names of the leases among these sessions. A lease that began only after the question is not the one that was
    /// seen, and the process id that a pooler tells is not the server's.
    fn names(&self, seen: &Blocking) -> HashMap<i32, LeaseName> {
        let mut names = HashMap::new();
        let Some(inner) = self.pool.upgrade() else { return names };
        if inner.manager.connector.pooler() != Some(Pooler::None) {
            return names;
        }
        let slots = inner.slots.lock();
        let is_out = |state| matches!(state, SlotState::Lent | SlotState::Returning);
        for slot in slots.slots.iter().filter(|slot| is_out(slot.state)) {
            let (Some(link), Some(holder)) = (&slot.handle, &slot.holder) else { continue };
            let pid = link.state.pid();
            if slot.since <= self.asked_at && seen.sessions.iter().any(|session| session.pid == pid) {
                let request_id = holder.id.as_ref().map(ToString::to_string);
                names.insert(pid, LeaseName { work: holder.name.to_string(), request_id });
            }
        }
        names
    }
}

/// Keeps what active sessions wait for.
fn keep_wait_events(answer: &[SimpleQueryMessage], server: &Server) -> Result<(), Unreadable> {
    let events = blocking::wait_events(answer)?;
    *server.monitor.wait_events.lock() = Some((SystemTime::now(), events));
    Ok(())
}

fn told(episode: &LockEpisode) -> Event {
    Event::LockPileUp {
        told: episode.to_string(),
        waiting: episode.most_waiting,
        lasted: Duration::try_from_secs_f64(episode.lasted_seconds).unwrap_or_default(),
    }
}

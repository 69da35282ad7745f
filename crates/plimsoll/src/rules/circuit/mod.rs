//! The states of the breaker, and what moves it from one to the next.
//!
//! ```text
//!              nothing answers, for as long as `after`                     a probe is answered
//!   Closed ───────────────────────────────────────────► Open ──────────────────────────────────► HalfOpen
//!     ▲                                                   ▲ a call fails to reach the server        │
//!     │                                                   └─────────────────────────────────────────┤
//!     └───────── every step was answered: 2, 4, 8, 16 calls at a time ◄─────────────────────────────┘
//! ```
//!
//! One thing is watched, and it is a time: how long the server has owed an answer and given none to any caller. A slow
//! statement is not silence, because the probe beside it is answered; nor is a lock pile-up, a constraint, or a statement
//! that was cancelled; nor a connection that breaks or stands still while others are answered, so a probe that is not
//! answered counts only once a new connect beside it is not answered either. A stall that is shorter than `after`
//! passes unnoticed. That is why no failure is counted by itself: what counts is that nothing succeeded since the first
//! failure. A server that is full has answered, so its refusal counts only where the pool has no connection at all, and
//! nowhere if the pool shares the server's connections: there its callers wait until another instance gives some back.
//!
//! A step ends when its calls were answered, or when it has lasted for a moment and the server said anything: a call
//! may run for long, and a lease may be kept for ever.

mod cause;

pub(crate) use cause::Cause;

use crate::fault::Fault;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// The part of the silence for which a new connect must be out too. One connection alone may stand still.
const BESIDE: u32 = 4;

/// Fewer failed connects than this prove nothing.
const FAILURES: u32 = 3;
/// Calls at a time right after a probe was answered.
const FIRST_STEP: u32 = 2;
/// Once so many calls at a time were answered, the breaker closes and calls are counted no more.
const LAST_STEP: u32 = 16;

/// A step whose calls run for longer than this does not wait for them.
const STEP_LASTS: Duration = Duration::from_millis(100);

/// How often an outage that lasts is told of again.
const REMINDER: Duration = Duration::from_secs(60);

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Lets every call through.
    Closed,
    /// Lets none through.
    Open,
    /// Lets a few through, and more with each that is answered.
    HalfOpen,
    /// Lets none through until it is told otherwise.
    Isolated,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
            BreakerState::Isolated => "isolated",
        })
    }
}

#[derive(Debug)]
enum CircuitState {
    Closed,
    Open {
        /// When the outage began.
        since: Instant,
        /// When it was opened last: an answer closes it only if it came later.
        shut: Instant,
        reason: Cause,
    },
    HalfOpen {
        /// When the outage began.
        since: Instant,
        /// Calls that are let through at a time.
        step: u32,
        /// When this step began.
        stepped: Instant,
        /// Calls that were let through and have not ended.
        out: u32,
    },
    Isolated {
        since: Instant,
    },
}

/// A change of state, to be told of once no lock is held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Opened { reason: String },
    Isolated { reason: String },
    StillOpen { after: Duration, reason: String },
    HalfOpened { after: Duration },
    Closed { after: Duration },
}

/// The permission for one call while half open. It belongs to the opening in which it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbePermit(u64);

/// What became of a call that had such a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallResult {
    /// The server answered, be it with an error.
    Answered,
    /// It could not be reached.
    Failed,
    /// The call was dropped before there was an answer.
    Unknown,
}

/// A question for a sign of life that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Since when the server is asked.
    pub(crate) asked: Instant,
    /// Since when new connects are tried and none is answered, if they are.
    pub(crate) beside: Option<Instant>,
}

/// Connects that failed, with no answer since the first of them.
struct Failing {
    since: Instant,
    failures: u32,
    fault: Fault,
    last: String,
}

/// The breaker of one server.
pub(crate) struct Circuit {
    after: Duration,
    state: CircuitState,
    /// Grows with each opening, so that a permit of an earlier one is known.
    generation: u64,
    /// The last answer.
    heard: Option<Instant>,
    /// Since when an answer is owed.
    owed: Option<Instant>,
    failing: Option<Failing>,
    /// The pool has connections that have not ended.
    has_connections: bool,
    /// How often this outage was told of again.
    reminders: u32,
    /// A refusal for want of connections is an answer, also where the pool has none.
    waits_when_full: bool,
}

impl Circuit {
    /// A closed breaker that opens when a server has given no answer for so long.
    pub(crate) fn new(after: Duration) -> Self {
        Circuit {
            after,
            state: CircuitState::Closed,
            generation: 0,
            heard: None,
            owed: None,
            failing: None,
            has_connections: false,
            reminders: 0,
            waits_when_full: false,
        }
    }

    /// Takes every refusal for want of connections for an answer.
    pub(crate) fn waiting_when_full(self, waits_when_full: bool) -> Self {
        Circuit { waits_when_full, ..self }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.state {
            CircuitState::Closed => BreakerState::Closed,
            CircuitState::Open { .. } => BreakerState::Open,
            CircuitState::HalfOpen { .. } => BreakerState::HalfOpen,
            CircuitState::Isolated { .. } => BreakerState::Isolated,
        }
    }

    /// Since when it has not been closed, and why.
    pub(crate) fn opened(&self) -> Option<(Instant, Cause)> {
        match &self.state {
            CircuitState::Closed => None,
            CircuitState::Open { since, reason, .. } => Some((*since, reason.clone())),
            CircuitState::HalfOpen { since, step, .. } => Some((*since, Cause::Recovering(*step))),
            CircuitState::Isolated { since } => Some((*since, Cause::Isolated)),
        }
    }

    /// Whether answers are owed on connections that are open, and that is why calls are refused or soon will be.
    pub(crate) fn is_frozen(&self) -> bool {
        match &self.state {
            CircuitState::Closed => self.owed.is_some(),
            CircuitState::Open { reason, .. } => matches!(reason, Cause::Silent(_)),
            CircuitState::HalfOpen { .. } | CircuitState::Isolated { .. } => false,
        }
    }

    /// Since when answers are owed and none comes on any connection.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        self.owed.or(self.failing.as_ref().map(|failing| failing.since))
    }

    /// The server answered at that time.
    pub(crate) fn heard(&mut self, at: Instant) -> Option<Change> {
        if self.heard.is_some_and(|known| at <= known) {
            return None;
        }
        self.heard = Some(at);
        if self.owed.is_some_and(|since| since < at) {
            self.owed = None;
        }
        if self.failing.as_ref().is_some_and(|failing| failing.since < at) {
            self.failing = None;
        }
        match self.state {
            CircuitState::Open { since, shut, .. } if at > shut => {
                self.state = CircuitState::HalfOpen { since, step: FIRST_STEP, stepped: at, out: 0 };
                Some(Change::HalfOpened { after: at.saturating_duration_since(since) })
            }
            // Where no call ends, the answers of the heartbeat are the steps.
            CircuitState::HalfOpen { stepped, out, .. }
                if out == 0 || at.saturating_duration_since(stepped) >= STEP_LASTS =>
            {
                self.step_up(at)
            }
            _ => None,
        }
    }

    /// A connect did not reach the server, or found it full.
    pub(crate) fn connect_failed(&mut self, now: Instant, fault: Fault, sentence: &str) -> Option<Change> {
        if fault == Fault::TooManyConnections && (self.has_connections || self.waits_when_full) {
            return self.heard(now);
        }
        let failing = self.failing.get_or_insert_with(|| Failing {
            since: now,
            failures: 0,
            fault,
            last: String::new(),
        });
        failing.failures = failing.failures.saturating_add(1);
        failing.fault = fault;
        failing.last = sentence.to_owned();
        self.judge(now, None)
    }

    /// Looks at the server as a whole: whether any call waits for an answer, and since when a probe does.
    pub(crate) fn look(&mut self, now: Instant, is_owed: bool, probe: Option<Probe>) -> Option<Change> {
        self.owed = match (is_owed || probe.is_some(), self.owed) {
            (true, known) => Some(known.unwrap_or(now)),
            (false, _) => None,
        };
        self.judge(now, probe)
    }

    /// Whether the pool has connections that have not ended.
    pub(crate) fn has_connections(&mut self, has: bool) {
        self.has_connections = has;
    }

    /// Time in which this program stood still, so that it could not look, is not held against the server.
    pub(crate) fn forgive(&mut self) {
        self.owed = None;
        self.failing = None;
    }

    fn judge(&mut self, now: Instant, probe: Option<Probe>) -> Option<Change> {
        if !matches!(self.state, CircuitState::Closed | CircuitState::HalfOpen { .. }) {
            return None;
        }
        let lasts = |since: Instant| now.saturating_duration_since(since);
        let is_silent = self.owed.is_some_and(|since| lasts(since) >= self.after)
            && probe.is_some_and(|probe| lasts(probe.asked) >= self.after / 2)
            && probe.and_then(|probe| probe.beside).is_some_and(|since| lasts(since) >= self.after / BESIDE);
        let is_failing = self
            .failing
            .as_ref()
            .is_some_and(|failing| lasts(failing.since) >= self.after && failing.failures >= FAILURES);
        let reason = match (&self.failing, self.owed) {
            (Some(failing), _) if is_failing => Cause::Failing {
                since: failing.since,
                failures: failing.failures,
                fault: failing.fault,
                last: failing.last.clone(),
            },
            (_, Some(since)) if is_silent => Cause::Silent(since),
            _ => return None,
        };
        Some(self.open(now, reason))
    }

    fn open(&mut self, now: Instant, reason: Cause) -> Change {
        self.generation += 1;
        let told = reason.told(now);
        // An outage with an answer in between is one outage.
        let since = if let CircuitState::HalfOpen { since, .. } = self.state {
            since
        } else {
            self.reminders = 0;
            now
        };
        self.state = CircuitState::Open { since, shut: now, reason };
        Change::Opened { reason: told }
    }

    /// Whether the outage has lasted for another minute.
    pub(crate) fn remind(&mut self, now: Instant) -> Option<Change> {
        let CircuitState::Open { since, reason, .. } = &self.state else { return None };
        let after = now.saturating_duration_since(*since);
        if after < REMINDER * (self.reminders + 1) {
            return None;
        }
        self.reminders += 1;
        Some(Change::StillOpen { after, reason: reason.told(now) })
    }

    /// Whether a call may go on; with a permit of its own while half open.
    pub(crate) fn permit(&mut self) -> Result<Option<ProbePermit>, ()> {
        match &mut self.state {
            CircuitState::Closed => Ok(None),
            CircuitState::HalfOpen { step, out, .. } if *out < *step => {
                *out += 1;
                Ok(Some(ProbePermit(self.generation)))
            }
            CircuitState::HalfOpen { .. } | CircuitState::Open { .. } | CircuitState::Isolated { .. } => {
                Err(())
            }
        }
    }

    /// A call that had a permit has ended. A permit of an earlier opening says nothing about this one.
    pub(crate) fn done(&mut self, permit: ProbePermit, answer: CallResult, now: Instant) -> Option<Change> {
        if permit.0 != self.generation {
            return None;
        }
        let CircuitState::HalfOpen { out, .. } = &mut self.state else { return None };
        *out = out.saturating_sub(1);
        match answer {
            CallResult::Unknown => None,
            CallResult::Answered => self.step_up(now),
            CallResult::Failed => Some(self.open(now, Cause::Relapsed)),
        }
    }

    fn step_up(&mut self, now: Instant) -> Option<Change> {
        let CircuitState::HalfOpen { since, step, stepped, .. } = &mut self.state else { return None };
        if *step < LAST_STEP {
            *step *= 2;
            *stepped = now;
            return None;
        }
        let after = now.saturating_duration_since(*since);
        self.state = CircuitState::Closed;
        Some(Change::Closed { after })
    }

    /// Lets nothing through until [`Circuit::resume`].
    pub(crate) fn isolate(&mut self, now: Instant) -> Option<Change> {
        if matches!(self.state, CircuitState::Isolated { .. }) {
            return None;
        }
        self.state = CircuitState::Isolated { since: now };
        Some(Change::Isolated { reason: Cause::Isolated.told(now) })
    }

    /// Lets everything through again; a server that is away opens it again by itself.
    pub(crate) fn resume(&mut self, now: Instant) -> Option<Change> {
        let CircuitState::Isolated { since } = self.state else { return None };
        self.state = CircuitState::Closed;
        self.forgive();
        Some(Change::Closed { after: now.saturating_duration_since(since) })
    }
}

#[cfg(test)]
mod tests;

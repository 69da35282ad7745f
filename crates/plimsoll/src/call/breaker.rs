//! The circuit breaker: while the server does not answer, calls are refused at once instead of waiting for it.
//!
//! Pure rules ([`circuit`](crate::rules::circuit)) decide when it opens and closes; the heartbeat observes the server. This
//! file is what calls meet: one atomic while the breaker is closed, and an answer in about a microsecond while it is not.
//! A permit gives its right back when it is dropped, so a call that is dropped half-way cannot keep a step of the half-open
//! breaker for ever.

use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Event;
use crate::events::Events;
use crate::fault::Fault;
use crate::name::WorkName;
use crate::rules::circuit::{BreakerState, CallResult, Change, Circuit, Probe, ProbePermit};
use crate::settings::{Enforcement, Plan};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Operators of other services already search their logs for these words.
const FAILING_FAST: &str = "Database unhealthy - failing fast";

/// While the breaker is open the server is asked at least this often.
const COME_BACK: Duration = Duration::from_secs(1);

/// The state of a breaker.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerStatus {
    /// What it does with calls.
    pub state: BreakerState,
    /// For how long it has not been closed.
    pub open_for: Option<Duration>,
    /// Why it is not closed.
    pub reason: Option<String>,
    /// For how long the server has owed an answer and given none on any connection.
    pub silent_for: Option<Duration>,
    /// Whether the server keeps its connections open and answers on none of them, as one does that is frozen. Where calls are
    /// refused and this is not so, no connection can be opened.
    pub is_frozen: bool,
    /// How often it opened by itself.
    pub trips: u64,
    /// Calls that it refused; in the mode `dark`, calls that it would have refused.
    pub refused: u64,
}

pub(crate) struct CircuitBreaker {
    circuit: Mutex<Circuit>,
    /// Whether every call is let through without looking at the circuit.
    is_closed: AtomicBool,
    mode: Enforcement,
    trips: AtomicU64,
    refused: AtomicU64,
    /// Those of them that were let through all the same, since it is not `on`.
    let_through: AtomicU64,
    changes: AtomicU64,
    events: Events,
}

impl CircuitBreaker {
    pub(crate) fn new(plan: &Plan, events: Events) -> Self {
        let (mode, after) = (plan.breaker(), plan.breaker_after());
        // It observes the same in every mode; switched off, no silence is long enough to open it.
        let after = if mode == Enforcement::Off { Duration::MAX } else { after };
        let waits_when_full = plan.connection_budget() == Enforcement::On;
        CircuitBreaker {
            circuit: Mutex::new(Circuit::new(after).waiting_when_full(waits_when_full)),
            is_closed: AtomicBool::new(true),
            mode,
            trips: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            let_through: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            events,
        }
    }

    /// Whether every call goes through.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(crate) fn state(&self) -> BreakerState {
        if self.is_closed() { BreakerState::Closed } else { self.circuit.lock().state() }
    }

    /// What it may do.
    pub(crate) fn mode(&self) -> Enforcement {
        self.mode
    }

    /// Calls that it would have refused if it were `on`.
    pub(crate) fn let_through(&self) -> u64 {
        self.let_through.load(Ordering::Relaxed)
    }

    /// Why calls are refused, if the reason is that the server does not answer.
    pub(crate) fn refuses(&self) -> Option<String> {
        if self.is_closed() || self.mode != Enforcement::On {
            return None;
        }
        self.open()
    }

    /// Why it is open, if the reason is that the server does not answer; in the mode `dark` too, in which no call is refused.
    pub(crate) fn open(&self) -> Option<String> {
        let circuit = self.circuit.lock();
        let (_, reason) = circuit.opened().filter(|_| circuit.state() == BreakerState::Open)?;
        Some(reason.told(Instant::now()))
    }

    /// Why a call would be refused now; counted as a refusal. A half-open breaker refuses none here: which calls it lets
    /// through is decided when they are made.
    pub(crate) fn refusal(self: &Arc<Self>, work: &WorkName) -> Option<Error> {
        if self.is_closed() || self.circuit.lock().state() == BreakerState::HalfOpen {
            return None;
        }
        self.permit(work).err()
    }

    /// Asks for permission to make one call.
    ///
    /// # Errors
    /// [`Fault::CircuitOpen`], with the reason and since when.
    #[inline]
    pub(crate) fn permit(self: &Arc<Self>, work: &WorkName) -> Result<Permit> {
        if self.is_closed.load(Ordering::Acquire) {
            return Ok(Permit(None));
        }
        self.ask(work)
    }

    #[cold]
    fn ask(self: &Arc<Self>, work: &WorkName) -> Result<Permit> {
        let mut circuit = self.circuit.lock();
        match circuit.permit() {
            Ok(right) => Ok(Permit(
                right.map(|right| Box::new(HeldPermit { breaker: Arc::clone(self), right, judge: None })),
            )),
            Err(()) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                // Isolation is an order of the operator and not a guess, so it holds in every mode.
                if self.mode != Enforcement::On && circuit.state() != BreakerState::Isolated {
                    self.let_through.fetch_add(1, Ordering::Relaxed);
                    return Ok(Permit(None));
                }
                let opened = circuit.opened();
                let state = circuit.state();
                drop(circuit);
                let now = Instant::now();
                let why = opened.map_or_else(String::new, |(since, reason)| {
                    let lasts = now.saturating_duration_since(since).as_secs_f64();
                    format!(" for {lasts:.1} s: {}", reason.told(now))
                });
                let sentence =
                    format!("{work} was refused at once: the breaker has been {state}{why} ({FAILING_FAST})");
                Err(Error::new(Fault::CircuitOpen, Phase::Acquire, Outcome::NotStarted, sentence)
                    .with_retry_after(COME_BACK))
            }
        }
    }

    /// The server said something at that time.
    pub(crate) fn heard(&self, at: Instant) {
        self.apply(|circuit| circuit.heard(at));
    }

    /// A connect failed in a way that says that the server is away.
    pub(crate) fn connect_failed(&self, fault: Fault, sentence: &str) {
        if fault.is_connectivity() {
            self.apply(|circuit| circuit.connect_failed(Instant::now(), fault, sentence));
        }
        self.is_news();
    }

    /// Something failed that makes what was known of the server's health out of date, even if nothing opens by it.
    pub(crate) fn is_news(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Looks at the server as a whole: see [`Circuit::look`] and [`Circuit::has_connections`].
    pub(crate) fn look(&self, now: Instant, is_owed: bool, probe: Option<Probe>, has_connections: bool) {
        self.apply(|circuit| {
            circuit.has_connections(has_connections);
            circuit.look(now, is_owed, probe).or_else(|| circuit.remind(now))
        });
    }

    /// This program stood still: forgets the silence that was counted meanwhile, since the server is not to blame.
    pub(crate) fn forgive(&self) {
        self.circuit.lock().forgive();
    }

    pub(crate) fn isolate(&self) {
        self.apply(|circuit| circuit.isolate(Instant::now()));
    }

    pub(crate) fn resume(&self) {
        self.apply(|circuit| circuit.resume(Instant::now()));
    }

    /// A number that grows with each event that makes the last answer about the server's health out of date.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    pub(crate) fn status(&self) -> BreakerStatus {
        self.described(&self.circuit.lock())
    }

    /// The same, unless the circuit is locked for longer than this.
    pub(crate) fn status_within(&self, limit: Duration) -> Option<BreakerStatus> {
        self.circuit.try_lock_for(limit).map(|circuit| self.described(&circuit))
    }

    /// Does something while the circuit is locked.
    #[cfg(test)]
    pub(crate) fn while_locked(&self, what: impl FnOnce()) {
        let _locked = self.circuit.lock();
        what();
    }

    fn described(&self, circuit: &Circuit) -> BreakerStatus {
        let now = Instant::now();
        let opened = circuit.opened();
        BreakerStatus {
            state: circuit.state(),
            open_for: opened.as_ref().map(|(since, _)| now.saturating_duration_since(*since)),
            is_frozen: circuit.is_frozen(),
            reason: opened.map(|(_, reason)| reason.told(now)),
            silent_for: circuit.silent_since().map(|since| now.saturating_duration_since(since)),
            trips: self.trips.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn apply(&self, step: impl FnOnce(&mut Circuit) -> Option<Change>) {
        let change = {
            let mut circuit = self.circuit.lock();
            let change = step(&mut circuit);
            self.is_closed.store(circuit.state() == BreakerState::Closed, Ordering::Release);
            change
        };
        let Some(change) = change else { return };
        if !matches!(change, Change::StillOpen { .. }) {
            self.is_news();
        }
        self.events.tell(match change {
            Change::Opened { reason } => {
                self.trips.fetch_add(1, Ordering::Relaxed);
                Event::BreakerOpened { reason, is_dark: self.mode != Enforcement::On }
            }
            Change::StillOpen { after, reason } => {
                Event::BreakerStillOpen { after, reason, is_dark: self.mode != Enforcement::On }
            }
            Change::Isolated { reason } => Event::BreakerOpened { reason, is_dark: false },
            Change::HalfOpened { after } => Event::BreakerHalfOpened { after },
            Change::Closed { after } => {
                Event::BreakerClosed { after, refused: self.refused.load(Ordering::Relaxed) }
            }
        });
    }
}

/// The right to make one call, given back when it is dropped. Empty while the breaker is closed.
pub(crate) struct Permit(Option<Box<HeldPermit>>);

struct HeldPermit {
    breaker: Arc<CircuitBreaker>,
    right: ProbePermit,
    judge: Option<Box<dyn Fn() -> CallResult + Send + Sync>>,
}

impl Permit {
    /// For work of a call that was let through already, and for the pool's own work.
    pub(crate) fn unasked() -> Self {
        Permit(None)
    }

    /// Sets what tells the call's result when the permit is dropped; without it the result is unknown.
    pub(crate) fn judged_by(&mut self, judge: impl FnOnce() -> Box<dyn Fn() -> CallResult + Send + Sync>) {
        if let Some(permit) = &mut self.0 {
            permit.judge = Some(judge());
        }
    }

    /// The call failed before it reached the server, with this error.
    pub(crate) fn failed(&mut self, error: &Error) {
        // A call that got no connection in time has not asked the server.
        // One that a full server has turned away was answered by it.
        let is_outage = error.fault().is_connectivity() && error.fault() != Fault::TooManyConnections;
        let answer = if is_outage { CallResult::Failed } else { CallResult::Unknown };
        self.judged_by(|| Box::new(move || answer));
    }
}

impl Drop for HeldPermit {
    fn drop(&mut self) {
        let (right, answer) = (self.right, self.judge.as_ref().map_or(CallResult::Unknown, |judge| judge()));
        self.breaker.apply(|circuit| circuit.done(right, answer, Instant::now()));
    }
}

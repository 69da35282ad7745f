//! Getting a connection: the fast path, the queue, the check, and the error that tells why not.
//!
//! The fast path takes the lock once and reads the clock once. Only when it misses is there a ticket, a connect, a
//! limit for the clock to watch. Whatever is granted is in a [`Lease`] before the next `await`, so that a caller who
//! gives up at any point loses nothing for the others.

use super::admission::{Forecast, Overload, Priority};
use super::gate::{Arrival, Entrance};
use super::lease::Lease;
use super::seat::Seat;
use super::slots::{Grant, Slots};
use super::sync::MutexGuard;
use super::wait::Wait;
use super::waiters::{Refusal, Runner, Ticket, Turn, Who};
use super::{Inner, LastConnect, Manage, connects, snapshot};
use crate::deadline::{self, Deadline};
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Event;
use crate::fault::Fault;
use crate::moment::{Moment, in_seconds};
use crate::name::WorkName;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// What is asked of a pool: for which work, and by when.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(crate) name: WorkName,
    pub(crate) limit: Option<Duration>,
    pub(crate) priority: Priority,
    pub(crate) cap: Option<NonZeroU32>,
    /// When it was asked, if the clock was read just now.
    pub(crate) at: Option<Moment>,
}

impl Ask {
    /// For this work, by the pool's own limit.
    #[must_use]
    pub fn by(name: WorkName) -> Self {
        Ask { name, limit: None, priority: Priority::Normal, cap: None, at: None }
    }

    /// For the work of whoever calls this.
    #[track_caller]
    #[must_use]
    pub fn here() -> Self {
        Ask::by(WorkName::here())
    }

    /// Waits no longer than this, instead of the pool's own limit.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Before those that are less urgent.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Only while this work's name holds fewer connections than so many, at least one.
    #[must_use]
    pub fn at_most(mut self, count: usize) -> Self {
        self.cap = NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX).max(1));
        self
    }

    /// By a clock that was read just now: reading it costs as much as all that is done under the lock.
    pub(crate) fn at(mut self, now: Option<Moment>) -> Self {
        self.at = now;
        self
    }
}

pub(super) async fn acquire<M: Manage>(inner: &Arc<Inner<M>>, ask: Ask) -> Result<Lease<M>> {
    let began = ask.at.unwrap_or_else(Moment::now);
    let deadline = deadline::current().map(Deadline::moment);
    let limit = ask.limit.unwrap_or(inner.sizing.acquire_timeout);
    let cap = ask.cap.or(inner.sizing.max_per_name);
    // Made where it is stored and not before: it is large, and copying what was just written stalls the processor.
    let who =
        || Who { name: ask.name.clone(), runner: Runner::current(), deadline, priority: ask.priority, cap };
    let claim = Claim { priority: ask.priority, is_capped: cap.is_some() };
    let mut now = began;
    loop {
        let mut lent_at = Some(now);
        let times = Times { now, began, limit, deadline };
        let joined = poll_fn(|cx| Poll::Ready(join(inner, who, claim, times, cx.waker()))).await;
        let grant = match joined {
            Joined::Granted(grant) => grant,
            Joined::Waiting(ticket) => {
                lent_at = None;
                match Wait::new(&inner.slots, ticket, |effects| inner.apply(effects)).await {
                    Turn::Granted(grant) => grant,
                    Turn::Refused(refusal) => {
                        return Err(refused(inner, &ask.name, began, times.end(), refusal));
                    }
                }
            }
            Joined::Refused(refusal) => {
                return Err(refused(inner, &ask.name, began, times.end(), refusal));
            }
            Joined::Full(forecast) => return Err(full(inner, &ask.name, forecast.map(|forecast| *forecast))),
            Joined::Overloaded(overload) => return Err(overloaded(&ask.name, *overload)),
        };
        let Grant { slot, connection, unused_for, is_expired } = grant;
        let mut lease = Lease::new(inner, slot, connection);
        let is_fit = match admit(inner, &lease, unused_for) {
            _ if is_expired => false,
            Admission::Fit => true,
            Admission::Dead => false,
            // Boxed, because it is rare and would make every acquire larger.
            Admission::Unsure => {
                lent_at = None;
                Box::pin(check(inner, &mut lease, times.end().instant())).await
            }
        };
        if is_fit {
            lease.lent_at = lent_at;
            return Ok(lease);
        }
        lease.reject();
        now = Moment::now();
        let until = times.end();
        if until <= now {
            let refusal = Refusal::TimedOut { entangled: None, cap: None };
            return Err(refused(inner, &ask.name, began, until, refusal));
        }
    }
}

enum Joined<C> {
    Granted(Grant<C>),
    Waiting(Ticket<Grant<C>>),
    Refused(Refusal),
    Full(Option<Box<Forecast>>),
    Overloaded(Box<Overload>),
}

/// What the door has to know of a caller, beside who it is.
#[derive(Clone, Copy)]
struct Claim {
    priority: Priority,
    is_capped: bool,
}

/// The times of one wait.
#[derive(Clone, Copy)]
struct Times {
    now: Moment,
    began: Moment,
    limit: Duration,
    deadline: Option<Moment>,
}

impl Times {
    /// When it ends: by its own limit or the deadline, whichever is earlier.
    fn end(self) -> Moment {
        let own = self.began + self.limit;
        self.deadline.map_or(own, |deadline| own.min(deadline))
    }
}

/// Whatever is idle now; else a ticket, and a connect if there is room. Takes the lock once.
#[inline]
fn join<M: Manage>(
    inner: &Arc<Inner<M>>,
    who: impl Fn() -> Who,
    claim: Claim,
    times: Times,
    waker: &Waker,
) -> Joined<M::Connection> {
    let Times { now, limit, deadline, .. } = times;
    // How long there would be to wait matters only to one who has to.
    let is_in_time = deadline.is_none_or(|deadline| now < deadline) && !limit.is_zero();
    // Where somebody waits already, so will this one: its seat is made before the lock is taken, and not under it.
    let seat = inner.is_crowded.load(Ordering::Relaxed).then(|| Seat::new(waker.clone()));
    let mut slots = inner.slots.lock();
    if is_in_time
        && !slots.is_gated
        && !claim.is_capped
        && let Some(grant) = slots.lend(&who, now)
    {
        drop(slots);
        if let Some(deadline) = deadline {
            inner.watchdog.arm(deadline);
        }
        return Joined::Granted(grant);
    }
    let arrival = Arrival { now, until: times.end(), deadline, priority: claim.priority };
    let seat = seat.unwrap_or_else(|| Seat::new(waker.clone()));
    queue(inner, slots, &who, arrival, claim.is_capped, seat)
}

/// The rest of [`join`], out of the way of those who need not wait.
#[inline(never)]
fn queue<M: Manage>(
    inner: &Arc<Inner<M>>,
    mut slots: MutexGuard<'_, Slots<M::Connection, M::Handle>>,
    who: &dyn Fn() -> Who,
    arrival: Arrival,
    is_capped: bool,
    seat: Arc<Seat<Grant<M::Connection>>>,
) -> Joined<M::Connection> {
    let Arrival { now, until, deadline, .. } = arrival;
    if slots.is_closed {
        return Joined::Refused(Refusal::Closed);
    }
    if until <= now {
        return Joined::Refused(Refusal::TimedOut { entangled: None, cap: None });
    }
    let entrance = slots.enter(who, arrival, is_capped, seat);
    let untold = std::mem::take(&mut slots.untold);
    let ticket = match entrance {
        Entrance::Waiting(ticket) => ticket,
        decided => {
            drop(slots);
            inner.tell_refusals(untold);
            return decide(inner, decided, deadline);
        }
    };
    // Nearly always it is known already, and a write would take the line from everybody else.
    if !inner.is_crowded.load(Ordering::Relaxed) {
        inner.is_crowded.store(true, Ordering::Relaxed);
    }
    let wanted = slots.wanted();
    let connects = slots.begin_connects(wanted, now);
    let mut alarm = until;
    if let Some(after) = inner.sizing.deadlock_after {
        alarm = alarm.min(now + after / 4);
    }
    if let Some(back_off) = slots.back_off {
        alarm = alarm.min(back_off);
    }
    drop(slots);
    inner.tell_refusals(untold);
    inner.watchdog.arm(alarm);
    connects::start(inner, connects);
    Joined::Waiting(ticket)
}

/// What needs no waiting: lent or refused at once.
fn decide<M: Manage>(
    inner: &Inner<M>,
    entrance: Entrance<M::Connection>,
    deadline: Option<Moment>,
) -> Joined<M::Connection> {
    match entrance {
        Entrance::Granted(grant) => {
            if let Some(deadline) = deadline {
                inner.watchdog.arm(deadline);
            }
            Joined::Granted(grant)
        }
        Entrance::Waiting(ticket) => Joined::Waiting(ticket),
        Entrance::Full(forecast) => Joined::Full(forecast),
        Entrance::Overloaded(overload) => Joined::Overloaded(overload),
    }
}

enum Admission {
    Fit,
    Dead,
    Unsure,
}

/// A dead connection is never lent: what is known to have ended is turned away at once, and what nothing was heard of
/// for long has to prove that it lives.
fn admit<M: Manage>(inner: &Inner<M>, lease: &Lease<M>, unused_for: Duration) -> Admission {
    let handle = inner.manager.handle(lease);
    if inner.manager.is_dead(handle) {
        return Admission::Dead;
    }
    let is_due = inner.sizing.check_after_idle.is_some_and(|after| {
        unused_for >= after
            && !unused_for.is_zero()
            && inner.manager.silent_for(handle, Instant::now()).is_none_or(|silent| silent >= after)
    });
    if is_due { Admission::Unsure } else { Admission::Fit }
}

/// Asks the server. A silent one must not use up the whole wait: a living one answers within a second or is not worth
/// having.
async fn check<M: Manage>(inner: &Inner<M>, lease: &mut Lease<M>, until: Instant) -> bool {
    let until = until.min(Instant::now() + Duration::from_secs(1));
    matches!(tokio::time::timeout_at(until, inner.manager.check(lease)).await, Ok(Ok(())))
}

/// Refusals at the door are told of as a number once a second, not each by an event of its own.
#[cold]
fn full<M: Manage>(inner: &Inner<M>, name: &WorkName, forecast: Option<Forecast>) -> Error {
    let sentence = format!("acquire for {name} was refused at once: {}", snapshot::sentence(inner));
    let error = Error::new(Fault::QueueFull, Phase::Acquire, Outcome::NotStarted, sentence);
    match forecast {
        Some(forecast) => error.with_retry_after(forecast.wait),
        None => error,
    }
}

/// The place, the wait and what is left: whoever reads it sees what would have had to be otherwise.
#[cold]
fn overloaded(name: &WorkName, overload: Overload) -> Error {
    let Overload { forecast: Forecast { place, wait, service }, remaining } = overload;
    let [wait, service, remaining] = [wait, service, remaining].map(|span| span.as_millis());
    let why = match place {
        0 => format!(
            "was refused when its turn came: a lease usually lasts {service} ms, and {remaining} ms were left"
        ),
        place => format!(
            "was refused at once: at place {place} of the queue it would wait for {wait} ms, a lease usually \
             lasts {service} ms, and {remaining} ms were left"
        ),
    };
    Error::new(Fault::Overloaded, Phase::Acquire, Outcome::NotStarted, format!("acquire for {name} {why}"))
        .with_retry_after(overload.retry_after())
}

const ENTANGLED: &str = "every lease is held by a task that waits for another";

/// The words that operators of other services already search their logs for.
fn exhausted(seconds: f64) -> String {
    format!(
        "Failed to acquire database connection after {seconds}s. Pool may be exhausted or database may be unresponsive."
    )
}

struct TimedOut {
    seconds: f64,
    is_own_limit: bool,
    is_paused: bool,
    entangled: Option<String>,
    cap: Option<NonZeroU32>,
    numbers: String,
}

/// Whose time it was, and what else stood in the way; a pause or a cap is no exhaustion.
fn timed_out(how: TimedOut) -> (Fault, String) {
    let TimedOut { seconds, is_own_limit, is_paused, entangled, cap, numbers } = how;
    let capped = cap.map(|cap| format!("its name holds the {cap} that it may, ")).unwrap_or_default();
    let knot = entangled.map(|leases| format!("; {ENTANGLED}: {leases}")).unwrap_or_default();
    let numbers = format!("{capped}{numbers}{knot}");
    if !is_own_limit {
        return (Fault::DeadlinePassed, format!("was ended by its deadline after {seconds:.1} s: {numbers}"));
    }
    let known = if is_paused || cap.is_some() { String::new() } else { format!(". {}", exhausted(seconds)) };
    (Fault::PoolExhausted, format!("gave up after {seconds:.1} s: {numbers}{known}"))
}

/// The error of a waiter that was sent away: fault by the true cause, numbers first.
#[cold]
fn refused<M: Manage>(
    inner: &Inner<M>,
    name: &WorkName,
    began: Moment,
    until: Moment,
    refusal: Refusal,
) -> Error {
    if let Refusal::Overloaded(overload) = refusal {
        return overloaded(name, *overload);
    }
    let waited = Moment::now().since(began);
    let seconds = in_seconds(waited);
    let (open, is_paused, last) = {
        let mut slots = inner.slots.lock();
        slots.totals.failed += 1;
        (slots.total() - slots.opening(), slots.is_paused, inner.last_connect.lock().clone())
    };
    let cannot_connect = match &last {
        LastConnect::Failed { fault, sentence, .. } if open == 0 => Some((*fault, sentence.clone())),
        _ => None,
    };
    let is_own_limit = deadline::current().is_none_or(|deadline| until < deadline.moment());
    let (fault, why) = match (refusal, cannot_connect) {
        (Refusal::Closed, _) => (Fault::PoolClosed, "was refused: the pool is closed".to_owned()),
        (Refusal::Deadlock(leases), _) => {
            (Fault::SelfDeadlock, format!("was ended after {seconds:.1} s: {ENTANGLED}: {leases}"))
        }
        (Refusal::Hopeless, Some((fault, why))) => {
            (fault, format!("was refused after {seconds:.1} s: no connection can be opened: {why}"))
        }
        (Refusal::TimedOut { .. }, Some((fault, why))) if is_own_limit => {
            (fault, format!("gave up after {seconds:.1} s: no connection could be opened: {why}"))
        }
        (Refusal::TimedOut { entangled, cap }, _) => {
            let numbers = snapshot::sentence(inner);
            timed_out(TimedOut { seconds, is_own_limit, is_paused, entangled, cap, numbers })
        }
        // Answered above.
        (Refusal::Overloaded(_), _) => (Fault::Overloaded, "was refused".to_owned()),
        (Refusal::Hopeless, None) => {
            (Fault::Unreachable, "was refused: no connection can be opened".to_owned())
        }
    };
    let sentence = format!("acquire for {name} {why}");
    inner.events.tell(Event::AcquireFailed { work: name.to_string(), fault, waited });
    let error = Error::new(fault, Phase::Acquire, Outcome::NotStarted, sentence);
    match last {
        LastConnect::Failed { sqlstate: Some(code), .. }
            if fault.is_connectivity() || fault == Fault::Authentication =>
        {
            error.with_sqlstate(&code)
        }
        _ => error,
    }
}

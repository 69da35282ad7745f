//! Getting a connection: the fast path, the queue, the check, and the error that tells why not.
//!
//! The fast path takes the lock once and reads the clock once. Only when it misses is there a ticket, a connect, a
//! limit for the clock to watch. Whatever is granted is in a [`Lease`] before the next `await`, so that a caller who
//! gives up at any point loses nothing for the others.

use super::lease::Lease;
use super::slots::Grant;
use super::wait::Wait;
use super::waiters::{Refusal, Runner, Ticket, Turn, Who};
use super::{Inner, LastConnect, Manage, connects, snapshot};
use crate::deadline::{self, Deadline};
use crate::error::{Error, Outcome, Phase, Result};
use crate::event::Event;
use crate::fault::Fault;
use crate::name::WorkName;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// What is asked of a pool: for which work, and by when.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(crate) name: WorkName,
    pub(crate) limit: Option<Duration>,
}

impl Ask {
    /// For this work, by the pool's own limit.
    #[must_use]
    pub fn by(name: WorkName) -> Self {
        Ask { name, limit: None }
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
}

pub(super) async fn acquire<M: Manage>(inner: &Arc<Inner<M>>, ask: Ask) -> Result<Lease<M>> {
    let began = Instant::now();
    let deadline = deadline::current();
    let limit = ask.limit.unwrap_or(inner.sizing.acquire_timeout);
    let own_end = began.checked_add(limit).unwrap_or(began + Duration::from_secs(365 * 24 * 3600));
    let until = Deadline::at(own_end).or_earlier(deadline).instant();
    let runner = Runner::current();
    let who = Who { name: ask.name, runner, deadline: deadline.map(Deadline::instant) };
    let mut asking = Some(who);
    let mut now = began;
    loop {
        let joined = poll_fn(|cx| Poll::Ready(join(inner, &mut asking, now, until, cx.waker()))).await;
        let grant = match joined {
            Joined::Granted(grant) => grant,
            Joined::Waiting(ticket, name) => {
                match Wait::new(&inner.slots, ticket, |effects| inner.apply(effects)).await {
                    Turn::Granted(grant) => grant,
                    Turn::Refused(refusal) => return Err(refused(inner, &name, began, until, refusal)),
                }
            }
            Joined::Refused(refusal) => return Err(refused(inner, &name_of(&asking), began, until, refusal)),
            Joined::Full => return Err(full(inner, &name_of(&asking))),
        };
        let mut lease = Lease::new(inner, grant.slot, grant.connection);
        let is_fit = match admit(inner, &lease, grant.idle_for) {
            Admission::Fit => true,
            Admission::Dead => false,
            // Boxed, because it is rare and would make every acquire larger.
            Admission::Unsure => Box::pin(check(inner, &mut lease, until)).await,
        };
        if is_fit {
            return Ok(lease);
        }
        asking = lease.reject();
        now = Instant::now();
    }
}

fn name_of(asking: &Option<Who>) -> WorkName {
    asking.as_ref().map_or_else(WorkName::here, |who| who.name.clone())
}

enum Joined<C> {
    Granted(Grant<C>),
    Waiting(Ticket, WorkName),
    Refused(Refusal),
    Full,
}

/// Whatever is idle now; else a ticket, and a connect if there is room. Takes the lock once.
fn join<M: Manage>(
    inner: &Arc<Inner<M>>,
    asking: &mut Option<Who>,
    now: Instant,
    until: Instant,
    waker: &Waker,
) -> Joined<M::Connection> {
    let lease_end = asking.as_ref().and_then(|who| who.deadline);
    let mut slots = inner.slots.lock();
    if slots.is_closed {
        return Joined::Refused(Refusal::Closed);
    }
    if until <= now {
        return Joined::Refused(Refusal::TimedOut { entangled: None });
    }
    if let Some(grant) = slots.lend(asking, now) {
        drop(slots);
        if let Some(end) = lease_end {
            inner.watchdog.arm(end);
        }
        return Joined::Granted(grant);
    }
    if slots.waiters.is_full() {
        slots.totals.failed += 1;
        return Joined::Full;
    }
    let Some(who) = asking.take() else { return Joined::Refused(Refusal::Closed) };
    let name = who.name.clone();
    let ticket = slots.waiters.push(who, now, until, waker.clone());
    let wanted = slots.wanted();
    let connects = slots.begin_connects(wanted, now);
    let mut alarm = lease_end.map_or(until, |end| until.min(end));
    if let Some(after) = inner.sizing.deadlock_after {
        alarm = alarm.min(now + after / 4);
    }
    if let Some(back_off) = slots.back_off {
        alarm = alarm.min(back_off);
    }
    drop(slots);
    inner.watchdog.arm(alarm);
    connects::start(inner, connects);
    Joined::Waiting(ticket, name)
}

enum Admission {
    Fit,
    Dead,
    Unsure,
}

/// A dead connection is never lent: what is known to have ended is turned away at once, and what was idle for long
/// has to prove that it lives.
fn admit<M: Manage>(inner: &Inner<M>, lease: &Lease<M>, idle_for: Duration) -> Admission {
    if lease.is_dead() {
        return Admission::Dead;
    }
    let is_due = inner.sizing.check_after_idle.is_some_and(|after| idle_for >= after && !idle_for.is_zero());
    if is_due { Admission::Unsure } else { Admission::Fit }
}

/// Asks the server. A silent one must not use up the whole wait: a living one answers within a second or is not worth
/// having.
async fn check<M: Manage>(inner: &Inner<M>, lease: &mut Lease<M>, until: Instant) -> bool {
    let until = until.min(Instant::now() + Duration::from_secs(1));
    matches!(tokio::time::timeout_at(until, inner.manager.check(lease)).await, Ok(Ok(())))
}

fn full<M: Manage>(inner: &Inner<M>, name: &WorkName) -> Error {
    let sentence = format!("acquire for {name} was refused at once: {}", snapshot::sentence(inner));
    inner.events.tell(Event::AcquireFailed {
        work: name.to_string(),
        fault: Fault::QueueFull,
        waited: Duration::ZERO,
    });
    Error::new(Fault::QueueFull, Phase::Acquire, Outcome::NotStarted, sentence)
}

const ENTANGLED: &str = "every lease is held by a task that waits for another";

/// The words that operators of other services already search their logs for.
fn exhausted(seconds: f64) -> String {
    format!(
        "Failed to acquire database connection after {seconds:.0}s. Pool may be exhausted or database may be unresponsive."
    )
}

/// The error of a waiter that was sent away: fault by the true cause, numbers first.
fn refused<M: Manage>(
    inner: &Inner<M>,
    name: &WorkName,
    began: Instant,
    until: Instant,
    refusal: Refusal,
) -> Error {
    let waited = began.elapsed();
    let seconds = waited.as_secs_f64();
    let (open, last) = {
        let mut slots = inner.slots.lock();
        slots.totals.failed += 1;
        (slots.total() - slots.opening(), inner.last_connect.lock().clone())
    };
    let cannot_connect = match &last {
        LastConnect::Failed { fault, sentence, .. } if open == 0 => Some((*fault, sentence.clone())),
        _ => None,
    };
    let is_own_limit = deadline::current().is_none_or(|deadline| until < deadline.instant());
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
        (Refusal::TimedOut { entangled }, _) => {
            let numbers = snapshot::sentence(inner);
            let knot = entangled.map(|leases| format!("; {ENTANGLED}: {leases}")).unwrap_or_default();
            if is_own_limit {
                (
                    Fault::PoolExhausted,
                    format!("gave up after {seconds:.1} s: {numbers}{knot}. {}", exhausted(seconds)),
                )
            } else {
                (
                    Fault::DeadlinePassed,
                    format!("was ended by its deadline after {seconds:.1} s: {numbers}{knot}"),
                )
            }
        }
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

//! Getting a connection: the fast path, the queue, the check, and the error that tells why not.
//!
//! The fast path takes the lock once and reads the clock once. Only when it misses is there a ticket, a connect, a
//! limit for the clock to watch. Whatever is granted is in a [`Loan`] before the next `await`, so that a caller who
//! gives up at any point loses nothing for the others.

use super::admission::{Forecast, Overload, Priority};
use super::gate::{Arrival, Entrance};
use super::lease::Loan;
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
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// What is asked of a pool: for which work, and by when.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(super) name: WorkName,
    pub(super) terms: Terms,
}

/// On which terms it is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) limit: Option<Duration>,
    pub(crate) priority: Priority,
    pub(crate) cap: Option<NonZeroU32>,
    /// When it was asked, if the clock was read just now: reading it costs as much as all that is done under the lock.
    pub(crate) at: Option<Moment>,
}

impl Ask {
    /// For this work, by the pool's own limit.
    #[must_use]
    pub fn by(name: WorkName) -> Self {
        Ask { name, terms: Terms::default() }
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
        self.terms.limit = Some(limit);
        self
    }

    /// Before those that are less urgent.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.terms.priority = priority;
        self
    }

    /// Only while this work's name holds fewer connections than so many, at least one.
    #[must_use]
    pub fn at_most(mut self, count: usize) -> Self {
        self.terms.cap = Some(cap(count));
        self
    }
}

/// How many connections a name may hold: so many, and at least one.
pub(crate) fn cap(count: usize) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

/// Who wants a connection, on which terms and since when. Whatever happens on the way looks here, so that a wait keeps
/// each of them once: a task that has waited finds little of its memory in the processor's cache, and every line of it
/// that must be fetched costs as much as a hundred instructions.
struct Wanted<'a, M: Manage> {
    inner: &'a Arc<Inner<M>>,
    name: &'a WorkName,
    limit: Duration,
    deadline: Option<Moment>,
    began: Moment,
    now: Moment,
    cap: Option<NonZeroU32>,
    priority: Priority,
}

impl<'a, M: Manage> Wanted<'a, M> {
    fn new(inner: &'a Arc<Inner<M>>, name: &'a WorkName, terms: Terms) -> Self {
        let began = terms.at.unwrap_or_else(Moment::now);
        Wanted {
            inner,
            name,
            limit: terms.limit.unwrap_or(inner.sizing.acquire_timeout),
            deadline: deadline::current().map(Deadline::moment),
            began,
            now: began,
            cap: terms.cap.or(inner.sizing.max_per_name),
            priority: terms.priority,
        }
    }

    /// When the wait ends: by its own limit or the deadline, whichever is earlier.
    fn end(&self) -> Moment {
        let own = self.began + self.limit;
        self.deadline.map_or(own, |deadline| own.min(deadline))
    }

    /// Made where it is stored and not before: it is large, and copying what was just written stalls the processor.
    fn who(&self) -> Who {
        Who {
            name: self.name.clone(),
            runner: Runner::current(),
            deadline: self.deadline,
            priority: self.priority,
            cap: self.cap,
        }
    }
}

/// To be called when the connection is wanted, and not before: it looks at the clock and at the surrounding deadline.
///
/// An `async fn` would keep each of its arguments twice, as it was given and as a variable of the body; a block keeps
/// it once.
pub(super) fn acquire<'a, M: Manage>(
    inner: &'a Arc<Inner<M>>,
    name: &'a WorkName,
    terms: Terms,
) -> impl Future<Output = Result<Loan<'a, M>>> + Send + use<'a, M> {
    let mut wanted = Wanted::new(inner, name, terms);
    async move {
        loop {
            let (Grant { slot, connection, unused_for, is_expired }, lent_at) =
                match (Turnstile { wanted: &wanted, wait: None }).await {
                    Passed::AtOnce(grant) => (grant, Some(wanted.now)),
                    Passed::InTurn(grant) => (grant, None),
                    Passed::Denied(denial) => return Err(denied(&wanted, denial)),
                };
            let mut lease = Loan::new(wanted.inner, slot, connection);
            match admit(wanted.inner, &lease, unused_for) {
                _ if is_expired => lease.reject(),
                Admission::Fit => {
                    lease.lent_at = lent_at;
                    return Ok(lease);
                }
                Admission::Dead => lease.reject(),
                // Boxed, because it is rare and would make every acquire larger.
                Admission::Unsure => match Box::pin(check(wanted.inner, lease, wanted.end().instant())).await
                {
                    Ok(lease) => return Ok(lease),
                    Err(lease) => lease.reject(),
                },
            }
            wanted.now = Moment::now();
            if wanted.end() <= wanted.now {
                let refusal = Refusal::TimedOut { entangled: None, cap: None };
                return Err(denied(&wanted, Denial::Refused(refusal)));
            }
        }
    }
}

/// How it ended.
enum Passed<C> {
    AtOnce(Grant<C>),
    InTurn(Grant<C>),
    Denied(Denial),
}

/// Why there is none.
enum Denial {
    Refused(Refusal),
    Full(Option<Box<Forecast>>),
    Overloaded(Box<Overload>),
}

/// Lends at its first poll, or joins the queue then, with the waker of whoever polls; and waits there.
struct Turnstile<'b, 'a, M: Manage> {
    wanted: &'b Wanted<'a, M>,
    wait: Option<Wait<'a, Arc<Inner<M>>>>,
}

impl<M: Manage> Future for Turnstile<'_, '_, M> {
    type Output = Passed<M::Connection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Passed<M::Connection>> {
        let this = self.get_mut();
        match &mut this.wait {
            None => match join(this.wanted, cx.waker()) {
                Joined::Granted(grant) => Poll::Ready(Passed::AtOnce(grant)),
                Joined::Denied(denial) => Poll::Ready(Passed::Denied(denial)),
                Joined::Waiting(ticket) => {
                    this.wait = Some(Wait::new(this.wanted.inner, ticket));
                    Poll::Pending
                }
            },
            Some(wait) => Pin::new(wait).poll(cx).map(|turn| match turn {
                Turn::Granted(grant) => Passed::InTurn(grant),
                Turn::Refused(refusal) => Passed::Denied(Denial::Refused(refusal)),
            }),
        }
    }
}

enum Joined<C> {
    Granted(Grant<C>),
    Waiting(Ticket<Grant<C>>),
    Denied(Denial),
}

/// Whatever is idle now; else a ticket, and a connect if there is room. Takes the lock once.
#[inline]
fn join<M: Manage>(wanted: &Wanted<'_, M>, waker: &Waker) -> Joined<M::Connection> {
    let Wanted { inner, now, limit, deadline, .. } = *wanted;
    // How long there would be to wait matters only to one who has to.
    let is_in_time = deadline.is_none_or(|deadline| now < deadline) && !limit.is_zero();
    // Where somebody waits already, so will this one: its seat is made before the lock is taken, and not under it.
    let seat = inner.is_crowded.load(Ordering::Relaxed).then(|| Seat::new(waker.clone()));
    let mut slots = inner.slots.lock();
    if is_in_time
        && !slots.is_gated
        && wanted.cap.is_none()
        && let Some(grant) = slots.lend(|| wanted.who(), now)
    {
        drop(slots);
        if let Some(deadline) = deadline {
            inner.watchdog.arm(deadline);
        }
        return Joined::Granted(grant);
    }
    queue(wanted, slots, seat.unwrap_or_else(|| Seat::new(waker.clone())))
}

/// The rest of [`join`], out of the way of those who need not wait.
#[inline(never)]
fn queue<M: Manage>(
    wanted: &Wanted<'_, M>,
    mut slots: MutexGuard<'_, Slots<M::Connection, M::Handle>>,
    seat: Arc<Seat<Grant<M::Connection>>>,
) -> Joined<M::Connection> {
    let Wanted { inner, now, deadline, priority, .. } = *wanted;
    let until = wanted.end();
    if slots.is_closed {
        return Joined::Denied(Denial::Refused(Refusal::Closed));
    }
    if until <= now {
        return Joined::Denied(Denial::Refused(Refusal::TimedOut { entangled: None, cap: None }));
    }
    let arrival = Arrival { now, until, deadline, priority };
    let entrance = slots.enter(&|| wanted.who(), arrival, wanted.cap.is_some(), seat);
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
    let wanting = slots.wanted();
    let connects = slots.begin_connects(wanting, now);
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
        Entrance::Full(forecast) => Joined::Denied(Denial::Full(forecast)),
        Entrance::Overloaded(overload) => Joined::Denied(Denial::Overloaded(overload)),
    }
}

enum Admission {
    Fit,
    Dead,
    Unsure,
}

/// A dead connection is never lent: what is known to have ended is turned away at once, and what nothing was heard of
/// for long has to prove that it lives.
fn admit<M: Manage>(inner: &Inner<M>, lease: &Loan<'_, M>, unused_for: Duration) -> Admission {
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
async fn check<'a, M: Manage>(
    inner: &Inner<M>,
    mut lease: Loan<'a, M>,
    until: Instant,
) -> Result<Loan<'a, M>, Loan<'a, M>> {
    let until = until.min(Instant::now() + Duration::from_secs(1));
    match tokio::time::timeout_at(until, inner.manager.check(&mut lease)).await {
        Ok(Ok(())) => Ok(lease),
        _ => Err(lease),
    }
}

#[cold]
fn denied<M: Manage>(wanted: &Wanted<'_, M>, denial: Denial) -> Error {
    let Wanted { inner, name, began, .. } = *wanted;
    match denial {
        Denial::Refused(refusal) => refused(inner, name, began, wanted.end(), refusal),
        Denial::Full(forecast) => full(inner, name, forecast.map(|forecast| *forecast)),
        Denial::Overloaded(overload) => overloaded(name, *overload),
    }
}

/// Refusals at the door are told of as a number once a second, not each by an event of its own.
#[cold]
fn full<M: Manage>(inner: &Inner<M>, name: &WorkName, forecast: Option<Forecast>) -> Error {
    let sentence = format!("acquire for {name} was refused at once: {}", snapshot::sentence(inner));
    let error = Error::new(Fault::QueueFull, Phase::Acquire, Outcome::NotStarted, sentence);
    match forecast {
        Some(forecast) => error.with_retry_after(forecast.wait()),
        None => error,
    }
}

/// The place, the wait and what is left: whoever reads it sees what would have had to be otherwise.
#[cold]
fn overloaded(name: &WorkName, overload: Overload) -> Error {
    let Overload { forecast, remaining } = overload;
    let [wait, service, remaining] =
        [forecast.wait(), forecast.service(), remaining].map(|span| span.as_millis());
    let why = match forecast.place {
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

//! Getting a connection: the fast path, the queue, the check. Why there is none is told in [`denial`](super::denial).
//!
//! The fast path takes the lock once and reads the clock once. Only when it misses is there a ticket, a connect, a
//! limit for the clock to watch. Whatever is granted is in a [`Loan`] before the next `await`, so that a caller who
//! gives up at any point loses nothing for the others.

use super::ask::{Terms, per_name};
use super::denial::denied;
use super::fairness::refused;
use super::foreign_runtime::own_timer;
use super::lease::Loan;
use super::wait::Wait;
use super::{Inner, Manage, connects};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::forecast::{Forecast, Priority};
use crate::rules::gate::{Arrival, Entrance};
use crate::rules::queue::handover::Grant;
use crate::rules::queue::seat::Seat;
use crate::rules::queue::waiters::{Refusal, Ticket, Turn, Who};
use crate::rules::slots::Slots;
use crate::runner::Runner;
use crate::sync::MutexGuard;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Who wants a connection, on which terms and since when. Whatever happens on the way looks here, so that a wait keeps
/// each of them once: a task that has waited finds little of its memory in the processor's cache, and every line of it
/// that must be fetched costs as much as a hundred instructions.
pub(super) struct Wanted<'a, M: Manage> {
    pub(super) inner: &'a Arc<Inner<M>>,
    pub(super) name: &'a WorkName,
    limit: Duration,
    pub(super) deadline: Option<Moment>,
    pub(super) began: Moment,
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
            limit: terms.limit.unwrap_or(inner.plan.pool_timeout()),
            deadline: terms.deadline.map(Deadline::moment),
            began,
            now: began,
            cap: terms.cap.or_else(|| per_name(inner.plan.max_per_name())),
            priority: terms.priority,
        }
    }

    /// When the wait ends: by its own limit or the deadline, whichever is earlier.
    pub(super) fn end(&self) -> Moment {
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

/// To be called when the connection is wanted, and not before: it looks at the clock.
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
                match (Turnstile { wanted: &wanted, wait: None, timer: None }).await {
                    Passed::AtOnce(grant) => (grant, Some(wanted.now)),
                    Passed::InTurn(grant) => (grant, None),
                    Passed::Denied(denial) => return refused(denied(&wanted, denial)).await,
                };
            let mut lease = Loan::new(wanted.inner, slot, connection);
            match admit(wanted.inner, &lease, unused_for) {
                _ if is_expired => lease.reject(),
                Fitness::Fit => {
                    lease.lent_at = lent_at;
                    return Ok(lease);
                }
                Fitness::Dead => lease.reject(),
                // Boxed, because it is rare and would make every acquire larger.
                Fitness::Unsure => match Box::pin(check(wanted.inner, lease, wanted.end().instant())).await {
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
pub(super) enum Denial {
    Refused(Refusal),
    Full(Option<Box<Forecast>>),
}

/// Lends at its first poll, or joins the queue then, with the waker of whoever polls; and waits there.
struct Turnstile<'b, 'a, M: Manage> {
    wanted: &'b Wanted<'a, M>,
    wait: Option<Wait<'a, Arc<Inner<M>>>>,
    /// Of whoever waits on another runtime than the pool's.
    timer: Option<Pin<Box<Sleep>>>,
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
                    this.timer = own_timer(&this.wanted.inner.runtime, this.wanted.end());
                    this.poll_timer(cx)
                }
            },
            Some(wait) => match Pin::new(wait).poll(cx) {
                Poll::Ready(Turn::Granted(grant)) => Poll::Ready(Passed::InTurn(grant)),
                Poll::Ready(Turn::Refused(refusal)) => Poll::Ready(Passed::Denied(Denial::Refused(refusal))),
                Poll::Pending => this.poll_timer(cx),
            },
        }
    }
}

impl<M: Manage> Turnstile<'_, '_, M> {
    /// The end of a wait that the pool's clock has not ended. What is granted just then goes to the next in line.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Passed<M::Connection>> {
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        self.wait = None;
        let refusal = Refusal::TimedOut { entangled: None, cap: None };
        Poll::Ready(Passed::Denied(Denial::Refused(refusal)))
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
    let connects = slots.begin_wanted(now);
    let mut alarm = until;
    if let Some(after) = inner.plan.deadlock_after() {
        alarm = alarm.min(now + after / 4);
    }
    if let Some(back_off) = slots.back_off {
        alarm = alarm.min(back_off);
    }
    drop(slots);
    inner.tell_refusals(untold);
    inner.watchdog.arm(alarm);
    if !connects.is_empty() {
        connects::start(inner, connects);
    }
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
        Entrance::Overloaded(overload) => Joined::Denied(Denial::Refused(Refusal::Overloaded(overload))),
    }
}

enum Fitness {
    Fit,
    Dead,
    Unsure,
}

/// A dead connection is never lent: what is known to have ended is turned away at once, and what nothing was heard of
/// for long has to prove that it lives.
fn admit<M: Manage>(inner: &Inner<M>, lease: &Loan<'_, M>, unused_for: Duration) -> Fitness {
    let handle = inner.manager.handle(lease);
    if inner.manager.is_dead(handle) {
        return Fitness::Dead;
    }
    let is_due = inner.plan.check_after_idle().is_some_and(|after| {
        unused_for >= after
            && !unused_for.is_zero()
            && inner.manager.silent_for(handle, Instant::now()).is_none_or(|silent| silent >= after)
    });
    if is_due { Fitness::Unsure } else { Fitness::Fit }
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

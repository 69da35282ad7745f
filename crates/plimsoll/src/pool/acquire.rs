//! Getting a connection: the fast path, the queue, the check. Why there is none is told in [`refusal`](super::refusal).
//!
//! The fast path takes the lock once and reads the clock once. Only when it misses is there a ticket, a connect, a
//! limit for the clock to watch. A connection that is granted is in a [`Lease`] before the next `await`, so no
//! connection is lost, wherever the caller stops waiting.

use super::ask::Ask;
use super::fairness::refused;
use super::foreign_runtime::is_foreign;
use super::lease::Lease;
use super::refusal::{error, nothing_idle};
use super::wait::Wait;
use super::{Inner, Manage, connects};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::moment::Moment;
use crate::rules::gate::Entrance;
use crate::rules::queue::handover::Grant;
use crate::rules::queue::seat::{Answer, Seat};
use crate::rules::refusal::Refusal;
use crate::rules::request::Request;
use crate::rules::slots::{Closing, Slots};
use crate::sync::MutexGuard;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Lends a connection.
///
/// # Cancel safety
/// Dropped, it leaves the queue; what was granted just then goes to the next in line.
pub(super) async fn acquire<M: Manage>(
    inner: &Arc<Inner<M>>,
    ask: Ask,
    deadline: Option<Deadline>,
) -> Result<Lease<M>> {
    let is_trial = ask.is_trial;
    let request = ask.begin(&inner.plan, deadline);
    let acquisition = inner.metering.acquisition(request.since);
    let refusal = match lend(inner, &request).await {
        Ok(mut lease) => {
            lease.begin(acquisition.succeeded());
            return Ok(lease);
        }
        Err(refusal) => refusal,
    };
    let error = match refusal {
        Refusal::TimedOut { .. } if is_trial && request.has_own_limit() => {
            acquisition.withdrawn();
            nothing_idle(&request)
        }
        refusal => {
            acquisition.failed();
            error(inner, &request, refusal)
        }
    };
    refused(error).await
}

/// Lends a connection that is fit for use, or tells why there is none.
async fn lend<M: Manage>(inner: &Arc<Inner<M>>, request: &Request) -> Result<Lease<M>, Refusal> {
    let mut now = request.since;
    loop {
        let Grant { slot, connection, unused_for, is_expired } = grant(inner, request, now).await?;
        let mut lease = Lease::new(Arc::clone(inner), slot, connection);
        if !is_expired && is_fit(inner, &mut lease, unused_for, request.end()).await {
            return Ok(lease);
        }
        lease.reject(if is_expired { Closing::Expired } else { Closing::Dead });
        now = Moment::now();
        if request.end() <= now {
            return Err(Refusal::TIMED_OUT);
        }
    }
}

/// Lends an idle connection, or waits in the queue for one.
async fn grant<M: Manage>(
    inner: &Arc<Inner<M>>,
    request: &Request,
    now: Moment,
) -> Answer<Grant<M::Connection>> {
    let wait = match enter(inner, request, now)? {
        Entrance::Granted(grant) => return Ok(grant),
        Entrance::Waiting(ticket) => Wait::new(inner, ticket),
    };
    if is_foreign(&inner.runtime) {
        // The pool's clock may not run. Boxed, because it is rare and would make every acquire larger.
        let end = request.until.instant();
        return Box::pin(timeout_at(end, wait)).await.unwrap_or(Err(Refusal::TIMED_OUT));
    }
    wait.await
}

/// Lends what is idle; else joins the queue, unless the request may not wait. Takes the lock once.
#[inline]
fn enter<M: Manage>(
    inner: &Arc<Inner<M>>,
    request: &Request,
    now: Moment,
) -> Result<Entrance<M::Connection>, Refusal> {
    // Where others wait already, so will this request: its seat is made before the lock is taken, and not under it.
    let seat = inner.is_crowded.load(Ordering::Relaxed).then(Seat::new);
    let mut slots = inner.slots.lock();
    if !slots.is_gated()
        && request.cap.is_none()
        && now < request.end()
        && let Some(grant) = slots.lend(request, now)
    {
        drop(slots);
        watch_deadline(inner, request);
        return Ok(Entrance::Granted(grant));
    }
    queue(inner, request, now, slots, seat.unwrap_or_else(Seat::new))
}

/// The rest of [`enter`], out of the way of the fast path.
#[inline(never)]
fn queue<M: Manage>(
    inner: &Arc<Inner<M>>,
    request: &Request,
    now: Moment,
    mut slots: MutexGuard<'_, Slots<M::Connection, M::Handle>>,
    seat: Arc<Seat<Grant<M::Connection>>>,
) -> Result<Entrance<M::Connection>, Refusal> {
    if slots.is_closed() {
        return Err(Refusal::Closed);
    }
    if request.end() <= now {
        return Err(Refusal::TIMED_OUT);
    }
    let entrance = match request.may_wait() {
        true => slots.enter(request, now, seat),
        false => slots.lend_at_once(request, now).map(Entrance::Granted),
    };
    let events = std::mem::take(&mut slots.events);
    let mut connects = Vec::new();
    let mut alarm = request.until;
    if matches!(entrance, Ok(Entrance::Waiting(_))) {
        // Nearly always it is set already, and a write would take the cache line from all other CPUs.
        if !inner.is_crowded.load(Ordering::Relaxed) {
            inner.is_crowded.store(true, Ordering::Relaxed);
        }
        connects = slots.begin_wanted(now);
        let look = inner.plan.deadlock_after().map(|after| now + after / 4);
        alarm = [look, slots.back_off].into_iter().flatten().fold(alarm, Moment::min);
    }
    drop(slots);
    events.into_iter().for_each(|event| inner.events.tell(event));
    match entrance {
        Ok(Entrance::Waiting(_)) => inner.alarm.arm(alarm),
        Ok(Entrance::Granted(_)) => watch_deadline(inner, request),
        Err(_) => {}
    }
    connects::start(inner, connects);
    entrance
}

/// A lease has begun: the clock looks at it when its deadline comes.
#[inline]
fn watch_deadline<M: Manage>(inner: &Inner<M>, request: &Request) {
    if let Some(deadline) = request.deadline {
        inner.alarm.arm(deadline);
    }
}

/// A dead connection is never lent: one that is known to have ended is turned down at once, and one from which nothing
/// was heard for long has to prove that it is alive.
async fn is_fit<M: Manage>(
    inner: &Inner<M>,
    lease: &mut Lease<M>,
    unused_for: Duration,
    until: Moment,
) -> bool {
    let handle = inner.manager.handle(lease);
    if inner.manager.is_dead(handle) {
        return false;
    }
    let is_check_due = inner.plan.check_after_idle().is_some_and(|after| {
        unused_for >= after
            && !unused_for.is_zero()
            && inner.manager.silent_for(handle, Instant::now()).is_none_or(|silent| silent >= after)
    });
    // Boxed, because it is rare and would make every acquire larger.
    !is_check_due || Box::pin(is_alive(inner, lease, until.instant())).await
}

/// Asks the server. A connection that does not answer must not use up the whole wait: one that is alive answers within a
/// second, or is not worth having.
async fn is_alive<M: Manage>(inner: &Inner<M>, lease: &mut Lease<M>, until: Instant) -> bool {
    let began = Instant::now();
    let until = until.min(began + Duration::from_secs(1));
    let is_alive = matches!(timeout_at(until, inner.manager.check(lease)).await, Ok(Ok(())));
    if let Some(meter) = inner.metering.meter() {
        meter.checked(began.elapsed());
    }
    is_alive
}

//! One clock for all limits.
//!
//! A timer for each waiter and each lease would cost more than the acquire itself. Nearly all limits are of the same
//! length, so nearly always the limit that was set first comes first: the clock sleeps until then, looks at everything,
//! and sleeps again. Only a limit that is earlier than the clock's own wakes it.

use super::alarm::Alarm;
use super::connects;
use super::foreign_runtime::CloseWithRuntime;
use super::leaks::{self, Leaks};
use super::{Inner, Manage};
use crate::event::{Event, StopReason};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::refusal::Refusal;
use crate::rules::slots::{SlotState, Slots};
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often a lease that has passed its deadline is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Runs until the pool is gone.
///
/// Asleep it holds the alarm and not the pool, so that a pool whose last handle was dropped can end.
pub(super) async fn run<M: Manage>(pool: Weak<Inner<M>>, alarm: Arc<Alarm>) {
    let mut suspicion = Suspicion::default();
    let _alive = CloseWithRuntime(Weak::clone(&pool));
    loop {
        let Some(inner) = pool.upgrade() else { return };
        let next = look(&inner, &mut suspicion);
        drop(inner);
        let at = next.map_or_else(|| Instant::now() + Duration::from_secs(5), Moment::instant);
        let _ = timeout_at(at, alarm.rung()).await;
    }
}

/// Does what is due, and tells when to look again.
fn look<M: Manage>(inner: &Arc<Inner<M>>, suspicion: &mut Suspicion) -> Option<Moment> {
    let now = Moment::now();
    let mut wakers: Vec<Waker> = Vec::new();
    let mut overdue: Vec<(M::Handle, WorkName)> = Vec::new();
    let mut stuck: Vec<M::Handle> = Vec::new();
    let mut events: Vec<Event> = Vec::new();
    let mut leaks = Leaks::default();
    inner.alarm.disarm();
    let mut ring = Moment::NEVER;
    let (connects, next) = {
        let mut slots = inner.slots.lock();
        if slots.waiters.earliest().is_some_and(|due| due <= now) {
            let entangled = knot(inner, &slots).map(|_| super::snapshot::name_leases(&slots.leases(), now));
            wakers.extend(slots.waiters.expire(now, entangled));
        }
        for (index, slot) in slots.slots.iter_mut().enumerate() {
            let Some(handle) = slot.handle.clone() else { continue };
            match (slot.state, &slot.holder) {
                (SlotState::Lent, Some(holder)) => {
                    ring = ring.min(Moment::numbered(inner.manager.ring(&handle, now.number())));
                    if slot.due.is_some_and(|due| due <= now) {
                        slot.due = Some(now + LOOK_AGAIN);
                        // Decided under the lock, where the lease cannot end: a moment later another may have begun.
                        if inner.manager.begin_stop(&handle) {
                            slot.is_condemned = true;
                            overdue.push((handle.clone(), holder.name.clone()));
                        }
                    }
                    leaks.look(index, slot, &handle, inner, now);
                }
                (SlotState::Returning, _) if slot.since + inner.return_limit(&handle) <= now => {
                    slot.is_condemned = true;
                    stuck.push(handle);
                }
                _ => {}
            }
        }
        leaks.take_back(&mut slots);
        if let Some(leases) = suspicion.look(inner, &slots, now) {
            events.push(Event::SelfDeadlock { leases: leases.clone() });
            wakers.extend(slots.waiters.refuse_youngest(Refusal::Deadlock { leases }));
        }
        let connects = slots.begin_wanted(now);
        let next = next_alarm(inner, &slots, now);
        (connects, next.into_iter().chain((ring != Moment::NEVER).then_some(ring)).min())
    };
    wakers.into_iter().for_each(Waker::wake);
    inner.serve_idle();
    connects::start(inner, connects);
    overdue.iter().for_each(|(handle, who)| inner.manager.stop(handle, Some(who), StopReason::Deadline));
    stuck.iter().for_each(|handle| inner.manager.abandon(handle));
    leaks.finish(inner, now, &mut events);
    events.into_iter().for_each(|event| inner.events.tell(event));
    inner.alarm.rest_until(next)
}

fn next_alarm<M: Manage>(
    inner: &Inner<M>,
    slots: &Slots<M::Connection, M::Handle>,
    now: Moment,
) -> Option<Moment> {
    let leases = slots.slots.iter().filter_map(|slot| match slot.state {
        SlotState::Lent => slot.due.into_iter().chain(leaks::next_look(inner, slot, now)).min(),
        SlotState::Returning => {
            let limit = inner.return_limit(slot.handle.as_ref()?);
            Some((slot.since + limit).max(now + Duration::from_millis(10)))
        }
        _ => None,
    });
    let has_waiters = slots.waiters.len() > 0;
    let looks = inner
        .plan
        .deadlock_after()
        .filter(|_| has_waiters)
        .map(|after| now + (after / 4).max(Duration::from_millis(1)));
    let retry = slots.back_off.filter(|until| *until > now && slots.wanted() > 0);
    leases.chain(slots.waiters.earliest()).chain(looks).chain(retry).min()
}

/// The watch for a deadlock among our own callers.
///
/// Every connection is lent, nothing runs on any of them, and each holder's task itself waits for another connection: if
/// all of that stays so without any change for a while, no task can ever go on. A task that works on one lease while
/// another of its branches waits shows progress, or ends its lease, and is left alone.
///
/// What a task does inside cannot be seen, and several leases of one task are mostly those of its branches, each of which
/// may be at work elsewhere and wait for nothing. So a task with more than one lease proves nothing. If it is in a deadlock
/// all the same, its wait ends by its own limit, and the error tells of the [`knot`].
#[derive(Default)]
struct Suspicion {
    since: Option<Moment>,
    evidence: Vec<(Moment, u64)>,
}

impl Suspicion {
    fn look<M: Manage>(
        &mut self,
        inner: &Inner<M>,
        slots: &Slots<M::Connection, M::Handle>,
        now: Moment,
    ) -> Option<String> {
        let after = inner.plan.deadlock_after()?;
        let Some(evidence) = evidence(inner, slots) else {
            self.since = None;
            return None;
        };
        if self.since.is_none() || self.evidence != evidence {
            self.since = Some(now);
            self.evidence = evidence;
            return None;
        }
        if self.since.is_none_or(|since| now.since(since) < after) {
            return None;
        }
        self.since = None;
        Some(super::snapshot::name_leases(&slots.leases(), now))
    }
}

/// The state of each lease, if all of them are lent to tasks that cannot go on.
fn evidence<M: Manage>(
    inner: &Inner<M>,
    slots: &Slots<M::Connection, M::Handle>,
) -> Option<Vec<(Moment, u64)>> {
    let knot = knot(inner, slots)?;
    let tasks: HashSet<_> = slots.leases().iter().map(|(holder, _)| holder.runner).collect();
    (tasks.len() == knot.len()).then_some(knot)
}

/// The state of each lease, if every connection is lent to a task that waits for another one, and none is in use.
fn knot<M: Manage>(inner: &Inner<M>, slots: &Slots<M::Connection, M::Handle>) -> Option<Vec<(Moment, u64)>> {
    if slots.is_paused() || slots.waiters.len() == 0 || slots.lent() < slots.ceiling() {
        return None;
    }
    let waiting: HashSet<_> = slots.waiters.runners().collect();
    let mut states = Vec::with_capacity(slots.slots.len());
    for slot in slots.slots.iter().filter(|slot| slot.state == SlotState::Lent) {
        let (holder, handle) = (slot.holder.as_ref()?, slot.handle.as_ref()?);
        if !waiting.contains(&holder.runner) || inner.manager.is_busy(handle) {
            return None;
        }
        states.push((slot.since, inner.manager.progress(handle)));
    }
    Some(states)
}

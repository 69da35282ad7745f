//! Who may be lent what lies idle, and who may join the queue. Pure: `now` is an argument.
//!
//! Nearly always the answer is "whoever comes", and the fast path finds that out from one flag. What may stand in the
//! way is here: a pause, the connections that are kept for the highest priority, the cap on a name, and a forecast
//! that does not fit. So that nothing idles while somebody waits who may have it, whatever opens a way (a resume, a
//! larger pool, a name below its cap) ends in [`Slots::serve_idle`].

use super::forecast::{Budget, Forecast, Overload, OverloadReason, Priority};
use super::queue::handover::{Effects, Grant, HandOver};
use super::queue::seat::Seat;
use super::queue::waiters::{Next, Refusal, Ticket, Turn, Who};
use super::slots::Slots;
use crate::moment::Moment;
use crate::settings::Enforcement;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// What is let in, and what is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Connections that are lent to the highest priority only.
    pub(crate) reserve: usize,
    pub(crate) mode: Enforcement,
    /// How much earlier than its deadline a statement is stopped, at the most.
    pub(crate) margin: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { reserve: 0, mode: Enforcement::On, margin: Duration::ZERO }
    }
}

/// When a newcomer comes, and what it can be told by.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) now: Moment,
    pub(crate) until: Moment,
    pub(crate) deadline: Option<Moment>,
    pub(crate) priority: Priority,
}

/// What becomes of a newcomer that finds nothing to be lent at once.
pub(crate) enum Entrance<C> {
    Granted(Grant<C>),
    Waiting(Ticket<Grant<C>>),
    Full(Option<Box<Forecast>>),
    Overloaded(Box<Overload>),
}

impl<C, H> Slots<C, H> {
    /// Whether the fast path is barred: somebody has to ask here.
    pub(crate) fn update_gate(&mut self) {
        self.is_gated = self.is_closed || self.is_paused || self.rules.reserve > 0;
    }

    /// Lends nothing any more until [`Slots::resume`].
    pub(crate) fn pause(&mut self) {
        self.is_paused = true;
        self.update_gate();
    }

    /// Lends again; [`Slots::serve_idle`] gives what lies idle to those who wait.
    pub(crate) fn resume(&mut self) {
        self.is_paused = false;
        // Nothing moved meanwhile, which says nothing of the pace.
        self.pace.begin();
        self.update_gate();
    }

    /// How many more may be lent to others than the highest priority; in the dark, as many as there are.
    fn left_for_others(&self) -> usize {
        if self.rules.mode == Enforcement::Dark { usize::MAX } else { self.not_kept() }
    }

    /// How many more others get if the reserve is kept. Where all are kept, one is not.
    fn not_kept(&self) -> usize {
        if self.rules.reserve == 0 {
            return usize::MAX;
        }
        self.ceiling().saturating_sub(self.rules.reserve).max(1).saturating_sub(self.lent_to_others)
    }

    /// How many of those in line could be served if there were connections enough.
    pub(crate) fn servable(&self) -> usize {
        if self.is_paused {
            return 0;
        }
        let urgent = self.waiters.urgent();
        let others = self.waiters.in_line() - urgent;
        urgent + others.min(self.left_for_others())
    }

    /// Whoever's turn it is, and those whose turn came too late for them.
    pub(crate) fn next_in_time(&mut self, now: Moment, late: &mut Vec<Waker>) -> Option<Next<Grant<C>>> {
        loop {
            // Where nothing bars the way, whoever is next may have it.
            let must_be_high = self.is_gated && self.left_for_others() == 0;
            if self.is_gated && self.servable() == 0 {
                return None;
            }
            let next = self.waiters.next(must_be_high)?;
            let Some(deadline) = next.who.deadline else { return Some(next) };
            let Some(overload) = self.too_late(deadline, now) else { return Some(next) };
            self.waiters.done(&next.who);
            self.count_refusal(OverloadReason::Overloaded, now);
            late.extend(next.seat.answer(Turn::Refused(Refusal::Overloaded(Box::new(overload)))).ok());
        }
    }

    /// Whether what is left before the deadline is less than the work usually takes.
    fn too_late(&self, deadline: Moment, now: Moment) -> Option<Overload> {
        if self.rules.mode != Enforcement::On {
            return None;
        }
        let forecast = self.pace.forecast(0, now)?.at_once();
        let budget = Budget { until: deadline, deadline: Some(deadline), margin: self.rules.margin };
        forecast.overruns(budget, now)
    }

    /// A lease begins, for whomever it is.
    #[inline]
    pub(crate) fn count_lent(&mut self, priority: Priority) {
        if self.rules.reserve > 0 && priority != Priority::High {
            self.lent_to_others += 1;
        }
    }

    /// A lease has ended, if this place had one; a name below its cap lets the next of it into the line.
    #[inline]
    pub(crate) fn end_lease(&mut self, slot: usize) {
        let Some(Some(lease)) = self.slots.get_mut(slot).map(|place| &mut place.lease) else { return };
        if lease.who.cap.is_some() || self.rules.reserve > 0 {
            self.end_counted(slot);
        }
    }

    #[inline(never)]
    fn end_counted(&mut self, slot: usize) {
        let Some(lease) = self.slots.get_mut(slot).and_then(|place| place.lease.take()) else { return };
        if self.rules.reserve > 0 && lease.who.priority != Priority::High {
            self.lent_to_others -= 1;
        }
        self.waiters.done(&lease.who);
    }

    /// Lends, queues or refuses one that the fast path had nothing for. The pool is open and there is time.
    pub(crate) fn enter(
        &mut self,
        who: &dyn Fn() -> Who,
        times: Arrival,
        is_capped: bool,
        seat: Arc<Seat<Grant<C>>>,
    ) -> Entrance<C> {
        let Arrival { now, until, .. } = times;
        // For all others the fast path has just found that nothing is idle.
        if is_capped || self.is_gated {
            let who = who();
            if !self.waiters.enter(&who) {
                self.totals.capped += 1;
                if self.rules.mode != Enforcement::Dark {
                    return self.stand_aside(who, now, until, seat);
                }
                self.waiters.enter_anyway(&who);
            }
            if let Some(grant) = self.lend_idle(&who, now) {
                return Entrance::Granted(grant);
            }
        }
        match self.shut_out(times, now) {
            None => Entrance::Waiting(self.waiters.push(who(), now, until, seat)),
            Some(refused) => {
                self.waiters.done(&who());
                refused
            }
        }
    }

    /// Whether the queue is too long for one that has been let in, or for what time it has.
    fn shut_out(&mut self, times: Arrival, now: Moment) -> Option<Entrance<C>> {
        let Arrival { until, priority, deadline, .. } = times;
        if self.waiters.in_line() == 0 {
            self.pace.begin();
        }
        let forecast = self.forecast(priority, now);
        if self.waiters.is_full(priority, self.to_be_had(priority)) {
            self.count_refusal(OverloadReason::QueueFull, now);
            return Some(Entrance::Full(forecast.map(Box::new)));
        }
        let budget = Budget { until, deadline, margin: self.rules.margin };
        let overload = forecast?.overruns(budget, now)?;
        if self.rules.mode == Enforcement::On {
            self.count_refusal(OverloadReason::Overloaded, now);
            return Some(Entrance::Overloaded(Box::new(overload)));
        }
        self.count_refusal(OverloadReason::WouldBe, now);
        None
    }

    /// How many connections there may be that nobody holds and that this priority may have: so many of those who wait
    /// are no waiters too many.
    fn to_be_had(&self, priority: Priority) -> usize {
        let not_lent = self.ceiling().saturating_sub(self.lent());
        if priority == Priority::High { not_lent } else { not_lent.min(self.left_for_others()) }
    }

    /// For one whose name is at its cap.
    fn stand_aside(
        &mut self,
        who: Who,
        now: Moment,
        until: Moment,
        seat: Arc<Seat<Grant<C>>>,
    ) -> Entrance<C> {
        if self.waiters.is_full(who.priority, self.to_be_had(who.priority)) || self.waiters.is_full_aside() {
            self.count_refusal(OverloadReason::QueueFull, now);
            return Entrance::Full(None);
        }
        Entrance::Waiting(self.waiters.stand_aside(who, now, until, seat))
    }

    /// What is idle, if nobody in line could have it and this one may.
    fn lend_idle(&mut self, who: &Who, now: Moment) -> Option<Grant<C>> {
        if self.is_paused || self.servable() > 0 {
            return None;
        }
        if self.idle() > 0 && who.priority != Priority::High && self.not_kept() == 0 {
            self.totals.held_back += 1;
            if self.rules.mode != Enforcement::Dark {
                return None;
            }
        }
        let grant = self.lend(|| who.clone(), now)?;
        self.count_lent(who.priority);
        Some(grant)
    }

    /// What a newcomer has to expect. Nothing is foretold while the pool still grows: its pace is not yet its own.
    fn forecast(&self, priority: Priority, now: Moment) -> Option<Forecast> {
        if self.rules.mode == Enforcement::Off || self.is_paused || self.opening() > 0 {
            return None;
        }
        self.pace.forecast(self.waiters.ahead_of(priority), now)
    }

    /// Counts; an event is due when there is something to tell of.
    pub(crate) fn count_refusal(&mut self, reason: OverloadReason, now: Moment) {
        self.totals.failed += u64::from(reason != OverloadReason::WouldBe);
        if let Some(count) = self.refusals.of(reason).add(now) {
            self.untold.push((reason, count));
        }
    }

    /// A waiter has left its seat: takes it out of the queue. If it made way for one of its name, that is served.
    pub(crate) fn quit(&mut self, ticket: &Ticket<Grant<C>>, now: Moment) -> Effects<C> {
        self.waiters.remove(ticket);
        self.serve_idle(now)
    }

    /// Gives one idle connection to whoever may have it, if there are both. To be called until nothing comes of it.
    pub(crate) fn serve_idle(&mut self, now: Moment) -> Effects<C> {
        if self.is_closed || self.idle() == 0 || self.servable() == 0 {
            return Effects::None;
        }
        let mut late = Vec::new();
        let Some(Next { who, since, seat }) = self.next_in_time(now, &mut late) else {
            return Effects::None.after(late);
        };
        let priority = who.priority;
        let Some(grant) = self.take(|| who, now) else { return Effects::None.after(late) };
        self.count_lent(priority);
        self.waits.add(now.nanos_since(since));
        Effects::HandOver(HandOver::new(grant, seat)).after(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::WorkName;
    use crate::rules::slots::PoolLimits;
    use crate::runner::Runner;

    const MS: Duration = Duration::from_millis(1);
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    /// One connection, lent, and so many in the queue without a deadline.
    struct World {
        slots: Slots<u32, ()>,
        tickets: Vec<Ticket<Grant<u32>>>,
        now: Moment,
    }

    impl World {
        fn new(mode: Enforcement, waiting: usize) -> Self {
            let now = Moment::now();
            let limits = PoolLimits { min: 0, max: 1, overflow: 0, connects: 1 };
            let slots = Slots::new(limits, 10_000).with_rules(Rules { mode, ..Rules::default() });
            let mut world = World { slots, tickets: Vec::new(), now };
            for slot in world.slots.begin_connects(1, now) {
                let _ = world.slots.connected(slot, 0, (), None, now);
            }
            assert!(matches!(world.enter(None), Entrance::Granted(_)));
            (0..waiting).for_each(|_| world.queue(None));
            world
        }

        fn enter(&mut self, deadline: Option<Duration>) -> Entrance<u32> {
            let deadline = deadline.map(|span| self.now + span);
            let priority = Priority::Normal;
            let who =
                || Who { name: WorkName::here(), runner: Runner::current(), deadline, priority, cap: None };
            if let Some(grant) = self.slots.lend(who, self.now) {
                return Entrance::Granted(grant);
            }
            let arrival = Arrival { now: self.now, until: self.now + YEAR, deadline, priority };
            self.slots.enter(&who, arrival, false, Seat::new(Waker::noop().clone()))
        }

        fn queue(&mut self, deadline: Option<Duration>) {
            let Entrance::Waiting(ticket) = self.enter(deadline) else { panic!("it does not wait") };
            self.tickets.push(ticket);
        }

        /// The lease ends after 10 ms, so many times over.
        fn pass_on(&mut self, times: usize) {
            for _ in 0..times {
                self.now = self.now + 10 * MS;
                let mut effects = self.slots.offer(0, 0, || self.now);
                while let Effects::After(_, then) = effects {
                    effects = *then;
                }
                if let Effects::HandOver(handover) = effects {
                    assert!(handover.deliver().is_ok());
                }
            }
        }
    }

    #[test]
    fn a_newcomer_that_cannot_be_served_in_time_is_refused_and_one_that_can_is_not() {
        let mut world = World::new(Enforcement::On, 40);
        world.pass_on(20);
        // Twenty wait; 210 ms until its turn, and 10 ms of work.
        let Entrance::Overloaded(overload) = world.enter(Some(200 * MS)) else { panic!("it is let in") };
        assert_eq!((overload.forecast.place, overload.forecast.wait()), (21, 210 * MS));
        world.queue(Some(250 * MS));
        assert_eq!(world.slots.refusals.overloaded.total, 1);
    }

    #[test]
    fn dark_counts_and_off_does_not() {
        for (mode, counted) in [(Enforcement::Dark, 1), (Enforcement::Off, 0)] {
            let mut world = World::new(mode, 40);
            world.pass_on(20);
            world.queue(Some(20 * MS));
            assert_eq!(world.slots.refusals.would_be.total, counted, "{mode}");
            assert_eq!(world.slots.refusals.overloaded.total, 0, "{mode}");
        }
    }

    #[test]
    fn nobody_is_refused_in_a_queue_that_begins_anew_after_a_burst() {
        let mut world = World::new(Enforcement::On, 40);
        world.pass_on(40);
        assert_eq!(
            world.slots.waiters.len(),
            0,
            "the burst is over; the last of it still holds the connection"
        );
        world.queue(Some(MS));
        world.queue(Some(MS));
    }

    #[test]
    fn nobody_is_served_who_has_no_time_left_for_its_work() {
        let mut world = World::new(Enforcement::On, 40);
        world.pass_on(20);
        world.queue(Some(250 * MS));
        world.queue(None);
        // It all takes longer than was foretold: the turn comes 5 ms before the deadline of the first of the two.
        world.pass_on(19);
        world.now = world.now + 45 * MS;
        world.pass_on(2);
        let [.., late, last] = world.tickets.as_slice() else { panic!("there are more") };
        let turn = late.poll(Waker::noop());
        assert!(matches!(turn, Some(Turn::Refused(Refusal::Overloaded(_)))), "{turn:?}");
        assert!(matches!(last.poll(Waker::noop()), Some(Turn::Granted(_))), "the next has its turn");
    }

    #[test]
    fn a_pause_lends_nothing_and_a_resume_serves_those_who_wait() {
        let mut world = World::new(Enforcement::On, 1);
        world.slots.pause();
        world.pass_on(1);
        assert_eq!((world.slots.idle(), world.slots.waiters.len()), (1, 1));
        assert!(matches!(world.slots.serve_idle(world.now), Effects::None));
        world.slots.resume();
        assert!(matches!(world.slots.serve_idle(world.now), Effects::HandOver(_)));
    }
}

use super::*;
use crate::event::Event;
use crate::fault::Fault;
use crate::name::WorkName;
use crate::rules::queue::waiters::Waiters;
use crate::rules::request::tests::request;
use crate::rules::slots::PoolLimits;
use std::num::NonZeroU32;

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
        World::with_places(mode, waiting, 10_000)
    }

    /// The same with so many places in the queue.
    fn with_places(mode: Enforcement, waiting: usize, places: usize) -> Self {
        let now = Moment::now();
        let limits = PoolLimits { min: 0, max: 1, overflow: 0, connects: 1 };
        let slots = Slots::new(limits, places).with_rules(GateRules { mode, ..GateRules::default() });
        let mut world = World { slots, tickets: Vec::new(), now };
        for slot in world.slots.begin_connects(1, now) {
            let _ = world.slots.connected(slot, 0, (), None, now);
        }
        assert!(matches!(world.enter(None), Ok(Entrance::Granted(_))));
        (0..waiting).for_each(|_| world.queue(None));
        world
    }

    fn enter(&mut self, deadline: Option<Duration>) -> Result<Entrance<u32>, Refusal> {
        let deadline = deadline.map(|span| self.now + span);
        let request = Request { until: self.now + YEAR, deadline, ..request(self.now) };
        if let Some(grant) = self.slots.lend(&request, self.now) {
            return Ok(Entrance::Granted(grant));
        }
        self.slots.enter(&request, self.now, Seat::new())
    }

    fn queue(&mut self, deadline: Option<Duration>) {
        let Ok(Entrance::Waiting(ticket)) = self.enter(deadline) else { panic!("it does not wait") };
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
    let Err(Refusal::Overloaded { forecast, remaining }) = world.enter(Some(200 * MS)) else {
        panic!("it is let in")
    };
    assert_eq!((forecast.place, forecast.wait(), remaining), (21, 210 * MS, 200 * MS));
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
    assert_eq!(world.slots.waiters.len(), 0, "the burst is over; the last of it still holds the connection");
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
    assert!(matches!(turn, Some(Err(Refusal::Overloaded { .. }))), "{turn:?}");
    assert!(matches!(last.poll(Waker::noop()), Some(Ok(_))), "the next has its turn");
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

/// So many connections, all idle.
fn idle(connections: usize, rules: GateRules, max_waiting: usize) -> (Slots<u32, ()>, Moment) {
    let now = Moment::now();
    let limits = PoolLimits { min: 0, max: connections, overflow: 0, connects: connections };
    let mut slots = Slots::new(limits, max_waiting).with_rules(rules);
    for (number, slot) in (0..).zip(slots.begin_connects(connections, now)) {
        let _ = slots.connected(slot, number, (), None, now);
    }
    (slots, now)
}

fn reserve(reserve: usize) -> GateRules {
    GateRules { reserve, ..GateRules::default() }
}

fn dark(reserve: usize) -> GateRules {
    GateRules { reserve, mode: Enforcement::Dark, ..GateRules::default() }
}

fn ask(priority: Priority, cap: u32, now: Moment) -> Request {
    Request {
        name: WorkName::given("export"),
        priority,
        cap: NonZeroU32::new(cap),
        until: now + YEAR,
        ..request(now)
    }
}

/// Comes through the gate, as a request does that the fast path has nothing for.
fn enter(slots: &mut Slots<u32, ()>, request: &Request) -> Result<Entrance<u32>, Refusal> {
    slots.enter(request, request.since, Seat::new())
}

fn granted(slots: &mut Slots<u32, ()>, request: &Request) -> usize {
    match enter(slots, request) {
        Ok(Entrance::Granted(grant)) => grant.slot,
        Ok(Entrance::Waiting(_)) => panic!("it waits"),
        Err(refusal) => panic!("{refusal:?}"),
    }
}

fn waiting(slots: &mut Slots<u32, ()>, request: &Request) -> Ticket<Grant<u32>> {
    match enter(slots, request) {
        Ok(Entrance::Waiting(ticket)) => ticket,
        Ok(Entrance::Granted(_)) => panic!("it is lent a connection"),
        Err(refusal) => panic!("{refusal:?}"),
    }
}

fn is_served(effects: Effects<u32>, ticket: &Ticket<Grant<u32>>) -> bool {
    if let Effects::HandOver(handover) = effects {
        assert!(handover.deliver().is_ok());
    }
    matches!(ticket.poll(Waker::noop()), Some(Ok(_)))
}

#[test]
fn the_fast_path_is_open_while_nothing_bars_the_way() {
    let (mut slots, _) = idle(1, GateRules::default(), 9);
    assert!(!slots.is_gated());
    slots.pause();
    assert!(slots.is_gated() && slots.is_paused());
    slots.resume();
    assert!(!slots.is_gated() && !slots.is_paused());
    let _ = slots.close();
    assert!(slots.is_gated());
    assert!(idle(2, reserve(1), 9).0.is_gated());
}

#[test]
fn a_reserve_is_lent_to_the_highest_priority_only() {
    use Priority::{High, Low, Normal};
    let (mut slots, now) = idle(3, reserve(1), 9);
    let first = granted(&mut slots, &ask(Normal, 0, now));
    granted(&mut slots, &ask(Low, 0, now));
    let third = waiting(&mut slots, &ask(Normal, 0, now));
    assert_eq!((slots.totals.held_back, slots.idle(), slots.servable()), (1, 1, 0));
    assert!(matches!(slots.serve_idle(now), Effects::None));
    let urgent = granted(&mut slots, &ask(High, 0, now));
    assert_eq!((slots.lent_to_others, slots.totals.held_back), (2, 1));
    assert!(matches!(slots.offer(urgent, 9, || now), Effects::None), "the reserve stays idle");
    assert_eq!(slots.idle(), 1);
    let effects = slots.offer(first, 9, || now);
    assert!(is_served(effects, &third), "from one of them to the next");
    assert_eq!(slots.lent_to_others, 2);
}

#[test]
fn while_only_the_reserve_is_left_an_urgent_waiter_passes_the_others() {
    use Priority::{High, Normal};
    let (mut slots, now) = idle(2, reserve(1), 9);
    granted(&mut slots, &ask(Normal, 0, now));
    let urgent = granted(&mut slots, &ask(High, 0, now));
    let other = waiting(&mut slots, &ask(Normal, 0, now));
    let next = waiting(&mut slots, &ask(High, 0, now));
    assert_eq!(slots.servable(), 1, "the urgent one");
    let effects = slots.offer(urgent, 9, || now);
    assert!(is_served(effects, &next));
    assert!(other.poll(Waker::noop()).is_none());
}

#[test]
fn a_reserve_of_all_connections_leaves_one_to_the_others() {
    let (mut slots, now) = idle(2, reserve(5), 9);
    granted(&mut slots, &ask(Priority::Normal, 0, now));
    waiting(&mut slots, &ask(Priority::Normal, 0, now));
    assert_eq!((slots.lent_to_others, slots.idle()), (1, 1));
}

#[test]
fn in_the_dark_a_reserve_and_a_cap_are_only_counted() {
    let (mut slots, now) = idle(2, dark(1), 9);
    granted(&mut slots, &ask(Priority::Normal, 1, now));
    granted(&mut slots, &ask(Priority::Normal, 1, now));
    assert_eq!((slots.totals.held_back, slots.totals.capped), (1, 1));
    let third = waiting(&mut slots, &ask(Priority::Low, 1, now));
    assert_eq!((slots.servable(), slots.totals.held_back, slots.totals.capped), (1, 1, 2));
    let effects = slots.offer(0, 9, || now);
    assert!(is_served(effects, &third));
}

#[test]
fn a_name_at_its_cap_waits_aside_while_a_connection_is_idle() {
    let (mut slots, now) = idle(3, GateRules::default(), 9);
    let first = granted(&mut slots, &ask(Priority::Normal, 1, now));
    let second = waiting(&mut slots, &ask(Priority::Normal, 1, now));
    assert_eq!((slots.totals.capped, slots.waiters.len(), slots.waiters.in_line()), (1, 1, 0));
    assert!(slots.lend(&request(now), now).is_some(), "others are served");
    let effects = slots.offer(first, 9, || now);
    assert!(is_served(effects, &second));
    assert!(matches!(slots.offer(first, 9, || now), Effects::None));
    granted(&mut slots, &ask(Priority::Normal, 1, now));
    assert_eq!(slots.totals.capped, 1, "the name is below its cap again");
    assert_eq!(slots.lent_to_others, 0, "not counted without a reserve");
}

#[test]
fn half_of_the_places_are_for_those_that_stand_aside() {
    let (mut slots, now) = idle(1, GateRules::default(), 4);
    granted(&mut slots, &ask(Priority::Normal, 1, now));
    let aside = [(); 2].map(|()| waiting(&mut slots, &ask(Priority::Normal, 1, now)));
    let third = enter(&mut slots, &ask(Priority::Normal, 1, now));
    assert!(matches!(third, Err(Refusal::QueueFull { wait: None })));
    assert_eq!((slots.totals.failed, slots.refusals.full.total), (1, 1));
    let in_line = [(); 2].map(|()| waiting(&mut slots, &ask(Priority::Normal, 0, now)));
    assert_eq!(slots.waiters.len(), aside.len() + in_line.len());
    assert!(matches!(slots.quit(&aside[0], now), Effects::None));
    let full = waiting(&mut slots, &ask(Priority::Normal, 0, now));
    let none = enter(&mut slots, &ask(Priority::Normal, 1, now));
    assert!(
        matches!(none, Err(Refusal::QueueFull { wait: None })),
        "there is a place aside, and none at all"
    );
    drop(full);
}

#[test]
fn as_many_may_wait_as_are_about_to_be_served_and_some_more() {
    let now = Moment::now();
    let limits = PoolLimits { min: 0, max: 2, overflow: 1, connects: 3 };
    let mut slots: Slots<u32, ()> = Slots::new(limits, 0).with_rules(reserve(1));
    let tickets = [(); 2].map(|()| waiting(&mut slots, &ask(Priority::Normal, 0, now)));
    let third = enter(&mut slots, &ask(Priority::Normal, 0, now));
    assert!(matches!(third, Err(Refusal::QueueFull { wait: None })), "the third connection is the reserve");
    let urgent = waiting(&mut slots, &ask(Priority::High, 0, now));
    assert!(enter(&mut slots, &ask(Priority::High, 0, now)).is_err());
    drop((tickets, urgent));
}

#[test]
fn one_that_is_refused_does_not_count_for_the_cap_of_its_name() {
    let (mut slots, now) = idle(1, GateRules::default(), 0);
    let first = granted(&mut slots, &ask(Priority::Normal, 2, now));
    assert!(matches!(enter(&mut slots, &ask(Priority::Normal, 2, now)), Err(Refusal::QueueFull { .. })));
    assert!(matches!(slots.offer(first, 9, || now), Effects::None));
    granted(&mut slots, &ask(Priority::Normal, 1, now));
    assert_eq!(slots.totals.capped, 0);
}

#[test]
fn one_of_a_capped_name_that_leaves_makes_way_for_the_next_of_it() {
    let (mut slots, now) = idle(1, GateRules::default(), 9);
    slots.pause();
    let first = waiting(&mut slots, &ask(Priority::Normal, 1, now));
    let second = waiting(&mut slots, &ask(Priority::Normal, 1, now));
    assert_eq!(slots.servable(), 0, "it is paused");
    slots.resume();
    assert_eq!(first.leave(), None);
    let effects = slots.quit(&first, now + MS);
    assert!(is_served(effects, &second));
    assert_eq!((slots.waits.count, slots.waits.total()), (1, MS));
}

#[test]
fn what_is_idle_goes_to_those_in_line_before_a_newcomer() {
    let (mut slots, now) = idle(1, reserve(0), 9);
    slots.pause();
    let first = waiting(&mut slots, &ask(Priority::Normal, 0, now));
    slots.resume();
    let newcomer = waiting(&mut slots, &ask(Priority::Normal, 5, now));
    let effects = slots.serve_idle(now);
    assert!(is_served(effects, &first) && newcomer.poll(Waker::noop()).is_none());
    assert!(matches!(slots.serve_idle(now), Effects::None), "nothing is idle");
}

#[test]
fn a_full_queue_tells_how_long_the_wait_would_have_been() {
    let mut world = World::new(Enforcement::On, 40);
    world.pass_on(20);
    world.slots.waiters = Waiters::new(0);
    let refusal = world.enter(None).err();
    assert_eq!(refusal, Some(Refusal::QueueFull { wait: None }), "the queue begins anew");
    let mut world = World::with_places(Enforcement::On, 40, 44);
    world.pass_on(20);
    (0..20).for_each(|_| world.queue(None));
    assert_eq!(world.enter(None).err(), Some(Refusal::QueueFull { wait: Some(410 * MS) }));
    assert_eq!(world.slots.totals.failed, 1);
}

#[test]
fn nothing_is_forecast_while_the_pool_grows_or_is_paused() {
    let refused = |change: fn(&mut Slots<u32, ()>, Moment)| {
        let mut world = World::new(Enforcement::On, 40);
        world.pass_on(20);
        change(&mut world.slots, world.now);
        world.enter(Some(20 * MS)).is_err()
    };
    assert!(refused(|_, _| {}));
    assert!(!refused(|slots, _| slots.hot.is_paused = true));
    let grow = |slots: &mut Slots<u32, ()>, now| {
        slots.limits.max = 2;
        assert_eq!(slots.begin_connects(1, now).len(), 1);
    };
    assert!(!refused(grow));
}

#[test]
fn in_the_dark_a_turn_that_comes_too_late_is_a_turn() {
    for (mode, is_refused) in [(Enforcement::On, true), (Enforcement::Dark, false), (Enforcement::Off, false)]
    {
        let mut world = World::new(Enforcement::Off, 20);
        world.queue(Some(215 * MS));
        world.slots.rules.mode = mode;
        world.pass_on(21);
        let answer = world.tickets.last().and_then(|ticket| ticket.poll(Waker::noop()));
        let is_late = matches!(answer, Some(Err(Refusal::Overloaded { .. })));
        assert_eq!((is_late, answer.is_some()), (is_refused, true), "{mode}");
        let counted = u64::from(is_refused);
        assert_eq!((world.slots.refusals.overloaded.total, world.slots.totals.failed), (counted, counted));
    }
}

#[test]
fn a_refusal_leaves_an_event() {
    let mut world = World::new(Enforcement::On, 40);
    world.pass_on(20);
    assert!(world.enter(Some(20 * MS)).is_err());
    let event = Event::Refused { fault: Fault::Overloaded, count: 1, is_dark: false };
    assert_eq!((world.slots.events.as_slice(), world.slots.totals.failed), ([event].as_slice(), 1));
    let mut world = World::new(Enforcement::Dark, 40);
    world.pass_on(20);
    world.queue(Some(20 * MS));
    let event = Event::Refused { fault: Fault::Overloaded, count: 1, is_dark: true };
    assert_eq!((world.slots.events.as_slice(), world.slots.totals.failed), ([event].as_slice(), 0));
}

#[test]
fn a_request_that_does_not_wait_is_lent_what_is_idle_and_leaves_nothing_behind() {
    let mut world = World::new(Enforcement::On, 0);
    let cap = NonZeroU32::new(1);
    let capped = Request { cap, ..request(world.now) };
    let now = world.now;
    let at_once =
        |world: &mut World, request: &Request| world.slots.lend_at_once(request, now).map(|grant| grant.slot);
    assert_eq!(at_once(&mut world, &request(now)), Err(Refusal::TIMED_OUT), "the only one is lent");
    assert_eq!(at_once(&mut world, &capped), Err(Refusal::TIMED_OUT), "and this one holds no place by it");
    let _ = world.slots.offer(0, 0, || now);
    world.slots.pause();
    assert_eq!(at_once(&mut world, &capped), Err(Refusal::TIMED_OUT), "paused");
    world.slots.resume();
    assert_eq!(at_once(&mut world, &capped), Ok(0));
    assert_eq!(at_once(&mut world, &capped), Err(Refusal::TIMED_OUT.at_cap(cap)), "its name is at its cap");
    assert_eq!((world.slots.waiters.len(), world.slots.lent()), (0, 1));
    let totals = &world.slots.totals;
    assert_eq!((totals.failed, totals.capped), (0, 0), "nothing of it is counted");
}

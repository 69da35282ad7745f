use super::*;
use crate::rules::request::tests::request;
use crate::rules::slots::PoolLimits;

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
        let slots = Slots::new(limits, 10_000).with_rules(GateRules { mode, ..GateRules::default() });
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

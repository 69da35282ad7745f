use super::*;
use crate::rules::gate::Entrance;
use crate::rules::queue::seat::Seat;
use crate::rules::queue::ticket::Ticket;
use crate::rules::request::Priority;
use crate::rules::request::tests::request;
use proptest::prelude::*;
use std::num::NonZeroU32;

const LIMITS: PoolLimits = PoolLimits { min: 1, max: 3, overflow: 1, connects: 2 };

/// The cap that all capped work in the world below shares.
const CAP: u32 = 2;
const RESERVE: usize = 1;

#[derive(Clone, Debug)]
enum Step {
    Acquire(Priority, bool),
    Pause,
    Resume,
    Connect,
    Fail,
    Return,
    Dirty,
    Settle,
    Condemn,
    Lose,
    GiveUp,
    Deliver,
    Reap,
}

fn acquire() -> impl Strategy<Value = Step> {
    let priority = prop_oneof![Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)];
    (priority, any::<bool>()).prop_map(|(priority, is_capped)| Step::Acquire(priority, is_capped))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => acquire(), 1 => Just(Step::Pause), 2 => Just(Step::Resume), 3 => Just(Step::Connect), 1 => Just(Step::Fail), 4 => Just(Step::Return),
        1 => Just(Step::Dirty), 1 => Just(Step::Settle), 1 => Just(Step::Condemn), 1 => Just(Step::Lose), 1 => Just(Step::GiveUp),
        3 => Just(Step::Deliver), 1 => Just(Step::Reap),
    ]
}

/// A small world around the slots: it does what the pool does and keeps its own protocol.
#[derive(Default)]
struct World {
    made: u32,
    opening: Vec<usize>,
    held: Vec<(usize, u32)>,
    returning: Vec<(usize, u32)>,
    tickets: Vec<Ticket<Grant<u32>>>,
    underway: Vec<HandOver<u32>>,
}

impl World {
    fn run(&mut self, slots: &mut Slots<u32, ()>, step: &Step, now: Moment) {
        match step {
            Step::Acquire(priority, is_capped) => {
                let cap = is_capped.then_some(CAP).and_then(NonZeroU32::new);
                let request = Request { priority: *priority, cap, ..request(now) };
                match slots.enter(&request, now, Seat::new()) {
                    Ok(Entrance::Granted(grant)) => self.held.push((grant.slot, grant.connection)),
                    Ok(Entrance::Waiting(ticket)) => {
                        self.tickets.push(ticket);
                        self.opening.extend(slots.begin_connects(slots.wanted(), now));
                    }
                    Err(_) => {}
                }
            }
            Step::Pause => slots.pause(),
            Step::Resume => slots.resume(),
            Step::Connect => {
                if let Some(slot) = self.opening.pop() {
                    self.made += 1;
                    let expires = Some(now + Duration::from_secs(3));
                    let effects = slots.connected(slot, self.made, (), expires, now);
                    self.take(effects);
                }
            }
            Step::Fail => {
                if let Some(slot) = self.opening.pop() {
                    slots.vacate(slot);
                }
            }
            Step::Return => {
                if let Some((slot, connection)) = self.held.pop() {
                    let effects = slots.offer(slot, connection, || now);
                    self.take(effects);
                }
            }
            Step::Dirty => {
                if let Some((slot, connection)) = self.held.pop() {
                    slots.begin_return(slot, now);
                    self.returning.push((slot, connection));
                }
            }
            Step::Settle => {
                if let Some((slot, connection)) = self.returning.pop() {
                    let effects = slots.offer(slot, connection, || now);
                    self.take(effects);
                }
            }
            // The clock found it overdue, or stuck; its holder brings it home before the clock has acted.
            Step::Condemn => {
                if let Some((slot, connection)) = self.held.pop().or_else(|| self.returning.pop()) {
                    slots.slots[slot].is_condemned = true;
                    let effects = slots.offer(slot, connection, || now);
                    assert!(matches!(effects, Effects::Close(it) if it == connection), "lent on");
                }
            }
            Step::Lose => {
                if let Some((slot, _)) = self.held.pop() {
                    slots.vacate(slot);
                }
            }
            Step::GiveUp => {
                if let Some(ticket) = self.tickets.pop() {
                    match ticket.leave() {
                        Some(grant) => {
                            let effects = slots.give_up(grant, now);
                            self.take(effects);
                        }
                        None => {
                            let effects = slots.quit(&ticket, now);
                            self.take(effects);
                        }
                    }
                }
            }
            Step::Deliver => {
                for handover in std::mem::take(&mut self.underway) {
                    if let Err(Some(grant)) = handover.deliver() {
                        let effects = slots.give_up(grant, now);
                        self.take(effects);
                    }
                }
            }
            Step::Reap => {
                slots.reap(now, Some(Duration::from_secs(2)), |()| false, |()| None);
            }
        }
        // As the pool does after whatever gives a place free.
        loop {
            match slots.serve_idle(now) {
                Effects::None => break,
                effects => self.take(effects),
            }
        }
        self.fetch();
    }

    fn take(&mut self, effects: Effects<u32>) {
        if let Effects::HandOver(handover) = effects {
            self.underway.push(handover);
        }
    }

    fn fetch(&mut self) {
        let held = &mut self.held;
        self.tickets.retain(|ticket| match ticket.poll(Waker::noop()) {
            Some(Ok(grant)) => {
                held.push((grant.slot, grant.connection));
                false
            }
            Some(Err(_)) => false,
            None => true,
        });
    }
}

proptest! {
    #[test]
    fn counts_never_drift_and_nothing_is_lent_twice(steps in prop::collection::vec(step(), 0..200)) {
        let start = Moment::now();
        let rules = GateRules { reserve: RESERVE, ..GateRules::default() };
        let mut slots: Slots<u32, ()> = Slots::new(LIMITS, 100).with_rules(rules);
        let mut world = World::default();
        for (second, step) in steps.iter().enumerate() {
            world.run(&mut slots, step, start + Duration::from_millis(300 * second as u64));
            prop_assert_eq!(slots.lent(), world.held.len() + world.underway.len());
            prop_assert_eq!(slots.returning(), world.returning.len());
            prop_assert_eq!(slots.opening(), world.opening.len());
            prop_assert!(slots.total() <= slots.ceiling());
            let counted = slots.idle() + slots.lent() + slots.returning() + slots.opening();
            prop_assert_eq!(slots.total(), counted);
            let mut held: Vec<_> = world.held.iter().map(|(_, connection)| *connection).collect();
            held.sort_unstable();
            held.dedup();
            prop_assert_eq!(held.len(), world.held.len(), "one connection in two hands");
            prop_assert!(slots.idle() == 0 || slots.servable() == 0, "idle while somebody may have it");
            let kept = |take: &dyn Fn(&Request) -> bool| {
                slots.slots.iter().filter_map(|slot| slot.holder.as_ref()).filter(|it| take(it)).count()
            };
            prop_assert!(kept(&|holder| holder.cap.is_some()) <= CAP as usize, "a name holds more than it may");
            let others = kept(&|holder| holder.priority != Priority::High);
            prop_assert!(others <= slots.ceiling() - RESERVE, "the reserve was lent");
            prop_assert_eq!(others, slots.lent_to_others);
        }
    }
}

#[test]
fn a_clock_that_jumps_does_not_empty_the_pool_at_once() {
    let start = Moment::now();
    let hour = Duration::from_secs(3600);
    let limits = PoolLimits { min: 2, max: 20, overflow: 0, connects: 20 };
    let mut slots: Slots<u32, ()> = Slots::new(limits, 9);
    for (number, slot) in (0..).zip(slots.begin_connects(20, start)) {
        let effects = slots.connected(slot, number, (), Some(start + hour / 2), start);
        assert!(matches!(effects, Effects::None));
    }
    let mut left = 20_usize;
    while left > 0 {
        let reaped = slots.reap(start + hour, Some(hour / 6), |()| false, |()| None).len();
        assert!((1..=left.div_ceil(4)).contains(&reaped), "{reaped} of {left} at once");
        left -= reaped;
    }
    assert_eq!(slots.total(), 0);
}

#[test]
fn what_was_stopped_and_proven_clean_is_lent_again() {
    let now = Moment::now();
    let mut slots: Slots<u32, ()> = Slots::new(LIMITS, 9);
    let slot = slots.begin_connects(1, now).pop().expect("there is room");
    assert!(matches!(slots.connected(slot, 7, (), None, now), Effects::None));
    let grant = slots.lend(&request(now), now).expect("it is idle");
    slots.slots[slot].is_condemned = true;
    slots.begin_return(slot, now);
    assert!(matches!(slots.offer(slot, grant.connection, || now), Effects::None));
    assert!(slots.lend(&request(now), now).is_some());
}

#[test]
fn what_is_above_the_maximum_is_closed_when_given_back() {
    let now = Moment::now();
    let mut slots: Slots<u32, ()> = Slots::new(PoolLimits { min: 0, max: 1, overflow: 1, connects: 9 }, 9);
    for number in 0..2 {
        let ticket = slots.waiters.push(request(now), Seat::new());
        let slot = slots.begin_connects(1, now).pop().expect("there is room");
        let Effects::HandOver(handover) = slots.connected(slot, number, (), None, now) else {
            panic!("somebody waits")
        };
        assert!(handover.deliver().is_ok());
        assert!(matches!(ticket.poll(Waker::noop()), Some(Ok(_))));
    }
    assert!(matches!(slots.offer(1, 1, || now), Effects::Close(1)));
    assert!(matches!(slots.offer(0, 0, || now), Effects::None));
    assert_eq!(slots.total(), 1);
}

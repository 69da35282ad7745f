use super::allowance::{Bound, Granted};
use super::*;
use crate::name::WorkName;
use crate::rules::gate::Entrance;
use crate::rules::queue::seat::Seat;
use crate::rules::queue::ticket::Ticket;
use crate::rules::request::tests::request;
use crate::rules::request::{Holder, Priority};
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
    Forsake,
    ReturnForsaken(bool),
    GiveUp,
    Deliver,
    Reap,
    Grant(usize),
    Full,
    TryMore,
}

fn acquire() -> impl Strategy<Value = Step> {
    let priority = prop_oneof![Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)];
    (priority, any::<bool>()).prop_map(|(priority, is_capped)| Step::Acquire(priority, is_capped))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => acquire(), 1 => Just(Step::Pause), 2 => Just(Step::Resume), 3 => Just(Step::Connect), 1 => Just(Step::Fail), 4 => Just(Step::Return),
        1 => Just(Step::Dirty), 1 => Just(Step::Settle), 1 => Just(Step::Condemn), 1 => Just(Step::Lose), 1 => Just(Step::GiveUp),
        1 => Just(Step::Forsake), 1 => any::<bool>().prop_map(Step::ReturnForsaken),
        3 => Just(Step::Deliver), 1 => Just(Step::Reap), 1 => (1..6_usize).prop_map(Step::Grant), 1 => Just(Step::Full),
        1 => Just(Step::TryMore),
    ]
}

/// A small world around the slots: it does what the pool does and keeps its own protocol.
#[derive(Default)]
struct World {
    made: u32,
    opening: Vec<usize>,
    held: Vec<(usize, u32)>,
    returning: Vec<(usize, u32)>,
    /// Taken back from their holders, which still have their guards.
    forsaken: Vec<(usize, u32)>,
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
                    slots.vacate(slot, Closing::Broken);
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
            // The clock found it overdue, or stuck; its holder gives it back before the clock has acted.
            Step::Condemn => {
                if let Some((slot, connection)) = self.held.pop().or_else(|| self.returning.pop()) {
                    slots.slots[slot].is_condemned = true;
                    let effects = slots.offer(slot, connection, || now);
                    assert!(matches!(effects, Effects::Close(it) if it == connection), "lent on");
                }
            }
            Step::Lose => {
                if let Some((slot, _)) = self.held.pop() {
                    slots.vacate(slot, Closing::Broken);
                }
            }
            Step::Forsake => {
                if let Some((slot, connection)) = self.held.pop() {
                    slots.forsake(slot);
                    slots.forsake(slot);
                    self.forsaken.push((slot, connection));
                    self.opening.extend(slots.begin_connects(slots.wanted(), now));
                }
            }
            Step::ReturnForsaken(is_dirty) => {
                if let Some((slot, connection)) = self.forsaken.pop() {
                    if *is_dirty {
                        slots.begin_return(slot, now);
                    }
                    let effects = slots.offer(slot, connection, || now);
                    assert!(matches!(effects, Effects::Close(it) if it == connection), "lent on");
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
            Step::Grant(connections) => {
                slots.grant(Some(Granted { connections: *connections, bound: Bound::Server, share: None }));
            }
            Step::Full => {
                if let Some(slot) = self.opening.pop() {
                    slots.vacate(slot, Closing::Broken);
                    slots.found_full(now);
                }
            }
            Step::TryMore => slots.try_more(None, now),
            Step::Reap => {
                slots.reap(now, Some(Duration::from_secs(2)), |()| false, |()| None);
            }
        }
        // As the pool does after each change that may let a waiter pass.
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
        let (mut total, mut to_others) = (0, 0);
        for (second, step) in steps.iter().enumerate() {
            world.run(&mut slots, step, start + Duration::from_millis(300 * second as u64));
            prop_assert_eq!(slots.lent(), world.held.len() + world.underway.len());
            prop_assert_eq!(slots.returning(), world.returning.len());
            prop_assert_eq!(slots.opening(), world.opening.len());
            prop_assert!(slots.total() <= slots.ceiling().max(total), "one was opened that there may not be");
            total = slots.total();
            let counted = slots.idle() + slots.lent() + slots.returning() + slots.opening();
            prop_assert_eq!(slots.total(), counted);
            let mut held: Vec<_> = world.held.iter().map(|(_, connection)| *connection).collect();
            held.sort_unstable();
            held.dedup();
            prop_assert_eq!(held.len(), world.held.len(), "one connection in two hands");
            prop_assert!(slots.idle() == 0 || slots.servable() == 0, "idle while somebody may have it");
            let kept = |take: &dyn Fn(&Holder) -> bool| {
                slots.slots.iter().filter_map(|slot| slot.holder.as_ref()).filter(|it| take(it)).count()
            };
            prop_assert!(kept(&|holder| holder.cap.is_some()) <= CAP as usize, "a name holds more than it may");
            let others = kept(&|holder| holder.priority != Priority::High);
            let may = slots.ceiling().saturating_sub(RESERVE).max(1);
            prop_assert!(others <= may.max(to_others), "the reserve was lent");
            to_others = others;
            prop_assert_eq!(others, slots.lent_to_others);
        }
    }
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
            panic!("a caller waits")
        };
        assert!(handover.deliver().is_ok());
        assert!(matches!(ticket.poll(Waker::noop()), Some(Ok(_))));
    }
    assert!(matches!(slots.offer(1, 1, || now), Effects::Close(1)));
    assert!(matches!(slots.offer(0, 0, || now), Effects::None));
    assert_eq!(slots.total(), 1);
}

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// So many connections, opened a second apart and all idle; the number of a connection is that of its slot.
pub(super) fn opened(limits: PoolLimits) -> (Slots<u32, u32>, Moment) {
    let mut now = Moment::now();
    let mut slots = Slots::new(limits, 9);
    for number in 0..limits.max {
        now = now + SECOND;
        let slot = slots.begin_connects(1, now).pop().expect("there is room");
        assert_eq!(slot, number);
        let _ = slots.connected(slot, number as u32, number as u32, None, now);
    }
    (slots, now)
}

pub(super) fn up_to(min: usize, max: usize) -> PoolLimits {
    PoolLimits { min, max, overflow: 0, connects: 9 }
}

fn wait(slots: &mut Slots<u32, u32>, now: Moment) -> Ticket<Grant<u32>> {
    slots.waiters.push(request(now), Seat::new())
}

fn fetch(effects: Effects<u32>, ticket: &Ticket<Grant<u32>>) -> Option<Grant<u32>> {
    let Effects::HandOver(handover) = effects else { return None };
    assert!(handover.deliver().is_ok());
    ticket.poll(Waker::noop()).and_then(Result::ok)
}

#[test]
fn the_connection_that_was_used_last_is_lent_first() {
    let (mut slots, now) = opened(up_to(0, 3));
    let later = now + SECOND;
    let grant = slots.lend(&request(later), later).expect("three are idle");
    assert_eq!(grant, Grant { slot: 2, connection: 2, unused_for: SECOND, is_expired: false });
    let grant = slots.lend(&request(later), later).expect("two are idle");
    assert_eq!((grant.slot, grant.unused_for), (1, 2 * SECOND));
    assert!(matches!(slots.offer(2, 2, || later), Effects::None));
    assert_eq!(slots.lend(&request(later), later).map(|grant| grant.slot), Some(2));
    assert_eq!((slots.idle(), slots.lent(), slots.total(), slots.acquired()), (1, 2, 3, 3));
    slots.totals.turned_down = 1;
    slots.waits.add(1);
    slots.waits.add(1);
    assert_eq!(slots.acquired(), 4, "three at once, two after a wait, one turned down");
}

#[test]
fn one_that_is_too_old_is_said_to_be_and_is_not_handed_over() {
    let now = Moment::now();
    let mut slots: Slots<u32, u32> = Slots::new(up_to(0, 2), 9);
    for slot in slots.begin_connects(2, now) {
        let _ = slots.connected(slot, slot as u32, 0, Some(now + SECOND), now);
    }
    let just_before = Moment::numbered((now + SECOND).number() - 1);
    assert_eq!(slots.lend(&request(now), just_before).map(|grant| grant.is_expired), Some(false));
    assert_eq!(slots.lend(&request(now), now + SECOND).map(|grant| grant.is_expired), Some(true));
    let first = wait(&mut slots, now);
    let grant = fetch(slots.offer(0, 0, || just_before), &first);
    assert_eq!(grant.map(|grant| grant.is_expired), Some(false));
    let second = wait(&mut slots, now);
    assert!(matches!(slots.offer(0, 0, || now + SECOND), Effects::Close(0)));
    assert_eq!((slots.total(), slots.lent(), slots.totals.closed.total()), (1, 1, 1));
    assert!(second.poll(Waker::noop()).is_none());
}

#[test]
fn one_that_is_not_clean_counts_until_it_is() {
    let (mut slots, now) = opened(up_to(0, 2));
    let named = Request { name: WorkName::given("report"), cap: NonZeroU32::new(1), ..request(now) };
    assert!(slots.waiters.enter(&named));
    let grant = slots.lend(&named, now).expect("two are idle");
    slots.slots[grant.slot].is_condemned = true;
    let work = slots.begin_return(grant.slot, now + SECOND);
    assert_eq!(work.and_then(|work| work.name().map(str::to_owned)).as_deref(), Some("report"));
    assert_eq!((slots.lent(), slots.returning(), slots.idle(), slots.total()), (0, 1, 1, 2));
    let place = &slots.slots[grant.slot];
    assert_eq!((place.state, place.since, place.is_condemned), (SlotState::Returning, now + SECOND, false));
    assert!(!slots.waiters.enter(&named), "its name is still at the cap");
    assert!(slots.leases().is_empty(), "it is no lease any more");
    assert!(matches!(slots.offer(grant.slot, grant.connection, || now), Effects::None));
    assert_eq!((slots.returning(), slots.idle()), (0, 2));
    assert!(slots.waiters.enter(&named));
}

#[test]
fn a_hand_over_is_counted_and_tells_of_the_pace() {
    let (mut slots, now) = opened(up_to(0, 1));
    slots.lend(&request(now), now + SECOND);
    let ticket = wait(&mut slots, now + SECOND);
    let grant = fetch(slots.offer(0, 0, || now + 3 * SECOND), &ticket).expect("it waits");
    assert_eq!((grant.unused_for, grant.is_expired), (2 * SECOND, false));
    assert_eq!((slots.waits.count, slots.waits.total(), slots.lent()), (1, 2 * SECOND, 1));
    let held = |slots: &Slots<u32, u32>| format!("{:?}", slots.pace);
    assert!(held(&slots).contains("held: Mean { nanos: 2000000000, count: 1 }"), "{}", held(&slots));
    // A connection that its waiter never had says nothing of how long a lease lasts.
    let next = wait(&mut slots, now);
    let grant = fetch(slots.give_up(grant, now + 4 * SECOND), &next).expect("it waits");
    assert!(held(&slots).contains("held: Mean { nanos: 2000000000, count: 1 }"), "{}", held(&slots));
    assert_eq!((slots.totals.turned_down, slots.lent(), slots.waits.count), (1, 1, 2));
    assert!(matches!(slots.give_up(grant, now), Effects::None), "there is none to have it");
    assert_eq!((slots.totals.turned_down, slots.lent(), slots.idle()), (2, 0, 1));
}

#[test]
fn what_was_given_up_is_closed_where_there_are_too_many() {
    let (mut slots, now) = opened(up_to(0, 2));
    let grants = [(); 2].map(|()| slots.lend(&request(now), now).expect("two are idle"));
    let [first, second] = grants;
    let _ticket = wait(&mut slots, now);
    slots.limits.max = 1;
    assert!(matches!(slots.give_up(first, now), Effects::Close(1)));
    assert_eq!(slots.total(), 1);
    let _ = slots.close();
    assert!(matches!(slots.give_up(second, now), Effects::Close(0)));
    assert_eq!((slots.total(), slots.lent(), slots.totals.closed.total()), (0, 0, 2));
}

#[test]
fn closing_ends_the_waits_and_gives_what_is_idle() {
    let (mut slots, now) = opened(up_to(0, 3));
    slots.lend(&request(now), now);
    let ticket = wait(&mut slots, now);
    let (wakers, mut closed) = slots.close();
    closed.sort_unstable();
    assert_eq!((wakers.len(), closed, slots.total(), slots.idle()), (1, vec![0, 1], 1, 0));
    assert_eq!(ticket.poll(Waker::noop()), Some(Err(Refusal::Closed)));
    assert!(matches!(slots.serve_idle(now), Effects::None));
    assert!(matches!(slots.offer(2, 2, || now), Effects::Close(2)));
    assert_eq!((slots.total(), slots.vacant.len()), (0, 3));
}

#[test]
fn leases_are_told_oldest_first_with_what_they_began_with() {
    let (mut slots, now) = opened(up_to(0, 3));
    let at = |seconds: u32| now + seconds * SECOND;
    for seconds in [3, 1, 2] {
        let deadline = Some(at(9));
        slots.lend(&Request { deadline, ..request(now) }, at(seconds));
    }
    let since: Vec<_> = slots.leases().into_iter().map(|(_, since)| since).collect();
    assert_eq!(since, [at(1), at(2), at(3)]);
    let place = &slots.slots[2];
    assert_eq!((place.since, place.due, place.is_reported), (at(3), Some(at(9)), false));
}

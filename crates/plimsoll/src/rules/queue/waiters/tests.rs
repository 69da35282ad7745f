use super::*;
use crate::name::WorkName;
use crate::rules::request::tests::request;
use proptest::prelude::*;
use std::num::NonZeroU32;

/// A request of this priority whose wait ends at this moment.
fn with(priority: Priority, until: Moment) -> Request {
    Request { priority, until, ..request(until) }
}

fn seat() -> Arc<Seat<u32>> {
    Seat::new()
}

fn queue(limit: usize) -> Waiters<u32> {
    Waiters::new(limit)
}

#[test]
fn first_come_is_first_served() {
    let now = Moment::now();
    let mut waiters = queue(9);
    let tickets: Vec<_> = (0..3).map(|_| waiters.push(request(now), seat())).collect();
    for (number, ticket) in tickets.iter().enumerate() {
        let next = waiters.next(false).expect("one waits");
        assert!(next.seat.answer(Ok(number as u32)).is_ok());
        assert_eq!(ticket.poll(Waker::noop()), Some(Ok(number as u32)));
    }
    assert!(waiters.next(false).is_none());
}

#[test]
fn a_grant_that_was_not_fetched_comes_back() {
    let now = Moment::now();
    let mut waiters = queue(9);
    let ticket = waiters.push(request(now), seat());
    let next = waiters.next(false).expect("one waits");
    assert!(next.seat.answer(Ok(7)).is_ok());
    assert_eq!(ticket.leave(), Some(7));
    assert_eq!(ticket.leave(), None, "a ticket is good once");
}

#[test]
fn a_grant_for_one_that_has_left_comes_back_to_the_giver() {
    let now = Moment::now();
    let mut waiters = queue(9);
    let ticket = waiters.push(request(now), seat());
    let next = waiters.next(false).expect("one waits");
    assert_eq!(ticket.leave(), None);
    assert_eq!(next.seat.answer(Ok(7)).err(), Some(Ok(7)));
}

#[test]
fn those_whose_time_has_come_are_sent_away_and_the_others_stay() {
    let now = Moment::now();
    let mut waiters = queue(9);
    let early = waiters.push(with(Priority::Normal, now + Duration::from_secs(1)), seat());
    let late = waiters.push(with(Priority::Normal, now + Duration::from_secs(2)), seat());
    assert_eq!(waiters.earliest(), Some(now + Duration::from_secs(1)));
    assert_eq!(waiters.expire(now + Duration::from_secs(1), None).len(), 1);
    assert_eq!(early.poll(Waker::noop()), Some(Err(Refusal::TIMED_OUT)));
    assert_eq!(late.poll(Waker::noop()), None);
    assert_eq!(waiters.len(), 1);
}

/// Puts these in line and says in which order they are served.
fn order(priorities: &[Priority]) -> Vec<usize> {
    let now = Moment::now();
    let mut waiters = queue(usize::MAX);
    let tickets: Vec<_> =
        priorities.iter().map(|priority| waiters.push(with(*priority, now), seat())).collect();
    let mut served = Vec::new();
    while let Some(next) = waiters.next(false) {
        assert!(next.seat.answer(Ok(0)).is_ok());
        served.extend(tickets.iter().position(|ticket| ticket.poll(Waker::noop()).is_some()));
    }
    served
}

#[test]
fn the_highest_is_first_and_within_a_priority_the_first_to_come() {
    use Priority::{High, Low, Normal};
    assert_eq!(order(&[Low, Normal, High, Low, Normal, High]), [2, 5, 1, 4, 0, 3]);
}

#[test]
fn every_eighth_turn_goes_to_the_longest_waiting_of_all() {
    let mut priorities = vec![Priority::Low, Priority::Normal];
    priorities.resize(30, Priority::High);
    let served = order(&priorities);
    assert_eq!((served[7], served[15]), (0, 1), "{served:?}");
}

#[test]
fn the_last_tenth_of_the_places_is_kept_for_the_highest() {
    let now = Moment::now();
    let mut waiters = queue(20);
    for _ in 0..18 {
        assert!(!waiters.is_full(Priority::Low, 0));
        waiters.push(request(now), seat());
    }
    assert!(waiters.is_full(Priority::Normal, 0) && !waiters.is_full(Priority::High, 0));
    waiters.push(with(Priority::High, now), seat());
    waiters.push(with(Priority::High, now), seat());
    assert!(waiters.is_full(Priority::High, 0));
}

#[test]
fn whoever_stood_aside_is_let_in_at_its_old_place() {
    let now = Moment::now();
    let mut waiters = queue(20);
    let capped = || Request { cap: NonZeroU32::new(1), ..request(now) };
    let (inside, aside) = (capped(), capped());
    assert!(waiters.enter(&inside) && !waiters.enter(&aside));
    let first = waiters.stand_aside(aside, seat());
    let second = waiters.push(request(now), seat());
    assert_eq!((waiters.len(), waiters.in_line()), (2, 1));
    waiters.done(&inside.name, inside.cap);
    assert_eq!(waiters.in_line(), 2);
    for ticket in [first, second] {
        let next = waiters.next(false).expect("one waits");
        assert!(next.seat.answer(Ok(1)).is_ok());
        assert!(ticket.poll(Waker::noop()).is_some());
    }
}

#[test]
fn a_caller_that_waits_for_as_long_as_it_takes_is_not_refused_with_those_that_have_a_limit() {
    let now = Moment::now();
    let mut waiters = queue(9);
    let limited = waiters.push(with(Priority::Low, now + Duration::from_secs(3600)), seat());
    let half = waiters.push(with(Priority::Low, now + AS_LONG_AS_IT_TAKES / 2), seat());
    let patient = waiters.push(with(Priority::Low, now + AS_LONG_AS_IT_TAKES), seat());
    let why = Refusal::NeverReached { reason: "no route".to_owned() };
    assert_eq!(waiters.refuse_limited(now, &why).len(), 1);
    assert_eq!(limited.poll(Waker::noop()), Some(Err(why)));
    assert_eq!((half.poll(Waker::noop()), patient.poll(Waker::noop())), (None, None));
    assert_eq!(waiters.refuse_all(&Refusal::Closed).len(), 2);
    assert_eq!((patient.poll(Waker::noop()), waiters.len()), (Some(Err(Refusal::Closed)), 0));
}

#[test]
fn the_youngest_of_all_is_refused_whatever_its_priority() {
    use Priority::{High, Low, Normal};
    let now = Moment::now();
    let mut waiters = queue(9);
    let tickets = [Low, High, Normal].map(|priority| waiters.push(with(priority, now), seat()));
    for ticket in tickets.iter().rev() {
        assert!(waiters.refuse_youngest(Refusal::Hopeless).is_some());
        assert_eq!(ticket.poll(Waker::noop()), Some(Err(Refusal::Hopeless)));
    }
    assert!(waiters.refuse_youngest(Refusal::Hopeless).is_none());
    let gone = waiters.push(with(High, now), seat());
    assert_eq!(gone.leave(), None);
    assert!(waiters.refuse_youngest(Refusal::Hopeless).is_none(), "it needs no answer");
}

#[test]
fn a_waiter_counts_in_its_line_and_for_those_behind_it() {
    use Priority::{High, Low, Normal};
    let now = Moment::now();
    let mut waiters = queue(9);
    let _tickets = [High, Normal, Normal, Low, Low, Low].map(|it| waiters.push(with(it, now), seat()));
    assert_eq!([High, Normal, Low].map(|priority| waiters.ahead_of(priority)), [1, 3, 6]);
    assert_eq!((waiters.urgent(), waiters.in_line(), waiters.len()), (1, 6, 6));
    assert_eq!(waiters.runners().collect::<Vec<_>>(), vec![Runner::current(); 6]);
    assert!(waiters.next(true).is_some() && waiters.next(true).is_none(), "one is of the highest");
    assert_eq!(waiters.in_line(), 5);
}

#[test]
fn one_that_stood_aside_to_the_end_is_told_of_the_cap_and_one_in_line_is_not() {
    let now = Moment::now();
    let mut waiters = queue(4);
    let cap = NonZeroU32::new(1);
    let capped = || Request { cap, name: WorkName::given("report"), ..request(now) };
    assert!(waiters.enter(&capped()));
    let in_line = waiters.push(capped(), seat());
    let aside = [(); 2].map(|()| waiters.stand_aside(capped(), seat()));
    assert!(waiters.is_full_aside() && !waiters.is_full(Priority::High, 2));
    assert_eq!((waiters.len(), waiters.in_line(), waiters.earliest()), (3, 1, Some(now)));
    assert_eq!(waiters.runners().count(), 3);
    waiters.remove(&aside[1]);
    assert!(!waiters.is_full_aside());
    assert_eq!(waiters.expire(now, Some("leases".to_owned())).len(), 2);
    let refused = |cap| Some(Err(Refusal::TimedOut { entangled: Some("leases".to_owned()), cap }));
    assert_eq!(in_line.poll(Waker::noop()), refused(None));
    assert_eq!(aside[0].poll(Waker::noop()), refused(cap));
    assert!(waiters.enter(&capped()), "none of the name is left");
}

#[derive(Clone, Debug)]
enum Step {
    Push(Priority),
    Grant,
    Poll(usize),
    Cancel(usize),
    Expire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)].prop_map(Step::Push),
        3 => Just(Step::Grant),
        2 => (0usize..20).prop_map(Step::Poll),
        2 => (0usize..20).prop_map(Step::Cancel),
        1 => (0u64..50).prop_map(Step::Expire),
    ]
}

proptest! {
    /// Every grant is fetched, given back or still there; none is lost and none is doubled.
    #[test]
    fn no_grant_is_lost(steps in prop::collection::vec(step(), 0..120)) {
        let start = Moment::now();
        let mut waiters = queue(usize::MAX);
        let mut tickets: Vec<Ticket<u32>> = Vec::new();
        let (mut granted, mut seen) = (0u32, Vec::new());
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(priority) => {
                    let until = start + Duration::from_millis(at as u64);
                    tickets.push(waiters.push(with(priority, until), seat()));
                }
                Step::Grant => if let Some(next) = waiters.next(false) {
                    match next.seat.answer(Ok(granted)) {
                        Ok(_) => granted += 1,
                        Err(turn) => prop_assert!(false, "{turn:?} came back from one in the queue"),
                    }
                },
                Step::Poll(which) => {
                    let turn = tickets.get(which).and_then(|ticket| ticket.poll(Waker::noop()));
                    if let Some(Ok(grant)) = turn { seen.push(grant); }
                }
                Step::Cancel(which) => if let Some(ticket) = tickets.get(which) {
                    seen.extend(ticket.leave());
                    waiters.remove(ticket);
                },
                Step::Expire(ms) => { waiters.expire(start + Duration::from_millis(ms), None); }
            }
        }
        for ticket in tickets {
            seen.extend(ticket.leave());
            waiters.remove(&ticket);
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..granted).collect::<Vec<_>>());
        prop_assert_eq!(waiters.len(), 0);
    }
}

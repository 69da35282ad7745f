use super::divide::{Claim, Demand, divide};
use super::mark::{Mark, compose, parse};
use super::*;
use crate::moment::Moment;
use proptest::prelude::*;
use std::time::Duration;

fn instance(number: u32, pools: usize, holds: usize, most: usize) -> Instance {
    Instance { token: Token(number), pools, holds, most }
}

/// A server with instances that do what the pools do: each round every instance reads, and then closes or opens
/// connections as far as its share and the server allow.
struct Fleet {
    limit: usize,
    others: usize,
    members: Vec<(Instance, PotHistory, usize)>,
}

impl Fleet {
    fn new(limit: usize) -> Self {
        Fleet { limit, others: 0, members: Vec::new() }
    }

    fn join(&mut self, number: u32, most: usize) {
        self.members.push((instance(number, 1, 0, most), PotHistory::default(), most));
    }

    fn sessions(&self) -> usize {
        self.others + self.members.iter().map(|(instance, ..)| instance.holds + 1).sum::<usize>()
    }

    /// One round; gives how many connects the server had to refuse.
    fn round(&mut self) -> usize {
        let mut refused = 0;
        for place in 0..self.members.len() {
            let instances = self.members.iter().map(|(instance, ..)| *instance).collect();
            let pot = Pot { limit: self.limit, sessions: self.sessions(), instances };
            let free = self.limit.saturating_sub(self.sessions());
            let (instance, history, allowed) = &mut self.members[place];
            *allowed = history.read(&pot, instance.token).expect("it is in the pot").connections;
            let wanted = instance.most.min(*allowed);
            let may = wanted.min(instance.holds + free);
            refused += wanted - may.min(wanted);
            instance.holds = may;
        }
        refused
    }

    fn rounds(&mut self, count: usize) {
        for _ in 0..count {
            self.round();
        }
    }

    fn allowed(&self) -> Vec<usize> {
        self.members.iter().map(|(.., allowed)| *allowed).collect()
    }
}

#[test]
fn ten_instances_of_thirty_on_a_hundred_get_eight_or_nine_each() {
    let mut fleet = Fleet::new(97);
    (0..10).for_each(|number| fleet.join(number, 30));
    fleet.round();
    fleet.round();
    let allowed = fleet.allowed();
    assert!(allowed.iter().all(|share| (8..=9).contains(share)), "{allowed:?}");
    assert_eq!(fleet.sessions(), 97 - Pot::spare(97), "all but what stays free");
    assert_eq!(fleet.round(), 0);
}

#[test]
fn a_newcomer_gets_its_share_in_the_round_after_it_and_the_others_make_room_in_the_same() {
    let mut fleet = Fleet::new(97);
    (0..3).for_each(|number| fleet.join(number, 90));
    fleet.rounds(3);
    let before = fleet.allowed();
    fleet.join(3, 90);
    fleet.round();
    assert!(fleet.allowed().iter().take(3).zip(before).all(|(now, before)| *now < before));
    fleet.round();
    let (least, most) = (fleet.allowed().into_iter().min(), fleet.allowed().into_iter().max());
    assert!(most <= least.map(|least| least + 1), "{:?}", fleet.allowed());
}

#[test]
fn what_leaves_gives_its_connections_back_after_three_readings_and_not_before() {
    let mut fleet = Fleet::new(97);
    (0..4).for_each(|number| fleet.join(number, 90));
    fleet.rounds(4);
    let before = fleet.allowed();
    let gone = fleet.members.split_off(2);
    fleet.rounds(2);
    assert_eq!(fleet.allowed(), before[..2], "it may be only a heartbeat that reconnects");
    fleet.round();
    assert!(fleet.allowed().iter().all(|share| *share > before[0] + 15), "{:?}", fleet.allowed());
    fleet.members.extend(gone);
    fleet.round();
    assert!(
        fleet.allowed().iter().zip(before).all(|(now, before)| now.abs_diff(before) <= 1),
        "it shrinks at once"
    );
}

#[test]
fn other_programs_are_believed_after_three_readings() {
    let mut fleet = Fleet::new(97);
    (0..2).for_each(|number| fleet.join(number, 20));
    fleet.rounds(3);
    assert_eq!(fleet.allowed(), [20, 20], "all that they would use");
    fleet.others = 70;
    fleet.rounds(2);
    assert_eq!(fleet.allowed(), [20, 20]);
    fleet.round();
    assert_eq!(fleet.allowed(), [10, 10], "97 without 5, 70 and two heartbeats");
    fleet.others = 0;
    fleet.rounds(3);
    assert_eq!(fleet.allowed(), [20, 20]);
}

#[test]
fn a_few_sessions_more_or_fewer_move_nothing() {
    let mut fleet = Fleet::new(97);
    (0..4).for_each(|number| fleet.join(number, 90));
    fleet.rounds(4);
    let before = fleet.allowed();
    for others in [2, 0, 1, 2, 2, 2, 2] {
        fleet.others = others;
        fleet.round();
        assert_eq!(fleet.allowed(), before, "{others}");
    }
    fleet.others = 3;
    fleet.rounds(3);
    assert_eq!(fleet.allowed().iter().sum::<usize>(), before.iter().sum::<usize>() - 3);
}

#[test]
fn what_one_would_not_use_the_others_have() {
    let instances = vec![instance(1, 1, 0, 5), instance(2, 1, 0, 90), instance(3, 1, 0, 90)];
    let pot = Pot { limit: 97, sessions: 3, instances };
    let shares: Vec<usize> = pot.shares(0).into_iter().map(|(_, share)| share).collect();
    assert_eq!(shares, [5, 42, 42]);
}

#[test]
fn a_small_limit_is_used_whole() {
    assert_eq!([1, 9, 10, 20, 97, 500].map(Pot::spare), [0, 0, 1, 1, 5, 25]);
}

fn instances() -> impl Strategy<Value = Vec<Instance>> {
    prop::collection::vec((1usize..5, 0usize..100, 0usize..100), 1..40).prop_map(|each| {
        (0..).zip(each).map(|(number, (pools, holds, most))| instance(number, pools, holds, most)).collect()
    })
}

proptest! {
    #[test]
    fn the_shares_of_all_never_exceed_the_limit_and_each_pool_has_one(
        instances in instances(), limit in 0usize..600, others in 0usize..300,
    ) {
        let pot = Pot { limit, sessions: 0, instances: instances.clone() };
        let shares: Vec<usize> = pot.shares(others).into_iter().map(|(_, share)| share).collect();
        let pools: usize = instances.iter().map(|instance| instance.pools).sum();
        let sessions = shares.iter().sum::<usize>() + pools + others + Pot::spare(limit);
        prop_assert!(sessions <= limit || shares.iter().sum::<usize>() == pools, "{sessions} of {limit}");
        for (instance, share) in instances.iter().zip(&shares) {
            prop_assert!(*share >= instance.pools && *share <= instance.most.max(instance.pools));
        }
        let most = shares.iter().zip(&instances).map(|(share, of)| share - of.pools).max();
        for (instance, share) in instances.iter().zip(&shares) {
            let is_short = *share < instance.most;
            prop_assert!(!is_short || Some(share - instance.pools + 1) >= most, "{shares:?}");
        }
        // Nothing is left over that an instance would use.
        let left = limit.saturating_sub(sessions);
        prop_assert!(left == 0 || shares.iter().zip(&instances).all(|(share, of)| *share >= of.most.max(of.pools)));
    }

    #[test]
    fn a_fleet_comes_to_rest_within_its_limit(
        mosts in prop::collection::vec(1usize..60, 1..15), others in 0usize..40,
    ) {
        let mut fleet = Fleet::new(200);
        fleet.others = others;
        (0..).zip(&mosts).for_each(|(number, most)| fleet.join(number, *most));
        fleet.rounds(4);
        let at_rest = fleet.allowed();
        for _ in 0..4 {
            prop_assert_eq!(fleet.round(), 0, "nothing is refused any more");
            prop_assert_eq!(fleet.allowed(), at_rest.clone(), "it does not flap");
            prop_assert!(fleet.sessions() <= 200 - Pot::spare(200) / 2);
        }
    }

    #[test]
    fn a_name_says_what_was_put_into_it(own in ".{0,80}", token: u32, holds in 0usize..100_000, most in 0usize..100_000) {
        let mark = Mark { token: Token(token), holds, most };
        let name = compose(&own, Some(mark));
        prop_assert_eq!(parse(&name), Some(mark));
        prop_assert!(name.len() <= 63 && name.is_ascii() && !name.contains(['\'', '\\']), "{name}");
        prop_assert!(name.ends_with(" (heartbeat)"));
    }

    #[test]
    fn any_text_may_be_read_as_a_name(name in ".*") {
        let _ = parse(&name);
    }
}

#[test]
fn names_that_say_nothing_are_no_instances() {
    for name in [
        "",
        "orders",
        "orders (heartbeat)",
        "orders # 9/30 1f3a9c0d",
        "orders # 9/30 1f3a9c0 (heartbeat)",
        "orders # 9/30 +f3a9c0d (heartbeat)",
        "orders # /30 1f3a9c0d (heartbeat)",
        "orders # +9/30 1f3a9c0d (heartbeat)",
        "orders # 9999999/30 1f3a9c0d (heartbeat)",
        "orders 9/30 1f3a9c0d (heartbeat)",
    ] {
        assert_eq!(parse(name), None, "{name:?}");
    }
    let mark = Mark { token: Token(0x1f3a_9c0d), holds: 9, most: 30 };
    assert_eq!(parse("orders # 1 # 9/30 1f3a9c0d (heartbeat)"), Some(mark));
    assert_eq!(compose("orders", Some(mark)), "orders # 9/30 1f3a9c0d (heartbeat)");
    assert_eq!(compose("orders", None), "orders (heartbeat)");
    let long = compose(&"ü".repeat(63), None);
    assert!(long.len() <= 63 && long.ends_with("ü (heartbeat)"), "{long}");
}

fn claim(guarantee: usize, most: usize, need: usize, has: usize) -> Claim {
    Claim { guarantee, most, need, has }
}

#[test]
fn a_pool_that_needs_more_gets_what_the_others_do_not_use() {
    // Web, jobs and health on thirteen.
    let at_rest = divide(13, &[claim(2, 20, 0, 2), claim(2, 10, 0, 2), claim(1, 2, 0, 1)]);
    assert_eq!(at_rest.iter().sum::<usize>(), 13);
    assert_eq!(divide(13, &[claim(2, 20, 30, 2), claim(2, 10, 0, 2), claim(1, 2, 0, 1)]), [10, 2, 1]);
    // Jobs need theirs: web keeps what it has until it comes back, and jobs have what is guaranteed meanwhile.
    assert_eq!(divide(13, &[claim(2, 20, 10, 10), claim(2, 10, 12, 2), claim(1, 2, 0, 1)]), [6, 2, 1]);
    assert_eq!(divide(13, &[claim(2, 20, 10, 8), claim(2, 10, 12, 2), claim(1, 2, 0, 1)]), [6, 4, 1]);
    assert_eq!(divide(13, &[claim(2, 20, 10, 6), claim(2, 10, 12, 2), claim(1, 2, 0, 1)]), [6, 6, 1]);
}

#[test]
fn a_share_that_is_too_small_for_the_guarantees_is_divided_evenly() {
    assert_eq!(divide(6, &[claim(8, 20, 0, 0), claim(2, 10, 0, 0), claim(1, 2, 0, 0)]), [3, 2, 1]);
    assert_eq!(
        divide(0, &[claim(8, 20, 9, 0), claim(2, 10, 9, 0)]),
        [1, 1],
        "a pool of none would serve nobody"
    );
    assert_eq!(divide(5, &[]), Vec::<usize>::new());
    assert_eq!(divide(usize::MAX, &[claim(1, 20, 0, 0)]), [20]);
}

#[test]
fn what_was_needed_a_moment_ago_is_needed_still() {
    let start = Moment::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut demand = Demand::default();
    assert_eq!(
        [(9, 0), (2, 500), (3, 1_000), (1, 1_900)].map(|(need, ms)| demand.add(need, at(ms))),
        [9, 9, 9, 9]
    );
    assert_eq!(demand.add(1, at(2_000)), 3);
    assert_eq!(demand.add(1, at(3_000)), 1);
}

fn claims() -> impl Strategy<Value = Vec<Claim>> {
    prop::collection::vec((0usize..8, 1usize..30, 0usize..60, 0usize..30), 1..8).prop_map(|each| {
        each.into_iter()
            .map(|(guarantee, most, need, has)| claim(guarantee.min(most), most, need, has))
            .collect()
    })
}

proptest! {
    #[test]
    fn the_pools_of_a_program_never_open_more_than_its_share(share in 0usize..120, claims in claims()) {
        let given = divide(share, &claims);
        let share = share.max(claims.len());
        prop_assert!(given.iter().sum::<usize>() <= share);
        prop_assert!(given.iter().zip(&claims).all(|(given, claim)| (1..=claim.most).contains(given)));
        let guaranteed: usize = claims.iter().map(|claim| claim.guarantee.max(1)).sum();
        let fits = guaranteed <= share;
        prop_assert!(!fits || given.iter().zip(&claims).all(|(given, claim)| *given >= claim.guarantee));
        // A pool opens up to what it was given and closes down to it as they come back.
        let taken: usize = claims.iter().map(|claim| claim.has.max(claim.guarantee.max(1))).sum();
        let opened: usize = given.iter().zip(&claims).map(|(given, claim)| (*given).max(claim.has)).sum();
        prop_assert!(taken > share || opened <= share, "{opened} of {share}: {given:?}");
    }

    #[test]
    fn nothing_is_left_over_that_a_pool_would_use(share in 0usize..120, claims in claims()) {
        let at_rest: Vec<Claim> = claims.iter().map(|claim| Claim { has: 0, ..*claim }).collect();
        let wanted: usize = claims.iter().map(|claim| claim.most).sum();
        let given: usize = divide(share, &at_rest).iter().sum();
        prop_assert_eq!(given, share.max(claims.len()).min(wanted));
    }
}

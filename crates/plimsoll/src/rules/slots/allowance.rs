//! What the connection budget allows a pool: the smaller of what it was granted and of what it found.
//!
//! *Granted* is the pool's part of the share that follows from the list of the server's sessions, once a second. *Found* is
//! what remained when the server refused a connection because it had no more (53300). That is known at once, also where the
//! list cannot be read. The pool then goes on with the connections that it has, and tries more after a second. It asks for
//! none meanwhile: a server that is full is not asked again and again by each waiting caller.

use super::Slots;
use crate::moment::Moment;
use crate::rules::share::Share;
use std::fmt;
use std::time::Duration;

/// How long a pool keeps to what it found, before it tries more.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// No bound.
const ALL: usize = usize::MAX;

/// Which limit decides what was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Server,
    Role,
    Database,
    /// The total of the program's own budget.
    Program,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::Server => "the server's",
            Bound::Role => "the role's",
            Bound::Database => "the database's",
            Bound::Program => "this program's",
        })
    }
}

/// What was granted, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) connections: usize,
    pub(crate) bound: Bound,
    /// The instance's share, where the bound is not the program's own.
    pub(crate) share: Option<Share>,
}

/// What the budget allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// The smaller of the two below, if the budget is enforced. Never zero.
    most: usize,
    granted: Option<Granted>,
    /// The grant as a bound; none where all was granted that there could be, so that a pool may be made larger at once.
    bound: usize,
    found: usize,
    /// When the server last refused, or more was last tried.
    tried_at: Option<Moment>,
    refusals: u64,
    /// Nothing is held back; what would be is only told.
    is_dark: bool,
}

impl Allowance {
    pub(crate) fn new(is_dark: bool) -> Self {
        Allowance { most: ALL, granted: None, bound: ALL, found: ALL, tried_at: None, refusals: 0, is_dark }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How often the server refused a connection because it had no more.
    pub(crate) fn refusals(&self) -> u64 {
        self.refusals
    }

    pub(crate) fn granted(&self) -> Option<Granted> {
        self.granted
    }

    /// Whether what was found is less than what was granted.
    pub(crate) fn is_refused(&self) -> bool {
        self.found != ALL && self.found <= self.bound
    }

    fn budgeted(&self) -> usize {
        self.bound.min(self.found).max(1)
    }

    fn update(&mut self) {
        self.most = if self.is_dark { ALL } else { self.budgeted() };
    }
}

impl<C, H> Slots<C, H> {
    /// The most that there may be by the settings alone.
    pub(crate) fn configured(&self) -> usize {
        self.limits.max + self.limits.overflow
    }

    /// The most that there may be by the budget; in the mode `dark`, that there might be.
    pub(crate) fn budgeted(&self) -> usize {
        self.configured().min(self.allowance.budgeted())
    }

    /// Sets what is granted; none for no bound.
    pub(crate) fn grant(&mut self, granted: Option<Granted>) {
        let most = self.configured();
        let is_all = |granted: &Granted| granted.bound != Bound::Program && granted.connections >= most;
        self.allowance.granted = granted;
        self.allowance.bound =
            granted.filter(|granted| !is_all(granted)).map_or(ALL, |granted| granted.connections);
        self.allowance.update();
    }

    /// The server refused a connection, since it has no more: keeps to those that there are, and those under way, each of
    /// which may still succeed.
    pub(crate) fn found_full(&mut self, now: Moment) {
        self.allowance.refusals += 1;
        self.keep_to(self.total(), now);
    }

    /// Makes room for one connection beside those of the pool, for the heartbeat's: without it the other instances do not
    /// know of this one.
    pub(crate) fn make_room(&mut self, now: Moment) {
        self.keep_to(self.total().saturating_sub(1), now);
    }

    fn keep_to(&mut self, found: usize, now: Moment) {
        self.allowance.found = found.max(1);
        self.allowance.tried_at = Some(now);
        self.allowance.update();
    }

    /// Allows more than was found, once a second: as many as are `free`, where that is known. Those that have their share
    /// take none of them.
    pub(crate) fn try_more(&mut self, free: Option<usize>, now: Moment) {
        let Allowance { found, tried_at, .. } = self.allowance;
        if found == ALL || tried_at.is_some_and(|at| now.since(at) < TRY_AGAIN) {
            return;
        }
        let more = found + free.unwrap_or(found / 4).max(1);
        let enough = self.allowance.bound.min(self.configured());
        self.allowance.found = if more >= enough { ALL } else { more };
        self.allowance.tried_at = Some(now);
        self.allowance.update();
    }

    /// Why there may be fewer connections than the settings say; nothing where there may be all.
    pub(crate) fn restriction(&self) -> Option<String> {
        let (most, configured) = (self.allowance.budgeted(), self.configured());
        if most >= configured {
            return None;
        }
        let refused = if self.allowance.is_refused() { "the server refused more; " } else { "" };
        let why = match self.allowance.granted {
            Some(Granted { share: Some(share), bound, .. }) => {
                let Share { instances, limit, others, connections } = share;
                format!(
                    "{refused}live instances: {instances}, {bound} limit: {limit}, used by others: {others}, share of each: \
                     {connections}"
                )
            }
            Some(granted) if !self.allowance.is_refused() => format!("{} total", granted.bound),
            _ => "the server refused more".to_owned(),
        };
        Some(format!("the connection budget allows {most} of {configured} ({why})"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SECOND, opened, up_to};
    use super::super::{Closing, PoolLimits};
    use super::*;
    use crate::rules::queue::handover::Effects;
    use crate::rules::queue::seat::Seat;
    use crate::rules::request::tests::request;

    fn granted(connections: usize) -> Option<Granted> {
        let share = Share { connections: 7, instances: 10, limit: 97, others: 3 };
        Some(Granted { connections, bound: Bound::Server, share: Some(share) })
    }

    #[test]
    fn a_smaller_grant_closes_what_is_idle_and_then_what_comes_back() {
        let (mut slots, now) = opened(up_to(2, 5));
        let lent = [(); 3].map(|()| slots.lend(&request(now), now).expect("five are idle"));
        slots.grant(granted(2));
        assert_eq!((slots.ceiling(), slots.kept(), slots.configured()), (2, 2, 5));
        assert_eq!(slots.reap(now, None, |_| false, |_| None).len(), 2);
        let _ticket = slots.waiters.push(request(now), Seat::new());
        let [first, second, _third] = lent;
        assert!(matches!(slots.offer(first.slot, first.connection, || now), Effects::Close(_)));
        assert!(matches!(slots.offer(second.slot, second.connection, || now), Effects::HandOver(_)));
        assert!(slots.begin_wanted(now).is_empty());
        slots.grant(None);
        assert_eq!(slots.begin_connects(9, now).len(), 3);
    }

    #[test]
    fn a_refusal_keeps_what_there_is_and_what_may_still_succeed() {
        let now = Moment::now();
        let mut slots: Slots<u32, ()> =
            Slots::new(PoolLimits { min: 0, max: 9, overflow: 0, connects: 3 }, 9);
        assert_eq!(slots.begin_connects(3, now), [0, 1, 2]);
        slots.vacate(0, Closing::Broken);
        slots.found_full(now);
        assert_eq!((slots.ceiling(), slots.allowance.refusals()), (2, 1));
        let _ticket = slots.waiters.push(request(now), Seat::new());
        assert!(matches!(slots.connected(1, 1, (), None, now), Effects::HandOver(_)), "it succeeded");
        slots.vacate(2, Closing::Broken);
        slots.found_full(now);
        assert_eq!((slots.ceiling(), slots.total()), (1, 1));
        slots.vacate(1, Closing::Broken);
        slots.found_full(now);
        assert_eq!((slots.ceiling(), slots.total()), (1, 0), "it goes on trying one");
        assert!(slots.allowance.is_refused());
    }

    #[test]
    fn more_is_tried_once_a_second_until_all_is_reached_that_was_granted() {
        let (mut slots, now) = opened(up_to(0, 9));
        slots.grant(granted(7));
        slots.keep_to(3, now);
        let mut at = |millis: u64, free| {
            slots.try_more(free, now + Duration::from_millis(millis));
            slots.ceiling()
        };
        assert_eq!(at(999, Some(5)), 3);
        assert_eq!(at(1_000, None), 4);
        assert_eq!(at(1_999, Some(5)), 4);
        assert_eq!(at(2_000, Some(0)), 5, "what is free may be so for a moment only");
        assert_eq!(at(3_000, Some(2)), 7);
        assert!(!slots.allowance.is_refused());
        assert_eq!(slots.allowance.found, ALL);
        let before = slots.ceiling();
        slots.make_room(now);
        assert_eq!((before, slots.ceiling()), (7, 7), "nine are open");
        slots.grant(None);
        assert_eq!(slots.ceiling(), 8);
    }

    #[test]
    fn a_restriction_is_told_with_its_numbers() {
        let (mut slots, now) = opened(up_to(0, 9));
        assert_eq!(slots.restriction(), None);
        slots.grant(granted(9));
        assert_eq!(slots.restriction(), None, "all are granted");
        slots.limits.max = 12;
        assert_eq!((slots.ceiling(), slots.restriction()), (12, None), "and more if the pool is made larger");
        slots.limits.max = 9;
        slots.grant(granted(7));
        let told = slots.restriction().expect("two are missing");
        assert_eq!(
            told,
            "the connection budget allows 7 of 9 (live instances: 10, the server's limit: 97, used by others: 3, share \
             of each: 7)"
        );
        slots.keep_to(3, now);
        assert!(
            slots
                .restriction()
                .is_some_and(|told| told.contains("allows 3 of 9 (the server refused more; live"))
        );
        slots.grant(Some(Granted { connections: 5, bound: Bound::Program, share: None }));
        assert!(slots.restriction().is_some_and(|told| told.ends_with("(the server refused more)")));
        slots.try_more(Some(9), now + SECOND);
        assert!(
            slots.restriction().is_some_and(|told| told.ends_with("allows 5 of 9 (this program's total)"))
        );
    }

    #[test]
    fn in_the_dark_all_may_be_opened_and_what_would_be_is_told() {
        let (mut slots, now) = opened(up_to(0, 9));
        slots.allowance = Allowance::new(true);
        slots.grant(granted(7));
        slots.keep_to(3, now);
        assert_eq!((slots.ceiling(), slots.budgeted()), (9, 3));
        assert!(slots.restriction().is_some());
    }
}

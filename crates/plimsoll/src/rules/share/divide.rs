//! The connections of one instance, divided among its pools.
//!
//! Each pool is guaranteed its minimum (`pool_min`, at least one), and that is never lent to another pool, so it is there
//! the moment it is needed. What lies above goes first to the pools that need it, evenly, and what is left after that to
//! any: connections that one pool does not use, another may have. A pool gets more only as far as another has closed what
//! it had: the connections of all pools together never exceed the share, also while they move.

use crate::moment::Moment;
use std::time::Duration;

/// What was needed so long ago is not needed any more: a pool whose load comes in short waves keeps its connections.
const REMEMBERED: Duration = Duration::from_secs(1);

/// One pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Kept for this pool, also while another pool needs more.
    pub(crate) guarantee: usize,
    /// More than this it would not use.
    pub(crate) most: usize,
    /// In use, and waited for.
    pub(crate) need: usize,
    /// Connections that it has, and those that are being opened.
    pub(crate) has: usize,
}

/// How many connections each pool may have, in the order of the claims. A share that is smaller than the number of pools
/// counts as that number: a pool that may have no connection would never serve a caller again.
pub(crate) fn divide(share: usize, claims: &[Claim]) -> Vec<usize> {
    let share = share.max(claims.len());
    let targets = targets(share, claims);
    // What a pool has, and what is guaranteed to it, no other pool can get yet.
    let taken: Vec<usize> = claims.iter().zip(&targets).map(|(claim, target)| claim.taken(*target)).collect();
    let room = share.saturating_sub(taken.iter().sum());
    let wants: Vec<usize> =
        targets.iter().zip(&taken).map(|(target, taken)| target.saturating_sub(*taken)).collect();
    let more = evenly(room, &wants);
    let reached = taken.iter().zip(more).map(|(taken, more)| taken + more);
    reached.zip(targets).map(|(reached, target)| reached.min(target)).collect()
}

impl Claim {
    fn floor(&self) -> usize {
        self.guarantee.max(1).min(self.most.max(1))
    }

    fn taken(&self, target: usize) -> usize {
        self.has.max(self.floor().min(target))
    }
}

/// How many each pool would have if connections could be moved in no time.
fn targets(share: usize, claims: &[Claim]) -> Vec<usize> {
    let mut given = vec![1; claims.len()];
    let mut rest = share.saturating_sub(claims.len());
    let steps: [fn(&Claim) -> usize; 3] =
        [Claim::floor, |claim| claim.need.min(claim.most), |claim| claim.most];
    for up_to in steps {
        let wants: Vec<usize> =
            claims.iter().zip(&given).map(|(claim, given)| up_to(claim).saturating_sub(*given)).collect();
        for (given, more) in given.iter_mut().zip(evenly(rest, &wants)) {
            *given += more;
            rest -= more;
        }
    }
    given
}

/// Divides an amount so that the smallest part is as large as it can be: none gets more than it wants, and one that gets
/// less than it wants gets as much as any other, give or take one.
pub(crate) fn evenly(amount: usize, wants: &[usize]) -> Vec<usize> {
    let mut order: Vec<(usize, usize)> = wants.iter().copied().enumerate().collect();
    order.sort_by_key(|(_, want)| *want);
    let mut parts = vec![0; wants.len()];
    let (mut left, mut sharers) = (amount, wants.len());
    for (place, want) in order {
        let part = want.min(left / sharers.max(1));
        left -= part;
        sharers -= 1;
        if let Some(slot) = parts.get_mut(place) {
            *slot = part;
        }
    }
    parts
}

/// The most that a pool needed lately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    now: usize,
    before: usize,
    since: Option<Moment>,
}

impl Demand {
    /// Adds what is needed now; gives the most of the last second, or of a little more.
    pub(crate) fn add(&mut self, need: usize, at: Moment) -> usize {
        if self.since.is_none_or(|since| at.since(since) >= REMEMBERED) {
            self.before = self.now;
            self.now = 0;
            self.since = Some(at);
        }
        self.now = self.now.max(need);
        self.now.max(self.before)
    }
}

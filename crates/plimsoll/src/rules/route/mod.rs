//! Which replica a read goes to.
//!
//! A replica may serve a read if it follows the primary, and is close enough behind it: by the limit of the read or else
//! by the usual one, and, where the read must see a commit, on that commit's timeline. Among those that may, two are drawn
//! and the one with fewer reads under way gets it. Always the least loaded one would be the wrong choice: every program
//! would send all its reads to a replica that has just come back.
//!
//! A replica that has not replayed the commit yet may still do so in a moment, so it is `Behind` and not unfit; it is
//! chosen only where none is `Ready`.

use crate::lsn::Lsn;
use crate::moment::Moment;
use crate::moment::in_seconds;
use crate::token::{CommitToken, Timeline};
use std::fmt;
use std::time::Duration;

/// How many replicas there can be: a set of them is one number.
pub(crate) const MOST: usize = 64;

/// What a read asks of the server that it runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// How far behind the replica may be; none for no limit.
    pub(crate) lag: Option<LagLimit>,
    /// The commit that must be visible.
    pub(crate) after: Option<CommitToken>,
}

/// How far behind a replica may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LagLimit {
    /// The read demands it: it must be proven now.
    Demanded(Duration),
    /// The usual limit. While the primary does not answer, what was known last stands: reads go on then.
    Usual(Duration),
}

/// What is known of the primary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PrimaryView {
    pub(crate) timeline: Option<Timeline>,
    /// When it was last asked with success.
    pub(crate) asked: Option<Moment>,
}

/// What a server was when it was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Standing {
    /// It was not asked yet.
    Unknown,
    /// It follows a primary and can be read.
    Following,
    /// It does not answer.
    Away,
    /// It takes writes itself.
    Promoted,
    /// It is no server of this cluster.
    Foreign,
    /// It answers and does not tell, as one that is no PostgreSQL standby.
    Untold,
}

/// What is known of a replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) standing: Standing,
    pub(crate) timeline: Timeline,
    pub(crate) replayed: Lsn,
    /// Up to when it shows every commit; none if that is not known.
    pub(crate) as_of: Option<Moment>,
}

/// How well a replica suits a read that it may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// It can serve it now.
    Ready,
    /// It has not replayed yet, as far as is known, the commit that must be visible.
    Behind,
}

/// Why a replica may not serve a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Standing(Standing),
    /// Its breaker refuses calls.
    Refusing,
    /// It was tried for this very read.
    Tried,
    /// It follows another timeline than the primary.
    OtherTimeline,
    /// The primary has never answered, so nothing can be compared.
    NoPrimary,
    /// It is behind by more than is allowed; by how much, if that is known.
    Late(Option<Duration>),
    /// The commit that must be visible belongs to another timeline than the primary's.
    OldToken,
    /// It did not come to the commit that must be visible in time.
    Missed,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::Late(Some(by)) => return write!(f, "is {:.1} s behind", in_seconds(*by)),
            Unfit::Late(None) => "is behind by an unknown time",
            Unfit::Standing(Standing::Unknown) => "was not asked yet",
            Unfit::Standing(Standing::Following) => "follows the primary",
            Unfit::Standing(Standing::Away) => "does not answer",
            Unfit::Standing(Standing::Promoted) => "takes writes itself",
            Unfit::Standing(Standing::Foreign) => "is no standby of this primary",
            Unfit::Standing(Standing::Untold) => "does not say how far it is",
            Unfit::Refusing => "is refused by its circuit breaker",
            Unfit::Tried => "failed just now",
            Unfit::OtherTimeline => "follows another timeline than the primary",
            Unfit::NoPrimary => "cannot be compared, since the primary has never answered",
            Unfit::OldToken => "cannot prove a commit of another timeline",
            Unfit::Missed => "did not come to the commit in time",
        })
    }
}

/// Whether a replica may serve a read, and how well it suits.
pub(crate) fn fitness(
    candidate: &Candidate,
    demand: &Demand,
    primary: &PrimaryView,
    now: Moment,
) -> Result<Fitness, Unfit> {
    if candidate.standing != Standing::Following {
        return Err(Unfit::Standing(candidate.standing));
    }
    let (Some(timeline), Some(asked)) = (primary.timeline, primary.asked) else {
        return Err(Unfit::NoPrimary);
    };
    if candidate.timeline != timeline {
        return Err(Unfit::OtherTimeline);
    }
    if demand.after.is_some_and(|token| token.timeline != timeline) {
        return Err(Unfit::OldToken);
    }
    let (limit, until) = match demand.lag {
        Some(LagLimit::Demanded(limit)) => (Some(limit), now),
        Some(LagLimit::Usual(limit)) => (Some(limit), asked),
        None => (None, asked),
    };
    if let Some(limit) = limit {
        let behind = candidate.as_of.map(|as_of| until.since(as_of));
        if behind.is_none_or(|behind| behind > limit) {
            return Err(Unfit::Late(behind));
        }
    }
    match demand.after {
        Some(token) if candidate.replayed < token.lsn => Ok(Fitness::Behind),
        _ => Ok(Fitness::Ready),
    }
}

/// Chooses among replicas: `fits` says how each of them suits, `load` how many reads are under way on one. `draw` gives a
/// number below its argument, at random.
pub(crate) fn choose(
    fits: impl Iterator<Item = Option<Fitness>>,
    load: impl Fn(usize) -> usize,
    mut draw: impl FnMut(u32) -> u32,
) -> Option<usize> {
    let (mut ready, mut behind) = (0_u64, 0_u64);
    for (index, fitness) in fits.take(MOST).enumerate() {
        match fitness {
            Some(Fitness::Ready) => ready |= 1 << index,
            Some(Fitness::Behind) => behind |= 1 << index,
            None => {}
        }
    }
    let set = if ready != 0 { ready } else { behind };
    let first = nth(set, draw(set.count_ones()))?;
    let others = set & !(1 << first);
    match nth(others, draw(others.count_ones())) {
        Some(second) if load(second) < load(first) => Some(second),
        _ => Some(first),
    }
}

/// The place of the n-th member of the set.
fn nth(mut set: u64, n: u32) -> Option<usize> {
    for _ in 0..n {
        set &= set.checked_sub(1)?;
    }
    (set != 0).then_some(set.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests;

//! What is asked of a pool.

use crate::deadline::Deadline;
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::forecast::Priority;
use std::num::NonZeroU32;
use std::time::Duration;

/// What is asked of a pool: for which work, and by when.
#[derive(Clone, Debug)]
pub struct Ask {
    pub(super) name: WorkName,
    pub(super) terms: Terms,
}

/// On which terms it is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) limit: Option<Duration>,
    pub(crate) priority: Priority,
    pub(crate) cap: Option<NonZeroU32>,
    /// When all of it must have ended; asked for when the wait begins, since it may be awaited in another scope than made.
    pub(crate) deadline: Option<Deadline>,
    /// When it was asked, if the clock was read just now: reading it costs as much as all that is done under the lock.
    pub(crate) at: Option<Moment>,
}

impl Ask {
    /// For this work, by the pool's own limit.
    #[must_use]
    pub fn by(name: WorkName) -> Self {
        Ask { name, terms: Terms::default() }
    }

    /// For the work of whoever calls this.
    #[track_caller]
    #[must_use]
    pub fn here() -> Self {
        Ask::by(WorkName::here())
    }

    /// Waits no longer than this, instead of the pool's own limit.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.terms.limit = Some(limit);
        self
    }

    /// Before those that are less urgent.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.terms.priority = priority;
        self
    }

    /// Only while this work's name holds fewer connections than so many, at least one.
    #[must_use]
    pub fn at_most(mut self, count: usize) -> Self {
        self.terms.cap = Some(cap(count));
        self
    }
}

/// The cap of the setting `max_per_name`, where 0 is none.
pub(super) fn per_name(count: usize) -> Option<NonZeroU32> {
    (count > 0).then(|| cap(count))
}

/// How many connections a name may hold: so many, and at least one.
pub(crate) fn cap(count: usize) -> NonZeroU32 {
    NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}
